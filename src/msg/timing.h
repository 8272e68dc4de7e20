/*
 * timing: the parameters that messages under way began with.
 *
 * When other ones are configured, what has been sent goes on being repeated as
 * it began. Those of before are remembered as long as anything of that may be
 * under way; several that are equal are one.
 */
#ifndef MSG_TIMING_H
#define MSG_TIMING_H

#include "msg/params.h"

/* When more than these are under way at a time, the oldest messages go on by
 * the newest parameters. */
enum { TIMINGS = 8 };

struct timing {
	struct msg_params params;
	uint64_t until;		/* of those before: nothing is under way then */
};

struct timings {
	struct timing v[TIMINGS];
	uint8_t now;		/* index of those in use */
	bool past;		/* there may be others */
};

void timings_init(struct timings *t, const struct msg_params *params);

/* PARAMS are in use from NOW on. */
void timings_change(struct timings *t, const struct msg_params *params,
    uint64_t now);

/* The longest EXCHANGE_LIFETIME of those under way. */
uint64_t timings_lifetime(struct timings *t, uint64_t now);

/* Those that what began with index I goes by. */
static inline const struct msg_params *
timing_at(const struct timings *t, uint8_t i)
{
	return &t->v[i].params;
}

#endif
