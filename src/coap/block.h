/*
 * block: values of Block1 and Block2 (RFC 7959 2.2).
 */
#ifndef COAP_BLOCK_H
#define COAP_BLOCK_H

#include "base/span.h"

enum { COAP_SZX_RESERVED = 7, COAP_BLOCK_NUM_MAX = 0xfffff };

struct coap_block {
	uint32_t num;
	bool more;
	uint8_t szx;		/* block size 2^(szx + 4); 7 is none over UDP */
};

/* VALUE is 0 to 3 octets. */
struct coap_block coap_block_get(struct span value);

/* The value for coap_put_uint(). */
uint32_t coap_block_value(const struct coap_block *b);

static inline uint32_t
coap_block_size(const struct coap_block *b)
{
	return 1u << (b->szx + 4);
}

/* Octets before the block. */
static inline uint64_t
coap_block_offset(const struct coap_block *b)
{
	return (uint64_t)b->num << (b->szx + 4);
}

/* The slice of BODY that block NUM of size SZX is; sets more. False when NUM
 * lies behind the end (block 0 of an empty body exists). */
bool coap_block_slice(struct span body, struct coap_block *b,
    struct span *slice);

#endif
