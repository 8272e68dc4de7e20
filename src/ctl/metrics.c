/*
 * metrics: from the modules' own statistics to families of samples.
 */
#include "ctl/metrics.h"

#include <stdlib.h>

#include <event2/event.h>

#include "ctl/expo.h"
#include "ctl/limits.h"
#include "ctl/sums.h"
#include "proxy/inspect.h"

/* What all families are written from. */
struct view {
	struct expo expo;
	const struct sources *src;
	const struct tallies *tallies;
	const struct proxy_stats *proxy;
	struct proxy_levels levels;
	struct listener_sum *listener;
	struct route_sum *route;
	size_t nroutes;
};

#define VALUE(v, n, ...) expo_value(&(v)->expo, n, EXPO_LABELS_OF(__VA_ARGS__))
#define VALUE1(v, n) expo_value(&(v)->expo, n, EXPO_NONE)

/* ---- the process ---- */

static void
build_info(struct view *v)
{
	VALUE(v, 1, "version", v->src->version, "libevent",
	    event_get_version(), "tls", "none");
}

static void
reload_ok(struct view *v)
{
	VALUE1(v, !v->src->config.last_refused);
}

static void
reload_time(struct view *v)
{
	expo_seconds(&v->expo, v->src->config.loaded_ms, EXPO_NONE);
}

static void
reloads(struct view *v)
{
	VALUE(v, v->src->config.reloads, "result", "ok");
	VALUE(v, v->src->config.refused, "result", "refused");
}

static void
generation(struct view *v)
{
	VALUE1(v, v->src->config.generation);
}

static void
start_time(struct view *v)
{
	expo_seconds(&v->expo, v->src->started_ms, EXPO_NONE);
}

static void
loop_lag_seconds(struct view *v)
{
	expo_histo(&v->expo, loop_lag(v->src->loop),
	    EXPO_LABELS_OF("worker", "0"));
}

/* ---- listeners ---- */

static void
by_udp(struct view *v, size_t member)
{
	for (size_t i = 0; i < v->src->nlisteners; i++) {
		const char *at = (const char *)&v->listener[i].udp + member;

		VALUE(v, *(const uint64_t *)(const void *)at, "listener",
		    v->src->listeners[i], "transport", "udp");
	}
}

static void
received(struct view *v)
{
	by_udp(v, offsetof(struct udp_stats, rx_datagrams));
}

static void
received_octets(struct view *v)
{
	by_udp(v, offsetof(struct udp_stats, rx_octets));
}

static void
sent(struct view *v)
{
	by_udp(v, offsetof(struct udp_stats, tx_datagrams));
}

static void
sent_octets(struct view *v)
{
	by_udp(v, offsetof(struct udp_stats, tx_octets));
}

static void
dropped(struct view *v)
{
	for (size_t i = 0; i < v->src->nlisteners; i++) {
		const struct listener_stats *s = &v->listener[i].in;
		const char *name = v->src->listeners[i];
		const struct {
			const char *reason;
			uint64_t n;
		} why[] = {
			{ "malformed", s->malformed },
			{ "ignored", s->ignored },
			{ "truncated", s->truncated },
			{ "unexpected", s->unexpected },
			{ "multicast", s->group },
			{ "port-zero", s->port_zero },
			{ "table-full", s->no_room + s->refused },
		};

		for (size_t j = 0; j < sizeof(why) / sizeof(why[0]); j++)
			VALUE(v, why[j].n, "listener", name, "reason",
			    why[j].reason);
	}
}

static void
overflows(struct view *v)
{
	for (size_t i = 0; i < v->src->nlisteners; i++)
		VALUE(v, v->listener[i].udp.rx_overflow, "listener",
		    v->src->listeners[i]);
}

static void
unsent(struct view *v)
{
	by_udp(v, offsetof(struct udp_stats, tx_dropped));
}

