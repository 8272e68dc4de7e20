/*
 * script: scenarios, step by step.
 *
 * A file is a list of sections, each with a proxy of its own:
 *
 *	== MSG-56 a ping is answered by RST
 *	C > CON mid=0xabcd
 *	C < RST mid=0xabcd
 *
 * Steps, one on a line; C, C1.. are clients, S, S1.. origins, P, P1, P2 the
 * proxy's addresses, TIME is 500ms, 2s, 3*$t or a range 2s..3s:
 *
 *	conf / ... / end	the configuration; above the first section, that
 *				of all which have none
 *	at NAME ADDRESS		another address for an endpoint
 *	at NAME next		... the next port of the same one
 *	name HOST is ADDRESS...	what the resolver says: also "is cached
 *				ADDRESS...", "is nowhere", "is silent"
 *	C > MESSAGE		C sends; C/P2 > ... to that address
 *	C > again		the datagram it sent last
 *	C > hex OCTETS
 *	C > MESSAGE then hex OCTETS	... behind a message, to spoil it
 *	S < MESSAGE		S has received this, and nothing before it
 *	S < again		the datagram it received last, from the same
 *				address and port
 *	S < hex OCTETS
 *	S < MESSAGE after TIME	it arrives when that time has passed, not before
 *	S < MESSAGE after TIME as t	... and the time it took is $t
 *	S < nothing for TIME	nothing arrives meanwhile
 *	nothing for TIME	... anywhere
 *	S ! refused		the kernel says so: refused, unreachable, size
 *	S answers C		a 2.05 without more, end to end
 *	pass TIME		time goes by
 *	stop TIME		likewise, while the process stands still
 *	drain			the proxy is about to go down
 *	unfinished		what goes on at the end of the section does so
 *	repeat N as i / ... / end	the steps between N times, with 1, 2..
 *				for $i; variables that are new in them are
 *				forgotten each time
 *	reload / ... / end	another configuration is in use from now on
 *	count NAME N		a counter has this value
 *	log LINE		the access log has this line next; [log] access
 *				must be written in the configuration
 *
 * What a message does not say: a request received may have any token; a
 * response has that of the last request sent or received; an ACK or RST the
 * Message ID of the last message; another message sent a new one.
 *
 * At the end nothing may be left over: no datagram nobody expected, but copies
 * of earlier ones, no line in the access log, and after 600 s no memory. With
 * "unfinished" only what has arrived by then counts, and the proxy is taken down
 * as it is.
 */
#ifndef TESTS_REPLAY_SCRIPT_H
#define TESTS_REPLAY_SCRIPT_H

#include "text.h"
#include "world.h"

enum { SCRIPT_ENDPOINTS = 24 };

/* The datagram an endpoint has sent or received last. */
struct last {
	uint8_t octets[TEXT_MESSAGE];
	size_t n;
	uint8_t mid[2];		/* of a CON or NON */
	uint8_t token[TEXT_MESSAGE];	/* of a request */
	size_t ntoken;
};

struct endpoint {
	struct span name;
	struct addr addr;
	struct addr peer;	/* the proxy's side; family 0: not known */
	bool asked;		/* it has sent something first */
	struct list inbox;	/* struct packet */
	struct last sent, got;
	struct list seen;	/* struct packet: all it has got */
};

struct script {
	const char *file;
	struct span text;	/* what is left of it */
	unsigned line;
	struct span step;	/* the line being done */
	struct world world;
	struct arena arena;
	struct text_vars vars;
	struct endpoint ends[SCRIPT_ENDPOINTS];
	size_t nends;
	uint16_t next_mid;
	uint8_t next_token;
	uint64_t began;		/* the wait for a datagram */
	bool unfinished;
	char got[3000];		/* what was there instead */
	char why[3200];		/* of a failure */
};

/* Does the step LINE; false with the reason in S->why. */
bool script_step(struct script *s, struct span line);

/* Nothing is left over. */
bool script_end(struct script *s);

/* A name known by now, or one that says what it is: C..., S..., P...; NULL
 * otherwise. */
struct endpoint *script_endpoint(struct script *s, struct span name);

/* Distributes what the proxy has sent; false when it went nowhere. */
bool script_collect(struct script *s);

bool script_fail(struct script *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* S sends or receives: the rest of LINE says what. */
bool script_send(struct script *s, struct endpoint *e, struct span line);
bool script_expect(struct script *s, struct endpoint *e, struct span line);

/* "nothing", with LINE behind the word; E is NULL for everyone. */
bool script_nothing(struct script *s, struct endpoint *e, struct span line);

/* TIME, or a range. */
bool script_time(const struct script *s, struct span word, uint64_t *min,
    uint64_t *max);

/* Lets time pass, keeping what arrives. */
bool script_pass(struct script *s, uint64_t ms);

#endif
