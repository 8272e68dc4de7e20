#include "base/timer.h"

#include <stdlib.h>

#include "base/rand.h"
#include "suites.h"
#include "unit.h"

enum { MANY = 500 };

static const uint64_t wheel = (uint64_t)1 << 36;	/* ms it spans */

struct alarm {
	struct timer timer;
	uint64_t fired_at;	/* 0: not yet */
	unsigned order;
	struct timers *ts;
	struct alarm *victim;
};

static unsigned fired;
static uint64_t last_due;

static struct alarm *
alarm_of(struct timer *t)
{
	return CONTAINER_OF(t, struct alarm, timer);
}

/* Checks order: the deadlines of one run never decrease. */
static void
note(struct timer *t, uint64_t now)
{
	struct alarm *a = alarm_of(t);

	ck_assert(!timer_running(t));
	ck_assert_uint_le(t->when, now);
	ck_assert_uint_ge(t->when, last_due);
	last_due = t->when;
	a->fired_at = now;
	a->order = ++fired;
}

static void
run(struct timers *ts, uint64_t now)
{
	last_due = 0;
	timers_run(ts, now);
	ck_assert_uint_eq(ts->now, now);
}

static void
setup(void)
{
	fired = 0;
	last_due = 0;
}

START_TEST(idle)
{
	struct timers ts;

	timers_init(&ts, 1000);
	ck_assert_uint_eq(timers_next(&ts), TIMER_NEVER);
	run(&ts, UINT64_MAX - 1);
	ck_assert_uint_eq(timers_next(&ts), TIMER_NEVER);
}
END_TEST

/* Not one millisecond early, not one late, from any phase of the wheel. */
START_TEST(exact)
{
	static const uint64_t starts[] = {
		0, 1, 62, 63, 64, 4095, 4096, 262143, 1234567,
		((uint64_t)1 << 36) - 1, (uint64_t)1 << 36,
		((uint64_t)5 << 36) - 3, (uint64_t)1 << 40,
	};
	static const uint64_t delays[] = {
		1, 2, 63, 64, 65, 127, 128, 2000, 3000, 4095, 4096, 4097,
		93000, 247000, 262144, 16777216, 16777217,
		((uint64_t)1 << 30) - 1, (uint64_t)1 << 30,
		((uint64_t)1 << 36) - 1, (uint64_t)1 << 36,
		((uint64_t)1 << 36) + 1, (uint64_t)1 << 38,
	};

	for (size_t i = 0; i < UNIT_COUNT(starts); i++) {
		for (size_t j = 0; j < UNIT_COUNT(delays); j++) {
			struct timers ts;
			struct alarm a = { 0 };
			uint64_t when = starts[i] + delays[j];

			timers_init(&ts, starts[i]);
			timer_init(&a.timer, note);
			timer_start(&ts, &a.timer, when);
			ck_assert(timer_running(&a.timer));
			ck_assert_uint_le(timers_next(&ts), when);
			ck_assert_uint_gt(timers_next(&ts), starts[i]);
			run(&ts, when - 1);
			ck_assert_uint_eq(a.fired_at, 0);
			run(&ts, when);
			ck_assert_uint_eq(a.fired_at, when);
			ck_assert_uint_eq(timers_next(&ts), TIMER_NEVER);
		}
	}
}
END_TEST

/* Sleeping until timers_next() gets there in a few steps. */
START_TEST(next_leads_there)
{
	struct timers ts;
	struct alarm a = { 0 };
	uint64_t next;
	unsigned steps = 0;

	timers_init(&ts, 123456789);
	timer_init(&a.timer, note);
	timer_start(&ts, &a.timer, 123456789 + 3 * wheel + 98765);
	while (a.fired_at == 0) {
		next = timers_next(&ts);
		ck_assert_uint_gt(next, ts.now);
		run(&ts, next);
		ck_assert_uint_lt(++steps, 16);
	}
	ck_assert_uint_eq(a.fired_at, a.timer.when);
}
END_TEST

START_TEST(next_is_exact_on_level_0)
{
	struct timers ts;
	struct alarm a, b;

	timers_init(&ts, 6400);
	timer_init(&a.timer, note);
	timer_init(&b.timer, note);
	timer_start(&ts, &a.timer, 6450);
	timer_start(&ts, &b.timer, 6440);
	ck_assert_uint_eq(timers_next(&ts), 6440);
	timer_stop(&b.timer);
	ck_assert_uint_eq(timers_next(&ts), 6450);
	timer_stop(&a.timer);
	ck_assert_uint_eq(timers_next(&ts), TIMER_NEVER);
}
END_TEST

