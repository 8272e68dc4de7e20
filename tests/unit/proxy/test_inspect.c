#include "proxy/inspect.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct stand s;
static char seen[512];

static void
setup(void)
{
	stand_init(&s);
	s.conf.cache = (struct cache_conf){ 1 << 20, 4096, 86400 };
	s.conf.observe = (struct observe_conf){ 10, 10, 5000 };
	stand_start(&s);
	seen[0] = '\0';
}

static void
teardown(void)
{
	stand_fini(&s);
}

static void
get(const char *path, const char *payload)
{
	char text[200];

	snprintf(text, sizeof(text),
	    "CON GET Proxy-Uri=\"coap://198.51.100.1/%s\"", path);
	stand_ask(&s, text, 2000);
	snprintf(text, sizeof(text), "ACK 2.05 payload=\"%s\"", payload);
	stand_answer(&s, text, 2000);
}

static bool
note_uri(const char *uri, void *arg)
{
	size_t n = strlen(seen);

	snprintf(seen + n, sizeof(seen) - n, "%s;", uri);
	return arg != NULL && strstr(uri, arg) != NULL;
}

START_TEST(levels)
{
	struct proxy_levels l;

	inspect_levels(s.proxy, &l);
	ck_assert_uint_eq(l.requests, 0);
	ck_assert_uint_eq(l.cached, 0);
	ck_assert_uint_eq(l.cache_size, 1 << 20);
	get("a", "1");
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://198.51.100.1/b\"", 2000);
	inspect_levels(s.proxy, &l);
	ck_assert_uint_eq(l.requests, 1);
	ck_assert_uint_eq(l.cached, 1);
	ck_assert_uint_eq(l.cache_stored, 1);
	ck_assert_uint_gt(l.cache_octets, 0);
	ck_assert(!l.draining);
	ck_assert_uint_eq(l.downloads, 0);
	stand_answer(&s, "ACK 2.05 Block2=0/1/64 payload=\"0123456789abcdef"
	    "0123456789abcdef0123456789abcdef0123456789abcdef\"", 2000);
	proxy_drain(s.proxy);
	inspect_levels(s.proxy, &l);
	ck_assert_uint_eq(l.downloads, 1);
	ck_assert(l.draining);
}
END_TEST

START_TEST(flush)
{
	char nothing[] = "nothing", b[] = "/b";
	struct proxy_levels l;

	get("a", "1");
	get("b", "2");
	ck_assert_uint_eq(inspect_flush(s.proxy, note_uri, nothing), 0);
	ck_assert_ptr_nonnull(strstr(seen, "coap://198.51.100.1/a;"));
	ck_assert_ptr_nonnull(strstr(seen, "coap://198.51.100.1/b;"));
	ck_assert_uint_eq(inspect_flush(s.proxy, note_uri, b), 1);
	inspect_levels(s.proxy, &l);
	ck_assert_uint_eq(l.cached, 1);
	/* The next one is asked of the origin. */
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://198.51.100.1/b\"", 2000);
	ck_assert_ptr_nonnull(s.sent);
}
END_TEST

static bool
note_observed(void *arg, const struct observed *o)
{
	unsigned *n = arg;

	snprintf(seen, sizeof(seen), "%s %s %s %zu %d", o->uri, o->route,
	    o->state, o->observers, o->has_age);
	return --*n > 0;
}

/* One that waits for its first answer has no age, and one stops when told. */
START_TEST(observations)
{
	unsigned n = 1;

	inspect_observations(s.proxy, 2000, note_observed, &n);
	ck_assert_uint_eq(n, 1);
	stand_ask(&s, "CON GET token=01 Observe=0 "
	    "Proxy-Uri=\"coap://198.51.100.1/t?u=1\"", 2000);
	stand_ask(&s, "CON GET token=02 Observe=0 "
	    "Proxy-Uri=\"coap://198.51.100.1/t2\"", 2000);
	n = 1;
	inspect_observations(s.proxy, 2000, note_observed, &n);
	ck_assert_str_eq(seen,
	    "coap://198.51.100.1/t?u=1 [forward] asking 0 0");
	ck_assert_uint_eq(n, 0);
	n = 9;
	inspect_observations(s.proxy, 2000, note_observed, &n);
	ck_assert_str_eq(seen,
	    "coap://198.51.100.1/t2 [forward] asking 0 0");
	ck_assert_uint_eq(n, 7);
}
END_TEST

Suite *
inspect_suite(void)
{
	Suite *suite = suite_create("inspect");
	TCase *tc = tcase_create("inspect");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, flush);
	tcase_add_test(tc, observations);
	suite_add_tcase(suite, tc);
	return suite;
}
