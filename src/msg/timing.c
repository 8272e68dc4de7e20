/*
 * timing: a handful of places, so that a message needs an octet to say which.
 */
#include "msg/timing.h"

#include <string.h>

void
timings_init(struct timings *t, const struct msg_params *params)
{
	*t = (struct timings){ .v = { { .params = *params } } };
}

static bool
same(const struct msg_params *a, const struct msg_params *b)
{
	return a->max_retransmit == b->max_retransmit &&
	    a->max_transmit_span == b->max_transmit_span &&
	    a->max_transmit_wait == b->max_transmit_wait &&
	    a->exchange_lifetime == b->exchange_lifetime;
}

/* Where PARAMS are, or may be put: in the place of those that are over first. */
static uint8_t
place(const struct timings *t, const struct msg_params *params)
{
	uint8_t best = t->now == 0 ? 1 : 0;

	for (uint8_t i = 0; i < TIMINGS; i++) {
		if (same(&t->v[i].params, params))
			return i;
		if (i != t->now && t->v[i].until < t->v[best].until)
			best = i;
	}
	return best;
}

/* Forgets those that nothing goes by any more. */
static void
expire(struct timings *t, uint64_t now)
{
	t->past = false;
	for (uint8_t i = 0; i < TIMINGS; i++) {
		if (i == t->now)
			continue;
		if (t->v[i].until > now)
			t->past = true;
		else
			t->v[i] = (struct timing){ .until = 0 };
	}
}

void
timings_change(struct timings *t, const struct msg_params *params,
    uint64_t now)
{
	uint8_t i = place(t, params);

	if (i != t->now)
		t->v[t->now].until = now +
		    t->v[t->now].params.exchange_lifetime;
	t->v[i] = (struct timing){ .params = *params };
	t->now = i;
	expire(t, now);
}

uint64_t
timings_lifetime(struct timings *t, uint64_t now)
{
	uint64_t longest = t->v[t->now].params.exchange_lifetime;

	if (!t->past)
		return longest;
	expire(t, now);
	for (uint8_t i = 0; i < TIMINGS; i++)
		if (t->v[i].params.exchange_lifetime > longest)
			longest = t->v[i].params.exchange_lifetime;
	return longest;
}
