/* Requests of several exchanges with an origin: memory, limits, and ends. */
#include <stdio.h>

#include "fixture.h"
#include "proxy/core.h"
#include "suites.h"
#include "unit.h"

#define TARGET "Proxy-Uri=\"coap://198.51.100.1/t\""

enum { NOW = 2000 };

static struct stand s;

static void
setup(void)
{
	stand_init(&s);
}

/* Nothing is left of any transfer. */
static void
check_idle(void)
{
	ck_assert_uint_eq(s.proxy->transfers.used, 0);
	ck_assert_uint_eq(s.proxy->collected, 0);
	ck_assert_uint_eq(s.proxy->uploads.held, 0);
	ck_assert_uint_eq(s.proxy->fetches.used, 0);
	ck_assert_uint_eq(s.proxy->requests.used, 0);
}

static void
teardown(void)
{
	check_idle();
	stand_fini(&s);
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Plays an origin with answers to requests in order until nothing is asked any
 * more. How many answers it took. */
static size_t
play(const char *const *answers, size_t n)
{
	size_t i = 0;

	while (s.sent != NULL && i < n) {
		unsigned sends = s.sends;

		stand_answer(&s, answers[i++], NOW);
		if (s.sends == sends)
			s.sent = NULL;
	}
	return i;
}

static const struct walk {
	const char *request;
	const char *answers[8];
	const char *want;
} walks[] = {
	/* Down. */
	{ "CON GET " TARGET, { "ACK 2.05 ETag=01 Content-Format=0 Max-Age=9 "
		"Block2=0/1/16 Size2=33 opt65000=\"x\" payload=16x\"a\"",
		"ACK 2.05 ETag=01 Content-Format=0 Max-Age=7 Block2=1/1/16 "
		"payload=16x\"b\"",
		"ACK 2.05 ETag=01 Content-Format=0 Max-Age=5 Block2=2/0/16 "
		"payload=\"c\"" },
		"2.05 ETag=01 Content-Format=0 Max-Age=5 Size2=33 "
		"opt65000=78 payload=33" },
	/* Max-Age that is nowhere is 60; one that only the last block has. */
	{ "CON GET " TARGET, { "ACK 2.05 Max-Age=9 Block2=0/1/16 "
		"payload=16x\"a\"", "ACK 2.05 Block2=1/0/16 payload=\"b\"" },
		"2.05 payload=17" },
	{ "CON GET " TARGET, { "ACK 2.05 Block2=0/1/16 payload=16x\"a\"",
		"ACK 2.05 Max-Age=3 Block2=1/0/16 payload=\"b\"" },
		"2.05 Max-Age=3 payload=17" },
	/* Anew. */
	{ "CON GET " TARGET, { "ACK 2.05 ETag=01 Block2=0/1/16 "
		"payload=16x\"a\"", "ACK 2.05 ETag=02 Block2=1/0/16 "
		"payload=\"b\"", "ACK 2.05 ETag=03 Block2=0/1/16 "
		"payload=16x\"c\"", "ACK 2.05 ETag=03 Block2=1/0/16 "
		"payload=\"d\"" },
		"2.05 ETag=03 payload=17" },
	/* Up, and down after that. */
	{ "CON POST " TARGET " payload=40x\"x\"", { "ACK 4.13 Block1=0/0/16",
		"ACK 2.01 Location-Path=\"n\" Block1=0/0/16",
		"ACK 2.04 Block1=1/0/16",
		"ACK 2.04 Block2=0/1/16 Block1=2/0/16 payload=16x\"a\"",
		"ACK 2.04 Block2=1/0/16 payload=\"b\"" },
		"2.01 Location-Path=\"n\" payload=17" },
	/* Passed on. */
	{ "CON GET " TARGET, { "ACK 2.05 Block2=0/1/16 Size2=100000000 "
		"payload=16x\"a\"", "ACK 2.05 Block2=0/1/16 payload=16x\"a\"" },
		"2.05 Block2=0/1/16 payload=16" },
};

/* BLK-34, BLK-44, CAC-57: what comes of all that an origin says. */
START_TEST(ways)
{
	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(walks); i++) {
		size_t n = 0;

		while (walks[i].answers[n] != NULL)
			n++;
		s.replies = 0;
		stand_ask(&s, walks[i].request, NOW);
		ck_assert_uint_eq(play(walks[i].answers, n), n);
		ck_assert_uint_eq(s.replies, 1);
		ck_assert_msg(strcmp(s.reply, walks[i].want) == 0,
		    "row %zu: %s", i, s.reply);
		check_idle();
	}
}
END_TEST

