/* Answers for many where memory or room ends, and blocks of what is stored; for
 * what may be shared see tests/replay/cache.rp and collapse.rp. */
#include "proxy/share.h"

#include <limits.h>

#include "fixture.h"
#include "proxy/core.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 2000, S = 1000 };

/* As long as an arena has room without an allocation, and longer. */
#define LONG "Uri-Path=100x\"a\" Uri-Path=100x\"b\""

static struct stand s;
static struct rule rule;

static void
start(size_t size)
{
	rule = (struct rule){
		.to = target("198.51.100.1", 5683),
		.allow_from = networks("any"),
		.timeout_ms = 90 * S,
		.cache = true,
	};
	s.rules = (struct rules){ &rule, 1 };
	s.conf.max_requests = 8;
	s.conf.cache = (struct cache_conf){ size, 16 << 10, 86400 };
	stand_start(&s);
	timers_run(&s.timers, NOW);
	/* Pools have their first slab. */
	stand_ask(&s, "CON POST", NOW);
	stand_answer(&s, "ACK 4.00", NOW);
	s.sends = s.replies = 0;
}

static void
setup(void)
{
	stand_init(&s);
	start(1 << 20);
}

static void
teardown(void)
{
	allocations = UINT_MAX;
	stand_fini(&s);
}

static const struct proxy_stats *
stats(void)
{
	return proxy_stats(s.proxy);
}

/* F, whose request was the one sent last, is answered. */
static bool
respond(struct fetch *f, const char *text, uint64_t now)
{
	struct coap_msg m = message(text);

	return fetch_response(f, &m, span_make(s.octets, s.noctets), now);
}

/* ---- without memory ---- */

/* Who cannot be kept waiting gets 5.03, and is one waiter less. */
START_TEST(join_without_memory)
{
	stand_ask(&s, "CON GET " LONG, NOW);
	s.no_memory = true;
	stand_ask(&s, "CON GET " LONG, NOW + 1);
	s.no_memory = false;
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	ck_assert_uint_eq(stats()->joined, 0);
	stand_ask(&s, "CON GET " LONG, NOW + 2);
	ck_assert_uint_eq(stats()->joined, 1);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert(stand_answer(&s, "ACK 2.05 payload=\"hi\"", NOW + 3));
	ck_assert_uint_eq(s.replies, 3);
	ck_assert_str_eq(s.reply, "2.05 payload=2");
}
END_TEST

/* A key that cannot be kept: the request is sent for its client alone, and the
 * answer is not stored. */
START_TEST(key_without_memory)
{
	s.no_memory = true;
	stand_ask(&s, "CON GET " LONG, NOW);
	s.no_memory = false;
	ck_assert_uint_eq(s.sends, 1);
	ck_assert_uint_eq(s.replies, 0);
	ck_assert(stand_answer(&s, "ACK 2.05 payload=\"1\"", NOW + 1));
	ck_assert_str_eq(s.payload, "1");
	stand_ask(&s, "CON GET " LONG, NOW + 2);
	ck_assert_uint_eq(s.sends, 2);
	ck_assert(stand_answer(&s, "ACK 2.05 payload=\"2\"", NOW + 3));
	ck_assert_uint_eq(stats()->hits, 0);
	ck_assert_uint_eq(stats()->misses, 2);
}
END_TEST

/* An answer that cannot be stored is everybody's all the same, and what was
 * stored before it is gone. */
START_TEST(store_without_memory)
{
	stand_ask(&s, "CON GET", NOW);
	stand_answer(&s, "ACK 2.05 ETag=01 Max-Age=5 payload=\"1\"", NOW);
	stand_ask(&s, "CON GET", NOW + 6 * S);
	ck_assert_str_eq(s.request, "CON GET ETag=01 Hop-Limit=16");
	stand_ask(&s, "CON GET", NOW + 6 * S);
	ck_assert_uint_eq(stats()->joined, 1);
	s.no_memory = true;
	ck_assert(stand_answer(&s, "ACK 2.05 ETag=02 payload=\"2\"",
	    NOW + 7 * S));
	s.no_memory = false;
	ck_assert_uint_eq(s.replies, 3);
	ck_assert_str_eq(s.reply, "2.05 ETag=02 payload=1");
	stand_ask(&s, "CON GET", NOW + 8 * S);
	ck_assert_str_eq(s.request, "CON GET Hop-Limit=16");
	ck_assert(stand_answer(&s, "ACK 2.05", NOW + 8 * S));
}
END_TEST

/* A confirmed entry whose new options cannot be stored: the one who asked gets
 * what was stored, the others ask for themselves. */
