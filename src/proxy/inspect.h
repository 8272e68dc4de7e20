/*
 * inspect: what the proxy holds at the moment, for operators.
 *
 * Looked at when somebody asks; costs nothing otherwise.
 */
#ifndef PROXY_INSPECT_H
#define PROXY_INSPECT_H

#include "proxy/proxy.h"

struct proxy_levels {
	size_t requests;	/* without an answer */
	size_t observations, observers;
	size_t cached, cache_octets;	/* responses, memory of them */
	size_t cache_size;	/* what that may be; 0: off */
	uint64_t cache_evicted, cache_refused, cache_stored;
	uint64_t cache_invalidated;
	size_t uploads, downloads;	/* bodies being put together */
	size_t transfers, fetches;
	size_t rates, confirmed, held;	/* remembered: clients, origins */
	uint64_t uploads_done, uploads_expired, uploads_dropped,
	    uploads_refused;
	/* Refused for want of room, */
	uint64_t requests_full, uploads_full, transfers_full,
	    observations_full, crowds_full;
	/* ... or forgotten before their time. */
	uint64_t rates_evicted, confirmed_evicted, held_evicted;
	bool draining;
};

void inspect_levels(const struct proxy *p, struct proxy_levels *out);

/* One observation of an origin. */
struct observed {
	const char *uri;	/* as the origin is asked for it */
	const char *route;
	const char *state;	/* "asking", "open", "renewing", "anew" */
	size_t observers;
	bool has_age;		/* there has been a state, */
	uint64_t age_ms;	/* ... so old */
};

/* Calls FN for each that has not ended, until it returns false; what it gets is
 * borrowed until it returns. NOW in milliseconds. */
void inspect_observations(const struct proxy *p, uint64_t now,
    bool (*fn)(void *arg, const struct observed *o), void *arg);

/* Forgets what is cached for URIs that FN says so of; returns how many
 * responses. What a URI cannot be told of stays. */
size_t inspect_flush(struct proxy *p, bool (*fn)(const char *uri, void *arg),
    void *arg);

#endif
