#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

#include "loading.h"
#include "proxy/links.h"

#define ROUTE "[route r]\nto = coap://h\n"

START_TEST(test_route)
{
	expect_refused("[route]\n",
	    "t.conf:1: error: [route 1] says neither 'to' nor 'reply'\n");
	expect_refused("[route a]\nto =\nreply =\n",
	    "t.conf:1: error: [route a] says neither 'to' nor 'reply'\n");
	expect_refused("\n[route a]\nto = coap://h\nreply = 4.04\n",
	    "t.conf:2: error: [route a] says both 'to' and 'reply'\n");
	/* No noise about an action that is there, but wrong or misspelt. */
	expect_refused("[route a]\nto = \"\n",
	    "t.conf:2:6: error: the quotation has no end\n");
	expect_refused("[route a]\ntoo = coap://h\n", "t.conf:2:1: error: "
	    "[route] has no setting 'too'; did you mean 'to'?\n");
}
END_TEST

START_TEST(test_origin)
{
	expect_refused("[origin a]\n" ROUTE,
	    "t.conf:1: error: [origin a] has no 'server'\n");
	expect_refused("[origin a]\nserver =\n" ROUTE,
	    "t.conf:1: error: [origin a] has no 'server'\n");
	expect_fine("[origin]\n" ROUTE);
}
END_TEST

/* PRX-73, PRX-76: links are rewritten where that is asked for, and can be. */
START_TEST(test_links)
{
	struct loading l = load_string("[route a]\npath = /a\nto = coap://h\n"
	    "links = rewrite\n[route b]\npath = /b\nto = coap://h\n"
	    "links = no\n[route c]\npath = /c\nto = coap://h\n");

	ck_assert_ptr_nonnull(l.c);
	ck_assert(l.c->rules.v[0].links);
	ck_assert(!l.c->rules.v[1].links);
	ck_assert(!l.c->rules.v[2].links);
	unload(&l);
	expect_refused("[route a]\nto = coap://h\nlinks = rewrite\n",
	    "t.conf:3: error: 'links = rewrite' needs a 'path'\n");
	expect_refused("[route a]\npath =\nto = coap://h\n"
	    "links = rewrite\n",
	    "t.conf:4: error: 'links = rewrite' needs a 'path'\n");
	expect_refused("[route a]\npath = /a\nlinks = rewrite\nreply = 4.04\n",
	    "t.conf:3: error: 'links = rewrite' needs a 'to'\n");
	/* Said once. */
	expect_refused("[route a]\npath = /a\nlinks = rewrite\n",
	    "t.conf:1: error: [route a] says neither 'to' nor 'reply'\n");
	expect_refused("[route a]\npaht = /a\nto = coap://h\n"
	    "links = rewrite\n", "t.conf:2:1: error: [route] has no setting "
	    "'paht'; did you mean 'path'?\n");
	expect_refused("[route a]\npath = /a\nto = coap://h\nas = proxy\n"
	    "links = rewrite\n", "t.conf:5: error: 'links = rewrite' is not "
	    "for 'as = proxy': behind it are many origins\n");
	expect_refused("[route a]\npath = /a\nto = coap://h\n"
	    "links = rewirte\n", "t.conf:4:9: error: 'rewirte' is not what to "
	    "do with links; did you mean 'rewrite'?\n");
}
END_TEST

START_TEST(test_links_limit)
{
	static char text[65536];
	size_t n = 0;

	for (unsigned i = 0; i <= LINKS_RULES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "[route]\npath = /p%u\nto = coap://h\nlinks = rewrite\n",
		    i);
	expect_refused(text, "t.conf:1028: error: more than 256 routes with "
	    "'links = rewrite'\n");
}
END_TEST

/* MSG-39: ACK_TIMEOUT below 1 s and ACK_RANDOM_FACTOR below 1 are refused.
 * MSG-41: the empty ACK comes before the client's retransmission. */
START_TEST(test_message)
{
	static const char timeout[] = "ack-timeout is below 1s, which RFC 7252 "
				      "4.8.1 forbids";
	static const char factor[] = "ack-random-factor is below 1.0, which "
				     "RFC 7252 4.8.1 forbids";
	static const char delay[] = "empty-ack-delay is not below ack-timeout";
	char want[512];

	snprintf(want, sizeof(want), "t.conf:2: error: %s\n", timeout);
	expect_refused("[message]\nack-timeout = 999ms\n" ROUTE, want);
	expect_fine("[message]\nack-timeout = 1s\n" ROUTE);
	snprintf(want, sizeof(want), "t.conf:3: error: %s\n", factor);
	expect_refused("[message]\n\nack-random-factor = 0.999\n" ROUTE, want);
	expect_fine("[message]\nack-random-factor = 1\n" ROUTE);
	snprintf(want, sizeof(want), "t.conf:2: error: %s\n", delay);
	expect_refused("[message]\nempty-ack-delay = 2s\n" ROUTE, want);
	expect_fine("[message]\nempty-ack-delay = 1999ms\n" ROUTE);
	expect_fine("[message]\nempty-ack-delay = 2s\nack-timeout = 3s\n"
	    ROUTE);
	/* All of them in one run, each at its line. */
	snprintf(want, sizeof(want), "t.conf:2: error: %s\nt.conf:3: error: %s"
	    "\nt.conf:4: error: %s\n", delay, factor, timeout);
	expect_refused("[message]\nempty-ack-delay = 5s\n"
	    "ack-random-factor = 0.5\nack-timeout = 0\n" ROUTE, want);
}
END_TEST

