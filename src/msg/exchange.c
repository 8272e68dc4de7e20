/*
 * exchange: messages of ours, how they are repeated, and how they end.
 */
#include "msg/core.h"

#include <assert.h>

void
dgram_transmit(struct dgram *d, struct peer *p, struct buf *b)
{
	p->stats.tx_messages++;
	p->stats.tx_octets += b->len;
	p->stats.tx_octets_since_heard += b->len;
	d->ops->send(p, b);
}

void
dgram_transmit_empty(struct dgram *d, struct peer *p, uint8_t type,
    uint16_t mid)
{
	struct buf *b = buf_get(d->bufs, 4);

	if (b == NULL) {
		d->stats.full++;
		return;
	}
	coap_emit_empty(b->data, type, mid);
	b->len = 4;
	if (type == COAP_RST)
		d->stats.tx_reset++;
	else
		d->stats.empty_acks++;
	dgram_transmit(d, p, b);
	buf_unref(b);
}

struct buf *
dgram_build(struct dgram *d, const struct coap_head *h, struct span opts,
    struct span payload)
{
	struct buf *b = buf_get(d->bufs,
	    coap_emit_bound(h->token.n, opts.n, payload.n));

	if (b == NULL) {
		d->stats.full++;
		return NULL;
	}
	b->len = (uint16_t)coap_emit(b->data, b->cap, h, opts, payload);
	return b;
}

bool
dgram_next_mid(struct dgram *d, struct peer *p, uint16_t *mid, uint64_t now)
{
	if (mids_next(&p->mids, now, dgram_lease(d, now), mid))
		return true;
	d->stats.no_mid++;
	return false;
}

/* S is under way no longer: its Message ID means nothing any more. */
static void
unsend(struct dgram *d, struct sent *s)
{
	timer_stop(&s->timer);
	if (s->state != SENT_NEW)
		table_remove(&d->sent, &s->node);
	s->state = SENT_NEW;
}

void
dgram_unlink(struct dgram *d, struct sent *s)
{
	unsend(d, s);
	if (s->request)
		table_remove(&d->tokens, &exchange_of(s)->node);
}

void
dgram_sent_free(struct dgram *d, struct sent *s)
{
	struct peer *p = s->peer;

	buf_unref(s->buf);
	if (s->request) {
		if (p != NULL)
			peer_unref(p);
		pool_put(&d->exchange_pool, exchange_of(s));
		return;
	}
	assert(p != NULL);
	p->separate--;
	peer_unref(p);
	pool_put(&d->sent_pool, s);
}

void
dgram_sent_failed(struct dgram *d, struct sent *s, enum dgram_fail why,
    uint64_t now)
{
	struct peer *p = s->request ? NULL : s->peer;

	dgram_unlink(d, s);
	if (p == NULL)
		d->ops->failed(d->user, exchange_of(s), why, now);
	else if (p->notes != NULL)
		dgram_notes_answer_lost(d, s, why, now);
	dgram_sent_free(d, s);
	if (p != NULL && p->notes != NULL)
		dgram_notes_wake(d, p, now);
}

void
dgram_age(struct buf *b, uint32_t elapsed, uint32_t *aged)
{
	struct coap_msg m;
	struct span v;
	uint32_t left, more = elapsed - *aged;
	uint8_t *at;

	if (coap_parse(&m, buf_span(b)) != COAP_PARSE_OK ||
	    !coap_get(&m, COAP_OPT_MAX_AGE, &v))
		return;
	*aged = elapsed;
	/* Its length stays, so that nothing behind it moves. */
	at = b->data + (v.p - b->data);
	left = coap_uint(v);
	left -= left < more ? left : more;
	for (size_t k = v.n; k-- > 0; left >>= 8)
		at[k] = (uint8_t)left;
}

/* Chance takes effect only now that S is not acknowledged within ACK_TIMEOUT,
 * as nearly all are. Whether its time-out is yet to come. */
static bool
sent_is_early(struct dgram *d, struct sent *s, uint64_t now)
{
	if (s->timeout != 0)
		return false;
	s->timeout = sent_first_timeout(timing_at(&d->timings, s->timing),
	    d->rnd);
	if (now >= s->first + s->timeout)
		return false;
	timer_start(d->timers, &s->timer, s->first + s->timeout);
	return true;
}

