/*
 * world: a network, a resolver and a clock that do what a test says.
 *
 * Sockets are found by address as a kernel does it: connected ones hear their
 * peer only. Nothing is delivered from within a call of the proxy's; what it
 * sends to itself, and what its look-ups find, comes when it has returned.
 */
#include "world_net.h"

#include <errno.h>
#include <stdlib.h>

#include "base/xalloc.h"

enum {
	SILENT_MS = 5000,
	SLOT = 2048,		/* octets of a datagram that are received */
	QUOTED = 64,		/* ... that an error quotes */
};

struct net_sock {
	struct list link;
	struct world *world;
	struct addr local, peer;
	bool connected;
	const struct net_sock_ops *ops;
	void *user;
	uint8_t last[QUOTED];	/* how the last datagram sent began */
	size_t nlast;
};

/* A datagram that could not be sent. */
struct refusal {
	struct list link;
	struct net_sock *sock;
	int err;
	uint8_t octets[QUOTED];
	size_t n;
};

struct host {
	struct list link;
	char *name;
	enum world_name how;
	struct addr v[RESOLVE_MAX_ADDRS];
	size_t n;
};

struct resolve {
	struct timer timer;
	struct world *world;
	char *name;
	resolve_fn fn;
	void *user;
};

static struct world *
world_of_net(struct net *net)
{
	return CONTAINER_OF(net, struct world, net);
}

static struct world *
world_of_resolver(struct resolver *r)
{
	return CONTAINER_OF(r, struct world, resolver);
}

/* ---- sockets ---- */

static struct net_sock *
sock_new(struct world *w, const struct net_sock_ops *ops, void *user)
{
	struct net_sock *s = xcalloc(1, sizeof(*s));

	s->world = w;
	s->ops = ops;
	s->user = user;
	list_add_tail(&w->socks, &s->link);
	return s;
}

struct net_sock *
world_bind(struct world *w, const struct addr *local,
    const struct net_sock_ops *ops, void *user)
{
	struct net_sock *s = sock_new(w, ops, user);

	s->local = *local;
	return s;
}

static struct net_sock *
world_connect(struct net *net, const struct addr *peer,
    const struct net_sock_ops *ops, void *user)
{
	struct world *w = world_of_net(net);
	struct net_sock *s;

	if (w->no_sockets > 0 && w->spared_sockets > 0) {
		w->spared_sockets--;
	} else if (w->no_sockets > 0) {
		w->no_sockets--;
		errno = EMFILE;
		return NULL;
	}
	if (peer->family != 4 && peer->family != 6) {
		errno = EAFNOSUPPORT;
		return NULL;
	}
	s = sock_new(w, ops, user);
	s->connected = true;
	s->peer = *peer;
	s->local = w->self.host[peer->family == 4 ? 0 : 2];
	s->local.port = w->next_port++;
	return s;
}

static void
refuse(struct net_sock *s, struct span datagram, int err)
{
	struct refusal *r;

	if (!s->connected || datagram.n < 4)
		return;
	r = xcalloc(1, sizeof(*r));
	r->sock = s;
	r->err = err;
	r->n = datagram.n < QUOTED ? datagram.n : QUOTED;
	memcpy(r->octets, datagram.p, r->n);
	list_init(&r->link);
	list_add_tail(&s->world->refused, &r->link);
}

/* Whether the next datagram meets with an error. */
static bool
is_failing(struct world *w)
{
	if (w->failing == 0)
		return false;
	if (w->spared > 0) {
		w->spared--;
		return false;
	}
	w->failing--;
	return true;
}

static void
world_send(struct net_sock *s, const struct addr *to, const struct addr *local,
    struct buf *b)
{
	struct list *queue = &s->world->out;
	struct packet *p;

	if (is_failing(s->world)) {
		if (s->world->why_failing != EAGAIN) {
			refuse(s, buf_span(b), s->world->why_failing);
			return;
		}
		queue = &s->world->late;
	}
	p = xcalloc(1, sizeof(*p) + b->len);
	p->from = local != NULL ? *local : s->local;
	p->to = to != NULL ? *to : s->peer;
	p->at = s->world->now;
	p->turn = s->world->turns;
	p->n = b->len;
	memcpy(p->octets, b->data, b->len);
	list_init(&p->link);
	list_add_tail(queue, &p->link);
	s->nlast = b->len < sizeof(s->last) ? b->len : sizeof(s->last);
	memcpy(s->last, b->data, s->nlast);
}

