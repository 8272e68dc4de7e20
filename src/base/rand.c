/*
 * rand: pieces of the key stream of ChaCha20.
 *
 * Not the SipHash of the tables: a table's hashes never leave the process, but
 * tokens, Message IDs and Request-Tags show whole outputs to whoever listens.
 * The beginning of each piece is the key of the next.
 */
#include "base/rand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

void
rand_init(struct rand *r)
{
	ssize_t n;

	/* Up to 256 octets are never cut short by a signal; see getrandom(2).
	 * Waiting for the pool at boot may be interrupted. */
	do
		n = getrandom(r->key, sizeof(r->key), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(r->key)) {
		/* Nothing else is as good, so nothing takes its place. */
		log_error(NULL, "no random numbers: %s", strerror(errno));
		exit(EXIT_FAILURE);
	}
	r->left = 0;
	r->pieces = 0;
}

void
rand_init_fixed(struct rand *r, uint64_t seed)
{
	*r = (struct rand){
		.key = { (uint32_t)seed, (uint32_t)(seed >> 32) },
	};
}

void
rand_fill(struct rand *r)
{
	uint32_t out[CHACHA_WORDS][CHACHA_LANES];
	const uint8_t *p = (const uint8_t *)out;

	_Static_assert(sizeof(out) == sizeof(r->key) + sizeof(r->words),
	    "all of it is used");
	chacha_blocks(r->key, out);
	memcpy(r->key, p, sizeof(r->key));
	memcpy(r->words, p + sizeof(r->key), sizeof(r->words));
	r->left = RAND_WORDS;
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
