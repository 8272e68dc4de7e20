/*
 * store: listening sockets that the service manager keeps while we are away
 * (systemd.service(5), FileDescriptorStoreMax=).
 *
 * What comes in meanwhile waits in the socket, so a restart, or a crash, loses
 * no datagram. The name says what the socket was bound for; at the next start
 * it is taken back for the same words of the configuration, if it is what its
 * name says. Sockets are all that is kept: nothing of what they were used for
 * is trusted after a restart (RFC 7252 4.4).
 *
 * A port that the kernel has chosen is not kept: nobody expects it again.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "main/core.h"

enum {
	NAME_MAX_ = sizeof("udp=") + ADDR_STRLEN,
	GIVEN_UP_MS = 5000,	/* the manager's time to close what it has */
};

/* No name of a unit, which is what sockets of socket units are called. */
static const char prefix[] = "udp=";

/* What FDNAME= cannot hold becomes an underscore. */
static const char *
name_of(const struct addr *wanted, char out[NAME_MAX_])
{
	char text[ADDR_STRLEN];
	char *p;

	if (wanted->family == 0)
		snprintf(text, sizeof(text), "*:%u", wanted->port);
	else
		addr_str(wanted, text);
	snprintf(out, NAME_MAX_, "%s%s", prefix, text);
	for (p = out; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == ':')
			*p = '_';
	return out;
}

bool
store_is_name(const char *name)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Whether S is what was bound for WANTED. */
static bool
is_for(const struct sd_socket *s, const struct addr *wanted)
{
	char name[NAME_MAX_];

	return s->fd >= 0 && wanted->port != 0 &&
	    strcmp(s->name, name_of(wanted, name)) == 0 &&
	    sd_socket_is_at(s, wanted);
}

static bool
is_wanted(const struct sd_socket *s, const struct conf *c)
{
	for (size_t i = 0; i < c->nlisten; i++)
		for (size_t j = 0; j < c->listen[i].nbind; j++) {
			const struct bind_conf *b = &c->listen[i].bind[j];

			if (b->fd == NULL && is_for(s, &b->addr))
				return true;
		}
	return false;
}

static void
let_go(struct sd_socket *s)
{
	close(s->fd);
	s->fd = -1;
}

/* Until the manager has closed its own, too, the address cannot be bound. */
void
store_tidy(struct daemon *d)
{
	bool some = false;

	for (size_t i = 0; i < d->npassed; i++) {
		struct sd_socket *s = &d->passed[i];

		if (!store_is_name(s->name) || is_wanted(s, d->conf))
			continue;
		log_debug(NULL, "no longer listened on: %s", s->name);
		sd_unstore(s->name);
		let_go(s);
		some = true;
	}
	if (some && !sd_barrier(GIVEN_UP_MS))
		log_debug(NULL, "the service manager is slow");
}

int
store_take(const struct daemon *d, const struct addr *wanted)
{
	for (size_t i = 0; i < d->npassed; i++)
		if (is_for(&d->passed[i], wanted))
			return dup(d->passed[i].fd);
	return -1;
}

void
store_taken(struct daemon *d)
{
	for (size_t i = 0; i < d->npassed; i++)
		if (d->passed[i].fd >= 0 && store_is_name(d->passed[i].name))
			let_go(&d->passed[i]);
}

bool
store_put(const struct addr *wanted, int fd)
{
	char name[NAME_MAX_];

	return wanted->port != 0 && sd_store(name_of(wanted, name), fd);
}

void
store_remove(const struct addr *wanted)
{
	char name[NAME_MAX_];

	sd_unstore(name_of(wanted, name));
}
