/*
 * core: struct client and its calls, and what their parts call of each other.
 *
 * Private to client.c (requests and what becomes of them), renew.c
 * (registrations) and unreachable.c.
 */
#ifndef UPSTREAM_CORE_H
#define UPSTREAM_CORE_H

#include "proxy/fetch.h"
#include "upstream/client.h"

struct client {
	const struct client_conf *conf;
	struct timers *timers;
	struct resolver *resolver;
	struct dgram *dgram;
	struct dests dests;
	struct pool calls;
	struct list unsent;	/* calls whose fetches are to be told */
	struct timer tell;	/* ... at the end of this turn */
	struct timer sweep;
	struct client_stats stats;
};

struct call {
	struct client *client;
	struct fetch *fetch;
	struct resolve *q;	/* waiting for an address, */
	struct exchange *x;	/* or prepared, or sent */
	struct flow_item item;
	struct list unsent;	/* in the client's list, or in none */
	enum fetch_fail why;	/* ... then */
	struct timer expect;	/* until when a NON counts as outstanding */
};

/* Frees CALL, in whatever state it is. */
void call_free(struct call *call);

/* Ends CALL, if it is one, without an upcall. */
void call_cancel(struct client *c, struct call *call);

/* CALL is out, and nobody waits for it any longer. Its turn goes to the next
 * one, later: this may be one of many that end now. */
void call_abandon(struct client *c, struct call *call, uint64_t now);

/* What F asks. */
struct dgram_out call_request(const struct fetch *f);

enum fetch_fail call_refusal(enum dgram_refusal why);

/* Whether F goes where a client says, not where the configuration does. */
static inline bool
call_is_guest(const struct fetch *f)
{
	return f->route.rule == NULL && !f->route.as_proxy;
}

/* Sends CALL to the first of N addresses that may be used and has a route: IPv6
 * comes first, also on a host that has none. Frees it when it cannot be
 * sent. */
enum upstream_send call_any(struct client *c, struct call *call,
    const struct addr *v, size_t n, enum fetch_fail *why, uint64_t now);

/* Something has ended at FLOW: the next one's turn? Frees no call. */
void flow_moved(struct client *c, struct flow *flow, uint64_t now);

/* Sends CALL, which is prepared, to D, now or when its turn comes. */
bool call_go(struct client *c, struct call *call, struct dest *d,
    enum fetch_fail *why, uint64_t now);

/* Sends X, which is lasting, from where it went out first. NULL with errno. */
struct port *call_start_again(struct client *c, struct exchange *x,
    struct dest *d, uint64_t now);

/* CALL's registration is open, or still is: what waits to be sent to keep it so
 * is not needed any more. */
void call_watch(struct client *c, struct call *call);

/* As in struct upstream_ops. */
enum upstream_send client_renew(void *self, struct fetch *f,
    enum fetch_fail *why, uint64_t now);
bool client_registered(void *self, const struct fetch *f, struct addr *a);

/* As in struct net_sock_ops, of a struct port. */
void port_error_cb(void *user, int err, struct span quoted, uint64_t now);

#endif