START_TEST(refresh_without_memory)
{
	stand_ask(&s, "CON GET", NOW);
	stand_answer(&s, "ACK 2.05 ETag=01 Max-Age=5 payload=\"1\"", NOW);
	stand_ask(&s, "CON GET", NOW + 6 * S);
	stand_ask(&s, "CON GET", NOW + 6 * S);
	s.no_memory = true;
	ck_assert(stand_answer(&s, "ACK 2.03 ETag=01 opt65000=\"x\"",
	    NOW + 7 * S));
	s.no_memory = false;
	ck_assert_uint_eq(s.replies, 2);
	ck_assert_str_eq(s.reply, "2.05 ETag=01 Max-Age=0 payload=1");
	ck_assert_uint_eq(s.sends, 3);
	ck_assert_str_eq(s.request, "CON GET Hop-Limit=16");
	ck_assert(stand_answer(&s, "ACK 2.05 payload=\"2\"", NOW + 7 * S));
	ck_assert_str_eq(s.payload, "2");
}
END_TEST

START_TEST(start_without_memory)
{
	for (unsigned n = 0; n < 24; n++) {
		struct proxy *p;

		allocations = n;
		p = proxy_new(&s.conf, &s.self, &s.timers, &s.rnd);
		allocations = UINT_MAX;
		if (p != NULL) {
			ck_assert_uint_gt(n, 4);
			proxy_free(p);
			return;
		}
	}
	ck_abort_msg("no proxy with 24 allocations");
}
END_TEST

/* ---- without room ---- */

/* A request too long for a key is its client's alone. */
START_TEST(too_long_for_a_key)
{
	static uint8_t body[KEY_MAX];
	struct coap_msg m = message("CON FETCH payload=\"x\"");
	struct fetch *f[2];

	for (size_t i = 0; i < 2; i++) {
		struct request r = {
			.msg = m,
			.route = { .conf = &s.conf, .cache = true,
				.hop = rule.to },
		};

		f[i] = fetch_new(s.proxy, &r.route);
		ck_assert_ptr_nonnull(f[i]);
		f[i]->code = COAP_FETCH;
		f[i]->payload = span_make(body, i == 0 ? KEY_MAX : 1);
		arena_init(&r.arena, ARENA_LIMIT);
		ck_assert_int_eq(share_ask(s.proxy, &r, f[i]), NEXT);
	}
	ck_assert_int_eq(f[0]->state, SHARE_NOT);
	ck_assert_int_eq(f[1]->state, SHARE_OPEN);
	fetch_free(s.proxy, f[0]);
	fetch_free(s.proxy, f[1]);
}
END_TEST

/* With the ETag the request would be too long: it is asked without. */
START_TEST(too_long_to_validate)
{
	const char *get = "CON GET opt65000=2034x\"x\"";

	stand_ask(&s, get, NOW);
	ck_assert_uint_eq(s.sends, 1);
	stand_answer(&s, "ACK 2.05 ETag=0102030405060708 Max-Age=5 "
	    "payload=\"1\"", NOW);
	stand_ask(&s, get, NOW + 6 * S);
	ck_assert_uint_eq(s.sends, 2);
	ck_assert_ptr_null(strstr(s.request, "ETag"));
	ck_assert_ptr_nonnull(strstr(s.request, "Hop-Limit=16"));
	ck_assert(stand_answer(&s, "ACK 2.05 ETag=02 payload=\"2\"",
	    NOW + 6 * S));
	ck_assert_str_eq(s.payload, "2");
	stand_ask(&s, get, NOW + 7 * S);
	ck_assert_uint_eq(s.sends, 2);
	ck_assert_str_eq(s.payload, "2");
}
END_TEST

/* Nor does an answer go out whose options do not fit. */
START_TEST(too_long_to_serve)
{
	stand_ask(&s, "CON GET", NOW);
	stand_answer(&s, "ACK 2.05 opt65000=2034x\"x\" payload=\"1\"", NOW);
	ck_assert_uint_eq(s.replies, 1);
	stand_ask(&s, "CON GET", NOW + 1 * S);
	ck_assert_ptr_nonnull(strstr(s.reply, "2.05 Max-Age=59"));
	stand_ask(&s, "CON GET Block2=0/0/64 Size2=0", NOW + 1 * S);
	ck_assert_str_eq(s.reply, "5.02 Max-Age=5 payload=15");
	ck_assert_uint_eq(s.sends, 1);
}
END_TEST

/* An entry that has been forgotten while the origin was asked about it comes
 * back when that confirms it. */
