/*
 * table: intrusive hash table.
 *
 * Elements embed a struct table_node; the table keeps the full 64-bit hash,
 * computed by the caller under a secret key (base/hash.h, base/siphash.h), so
 * that a key is hashed once however many tables it is looked up in. Growth is
 * incremental: each insertion and removal moves a few buckets, so no single
 * request pays for a table that doubles. Growth that finds no memory is put
 * off; chains get longer, nothing fails.
 *
 * Looking up:
 *	for (n = table_find(t, h); n != NULL; n = table_find_next(n))
 *		if (key_matches(CONTAINER_OF(n, struct x, node)))
 *			...
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **buckets;
	struct table_node **old;	/* being moved from, or NULL */
	size_t mask;			/* buckets - 1 */
	size_t old_mask;
	size_t moved;			/* old buckets in use no longer */
	size_t count;
};

/* An empty table with room for about HINT elements before it first grows.
 * False when there is no memory. */
bool table_init(struct table *t, size_t hint)
    __attribute__((warn_unused_result));

/* Frees the buckets. The elements are the caller's; the table may still hold
 * some. */
void table_fini(struct table *t);

/* A step of a growth, which may begin with it: table_insert() and
 * table_remove(). */
void table_step(struct table *t);

/* The chain of H. */
static inline struct table_node **
table_chain(const struct table *t, uint64_t h)
{
	size_t i = (size_t)h & t->old_mask;

	if (t->old != NULL && i >= t->moved)
		return &t->old[i];
	return &t->buckets[(size_t)h & t->mask];
}

/* The first element with hash H, or NULL. */
static inline struct table_node *
table_find(const struct table *t, uint64_t h)
{
	struct table_node *n = *table_chain(t, h);

	while (n != NULL && n->hash != h)
		n = n->next;
	return n;
}

/* The next element with the hash of N, or NULL. Ask before removing N. */
static inline struct table_node *
table_find_next(const struct table_node *n)
{
	struct table_node *next = n->next;

	while (next != NULL && next->hash != n->hash)
		next = next->next;
	return next;
}

/* Adds N, which must be in no table, under hash H. Does not look for equals. */
static inline void
table_insert(struct table *t, struct table_node *n, uint64_t h)
{
	struct table_node **p;

	t->count++;
	if (t->old != NULL || t->count > t->mask + 1)
		table_step(t);
	p = table_chain(t, h);
	n->hash = h;
	n->next = *p;
	*p = n;
}

/* Removes N, which must be in T. */
static inline void
table_remove(struct table *t, struct table_node *n)
{
	struct table_node **p = table_chain(t, n->hash);

	while (*p != n) {
		assert(*p != NULL);
		p = &(*p)->next;
	}
	*p = n->next;
	n->next = NULL;
	t->count--;
	if (t->old != NULL)
		table_step(t);
}

/* Calls FN for every element; FN may remove and free the element it is given,
 * and no other, and inserts nothing. Finishes a growth that is under way. */
void table_each(struct table *t, void (*fn)(struct table_node *, void *),
    void *arg);

#endif
