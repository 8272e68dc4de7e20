/* Strangers: what they get, how often, and that they are in nobody's way. */
#include <stdio.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

#define TARGET "Proxy-Uri=\"coap://198.51.100.1/t\""

enum { NOW = 2000 };

static struct stand s;

static void
start(enum amplification how, size_t requests, size_t clients)
{
	stand_init(&s);
	s.access.amplification = how;
	s.conf.max_requests = requests;
	s.conf.max_clients = clients;
	stand_start(&s);
}

static void
teardown(void)
{
	stand_fini(&s);
}

static bool
begins(const char *text)
{
	return strncmp(s.reply, text, strlen(text)) == 0;
}

/* The client proves its address. */
static void
prove(uint64_t now)
{
	char text[200];
	const char *echo;

	stand_ask(&s, "CON DELETE " TARGET, now);
	ck_assert_msg(begins("4.01 "), "%s", s.reply);
	echo = strstr(s.reply, " Echo=");
	ck_assert_ptr_nonnull(echo);
	snprintf(text, sizeof(text), "CON GET Uri-Path=\"none\"%s", echo);
	stand_ask(&s, text, now);
	ck_assert_str_eq(s.reply, "4.04");
}

/* ATK-16: one address is answered so often, and not more. */
START_TEST(per_source)
{
	start(AMPLIFICATION_ECHO, 4, 4);
	for (unsigned i = 0; i < 150; i++) {
		s.client.port = (uint16_t)(1000 + i);
		stand_ask(&s, "NON PUT " TARGET, NOW);
	}
	ck_assert_uint_eq(s.replies, 100);
	ck_assert_uint_eq(s.drops, 50);
	ck_assert_uint_eq(s.sends, 0);
	ck_assert_uint_eq(proxy_stats(s.proxy)->withheld, 50);
	ck_assert_uint_eq(proxy_stats(s.proxy)->challenges, 100);
	for (unsigned i = 0; i < 100; i++)
		stand_ask(&s, "NON PUT " TARGET, NOW + 1000);
	ck_assert_uint_eq(s.replies, 150);
	/* Another one is not to blame. */
	s.client = address("192.0.2.102", 1);
	stand_ask(&s, "NON PUT " TARGET, NOW + 1000);
	ck_assert_uint_eq(s.replies, 151);
}
END_TEST

static void
next_address(void)
{
	for (unsigned i = 4; i-- > 0 && ++s.client.ip[i] == 0;)
		;
}

/* ATK-16, ATK-36: a flood from made-up addresses: output is bounded, and
 * whoever has proved its address before notices nothing, though there is room
 * for few. */
START_TEST(flood)
{
	struct addr honest;
	unsigned before;

	start(AMPLIFICATION_ECHO, 4, 1);
	honest = s.client;
	prove(NOW);
	before = s.replies;
	s.client = address("203.0.113.0", 5683);
	for (unsigned i = 0; i < 6000; i++) {
		next_address();
		stand_ask(&s, "CON GET Uri-Path=\"t\"", NOW + 1000 + i / 6);
	}
	/* A burst of 1000, and 1000 a second for a second. */
	ck_assert_uint_ge(s.replies - before, 1990);
	ck_assert_uint_le(s.replies - before, 2000);
	ck_assert_uint_eq(s.replies - before + s.drops, 6000);
	s.client = honest;
	stand_ask(&s, "CON PUT " TARGET, NOW + 2000);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert(stand_answer(&s, "ACK 2.04 payload=400x\"x\"", NOW + 2000));
	ck_assert_str_eq(s.reply, "2.04 payload=400");
}
END_TEST

/* ATK-36: strangers wait in a quarter of the places. */
START_TEST(places)
{
	static const struct {
		enum amplification how;
		const char *want;
	} rows[] = {
		{ AMPLIFICATION_ECHO, "4.01 Max-Age=0 Echo=" },
		{ AMPLIFICATION_BLOCKS, "5.03 Max-Age=5 " },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		start(rows[i].how, 8, 4);
		for (unsigned j = 0; j < 3; j++)
			stand_ask(&s, "CON GET " TARGET, NOW);
		ck_assert_uint_eq(s.replies, 0);
		ck_assert_uint_eq(s.sends, 3);
		stand_ask(&s, "CON GET " TARGET, NOW);
		ck_assert_uint_eq(s.sends, 3);
		ck_assert_msg(begins(rows[i].want), "%s", s.reply);
		/* An answer makes room. */
		ck_assert(stand_answer(&s, "ACK 2.05", NOW));
		stand_ask(&s, "CON GET " TARGET, NOW);
		ck_assert_uint_eq(s.sends, 4);
		if (i + 1 < UNIT_COUNT(rows))
			stand_fini(&s);
	}
}
END_TEST

