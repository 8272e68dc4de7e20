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

bool
sd_socket_is_at(const struct sd_socket *s, const struct addr *a)
{
	(void)s;
	(void)a;
	return false;
}

bool
sd_store(const char *name, int fd)
{
	(void)name;
	(void)fd;
	return false;
}

void
sd_unstore(const char *name)
{
	(void)name;
}

bool
sd_barrier(uint64_t ms)
{
	(void)ms;
	return true;
}
