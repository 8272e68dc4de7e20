/* Tests of proxy/memo: what is remembered is what would be found anew. */
#include "proxy/memo.h"

#include <stdio.h>

#include "base/rand.h"
#include "fixture.h"
#include "proxy/core.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000 };

static struct memo memo;
static struct addr at, client;
static struct target asked_for;

static struct inbound
inbound(const struct coap_msg *m)
{
	return (struct inbound){ .client = &client, .local = &at, .msg = m,
		.scheme = COAP_SCHEME_COAP };
}

static void
begin(void)
{
	struct rand rnd;

	at = address("192.0.2.1", 5683);
	client = address("192.0.2.9", 40000);
	asked_for = target("h.example", 9);
	rand_init_fixed(&rnd, 1);
	ck_assert(memo_init(&memo, &rnd));
}

static void
end(void)
{
	memo_fini(&memo);
	fixture_free();
}

static const struct rule rule;
static const struct path strip;

/* Asks once more about IN; it is noted if it was not known. */
static bool
ask(const struct inbound *in)
{
	struct memo_result r = {
		.role = ROLE_FORWARD,
		.opts = SPAN_LIT("opts"),
		.has = 5,
		.uri = asked_for,
		.rule = &rule,
		.strip = &strip,
		.sent = SPAN_LIT("sent"),
		.key = { SPAN_LIT("key"), 7, 8 },
	};
	struct memo_result got;
	uint64_t hash;

	if (!memo_find(&memo, in, &got, &hash)) {
		if (memo_due(&memo, hash))
			memo_put(&memo, in, hash, &r);
		return false;
	}
	ck_assert_ptr_eq(got.rule, &rule);
	ck_assert_ptr_eq(got.strip, &strip);
	ck_assert_int_eq(got.role, ROLE_FORWARD);
	ck_assert(span_eq(got.opts, r.opts));
	ck_assert_uint_eq(got.has, 5);
	ck_assert(span_eq(got.uri.host.text, r.uri.host.text));
	ck_assert(!got.uri.host.literal);
	ck_assert_uint_eq(got.uri.port, 9);
	ck_assert(span_eq(got.sent, r.sent));
	ck_assert(span_eq(got.key.octets, r.key.octets));
	ck_assert_uint_eq(got.key.hash, 7);
	ck_assert_uint_eq(got.key.uri, 8);
	return true;
}

/* Known from the third time on, and only where everything is the same. */
START_TEST(same)
{
	struct coap_msg m = message("CON GET Uri-Path=\"a\"");
	struct coap_msg n = message("CON GET Uri-Path=\"b\"");
	struct inbound in, other;
	struct addr there;

	begin();
	in = inbound(&m);
	ck_assert(!ask(&in));
	ck_assert(!ask(&in));
	ck_assert(ask(&in));
	/* It does not matter who asks, nor how he marks it. */
	client = address("2001:db8::1", 1);
	m.mid++;
	m.token = SPAN_LIT("other");
	ck_assert(ask(&in));
	there = address("192.0.2.2", 5683);
	other = in;
	other.local = &there;
	ck_assert(!ask(&other));
	there = address("192.0.2.1", 5684);
	ck_assert(!ask(&other));
	other = in;
	other.listener = 1;
	ck_assert(!ask(&other));
	other = in;
	other.scheme = COAP_SCHEME_COAPS;
	ck_assert(!ask(&other));
	other = inbound(&n);
	ck_assert(!ask(&other));
	ck_assert(ask(&in));
	memo_clear(&memo);
	ck_assert(!ask(&in));
	end();
}
END_TEST

/* What has something else in it takes the other way. */
START_TEST(suits)
{
	static const struct {
		const char *request;
		bool want;
	} rows[] = {
		{ "CON GET", true },
		{ "NON GET Uri-Host=\"h\" Uri-Port=1 Uri-Path=\"a\" "
		  "Uri-Query=\"b\" Accept=0", true },
		{ "CON GET Uri-Path=200x\"a\"", true },
		{ "CON GET Uri-Path=250x\"a\" Uri-Path=\"bcd\"", false },
		{ "CON GET Proxy-Uri=\"coap://h/\"", true },
		{ "CON GET Uri-Path=\"x\" Proxy-Uri=\"coap://h/\"", true },
		{ "CON PUT Uri-Path=\"a\"", false },
		{ "CON FETCH Uri-Path=\"a\" payload=\"x\"", false },
		{ "CON GET ETag=01", false },
		{ "CON GET Observe=0", false },
		{ "CON GET Block2=0/0/64", false },
		{ "CON GET Size2=0", false },
		{ "CON GET Hop-Limit=3", false },
		{ "CON GET Echo=01", false },
		{ "CON GET No-Response=2", false },
		{ "CON GET If-Match=01", false },
		{ "CON GET Request-Tag=01", false },
		{ "CON GET Proxy-Scheme=\"coap\"", false },
		{ "CON GET opt65000=\"x\"", false },
		{ "CON GET Accept=0 Accept=1", false },
		{ "CON GET Uri-Path=300x\"a\"", false },
	};

	begin();
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].request);
		struct inbound in = inbound(&m);

		ck_assert_msg(memo_suits(&in) == rows[i].want, "row %zu", i);
	}
	end();
}
END_TEST