/* ATK-02, ATK-05: what N octets of payload come to, after what has been sent.
 * The request has 29 octets, so the answer's datagram may have 211. */
START_TEST(sizes)
{
	static const struct {
		bool acked;
		unsigned payload;
		const char *want;
	} rows[] = {
		{ false, 191, "2.05 Echo=" },
		{ false, 192, "2.05 payload=192" },
		{ false, 205, "2.05 payload=205" },
		{ false, 206, "4.01 Max-Age=0 Echo=" },
		{ true, 125, "2.05 Echo=" },
		{ true, 126, "2.05 payload=126" },
		{ true, 139, "2.05 payload=139" },
		{ true, 140, "4.01 Max-Age=0 Echo=" },
	};
	char text[64];

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		start(AMPLIFICATION_ECHO, 4, 4);
		stand_ask(&s, "CON GET " TARGET, NOW);
		ck_assert_uint_eq(s.once, 1);
		s.acked = rows[i].acked;
		snprintf(text, sizeof(text), "ACK 2.05 payload=%ux\"x\"",
		    rows[i].payload);
		ck_assert(stand_answer(&s, text, NOW));
		ck_assert_msg(begins(rows[i].want), "row %zu: %s", i, s.reply);
		if (i + 1 < UNIT_COUNT(rows))
			stand_fini(&s);
	}
}
END_TEST

/* ATK-10: what is too large is cut, or told. */
START_TEST(blocks)
{
	static const struct {
		const char *request, *response, *want;
		bool relayed;	/* too large to be collected */
	} rows[] = {
		{ "CON GET", "2.05 payload=205x\"x\"", "2.05 payload=205",
			false },
		{ "CON GET", "2.05 ETag=01 payload=206x\"x\"",
			"2.05 ETag=01 Block2=0/1/64 payload=64", false },
		{ "CON FETCH", "2.05 ETag=01 Block2=0/0/512 "
			"payload=512x\"x\"",
			"2.05 ETag=01 Block2=0/1/64 payload=64", false },
		{ "CON GET Block2=1/0/512", "2.05 ETag=01 payload=900x\"x\"",
			"2.05 ETag=01 Block2=8/1/64 payload=64", false },
		{ "CON GET Block2=3/0/512", "2.05 ETag=01 Block2=3/0/512 "
			"Size2=2000 payload=400x\"x\"",
			"2.05 ETag=01 Block2=24/1/64 Size2=2000 payload=64",
			true },
		{ "CON GET", "2.05 Block2=131072/1/256 payload=256x\"x\"",
			"2.05 Block2=524288/1/64 payload=64", true },
		{ "CON GET", "2.05 Block2=1048575/1/256 payload=256x\"x\"",
			"5.02 Max-Age=5 payload=16", true },
		{ "CON GET", "2.05 ETag=01 Echo=0102 payload=500x\"x\"",
			"2.05 ETag=01 Block2=0/1/64 Echo=0102 payload=64",
			false },
		{ "CON POST", "2.04 ETag=01 payload=400x\"x\"",
			"2.04 ETag=01 Block2=0/1/64 payload=64", false },
		{ "CON GET", "4.04 Max-Age=9 payload=400x\"x\"",
			"4.04 Max-Age=9", false },
		{ "CON GET", "5.00 opt65000=07 opt65020=0x"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff"
			"00112233445566778899aabbccddeeff", "5.00", false },
	};
	char text[512];

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		start(AMPLIFICATION_BLOCKS, 4, 4);
		snprintf(text, sizeof(text), "%s " TARGET, rows[i].request);
		stand_ask(&s, text, NOW);
		ck_assert_uint_eq(s.sends, 1);
		if (rows[i].relayed)
			ck_assert(stand_answer(&s, "ACK 2.05 Block2=0/1/16 "
			    "Size2=2000000 payload=16x\"x\"", NOW));
		ck_assert_uint_eq(s.sends, 1 + rows[i].relayed);
		snprintf(text, sizeof(text), "ACK %s", rows[i].response);
		ck_assert(stand_answer(&s, text, NOW));
		ck_assert_msg(strcmp(s.reply, rows[i].want) == 0,
		    "row %zu: %s", i, s.reply);
		ck_assert_uint_eq(proxy_stats(s.proxy)->cut,
		    rows[i].relayed || rows[i].response[0] != '2');
		ck_assert_uint_eq(proxy_stats(s.proxy)->challenges, 0);
		if (i + 1 < UNIT_COUNT(rows))
			stand_fini(&s);
	}
}
END_TEST

