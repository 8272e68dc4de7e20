#include "proxy/route.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

/* The texts of hosts move into the arena; literals need none. */
START_TEST(keep)
{
	uint8_t name[] = "h.example";
	struct route r = { .uri = target("192.0.2.9", 1) };
	struct arena a;

	r.hop.host.text = span_make(name, 9);
	arena_init(&a, 0);
	ck_assert(route_keep(&r, &a));
	memset(name, 'x', sizeof(name));
	ck_assert(span_eq(r.hop.host.text, SPAN_LIT("h.example")));
	ck_assert_uint_eq(r.uri.host.text.n, 0);
	ck_assert(r.uri.host.literal);
	arena_reset(&a, 0);
	fixture_free();
}
END_TEST

START_TEST(no_memory)
{
	static const uint8_t name[255];
	struct route r = { .uri.host.text = { name, sizeof(name) } };
	struct arena a;

	arena_init(&a, 0);
	ck_assert(!route_keep(&r, &a));
	arena_reset(&a, 0);
}
END_TEST

Suite *
route_suite(void)
{
	Suite *s = suite_create("route");
	TCase *tc = tcase_create("route");

	tcase_add_test(tc, keep);
	tcase_add_test(tc, no_memory);
	suite_add_tcase(s, tc);
	return s;
}
