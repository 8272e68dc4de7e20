/*
 * world: the proxy, and what it is made to believe.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "proxy/core.h"
#include "proxy/logline.h"
#include "world_net.h"

enum {
	MAX_DESTS = 64,
	BUFS_MIN = 1 << 20,
	BUF_PER_EXCHANGE = 1024,
	FIRST_PORT = 50000,
};

uint64_t world_start = 1000000;

/* The addresses of the host. */
static const char *const host_addrs[] = {
	"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2",
};

enum { NHOST_ADDRS = sizeof(host_addrs) / sizeof(host_addrs[0]) };

static struct conf *
load(struct world *w, const char *name, const char *text)
{
	struct conf_report report = { 0 };
	struct conf *c = conf_load_text(name, text, &report);

	if (c == NULL)
		snprintf(w->why, sizeof(w->why), "%s",
		    report.text != NULL ? report.text : "no configuration");
	conf_report_fini(&report);
	return c;
}

static void
limit_observers(const struct world *w, struct conf *c)
{
	if (w->observes)
		return;
	c->message.max_observers = 0;
	c->observe.max_observers = 0;
}

static void
build_self(struct world *w)
{
	const struct conf *c = w->conf;

	w->names = xcalloc(c->nown_names + 1, sizeof(*w->names));
	for (size_t i = 0; i < c->nown_names; i++)
		w->names[i] = c->own_names[i];
	w->self.names = w->names;
	w->self.nnames = c->nown_names;
	w->self.host = xcalloc(NHOST_ADDRS, sizeof(*w->self.host));
	w->self.nhost = NHOST_ADDRS;
	for (size_t i = 0; i < NHOST_ADDRS; i++)
		addr_parse_ip(&w->self.host[i], span_str(host_addrs[i]), false);
}

static void
log_cb(void *user, const struct logline *l)
{
	struct world *w = user;
	uint8_t text[LOG_ACCESS_MAX];
	struct writer out = writer_make(text, sizeof(text));
	struct logged *line;

	logline_put(&out, w->conf->log_format, l);
	line = xcalloc(1, sizeof(*line) + writer_len(&out));
	line->n = writer_len(&out);
	memcpy(line->text, text, line->n);
	list_init(&line->link);
	list_add_tail(&w->lines, &line->link);
}

static void
free_conf(struct world_conf *wc)
{
	list_del(&wc->link);
	/* That is freed last. */
	if (wc->conf != wc->world->conf)
		conf_free(wc->conf);
	free(wc->access);
	free(wc);
}

static void
unused_cb(struct proxy_conf *conf)
{
	struct world_conf *wc = CONTAINER_OF(conf, struct world_conf, proxy);

	/* It may still be looked into: world_idle() finds it. */
	wc->proxy.rules = NULL;
}

/* That of the listener called NAME so far, or a new one. */
static unsigned
listener_id(struct world *w, const char *name)
{
	const struct world_conf *last =
	    CONTAINER_OF(w->confs.prev, struct world_conf, link);

	if (!list_empty(&w->confs))
		for (size_t i = 0; i < last->conf->nlisten; i++)
			if (strcmp(last->conf->listen[i].name, name) == 0)
				return last->access[i].id;
	return w->nids++;
}

static struct world_conf *
new_conf(struct world *w, struct conf *c)
{
	struct world_conf *wc = xcalloc(1, sizeof(*wc));

	wc->world = w;
	wc->conf = c;
	wc->access = xcalloc(c->nlisten, sizeof(*wc->access));
	for (size_t i = 0; i < c->nlisten; i++) {
		wc->access[i] = c->listen[i].access;
		wc->access[i].id = listener_id(w, c->listen[i].name);
	}
	if (!w->strangers)
		for (size_t i = 0; i < c->nlisten; i++)
			wc->access[i].amplification = AMPLIFICATION_OFF;
	wc->proxy = (struct proxy_conf){
		.nlisteners = c->nlisten,
		.name = c->name,
		.hop_limit = c->hop_limit,
		.access = wc->access,
		.forward = c->has_forward ? &c->forward : NULL,
		.rules = &c->rules,
		.max_requests = c->message.max_exchanges,
		.max_clients = c->message.max_exchanges,
		.cache = c->cache,
		.block = c->block,
		.observe = c->observe,
		.exchange_lifetime = c->message.exchange_lifetime,
		.unused = unused_cb,
	};
	if (w->logs)
		wc->proxy.trail = c->log_access;
	wc->proxy.trail.write = log_cb;
	wc->proxy.trail.user = w;
	if (!w->caches)
		wc->proxy.cache.size = 0;
	list_init(&wc->link);
	list_add_tail(&w->confs, &wc->link);
	return wc;
}

