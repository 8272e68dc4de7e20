/*
 * leave: one of several sockets is going to be closed.
 */
#include "msg/core.h"

struct search {
	const void *io;
	bool found;
};

static void
look_at_received(struct table_node *n, void *arg)
{
	const struct received *r = CONTAINER_OF(n, struct received, node);
	struct search *s = arg;

	s->found = s->found ||
	    (r->peer->io == s->io && r->state != RECEIVED_REPLIED);
}

static void
look_at_peer(const struct peer *p, void *arg)
{
	struct search *s = arg;

	s->found = s->found ||
	    (p->io == s->io && (p->separate > 0 || p->notes != NULL));
}

bool
dgram_owes(struct dgram *d, const void *io)
{
	struct search s = { .io = io };
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->received.orphans)
		if (CONTAINER_OF(it, struct received, link)->peer->io == io)
			return true;
	peers_each(&d->peers, look_at_peer, &s);
	if (!s.found)
		table_each(&d->received.table, look_at_received, &s);
	return s.found;
}
