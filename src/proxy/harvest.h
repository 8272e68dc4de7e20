/*
 * harvest: fetching what an origin lists, block by block.
 *
 * GET /.well-known/core of the origin of a rule, by way of the back end like
 * any other request, so that all its limits hold. One body or one reason why
 * there is none comes of it, whatever number of responses that takes.
 */
#ifndef PROXY_HARVEST_H
#define PROXY_HARVEST_H

#include "proxy/collect.h"
#include "proxy/route.h"

struct proxy;
struct proxy_conf;
struct fetch;
struct harvest;

/* H is over. BODY is what the origin lists, borrowed until return, fresh until
 * h->until; or WHY, for logs, says what went wrong. H may be started again. */
typedef void (*harvest_fn)(struct harvest *h, struct span body,
    const char *why, uint64_t now);

struct harvest {
	struct proxy *proxy;
	struct proxy_conf *conf;	/* RULE is of */
	const struct rule *rule;
	harvest_fn done;
	struct fetch *fetch;	/* under way, or NULL */
	struct collect collect;
	bool again;		/* begun anew, because the list has changed */
	uint64_t deadline;	/* of all of it */
	uint64_t until;		/* the least that any block allows */
};

/* Prepares H for a RULE of CONF; it is zero before. */
void harvest_init(struct harvest *h, struct proxy *p, struct proxy_conf *conf,
    const struct rule *rule, harvest_fn done);

/* Begins; H is not under way. The body has at most MAX octets, and all of it
 * has the rule's timeout. NULL, and h->done is called once, later; or why not,
 * and it is not. */
const char *harvest_start(struct harvest *h, size_t max, uint64_t now);

/* H, under way or not, is over without a word. */
void harvest_cancel(struct harvest *h);

#endif
