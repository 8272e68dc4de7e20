#include "proxy/backoff.h"

#include <stdio.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000 };

static struct backoff b;
static struct timers timers;
static struct target hop;
static uint8_t space[BACKOFF_OPTS];

static void
setup(void)
{
	struct rand rnd;

	rand_init_fixed(&rnd, 1);
	timers_init(&timers, NOW);
	ck_assert(backoff_init(&b, &timers, &rnd));
	hop = target("192.0.2.9", 5683);
}

static void
teardown(void)
{
	backoff_fini(&b);
	ck_assert_uint_eq(timers_next(&timers), TIMER_NEVER);
	fixture_free();
}

static void
note(const char *request, const char *response, uint64_t now)
{
	struct coap_msg m = message(request), answer = message(response);

	backoff_note(&b, &m, &hop, &answer, now);
}

/* What REQUEST to TO gets, as dump() has it; NULL for nothing. */
static const char *
find_at(const struct target *to, const char *request, uint64_t now)
{
	struct coap_msg m = message(request);
	struct writer w = writer_make(space, sizeof(space));
	struct reply reply;

	if (!backoff_find(&b, &m, to, &w, &reply, now))
		return NULL;
	return dump(reply.code, reply.opts, reply.payload);
}

static const char *
find(const char *request, uint64_t now)
{
	return find_at(&hop, request, now);
}

/* MSG-74: for its Max-Age, 60 s without one and an hour at most; what is left
 * is rounded up, and when it is over nothing is left of it. */
START_TEST(ages)
{
	static const struct {
		const char *response;
		uint64_t after;
		const char *want;
	} rows[] = {
		{ "ACK 4.29 Max-Age=5", 0, "4.29 Max-Age=5" },
		{ "ACK 4.29 Max-Age=5", 1, "4.29 Max-Age=5" },
		{ "ACK 4.29 Max-Age=5", 1000, "4.29 Max-Age=4" },
		{ "ACK 4.29 Max-Age=5", 4999, "4.29 Max-Age=1" },
		{ "ACK 4.29 Max-Age=5", 5000, NULL },
		{ "ACK 5.03", 0, "5.03 Max-Age=60" },
		{ "ACK 5.03", 59999, "5.03 Max-Age=1" },
		{ "ACK 5.03", 60000, NULL },
		{ "ACK 5.03 Max-Age=0", 0, NULL },
		{ "ACK 5.03 Max-Age=3600", 0, "5.03 Max-Age=3600" },
		{ "ACK 5.03 Max-Age=3601", 0, "5.03 Max-Age=3600" },
		{ "ACK 5.03 Max-Age=4294967295", 3599999, "5.03 Max-Age=1" },
		{ "ACK 5.03 Max-Age=4294967295", 3600000, NULL },
	};
	uint64_t now = NOW;

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const char *got;

		note("CON GET", rows[i].response, now);
		got = find("CON GET", now + rows[i].after);
		ck_assert_msg((got == NULL) == (rows[i].want == NULL),
		    "row %zu", i);
		if (got != NULL)
			ck_assert_str_eq(got, rows[i].want);
		now += BACKOFF_MAX * 1000;
		timers_run(&timers, now);
		ck_assert(!backoff_any(&b));
		ck_assert_uint_eq(b.octets, 0);
		ck_assert_uint_eq(timers_next(&timers), TIMER_NEVER);
	}
	ck_assert_uint_eq(b.stats.evicted, 0);
}
END_TEST

