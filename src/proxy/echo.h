/*
 * echo: proof that a client is where its datagrams say (RFC 9175 2.3, 2.4).
 *
 * A value of ours is a MAC over the time and the client's endpoint: making one
 * needs no memory, and only who receives there can bring it back. Whoever does
 * is confirmed, in a bounded table; to lose an entry costs one more challenge.
 *
 *	 timestamp (4 octets) | MAC over it, address, port, listener (8 octets)
 */
#ifndef PROXY_ECHO_H
#define PROXY_ECHO_H

#include "base/addr.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/table.h"

enum {
	ECHO_LEN = 12,
	ECHO_VALID_S = 300,	/* seconds a value is good for */
	ECHO_IDLE_MS = 3600000,	/* quiet for longer: confirmed no more */
};

struct echo {
	struct siphash_key mac_key, table_key;
	uint32_t offset;	/* of the timestamps: they tell no time */
	struct table table;	/* confirmed endpoints */
	struct list idle;	/* longest idle first */
	struct pool pool;
	uint64_t evicted;
};

/* A new key, and room for MAX confirmed endpoints. False without memory. */
bool echo_init(struct echo *e, size_t max, struct rand *rnd)
    __attribute__((warn_unused_result));
void echo_fini(struct echo *e);

/* Room for MAX from now on; while there are more, two are confirmed no more for
 * each that is. */
void echo_resize(struct echo *e, size_t max);

/* The value for CLIENT at LISTENER, made at NOW. */
void echo_make(const struct echo *e, const struct addr *client,
    unsigned listener, uint64_t now, uint8_t out[ECHO_LEN]);

enum echo_verdict {
	ECHO_FRESH,		/* ours, for this endpoint, and in time */
	ECHO_STALE,		/* likewise, but expired */
	ECHO_FAKE,		/* as long as ours, and not ours: another's
				 * key, another endpoint's, or a guess */
	ECHO_FOREIGN,		/* of another length */
};

/* What VALUE is, brought by CLIENT to LISTENER. */
enum echo_verdict echo_check(const struct echo *e, struct span value,
    const struct addr *client, unsigned listener, uint64_t now);

/* CLIENT at LISTENER is confirmed; when the table is full, the longest idle
 * endpoint is not any more. */
void echo_confirm(struct echo *e, const struct addr *client, unsigned listener,
    uint64_t now);

/* Whether it is. To ask counts as activity. */
bool echo_confirmed(struct echo *e, const struct addr *client,
    unsigned listener, uint64_t now);

#endif
