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

#include "base/hash.h"
#include "base/table.h"
#include "base/timer.h"
#include "msg/peer.h"
#include "net/net.h"
#include "upstream/flow.h"

struct dest;
struct dests;

struct port {
	struct list link;	/* in its destination */
	struct dest *dest;
	struct net_sock *sock;
	struct peer peer;
	uint64_t serial;	/* from 1; never used again */
	uint64_t used;		/* when last the current one, ms */
	/* What fits nothing we have sent (client.c) ... */
	uint32_t strays;
	uint64_t strays_since;	/* ... from then on, ms */
	uint64_t strays_rx;	/* messages received before that */
};

struct dest {
	struct table_node node;
	struct list lru;
	struct list crowded;	/* in the list of those with several ports */
	struct dests *dests;
	struct addr addr;
	struct flow flow;
	struct timer wake;	/* the queue may go on */
	bool told_silent;	/* what operators have heard of flow.silent */
	bool doubted;		/* see dest_doubt() */
	struct list ports;	/* the current one first */
	unsigned nports;
	uint64_t used;		/* when last sent to, or seen busy, ms */
	uint64_t closed_until;	/* no Message ID before then */
};

struct dests_stats {
	uint64_t opened, closed;	/* ports */
	uint64_t refused;		/* no destination or port to be had */
};

struct dests_conf {
	size_t max;		/* destinations */
	unsigned max_ports;	/* of each */
	size_t max_waiting;	/* requests in all queues */
	const struct flow_conf *flow;
	struct net *net;
	const struct net_sock_ops *sock_ops;	/* user: the struct port */
	timer_fn wake;		/* of dest.wake */
	struct rand *rnd;
};

struct dests {
	struct table table;
	struct list lru;	/* longest unused first */
	struct list crowded;
	struct hash_key key;
	struct dests_conf conf;
	struct flows flows;
	size_t count;
	uint64_t serial;	/* of the port opened last */
	struct dests_stats stats;
};

/* Everything in CONF is borrowed. */
bool dests_init(struct dests *ds, const struct dests_conf *conf)
    __attribute__((warn_unused_result));

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

/* The port SERIAL of D, if it is still open and has a Message ID, or NULL. */
struct port *dest_port_again(struct dest *d, uint64_t serial, uint64_t now);

/* The network of D cannot be reached: is our own address still the one that its
 * current port is bound to? The next dest_port() finds out, and gives a new one
 * if not, which may be one more than max_ports. */
void dest_doubt(struct dest *d);

/* The Message IDs of the current port are leased: the next dest_port() gives
 * another one. False with errno EBUSY when there is none to be had. */
bool dest_next_port(struct dest *d, uint64_t now);

/* The destination at A, if there is one. */
const struct dest *dest_find(const struct dests *ds, const struct addr *a);

/* Closes what has not been used since BEFORE and has nothing under way:
 * destinations, and ports of those that have several. */
void dests_expire(struct dests *ds, uint64_t before);

/* Destinations whose server is silent. */
size_t dests_silent(const struct dests *ds);

/* Calls FN for every port there is; FN opens and closes none. */
void dests_each(struct dests *ds, void (*fn)(const struct port *, void *),
    void *arg);

#endif
