/*
 * net: what the layers above see of the network.
 *
 * server/ and upstream/ use these three small interfaces and nothing else, so
 * that tests run them over a fake, lossy network and a fake clock. udp.c and
 * resolve.c are the real thing.
 *
 * The contract of every asynchronous call here: it never calls back before it
 * returns; it calls back exactly once, unless cancelled; after cancel, never.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/span.h"

struct net_sock;	/* a UDP socket */

/* What a socket tells its user. */
struct net_sock_ops {
	/* A datagram from FROM that was sent to TO (on a connected socket both
	 * are the fixed ends). DATAGRAM is borrowed until return. TRUNCATED:
	 * it was longer than a receive slot and its tail is lost. NOW is the
	 * loop turn's time. */
	void (*input)(void *user, const struct addr *from,
	    const struct addr *to, struct span datagram, bool truncated,
	    uint64_t now);
	/* A datagram of ours met with ERR (an errno value: ECONNREFUSED,
	 * EHOSTUNREACH, ...) on a connected socket: the network said so, or
	 * it could not be sent. QUOTED is how that datagram began, 4 octets or
	 * more (octets that are not ours may follow those of a short one);
	 * borrowed until return. May be NULL. */
	void (*error)(void *user, int err, struct span quoted, uint64_t now);
};

/* Makes sockets. */
struct net {
	const struct net_ops *ops;
};

struct net_ops {
	/* A socket connected to PEER, from a port the kernel chooses. NULL
	 * with errno when it cannot be had. */
	struct net_sock *(*connect)(struct net *net, const struct addr *peer,
	    const struct net_sock_ops *ops, void *user);
	/* Queues B to go from LOCAL (an address of this host, as reported in
	 * input(); NULL on a connected socket) to TO at the end of the loop
	 * turn. Takes a reference of its own. */
	void (*send)(struct net_sock *s, const struct addr *to,
	    const struct addr *local, struct buf *b);
	/* Closes S once what it queued has been handed to the kernel; no
	 * callback after this. */
	void (*close)(struct net_sock *s);
	/* The address S is bound to. */
	void (*local)(const struct net_sock *s, struct addr *out);
};

/* Looking up names. */
struct resolver {
	const struct resolver_ops *ops;
};

enum resolve_result {
	RESOLVE_OK,
	RESOLVE_NOT_FOUND,	/* the name has no address */
	RESOLVE_TIMEOUT,	/* nobody answered in time */
	RESOLVE_BUSY,		/* too many look-ups under way */
};

enum { RESOLVE_MAX_ADDRS = 8 };

/* ADDRS (ports zero) are borrowed until return; N is 0 unless OK. */
typedef void (*resolve_fn)(void *user, enum resolve_result result,
    const struct addr *addrs, size_t n, uint64_t now);

struct resolve;		/* one look-up under way */

struct resolver_ops {
	/* What is known without asking: an answer still fresh in the cache.
	 * Copies at most RESOLVE_MAX_ADDRS to OUT and returns their number,
	 * 0 when it must be asked, -1 when the name is known not to exist. */
	int (*cached)(struct resolver *r, struct span name, struct addr *out,
	    uint64_t now);
	/* Starts a look-up of NAME (copied); NULL when it cannot be started
	 * (too many, or no memory). */
	struct resolve *(*start)(struct resolver *r, struct span name,
	    resolve_fn fn, void *user);
	void (*cancel)(struct resolve *q);
};

#endif
