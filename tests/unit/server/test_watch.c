/* Observers between the message layer and the proxy, both real: what one of
 * them does to an entry the other sees. */
#include "server/watch.h"

#include "coap/emit.h"
#include "fakenet.h"
#include "proxy/fetch.h"
#include "proxy/proxy.h"
#include "server/server.h"
#include "unit.h"

Suite *watch_suite(void);

enum { START = 1000000, NONE = -1, TOTAL = 4, PER_CLIENT = 3 };

/* A server before a proxy whose origin is this file. */
static struct timers timers;
static struct rand rnd;
static struct buf_pool *bufs;
static struct fakenet net;
static struct msg_params params;
static struct self self;
static struct access from_any;
static struct rule rule;
static struct rules rules;
static struct proxy_conf conf;
static struct proxy *proxy;
static struct server *server;
static struct net_sock *sock;
static struct addr client, local;
static struct fetch *fetch;	/* sent last */
static uint16_t mid;		/* of the last datagram looked at */

static enum upstream_send
origin_send(void *user, struct fetch *f, enum fetch_fail *why, uint64_t now)
{
	(void)user;
	(void)why;
	(void)now;
	fetch = f;
	return UPSTREAM_SENT;
}

static void
origin_cancel(void *user, struct fetch *f)
{
	(void)user;
	f->watch = NULL;
}

static const struct upstream_ops origin_ops = {
	.send = origin_send,
	.renew = origin_send,
	.cancel = origin_cancel,
};

static void
setup_proxy(void)
{
	rule = (struct rule){
		.to = { COAP_SCHEME_COAP, { .literal = true }, 5683 },
		.timeout_ms = 60000,
		.cache = true,
		.observe = true,
	};
	rule.to.host.addr = fake_addr("192.0.2.99", 0);
	ck_assert(netlist_add(&rule.allow_from, SPAN_LIT("any")));
	rules = (struct rules){ &rule, 1 };
	from_any = (struct access){ .amplification = AMPLIFICATION_OFF };
	ck_assert(netlist_add(&from_any.allow_from, SPAN_LIT("any")));
	conf = (struct proxy_conf){
		.name = "test",
		.access = &from_any,
		.rules = &rules,
		.max_requests = 10,
		.cache = { 1 << 20, 4096, 86400 },
		.block = { .max_body = 4096, .szx = 6, .max_transfers = 4 },
		.observe = { 100, PER_CLIENT, 5000 },
		.exchange_lifetime = 247000,
	};
	self = (struct self){ 0 };
	proxy = proxy_new(&conf, &self, &timers, &rnd);
	ck_assert_ptr_nonnull(proxy);
	proxy_set_upstream(proxy, &origin_ops, NULL);
}

static void
setup(void)
{
	struct listener *l;

	timers_init(&timers, START);
	rand_init_fixed(&rnd, 1);
	bufs = buf_pool_new(1 << 20);
	ck_assert_ptr_nonnull(bufs);
	fakenet_init(&net);
	setup_proxy();
	msg_params_init(&params);
	params.ack_random_factor = 1000;
	params.max_exchanges = 16;
	params.max_observers = TOTAL;
	params.max_per_client = PER_CLIENT;
	server = server_new(&params, &timers, bufs, &rnd, proxy);
	ck_assert_ptr_nonnull(server);
	l = server_add_listener(server, 0, COAP_SCHEME_COAP);
	ck_assert_ptr_nonnull(l);
	local = fake_addr("192.0.2.1", 5683);
	sock = fakenet_listen(&net, &local, &server_sock_ops, l);
	listener_open(l, &net.net, sock);
	client = fake_addr("203.0.113.5", 50000);
}

static void
teardown(void)
{
	proxy_free(proxy);
	ck_assert_uint_eq(dgram_note_count(server_dgram(server)), 0);
	server_free(server);
	fakenet_fini(&net);
	ck_assert_uint_eq(buf_pool_used(bufs), 0);
	ck_assert_uint_eq(timers_next(&timers), TIMER_NEVER);
	buf_pool_free(bufs);
	netlist_fini(&rule.allow_from);
	netlist_fini(&from_any.allow_from);
}

