/*
 * soak: what a scenario cannot say: many at once, a bad network, and long
 * runs. One result a line (TAP).
 */
#include "lossy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xalloc.h"

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

static const char routes[] =
    "[origin]\nnstart = 64\n"
    "[route 1]\npath = /o1\nto = coap://198.51.100.1\n"
    "[route 2]\npath = /o2\nto = coap://198.51.100.2\n"
    "[route 3]\npath = /o3\nto = coap://198.51.100.3\n"
    "[route 4]\npath = /o4\nto = coap://198.51.100.4\n"
    "[route 5]\npath = /o5\nto = coap://198.51.100.5\n";

/* ---- a bad network ---- */

static void
report_lossy(const char *name, const struct lossy_conf *c,
    const struct lossy_result *r)
{
	bool ok = r->twice == 0 && r->mixed == 0 && r->idle &&
	    r->lost > 0 && r->doubled > 0;

	if (!c->refusals)
		ok = ok && r->again == 0 && r->failed == 0 &&
		    r->answered == r->confirmable;
	else
		ok = ok && r->refused > 0;
	result(ok, name,
	    "CON %u, answered %u, refused %u, done twice %u, mixed %u, "
	    "two answers %u, failed %u, lost %u, doubled %u %s",
	    r->confirmable, r->answered, r->refused, r->twice, r->mixed,
	    r->again, r->failed, r->lost, r->doubled, r->why);
}

/* MSG-42, MSG-48, MSG-61, MSG-62, PRX-53: 50 clients and 5 origins over a
 * network that loses, doubles and overtakes. */
static void
test_lossy(uint64_t seed)
{
	const struct lossy_conf c = {
		.conf = routes,
		.clients = 50,
		.origins = 5,
		.requests = 20,
		.loss = 30,
		.copies = 20,
		.seed = seed,
	};
	struct lossy_result r;

	lossy_run(&c, &r);
	report_lossy("MSG-61 a bad network: each CON one answer, each request "
		     "done once", &c, &r);
}

/* MSG-65, MSG-66: tables far too small: refused, but nothing done twice. */
static void
test_small_tables(void)
{
	char conf[1024];
	const struct lossy_conf c = {
		.conf = conf,
		.clients = 50,
		.origins = 5,
		.requests = 20,
		.loss = 20,
		.copies = 50,
		.seed = 66,
		.refusals = true,
	};
	struct lossy_result r;

	snprintf(conf, sizeof(conf), "[message]\nmax-exchanges = 100\n%s",
	    routes);
	lossy_run(&c, &r);
	report_lossy("MSG-65 MSG-66 full tables: some refused, none done "
		     "twice", &c, &r);
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

int
main(void)
{
	log_open(STDERR_FILENO, LOG_ERROR);
	for (uint64_t seed = 1; seed <= 10; seed++)
		test_lossy(seed);
	test_small_tables();
	test_mids();
	test_starts();
	printf("1..%u\n", run);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
