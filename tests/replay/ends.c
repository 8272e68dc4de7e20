/*
 * ends: clients that ask and repeat, origins that answer in every way there is.
 */
#include <stdio.h>

#include "base/parse.h"
#include "sim.h"

static size_t
message(uint8_t out[OCTETS], uint8_t type, uint8_t code, uint16_t mid,
    struct span token, unsigned number)
{
	struct coap_head h = { type, code, mid, token };
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	return coap_emit(out, OCTETS, &h, SPAN_LIT(""), span_str(text));
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

static void
client_ask(struct sim *s, struct client_rec *c)
{
	static const uint8_t methods[] = { COAP_GET, COAP_POST, COAP_POST,
		COAP_PUT };
	unsigned number = s->nrequests++;
	struct request_rec *r = &s->requests[number];
	uint8_t space[64], octets[OCTETS], token[4];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { .mid = ++c->mid, .token = span_make(token, 4) };
	char origin[16], text[16];

	r->client = c->number;
	r->con = rand_below(&s->rnd, 4) != 0;
	r->mid = h.mid;
	h.type = r->con ? COAP_CON : COAP_NON;
	h.code = methods[rand_below(&s->rnd, sizeof(methods))];
	r->idempotent = coap_method_idempotent(h.code);
	memcpy(token, &number, sizeof(token));
	snprintf(origin, sizeof(origin), "o%u",
	    (unsigned)rand_below(&s->rnd, s->conf->origins) + 1);
	snprintf(text, sizeof(text), "%u", number);
	coap_put_opt(&o, COAP_OPT_URI_PATH, span_str(origin));
	coap_put_opt(&o, COAP_OPT_URI_PATH, span_str(text));
	sim_repeat(s, &r->ask, &c->addr, &s->proxy,
	    span_make(octets, coap_emit(octets, sizeof(octets), &h,
		writer_span(&w), SPAN_LIT(""))),
	    r->con ? COPIES : 1);
}

void
client_fire(struct timer *t, uint64_t now)
{
	struct client_rec *c = CONTAINER_OF(t, struct client_rec, next);
	struct sim *s = c->sim;

	client_ask(s, c);
	if (++c->begun < s->conf->requests)
		timer_start(&s->world.timers, t,
		    now + rand_below(&s->rnd, 8000));
}

static void
judge(struct sim *s, const struct request_rec *r, unsigned number,
    const struct coap_msg *m)
{
	uint64_t said;

	if (m->code == COAP_503 && s->conf->refusals)
		s->result->refused++;
	else if (coap_code_class(m->code) != 2)
		s->result->failed += r->con;
	else if (!parse_u64(m->payload, &said) || said != number)
		s->result->mixed++;
}

static void
client_answer(struct sim *s, const struct client_rec *c,
    const struct coap_msg *m, struct span octets)
{
	struct request_rec *r;
	unsigned number = UINT32_MAX;

	if (m->token.n == 4)
		memcpy(&number, m->token.p, 4);
	if (number >= s->nrequests || s->requests[number].client != c->number) {
		s->result->mixed++;
		return;
	}
	r = &s->requests[number];
	timer_stop(&r->ask.timer);
	if (r->answers++ == 0) {
		r->nanswer = octets.n;
		memcpy(r->answer, octets.p, octets.n);
		judge(s, r, number, m);
	} else if (!span_eq(octets, span_make(r->answer, r->nanswer))) {
		s->result->again++;
	}
}

void
client_input(struct sim *s, struct client_rec *c, struct span octets)
{
	struct coap_msg m;

	if (coap_parse(&m, octets) != COAP_PARSE_OK) {
		s->result->mixed++;
		return;
	}
	if (m.type == COAP_CON)
		send_empty(s, &c->addr, &s->proxy, COAP_ACK, m.mid);
	if (coap_code_kind(m.code) == COAP_KIND_RESPONSE) {
		client_answer(s, c, &m, octets);
		return;
	}
	for (unsigned i = 0; i < s->nrequests; i++)
		if (s->requests[i].client == c->number &&
		    s->requests[i].mid == m.mid)
			timer_stop(&s->requests[i].ask.timer);
}

/* ---- origins ---- */

static unsigned
request_number(const struct sim *s, const struct coap_msg *m)
{
	struct coap_opt_iter it;
	uint64_t number = UINT32_MAX;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_URI_PATH)
			parse_u64(it.value, &number);
	return number < s->nrequests ? (unsigned)number : UINT32_MAX;
}

/* Answers M, the first of its kind: in the ACK, in a NON, or in a CON with an
 * ACK before it or without. */
static void
origin_answer(struct sim *s, struct request_rec *r, const struct addr *at,
    const struct coap_msg *m, unsigned number)
{
	unsigned how = m->type == COAP_NON ? 1 + (unsigned)rand_below(&s->rnd,
	    2) * 2 : (unsigned)rand_below(&s->rnd, 4);
	uint8_t con[OCTETS];
	size_t n;

	switch (how) {
	case 0:
		r->nreply = message(r->reply, COAP_ACK, COAP_205, m->mid,
		    m->token, number);
		break;
	case 1:
		r->nreply = message(r->reply, COAP_NON, COAP_205,
		    (uint16_t)(number + 1), m->token, number);
		break;
	default:
		n = message(con, COAP_CON, COAP_205, (uint16_t)(number + 1),
		    m->token, number);
		sim_repeat(s, &r->tell, at, &r->done_from,
		    span_make(con, n), COPIES);
		/* At once, or later with an ACK before. */
		if (how == 2) {
			timer_start(&s->world.timers, &r->tell.timer,
			    s->world.now + rand_below(&s->rnd, 10000));
			coap_emit_empty(r->reply, COAP_ACK, m->mid);
			r->nreply = 4;
		}
	}
}

static void
origin_request(struct sim *s, const struct addr *at, const struct addr *from,
    const struct coap_msg *m)
{
	unsigned number = request_number(s, m);
	struct request_rec *r = &s->requests[number];

	if (number == UINT32_MAX) {
		s->result->mixed++;
		return;
	}
	if (r->done == 0 || r->done_mid != m->mid ||
	    !addr_eq(&r->done_from, from)) {
		if (r->done++ == 1 && (!r->idempotent || !s->conf->refusals))
			s->result->twice++;
		r->done_mid = m->mid;
		r->done_from = *from;
		origin_answer(s, r, at, m, number);
	}
	if (r->nreply > 0)
		sim_transmit(s, at, from, span_make(r->reply, r->nreply));
}

void
origin_input(struct sim *s, const struct addr *at, const struct addr *from,
    struct span octets)
{
	struct coap_msg m;

	if (coap_parse(&m, octets) != COAP_PARSE_OK) {
		s->result->mixed++;
		return;
	}
	if (coap_code_kind(m.code) == COAP_KIND_REQUEST)
		origin_request(s, at, from, &m);
	else if (m.mid > 0 && m.mid <= s->nrequests)
		timer_stop(&s->requests[m.mid - 1].tell.timer);
}