/* A hundred thousand others, some too long to be noted. */
START_TEST(many)
{
	static const uint8_t filler[200];
	unsigned known = 0;

	begin();
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t opts[512];
		struct writer w = writer_make(opts, sizeof(opts));
		struct coap_optw o = coap_optw(&w);
		struct coap_msg m = { .code = COAP_GET };
		struct inbound in = inbound(&m);
		uint64_t number = i;

		coap_put_opt(&o, COAP_OPT_URI_PATH,
		    span_make(&number, sizeof(number)));
		if (i % 3 == 0)
			coap_put_opt(&o, COAP_OPT_URI_PATH,
			    span_make(filler, sizeof(filler)));
		if (i % 5 == 0)
			coap_put_opt(&o, COAP_OPT_URI_QUERY,
			    span_make(&number, i % 9));
		ck_assert(coap_parse_opts(&m, writer_span(&w)));
		ck_assert(!ask(&in));
		ask(&in);
		known += ask(&in);
	}
	ck_assert_uint_gt(known, 90000);
	end();
}
END_TEST

/* ---- in the proxy ---- */

static struct stand with, without;
static struct rule rules[2][6];
static struct host_pattern named[2];
static struct path below_a;

/* Rules of every kind, in both configurations in another order. */
static void
make_rules(struct rule *r, bool turned)
{
	below_a = path("a");
	named[0] = (struct host_pattern){ .name = SPAN_LIT("h.example") };
	named[1] = (struct host_pattern){ .literal = true,
		.addr = address("192.0.2.2", 0) };
	for (size_t i = 0; i < 6; i++)
		r[i] = (struct rule){ .name = "r", .cache = i != 4,
			.allow_from = networks("any"), .timeout_ms = 90000,
			.to = target("h.origin", (uint16_t)(1000 + i)) };
	r[0].host = &named[0];
	r[0].nhost = 1;
	r[0].send_host = SEND_HOST_TARGET;
	r[1].host = &named[1];
	r[1].nhost = 1;
	r[1].deny_from = networks("192.0.2.102");
	r[2].path = &below_a;
	r[2].npath = 1;
	r[2].strip = true;
	r[2].to_path = path("x/y");
	r[2].deny_from = networks("192.0.2.102");
	r[3].methods = 1u << COAP_PUT;
	r[4].path = &below_a;
	r[4].npath = 1;
	r[5].as_proxy = true;
	if (turned) {
		struct rule first = r[2];

		r[2] = r[4];
		r[4] = first;
	}
}

static void
start(struct stand *s)
{
	stand_init(s);
	s->conf.cache = (struct cache_conf){ .size = 1 << 20,
		.max_entry = 1 << 16, .max_age = 3600 };
	make_rules(rules[0], false);
	make_rules(rules[1], true);
	s->rules = (struct rules){ rules[0], 6 };
	s->forward.deny_from = networks("192.0.2.102");
	stand_start(s);
}

static void
random_request(char *text, size_t cap, struct rand *rnd)
{
	static const char *const host[] = { "", "", " Uri-Host=\"h.example\"",
		" Uri-Host=\"192.0.2.2\"", " Uri-Host=\"other\"" };
	static const char *const where[] = { "", " Uri-Path=\"a\"",
		" Uri-Path=\"a\" Uri-Path=\"b\"", " Uri-Path=\"b\"",
		" Uri-Path=\"..\"", " Uri-Path=\"a\" Uri-Path=\"\"" };
	static const char *const targets[] = { "coap://h.example",
		"coap://h.example/a", "COAP://H.example/%61",
		"coap://h.example/a?q", "coap://192.0.2.50:61616/a/b",
		"coap://[2001:db8::1]/a", "coap://127.0.0.1/a",
		"coap://192.0.2.1/a", "coap://h.example:0/", "coaps://h/" };
	static const char *const more[] = { "", "", "", " Uri-Query=\"q\"",
		" Accept=50", " opt65000=\"x\"", " ETag=01" };

	snprintf(text, cap, "CON GET%s%s%s",
	    host[rand_below(rnd, UNIT_COUNT(host))],
	    where[rand_below(rnd, UNIT_COUNT(where))],
	    more[rand_below(rnd, UNIT_COUNT(more))]);
	if (rand_below(rnd, 3) == 0)
		snprintf(text, cap, "CON GET%s Proxy-Uri=\"%s\"",
		    where[rand_below(rnd, UNIT_COUNT(where))],
		    targets[rand_below(rnd, UNIT_COUNT(targets))]);
	/* In ascending order: ETag stands in front of the path. */
	if (strstr(text, "ETag") != NULL)
		snprintf(text, cap, "CON GET ETag=01");
}

