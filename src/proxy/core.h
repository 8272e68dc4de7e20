/*
 * core: struct proxy, and what its four parts call of each other.
 *
 * Private to proxy.c (the way in), respond.c (the way back), answer.c (the way
 * out) and guard.c (what strangers get of it).
 */
#ifndef PROXY_CORE_H
#define PROXY_CORE_H

#include "base/pool.h"
#include "proxy/backoff.h"
#include "proxy/crowd.h"
#include "proxy/echo.h"
#include "proxy/fetch.h"
#include "proxy/memo.h"
#include "proxy/proxy.h"
#include "proxy/redirect.h"
#include "proxy/rewrite.h"
#include "proxy/share.h"
#include "proxy/trail.h"
#include "proxy/upload.h"
#include "proxy/request.h"
#include "proxy/tally.h"

enum {
	OPTS_MAX = 2048,	/* encoded options of one message */
	COLLECTED_MAX = 64,	/* bodies of full size at a time */
	KEY_MAX = 8192,		/* longer requests are not shared */
	ARENA_LIMIT = 8192,	/* octets one request or fetch may keep */
	MESSAGE_MAX = 1152,	/* RFC 7252 4.6 */
	WHOLE_MAX = 1024,	/* ... of a body; more never go out at once */
};

/* A notification as it was written last, for those who get a block size. */
struct told {
	uint32_t version, seq, max_age;	/* of what */
	bool fits;		/* what follows is all of it */
	size_t nopts;
	struct span payload;
	uint8_t opts[OPTS_MAX];
};

/* What is known of the request in the stages (proxy/memo.h). */
enum made {
	MADE_NOT,		/* nothing, and nothing is to be noted */
	MADE_ANEW,		/* nothing yet */
	MADE_BEFORE,		/* all of memo_result */
};

struct proxy {
	struct proxy_conf *conf;	/* in use */
	const struct self *self;
	struct timers *timers;
	const struct upstream_ops *up;
	void *up_self;
	struct pool requests, fetches;
	struct list waiting;		/* fetches under way */
	struct limits limits;		/* clients, by how often they ask */
	struct echo echo;
	struct limits strangers;	/* clients, not confirmed, likewise */
	size_t ahead;			/* requests with request.ahead */
	struct backoff backoff;		/* origins that asked for patience */
	struct cache cache;
	bool sharing;			/* it is there for everybody */
	struct timer shrink;		/* of the cache, once it is smaller */
	struct table pending;		/* fetches that may be shared, by key */
	struct table pending_uris;	/* ... and by URI */
	struct request spare;
	struct uploads uploads;		/* bodies from clients */
	struct memo memo;
	enum made made;
	struct memo_result result;	/* of MADE_BEFORE */
	uint64_t made_hash;		/* of MADE_ANEW */
	bool absent;			/* nothing is stored for it */
	struct timer upload_expiry;	/* of the one longest without a block */
	struct pool transfers;		/* of fetches */
	size_t collected;		/* octets of bodies from origins */
	struct siphash_key tag_key;
	uint64_t tags;			/* Request-Tags made */
	struct list observations;
	struct pool observation_pool;
	size_t nobservers;
	struct crowds crowds;	/* observers, by address */
	struct list telling;	/* observations, those not all told yet */
	struct timer tell;	/* ... in the next turn, */
	size_t tell_left;	/* but for so many in this one */
	size_t parting;		/* registrations being cancelled */
	uint32_t versions;	/* of what is observed, altogether */
	uint32_t seq;		/* the last Observe value, not cut to 24 bits */
	struct siphash_key rnd_key;	/* when to renew */
	struct siphash_key etag_key;	/* of our own resources */
	struct trail trail;
	struct list retired;	/* struct links of earlier configurations */
	bool draining;
	uint64_t now;			/* of the call being served */
	struct proxy_stats stats;
	struct tallies tallies;
	/* Scratch of the request in the stages; never kept. */
	uint8_t host[COAP_HOST_MAX];
	uint8_t expanded[OPTS_MAX];
	uint8_t opts[OPTS_MAX];
	uint8_t stored[OPTS_MAX];
	uint8_t whole[OPTS_MAX];
	uint8_t blocked[OPTS_MAX], blocked_opts[OPTS_MAX];
	uint8_t key[KEY_MAX], own_key[KEY_MAX], part_key[KEY_MAX];
	uint8_t text[MESSAGE_MAX];
	uint8_t guarded_opts[OPTS_MAX];
	struct reply guarded;
	struct told told[16];
	uint8_t uri[1280];	/* of a line in the access log */
};

