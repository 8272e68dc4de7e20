#include "base/pool.h"

#include <string.h>

#include "suites.h"
#include "unit.h"

enum { MANY = 3000 };

static void *objects[MANY];

START_TEST(cap)
{
	static const size_t caps[] = { 0, 1, 2, 100, 1000, MANY - 1 };

	for (size_t i = 0; i < UNIT_COUNT(caps); i++) {
		struct pool p;

		pool_init(&p, 56, caps[i]);
		for (size_t j = 0; j < caps[i]; j++) {
			objects[j] = pool_get(&p);
			ck_assert_ptr_nonnull(objects[j]);
		}
		ck_assert_uint_eq(p.used, caps[i]);
		ck_assert_uint_eq(p.full, 0);
		ck_assert_ptr_null(pool_get(&p));
		ck_assert_ptr_null(pool_get(&p));
		ck_assert_uint_eq(p.full, 2);
		for (size_t j = 0; j < caps[i]; j++)
			pool_put(&p, objects[j]);
		ck_assert_uint_eq(p.used, 0);
		pool_fini(&p);
	}
}
END_TEST

/* Objects of any size are apart from each other and aligned for any type. */
START_TEST(apart)
{
	static const size_t sizes[] = { 0, 1, 8, 9, 17, 64, 200, 4000, 16384,
		20000 };
	static uint8_t expected[20000];
	enum { N = 150 };

	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		struct pool p;

		pool_init(&p, sizes[i], N);
		for (size_t j = 0; j < N; j++) {
			objects[j] = pool_get(&p);
			ck_assert_ptr_nonnull(objects[j]);
			ck_assert_uint_eq((uintptr_t)objects[j] %
			    _Alignof(max_align_t), 0);
			memset(objects[j], (int)j, sizes[i]);
		}
		for (size_t j = 0; j < N; j++) {
			memset(expected, (int)j, sizes[i]);
			ck_assert_mem_eq(objects[j], expected, sizes[i]);
			pool_put(&p, objects[j]);
		}
		pool_fini(&p);
	}
}
END_TEST

/* What was put back is handed out before anything new is allocated. */
START_TEST(reuse)
{
	struct pool p;
	struct pool_slab *slabs;
	void *a;

	pool_init(&p, 100, MANY);
	for (size_t i = 0; i < MANY; i++)
		objects[i] = pool_get(&p);
	slabs = p.slabs;
	for (size_t i = 0; i < MANY; i++)
		pool_put(&p, objects[i]);
	for (size_t i = 0; i < MANY; i++)
		objects[i] = pool_get(&p);
	ck_assert_ptr_eq(p.slabs, slabs);
	a = objects[17];
	pool_put(&p, a);
	ck_assert_ptr_eq(pool_get(&p), a);
	for (size_t i = 0; i < MANY; i++)
		pool_put(&p, objects[i]);
	pool_fini(&p);
}
END_TEST

/* A size whose slab cannot even be expressed. */
START_TEST(absurd_size)
{
	struct pool p;

	pool_init(&p, SIZE_MAX - 40, 10);
	ck_assert_ptr_null(pool_get(&p));
	ck_assert_uint_eq(p.full, 1);
	ck_assert_uint_eq(p.used, 0);
	pool_fini(&p);
}
END_TEST

/* A limit that comes down below what is in use: nothing is to be had until
 * there is less. */
START_TEST(lower_limit)
{
	struct pool p;

	pool_init(&p, 100, 4);
	for (size_t i = 0; i < 4; i++)
		objects[i] = pool_get(&p);
	pool_limit(&p, 2);
	pool_put(&p, objects[3]);
	pool_put(&p, objects[2]);
	ck_assert_ptr_null(pool_get(&p));
	ck_assert_uint_eq(p.full, 1);
	pool_put(&p, objects[1]);
	ck_assert_ptr_eq(pool_get(&p), objects[1]);
	ck_assert_ptr_null(pool_get(&p));
	/* Up again, beyond what was ever made. */
	pool_limit(&p, MANY);
	for (size_t i = 2; i < MANY; i++) {
		objects[i] = pool_get(&p);
		ck_assert_ptr_nonnull(objects[i]);
	}
	ck_assert_ptr_null(pool_get(&p));
	ck_assert(!pool_shrinks(&p));
	for (size_t i = 0; i < MANY; i++)
		pool_put(&p, objects[i]);
	pool_fini(&p);
}
END_TEST

/* Who makes room in a full pool gives two for one until the limit is met. */
START_TEST(lower_limit_slowly)
{
	struct pool p;
	size_t n = 10, rounds = 0;

	pool_init(&p, 100, n);
	for (size_t i = 0; i < n; i++)
		objects[i] = pool_get(&p);
	pool_limit_slowly(&p, 4, 0);
	for (; p.max > 4; rounds++) {
		ck_assert_ptr_null(pool_get(&p));
		pool_put(&p, objects[--n]);
		if (pool_shrinks(&p))
			pool_put(&p, objects[--n]);
		objects[n++] = pool_get(&p);
		ck_assert_ptr_nonnull(objects[n - 1]);
	}
	ck_assert_uint_eq(rounds, 6);
	ck_assert_uint_eq(p.used, 4);
	ck_assert(!pool_shrinks(&p));
	/* What is to spare is there at once. */
	pool_limit_slowly(&p, 10, 2);
	pool_limit_slowly(&p, 1, 2);
	ck_assert_uint_eq(p.max, 6);
	pool_limit_slowly(&p, 9, 2);
	ck_assert_uint_eq(p.max, 9);
	while (n > 0)
		pool_put(&p, objects[--n]);
	pool_fini(&p);
}
END_TEST

/* A limit that is said again and again, as by reloads, is none that grows. */
START_TEST(limit_said_again)
{
	enum { MAX = 20, SPARE = 8 };
	struct pool p;
	size_t n = 0;

	pool_init(&p, 100, MAX);
	for (int round = 0; round < 10; round++) {
		while (p.used < p.max)
			objects[n++] = pool_get(&p);
		pool_limit_slowly(&p, MAX, SPARE);
		ck_assert_uint_eq(p.max, MAX);
	}
	/* Nor one that has come down. */
	pool_limit_slowly(&p, 1, SPARE);
	for (size_t max = p.max; n > 10; max = p.max) {
		pool_put(&p, objects[--n]);
		pool_limit_slowly(&p, 1, SPARE);
		ck_assert_uint_le(p.max, max);
	}
	ck_assert_uint_eq(p.max, 10 + SPARE);
	while (n > 0)
		pool_put(&p, objects[--n]);
	pool_fini(&p);
}
END_TEST

Suite *
pool_suite(void)
{
	Suite *s = suite_create("pool");
	TCase *tc = tcase_create("pool");

	tcase_add_test(tc, cap);
	tcase_add_test(tc, apart);
	tcase_add_test(tc, reuse);
	tcase_add_test(tc, absurd_size);
	tcase_add_test(tc, lower_limit);
	tcase_add_test(tc, lower_limit_slowly);
	tcase_add_test(tc, limit_said_again);
	suite_add_tcase(s, tc);
	return s;
}
