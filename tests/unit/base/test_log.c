#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "suites.h"
#include "unit.h"

static int ends[2];
static char got[8192];

static void
setup(void)
{
	unsetenv("JOURNAL_STREAM");
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	log_open(ends[1], LOG_INFO);
}

static void
teardown(void)
{
	log_open(STDERR_FILENO, LOG_INFO);
	log_set_format(LOG_TEXT);
	log_open_journal(NULL);
	close(ends[0]);
	close(ends[1]);
}

/* What was written since, as a string. */
static const char *
output(void)
{
	ssize_t n = read(ends[0], got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	return got;
}

static void
be_journal(uint64_t off)
{
	struct stat st;
	char text[64];

	ck_assert_int_eq(fstat(ends[1], &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu",
	    (unsigned long long)st.st_dev,
	    (unsigned long long)(st.st_ino + off));
	ck_assert_int_eq(setenv("JOURNAL_STREAM", text, 1), 0);
	log_open(ends[1], LOG_DEBUG);
}

START_TEST(time_stamp)
{
	unsigned year, month, day, hour, minute, second, ms;
	int end = 0;

	log_warn("client 192.0.2.1:5683", "token=%02x", 0xab);
	ck_assert_int_eq(sscanf(output(), "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ %n",
	    &year, &month, &day, &hour, &minute, &second, &ms, &end), 7);
	ck_assert_uint_ge(year, 2024);
	ck_assert_str_eq(got + end, "warn client 192.0.2.1:5683: token=ab\n");
}
END_TEST

START_TEST(journal)
{
	be_journal(0);
	log_error(NULL, "a");
	ck_assert_str_eq(output(), "<3>a\n");
	log_warn("x", "b");
	ck_assert_str_eq(output(), "<4>x: b\n");
	log_info(NULL, "c");
	ck_assert_str_eq(output(), "<6>c\n");
	log_debug(NULL, "d");
	ck_assert_str_eq(output(), "<7>d\n");
}
END_TEST

/* The variable is inherited by whatever is started with another stderr. */
START_TEST(not_the_journal)
{
	static const char *const bad[] = { "", ":", "1", "1:", ":1", "1:x",
		"1:2:3" };

	be_journal(1);
	log_error(NULL, "a");
	ck_assert_int_eq(output()[0], '2');
	for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
		ck_assert_int_eq(setenv("JOURNAL_STREAM", bad[i], 1), 0);
		log_open(ends[1], LOG_DEBUG);
		log_error(NULL, "a");
		ck_assert_int_eq(output()[0], '2');
	}
}
END_TEST

static unsigned evaluated;

static unsigned
evaluate(void)
{
	return ++evaluated;
}

START_TEST(level)
{
	evaluated = 0;
	log_open(ends[1], LOG_WARN);
	log_info(NULL, "%u", evaluate());
	log_debug(NULL, "%u", evaluate());
	ck_assert_uint_eq(evaluated, 0);
	ck_assert_str_eq(output(), "");
	log_warn(NULL, "%u", evaluate());
	log_error(NULL, "%u", evaluate());
	ck_assert_uint_eq(evaluated, 2);
	ck_assert_str_ne(output(), "");
	ck_assert_str_eq(log_level_name(LOG_ERROR), "error");
	ck_assert_str_eq(log_level_name(LOG_WARN), "warn");
	ck_assert_str_eq(log_level_name(LOG_INFO), "info");
	ck_assert_str_eq(log_level_name(LOG_DEBUG), "debug");
}
END_TEST

/* Hostile octets forge no line and reach no terminal. */
START_TEST(escapes)
{
	be_journal(0);
	log_warn("a\nb", "path=/x\n<3>forged\r\033[2J\t\x7f\xc3\xa4 ~");
	ck_assert_str_eq(output(),
	    "<4>a\\x0ab: path=/x\\x0a<3>forged\\x0d\\x1b[2J\\x09\\x7f"
	    "\\xc3\\xa4 ~\n");
}
END_TEST

START_TEST(cut)
{
	char text[3000];

	be_journal(0);
	for (size_t n = 1000; n < sizeof(text); n += n < 1050 ? 1 : 300) {
		size_t len;

		memset(text, 'x', n);
		text[n] = '\0';
		log_warn(NULL, "%s", text);
		len = strlen(output());
		ck_assert_uint_eq(len, n + 4 <= 1021 ? n + 4 : 1024);
		ck_assert_ptr_eq(strchr(got, '\n'), got + len - 1);
		if (n > 1020)
			ck_assert_str_eq(got + len - 4, "...\n");
	}
	/* No half escape. */
	memset(text, 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_warn("w", "%s", text);
	ck_assert_str_eq(output() + strlen(got) - 8, "\\x01...\n");
	log_warn(text, "never");
	ck_assert_uint_le(strlen(output()), 1024);
	ck_assert_str_eq(got + strlen(got) - 8, "\\x01...\n");
}
END_TEST

START_TEST(errno_is_kept)
{
	int fd;

	errno = EXDEV;
	log_warn(NULL, "a");
	ck_assert_int_eq(errno, EXDEV);
	log_open(-1, LOG_INFO);
	errno = EXDEV;
	log_warn(NULL, "a");
	ck_assert_int_eq(errno, EXDEV);
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	log_open(fd, LOG_INFO);
	errno = EXDEV;
	log_warn(NULL, "a");
	ck_assert_int_eq(errno, EXDEV);
	close(fd);
}
END_TEST

static unsigned
count_lines(const char *s)
{
	unsigned n = 0;

	while ((s = strchr(s, '\n')) != NULL) {
		n++;
		s++;
	}
	return n;
}

/* A full pipe costs lines, not time, though the descriptor would block; what
 * was lost is said once there is room. */
START_TEST(full_pipe)
{
	unsigned lines = 0, lost = 0;
	const char *report = NULL;
	uint64_t before = log_lost();

	/* Two pages: a page that holds a line is not free. */
	ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 8192), 8192);
	be_journal(0);
	for (unsigned i = 0; i < 3000; i++)
		log_warn(NULL, "a line of more than sixteen octets");
	while (*output() != '\0')
		lines += count_lines(got);
	ck_assert_uint_gt(lines, 0);
	ck_assert_uint_lt(lines, 3000);
	log_warn(NULL, "later");
	report = strstr(output(), "lost=");
	ck_assert_ptr_nonnull(report);
	ck_assert_int_eq(sscanf(report, "lost=%u", &lost), 1);
	ck_assert_uint_eq(lines + lost, 3000);
	ck_assert_uint_eq(log_lost() - before, lost);
	ck_assert_str_eq(strchr(got, '\n') + 1, "<4>later\n");
	log_warn(NULL, "again");
	ck_assert_str_eq(output(), "<4>again\n");
}
END_TEST

