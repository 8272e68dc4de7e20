/*
 * self: own names and addresses.
 */
#include "proxy/self.h"

#include <ifaddrs.h>
#include <stdlib.h>

#include "proxy/redirect.h"

bool
self_read_interfaces(struct self *s)
{
	struct ifaddrs *all, *i;
	struct addr *v;
	size_t n = 0;

	if (getifaddrs(&all) != 0)
		return false;
	for (i = all; i != NULL; i = i->ifa_next)
		n++;
	/* This happens again and again while running: it may fail. */
	v = calloc(n + 1, sizeof(*v));
	if (v == NULL) {
		freeifaddrs(all);
		return false;
	}
	n = 0;
	for (i = all; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL &&
		    addr_from_sockaddr(&v[n], i->ifa_addr))
			v[n++].port = 0;
	freeifaddrs(all);
	free(s->host);
	s->host = v;
	s->nhost = n;
	return true;
}

bool
self_make_room(struct self *s, size_t n)
{
	struct addr *v;

	if (n <= s->room)
		return true;
	v = reallocarray(s->bound, n, sizeof(*v));
	if (v == NULL)
		return false;
	s->bound = v;
	s->room = n;
	return true;
}

bool
self_add_bound(struct self *s, const struct addr *a)
{
	if (!self_make_room(s, s->nbound + 1))
		return false;
	s->bound[s->nbound++] = *a;
	return true;
}

void
self_clear_bound(struct self *s)
{
	s->nbound = 0;
}

void
self_fini(struct self *s)
{
	free(s->bound);
	free(s->host);
	*s = (struct self){ 0 };
}

bool
self_is_this_host(const struct self *s, const struct addr *a)
{
	if (addr_is_loopback(a) || addr_is_any(a))
		return true;
	for (size_t i = 0; i < s->nhost; i++)
		if (addr_ip_eq(&s->host[i], a))
			return true;
	return false;
}

bool
self_is_addr(const struct self *s, const struct addr *a)
{
	bool here = self_is_this_host(s, a);

	for (size_t i = 0; i < s->nbound; i++) {
		const struct addr *b = &s->bound[i];

		if (b->port != a->port)
			continue;
		if (addr_ip_eq(b, a))
			return true;
		/* A wildcard socket takes everything for this host; and an
		 * any-address as target reaches whatever listens there. */
		if (here && b->family == a->family &&
		    (addr_is_any(b) || addr_is_any(a)))
			return true;
	}
	return false;
}

static bool
port_is_ours(const struct self *s, uint16_t port)
{
	for (size_t i = 0; i < s->nbound; i++)
		if (s->bound[i].port == port)
			return true;
	return false;
}

bool
host_is_localhost(const struct coap_host *host)
{
	static const struct host_pattern below = {
		.name = { (const uint8_t *)"localhost", 9 }, .sub = true
	};

	return !host->literal &&
	    (span_caseeq(host->text, below.name) ||
		host_pattern_match(&below, host));
}

/* "localhost" is us when a socket of ours is reached by a loopback address. */
static bool
localhost_is_us(const struct self *s, uint16_t port)
{
	struct addr v4, v6;

	if (!addr_parse_ip(&v4, SPAN_LIT("127.0.0.1"), false) ||
	    !addr_parse_ip(&v6, SPAN_LIT("::1"), false))
		return false;
	v4.port = v6.port = port;
	return self_is_addr(s, &v4) || self_is_addr(s, &v6);
}

bool
self_is_host(const struct self *s, const struct coap_host *host, uint16_t port)
{
	struct addr a;

	if (host->literal) {
		a = host->addr;
		a.port = port;
		return self_is_addr(s, &a);
	}
	if (!port_is_ours(s, port))
		return false;
	for (size_t i = 0; i < s->nnames; i++)
		if (span_caseeq(s->names[i], host->text))
			return true;
	return host_is_localhost(host) && localhost_is_us(s, port);
}
