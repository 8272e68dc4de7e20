/* Tests of coap/block. */
#include "coap/block.h"

#include "coap/emit.h"
#include "hex.h"
#include "unit.h"

/* BLK-01: the vectors of RFC 7959 2.2 and the ends of the range. */
static const struct {
	const char *wire;
	uint32_t num;
	bool more;
	uint8_t szx;
	uint32_t size;
	uint64_t offset;
} values[] = {
	{ "", 0, false, 0, 16, 0 },
	{ "08", 0, true, 0, 16, 0 },
	{ "06", 0, false, 6, 1024, 0 },
	{ "3b", 3, true, 3, 128, 384 },
	{ "21", 2, false, 1, 32, 64 },
	{ "f6", 15, false, 6, 1024, 15360 },
	{ "01 00", 16, false, 0, 16, 256 },
	{ "ff fe", 4095, true, 6, 1024, 4193280 },
	{ "ff ff f6", 1048575, false, 6, 1024, 1073740800 },
	{ "07", 0, false, COAP_SZX_RESERVED, 2048, 0 },
};

START_TEST(test_values)
{
	for (size_t i = 0; i < UNIT_COUNT(values); i++) {
		struct span s = hex_dup(values[i].wire);
		struct coap_block b = coap_block_get(s);
		uint8_t out[8];
		struct writer w = writer_make(out, sizeof(out));
		struct coap_optw o = coap_optw(&w);

		ck_assert_uint_eq(b.num, values[i].num);
		ck_assert(b.more == values[i].more);
		ck_assert_uint_eq(b.szx, values[i].szx);
		ck_assert_uint_eq(coap_block_size(&b), values[i].size);
		ck_assert_uint_eq(coap_block_offset(&b), values[i].offset);
		coap_put_uint(&o, 0, coap_block_value(&b));
		assert_span(span_make(out + 1, writer_len(&w) - 1), s);
		hex_free(s);
	}
}
END_TEST

/* BLK-04: leading zeros mean what the short form means (MSG-14). */
START_TEST(test_long_form)
{
	struct span s = hex_dup("00 00 3b");
	struct coap_block b = coap_block_get(s);

	ck_assert_uint_eq(b.num, 3);
	ck_assert(b.more);
	ck_assert_uint_eq(b.szx, 3);
	hex_free(s);
}
END_TEST

/* BLK-16: behind the end is no block. BLK-02: nor has SZX 7 any. BLK-05:
 * what M was in the request does not matter. */
START_TEST(test_slices)
{
	static const struct {
		size_t body;
		uint32_t num;
		uint8_t szx;
		bool ok;
		size_t from, n;
		bool more;
	} t[] = {
		{ 0, 0, 0, true, 0, 0, false },
		{ 0, 1, 0, false, 0, 0, false },
		{ 1, 0, 0, true, 0, 1, false },
		{ 16, 0, 0, true, 0, 16, false },
		{ 16, 1, 0, false, 0, 0, false },
		{ 17, 0, 0, true, 0, 16, true },
		{ 17, 1, 0, true, 16, 1, false },
		{ 300, 3, 2, true, 192, 64, true },
		{ 300, 4, 2, true, 256, 44, false },
		{ 300, 5, 2, false, 0, 0, false },
		{ 300, 100, 2, false, 0, 0, false },
		{ 300, COAP_BLOCK_NUM_MAX, 6, false, 0, 0, false },
		{ 300, 0, 6, true, 0, 300, false },
		{ 300, 0, COAP_SZX_RESERVED, false, 0, 0, false },
	};
	uint8_t octets[300] = { 0 };

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span body = span_make(octets, t[i].body), slice;

		for (unsigned more = 0; more < 2; more++) {
			struct coap_block b = { t[i].num, more != 0, t[i].szx };

			ck_assert(coap_block_slice(body, &b, &slice) ==
			    t[i].ok);
			if (!t[i].ok)
				continue;
			ck_assert_ptr_eq(slice.p, octets + t[i].from);
			ck_assert_uint_eq(slice.n, t[i].n);
			ck_assert(b.more == t[i].more);
			ck_assert_uint_eq(b.num, t[i].num);
		}
	}
}
END_TEST

/* An empty body may be a null span. */
START_TEST(test_null_body)
{
	struct coap_block b = { 0, true, 6 };
	struct span slice = SPAN_LIT("x");

	ck_assert(coap_block_slice(span_make(NULL, 0), &b, &slice));
	ck_assert_uint_eq(slice.n, 0);
	ck_assert(!b.more);
}
END_TEST

Suite *block_suite(void);

Suite *
block_suite(void)
{
	Suite *s = suite_create("block");
	TCase *tc = tcase_create("block");

	tcase_add_test(tc, test_values);
	tcase_add_test(tc, test_long_form);
	tcase_add_test(tc, test_slices);
	tcase_add_test(tc, test_null_body);
	suite_add_tcase(s, tc);
	return s;
}
