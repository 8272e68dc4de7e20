/*
 * pool: a capped free list for objects of one size.
 *
 * The cap is a promise to the operator (a configuration key); what cannot be
 * had is refused and counted, never waited for.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/poison.h"

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

/* Makes room for one more, or counts that there is none. */
bool pool_fill(struct pool *p);

/* An object with undefined content, or NULL (counted) at the cap or without
 * memory. */
static inline void *
pool_get(struct pool *p)
{
	void *obj;

	if ((p->free == NULL || p->used >= p->max) && !pool_fill(p))
		return NULL;
	obj = p->free;
	memcpy(&p->free, obj, sizeof(p->free));
	unpoison(obj, p->size);
	p->used++;
	return obj;
}

static inline void
pool_put(struct pool *p, void *obj)
{
	assert(p->used > 0);
	p->used--;
	memcpy(obj, &p->free, sizeof(p->free));
	p->free = obj;
	/* The link stays readable. */
	poison((char *)obj + sizeof(p->free), p->size - sizeof(p->free));
}

/* At most MAX in use from now on: while there are more, none is to be had.
 * Memory is kept for reuse. */
void pool_limit(struct pool *p, size_t max);

/* Likewise for a pool whose user makes room when it is full. While more than
 * MAX are in use, or less than SPARE below that, the limit is above it, but not
 * above the one before, and comes down as pool_shrinks() is asked. */
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
