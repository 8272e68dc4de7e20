/*
 * notify: notifications, the server side's messages that answer no message
 * (RFC 7641 4.5).
 *
 * A note is one entry of a list of observers: an endpoint and a token. The
 * layer decides when it is told something, in a CON or a NON, and repeats what
 * is not acknowledged; the user says what, by ops->notice(), anew for each
 * copy, so that what goes out is always the newest and nothing is kept here.
 *
 *	dgram_notify() --way is free--> ops->notice() -> NON
 *	      |                                       -> CON --time--> once more
 *	      `--CON out, busy--> later, if ops->behind()   |  \--last--> gone
 *	                               ^                    |--RST--> gone
 *	                               `--------- ACK ------'
 *
 * To one endpoint at most one CON is outstanding, a separate response counted
 * in (RFC 7641 4.5.1); its notes take turns.
 */
#ifndef MSG_NOTIFY_H
#define MSG_NOTIFY_H

#include "base/list.h"
#include "base/span.h"
#include "msg/peer.h"

enum {
	NOTE_MIDS = 8,		/* NONs of which a RST is understood */
	NOTE_TOKEN = 8,		/* octets of a token kept in the note */
};

struct dgram;
struct notes;			/* all notes of one endpoint */

/* One entry, embedded by the user; all members are the message layer's. */
struct note {
	struct list link;	/* of its endpoint's, in turn */
	struct notes *of;
	union {
		uint8_t in[NOTE_TOKEN];
		uint8_t *heap;	/* a longer one */
	} token;
	/* The NONs it got, oldest first; times in seconds. */
	uint32_t non_at[NOTE_MIDS];
	uint16_t non_mid[NOTE_MIDS];
	uint32_t con_at;	/* its last CON, in seconds; 0: none yet */
	uint8_t token_n;
	uint8_t nmids;		/* of non_mid[] in use */
	uint8_t nons;		/* NONs since its last CON */
};

/* Why an entry has ended. */
enum note_end {
	NOTE_REJECTED,		/* RST */
	NOTE_SILENT,		/* no ACK after the last copy */
	NOTE_OVER,		/* its last notification is done with */
};

/* What an observer is to be told. */
struct dgram_notice {
	uint8_t code;
	struct span opts, payload;	/* opts encoded from 0 (coap/emit.h) */
	bool newer;		/* than what it was told last; as
				 * ops->behind() said just before */
	bool last;		/* the entry ends with it: a CON */
	bool once;		/* ... that nobody repeats: a NON, then gone */
};

/* N becomes the entry of P and TOKEN, which has none. N and its memory are the
 * message layer's until ops->gone(), dgram_note_remove() or dgram_free(). False
 * at the limits, params->max_observers and max_per_client, or without memory:
 * N is not kept. */
bool dgram_note_add(struct dgram *d, struct note *n, struct peer *p,
    struct span token) __attribute__((warn_unused_result));

/* N has registered again: as just added, nothing is outstanding. */
void dgram_note_renew(struct dgram *d, struct note *n);

/* Whose entry N is. */
struct peer *dgram_note_peer(const struct note *n);

/* The entry of P and TOKEN, or NULL. */
struct note *dgram_note_find(const struct peer *p, struct span token);

/* The entry of P behind N, or the first if N is NULL; NULL: no more. Telling
 * any of them changes the order. */
struct note *dgram_note_next(const struct peer *p, const struct note *n);

/* There is something newer for N. It is sent now if nothing is outstanding to
 * its endpoint; else ops->behind() will be asked when the way is free. Calls
 * ops->notice(), and ops->gone() for what is sent once. Not to be called from
 * ops->notice() and ops->behind(). */
void dgram_notify(struct dgram *d, struct note *n, uint64_t now);

/* What N is to be told is the last, and it is not waited for anything any more:
 * it is told at once, in a NON, and is gone. */
void dgram_notify_once(struct dgram *d, struct note *n, uint64_t now);

/* Forgets N, without an upcall. */
void dgram_note_remove(struct dgram *d, struct note *n);

/* Entries there are now. */
size_t dgram_note_count(const struct dgram *d);

#endif
