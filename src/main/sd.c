/*
 * sd: through libsystemd.
 */
#include "main/sd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/xalloc.h"

void
sd_tell(const char *fmt, ...)
{
	char state[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(state, sizeof(state), fmt, ap);
	va_end(ap);
	/* Nobody listening is no error. */
	(void)sd_notify(0, state);
}

uint64_t
sd_watchdog_us(void)
{
	uint64_t us = 0;

	return sd_watchdog_enabled(0, &us) > 0 ? us : 0;
}

size_t
sd_sockets(struct sd_socket **v)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	*v = NULL;
	if (n <= 0)
		return 0;
	*v = xcalloc((size_t)n, sizeof(**v));
	for (int i = 0; i < n; i++)
		(*v)[i] = (struct sd_socket){
			.fd = SD_LISTEN_FDS_START + i,
			.name = names[i],
		};
	free(names);
	return (size_t)n;
}

void
sd_sockets_fini(struct sd_socket *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].fd >= 0)
			close(v[i].fd);
		free(v[i].name);
	}
	free(v);
}

bool
sd_socket_is_udp(const struct sd_socket *s)
{
	return sd_is_socket_inet(s->fd, AF_UNSPEC, SOCK_DGRAM, -1, 0) > 0;
}

static bool
is_bound_to(const struct sd_socket *s, const struct addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);

	return sd_is_socket_sockaddr(s->fd, SOCK_DGRAM,
	    (const struct sockaddr *)&ss, len, -1) > 0;
}

bool
sd_socket_is_at(const struct sd_socket *s, const struct addr *a)
{
	struct addr any4 = { .family = 4, .port = a->port };
	struct addr any6 = { .family = 6, .port = a->port };
	int v6only = 0;
	socklen_t len = sizeof(v6only);

	if (!sd_socket_is_udp(s))
		return false;
	if (a->family == 4)
		return is_bound_to(s, a);
	if (a->family == 0 && is_bound_to(s, &any4))
		return true;
	return is_bound_to(s, a->family == 0 ? &any6 : a) &&
	    getsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len) == 0 &&
	    (v6only != 0) == (a->family == 6);
}

/* Set by those that say what they keep; before version 254 nobody did. */
static bool
keeps_nothing(void)
{
	const char *most = getenv("FDSTORE");

	return most != NULL && strcmp(most, "0") == 0;
}

bool
sd_store(const char *name, int fd)
{
	char state[512];

	if (keeps_nothing())
		return false;
	/* There may be one of the process before. It is not for the manager to
	 * look for errors of it. */
	sd_unstore(name);
	snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	return sd_pid_notify_with_fds(0, 0, state, &fd, 1) > 0;
}

void
sd_unstore(const char *name)
{
	sd_tell("FDSTOREREMOVE=1\nFDNAME=%s", name);
}

bool
sd_barrier(uint64_t ms)
{
	return sd_notify_barrier(0, ms * 1000) >= 0;
}
