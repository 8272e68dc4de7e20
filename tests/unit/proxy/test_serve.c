/* Answers cut into the blocks that clients want. */
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

static void
teardown(void)
{
	stand_fini(&s);
}

/* S.reply without the value of an ETag of ours, which has 8 octets. */
static const char *
reply(void)
{
	char *etag = strstr(s.reply, "ETag=");

	if (etag != NULL && strcspn(etag, " ") == 5 + 16)
		memmove(etag + 5, etag + 21, strlen(etag + 21) + 1);
	return s.reply;
}

/* BLK-04, BLK-05, BLK-11, BLK-12, BLK-16, BLK-18: a client's block of an answer
 * that came in one piece. */
START_TEST(blocks)
{
	static const struct {
		const char *request, *response, *want;
	} t[] = {
		{ "CON GET", "2.05 payload=1024x\"a\"",
			"2.05 payload=1024" },
		{ "CON GET", "2.05 payload=1025x\"a\"",
			"2.05 ETag= Block2=0/1/1024 payload=1024" },
		{ "CON GET Block2=0/0/16", "2.05 payload=16x\"a\"",
			"2.05 Block2=0/0/16 payload=16" },
		{ "CON GET Block2=0/1/16", "2.05 payload=17x\"a\"",
			"2.05 ETag= Block2=0/1/16 payload=16" },
		{ "CON GET Block2=1/0/16", "2.05 payload=17x\"a\"",
			"2.05 ETag= Block2=1/0/16 payload=1" },
		{ "CON GET Block2=1/0/16", "2.05 payload=16x\"a\"",
			"4.00 payload=13" },
		{ "CON GET Block2=0/0/16", "2.05", "2.05" },
		{ "CON GET Block2=1/0/16", "2.05",
			"4.00 payload=13" },
		{ "CON GET Block2=0/0/16",
			"2.05 ETag=01 Max-Age=9 Size2=17 payload=17x\"a\"",
			"2.05 ETag=01 Max-Age=9 Block2=0/1/16 Size2=17 "
			"payload=16" },
		/* The text of an error has no ETag; what fits is not cut. */
		{ "CON GET Block2=0/0/16", "4.04 payload=17x\"a\"",
			"4.04 Block2=0/1/16 payload=16" },
		{ "CON GET", "4.04 payload=1140x\"a\"",
			"4.04 payload=1140" },
		{ "CON GET", "4.04 payload=1200x\"a\"",
			"4.04 Block2=0/1/1024 payload=1024" },
	};
	char text[2200];

	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		snprintf(text, sizeof(text),
		    "%s Proxy-Uri=\"coap://198.51.100.1/%zu\"",
		    t[i].request, i);
		stand_ask(&s, text, NOW);
		snprintf(text, sizeof(text), "ACK %s", t[i].response);
		ck_assert(stand_answer(&s, text, NOW));
		ck_assert_msg(strcmp(reply(), t[i].want) == 0, "row %zu: %s",
		    i, s.reply);
		ck_assert_uint_eq(s.replies, i + 1);
	}
}
END_TEST

/* BLK-11: no block of ours is larger than configured. */
START_TEST(smaller)
{
	static const struct {
		const char *block, *want;
	} t[] = {
		{ "0/0/1024", "2.05 ETag=01 Block2=0/1/64 payload=64" },
		{ "1/0/128", "2.05 ETag=01 Block2=2/1/64 payload=64" },
		{ "2/0/64", "2.05 ETag=01 Block2=2/1/64 payload=64" },
		{ "9/0/16", "2.05 ETag=01 Block2=9/1/16 payload=16" },
		{ "1/0/256", "2.05 ETag=01 Block2=4/0/64 payload=44" },
		{ "1/0/512", "4.00 payload=13" },
		{ "1048575/0/1024", "4.00 payload=13" },
	};
	char text[160];

	s.conf.block.szx = 2;
	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		snprintf(text, sizeof(text), "CON GET Block2=%s "
		    "Proxy-Uri=\"coap://198.51.100.1/%zu\"", t[i].block, i);
		stand_ask(&s, text, NOW);
		if (s.sent != NULL)
			stand_answer(&s, "ACK 2.05 ETag=01 payload=300x\"a\"",
			    NOW);
		ck_assert_msg(strcmp(s.reply, t[i].want) == 0, "row %zu: %s",
		    i, s.reply);
	}
}
END_TEST

/* BLK-21: without memory to keep the rest it is fetched again for each block,
 * and there is no ETag that could promise more. */
START_TEST(not_kept)
{
	stand_start(&s);
	s.no_memory = true;
	s.memory = 1;
	for (unsigned i = 0; i < 2; i++) {
		char text[160];

		snprintf(text, sizeof(text), "CON GET Block2=%u/0/16 " TARGET,
		    i);
		stand_ask(&s, text, NOW);
		ck_assert_uint_eq(s.sends, i + 1);
		s.memory = 0;
		ck_assert(stand_answer(&s, "ACK 2.05 payload=16x\"a\"+\"b\"",
		    NOW));
		s.memory = 1;
	}
	ck_assert_str_eq(s.reply, "2.05 Block2=1/0/16 payload=1");
	ck_assert_uint_eq(proxy_stats(s.proxy)->fetches, 2);
}
END_TEST

/* CAC-22, CAC-23, BLK-09: from the cache. */
START_TEST(stored)
{
	static const struct {
		const char *request, *want;
	} t[] = {
		{ "CON GET " TARGET, "2.05 ETag=01 Max-Age=9 payload=40" },
		{ "CON GET ETag=01 " TARGET, "2.03 ETag=01 Max-Age=9" },
		{ "CON GET ETag=02 ETag=0001 ETag=01 " TARGET,
			"2.03 ETag=01 Max-Age=9" },
		{ "CON GET ETag=02 ETag=0001 " TARGET,
			"2.05 ETag=01 Max-Age=9 payload=40" },
		/* Eight are listened to. */
		{ "CON GET ETag=a1 ETag=a2 ETag=a3 ETag=a4 ETag=a5 ETag=a6 "
			"ETag=a7 ETag=01 ETag=a9 " TARGET,
			"2.03 ETag=01 Max-Age=9" },
		{ "CON GET ETag=01 Block2=1/0/16 " TARGET,
			"2.03 ETag=01 Max-Age=9" },
		{ "CON GET Block2=2/0/16 Size2=0 " TARGET,
			"2.05 ETag=01 Max-Age=9 Block2=2/0/16 Size2=40 "
			"payload=8" },
		{ "CON GET Block2=3/0/16 " TARGET, "4.00 payload=13" },
	};

	s.conf.cache = (struct cache_conf){ 1 << 20, 4096, 3600 };
	stand_start(&s);
	stand_ask(&s, "CON GET " TARGET, NOW);
	ck_assert(stand_answer(&s, "ACK 2.05 ETag=01 Max-Age=9 "
	    "payload=40x\"a\"", NOW));
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		stand_ask(&s, t[i].request, NOW);
		ck_assert_msg(strcmp(s.reply, t[i].want) == 0, "row %zu: %s",
		    i, s.reply);
	}
	ck_assert_uint_eq(s.sends, 1);
}
END_TEST

Suite *
serve_suite(void)
{
	Suite *suite = suite_create("serve");
	TCase *tc = tcase_create("serve");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, blocks);
	tcase_add_test(tc, smaller);
	tcase_add_test(tc, not_kept);
	tcase_add_test(tc, stored);
	suite_add_tcase(suite, tc);
	return suite;
}
