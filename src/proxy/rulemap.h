/*
 * rulemap: which of many rules may take a request.
 *
 * A thousand rules are not asked one by one. Each stands in a tree of path
 * segments, one tree for every host that rules name and one for any host; a
 * request is led down the trees of its own host, and only the rules on that way
 * are asked. What is found is all that could take it by host and path; whether
 * one does is for its conditions to say (proxy/redirect.h). Made once for a
 * configuration, and of a size that follows from its rules.
 */
#ifndef PROXY_RULEMAP_H
#define PROXY_RULEMAP_H

#include "coap/msg.h"
#include "proxy/route.h"

enum { RULEMAP_FEW = 4 };	/* rules that are as well asked in turn */

struct rulemap;

/* Of RULES, which are borrowed. NULL without memory. */
struct rulemap *rulemap_new(const struct rules *rules);
void rulemap_free(struct rulemap *map);

const struct rules *rulemap_rules(const struct rulemap *map);

/* Calls FN with lists of indexes into the rules, each ascending: whatever rule
 * takes HOST and the Uri-Path of M is in one of them at least. */
void rulemap_each(const struct rulemap *map, const struct coap_host *host,
    const struct coap_msg *m,
    void (*fn)(void *arg, const uint32_t *v, size_t n), void *arg);

#endif
