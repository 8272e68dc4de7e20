/*
 * throng_sim: the inside of throng*.c.
 *
 *	watchers	what observes, by the rules for clients
 *	origin		resources, and its own list of observers: followers
 *	judge		sees every datagram at the proxy itself: before the
 *			network loses what the proxy sends, and after it has
 *			lost what is for the proxy
 *
 * Resource N has the path /N. Its states are numbered from 1, for ever; a body
 * says which one it is. Nothing of a run is left to chance but the seed.
 */
#ifndef TESTS_REPLAY_THRONG_SIM_H
#define TESTS_REPLAY_THRONG_SIM_H

#include <stdarg.h>

#include "coap/block.h"
#include "coap/emit.h"
#include "throng.h"
#include "world.h"

enum {
	TRANSMISSIONS = 5,	/* with MAX_RETRANSMIT 4 */
	OCTETS = 256,		/* of a datagram of ours */
	SMALL = 16,		/* octets of a body, and of a large one: */
	LARGE = 170,		/* three blocks of 64 */
	LARGE_SZX = 2,
	MAX_TOKENS = 32,	/* of an endpoint; max-per-client */
	NON_MIDS = 8,		/* of an observer that the proxy remembers */
	PENDING = 4,
	MIDS_SEEN = 16,
	HEARD = 4,		/* Message IDs that a watcher remembers */
	NON_LIFETIME_MS = 145000,
	SWEEP_MS = 5000,
};

struct throng;

/* A CON until it is acknowledged, or in vain. */
struct repeat {
	struct timer timer;
	struct throng *throng;
	void (*again)(struct repeat *r);
	void (*vain)(struct repeat *r);
	uint64_t timeout;
	unsigned sent;
};

/* Whether an observer is on the proxy's list. */
enum listed { OUT, MAYBE, IN };

/* A request of an observer that has no answer yet. */
struct pending {
	bool on, out;		/* out: a deregistration */
	bool acked;		/* it has its empty ACK */
	uint16_t mid;
	uint64_t at;
};

/* An observer as the judge sees it. */
struct entry {
	enum listed listed;
	uint64_t since;
	struct pending pending[PENDING];
	uint16_t asked_mid;	/* of the last one */
	uint64_t asked_at;
	bool any;		/* there was a request */
	uint8_t generation;	/* of its token */
	bool etagged;		/* a request named an ETag */
	bool fresh;		/* nothing since it was answered */
	bool said;		/* VALUE has a meaning */
	uint32_t value;		/* of Observe */
	uint64_t value_at;
	uint32_t told;		/* the state it was sent last */
	uint64_t last_con;
	unsigned nons;		/* since that */
	bool behind;		/* at the last sweep, when ... */
	unsigned behind_at;	/* ... the endpoint had so many */
	struct {
		uint16_t mid;
		uint64_t at;
	} sent[NON_MIDS];
	unsigned nsent;
};

/* What makes a watcher different from others. */
enum habit {
	STEADY,
	EAGER,			/* asks again as soon as RFC 7641 lets it */
	RENEWING,		/* ... and when there is no need to */
	COMING,			/* leaves and comes back */
	RESETTING,		/* leaves with RST */
	DEAD_SOON,		/* is silent once it is registered */
	DEAD_LATER,
};

enum asking { NOTHING, TO_JOIN, TO_LEAVE };

/* An observer: a token of an endpoint. */
struct watcher {
	struct endpoint *at;
	unsigned number, resource;
	enum habit habit;
	uint8_t generation;	/* of its token */
	bool watching;		/* it believes so */
	bool mute;
	bool left;		/* for good */
	bool tired;		/* the next notification gets RST */
	enum asking asking;
	bool acked;
	uint16_t mid;
	uint32_t named;		/* the state whose ETag the request has */
	struct repeat ask;
	struct timer next;
	uint64_t act_at;	/* by habit */
	uint64_t fresh_until;
	uint64_t doubt_at;	/* when it will ask again */
	uint32_t value;		/* of Observe, and when it came */
	uint64_t heard;
	uint16_t heard_mid[HEARD];
	unsigned nheard;
	uint32_t version;
	uint64_t slack;		/* FRESH_UNTIL may be so much too late */
	struct entry entry;
};

