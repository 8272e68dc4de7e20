/*
 * timer: the wheel.
 *
 * A timer lies on the level of the highest digit (base 64) in which its
 * deadline differs from "now", in the slot that this digit of the deadline
 * names. From that follows everything else: on each level only slots behind
 * now's own digit are in use and never wrap, all of a level is due before
 * anything of the next, and the earliest timers are in the first busy slot of
 * the first busy level. Two slots that this leaves unused have a meaning of
 * their own: on level 0 now's own slot holds what is due already, and on the
 * top level slot 0 holds what lies beyond the wheel (2^36 ms, two years).
 *
 * A run first collects everything due into one list, in order, and then fires
 * from its head, so that callbacks meet a wheel at rest.
 */
#include "base/timer.h"

enum {
	SLOT_BITS = 6,
	SLOT_MASK = TIMER_SLOTS - 1,
	TOP = TIMER_LEVELS - 1,
	WHEEL_BITS = SLOT_BITS * TIMER_LEVELS,
};

struct spot {
	unsigned level, slot;
	uint64_t start;		/* no timer in the slot is due before */
};

_Static_assert(TIMER_SLOTS == 1 << SLOT_BITS, "one digit per level");
_Static_assert(TIMER_SLOTS == 64, "one bit per slot");

static void
place(struct timers *ts, struct timer *t)
{
	uint64_t when = t->when > ts->now ? t->when : ts->now;
	uint64_t diff = when ^ ts->now;
	unsigned level, slot;

	if (diff >> WHEEL_BITS != 0) {
		level = TOP;
		slot = 0;
	} else {
		level = (63u - (unsigned)__builtin_clzll(diff | 1)) / SLOT_BITS;
		slot = (unsigned)(when >> level * SLOT_BITS) & SLOT_MASK;
	}
	ts->busy[level] |= (uint64_t)1 << slot;
	list_add_tail(&ts->slots[level][slot], &t->link);
}

static uint64_t
slot_start(const struct timers *ts, unsigned level, unsigned slot)
{
	unsigned shift = level * SLOT_BITS;
	uint64_t above = ts->now >> shift >> SLOT_BITS;

	if (level == TOP && slot == 0)
		above++;
	return (above << SLOT_BITS | slot) << shift;
}

/* The first slot of LEVEL that holds timers; stopped ones have left their
 * bits behind. False when the level is empty. */
static bool
first_slot(struct timers *ts, unsigned level, unsigned *slot)
{
	uint64_t busy;

	while (ts->busy[level] != 0) {
		busy = ts->busy[level];
		if (level == TOP && busy != 1)
			busy &= ~(uint64_t)1;	/* beyond comes last */
		*slot = (unsigned)__builtin_ctzll(busy);
		if (!list_empty(&ts->slots[level][*slot]))
			return true;
		ts->busy[level] &= ~((uint64_t)1 << *slot);
	}
	return false;
}

static bool
earliest(struct timers *ts, struct spot *s)
{
	for (s->level = 0; s->level < TIMER_LEVELS; s->level++) {
		if (!first_slot(ts, s->level, &s->slot))
			continue;
		s->start = slot_start(ts, s->level, s->slot);
		return true;
	}
	return false;
}

/* Moves the timers of the earliest slot down. Since nothing else is due before
 * the first of them, the wheel advances to that one at once, but not past
 * LIMIT: a timer that waits alone falls through all levels in one step. */
static void
cascade(struct timers *ts, struct list *slot, uint64_t limit)
{
	struct list batch, *it, *tmp;
	struct timer *t;
	uint64_t first = limit;

	list_init(&batch);
	list_splice_tail(&batch, slot);
	LIST_FOREACH_SAFE(it, tmp, &batch) {
		t = CONTAINER_OF(it, struct timer, link);
		if (t->when < first)
			first = t->when;
	}
	ts->now = first;
	LIST_FOREACH_SAFE(it, tmp, &batch) {
		list_del(it);
		place(ts, CONTAINER_OF(it, struct timer, link));
	}
}

static void
collect(struct timers *ts, uint64_t now, struct list *due)
{
	struct spot s;
	struct list *slot;

	while (earliest(ts, &s) && s.start <= now) {
		slot = &ts->slots[s.level][s.slot];
		ts->busy[s.level] &= ~((uint64_t)1 << s.slot);
		if (s.level > 0) {
			cascade(ts, slot, now);
		} else {
			ts->now = s.start;
			list_splice_tail(due, slot);
		}
	}
	ts->now = now;
}

void
timers_init(struct timers *ts, uint64_t now)
{
	ts->now = now;
	for (unsigned i = 0; i < TIMER_LEVELS; i++) {
		ts->busy[i] = 0;
		for (unsigned j = 0; j < TIMER_SLOTS; j++)
			list_init(&ts->slots[i][j]);
	}
}

void
timer_init(struct timer *t, timer_fn fire)
{
	list_init(&t->link);
	t->when = TIMER_NEVER;
	t->fire = fire;
}

void
timer_start(struct timers *ts, struct timer *t, uint64_t when)
{
	list_del(&t->link);
	t->when = when;
	if (when != TIMER_NEVER)
		place(ts, t);
}

void
timer_stop(struct timer *t)
{
	list_del(&t->link);
}

bool
timer_running(const struct timer *t)
{
	return !list_empty(&t->link);
}

uint64_t
timers_next(struct timers *ts)
{
	struct spot s;

	return earliest(ts, &s) ? s.start : TIMER_NEVER;
}

static void
fire_all(struct list *due, uint64_t now)
{
	struct timer *t;

	while (!list_empty(due)) {
		t = CONTAINER_OF(due->next, struct timer, link);
		list_del(&t->link);
		t->fire(t, now);
	}
}

void
timers_run(struct timers *ts, uint64_t now)
{
	struct list due;

	if (now < ts->now)
		now = ts->now;
	list_init(&due);
	collect(ts, now, &due);
	fire_all(&due, now);
}

static void
line_fire(struct timer *first, uint64_t now)
{
	struct timer_line *l = CONTAINER_OF(first, struct timer_line, first);
	struct list due, *it;

	list_init(&due);
	while ((it = l->list.next) != &l->list &&
	    CONTAINER_OF(it, struct timer, link)->when <= now) {
		list_del(it);
		list_add_tail(&due, it);
	}
	if (it != &l->list)
		timer_start(l->timers, first,
		    CONTAINER_OF(it, struct timer, link)->when);
	fire_all(&due, now);
}

void
timer_line_init(struct timer_line *l, struct timers *ts)
{
	l->timers = ts;
	list_init(&l->list);
	timer_init(&l->first, line_fire);
}

void
timer_line_fini(struct timer_line *l)
{
	timer_stop(&l->first);
}

void
timer_line_start(struct timer_line *l, struct timer *t, uint64_t when)
{
	struct list *last;

	list_del(&t->link);
	last = l->list.prev;
	if (last != &l->list &&
	    CONTAINER_OF(last, struct timer, link)->when > when) {
		timer_start(l->timers, t, when);
		return;
	}
	t->when = when;
	list_add_tail(&l->list, &t->link);
	/* One that runs is earlier, and looks further then. */
	if (!timer_running(&l->first))
		timer_start(l->timers, &l->first, when);
}