static void
sent_fire(struct timer *t, uint64_t now)
{
	struct sent *s = CONTAINER_OF(t, struct sent, timer);
	struct dgram *d = s->dgram;
	uint64_t next;

	if (sent_is_early(d, s, now))
		return;
	switch (sent_due(s, timing_at(&d->timings, s->timing), now, &next)) {
	case SENT_COPY:
		d->stats.retransmissions++;
		s->peer->stats.retransmissions++;
		if (s->request)
			d->ops->progress(d->user, exchange_of(s),
			    DGRAM_REPEATED, now);
		else
			dgram_age(s->buf, (uint32_t)((now - s->first + 999) /
				      1000), &s->aged);
		dgram_transmit(d, s->peer, s->buf);
		timer_start(d->timers, t, next);
		return;
	case SENT_WAIT:
		timer_start(d->timers, t, next);
		return;
	case SENT_GIVE_UP:
		d->stats.timeouts++;
		dgram_sent_failed(d, s, DGRAM_TIMEOUT, now);
		return;
	}
}

void
dgram_sent_start(struct dgram *d, struct sent *s, uint64_t now)
{
	table_insert(&d->sent, &s->node, peer_mid_hash(s->peer, s->mid));
	if (s->type != COAP_CON)
		return;
	s->timing = d->timings.now;
	timer_line_start(&d->fresh, &s->timer, now + d->params->ack_timeout);
}

void
dgram_sent_init(struct dgram *d, struct sent *s, uint8_t type, struct buf *b)
{
	timer_init(&s->timer, sent_fire);
	s->dgram = d;
	s->peer = NULL;
	s->buf = buf_ref(b);
	s->type = type;
	s->state = SENT_NEW;
}

static uint64_t
token_hash(const uint8_t token[8])
{
	uint64_t h;

	/* Ours are random: they are their own hash. */
	memcpy(&h, token, sizeof(h));
	return h;
}

struct exchange *
dgram_exchange(const struct dgram *d, const struct peer *p, struct span token)
{
	struct table_node *n;

	if (token.n != 8)
		return NULL;
	for (n = table_find(&d->tokens, token_hash(token.p)); n != NULL;
	     n = table_find_next(n)) {
		struct exchange *x = CONTAINER_OF(n, struct exchange, node);

		if (x->sent.peer == p)
			return x;
	}
	return NULL;
}

/* A token no exchange has (MSG-51, MSG-52). */
static void
token_make(struct dgram *d, uint8_t token[8])
{
	uint64_t v;

	do {
		v = rand_u64(d->rnd);
		memcpy(token, &v, sizeof(v));
	} while (table_find(&d->tokens, v) != NULL);
}

/* Octets of the buffer that OUT takes with a token of ours. */
static bool
fits(const struct dgram_out *out)
{
	return coap_emit_bound(sizeof(((struct exchange *)0)->token),
		   out->opts.n, out->payload.n) <= BUF_LARGE;
}

/* The datagram of X, as OUT says. Returns owned. */
static struct buf *
exchange_build(struct dgram *d, const struct exchange *x,
    const struct dgram_out *out)
{
	struct coap_head h = {
		.type = out->type,
		.code = out->code,
		.token = span_make(x->token, sizeof(x->token)),
	};

	return dgram_build(d, &h, out->opts, out->payload);
}

struct exchange *
dgram_prepare(struct dgram *d, const struct dgram_out *out, void *user,
    enum dgram_refusal *why)
{
	struct exchange *x;
	struct buf *b;

	*why = DGRAM_TOO_LARGE;
	if (!fits(out))
		return NULL;
	*why = DGRAM_FULL;
	x = buf_pool_low(d->bufs) ? NULL : pool_get(&d->exchange_pool);
	if (x == NULL) {
		d->stats.full++;
		return NULL;
	}
	token_make(d, x->token);
	b = exchange_build(d, x, out);
	if (b == NULL) {
		pool_put(&d->exchange_pool, x);
		return NULL;
	}
	/* Without effects (RFC 7252 5.1), so in whatever order. */
	b->loose = coap_method_safe(out->code) && !out->observe;
	x->user = user;
	x->observe = out->observe;
	x->lasting = false;
	x->sent.request = true;
	dgram_sent_init(d, &x->sent, out->type, b);
	table_insert(&d->tokens, &x->node, token_hash(x->token));
	buf_unref(b);
	return x;
}

