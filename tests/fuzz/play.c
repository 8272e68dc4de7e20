/*
 * play: clients, origins and the network between them.
 *
 * A client may acknowledge by itself. An origin may answer by itself, as its
 * mode says, properly and in blocks where that is needed; so that an input
 * needs few octets to get far.
 *
 *	bits 0-1	silent; piggybacked; separate CON; NON
 *	bits 2-4	octets of its body, see sizes[]
 *	bit 5		it can be observed
 *	bits 6-7	Max-Age: none, with ETag; 0; 60 with ETag; 60
 */
#include "play.h"

#include <stdio.h>
#include <string.h>

#include "coap/block.h"
#include "coap/dump.h"

enum {
	BODY_MAX = 9000,
	TURNS = 2000,		/* of the loop while time passes */
	SEED = 1,
};

static const uint16_t sizes[] = { 0, 5, 60, 300, 1024, 1500, 3000, BODY_MAX };

static const struct {
	const char *ip;
	uint16_t port;
} clients[PLAY_CLIENTS + 1] = {
	{ "192.0.2.10", 40001 }, { "192.0.2.10", 40002 },
	{ "192.0.2.11", 40001 }, { "10.0.0.3", 5683 },
	{ "2001:db8:5::3", 40001 }, { "198.51.100.9", 5683 },
	{ "10.0.0.9", 40009 },
}, origins[PLAY_ORIGINS] = {
	{ "198.51.100.1", 5683 }, { "198.51.100.2", 5683 },
	{ "198.51.100.2", 5684 }, { "2001:db8:9::1", 5683 },
	{ "198.51.100.3", 5690 },
};

static const struct {
	const char *name;
	enum world_name how;
	const char *ip[2];
} names[] = {
	{ "o.example", WORLD_NAME_CACHED, { "198.51.100.1" } },
	{ "slow.example", WORLD_NAME_OK, { "198.51.100.3" } },
	{ "two.example", WORLD_NAME_OK, { "198.51.100.2", "2001:db8:9::1" } },
	{ "lo.example", WORLD_NAME_OK, { "127.0.0.1" } },
	{ "self.example", WORLD_NAME_OK, { "192.0.2.1" } },
	{ "dead.example", WORLD_NAME_SILENT, { NULL } },
};

void
play_fail(const struct play *p, const char *why)
{
	fprintf(stderr, "at %llu ms: %s\n", (unsigned long long)p->world.now,
	    why);
	abort();
}

void
play_trace(const struct play *p, const struct addr *from,
    const struct addr *to, struct span datagram)
{
	char line[400], a[ADDR_STRLEN], b[ADDR_STRLEN];
	struct coap_msg m;

	if (!p->trace)
		return;
	snprintf(line, sizeof(line), "%zu octets", datagram.n);
	if (coap_parse(&m, datagram) == COAP_PARSE_OK)
		coap_dump(&m, line, sizeof(line));
	printf("%llu %s > %s %s\n", (unsigned long long)p->world.now,
	    addr_str(from, a), addr_str(to, b), line);
}

uint8_t
tape_u8(struct tape *t)
{
	if (t->n == 0)
		return 0;
	t->n--;
	return *t->p++;
}

struct span
tape_span(struct tape *t, size_t n)
{
	struct span s = span_make(t->p, n < t->n ? n : t->n);

	t->p += s.n;
	t->n -= s.n;
	return s;
}

/* ---- beginning and end ---- */

static void
address(const struct play *p, struct addr *a, const char *ip, uint16_t port)
{
	play_require(p, addr_parse_ip(a, span_str(ip), false), ip);
	a->port = port;
}

static void
make_names(struct play *p)
{
	struct addr v[2];
	size_t n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (n = 0; n < 2 && names[i].ip[n] != NULL; n++)
			address(p, &v[n], names[i].ip[n], 0);
		world_name(&p->world, span_str(names[i].name), names[i].how,
		    v, n);
	}
}

