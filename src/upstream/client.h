/*
 * client: the CoAP back end.
 *
 * Carries out fetches: finds the address, asks whether it is allowed, sends the
 * request through the message layer and brings back what comes of it. It
 * implements the proxy's upstream_ops.
 */
#ifndef UPSTREAM_CLIENT_H
#define UPSTREAM_CLIENT_H

#include "base/buf.h"
#include "msg/datagram.h"
#include "net/net.h"
#include "proxy/upstream.h"
#include "upstream/dest.h"

struct client;

struct client_conf {
	const struct msg_params *params;
	struct flow_conf flow;
	unsigned max_ports;	/* per destination */
	size_t max_dests;
};

struct client_stats {
	uint64_t sent;		/* requests handed to the message layer */
	uint64_t no_mid;	/* refused: no Message ID on any port */
	uint64_t socket_errors;	/* reported by the kernel: ICMP and the like */
	uint64_t next_address;	/* tried after an unreachable one */
};

/* A back end over NET. Everything is borrowed for its life; NULL without
 * memory. */
struct client *client_new(const struct client_conf *conf, struct net *net,
    struct resolver *resolver, struct timers *timers, struct buf_pool *bufs,
    struct rand *rnd);

/* The proxy must have cancelled every fetch. */
void client_free(struct client *c);

/* What the proxy calls; its self is the client. */
extern const struct upstream_ops client_upstream_ops;

/* CONF has changed, and what it points to. */
void client_reload(struct client *c, uint64_t now);

/* Servers that have been given up on, and not heard of since. */
size_t client_silent(const struct client *c);

const struct client_stats *client_stats(const struct client *c);
const struct dests_stats *client_dests_stats(const struct client *c);
const struct flow_stats *client_flow_stats(const struct client *c);

/* Calls FN for every port towards an origin: what is known of that endpoint is
 * in its peer, and its congestion state in its destination. */
void client_each_port(struct client *c,
    void (*fn)(const struct port *, void *), void *arg);

/* The destinations, the longest unused one first in DESTS->lru. */
const struct dests *client_dests(const struct client *c);

struct dgram *client_dgram(struct client *c);

#endif
