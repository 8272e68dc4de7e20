/*
 * play_judge: what the proxy must never do, whatever happens to it.
 */
#include <stdio.h>
#include <string.h>

#include "coap/block.h"
#include "play.h"

enum {
	LOWER = 62,		/* ATK-02: headers below, per datagram */
	OUT_MAX = 2176,		/* octets of a datagram */
	FIRST_PORT = 50000,	/* sockets to origins; see world.c */
	TOKEN = 8,		/* octets of ours */
};

/* ---- marks ---- */

static const uint8_t mark[] = { 0xf1, 'c', 'l', 'i' };
static const uint8_t body_mark[] = { 0xf3, 'b' };

void
judge_mark(uint8_t out[8], unsigned c, uint16_t number)
{
	memcpy(out, mark, sizeof(mark));
	out[4] = (uint8_t)c;
	out[5] = (uint8_t)(number >> 8);
	out[6] = (uint8_t)number;
	out[7] = 0xf2;
}

bool
judge_marked(struct span payload, unsigned *c)
{
	if (payload.n < 8 || memcmp(payload.p, mark, sizeof(mark)) != 0)
		return false;
	*c = payload.p[4];
	return true;
}

void
judge_clean(uint8_t *octets, size_t n)
{
	for (size_t i = 0; i + sizeof(mark) <= n; i++)
		if (memcmp(octets + i, mark, sizeof(mark)) == 0 ||
		    memcmp(octets + i, body_mark, sizeof(body_mark)) == 0)
			octets[i] = 0;
}

/* Of the options NUMBERS of M, never 0. */
static uint64_t
digest(const struct coap_msg *m, const uint16_t *numbers, size_t n)
{
	uint64_t h = UINT64_C(14695981039346656037);
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		bool counts = false;

		for (size_t i = 0; i < n; i++)
			counts |= numbers[i] == it.number;
		for (size_t i = 0; counts && i <= it.value.n; i++)
			h = (h ^ (i < it.value.n ? it.value.p[i] :
			    it.number + 256u)) * UINT64_C(1099511628211);
	}
	return h | 1;
}

void
judge_mark_body(uint8_t out[8], const struct coap_msg *m)
{
	static const uint16_t path[] = { COAP_OPT_URI_PATH,
		COAP_OPT_URI_QUERY };
	uint64_t h = digest(m, path, 2);

	memcpy(out, body_mark, sizeof(body_mark));
	for (size_t i = sizeof(body_mark); i < 8; i++)
		out[i] = (uint8_t)('a' + (h >> i * 8) % 16);
}

/* 0: it is none of ours. */
static uint32_t
read_body_mark(struct span body)
{
	uint32_t v = 1;

	if (body.n < 8 || memcmp(body.p, body_mark, sizeof(body_mark)) != 0)
		return 0;
	for (size_t i = sizeof(body_mark); i < 8; i++)
		v = v << 4 | (body.p[i] & 15);
	return v;
}

/* ---- clients ---- */

/* The octets that are looked at. */
static size_t
watched(size_t n)
{
	return n < COAP_TOKEN_MAX ? n : COAP_TOKEN_MAX;
}

static struct asked *
find_asked(struct play_client *c, struct span token)
{
	struct span v = span_make(token.p, watched(token.n));

	for (size_t i = 0; i < c->nasked; i++)
		if (c->asked[i].n == token.n &&
		    span_eq(span_make(c->asked[i].token, v.n), v))
			return &c->asked[i];
	return NULL;
}

/* By what a request is led somewhere; never 0. */
static uint64_t
target_of(const struct play_client *c, const struct coap_msg *m)
{
	static const uint16_t numbers[] = { COAP_OPT_URI_HOST,
		COAP_OPT_URI_PORT, COAP_OPT_URI_PATH, COAP_OPT_URI_PATH_ABBREV,
		COAP_OPT_URI_QUERY, COAP_OPT_PROXY_URI,
		COAP_OPT_PROXY_SCHEME };

	/* Not all come to the same listener. */
	return digest(m, numbers, sizeof(numbers) / sizeof(numbers[0])) ^
	    (uint64_t)c->addr.ip[0] << 32;
}

