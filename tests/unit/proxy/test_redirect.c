#include "proxy/redirect.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct addr client;

static struct redirect_query
query(const struct coap_msg *m, const char *at)
{
	return (struct redirect_query){ .msg = m, .host = host(at),
		.client = &client };
}

/* PRX-70: names without case, domains below, literals by value. */
START_TEST(patterns)
{
	static const struct {
		const char *pattern;
		bool sub;
		const char *host;
		bool want;
	} rows[] = {
		{ "lamp.example", false, "lamp.example", true },
		{ "lamp.example", false, "LAMP.Example", true },
		{ "lamp.example", false, "a.lamp.example", false },
		{ "lamp.example", false, "lamp.example2", false },
		{ "sensors.example", true, "a.sensors.example", true },
		{ "sensors.example", true, "a.b.sensors.example", true },
		{ "sensors.example", true, "sensors.example", false },
		{ "sensors.example", true, ".sensors.example", false },
		{ "sensors.example", true, "asensors.example", false },
		{ "192.0.2.1", false, "192.0.2.1", true },
		{ "192.0.2.1", false, "192.0.2.2", false },
		{ "2001:db8::1", false, "2001:DB8:0::1", true },
		{ "lamp.example", false, "192.0.2.1", false },
		{ "192.0.2.1", false, "lamp.example", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_host p = host(rows[i].pattern);
		const struct host_pattern pattern = { .name = p.text,
			.addr = p.addr, .literal = p.literal,
			.sub = rows[i].sub };
		struct coap_host h;
		uint8_t buf[COAP_HOST_MAX];

		if (!coap_host_parse(&h, span_str(rows[i].host), buf, false))
			h = (struct coap_host){
				.text = span_str(rows[i].host) };
		ck_assert_msg(host_pattern_match(&pattern, &h) ==
			rows[i].want, "row %zu", i);
	}
	fixture_free();
}
END_TEST

/* Whole segments, octet for octet. */
START_TEST(paths)
{
	static const struct {
		const char *path, *request;
		bool want;
	} rows[] = {
		{ "a", "CON GET Uri-Path=\"a\"", true },
		{ "a", "CON GET Uri-Path=\"a\" Uri-Path=\"b\"", true },
		{ "a", "CON GET Uri-Path=\"a\" Uri-Path=\"\"", true },
		{ "a", "CON GET Uri-Path=\"ab\"", false },
		{ "a", "CON GET Uri-Path=\"A\"", false },
		{ "a", "CON GET Uri-Path=\"\" Uri-Path=\"a\"", false },
		{ "a", "CON GET Uri-Path=\"b\" Uri-Path=\"a\"", false },
		{ "a", "CON GET Uri-Query=\"a\"", false },
		{ "a", "CON GET", false },
		{ "a/b", "CON GET Uri-Path=\"a\" Uri-Path=\"b\"", true },
		{ "a/b", "CON GET Uri-Path=\"a/b\"", false },
		{ "a/b", "CON GET Uri-Path=\"a\"", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct path p = path(rows[i].path);
		struct rule rule = { .path = &p, .npath = 1,
			.allow_from = networks("any") };
		struct coap_msg m = message(rows[i].request);
		struct redirect_query q = query(&m, "192.0.2.1");

		ck_assert_msg((redirect_why_not(&rule, &q) == NULL) ==
			rows[i].want, "row %zu", i);
	}
	fixture_free();
}
END_TEST

/* First match wins, whatever comes behind is more exact. Different conditions
 * are and-ed, the words of one or-ed. */
START_TEST(order)
{
	struct path a_b = path("a/b"), a = path("a"), c = path("c");
	struct path both[] = { a, c };
	struct host_pattern lamp = { .name = SPAN_LIT("lamp.example") };
	unsigned listener = 1;
	struct netlist any = networks("any");
	struct rule v[] = {
		{ .name = "listener", .listen = &listener, .nlisten = 1,
			.allow_from = any },
		{ .name = "lamp", .host = &lamp, .nhost = 1, .path = &c,
			.npath = 1, .allow_from = any },
		{ .name = "deny", .path = &a_b, .npath = 1, .methods =
			1u << COAP_DELETE, .allow_from = any,
			.deny_from = networks("192.0.2.0/24") },
		{ .name = "ac", .path = both, .npath = 2, .methods =
			1u << COAP_GET | 1u << COAP_DELETE | 1u << COAP_FETCH,
			.allow_from = any, .strip = true },
		{ .name = "ab", .path = &a_b, .npath = 1, .allow_from = any },
	};
	const struct rules rules = { v, UNIT_COUNT(v) };
	static const struct {
		const char *request, *host;
		unsigned listener;
		enum redirect_verdict want;
		const char *rule;
	} rows[] = {
		{ "CON GET Uri-Path=\"x\"", "h", 1, REDIRECT_RULE,
			"listener" },
		{ "CON GET Uri-Path=\"x\"", "h", 0, REDIRECT_NONE, NULL },
		{ "CON GET Uri-Path=\"c\"", "lamp.example", 0, REDIRECT_RULE,
			"lamp" },
		{ "CON GET Uri-Path=\"c\"", "h", 0, REDIRECT_RULE, "ac" },
		{ "CON GET Uri-Path=\"a\" Uri-Path=\"b\"", "h", 0,
			REDIRECT_RULE, "ac" },
		{ "CON PUT Uri-Path=\"a\" Uri-Path=\"b\"", "h", 0,
			REDIRECT_RULE, "ab" },
		{ "CON PUT Uri-Path=\"a\"", "h", 0, REDIRECT_METHOD, NULL },
		{ "CON FETCH Uri-Path=\"a\"", "h", 0, REDIRECT_RULE, "ac" },
		/* Refused by the first that matches, not let through by the
		 * second. */
		{ "CON DELETE Uri-Path=\"a\" Uri-Path=\"b\"", "h", 0,
			REDIRECT_DENIED, "deny" },
	};

	client = address("192.0.2.101", 1);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].request);
		struct redirect_query q = query(&m, rows[i].host);
		const struct rule *rule = NULL;
		const struct path *strip;

		q.listener = rows[i].listener;
		ck_assert_msg(redirect_find(&rules, &q, &rule, &strip) ==
			rows[i].want, "row %zu", i);
		if (rows[i].rule != NULL)
			ck_assert_str_eq(rule->name, rows[i].rule);
		if (rows[i].rule != NULL && strcmp(rows[i].rule, "ac") == 0)
			ck_assert_ptr_nonnull(strip);
		else
			ck_assert_ptr_null(strip);
	}
	fixture_free();
}
END_TEST

