/* Tests of coap/pct: each octet in each set, and triplets. */
#include "coap/pct.h"

#include "hex.h"
#include "unit.h"

/* RFC 3986 2.2, 2.3, 3.2 to 3.4. */
START_TEST(test_sets)
{
	static const char unreserved[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-._~";
	static const struct {
		unsigned set;
		const char *extra;
	} t[] = {
		{ PCT_REG_NAME, "!$&'()*+,;=" },
		{ PCT_USERINFO, "!$&'()*+,;=:" },
		{ PCT_SEGMENT, "!$&'()*+,;=:@" },
		{ PCT_PATH, "!$&'()*+,;=:@/" },
		{ PCT_QUERY, "!$&'()*+,;=:@/?" },
		{ PCT_ARGUMENT, "!$'()*+,;=:@/?" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		for (unsigned c = 0; c < 256; c++) {
			uint8_t octet = (uint8_t)c;
			bool in = c != 0 && (strchr(unreserved, (int)c) ||
			    strchr(t[i].extra, (int)c));

			ck_assert_msg(pct_ok(span_make(&octet, 1), t[i].set) ==
			    in, "set %zu octet %u", i, c);
		}
	}
}
END_TEST

/* PRX-20: well-formed triplets only, NUL included. */
START_TEST(test_triplets)
{
	static const struct {
		const char *text;
		bool ok;
	} t[] = {
		{ "", true }, { "%00", true }, { "%fF", true },
		{ "a%20b", true },
		{ "%", false }, { "%4", false }, { "a%4", false },
		{ "%zz", false }, { "%4z", false }, { "%z4", false },
		{ "%%41", false }, { "%4%41", false }, { "%C3%A4", true },
		{ "\xc3\xa4", false }, { "a b", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span s = span_str(t[i].text);
		struct span exact = exact_dup(s, s.n);

		ck_assert_msg(pct_ok(exact, PCT_SEGMENT) == t[i].ok, "%s",
		    t[i].text);
		hex_free(exact);
	}
}
END_TEST

START_TEST(test_hex)
{
	for (unsigned c = 0; c < 256; c++) {
		const char *at = c == 0 ? NULL :
		    strchr("0123456789abcdef", c >= 'A' && c <= 'F' ?
		    (int)c + 32 : (int)c);
		int want = -1;

		if (at != NULL)
			want = c <= '9' ? (int)c - '0' : ((int)c & 15) + 9;
		ck_assert_int_eq(pct_hex((uint8_t)c), want);
	}
}
END_TEST

/* PRX-19: once, so that "%2525" leaves "%25". */
START_TEST(test_decode)
{
	uint8_t out[8];
	size_t n;

	ck_assert(pct_decode(SPAN_LIT("a%2Fb%2525"), out, sizeof(out), &n));
	assert_span(span_make(out, n), SPAN_LIT("a/b%25"));
	ck_assert(pct_decode(SPAN_LIT("%00"), out, sizeof(out), &n));
	assert_hex(span_make(out, n), "00");
	ck_assert(pct_decode(SPAN_LIT("12345678"), out, sizeof(out), &n));
	ck_assert_uint_eq(n, 8);
	ck_assert(!pct_decode(SPAN_LIT("123456789"), out, sizeof(out), &n));
	ck_assert(pct_decode(SPAN_LIT(""), out, 0, &n));
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* PRX-30: digits in upper case. */
START_TEST(test_put)
{
	uint8_t out[16];
	struct writer w = writer_make(out, sizeof(out));

	pct_put(&w, SPAN_LIT("a/\xc3\xbc%~"), PCT_SEGMENT);
	ck_assert(!w.full);
	assert_span(writer_span(&w), SPAN_LIT("a%2F%C3%BC%25~"));
	pct_put(&w, SPAN_LIT("/"), PCT_SEGMENT);
	ck_assert(w.full);
}
END_TEST

/* Whatever the octets, encoding is well formed and decoding undoes it. */
START_TEST(test_round_trip)
{
	for (unsigned c = 0; c < 256; c++) {
		uint8_t octet = (uint8_t)c, text[4], back[4];
		struct writer w = writer_make(text, sizeof(text));
		size_t n;

		pct_put(&w, span_make(&octet, 1), PCT_UNRESERVED);
		ck_assert(pct_ok(writer_span(&w), PCT_UNRESERVED));
		ck_assert(pct_decode(writer_span(&w), back, 4, &n));
		assert_span(span_make(back, n), span_make(&octet, 1));
	}
}
END_TEST

Suite *pct_suite(void);

Suite *
pct_suite(void)
{
	Suite *s = suite_create("pct");
	TCase *tc = tcase_create("pct");

	tcase_add_test(tc, test_sets);
	tcase_add_test(tc, test_triplets);
	tcase_add_test(tc, test_hex);
	tcase_add_test(tc, test_decode);
	tcase_add_test(tc, test_put);
	tcase_add_test(tc, test_round_trip);
	suite_add_tcase(s, tc);
	return s;
}
