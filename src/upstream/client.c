/*
 * client: one call per fetch under way.
 *
 *	client_send -> (resolve -> client_resolved_cb) -> call_any -> call_at
 *	    -> (flow_wait ... pump) -> call_start
 *	    ... client_response_cb | client_failed_cb | port_error_cb
 *
 * A call is its fetch's f->up, until a response opens a registration: then it
 * is f->watch (renew.c).
 */
#include "upstream/client.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "proxy/fetch.h"
#include "proxy/tally.h"
#include "upstream/core.h"

enum {
	SWEEP_MS = 10000,	/* between looks for idle destinations */
	STRAYS = 100,		/* within STRAYS_MS are too many */
	STRAYS_MS = 60000,
};

void
call_free(struct call *call)
{
	struct client *c = call->client;

	if (call->q != NULL)
		c->resolver->ops->cancel(call->q);
	if (call->x != NULL)
		dgram_cancel(c->dgram, call->x);
	flow_drop(&call->item);
	timer_stop(&call->expect);
	list_del(&call->unsent);
	if (call->fetch->watch == call)
		call->fetch->watch = NULL;
	else
		call->fetch->up = NULL;
	pool_put(&c->calls, call);
}

static void expect_fire(struct timer *t, uint64_t now);

static struct call *
call_new(struct client *c, struct fetch *f)
{
	struct call *call = pool_get(&c->calls);

	if (call == NULL)
		return NULL;
	*call = (struct call){ .client = c, .fetch = f };
	flow_item_init(&call->item, 0);
	list_init(&call->unsent);
	timer_init(&call->expect, expect_fire);
	f->up = call;
	return call;
}

static void
call_fail(struct call *call, enum fetch_fail why, uint64_t now)
{
	struct fetch *f = call->fetch;

	call_free(call);
	fetch_failed(f, why, now);
}

/* CALL's request, whose turn it was or would have been, is not sent. Its fetch
 * is told later: whoever is at work now, perhaps for another fetch, does not
 * find anything ended when it goes on. */
static void
call_unsent(struct call *call, enum fetch_fail why)
{
	struct client *c = call->client;

	call->why = why;
	list_del(&call->unsent);
	list_add_tail(&c->unsent, &call->unsent);
	timer_start(c->timers, &c->tell, c->timers->now);
}

static void
tell_fire(struct timer *t, uint64_t now)
{
	struct client *c = CONTAINER_OF(t, struct client, tell);
	struct call *call;
	struct list those;

	/* Others may follow from these, for the next time. */
	list_init(&those);
	list_splice_tail(&those, &c->unsent);
	while (!list_empty(&those)) {
		call = CONTAINER_OF(those.next, struct call, unsent);
		list_del(&call->unsent);
		/* A registration stays open all the same. */
		if (call->fetch->watch == call)
			fetch_failed(call->fetch, call->why, now);
		else
			call_fail(call, call->why, now);
	}
}

static struct call *
call_of(struct flow_item *it)
{
	return CONTAINER_OF(it, struct call, item);
}

static struct dest *
dest_of(struct flow *flow)
{
	return CONTAINER_OF(flow, struct dest, flow);
}

/* ---- sending ---- */

/* Why there is no socket towards a destination. */
static enum fetch_fail
no_socket(struct client *c, int err)
{
	switch (err) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
	case EACCES:
	case EINVAL:
	case EAFNOSUPPORT:
	case EPERM:
	case ENETDOWN:
	case EHOSTDOWN:
		return FETCH_UNREACHABLE;
	default:
		c->stats.no_mid += err == EBUSY;
		return FETCH_BUSY;
	}
}

/* Sends CALL from D's current port, or from another one when that has no
 * Message ID left; NULL with errno. */
