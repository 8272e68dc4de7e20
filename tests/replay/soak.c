/*
 * soak: what a scenario cannot say: many at once, a bad network, and long
 * runs. One result a line (TAP).
 *
 *	soak [--exchanges N] [--seed S] [--start MS]
 *
 * Without options everything, the long run with EXCHANGES requests; with one of
 * them the long run alone. The same seed is the same run. MS is what the clock
 * says at first.
 */
#include "lossy.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/xalloc.h"
#include "proxy/backoff.h"

enum { EXCHANGES = 150000, SEED = 1 };

static unsigned run, failed;

static void
result(bool ok, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
result(bool ok, const char *name, const char *fmt, ...)
{
	va_list ap;

	run++;
	failed += !ok;
	printf("%s %u - %s\n# ", ok ? "ok" : "not ok", run, name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* Routes /oK to origin K. */
#define ROUTES \
    "[route 1]\npath = /o1\nto = coap://198.51.100.1\n" \
    "[route 2]\npath = /o2\nto = coap://198.51.100.2\n" \
    "[route 3]\npath = /o3\nto = coap://198.51.100.3\n" \
    "[route 4]\npath = /o4\nto = coap://198.51.100.4\n" \
    "[route 5]\npath = /o5\nto = coap://198.51.100.5\n" \
    "[route 6]\npath = /o6\nto = coap://198.51.100.6\n" \
    "[route 7]\npath = /o7\nto = coap://198.51.100.7\n" \
    "[route 8]\npath = /o8\nto = coap://198.51.100.8\n" \
    "[route 9]\npath = /o9\nto = coap://198.51.100.9\n" \
    "[route 10]\npath = /o10\nto = coap://198.51.100.10\n"

/* Enough room for a bad network: nobody is turned away, nor waits long for an
 * origin that lost a message. */
#define PATIENT "probing-rate = 100\nqueue-per-origin = 4096\n" \
    "[origin]\nnstart = 64\n" ROUTES

static const char routes[] = "[message]\n" PATIENT;

/* As it comes. */
static const char plain_routes[] = ROUTES;

/* ---- a bad network ---- */

/* What no table, queue or network excuses. */
static bool
is_sound(const struct lossy_result *r)
{
	return r->exchanges > 0 && r->twice == 0 && r->mixed == 0 &&
	    r->reused == 0 && r->idle && r->lost > 0 && r->doubled > 0;
}

/* Every request had its one answer as far as the network let it. */
static bool
is_complete(const struct lossy_result *r)
{
	return is_sound(r) && r->again == 0 && r->failed == 0 &&
	    r->hasty == 0 && r->unanswered == 0 &&
	    r->exchanges ==
	    r->answered + r->timed_out + r->refused + r->given_up;
}

static void
report_lossy(bool ok, const char *name, uint64_t seed,
    const struct lossy_result *r)
{
	result(ok, name,
	    "seed %llu, exchanges %u, answered %u, 5.04 %u, 5.03 %u, "
	    "given up by the client %u (CON %u), done twice %u, mixed %u, "
	    "two answers %u, failed %u, 5.04 behind an answer %u, "
	    "not answered %u, Message IDs reused %u, lost %llu, "
	    "doubled %llu, retransmissions %llu, digest %016llx %s",
	    (unsigned long long)seed, r->exchanges, r->answered, r->timed_out,
	    r->refused, r->given_up, r->given_up_con, r->twice, r->mixed,
	    r->again, r->failed, r->hasty, r->unanswered, r->reused,
	    (unsigned long long)r->lost, (unsigned long long)r->doubled,
	    (unsigned long long)r->repeated, (unsigned long long)r->digest,
	    r->why);
}

/* MSG-42, MSG-48, MSG-61, MSG-62, PRX-53: 50 clients and 5 origins over a
 * network that loses, doubles and overtakes, but lets everyone through who
 * repeats. */
static void
test_fair(uint64_t seed)
{
	const struct lossy_conf c = {
		.conf = routes,
		.clients = 50,
		.origins = 5,
		.exchanges = 1000,
		.gap = 8000,
		.loss = 30,
		.copies = 20,
		.fair = true,
		.seed = seed,
	};
	struct lossy_result r;

	lossy_run(&c, &r);
	report_lossy(is_complete(&r) && r.confirmed == r.confirmable &&
	    r.refused == 0,
	    "MSG-61 a bad network: each CON one answer, each request done once",
	    seed, &r);
}

/* A bad network, and another configuration twenty times a second: the listener
 * has another place in it and another name, and so has each route; messages are
 * repeated at other times, and tables have other sizes. */
static void
test_reloads(uint64_t seed)
{
	const struct lossy_conf c = {
		.conf = "[listen a]\nbind = coap://192.0.2.1\n[message]\n"
		PATIENT,
		.other = "[listen z]\nbind = coap://192.0.2.2\n"
		"[listen b]\nbind = coap://192.0.2.1\n"
		"[cache]\nsize = 1M\n[route no]\npath = /no\nreply = 4.10\n"
		"[route c]\nlisten = b\npath = /o3\n"
		"to = coap://198.51.100.3\n[message]\nack-timeout = 3s\n"
		"ack-random-factor = 1.1\nmax-retransmit = 5\n"
		"max-exchanges = 3000\n" PATIENT,
		.reload = 50,
		.clients = 50,
		.origins = 5,
		.exchanges = 1000,
		.gap = 8000,
		.loss = 30,
		.copies = 20,
		.fair = true,
		.seed = seed,
	};
	struct lossy_result r;

	lossy_run(&c, &r);
	report_lossy(is_complete(&r) && r.confirmed == r.confirmable &&
	    r.refused == 0,
	    "reloads all the time: each CON one answer, each request done once",
	    seed, &r);
}

/* MSG-65, MSG-66: tables far too small: refused, but nothing done twice. */
static void
test_small_tables(void)
{
	const struct lossy_conf c = {
		.conf = "[message]\nmax-exchanges = 100\n" PATIENT,
		.clients = 50,
		.origins = 5,
		.exchanges = 1000,
		.gap = 8000,
		.loss = 20,
		.copies = 50,
		.fair = true,
		.seed = 66,
		.refusals = REFUSE_TABLES,
	};
	struct lossy_result r;

	lossy_run(&c, &r);
	report_lossy(is_sound(&r) && r.refused > 0 && r.answered > 0,
	    "MSG-65 MSG-66 full tables: some refused, none done twice", c.seed,
	    &r);
}

/* MSG-65, MSG-66: tables that become far too small, and large again, all the
 * time. */
static void
test_shrinking_tables(uint64_t seed)
{
	const struct lossy_conf c = {
		.conf = routes,
		.other = "[message]\nmax-exchanges = 50\n" PATIENT,
		.reload = 3000,
		.clients = 50,
		.origins = 5,
		.exchanges = 1000,
		.gap = 8000,
		.loss = 20,
		.copies = 50,
		.fair = true,
		.seed = seed,
		.refusals = REFUSE_TABLES,
	};
	struct lossy_result r;

	lossy_run(&c, &r);
	report_lossy(is_sound(&r) && r.refused > 0 && r.answered > 0,
	    "MSG-65 MSG-66 tables that shrink: some refused, none done twice",
	    seed, &r);
}

/* ---- the long run ---- */

/* Origin 1 never answers, origin 2 only in messages of its own. At 150 requests
 * a second the tables, which have room for 65536 in 247 s, are half full. */
static void
long_run(const char *conf, enum refusals refusals, unsigned exchanges,
    uint64_t seed, struct lossy_result *r)
{
	const struct lossy_conf c = {
		.conf = conf,
		.clients = 50,
		.origins = 10,
		.silent = 1,
		.separate = 2,
		.exchanges = exchanges,
		.gap = 667,
		.loss = 20,
		.copies = 5,
		.seed = seed,
		.refusals = refusals,
	};

	lossy_run(&c, r);
}

/* MSG-32, MSG-42, MSG-43, MSG-44, MSG-48, MSG-59, MSG-61, MSG-62, PRX-42: each
 * request has one answer, or 5.04; none is done twice; nothing is left. Of CON
 * requests one in 160 is lost five times over; of NON requests a third. */
static void
test_long(unsigned exchanges, uint64_t seed)
{
	struct lossy_result r;

	long_run(routes, REFUSE_NEVER, exchanges, seed, &r);
	report_lossy(is_complete(&r) && r.exchanges == exchanges &&
	    r.timed_out > exchanges / 20 && r.given_up_con < exchanges / 100,
	    "MSG-61 PRX-42 a long run: answered once or 5.04, done once",
	    seed, &r);
}

/* MSG-67..70: the same with a window, short queues and PROBING_RATE: most of it
 * is more than these origins may be sent. Refused is only what has not gone up,
 * and with Max-Age. */
static void
test_congested(unsigned exchanges, uint64_t seed)
{
	struct lossy_result r;

	long_run(plain_routes, REFUSE_QUEUE, exchanges, seed, &r);
	report_lossy(is_complete(&r) && r.answered > exchanges / 100 && r.refused > exchanges / 20,
	    "MSG-67 MSG-69 congested: one answer or 5.03 before it went up",
	    seed, &r);
}

/* Two runs in one process meet different addresses and stale memory: what
 * depends on them would show. */
static void
test_repeatable(void)
{
	enum { COUNT = 2000 };
	struct lossy_result a, b, c;

	long_run(routes, REFUSE_NEVER, COUNT, 7252, &a);
	long_run(routes, REFUSE_NEVER, COUNT, 7252, &b);
	long_run(routes, REFUSE_NEVER, COUNT, 7253, &c);
	result(a.digest == b.digest && a.digest != c.digest,
	    "a seed stands for a run: the same datagrams at the same times",
	    "digests %016llx %016llx, another seed %016llx",
	    (unsigned long long)a.digest, (unsigned long long)b.digest,
	    (unsigned long long)c.digest);
}

/* ---- Message IDs and tokens ---- */

struct mids_run {
	struct world world;
	uint64_t last[65536];	/* when this ID was used */
	uint64_t *tokens;
	unsigned sent, answered, refused, reused, odd;
};

static void
origin_reply(struct mids_run *m, const struct packet *p,
    const struct coap_msg *req)
{
	uint8_t out[64];
	struct coap_head h = { COAP_NON, COAP_205, req->mid, req->token };
	size_t n = coap_emit(out, sizeof(out), &h, SPAN_LIT(""), SPAN_LIT(""));

	world_input(&m->world, &p->to, &p->from, span_make(out, n));
}

static void
mids_upstream(struct mids_run *m, const struct packet *p,
    const struct coap_msg *req)
{
	uint64_t *last = &m->last[req->mid];

	m->reused += *last != 0 && p->at - *last < 247000;
	*last = p->at;
	if (req->token.n == 8)
		memcpy(&m->tokens[m->sent], req->token.p, 8);
	else
		m->odd++;
	m->sent++;
	origin_reply(m, p, req);
}

static void
mids_take(struct mids_run *m)
{
	struct packet *p;
	struct coap_msg msg;

	while ((p = world_take(&m->world)) != NULL) {
		coap_parse(&msg, span_make(p->octets, p->n));
		if (coap_code_kind(msg.code) == COAP_KIND_REQUEST)
			mids_upstream(m, p, &msg);
		else if (msg.code == COAP_205)
			m->answered++;
		else if (msg.code == COAP_503 &&
		    coap_has(&msg, COAP_OPT_MAX_AGE))
			m->refused++;
		else
			m->odd++;
		free(p);
	}
}

/* COUNT NON requests from different ports, evenly over MS. */
static void
mids_ask(struct mids_run *m, unsigned count, uint64_t ms)
{
	uint64_t began = m->world.now;
	struct addr from, to = m->world.self.host[0];
	uint8_t out[64] = { 0 };

	to.port = 5683;
	addr_parse_ip(&from, SPAN_LIT("192.0.2.101"), false);
	for (unsigned i = 0; i < count; i++) {
		struct coap_head h = { COAP_NON, COAP_GET, (uint16_t)(i / 1000),
			SPAN_LIT("t") };
		size_t n = coap_emit(out, sizeof(out), &h,
		    SPAN_LIT("\xb1t"), SPAN_LIT(""));

		while (m->world.now < began + i * ms / count)
			world_step(&m->world, began + i * ms / count);
		from.port = (uint16_t)(20000 + i % 1000);
		world_input(&m->world, &from, &to, span_make(out, n));
		mids_take(m);
	}
}

static void
mids_pass(struct mids_run *m, uint64_t ms)
{
	uint64_t until = m->world.now + ms;

	while (m->world.now < until) {
		world_step(&m->world, until);
		mids_take(m);
	}
}

static int
compare(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* MSG-52: equal ones, and those that are the one before plus a little. */
static unsigned
bad_tokens(uint64_t *v, unsigned n)
{
	unsigned bad = 0;

	for (unsigned i = 1; i < n; i++)
		bad += v[i] - v[i - 1] < 1000000;
	qsort(v, n, sizeof(*v), compare);
	for (unsigned i = 1; i < n; i++)
		bad += v[i] == v[i - 1];
	return bad;
}

/* MSG-59: more requests than Message IDs. MSG-52: their tokens. MSG-53 asks of
 * a DTLS session that no token comes twice in it; a port is ours. */
static void
test_mids(void)
{
	enum { COUNT = 70000, LATER = 1000 };
	struct mids_run *m = xcalloc(1, sizeof(*m));
	unsigned first;

	m->tokens = xcalloc(COUNT + LATER, sizeof(*m->tokens));
	if (!world_init(&m->world, "mids",
		"[message]\nmax-upstream-ports = 1\n"
		"[route all]\nto = coap://198.51.100.1\n", 59))
		exit(EXIT_FAILURE);
	mids_ask(m, COUNT, 60000);
	first = m->answered;
	mids_pass(m, 250000);
	mids_ask(m, LATER, 10000);
	mids_pass(m, 600000);
	result(m->reused == 0 && m->odd == 0 && first >= 60000 &&
	    first + m->refused == COUNT && m->refused >= COUNT - 65536 &&
	    m->answered == first + LATER,
	    "MSG-59 70000 requests in 60 s: no Message ID twice, the rest 5.03",
	    "answered %u, refused %u, reused %u, odd %u, later %u", first,
	    m->refused, m->reused, m->odd, m->answered - first);
	result(bad_tokens(m->tokens, m->sent) == 0,
	    "MSG-52 as many tokens: 8 octets, no two alike, none counting",
	    "%u tokens", m->sent);
	result(world_idle(&m->world), "MSG-66 nothing is left", "%s",
	    m->world.why);
	world_fini(&m->world);
	free(m->tokens);
	free(m);
}

/* ---- too many requests ---- */

struct flood_run {
	struct world world;
	struct addr proxy, flooder, other;
	uint8_t origin_says;	/* a code */
	uint32_t asked;		/* requests so far, in their tokens */
	unsigned fetched;	/* requests at the origin */
	unsigned told, refused;	/* answers to the flooder; 4.29 among them */
	unsigned served;	/* 2.05 for the other client */
};

static void
flood_init(struct flood_run *f, const char *conf, uint8_t origin_says)
{
	*f = (struct flood_run){ .origin_says = origin_says };
	if (!world_init(&f->world, "flood", conf, 71))
		exit(EXIT_FAILURE);
	f->proxy = f->world.self.host[0];
	f->proxy.port = 5683;
	addr_parse_ip(&f->flooder, SPAN_LIT("192.0.2.101"), false);
	addr_parse_ip(&f->other, SPAN_LIT("192.0.2.102"), false);
	f->flooder.port = f->other.port = 40000;
}

static void
flood_answer(struct flood_run *f, const struct packet *p,
    const struct coap_msg *req)
{
	uint8_t out[64];
	struct coap_head h = { req->type == COAP_CON ? COAP_ACK : COAP_NON,
		f->origin_says, req->mid, req->token };
	size_t n = coap_emit(out, sizeof(out), &h, SPAN_LIT(""), SPAN_LIT(""));

	f->fetched++;
	world_input(&f->world, &p->to, &p->from, span_make(out, n));
}

static void
flood_take(struct flood_run *f)
{
	struct packet *p;
	struct coap_msg m;

	while ((p = world_take(&f->world)) != NULL) {
		if (coap_parse(&m, span_make(p->octets, p->n)) !=
		    COAP_PARSE_OK)
			exit(EXIT_FAILURE);
		if (coap_code_kind(m.code) == COAP_KIND_REQUEST) {
			flood_answer(f, p, &m);
		} else if (addr_ip_eq(&p->to, &f->flooder)) {
			f->told++;
			f->refused += m.code == COAP_429;
		} else {
			f->served += m.code == COAP_205;
		}
		free(p);
	}
}

/* A GET, no two of them alike; each for a path of its own, or all for one. */
static void
flood_ask(struct flood_run *f, const struct addr *from, uint8_t type,
    bool own_path)
{
	uint32_t id = f->asked++;
	uint8_t out[64], path[5] = { 0xb4 };
	struct coap_head h = { type, COAP_GET, (uint16_t)id,
		span_make(&id, sizeof(id)) };

	if (own_path)
		memcpy(path + 1, &id, sizeof(id));
	world_input(&f->world, from, &f->proxy, span_make(out,
	    coap_emit(out, sizeof(out), &h, span_make(path, sizeof(path)),
		SPAN_LIT(""))));
	flood_take(f);
}

static void
flood_until(struct flood_run *f, uint64_t when)
{
	while (f->world.now < when) {
		world_step(&f->world, when);
		flood_take(f);
	}
}

/* MSG-71, PRX-46: 10000 requests a second for 10 s from one client, with
 * rate-limit: as many answers as it allows and 4.29 once a second, whatever the
 * type and port; another client that asks ten times a second does not notice. */
static void
test_flood(uint8_t type, bool many_ports, const char *name)
{
	enum { SECONDS = 10, PER_MS = 10, RATE = 50, BURST = 100 };
	struct flood_run f;
	uint64_t began;

	flood_init(&f, "[listen main]\nbind = coap://*:5683\n"
	    "rate-limit = 50/s burst 100\n"
	    "[route all]\nto = coap://198.51.100.1\n", COAP_205);
	began = f.world.now;
	for (unsigned ms = 0; ms < SECONDS * 1000; ms++) {
		flood_until(&f, began + ms);
		for (unsigned i = 0; i < PER_MS; i++) {
			if (many_ports)
				f.flooder.port = (uint16_t)(1024 + f.asked %
				    10000);
			flood_ask(&f, &f.flooder, type, false);
		}
		if (ms % 100 == 0)
			flood_ask(&f, &f.other, type, false);
	}
	flood_until(&f, f.world.now + 600000);
	result(f.told - f.refused >= BURST + RATE * (SECONDS - 1) &&
	    f.told - f.refused <= BURST + RATE * SECONDS &&
	    f.refused >= SECONDS - 1 && f.refused <= SECONDS &&
	    f.served == 10 * SECONDS &&
	    f.fetched == f.told - f.refused + f.served &&
	    world_idle(&f.world), name,
	    "asked %u, told %u, of them 4.29 %u, the other client served %u "
	    "times %s", f.asked, f.told, f.refused, f.served, f.world.why);
	world_fini(&f.world);
}

/* MSG-74: more requests than there is room to remember that the origin is
 * busy: those remembered go no further, the oldest are asked again. */
static void
test_patience(void)
{
	enum { COUNT = BACKOFF_ENTRIES + 100 };
	struct flood_run f;
	unsigned first;

	flood_init(&f, "[route all]\nto = coap://198.51.100.1\n", COAP_503);
	for (unsigned i = 0; i < COUNT; i++)
		flood_ask(&f, &f.flooder, COAP_CON, true);
	first = f.fetched;
	f.asked = COUNT - BACKOFF_ENTRIES;
	while (f.asked < COUNT)
		flood_ask(&f, &f.other, COAP_CON, true);
	result(first == COUNT && f.fetched == COUNT && f.told == COUNT &&
	    proxy_stats(f.world.proxy)->held_back == BACKOFF_ENTRIES,
	    "MSG-74 a busy origin: as many requests kept back as there is room",
	    "asked the origin %u times, then %u", first, f.fetched - first);
	f.asked = 0;
	flood_ask(&f, &f.other, COAP_CON, true);
	result(f.fetched == COUNT + 1, "MSG-74 ... the oldest is asked again",
	    "asked the origin %u times", f.fetched);
	f.origin_says = COAP_205;
	flood_until(&f, f.world.now + 60000);
	f.asked = COUNT - BACKOFF_ENTRIES;
	while (f.asked < COUNT)
		flood_ask(&f, &f.other, COAP_NON, true);
	flood_until(&f, f.world.now + 600000);
	result(f.served == BACKOFF_ENTRIES && world_idle(&f.world),
	    "MSG-74 ... and all of them when its time is up", "served %u %s",
	    f.served, f.world.why);
	world_fini(&f.world);
}

/* ---- chance ---- */

struct start {
	uint16_t mid;
	uint64_t token, timeout;
};

static void
begin(struct start *st, uint64_t seed)
{
	struct world w;
	struct addr from, to;
	struct packet *p;
	uint64_t sent;

	if (!world_init(&w, "start",
		"[route all]\nto = coap://198.51.100.1\n", seed))
		exit(EXIT_FAILURE);
	to = w.self.host[0];
	to.port = 5683;
	addr_parse_ip(&from, SPAN_LIT("192.0.2.101"), false);
	from.port = 40000;
	world_input(&w, &from, &to, SPAN_LIT("\x40\x01\x00\x01\xb1t"));
	p = world_take(&w);
	st->mid = (uint16_t)(p->octets[2] << 8 | p->octets[3]);
	memcpy(&st->token, p->octets + 4, sizeof(st->token));
	sent = w.now;
	do {
		free(p);
		while (list_empty(&w.out))
			world_step(&w, sent + 4000);
		p = world_take(&w);
	} while (p->to.ip[0] != 198);
	st->timeout = p->at - sent;
	free(p);
	world_fini(&w);
}

/* MSG-30, MSG-40, MSG-60: chance decides where each run begins. */
static void
test_starts(void)
{
	enum { RUNS = 20 };
	struct start v[RUNS];
	unsigned mids = 0, tokens = 0, timeouts = 0, odd = 0;

	for (unsigned i = 0; i < RUNS; i++) {
		begin(&v[i], 1000 + i);
		odd += v[i].timeout < 2000 || v[i].timeout > 3000;
		for (unsigned j = 0; j < i; j++) {
			mids += v[i].mid == v[j].mid;
			tokens += v[i].token == v[j].token;
			timeouts += v[i].timeout == v[j].timeout;
		}
	}
	result(odd == 0 && tokens == 0 && mids <= 1 && timeouts <= 5,
	    "MSG-30 MSG-40 MSG-60 first Message ID, token and time-out vary",
	    "of %u runs: equal IDs %u, tokens %u, time-outs %u, odd %u",
	    (unsigned)RUNS, mids, tokens, timeouts, odd);
}

static uint64_t
number(const char *text, uint64_t max)
{
	uint64_t n;

	if (!parse_u64(span_str(text), &n) || n == 0 || n > max) {
		fprintf(stderr, "soak: not a number from 1 to %llu: %s\n",
		    (unsigned long long)max, text);
		exit(2);
	}
	return n;
}

static void
test_all(void)
{
	for (uint64_t seed = 1; seed <= 10; seed++)
		test_fair(seed);
	test_small_tables();
	for (uint64_t seed = 1; seed <= 3; seed++)
		test_reloads(seed);
	for (uint64_t seed = 1; seed <= 3; seed++)
		test_shrinking_tables(seed);
	test_long(EXCHANGES, SEED);
	test_congested(EXCHANGES / 10, SEED);
	test_repeatable();
	test_mids();
	test_flood(COAP_NON, false,
	    "MSG-71 a flood of NON: bounded output, others are served");
	test_flood(COAP_CON, false,
	    "MSG-71 a flood of CON: bounded output, others are served");
	test_flood(COAP_CON, true,
	    "MSG-71 ... from many ports: they do not count");
	test_patience();
	test_starts();
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "exchanges", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "start", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t exchanges = 0, seed = SEED;
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == 'n') {
			exchanges = number(optarg, UINT32_MAX);
		} else if (opt == 's') {
			seed = number(optarg, UINT32_MAX);
		} else if (opt == 't') {
			world_start = number(optarg, UINT64_MAX / 2);
		} else {
			fprintf(stderr, "usage: soak [--exchanges N] "
			    "[--seed S] [--start MS]\n");
			return 2;
		}
	}
	log_open(STDERR_FILENO, LOG_ERROR);
	if (argc == 1)
		test_all();
	else
		test_long(exchanges > 0 ? (unsigned)exchanges : EXCHANGES,
		    seed);
	printf("1..%u\n", run);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
