/*
 * cache: responses kept by the key of their request, within a byte budget.
 *
 * What a response may be stored for and how long it is fresh is said in
 * proxy/fresh.h; here it is kept, found, refreshed, made stale by the URI it
 * belongs to, and forgotten when there is no room: the least recently used
 * first, but if the entries of one client fill more than half of the budget, of
 * that client's (CAC-47). An entry is one allocation with key, options and the
 * whole body; what is counted is what the allocator takes for it.
 *
 * Two kinds of entry besides shared responses, for transfers of more than one
 * block: private ones, under a key with the client in it, whose further blocks
 * only this client may fetch (BLK-20, BLK-21), and notes without a body that
 * what would be here is too large to be collected (BLK-44).
 */
#ifndef PROXY_CACHE_H
#define PROXY_CACHE_H

#include "base/list.h"
#include "base/rand.h"
#include "base/table.h"
#include "coap/key.h"
#include "proxy/fresh.h"

struct cache_conf {
	size_t size;		/* octets in all; 0: nothing is stored */
	size_t max_entry;	/* octets of one body */
	uint32_t max_age;	/* s; longer than that nothing is fresh here,
				 * whatever its Max-Age (ATK-28) */
};

struct cache_stats {
	uint64_t stored;
	uint64_t refreshed;	/* validated by the origin */
	uint64_t evicted;	/* for want of room */
	uint64_t invalidated;	/* fresh no more since their URI changed */
	uint64_t refused;	/* too large, or no memory */
};

enum { CACHE_SHARES = 64 };

/* What the clients that fall into one of the shares have filled. */
struct cache_share {
	struct list lru;	/* like that of the cache */
	size_t octets;
};

struct cache {
	struct cache_conf conf;
	struct siphash_key secret;	/* for the keys used here */
	struct table keys;
	struct table uris;	/* the first entry of each URI */
	struct list lru;	/* last used first */
	struct cache_share shares[CACHE_SHARES];
	struct cache_share *heavy;	/* the last to exceed half of the
					 * budget, or NULL */
	size_t goal;		/* what conf.size is to become */
	size_t old;		/* entries to be forgotten, the size apart */
	size_t octets;		/* of entries, those held included */
	size_t freed;		/* ... since pages were last given back */
	struct cache_stats stats;
};

enum cache_flags {
	CACHE_PRIVATE = 1,	/* not touched by cache_invalidate() */
	CACHE_TOO_LARGE = 2,	/* no body: to be relayed block by block */
};

struct cache_entry {
	struct table_node node;	/* in keys */
	struct table_node uri;	/* in uris, if it is the first of its URI */
	struct list same_uri;	/* the others of its URI */
	struct list lru, share_lru;
	uint64_t stored;	/* when it was received or validated, ms */
	uint64_t stale;		/* when it is not fresh any more, ms; 0: never
				 * was, or not since it was invalidated */
	uint64_t own_etag;	/* 0: not asked for yet */
	size_t nbody;
	uint32_t nkey;
	uint32_t max_age;	/* as the origin said, s */
	uint32_t refs;		/* the cache and those who hold it */
	uint16_t nopts;
	uint16_t etag_at;	/* in opts */
	uint8_t etag_n;		/* 0: none */
	uint8_t code;
	uint8_t flags;		/* enum cache_flags */
	uint8_t share;
	bool linked;		/* in the cache */
	bool first;		/* in uris */
	uint8_t octets[];	/* key, options, body */
};

/* What is to be stored; borrowed. */
struct cache_item {
	uint8_t code;
	uint8_t flags;		/* enum cache_flags */
	struct span opts;	/* as in fresh_put_stored() */
	struct span body;
	uint32_t max_age;	/* s */
	uint32_t lifetime;	/* s it can be used; 0: max_age, and not longer
				 * than the configuration says */
	uint64_t client;	/* who asked for it: evenly spread */
};

/* An empty cache. False without memory. */
bool cache_init(struct cache *c, const struct cache_conf *conf,
    struct rand *rnd) __attribute__((warn_unused_result));

/* Frees all entries; none may be held. */
void cache_fini(struct cache *c);

