/*
 * ends: UDP sockets on a loop, plain ones to talk to them, and a kernel that
 * fails when a test says so.
 */
#ifndef TESTS_UNIT_NET_ENDS_H
#define TESTS_UNIT_NET_ENDS_H

#include "fixture.h"
#include "net/udp.h"

enum { SEEN_MAX = 256, QUOTE_MAX = 128 };

struct rig {
	struct fixture fx;
	struct udp *udp;
	struct net *net;
	struct buf_pool *pool;
	/* What the next calls of the kernel are to fail with, in order; 0 lets
	 * one through. */
	struct {
		int send[4], recv[4];
		int every_send;		/* those behind */
		unsigned sends, recvs;
		int train[4];		/* likewise, of calls with a train in
					 * front; none counts as a send */
		unsigned trains;
		bool old_kernel;	/* has never heard of trains */
	} fail;
	/* What the kernel has taken. */
	struct {
		unsigned messages;
		unsigned trains;	/* of these, more than a datagram */
		size_t longest;		/* number of datagrams in one */
	} took;
};

/* Check runs each test in a process of its own. */
extern struct rig rig;

/* One end: what it saw, and what it is to do. */
struct end {
	struct net_sock *s;
	bool echo, close_on_input;
	unsigned close_on_error;	/* the how manieth; 0: never */
	struct end *send_on_error;	/* who then sends an octet */
	unsigned inputs, truncated, most_in_turn, in_turn, turn, first_turn;
	size_t len;
	struct addr from, to;
	uint8_t seen[SEEN_MAX];	/* first octets, in order */
	unsigned want;		/* inputs or errors to wait for */
	unsigned errors;
	int err;
	uint8_t about[SEEN_MAX];	/* first octets quoted, in order */
	uint8_t quoted[QUOTE_MAX];	/* the last one */
	size_t nquoted;
};

extern const struct net_sock_ops end_ops;

/* Checked fixtures. */
void rig_setup(void);
void rig_teardown(void);

/* Queues a datagram of one octet; of N, which count from FIRST. */
void send_octet(struct end *e, const struct addr *to,
    const struct addr *from, uint8_t octet);
void send_octets(struct end *e, uint8_t first, size_t n);
void close_end(struct end *e);

/* Conditions to run until: inputs or errors, as many as are wanted. */
bool has_inputs(void *arg);
bool has_errors(void *arg);
bool await(struct end *e, unsigned inputs);
bool await_errors(struct end *e, unsigned errors);

struct addr ip(const char *text, uint16_t port);

/* Opens E bound to TEXT, NULL for any of both families; returns the port, 0
 * when this host has no such address. */
uint16_t open_bound(struct end *e, const char *text);
void open_connected(struct end *e, const char *text, uint16_t port);

/* The descriptor of E's socket. */
int fd_of(const struct end *e);

/* A plain socket of the test, connected to 127.0.0.1. */
int raw_socket(uint16_t port);
void raw_send(int fd, uint8_t octet);
struct addr raw_local(int fd);

/* A plain socket that E is connected to, and it to E. */
int raw_peer(struct end *e);

/* A port of TEXT nobody listens on; 0 when this host has no such address. */
uint16_t closed_port(const char *text);

#endif
