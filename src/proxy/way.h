/*
 * way: how an observer has come: what of its request the rules look at, so that
 * they can be asked again when they have changed.
 *
 * The observers of one observation have mostly come by the same way, so it is
 * shared among them.
 */
#ifndef PROXY_WAY_H
#define PROXY_WAY_H

#include "base/list.h"
#include "base/writer.h"
#include "proxy/request.h"

struct way {
	struct list link;	/* in its observation's list */
	uint32_t refs;		/* observers */
	uint8_t role;		/* enum role */
	uint8_t code;
	struct target uri;	/* its text is in octets */
	struct span words;	/* options, encoded from 0: in octets */
	uint8_t octets[];
};

/* The way of R, from WAYS if it is found there soon, else added to them; a
 * reference is the caller's. NULL without memory. */
struct way *way_get(struct list *ways, const struct request *r);

/* Of NULL: nothing. */
void way_put(struct way *w);

/* The request that came by W, as far as it is known. It borrows from W. */
bool way_message(const struct way *w, struct coap_msg *m);

/* Writes those options of M that say what the target is, but for the query,
 * which rules neither see nor change. */
void way_words(const struct coap_msg *m, struct writer *w);

#endif
