/*
 * listen: the sockets that requests come to, from one configuration to the
 * next.
 *
 * What two configurations both say is one socket, whatever the section is
 * called: its clients notice nothing. What is new is bound before anything else
 * changes; what is gone is kept until it owes nobody anything, and can be had
 * back meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "main/core.h"

enum {
	GOING_MS = 250,		/* between looks at what is owed */
	GONE_MS = 10000,	/* ... and at what is remembered */
};

struct bound {
	struct list link;	/* in daemon.bound */
	struct listener *listener;
	struct net_sock *sock;	/* its */
	char *section;		/* name of its [listen] */
	char *fd;		/* name of the manager's socket, or NULL: */
	struct addr wanted;	/* as configured */
	struct addr addr;	/* as it is */
	bool dual;		/* both families */
	bool retired;
	bool stored;		/* the service manager keeps it */
	/* While a configuration is being prepared: */
	bool fresh;		/* not there before */
	bool claimed;		/* by the section */
	unsigned index;
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
	free(b->fd);
	free(b);
}

static void
claim(struct bound *b, const struct conf *c, unsigned index)
{
	b->claimed = true;
	b->index = index;
	free(b->section);
	b->section = xstrdup(c->listen[index].name);
}

/* ---- what there is ---- */

static bool
is_it(const struct bound *b, const struct bind_conf *want)
{
	if (b->fd != NULL || want->fd != NULL)
		return b->fd != NULL && want->fd != NULL &&
		    strcmp(b->fd, want->fd) == 0;
	return addr_eq(&b->wanted, &want->addr);
}

/* Whether another section than INDEX has a better claim to B: of ports that the
 * kernel has chosen each stays with its section. */
static bool
is_of_another(const struct bound *b, const struct conf *c, unsigned index)
{
	for (size_t i = 0; i < c->nlisten; i++)
		if (i != index && strcmp(c->listen[i].name, b->section) == 0)
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
		if (strcmp(b->section, c->listen[index].name) == 0)
			return b;
		if (best == NULL && !is_of_another(b, c, index))
			best = b;
	}
	return best;
}

/* ---- what there is not ---- */

static struct bound *
bound_new(struct daemon *d, const struct conf *c, unsigned index,
    const struct bind_conf *want)
{
	struct bound *b = xcalloc(1, sizeof(*b));

	list_init(&b->link);
	b->section = xstrdup("");
	b->fd = want->fd != NULL ? xstrdup(want->fd) : NULL;
	b->wanted = want->addr;
	b->fresh = true;
	claim(b, c, index);
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

static bool
open_address(struct daemon *d, struct bound *b)
{
	if (b->listener == NULL)
		return false;
	if (open_stored(d, b))
		return true;
	return opened(d, b, udp_bind(d->udp, &b->wanted, &server_sock_ops,
	    b->listener));
}

/* The manager's socket stays open beside ours, so that it is still there when
 * a later configuration wants it again. */
static bool
open_passed(struct daemon *d, struct bound *b, const struct sd_socket *s)
{
	int fd = b->listener == NULL ? -1 : dup(s->fd);

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
		*why = xasprintf("cannot listen on %s: %s", want->text,
		    strerror(err));
		errno = err;
		return false;
	}
	if (found > 0)
		return true;
	*why = xasprintf("cannot listen on %s: the service manager has passed "
	    "no UDP socket of that name", want->text);
	errno = ENOENT;
	return false;
}

/* Whether a socket of ours keeps WANT from being bound. */
static const struct bound *
overlaps(struct daemon *d, const struct addr *want)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		const struct bound *b = bound_of(it);

		if (!b->fresh && b->addr.port == want->port &&
		    (addr_is_any(&b->addr) || want->family == 0 ||
			addr_is_any(want)))
			return b;
	}
	return NULL;
}

static bool
open_one(struct daemon *d, const struct conf *c, unsigned index,
    const struct bind_conf *want, char **why)
{
	const struct bound *other;
	char text[ADDR_STRLEN];
	int err;

	if (want->fd != NULL)
		return open_named(d, c, index, want, why);
	if (open_address(d, bound_new(d, c, index, want)))
		return true;
	err = errno;
	other = err == EADDRINUSE ? overlaps(d, &want->addr) : NULL;
	if (other == NULL)
		*why = xasprintf("cannot listen on %s: %s", want->text,
		    strerror(err));
	else
		*why = xasprintf("cannot listen on %s: %s is still open; to "
		    "go from one to the other takes a restart", want->text,
		    addr_str(&other->addr, text));
	errno = err;
	return false;
}

static bool
open_or_claim(struct daemon *d, const struct conf *c, unsigned index,
    const struct bind_conf *want, char **why)
{
	struct bound *b = find(d, c, index, want);

	if (b == NULL)
		return open_one(d, c, index, want, why);
	do
		claim(b, c, index);
	while (want->fd != NULL && (b = find(d, c, index, want)) != NULL);
	return true;
}

/* ---- from one to the next ---- */

static bool
open_all(struct daemon *d, const struct conf *c, char **why)
{
	for (size_t i = 0; i < c->nlisten; i++)
		for (size_t j = 0; j < c->listen[i].nbind; j++)
			if (!open_or_claim(d, c, (unsigned)i,
			    &c->listen[i].bind[j], why))
				return false;
	return true;
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

void
listen_abandon(struct daemon *d)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		struct bound *b = bound_of(it);

		b->claimed = false;
		if (!b->fresh)
			continue;
		if (b->listener != NULL)
			listener_close(b->listener);
		bound_free(b);
	}
	server_sweep(d->server);
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
		if (listener_owes(b->listener)) {
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

void
listen_swap(struct daemon *d)
{
	struct list *it, *tmp;
	bool going = false;
	char text[ADDR_STRLEN];

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		struct bound *b = bound_of(it);

		if (b->claimed) {
			listener_keep(b->listener, b->index);
			b->retired = false;
		} else {
			listener_retire(b->listener);
			b->retired = going = true;
		}
		/* At the start there is the line "ready:". */
		if (b->fresh && d->admin.src.config.generation > 1)
			log_info(NULL, "listening: coap://%s",
			    addr_str(&b->addr, text));
		b->claimed = b->fresh = false;
	}
	note_addresses(d);
	if (d->sweep.fire == NULL)
		timer_init(&d->sweep, sweep_fire);
	if (going)
		timer_start(loop_timers(d->loop), &d->sweep,
		    loop_now(d->loop) + GOING_MS);
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
			listener_hand_over(b->listener);
	}
}

void
listen_fini(struct daemon *d)
{
	while (!list_empty(&d->bound))
		bound_free(bound_of(d->bound.next));
	self_clear_bound(&d->self);
}

char *
listen_addresses(const struct daemon *d)
{
	char *all = xstrdup("");
	struct list *it, *tmp;
	char text[ADDR_STRLEN];

	LIST_FOREACH_SAFE (it, tmp, &d->bound) {
		const struct bound *b = bound_of(it);
		char *more;

		if (b->retired)
			continue;
		more = xasprintf("%s%scoap://%s", all,
		    *all != '\0' ? " " : "", addr_str(&b->addr, text));
		free(all);
		all = more;
	}
	return all;
}
