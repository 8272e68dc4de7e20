/*
 * share: who may have the answer to whose request (RFC 7252 5.6, 5.7.1).
 *
 * The cache and the fetches under way are looked at in one place, by one key.
 */
#ifndef PROXY_SHARE_H
#define PROXY_SHARE_H

#include "base/rand.h"
#include "proxy/cache.h"
#include "proxy/fetch.h"
#include "proxy/request.h"

/* The cache and the tables of fetches. False without memory. */
bool share_start(struct proxy *p, struct rand *rnd)
    __attribute__((warn_unused_result));
void share_stop(struct proxy *p);

/* The cache, by the configuration in use; LAST was. */
void share_reload(struct proxy *p, const struct proxy_conf *last);

/* F is nobody's but its waiter's. */
void share_init(struct fetch *f);

/* R's key is known (MADE_BEFORE): answers it at once from what is stored, if
 * that is all there is to do. NEXT: it is to be asked with a fetch. */
enum verdict share_at_once(struct proxy *p, struct request *r);

/* F, whose request is in scratch, is about to be sent for R. NEXT: so it must
 * be, perhaps with the ETag of what is stored. Otherwise F is gone, and R is
 * answered from the cache or waits for another fetch. */
enum verdict share_ask(struct proxy *p, struct request *r, struct fetch *f);

/* Whether R, which would be sent as TYPE, may wait for F instead. */
bool share_may_join(const struct request *r, uint8_t type,
    const struct fetch *f);

/* F, R's registration, is the one for KEY from now on; it validates E, if not
 * NULL. False without memory: it stays R's alone. */
bool share_watch(struct proxy *p, const struct request *r, struct fetch *f,
    const struct coap_key *key, struct cache_entry *e);

/* M is what F, which observes, has come to know last: stored for others as far
 * as it may be. HAVE, or else what F validates, is what a 2.03 is about. The
 * result is held for the caller; NULL: no memory, or a 2.03 about something
 * else. */
struct cache_entry *share_note(struct proxy *p, struct fetch *f,
    const struct coap_msg *m, struct cache_entry *have);

/* Who gets the response to a fetch. */
enum share_result {
	SHARE_ALL,		/* everybody: from the entry, if there is one */
	SHARE_FIRST,		/* who made it be sent; the others ask anew */
	SHARE_BAD,		/* nobody: it cannot be processed */
};

/* M, the whole response to F, which went out as SENT: stores it, and makes
 * stale what it has changed. *E is the entry to answer from, valid until
 * something else is stored; NULL: answer with M. */
enum share_result share_settle(struct proxy *p, struct fetch *f,
    const struct coap_msg *m, struct span sent, struct cache_entry **e);

/* Keeps M, the response to F, for R's client to fetch further blocks of it.
 * SENT is the last request that went out for it. NULL: it could not be kept. */
struct cache_entry *share_keep(struct proxy *p, const struct fetch *f,
    const struct request *r, const struct coap_msg *m, struct span sent);

/* Keeps what E has for R alone, too, if R's own_key says that it will ask for
 * the rest without the body that told what it wants. E is held by the caller. */
void share_copy(struct proxy *p, const struct request *r,
    const struct cache_entry *e);

/* What F asks for is too large to be collected: who asks for it next, this
 * client if nobody else, has it relayed. */
void share_too_large(struct proxy *p, struct fetch *f, struct span sent);

/* The origin has begun to act on F, which is not safe (RFC 7959 2.10). */
void share_acted(struct proxy *p, const struct fetch *f);

/* F ends without a response. */
void share_failed(struct proxy *p, struct fetch *f, enum fetch_fail why);

/* F is about to be freed: nobody finds it any more. */
void share_end(struct proxy *p, struct fetch *f);

/* ---- between share.c and settle.c ---- */

/* What is under way for URI may be from before a change of it: nobody joins it
 * any more, and if the change is DONE its answer is not stored either (CAC-42,
 * CAC-63). */
void share_outdate(struct proxy *p, uint64_t uri, bool done);

/* Where F is sent. */
struct coap_authority share_authority(const struct fetch *f);

/* Seconds that what is for one client alone is kept. */
uint32_t share_lifetime(const struct proxy *p);

/* How a client asks for the rest of what M got: the body of a FETCH is
 * repeated, unless it went up in blocks. */
enum coap_key_body share_repeats(const struct coap_msg *m);

/* The key under which what M, a request as it goes out, got for CLIENT alone is
 * kept. */
bool share_private_key(struct proxy *p, const struct fetch *f,
    const struct coap_msg *m, uint64_t client, enum coap_key_body body,
    struct coap_key *key);

#endif
