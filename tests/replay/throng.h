/*
 * throng: many observers, an origin that changes, and a bad network around a
 * proxy (RFC 7641). The same seed is the same run.
 */
#ifndef TESTS_REPLAY_CROWD_H
#define TESTS_REPLAY_CROWD_H

#include <stdbool.h>
#include <stdint.h>

/* What a proxy can do wrong. */
enum fault {
	FAULT_MIXED,
	FAULT_UNINVITED,
	FAULT_TWO_CON,
	FAULT_NON_RATE,
	FAULT_UNCONFIRMED,
	FAULT_REPETITION,
	FAULT_VALUE,
	FAULT_OBSOLETE,
	FAULT_LATE,
	FAULT_OLDER,
	FAULT_AGE,
	FAULT_FORM,
	FAULT_BODY,
	FAULT_DEAD,
	FAULT_TWICE,
	FAULT_HASTY,
	FAULT_CUT,
	FAULT_BLIND,
	FAULT_STALE,
	FAULT_REFUSED,
	FAULT_UNANSWERED,
	FAULT_BURST,
	FAULT_LEFT,
	NFAULTS,
};

struct throng_conf {
	const char *conf;	/* of the proxy */
	unsigned watchers;	/* at most 2^24 */
	unsigned resources;
	unsigned changes;
	unsigned gap;		/* ms between changes, on average */
	unsigned max_age;	/* s */
	unsigned loss, copies;	/* percent of datagrams */
	bool restless;		/* everybody has moods, the origin too */
	uint64_t seed;
};

struct throng_result {
	uint64_t datagrams, lost;
	uint64_t con, non, repeated;	/* notifications of the proxy */
	unsigned joined;	/* registrations that were accepted */
	unsigned dropped;	/* entries that the network cost the living */
	unsigned renewed;	/* times a watcher has heard nothing for so
				 * long that it asks again; */
	unsigned doubted;	/* ... those who are patient */
	unsigned ended;		/* times a watcher is told that it is over */
	unsigned dead;		/* watchers */
	unsigned living, current;	/* in the end; with the last state */
	unsigned upstream;	/* registrations at the origin */
	unsigned burst;		/* notifications in one turn, at most */
	uint64_t slowest;	/* ms from the last change to the last watcher
				 * that was on the list all the time */
	unsigned faults[NFAULTS];
	char why[200];		/* the first fault */
};

void throng_run(const struct throng_conf *c, struct throng_result *r);

/* What FAULT is, and of which requirement. */
const char *throng_fault(enum fault fault);

#endif
