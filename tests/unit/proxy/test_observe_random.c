/* Observations at random: whatever clients, origins and the message layers do,
 * in whatever order, the front and the proxy agree on who observes, and in the
 * end nothing is left. */
#include <stdio.h>

#include "observing.h"
#include "suites.h"
#include "unit.h"

enum { SEEDS = 60, STEPS = 3000 };

static struct rand dice;
static uint64_t now;
static uint32_t number;		/* the origins' */

static unsigned
any(unsigned n)
{
	return (unsigned)rand_below(&dice, n);
}

static void
client_asks(void)
{
	static const struct {
		const char *what, *front, *behind;
	} rows[] = {
		{ "CON GET", " Observe=0", "" },
		{ "CON GET", " Observe=0", "" },
		{ "NON GET", " Observe=0", "" },
		{ "CON GET", " Observe=0", " Block2=0/0/16" },
		{ "CON GET", " Observe=0 OSCORE=09", "" },
		{ "CON GET", " Observe=0", " Echo=01" },
		{ "CON GET", " Observe=1", "" },
		{ "CON GET", "", "" },
		{ "CON GET", "", " Block2=1/0/16" },
		{ "CON PUT", "", " payload=\"p\"" },
	};
	unsigned row = any(UNIT_COUNT(rows));
	char text[128];

	snprintf(text, sizeof(text), "%s token=\"%c\"%s Uri-Path=\"%u\"%s",
	    rows[row].what, 'a' + (int)any(3), rows[row].front, any(3),
	    rows[row].behind);
	st.client_id = any(3);
	stand_ask(&st, text, now);
	st.client_id = 0;
}

/* Any fetch that the back end has something of. */
static struct fetch *
any_fetch(void)
{
	struct list *it, *tmp;
	struct fetch *found = NULL;
	unsigned n = 0;

	LIST_FOREACH_SAFE (it, tmp, &st.proxy->waiting) {
		struct fetch *f = CONTAINER_OF(it, struct fetch, link);

		if ((f->up != NULL || f->watch != NULL) && any(++n) == 0)
			found = f;
	}
	return found;
}

/* How a message of an origin ends; CODE 2.05 and 2.03 also with Observe. */
static const struct {
	const char *code, *end;
} says[] = {
	{ "2.05", " payload=\"x\"" },
	{ "2.05", " payload=90x\"x\"" },
	{ "2.05", " Block2=0/1/64 payload=64x\"x\"" },
	{ "2.05", " Block2=0/1/64 payload=64x\"x\"" },
	{ "2.03", "" },
	{ "2.05", " Block2=1/0/64 payload=64x\"x\"" },
	{ "2.05", " Block2=1/0/64 payload=64x\"x\"" },
	{ "2.05", " Block2=1/1/64 payload=64x\"x\"" },
	{ "2.05", " Block2=1/1/64 Size2=90000 payload=64x\"x\"" },
	{ "2.05", " opt65002=\"x\"" },
	{ "4.04", "" },
	{ "4.01", " Echo=01" },
	{ "4.02", "" },
	{ "5.03", "" },
};

static void
origin_says(void)
{
	struct fetch *f = any_fetch();
	char text[160], observe[24] = "";
	unsigned row;

	if (f == NULL)
		return;
	number += any(8) != 0;
	row = any(UNIT_COUNT(says));
	if ((f->registers || f->watch != NULL) && any(8) != 0) {
		snprintf(observe, sizeof(observe), " Observe=%u", number);
		row = any(5);
	}
	snprintf(text, sizeof(text), "%s %s ETag=0%u%s%s Max-Age=%u%s",
	    any(2) == 0 ? "ACK" : "CON", says[row].code, 1 + any(3), observe,
	    any(16) == 0 ? " Content-Format=50" : "", any(3) * 4,
	    says[row].end);
	f->acked = any(8) == 0;
	stand_respond(&st, f, text, now);
}

static void
origin_fails(void)
{
	static const enum fetch_fail why[] = { FETCH_TIMEOUT, FETCH_RESET,
		FETCH_UNREACHABLE, FETCH_BUSY, FETCH_TOO_LARGE };
	struct fetch *f = any_fetch();

	if (f != NULL)
		stand_fail(&st, f, why[any(UNIT_COUNT(why))], now);
}

