/* Blocks of requests on their way through the proxy. */
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
	ck_assert_uint_eq(s.proxy->uploads.held, 0);
	stand_fini(&s);
}

/* Block NUM of 16 octets. */
static void
put(unsigned num, unsigned more)
{
	char text[160];

	snprintf(text, sizeof(text), "CON PUT Block1=%u/%u/16 " TARGET
	    " payload=16x\"%c\"", num, more, (char)('a' + num));
	stand_ask(&s, text, NOW);
}

/* BLK-23, BLK-24, BLK-26, BLK-43: what a block is answered with. */
START_TEST(steps)
{
	static const struct {
		const char *request, *want;
	} t[] = {
		{ "CON PUT Block1=0/1/1024 " TARGET " payload=1024x\"a\"",
			"2.31 Block1=0/1/32" },
		{ "CON PUT Block1=32/1/32 " TARGET " payload=32x\"a\"",
			"2.31 Block1=32/1/32" },
		{ "CON PUT Block1=34/1/32 " TARGET " payload=32x\"a\"",
			"4.08 Block1=34/0/32" },
		{ "CON PUT Block1=34/0/32 " TARGET " payload=32x\"a\"",
			"4.08 Block1=34/0/32" },
		{ "CON PUT Block1=33/1/32 " TARGET " Size1=2049 "
			"payload=32x\"a\"", "4.13 Block1=33/0/32 Size1=2048" },
		{ "CON PUT Block1=33/1/32 " TARGET " payload=32x\"a\"",
			"4.08 Block1=33/0/32" },
		{ "CON PUT Block1=0/1/16 " TARGET " payload=16x\"a\"",
			"2.31 Block1=0/1/16" },
		{ "CON PUT If-None-Match= Block1=1/1/16 " TARGET
			" payload=16x\"a\"", "4.00 Block1=1/0/16 payload=9" },
		{ "CON PUT Block1=2/1/1024 " TARGET " payload=1024x\"a\"",
			"4.13 Block1=2/0/1024 Size1=2048" },
		/* These never get there. */
		{ "CON PUT Block1=0/1/16 " TARGET " payload=15x\"a\"",
			"4.00 payload=24" },
		{ "CON PUT Block1=0/1/16 " TARGET " opt65003=\"x\" "
			"payload=16x\"a\"", "4.02 payload=19" },
		{ "CON PUT Uri-Path=\"own\" Block1=0/1/16 payload=16x\"a\"",
			"4.04" },
	};

	s.conf.block.szx = 1;
	s.conf.block.max_body = 2048;
	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		stand_ask(&s, t[i].request, NOW);
		ck_assert_msg(strcmp(s.reply, t[i].want) == 0, "row %zu: %s",
		    i, s.reply);
		ck_assert_uint_eq(s.replies, i + 1);
	}
	ck_assert_uint_eq(s.sends, 0);
	ck_assert_uint_eq(proxy_stats(s.proxy)->too_large, 2);
	ck_assert_uint_eq(s.proxy->requests.used, 0);
}
END_TEST

/* BLK-38: the body goes on in one piece when that is possible, and belongs to
 * the request until it is answered. */
START_TEST(whole)
{
	stand_start(&s);
	put(0, 1);
	put(1, 0);
	ck_assert_str_eq(s.request,
	    "CON PUT Uri-Path=\"t\" Hop-Limit=16 payload=32");
	ck_assert_uint_eq(s.proxy->uploads.held, 32);
	ck_assert_uint_eq(s.octets[s.noctets - 32], 'a');
	ck_assert_uint_eq(s.octets[s.noctets - 1], 'b');
	ck_assert(stand_answer(&s, "ACK 2.04", NOW));
	ck_assert_str_eq(s.reply, "2.04 Block1=1/0/16");
}
END_TEST

/* BLK-24: whatever becomes of a whole body, the answer names its last block,
 * and the body is freed. */
