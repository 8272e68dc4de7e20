/*
 * datagram: what comes in is told apart and matched; what goes out gets its
 * type, Message ID and token.
 *
 * The four types of message split in two: CON and NON begin something and are
 * looked up among the messages received; ACK and RST end something and are
 * looked up among the messages sent, and are never answered (MSG-23).
 */
#include "msg/datagram.h"

#include <stdlib.h>

struct dgram {
	const struct dgram_ops *ops;
	void *user;
	const struct msg_params *params;
	struct timers *timers;
	struct buf_pool *bufs;
	struct rand *rnd;
	struct siphash_key digest_key;
	struct peers peers;
	struct received_table received;
	struct timer expiry;	/* of the oldest received message */
	struct table sent;	/* struct sent by (peer, mid) */
	struct table tokens;	/* struct exchange by token */
	struct pool sent_pool, exchange_pool;
	struct dgram_stats stats;
};

static void
expiry_arm(struct dgram *d)
{
	if (!timer_running(&d->expiry))
		timer_start(d->timers, &d->expiry,
		    received_next(&d->received));
}

static void
expiry_fire(struct timer *t, uint64_t now)
{
	struct dgram *d = CONTAINER_OF(t, struct dgram, expiry);

	received_expire(&d->received, now);
	expiry_arm(d);
}

struct dgram *
dgram_new(const struct dgram_ops *ops, void *user,
    const struct msg_params *params, struct timers *timers,
    struct buf_pool *bufs, struct rand *rnd)
{
	struct dgram *d = calloc(1, sizeof(*d));
	size_t max = params->max_exchanges;

	if (d == NULL)
		return NULL;
	d->ops = ops;
	d->user = user;
	d->params = params;
	d->timers = timers;
	d->bufs = bufs;
	d->rnd = rnd;
	d->digest_key = rand_key(rnd);
	timer_init(&d->expiry, expiry_fire);
	pool_init(&d->sent_pool, sizeof(struct sent), max);
	pool_init(&d->exchange_pool, sizeof(struct exchange), max);
	/* Every peer in use has a record or a message out, so with more peers
	 * than these there is always an idle one to forget. */
	if (!peers_init(&d->peers, 2 * max + 1024, rnd))
		goto err0;
	if (!received_init(&d->received, max))
		goto err1;
	if (!table_init(&d->sent, 256))
		goto err2;
	if (!table_init(&d->tokens, 256))
		goto err3;
	return d;
err3:
	table_fini(&d->sent);
err2:
	received_fini(&d->received);
err1:
	peers_fini(&d->peers);
err0:
	free(d);
	return NULL;
}

struct peers *
dgram_peers(struct dgram *d)
{
	return &d->peers;
}

const struct dgram_stats *
dgram_stats(const struct dgram *d)
{
	return &d->stats;
}

const struct received_stats *
dgram_received_stats(const struct dgram *d)
{
	return &d->received.stats;
}

size_t
dgram_received_count(const struct dgram *d)
{
	return d->received.table.count;
}

size_t
dgram_sent_count(const struct dgram *d)
{
	return d->sent.count;
}

/* ---- sending ---- */

static void
transmit(struct dgram *d, struct peer *p, struct buf *b)
{
	p->stats.tx_messages++;
	p->stats.tx_octets += b->len;
	p->stats.tx_octets_since_heard += b->len;
	d->ops->send(p, b);
}

/* An empty message; without a buffer it is as good as lost on the way. */
static void
transmit_empty(struct dgram *d, struct peer *p, uint8_t type, uint16_t mid)
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
	transmit(d, p, b);
	buf_unref(b);
}

