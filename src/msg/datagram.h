/*
 * datagram: the message layer of CoAP over UDP (RFC 7252 4), without sockets
 * and without a clock.
 *
 * Datagrams and the time come in; datagrams leave through ops->send and
 * deadlines go into the caller's wheel. One struct dgram serves all sockets of
 * one side: the server side has a table of peers, the client side brings the
 * peer of the socket.
 *
 *	datagram -> dgram_input() -> ops->request    -> dgram_reply()
 *	                          -> ops->response   <- dgram_prepare()
 *	                          -> ops->failed        dgram_start()
 *
 * What the user never sees: duplicates, ACKs, pings, malformed messages,
 * unexpected responses, repetitions.
 */
#ifndef MSG_DATAGRAM_H
#define MSG_DATAGRAM_H

#include "coap/emit.h"
#include "coap/msg.h"
#include "msg/notify.h"
#include "msg/params.h"
#include "msg/peer.h"
#include "msg/received.h"
#include "msg/sent.h"

struct dgram;

/* A request of ours and the response to come; or, when that says so, all those
 * to come: it lasts (RFC 7641). */
struct exchange {
	struct sent sent;
	struct table_node node;	/* by token */
	uint8_t token[8];
	bool observe;		/* may last */
	bool lasting;
	void *user;
};

/* X has been answered by a 2.xx with Observe: whatever comes with its token
 * comes to ops->response, until something ends it. */
static inline bool
dgram_lasting(const struct exchange *x)
{
	return x->lasting;
}

/* X, sent or sent once more, is neither acknowledged nor answered. */
static inline bool
dgram_under_way(const struct exchange *x)
{
	return x->sent.state == SENT_WAIT_ACK ||
	    x->sent.state == SENT_LAST_WAIT;
}

/* What happens to an exchange on its way. */
enum dgram_progress {
	DGRAM_ACKED,		/* empty ACK: the response will be separate */
	DGRAM_REPEATED,		/* its CON is about to be sent once more */
};

enum dgram_fail {
	DGRAM_TIMEOUT,		/* no ACK after the last copy */
	DGRAM_RESET,		/* RST */
	DGRAM_BAD_RESPONSE,	/* an answer that cannot be understood */
};

/* failed ends an exchange, and so does response unless that is lasting: its
 * octets (x->sent.buf) may still be read, and it is gone when they return. */
struct dgram_ops {
	/* Sends B to P through P->io; borrows B (takes a reference of its own
	 * to keep it). */
	void (*send)(struct peer *p, struct buf *b);
	/* A new request, to be answered with dgram_reply() or
	 * dgram_suppress() or given up with dgram_forget(), now or later.
	 * NULL: requests are rejected. */
	void (*request)(void *user, struct received *r,
	    const struct coap_msg *m, uint64_t now);
	/* X goes on; nothing may be done to it. */
	void (*progress)(void *user, struct exchange *x,
	    enum dgram_progress what, uint64_t now);
	/* The response to X, or a notification if X is lasting: that may be
	 * renewed or cancelled from here. M borrows from the datagram. False:
	 * it cannot be processed, and is rejected where it came as a CON
	 * (PRX-38). */
	bool (*response)(void *user, struct exchange *x,
	    const struct coap_msg *m, uint64_t now);
	void (*failed)(void *user, struct exchange *x, enum dgram_fail why,
	    uint64_t now);
	/* P has sent something that fits nothing we have sent it: a wrong
	 * token or Message ID, or a late copy. May be NULL. */
	void (*stray)(void *user, struct peer *p, uint64_t now);
	/* What N is to be told now: counts as told from then on. OUT, all 0,
	 * is filled in; its octets are read before the next upcall. Neither
	 * adds nor removes a note. */
	void (*notice)(void *user, struct note *n, struct dgram_notice *out,
	    uint64_t now);
	/* Whether there is something newer than N was told. */
	bool (*behind)(void *user, struct note *n);
	/* N is removed, and not touched again. Others may be added, removed
	 * and notified. */
	void (*gone)(void *user, struct note *n, enum note_end why,
	    uint64_t now);
};

struct dgram_stats {
	/* Too short, another version, an empty NON, a reserved class, an ACK or
	 * RST with a code that it cannot have. */
	uint64_t rx_ignored;
	uint64_t rx_malformed;
	uint64_t rx_truncated;
	uint64_t rx_unexpected;	/* responses nobody waits for, wrong peer */
	uint64_t rx_pings;
	uint64_t rx_reset, tx_reset;
	uint64_t retransmissions;
	uint64_t timeouts;
	uint64_t empty_acks;
	uint64_t no_mid;	/* all Message IDs of a peer leased */
	uint64_t full;		/* exchanges or buffers at their limit */
	uint64_t notifications;	/* first copies of each state told */
	uint64_t notifications_con;	/* ... that were CON */
	uint64_t superseded;	/* ... in the place of a copy of an older one */
	uint64_t notifications_late;	/* no Message ID or buffer at first */
	uint64_t observers_refused, observers_reset, observers_silent;
	uint64_t observers_crowded;	/* refused: max_per_client */
};

/* A message layer on TIMERS, with datagrams from BUFS. PARAMS, TIMERS, BUFS and
 * RND are borrowed for its life. NULL without memory. */
struct dgram *dgram_new(const struct dgram_ops *ops, void *user,
    const struct msg_params *params, struct timers *timers,
    struct buf_pool *bufs, struct rand *rnd);