bool
play_init(struct play *p, struct tape tape, unsigned conf,
    const struct play_setting *setting)
{
	const char *text;

	*p = (struct play){ .tape = tape, .conf = conf % play_confs,
		.setting = setting };
	list_init(&p->arrived);
	p->trace = getenv("TRACE") != NULL;
	text = setting->conf != NULL ? setting->conf :
	    play_conf(p->conf)->text;
	p->silent = setting->short_of_memory || setting->send_error != 0;
	p->ratio = setting->conf == NULL && play_conf(p->conf)->amplification;
	if (!world_init(&p->world, "conf", text, SEED)) {
		play_require(p, setting->short_of_memory, p->world.why);
		return false;
	}
	if (setting->send_error != 0)
		world_fail_sends(&p->world, setting->sends, 1,
		    setting->send_error);
	p->world.spared_sockets = setting->sockets;
	p->world.no_sockets = setting->socket_error;
	judge_conf(p);
	make_names(p);
	for (size_t i = 0; i <= PLAY_CLIENTS; i++)
		address(p, &p->clients[i].addr, clients[i].ip,
		    clients[i].port);
	for (size_t i = 0; i < PLAY_ORIGINS; i++)
		address(p, &p->origins[i].addr, origins[i].ip,
		    origins[i].port);
	return true;
}

void
play_fini(struct play *p)
{
	while (!list_empty(&p->arrived)) {
		struct packet *pk = CONTAINER_OF(p->arrived.next,
		    struct packet, link);

		list_del(&pk->link);
		free(pk);
	}
	world_fini(&p->world);
}

/* ---- datagrams ---- */

static void
collect(struct play *p)
{
	struct packet *pk;

	while ((pk = world_take(&p->world)) != NULL) {
		play_trace(p, &pk->from, &pk->to,
		    span_make(pk->octets, pk->n));
		judge_packet(p, pk);
		list_add_tail(&p->arrived, &pk->link);
	}
	p->caused_by = NULL;
	judge_state(p);
}

/* Whether there is a socket for it. */
static bool
arrive(struct play *p, const struct addr *from, const struct addr *to,
    struct span d)
{
	bool taken;

	if (p->inputs == PLAY_INPUTS)
		return false;
	p->inputs++;
	play_trace(p, from, to, d);
	if (d.n >= 4 && d.p[0] >> 6 == 1 && (d.p[0] >> 4 & 3) >= COAP_ACK) {
		p->caused_by = from;
		p->caused_mid = (uint16_t)(d.p[2] << 8 | d.p[3]);
	}
	judge_comes(p, from, to, d);
	taken = world_input(&p->world, from, to, d);
	collect(p);
	return taken;
}

void
play_client_sends(struct play *p, struct play_client *c, const struct addr *to,
    struct span datagram)
{
	size_t n = c->npending;

	if (p->inputs == PLAY_INPUTS)
		return;
	judge_asks(c, datagram);
	c->last_to = *to;
	c->nlast = datagram.n;
	memmove(c->last, datagram.p, datagram.n);
	/* Nobody listens there any more. */
	if (!arrive(p, &c->addr, to, datagram) && c->npending > n)
		c->npending = n;
}

void
play_origin_sends(struct play *p, struct play_origin *o, const struct addr *to,
    struct span datagram)
{
	if (datagram.n >= 4)
		seen_add(&o->mids,
		    (uint16_t)(datagram.p[2] << 8 | datagram.p[3]));
	p->heard = false;
	if (!arrive(p, &o->addr, to, datagram) || p->silent)
		return;
	/* RFC 7252 4.2: whatever it is. */
	play_require(p, p->heard || datagram.n < 4 ||
		datagram.p[0] >> 4 != (4 | COAP_CON),
	    "a CON of an origin got no reaction");
}

struct up *
play_up(struct play *p, unsigned k)
{
	size_t n = p->nups < PLAY_UPS ? p->nups : PLAY_UPS;

	return n == 0 ? NULL : &p->ups[(p->nups - 1 - k % n) % PLAY_UPS];
}