static void
duplicates(struct view *v)
{
	for (size_t i = 0; i < v->src->nlisteners; i++)
		VALUE(v, v->listener[i].in.duplicates, "listener",
		    v->src->listeners[i]);
}

static void
rate_limited(struct view *v)
{
	for (size_t i = 0; i < v->src->nlisteners; i++)
		VALUE(v, v->tallies->rate_limited[i], "listener",
		    v->src->listeners[i]);
}

/* ---- requests ---- */

static struct tally *
tally_at(struct list *l)
{
	return CONTAINER_OF(l, struct tally, link);
}

static void
requests(struct view *v)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &v->tallies->all) {
		const struct tally *c = tally_at(it);

		for (uint8_t i = 0; i < TALLY_METHODS; i++) {
			char name[8];

			if (c->methods[i] > 0 && !c->past)
				VALUE(v, c->methods[i], "listener",
				    c->listener, "route", c->route, "method",
				    i == 0 ? "other" : coap_code_str(i, name));
		}
	}
}

static void
responses(struct view *v)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &v->tallies->all) {
		const struct tally *c = tally_at(it);

		for (uint8_t i = 0; i < TALLY_CODES; i++) {
			char code[8];

			if (c->codes[i] > 0 && !c->past)
				VALUE(v, c->codes[i], "listener", c->listener,
				    "route", c->route, "code",
				    coap_code_str((uint8_t)(i + 0x40), code));
		}
	}
}

static void
request_times(struct view *v)
{
	for (size_t i = 0; i < v->nroutes; i++)
		expo_histo(&v->expo, &v->route[i].times,
		    EXPO_LABELS_OF("route", v->route[i].route));
}

static void
in_flight(struct view *v)
{
	for (size_t i = 0; i < v->nroutes; i++)
		VALUE(v, v->route[i].under_way, "route", v->route[i].route);
}

static void
denied(struct view *v)
{
	VALUE(v, v->proxy->refused, "reason", "acl");
	VALUE(v, v->proxy->challenges, "reason", "unproven-address");
	VALUE(v, v->proxy->withheld, "reason", "flood");
	VALUE(v, v->proxy->hop_limit, "reason", "hop-limit");
	VALUE(v, server_stats(v->src->server)->retired, "reason",
	    "retired-listener");
	VALUE(v, server_stats(v->src->server)->left, "reason", "restart");
}

/* ---- messages ---- */

static const struct dgram_stats *
client_side(const struct view *v)
{
	return dgram_stats(server_dgram(v->src->server));
}

static const struct dgram_stats *
origin_side(const struct view *v)
{
	return dgram_stats(client_dgram(v->src->client));
}

static void
retransmissions(struct view *v)
{
	VALUE(v, client_side(v)->retransmissions, "side", "client");
	VALUE(v, origin_side(v)->retransmissions, "side", "origin");
}

static void
timeouts(struct view *v)
{
	VALUE(v, client_side(v)->timeouts, "side", "client");
	VALUE(v, origin_side(v)->timeouts, "side", "origin");
}

static void
resets(struct view *v)
{
	const struct dgram_stats *c = client_side(v), *o = origin_side(v);

	VALUE(v, c->rx_reset, "side", "client", "direction", "received");
	VALUE(v, c->tx_reset, "side", "client", "direction", "sent");
	VALUE(v, o->rx_reset, "side", "origin", "direction", "received");
	VALUE(v, o->tx_reset, "side", "origin", "direction", "sent");
}

static void
strays(struct view *v)
{
	VALUE(v, client_side(v)->rx_unexpected, "side", "client");
	VALUE(v, origin_side(v)->rx_unexpected, "side", "origin");
}

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
	const struct dgram_stats *c = client_side(v);

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
limits(struct view *v)
{
	const struct limit *l;

	for (size_t i = 0; (l = limits_row(i)) != NULL; i++)
		VALUE(v, l->count(v->src, &v->levels), "table", l->table);
}