/* Nor does a reader that has gone: no SIGPIPE, whose default is to kill. */
START_TEST(reader_gone)
{
	struct sigaction old, dfl = { .sa_handler = SIG_DFL };

	ck_assert_int_eq(sigaction(SIGPIPE, &dfl, &old), 0);
	close(ends[0]);
	log_warn(NULL, "a");
	log_warn(NULL, "b");
	ck_assert_int_eq(sigaction(SIGPIPE, &old, NULL), 0);
	ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}
END_TEST

/* A disk that fills up within a line: the next one does not go on in it. */
START_TEST(full_disk)
{
	struct sigaction old, ign = { .sa_handler = SIG_IGN };
	struct rlimit before, few;
	int fd = memfd_create("log", MFD_CLOEXEC);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	log_open(fd, LOG_INFO);
	ck_assert_int_eq(sigaction(SIGXFSZ, &ign, &old), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	few = before;
	few.rlim_cur = 40;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &few), 0);
	log_warn(NULL, "this is cut");
	log_warn(NULL, "this is lost");
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(sigaction(SIGXFSZ, &old, NULL), 0);
	log_warn(NULL, "this is whole");
	n = pread(fd, got, sizeof(got) - 1, 0);
	ck_assert_int_gt(n, 41);
	got[n] = '\0';
	ck_assert_int_eq(got[40], '\n');
	ck_assert_ptr_nonnull(strstr(got + 41, " lost=2\n"));
	ck_assert_ptr_nonnull(strstr(got + 41, " this is whole\n"));
	ck_assert_uint_eq(count_lines(got), 3);
	close(fd);
}
END_TEST

