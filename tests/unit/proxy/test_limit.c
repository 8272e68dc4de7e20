#include "proxy/limit.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000 };

static struct limits limits;
static struct rand rnd;

static void
setup(void)
{
	rand_init_fixed(&rnd, 1);
	ck_assert(limits_init(&limits, 3, &rnd));
}

static void
teardown(void)
{
	limits_fini(&limits);
}

static enum limit_verdict
take(const struct rate *rate, const char *ip, uint64_t now)
{
	struct addr a = address(ip, 1);
	uint32_t seconds;

	return limit_take(&limits, rate, 0, &a, now, &seconds);
}

/* PRX-46: as many at once as the burst, then as many a second as the rate. */
START_TEST(bucket)
{
	static const struct rate rate = { 10, 5 };
	unsigned passed = 0;

	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(take(&rate, "192.0.2.1", NOW), LIMIT_PASS);
	ck_assert_int_eq(take(&rate, "192.0.2.1", NOW), LIMIT_REFUSE);
	ck_assert_int_eq(take(&rate, "192.0.2.1", NOW + 99), LIMIT_SILENT);
	ck_assert_int_eq(take(&rate, "192.0.2.1", NOW + 100), LIMIT_PASS);
	for (unsigned ms = 101; ms <= 10100; ms++)
		passed += take(&rate, "192.0.2.1", NOW + ms) == LIMIT_PASS;
	ck_assert_uint_eq(passed, 100);
	/* Quiet for long: the burst, and not more. */
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(take(&rate, "192.0.2.1", NOW * 1000),
		    LIMIT_PASS);
	ck_assert_int_ne(take(&rate, "192.0.2.1", NOW * 1000), LIMIT_PASS);
}
END_TEST

/* PRX-46: told at most once a second, and when to come again. */
START_TEST(told)
{
	static const struct rate rates[] = { { 1, 1 }, { 50, 1 } };

	for (size_t i = 0; i < UNIT_COUNT(rates); i++) {
		struct addr a = address("192.0.2.1", (uint16_t)i);
		unsigned refused = 0;
		uint32_t seconds = 0;

		limit_take(&limits, &rates[i], (unsigned)i, &a, NOW, &seconds);
		for (uint64_t ms = 0; ms < 3000; ms++)
			refused += limit_take(&limits, &rates[i], (unsigned)i,
			    &a, NOW + ms, &seconds) ==
			    LIMIT_REFUSE;
		ck_assert_uint_eq(refused, 3);
		ck_assert_uint_ge(seconds, 1);
		ck_assert_uint_le(seconds, 2);
	}
}
END_TEST

/* Who counts as one: not the port, the /64 of IPv6, and each listener for
 * itself. */
START_TEST(identity)
{
	static const struct rate rate = { 1, 1 };
	static const struct {
		const char *ip;
		uint16_t port;
		unsigned listener;
		bool pass;
	} rows[] = {
		{ "192.0.2.1", 1, 0, true },
		{ "192.0.2.1", 2, 0, false },
		{ "192.0.2.1", 1, 1, true },
		{ "2001:db8::1", 1, 0, true },
		{ "2001:db8::ffff:1", 1, 0, false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct addr a = address(rows[i].ip, rows[i].port);
		uint32_t seconds;

		ck_assert_msg((limit_take(&limits, &rate, rows[i].listener, &a,
				   NOW, &seconds) == LIMIT_PASS) ==
			rows[i].pass, "row %zu", i);
	}
}
END_TEST

/* ATK-35: no rate, no table. With a full one the longest quiet is forgotten. */
START_TEST(table)
{
	static const struct rate off = { 0, 0 }, rate = { 1, 1 };

	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(take(&off, "192.0.2.1", NOW), LIMIT_PASS);
	ck_assert_uint_eq(limits.table.count, 0);
	take(&rate, "192.0.2.1", NOW);
	take(&rate, "192.0.2.2", NOW);
	take(&rate, "192.0.2.3", NOW);
	ck_assert_int_ne(take(&rate, "192.0.2.1", NOW), LIMIT_PASS);
	ck_assert_int_eq(take(&rate, "192.0.2.4", NOW), LIMIT_PASS);
	ck_assert_uint_eq(limits.table.count, 3);
	/* 192.0.2.1 had been heard since, 192.0.2.2 had not. */
	ck_assert_int_ne(take(&rate, "192.0.2.1", NOW), LIMIT_PASS);
	ck_assert_int_eq(take(&rate, "192.0.2.2", NOW), LIMIT_PASS);
}
END_TEST

/* A smaller table: who has just been refused is not forgotten for it at once,
 * and the longest quiet ones go, two for one. */
START_TEST(smaller)
{
	static const struct rate rate = { 1, 1 };

	limits_resize(&limits, 8);
	for (unsigned i = 0; i < 8; i++) {
		char ip[] = "192.0.2.1";

		ip[8] = (char)('1' + i);
		take(&rate, ip, NOW);
	}
	limits_resize(&limits, 6);
	ck_assert_uint_eq(limits.table.count, 8);
	ck_assert_int_eq(take(&rate, "198.51.100.1", NOW), LIMIT_PASS);
	ck_assert_uint_eq(limits.table.count, 7);
	ck_assert_int_eq(take(&rate, "198.51.100.2", NOW), LIMIT_PASS);
	ck_assert_int_eq(take(&rate, "198.51.100.3", NOW), LIMIT_PASS);
	ck_assert_uint_eq(limits.table.count, 6);
	ck_assert_int_ne(take(&rate, "192.0.2.8", NOW), LIMIT_PASS);
	ck_assert_int_eq(take(&rate, "192.0.2.1", NOW), LIMIT_PASS);
}
END_TEST

Suite *
limit_suite(void)
{
	Suite *s = suite_create("limit");
	TCase *tc = tcase_create("limit");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bucket);
	tcase_add_test(tc, told);
	tcase_add_test(tc, identity);
	tcase_add_test(tc, table);
	tcase_add_test(tc, smaller);
	suite_add_tcase(s, tc);
	return s;
}
