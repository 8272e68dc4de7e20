/*
 * memo: what a request has become before, for those that are asked again.
 *
 * Most requests are plain and come again and again: a GET of some path, with
 * nothing in it for the proxy but the target. Which rule takes them, what goes
 * out to the origin and the key of its answer follow from their octets, from
 * where they were sent to and from the configuration alone. That is kept in a
 * table of fixed size, found by comparing octets, and forgotten with the
 * configuration. It decides nothing: whether the client may ask is asked each
 * time.
 */
#ifndef PROXY_MEMO_H
#define PROXY_MEMO_H

#include "base/rand.h"
#include "coap/key.h"
#include "proxy/front.h"
#include "proxy/route.h"

enum {
	MEMO_SETS = 256,
	MEMO_WAYS = 8,
	MEMO_OCTETS = 216,	/* of options, both, and of the key */
};

struct memo_entry {
	struct addr local;
	const struct rule *rule;	/* that takes it, and forwards, */
	const struct path *strip;	/* ... as struct route has it */
	uint64_t hash, uri;		/* of the key */
	unsigned listener;
	uint8_t scheme;			/* enum coap_scheme */
	uint8_t nasked, nsent, nkey;
	uint8_t octets[MEMO_OCTETS];	/* options as asked, as sent; the key */
};

/* Entries that may be the one are told by 32 bits of their hash. */
struct memo_set {
	uint32_t tags[MEMO_WAYS];	/* 0: free */
	uint32_t missed[MEMO_WAYS];	/* last, */
	uint8_t turn, missed_turn;	/* ... and where to write next */
};

struct memo {
	uint64_t seed;
	struct memo_set *sets;
	struct memo_entry *v;
};

/* What follows for a request. */
struct memo_result {
	const struct rule *rule;
	const struct path *strip;
	struct span opts;		/* as sent */
	struct coap_key key;
};

/* An empty memo. False without memory. */
bool memo_init(struct memo *m, struct rand *rnd)
    __attribute__((warn_unused_result));
void memo_fini(struct memo *m);

/* Forgets everything: the rules are others. */
void memo_clear(struct memo *m);

/* Whether nothing but octets, place and configuration says what becomes of the
 * request IN: a GET with a target and perhaps Accept. */
static inline bool
memo_suits(const struct inbound *in)
{
	const struct coap_msg *m = in->msg;

	return m->known && m->code == COAP_GET && m->opts.n < MEMO_OCTETS &&
	    (m->has & ~(coap_opt_bit(COAP_OPT_URI_HOST) |
		coap_opt_bit(COAP_OPT_URI_PORT) |
		coap_opt_bit(COAP_OPT_URI_PATH) |
		coap_opt_bit(COAP_OPT_URI_QUERY) |
		coap_opt_bit(COAP_OPT_ACCEPT))) == 0;
}

/* What IN, which suits, has become; false when it is not known. *RESULT borrows
 * from M until the next memo_put(). *HASH is for that. */
bool memo_find(struct memo *m, const struct inbound *in,
    struct memo_result *result, uint64_t *hash);

/* Takes note of RESULT for the next time, unless IN has not been looked for
 * lately: what comes once leaves no trace. */
void memo_put(struct memo *m, const struct inbound *in, uint64_t hash,
    const struct memo_result *result);

#endif
