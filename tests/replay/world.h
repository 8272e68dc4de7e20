/*
 * world: the proxy in a box.
 *
 * Everything of the daemon but its sockets, its resolver and its clock: those
 * are made up here, so that a run needs no time, no network and no luck. A
 * datagram that the proxy sends to itself arrives; all others wait until they
 * are taken out.
 */
#ifndef TESTS_REPLAY_WORLD_H
#define TESTS_REPLAY_WORLD_H

#include "base/list.h"
#include "conf/conf.h"
#include "net/net.h"
#include "server/server.h"
#include "upstream/client.h"

/* A datagram the proxy sent. */
struct packet {
	struct list link;
	struct addr from, to;
	uint64_t at;
	uint64_t turn;		/* of the loop: one datagram, or timers once */
	size_t n;
	uint8_t octets[];
};

/* A line of the access log. */
struct logged {
	struct list link;
	size_t n;
	char text[];
};

/* What the made-up resolver says of a name. */
enum world_name {
	WORLD_NAME_OK,		/* its addresses, when asked */
	WORLD_NAME_CACHED,	/* likewise, without asking */
	WORLD_NAME_NOWHERE,	/* it does not exist */
	WORLD_NAME_SILENT,	/* nothing: time-out after 5 s */
};

/* A configuration in use, or used by what began under it. */
struct world_conf {
	struct list link;
	struct world *world;
	struct conf *conf;
	struct access *access;
	struct proxy_conf proxy;
};

/* A listening socket. */
struct world_listener {
	struct list link;
	struct listener *listener;
	struct addr addr;	/* as configured */
	bool retired;
};

struct world {
	uint64_t now;
	struct timers timers;
	struct rand rnd;
	struct buf_pool *bufs;
	struct conf *conf;	/* the first */
	struct msg_params params;	/* in use */
	struct span *names;
	struct list confs;	/* those in use; the last is the newest */
	struct list listeners;
	unsigned nids;		/* of listeners */
	bool observes;		/* observers as configured, not none */
	bool strangers;		/* amplification as configured, not off */
	bool caches;		/* likewise the cache */
	bool logs;		/* likewise the access log */
	struct self self;
	struct client_conf client_conf;
	struct proxy *proxy;
	struct client *client;
	struct server *server;
	struct net net;
	struct resolver resolver;
	struct list socks;
	struct list out;	/* struct packet, in the order sent */
	struct list hosts;	/* names */
	uint64_t lookups;	/* names asked for */
	struct list lines;	/* struct logged, in order */
	uint16_t next_port;
	uint64_t turns;		/* of the loop, so far */
	struct list late;	/* struct packet, refused with EAGAIN */
	struct list refused;	/* those refused otherwise, to be reported */
	unsigned spared;	/* datagrams that will still leave, before */
	unsigned failing;	/* ... so many meet with */
	int why_failing;	/* ... this */
	unsigned spared_sockets;	/* that can be had, before */
	unsigned no_sockets;	/* ... so many cannot */
	char why[1024];		/* what is wrong, after a failure */
};

/* What time it is when a world begins, ms. */
extern uint64_t world_start;

/* A proxy with the configuration TEXT of the file NAME, random numbers from
 * SEED; false with the reason in W->why. */
bool world_init(struct world *w, const char *name, const char *text,
    uint64_t seed);
void world_fini(struct world *w);

/* TEXT takes the place of the configuration in use. */
bool world_reload(struct world *w, const char *name, const char *text);

/* NAME has these addresses from now on. */
void world_name(struct world *w, struct span name, enum world_name how,
    const struct addr *v, size_t n);

/* A datagram arrives. It is lost, false, when the proxy has no socket for
 * it. */
bool world_input(struct world *w, const struct addr *from,
    const struct addr *to, struct span datagram);

/* The kernel reports ERR on every socket connected to REMOTE, for the last
 * datagram it sent. */
void world_error(struct world *w, const struct addr *remote, int err);

/* Likewise, for a datagram that begins with QUOTED, 4 octets or more: whoever
 * knows the ports can say so. */
void world_forge_error(struct world *w, const struct addr *remote, int err,
    struct span quoted);

/* The proxy sends SPARED datagrams, and then N that meet with ERR: EAGAIN, and
 * they leave as soon as time goes on, otherwise they are lost, which who sent
 * them is told by a connected socket. */
void world_fail_sends(struct world *w, unsigned spared, unsigned n, int err);

/* Lets time pass up to the next moment at which something may happen, but not
 * beyond UNTIL. */
void world_step(struct world *w, uint64_t until);

/* Lets time pass while the process stands still. */
void world_stop(struct world *w, uint64_t ms);

/* The next datagram the proxy has sent, or NULL; to be freed with free(). */
struct packet *world_take(struct world *w);

/* The next line of the access log, or NULL; to be freed with free(). */
struct logged *world_logged(struct world *w);

/* Whether the proxy holds nothing any more; else W->why says what. */
bool world_idle(struct world *w);

#endif