/* ---- reload.c: configurations ---- */

/* One more, or one less, who looks into C. */
static inline struct proxy_conf *
conf_use(struct proxy_conf *c)
{
	c->users++;
	return c;
}

void conf_unused(struct proxy_conf *c);

static inline void
conf_leave(struct proxy_conf *c)
{
	if (--c->users == 0)
		conf_unused(c);
}

/* The sends of ROUTE, perhaps of a configuration before, count there. */
struct tally_origin *route_origin(struct proxy *p, const struct route *route);

/* ---- proxy.c ---- */

/* The limits in p->conf are others than before. What there is more of goes on;
 * the cache is share_reload()'s. */
void proxy_resize(struct proxy *p);

/* ---- assemble.c: bodies from clients ---- */

bool assemble_start(struct proxy *p, struct rand *rnd)
    __attribute__((warn_unused_result));
void assemble_stop(struct proxy *p);
void assemble_resize(struct proxy *p);
enum verdict stage_collect(struct proxy *p, struct request *r);

/* ---- ask.c: the way up ---- */

enum verdict stage_fetch(struct proxy *p, struct request *r);

/* Whether the request M asks for a block behind the first. */
static inline bool
wants_later_block(const struct coap_msg *m)
{
	struct span v;

	return coap_get(m, COAP_OPT_BLOCK2, &v) && coap_block_get(v).num > 0;
}

/* Whether the response M is a block, and there is one behind it. */
static inline bool
has_more_blocks(const struct coap_msg *m)
{
	struct span v;

	return coap_get(m, COAP_OPT_BLOCK2, &v) && coap_block_get(v).more;
}

/* Writes the request R for the next hop into scratch, as F's, with F's
 * Hop-Limit and what becomes of ETAG, if not NULL. */
enum rewrite_result fetch_write(struct proxy *p, struct fetch *f,
    const struct request *r, const struct rewrite_etag *etag);

/* R, of which all that is needed is kept, waits for F. */
void request_wait(struct proxy *p, struct request *r, struct fetch *f);

/* Of request.deadline. */
void request_deadline_fire(struct timer *t, uint64_t now);

/* R, which waited for an answer that it cannot have, asks for one of its
 * own. */
void request_again(struct proxy *p, struct request *r);

/* ---- serve.c: answers from the cache, and in blocks ---- */

/* Answers R, the first that waited for F, with REPLY, which was made of M, or
 * with the block of it that R wants; then M is kept for its client. SENT is the
 * last request that went out for it. */
enum verdict serve_reply(struct proxy *p, struct request *r, struct fetch *f,
    const struct coap_msg *m, const struct reply *reply, struct span sent);

/* Answers R from E: with 2.03, or with E or the block of it that R wants. */
enum verdict serve_entry(struct proxy *p, struct request *r,
    struct cache_entry *e);

/* inbound.note */
enum { NOTE_NONE, NOTE_EXEMPT };

/* Answers R, as far as it wants to hear the answer; it is gone then. REPLIED,
 * for the stages to return. */
enum verdict answer(struct proxy *p, struct request *r,
    const struct reply *reply);

/* Answers R with an error of our own: short text without Content-Format
 * (PRX-48), a small Max-Age where it may pass (PRX-49). */
enum verdict answer_error(struct proxy *p, struct request *r, uint8_t code,
    const char *text);

/* Likewise with MAX_AGE seconds. */
enum verdict answer_error_age(struct proxy *p, struct request *r,
    uint8_t code, const char *text, uint32_t max_age);

