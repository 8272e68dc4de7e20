/*
 * status: what an operator wants to see first.
 */
#include "ctl/status.h"

#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/clock.h"
#include "ctl/rows.h"
#include "ctl/sums.h"
#include "ctl/text.h"
#include "proxy/inspect.h"

enum { PAGE_ROWS = 10 };	/* of a table on the page */

#define BEGIN(r, to, json, cols) \
	rows_begin(r, to, json, cols, sizeof(cols) / sizeof((cols)[0]))

/* ---- routes ---- */

static const struct column route_columns[] = {
	{ "route", "route", 16 },
	{ "requests", "requests", -10 },
	{ "c2", "2.xx", -9 },
	{ "c4", "4.xx", -7 },
	{ "c5", "5.xx", -7 },
	{ "in_flight", "in flight", -9 },
	{ "observers", "observers", -9 },
};

static const struct route_sum *
find_route(const struct route_sum *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].route, name) == 0)
			return &v[i];
	return NULL;
}

static void
put_route(struct rows *r, const char *name, const struct route_sum *s)
{
	static const struct route_sum nothing = { .route = NULL };

	if (s == NULL)
		s = &nothing;
	rows_text(r, name);
	rows_number(r, s->requests);
	rows_number(r, s->classes[0]);
	rows_number(r, s->classes[2]);
	rows_number(r, s->classes[3]);
	rows_number(r, s->under_way);
	rows_number(r, s->observers);
}

/* The routes in order, then what is no route, as far as it has been used. */
static void
put_routes(struct evbuffer *to, const struct sources *src, bool json,
    size_t max)
{
	static const char *const rest[] = { "[forward]", "[proxy]", "[none]" };
	size_t n, left = src->rules->n > max ? src->rules->n - max : 0;
	struct route_sum *v = sums_routes(src, &n);
	struct rows r;

	if (v == NULL)
		return;
	BEGIN(&r, to, json, route_columns);
	for (size_t i = 0; i < src->rules->n - left; i++) {
		const char *name = src->rules->v[i].name;

		put_route(&r, name, find_route(v, n, name));
	}
	if (left > 0)
		evbuffer_add_printf(to, "... and %zu more\n", left);
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		const struct route_sum *s = find_route(v, n, rest[i]);

		if (s != NULL)
			put_route(&r, rest[i], s);
	}
	free(v);
}

void
status_routes(struct evbuffer *to, const struct sources *src, bool json)
{
	put_routes(to, src, json, SIZE_MAX);
}

/* ---- origins ---- */

static const struct column origin_columns[] = {
	{ "server", "server", 21 },
	{ "origin", "origin", 14 },
	{ "state", "state", 6 },
	{ "window", "window", -6 },
	{ "outstanding", "out", -3 },
	{ "waiting", "waiting", -7 },
	{ "requests", "requests", -8 },
};

/* The origin that A is a server of, and how much that got. */
static const struct tally_origin *
origin_of(const struct tallies *t, const struct addr *a, uint64_t *requests)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &t->origins) {
		const struct tally_origin *o = CONTAINER_OF(it,
		    struct tally_origin, link);

		for (size_t i = 0; i < o->nservers; i++)
			if (addr_eq(&o->server[i].addr, a)) {
				*requests = o->server[i].requests;
				return o;
			}
	}
	return NULL;
}

static void
put_dest(struct rows *r, const struct tallies *t, const struct dest *d)
{
	const struct flow *f = &d->flow;
	uint64_t requests = 0;
	const struct tally_origin *o = origin_of(t, &d->addr, &requests);
	char text[ADDR_STRLEN];

	rows_text(r, addr_str(&d->addr, text));
	rows_text(r, o != NULL ? o->name : "[forward]");
	rows_text(r, f->silent ? "silent" : "up");
	rows_number(r, f->nstart == FLOW_AUTO ? f->window : f->nstart);
	rows_number(r, f->outstanding);
	rows_number(r, f->waiting);
	if (o != NULL)
		rows_number(r, requests);
	else
		rows_none(r);
}

