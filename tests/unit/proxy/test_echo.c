#include "proxy/echo.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000, HOUR = 3600000 };

static struct echo echo;
static struct rand rnd;
static struct addr client;

static void
setup(void)
{
	rand_init_fixed(&rnd, 1);
	ck_assert(echo_init(&echo, 3, &rnd));
	client = address("192.0.2.1", 40001);
}

static void
teardown(void)
{
	echo_fini(&echo);
}

static enum echo_verdict
check_it(const uint8_t v[ECHO_LEN], uint64_t now)
{
	return echo_check(&echo, span_make(v, ECHO_LEN), &client, 0, now);
}

/* ATK-06: good for 300 s, to the second. */
START_TEST(validity)
{
	static const struct {
		uint64_t age;
		enum echo_verdict want;
	} rows[] = {
		{ 0, ECHO_FRESH },
		{ 299000, ECHO_FRESH },
		{ 300000, ECHO_FRESH },
		{ 300999, ECHO_FRESH },
		{ 301000, ECHO_STALE },
		{ HOUR, ECHO_STALE },
		{ UINT64_C(4294967295) * 1000, ECHO_STALE },
	};
	uint8_t v[ECHO_LEN];

	echo_make(&echo, &client, 0, NOW, v);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_msg(check_it(v, NOW + rows[i].age) == rows[i].want,
		    "row %zu", i);
	/* Not from the future, whatever the clock has come from. */
	ck_assert_int_eq(check_it(v, NOW - 1000), ECHO_STALE);
}
END_TEST

/* The timestamp may come round within the time of validity. */
START_TEST(wrap)
{
	uint8_t v[ECHO_LEN];

	echo.offset = UINT32_MAX - NOW / 1000 - 100;
	echo_make(&echo, &client, 0, NOW, v);
	ck_assert_int_eq(check_it(v, NOW + 300000), ECHO_FRESH);
	ck_assert_int_eq(check_it(v, NOW + 301000), ECHO_STALE);
}
END_TEST