bool
dgram_start(struct dgram *d, struct exchange *x, struct peer *p, uint64_t now)
{
	struct sent *s = &x->sent;
	uint16_t mid;

	assert(s->state == SENT_NEW && (s->peer == NULL || s->peer == p));
	if (!dgram_next_mid(d, p, &mid, now))
		return false;
	coap_set_mid(s->buf->data, mid);
	sent_first(s, p, mid, now);
	dgram_sent_start(d, s, now);
	dgram_transmit(d, p, s->buf);
	return true;
}

void
dgram_recall(struct dgram *d, struct exchange *x)
{
	struct sent *s = &x->sent;

	assert(!x->lasting);
	unsend(d, s);
	peer_unref(s->peer);
	s->peer = NULL;
}

bool
dgram_renew(struct dgram *d, struct exchange *x, const struct dgram_out *out,
    enum dgram_refusal *why)
{
	struct sent *s = &x->sent;
	struct buf *b = NULL;

	assert(x->lasting);
	*why = DGRAM_TOO_LARGE;
	if (!fits(out))
		return false;
	*why = DGRAM_FULL;
	if (buf_pool_low(d->bufs))
		d->stats.full++;
	else
		b = exchange_build(d, x, out);
	if (b == NULL)
		return false;
	unsend(d, s);
	buf_unref(s->buf);
	s->buf = b;
	s->type = out->type;
	x->observe = out->observe;
	return true;
}

/* Header and token tell one datagram from all others; routers need not quote
 * that much, and what they quote behind it may be padded (RFC 4884 5.1). */
struct exchange *
dgram_find_sent(const struct dgram *d, const struct peer *p,
    struct span quoted)
{
	size_t n = quoted.n < 12 ? quoted.n : 12;
	struct sent *s;

	if (n < 4)
		return NULL;
	s = sent_find(&d->sent, p,
	    (uint16_t)(quoted.p[2] << 8 | quoted.p[3]));
	if (s == NULL || !s->request || s->state == SENT_ACKED ||
	    !span_eq(span_make(s->buf->data, n), span_make(quoted.p, n)))
		return NULL;
	return exchange_of(s);
}

void
dgram_cancel(struct dgram *d, struct exchange *x)
{
	dgram_unlink(d, &x->sent);
	dgram_sent_free(d, &x->sent);
}

/* Whether there is more to come after M (RFC 7641 3.1, 3.2). A notification is
 * no answer to what ends the registration: it has crossed that. */
static bool
goes_on(const struct exchange *x, const struct coap_msg *m)
{
	if (coap_code_class(m->code) != 2 || !coap_has(m, COAP_OPT_OBSERVE))
		return false;
	return x->observe || (x->lasting &&
	    (x->sent.state == SENT_NEW || m->type != COAP_ACK));
}

bool
dgram_exchange_end(struct dgram *d, struct exchange *x,
    const struct coap_msg *m, uint64_t now)
{
	struct peer *p = x->sent.peer;
	bool ok = false;

	peer_heard(p, now);
	if (goes_on(x, m)) {
		if (!x->lasting || m->type == COAP_ACK ||
		    x->sent.type == COAP_NON || !dgram_under_way(x))
			unsend(d, &x->sent);
		x->lasting = true;
		/* X may be gone when this returns, P may not. */
		peer_ref(p);
		ok = d->ops->response(d->user, x, m, now);
		peer_unref(p);
		return ok;
	}
	x->lasting = false;
	dgram_unlink(d, &x->sent);
	/* Class 3 has no code assigned and never is an answer (MSG-21). */
	if (coap_code_class(m->code) == 3)
		d->ops->failed(d->user, x, DGRAM_BAD_RESPONSE, now);
	else
		ok = d->ops->response(d->user, x, m, now);
	dgram_sent_free(d, &x->sent);
	return ok;
}
