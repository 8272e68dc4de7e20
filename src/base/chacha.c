/*
 * chacha: ChaCha20.
 *
 * Each word of the state is a vector with that word of four blocks, so all of
 * them take the same steps and nothing has to be moved between lanes.
 */
#include "base/chacha.h"

#include <string.h>

typedef uint32_t row __attribute__((vector_size(16)));

_Static_assert(sizeof(row) == CHACHA_LANES * sizeof(uint32_t), "a lane each");

static inline row
rotl(row v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static inline __attribute__((always_inline)) void
quarter(row s[CHACHA_WORDS], unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b];
	s[d] = rotl(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotl(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotl(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotl(s[b] ^ s[c], 7);
}

static inline row
all(uint32_t v)
{
	return (row){ v, v, v, v };
}

void
chacha_blocks(const uint32_t key[CHACHA_KEY],
    uint32_t out[CHACHA_WORDS][CHACHA_LANES])
{
	row start[CHACHA_WORDS] = {
		all(0x61707865), all(0x3320646e), all(0x79622d32),
		all(0x6b206574), [12] = { 0, 1, 2, 3 },
	};
	row s[CHACHA_WORDS];

	for (unsigned i = 0; i < CHACHA_KEY; i++)
		start[4 + i] = all(key[i]);
	memcpy(s, start, sizeof(s));
	for (unsigned i = 0; i < 10; i++) {
		quarter(s, 0, 4, 8, 12);
		quarter(s, 1, 5, 9, 13);
		quarter(s, 2, 6, 10, 14);
		quarter(s, 3, 7, 11, 15);
		quarter(s, 0, 5, 10, 15);
		quarter(s, 1, 6, 11, 12);
		quarter(s, 2, 7, 8, 13);
		quarter(s, 3, 4, 9, 14);
	}
	for (unsigned i = 0; i < CHACHA_WORDS; i++)
		s[i] += start[i];
	memcpy(out, s, sizeof(s));
}
