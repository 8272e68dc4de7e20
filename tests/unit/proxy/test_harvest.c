#include "proxy/harvest.h"

#include <stdio.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 5000, TIMEOUT = 20000 };

static struct stand s;
static struct rule rule;
static struct harvest h;
static char outcome[256];
static unsigned outcomes;

#define CORE "Uri-Path=\".well-known\" Uri-Path=\"core\""

static void
note_outcome(struct harvest *over, struct span body, const char *why,
    uint64_t now)
{
	(void)now;
	ck_assert_ptr_eq(over, &h);
	outcomes++;
	if (why != NULL)
		snprintf(outcome, sizeof(outcome), "%s", why);
	else
		snprintf(outcome, sizeof(outcome), "%.*s until %llu",
		    (int)body.n, body.n > 0 ? (const char *)body.p : "",
		    (unsigned long long)over->until);
}

static void
setup(void)
{
	stand_init(&s);
	rule = (struct rule){ .name = "r", .to = target("198.51.100.1", 5683),
		.timeout_ms = TIMEOUT };
	s.rules = (struct rules){ &rule, 1 };
	stand_start(&s);
	harvest_init(&h, s.proxy, &s.conf, &rule, note_outcome);
	outcomes = 0;
	outcome[0] = '\0';
}

static void
teardown(void)
{
	harvest_cancel(&h);
	stand_fini(&s);
}

/* Starts, and feeds the N responses; the outcome. */
static const char *
run(const char *const *responses, size_t n)
{
	ck_assert_ptr_null(harvest_start(&h, 64, NOW));
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(outcomes, 0);
		stand_answer(&s, responses[i], NOW + i);
	}
	ck_assert_uint_eq(outcomes, 1);
	outcomes = 0;
	return outcome;
}

#define RUN(...)                                           \
	run((const char *const[]){ __VA_ARGS__ },          \
	    sizeof((const char *const[]){ __VA_ARGS__ }) / \
		sizeof(const char *))

START_TEST(bodies)
{
	setup();
	ck_assert_str_eq(RUN("ACK 2.05 payload=\"</a>\""), "</a> until 65000");
	ck_assert_str_eq(s.request, "CON GET " CORE);
	ck_assert_str_eq(RUN("ACK 2.05 Content-Format=40 Max-Age=0"),
	    " until 5000");
	/* The least that any block allows, from when that came. */
	ck_assert_str_eq(RUN("ACK 2.05 Max-Age=9 Block2=0/1/16 "
	    "payload=16x\"a\"", "ACK 2.05 Max-Age=8 Block2=1/1/16 "
	    "payload=16x\"b\"", "ACK 2.05 Block2=2/0/16 payload=\"c\""),
	    "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbc until 13001");
	ck_assert_str_eq(s.request, "CON GET " CORE " Block2=2/0/16");
	teardown();
}
END_TEST

START_TEST(no_bodies)
{
	setup();
	ck_assert_str_eq(RUN("ACK 4.04"), "not link-format");
	ck_assert_str_eq(RUN("ACK 2.05 Content-Format=0"), "not link-format");
	ck_assert_str_eq(RUN("ACK 2.03"), "not link-format");
	ck_assert_str_eq(RUN("ACK 2.05 opt65001=\"x\""), "critical option");
	ck_assert_str_eq(RUN("ACK 2.05 opt65002=\"x\""), "unusable answer");
	ck_assert_str_eq(RUN("ACK 2.31"), "unusable answer");
	ck_assert_str_eq(RUN("ACK 2.05 payload=65x\"a\""), "too large");
	ck_assert_str_eq(RUN("ACK 2.05 Block2=1/0/16 payload=\"x\""),
	    "not the block asked for");
	ck_assert_uint_eq(proxy_stats(s.proxy)->bad_responses, 2);
	teardown();
}
END_TEST

/* Once more, and with the Max-Age of what counts. */
START_TEST(changes)
{
	static const char first[] = "ACK 2.05 ETag=01 Max-Age=1 Block2=0/1/16 "
				    "payload=16x\"a\"";
	static const char second[] = "ACK 2.05 ETag=02 Block2=0/1/16 "
				     "payload=16x\"b\"";
	static const char end[] = "ACK 2.05 ETag=02 Block2=1/0/16 "
				  "payload=\"c\"";

	setup();
	ck_assert_str_eq(RUN(first, end, second, end),
	    "bbbbbbbbbbbbbbbbc until 65002");
	ck_assert_str_eq(RUN(first, "ACK 4.08", second, end),
	    "bbbbbbbbbbbbbbbbc until 65002");
	ck_assert_str_eq(RUN(first, end, first, end),
	    "changed between blocks");
	ck_assert_str_eq(RUN(first, end, first, "ACK 4.04"),
	    "gone between blocks");
	teardown();
}
END_TEST

