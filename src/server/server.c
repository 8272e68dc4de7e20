/*
 * server: translates between the message layer and the proxy; decides nothing
 * but what is no request at all.
 */
#include "server/server.h"

#include <stdlib.h>

#include "proxy/request.h"
#include "server/watch.h"

struct listener {
	struct list link;
	struct server *server;
	struct net *net;
	struct net_sock *sock;
	unsigned index;
	uint16_t port;		/* enough to tell sockets apart that have one
				 * address */
	bool dual;
	enum coap_scheme scheme;
	struct listener_stats stats;
	bool retired;		/* no new requests */
	bool handed_over;
	bool closed;		/* ... and no socket */
};

struct server {
	struct dgram *dgram;
	struct proxy *proxy;
	struct list listeners;
	struct listener *current;	/* whose input came last */
	struct listener_stats settled;	/* of all, when that changed */
	struct watches watches;
	const struct msg_params *params;
	struct server_stats stats;
};

/* The message layer that R has come by. */
static struct dgram *
dgram_of(const struct received *r)
{
	const struct listener *l = r->peer->io;

	return l->server->dgram;
}

/* What nobody but us has seen has no effect to protect. */
static void
note_harmless(const struct request *req)
{
	struct received *r = req->front_ctx;

	if (req->fetch == NULL)
		dgram_harmless(dgram_of(r), r);
}

static void
front_reply(struct request *req, const struct reply *reply, uint64_t now)
{
	struct received *r = req->front_ctx;
	struct dgram_out out = {
		.code = reply->code,
		.opts = reply->opts,
		.payload = reply->payload,
		.unwanted = req->unwanted,
	};

	note_harmless(req);
	dgram_reply(dgram_of(r), r, &out, req->msg.token, now);
}

static void
front_suppress(struct request *req, uint64_t now)
{
	struct received *r = req->front_ctx;

	note_harmless(req);
	dgram_suppress(dgram_of(r), r, now);
}

static void
front_drop(struct request *req, uint64_t now)
{
	struct received *r = req->front_ctx;

	(void)now;
	dgram_forget(dgram_of(r), r);
}

static void
front_once(struct request *req)
{
	dgram_once(req->front_ctx);
}

static unsigned
front_sent(const struct request *req)
{
	return dgram_sent_for(req->front_ctx);
}

static struct peer *
peer_of(const struct request *req)
{
	const struct received *r = req->front_ctx;

	return r->peer;
}

static struct observer *
front_observe(struct request *req)
{
	struct peer *p = peer_of(req);
	const struct listener *l = p->io;

	return watch_observe(&l->server->watches, p, req->msg.token);
}

static struct observer *
front_observer(const struct request *req)
{
	return watch_find(peer_of(req), req->msg.token);
}

static struct observer *
front_mate(const struct request *req, const struct observation *of)
{
	return watch_mate(peer_of(req), of);
}

static bool
front_where(const struct observer *o, struct inbound *in)
{
	const struct peer *p = watch_peer(o);
	const struct listener *l = p->io;

	*in = (struct inbound){
		.client = &p->remote,
		.client_id = p->node.hash,
		.local = &p->local,
		.listener = l->index,
		.socket = l->port,
		.scheme = l->scheme,
	};
	return !l->retired;
}

static const struct front_ops server_front = {
	.reply = front_reply,
	.suppress = front_suppress,
	.drop = front_drop,
	.once = front_once,
	.sent = front_sent,
	.observe = front_observe,
	.observer = front_observer,
	.mate = front_mate,
	.notify = watch_notify,
	.unobserve = watch_unobserve,
	.where = front_where,
};

static void
server_send_cb(struct peer *p, struct buf *b)
{
	struct listener *l = p->io;

	if (l->sock != NULL)
		l->net->ops->send(l->sock, &p->remote, &p->local, b);
}

/* Answers R, the request M, without asking the proxy. */
static void
refuse(struct server *s, struct received *r, const struct coap_msg *m,
    const struct dgram_out *out, uint64_t now)
{
	dgram_harmless(s->dgram, r);
	if (coap_is_unwanted(coap_unwanted(m), out->code))
		dgram_suppress(s->dgram, r, now);
	else
		dgram_reply(s->dgram, r, out, m->token, now);
}

