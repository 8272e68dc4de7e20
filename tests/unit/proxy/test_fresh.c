/* Tests of proxy/fresh: what is stored, for how long, and its options. */
#include "proxy/fresh.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "fixture.h"
#include "suites.h"
#include "unit.h"

static uint8_t space[4096];

/* CAC-09, CAC-10, CAC-16, PRX-41, PRX-32. */
START_TEST(use)
{
	static const struct {
		const char *request;
		enum fresh_use use;
	} rows[] = {
		{ "CON GET", FRESH_LOOKUP },
		{ "NON GET Uri-Path=\"t\" Accept=50", FRESH_LOOKUP },
		{ "CON FETCH Content-Format=60 payload=\"q\"", FRESH_LOOKUP },
		{ "CON GET ETag=01 Observe=0 Block2=1/0/64", FRESH_LOOKUP },
		{ "CON GET opt65000=\"x\" opt65001=\"x\" opt65020=\"x\"",
			FRESH_LOOKUP },
		{ "CON GET Hop-Limit=3 Request-Tag=01", FRESH_LOOKUP },
		{ "CON GET Echo=01", FRESH_STORE },
		{ "CON FETCH Echo=01 payload=\"q\"", FRESH_STORE },
		{ "CON POST", FRESH_PASS },
		{ "CON PUT", FRESH_PASS },
		{ "CON DELETE", FRESH_PASS },
		{ "CON PATCH", FRESH_PASS },
		{ "CON iPATCH", FRESH_PASS },
		{ "CON 0.08", FRESH_PASS },
		{ "CON GET If-Match=01", FRESH_PASS },
		{ "CON GET If-None-Match", FRESH_PASS },
		{ "CON FETCH OSCORE=09 payload=\"q\"", FRESH_PASS },
		{ "CON GET EDHOC Echo=01", FRESH_PASS },
		{ "CON GET opt65002=\"x\"", FRESH_PASS },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].request);

		ck_assert_msg(fresh_use(&m) == rows[i].use, "%s",
		    rows[i].request);
	}
}
END_TEST

/* CAC-08, CAC-13, CAC-15: every code there can be. */
START_TEST(codes)
{
	static const char never[] = "4.01 4.08 4.12 4.13 5.08 ";

	for (unsigned code = 0; code < 256; code++) {
		struct coap_msg m = { .code = (uint8_t)code };
		char text[8], word[12];
		bool ok = code == COAP_205 || code >> 5 == 4 || code >> 5 == 5;

		snprintf(word, sizeof(word), "%s ",
		    coap_code_str((uint8_t)code, text));
		if (strstr(never, word) != NULL)
			ok = false;
		ck_assert_msg(fresh_storable(&m, false) == ok, "%s", word);
		if (code == COAP_402)
			ok = false;
		ck_assert_msg(fresh_storable(&m, true) == ok, "%s", word);
	}
}
END_TEST

/* CAC-11, CAC-14, CAC-15. */
START_TEST(responses)
{
	static const struct {
		const char *response;
		bool ok;
	} rows[] = {
		{ "ACK 2.05 payload=\"v\"", true },
		{ "ACK 2.05 Max-Age=1", true },
		{ "ACK 2.05 Max-Age=0xffffffff", true },
		{ "ACK 2.05 Max-Age=0", false },
		{ "ACK 2.05 Max-Age=0x0000", false },
		{ "ACK 2.05 ETag=01 Content-Format=50 Size2=9", true },
		{ "ACK 2.05 Observe=7 Block2=0/0/64", true },
		{ "ACK 2.05 opt65000=\"x\" opt65001=\"x\"", true },
		{ "ACK 2.05 opt65002=\"x\"", false },
		{ "ACK 2.05 Echo=01", false },
		{ "ACK 2.05 OSCORE=09", false },
		{ "ACK 2.05 Location-Path=\"a\"", false },
		{ "ACK 2.05 Location-Query=\"a\"", false },
		{ "ACK 2.05 opt128=\"a\"", false },
		{ "ACK 2.05 opt140=\"a\"", false },
		{ "ACK 4.04", true },
		{ "ACK 4.04 Max-Age=0", false },
		{ "ACK 4.04 Echo=01", false },
		{ "ACK 5.03 Max-Age=9", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].response);

		ck_assert_msg(fresh_storable(&m, false) == rows[i].ok, "%s",
		    rows[i].response);
	}
}
END_TEST

