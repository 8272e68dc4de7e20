/*
 * pool: a capped free list for objects of one size.
 *
 * The cap is a promise to the operator (a configuration key); what cannot be
 * had is refused and counted, never waited for.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
	void *free;		/* list through the first word */
	struct pool_slab *slabs;
	size_t size;		/* of one object, rounded up */
	size_t used, max;
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

#endif
