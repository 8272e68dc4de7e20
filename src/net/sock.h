/*
 * sock: UDP sockets as the kernel has them.
 *
 * Makes, binds and connects descriptors, and knows the control messages that
 * say which of our addresses a datagram was sent to or is to leave from, and
 * the queue of errors. All descriptors are non-blocking and closed on exec.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/addr.h"

enum {
	SOCK_RX_CONTROL = CMSG_SPACE(sizeof(struct in_pktinfo)) +
	    CMSG_SPACE(sizeof(struct in6_pktinfo)),
	SOCK_TX_CONTROL = CMSG_SPACE(sizeof(struct in6_pktinfo)),
	SOCK_TRAIN_OCTETS = 65000,	/* at most, over IPv6 as well */
	SOCK_TRAIN_COUNT = 64,		/* UDP_MAX_SEGMENTS of old kernels */
	SOCK_QUOTED = 64,
};

struct sock {
	int fd;
	bool inet6;		/* AF_INET6: IPv4 goes as mapped addresses */
	bool connected;
	bool wildcard;		/* the source of a reply must be said */
	bool trains;		/* connected, and sock_write_train() works */
	struct addr local;	/* what it is bound to */
};

/* What the network said of a datagram. */
struct sock_error {
	int err;		/* 0: nothing to act upon */
	size_t n;
	uint8_t quoted[SOCK_QUOTED];	/* how the datagram began: N octets */
};

/* Binds to LOCAL; family 0 means any address of both families. False with
 * errno. */
bool sock_bind(struct sock *k, const struct addr *local);

/* Likewise, although others of the same port that mind sharing it no more than
 * K does cover LOCAL, or are covered. */
bool sock_bind_beside(struct sock *k, const struct addr *local);

/* Whether K minds that; not by default. Linux asks when a socket is bound, and
 * then only: whoever minds again has a port that nobody else gets. */
bool sock_share(const struct sock *k, bool on);

/* From now on nothing comes in at the unconnected K; what has can be read. */
bool sock_deafen(const struct sock *k);

/* Connects to PEER from a port the kernel chooses. False with errno. */
bool sock_connect(struct sock *k, const struct addr *peer);

/* Takes FD, a bound and unconnected UDP socket, also on failure. False with
 * errno. */
bool sock_adopt(struct sock *k, int fd);

void sock_close(struct sock *k);

/* Reads the control messages of M, received on the wildcard K (others get what
 * was sent to their own address): TO becomes the address the datagram was sent
 * to, with the port of K. An IPv4 broadcast, also one directed to a subnet,
 * becomes 255.255.255.255: nothing else tells it from a host. */
void sock_read_control(const struct sock *k, struct msghdr *m,
    struct addr *to);

/* How many datagrams the kernel had no room for; it counts in 32 bits. */
uint32_t sock_lost(const struct sock *k);

/* Writes to CONTROL (SOCK_TX_CONTROL octets, aligned) the message that makes a
 * datagram leave from LOCAL. Returns its length, 0 when the kernel is to choose
 * (LOCAL cannot be a source, or K has only one). */
size_t sock_write_source(const struct sock *k, const struct addr *local,
    void *control);

/* Writes to CONTROL (likewise) the message that has the kernel cut what is sent
 * with it into datagrams of LEN octets, the last of which may be shorter.
 * Returns its length. */
size_t sock_write_train(uint16_t len, void *control);

/* Takes the oldest error off the queue of the connected K; false when there is
 * none. Time Exceeded and what is not the network's own answer have an err of 0
 * (MSG-77). */
bool sock_take_error(const struct sock *k, struct sock_error *e);

#endif
