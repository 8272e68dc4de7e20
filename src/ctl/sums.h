/*
 * sums: counters put together as they are shown.
 */
#ifndef CTL_SUMS_H
#define CTL_SUMS_H

#include "ctl/sources.h"
#include "net/udp.h"

/* What came and went at the sockets of one [listen]. */
struct listener_sum {
	struct udp_stats udp;
	struct listener_stats in;
};

/* By index of [listen], as many as SRC->nlisteners. To be freed; NULL without
 * memory. */
struct listener_sum *sums_listeners(const struct sources *src);

/* Likewise into V, which is all zeros. */
void sums_read_listeners(const struct sources *src, struct listener_sum *v);

/* After a change of SRC->listeners: those called as one of the N NAMES, which
 * had WAS by then, go on from there, whatever their sockets are now; others
 * begin. V and SCRATCH, all zeros, have room for SRC->nlisteners; V gets what is
 * to be SRC->carried. */
void sums_carry(const struct sources *src, struct listener_sum *v,
    struct listener_sum *scratch, const struct listener_sum *was,
    const char *const *names, size_t n);

/* All that came in at L and led to no request, but for duplicates. */
uint64_t sums_dropped(const struct listener_sum *l);

/* Of a route, over all listeners. */
struct route_sum {
	const char *route;
	uint64_t requests, under_way;
	uint64_t classes[TALLY_CLASSES];	/* responses, from 2.xx on */
	uint64_t notifications, notified, renewed;
	size_t observations, observers;
	struct histo times;
};

/* Every route that has been counted for, in no order. To be freed, *N of them;
 * NULL without memory. */
struct route_sum *sums_routes(const struct sources *src, size_t *n);

/* What goes to one address of an origin now. */
struct server_sum {
	bool known;		/* there is a socket towards it */
	bool silent;		/* given up on once since its last sign of
				 * life */
	uint32_t window;	/* interactions that may be outstanding, */
	uint32_t outstanding;	/* ... those that are, */
	uint32_t waiting;	/* ... and requests that wait for their turn */
};

struct server_sum sums_server(const struct sources *src, const struct addr *a);

/* Likewise of all servers of O together; those that clients choose are what is
 * left when all others are taken away. */
struct server_sum sums_origin(const struct sources *src,
    const struct tally_origin *o);

#endif
