#include "base/span.h"

#include "suites.h"
#include "unit.h"

START_TEST(equal)
{
	static const struct {
		const char *a, *b;
		bool eq, caseeq;
	} v[] = {
		{ "", "", true, true },
		{ "a", "", false, false },
		{ "abc", "abc", true, true },
		{ "abc", "abd", false, false },
		{ "abc", "abcd", false, false },
		{ "ABC", "abc", false, true },
		{ "Example.NET", "eXAMPLE.net", false, true },
		/* One bit apart, but no letters. */
		{ "@", "`", false, false },
		{ "[", "{", false, false },
		{ "\xc4", "\xe4", false, false },
	};

	for (size_t i = 0; i < UNIT_COUNT(v); i++) {
		struct span a = span_str(v[i].a), b = span_str(v[i].b);

		ck_assert_int_eq(span_eq(a, b), v[i].eq);
		ck_assert_int_eq(span_eq(b, a), v[i].eq);
		ck_assert_int_eq(span_caseeq(a, b), v[i].caseeq);
		ck_assert_int_eq(span_caseeq(b, a), v[i].caseeq);
	}
}
END_TEST

START_TEST(make)
{
	ck_assert_uint_eq(SPAN_LIT("a\0b").n, 3);
	ck_assert_uint_eq(span_str("a\0b").n, 1);
	ck_assert(span_eq(span_make("a\0b", 3), SPAN_LIT("a\0b")));
	ck_assert(!span_eq(span_make("a\0b", 3), SPAN_LIT("a\0c")));
	ck_assert(span_eq(span_make(NULL, 0), SPAN_LIT("")));
}
END_TEST

Suite *
span_suite(void)
{
	Suite *s = suite_create("span");
	TCase *tc = tcase_create("span");

	tcase_add_test(tc, equal);
	tcase_add_test(tc, make);
	suite_add_tcase(s, tc);
	return s;
}