static bool
build_proxy(struct world *w)
{
	struct world_conf *wc = new_conf(w, w->conf);

	w->proxy = proxy_new(&wc->proxy, &w->self, &w->timers, &w->rnd);
	return w->proxy != NULL;
}

static bool
build_ends(struct world *w)
{
	const struct msg_params *params = &w->params;

	w->params = w->conf->message;
	w->client_conf = (struct client_conf){
		.params = params,
		.flow = w->conf->flow,
		.max_ports = w->conf->max_upstream_ports,
		.max_dests = MAX_DESTS,
	};
	w->client = client_new(&w->client_conf, &w->net, &w->resolver,
	    &w->timers, w->bufs, &w->rnd);
	if (w->client == NULL)
		return false;
	proxy_set_upstream(w->proxy, &client_upstream_ops, w->client);
	w->server = server_new(params, &w->timers, w->bufs, &w->rnd, w->proxy);
	return w->server != NULL;
}

static void
bind_one(struct world *w, unsigned index, const struct bind_conf *b)
{
	struct world_listener *wl = xcalloc(1, sizeof(*wl));
	struct listener *l = server_add_listener(w->server, index, b->scheme);
	struct addr local = b->addr, ip4 = b->addr;

	wl->listener = l;
	wl->addr = b->addr;
	list_init(&wl->link);
	list_add_tail(&w->listeners, &wl->link);
	if (local.family == 0) {
		/* Both families on one socket. */
		local.family = 6;
		ip4.family = 4;
		self_add_bound(&w->self, &ip4);
	}
	listener_open(l, &w->net,
	    world_bind(w, &local, &server_sock_ops, l));
	self_add_bound(&w->self, &local);
}

static struct world_listener *
listener_at(struct list *l)
{
	return CONTAINER_OF(l, struct world_listener, link);
}

/* Binds what C says, or keeps it. */
static void
bind_all(struct world *w, const struct conf *c)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->listeners) {
		listener_at(it)->retired = true;
		listener_retire(listener_at(it)->listener);
	}
	for (size_t i = 0; i < c->nlisten; i++)
		for (size_t j = 0; j < c->listen[i].nbind; j++) {
			const struct bind_conf *b = &c->listen[i].bind[j];
			bool kept = false;

			LIST_FOREACH_SAFE (it, tmp, &w->listeners) {
				if (!addr_eq(&listener_at(it)->addr, &b->addr))
					continue;
				listener_keep(listener_at(it)->listener,
				    (unsigned)i);
				listener_at(it)->retired = false;
				kept = true;
			}
			if (!kept)
				bind_one(w, (unsigned)i, b);
		}
}

void
world_sweep(struct world *w)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &w->listeners) {
		struct world_listener *wl = listener_at(it);

		if (!wl->retired || listener_owes(wl->listener))
			continue;
		listener_close(wl->listener);
		list_del(&wl->link);
		free(wl);
	}
	server_sweep(w->server);
	/* Nobody is looking into these by now. */
	LIST_FOREACH_SAFE (it, tmp, &w->confs) {
		struct world_conf *wc =
		    CONTAINER_OF(it, struct world_conf, link);

		if (wc->proxy.rules == NULL && it != w->confs.prev)
			free_conf(wc);
	}
}

static size_t
buf_octets(const struct conf *c)
{
	size_t room = (size_t)c->message.max_exchanges * BUF_PER_EXCHANGE;

	return room < BUFS_MIN ? BUFS_MIN : room;
}

bool
world_reload(struct world *w, const char *name, const char *text)
{
	struct conf *c = load(w, name, text);
	struct world_conf *wc;

	if (c == NULL)
		return false;
	limit_observers(w, c);
	wc = new_conf(w, c);
	if (!proxy_prepare(w->proxy, &wc->proxy)) {
		snprintf(w->why, sizeof(w->why), "no memory");
		proxy_abandon(w->proxy, &wc->proxy);
		free_conf(wc);
		return false;
	}
	bind_all(w, c);
	server_forget_notes(w->server);
	w->params = c->message;
	w->client_conf.flow = c->flow;
	w->client_conf.max_ports = c->max_upstream_ports;
	buf_pool_limit(w->bufs, buf_octets(c));
	client_reload(w->client, w->now);
	server_reload(w->server, w->now);
	proxy_reload(w->proxy, &wc->proxy, w->now);
	return true;
}

