/* Responses on their way back, and what an address is checked against. */
#include "fixture.h"
#include "suites.h"
#include "unit.h"

/* PRX-36, PRX-37, PRX-38, PRX-50, PRX-62, PRX-63, PRX-68, BLK-48, OBS-08: as
 * it is, changed, or not usable. */
START_TEST(responses)
{
	static const struct {
		const char *request, *response, *want;
		bool ok;
	} rows[] = {
		{ "CON GET", "ACK 2.05 ETag=01 payload=\"hi\"",
			"2.05 ETag=01 payload=2", true },
		{ "CON GET", "ACK 4.04 payload=\"no\"", "4.04 payload=2",
			true },
		{ "CON GET", "ACK 2.05 opt65001=\"x\"", "2.05 opt65001=78",
			true },
		{ "CON GET", "ACK 2.05 opt65003=\"x\"",
			"5.02 Max-Age=5 payload=15", false },
		{ "CON GET", "ACK 2.05 opt65002=\"x\"",
			"5.02 Max-Age=5 payload=15", false },
		{ "CON GET", "ACK 2.05 Max-Age=1 Max-Age=1",
			"5.02 Max-Age=5 payload=15", false },
		{ "CON GET", "ACK 2.05 Observe=5 Max-Age=1", "2.05 Max-Age=1",
			true },
		{ "CON GET", "ACK 2.05 Block2=0x07",
			"5.02 Max-Age=5 payload=15", false },
		{ "CON POST", "ACK 2.01 Location-Path=\"a\"",
			"2.01 Location-Path=\"a\"", true },
		{ "CON POST", "ACK 2.01 Location-Path=\"a\" "
			"Location-Path=\"..\"", "5.02 Max-Age=5 payload=15",
			false },
		{ "CON PUT", "ACK 2.31", "5.02 Max-Age=5 payload=15", false },
		{ "CON PUT", "ACK 2.31 Block1=0/1/16",
			"5.02 Max-Age=5 payload=15", false },
		{ "CON PUT", "ACK 2.04 Block1=0/0/16", "2.04", true },
		{ "CON GET", "ACK 5.08", "5.08 payload=3", true },
		{ "CON GET", "ACK 5.08 payload=\"p2\"", "5.08 payload=6",
			true },
		{ "CON GET", "ACK 5.08 payload=\"gw10 xgw1\"",
			"5.08 payload=13", true },
		{ "CON GET", "ACK 5.08 payload=\"gw1\"",
			"5.02 Max-Age=5 payload=15", false },
		{ "CON GET", "ACK 5.08 payload=\"a gw1 b\"",
			"5.02 Max-Age=5 payload=15", false },
		{ "CON GET", "ACK 5.08 payload=1140x\"x\"",
			"5.08 payload=1140", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct rule rule = { .to = target("198.51.100.1", 5683),
			.allow_from = networks("any"), .timeout_ms = 1000 };
		struct stand s;

		stand_init(&s);
		s.rules = (struct rules){ &rule, 1 };
		stand_start(&s);
		stand_ask(&s, rows[i].request, 2000);
		ck_assert_msg(stand_answer(&s, rows[i].response, 2100) ==
			rows[i].ok, "row %zu", i);
		ck_assert_str_eq(s.reply, rows[i].want);
		ck_assert_uint_eq(s.replies, 1);
		ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
		ck_assert_uint_eq(proxy_stats(s.proxy)->relayed, rows[i].ok);
		stand_fini(&s);
	}
}
END_TEST

/* PRX-51, PRX-78: 4.02 is tried again without what was added, once, and never
 * for a method that is not idempotent. */
START_TEST(repeat)
{
	static const struct {
		const char *request;
		unsigned sends;
		const char *second;
	} rows[] = {
		{ "CON GET Proxy-Uri=\"coap://h.example/a\"", 2,
			"CON GET Uri-Host=\"h.example\" Uri-Path=\"a\"" },
		{ "NON PUT Proxy-Uri=\"coap://192.0.2.9/\" payload=\"body\"",
			2, "NON PUT payload=4" },
		{ "CON GET Hop-Limit=3 Proxy-Uri=\"coap://192.0.2.9/\"", 1,
			NULL },
		{ "CON POST Proxy-Uri=\"coap://192.0.2.9/\"", 1, NULL },
		{ "CON PATCH Proxy-Uri=\"coap://192.0.2.9/\"", 1, NULL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct stand s;

		stand_init(&s);
		stand_start(&s);
		stand_ask(&s, rows[i].request, 2000);
		ck_assert(stand_answer(&s, "ACK 4.02", 2100));
		ck_assert_uint_eq(s.sends, rows[i].sends);
		if (rows[i].sends == 2) {
			ck_assert_str_eq(s.request, rows[i].second);
			ck_assert_uint_eq(s.replies, 0);
			ck_assert(stand_answer(&s, "ACK 4.02", 2200));
		}
		ck_assert_uint_eq(s.sends, rows[i].sends);
		ck_assert_str_eq(s.reply, "4.02");
		stand_fini(&s);
	}
}
END_TEST

/* PRX-51: when it cannot be sent again, that is what the client hears, not a
 * 4.02 that would be its own fault. */
START_TEST(no_repeat)
{
	struct stand s;

	stand_init(&s);
	stand_start(&s);
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://192.0.2.9/\"", 2000);
	s.send_result = UPSTREAM_FAILED;
	s.send_why = FETCH_BUSY;
	ck_assert(stand_answer(&s, "ACK 4.02", 2100));
	ck_assert_uint_eq(s.sends, 2);
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	stand_fini(&s);
}
END_TEST

/* PRX-82: where no answer is wanted none is missed, and nothing asked again;
 * other failures are counted as ever. */
START_TEST(silent)
{
	static const char request[] = "CON PUT "
	    "Proxy-Uri=\"coap://192.0.2.9/\" No-Response=26";
	const struct proxy_stats *stats;
	struct stand s;

	stand_init(&s);
	stand_start(&s);
	stats = proxy_stats(s.proxy);
	stand_ask(&s, request, 2000);
	ck_assert_str_eq(s.request, "CON PUT Hop-Limit=16 No-Response=26");
	timers_run(&s.timers, 2000 + s.forward.timeout_ms - 1);
	ck_assert_uint_eq(s.suppressed, 0);
	timers_run(&s.timers, 2000 + s.forward.timeout_ms);
	ck_assert_uint_eq(s.suppressed, 1);
	ck_assert_uint_eq(s.cancels, 1);
	ck_assert_uint_eq(stats->timeouts, 0);
	stand_ask(&s, request, 100000);
	ck_assert(stand_answer(&s, "ACK 4.02", 100100));
	ck_assert_uint_eq(s.sends, 2);
	ck_assert_uint_eq(s.suppressed, 2);
	stand_ask(&s, request, 200000);
	fetch_failed(s.sent, FETCH_RESET, 200100);
	ck_assert_uint_eq(stats->unreachable, 1);
	ck_assert_uint_eq(s.suppressed, 3);
	/* One that leaves some to be told is like any other. */
	stand_ask(&s, "CON PUT "
	    "Proxy-Uri=\"coap://192.0.2.9/\" No-Response=18", 300000);
	fetch_failed(s.sent, FETCH_TIMEOUT, 300100);
	ck_assert_uint_eq(stats->timeouts, 1);
	ck_assert_uint_eq(s.suppressed, 4);
	ck_assert_uint_eq(s.replies, 0);
	stand_fini(&s);
}
END_TEST

/* PRX-02, PRX-03, PRX-94, ATK-18: each address, before anything is sent. */
START_TEST(check)
{
	static const struct {
		const char *addr;
		bool forward, via, rule;
		enum fetch_verdict want;
	} rows[] = {
		{ "198.51.100.1", true, false, false, FETCH_GO },
		{ "127.0.0.1", true, false, false, FETCH_IS_REFUSED },
		{ "192.0.2.1", true, false, false, FETCH_IS_SELF },
		{ "224.0.1.187", true, false, false, FETCH_IS_REFUSED },
		{ "ff02::fd", true, false, false, FETCH_IS_REFUSED },
		{ "255.255.255.255", true, false, false, FETCH_IS_REFUSED },
		/* What the operator wrote down is not asked about. */
		{ "127.0.0.1", true, true, false, FETCH_GO },
		{ "127.0.0.1", true, false, true, FETCH_GO },
		{ "127.0.0.1", false, false, true, FETCH_GO },
		{ "192.0.2.1", false, false, true, FETCH_GO },
		{ "224.0.1.187", false, false, true, FETCH_IS_REFUSED },
	};
	const struct rule rule = { .name = "r" };
	struct stand s;

	stand_init(&s);
	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct fetch f = {
			.proxy = s.proxy,
			.route.forward = rows[i].forward ? &s.forward : NULL,
			.route.as_proxy = rows[i].via,
			.route.rule = rows[i].rule ? &rule : NULL,
			.route.uri = target("h.example", 5683),
		};
		struct addr a = address(rows[i].addr, 5683);

		ck_assert_msg(fetch_check(&f, &a) == rows[i].want, "row %zu",
		    i);
	}
	stand_fini(&s);
}
END_TEST

Suite *
respond_suite(void)
{
	Suite *s = suite_create("respond");
	TCase *tc = tcase_create("respond");

	tcase_add_test(tc, responses);
	tcase_add_test(tc, repeat);
	tcase_add_test(tc, no_repeat);
	tcase_add_test(tc, silent);
	tcase_add_test(tc, check);
	suite_add_tcase(s, tc);
	return s;
}
