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
	uint16_t len;
	bool loose;
};

struct sendq_ends {
	struct addr to;
	struct addr from;	/* family 0: the kernel's choice */
};

static bool
grow(struct sendq *q)
{
	size_t cap = q->cap == 0 ? START : q->cap * 2;
	struct sendq_item *v;
	struct sendq_ends *e;

	if (q->cap >= SENDQ_MAX)
		return false;
	v = realloc(q->items, cap * sizeof(*v));
	if (v == NULL)
		return false;
	q->items = v;
	if (q->ends != NULL) {
		e = realloc(q->ends, cap * sizeof(*e));
		if (e == NULL)
			return false;
		q->ends = e;
	}
	q->cap = cap;
	return true;
}

/* Where the last one goes. */
static bool
put_ends(struct sendq *q, const struct addr *to, const struct addr *local)
{
	if (q->ends == NULL)
		q->ends = malloc(q->cap * sizeof(q->ends[0]));
	if (q->ends == NULL)
		return false;
	q->ends[q->tail].to = *to;
	q->ends[q->tail].from = local != NULL ? *local : (struct addr){ 0 };
	return true;
}

bool
sendq_put(struct sendq *q, const struct addr *to, const struct addr *local,
    struct buf *b)
{
	if (q->tail == q->cap && !grow(q))
		return false;
	if (to != NULL && !put_ends(q, to, local))
		return false;
	q->items[q->tail++] = (struct sendq_item){
		.b = buf_ref(b), .len = b->len, .loose = b->loose,
	};
	return true;
}

static void
address(const struct sock *k, const struct sendq_ends *e, struct msghdr *h,
    struct sockaddr_storage *name, uint8_t *control)
{
	h->msg_namelen = k->inet6 ? addr_to_sockaddr6(&e->to, name) :
	    addr_to_sockaddr(&e->to, name);
	h->msg_name = name;
	if (!k->wildcard)
		return;
	h->msg_controllen = sock_write_source(k, &e->from, control);
	if (h->msg_controllen > 0)
		h->msg_control = control;
}

/* -- trains -------------------------------------------------------------- */

/* The longest datagram that may be in one now. */
static uint16_t
longest(const struct sendq *q)
{
	return q->heard ? q->longest : 0;
}

/* Brings those of equal length together. A few lengths are the rule. */
static void
sort(struct sendq_item *v, size_t n)
{
	struct sendq_item tmp;
	size_t same, i;

	for (size_t start = 0; start + 1 < n; start = same) {
		same = start + 1;
		for (i = same; i < n; i++) {
			if (v[i].len != v[start].len)
				continue;
			tmp = v[same];
			v[same++] = v[i];
			v[i] = tmp;
		}
	}
}

/* Each run of loose datagrams of V. */
static void
sort_loose(struct sendq_item *v, size_t n)
{
	size_t start, end;

	for (end = 0; end < n; end++) {
		start = end;
		while (end < n && v[end].loose)
			end++;
		sort(v + start, end - start);
	}
}

/* How many of the N datagrams at V can be one train. */
static size_t
train(const struct sendq_item *v, size_t n)
{
	size_t len = v[0].len, octets = len, k = 1;

	while (k < n && v[k - 1].len == len && v[k].len <= len &&
	    v[k].len > 0 && octets + v[k].len <= SOCK_TRAIN_OCTETS)
		octets += v[k++].len;
	return k;
}

/* -- sending ------------------------------------------------------------- */

_Static_assert((int)SENDQ_BATCH <= (int)SOCK_TRAIN_COUNT, "one train");

static void
fill_one(const struct sendq *q, const struct sock *k,
    struct sendq_batch *batch, unsigned i, size_t at)
{
	struct msghdr *h = &batch->msgs[i].msg_hdr;

	*h = (struct msghdr){
		.msg_iov = &batch->iov[at], .msg_iovlen = batch->count[i],
	};
	if (batch->count[i] > 1) {
		h->msg_control = batch->control[i];
		h->msg_controllen = sock_write_train(
		    q->items[q->head + at].len, batch->control[i]);
	} else if (!k->connected) {
		address(k, &q->ends[q->head + at], h, &batch->names[i],
		    batch->control[i]);
	}
}

/* The number of messages. */
static unsigned
fill(const struct sendq *q, const struct sock *k, struct sendq_batch *batch)
{
	struct sendq_item *it = &q->items[q->head];
	size_t n = q->tail - q->head, count, at;
	uint16_t most = longest(q);
	unsigned i = 0;

	if (n > SENDQ_BATCH)
		n = SENDQ_BATCH;
	if (most > 0 && n > 1)
		sort_loose(it, n);
	for (at = 0; at < n; at++)
		batch->iov[at] = (struct iovec){ it[at].b->data, it[at].len };
	for (at = 0; at < n; at += count) {
		count = it[at].len <= most ? train(it + at, n - at) : 1;
		batch->count[i] = (uint8_t)count;
		fill_one(q, k, batch, i++, at);
	}
	return i;
}

static void
drop_first(struct sendq *q)
{
	buf_unref(q->items[q->head].b);
	q->head++;
	q->retried = false;
}

/* N messages of BATCH. */
static void
count_sent(struct sendq *q, const struct sendq_batch *batch, unsigned n,
    struct sendq_report *rep)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++)
		count += batch->count[i];
	rep->datagrams += count;
	while (count-- > 0) {
		rep->octets += q->items[q->head].len;
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
	q->heard = false;
	if (k->connected && !q->retried && err != ENOBUFS) {
		q->retried = true;
		return;
	}
	rep->dropped++;
	if (k->connected)
		keep_first(q, err);
	drop_first(q);
}

/* A train was refused with ERR. What the kernel cannot do, or not with packets
 * of that size, is not tried again; but on the way to the peer packets can be
 * too large as well, and that may have been about an earlier one. All else is
 * no matter of trains: one by one each datagram gets its own answer. */
static void
train_refused(struct sendq *q, int err, struct sendq_report *rep)
{
	rep->error = true;
	switch (err) {
	case EIO:
	case EOPNOTSUPP:
		q->longest = 0;
		break;
	case EINVAL:
	case EMSGSIZE:
		if (q->retried)
			q->longest = q->items[q->head].len - 1;
		q->retried = !q->retried;
		break;
	default:
		q->retried = err != ENOBUFS;
		q->heard = false;
	}
}

static void
close_up(struct sendq *q)
{
	size_t n = q->tail - q->head;

	if (n > 0 && q->head > q->refused) {
		memmove(q->items + q->refused, q->items + q->head,
		    n * sizeof(q->items[0]));
		if (q->ends != NULL)
			memmove(q->ends + q->refused, q->ends + q->head,
			    n * sizeof(q->ends[0]));
	}
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
			count_sent(q, batch, (unsigned)n, rep);
		else if (n == 0 || errno == EAGAIN)
			break;
		else if (errno != EINTR && batch->count[0] > 1)
			train_refused(q, errno, rep);
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
	free(q->ends);
	*q = (struct sendq){ 0 };
}
