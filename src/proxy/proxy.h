/*
 * proxy: what happens to a request, in order.
 *
 * The stage table in proxy.c is the program. A request runs through the stages
 * until one of them answers it or it has to wait for an origin; the answer
 * comes back through fetch_response() or fetch_failed(). No sockets, no
 * message types, no clock.
 */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "base/rand.h"
#include "base/timer.h"
#include "proxy/cache.h"
#include "proxy/front.h"
#include "proxy/self.h"
#include "proxy/tally.h"
#include "proxy/upstream.h"

struct links;
struct proxy;
struct rulemap;

struct block_conf {
	size_t max_body;	/* octets put together */
	uint8_t szx;		/* the largest block, 0 to 6 */
	unsigned max_transfers;	/* at a time, in each direction */
};

struct observe_conf {
	size_t max_observers;	/* altogether; 0: nobody observes */
	unsigned max_per_client;	/* of one endpoint, 1 or more */
	uint64_t linger_ms;	/* an observation without observers */
};

/* Which requests get a line in the access log (proxy/logline.h). */
enum trail_which {
	TRAIL_OFF,
	TRAIL_ERRORS,		/* answered with 4.xx or 5.xx, repeats limited */
	TRAIL_ALL,		/* all, or one of so many */
};

struct logline;

struct trail_conf {
	enum trail_which which;
	uint32_t one_of;	/* TRAIL_ALL: 1 or more */
	/* The line, borrowed. */
	void (*write)(void *user, const struct logline *l);
	void *user;
	/* The time of the call being served; NULL: milliseconds will do. */
	const uint64_t *now_us;
};

/* What a configuration says. The proxy borrows it, and what it points to, for as
 * long as it is in use and something that began under it is under way. */
struct proxy_conf {
	const char *name;	/* identifier in 5.08 diagnostics (PRX-61) */
	unsigned hop_limit;	/* inserted when missing; 0: not */
	const struct access *access;	/* by listener */
	const char *const *listeners;	/* their names; NULL: none */
	size_t nlisteners;	/* 0: one */
	const struct forward_conf *forward;	/* NULL: role off */
	const struct rules *rules;
	size_t max_requests;	/* waiting at a time */
	struct cache_conf cache;
	struct block_conf block;
	struct observe_conf observe;
	uint64_t exchange_lifetime;	/* ms */
	size_t max_clients;	/* with a rate limit to watch, and confirmed
				 * ones */
	struct trail_conf trail;
	/* Nobody borrows it any more, but whoever is on the stack may still
	 * look into it: to be freed in a later turn. May be NULL. */
	void (*unused)(struct proxy_conf *conf);
	/* The proxy's own; 0 at first. */
	size_t users;
	struct links *links;	/* NULL: no rule wants any */
	struct rulemap *map;	/* of the rules; NULL: there are few */
	struct tally_map counts;	/* until it is in use */
};

struct proxy_stats {
	uint64_t requests;
	uint64_t refused;	/* by a list: 4.03, 5.05 */
	uint64_t rate_limited;	/* 4.29, or silence */
	uint64_t local;		/* answered by the proxy itself */
	uint64_t held_back;	/* by a 4.29 or 5.03 of the origin before */
	uint64_t fetches;
	uint64_t relayed;	/* responses of origins passed on */
	uint64_t suppressed;	/* answers their clients did not want */
	uint64_t logged;	/* lines in the access log, */
	uint64_t unlogged;	/* and errors like others before them */
	uint64_t bad_responses;
	uint64_t timeouts;
	uint64_t unreachable;
	uint64_t hop_limit;	/* used up: 5.08 (PRX-64) */
	uint64_t full;		/* a limit: 5.03 */
	uint64_t too_large;	/* 4.13 */
	uint64_t collected;	/* bodies of origins put together, */
	uint64_t uncollected;	/* ... and those that could not be */
	uint64_t hits, misses;	/* of requests that the cache is for */
	uint64_t validated;	/* by the origin, with 2.03 */
	uint64_t joined;	/* waited for what somebody else asked */
	uint64_t notifications;	/* from origins, */
	uint64_t notified;	/* ... and to observers */
	uint64_t renewed;	/* registrations asked for once more */
	uint64_t observations_lost;	/* ... in vain: ended by us */
	uint64_t observers_refused;	/* answered plainly */
	uint64_t observers_parted;	/* led elsewhere after a reload: 5.03 */
	uint64_t lists;		/* of links fetched from origins */
	uint64_t lists_failed;	/* of them, not come or not usable */
	/* Clients that may not be where they say (amplification): */
	uint64_t challenges;	/* 4.01 with Echo */
	uint64_t confirmed;	/* endpoints that have proved themselves */
	uint64_t echo_invalid;	/* own Echo values, expired or forged */
	uint64_t cut;		/* answers cut to a small block */
	uint64_t withheld;	/* answers that there were too many of */
};

/* NULL without memory. SELF may be completed later, before requests come. */
struct proxy *proxy_new(struct proxy_conf *conf, const struct self *self,
    struct timers *timers, struct rand *rnd);

/* Prepares CONF, which is to take the place of the configuration in use, or
 * takes that back. False without memory: it is to be abandoned then as well. */
bool proxy_prepare(struct proxy *p, struct proxy_conf *conf)
    __attribute__((warn_unused_result));
void proxy_abandon(struct proxy *p, struct proxy_conf *conf);

/* CONF, prepared, is in use from now on. What is under way goes on under the
 * one it began with; an observation stays where its request would lead to the
 * same target now, other observers are told 5.03. Of what there is more than
 * its limits allow nothing is taken away, but from the cache. */
void proxy_reload(struct proxy *p, struct proxy_conf *conf, uint64_t now);

/* Where fetches go; before the first request. */
void proxy_set_upstream(struct proxy *p, const struct upstream_ops *ops,
    void *self);

/* Cancels every fetch; whoever waits for one gets 5.04. */
void proxy_free(struct proxy *p);

/* Takes a request in. It is answered through IN->front, now or later. */
void proxy_handle(struct proxy *p, const struct inbound *in, uint64_t now);

/* From now on new requests are refused with 5.03; those waiting go on. */
void proxy_drain(struct proxy *p);

/* Requests waiting for an answer now. */
size_t proxy_waiting(const struct proxy *p);

/* Observers, and observations of origins, now. */
size_t proxy_observers(const struct proxy *p);
size_t proxy_observations(const struct proxy *p);

/* Registrations being cancelled with origins now. */
size_t proxy_parting(const struct proxy *p);

const struct proxy_stats *proxy_stats(const struct proxy *p);
const struct tallies *proxy_tallies(const struct proxy *p);

#endif