static size_t
notes(void)
{
	return dgram_note_count(server_dgram(server));
}

/* As many entries here as there. */
static void
agree(size_t n)
{
	ck_assert_uint_eq(proxy_observers(proxy), n);
	ck_assert_uint_eq(notes(), n);
}

/* ---- the client ---- */

static void
input(const struct coap_head *h, struct span opts)
{
	uint8_t octets[256];
	size_t n = coap_emit(octets, sizeof(octets), h, opts, SPAN_LIT(""));

	server_sock_ops.input(sock->user, &client, &local,
	    span_make(octets, n), false, timers.now);
}

/* Asks for PATH under TOKEN, of one letter each; with Observe and Block2 unless
 * they are NONE. */
static void
ask(char token, char path, int observe, int block2)
{
	static uint16_t next;
	uint8_t space[16];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { COAP_CON, COAP_GET, ++next, { NULL, 1 } };

	h.token.p = (const uint8_t *)&token;
	fetch = NULL;
	if (observe != NONE)
		coap_put_uint(&o, COAP_OPT_OBSERVE, (uint32_t)observe);
	coap_put_opt(&o, COAP_OPT_URI_PATH, span_make(&path, 1));
	if (block2 != NONE)
		coap_put_uint(&o, COAP_OPT_BLOCK2, (uint32_t)block2);
	input(&h, writer_span(&w));
}

static void
says(uint8_t type)
{
	const struct coap_head h = { type, 0, mid, SPAN_LIT("") };

	input(&h, SPAN_LIT(""));
}

/* Datagram N is of TYPE, for TOKEN, with CODE and, unless it is 0, a body that
 * begins with BODY. */
static void
got(size_t n, uint8_t type, char token, uint8_t code, bool observe, char body)
{
	const struct fake_sent *d = fakenet_sent(&net, n);
	struct coap_msg m;

	ck_assert_int_eq(coap_parse(&m, span_make(d->octets, d->n)),
	    COAP_PARSE_OK);
	ck_assert_uint_eq(m.type, type);
	ck_assert_uint_eq(m.code, code);
	ck_assert(span_eq(m.token, span_make(&token, 1)));
	ck_assert_int_eq(coap_has(&m, COAP_OPT_OBSERVE), observe);
	if (body != 0)
		ck_assert_int_eq(m.payload.p[0], body);
	mid = m.mid;
}

/* The last one. */
static void
hears(uint8_t type, char token, uint8_t code, bool observe, char body)
{
	got(net.nsent - 1, type, token, code, observe, body);
}

/* ---- the origin ---- */

/* Tells F a state: N times BODY, with Observe unless it is NONE. */
static void
state(struct fetch *f, uint8_t type, int observe, char body, size_t n)
{
	uint8_t space[16], octets[256], payload[128];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { type, COAP_205, 1, SPAN_LIT("o") };
	struct coap_msg m;

	ck_assert_ptr_nonnull(f);
	memset(payload, body, sizeof(payload));
	if (observe != NONE)
		coap_put_uint(&o, COAP_OPT_OBSERVE, (uint32_t)observe);
	n = coap_emit(octets, sizeof(octets), &h, writer_span(&w),
	    span_make(payload, n));
	ck_assert_int_eq(coap_parse(&m, span_make(octets, n)), COAP_PARSE_OK);
	f->watch = observe != NONE ? &rule : NULL;
	/* What went up is of no interest but that it can be read. */
	h = (struct coap_head){ COAP_CON, COAP_GET, 1, SPAN_LIT("o") };
	n = coap_emit(space, sizeof(space), &h, SPAN_LIT("\x60"),
	    SPAN_LIT(""));
	ck_assert(fetch_response(f, &m, span_make(space, n), timers.now));
}