/* PRX-45: whoever has not heard of the change yet will find nobody here soon. */
static void
refuse_retired(struct server *s, struct received *r, const struct coap_msg *m,
    uint64_t now)
{
	static const uint8_t max_age_5[] = { 0xd1, 0x01, 5 };
	static const struct dgram_out gone = {
		.code = COAP_503,
		.opts = { max_age_5, sizeof(max_age_5) },
	};

	s->stats.retired++;
	refuse(s, r, m, &gone, now);
}

static void
server_request_cb(void *user, struct received *r, const struct coap_msg *m,
    uint64_t now)
{
	struct server *s = user;
	const struct listener *l = r->peer->io;
	struct inbound in = {
		.front = &server_front,
		.front_ctx = r,
		.client = &r->peer->remote,
		.client_id = r->peer->node.hash,
		.local = &r->peer->local,
		.listener = l->index,
		.socket = l->port,
		.note = &r->peer->note,
		.scheme = l->scheme,
		.msg = m,
	};

	/* RFC 8974 2.2: too long for ever, with the whole token echoed. */
	if (m->token.n > COAP_TOKEN_MAX) {
		static const struct dgram_out too_long = { .code = COAP_400 };

		refuse(s, r, m, &too_long, now);
		return;
	}
	if (l->retired) {
		refuse_retired(s, r, m, now);
		return;
	}
	if (l->handed_over && m->type == COAP_CON) {
		s->stats.left++;
		dgram_forget(s->dgram, r);
		return;
	}
	proxy_handle(s->proxy, &in, now);
}

static const struct dgram_ops server_dgram_ops = {
	.send = server_send_cb,
	.request = server_request_cb,
	.notice = watch_notice,
	.behind = watch_behind,
	.gone = watch_gone,
};

/* The message layer counts for all listeners together. Input comes in batches
 * of one socket, so it is enough to look when that changes. */
static struct listener_stats
counted(const struct server *s)
{
	const struct dgram_stats *d = dgram_stats(s->dgram);
	const struct received_stats *r = dgram_received_stats(s->dgram);

	return (struct listener_stats){
		.ignored = d->rx_ignored,
		.malformed = d->rx_malformed,
		.truncated = d->rx_truncated,
		.unexpected = d->rx_unexpected,
		.pings = d->rx_pings,
		.duplicates = r->duplicates,
		.refused = r->refused,
	};
}

/* What has been counted since the last time is the current listener's; L is
 * the current one from now on. */
static void __attribute__((noinline, cold))
settle(struct server *s, struct listener *l)
{
	const struct listener_stats now = counted(s), *was = &s->settled;

	if (s->current != NULL) {
		struct listener_stats *c = &s->current->stats;

		c->ignored += now.ignored - was->ignored;
		c->malformed += now.malformed - was->malformed;
		c->truncated += now.truncated - was->truncated;
		c->unexpected += now.unexpected - was->unexpected;
		c->pings += now.pings - was->pings;
		c->duplicates += now.duplicates - was->duplicates;
		c->refused += now.refused - was->refused;
	}
	s->settled = now;
	s->current = l;
}

void
server_each_listener(struct server *s,
    void (*fn)(void *arg, unsigned index, const struct net_sock *sock,
	const struct listener_stats *stats),
    void *arg)
{
	struct list *it, *tmp;

	settle(s, s->current);
	LIST_FOREACH_SAFE (it, tmp, &s->listeners) {
		const struct listener *l = CONTAINER_OF(it, struct listener,
		    link);

		if (l->sock != NULL && !l->retired)
			fn(arg, l->index, l->sock, &l->stats);
	}
}

static void
listener_input_cb(void *user, const struct addr *from, const struct addr *to,
    struct span datagram, bool truncated, uint64_t now)
{
	struct listener *l = user;
	struct server *s = l->server;
	struct peer *p;

	if (l != s->current)
		settle(s, l);
	if (addr_is_multicast(to)) {
		s->stats.rx_multicast++;
		l->stats.group++;
		return;
	}
	/* Nothing can be sent back there. */
	if (from->port == 0) {
		s->stats.rx_port_zero++;
		l->stats.port_zero++;
		return;
	}
	p = peers_get(dgram_peers(s->dgram), from, to, l);
	if (p == NULL) {
		s->stats.peers_full++;
		l->stats.no_room++;
		return;
	}
	dgram_input(s->dgram, p, datagram, truncated, now);
}

const struct net_sock_ops server_sock_ops = {
	.input = listener_input_cb,
};

