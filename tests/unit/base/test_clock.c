#include "base/clock.h"

#include <time.h>

#include "suites.h"
#include "unit.h"

/* ATK-34: monotonic, and it moves. */
START_TEST(monotonic)
{
	uint64_t first = clock_ms(), last = first, now;

	ck_assert_uint_gt(first, 0);
	do {
		now = clock_ms();
		ck_assert_uint_ge(now, last);
		last = now;
	} while (now < first + 3);
}
END_TEST

START_TEST(milliseconds)
{
	struct timespec ts;
	uint64_t before, after, ms;

	ck_assert_int_eq(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
	before = (uint64_t)ts.tv_sec * 1000;
	ms = clock_ms();
	ck_assert_int_eq(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
	after = (uint64_t)ts.tv_sec * 1000 + 1001;
	ck_assert_uint_ge(ms, before);
	ck_assert_uint_le(ms, after);
}
END_TEST

START_TEST(microseconds)
{
	uint64_t before = clock_ms(), us = clock_us(), after = clock_ms();

	ck_assert_uint_ge(us / 1000, before);
	ck_assert_uint_le(us / 1000, after);
	while (clock_us() / 1000 <= after)
		us = clock_us();
	ck_assert_uint_gt(us / 1000 + 2, after);
}
END_TEST

/* As the service manager reads it. */
START_TEST(monotonic_us)
{
	struct timespec ts;
	uint64_t before, us;

	ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	before = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	us = clock_monotonic_us();
	ck_assert_uint_ge(us, before);
	ck_assert_uint_le(us, before + 1000000);
}
END_TEST

START_TEST(wall)
{
	uint64_t before = (uint64_t)time(NULL);
	uint64_t ms = clock_wall_ms();
	uint64_t after = (uint64_t)time(NULL);

	/* time(2) may lag behind clock_gettime(2) by a tick. */
	ck_assert_uint_ge(ms / 1000 + 1, before);
	ck_assert_uint_le(ms / 1000, after + 1);
}
END_TEST

Suite *
clock_suite(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("clock");

	tcase_add_test(tc, monotonic);
	tcase_add_test(tc, milliseconds);
	tcase_add_test(tc, microseconds);
	tcase_add_test(tc, monotonic_us);
	tcase_add_test(tc, wall);
	suite_add_tcase(s, tc);
	return s;
}
