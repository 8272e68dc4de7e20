/*
 * turn: loop_run(), stopped at the end of a turn.
 */
#include "turn.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"

uint64_t __wrap_clock_ms(void);
uint64_t __wrap_clock_us(void);

static struct {
	struct loop *loop;
	struct timer wake;	/* so that nothing is waited for */
	bool waited;		/* the turn's end is the second */
	uint64_t now;
} t = { .now = 1000000 };

uint64_t
__wrap_clock_ms(void)
{
	return t.now;
}

uint64_t
__wrap_clock_us(void)
{
	return t.now * 1000;
}

static void
wake_fire(struct timer *timer, uint64_t now)
{
	(void)timer;
	(void)now;
}

/* loop_run() ends a turn before it waits, too. */
static void
end_cb(void *user, uint64_t now)
{
	(void)user;
	if (t.waited)
		loop_stop(t.loop);
	else
		timer_start(loop_timers(t.loop), &t.wake, now);
	t.waited = true;
}

struct loop *
turn_init(void)
{
	t.loop = loop_new();
	if (t.loop == NULL)
		return NULL;
	timer_init(&t.wake, wake_fire);
	loop_at_turn_end(t.loop, end_cb, NULL);
	return t.loop;
}

void
turn(void)
{
	t.waited = false;
	loop_run(t.loop);
	timer_stop(&t.wake);
}

void
turn_wait(uint64_t ms)
{
	t.now += ms;
}

bool
turn_idle(void)
{
	return timers_next(loop_timers(t.loop)) == TIMER_NEVER;
}

int
turn_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd;
}
