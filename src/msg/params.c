/*
 * params: the formulas of RFC 7252 4.8.2.
 */
#include "msg/params.h"

#include <stddef.h>

/* Time-outs are counted in 32 bits of milliseconds. */
static const uint64_t MONTH = UINT64_C(30) * 24 * 3600 * 1000;

void
msg_params_init(struct msg_params *p)
{
	*p = (struct msg_params){
		.ack_timeout = 2000,
		.ack_random_factor = 1500,
		.max_retransmit = 4,
		.empty_ack_delay = 500,
		.max_exchanges = 65536,
		.max_latency = 100000,
		.confirmable_every = 5,
		.max_observers = 0,
		.max_per_client = 32,
	};
	msg_params_derive(p);
}

void
msg_params_derive(struct msg_params *p)
{
	uint64_t longest = p->ack_timeout * p->ack_random_factor;

	p->processing_delay = p->ack_timeout;
	p->max_transmit_span =
	    longest * ((UINT64_C(1) << p->max_retransmit) - 1) / 1000;
	p->max_transmit_wait =
	    longest * ((UINT64_C(2) << p->max_retransmit) - 1) / 1000;
	p->max_rtt = 2 * p->max_latency + p->processing_delay;
	p->exchange_lifetime = p->max_transmit_span + p->max_rtt;
	p->non_lifetime = p->max_transmit_span + p->max_latency;
}

const char *
msg_params_check(const struct msg_params *p)
{
	struct msg_params derived = *p;

	if (p->ack_timeout < 1000)
		return "ack-timeout is below 1s, which RFC 7252 4.8.1 forbids";
	if (p->ack_random_factor < 1000)
		return "ack-random-factor is below 1.0, which RFC 7252 4.8.1 "
		       "forbids";
	msg_params_derive(&derived);
	if (derived.max_transmit_wait > MONTH)
		return "max-retransmit with this ack-timeout lets a message "
		       "wait for more than a month";
	if (p->empty_ack_delay >= p->ack_timeout)
		return "empty-ack-delay is not below ack-timeout";
	return NULL;
}
