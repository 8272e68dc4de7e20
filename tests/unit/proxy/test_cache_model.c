/* Tests of proxy/cache: against a model, and how well and how large. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/cache.h"
#include "suites.h"
#include "unit.h"

static struct cache cache;
static struct rand rnd;

static void
start(size_t size, size_t max_entry)
{
	struct cache_conf conf = { size, max_entry, 86400 };

	rand_init_fixed(&rnd, 1);
	ck_assert(cache_init(&cache, &conf, &rnd));
}

static void
teardown(void)
{
	cache_fini(&cache);
}

static unsigned
below(unsigned n)
{
	return (unsigned)rand_below(&rnd, n);
}

/* The key of resource N, into BUF; a few share a URI. */
static struct coap_key
key_of(uint32_t n, uint8_t buf[32])
{
	struct coap_key key;

	memset(buf, 'k', 32);
	memcpy(buf, &n, sizeof(n));
	key.octets = span_make(buf, 24 + n % 8);
	key.hash = siphash(&cache.secret, key.octets);
	key.uri = n / 5;
	return key;
}

/* ---- a model ---- */

enum { KEYS = 60, BODY_MAX = 200 };

struct expected {
	bool there;
	uint8_t version;	/* fills the body */
	size_t nbody;
	uint32_t max_age;
	bool changed;		/* by a 2.03 */
	bool invalid;
	uint64_t stored, used;
	struct cache_entry *held;	/* as it was then: */
	uint8_t held_version;
	size_t held_nbody;
};

static struct expected model[KEYS];
static uint64_t now, turn;
static uint8_t versions;

static bool
filled(struct span s, uint8_t version, size_t n)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != version)
			return false;
	return s.n == n;
}

static bool
as_expected(const struct expected *x, const struct cache_entry *e)
{
	struct span opts = x->changed ?
	    SPAN_LIT("\x41\x01\xd1\x2f\x07") : SPAN_LIT("\x41\x01");
	bool fresh = !x->invalid && now - x->stored <= x->max_age * 1000ull;

	return filled(cache_body(e), x->version, x->nbody) &&
	    cache_fresh(e, now) == fresh && cache_etag(e).n == 1 &&
	    span_eq(cache_opts(e), opts);
}

/* What the cache has lost was used before all that it has: who was evicted is
 * removed from the model. */
static void
check_all(void)
{
	uint64_t oldest = UINT64_MAX, last = UINT64_MAX;
	size_t octets = 0, entries = 0, rings = 0;
	bool found[KEYS] = { false };

	for (struct list *l = cache.lru.next; l != &cache.lru; l = l->next) {
		struct cache_entry *e =
		    CONTAINER_OF(l, struct cache_entry, lru);
		uint32_t n;

		memcpy(&n, e->octets, sizeof(n));
		ck_assert_uint_lt(n, KEYS);
		ck_assert(model[n].there && as_expected(&model[n], e));
		ck_assert_uint_lt(model[n].used, last);
		oldest = last = model[n].used;
		found[n] = true;
		octets += malloc_usable_size(e) + sizeof(size_t);
		rings += e->first;
		entries++;
	}
	for (unsigned n = 0; n < KEYS; n++) {
		struct cache_entry *e = model[n].held;

		if (model[n].there && !found[n]) {
			ck_assert_uint_lt(model[n].used, oldest);
			model[n].there = false;
		}
		if (e == NULL)
			continue;
		ck_assert(filled(cache_body(e), model[n].held_version,
		    model[n].held_nbody));
		if (!e->linked)
			octets += malloc_usable_size(e) + sizeof(size_t);
	}
	ck_assert_uint_eq(cache.octets, octets);
	ck_assert_uint_eq(cache.keys.count, entries);
	ck_assert_uint_eq(cache.uris.count, rings);
	ck_assert_uint_le(cache_octets(&cache), cache.conf.size);
}

static void
store(unsigned n)
{
	static uint8_t body[BODY_MAX];
	uint8_t buf[32];
	struct coap_key key = key_of(n, buf);
	struct cache_item item = {
		.code = COAP_205,
		.opts = SPAN_LIT("\x41\x01"),
		.max_age = 1 + below(50),
		.client = 1,
	};

	item.body = span_make(body, below(BODY_MAX));
	memset(body, ++versions, sizeof(body));
	ck_assert_ptr_nonnull(cache_store(&cache, &key, &item, now));
	model[n].there = true;
	model[n].version = versions;
	model[n].nbody = item.body.n;
	model[n].max_age = item.max_age;
	model[n].changed = model[n].invalid = false;
	model[n].stored = now;
	model[n].used = ++turn;
}

