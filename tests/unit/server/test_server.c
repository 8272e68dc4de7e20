#include "server/server.h"

#include "coap/emit.h"
#include "fakenet.h"
#include "proxy/fetch.h"
#include "unit.h"

Suite *server_suite(void);

enum { START = 1000000 };	/* ms */

/* A server with two listeners before a proxy that sends everything to one
 * origin, which is this struct. */
struct rig {
	struct timers timers;
	struct rand rnd;
	struct buf_pool *bufs;
	struct fakenet net;
	struct msg_params params;
	struct self self;
	struct access access[2];
	struct rule rule;
	struct rules rules;
	struct proxy_conf conf;
	struct proxy *proxy;
	struct server *server;
	struct net_sock *sock[2];
	struct addr client, local;
	struct fetch *fetch;	/* the last one that was sent */
};

static enum upstream_send
origin_send(void *self, struct fetch *f, enum fetch_fail *why, uint64_t now)
{
	struct rig *g = self;

	(void)why;
	(void)now;
	g->fetch = f;
	return UPSTREAM_SENT;
}

static void
origin_cancel(void *self, struct fetch *f)
{
	(void)self;
	(void)f;
}

static const struct upstream_ops origin_ops = {
	.send = origin_send,
	.cancel = origin_cancel,
};

static void
rig_proxy(struct rig *g)
{
	g->rule = (struct rule){
		.name = "all",
		.action = RULE_FORWARD,
		.to = { COAP_SCHEME_COAP, { .literal = true }, 5683 },
		.timeout_ms = 60000,
	};
	g->rule.to.host.addr = fake_addr("192.0.2.99", 0);
	ck_assert(netlist_add(&g->rule.allow_from, SPAN_LIT("any")));
	g->rules = (struct rules){ &g->rule, 1 };
	for (size_t i = 0; i < UNIT_COUNT(g->access); i++)
		ck_assert(netlist_add(&g->access[i].allow_from,
		    SPAN_LIT("any")));
	g->conf = (struct proxy_conf){
		.name = "test",
		.access = g->access,
		.nlisteners = UNIT_COUNT(g->access),
		.rules = &g->rules,
		.max_requests = 10,
	};
	g->proxy = proxy_new(&g->conf, &g->self, &g->timers, &g->rnd);
	ck_assert_ptr_nonnull(g->proxy);
	proxy_set_upstream(g->proxy, &origin_ops, g);
}

static void
rig_listen(struct rig *g, unsigned index, const char *ip)
{
	struct addr a = fake_addr(ip, 5683);
	struct listener *l = server_add_listener(g->server, index,
	    COAP_SCHEME_COAP);

	ck_assert_ptr_nonnull(l);
	g->sock[index] = fakenet_listen(&g->net, &a, &server_sock_ops, l);
	listener_open(l, &g->net.net, g->sock[index]);
}

static void
rig_init(struct rig *g)
{
	*g = (struct rig){ 0 };
	timers_init(&g->timers, START);
	rand_init_fixed(&g->rnd, 1);
	g->bufs = buf_pool_new(1 << 20);
	ck_assert_ptr_nonnull(g->bufs);
	fakenet_init(&g->net);
	msg_params_init(&g->params);
	g->params.max_exchanges = 16;
	rig_proxy(g);
	g->server = server_new(&g->params, &g->timers, g->bufs, &g->rnd,
	    g->proxy);
	ck_assert_ptr_nonnull(g->server);
	rig_listen(g, 0, "0.0.0.0");
	rig_listen(g, 1, "192.0.2.1");
	g->client = fake_addr("203.0.113.5", 50000);
	g->local = fake_addr("192.0.2.1", 5683);
}

static void
rig_fini(struct rig *g)
{
	proxy_free(g->proxy);
	server_free(g->server);
	fakenet_fini(&g->net);
	ck_assert_uint_eq(buf_pool_used(g->bufs), 0);
	ck_assert_uint_eq(timers_next(&g->timers), TIMER_NEVER);
	buf_pool_free(g->bufs);
	netlist_fini(&g->rule.allow_from);
	for (size_t i = 0; i < UNIT_COUNT(g->access); i++)
		netlist_fini(&g->access[i].allow_from);
}

