/*
 * sendq: from a queue to sendmmsg.
 *
 * An array that is emptied from the front and moved together after a flush;
 * nearly always nothing is left to move, and its memory is kept.
 */
#include "net/sendq.h"

#include <errno.h>
#include <stdlib.h>

enum { START = 8 };

struct sendq_item {
	struct buf *b;
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

/* The first datagram was refused with ERR. On a connected socket that may be
 * the network's answer to an earlier one, and this one was not tried: once
 * more. */
static void
refused(struct sendq *q, const struct sock *k, int err,
    struct sendq_report *rep)
{
	rep->err = err;
	if (k->connected && !q->retried) {
		q->retried = true;
		return;
	}
	rep->dropped++;
	drop_first(q);
}

static void
close_up(struct sendq *q)
{
	q->tail -= q->head;
	if (q->tail > 0 && q->head > 0)
		memmove(q->items, q->items + q->head,
		    q->tail * sizeof(q->items[0]));
	q->head = 0;
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

void
sendq_fini(struct sendq *q)
{
	while (!sendq_empty(q))
		drop_first(q);
	free(q->items);
	*q = (struct sendq){ 0 };
}
