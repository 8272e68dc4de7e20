/*
 * clock: clock_gettime(2), and nobody else calls it.
 *
 * CLOCK_BOOTTIME rather than CLOCK_MONOTONIC: the latter stands still while
 * the machine is suspended, and a cached representation or a deduplication
 * record would then outlive what the protocol allows (CAC-18, ATK-34).
 */
#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static uint64_t
read_us(clockid_t id)
{
	struct timespec ts;

	/* Fails only for a clock that the system does not know. */
	if (clock_gettime(id, &ts) != 0)
		abort();
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_us(void)
{
	/* No millisecond is 0, which means "not yet" elsewhere. */
	return read_us(CLOCK_BOOTTIME) + 1000;
}

uint64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

uint64_t
clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}
