/*
 * fresh: which responses are stored, how long they are fresh, and what becomes
 * of their options (RFC 7252 5.6, 5.7.1, 5.9, 5.10.5). Pure.
 *
 * A response is stored as its code, its safe options and its whole body.
 * Max-Age is kept as a number, since it shrinks; what belongs to one hop or one
 * exchange (Observe, Block1, Block2, Size2, Echo) is made anew or left out.
 */
#ifndef PROXY_FRESH_H
#define PROXY_FRESH_H

#include "base/writer.h"
#include "coap/emit.h"

enum { FRESH_DEFAULT = 60 };	/* Max-Age of a response without one, s */

/* ---- what may be stored ---- */

enum fresh_use {
	FRESH_PASS,		/* the store is nothing to the request */
	FRESH_STORE,		/* its answer may be stored, but no stored one
				 * be given to it (CAC-16) */
	FRESH_LOOKUP,		/* both */
};

/* What the request M, as it goes out, may have of the store. */
enum fresh_use fresh_use(const struct coap_msg *m);

/* Whether the response M to a GET or FETCH may be stored and shared by all who
 * ask the same (RFC 7252 5.6; CAC-08, CAC-13, CAC-15). ADDED: the request went
 * out with an option of ours, so that 4.02 may be our own fault. 5.08 is never
 * stored: it holds only for as many hops (PRX-60). */
bool fresh_storable(const struct coap_msg *m, bool added);

/* ---- how long ---- */

/* Max-Age of the response M in seconds. */
uint32_t fresh_max_age(const struct coap_msg *m);

/* The age at NOW of what was received at STORED, both in ms, in whole seconds
 * rounded up (CAC-18). */
uint32_t fresh_age(uint64_t stored, uint64_t now);

/* What is left of MAX_AGE at that age, never below 0. */
static inline uint32_t
fresh_left(uint32_t max_age, uint32_t age)
{
	return age < max_age ? max_age - age : 0;
}

/* ---- options ---- */

/* Writes the options of the response M in the form in which they are stored:
 * those that stay, in order; of several ETags the first (CAC-35). False when W
 * is full, here and below. */
bool fresh_put_stored(const struct coap_msg *m, struct writer *w);

/* Likewise of one that is not stored, but told to those who observe: with its
 * Echo, which is for them to bring back (PRX-85). */
bool fresh_put_kept(const struct coap_msg *m, struct writer *w);

/* Whether the 2.03 M has an option that takes the place of stored ones. If
 * not, stored options stay as they are. */
bool fresh_updates(const struct coap_msg *m);

/* Writes STORED, options as fresh_put_stored() wrote them, with each type of
 * safe option that is in the 2.03 M replaced by those of M (RFC 7252 5.9.1.3);
 * the ETag stays. */
bool fresh_put_updated(struct span stored, const struct coap_msg *m,
    struct writer *w);

/* What an answer says besides its stored options, none of which is one of
 * these. */
struct fresh_extra {
	uint32_t max_age;	/* not written if it is the default (CAC-17) */
	uint8_t has;		/* FRESH_HAS_*: which of the next there are */
	uint32_t observe, block2, block1, size2;
	struct span etag;	/* of our own (BLK-18), at most 8 octets; empty:
				 * none */
};

enum {
	FRESH_HAS_OBSERVE = 1,
	FRESH_HAS_BLOCK2 = 2,
	FRESH_HAS_BLOCK1 = 4,
	FRESH_HAS_SIZE2 = 8,
};

/* Writes the options of an answer: STORED, as one of the two above wrote it,
 * and X, in ascending order. What is stored is copied as it is encoded but for
 * an option that comes right behind one of X. */
bool fresh_put_answer(struct span stored, const struct fresh_extra *x,
    struct writer *w);

#endif
