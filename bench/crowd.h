/*
 * crowd: many observers of one resource, /observed, on few sockets.
 *
 * Each socket is a client endpoint, connected to the proxy, at an address of
 * its own in 127.0.0.0/8: bounds for one address meet one socket only. Its
 * observers differ in their tokens. A socket has one registration outstanding
 * (NSTART) and repeats it as RFC 7252 4.2 says; a 4.01 with Echo is answered
 * with the Echo. Every CON is acknowledged at once; of each notification
 * token, code, Observe and content are checked.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdint.h>

#include "bench.h"
#include "latency.h"

struct crowd_conf {
	size_t observers;
	size_t sockets;
	size_t payload;
	struct sockaddr_in source;	/* of the first socket; the others have
					 * the next addresses */
};

/* Since crowd_begin(), but for what is said to be present. */
struct crowd_figures {
	size_t registered;	/* present */
	size_t refused;		/* answered without Observe; present */
	size_t failed;		/* another answer or none; present */
	size_t current;		/* observers that have the last state; present */
	uint32_t least;		/* states that one observer got at least */
	uint64_t delivered;	/* notifications of states newer than before */
	uint64_t con, non;	/* all notifications but copies */
	uint64_t same;		/* notifications of the state it had */
	uint64_t copies;	/* with the Message ID of the one before */
	uint64_t wrong;		/* not what a notification must be */
	uint64_t reordered;	/* Observe not newer; RFC 7641 3.4 */
	uint64_t ended;		/* not 2.xx, or no Observe: the entry's end */
	uint64_t stray;		/* of no token or Message ID of ours */
	uint64_t retransmits;	/* requests repeated */
	uint64_t challenged;	/* 4.01 with Echo */
	uint64_t refusals;	/* ICMP errors */
	uint64_t dropped;	/* at our sockets, for want of room; from the
				 * beginning */
};

struct crowd;

/* Opens the sockets, each with a struct bench_watch at EP, or ends the
 * program. */
struct crowd *crowd_new(
    int ep, const struct crowd_conf *conf, const struct sockaddr_in *proxy);
void crowd_free(struct crowd *c);

/* All that have not tried register; until then crowd_registering(). */
void crowd_register(struct crowd *c);
bool crowd_registering(const struct crowd *c);

/* Counting begins anew. */
void crowd_begin(struct crowd *c);
/* STATE is the last one, since NOW. */
void crowd_expect(struct crowd *c, uint32_t state, uint64_t now);
/* All who are registered have it. */
bool crowd_current(const struct crowd *c);

/* A CoAP ping (RFC 7252 4.3): when its RST is back, all that was sent before
 * has been read by the proxy, which reads its socket in order. */
void crowd_ping(struct crowd *c);
bool crowd_pinged(const struct crowd *c);

/* Repeats what is due. */
void crowd_sweep(struct crowd *c);

struct crowd_figures crowd_figures(const struct crowd *c);
/* From change to arrival, of each delivered one. */
const struct bench_latencies *crowd_latencies(const struct crowd *c);

#endif