/* A request with a token of TOKEN octets arrives on socket N. */
static void
ask(struct rig *g, unsigned n, uint8_t type, uint8_t code, uint16_t mid,
    size_t token)
{
	uint8_t octets[512], t[300];
	struct coap_head h = { type, code, mid, { t, token } };

	ck_assert_uint_le(token, sizeof(t));
	for (size_t i = 0; i < token; i++)
		t[i] = (uint8_t)(i * 7);
	server_sock_ops.input(g->sock[n]->user, &g->client, &g->local,
	    span_make(octets, coap_emit(octets, sizeof(octets), &h,
		SPAN_LIT(""), SPAN_LIT(""))), false, g->timers.now);
}

static void
get(struct rig *g, unsigned n, uint8_t type, uint16_t mid, size_t token)
{
	ask(g, n, type, COAP_GET, mid, token);
}

/* The last datagram sent; it went from socket N and g->local to g->client. */
static struct coap_msg
last(struct rig *g, unsigned n)
{
	const struct fake_sent *d = fakenet_last(&g->net);
	struct coap_msg m;

	ck_assert_ptr_eq(d->sock, g->sock[n]);
	ck_assert(addr_eq(&d->to, &g->client));
	ck_assert(addr_eq(&d->local, &g->local));
	ck_assert_int_eq(coap_parse(&m, span_make(d->octets, d->n)),
	    COAP_PARSE_OK);
	return m;
}

/* Nobody answers, nobody has seen a request, and no peer is known. */
static void
assert_dropped(struct rig *g)
{
	ck_assert_uint_eq(g->net.nsent, 0);
	ck_assert_uint_eq(proxy_stats(g->proxy)->requests, 0);
	ck_assert_uint_eq(dgram_received_count(server_dgram(g->server)), 0);
	ck_assert_uint_eq(dgram_peers(server_dgram(g->server))->table.count,
	    0);
}

/* MSG-73: a request whose end is lost is refused with what would fit; anything
 * else cannot be understood. */
START_TEST(truncated)
{
	static const uint8_t post[] = { 0x41, 2, 0x12, 0x34, 0xa1, 0xb1 };
	static const uint8_t get[] = { 0x51, 1, 0x12, 0x35, 0xa2, 0xff, 0 };
	static const uint8_t ack[] = { 0x61, 0x45, 0x12, 0x36, 0xa3, 0xff };
	static const struct {
		struct span datagram;
		uint8_t type;
	} t[] = {
		{ { post, sizeof(post) }, COAP_ACK },	/* cut in an option */
		{ { post, sizeof(post) - 1 }, COAP_ACK },
		/* Cut in the token. */
		{ { post, sizeof(post) - 2 }, COAP_RST },
		{ { get, sizeof(get) }, COAP_NON },
	};
	struct coap_msg m;
	struct rig g;
	uint32_t size;

	rig_init(&g);
	server_sock_ops.input(g.sock[0]->user, &g.client, &g.local,
	    span_make(ack, sizeof(ack)), true, START);
	ck_assert_uint_eq(g.net.nsent, 0);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		server_sock_ops.input(g.sock[0]->user, &g.client, &g.local,
		    t[i].datagram, true, START);
		ck_assert_uint_eq(g.net.nsent, i + 1);
		m = last(&g, 0);
		ck_assert_uint_eq(m.type, t[i].type);
		if (m.type == COAP_RST)
			continue;
		ck_assert_uint_eq(m.code, COAP_413);
		ck_assert_uint_eq(m.token.n, 1);
		ck_assert(coap_get_uint(&m, COAP_OPT_SIZE1, &size));
		ck_assert_uint_eq(size, 1024);
	}
	ck_assert_uint_eq(proxy_stats(g.proxy)->requests, 0);
	ck_assert_uint_eq(dgram_stats(server_dgram(g.server))->rx_truncated,
	    5);
	rig_fini(&g);
}
END_TEST

