#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/report.h"

static const struct conf_file main_file = { .name = "m.conf" };
static const struct conf_file other_file = { .name = "o.conf", .order = 1 };

static void
expect(struct report *r, const char *want)
{
	char *text = report_text(r, "m.conf");

	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(test_nothing)
{
	struct report r = { 0 };

	ck_assert_ptr_null(report_text(&r, "m.conf"));
}
END_TEST

/* In order of files, lines and columns, whatever the order of finding. */
START_TEST(test_order)
{
	struct report r = { 0 };
	struct conf_pos at = { .file = &other_file, .line = 1 };

	report_error(&r, &at, "e%d", 5);
	at = (struct conf_pos){ .file = &main_file, .line = 7 };
	report_warning(&r, &at, "e4");
	at.line = 2;
	at.col = 3;
	at.text = span_str("ab c");
	report_error(&r, &at, "e3");
	at.col = 0;
	report_error(&r, &at, "e2");
	at.line = 0;
	report_error(&r, &at, "e1");
	ck_assert_uint_eq(r.errors, 4);
	ck_assert_uint_eq(r.warnings, 1);
	expect(&r, "m.conf: error: e1\n"
		   "m.conf:2: error: e2\n"
		   "m.conf:2:3: error: e3\n"
		   "      2 | ab c\n"
		   "        |   ^\n"
		   "m.conf:7: warning: e4\n"
		   "o.conf:1: error: e5\n"
		   "m.conf: 4 errors\n");
	report_fini(&r);
}
END_TEST

/* Tabs keep the caret in place; controls do nothing to a terminal; an UTF-8
 * character is one column. */
START_TEST(test_caret)
{
	static const struct {
		const char *line;
		unsigned col;
		const char *shown, *caret;
	} t[] = {
		{ "\ta = \tb", 7, "\ta = \tb", "\t    \t^" },
		{ "a\x1b[2J", 2, "a?[2J", " ^" },
		{ "\xc3\xa4 = x", 6, "\xc3\xa4 = x", "    ^" },
		{ "ab", 3, "ab", "  ^" },
		{ "ab", 99, "ab", "  ^" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct conf_pos at = { .file = &main_file, .line = 12345,
			.col = t[i].col, .text = span_str(t[i].line) };
		struct report r = { 0 };
		char want[256];

		report_error(&r, &at, "x");
		snprintf(want, sizeof(want), "m.conf:12345:%u: error: x\n"
		    "  12345 | %s\n        | %s\nm.conf: 1 error\n",
		    t[i].col, t[i].shown, t[i].caret);
		expect(&r, want);
		report_fini(&r);
	}
}
END_TEST

/* Of a long line the place is shown. */
START_TEST(test_long_line)
{
	struct conf_pos at = { .file = &main_file, .line = 1, .col = 501 };
	struct report r = { 0 };
	char line[1001], *text, *caret, *shown;

	memset(line, '.', 1000);
	line[500] = 'X';
	line[1000] = '\0';
	at.text = span_str(line);
	report_error(&r, &at, "x");
	text = report_text(&r, "m.conf");
	shown = strstr(text, "      1 | ...");
	ck_assert_ptr_nonnull(shown);
	caret = strstr(shown, "        | ");
	ck_assert_ptr_nonnull(caret);
	ck_assert_int_eq(strchr(shown, 'X') - shown,
	    strchr(caret, '^') - caret);
	ck_assert_uint_lt(strlen(text), 600);
	free(text);
	report_fini(&r);
}
END_TEST

START_TEST(test_flood)
{
	struct conf_pos at = { .file = &main_file, .line = 1 };
	struct report r = { 0 };
	char *text;

	for (int i = 0; i < 5000; i++)
		report_error(&r, &at, "x");
	text = report_text(&r, "m.conf");
	ck_assert_ptr_nonnull(strstr(text,
	    "m.conf: 5000 errors, not all of them shown\n"));
	ck_assert_uint_lt(strlen(text), 100000);
	free(text);
	report_fini(&r);
}
END_TEST

Suite *
report_suite(void)
{
	Suite *s = suite_create("report");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, test_nothing);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_caret);
	tcase_add_test(tc, test_long_line);
	tcase_add_test(tc, test_flood);
	suite_add_tcase(s, tc);
	return s;
}
