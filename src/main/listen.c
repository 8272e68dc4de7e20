/*
 * listen: the sockets that requests come to, from one configuration to the
 * next.
 *
 * What two configurations both say is one socket, whatever the section is
 * called: its clients notice nothing. What is new is bound before anything else
 * changes; what is gone is kept until it owes nobody anything, and can be had
 * back meanwhile.
 *
 * A single address and all of them, at one port, are two sockets for a while.
 * Who has been a client at the one is a client at the other: nothing is
 * forgotten, and what waits at the old one is read.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "main/core.h"

enum {
	GOING_MS = 250,		/* between looks at what is owed */
	GONE_MS = 10000,	/* ... and at what is remembered */
	URI_STRLEN = sizeof(" coap://") + ADDR_STRLEN,
};

struct bound {
	struct list link;	/* in daemon.bound */
	struct listener *listener;
	struct net_sock *sock;	/* its */
	char *section;		/* name of its [listen]; NULL: none yet */
	char *fd;		/* name of the manager's socket, or NULL: */
	struct addr wanted;	/* as configured */
	struct addr addr;	/* as it is */
	bool dual;		/* both families */
	bool stored;		/* the service manager keeps it */
	bool retired;
	bool leaving;		/* ... and what comes in may be for another */
	bool deaf;		/* ... which gets all that is sent from now on */
	/* While a configuration is being prepared: */
	bool fresh;		/* not there before, */
	bool beside;		/* ... but another one at its port */
	bool claimed;		/* by the section */
	unsigned index;
	char *next;		/* ... and its name */
};

static struct bound *
bound_of(struct list *l)
{
	return CONTAINER_OF(l, struct bound, link);
}

static void
bound_free(struct bound *b)
{
	list_del(&b->link);
	free(b->section);
	free(b->next);
	free(b->fd);
	free(b);
}

static bool
claim(struct bound *b, const struct conf *c, unsigned index)
{
	b->claimed = true;
	b->index = index;
	b->next = strdup(c->listen[index].name);
	return b->next != NULL;
}

static void
disclaim(struct bound *b)
{
	b->claimed = false;
	free(b->next);
	b->next = NULL;
}

/* Room for what is written of N sockets when they are in use. */
static bool
make_room(struct daemon *d, size_t n)
{
	bool first = d->addresses == NULL;
	char *text = reallocarray(d->addresses, n + 1, URI_STRLEN);

	if (text == NULL)
		return false;
	if (first)
		*text = '\0';
	d->addresses = text;
	d->admin.src.addresses = text;
	/* One of both families is two. */
	return self_make_room(&d->self, 2 * n);
}

/* ---- what there is ---- */

static bool
is_it(const struct bound *b, const struct bind_conf *want)
{
	if (b->deaf)
		return false;
	if (b->fd != NULL || want->fd != NULL)
		return b->fd != NULL && want->fd != NULL &&
		    strcmp(b->fd, want->fd) == 0;
	return addr_eq(&b->wanted, &want->addr);
}

static bool
is_named(const struct bound *b, const char *name)
{
	return b->section != NULL && strcmp(b->section, name) == 0;
}

/* Whether another section than INDEX has a better claim to B: of ports that the
 * kernel has chosen each stays with its section. */
static bool
is_of_another(const struct bound *b, const struct conf *c, unsigned index)
{
	for (size_t i = 0; i < c->nlisten; i++)
		if (i != index && is_named(b, c->listen[i].name))
			return b->fd == NULL && b->wanted.port == 0;
	return false;
}

/* What WANT of section INDEX has been so far. */
static struct bound *
find(struct daemon *d, const struct conf *c, unsigned index,
    const struct bind_conf *want)
{
	struct list *it, *tmp;
	struct bound *best = NULL;

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		struct bound *b = bound_of(it);

		if (b->claimed || !is_it(b, want))
			continue;
		if (is_named(b, c->listen[index].name))
			return b;
		if (best == NULL && !is_of_another(b, c, index))
			best = b;
	}
	return best;
}

/* ---- what there is not ---- */

static size_t
count_bound(struct daemon *d)
{
	struct list *it, *tmp;
	size_t n = 0;

	LIST_FOREACH_SAFE (it, tmp, &d->bound)
		n++;
	return n;
}

