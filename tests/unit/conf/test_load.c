#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loading.h"
#include "temp.h"

#define LISTEN "[listen]\nbind = coap://*\n[route]\nto = coap://h\n"

START_TEST(test_fine)
{
	static const char *const t[] = {
		LISTEN,
		"\xef\xbb\xbf" LISTEN,			/* BOM */
		"\xef\xbb\xbf[route]\nto = coap://h",	/* no last newline */
		"[route]\r\nto = coap://h\r\n",
		"  [route]  \n\t to\t=\tcoap://h  \n",
		"# c\n; c\n\n  # c\n[route] # c\nto = coap://h ; c\n",
		"[route]\nto=coap://h\n",
		"[route a]#b]\nto = coap://h\n",
		"[route a b [c] d]\nto = coap://h\n",
		"[route \"q]\nto = coap://h\n",
		"[route x]\nto = coap://h\nreply =\n",
		"[ route   x ]\nto = coap://h\n",
		"[route x]\nreply = 4.04 \"a # b ; c\"\n",
		"[listen a]\n[listen b]\nbind = coap://*:1\n[route]\n"
		"listen = a b\nto = coap://h\n",
		"[route]\nto = coap://h\n[route]\nhost = h\npath = /x\n"
		"listen = default\nto = coap://h\n",
	};

	/* The last hides a route: that is another test's business. */
	for (size_t i = 0; i < UNIT_COUNT(t) - 1; i++)
		expect_fine(t[i]);
	expect_warned(t[UNIT_COUNT(t) - 1], "t.conf:3: warning: [route 2] is "
	    "never reached: [route 1] at t.conf:1 takes all its requests\n");
}
END_TEST

START_TEST(test_refused)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		/* headers */
		{ "[route a\nto = coap://h\n",
			"1:1: error: section header has no closing ']'" },
		{ "[\n", "1:1: error: section header has no closing ']'" },
		{ "[]\nx = y\n", "1:2: error: unknown section ''" },
		{ "[route a] b\n", "1:10: error: there is text behind the "
			"section header" },
		{ "[route a # ]\n",
			"1:1: error: section header has no closing ']'" },
		{ "[Route a]\n", "1:2: error: unknown section 'Route'; did you "
			"mean '[route]'?" },
		{ "[routes a]\n", "1:2: error: unknown section 'routes'; did "
			"you mean '[route]'?" },
		{ "[nonsense]\nx = y\n",
			"1:2: error: unknown section 'nonsense'" },
		{ "[proxy a]\n", "1:8: error: [proxy] takes no name" },
		{ "[log]\n[log]\n",
			"2:2: error: [log] is already defined at t.conf:1" },
		{ "[proxy]\n[proxy]\n",
			"2:2: error: [proxy] is already defined at t.conf:1" },
		{ "[listen a]\n\n[ listen a ]\nbind = coap://*:1\n", "3:10: "
			"error: [listen a] is already defined at t.conf:1" },
		{ "[origin]\n[origin]\n",
			"2:2: error: [origin] is already defined at t.conf:1" },
		/* the second is not even looked at: it has no place to go */
		{ "[forward]\nallow-to = coap://a\n[forward]\n"
		  "allow-to = coap://b coap://c\ntimeout = x\n", "3:2: "
			"error: [forward] is already defined at t.conf:1" },
		{ "[tls a]\ncert = x\nnonsense = y\n",
			"1:2: error: [tls] is not supported by this build" },
		/* statements */
		{ "x = y\nz = y\n",
			"1:1: error: a setting before any [SECTION]" },
		{ "[log]\n  level\n",
			"2:3: error: expected [SECTION] or KEY = VALUE" },
		{ "[log]\n= info\n",
			"2:1: error: expected [SECTION] or KEY = VALUE" },
		{ "[log]\nlevel: info\n",
			"2:1: error: expected [SECTION] or KEY = VALUE" },
		{ "[route]\nto: coap://h?a=b\nto = coap://h\n",
			"2:1: error: expected [SECTION] or KEY = VALUE" },
		{ "[log]\nLEVEL = info\n", "2:1: error: [log] has no setting "
			"'LEVEL'; did you mean 'level'?" },
		{ "[log]\nnonsense = info\n",
			"2:1: error: [log] has no setting 'nonsense'" },
		{ "[log]\nlevel = info\n level = warn\n",
			"3:2: error: 'level' is already set at t.conf:2" },
		{ "[log]\nlevel =\n", "2:1: error: 'level' has no value; "
			"expected error, warn, info or debug" },
		{ "[log]\nlevel = info warn\n", "2:14: error: 'level' takes "
			"one value; quote it if it has blanks in it" },
		{ "[route]\nreply = 4.04 a b\n", "2:16: error: 'reply' takes "
			"two values; quote the second if it has blanks in it" },
		{ "[log]\nlevel = \"info\n",
			"2:9: error: the quotation has no end" },
		{ "[origin]\nserver = coap://h\n", "2:1: error: [origin] "
			"without a name holds defaults and has no 'server'" },
		/* an indented setting is no continuation */
		{ "[log]\nlevel = info\n  target = x\n", "3:12: error: 'x' is "
			"not a log target; expected for example stderr, "
			"/var/log/coaproxy.log" },
		/* controls */
		{ "[log]\nlevel = in\x01" "fo\n",
			"2:11: error: control character \\x01" },
		{ "[lo\x7fg]\n", "1:4: error: control character \\x7f" },
		{ "[log]\nlevel = info\rx\n",
			"2:13: error: control character \\x0d" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		char want[300];

		snprintf(want, sizeof(want), "t.conf:%s\n", t[i].want);
		expect_refused(t[i].text, want);
	}
}
END_TEST