/* Answers R with 5.03, counted. */
enum verdict answer_full(struct proxy *p, struct request *r);

/* Answers R as a request for the proxy itself, now or, when something of the
 * answer is still to come, later: WAIT. */
enum verdict answer_own(struct proxy *p, struct request *r);

/* Likewise, now. */
enum verdict answer_local(struct proxy *p, struct request *r);

/* Answers R, whose fetch failed for the reason WHY. */
enum verdict answer_failure(struct proxy *p, struct request *r,
    enum fetch_fail why);

/* R gets no answer; it is gone then. */
enum verdict answer_none(struct proxy *p, struct request *r);

/* What WHY means, as a code and in words. */
uint8_t failure_code(enum fetch_fail why);
const char *failure_text(enum fetch_fail why);

/* ---- guard.c: clients that may not be where they say ---- */

bool guard_init(struct proxy *p, struct rand *rnd)
    __attribute__((warn_unused_result));
void guard_fini(struct proxy *p);

/* First of all: whether the amplification limit is for R's client. Takes note
 * of clients that it never is for, and of Echo values of ours. */
enum verdict guard_admit(struct proxy *p, struct request *r);

/* R, a stranger's, is not acted on before it proves its address. */
enum verdict guard_challenge(struct proxy *p, struct request *r);

/* R, a stranger's, is about to be sent to an origin. NEXT: it may. */
enum verdict guard_ahead(struct proxy *p, struct request *r);

/* What R, a stranger's, gets instead of REPLY; made in scratch. */
const struct reply *guard_reply(struct proxy *p, const struct request *r,
    const struct reply *reply);

/* The largest block that R gets of a body, if it would otherwise get OPTS
 * octets of options and PAYLOAD (ATK-10). */
uint8_t guard_szx(const struct request *r, size_t opts, size_t payload);

/* R, a stranger's, ends. */
void guard_finish(struct proxy *p, const struct request *r);

/* Counts a failed fetch. */
void count_failure(struct proxy *p, enum fetch_fail why);

/* Where Q, a request in the role *ROLE for ROUTE->uri, goes by the rules of
 * ROUTE->conf: 0, and ROUTE says, or *ROLE has become ROLE_OWN; otherwise an
 * error with the text *WHY. */
uint8_t route_find(const struct redirect_query *q, enum role *role,
    struct route *route, const char **why);

/* Likewise of one that is like one before, of which KNOWN says what it was. */
uint8_t route_again(const struct redirect_query *q,
    const struct memo_result *known, enum role *role, struct route *route,
    const char **why);

/* What the rules look at in R. */
struct redirect_query query_of(const struct request *r);

/* The first request that waits for F, or NULL. */
struct request *fetch_waiter(struct fetch *f);

/* A fetch on ROUTE, for nobody yet; NULL at the limit. What it asks is to be
 * filled in. */
struct fetch *fetch_new(struct proxy *p, const struct route *route);

/* Sends F's request as it is now. */
enum upstream_send fetch_send(struct proxy *p, struct fetch *f,
    enum fetch_fail *why);

/* Likewise of F that has been sent before, and waits again; or has failed. */
void fetch_resend(struct proxy *p, struct fetch *f);

/* Sends F, which has ops and nobody else to wait for it; it has time until
 * DEADLINE. False when it is gone at once, for the reason *WHY. */
bool fetch_start(struct proxy *p, struct fetch *f, uint64_t deadline,
    enum fetch_fail *why);

/* F, with ops, has been sent, or will be; it has time until DEADLINE. */
void fetch_under_way(struct proxy *p, struct fetch *f, uint64_t deadline);

/* ---- respond.c ---- */

/* Whether M can be processed and passed on at all. */
bool response_usable(const struct fetch *f, const struct coap_msg *m);

/* Makes *REPLY of M for the waiters of F; borrows from M and scratch. */
bool make_reply(struct proxy *p, const struct fetch *f,
    const struct coap_msg *m, struct reply *reply);

/* Frees F, for which nobody waits any more. */
void fetch_free(struct proxy *p, struct fetch *f);

#endif
