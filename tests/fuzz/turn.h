/*
 * turn: an event loop under control.
 *
 * It is turned by hand, as loop_run() would, end of the turn included, and what
 * it takes for the time stands still in between. So a run is repeatable, and
 * needs no time.
 *
 * Link with --wrap=clock_ms,--wrap=clock_us.
 */
#ifndef TESTS_FUZZ_TURN_H
#define TESTS_FUZZ_TURN_H

#include <stdbool.h>

#include "net/loop.h"

/* A loop; there is one of these. NULL when it cannot be had. */
struct loop *turn_init(void);

/* What is ready is read, what is due fires, what is queued leaves. */
void turn(void);

/* The next turn is MS later. */
void turn_wait(uint64_t ms);

/* Whether no timer runs. */
bool turn_idle(void);

/* The number that the next descriptor will have: it changes while one is in
 * use. */
int turn_descriptor(void);

#endif
