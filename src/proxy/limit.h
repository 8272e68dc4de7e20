/*
 * limit: how often one client may ask (rate-limit).
 *
 * A token bucket per listener and client address; ports do not count, and an
 * IPv6 client is its /64, so that a host cannot ask for more by calling itself
 * differently. The table is bounded, the longest quiet client leaves first.
 */
#ifndef PROXY_LIMIT_H
#define PROXY_LIMIT_H

#include "base/addr.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/table.h"

/* "50/s burst 100": per_second 0 is no limit. */
struct rate {
	uint32_t per_second;
	uint32_t burst;
};

struct limits {
	struct table table;
	struct list quiet;	/* longest quiet first */
	struct pool pool;
	struct siphash_key key;
	uint64_t evicted;	/* clients, for others */
};

/* Room for MAX clients. */
bool limits_init(struct limits *l, size_t max, struct rand *rnd)
    __attribute__((warn_unused_result));
void limits_fini(struct limits *l);

/* Room for MAX from now on; while there are more, two give way for each that
 * comes. */
void limits_resize(struct limits *l, size_t max);

enum limit_verdict {
	LIMIT_PASS,
	LIMIT_REFUSE,	/* 4.29, to be said at most once a second */
	LIMIT_SILENT,	/* said already: nothing at all (PRX-46) */
};

/* Takes a token of CLIENT's at LISTENER, which has RATE. On LIMIT_REFUSE
 * *SECONDS is when the next one will be there, 1 or more. */
enum limit_verdict limit_take(struct limits *l, const struct rate *rate,
    unsigned listener, const struct addr *client, uint64_t now,
    uint32_t *seconds);

#endif
