#include "proxy/collect.h"

#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

/* What C says to the response TEXT: "ask 1/64", "done: BODY", or why not. */
static const char *
feed(struct collect *c, const char *text)
{
	static char out[512];
	struct coap_msg m = message(text);

	switch (collect_feed(c, &m)) {
	case COLLECT_ASK:
		ck_assert(!c->ask.more);
		snprintf(out, sizeof(out), "ask %u/%u", (unsigned)c->ask.num,
		    (unsigned)coap_block_size(&c->ask));
		break;
	case COLLECT_DONE:
		snprintf(out, sizeof(out), "done: %.*s", (int)c->len,
		    c->len > 0 ? (const char *)c->body : "");
		break;
	case COLLECT_FAILED:
		snprintf(out, sizeof(out), "%s", collect_fail_str(c->why));
		break;
	}
	return out;
}

/* Rows of responses to one request after the other; a row without response
 * begins a new body. */
struct row {
	const char *response, *want;
};

static void
run(const struct row *v, size_t n, size_t max, uint8_t szx)
{
	struct collect c;

	collect_init(&c, max, szx);
	for (size_t i = 0; i < n; i++) {
		if (v[i].response != NULL) {
			ck_assert_str_eq(feed(&c, v[i].response), v[i].want);
			continue;
		}
		collect_fini(&c);
		collect_init(&c, max, szx);
		ck_assert_uint_eq(c.ask.num, 0);
		ck_assert_uint_eq(c.ask.szx, szx);
	}
	collect_fini(&c);
	fixture_free();
}

#define RUN(rows, max, szx) run(rows, UNIT_COUNT(rows), max, szx)
#define A16 "payload=16x\"a\""
#define B16 "payload=16x\"b\""

START_TEST(whole)
{
	static const struct row v[] = {
		{ "ACK 2.05 payload=\"hi\"", "done: hi" },
		{ NULL, NULL },
		{ "ACK 2.05", "done: " },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/0/16 payload=\"hi\"", "done: hi" },
		{ NULL, NULL },
		{ "ACK 4.04 payload=\"no\"", "done: no" },
	};

	RUN(v, 100, 6);
}
END_TEST

START_TEST(block_by_block)
{
	static const struct row v[] = {
		{ "ACK 2.05 ETag=01 Content-Format=40 Block2=0/1/16 " A16,
			"ask 1/16" },
		{ "ACK 2.05 ETag=01 Content-Format=40 Block2=1/1/16 " B16,
			"ask 2/16" },
		{ "ACK 2.05 ETag=01 Content-Format=40 Block2=2/0/16 "
		  "payload=\"c\"",
			"done: aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbc" },
		{ NULL, NULL },
		/* A last block without anything in it does no harm. */
		{ "ACK 2.05 Block2=0/1/16 " A16, "ask 1/16" },
		{ "ACK 2.05 Block2=1/0/16", "done: aaaaaaaaaaaaaaaa" },
	};

	RUN(v, 100, 6);
}
END_TEST

/* RFC 7959 2.4: smaller at any time, counted anew; never larger. */
START_TEST(other_sizes)
{
	static const struct row v[] = {
		{ "ACK 2.05 Block2=0/1/32 payload=32x\"a\"", "ask 1/32" },
		{ "ACK 2.05 Block2=2/1/16 " B16, "ask 3/16" },
		{ "ACK 2.05 Block2=3/0/16 payload=\"c\"",
			"done: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbc"
		},
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 " A16, "ask 1/16" },
		{ "ACK 2.05 Block2=1/0/32 payload=\"c\"",
			"not the block asked for" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/64 payload=64x\"a\"",
			"not the block asked for" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/0/2048 payload=\"a\"",
			"not the block asked for" },
	};

	RUN(v, 100, 1);
}
END_TEST

