#include "base/writer.h"

#include "suites.h"
#include "unit.h"

START_TEST(writes)
{
	uint8_t out[10];
	struct writer w = writer_make(out, sizeof(out));

	writer_u8(&w, 0x12);
	writer_u16(&w, 0x80ff);
	writer_u32(&w, 0x01020304);
	writer_span_put(&w, SPAN_LIT("ab"));
	writer_put(&w, NULL, 0);
	ck_assert_uint_eq(writer_len(&w), 9);
	writer_u8(&w, 0);
	ck_assert(!w.full);
	ck_assert(span_eq(writer_span(&w),
	    SPAN_LIT("\x12\x80\xff\x01\x02\x03\x04"
		     "ab\0")));
}
END_TEST

/* What does not fit is left out whole, and so is everything after it. */
START_TEST(full)
{
	uint8_t out[4] = { 0, 0, 0xee, 0xee };
	struct writer w = writer_make(out, 2);

	writer_u8(&w, 1);
	writer_u16(&w, 0x0203);
	ck_assert(w.full);
	writer_u8(&w, 4);
	writer_put(&w, "x", 1);
	ck_assert_uint_eq(writer_len(&w), 1);
	ck_assert_mem_eq(out, "\x01\x00\xee\xee", 4);

	w = writer_make(out, 2);
	writer_put(&w, "abc", 3);
	ck_assert(w.full);
	ck_assert_uint_eq(writer_len(&w), 0);

	w = writer_make(out, 0);
	writer_u8(&w, 1);
	ck_assert(w.full);
	ck_assert_mem_eq(out, "\x01\x00\xee\xee", 4);
}
END_TEST

Suite *
writer_suite(void)
{
	Suite *s = suite_create("writer");
	TCase *tc = tcase_create("writer");

	tcase_add_test(tc, writes);
	tcase_add_test(tc, full);
	suite_add_tcase(s, tc);
	return s;
}
