/*
 * sources: what can be looked at, and what can be done.
 *
 * Given by whoever built everything (main/); read each time somebody asks, so
 * what changes there shows here.
 */
#ifndef CTL_SOURCES_H
#define CTL_SOURCES_H

#include "net/loop.h"
#include "net/resolve.h"
#include "net/udp.h"
#include "proxy/proxy.h"
#include "server/server.h"
#include "upstream/client.h"

/* How the configuration came to be in force. */
struct ctl_config {
	const char *file;
	unsigned generation;	/* from 1 */
	uint64_t loaded_ms;	/* since 1970 UTC */
	uint64_t reloads, refused;	/* since the start: taken into use, or
					 * not */
	bool last_refused;	/* the last reload was */
};

struct listener_sum;

struct sources {
	const char *version;
	const char *name;	/* of the proxy, as in diagnostics */
	uint64_t started_ms;	/* since 1970 UTC */
	uint64_t began;		/* then, by clock_ms() */
	const char *addresses;	/* bound, as URIs, separated by blanks */
	struct ctl_config config;
	/* By index of their [listen]; [route]s in order. */
	const char *const *listeners;
	size_t nlisteners;
	/* What to add to what their sockets have counted (ctl/sums.h), or
	 * NULL. */
	const struct listener_sum *carried;
	const struct rules *rules;
	struct loop *loop;
	struct udp *udp;
	struct proxy *proxy;
	struct server *server;
	struct client *client;
	struct resolver *resolver;
	const struct buf_pool *bufs;
};

/* What an operator can have done. */
struct ctl_actions {
	void *user;
	/* Takes the configuration into use anew. *TEXT is what there is to say
	 * about it, lines for the operator; owned by the caller, may be NULL.
	 * False: nothing has changed. NULL: not in this build. */
	bool (*reload)(void *user, char **text);
	/* Drains and ends, as upon SIGTERM. */
	void (*drain)(void *user);
};

#endif
