/*
 * observation: one registration with an origin, and those who are told of it.
 *
 *	ASKING --2.xx with Observe--> OPEN --stale--> RENEWING --> OPEN
 *	OPEN, RENEWING --lost--> ANEW --> OPEN
 *	any --error, or lost once more--> OVER: whoever is left is told the last
 *
 * Private to observe.c (the way up), notified.c (the way back), observers.c
 * (those who are told) and observation.c (the registration).
 */
#ifndef PROXY_OBSERVATION_H
#define PROXY_OBSERVATION_H

#include "proxy/cache.h"
#include "proxy/fetch.h"
#include "proxy/observer.h"
#include "proxy/request.h"

enum observe_state {
	OBSERVE_ASKING,		/* there has been no answer yet */
	OBSERVE_OPEN,
	OBSERVE_RENEWING,	/* asked for once more, the token is known */
	OBSERVE_ANEW,		/* lost, and asked for with another token */
	OBSERVE_OVER,		/* without a fetch */
};

/* Values of Observe in requests (RFC 7641 2). */
enum { OBSERVE_REGISTER = 0, OBSERVE_DEREGISTER = 1 };

enum { OBSERVE_OLD = 4 };

/* A representation that some observers still fetch blocks of (OBS-65). */
struct observe_old {
	struct cache_entry *entry;	/* held; NULL: none */
	uint32_t version;
	uint64_t until;
};

struct observation {
	struct list link;	/* in p->observations */
	struct proxy *proxy;
	struct fetch *fetch;	/* NULL: OVER */
	struct tally *tally;	/* where it is counted */
	uint8_t state;		/* enum observe_state */
	bool pooled;		/* others may join */
	bool once;		/* OVER: told once, as we are going down */
	bool told_blocks;	/* somebody was told the first block only */
	bool busy;		/* those who observe or wait are gone through:
				 * not to be freed, nor renewed */
	uint8_t failures;	/* bodies in a row that could not be collected */
	/* What is told. */
	struct list ways;	/* by which they have come */
	struct list observers;	/* those not told yet in front, while */
	struct list turn;	/* ... in p->telling */
	size_t n, left;		/* observers, and those to be looked at */
	struct cache_entry *entry;	/* held; NULL: nothing yet */
	uint32_t version;	/* of it: no two have the same */
	uint32_t seq;		/* its Observe value, not cut to 24 bits */
	bool formatted;		/* the first one has */
	bool has_format;	/* ... with a Content-Format: */
	uint32_t format;	/* all have this one (OBS-14) */
	struct observe_old old[OBSERVE_OLD];
	/* Upstream. */
	struct span opts, payload;	/* of the registration, in the fetch's
					 * arena; without ETag */
	bool crossed;		/* ... since we have asked last */
	bool ordered;		/* there has been a notification: */
	uint32_t last;		/* its Observe value */
	uint64_t last_at;	/* ... came then */
	struct fetch *gather;	/* collects the rest of a large one */
	struct timer timer;	/* what its state waits for */
	struct timer linger;	/* nobody observes */
	uint64_t give_up;	/* RENEWING, ANEW */
};

/* ---- observation.c ---- */

/* F is O's from now on. NULL at the limit. */
struct observation *observation_new(struct proxy *p, struct fetch *f);

/* One without a fetch, OVER, for observers that are to be told CODE and TEXT and
 * nothing more; observers_tell() does so. NULL at the limit. */
struct observation *observation_parting(struct proxy *p, uint8_t code,
    const char *text);

/* Frees O, whose observers have gone; its fetch, if it has one, goes on as any
 * other. */
void observation_free(struct proxy *p, struct observation *o);

/* Nobody observes O any longer: unless somebody comes it ends soon (OBS-53). */
void observation_idle(struct proxy *p, struct observation *o);
bool observation_deserted(const struct observation *o);

/* How long O's origin has to answer, ms. */
uint64_t observation_patience(const struct observation *o);

/* The type of F's registrations. */
uint8_t observation_type(const struct fetch *f);

/* Takes the registration that went out as SENT for the next ones. False without
 * memory. */
bool observation_keep(struct observation *o, struct span sent);

/* Asks O's origin once more (OBS-37). O may be over, or gone, on return; here
 * and below. */
void observation_renew(struct proxy *p, struct observation *o);

/* ... which cannot be done just now, but soon: O is as it was. */
void observation_postpone(struct proxy *p, struct observation *o);

/* O's origin does not know of us any more, for the reason WHY: it is asked anew
 * once (OBS-52). */
void observation_lost(struct proxy *p, struct observation *o,
    enum fetch_fail why);

/* ... and that was in vain. */
void observation_fail(struct proxy *p, struct observation *o,
    enum fetch_fail why);

/* O has no fetch from now on; its origin learns of it. */
void observation_dismiss(struct proxy *p, struct observation *o);

/* Nothing is collected for O any more. */
void observation_ungather(struct proxy *p, struct observation *o);

/* E, whose reference is O's now, is what observers are told. */
void observation_show(struct proxy *p, struct observation *o,
    struct cache_entry *e);

/* Takes those who wait for F to ALL; the first of ALL, or NULL. */
void observation_take(struct fetch *f, struct list *all);
struct request *observation_next(struct list *all);

/* Those who wait for O get E if they may, or ask for themselves. REGISTERED:
 * those who want to observe do from now on; who came too late for E stay. */
void observation_serve(struct proxy *p, struct observation *o,
    struct cache_entry *e, bool registered);

/* O ends: observers are told E, whose reference is taken, or an error. */
void observation_end(struct proxy *p, struct observation *o,
    struct cache_entry *e);
void observation_end_by(struct proxy *p, struct observation *o, uint8_t code,
    const char *text);

/* ---- observers.c ---- */

bool observers_start(struct proxy *p, struct rand *rnd)
    __attribute__((warn_unused_result));
void observers_resize(struct proxy *p);
void observers_stop(struct proxy *p);

/* R, about to be answered from O's entry, observes from now on. False when
 * there is no room. */
bool observers_add(struct proxy *p, struct request *r, struct observation *o);

/* W, of another one, is O's from now on, to be told what O has. */
void observers_move(struct proxy *p, struct observer *w,
    struct observation *o);

/* W is taken out, and forgotten by the front end. */
void observers_drop(struct proxy *p, struct observer *w);

/* All of O's observers are. */
void observers_drop_all(struct proxy *p, struct observation *o);

/* O has something new, or the last, to tell all. O may be gone on return. */
void observers_tell(struct proxy *p, struct observation *o);

/* The Observe value for something that is about to be said. */
uint32_t observers_seq(struct proxy *p);

/* ---- reload.c ---- */

/* R, or O, has begun under an earlier configuration: whether R, which is about
 * to observe O as W, would be led there now. Then O goes by the configuration
 * in use. */
bool reload_admits(struct proxy *p, const struct request *r,
    const struct observation *o, const struct observer *w);

#endif
