#include "proxy/rewrite.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

#define KEEP SEND_HOST_KEEP

static uint8_t space[2048];

static struct route
forward_to(const char *name, uint16_t port)
{
	static const struct forward_conf f;
	struct route r = { .uri = target(name, port), .forward = &f };

	r.hop = r.uri;
	return r;
}

/* PRX-10, PRX-15, PRX-16, PRX-70: what the next hop is told of the target. */
START_TEST(authority)
{
	static const struct {
		bool rule, as_proxy, forward;
		enum send_host send_host;
		const char *uri;
		uint16_t port;
		const char *request;
		const char *host;
		uint16_t want_port;
		bool scheme;
	} rows[] = {
		/* The forward role. */
		{ false, false, true, KEEP, "h.example", 5690, "CON GET",
			"h.example", 0, false },
		{ false, false, true, KEEP, "192.0.2.9", 5690, "CON GET", "",
			0, false },
		{ false, true, true, KEEP, "h.example", 5683, "CON GET",
			"h.example", 0, true },
		{ false, true, true, KEEP, "h.example", 5690, "CON GET",
			"h.example", 5690, true },
		{ false, true, true, KEEP, "2001:DB8::9", 5683, "CON GET",
			"[2001:db8::9]", 0, true },
		/* Routes. */
		{ true, false, false, KEEP, "h.example", 5683,
			"CON GET Uri-Host=\"h.example\" Uri-Port=9",
			"h.example", 9, false },
		{ true, false, false, KEEP, "192.0.2.1", 5683,
			"CON GET", "", 0, false },
		{ true, false, false, KEEP, "192.0.2.1", 5683,
			"CON GET Uri-Port=9", "", 0, false },
		{ true, false, true, KEEP, "h.example", 5683,
			"CON GET", "h.example", 0, false },
		{ true, false, false, SEND_HOST_TARGET, "h.example", 5683,
			"CON GET Uri-Host=\"h.example\"", "origin.example", 0,
			false },
		{ true, false, false, SEND_HOST_NONE, "h.example", 5683,
			"CON GET Uri-Host=\"h.example\" Uri-Port=9", "", 0,
			false },
		{ true, false, false, SEND_HOST_NAME, "h.example", 5683,
			"CON GET", "other.example", 0, false },
		{ true, true, false, KEEP, "h.example", 5690,
			"CON GET Uri-Host=\"h.example\" Uri-Port=5690",
			"h.example", 5690, true },
		/* An address of ours that the client only implied would send
		 * the request back here. */
		{ true, true, false, KEEP, "192.0.2.1", 5690, "CON GET", "", 0,
			true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct rule rule = { .to = target("origin.example", 5683),
			.send_host = rows[i].send_host,
			.send_host_name = SPAN_LIT("other.example") };
		struct coap_msg m = message(rows[i].request);
		struct route route = forward_to(rows[i].uri, rows[i].port);
		struct rewrite_request rw;

		route.rule = rows[i].rule ? &rule : NULL;
		route.as_proxy = rows[i].as_proxy;
		if (!rows[i].forward)
			route.forward = NULL;
		memset(&rw, 0xff, sizeof(rw));
		rewrite_authority(&rw, &route, &m);
		ck_assert_msg(span_eq(rw.host, span_str(rows[i].host)),
		    "row %zu: %.*s", i, (int)rw.host.n,
		    (const char *)rw.host.p);
		ck_assert_uint_eq(rw.port, rows[i].want_port);
		ck_assert_int_eq(rw.scheme.n > 0, rows[i].scheme);
		ck_assert_ptr_eq(rw.route, &route);
		ck_assert_uint_eq(rw.hop_limit, 0);
		ck_assert_uint_eq(rw.tag.n, 0);
	}
	fixture_free();
}
END_TEST

/* MSG-16, PRX-33, PRX-39, PRX-55: what is added comes in its place; what is
 * not ours to change stays. */
START_TEST(request)
{
	static const struct {
		const char *request;
		bool strip;
		const char *want;
	} rows[] = {
		{ "CON GET", false,
			"GET Uri-Host=\"h\" Uri-Port=9 Uri-Path=\"x\" "
			"Uri-Path=\"y\" Hop-Limit=7 Proxy-Scheme=\"coap\" "
			"Request-Tag=0102" },
		{ "CON GET Uri-Path=\"a\" Uri-Path=\"b\"", true,
			"GET Uri-Host=\"h\" Uri-Port=9 Uri-Path=\"x\" "
			"Uri-Path=\"y\" Uri-Path=\"b\" Hop-Limit=7 "
			"Proxy-Scheme=\"coap\" Request-Tag=0102" },
		{ "CON PUT If-Match=01 Uri-Host=\"old\" ETag=02 ETag=03 "
		  "Uri-Port=1 Uri-Path=\"a\" Uri-Query=\"q\" Hop-Limit=99 "
		  "Accept=0 Proxy-Scheme=\"coap\" Size1=9 opt65000=\"1\" "
		  "opt65000=\"2\" opt65001=\"3\"", false,
			"PUT If-Match=01 Uri-Host=\"h\" ETag=02 ETag=03 "
			"Uri-Port=9 Uri-Path=\"x\" Uri-Path=\"y\" "
			"Uri-Path=\"a\" Uri-Query=\"q\" Hop-Limit=7 Accept=0 "
			"Proxy-Scheme=\"coap\" Size1=9 Request-Tag=0102 "
			"opt65000=31 opt65000=32 opt65001=33" },
		/* BLK-37, BLK-31: blocks are of one hop; a tag that belongs
		 * to none of them is safe to pass on. */
		{ "CON PUT Block2=1/0/32 Block1=1/0/16 Request-Tag=ff", false,
			"PUT Uri-Host=\"h\" Uri-Port=9 Uri-Path=\"x\" "
			"Uri-Path=\"y\" Hop-Limit=7 Proxy-Scheme=\"coap\" "
			"Request-Tag=0102 Request-Tag=ff" },
		/* OBS-08 */
		{ "CON GET Observe=0", false,
			"GET Uri-Host=\"h\" Uri-Port=9 Uri-Path=\"x\" "
			"Uri-Path=\"y\" Hop-Limit=7 Proxy-Scheme=\"coap\" "
			"Request-Tag=0102" },
		/* PRX-80, PRX-82: No-Response that leaves something to be
		 * answered is ours; the other one goes along as it came. */
		{ "CON GET No-Response=18", false,
			"GET Uri-Host=\"h\" Uri-Port=9 Uri-Path=\"x\" "
			"Uri-Path=\"y\" Hop-Limit=7 Proxy-Scheme=\"coap\" "
			"Request-Tag=0102" },
		{ "CON GET No-Response=251", false,
			"GET Uri-Host=\"h\" Uri-Port=9 Uri-Path=\"x\" "
			"Uri-Path=\"y\" Hop-Limit=7 Proxy-Scheme=\"coap\" "
			"No-Response=251 Request-Tag=0102" },
		/* MSG-18: a second one is unknown, and safe. */
		{ "CON GET Hop-Limit=9 Hop-Limit=8", false,
			"GET Uri-Host=\"h\" Uri-Port=9 Uri-Path=\"x\" "
			"Uri-Path=\"y\" Hop-Limit=7 opt16=08 "
			"Proxy-Scheme=\"coap\" Request-Tag=0102" },
	};
	struct path strip = path("a");
	struct rule rule = { .to_path = path("x/y") };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct route route = { .rule = &rule,
			.strip = rows[i].strip ? &strip : NULL };
		const struct rewrite_request rw = { .route = &route,
			.host = SPAN_LIT("h"), .port = 9,
			.scheme = SPAN_LIT("coap"), .hop_limit = 7,
			.tag = SPAN_LIT("\1\2") };
		struct coap_msg m = message(rows[i].request);
		struct writer w = writer_make(space, sizeof(space));

		ck_assert_int_eq(rewrite_request(&rw, &m, &w), REWRITE_OK);
		ck_assert_str_eq(dump(m.code, writer_span(&w), SPAN_LIT("")),
		    rows[i].want);
	}
	fixture_free();
}
END_TEST