START_TEST(gaps)
{
	static const struct row v[] = {
		{ "ACK 2.05 Block2=1/0/16 payload=\"c\"",
			"not the block asked for" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 " A16, "ask 1/16" },
		{ "ACK 2.05 Block2=0/1/16 " A16, "not the block asked for" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 " A16, "ask 1/16" },
		{ "ACK 2.05 Block2=2/1/16 " A16, "not the block asked for" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 " A16, "ask 1/16" },
		{ "ACK 2.05 payload=\"all\"", "not the block asked for" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 payload=\"short\"",
			"block of a wrong length" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 payload=17x\"a\"",
			"block of a wrong length" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/0/16 payload=17x\"a\"",
			"block of a wrong length" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16", "block of a wrong length" },
	};

	RUN(v, 100, 6);
}
END_TEST

START_TEST(changes)
{
	static const char first[] =
	    "ACK 2.05 ETag=01 Content-Format=40 Block2=0/1/16 " A16;
	static const struct row v[] = {
		{ first, "ask 1/16" },
		{ "ACK 2.05 ETag=02 Content-Format=40 Block2=1/0/16 "
		  "payload=\"x\"", "changed between blocks" },
		{ NULL, NULL },
		{ first, "ask 1/16" },
		{ "ACK 2.05 Content-Format=40 Block2=1/0/16 payload=\"x\"",
			"changed between blocks" },
		{ NULL, NULL },
		{ first, "ask 1/16" },
		{ "ACK 2.05 ETag=01 Block2=1/0/16 payload=\"x\"",
			"changed between blocks" },
		{ NULL, NULL },
		{ first, "ask 1/16" },
		{ "ACK 2.05 ETag=01 Content-Format=0 Block2=1/0/16 "
		  "payload=\"x\"", "changed between blocks" },
		{ NULL, NULL },
		{ first, "ask 1/16" },
		{ "ACK 4.04 ETag=01 Content-Format=40 Block2=1/0/16 "
		  "payload=\"x\"", "changed between blocks" },
		{ NULL, NULL },
		{ "ACK 2.05 Content-Format=0 Block2=0/1/16 " A16, "ask 1/16" },
		{ "ACK 2.05 Block2=1/0/16 payload=\"x\"",
			"changed between blocks" },
	};

	RUN(v, 100, 6);
}
END_TEST

START_TEST(limits)
{
	static const struct row v[] = {
		{ "ACK 2.05 payload=33x\"a\"", "too large" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 Size2=33 " A16, "too large" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 Size2=32 " A16, "ask 1/16" },
		{ "ACK 2.05 Block2=1/1/16 " B16, "ask 2/16" },
		{ "ACK 2.05 Block2=2/0/16 payload=\"c\"", "too large" },
		{ NULL, NULL },
		{ "ACK 2.05 Block2=0/1/16 " A16, "ask 1/16" },
		{ "ACK 2.05 Block2=1/0/16 " B16,
			"done: aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb" },
	};

	RUN(v, 32, 6);
}
END_TEST

/* NUM has 20 bits: what does not fit is not asked for. */
START_TEST(last_number)
{
	struct coap_msg m = message("ACK 2.05 Block2=0/1/16 " A16);
	static const uint8_t last[] = { 0xff, 0xff, 0xf8 };
	uint8_t space[32];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct collect c;
	size_t len = (size_t)COAP_BLOCK_NUM_MAX * 16;

	collect_init(&c, len + 64, 0);
	ck_assert_int_eq(collect_feed(&c, &m), COLLECT_ASK);
	/* As if all blocks before the last had come. */
	c.body = realloc(c.body, len + 64);
	ck_assert_ptr_nonnull(c.body);
	c.room = len + 64;
	c.len = len;
	coap_put_opt(&o, COAP_OPT_BLOCK2, span_make(last, sizeof(last)));
	ck_assert(coap_parse_opts(&m, writer_span(&w)));
	ck_assert_int_eq(collect_feed(&c, &m), COLLECT_FAILED);
	ck_assert_int_eq(c.why, COLLECT_TOO_LARGE);
	collect_fini(&c);
	fixture_free();
}
END_TEST

/* Once more from the beginning. */
START_TEST(again)
{
	struct collect c;

	collect_init(&c, 100, 0);
	ck_assert_str_eq(feed(&c, "ACK 2.05 ETag=01 Block2=0/1/16 " A16),
	    "ask 1/16");
	ck_assert_str_eq(feed(&c, "ACK 2.05 ETag=02 Block2=1/0/16 "
	    "payload=\"x\""), "changed between blocks");
	collect_reset(&c, 0);
	ck_assert_uint_eq(c.ask.num, 0);
	ck_assert_str_eq(feed(&c, "ACK 2.05 ETag=02 Block2=0/1/16 " B16),
	    "ask 1/16");
	ck_assert_str_eq(feed(&c, "ACK 2.05 ETag=02 Block2=1/0/16 "
	    "payload=\"x\""), "done: bbbbbbbbbbbbbbbbx");
	collect_fini(&c);
	ck_assert_ptr_null(c.body);
	fixture_free();
}
END_TEST

Suite *
collect_suite(void)
{
	Suite *s = suite_create("collect");
	TCase *tc = tcase_create("collect");

	tcase_add_test(tc, whole);
	tcase_add_test(tc, block_by_block);
	tcase_add_test(tc, other_sizes);
	tcase_add_test(tc, gaps);
	tcase_add_test(tc, changes);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, last_number);
	tcase_add_test(tc, again);
	suite_add_tcase(s, tc);
	return s;
}