static void
limit_evictions(struct view *v)
{
	const struct limit *l;

	for (size_t i = 0; (l = limits_eviction(i)) != NULL; i++)
		VALUE(v, l->count(v->src, &v->levels), "table", l->table);
}

/* ---- the table ---- */

#define COUNTER(name, fn, help) \
	{ "coaproxy_" name, "counter", help, fn }
#define GAUGE(name, fn, help) \
	{ "coaproxy_" name, "gauge", help, fn }
#define HISTOGRAM(name, fn, help) \
	{ "coaproxy_" name, "histogram", help, fn }

static const struct family {
	const char *name, *type, *help;
	void (*write)(struct view *v);
} families[] = {
	GAUGE("build_info", build_info, "Constant 1; what is running."),
	GAUGE("config_last_reload_successful", reload_ok,
	    "1 when the last reload was taken into use."),
	GAUGE("config_last_reload_success_timestamp_seconds", reload_time,
	    "When the configuration in use was loaded."),
	COUNTER("config_reloads_total", reloads, "Reloads asked for."),
	GAUGE("config_generation", generation,
	    "Number of the configuration in use."),
	GAUGE("start_time_seconds", start_time, "When this process started."),
	COUNTER("listener_received_datagrams_total", received,
	    "Datagrams or stream messages read."),
	COUNTER("listener_received_bytes_total", received_octets,
	    "Bytes read."),
	COUNTER("listener_sent_datagrams_total", sent,
	    "Datagrams or stream messages written."),
	COUNTER("listener_sent_bytes_total", sent_octets, "Bytes written."),
	COUNTER("listener_dropped_total", dropped,
	    "Input dropped before it became a request."),
	COUNTER("listener_receive_queue_overflows_total", overflows,
	    "Datagrams the kernel dropped (SO_RXQ_OVFL)."),
	COUNTER("listener_unsent_datagrams_total", unsent,
	    "Datagrams dropped: no room to wait, or refused by the kernel."),
	COUNTER("requests_total", requests,
	    "Requests accepted, by route taken."),
	COUNTER("responses_total", responses, "Responses sent, by code."),
	HISTOGRAM("request_duration_seconds", request_times,
	    "Request read to response sent."),
	GAUGE("requests_in_flight", in_flight,
	    "Requests waiting for an origin."),
	COUNTER("requests_denied_total", denied,
	    "Requests refused by policy."),
	COUNTER("requests_rate_limited_total", rate_limited,
	    "Requests refused by a rate limit."),
	COUNTER("message_duplicates_total", duplicates,
	    "Retransmitted requests answered from the deduplication table."),
	COUNTER("message_retransmissions_total", retransmissions,
	    "Our own retransmissions."),
	COUNTER("message_timeouts_total", timeouts,
	    "Exchanges given up after the last retransmission."),
	COUNTER("message_resets_total", resets, "RST messages."),
	COUNTER("message_strays_total", strays,
	    "Messages that fit nothing sent: wrong tokens or Message IDs."),
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
	HISTOGRAM("event_loop_lag_seconds", loop_lag_seconds,
	    "How late timers ran."),
};

enum { NFAMILIES = sizeof(families) / sizeof(families[0]) };

const char *
metrics_name(size_t i)
{
	return i < NFAMILIES ? families[i].name : NULL;
}

bool
metrics_write(struct evbuffer *to, const struct sources *src)
{
	struct view v = {
		.expo = { .to = to },
		.src = src,
		.tallies = proxy_tallies(src->proxy),
		.proxy = proxy_stats(src->proxy),
		.listener = sums_listeners(src),
	};
	bool ok;

	v.route = sums_routes(src, &v.nroutes);
	ok = v.listener != NULL && v.route != NULL;
	inspect_levels(src->proxy, &v.levels);
	for (size_t i = 0; ok && i < NFAMILIES; i++) {
		expo_family(&v.expo, families[i].name, families[i].type,
		    families[i].help);
		families[i].write(&v);
	}
	free(v.listener);
	free(v.route);
	return ok;
}