/* The last used ones first. */
static void
put_origins(struct evbuffer *to, const struct sources *src, bool json,
    size_t max)
{
	const struct dests *ds = client_dests(src->client);
	const struct tallies *t = proxy_tallies(src->proxy);
	struct rows r;
	size_t n = 0;

	BEGIN(&r, to, json, origin_columns);
	for (struct list *it = ds->lru.prev; it != &ds->lru && n < max;
	     it = it->prev, n++)
		put_dest(&r, t, CONTAINER_OF(it, struct dest, lru));
	if (ds->count > n)
		evbuffer_add_printf(to, "... and %zu more\n", ds->count - n);
}

void
status_origins(struct evbuffer *to, const struct sources *src, bool json)
{
	put_origins(to, src, json, SIZE_MAX);
}

/* ---- observations ---- */

static const struct column observation_columns[] = {
	{ "observers", "observers", -9 },
	{ "age", "age", -7 },
	{ "state", "state", 8 },
	{ "route", "route", 16 },
	{ "uri", "uri", 0 },
};

struct observing {
	struct rows rows;
	size_t limit, left;
};

static bool
put_observed(void *arg, const struct observed *o)
{
	struct observing *w = arg;
	struct rows *r = &w->rows;

	if (evbuffer_get_length(r->to) > w->limit) {
		w->left++;
		return true;
	}
	rows_number(r, o->observers);
	if (o->has_age)
		rows_ms(r, o->age_ms);
	else
		rows_none(r);
	rows_text(r, o->state);
	rows_text(r, o->route);
	rows_text(r, o->uri);
	return true;
}

size_t
status_observations(struct evbuffer *to, const struct sources *src, bool json,
    size_t limit)
{
	struct observing w = { .limit = limit };

	BEGIN(&w.rows, to, json, observation_columns);
	inspect_observations(src->proxy, loop_now(src->loop), put_observed,
	    &w);
	return w.left;
}

/* ---- the cache ---- */

static const struct column cache_columns[] = {
	{ "responses", "responses", -10 },
	{ "bytes", "bytes", -10 },
	{ "size", "of", -10 },
	{ "hits", "hits", -9 },
	{ "misses", "misses", -9 },
	{ "joined", "joined", -7 },
	{ "validated", "validated", -9 },
	{ "evicted", "evicted", -7 },
};

void
status_cache(struct evbuffer *to, const struct sources *src, bool json)
{
	const struct proxy_stats *p = proxy_stats(src->proxy);
	struct proxy_levels l;
	struct rows r;

	inspect_levels(src->proxy, &l);
	BEGIN(&r, to, json, cache_columns);
	rows_number(&r, l.cached);
	rows_number(&r, l.cache_octets);
	rows_number(&r, l.cache_size);
	rows_number(&r, p->hits);
	rows_number(&r, p->misses);
	rows_number(&r, p->joined);
	rows_number(&r, p->validated);
	rows_number(&r, l.cache_evicted);
}

/* ---- listeners ---- */

static const struct column listener_columns[] = {
	{ "listener", "listener", 16 },
	{ "received", "received", -12 },
	{ "sent", "sent", -12 },
	{ "dropped", "dropped", -9 },
	{ "duplicates", "duplicates", -10 },
	{ "overflows", "overflows", -9 },
};

static void
put_listeners(struct evbuffer *to, const struct sources *src, size_t max)
{
	struct listener_sum *v = sums_listeners(src);
	struct rows r;

	if (v == NULL)
		return;
	BEGIN(&r, to, false, listener_columns);
	for (size_t i = 0; i < src->nlisteners && i < max; i++) {
		rows_text(&r, src->listeners[i]);
		rows_number(&r, v[i].udp.rx_datagrams);
		rows_number(&r, v[i].udp.tx_datagrams);
		rows_number(&r, sums_dropped(&v[i]));
		rows_number(&r, v[i].in.duplicates);
		rows_number(&r, v[i].udp.rx_overflow);
	}
	if (src->nlisteners > max)
		evbuffer_add_printf(to, "... and %zu more\n",
		    src->nlisteners - max);
	free(v);
}

