#include "proxy/links.h"

#include <stdio.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 5000, RULES = 20 };

static struct stand s;
static struct rule rules[RULES];
static struct path paths[RULES];
static char names[RULES][8];

#define CORE "CON GET Uri-Path=\".well-known\" Uri-Path=\"core\""

/* N routes /r0, /r1, ... with links = rewrite. */
static void
setup(size_t n, size_t max_requests)
{
	struct netlist any;

	stand_init(&s);
	any = networks("any");
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "r%zu", i);
		paths[i] = path(names[i]);
		rules[i] = (struct rule){ .name = names[i], .path = &paths[i],
			.npath = 1, .allow_from = any, .strip = true,
			.to = target("198.51.100.1", 5683),
			.timeout_ms = 90000, .links = true };
	}
	s.rules = (struct rules){ rules, n };
	s.conf.max_requests = max_requests;
	stand_start(&s);
	timers_run(&s.timers, NOW);
}

/* What was replied last: its Max-Age, or 60, and the list. */
static const char *
reply(void)
{
	static char text[sizeof(s.payload) + 32];
	const char *at = strstr(s.reply, "Max-Age=");

	ck_assert(strncmp(s.reply, "2.05 ETag=", 10) == 0);
	snprintf(text, sizeof(text), "%.*s %s",
	    at != NULL ? (int)strcspn(at + 8, " ") : 2,
	    at != NULL ? at + 8 : "60", s.payload);
	return text;
}

/* PRX-73: those that ask meanwhile share one fetch, and wait no longer than the
 * first one. */
START_TEST(patience)
{
	setup(1, 4);
	stand_ask(&s, CORE, NOW);
	timers_run(&s.timers, NOW + 1000);
	stand_ask(&s, CORE, NOW + 1000);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert_uint_eq(s.replies, 0);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 2);
	timers_run(&s.timers, NOW + LINKS_PATIENCE_MS - 1);
	ck_assert_uint_eq(s.replies, 0);
	timers_run(&s.timers, NOW + LINKS_PATIENCE_MS);
	ck_assert_uint_eq(s.replies, 2);
	ck_assert_str_eq(reply(), "5 </r0>");
	/* Nobody waits, but the fetch is there. */
	ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
	stand_ask(&s, CORE, NOW + 5000);
	ck_assert_uint_eq(s.replies, 3);
	ck_assert_uint_eq(s.sends, 1);
	stand_answer(&s, "ACK 2.05 payload=\"</t>\"", NOW + 6000);
	stand_ask(&s, CORE, NOW + 6000);
	ck_assert_str_eq(reply(), "60 </r0/t>");
	/* Kept as long as it says; without asking, nothing happens then. */
	timers_run(&s.timers, NOW + 66000);
	ck_assert_uint_eq(s.sends, 1);
	stand_ask(&s, CORE, NOW + 65999);
	ck_assert_uint_eq(s.sends, 1);
	stand_ask(&s, CORE, NOW + 66000);
	ck_assert_uint_eq(s.sends, 2);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 1);
	stand_fini(&s);
	ck_assert_uint_eq(s.cancels, 1);
	ck_assert_str_eq(s.payload, "proxy is going down");
}
END_TEST

/* A request waits for what was missing when it came, not for what others begin
 * to miss afterwards. */
START_TEST(no_chain)
{
	struct fetch *first;

	setup(2, 4);
	rules[1].deny_from = networks("192.0.2.101");
	stand_ask(&s, CORE, NOW);
	ck_assert_uint_eq(s.sends, 1);
	first = s.sent;
	s.client = address("192.0.2.102", 1);
	timers_run(&s.timers, NOW + 2000);
	stand_ask(&s, CORE, NOW + 2000);
	ck_assert_uint_eq(s.sends, 2);
	s.client = address("192.0.2.101", 1);
	timers_run(&s.timers, NOW + 3000);
	ck_assert_uint_eq(s.replies, 1);
	timers_run(&s.timers, NOW + 4999);
	ck_assert_uint_eq(s.replies, 1);
	timers_run(&s.timers, NOW + 5000);
	ck_assert_uint_eq(s.replies, 2);
	fetch_failed(first, FETCH_TIMEOUT, NOW + 5000);
	stand_fini(&s);
}
END_TEST

/* They take turns, so that clients' requests find room. */
START_TEST(turns)
{
	setup(RULES, 64);
	stand_ask(&s, CORE, NOW);
	ck_assert_uint_eq(s.sends, LINKS_AT_ONCE);
	stand_answer(&s, "ACK 2.05 payload=\"</t>\"", NOW);
	ck_assert_uint_eq(s.sends, LINKS_AT_ONCE + 1);
	while (s.sends < RULES)
		stand_answer(&s, "ACK 2.05 payload=\"<\"", NOW);
	ck_assert_uint_eq(proxy_stats(s.proxy)->lists, RULES - LINKS_AT_ONCE);
	ck_assert_uint_eq(proxy_stats(s.proxy)->lists_failed,
	    RULES - LINKS_AT_ONCE - 1);
	/* Fifteen are silent. The one that takes turns is the last. */
	stand_answer(&s, "ACK 2.05", NOW);
	ck_assert_uint_eq(s.sends, RULES);
	ck_assert_uint_eq(s.replies, 0);
	timers_run(&s.timers, NOW + LINKS_PATIENCE_MS);
	ck_assert_uint_eq(s.replies, 1);
	timers_run(&s.timers, NOW + 90000);
	ck_assert_uint_eq(s.cancels, LINKS_AT_ONCE - 1);
	ck_assert_uint_eq(proxy_stats(s.proxy)->lists, RULES);
	stand_fini(&s);
}
END_TEST

