/*
 * key: what makes two requests the same request (RFC 7252 5.6, 5.4.2).
 *
 * Canonical octets and their keyed hash: the cache, the collapsing of equal
 * requests and pooled observations all use this one form. Two spellings of one
 * target give the same octets; anything that may change the answer is in them.
 */
#ifndef COAP_KEY_H
#define COAP_KEY_H

#include "base/siphash.h"
#include "base/writer.h"
#include "coap/uri.h"

struct coap_key {
	struct span octets;
	uint64_t hash;
};

/* Writes the key of a request to SCHEME, HOST (lower case; an IP literal in
 * its canonical text) and PORT with options M into W: method, target, every
 * Uri-Path and Uri-Query in order, and every option that belongs to the key:
 * not those that are NoCacheKey, hop-by-hop or interpreted (Observe, ETag,
 * Max-Age, Hop-Limit, Block1, Block2, Request-Tag, Proxy-*); the payload of a
 * FETCH. False when W is full. */
bool coap_key_make(struct coap_key *key, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    enum coap_scheme scheme, const struct coap_host *host, uint16_t port);

#endif