/* TEXT from CLIENT at LOCAL, and an answer if it was sent on. */
static void
exchange(struct stand *s, const char *text, const char *from,
    const char *local, const char *response, uint64_t now)
{
	s->client = address(from, 40001);
	s->local = address(local, 5683);
	s->request[0] = s->reply[0] = '\0';
	stand_ask(s, text, now);
	if (s->sent != NULL)
		stand_answer(s, response, now);
}

/* What a proxy that remembers does is what one does that has forgotten. */
START_TEST(remembers_rightly)
{
	static const struct addr ours = { .ip = { 192, 0, 2, 50 },
		.port = 61616, .family = 4 };
	static const char *const response[] = { "ACK 2.05 payload=\"x\"",
		"ACK 2.05 Max-Age=0 payload=\"y\"", "ACK 4.04" };
	unsigned known = 0, refused = 0, denied = 0, forwarded = 0;
	struct proxy_conf conf[2];
	struct rand rnd;

	rand_init_fixed(&rnd, 2);
	start(&with);
	start(&without);
	for (unsigned i = 0; i < 20000; i++) {
		char text[256];
		const char *from = rand_below(&rnd, 4) == 0 ?
		    "192.0.2.102" : "192.0.2.101";
		const char *local = rand_below(&rnd, 4) == 0 ?
		    "192.0.2.2" : "192.0.2.1";
		const char *r = response[rand_below(&rnd, 3)];
		uint64_t now = NOW + i * UINT64_C(10000);

		random_request(text, sizeof(text), &rnd);
		memo_clear(&without.proxy->memo);
		exchange(&with, text, from, local, r, now);
		known += with.proxy->made == MADE_BEFORE;
		forwarded += with.proxy->made == MADE_BEFORE &&
		    strstr(text, "Proxy-Uri") != NULL;
		exchange(&without, text, from, local, r, now);
		ck_assert_int_ne(without.proxy->made, MADE_BEFORE);
		ck_assert_msg(strcmp(with.request, without.request) == 0,
		    "%s: %s / %s", text, with.request, without.request);
		ck_assert_msg(strcmp(with.reply, without.reply) == 0,
		    "%s: %s / %s", text, with.reply, without.reply);
		ck_assert_uint_eq(with.sends, without.sends);
		refused += strncmp(with.reply, "4.03", 4) == 0;
		denied += strncmp(with.reply, "5.05", 4) == 0;
		/* Another address is ours; forward requests go by rules. */
		if (i == 5000) {
			self_add_bound(&with.self, &ours);
			self_add_bound(&without.self, &ours);
		}
		if (i != 10000)
			continue;
		with.forward.routes = without.forward.routes = true;
		/* Other rules: nothing of before counts. */
		conf[0] = with.conf;
		conf[1] = without.conf;
		with.rules.v = without.rules.v = rules[1];
		ck_assert(proxy_prepare(with.proxy, &conf[0]));
		ck_assert(proxy_prepare(without.proxy, &conf[1]));
		proxy_reload(with.proxy, &conf[0], now);
		proxy_reload(without.proxy, &conf[1], now);
	}
	ck_assert_uint_eq(with.proxy->stats.hits, without.proxy->stats.hits);
	ck_assert_uint_eq(with.proxy->stats.misses,
	    without.proxy->stats.misses);
	ck_assert_uint_gt(with.proxy->stats.hits, 300);
	ck_assert_uint_gt(known, 2000);
	ck_assert_uint_gt(forwarded, 300);
	ck_assert_uint_gt(refused, 100);
	ck_assert_uint_gt(denied, 100);
	stand_fini(&with);
	stand_fini(&without);
}
END_TEST

Suite *
memo_suite(void)
{
	Suite *s = suite_create("memo");
	TCase *tc = tcase_create("memo");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, same);
	tcase_add_test(tc, suits);
	tcase_add_test(tc, many);
	tcase_add_test(tc, remembers_rightly);
	suite_add_tcase(s, tc);
	return s;
}
