#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/files.h"
#include "temp.h"

/* The paths joined by blanks. */
static void
expect_match(const char *from, const char *pattern, const char *want)
{
	char got[512] = "";
	struct file_list l;
	const char *why;

	ck_assert(file_match(&l, from, pattern, &why));
	for (size_t i = 0, n = 0; i < l.n; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s",
		    i > 0 ? " " : "", l.v[i]);
	ck_assert_str_eq(got, want);
	file_list_fini(&l);
}

START_TEST(test_match)
{
	temp_file("d/b.conf", "");
	temp_file("d/B.conf", "");
	temp_file("d/a.conf", "");
	temp_file("d/x", "");
	temp_file("[d]*/a.conf", "");
	/* Byte order, relative to the including file. */
	expect_match("m.conf", "d/*.conf", "d/B.conf d/a.conf d/b.conf");
	expect_match("d/m.conf", "*.conf", "d/B.conf d/a.conf d/b.conf");
	expect_match("d/m.conf", "x", "d/x");
	expect_match("m.conf", "nope", "");
	expect_match("m.conf", "no/*.conf", "");
	/* Only the pattern has wildcards. */
	expect_match("[d]*/m.conf", "*.conf", "[d]*/a.conf");
	expect_match("/somewhere/m.conf", temp_path("d/x"), temp_path("d/x"));
}
END_TEST

static void
expect_read(const char *path, bool regular, const char *text, const char *error)
{
	const char *why = "";
	size_t len = 0;
	char *got = file_read(path, regular, &len, &why);

	if (text == NULL) {
		ck_assert_ptr_null(got);
		ck_assert_str_eq(why, error);
		return;
	}
	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got, text);
	ck_assert_uint_eq(len, strlen(text));
	free(got);
}

START_TEST(test_read)
{
	temp_file("f", "abc\n");
	temp_file("empty", "");
	expect_read("f", true, "abc\n", NULL);
	expect_read("f", false, "abc\n", NULL);
	expect_read("empty", true, "", NULL);
	expect_read("nope", true, NULL, "No such file or directory");
	expect_read("/", false, NULL, "Is a directory");
	expect_read("/", true, NULL, "not a regular file");
	expect_read("/dev/null", true, NULL, "not a regular file");
	expect_read("/dev/null", false, "", NULL);
	/* Standard input is for the main file only. */
	expect_read("-", true, NULL, "No such file or directory");
	expect_read("/dev/zero", false, NULL, "larger than 1 MiB");
}
END_TEST

START_TEST(test_size)
{
	char *text = calloc(FILE_MAX + 1, 1), *got;
	const char *why = "";
	size_t len;

	memset(text, '#', FILE_MAX + 1);
	temp_octets("most", text, FILE_MAX);
	temp_octets("more", text, FILE_MAX + 1);
	got = file_read("most", true, &len, &why);
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(len, FILE_MAX);
	free(got);
	expect_read("more", true, NULL, "larger than 1 MiB");
	free(text);
}
END_TEST

Suite *
files_suite(void)
{
	Suite *s = suite_create("files");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, temp_enter, temp_leave);
	tcase_add_test(tc, test_match);
	tcase_add_test(tc, test_read);
	tcase_add_test(tc, test_size);
	suite_add_tcase(s, tc);
	return s;
}
