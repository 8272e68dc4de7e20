/*
 * dest: the places we send requests to.
 *
 * One destination per address and port, each with one or more connected UDP
 * sockets ("ports"): a connected socket only hears its origin, learns of ICMP
 * errors, and has an unpredictable source port. A further port is opened when
 * the Message IDs of all others are leased (65536 per EXCHANGE_LIFETIME and
 * port, RFC 7252 4.4), so that more than 265 requests a second can go to one
 * origin without ever reusing one.
 */
#ifndef UPSTREAM_DEST_H
#define UPSTREAM_DEST_H

#include "base/table.h"
#include "msg/peer.h"
#include "net/net.h"

struct dest;
struct dests;

struct port {
	struct list link;	/* in its destination */
	struct dest *dest;
	struct net_sock *sock;
	struct peer peer;
};

struct dest {
	struct table_node node;
	struct list lru;
	struct dests *dests;
	struct addr addr;
	struct list ports;	/* the current one first */
	unsigned nports;
	uint64_t used;		/* when last sent to, or seen busy, ms */
	uint64_t closed_until;	/* no Message ID before then */
};

struct dests_stats {
	uint64_t opened, closed;	/* ports */
	uint64_t refused;		/* no destination or port to be had */
};

struct dests {
	struct table table;
	struct list lru;	/* longest unused first */
	struct siphash_key key;
	struct rand *rnd;
	struct net *net;
	const struct net_sock_ops *sock_ops;
	size_t count, max;
	unsigned max_ports;	/* per destination */
	struct dests_stats stats;
};

/* At most MAX destinations with MAX_PORTS sockets each; sockets are made with
 * SOCK_OPS and their struct port as user. */
bool dests_init(struct dests *ds, struct net *net,
    const struct net_sock_ops *sock_ops, struct rand *rnd, size_t max,
    unsigned max_ports) __attribute__((warn_unused_result));

/* Closes all; nothing may be under way. */
void dests_fini(struct dests *ds);

/* The destination at A, made when it is new; NULL when the table is full of
 * destinations in use or there is no memory. GUEST: a client has named it, not
 * the configuration; guests leave a quarter of the table to the others. */
struct dest *dest_get(struct dests *ds, const struct addr *a, bool guest,
    uint64_t now);

/* The port to send from; NULL with errno when no socket can be had, or with
 * errno EBUSY while all Message IDs are leased. */
struct port *dest_port(struct dest *d, uint64_t now);

/* The Message IDs of the current port are leased: the next dest_port() gives
 * another one. False when there is none to be had. */
bool dest_next_port(struct dest *d, uint64_t now);

/* Closes destinations not used since BEFORE and without anything under way. */
void dests_expire(struct dests *ds, uint64_t before);

#endif
