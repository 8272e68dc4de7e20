/*
 * watch: observers among the clients: what the proxy knows of one, and what the
 * message layer does, are one object here.
 */
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include "base/pool.h"
#include "msg/datagram.h"
#include "proxy/front.h"

/* All observers of one front end. */
struct watches {
	struct dgram *dgram;
	struct pool pool;
};

/* At most MAX of them. */
void watches_init(struct watches *ws, struct dgram *dgram, size_t max);
void watches_limit(struct watches *ws, size_t max);
void watches_fini(struct watches *ws);

/* As in struct front_ops, for the client and the token of a request. */
struct observer *watch_observe(struct watches *ws, struct peer *p,
    struct span token);
struct observer *watch_find(const struct peer *p, struct span token);
struct observer *watch_mate(const struct peer *p,
    const struct observation *of);
void watch_notify(struct observer *o, uint64_t now);
void watch_unobserve(struct observer *o);

/* O's client. */
struct peer *watch_peer(const struct observer *o);

/* As in struct dgram_ops. */
void watch_notice(void *user, struct note *n, struct dgram_notice *out,
    uint64_t now);
bool watch_behind(void *user, struct note *n);
void watch_gone(void *user, struct note *n, enum note_end why, uint64_t now);

#endif