/* A CON of the proxy that waits for its ACK. */
struct attempt {
	bool on;
	bool answer;		/* to a registration */
	bool observe, final;	/* with Observe; an error */
	struct watcher *watcher;
	uint8_t generation;	/* of its token */
	unsigned sent;
	uint16_t mid[TRANSMISSIONS];
	uint64_t first, last, interval;
};

enum { ATTEMPTS = 2 * MAX_TOKENS };

struct endpoint {
	struct throng *throng;
	struct addr addr;
	uint16_t mid;
	struct watcher *watchers;
	unsigned n;
	bool dead;
	struct timer death;
	unsigned after_death;	/* notifications */

	/* the judge's */
	struct attempt attempts[ATTEMPTS];
	unsigned used;		/* of attempts[], ever */
	uint64_t fog;		/* until then nothing is sure */
	uint64_t last_non, idle_since;
	unsigned told;		/* notifications, each with its copies */
	bool confirmed;		/* it has acknowledged one */
};

/* One that only asks: plain GET, PUT. */
struct asker {
	struct throng *throng;
	struct addr addr;
	unsigned number, resource;
	struct repeat ask;
	struct timer next;
	uint8_t code;
	uint16_t mid;
	uint32_t token;
	bool waits, told;	/* ... the latter as the judge sees it */
};

/* An entry of the origin's list. */
struct follower {
	struct list link;
	struct resource *of;
	struct addr from;
	uint8_t token[8];
	size_t ntoken;
	struct repeat tell;
	uint16_t mid;		/* of the CON, or the last NON */
	uint32_t version;	/* it was told */
};

/* Message IDs of the last requests of a kind. */
struct mids_seen {
	uint16_t mid[MIDS_SEEN];
	unsigned n;
};

/* The proxy's registration, as the judge sees it. */
struct upstream {
	bool open;
	bool waits;		/* a request has no answer yet */
	bool acked;
	bool crossed;		/* a notification has come instead */
	bool lost;		/* perhaps given up */
	struct addr from;
	uint8_t token[8], old[8];	/* and the one before */
	size_t ntoken, nold;
	uint16_t mid, told_mid;
	struct mids_seen asks, cancels;
	uint64_t asked_at;
	uint64_t base;		/* when the proxy begins to miss something; */
	uint64_t began;		/* ... when the last request was due, and */
	uint64_t limit;		/* ... how long it may wait for an answer */
	uint64_t since;		/* the token is known */
	uint64_t ended, cut;	/* when an error came, the proxy cancelled */
	uint64_t put_at;	/* when a PUT was passed on */
	bool said;		/* VALUE, of Observe, has a meaning */
	uint32_t value;
	uint64_t value_at;
	uint64_t heard;		/* when something came for it */
	uint64_t heard_turn;	/* of the proxy's loop: when something came
				 * about the resource */
	uint64_t fresh;		/* ... that was not old news */
	uint32_t newest;	/* state that came */
	uint64_t newest_at;
};

/* When a state came up, and when it was last seen leaving. */
struct past {
	uint64_t changed, said;
};

enum mood {
	CALM,
	MISSING,		/* 4.04 */
	PLAIN,			/* no observers wanted */
};

struct resource {
	struct throng *throng;
	unsigned number;
	uint32_t version;
	struct past *past;	/* by version */
	size_t cap;
	bool large;
	enum mood mood;
	uint64_t calm_since;
	struct list followers;
	struct upstream up;
};

/* What a request has been answered with (RFC 7252 4.5). */
struct seen {
	struct addr from;
	size_t n;
	struct resource *of;
	uint32_t version;
	uint8_t octets[OCTETS];
};

struct origin {
	struct addr addr;
	uint16_t mid;
	uint32_t value;		/* of Observe */
	bool silent;
	struct seen **seen;	/* by Message ID */
};

enum phase { CHANGING, QUIET, CLOSING };

struct throng {
	const struct throng_conf *conf;
	struct throng_result *result;
	struct world world;
	struct rand rnd;
	struct list air, arrived;	/* datagrams */
	struct addr proxy;
	struct endpoint *endpoints;
	struct watcher *watchers;
	struct asker *askers;
	unsigned nendpoints, naskers;
	struct resource *resources;
	struct origin origin;
	struct timer change, sweep, trouble;
	unsigned changes;	/* still to come */
	enum phase phase;
	uint64_t turn;		/* of the proxy's loop */
	unsigned in_turn;	/* notifications in it */
	uint64_t last_change;	/* of any resource; restarts count */
	bool verbose, trace;	/* says each fault, each datagram */
};

