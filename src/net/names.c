/*
 * names: a table by name and a list by use over the same entries.
 *
 * An entry that has expired stays until it is replaced or is the oldest: no
 * timer, and the number of entries is bounded anyway.
 */
#include "net/names.h"

struct entry {
	struct table_node node;
	struct list used;
	uint64_t expires;
	struct name_addrs addrs;
	struct name name;
};

enum { LABEL_MAX = 63, HINT = 64 };

static bool
is_name_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '_';
}

bool
name_from(struct name *nm, struct span text)
{
	size_t label = 0;
	uint8_t c;

	if (text.n > 0 && text.p[text.n - 1] == '.')
		text.n--;
	if (text.n == 0 || text.n > NAME_MAX_OCTETS)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		c = span_lower(text.p[i]);
		nm->s[i] = (char)c;
		if (c == '.' && label > 0) {
			label = 0;
			continue;
		}
		if (!is_name_octet(c) || ++label > LABEL_MAX)
			return false;
	}
	nm->s[text.n] = '\0';
	nm->n = text.n;
	return label > 0;
}

void
name_addrs_add(struct name_addrs *out, const struct addr *a)
{
	for (size_t i = 0; i < out->n; i++)
		if (addr_eq(&out->a[i], a))
			return;
	if (out->n < RESOLVE_MAX_ADDRS)
		out->a[out->n++] = *a;
}

bool
names_init(struct names *c, size_t max, const struct siphash_key *key)
{
	if (!table_init(&c->table, HINT))
		return false;
	list_init(&c->used);
	pool_init(&c->pool, sizeof(struct entry), max);
	c->key = *key;
	return true;
}

static void
forget(struct names *c, struct entry *e)
{
	table_remove(&c->table, &e->node);
	list_del(&e->used);
	pool_put(&c->pool, e);
}

static struct entry *
oldest(struct names *c)
{
	return CONTAINER_OF(c->used.next, struct entry, used);
}

void
names_clear(struct names *c)
{
	while (!list_empty(&c->used))
		forget(c, oldest(c));
}

void
names_fini(struct names *c)
{
	names_clear(c);
	table_fini(&c->table);
	pool_fini(&c->pool);
}

static struct entry *
find(const struct names *c, const struct name *nm, uint64_t h)
{
	struct table_node *n;
	struct entry *e;

	for (n = table_find(&c->table, h); n != NULL; n = table_find_next(n)) {
		e = CONTAINER_OF(n, struct entry, node);
		if (span_eq(name_span(&e->name), name_span(nm)))
			return e;
	}
	return NULL;
}

const struct name_addrs *
names_get(struct names *c, const struct name *nm, uint64_t now)
{
	struct entry *e = find(c, nm, siphash(&c->key, name_span(nm)));

	if (e == NULL || now >= e->expires)
		return NULL;
	list_del(&e->used);
	list_add_tail(&c->used, &e->used);
	return &e->addrs;
}

void
names_put(struct names *c, const struct name *nm, const struct name_addrs *a,
    uint64_t expires)
{
	uint64_t h = siphash(&c->key, name_span(nm));
	struct entry *e = find(c, nm, h);

	if (e != NULL)
		forget(c, e);
	if (c->pool.used >= c->pool.max && !list_empty(&c->used))
		forget(c, oldest(c));
	e = pool_get(&c->pool);
	if (e == NULL)
		return;
	e->name = *nm;
	e->addrs = *a;
	e->expires = expires;
	list_init(&e->used);
	list_add_tail(&c->used, &e->used);
	table_insert(&c->table, &e->node, h);
}
