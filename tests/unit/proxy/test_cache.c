/* Tests of proxy/cache: one rule after the other. */
#include "proxy/cache.h"

#include <limits.h>
#include <stdlib.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000, S = 1000 };

static const struct cache_conf conf = { 1 << 20, 4096, 86400 };
static struct cache cache;
static struct rand rnd;

static void
start(const struct cache_conf *with)
{
	rand_init_fixed(&rnd, 1);
	ck_assert(cache_init(&cache, with, &rnd));
}

static void
setup(void)
{
	start(&conf);
}

static void
teardown(void)
{
	allocations = UINT_MAX;
	cache_fini(&cache);
	fixture_free();
}

/* The key of REQUEST to coap://h; a few are valid at a time. */
static struct coap_key
key_of(const char *request)
{
	static uint8_t ring[8][128];
	static unsigned next;
	struct coap_host h = { .text = SPAN_LIT("h") };
	struct coap_authority at = { COAP_SCHEME_COAP, &h, 5683 };
	struct coap_msg m = message(request);
	struct writer w = writer_make(ring[next++ % 8], sizeof(ring[0]));
	struct coap_key key;

	ck_assert(coap_key_make(&key, &w, &cache.secret, &m, &at,
	    COAP_KEY_BODY));
	return key;
}

/* RESPONSE as it is to be stored for CLIENT; a few are valid at a time. */
static struct cache_item
item_of(const char *response, uint64_t client)
{
	static uint8_t ring[8][256];
	static unsigned next;
	struct coap_msg m = message(response);
	struct writer w = writer_make(ring[next++ % 8], sizeof(ring[0]));

	ck_assert(fresh_put_stored(&m, &w));
	return (struct cache_item){
		.code = m.code,
		.opts = writer_span(&w),
		.body = m.payload,
		.max_age = fresh_max_age(&m),
		.client = client,
	};
}

static struct cache_entry *
store(const char *request, const char *response, uint64_t now)
{
	struct coap_key key = key_of(request);
	struct cache_item item = item_of(response, 1);

	return cache_store(&cache, &key, &item, now);
}

static struct cache_entry *
find(const char *request)
{
	struct coap_key key = key_of(request);

	return cache_find(&cache, &key);
}

static bool
fresh(const char *request, uint64_t now)
{
	struct cache_entry *e = find(request);

	return e != NULL && cache_fresh(e, now);
}

static const char *
stored(const struct cache_entry *e)
{
	return dump(e->code, cache_opts(e), cache_body(e));
}

/* CAC-21, CAC-24: as it came. CAC-01: to the same question only. */
START_TEST(as_it_came)
{
	struct cache_entry *e = store("CON GET Uri-Path=\"t\"",
	    "ACK 2.05 ETag=0001 Content-Format=50 Max-Age=9 opt65000=\"x\" "
	    "payload=\"body\"", NOW);
	struct cache_entry *no_etag;

	ck_assert_ptr_nonnull(e);
	ck_assert_ptr_eq(find("NON GET Uri-Path=\"t\" Echo=01"), e);
	ck_assert_str_eq(stored(e),
	    "2.05 ETag=0001 Content-Format=50 opt65000=78 payload=4");
	ck_assert(span_eq(cache_body(e), SPAN_LIT("body")));
	ck_assert(span_eq(cache_etag(e), SPAN_LIT("\0\1")));
	ck_assert_ptr_null(find("CON FETCH Uri-Path=\"t\""));
	ck_assert_ptr_null(find("CON GET Uri-Path=\"t\" Accept=50"));
	ck_assert_ptr_null(find("CON GET Uri-Path=\"u\""));
	ck_assert_ptr_null(find("CON GET Uri-Host=\"v\" Uri-Path=\"t\""));

	no_etag = store("CON GET", "ACK 2.05 opt65000=\"x\"", NOW);
	ck_assert_uint_eq(cache_etag(no_etag).n, 0);
	/* CAC-14: an error is not validated. */
	no_etag = store("CON GET", "ACK 4.04 ETag=01", NOW);
	ck_assert_uint_eq(cache_etag(no_etag).n, 0);
	ck_assert_str_eq(stored(no_etag), "4.04 ETag=01");
}
END_TEST

/* CAC-11, CAC-12, CAC-17, CAC-18; ATK-28: the cap is on freshness here, not on
 * what is said. */