static struct port *
start_anywhere(struct client *c, struct call *call, struct dest *d,
    uint64_t now)
{
	const struct fetch *f = call->fetch;
	struct port *port;

	/* One transfer, one port (PRX-105). */
	port = f->up_port == 0 ? NULL : dest_port_again(d, f->up_port, now);
	if (port == NULL)
		port = dest_port(d, now);
	while (port != NULL &&
	    !dgram_start(c->dgram, call->x, &port->peer, now))
		port = dest_next_port(d, now) ? dest_port(d, now) : NULL;
	return port;
}

static bool
call_start(struct client *c, struct call *call, struct dest *d,
    enum fetch_fail *why, uint64_t now)
{
	struct fetch *f = call->fetch;
	struct port *port;
	uint64_t expected;

	port = f->watch == call ? call_start_again(c, call->x, d, now) :
	    start_anywhere(c, call, d, now);
	if (port == NULL) {
		*why = no_socket(c, errno);
		return false;
	}
	f->up_port = port->serial;
	c->stats.sent++;
	tally_sent(f->origin, &d->addr);
	expected = flow_sent(&d->flow, &call->item, now);
	if (call->x->sent.type == COAP_NON)
		timer_start(c->timers, &call->expect, expected);
	return true;
}

/* Sends those who wait for D, as many as may be. */
static void
pump(struct client *c, struct dest *d, uint64_t now)
{
	struct flow_item *it;
	enum fetch_fail why;

	while ((it = flow_next(&d->flow, now)) != NULL)
		if (!call_start(c, call_of(it), d, &why, now))
			call_unsent(call_of(it), why);
	timer_start(c->timers, &d->wake, flow_wakeup(&d->flow));
}

void
flow_moved(struct client *c, struct flow *flow, uint64_t now)
{
	if (flow->waiting > 0)
		pump(c, dest_of(flow), now);
}

static void
wake_fire(struct timer *t, uint64_t now)
{
	struct dest *d = CONTAINER_OF(t, struct dest, wake);

	pump(CONTAINER_OF(d->dests, struct client, dests), d, now);
}

/* A NON without an answer, as long as PROBING_RATE allows for its octets. It is
 * still answered if one comes. */
static void
expect_fire(struct timer *t, uint64_t now)
{
	struct call *call = CONTAINER_OF(t, struct call, expect);
	struct flow *flow = call->item.flow;

	flow_gave_up(&call->item, now);
	flow_moved(call->client, flow, now);
}

/* CALL waits for its turn at D. */
static bool
call_wait(struct client *c, struct call *call, struct dest *d)
{
	struct flow_item *displaced;
	bool ok = flow_wait(&d->flow, &call->item, call->fetch->client,
	    &displaced);

	if (ok && !timer_running(&d->wake))
		timer_start(c->timers, &d->wake, flow_wakeup(&d->flow));
	if (displaced != NULL)
		call_unsent(call_of(displaced), FETCH_BUSY);
	return ok;
}

struct dgram_out
call_request(const struct fetch *f)
{
	return (struct dgram_out){
		.type = f->type,
		.code = f->code,
		.observe = f->registers,
		.opts = f->opts,
		.payload = f->payload,
	};
}

enum fetch_fail
call_refusal(enum dgram_refusal why)
{
	return why == DGRAM_TOO_LARGE ? FETCH_TOO_LARGE : FETCH_BUSY;
}

/* Encodes the request, unless that was done for another address before. */
static bool
call_prepare(struct client *c, struct call *call, enum fetch_fail *why)
{
	struct dgram_out out = call_request(call->fetch);
	enum dgram_refusal refusal;

	if (call->x != NULL)
		return true;
	call->x = dgram_prepare(c->dgram, &out, call, &refusal);
	if (call->x == NULL) {
		*why = call_refusal(refusal);
		return false;
	}
	flow_item_init(&call->item, call->x->sent.buf->len);
	return true;
}

bool
call_go(struct client *c, struct call *call, struct dest *d,
    enum fetch_fail *why, uint64_t now)
{
	call->fetch->server = d->addr;
	d->flow.nstart = call->fetch->route.nstart;
	if (d->flow.waiting == 0 && flow_open(&d->flow, now))
		return call_start(c, call, d, why, now);
	*why = FETCH_BUSY;
	return call_wait(c, call, d);
}

