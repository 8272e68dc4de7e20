#include "proxy/logline.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "coap/code.h"
#include "coap/msg.h"
#include "fixture.h"
#include "suites.h"
#include "unit.h"

static uint8_t space[LOGLINE_FIELDS_MAX + 1];
static struct addr client, server;

static struct logline
lamp(void)
{
	client = address("10.1.2.3", 40112);
	server = address("10.0.0.11", 5683);
	return (struct logline){
		.listener = "public",
		.client = &client,
		.type = COAP_CON,
		.method = COAP_GET,
		.uri = SPAN_LIT("coap://lamp.example.net/light"),
		.route = "lamp",
		.server = &server,
		.code = COAP_205,
		.size = 18,
		.us = 12456,
		.cache = LOGLINE_MISS,
		.observe = LOGLINE_REG,
	};
}

/* Nothing known of it at all. */
static struct logline
empty(void)
{
	return (struct logline){ .listener = "", .route = "",
		.type = COAP_NON, .method = 0x1f };
}

static const char *
line(enum log_format format, const struct logline *l)
{
	struct writer w = writer_make(space, LOG_ACCESS_MAX);

	logline_put(&w, format, l);
	ck_assert(!w.full);
	*w.cur = '\0';
	return (const char *)space;
}

static const char *
entry(enum log_format format, const struct logline *l)
{
	struct writer w = writer_make(space, LOGLINE_FIELDS_MAX);

	logline_put_fields(&w, format, l);
	ck_assert(!w.full);
	*w.cur = '\0';
	return (const char *)space;
}

/* As the manual has it. */
START_TEST(text)
{
	struct logline l = lamp();

	ck_assert_str_eq(line(LOG_TEXT, &l),
	    "public 10.1.2.3:40112 CON GET coap://lamp.example.net/light -> "
	    "lamp 10.0.0.11:5683 2.05 18B 12.4ms miss obs=reg");
	l.observe = LOGLINE_DEREG;
	l.repeated = 17;
	l.cache = LOGLINE_VALIDATED;
	l.us = 999;
	ck_assert_str_eq(line(LOG_TEXT, &l),
	    "public 10.1.2.3:40112 CON GET coap://lamp.example.net/light -> "
	    "lamp 10.0.0.11:5683 2.05 18B 0.9ms validated obs=dereg "
	    "repeated=17");
	l = empty();
	ck_assert_str_eq(line(LOG_TEXT, &l),
	    "- - NON 0.31 - -> - - - 0B 0.0ms local");
}
END_TEST

START_TEST(logfmt)
{
	struct logline l = lamp();

	l.repeated = 2;
	ck_assert_str_eq(line(LOG_LOGFMT, &l),
	    "listener=public client=10.1.2.3:40112 type=CON method=GET "
	    "uri=\"coap://lamp.example.net/light\" route=lamp "
	    "server=10.0.0.11:5683 code=2.05 size=18 duration_us=12456 "
	    "cache=miss observe=reg repeated=2");
	l = empty();
	ck_assert_str_eq(line(LOG_LOGFMT, &l),
	    "type=NON method=0.31 size=0 duration_us=0 cache=local");
}
END_TEST

START_TEST(json)
{
	struct logline l = lamp();

	l.repeated = 2;
	ck_assert_str_eq(line(LOG_JSON, &l),
	    "\"listener\":\"public\",\"client\":\"10.1.2.3:40112\","
	    "\"type\":\"CON\",\"method\":\"GET\","
	    "\"uri\":\"coap://lamp.example.net/light\",\"route\":\"lamp\","
	    "\"server\":\"10.0.0.11:5683\",\"code\":\"2.05\",\"size\":18,"
	    "\"duration_us\":12456,\"cache\":\"miss\",\"observe\":\"reg\","
	    "\"repeated\":2");
	l = empty();
	ck_assert_str_eq(line(LOG_JSON, &l),
	    "\"type\":\"NON\",\"method\":\"0.31\",\"size\":0,"
	    "\"duration_us\":0,\"cache\":\"local\"");
}
END_TEST

START_TEST(journal)
{
	struct logline l = lamp();

	l.token = SPAN_LIT("\x01\xfe");
	ck_assert_ptr_nonnull(strstr(entry(LOG_TEXT, &l), "\nMESSAGE_ID="));
	ck_assert_int_eq(strncmp((char *)space, "PRIORITY=6\n", 11), 0);
	ck_assert_str_eq(strstr((char *)space, "MESSAGE="),
	    "MESSAGE=public 10.1.2.3:40112 CON GET "
	    "coap://lamp.example.net/light -> lamp 10.0.0.11:5683 2.05 18B "
	    "12.4ms miss obs=reg\n"
	    "COAP_LISTENER=public\nCOAP_CLIENT=10.1.2.3:40112\n"
	    "COAP_TYPE=CON\nCOAP_METHOD=GET\n"
	    "COAP_URI=coap://lamp.example.net/light\nCOAP_ROUTE=lamp\n"
	    "COAP_ORIGIN=10.0.0.11:5683\nCOAP_CODE=2.05\nCOAP_SIZE=18\n"
	    "COAP_DURATION_USEC=12456\nCOAP_CACHE=miss\nCOAP_OBSERVE=reg\n"
	    "COAP_TOKEN=01fe\n");
	ck_assert_ptr_nonnull(strstr(entry(LOG_JSON, &l),
	    "\nMESSAGE={\"listener\":\"public\","));
	l = empty();
	ck_assert_str_eq(strstr(entry(LOG_TEXT, &l), "MESSAGE="),
	    "MESSAGE=- - NON 0.31 - -> - - - 0B 0.0ms local\n"
	    "COAP_TYPE=NON\nCOAP_METHOD=0.31\nCOAP_SIZE=0\n"
	    "COAP_DURATION_USEC=0\nCOAP_CACHE=local\n");
}
END_TEST