static struct cache_entry *
find(unsigned n)
{
	uint8_t buf[32];
	struct coap_key key = key_of(n, buf);
	struct cache_entry *e = cache_find(&cache, &key);

	/* Nothing that was never stored, or not any more. */
	if (e != NULL)
		model[n].used = ++turn;
	ck_assert((e != NULL) == model[n].there);
	return e;
}

static void
refresh(unsigned n)
{
	struct coap_msg m = { .code = COAP_203 };
	struct cache_entry *e = find(n);
	bool change = below(2) == 0;

	if (e == NULL)
		return;
	ck_assert(coap_parse_opts(&m, change ?
		SPAN_LIT("\x41\x01\xa1\x09\xd1\x25\x07") :
		SPAN_LIT("\x41\x01\xa1\x09")));
	cache_hold(e);
	ck_assert_ptr_nonnull(cache_refresh(&cache, e, &m, now));
	cache_release(&cache, e);
	model[n].max_age = 9;
	model[n].stored = now;
	model[n].invalid = false;
	model[n].changed |= change;
	model[n].used = ++turn;
}

static void
invalidate(unsigned n)
{
	cache_invalidate(&cache, n / 5);
	for (unsigned i = n / 5 * 5; i < n / 5 * 5 + 5; i++)
		model[i].invalid = true;
}

static void
hold_or_release(unsigned n)
{
	struct cache_entry *e;

	if (model[n].held != NULL) {
		cache_release(&cache, model[n].held);
		model[n].held = NULL;
		return;
	}
	e = find(n);
	if (e == NULL || below(4) != 0)
		return;
	cache_hold(e);
	model[n].held = e;
	model[n].held_version = model[n].version;
	model[n].held_nbody = model[n].nbody;
}

static void
step(void)
{
	unsigned n = below(KEYS), what = below(16);

	now += below(3000);
	if (what < 7)
		store(n);
	else if (what < 10)
		find(n);
	else if (what < 13)
		refresh(n);
	else if (what < 14)
		invalidate(n);
	else
		hold_or_release(n);
}

/* CAC-47: only misses; a find gives what was stored last, or nothing. */
START_TEST(at_random)
{
	static const size_t sizes[] = { 1 << 20, 20000, 12000 };

	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		start(sizes[i], BODY_MAX);
		memset(model, 0, sizeof(model));
		now = 1000;
		for (unsigned k = 0; k < 5000; k++) {
			step();
			check_all();
		}
		/* The sizes do what they are here for. */
		ck_assert((cache.stats.evicted == 0) == (i == 0));
		ck_assert_uint_gt(cache.stats.refreshed, 200);
		ck_assert_uint_gt(cache.stats.invalidated, 200);
		for (unsigned n = 0; n < KEYS; n++)
			if (model[n].held != NULL)
				cache_release(&cache, model[n].held);
		if (i + 1 < UNIT_COUNT(sizes))
			cache_fini(&cache);
	}
}
END_TEST

/* ---- how well ---- */

enum { RESOURCES = 100000, ROOM = 10000, REQUESTS = 400000 };

/* Popularity as Zipf has it: the n-th of all is asked for 1/n as often as the
 * first. */
static uint64_t weight[RESOURCES];

static void
zipf_init(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < RESOURCES; i++) {
		sum += (UINT64_C(1) << 40) / (i + 1);
		weight[i] = sum;
	}
}