/* MSG-83: a CON to a group is ignored. MSG-84: so is a NON. */
START_TEST(multicast_is_dropped)
{
	static const char *const groups[] = { "224.0.1.187", "ff02::fd",
		"ff05::fd", "255.255.255.255" };
	const struct server_stats *st;
	struct rig g;

	rig_init(&g);
	st = server_stats(g.server);
	for (size_t i = 0; i < UNIT_COUNT(groups); i++) {
		g.local = fake_addr(groups[i], 5683);
		get(&g, 0, COAP_CON, 1, 2);
		get(&g, 0, COAP_NON, 2, 2);
		ck_assert_uint_eq(st->rx_multicast, 2 * i + 2);
	}
	assert_dropped(&g);
	ck_assert_uint_eq(st->rx_port_zero, 0);
	rig_fini(&g);
}
END_TEST

/* RFC 768: nothing can be sent back to port 0. */
START_TEST(port_zero_is_dropped)
{
	struct rig g;

	rig_init(&g);
	g.client.port = 0;
	get(&g, 0, COAP_CON, 1, 2);
	ck_assert_uint_eq(server_stats(g.server)->rx_port_zero, 1);
	assert_dropped(&g);
	/* What was counted is no state: port 1 is answered. */
	g.client.port = 1;
	get(&g, 0, COAP_CON, 1, 2);
	ck_assert_uint_eq(proxy_stats(g.proxy)->requests, 1);
	rig_fini(&g);
}
END_TEST

/* MSG-49: up to 64 octets are served, more are refused, echoed in full. */
START_TEST(long_tokens)
{
	static const struct {
		size_t token;
		bool refused;
	} t[] = {
		{ 0, false }, { 8, false }, { 9, false }, { 13, false },
		{ 64, false }, { 65, true }, { 269, true }, { 300, true },
	};
	struct coap_msg m;
	struct rig g;

	rig_init(&g);
	for (uint16_t i = 0; i < UNIT_COUNT(t); i++)
		for (uint8_t type = COAP_CON; type <= COAP_NON; type++) {
			uint16_t mid = (uint16_t)(2 * i + type);

			g.fetch = NULL;
			get(&g, 0, type, mid, t[i].token);
			ck_assert((g.fetch == NULL) == t[i].refused);
			if (g.fetch != NULL)
				fetch_failed(g.fetch, FETCH_TIMEOUT, START);
			m = last(&g, 0);
			ck_assert_uint_eq(m.code,
			    t[i].refused ? COAP_400 : COAP_504);
			ck_assert_uint_eq(m.type,
			    type == COAP_CON ? COAP_ACK : COAP_NON);
			ck_assert(type == COAP_NON || m.mid == mid);
			ck_assert_uint_eq(m.token.n, t[i].token);
			for (size_t j = 0; j < m.token.n; j++)
				ck_assert_uint_eq(m.token.p[j],
				    (uint8_t)(j * 7));
		}
	ck_assert_uint_eq(g.net.nsent, 2 * UNIT_COUNT(t));
	rig_fini(&g);
}
END_TEST

/* A POST with No-Response V, a token of TOKEN octets, arrives on socket 0. */
static void
post_quietly(struct rig *g, uint8_t type, uint16_t mid, size_t token,
    uint8_t v)
{
	uint8_t octets[512], t[300] = { 0 }, opt[] = { 0xd1, 0xf5, v };
	struct coap_head h = { type, COAP_POST, mid, { t, token } };

	server_sock_ops.input(g->sock[0]->user, &g->client, &g->local,
	    span_make(octets, coap_emit(octets, sizeof(octets), &h,
		span_make(opt, sizeof(opt)), SPAN_LIT(""))), false,
	    g->timers.now);
}

/* PRX-80: what the proxy suppresses ends in an empty ACK or in silence, once
 * and for all copies; so does a token that is too long. */
