/* What becomes of which block; for limits see test_upload_bounds.c. */
#include "proxy/upload.h"

#include <stdio.h>

#include "blocks.h"
#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000 };

static struct uploads uploads;
static struct rand rnd;
static struct addr local;

static void
start(uint8_t szx)
{
	struct upload_conf conf = { .max_body = 2000, .max_total = 100000,
		.max_transfers = 100, .lifetime = 247000, .szx = szx };

	ck_assert(uploads_init(&uploads, &conf, &rnd));
}

static void
setup(void)
{
	rand_init_fixed(&rnd, 1);
	local = address("192.0.2.1", 5683);
	start(6);
}

static void
teardown(void)
{
	uploads_fini(&uploads);
	fixture_free();
}

static enum upload_step
feed(uint16_t port, const char *request, struct upload_result *out)
{
	struct addr client = address("192.0.2.101", port);
	struct upload_from from = { &client, &local, 0, 0 };
	struct coap_msg m = message(request);

	return upload_feed(&uploads, &from, &m, NOW, out);
}

/* A block, and what comes of it. */
struct step {
	uint16_t port;		/* of the client */
	const char *request;	/* behind "CON PUT Uri-Path="t"" */
	enum upload_step want;
	const char *block;	/* Block1 of the answer */
	const char *body;	/* as block_runs() has it, if it is complete */
};

static void
run_step(const struct step *s, size_t i)
{
	struct upload_result out;
	char request[256], block[32];
	enum upload_step step;

	snprintf(request, sizeof(request), "CON PUT Uri-Path=\"t\" %s",
	    s->request);
	step = feed(s->port, request, &out);
	ck_assert_msg(step == s->want, "step %zu: %d", i, (int)step);
	snprintf(block, sizeof(block), "%u/%d/%u", (unsigned)out.block.num,
	    out.block.more, (unsigned)coap_block_size(&out.block));
	ck_assert_msg(strcmp(block, s->block) == 0, "step %zu: %s", i, block);
	ck_assert_msg((step == UPLOAD_DONE) == (s->body != NULL), "step %zu",
	    i);
	if (step != UPLOAD_DONE) {
		ck_assert_ptr_null(out.body);
		return;
	}
	ck_assert_msg(strcmp(block_runs(out.body, out.n), s->body) == 0,
	    "step %zu: %s", i, block_runs(out.body, out.n));
	upload_release(&uploads, out.body, out.n);
}

#define RUN(steps)                                      \
	for (size_t i_ = 0; i_ < UNIT_COUNT(steps); i_++) \
		run_step(&(steps)[i_], i_)

#define LEFT(n) ck_assert_uint_eq(uploads.table.count, (n))

/* BLK-23, BLK-24: 2.31 for each block but the last, which completes it. */
START_TEST(blk_23_whole_body)
{
	static const struct step steps[] = {
		{ 1, "Block1=0/1/64 payload=64x\"a\"", UPLOAD_CONTINUE,
		    "0/1/64", NULL },
		{ 1, "Block1=1/1/64 payload=64x\"b\"", UPLOAD_CONTINUE,
		    "1/1/64", NULL },
		{ 1, "Block1=2/0/64 payload=10x\"c\"", UPLOAD_DONE,
		    "2/0/64", "a64 b64 c10" },
		/* Over: what comes now belongs to nothing. */
		{ 1, "Block1=2/0/64 payload=10x\"c\"", UPLOAD_INCOMPLETE,
		    "2/0/64", NULL },
	};

	RUN(steps);
	LEFT(0);
	ck_assert_uint_eq(uploads.octets + uploads.held, 0);
	ck_assert_uint_eq(uploads.stats.started, 1);
	ck_assert_uint_eq(uploads.stats.finished, 1);
	ck_assert_uint_eq(uploads.stats.refused, 1);
}
END_TEST

/* BLK-04, BLK-06: one block that is the first and the last; a last one of any
 * length, none and more than a block included. */