/* NULL without memory. */
static struct bound *
bound_new(struct daemon *d, const struct conf *c, unsigned index,
    const struct bind_conf *want)
{
	struct bound *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	list_init(&b->link);
	b->fd = want->fd != NULL ? strdup(want->fd) : NULL;
	b->wanted = want->addr;
	b->fresh = true;
	if ((want->fd != NULL && b->fd == NULL) || !claim(b, c, index) ||
	    !make_room(d, count_bound(d) + 1)) {
		bound_free(b);
		return NULL;
	}
	b->listener = server_add_listener(d->server, index, want->scheme);
	list_add_tail(&d->bound, &b->link);
	return b;
}

/* SOCK is B's; NULL: errno says why not. */
static bool
opened(struct daemon *d, struct bound *b, struct net_sock *sock)
{
	struct net *net = udp_net(d->udp);

	if (sock == NULL)
		return false;
	b->sock = sock;
	listener_open(b->listener, net, sock);
	net->ops->local(sock, &b->addr);
	b->dual = b->addr.family == 6 && addr_is_any(&b->addr) &&
	    b->wanted.family == 0;
	if (b->dual)
		listener_dual(b->listener);
	return true;
}

/* What the manager has kept is what would be bound. */
static bool
open_stored(struct daemon *d, struct bound *b)
{
	int fd = store_take(d, &b->wanted);

	return fd >= 0 &&
	    opened(d, b, udp_adopt(d->udp, fd, &server_sock_ops,
		b->listener));
}

/* Whether B is about to be closed, and keeps the port of WANT till then. */
static bool
is_in_the_way(const struct bound *b, const struct addr *want)
{
	return !b->claimed && b->sock != NULL && b->fd == NULL &&
	    b->addr.port == want->port;
}

static size_t
in_the_way(struct daemon *d, const struct addr *want, struct net_sock **v)
{
	struct list *it, *tmp;
	size_t n = 0;

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		const struct bound *b = bound_of(it);

		if (!is_in_the_way(b, want))
			continue;
		if (v != NULL)
			v[n] = b->sock;
		n++;
	}
	return n;
}

static bool
open_beside(struct daemon *d, struct bound *b)
{
	size_t n = in_the_way(d, &b->wanted, NULL);
	struct net_sock **others = calloc(n + 1, sizeof(*others));
	bool ok;

	if (others == NULL)
		return false;
	in_the_way(d, &b->wanted, others);
	ok = opened(d, b, udp_bind_beside(d->udp, &b->wanted, others, n,
		&server_sock_ops, b->listener));
	free(others);
	return ok;
}

static bool
open_address(struct daemon *d, struct bound *b)
{
	if (b == NULL || b->listener == NULL)
		return false;
	if (open_stored(d, b))
		return true;
	if (opened(d, b, udp_bind(d->udp, &b->wanted, &server_sock_ops,
		b->listener)))
		return true;
	/* By us; with somebody else it is not shared, even if he wants to. */
	b->beside = errno == EADDRINUSE && b->wanted.port != 0 &&
	    in_the_way(d, &b->wanted, NULL) > 0;
	return b->beside && open_beside(d, b);
}

/* The manager's socket stays open beside ours, so that it is still there when
 * a later configuration wants it again. */
static bool
open_passed(struct daemon *d, struct bound *b, const struct sd_socket *s)
{
	int fd = b == NULL || b->listener == NULL ? -1 : dup(s->fd);

	return fd >= 0 &&
	    opened(d, b, udp_adopt(d->udp, fd, &server_sock_ops,
		b->listener));
}

/* All sockets of that name; those for other transports are not ours. */
static bool
open_named(struct daemon *d, const struct conf *c, unsigned index,
    const struct bind_conf *want, char **why)
{
	unsigned found = 0;
	int err;

	for (size_t i = 0; i < d->npassed; i++) {
		struct sd_socket *s = &d->passed[i];

		if (strcmp(s->name, want->fd) != 0 || store_is_name(s->name) ||
		    !sd_socket_is_udp(s))
			continue;
		found++;
		if (open_passed(d, bound_new(d, c, index, want), s))
			continue;
		err = errno;
		*why = try_asprintf("cannot listen on %s: %s", want->text,
		    strerror(err));
		errno = err;
		return false;
	}
	if (found > 0)
		return true;
	*why = try_asprintf("cannot listen on %s: the service manager has "
	    "passed no UDP socket of that name", want->text);
	errno = ENOENT;
	return false;
}

