/*
 * table: chains in a power-of-two array that doubles a few buckets at a time.
 *
 * While a table grows, old bucket i has been split over new buckets i and
 * i + old size exactly when i < moved; until then insertions for it still go
 * to the old array. So every hash has one chain, found without looking into
 * the other array, and equal hashes always share it: that is why
 * table_find_next() needs no table. Splitting keeps the order of a chain, so a
 * caller may remove the element it stands on after asking for the next.
 */
#include "base/table.h"

#include <stdlib.h>

enum {
	MIN_BUCKETS = 8,
	MOVE_STEP = 4,	/* old buckets per insertion or removal; 1 is enough
			 * to be done before the next doubling */
	AHEAD = 8,
};

/* Splits old bucket "moved" in two. What it holds is in no cache by now: the
 * first of a bucket that comes later is asked for already. */
static void
split(struct table *t)
{
	size_t ahead = t->moved + AHEAD;
	size_t half = t->old_mask + 1;
	struct table_node **low = &t->buckets[t->moved];
	struct table_node **high = &t->buckets[t->moved + half];

	if (ahead <= t->old_mask && t->old[ahead] != NULL)
		__builtin_prefetch(t->old[ahead]);
	for (struct table_node *n = t->old[t->moved]; n != NULL; n = n->next) {
		if (((size_t)n->hash & half) == 0) {
			*low = n;
			low = &n->next;
		} else {
			*high = n;
			high = &n->next;
		}
	}
	*low = *high = NULL;
	t->moved++;
}

static void
move(struct table *t, size_t steps)
{
	if (t->old == NULL)
		return;
	while (steps > 0 && t->moved <= t->old_mask) {
		split(t);
		steps--;
	}
	if (t->moved <= t->old_mask)
		return;
	free(t->old);
	t->old = NULL;
}

static void
grow(struct table *t)
{
	size_t n = t->mask + 1;
	struct table_node **v;

	/* Every n/8 elements, not at each one: without memory this would
	 * otherwise be a failing system call per insertion. */
	if (t->old != NULL || t->count <= n || (t->count & (n / 8 - 1)) != 0)
		return;
	if (n > SIZE_MAX / 2 / sizeof(struct table_node *))
		return;
	/* calloc() of what is large comes as untouched zero pages: no stall. */
	v = calloc(2 * n, sizeof(*v));
	if (v == NULL)
		return;
	t->old = t->buckets;
	t->old_mask = t->mask;
	t->moved = 0;
	t->buckets = v;
	t->mask = 2 * n - 1;
}

bool
table_init(struct table *t, size_t hint)
{
	size_t n = MIN_BUCKETS;

	*t = (struct table){ 0 };
	while (n < hint) {
		if (n > SIZE_MAX / 2 / sizeof(struct table_node *))
			return false;
		n *= 2;
	}
	t->buckets = calloc(n, sizeof(struct table_node *));
	t->mask = n - 1;
	return t->buckets != NULL;
}

void
table_fini(struct table *t)
{
	free(t->old);
	free(t->buckets);
	*t = (struct table){ 0 };
}

void
table_step(struct table *t)
{
	grow(t);
	move(t, MOVE_STEP);
}

void
table_each(struct table *t, void (*fn)(struct table_node *, void *), void *arg)
{
	struct table_node *n, *next;

	/* FN may remove, and a removal must not move what is ahead of us. */
	if (t->old != NULL)
		move(t, SIZE_MAX);
	for (size_t i = 0; i <= t->mask; i++) {
		for (n = t->buckets[i]; n != NULL; n = next) {
			next = n->next;
			fn(n, arg);
		}
	}
}