/* Sends CALL to A, if that may be used, now or when its turn comes. */
static bool
call_at(struct client *c, struct call *call, const struct addr *a,
    enum fetch_fail *why, uint64_t now)
{
	struct dest *d;

	switch (fetch_check(call->fetch, a)) {
	case FETCH_GO:
		break;
	case FETCH_IS_SELF:
		*why = FETCH_SELF;
		return false;
	case FETCH_IS_REFUSED:
		*why = FETCH_REFUSED;
		return false;
	}
	*why = FETCH_BUSY;
	d = dest_get(&c->dests, a, call_is_guest(call->fetch), now);
	if (d == NULL || !call_prepare(c, call, why))
		return false;
	return call_go(c, call, d, why, now);
}

enum upstream_send
call_any(struct client *c, struct call *call, const struct addr *v, size_t n,
    enum fetch_fail *why, uint64_t now)
{
	enum fetch_fail reason;

	*why = FETCH_REFUSED;
	for (size_t i = 0; i < n && *why != FETCH_BUSY; i++) {
		struct addr a = v[i];

		a.port = call->fetch->route.hop.port;
		c->stats.next_address += *why == FETCH_UNREACHABLE;
		if (call_at(c, call, &a, &reason, now))
			return UPSTREAM_SENT;
		if (reason != FETCH_REFUSED)
			*why = reason;
	}
	call_free(call);
	return UPSTREAM_FAILED;
}

/* ---- names ---- */

static enum fetch_fail
resolve_failure(enum resolve_result result)
{
	switch (result) {
	case RESOLVE_NOT_FOUND:
		return FETCH_NO_NAME;
	case RESOLVE_TIMEOUT:
		return FETCH_NO_RESOLVER;
	case RESOLVE_OK:
	case RESOLVE_BUSY:
		break;
	}
	return FETCH_BUSY;
}

static void
client_resolved_cb(void *user, enum resolve_result result,
    const struct addr *addrs, size_t n, uint64_t now)
{
	struct call *call = user;
	struct fetch *f = call->fetch;
	enum fetch_fail why;

	call->q = NULL;
	if (result != RESOLVE_OK) {
		call_free(call);
		fetch_failed(f, resolve_failure(result), now);
		return;
	}
	if (call_any(call->client, call, addrs, n, &why, now) !=
	    UPSTREAM_SENT)
		fetch_failed(f, why, now);
}

static enum upstream_send
call_by_name(struct client *c, struct call *call, enum fetch_fail *why,
    uint64_t now)
{
	struct resolver *r = c->resolver;
	struct span name = call->fetch->route.hop.host.text;
	struct addr v[RESOLVE_MAX_ADDRS];
	int n = r->ops->cached(r, name, v, now);

	if (n > 0)
		return call_any(c, call, v, (size_t)n, why, now);
	*why = FETCH_NO_NAME;
	if (n == 0) {
		call->q = r->ops->start(r, name, client_resolved_cb, call);
		if (call->q != NULL)
			return UPSTREAM_WAIT;
		*why = FETCH_BUSY;
	}
	call_free(call);
	return UPSTREAM_FAILED;
}

static enum upstream_send
client_send(void *self, struct fetch *f, enum fetch_fail *why, uint64_t now)
{
	struct client *c = self;
	const struct coap_host *host = &f->route.hop.host;
	struct call *call = call_new(c, f);

	if (call == NULL) {
		*why = FETCH_BUSY;
		return UPSTREAM_FAILED;
	}
	if (host->literal)
		return call_any(c, call, &host->addr, 1, why, now);
	return call_by_name(c, call, why, now);
}

