#include "net/loop.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/clock.h"
#include "fixture.h"
#include "suites.h"

static struct fixture fx;

static void
setup(void)
{
	fixture_init(&fx);
}

static void
teardown(void)
{
	fixture_fini(&fx);
}

struct probe {
	struct timer t;
	struct timer second;
	unsigned fired;
	uint64_t now;
	char order[256];
};

static void
probe_fire(struct timer *t, uint64_t now)
{
	struct probe *p = CONTAINER_OF(t, struct probe, t);

	p->fired++;
	p->now = now;
	(void)strncat(p->order, "t", sizeof(p->order) - strlen(p->order) - 1);
}

static bool
has_fired(void *arg)
{
	const struct probe *p = arg;

	return p->fired > 0;
}

START_TEST(timer_fires_on_time)
{
	struct probe p = { 0 };
	uint64_t start = loop_now(fx.loop);

	timer_init(&p.t, probe_fire);
	timer_start(loop_timers(fx.loop), &p.t, start + 30);
	ck_assert(fixture_run(&fx, has_fired, &p, PATIENCE_MS));
	ck_assert_uint_ge(p.now, start + 30);
	ck_assert_uint_lt(p.now, start + 1000);
	ck_assert_uint_ge(histo_count(loop_lag(fx.loop)), 1);
	ck_assert_uint_lt(loop_lag(fx.loop)->sum_ms, 1000);
	/* It slept: a loop that polls would have gone round much more often. */
	ck_assert_uint_lt(fx.turns, 20);
}
END_TEST

static void
second_fire(struct timer *t, uint64_t now)
{
	struct probe *p = CONTAINER_OF(t, struct probe, second);

	timer_start(loop_timers(fx.loop), &p->t, now + 10);
}

/* The alarm is armed for the fixture's deadline and for "second"; the timer
 * started by the latter is earlier than what remains. */
START_TEST(earlier_timer_moves_the_alarm)
{
	struct probe p = { 0 };
	uint64_t start = loop_now(fx.loop);

	timer_init(&p.t, probe_fire);
	timer_init(&p.second, second_fire);
	timer_start(loop_timers(fx.loop), &p.second, start + 10);
	ck_assert(fixture_run(&fx, has_fired, &p, PATIENCE_MS));
	ck_assert_uint_ge(p.now, start + 20);
	ck_assert_uint_lt(p.now, start + 1000);
}
END_TEST

/* A wake-up for a timer that was stopped does no harm, and the next one still
 * fires. */
START_TEST(stopped_timer_does_not_fire)
{
	struct probe gone = { 0 }, p = { 0 };
	uint64_t start = loop_now(fx.loop);

	timer_init(&gone.t, probe_fire);
	timer_init(&p.t, probe_fire);
	timer_start(loop_timers(fx.loop), &gone.t, start + 20);
	fixture_turn(&fx);
	timer_stop(&gone.t);
	timer_start(loop_timers(fx.loop), &p.t, start + 50);
	ck_assert(fixture_run(&fx, has_fired, &p, PATIENCE_MS));
	ck_assert_uint_eq(gone.fired, 0);
}
END_TEST

static void
note(struct probe *p, const char *what)
{
	(void)strncat(p->order, what, sizeof(p->order) - strlen(p->order) - 1);
}

static void
hook_a(void *user, uint64_t now)
{
	struct probe *p = user;

	note(p, "a");
	if (p->fired > 0)
		ck_assert_uint_eq(now, p->now);
}

static void
hook_b(void *user, uint64_t now)
{
	(void)now;
	note(user, "b");
}

static void
flush(void *user, uint64_t now)
{
	(void)now;
	note(user, "f");
}

START_TEST(turn_has_an_order)
{
	struct probe p = { 0 };

	timer_init(&p.t, probe_fire);
	loop_at_flush(fx.loop, flush, &p);
	loop_at_turn_end(fx.loop, hook_a, &p);
	loop_at_turn_end(fx.loop, hook_b, &p);
	timer_start(loop_timers(fx.loop), &p.t, loop_now(fx.loop));
	fixture_turn(&fx);
	/* Some turns may pass before the wheel's millisecond has come. */
	if (p.fired == 0)
		ck_assert(fixture_run(&fx, has_fired, &p, PATIENCE_MS));
	ck_assert_ptr_nonnull(strstr(p.order, "tabf"));
	ck_assert_str_eq(p.order + strlen(p.order) - 4, "tabf");
	loop_at_flush(fx.loop, NULL, NULL);
}
END_TEST

static void
spend_time(void *user, uint64_t now)
{
	uint64_t until = clock_ms() + 3;

	while (clock_ms() < until)
		;
	ck_assert_uint_eq(loop_now(fx.loop), now);
	*(uint64_t *)user = now;
}

static void
compare_time(void *user, uint64_t now)
{
	ck_assert_uint_eq(*(uint64_t *)user, now);
	ck_assert_uint_eq(*loop_us(fx.loop) / 1000, now);
}

