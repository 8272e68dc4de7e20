#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "conf/expand.h"
#include "temp.h"

enum { ROOM = 16 };

/* The content, or what is wrong; "*" in front of what came from a file. */
static void
expect(const char *body, const char *want)
{
	char text[ROOM], why[160], got[200];
	struct expansion x = { .text = text, .cap = sizeof(text), .why = why,
		.why_cap = sizeof(why) };

	if (expand(&x, span_str(body)))
		snprintf(got, sizeof(got), "%s%.*s", x.secret ? "*" : "",
		    (int)x.n, text);
	else
		snprintf(got, sizeof(got), "! %s", why);
	ck_assert_msg(strcmp(got, want) == 0, "%s: wanted %s, got %s", body,
	    want, got);
}

START_TEST(test_env)
{
	setenv("T", "abc", 1);
	setenv("EMPTY", "", 1);
	setenv("LONG", "0123456789abcdefg", 1);
	unsetenv("NONE");
	expect("env:T", "abc");
	expect("env:T:-x", "abc");
	expect("env:EMPTY", "");
	expect("env:EMPTY:-x", "x");
	expect("env:NONE:-", "");
	expect("env:NONE:-a:-b", "a:-b");
	expect("env:NONE", "! there is no environment variable 'NONE'; "
	    "${env:NAME:-default} does without");
	expect("env:", "! '' is not the name of an environment variable");
	expect("env:A B", "! 'A B' is not the name of an environment variable");
	expect("env:1A", "! '1A' is not the name of an environment variable");
	expect("env:T:x", "! '${env:NAME' goes on with ':-' and a default, or "
	    "ends with '}'");
	expect("env:LONG", "! the content is longer than 15 octets");
}
END_TEST

START_TEST(test_file)
{
	char body[700], want[900];

	temp_file("f", "s3cret\n");
	temp_file("two", "a\n\n");
	temp_file("empty", "");
	temp_file("long", "0123456789abcdef");
	temp_octets("nul", "a\0b", 3);
	snprintf(body, sizeof(body), "file:%s", temp_path("f"));
	expect(body, "*s3cret");
	snprintf(body, sizeof(body), "file:%s", temp_path("two"));
	expect(body, "*a\n");
	snprintf(body, sizeof(body), "file:%s", temp_path("empty"));
	expect(body, "*");
	snprintf(body, sizeof(body), "file:%s", temp_path("long"));
	snprintf(want, sizeof(want), "! '%s' is longer than 15 octets",
	    temp_path("long"));
	expect(body, want);
	snprintf(body, sizeof(body), "file:%s", temp_path("nul"));
	snprintf(want, sizeof(want), "! '%s' holds a NUL octet",
	    temp_path("nul"));
	expect(body, want);
	expect("file:/nonexistent", "! cannot read '/nonexistent': No such "
	    "file or directory");
	expect("file:f", "! ${file:...} needs a path that begins with '/'");
	expect("file:", "! ${file:...} needs a path that begins with '/'");
}
END_TEST

/* A pipe or a device could hold up the start for ever. */
START_TEST(test_not_regular)
{
	char body[700], want[900];

	expect("file:/dev/zero", "! cannot read '/dev/zero': not a regular "
	    "file");
	expect("file:/", "! cannot read '/': not a regular file");
	ck_assert_int_eq(mkfifo("pipe", 0600), 0);
	snprintf(body, sizeof(body), "file:%s", temp_path("pipe"));
	snprintf(want, sizeof(want), "! cannot read '%s': not a regular file",
	    temp_path("pipe"));
	expect(body, want);
}
END_TEST

START_TEST(test_cred)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	expect("cred:k", "! there are no credentials: $CREDENTIALS_DIRECTORY "
	    "is not set");
	temp_file("creds/k", "key\n");
	setenv("CREDENTIALS_DIRECTORY", "creds", 1);
	expect("cred:k", "*key");
	expect("cred:x", "! cannot read 'creds/x': No such file or directory");
	expect("cred:../f", "! ${cred:NAME} needs the name of a credential");
	expect("cred:..", "! ${cred:NAME} needs the name of a credential");
	expect("cred:", "! ${cred:NAME} needs the name of a credential");
}
END_TEST

START_TEST(test_unknown)
{
	static const char *const t[] = { "", "x", "ENV:T", "env", "envx:T" };

	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		expect(t[i], "! '${' is followed by env:, cred: or file:");
}
END_TEST

Suite *
expand_suite(void)
{
	Suite *s = suite_create("expand");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, temp_enter, temp_leave);
	tcase_add_test(tc, test_env);
	tcase_add_test(tc, test_file);
	tcase_add_test(tc, test_not_regular);
	tcase_add_test(tc, test_cred);
	tcase_add_test(tc, test_unknown);
	suite_add_tcase(s, tc);
	return s;
}
