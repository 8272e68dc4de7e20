/*
 * metrics_work: families of what is done for requests.
 */
#include "ctl/limits.h"
#include "ctl/view.h"

/* ---- origins ---- */

static struct tally_origin *
origin_at(struct list *l)
{
	return CONTAINER_OF(l, struct tally_origin, link);
}

/* Whether anything was ever sent to O: the others would only fill pages. */
static bool
is_used(const struct tally_origin *o)
{
	return o->nservers > 0 || o->others > 0;
}

/* How those are called that are not told apart. */
static const char others[] = "*";

static void
origin_requests(struct view *v)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &v->tallies->origins) {
		const struct tally_origin *o = origin_at(it);
		char a[ADDR_STRLEN];

		for (size_t i = 0; i < o->nservers; i++)
			VALUE(v, o->server[i].requests, "origin", o->name,
			    "server", addr_str(&o->server[i].addr, a));
		if (o->others > 0)
			VALUE(v, o->others, "origin", o->name, "server",
			    others);
	}
}

static void
origin_responses(struct view *v)
{
	static const char *const classes[TALLY_CLASSES] = { "2", "3", "4",
		"5" };
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &v->tallies->origins) {
		const struct tally_origin *o = origin_at(it);

		for (size_t i = 0; is_used(o) && i < TALLY_CLASSES; i++)
			if (i != 1 || o->classes[i] > 0)
				VALUE(v, o->classes[i], "origin", o->name,
				    "class", classes[i]);
	}
}

static void
origin_times(struct view *v)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &v->tallies->origins)
		if (is_used(origin_at(it)))
			expo_histo(&v->expo, &origin_at(it)->times,
			    EXPO_LABELS_OF("origin", origin_at(it)->name));
}

/* There are no checks yet: up is who has not been given up on since the last
 * sign of life. */
static void
origin_up(struct view *v)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &v->tallies->origins) {
		const struct tally_origin *o = origin_at(it);
		char a[ADDR_STRLEN];

		for (size_t i = 0; i < o->nservers; i++)
			VALUE(v,
			    !sums_server(v->src, &o->server[i].addr).silent,
			    "origin", o->name, "server",
			    addr_str(&o->server[i].addr, a));
	}
}

static void
origin_in_flight(struct view *v)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &v->tallies->origins)
		if (is_used(origin_at(it)))
			VALUE(v, sums_origin(v->src, origin_at(it)).outstanding,
			    "origin", origin_at(it)->name);
}

static void
origin_queued(struct view *v)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &v->tallies->origins)
		if (is_used(origin_at(it)))
			VALUE(v, sums_origin(v->src, origin_at(it)).waiting,
			    "origin", origin_at(it)->name);
}

static void
origin_errors(struct view *v)
{
	VALUE(v, v->proxy->timeouts, "reason", "timeout");
	VALUE(v, v->proxy->unreachable, "reason", "unreachable");
	VALUE(v, v->proxy->bad_responses, "reason", "bad-response");
	VALUE(v, v->proxy->held_back, "reason", "held-back");
}

static void
origin_delayed(struct view *v)
{
	VALUE1(v, client_flow_stats(v->src->client)->queued);
}

static void
origin_silences(struct view *v)
{
	VALUE1(v, client_flow_stats(v->src->client)->silences);
}

/* ---- observations ---- */

/* Whether R observes, or has. */
static bool
observes(const struct route_sum *r)
{
	return r->observations > 0 || r->notifications > 0 ||
	    r->notified > 0 || r->renewed > 0;
}

static void
observations(struct view *v)
{
	for (size_t i = 0; i < v->nroutes; i++)
		if (observes(&v->route[i]))
			VALUE(v, v->route[i].observations, "route",
			    v->route[i].route);
}

static void
observers(struct view *v)
{
	for (size_t i = 0; i < v->nroutes; i++)
		if (observes(&v->route[i]))
			VALUE(v, v->route[i].observers, "route",
			    v->route[i].route);
}

static void
notifications(struct view *v)
{
	for (size_t i = 0; i < v->nroutes; i++)
		if (observes(&v->route[i]))
			VALUE(v, v->route[i].notifications, "route",
			    v->route[i].route);
}

static void
notified(struct view *v)
{
	for (size_t i = 0; i < v->nroutes; i++)
		if (observes(&v->route[i]))
			VALUE(v, v->route[i].notified, "route",
			    v->route[i].route);
}

static void
renewed(struct view *v)
{
	for (size_t i = 0; i < v->nroutes; i++)
		if (observes(&v->route[i]))
			VALUE(v, v->route[i].renewed, "route",
			    v->route[i].route, "reason", "stale");
}

static void
observations_lost(struct view *v)
{
	VALUE1(v, v->proxy->observations_lost);
}

static void
observers_ended(struct view *v)
{
	const struct dgram_stats *c;

	c = dgram_stats(server_dgram(v->src->server));
	VALUE(v, c->observers_reset, "reason", "reset");
	VALUE(v, c->observers_silent, "reason", "silent");
	VALUE(v, v->proxy->observers_parted, "reason", "reload");
}

/* ---- the cache, blocks, names ---- */

static void
lookups(struct view *v)
{
	VALUE(v, v->proxy->hits, "result", "hit");
	VALUE(v, v->proxy->misses, "result", "miss");
	VALUE(v, v->proxy->joined, "result", "joined");
}

static void
entries(struct view *v)
{
	VALUE1(v, v->levels.cached);
}