/* CAC-11: 60 s by default, up to 2^32 - 1, no overflow. CAC-18: rounded up. */
START_TEST(ages)
{
	static const struct {
		uint64_t stored, now;
		uint32_t age;
	} spans[] = {
		{ 0, 0, 0 }, { 0, 1, 1 }, { 0, 999, 1 }, { 0, 1000, 1 },
		{ 0, 1001, 2 }, { 5000, 9500, 5 }, { 5000, 4999, 0 },
		{ 0, UINT64_C(4294967294) * 1000, 4294967294 },
		{ 0, UINT64_C(4294967295) * 1000, 4294967295 },
		{ 0, UINT64_C(4294967295) * 1000 + 1, 4294967295 },
		{ 0, UINT64_MAX, 4294967295 }, { UINT64_MAX, 0, 0 },
	};
	static const struct {
		const char *response;
		uint32_t max_age;
	} rows[] = {
		{ "ACK 2.05", 60 }, { "ACK 2.05 Max-Age=0", 0 },
		{ "ACK 2.05 Max-Age=60", 60 },
		{ "ACK 2.05 Max-Age=0x0001", 1 },
		{ "ACK 2.05 Max-Age=0xffffffff", 4294967295 },
	};

	for (size_t i = 0; i < UNIT_COUNT(spans); i++)
		ck_assert_uint_eq(fresh_age(spans[i].stored, spans[i].now),
		    spans[i].age);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].response);

		ck_assert_uint_eq(fresh_max_age(&m), rows[i].max_age);
	}
	ck_assert_uint_eq(fresh_left(5, 0), 5);
	ck_assert_uint_eq(fresh_left(5, 5), 0);
	ck_assert_uint_eq(fresh_left(5, 6), 0);
	ck_assert_uint_eq(fresh_left(0, UINT32_MAX), 0);
	ck_assert_uint_eq(fresh_left(UINT32_MAX, 1), UINT32_MAX - 1);
}
END_TEST

static struct span
stored_form(const char *response)
{
	static uint8_t stored[2048];
	struct writer w = writer_make(stored, sizeof(stored));
	struct coap_msg m = message(response);

	ck_assert(fresh_put_stored(&m, &w));
	return writer_span(&w);
}

