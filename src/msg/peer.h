/*
 * peer: what is known of one remote endpoint.
 *
 * An endpoint here is a pair: the remote address and port, and the local
 * address it talks to. CoAPy calls it RemoteEndpointState: its counters, and
 * the Message IDs sent to it. On the client side every socket has exactly one
 * peer and embeds it; on the server side peers are found in a bounded table,
 * the longest idle leaving first.
 */
#ifndef MSG_PEER_H
#define MSG_PEER_H

#include "base/addr.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/table.h"
#include "msg/midset.h"

/* Message IDs of one (local, remote) pair. 65536 of them, leased in groups: a
 * group is entered again only when everything sent from it is older than
 * EXCHANGE_LIFETIME, so no ID is ever reused within it (MSG-59) and the record
 * is 16 numbers instead of 65536. */
enum { MID_GROUPS = 16, MID_GROUP = 65536 / MID_GROUPS };

struct mids {
	uint32_t next;			/* 0..65535 */
	bool started;
	bool open;			/* the group of next may be used */
	uint32_t free_at[MID_GROUPS];	/* seconds, rounded up */
};

/* Starts at a random ID (MSG-60). */
void mids_init(struct mids *m, struct rand *rnd);

/* The next ID, or false when all are leased. LIFETIME: EXCHANGE_LIFETIME in
 * milliseconds. */
bool mids_next(struct mids *m, uint64_t now, uint64_t lifetime, uint16_t *mid);

/* Whether mids_next() would find one. */
bool mids_open(const struct mids *m, uint64_t now);

struct peer_stats {
	uint64_t rx_messages, rx_octets;	/* all, duplicates included */
	uint64_t tx_messages, tx_octets;	/* all, repetitions included */
	uint64_t tx_octets_since_heard;
	uint32_t duplicates;		/* received again */
	uint32_t retransmissions;	/* sent again */
	uint64_t last_heard;	/* ms; 0: never. Only by messages that fit
				 * state we hold (RFC 7252 4.7) */
};

struct notes;
struct peers;

struct peer {
	struct table_node node;
	struct list idle;	/* while refs is 0, in the table's idle list */
	struct peers *table;	/* NULL: embedded in its socket's owner */
	struct addr remote;
	struct addr local;
	void *io;		/* the socket, for dgram_ops.send */
	uint8_t note;		/* the user's own; 0 at first */
	uint32_t refs;		/* records and exchanges that name it */
	uint32_t separate;	/* CON responses to it outstanding */
	uint32_t non_at;	/* ms, cut, of its last NON notification; 0:
				 * none. Here, so that it stays for who comes
				 * back */
	struct notes *notes;	/* its observers (msg/notify.h), or NULL */
	struct mids mids;
	struct midset seen;	/* of the messages received from it */
	struct peer_stats stats;
};

/* A peer that is in no table. */
void peer_init(struct peer *p, const struct addr *remote,
    const struct addr *local, void *io, struct rand *rnd);

struct peers {
	struct table table;
	struct list idle;	/* longest idle first */
	struct pool pool;
	struct hash_key key;
	struct rand *rnd;
	uint64_t evicted;
};

bool peers_init(struct peers *ps, size_t max, struct rand *rnd)
    __attribute__((warn_unused_result));
void peers_fini(struct peers *ps);

/* At most MAX from now on. While there are more, idle ones give way, two for
 * each new one. */
void peers_limit(struct peers *ps, size_t max);

/* The peer of REMOTE at LOCAL on socket IO, made when it is new. NULL when the
 * table is full of peers in use. */
struct peer *peers_get(struct peers *ps, const struct addr *remote,
    const struct addr *local, void *io);

/* P has sent something that fits what we remember of it. */
void peer_heard(struct peer *p, uint64_t now);

/* Calls FN for every peer of the table; FN neither adds nor removes any. */
void peers_each(struct peers *ps, void (*fn)(const struct peer *, void *),
    void *arg);

/* Forgets the peers at the socket IO that nobody refers to; whether there are
 * others. */
bool peers_forget(struct peers *ps, const void *io);

/* TO says at which socket the peers at the socket IO are from now on, by their
 * local address; NULL: where they were. Of those that move the notes are 0. */
void peers_move(struct peers *ps, const void *io,
    void *(*to)(void *arg, const struct addr *local), void *arg);

/* Sets the notes of all peers to 0. */
void peers_clear_notes(struct peers *ps);

/* Whoever keeps a pointer to a peer holds a reference. */
void peer_ref(struct peer *p);
void peer_unref(struct peer *p);

/* Hash of (peer, Message ID) for the tables of received and sent messages. The
 * peer's own hash is secret, so this one is too. Message IDs are counted up:
 * what comes next is beside what came last, in the cache. */
static inline uint64_t
peer_mid_hash(const struct peer *p, uint16_t mid)
{
	return p->node.hash + mid;
}

#endif
