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

#include "msg/core.h"

enum { ONCE_COPIES = 5 };	/* 1 + MAX_RETRANSMIT of RFC 7252 4.8 */

void
dgram_expiry_arm(struct dgram *d)
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
	dgram_expiry_arm(d);
}

/* Every peer in use has a record, a message out or an observer, so with more
 * peers than these there is always an idle one to forget. */
static size_t
max_peers(const struct msg_params *params)
{
	return 2 * (size_t)params->max_exchanges + params->max_observers + 1024;
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
	hash_key_init(&d->digest_key, rnd);
	timings_init(&d->timings, params);
	timer_init(&d->acks, dgram_ack_fire);
	timer_init(&d->expiry, expiry_fire);
	timer_line_init(&d->fresh, timers);
	pool_init(&d->sent_pool, sizeof(struct sent), max);
	pool_init(&d->exchange_pool, sizeof(struct exchange), max);
	dgram_notes_init(d);
	if (!peers_init(&d->peers, max_peers(params), rnd))
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

void
dgram_reload(struct dgram *d, uint64_t now)
{
	size_t max = d->params->max_exchanges;

	timings_change(&d->timings, d->params, now);
	pool_limit(&d->sent_pool, max);
	pool_limit(&d->exchange_pool, max);
	pool_limit(&d->notes_pool, d->params->max_observers);
	peers_limit(&d->peers, max_peers(d->params));
	received_limit(&d->received, max);
}

uint64_t
dgram_lifetime(struct dgram *d, uint64_t now)
{
	return timings_lifetime(&d->timings, now);
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
	return d->sent.count + d->note_cons;
}

/* ---- receiving ---- */

/* There is no room to remember M (MSG-66). */
static void
refuse_full(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	/* Max-Age 5 */
	dgram_refuse(d, p, m, COAP_503, SPAN_LIT("\xd1\x01\x05"), now);
}

static void
reject(struct dgram *d, struct peer *p, const struct coap_msg *m)
{
	/* Silence for NON: less reflection (MSG-24, MSG-25, MSG-58). */
	if (m->type == COAP_CON)
		dgram_transmit_empty(d, p, COAP_RST, m->mid);
}

static void
age_answer(struct received *r, uint64_t now)
{
	/* When it was answered is known to the second; at once it has not grown
	 * older, so the latest of them counts. */
	uint64_t first = r->life == UINT16_MAX ? 0 :
	    (r->due - r->life) * UINT64_C(1000) + 999;
	uint32_t aged = r->aged, elapsed;

	if (now <= first)
		return;
	elapsed = (uint32_t)((now - first + 999) / 1000);
	dgram_age(r->buf, elapsed < UINT16_MAX ? elapsed : UINT16_MAX, &aged);
	r->aged = (uint16_t)aged;
}

/* Tells a copy what the first one was told (MSG-61, MSG-62, MSG-63). */
static void
duplicate(struct dgram *d, struct received *r, uint64_t now)
{
	if (r->copies < UINT8_MAX)
		r->copies++;
	r->peer->stats.duplicates++;
	d->received.stats.duplicates++;
	if (r->type != COAP_CON)
		return;
	/* No client of ours would repeat it so often (ATK-16). */
	if (r->once && r->copies > ONCE_COPIES)
		return;
	if (r->state == RECEIVED_REPLIED && r->answer == ANSWER_BUF) {
		age_answer(r, now);
		dgram_transmit(d, r->peer, r->buf);
		return;
	}
	if (r->state == RECEIVED_REPLIED && r->answer == ANSWER_RST) {
		dgram_transmit_empty(d, r->peer, COAP_RST, r->mid);
		return;
	}
	if (r->state == RECEIVED_OPEN)
		received_acked(r);
	dgram_transmit_empty(d, r->peer, COAP_ACK, r->mid);
}

/* The record of a message seen before, or NULL. The same ID over other octets
 * is no copy: a node that has restarted, or another one behind the same
 * address (MSG-91). */
static struct received *
seen(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint32_t digest)
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
    uint32_t digest)
{
	struct received *r = received_add(&d->received, p, m->mid,
	    coap_code_kind(m->code) != COAP_KIND_REQUEST ||
		coap_method_idempotent(m->code));

	if (r == NULL)
		return NULL;
	r->digest = digest;
	r->type = m->type & 1u;
	return r;
}

static void
input_request(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint32_t digest, uint64_t now)
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
		dgram_ack_later(d, r, now);
	d->ops->request(d->user, r, m, now);
}

/* What fits nothing we have sent (ATK-26). */
static void __attribute__((noinline, cold))
stray(struct dgram *d, struct peer *p, uint64_t now)
{
	d->stats.rx_unexpected++;
	if (d->ops->stray != NULL)
		d->ops->stray(d->user, p, now);
}

/* A response nobody waits for. Whoever notifies would go on with that: it is
 * rejected in a NON as well (OBS-33), unless we ask for nothing here. */
static void
unexpected(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	stray(d, p, now);
	if (m->type == COAP_NON && d->ops->response != NULL &&
	    coap_has(m, COAP_OPT_OBSERVE))
		dgram_transmit_empty(d, p, COAP_RST, m->mid);
	else
		reject(d, p, m);
}

