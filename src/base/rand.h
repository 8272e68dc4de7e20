/*
 * rand: unpredictable numbers.
 *
 * The key stream of ChaCha20 under a random key: nobody who has seen any number
 * of outputs can tell the next (RFC 7252 5.3.1, 11.4). Seeded from getrandom(2)
 * once; tests seed it with a constant and get the same run again.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include "base/chacha.h"
#include "base/siphash.h"

enum { RAND_WORDS = 28 };	/* of 64 bits */

struct rand {
	uint32_t key[CHACHA_KEY];
	uint64_t words[RAND_WORDS];
	unsigned left;		/* of them, the first ones */
	uint64_t rest;		/* of rand_spread(): so many times 16 bits */
	unsigned pieces;
};

/* Seed from the operating system. Aborts when the system has no randomness. */
void rand_init(struct rand *r);

/* Seed with a constant: tests only. */
void rand_init_fixed(struct rand *r, uint64_t seed);

/* For rand_u64(). */
void rand_fill(struct rand *r);

static inline uint64_t
rand_u64(struct rand *r)
{
	if (r->left == 0)
		rand_fill(r);
	return r->words[--r->left];
}

/* Uniform in [0, n), n > 0. */
uint64_t rand_below(struct rand *r, uint64_t n);

/* Evenly in [0, n), 0 < n <= 65536, to within a part in 65536 / n, for spreading
 * things in time: a quarter of a rand_u64(). */
uint32_t rand_spread(struct rand *r, uint32_t n);

/* A fresh key for a table. */
struct siphash_key rand_key(struct rand *r);

#endif
