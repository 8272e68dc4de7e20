/*
 * addr: socket addresses as values.
 *
 * Whatever comes in, from the kernel or as text, is brought to one form here:
 * IPv4-mapped becomes IPv4, and an interface index is kept only where it is
 * part of the address. So the same peer is the same octets on every path.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/parse.h"

/* An IPv6 prefix that has an IPv4 address at octet AT. */
struct embedding {
	uint8_t prefix[12];
	uint8_t len;		/* octets of prefix that count */
	uint8_t at;
	uint8_t mask;		/* xor: Teredo hides the address from NATs */
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static const struct embedding embeddings[] = {
	{ { 0x00, 0x64, 0xff, 0x9b }, 12, 12, 0 },	/* RFC 6052 2.1 */
	{ { 0x20, 0x02 }, 2, 2, 0 },			/* RFC 3056 2 */
	{ { 0x20, 0x01, 0x00, 0x00 }, 4, 12, 0xff },	/* RFC 4380 4 */
	{ { 0 }, 12, 12, 0 },				/* RFC 4291 2.5.5.1 */
};

/* RFC 4007 6: only these need an interface to mean anything. */
static bool
is_scoped(const struct addr *a)
{
	if (a->family != 6)
		return false;
	if (a->ip[0] == 0xff)
		return (a->ip[1] & 0x0f) == 1 || (a->ip[1] & 0x0f) == 2;
	return addr_is_linklocal(a);
}

static void
set_ip4(struct addr *a, const void *ip)
{
	*a = (struct addr){ .family = 4 };
	memcpy(a->ip, ip, 4);
}

static void
set_ip6(struct addr *a, const uint8_t ip[16])
{
	if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
		set_ip4(a, ip + sizeof(mapped));
		return;
	}
	*a = (struct addr){ .family = 6 };
	memcpy(a->ip, ip, sizeof(a->ip));
}

bool
addr_ip_eq(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->scope == b->scope &&
	    memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool
addr_from_sockaddr(struct addr *a, const struct sockaddr *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		set_ip4(a, &in.sin_addr);
		a->port = ntohs(in.sin_port);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(&in6, sa, sizeof(in6));
	set_ip6(a, in6.sin6_addr.s6_addr);
	a->port = ntohs(in6.sin6_port);
	if (is_scoped(a))
		a->scope = in6.sin6_scope_id;
	return true;
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(a->port),
	};

	if (a->family != 4)
		return addr_to_sockaddr6(a, ss);
	memcpy(&in.sin_addr, a->ip, 4);
	memcpy(ss, &in, sizeof(in));
	return sizeof(in);
}

socklen_t
addr_to_sockaddr6(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(a->port),
		.sin6_scope_id = a->scope,
	};
	uint8_t *ip = in6.sin6_addr.s6_addr;

	if (a->family == 4) {
		memcpy(ip, mapped, sizeof(mapped));
		memcpy(ip + sizeof(mapped), a->ip, 4);
	} else {
		memcpy(ip, a->ip, sizeof(a->ip));
	}
	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}

/* One decimal octet without leading zeros at the start of *S, which it
 * consumes. */
static bool
take_octet(struct span *s, uint8_t *out)
{
	unsigned v = 0;
	size_t n = 0;

	while (n < s->n && n < 4 && s->p[n] >= '0' && s->p[n] <= '9') {
		v = v * 10 + (unsigned)(s->p[n] - '0');
		n++;
	}
	if (n == 0 || v > 255 || (n > 1 && s->p[0] == '0'))
		return false;
	*out = (uint8_t)v;
	*s = span_make(s->p + n, s->n - n);
	return true;
}

bool
addr_parse_ip4(struct addr *a, struct span s)
{
	uint8_t ip[4];

	for (size_t i = 0; i < sizeof(ip); i++) {
		if (i > 0) {
			if (s.n == 0 || s.p[0] != '.')
				return false;
			s = span_make(s.p + 1, s.n - 1);
		}
		if (!take_octet(&s, &ip[i]))
			return false;
	}
	if (s.n > 0)
		return false;
	set_ip4(a, ip);
	return true;
}