static void
world_close(struct net_sock *s)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &s->world->refused) {
		struct refusal *r = CONTAINER_OF(it, struct refusal, link);

		if (r->sock != s)
			continue;
		list_del(&r->link);
		free(r);
	}
	list_del(&s->link);
	free(s);
}

static void
world_local(const struct net_sock *s, struct addr *out)
{
	*out = s->local;
}

const struct net_ops world_net_ops = {
	.connect = world_connect,
	.send = world_send,
	.close = world_close,
	.local = world_local,
};

/* Whether A is an address of the host, or of everyone. */
static bool
arrives_here(const struct world *w, const struct addr *a)
{
	for (size_t i = 0; i < w->self.nhost; i++)
		if (addr_ip_eq(&w->self.host[i], a))
			return true;
	return addr_is_loopback(a) || addr_is_multicast(a);
}

static bool
takes(const struct net_sock *s, const struct addr *from, const struct addr *to)
{
	if (s->connected)
		return addr_eq(&s->local, to) && addr_eq(&s->peer, from);
	if (s->local.port != to->port)
		return false;
	return addr_is_any(&s->local) ? arrives_here(s->world, to) :
	    addr_ip_eq(&s->local, to);
}

static struct net_sock *
sock_for(struct world *w, const struct addr *from, const struct addr *to)
{
	struct net_sock *listener = NULL;
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->socks) {
		struct net_sock *s = CONTAINER_OF(it, struct net_sock, link);

		if (!takes(s, from, to))
			continue;
		if (s->connected)
			return s;
		listener = s;
	}
	return listener;
}

/* ---- names ---- */

static struct host *
host_find(struct world *w, struct span name)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->hosts) {
		struct host *h = CONTAINER_OF(it, struct host, link);

		if (span_eq(span_str(h->name), name))
			return h;
	}
	return NULL;
}

void
world_name(struct world *w, struct span name, enum world_name how,
    const struct addr *v, size_t n)
{
	struct host *h = host_find(w, name);

	if (h == NULL) {
		h = xcalloc(1, sizeof(*h));
		h->name = xspandup(name);
		list_add_tail(&w->hosts, &h->link);
	}
	h->how = how;
	h->n = n;
	if (n > 0)
		memcpy(h->v, v, n * sizeof(*v));
}

static int
world_cached(struct resolver *r, struct span name, struct addr *out,
    uint64_t now)
{
	struct host *h = host_find(world_of_resolver(r), name);

	(void)now;
	if (h == NULL || h->how != WORLD_NAME_CACHED)
		return 0;
	memcpy(out, h->v, h->n * sizeof(*out));
	return (int)h->n;
}

static void
resolve_free_(struct resolve *q)
{
	timer_stop(&q->timer);
	free(q->name);
	free(q);
}

static void
resolve_fire(struct timer *t, uint64_t now)
{
	struct resolve *q = CONTAINER_OF(t, struct resolve, timer);
	struct host *h = host_find(q->world, span_str(q->name));
	resolve_fn fn = q->fn;
	void *user = q->user;

	resolve_free_(q);
	if (h == NULL || h->how == WORLD_NAME_NOWHERE)
		fn(user, RESOLVE_NOT_FOUND, NULL, 0, now);
	else if (h->how == WORLD_NAME_SILENT)
		fn(user, RESOLVE_TIMEOUT, NULL, 0, now);
	else
		fn(user, RESOLVE_OK, h->v, h->n, now);
}

static struct resolve *
world_resolve(struct resolver *r, struct span name, resolve_fn fn, void *user)
{
	struct world *w = world_of_resolver(r);
	struct host *h = host_find(w, name);
	struct resolve *q = xcalloc(1, sizeof(*q));

	w->lookups++;
	q->world = w;
	q->name = xspandup(name);
	q->fn = fn;
	q->user = user;
	timer_init(&q->timer, resolve_fire);
	timer_start(&w->timers, &q->timer,
	    h != NULL && h->how == WORLD_NAME_SILENT ? w->now + SILENT_MS :
						       w->now);
	return q;
}

