/*
 * play_limits: what is limited, and the access log.
 */
#include <stdio.h>
#include <string.h>

#include "play.h"
#include "proxy/core.h"

enum {
	DESTS = 64,		/* MAX_DESTS in world.c */
	EMPTY = 1024,		/* octets of a cache with nothing in it */
	BUFS = 1 << 20,		/* BUFS_MIN, and BUF_PER_EXCHANGE */
	BUF = 1024,
};

/* ATK-47: printable, and no longer than a line. */
static void
judge_lines(struct play *p)
{
	struct logged *line;

	while ((line = world_logged(&p->world)) != NULL) {
		play_require(p, line->n <= LOG_ACCESS_MAX, "a long line");
		for (size_t i = 0; i < line->n; i++)
			play_require(p, line->text[i] >= ' ' &&
				line->text[i] <= '~',
			    "a line that is not printable");
		free(line);
	}
}

void
judge_conf(struct play *p)
{
	const struct msg_params *params = &p->world.params;
	size_t size = p->world.proxy->conf->cache.size;

	/* Other rules lead elsewhere, and what is under way goes by those of
	 * before. */
	memset(p->known, 0, sizeof(p->known));
	for (size_t i = 0; i < PLAY_CLIENTS; i++)
		for (size_t j = 0; j < p->clients[i].nasked; j++)
			p->clients[i].asked[j].target = 0;
	p->silent |= p->setting->conf != NULL || play_conf(p->conf)->silent;
	if (size == 0)
		p->cache_most = SIZE_MAX;
	else if (size + EMPTY > p->cache_most)
		p->cache_most = size + EMPTY;
	/* What is under way goes on as it began. */
	if (params->max_retransmit + 1 > p->copies)
		p->copies = params->max_retransmit + 1;
	if (p->lifetime == 0 || params->exchange_lifetime < p->lifetime)
		p->lifetime = params->exchange_lifetime;
}

void
judge_state(struct play *p)
{
	const struct world *w = &p->world;
	const struct proxy *x = w->proxy;
	/* In use now; w->conf is the first one. */
	const struct conf *c =
	    CONTAINER_OF(x->conf, struct world_conf, proxy)->conf;
	const struct dests_stats *dests = client_dests_stats(w->client);
	size_t max = c->message.max_exchanges;
	const struct {
		const char *what;
		uint64_t n, most;
	} v[PLAY_LIMITS] = {
		{ "requests", proxy_waiting(x), max },
		{ "transfers", x->transfers.used, c->block.max_transfers },
		{ "octets from origins", x->collected,
			(uint64_t)c->block.max_body * COLLECTED_MAX },
		{ "octets from clients", x->uploads.held + x->uploads.octets,
			(uint64_t)c->block.max_body * COLLECTED_MAX },
		{ "observers", x->nobservers, c->observe.max_observers },
		{ "observations", x->observation_pool.used, max / 2 + 1 },
		{ "octets of the cache", cache_octets(&x->cache),
			p->cache_most },
		{ "messages received",
			dgram_received_count(server_dgram(w->server)), max },
		{ "sockets", dests->opened - dests->closed,
			(uint64_t)DESTS * c->max_upstream_ports },
		{ "octets of buffers", buf_pool_used(w->bufs),
			max * BUF > BUFS ? max * BUF : BUFS },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		/* What was there when a limit came down stays. */
		if (v[i].most > p->most[i])
			p->most[i] = v[i].most;
		if (v[i].n <= p->most[i])
			continue;
		fprintf(stderr, "%llu %s, at most %llu\n",
		    (unsigned long long)v[i].n, v[i].what,
		    (unsigned long long)p->most[i]);
		play_fail(p, "a limit is exceeded");
	}
	judge_lines(p);
}
