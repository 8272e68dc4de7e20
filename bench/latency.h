/*
 * latency: how long things took, to 1 part in 256, in a fixed space.
 */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

enum {
	/* 256 buckets to each power of two; 2^41 ns is half an hour. */
	BENCH_MANTISSA_BITS = 8,
	BENCH_BUCKETS = (42 - BENCH_MANTISSA_BITS) << BENCH_MANTISSA_BITS,
};

/* All zero: none yet. */
struct bench_latencies {
	uint64_t n;
	uint64_t least, most;	/* exact */
	uint64_t bucket[BENCH_BUCKETS];
};

static inline void
bench_latency_add(struct bench_latencies *l, uint64_t ns)
{
	unsigned shift = 0;
	uint64_t i;

	if (ns >> (BENCH_MANTISSA_BITS + 1) != 0)
		shift =
		    63 - (unsigned)__builtin_clzll(ns) - BENCH_MANTISSA_BITS;
	i = ((uint64_t)shift << BENCH_MANTISSA_BITS) + (ns >> shift);
	l->bucket[i < BENCH_BUCKETS ? i : BENCH_BUCKETS - 1]++;
	if (l->n == 0 || ns < l->least)
		l->least = ns;
	if (ns > l->most)
		l->most = ns;
	l->n++;
}

/* What so many per cent of them did not exceed, in nanoseconds; 0 of none. */
static inline uint64_t
bench_latency(const struct bench_latencies *l, unsigned percent)
{
	uint64_t rank = (l->n * percent + 99) / 100;
	uint64_t seen = 0;
	uint64_t i = 0;
	unsigned shift = 0;

	if (l->n == 0)
		return 0;
	for (;; i++) {
		seen += l->bucket[i];
		if (seen >= rank)
			break;
	}
	if (i >> (BENCH_MANTISSA_BITS + 1) != 0)
		shift = (unsigned)(i >> BENCH_MANTISSA_BITS) - 1;
	i -= (uint64_t)shift << BENCH_MANTISSA_BITS;
	i = (i << shift) + ((1ULL << shift) >> 1);
	return i < l->most ? i : l->most;
}

/* " KEY=MICROSECONDS" with one decimal. */
static inline void
bench_print_us(const char *key, uint64_t ns)
{
	uint64_t tenths = (ns + 50) / 100;

	printf(" %s=%" PRIu64 ".%" PRIu64, key, tenths / 10, tenths % 10);
}

#endif
