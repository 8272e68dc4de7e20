#include "fixture.h"

#include <check.h>

#include "proxy/request.h"

/* ---- the front end ---- */

static void
front_reply(struct request *r, const struct reply *reply, uint64_t now)
{
	struct outcome *o = r->front_ctx;
	struct coap_msg m = { .code = reply->code };

	(void)now;
	ck_assert(coap_parse_opts(&m, reply->opts));
	o->replies++;
	o->code = reply->code;
	coap_get_uint(&m, COAP_OPT_MAX_AGE, &o->max_age);
}

static void
front_drop(struct request *r, uint64_t now)
{
	struct outcome *o = r->front_ctx;

	(void)now;
	o->drops++;
}

static const struct front_ops front = {
	.reply = front_reply,
	.drop = front_drop,
};

const struct outcome *
fixture_ask(struct fixture *f, uint8_t type, uint8_t code, const char *uri,
    struct span payload)
{
	uint8_t octets[256], opts[128];
	struct writer w = writer_make(opts, sizeof(opts));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { type, code, (uint16_t)f->n, SPAN_LIT("tok") };
	struct outcome *out = &f->outcomes[f->n];
	struct coap_msg m;
	uint8_t note = 0;
	struct inbound in = {
		.front = &front,
		.front_ctx = out,
		.client = &f->from,
		.client_id = f->client_id,
		.local = &f->to,
		.note = &note,
		.scheme = COAP_SCHEME_COAP,
		.msg = &m,
	};
	size_t n;

	ck_assert_uint_lt(f->n, OUTCOMES_MAX);
	f->n++;
	coap_put_opt(&o, COAP_OPT_PROXY_URI, span_str(uri));
	ck_assert(!w.full);
	n = coap_emit(octets, sizeof(octets), &h, writer_span(&w), payload);
	ck_assert_int_eq(coap_parse(&m, span_make(octets, n)),
	    COAP_PARSE_OK);
	proxy_handle(f->proxy, &in, f->timers.now);
	/* Nothing may be borrowed from here any longer. */
	memset(octets, 0xee, sizeof(octets));
	return out;
}

const struct outcome *
fixture_get(struct fixture *f, uint8_t type, const char *uri)
{
	return fixture_ask(f, type, COAP_GET, uri, SPAN_LIT(""));
}

/* ---- life ---- */

static void
build_proxy(struct fixture *f)
{
	ck_assert(netlist_add(&f->access.allow_from, SPAN_LIT("any")));
	ck_assert(netlist_add(&f->forward.allow_from, SPAN_LIT("any")));
	ck_assert(netlist_add(&f->forward.allow_to, SPAN_LIT("any")));
	ck_assert(netlist_add(&f->forward.deny_to, SPAN_LIT("10.0.0.0/8")));
	f->forward.timeout_ms = TIMEOUT_MS;
	f->forward.nstart = 64;
	f->proxy_conf = (struct proxy_conf){
		.name = "test",
		.access = &f->access,
		.forward = &f->forward,
		.rules = &f->rules,
		.max_requests = OUTCOMES_MAX,
	};
	f->proxy = proxy_new(&f->proxy_conf, &f->self, &f->timers, &f->rnd);
	ck_assert_ptr_nonnull(f->proxy);
}

void
fixture_init(struct fixture *f, size_t max_dests)
{
	*f = (struct fixture){ 0 };
	timers_init(&f->timers, START);
	rand_init_fixed(&f->rnd, 1);
	f->bufs = buf_pool_new(1 << 20);
	ck_assert_ptr_nonnull(f->bufs);
	fakenet_init(&f->net);
	fakeresolver_init(&f->names);
	msg_params_init(&f->params);
	f->params.max_exchanges = OUTCOMES_MAX;
	f->from = fake_addr("203.0.113.5", 50000);
	f->to = fake_addr("198.51.100.1", 5683);
	build_proxy(f);
	f->conf = (struct client_conf){
		.params = &f->params,
		.flow = { .probing_rate = 1, .queue = QUEUE_MAX },
		.max_ports = 2,
		.max_dests = max_dests,
	};
	f->client = client_new(&f->conf, &f->net.net, &f->names.resolver,
	    &f->timers, f->bufs, &f->rnd);
	ck_assert_ptr_nonnull(f->client);
	proxy_set_upstream(f->proxy, &client_upstream_ops, f->client);
}

void
fixture_fini(struct fixture *f)
{
	proxy_free(f->proxy);
	client_free(f->client);
	/* Every request has had exactly one end. */
	for (size_t i = 0; i < f->n; i++)
		ck_assert_uint_eq(f->outcomes[i].replies +
			f->outcomes[i].drops, 1);
	fakeresolver_fini(&f->names);
	fakenet_fini(&f->net);
	ck_assert_uint_eq(buf_pool_used(f->bufs), 0);
	buf_pool_free(f->bufs);
	netlist_fini(&f->access.allow_from);
	netlist_fini(&f->forward.allow_from);
	netlist_fini(&f->forward.allow_to);
	netlist_fini(&f->forward.deny_to);
}

/* ---- what happens ---- */

void
fixture_pass(struct fixture *f, uint64_t ms)
{
	uint64_t end = f->timers.now + ms;

	while (f->timers.now < end)
		timers_run(&f->timers, end - f->timers.now < 100 ? end :
			f->timers.now + 100);
}

void
fixture_error(struct fixture *f, const struct fake_sent *d, int err)
{
	fakenet_error(d, d->n, err, f->timers.now);
}

void
fixture_sent_to(const struct fixture *f, const char *ip, uint16_t port)
{
	struct addr a = fake_addr(ip, port);

	ck_assert(addr_eq(&fakenet_last(&f->net)->to, &a));
}

struct coap_msg
fixture_parse(const struct fake_sent *d)
{
	struct coap_msg m;

	ck_assert_int_eq(coap_parse(&m, span_make(d->octets, d->n)),
	    COAP_PARSE_OK);
	return m;
}

void
fixture_answer(struct fixture *f, const struct fake_sent *d, uint8_t code)
{
	struct coap_msg m = fixture_parse(d);
	struct coap_head h = { COAP_ACK, code, m.mid, m.token };
	uint8_t octets[64];
	size_t n;

	n = coap_emit(octets, sizeof(octets), &h, SPAN_LIT(""),
	    SPAN_LIT(""));
	fakenet_input(d->sock, span_make(octets, n), f->timers.now);
}

void
fixture_empty(struct fixture *f, const struct fake_sent *d, uint8_t type)
{
	uint8_t octets[4];

	coap_emit_empty(octets, type, fixture_parse(d).mid);
	fakenet_input(d->sock, span_make(octets, 4), f->timers.now);
}

void
fixture_exhaust(struct fixture *f, const struct net_sock *s)
{
	struct port *p = s->user;
	unsigned n = 0;
	uint16_t mid;

	while (mids_next(&p->peer.mids, f->timers.now,
	    f->params.exchange_lifetime, &mid))
		ck_assert_uint_lt(n++, 65536);
	ck_assert_uint_gt(n, 0);
}