/* inih cuts section names at 49 octets and lines at 197. */
START_TEST(test_long)
{
	char text[20000], name[1001];
	struct loading l;

	memset(name, 'n', 1000);
	name[1000] = '\0';
	snprintf(text, sizeof(text), "[route %sa]\nhost = x\nto = coap://h\n"
	    "[route %sb]\nto = coap://h\n", name, name);
	l = load_string(text);
	ck_assert_ptr_nonnull(l.c);
	ck_assert_uint_eq(strlen(l.c->rules.v[0].name), 1001);
	ck_assert_str_ne(l.c->rules.v[0].name, l.c->rules.v[1].name);
	unload(&l);

	memset(text, ' ', sizeof(text));
	memcpy(text, "[route]\nto =", 12);
	memcpy(text + 8000, "coap://h\n", 10);
	expect_fine(text);
	memset(text + 8000, ' ', 1000);
	memcpy(text + 9000, "coap://h\n", 10);
	expect_refused(text,
	    "t.conf:2:8193: error: the line is longer than 8192 octets\n");
}
END_TEST

/* A comment may be as long as it likes. */
START_TEST(test_long_comment)
{
	char text[20000];

	memset(text, '#', sizeof(text));
	memcpy(text, "[route]\nto = coap://h #", 23);
	text[sizeof(text) - 1] = '\0';
	expect_fine(text);
}
END_TEST

static void
expect_file(const char *path, const char *want)
{
	struct conf_report r = { 0 };
	struct conf *c = conf_load(path, &r);
	char *got = gist(r.text != NULL ? r.text : "");

	ck_assert_str_eq(got, want);
	ck_assert(c == NULL || *want == '\0');
	free(got);
	conf_report_fini(&r);
	conf_free(c);
}

START_TEST(test_nul)
{
	static const char text[] = "[log]\nlevel = in\0fo\nlevel = warn\n";

	temp_octets("nul", text, sizeof(text) - 1);
	expect_file("nul", "nul:2:11: error: control character \\x00\n");
}
END_TEST

START_TEST(test_main_file)
{
	expect_file("nope", "nope: error: cannot read it: No such file or "
	    "directory\n");
	expect_file(".", ".: error: cannot read it: Is a directory\n");
	temp_file("good", LISTEN);
	expect_file("good", "");
}
END_TEST

/* Included sections land where the include stands; names are as they are
 * found. */
