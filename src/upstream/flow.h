/*
 * flow: how much may be outstanding towards one server, and who is next
 * (RFC 7252 4.7).
 *
 * An interaction is outstanding while a CON is not acknowledged, or a NON
 * request neither answered nor given up. At most NSTART of them may be, over
 * all clients: a fixed number, or a window that starts at 1, grows by one per
 * interaction that ends well and is halved by loss (MSG-39). Whatever comes
 * beyond waits in a bounded queue, a lane per client, served in turn: a hundred
 * requests of one client do not delay the first of another.
 *
 * A server that is silent gets no more than PROBING_RATE: once a request was
 * given up without any sign of life, one at a time goes out, and not before its
 * predecessor's octets have been paid for by waiting.
 *
 * No sockets and no clock; the owner sends what flow_next() gives it.
 */
#ifndef UPSTREAM_FLOW_H
#define UPSTREAM_FLOW_H

#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/table.h"

enum {
	FLOW_AUTO = 0,		/* nstart: a window */
	FLOW_WINDOW_MAX = 64,
};

struct flow_conf {
	uint32_t probing_rate;	/* octets per second, 1 or more */
	uint32_t queue;		/* waiting requests per server */
};

struct flow_stats {
	uint64_t queued;	/* requests that had to wait */
	uint64_t refused;	/* no room to wait */
	uint64_t losses;	/* the window was halved */
	uint64_t silences;	/* requests given up without a sign of life */
};

/* What all flows share. */
struct flows {
	const struct flow_conf *conf;
	struct table lanes;
	struct pool pool;	/* of lanes */
	struct siphash_key key;
	struct flow_stats stats;
};

/* At most MAX_LANES clients wait at a time. CONF is borrowed. */
bool flows_init(struct flows *fs, const struct flow_conf *conf,
    size_t max_lanes, struct rand *rnd) __attribute__((warn_unused_result));
void flows_fini(struct flows *fs);

/* Of one server. */
struct flow {
	struct flows *flows;
	struct list lanes;	/* with somebody waiting, the next one first */
	uint32_t waiting;
	uint32_t outstanding;
	uint32_t nstart;	/* FLOW_AUTO, or a number */
	uint32_t window;	/* for FLOW_AUTO */
	uint64_t halved;	/* when; ms */
	uint64_t heard;		/* last sign of life; ms */
	bool silent;		/* given up on once since then */
	uint64_t paid;		/* then: when the next one may go */
};

void flow_init(struct flow *f, struct flows *fs);

enum flow_state { FLOW_IDLE, FLOW_WAITING, FLOW_OUT };

/* One interaction; embedded in whoever has it. */
struct flow_item {
	struct list link;	/* in its lane while WAITING */
	struct lane *lane;
	struct flow *flow;	/* unless IDLE */
	uint64_t sent;		/* ms */
	uint32_t octets;	/* of its datagram */
	uint8_t state;		/* enum flow_state */
	bool repeated;		/* more than one copy of it went out */
};

void flow_item_init(struct flow_item *it, size_t octets);

/* Whether another interaction may begin at NOW. */
bool flow_open(const struct flow *f, uint64_t now);

/* IT, of the client CLIENT (any number that tells clients apart), waits. False
 * (counted) when it may not: the queue is full. A client with more waiting than
 * this one has to give one up for it: that one is *DISPLACED, IDLE by now. */
bool flow_wait(struct flow *f, struct flow_item *it, uint64_t client,
    struct flow_item **displaced);

/* Who is to be sent now, taken out of the queue; NULL: nobody, or not yet. */
struct flow_item *flow_next(struct flow *f, uint64_t now);

/* IT has been sent to the server of F. Returns when a NON without an answer is
 * to be given up, by flow_gave_up(). */
uint64_t flow_sent(struct flow *f, struct flow_item *it, uint64_t now);

/* IT is acknowledged or answered: it is IDLE. */
void flow_done(struct flow_item *it, uint64_t now);

/* The server of F has said something that fits. */
void flow_heard(struct flow *f, uint64_t now);

/* IT's CON has to be repeated. */
void flow_lost(struct flow_item *it, uint64_t now);

/* Nothing is expected for IT any more: it is IDLE. */
void flow_gave_up(struct flow_item *it, uint64_t now);

/* IT is IDLE, without any conclusion about the server. */
void flow_drop(struct flow_item *it);

/* When flow_next() may have somebody although nothing happens before;
 * UINT64_MAX when only an event can change that. */
uint64_t flow_wakeup(const struct flow *f);

#endif
