/*
 * fakenet: a network and a resolver that do what a test says.
 *
 * Nothing is delivered by itself: what was sent is kept for the test to look
 * at, and what arrives is what the test hands in.
 */
#ifndef TESTS_UNIT_FAKENET_H
#define TESTS_UNIT_FAKENET_H

#include "base/list.h"
#include "net/net.h"

enum {
	FAKE_SENT_MAX = 32,
	FAKE_NAME_MAX = 64,
};

struct fakenet;

/* A socket; a closed one stays, to be looked at, until fakenet_fini(). */
struct net_sock {
	struct list link;
	struct fakenet *fn;
	const struct net_sock_ops *ops;	/* NULL once closed */
	void *user;
	struct addr peer;	/* family 0: not connected */
	struct addr local;
};

struct fake_sent {
	struct net_sock *sock;
	struct addr to;		/* the peer on a connected socket */
	struct addr local;	/* as send() was told; family 0: not */
	size_t n;
	uint8_t octets[BUF_LARGE];
};

struct fakenet {
	struct net net;
	struct list socks;	/* oldest first */
	unsigned made, open;
	int connect_errno;	/* 0: sockets can be had */
	uint8_t connect_family;	/* the one that fails; 0: both */
	bool moved;		/* our addresses end in 9 instead of 1 */
	size_t nsent;		/* the last FAKE_SENT_MAX are kept */
	struct fake_sent sent[FAKE_SENT_MAX];
};

void fakenet_init(struct fakenet *fn);

/* Every socket must have been closed. */
void fakenet_fini(struct fakenet *fn);

/* A socket that is not connected. */
struct net_sock *fakenet_listen(struct fakenet *fn, const struct addr *local,
    const struct net_sock_ops *ops, void *user);

/* The N-th socket made, from 0. */
struct net_sock *fakenet_sock(struct fakenet *fn, unsigned n);

/* The N-th datagram sent, from 0, and the last one. */
const struct fake_sent *fakenet_sent(const struct fakenet *fn, size_t n);
const struct fake_sent *fakenet_last(const struct fakenet *fn);

/* A datagram from the peer of the connected socket S. */
void fakenet_input(struct net_sock *s, struct span datagram, uint64_t now);

/* What was sent as D met with ERR, of which the first N octets tell. */
void fakenet_error(const struct fake_sent *d, size_t n, int err,
    uint64_t now);

/* "192.0.2.1" or "2001:db8::1" with PORT. */
struct addr fake_addr(const char *ip, uint16_t port);

/* A resolver that knows one name at a time and looks up one at a time. */
struct fakeresolver {
	struct resolver resolver;
	char name[FAKE_NAME_MAX];	/* the name that is cached */
	struct addr addrs[RESOLVE_MAX_ADDRS];
	int naddrs;			/* -1: known not to exist */
	bool refuse;			/* start() returns NULL */
	unsigned started, cancelled;
	struct resolve *running;
};

void fakeresolver_init(struct fakeresolver *fr);
void fakeresolver_fini(struct fakeresolver *fr);

/* Puts NAME, with as many of A and B as are not NULL, into the cache. */
void fakeresolver_know(struct fakeresolver *fr, const char *name,
    const char *a, const char *b);

/* Ends the look-up that runs with RESULT, and with what is cached for OK. */
void fakeresolver_finish(struct fakeresolver *fr, enum resolve_result result,
    uint64_t now);

#endif