/* From now on CONF holds. When what is there does not fit, some entries are
 * forgotten at once, and others at each call of cache_shrink(): true if that is
 * needed. */
bool cache_configure(struct cache *c, const struct cache_conf *conf,
    uint64_t now);
bool cache_shrink(struct cache *c, uint64_t now);

/* Likewise for all entries there are, whatever their size. */
void cache_empty(struct cache *c);

/* Octets in use, tables included. */
size_t cache_octets(const struct cache *c);

/* The entry of KEY, fresh or not, or NULL. It is the cache's: valid until the
 * next call that stores, unless held. It counts as used now. */
struct cache_entry *cache_find(struct cache *c, const struct coap_key *key);

/* Stores ITEM under KEY in place of what was there, which is gone even when
 * NULL is returned (CAC-25): the cache is off, ITEM is too large, or there is
 * no memory. The result is the cache's, like that of cache_find(). KEY and ITEM
 * may be an entry's own octets only if that is held. */
struct cache_entry *cache_store(struct cache *c, const struct coap_key *key,
    const struct cache_item *item, uint64_t now);

/* An entry of ITEM that is in no table: nobody finds it, and it is gone when
 * the caller, who holds it, releases it. It counts as others do. NULL when it
 * is too large, or there is no memory. */
struct cache_entry *cache_make(struct cache *c, const struct cache_item *item,
    uint64_t now);

/* The origin has confirmed E, which the caller holds and goes on holding, by
 * the 2.03 M: its Max-Age begins anew and the options of M take the place of
 * E's (RFC 7252 5.9.1.3). Returns E, or the entry that has replaced it; NULL
 * when that could not be stored: then E is not in the cache either. */
struct cache_entry *cache_refresh(struct cache *c, struct cache_entry *e,
    const struct coap_msg *m, uint64_t now);

/* Nothing stored for URI, a coap_key.uri, is fresh any more (RFC 7252 5.9.1,
 * CAC-36 to CAC-41). Costs as much as has been stored for it since the last
 * time. */
void cache_invalidate(struct cache *c, uint64_t uri);

/* E alone is not fresh any more (CAC-31). */
void cache_outdate(struct cache_entry *e);

/* E can be used for LIFETIME seconds from NOW. */
void cache_extend(struct cache_entry *e, uint32_t lifetime, uint64_t now);

/* Forgets the entries of which FN says so by their keys; returns how many. */
size_t cache_flush(struct cache *c, bool (*fn)(struct span key, void *arg),
    void *arg);

/* E stays readable, although the cache may forget it, until it is released. */
void cache_hold(struct cache_entry *e);
void cache_release(struct cache *c, struct cache_entry *e);

/* Writes to W and *OUT the key of what is kept for CLIENT, a span of at most
 * 255 octets that tells it apart, and a request with the key KEY. It is never
 * that of a request alone. False when W is full. */
bool cache_private_key(struct coap_key *out, struct writer *w,
    const struct siphash_key *secret, const struct coap_key *key,
    struct span client);

/* An ETag for the blocks of E's body, 8 octets in E, for one that came without
 * (BLK-18): the same as long as body and options are. Not to be sent to an
 * origin. */
struct span cache_own_etag(const struct cache *c, struct cache_entry *e);

static inline bool
cache_fresh(const struct cache_entry *e, uint64_t now)
{
	return now < e->stale;
}

/* Max-Age for an answer from E at NOW (CAC-17). */
static inline uint32_t
cache_max_age(const struct cache_entry *e, uint64_t now)
{
	return fresh_left(e->max_age, fresh_age(e->stored, now));
}

static inline struct span
cache_key(const struct cache_entry *e)
{
	return span_make(e->octets, e->nkey);
}

static inline struct span
cache_opts(const struct cache_entry *e)
{
	return span_make(e->octets + e->nkey, e->nopts);
}

static inline struct span
cache_body(const struct cache_entry *e)
{
	return span_make(e->octets + e->nkey + e->nopts, e->nbody);
}

/* What the origin can validate E by; empty when it cannot, as with an error
 * (RFC 7252 5.9.2). */
static inline struct span
cache_etag(const struct cache_entry *e)
{
	return span_make(e->octets + e->nkey + e->etag_at, e->etag_n);
}

#endif
