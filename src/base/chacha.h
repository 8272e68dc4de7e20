/*
 * chacha: ChaCha20 (RFC 8439 2.3), four blocks at a time.
 */
#ifndef BASE_CHACHA_H
#define BASE_CHACHA_H

#include <stdint.h>

enum { CHACHA_KEY = 8, CHACHA_WORDS = 16, CHACHA_LANES = 4 };

/* The blocks 0 to 3 of the key stream of KEY with the nonce 0: OUT[i][j] is
 * word i of block j. */
void chacha_blocks(const uint32_t key[CHACHA_KEY],
    uint32_t out[CHACHA_WORDS][CHACHA_LANES]);

#endif
