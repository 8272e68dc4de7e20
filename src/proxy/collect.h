/*
 * collect: one body from the blocks of several responses (RFC 7959 2.4). Pure.
 *
 *	collect_init, then for each response
 *	    collect_feed -> COLLECT_ASK: send the request once more with c->ask
 *	                 -> COLLECT_DONE: c->body, c->len
 *	                 -> COLLECT_FAILED: c->why
 *
 * It does not know what was asked, of whom, or what for. Error responses are
 * bodies too: whoever feeds it looks at the code first if it matters.
 */
#ifndef PROXY_COLLECT_H
#define PROXY_COLLECT_H

#include "coap/block.h"
#include "coap/msg.h"

enum { COLLECT_ETAG_MAX = 8 };

enum collect_step { COLLECT_ASK, COLLECT_DONE, COLLECT_FAILED };

enum collect_fail {
	COLLECT_GAP,		/* not the block that was asked for */
	COLLECT_SIZE,		/* its length does not fit its Block2 */
	COLLECT_CHANGED,	/* another code, ETag or Content-Format than in
				 * the first block: another representation */
	COLLECT_TOO_LARGE,
	COLLECT_NO_MEMORY,
};

struct collect {
	uint8_t *body;
	size_t len;		/* octets of the body so far */
	size_t room;		/* octets allocated */
	size_t max;
	struct coap_block ask;	/* the next block: Block2 to send */
	enum collect_fail why;
	/* Of the first response; all others have the same. */
	bool begun;
	uint8_t code;
	bool has_format;
	uint32_t format;
	bool has_etag;
	uint8_t etag_len;
	uint8_t etag[COLLECT_ETAG_MAX];
};

/* A body of at most MAX octets is to come, asked for with block size SZX
 * (below COAP_SZX_RESERVED), which c->ask then says. */
void collect_init(struct collect *c, size_t max, uint8_t szx);

/* Frees the body. */
void collect_fini(struct collect *c);

/* Begins anew, with the first block of size SZX. */
void collect_reset(struct collect *c, uint8_t szx);

/* Takes in response M, the answer to a request with Block2 of c->ask, or, for
 * the first, without Block2. A server may make blocks smaller, never larger.
 * After DONE or FAILED only reset and fini may follow. */
enum collect_step collect_feed(struct collect *c, const struct coap_msg *m);

/* "block missing" ... for logs. */
const char *collect_fail_str(enum collect_fail why);

#endif