static void
cache_size(struct view *v)
{
	VALUE1(v, v->levels.cache_octets);
}

static void
evictions(struct view *v)
{
	VALUE(v, v->levels.cache_evicted, "reason", "size");
}

static void
validations(struct view *v)
{
	VALUE(v, v->proxy->validated, "result", "valid");
}

static void
transfers(struct view *v)
{
	VALUE(v, v->levels.uploads, "direction", "request");
	VALUE(v, v->levels.downloads, "direction", "response");
}

static void
transfers_ended(struct view *v)
{
	const struct proxy_levels *l = &v->levels;

	VALUE(v, l->uploads_done, "direction", "request", "result", "ok");
	VALUE(v, l->uploads_expired, "direction", "request", "result",
	    "expired");
	VALUE(v, l->uploads_dropped, "direction", "request", "result",
	    "dropped");
	VALUE(v, v->proxy->collected, "direction", "response", "result", "ok");
	VALUE(v, v->proxy->uncollected, "direction", "response", "result",
	    "failed");
}

static void
names(struct view *v)
{
	const struct resolve_stats *s = resolve_stats(v->src->resolver);

	VALUE(v, s->answers, "result", "ok");
	VALUE(v, s->failures, "result", "not-found");
	VALUE(v, s->timeouts, "result", "timeout");
	VALUE(v, s->hits, "result", "cached");
	VALUE(v, s->refused, "result", "refused");
}

static void
name_times(struct view *v)
{
	expo_histo(&v->expo, &resolve_stats(v->src->resolver)->times,
	    EXPO_NONE);
}

static void
tables(struct view *v, const struct limit *(*row)(size_t i))
{
	const struct limit *l;

	for (size_t i = 0; (l = row(i)) != NULL; i++)
		VALUE(v, l->count(v->src, &v->levels), "table", l->table);
}

static void
limits(struct view *v)
{
	tables(v, limits_row);
}

static void
limit_evictions(struct view *v)
{
	tables(v, limits_eviction);
}

static void
table_entries(struct view *v)
{
	tables(v, limits_level);
}

static void
buffers(struct view *v)
{
	VALUE(v, buf_pool_used(v->src->bufs), "state", "used");
	VALUE(v, buf_pool_held(v->src->bufs), "state", "kept");
}

static void
loop_lag_seconds(struct view *v)
{
	expo_histo(&v->expo, loop_lag(v->src->loop),
	    EXPO_LABELS_OF("worker", "0"));
}

/* ---- the table ---- */

const struct family work_families[] = {
	COUNTER("origin_requests_total", origin_requests,
	    "Requests sent to origins."),
	COUNTER("origin_responses_total", origin_responses,
	    "Responses from origins by class."),
	HISTOGRAM("origin_request_duration_seconds", origin_times,
	    "Request sent to response read."),
	GAUGE("origin_up", origin_up,
	    "1 when the origin answers its checks."),
	GAUGE("origin_in_flight", origin_in_flight,
	    "Outstanding interactions (NSTART)."),
	GAUGE("origin_queued_requests", origin_queued,
	    "Requests waiting for a slot."),
	COUNTER("origin_errors_total", origin_errors,
	    "Requests without a usable answer from an origin."),
	COUNTER("origin_delayed_requests_total", origin_delayed,
	    "Requests that had to wait for a slot (nstart, probing-rate)."),
	COUNTER("origin_silences_total", origin_silences,
	    "Requests given up without any sign of life of the origin."),
	GAUGE("observations_upstream", observations,
	    "Observations this proxy holds at origins."),
	GAUGE("observations_downstream", observers,
	    "Observers being served."),
	COUNTER("observation_notifications_received_total", notifications,
	    "Notifications from origins."),
	COUNTER("observation_notifications_sent_total", notified,
	    "Notifications sent to observers."),
	COUNTER("observation_reregistrations_total", renewed,
	    "Upstream registrations renewed."),
	COUNTER("observations_lost_total", observations_lost,
	    "Observations ended because their origins keep them no longer."),
	COUNTER("observers_ended_total", observers_ended,
	    "Observers removed without having asked for it."),
	COUNTER("cache_lookups_total", lookups, "Cache look-ups."),
	GAUGE("cache_entries", entries, "Responses held."),
	GAUGE("cache_size_bytes", cache_size, "Memory held by the cache."),
	COUNTER("cache_evictions_total", evictions,
	    "Responses dropped to make room."),
	COUNTER("cache_validations_total", validations,
	    "Revalidations with ETag."),
	GAUGE("blockwise_transfers", transfers,
	    "Transfers being assembled."),
	COUNTER("blockwise_transfers_total", transfers_ended,
	    "Block-wise transfers finished."),
	COUNTER("dns_lookups_total", names, "Name look-ups."),
	HISTOGRAM("dns_lookup_duration_seconds", name_times,
	    "Name look-up time."),
	COUNTER("memory_limit_rejections_total", limits,
	    "Work refused because a configured limit was reached."),
	COUNTER("table_evictions_total", limit_evictions,
	    "Entries forgotten before their time to make room."),
	GAUGE("table_entries", table_entries, "What there is in each table."),
	GAUGE("buffer_bytes", buffers,
	    "Memory for datagrams, in use and kept for more."),
	HISTOGRAM("event_loop_lag_seconds", loop_lag_seconds,
	    "How late timers ran."),
	{ NULL, NULL, NULL, NULL },
};