struct play_origin *
play_origin(struct play *p, const struct addr *a)
{
	for (size_t i = 0; i < PLAY_ORIGINS; i++)
		if (addr_eq(&p->origins[i].addr, a))
			return &p->origins[i];
	return NULL;
}

/* ---- what origins do by themselves ---- */

struct answer {
	struct coap_head h;
	struct writer opts;
	struct coap_optw o;
	uint8_t space[64], body[BODY_MAX];
	struct span payload;
};

static bool
wants_links(const struct coap_msg *m)
{
	struct span v;

	return coap_get(m, COAP_OPT_URI_PATH, &v) &&
	    span_eq(v, SPAN_LIT(".well-known"));
}

/* As many as N octets need. */
static struct span
links_of(struct answer *a, const struct play_origin *o, size_t n)
{
	static const char *const links[] = {
		"</x>;rt=\"a b\";ct=40,", "</y/z>;obs,",
		"<coap://198.51.100.1/x>;anchor=\"/y\",",
		"<//o.example/q?r#s>;title=\"coap://o.example/t\",",
		"<http://198.51.100.1/>,",
		"<u>;if=\"coap://198.51.100.1:5683\",",
		"</a/b>;hosts=\"198.51.100.1 [2001:db8:9::1]\",",
	};
	struct writer w = writer_make(a->body, n < 100 ? 100 : n);

	for (size_t i = o->version; !w.full; i++)
		writer_span_put(&w, span_str(
			links[i % (sizeof(links) / sizeof(links[0]))]));
	return span_make(a->body, writer_len(&w) - 1);
}

static struct span
body_of(struct answer *a, const struct play_origin *o, const struct coap_msg *m)
{
	size_t n = sizes[o->mode >> 2 & 7];

	if (m != NULL && wants_links(m))
		return links_of(a, o, n);
	memset(a->body, 'a' + o->version % 26, n);
	if (m != NULL && n >= 8)
		judge_mark_body(a->body, m);
	return span_make(a->body, n);
}

/* The options that a representation has; Block2 as well. */
static void
put_representation(struct answer *a, const struct play_origin *o,
    const struct coap_msg *m, bool observe)
{
	struct coap_block b = { .szx = 6 };
	struct span v, body = body_of(a, o, m);
	uint8_t fresh = o->mode >> 6;

	a->h.code = COAP_205;
	if (fresh == 0 || fresh == 2)
		coap_put_opt(&a->o, COAP_OPT_ETAG, span_make(&o->version, 1));
	if (observe)
		coap_put_uint(&a->o, COAP_OPT_OBSERVE, o->seq & 0xffffff);
	if (m != NULL && wants_links(m))
		coap_put_uint(&a->o, COAP_OPT_CONTENT_FORMAT, 40);
	if (fresh != 0)
		coap_put_uint(&a->o, COAP_OPT_MAX_AGE, fresh == 1 ? 0 : 60);
	if (m != NULL && coap_get(m, COAP_OPT_BLOCK2, &v))
		b = coap_block_get(v);
	else if (body.n <= 1024)
		b.szx = COAP_SZX_RESERVED;
	a->payload = body;
	if (b.szx == COAP_SZX_RESERVED)
		return;
	if (!coap_block_slice(body, &b, &a->payload)) {
		a->h.code = COAP_400;
		a->payload = SPAN_LIT("");
		return;
	}
	coap_put_uint(&a->o, COAP_OPT_BLOCK2, coap_block_value(&b));
}

static void
put_change(struct answer *a, const struct coap_msg *m)
{
	struct span v;
	unsigned whose;

	a->h.code = COAP_204;
	if (coap_get(m, COAP_OPT_BLOCK1, &v)) {
		if (coap_block_get(v).more)
			a->h.code = COAP_231;
		coap_put_opt(&a->o, COAP_OPT_BLOCK1, v);
	}
	if (a->h.code == COAP_204 && judge_marked(m->payload, &whose))
		a->payload = span_make(m->payload.p, 8);
}

