/*
 * hash: keyed hashes of what is short, for our own tables.
 *
 * Multiplications whose two halves are folded together: a few instructions for
 * an address, where siphash() takes seven rounds, each waiting for the one
 * before. Without the key, which is random and as wide as what is hashed, nobody
 * can choose octets that collide. Only for hashes that nobody gets to see, and
 * where equal hashes are no proof: otherwise siphash().
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/addr.h"
#include "base/rand.h"

struct hash_key {
	uint64_t k[4];
};

void hash_key_init(struct hash_key *k, struct rand *rnd);

/* Of any octets. */
uint64_t hash_span(const struct hash_key *k, struct span s);

/* The two halves of A * B, folded; where the compiler has no such integer. */
static inline uint64_t
hash_fold_parts(uint64_t a, uint64_t b)
{
	uint64_t al = (uint32_t)a, ah = a >> 32;
	uint64_t bl = (uint32_t)b, bh = b >> 32;
	uint64_t mid = ah * bl + (al * bl >> 32);
	uint64_t high = ah * bh + (mid >> 32);

	mid = (uint32_t)mid + al * bh;
	return a * b ^ (high + (mid >> 32));
}

#ifdef __SIZEOF_INT128__
static inline uint64_t
hash_fold(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide m = (wide)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}
#else
#define hash_fold hash_fold_parts
#endif

static inline uint64_t
hash_addr(const struct hash_key *k, const struct addr *a)
{
	uint64_t w[3], h;

	_Static_assert(sizeof(w) == sizeof(*a), "all of it");
	memcpy(w, a, sizeof(w));
	h = hash_fold(w[0] ^ k->k[0], w[1] ^ k->k[1]);
	h = hash_fold(w[2] ^ k->k[2], h ^ k->k[3]);
	/* What differs in a few bits would otherwise not reach all others. */
	return hash_fold(h, k->k[1]);
}

#endif
