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
	expect_kept(ROUTE "[dns]\ntimeout = 5000ms\n", ROUTE, "");
	expect_kept(ROUTE, ROUTE "[dns]\nmax-ttl = 10s\nmin-ttl = 3s\n",
	    "t.conf:5: " KEPT("[dns] min-ttl")
	    "t.conf:4: " KEPT("[dns] max-ttl"));
	expect_kept(ROUTE "[dns]\ntimeout = 2s\n", ROUTE,
	    "t.conf: " KEPT("[dns] timeout"));
	/* What can be changed is not talked about. */
	expect_kept(ROUTE, ROUTE "[message]\nempty-ack-delay = 1s\n"
	    "max-exchanges = 10\n[cache]\nsize = 0\n[observe]\nlinger = 1s\n[log]\nlevel = warn\n",
	    "");
}
END_TEST

START_TEST(test_values)
{
	struct loading a = load_string(ROUTE "[dns]\nservers = 192.0.2.53 "
	    "192.0.2.54\ntimeout = 7s\n");
	struct loading b = load_string(ROUTE "[message]\n"
	    "empty-ack-delay = 1s\n");

	free(conf_keep(b.c, a.c));
	unload(&a);
	ck_assert_uint_eq(b.c->dns.nservers, 2);
	ck_assert_uint_eq(b.c->dns.servers[1].ip[3], 54);
	ck_assert_uint_eq(b.c->dns.timeout_ms, 7000);
	ck_assert_uint_eq(b.c->message.empty_ack_delay, 1000);
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
	suite_add_tcase(s, tc);
	return s;
}
