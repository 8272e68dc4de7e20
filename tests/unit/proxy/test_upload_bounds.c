/* The limits of upload: how many, how much, how long. */
#include "proxy/upload.h"

#include "blocks.h"
#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000, LIFETIME = 247000, MAX_BODY = 10000, PLACES = 16 };

static struct uploads uploads;
static struct rand rnd;
static struct addr local;
static uint8_t body[MAX_BODY + 2048];

static void
start(size_t max_total)
{
	struct upload_conf conf = { .max_body = MAX_BODY,
		.max_total = max_total, .max_transfers = PLACES,
		.lifetime = LIFETIME, .szx = 6 };

	ck_assert(uploads_init(&uploads, &conf, &rnd));
}

static void
restart(size_t max_total)
{
	uploads_fini(&uploads);
	start(max_total);
}

static void
setup(void)
{
	rand_init_fixed(&rnd, 1);
	local = address("192.0.2.1", 5683);
	block_fill(body, sizeof(body), &rnd);
	start(1000000);
}

static void
teardown(void)
{
	uploads_fini(&uploads);
	fixture_free();
}

/* What always holds. */
static void
check_bounds(void)
{
	const struct upload_stats *s = &uploads.stats;

	ck_assert_uint_le(uploads.table.count, uploads.conf.max_transfers);
	ck_assert_uint_le(uploads.clients.count, uploads.table.count);
	ck_assert_uint_eq(uploads.pool.used, uploads.table.count);
	ck_assert_uint_eq(uploads.client_pool.used, uploads.clients.count);
	ck_assert_uint_le(uploads.octets + uploads.held,
	    uploads.conf.max_total);
	ck_assert_uint_eq(s->started, s->finished + s->expired + s->dropped +
		uploads.table.count);
}

/* Block NUM of 2^(4 + szx) octets, the last one of N. */
struct ask {
	const char *ip;
	uint16_t port;
	uint32_t num;
	uint8_t szx;
	bool last;
	size_t n;
	uint32_t size1;
	struct span tag;
};

static enum upload_step
feed_to(const struct ask *a, uint64_t now, struct upload_result *out)
{
	struct coap_block b = { a->num, !a->last, a->szx };
	struct addr client = address(a->ip, a->port);
	struct upload_from from = { &client, &local, 0, 0 };
	struct block_msg m = { .code = COAP_PUT, .block = &b,
		.size1 = a->size1, .tag = a->tag };
	size_t at = (size_t)coap_block_offset(&b) % MAX_BODY;
	enum upload_step step;

	m.payload = span_make(body + at,
	    a->last || a->n > 0 ? a->n : coap_block_size(&b));
	step = upload_feed(&uploads, &from, block_make(&m), now, out);
	check_bounds();
	return step;
}

static enum upload_step
feed(const struct ask *a, uint64_t now)
{
	struct upload_result out;
	enum upload_step step = feed_to(a, now, &out);

	upload_release(&uploads, out.body, out.n);
	return step;
}

/* Blocks [FROM, TO) of 1024 octets; the last answer. */
static enum upload_step
feed_blocks(const char *ip, uint16_t port, uint32_t from, uint32_t to)
{
	enum upload_step step = UPLOAD_BAD;

	for (uint32_t i = from; i < to; i++)
		step = feed(&(struct ask){ ip, port, i, .szx = 6 }, NOW);
	return step;
}

#define A "192.0.2.101"
#define B "192.0.2.102"

/* BLK-32: EXCHANGE_LIFETIME after the last block, and not earlier. */
START_TEST(blk_32_lifetime)
{
	const struct ask first = { A, 1, 0, .szx = 0 };
	const struct ask second = { A, 1, 1, .szx = 0 };
	const struct ask third = { A, 1, 2, .szx = 0 };

	ck_assert_uint_eq(upload_next(&uploads), UINT64_MAX);
	feed(&first, NOW);
	ck_assert_uint_eq(upload_next(&uploads), NOW + LIFETIME);
	ck_assert_int_eq(feed(&second, NOW + LIFETIME - 1), UPLOAD_CONTINUE);
	ck_assert_uint_eq(upload_next(&uploads), NOW + 2 * LIFETIME - 1);
	/* The same once more is a sign of life as well. */
	ck_assert_int_eq(feed(&second, NOW + 2 * LIFETIME - 2),
	    UPLOAD_CONTINUE);
	ck_assert_uint_eq(upload_next(&uploads), NOW + 3 * LIFETIME - 2);
	ck_assert_int_eq(feed(&third, NOW + 3 * LIFETIME - 2),
	    UPLOAD_INCOMPLETE);
	ck_assert_uint_eq(uploads.stats.expired, 1);
	ck_assert_uint_eq(uploads.table.count, 0);
}
END_TEST