START_TEST(blk_04_single_and_last)
{
	static const struct step steps[] = {
		{ 1, "Block1=0/0/16 payload=\"a\"", UPLOAD_DONE, "0/0/16",
		    "a1" },
		{ 1, "Block1=0/0/16", UPLOAD_DONE, "0/0/16", "" },
		{ 1, "Block1=0/0/16 payload=40x\"a\"", UPLOAD_DONE, "0/0/16",
		    "a40" },
		{ 1, "Block1=0/1/16 payload=16x\"a\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 1, "Block1=1/0/16", UPLOAD_DONE, "1/0/16", "a16" },
		{ 1, "Block1=0/1/16 payload=16x\"a\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 1, "Block1=1/0/16 payload=40x\"b\"", UPLOAD_DONE, "1/0/16",
		    "a16 b40" },
		/* It replaces what had begun. */
		{ 1, "Block1=0/1/16 payload=16x\"a\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 1, "Block1=0/0/16 payload=\"b\"", UPLOAD_DONE, "0/0/16",
		    "b1" },
	};

	RUN(steps);
	LEFT(0);
}
END_TEST

/* BLK-25: we ask for less, and take the next block by the number it has then,
 * or as large as before. */
START_TEST(blk_25_smaller_blocks)
{
	static const struct step steps[] = {
		{ 1, "Block1=0/1/128 payload=128x\"a\"", UPLOAD_CONTINUE,
		    "0/1/32", NULL },
		{ 1, "Block1=4/1/32 payload=32x\"b\"", UPLOAD_CONTINUE,
		    "4/1/32", NULL },
		{ 1, "Block1=10/1/16 payload=16x\"c\"", UPLOAD_CONTINUE,
		    "10/1/16", NULL },
		{ 1, "Block1=11/0/16 payload=\"d\"", UPLOAD_DONE, "11/0/16",
		    "a128 b32 c16 d1" },
		{ 1, "Block1=0/1/128 payload=128x\"a\"", UPLOAD_CONTINUE,
		    "0/1/32", NULL },
		{ 1, "Block1=1/0/128 payload=\"b\"", UPLOAD_DONE, "1/0/32",
		    "a128 b1" },
	};

	uploads_fini(&uploads);
	start(1);
	RUN(steps);
}
END_TEST

/* BLK-26: a gap, a last block alone; what was there goes on. */
START_TEST(blk_26_gaps)
{
	static const struct step steps[] = {
		{ 1, "Block1=3/0/64 payload=\"x\"", UPLOAD_INCOMPLETE,
		    "3/0/64", NULL },
		{ 1, "Block1=1/1/16 payload=16x\"x\"", UPLOAD_INCOMPLETE,
		    "1/0/16", NULL },
		{ 1, "Block1=0/1/16 payload=16x\"a\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 1, "Block1=2/1/16 payload=16x\"x\"", UPLOAD_INCOMPLETE,
		    "2/0/16", NULL },
		{ 1, "Block1=2/0/16 payload=\"x\"", UPLOAD_INCOMPLETE,
		    "2/0/16", NULL },
		/* The number is right, its place is not. */
		{ 1, "Block1=1/1/32 payload=32x\"x\"", UPLOAD_INCOMPLETE,
		    "1/0/32", NULL },
		{ 1, "Block1=1/1/16 payload=16x\"b\"", UPLOAD_CONTINUE,
		    "1/1/16", NULL },
		{ 1, "Block1=2/0/16 payload=\"c\"", UPLOAD_DONE, "2/0/16",
		    "a16 b16 c1" },
	};

	RUN(steps);
}
END_TEST

/* BLK-27: the last block once more is answered like the first time and not
 * added; an older one, and one with other octets, cannot be. */
START_TEST(blk_27_repeated_block)
{
	static const struct step steps[] = {
		{ 1, "Block1=0/1/16 payload=16x\"a\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 1, "Block1=1/1/16 payload=16x\"b\"", UPLOAD_CONTINUE,
		    "1/1/16", NULL },
		{ 1, "Block1=1/1/16 payload=16x\"b\"", UPLOAD_CONTINUE,
		    "1/1/16", NULL },
		{ 1, "Block1=1/1/16 payload=16x\"x\"", UPLOAD_INCOMPLETE,
		    "1/0/16", NULL },
		{ 1, "Block1=1/0/16 payload=16x\"b\"", UPLOAD_INCOMPLETE,
		    "1/0/16", NULL },
		{ 1, "Block1=2/1/16 payload=16x\"c\"", UPLOAD_CONTINUE,
		    "2/1/16", NULL },
		{ 1, "Block1=1/1/16 payload=16x\"b\"", UPLOAD_INCOMPLETE,
		    "1/0/16", NULL },
		{ 1, "Block1=2/1/16 payload=16x\"c\"", UPLOAD_CONTINUE,
		    "2/1/16", NULL },
		{ 1, "Block1=3/0/16 payload=\"d\"", UPLOAD_DONE, "3/0/16",
		    "a16 b16 c16 d1" },
	};

	RUN(steps);
}
END_TEST

/* BLK-28: block 0 begins anew. */
START_TEST(blk_28_block_0_again)
{
	static const struct step steps[] = {
		{ 1, "Block1=0/1/16 payload=16x\"a\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 1, "Block1=1/1/16 payload=16x\"b\"", UPLOAD_CONTINUE,
		    "1/1/16", NULL },
		{ 1, "Block1=0/1/16 payload=16x\"c\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 1, "Block1=2/0/16 payload=\"x\"", UPLOAD_INCOMPLETE,
		    "2/0/16", NULL },
		{ 1, "Block1=1/1/16 payload=16x\"d\"", UPLOAD_CONTINUE,
		    "1/1/16", NULL },
		{ 1, "Block1=2/0/16 payload=\"e\"", UPLOAD_DONE, "2/0/16",
		    "c16 d16 e1" },
	};

	RUN(steps);
	LEFT(0);
	ck_assert_uint_eq(uploads.stats.started, 2);
	ck_assert_uint_eq(uploads.stats.dropped, 1);
}
END_TEST

/* BLK-29: one body, one Content-Format. */
START_TEST(blk_29_content_format)
{
	static const struct step steps[] = {
		{ 1, "Content-Format=0 Block1=0/1/16 payload=16x\"a\"",
		    UPLOAD_CONTINUE, "0/1/16", NULL },
		{ 1, "Content-Format=50 Block1=1/0/16 payload=\"x\"",
		    UPLOAD_INCOMPLETE, "1/0/16", NULL },
		{ 1, "Block1=1/0/16 payload=\"x\"", UPLOAD_INCOMPLETE,
		    "1/0/16", NULL },
		{ 1, "Content-Format=0 Block1=1/0/16 payload=\"b\"",
		    UPLOAD_DONE, "1/0/16", "a16 b1" },
	};

	RUN(steps);
}
END_TEST

/* BLK-30: transfers of one client kept apart by their tags, and those of two
 * clients without. */
START_TEST(blk_30_interleaved)
{
	static const struct step steps[] = {
		{ 1, "Block1=0/1/16 Request-Tag=01 payload=16x\"a\"",
		    UPLOAD_CONTINUE, "0/1/16", NULL },
		{ 1, "Block1=0/1/16 Request-Tag=02 payload=16x\"b\"",
		    UPLOAD_CONTINUE, "0/1/16", NULL },
		{ 1, "Block1=0/1/16 payload=16x\"c\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 2, "Block1=0/1/16 payload=16x\"d\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 2, "Block1=1/0/16 payload=\"d\"", UPLOAD_DONE, "1/0/16",
		    "d17" },
		{ 1, "Block1=1/0/16 Request-Tag=02 payload=\"b\"", UPLOAD_DONE,
		    "1/0/16", "b17" },
		{ 1, "Block1=1/0/16 payload=\"c\"", UPLOAD_DONE, "1/0/16",
		    "c17" },
		{ 1, "Block1=1/0/16 Request-Tag=01 payload=\"a\"", UPLOAD_DONE,
		    "1/0/16", "a17" },
	};

	RUN(steps);
}
END_TEST

/* BLK-30: what two blocks may differ in, and what not. */
START_TEST(blk_30_options)
{
	static const struct {
		const char *first, *second;
		bool same;
	} rows[] = {
		{ "PUT Uri-Path=\"t\" Block1=0/1/16",
		    "POST Uri-Path=\"t\" Block1=1/0/16", false },
		{ "PUT Uri-Path=\"t\" Block1=0/1/16",
		    "PUT Uri-Path=\"T\" Block1=1/0/16", false },
		{ "PUT Uri-Path=\"a\" Uri-Path=\"b\" Block1=0/1/16",
		    "PUT Uri-Path=\"b\" Uri-Path=\"a\" Block1=1/0/16", false },
		{ "PUT Uri-Path=\"ab\" Block1=0/1/16",
		    "PUT Uri-Path=\"a\" Uri-Path=\"b\" Block1=1/0/16", false },
		{ "PUT Uri-Host=\"a\" Block1=0/1/16",
		    "PUT Uri-Host=\"b\" Block1=1/0/16", false },
		{ "PUT Uri-Query=\"q\" Block1=0/1/16", "PUT Block1=1/0/16",
		    false },
		{ "PUT Block1=0/1/16 Proxy-Scheme=\"coap\"",
		    "PUT Block1=1/0/16", false },
		{ "PUT If-Match=01 Block1=0/1/16", "PUT Block1=1/0/16",
		    false },
		{ "PUT Hop-Limit=4 Block1=0/1/16",
		    "PUT Hop-Limit=3 Block1=1/0/16", false },
		{ "PUT Block1=0/1/16 No-Response=2", "PUT Block1=1/0/16",
		    false },
		{ "PUT Block1=0/1/16 Request-Tag=", "PUT Block1=1/0/16",
		    false },
		{ "PUT Block1=0/1/16", "PUT Block1=1/0/16 Request-Tag=",
		    false },
		{ "PUT Block1=0/1/16 Request-Tag=01 Request-Tag=02",
		    "PUT Block1=1/0/16 Request-Tag=02 Request-Tag=01", false },
		{ "PUT Block1=0/1/16 Request-Tag=01 Request-Tag=01",
		    "PUT Block1=1/0/16 Request-Tag=01", false },
		{ "PUT Block1=0/1/16 Request-Tag=01 Request-Tag=02",
		    "PUT Block1=1/0/16 Request-Tag=01 Request-Tag=02", true },
		{ "PUT Block1=0/1/16", "PUT Block2=0/0/32 Block1=1/0/16",
		    true },
		{ "PUT Block1=0/1/16 Size1=20", "PUT Block1=1/0/16", true },
		{ "PUT Block1=0/1/16", "PUT Block1=1/0/16 Size2=0", true },
		{ "PUT Block1=0/1/16", "PUT Block1=1/0/16 Echo=0102", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct upload_result out;
		char text[256];
		enum upload_step step;

		snprintf(text, sizeof(text), "CON %s payload=16x\"a\"",
		    rows[i].first);
		ck_assert_int_eq(feed((uint16_t)i, text, &out),
		    UPLOAD_CONTINUE);
		snprintf(text, sizeof(text), "CON %s payload=\"b\"",
		    rows[i].second);
		step = feed((uint16_t)i, text, &out);
		ck_assert_msg(step == (rows[i].same ? UPLOAD_DONE :
					   UPLOAD_INCOMPLETE),
		    "row %zu: %d", i, (int)step);
		if (step == UPLOAD_DONE)
			upload_release(&uploads, out.body, out.n);
	}
}
END_TEST

/* BLK-30, BLK-50: both ends, the listener and the security session. */
START_TEST(blk_50_ends)
{
	struct addr client = address("192.0.2.101", 1);
	struct addr port = address("192.0.2.101", 2);
	struct addr ip = address("192.0.2.102", 1);
	struct addr other = address("192.0.2.2", 5683);
	struct upload_from from[] = {
		{ &client, &local, 0, 0 },
		{ &port, &local, 0, 0 },
		{ &ip, &local, 0, 0 },
		{ &client, &other, 0, 0 },
		{ &client, &local, 1, 0 },
		{ &client, &local, 0, 7 },
	};
	struct coap_msg a = message("CON PUT Block1=0/1/16 payload=16x\"a\"");
	struct coap_msg b = message("CON PUT Block1=1/0/16 payload=\"b\"");
	struct upload_result out;

	ck_assert_int_eq(upload_feed(&uploads, &from[0], &a, NOW, &out),
	    UPLOAD_CONTINUE);
	for (size_t i = 1; i < UNIT_COUNT(from); i++)
		ck_assert_int_eq(
		    upload_feed(&uploads, &from[i], &b, NOW, &out),
		    UPLOAD_INCOMPLETE);
	ck_assert_int_eq(upload_feed(&uploads, &from[0], &b, NOW, &out),
	    UPLOAD_DONE);
	upload_release(&uploads, out.body, out.n);
}
END_TEST

/* BLK-33: If-None-Match counts where it is in block 0, whether the others
 * repeat it or not, and is an error in later ones alone. */
START_TEST(blk_33_if_none_match)
{
	static const struct {
		bool first, second;
		enum upload_step want;
	} rows[] = {
		{ false, false, UPLOAD_DONE },
		{ true, false, UPLOAD_DONE },
		{ true, true, UPLOAD_DONE },
		{ false, true, UPLOAD_BAD },
	};
	struct upload_result out;

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		ck_assert_int_eq(feed(1, rows[i].first ?
			"CON PUT If-None-Match Block1=0/1/16 payload=16x\"a\"" :
			"CON PUT Block1=0/1/16 payload=16x\"a\"", &out),
		    UPLOAD_CONTINUE);
		ck_assert_int_eq(feed(1, rows[i].second ?
			"CON PUT If-None-Match Block1=1/0/16 payload=\"b\"" :
			"CON PUT Block1=1/0/16 payload=\"b\"", &out),
		    rows[i].want);
		ck_assert(out.if_none_match ==
		    (rows[i].first && rows[i].want == UPLOAD_DONE));
		upload_release(&uploads, out.body, out.n);
	}
	ck_assert_int_eq(feed(1, "CON PUT If-None-Match Block1=0/0/16", &out),
	    UPLOAD_DONE);
	ck_assert(out.if_none_match);
}
END_TEST

/* BLK-02, BLK-06: 4.00, and the transfer is as before. */
START_TEST(blk_06_malformed)
{
	static const struct step steps[] = {
		{ 1, "Block1=0/1/64 payload=63x\"x\"", UPLOAD_BAD, "0/0/64",
		    NULL },
		{ 1, "Block1=0/1/64 payload=65x\"x\"", UPLOAD_BAD, "0/0/64",
		    NULL },
		{ 1, "Block1=0/1/64", UPLOAD_BAD, "0/0/64", NULL },
		{ 1, "Block1=0x0f payload=\"x\"", UPLOAD_BAD, "0/0/1024",
		    NULL },
		{ 1, "Block1=0x07 payload=\"x\"", UPLOAD_BAD, "0/0/1024",
		    NULL },
		{ 1, "Block1=0/1/16 payload=16x\"a\"", UPLOAD_CONTINUE,
		    "0/1/16", NULL },
		{ 1, "Block1=1/1/16 payload=15x\"x\"", UPLOAD_BAD, "1/0/16",
		    NULL },
		{ 1, "Block1=1/0/16 payload=\"b\"", UPLOAD_DONE, "1/0/16",
		    "a16 b1" },
	};

	RUN(steps);
	LEFT(0);
}
END_TEST

/* BLK-43: 4.13 as soon as it is known, without a hint to use smaller blocks,
 * and nothing is left. */
START_TEST(blk_43_too_large)
{
	static const struct step steps[] = {
		{ 1, "Block1=0/1/64 Size1=2001 payload=64x\"a\"",
		    UPLOAD_TOO_LARGE, "0/0/64", NULL },
		{ 1, "Block1=0/0/64 payload=1001x\"a\"", UPLOAD_DONE, "0/0/32",
		    "a1001" },
		{ 1, "Block1=1000000/1/16 payload=16x\"x\"", UPLOAD_TOO_LARGE,
		    "1000000/0/16", NULL },
		{ 1, "Block1=1048575/0/1024 payload=\"x\"", UPLOAD_TOO_LARGE,
		    "1048575/0/1024", NULL },
		{ 1, "Block1=0/1/1024 Size1=2000 payload=1024x\"a\"",
		    UPLOAD_CONTINUE, "0/1/32", NULL },
		{ 1, "Block1=1/0/1024 payload=976x\"b\"", UPLOAD_DONE,
		    "1/0/32", "a1024 b976" },
		{ 1, "Block1=0/1/1024 payload=1024x\"a\"", UPLOAD_CONTINUE,
		    "0/1/32", NULL },
		{ 1, "Block1=1/0/1024 payload=977x\"b\"", UPLOAD_TOO_LARGE,
		    "1/0/1024", NULL },
		{ 1, "Block1=1/0/1024 payload=\"b\"", UPLOAD_INCOMPLETE,
		    "1/0/32", NULL },
	};

	uploads_fini(&uploads);
	start(1);
	RUN(steps);
	LEFT(0);
	ck_assert_uint_eq(uploads.octets, 0);
}
END_TEST

#define BEGIN(port) { (port), "Block1=0/1/1024 payload=1024x\"a\"", \
	UPLOAD_CONTINUE, "0/1/1024", NULL }

