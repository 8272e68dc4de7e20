/*
 * fixture: requests, rules and a proxy between made-up ends, from texts.
 *
 * Messages are written as in tests/replay/text.h.
 */
#ifndef TESTS_UNIT_PROXY_FIXTURE_H
#define TESTS_UNIT_PROXY_FIXTURE_H

#include <check.h>

#include "proxy/fetch.h"
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
	/* What the client got. */
	unsigned replies, suppressed, drops, once;
	bool acked;		/* an empty ACK counts as sent */
	char reply[512];
	char payload[256];	/* of the reply, what fits of it */
	struct span token;
	struct addr client, local;
};

/* Forward role on for everyone, no rules, max requests 4. */
void stand_init(struct stand *s);
void stand_fini(struct stand *s);

/* Makes the proxy; what is to be different is changed before. */
void stand_start(struct stand *s);

/* A request comes in. */
void stand_ask(struct stand *s, const char *text, uint64_t now);

/* The fetch sent last is answered. */
bool stand_answer(struct stand *s, const char *text, uint64_t now);

/* Allocations that still succeed; UINT_MAX: all. */
extern unsigned allocations;

/* Frees what the functions above have made; between tests. */
void fixture_free(void);

#endif