/* The client observes PATH under TOKEN. */
static struct fetch *
observes(char token, char path)
{
	struct fetch *f;

	ask(token, path, 0, NONE);
	f = fetch;
	if (f != NULL)
		state(f, COAP_ACK, 1, '1', 1);
	hears(COAP_ACK, token, COAP_205, true, '1');
	return f;
}

/* ---- tests ---- */

/* A state reaches who observes; the ACK makes room for the next. RST: the proxy
 * forgets as well. */
START_TEST(told)
{
	struct fetch *f = observes('a', 'x');

	agree(1);
	state(f, COAP_CON, 2, '2', 1);
	hears(COAP_CON, 'a', COAP_205, true, '2');
	state(f, COAP_CON, 3, '3', 1);
	state(f, COAP_CON, 4, '4', 1);
	ck_assert_uint_eq(net.nsent, 2);
	says(COAP_ACK);
	hears(COAP_NON, 'a', COAP_205, true, '4');
	says(COAP_RST);
	agree(0);
	state(f, COAP_CON, 5, '5', 1);
	ck_assert_uint_eq(net.nsent, 3);
}
END_TEST

/* OBS-23: no ACK: all of the client's entries end, there as well. */
START_TEST(silent)
{
	struct fetch *f = observes('a', 'x');

	observes('b', 'y');
	client.port++;
	observes('a', 'x');
	agree(3);
	state(f, COAP_CON, 2, '2', 1);
	hears(COAP_CON, 'a', COAP_205, true, '2');
	says(COAP_ACK);
	for (uint64_t t = START; t <= START + 62000; t += 1000)
		timers_run(&timers, t);
	agree(1);
	client.port--;
	ask('a', 'x', 1, NONE);
	agree(1);
	client.port++;
	ask('a', 'x', 1, NONE);
	agree(0);
}
END_TEST

/* The same token again is the same entry, whose first notification is a CON
 * again; for something else it is another one. */
START_TEST(again)
{
	struct fetch *f = observes('a', 'x');

	state(f, COAP_CON, 2, '2', 1);
	hears(COAP_CON, 'a', COAP_205, true, '2');
	ask('a', 'x', 0, NONE);
	ck_assert_ptr_null(fetch);
	hears(COAP_ACK, 'a', COAP_205, true, '2');
	agree(1);
	state(f, COAP_CON, 3, '3', 1);
	hears(COAP_CON, 'a', COAP_205, true, '3');
	observes('a', 'y');
	agree(1);
	/* It is not outstanding any more. */
	timers_run(&timers, START + 2500);
	ck_assert_uint_eq(net.nsent, 5);
}
END_TEST

/* OBS-32: so many of one client, so many in all; above that a plain answer, and
 * nothing is kept for it. */
START_TEST(limits)
{
	struct fetch *f = observes('a', 'x');

	observes('b', 'x');
	observes('c', 'x');
	ask('d', 'x', 0, NONE);
	hears(COAP_ACK, 'd', COAP_205, false, '1');
	agree(PER_CLIENT);
	client.port++;
	observes('d', 'x');
	agree(TOTAL);
	ask('e', 'x', 0, NONE);
	hears(COAP_ACK, 'e', COAP_205, false, '1');
	agree(TOTAL);
	ck_assert_uint_eq(proxy_stats(proxy)->observers_refused, 2);
	ask('d', 'x', 1, NONE);
	agree(TOTAL - 1);
	observes('e', 'x');
	agree(TOTAL);
	ck_assert_ptr_nonnull(f);
}
END_TEST