START_TEST(stop_and_move)
{
	struct timers ts;
	struct alarm a = { 0 }, b = { 0 };

	timers_init(&ts, 100);
	timer_init(&a.timer, note);
	timer_init(&b.timer, note);
	timer_stop(&a.timer);
	ck_assert(!timer_running(&a.timer));
	timer_start(&ts, &a.timer, 200);
	timer_start(&ts, &b.timer, 200);
	timer_stop(&a.timer);
	timer_stop(&a.timer);
	timer_start(&ts, &b.timer, 5000);
	run(&ts, 4999);
	ck_assert_uint_eq(fired, 0);
	timer_start(&ts, &b.timer, TIMER_NEVER);
	ck_assert(!timer_running(&b.timer));
	run(&ts, 10000);
	ck_assert_uint_eq(fired, 0);
}
END_TEST

/* A deadline that is past fires in the next run, even one at the same time. */
START_TEST(past)
{
	struct timers ts;
	struct alarm a = { 0 }, b = { 0 }, c = { 0 };

	timers_init(&ts, 100);
	run(&ts, 5000);
	timer_init(&a.timer, note);
	timer_init(&b.timer, note);
	timer_init(&c.timer, note);
	timer_start(&ts, &a.timer, 7);
	timer_start(&ts, &b.timer, 5000);
	timer_start(&ts, &c.timer, 5001);
	ck_assert_uint_eq(timers_next(&ts), 5000);
	run(&ts, 5000);
	ck_assert_uint_eq(a.order, 1);
	ck_assert_uint_eq(b.order, 2);
	ck_assert_uint_eq(c.order, 0);
	run(&ts, 5001);
	ck_assert_uint_eq(c.order, 3);
}
END_TEST

START_TEST(backwards)
{
	struct timers ts;
	struct alarm a = { 0 };

	timers_init(&ts, 5000);
	timer_init(&a.timer, note);
	timer_start(&ts, &a.timer, 5010);
	timers_run(&ts, 10);
	ck_assert_uint_eq(ts.now, 5000);
	ck_assert_uint_eq(fired, 0);
	run(&ts, 5010);
	ck_assert_uint_eq(fired, 1);
}
END_TEST