/* What the back end refuses at once is no outcome but an answer. */
START_TEST(failures)
{
	setup();
	s.send_result = UPSTREAM_FAILED;
	s.send_why = FETCH_UNREACHABLE;
	ck_assert_str_eq(harvest_start(&h, 64, NOW), "next hop unreachable");
	ck_assert_uint_eq(outcomes, 0);
	/* In the middle it is one. */
	s.send_result = UPSTREAM_WAIT;
	ck_assert_ptr_null(harvest_start(&h, 64, NOW));
	s.send_result = UPSTREAM_FAILED;
	s.send_why = FETCH_BUSY;
	stand_answer(&s, "ACK 2.05 Block2=0/1/16 payload=16x\"a\"", NOW);
	ck_assert_str_eq(outcome, "proxy is busy");
	s.send_result = UPSTREAM_SENT;
	ck_assert_ptr_null(harvest_start(&h, 64, NOW));
	fetch_failed(s.sent, FETCH_RESET, NOW);
	ck_assert_str_eq(outcome, "reset by the next hop");
	ck_assert_uint_eq(outcomes, 2);
	teardown();
}
END_TEST

/* All of it has the route's timeout, not each block. */
START_TEST(deadline)
{
	setup();
	timers_run(&s.timers, NOW);
	ck_assert_ptr_null(harvest_start(&h, 64, NOW));
	timers_run(&s.timers, NOW + TIMEOUT - 1);
	stand_answer(&s, "ACK 2.05 Block2=0/1/16 payload=16x\"a\"",
	    NOW + TIMEOUT - 1);
	ck_assert_uint_eq(outcomes, 0);
	timers_run(&s.timers, NOW + TIMEOUT);
	ck_assert_uint_eq(outcomes, 1);
	ck_assert_str_eq(outcome, "no answer in time");
	ck_assert_uint_eq(s.cancels, 1);
	/* Cancelled, it says nothing. */
	ck_assert_ptr_null(harvest_start(&h, 64, NOW + TIMEOUT));
	harvest_cancel(&h);
	harvest_cancel(&h);
	ck_assert_uint_eq(s.cancels, 2);
	ck_assert_uint_eq(outcomes, 1);
	teardown();
}
END_TEST

/* No fetch left is no harvest. */
START_TEST(limits)
{
	struct harvest more[4];

	setup();
	for (size_t i = 0; i < UNIT_COUNT(more); i++) {
		harvest_init(&more[i], s.proxy, &s.conf, &rule, note_outcome);
		ck_assert_ptr_null(harvest_start(&more[i], 64, NOW));
	}
	ck_assert_str_eq(harvest_start(&h, 64, NOW), "proxy is busy");
	for (size_t i = 0; i < UNIT_COUNT(more); i++)
		harvest_cancel(&more[i]);
	ck_assert_ptr_null(harvest_start(&h, 64, NOW));
	teardown();
}
END_TEST

START_TEST(requests)
{
	struct host_pattern one[] = { { .name = SPAN_LIT("one.example") },
		{ .name = SPAN_LIT("two.example") } };
	struct host_pattern sub = { .name = SPAN_LIT("x.example"),
		.sub = true };
	struct host_pattern ip = { .name = SPAN_LIT("192.0.2.1"),
		.literal = true };
	const struct {
		enum send_host send_host;
		struct host_pattern *host;
		const char *to;
		const char *want;
	} t[] = {
		{ SEND_HOST_KEEP, NULL, "o.example", "CON GET " CORE },
		{ SEND_HOST_KEEP, one, "o.example",
			"CON GET Uri-Host=\"one.example\" " CORE },
		{ SEND_HOST_KEEP, &sub, "o.example", "CON GET " CORE },
		{ SEND_HOST_KEEP, &ip, "o.example", "CON GET " CORE },
		{ SEND_HOST_TARGET, one, "o.example",
			"CON GET Uri-Host=\"o.example\" " CORE },
		{ SEND_HOST_TARGET, one, "198.51.100.1", "CON GET " CORE },
		{ SEND_HOST_NONE, one, "o.example", "CON GET " CORE },
		{ SEND_HOST_NAME, one, "o.example",
			"CON GET Uri-Host=\"name.example\" " CORE },
	};

	setup();
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		rule.send_host = t[i].send_host;
		rule.send_host_name = SPAN_LIT("name.example");
		rule.host = t[i].host;
		rule.nhost = t[i].host == one ? 2 : t[i].host != NULL;
		rule.to = target(t[i].to, 5683);
		ck_assert_ptr_null(harvest_start(&h, 64, NOW));
		ck_assert_str_eq(s.request, t[i].want);
		harvest_cancel(&h);
	}
	rule.confirmable = CONFIRMABLE_NEVER;
	rule.send_host = SEND_HOST_NONE;
	ck_assert_str_eq(RUN("NON 2.05"), " until 65000");
	ck_assert_str_eq(s.request, "NON GET " CORE);
	teardown();
}
END_TEST

Suite *
harvest_suite(void)
{
	Suite *suite = suite_create("harvest");
	TCase *tc = tcase_create("harvest");

	tcase_add_test(tc, bodies);
	tcase_add_test(tc, no_bodies);
	tcase_add_test(tc, changes);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, deadline);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, requests);
	suite_add_tcase(suite, tc);
	return suite;
}
