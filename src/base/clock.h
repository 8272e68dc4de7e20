/*
 * clock: the only place that asks what time it is.
 *
 * The loop reads it once a turn and passes "now" down; everything below works
 * on numbers. Wall-clock steps have no effect; time asleep counts, so that
 * nothing is taken for fresh that aged while the machine was suspended.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Monotonic microseconds since some fixed moment; a thousandth of it, never 0,
 * is what clock_ms() says. */
uint64_t clock_us(void);

/* Monotonic milliseconds since the same moment; never 0. */
uint64_t clock_ms(void);

/* CLOCK_MONOTONIC in microseconds, for those who measure by it: the service
 * manager. */
uint64_t clock_monotonic_us(void);

/* Milliseconds since 1970 UTC: for time stamps in text, never for ages. */
uint64_t clock_wall_ms(void);

#endif
