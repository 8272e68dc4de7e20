/*
 * observe: pooled observations (RFC 7641 5).
 *
 *	observe_ask: joins an observation, or begins one
 *	observe_response <- the first answer, and every notification
 *	    -> (gather: the rest of a large one) -> cache entry -> all observers
 *	observers.c tells them, so many in a turn
 *
 * An observation is a fetch that stays open. What is told is one cache entry,
 * held here even if the cache has forgotten it; how each client is told, and
 * when, is the front end's (proxy/observer.h).
 */
#ifndef PROXY_OBSERVE_H
#define PROXY_OBSERVE_H

#include "base/rand.h"
#include "coap/key.h"
#include "proxy/cache.h"
#include "proxy/fetch.h"
#include "proxy/request.h"

bool observe_start(struct proxy *p, struct rand *rnd)
    __attribute__((warn_unused_result));

/* The limits are others than before. */
void observe_resize(struct proxy *p);

/* Every observer is forgotten, every observation cancelled without a word. */
void observe_stop(struct proxy *p);

/* Everybody is told that we are going down; nobody is taken in any more. */
void observe_drain(struct proxy *p);

/* The configuration in use is another one: those who would be led elsewhere now
 * are told so, and are gone. */
void observe_reload(struct proxy *p);

/* ---- the way up ---- */

/* Whether R registers, and may. */
bool observe_wanted(const struct proxy *p, const struct request *r);

/* R says that it does not observe any more (Observe 1). */
void observe_cancel(struct proxy *p, const struct request *r);

/* The registration R, as F, which is not pooled with others. NEXT: F is to be
 * sent, as a registration or else without Observe. */
enum verdict observe_alone(struct proxy *p, struct request *r,
    struct fetch *f);

/* R, with the request F and its KEY, when there are observations or R wants
 * one; E is what the cache has for it, if R may have that, or NULL; CACHED: it
 * may, if there is something. NEXT: F is to be sent. Otherwise F is gone, and R
 * answered or waiting. */
enum verdict observe_ask(struct proxy *p, struct request *r, struct fetch *f,
    const struct coap_key *key, struct cache_entry *e, bool cached);

/* Whether F's observation has come to something: it goes on whoever waits. */
bool observe_stands(const struct fetch *f);

/* R has been waiting for F, which observes, and has gone. */
void observe_left(struct fetch *f);

/* ---- the way back ---- */

/* Whether the response M is for F's observation; if not, it has none any
 * more. */
bool observe_takes(struct fetch *f, const struct coap_msg *m);

/* M is one. SENT is the last registration. As fetch_response(). */
bool observe_response(struct fetch *f, const struct coap_msg *m,
    struct span sent);

/* F's request has failed. False: that is all there was, and F is to be ended
 * as any fetch. */
bool observe_failed(struct fetch *f, enum fetch_fail why);

/* F is about to be freed. */
void observe_forget(struct fetch *f);

/* What F's observation has is from before a change, which is DONE or asked
 * for. Whether something is under way for it that is, too. */
bool observe_outdate(struct fetch *f, bool done);

#endif
