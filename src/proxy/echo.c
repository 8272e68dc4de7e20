/*
 * echo: values and confirmed endpoints.
 */
#include "proxy/echo.h"

/* What a MAC covers, and what an endpoint is: no padding in either. */
struct place {
	struct addr client;
	uint32_t listener;
	uint32_t stamp;		/* 0 in the table */
};

struct confirmed {
	struct table_node node;
	struct list idle;
	struct place place;
	uint64_t heard;		/* ms */
};

bool
echo_init(struct echo *e, size_t max, struct rand *rnd)
{
	*e = (struct echo){
		.mac_key = rand_key(rnd),
		.table_key = rand_key(rnd),
		.offset = (uint32_t)rand_u64(rnd),
	};
	list_init(&e->idle);
	pool_init(&e->pool, sizeof(struct confirmed), max);
	return table_init(&e->table, 64);
}

static struct confirmed *
longest_idle(struct echo *e)
{
	return list_empty(&e->idle) ? NULL :
	    CONTAINER_OF(e->idle.next, struct confirmed, idle);
}

static void
forget(struct echo *e, struct confirmed *c)
{
	table_remove(&e->table, &c->node);
	list_del(&c->idle);
	pool_put(&e->pool, c);
}

void
echo_fini(struct echo *e)
{
	struct confirmed *c;

	while ((c = longest_idle(e)) != NULL)
		forget(e, c);
	table_fini(&e->table);
	pool_fini(&e->pool);
}

/* ---- values ---- */

static uint32_t
stamp_of(const struct echo *e, uint64_t now)
{
	return (uint32_t)(now / 1000) + e->offset;
}

static uint64_t
mac(const struct echo *e, const struct addr *client, unsigned listener,
    uint32_t stamp)
{
	struct place p = { *client, listener, stamp };

	return siphash_rounds(&e->mac_key, span_make(&p, sizeof(p)), 2, 4);
}

static void
put(uint8_t *out, unsigned n, uint64_t v)
{
	while (n-- > 0) {
		out[n] = (uint8_t)v;
		v >>= 8;
	}
}

static void
value_make(const struct echo *e, const struct addr *client, unsigned listener,
    uint32_t stamp, uint8_t out[ECHO_LEN])
{
	put(out, 4, stamp);
	put(out + 4, 8, mac(e, client, listener, stamp));
}

void
echo_make(const struct echo *e, const struct addr *client, unsigned listener,
    uint64_t now, uint8_t out[ECHO_LEN])
{
	value_make(e, client, listener, stamp_of(e, now), out);
}

/* In a time that does not tell where they differ. */
static bool
same(const uint8_t *a, const uint8_t *b)
{
	uint8_t diff = 0;

	for (unsigned i = 0; i < ECHO_LEN; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

enum echo_verdict
echo_check(const struct echo *e, struct span value, const struct addr *client,
    unsigned listener, uint64_t now)
{
	uint8_t want[ECHO_LEN];
	uint32_t stamp;

	if (value.n != ECHO_LEN)
		return ECHO_FOREIGN;
	stamp = (uint32_t)value.p[0] << 24 | (uint32_t)value.p[1] << 16 |
	    (uint32_t)value.p[2] << 8 | value.p[3];
	value_make(e, client, listener, stamp, want);
	if (!same(want, value.p))
		return ECHO_FAKE;
	return stamp_of(e, now) - stamp <= ECHO_VALID_S ? ECHO_FRESH :
							  ECHO_STALE;
}

/* ---- endpoints ---- */

static uint64_t
place_hash(const struct echo *e, const struct place *p)
{
	return siphash(&e->table_key, span_make(p, sizeof(*p)));
}

static struct confirmed *
find(const struct echo *e, const struct place *p, uint64_t hash)
{
	struct table_node *n = table_find(&e->table, hash);

	for (; n != NULL; n = table_find_next(n)) {
		struct confirmed *c = CONTAINER_OF(n, struct confirmed, node);

		if (c->place.listener == p->listener &&
		    addr_eq(&c->place.client, &p->client))
			return c;
	}
	return NULL;
}

static void
heard(struct echo *e, struct confirmed *c, uint64_t now)
{
	c->heard = now;
	list_del(&c->idle);
	list_add_tail(&e->idle, &c->idle);
}

void
echo_resize(struct echo *e, size_t max)
{
	pool_limit_slowly(&e->pool, max, 0);
}

static bool
evict(struct echo *e)
{
	struct confirmed *c = longest_idle(e);

	if (c == NULL)
		return false;
	e->evicted++;
	forget(e, c);
	return true;
}

static void
make_room(struct echo *e)
{
	if (evict(e) && pool_shrinks(&e->pool))
		evict(e);
}

static struct confirmed *
add(struct echo *e, const struct place *p, uint64_t hash)
{
	struct confirmed *c;

	if (e->pool.used == e->pool.max)
		make_room(e);
	c = pool_get(&e->pool);
	if (c == NULL)
		return NULL;
	*c = (struct confirmed){ .place = *p };
	list_init(&c->idle);
	table_insert(&e->table, &c->node, hash);
	return c;
}

void
echo_confirm(struct echo *e, const struct addr *client, unsigned listener,
    uint64_t now)
{
	struct place p = { *client, listener, 0 };
	uint64_t hash = place_hash(e, &p);
	struct confirmed *c = find(e, &p, hash);

	if (c == NULL)
		c = add(e, &p, hash);
	if (c != NULL)
		heard(e, c, now);
}

bool
echo_confirmed(struct echo *e, const struct addr *client, unsigned listener,
    uint64_t now)
{
	struct place p = { *client, listener, 0 };
	struct confirmed *c = find(e, &p, place_hash(e, &p));

	if (c == NULL)
		return false;
	if (now - c->heard > ECHO_IDLE_MS) {
		forget(e, c);
		return false;
	}
	heard(e, c, now);
	return true;
}
