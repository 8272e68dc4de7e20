#include "base/rand.h"

#include "suites.h"
#include "unit.h"

/* MSG-40: two instances that start together have nothing in common. */
START_TEST(seeds_differ)
{
	struct rand a, b;

	rand_init(&a);
	rand_init(&b);
	ck_assert_mem_ne(&a.key, &b.key, sizeof(a.key));
	ck_assert_uint_ne(rand_u64(&a), rand_u64(&b));
}
END_TEST

START_TEST(fixed_seed_repeats)
{
	struct rand a, b, c;

	rand_init_fixed(&a, 7);
	rand_init_fixed(&b, 7);
	rand_init_fixed(&c, 8);
	for (size_t i = 0; i < 100; i++) {
		uint64_t x = rand_u64(&a);

		ck_assert_uint_eq(x, rand_u64(&b));
		ck_assert_uint_ne(x, rand_u64(&c));
	}
}
END_TEST

/* MSG-52: a thousand tokens, no repeats, no visible counter. */
START_TEST(no_repeats)
{
	static uint64_t seen[1000];
	unsigned repeats = 0;
	struct rand r;

	rand_init_fixed(&r, 1);
	for (size_t i = 0; i < UNIT_COUNT(seen); i++) {
		seen[i] = rand_u64(&r);
		for (size_t j = 0; j < i; j++)
			repeats += seen[i] == seen[j];
		if (i > 0)
			repeats += __builtin_popcountll(seen[i] ^
			    seen[i - 1]) <= 8;
	}
	ck_assert_uint_eq(repeats, 0);
}
END_TEST

START_TEST(below_is_below)
{
	static const uint64_t limits[] = {
		1, 2, 3, 10, 1000, 1001, (uint64_t)1 << 63,
		((uint64_t)1 << 63) + 1, UINT64_MAX,
	};
	struct rand r;

	rand_init_fixed(&r, 3);
	for (size_t i = 0; i < UNIT_COUNT(limits); i++)
		for (size_t j = 0; j < 1000; j++)
			ck_assert_uint_lt(rand_below(&r, limits[i]), limits[i]);
}
END_TEST

START_TEST(spread_is_uniform)
{
	static const uint32_t limits[] = { 1, 2, 1001, 65536 };
	unsigned six[6] = { 0 };
	struct rand r;

	rand_init_fixed(&r, 5);
	for (size_t i = 0; i < UNIT_COUNT(limits); i++)
		for (size_t j = 0; j < 1000; j++)
			ck_assert_uint_lt(rand_spread(&r, limits[i]),
			    limits[i]);
	for (unsigned i = 0; i < 60000; i++)
		six[rand_spread(&r, 6)]++;
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_uint_gt(six[i], 9600);
		ck_assert_uint_lt(six[i], 10400);
	}
}
END_TEST

/* MSG-30: uniform. 60000 draws of six: each 10000 +- 4.4 sigma. For three
 * quarters of 2^64 a plain remainder would give the lower third twice. */
START_TEST(below_is_uniform)
{
	uint64_t wide = (uint64_t)3 << 62;
	unsigned six[6] = { 0 }, low = 0;
	struct rand r;

	rand_init_fixed(&r, 4);
	for (size_t i = 0; i < 60000; i++) {
		six[rand_below(&r, 6)]++;
		low += rand_below(&r, wide) < wide / 3;
	}
	for (size_t i = 0; i < 6; i++) {
		ck_assert_uint_gt(six[i], 9600);
		ck_assert_uint_lt(six[i], 10400);
	}
	ck_assert_uint_gt(low, 19500);
	ck_assert_uint_lt(low, 20500);
}
END_TEST

START_TEST(keys_are_fresh)
{
	struct siphash_key a, b;
	struct rand r;

	rand_init_fixed(&r, 5);
	a = rand_key(&r);
	b = rand_key(&r);
	ck_assert_uint_ne(a.k0, a.k1);
	ck_assert_uint_ne(a.k0, b.k0);
	ck_assert_uint_ne(a.k1, b.k1);
}
END_TEST

Suite *
rand_suite(void)
{
	Suite *s = suite_create("rand");
	TCase *tc = tcase_create("rand");

	tcase_add_test(tc, seeds_differ);
	tcase_add_test(tc, fixed_seed_repeats);
	tcase_add_test(tc, no_repeats);
	tcase_add_test(tc, below_is_below);
	tcase_add_test(tc, spread_is_uniform);
	tcase_add_test(tc, below_is_uniform);
	tcase_add_test(tc, keys_are_fresh);
	suite_add_tcase(s, tc);
	return s;
}
