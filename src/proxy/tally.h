/*
 * tally: what is counted by listener and route, and by origin.
 *
 * A request is given its tally, one for each pair of listener and route that
 * has been used, when its route is known, and counts there until it ends.
 * Tallies have names, not numbers: when other rules come into force those whose
 * names stay go on (tallies_use()).
 */
#ifndef PROXY_TALLY_H
#define PROXY_TALLY_H

#include "base/addr.h"
#include "base/histo.h"
#include "base/list.h"
#include "coap/code.h"
#include "proxy/route.h"

enum {
	TALLY_METHODS = 8,	/* by code; 0: none that is known */
	TALLY_CODES = 128,	/* of responses, from 2.00 on */
	TALLY_CLASSES = 4,	/* of responses, from 2 on */
	TALLY_SERVERS = 16,	/* addresses of one origin told apart */
};

/* What takes a request besides the rules. No route's name looks like this. */
enum tally_slot {
	TALLY_NONE,		/* refused before it had a route */
	TALLY_OWN,		/* the proxy's own resources */
	TALLY_FORWARD,		/* the forward role */
	TALLY_RULES,		/* the first rule, and so on */
};

struct tally {
	struct list link;
	char *listener, *route;
	bool kept;		/* by the rules in force, or by a fetch */
	bool past;		/* what was counted for its route by listeners
				 * that are gone */
	uint64_t methods[TALLY_METHODS];	/* requests, */
	uint64_t codes[TALLY_CODES];	/* ... their responses sent, */
	struct histo times;	/* ... and all those that have ended */
	uint64_t notifications;	/* from origins, */
	uint64_t notified;	/* and to observers */
	uint64_t renewed;	/* registrations */
};

struct tally_server {
	struct addr addr;
	uint64_t requests;
};

/* What rules with the same target, or group of servers, send to. */
struct tally_origin {
	struct list link;
	char *name;
	bool kept;		/* likewise */
	bool guests;		/* wherever clients say: not told apart */
	size_t nservers;
	struct tally_server server[TALLY_SERVERS];
	uint64_t others;	/* requests to any others */
	uint64_t classes[TALLY_CLASSES];	/* responses */
	struct histo times;
};

/* Borrowed until others are mapped. */
struct tally_names {
	const char *const *listeners;	/* NULL: without names */
	size_t nlisteners;	/* 0: one */
	const struct rules *rules;
	const struct forward_conf *forward;	/* NULL: role off */
};

/* Where names lead to, prepared. */
struct tally_map {
	struct tally_names names;
	struct tally **v;
	struct tally_origin **to;
	uint64_t *rate_limited;
	size_t nslots;
};

struct tallies {
	struct tally_names names;
	struct list all, origins;
	struct tally **v;	/* [listener][slot]; NULL: not used yet */
	struct tally_origin **to;	/* [slot]; NULL: nowhere */
	uint64_t *rate_limited;	/* [listener] */
	size_t nslots;
	struct tally spare;	/* of what there is no memory for */
	struct tally_origin spare_origin;
};

/* Without names: nothing can be counted yet. */
void tallies_init(struct tallies *t);

/* No request and no fetch counts any more. */
void tallies_fini(struct tallies *t);

/* Prepares M for NAMES; until the next tallies_sweep(). False without memory:
 * nothing is prepared. */
bool tallies_prepare(struct tallies *t, const struct tally_names *names,
    struct tally_map *m) __attribute__((warn_unused_result));
void tally_map_fini(struct tally_map *m);

/* From now on the names of M are in force, which is taken. What only the old
 * ones had stays until tallies_sweep(), which forgets what is not "kept" and
 * has no request under way; before that the caller says so of what its fetches
 * have. The sums of a route that is still there are not forgotten. */
void tallies_use(struct tallies *t, struct tally_map *m);
void tallies_sweep(struct tallies *t);

/* Makes the tally of a pair that has not been used. Never NULL. */
struct tally *tally_make(struct tallies *t, unsigned listener, size_t slot);

static inline struct tally *
tally_get(struct tallies *t, unsigned listener, size_t slot)
{
	struct tally *c = t->v[listener * t->nslots + slot];

	return c != NULL ? c : tally_make(t, listener, slot);
}

/* The slot of RULE, one of those in force. */
static inline size_t
tally_slot(const struct tallies *t, const struct rule *rule)
{
	return TALLY_RULES + (size_t)(rule - t->names.rules->v);
}

static inline void
tally_method(struct tally *c, uint8_t code)
{
	c->methods[code < TALLY_METHODS ? code : 0]++;
}

static inline void
tally_code(struct tally *c, uint8_t code)
{
	c->codes[(uint8_t)(code - 0x40) % TALLY_CODES]++;
}

/* Requests that have not ended. */
uint64_t tally_under_way(const struct tally *c);

/* Where RULE, or the forward role if NULL, sends to; never NULL. */
static inline struct tally_origin *
tally_origin(const struct tallies *t, const struct rule *rule)
{
	return t->to[rule != NULL ? tally_slot(t, rule) : TALLY_FORWARD];
}

/* Where RULE of NAMES, which are not in force any more, sent to; never NULL. */
struct tally_origin *tally_origin_past(struct tallies *t,
    const struct tally_names *names, const struct rule *rule);

/* Where what has counted as C, of the rules before, goes on by RULE, or the
 * forward role if NULL. */
struct tally *tally_onward(struct tallies *t, struct tally *c,
    const struct rule *rule);

/* A request goes to A. */
void tally_sent(struct tally_origin *o, const struct addr *a);

/* A response with CODE has come; ELAPSED ms after its request, or UINT64_MAX
 * when it answers none. */
void tally_heard(struct tally_origin *o, uint8_t code, uint64_t elapsed);

#endif