struct server *
server_new(const struct msg_params *params, struct timers *timers,
    struct buf_pool *bufs, struct rand *rnd, struct proxy *proxy)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->proxy = proxy;
	s->params = params;
	list_init(&s->listeners);
	s->dgram = dgram_new(&server_dgram_ops, s, params, timers, bufs, rnd);
	if (s->dgram == NULL) {
		free(s);
		return NULL;
	}
	watches_init(&s->watches, s->dgram, params->max_observers);
	return s;
}

void
server_reload(struct server *s, uint64_t now)
{
	dgram_reload(s->dgram, now);
	watches_limit(&s->watches, s->params->max_observers);
}

struct listener *
server_add_listener(struct server *s, unsigned index, enum coap_scheme scheme)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->server = s;
	l->index = index;
	l->scheme = scheme;
	list_add_tail(&s->listeners, &l->link);
	return l;
}

void
listener_open(struct listener *l, struct net *net, struct net_sock *sock)
{
	struct addr local;

	l->net = net;
	l->sock = sock;
	if (sock == NULL)
		return;
	net->ops->local(sock, &local);
	l->port = local.port;
}

void
listener_dual(struct listener *l)
{
	l->dual = true;
}

void
listener_keep(struct listener *l, unsigned index)
{
	if (index != l->index)
		server_forget_notes(l->server);
	l->index = index;
	l->retired = false;
}

void
listener_retire(struct listener *l)
{
	l->retired = true;
}

void
listener_leave(struct listener *l)
{
	l->handed_over = true;
}

/* Whether L, in use, gets what is sent to A. */
static bool
covers(const struct listener *l, const struct addr *a)
{
	struct addr local;

	if (l->retired || l->sock == NULL || l->port != a->port)
		return false;
	l->net->ops->local(l->sock, &local);
	return addr_is_any(&local) ? l->dual || local.family == a->family :
				     addr_eq(&local, a);
}

/* Who gets what is sent to LOCAL, an address of ARG that was; or NULL. */
static void *
heir(void *arg, const struct addr *local)
{
	const struct listener *l = arg;
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &l->server->listeners) {
		struct listener *h = CONTAINER_OF(it, struct listener, link);

		if (h != l && covers(h, local))
			return h;
	}
	return NULL;
}

void
listener_hand_over(struct listener *l)
{
	peers_move(dgram_peers(l->server->dgram), l, heir, l);
}

static void
leaving_input_cb(void *user, const struct addr *from, const struct addr *to,
    struct span datagram, bool truncated, uint64_t now)
{
	struct listener *l = user, *h = heir(l, to);

	listener_input_cb(h != NULL ? h : l, from, to, datagram, truncated,
	    now);
}

const struct net_sock_ops server_leaving_ops = {
	.input = leaving_input_cb,
};

bool
listener_owes(const struct listener *l)
{
	return dgram_owes(l->server->dgram, l);
}

void
listener_close(struct listener *l)
{
	if (l->sock != NULL)
		l->net->ops->close(l->sock);
	l->sock = NULL;
	l->retired = l->closed = true;
}

bool
server_sweep(struct server *s)
{
	struct list *it, *tmp;
	bool left = false;

	LIST_FOREACH_SAFE (it, tmp, &s->listeners) {
		struct listener *l = CONTAINER_OF(it, struct listener, link);

		if (!l->closed)
			continue;
		if (peers_forget(dgram_peers(s->dgram), l)) {
			left = true;
			continue;
		}
		if (s->current == l)
			settle(s, NULL);
		list_del(&l->link);
		free(l);
	}
	return left;
}

void
server_forget_notes(struct server *s)
{
	peers_clear_notes(dgram_peers(s->dgram));
}

void
server_close(struct server *s)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &s->listeners) {
		struct listener *l = CONTAINER_OF(it, struct listener, link);

		if (l->sock != NULL)
			l->net->ops->close(l->sock);
		l->sock = NULL;
	}
}

void
server_free(struct server *s)
{
	struct list *it, *tmp;

	if (s == NULL)
		return;
	server_close(s);
	dgram_free(s->dgram);
	watches_fini(&s->watches);
	LIST_FOREACH_SAFE (it, tmp, &s->listeners)
		free(CONTAINER_OF(it, struct listener, link));
	free(s);
}

const struct server_stats *
server_stats(const struct server *s)
{
	return &s->stats;
}

struct dgram *
server_dgram(struct server *s)
{
	return s->dgram;
}
