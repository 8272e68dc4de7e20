/*
 * sendq: the datagrams one socket has still to send.
 *
 * Bounded; handed to the kernel in batches. What the kernel refuses costs that
 * datagram and no other (MSG-80); on a connected socket it is kept until its
 * owner has heard of it.
 *
 * To one peer, datagrams of equal length in a row, and a shorter one behind
 * them, are handed over as one, a train, and the kernel cuts it up
 * (UDP_SEGMENT): that is most of what sending costs. A train that is refused is
 * sent once more in single datagrams, so nothing is lost by it. So that there
 * are trains, loose datagrams (base/buf.h) between two others are sorted by
 * length; all others leave in the order of sendq_put().
 */
#ifndef NET_SENDQ_H
#define NET_SENDQ_H

#include "base/buf.h"
#include "net/sock.h"

enum { SENDQ_MAX = 1024, SENDQ_BATCH = 64 };

struct sendq_item;
struct sendq_ends;

struct sendq {
	/* Those in [head, tail) wait; those before REFUSED were refused. */
	struct sendq_item *items;
	struct sendq_ends *ends;	/* of each; NULL: the peer's */
	size_t head, tail, cap, refused;
	bool retried;			/* the first, after an error */
	/* The peer has been heard since the last error; its owner says so. Who
	 * is not there gets no trains: one error for each is worth more. */
	bool heard;
	uint16_t longest;	/* in a train; 0: the kernel makes none */
};

/* What one call of the kernel takes; shared by all queues, never initialised.
 */
struct sendq_batch {
	struct mmsghdr msgs[SENDQ_BATCH];
	uint8_t count[SENDQ_BATCH];	/* of datagrams, in each message */
	struct iovec iov[SENDQ_BATCH];
	struct sockaddr_storage names[SENDQ_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[SENDQ_BATCH][SOCK_TX_CONTROL];
};

struct sendq_report {
	uint64_t datagrams, octets, dropped;
	bool error;		/* a call failed, be it for a datagram of
				 * earlier */
};

/* Queues B to go to TO from LOCAL (both NULL on a connected socket) with a
 * reference of its own. False when the queue is full or without memory. A queue
 * of zeros is empty, and makes no trains. */
bool sendq_put(struct sendq *q, const struct addr *to,
    const struct addr *local, struct buf *b);

/* Sends what K takes and adds to REP. False when K takes no more for now and
 * some is left. */
bool sendq_flush(struct sendq *q, const struct sock *k,
    struct sendq_batch *batch, struct sendq_report *rep);

/* Takes what has been refused: the I-th since the last sendq_forget(), from 0,
 * with its reference, and why in ERR. NULL when there are no more. */
struct buf *sendq_refused(struct sendq *q, size_t i, int *err);

/* Drops those that nobody took. */
void sendq_forget(struct sendq *q);

/* Drops what is left. */
void sendq_fini(struct sendq *q);

static inline bool
sendq_empty(const struct sendq *q)
{
	return q->head == q->tail;
}

#endif
