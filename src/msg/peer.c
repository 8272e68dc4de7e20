/*
 * peer: remote endpoints and the Message IDs leased towards them.
 */
#include "msg/peer.h"

static uint32_t
seconds_up(uint64_t ms)
{
	return (uint32_t)((ms + 999) / 1000);
}

void
mids_init(struct mids *m, struct rand *rnd)
{
	*m = (struct mids){ .next = (uint32_t)rand_below(rnd, 65536) };
}

bool
mids_open(const struct mids *m, uint64_t now)
{
	return m->open || m->free_at[m->next / MID_GROUP] <= now / 1000;
}

bool
mids_next(struct mids *m, uint64_t now, uint64_t lifetime, uint16_t *mid)
{
	uint32_t group = m->next / MID_GROUP;

	/* The group that the random start falls into is used in two halves;
	 * the second one comes round like any other group. */
	if (!mids_open(m, now))
		return false;
	m->open = true;
	*mid = (uint16_t)m->next;
	m->next = (m->next + 1) % 65536;
	if (m->next % MID_GROUP == 0) {
		m->free_at[group] = seconds_up(now + lifetime);
		m->open = false;
	}
	return true;
}

void
peer_init(struct peer *p, const struct addr *remote, const struct addr *local,
    void *io, struct rand *rnd)
{
	*p = (struct peer){ .remote = *remote, .local = *local, .io = io };
	p->node.hash = rand_u64(rnd);
	list_init(&p->idle);
	mids_init(&p->mids, rnd);
}

bool
peers_init(struct peers *ps, size_t max, struct rand *rnd)
{
	*ps = (struct peers){ .rnd = rnd };
	hash_key_init(&ps->key, rnd);
	list_init(&ps->idle);
	pool_init(&ps->pool, sizeof(struct peer), max);
	return table_init(&ps->table, 256);
}

static void
peer_forget(struct peers *ps, struct peer *p)
{
	table_remove(&ps->table, &p->node);
	list_del(&p->idle);
	pool_put(&ps->pool, p);
}

void
peers_fini(struct peers *ps)
{
	while (!list_empty(&ps->idle))
		peer_forget(ps,
		    CONTAINER_OF(ps->idle.next, struct peer, idle));
	table_fini(&ps->table);
	pool_fini(&ps->pool);
}

/* Above what is in use when the limit comes down: those who come meanwhile have
 * records made room for, whose peers are idle then. */
enum { PEERS_SPARE = 1024 };

void
peers_limit(struct peers *ps, size_t max)
{
	pool_limit_slowly(&ps->pool, max, PEERS_SPARE);
}

static bool
evict(struct peers *ps)
{
	if (list_empty(&ps->idle))
		return false;
	ps->evicted++;
	peer_forget(ps, CONTAINER_OF(ps->idle.next, struct peer, idle));
	return true;
}

/* Room for one more: a new one, or that of the longest idle. */
static struct peer *
peer_alloc(struct peers *ps)
{
	struct peer *p = pool_get(&ps->pool);

	if (p != NULL || !evict(ps))
		return p;
	if (!list_empty(&ps->idle) && pool_shrinks(&ps->pool))
		evict(ps);
	return pool_get(&ps->pool);
}

/* What local addresses there are is not for a client to choose: to tell them
 * apart is enough. */
static uint64_t
scatter(const struct addr *local)
{
	uint64_t w[3];

	_Static_assert(sizeof(w) == sizeof(*local), "all of it");
	memcpy(w, local, sizeof(w));
	return (w[0] + w[1] * UINT64_C(0x9e3779b97f4a7c15) +
		   w[2] * UINT64_C(0xc2b2ae3d27d4eb4f)) *
	    UINT64_C(0xff51afd7ed558ccd);
}

struct peer *
peers_get(struct peers *ps, const struct addr *remote,
    const struct addr *local, void *io)
{
	uint64_t hash = hash_addr(&ps->key, remote) ^ scatter(local);
	struct table_node *n;
	struct peer *p;

	for (n = table_find(&ps->table, hash); n != NULL;
	     n = table_find_next(n)) {
		p = CONTAINER_OF(n, struct peer, node);
		if (p->io == io && addr_eq(&p->remote, remote) &&
		    addr_eq(&p->local, local))
			return p;
	}
	p = peer_alloc(ps);
	if (p == NULL)
		return NULL;
	peer_init(p, remote, local, io, ps->rnd);
	p->table = ps;
	table_insert(&ps->table, &p->node, hash);
	list_add_tail(&ps->idle, &p->idle);
	return p;
}

struct search {
	const void *io;
	bool found;
};

struct each {
	void (*fn)(const struct peer *, void *);
	void *arg;
};

static void
each_node(struct table_node *n, void *arg)
{
	const struct each *e = arg;

	e->fn(CONTAINER_OF(n, struct peer, node), e->arg);
}

void
peers_each(struct peers *ps, void (*fn)(const struct peer *, void *), void *arg)
{
	struct each e = { fn, arg };

	table_each(&ps->table, each_node, &e);
}

static void
forget_idle(struct table_node *n, void *arg)
{
	struct peer *p = CONTAINER_OF(n, struct peer, node);
	struct search *s = arg;

	if (p->io != s->io)
		return;
	if (p->refs > 0)
		s->found = true;
	else
		peer_forget(p->table, p);
}

bool
peers_forget(struct peers *ps, const void *io)
{
	struct search s = { .io = io };

	table_each(&ps->table, forget_idle, &s);
	return s.found;
}

struct move {
	const void *io;
	void *(*to)(void *arg, const struct addr *local);
	void *arg;
};

static void
move_one(struct table_node *n, void *arg)
{
	struct peer *p = CONTAINER_OF(n, struct peer, node);
	const struct move *m = arg;
	void *io = p->io == m->io ? m->to(m->arg, &p->local) : NULL;

	if (io == NULL)
		return;
	p->io = io;
	p->note = 0;
}

void
peers_move(struct peers *ps, const void *io,
    void *(*to)(void *arg, const struct addr *local), void *arg)
{
	struct move m = { io, to, arg };

	table_each(&ps->table, move_one, &m);
}

static void
clear_note(struct table_node *n, void *arg)
{
	(void)arg;
	CONTAINER_OF(n, struct peer, node)->note = 0;
}

void
peers_clear_notes(struct peers *ps)
{
	table_each(&ps->table, clear_note, NULL);
}

void
peer_ref(struct peer *p)
{
	if (p->refs++ == 0 && p->table != NULL)
		list_del(&p->idle);
}

void
peer_unref(struct peer *p)
{
	if (--p->refs == 0 && p->table != NULL)
		list_add_tail(&p->table->idle, &p->idle);
}

void
peer_heard(struct peer *p, uint64_t now)
{
	p->stats.last_heard = now;
	p->stats.tx_octets_since_heard = 0;
}
