/*
 * siphash: keyed hash (SipHash-1-3).
 *
 * Remote input chooses what lands in our tables, so their hash is keyed with
 * a secret of this process: nobody outside can aim at one bucket. Also used
 * as a pseudo-random function for tokens and Request-Tags.
 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/span.h"

struct siphash_key {
	uint64_t k0, k1;
};

/* SipHash-1-3 of S under K. */
uint64_t siphash(const struct siphash_key *k, struct span s);

/* SipHash-C-D; the reference vectors exist for 2-4 (tests use it). */
uint64_t siphash_rounds(const struct siphash_key *k, struct span s,
    unsigned c, unsigned d);

#endif
