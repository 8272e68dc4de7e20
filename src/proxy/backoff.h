/*
 * backoff: patience with an origin that asks for it (RFC 8516 4, RFC 7252
 * 5.9.3.4).
 *
 * Who has been answered 4.29 or 5.03 should not send a similar request before
 * the Max-Age of that answer has passed. So the answer is kept for as long, and
 * whoever asks the same meanwhile gets it from here.
 *
 * Similar means: the same method, next hop, authority and options, as
 * coap_key_make() has it. The payload counts for a FETCH, whose question it is;
 * that of other methods does not: what an origin is too busy to take it will
 * not take with other content. Block options are not in the key, so all blocks
 * of a transfer are held back. Other requests to the same origin go on.
 *
 * The table is bounded in entries and octets; the oldest leaves first.
 */
#ifndef PROXY_BACKOFF_H
#define PROXY_BACKOFF_H

#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/table.h"
#include "base/timer.h"
#include "coap/msg.h"
#include "proxy/reply.h"
#include "proxy/route.h"

enum {
	BACKOFF_ENTRIES = 1024,
	BACKOFF_OCTETS = 262144,	/* of keys, options and payloads */
	BACKOFF_MAX = 3600,	/* seconds: a longer Max-Age is a mistake */
	BACKOFF_OPTS = 1024,	/* octets of options backoff_find() writes */
};

struct backoff_stats {
	uint64_t held;		/* answers taken in */
	uint64_t answered;	/* requests they have answered */
	uint64_t evicted;	/* before their time */
	uint64_t too_large;	/* not taken in: the request is too long */
};

struct backoff {
	struct table table;	/* struct held by key */
	struct list oldest;	/* first */
	struct pool pool;
	struct timers *timers;
	struct siphash_key secret;
	size_t octets;
	struct backoff_stats stats;
};

/* TIMERS are borrowed. */
bool backoff_init(struct backoff *b, struct timers *timers, struct rand *rnd)
    __attribute__((warn_unused_result));
void backoff_fini(struct backoff *b);

/* Whether anything is held back at all: if not, backoff_find() need not be
 * asked. */
static inline bool
backoff_any(const struct backoff *b)
{
	return b->table.count > 0;
}

/* Keeps RESPONSE, 4.29 or 5.03, to REQUEST as it went out to HOP, for its
 * Max-Age, or 60 s; in the place of one for a similar request. Not kept are
 * what belongs to one client or one exchange (Echo, Observe, Location-*,
 * blocks), and answers under OSCORE. */
void backoff_note(struct backoff *b, const struct coap_msg *request,
    const struct target *hop, const struct coap_msg *response, uint64_t now);

/* What to answer the request M, as it would go out to HOP: *REPLY, with what is
 * left of its Max-Age, in whole seconds and not less than it is. Options are
 * written into W, which has room for BACKOFF_OPTS; the payload is borrowed
 * until the next call. False when nothing keeps M from going out. */
bool backoff_find(struct backoff *b, const struct coap_msg *m,
    const struct target *hop, struct writer *w, struct reply *reply,
    uint64_t now);

#endif