/* PARAMS have changed. Messages under way go on as they began, and so do
 * records; what there is more of than allowed stays. */
void dgram_reload(struct dgram *d, uint64_t now);

/* How long a Message ID may be in use: EXCHANGE_LIFETIME, the longest of those
 * that messages under way have begun with. */
uint64_t dgram_lifetime(struct dgram *d, uint64_t now);

/* Forgets everything; no upcall. Peers, and notes, may be freed afterwards. */
void dgram_free(struct dgram *d);

/* The table of peers, for the server side. */
struct peers *dgram_peers(struct dgram *d);

/* Whether something is still to be said at the socket IO (peer.io): an answer,
 * or the repetition of one, or a notification. Looks at all there is. */
bool dgram_owes(struct dgram *d, const void *io);

const struct dgram_stats *dgram_stats(const struct dgram *d);
const struct received_stats *dgram_received_stats(const struct dgram *d);

/* Records in the table now; exchanges in theirs, with the CON notifications
 * outstanding. */
size_t dgram_received_count(const struct dgram *d);
size_t dgram_sent_count(const struct dgram *d);

/* A datagram from P. TRUNCATED: it was longer than what has been received of
 * it. A request then gets 4.13 (MSG-73), a response ends its exchange as one
 * that cannot be understood. */
void dgram_input(struct dgram *d, struct peer *p, struct span datagram,
    bool truncated, uint64_t now);

/* What a message says; everything else of it is the message layer's. OPTS are
 * encoded from 0 (coap/emit.h). All borrowed. */
struct dgram_out {
	uint8_t type;		/* requests only: CON or NON */
	uint8_t code;
	uint8_t unwanted;	/* answers only: the request's COAP_NO_*, for
				 * an error that has to take OUT's place */
	bool observe;		/* requests only: it registers (Observe 0) */
	struct span opts, payload;
};

/* Answers R with OUT under TOKEN; piggybacked, separate CON or NON as the
 * request and what has been sent so far demand (RFC 7252 5.2). R must not be
 * used afterwards. False when there is no buffer or Message ID: the client's
 * repetition will ask again where that is safe. */
bool dgram_reply(struct dgram *d, struct received *r,
    const struct dgram_out *out, struct span token, uint64_t now);

/* R has an answer that its sender does not want to hear (RFC 7967): a CON gets
 * an empty ACK, unless it has one, a NON nothing. To duplicates R is answered.
 * R must not be used afterwards. */
void dgram_suppress(struct dgram *d, struct received *r, uint64_t now);

/* R had no effect but the answer it is about to get: processing a copy of it
 * anew would do no harm. */
void dgram_harmless(struct dgram *d, struct received *r);

/* R's sender may be somebody else: what is sent for it is sent once, in a NON
 * if it cannot be piggybacked (RFC 9175 2.4), and copies of R beyond those that
 * MAX_RETRANSMIT makes get nothing. */
void dgram_once(struct received *r);

/* How many messages have been sent for R, which has no answer yet; a copy of it
 * may have been the cause. */
unsigned dgram_sent_for(const struct received *r);

/* R gets nothing, and is forgotten: a copy of it will be taken as new. */
void dgram_forget(struct dgram *d, struct received *r);

/* Why a request could not be made. */
enum dgram_refusal {
	DGRAM_FULL,		/* exchanges or buffers at their limit */
	DGRAM_TOO_LARGE,	/* for any datagram of ours */
};

/* Makes the request OUT, with a token of its own, for dgram_start() to send:
 * OUT is not needed any longer. USER comes back in the upcalls. NULL with *WHY
 * when a limit is hit. */
struct exchange *dgram_prepare(struct dgram *d, const struct dgram_out *out,
    void *user, enum dgram_refusal *why);

/* Sends X, which is prepared, to P under a Message ID of its own. False, with X
 * as it was, while all Message IDs of P are leased: another port would help. */
bool dgram_start(struct dgram *d, struct exchange *x, struct peer *p,
    uint64_t now);

/* X, lasting, is prepared to be sent once more, as OUT, under the token it has;
 * dgram_start() sends it, to x->sent.peer. What is under way of it is not
 * repeated any longer. X goes on lasting: also while the new request waits and
 * is under way, what comes with the token comes to ops->response. A 2.xx with
 * Observe, in whatever message, is an answer to a registration; a request that
 * does not register ends X with the first response after dgram_start() that is
 * not a notification, and goes on being repeated until then. That it fails ends
 * X as well. A notification does not acknowledge a registration that is under
 * way: what the answer to that says may be newer. False with *WHY when a limit
 * is hit; X is as before. */
bool dgram_renew(struct dgram *d, struct exchange *x,
    const struct dgram_out *out, enum dgram_refusal *why);

/* Nobody has received X, not a lasting one: it is prepared again, to be sent
 * elsewhere. */
void dgram_recall(struct dgram *d, struct exchange *x);

/* The exchange whose request to P the datagram is that began with the octets
 * QUOTED: they are ours, or an ICMP error says so (MSG-77). NULL when it is
 * none that still waits to be acknowledged. */
struct exchange *dgram_find_sent(const struct dgram *d, const struct peer *p,
    struct span quoted);

/* Ends X, in whatever state, without an upcall; a response that comes later is
 * unexpected. */
void dgram_cancel(struct dgram *d, struct exchange *x);

#endif
