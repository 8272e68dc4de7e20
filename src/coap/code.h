/*
 * code: CoAP codes (RFC 7252 12.1): methods and response codes.
 *
 * A code is one octet, class * 32 + detail; 4.03 is 0x83.
 */
#ifndef COAP_CODE_H
#define COAP_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum {
	COAP_EMPTY = 0,
	COAP_GET = 1,
	COAP_POST = 2,
	COAP_PUT = 3,
	COAP_DELETE = 4,
	COAP_FETCH = 5,
	COAP_PATCH = 6,
	COAP_IPATCH = 7,
	COAP_201 = 0x41,
	COAP_202 = 0x42,
	COAP_203 = 0x43,
	COAP_204 = 0x44,
	COAP_205 = 0x45,
	COAP_231 = 0x5f,
	COAP_400 = 0x80,
	COAP_401 = 0x81,
	COAP_402 = 0x82,
	COAP_403 = 0x83,
	COAP_404 = 0x84,
	COAP_405 = 0x85,
	COAP_406 = 0x86,
	COAP_408 = 0x88,
	COAP_409 = 0x89,
	COAP_412 = 0x8c,
	COAP_413 = 0x8d,
	COAP_415 = 0x8f,
	COAP_422 = 0x96,
	COAP_429 = 0x9d,
	COAP_500 = 0xa0,
	COAP_501 = 0xa1,
	COAP_502 = 0xa2,
	COAP_503 = 0xa3,
	COAP_504 = 0xa4,
	COAP_505 = 0xa5,
	COAP_508 = 0xa8,
};

enum coap_kind {
	COAP_KIND_EMPTY,	/* 0.00 */
	COAP_KIND_REQUEST,	/* 0.01-0.31 */
	COAP_KIND_RESPONSE,	/* classes 2 to 5; 3 has no code assigned */
	COAP_KIND_RESERVED,	/* classes 1, 6, 7 (over UDP) */
};

static inline unsigned
coap_code_class(uint8_t code)
{
	return code >> 5;
}

static inline enum coap_kind
coap_code_kind(uint8_t code)
{
	unsigned class = coap_code_class(code);

	if (class == 0)
		return code == COAP_EMPTY ? COAP_KIND_EMPTY :
		    COAP_KIND_REQUEST;
	return class >= 2 && class <= 5 ? COAP_KIND_RESPONSE :
	    COAP_KIND_RESERVED;
}

/* GET ... iPATCH: methods with a meaning (RFC 7252 5.8, RFC 8132). */
static inline bool
coap_method_known(uint8_t code)
{
	return code >= COAP_GET && code <= COAP_IPATCH;
}

/* RFC 7252 5.1: repeating it does what doing it once does. Unknown methods
 * are not idempotent. */
static inline bool
coap_method_idempotent(uint8_t code)
{
	return coap_method_known(code) && code != COAP_POST &&
	    code != COAP_PATCH;
}

/* GET and FETCH. */
static inline bool
coap_method_safe(uint8_t code)
{
	return code == COAP_GET || code == COAP_FETCH;
}

/* Whether a payload means anything with this method or response code
 * (RFC 7252 5.5): not with GET, DELETE, 2.03, 2.31. */
static inline bool
coap_code_has_payload(uint8_t code)
{
	return code != COAP_EMPTY && code != COAP_GET && code != COAP_DELETE &&
	    code != COAP_203 && code != COAP_231;
}

/* "GET", "2.05", "0.31" into OUT. */
const char *coap_code_str(uint8_t code, char out[8]);

/* From "GET" (without case) or "2.05"; false for anything else. */
bool coap_code_parse(struct span s, uint8_t *code);

#endif