START_TEST(refused)
{
	static const char *const first[] = {
		"CON PUT Hop-Limit=1 Block1=0/1/16 " TARGET,
		"CON PUT Block1=0/1/16 Proxy-Uri="
		    "\"coap://198.51.100.1/a/%2e%2e/b\"",
	};
	char text[256];

	stand_start(&s);
	for (size_t i = 0; i < UNIT_COUNT(first); i++) {
		snprintf(text, sizeof(text), "%s payload=16x\"a\"", first[i]);
		stand_ask(&s, text, NOW);
		if (i == 1)	/* refused before it is looked at */
			break;
		ck_assert_str_eq(s.reply, "2.31 Block1=0/1/16");
		memcpy(strstr(text, "0/1/16"), "1/0/16", 6);
		stand_ask(&s, text, NOW);
		ck_assert_ptr_nonnull(strstr(s.reply, " Block1=1/0/16"));
		ck_assert_uint_eq(s.proxy->uploads.held, 0);
	}
	s.send_result = UPSTREAM_FAILED;
	s.send_why = FETCH_NO_NAME;
	put(0, 1);
	put(1, 0);
	ck_assert_str_eq(s.reply, "5.02 Max-Age=5 Block1=1/0/16 payload=21");
	ck_assert_uint_eq(s.proxy->uploads.held, 0);
}
END_TEST

/* Without memory for a block: 5.03; the next body finds all as it was. */
START_TEST(no_memory)
{
	unsigned k, done = 0;

	s.conf.block.szx = 0;
	stand_start(&s);
	for (k = 0; k < 40 && done < 3; k++) {
		s.replies = 0;
		s.sent = NULL;
		s.no_memory = true;
		s.memory = k;
		put(0, 1);
		ck_assert_uint_eq(s.replies, 1);
		put(1, 1);
		ck_assert_uint_eq(s.replies, 2);
		put(2, 0);
		while (s.sent != NULL) {
			unsigned n = s.sends;

			/* Three blocks up. */
			ck_assert(s.replies == 2);
			if (strstr(s.request, "Block1=2/0/16") != NULL) {
				stand_answer(&s, "ACK 2.04", NOW);
				done++;
			} else {
				stand_answer(&s, strstr(s.request,
				    "Block1=1/") != NULL ?
				    "ACK 2.31 Block1=1/1/16" :
				    "ACK 2.31 Block1=0/1/16", NOW);
			}
			if (s.sends == n)
				s.sent = NULL;
		}
		ck_assert_uint_eq(s.replies, 3);
		ck_assert_msg(strncmp(s.reply, "5.03", 4) == 0 ||
		    strncmp(s.reply, "4.08", 4) == 0 ||
		    strncmp(s.reply, "2.04", 4) == 0, "%u: %s", k, s.reply);
		ck_assert_uint_eq(s.proxy->uploads.held, 0);
		ck_assert_uint_eq(s.proxy->transfers.used, 0);
		ck_assert_uint_eq(s.proxy->fetches.used, 0);
	}
	ck_assert_uint_eq(done, 3);
	ck_assert_uint_gt(k, 3);
}
END_TEST

/* ATK-09, ATK-36: a stranger's block takes no memory; where nobody can be
 * asked, it takes one of the places that strangers have. */
START_TEST(strangers)
{
	s.access.amplification = AMPLIFICATION_ECHO;
	stand_start(&s);
	put(0, 1);
	ck_assert_int_eq(strncmp(s.reply, "4.01 ", 5), 0);
	ck_assert_uint_eq(s.proxy->uploads.octets, 0);
	teardown();
	setup();
	s.access.amplification = AMPLIFICATION_BLOCKS;
	stand_start(&s);
	put(0, 1);
	ck_assert_str_eq(s.reply, "2.31 Block1=0/1/16");
	ck_assert_uint_eq(s.proxy->ahead, 0);
	put(1, 0);
	ck_assert_uint_eq(s.proxy->ahead, 1);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert(stand_answer(&s, "ACK 2.04", NOW));
	ck_assert_str_eq(s.reply, "2.04 Block1=1/0/16");
	ck_assert_uint_eq(s.proxy->ahead, 0);
}
END_TEST

/* PRX-80: No-Response is about the answer; who sends a body hears of 2.31. */
START_TEST(no_response)
{
	stand_start(&s);
	stand_ask(&s, "CON PUT Block1=0/1/16 " TARGET " No-Response=26 "
	    "payload=16x\"a\"", NOW);
	ck_assert_str_eq(s.reply, "2.31 Block1=0/1/16");
	stand_ask(&s, "CON PUT Block1=2/1/16 " TARGET " No-Response=26 "
	    "payload=16x\"a\"", NOW);
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_uint_eq(s.suppressed, 1);
}
END_TEST

Suite *
assemble_suite(void)
{
	Suite *suite = suite_create("assemble");
	TCase *tc = tcase_create("assemble");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, steps);
	tcase_add_test(tc, whole);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, strangers);
	tcase_add_test(tc, no_response);
	suite_add_tcase(suite, tc);
	return suite;
}
