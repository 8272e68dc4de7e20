/*
 * timer: deadlines in a hierarchical wheel.
 *
 * Starting and stopping a timer is a few pointer writes, whatever their
 * number: a proxy starts two or three per request and nearly always stops them
 * again. Six levels of 64 slots, one millisecond at the bottom; a timer moves
 * down a level when its slot comes round.
 *
 * No clock here: the caller says what time it is, in monotonic milliseconds.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdint.h>

#include "base/list.h"

#define TIMER_NEVER UINT64_MAX

enum { TIMER_LEVELS = 6, TIMER_SLOTS = 64 };

struct timer;

/* Called with the timer stopped; it may be started again, or its owner freed.
 * NOW is the time given to timers_run(). */
typedef void (*timer_fn)(struct timer *t, uint64_t now);

struct timer {
	struct list link;
	uint64_t when;
	timer_fn fire;
};

struct timers {
	uint64_t now;		/* everything due at or before it has fired */
	struct list slots[TIMER_LEVELS][TIMER_SLOTS];
	uint64_t busy[TIMER_LEVELS];	/* bit per slot that may hold timers */
};

/* Timers that all run equally long, so that the one started first is due first:
 * a list in front of the wheel, with one timer there. Starting one costs half
 * as much, and that is all, as nearly all are stopped. */
struct timer_line {
	struct timers *timers;
	struct list list;	/* by deadline */
	struct timer first;	/* due not after the first of the list */
};

void timers_init(struct timers *ts, uint64_t now);

/* Prepares T, stopped, to call FIRE. */
void timer_init(struct timer *t, timer_fn fire);

/* Makes T fire at WHEN, or at the next timers_run() if that is past.
 * A running timer is moved. WHEN of TIMER_NEVER stops it. */
void timer_start(struct timers *ts, struct timer *t, uint64_t when);

/* Stops T; nothing happens when it is not running. */
void timer_stop(struct timer *t);

bool timer_running(const struct timer *t);

/* A time not after the next deadline, for the loop to sleep until:
 * timers_run() then has something to do, be it only moving timers down a
 * level. TIMER_NEVER when no timer runs. */
uint64_t timers_next(struct timers *ts);

/* Fires everything due at or before NOW, in order of deadlines to the
 * millisecond; equal ones, and those already past when they were started, in
 * the order of starting. A timer started while running with a deadline not
 * after NOW fires in the next call. A NOW before the last one counts as the
 * last one. */
void timers_run(struct timers *ts, uint64_t now);

void timer_line_init(struct timer_line *l, struct timers *ts);

/* None in it may be running any more. */
void timer_line_fini(struct timer_line *l);

/* As timer_start(), for deadlines that do not decrease from call to call: one
 * that does goes into the wheel. In one run, timers of a line fire in the order
 * of their deadlines, but not those of others between them. */
void timer_line_start(struct timer_line *l, struct timer *t, uint64_t when);

#endif