static void
note_token(struct play_client *c, const struct coap_msg *m, bool legal)
{
	struct asked *a = find_asked(c, m->token);
	uint64_t target = legal ? target_of(c, m) : 0;
	uint32_t observe;

	if (a == NULL && c->nasked == PLAY_ASKED) {
		c->crowded = true;
		return;
	}
	if (a == NULL) {
		a = &c->asked[c->nasked++];
		a->n = m->token.n;
		a->target = target;
		if (a->n > 0)
			memcpy(a->token, m->token.p, watched(a->n));
	}
	a->sent++;
	if (a->target != target)
		a->target = 0;
	if (coap_get_uint(m, COAP_OPT_OBSERVE, &observe) && observe == 0)
		a->observes = true;
}

static void
not_pending(struct play_client *c, uint16_t mid)
{
	for (size_t i = 0; i < c->npending; i++)
		if (c->pending[i] == mid)
			c->pending[i] = c->pending[--c->npending];
}

void
judge_asks(struct play_client *c, struct span datagram)
{
	struct coap_msg m = { 0 };
	enum coap_parse how;
	bool again;

	c->in += datagram.n + LOWER;
	/* No more of it is received. */
	if (datagram.n > 2048)
		datagram.n = 2048;
	how = coap_parse(&m, datagram);
	if (how == COAP_PARSE_IGNORE || m.type == COAP_ACK ||
	    m.type == COAP_RST)
		return;
	again = seen_has(&c->mids, m.mid);
	seen_add(&c->mids, m.mid);
	/* One that uses a Message ID again has itself to blame. */
	if (again)
		not_pending(c, m.mid);
	else if (m.type == COAP_CON && c->npending < PLAY_PENDING)
		c->pending[c->npending++] = m.mid;
	if (m.code != COAP_EMPTY &&
	    (how == COAP_PARSE_OK || m.token.p != NULL))
		note_token(c, &m, how == COAP_PARSE_OK);
	c->proving |= how == COAP_PARSE_OK && coap_has(&m, COAP_OPT_ECHO);
}

void
judge_end(struct play *p)
{
	for (size_t i = 0; i < PLAY_CLIENTS && !p->silent; i++) {
		const struct play_client *c = &p->clients[i];

		if (c->npending == 0)
			continue;
		fprintf(stderr, "client %zu, Message ID 0x%04x\n", i,
		    c->pending[0]);
		play_fail(p, "a CON got no reaction");
	}
}

/* What is asked for is what comes: the same thing each time. */
static void
judge_body(struct play *p, const struct asked *a, const struct coap_msg *m)
{
	uint32_t v = read_body_mark(m->payload);
	struct known *k = &p->known[a->target % PLAY_KNOWN];
	struct span block;

	if (v == 0 || a->target == 0 ||
	    (coap_get(m, COAP_OPT_BLOCK2, &block) &&
		coap_block_get(block).num > 0))
		return;
	if (k->target == a->target)
		play_require(p, k->mark == v, "another resource's body");
	k->target = a->target;
	k->mark = v;
}

static void
keep(uint8_t *out, size_t cap, size_t *n, const struct coap_msg *m,
    uint16_t number)
{
	struct span v;

	if (!coap_get(m, number, &v) || v.n > cap)
		return;
	memcpy(out, v.p, v.n);
	*n = v.n;
}

/* Whether this is another copy of an answer. */
static bool
was_told(struct play_client *c, const struct coap_msg *m)
{
	uint32_t id = (uint32_t)(m->type == COAP_ACK) << 16 | m->mid;

	for (size_t i = 0; i < c->ntold; i++)
		if (c->told[i] == id)
			return true;
	if (c->ntold < PLAY_TOLD)
		c->told[c->ntold++] = id;
	else
		c->crowded = true;
	return false;
}