/* BLK-30, BLK-33, BLK-37, BLK-44: a body put together here goes on without
 * what told its blocks apart; one that is not collected keeps Block2. */
START_TEST(blocks)
{
	static const struct {
		bool assembled, if_none_match, relay;
		const char *request, *want;
	} rows[] = {
		{ true, false, false, "CON PUT Uri-Path=\"t\" Block1=2/0/16 "
			"Size1=40 Request-Tag= Request-Tag=ff "
			"opt65000=\"x\"",
			"PUT Uri-Path=\"t\" opt65000=78" },
		{ true, true, false, "CON PUT Uri-Host=\"h\" Uri-Path=\"t\" "
			"Block1=2/0/16", "PUT If-None-Match Uri-Path=\"t\"" },
		{ true, true, false, "CON PUT If-None-Match= Uri-Path=\"t\" "
			"Block1=0/0/16", "PUT If-None-Match Uri-Path=\"t\"" },
		{ false, false, false, "CON PUT If-None-Match= "
			"Uri-Path=\"t\" Size1=9",
			"PUT If-None-Match Uri-Path=\"t\" Size1=9" },
		{ false, false, true, "CON GET Uri-Path=\"t\" Block2=7/0/64 "
			"Size2=0", "GET Uri-Path=\"t\" Block2=7/0/64 Size2=0" },
		{ false, false, false, "CON GET Uri-Path=\"t\" Block2=7/0/64 "
			"Size2=0", "GET Uri-Path=\"t\" Size2=0" },
	};
	const struct route route = { .rule = NULL };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct rewrite_request rw = { .route = &route,
			.assembled = rows[i].assembled,
			.if_none_match = rows[i].if_none_match,
			.relay = rows[i].relay };
		struct coap_msg m = message(rows[i].request);
		struct writer w = writer_make(space, sizeof(space));

		ck_assert_int_eq(rewrite_request(&rw, &m, &w), REWRITE_OK);
		ck_assert_str_eq(dump(m.code, writer_span(&w), SPAN_LIT("")),
		    rows[i].want);
	}
	fixture_free();
}
END_TEST