/* What cannot be sent at all delays nobody, and is not tried at once. */
START_TEST(refused)
{
	setup(3, 4);
	s.send_result = UPSTREAM_FAILED;
	s.send_why = FETCH_NO_NAME;
	stand_ask(&s, CORE, NOW);
	ck_assert_uint_eq(s.sends, 3);
	ck_assert_str_eq(reply(), "5 </r0>,</r1>,</r2>");
	stand_ask(&s, CORE, NOW + LINKS_RETRY_MS - 1);
	ck_assert_uint_eq(s.replies, 2);
	ck_assert_uint_eq(s.sends, 3);
	stand_ask(&s, CORE, NOW + LINKS_RETRY_MS);
	ck_assert_uint_eq(s.sends, 6);
	ck_assert_uint_eq(s.replies, 3);
	stand_fini(&s);
}
END_TEST

/* Two fetches, three lists. */
START_TEST(no_fetch_left)
{
	setup(3, 2);
	stand_ask(&s, CORE, NOW);
	ck_assert_uint_eq(s.sends, 2);
	ck_assert_uint_eq(proxy_stats(s.proxy)->lists_failed, 1);
	ck_assert_uint_eq(s.replies, 0);
	stand_answer(&s, "ACK 2.05 payload=\"</t>\"", NOW);
	timers_run(&s.timers, NOW + LINKS_PATIENCE_MS);
	ck_assert_str_eq(reply(), "5 </r0>,</r1/t>,</r2>");
	stand_fini(&s);
}
END_TEST

/* No longer than we say, whatever the origin does. */
START_TEST(kept)
{
	setup(1, 4);
	stand_ask(&s, CORE, NOW);
	stand_answer(&s, "ACK 2.05 Max-Age=4294967295 payload=\"</t>\"", NOW);
	ck_assert_str_eq(reply(), "60 </r0/t>");
	stand_ask(&s, CORE, NOW + LINKS_KEEP_MAX_MS - 1);
	ck_assert_uint_eq(s.sends, 1);
	stand_ask(&s, CORE, NOW + LINKS_KEEP_MAX_MS);
	ck_assert_uint_eq(s.sends, 2);
	stand_answer(&s, "ACK 2.05 Max-Age=0 payload=\"</u>\"",
	    NOW + LINKS_KEEP_MAX_MS);
	ck_assert_str_eq(reply(), "0 </r0/u>");
	stand_ask(&s, CORE, NOW + LINKS_KEEP_MAX_MS + LINKS_KEEP_MIN_MS - 1);
	ck_assert_uint_eq(s.sends, 2);
	stand_ask(&s, CORE, NOW + LINKS_KEEP_MAX_MS + LINKS_KEEP_MIN_MS);
	ck_assert_uint_eq(s.sends, 3);
	stand_fini(&s);
}
END_TEST

/* Names longer here than there: the origin's list has room, ours has not. */
START_TEST(grown_too_large)
{
	enum { BLOCKS = 60 };
	char text[128];

	setup(1, 4);
	paths[0] = path("a-long-name/that-is-no-use/to-anybody");
	stand_ask(&s, CORE, NOW);
	for (unsigned i = 0; i < BLOCKS; i++) {
		snprintf(text, sizeof(text), "ACK 2.05 Block2=%u/1/1024 "
		    "payload=64x\"</a>,</b>,</cd>,\"", i);
		stand_answer(&s, text, NOW);
	}
	ck_assert_uint_eq(proxy_stats(s.proxy)->lists, 0);
	snprintf(text, sizeof(text), "ACK 2.05 Block2=%u/0/1024 "
	    "payload=\"</a>\"", BLOCKS);
	stand_answer(&s, text, NOW);
	ck_assert_uint_eq(proxy_stats(s.proxy)->lists_failed, 1);
	ck_assert_str_eq(reply(), "5 </a-long-name/that-is-no-use/to-anybody>");
	stand_fini(&s);
}
END_TEST

Suite *
links_suite(void)
{
	Suite *suite = suite_create("links");
	TCase *tc = tcase_create("links");

	tcase_add_test(tc, patience);
	tcase_add_test(tc, no_chain);
	tcase_add_test(tc, turns);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, no_fetch_left);
	tcase_add_test(tc, kept);
	tcase_add_test(tc, grown_too_large);
	suite_add_tcase(suite, tc);
	return suite;
}
