/*
 * server: the CoAP front end.
 *
 * Listening sockets on one side, the proxy on the other, the message layer in
 * between. It implements the proxy's front_ops.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/buf.h"
#include "base/rand.h"
#include "base/timer.h"
#include "msg/datagram.h"
#include "net/net.h"
#include "proxy/proxy.h"

struct server;
struct listener;

struct server_stats {
	uint64_t rx_multicast;	/* sent to a group: ignored */
	uint64_t rx_port_zero;
	uint64_t peers_full;
	uint64_t retired;	/* requests to a listener that is going */
	uint64_t left;		/* requests for the next process */
};

/* What came in at one listening socket, and led to no request. */
struct listener_stats {
	uint64_t group, port_zero, no_room;	/* as above */
	uint64_t ignored, malformed, truncated, unexpected;	/* as in struct
								 * dgram_stats */
	uint64_t pings, duplicates, refused;
};

/* A front end for PROXY. Everything is borrowed for its life; NULL without
 * memory. */
struct server *server_new(const struct msg_params *params,
    struct timers *timers, struct buf_pool *bufs, struct rand *rnd,
    struct proxy *proxy);

/* The proxy must have dropped every request. */
void server_free(struct server *s);

/* Prepares a listening socket; INDEX is its [listen] section's. To be created
 * with server_sock_ops and the listener as user, and then given to
 * listener_open(). NULL without memory. */
struct listener *server_add_listener(struct server *s, unsigned index,
    enum coap_scheme scheme);
extern const struct net_sock_ops server_sock_ops;
void listener_open(struct listener *l, struct net *net, struct net_sock *sock);

/* Calls FN for every listening socket: SOCK, of the [listen] section INDEX. Not
 * for what has been retired. */
void server_each_listener(struct server *s,
    void (*fn)(void *arg, unsigned index, const struct net_sock *sock,
	const struct listener_stats *stats),
    void *arg);

/* L is of the [listen] section INDEX from now on, in use, also if it has been
 * retired. */
void listener_keep(struct listener *l, unsigned index);

/* No section has L any more: requests get 5.03, who waits for an answer is
 * still answered. Its observers are the proxy's to part with. */
void listener_retire(struct listener *l);

/* Another process will have L's socket soon: a confirmable request, which will be
 * repeated, is left to it, and gets nothing. */
void listener_leave(struct listener *l);

/* L, open, gets what is for either family. */
void listener_dual(struct listener *l);

/* L has been retired, and others are in use that have, or have among others,
 * its address, or one of its addresses: they take over what is known of clients
 * there, and what they are owed. What still comes in at L's socket has to be
 * brought by server_leaving_ops: it goes to them. */
void listener_hand_over(struct listener *l);
extern const struct net_sock_ops server_leaving_ops;

/* Whether L, retired, is still needed to say something. Looks at all there is:
 * to be asked now and then. */
bool listener_owes(const struct listener *l);

/* Closes L, which has been retired; it is not to be used any more. */
void listener_close(struct listener *l);

/* Forgets listeners that are closed and have no client left that something is
 * remembered of. Whether there are others. */
bool server_sweep(struct server *s);

/* PARAMS have changed. */
void server_reload(struct server *s, uint64_t now);

/* What is noted of clients that the amplification limit is not for may be
 * wrong by now. */
void server_forget_notes(struct server *s);

/* Closes every listening socket. */
void server_close(struct server *s);

const struct server_stats *server_stats(const struct server *s);
struct dgram *server_dgram(struct server *s);

#endif
