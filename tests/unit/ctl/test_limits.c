#include "ctl/limits.h"

#include <string.h>

#include "suites.h"
#include "unit.h"

typedef const struct limit *(*row_fn)(size_t i);

/* Labels of metrics, each once. What is counted is for the system tests. */
static void
check(row_fn row, size_t least)
{
	const struct limit *l, *other;
	size_t n = 0;

	for (; (l = row(n)) != NULL; n++) {
		ck_assert_uint_eq(strspn(l->table,
		    "abcdefghijklmnopqrstuvwxyz-"), strlen(l->table));
		ck_assert(l->count != NULL);
		if (l->keys != NULL) {
			ck_assert_int_eq(l->keys[0], '[');
			ck_assert_ptr_nonnull(strstr(l->keys, "] "));
		}
		for (size_t i = 0; i < n; i++) {
			other = row(i);
			ck_assert_str_ne(l->table, other->table);
		}
	}
	ck_assert_uint_ge(n, least);
	ck_assert_ptr_null(row(n + 1));
}

START_TEST(tables)
{
	check(limits_row, 10);
	check(limits_eviction, 4);
	check(limits_level, 10);
}
END_TEST

Suite *
limits_suite(void)
{
	Suite *s = suite_create("limits");
	TCase *tc = tcase_create("limits");

	tcase_add_test(tc, tables);
	suite_add_tcase(s, tc);
	return s;
}
