/*
 * loop: the event loop.
 *
 * One libevent base, one wheel of timers, signals. A turn: wait for sockets,
 * let each read one batch, run due timers, then the end-of-turn hooks: queued
 * datagrams leave in one flush, finished objects are freed. "now" is read once
 * a turn.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histo.h"
#include "base/timer.h"

struct event_base;
struct loop;

typedef void (*loop_signal_fn)(void *user, int signo);
typedef void (*loop_turn_fn)(void *user, uint64_t now);

/* NULL when libevent cannot be had. */
struct loop *loop_new(void);

/* Everything added must have been taken away or closed. What libevent still
 * has to call back (cancelled look-ups) is called here. */
void loop_free(struct loop *l);

struct timers *loop_timers(struct loop *l);
struct event_base *loop_base(struct loop *l);

/* This turn's time in monotonic milliseconds. */
uint64_t loop_now(struct loop *l);

/* The same in microseconds, as loop_now() has last read it: for differences in
 * what operators see. Valid as long as L. */
const uint64_t *loop_us(const struct loop *l);

/* How much later than asked for the loop has woken up for timers, ms. */
const struct histo *loop_lag(const struct loop *l);

/* Calls FN from the loop when SIGNO arrives. False when it cannot be had. */
bool loop_signal(struct loop *l, int signo, loop_signal_fn fn, void *user);

/* Calls FN at the end of every turn, in the order added; for good. */
void loop_at_turn_end(struct loop *l, loop_turn_fn fn, void *user);

/* Calls FN after all of these, last of all in a turn: whatever any callback,
 * timer or hook has queued is there by then. There is one; NULL takes it away.
 */
void loop_at_flush(struct loop *l, loop_turn_fn fn, void *user);

/* Runs until loop_stop(). What was queued before goes out before the first
 * wait. */
void loop_run(struct loop *l);

/* Makes loop_run() return after the current turn. */
void loop_stop(struct loop *l);

#endif
