/*
 * classify: what a request is, and whether it is legal. Pure.
 */
#ifndef PROXY_CLASSIFY_H
#define PROXY_CLASSIFY_H

#include "base/writer.h"
#include "proxy/front.h"
#include "proxy/request.h"
#include "proxy/self.h"

/* The outcome: a role, or an error for the client. */
struct classified {
	enum role role;
	struct target uri;	/* the authority asked for */
	struct coap_msg msg;	/* the request without Proxy-Uri; borrows from
				 * the request, or from the writer */
	uint8_t error;		/* 0: fine */
	const char *why;	/* for the diagnostic payload */
};

/* Classifies the request IN. FORWARD is the forward role's configuration or
 * NULL; HOST_BUF keeps the host's text; what Proxy-Uri expands to goes into W.
 * Checks what holds for every role: legal method, Proxy-* used rightly, block
 * sizes, Hop-Limit's form. */
void classify_request(struct classified *c, const struct inbound *in,
    const struct self *self, const struct forward_conf *forward,
    uint8_t host_buf[COAP_HOST_MAX], struct writer *w);

/* Whether the client of IN may use the forward role; else an error and why. */
bool classify_forward(struct classified *c, const struct inbound *in,
    const struct forward_conf *forward);

/* Whether the Block options of M make sense (BLK-02, BLK-06); else why not. */
const char *classify_present_blocks(const struct coap_msg *m);

static inline const char *
classify_blocks(const struct coap_msg *m)
{
	return !coap_has(m, COAP_OPT_BLOCK1) && !coap_has(m, COAP_OPT_BLOCK2) ?
	    NULL : classify_present_blocks(m);
}

#endif
