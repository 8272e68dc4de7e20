#include "base/histo.h"

#include "suites.h"
#include "unit.h"

START_TEST(buckets)
{
	static const struct {
		uint64_t ms;
		unsigned bucket;
	} cases[] = {
		{ 0, 0 }, { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 },
		{ 1024, 10 }, { 1025, 11 }, { 65536, 16 }, { 65537, 17 },
		{ UINT64_MAX, 17 },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++)
		ck_assert_uint_eq(histo_bucket(cases[i].ms), cases[i].bucket);
}
END_TEST

/* What is at most a bucket's bound is in it or in one before. */
START_TEST(bounds)
{
	for (unsigned i = 0; i < HISTO_BOUNDS; i++) {
		ck_assert_uint_eq(histo_bucket(histo_bound(i)), i);
		ck_assert_uint_eq(histo_bucket(histo_bound(i) + 1), i + 1);
	}
}
END_TEST

START_TEST(sums)
{
	struct histo a = { .sum_ms = 0 }, b = { .sum_ms = 0 };

	histo_add(&a, 3);
	histo_add(&a, 100000);
	histo_add(&b, 4);
	histo_merge(&a, &b);
	ck_assert_uint_eq(histo_count(&a), 3);
	ck_assert_uint_eq(a.sum_ms, 100007);
	ck_assert_uint_eq(a.n[2], 2);
	ck_assert_uint_eq(a.n[HISTO_BOUNDS], 1);
}
END_TEST

Suite *
histo_suite(void)
{
	Suite *s = suite_create("histo");
	TCase *t = tcase_create("histo");

	tcase_add_test(t, buckets);
	tcase_add_test(t, bounds);
	tcase_add_test(t, sums);
	suite_add_tcase(s, t);
	return s;
}
