#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

#include "loading.h"
#include "unit.h"

#define ROUTE "[route r]\nto = coap://h\n"

static void
expect_kept(const char *in_use, const char *next, const char *want)
{
	struct loading a = load_string(in_use), b = load_string(next);
	char *got;

	ck_assert_ptr_nonnull(a.c);
	ck_assert_ptr_nonnull(b.c);
	got = conf_keep(b.c, a.c);
	ck_assert_str_eq(got != NULL ? got : "", want);
	free(got);
	/* It says what is in use by now. */
	got = conf_keep(b.c, a.c);
	ck_assert_ptr_null(got);
	unload(&b);
	unload(&a);
}

#define KEPT(key) "warning: " key " takes a restart; it stays as it was\n"

START_TEST(test_told)
{
	expect_kept(ROUTE, ROUTE, "");
	expect_kept(ROUTE "[message]\nack-timeout = 2000ms\n", ROUTE, "");
	expect_kept(ROUTE,
	    ROUTE "[message]\nmax-exchanges = 10\nack-timeout = 3s\n",
	    "t.conf:5: " KEPT("[message] ack-timeout")
	    "t.conf:4: " KEPT("[message] max-exchanges"));
	expect_kept(ROUTE "[block]\nmax-body = 2M\n", ROUTE,
	    "t.conf: " KEPT("[block] max-body"));
	expect_kept(ROUTE "[control]\nsocket = /a\n",
	    ROUTE "[control]\nsocket = /b\n[metrics]\n",
	    "t.conf: " KEPT("[metrics] bind")
	    "t.conf:4: " KEPT("[control] socket"));
	expect_kept(ROUTE "[control]\nsocket = /a\n", ROUTE,
	    "t.conf: " KEPT("[control] socket"));
	expect_kept(ROUTE "[control]\nsocket = /a\n[metrics]\n",
	    ROUTE "[control]\nsocket = /a\n[metrics]\n", "");
	/* What can be changed is not talked about. */
	expect_kept(ROUTE, ROUTE "[message]\nempty-ack-delay = 1s\n"
	    "[cache]\nsize = 0\n[observe]\nlinger = 1s\n[log]\nlevel = warn\n",
	    "");
}
END_TEST

START_TEST(test_values)
{
	struct loading a = load_string(ROUTE "[dns]\nservers = 192.0.2.53 "
	    "192.0.2.54\n[observe]\nmax-observers = 7\n[message]\n"
	    "ack-timeout = 4s\n");
	struct loading b = load_string(ROUTE "[message]\n"
	    "empty-ack-delay = 1s\n");
	struct msg_params want = a.c->message;

	free(conf_keep(b.c, a.c));
	unload(&a);
	ck_assert_uint_eq(b.c->dns.nservers, 2);
	ck_assert_uint_eq(b.c->dns.servers[1].ip[3], 54);
	ck_assert_uint_eq(b.c->message.max_observers, 7);
	ck_assert_uint_eq(b.c->observe.max_observers, 7);
	ck_assert_uint_eq(b.c->message.ack_timeout, 4000);
	ck_assert_uint_eq(b.c->message.exchange_lifetime,
	    want.exchange_lifetime);
	ck_assert_uint_eq(b.c->message.empty_ack_delay, 1000);
	unload(&b);
}
END_TEST

/* Texts outlive what they were taken from. */
START_TEST(test_text)
{
	struct loading a = load_string(ROUTE "[control]\nsocket = /a/b\n");
	struct loading b = load_string(ROUTE);

	free(conf_keep(b.c, a.c));
	unload(&a);
	ck_assert_str_eq(b.c->control, "/a/b");
	unload(&b);
}
END_TEST

Suite *
keep_suite(void)
{
	Suite *s = suite_create("keep");
	TCase *tc = tcase_create("keep");

	tcase_add_test(tc, test_told);
	tcase_add_test(tc, test_values);
	tcase_add_test(tc, test_text);
	suite_add_tcase(s, tc);
	return s;
}
