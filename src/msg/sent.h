/*
 * sent: messages of ours that may be repeated or rejected.
 *
 * A CON is repeated with doubling time-outs until it is acknowledged, answered
 * or given up (RFC 7252 4.2); it and a NON request are found again by the
 * Message ID when an ACK or a RST comes.
 *
 *	NEW --sent--> WAIT_ACK		(NEW is in no table of Message IDs)
 *	WAIT_ACK --ACK--> ACKED		(a request: its response may follow)
 *	   |  \--last copy--> LAST_WAIT --time--> given up
 *	   `--RST, response--> gone, or NEW where an exchange lasts
 */
#ifndef MSG_SENT_H
#define MSG_SENT_H

#include "base/buf.h"
#include "base/rand.h"
#include "base/timer.h"
#include "msg/params.h"
#include "msg/peer.h"

enum sent_state { SENT_NEW, SENT_WAIT_ACK, SENT_LAST_WAIT, SENT_ACKED };

/* A timer may be as late, in ms, without the process having stood still. */
enum { SENT_LATE_MS = 250 };

struct dgram;

struct sent {
	struct table_node node;	/* by (peer, mid) */
	struct timer timer;
	struct dgram *dgram;
	struct peer *peer;	/* NULL: NEW, and never sent */
	struct buf *buf;
	uint64_t first;		/* when the first copy went out */
	uint32_t timeout;	/* ms between the last copy and the next; 0: not
				 * known yet, at least ACK_TIMEOUT */
	uint32_t aged;		/* seconds taken off its Max-Age so far */
	uint16_t mid;
	uint8_t type, state, copies;
	uint8_t timing;		/* what it is repeated by, see msg/timing.h */
	bool request;		/* embedded in a struct exchange */
};

/* The first copy of S goes to P at NOW, as message MID; a reference to P is
 * taken, unless S has one already. */
void sent_first(struct sent *s, struct peer *p, uint16_t mid, uint64_t now);

/* The initial time-out: uniform between ACK_TIMEOUT and ACK_TIMEOUT *
 * ACK_RANDOM_FACTOR, drawn anew per message (MSG-30). */
uint32_t sent_first_timeout(const struct msg_params *params, struct rand *rnd);

enum sent_due { SENT_COPY, SENT_WAIT, SENT_GIVE_UP };

/* What to do with S whose time-out has come: send a copy, wait once more, or
 * give up. *NEXT is when to ask again, unless given up. */
enum sent_due sent_due(struct sent *s, const struct msg_params *params,
    uint64_t now, uint64_t *next);

/* The message MID to P in TABLE, or NULL. */
struct sent *sent_find(const struct table *table, const struct peer *p,
    uint16_t mid);

#endif
