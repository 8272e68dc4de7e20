/*
 * buf: datagram buffers, one free list per size.
 *
 * The budget covers what is handed out and what is kept for reuse together, so
 * the configured number is what the pool really takes from the system (malloc's
 * own overhead aside). Up to a quarter of it is kept; the rest goes back to
 * malloc, so that a burst does not decide the size of the process for good.
 */
#include "base/buf.h"

#include <stdlib.h>

#include "base/poison.h"

enum { CLASSES = 5 };

struct buf_pool {
	struct buf *free[CLASSES];
	size_t max;		/* used + held never exceed it, unless it has
				 * come down: then they follow */
	size_t used;		/* bytes handed out */
	size_t held;		/* bytes on the free lists */
	uint64_t full;
};

static const uint16_t caps[CLASSES] = { BUF_SMALL, 208, 640, 1280,
	BUF_LARGE };

/* The smallest that holds NEED octets. */
static inline unsigned
class_for(size_t need)
{
	unsigned class = 0;

	/* Most are small. */
	if (need <= BUF_SMALL)
		return 0;
	while (class < CLASSES - 1 && need > caps[class])
		class++;
	return class;
}

static inline size_t
footprint(unsigned class)
{
	return sizeof(struct buf) + caps[class];
}

static struct buf *
pop(struct buf_pool *p, unsigned class)
{
	struct buf *b = p->free[class];

	p->free[class] = b->next;
	p->held -= footprint(class);
	unpoison(b->data, b->cap);
	return b;
}

/* Gives back what is held beyond MAX bytes. */
static void
trim(struct buf_pool *p, size_t max)
{
	for (unsigned i = 0; i < CLASSES; i++)
		while (p->held > max && p->free[i] != NULL)
			free(pop(p, i));
}

static struct buf *
make(struct buf_pool *p, unsigned class)
{
	size_t size = footprint(class);
	struct buf *b;

	/* Our own list is empty: what is held is of other sizes. */
	if (p->held > p->max - p->used - size)
		trim(p, p->max - p->used - size);
	b = malloc(size);
	if (b == NULL)
		return NULL;
	b->pool = p;
	b->cap = caps[class] & 0x7fffu;
	return b;
}

struct buf_pool *
buf_pool_new(size_t max_bytes)
{
	struct buf_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->max = max_bytes;
	return p;
}

void
buf_pool_limit(struct buf_pool *p, size_t max_bytes)
{
	p->max = max_bytes;
}

void
buf_pool_free(struct buf_pool *p)
{
	if (p == NULL)
		return;
	assert(p->used == 0);
	for (unsigned i = 0; i < CLASSES; i++)
		while (p->free[i] != NULL)
			free(pop(p, i));
	free(p);
}

struct buf *
buf_get(struct buf_pool *p, size_t need)
{
	unsigned class = class_for(need);
	struct buf *b = NULL;

	if (need > BUF_LARGE)
		return NULL;
	if (footprint(class) + p->used <= p->max)
		b = p->free[class] != NULL ? pop(p, class) : make(p, class);
	if (b == NULL) {
		p->full++;
		return NULL;
	}
	p->used += footprint(class);
	b->next = NULL;
	b->refs = 1;
	b->len = 0;
	b->loose = 0;
	return b;
}

bool
buf_pool_low(const struct buf_pool *p)
{
	return p->used + p->max / 8 > p->max;
}

void
buf_put(struct buf *b)
{
	struct buf_pool *p = b->pool;
	unsigned class = class_for(b->cap);
	size_t size = footprint(class);

	p->used -= size;
	if (size > p->max / 4 || p->held > p->max / 4 - size) {
		free(b);
		return;
	}
	p->held += size;
	b->next = p->free[class];
	p->free[class] = b;
	poison(b->data, b->cap);
}

size_t
buf_pool_used(const struct buf_pool *p)
{
	return p->used;
}

size_t
buf_pool_held(const struct buf_pool *p)
{
	return p->held;
}

uint64_t
buf_pool_full(const struct buf_pool *p)
{
	return p->full;
}
