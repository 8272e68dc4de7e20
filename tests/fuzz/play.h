/*
 * play: one run of the whole proxy, as an input says.
 *
 * play_run.c reads the input as a program and does its steps, play_make.c makes
 * messages of it; play.c has the clients, origins and the network between them;
 * play_judge.c looks at every datagram and play_limits.c at the tables, and they
 * abort upon what must not be; play_conf.c has the configurations.
 */
#ifndef TESTS_FUZZ_PLAY_H
#define TESTS_FUZZ_PLAY_H

#include <stdlib.h>

#include "coap/emit.h"
#include "world.h"

enum {
	PLAY_CLIENTS = 6,
	PLAY_PROBE = PLAY_CLIENTS,	/* asks at the end */
	PLAY_ORIGINS = 5,
	PLAY_LIMITS = 10,
	PLAY_ASKED = 64,	/* tokens of a client that are watched */
	PLAY_TOLD = 256,	/* answers likewise */
	PLAY_KNOWN = 256,
	PLAY_PENDING = 128,	/* requests of a client to be answered */
	PLAY_DOWNS = 64,	/* CONs to a client that are remembered */
	PLAY_UPS = 256,		/* requests to origins that are remembered */
	PLAY_OCTETS = 2304,	/* of a datagram of ours */
	PLAY_INPUTS = 1500,	/* datagrams to the proxy, in all */
};

/* The input, as far as it is not used up. */
struct tape {
	const uint8_t *p;
	size_t n;
};

/* 0 at the end. */
uint8_t tape_u8(struct tape *t);
struct span tape_span(struct tape *t, size_t n);

/* One bit for each Message ID. */
struct seen_mids {
	uint8_t bits[65536 / 8];
};

static inline void
seen_add(struct seen_mids *m, uint16_t mid)
{
	m->bits[mid / 8] |= (uint8_t)(1u << mid % 8);
}

static inline bool
seen_has(const struct seen_mids *m, uint16_t mid)
{
	return (m->bits[mid / 8] & 1u << mid % 8) != 0;
}

/* What a client has sent with one token, and got. */
struct asked {
	uint8_t token[COAP_TOKEN_MAX];	/* how it begins */
	size_t n;
	unsigned sent;		/* datagrams */
	unsigned told;		/* answers that are no notifications */
	bool observes;
	uint64_t target;	/* what it was asked for; 0: different things */
};

/* What is at the origin where the requests for TARGET go. */
struct known {
	uint64_t target;	/* 0: nothing is known */
	uint32_t mark;
};

/* A CON that the proxy has sent to a client. */
struct down {
	struct addr local;
	uint64_t at;		/* the last copy */
	uint16_t mid;
	unsigned copies;	/* 0: none */
	bool settled;		/* acknowledged, or rejected */
};

struct play_client {
	struct addr addr;
	bool acks;		/* by itself */
	uint16_t mid;
	struct seen_mids mids;	/* it has used */
	uint16_t pending[PLAY_PENDING];	/* those to hear about, */
	size_t npending;	/* ... as far as there is room */
	struct asked asked[PLAY_ASKED];
	size_t nasked;
	uint32_t told[PLAY_TOLD];	/* type and Message ID */
	size_t ntold;
	bool crowded;		/* more than is watched */
	bool proving;		/* it may have been confirmed */
	uint64_t in, out;	/* octets, those of lower layers included */
	bool has_con;
	struct addr con_local;
	uint16_t con_mid;	/* of the last CON to it */
	struct down downs[PLAY_DOWNS];
	size_t ndowns;
	uint8_t code;		/* of the last answer */
	uint8_t etag[8], echo[40];	/* the last ones it was given */
	size_t netag, necho;
	uint8_t last[PLAY_OCTETS];	/* what it has sent last */
	size_t nlast;
	struct addr last_to;
};

struct play_origin {
	struct addr addr;
	uint8_t mode;		/* see play.c */
	uint8_t version;	/* of what it has */
	uint16_t mid;
	uint32_t seq;		/* of notifications */
	struct seen_mids mids;
};

/* A request that the proxy has sent. */
struct up {
	struct addr from, to;
	uint64_t at;
	uint16_t mid;
	uint8_t type, code;
	uint8_t token[8];
	size_t ntoken;
	bool observes;
	unsigned copies;
	bool settled;		/* acknowledged, or rejected */
};

/* How an input is run. All zeros: as it is. */
struct play_setting {
	const char *conf;	/* in the place of all configurations; /a is at
				 * the first origin */
	bool short_of_memory;	/* there is not always some */
	void (*calm)(void);	/* called when there is again, at the end */
	int send_error;		/* the datagram behind so many meets with it */
	unsigned sends;
	bool socket_error;	/* the socket behind so many cannot be had */
	unsigned sockets;
};

