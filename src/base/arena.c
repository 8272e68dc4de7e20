/*
 * arena: a bump allocator over one inline and some malloced chunks.
 *
 * Octets (arena_dup) are packed without gaps, objects (arena_alloc) are aligned
 * for any type. What is larger than an ordinary chunk gets one of its own, and
 * the free rest of the current chunk stays in use.
 */
#include "base/arena.h"

#include <stdlib.h>

enum { CHUNK = 1024, ALIGN = _Alignof(max_align_t) };

struct arena_chunk {
	struct arena_chunk *next;
	_Alignas(max_align_t) uint8_t data[];
};

/* A chunk for N octets, or NULL. CAP is what fits. */
static struct arena_chunk *
add_chunk(struct arena *a, size_t n, size_t *cap)
{
	size_t head = sizeof(struct arena_chunk);
	size_t size = CHUNK;
	struct arena_chunk *c;

	if (a->limit < head || n > a->limit - head)
		return NULL;
	if (n > CHUNK - head)
		size = head + n;
	else if (size > a->limit)
		size = a->limit;
	c = malloc(size);
	if (c == NULL)
		return NULL;
	a->limit -= size;
	c->next = a->more;
	a->more = c;
	*cap = size - head;
	return c;
}

static void *
take(struct arena *a, size_t n, size_t align)
{
	size_t pad = (size_t)(0 - (uintptr_t)a->cur) & (align - 1);
	size_t left = (size_t)(a->end - a->cur);
	struct arena_chunk *c;
	uint8_t *p;

	if (pad <= left && n <= left - pad) {
		p = a->cur + pad;
		a->cur = p + n;
		return p;
	}
	c = add_chunk(a, n, &left);
	if (c == NULL)
		return NULL;
	if (left - n > (size_t)(a->end - a->cur)) {
		a->cur = c->data + n;
		a->end = c->data + left;
	}
	return c->data;
}

void
arena_init(struct arena *a, size_t limit)
{
	a->more = NULL;
	a->cur = a->first;
	a->end = a->first + sizeof(a->first);
	a->limit = limit;
}

void
arena_reset(struct arena *a, size_t limit)
{
	struct arena_chunk *next;

	for (struct arena_chunk *c = a->more; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	arena_init(a, limit);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	return take(a, n, ALIGN);
}

bool
arena_dup(struct arena *a, struct span s, struct span *out)
{
	uint8_t *p = take(a, s.n, 1);

	if (p == NULL)
		return false;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*out = span_make(p, s.n);
	return true;
}
