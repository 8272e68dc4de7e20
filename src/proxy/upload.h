/*
 * upload: request bodies put together from the Block1 requests of clients
 * (RFC 7959 2.5), where we are the server.
 *
 * Everything of it can be spoofed and most of it costs memory, so the table is
 * bounded in transfers and octets, and one client address, whatever its ports,
 * gets a share. Whoever has sent a second block has probably seen our 2.31, so
 * transfers of one block make room for others, oldest first, and those that go
 * on never do: a new one is refused then.
 *
 * Copies of a message never come here, the message layer answers them.
 */
#ifndef PROXY_UPLOAD_H
#define PROXY_UPLOAD_H

#include "base/addr.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/table.h"
#include "coap/block.h"
#include "coap/msg.h"

enum {
	UPLOAD_SHARE = 4,	/* a client's part of the table: a quarter */
	UPLOAD_OPTS = 2048,	/* octets of a request's options */
};

struct upload_conf {
	size_t max_body;	/* octets of one body */
	size_t max_total;	/* ... of all, those held included */
	size_t max_transfers;	/* at a time */
	uint64_t lifetime;	/* EXCHANGE_LIFETIME, ms (BLK-32) */
	uint8_t szx;		/* the largest block size we ask for, 0 to 6 */
};

struct upload_stats {
	uint64_t started;
	uint64_t finished;
	uint64_t expired;	/* no block for lifetime */
	uint64_t dropped;	/* replaced, grown too large, or for room */
	uint64_t refused;	/* blocks that got an error, */
	uint64_t full;		/* ... for want of room */
};

struct uploads {
	struct upload_conf conf;
	struct upload_stats stats;
	struct table table;
	struct table clients;
	struct list fresh;	/* of one block, oldest first */
	struct list going;	/* of more, longest without a block first */
	struct pool pool;
	struct pool client_pool;
	size_t octets;		/* of bodies under way */
	size_t held;		/* of bodies handed out */
	struct siphash_key key;
};

/* CONF is copied. False without memory. */
bool uploads_init(struct uploads *u, const struct upload_conf *conf,
    struct rand *rnd) __attribute__((warn_unused_result));

/* CONF holds from now on; what is under way keeps the limits it began with. */
void uploads_configure(struct uploads *u, const struct upload_conf *conf);

/* Frees what is under way. Bodies handed out stay valid. */
void uploads_fini(struct uploads *u);

/* Who asks whom. Blocks from different ones are never joined (BLK-30). */
struct upload_from {
	const struct addr *client;
	const struct addr *local;
	unsigned socket;
	uint64_t session;	/* security context, 0: none (BLK-50) */
};

enum upload_step {
	UPLOAD_CONTINUE,	/* 2.31 */
	UPLOAD_DONE,		/* the body is complete */
	UPLOAD_INCOMPLETE,	/* 4.08: a gap, no transfer, another format */
	UPLOAD_TOO_LARGE,	/* 4.13, with max_body as Size1 */
	UPLOAD_BAD,		/* 4.00 */
	UPLOAD_FULL,		/* 5.03 */
};

struct upload_result {
	struct coap_block block;	/* Block1 of the answer */
	size_t max_body;		/* ... for its Size1, too large */
	/* With UPLOAD_DONE: what M is to be taken for, with all its options. */
	uint8_t *body;			/* NULL when empty */
	size_t n;
	bool if_none_match;		/* in the first block's request, where
					 * alone it counts (BLK-33) */
};

/* Takes the block in M, a request with a recognised Block1 and options of at
 * most UPLOAD_OPTS octets; M is borrowed.
 *
 * M belongs to the transfer of the same client, destination and method whose
 * options are the same in order and number, Request-Tags included; Block1,
 * Block2, If-None-Match and what is elective and NoCacheKey (Size1, Size2,
 * Echo) may differ and count as the last block has them (RFC 9175 3.3).
 *
 * A block behind a gap, or an older one, leaves the transfer as it is. One
 * that cannot be kept for want of room ends it, as does one too large.
 *
 * The body of UPLOAD_DONE is the caller's, to be given to upload_release();
 * until then it counts towards max_total. */
enum upload_step upload_feed(struct uploads *u, const struct upload_from *from,
    const struct coap_msg *m, uint64_t now, struct upload_result *out);

/* Frees a BODY of N octets that upload_feed() handed out. */
void upload_release(struct uploads *u, uint8_t *body, size_t n);

/* Forgets transfers without a block for lifetime. upload_feed() does so too. */
void upload_expire(struct uploads *u, uint64_t now);

/* When the next one expires; UINT64_MAX: none is under way. */
uint64_t upload_next(const struct uploads *u);

#endif
