/*
 * udp: batches of datagrams between the kernel and the layers above.
 *
 * All sockets share one set of receive slots: only one batch is in hand at any
 * time. What is sent during a turn waits in its socket's queue; the flush, last
 * in the turn, empties the queues, then reports errors, then frees what was
 * closed. So a socket may be closed inside its own callback.
 *
 * A connected socket stays readable, and writable, while an ICMP error waits in
 * its queue. So the queue is read whenever there is nothing else to read, and
 * when the socket is waited for to become writable.
 */
#include "net/udp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/log.h"
#include "net/sendq.h"
#include "net/sock.h"

enum {
	RX_SLOTS = 64,
	RX_OCTETS = 2048,
	RX_START = 4,		/* the first batch, and the smallest */
	RX_TRIES = 4,		/* reads in a turn while only errors come */
	ERRORS_MAX = 32,	/* taken from the queue at once */
	QUOTED_MIN = 4,		/* less says nothing (MSG-77) */
	RX_PAUSE_MS = 100,
};

struct rx {
	struct mmsghdr msgs[RX_SLOTS];
	struct iovec iov[RX_SLOTS];
	struct sockaddr_storage names[RX_SLOTS];
	_Alignas(struct cmsghdr) uint8_t control[RX_SLOTS][SOCK_RX_CONTROL];
	uint8_t data[RX_SLOTS][RX_OCTETS];
};

struct udp {
	struct net net;
	struct loop *loop;
	size_t sockets;
	struct list dirty;	/* have something to send */
	struct list failed;	/* have errors to report */
	struct list grave;	/* closed */
	struct timer again;	/* makes the next turn come at once */
	udp_seen_fn seen;	/* NULL: nobody watches */
	void *seen_user;
	struct rx rx;
	struct sendq_batch tx;
};

struct net_sock {
	struct udp *udp;
	struct sock sock;
	const struct net_sock_ops *ops;	/* NULL once closed */
	void *user;
	struct addr peer;	/* when connected */
	struct event readable, writable;
	struct timer pause;
	struct list dirty, failed, grave;
	unsigned batch;
	bool blocked;		/* waiting to become writable */
	struct sendq queue;
	struct udp_stats stats;
	uint32_t lost_before;	/* in another process */
};

/* -- receiving ----------------------------------------------------------- */

static bool
is_connected(const struct net_sock *s)
{
	return s->sock.connected;
}

/* What never changes. */
static void
init_slots(struct rx *rx)
{
	for (unsigned i = 0; i < RX_SLOTS; i++) {
		rx->iov[i] = (struct iovec){ rx->data[i], RX_OCTETS };
		rx->msgs[i].msg_hdr.msg_iov = &rx->iov[i];
		rx->msgs[i].msg_hdr.msg_iovlen = 1;
	}
}

/* The kernel is asked for nothing that is known, and writes over the rest. */
static void
prepare_slots(struct rx *rx, unsigned n, const struct sock *k)
{
	struct msghdr *h;

	for (unsigned i = 0; i < n; i++) {
		h = &rx->msgs[i].msg_hdr;
		h->msg_name = k->connected ? NULL : &rx->names[i];
		h->msg_namelen = sizeof(rx->names[i]);
		h->msg_control = k->wildcard ? rx->control[i] : NULL;
		h->msg_controllen = k->wildcard ? SOCK_RX_CONTROL : 0;
	}
}

/* Where it was sent to; SPACE is for what the kernel has to tell. */
static const struct addr *
sent_to(const struct net_sock *s, struct msghdr *h, struct addr *space)
{
	if (!s->sock.wildcard)
		return &s->sock.local;
	sock_read_control(&s->sock, h, space);
	return space;
}

static void
deliver(struct net_sock *s, struct mmsghdr *m, uint64_t now)
{
	struct msghdr *h = &m->msg_hdr;
	struct addr space[2];
	const struct addr *from = &s->peer, *to = sent_to(s, h, &space[0]);

	if (!is_connected(s)) {
		if (!addr_from_sockaddr(&space[1], h->msg_name))
			return;
		from = &space[1];
	}
	s->stats.rx_datagrams++;
	s->stats.rx_octets += m->msg_len;
	/* RFC 768: from port 0 nobody expects an answer, and no answer could
	 * be sent. */
	if (from->port == 0)
		return;
	s->ops->input(s->user, from, to,
	    span_make(h->msg_iov->iov_base, m->msg_len),
	    (h->msg_flags & MSG_TRUNC) != 0, now);
}

