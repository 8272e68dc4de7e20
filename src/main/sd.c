/*
 * sd: through libsystemd.
 */
#include "main/sd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