void throng_wrong(struct throng *c, enum fault fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void throng_vwrong(struct throng *c, enum fault fault, const char *fmt,
    va_list ap)
    __attribute__((format(printf, 3, 0)));

/* The network takes a datagram. */
void throng_transmit(struct throng *c, const struct addr *from,
    const struct addr *to, struct span octets);
void throng_send_empty(struct throng *c, const struct addr *from,
    const struct addr *to, uint8_t type, uint16_t mid);

/* Makes R call again() at once, or in MS, and TRANSMISSIONS - 1 times more,
 * then vain(). */
void repeat_init(struct repeat *r, struct throng *c,
    void (*again)(struct repeat *), void (*vain)(struct repeat *));
void repeat_start(struct repeat *r);
void repeat_later(struct repeat *r, uint64_t ms);
void repeat_stop(struct repeat *r);

/* From FROM to TO, both possible. */
uint64_t throng_between(struct throng *c, uint64_t from, uint64_t to);

/* OBS-34, but for its time. */
static inline bool
value_newer(uint32_t a, uint32_t than)
{
	return a != than && ((a - than) & 0xffffff) < 1 << 23;
}

/* ---- watchers ---- */

void watchers_start(struct throng *c);
void watchers_free(struct throng *c);

/* From now on everybody stays, or leaves. */
void watchers_settle(struct throng *c);
void watchers_close(struct throng *c);

void watcher_input(struct throng *c, struct endpoint *e, struct span octets);

/* The one that TOKEN means, or NULL; *CURRENT is false for a former token of
 * its. */
struct watcher *watcher_by_token(const struct throng *c, struct span token,
    bool *current);

void askers_start(struct throng *c);
void askers_free(struct throng *c);
void asker_input(struct throng *c, struct asker *a, struct span octets);

/* ---- the origin ---- */

void origin_start(struct throng *c);
void origin_free(struct throng *c);
void origin_input(struct throng *c, const struct addr *from,
    struct span octets);

/* R gets its next state. */
void origin_change(struct throng *c, struct resource *r);

/* It does something bad, if BAD, or good again. */
void origin_trouble(struct throng *c, bool bad);

/* The resource that a request means, or NULL. */
struct resource *origin_resource(const struct throng *c,
    const struct coap_msg *m);

/* The body of state VERSION of R; its length. */
size_t origin_body(const struct resource *r, uint32_t version,
    uint8_t out[LARGE]);

/* The state that M is about, or 0: it is none of R. */
uint32_t origin_version(const struct resource *r, const struct coap_msg *m);

/* ---- the judge ---- */

/* The proxy sends P. */
void judge_sent(struct throng *c, const struct packet *p);

/* A datagram of a watcher's is about to reach the proxy. */
void judge_comes(struct throng *c, struct endpoint *e, struct span octets);

/* Forgets those whose time to acknowledge is up. */
void judge_expire(struct throng *c);

/* Whether a request of W's has no answer yet. */
bool judge_pending(const struct watcher *w);

/* Looks at everyone: what should have happened and has not. */
void judge_sweep(struct throng *c);

/* What is between the proxy and the origin. */
void judge_asks(struct throng *c, const struct packet *p,
    const struct coap_msg *m);
void judge_hears(struct throng *c, const struct addr *to, struct span octets);

/* The latest time at which something of state VERSION may be called fresh. */
uint64_t judge_fresh_until(const struct throng *c, const struct resource *r,
    uint32_t version);

/* Whether the proxy may have given R up. */
bool judge_lost(const struct throng *c, const struct resource *r);

/* Whether W, on the list, has lost sight of the origin; whether what it
 * believes may still be believed; whether everyone has the last state. */
void judge_blind(struct throng *c, const struct watcher *w);
void judge_state(struct throng *c, const struct watcher *w);
void judge_last(struct throng *c);

/* All that is left over. */
void judge_end(struct throng *c);

#endif
