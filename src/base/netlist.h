/*
 * netlist: lists of networks, as in allow-from and deny-to.
 *
 * The longest prefix decides wherever two lists are weighed against each
 * other, so what netlist_match() returns is a length.
 */
#ifndef BASE_NETLIST_H
#define BASE_NETLIST_H

#include "base/addr.h"

struct prefix {
	struct addr net;	/* host bits zero; port 0 */
	uint8_t bits;
};

struct netlist {
	struct prefix *v;
	size_t n;
	bool starved;		/* netlist_add() has found no memory */
};

/* Parses one word of a list, "10.0.0.0/8", "2001:db8::/32", an address alone,
 * or any, loopback, private, link-local, multicast, and appends what it stands
 * for. False when it is none of these, or without memory, which LIST remembers
 * (its elements unchanged). Host bits are cleared; "loopback" has the
 * unspecified addresses too, because what is sent there reaches this host, and
 * "multicast" the IPv4 broadcast. */
bool netlist_add(struct netlist *list, struct span word);

void netlist_fini(struct netlist *list);

/* Bits of the longest prefix in LIST that covers A (its port is not looked
 * at), or -1. An IPv4 address also matches no IPv6 prefix but those of "any",
 * and the other way round. */
int netlist_match(const struct netlist *list, const struct addr *a);

/* The rule of allow-from/deny-from and allow-to/deny-to: A is allowed when
 * ALLOW covers it and DENY does not, or covers it less exactly. A tie goes to
 * ALLOW. An IPv6 address that stands for an IPv4 one (addr_embedded_ip4())
 * must pass in both forms, unless ALLOW covers the IPv6 form as exactly as
 * DENY covers the other (ATK-19). */
bool netlist_allows(const struct netlist *allow, const struct netlist *deny,
    const struct addr *a);

#endif