START_TEST(ages)
{
	static const struct {
		const char *response;
		uint64_t age;	/* ms */
		bool fresh;
		uint32_t left;
	} rows[] = {
		{ "ACK 2.05", 0, true, 60 },
		{ "ACK 2.05", 1, true, 59 },
		{ "ACK 2.05", 20 * S, true, 40 },
		{ "ACK 2.05", 59 * S, true, 1 },
		{ "ACK 2.05", 60 * S, true, 0 },
		{ "ACK 2.05", 60 * S + 1, false, 0 },
		{ "ACK 2.05", 61 * S, false, 0 },
		{ "ACK 4.04 Max-Age=5", 4500, true, 0 },
		{ "ACK 4.04 Max-Age=5", 5500, false, 0 },
		{ "ACK 2.05 Max-Age=0", 0, false, 0 },
		{ "ACK 2.05 Max-Age=0xffffffff", 86400 * S, true,
			4294967295 - 86400 },
		{ "ACK 2.05 Max-Age=0xffffffff", 86400 * S + 1, false,
			4294967295 - 86401 },
		{ "ACK 2.05 Max-Age=0xffffffff", UINT64_C(1) << 50, false, 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct cache_entry *e = store("CON GET", rows[i].response, NOW);

		ck_assert_msg(cache_fresh(e, NOW + rows[i].age) ==
			rows[i].fresh, "row %zu", i);
		ck_assert_msg(cache_max_age(e, NOW + rows[i].age) ==
			rows[i].left, "row %zu", i);
	}
}
END_TEST

/* CAC-06: keys are compared in full. */
START_TEST(one_hash)
{
	struct coap_key a = { SPAN_LIT("key a"), 7, 1 };
	struct coap_key b = { SPAN_LIT("key b"), 7, 1 };
	struct cache_item ia = item_of("ACK 2.05 payload=\"a\"", 1);
	struct cache_item ib = item_of("ACK 2.05 payload=\"b\"", 1);

	cache_store(&cache, &a, &ia, NOW);
	ck_assert_ptr_null(cache_find(&cache, &b));
	cache_store(&cache, &b, &ib, NOW);
	ck_assert(span_eq(cache_body(cache_find(&cache, &a)), ia.body));
	ck_assert(span_eq(cache_body(cache_find(&cache, &b)), ib.body));
	/* Not even beginnings of each other. */
	a.octets.n = 4;
	ck_assert_ptr_null(cache_find(&cache, &a));
}
END_TEST

/* CAC-25: the newer one counts, and that it cannot be stored makes no
 * difference. */
START_TEST(replaced)
{
	static const struct cache_conf small = { 1 << 20, 4, 60 };
	size_t octets;

	store("CON GET", "ACK 2.05 payload=\"one\"", NOW);
	octets = cache_octets(&cache);
	store("CON GET", "ACK 2.05 payload=\"two\"", NOW + 1);
	ck_assert(span_eq(cache_body(find("CON GET")), SPAN_LIT("two")));
	ck_assert_uint_eq(cache.keys.count, 1);
	ck_assert_uint_eq(cache_octets(&cache), octets);
	cache_configure(&cache, &small, NOW);
	ck_assert_ptr_null(store("CON GET", "ACK 2.05 payload=\"three\"", NOW));
	ck_assert_uint_eq(cache.stats.refused, 1);
	ck_assert_ptr_null(find("CON GET"));
	ck_assert_ptr_nonnull(store("CON GET", "ACK 2.05 payload=\"four\"",
	    NOW));
}
END_TEST

/* CAC-47: what is too large, or off. */
START_TEST(limits)
{
	static const struct cache_conf off = { 0, 4096, 60 };
	static const struct cache_conf tiny = { 300, SIZE_MAX, 60 };
	static const struct cache_conf all = { SIZE_MAX, SIZE_MAX, 60 };
	static const uint8_t body[4096];
	struct coap_key key = key_of("CON GET");
	struct cache_item item = { .code = COAP_205, .max_age = 60 };

	item.body = span_make(body, 4097);
	ck_assert_ptr_null(cache_store(&cache, &key, &item, NOW));
	ck_assert_uint_eq(cache.stats.refused, 1);
	item.body.n = 4096;
	ck_assert_ptr_nonnull(cache_store(&cache, &key, &item, NOW));
	ck_assert_uint_eq(cache.stats.stored, 1);

	cache_configure(&cache, &tiny, NOW);
	ck_assert_uint_eq(cache.keys.count, 0);
	ck_assert_ptr_null(cache_store(&cache, &key, &item, NOW));
	item.body.n = 0;
	ck_assert_uint_eq(cache.stats.refused, 2);
	cache_configure(&cache, &off, NOW);
	ck_assert_ptr_null(cache_store(&cache, &key, &item, NOW));
	ck_assert_ptr_null(cache_find(&cache, &key));
	ck_assert_uint_eq(cache.stats.refused, 2);
	/* Not even the largest numbers overflow. */
	cache_configure(&cache, &all, NOW);
	ck_assert_ptr_nonnull(cache_store(&cache, &key, &item, NOW));
	item.opts.n = 65536;
	ck_assert_ptr_null(cache_store(&cache, &key, &item, NOW));
}
END_TEST

/* The octets of one entry such as those that follow. */
static size_t
octets_of_one(void)
{
	size_t before = cache.octets;

	store("CON GET Uri-Path=\"x\"", "ACK 2.05 payload=\"v\"", NOW);
	return cache.octets - before;
}

/* CAC-47: the least recently used one goes, fresh or not. */
START_TEST(least_recently_used)
{
	struct cache_conf three = conf;

	three.size = cache_octets(&cache) + 3 * octets_of_one();
	cache_configure(&cache, &three, NOW);
	store("CON GET Uri-Path=\"a\"", "ACK 2.05 payload=\"v\"", NOW);
	store("CON GET Uri-Path=\"b\"", "ACK 2.05 payload=\"v\"", NOW);
	ck_assert_uint_eq(cache.stats.evicted, 0);
	ck_assert_uint_eq(cache_octets(&cache), three.size);
	ck_assert_ptr_nonnull(find("CON GET Uri-Path=\"x\""));
	store("CON GET Uri-Path=\"c\"", "ACK 2.05 payload=\"v\"", NOW);
	ck_assert_uint_eq(cache.stats.evicted, 1);
	ck_assert_ptr_null(find("CON GET Uri-Path=\"a\""));
	ck_assert_ptr_nonnull(find("CON GET Uri-Path=\"x\""));
	store("CON GET Uri-Path=\"d\"", "ACK 2.05 payload=\"v\"", NOW);
	ck_assert_ptr_null(find("CON GET Uri-Path=\"b\""));
	ck_assert_uint_eq(cache_octets(&cache), three.size);
}
END_TEST

/* A held entry that is evicted or replaced stays as it was, and is counted. */
START_TEST(held)
{
	static const struct cache_conf none = { 300, 4096, 60 };
	struct cache_entry *a = store("CON GET", "ACK 2.05 payload=\"a\"", NOW);
	struct cache_entry *b;
	size_t empty = cache_octets(&cache) - cache.octets;
	size_t one = cache.octets;

	cache_hold(a);
	b = store("CON GET", "ACK 2.05 payload=\"b\"", NOW);
	ck_assert_ptr_ne(a, b);
	ck_assert_uint_eq(cache.octets, 2 * one);
	ck_assert(span_eq(cache_body(a), SPAN_LIT("a")));
	cache_hold(b);
	cache_configure(&cache, &none, NOW);
	ck_assert_ptr_null(find("CON GET"));
	ck_assert_uint_eq(cache_octets(&cache), empty + 2 * one);
	ck_assert(span_eq(cache_body(b), SPAN_LIT("b")));
	/* There is no room beside them. */
	ck_assert_ptr_null(store("CON GET", "ACK 2.05 payload=\"c\"", NOW));
	cache_release(&cache, a);
	cache_release(&cache, b);
	ck_assert_uint_eq(cache_octets(&cache), empty);
	/* Released while it is in: stays in. */
	cache_configure(&cache, &conf, NOW);
	a = store("CON GET", "ACK 2.05 payload=\"a\"", NOW);
	cache_hold(a);
	cache_release(&cache, a);
	ck_assert_ptr_eq(find("CON GET"), a);
}
END_TEST

static struct cache_entry *
refresh(struct cache_entry *e, const char *valid, uint64_t now)
{
	struct coap_msg m = message(valid);

	return cache_refresh(&cache, e, &m, now);
}

/* CAC-27, CAC-28. */
START_TEST(refreshed)
{
	struct cache_entry *e = store("CON GET", "ACK 2.05 ETag=01 "
						 "Content-Format=50 Max-Age=5 "
						 "opt65000=\"x\" payload=\"v\"",
	    NOW);
	struct cache_entry *n;
	uint64_t now = NOW + 100 * S;

	cache_hold(e);
	ck_assert(!cache_fresh(e, now));
	ck_assert_ptr_eq(refresh(e, "ACK 2.03 ETag=01 Max-Age=9", now), e);
	ck_assert(cache_fresh(e, now + 9 * S));
	ck_assert(!cache_fresh(e, now + 9 * S + 1));
	ck_assert_uint_eq(cache_max_age(e, now + 1), 8);
	/* The same value again changes nothing; no Max-Age is 60. */
	ck_assert_ptr_eq(refresh(e, "ACK 2.03 ETag=01 opt65000=\"x\"", now), e);
	ck_assert(cache_fresh(e, now + 60 * S));
	ck_assert(!cache_fresh(e, now + 61 * S));

	n = refresh(e, "ACK 2.03 ETag=01 Max-Age=9 opt65000=\"z\"", now);
	ck_assert_ptr_ne(n, e);
	ck_assert_ptr_eq(find("CON GET"), n);
	ck_assert_str_eq(stored(n),
	    "2.05 ETag=01 Content-Format=50 opt65000=7a payload=1");
	ck_assert(span_eq(cache_etag(n), SPAN_LIT("\1")));
	ck_assert_uint_eq(cache_max_age(n, now), 9);
	ck_assert(fresh("CON GET", now + 9 * S));
	/* The old one, as long as it is held. */
	ck_assert_str_eq(stored(e),
	    "2.05 ETag=01 Content-Format=50 opt65000=78 payload=1");
	cache_release(&cache, e);
	/* CAC-11: confirmed, but not to be used again. */
	cache_hold(n);
	ck_assert_ptr_eq(refresh(n, "ACK 2.03 ETag=01 Max-Age=0", now), n);
	cache_release(&cache, n);
	ck_assert(!fresh("CON GET", now));
	ck_assert_uint_eq(cache.stats.refreshed, 4);
}
END_TEST

/* It was evicted while the origin was asked. */
START_TEST(refreshed_late)
{
	static const struct cache_conf none = { 0, 4096, 60 };
	struct cache_entry *e = store("CON GET", "ACK 2.05 ETag=01 "
						 "payload=\"v\"", NOW);
	struct cache_entry *n;

	cache_hold(e);
	cache_configure(&cache, &none, NOW);
	ck_assert_ptr_null(refresh(e, "ACK 2.03 ETag=01", NOW));
	ck_assert_ptr_null(refresh(e, "ACK 2.03 ETag=01 opt65000=\"z\"", NOW));
	cache_configure(&cache, &conf, NOW);
	n = refresh(e, "ACK 2.03 ETag=01", NOW);
	ck_assert_ptr_eq(find("CON GET"), n);
	ck_assert_str_eq(stored(n), "2.05 ETag=01 payload=1");
	cache_release(&cache, e);
	cache_invalidate(&cache, key_of("CON PUT").uri);
	ck_assert(!fresh("CON GET", NOW));
}
END_TEST

/* Options that no entry holds: it goes, its body is still there to be sent. */
START_TEST(refreshed_too_much)
{
	static uint8_t value[4096];
	static uint8_t opts[sizeof(value) + 16];
	struct writer w = writer_make(opts, sizeof(opts));
	struct coap_optw o = coap_optw(&w);
	struct coap_msg m = { .code = COAP_203 };
	struct cache_entry *e = store("CON GET", "ACK 2.05 ETag=01 "
						 "payload=\"v\"", NOW);

	coap_put_opt(&o, 65000, span_make(value, sizeof(value)));
	ck_assert(coap_parse_opts(&m, writer_span(&w)));
	cache_hold(e);
	ck_assert_ptr_null(cache_refresh(&cache, e, &m, NOW));
	ck_assert_ptr_null(find("CON GET"));
	ck_assert_ptr_null(cache_refresh(&cache, e, &m, NOW));
	ck_assert_str_eq(stored(e), "2.05 ETag=01 payload=1");
	cache_release(&cache, e);
}
END_TEST

/* CAC-36, CAC-37: all that was stored for a URI; CAC-43: and nothing else. */
START_TEST(invalidated)
{
	static const char *const same[] = {
		"CON GET Uri-Path=\"t\"", "CON GET Uri-Path=\"t\" Accept=50",
		"CON GET Uri-Path=\"t\" Accept=60",
		"CON GET Uri-Path=\"t\" opt65000=\"x\"",
		"CON FETCH Uri-Path=\"t\" payload=\"q\"",
	};
	static const char *const others[] = {
		"CON GET", "CON GET Uri-Path=\"t\" Uri-Query=\"x\"",
		"CON GET Uri-Path=\"t\" Uri-Path=\"t\"",
		"CON GET Uri-Host=\"v\" Uri-Path=\"t\"",
	};
	uint64_t uri = key_of("CON PUT Uri-Path=\"t\"").uri;

	cache_invalidate(&cache, uri);
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < UNIT_COUNT(same); i++)
			store(same[i], "ACK 2.05 ETag=01", NOW);
		for (size_t i = 0; i < UNIT_COUNT(others); i++)
			store(others[i], "ACK 2.05", NOW);
		cache_invalidate(&cache, uri);
		/* Still there, to be validated. */
		for (size_t i = 0; i < UNIT_COUNT(same); i++) {
			ck_assert_ptr_nonnull(find(same[i]));
			ck_assert(!fresh(same[i], NOW));
		}
		for (size_t i = 0; i < UNIT_COUNT(others); i++)
			ck_assert(fresh(others[i], NOW));
	}
	ck_assert_uint_eq(cache.stats.invalidated, 3 * UNIT_COUNT(same));
	/* Nothing new, nothing to do. */
	cache_invalidate(&cache, uri);
	ck_assert_uint_eq(cache.stats.invalidated, 3 * UNIT_COUNT(same));
	/* Validated, fresh, and not fresh again: that alone. */
	for (unsigned round = 0; round < 2; round++) {
		struct cache_entry *e = find(same[2]);

		cache_hold(e);
		ck_assert_ptr_eq(refresh(e, "ACK 2.03 ETag=01", NOW), e);
		cache_release(&cache, e);
		ck_assert(fresh(same[2], NOW));
		ck_assert(!fresh(same[1], NOW));
		cache_invalidate(&cache, uri);
		ck_assert(!fresh(same[2], NOW));
	}
}
END_TEST

