/*
 * names: host names in one form, and what is known about them for a while.
 *
 * The cache holds answers and refusals until a moment given with them. At its
 * limit the least recently used name goes.
 */
#ifndef NET_NAMES_H
#define NET_NAMES_H

#include "base/addr.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/table.h"
#include "net/net.h"

enum { NAME_MAX_OCTETS = 253 };	/* RFC 1035 2.3.4, in text */

/* Lower case, no dot at the end. */
struct name {
	size_t n;
	char s[NAME_MAX_OCTETS + 1];
};

/* False for what DNS cannot be asked: empty, too long, or with anything but
 * letters, digits, '-', '_' and dots between labels (no IDNA: PRX-26). */
bool name_from(struct name *nm, struct span text);

static inline struct span
name_span(const struct name *nm)
{
	return span_make(nm->s, nm->n);
}

/* Addresses of one name, ports zero. */
struct name_addrs {
	size_t n;
	struct addr a[RESOLVE_MAX_ADDRS];
};

/* Adds A unless it is there, or there is no room. */
void name_addrs_add(struct name_addrs *out, const struct addr *a);

struct names {
	struct table table;
	struct list used;	/* least recently used first */
	struct pool pool;
	struct siphash_key key;
};

/* An empty cache of at most MAX names. False without memory. */
bool names_init(struct names *c, size_t max, const struct siphash_key *key)
    __attribute__((warn_unused_result));
void names_fini(struct names *c);

/* Forgets everything. */
void names_clear(struct names *c);

/* What is known about NM and still fresh; borrowed until the next call. N is 0
 * when the name is known not to exist. NULL when nothing is known. */
const struct name_addrs *names_get(struct names *c, const struct name *nm,
    uint64_t now);

/* Keeps A for NM until EXPIRES, in place of what was there. */
void names_put(struct names *c, const struct name *nm,
    const struct name_addrs *a, uint64_t expires);

#endif
