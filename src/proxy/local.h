/*
 * local: the proxy's own resources.
 *
 * /.well-known/core lists what the routes offer to whoever asks (RFC 6690 4,
 * RFC 7252 7.2).
 */
#ifndef PROXY_LOCAL_H
#define PROXY_LOCAL_H

#include "base/writer.h"
#include "proxy/redirect.h"
#include "proxy/reply.h"

enum { LOCAL_REPLY_MAX = 1024 + 64 };	/* octets a reply may need */

/* Whether M has a critical option that only an origin could honour: for P's own
 * answers it counts as unrecognised, 4.02 (RFC 7252 5.4.1, PRX-34). */
bool local_refuses(const struct coap_msg *m);

/* Answers Q, a request for the proxy itself. ETAG changes whenever the rules
 * may have. The reply borrows from SCRATCH. */
void local_answer(struct reply *reply, const struct redirect_query *q,
    const struct rules *rules, struct span etag,
    uint8_t scratch[LOCAL_REPLY_MAX]);

#endif
