/*
 * addr: an Internet socket address in 24 octets without padding.
 *
 * Equal addresses are equal octets, so that comparing and hashing need no
 * knowledge of families. An IPv4-mapped IPv6 address is always stored as IPv4.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <sys/socket.h>

#include "base/siphash.h"
#include "base/span.h"

struct addr {
	uint8_t ip[16];		/* IPv4: the first four, the rest zero */
	uint32_t scope;		/* interface index if link-local, else 0 */
	uint16_t port;		/* host byte order */
	uint8_t family;		/* 4, 6, or 0 for none */
	uint8_t zero;
};

enum { ADDR_STRLEN = 80 };	/* enough for any text below, with NUL */

static inline bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Equal but for the port. */
bool addr_ip_eq(const struct addr *a, const struct addr *b);

static inline struct span
addr_span(const struct addr *a)
{
	return span_make(a, sizeof(*a));
}

/* From the kernel's form; false for another family. */
bool addr_from_sockaddr(struct addr *a, const struct sockaddr *sa);

/* To the kernel's form; returns the length used of *SS. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);

/* As above, but an IPv4 address becomes IPv4-mapped IPv6: what a dual-stack
 * socket wants. */
socklen_t addr_to_sockaddr6(const struct addr *a, struct sockaddr_storage *ss);

/* Strict IPv4 dotted decimal ("127.1", "0x7f.0.0.1", "01.2.3.4" are none);
 * port and the rest are set to zero. */
bool addr_parse_ip4(struct addr *a, struct span s);

/* IPv6 per RFC 4291 without brackets; %zone (name or index of an interface
 * that exists) only when ZONE is allowed, and only behind a link-local unicast
 * or multicast address. Mapped IPv4 becomes IPv4. */
bool addr_parse_ip6(struct addr *a, struct span s, bool zone);

/* Either of the two. All three leave A alone when they fail. */
bool addr_parse_ip(struct addr *a, struct span s, bool zone);

/* "192.0.2.1:5683", "[2001:db8::1]:5683", "[fe80::1%eth0]:5683" into OUT. */
const char *addr_str(const struct addr *a, char out[ADDR_STRLEN]);

/* The address alone, IPv6 per RFC 5952, without brackets, zone or port. */
const char *addr_ip_str(const struct addr *a, char out[ADDR_STRLEN]);

bool addr_is_any(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
bool addr_is_multicast(const struct addr *a);	/* IPv4 broadcast included */
bool addr_is_linklocal(const struct addr *a);	/* unicast */

/* The IPv4 address that a translator or tunnel would make of the IPv6 address
 * A: NAT64 64:ff9b::/96, 6to4 2002::/16, Teredo 2001::/32 (the client) and the
 * deprecated IPv4-compatible ::/96. Returns the number of bits in front of it,
 * or 0 when there is none. */
unsigned addr_embedded_ip4(const struct addr *a, struct addr *ip4);

#endif