const struct resolver_ops world_resolver_ops = {
	.cached = world_cached,
	.start = world_resolve,
	.cancel = resolve_free_,
};

/* ---- time ---- */

static struct packet *
to_itself(struct world *w)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->out) {
		struct packet *p = CONTAINER_OF(it, struct packet, link);

		if (sock_for(w, &p->from, &p->to) != NULL)
			return p;
	}
	return NULL;
}

static bool
deliver(struct world *w, const struct addr *from, const struct addr *to,
    struct span datagram)
{
	struct net_sock *s = sock_for(w, from, to);
	bool truncated = datagram.n > SLOT;
	uint8_t *exact;

	if (s == NULL)
		return false;
	/* Not an octet more, so that a sanitizer sees every read behind. */
	w->turns++;
	if (datagram.n > SLOT)
		datagram.n = SLOT;
	exact = xcalloc(datagram.n == 0 ? 1 : datagram.n, 1);
	if (datagram.n > 0)
		memcpy(exact, datagram.p, datagram.n);
	s->ops->input(s->user, from, to, span_make(exact, datagram.n),
	    truncated, w->now);
	free(exact);
	return true;
}

/* As the end of a turn does. */
static void
report_refused(struct world *w)
{
	uint8_t *quoted;

	while (!list_empty(&w->refused)) {
		struct refusal *r = CONTAINER_OF(w->refused.next,
		    struct refusal, link);

		list_del(&r->link);
		quoted = xcalloc(r->n, 1);
		memcpy(quoted, r->octets, r->n);
		r->sock->ops->error(r->sock->user, r->err,
		    span_make(quoted, r->n), w->now);
		free(quoted);
		free(r);
	}
}

static void
settle(struct world *w)
{
	struct packet *p;

	do {
		report_refused(w);
		while ((p = to_itself(w)) != NULL) {
			list_del(&p->link);
			(void)deliver(w, &p->from, &p->to,
			    span_make(p->octets, p->n));
			free(p);
		}
		w->turns++;
		timers_run(&w->timers, w->now);
	} while (to_itself(w) != NULL || !list_empty(&w->refused) ||
	    timers_next(&w->timers) <= w->now);
}

bool
world_input(struct world *w, const struct addr *from, const struct addr *to,
    struct span datagram)
{
	bool taken = deliver(w, from, to, datagram);

	settle(w);
	return taken;
}

void
world_error(struct world *w, const struct addr *remote, int err)
{
	uint8_t quoted[sizeof(((struct net_sock *)NULL)->last)];
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->socks) {
		struct net_sock *s = CONTAINER_OF(it, struct net_sock, link);

		if (!s->connected || !addr_eq(&s->peer, remote) ||
		    s->nlast < 4)
			continue;
		memcpy(quoted, s->last, s->nlast);
		s->ops->error(s->user, err, span_make(quoted, s->nlast),
		    w->now);
	}
	settle(w);
}

void
world_forge_error(struct world *w, const struct addr *remote, int err,
    struct span quoted)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->socks) {
		struct net_sock *s = CONTAINER_OF(it, struct net_sock, link);

		if (s->connected && addr_eq(&s->peer, remote))
			s->ops->error(s->user, err, quoted, w->now);
	}
	settle(w);
}

void
world_fail_sends(struct world *w, unsigned spared, unsigned n, int err)
{
	w->spared = spared;
	w->failing = n;
	w->why_failing = err;
}

void
world_retry(struct world *w)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->late) {
		list_del(it);
		list_add_tail(&w->out, it);
	}
}

void
world_step(struct world *w, uint64_t until)
{
	uint64_t next;

	world_retry(w);
	settle(w);
	next = timers_next(&w->timers);
	w->now = next < until ? next : until;
	settle(w);
	world_sweep(w);
}

void
world_stop(struct world *w, uint64_t ms)
{
	w->now += ms;
	settle(w);
}

struct packet *
world_take(struct world *w)
{
	struct packet *p;

	if (list_empty(&w->out))
		return NULL;
	p = CONTAINER_OF(w->out.next, struct packet, link);
	list_del(&p->link);
	return p;
}

void
world_free_names(struct world *w)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->hosts) {
		struct host *h = CONTAINER_OF(it, struct host, link);

		free(h->name);
		free(h);
	}
}