static bool
open_one(struct daemon *d, const struct conf *c, unsigned index,
    const struct bind_conf *want, char **why)
{
	int err;

	if (want->fd != NULL)
		return open_named(d, c, index, want, why);
	if (open_address(d, bound_new(d, c, index, want)))
		return true;
	err = errno;
	*why = try_asprintf("cannot listen on %s: %s", want->text,
	    strerror(err));
	errno = err;
	return false;
}

/* Whether WANT is *THERE; false without memory. */
static bool
claim_one(struct daemon *d, const struct conf *c, unsigned index,
    const struct bind_conf *want, bool *there)
{
	struct bound *b = find(d, c, index, want);
	bool ok = true;

	*there = b != NULL;
	for (; ok && b != NULL; b = find(d, c, index, want)) {
		ok = claim(b, c, index);
		if (want->fd == NULL)
			break;
	}
	return ok;
}

/* ---- from one to the next ---- */

/* Which of section I's binds are there, and stay. Owned; NULL without
 * memory. */
static bool *
claim_section(struct daemon *d, const struct conf *c, size_t i)
{
	const struct listen_conf *l = &c->listen[i];
	bool *there = calloc(l->nbind + 1, sizeof(*there));

	for (size_t j = 0; there != NULL && j < l->nbind; j++) {
		if (claim_one(d, c, (unsigned)i, &l->bind[j], &there[j]))
			continue;
		free(there);
		return NULL;
	}
	return there;
}

static bool
open_section(struct daemon *d, const struct conf *c, size_t i,
    const bool *there, char **why)
{
	const struct listen_conf *l = &c->listen[i];

	for (size_t j = 0; j < l->nbind; j++)
		if (!there[j] &&
		    !open_one(d, c, (unsigned)i, &l->bind[j], why))
			return false;
	return true;
}

/* What is there is claimed first: the rest is known to be going then. */
static bool
open_all(struct daemon *d, const struct conf *c, char **why)
{
	bool **there = calloc(c->nlisten + 1, sizeof(*there));
	bool ok = true;

	if (there == NULL)
		return false;
	for (size_t i = 0; ok && i < c->nlisten; i++) {
		there[i] = claim_section(d, c, i);
		ok = there[i] != NULL;
	}
	for (size_t i = 0; ok && i < c->nlisten; i++)
		ok = open_section(d, c, i, there[i], why);
	for (size_t i = 0; i < c->nlisten; i++)
		free(there[i]);
	free(there);
	return ok;
}

bool
listen_open(struct daemon *d, const struct conf *c, char **why)
{
	int err;

	if (open_all(d, c, why))
		return true;
	err = errno;
	listen_abandon(d);
	errno = err;
	return false;
}

/* What is ours: also what is going. */
static void
note_addresses(struct daemon *d)
{
	struct list *it, *tmp;

	self_clear_bound(&d->self);
	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		const struct bound *b = bound_of(it);

		self_add_bound(&d->self, &b->addr);
		if (b->dual)
			self_add_bound(&d->self, &(struct addr){
			    .family = 4, .port = b->addr.port });
	}
}

static void
sweep_fire(struct timer *t, uint64_t now)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, sweep);
	bool going = false, gone = false;
	struct list *it, *tmp;
	char text[ADDR_STRLEN];

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		struct bound *b = bound_of(it);

		if (!b->retired)
			continue;
		if (listener_owes(b->listener) ||
		    (b->deaf && udp_waiting(b->sock))) {
			going = true;
			continue;
		}
		log_info(NULL, "closed: coap://%s",
		    addr_str(&b->addr, text));
		listener_close(b->listener);
		bound_free(b);
		gone = true;
	}
	if (gone)
		note_addresses(d);
	/* Looks at every client, for every listener that is closed. */
	if (now >= d->swept + GONE_MS) {
		d->swept = now;
		gone = server_sweep(d->server);
	} else {
		gone = true;
	}
	if (going || gone)
		timer_start(loop_timers(d->loop), t,
		    now + (going ? GOING_MS : GONE_MS));
}

/* What comes in at B is brought to whoever in use has its address. */
static void
leave(struct bound *b)
{
	if (b->leaving)
		return;
	b->leaving = true;
	udp_redirect(b->sock, &server_leaving_ops, b->listener);
}

static void
deafen(struct bound *b)
{
	if (b->deaf)
		return;
	b->deaf = true;
	udp_deafen(b->sock);
}

