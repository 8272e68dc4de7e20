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

/* The first element with hash H, or NULL. */
struct table_node *table_find(const struct table *t, uint64_t h);

/* The next element with the hash of N, or NULL. Ask before removing N. */
struct table_node *table_find_next(const struct table_node *n);

/* Adds N, which must be in no table, under hash H. Does not look for equals. */
void table_insert(struct table *t, struct table_node *n, uint64_t h);

/* Removes N, which must be in T. */
void table_remove(struct table *t, struct table_node *n);

/* Calls FN for every element; FN may remove and free the element it is given,
 * and no other, and inserts nothing. Finishes a growth that is under way. */
void table_each(struct table *t, void (*fn)(struct table_node *, void *),
    void *arg);

#endif