/* Any of a URI may leave, also the first, and the others are still found. */
START_TEST(ring)
{
	static const char *const same[] = {
		"CON GET", "CON GET Accept=50", "CON GET Accept=60",
		"CON FETCH",
	};
	uint64_t uri = key_of("CON PUT").uri;

	for (unsigned gone = 0; gone < 16; gone++) {
		struct cache_conf no_body = { 1 << 20, 0, 60 };

		for (size_t i = 0; i < UNIT_COUNT(same); i++)
			store(same[i], "ACK 2.05", NOW);
		cache_configure(&cache, &no_body, NOW);
		for (size_t i = 0; i < UNIT_COUNT(same); i++)
			if ((gone >> i & 1) != 0)
				store(same[i], "ACK 2.05 payload=\"no\"", NOW);
		cache_configure(&cache, &conf, NOW);
		cache_invalidate(&cache, uri);
		ck_assert_uint_eq(cache.uris.count, 0);
		for (size_t i = 0; i < UNIT_COUNT(same); i++) {
			ck_assert((find(same[i]) == NULL) ==
			    ((gone >> i & 1) != 0));
			ck_assert(!fresh(same[i], NOW));
		}
	}
}
END_TEST

/* CAC-31. */
START_TEST(outdated)
{
	store("CON GET", "ACK 2.05 ETag=01", NOW);
	store("CON GET Accept=50", "ACK 2.05 ETag=01", NOW);
	cache_outdate(find("CON GET"));
	ck_assert(!fresh("CON GET", NOW));
	ck_assert(fresh("CON GET Accept=50", NOW));
}
END_TEST