/* MSG-74: which requests are similar: with those that went out. */
START_TEST(similar)
{
	static const struct {
		const char *a, *b;
		bool similar;
	} rows[] = {
		{ "CON GET Uri-Path=\"t\"", "CON GET Uri-Path=\"t\"", true },
		{ "CON GET Uri-Path=\"t\"", "NON GET token=99 Uri-Path=\"t\"",
			true },
		{ "CON GET Uri-Path=\"t\"", "CON GET Uri-Path=\"u\"", false },
		{ "CON GET Uri-Path=\"t\"", "CON PUT Uri-Path=\"t\"", false },
		{ "CON GET Uri-Query=\"a\"", "CON GET Uri-Query=\"b\"", false },
		{ "CON GET", "CON GET Accept=0", false },
		{ "CON GET", "CON GET opt65000=\"x\"", false },
		/* Of the hop, of one block, of one client. */
		{ "CON GET Hop-Limit=16", "CON GET", true },
		{ "CON GET No-Response=26", "CON GET", true },
		{ "CON PUT Block1=0/1/16 Request-Tag=01",
			"CON PUT Block1=1/0/16 Request-Tag=02", true },
		{ "CON GET Block2=3/0/64", "CON GET", true },
		{ "CON GET ETag=01", "CON GET", true },
		/* Of the authority all counts. */
		{ "CON GET Uri-Host=\"a\"", "CON GET Uri-Host=\"a\"", true },
		{ "CON GET Uri-Host=\"a\"", "CON GET Uri-Host=\"b\"", false },
		{ "CON GET Uri-Host=\"a\"", "CON GET", false },
		{ "CON GET Uri-Port=1", "CON GET Uri-Port=2", false },
		{ "CON GET Uri-Port=1", "CON GET", false },
		{ "CON GET Proxy-Scheme=\"coap\"",
			"CON GET Proxy-Scheme=\"coaps\"", false },
		{ "CON GET Proxy-Scheme=\"coap\"", "CON GET", false },
		/* The payload, where it is the question. */
		{ "CON POST payload=\"x\"", "CON POST payload=\"y\"", true },
		{ "CON FETCH payload=\"x\"", "CON FETCH payload=\"x\"", true },
		{ "CON FETCH payload=\"x\"", "CON FETCH payload=\"y\"",
			false },
		/* PRX-89: OSCORE. */
		{ "CON POST OSCORE=09", "CON POST OSCORE=09", false },
		{ "CON POST", "CON POST OSCORE=09", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		note(rows[i].a, "ACK 5.03", NOW);
		ck_assert_msg((find(rows[i].b, NOW) != NULL) ==
			rows[i].similar, "row %zu", i);
		teardown();
		setup();
	}
}
END_TEST

/* Another place is another origin. */
START_TEST(places)
{
	const struct target rows[] = {
		target("192.0.2.9", 5684),
		target("192.0.2.10", 5683),
		target("h.example", 5683),
		{ COAP_SCHEME_COAPS, host("192.0.2.9"), 5683 },
	};

	note("CON GET", "ACK 5.03", NOW);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_msg(find_at(&rows[i], "CON GET", NOW) == NULL,
		    "row %zu", i);
	ck_assert_ptr_nonnull(find("CON GET", NOW));
	ck_assert_uint_eq(b.stats.answered, 1);
}
END_TEST

/* MSG-74, PRX-86: what is told again, with Max-Age in its place. */
START_TEST(content)
{
	static const struct {
		const char *response, *want;
	} rows[] = {
		{ "ACK 5.03 payload=\"busy\"", "5.03 Max-Age=60 payload=4" },
		{ "ACK 5.03 Content-Format=50 Max-Age=9 payload=\"{}\"",
			"5.03 Content-Format=50 Max-Age=9 payload=2" },
		{ "ACK 4.29 ETag=01 Max-Age=9 Size2=3 opt65000=\"x\" "
			"opt65000=\"y\"",
			"4.29 ETag=01 Max-Age=9 Size2=3 opt65000=78 "
			"opt65000=79" },
		{ "ACK 5.03 opt65000=\"x\"", "5.03 Max-Age=60 opt65000=78" },
		{ "ACK 5.03 Observe=3 Location-Path=\"a\" Max-Age=9 "
			"Location-Query=\"b\" Block1=0/1/16 Echo=01",
			"5.03 Max-Age=9" },
		{ "ACK 5.03 Content-Format=50 Block2=0/1/16 payload=16x\"x\"",
			"5.03 Max-Age=60" },
		{ "ACK 5.03 Content-Format=0 payload=1024x\"x\"",
			"5.03 Content-Format=0 Max-Age=60 payload=1024" },
		{ "ACK 5.03 Content-Format=0 payload=1025x\"x\"",
			"5.03 Max-Age=60" },
		{ "ACK 5.03 opt65000=1200x\"x\" payload=\"busy\"",
			"5.03 Max-Age=60" },
	};

	/* Each in the place of the one before. */
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const char *got;

		note("CON GET", rows[i].response, NOW);
		got = find("CON GET", NOW);
		ck_assert_ptr_nonnull(got);
		ck_assert_str_eq(got, rows[i].want);
		ck_assert_uint_eq(b.table.count, 1);
	}
	/* One that keeps nobody waiting ends that. */
	note("CON GET", "ACK 5.03 Max-Age=0", NOW);
	ck_assert(!backoff_any(&b));
	ck_assert_uint_eq(b.stats.held, UNIT_COUNT(rows));
}
END_TEST