/* RFC 7252 5.3: to who asked, as often as it asked, and to nobody else. */
static void
judge_answer(struct play *p, struct play_client *c, const struct coap_msg *m)
{
	struct asked *a = find_asked(c, m->token);
	unsigned whose;

	play_require(p, coap_code_kind(m->code) == COAP_KIND_RESPONSE,
	    "a client is sent something else than a response");
	play_require(p, m->type != COAP_ACK || seen_has(&c->mids, m->mid),
	    "an answer in an ACK to a message that was never sent");
	if (judge_marked(m->payload, &whose))
		play_require(p, whose == (unsigned)(c - p->clients),
		    "the answer is another client's");
	c->code = m->code;
	keep(c->etag, sizeof(c->etag), &c->netag, m, COAP_OPT_ETAG);
	keep(c->echo, sizeof(c->echo), &c->necho, m, COAP_OPT_ECHO);
	if (c->crowded)
		return;
	play_require(p, a != NULL, "an answer to a token never sent");
	judge_body(p, a, m);
	if (coap_has(m, COAP_OPT_OBSERVE)) {
		play_require(p, a->observes, "a notification nobody wants");
		return;
	}
	if (was_told(c, m) || c->crowded)
		return;
	play_require(p, ++a->told <= a->sent, "more answers than requests");
}

/* RFC 7252 4.2: so many copies, and none once it is settled. */
static void
judge_copy(struct play *p, uint64_t last, unsigned copies, bool settled)
{
	if (p->world.now - last > p->lifetime)
		return;
	play_require(p, copies <= p->copies,
	    "a CON is repeated too often");
	/* What met with EAGAIN leaves late. */
	play_require(p, !settled || p->silent,
	    "a CON is repeated that was acknowledged");
}

static void
judge_con(struct play *p, struct play_client *c, const struct packet *pk,
    uint16_t mid)
{
	struct down *d = NULL;

	for (size_t i = 0; i < PLAY_DOWNS; i++)
		if (c->downs[i].copies > 0 && c->downs[i].mid == mid &&
		    addr_eq(&c->downs[i].local, &pk->from))
			d = &c->downs[i];
	if (d == NULL || pk->at - d->at > p->lifetime) {
		d = &c->downs[c->ndowns++ % PLAY_DOWNS];
		*d = (struct down){ .local = pk->from, .mid = mid };
	} else {
		judge_copy(p, d->at, d->copies + 1, d->settled);
	}
	d->at = pk->at;
	d->copies++;
}

void
judge_comes(struct play *p, const struct addr *from, const struct addr *to,
    struct span datagram)
{
	uint16_t mid;

	if (datagram.n != 4 || datagram.p[0] >> 5 != 3 ||
	    (datagram.p[0] & 15) != 0 || datagram.p[1] != COAP_EMPTY)
		return;
	mid = (uint16_t)(datagram.p[2] << 8 | datagram.p[3]);
	for (size_t i = 0; i < PLAY_UPS; i++) {
		struct up *u = &p->ups[i];

		u->settled |= u->mid == mid && addr_eq(&u->to, from) &&
		    addr_eq(&u->from, to);
	}
	for (size_t i = 0; i <= PLAY_CLIENTS; i++)
		for (size_t j = 0; j < PLAY_DOWNS; j++) {
			struct down *d = &p->clients[i].downs[j];

			d->settled |= d->mid == mid &&
			    addr_eq(&p->clients[i].addr, from) &&
			    addr_eq(&d->local, to);
		}
}

static void
judge_down(struct play *p, struct play_client *c, const struct packet *pk,
    const struct coap_msg *m)
{
	c->out += pk->n + LOWER;
	if (p->ratio && !c->proving && c->addr.family == 4 &&
	    c->addr.ip[0] == 192)
		play_require(p, c->out <= 3 * c->in,
		    "a stranger gets too much");
	if (m->type == COAP_CON) {
		c->has_con = true;
		c->con_mid = m->mid;
		c->con_local = pk->from;
		judge_con(p, c, pk, m->mid);
	}
	if (m->type == COAP_ACK || m->type == COAP_RST)
		not_pending(c, m->mid);
	if (m->code != COAP_EMPTY) {
		judge_answer(p, c, m);
		return;
	}
	play_require(p, m->type == COAP_ACK || m->type == COAP_RST,
	    "a client is sent an empty CON or NON");
	play_require(p, seen_has(&c->mids, m->mid),
	    "an ACK or RST for a message that was never sent");
}

