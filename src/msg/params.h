/*
 * params: transmission parameters and everything derived from them
 * (RFC 7252 4.8).
 */
#ifndef MSG_PARAMS_H
#define MSG_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

/* All times in milliseconds. */
struct msg_params {
	/* Set from the configuration. */
	uint64_t ack_timeout;		/* ACK_TIMEOUT, 2 s */
	uint32_t ack_random_factor;	/* in thousandths: 1500 */
	uint32_t max_retransmit;	/* 4 */
	uint64_t empty_ack_delay;	/* 500 ms: when a client that waits gets
					 * its empty ACK (MSG-41) */
	uint32_t max_exchanges;		/* records of received messages, and
					 * exchanges under way */
	uint64_t max_latency;		/* MAX_LATENCY, 100 s */
	uint64_t processing_delay;	/* PROCESSING_DELAY */
	uint32_t confirmable_every;	/* every n-th notification is a CON
					 * (OBS-21) */
	uint32_t max_observers;		/* entries altogether; 0: none */
	uint32_t max_per_client;	/* entries of one endpoint (OBS-07) */

	/* Derived by msg_params_derive(). */
	uint64_t max_transmit_span;
	uint64_t max_transmit_wait;
	uint64_t max_rtt;
	uint64_t exchange_lifetime;
	uint64_t non_lifetime;
};

/* RFC 7252's defaults, derived. */
void msg_params_init(struct msg_params *p);

/* Computes the derived values; call after any change (MSG-38). Sets
 * processing_delay to ack_timeout. */
void msg_params_derive(struct msg_params *p);

/* NULL, or what RFC 7252 4.8.1 forbids about P, for the operator (MSG-39). */
const char *msg_params_check(const struct msg_params *p);

#endif
