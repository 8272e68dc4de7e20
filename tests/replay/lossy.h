/*
 * lossy: clients, origins and a bad network around a proxy.
 *
 * The network loses, doubles and overtakes datagrams. Every datagram that the
 * proxy sends is judged where it leaves, so that nothing wrong can hide by
 * being lost. Nothing of a run is left to chance but the seed.
 */
#ifndef TESTS_REPLAY_LOSSY_H
#define TESTS_REPLAY_LOSSY_H

#include "world.h"

/* When a 5.03 is right. */
enum refusals {
	REFUSE_NEVER,
	REFUSE_QUEUE,	/* with Max-Age, to a request that never went up */
	REFUSE_TABLES,	/* tables are too small: any, also behind another
			 * answer, and what is idempotent may be done twice */
};

struct lossy_conf {
	const char *conf;	/* of the proxy; routes /oK lead to origin K */
	const char *other;	/* another one with which they do, or NULL: */
	unsigned reload;	/* ms between changes from one to the other */
	unsigned clients, origins;	/* at most 255, 64 */
	unsigned silent;	/* this origin, from 1, never says anything */
	unsigned separate;	/* this one only ACK, then CON or NON */
	unsigned exchanges;	/* requests, of all clients together */
	unsigned gap;		/* ms at most between requests of a client */
	unsigned loss, copies;	/* percent of datagrams */
	bool fair;		/* no datagram is lost twice in a row: whoever
				 * repeats gets through */
	uint64_t seed;
	enum refusals refusals;
};

/* Each exchange is one of the first four, but for those with another error. */
struct lossy_result {
	unsigned exchanges;
	unsigned answered;	/* 2.xx came to the client */
	unsigned timed_out;	/* 5.04 */
	unsigned refused;	/* 5.03 */
	unsigned given_up;	/* the client heard nothing in time */
	unsigned given_up_con;	/* CON requests among them */
	unsigned confirmable, confirmed;	/* CON; with 2.xx */
	uint64_t lost, doubled;	/* datagrams */
	uint64_t repeated;	/* retransmissions of everybody */
	uint64_t digest;	/* of all datagrams, their times and fates */

	/* Errors of the proxy. */
	unsigned twice;		/* requests that an origin did twice */
	unsigned mixed;		/* messages that belong to something else */
	unsigned again;		/* requests with two different answers */
	unsigned failed;	/* other errors, and 5.03 that is not right */
	unsigned hasty;		/* 5.04 although the answer had come */
	unsigned unanswered;	/* requests it had and did not answer, or did
				 * not repeat the answer to */
	unsigned reused;	/* Message IDs within EXCHANGE_LIFETIME */
	bool idle;		/* the proxy holds nothing any more */
	char why[200];
};

/* Runs C to its end. */
void lossy_run(const struct lossy_conf *c, struct lossy_result *r);

#endif