/* Out of the way of those whom nobody watches. */
static void __attribute__((noinline, cold))
tell_received(struct net_sock *s, struct mmsghdr *m)
{
	struct udp *u = s->udp;
	struct msghdr *h = &m->msg_hdr;
	struct addr space;
	struct udp_seen seen = { .remote = s->peer,
		.connected = is_connected(s), .local = *sent_to(s, h, &space),
		.datagram = span_make(h->msg_iov->iov_base, m->msg_len) };

	if (seen.connected || addr_from_sockaddr(&seen.remote, h->msg_name))
		u->seen(u->seen_user, &seen);
}

static void __attribute__((noinline, cold))
tell_sent(struct net_sock *s, const struct addr *to, const struct addr *local,
    const struct buf *b)
{
	struct udp *u = s->udp;
	struct udp_seen seen = { .out = true, .connected = is_connected(s),
		.local = local != NULL ? *local : s->sock.local,
		.remote = to != NULL ? *to : s->peer,
		.datagram = buf_span(b) };

	u->seen(u->seen_user, &seen);
}

void
udp_watch(struct udp *u, udp_seen_fn fn, void *user)
{
	u->seen = fn;
	u->seen_user = user;
}

static void
report(struct net_sock *s, int err, struct span quoted, uint64_t now)
{
	if (s->ops != NULL && s->ops->error != NULL && err != 0 &&
	    quoted.n >= QUOTED_MIN)
		s->ops->error(s->user, err, quoted, now);
}

/* What stays in the queue is for the next turn. */
static void
read_errors(struct net_sock *s, uint64_t now)
{
	struct sock_error e;

	for (int i = 0; i < ERRORS_MAX && sock_take_error(&s->sock, &e); i++) {
		s->queue.heard = false;
		report(s, e.err, span_make(e.quoted, e.n), now);
	}
}