/* ---- the page ---- */

/* What all routes together have had. */
static struct route_sum
all_routes(const struct sources *src)
{
	struct route_sum all = { .route = NULL }, *v;
	size_t n;

	v = sums_routes(src, &n);
	for (size_t i = 0; v != NULL && i < n; i++) {
		all.requests += v[i].requests;
		for (size_t j = 0; j < TALLY_CLASSES; j++)
			all.classes[j] += v[i].classes[j];
		histo_merge(&all.times, &v[i].times);
	}
	free(v);
	return all;
}

static size_t
silent_origins(const struct sources *src)
{
	const struct dests *ds = client_dests(src->client);
	struct list *it, *tmp;
	size_t n = 0;

	LIST_FOREACH_SAFE (it, tmp, &ds->lru)
		n += CONTAINER_OF(it, struct dest, lru)->flow.silent;
	return n;
}

static const struct column status_columns[] = {
	{ "name", "", 0 },
	{ "version", "", 0 },
	{ "pid", "", 0 },
	{ "state", "", 0 },
	{ "uptime", "", 0 },
	{ "file", "", 0 },
	{ "generation", "", 0 },
	{ "last_reload_ok", "", 0 },
	{ "addresses", "", 0 },
	{ "requests", "", 0 },
	{ "in_flight", "", 0 },
	{ "c2", "", 0 },
	{ "c4", "", 0 },
	{ "c5", "", 0 },
	{ "denied", "", 0 },
	{ "rate_limited", "", 0 },
	{ "cached", "", 0 },
	{ "cache_bytes", "", 0 },
	{ "observations", "", 0 },
	{ "observers", "", 0 },
	{ "origins", "", 0 },
	{ "origins_silent", "", 0 },
};

struct page {
	const struct sources *src;
	const struct proxy_stats *stats;
	struct proxy_levels levels;
	struct route_sum all;
	uint64_t uptime;
	size_t origins, silent;
};

static void
page_json(struct evbuffer *to, const struct page *p)
{
	const struct sources *src = p->src;
	struct rows r;

	BEGIN(&r, to, true, status_columns);
	rows_text(&r, src->name);
	rows_text(&r, src->version);
	rows_number(&r, (uint64_t)getpid());
	rows_text(&r, p->levels.draining ? "draining" : "serving");
	rows_ms(&r, p->uptime);
	rows_text(&r, src->config.file);
	rows_number(&r, src->config.generation);
	rows_bool(&r, !src->config.last_refused);
	rows_text(&r, src->addresses);
	rows_number(&r, p->all.requests);
	rows_number(&r, p->levels.requests);
	rows_number(&r, p->all.classes[0]);
	rows_number(&r, p->all.classes[2]);
	rows_number(&r, p->all.classes[3]);
	rows_number(&r, p->stats->refused);
	rows_number(&r, p->stats->rate_limited);
	rows_number(&r, p->levels.cached);
	rows_number(&r, p->levels.cache_octets);
	rows_number(&r, p->levels.observations);
	rows_number(&r, p->levels.observers);
	rows_number(&r, p->origins);
	rows_number(&r, p->silent);
}

