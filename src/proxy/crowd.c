/*
 * crowd: a counter per address, as long as it is not 0.
 */
#include "proxy/crowd.h"

bool
crowds_init(struct crowds *cs, size_t max, size_t all, struct rand *rnd)
{
	cs->key = rand_key(rnd);
	cs->max = max;
	pool_init(&cs->pool, sizeof(struct crowd), all);
	return table_init(&cs->table, 64);
}

void
crowds_resize(struct crowds *cs, size_t max, size_t all)
{
	cs->max = max;
	pool_limit(&cs->pool, all);
}

void
crowds_fini(struct crowds *cs)
{
	table_fini(&cs->table);
	pool_fini(&cs->pool);
}

static struct addr
identity(const struct addr *client)
{
	struct addr id = *client;

	if (id.family == 6)
		memset(id.ip + 8, 0, 8);
	id.port = 0;
	return id;
}

static struct crowd *
find(const struct crowds *cs, const struct addr *id, uint64_t hash)
{
	struct table_node *n = table_find(&cs->table, hash);

	for (; n != NULL; n = table_find_next(n)) {
		struct crowd *c = CONTAINER_OF(n, struct crowd, node);

		if (addr_eq(&c->addr, id))
			return c;
	}
	return NULL;
}

struct crowd *
crowd_join(struct crowds *cs, const struct addr *client)
{
	struct addr id = identity(client);
	uint64_t hash = siphash(&cs->key, addr_span(&id));
	struct crowd *c = find(cs, &id, hash);

	if (c == NULL) {
		c = pool_get(&cs->pool);
		if (c == NULL)
			return NULL;
		*c = (struct crowd){ .addr = id };
		table_insert(&cs->table, &c->node, hash);
	}
	if (c->n >= cs->max) {
		cs->full++;
		return NULL;
	}
	c->n++;
	return c;
}

void
crowd_leave(struct crowds *cs, struct crowd *c)
{
	if (--c->n > 0)
		return;
	table_remove(&cs->table, &c->node);
	pool_put(&cs->pool, c);
}