/* First at once, then a count once a minute. */
START_TEST(limited)
{
	struct log_limit limit = { 0 };
	uint64_t now = 5000;

	be_journal(0);
	for (unsigned i = 0; i < 100; i++)
		log_limited(&limit, now + i, LOG_WARN, "w", "event=%u", i);
	ck_assert_str_eq(output(), "<4>w: event=0\n");
	log_limited(&limit, now + 59999, LOG_WARN, "w", "event=%u", 100u);
	ck_assert_str_eq(output(), "");
	log_limited(&limit, now + 60000, LOG_WARN, "w", "event=%u", 101u);
	ck_assert_str_eq(output(),
	    "<6>suppressed=100 like the next\n<4>w: event=101\n");
	log_limited(&limit, now + 60001, LOG_WARN, "w", "event=%u", 102u);
	ck_assert_str_eq(output(), "");
	log_limited(&limit, now + 200000, LOG_DEBUG + 1, "w", "no level");
	ck_assert_str_eq(output(), "");
	ck_assert_uint_eq(limit.suppressed, 1);
}
END_TEST

/* Behind the time stamp. */
static const char *
stamped(const char *before)
{
	size_t n = strlen(before);

	output();
	ck_assert_int_eq(strncmp(got, before, n), 0);
	ck_assert_uint_gt(strlen(got), n + 24);
	ck_assert_int_eq(got[n + 10], 'T');
	ck_assert_int_eq(got[n + 23], 'Z');
	return got + n + 24;
}

START_TEST(logfmt)
{
	log_set_format(LOG_LOGFMT);
	ck_assert_int_eq(log_get_format(), LOG_LOGFMT);
	log_warn("client 192.0.2.1:5683", "a=\"b\" \\ \n\xff");
	ck_assert_str_eq(stamped("time="),
	    " level=warn who=\"client 192.0.2.1:5683\" "
	    "msg=\"a=\\\"b\\\" \\\\ \\u000a\\u00ff\"\n");
	log_error(NULL, "a");
	ck_assert_str_eq(stamped("time="), " level=error msg=\"a\"\n");
	be_journal(0);
	log_error("w", "a");
	ck_assert_str_eq(output(), "<3>who=\"w\" msg=\"a\"\n");
}
END_TEST

START_TEST(json)
{
	log_set_format(LOG_JSON);
	log_warn("w", "a=\"b\" \\ \n\xff");
	ck_assert_str_eq(stamped("{\"time\":\""),
	    "\",\"level\":\"warn\",\"who\":\"w\","
	    "\"msg\":\"a=\\\"b\\\" \\\\ \\u000a\\u00ff\"}\n");
	be_journal(0);
	log_error(NULL, "a");
	ck_assert_str_eq(output(), "<3>{\"msg\":\"a\"}\n");
}
END_TEST

/* However long, whatever is cut: it stays what it is. */
START_TEST(json_cut)
{
	static char text[3000], who[3000];

	be_journal(0);
	log_set_format(LOG_JSON);
	for (size_t n = 900; n < sizeof(text); n += n < 1050 ? 1 : 300) {
		memset(text, n % 2 == 0 ? 'x' : '"', n);
		memset(who, n % 3 == 0 ? 1 : '\\', n);
		text[n] = who[n] = '\0';
		log_warn(NULL, "%s", text);
		ck_assert_uint_le(strlen(output()), 1024);
		ck_assert_str_eq(got + strlen(got) - 3, "\"}\n");
		log_warn(who, "%s", text);
		ck_assert_uint_le(strlen(output()), 1024);
		ck_assert_str_eq(got + strlen(got) - 6, "...\"}\n");
		ck_assert_ptr_nonnull(strstr(got, "\",\"msg\":\""));
		/* No half escape in front of the end. */
		ck_assert_int_eq(got[strlen(got) - 7],
		    n % 2 == 0 ? 'x' : '"');
		if (n % 2 == 1)
			ck_assert_int_eq(got[strlen(got) - 8], '\\');
	}
}
END_TEST

/* Whatever the level is: it has a switch of its own. */
START_TEST(access_lines)
{
	log_open(ends[1], LOG_ERROR);
	log_access(SPAN_LIT("public - CON"));
	ck_assert_str_eq(stamped(""), " access public - CON\n");
	log_set_format(LOG_LOGFMT);
	log_access(SPAN_LIT("listener=public"));
	ck_assert_str_eq(stamped("time="), " level=access listener=public\n");
	log_set_format(LOG_JSON);
	log_access(SPAN_LIT("\"listener\":\"public\""));
	ck_assert_str_eq(stamped("{\"time\":\""),
	    "\",\"level\":\"access\",\"listener\":\"public\"}\n");
	be_journal(0);
	log_access(SPAN_LIT("\"listener\":\"public\""));
	ck_assert_str_eq(output(), "<6>{\"listener\":\"public\"}\n");
}
END_TEST

