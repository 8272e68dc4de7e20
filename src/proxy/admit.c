/*
 * admit: the forward role's lists.
 *
 * A target may be allowed by its name or by its address, but deny-to is always
 * weighed against the address that will really be used: names resolve to
 * whatever their owner likes.
 */
#include "proxy/admit.h"

#include "proxy/redirect.h"

enum admit_forward
admit_forward(const struct forward_conf *f, unsigned listener,
    const struct addr *client)
{
	bool here = f != NULL && f->nlisten == 0;

	for (size_t i = 0; f != NULL && i < f->nlisten; i++)
		here = here || f->listen[i] == listener;
	if (!here)
		return ADMIT_FORWARD_OFF;
	return netlist_allows(&f->allow_from, &f->deny_from, client) ?
	    ADMIT_FORWARD_YES : ADMIT_FORWARD_DENIED;
}

/* How exactly P covers T at ADDR: bits of its network; -1 when it does not;
 * 0 for a name. Without an address a network pattern may still cover it. */
static int
pattern_covers(const struct uri_pattern *p, const struct target *t,
    const struct addr *addr)
{
	if (p->scheme != t->scheme || (p->port != 0 && p->port != t->port))
		return -1;
	if (p->net.n == 0)
		return host_pattern_match(&p->host, &t->host) ? 0 : -1;
	return addr != NULL ? netlist_match(&p->net, addr) : 0;
}

/* Behind which ports there may be CoAP: its own, those that 6LoWPAN compresses
 * best (RFC 6282 4.3.1), and those that the configuration names are KNOWN. Behind
 * others may be whatever takes a datagram that a client has chosen (ATK-20): the
 * system's own are CLOSED, USER ones are for what is listed. */
enum port_class { PORT_CLOSED, PORT_USER, PORT_KNOWN };

static enum port_class
port_class(const struct forward_conf *f, uint16_t port)
{
	if (port == 5683 || port == 5684 || port >> 4 == 0xf0b ||
	    (f->ports != NULL && (f->ports[port >> 3] >> (port & 7) & 1) != 0))
		return PORT_KNOWN;
	return port < 1024 ? PORT_CLOSED : PORT_USER;
}

/* A word without a port that covers a target at a port of CLASS by BITS; LISTED:
 * it is more than "any". */
static bool
opens(enum port_class class, bool listed)
{
	return class == PORT_KNOWN || (class == PORT_USER && listed);
}

/* LIST has more than "any". */
static bool
lists_some(const struct netlist *list)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].bits > 0)
			return true;
	}
	return false;
}

/* How exactly F allows T at ADDR by a pattern. */
static int
patterns_allow(const struct forward_conf *f, const struct target *t,
    const struct addr *addr)
{
	enum port_class class = port_class(f, t->port);
	int best = -1;

	for (size_t i = 0; i < f->nallow_uri; i++) {
		const struct uri_pattern *p = &f->allow_uri[i];
		int bits = pattern_covers(p, t, addr);

		if (bits > best && (p->port != 0 || p->every_port ||
		    opens(class, p->net.n == 0 || lists_some(&p->net))))
			best = bits;
	}
	return best;
}

/* A pattern that denies by name needs no address; one by network does. */
static bool
pattern_denies(const struct forward_conf *f, const struct target *t,
    const struct addr *addr)
{
	for (size_t i = 0; i < f->ndeny_uri; i++) {
		const struct uri_pattern *p = &f->deny_uri[i];

		if ((p->net.n == 0 || addr != NULL) &&
		    pattern_covers(p, t, addr) >= 0)
			return true;
	}
	return false;
}

/* How exactly F allows T at ADDR, by either list. */
static int
allowed_bits(const struct forward_conf *f, const struct target *t,
    const struct addr *addr)
{
	int uri = patterns_allow(f, t, addr);
	int net = netlist_match(&f->allow_to, addr);

	return uri > net || !opens(port_class(f, t->port), net > 0) ? uri : net;
}

bool
admit_target(const struct forward_conf *f, const struct target *t,
    const struct addr *addr, bool ours)
{
	static const struct addr loopback = { .ip = { 127, 0, 0, 1 },
		.family = 4 };
	struct addr ip4;
	int front, bad, good;

	if (pattern_denies(f, t, addr))
		return false;
	if (addr == NULL)
		return patterns_allow(f, t, NULL) >= 0 ||
		    (f->allow_to.n > 0 && opens(port_class(f, t->port),
		    lists_some(&f->allow_to)));
	good = allowed_bits(f, t, addr);
	if (good < 0 || netlist_match(&f->deny_to, addr) > good)
		return false;
	/* Whoever denies loopback denies this host. */
	if (ours && good == 0 && netlist_match(&f->deny_to, &loopback) >= 0)
		return false;
	/* The IPv4 address behind a translator or tunnel must pass as well, as
	 * in netlist_allows() (ATK-19). */
	front = (int)addr_embedded_ip4(addr, &ip4);
	if (front == 0)
		return true;
	if (pattern_denies(f, t, &ip4))
		return false;
	bad = netlist_match(&f->deny_to, &ip4);
	return bad <= allowed_bits(f, t, &ip4) || front + bad <= good;
}
