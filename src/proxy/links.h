/*
 * links: what origins list, kept for our own list.
 *
 * For each rule with links = rewrite the origin's /.well-known/core is fetched
 * when somebody asks for ours, block by block, published, and kept as long as
 * its Max-Age says. Who asks meanwhile waits, but not for long: what has not
 * come by then is left out, and the fetch goes on for those that ask later.
 *
 * What is kept is bounded by LINKS_RULES_MAX times LINKS_LIST_MAX.
 */
#ifndef PROXY_LINKS_H
#define PROXY_LINKS_H

#include "proxy/local.h"
#include "proxy/request.h"

struct proxy;
struct proxy_conf;
struct links;

enum {
	LINKS_RULES_MAX = 256,	/* rules with links = rewrite */
	LINKS_LIST_MAX = 65536,	/* octets of a list, the origin's and ours */
	LINKS_AT_ONCE = 16,	/* fetches; others wait for their turn */
	LINKS_PATIENCE_MS = 3000,	/* a request waits no longer */
	LINKS_KEEP_MIN_MS = 5000,	/* kept so long even with Max-Age 0: who
				 * takes our list block by block is to get one
				 * list, not as many as blocks */
	LINKS_KEEP_MAX_MS = 3600000,
	LINKS_RETRY_MS = 10000,	/* a failure is remembered so long */
};

/* For P, by the rules of CONF, of which it counts as a user. NULL without
 * memory. */
struct links *links_new(struct proxy *p, struct proxy_conf *conf);

/* Another one is in use: L goes when nobody waits for it any more. */
void links_retire(struct links *l);

/* Cancels every fetch; requests that wait get 5.04. Of NULL: nothing. */
void links_free(struct links *l);

/* Likewise all of P's, retired ones too. */
void links_stop(struct proxy *p);

/* What is known now, by rule. */
const struct local_part *links_parts(const struct links *l);

/* Begins to fetch whatever is missing of the list that R asks for. True when R
 * waits for it, on no other list then: answer_local() comes later. */
bool links_wait(struct links *l, struct request *r);

#endif