static struct coap_key
private_key(const char *request, const char *client, uint8_t buf[256])
{
	struct writer w = writer_make(buf, 256);
	struct coap_key key = key_of(request), own;

	ck_assert(cache_private_key(&own, &w, &cache.secret, &key,
	    span_str(client)));
	ck_assert_uint_eq(own.uri, key.uri);
	w = writer_make(buf, own.octets.n - 1);
	ck_assert(!cache_private_key(&key, &w, &cache.secret, &key,
	    span_str(client)));
	w = writer_make(buf, 256);
	key = key_of(request);
	ck_assert(cache_private_key(&own, &w, &cache.secret, &key,
	    span_str(client)));
	return own;
}

/* BLK-20, BLK-21, CAC-46: for one client, for a while, whatever becomes of the
 * resource. */
START_TEST(private)
{
	uint8_t buf[4][256];
	struct coap_key a = private_key("CON POST", "alice", buf[0]);
	struct coap_key b = private_key("CON POST", "bob", buf[1]);
	struct coap_key again = private_key("CON POST", "alice", buf[2]);
	struct coap_key other = private_key("CON GET", "alice", buf[3]);
	struct coap_key shared = key_of("CON POST");
	struct cache_item item = item_of("ACK 2.04 Max-Age=0 payload=\"v\"", 1);
	struct cache_entry *e;

	ck_assert(!span_eq(a.octets, b.octets));
	ck_assert(!span_eq(a.octets, shared.octets));
	ck_assert_uint_ne(a.hash, b.hash);
	ck_assert_uint_ne(a.hash, other.hash);
	ck_assert_uint_ne(a.hash, shared.hash);
	item.flags = CACHE_PRIVATE;
	item.lifetime = 247;
	e = cache_store(&cache, &a, &item, NOW);
	ck_assert_ptr_eq(cache_find(&cache, &again), e);
	ck_assert_ptr_null(cache_find(&cache, &b));
	ck_assert_ptr_null(cache_find(&cache, &other));
	ck_assert_ptr_null(cache_find(&cache, &shared));
	/* A scheme is no client: the first octet tells. */
	ck_assert_uint_eq(a.octets.p[0], 0xff);
	ck_assert_uint_lt(shared.octets.p[0], 0xff);

	cache_invalidate(&cache, a.uri);
	ck_assert(cache_fresh(e, NOW + 247 * S));
	ck_assert(!cache_fresh(e, NOW + 248 * S));
	ck_assert_uint_eq(cache_max_age(e, NOW), 0);
	cache_extend(e, 247, NOW + 200 * S);
	ck_assert(cache_fresh(e, NOW + 447 * S));
	ck_assert(!cache_fresh(e, NOW + 448 * S));
}
END_TEST

