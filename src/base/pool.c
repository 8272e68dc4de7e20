/*
 * pool: objects of one size, cut from slabs of about 16 KiB.
 *
 * A slab is added only when the free list is empty, so every object made so far
 * is then in use, and "used" alone tells how many more the cap allows. Slabs
 * begin on a cache line: an object whose size is a multiple of 64 never
 * straddles one more line than it must.
 */
#include "base/pool.h"

#include <stdlib.h>

enum {
	SLAB_BYTES = 16384,
	LINE = 64,
	ALIGN = _Alignof(max_align_t),
	LINK = sizeof(void *),		/* of the free list */
};

struct pool_slab {
	struct pool_slab *next;
};

_Static_assert(sizeof(struct pool_slab) <= LINE, "header is one line");

static size_t
slab_objects(const struct pool *p)
{
	size_t n = p->size < SLAB_BYTES ? SLAB_BYTES / p->size : 1;

	return n < p->max - p->used ? n : p->max - p->used;
}

static bool
add_slab(struct pool *p)
{
	size_t n = slab_objects(p);
	size_t room = n * p->size;
	struct pool_slab *s;
	void *mem;

	if (room > SIZE_MAX - LINE)
		return false;
	if (posix_memalign(&mem, LINE, LINE + room) != 0)
		return false;
	s = mem;
	s->next = p->slabs;
	p->slabs = s;
	p->used += n;
	/* Backwards, so that they are handed out in rising order. */
	while (n-- > 0)
		pool_put(p, (char *)mem + LINE + n * p->size);
	return true;
}

void
pool_init(struct pool *p, size_t size, size_t max)
{
	size = size > LINK ? size : LINK;
	assert(size <= SIZE_MAX - ALIGN);
	*p = (struct pool){ 0 };
	p->size = (size + ALIGN - 1) / ALIGN * ALIGN;
	p->max = p->goal = max;
}

void
pool_fini(struct pool *p)
{
	struct pool_slab *next;

	assert(p->used == 0);
	for (struct pool_slab *s = p->slabs; s != NULL; s = next) {
		next = s->next;
		free(s);
	}
	p->slabs = NULL;
	p->free = NULL;
}

bool
pool_fill(struct pool *p)
{
	if (p->used < p->max && (p->free != NULL || add_slab(p)))
		return true;
	p->full++;
	return false;
}

void
pool_limit(struct pool *p, size_t max)
{
	p->max = p->goal = max;
}

void
pool_limit_slowly(struct pool *p, size_t max, size_t spare)
{
	size_t now = p->used + spare < p->max ? p->used + spare : p->max;

	p->goal = max;
	p->max = max > now ? max : now;
}
