/*
 * block: arithmetic of Block1 and Block2 values.
 *
 *	 NUM (0, 4, 12 or 20 bits) | M (1) | SZX (3)
 *
 * The value is an ordinary uint, so that block 0 of 16 octets without a
 * successor is the empty value, which is not the same as no option (BLK-04).
 */
#include "coap/block.h"

#include "coap/msg.h"

struct coap_block
coap_block_get(struct span value)
{
	uint32_t v = coap_uint(value);

	return (struct coap_block){
		.num = v >> 4 & COAP_BLOCK_NUM_MAX,
		.more = (v & 8) != 0,
		.szx = (uint8_t)(v & 7),
	};
}

uint32_t
coap_block_value(const struct coap_block *b)
{
	return b->num << 4 | (b->more ? 8u : 0u) | b->szx;
}

bool
coap_block_slice(struct span body, struct coap_block *b, struct span *slice)
{
	uint64_t from = coap_block_offset(b);
	size_t left;

	if (b->szx >= COAP_SZX_RESERVED)
		return false;	/* BLK-02: there is no such size over UDP */
	if (from >= body.n && b->num != 0)
		return false;
	left = body.n - (size_t)from;
	b->more = left > coap_block_size(b);
	*slice = body;
	if (from > 0)
		slice->p += from;
	slice->n = b->more ? coap_block_size(b) : left;
	return true;
}
