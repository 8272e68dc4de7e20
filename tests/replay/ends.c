/*
 * ends: clients that ask and repeat, origins that answer in every way there is.
 */
#include <stdio.h>

#include "base/parse.h"
#include "sim.h"

enum { THINK_MS = 10000 };	/* longest between an ACK and the response */

static size_t
message(uint8_t out[OCTETS], const struct coap_head *h, unsigned number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	return coap_emit(out, OCTETS, h, SPAN_LIT(""), span_str(text));
}

static void
send_empty(struct sim *s, const struct addr *from, const struct addr *to,
    uint8_t type, uint16_t mid)
{
	uint8_t octets[4];

	coap_emit_empty(octets, type, mid);
	sim_transmit(s, from, to, span_make(octets, 4));
}

/* ---- clients ---- */

static size_t
build_request(const struct request_rec *r, uint8_t out[OCTETS])
{
	uint8_t space[32];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	uint32_t token = r->number;
	struct coap_head h = { r->type, r->code, r->mid,
		span_make(&token, sizeof(token)) };
	char origin[16], text[16];

	snprintf(origin, sizeof(origin), "o%u", r->origin + 1);
	snprintf(text, sizeof(text), "%u", r->number);
	coap_put_opt(&o, COAP_OPT_URI_PATH, span_str(origin));
	coap_put_opt(&o, COAP_OPT_URI_PATH, span_str(text));
	return coap_emit(out, OCTETS, &h, writer_span(&w),
	    coap_code_has_payload(r->code) ? span_str(text) : SPAN_LIT(""));
}

static void
client_ask(struct sim *s, struct client_rec *c, struct request_rec *r)
{
	static const uint8_t methods[] = { COAP_GET, COAP_PUT, COAP_POST,
		COAP_DELETE, COAP_FETCH, COAP_PATCH };
	uint8_t octets[OCTETS];
	size_t n;

	r->client = c->number;
	r->origin = (unsigned)rand_below(&s->rnd, s->conf->origins);
	r->mid = ++c->mid;
	r->type = rand_below(&s->rnd, 4) != 0 ? COAP_CON : COAP_NON;
	r->code = methods[rand_below(&s->rnd, sizeof(methods))];
	c->recent[r->mid % RECENT] = r->number;
	n = build_request(r, octets);
	sim_repeat(s, &r->ask, &c->addr, &s->proxy, span_make(octets, n),
	    r->type == COAP_CON ? COPIES : 1);
}

void
client_fire(struct timer *t, uint64_t now)
{
	struct client_rec *c = CONTAINER_OF(t, struct client_rec, next);
	struct sim *s = c->sim;
	struct request_rec *r;
	uint64_t when = now;

	if (s->nrequests == s->conf->exchanges)
		return;
	r = sim_begin(s, &when);
	if (r != NULL)
		client_ask(s, c, r);
	timer_start(&s->world.timers, t,
	    when + rand_below(&s->rnd, s->conf->gap));
}

/* Whether the client of R still waits, or would know the answer again. */
static bool
wanted(const struct request_rec *r)
{
	return r->answered || r->type == COAP_NON || !r->ask.vain;
}

static void
client_answer(struct sim *s, const struct client_rec *c,
    const struct coap_msg *m)
{
	struct request_rec *r = sim_by_token(s, m->token);
	bool known = r != NULL && r->client == c->number;

	if (!known)
		s->result->mixed++;
	if (!known || !wanted(r)) {
		if (known)
			r->reset = true;
		if (m->type == COAP_CON)
			send_empty(s, &c->addr, &s->proxy, COAP_RST, m->mid);
		return;
	}
	if (m->type == COAP_CON)
		send_empty(s, &c->addr, &s->proxy, COAP_ACK, m->mid);
	timer_stop(&r->ask.timer);
	if (!r->answered)
		oracle_answered(s, r, m);
}

static void
client_empty(struct sim *s, const struct client_rec *c,
    const struct coap_msg *m)
{
	struct request_rec *r = sim_request(s, c->recent[m->mid % RECENT]);

	if (m->type != COAP_ACK || r == NULL || r->client != c->number ||
	    r->mid != m->mid) {
		s->result->mixed++;
		return;
	}
	/* Too late for one that has given up. */
	timer_stop(&r->ask.timer);
}

