/*
 * received: the duplicate table.
 *
 * Those waiting for their empty ACK are on one list, answered ones on one of
 * two in the order they expire, which is the order they were answered in, since
 * delay and lifetime are constants. So one timer serves all of a kind, and
 * making room takes the head of a list. Where a reload makes one of them
 * shorter, those that come later wait for those before them.
 */
#include "msg/received.h"

#include "coap/msg.h"

enum { ANSWER_BUDGET = 512 };	/* octets of kept answers per record */

bool
received_init(struct received_table *t, size_t max)
{
	*t = (struct received_table){ .answer_max = max * ANSWER_BUDGET };
	list_init(&t->open);
	t->answer_goal = t->answer_max;
	list_init(&t->idempotent);
	list_init(&t->others);
	list_init(&t->orphans);
	pool_init(&t->pool, sizeof(struct received), max);
	return table_init(&t->table, 256);
}

static struct received *
oldest(struct list *l)
{
	return list_empty(l) ? NULL :
	    CONTAINER_OF(l->next, struct received, link);
}

static void
drop_node(struct table_node *n, void *t)
{
	received_drop(t, CONTAINER_OF(n, struct received, node));
}

void
received_fini(struct received_table *t)
{
	struct received *r;

	table_each(&t->table, drop_node, t);
	while ((r = oldest(&t->orphans)) != NULL)
		received_drop(t, r);
	table_fini(&t->table);
	pool_fini(&t->pool);
}

struct received *
received_find(const struct received_table *t, const struct peer *p,
    uint16_t mid)
{
	struct table_node *n;

	if (!midset_has(&p->seen, mid))
		return NULL;
	n = table_find(&t->table, peer_mid_hash(p, mid));
	for (; n != NULL; n = table_find_next(n)) {
		struct received *r = CONTAINER_OF(n, struct received, node);

		if (r->peer == p && r->mid == mid)
			return r;
	}
	return NULL;
}

/* Forgets the oldest answered idempotent request before its time. */
static bool
evict(struct received_table *t)
{
	struct received *r = oldest(&t->idempotent);

	if (r == NULL)
		return false;
	t->stats.evicted++;
	received_drop(t, r);
	return true;
}

/* Room for a record. */
static void
make_room(struct received_table *t)
{
	if (evict(t) && pool_shrinks(&t->pool))
		evict(t);
}

/* The octets of answers are within their limit, which may have to come down. */
static void
trim_answers(struct received_table *t)
{
	while (t->answer_octets > t->answer_max && evict(t))
		;
	if (t->answer_max <= t->answer_goal)
		return;
	evict(t);
	t->answer_max = t->answer_octets > t->answer_goal ?
	    t->answer_octets : t->answer_goal;
}

void
received_limit(struct received_table *t, size_t max)
{
	pool_limit_slowly(&t->pool, max, 0);
	t->answer_goal = max * ANSWER_BUDGET;
	t->answer_max = t->answer_octets > t->answer_goal ?
	    t->answer_octets : t->answer_goal;
}

/* Whether a request that must be remembered may come. Without room for its
 * record or for its answer it would be taken without protection (MSG-66). */
static bool
lasting_open(const struct received_table *t)
{
	return t->lasting < (t->pool.max + 1) / 2 &&
	    t->answer_octets <= t->answer_max;
}

struct received *
received_add(struct received_table *t, struct peer *p, uint16_t mid,
    bool idempotent)
{
	struct received *r;

	if (t->pool.used == t->pool.max)
		make_room(t);
	r = idempotent || lasting_open(t) ? pool_get(&t->pool) : NULL;
	if (r == NULL) {
		t->stats.refused++;
		return NULL;
	}
	*r = (struct received){
		.peer = p,
		.mid = mid,
		.state = RECEIVED_OPEN,
		.idempotent = idempotent,
		.copies = 1,
	};
	t->lasting += !idempotent;
	list_init(&r->link);
	peer_ref(p);
	r->arc = midset_add(&p->seen, mid) & 1;
	table_insert(&t->table, &r->node, peer_mid_hash(p, mid));
	return r;
}

void
received_ack_at(struct received_table *t, struct received *r, uint64_t when)
{
	r->due = (uint32_t)when;
	list_add_tail(&t->open, &r->link);
}

struct received *
received_ack_due(struct received_table *t, uint64_t now, uint64_t *next)
{
	struct received *r = oldest(&t->open);
	int32_t left;

	*next = TIMER_NEVER;
	if (r == NULL)
		return NULL;
	left = (int32_t)(r->due - (uint32_t)now);
	if (left <= 0) {
		received_acked(r);
		return r;
	}
	*next = now + (uint32_t)left;
	return NULL;
}

void
received_acked(struct received *r)
{
	list_del(&r->link);
	r->state = RECEIVED_ACKED;
}

void
received_harmless(struct received_table *t, struct received *r)
{
	t->lasting -= !r->idempotent;
	r->idempotent = true;
}

/* Nothing finds R any more. */
static void
unlink_node(struct received_table *t, struct received *r)
{
	midset_remove(&r->peer->seen, r->mid, r->arc);
	table_remove(&t->table, &r->node);
}

void
received_orphan(struct received_table *t, struct received *r)
{
	unlink_node(t, r);
	list_del(&r->link);
	list_add_tail(&t->orphans, &r->link);
	r->state = RECEIVED_ORPHAN;
}

void
received_done(struct received_table *t, struct received *r,
    enum received_answer answer, struct buf *b, uint64_t now,
    uint64_t lifetime)
{
	if (r->state == RECEIVED_ORPHAN) {
		received_drop(t, r);
		return;
	}
	r->state = RECEIVED_REPLIED;
	r->answer = answer & 3;
	r->due = (uint32_t)((now + lifetime + 999) / 1000);
	r->life = lifetime / 1000 < UINT16_MAX ?
	    (uint16_t)((lifetime + 999) / 1000) : UINT16_MAX;
	list_del(&r->link);
	list_add_tail(r->idempotent ? &t->idempotent : &t->others, &r->link);
	if (answer != ANSWER_BUF)
		return;
	r->buf = buf_ref(b);
	t->answer_octets += b->cap;
	if (t->answer_octets > t->answer_max)
		trim_answers(t);
}

void
received_drop(struct received_table *t, struct received *r)
{
	list_del(&r->link);
	if (r->state != RECEIVED_ORPHAN)
		unlink_node(t, r);
	if (r->buf != NULL) {
		t->answer_octets -= r->buf->cap;
		buf_unref(r->buf);
	}
	t->lasting -= !r->idempotent;
	peer_unref(r->peer);
	pool_put(&t->pool, r);
}

static void
expire_list(struct received_table *t, struct list *l, uint64_t now)
{
	struct received *r;

	while ((r = oldest(l)) != NULL && r->due * UINT64_C(1000) <= now)
		received_drop(t, r);
}

void
received_expire(struct received_table *t, uint64_t now)
{
	expire_list(t, &t->idempotent, now);
	expire_list(t, &t->others, now);
	if (t->pool.max > t->pool.goal)
		pool_limit_slowly(&t->pool, t->pool.goal, 0);
}

uint64_t
received_next(const struct received_table *t)
{
	const struct list *heads[] = { &t->idempotent, &t->others };
	uint64_t next = TIMER_NEVER;

	for (size_t i = 0; i < 2; i++) {
		const struct received *r;

		if (list_empty(heads[i]))
			continue;
		r = CONTAINER_OF(heads[i]->next, struct received, link);
		if (r->due * UINT64_C(1000) < next)
			next = r->due * UINT64_C(1000);
	}
	return next;
}
