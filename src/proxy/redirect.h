/*
 * redirect: the redirector chain.
 *
 * Name-based virtual hosts, subdomains, subresources and unconditional routes
 * are one thing: a rule with conditions. First match wins; there is no hidden
 * specificity. Pure: the same function serves requests and "--explain".
 */
#ifndef PROXY_REDIRECT_H
#define PROXY_REDIRECT_H

#include "coap/msg.h"
#include "proxy/route.h"
#include "proxy/rulemap.h"

enum redirect_verdict {
	REDIRECT_NONE,		/* nothing matched: own resources, else 4.04 */
	REDIRECT_RULE,		/* *RULE takes it */
	REDIRECT_METHOD,	/* matched but for the method: 4.05 */
	REDIRECT_DENIED,	/* *RULE refuses this client: 4.03 */
};

/* What the rules look at. */
struct redirect_query {
	const struct coap_msg *msg;	/* method, Uri-Path */
	struct coap_host host;	/* Uri-Host, or where the request was sent to */
	const struct addr *client;
	unsigned listener;
};

/* *STRIP gets the path of RULE that matched, whose segments go; NULL without a
 * path condition or when RULE keeps them. */
enum redirect_verdict redirect_find(const struct rules *rules,
    const struct redirect_query *q, const struct rule **rule,
    const struct path **strip);

/* Likewise by MAP, without asking all of its rules. */
enum redirect_verdict redirect_look_up(const struct rulemap *map,
    const struct redirect_query *q, const struct rule **rule,
    const struct path **strip);

/* Whether RULE, which takes a request of CLIENT, is for it. A refused client
 * never falls through to a later rule. */
static inline bool
redirect_allows(const struct rule *rule, const struct addr *client)
{
	return netlist_allows(&rule->allow_from, &rule->deny_from, client);
}

/* Why RULE does or does not take Q: "host does not match", ... for
 * "--explain"; NULL when it takes it. */
const char *redirect_why_not(const struct rule *rule,
    const struct redirect_query *q);

/* Whether the client of Q can reach RULE, one of RULES, under Q's path with
 * at least one method; the method of Q does not count. */
bool redirect_offers(const struct rules *rules, const struct rule *rule,
    const struct redirect_query *q);

/* Whether HOST is what PATTERN means. */
bool host_pattern_match(const struct host_pattern *pattern,
    const struct coap_host *host);

#endif
