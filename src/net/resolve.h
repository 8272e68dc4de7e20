/*
 * resolve: names to addresses with evdns, and a small cache.
 *
 * Answers are kept for their TTL within [min-ttl, max-ttl]; that a name does
 * not exist is kept for min-ttl. Equal look-ups under way are asked once. The
 * hosts file is honoured, and read again when it has changed. What is bounded:
 * names being asked for and look-ups waiting (start() returns NULL), names
 * cached (least recently used out).
 *
 * Addresses come IPv6 first. An answer for one family waits a quarter of a
 * second for the other; without it, it is kept for min-ttl only. Names that
 * are no DNS names (RFC 1123 2.1, and '_') do not exist: nobody is asked.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "base/histo.h"
#include "net/loop.h"
#include "net/net.h"

struct dns_conf {
	struct addr *servers;	/* port 0: 53 */
	size_t nservers;	/* 0: those of resolv.conf */
	uint64_t timeout_ms;	/* for a look-up altogether */
	uint64_t min_ttl_ms, max_ttl_ms;
};

enum { RESOLVE_MAX_PENDING = 256, RESOLVE_MAX_CACHED = 4096 };

struct resolve_stats {
	uint64_t queries;	/* asked of name servers, */
	uint64_t answers;	/* ... with these outcomes */
	uint64_t failures, timeouts;
	uint64_t hits;		/* known without asking */
	uint64_t refused;
	struct histo times;	/* of those asked */
};

/* A resolver on L; CONF is copied. NULL when evdns cannot be had. */
struct resolver *resolve_new(struct loop *l, const struct dns_conf *conf);

/* Prepares CONF, which is to take the place of the one in use, or takes that
 * back. False when evdns, or all servers, cannot be had. */
bool resolve_prepare(struct resolver *r, const struct dns_conf *conf)
    __attribute__((warn_unused_result));
void resolve_abandon(struct resolver *r);

/* CONF, prepared, is in use from now on. Look-ups under way end as they began;
 * what was known is forgotten if other servers are asked from now on. */
void resolve_reload(struct resolver *r, const struct dns_conf *conf);

/* Cancels what is under way. May be called from a callback of its own; the
 * loop gives back the rest, in later turns or in loop_free(). */
void resolve_free(struct resolver *r);

const struct resolve_stats *resolve_stats(const struct resolver *r);

/* Names known now, those too old included. */
size_t resolve_cached(const struct resolver *r);

#endif