/* Whatever allocation fails: one answer, and nothing left behind. */
START_TEST(no_memory)
{
	for (size_t i = 0; i < UNIT_COUNT(walks); i++) {
		unsigned k, bad = 0, good = 0;

		if (i > 0)
			setup();
		stand_start(&s);
		s.no_memory = true;
		for (k = 0; good < 3; k++) {
			ck_assert_uint_lt(k, 100);
			s.replies = 0;
			s.sent = NULL;
			s.memory = k / 3;
			stand_ask(&s, walks[i].request, NOW);
			play(walks[i].answers, 8);
			ck_assert_uint_eq(s.replies, 1);
			good += strcmp(s.reply, walks[i].want) == 0;
			if (begins(s.reply, "5.0"))
				bad++;
			else
				ck_assert_str_eq(s.reply, walks[i].want);
			check_idle();
		}
		/* What is passed on takes none but the pools' own. */
		ck_assert(bad > 0 || i == UNIT_COUNT(walks) - 1);
		if (i + 1 < UNIT_COUNT(walks))
			teardown();
	}
}
END_TEST

/* BLK-45: so many transfers at a time; what needs none goes on. */
START_TEST(places)
{
	struct fetch *first;

	s.conf.block.max_transfers = 1;
	stand_start(&s);
	stand_ask(&s, "CON GET " TARGET, NOW);
	ck_assert(stand_answer(&s, "ACK 2.05 Block2=0/1/16 payload=16x\"a\"",
	    NOW));
	first = s.sent;
	ck_assert_uint_eq(s.proxy->transfers.used, 1);
	stand_ask(&s, "CON GET " TARGET, NOW);
	ck_assert(stand_answer(&s, "ACK 2.05 Block2=0/1/16 payload=16x\"a\"",
	    NOW));
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	stand_ask(&s, "CON GET " TARGET, NOW);
	ck_assert(stand_answer(&s, "ACK 2.05 Block2=0/0/16 payload=\"a\"",
	    NOW));
	ck_assert_str_eq(s.reply, "2.05 payload=1");
	/* 4.13 without a place for blocks is the answer. */
	stand_ask(&s, "CON PUT " TARGET " payload=40x\"x\"", NOW);
	ck_assert(stand_answer(&s, "ACK 4.13 Block1=0/0/16", NOW));
	ck_assert_str_eq(s.reply, "4.13");
	s.sent = first;
	ck_assert(stand_answer(&s, "ACK 2.05 Block2=1/0/16 payload=\"b\"",
	    NOW));
	ck_assert_str_eq(s.reply, "2.05 payload=17");
}
END_TEST

/* BLK-45: the octets of all of them together are bounded, too. */
START_TEST(octets)
{
	enum { N = COLLECTED_MAX };
	struct fetch *waiting[N];

	s.conf.max_requests = N + 1;
	s.conf.block.max_transfers = N + 1;
	s.conf.block.max_body = 1024;
	stand_start(&s);
	for (unsigned i = 0; i < N; i++) {
		stand_ask(&s, "CON GET " TARGET, NOW);
		ck_assert(stand_answer(&s,
		    "ACK 2.05 Block2=0/1/16 payload=16x\"a\"", NOW));
		waiting[i] = s.sent;
	}
	ck_assert_uint_eq(s.replies, 0);
	ck_assert_uint_eq(s.proxy->collected, N * 1024);
	stand_ask(&s, "CON GET " TARGET, NOW);
	ck_assert(stand_answer(&s, "ACK 2.05 Block2=0/1/16 payload=16x\"a\"",
	    NOW));
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	ck_assert_uint_eq(s.proxy->collected, N * 1024);
	for (unsigned i = 0; i < N; i++)
		fetch_failed(waiting[i], FETCH_RESET, NOW);
	ck_assert_uint_eq(s.replies, N + 1);
}
END_TEST

