#include "net/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "suites.h"
#include "unit.h"

static const struct siphash_key key = { 3, 4 };

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* The addresses of NAME, blanks between; empty when it has none. */
static const char *
look_up(struct hosts *h, const char *name, uint64_t now, char out[512])
{
	struct name_addrs a;
	struct name nm;
	char text[ADDR_STRLEN];
	size_t len = 0;

	out[0] = '\0';
	ck_assert(name_from(&nm, span_str(name)));
	if (!hosts_find(h, &nm, &a, now))
		return out;
	for (size_t i = 0; i < a.n; i++)
		len += (size_t)snprintf(out + len, 512 - len, "%s%s",
		    i > 0 ? " " : "", addr_ip_str(&a.a[i], text));
	return out;
}

static void
make_path(char path[32])
{
	int fd;

	(void)snprintf(path, 32, "/tmp/hostsXXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(close(fd), 0);
}

START_TEST(file_is_read)
{
	static const struct {
		const char *name, *want;
	} t[] = {
		{ "one", "192.0.2.1" },
		{ "ONE.Example", "192.0.2.1" },
		{ "two", "192.0.2.2 2001:db8::2" },
		{ "last", "192.0.2.9" },
		{ "comment", "" },
		{ "bad", "" },
		{ "absent", "" },
		{ "localhost", "127.0.0.5 ::1 127.0.0.1" },
		{ "x.localhost", "::1 127.0.0.1" },
		{ "notlocalhost", "" },
	};
	char path[32], got[512];
	struct hosts *h;

	make_path(path);
	write_file(path,
	    "# first\n"
	    "\n"
	    " 192.0.2.1\tone  One.Example # comment\n"
	    "192.0.2.2 two#comment\n"
	    "300.0.0.1 bad\n"
	    "192.0.2.7\n"
	    "2001:db8::2 two\r\n"
	    "2001:db8::2 two\n"
	    "127.0.0.5 localhost\n"
	    "192.0.2.8 b\xc3\xbc" "cher\n"
	    "192.0.2.9 last");
	h = hosts_new(path, &key);
	ck_assert_ptr_nonnull(h);
	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		ck_assert_str_eq(look_up(h, t[i].name, 1, got), t[i].want);
	hosts_free(h);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(change_is_seen)
{
	char path[32], got[512];
	struct hosts *h;

	make_path(path);
	write_file(path, "192.0.2.1 one\n");
	h = hosts_new(path, &key);
	ck_assert_str_eq(look_up(h, "one", 1, got), "192.0.2.1");
	write_file(path, "192.0.2.22 one\n192.0.2.3 three\n");
	ck_assert_str_eq(look_up(h, "three", 2, got), "");
	ck_assert_str_eq(look_up(h, "three", 5000, got), "192.0.2.3");
	ck_assert_str_eq(look_up(h, "one", 5000, got), "192.0.2.22");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_str_eq(look_up(h, "one", 10000, got), "");
	ck_assert_str_eq(look_up(h, "localhost", 10000, got),
	    "::1 127.0.0.1");
	hosts_free(h);
}
END_TEST

START_TEST(long_file_is_cut)
{
	char path[32], got[512];
	struct hosts *h;
	FILE *f;

	make_path(path);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i <= HOSTS_MAX; i++)
		ck_assert_int_gt(fprintf(f, "0.0.0.0 ad%d\n", i), 0);
	ck_assert_int_eq(fclose(f), 0);
	h = hosts_new(path, &key);
	ck_assert_str_eq(look_up(h, "ad0", 1, got), "0.0.0.0");
	ck_assert_str_eq(look_up(h, "ad32767", 1, got), "0.0.0.0");
	ck_assert_str_eq(look_up(h, "ad32768", 1, got), "");
	hosts_free(h);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

Suite *
hosts_suite(void)
{
	Suite *s = suite_create("hosts");
	TCase *tc = tcase_create("hosts");

	tcase_add_test(tc, file_is_read);
	tcase_add_test(tc, change_is_seen);
	tcase_add_test(tc, long_file_is_cut);
	suite_add_tcase(s, tc);
	return s;
}