START_TEST(forgotten_while_validated)
{
	struct fetch *f;

	stand_fini(&s);
	stand_init(&s);
	start(5 << 10);
	stand_ask(&s, "CON GET", NOW);
	stand_answer(&s, "ACK 2.05 ETag=01 Max-Age=5 payload=\"1\"", NOW);
	stand_ask(&s, "CON GET", NOW + 6 * S);
	f = s.sent;
	stand_ask(&s, "CON GET Uri-Path=\"a\"", NOW + 6 * S);
	stand_answer(&s, "ACK 2.05 payload=1500x\"a\"", NOW + 6 * S);
	stand_ask(&s, "CON GET Uri-Path=\"b\"", NOW + 6 * S);
	stand_answer(&s, "ACK 2.05 payload=1500x\"b\"", NOW + 6 * S);
	stand_ask(&s, "CON GET Uri-Path=\"c\"", NOW + 6 * S);
	stand_answer(&s, "ACK 2.05 payload=1500x\"c\"", NOW + 6 * S);
	ck_assert_uint_ge(s.proxy->cache.stats.evicted, 1);
	ck_assert(!f->stale->linked);
	/* Somebody else finds nothing, and waits. */
	stand_ask(&s, "CON GET", NOW + 6 * S);
	ck_assert_uint_eq(stats()->joined, 1);
	s.noctets = coap_emit(s.octets, sizeof(s.octets),
	    &(struct coap_head){ COAP_CON, COAP_GET, 0, SPAN_LIT("") },
	    message("CON GET ETag=01").opts, SPAN_LIT(""));
	ck_assert(respond(f, "ACK 2.03 ETag=01", NOW + 7 * S));
	ck_assert_str_eq(s.reply, "2.05 ETag=01 payload=1");
	ck_assert_uint_eq(s.replies, 6);
	stand_ask(&s, "CON GET", NOW + 8 * S);
	ck_assert_str_eq(s.reply, "2.05 ETag=01 Max-Age=59 payload=1");
}
END_TEST

/* ---- ends ---- */

/* CAC-64: when the proxy ends, all who wait hear of it, and nothing stays held
 * or in a table. */
START_TEST(end)
{
	stand_ask(&s, "CON GET", NOW);
	stand_answer(&s, "ACK 2.05 ETag=01 Max-Age=5", NOW);
	stand_ask(&s, "CON GET", NOW + 6 * S);
	stand_ask(&s, "CON GET", NOW + 6 * S);
	stand_ask(&s, "CON GET ETag=01", NOW + 6 * S);
	proxy_free(s.proxy);
	s.proxy = NULL;
	ck_assert_uint_eq(s.replies, 4);
	ck_assert_str_eq(s.reply, "5.04 Max-Age=5 payload=19");
	ck_assert_uint_eq(s.cancels, 1);
}
END_TEST