/* BLK-44: a note in the place of what is too large. */
START_TEST(too_large)
{
	struct coap_key key = key_of("CON GET");
	struct cache_item item = { .flags = CACHE_TOO_LARGE, .lifetime = 30 };
	struct cache_entry *e = cache_store(&cache, &key, &item, NOW);

	ck_assert_ptr_eq(find("CON GET"), e);
	ck_assert_uint_eq(e->flags, CACHE_TOO_LARGE);
	ck_assert_uint_eq(cache_body(e).n, 0);
	ck_assert(cache_fresh(e, NOW + 30 * S));
	ck_assert(!cache_fresh(e, NOW + 31 * S));
	store("CON GET", "ACK 2.05 payload=\"small\"", NOW);
	ck_assert_uint_eq(find("CON GET")->flags, 0);
}
END_TEST

/* BLK-18: ours for what came without, another one for another body. */
START_TEST(own_etag)
{
	static const char *const responses[] = {
		"ACK 2.05 payload=\"a\"", "ACK 2.05 payload=\"b\"",
		"ACK 2.05 Content-Format=0 payload=\"a\"", "ACK 2.05",
	};
	uint64_t seen[UNIT_COUNT(responses)];

	for (size_t i = 0; i < UNIT_COUNT(responses); i++) {
		struct cache_entry *e = store("CON GET", responses[i], NOW);
		struct span tag = cache_own_etag(&cache, e);

		ck_assert_uint_eq(tag.n, 8);
		memcpy(&seen[i], tag.p, 8);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(seen[i], seen[k]);
		e = store("CON GET", responses[i], NOW + S);
		ck_assert_mem_eq(cache_own_etag(&cache, e).p, &seen[i], 8);
		ck_assert_mem_eq(cache_own_etag(&cache, e).p, &seen[i], 8);
		/* None for the origin. */
		ck_assert_uint_eq(cache_etag(e).n, 0);
	}
}
END_TEST