/* OBS-49: Observe goes up only as 0, and only in a registration; that
 * names no ETag but P's own. */
START_TEST(registration)
{
	static const struct {
		bool observe, only;
		const char *add, *request, *want;
	} rows[] = {
		{ false, false, "", "CON GET Observe=0", "GET" },
		{ false, false, "", "CON GET Observe=1", "GET" },
		{ false, false, "", "CON GET ETag=01 Observe=0 Accept=0",
			"GET ETag=01 Accept=0" },
		{ true, true, "", "CON GET Observe=0", "GET Observe=0" },
		{ true, true, "", "CON GET", "GET Observe=0" },
		{ true, true, "", "CON GET Observe=1 Accept=0",
			"GET Observe=0 Accept=0" },
		{ true, true, "", "CON GET ETag=01 ETag=02 Observe=0",
			"GET Observe=0" },
		{ true, true, "\3", "CON GET ETag=01 ETag=02 Observe=0",
			"GET ETag=03 Observe=0" },
		{ true, true, "\1", "CON GET ETag=01 Observe=0",
			"GET ETag=01 Observe=0" },
		{ true, true, "\3", "CON GET Uri-Port=7 Uri-Path=\"a\"",
			"GET ETag=03 Observe=0 Uri-Path=\"a\"" },
		{ true, false, "\3", "CON GET ETag=01 Observe=0",
			"GET ETag=01 ETag=03 Observe=0" },
	};
	const struct route route = { .rule = NULL };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct rewrite_request rw = { .route = &route,
			.observe = rows[i].observe,
			.etag = { .only = rows[i].only,
				.add = span_str(rows[i].add) } };
		struct coap_msg m = message(rows[i].request);
		struct writer w = writer_make(space, sizeof(space));

		ck_assert_int_eq(rewrite_request(&rw, &m, &w), REWRITE_OK);
		ck_assert_str_eq(dump(m.code, writer_span(&w), SPAN_LIT("")),
		    rows[i].want);
	}
	fixture_free();
}
END_TEST

/* PRX-21, PRX-22: what cannot be sent on. */
START_TEST(refused)
{
	static const struct {
		const char *request;
		size_t cap;
		enum rewrite_result want;
	} rows[] = {
		{ "CON GET Uri-Path=\"a\" Uri-Path=\"..\"", 100,
			REWRITE_BAD_PATH },
		{ "CON GET Uri-Path=\".\"", 100, REWRITE_BAD_PATH },
		{ "CON GET Uri-Path=\"...\"", 100, REWRITE_OK },
		{ "CON GET Uri-Path=\"123456789\"", 9, REWRITE_TOO_LARGE },
		{ "CON GET Uri-Path=\"123456789\"", 10, REWRITE_OK },
	};
	const struct route route = forward_to("192.0.2.9", 5683);
	const struct rewrite_request rw = { .route = &route };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].request);
		struct writer w = writer_make(space, rows[i].cap);

		ck_assert_int_eq(rewrite_request(&rw, &m, &w), rows[i].want);
	}
	fixture_free();
}
END_TEST