static void
observer_leaves(void)
{
	struct watcher *w = &st.watchers[any(16)];

	if (w->used)
		stand_refuse(&st, w, now);
}

/* What the next things that are sent meet with. */
static void
weather(void)
{
	static const enum fetch_fail why[] = { FETCH_BUSY, FETCH_BUSY,
		FETCH_TOO_LARGE, FETCH_UNREACHABLE };

	st.send_result = any(6) == 0 ? UPSTREAM_FAILED : UPSTREAM_SENT;
	st.send_why = why[any(UNIT_COUNT(why))];
	st.renew_result = any(4) == 0 ? UPSTREAM_FAILED : UPSTREAM_SENT;
	st.renew_why = any(4) != 0 ? FETCH_BUSY : FETCH_TOO_LARGE;
	st.held = any(2) == 0;
	st.room = any(4) == 0 ? 2 : 12;
	st.no_memory = any(12) == 0;
	st.memory = any(3);
	rule.cache = any(3) != 0;
}

static void
step(void)
{
	struct fetch *f = any(8) == 0 ? any_fetch() : NULL;

	/* It fails while something is sent in its place. */
	st.displaced = f != NULL && f->up != NULL && f->ops != NULL ? f : NULL;
	switch (any(16)) {
	case 0:
		weather();
		break;
	case 1:
	case 2:
	case 3:
	case 4:
		client_asks();
		break;
	case 5:
		origin_fails();
		break;
	case 6:
		observer_leaves();
		break;
	case 7:
		stand_tell(&st, now);
		break;
	case 8:
		stand_acks(&st, now);
		break;
	case 9:
		now += any(2) == 0 ? any(1000) : any(20 * S);
		stand_pass(&st, now);
		break;
	default:
		origin_says();
		break;
	}
}

/* Both sides have the same observers. */
static void
agree(void)
{
	size_t used = 0, n = 0;
	struct list *it, *tmp;

	for (size_t i = 0; i < WATCHERS; i++)
		used += st.watchers[i].used;
	LIST_FOREACH_SAFE (it, tmp, &st.proxy->observations) {
		const struct observation *o = CONTAINER_OF(it,
		    struct observation, link);
		size_t here = 0;

		for (size_t i = 0; i < WATCHERS; i++)
			here += st.watchers[i].used &&
			    st.watchers[i].o.of == o;
		ck_assert_uint_eq(o->n, here);
		ck_assert(o->n == 0 || o->entry != NULL);
		ck_assert(!o->busy);
		ck_assert((o->fetch == NULL) == (o->state == OBSERVE_OVER));
		ck_assert(o->state != OBSERVE_OVER || o->n > 0);
		n += here;
	}
	ck_assert_uint_eq(used, n);
	ck_assert_uint_eq(proxy_observers(st.proxy), n);
}

START_TEST(at_random)
{
	rand_init_fixed(&dice, (uint64_t)_i);
	now = NOW;
	number = 10;
	for (unsigned i = 0; i < STEPS; i++) {
		step();
		agree();
	}
	/* The end comes in different ways. */
	st.no_memory = st.held = false;
	if (_i % 4 == 0)
		return;
	if (_i % 4 == 1)
		proxy_drain(st.proxy);
	for (size_t i = 0; i < WATCHERS; i++)
		if (st.watchers[i].used && _i % 4 == 2)
			stand_refuse(&st, &st.watchers[i], now);
	for (unsigned i = 0; i < 20; i++) {
		stand_pass(&st, now += 100 * S);
		stand_tell(&st, now);
		stand_acks(&st, now);
		agree();
	}
	ck_assert_uint_eq(proxy_waiting(st.proxy), 0);
}
END_TEST

Suite *
observe_random_suite(void)
{
	Suite *suite = suite_create("observe_random");
	TCase *tc = tcase_create("observe_random");

	tcase_add_checked_fixture(tc, observing_setup, observing_teardown);
	tcase_add_loop_test(tc, at_random, 0, SEEDS);
	suite_add_tcase(suite, tc);
	return suite;
}
