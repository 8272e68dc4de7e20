/*
 * hash: keyed hashes of what is short.
 */
#include "base/hash.h"

void
hash_key_init(struct hash_key *k, struct rand *rnd)
{
	/* Odd: no multiplication by 0, and every bit counts. */
	for (size_t i = 0; i < 4; i++)
		k->k[i] = rand_u64(rnd) | 1;
}

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Fewer than 16 octets, in two words; loads may overlap. */
static void
load_short(struct span s, uint64_t *a, uint64_t *b)
{
	*a = *b = 0;
	if (s.n >= 8) {
		*a = load64(s.p);
		*b = load64(s.p + s.n - 8);
	} else if (s.n >= 4) {
		*a = load32(s.p);
		*b = load32(s.p + s.n - 4);
	} else if (s.n > 0) {
		*a = (uint64_t)s.p[0] << 16 | (uint64_t)s.p[s.n / 2] << 8 |
		    s.p[s.n - 1];
	}
}

uint64_t
hash_span(const struct hash_key *k, struct span s)
{
	uint64_t h = k->k[0] ^ s.n, a, b;
	const uint8_t *p = s.p;
	size_t left = s.n;

	for (; left > 16; p += 16, left -= 16)
		h = hash_fold(load64(p) ^ k->k[1],
		    load64(p + 8) ^ k->k[2] ^ h);
	if (s.n >= 16) {
		a = load64(s.p + s.n - 16);
		b = load64(s.p + s.n - 8);
	} else {
		load_short(s, &a, &b);
	}
	h = hash_fold(a ^ k->k[2], b ^ k->k[3] ^ h);
	return hash_fold(h, k->k[1]);
}
