#include "base/arena.h"

#include "suites.h"
#include "unit.h"

static bool
is_inline(const struct arena *a, const void *p)
{
	uintptr_t at = (uintptr_t)p, start = (uintptr_t)a->first;

	return at >= start && at < start + sizeof(a->first);
}

/* An ordinary request takes nothing from malloc. */
START_TEST(inline_first)
{
	struct arena a;
	struct span s;

	arena_init(&a, 0);
	ck_assert(is_inline(&a, arena_alloc(&a, 1)));
	ck_assert(arena_dup(&a, SPAN_LIT("light"), &s));
	ck_assert(is_inline(&a, s.p));
	ck_assert(is_inline(&a, arena_alloc(&a, 100)));
	ck_assert_ptr_null(arena_alloc(&a, ARENA_INLINE));
	arena_reset(&a, 0);
	ck_assert(is_inline(&a, arena_alloc(&a, ARENA_INLINE)));
	ck_assert_ptr_null(arena_alloc(&a, 1));
	arena_reset(&a, 0);
}
END_TEST

START_TEST(aligned)
{
	struct arena a;
	struct span s;

	arena_init(&a, 1 << 16);
	for (size_t n = 1; n < 200; n++) {
		void *p;

		ck_assert(arena_dup(&a, SPAN_LIT("odd"), &s));
		p = arena_alloc(&a, n);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		memset(p, 0xff, n);
		ck_assert(span_eq(s, SPAN_LIT("odd")));
	}
	arena_reset(&a, 0);
}
END_TEST

START_TEST(octets_are_packed)
{
	struct arena a;
	struct span s, t;

	arena_init(&a, 0);
	ck_assert(arena_dup(&a, SPAN_LIT("abc"), &s));
	ck_assert(arena_dup(&a, SPAN_LIT("defg"), &t));
	ck_assert_ptr_eq(s.p + 3, t.p);
	ck_assert(arena_dup(&a, span_make(NULL, 0), &s));
	ck_assert_uint_eq(s.n, 0);
	arena_reset(&a, 0);
}
END_TEST

/* Nothing overlaps, whatever the mixture of sizes. */
START_TEST(mixture)
{
	enum { N = 300 };
	static uint8_t expected[3000];
	struct arena a;
	uint8_t *p[N];

	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < N; i++) {
		size_t n = i * 37 % 3000;

		p[i] = arena_alloc(&a, n);
		ck_assert_ptr_nonnull(p[i]);
		memset(p[i], (int)(i & 0xff), n);
	}
	for (size_t i = 0; i < N; i++) {
		memset(expected, (int)(i & 0xff), sizeof(expected));
		ck_assert_mem_eq(p[i], expected, i * 37 % 3000);
	}
	arena_reset(&a, 0);
}
END_TEST

/* A large piece does not waste what is left of the chunk before it. */
START_TEST(large_keeps_the_rest)
{
	struct arena a;

	arena_init(&a, 1 << 16);
	ck_assert_ptr_nonnull(arena_alloc(&a, 16));
	ck_assert_ptr_nonnull(arena_alloc(&a, 5000));
	ck_assert(is_inline(&a, arena_alloc(&a, 16)));
	arena_reset(&a, 0);
}
END_TEST

/* The limit is on what malloc gives, headers included, and is used up to the
 * last octets. */
START_TEST(limit)
{
	static const size_t limits[] = { 1, 15, 16, 17, 600, 1023, 1024, 1025,
		5000, 100000 };

	for (size_t i = 0; i < UNIT_COUNT(limits); i++) {
		struct arena a;
		size_t got = 0;

		arena_init(&a, limits[i]);
		while (arena_alloc(&a, 16) != NULL)
			got += 16;
		ck_assert_uint_le(got, ARENA_INLINE + limits[i]);
		if (limits[i] > 100)
			ck_assert_uint_ge(got, limits[i] / 10 * 9);
		arena_reset(&a, limits[i]);
		ck_assert_ptr_null(arena_alloc(&a, limits[i] + ARENA_INLINE));
		ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
		ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - 15));
		ck_assert_ptr_nonnull(arena_alloc(&a, ARENA_INLINE));
		arena_reset(&a, 0);
	}
}
END_TEST

START_TEST(dup_fails_at_the_limit)
{
	static const uint8_t big[ARENA_INLINE + 1] = { 1 };
	struct arena a;
	struct span s = SPAN_LIT("kept");

	arena_init(&a, 0);
	ck_assert(!arena_dup(&a, span_make(big, sizeof(big)), &s));
	ck_assert(span_eq(s, SPAN_LIT("kept")));
	arena_reset(&a, 4096);
	ck_assert(arena_dup(&a, span_make(big, sizeof(big)), &s));
	ck_assert(span_eq(s, span_make(big, sizeof(big))));
	ck_assert_ptr_ne(s.p, big);
	arena_reset(&a, 0);
}
END_TEST

Suite *
arena_suite(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("arena");

	tcase_add_test(tc, inline_first);
	tcase_add_test(tc, aligned);
	tcase_add_test(tc, octets_are_packed);
	tcase_add_test(tc, mixture);
	tcase_add_test(tc, large_keeps_the_rest);
	tcase_add_test(tc, limit);
	tcase_add_test(tc, dup_fails_at_the_limit);
	suite_add_tcase(s, tc);
	return s;
}