START_TEST(unwanted_answers)
{
	struct rig g;

	rig_init(&g);
	for (size_t token = 4; token <= 65; token += 61) {
		uint16_t mid = (uint16_t)(0x100 * token);
		size_t sent = g.net.nsent;

		for (unsigned copy = 1; copy <= 2; copy++) {
			g.fetch = NULL;
			post_quietly(&g, COAP_CON, mid, token, COAP_NO_ANY);
			ck_assert((g.fetch != NULL) ==
			    (copy == 1 && token == 4));
			if (g.fetch != NULL)
				fetch_failed(g.fetch, FETCH_RESET, START);
			ck_assert_uint_eq(g.net.nsent, sent + copy);
			ck_assert_uint_eq(last(&g, 0).type, COAP_ACK);
			ck_assert_uint_eq(last(&g, 0).code, COAP_EMPTY);
			ck_assert_uint_eq(last(&g, 0).mid, mid);
			g.fetch = NULL;
			post_quietly(&g, COAP_NON, (uint16_t)(mid + 1), token,
			    COAP_NO_ANY);
			if (g.fetch != NULL)
				fetch_failed(g.fetch, FETCH_RESET, START);
			ck_assert_uint_eq(g.net.nsent, sent + copy);
		}
		post_quietly(&g, COAP_CON, (uint16_t)(mid + 2), 65,
		    COAP_NO_2XX);
		ck_assert_uint_eq(last(&g, 0).code, COAP_400);
	}
	ck_assert_uint_eq(proxy_stats(g.proxy)->suppressed, 2);
	ck_assert_uint_eq(proxy_stats(g.proxy)->requests, 2);
	rig_fini(&g);
}
END_TEST

/* A POST that was refused before anybody saw it gives its lasting record back,
 * whether it was told so or not (MSG-66). */
START_TEST(refused_quietly)
{
	struct rig g;

	rig_init(&g);
	netlist_fini(&g.access[0].allow_from);
	g.access[0].allow_from = (struct netlist){ 0 };
	for (uint16_t i = 0; i < 2 * g.params.max_exchanges; i++) {
		post_quietly(&g, COAP_CON, i, 4, COAP_NO_4XX);
		ck_assert_uint_eq(last(&g, 0).code, COAP_EMPTY);
	}
	ck_assert_uint_eq(proxy_stats(g.proxy)->refused,
	    2 * g.params.max_exchanges);
	rig_fini(&g);
}
END_TEST

/* PRX-104: at once, for a duplicate, for the empty ACK and for a separate
 * response with its repetitions: always from where the request came to. */
START_TEST(reply_leaves_from_where_it_was_asked)
{
	static const char *const locals[] = { "192.0.2.1", "192.0.2.2",
		"198.51.100.7" };
	struct rig g;

	rig_init(&g);
	for (unsigned i = 0; i < UNIT_COUNT(locals); i++) {
		unsigned n = i % 2;

		g.local = fake_addr(locals[i], 5683);
		get(&g, n, COAP_CON, 1, 4);
		fetch_failed(g.fetch, FETCH_RESET, g.timers.now);
		ck_assert_uint_eq(last(&g, n).code, COAP_502);
		get(&g, n, COAP_CON, 1, 4);
		ck_assert_uint_eq(last(&g, n).code, COAP_502);
		get(&g, n, COAP_CON, 2, 4);
		timers_run(&g.timers,
		    g.timers.now + g.params.empty_ack_delay);
		ck_assert_uint_eq(last(&g, n).code, COAP_EMPTY);
		fetch_failed(g.fetch, FETCH_RESET, g.timers.now);
		ck_assert_uint_eq(last(&g, n).type, COAP_CON);
		/* Repeated within ACK_TIMEOUT * ACK_RANDOM_FACTOR. */
		timers_run(&g.timers, g.timers.now + 3000);
		ck_assert_uint_eq(last(&g, n).type, COAP_CON);
		ck_assert_uint_eq(g.net.nsent, 5 * (i + 1));
		server_sock_ops.input(g.sock[n]->user, &g.client, &g.local,
		    span_make((const uint8_t[4]){ 0x60, 0,
			(uint8_t)(last(&g, n).mid >> 8),
			(uint8_t)last(&g, n).mid }, 4),
		    false, g.timers.now);
		ck_assert_uint_eq(dgram_sent_count(server_dgram(g.server)),
		    0);
	}
	rig_fini(&g);
}
END_TEST

/* The same client and Message ID at two listeners are two requests. */
START_TEST(listeners_are_apart)
{
	struct rig g;

	rig_init(&g);
	get(&g, 0, COAP_CON, 1, 4);
	fetch_failed(g.fetch, FETCH_RESET, START);
	ck_assert_uint_eq(last(&g, 0).code, COAP_502);
	get(&g, 1, COAP_CON, 1, 4);
	ck_assert_uint_eq(proxy_stats(g.proxy)->requests, 2);
	fetch_failed(g.fetch, FETCH_TIMEOUT, START);
	ck_assert_uint_eq(last(&g, 1).code, COAP_504);
	rig_fini(&g);
}
END_TEST

