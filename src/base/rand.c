/*
 * rand: a counter run through SipHash under a random key.
 *
 * With 2-4 rounds, not the 1-3 of the tables: a table's hashes never leave the
 * process, but tokens, Message IDs and Request-Tags show whole outputs to
 * whoever listens, and the four nanoseconds are paid once or twice a request.
 */
#include "base/rand.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"

void
rand_init(struct rand *r)
{
	ssize_t n;

	/* Up to 256 octets are never cut short by a signal; see getrandom(2).
	 * Waiting for the pool at boot may be interrupted. */
	do
		n = getrandom(&r->key, sizeof(r->key), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(r->key)) {
		log_error(NULL, "no randomness: errno=%d", errno);
		abort();
	}
	r->counter = 0;
	r->pieces = 0;
}

void
rand_init_fixed(struct rand *r, uint64_t seed)
{
	*r = (struct rand){ .key = { seed, ~seed } };
}

uint64_t
rand_u64(struct rand *r)
{
	uint64_t n = htole64(r->counter++);

	return siphash_rounds(&r->key, span_make(&n, sizeof(n)), 2, 4);
}

uint64_t
rand_below(struct rand *r, uint64_t n)
{
	/* 2^64 mod N: values below it would make small results likelier. */
	uint64_t odd = (0 - n) % n;
	uint64_t x;

	do
		x = rand_u64(r);
	while (x < odd);
	return x % n;
}

uint32_t
rand_spread(struct rand *r, uint32_t n)
{
	uint32_t x;

	if (r->pieces == 0) {
		r->rest = rand_u64(r);
		r->pieces = 4;
	}
	x = (uint16_t)r->rest;
	r->rest >>= 16;
	r->pieces--;
	return (uint32_t)((uint64_t)x * n >> 16);
}

struct siphash_key
rand_key(struct rand *r)
{
	uint64_t k0 = rand_u64(r);

	return (struct siphash_key){ k0, rand_u64(r) };
}