static struct cache_entry *
store_for(uint64_t client, unsigned number, uint64_t now)
{
	struct coap_key key = { span_make(&number, sizeof(number)),
		siphash(&cache.secret, span_make(&number, sizeof(number))),
		number };
	struct cache_item item = { .code = COAP_205, .max_age = 60,
		.client = client };

	return cache_store(&cache, &key, &item, now);
}

static unsigned
count_found(unsigned from, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = from; i < from + n; i++) {
		struct coap_key key = { span_make(&i, sizeof(i)),
			siphash(&cache.secret, span_make(&i, sizeof(i))), i };

		found += cache_find(&cache, &key) != NULL;
	}
	return found;
}

/* CAC-47: a client who asks for ever new resources pushes out of the half of
 * others only what is not fresh. */
START_TEST(share)
{
	unsigned all = 0;

	while (cache.stats.evicted == 0)
		store_for(2, all++, NOW);
	/* Somebody else comes and takes, in the end, half. */
	for (unsigned i = 0; i < 3 * all; i++)
		store_for(3, 100000 + i, NOW + 1);
	ck_assert_uint_ge(count_found(0, all), all * 2 / 5);
	ck_assert_uint_ge(count_found(100000, 3 * all), all * 2 / 5);
	/* Of those its own last ones. */
	ck_assert_uint_eq(count_found(100000 + 3 * all - all / 3, all / 3),
	    all / 3);
	/* Not fresh, not spared. */
	for (unsigned i = 0; i < 2 * all; i++)
		store_for(3, 1000000 + i, NOW + 100 * S);
	ck_assert_uint_eq(count_found(0, all), 0);
}
END_TEST

/* With N allocations that succeed; others use them as well. */
static struct cache_entry *
store_with(unsigned n, const struct coap_key *key,
    const struct cache_item *item)
{
	struct cache_entry *e;

	allocations = n;
	e = cache_store(&cache, key, item, NOW);
	allocations = UINT_MAX;
	return e;
}

/* Without memory nothing is stored, what was there is gone (CAC-25), and that
 * is all. */
START_TEST(no_memory)
{
	struct coap_key key = key_of("CON GET");
	struct cache_item item = item_of("ACK 2.05 payload=\"w\"", 1);
	struct coap_msg m = message("ACK 2.03 ETag=01 opt65000=\"x\"");
	struct cache_entry *e = store("CON GET", "ACK 2.05 ETag=01 "
						 "payload=\"v\"", NOW);
	struct cache_entry *n;

	cache_hold(e);
	allocations = 0;
	n = cache_refresh(&cache, e, &m, NOW);
	allocations = UINT_MAX;
	ck_assert_ptr_null(n);
	ck_assert_ptr_null(cache_find(&cache, &key));
	ck_assert(span_eq(cache_body(e), SPAN_LIT("v")));
	cache_release(&cache, e);
	ck_assert_ptr_null(store_with(0, &key, &item));
	ck_assert_uint_eq(cache.stats.refused, 2);
	ck_assert_uint_eq(cache.octets, 0);
	ck_assert_ptr_nonnull(store_with(1, &key, &item));
}
END_TEST