bool
world_init(struct world *w, const char *name, const char *text, uint64_t seed)
{
	*w = (struct world){ .now = world_start, .next_port = FIRST_PORT };
	list_init(&w->socks);
	list_init(&w->out);
	list_init(&w->late);
	list_init(&w->refused);
	list_init(&w->hosts);
	list_init(&w->lines);
	list_init(&w->confs);
	list_init(&w->listeners);
	w->net.ops = &world_net_ops;
	w->resolver.ops = &world_resolver_ops;
	timers_init(&w->timers, w->now);
	rand_init_fixed(&w->rnd, seed);
	w->conf = load(w, name, text);
	if (w->conf == NULL)
		return false;
	/* Our clients have public addresses, and are to be trusted unless the
	 * scenario is about that. */
	w->strangers = strstr(text, "amplification") != NULL;
	/* Most scenarios look at what reaches the origin. */
	w->caches = strstr(text, "[cache]") != NULL;
	w->logs = strstr(text, "access = ") != NULL;
	/* ... and not at what becomes of an Observe. */
	w->observes = strstr(text, "[observe]") != NULL;
	limit_observers(w, w->conf);
	w->bufs = buf_pool_new(buf_octets(w->conf));
	build_self(w);
	if (w->bufs == NULL || !build_proxy(w) || !build_ends(w)) {
		snprintf(w->why, sizeof(w->why), "no memory");
		return false;
	}
	bind_all(w, w->conf);
	return true;
}

void
world_fini(struct world *w)
{
	struct logged *line;
	struct packet *p;

	proxy_free(w->proxy);
	server_free(w->server);
	client_free(w->client);
	world_retry(w);
	while ((p = world_take(w)) != NULL)
		free(p);
	while ((line = world_logged(w)) != NULL)
		free(line);
	world_free_names(w);
	free(w->names);
	while (!list_empty(&w->confs))
		free_conf(CONTAINER_OF(w->confs.next, struct world_conf,
		    link));
	while (!list_empty(&w->listeners)) {
		struct world_listener *wl = listener_at(w->listeners.next);

		list_del(&wl->link);
		free(wl);
	}
	self_fini(&w->self);
	buf_pool_free(w->bufs);
	conf_free(w->conf);
}

struct logged *
world_logged(struct world *w)
{
	struct logged *line;

	if (list_empty(&w->lines))
		return NULL;
	line = CONTAINER_OF(w->lines.next, struct logged, link);
	list_del(&line->link);
	return line;
}

/* Configurations of before that something still uses. */
static uint64_t
confs_left(const struct world *w)
{
	struct list *it, *tmp;
	uint64_t n = 0;

	LIST_FOREACH_SAFE (it, tmp, &w->confs) {
		const struct world_conf *wc =
		    CONTAINER_OF(it, struct world_conf, link);

		n += it != w->confs.prev && wc->proxy.rules != NULL;
	}
	return n;
}

bool
world_idle(struct world *w)
{
	const struct dests_stats *dests = client_dests_stats(w->client);
	const struct {
		const char *what;
		uint64_t n;
	} left[] = {
		{ "requests waiting", proxy_waiting(w->proxy) },
		{ "transfers with origins", w->proxy->transfers.used },
		{ "octets of bodies from origins", w->proxy->collected },
		{ "octets of bodies from clients", w->proxy->uploads.held },
		{ "observations", w->proxy->observation_pool.used },
		{ "observers", w->proxy->nobservers },
		{ "entries of observers",
			dgram_note_count(server_dgram(w->server)) },
		{ "messages received by the server",
			dgram_received_count(server_dgram(w->server)) },
		{ "messages sent by the server",
			dgram_sent_count(server_dgram(w->server)) },
		{ "messages received by the client",
			dgram_received_count(client_dgram(w->client)) },
		{ "messages sent by the client",
			dgram_sent_count(client_dgram(w->client)) },
		{ "sockets to origins", dests->opened - dests->closed },
		{ "octets of buffers", buf_pool_used(w->bufs) },
		{ "configurations of before", confs_left(w) },
	};

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		if (left[i].n == 0)
			continue;
		snprintf(w->why, sizeof(w->why), "left behind: %llu %s",
		    (unsigned long long)left[i].n, left[i].what);
		return false;
	}
	return true;
}
