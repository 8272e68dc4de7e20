/*
 * key: what makes two requests the same request (RFC 7252 5.6, 5.4.2).
 *
 * Canonical octets and their keyed hash: the cache, the collapsing of equal
 * requests and pooled observations all use this one form. It is made of the
 * request as it goes out to the next hop: two spellings of one target give the
 * same octets there; anything that may change the answer is in them. The target
 * URI has a hash of its own, by which answers go stale (RFC 7252 5.9.1).
 */
#ifndef COAP_KEY_H
#define COAP_KEY_H

#include "base/siphash.h"
#include "base/writer.h"
#include "coap/uri.h"

struct coap_key {
	struct span octets;
	uint64_t hash;		/* of all of them */
	uint64_t uri;		/* of the target URI, whatever is asked of it */
};

/* Where a request is sent. */
struct coap_authority {
	enum coap_scheme scheme;
	const struct coap_host *host;	/* a name in lower case, or a literal */
	uint16_t port;
};

enum coap_key_body {
	COAP_KEY_BODY,		/* the payload of a FETCH counts */
	COAP_KEY_NO_BODY,	/* it is left out: for a later block of the
				 * answer, which is asked for without it. Never
				 * the key of a request with COAP_KEY_BODY */
};

/* Writes the key of a request to AT with options M into W: first the target,
 * that is AT and every option that says more about it (Uri-Host without regard
 * to case, so that two virtual hosts at one address differ; Uri-Port, Uri-Path,
 * Uri-Query, Proxy-*), then the method, every option that belongs to the key
 * (not those that are NoCacheKey, hop-by-hop or interpreted: Observe, ETag,
 * Max-Age, Hop-Limit, Block1, Block2, Request-Tag) and as BODY says the payload
 * of a FETCH (RFC 8132 2.1). key->octets are in W's buffer. False when W is
 * full. */
bool coap_key_make(struct coap_key *key, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    const struct coap_authority *at, enum coap_key_body body);

/* The URI that the KEY, octets of coap_key_make(), is for, as in
 * coap_uri_format(), and its method. False for octets that are none, and when
 * CAP is too small. */
bool coap_key_format(struct span key, char *out, size_t cap, uint8_t *method);

/* What key->uri would be, into *URI; W is scratch. */
bool coap_uri_hash(uint64_t *uri, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    const struct coap_authority *at);

/* Likewise for what the Location-Path and Location-Query of LOCATION name, an
 * answer to M, which has at least one of them (RFC 7252 5.10.7): a reference
 * relative to M's URI. */
bool coap_location_hash(uint64_t *uri, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    const struct coap_authority *at, const struct coap_msg *location);

#endif