static void
sweep_soon(struct daemon *d)
{
	uint64_t when = loop_now(d->loop) + GOING_MS;

	if (d->sweep.fire == NULL)
		timer_init(&d->sweep, sweep_fire);
	/* Not later than it is: reloads may come more often than that. */
	if (!timer_running(&d->sweep) || d->sweep.when > when)
		timer_start(loop_timers(d->loop), &d->sweep, when);
}

/* B will not be used. Something may have come in that was for the one that has
 * had its address until now. */
static void
give_up(struct daemon *d, struct bound *b)
{
	if (b->beside && b->sock != NULL) {
		listener_retire(b->listener);
		b->fresh = false;
		b->retired = true;
		leave(b);
		deafen(b);
		sweep_soon(d);
		return;
	}
	if (b->listener != NULL)
		listener_close(b->listener);
	bound_free(b);
}

void
listen_abandon(struct daemon *d)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		struct bound *b = bound_of(it);

		disclaim(b);
		if (b->fresh)
			give_up(d, b);
	}
	server_sweep(d->server);
}

/* Whether A and B have addresses in common. */
static bool
overlap(const struct bound *a, const struct bound *b)
{
	return a->addr.port == b->addr.port &&
	    (addr_is_any(&a->addr) || addr_is_any(&b->addr) ||
		addr_eq(&a->addr, &b->addr));
}

/* Whether A has all addresses that B has. */
static bool
covers(const struct bound *a, const struct bound *b)
{
	if (!overlap(a, b))
		return false;
	if (addr_is_any(&a->addr))
		return a->dual ||
		    (a->addr.family == b->addr.family && !b->dual);
	return addr_eq(&a->addr, &b->addr);
}

/* B has been retired. */
static void
hand_over(struct daemon *d, struct bound *b)
{
	struct list *it, *tmp;
	bool some = false, all = false;

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		const struct bound *a = bound_of(it);

		if (a->retired)
			continue;
		some |= overlap(a, b);
		all |= covers(a, b);
	}
	if (!some)
		return;
	leave(b);
	if (all)
		deafen(b);
	listener_hand_over(b->listener);
}

/* B is in use. */
static void
stay(struct bound *b)
{
	listener_keep(b->listener, b->index);
	free(b->section);
	b->section = b->next;
	b->next = NULL;
	b->retired = false;
	if (b->leaving)
		udp_redirect(b->sock, &server_sock_ops, b->listener);
	b->leaving = false;
}

void
listen_swap(struct daemon *d)
{
	struct list *it, *tmp;
	bool going = false;
	char text[ADDR_STRLEN];

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		struct bound *b = bound_of(it);

		if (b->claimed) {
			stay(b);
		} else {
			listener_retire(b->listener);
			b->retired = going = true;
		}
		/* At the start there is the line "ready:". */
		if (b->fresh && d->admin.src.config.generation > 1)
			log_info(NULL, "listening: coap://%s",
			    addr_str(&b->addr, text));
		b->claimed = b->fresh = b->beside = false;
	}
	LIST_FOREACH_SAFE (it, tmp, &d->bound)
		if (bound_of(it)->retired)
			hand_over(d, bound_of(it));
	note_addresses(d);
	if (going)
		sweep_soon(d);
}

void
listen_store(struct daemon *d)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		struct bound *b = bound_of(it);

		if (b->fd != NULL || b->stored == !b->retired)
			continue;
		if (b->retired)
			store_remove(&b->wanted);
		b->stored = !b->retired && store_put(&b->wanted,
		    udp_fd(b->sock));
	}
}

void
listen_hand_over(struct daemon *d)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		struct bound *b = bound_of(it);

		if (!b->retired && (b->fd != NULL || b->stored))
			listener_leave(b->listener);
	}
}

void
listen_fini(struct daemon *d)
{
	while (!list_empty(&d->bound))
		bound_free(bound_of(d->bound.next));
	self_clear_bound(&d->self);
}

void
listen_show(struct daemon *d)
{
	char *end = d->addresses;
	struct list *it, *tmp;
	char text[ADDR_STRLEN];

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		const struct bound *b = bound_of(it);

		if (b->retired)
			continue;
		end += snprintf(end, URI_STRLEN, "%scoap://%s",
		    end > d->addresses ? " " : "", addr_str(&b->addr, text));
	}
}