/* Lower limits: who has begun goes on by the ones of then, also for the octets
 * of all together; others come when there is room. */
START_TEST(lower_limits)
{
	struct upload_conf less = { .max_body = 1500, .max_total = 1500,
		.max_transfers = 1, .lifetime = 247000, .szx = 6 };
	static const struct step begin[] = { BEGIN(1), BEGIN(2) };
	static const struct step go_on[] = {
		{ 3, "Block1=0/1/1024 payload=1024x\"a\"", UPLOAD_FULL,
		    "0/0/1024", NULL },
		{ 1, "Block1=1/0/1024 payload=900x\"b\"", UPLOAD_DONE,
		    "1/0/1024", "a1024 b900" },
		{ 3, "Block1=0/1/1024 payload=1024x\"a\"", UPLOAD_CONTINUE,
		    "0/1/1024", NULL },
		{ 3, "Block1=1/0/1024 payload=900x\"b\"", UPLOAD_TOO_LARGE,
		    "1/0/1024", NULL },
		BEGIN(4),
	};

	RUN(begin);
	uploads_configure(&uploads, &less);
	LEFT(2);
	RUN(go_on);
	LEFT(1);
}
END_TEST

Suite *
upload_suite(void)
{
	Suite *s = suite_create("upload");
	TCase *tc = tcase_create("upload");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, blk_23_whole_body);
	tcase_add_test(tc, blk_04_single_and_last);
	tcase_add_test(tc, blk_25_smaller_blocks);
	tcase_add_test(tc, blk_26_gaps);
	tcase_add_test(tc, blk_27_repeated_block);
	tcase_add_test(tc, blk_28_block_0_again);
	tcase_add_test(tc, blk_29_content_format);
	tcase_add_test(tc, blk_30_interleaved);
	tcase_add_test(tc, blk_30_options);
	tcase_add_test(tc, blk_50_ends);
	tcase_add_test(tc, blk_33_if_none_match);
	tcase_add_test(tc, blk_06_malformed);
	tcase_add_test(tc, blk_43_too_large);
	tcase_add_test(tc, lower_limits);
	suite_add_tcase(s, tc);
	return s;
}