void
call_abandon(struct client *c, struct call *call, uint64_t now)
{
	struct flow *flow = call->item.flow;

	/* Who is not waited for has not been silent. */
	if (now - call->item.sent < c->conf->params->ack_timeout)
		flow_drop(&call->item);
	else
		flow_gave_up(&call->item, now);
	if (flow->waiting > 0 && flow_wakeup(flow) == TIMER_NEVER)
		timer_start(c->timers, &dest_of(flow)->wake, now);
	else
		timer_start(c->timers, &dest_of(flow)->wake, flow_wakeup(flow));
}

void
call_cancel(struct client *c, struct call *call)
{
	if (call == NULL)
		return;
	if (call->item.state == FLOW_OUT)
		call_abandon(c, call, c->timers->now);
	call_free(call);
}

static void
client_cancel(void *self, struct fetch *f)
{
	call_cancel(self, f->up);
	call_cancel(self, f->watch);
}

const struct upstream_ops client_upstream_ops = {
	.send = client_send,
	.renew = client_renew,
	.cancel = client_cancel,
	.registered = client_registered,
};

/* ---- what comes back ---- */

static bool
client_response_cb(void *user, struct exchange *x, const struct coap_msg *m,
    uint64_t now)
{
	struct port *port = x->sent.peer->io;
	struct flow *flow = &port->dest->flow;
	struct call *call = x->user;
	struct fetch *f = call->fetch;
	struct buf *sent = buf_ref(x->sent.buf);
	bool ok;

	tally_heard(f->origin, m->code,
	    f->up == call ? now - call->item.sent : UINT64_MAX);
	flow_heard(flow, now);
	if (!dgram_lasting(x) || !dgram_under_way(x))
		flow_done(&call->item, now);
	if (dgram_lasting(x))
		call_watch(user, call);
	else
		call->x = NULL;
	flow_moved(user, flow, now);
	if (call->x == NULL)
		call_free(call);
	ok = fetch_response(f, m, buf_span(sent), now);
	buf_unref(sent);
	return ok;
}

static void
client_progress_cb(void *user, struct exchange *x, enum dgram_progress what,
    uint64_t now)
{
	struct call *call = x->user;
	struct flow *flow = call->item.flow;

	if (what == DGRAM_REPEATED) {
		flow_lost(&call->item, now);
		return;
	}
	call->fetch->acked = true;
	flow_done(&call->item, now);
	flow_moved(user, flow, now);
}

static void
client_failed_cb(void *user, struct exchange *x, enum dgram_fail why,
    uint64_t now)
{
	static const enum fetch_fail fails[] = {
		[DGRAM_TIMEOUT] = FETCH_TIMEOUT,
		[DGRAM_RESET] = FETCH_RESET,
		[DGRAM_BAD_RESPONSE] = FETCH_BAD_RESPONSE,
	};
	struct port *port = x->sent.peer->io;
	struct flow *flow = &port->dest->flow;
	struct call *call = x->user;

	if (why == DGRAM_TIMEOUT) {
		flow_gave_up(&call->item, now);
	} else {
		flow_heard(flow, now);
		flow_drop(&call->item);
	}
	call->x = NULL;
	flow_moved(user, flow, now);
	call_fail(call, fails[why], now);
}

/* Somebody may be guessing tokens (ATK-26). Copies of answers that have come
 * are strays as well, but there are answers among them then. */
static void
client_stray_cb(void *user, struct peer *p, uint64_t now)
{
	static struct log_limit limit;
	struct port *port = p->io;
	char where[ADDR_STRLEN];

	(void)user;
	if (port->strays == 0 || now - port->strays_since > STRAYS_MS) {
		port->strays = 0;
		port->strays_since = now;
		port->strays_rx = p->stats.rx_messages - 1;
	}
	if (++port->strays < STRAYS ||
	    port->strays < (p->stats.rx_messages - port->strays_rx) / 10 * 9)
		return;
	log_limited(&limit, now, LOG_WARN, addr_str(&port->dest->addr, where),
	    "%u messages from there fit nothing sent: its address may be "
	    "forged to guess tokens", port->strays);
	port->strays = 0;
}

