#include "msg/midset.h"

#include "base/rand.h"
#include "suites.h"
#include "unit.h"

static struct rand rnd;
static struct midset set;
static uint8_t arcs[65536];	/* 1 + what midset_add() said; 0: not in it */
static unsigned perhaps;	/* answers for what is not in it */

static void
setup(void)
{
	rand_init_fixed(&rnd, 1);
	set = (struct midset){ 0 };
	memset(arcs, 0, sizeof(arcs));
	perhaps = 0;
}

/* As the table of messages received does: looks, and remembers. */
static void
add(uint16_t mid)
{
	perhaps += midset_has(&set, mid);
	arcs[mid] = (uint8_t)(1 + midset_add(&set, mid));
	ck_assert(midset_has(&set, mid));
}

static void
forget(uint16_t mid)
{
	midset_remove(&set, mid, arcs[mid] - 1u);
	arcs[mid] = 0;
}

/* Nothing that is in it is ever denied. */
static void
check_all(void)
{
	for (unsigned i = 0; i < 65536; i++)
		ck_assert(arcs[i] == 0 || midset_has(&set, (uint16_t)i));
}

static void
check_empty(void)
{
	for (unsigned i = 0; i < 65536; i++)
		ck_assert(!midset_has(&set, (uint16_t)i));
}

/* One after the other, the oldest forgotten first, three times round: it is
 * always known that the next one is new. */
START_TEST(in_order)
{
	static const unsigned kept[] = { 1, 2, 255, 256, 257, 5000, 65000 };
	unsigned n = kept[_i], from = 64000;

	for (unsigned i = 0; i < 3 * 65536; i++) {
		add((uint16_t)(from + i));
		if (i + 1 >= n)
			forget((uint16_t)(from + i + 1 - n));
	}
	check_all();
	ck_assert_uint_eq(perhaps, 0);
	for (unsigned i = 0; i < 65536; i++)
		if (arcs[i] != 0)
			forget((uint16_t)i);
	check_empty();
}
END_TEST

/* A client that counts for many servers: gaps, but no question. */
START_TEST(gaps)
{
	uint16_t queue[100], mid = 65000;

	for (unsigned i = 0; i < 100000; i++) {
		if (i >= 100)
			forget(queue[i % 100]);
		mid = (uint16_t)(mid + 1 + rand_below(&rnd, 100));
		queue[i % 100] = mid;
		add(mid);
	}
	check_all();
	ck_assert_uint_eq(perhaps, 0);
}
END_TEST

/* In no order at all, few or many or all of them: never a wrong "no". */
START_TEST(random_ids)
{
	static const unsigned odds[] = { 0, 45, 50, 60, 100 };

	for (size_t k = 0; k < UNIT_COUNT(odds); k++) {
		for (unsigned i = 0; i < 200000; i++) {
			uint16_t mid = (uint16_t)rand_below(&rnd, 65536);

			if (arcs[mid] == 0)
				add(mid);
			else if (rand_below(&rnd, 100) >= odds[k])
				forget(mid);
		}
		check_all();
	}
	ck_assert_uint_gt(perhaps, 0);
	for (unsigned i = 0; i < 65536; i++)
		if (arcs[i] != 0)
			forget((uint16_t)i);
	check_empty();
}
END_TEST

/* The whole ring, and then a client that begins anew: the arc that was full
 * is gone once what made it so is. */
START_TEST(recovers)
{
	for (unsigned i = 0; i < 65536; i++)
		add((uint16_t)(i * 7919));
	check_all();
	for (unsigned i = 0; i < 65536; i++)
		forget((uint16_t)(i * 7919));
	check_empty();
	perhaps = 0;
	for (unsigned i = 0; i < 1000; i++)
		add((uint16_t)i);
	ck_assert_uint_eq(perhaps, 0);
}
END_TEST

Suite *
midset_suite(void)
{
	Suite *s = suite_create("midset");
	TCase *tc = tcase_create("midset");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, in_order, 0, 7);
	tcase_add_test(tc, gaps);
	tcase_add_test(tc, random_ids);
	tcase_add_test(tc, recovers);
	suite_add_tcase(s, tc);
	return s;
}
