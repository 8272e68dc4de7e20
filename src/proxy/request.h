/*
 * request: one client waiting for one answer.
 *
 * While the stages run everything is borrowed from the datagram. What has to
 * outlive it is copied by request_keep(), the one place where that happens.
 */
#ifndef PROXY_REQUEST_H
#define PROXY_REQUEST_H

#include "base/arena.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/timer.h"
#include "coap/block.h"
#include "proxy/echo.h"
#include "proxy/front.h"
#include "proxy/route.h"

struct fetch;
struct trail_kept;
struct observer;
struct tally;

/* What the request asks of us, by RFC 7252 5.7. */
enum role {
	ROLE_REVERSE,		/* no Proxy-Uri, no Proxy-Scheme */
	ROLE_FORWARD,
	ROLE_OWN,		/* for the proxy itself (PRX-03, PRX-28) */
};

/* What a stage makes of a request. */
enum verdict {
	NEXT,			/* on to the next stage */
	WAIT,			/* for an origin */
	REPLIED,		/* the request is answered, and gone */
};

struct request {
	struct list link;
	const struct front_ops *front;
	void *front_ctx;
	const struct inbound *in;	/* NULL once only the token is kept */
	struct coap_msg msg;
	struct route route;
	struct tally *tally;		/* NULL: it has no route yet */
	uint64_t began;			/* ms */
	struct fetch *fetch;		/* while it waits, */
	struct timer deadline;		/* for as long as this */
	enum role role;
	uint8_t unwanted;		/* COAP_NO_*: answers not to be sent */
	bool spare;			/* the one that refuses when all others
					 * are in use */
	uint32_t serial;		/* later ones have a greater one */
	bool observes;			/* it registers, */
	bool crowded;			/* one of many of its address: */
	bool later;			/* what is under way is too old for it */
	bool again;			/* it has waited in vain before */
	struct observer *observer;	/* ... and is one, about to be told */
	struct addr observes_from;	/* (crowded) */
	bool joined;			/* it waits for what others ask, */
	bool alone;			/* or must not (again) */
	/* What is looked at when the answer is there (request_want()). */
	bool has_block2, size2;
	uint8_t szx;			/* the largest block it gets */
	struct coap_block block2;
	struct span etags;		/* length and value of each */
	struct span own_key;		/* of a FETCH whose body came in blocks:
					 * its later blocks are asked for
					 * without it; empty: not needed */
	uint64_t own_hash;
	/* Of a body that came in blocks. */
	bool has_block1, if_none_match;
	struct coap_block block1;	/* for the answer */
	uint8_t *body;			/* from the proxy's uploads, or NULL */
	size_t nbody;
	uint64_t client;		/* a number that tells clients apart */
	bool own_echo;			/* its Echo is ours: not forwarded */
	/* From a client that may be somebody else (guard.c). */
	bool stranger;
	bool ahead;			/* sent to an origin all the same */
	bool challenge;			/* by Echo, else smaller blocks */
	uint32_t budget;		/* octets that may go back, headers of
					 * lower layers included (ATK-02) */
	uint8_t echo[ECHO_LEN];		/* the value for it */
	/* For the access log (trail.c). */
	bool logs;			/* a line may be written, */
	bool hit;			/* it was answered from the store */
	uint64_t began_us;
	struct trail_kept *kept;
	struct arena arena;
};

/* Fills in what R wants of the answer. False without memory. */
bool request_want(struct request *r) __attribute__((warn_unused_result));

enum request_keep {
	KEEP_TOKEN,		/* the request has been sent on: to answer it
				 * takes its token */
	KEEP_ALL,		/* it will be looked at again */
};

/* Copies what R borrows into its arena, as WHAT says. False without memory. */
bool request_keep(struct request *r, enum request_keep what)
    __attribute__((warn_unused_result));

#endif
