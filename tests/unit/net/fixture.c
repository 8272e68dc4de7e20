#include "fixture.h"

#include <check.h>

static void
late_fire(struct timer *t, uint64_t now)
{
	struct fixture *f = CONTAINER_OF(t, struct fixture, deadline);

	(void)now;
	f->late = true;
}

static void
turn_end(void *user, uint64_t now)
{
	struct fixture *f = user;

	(void)now;
	f->turns++;
	if (f->late || (f->done != NULL && f->done(f->arg)))
		loop_stop(f->loop);
}

void
fixture_init(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	f->loop = loop_new();
	ck_assert_ptr_nonnull(f->loop);
	timer_init(&f->deadline, late_fire);
	loop_at_turn_end(f->loop, turn_end, f);
}

void
fixture_fini(struct fixture *f)
{
	timer_stop(&f->deadline);
	loop_free(f->loop);
}

bool
fixture_run(struct fixture *f, bool (*done)(void *), void *arg, uint64_t ms)
{
	f->done = done;
	f->arg = arg;
	f->late = false;
	timer_start(loop_timers(f->loop), &f->deadline,
	    loop_now(f->loop) + ms);
	loop_run(f->loop);
	timer_stop(&f->deadline);
	f->done = NULL;
	return !f->late || (done != NULL && done(arg));
}

static bool
at_once(void *arg)
{
	(void)arg;
	return true;
}

void
fixture_turn(struct fixture *f)
{
	(void)fixture_run(f, at_once, NULL, PATIENCE_MS);
}