/* The listener's index goes along: its access list decides. */
START_TEST(access_is_by_listener)
{
	struct rig g;

	rig_init(&g);
	netlist_fini(&g.access[1].allow_from);
	g.access[1].allow_from = (struct netlist){ 0 };
	get(&g, 1, COAP_CON, 1, 4);
	ck_assert_uint_eq(last(&g, 1).code, COAP_403);
	ck_assert_ptr_null(g.fetch);
	get(&g, 0, COAP_CON, 1, 4);
	ck_assert_ptr_nonnull(g.fetch);
	rig_fini(&g);
}
END_TEST

/* Whoever waits when the proxy goes down is told so. */
START_TEST(waiting_get_an_answer_at_the_end)
{
	struct rig g;

	rig_init(&g);
	ask(&g, 0, COAP_CON, COAP_POST, 7, 4);
	get(&g, 0, COAP_NON, 8, 4);
	ck_assert_uint_eq(g.net.nsent, 0);
	proxy_free(g.proxy);
	g.proxy = NULL;
	ck_assert_uint_eq(g.net.nsent, 2);
	ck_assert_uint_eq(last(&g, 0).type, COAP_NON);
	ck_assert_uint_eq(last(&g, 0).code, COAP_504);
	rig_fini(&g);
}
END_TEST

/* fakenet fails the test when something is sent on a closed socket. */
START_TEST(nothing_is_sent_after_close)
{
	struct fetch *first;
	struct rig g;

	rig_init(&g);
	get(&g, 0, COAP_CON, 1, 4);
	first = g.fetch;
	timers_run(&g.timers, START + g.params.empty_ack_delay);
	fetch_failed(first, FETCH_TIMEOUT, g.timers.now);
	get(&g, 0, COAP_CON, 2, 4);
	get(&g, 1, COAP_NON, 3, 4);
	ck_assert_uint_eq(g.net.nsent, 2);
	server_close(g.server);
	ck_assert_uint_eq(g.net.open, 0);
	/* A repetition, an empty ACK, then the answer to a NON. */
	timers_run(&g.timers, START + 4000);
	fetch_failed(g.fetch, FETCH_TIMEOUT, g.timers.now);
	ck_assert_uint_eq(g.net.nsent, 2);
	ck_assert_uint_gt(dgram_stats(server_dgram(g.server))->
	    retransmissions, 0);
	server_close(g.server);
	rig_fini(&g);
}
END_TEST

static void
note_listener(void *arg, unsigned index, const struct net_sock *sock,
    const struct listener_stats *stats)
{
	struct listener_stats *all = arg;

	ck_assert_uint_lt(index, 2);
	ck_assert_ptr_nonnull(sock);
	all[index] = *stats;
}

/* Each listener has its own numbers, whenever one looks. */
START_TEST(counted_by_listener)
{
	struct listener_stats all[2];
	struct rig g;

	rig_init(&g);
	get(&g, 0, COAP_CON, 1, 4);
	get(&g, 0, COAP_CON, 1, 4);
	get(&g, 1, COAP_CON, 1, 4);
	get(&g, 1, COAP_CON, 1, 4);
	get(&g, 1, COAP_CON, 1, 4);
	server_sock_ops.input(g.sock[0]->user, &g.client, &g.local,
	    SPAN_LIT("\x4f\x01\x00\x09"), false, START);
	server_each_listener(g.server, note_listener, all);
	ck_assert_uint_eq(all[0].duplicates, 1);
	ck_assert_uint_eq(all[0].malformed, 1);
	ck_assert_uint_eq(all[1].duplicates, 2);
	ck_assert_uint_eq(all[1].malformed, 0);
	get(&g, 0, COAP_CON, 1, 4);
	g.client.port = 0;
	get(&g, 1, COAP_CON, 1, 4);
	server_each_listener(g.server, note_listener, all);
	ck_assert_uint_eq(all[0].duplicates, 2);
	ck_assert_uint_eq(all[1].duplicates, 2);
	ck_assert_uint_eq(all[1].port_zero, 1);
	server_close(g.server);
	memset(all, 0, sizeof(all));
	server_each_listener(g.server, note_listener, all);
	ck_assert_uint_eq(all[0].duplicates, 0);
	rig_fini(&g);
}
END_TEST

