#include "proxy/repeat.h"

#include <limits.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000 };

static struct repeats r;

static void
setup(void)
{
	struct rand rnd;

	rand_init_fixed(&rnd, 1);
	ck_assert(repeats_init(&r, &rnd));
}

static void
teardown(void)
{
	repeats_fini(&r);
	repeats_fini(&r);
}

static bool
due(unsigned kind, uint64_t now, uint32_t *left_out)
{
	*left_out = 0;
	return repeats_due(&r, span_make(&kind, sizeof(kind)), now, left_out);
}

START_TEST(first_then_one_a_minute)
{
	uint32_t n;

	ck_assert(due(1, NOW, &n));
	ck_assert_uint_eq(n, 0);
	for (unsigned i = 0; i < 100; i++)
		ck_assert(!due(1, NOW + i, &n));
	ck_assert(due(2, NOW + 100, &n));
	ck_assert_uint_eq(n, 0);
	ck_assert(!due(1, NOW + REPEAT_MS - 1, &n));
	ck_assert(due(1, NOW + REPEAT_MS, &n));
	ck_assert_uint_eq(n, 101);
	ck_assert(!due(1, NOW + 2 * REPEAT_MS - 1, &n));
	ck_assert(due(1, NOW + 2 * REPEAT_MS, &n));
	ck_assert_uint_eq(n, 1);
	ck_assert(due(1, NOW + 9 * REPEAT_MS, &n));
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* ATK-35: however many kinds come, no more than so many are told in a minute;
 * those that are known are not confused by it, and there is room again
 * later. */
START_TEST(bounded)
{
	unsigned told = 0;
	uint32_t n;

	ck_assert(due(0, NOW, &n));
	for (unsigned i = 1; i < 100000; i++) {
		told += due(i, NOW + 1, &n);
		ck_assert_uint_eq(n, 0);
	}
	ck_assert_uint_lt(told, REPEAT_KINDS);
	ck_assert_uint_gt(told, REPEAT_KINDS / 2);
	ck_assert(!due(0, NOW + 2, &n));
	ck_assert(due(0, NOW + REPEAT_MS, &n));
	ck_assert_uint_eq(n, 1);
	told = 0;
	for (unsigned i = 200000; i < 300000; i++)
		told += due(i, NOW + REPEAT_MS + 1, &n);
	ck_assert_uint_lt(told, REPEAT_KINDS);
	ck_assert_uint_gt(told, REPEAT_KINDS / 2);
}
END_TEST

START_TEST(no_memory)
{
	struct repeats none;
	struct rand rnd;
	bool ok;

	rand_init_fixed(&rnd, 1);
	allocations = 0;
	ok = repeats_init(&none, &rnd);
	allocations = UINT_MAX;
	ck_assert(!ok);
	repeats_fini(&none);
}
END_TEST

Suite *
repeat_suite(void)
{
	Suite *s = suite_create("repeat");
	TCase *tc = tcase_create("repeat");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, first_then_one_a_minute);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, no_memory);
	suite_add_tcase(s, tc);
	return s;
}