/* A line: a word, and what is to be said. */
static void line(struct evbuffer *to, const char *word, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
line(struct evbuffer *to, const char *word, const char *fmt, ...)
{
	va_list ap;

	evbuffer_add_printf(to, "%-14s", word);
	va_start(ap, fmt);
	evbuffer_add_vprintf(to, fmt, ap);
	va_end(ap);
	evbuffer_add(to, "\n", 1);
}

/* The time within which PERCENT of what H has counted was done, by the bounds
 * of its buckets. */
static const char *
percentile(const struct histo *h, unsigned percent, char out[TEXT_SHORT])
{
	uint64_t want = (histo_count(h) * percent + 99) / 100, n = 0;
	unsigned i = 0;

	while (i < HISTO_BOUNDS && (n += h->n[i]) < want)
		i++;
	if (i == HISTO_BOUNDS)
		snprintf(out, TEXT_SHORT, "more");
	else
		snprintf(out, TEXT_SHORT, "%llums",
		    (unsigned long long)histo_bound(i));
	return out;
}

static unsigned
share(uint64_t part, uint64_t rest)
{
	return part + rest > 0 ? (unsigned)(part * 100 / (part + rest)) : 0;
}

#define U(n) ((unsigned long long)(n))

static void
page_head(struct evbuffer *to, const struct page *p)
{
	const struct ctl_config *c = &p->src->config;
	char time[TEXT_SHORT], date[TEXT_SHORT];

	evbuffer_add_printf(to, "coaproxy %s, %s, %s for %s, process %d\n\n",
	    p->src->version, p->src->name,
	    p->levels.draining ? "draining, up" : "serving",
	    text_time(p->uptime, time), (int)getpid());
	line(to, "configuration", "%u of %s, loaded %s%s", c->generation,
	    c->file, text_date(c->loaded_ms, date),
	    c->last_refused ? "; THE LAST RELOAD WAS REFUSED" : "");
	line(to, "listening", "%s", p->src->addresses);
}

static void
page_numbers(struct evbuffer *to, const struct page *p)
{
	const struct proxy_stats *s = p->stats;
	const struct proxy_levels *l = &p->levels;
	const struct dgram_stats *c, *o;
	char used[TEXT_SHORT], size[TEXT_SHORT], t50[TEXT_SHORT],
	    t99[TEXT_SHORT];

	c = dgram_stats(server_dgram(p->src->server));
	o = dgram_stats(client_dgram(p->src->client));
	line(to, "requests", "%llu, %zu in flight; refused %llu, rate-limited "
	    "%llu, table full %llu", U(p->all.requests), l->requests,
	    U(s->refused), U(s->rate_limited), U(s->full));
	line(to, "responses", "2.xx %llu, 4.xx %llu, 5.xx %llu",
	    U(p->all.classes[0]), U(p->all.classes[2]), U(p->all.classes[3]));
	if (histo_count(&p->all.times) > 0)
		line(to, "time", "half within %s, 99 %% within %s",
		    percentile(&p->all.times, 50, t50),
		    percentile(&p->all.times, 99, t99));
	line(to, "cache", "%zu responses, %s of %s; hits %llu (%u %%), "
	    "validated %llu, evicted %llu", l->cached,
	    text_size(l->cache_octets, used), text_size(l->cache_size, size),
	    U(s->hits), share(s->hits, s->misses), U(s->validated),
	    U(l->cache_evicted));
	line(to, "observations", "%zu at origins, %zu observers; notified "
	    "%llu", l->observations, l->observers, U(s->notified));
	line(to, "origins", "%zu, silent %zu; repeated %llu, timed out %llu, "
	    "unreachable %llu", p->origins, p->silent, U(o->retransmissions),
	    U(o->timeouts), U(s->unreachable));
	line(to, "clients", "repeated %llu, timed out %llu",
	    U(c->retransmissions), U(c->timeouts));
	evbuffer_add(to, "\n", 1);
}

void
status_page(struct evbuffer *to, const struct sources *src, bool json)
{
	struct page p = {
		.src = src,
		.stats = proxy_stats(src->proxy),
		.all = all_routes(src),
		.uptime = clock_ms() - src->began,
		.origins = client_dests(src->client)->count,
		.silent = silent_origins(src),
	};

	inspect_levels(src->proxy, &p.levels);
	if (json) {
		page_json(to, &p);
		return;
	}
	page_head(to, &p);
	page_numbers(to, &p);
	put_listeners(to, src, PAGE_ROWS);
	evbuffer_add(to, "\n", 1);
	put_routes(to, src, false, PAGE_ROWS);
	evbuffer_add(to, "\n", 1);
	put_origins(to, src, false, PAGE_ROWS);
}
