#include "base/buf.h"

#include "suites.h"
#include "unit.h"

static const size_t small_size = sizeof(struct buf) + BUF_SMALL;
static const size_t large_size = sizeof(struct buf) + BUF_LARGE;

START_TEST(sizes)
{
	static const struct {
		size_t need;
		uint16_t cap;	/* 0: refused */
	} cases[] = {
		{ 0, BUF_SMALL },
		{ 1, BUF_SMALL },
		{ BUF_SMALL, BUF_SMALL },
		{ BUF_SMALL + 1, 208 },
		{ 209, 640 },
		{ 640, 640 },
		{ 641, 1280 },
		{ 1281, BUF_LARGE },
		{ BUF_LARGE, BUF_LARGE },
		{ BUF_LARGE + 1, 0 },
		{ SIZE_MAX, 0 },
	};
	struct buf_pool *p = buf_pool_new(1 << 20);

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct buf *b = buf_get(p, cases[i].need);

		if (cases[i].cap == 0) {
			ck_assert_ptr_null(b);
			continue;
		}
		ck_assert_ptr_nonnull(b);
		ck_assert_uint_eq(b->cap, cases[i].cap);
		ck_assert_uint_eq(b->len, 0);
		ck_assert_uint_eq(b->refs, 1);
		memset(b->data, 0xff, b->cap);
		ck_assert_uint_eq(buf_span(b).n, 0);
		buf_unref(b);
	}
	/* What could never be had is no sign of a full pool. */
	ck_assert_uint_eq(buf_pool_full(p), 0);
	buf_pool_free(p);
}
END_TEST

START_TEST(references)
{
	struct buf_pool *p = buf_pool_new(1 << 20);
	struct buf *b = buf_get(p, 10), *c;

	memcpy(b->data, "0123456789", 10);
	b->len = 10;
	ck_assert_ptr_eq(buf_ref(b), b);
	ck_assert_uint_eq(buf_pool_used(p), small_size);
	buf_unref(b);
	ck_assert_uint_eq(buf_pool_used(p), small_size);
	ck_assert(span_eq(buf_span(b), SPAN_LIT("0123456789")));
	b->loose = 1;
	buf_unref(b);
	ck_assert_uint_eq(buf_pool_used(p), 0);
	/* The same one again, and as new. */
	c = buf_get(p, 10);
	ck_assert_ptr_eq(c, b);
	ck_assert_uint_eq(c->len, 0);
	ck_assert_uint_eq(c->refs, 1);
	ck_assert_uint_eq(c->loose, 0);
	buf_unref(c);
	buf_unref(NULL);
	buf_pool_free(p);
	buf_pool_free(NULL);
}
END_TEST

START_TEST(limit)
{
	struct buf_pool *p = buf_pool_new(3 * large_size - 1);
	struct buf *a = buf_get(p, BUF_LARGE), *b = buf_get(p, BUF_LARGE);
	struct buf *c;

	ck_assert(a != NULL && b != NULL);
	ck_assert_ptr_null(buf_get(p, BUF_LARGE));
	ck_assert_uint_eq(buf_pool_full(p), 1);
	c = buf_get(p, 1);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(buf_pool_used(p), 2 * large_size + small_size);
	buf_unref(a);
	a = buf_get(p, BUF_LARGE);
	ck_assert_ptr_nonnull(a);
	buf_unref(a);
	buf_unref(b);
	buf_unref(c);
	ck_assert_uint_eq(buf_pool_used(p), 0);
	buf_pool_free(p);
}
END_TEST

START_TEST(no_room_at_all)
{
	struct buf_pool *p = buf_pool_new(small_size - 1);

	ck_assert_ptr_null(buf_get(p, 1));
	ck_assert_uint_eq(buf_pool_full(p), 1);
	buf_pool_free(p);
}
END_TEST

/* Buffers of one size kept for reuse do not block the other size. */
START_TEST(sizes_share_the_budget)
{
	enum { N = 64 };
	struct buf_pool *p = buf_pool_new(N * small_size);
	struct buf *b[N];
	size_t n = 0, held;

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < N; i++) {
			b[i] = buf_get(p, 1);
			ck_assert_ptr_nonnull(b[i]);
		}
		ck_assert_ptr_null(buf_get(p, 1));
		for (size_t i = 0; i < N; i++)
			buf_unref(b[i]);
		held = buf_pool_held(p);
		ck_assert_uint_gt(held, 0);
		ck_assert_uint_le(held, N * small_size / 4);
		while ((b[n] = buf_get(p, BUF_LARGE)) != NULL) {
			n++;
			ck_assert_uint_le(buf_pool_used(p) + buf_pool_held(p),
			    N * small_size);
		}
		ck_assert_uint_eq(n, N * small_size / large_size);
		while (n > 0)
			buf_unref(b[--n]);
		ck_assert_uint_eq(buf_pool_used(p), 0);
	}
	buf_pool_free(p);
}
END_TEST

/* Less than is handed out: nothing more, until what is there has come back; the
 * free lists follow. */
START_TEST(lower_limit)
{
	enum { N = 64 };
	struct buf *b[N + 1];
	struct buf_pool *p = buf_pool_new(1 << 20);
	size_t size, n = 0;

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < N; i++)
		b[i] = buf_get(p, 1);
	size = buf_pool_used(p) / N;
	buf_pool_limit(p, 16 * size);
	ck_assert(buf_pool_low(p));
	ck_assert_ptr_null(buf_get(p, 1));
	for (size_t i = 15; i < N; i++)
		buf_unref(b[i]);
	ck_assert_uint_le(buf_pool_held(p), 4 * size);
	b[15] = buf_get(p, 1);
	ck_assert_ptr_nonnull(b[15]);
	ck_assert_ptr_null(buf_get(p, 1));
	buf_pool_limit(p, N * size);
	ck_assert(!buf_pool_low(p));
	while ((b[16 + n] = buf_get(p, 1)) != NULL)
		n++;
	ck_assert_uint_eq(n, N - 16);
	for (size_t i = 0; i < N; i++)
		buf_unref(b[i]);
	buf_pool_free(p);
}
END_TEST

Suite *
buf_suite(void)
{
	Suite *s = suite_create("buf");
	TCase *tc = tcase_create("buf");

	tcase_add_test(tc, sizes);
	tcase_add_test(tc, references);
	tcase_add_test(tc, limit);
	tcase_add_test(tc, no_room_at_all);
	tcase_add_test(tc, sizes_share_the_budget);
	tcase_add_test(tc, lower_limit);
	suite_add_tcase(s, tc);
	return s;
}