/* PRX-05, PRX-17..19: the Proxy-Uri in its place among the other options. */
START_TEST(expand)
{
	static const struct {
		const char *uri, *request, *want;
	} rows[] = {
		{ "coap://h/a/b?c&d", "CON GET ETag=01 Accept=0",
			"GET ETag=01 Uri-Path=\"a\" Uri-Path=\"b\" "
			"Uri-Query=\"c\" Uri-Query=\"d\" Accept=0" },
		{ "coap://h", "CON GET Uri-Path=\"x\" Uri-Query=\"y\"",
			"GET" },
		{ "coap://h//?", "CON GET opt65000=\"x\"",
			"GET Uri-Path=\"\" Uri-Path=\"\" Uri-Query=\"\" "
			"opt65000=78" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].request);
		struct writer w = writer_make(space, sizeof(space));
		struct coap_uri u;

		ck_assert_int_eq(coap_uri_parse(&u, span_str(rows[i].uri), 0),
		    COAP_URI_OK);
		ck_assert_int_eq(rewrite_expand(&u, &m, &w), REWRITE_OK);
		ck_assert_str_eq(dump(m.code, writer_span(&w), SPAN_LIT("")),
		    rows[i].want);
	}
	fixture_free();
}
END_TEST

/* PRX-69, OBS-08: responses on their way to the client. */
START_TEST(response)
{
	static const struct {
		const char *to, *strip;
		const char *response;
		bool needed;
		const char *want;
	} rows[] = {
		{ NULL, NULL, "ACK 2.05 ETag=01", false, "2.05 ETag=01" },
		{ NULL, NULL, "ACK 2.05 ETag=01 Observe=5 Max-Age=2", true,
			"2.05 ETag=01 Max-Age=2" },
		/* BLK-37 */
		{ NULL, NULL, "ACK 2.05 ETag=01 Block2=0/1/16 Block1=0/0/16 "
			"Size2=30", true, "2.05 ETag=01 Size2=30" },
		{ NULL, NULL, "ACK 2.01 Location-Path=\"a\"", false,
			"2.01 Location-Path=\"a\"" },
		{ "", "m1", "ACK 2.01 Location-Path=\"x\"", true,
			"2.01 Location-Path=\"m1\" Location-Path=\"x\"" },
		{ "b", "m1/n", "ACK 2.01 ETag=01 Location-Path=\"b\" "
			"Location-Path=\"x\" Max-Age=1 Location-Query=\"q\"",
			true, "2.01 ETag=01 Location-Path=\"m1\" "
			"Location-Path=\"n\" Location-Path=\"x\" Max-Age=1 "
			"Location-Query=\"q\"" },
		{ "b", NULL, "ACK 2.01 Location-Path=\"b\" "
			"Location-Path=\"x\"", true,
			"2.01 Location-Path=\"x\"" },
		{ "b", "m1", "ACK 2.01 Location-Path=\"b\"", true,
			"2.01 Location-Path=\"m1\"" },
		{ "b", "m1", "ACK 2.01 ETag=01 Location-Path=\"c\" "
			"Location-Query=\"q\"", true, "2.01 ETag=01" },
		{ "b/c", "m1", "ACK 2.01 Location-Path=\"b\"", true,
			"2.01" },
		{ "", NULL, "ACK 2.01 Location-Path=\"x\"", false,
			"2.01 Location-Path=\"x\"" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct path strip = path(rows[i].strip != NULL ?
			rows[i].strip : "");
		struct rule rule = { .to_path = path(rows[i].to != NULL ?
			rows[i].to : "") };
		const struct route route = {
			.rule = rows[i].to != NULL ? &rule : NULL,
			.strip = rows[i].strip != NULL ? &strip : NULL,
		};
		struct coap_msg m = message(rows[i].response);
		struct writer w = writer_make(space, sizeof(space));

		ck_assert_msg(rewrite_response_needed(&m, &route, false) ==
			rows[i].needed, "row %zu", i);
		ck_assert(rewrite_response(&m, &route, false, &w));
		ck_assert_str_eq(dump(m.code, writer_span(&w), SPAN_LIT("")),
		    rows[i].want);
		w = writer_make(space, 0);
		if (strcmp(rows[i].want, "2.01") != 0)
			ck_assert(!rewrite_response(&m, &route, false, &w));
	}
	fixture_free();
}
END_TEST

/* Options at random, all of them recognised, into W. */
static void
random_options(struct writer *w, struct rand *rnd)
{
	struct coap_optw o = coap_optw(w);
	const struct coap_opt_def *def;

	for (size_t i = 0; (def = coap_opt_row(i)) != NULL; i++) {
		unsigned times = rand_below(rnd, 3) == 0 ? 1 : 0;

		if (def->duty == COAP_DUTY_NONE ||
		    (def->in & COAP_IN_GET_FETCH) == 0)
			continue;
		if (times > 0 && (def->repeat & COAP_IN_GET_FETCH) != 0)
			times += (unsigned)rand_below(rnd, 3);
		while (times-- > 0)
			coap_put_opt(&o, def->number, span_make("..a",
			    def->min + rand_below(rnd, def->max > 3 ? 3 :
				def->max - def->min + 1u)));
	}
}

/* What a route or a fetch may want of the rewriting, at random. */
static void
random_wishes(struct rewrite_request *rw, struct rand *rnd)
{
	unsigned x = (unsigned)rand_below(rnd, 4096);

	rw->host = x & 1 ? SPAN_LIT("host") : SPAN_LIT("");
	rw->port = x & 2 ? 5690 : 0;
	rw->scheme = x & 4 ? SPAN_LIT("coap") : SPAN_LIT("");
	rw->hop_limit = x & 8 ? 16 : 0;
	rw->etag.add = x & 16 ? SPAN_LIT("..") : SPAN_LIT("");
	rw->etag.drop = x & 32 ? SPAN_LIT(".") : SPAN_LIT("");
	rw->etag.only = (x & 64) != 0;
	rw->assembled = (x & 128) != 0;
	rw->if_none_match = (x & 256) != 0;
	rw->tag = x & 512 ? SPAN_LIT("tag") : SPAN_LIT("");
	rw->relay = (x & 1024) != 0;
	rw->observe = (x & 2048) != 0;
	rw->drop_echo = rand_below(rnd, 2) != 0;
}

/* Options in a row are copied: that is the same as one by one. */
START_TEST(runs)
{
	struct path strip = path("a/b"), none = path("");
	static uint8_t opts[2048], other[2048];
	struct rand rnd;

	rand_init_fixed(&rnd, 1);
	for (unsigned i = 0; i < 50000; i++) {
		struct rule rule = { .to_path = i & 1 ? strip : none };
		struct route route = { .rule = i & 2 ? &rule : NULL,
			.strip = i & 4 ? &strip : NULL };
		struct rewrite_request rw = { .route = &route };
		struct coap_msg m = { .code = COAP_GET };
		struct writer w = writer_make(opts, sizeof(opts));
		struct writer w1, w2;
		enum rewrite_result result;

		random_options(&w, &rnd);
		random_wishes(&rw, &rnd);
		ck_assert(coap_parse_opts(&m, writer_span(&w)));
		ck_assert(m.known);
		w1 = writer_make(space, i % 16 == 0 ? 20 : sizeof(space));
		w2 = writer_make(other, i % 16 == 0 ? 20 : sizeof(other));
		result = rewrite_request(&rw, &m, &w1);
		m.known = false;
		ck_assert_int_eq(rewrite_request(&rw, &m, &w2), result);
		if (result == REWRITE_TOO_LARGE)
			continue;
		ck_assert(span_eq(writer_span(&w1), writer_span(&w2)) ||
		    w1.full);
	}
	fixture_free();
}
END_TEST

/* PRX-51 */
START_TEST(without_hop_limit)
{
	struct coap_msg m = message("CON GET Uri-Host=\"h\" Uri-Path=\"a\" "
	    "Hop-Limit=16 opt65000=\"x\"");
	struct writer w = writer_make(space, sizeof(space));

	ck_assert(rewrite_without_hop_limit(&m, &w));
	ck_assert_str_eq(dump(m.code, writer_span(&w), SPAN_LIT("")),
	    "GET Uri-Host=\"h\" Uri-Path=\"a\" opt65000=78");
	fixture_free();
}
END_TEST

Suite *
rewrite_suite(void)
{
	Suite *s = suite_create("rewrite");
	TCase *tc = tcase_create("rewrite");

	tcase_add_test(tc, authority);
	tcase_add_test(tc, request);
	tcase_add_test(tc, blocks);
	tcase_add_test(tc, registration);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, runs);
	tcase_add_test(tc, expand);
	tcase_add_test(tc, response);
	tcase_add_test(tc, without_hop_limit);
	suite_add_tcase(s, tc);
	return s;
}
