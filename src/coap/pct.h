/*
 * pct: percent-encoding and the characters of RFC 3986 2.
 */
#ifndef COAP_PCT_H
#define COAP_PCT_H

#include "base/span.h"
#include "base/writer.h"

/* Sets of characters, by the places of a URI where they stand for
 * themselves. */
enum {
	PCT_UNRESERVED = 1,
	PCT_SUB_DELIMS = 2,	/* but for the ampersand */
	PCT_AMPERSAND = 4,
	PCT_COLON = 8,
	PCT_AT = 16,
	PCT_SLASH = 32,
	PCT_QUESTION = 64,

	PCT_REG_NAME = PCT_UNRESERVED | PCT_SUB_DELIMS | PCT_AMPERSAND,
	PCT_USERINFO = PCT_REG_NAME | PCT_COLON,
	PCT_SEGMENT = PCT_USERINFO | PCT_AT,
	PCT_PATH = PCT_SEGMENT | PCT_SLASH,
	PCT_QUERY = PCT_PATH | PCT_QUESTION,
	PCT_ARGUMENT = PCT_QUERY & ~PCT_AMPERSAND,	/* one of a query */
};

/* The sets that an octet is in; none from 0x80 on. */
extern const uint8_t pct_sets[256];

static inline bool
pct_in(uint8_t c, unsigned set)
{
	return (pct_sets[c] & set) != 0;
}

/* The value of a hexadecimal digit, or -1. */
int pct_hex(uint8_t c);

/* Whether S consists of characters of SET and well-formed triplets. */
bool pct_ok(struct span s, unsigned set);

/* Decodes S, which pct_ok() has passed, once, into OUT of CAP octets; false
 * when it does not fit. */
bool pct_decode(struct span s, uint8_t *out, size_t cap, size_t *n);

/* Writes S with all octets but those of SET encoded, digits in upper case. */
void pct_put(struct writer *w, struct span s, unsigned set);

#endif
