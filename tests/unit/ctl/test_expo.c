#include "ctl/expo.h"

#include <event2/buffer.h>
#include <string.h>

#include "ctl/metrics.h"
#include "suites.h"
#include "unit.h"

static struct expo e;

static void
setup(void)
{
	e.to = evbuffer_new();
	ck_assert_ptr_nonnull(e.to);
}

static void
teardown(void)
{
	evbuffer_free(e.to);
}

START_TEST(family)
{
	expo_family(&e, "x_total", "counter", "What x is.");
	expo_value(&e, 7, EXPO_NONE);
	expo_value(&e, UINT64_MAX, EXPO_LABELS_OF("a", "1", "b", "2"));
	expo_seconds(&e, 1700000000005, EXPO_LABELS_OF("a", ""));
	ck_assert_str_eq(drained(e.to), "# HELP x_total What x is.\n"
	    "# TYPE x_total counter\nx_total 7\n"
	    "x_total{a=\"1\",b=\"2\"} 18446744073709551615\n"
	    "x_total{a=\"\"} 1700000000.005\n");
}
END_TEST

/* No name of a route breaks out of its quotes. */
START_TEST(escapes)
{
	expo_family(&e, "x", "gauge", "h");
	drained(e.to);
	expo_value(&e, 1, EXPO_LABELS_OF("r", "a\"b\\c\nd\xc3\xa9\xff"));
	ck_assert_str_eq(drained(e.to),
	    "x{r=\"a\\\"b\\\\c\\nd\xc3\xa9\xef\xbf\xbd\"} 1\n");
}
END_TEST

/* Buckets are cumulative and end with +Inf, which is the count. */
START_TEST(histogram)
{
	struct histo h = { .sum_ms = 0 };
	const char *text;

	histo_add(&h, 1);
	histo_add(&h, 2);
	histo_add(&h, 100);
	histo_add(&h, 1000000);
	expo_family(&e, "t", "histogram", "h");
	drained(e.to);
	expo_histo(&e, &h, EXPO_LABELS_OF("r", "x"));
	text = drained(e.to);
	ck_assert_ptr_eq(strstr(text, "t_bucket{r=\"x\",le=\"0.001\"} 1\n"),
	    text);
	ck_assert_ptr_nonnull(strstr(text,
	    "t_bucket{r=\"x\",le=\"0.002\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(text,
	    "t_bucket{r=\"x\",le=\"0.064\"} 2\n"
	    "t_bucket{r=\"x\",le=\"0.128\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(text,
	    "t_bucket{r=\"x\",le=\"65.536\"} 3\n"
	    "t_bucket{r=\"x\",le=\"+Inf\"} 4\n"
	    "t_sum{r=\"x\"} 1000.103\nt_count{r=\"x\"} 4\n"));
	expo_histo(&e, &h, EXPO_NONE);
	text = drained(e.to);
	ck_assert_ptr_nonnull(strstr(text, "t_bucket{le=\"+Inf\"} 4\n"
	    "t_sum 1000.103\nt_count 4\n"));
}
END_TEST

/* Every family has a name of its own that says whose it is. */
START_TEST(names)
{
	for (size_t i = 0; metrics_name(i) != NULL; i++) {
		ck_assert_int_eq(strncmp(metrics_name(i), "coaproxy_", 9), 0);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(metrics_name(i), metrics_name(j));
	}
}
END_TEST

Suite *
expo_suite(void)
{
	Suite *s = suite_create("expo");
	TCase *tc = tcase_create("expo");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, family);
	tcase_add_test(tc, escapes);
	tcase_add_test(tc, histogram);
	tcase_add_test(tc, names);
	suite_add_tcase(s, tc);
	return s;
}