static unsigned
zipf(void)
{
	uint64_t x = rand_below(&rnd, weight[RESOURCES - 1]);
	unsigned low = 0, high = RESOURCES - 1;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (x < weight[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* An LRU of exactly ROOM. */
static struct list lru;
static struct list seat[RESOURCES];
static unsigned seated;

static bool
ideal(unsigned n)
{
	bool hit = !list_empty(&seat[n]);

	list_del(&seat[n]);
	list_add_head(&lru, &seat[n]);
	if (!hit && ++seated > ROOM) {
		list_del(lru.prev);
		seated--;
	}
	return hit;
}

static bool
ask(unsigned n)
{
	static const uint8_t body[40];
	uint8_t buf[32];
	struct coap_key key = key_of(n, buf);
	struct cache_item item = {
		.code = COAP_205,
		.body = span_make(body, n % sizeof(body)),
		.max_age = 3600,
		.client = n,
	};

	if (cache_find(&cache, &key) != NULL)
		return true;
	ck_assert_ptr_nonnull(cache_store(&cache, &key, &item, 1000));
	return false;
}

START_TEST(hit_ratio)
{
	unsigned hits = 0, ideal_hits = 0;
	size_t one;

	start(SIZE_MAX, 100);
	for (unsigned i = 0; i < 1000; i++)
		ask(i);
	one = cache.octets / 1000;
	cache_fini(&cache);
	/* And two tables of the next power of two. */
	start(ROOM * one + 2 * 16384 * sizeof(void *), 100);
	zipf_init();
	list_init(&lru);
	for (unsigned i = 0; i < RESOURCES; i++)
		list_init(&seat[i]);
	for (unsigned i = 0; i < REQUESTS; i++) {
		unsigned n = zipf();

		hits += ask(n);
		ideal_hits += ideal(n);
	}
	ck_assert_uint_gt(ideal_hits, REQUESTS / 2);
	ck_assert_msg(hits > ideal_hits / 100 * 95, "%u of %u", hits,
	    ideal_hits);
}
END_TEST

/* ---- how large ---- */

/* What the process has in memory for itself, not mapped from files. */
static size_t
resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t pages = 0, files = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*u %zu %zu", &pages, &files), 2);
	fclose(f);
	return (pages - files) * (size_t)sysconf(_SC_PAGESIZE);
}

/* The allocator of a sanitizer has its own idea of thrift. */
static bool
plain_malloc(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks > 0;
}

enum { LARGEST = 1000000 };

static void
store_distinct(uint32_t n, size_t body_max)
{
	static uint8_t body[LARGEST];
	uint8_t buf[32];
	struct coap_key key = key_of(n, buf);
	struct cache_item item = { .code = COAP_205, .max_age = 60,
		.client = n % 3 };

	item.body = span_make(body, below((unsigned)body_max));
	ck_assert_ptr_nonnull(cache_store(&cache, &key, &item, n));
}

struct load {
	size_t size;		/* of the cache */
	uint32_t count, wave;	/* requests, and those of one body size */
	size_t body_max[5];
	size_t nbody_max;
};

/* CAC-47: different requests do not take more than was said. */
static void
measure(const struct load *load)
{
	bool plain = plain_malloc();
	uint32_t count = load->count;
	size_t most = 0, idle;

	if (!plain && count > 100000)
		count = 100000;
	start(load->size, LARGEST);
	store_distinct(0, 1);
	idle = resident();
	for (uint32_t n = 0; n < count; n++) {
		store_distinct(n,
		    load->body_max[n / load->wave % load->nbody_max]);
		if (cache_octets(&cache) > load->size)
			ck_abort_msg("%zu", cache_octets(&cache));
		if (plain && n % 256 == 0 && resident() > idle + most)
			most = resident() - idle;
	}
	ck_assert_uint_gt(cache_octets(&cache), load->size / 10 * 8);
	ck_assert_msg(most < load->size / 4 * 5, "%zu", most);
}

START_TEST(a_million)
{
	static const struct load load = { 1 << 20, 1000000, 1, { 60 }, 1 };

	measure(&load);
}
END_TEST

START_TEST(any_size)
{
	static const struct load load = { 1 << 20, 300000, 1, { 1000 }, 1 };

	measure(&load);
}
END_TEST

/* Small ones, then large ones, and so on: what is worst for a heap. */
START_TEST(in_waves)
{
	static const struct load load = { 8 << 20, 30000, 3000,
		{ 1, 1000000, 60, 100000, 4000 }, 5 };

	measure(&load);
}
END_TEST

/* Variants of one URI without end: no chain grows with them. */
START_TEST(one_uri)
{
	uint32_t n = 0;

	start(4 << 20, 100);
	while (cache.stats.evicted < 20000) {
		struct coap_key key = { span_make(&n, sizeof(n)),
			siphash(&cache.secret, span_make(&n, sizeof(n))), 7 };
		struct cache_item item = { .code = COAP_205, .max_age = 60 };

		ck_assert_ptr_nonnull(cache_store(&cache, &key, &item, n));
		ck_assert_uint_eq(cache.uris.count, 1);
		n++;
	}
	cache_invalidate(&cache, 7);
	ck_assert_uint_eq(cache.stats.invalidated, cache.keys.count);
}
END_TEST

Suite *
cache_model_suite(void)
{
	Suite *s = suite_create("cache_model");
	TCase *tc = tcase_create("cache_model");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, at_random);
	tcase_add_test(tc, hit_ratio);
	tcase_add_test(tc, a_million);
	tcase_add_test(tc, any_size);
	tcase_add_test(tc, in_waves);
	tcase_add_test(tc, one_uri);
	suite_add_tcase(s, tc);
	return s;
}
