/* world_net: the made-up network, as world.c sets it up. */
#ifndef TESTS_REPLAY_WORLD_NET_H
#define TESTS_REPLAY_WORLD_NET_H

#include "world.h"

extern const struct net_ops world_net_ops;
extern const struct resolver_ops world_resolver_ops;

/* A listening socket. */
struct net_sock *world_bind(struct world *w, const struct addr *local,
    const struct net_sock_ops *ops, void *user);

/* Closes listening sockets that nothing is owed at any more. */
void world_sweep(struct world *w);

/* What was refused with EAGAIN leaves. */
void world_retry(struct world *w);

void world_free_names(struct world *w);

#endif
