/*
 * sd-none: without libsystemd there is nobody to tell.
 */
#include "main/sd.h"

void
sd_tell(const char *fmt, ...)
{
	(void)fmt;
}

uint64_t
sd_watchdog_us(void)
{
	return 0;
}

size_t
sd_sockets(struct sd_socket **v)
{
	*v = NULL;
	return 0;
}

void
sd_sockets_fini(struct sd_socket *v, size_t n)
{
	(void)v;
	(void)n;
}

bool
sd_socket_is_udp(const struct sd_socket *s)
{
	(void)s;
	return false;
}
