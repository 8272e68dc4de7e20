/*
 * limits: tables, each row with the one number that says it.
 */
#include "ctl/limits.h"

#define COUNT(name, expression)                                             \
	static uint64_t name(const struct sources *src,                     \
	    const struct proxy_levels *levels)                              \
	{                                                                   \
		(void)src;                                                  \
		(void)levels;                                               \
		return expression;                                          \
	}

static const struct dgram_stats *
client_side(const struct sources *src)
{
	return dgram_stats(server_dgram(src->server));
}

static const struct dgram_stats *
origin_side(const struct sources *src)
{
	return dgram_stats(client_dgram(src->client));
}

static const struct received_stats *
received_of(const struct sources *src)
{
	return dgram_received_stats(server_dgram(src->server));
}

/* Those that one client may not have are counted as such. */
static uint64_t
observers_refused(const struct sources *src, const struct proxy_levels *levels)
{
	uint64_t all = proxy_stats(src->proxy)->observers_refused;
	uint64_t crowded = client_side(src)->observers_crowded +
	    levels->crowds_full + levels->observations_full;

	return all > crowded ? all - crowded : 0;
}

COUNT(requests, levels->requests_full)
COUNT(received, received_of(src)->refused)
COUNT(exchanges, client_side(src)->full + origin_side(src)->full)
COUNT(buffers, buf_pool_full(src->bufs))
COUNT(message_ids, client_side(src)->no_mid + origin_side(src)->no_mid)
COUNT(clients, server_stats(src->server)->peers_full)
COUNT(destinations, client_dests_stats(src->client)->refused)
COUNT(queue, client_flow_stats(src->client)->refused)
COUNT(per_client, client_side(src)->observers_crowded + levels->crowds_full)
COUNT(observations, levels->observations_full)
COUNT(uploads, levels->uploads_full)
COUNT(transfers, levels->transfers_full)
COUNT(bodies, proxy_stats(src->proxy)->too_large)
COUNT(cache, levels->cache_refused)
COUNT(names, resolve_stats(src->resolver)->refused)

static const struct limit rows[] = {
	{ "requests", "[message] max-exchanges", requests, false },
	{ "received", "[message] max-exchanges", received, false },
	{ "exchanges", "[message] max-exchanges", exchanges, false },
	{ "buffers", "[message] max-exchanges", buffers, false },
	{ "message-ids", "[message] max-upstream-ports", message_ids, false },
	{ "clients", "[message] max-exchanges", clients, false },
	{ "destinations", NULL, destinations, false },
	{ "queue", "[message] queue-per-origin", queue, false },
	{ "observers", "[observe] max-observers", observers_refused, false },
	{ "observers-per-client", "[observe] max-per-client", per_client,
		true },
	{ "observations", "[message] max-exchanges", observations, false },
	{ "uploads", "[block] max-transfers", uploads, false },
	{ "transfers", "[block] max-transfers", transfers, false },
	{ "bodies", "[block] max-body", bodies, true },
	{ "cache", "[cache] max-entry", cache, true },
	{ "names", NULL, names, false },
};

COUNT(received_early, received_of(src)->evicted)
COUNT(clients_early, dgram_peers(server_dgram(src->server))->evicted)
COUNT(rates_early, levels->rates_evicted)
COUNT(confirmed_early, levels->confirmed_evicted)
COUNT(held_early, levels->held_evicted)

static const struct limit evictions[] = {
	{ "received", "[message] max-exchanges", received_early, false },
	{ "clients", "[message] max-exchanges", clients_early, false },
	{ "rate-limits", "[message] max-exchanges", rates_early, false },
	{ "confirmed", "[message] max-exchanges", confirmed_early, false },
	{ "held-back", NULL, held_early, false },
};

const struct limit *
limits_row(size_t i)
{
	return i < sizeof(rows) / sizeof(rows[0]) ? &rows[i] : NULL;
}

const struct limit *
limits_eviction(size_t i)
{
	return i < sizeof(evictions) / sizeof(evictions[0]) ? &evictions[i] :
	    NULL;
}

static uint64_t
open_ports(const struct sources *src)
{
	const struct dests_stats *s = client_dests_stats(src->client);

	return s->opened - s->closed;
}

COUNT(requests_now, levels->requests)
COUNT(received_now, dgram_received_count(server_dgram(src->server)))
COUNT(exchanges_now, dgram_sent_count(server_dgram(src->server)) +
    dgram_sent_count(client_dgram(src->client)))
COUNT(clients_now, dgram_peers(server_dgram(src->server))->table.count)
COUNT(destinations_now, client_dests(src->client)->count)
COUNT(ports_now, open_ports(src))
COUNT(observers_now, levels->observers)
COUNT(observations_now, levels->observations)
COUNT(uploads_now, levels->uploads)
COUNT(transfers_now, levels->transfers)
COUNT(fetches_now, levels->fetches)
COUNT(cache_now, levels->cached)
COUNT(names_now, resolve_cached(src->resolver))
COUNT(rates_now, levels->rates)
COUNT(confirmed_now, levels->confirmed)
COUNT(held_now, levels->held)

static const struct limit tables[] = {
	{ "requests", NULL, requests_now, false },
	{ "received", NULL, received_now, false },
	{ "exchanges", NULL, exchanges_now, false },
	{ "clients", NULL, clients_now, false },
	{ "destinations", NULL, destinations_now, false },
	{ "upstream-ports", NULL, ports_now, false },
	{ "observers", NULL, observers_now, false },
	{ "observations", NULL, observations_now, false },
	{ "uploads", NULL, uploads_now, false },
	{ "transfers", NULL, transfers_now, false },
	{ "fetches", NULL, fetches_now, false },
	{ "cache", NULL, cache_now, false },
	{ "names", NULL, names_now, false },
	{ "rate-limits", NULL, rates_now, false },
	{ "confirmed", NULL, confirmed_now, false },
	{ "held-back", NULL, held_now, false },
};

const struct limit *
limits_level(size_t i)
{
	return i < sizeof(tables) / sizeof(tables[0]) ? &tables[i] : NULL;
}
