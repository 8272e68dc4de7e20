/*
 * core: struct dgram, and what its parts call of each other.
 *
 * Private to datagram.c (what comes in), exchange.c (what we send and repeat),
 * reply.c (what we answer), notify.c (what we say unasked), note.c (to whom),
 * leave.c (a socket is going to be closed).
 */
#ifndef MSG_CORE_H
#define MSG_CORE_H

#include "msg/datagram.h"
#include "msg/timing.h"

enum { OLD_MIDS = 20 };		/* as many as MAX_RETRANSMIT may be */

/* The notes of one endpoint, and the one CON to it among them. */
struct notes {
	struct list link;	/* in struct dgram */
	struct list turns;	/* struct note, who was told last at the end */
	struct sent con;	/* peer, dgram always; timer for later, too */
	struct note *telling;	/* whose CON is outstanding, or NULL */
	struct list due;	/* in the queue of struct dgram */
	uint32_t count;		/* of turns */
	uint16_t old[OLD_MIDS];	/* Message IDs of con that are superseded */
	uint8_t nold;
	bool last;		/* con ends the entry of telling */
};

struct dgram {
	const struct dgram_ops *ops;
	void *user;
	const struct msg_params *params;
	struct timings timings;
	struct timers *timers;
	struct buf_pool *bufs;
	struct rand *rnd;
	struct hash_key digest_key;
	struct peers peers;
	struct received_table received;
	struct timer acks;	/* the next empty ACK may be due */
	struct timer expiry;	/* of the oldest received message */
	struct timer_line fresh;	/* CONs sent once so far */
	struct table sent;	/* struct sent by (peer, mid) */
	struct table tokens;	/* struct exchange by token */
	struct pool sent_pool, exchange_pool;
	struct list notes;	/* struct notes, one per endpoint with any */
	struct list due;	/* those whose turn is to come */
	struct timer tell;	/* ... then */
	unsigned told;		/* since the last one */
	struct pool notes_pool;
	size_t note_count;
	size_t note_cons;	/* endpoints with a CON of theirs outstanding */
	struct dgram_stats stats;
};

static inline struct note *
note_at(struct list *l)
{
	return CONTAINER_OF(l, struct note, link);
}

static inline struct exchange *
exchange_of(struct sent *s)
{
	return CONTAINER_OF(s, struct exchange, sent);
}

/* Hands B to the user's send, counted. */
void dgram_transmit(struct dgram *d, struct peer *p, struct buf *b);

/* Sends an empty message; without a buffer it is as good as lost on the way. */
void dgram_transmit_empty(struct dgram *d, struct peer *p, uint8_t type,
    uint16_t mid);

/* A datagram; NULL (counted) without a buffer. Returns owned. */
struct buf *dgram_build(struct dgram *d, const struct coap_head *h,
    struct span opts, struct span payload);

/* A Message ID towards P; false (counted) when all are leased. */
bool dgram_next_mid(struct dgram *d, struct peer *p, uint16_t *mid,
    uint64_t now);

/* S, a message of type TYPE in B (a reference is taken), yet to be sent. */
void dgram_sent_init(struct dgram *d, struct sent *s, uint8_t type,
    struct buf *b);

/* What the response in B says of its freshness was true when its first copy
 * went out, ELAPSED seconds ago: it is brought up to date (RFC 7252 5.10.5).
 * *AGED is what has been taken off before, 0 at first. */
void dgram_age(struct buf *b, uint32_t elapsed, uint32_t *aged);

/* How long the ID of a message that is sent now must not be used again. */
static inline uint64_t
dgram_lease(struct dgram *d, uint64_t now)
{
	return d->timings.past ? timings_lifetime(&d->timings, now) :
				 d->params->exchange_lifetime;
}

/* Puts S, about to be transmitted, into the table; a CON will be repeated. */
void dgram_sent_start(struct dgram *d, struct sent *s, uint64_t now);

/* Takes S out of every table; nothing finds it any more. */
void dgram_unlink(struct dgram *d, struct sent *s);

/* Frees S after dgram_unlink(). */
void dgram_sent_free(struct dgram *d, struct sent *s);

/* S ends without what it was waiting for; it is gone on return. */
void dgram_sent_failed(struct dgram *d, struct sent *s, enum dgram_fail why,
    uint64_t now);

/* The exchange with P that TOKEN belongs to, or NULL (MSG-54). */
struct exchange *dgram_exchange(const struct dgram *d, const struct peer *p,
    struct span token);

/* M answers X, which is gone on return unless it lasts, and then may be; true
 * when M could be processed. */
bool dgram_exchange_end(struct dgram *d, struct exchange *x,
    const struct coap_msg *m, uint64_t now);

/* R, just received, is a CON: its empty ACK will be due. */
void dgram_ack_later(struct dgram *d, struct received *r, uint64_t now);

/* Empty ACKs may be due. */
void dgram_ack_fire(struct timer *t, uint64_t now);

/* R has its answer, or never will. */
void dgram_received_end(struct dgram *d, struct received *r,
    enum received_answer answer, struct buf *b, uint64_t now);

/* Starts the timer of the oldest received message, unless it runs. */
void dgram_expiry_arm(struct dgram *d);

/* Answers the request M with CODE and OPTS without a record of it, as far as it
 * wants to hear of CODE. */
void dgram_refuse(struct dgram *d, struct peer *p, const struct coap_msg *m,
    uint8_t code, struct span opts, uint64_t now);

void dgram_notes_init(struct dgram *d);
void dgram_notes_fini(struct dgram *d);

struct span dgram_note_token(const struct note *n);

/* Takes N out of everything. It may have been the last of its struct notes,
 * which is gone then. */
void dgram_note_unlink(struct note *n);

/* NS has one note less, or one less who uses it. */
void dgram_notes_put(struct notes *ns);

/* The CON of NS is outstanding no longer. */
void dgram_notes_con_end(struct notes *ns);

/* The next of those who wait to be told are. */
void dgram_notes_tell_fire(struct timer *t, uint64_t now);

/* Nothing is outstanding for N; whoever has waited for that is next, but not
 * before the caller has done what it is at. */
void dgram_note_forget_con(struct dgram *d, struct note *n);

/* Something about a struct notes is due. */
void dgram_notes_fire(struct timer *t, uint64_t now);

/* An ACK, or a RST, with MID from P, which has notes: whether it is for one of
 * them. */
bool dgram_notes_ack(struct dgram *d, struct peer *p, uint16_t mid,
    uint64_t now);
bool dgram_notes_reset(struct dgram *d, struct peer *p, uint16_t mid,
    uint64_t now);

/* S, a separate response, has been rejected or not acknowledged by a peer that
 * has notes: as if it had been a notification (OBS-22, OBS-23), which it was if
 * it has Observe. */
void dgram_notes_answer_lost(struct dgram *d, const struct sent *s,
    enum dgram_fail why, uint64_t now);

/* What TOKEN stands for at P, which has notes, was answered by a NON: a RST for
 * that is understood like one for a notification. */
void dgram_notes_answered(struct dgram *d, struct peer *p, struct span token,
    uint16_t mid, uint64_t now);

/* The way to P, as far as it had to do with something that is over, is free:
 * those of its notes that are behind are told. */
void dgram_notes_wake(struct dgram *d, struct peer *p, uint64_t now);

#endif
