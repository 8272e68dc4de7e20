/*
 * observing: a stand with one registration, in each of its states.
 */
#ifndef TESTS_UNIT_PROXY_OBSERVING_H
#define TESTS_UNIT_PROXY_OBSERVING_H

#include "fixture.h"
#include "proxy/core.h"
#include "proxy/observation.h"

enum { NOW = 2000, S = 1000, STALE = 5 * S + 15 * S };

#define PLAIN "ACK 2.05 ETag=01 Max-Age=5 payload=\"1\""
#define FIRST "ACK 2.05 ETag=01 Observe=10 Max-Age=5 payload=\"1\""

/* Of a body that is collected, in state ETAG. */
#define BLOCK(n, etag) \
	"ETag=" etag " Max-Age=5 Block2=" n " payload=64x\"x\""
#define FIRST_BLOCK(observe, etag) "ETag=" etag " Observe=" observe \
	" Max-Age=5 Block2=0/1/64 payload=64x\"x\""

extern struct stand st;
extern struct rule rule;	/* its only one */
extern struct fetch *reg;	/* the registration */

void observing_setup(void);
void observing_teardown(void);

const struct proxy_stats *stats(void);

/* Nobody observes, nothing is open. */
void nothing_left(void);

/* "a" asks, and REG is the registration. */
void asking(void);

/* "a" observes. */
void open_one(void);

/* ... whose copy is stale, and which is asked for once more. Now it is NOW +
 * STALE + 1 s. */
void renewing(void);

/* ... which was refused, so it is asked anew: at the same time. */
void anew(void);

/* What comes to a state, and when it is there. */
enum { STATES = OBSERVE_ANEW + 1 };

extern const struct state {
	void (*come)(void);
	uint64_t at;
} states[STATES];	/* by enum observe_state */

#endif