static struct buf *
build(struct dgram *d, const struct coap_head *h, struct span opts,
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

static bool
next_mid(struct dgram *d, struct peer *p, uint16_t *mid, uint64_t now)
{
	if (mids_next(&p->mids, now, d->params->exchange_lifetime, mid))
		return true;
	d->stats.no_mid++;
	return false;
}

/* ---- messages sent: repetition and its end ---- */

static struct exchange *
exchange_of(struct sent *s)
{
	return CONTAINER_OF(s, struct exchange, sent);
}

/* Takes S out of every table; nothing finds it any more. */
static void
sent_unlink(struct dgram *d, struct sent *s)
{
	timer_stop(&s->timer);
	table_remove(&d->sent, &s->node);
	if (s->request)
		table_remove(&d->tokens, &exchange_of(s)->node);
}

/* Frees S after sent_unlink(). */
static void
sent_free(struct dgram *d, struct sent *s)
{
	buf_unref(s->buf);
	peer_unref(s->peer);
	if (s->request)
		pool_put(&d->exchange_pool, exchange_of(s));
	else
		pool_put(&d->sent_pool, s);
}

static void
sent_failed(struct dgram *d, struct sent *s, enum dgram_fail why, uint64_t now)
{
	sent_unlink(d, s);
	if (s->request)
		d->ops->failed(d->user, exchange_of(s), why, now);
	sent_free(d, s);
}

static void
sent_fire(struct timer *t, uint64_t now)
{
	struct sent *s = CONTAINER_OF(t, struct sent, timer);
	struct dgram *d = s->dgram;
	uint64_t next;

	switch (sent_due(s, d->params, now, &next)) {
	case SENT_COPY:
		d->stats.retransmissions++;
		transmit(d, s->peer, s->buf);
		timer_start(d->timers, t, next);
		return;
	case SENT_WAIT:
		timer_start(d->timers, t, next);
		return;
	case SENT_GIVE_UP:
		d->stats.timeouts++;
		sent_failed(d, s, DGRAM_TIMEOUT, now);
		return;
	}
}

/* Puts S, just transmitted, into the table; a CON will be repeated. */
static void
sent_start(struct dgram *d, struct sent *s, uint64_t now)
{
	s->dgram = d;
	timer_init(&s->timer, sent_fire);
	table_insert(&d->sent, &s->node, peer_mid_hash(s->peer, s->mid));
	if (s->type != COAP_CON)
		return;
	s->timeout = sent_first_timeout(d->params, d->rnd);
	timer_start(d->timers, &s->timer, now + s->timeout);
}

static void
heard(struct peer *p, uint64_t now)
{
	p->stats.last_heard = now;
	p->stats.tx_octets_since_heard = 0;
}

/* ---- requests of ours ---- */

static uint64_t
token_hash(const uint8_t token[8])
{
	uint64_t h;

	/* Ours are random: they are their own hash. */
	memcpy(&h, token, sizeof(h));
	return h;
}

/* The exchange with P that TOKEN belongs to, or NULL (MSG-54). */
static struct exchange *
exchange_find(const struct dgram *d, const struct peer *p, struct span token)
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

struct exchange *
dgram_request(struct dgram *d, struct peer *p, const struct dgram_out *out,
    void *user, enum dgram_refusal *why, uint64_t now)
{
	struct coap_head h = { .type = out->type, .code = out->code };
	struct exchange *x;
	struct buf *b;

	*why = DGRAM_TOO_LARGE;
	if (coap_emit_bound(sizeof(x->token), out->opts.n, out->payload.n) >
	    BUF_LARGE)
		return NULL;
	*why = DGRAM_FULL;
	x = buf_pool_low(d->bufs) ? NULL : pool_get(&d->exchange_pool);
	if (x == NULL) {
		d->stats.full++;
		return NULL;
	}
	token_make(d, x->token);
	h.token = span_make(x->token, sizeof(x->token));
	b = build(d, &h, out->opts, out->payload);
	if (b == NULL)
		goto err0;
	*why = DGRAM_NO_MID;
	if (!next_mid(d, p, &h.mid, now))
		goto err1;
	coap_set_mid(b->data, h.mid);
	x->user = user;
	x->sent.request = true;
	sent_init(&x->sent, p, h.mid, out->type, b, now);
	table_insert(&d->tokens, &x->node, token_hash(x->token));
	sent_start(d, &x->sent, now);
	transmit(d, p, b);
	buf_unref(b);
	return x;
err1:
	buf_unref(b);
err0:
	pool_put(&d->exchange_pool, x);
	return NULL;
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
	sent_unlink(d, &x->sent);
	sent_free(d, &x->sent);
}

/* X ends with M; true when M could be processed. Class 3 has no code assigned
 * and never will be an answer (MSG-21). */
static bool
exchange_end(struct dgram *d, struct exchange *x, const struct coap_msg *m,
    uint64_t now)
{
	bool ok = false;

	heard(x->sent.peer, now);
	sent_unlink(d, &x->sent);
	if (coap_code_class(m->code) == 3)
		d->ops->failed(d->user, x, DGRAM_BAD_RESPONSE, now);
	else
		ok = d->ops->response(d->user, x, m, now);
	sent_free(d, &x->sent);
	return ok;
}

/* ---- answering ---- */

static void
ack_fire(struct timer *t, uint64_t now)
{
	struct received *r = CONTAINER_OF(t, struct received, timer);

	(void)now;
	r->state = RECEIVED_ACKED;
	transmit_empty(r->dgram, r->peer, COAP_ACK, r->mid);
}

/* R has its answer, or never will. */
static void
received_end(struct dgram *d, struct received *r, enum received_answer answer,
    struct buf *b, uint64_t now)
{
	received_done(&d->received, r, answer, b, now,
	    d->params->exchange_lifetime);
	expiry_arm(d);
}

/* No answer could be made for R. A repetition of an idempotent request may try
 * again; another only learns that its request has arrived. */
static void
reply_lost(struct dgram *d, struct received *r, uint64_t now)
{
	if (r->idempotent && r->state == RECEIVED_OPEN)
		received_drop(&d->received, r);
	else
		received_end(d, r,
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
	sent_init(s, p, mid, COAP_CON, b, now);
	sent_start(d, s, now);
	return true;
}

/* OUT under H; what does not fit a datagram of ours with the client's token is
 * an answer that cannot be passed on. */
static struct buf *
build_reply(struct dgram *d, struct coap_head *h, const struct dgram_out *out)
{
	if (coap_emit_bound(h->token.n, out->opts.n, out->payload.n) <=
	    BUF_LARGE)
		return build(d, h, out->opts, out->payload);
	h->code = COAP_502;
	return build(d, h, SPAN_LIT(""), SPAN_LIT(""));
}

bool
dgram_reply(struct dgram *d, struct received *r, const struct dgram_out *out,
    struct span token, uint64_t now)
{
	bool piggyback = r->type == COAP_CON && r->state == RECEIVED_OPEN;
	struct coap_head h = {
		.type = piggyback ? COAP_ACK : r->type,
		.code = out->code,
		.mid = r->mid,
		.token = token,
	};
	struct buf *b;

	if (!piggyback && !next_mid(d, r->peer, &h.mid, now))
		goto lost;
	b = build_reply(d, &h, out);
	if (b == NULL)
		goto lost;
	if (h.type == COAP_CON && !reply_separately(d, r->peer, h.mid, b, now))
		goto lost_buf;
	transmit(d, r->peer, b);
	if (piggyback)
		received_end(d, r, ANSWER_BUF, b, now);
	else
		received_end(d, r,
		    r->type == COAP_CON ? ANSWER_ACK : ANSWER_NONE, NULL, now);
	buf_unref(b);
	return true;
lost_buf:
	buf_unref(b);
lost:
	reply_lost(d, r, now);
	return false;
}

void
dgram_harmless(struct dgram *d, struct received *r)
{
	received_harmless(&d->received, r);
}

void
dgram_forget(struct dgram *d, struct received *r)
{
	received_drop(&d->received, r);
}

/* Answers the request M with CODE and OPTS without a record of it. */
static void
refuse(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint8_t code, struct span opts, uint64_t now)
{
	struct coap_head h = {
		.type = m->type == COAP_CON ? COAP_ACK : COAP_NON,
		.code = code,
		.mid = m->mid,
		.token = m->token,
	};
	struct buf *b;

	if (m->type == COAP_NON && !next_mid(d, p, &h.mid, now))
		return;
	b = build(d, &h, opts, SPAN_LIT(""));
	if (b == NULL)
		return;
	transmit(d, p, b);
	buf_unref(b);
}

/* There is no room to remember M (MSG-66). */
static void
refuse_full(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	/* Max-Age 5 */
	refuse(d, p, m, COAP_503, SPAN_LIT("\xd1\x01\x05"), now);
}

/* ---- receiving ---- */

static void
reject(struct dgram *d, struct peer *p, const struct coap_msg *m)
{
	/* Silence for NON: less reflection (MSG-24, MSG-25, MSG-58). */
	if (m->type == COAP_CON)
		transmit_empty(d, p, COAP_RST, m->mid);
}

/* Tells a copy what the first one was told (MSG-61, MSG-62, MSG-63). */
static void
duplicate(struct dgram *d, struct received *r)
{
	r->copies++;
	d->received.stats.duplicates++;
	if (r->type != COAP_CON)
		return;
	if (r->state == RECEIVED_REPLIED && r->answer == ANSWER_BUF) {
		transmit(d, r->peer, r->buf);
		return;
	}
	if (r->state == RECEIVED_REPLIED && r->answer == ANSWER_RST) {
		transmit_empty(d, r->peer, COAP_RST, r->mid);
		return;
	}
	if (r->state == RECEIVED_OPEN) {
		r->state = RECEIVED_ACKED;
		timer_stop(&r->timer);
	}
	transmit_empty(d, r->peer, COAP_ACK, r->mid);
}

/* The record of a message seen before, or NULL. The same ID over other octets
 * is no copy: a node that has restarted, or another one behind the same
 * address (MSG-91). */
static struct received *
seen(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t digest)
{
	struct received *r = received_find(&d->received, p, m->mid);

	if (r == NULL || r->digest == digest)
		return r;
	if (r->state == RECEIVED_REPLIED)
		received_drop(&d->received, r);
	else
		received_orphan(&d->received, r);
	return NULL;
}

static struct received *
remember(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t digest)
{
	struct received *r = received_add(&d->received, p, m->mid,
	    coap_code_kind(m->code) != COAP_KIND_REQUEST ||
		coap_method_idempotent(m->code));

	if (r == NULL)
		return NULL;
	r->dgram = d;
	r->digest = digest;
	r->type = m->type;
	timer_init(&r->timer, ack_fire);
	return r;
}

static void
input_request(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t digest, uint64_t now)
{
	struct received *r;

	if (d->ops->request == NULL) {
		d->stats.rx_unexpected++;
		reject(d, p, m);
		return;
	}
	r = remember(d, p, m, digest);
	if (r == NULL) {
		refuse_full(d, p, m, now);
		return;
	}
	if (m->type == COAP_CON)
		timer_start(d->timers, &r->timer,
		    now + d->params->empty_ack_delay);
	d->ops->request(d->user, r, m, now);
}

/* A response in a CON or NON of its own. */
static void
input_separate(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t digest, uint64_t now)
{
	struct exchange *x = exchange_find(d, p, m->token);
	struct received *r;
	bool ok;

	if (x == NULL) {
		d->stats.rx_unexpected++;
		reject(d, p, m);
		return;
	}
	ok = exchange_end(d, x, m, now);
	if (m->type != COAP_CON)
		return;
	transmit_empty(d, p, ok ? COAP_ACK : COAP_RST, m->mid);
	r = remember(d, p, m, digest);
	if (r != NULL)
		received_end(d, r, ok ? ANSWER_ACK : ANSWER_RST, NULL, now);
}

/* CON and NON. */
static void
input_begin(struct dgram *d, struct peer *p, const struct coap_msg *m,
    struct span datagram, uint64_t now)
{
	enum coap_kind kind = coap_code_kind(m->code);
	struct received *r;
	uint64_t digest;

	if (kind == COAP_KIND_EMPTY || kind == COAP_KIND_RESERVED) {
		if (m->type == COAP_CON && kind == COAP_KIND_EMPTY)
			d->stats.rx_pings++;
		reject(d, p, m);
		return;
	}
	digest = siphash(&d->digest_key, datagram);
	r = seen(d, p, m, digest);
	if (r != NULL)
		duplicate(d, r);
	else if (kind == COAP_KIND_REQUEST)
		input_request(d, p, m, digest, now);
	else
		input_separate(d, p, m, digest, now);
}

static void
input_ack(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	struct sent *s = sent_find(&d->sent, p, m->mid);
	enum coap_kind kind = coap_code_kind(m->code);

	if (s == NULL || s->type != COAP_CON) {
		d->stats.rx_unexpected++;
		return;
	}
	if (kind == COAP_KIND_REQUEST || kind == COAP_KIND_RESERVED)
		return;		/* MSG-22 */
	if (!s->request) {
		/* Whatever the ACK of a response carries (MSG-45). */
		heard(p, now);
		sent_unlink(d, s);
		sent_free(d, s);
		return;
	}
	if (kind == COAP_KIND_EMPTY) {
		heard(p, now);
		s->state = SENT_ACKED;
		timer_stop(&s->timer);
		return;
	}
	/* The right ID with the wrong token is dropped whole (MSG-55). */
	if (exchange_find(d, p, m->token) != exchange_of(s)) {
		d->stats.rx_unexpected++;
		return;
	}
	exchange_end(d, exchange_of(s), m, now);
}

static void
input_reset(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	struct sent *s = sent_find(&d->sent, p, m->mid);

	if (m->code != COAP_EMPTY)
		return;		/* MSG-22 */
	if (s == NULL) {
		d->stats.rx_unexpected++;
		return;
	}
	d->stats.rx_reset++;
	heard(p, now);
	sent_failed(d, s, DGRAM_RESET, now);
}

/* A message format error. One that is an answer, as far as it can be read,
 * ends the exchange it answers (PRX-38). */
static void
input_malformed(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	struct exchange *x = NULL;

	d->stats.rx_malformed++;
	if (m->token.p != NULL &&
	    coap_code_kind(m->code) == COAP_KIND_RESPONSE)
		x = exchange_find(d, p, m->token);
	if (x != NULL && m->type == COAP_ACK && x->sent.mid != m->mid)
		x = NULL;
	if (x != NULL && m->type != COAP_RST) {
		heard(p, now);
		sent_failed(d, &x->sent, DGRAM_BAD_RESPONSE, now);
	}
	reject(d, p, m);
}

/* M is the beginning of a message whose end is lost. */
static void
input_truncated(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	bool request = m->token.p != NULL && m->type <= COAP_NON &&
	    coap_code_kind(m->code) == COAP_KIND_REQUEST;

	d->stats.rx_truncated++;
	/* Size1 1024: what fits for certain (MSG-73). */
	if (request && d->ops->request != NULL)
		refuse(d, p, m, COAP_413, SPAN_LIT("\xd2\x2f\x04\x00"), now);
	else
		input_malformed(d, p, m, now);
}

void
dgram_input(struct dgram *d, struct peer *p, struct span datagram,
    bool truncated, uint64_t now)
{
	struct coap_msg m;
	enum coap_parse result;

	p->stats.rx_messages++;
	p->stats.rx_octets += datagram.n;
	result = coap_parse(&m, datagram);
	if (result == COAP_PARSE_IGNORE) {
		d->stats.rx_ignored++;
		return;
	}
	if (truncated) {
		input_truncated(d, p, &m, now);
		return;
	}
	if (result == COAP_PARSE_BAD) {
		input_malformed(d, p, &m, now);
		return;
	}
	switch (m.type) {
	case COAP_ACK:
		input_ack(d, p, &m, now);
		return;
	case COAP_RST:
		input_reset(d, p, &m, now);
		return;
	default:
		input_begin(d, p, &m, datagram, now);
	}
}

/* ---- the end ---- */

static void
free_sent_node(struct table_node *n, void *arg)
{
	struct dgram *d = arg;
	struct sent *s = CONTAINER_OF(n, struct sent, node);

	sent_unlink(d, s);
	sent_free(d, s);
}

void
dgram_free(struct dgram *d)
{
	if (d == NULL)
		return;
	timer_stop(&d->expiry);
	table_each(&d->sent, free_sent_node, d);
	table_fini(&d->sent);
	table_fini(&d->tokens);
	received_fini(&d->received);
	peers_fini(&d->peers);
	pool_fini(&d->sent_pool);
	pool_fini(&d->exchange_pool);
	free(d);
}
