/*
 * fixture: a client below a real proxy, between a fake front end and a fake
 * network.
 */
#ifndef TESTS_UNIT_UPSTREAM_FIXTURE_H
#define TESTS_UNIT_UPSTREAM_FIXTURE_H

#include "fakenet.h"
#include "proxy/proxy.h"
#include "proxy/route.h"
#include "upstream/client.h"

enum {
	START = 1000000,	/* ms */
	TIMEOUT_MS = 120000,	/* above MAX_TRANSMIT_WAIT */
	OUTCOMES_MAX = 16,
	QUEUE_MAX = 4,
};

/* What became of one request. */
struct outcome {
	unsigned replies, drops;
	uint8_t code;
	uint32_t max_age;	/* 0: none */
};

struct fixture {
	struct timers timers;
	struct rand rnd;
	struct buf_pool *bufs;
	struct fakenet net;
	struct fakeresolver names;
	struct msg_params params;
	struct self self;
	struct access access;
	struct forward_conf forward;
	struct rules rules;
	struct proxy_conf proxy_conf;
	struct proxy *proxy;
	struct client_conf conf;	/* flow: queues of QUEUE_MAX */
	struct client *client;
	struct addr from, to;	/* of the requests */
	uint64_t client_id;
	struct outcome outcomes[OUTCOMES_MAX];
	size_t n;
};

/* A forward proxy to anywhere but 10.0.0.0/8, with two ports to each of at most
 * MAX_DESTS destinations. */
void fixture_init(struct fixture *f, size_t max_dests);

/* What is still under way is dropped. */
void fixture_fini(struct fixture *f);

/* A GET for URI arrives, as TYPE; its outcome, now or later. */
const struct outcome *fixture_get(struct fixture *f, uint8_t type,
    const char *uri);

/* Likewise any method, with a payload. */
const struct outcome *fixture_ask(struct fixture *f, uint8_t type,
    uint8_t code, const char *uri, struct span payload);

/* Time passes, in steps small enough for every repetition. */
void fixture_pass(struct fixture *f, uint64_t ms);

/* The kernel reports ERR for the datagram D. */
void fixture_error(struct fixture *f, const struct fake_sent *d, int err);

/* Fails unless the last datagram went to IP and PORT. */
void fixture_sent_to(const struct fixture *f, const char *ip, uint16_t port);

/* D as a message, which borrows from it. */
struct coap_msg fixture_parse(const struct fake_sent *d);

/* D's receiver answers: with a piggybacked response of CODE, or with an empty
 * message of TYPE (ACK, RST). */
void fixture_answer(struct fixture *f, const struct fake_sent *d,
    uint8_t code);
void fixture_empty(struct fixture *f, const struct fake_sent *d,
    uint8_t type);

/* Takes every Message ID of the socket S. */
void fixture_exhaust(struct fixture *f, const struct net_sock *s);

#endif