/* One jump over everything: all fire, in order, equal ones as started. */
START_TEST(jump)
{
	static struct alarm a[MANY];
	struct timers ts;
	struct rand r;
	unsigned wrong = 0;

	rand_init_fixed(&r, 21);
	timers_init(&ts, 999);
	for (size_t i = 0; i < MANY; i++) {
		uint64_t far = (uint64_t)1 << rand_below(&r, 60);

		a[i] = (struct alarm){ 0 };
		timer_init(&a[i].timer, note);
		timer_start(&ts, &a[i].timer, 1000 + rand_below(&r, far));
	}
	run(&ts, (uint64_t)1 << 62);
	ck_assert_uint_eq(fired, MANY);
	for (size_t i = 0; i < MANY; i++)
		for (size_t j = 0; j < i; j++)
			wrong += a[i].timer.when == a[j].timer.when &&
			    a[i].order < a[j].order;
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

/* SIGSTOP for a century: no stepping through the empty time, which would take
 * far longer than the runner allows. */
START_TEST(jump_is_cheap)
{
	struct timers ts;
	struct alarm a = { 0 };
	uint64_t now = 1;

	timers_init(&ts, now);
	for (unsigned i = 0; i < 10000; i++) {
		timer_init(&a.timer, note);
		timer_start(&ts, &a.timer, now + 2000);
		now += (uint64_t)1 << 48;
		run(&ts, now);
	}
	ck_assert_uint_eq(fired, 10000);
	timer_start(&ts, &a.timer, UINT64_MAX - 1);
	run(&ts, UINT64_MAX - 2);
	ck_assert_uint_eq(fired, 10000);
	run(&ts, UINT64_MAX - 1);
	ck_assert_uint_eq(fired, 10001);
}
END_TEST

/* Random starts, moves, stops and steps of time against plain deadlines. */
START_TEST(model)
{
	static struct alarm a[MANY];
	static uint64_t due[MANY];	/* 0: stopped */
	struct timers ts;
	struct rand r;
	uint64_t now = wheel - 50000;
	unsigned wrong = 0;

	rand_init_fixed(&r, 22);
	timers_init(&ts, now);
	for (size_t i = 0; i < MANY; i++) {
		a[i] = (struct alarm){ 0 };
		due[i] = 0;
		timer_init(&a[i].timer, note);
	}
	for (unsigned step = 0; step < 20000; step++) {
		uint64_t far = (uint64_t)1 << rand_below(&r, 38);
		size_t i = rand_below(&r, MANY);
		uint64_t first = TIMER_NEVER;

		if (rand_below(&r, 4) == 0) {
			timer_stop(&a[i].timer);
			due[i] = 0;
		} else {
			due[i] = now + rand_below(&r, far);
			timer_start(&ts, &a[i].timer, due[i]);
		}
		if (rand_below(&r, 3) != 0)
			continue;
		for (i = 0; i < MANY; i++)
			if (due[i] != 0 && due[i] < first)
				first = due[i];
		if (first < now)
			first = now;
		ck_assert_uint_le(timers_next(&ts), first);
		now += rand_below(&r, (uint64_t)1 << rand_below(&r, 20));
		timers_run(&ts, now);
		last_due = 0;
		for (i = 0; i < MANY; i++) {
			bool gone = due[i] != 0 && due[i] <= now;

			wrong += (a[i].fired_at != 0) != gone;
			a[i].fired_at = 0;
			if (gone)
				due[i] = 0;
			wrong += timer_running(&a[i].timer) != (due[i] != 0);
		}
		ck_assert_uint_eq(wrong, 0);
	}
}
END_TEST

static void
again(struct timer *t, uint64_t now)
{
	struct alarm *a = alarm_of(t);

	fired++;
	a->fired_at = now;
	timer_start(a->ts, t, now);
}

static void
periodic(struct timer *t, uint64_t now)
{
	struct alarm *a = alarm_of(t);

	(void)now;
	fired++;
	timer_start(a->ts, t, t->when + 10);
}

/* A timer that starts itself does not keep the run from ending. */
START_TEST(restarts_itself)
{
	struct timers ts;
	struct alarm a = { .ts = &ts }, b = { .ts = &ts };

	timers_init(&ts, 100);
	timer_init(&a.timer, again);
	timer_init(&b.timer, periodic);
	timer_start(&ts, &a.timer, 150);
	timer_start(&ts, &b.timer, 150);
	timers_run(&ts, 1000);
	ck_assert_uint_eq(fired, 2);
	ck_assert(timer_running(&a.timer));
	ck_assert(timer_running(&b.timer));
	ck_assert_uint_eq(timers_next(&ts), 1000);
	timers_run(&ts, 1000);
	ck_assert_uint_eq(fired, 4);
}
END_TEST

static void
strike(struct timer *t, uint64_t now)
{
	struct alarm *a = alarm_of(t);

	(void)now;
	fired++;
	if (a->victim == NULL)
		return;
	timer_stop(&a->victim->timer);
	free(a->victim);
	a->victim = NULL;
}

/* A callback frees others that are due in the same run, before and behind
 * itself, and itself. */
START_TEST(frees_others)
{
	static const uint64_t delays[] = { 0, 1, 100, 5000 };

	for (size_t i = 0; i < UNIT_COUNT(delays); i++) {
		struct timers ts;
		struct alarm killer = { 0 };
		struct alarm *before = calloc(1, sizeof(*before));
		struct alarm *behind = calloc(1, sizeof(*behind));

		fired = 0;
		ck_assert(before != NULL && behind != NULL);
		timers_init(&ts, 100);
		timer_init(&before->timer, strike);
		timer_init(&killer.timer, strike);
		timer_init(&behind->timer, strike);
		timer_start(&ts, &before->timer, 200);
		timer_start(&ts, &killer.timer, 200);
		timer_start(&ts, &behind->timer, 200 + delays[i]);
		killer.victim = behind;
		timers_run(&ts, 10000);
		ck_assert_uint_eq(fired, 2);
		ck_assert(!timer_running(&before->timer));
		free(before);
	}
}
END_TEST

static void
suicide(struct timer *t, uint64_t now)
{
	(void)now;
	fired++;
	free(alarm_of(t));
}

START_TEST(frees_itself)
{
	struct timers ts;
	struct alarm *a;

	timers_init(&ts, 1);
	for (unsigned i = 0; i < 10; i++) {
		a = calloc(1, sizeof(*a));
		ck_assert_ptr_nonnull(a);
		timer_init(&a->timer, suicide);
		timer_start(&ts, &a->timer, 50 + i / 2);
	}
	timers_run(&ts, 60);
	ck_assert_uint_eq(fired, 10);
}
END_TEST

static void
push_off(struct timer *t, uint64_t now)
{
	struct alarm *a = alarm_of(t);

	fired++;
	if (a->victim != NULL)
		timer_start(a->ts, &a->victim->timer, now + 1);
}

/* A timer already due is moved away by one that fires before it. */
START_TEST(moves_others)
{
	struct timers ts;
	struct alarm b = { .ts = &ts }, a = { .ts = &ts, .victim = &b };

	timers_init(&ts, 1);
	timer_init(&a.timer, push_off);
	timer_init(&b.timer, push_off);
	timer_start(&ts, &a.timer, 50);
	timer_start(&ts, &b.timer, 50);
	timers_run(&ts, 500);
	ck_assert_uint_eq(fired, 1);
	ck_assert_uint_eq(timers_next(&ts), 501);
	timers_run(&ts, 501);
	ck_assert_uint_eq(fired, 2);
}
END_TEST

/* In whatever order. */
static void
note_any(struct timer *t, uint64_t now)
{
	last_due = 0;
	note(t, now);
}

/* Timers in a line and in the wheel beside it, started, moved and stopped at
 * random: those in the line are as exact and as stoppable. What runs longer
 * than usual makes those behind it go into the wheel. */
START_TEST(line)
{
	static struct alarm a[MANY];
	static bool in[MANY];
	struct timer_line l;
	struct timers ts;
	struct rand rnd;
	uint64_t now = 1000, left = 0;

	rand_init_fixed(&rnd, 1);
	timers_init(&ts, now);
	timer_line_init(&l, &ts);
	for (size_t i = 0; i < MANY; i++) {
		a[i] = (struct alarm){ 0 };
		in[i] = false;
		timer_init(&a[i].timer, note_any);
	}
	for (size_t k = 0; k < 40000; k++) {
		size_t i = rand_below(&rnd, MANY);
		uint64_t delay = rand_below(&rnd, 100) > 0 ? 2000 : 2500;

		a[i].fired_at = 0;
		in[i] = rand_below(&rnd, 3) > 0;
		if (!in[i])
			timer_stop(&a[i].timer);
		else if (rand_below(&rnd, 10) > 0)
			timer_line_start(&l, &a[i].timer, now + delay);
		else
			timer_start(&ts, &a[i].timer, now + delay);
		now += rand_below(&rnd, 30);
		timers_run(&ts, now);
		for (size_t j = k % 50; j < MANY; j += 50) {
			if (a[j].fired_at != 0)
				in[j] = false;
			ck_assert_int_eq(in[j], timer_running(&a[j].timer));
			ck_assert(!in[j] || a[j].timer.when > now);
		}
	}
	ck_assert_uint_gt(fired, 1000);
	for (size_t i = 0; i < MANY; i++)
		left += timer_running(&a[i].timer);
	fired = 0;
	while (left > 0 && timers_next(&ts) != TIMER_NEVER)
		timers_run(&ts, timers_next(&ts));
	ck_assert_uint_eq(fired, left);
	ck_assert(!timer_running(&l.first));
	timer_line_fini(&l);
}
END_TEST

/* The time is exact for each, whatever has become of the first. */
START_TEST(line_is_exact)
{
	struct alarm a = { 0 }, b = { 0 }, c = { 0 };
	struct timer_line l;
	struct timers ts;

	timers_init(&ts, 1000);
	timer_line_init(&l, &ts);
	timer_init(&a.timer, note);
	timer_init(&b.timer, note);
	timer_init(&c.timer, note);
	timer_line_start(&l, &a.timer, 3000);
	timer_line_start(&l, &b.timer, 3100);
	timer_line_start(&l, &c.timer, 3200);
	/* The last one again, and then one that is due before it. */
	timer_line_start(&l, &c.timer, 3300);
	timer_stop(&a.timer);
	run(&ts, 3000);
	ck_assert_uint_eq(fired, 0);
	run(&ts, 3099);
	ck_assert_uint_eq(fired, 0);
	run(&ts, 3100);
	ck_assert_uint_eq(b.fired_at, 3100);
	timer_line_start(&l, &a.timer, 3250);
	run(&ts, 3250);
	ck_assert_uint_eq(a.fired_at, 3250);
	run(&ts, 3299);
	ck_assert_uint_eq(fired, 2);
	run(&ts, 3300);
	ck_assert_uint_eq(c.fired_at, 3300);
	ck_assert_uint_eq(timers_next(&ts), TIMER_NEVER);
	/* Past already. */
	timer_line_start(&l, &a.timer, 10);
	run(&ts, 3301);
	ck_assert_uint_eq(a.fired_at, 3301);
	/* Nobody is left when the first would be due. */
	timer_line_start(&l, &a.timer, 4000);
	timer_stop(&a.timer);
	timer_line_fini(&l);
	ck_assert_uint_eq(timers_next(&ts), TIMER_NEVER);
}
END_TEST

Suite *
timer_suite(void)
{
	Suite *s = suite_create("timer");
	TCase *tc = tcase_create("timer");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, idle);
	tcase_add_test(tc, exact);
	tcase_add_test(tc, next_leads_there);
	tcase_add_test(tc, next_is_exact_on_level_0);
	tcase_add_test(tc, stop_and_move);
	tcase_add_test(tc, past);
	tcase_add_test(tc, backwards);
	tcase_add_test(tc, jump);
	tcase_add_test(tc, jump_is_cheap);
	tcase_add_test(tc, model);
	tcase_add_test(tc, restarts_itself);
	tcase_add_test(tc, frees_others);
	tcase_add_test(tc, frees_itself);
	tcase_add_test(tc, moves_others);
	tcase_add_test(tc, line);
	tcase_add_test(tc, line_is_exact);
	suite_add_tcase(s, tc);
	return s;
}
