#include "proxy/proxy.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

/* What goes upstream, or what is answered instead: the stages together. */
START_TEST(stages)
{
	static const struct {
		const char *request;
		const char *sent, *reply;
	} rows[] = {
		{ "CON GET Proxy-Uri=\"coap://198.51.100.1/t\"",
			"CON GET Uri-Path=\"t\" Hop-Limit=16", NULL },
		{ "NON GET Proxy-Uri=\"coap://198.51.100.1/t\"",
			"NON GET Uri-Path=\"t\" Hop-Limit=16", NULL },
		/* PRX-55, PRX-61 */
		{ "CON GET Hop-Limit=2 Proxy-Uri=\"coap://198.51.100.1/t\"",
			"CON GET Uri-Path=\"t\" Hop-Limit=1", NULL },
		{ "CON GET Hop-Limit=1 Proxy-Uri=\"coap://198.51.100.1/t\"",
			NULL, "5.08 payload=3" },
		/* PRX-32 */
		{ "CON GET Proxy-Uri=\"coap://198.51.100.1/t\" opt65002=\"\"",
			NULL, "4.02 payload=19" },
		/* PRX-02 */
		{ "CON GET Proxy-Uri=\"coap://127.0.0.1/t\"", NULL,
			"5.05 payload=18" },
		{ "CON GET Uri-Path=\"a\"",
			"CON GET Uri-Path=\"a\" Hop-Limit=16", NULL },
		{ "CON GET Uri-Path=\"b\"", NULL, "4.04 payload=4" },
		{ "CON GET Uri-Path=\"c\"", NULL, "4.04" },
		{ "CON PUT Uri-Path=\"a\"", NULL, "4.05" },
		/* PRX-21 */
		{ "CON GET Uri-Path=\"a\" Uri-Path=\"..\"", NULL,
			"4.02 payload=12" },
	};
	struct path a = path("a"), b = path("b");

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct rule v[] = {
			{ .path = &a, .npath = 1,
				.allow_from = networks("any"),
				.methods = 1u << COAP_GET,
				.to = target("198.51.100.1", 5683),
				.timeout_ms = 1000 },
			{ .path = &b, .npath = 1,
				.allow_from = networks("any"),
				.action = RULE_REPLY, .reply_code = COAP_404,
				.reply_text = SPAN_LIT("none") },
		};
		struct stand s;

		a = path("a");
		b = path("b");
		stand_init(&s);
		s.rules = (struct rules){ v, 2 };
		stand_start(&s);
		stand_ask(&s, rows[i].request, 2000);
		ck_assert_uint_eq(s.sends, rows[i].sent != NULL);
		ck_assert_uint_eq(s.replies, rows[i].reply != NULL);
		if (rows[i].sent != NULL)
			ck_assert_str_eq(s.request, rows[i].sent);
		if (rows[i].reply != NULL)
			ck_assert_str_eq(s.reply, rows[i].reply);
		stand_fini(&s);
		/* Who waits when the proxy ends is told so. */
		ck_assert_uint_eq(s.replies, 1);
		ck_assert_uint_eq(s.cancels, rows[i].sent != NULL);
		if (rows[i].sent != NULL)
			ck_assert_int_eq(strncmp(s.reply, "5.04 ", 5), 0);
	}
}
END_TEST