START_TEST(now_stands_still_in_a_turn)
{
	uint64_t seen = 0, first;

	loop_at_turn_end(fx.loop, spend_time, &seen);
	loop_at_turn_end(fx.loop, compare_time, &seen);
	fixture_turn(&fx);
	first = seen;
	(void)fixture_run(&fx, NULL, NULL, 20);
	ck_assert_uint_gt(seen, first);
	/* Outside a turn it is the time. */
	ck_assert_uint_ge(loop_now(fx.loop), clock_ms() - 1);
}
END_TEST

static void
signal_seen(void *user, int signo)
{
	*(int *)user = signo;
}

static bool
is_set(void *arg)
{
	return *(int *)arg != 0;
}

START_TEST(signal_reaches_the_loop)
{
	int got = 0, other = 0;

	ck_assert(loop_signal(fx.loop, SIGUSR1, signal_seen, &got));
	ck_assert(loop_signal(fx.loop, SIGUSR2, signal_seen, &other));
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert(fixture_run(&fx, is_set, &got, PATIENCE_MS));
	ck_assert_int_eq(got, SIGUSR1);
	ck_assert_int_eq(other, 0);
}
END_TEST

static void
stop_fire(struct timer *t, uint64_t now)
{
	(void)t;
	(void)now;
	loop_stop(fx.loop);
}

START_TEST(stop_finishes_the_turn)
{
	struct probe p = { 0 };
	struct timer t;

	timer_init(&t, stop_fire);
	loop_at_turn_end(fx.loop, hook_b, &p);
	timer_start(loop_timers(fx.loop), &t, loop_now(fx.loop) + 1);
	loop_run(fx.loop);
	ck_assert(!timer_running(&t));
	ck_assert_str_eq(p.order + strlen(p.order) - 1, "b");
}
END_TEST

enum { WAITING = 20 };

/* Something was ready before, but the process stood still. */
static void
stand_still_cb(evutil_socket_t fd, short events, void *arg)
{
	const struct timespec late = { .tv_nsec = 400 * 1000 * 1000 };
	struct probe *p = arg;
	char octet;

	(void)events;
	ck_assert_int_eq(read(fd, &octet, 1), 1);
	if (p->order[0] == '\0')
		nanosleep(&late, NULL);
	(void)loop_now(fx.loop);
	(void)strncat(p->order, "r", sizeof(p->order) - strlen(p->order) - 1);
}

/* F11c: datagrams that had come before timers were due were looked at after
 * these: answers that were there became 5.04. */
START_TEST(what_came_while_it_stood_still_is_read_before_timers)
{
	struct probe p = { 0 };
	struct event ev;
	char octets[WAITING] = { 0 };
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	ck_assert_int_eq(write(fd[1], octets, WAITING), WAITING);
	ck_assert_int_eq(event_assign(&ev, loop_base(fx.loop), fd[0],
	    EV_READ | EV_PERSIST, stand_still_cb, &p), 0);
	ck_assert_int_eq(event_add(&ev, NULL), 0);
	timer_init(&p.t, probe_fire);
	timer_start(loop_timers(fx.loop), &p.t, loop_now(fx.loop) + 50);
	ck_assert(fixture_run(&fx, has_fired, &p, PATIENCE_MS));
	ck_assert_str_eq(p.order, "rrrrrrrrrrrrrrrrrrrrt");
	event_del(&ev);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

static void
flooded_cb(evutil_socket_t fd, short events, void *arg)
{
	struct probe *p = arg;

	(void)fd;
	(void)events;
	if (p->order[0] == '\0')
		stand_still_cb(fd, events, arg);
	(void)loop_now(fx.loop);
}

/* What never ends being ready holds timers up for so long only. */
START_TEST(timers_fire_although_more_comes_all_the_time)
{
	struct probe p = { 0 };
	uint64_t start = clock_ms();
	struct event ev;
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	ck_assert_int_eq(write(fd[1], "ab", 2), 2);
	ck_assert_int_eq(event_assign(&ev, loop_base(fx.loop), fd[0],
	    EV_READ | EV_PERSIST, flooded_cb, &p), 0);
	ck_assert_int_eq(event_add(&ev, NULL), 0);
	timer_init(&p.t, probe_fire);
	timer_start(loop_timers(fx.loop), &p.t, loop_now(fx.loop) + 50);
	ck_assert(fixture_run(&fx, has_fired, &p, PATIENCE_MS));
	ck_assert_uint_ge(p.now, start + 450);
	ck_assert_uint_lt(p.now, start + 2000);
	event_del(&ev);
	close(fd[0]);
	close(fd[1]);
}
END_TEST

Suite *
loop_suite(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, timer_fires_on_time);
	tcase_add_test(tc, earlier_timer_moves_the_alarm);
	tcase_add_test(tc, stopped_timer_does_not_fire);
	tcase_add_test(tc, turn_has_an_order);
	tcase_add_test(tc, now_stands_still_in_a_turn);
	tcase_add_test(tc, signal_reaches_the_loop);
	tcase_add_test(tc, stop_finishes_the_turn);
	tcase_add_test(tc,
	    what_came_while_it_stood_still_is_read_before_timers);
	tcase_add_test(tc, timers_fire_although_more_comes_all_the_time);
	suite_add_tcase(s, tc);
	return s;
}