static void
client_send_cb(struct peer *p, struct buf *b)
{
	struct port *port = p->io;

	port->dest->dests->conf.net->ops->send(port->sock, NULL, NULL, b);
}

static const struct dgram_ops client_dgram_ops = {
	.send = client_send_cb,
	.progress = client_progress_cb,
	.response = client_response_cb,
	.failed = client_failed_cb,
	.stray = client_stray_cb,
};

static void
port_input_cb(void *user, const struct addr *from, const struct addr *to,
    struct span datagram, bool truncated, uint64_t now)
{
	struct port *port = user;
	struct client *c = CONTAINER_OF(port->dest->dests, struct client,
	    dests);

	(void)from;
	(void)to;
	dgram_input(c->dgram, &port->peer, datagram, truncated, now);
}

static const struct net_sock_ops port_sock_ops = {
	.input = port_input_cb,
	.error = port_error_cb,
};

/* ---- life ---- */

static void
sweep_fire(struct timer *t, uint64_t now)
{
	struct client *c = CONTAINER_OF(t, struct client, sweep);
	uint64_t idle = dgram_lifetime(c->dgram, now);

	if (now > idle)
		dests_expire(&c->dests, now - idle);
	timer_start(c->timers, t, now + SWEEP_MS);
}

struct client *
client_new(const struct client_conf *conf, struct net *net,
    struct resolver *resolver, struct timers *timers, struct buf_pool *bufs,
    struct rand *rnd)
{
	struct client *c = calloc(1, sizeof(*c));
	struct dests_conf dconf;

	if (c == NULL)
		return NULL;
	c->conf = conf;
	c->timers = timers;
	c->resolver = resolver;
	pool_init(&c->calls, sizeof(struct call), conf->params->max_exchanges);
	dconf = (struct dests_conf){
		.max = conf->max_dests,
		.max_ports = conf->max_ports,
		.max_waiting = conf->params->max_exchanges,
		.flow = &conf->flow,
		.net = net,
		.sock_ops = &port_sock_ops,
		.wake = wake_fire,
		.rnd = rnd,
	};
	list_init(&c->unsent);
	timer_init(&c->tell, tell_fire);
	timer_init(&c->sweep, sweep_fire);
	c->dgram = dgram_new(&client_dgram_ops, c, conf->params, timers, bufs,
	    rnd);
	if (c->dgram == NULL)
		goto err0;
	if (!dests_init(&c->dests, &dconf))
		goto err1;
	timer_start(timers, &c->sweep, timers->now + SWEEP_MS);
	return c;
err1:
	dgram_free(c->dgram);
err0:
	free(c);
	return NULL;
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	timer_stop(&c->tell);
	timer_stop(&c->sweep);
	dgram_free(c->dgram);
	dests_fini(&c->dests);
	pool_fini(&c->calls);
	free(c);
}

void
client_reload(struct client *c, uint64_t now)
{
	size_t max = c->conf->params->max_exchanges;

	dgram_reload(c->dgram, now);
	pool_limit(&c->calls, max);
	pool_limit(&c->dests.flows.pool, max);
	c->dests.conf.max_waiting = max;
	c->dests.conf.max_ports = c->conf->max_ports;
}

size_t
client_silent(const struct client *c)
{
	return dests_silent(&c->dests);
}

const struct client_stats *
client_stats(const struct client *c)
{
	return &c->stats;
}

const struct dests_stats *
client_dests_stats(const struct client *c)
{
	return &c->dests.stats;
}

const struct flow_stats *
client_flow_stats(const struct client *c)
{
	return &c->dests.flows.stats;
}

void
client_each_port(struct client *c, void (*fn)(const struct port *, void *),
    void *arg)
{
	dests_each(&c->dests, fn, arg);
}

const struct dests *
client_dests(const struct client *c)
{
	return &c->dests;
}

struct dgram *
client_dgram(struct client *c)
{
	return c->dgram;
}