/* ATK-06: a changed bit, anywhere. */
START_TEST(bits)
{
	uint8_t v[ECHO_LEN];

	echo_make(&echo, &client, 0, NOW, v);
	for (unsigned i = 0; i < 8 * ECHO_LEN; i++) {
		v[i / 8] ^= (uint8_t)(1 << i % 8);
		ck_assert_msg(check_it(v, NOW) == ECHO_FAKE, "bit %u", i);
		v[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	ck_assert_int_eq(check_it(v, NOW), ECHO_FRESH);
}
END_TEST

/* ATK-07: what is not as long as ours is somebody else's. */
START_TEST(lengths)
{
	uint8_t v[40] = { 0 };

	echo_make(&echo, &client, 0, NOW, v);
	for (size_t n = 1; n <= sizeof(v); n++)
		ck_assert_int_eq(echo_check(&echo, span_make(v, n), &client, 0,
				     NOW),
		    n == ECHO_LEN ? ECHO_FRESH : ECHO_FOREIGN);
}
END_TEST

/* ATK-06: for this address, port and listener only. */
START_TEST(places)
{
	static const struct {
		const char *ip;
		uint16_t port;
		unsigned listener;
		enum echo_verdict want;
	} rows[] = {
		{ "192.0.2.1", 40001, 0, ECHO_FRESH },
		{ "192.0.2.1", 40002, 0, ECHO_FAKE },
		{ "192.0.2.2", 40001, 0, ECHO_FAKE },
		{ "192.0.2.1", 40001, 1, ECHO_FAKE },
		{ "2001:db8::1", 40001, 0, ECHO_FAKE },
	};
	uint8_t v[ECHO_LEN];

	echo_make(&echo, &client, 0, NOW, v);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct addr a = address(rows[i].ip, rows[i].port);

		ck_assert_msg(echo_check(&echo, span_make(v, ECHO_LEN), &a,
				  rows[i].listener, NOW) == rows[i].want,
		    "row %zu", i);
	}
}
END_TEST

/* ATK-06, ATK-40: after a restart there is another key. */
START_TEST(restart)
{
	uint8_t v[ECHO_LEN], w[ECHO_LEN];

	echo_make(&echo, &client, 0, NOW, v);
	echo_confirm(&echo, &client, 0, NOW);
	echo_fini(&echo);
	ck_assert(echo_init(&echo, 3, &rnd));
	ck_assert_int_eq(check_it(v, NOW), ECHO_FAKE);
	ck_assert(!echo_confirmed(&echo, &client, 0, NOW));
	echo_make(&echo, &client, 0, NOW, w);
	ck_assert_mem_ne(v, w, 4);	/* the time says nothing (ATK-31) */
	ck_assert_mem_ne(v + 4, w + 4, 8);
}
END_TEST

/* ATK-08: confirmed until it has been idle for an hour. */
START_TEST(idle)
{
	struct addr port = address("192.0.2.1", 40002);
	uint64_t now = NOW;

	ck_assert(!echo_confirmed(&echo, &client, 0, now));
	echo_confirm(&echo, &client, 0, now);
	ck_assert(!echo_confirmed(&echo, &port, 0, now));
	ck_assert(!echo_confirmed(&echo, &client, 1, now));
	for (unsigned i = 0; i < 5; i++) {
		now += HOUR;
		ck_assert(echo_confirmed(&echo, &client, 0, now));
	}
	ck_assert(!echo_confirmed(&echo, &client, 0, now + HOUR + 1));
	ck_assert_uint_eq(echo.pool.used, 0);
	echo_confirm(&echo, &client, 0, now + HOUR + 2);
	ck_assert(echo_confirmed(&echo, &client, 0, now + HOUR + 3));
}
END_TEST

/* ATK-08, ATK-35: bounded; the longest idle leaves first. */
START_TEST(bounded)
{
	struct addr a = client;

	for (uint16_t i = 0; i < 3; i++) {
		a.port = i;
		echo_confirm(&echo, &a, 0, NOW + i);
	}
	a.port = 0;
	ck_assert(echo_confirmed(&echo, &a, 0, NOW + 10));
	a.port = 2;
	echo_confirm(&echo, &a, 0, NOW + 11);	/* no second entry */
	ck_assert_uint_eq(echo.pool.used, 3);
	a.port = 3;
	echo_confirm(&echo, &a, 0, NOW + 12);
	ck_assert_uint_eq(echo.pool.used, 3);
	ck_assert_uint_eq(echo.evicted, 1);
	for (uint16_t i = 0; i < 4; i++) {
		a.port = i;
		ck_assert_msg(echo_confirmed(&echo, &a, 0, NOW + 13) ==
			(i != 1), "port %u", i);
	}
}
END_TEST

/* A smaller table: the longest idle ones go, two for one. */
START_TEST(smaller)
{
	struct addr a = client;

	echo_resize(&echo, 8);
	for (a.port = 1; a.port <= 8; a.port++)
		echo_confirm(&echo, &a, 0, NOW);
	echo_resize(&echo, 4);
	ck_assert_uint_eq(echo.pool.used, 8);
	for (; a.port <= 12; a.port++)
		echo_confirm(&echo, &a, 0, NOW);
	ck_assert_uint_eq(echo.pool.used, 4);
	ck_assert_uint_eq(echo.evicted, 8);
	for (a.port = 1; a.port <= 12; a.port++)
		ck_assert_msg(echo_confirmed(&echo, &a, 0, NOW) ==
			(a.port > 8), "port %u", a.port);
}
END_TEST

Suite *
echo_suite(void)
{
	Suite *s = suite_create("echo");
	TCase *tc = tcase_create("echo");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, validity);
	tcase_add_test(tc, wrap);
	tcase_add_test(tc, bits);
	tcase_add_test(tc, lengths);
	tcase_add_test(tc, places);
	tcase_add_test(tc, restart);
	tcase_add_test(tc, idle);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, smaller);
	suite_add_tcase(s, tc);
	return s;
}
