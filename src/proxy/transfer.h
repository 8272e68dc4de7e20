/*
 * transfer: bodies that take several exchanges with an origin (RFC 7959), in
 * both directions.
 *
 *	fetch --upload--> chunk: a request body in Block1 requests
 *	      <-download- collect: a response body from Block2 responses
 *
 * A fetch gets one when it turns out to need it, and keeps it to its end: its
 * requests repeat the same options from the same port.
 */
#ifndef PROXY_TRANSFER_H
#define PROXY_TRANSFER_H

#include "proxy/chunk.h"
#include "proxy/collect.h"
#include "proxy/fetch.h"
#include "proxy/request.h"

enum { TRANSFER_TAG_LEN = 8 };

struct transfer {
	struct chunk up;
	struct collect down;
	bool sending, receiving;
	bool acted;		/* the body went up in blocks, and is gone */
	uint8_t restarts;	/* since the representation changed */
	uint8_t *body;		/* of the request, from p->uploads, or NULL */
	size_t nbody;
	size_t counted;		/* octets of down in p->collected */
	/* In the fetch's arena: */
	struct span base;	/* options of each request, but for blocks */
	struct span payload;	/* of a FETCH, repeated with each block */
	struct span first;	/* options of the first block that came */
	struct span created;	/* ... of a 2.01 to a block (BLK-34) */
};

/* F, whose options are in scratch, is to send R's body in blocks: the first
 * one becomes F's payload. The body is F's then. False at the limit. */
bool transfer_upload(struct proxy *p, struct fetch *f, struct request *r);

enum transfer_step {
	TRANSFER_NONE,		/* M is whole as it is */
	TRANSFER_GOES_ON,	/* the next request is on its way, or F has
				 * failed for want of it */
	TRANSFER_WHOLE,		/* *WHOLE is the response; valid until F ends */
	TRANSFER_TOO_LARGE,	/* the body is more than may be collected */
	TRANSFER_BAD,		/* M cannot be processed */
};

/* M is a response to F, which went out as SENT. */
enum transfer_step transfer_feed(struct proxy *p, struct fetch *f,
    const struct coap_msg *m, struct span sent, struct coap_msg *whole);

/* Asks F's request once more, with BLOCK2 as the client had it, or without if
 * NULL: what comes is passed on block by block. */
void transfer_relay(struct proxy *p, struct fetch *f,
    const struct coap_block *block2);

/* Frees F's transfer, if it has one. */
void transfer_end(struct proxy *p, struct fetch *f);

#endif
