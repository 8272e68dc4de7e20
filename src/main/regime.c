/*
 * regime: what one configuration is to the modules.
 *
 * Whatever can change while the daemon runs hangs from a regime, and stays as
 * long as a request, a fetch or an observation that began under it. What the
 * message layers and the back end look at for ever is copied out of it.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "main/core.h"
#include "proxy/logline.h"

static void
unused_cb(struct proxy_conf *conf)
{
	struct regime *r = CONTAINER_OF(conf, struct regime, proxy);

	list_add_tail(&r->daemon->over, &r->link);
}

/* Our own names: the configured ones and the identifier. */
static struct span *
own_names(const struct conf *c)
{
	struct span *v = calloc(c->nown_names + 1, sizeof(*v));

	if (v == NULL)
		return NULL;
	for (size_t i = 0; i < c->nown_names; i++)
		v[i] = c->own_names[i];
	v[c->nown_names] = span_str(c->name);
	return v;
}

/* That of the listener called NAME so far, or a new one. */
static unsigned
listener_id(struct daemon *d, const char *name)
{
	for (size_t i = 0; d->regime != NULL && i < d->conf->nlisten; i++)
		if (strcmp(d->conf->listen[i].name, name) == 0)
			return d->regime->access[i].id;
	return d->listeners++;
}

struct regime *
regime_new(struct daemon *d, struct conf *c)
{
	struct regime *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		conf_free(c);
		return NULL;
	}
	list_init(&r->link);
	r->daemon = d;
	r->conf = c;
	r->names = own_names(c);
	r->access = calloc(c->nlisten + 1, sizeof(*r->access));
	r->listeners = calloc(c->nlisten + 1, sizeof(*r->listeners));
	if (r->names == NULL || r->access == NULL || r->listeners == NULL) {
		regime_free(r);
		return NULL;
	}
	for (size_t i = 0; i < c->nlisten; i++) {
		r->access[i] = c->listen[i].access;
		r->listeners[i] = c->listen[i].name;
		r->access[i].id = listener_id(d, c->listen[i].name);
	}
	r->proxy = (struct proxy_conf){
		.name = c->name,
		.hop_limit = c->hop_limit,
		.access = r->access,
		.listeners = r->listeners,
		.nlisteners = c->nlisten,
		.forward = c->has_forward ? &c->forward : NULL,
		.rules = &c->rules,
		.max_requests = c->message.max_exchanges,
		.max_clients = c->message.max_exchanges,
		.cache = c->cache,
		.block = c->block,
		.observe = c->observe,
		.exchange_lifetime = c->message.exchange_lifetime,
		.trail = c->log_access,
		.unused = unused_cb,
	};
	r->proxy.trail.write = logline_write;
	if (d->loop != NULL)
		r->proxy.trail.now_us = loop_us(d->loop);
	return r;
}

void
regime_free(struct regime *r)
{
	if (r == NULL)
		return;
	list_del(&r->link);
	conf_free(r->conf);
	free(r->access);
	free(r->listeners);
	free(r->names);
	free(r);
}

void
regime_use(struct daemon *d, struct regime *r)
{
	const struct conf *c = r->conf;

	d->regime = r;
	d->conf = c;
	d->admin.src.config.generation++;
	d->admin.src.config.loaded_ms = clock_wall_ms();
	d->params = c->message;
	d->client_conf.flow = c->flow;
	d->client_conf.max_ports = c->max_upstream_ports;
	d->self.names = r->names;
	d->self.nnames = c->nown_names + 1;
}

void
regime_bury(struct daemon *d)
{
	while (!list_empty(&d->over))
		regime_free(CONTAINER_OF(d->over.next, struct regime, link));
}