/* BLK-47: the next request cannot be sent, or gets no answer. */
START_TEST(ends)
{
	static const struct {
		enum fetch_fail why;
		const char *want;
	} t[] = {
		{ FETCH_BUSY, "5.03 Max-Age=5 payload=13" },
		{ FETCH_UNREACHABLE, "5.02 Max-Age=5 payload=20" },
		{ FETCH_NO_NAME, "5.02 Max-Age=5 payload=21" },
		{ FETCH_TOO_LARGE, "4.13 payload=26" },
	};

	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		s.send_result = UPSTREAM_SENT;
		stand_ask(&s, "CON GET " TARGET, NOW);
		s.send_result = UPSTREAM_FAILED;
		s.send_why = t[i].why;
		stand_answer(&s, "ACK 2.05 Block2=0/1/16 payload=16x\"a\"",
		    NOW);
		ck_assert_str_eq(s.reply, t[i].want);
		check_idle();
	}
	s.send_result = UPSTREAM_SENT;
	stand_ask(&s, "CON GET " TARGET, NOW);
	ck_assert(stand_answer(&s, "ACK 2.05 Block2=0/1/16 payload=16x\"a\"",
	    NOW + 50000));
	ck_assert_uint_eq(s.cancels, 0);
	timers_run(&s.timers, NOW + s.forward.timeout_ms);
	ck_assert_uint_eq(s.cancels, 1);
	ck_assert_str_eq(s.reply, "5.04 Max-Age=5 payload=17");
	check_idle();
}
END_TEST

/* A name has to be looked up again in the middle: what is sent then is kept. */
START_TEST(wait)
{
	s.send_result = UPSTREAM_WAIT;
	stand_start(&s);
	stand_ask(&s, "CON FETCH Proxy-Uri=\"coap://h.example/t\" "
	    "payload=\"query\"", NOW);
	ck_assert(stand_answer(&s, "ACK 2.05 Block2=0/1/16 payload=16x\"a\"",
	    NOW));
	ck_assert_str_eq(s.request, "CON FETCH Uri-Host=\"h.example\" "
	    "Uri-Path=\"t\" Hop-Limit=16 Block2=1/0/16 payload=5");
	memset(s.proxy->opts, 0xff, sizeof(s.proxy->opts));
	ck_assert_str_eq(dump(COAP_FETCH, s.sent->opts, s.sent->payload),
	    s.request + 4);
	ck_assert(span_eq(s.sent->payload, SPAN_LIT("query")));
	ck_assert(stand_answer(&s, "ACK 2.05 Block2=1/0/16 payload=\"b\"",
	    NOW));
	ck_assert_str_eq(s.reply, "2.05 payload=17");
}
END_TEST

/* The proxy goes down in the middle. */
START_TEST(down)
{
	struct stand other;

	stand_init(&other);
	other.conf.block.szx = 0;
	stand_start(&other);
	stand_ask(&other, "CON GET " TARGET, NOW);
	ck_assert(stand_answer(&other,
	    "ACK 2.05 Block2=0/1/16 payload=16x\"a\"", NOW));
	stand_ask(&other, "CON PUT Block1=0/1/16 " TARGET
	    " payload=16x\"a\"", NOW);
	stand_ask(&other, "CON PUT Block1=1/0/16 " TARGET " payload=\"b\"",
	    NOW);
	ck_assert_uint_eq(other.replies, 1);
	stand_fini(&other);
	ck_assert_uint_eq(other.replies, 3);
	ck_assert_uint_eq(other.cancels, 2);
	stand_start(&s);
}
END_TEST

Suite *
downloads_suite(void)
{
	Suite *suite = suite_create("downloads");
	TCase *tc = tcase_create("downloads");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ways);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, places);
	tcase_add_test(tc, octets);
	tcase_add_test(tc, ends);
	tcase_add_test(tc, wait);
	tcase_add_test(tc, down);
	suite_add_tcase(suite, tc);
	return suite;
}