/* OBS-12: the last one ends the entry when it is acknowledged, not before. */
START_TEST(last)
{
	struct fetch *f = observes('a', 'x');

	state(f, COAP_CON, 2, '2', 1);
	hears(COAP_CON, 'a', COAP_205, true, '2');
	says(COAP_ACK);
	f->watch = NULL;
	fetch_failed(f, FETCH_RESET, START);
	ck_assert_ptr_nonnull(fetch);
	fetch_failed(f, FETCH_RESET, START);
	hears(COAP_CON, 'a', COAP_502, false, 0);
	agree(1);
	says(COAP_ACK);
	agree(0);
	ck_assert_uint_eq(proxy_observations(proxy), 0);
}
END_TEST

/* Going down: everybody is told at once, in NONs, even who has a CON out; and
 * it is over. */
START_TEST(drained)
{
	struct fetch *f = observes('a', 'x');
	size_t before;

	observes('b', 'x');
	observes('c', 'y');
	state(f, COAP_CON, 2, '2', 1);
	before = net.nsent;
	proxy_drain(proxy);
	agree(0);
	ck_assert_uint_eq(net.nsent, before + 3);
	got(before, COAP_NON, 'a', COAP_503, false, 0);
	got(before + 1, COAP_NON, 'b', COAP_503, false, 0);
	got(before + 2, COAP_NON, 'c', COAP_503, false, 0);
	for (uint64_t t = START; t <= START + 100000; t += 1000)
		timers_run(&timers, t);
	ck_assert_uint_eq(net.nsent, before + 3);
}
END_TEST

/* Going down while something else that is over waits to be told so: that is,
 * too. */
START_TEST(drained_over)
{
	struct fetch *x = observes('a', 'x'), *y = observes('b', 'y');

	state(x, COAP_CON, 2, '2', 1);
	hears(COAP_CON, 'a', COAP_205, true, '2');
	y->watch = NULL;
	fetch_failed(y, FETCH_RESET, START);
	fetch_failed(y, FETCH_RESET, START);
	/* "b" waits for "a". */
	hears(COAP_CON, 'a', COAP_205, true, '2');
	proxy_drain(proxy);
	timers_run(&timers, START + 1000);
	hears(COAP_CON, 'b', COAP_502, false, 0);
	says(COAP_ACK);
	agree(0);
}
END_TEST

/* OBS-65: which entry of a client it is that observes what it asks a block
 * of. */
START_TEST(mates)
{
	struct fetch *f;

	observes('a', 'y');
	ask('b', 'x', 0, 0);	/* blocks of 16 */
	f = fetch;
	state(f, COAP_ACK, 1, '1', 40);
	hears(COAP_ACK, 'b', COAP_205, true, '1');
	state(f, COAP_CON, 2, '2', 40);
	hears(COAP_CON, 'b', COAP_205, true, '2');
	/* A newer one, which it has not been told. */
	state(f, COAP_CON, 3, '3', 40);
	ask('q', 'x', NONE, 1 << 4);
	hears(COAP_ACK, 'q', COAP_205, false, '2');
	client.port++;
	ask('q', 'x', NONE, 1 << 4);
	hears(COAP_ACK, 'q', COAP_205, false, '3');
}
END_TEST

/* The proxy ends while there are entries, and one is being told. */
START_TEST(ends)
{
	struct fetch *f = observes('a', 'x');
	size_t sent;

	observes('b', 'x');
	observes('c', 'y');
	state(f, COAP_CON, 2, '2', 1);
	sent = net.nsent;
	server_close(server);
	/* Nobody hears the state, nor the one before once more. */
	state(f, COAP_CON, 3, '3', 1);
	timers_run(&timers, START + 4000);
	ck_assert_uint_eq(net.nsent, sent);
	agree(3);
}
END_TEST

Suite *
watch_suite(void)
{
	Suite *s = suite_create("watch");
	TCase *tc = tcase_create("watch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, told);
	tcase_add_test(tc, silent);
	tcase_add_test(tc, again);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, last);
	tcase_add_test(tc, drained);
	tcase_add_test(tc, drained_over);
	tcase_add_test(tc, mates);
	tcase_add_test(tc, ends);
	suite_add_tcase(s, tc);
	return s;
}
