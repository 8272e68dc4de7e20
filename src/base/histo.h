/*
 * histo: how long something took, counted in buckets.
 *
 * The bounds are powers of two of a millisecond, so that to count is to look
 * for the highest bit: at most 1 ms, 2 ms, 4 ms, ... 65.536 s, and more.
 */
#ifndef BASE_HISTO_H
#define BASE_HISTO_H

#include <stdint.h>

enum {
	HISTO_BOUNDS = 17,		/* buckets with an upper bound, */
	HISTO_BUCKETS = HISTO_BOUNDS + 1,	/* ... and the one without */
};

struct histo {
	uint64_t n[HISTO_BUCKETS];
	uint64_t sum_ms;
};

/* The bucket of MS. */
static inline unsigned
histo_bucket(uint64_t ms)
{
	unsigned i;

	if (ms <= 1)
		return 0;
	i = 64u - (unsigned)__builtin_clzll(ms - 1);
	return i < HISTO_BOUNDS ? i : HISTO_BOUNDS;
}

static inline void
histo_add(struct histo *h, uint64_t ms)
{
	h->n[histo_bucket(ms)]++;
	h->sum_ms += ms;
}

/* The upper bound of bucket I < HISTO_BOUNDS, ms. */
static inline uint64_t
histo_bound(unsigned i)
{
	return (uint64_t)1 << i;
}

/* How many have been counted. */
static inline uint64_t
histo_count(const struct histo *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HISTO_BUCKETS; i++)
		n += h->n[i];
	return n;
}

/* Adds what FROM has counted to H. */
static inline void
histo_merge(struct histo *h, const struct histo *from)
{
	for (unsigned i = 0; i < HISTO_BUCKETS; i++)
		h->n[i] += from->n[i];
	h->sum_ms += from->sum_ms;
}

#endif
