#include "proxy/fetch.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static uint8_t octets[] = "options and payload";

static struct fetch
fetch_of(size_t limit)
{
	struct fetch f = { .route.uri = target("h.example", 5683) };

	f.route.hop = f.route.uri;
	f.opts = span_make(octets, 7);
	f.payload = span_make(octets + 12, 7);
	arena_init(&f.arena, limit);
	return f;
}

/* A request that has to wait is kept as a whole. */
START_TEST(whole)
{
	struct fetch f = fetch_of(8192);

	/* The arena's inner chunk does not move with a copy of the struct. */
	arena_init(&f.arena, 8192);
	ck_assert(fetch_keep(&f, true));
	memset(octets, 'x', sizeof(octets));
	ck_assert(span_eq(f.opts, SPAN_LIT("options")));
	ck_assert(span_eq(f.payload, SPAN_LIT("payload")));
	ck_assert(span_eq(f.route.hop.host.text, SPAN_LIT("h.example")));
	arena_reset(&f.arena, 0);
	fixture_free();
}
END_TEST

/* One that is on its way needs only its route. */
START_TEST(sent)
{
	struct fetch f = fetch_of(8192);

	arena_init(&f.arena, 8192);
	ck_assert(fetch_keep(&f, false));
	ck_assert_uint_eq(f.opts.n, 0);
	ck_assert_uint_eq(f.payload.n, 0);
	ck_assert(span_eq(f.route.uri.host.text, SPAN_LIT("h.example")));
	arena_reset(&f.arena, 0);
	fixture_free();
}
END_TEST

START_TEST(no_memory)
{
	static const uint8_t large[ARENA_INLINE];
	struct fetch f = fetch_of(0);

	arena_init(&f.arena, 0);
	f.payload = span_make(large, sizeof(large));
	ck_assert(!fetch_keep(&f, true));
	arena_reset(&f.arena, 0);
	fixture_free();
}
END_TEST

Suite *
fetch_suite(void)
{
	Suite *s = suite_create("fetch");
	TCase *tc = tcase_create("fetch");

	tcase_add_test(tc, whole);
	tcase_add_test(tc, sent);
	tcase_add_test(tc, no_memory);
	suite_add_tcase(s, tc);
	return s;
}
