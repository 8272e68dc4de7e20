/*
 * metrics: from the modules' own statistics to families of samples.
 */
#include "ctl/metrics.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/log.h"
#include "ctl/view.h"

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
lost_lines(struct view *v)
{
	VALUE1(v, log_lost());
}

static void
start_time(struct view *v)
{
	expo_seconds(&v->expo, v->src->started_ms, EXPO_NONE);
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

/* ---- the table ---- */

static const struct family families[] = {
	GAUGE("build_info", build_info, "Constant 1; what is running."),
	GAUGE("config_last_reload_successful", reload_ok,
	    "1 when the last reload was taken into use."),
	GAUGE("config_last_reload_success_timestamp_seconds", reload_time,
	    "When the configuration in use was loaded."),
	COUNTER("config_reloads_total", reloads, "Reloads asked for."),
	GAUGE("config_generation", generation,
	    "Number of the configuration in use."),
	GAUGE("start_time_seconds", start_time, "When this process started."),
	COUNTER("log_lines_lost_total", lost_lines,
	    "Lines that the target of the log did not take."),
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
};

enum { NFAMILIES = sizeof(families) / sizeof(families[0]) };

/* The I-th of both parts; NULL behind the last. */
static const struct family *
family(size_t i)
{
	const struct family *f = work_families;

	if (i < NFAMILIES)
		return &families[i];
	for (i -= NFAMILIES; i > 0 && f->name != NULL; i--)
		f++;
	return f->name != NULL ? f : NULL;
}

const char *
metrics_name(size_t i)
{
	const struct family *f = family(i);

	return f != NULL ? f->name : NULL;
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
	const struct family *f;
	bool ok;

	v.route = sums_routes(src, &v.nroutes);
	ok = v.listener != NULL && v.route != NULL;
	inspect_levels(src->proxy, &v.levels);
	for (size_t i = 0; ok && (f = family(i)) != NULL; i++) {
		expo_family(&v.expo, f->name, f->type, f->help);
		f->write(&v);
	}
	free(v.listener);
	free(v.route);
	return ok;
}
