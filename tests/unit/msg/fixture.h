/*
 * fixture: a message layer with a network and a clock of our own.
 *
 * Datagrams go in and are expected out in hexadecimal. The peers' Message IDs
 * begin at 0x5000 and 0x6000, time-outs are not random; tokens of our own
 * requests are ("TT" in a datagram for the one that was sent last).
 */
#ifndef TESTS_UNIT_MSG_FIXTURE_H
#define TESTS_UNIT_MSG_FIXTURE_H

#include "coap/hex.h"
#include "msg/datagram.h"
#include "unit.h"

enum { OUT_MAX = 64, GOT_MAX = 16, OBSERVERS = 6, T0 = 1000000 };

/* A datagram that was sent. */
struct out {
	uint64_t at;
	const struct peer *to;
	uint16_t len;
	uint8_t octets[BUF_LARGE];
};

/* An observer of peer[] under a token of one octet. */
struct obs {
	struct note note;
	uint8_t state, told;	/* the newest, and what was said last */
	uint8_t code;		/* of what it is told at the end, or 0 */
	bool once;		/* ... in a NON */
	bool aging;		/* with Max-Age: 60 s since T0 */
	size_t padding;		/* octets of more payload */
	unsigned asked;		/* calls of ops->notice() */
	unsigned gone;
	enum note_end why;
	void (*on_gone)(struct obs *o);
};

/* A request that was received, still to be answered. */
struct got {
	struct received *r;
	uint8_t code, token[COAP_TOKEN_MAX];
	size_t token_len;
};

struct world {
	uint64_t now;
	struct rand rnd;
	struct timers timers;
	struct buf_pool *bufs;
	struct buf *hoard[8];
	struct msg_params params;
	struct dgram *d;
	struct peer peer[2];
	struct out out[OUT_MAX];
	size_t nout, seen;
	struct got got[GOT_MAX];
	size_t ngot;
	/* Our own requests. */
	uint8_t token[8];		/* of the one sent last */
	unsigned responses, failures, acked, repeated;
	uint8_t code;			/* of the last response */
	uint8_t payload[16];
	size_t payload_len;
	enum dgram_fail why;
	void *user;
	struct exchange *lasting;	/* after the last response; or NULL */
	/* What happens upon a response. */
	bool refuse;			/* it cannot be processed */
	bool cancel;			/* what is lasting is cancelled */
};

/* A layer with MAX exchanges, and upcalls as for the server side or the client
 * side. */
void world_init(struct world *w, uint32_t max, bool server);
void world_fini(struct world *w);

/* The next MS milliseconds pass. */
void pass(struct world *w, uint64_t ms);

/* A datagram from peer I. */
void in(struct world *w, size_t i, const char *hex);

/* The next datagram sent, to peer I, is this one. */
void out(struct world *w, size_t i, const char *hex);

/* None was sent but those seen. */
void quiet(const struct world *w);

/* Answers request I with CODE and the payload "x". */
bool reply(struct world *w, size_t i, uint8_t code);

/* Sends a GET to peer I; its datagram counts as seen. */
struct exchange *ask(struct world *w, size_t i, uint8_t type);

/* O, all new, observes from peer I under TOKEN. */
bool observe(struct world *w, struct obs *o, size_t i, uint8_t token);

/* O's next state is there, and it is to be told. */
void change(struct world *w, struct obs *o);

/* The next datagram sent, to peer I, is a notification of STATE: 2.05, Observe
 * and payload are both STATE. */
void out_con(struct world *w, size_t i, unsigned mid, uint8_t token,
    uint8_t state);
void out_non(struct world *w, size_t i, unsigned mid, uint8_t token,
    uint8_t state);

/* From peer I. */
void in_ack(struct world *w, size_t i, unsigned mid);
void in_rst(struct world *w, size_t i, unsigned mid);

/* Takes all buffers there are, and gives them back. */
void hoard(struct world *w);
void unhoard(struct world *w);

/* Leases all Message IDs of peer I, for ever. */
void use_up_mids(struct world *w, size_t i);

#endif
