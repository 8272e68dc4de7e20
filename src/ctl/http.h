/*
 * http: /metrics, /healthz and / over HTTP, for monitoring on the same host.
 *
 * evhttp reads requests and writes answers; here is what bounds it: so many
 * connections at a time, the rest waits in the kernel; each for one request,
 * and for so long altogether, however slowly it reads or writes.
 */
#ifndef CTL_HTTP_H
#define CTL_HTTP_H

#include "base/addr.h"
#include "ctl/sources.h"

enum {
	HTTP_CONNS = 16,
	HTTP_TIME_MS = 10000,	/* of a connection */
	HTTP_HEAD = 8192,	/* octets of a request's head */
};

struct http;

/* Listens on A. SRC is borrowed for its life. NULL with errno.
 *
 * LAST, or NULL, is one that is to be closed soon: one of the two may listen on
 * all addresses, at the same port. */
struct http *http_new(struct loop *l, const struct addr *a,
    const struct sources *src, const struct http *last);

/* Listens no more; connections go on. */
void http_retire(struct http *h);

/* Whether there is no connection. */
bool http_idle(const struct http *h);

/* Closes everything. */
void http_free(struct http *h);

/* Where it listens, with the port the kernel chose. */
const struct addr *http_addr(const struct http *h);

#endif