/* Errors about one peer or one path; reading goes on (MSG-80). */
static bool
is_network_error(int err)
{
	static const int errors[] = {
		ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN,
		EMSGSIZE, ENOPROTOOPT, EPROTO, EOPNOTSUPP, EACCES, EPERM,
		ETIMEDOUT, ECONNRESET, ENONET,
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (err == errors[i])
			return true;
	return false;
}

/* An error that is not the network's would come back at once, for ever: leave
 * the socket alone for a moment. */
static void
pause_reading(struct net_sock *s, int err, uint64_t now)
{
	static struct log_limit limit;
	char where[ADDR_STRLEN];

	log_limited(&limit, now, LOG_WARN, addr_str(&s->sock.local, where),
	    "cannot receive: %s", strerror(err));
	(void)event_del(&s->readable);
	timer_start(loop_timers(s->udp->loop), &s->pause, now + RX_PAUSE_MS);
}

static void
pause_fire(struct timer *t, uint64_t now)
{
	struct net_sock *s = CONTAINER_OF(t, struct net_sock, pause);

	if (event_add(&s->readable, NULL) != 0)
		timer_start(loop_timers(s->udp->loop), t, now + RX_PAUSE_MS);
}

/* One batch; its size, or 0. Pending errors stand before the datagrams, but
 * sending can have taken away all that shows of them here. */
static unsigned
receive(struct net_sock *s, uint64_t now)
{
	struct rx *rx = &s->udp->rx;
	int n, err;

	prepare_slots(rx, s->batch, &s->sock);
	for (int i = 0; i < RX_TRIES && s->ops != NULL; i++) {
		n = recvmmsg(s->sock.fd, rx->msgs, s->batch, 0, NULL);
		if (n > 0)
			return (unsigned)n;
		err = n < 0 ? errno : EAGAIN;
		if (is_connected(s) && i == 0)
			read_errors(s, now);
		if (err == EAGAIN || err == EINTR)
			break;
		if (s->ops != NULL && !is_network_error(err)) {
			pause_reading(s, err, now);
			break;
		}
	}
	return 0;
}

/* A large batch makes a few requests in flight move as a convoy, so only those
 * who fill it get it. */
static void
adapt_batch(struct net_sock *s, unsigned n)
{
	if (n == s->batch && s->batch < RX_SLOTS)
		s->batch *= 2;
	else if (n <= s->batch / 4 && s->batch > RX_START)
		s->batch /= 2;
}

static void
readable_cb(evutil_socket_t fd, short events, void *arg)
{
	struct net_sock *s = arg;
	struct udp *u = s->udp;
	uint64_t now = loop_now(u->loop);
	unsigned n;

	(void)fd;
	(void)events;
	n = receive(s, now);
	if (n > 0) {
		adapt_batch(s, n);
		s->queue.heard = true;
	}
	for (unsigned i = 0; u->seen != NULL && i < n; i++)
		tell_received(s, &u->rx.msgs[i]);
	for (unsigned i = 0; i < n && s->ops != NULL; i++)
		deliver(s, &u->rx.msgs[i], now);
}

/* -- sending ------------------------------------------------------------- */

static void
mark_dirty(struct net_sock *s)
{
	if (!s->blocked && list_empty(&s->dirty))
		list_add_tail(&s->udp->dirty, &s->dirty);
}

static void
writable_cb(evutil_socket_t fd, short events, void *arg)
{
	struct net_sock *s = arg;

	(void)fd;
	(void)events;
	s->blocked = false;
	mark_dirty(s);
}

static void
udp_send(struct net_sock *s, const struct addr *to, const struct addr *local,
    struct buf *b)
{
	assert(s->ops != NULL);
	if (s->udp->seen != NULL)
		tell_sent(s, to, local, b);
	if (sendq_put(&s->queue, to, local, b))
		mark_dirty(s);
	else
		s->stats.tx_dropped++;
}

static void
wait_writable(struct net_sock *s)
{
	if (event_add(&s->writable, NULL) == 0)
		s->blocked = true;
	else
		mark_dirty(s);	/* without memory: tried again next turn */
}

static void
flush_sock(struct net_sock *s)
{
	struct sendq_report rep = { 0 };
	bool empty = sendq_flush(&s->queue, &s->sock, &s->udp->tx, &rep);

	if (!empty)
		wait_writable(s);
	s->stats.tx_datagrams += rep.datagrams;
	s->stats.tx_octets += rep.octets;
	s->stats.tx_dropped += rep.dropped;
	if (is_connected(s) && (rep.error || !empty) && list_empty(&s->failed))
		list_add_tail(&s->udp->failed, &s->failed);
}

/* Takes the sockets as they are now: one that stays dirty is for later. */
void
udp_flush(struct udp *u)
{
	struct list now;
	struct net_sock *s;

	list_init(&now);
	while (!list_empty(&u->dirty)) {
		s = CONTAINER_OF(u->dirty.next, struct net_sock, dirty);
		list_del(&s->dirty);
		list_add_tail(&now, &s->dirty);
	}
	while (!list_empty(&now)) {
		s = CONTAINER_OF(now.next, struct net_sock, dirty);
		list_del(&s->dirty);
		flush_sock(s);
	}
}

/* -- the end of a turn --------------------------------------------------- */

static void
free_sock(struct net_sock *s)
{
	list_del(&s->dirty);
	list_del(&s->failed);
	list_del(&s->grave);
	(void)event_del(&s->writable);
	sendq_fini(&s->queue);
	sock_close(&s->sock);
	s->udp->sockets--;
	free(s);
}

static void
report_refused(struct net_sock *s, uint64_t now)
{
	struct buf *b;
	int err;

	for (size_t i = 0; (b = sendq_refused(&s->queue, i, &err)) != NULL;
	     i++) {
		report(s, err, buf_span(b), now);
		buf_unref(b);
	}
	sendq_forget(&s->queue);
}

/* Of one that is closed the errors are only taken away. */
static void
report_errors(struct udp *u, uint64_t now)
{
	struct net_sock *s;

	while (!list_empty(&u->failed)) {
		s = CONTAINER_OF(u->failed.next, struct net_sock, failed);
		list_del(&s->failed);
		report_refused(s, now);
		read_errors(s, now);
	}
}

static void
bury(struct udp *u)
{
	struct list *it, *tmp;
	struct net_sock *s;

	LIST_FOREACH_SAFE(it, tmp, &u->grave) {
		s = CONTAINER_OF(it, struct net_sock, grave);
		if (sendq_empty(&s->queue))
			free_sock(s);
	}
}

static void
again_fire(struct timer *t, uint64_t now)
{
	(void)t;
	(void)now;
}

static void
turn_end(void *user, uint64_t now)
{
	struct udp *u = user;

	udp_flush(u);
	report_errors(u, now);
	bury(u);
	if (!list_empty(&u->dirty))
		timer_start(loop_timers(u->loop), &u->again, now);
}

/* -- sockets ------------------------------------------------------------- */

static struct net_sock *
add_sock(struct udp *u, struct sock *k, const struct net_sock_ops *ops,
    void *user)
{
	struct event_base *base = loop_base(u->loop);
	struct net_sock *s = calloc(1, sizeof(*s));

	if (s == NULL)
		goto err;
	s->udp = u;
	s->sock = *k;
	s->ops = ops;
	s->user = user;
	s->batch = RX_START;
	s->queue.longest = k->trains ? SOCK_TRAIN_OCTETS / 2 : 0;
	timer_init(&s->pause, pause_fire);
	list_init(&s->dirty);
	list_init(&s->failed);
	list_init(&s->grave);
	event_assign(&s->readable, base, k->fd, EV_READ | EV_PERSIST,
	    readable_cb, s);
	event_assign(&s->writable, base, k->fd, EV_WRITE, writable_cb, s);
	if (event_add(&s->readable, NULL) != 0)
		goto err;
	u->sockets++;
	return s;
err:
	free(s);
	sock_close(k);
	errno = ENOMEM;
	return NULL;
}

static struct net_sock *
udp_connect(struct net *net, const struct addr *peer,
    const struct net_sock_ops *ops, void *user)
{
	struct udp *u = CONTAINER_OF(net, struct udp, net);
	struct net_sock *s;
	struct sock k;

	if (!sock_connect(&k, peer))
		return NULL;
	s = add_sock(u, &k, ops, user);
	if (s != NULL)
		s->peer = *peer;
	return s;
}

static void
udp_close(struct net_sock *s)
{
	assert(s->ops != NULL);
	s->ops = NULL;
	(void)event_del(&s->readable);
	timer_stop(&s->pause);
	list_add_tail(&s->udp->grave, &s->grave);
}

static void
udp_local(const struct net_sock *s, struct addr *out)
{
	*out = s->sock.local;
}

struct net_sock *
udp_bind(struct udp *u, const struct addr *local,
    const struct net_sock_ops *ops, void *user)
{
	struct sock k;

	if (!sock_bind(&k, local))
		return NULL;
	return add_sock(u, &k, ops, user);
}

static void
share(struct net_sock *const *others, size_t n, bool on)
{
	for (size_t i = 0; i < n; i++)
		(void)sock_share(&others[i]->sock, on);
}

struct net_sock *
udp_bind_beside(struct udp *u, const struct addr *local,
    struct net_sock *const *others, size_t n, const struct net_sock_ops *ops,
    void *user)
{
	struct sock k;
	bool ok;
	int err;

	share(others, n, true);
	ok = sock_bind_beside(&k, local);
	err = errno;
	share(others, n, false);
	errno = err;
	return ok ? add_sock(u, &k, ops, user) : NULL;
}

void
udp_redirect(struct net_sock *s, const struct net_sock_ops *ops, void *user)
{
	s->ops = ops;
	s->user = user;
}

void
udp_deafen(struct net_sock *s)
{
	(void)sock_deafen(&s->sock);
}

bool
udp_waiting(const struct net_sock *s)
{
	char c;

	return recv(s->sock.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

struct net_sock *
udp_adopt(struct udp *u, int fd, const struct net_sock_ops *ops, void *user)
{
	struct net_sock *s;
	struct sock k;

	if (!sock_adopt(&k, fd))
		return NULL;
	s = add_sock(u, &k, ops, user);
	/* What was lost before is not ours to count. */
	if (s != NULL)
		s->lost_before = sock_lost(&s->sock);
	return s;
}

int
udp_fd(const struct net_sock *s)
{
	return s->sock.fd;
}

struct udp_stats
udp_sock_stats(const struct net_sock *s)
{
	struct udp_stats st = s->stats;

	st.rx_overflow = (uint32_t)(sock_lost(&s->sock) - s->lost_before);
	return st;
}

struct udp *
udp_new(struct loop *l)
{
	static const struct net_ops ops = {
		.connect = udp_connect,
		.send = udp_send,
		.close = udp_close,
		.local = udp_local,
	};
	struct udp *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->net.ops = &ops;
	u->loop = l;
	init_slots(&u->rx);
	list_init(&u->dirty);
	list_init(&u->failed);
	list_init(&u->grave);
	timer_init(&u->again, again_fire);
	loop_at_flush(l, turn_end, u);
	return u;
}

void
udp_free(struct udp *u)
{
	struct list *it, *tmp;

	if (u == NULL)
		return;
	udp_flush(u);
	LIST_FOREACH_SAFE(it, tmp, &u->grave)
		free_sock(CONTAINER_OF(it, struct net_sock, grave));
	assert(u->sockets == 0);
	timer_stop(&u->again);
	loop_at_flush(u->loop, NULL, NULL);
	free(u);
}

struct net *
udp_net(struct udp *u)
{
	return &u->net;
}
