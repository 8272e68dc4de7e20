#include "proxy/trail.h"

#include <stdio.h>

#include "fixture.h"
#include "proxy/core.h"
#include "proxy/logline.h"
#include "suites.h"
#include "unit.h"

static struct stand s;
static uint64_t us;
static unsigned lines;
static char last[LOG_ACCESS_MAX + 1];

static void
write_cb(void *user, const struct logline *l)
{
	struct writer w = writer_make((uint8_t *)last, sizeof(last) - 1);

	logline_put(&w, LOG_TEXT, l);
	*w.cur = '\0';
	++*(unsigned *)user;
}

static void
start(enum trail_which which)
{
	stand_init(&s);
	s.access.name = "public";
	s.conf.trail = (struct trail_conf){ .which = which, .one_of = 1,
		.write = write_cb, .user = &lines, .now_us = &us };
	us = 5000000;
	lines = 0;
	last[0] = '\0';
	stand_start(&s);
}

/* Time is that of the loop, to the microsecond; and what is kept of a request
 * that waits takes no memory: none is to be had. */
START_TEST(waits)
{
	start(TRAIL_ALL);
	s.no_memory = true;
	stand_ask(&s, "CON GET token=a1 Proxy-Uri=\"coap://192.0.2.9/a%20b?c\"",
	    1000);
	ck_assert_uint_eq(lines, 0);
	memset(&s.client, 0xff, sizeof(s.client));
	fixture_free();
	us += 12499;
	ck_assert(stand_answer(&s, "ACK 2.05 payload=\"x\"", 1012));
	ck_assert_uint_eq(lines, 1);
	ck_assert_str_eq(last, "public 192.0.2.101:40001 CON GET "
	    "coap://192.0.2.9/a%20b?c -> forward - 2.05 1B 12.4ms miss");
	ck_assert_uint_eq(proxy_stats(s.proxy)->logged, 1);
	stand_fini(&s);
}
END_TEST

/* Nor does one with options as long as that of most. */
START_TEST(waits_with_options)
{
	start(TRAIL_ALL);
	s.no_memory = true;
	stand_ask(&s, "CON GET token=0102030405060708 "
	    "Proxy-Uri=\"coap://name.of.some.length.example/\"+100x\"p\"",
	    1000);
	ck_assert(stand_answer(&s, "ACK 2.05 payload=\"x\"", 1000));
	ck_assert_ptr_nonnull(strstr(last,
	    " coap://name.of.some.length.example/pppppp"));
	ck_assert_ptr_nonnull(strstr(last, "pppppp -> forward - 2.05 "));
	stand_fini(&s);
}
END_TEST

/* Without memory a long request is answered, and its line says less. */
START_TEST(no_memory)
{
	char text[600];

	start(TRAIL_ALL);
	s.no_memory = true;
	snprintf(text, sizeof(text), "CON GET Uri-Host=\"192.0.2.9\" "
	    "Uri-Path=\"%.250d\" Proxy-Scheme=\"coap\"", 0);
	stand_ask(&s, text, 1000);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert(stand_answer(&s, "ACK 2.05 payload=\"x\"", 1000));
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_str_eq(last,
	    "- - CON GET - -> forward - 2.05 1B 0.0ms miss");
	stand_fini(&s);
}
END_TEST

/* The longest URI a datagram holds is written as far as there is room. */
START_TEST(long_uri)
{
	start(TRAIL_ALL);
	stand_ask(&s, "CON GET Uri-Path=200x\"\xff\" Uri-Path=200x\"\xff\"",
	    1000);
	ck_assert_uint_eq(lines, 1);
	ck_assert_ptr_nonnull(strstr(last, "%FF%FF... -> - - 4.04 "));
	stand_fini(&s);
}
END_TEST

static void
refuse(unsigned client)
{
	char ip[32];

	snprintf(ip, sizeof(ip), "192.0.2.%u", client);
	s.client = address(ip, 40001);
	stand_ask(&s, "CON GET Uri-Path=\"x\"", 1000);
}

START_TEST(errors_only)
{
	start(TRAIL_ERRORS);
	stand_ask(&s, "CON GET Uri-Path=\".well-known\" Uri-Path=\"core\"",
	    1000);
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_uint_eq(lines, 0);
	refuse(1);
	refuse(2);
	refuse(1);
	ck_assert_uint_eq(lines, 2);
	ck_assert_uint_eq(proxy_stats(s.proxy)->logged, 2);
	ck_assert_uint_eq(proxy_stats(s.proxy)->unlogged, 1);
	stand_fini(&s);
}
END_TEST

START_TEST(off)
{
	start(TRAIL_OFF);
	refuse(1);
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_uint_eq(lines, 0);
	stand_fini(&s);
}
END_TEST

Suite *
trail_suite(void)
{
	Suite *suite = suite_create("trail");
	TCase *tc = tcase_create("trail");

	tcase_add_test(tc, waits);
	tcase_add_test(tc, waits_with_options);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, long_uri);
	tcase_add_test(tc, errors_only);
	tcase_add_test(tc, off);
	suite_add_tcase(suite, tc);
	return suite;
}