START_TEST(test_dns)
{
	expect_refused("[dns]\nmin-ttl = 6m\n" ROUTE,
	    "t.conf:2: error: min-ttl is above max-ttl\n");
	expect_refused("[dns]\nmin-ttl = 2s\nmax-ttl = 1s\n" ROUTE,
	    "t.conf:3: error: min-ttl is above max-ttl\n");
	expect_fine("[dns]\nmin-ttl = 5m\n" ROUTE);
}
END_TEST

START_TEST(test_bind)
{
	expect_refused("[listen a]\n[listen b]\nbind = coap://*:1 coap://*\n"
	    ROUTE, "t.conf:3:19: error: 'coap://*' is already bound by "
	    "[listen a] at t.conf:1\n");
	expect_refused("[listen a]\nbind = coap://[::1]\n"
	    "bind = coap://[0::1]:5683\n" ROUTE,
	    "t.conf:3:8: error: 'coap://[0::1]:5683' is already bound by "
	    "[listen a] at t.conf:2\n");
	expect_refused("[listen a]\nbind = fd:x fd:y\n[listen b]\n"
	    "bind = coap://*:0 fd:x\n" ROUTE, "t.conf:4:19: error: 'fd:x' is "
	    "already bound by [listen a] at t.conf:2\n");
	expect_refused("[listen a]\nbind =\n" ROUTE,
	    "t.conf:1: error: [listen a] binds no address\n");
	expect_fine("[listen a]\nbind = coap://*:0 coap://*:0\n" ROUTE);
	expect_fine("[listen a]\nbind = coap://127.0.0.1 coap://[::1]\n" ROUTE);
}
END_TEST

START_TEST(test_hidden)
{
	expect_warned(ROUTE "[route s]\nhost = x\nreply = 4.04\n",
	    "t.conf:3: warning: [route s] is never reached: [route r] at "
	    "t.conf:1 takes all its requests\n");
	expect_warned("[route a]\npath = /a\nto = coap://h\n"
	    "[route b]\npath = /a/b\nto = coap://h\n",
	    "t.conf:4: warning: [route b] is never reached: [route a] at "
	    "t.conf:1 takes all its requests\n");
	expect_fine("[route b]\npath = /a/b\nto = coap://h\n"
	    "[route a]\npath = /a\nto = coap://h\n");
}
END_TEST

START_TEST(test_open)
{
	static const char warning[] = "t.conf:2: warning: [forward] is open to "
	    "the world; if that is meant, write 'allow-from = any'\n";

	expect_warned("[forward]\nallow-from = 0.0.0.0/0\n", warning);
	expect_warned("[forward]\nallow-from = 10.0.0.0/8 ::/0\n", warning);
	expect_fine("[forward]\nallow-from = any\n");
	expect_fine("[forward]\n");
}
END_TEST

START_TEST(test_idle)
{
	expect_warned("[listen a]\n[listen b]\nbind = coap://*:1\n[route]\n"
	    "listen = b\nto = coap://h\n",
	    "t.conf:1: warning: [listen a] has neither a [route] nor "
	    "[forward]: every request is answered with 4.04\n");
	expect_warned("", "t.conf: warning: [listen default] has neither a "
	    "[route] nor [forward]: every request is answered with 4.04\n");
	expect_fine("[listen a]\n[forward]\nlisten = a\n");
}
END_TEST

/* Once there are errors, warnings would be about something else. */
START_TEST(test_errors_first)
{
	expect_refused("[listen a]\n[log]\nlevel = x\n", "t.conf:3:9: error: "
	    "'x' is not a log level; expected error, warn, info or debug\n");
}
END_TEST

/* Thousands of routes are no reason to think for minutes. */
START_TEST(test_many)
{
	enum { MANY = 9000, LINE = 40 };
	char *text = malloc((size_t)MANY * LINE + 1);
	struct loading l;
	size_t n = 0;

	for (int i = 0; i < MANY; i++)
		n += (size_t)snprintf(text + n, LINE,
		    "[route]\nhost = h%d\nto = coap://h\n", i);
	l = load_string(text);
	ck_assert_msg(l.c != NULL, "%s", l.r.text);
	ck_assert_uint_eq(l.c->rules.n, MANY);
	unload(&l);
	free(text);
}
END_TEST

Suite *
check_suite(void)
{
	Suite *s = suite_create("check");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_route);
	tcase_add_test(tc, test_origin);
	tcase_add_test(tc, test_links);
	tcase_add_test(tc, test_links_limit);
	tcase_add_test(tc, test_message);
	tcase_add_test(tc, test_dns);
	tcase_add_test(tc, test_bind);
	tcase_add_test(tc, test_hidden);
	tcase_add_test(tc, test_open);
	tcase_add_test(tc, test_idle);
	tcase_add_test(tc, test_errors_first);
	tcase_add_test(tc, test_many);
	suite_add_tcase(s, tc);
	return s;
}
