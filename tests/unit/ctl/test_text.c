#include "ctl/text.h"

#include <event2/buffer.h>

#include "suites.h"
#include "unit.h"

static struct evbuffer *b;

static void
setup(void)
{
	b = evbuffer_new();
	ck_assert_ptr_nonnull(b);
}

static void
teardown(void)
{
	evbuffer_free(b);
}

/* RFC 3629: what is not in its table is none. */
START_TEST(utf8)
{
	static const struct {
		const char *text;
		size_t n;
	} rows[] = {
		{ "a", 1 }, { "\x7f", 1 }, { "\x80", 0 }, { "\xc3\xa9", 2 },
		{ "\xc1\x80", 0 }, { "\xc3", 0 }, { "\xc3(", 0 },
		{ "\xe2\x82\xac", 3 }, { "\xe0\x9f\xbf", 0 },
		{ "\xe0\xa0\x80", 3 }, { "\xed\x9f\xbf", 3 },
		{ "\xed\xa0\x80", 0 }, { "\xe2\x82", 0 },
		{ "\xf0\x9f\x92\xa1", 4 }, { "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf4\x8f\xbf\xbf", 4 }, { "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 }, { "\xff", 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_msg(text_utf8(span_str(rows[i].text)) == rows[i].n,
		    "row %zu", i);
}
END_TEST

START_TEST(json)
{
	text_json(b, SPAN_LIT("a\"b\\c\n\x01\x7f\xc3\xa9\xff\xc3z\0"));
	ck_assert_str_eq(drained(b), "\"a\\\"b\\\\c\\u000a\\u0001\\u007f"
	    "\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz\\u0000\"");
}
END_TEST

/* Columns are characters, and nothing moves the cursor. */
START_TEST(cells)
{
	text_cell(b, SPAN_LIT("ab"), 4);
	text_cell(b, SPAN_LIT("ab"), -4);
	text_cell(b, SPAN_LIT("abcdef"), 4);
	text_cell(b, SPAN_LIT("\xc3\xa9"), 2);
	text_cell(b, SPAN_LIT("\x1b["), -6);
	ck_assert_str_eq(drained(b), "ab    ababcdef\xc3\xa9  \\x1b[");
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		uint64_t n;
		const char *size, *time;
	} rows[] = {
		{ 0, "0", "0s" }, { 1023, "1023", "1s" },
		{ 1536, "1.5K", "1s" }, { 59999, "58.5K", "59s" },
		{ 60000, "58.5K", "1m00s" }, { 1 << 20, "1.0M", "17m28s" },
		{ 64 << 20, "64.0M", "18h38m" },
		{ UINT64_C(1) << 40, "1.0T", "12725d19h" },
		{ UINT64_MAX, "16383.9P", "213503982334d14h" },
	};
	char out[TEXT_SHORT];

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		ck_assert_str_eq(text_size(rows[i].n, out), rows[i].size);
		ck_assert_str_eq(text_time(rows[i].n, out), rows[i].time);
	}
	ck_assert_str_eq(text_date(UINT64_C(1700000000999), out),
	    "2023-11-14 22:13:20 UTC");
	text_date(UINT64_MAX, out);
}
END_TEST

START_TEST(patterns)
{
	static const struct {
		const char *pattern, *text;
		bool like;
	} rows[] = {
		{ "", "", true }, { "*", "", true }, { "*", "abc", true },
		{ "abc", "abc", true }, { "abc", "abcd", false },
		{ "ab*", "abc", true }, { "*bc", "abc", true },
		{ "a*c", "abbc", true }, { "a*c", "abcb", false },
		{ "a*b*c", "aXbXbc", true }, { "**", "x", true },
		{ "a?", "ab", false }, { "coap://h/*", "coap://h/", true },
		{ "coap://h/*", "coap://hh/", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_msg(text_like(rows[i].pattern, rows[i].text) ==
		    rows[i].like, "row %zu", i);
}
END_TEST

Suite *
text_suite(void)
{
	Suite *s = suite_create("text");
	TCase *tc = tcase_create("text");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, utf8);
	tcase_add_test(tc, json);
	tcase_add_test(tc, cells);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, patterns);
	suite_add_tcase(s, tc);
	return s;
}
