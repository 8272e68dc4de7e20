/*
 * oracle: what the proxy may send, and what must have become of a request.
 *
 * It watches the datagrams at the proxy itself: before the network loses
 * what the proxy sends, and after it has lost what is for the proxy.
 */
#include "base/parse.h"
#include "sim.h"

uint8_t
sim_success(uint8_t method)
{
	switch (method) {
	case COAP_GET:
	case COAP_FETCH:
		return COAP_205;
	case COAP_POST:
		return COAP_201;
	case COAP_DELETE:
		return COAP_202;
	default:
		return COAP_204;
	}
}

/* ---- answers to clients ---- */

static bool
refusal_is_right(const struct sim *s, const struct request_rec *r,
    const struct coap_msg *m)
{
	switch (s->conf->refusals) {
	case REFUSE_NEVER:
		return false;
	case REFUSE_QUEUE:
		return !r->up && coap_has(m, COAP_OPT_MAX_AGE);
	case REFUSE_TABLES:
		return true;
	}
	return false;
}

static void
judge(struct sim *s, const struct request_rec *r, const struct coap_msg *m)
{
	uint64_t said;

	if (m->code == COAP_503)
		s->result->failed += !refusal_is_right(s, r, m);
	else if (m->code == COAP_504)
		s->result->hasty += r->heard;
	else if (coap_code_class(m->code) != 2)
		s->result->failed++;
	else if (m->code != sim_success(r->code) ||
	    !parse_u64(m->payload, &said) || said != r->number)
		s->result->mixed++;
}

/* What copies of one message have in common: all but Max-Age, which grows less
 * from copy to copy (RFC 7252 5.10.5). */
static uint64_t
told_hash(const struct sim *s, const struct packet *p,
    const struct coap_msg *m)
{
	uint8_t octets[BUF_LARGE];
	struct span age;

	memcpy(octets, p->octets, p->n);
	if (coap_get(m, COAP_OPT_MAX_AGE, &age))
		memset(octets + (age.p - p->octets), 0, age.n);
	return siphash(&s->key, span_make(octets, p->n));
}

static void
answer_sent(struct sim *s, const struct packet *p, const struct coap_msg *m)
{
	struct request_rec *r = sim_by_token(s, m->token);
	uint64_t hash = told_hash(s, p, m);

	if (r == NULL || !addr_eq(&p->to, &s->clients[r->client].addr) ||
	    !r->came || (m->type == COAP_ACK && m->mid != r->mid)) {
		s->result->mixed++;
		return;
	}
	if (r->told++ > 0) {
		s->result->again += hash != r->told_hash;
		return;
	}
	r->told_type = m->type;
	r->told_code = m->code;
	r->told_hash = hash;
	judge(s, r, m);
}

/* ---- requests to origins ---- */

static void
note_mid(struct sim *s, const struct packet *p, const struct request_rec *r,
    uint16_t mid)
{
	struct mid_use *u = &s->mids[r->origin][mid];

	if (u->at > 0 && u->port == p->from.port && u->number != r->number &&
	    p->at - u->at < LIFETIME_MS)
		s->result->reused++;
	*u = (struct mid_use){ p->at, r->number, p->from.port };
}

static void
request_sent(struct sim *s, const struct packet *p, const struct coap_msg *m)
{
	struct request_rec *r = sim_by_path(s, m);

	if (r == NULL || !r->came || p->to.ip[3] != r->origin + 1) {
		s->result->mixed++;
		return;
	}
	r->up = true;
	note_mid(s, p, r, m->mid);
}

void
oracle_sent(struct sim *s, const struct packet *p)
{
	struct coap_msg m;

	if (coap_parse(&m, span_make(p->octets, p->n)) != COAP_PARSE_OK) {
		s->result->mixed++;
		return;
	}
	switch (coap_code_kind(m.code)) {
	case COAP_KIND_REQUEST:
		request_sent(s, p, &m);
		break;
	case COAP_KIND_RESPONSE:
		answer_sent(s, p, &m);
		break;
	case COAP_KIND_EMPTY:
	case COAP_KIND_RESERVED:
		break;
	}
}

/* ---- what comes to the proxy ---- */

void
oracle_comes(struct sim *s, struct span octets)
{
	struct request_rec *r = NULL;
	struct coap_msg m;
	uint64_t said;

	if (coap_parse(&m, octets) != COAP_PARSE_OK)
		return;
	if (coap_code_kind(m.code) == COAP_KIND_REQUEST) {
		r = sim_by_token(s, m.token);
		if (r != NULL)
			r->came = true;
	} else if (coap_code_kind(m.code) == COAP_KIND_RESPONSE &&
	    parse_u64(m.payload, &said)) {
		r = sim_request(s, said);
		if (r != NULL)
			r->heard = true;
	}
}

/* ---- ends ---- */

void
oracle_answered(struct sim *s, struct request_rec *r,
    const struct coap_msg *m)
{
	struct lossy_result *out = s->result;

	r->answered = true;
	out->refused += m->code == COAP_503;
	out->timed_out += m->code == COAP_504;
	if (coap_code_class(m->code) != 2)
		return;
	out->answered++;
	out->confirmed += r->type == COAP_CON;
}

void
oracle_over(struct sim *s, struct request_rec *r)
{
	struct lossy_result *out = s->result;

	timer_stop(&r->ask.timer);
	timer_stop(&r->tell.timer);
	r->used = false;
	out->exchanges++;
	out->confirmable += r->type == COAP_CON;
	if (r->answered)
		return;
	out->given_up++;
	out->given_up_con += r->type == COAP_CON;
	/* The network must have lost every copy of the request, or every copy
	 * of the answer, which a CON has COPIES of. */
	if (r->came && r->told == 0)
		out->unanswered++;
	else if (r->told > 0 && r->told_type == COAP_CON && !r->reset &&
	    r->told < COPIES)
		out->unanswered++;
}