/* BLK-32: those of one block and those of more, each at its time. */
START_TEST(blk_32_expire)
{
	for (uint16_t i = 0; i < 8; i++)
		feed(&(struct ask){ i < 4 ? A : B, i, 0, .szx = 0 }, NOW + i);
	for (uint16_t i = 0; i < 8; i += 2)
		feed(&(struct ask){ i < 4 ? A : B, i, 1, .szx = 0 },
		    NOW + 10 + i);
	for (unsigned ms = 0; ms < 20; ms++) {
		size_t left = uploads.table.count;
		uint64_t next = upload_next(&uploads);

		upload_expire(&uploads, NOW + LIFETIME + ms);
		check_bounds();
		ck_assert_uint_eq(uploads.table.count,
		    left - (next == NOW + LIFETIME + ms));
	}
	ck_assert_uint_eq(uploads.stats.expired, 8);
	ck_assert_uint_eq(uploads.octets, 0);
	ck_assert_uint_eq(upload_next(&uploads), UINT64_MAX);
}
END_TEST

/* BLK-43: the largest body, and one octet more. */
START_TEST(blk_43_edge)
{
	struct upload_result out;

	for (size_t more = 0; more < 2; more++) {
		const struct ask last = { A, 1, 9, .szx = 6, .last = true,
			.n = MAX_BODY - 9216 + more };

		ck_assert_int_eq(feed_blocks(A, 1, 0, 9), UPLOAD_CONTINUE);
		ck_assert_int_eq(feed_to(&last, NOW, &out),
		    more == 0 ? UPLOAD_DONE : UPLOAD_TOO_LARGE);
		ck_assert_uint_eq(uploads.table.count, 0);
		ck_assert_uint_eq(uploads.octets, 0);
		ck_assert_uint_eq(out.n, more == 0 ? MAX_BODY : 0);
		ck_assert_uint_eq(uploads.held, out.n);
		if (more == 0)
			ck_assert_mem_eq(out.body, body, MAX_BODY);
		upload_release(&uploads, out.body, out.n);
		ck_assert_uint_eq(uploads.held, 0);
	}
}
END_TEST

/* BLK-43: neither NUM nor Size1 makes us take memory. */
START_TEST(blk_43_allocation)
{
	static const struct {
		uint32_t size1;
		size_t cap;
	} rows[] = {
		{ 1, 16 }, { 300, 300 }, { 4096, 4096 }, { MAX_BODY, 4096 },
		{ 0, 16 },
	};

	ck_assert_int_eq(feed(&(struct ask){ A, 1, 1000000, .szx = 0 }, NOW),
	    UPLOAD_TOO_LARGE);
	ck_assert_uint_eq(uploads.octets, 0);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		feed(&(struct ask){ A, 1, 0, .szx = 0,
			.size1 = rows[i].size1 }, NOW);
		ck_assert_uint_eq(uploads.octets, rows[i].cap);
	}
	/* Twice as much each time, and never more than a body. */
	for (uint32_t i = 1; i < MAX_BODY / 16; i++) {
		feed(&(struct ask){ A, 1, i, .szx = 0 }, NOW);
		ck_assert_uint_lt(uploads.octets, 2 * 16 * (i + 1) + 4096);
		ck_assert_uint_le(uploads.octets, MAX_BODY);
	}
}
END_TEST

/* BLK-45: 1000 first blocks from spoofed ports, of another address and of its
 * own: a real client goes on, and a new one can begin. */
START_TEST(blk_45_spoofed_first_blocks)
{
	static const char *const ips[] = { A, B };

	for (size_t i = 0; i < UNIT_COUNT(ips); i++) {
		ck_assert_int_eq(feed_blocks(A, 1, 0, 2), UPLOAD_CONTINUE);
		for (uint16_t port = 1000; port < 2000; port++)
			ck_assert_int_eq(feed_blocks(ips[i], port, 0, 1),
			    UPLOAD_CONTINUE);
		ck_assert_uint_le(uploads.octets, PLACES * MAX_BODY);
		ck_assert_int_eq(feed_blocks(A, 1, 2, 3), UPLOAD_CONTINUE);
		ck_assert_int_eq(feed_blocks(A, 2, 0, 1), UPLOAD_CONTINUE);
		ck_assert_int_eq(feed_blocks(A, 2, 1, 2), UPLOAD_CONTINUE);
		restart(1000000);
	}
}
END_TEST

