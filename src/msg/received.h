/*
 * received: messages received, remembered for EXCHANGE_LIFETIME so that a
 * duplicate is processed once (RFC 7252 4.5).
 *
 * A record is OPEN while the message is being worked on, ACKED once an empty
 * ACK has promised a separate response, and REPLIED when all has been said;
 * then it waits, with what a duplicate is to be told again, in the order of
 * expiry. The table is bounded: records of idempotent requests give way, those
 * of others never do before their time (MSG-65, MSG-66).
 *
 * There is one for every message of the last EXCHANGE_LIFETIME, so it is one
 * line of cache and has no timer: a record is in at most one list at a time,
 * each of which is in the order in which something is due.
 */
#ifndef MSG_RECEIVED_H
#define MSG_RECEIVED_H

#include "base/buf.h"
#include "base/timer.h"
#include "msg/params.h"
#include "msg/peer.h"

enum received_state {
	RECEIVED_OPEN,
	RECEIVED_ACKED,
	RECEIVED_ORPHAN,	/* ACKED, and replaced in the table by another
				 * message with its ID (MSG-91) */
	RECEIVED_REPLIED,
};

/* What a duplicate gets. */
enum received_answer {
	ANSWER_NONE,		/* silence: a NON, or nothing sent yet */
	ANSWER_ACK,		/* an empty ACK */
	ANSWER_RST,
	ANSWER_BUF,		/* the datagram in buf */
};

struct received {
	struct table_node node;
	struct list link;	/* see struct received_table */
	struct peer *peer;
	struct buf *buf;
	uint32_t digest;	/* keyed hash of the datagram (MSG-91) */
	uint32_t due;		/* OPEN, a CON: when the empty ACK is, ms, cut;
				 * REPLIED: when it expires, seconds */
	uint16_t life;		/* REPLIED: how long it is kept, seconds;
				 * UINT16_MAX: that long or longer */
	uint16_t mid;
	uint16_t aged;		/* seconds taken off the Max-Age in buf */
	uint8_t copies;		/* how often it arrived; stops at 255 */
	uint8_t type : 1;	/* COAP_CON or COAP_NON */
	uint8_t state : 2;	/* enum received_state */
	uint8_t answer : 2;	/* enum received_answer */
	uint8_t arc : 1;	/* of the peer's midset */
	uint8_t once : 1;	/* dgram_once() */
	uint8_t idempotent : 1;
};

struct received_stats {
	uint64_t duplicates;
	uint64_t evicted;	/* before their time */
	uint64_t refused;	/* no room: MSG-66 */
};

struct received_table {
	struct table table;
	struct list open;	/* CONs that have not got their empty ACK */
	struct list idempotent, others;	/* REPLIED, by expiry */
	struct list orphans;
	struct pool pool;
	size_t lasting;		/* records that are not idempotent */
	size_t answer_octets;	/* of datagrams kept for duplicates */
	size_t answer_max;
	size_t answer_goal;	/* what that is to become; not above it */
	struct received_stats stats;
};

/* At most MAX records, and about 256 octets of kept answers for each. */
bool received_init(struct received_table *t, size_t max)
    __attribute__((warn_unused_result));
void received_fini(struct received_table *t);

/* At most MAX from now on. Nothing is forgotten at once: while there are more,
 * two records give way for each new one. */
void received_limit(struct received_table *t, size_t max);

/* The record of message MID from P, or NULL. */
struct received *received_find(const struct received_table *t,
    const struct peer *p, uint16_t mid);

/* A new record, OPEN, of message MID from P, which has none. Room is made for
 * it by forgetting the oldest answered idempotent request; NULL (counted) when
 * every record is one that must stay. Requests that are not idempotent get at
 * most half of the records, so that they cannot shut out the others. The caller
 * fills digest and type. */
struct received *received_add(struct received_table *t, struct peer *p,
    uint16_t mid, bool idempotent);

/* R, a CON that has just come, is to get its empty ACK at WHEN, if it is still
 * OPEN then. After WHENs have been further ahead it may become as late as the
 * last of those. */
void received_ack_at(struct received_table *t, struct received *r,
    uint64_t when);

/* A record whose empty ACK is due: it is ACKED from now on. NULL: none, *NEXT
 * is when to ask again, or TIMER_NEVER. */
struct received *received_ack_due(struct received_table *t, uint64_t now,
    uint64_t *next);

/* R, OPEN, has got its empty ACK for another reason. */
void received_acked(struct received *r);

/* R turned out to have no effect anywhere: it counts as idempotent from now
 * on. Not once it is REPLIED. */
void received_harmless(struct received_table *t, struct received *r);

/* Takes R, which is OPEN or ACKED, out of the table: whoever works on it still
 * answers it, and then it is gone. It counts as ACKED, since an ACK with its ID
 * would be taken for that of the message in its place. */
void received_orphan(struct received_table *t, struct received *r);

/* R has been answered with ANSWER (B for ANSWER_BUF; a reference is taken):
 * it is REPLIED and expires after LIFETIME ms. */
void received_done(struct received_table *t, struct received *r,
    enum received_answer answer, struct buf *b, uint64_t now,
    uint64_t lifetime);

/* Forgets R now, in whatever state. */
void received_drop(struct received_table *t, struct received *r);

/* Drops what has expired; cheap when nothing has. */
void received_expire(struct received_table *t, uint64_t now);

/* When received_expire() next has something to do, or TIMER_NEVER. */
uint64_t received_next(const struct received_table *t);

#endif
