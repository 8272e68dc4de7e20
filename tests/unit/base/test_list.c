#include "base/list.h"

#include "suites.h"
#include "unit.h"

enum { N = 6 };

struct item {
	unsigned id;
	struct list link;
};

static void
fill(struct list *head, struct item *v, unsigned first)
{
	for (unsigned i = 0; i < N; i++) {
		v[i].id = first + i;
		list_init(&v[i].link);
		list_add_tail(head, &v[i].link);
	}
}

static unsigned
count(struct list *head, unsigned first)
{
	struct list *it, *tmp;
	unsigned n = 0;

	LIST_FOREACH_SAFE(it, tmp, head) {
		ck_assert_ptr_eq(it->next->prev, it);
		ck_assert_ptr_eq(it->prev->next, it);
		ck_assert_uint_eq(CONTAINER_OF(it, struct item, link)->id,
		    first + n);
		n++;
	}
	return n;
}

START_TEST(order)
{
	struct list head;
	struct item v[N];

	list_init(&head);
	ck_assert(list_empty(&head));
	ck_assert_uint_eq(count(&head, 0), 0);
	fill(&head, v, 0);
	ck_assert(!list_empty(&head));
	ck_assert_uint_eq(count(&head, 0), N);
}
END_TEST

START_TEST(del)
{
	struct list head, *it, *tmp;
	struct item v[N];

	list_init(&head);
	fill(&head, v, 0);
	list_del(&v[N - 1].link);
	list_del(&v[N - 1].link);
	ck_assert_uint_eq(count(&head, 0), N - 1);
	LIST_FOREACH_SAFE(it, tmp, &head)
		list_del(it);
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(splice)
{
	struct list a, b;
	struct item v[N], w[N];

	list_init(&a);
	list_init(&b);
	list_splice_tail(&a, &b);
	ck_assert(list_empty(&a));
	fill(&b, v, 0);
	list_splice_tail(&a, &b);
	ck_assert(list_empty(&b));
	ck_assert_uint_eq(count(&a, 0), N);
	list_splice_tail(&a, &b);
	ck_assert_uint_eq(count(&a, 0), N);
	fill(&b, w, N);
	list_splice_tail(&a, &b);
	ck_assert(list_empty(&b));
	ck_assert_uint_eq(count(&a, 0), 2 * N);
}
END_TEST

Suite *
list_suite(void)
{
	Suite *s = suite_create("list");
	TCase *tc = tcase_create("list");

	tcase_add_test(tc, order);
	tcase_add_test(tc, del);
	tcase_add_test(tc, splice);
	suite_add_tcase(s, tc);
	return s;
}