/* BLK-45: of first blocks the oldest is dropped, and gets 4.08. */
START_TEST(blk_45_oldest_first)
{
	char ip[] = "192.0.2.0";

	for (size_t i = 0; i < PLACES + 2; i++) {
		ip[8] = (char)('1' + i / 4);
		feed_blocks(ip, (uint16_t)i, 0, 1);
	}
	ck_assert_uint_eq(uploads.table.count, PLACES);
	ck_assert_uint_eq(uploads.stats.dropped, 2);
	ck_assert_int_eq(feed_blocks("192.0.2.1", 0, 1, 2), UPLOAD_INCOMPLETE);
	ck_assert_int_eq(feed_blocks("192.0.2.1", 1, 1, 2), UPLOAD_INCOMPLETE);
	ck_assert_int_eq(feed_blocks("192.0.2.1", 2, 1, 2), UPLOAD_CONTINUE);
}
END_TEST

/* BLK-45: a quarter of the places for one address, whatever its port or the
 * host part of IPv6; others are not concerned. */
START_TEST(blk_45_share)
{
	static const char *const ips[][5] = {
		{ A, A, A, A, A },
		{ "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4",
		    "2001:db8::5" },
	};

	for (size_t i = 0; i < UNIT_COUNT(ips); i++) {
		for (uint16_t j = 0; j < PLACES / UPLOAD_SHARE; j++)
			ck_assert_int_eq(feed_blocks(ips[i][j], j, 0, 2),
			    UPLOAD_CONTINUE);
		ck_assert_int_eq(feed_blocks(ips[i][4], 4, 0, 1), UPLOAD_FULL);
		/* One that replaces its own takes no place. */
		ck_assert_int_eq(feed_blocks(ips[i][0], 0, 0, 1),
		    UPLOAD_CONTINUE);
		/* And makes room for another: it has one block now. */
		ck_assert_int_eq(feed_blocks(ips[i][4], 4, 0, 1),
		    UPLOAD_CONTINUE);
		ck_assert_int_eq(feed_blocks(B, 1, 0, 1), UPLOAD_CONTINUE);
		ck_assert_int_eq(feed_blocks(ips[i][1], 1, 2, 3),
		    UPLOAD_CONTINUE);
	}
}
END_TEST

/* BLK-45: nobody makes room for a new one by losing what goes on; what needs
 * no place is served. */
START_TEST(blk_45_full)
{
	char ip[] = "192.0.2.0";

	for (uint16_t i = 0; i < PLACES; i++) {
		ip[8] = (char)('1' + i / 4);
		ck_assert_int_eq(feed_blocks(ip, i, 0, 2), UPLOAD_CONTINUE);
	}
	ck_assert_int_eq(feed_blocks(A, 1, 0, 1), UPLOAD_FULL);
	ck_assert_int_eq(feed(&(struct ask){ A, 1, 0, .last = true, .n = 1 },
			     NOW), UPLOAD_DONE);
	ck_assert_uint_eq(uploads.stats.dropped, 0);
	ck_assert_uint_eq(uploads.stats.refused, 1);
	for (uint16_t i = 0; i < PLACES; i++) {
		ip[8] = (char)('1' + i / 4);
		ck_assert_int_eq(feed_blocks(ip, i, 2, 3), UPLOAD_CONTINUE);
	}
}
END_TEST

/* BLK-45: no place at all. */
START_TEST(blk_45_none)
{
	const struct upload_conf conf = { .max_body = 100, .max_total = 100,
		.lifetime = LIFETIME };

	uploads_fini(&uploads);
	ck_assert(uploads_init(&uploads, &conf, &rnd));
	ck_assert_int_eq(feed(&(struct ask){ A, 1, 0, .szx = 0 }, NOW),
	    UPLOAD_FULL);
}
END_TEST

/* BLK-45: octets: those of one block give way to one that grows; if that is
 * not enough it ends, and the others have its room. */
