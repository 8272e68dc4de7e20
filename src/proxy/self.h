/*
 * self: every name and address that means this proxy (PRX-03, PRX-04).
 *
 * A forward request whose authority is the proxy itself is answered here and
 * never sent out: that would be a loop. The port counts: another service on
 * this host is not us.
 */
#ifndef PROXY_SELF_H
#define PROXY_SELF_H

#include "base/addr.h"
#include "coap/uri.h"

struct self {
	struct addr *bound;	/* listening sockets; an any-address stands for
				 * every address of the host of its family */
	size_t nbound, room;	/* in use, and there is room for */
	struct addr *host;	/* addresses of the host's interfaces; port 0 */
	size_t nhost;
	const struct span *names;	/* borrowed, lower case */
	size_t nnames;
};

/* Reads the interfaces' addresses anew. False, keeping the old ones, when the
 * system does not tell. */
bool self_read_interfaces(struct self *s);

/* Makes room for N addresses of listening sockets; false without memory. */
bool self_make_room(struct self *s, size_t n)
    __attribute__((warn_unused_result));

/* Adds the address of a listening socket; one that takes both families is added
 * once for each. False when there is neither room nor memory. */
bool self_add_bound(struct self *s, const struct addr *a);

/* Forgets them; the room stays. */
void self_clear_bound(struct self *s);

void self_fini(struct self *s);

/* Whether A, with its port, reaches one of our listening sockets. */
bool self_is_addr(const struct self *s, const struct addr *a);

/* Whether A, whatever its port, is an address of this host. All of 127.0.0.0/8
 * is, and so are the any-addresses: the kernel takes them for loopback. */
bool self_is_this_host(const struct self *s, const struct addr *a);

/* "localhost", or a name below it. */
bool host_is_localhost(const struct coap_host *host);

/* Whether HOST (a name or a literal) and PORT do; names are those configured
 * and "localhost". */
bool self_is_host(const struct self *s, const struct coap_host *host,
    uint16_t port);

#endif
