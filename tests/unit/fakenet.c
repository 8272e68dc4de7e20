#include "fakenet.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

struct addr
fake_addr(const char *ip, uint16_t port)
{
	struct addr a;

	ck_assert_msg(addr_parse_ip(&a, span_str(ip), false), "%s", ip);
	a.port = port;
	return a;
}

/* ---- sockets ---- */

static struct net_sock *
add_sock(struct fakenet *fn, const struct addr *local,
    const struct net_sock_ops *ops, void *user)
{
	struct net_sock *s = calloc(1, sizeof(*s));

	ck_assert_ptr_nonnull(s);
	s->fn = fn;
	s->ops = ops;
	s->user = user;
	s->local = *local;
	list_add_tail(&fn->socks, &s->link);
	fn->made++;
	fn->open++;
	return s;
}

static struct net_sock *
fake_connect(struct net *net, const struct addr *peer,
    const struct net_sock_ops *ops, void *user)
{
	struct fakenet *fn = CONTAINER_OF(net, struct fakenet, net);
	struct addr local = fake_addr(peer->family == 4 ? "198.51.100.1" :
		"2001:db8:100::1", (uint16_t)(40000 + fn->made));
	struct net_sock *s;

	if (fn->connect_errno != 0 && (fn->connect_family == 0 ||
		fn->connect_family == peer->family)) {
		errno = fn->connect_errno;
		return NULL;
	}
	if (fn->moved)
		local.ip[peer->family == 4 ? 3 : 15] = 9;
	s = add_sock(fn, &local, ops, user);
	s->peer = *peer;
	return s;
}

static void
fake_send(struct net_sock *s, const struct addr *to, const struct addr *local,
    struct buf *b)
{
	struct fake_sent *d = &s->fn->sent[s->fn->nsent++ % FAKE_SENT_MAX];

	ck_assert_msg(s->ops != NULL, "sent on a closed socket");
	ck_assert((to == NULL) == (s->peer.family != 0));
	*d = (struct fake_sent){ .sock = s, .n = b->len };
	d->to = to != NULL ? *to : s->peer;
	if (local != NULL)
		d->local = *local;
	ck_assert_uint_le(b->len, sizeof(d->octets));
	memcpy(d->octets, b->data, b->len);
}

static void
fake_close(struct net_sock *s)
{
	ck_assert_msg(s->ops != NULL, "closed twice");
	s->ops = NULL;
	s->user = NULL;
	s->fn->open--;
}

static void
fake_local(const struct net_sock *s, struct addr *out)
{
	*out = s->local;
}

void
fakenet_init(struct fakenet *fn)
{
	static const struct net_ops ops = {
		.connect = fake_connect,
		.send = fake_send,
		.close = fake_close,
		.local = fake_local,
	};

	*fn = (struct fakenet){ .net = { &ops } };
	list_init(&fn->socks);
}

void
fakenet_fini(struct fakenet *fn)
{
	struct list *it, *tmp;

	ck_assert_uint_eq(fn->open, 0);
	LIST_FOREACH_SAFE (it, tmp, &fn->socks)
		free(CONTAINER_OF(it, struct net_sock, link));
}

struct net_sock *
fakenet_listen(struct fakenet *fn, const struct addr *local,
    const struct net_sock_ops *ops, void *user)
{
	return add_sock(fn, local, ops, user);
}

struct net_sock *
fakenet_sock(struct fakenet *fn, unsigned n)
{
	struct list *l = fn->socks.next;

	ck_assert_uint_lt(n, fn->made);
	while (n-- > 0)
		l = l->next;
	return CONTAINER_OF(l, struct net_sock, link);
}

const struct fake_sent *
fakenet_sent(const struct fakenet *fn, size_t n)
{
	ck_assert_uint_lt(n, fn->nsent);
	ck_assert_uint_le(fn->nsent - n, FAKE_SENT_MAX);
	return &fn->sent[n % FAKE_SENT_MAX];
}

const struct fake_sent *
fakenet_last(const struct fakenet *fn)
{
	return fakenet_sent(fn, fn->nsent - 1);
}

void
fakenet_input(struct net_sock *s, struct span datagram, uint64_t now)
{
	ck_assert_ptr_nonnull(s->ops);
	s->ops->input(s->user, &s->peer, &s->local, datagram, false, now);
}

void
fakenet_error(const struct fake_sent *d, size_t n, int err, uint64_t now)
{
	struct net_sock *s = d->sock;
	uint8_t *quoted = malloc(n);

	ck_assert_ptr_nonnull(s->ops);
	ck_assert_ptr_nonnull(quoted);
	ck_assert_uint_ge(n, 4);
	ck_assert_uint_le(n, d->n);
	memcpy(quoted, d->octets, n);
	s->ops->error(s->user, err, span_make(quoted, n), now);
	free(quoted);
}

/* ---- names ---- */

struct resolve {
	struct fakeresolver *fr;
	resolve_fn fn;
	void *user;
};

static int
fake_cached(struct resolver *r, struct span name, struct addr *out,
    uint64_t now)
{
	struct fakeresolver *fr = CONTAINER_OF(r, struct fakeresolver,
	    resolver);

	(void)now;
	if (!span_eq(name, span_str(fr->name)))
		return 0;
	for (int i = 0; i < fr->naddrs; i++)
		out[i] = fr->addrs[i];
	return fr->naddrs;
}

static struct resolve *
fake_start(struct resolver *r, struct span name, resolve_fn fn, void *user)
{
	struct fakeresolver *fr = CONTAINER_OF(r, struct fakeresolver,
	    resolver);

	ck_assert_uint_gt(name.n, 0);
	ck_assert_ptr_null(fr->running);
	if (fr->refuse)
		return NULL;
	fr->running = calloc(1, sizeof(*fr->running));
	ck_assert_ptr_nonnull(fr->running);
	*fr->running = (struct resolve){ fr, fn, user };
	fr->started++;
	return fr->running;
}

static void
fake_cancel(struct resolve *q)
{
	ck_assert_ptr_eq(q, q->fr->running);
	q->fr->running = NULL;
	q->fr->cancelled++;
	free(q);
}

void
fakeresolver_init(struct fakeresolver *fr)
{
	static const struct resolver_ops ops = {
		.cached = fake_cached,
		.start = fake_start,
		.cancel = fake_cancel,
	};

	*fr = (struct fakeresolver){ .resolver = { &ops } };
}

void
fakeresolver_fini(struct fakeresolver *fr)
{
	ck_assert_ptr_null(fr->running);
}

void
fakeresolver_know(struct fakeresolver *fr, const char *name, const char *a,
    const char *b)
{
	struct span s = span_str(name);

	ck_assert_uint_lt(s.n, sizeof(fr->name));
	memcpy(fr->name, s.p, s.n + 1);
	fr->naddrs = 0;
	if (a != NULL)
		fr->addrs[fr->naddrs++] = fake_addr(a, 0);
	if (b != NULL)
		fr->addrs[fr->naddrs++] = fake_addr(b, 0);
}

void
fakeresolver_finish(struct fakeresolver *fr, enum resolve_result result,
    uint64_t now)
{
	struct resolve *q = fr->running;
	bool ok = result == RESOLVE_OK;

	ck_assert_ptr_nonnull(q);
	fr->running = NULL;
	q->fn(q->user, result, ok ? fr->addrs : NULL,
	    ok ? (size_t)fr->naddrs : 0, now);
	free(q);
}
