/*
 * sums: goes through what the modules have; asked rarely.
 */
#include "ctl/sums.h"

#include <stdlib.h>

#include "proxy/inspect.h"

/* ---- listeners ---- */

struct listening {
	const struct sources *src;
	struct listener_sum *v;
};

/* BY: how often; to take away, what is -1 then. */
static void
add_udp(struct udp_stats *to, const struct udp_stats *s, uint64_t by)
{
	to->rx_datagrams += by * s->rx_datagrams;
	to->rx_octets += by * s->rx_octets;
	to->tx_datagrams += by * s->tx_datagrams;
	to->tx_octets += by * s->tx_octets;
	to->tx_dropped += by * s->tx_dropped;
	to->rx_overflow += by * s->rx_overflow;
}

static void
add_in(struct listener_stats *to, const struct listener_stats *s, uint64_t by)
{
	to->group += by * s->group;
	to->port_zero += by * s->port_zero;
	to->no_room += by * s->no_room;
	to->ignored += by * s->ignored;
	to->malformed += by * s->malformed;
	to->truncated += by * s->truncated;
	to->unexpected += by * s->unexpected;
	to->pings += by * s->pings;
	to->duplicates += by * s->duplicates;
	to->refused += by * s->refused;
}

static void
add_sum(struct listener_sum *to, const struct listener_sum *s, uint64_t by)
{
	add_udp(&to->udp, &s->udp, by);
	add_in(&to->in, &s->in, by);
}

static void
add_listener(void *arg, unsigned index, const struct net_sock *sock,
    const struct listener_stats *s)
{
	const struct listening *l = arg;
	struct udp_stats udp;

	if (index >= l->src->nlisteners)
		return;
	udp = udp_sock_stats(sock);
	add_udp(&l->v[index].udp, &udp, 1);
	add_in(&l->v[index].in, s, 1);
}

/* What the sockets that there are have counted. */
static void
count(const struct sources *src, struct listener_sum *v)
{
	struct listening l = { src, v };

	server_each_listener(src->server, add_listener, &l);
}

void
sums_read_listeners(const struct sources *src, struct listener_sum *v)
{
	count(src, v);
	for (size_t i = 0; src->carried != NULL && i < src->nlisteners; i++)
		add_sum(&v[i], &src->carried[i], 1);
}

struct listener_sum *
sums_listeners(const struct sources *src)
{
	struct listener_sum *v = calloc(src->nlisteners, sizeof(*v));

	if (v != NULL)
		sums_read_listeners(src, v);
	return v;
}

void
sums_carry(const struct sources *src, struct listener_sum *v,
    struct listener_sum *scratch, const struct listener_sum *was,
    const char *const *names, size_t n)
{
	count(src, scratch);
	for (size_t i = 0; i < src->nlisteners; i++) {
		add_sum(&v[i], &scratch[i], UINT64_MAX);
		for (size_t j = 0; j < n; j++)
			if (strcmp(names[j], src->listeners[i]) == 0)
				add_sum(&v[i], &was[j], 1);
	}
}

uint64_t
sums_dropped(const struct listener_sum *l)
{
	const struct listener_stats *s = &l->in;

	return s->group + s->port_zero + s->no_room + s->ignored +
	    s->malformed + s->truncated + s->unexpected + s->refused;
}

/* ---- routes ---- */

struct routes {
	struct route_sum *v;
	size_t n;
};

static struct route_sum *
find_route(struct routes *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].route, name) == 0)
			return &r->v[i];
	return NULL;
}

static void
add_tally(struct route_sum *to, const struct tally *c)
{
	for (size_t i = 0; i < TALLY_METHODS; i++)
		to->requests += c->methods[i];
	for (size_t i = 0; i < TALLY_CODES; i++)
		to->classes[i / 32] += c->codes[i];
	to->under_way += tally_under_way(c);
	to->notifications += c->notifications;
	to->notified += c->notified;
	to->renewed += c->renewed;
	histo_merge(&to->times, &c->times);
}

static bool
add_observed(void *arg, const struct observed *o)
{
	struct route_sum *to = find_route(arg, o->route);

	if (to != NULL) {
		to->observations++;
		to->observers += o->observers;
	}
	return true;
}

static int
by_route(const void *a, const void *b)
{
	const struct tally *const *x = a, *const *y = b;

	return strcmp((*x)->route, (*y)->route);
}

/* Those of one route stand together. */
static void
merge(struct routes *r, const struct tally **v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(v[i]->route, v[i - 1]->route) != 0)
			r->v[r->n++].route = v[i]->route;
		add_tally(&r->v[r->n - 1], v[i]);
	}
}

struct route_sum *
sums_routes(const struct sources *src, size_t *n)
{
	const struct tallies *t = proxy_tallies(src->proxy);
	const struct tally **v;
	struct routes r = { NULL, 0 };
	struct list *it, *tmp;

	*n = 0;
	LIST_FOREACH_SAFE (it, tmp, &t->all)
		++*n;
	v = calloc(*n + 1, sizeof(v[0]));
	r.v = calloc(*n + 1, sizeof(*r.v));
	*n = 0;
	if (v != NULL && r.v != NULL) {
		LIST_FOREACH_SAFE (it, tmp, &t->all)
			v[(*n)++] = CONTAINER_OF(it, struct tally, link);
		qsort(v, *n, sizeof(v[0]), by_route);
		merge(&r, v, *n);
		inspect_observations(src->proxy, loop_now(src->loop),
		    add_observed, &r);
		*n = r.n;
	}
	free(v);
	return r.v;
}

/* ---- servers ---- */

static void
add_dest(struct server_sum *to, const struct dest *d)
{
	const struct flow *f = &d->flow;

	to->known = true;
	to->silent |= f->silent;
	to->window += f->nstart == FLOW_AUTO ? f->window : f->nstart;
	to->outstanding += f->outstanding;
	to->waiting += f->waiting;
}

struct server_sum
sums_server(const struct sources *src, const struct addr *a)
{
	const struct dest *d = dest_find(client_dests(src->client), a);
	struct server_sum s = { .known = false };

	if (d != NULL)
		add_dest(&s, d);
	return s;
}

static struct server_sum
sum_all(const struct sources *src)
{
	const struct dests *ds = client_dests(src->client);
	struct server_sum s = { .known = false };
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &ds->lru)
		add_dest(&s, CONTAINER_OF(it, struct dest, lru));
	return s;
}

struct server_sum
sums_origin(const struct sources *src, const struct tally_origin *o)
{
	const struct tallies *t = proxy_tallies(src->proxy);
	struct server_sum s = { .known = false }, part;
	struct list *it, *tmp;

	if (o->guests) {
		s = sum_all(src);
		LIST_FOREACH_SAFE (it, tmp, &t->origins) {
			const struct tally_origin *other = CONTAINER_OF(it,
			    struct tally_origin, link);

			if (other->guests)
				continue;
			part = sums_origin(src, other);
			s.outstanding -= part.outstanding < s.outstanding ?
			    part.outstanding : s.outstanding;
			s.waiting -= part.waiting < s.waiting ?
			    part.waiting : s.waiting;
		}
		return s;
	}
	for (size_t i = 0; i < o->nservers; i++) {
		part = sums_server(src, &o->server[i].addr);
		s.known |= part.known;
		s.silent |= part.silent;
		s.window += part.window;
		s.outstanding += part.outstanding;
		s.waiting += part.waiting;
	}
	return s;
}