/* An entry in no table: nobody finds it, nothing is done to it from outside,
 * and it is gone with who made it; but it counts. */
START_TEST(made)
{
	struct cache_item item = item_of("ACK 2.05 ETag=01 Content-Format=50 "
					 "Max-Age=9 payload=\"v\"", 1);
	struct coap_key none = { .hash = 0 };
	struct coap_key key = key_of("CON GET");
	struct cache_entry *e = cache_make(&cache, &item, NOW);

	ck_assert_ptr_nonnull(e);
	ck_assert(!e->linked);
	ck_assert_uint_eq(e->nkey, 0);
	ck_assert_str_eq(stored(e), "2.05 ETag=01 Content-Format=50 "
				    "payload=1");
	ck_assert(span_eq(cache_body(e), SPAN_LIT("v")));
	ck_assert(span_eq(cache_etag(e), SPAN_LIT("\1")));
	ck_assert_uint_eq(cache_max_age(e, NOW + 2000), 7);
	ck_assert(cache_fresh(e, NOW + 9000));
	ck_assert(!cache_fresh(e, NOW + 9001));
	ck_assert_uint_gt(cache.octets, sizeof(*e));
	ck_assert_ptr_null(cache_find(&cache, &none));
	ck_assert_ptr_null(cache_find(&cache, &key));
	cache_invalidate(&cache, 0);
	cache_invalidate(&cache, key.uri);
	ck_assert(cache_fresh(e, NOW + 9000));
	ck_assert_uint_eq(cache.stats.stored + cache.stats.invalidated, 0);
	cache_outdate(e);
	ck_assert(!cache_fresh(e, NOW));
	cache_hold(e);
	cache_release(&cache, e);
	ck_assert_uint_gt(cache.octets, 0);
	cache_release(&cache, e);
	ck_assert_uint_eq(cache.octets, 0);
}
END_TEST

/* It takes the room of others, but none gives way for others to it; who can
 * have no room is told so. */
START_TEST(made_without_room)
{
	struct cache_conf small = { 8192, 2048, 86400 };
	static uint8_t body[2049];
	struct cache_item item = { .code = COAP_205, .max_age = 60,
		.body = { body, sizeof(body) } };
	struct cache_entry *e[8];
	size_t n = 0;

	cache_configure(&cache, &small, NOW);
	ck_assert_ptr_null(cache_make(&cache, &item, NOW));
	ck_assert_uint_eq(cache.stats.refused, 1);
	item.body.n = 2048;
	ck_assert_ptr_nonnull(store("CON GET", "ACK 2.05 payload=\"v\"", NOW));
	while ((e[n] = cache_make(&cache, &item, NOW)) != NULL)
		ck_assert_uint_lt(++n, UNIT_COUNT(e));
	ck_assert_uint_gt(n, 1);
	ck_assert_uint_eq(cache.stats.refused, 2);
	ck_assert_uint_eq(cache.stats.evicted, 1);
	ck_assert(!fresh("CON GET", NOW));
	ck_assert_uint_le(cache_octets(&cache), small.size);
	cache_release(&cache, e[--n]);
	ck_assert_ptr_nonnull(store("CON GET", "ACK 2.05 payload=\"v\"", NOW));
	while (n > 0)
		cache_release(&cache, e[--n]);
	allocations = 0;
	e[0] = cache_make(&cache, &item, NOW);
	allocations = UINT_MAX;
	ck_assert_ptr_null(e[0]);
	ck_assert_uint_eq(cache.stats.refused, 3);
}
END_TEST

/* Tables that cannot grow are only slower. */
START_TEST(no_memory_for_tables)
{
	struct cache_item item = { .code = COAP_205, .max_age = 60 };
	struct cache other;

	for (unsigned i = 0; i < 100; i++) {
		struct coap_key key = { span_make(&i, sizeof(i)),
			siphash(&cache.secret, span_make(&i, sizeof(i))), i };

		ck_assert_ptr_nonnull(store_with(1, &key, &item));
	}
	ck_assert_uint_eq(cache.keys.mask + 1, 8);
	ck_assert_uint_eq(count_found(0, 100), 100);
	for (unsigned n = 0; n < 2; n++) {
		bool ok;

		allocations = n;
		ok = cache_init(&other, &conf, &rnd);
		allocations = UINT_MAX;
		ck_assert(!ok);
	}
}
END_TEST

