/*
 * relay: block-wise transfers passed on block by block (RFC 7959, RFC 9175
 * 3.5.3; strategy B of BLK-39).
 *
 * Many clients become one endpoint towards the origin, so their transfers to
 * one resource would run into each other. A Request-Tag of our own keeps them
 * apart: a keyed hash of who the client is, the same for all blocks of its
 * transfer, without any state.
 */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include "base/addr.h"
#include "coap/msg.h"

enum { RELAY_TAG_LEN = 8 };

/* Whether the request M is part of a transfer that needs a tag: one with
 * Block1, or a later Block2 of a request with a body (RFC 9175 3.2). */
bool relay_needs_tag(const struct coap_msg *m);

/* The tag of CLIENT's transfers through LOCAL. */
void relay_tag(const struct siphash_key *key, const struct addr *client,
    const struct addr *local, uint8_t tag[RELAY_TAG_LEN]);

#endif