/* MSG-74, ATK-35: of entries there are so many, and the oldest leave first. */
START_TEST(entries)
{
	char text[64];

	for (unsigned i = 0; i < BACKOFF_ENTRIES + 10; i++) {
		snprintf(text, sizeof(text), "CON GET Uri-Path=\"%u\"", i);
		note(text, "ACK 5.03", NOW + i);
		ck_assert_uint_eq(b.table.count,
		    i < BACKOFF_ENTRIES ? i + 1 : BACKOFF_ENTRIES);
	}
	ck_assert_uint_eq(b.stats.evicted, 10);
	ck_assert_ptr_null(find("CON GET Uri-Path=\"9\"", NOW + 2000));
	ck_assert_ptr_nonnull(find("CON GET Uri-Path=\"10\"", NOW + 2000));
	timers_run(&timers, NOW + 60000 + BACKOFF_ENTRIES + 9);
	ck_assert(!backoff_any(&b));
	ck_assert_uint_eq(b.octets, 0);
}
END_TEST

/* ... and of octets; a request whose key is too long is not kept back. */
START_TEST(octets)
{
	enum { FULL = BACKOFF_OCTETS / 1600 };
	char text[64];

	for (unsigned i = 0; i < 2 * FULL; i++) {
		snprintf(text, sizeof(text),
		    "CON FETCH Uri-Path=\"%u\" payload=700x\"x\"", i);
		note(text, "ACK 5.03 payload=900x\"x\"", NOW + i);
		ck_assert_uint_le(b.octets, BACKOFF_OCTETS);
		ck_assert_ptr_nonnull(find(text, NOW + i));
	}
	ck_assert_uint_gt(b.octets, BACKOFF_OCTETS - 2000);
	ck_assert_uint_eq(b.stats.held, 2 * FULL);
	ck_assert_uint_eq(b.stats.evicted, 2 * FULL - b.table.count);
	ck_assert_uint_gt(b.stats.evicted, FULL);
	note("CON FETCH payload=1900x\"x\"", "ACK 5.03", NOW);
	ck_assert_uint_eq(b.stats.held, 2 * FULL + 1);
	note("CON FETCH payload=1980x\"x\" opt65000=55x\"x\"", "ACK 5.03",
	    NOW);
	ck_assert_uint_eq(b.stats.too_large, 1);
	ck_assert_uint_eq(b.stats.held, 2 * FULL + 1);
}
END_TEST

/* MSG-74: what the proxy makes of it: nothing goes out, whoever asks, and
 * nothing is asked of an empty table. */
START_TEST(proxied)
{
	static const char get[] = "CON GET Proxy-Uri=\"coap://192.0.2.9/t\"";
	struct stand s;

	stand_init(&s);
	stand_start(&s);
	stand_ask(&s, get, 2000);
	ck_assert(stand_answer(&s, "ACK 4.29 Max-Age=5 payload=\"x\"", 3000));
	ck_assert_str_eq(s.reply, "4.29 Max-Age=5 payload=1");
	s.client = address("192.0.2.102", 40002);
	stand_ask(&s, get, 5000);
	ck_assert_str_eq(s.reply, "4.29 Max-Age=3 payload=1");
	ck_assert_uint_eq(s.replies, 2);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert_uint_eq(proxy_stats(s.proxy)->held_back, 1);
	ck_assert_uint_eq(proxy_stats(s.proxy)->fetches, 1);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
	stand_ask(&s, "CON GET Proxy-Uri=\"coap://192.0.2.9/t\" No-Response=8",
	    5000);
	ck_assert_uint_eq(s.suppressed, 1);
	ck_assert_uint_eq(s.sends, 1);
	stand_ask(&s, get, 8000);
	ck_assert_uint_eq(s.sends, 2);
	/* Failures of our own are not the origin's word. */
	fetch_failed(s.sent, FETCH_BUSY, 9000);
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	stand_ask(&s, get, 9000);
	ck_assert_uint_eq(s.sends, 3);
	ck_assert(!stand_answer(&s, "ACK 5.03 opt65003=\"x\"", 9000));
	stand_ask(&s, get, 9000);
	ck_assert_uint_eq(s.sends, 4);
	/* The proxy may end while somebody is kept waiting. */
	ck_assert(stand_answer(&s, "ACK 5.03", 9000));
	stand_fini(&s);
}
END_TEST

Suite *
backoff_suite(void)
{
	Suite *s = suite_create("backoff");
	TCase *tc = tcase_create("backoff");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ages);
	tcase_add_test(tc, similar);
	tcase_add_test(tc, places);
	tcase_add_test(tc, content);
	tcase_add_test(tc, entries);
	tcase_add_test(tc, octets);
	tcase_add_test(tc, proxied);
	suite_add_tcase(s, tc);
	return s;
}
