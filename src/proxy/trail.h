/*
 * trail: the access log, from a request's arrival to its line.
 *
 * What a line says is looked at when the request ends. Nothing is formatted
 * before it is known that the line will be written; a request that outlives its
 * datagram keeps what its line may need (trail_keep()), in its own arena.
 */
#ifndef PROXY_TRAIL_H
#define PROXY_TRAIL_H

#include "proxy/proxy.h"
#include "proxy/repeat.h"
#include "proxy/request.h"

struct trail {
	struct repeats repeats;		/* errors */
	uint32_t skipped;		/* since the last one of so many */
};

bool trail_start(struct proxy *p, struct rand *rnd)
    __attribute__((warn_unused_result));
void trail_stop(struct proxy *p);

/* R has come in. Only when p->conf->trail.which is not TRAIL_OFF. */
void trail_begin(struct proxy *p, struct request *r);

/* What R borrows is about to go. Without memory its line will say less. */
void trail_keep(struct request *r);

/* R, which has r->logs, gets REPLY, or nothing if that is NULL. */
void trail_end(struct proxy *p, const struct request *r,
    const struct reply *reply);

#endif