START_TEST(blk_45_octets)
{
	restart(2 * MAX_BODY);
	ck_assert_int_eq(feed_blocks(A, 1, 0, 6), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks(B, 1, 0, 6), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks("192.0.2.3", 1, 0, 1), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks("192.0.2.4", 1, 0, 1), UPLOAD_CONTINUE);
	ck_assert_uint_eq(uploads.stats.dropped, 0);
	ck_assert_int_eq(feed_blocks(A, 1, 6, 9), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks(B, 1, 6, 9), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks("192.0.2.3", 1, 1, 2), UPLOAD_INCOMPLETE);
	ck_assert_int_eq(feed_blocks("192.0.2.5", 1, 0, 1), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks("192.0.2.4", 1, 1, 2), UPLOAD_INCOMPLETE);
	ck_assert_int_eq(feed_blocks("192.0.2.5", 1, 1, 2), UPLOAD_FULL);
	ck_assert_int_eq(feed_blocks("192.0.2.5", 1, 1, 2), UPLOAD_INCOMPLETE);
	ck_assert_int_eq(feed_blocks(A, 1, 9, 10), UPLOAD_TOO_LARGE);
	ck_assert_int_eq(feed_blocks("192.0.2.5", 1, 0, 5), UPLOAD_CONTINUE);
}
END_TEST

/* BLK-45: a quarter of the octets for one address, but never less than one
 * body. */
START_TEST(blk_45_octets_share)
{
	restart(3 * MAX_BODY);
	ck_assert_int_eq(feed_blocks(B, 2, 0, 1), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks(A, 1, 0, 5), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks(A, 2, 0, 1), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks(A, 3, 0, 1), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks(A, 2, 1, 2), UPLOAD_INCOMPLETE);
	ck_assert_int_eq(feed_blocks(A, 3, 1, 2), UPLOAD_FULL);
	ck_assert_int_eq(feed_blocks(A, 1, 5, 9), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks(B, 2, 1, 2), UPLOAD_CONTINUE);
	ck_assert_int_eq(feed_blocks(B, 1, 0, 7), UPLOAD_CONTINUE);
}
END_TEST

/* BLK-45: a body handed out counts until it is released. */
START_TEST(blk_45_held)
{
	const struct ask last = { A, 1, 9, .szx = 6, .last = true, .n = 784 };
	struct upload_result out;

	restart(MAX_BODY + 1000);
	feed_blocks(A, 1, 0, 9);
	ck_assert_int_eq(feed_to(&last, NOW, &out), UPLOAD_DONE);
	ck_assert_uint_eq(uploads.held, MAX_BODY);
	ck_assert_int_eq(feed_blocks(A, 1, 0, 1), UPLOAD_FULL);
	ck_assert_int_eq(feed(&(struct ask){ A, 1, 0, .szx = 6, .last = true,
				 .n = 1001 }, NOW), UPLOAD_FULL);
	ck_assert_int_eq(feed(&(struct ask){ A, 1, 0, .szx = 6, .last = true,
				 .n = 1000 }, NOW), UPLOAD_DONE);
	upload_release(&uploads, out.body, out.n);
	ck_assert_int_eq(feed_blocks(A, 1, 0, 1), UPLOAD_CONTINUE);
}
END_TEST

/* BLK-30: options as long as they may be are compared to their last octet;
 * longer ones cannot be. */
START_TEST(blk_30_long_options)
{
	static uint8_t opts[UPLOAD_OPTS + 1];
	struct coap_block b = { 0, true, 0 };
	struct addr client = address(A, 1);
	struct upload_from from = { &client, &local, 0, 0 };
	struct coap_msg m = { .code = COAP_PUT,
		.payload = span_make(body, 16) };
	struct upload_result out;

	/* Block1, then unknown elective options of one octet each. */
	opts[0] = 0xd1;
	opts[1] = COAP_OPT_BLOCK1 - 13;
	opts[2] = (uint8_t)coap_block_value(&b);
	opts[3] = 0xd0;
	opts[4] = 64 - COAP_OPT_BLOCK1 - 13;
	ck_assert(coap_parse_opts(&m, span_make(opts, UPLOAD_OPTS)));
	ck_assert_int_eq(upload_feed(&uploads, &from, &m, NOW, &out),
	    UPLOAD_CONTINUE);
	b.num = 1;
	opts[2] = (uint8_t)coap_block_value(&b);
	ck_assert_int_eq(upload_feed(&uploads, &from, &m, NOW, &out),
	    UPLOAD_CONTINUE);
	b.num = 2;
	opts[2] = (uint8_t)coap_block_value(&b);
	opts[UPLOAD_OPTS - 1] = 0x20;
	ck_assert_int_eq(upload_feed(&uploads, &from, &m, NOW, &out),
	    UPLOAD_INCOMPLETE);
	opts[UPLOAD_OPTS - 1] = 0;
	ck_assert(coap_parse_opts(&m, span_make(opts, UPLOAD_OPTS - 1)));
	ck_assert_int_eq(upload_feed(&uploads, &from, &m, NOW, &out),
	    UPLOAD_INCOMPLETE);
	ck_assert_uint_eq(uploads.table.count, 1);
}
END_TEST

