/*
 * buf: pooled datagram buffers, the only reference-counted object.
 *
 * A datagram to send is written once into a buf; the send queue, the
 * retransmission table and the duplicate table share it. A few sizes, because
 * most CoAP messages are small and many are kept for minutes.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* Octets of data: the smallest size, and the largest, which holds whatever fits
 * a receive slot with another token and our own options. */
enum { BUF_SMALL = 96, BUF_LARGE = 2176 };

struct buf_pool;

struct buf {
	struct buf_pool *pool;
	struct buf *next;	/* while free */
	uint32_t refs;
	uint16_t len;		/* octets in use, set by whoever writes */
	uint16_t cap:15;
	uint16_t loose:1;	/* in one turn, of what goes to one peer, it
				 * may overtake others that are; set by whoever
				 * writes */
	uint8_t data[];
};

/* A pool of at most MAX_BYTES of buffers, their headers and those kept for
 * reuse included. NULL when there is no memory. */
struct buf_pool *buf_pool_new(size_t max_bytes);

/* At most MAX_BYTES from now on: while more are handed out, none is to be had. */
void buf_pool_limit(struct buf_pool *p, size_t max_bytes);

/* Every buf must have been given back. Of NULL: nothing. */
void buf_pool_free(struct buf_pool *p);

/* A buf of at least NEED octets with one reference, its len 0; returns owned.
 * NULL when NEED exceeds BUF_LARGE, and, counted in buf_pool_full(), when the
 * pool is at its limit or there is no memory. */
struct buf *buf_get(struct buf_pool *p, size_t need);

/* Whether less than an eighth of the budget is left: that is for answers, not
 * for new work. */
bool buf_pool_low(const struct buf_pool *p);

static inline struct buf *
buf_ref(struct buf *b)
{
	assert(b->refs > 0 && b->refs < UINT32_MAX);
	b->refs++;
	return b;
}

/* Nobody refers to B any more: it is free. For buf_unref(). */
void buf_put(struct buf *b);

/* Of NULL: nothing. */
static inline void
buf_unref(struct buf *b)
{
	if (b == NULL)
		return;
	assert(b->refs > 0);
	if (--b->refs == 0)
		buf_put(b);
}

size_t buf_pool_used(const struct buf_pool *p);	/* bytes handed out now */
size_t buf_pool_held(const struct buf_pool *p);	/* bytes kept for reuse */
uint64_t buf_pool_full(const struct buf_pool *p);	/* refusals so far */

static inline struct span
buf_span(const struct buf *b)
{
	return span_make(b->data, b->len);
}

#endif
