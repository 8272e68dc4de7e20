/*
 * memo: what a request has become before, for those that are asked again.
 *
 * Most requests are plain and come again and again: a GET of some path, with
 * nothing in it for the proxy but the target. What they ask for, which rule
 * takes them, what goes out to the origin and the key of its answer follow from
 * their octets, from where they were sent to and from the configuration alone.
 * That is kept in a table of fixed size, found by comparing octets, and
 * forgotten with the configuration. It decides nothing: whether the client may
 * ask, whether the target is allowed and whether it is us is asked each time.
 */
#ifndef PROXY_MEMO_H
#define PROXY_MEMO_H

#include "base/hash.h"
#include "coap/key.h"
#include "proxy/request.h"

enum {
	MEMO_SETS = 256,
	MEMO_WAYS = 8,
	MEMO_OCTETS = 304,	/* of what is kept of one */
};

struct memo_entry;

/* Entries that may be the one are told by 32 bits of their hash. */
struct memo_set {
	uint32_t tags[MEMO_WAYS];	/* 0: free */
	uint32_t missed[MEMO_WAYS];	/* last, */
	uint8_t turn, missed_turn;	/* ... and where to write next */
};

struct memo {
	struct hash_key key;
	struct memo_set *sets;
	struct memo_entry *v;
};

/* What follows for a request. */
struct memo_result {
	enum role role;			/* ROLE_REVERSE, or ROLE_FORWARD: */
	struct span opts;		/* without Proxy-Uri, then */
	uint64_t has;			/* ... and what they are */
	struct target uri;		/* the authority asked for */
	const struct rule *rule;	/* that takes it, and forwards; NULL:
					 * the forward role */
	const struct path *strip;	/* as in struct route */
	struct span sent;		/* options for the origin */
	struct coap_key key;
};

/* An empty memo. False without memory. */
bool memo_init(struct memo *m, struct rand *rnd)
    __attribute__((warn_unused_result));
void memo_fini(struct memo *m);

/* Forgets everything: the rules are others. */
void memo_clear(struct memo *m);

/* Whether nothing but octets, place and configuration says what becomes of the
 * request IN: a GET with a target, by Proxy-Uri or without, and perhaps
 * Accept. */
static inline bool
memo_suits(const struct inbound *in)
{
	const struct coap_msg *m = in->msg;

	return m->known && m->code == COAP_GET && m->opts.n <= UINT8_MAX &&
	    (m->has & ~(coap_opt_bit(COAP_OPT_URI_HOST) |
		coap_opt_bit(COAP_OPT_URI_PORT) |
		coap_opt_bit(COAP_OPT_URI_PATH) |
		coap_opt_bit(COAP_OPT_URI_QUERY) |
		coap_opt_bit(COAP_OPT_PROXY_URI) |
		coap_opt_bit(COAP_OPT_ACCEPT))) == 0;
}

/* What IN, which suits, has become; false when it is not known. *RESULT borrows
 * from M until the next memo_put(). *HASH is for the two below. */
bool memo_find(struct memo *m, const struct inbound *in,
    struct memo_result *result, uint64_t *hash);

/* Whether what has not been found is worth a note: the request with HASH has
 * been missed not long ago; it has now. What comes once leaves no trace. */
bool memo_due(struct memo *m, uint64_t hash);

/* Takes note of R for the next time, in place of another. */
void memo_put(struct memo *m, const struct inbound *in, uint64_t hash,
    const struct memo_result *r);

#endif
