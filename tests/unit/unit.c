#include "unit.h"

#include <stdlib.h>

#include "base/table.h"

int
unit_main(Suite *(*const *suites)(void), size_t n)
{
	SRunner *sr;
	int failed;

	/* Check's four seconds are too few on a machine that is busy. */
	setenv("CK_DEFAULT_TIMEOUT", "60", 0);
	sr = srunner_create(NULL);
	for (size_t i = 0; i < n; i++)
		srunner_add_suite(sr, suites[i]());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

size_t
unit_longest_chain(const struct table *t)
{
	size_t longest = 0;

	ck_assert_ptr_null(t->old);
	for (size_t i = 0; i <= t->mask; i++) {
		size_t n = 0;

		for (struct table_node *p = t->buckets[i]; p != NULL;
		     p = p->next)
			n++;
		longest = n > longest ? n : longest;
	}
	return longest;
}