/* CAC-21, CAC-24, CAC-35: what stays of a response. */
START_TEST(stays)
{
	static const struct {
		const char *response, *stored;
	} rows[] = {
		{ "ACK 2.05", "2.05" },
		{ "ACK 2.05 ETag=0001 Content-Format=50 opt65000=\"x\" "
		  "opt65000=\"y\" opt65001=\"z\"",
			"2.05 ETag=0001 Content-Format=50 opt65000=78 "
			"opt65000=79 opt65001=7a" },
		{ "ACK 2.05 Observe=7 Content-Format=0 Max-Age=9 "
		  "Block2=0/1/64 Block1=3/0/64 Size2=300 Size1=5 Echo=01",
			"2.05 Content-Format=0 Size1=5" },
		{ "ACK 2.05 ETag=01 ETag=02 ETag=03", "2.05 ETag=01" },
		/* An ETag that is none, and one behind it (MSG-18). */
		{ "ACK 2.05 ETag=0x010203040506070809", "2.05" },
		{ "ACK 2.05 ETag=0x010203040506070809 ETag=02", "2.05" },
		{ "ACK 2.05 Size2=1 Size2=2 opt65000=\"x\"",
			"2.05 opt65000=78" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_str_eq(dump(COAP_205, stored_form(rows[i].response),
				     span_make(NULL, 0)), rows[i].stored);
}
END_TEST

/* PRX-85: who observes gets Echo as well; the rest is as it is stored. */
START_TEST(kept)
{
	static const struct {
		const char *response, *kept;
	} rows[] = {
		{ "ACK 2.05", "2.05" },
		{ "ACK 2.05 ETag=01 ETag=02 Observe=7 Content-Format=0 "
		  "Max-Age=9 Block2=0/1/64 Size2=300 Echo=01 "
		  "opt65000=\"x\"",
			"2.05 ETag=01 Content-Format=0 Echo=01 opt65000=78" },
		{ "ACK 4.01 Max-Age=0 Echo=0102", "2.05 Echo=0102" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].response);
		struct writer w = writer_make(space, sizeof(space));

		ck_assert(fresh_put_kept(&m, &w));
		ck_assert_str_eq(dump(COAP_205, writer_span(&w),
				     span_make(NULL, 0)), rows[i].kept);
		/* No octet more is needed, and none less does. */
		w = writer_make(space, writer_len(&w));
		ck_assert(fresh_put_kept(&m, &w));
		if (writer_len(&w) == 0)
			continue;
		w = writer_make(space, writer_len(&w) - 1);
		ck_assert(!fresh_put_kept(&m, &w));
	}
}
END_TEST

/* CAC-27: replaced by type; CAC-28: the rest stays, and the ETag. */
START_TEST(updated)
{
	static const struct {
		const char *stored, *valid, *updated;
		bool updates;
	} rows[] = {
		{ "ACK 2.05 ETag=01 Content-Format=50", "ACK 2.03 ETag=01",
			"2.05 ETag=01 Content-Format=50", false },
		{ "ACK 2.05 ETag=01 Content-Format=50",
			"ACK 2.03 ETag=01 Observe=3 Max-Age=9",
			"2.05 ETag=01 Content-Format=50", false },
		{ "ACK 2.05 ETag=01 Content-Format=50 opt65000=\"x\" "
		  "opt65000=\"y\" opt65001=\"u\"",
			"ACK 2.03 ETag=01 Max-Age=9 opt65000=\"z\"",
			"2.05 ETag=01 Content-Format=50 opt65000=7a "
			"opt65001=75", true },
		{ "ACK 2.05 ETag=01 opt65000=\"x\" opt65032=\"v\"",
			"ACK 2.03 ETag=01 Content-Format=50 opt65000=\"x\" "
			"opt65000=\"y\" opt65040=\"w\"",
			"2.05 ETag=01 Content-Format=50 opt65000=78 "
			"opt65000=79 opt65032=76 opt65040=77", true },
		{ "ACK 2.05", "ACK 2.03 ETag=01 opt65000=\"x\"",
			"2.05 opt65000=78", true },
		{ "ACK 2.05 ETag=01 opt65000=\"x\"",
			"ACK 2.03 ETag=01 Location-Path=\"a\" Size2=3 "
			"Echo=01", "2.05 ETag=01 opt65000=78", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct span old = stored_form(rows[i].stored);
		struct coap_msg m = message(rows[i].valid);
		struct writer w = writer_make(space, sizeof(space));

		ck_assert(fresh_updates(&m) == rows[i].updates);
		ck_assert(fresh_put_updated(old, &m, &w));
		ck_assert_str_eq(dump(COAP_205, writer_span(&w),
				     span_make(NULL, 0)), rows[i].updated);
		if (!rows[i].updates)
			ck_assert(span_eq(writer_span(&w), old));
	}
}
END_TEST

/* CAC-17: Max-Age unless it is the default, in its place. */
START_TEST(answer)
{
	static const struct {
		const char *stored;
		struct fresh_extra x;
		const char *answer;
	} rows[] = {
		{ "ACK 2.05", { .max_age = 60 }, "2.05" },
		{ "ACK 2.05", { .max_age = 59 }, "2.05 Max-Age=59" },
		{ "ACK 2.05", { .max_age = 0 }, "2.05 Max-Age=0" },
		{ "ACK 2.05 ETag=01 Content-Format=50",
			{ .max_age = UINT32_MAX },
			"2.05 ETag=01 Content-Format=50 Max-Age=4294967295" },
		{ "ACK 2.05 ETag=01 opt65000=\"x\" opt65000=\"y\"",
			{ .max_age = 9 },
			"2.05 ETag=01 Max-Age=9 opt65000=78 opt65000=79" },
		{ "ACK 2.05 ETag=01 opt65000=\"x\" opt65000=\"y\"",
			{ .max_age = 60 },
			"2.05 ETag=01 opt65000=78 opt65000=79" },
		/* BLK-09, BLK-18, BLK-24. */
		{ "ACK 2.05 Content-Format=50 Size1=7",
			{ .max_age = 9, .block2 = 0x1e, .block1 = 0x26,
			    .size2 = 300,
			    .etag = { (const uint8_t *)"\1\2", 2 },
			    .has = FRESH_HAS_BLOCK2 | FRESH_HAS_BLOCK1 |
				FRESH_HAS_SIZE2 },
			"2.05 ETag=0102 Content-Format=50 Max-Age=9 "
			"Block2=1/1/1024 Block1=2/0/1024 Size2=300 Size1=7" },
		{ "ACK 2.05 ETag=01 Content-Format=50 opt65000=\"x\"",
			{ .max_age = 60, .observe = 5, .block2 = 0,
			    .has = FRESH_HAS_OBSERVE | FRESH_HAS_BLOCK2 },
			"2.05 ETag=01 Observe=5 Content-Format=50 "
			"Block2=0/0/16 opt65000=78" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct span old = stored_form(rows[i].stored);
		struct writer w = writer_make(space, sizeof(space));
		size_t n;

		ck_assert(fresh_put_answer(old, &rows[i].x, &w));
		ck_assert_str_eq(dump(COAP_205, writer_span(&w),
				     span_make(NULL, 0)), rows[i].answer);
		n = writer_len(&w);
		for (size_t cap = 0; cap < n; cap++) {
			uint8_t *exact = malloc(cap);

			w = writer_make(exact, cap);
			ck_assert(!fresh_put_answer(old, &rows[i].x, &w));
			free(exact);
		}
	}
	/* CAC-22: nothing stored but the ETag is said. */
	{
		struct fresh_extra x = { .max_age = 9,
			.etag = SPAN_LIT("\1") };
		struct writer w = writer_make(space, sizeof(space));

		ck_assert(fresh_put_answer(span_make(NULL, 0), &x, &w));
		ck_assert_str_eq(dump(COAP_203, writer_span(&w),
				     span_make(NULL, 0)),
		    "2.03 ETag=01 Max-Age=9");
	}
}
END_TEST

/* Options of any number and length that may be stored. */
static struct span
random_stored(struct rand *r, uint8_t *buf, size_t cap, size_t max)
{
	static const uint16_t gaps[] = { 0, 1, 2, 3, 8, 12, 13, 14, 40, 268,
		269, 270, 3000 };
	static const uint8_t value[300];
	struct writer w = writer_make(buf, cap);
	struct coap_optw o = coap_optw(&w);
	struct coap_msg m = { .code = COAP_205 };
	struct writer stored = writer_make(buf + cap, cap);
	size_t n = rand_below(r, max);

	for (size_t i = 0; i < n; i++) {
		size_t gap = gaps[rand_below(r, UNIT_COUNT(gaps))];

		coap_put_opt(&o, (uint16_t)(o.last + gap),
		    span_make(value, rand_below(r, 8) == 0 ?
			    rand_below(r, sizeof(value)) : rand_below(r, 5)));
	}
	ck_assert(!w.full);
	ck_assert(coap_parse_opts(&m, writer_span(&w)));
	ck_assert(fresh_put_stored(&m, &stored));
	return writer_span(&stored);
}

struct opt {
	uint16_t number;
	struct span value;
};

/* The plain way: a list, into which each option is put behind those that have
 * its number or a lower one. */
struct list_of_opts {
	struct opt v[64];
	size_t n;
};

static void
list_put(struct list_of_opts *l, uint16_t number, struct span value)
{
	size_t i = l->n++;

	for (; i > 0 && l->v[i - 1].number > number; i--)
		l->v[i] = l->v[i - 1];
	l->v[i] = (struct opt){ number, value };
}

static void
list_put_uint(struct list_of_opts *l, uint16_t number, uint32_t *v)
{
	size_t n = 4;

	while (n > 0 && *v >> (8 * n - 8) == 0)
		n--;
	*v = htobe32(*v);
	list_put(l, number, span_make((uint8_t *)v + 4 - n, n));
}

static void
put_slowly(struct span stored, struct fresh_extra x, struct writer *w)
{
	struct coap_msg m = { .code = COAP_205 };
	struct coap_optw o = coap_optw(w);
	struct list_of_opts l = { .n = 0 };
	struct coap_opt_iter it;

	ck_assert(coap_parse_opts(&m, stored));
	coap_opts(&it, &m);
	while (coap_opts_next(&it))
		list_put(&l, it.number, it.value);
	if (x.etag.n > 0)
		list_put(&l, COAP_OPT_ETAG, x.etag);
	if ((x.has & FRESH_HAS_SIZE2) != 0)
		list_put_uint(&l, COAP_OPT_SIZE2, &x.size2);
	if ((x.has & FRESH_HAS_BLOCK1) != 0)
		list_put_uint(&l, COAP_OPT_BLOCK1, &x.block1);
	if ((x.has & FRESH_HAS_BLOCK2) != 0)
		list_put_uint(&l, COAP_OPT_BLOCK2, &x.block2);
	if ((x.has & FRESH_HAS_OBSERVE) != 0)
		list_put_uint(&l, COAP_OPT_OBSERVE, &x.observe);
	if (x.max_age != FRESH_DEFAULT)
		list_put_uint(&l, COAP_OPT_MAX_AGE, &x.max_age);
	for (size_t i = 0; i < l.n; i++)
		coap_put_opt(&o, l.v[i].number, l.v[i].value);
}

START_TEST(answers_at_random)
{
	static uint8_t buf[2 * 8192], slow[8192], quick[8192];
	struct rand r;

	rand_init_fixed(&r, 1);
	for (unsigned i = 0; i < 20000; i++) {
		struct span old = random_stored(&r, buf, 8192, 8);
		uint64_t v = rand_u64(&r);
		struct fresh_extra x = {
			.max_age = (v & 3) == 0 ? 60 : (uint32_t)(v >> 32),
			.has = v >> 2 & 15,
			.observe = v >> 8 & 0xffffff,
			.block2 = v >> 16 & 0xffffff,
			.block1 = v >> 24 & 0xffffff,
			.size2 = v >> 32 & 0xffffff,
			.etag = span_make(&v, v >> 6 & 7),
		};
		struct writer ws = writer_make(slow, sizeof(slow));
		struct writer wq = writer_make(quick, sizeof(quick));

		put_slowly(old, x, &ws);
		ck_assert(fresh_put_answer(old, &x, &wq));
		ck_assert(!ws.full);
		ck_assert_msg(span_eq(writer_span(&ws), writer_span(&wq)),
		    "run %u", i);
	}
}
END_TEST

Suite *
fresh_suite(void)
{
	Suite *s = suite_create("fresh");
	TCase *tc = tcase_create("fresh");

	tcase_add_checked_fixture(tc, NULL, fixture_free);
	tcase_add_test(tc, use);
	tcase_add_test(tc, codes);
	tcase_add_test(tc, responses);
	tcase_add_test(tc, ages);
	tcase_add_test(tc, stays);
	tcase_add_test(tc, kept);
	tcase_add_test(tc, updated);
	tcase_add_test(tc, answer);
	tcase_add_test(tc, answers_at_random);
	suite_add_tcase(s, tc);
	return s;
}
