/* blocks: messages with Block1, made from numbers instead of texts. */
#ifndef TESTS_UNIT_PROXY_BLOCKS_H
#define TESTS_UNIT_PROXY_BLOCKS_H

#include "base/rand.h"
#include "coap/block.h"
#include "coap/msg.h"

struct block_msg {
	uint8_t code;
	const struct coap_block *block;	/* NULL: none */
	uint32_t size1;			/* 0: none */
	struct span tag;		/* NULL: none */
	struct span payload;
	/* What block_make() needs. */
	uint8_t octets[64];
	struct coap_msg msg;
};

/* The message B; valid as long as B. */
const struct coap_msg *block_make(struct block_msg *b);

/* Fills BODY with N octets that tell where a block comes from. */
void block_fill(uint8_t *body, size_t n, struct rand *rnd);

/* "a64 b10": the octets of a body made of runs, in static memory. */
const char *block_runs(const uint8_t *body, size_t n);

#endif
