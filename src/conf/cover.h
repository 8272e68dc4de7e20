/*
 * cover: whether one rule leaves another anything to do.
 */
#ifndef CONF_COVER_H
#define CONF_COVER_H

#include "proxy/route.h"

/* Whether every request that B's conditions hold for is one that A's hold for.
 * False negatives are possible, false positives are not. */
bool rule_covers(const struct rule *a, const struct rule *b);

#endif
