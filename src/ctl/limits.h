/*
 * limits: how often each bound of the configuration has been met, and how much
 * there is in each table.
 *
 * Read from the statistics of the modules; the names are the label "table" of
 * the metrics, and that of the field COAP_LIMIT in the journal.
 */
#ifndef CTL_LIMITS_H
#define CTL_LIMITS_H

#include "ctl/sources.h"
#include "proxy/inspect.h"

struct limit {
	const char *table;
	/* What sets it: "[section] key", several with commas between; NULL:
	 * nothing. */
	const char *keys;
	/* How often it has refused something so far, if nothing else is said. */
	uint64_t (*count)(const struct sources *src,
	    const struct proxy_levels *levels);
	/* About one client or one response alone: nothing that an operator
	 * has to be told of. */
	bool ordinary;
};

/* The I-th of those that refuse; NULL behind the last. */
const struct limit *limits_row(size_t i);

/* Likewise of those at which something else is forgotten before its time. */
const struct limit *limits_eviction(size_t i);

/* Likewise of all tables; their count is how much there is at the moment. */
const struct limit *limits_level(size_t i);

#endif
