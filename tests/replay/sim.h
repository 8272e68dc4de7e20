/*
 * sim: the inside of lossy.c, ends.c and oracle.c.
 *
 * Request number N has token N and path /oK/N, and its response N as payload:
 * who did what for whom can be told from any datagram. Origins use the low 16
 * bits of N as the Message ID of their separate responses.
 *
 * A request is remembered for HOLD_MS, longer than anything about it can take;
 * its place in the ring then serves another. What comes later than that is
 * an error like any other message that belongs to nothing. So a run needs the
 * same memory whatever its length; a client whose next place is taken waits.
 */
#ifndef TESTS_REPLAY_SIM_H
#define TESTS_REPLAY_SIM_H

#include "lossy.h"

enum {
	COPIES = 5,		/* with MAX_RETRANSMIT 4 */
	RING = 65536,		/* requests remembered */
	HOLD_MS = 300000,
	RECENT = 4096,		/* Message IDs of a client: a power of two */
	LIFETIME_MS = 247000,	/* EXCHANGE_LIFETIME */
	/* So many that two messages hardly ever share one. */
	ROWS = 1 << 22,
	OCTETS = 64,		/* of a datagram of ours */
	MAX_ORIGINS = 64,
};

struct sim;

/* Something repeated until it is answered. */
struct repeat {
	struct timer timer;
	struct sim *sim;
	struct addr from, to;
	uint64_t timeout;
	unsigned sent, left;
	bool vain;		/* time is up after the last copy */
	size_t n;
	uint8_t octets[OCTETS];
};

struct request_rec {
	bool used;
	unsigned number;
	uint64_t begun;

	/* the client */
	struct repeat ask;
	unsigned client;
	uint16_t mid;
	uint8_t type, code;
	bool answered;

	/* the origin */
	struct repeat tell;	/* when in a message of its own */
	unsigned origin;
	unsigned done;
	struct addr done_from;	/* for this message of the proxy's */
	uint16_t done_mid;
	size_t nreply;
	uint8_t reply[OCTETS];	/* what its copies get */

	/* the proxy, as the oracle saw it */
	bool came;		/* a copy has arrived */
	bool up;		/* it has asked the origin */
	bool heard;		/* it has an answer of the origin's */
	bool reset;		/* the client did not want the answer */
	unsigned told;		/* answers sent, copies included */
	uint8_t told_type, told_code;
	uint64_t told_hash;
};

struct client_rec {
	struct timer next;
	struct sim *sim;
	struct addr addr;
	unsigned number;
	uint16_t mid;
	unsigned recent[RECENT];	/* request number by Message ID */
};

/* Message IDs that an origin has seen. */
struct mid_use {
	uint64_t at;		/* 0: never */
	unsigned number;
	uint16_t port;
};

struct sim {
	unsigned reloads;
	uint64_t next_reload;
	const struct lossy_conf *conf;
	struct lossy_result *result;
	struct world world;
	struct rand rnd;
	struct list arrived;
	struct client_rec *clients;
	struct request_rec *ring;
	unsigned nrequests;
	struct addr proxy;
	uint8_t dropped[ROWS];	/* the last copy was, by hash */
	struct siphash_key key;
	struct mid_use *mids[MAX_ORIGINS];	/* by Message ID */
};

/* The request NUMBER if it is remembered, else NULL. */
struct request_rec *sim_request(const struct sim *s, uint64_t number);

/* The request that the token of a client's means. */
struct request_rec *sim_by_token(const struct sim *s, struct span token);

/* The request that the path of a request to an origin means. */
struct request_rec *sim_by_path(const struct sim *s, const struct coap_msg *m);

/* Takes the next number, or returns NULL with *WHEN to try again. */
struct request_rec *sim_begin(struct sim *s, uint64_t *when);

/* The response code to METHOD when all is well. */
uint8_t sim_success(uint8_t method);

/* The network takes a datagram. */
void sim_transmit(struct sim *s, const struct addr *from,
    const struct addr *to, struct span octets);

/* Makes R send OCTETS now, or when its timer is set to, and COPIES - 1 times
 * again. */
void sim_repeat(struct sim *s, struct repeat *r, const struct addr *from,
    const struct addr *to, struct span octets, unsigned copies);
void sim_repeat_init(struct repeat *r);

/* Client C may ask something. */
void client_fire(struct timer *t, uint64_t now);

/* A datagram has reached client C, or the origin AT. */
void client_input(struct sim *s, struct client_rec *c, struct span octets);
void origin_input(struct sim *s, const struct addr *at,
    const struct addr *from, struct span octets);

/* The proxy sends P. */
void oracle_sent(struct sim *s, const struct packet *p);

/* A datagram is about to reach the proxy. */
void oracle_comes(struct sim *s, struct span octets);

/* M is the first answer to R that its client has. */
void oracle_answered(struct sim *s, struct request_rec *r,
    const struct coap_msg *m);

/* Nothing can come of R any more. */
void oracle_over(struct sim *s, struct request_rec *r);

#endif
