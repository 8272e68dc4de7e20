/*
 * fixture: a loop that runs until something has happened.
 *
 * The only way tests of this layer wait: the condition is looked at after each
 * turn, and a timer gives up.
 */
#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H

#include "net/loop.h"

struct fixture {
	struct loop *loop;
	struct timer deadline;
	bool (*done)(void *arg);
	void *arg;
	unsigned turns;
	bool late;
};

enum { PATIENCE_MS = 3000 };	/* Check itself gives up after 4 s */

void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f);

/* Runs turns until DONE(ARG); false when that took more than MS. A DONE of
 * NULL is never reached: runs for MS. */
bool fixture_run(struct fixture *f, bool (*done)(void *), void *arg,
    uint64_t ms);

/* Exactly one turn, which does not wait. */
void fixture_turn(struct fixture *f);

#endif