START_TEST(longest_access_line)
{
	static uint8_t line[LOG_ACCESS_MAX];

	memset(line, 'x', sizeof(line));
	for (int f = LOG_TEXT; f <= LOG_JSON; f++) {
		size_t n;

		log_set_format((enum log_format)f);
		log_access(span_make(line, sizeof(line)));
		n = strlen(output());
		ck_assert_uint_gt(n, sizeof(line));
		ck_assert_int_eq(got[n - 1], '\n');
		ck_assert_ptr_null(strstr(got, "..."));
	}
}
END_TEST

/* Fields are for a journal that is there. */
START_TEST(fields)
{
	ck_assert(!log_has_fields());
	log_open_journal("/nowhere/socket");
	ck_assert(!log_has_fields());
	be_journal(0);
	ck_assert(log_has_fields());
	errno = EXDEV;
	ck_assert(!log_fields(SPAN_LIT("MESSAGE=a\n")));
	ck_assert_int_eq(errno, EXDEV);
	log_open_journal(NULL);
	ck_assert(!log_has_fields());
}
END_TEST

/* A journal's socket, and its path in PATH, which is removed by the caller. */
static int
bind_journal(char path[static 64])
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(path, 64, "/tmp/coaproxy-log.%d", (int)getpid());
	unlink(path);
	memcpy(a.sun_path, path, strlen(path));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

START_TEST(events_are_lines)
{
	ck_assert(!log_entry(LOG_STARTED, NULL, "ready"));
	ck_assert_str_eq(output(), "");
	log_event(LOG_ORIGIN_DOWN, "192.0.2.1:5683", "n=%d", 7);
	ck_assert_ptr_nonnull(strstr(output(),
	    "Z warn 192.0.2.1:5683: n=7\n"));
	log_level = LOG_WARN;
	log_event(LOG_ORIGIN_UP, "192.0.2.1:5683", "n=%d", 7);
	ck_assert_str_eq(output(), "");
}
END_TEST

START_TEST(events_in_the_journal)
{
	char path[64], long_text[2000];
	int fd = bind_journal(path);
	ssize_t n;

	be_journal(0);
	log_open_journal(path);
	log_event(LOG_ORIGIN_DOWN, "192.0.2.1:5683", "a\nMESSAGE_ID=%d", 7);
	n = read(fd, got, sizeof(got) - 1);
	ck_assert_int_gt(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, "PRIORITY=4\nSYSLOG_IDENTIFIER=coaproxy\n"
	    "MESSAGE_ID=e500b187c0b64121b5ff1e23c7e4a905\n"
	    "COAP_ORIGIN=192.0.2.1:5683\n"
	    "MESSAGE=192.0.2.1:5683: a\\x0aMESSAGE_ID=7\n");
	memset(long_text, '\1', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	ck_assert(log_entry(LOG_STARTED, NULL, long_text));
	n = read(fd, got, sizeof(got));
	ck_assert_int_gt(n, 1000);
	ck_assert_int_eq(got[n - 1], '\n');
	ck_assert_ptr_null(memchr(strstr(got, "\nMESSAGE=") + 1, '\n',
	    (size_t)(got + n - 1 - strstr(got, "\nMESSAGE=") - 1)));
	ck_assert_str_eq(output(), "");
	/* Nobody is there: a line. */
	ck_assert_int_eq(unlink(path), 0);
	close(fd);
	log_event(LOG_RELOAD_FAILED, NULL, "why");
	ck_assert_str_eq(output(), "<3>why\n");
}
END_TEST

Suite *
log_suite(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, time_stamp);
	tcase_add_test(tc, journal);
	tcase_add_test(tc, not_the_journal);
	tcase_add_test(tc, level);
	tcase_add_test(tc, escapes);
	tcase_add_test(tc, cut);
	tcase_add_test(tc, errno_is_kept);
	tcase_add_test(tc, full_pipe);
	tcase_add_test(tc, reader_gone);
	tcase_add_test(tc, full_disk);
	tcase_add_test(tc, limited);
	tcase_add_test(tc, logfmt);
	tcase_add_test(tc, json);
	tcase_add_test(tc, json_cut);
	tcase_add_test(tc, access_lines);
	tcase_add_test(tc, longest_access_line);
	tcase_add_test(tc, fields);
	tcase_add_test(tc, events_are_lines);
	tcase_add_test(tc, events_in_the_journal);
	suite_add_tcase(s, tc);
	return s;
}
