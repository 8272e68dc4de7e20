/*
 * arena: a bump allocator that is freed whole.
 *
 * One per request or fetch. The first chunk is inside the object, so that an
 * ordinary request allocates nothing; further chunks come from malloc, up to a
 * limit, so that input never decides our memory.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/span.h"

enum { ARENA_INLINE = 192 };	/* octets inside the object */

struct arena_chunk;

struct arena {
	struct arena_chunk *more;	/* chunks from malloc, newest first */
	uint8_t *cur, *end;		/* free part of the newest chunk */
	size_t limit;			/* octets that may still be malloced */
	_Alignas(max_align_t) uint8_t first[ARENA_INLINE];
};

/* LIMIT: octets the arena may take from malloc altogether. */
void arena_init(struct arena *a, size_t limit);

/* Frees what was malloced; the arena is as after arena_init(). */
void arena_reset(struct arena *a, size_t limit);

/* N octets, aligned for any type, or NULL at the limit or without memory. */
void *arena_alloc(struct arena *a, size_t n);

/* A copy of S in the arena into *OUT; false as arena_alloc(). The one way to
 * keep borrowed octets. */
bool arena_dup(struct arena *a, struct span s, struct span *out)
    __attribute__((warn_unused_result));

#endif
