/*
 * sim: the inside of lossy.c and ends.c.
 *
 * Request number N has token N and path /oK/N, and its response N as payload:
 * who did what for whom can be told from any datagram.
 */
#ifndef TESTS_REPLAY_SIM_H
#define TESTS_REPLAY_SIM_H

#include "lossy.h"

enum {
	COPIES = 5,
	ROWS = 65536,
	OCTETS = 256,		/* of a datagram of ours */
};

struct sim;

/* Something repeated until it is answered. */
struct repeat {
	struct timer timer;
	struct sim *sim;
	struct addr from, to;
	uint64_t timeout;
	unsigned left;
	size_t n;
	uint8_t octets[OCTETS];
};

struct request_rec {
	struct repeat ask;	/* by the client */
	struct repeat tell;	/* by the origin, when in a CON */
	unsigned client;
	uint16_t mid;
	bool con;
	bool idempotent;
	unsigned done;		/* by the origin */
	struct addr done_from;	/* for this message of the proxy's */
	uint16_t done_mid;
	size_t nreply;
	uint8_t reply[OCTETS];	/* what its copies get */
	unsigned answers;
	size_t nanswer;
	uint8_t answer[OCTETS];
};

struct client_rec {
	struct timer next;
	struct sim *sim;
	struct addr addr;
	unsigned number, begun;
	uint16_t mid;
};

struct sim {
	const struct lossy_conf *conf;
	struct lossy_result *result;
	struct world world;
	struct rand rnd;
	struct list arrived;
	struct client_rec *clients;
	struct request_rec *requests;
	unsigned nrequests;
	struct addr proxy;
	uint8_t dropped[ROWS];	/* in a row, by hash of the datagram */
	struct siphash_key key;
};

/* The network takes a datagram. */
void sim_transmit(struct sim *s, const struct addr *from,
    const struct addr *to, struct span octets);

/* Sends OCTETS at once, and COPIES - 1 times again. */
void sim_repeat(struct sim *s, struct repeat *r, const struct addr *from,
    const struct addr *to, struct span octets, unsigned copies);
void sim_repeat_init(struct repeat *r);

/* The first request of client C is due. */
void client_fire(struct timer *t, uint64_t now);

/* A datagram has reached client C, or the origin AT. */
void client_input(struct sim *s, struct client_rec *c, struct span octets);
void origin_input(struct sim *s, const struct addr *at,
    const struct addr *from, struct span octets);

#endif