static bool
is_key(struct span key, void *arg)
{
	const struct coap_key *other = arg;

	return other == NULL || span_eq(key, other->octets);
}

/* What the operator names is gone; who holds it still reads it. */
START_TEST(flushed)
{
	struct coap_key key = key_of("CON GET Uri-Path=\"a\"");
	struct cache_entry *a = store("CON GET Uri-Path=\"a\"", "ACK 2.05 payload=\"1\"",
	    NOW);

	cache_hold(a);
	store("CON GET Uri-Path=\"b\"", "ACK 2.05 payload=\"2\"", NOW);
	store("CON GET Uri-Path=\"c\"", "ACK 2.05 payload=\"3\"", NOW);
	ck_assert_uint_eq(cache_flush(&cache, is_key, &key), 1);
	ck_assert_ptr_null(cache_find(&cache, &key));
	ck_assert(span_eq(cache_body(a), SPAN_LIT("1")));
	ck_assert_uint_eq(cache_flush(&cache, is_key, NULL), 2);
	ck_assert_uint_eq(cache.keys.count, 0);
	cache_release(&cache, a);
	ck_assert_uint_eq(cache.octets, 0);
}
END_TEST

/* A smaller one: so many go at a time, those used longest ago first, and what
 * comes meanwhile finds room. */
START_TEST(smaller)
{
	enum { MANY = 3000, LEFT = 100 };
	struct cache_conf few = conf;
	char request[64];
	unsigned turns = 1;
	size_t one;

	one = octets_of_one();
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(request, sizeof(request), "CON GET Uri-Path=\"%04u\"",
		    i);
		ck_assert_ptr_nonnull(store(request,
		    "ACK 2.05 payload=\"v\"", NOW));
	}
	few.size = cache_octets(&cache) - cache.octets + LEFT * one;
	ck_assert(cache_configure(&cache, &few, NOW));
	ck_assert_uint_gt(cache.keys.count, MANY / 2);
	ck_assert_ptr_nonnull(store("CON GET Uri-Path=\"new\"",
	    "ACK 2.05 payload=\"v\"", NOW));
	while (cache_shrink(&cache, NOW))
		turns++;
	ck_assert_uint_eq(turns, 2);
	ck_assert_uint_le(cache_octets(&cache), few.size);
	ck_assert_uint_gt(cache.keys.count, LEFT / 2);
	ck_assert_ptr_nonnull(find("CON GET Uri-Path=\"2999\""));
	ck_assert_ptr_nonnull(find("CON GET Uri-Path=\"new\""));
	/* There is no more to do, and its size is what it is said to be. */
	ck_assert(!cache_shrink(&cache, NOW));
	ck_assert_uint_eq(cache.conf.size, few.size);
}
END_TEST

/* All of what there is goes, and what has come since does not need to. */
START_TEST(emptied)
{
	enum { MANY = 1500 };
	char request[64];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(request, sizeof(request), "CON GET Uri-Path=\"%04u\"",
		    i);
		store(request, "ACK 2.05 payload=\"v\"", NOW);
	}
	cache_empty(&cache);
	ck_assert(cache_configure(&cache, &conf, NOW));
	ck_assert_uint_eq(cache.keys.count, MANY - 1024);
	store("CON GET Uri-Path=\"new\"", "ACK 2.05 payload=\"v\"", NOW);
	ck_assert(!cache_shrink(&cache, NOW));
	ck_assert_uint_eq(cache.keys.count, 1);
	ck_assert_ptr_nonnull(find("CON GET Uri-Path=\"new\""));
}
END_TEST

Suite *
cache_suite(void)
{
	Suite *s = suite_create("cache");
	TCase *tc = tcase_create("cache");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, as_it_came);
	tcase_add_test(tc, ages);
	tcase_add_test(tc, one_hash);
	tcase_add_test(tc, replaced);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, least_recently_used);
	tcase_add_test(tc, held);
	tcase_add_test(tc, refreshed);
	tcase_add_test(tc, refreshed_late);
	tcase_add_test(tc, refreshed_too_much);
	tcase_add_test(tc, invalidated);
	tcase_add_test(tc, ring);
	tcase_add_test(tc, outdated);
	tcase_add_test(tc, private);
	tcase_add_test(tc, too_large);
	tcase_add_test(tc, own_etag);
	tcase_add_test(tc, share);
	tcase_add_test(tc, flushed);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, made);
	tcase_add_test(tc, made_without_room);
	tcase_add_test(tc, no_memory_for_tables);
	tcase_add_test(tc, smaller);
	tcase_add_test(tc, emptied);
	suite_add_tcase(s, tc);
	return s;
}