static void
come(struct rig *g, const struct net_sock_ops *ops, unsigned n, uint16_t mid)
{
	uint8_t octets[64];
	struct coap_head h = { COAP_CON, COAP_GET, mid, SPAN_LIT("t") };

	ops->input(g->sock[n]->user, &g->client, &g->local,
	    span_make(octets, coap_emit(octets, sizeof(octets), &h,
		SPAN_LIT(""), SPAN_LIT(""))), false, g->timers.now);
}

/* MSG-61: who has asked at all addresses is answered by the socket that has
 * only its own now, and a copy is a copy there, also one that was still waiting
 * at the old one. Who has asked at another address is told that it goes. */
START_TEST(handed_over)
{
	struct listener *old, *new;
	struct rig g;

	rig_init(&g);
	old = g.sock[0]->user;
	new = g.sock[1]->user;
	come(&g, &server_sock_ops, 0, 1);
	ck_assert_uint_eq(proxy_stats(g.proxy)->requests, 1);
	listener_retire(old);
	listener_hand_over(old);
	ck_assert(!listener_owes(old));
	ck_assert(listener_owes(new));
	come(&g, &server_sock_ops, 1, 1);
	come(&g, &server_leaving_ops, 0, 1);
	ck_assert_uint_eq(proxy_stats(g.proxy)->requests, 1);
	ck_assert_uint_eq(
	    dgram_received_stats(server_dgram(g.server))->duplicates, 2);
	come(&g, &server_leaving_ops, 0, 2);
	ck_assert_uint_eq(proxy_stats(g.proxy)->requests, 2);
	timers_run(&g.timers, START + 500);
	ck_assert_uint_eq(last(&g, 1).type, COAP_ACK);
	g.local = fake_addr("192.0.2.2", 5683);
	come(&g, &server_leaving_ops, 0, 3);
	ck_assert_uint_eq(last(&g, 0).code, COAP_503);
	ck_assert_uint_eq(proxy_stats(g.proxy)->requests, 2);
	rig_fini(&g);
}
END_TEST

/* ... and the other way: all addresses of a family, or of both. */
START_TEST(handed_over_to_all)
{
	struct rig g;

	rig_init(&g);
	come(&g, &server_sock_ops, 1, 1);
	g.local = fake_addr("2001:db8::1", 5683);
	come(&g, &server_sock_ops, 1, 1);
	g.local = fake_addr("192.0.2.1", 5683);
	listener_retire(g.sock[1]->user);
	listener_hand_over(g.sock[1]->user);
	ck_assert(listener_owes(g.sock[1]->user));
	if (_i == 1)
		listener_dual(g.sock[0]->user);
	listener_hand_over(g.sock[1]->user);
	ck_assert_int_eq(listener_owes(g.sock[1]->user), _i == 0);
	timers_run(&g.timers, START + 500);
	ck_assert_uint_eq(g.net.nsent, 2);
	rig_fini(&g);
}
END_TEST

Suite *
server_suite(void)
{
	Suite *s = suite_create("server");
	TCase *tc = tcase_create("server");

	tcase_add_test(tc, truncated);
	tcase_add_test(tc, multicast_is_dropped);
	tcase_add_test(tc, port_zero_is_dropped);
	tcase_add_test(tc, long_tokens);
	tcase_add_test(tc, unwanted_answers);
	tcase_add_test(tc, refused_quietly);
	tcase_add_test(tc, reply_leaves_from_where_it_was_asked);
	tcase_add_test(tc, listeners_are_apart);
	tcase_add_test(tc, access_is_by_listener);
	tcase_add_test(tc, waiting_get_an_answer_at_the_end);
	tcase_add_test(tc, nothing_is_sent_after_close);
	tcase_add_test(tc, counted_by_listener);
	tcase_add_test(tc, handed_over);
	tcase_add_loop_test(tc, handed_over_to_all, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