enum { HELD = 8 };

/* One random block from one of many; a body that is complete is released some
 * time later. */
static void
feed_random(struct upload_result held[HELD], uint64_t now)
{
	static const char *const ips[] = { A, B, "2001:db8::1",
		"2001:db8::2", "2001:db8:1::1", "192.0.2.3" };
	struct upload_result *out = &held[rand_below(&rnd, HELD)];
	struct ask a = {
		.ip = ips[rand_below(&rnd, UNIT_COUNT(ips))],
		.port = (uint16_t)rand_below(&rnd, 4),
		.num = (uint32_t)rand_below(&rnd, 5),
		.szx = (uint8_t)(rand_below(&rnd, 20) == 0 ? 7 :
				rand_below(&rnd, 2) * 6),
		.last = rand_below(&rnd, 8) == 0,
	};
	enum upload_step step;

	if (rand_below(&rnd, 50) == 0)
		a.num = (uint32_t)rand_below(&rnd, 1 << 20);
	if (a.last || rand_below(&rnd, 20) == 0)
		a.n = rand_below(&rnd, 1500);
	if (rand_below(&rnd, 4) == 0)
		a.size1 = (uint32_t)rand_below(&rnd, 2 * MAX_BODY);
	if (rand_below(&rnd, 2) == 0)
		a.tag = span_make(body, rand_below(&rnd, 2));
	upload_release(&uploads, out->body, out->n);
	step = feed_to(&a, now, out);
	ck_assert(step == UPLOAD_DONE || (out->body == NULL && out->n == 0));
	ck_assert_uint_le(out->n, MAX_BODY);
	ck_assert_uint_lt(out->block.szx, COAP_SZX_RESERVED);
	ck_assert(out->block.more == (step == UPLOAD_CONTINUE));
}

/* BLK-43, BLK-45: whatever comes, the bounds hold. */
START_TEST(blk_45_random)
{
	static const size_t totals[] = { 20000, 60000, 1000000 };
	struct upload_result held[HELD] = { { .n = 0 } };
	uint64_t now = NOW;

	for (unsigned i = 0; i < 30000; i++) {
		if (i % 10000 == 0)
			restart(totals[i / 10000]);
		now += rand_below(&rnd, 500) == 0 ? LIFETIME :
		    rand_below(&rnd, 200);
		feed_random(held, now);
		if (i % 10000 != 9999)
			continue;
		ck_assert_uint_gt(uploads.stats.finished, 100);
		ck_assert_uint_gt(uploads.stats.expired, 10);
		ck_assert_uint_gt(uploads.stats.dropped, 100);
		for (size_t j = 0; j < HELD; j++)
			upload_release(&uploads, held[j].body, held[j].n);
		memset(held, 0, sizeof(held));
		ck_assert_uint_eq(uploads.held, 0);
		upload_expire(&uploads, now + LIFETIME);
		ck_assert_uint_eq(uploads.octets + uploads.table.count, 0);
	}
}
END_TEST

Suite *
upload_bounds_suite(void)
{
	Suite *s = suite_create("upload_bounds");
	TCase *tc = tcase_create("upload_bounds");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, blk_32_lifetime);
	tcase_add_test(tc, blk_32_expire);
	tcase_add_test(tc, blk_43_edge);
	tcase_add_test(tc, blk_43_allocation);
	tcase_add_test(tc, blk_45_spoofed_first_blocks);
	tcase_add_test(tc, blk_45_oldest_first);
	tcase_add_test(tc, blk_45_share);
	tcase_add_test(tc, blk_45_full);
	tcase_add_test(tc, blk_45_none);
	tcase_add_test(tc, blk_45_octets);
	tcase_add_test(tc, blk_45_octets_share);
	tcase_add_test(tc, blk_45_held);
	tcase_add_test(tc, blk_30_long_options);
	tcase_add_test(tc, blk_45_random);
	suite_add_tcase(s, tc);
	return s;
}