struct play {
	struct world world;
	const struct play_setting *setting;
	struct tape tape;
	unsigned conf;		/* that is in use */
	size_t cache_most;	/* octets that have been configured */
	uint64_t most[PLAY_LIMITS];	/* likewise, of each */
	uint64_t lifetime;	/* of exchanges, the shortest so far */
	unsigned copies;	/* of a CON, the most so far */
	bool ratio;		/* the amplification limit has always been */
	bool draining;
	bool trace;		/* datagrams are shown */
	unsigned inputs;
	struct list arrived;	/* packets, judged */
	const struct addr *caused_by;	/* who has just sent an ACK or RST, */
	uint16_t caused_mid;		/* ... with this Message ID */
	bool heard;		/* about the CON of an origin's that comes */
	bool silent;		/* it may be, about a request */
	struct known known[PLAY_KNOWN];
	struct play_client clients[PLAY_CLIENTS + 1];
	struct play_origin origins[PLAY_ORIGINS];
	struct up ups[PLAY_UPS];
	size_t nups;		/* altogether; the last ones are in the ring */
};

/* ---- play_conf.c ---- */

struct play_conf {
	const char *text;
	const char *proxy_uri;	/* for a PUT that reaches the first origin;
				 * NULL: /a does */
	bool amplification;	/* "echo" or "blocks" */
	bool silent;		/* some requests get nothing at all */
	bool second;		/* a listener at 192.0.2.2:5690 */
};

/* The configuration I, of as many as play_confs. */
extern const unsigned play_confs;
const struct play_conf *play_conf(unsigned i);

/* ---- play.c ---- */

/* Aborts, saying why. */
void play_fail(const struct play *p, const char *why)
    __attribute__((noreturn));

static inline void
play_require(const struct play *p, bool fact, const char *why)
{
	if (!fact)
		play_fail(p, why);
}

/* Shows DATAGRAM if the environment has TRACE. */
void play_trace(const struct play *p, const struct addr *from,
    const struct addr *to, struct span datagram);

/* False without memory; it is to be taken down then, too. */
bool play_init(struct play *p, struct tape tape, unsigned conf,
    const struct play_setting *setting);
void play_fini(struct play *p);

/* C or O sends DATAGRAM, whatever it is. */
void play_client_sends(struct play *p, struct play_client *c,
    const struct addr *to, struct span datagram);
void play_origin_sends(struct play *p, struct play_origin *o,
    const struct addr *to, struct span datagram);

/* What clients and origins do by themselves about what has arrived. */
void play_settle(struct play *p);

/* Lets MS pass, if nothing makes that too long. */
void play_pass(struct play *p, uint64_t ms);

/* A 2.05 with the newest state to the registration UP. */
void play_notify(struct play *p, const struct up *up, bool con);

/* The K-th newest request that the proxy has sent, or NULL. */
struct up *play_up(struct play *p, unsigned k);
struct play_origin *play_origin(struct play *p, const struct addr *a);

/* ---- play_run.c ---- */

/* Runs the input TAPE. Whether all that SETTING says has failed. */
bool play_run(struct tape tape, const struct play_setting *setting);

/* ---- play_judge.c ---- */

/* The payload with which the client C writes, of 8 octets, and whether PAYLOAD
 * begins like one, *C then being whose. */
void judge_mark(uint8_t out[8], unsigned c, uint16_t number);
bool judge_marked(struct span payload, unsigned *c);

/* OCTETS that come from the input look like none. */
void judge_clean(uint8_t *octets, size_t n);

/* What a body of 8 octets or more begins with that is there for the request
 * M. */
void judge_mark_body(uint8_t out[8], const struct coap_msg *m);

/* C is about to send DATAGRAM. */
void judge_asks(struct play_client *c, struct span datagram);

/* Time is over: whoever has asked in a CON has heard something. */
void judge_end(struct play *p);

/* DATAGRAM is about to reach the proxy. */
void judge_comes(struct play *p, const struct addr *from,
    const struct addr *to, struct span datagram);

/* The proxy has sent PK. */
void judge_packet(struct play *p, const struct packet *pk);

/* ---- play_limits.c ---- */

/* A configuration is in use. A cache that has become smaller may hold for a
 * while what it held; without one only observations hold something. */
void judge_conf(struct play *p);

/* All that is limited is within its limits; takes the log's lines. */
void judge_state(struct play *p);

#endif
