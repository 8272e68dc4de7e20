#include "base/parse.h"

#include "suites.h"
#include "unit.h"

enum { REFUSED = 77 };	/* what *out must still be then */

struct number {
	const char *text;
	uint64_t value;
	bool ok;
};

static void
check_numbers(bool (*fn)(struct span, uint64_t *), const struct number *v,
    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t got = REFUSED;
		bool ok = fn(span_str(v[i].text), &got);

		ck_assert_msg(ok == v[i].ok, "'%s'", v[i].text);
		ck_assert_msg(got == (v[i].ok ? v[i].value : REFUSED),
		    "'%s'", v[i].text);
	}
}

START_TEST(u64)
{
	static const struct number v[] = {
		{ "0", 0, true },
		{ "007", 7, true },
		{ "5683", 5683, true },
		{ "18446744073709551615", UINT64_MAX, true },
		{ "18446744073709551616", 0, false },
		{ "18446744073709551620", 0, false },
		{ "99999999999999999999999", 0, false },
		{ "", 0, false },
		{ " 1", 0, false },
		{ "1 ", 0, false },
		{ "+1", 0, false },
		{ "-1", 0, false },
		{ "0x10", 0, false },
		{ "1e3", 0, false },
		{ "1:", 0, false },
		{ "1/", 0, false },
	};
	uint64_t got = REFUSED;

	check_numbers(parse_u64, v, UNIT_COUNT(v));
	ck_assert(!parse_u64(span_make("1\0", 2), &got));
	ck_assert(!parse_u64(span_make(NULL, 0), &got));
	ck_assert(parse_u64(span_make("12345", 2), &got));
	ck_assert_uint_eq(got, 12);
}
END_TEST

START_TEST(duration)
{
	static const struct number v[] = {
		{ "0", 0, true },
		{ "0s", 0, true },
		{ "500ms", 500, true },
		{ "20s", 20000, true },
		{ "5m", 300000, true },
		{ "1h", 3600000, true },
		{ "7d", 604800000, true },
		{ "18446744073709551s", 18446744073709551000u, true },
		{ "18446744073709552s", 0, false },
		{ "", 0, false },
		{ "00", 0, false },
		{ "5", 0, false },
		{ "s", 0, false },
		{ "20 s", 0, false },
		{ "20S", 0, false },
		{ "20x", 0, false },
		{ "20ss", 0, false },
		{ "1.5s", 0, false },
		{ "-1s", 0, false },
	};

	check_numbers(parse_duration, v, UNIT_COUNT(v));
}
END_TEST

START_TEST(size)
{
	static const struct number v[] = {
		{ "0", 0, true },
		{ "4096", 4096, true },
		{ "64K", 65536, true },
		{ "16M", 16777216, true },
		{ "1G", 1073741824, true },
		{ "17179869183G", (uint64_t)17179869183u << 30, true },
		{ "17179869184G", 0, false },
		{ "", 0, false },
		{ "K", 0, false },
		{ "1k", 0, false },
		{ "1KB", 0, false },
		{ "1 K", 0, false },
		{ "1T", 0, false },
	};

	check_numbers(parse_size, v, UNIT_COUNT(v));
}
END_TEST

START_TEST(boolean)
{
	static const char *const bad[] = { "", "y", "Yes", "true", "1", "on",
		"yes ", "noo" };
	bool got = false;

	ck_assert(parse_bool(SPAN_LIT("yes"), &got) && got);
	ck_assert(parse_bool(SPAN_LIT("no"), &got) && !got);
	for (size_t i = 0; i < UNIT_COUNT(bad); i++)
		ck_assert(!parse_bool(span_str(bad[i]), &got));
}
END_TEST

START_TEST(milli)
{
	static const struct number v[] = {
		{ "1", 1000, true },
		{ "1.5", 1500, true },
		{ "1.05", 1050, true },
		{ "0.001", 1, true },
		{ "4294967.295", UINT32_MAX, true },
		{ "4294967.296", 0, false },
		{ "4294968", 0, false },
		{ "", 0, false },
		{ ".", 0, false },
		{ "1.", 0, false },
		{ ".5", 0, false },
		{ "1.2345", 0, false },
		{ "1,5", 0, false },
		{ "1.5.5", 0, false },
		{ "1.5s", 0, false },
		{ "-1", 0, false },
		{ "99999999999999999999", 0, false },
	};

	for (size_t i = 0; i < UNIT_COUNT(v); i++) {
		uint32_t got = REFUSED;
		bool ok = parse_milli(span_str(v[i].text), &got);

		ck_assert_msg(ok == v[i].ok, "'%s'", v[i].text);
		ck_assert_msg(got == (v[i].ok ? v[i].value : REFUSED),
		    "'%s'", v[i].text);
	}
}
END_TEST

Suite *
parse_suite(void)
{
	Suite *s = suite_create("parse");
	TCase *tc = tcase_create("parse");

	tcase_add_test(tc, u64);
	tcase_add_test(tc, duration);
	tcase_add_test(tc, size);
	tcase_add_test(tc, boolean);
	tcase_add_test(tc, milli);
	suite_add_tcase(s, tc);
	return s;
}