/* A name of the configuration is one word, and says nothing else. */
START_TEST(names)
{
	struct logline l = empty();

	l.listener = "a b\"\\=%\n\xc3\xa4[x]";
	l.route = "-> 2.05";
	ck_assert_str_eq(line(LOG_TEXT, &l),
	    "a%20b%22%5C%3D%25%0A%C3%A4%5Bx%5D - NON 0.31 - -> "
	    "-%3E%202.05 - - 0B 0.0ms local");
	ck_assert_ptr_nonnull(strstr(line(LOG_LOGFMT, &l),
	    "listener=a%20b%22%5C%3D%25%0A%C3%A4%5Bx%5D type="));
}
END_TEST

/* The longest of everything fits every format; names and URIs are cut where
 * no triplet is. */
START_TEST(longest)
{
	static char name[1000], uri[4000];
	struct logline l = lamp();
	size_t n;

	memset(name, ' ', sizeof(name) - 1);
	l.listener = l.route = name;
	client = address("fe80::ffff:ffff:ffff:fffe", 65535);
	client.scope = UINT32_MAX;
	server = client;
	l.method = COAP_IPATCH;
	l.size = SIZE_MAX;
	l.us = UINT64_MAX;
	l.cache = LOGLINE_VALIDATED;
	l.observe = LOGLINE_DEREG;
	l.repeated = UINT32_MAX;
	l.token = span_make(name, sizeof(name));
	for (size_t from = 0; from < 3; from++) {
		for (size_t i = 0; i < sizeof(uri); i++)
			uri[i] = "%41"[(i + from) % 3];
		l.uri = span_make(uri, sizeof(uri));
		for (int f = LOG_TEXT; f <= LOG_JSON; f++) {
			const char *at;

			line((enum log_format)f, &l);
			at = strstr((char *)space, "...");
			ck_assert_ptr_nonnull(at);
			ck_assert_int_eq(at[-1], '1');
			n = (size_t)(strstr((char *)space, "%20%20%20") -
			    (char *)space);
			ck_assert_uint_lt(n, 20);
			entry((enum log_format)f, &l);
		}
	}
	ck_assert_uint_le(strspn(line(LOG_TEXT, &l), "%20"),
	    LOGLINE_NAME_MAX);
}
END_TEST

/* ---- to the log ---- */

static int ends[2], reader;
static char dir[64], sock[80];

static void
log_setup(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	ck_assert_int_eq(pipe(ends), 0);
	snprintf(dir, sizeof(dir), "/tmp/coaproxy-logline.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/socket", dir);
	reader = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(reader, 0);
	memcpy(a.sun_path, sock, strlen(sock));
	ck_assert_int_eq(bind(reader, (struct sockaddr *)&a, sizeof(a)), 0);
	log_open(ends[1], LOG_INFO);
}

static void
log_teardown(void)
{
	log_open(STDERR_FILENO, LOG_INFO);
	log_open_journal(NULL);
	unsetenv("JOURNAL_STREAM");
	close(ends[0]);
	close(ends[1]);
	close(reader);
	unlink(sock);
	ck_assert_int_eq(rmdir(dir), 0);
}

static const char *
read_line(void)
{
	ssize_t n = read(ends[0], space, sizeof(space) - 1);

	space[n > 0 ? n : 0] = '\0';
	return (const char *)space;
}

START_TEST(to_a_file)
{
	struct logline l = empty();

	logline_write(NULL, &l);
	ck_assert_str_eq(strchr(read_line(), ' '),
	    " access - - NON 0.31 - -> - - - 0B 0.0ms local\n");
}
END_TEST

/* The journal gets fields; a line, if it does not take them. */
START_TEST(to_the_journal)
{
	struct logline l = empty();
	struct stat st;
	ssize_t n;

	ck_assert_int_eq(fstat(ends[1], &st), 0);
	snprintf((char *)space, sizeof(space), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", (char *)space, 1), 0);
	log_open(ends[1], LOG_INFO);
	log_open_journal(sock);
	logline_write(NULL, &l);
	n = read(reader, space, sizeof(space) - 1);
	ck_assert_int_gt(n, 0);
	space[n] = '\0';
	ck_assert_ptr_nonnull(strstr((char *)space, "\nCOAP_CACHE=local\n"));
	unlink(sock);
	logline_write(NULL, &l);
	ck_assert_str_eq(read_line(),
	    "<6>- - NON 0.31 - -> - - - 0B 0.0ms local\n");
}
END_TEST

Suite *
logline_suite(void)
{
	Suite *s = suite_create("logline");
	TCase *tc = tcase_create("format");

	tcase_add_test(tc, text);
	tcase_add_test(tc, logfmt);
	tcase_add_test(tc, json);
	tcase_add_test(tc, journal);
	tcase_add_test(tc, names);
	tcase_add_test(tc, longest);
	suite_add_tcase(s, tc);
	tc = tcase_create("write");
	tcase_add_checked_fixture(tc, log_setup, log_teardown);
	tcase_add_test(tc, to_a_file);
	tcase_add_test(tc, to_the_journal);
	suite_add_tcase(s, tc);
	return s;
}
