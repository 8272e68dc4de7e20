/*
 * fixture: requests, rules and a proxy between made-up ends, from texts.
 *
 * Messages are written as in tests/replay/text.h.
 */
#ifndef TESTS_UNIT_PROXY_FIXTURE_H
#define TESTS_UNIT_PROXY_FIXTURE_H

#include <check.h>

#include "proxy/fetch.h"
#include "proxy/observer.h"
#include "proxy/proxy.h"
#include "proxy/redirect.h"
#include "proxy/request.h"

/* The message TEXT; stays until the test ends. */
struct coap_msg message(const char *text);

/* OPTS of a message with CODE and PAYLOAD as coap_dump() writes it, without
 * type and ID: "GET Uri-Path=\"t\"". Valid until the next call. */
const char *dump(uint8_t code, struct span opts, struct span payload);

struct addr address(const char *ip, uint16_t port);
struct coap_host host(const char *text);
struct target target(const char *name, uint16_t port);

/* "a/b" */
struct path path(const char *text);

/* "10.0.0.0/8 loopback" */
struct netlist networks(const char *words);

enum { WATCHERS = 300 };

/* An entry of the front's list of observers. */
struct watcher {
	struct observer o;
	uint64_t client;
	uint8_t token[8];
	size_t ntoken;
	bool used;
	bool last;		/* told, and to be acknowledged */
	unsigned told;		/* how often, since it is there */
	char notice[256];	/* what last, as dump() has it */
	char payload[64];
};

/* A proxy with conf, between a front and an upstream that only take notes. */
struct stand {
	struct rand rnd;
	struct timers timers;
	struct self self;
	struct access access;
	struct rules rules;
	struct forward_conf forward;
	struct proxy_conf conf;
	struct proxy *proxy;
	bool no_memory;		/* no allocation succeeds in the proxy, */
	unsigned memory;	/* but so many each time it is entered */
	/* What the upstream does, and what it was asked. */
	enum upstream_send send_result;
	enum fetch_fail send_why;
	struct fetch *sent;	/* the last one */
	char request[512];	/* its request, as dump() has it */
	uint8_t octets[2304];	/* ... as it went out */
	size_t noctets;
	unsigned sends, renewals, cancels;
	enum upstream_send renew_result;
	enum fetch_fail renew_why;
	struct fetch *displaced;	/* fails while the next one is sent */
	/* What the client got. */
	unsigned replies, suppressed, drops, once;
	bool acked;		/* an empty ACK counts as sent */
	char reply[512];
	char payload[256];	/* of the reply, what fits of it */
	struct span token;
	struct addr client, local;
	uint64_t client_id;
	uint8_t note;		/* the proxy's, of the client */
	/* Who observes. */
	struct watcher watchers[WATCHERS];
	size_t room;		/* for so many of them */
	bool held;		/* notifications wait for stand_tell() */
	unsigned notices, gone, unobserved;
};

/* Forward role on for everyone, no rules, max requests 4. */
void stand_init(struct stand *s);
void stand_fini(struct stand *s);

/* Makes the proxy; what is to be different is changed before. */
void stand_start(struct stand *s);

/* A request comes in. */
void stand_ask(struct stand *s, const char *text, uint64_t now);

/* The fetch sent last is answered. A 2.xx with Observe opens a registration, or
 * leaves it open; anything else ends it. */
bool stand_answer(struct stand *s, const char *text, uint64_t now);

/* F is, or is notified, with what was sent last. */
bool stand_respond(struct stand *s, struct fetch *f, const char *text,
    uint64_t now);

/* F fails. With FETCH_BUSY its registration stays open, if it is. */
void stand_fail(struct stand *s, struct fetch *f, enum fetch_fail why,
    uint64_t now);

/* Until TO the timers that are due run, each in its time. */
void stand_pass(struct stand *s, uint64_t to);

/* The observer under TOKEN, or NULL. */
struct watcher *stand_watcher(struct stand *s, const char *token);

/* All who observe, and are behind, are told. */
void stand_tell(struct stand *s, uint64_t now);

/* All who have been told the last acknowledge it. */
void stand_acks(struct stand *s, uint64_t now);

/* W refuses what it was told. */
void stand_refuse(struct stand *s, struct watcher *w, uint64_t now);

/* Allocations that still succeed; UINT_MAX: all. */
extern unsigned allocations;

/* Frees what the functions above have made; between tests. */
void fixture_free(void);

#endif
