/*
 * lossy: clients, origins and a bad network around a proxy.
 *
 * The network loses, doubles and overtakes datagrams, but no datagram
 * twice in a row: whoever repeats gets through, so that what is missing in
 * the end is not bad luck.
 */
#ifndef TESTS_REPLAY_LOSSY_H
#define TESTS_REPLAY_LOSSY_H

#include "world.h"

struct lossy_conf {
	const char *conf;	/* of the proxy; routes /oK lead to origin K */
	unsigned clients, origins, requests;	/* requests of each client */
	unsigned loss, copies;	/* percent of datagrams */
	uint64_t seed;
	bool refusals;		/* tables are too small: 5.03 is to be expected,
				 * and GET and PUT may be done twice */
};

struct lossy_result {
	unsigned confirmable, answered;	/* CON requests, and their answers */
	unsigned refused;	/* 5.03 */
	unsigned twice;		/* requests that an origin did twice */
	unsigned mixed;		/* answers to another request */
	unsigned again;		/* requests with two different answers */
	unsigned failed;	/* other errors in answer to a CON */
	unsigned lost, doubled;	/* datagrams */
	bool idle;		/* the proxy holds nothing any more */
	char why[200];
};

/* Runs C to its end. */
void lossy_run(const struct lossy_conf *c, struct lossy_result *r);

#endif
