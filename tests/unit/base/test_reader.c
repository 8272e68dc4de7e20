#include "base/reader.h"

#include "suites.h"
#include "unit.h"

START_TEST(reads)
{
	static const uint8_t in[] = { 0x12, 0x80, 0xff, 'a', 'b', 'c' };
	struct reader r = reader_make(span_make(in, sizeof(in)));

	ck_assert_uint_eq(reader_left(&r), 6);
	ck_assert_uint_eq(reader_u8(&r), 0x12);
	ck_assert_uint_eq(reader_u16(&r), 0x80ff);
	ck_assert(span_eq(reader_take(&r, 3), SPAN_LIT("abc")));
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert_uint_eq(reader_take(&r, 0).n, 0);
	ck_assert(!r.bad);
}
END_TEST

/* One octet short: zero, nothing consumed, and it is remembered. */
START_TEST(runs_short)
{
	static const uint8_t in[] = { 0xff };
	struct reader r = reader_make(span_make(in, 1));

	ck_assert_uint_eq(reader_u16(&r), 0);
	ck_assert(r.bad);
	ck_assert_uint_eq(reader_u8(&r), 0xff);
	ck_assert(r.bad);

	r = reader_make(span_make(in, 1));
	ck_assert_uint_eq(reader_take(&r, 2).n, 0);
	ck_assert(r.bad);

	r = reader_make(span_make(in, 1));
	ck_assert_uint_eq(reader_take(&r, SIZE_MAX).n, 0);
	ck_assert(r.bad);
	ck_assert_uint_eq(reader_left(&r), 1);

	r = reader_make(span_make(NULL, 0));
	ck_assert(!r.bad);
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert(r.bad);
}
END_TEST

Suite *
reader_suite(void)
{
	Suite *s = suite_create("reader");
	TCase *tc = tcase_create("reader");

	tcase_add_test(tc, reads);
	tcase_add_test(tc, runs_short);
	suite_add_tcase(s, tc);
	return s;
}
