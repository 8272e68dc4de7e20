/*
 * local: the proxy's own resources.
 *
 * /.well-known/core lists what the routes offer to whoever asks (RFC 6690 4,
 * RFC 7252 7.2).
 */
#ifndef PROXY_LOCAL_H
#define PROXY_LOCAL_H

#include "base/siphash.h"
#include "base/writer.h"
#include "proxy/redirect.h"
#include "proxy/reply.h"

enum { LOCAL_REPLY_MAX = 1024 + 64 };	/* octets a reply may need */

/* What stands in the list for a rule. */
struct local_part {
	enum {
		LOCAL_PATHS,	/* its paths */
		LOCAL_UNKNOWN,	/* its paths, as long as no more is known */
		LOCAL_LINKS,	/* links */
	} what;
	struct span links;	/* link-format, under our paths */
	uint64_t until;		/* links is fresh so long */
	bool contested;		/* another rule may take some of them */
};

struct local_list {
	const struct rules *rules;
	const struct local_part *parts;	/* by rule; NULL: all LOCAL_PATHS */
	const struct siphash_key *key;	/* for ETags */
	uint64_t now;
};

/* Whether M has a critical option that only an origin could honour: for P's own
 * answers it counts as unrecognised, 4.02 (RFC 7252 5.4.1, PRX-34). */
bool local_refuses(const struct coap_msg *m);

/* Whether M, a request for the proxy itself, is to be answered with the list
 * (2.05 or 2.03). */
bool local_is_list(const struct coap_msg *m);

/* Whether the list may have something of RULE in it for whoever asks Q: it
 * leads somewhere, and the conditions that do not depend on the path hold. */
bool local_offers(const struct rule *rule, const struct redirect_query *q);

/* Answers Q, a request for the proxy itself. The ETag is another one whenever
 * the list is. The reply borrows from SCRATCH. */
void local_answer(struct reply *reply, const struct redirect_query *q,
    const struct local_list *list, uint8_t scratch[LOCAL_REPLY_MAX]);

#endif