/* ---- origins ---- */

static bool
is_copy(const struct up *u, const struct packet *pk, const struct coap_msg *m)
{
	return addr_eq(&u->from, &pk->from) && addr_eq(&u->to, &pk->to) &&
	    u->mid == m->mid;
}

static void
remember(struct play *p, const struct packet *pk, const struct coap_msg *m)
{
	struct up *u = &p->ups[p->nups++ % PLAY_UPS];
	uint32_t observe;

	*u = (struct up){
		.from = pk->from, .to = pk->to, .at = pk->at, .mid = m->mid,
		.type = m->type, .code = m->code, .ntoken = m->token.n,
		.copies = 1,
		.observes = coap_get_uint(m, COAP_OPT_OBSERVE, &observe) &&
		    observe == 0,
	};
	memcpy(u->token, m->token.p, m->token.n);
}

/* RFC 7252 4.4, 5.3.1. */
static void
judge_request(struct play *p, const struct packet *pk, const struct coap_msg *m)
{
	size_t n = p->nups < PLAY_UPS ? p->nups : PLAY_UPS;
	bool copy = false;

	play_require(p, coap_code_kind(m->code) == COAP_KIND_REQUEST &&
		m->type != COAP_ACK, "an origin is sent no request");
	play_require(p, m->token.n == TOKEN, "a short token");
	for (size_t i = 0; i < n; i++) {
		struct up *u = &p->ups[i];
		if (!is_copy(u, pk, m) ||
		    pk->at - u->at > p->lifetime)
			continue;
		play_require(p, u->code == m->code &&
			memcmp(u->token, m->token.p, TOKEN) == 0,
		    "a Message ID used again");
		judge_copy(p, u->at, ++u->copies, u->settled);
		copy = true;
	}
	if (!copy)
		remember(p, pk, m);
}

static void
judge_up(struct play *p, const struct packet *pk, const struct coap_msg *m)
{
	struct play_origin *o = play_origin(p, &pk->to);

	play_require(p, pk->to.port != 0 && !addr_is_any(&pk->to) &&
		!addr_is_loopback(&pk->to) && !addr_is_multicast(&pk->to) &&
		!addr_is_linklocal(&pk->to) &&
		!self_is_addr(&p->world.self, &pk->to),
	    "a request to where none may go");
	if (m->type == COAP_ACK || m->type == COAP_RST) {
		play_require(p, m->code == COAP_EMPTY && o != NULL &&
			seen_has(&o->mids, m->mid),
		    "an ACK or RST to an origin that has sent nothing");
		p->heard = true;
		return;
	}
	judge_request(p, pk, m);
}

void
judge_packet(struct play *p, const struct packet *pk)
{
	struct coap_msg m;

	play_require(p, pk->n <= OUT_MAX, "a very large datagram");
	play_require(p, coap_parse(&m, span_make(pk->octets, pk->n)) ==
		COAP_PARSE_OK, "a malformed datagram");
	/* RFC 7252 4.2, 4.3: an ACK or RST is never answered. */
	if (p->caused_by != NULL && addr_eq(p->caused_by, &pk->to))
		play_require(p, (m.type != COAP_ACK && m.type != COAP_RST) ||
			m.mid != p->caused_mid, "an ACK or RST is answered");
	if (pk->from.port >= FIRST_PORT) {
		judge_up(p, pk, &m);
		return;
	}
	for (size_t i = 0; i <= PLAY_CLIENTS; i++)
		if (addr_eq(&p->clients[i].addr, &pk->to)) {
			judge_down(p, &p->clients[i], pk, &m);
			return;
		}
	play_fail(p, "a datagram to nobody");
}
