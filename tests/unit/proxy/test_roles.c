/* The two roles side by side: who takes a request, and what the next hop gets
 * of it. */
#include <stdio.h>

#include "fixture.h"
#include "proxy/admit.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 2000 };

static struct stand s;

static void
setup(void)
{
	stand_init(&s);
}

static void
teardown(void)
{
	stand_fini(&s);
}

/* PRX-01, PRX-10: rules take forward requests only where the operator says so,
 * and then one that they refuse does not fall through. */
START_TEST(routes)
{
	static const struct {
		bool routes;
		const char *request;
		const char *hop;	/* or NULL: */
		const char *reply;
	} t[] = {
		{ false, "CON GET Proxy-Uri=\"coap://o.example/a\"",
			"o.example", NULL },
		{ true, "CON GET Proxy-Uri=\"coap://o.example/a\"",
			"rule.example", NULL },
		{ true, "CON GET Proxy-Uri=\"coap://o.example/x\"",
			"o.example", NULL },
		{ true, "CON PUT Proxy-Uri=\"coap://o.example/a\"", NULL,
			"4.05" },
		{ true, "CON GET Proxy-Uri=\"coap://o.example/no\"", NULL,
			"4.03 payload=19" },
		{ false, "CON GET Proxy-Uri=\"coap://o.example/no\"",
			"o.example", NULL },
		{ true, "CON GET Uri-Path=\"a\"", "rule.example", NULL },
		{ true, "CON PUT Uri-Path=\"a\"", NULL, "4.05" },
		{ true, "CON GET Uri-Path=\"no\"", NULL, "4.03 payload=19" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct path a = path("a"), no = path("no");
		struct rule v[] = {
			{ .path = &a, .npath = 1, .methods = 1u << COAP_GET,
				.allow_from = networks("any"),
				.to = target("rule.example", 5683),
				.timeout_ms = 1000 },
			{ .path = &no, .npath = 1,
				.allow_from = networks("10.0.0.0/8"),
				.to = target("rule.example", 5683) },
		};

		s.rules = (struct rules){ v, 2 };
		s.forward.routes = t[i].routes;
		stand_start(&s);
		stand_ask(&s, t[i].request, NOW);
		ck_assert_msg(s.sends == (t[i].hop != NULL), "row %zu", i);
		if (t[i].hop != NULL)
			ck_assert(span_eq(s.sent->route.hop.host.text,
			    span_str(t[i].hop)));
		else
			ck_assert_str_eq(s.reply, t[i].reply);
		teardown();
		setup();
	}
	stand_start(&s);
}
END_TEST

/* PRX-10: another proxy gets the target whole; the target's own host is still
 * what the lists are asked about. */
START_TEST(via)
{
	s.forward.has_via = true;
	s.forward.via = target("203.0.113.5", 5690);
	stand_start(&s);
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://O.example:5684/a\"", NOW);
	ck_assert_str_eq(s.request, "CON GET Uri-Host=\"o.example\" "
	    "Uri-Port=5684 Uri-Path=\"a\" Hop-Limit=16 Proxy-Scheme=\"coap\"");
	ck_assert_uint_eq(s.sent->route.hop.port, 5690);
	ck_assert(s.sent->route.hop.host.literal);
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://127.0.0.1/a\"", NOW);
	ck_assert_str_eq(s.reply, "5.05 payload=18");
	ck_assert_uint_eq(s.sends, 1);
}
END_TEST

/* PRX-56: nothing is inserted when the operator says so; then a 4.02 cannot be
 * our fault (PRX-51). What came in is counted down all the same (PRX-55). */
START_TEST(no_hop_limit)
{
	s.conf.hop_limit = 0;
	stand_start(&s);
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://198.51.100.1/a\"", NOW);
	ck_assert_str_eq(s.request, "CON GET Uri-Path=\"a\"");
	ck_assert(stand_answer(&s, "ACK 4.02", NOW));
	ck_assert_uint_eq(s.sends, 1);
	ck_assert_str_eq(s.reply, "4.02");
	stand_ask(&s, "CON GET Hop-Limit=255 Proxy-Uri="
	    "\"coap://198.51.100.1/a\"", NOW);
	ck_assert_str_eq(s.request, "CON GET Uri-Path=\"a\" Hop-Limit=254");
}
END_TEST

/* PRX-03, PRX-28, PRX-57: what names us is answered here, even with the last
 * hop; nothing goes out, whatever the rules would do with it. */
START_TEST(own)
{
	static const struct {
		const char *request, *reply;
	} t[] = {
		{ "CON GET Hop-Limit=1 Proxy-Uri=\"coap://192.0.2.1/x\"",
			"4.04" },
		{ "CON GET Proxy-Uri=\"coap://192.0.2.1:5683/x\"", "4.04" },
		{ "CON GET Proxy-Uri=\"coap://[::ffff:192.0.2.1]/x\"",
			"4.04" },
		{ "CON GET Proxy-Scheme=\"coap\"", "4.04" },
		{ "CON GET Hop-Limit=1 Proxy-Scheme=\"coap\"", "4.04" },
		{ "CON GET Uri-Host=\"192.0.2.1\" Proxy-Scheme=\"coap\"",
			"4.04" },
		/* PRX-34 */
		{ "CON GET Proxy-Uri=\"coap://192.0.2.1/x\" opt65001=\"x\"",
			"4.02" },
		/* PRX-54: but a wrong value is one anywhere. */
		{ "CON GET opt16=0x00 Proxy-Uri=\"coap://192.0.2.1/x\"",
			"4.00 payload=22" },
	};
	struct rule all = { .allow_from = networks("any"),
		.to = target("rule.example", 5683), .timeout_ms = 1000 };

	s.rules = (struct rules){ &all, 1 };
	s.forward.routes = true;
	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		stand_ask(&s, t[i].request, NOW);
		ck_assert_uint_eq(s.replies, i + 1);
		ck_assert_str_eq(s.reply, t[i].reply);
	}
	ck_assert_uint_eq(s.sends, 0);
	ck_assert_uint_eq(proxy_stats(s.proxy)->local, UNIT_COUNT(t) - 1);
}
END_TEST

