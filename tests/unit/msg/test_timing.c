#include "msg/timing.h"

#include "suites.h"
#include "unit.h"

enum { NOW = 1000000 };

static struct timings timings;
static struct msg_params params;

static void
setup(void)
{
	msg_params_init(&params);
	timings_init(&timings, &params);
}

static void
change(uint64_t ack_timeout, uint64_t now)
{
	params.ack_timeout = ack_timeout;
	msg_params_derive(&params);
	timings_change(&timings, &params, now);
}

static uint64_t
ack_timeout_at(uint8_t i)
{
	return timing_at(&timings, i)->ack_timeout;
}

/* Who knows its index finds what it began with. */
START_TEST(before)
{
	uint8_t first = timings.now, second;

	change(4000, NOW);
	second = timings.now;
	change(8000, NOW + 1);
	ck_assert_uint_eq(ack_timeout_at(first), 2000);
	ck_assert_uint_eq(ack_timeout_at(second), 4000);
	ck_assert_uint_eq(ack_timeout_at(timings.now), 8000);
}
END_TEST

/* Two that take turns need two places, however often. */
START_TEST(turns)
{
	uint8_t first = timings.now;

	for (uint64_t i = 0; i < 1000; i++)
		change(i % 2 == 0 ? 4000 : 2000, NOW + i);
	ck_assert_uint_eq(timings.now, first);
	change(8000, NOW + 1000);
	ck_assert_uint_eq(ack_timeout_at(first), 2000);
}
END_TEST

/* What changes no deadline takes no place, and what counts is the newest. */
START_TEST(others)
{
	uint8_t first = timings.now;

	params.max_exchanges = 7;
	change(2000, NOW);
	ck_assert_uint_eq(timings.now, first);
	ck_assert(!timings.past);
	ck_assert_uint_eq(timing_at(&timings, first)->max_exchanges, 7);
}
END_TEST

/* The oldest one gives way, and the one in use never. */
START_TEST(full)
{
	uint8_t last;

	for (uint64_t i = 1; i < TIMINGS; i++)
		change(2000 + i, NOW + i);
	last = timings.now;
	for (uint8_t i = 0; i < TIMINGS; i++)
		ck_assert_uint_eq(ack_timeout_at(i), 2000 + i);
	change(9000, NOW + 100);
	ck_assert_uint_eq(timings.now, 0);
	ck_assert_uint_eq(ack_timeout_at(last), 2000 + last);
	change(9001, NOW + 101);
	ck_assert_uint_eq(ack_timeout_at(0), 9000);
	ck_assert_uint_eq(ack_timeout_at(1), 9001);
}
END_TEST

/* MSG-59: no Message ID is used again while one that began with a longer
 * lifetime may be under way; and not longer. */
START_TEST(lifetime)
{
	uint64_t two = params.exchange_lifetime, four;

	ck_assert_uint_eq(timings_lifetime(&timings, NOW), two);
	change(4000, NOW);
	four = params.exchange_lifetime;
	ck_assert_uint_gt(four, two);
	ck_assert_uint_eq(timings_lifetime(&timings, NOW), four);
	change(2000, NOW + 10);
	ck_assert_uint_eq(timings_lifetime(&timings, NOW + 10), four);
	ck_assert_uint_eq(timings_lifetime(&timings, NOW + 9 + four), four);
	ck_assert(timings.past);
	ck_assert_uint_eq(timings_lifetime(&timings, NOW + 10 + four), two);
	ck_assert(!timings.past);
}
END_TEST

Suite *
timing_suite(void)
{
	Suite *s = suite_create("timing");
	TCase *tc = tcase_create("timing");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, before);
	tcase_add_test(tc, turns);
	tcase_add_test(tc, others);
	tcase_add_test(tc, full);
	tcase_add_test(tc, lifetime);
	suite_add_tcase(s, tc);
	return s;
}
