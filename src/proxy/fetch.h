/*
 * fetch: one conversation with an origin, and who waits for it.
 *
 * A back end (upstream/, later others) carries it out: it sends f->out to
 * f->route.hop and calls fetch_response() or fetch_failed() once.
 */
#ifndef PROXY_FETCH_H
#define PROXY_FETCH_H

#include "base/arena.h"
#include "base/list.h"
#include "base/table.h"
#include "base/timer.h"
#include "coap/msg.h"
#include "proxy/route.h"
#include "proxy/upstream.h"

struct cache_entry;
struct observation;
struct proxy;
struct tally;
struct tally_origin;
struct transfer;

/* Whether others may have what a fetch brings (proxy/share.h). */
enum share_state {
	SHARE_NOT,
	SHARE_OPEN,		/* who asks the same waits with the others */
	SHARE_CLOSED,		/* not any more: a change was asked for */
	SHARE_OLD,		/* ... and made: the answer is not fresh */
};

/* Who is told how a fetch of the proxy's own ends; F is gone by then. response
 * is called as fetch_response() is, with what can be processed at all; failed
 * as fetch_failed(). */
struct fetch_ops {
	bool (*response)(void *user, const struct coap_msg *m, uint64_t now);
	void (*failed)(void *user, enum fetch_fail why, uint64_t now);
};

struct fetch {
	struct list waiters;	/* struct request.link */
	const struct fetch_ops *ops;	/* NULL: the waiters get the answer */
	void *user;			/* of ops */
	struct list link;	/* in the proxy's list */
	struct proxy *proxy;
	struct timer deadline;	/* of one with ops */
	struct route route;
	struct addr server;	/* where it was sent to last; family 0: nowhere */
	bool validated;		/* what is stored is still good, it turned out */
	struct tally_origin *origin;	/* where it is counted, */
	struct tally *tally;	/* ... and for whom; NULL: for ourselves */
	uint64_t client;	/* for whom: tells clients apart */
	uint64_t asked;		/* when its last request was sent, ms */
	/* The request to send: valid until ops->send() returns, or, when it
	 * returned UPSTREAM_WAIT, until the fetch ends. */
	uint8_t type;		/* COAP_CON or COAP_NON */
	uint8_t code;
	uint8_t hop_limit;	/* in the request; 0: none */
	bool hop_added;		/* P inserted Hop-Limit (PRX-51) */
	/* Of what may be shared; in the proxy's tables unless SHARE_NOT. */
	uint8_t state;		/* enum share_state */
	struct table_node node, uri_node;
	struct span key;
	uint64_t hash;
	uint64_t uri;		/* also of an unsafe request; 0: not known */
	struct cache_entry *stale;	/* held, being validated */
	bool kept;		/* the host names of route are in the arena */
	bool relay;		/* too large to be collected: block by block */
	struct transfer *transfer;	/* NULL: one exchange does */
	bool silent;		/* it wants no answer, and the origin is told
				 * so (PRX-82): nobody can share it who does */
	struct span opts, payload;
	struct observation *obs;	/* it stays open for them */
	bool collects;		/* its ops get the body that M begins */
	bool registers;		/* its request has Observe 0, */
	bool acked;		/* ... and an empty ACK since it was renewed */
	void *watch;		/* the back end's own: the registration that is
				 * open; NULL: none */
	void *up;		/* the back end's own, */
	uint64_t up_port;	/* and where its last request went out from */
	struct arena arena;
};

/* Copies what F borrows for its request into its arena: the host names, and
 * with OCTETS the request itself. False without memory. */
bool fetch_keep(struct fetch *f, bool octets)
    __attribute__((warn_unused_result));

enum fetch_verdict { FETCH_GO, FETCH_IS_REFUSED, FETCH_IS_SELF };

/* Whether F may be sent to A, the address its target turned out to have
 * (ATK-18): asked for every address before anything is sent to it. */
enum fetch_verdict fetch_check(const struct fetch *f, const struct addr *a);

/* F is answered by M, whose octets are borrowed. SENT is the datagram that F
 * went out as. False when M cannot be processed: the client got 5.02. F may be
 * gone, or under way again, on return.
 *
 * When F registers and M is a 2.xx with Observe, the registration is open by
 * then (f->watch), and every message that belongs to it comes here; SENT is the
 * request renewed last, sent or not. Once M ends the registration f->watch is
 * NULL again. */
bool fetch_response(struct fetch *f, const struct coap_msg *m,
    struct span sent, uint64_t now);

/* F ends without an answer; it is gone on return. Not while f->watch is open:
 * then a renewal was not sent (FETCH_BUSY), or another request of F, by send(),
 * has failed. */
void fetch_failed(struct fetch *f, enum fetch_fail why, uint64_t now);

#endif