/* What "--explain" says. */
START_TEST(reasons)
{
	struct path a = path("a");
	struct host_pattern lamp = { .name = SPAN_LIT("lamp.example") };
	unsigned listener = 1;
	struct coap_msg m = message("CON GET Uri-Path=\"a\"");
	struct redirect_query q = query(&m, "lamp.example");
	struct rule r = { .listen = &listener, .nlisten = 1, .host = &lamp,
		.nhost = 1, .path = &a, .npath = 1,
		.methods = 1u << COAP_GET };

	ck_assert_str_eq(redirect_why_not(&r, &q), "another listener");
	q.listener = 1;
	ck_assert_ptr_null(redirect_why_not(&r, &q));
	q.host = host("x.example");
	ck_assert_str_eq(redirect_why_not(&r, &q), "host does not match");
	q.host = host("lamp.example");
	r.path = &(struct path){ .seg = &(struct span){ NULL, 0 }, .n = 1 };
	ck_assert_str_eq(redirect_why_not(&r, &q), "path does not match");
	r.path = &a;
	r.methods = 1u << COAP_PUT;
	ck_assert_str_eq(redirect_why_not(&r, &q),
	    "method not among its methods");
	fixture_free();
}
END_TEST

/* PRX-73: reached by some method, past the rules before it. */
START_TEST(offers)
{
	struct path a = path("a"), ab = path("a/b"), c = path("c");
	struct netlist any = networks("any");
	const uint32_t get = 1u << COAP_GET, put = 1u << COAP_PUT;
	struct rule v[] = {
		{ .path = &ab, .npath = 1, .allow_from = any,
			.action = RULE_REPLY },
		{ .path = &a, .npath = 1, .allow_from = any, .methods = get },
		{ .path = &a, .npath = 1, .allow_from = any,
			.methods = get | put },
		{ .path = &a, .npath = 1, .allow_from = any, .methods = get },
		{ .path = &c, .npath = 1, .allow_from = any,
			.deny_from = networks("192.0.2.101") },
		{ .path = &c, .npath = 1, .allow_from = any },
		{ .allow_from = any },
	};
	struct rules rules = { v, UNIT_COUNT(v) };
	/* By rule, for /a, /a/b, /c and /d. */
	static const char *const want[] = { "-+--", "+---", "+---", "----",
		"----", "----", "+--+" };
	static const char *const requests[] = {
		"CON GET Uri-Path=\"a\"",
		"CON DELETE Uri-Path=\"a\" Uri-Path=\"b\"",
		"CON GET Uri-Path=\"c\"", "CON GET Uri-Path=\"d\"" };

	client = address("192.0.2.101", 1);
	for (size_t i = 0; i < UNIT_COUNT(v); i++) {
		for (size_t j = 0; j < UNIT_COUNT(requests); j++) {
			struct coap_msg m = message(requests[j]);
			struct redirect_query q = query(&m, "192.0.2.1");

			ck_assert_msg(redirect_offers(&rules, &v[i], &q) ==
				(want[i][j] == '+'), "%zu, %zu", i, j);
		}
	}
	fixture_free();
}
END_TEST

Suite *
redirect_suite(void)
{
	Suite *s = suite_create("redirect");
	TCase *tc = tcase_create("redirect");

	tcase_add_test(tc, patterns);
	tcase_add_test(tc, paths);
	tcase_add_test(tc, order);
	tcase_add_test(tc, reasons);
	tcase_add_test(tc, offers);
	suite_add_tcase(s, tc);
	return s;
}
