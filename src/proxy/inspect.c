/*
 * inspect: reads other modules' tables; changes none, but to flush the cache.
 */
#include "proxy/inspect.h"

#include "proxy/core.h"
#include "proxy/observation.h"
#include "proxy/transfer.h"

enum { URI_MAX = 4096 };

static size_t
count_downloads(const struct proxy *p)
{
	struct list *it, *tmp;
	size_t n = 0;

	LIST_FOREACH_SAFE (it, tmp, &p->waiting) {
		const struct fetch *f = CONTAINER_OF(it, struct fetch, link);

		n += f->transfer != NULL && f->transfer->receiving;
	}
	return n;
}

void
inspect_levels(const struct proxy *p, struct proxy_levels *out)
{
	const struct cache_stats *c = &p->cache.stats;
	const struct upload_stats *u = &p->uploads.stats;

	*out = (struct proxy_levels){
		.requests = p->requests.used,
		.observations = p->observation_pool.used,
		.observers = p->nobservers,
		.cached = p->cache.keys.count,
		.cache_octets = cache_octets(&p->cache),
		.cache_size = p->sharing ? p->conf->cache.size : 0,
		.cache_evicted = c->evicted,
		.cache_refused = c->refused,
		.cache_stored = c->stored,
		.cache_invalidated = c->invalidated,
		.uploads = p->uploads.pool.used,
		.downloads = count_downloads(p),
		.transfers = p->transfers.used,
		.fetches = p->fetches.used,
		.rates = p->limits.table.count + p->strangers.table.count,
		.confirmed = p->echo.table.count,
		.held = p->backoff.table.count,
		.uploads_done = u->finished,
		.uploads_expired = u->expired,
		.uploads_dropped = u->dropped,
		.uploads_refused = u->refused,
		.requests_full = p->requests.full + p->fetches.full,
		.uploads_full = u->full,
		.transfers_full = p->transfers.full,
		.observations_full = p->observation_pool.full,
		.crowds_full = p->crowds.full,
		.rates_evicted = p->limits.evicted + p->strangers.evicted,
		.confirmed_evicted = p->echo.evicted,
		.held_evicted = p->backoff.stats.evicted,
		.draining = p->draining,
	};
}

/* The URI that O's origin is asked for. */
static const char *
uri_of(const struct observation *o, char *out, size_t cap)
{
	const struct fetch *f = o->fetch;
	struct coap_msg m = { .code = f->code };
	uint8_t method;

	if (f->key.n > 0 && coap_key_format(f->key, out, cap, &method))
		return out;
	if (coap_parse_opts(&m, o->opts) &&
	    coap_uri_format(&m, f->route.hop.scheme, &f->route.hop.host,
		f->route.hop.port, out, cap))
		return out;
	return "?";
}

static const char *
state_of(const struct observation *o)
{
	static const char *const names[] = {
		[OBSERVE_ASKING] = "asking",
		[OBSERVE_OPEN] = "open",
		[OBSERVE_RENEWING] = "renewing",
		[OBSERVE_ANEW] = "anew",
		[OBSERVE_OVER] = "over",
	};

	return names[o->state];
}

void
inspect_observations(const struct proxy *p, uint64_t now,
    bool (*fn)(void *arg, const struct observed *o), void *arg)
{
	struct list *it, *tmp;
	char uri[URI_MAX];

	LIST_FOREACH_SAFE (it, tmp, &p->observations) {
		const struct observation *o = CONTAINER_OF(it,
		    struct observation, link);
		struct observed view = { .observers = o->n };

		if (o->fetch == NULL)
			continue;
		view.uri = uri_of(o, uri, sizeof(uri));
		view.route = o->tally->route;
		view.state = state_of(o);
		view.has_age = o->entry != NULL;
		if (view.has_age && now > o->entry->stored)
			view.age_ms = now - o->entry->stored;
		if (!fn(arg, &view))
			return;
	}
}

struct flush {
	bool (*fn)(const char *uri, void *arg);
	void *arg;
};

static bool
flush_one(struct span key, void *arg)
{
	const struct flush *f = arg;
	char uri[URI_MAX];
	uint8_t method;

	return coap_key_format(key, uri, sizeof(uri), &method) &&
	    f->fn(uri, f->arg);
}

size_t
inspect_flush(struct proxy *p, bool (*fn)(const char *uri, void *arg),
    void *arg)
{
	struct flush f = { fn, arg };

	return cache_flush(&p->cache, flush_one, &f);
}
