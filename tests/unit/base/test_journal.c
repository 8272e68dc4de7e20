#include "base/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suites.h"
#include "unit.h"

static char dir[64], path[80];
static int reader;

static int
bind_reader(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(a.sun_path, path, strlen(path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/coaproxy-journal.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	reader = bind_reader();
}

static void
teardown(void)
{
	close(reader);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(one_entry_is_one_datagram)
{
	struct span entry = SPAN_LIT("MESSAGE=a b\nPRIORITY=6\n");
	struct journal j;
	char got[100];

	ck_assert(journal_open(&j, path));
	ck_assert(journal_send(&j, entry));
	ck_assert(journal_send(&j, SPAN_LIT("MESSAGE=c\n")));
	ck_assert_int_eq(read(reader, got, sizeof(got)), (ssize_t)entry.n);
	ck_assert_mem_eq(got, entry.p, entry.n);
	ck_assert_int_eq(read(reader, got, sizeof(got)), 10);
	ck_assert_int_lt(read(reader, got, sizeof(got)), 0);
	journal_close(&j);
	ck_assert(!journal_send(&j, entry));
	journal_close(&j);
}
END_TEST

/* It may come up after us, and once more. */
START_TEST(not_there_yet)
{
	struct journal j;

	close(reader);
	unlink(path);
	ck_assert(journal_open(&j, path));
	ck_assert(!journal_send(&j, SPAN_LIT("MESSAGE=a\n")));
	reader = bind_reader();
	ck_assert(journal_send(&j, SPAN_LIT("MESSAGE=a\n")));
	close(reader);
	ck_assert(!journal_send(&j, SPAN_LIT("MESSAGE=a\n")));
	unlink(path);
	reader = bind_reader();
	ck_assert(journal_send(&j, SPAN_LIT("MESSAGE=a\n")));
	journal_close(&j);
}
END_TEST

/* A journal that does not keep up is not waited for. */
START_TEST(behind)
{
	unsigned sent = 0, read_again = 0;
	struct journal j;
	char got[100];

	ck_assert(journal_open(&j, path));
	while (journal_send(&j, SPAN_LIT("MESSAGE=a\n")) && sent < 1000000)
		sent++;
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_lt(sent, 1000000);
	while (read(reader, got, sizeof(got)) > 0)
		read_again++;
	ck_assert_uint_eq(read_again, sent);
	ck_assert(journal_send(&j, SPAN_LIT("MESSAGE=a\n")));
	journal_close(&j);
}
END_TEST

START_TEST(no_such_path)
{
	char name[200];
	struct journal j;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert(!journal_open(&j, name));
	ck_assert(!journal_send(&j, SPAN_LIT("MESSAGE=a\n")));
	journal_close(&j);
}
END_TEST

Suite *
journal_suite(void)
{
	Suite *s = suite_create("journal");
	TCase *tc = tcase_create("journal");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_entry_is_one_datagram);
	tcase_add_test(tc, not_there_yet);
	tcase_add_test(tc, behind);
	tcase_add_test(tc, no_such_path);
	suite_add_tcase(s, tc);
	return s;
}
