/*
 * netlist: networks by prefix.
 *
 * A plain array scanned from end to end: the lists are written by hand and
 * short. What the words stand for is one table. An address alone is a prefix of
 * all its bits.
 */
#include "base/netlist.h"

#include <endian.h>
#include <stdlib.h>

#include "base/parse.h"

struct word {
	const char *name;
	const char *net;
};

static const struct word words[] = {
	{ "any", "0.0.0.0/0" },
	{ "any", "::/0" },
	{ "loopback", "127.0.0.0/8" },
	{ "loopback", "::1/128" },
	{ "loopback", "0.0.0.0/32" },
	{ "loopback", "::/128" },
	{ "private", "10.0.0.0/8" },
	{ "private", "172.16.0.0/12" },
	{ "private", "192.168.0.0/16" },
	{ "private", "fc00::/7" },
	{ "link-local", "169.254.0.0/16" },
	{ "link-local", "fe80::/10" },
	{ "multicast", "224.0.0.0/4" },
	{ "multicast", "255.255.255.255/32" },
	{ "multicast", "ff00::/8" },
};

static inline unsigned
family_bits(const struct addr *a)
{
	return a->family == 4 ? 32 : 128;
}

/* Clears the bits of A behind the first BITS. */
static void
mask(struct addr *a, unsigned bits)
{
	unsigned i = bits / 8;

	if (i < sizeof(a->ip)) {
		a->ip[i] &= (uint8_t)(0xff00u >> bits % 8);
		memset(a->ip + i + 1, 0, sizeof(a->ip) - i - 1);
	}
}

static bool
parse_prefix(struct span s, struct prefix *out)
{
	const uint8_t *slash = s.n > 0 ? memchr(s.p, '/', s.n) : NULL;
	struct span host = s;
	unsigned skip = 0;
	uint64_t bits;

	if (slash != NULL)
		host.n = (size_t)(slash - s.p);
	if (!addr_parse_ip(&out->net, host, false))
		return false;
	out->bits = (uint8_t)family_bits(&out->net);
	if (slash == NULL)
		return true;
	if (!parse_u64(span_make(slash + 1, s.n - host.n - 1), &bits))
		return false;
	/* ::ffff:10.0.0.0/104 has become 10.0.0.0/8. Shorter than 96 it would
	 * cover more than IPv4 and could not be meant. */
	if (out->net.family == 4 && memchr(host.p, ':', host.n) != NULL)
		skip = 96;
	if (bits < skip || bits - skip > out->bits)
		return false;
	out->bits = (uint8_t)(bits - skip);
	mask(&out->net, out->bits);
	return true;
}

static bool
append(struct netlist *list, const struct prefix *p)
{
	struct prefix *v = list->v;

	/* Room doubles whenever the number reaches a power of two. */
	if ((list->n & (list->n - 1)) == 0)
		v = reallocarray(v, list->n > 0 ? 2 * list->n : 1, sizeof(*v));
	if (v == NULL) {
		list->starved = true;
		return false;
	}
	list->v = v;
	list->v[list->n++] = *p;
	return true;
}

bool
netlist_add(struct netlist *list, struct span word)
{
	size_t before = list->n;
	bool known = false, ok = true;
	struct prefix p;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!span_eq(word, span_str(words[i].name)))
			continue;
		known = true;
		ok = ok && parse_prefix(span_str(words[i].net), &p) &&
		    append(list, &p);
	}
	if (!known)
		return parse_prefix(word, &p) && append(list, &p);
	/* All that the word stands for, or nothing. */
	if (!ok)
		list->n = before;
	return ok;
}

void
netlist_fini(struct netlist *list)
{
	free(list->v);
	*list = (struct netlist){ 0 };
}

/* The bits in which eight octets differ. */
static inline uint64_t
difference(const uint8_t *a, const uint8_t *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return be64toh(x ^ y);
}

static inline bool
covers(const struct prefix *p, const struct addr *a)
{
	unsigned bits = p->bits;
	uint64_t front;

	if (p->net.family != a->family)
		return false;
	if (bits == 0)
		return true;
	front = difference(p->net.ip, a->ip);
	if (bits <= 64)
		return front >> (64 - bits) == 0;
	return front == 0 &&
	    difference(p->net.ip + 8, a->ip + 8) >> (128 - bits) == 0;
}

int
netlist_match(const struct netlist *list, const struct addr *a)
{
	int best = -1;

	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].bits > best && covers(&list->v[i], a))
			best = list->v[i].bits;
	return best;
}

bool
netlist_allows(const struct netlist *allow, const struct netlist *deny,
    const struct addr *a)
{
	int good = netlist_match(allow, a);
	struct addr ip4;
	int front, bad;

	if (good < 0)
		return false;
	if (deny->n == 0 && a->family == 4)
		return true;
	if (netlist_match(deny, a) > good)
		return false;
	front = (int)addr_embedded_ip4(a, &ip4);
	if (front == 0)
		return true;
	bad = netlist_match(deny, &ip4);
	return bad <= netlist_match(allow, &ip4) || front + bad <= good;
}
