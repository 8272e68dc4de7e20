/*
 * observer: one entry of a list of observers (RFC 7641 4.1).
 *
 * The front end allocates it, tells the client what observer_notice() says, and
 * knows whether the client is still there. Everything else is the proxy's.
 */
#ifndef PROXY_OBSERVER_H
#define PROXY_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/span.h"

struct crowd;
struct front_ops;
struct observation;
struct way;

struct observer {
	struct list link;	/* in its observation's list */
	struct observation *of;	/* NULL: of none */
	const struct front_ops *front;
	struct crowd *crowd;	/* those of its address, or NULL */
	struct way *way;	/* by which it has come, or NULL */
	uint32_t version;	/* of what it was told last */
	uint32_t serial;	/* of the request that registered it */
	uint8_t szx;		/* the largest block it gets (OBS-63) */
	bool has_block2;	/* it has asked for blocks */
};

/* What an observer is to be told. The options are complete. Valid until the
 * next call. */
struct notice {
	uint8_t code;
	struct span opts, payload;
	bool newer;		/* than what it was told last */
	bool last;		/* its entry ends with this one (OBS-12) */
	bool once;		/* ... and it will not be repeated */
};

/* Tells what O is to be told at NOW; it counts as told. */
void observer_notice(struct observer *o, struct notice *out, uint64_t now);

/* Whether there is something newer than O was told. */
bool observer_behind(const struct observer *o);

/* Whether what O is to be told is the last, and told once. */
bool observer_parts(const struct observer *o);

/* O's client does not want to hear any more, or is not there, or has been told
 * the last: the proxy does not know O any longer. */
void observer_gone(struct observer *o, uint64_t now);

#endif
