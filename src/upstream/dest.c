/*
 * dest: destinations and their sockets.
 */
#include "upstream/dest.h"

#include <errno.h>
#include <stdlib.h>

enum { CLOSED_MS = 1000 };	/* between looks for a free Message ID */

bool
dests_init(struct dests *ds, struct net *net,
    const struct net_sock_ops *sock_ops, struct rand *rnd, size_t max,
    unsigned max_ports)
{
	*ds = (struct dests){
		.key = rand_key(rnd),
		.rnd = rnd,
		.net = net,
		.sock_ops = sock_ops,
		.max = max,
		.max_ports = max_ports,
	};
	list_init(&ds->lru);
	return table_init(&ds->table, 64);
}

static struct port *
port_of(struct list *l)
{
	return CONTAINER_OF(l, struct port, link);
}

static void
port_close(struct dests *ds, struct port *p)
{
	ds->net->ops->close(p->sock);
	ds->stats.closed++;
	list_del(&p->link);
	free(p);
}

static void
dest_close(struct dest *d)
{
	struct dests *ds = d->dests;
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->ports)
		port_close(ds, port_of(it));
	table_remove(&ds->table, &d->node);
	list_del(&d->lru);
	ds->count--;
	free(d);
}

/* Nothing under way, and nothing remembered, on any port. */
static bool
dest_idle(struct dest *d)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->ports)
		if (port_of(it)->peer.refs > 0)
			return false;
	return true;
}

void
dests_fini(struct dests *ds)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &ds->lru)
		dest_close(CONTAINER_OF(it, struct dest, lru));
	table_fini(&ds->table);
}

void
dests_expire(struct dests *ds, uint64_t before)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &ds->lru) {
		struct dest *d = CONTAINER_OF(it, struct dest, lru);

		if (d->used >= before)
			return;
		if (dest_idle(d))
			dest_close(d);
	}
}

static void
dest_used(struct dest *d, uint64_t now)
{
	list_del(&d->lru);
	list_add_tail(&d->dests->lru, &d->lru);
	d->used = now;
}

/* Closes the longest unused destination that is idle. Looks at a few only: at
 * the limit this is asked for every new origin. Those under way count as used,
 * or a few slow origins would stand in front of all that are idle. */
static bool
make_room(struct dests *ds, const struct dest *keep, uint64_t now)
{
	for (unsigned tries = 8; tries > 0 && !list_empty(&ds->lru); tries--) {
		struct dest *d = CONTAINER_OF(ds->lru.next, struct dest, lru);

		if (d != keep && dest_idle(d)) {
			dest_close(d);
			return true;
		}
		dest_used(d, now);
	}
	return false;
}

static struct dest *
dest_new(struct dests *ds, const struct addr *a, uint64_t hash, size_t max,
    uint64_t now)
{
	struct dest *d;

	if (ds->count >= max && !make_room(ds, NULL, now))
		return NULL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->dests = ds;
	d->addr = *a;
	list_init(&d->ports);
	list_add_tail(&ds->lru, &d->lru);
	table_insert(&ds->table, &d->node, hash);
	ds->count++;
	return d;
}

struct dest *
dest_get(struct dests *ds, const struct addr *a, bool guest, uint64_t now)
{
	size_t max = guest ? ds->max - ds->max / 4 : ds->max;
	uint64_t hash = siphash(&ds->key, addr_span(a));
	struct table_node *n = table_find(&ds->table, hash);
	struct dest *d = NULL;

	for (; n != NULL && d == NULL; n = table_find_next(n)) {
		d = CONTAINER_OF(n, struct dest, node);
		if (!addr_eq(&d->addr, a))
			d = NULL;
	}
	if (d == NULL)
		d = dest_new(ds, a, hash, max, now);
	if (d == NULL) {
		ds->stats.refused++;
		return NULL;
	}
	/* The order matters to the second, not to the request. */
	if (now - d->used >= 1000)
		dest_used(d, now);
	return d;
}

/* No socket could be had. Where the host is short of something, one that is
 * idle is closed: it is gone at the end of the turn, for the next who asks. */
static void
no_socket(struct dest *d, int err, uint64_t now)
{
	d->dests->stats.refused++;
	if (err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM)
		make_room(d->dests, d, now);
	errno = err;
}

static struct port *
port_open(struct dest *d, uint64_t now)
{
	struct dests *ds = d->dests;
	struct port *p = calloc(1, sizeof(*p));
	struct addr local;

	if (p == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	p->dest = d;
	p->sock = ds->net->ops->connect(ds->net, &d->addr, ds->sock_ops, p);
	if (p->sock == NULL) {
		int err = errno;

		free(p);
		no_socket(d, err, now);
		return NULL;
	}
	ds->net->ops->local(p->sock, &local);
	peer_init(&p->peer, &d->addr, &local, p, ds->rnd);
	list_add_head(&d->ports, &p->link);
	d->nports++;
	ds->stats.opened++;
	return p;
}

struct port *
dest_port(struct dest *d, uint64_t now)
{
	if (now < d->closed_until) {
		errno = EBUSY;
		return NULL;
	}
	if (list_empty(&d->ports))
		return port_open(d, now);
	return port_of(d->ports.next);
}

bool
dest_next_port(struct dest *d, uint64_t now)
{
	struct list *it, *tmp;
	struct port *p;

	LIST_FOREACH_SAFE (it, tmp, &d->ports) {
		p = port_of(it);
		if (mids_open(&p->peer.mids, now)) {
			list_del(&p->link);
			list_add_head(&d->ports, &p->link);
			return true;
		}
	}
	if (d->nports < d->dests->max_ports && port_open(d, now) != NULL)
		return true;
	d->closed_until = now + CLOSED_MS;
	return false;
}
