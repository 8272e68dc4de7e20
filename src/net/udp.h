/*
 * udp: UDP sockets on the loop; the real struct net.
 *
 * Batches both ways: one recvmmsg per readable socket and turn (small at
 * first, growing while batches come back full, so that few requests in flight
 * do not move as a convoy), and one sendmmsg flush per socket at the end of
 * the turn. A reply leaves from the address its request came to, on wildcard
 * and dual-stack sockets too (PRX-104).
 *
 * An error from the kernel costs at most the datagram it is about (MSG-80).
 * ops->error is called for each datagram the kernel refused and for each ICMP
 * error that quotes enough of one: when the socket is read, or after the flush
 * has sent everything it could, never from inside send() or close(). What an
 * error callback sends leaves in the next turn, which follows at once. Of
 * datagrams that left as one (net/sendq.h) a peer on this host, which gets them
 * as one, has only the first refused by ICMP.
 * Datagrams that came by broadcast or multicast are delivered, with that
 * address as TO.
 */
#ifndef NET_UDP_H
#define NET_UDP_H

#include "net/loop.h"
#include "net/net.h"

struct udp;

struct udp_stats {
	uint64_t rx_datagrams, rx_octets;
	uint64_t tx_datagrams, tx_octets;
	uint64_t tx_dropped;	/* queue full, or refused by the kernel */
	uint64_t rx_overflow;	/* dropped by the kernel, its queue full */
};

/* A factory of sockets on L. NULL without memory. */
struct udp *udp_new(struct loop *l);

/* Every socket must have been closed; what is still queued is sent first, as
 * far as the kernel takes it. */
void udp_free(struct udp *u);

struct net *udp_net(struct udp *u);

/* A bound, unconnected socket at LOCAL (port 0: the kernel chooses). An
 * address of family 0 means any, IPv4 and IPv6 on one socket (IPv4 only where
 * the host has no IPv6). NULL with errno when it cannot be had. */
struct net_sock *udp_bind(struct udp *u, const struct addr *local,
    const struct net_sock_ops *ops, void *user);

/* Likewise, at a port that the N sockets OTHERS, to be closed soon, may have
 * already: each of two such sockets gets what is for its address, the one that
 * has only that before one that has all. */
struct net_sock *udp_bind_beside(struct udp *u, const struct addr *local,
    struct net_sock *const *others, size_t n, const struct net_sock_ops *ops,
    void *user);

/* What S tells goes to USER by OPS from now on. */
void udp_redirect(struct net_sock *s, const struct net_sock_ops *ops,
    void *user);

/* What is sent to S, not connected, from now on goes to another socket that is
 * bound to its port, if there is one; what has come in is still read. */
void udp_deafen(struct net_sock *s);

/* Whether something that has come in at S waits to be read. */
bool udp_waiting(const struct net_sock *s);

/* Takes over FD, a bound UDP socket from the service manager; it is closed on
 * failure too. NULL with errno. */
struct net_sock *udp_adopt(struct udp *u, int fd,
    const struct net_sock_ops *ops, void *user);

/* The descriptor of S, which stays its own. */
int udp_fd(const struct net_sock *s);

struct udp_stats udp_sock_stats(const struct net_sock *s);

/* A datagram that has come in, or has been queued to go out. */
struct udp_seen {
	struct addr local, remote;
	struct span datagram;
	bool out;
	bool connected;		/* its socket is (net_ops->connect) */
};

typedef void (*udp_seen_fn)(void *user, const struct udp_seen *seen);

/* From now on FN is told of every datagram, borrowed; NULL: nobody. It uses no
 * socket. Costs one test for each batch and for each datagram sent while nobody
 * watches. */
void udp_watch(struct udp *u, udp_seen_fn fn, void *user);

/* Sends everything queued; the loop does it by itself at each turn's end. */
void udp_flush(struct udp *u);

#endif