/* A response in a CON or NON of its own. */
static void
input_separate(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint32_t digest, uint64_t now)
{
	struct exchange *x = dgram_exchange(d, p, m->token);
	enum received_answer answer = ANSWER_NONE;
	bool ok, notification;
	struct received *r;

	if (x == NULL) {
		unexpected(d, p, m, now);
		return;
	}
	notification = x->observe || dgram_lasting(x);
	ok = dgram_exchange_end(d, x, m, now);
	if (m->type == COAP_CON) {
		answer = ok ? ANSWER_ACK : ANSWER_RST;
		dgram_transmit_empty(d, p, ok ? COAP_ACK : COAP_RST, m->mid);
	} else if (!notification) {
		/* There is nobody left whom a copy could reach. */
		return;
	}
	r = remember(d, p, m, digest);
	if (r != NULL)
		dgram_received_end(d, r, answer, NULL, now);
}

/* CON and NON. */
static void
input_begin(struct dgram *d, struct peer *p, const struct coap_msg *m,
    struct span datagram, uint64_t now)
{
	enum coap_kind kind = coap_code_kind(m->code);
	struct received *r;
	uint32_t digest;

	if (kind == COAP_KIND_EMPTY || kind == COAP_KIND_RESERVED) {
		if (m->type == COAP_CON && kind == COAP_KIND_EMPTY)
			d->stats.rx_pings++;
		else
			d->stats.rx_ignored++;
		reject(d, p, m);
		return;
	}
	digest = (uint32_t)hash_span(&d->digest_key, datagram);
	r = seen(d, p, m, digest);
	if (r != NULL)
		duplicate(d, r, now);
	else if (kind == COAP_KIND_REQUEST)
		input_request(d, p, m, digest, now);
	else
		input_separate(d, p, m, digest, now);
}

/* An ACK that no message in the table waits for. */
static void
input_ack_note(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	enum coap_kind kind = coap_code_kind(m->code);

	if (p->notes != NULL && kind != COAP_KIND_REQUEST &&
	    kind != COAP_KIND_RESERVED &&
	    dgram_notes_ack(d, p, m->mid, now))
		return;
	stray(d, p, now);
}

static void
input_ack(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	struct sent *s = sent_find(&d->sent, p, m->mid);
	enum coap_kind kind = coap_code_kind(m->code);

	if (s == NULL || s->type != COAP_CON) {
		input_ack_note(d, p, m, now);
		return;
	}
	if (kind == COAP_KIND_REQUEST || kind == COAP_KIND_RESERVED) {
		d->stats.rx_ignored++;		/* MSG-22 */
		return;
	}
	if (!s->request) {
		/* Whatever the ACK of a response carries (MSG-45). */
		peer_heard(p, now);
		dgram_unlink(d, s);
		dgram_sent_free(d, s);
		if (p->notes != NULL)
			dgram_notes_wake(d, p, now);
		return;
	}
	if (kind == COAP_KIND_EMPTY) {
		peer_heard(p, now);
		if (s->state == SENT_ACKED)
			return;
		s->state = SENT_ACKED;
		timer_stop(&s->timer);
		d->ops->progress(d->user, exchange_of(s), DGRAM_ACKED, now);
		return;
	}
	/* The right ID with the wrong token is dropped whole (MSG-55). */
	if (dgram_exchange(d, p, m->token) != exchange_of(s)) {
		stray(d, p, now);
		return;
	}
	dgram_exchange_end(d, exchange_of(s), m, now);
}

static void
input_reset(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint64_t now)
{
	struct sent *s = sent_find(&d->sent, p, m->mid);

	if (m->code != COAP_EMPTY) {
		d->stats.rx_ignored++;		/* MSG-22 */
		return;
	}
	if (s == NULL) {
		if (p->notes != NULL && dgram_notes_reset(d, p, m->mid, now))
			d->stats.rx_reset++;
		else
			stray(d, p, now);
		return;
	}
	d->stats.rx_reset++;
	peer_heard(p, now);
	dgram_sent_failed(d, s, DGRAM_RESET, now);
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
		x = dgram_exchange(d, p, m->token);
	if (x != NULL && m->type == COAP_ACK &&
	    (x->sent.state == SENT_NEW || x->sent.mid != m->mid))
		x = NULL;
	if (x != NULL && m->type != COAP_RST) {
		peer_heard(p, now);
		dgram_sent_failed(d, &x->sent, DGRAM_BAD_RESPONSE, now);
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
		dgram_refuse(d, p, m, COAP_413, SPAN_LIT("\xd2\x2f\x04\x00"),
		    now);
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

	dgram_unlink(d, s);
	dgram_sent_free(d, s);
}

static void
free_token_node(struct table_node *n, void *arg)
{
	struct dgram *d = arg;
	struct exchange *x = CONTAINER_OF(n, struct exchange, node);

	dgram_unlink(d, &x->sent);
	dgram_sent_free(d, &x->sent);
}

void
dgram_free(struct dgram *d)
{
	if (d == NULL)
		return;
	timer_stop(&d->acks);
	timer_stop(&d->expiry);
	dgram_notes_fini(d);
	table_each(&d->sent, free_sent_node, d);
	/* Prepared, or lasting. */
	table_each(&d->tokens, free_token_node, d);
	table_fini(&d->sent);
	table_fini(&d->tokens);
	received_fini(&d->received);
	peers_fini(&d->peers);
	pool_fini(&d->sent_pool);
	pool_fini(&d->exchange_pool);
	timer_line_fini(&d->fresh);
	free(d);
}
