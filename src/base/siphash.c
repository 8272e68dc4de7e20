/*
 * siphash: SipHash-c-d (Aumasson, Bernstein, 2012).
 *
 * One body, always inlined, so that the compiler sees constant round counts
 * in the two forms that matter: 1-3 for tables, 2-4 for rand.c. Octets are
 * read eight at a time; the odd ones at the end come from a load that overlaps
 * what was read before, which saves the usual switch over the length.
 */
#include "base/siphash.h"

#include <endian.h>

struct sip {
	uint64_t a, b, c, d;
};

static inline uint64_t
rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline uint64_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* The last N % 8 of N octets, little-endian; END is one past them. */
static inline uint64_t
tail(const uint8_t *end, size_t n)
{
	size_t left = n & 7;
	const uint8_t *p = end - left;

	if (left == 0)
		return 0;
	if (n >= 8)
		return load64(end - 8) >> (64 - 8 * left);
	if (left >= 4)
		return load32(p) | load32(end - 4) << (8 * (left - 4));
	return p[0] | (uint64_t)p[left / 2] << (8 * (left / 2)) |
	    (uint64_t)p[left - 1] << (8 * (left - 1));
}

static inline __attribute__((always_inline)) void
rounds(struct sip *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		v->a += v->b;
		v->b = rotl(v->b, 13) ^ v->a;
		v->a = rotl(v->a, 32);
		v->c += v->d;
		v->d = rotl(v->d, 16) ^ v->c;
		v->a += v->d;
		v->d = rotl(v->d, 21) ^ v->a;
		v->c += v->b;
		v->b = rotl(v->b, 17) ^ v->c;
		v->c = rotl(v->c, 32);
	}
}

static inline __attribute__((always_inline)) uint64_t
hash(const struct siphash_key *k, struct span s, unsigned c, unsigned d)
{
	struct sip v = {
		k->k0 ^ 0x736f6d6570736575u,
		k->k1 ^ 0x646f72616e646f6du,
		k->k0 ^ 0x6c7967656e657261u,
		k->k1 ^ 0x7465646279746573u,
	};
	uint64_t m = (uint64_t)s.n << 56;

	for (size_t i = 0; i < s.n / 8; i++) {
		uint64_t w = load64(s.p + 8 * i);

		v.d ^= w;
		rounds(&v, c);
		v.a ^= w;
	}
	if (s.n > 0)
		m |= tail(s.p + s.n, s.n);
	v.d ^= m;
	rounds(&v, c);
	v.a ^= m;
	v.c ^= 0xff;
	rounds(&v, d);
	return v.a ^ v.b ^ v.c ^ v.d;
}

uint64_t
siphash(const struct siphash_key *k, struct span s)
{
	return hash(k, s, 1, 3);
}

uint64_t
siphash_rounds(const struct siphash_key *k, struct span s, unsigned c,
    unsigned d)
{
	if (c == 2 && d == 4)
		return hash(k, s, 2, 4);
	return hash(k, s, c, d);
}
