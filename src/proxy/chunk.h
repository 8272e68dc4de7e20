/*
 * chunk: a body sent to an origin in Block1 requests (RFC 7959 2.5), where we
 * are the client.
 *
 * Says what the next request carries and what a response means; sends nothing.
 */
#ifndef PROXY_CHUNK_H
#define PROXY_CHUNK_H

#include "coap/block.h"
#include "coap/msg.h"

struct chunk {
	struct span body;	/* borrowed */
	size_t at;		/* where the block under way begins */
	uint8_t szx;
	bool whole;		/* under way without Block1 */
	bool created;		/* there was a 2.01 (BLK-34) */
	bool restarted;		/* after 4.08 */
	bool shrunk;		/* started again with smaller blocks */
};

/* Sends BODY in blocks of size SZX, 0 to 6. False when that takes more of them
 * than there are numbers. */
bool chunk_init(struct chunk *c, struct span body, uint8_t szx)
    __attribute__((warn_unused_result));

/* Sends BODY in a request without Block1, and in blocks of at most SZX only if
 * the answer asks for them (RFC 7959 2.9.3). */
void chunk_init_whole(struct chunk *c, struct span body, uint8_t szx);

/* Whether what is sent next begins the transfer: the place for If-None-Match
 * (BLK-33) and Size1. */
static inline bool
chunk_first(const struct chunk *c)
{
	return c->at == 0;
}

/* Block1 of the next request, and its payload. Not for one sent whole. Says
 * the same until chunk_feed() has said CHUNK_ASK, RESTART or SMALLER. */
void chunk_next(const struct chunk *c, struct coap_block *block,
    struct span *slice);

enum chunk_step {
	CHUNK_ASK,		/* send chunk_next() */
	CHUNK_RESTART,		/* likewise, from the start: 4.08 */
	CHUNK_SMALLER,		/* likewise, in smaller blocks: 4.13 */
	CHUNK_DONE,		/* the answer, with the code chunk_code() */
	CHUNK_FINAL,		/* an error that is the answer */
	CHUNK_FAILED,		/* 5.02: not an answer to what was asked */
};

/* M is the response to what is under way. After CHUNK_DONE, FINAL and FAILED
 * the transfer is over. */
enum chunk_step chunk_feed(struct chunk *c, const struct coap_msg *m);

/* The code for the client when the last response is M: 2.01 where an origin
 * that acts on each block said so before, then 2.04. That earlier response is
 * the one that had the Location-* options. */
uint8_t chunk_code(const struct chunk *c, const struct coap_msg *m);

#endif
