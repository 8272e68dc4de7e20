/*
 * sd: talking to the service manager (sd_notify(3)).
 *
 * Does nothing when there is none, so the same binary runs in a container or
 * in the foreground. sd-none.c stands in where libsystemd is not built in.
 */
#ifndef MAIN_SD_H
#define MAIN_SD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Sends STATE, lines as in sd_notify(3). */
void sd_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* How often, in microseconds, the manager wants to hear WATCHDOG=1 at least;
 * 0: never. */
uint64_t sd_watchdog_us(void);

/* A socket that the manager has passed. */
struct sd_socket {
	int fd;			/* -1: closed by the caller */
	char *name;
};

/* Those there are, once: *V, owned, and their number. */
size_t sd_sockets(struct sd_socket **v);

/* Closes them. */
void sd_sockets_fini(struct sd_socket *v, size_t n);

/* Whether S is for datagrams over IP. */
bool sd_socket_is_udp(const struct sd_socket *s);

/* Whether it is for UDP and bound to A; family 0: to any address of both
 * families, or of IPv4. */
bool sd_socket_is_at(const struct sd_socket *s, const struct addr *a);

/* Has the manager keep FD as NAME from now on, instead of what it kept by that
 * name: it passes it to the next process. False: nobody keeps anything. */
bool sd_store(const char *name, int fd);

/* Has it keep nothing by that name. */
void sd_unstore(const char *name);

/* Waits until all that has been told has been acted upon; false: it was not, in
 * that time. */
bool sd_barrier(uint64_t ms);

#endif
