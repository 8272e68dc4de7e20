/*
 * sent: when to repeat a message, and when to stop.
 */
#include "msg/sent.h"

void
sent_first(struct sent *s, struct peer *p, uint16_t mid, uint64_t now)
{
	if (s->peer == NULL)
		peer_ref(p);
	s->peer = p;
	s->first = now;
	s->timeout = 0;
	s->aged = 0;
	s->mid = mid;
	s->state = SENT_WAIT_ACK;
	s->copies = 1;
}

uint32_t
sent_first_timeout(const struct msg_params *params, struct rand *rnd)
{
	uint64_t spread = params->ack_timeout *
	    (params->ack_random_factor - 1000) / 1000;

	return (uint32_t)(params->ack_timeout + (spread < 65536 ?
		rand_spread(rnd, (uint32_t)spread + 1) :
		rand_below(rnd, spread + 1)));
}

enum sent_due
sent_due(struct sent *s, const struct msg_params *params, uint64_t now,
    uint64_t *next)
{
	if (s->state == SENT_LAST_WAIT)
		return SENT_GIVE_UP;
	/* No copy later than MAX_TRANSMIT_SPAN after the first, as after a
	 * process that was stopped: what is missing is skipped (MSG-33). */
	if (now - s->first > params->max_transmit_span + SENT_LATE_MS) {
		s->state = SENT_LAST_WAIT;
		*next = s->first + params->max_transmit_wait;
		return SENT_WAIT;
	}
	/* Counted from now, not from when it was due: copies are never closer
	 * together than their time-out. */
	s->timeout *= 2;
	*next = now + s->timeout;
	if (s->copies == params->max_retransmit)
		s->state = SENT_LAST_WAIT;
	s->copies++;
	return SENT_COPY;
}

struct sent *
sent_find(const struct table *table, const struct peer *p, uint16_t mid)
{
	struct table_node *n = table_find(table, peer_mid_hash(p, mid));

	for (; n != NULL; n = table_find_next(n)) {
		struct sent *s = CONTAINER_OF(n, struct sent, node);

		if (s->peer == p && s->mid == mid)
			return s;
	}
	return NULL;
}