static void
send_answer(struct play *p, struct play_origin *o, const struct addr *to,
    const struct answer *a)
{
	uint8_t out[PLAY_OCTETS];
	size_t n = coap_emit(out, sizeof(out), &a->h, writer_span(&a->opts),
	    a->payload);

	play_origin_sends(p, o, to, span_make(out, n));
}

static void
answer_init(struct answer *a, struct play_origin *o, unsigned how, uint16_t mid,
    struct span token)
{
	a->opts = writer_make(a->space, sizeof(a->space));
	a->o = coap_optw(&a->opts);
	a->payload = SPAN_LIT("");
	a->h = (struct coap_head){
		.type = how == 1 ? COAP_ACK : how == 2 ? COAP_CON : COAP_NON,
		.mid = how == 1 ? mid : o->mid++,
		.token = token,
	};
}

static void
serve(struct play *p, struct play_origin *o, const struct packet *pk)
{
	unsigned how = o->mode & 3;
	struct coap_msg m;
	struct answer a;
	struct span v;
	uint32_t observe;
	uint8_t ack[4];

	if (coap_parse(&m, span_make(pk->octets, pk->n)) != COAP_PARSE_OK)
		return;
	if (m.type == COAP_CON && how > 1) {
		coap_emit_empty(ack, COAP_ACK, m.mid);
		play_origin_sends(p, o, &pk->from, span_make(ack, 4));
	}
	answer_init(&a, o, m.type == COAP_NON && how == 1 ? 3 : how, m.mid,
	    m.token);
	if (!coap_method_safe(m.code))
		put_change(&a, &m);
	else if (coap_get(&m, COAP_OPT_ETAG, &v) &&
	    span_eq(v, span_make(&o->version, 1)) && (o->mode & 0x40) == 0)
		a.h.code = COAP_203;
	else
		put_representation(&a, o, &m, (o->mode & 0x20) != 0 &&
			coap_get_uint(&m, COAP_OPT_OBSERVE, &observe) &&
			observe == 0);
	if (a.h.code == COAP_203)
		coap_put_opt(&a.o, COAP_OPT_ETAG, span_make(&o->version, 1));
	send_answer(p, o, &pk->from, &a);
}

void
play_notify(struct play *p, const struct up *up, bool con)
{
	struct play_origin *o = play_origin(p, &up->to);
	struct answer a;

	if (o == NULL)
		return;
	o->seq++;
	o->version++;
	answer_init(&a, o, con ? 2 : 3, 0, span_make(up->token, up->ntoken));
	put_representation(&a, o, NULL, true);
	send_answer(p, o, &up->from, &a);
}

/* ---- and clients ---- */

static void
acknowledge(struct play *p, struct play_client *c, const struct packet *pk)
{
	uint8_t ack[4];

	if (!c->acks || (pk->octets[0] >> 4 & 3) != COAP_CON)
		return;
	coap_emit_empty(ack, COAP_ACK,
	    (uint16_t)(pk->octets[2] << 8 | pk->octets[3]));
	judge_asks(c, span_make(ack, 4));
	(void)arrive(p, &c->addr, &pk->from, span_make(ack, 4));
}

static void
react(struct play *p, const struct packet *pk)
{
	struct play_origin *o = play_origin(p, &pk->to);

	if (o != NULL && (o->mode & 3) != 0 && pk->octets[1] != COAP_EMPTY)
		serve(p, o, pk);
	for (size_t i = 0; o == NULL && i <= PLAY_CLIENTS; i++)
		if (addr_eq(&p->clients[i].addr, &pk->to))
			acknowledge(p, &p->clients[i], pk);
}

void
play_settle(struct play *p)
{
	/* What no datagram has caused. */
	collect(p);
	while (!list_empty(&p->arrived)) {
		struct packet *pk = CONTAINER_OF(p->arrived.next,
		    struct packet, link);

		list_del(&pk->link);
		react(p, pk);
		free(pk);
	}
}

void
play_pass(struct play *p, uint64_t ms)
{
	uint64_t until = p->world.now + ms;

	for (unsigned i = 0; i < TURNS && p->world.now < until; i++) {
		world_step(&p->world, until);
		collect(p);
		play_settle(p);
	}
}
