/*
 * limit: token buckets.
 *
 * Tokens are counted in thousandths, so that a bucket filled at N a second
 * gains exactly N of them a millisecond.
 */
#include "proxy/limit.h"

enum { TOKEN = 1000, TELL_MS = 1000 };

struct bucket {
	struct table_node node;
	struct list quiet;
	struct addr client;	/* port: the listener */
	uint64_t level;		/* thousandths of a token */
	uint64_t filled;	/* when it was brought up to date, ms */
	uint64_t told;		/* when the client was last told; 0: never */
};

bool
limits_init(struct limits *l, size_t max, struct rand *rnd)
{
	l->key = rand_key(rnd);
	list_init(&l->quiet);
	pool_init(&l->pool, sizeof(struct bucket), max);
	return table_init(&l->table, 64);
}

static void
forget(struct limits *l, struct bucket *b)
{
	table_remove(&l->table, &b->node);
	list_del(&b->quiet);
	pool_put(&l->pool, b);
}

static struct bucket *
quietest(struct limits *l)
{
	return list_empty(&l->quiet) ? NULL :
	    CONTAINER_OF(l->quiet.next, struct bucket, quiet);
}

void
limits_fini(struct limits *l)
{
	struct bucket *b;

	while ((b = quietest(l)) != NULL)
		forget(l, b);
	table_fini(&l->table);
	pool_fini(&l->pool);
}

/* What counts as one client. */
static struct addr
identity(const struct addr *client, unsigned listener)
{
	struct addr id = *client;

	if (id.family == 6)
		memset(id.ip + 8, 0, 8);
	id.port = (uint16_t)listener;
	return id;
}

void
limits_resize(struct limits *l, size_t max)
{
	pool_limit_slowly(&l->pool, max, 0);
}

static bool
evict(struct limits *l)
{
	struct bucket *b = quietest(l);

	if (b == NULL)
		return false;
	forget(l, b);
	l->evicted++;
	return true;
}

static void
make_room(struct limits *l)
{
	if (evict(l) && pool_shrinks(&l->pool))
		evict(l);
}

static struct bucket *
bucket_new(struct limits *l, const struct addr *id, uint64_t hash)
{
	struct bucket *b;

	if (l->pool.used == l->pool.max)
		make_room(l);
	b = pool_get(&l->pool);
	if (b == NULL)
		return NULL;
	*b = (struct bucket){ .client = *id };
	list_init(&b->quiet);
	table_insert(&l->table, &b->node, hash);
	return b;
}

static struct bucket *
bucket_get(struct limits *l, const struct rate *rate, const struct addr *id,
    uint64_t now)
{
	uint64_t hash = siphash(&l->key, addr_span(id));
	struct table_node *n = table_find(&l->table, hash);
	struct bucket *b = NULL;

	for (; n != NULL; n = table_find_next(n)) {
		b = CONTAINER_OF(n, struct bucket, node);
		if (addr_eq(&b->client, id))
			return b;
	}
	b = bucket_new(l, id, hash);
	if (b == NULL)
		return NULL;
	b->level = (uint64_t)rate->burst * TOKEN;
	b->filled = now;
	return b;
}

static void
fill(struct bucket *b, const struct rate *rate, uint64_t now)
{
	uint64_t full = (uint64_t)rate->burst * TOKEN;
	uint64_t elapsed = now - b->filled;

	/* Longer than it takes to fill an empty one: no need to multiply. */
	if (elapsed > full / rate->per_second)
		b->level = full;
	else
		b->level += elapsed * rate->per_second;
	if (b->level > full)
		b->level = full;
	b->filled = now;
}

enum limit_verdict
limit_take(struct limits *l, const struct rate *rate, unsigned listener,
    const struct addr *client, uint64_t now, uint32_t *seconds)
{
	struct addr id = identity(client, listener);
	uint64_t missing;
	struct bucket *b;

	if (rate->per_second == 0)
		return LIMIT_PASS;
	b = bucket_get(l, rate, &id, now);
	/* Without memory nobody is singled out. */
	if (b == NULL)
		return LIMIT_PASS;
	list_del(&b->quiet);
	list_add_tail(&l->quiet, &b->quiet);
	fill(b, rate, now);
	if (b->level >= TOKEN) {
		b->level -= TOKEN;
		return LIMIT_PASS;
	}
	if (b->told != 0 && now - b->told < TELL_MS)
		return LIMIT_SILENT;
	b->told = now;
	missing = TOKEN - b->level;
	*seconds = 1 + (uint32_t)(missing / rate->per_second / 1000);
	return LIMIT_REFUSE;
}