/* Options that leave little: a smaller block. */
START_TEST(smaller_blocks)
{
	start(AMPLIFICATION_BLOCKS, 4, 4);
	s.acked = true;
	stand_ask(&s, "CON GET " TARGET, NOW);
	ck_assert(stand_answer(&s, "ACK 2.05 opt65020=0x"
	    "00112233445566778899aabbccddeeff"
	    "00112233445566778899aabbccddeeff"
	    "00112233445566778899aabbccddeeff"
	    "00112233445566778899aabbccddeeff"
	    "00112233445566778899aabbccddeeff payload=500x\"x\"", NOW));
	ck_assert_msg(strstr(s.reply, "Block2=0/1/32") != NULL, "%s", s.reply);
}
END_TEST

/* ATK-07: none of these confirms anything; our own is taken out all the same
 * (PRX-84). */
START_TEST(invalid)
{
	char text[200], echo[64];

	start(AMPLIFICATION_ECHO, 8, 4);
	stand_ask(&s, "CON PUT " TARGET, NOW);
	snprintf(echo, sizeof(echo), "%s", strstr(s.reply, "Echo="));
	snprintf(text, sizeof(text), "CON GET " TARGET " %s", echo);
	stand_ask(&s, text, NOW + 301000);
	ck_assert_str_eq(s.request, "CON GET Uri-Path=\"t\" Hop-Limit=16");
	ck_assert_uint_eq(proxy_stats(s.proxy)->echo_invalid, 1);
	stand_ask(&s, "CON GET " TARGET " Echo=000102030405060708090a0b",
	    NOW);
	ck_assert_str_eq(s.request, "CON GET Uri-Path=\"t\" Hop-Limit=16 "
	    "Echo=000102030405060708090a0b");
	ck_assert_uint_eq(proxy_stats(s.proxy)->echo_invalid, 2);
	stand_ask(&s, "CON GET " TARGET " Echo=0001020304050607", NOW);
	ck_assert_uint_eq(proxy_stats(s.proxy)->echo_invalid, 2);
	ck_assert_uint_eq(proxy_stats(s.proxy)->confirmed, 0);
	stand_ask(&s, "CON PUT " TARGET " Echo=0001020304050607", NOW);
	ck_assert(begins("4.01 Max-Age=0 Echo="));
	ck_assert_uint_eq(s.sends, 3);
}
END_TEST

/* Whoever is exempt, and everybody where the limit is off. */
START_TEST(exempt)
{
	for (unsigned i = 0; i < 2; i++) {
		start(i == 0 ? AMPLIFICATION_OFF : AMPLIFICATION_ECHO, 4, 4);
		s.access.exempt = networks("192.0.2.0/24 loopback");
		stand_ask(&s, "CON PUT " TARGET
		    " Echo=000102030405060708090a0b", NOW);
		ck_assert_uint_eq(s.sends, 1);
		ck_assert_uint_eq(s.once, 0);
		ck_assert(stand_answer(&s, "ACK 2.04 payload=400x\"x\"", NOW));
		ck_assert_str_eq(s.reply, "2.04 payload=400");
		ck_assert_uint_eq(proxy_stats(s.proxy)->echo_invalid, 0);
		if (i == 0)
			stand_fini(&s);
	}
}
END_TEST

Suite *
guard_suite(void)
{
	Suite *suite = suite_create("guard");
	TCase *tc = tcase_create("guard");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, per_source);
	tcase_add_test(tc, flood);
	tcase_add_test(tc, places);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, blocks);
	tcase_add_test(tc, smaller_blocks);
	tcase_add_test(tc, invalid);
	tcase_add_test(tc, exempt);
	suite_add_tcase(suite, tc);
	return suite;
}