/* CAC-64: each way to fail is everybody's, and leaves nothing pending. */
START_TEST(failures)
{
	static const struct {
		enum fetch_fail why;
		const char *reply;
	} rows[] = {
		{ FETCH_TIMEOUT, "5.04 Max-Age=5 payload=17" },
		{ FETCH_RESET, "5.02 Max-Age=5 payload=21" },
		{ FETCH_UNREACHABLE, "5.02 Max-Age=5 payload=20" },
		{ FETCH_BUSY, "5.03 Max-Age=5 payload=13" },
		{ FETCH_NO_NAME, "5.02 Max-Age=5 payload=21" },
		{ FETCH_NO_RESOLVER, "5.04 Max-Age=5 payload=25" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		s.replies = 0;
		stand_ask(&s, "CON GET", NOW);
		stand_ask(&s, "CON GET", NOW);
		stand_ask(&s, "CON GET", NOW);
		fetch_failed(s.sent, rows[i].why, NOW + 1);
		ck_assert_uint_eq(s.replies, 3);
		ck_assert_str_eq(s.reply, rows[i].reply);
		ck_assert_uint_eq(s.proxy->pending.count, 0);
		ck_assert_uint_eq(s.proxy->pending_uris.count, 0);
	}
	ck_assert_uint_eq(s.sends, UNIT_COUNT(rows));
	ck_assert_uint_eq(stats()->joined, 2 * UNIT_COUNT(rows));
}
END_TEST

/* CAC-41: what a change that failed may have done. */
START_TEST(failed_changes)
{
	static const struct {
		enum fetch_fail why;
		bool outdates;
	} rows[] = {
		{ FETCH_TIMEOUT, true },
		{ FETCH_RESET, true },
		{ FETCH_UNREACHABLE, true },
		{ FETCH_BAD_RESPONSE, true },
		{ FETCH_BUSY, false },
		{ FETCH_NO_NAME, false },
		{ FETCH_NO_RESOLVER, false },
		{ FETCH_TOO_LARGE, false },
		{ FETCH_REFUSED, false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		stand_ask(&s, "CON GET", NOW);
		if (s.sent != NULL)
			stand_answer(&s, "ACK 2.05", NOW);
		stand_ask(&s, "CON PUT payload=\"x\"", NOW);
		fetch_failed(s.sent, rows[i].why, NOW);
		s.sent = NULL;
		s.sends = 0;
		stand_ask(&s, "CON GET", NOW);
		ck_assert_msg(s.sends == rows[i].outdates, "row %zu", i);
		if (s.sent != NULL)
			stand_answer(&s, "ACK 2.05", NOW);
	}
}
END_TEST

/* ---- blocks of what is stored ---- */

/* Every size, any block, by an ETag of ours if there is none. */
START_TEST(blocks)
{
	char etag[32], reply[96];
	const char *own;

	stand_ask(&s, "CON GET", NOW);
	stand_answer(&s, "ACK 2.05 payload=1500x\"p\"", NOW);
	/* More than a datagram should be. */
	own = strstr(s.reply, "ETag=");
	ck_assert_ptr_nonnull(own);
	snprintf(etag, sizeof(etag), "%.21s", own);
	snprintf(reply, sizeof(reply), "2.05 %s Block2=0/1/1024 payload=1024",
	    etag);
	ck_assert_str_eq(s.reply, reply);
	stand_ask(&s, "CON GET", NOW);
	ck_assert_str_eq(s.reply, reply);
	stand_ask(&s, "CON GET Block2=1/0/1024 Size2=0", NOW);
	snprintf(reply, sizeof(reply),
	    "2.05 %s Block2=1/0/1024 Size2=1500 payload=476", etag);
	ck_assert_str_eq(s.reply, reply);
	stand_ask(&s, "CON GET Block2=93/0/16", NOW);
	snprintf(reply, sizeof(reply), "2.05 %s Block2=93/0/16 payload=12",
	    etag);
	ck_assert_str_eq(s.reply, reply);
	stand_ask(&s, "CON GET Block2=94/0/16", NOW);
	ck_assert_str_eq(s.reply, "4.00 payload=13");
	/* It tells that nothing has changed. */
	snprintf(reply, sizeof(reply), "CON GET %s", etag);
	stand_ask(&s, reply, NOW);
	snprintf(reply, sizeof(reply), "2.03 %s", etag);
	ck_assert_str_eq(s.reply, reply);
	ck_assert_uint_eq(s.sends, 1);
	/* ... to our clients. The origin never sees it (BLK-18). */
	snprintf(reply, sizeof(reply), "CON GET %s", etag);
	stand_ask(&s, reply, NOW + 61 * S);
	ck_assert_str_eq(s.request, "CON GET Hop-Limit=16");
	stand_answer(&s, "ACK 2.05 payload=\"n\"", NOW + 61 * S);
	ck_assert_str_eq(s.reply, "2.05 payload=1");
}
END_TEST

/* Of more ETags than are listened to the first eight count. */
START_TEST(many_etags)
{
	stand_ask(&s, "CON GET", NOW);
	stand_answer(&s, "ACK 2.05 ETag=08 payload=\"p\"", NOW);
	stand_ask(&s, "CON GET ETag=01 ETag=02 ETag=03 ETag=04 ETag=05 "
	    "ETag=06 ETag=07 ETag=08 ETag=09", NOW);
	ck_assert_str_eq(s.reply, "2.03 ETag=08");
	stand_ask(&s, "CON GET ETag=0101010101010101 ETag=0201010101010101 "
	    "ETag=0301010101010101 ETag=0401010101010101 "
	    "ETag=0501010101010101 ETag=0601010101010101 "
	    "ETag=0701010101010101 ETag=0901010101010101 ETag=08", NOW);
	ck_assert_str_eq(s.reply, "2.05 ETag=08 payload=1");
	ck_assert_uint_eq(s.sends, 1);
}
END_TEST

Suite *
share_suite(void)
{
	Suite *suite = suite_create("share");
	TCase *tc = tcase_create("share");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, join_without_memory);
	tcase_add_test(tc, key_without_memory);
	tcase_add_test(tc, store_without_memory);
	tcase_add_test(tc, refresh_without_memory);
	tcase_add_test(tc, start_without_memory);
	tcase_add_test(tc, too_long_for_a_key);
	tcase_add_test(tc, too_long_to_validate);
	tcase_add_test(tc, too_long_to_serve);
	tcase_add_test(tc, forgotten_while_validated);
	tcase_add_test(tc, end);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, failed_changes);
	tcase_add_test(tc, blocks);
	tcase_add_test(tc, many_etags);
	suite_add_tcase(suite, tc);
	return suite;
}
