/*
 * front: how an answer reaches whoever asked.
 *
 * The CoAP server implements it; any other way in (HTTP, streams) will too.
 * The proxy calls exactly one of these once for every request it was given.
 */
#ifndef PROXY_FRONT_H
#define PROXY_FRONT_H

#include "base/addr.h"
#include "coap/uri.h"
#include "proxy/reply.h"

struct inbound;
struct observation;
struct observer;
struct request;

struct front_ops {
	/* Answers R; R->front_ctx and R->msg.token are valid. */
	void (*reply)(struct request *r, const struct reply *reply,
	    uint64_t now);
	/* R has its answer, but does not want to hear it (No-Response). */
	void (*suppress)(struct request *r, uint64_t now);
	/* R gets no answer, and nobody has acted on it: the client may well
	 * repeat it. */
	void (*drop)(struct request *r, uint64_t now);
	/* Nobody knows yet whether R's client is where it says: what is sent
	 * for R is not repeated by ourselves (ATK-04, ATK-11). */
	void (*once)(struct request *r);
	/* R, about to be answered with 2.xx, becomes an observer: its entry
	 * under R's client and token, a new one, or the old one made new. NULL:
	 * there is no room (OBS-32). */
	struct observer *(*observe)(struct request *r);
	/* The entry of R's client and token, or NULL. */
	struct observer *(*observer)(const struct request *r);
	/* One of R's client in OF, or NULL. */
	struct observer *(*mate)(const struct request *r,
	    const struct observation *of);
	/* There is something newer for O: told now, or when its client may be
	 * sent something. May call observer_notice() before it returns. */
	void (*notify)(struct observer *o, uint64_t now);
	/* O is forgotten, without a word and without observer_gone(). */
	void (*unobserve)(struct observer *o);
	/* Who O's client is, and where: all of *IN but note and msg. False when
	 * nobody may ask there any more. */
	bool (*where)(const struct observer *o, struct inbound *in);
	/* How many messages have been sent for R; all of them were empty. */
	unsigned (*sent)(const struct request *r);
};

/* A request as a front end hands it over; borrowed until proxy_handle()
 * returns. */
struct inbound {
	const struct front_ops *front;
	void *front_ctx;
	const struct addr *client;
	uint64_t client_id;		/* a number that tells clients apart */
	const struct addr *local;	/* where it was sent to */
	unsigned listener;		/* index in the configuration */
	unsigned socket;		/* a number that tells sockets with the
					 * same address apart, in whatever
					 * configuration */
	uint8_t *note;			/* the proxy's own about the client;
					 * 0 at first */
	enum coap_scheme scheme;	/* of the listener */
	const struct coap_msg *msg;
};

#endif
