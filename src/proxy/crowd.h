/*
 * crowd: how many observers one address has (ATK-13).
 *
 * Ports do not count, and an IPv6 client is its /64: a host cannot have more by
 * calling itself differently.
 */
#ifndef PROXY_CROWD_H
#define PROXY_CROWD_H

#include "base/addr.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/table.h"

struct crowd {
	struct table_node node;
	struct addr addr;
	size_t n;
};

struct crowds {
	struct table table;
	struct pool pool;
	struct siphash_key key;
	size_t max;		/* of one address */
	uint64_t full;		/* refusals */
};

/* At most MAX of one address, of at most ALL altogether. */
bool crowds_init(struct crowds *cs, size_t max, size_t all, struct rand *rnd)
    __attribute__((warn_unused_result));
void crowds_fini(struct crowds *cs);

/* Other limits: who is in a crowd stays. */
void crowds_resize(struct crowds *cs, size_t max, size_t all);

/* One more of CLIENT's address: the crowd it belongs to, or NULL when that is
 * full. */
struct crowd *crowd_join(struct crowds *cs, const struct addr *client);

/* One less of C. */
void crowd_leave(struct crowds *cs, struct crowd *c);

#endif
