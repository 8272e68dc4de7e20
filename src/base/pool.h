/*
 * pool: a capped free list for objects of one size.
 *
 * The cap is a promise to the operator (a configuration key); what cannot be
 * had is refused and counted, never waited for.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool {
	void *free;		/* list through the first word */
	struct pool_slab *slabs;
	size_t size;		/* of one object, rounded up */
	size_t used, max;
	size_t goal;		/* what max is to become; not above it */
	uint64_t full;		/* refusals */
};

/* Objects of SIZE octets, at most MAX in use. */
void pool_init(struct pool *p, size_t size, size_t max);

/* Frees all memory; no object may be in use. */
void pool_fini(struct pool *p);

/* An object with undefined content, or NULL (counted) at the cap or without
 * memory. */
void *pool_get(struct pool *p);

void pool_put(struct pool *p, void *obj);

/* At most MAX in use from now on: while there are more, none is to be had.
 * Memory is kept for reuse. */
void pool_limit(struct pool *p, size_t max);

/* Likewise for a pool whose user makes room when it is full. While more than
 * MAX are in use, or less than SPARE below that, the limit is above it, and
 * comes down as pool_shrinks() is asked. */
void pool_limit_slowly(struct pool *p, size_t max, size_t spare);

/* P was full, and one has been given back: whether another one has to be. The
 * limit is one lower then. */
static inline bool
pool_shrinks(struct pool *p)
{
	if (p->max <= p->goal)
		return false;
	p->max--;
	return true;
}

#endif