START_TEST(test_include)
{
	struct conf_report r = { 0 };
	struct conf *c;

	temp_file("d/m.conf", "[proxy]\ninclude = i/*.conf nothing/*\n"
	    "name = n\n[route z]\nto = coap://h\n");
	temp_file("d/i/b.conf", "[route b]\nhost = b\nto = coap://h\n");
	temp_file("d/i/a.conf", "[proxy]\ninclude = sub/x\nhop-limit = 3\n"
	    "[route a]\nhost = a\nto = coap://h\n");
	temp_file("d/i/sub/x", "[route x]\nhost = x\nto = coap://h\n");
	c = conf_load("d/m.conf", &r);
	ck_assert_msg(c != NULL, "%s", r.text);
	ck_assert_str_eq(c->name, "n");
	ck_assert_uint_eq(c->hop_limit, 3);
	ck_assert_uint_eq(c->rules.n, 4);
	ck_assert_str_eq(c->rules.v[0].name, "x");
	ck_assert_str_eq(c->rules.v[1].name, "a");
	ck_assert_str_eq(c->rules.v[2].name, "b");
	ck_assert_str_eq(c->rules.v[3].name, "z");
	conf_report_fini(&r);
	conf_free(c);
}
END_TEST

/* In the order of reading, each under the path it was found at. */
START_TEST(test_include_errors)
{
	temp_file("m", "[proxy]\ninclude = i/* missing \"${env:}\"\n"
	    "hop-limit = 1\n[log]\nx = y\n");
	temp_file("i/a", "[proxy]\nhop-limit = 2\n[proxy]\n[log]\n");
	expect_file("m",
	    "m:2:24: error: '' is not the name of an environment variable\n"
	    "m:5:1: error: [log] has no setting 'x'\n");
	temp_file("m", "[proxy]\ninclude = i/* missing\n"
	    "hop-limit = 1\n[log]\nx = y\n");
	expect_file("m",
	    "m:2:15: error: there is no file 'missing'\n"
	    "m:3:1: error: 'hop-limit' is already set at i/a:2\n"
	    "m:4:2: error: [log] is already defined at i/a:4\n"
	    "i/a:3:2: error: [proxy] is already defined at i/a:1\n");
	temp_file("m", "[proxy]\ninclude = /dev/null i\n");
	expect_file("m",
	    "m:2:11: error: cannot read '/dev/null': not a regular file\n"
	    "m:2:21: error: cannot read 'i': not a regular file\n");
}
END_TEST

START_TEST(test_include_depth)
{
	temp_file("1", "[proxy]\ninclude = 2\n");
	temp_file("2", "[proxy]\ninclude = 3\n");
	temp_file("3", "[proxy]\ninclude = 4\n");
	temp_file("4", "[proxy]\ninclude = 5\n");
	temp_file("5", "[route]\nto = coap://h\n");
	expect_file("1", "");
	temp_file("5", "[proxy]\ninclude = 6\n");
	temp_file("6", "");
	expect_file("1", "5:2:11: error: includes are nested deeper than 4\n");
}
END_TEST

/* A cycle ends at the depth, and many of them at the number of files. */
START_TEST(test_include_cycle)
{
	struct conf_report r = { 0 };
	char name[32];

	temp_file("m", "[proxy]\ninclude = m\n");
	expect_file("m", "m:2:11: error: includes are nested deeper than 4\n");
	temp_file("w", "[proxy]\ninclude = w w w w w w w w w w w w w w w w w "
	    "w w w w w w w w w w w w w w w w w w w w w w w w w w w w w w w\n");
	ck_assert_ptr_null(conf_load("w", &r));
	ck_assert_uint_gt(r.errors, 1000);
	conf_report_fini(&r);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		temp_file(name, "");
	}
	temp_file("m", "[proxy]\ninclude = many/*\n");
	ck_assert_ptr_null(conf_load("m", &r));
	ck_assert_uint_eq(r.errors, 300 - 255);
	ck_assert_ptr_nonnull(strstr(r.text, "more than 256 files"));
	conf_report_fini(&r);
}
END_TEST

Suite *
load_suite(void)
{
	Suite *s = suite_create("load");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, temp_enter, temp_leave);
	tcase_add_test(tc, test_fine);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_long);
	tcase_add_test(tc, test_long_comment);
	tcase_add_test(tc, test_nul);
	tcase_add_test(tc, test_main_file);
	tcase_add_test(tc, test_include);
	tcase_add_test(tc, test_include_errors);
	tcase_add_test(tc, test_include_depth);
	tcase_add_test(tc, test_include_cycle);
	suite_add_tcase(s, tc);
	return s;
}
