/*
 * sendq: from a queue to sendmmsg.
 *
 * An array that is emptied from the front and moved together after a flush;
 * nearly always nothing is left to move, and its memory is kept. Refused
 * datagrams gather in the places that have become free at its front, so that
 * remembering them cannot fail.
 */
#include "net/sendq.h"

#include <errno.h>
#include <stdlib.h>

enum { START = 8 };

struct sendq_item {
	struct buf *b;
	int err;		/* of a refused one */
	struct addr to;		/* family 0: the peer */
	struct addr from;	/* family 0: the kernel's choice */
};

static bool
grow(struct sendq *q)
{
	size_t cap = q->cap == 0 ? START : q->cap * 2;
	struct sendq_item *v;

	if (q->cap >= SENDQ_MAX)
		return false;
	v = realloc(q->items, cap * sizeof(*v));
	if (v == NULL)
		return false;
	q->items = v;
	q->cap = cap;
	return true;
}

bool
sendq_put(struct sendq *q, const struct addr *to, const struct addr *local,
    struct buf *b)
{
	struct sendq_item *it;

	if (q->tail == q->cap && !grow(q))
		return false;
	it = &q->items[q->tail++];
	it->b = buf_ref(b);
	it->err = 0;
	it->to = to != NULL ? *to : (struct addr){ 0 };
	it->from = local != NULL ? *local : (struct addr){ 0 };
	return true;
}

static void
address(const struct sock *k, const struct sendq_item *it, struct msghdr *h,
    struct sockaddr_storage *name, uint8_t *control)
{
	h->msg_namelen = k->inet6 ? addr_to_sockaddr6(&it->to, name) :
	    addr_to_sockaddr(&it->to, name);
	h->msg_name = name;
	h->msg_controllen = sock_write_source(k, &it->from, control);
	if (h->msg_controllen > 0)
		h->msg_control = control;
}

static unsigned
fill(const struct sendq *q, const struct sock *k, struct sendq_batch *batch)
{
	const struct sendq_item *it = &q->items[q->head];
	size_t n = q->tail - q->head;

	if (n > SENDQ_BATCH)
		n = SENDQ_BATCH;
	for (size_t i = 0; i < n; i++) {
		batch->iov[i] = (struct iovec){ it[i].b->data, it[i].b->len };
		batch->msgs[i].msg_hdr = (struct msghdr){
			.msg_iov = &batch->iov[i], .msg_iovlen = 1,
		};
		if (!k->connected)
			address(k, &it[i], &batch->msgs[i].msg_hdr,
			    &batch->names[i], batch->control[i]);
	}
	return (unsigned)n;
}

static void
drop_first(struct sendq *q)
{
	buf_unref(q->items[q->head].b);
	q->head++;
	q->retried = false;
}

static void
count_sent(struct sendq *q, unsigned n, struct sendq_report *rep)
{
	for (unsigned i = 0; i < n; i++) {
		rep->datagrams++;
		rep->octets += q->items[q->head].b->len;
		drop_first(q);
	}
}

/* Puts the first aside. */
static void
keep_first(struct sendq *q, int err)
{
	struct sendq_item *it = &q->items[q->refused++];

	it->b = buf_ref(q->items[q->head].b);
	it->err = err;
}

/* The first datagram was refused with ERR. On a connected socket that may be
 * the network's answer to an earlier one, and this one was not tried: once
 * more. ENOBUFS, from a device whose queue is full, is no such answer. */
static void
refused(struct sendq *q, const struct sock *k, int err,
    struct sendq_report *rep)
{
	rep->error = true;
	if (k->connected && !q->retried && err != ENOBUFS) {
		q->retried = true;
		return;
	}
	rep->dropped++;
	if (k->connected)
		keep_first(q, err);
	drop_first(q);
}

static void
close_up(struct sendq *q)
{
	size_t n = q->tail - q->head;

	if (n > 0 && q->head > q->refused)
		memmove(q->items + q->refused, q->items + q->head,
		    n * sizeof(q->items[0]));
	q->head = q->refused;
	q->tail = q->refused + n;
}

bool
sendq_flush(struct sendq *q, const struct sock *k, struct sendq_batch *batch,
    struct sendq_report *rep)
{
	int n;

	while (!sendq_empty(q)) {
		n = sendmmsg(k->fd, batch->msgs, fill(q, k, batch), 0);
		if (n > 0)
			count_sent(q, (unsigned)n, rep);
		else if (n == 0 || errno == EAGAIN)
			break;
		else if (errno != EINTR)
			refused(q, k, errno, rep);
	}
	close_up(q);
	return sendq_empty(q);
}

struct buf *
sendq_refused(struct sendq *q, size_t i, int *err)
{
	struct buf *b;

	if (i >= q->refused)
		return NULL;
	b = q->items[i].b;
	q->items[i].b = NULL;
	*err = q->items[i].err;
	return b;
}

void
sendq_forget(struct sendq *q)
{
	for (size_t i = 0; i < q->refused; i++)
		buf_unref(q->items[i].b);
	q->refused = 0;
	close_up(q);
}

void
sendq_fini(struct sendq *q)
{
	sendq_forget(q);
	while (!sendq_empty(q))
		drop_first(q);
	free(q->items);
	*q = (struct sendq){ 0 };
}