/* The Request-Tag of the last request, or "". */
static void
get_tag(char tag[40])
{
	const char *t = strstr(s.request, "Request-Tag=");

	snprintf(tag, 40, "%.*s", t == NULL ? 0 : (int)strcspn(t, " "), t);
}

/* BLK-41, BLK-42: each transfer to an origin has a tag of its own, from its
 * first block to its last; the client's own stays here. What goes up in one
 * piece carries none. */
START_TEST(tags)
{
	static const char block[] = "CON PUT Block1=%u/%u/16 "
	    "Proxy-Uri=\"coap://198.51.100.1/\" Request-Tag=11 "
	    "payload=16x\"x\"";
	char first[40], tag[40], text[128];

	s.conf.block.szx = 0;
	stand_start(&s);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), block, 0u, 1u);
		stand_ask(&s, text, NOW);
		ck_assert_str_eq(s.reply, "2.31 Block1=0/1/16");
		ck_assert_uint_eq(s.sends, 2 * i);
		snprintf(text, sizeof(text), block, 1u, 0u);
		stand_ask(&s, text, NOW);
		ck_assert_uint_eq(s.sends, 2 * i + 1);
		get_tag(tag);
		ck_assert_uint_eq(strlen(tag), strlen("Request-Tag=") + 16);
		if (i == 1)
			ck_assert_str_ne(tag, first);
		memcpy(first, tag, sizeof(first));
		ck_assert(stand_answer(&s, "ACK 2.31 Block1=0/1/16", NOW));
		ck_assert_uint_eq(s.sends, 2 * i + 2);
		get_tag(tag);
		ck_assert_str_eq(tag, first);
		ck_assert(stand_answer(&s, "ACK 2.04 Block1=1/0/16", NOW));
		ck_assert_str_eq(s.reply, "2.04 Block1=1/0/16");
	}
	stand_ask(&s, "CON PUT Proxy-Uri=\"coap://198.51.100.1/\" "
	    "payload=16x\"x\"", NOW);
	get_tag(tag);
	ck_assert_str_eq(tag, "");
	snprintf(text, sizeof(text), block, 0u, 0u);
	stand_ask(&s, text, NOW);
	ck_assert_uint_eq(s.sends, 6);
	get_tag(tag);
	ck_assert_str_eq(tag, "");
}
END_TEST

/* ATK-19: a network that is denied by a pattern is denied behind a translator
 * or tunnel too. */
START_TEST(embedded)
{
	static const struct {
		const char *addr;
		uint16_t port;
		bool want;
	} t[] = {
		{ "10.1.1.1", 5683, false },
		{ "::ffff:10.1.1.1", 5683, false },
		{ "64:ff9b::10.1.1.1", 5683, false },
		{ "2002:a01:101::1", 5683, false },
		{ "::10.1.1.1", 5683, false },
		{ "64:ff9b::11.1.1.1", 5683, true },
		/* A pattern with a port is about that port. */
		{ "64:ff9b::172.16.1.1", 5690, false },
		{ "64:ff9b::172.16.1.1", 5683, true },
	};
	struct uri_pattern deny[] = {
		{ .scheme = COAP_SCHEME_COAP, .net = networks("10.0.0.0/8") },
		{ .scheme = COAP_SCHEME_COAP,
			.net = networks("172.16.0.0/12"), .port = 5690 },
	};
	const struct forward_conf f = {
		.allow_to = networks("any"),
		.deny_uri = deny,
		.ndeny_uri = 2,
	};

	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct target to = target(t[i].addr, t[i].port);

		ck_assert_msg(admit_target(&f, &to, &to.host.addr,
			false) == t[i].want, "%s", t[i].addr);
	}
}
END_TEST

Suite *
roles_suite(void)
{
	Suite *suite = suite_create("roles");
	TCase *tc = tcase_create("roles");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, routes);
	tcase_add_test(tc, via);
	tcase_add_test(tc, no_hop_limit);
	tcase_add_test(tc, own);
	tcase_add_test(tc, tags);
	tcase_add_test(tc, embedded);
	suite_add_tcase(suite, tc);
	return suite;
}
