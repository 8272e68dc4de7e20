/*
 * emit: writing messages.
 *
 * Options are encoded as deltas from 0, so a run of encoded options can be
 * copied behind any token: a message to relay unchanged is one memcpy. Option
 * numbers must ascend; what does not fit is one check at the end.
 */
#ifndef COAP_EMIT_H
#define COAP_EMIT_H

#include "base/writer.h"
#include "coap/msg.h"

/* Encodes options, ascending, into W. */
struct coap_optw {
	struct writer *w;
	uint16_t last;
};

static inline struct coap_optw
coap_optw(struct writer *w)
{
	return (struct coap_optw){ w, 0 };
}

void coap_put_opt(struct coap_optw *o, uint16_t number, struct span value);

/* In the fewest octets (RFC 7252 3.2). */
void coap_put_uint(struct coap_optw *o, uint16_t number, uint32_t v);

struct coap_head {
	uint8_t type;
	uint8_t code;
	uint16_t mid;
	struct span token;
};

/* Writes a whole message: header, token (extended length when over 12 octets,
 * RFC 8974), OPTS as encoded, and a marker before PAYLOAD unless it is empty.
 * Returns its length, or 0 when CAP is too small. */
size_t coap_emit(uint8_t *out, size_t cap, const struct coap_head *h,
    struct span opts, struct span payload);

/* Upper bound for coap_emit()'s result. */
static inline size_t
coap_emit_bound(size_t token, size_t opts, size_t payload)
{
	return 4 + 2 + token + opts + 1 + payload;
}

/* coap_emit()'s result, given enough room. */
static inline size_t
coap_emit_size(size_t token, size_t opts, size_t payload)
{
	size_t ext = token < 13 ? 0 : token < 269 ? 1 : 2;

	return 4 + ext + token + opts + (payload > 0 ? 1 + payload : 0);
}

/* Changes the Message ID of an emitted message. */
static inline void
coap_set_mid(uint8_t *message, uint16_t mid)
{
	message[2] = (uint8_t)(mid >> 8);
	message[3] = (uint8_t)mid;
}

/* The four octets of an empty message: ping, ACK, RST. */
void coap_emit_empty(uint8_t out[4], uint8_t type, uint16_t mid);

#endif
