/*
 * reply: answers to messages received: piggybacked while that is possible, in a
 * message of their own once an empty ACK has gone out (RFC 7252 5.2).
 */
#include "msg/core.h"

void
dgram_ack_later(struct dgram *d, struct received *r, uint64_t now)
{
	uint64_t when = now + d->params->empty_ack_delay;

	received_ack_at(&d->received, r, when);
	/* One that runs is earlier, and looks further then. */
	if (!timer_running(&d->acks))
		timer_start(d->timers, &d->acks, when);
}

void
dgram_ack_fire(struct timer *t, uint64_t now)
{
	struct dgram *d = CONTAINER_OF(t, struct dgram, acks);
	struct received *r;
	uint64_t next;

	while ((r = received_ack_due(&d->received, now, &next)) != NULL)
		dgram_transmit_empty(d, r->peer, COAP_ACK, r->mid);
	timer_start(d->timers, t, next);
}

void
dgram_received_end(struct dgram *d, struct received *r,
    enum received_answer answer, struct buf *b, uint64_t now)
{
	received_done(&d->received, r, answer, b, now,
	    d->params->exchange_lifetime);
	dgram_expiry_arm(d);
}

/* No answer could be made for R. A repetition of an idempotent request may try
 * again; another only learns that its request has arrived. */
static void
reply_lost(struct dgram *d, struct received *r, uint64_t now)
{
	if (r->idempotent && r->state == RECEIVED_OPEN)
		received_drop(&d->received, r);
	else
		dgram_received_end(d, r,
		    r->type == COAP_CON ? ANSWER_ACK : ANSWER_NONE, NULL, now);
}

/* The answer in B is a CON of its own: it is repeated until acknowledged. */
static bool
reply_separately(struct dgram *d, struct peer *p, uint16_t mid, struct buf *b,
    uint64_t now)
{
	struct sent *s = pool_get(&d->sent_pool);

	if (s == NULL) {
		d->stats.full++;
		return false;
	}
	s->request = false;
	dgram_sent_init(d, s, COAP_CON, b);
	sent_first(s, p, mid, now);
	p->separate++;
	dgram_sent_start(d, s, now);
	return true;
}

void
dgram_suppress(struct dgram *d, struct received *r, uint64_t now)
{
	bool con = r->type == COAP_CON;

	if (con && r->state == RECEIVED_OPEN)
		dgram_transmit_empty(d, r->peer, COAP_ACK, r->mid);
	dgram_received_end(d, r, con ? ANSWER_ACK : ANSWER_NONE, NULL, now);
}

static bool
send_reply(struct dgram *d, struct received *r, const struct dgram_out *out,
    struct span token, uint64_t now)
{
	bool piggyback = r->type == COAP_CON && r->state == RECEIVED_OPEN;
	struct coap_head h = {
		.type = piggyback ? COAP_ACK : r->once ? COAP_NON : r->type,
		.code = out->code,
		.mid = r->mid,
		.token = token,
	};
	struct buf *b;

	if (!piggyback && !dgram_next_mid(d, r->peer, &h.mid, now))
		goto lost;
	b = dgram_build(d, &h, out->opts, out->payload);
	if (b == NULL)
		goto lost;
	if (h.type == COAP_CON && !reply_separately(d, r->peer, h.mid, b, now))
		goto lost_buf;
	dgram_transmit(d, r->peer, b);
	if (h.type == COAP_NON && r->peer->notes != NULL)
		dgram_notes_answered(d, r->peer, token, h.mid, now);
	if (piggyback)
		dgram_received_end(d, r, ANSWER_BUF, b, now);
	else
		dgram_received_end(d, r,
		    r->type == COAP_CON ? ANSWER_ACK : ANSWER_NONE, NULL, now);
	buf_unref(b);
	return true;
lost_buf:
	buf_unref(b);
lost:
	reply_lost(d, r, now);
	return false;
}

bool
dgram_reply(struct dgram *d, struct received *r, const struct dgram_out *out,
    struct span token, uint64_t now)
{
	static const struct dgram_out too_large = { .code = COAP_502 };

	if (coap_emit_bound(token.n, out->opts.n, out->payload.n) <= BUF_LARGE)
		return send_reply(d, r, out, token, now);
	/* With the client's token it does not fit a datagram of ours: an answer
	 * that cannot be passed on. */
	if (!coap_is_unwanted(out->unwanted, too_large.code))
		return send_reply(d, r, &too_large, token, now);
	dgram_suppress(d, r, now);
	return true;
}

void
dgram_harmless(struct dgram *d, struct received *r)
{
	received_harmless(&d->received, r);
}

void
dgram_once(struct received *r)
{
	r->once = true;
}

unsigned
dgram_sent_for(const struct received *r)
{
	return r->state == RECEIVED_OPEN ? 0 : 1;
}

void
dgram_forget(struct dgram *d, struct received *r)
{
	received_drop(&d->received, r);
}

void
dgram_refuse(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint8_t code, struct span opts, uint64_t now)
{
	struct coap_head h = {
		.type = m->type == COAP_CON ? COAP_ACK : COAP_NON,
		.code = code,
		.mid = m->mid,
		.token = m->token,
	};
	struct buf *b;

	if (coap_is_unwanted(coap_unwanted(m), code)) {
		if (m->type == COAP_CON)
			dgram_transmit_empty(d, p, COAP_ACK, m->mid);
		return;
	}
	if (m->type == COAP_NON && !dgram_next_mid(d, p, &h.mid, now))
		return;
	b = dgram_build(d, &h, opts, SPAN_LIT(""));
	if (b == NULL)
		return;
	dgram_transmit(d, p, b);
	buf_unref(b);
}