/* MSG-47: CON or NON upstream, as configured. */
START_TEST(types)
{
	static const struct {
		enum confirmable how;
		const char *request, *type;
	} rows[] = {
		{ CONFIRMABLE_AS_CLIENT, "CON GET", "CON" },
		{ CONFIRMABLE_AS_CLIENT, "NON GET", "NON" },
		{ CONFIRMABLE_ALWAYS, "NON GET", "CON" },
		{ CONFIRMABLE_NEVER, "CON GET", "NON" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct rule rule = { .allow_from = networks("any"),
			.to = target("198.51.100.1", 5683),
			.confirmable = rows[i].how, .timeout_ms = 1 };
		struct stand s;

		stand_init(&s);
		s.rules = (struct rules){ &rule, 1 };
		stand_start(&s);
		stand_ask(&s, rows[i].request, 2000);
		ck_assert_int_eq(strncmp(s.request, rows[i].type, 3), 0);
		stand_fini(&s);
	}
}
END_TEST

/* A rule says whether clients may observe; by the forward role they may. */
START_TEST(may_observe)
{
	static const struct {
		bool rule;
		const char *request;
		bool may;
	} rows[] = {
		{ true, "CON GET", true },
		{ false, "CON GET", false },
		{ false, "CON GET Proxy-Uri=\"coap://198.51.100.1/t\"", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct rule rule = { .allow_from = networks("any"),
			.to = target("198.51.100.1", 5683),
			.observe = rows[i].rule, .timeout_ms = 1 };
		struct stand s;

		stand_init(&s);
		s.rules = (struct rules){ &rule, 1 };
		stand_start(&s);
		stand_ask(&s, rows[i].request, 2000);
		ck_assert_uint_eq(s.sends, 1);
		ck_assert(s.sent->route.observe == rows[i].may);
		stand_fini(&s);
	}
}
END_TEST

/* MSG-43, PRX-42: the time an answer may take. */
START_TEST(deadline)
{
	struct stand s;

	stand_init(&s);
	s.forward.timeout_ms = 5000;
	stand_start(&s);
	timers_run(&s.timers, 2000);
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://198.51.100.1/t\"", 2000);
	timers_run(&s.timers, 6999);
	ck_assert_uint_eq(s.replies, 0);
	timers_run(&s.timers, 7000);
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_uint_eq(s.cancels, 1);
	ck_assert_str_eq(s.reply, "5.04 Max-Age=5 payload=17");
	stand_fini(&s);
}
END_TEST

/* PRX-45: as many as allowed; the next is refused and costs nothing. */
START_TEST(full)
{
	struct stand s;

	stand_init(&s);
	stand_start(&s);
	for (unsigned i = 0; i < 4; i++)
		stand_ask(&s, "CON GET Proxy-Uri=\"coap://198.51.100.1/\"",
		    2000);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 4);
	stand_ask(&s, "CON GET token=77 Proxy-Uri=\"coap://198.51.100.1/\"",
	    2000);
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	ck_assert_uint_eq(s.sends, 4);
	ck_assert_uint_eq(proxy_stats(s.proxy)->full, 1);
	ck_assert(stand_answer(&s, "ACK 2.05", 2100));
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://198.51.100.1/\"", 2000);
	ck_assert_uint_eq(s.sends, 5);
	stand_fini(&s);
	ck_assert_uint_eq(s.replies, 6);
}
END_TEST

/* PRX-09: the listener's list comes first, whatever is asked. */
START_TEST(access_list)
{
	struct stand s;

	stand_init(&s);
	s.access.deny_from = networks("192.0.2.101");
	stand_start(&s);
	stand_ask(&s, "CON GET Uri-Path=\".well-known\" Uri-Path=\"core\"",
	    2000);
	ck_assert_str_eq(s.reply, "4.03 payload=19");
	stand_ask(&s, "CON 0.31", 2000);
	ck_assert_str_eq(s.reply, "4.03 payload=19");
	ck_assert_uint_eq(proxy_stats(s.proxy)->refused, 2);
	stand_fini(&s);
}
END_TEST

/* PRX-46: one client too often: 4.29 once a second, else nothing; and what was
 * not taken in may come again. */
START_TEST(rate)
{
	struct stand s;

	stand_init(&s);
	s.access.rate = (struct rate){ 2, 3 };
	stand_start(&s);
	for (unsigned i = 0; i < 3; i++)
		stand_ask(&s, "CON GET Uri-Path=\"x\"", 2000);
	ck_assert_str_eq(s.reply, "4.04");
	stand_ask(&s, "CON GET Uri-Path=\"x\"", 2000);
	ck_assert_str_eq(s.reply, "4.29 Max-Age=1 payload=16");
	ck_assert_uint_eq(s.replies, 4);
	stand_ask(&s, "CON GET Uri-Path=\"x\"", 2400);
	ck_assert_uint_eq(s.replies, 4);
	ck_assert_uint_eq(s.drops, 1);
	s.client = address("192.0.2.102", 40001);
	stand_ask(&s, "CON GET Uri-Path=\"x\"", 2400);
	ck_assert_str_eq(s.reply, "4.04");
	s.client = address("192.0.2.101", 40001);
	stand_ask(&s, "CON GET Uri-Path=\"x\"", 2500);
	ck_assert_str_eq(s.reply, "4.04");
	ck_assert_uint_eq(proxy_stats(s.proxy)->rate_limited, 2);
	stand_fini(&s);
}
END_TEST

/* A proxy that goes down finishes what it has begun and begins no more. */
START_TEST(drain)
{
	struct stand s;

	stand_init(&s);
	stand_start(&s);
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://198.51.100.1/\"", 2000);
	proxy_drain(s.proxy);
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://198.51.100.1/\"", 2000);
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	ck_assert(stand_answer(&s, "ACK 2.05", 2100));
	ck_assert_str_eq(s.reply, "2.05");
	ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
	stand_fini(&s);
	proxy_free(NULL);
}
END_TEST

/* What has to wait for an address is kept, however large, or refused. */
START_TEST(kept)
{
	struct stand s;

	stand_init(&s);
	s.send_result = UPSTREAM_WAIT;
	stand_start(&s);
	stand_ask(&s, "CON PUT Proxy-Uri=\"coap://h.example/t\" "
	    "payload=1024x\"x\"", 2000);
	fixture_free();		/* the datagram is gone */
	ck_assert_uint_eq(s.sent->payload.n, 1024);
	ck_assert_uint_eq(s.sent->payload.p[1023], 'x');
	ck_assert(span_eq(s.sent->route.hop.host.text,
	    SPAN_LIT("h.example")));
	ck_assert(stand_answer(&s, "ACK 2.04", 2100));
	ck_assert_str_eq(s.reply, "2.04");
	stand_fini(&s);
}
END_TEST

Suite *
proxy_suite(void)
{
	Suite *s = suite_create("proxy");
	TCase *tc = tcase_create("proxy");

	tcase_add_test(tc, stages);
	tcase_add_test(tc, types);
	tcase_add_test(tc, may_observe);
	tcase_add_test(tc, deadline);
	tcase_add_test(tc, full);
	tcase_add_test(tc, access_list);
	tcase_add_test(tc, rate);
	tcase_add_test(tc, drain);
	tcase_add_test(tc, kept);
	suite_add_tcase(s, tc);
	return s;
}
