/*
 * sendq: the datagrams one socket has still to send.
 *
 * Bounded; handed to the kernel in batches. What the kernel refuses costs that
 * datagram and no other (MSG-80); on a connected socket it is kept until its
 * owner has heard of it.
 */
#ifndef NET_SENDQ_H
#define NET_SENDQ_H

#include "base/buf.h"
#include "net/sock.h"

enum { SENDQ_MAX = 1024, SENDQ_BATCH = 64 };

struct sendq_item;

struct sendq {
	/* Those in [head, tail) wait; those before REFUSED were refused. */
	struct sendq_item *items;
	size_t head, tail, cap, refused;
	bool retried;			/* the first, after an error */
};

/* What one call of the kernel takes; shared by all queues, never initialised.
 */
struct sendq_batch {
	struct mmsghdr msgs[SENDQ_BATCH];
	struct iovec iov[SENDQ_BATCH];
	struct sockaddr_storage names[SENDQ_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[SENDQ_BATCH][SOCK_TX_CONTROL];
};

struct sendq_report {
	uint64_t datagrams, octets, dropped;
	bool error;		/* a call failed, be it for a datagram of
				 * earlier */
};

/* Queues B to go to TO from LOCAL (both may be NULL, see net.h) with a
 * reference of its own. False when the queue is full or without memory. A queue
 * of zeros is empty. */
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
