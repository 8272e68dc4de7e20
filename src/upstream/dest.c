/*
 * dest: destinations and their sockets.
 */
#include "upstream/dest.h"

#include <errno.h>
#include <stdlib.h>

enum { CLOSED_MS = 1000 };	/* between looks for a free Message ID */

bool
dests_init(struct dests *ds, const struct dests_conf *conf)
{
	*ds = (struct dests){ .conf = *conf };
	hash_key_init(&ds->key, conf->rnd);
	list_init(&ds->lru);
	list_init(&ds->crowded);
	if (!flows_init(&ds->flows, conf->flow, conf->max_waiting, conf->rnd))
		return false;
	if (table_init(&ds->table, 64))
		return true;
	flows_fini(&ds->flows);
	return false;
}

static struct port *
port_of(struct list *l)
{
	return CONTAINER_OF(l, struct port, link);
}

static void
port_close(struct dests *ds, struct port *p)
{
	struct dest *d = p->dest;

	ds->conf.net->ops->close(p->sock);
	ds->stats.closed++;
	list_del(&p->link);
	if (--d->nports <= 1)
		list_del(&d->crowded);
	free(p);
}

static void
dest_close(struct dest *d)
{
	struct dests *ds = d->dests;
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->ports)
		port_close(ds, port_of(it));
	timer_stop(&d->wake);
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

	if (d->flow.waiting > 0 || d->flow.outstanding > 0)
		return false;
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
	flows_fini(&ds->flows);
}

/* Ports beyond the current one, once the rate that needed them is over. Not
 * earlier: only after EXCHANGE_LIFETIME may another socket with the same number
 * use the same Message IDs. */
static void
close_idle_ports(struct dest *d, uint64_t before)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->ports) {
		struct port *p = port_of(it);

		if (it != d->ports.next && p->used < before &&
		    p->peer.refs == 0)
			port_close(d->dests, p);
	}
}

void
dests_expire(struct dests *ds, uint64_t before)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &ds->crowded)
		close_idle_ports(CONTAINER_OF(it, struct dest, crowded),
		    before);
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
	flow_init(&d->flow, &ds->flows);
	timer_init(&d->wake, ds->conf.wake);
	list_init(&d->crowded);
	list_init(&d->ports);
	list_add_tail(&ds->lru, &d->lru);
	table_insert(&ds->table, &d->node, hash);
	ds->count++;
	return d;
}

static struct dest *
find(const struct dests *ds, const struct addr *a, uint64_t hash)
{
	struct table_node *n = table_find(&ds->table, hash);

	for (; n != NULL; n = table_find_next(n)) {
		struct dest *d = CONTAINER_OF(n, struct dest, node);

		if (addr_eq(&d->addr, a))
			return d;
	}
	return NULL;
}

const struct dest *
dest_find(const struct dests *ds, const struct addr *a)
{
	return find(ds, a, hash_addr(&ds->key, a));
}

struct dest *
dest_get(struct dests *ds, const struct addr *a, bool guest, uint64_t now)
{
	size_t max = guest ? ds->conf.max - ds->conf.max / 4 : ds->conf.max;
	uint64_t hash = hash_addr(&ds->key, a);
	struct dest *d = find(ds, a, hash);

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

/* With a socket, bound to *LOCAL; NULL with errno. */
static struct port *
port_new(struct dest *d, struct addr *local)
{
	struct net *net = d->dests->conf.net;
	struct port *p = calloc(1, sizeof(*p));
	int err;

	if (p == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	p->dest = d;
	p->sock = net->ops->connect(net, &d->addr, d->dests->conf.sock_ops, p);
	if (p->sock == NULL) {
		err = errno;
		free(p);
		errno = err;
		return NULL;
	}
	net->ops->local(p->sock, local);
	return p;
}

/* P is the current one. */
static void
port_add(struct dest *d, struct port *p, const struct addr *local, uint64_t now)
{
	struct dests *ds = d->dests;

	peer_init(&p->peer, &d->addr, local, p, ds->conf.rnd);
	p->serial = ++ds->serial;
	p->used = now;
	list_add_head(&d->ports, &p->link);
	if (++d->nports == 2)
		list_add_tail(&ds->crowded, &d->crowded);
	ds->stats.opened++;
}

static struct port *
port_open(struct dest *d, uint64_t now)
{
	struct addr local;
	struct port *p = port_new(d, &local);

	if (p == NULL)
		no_socket(d, errno, now);
	else
		port_add(d, p, &local, now);
	return p;
}

void
dest_doubt(struct dest *d)
{
	d->doubted = true;
}

/* A connected socket keeps the address that was ours when it was made. The
 * others are left to close_idle_ports(), so that no Message ID is used again
 * before its time. */
static void
follow_address(struct dest *d, uint64_t now)
{
	struct addr local;
	struct port *p;

	d->doubted = false;
	if (d->nports > d->dests->conf.max_ports)
		return;
	p = port_new(d, &local);
	if (p == NULL)
		return;
	if (!addr_ip_eq(&local, &port_of(d->ports.next)->peer.local)) {
		port_add(d, p, &local, now);
		return;
	}
	d->dests->conf.net->ops->close(p->sock);
	free(p);
}

struct port *
dest_port(struct dest *d, uint64_t now)
{
	struct port *p;

	if (now < d->closed_until) {
		errno = EBUSY;
		return NULL;
	}
	if (list_empty(&d->ports))
		return port_open(d, now);
	if (d->doubted)
		follow_address(d, now);
	p = port_of(d->ports.next);
	p->used = now;
	return p;
}

struct port *
dest_port_again(struct dest *d, uint64_t serial, uint64_t now)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->ports) {
		struct port *p = port_of(it);

		if (p->serial != serial)
			continue;
		if (!mids_open(&p->peer.mids, now))
			return NULL;
		p->used = now;
		return p;
	}
	return NULL;
}

bool
dest_next_port(struct dest *d, uint64_t now)
{
	struct list *it, *tmp;
	struct port *p;

	/* The most recently used ones first: the others get a chance to fall
	 * idle and be closed. */
	LIST_FOREACH_SAFE (it, tmp, &d->ports) {
		p = port_of(it);
		if (mids_open(&p->peer.mids, now)) {
			list_del(&p->link);
			list_add_head(&d->ports, &p->link);
			return true;
		}
	}
	if (d->nports < d->dests->conf.max_ports && port_open(d, now) != NULL)
		return true;
	d->closed_until = now + CLOSED_MS;
	errno = EBUSY;
	return false;
}

size_t
dests_silent(const struct dests *ds)
{
	struct list *it, *tmp;
	size_t n = 0;

	LIST_FOREACH_SAFE (it, tmp, &ds->lru)
		n += CONTAINER_OF(it, struct dest, lru)->flow.silent;
	return n;
}

void
dests_each(struct dests *ds, void (*fn)(const struct port *, void *), void *arg)
{
	struct list *i, *j, *tmp, *tmp2;

	LIST_FOREACH_SAFE (i, tmp, &ds->lru)
		LIST_FOREACH_SAFE (j, tmp2,
		    &CONTAINER_OF(i, struct dest, lru)->ports)
			fn(port_of(j), arg);
}