void
client_input(struct sim *s, struct client_rec *c, struct span octets)
{
	struct coap_msg m;

	if (coap_parse(&m, octets) != COAP_PARSE_OK)
		s->result->mixed++;
	else if (coap_code_kind(m.code) == COAP_KIND_RESPONSE)
		client_answer(s, c, &m);
	else
		client_empty(s, c, &m);
}

/* ---- origins ---- */

/* How to answer a request. */
enum how {
	HOW_ACK,		/* in the ACK; to a CON only */
	HOW_NON,
	HOW_CON,		/* no ACK before it */
	HOW_LATER_CON,		/* ACK now, CON later */
	HOW_LATER_NON,		/* only the separate origin: if it is lost, it
				 * is lost */
};

static enum how
choose(struct sim *s, const struct request_rec *r, uint8_t type)
{
	if (s->conf->separate == r->origin + 1)
		return HOW_LATER_CON + (unsigned)rand_below(&s->rnd, 2);
	if (type == COAP_NON)
		return HOW_NON + (unsigned)rand_below(&s->rnd, 2);
	return (unsigned)rand_below(&s->rnd, HOW_LATER_NON);
}

/* Answers M, the first of its kind, AT an origin. */
static void
origin_answer(struct sim *s, struct request_rec *r, const struct addr *at,
    const struct coap_msg *m)
{
	enum how how = choose(s, r, m->type);
	bool con = how == HOW_CON || how == HOW_LATER_CON;
	struct coap_head h = {
		.type = con ? COAP_CON : COAP_NON,
		.code = sim_success(m->code),
		.mid = (uint16_t)r->number,
		.token = m->token,
	};
	uint8_t own[OCTETS];

	if (how == HOW_ACK) {
		h.type = COAP_ACK;
		h.mid = m->mid;
	}
	if (how == HOW_ACK || how == HOW_NON) {
		r->nreply = message(r->reply, &h, r->number);
		return;
	}
	sim_repeat(s, &r->tell, at, &r->done_from,
	    span_make(own, message(own, &h, r->number)), con ? COPIES : 1);
	if (how < HOW_LATER_CON)
		return;
	timer_start(&s->world.timers, &r->tell.timer,
	    s->world.now + rand_below(&s->rnd, THINK_MS));
	if (m->type == COAP_NON)
		return;
	coap_emit_empty(r->reply, COAP_ACK, m->mid);
	r->nreply = 4;
}

/* Does what M asks for, unless it is a copy (RFC 7252 4.5). */
static void
origin_request(struct sim *s, const struct addr *at, const struct addr *from,
    const struct coap_msg *m)
{
	struct request_rec *r = sim_by_path(s, m);
	uint64_t said;

	if (r == NULL || m->code != r->code ||
	    (coap_code_has_payload(r->code) &&
		(!parse_u64(m->payload, &said) || said != r->number))) {
		s->result->mixed++;
		return;
	}
	if (r->done == 0 || r->done_mid != m->mid ||
	    !addr_eq(&r->done_from, from)) {
		if (r->done++ == 1 &&
		    (s->conf->refusals != REFUSE_TABLES ||
			!coap_method_idempotent(r->code)))
			s->result->twice++;
		r->done_mid = m->mid;
		r->done_from = *from;
		r->nreply = 0;
		if (s->conf->silent != r->origin + 1)
			origin_answer(s, r, at, m);
	}
	if (r->nreply > 0)
		sim_transmit(s, at, from, span_make(r->reply, r->nreply));
}

/* The end of a message of its own, the one with Message ID MID. */
static void
origin_heard(struct sim *s, const struct addr *at, uint16_t mid)
{
	struct request_rec *r = &s->ring[mid];

	if (r->used && r->origin + 1 == at->ip[3])
		timer_stop(&r->tell.timer);
}

void
origin_input(struct sim *s, const struct addr *at, const struct addr *from,
    struct span octets)
{
	struct coap_msg m;

	if (coap_parse(&m, octets) != COAP_PARSE_OK)
		s->result->mixed++;
	else if (coap_code_kind(m.code) == COAP_KIND_REQUEST)
		origin_request(s, at, from, &m);
	else
		origin_heard(s, at, m.mid);
}