/* S as a string in OUT; false when it is too long or no string. */
static bool
to_text(struct span s, char *out, size_t cap)
{
	if (s.n == 0 || s.n >= cap || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

static bool
parse_zone(struct span s, uint32_t *index)
{
	char name[IF_NAMESIZE];
	uint64_t n;

	if (!to_text(s, name, sizeof(name)))
		return false;
	*index = if_nametoindex(name);
	if (*index != 0)
		return true;
	if (!parse_u64(s, &n) || n == 0 || n > UINT32_MAX)
		return false;
	*index = (uint32_t)n;
	return if_indextoname(*index, name) != NULL;
}

bool
addr_parse_ip6(struct addr *a, struct span s, bool zone)
{
	const uint8_t *mark = s.n > 0 ? memchr(s.p, '%', s.n) : NULL;
	struct span host = s;
	char text[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	struct addr got;
	size_t rest;

	if (mark != NULL)
		host.n = (size_t)(mark - s.p);
	if (!to_text(host, text, sizeof(text)) ||
	    inet_pton(AF_INET6, text, &in6) != 1)
		return false;
	set_ip6(&got, in6.s6_addr);
	if (mark != NULL) {
		rest = s.n - host.n - 1;
		if (!zone || !is_scoped(&got) ||
		    !parse_zone(span_make(mark + 1, rest), &got.scope))
			return false;
	}
	*a = got;
	return true;
}

bool
addr_parse_ip(struct addr *a, struct span s, bool zone)
{
	if (s.n > 0 && memchr(s.p, ':', s.n) != NULL)
		return addr_parse_ip6(a, s, zone);
	return addr_parse_ip4(a, s);
}

static char *
put_decimal(char *to, uint8_t v)
{
	if (v >= 100)
		*to++ = (char)('0' + v / 100);
	if (v >= 10)
		*to++ = (char)('0' + v / 10 % 10);
	*to++ = (char)('0' + v % 10);
	return to;
}

static char *
put_ip4(char *to, const uint8_t ip[4])
{
	for (size_t i = 0; i < 4; i++) {
		if (i > 0)
			*to++ = '.';
		to = put_decimal(to, ip[i]);
	}
	return to;
}

static char *
put_group(char *to, const uint8_t octets[2])
{
	static const char digits[] = "0123456789abcdef";
	unsigned v = (unsigned)octets[0] << 8 | octets[1];
	unsigned shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0;

	for (;; shift -= 4) {
		*to++ = digits[v >> shift & 15];
		if (shift == 0)
			return to;
	}
}

/* The longest run of groups that are zero, at least two; the first of equal
 * ones (RFC 5952 4.2). *END is 0 when there is none. */
static void
longest_zeros(const uint8_t ip[16], size_t *start, size_t *end)
{
	size_t n = 0;		/* zeros before group I */

	*start = *end = 0;
	for (size_t i = 0; i < 8; i++) {
		n = ip[2 * i] == 0 && ip[2 * i + 1] == 0 ? n + 1 : 0;
		if (n < 2 || n <= *end - *start)
			continue;
		*start = i + 1 - n;
		*end = i + 1;
	}
}

/* RFC 5952; IPv4-compatible addresses end as in IPv4. */
static char *
put_ip6(char *to, const uint8_t ip[16])
{
	size_t start, end, i = 0;

	longest_zeros(ip, &start, &end);
	while (i < 8) {
		if (i == start && end > 0) {
			*to++ = ':';
			if (end == 8)
				*to++ = ':';
			i = end;
			continue;
		}
		if (i > 0)
			*to++ = ':';
		if (i == 6 && start == 0 && end == 6)
			return put_ip4(to, ip + 12);
		to = put_group(to, ip + 2 * i);
		i++;
	}
	return to;
}

const char *
addr_ip_str(const struct addr *a, char out[ADDR_STRLEN])
{
	char *end;

	/* Not by inet_ntop(), which is made of printf(): every forwarded
	 * request and every line of the access log comes here. */
	if (a->family == 4)
		end = put_ip4(out, a->ip);
	else if (a->family == 6)
		end = put_ip6(out, a->ip);
	else
		end = (char *)memcpy(out, "none", 4) + 4;
	*end = '\0';
	return out;
}

const char *
addr_str(const struct addr *a, char out[ADDR_STRLEN])
{
	char ip[ADDR_STRLEN], zone[IF_NAMESIZE + 1] = "";

	addr_ip_str(a, ip);
	if (a->scope != 0) {
		zone[0] = '%';
		if (if_indextoname(a->scope, zone + 1) == NULL)
			snprintf(zone, sizeof(zone), "%%%u", a->scope);
	}
	if (a->family == 6)
		snprintf(out, ADDR_STRLEN, "[%.45s%s]:%u", ip, zone, a->port);
	else if (a->family == 4)
		snprintf(out, ADDR_STRLEN, "%.15s:%u", ip, a->port);
	else
		memcpy(out, "none", sizeof("none"));
	return out;
}

bool
addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return a->family != 0 && memcmp(a->ip, zero, sizeof(zero)) == 0;
}

bool
addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (a->family == 4)
		return a->ip[0] == 127;
	return a->family == 6 && memcmp(a->ip, one, sizeof(one)) == 0;
}

bool
addr_is_multicast(const struct addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (a->family == 4)
		return (a->ip[0] & 0xf0) == 0xe0 ||
		    memcmp(a->ip, broadcast, sizeof(broadcast)) == 0;
	return a->family == 6 && a->ip[0] == 0xff;
}

bool
addr_is_linklocal(const struct addr *a)
{
	if (a->family == 4)
		return a->ip[0] == 169 && a->ip[1] == 254;
	return a->family == 6 && a->ip[0] == 0xfe &&
	    (a->ip[1] & 0xc0) == 0x80;
}

unsigned
addr_embedded_ip4(const struct addr *a, struct addr *ip4)
{
	const struct embedding *e;

	if (a->family != 6)
		return 0;
	for (size_t i = 0; i < sizeof(embeddings) / sizeof(*e); i++) {
		e = &embeddings[i];
		if (memcmp(a->ip, e->prefix, e->len) != 0)
			continue;
		set_ip4(ip4, a->ip + e->at);
		for (size_t j = 0; j < 4; j++)
			ip4->ip[j] ^= e->mask;
		return e->at * 8u;
	}
	return 0;
}
