#include "proxy/chunk.h"

#include <stdio.h>

#include "blocks.h"
#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { BODY = 300 };

static uint8_t body[BODY];

/* What goes out before an answer, the answer, and what it means. */
struct turn {
	const char *sent;	/* NUM/M/SIZE and length; NULL: whole */
	const char *answer;
	enum chunk_step want;
};

static void
check_sent(const struct chunk *c, const char *want, size_t i)
{
	struct coap_block b;
	struct span slice;
	char text[48];

	chunk_next(c, &b, &slice);
	snprintf(text, sizeof(text), "%u/%d/%u %zu", (unsigned)b.num, b.more,
	    (unsigned)coap_block_size(&b), slice.n);
	ck_assert_msg(strcmp(text, want) == 0, "turn %zu: %s", i, text);
	ck_assert_ptr_eq(slice.p, body + coap_block_offset(&b));
	ck_assert(chunk_first(c) == (b.num == 0));
}

/* The code for the client in the end. */
static uint8_t
play(struct chunk *c, const struct turn *turns, size_t n)
{
	uint8_t code = 0;

	for (size_t i = 0; i < n; i++) {
		struct coap_msg m;
		enum chunk_step step;
		char text[128];

		if (turns[i].sent != NULL)
			check_sent(c, turns[i].sent, i);
		snprintf(text, sizeof(text), "ACK %s", turns[i].answer);
		m = message(text);
		step = chunk_feed(c, &m);
		ck_assert_msg(step == turns[i].want, "turn %zu: %d", i,
		    (int)step);
		code = chunk_code(c, &m);
	}
	return code;
}

static void
begin(struct chunk *c, size_t n, uint8_t szx)
{
	ck_assert(chunk_init(c, span_make(body, n), szx));
}

#define PLAY(c, turns) play((c), (turns), UNIT_COUNT(turns))

/* RFC 7959 3.2, figure 7: one block after the other. */
START_TEST(blk_23_in_order)
{
	static const struct turn turns[] = {
		{ "0/1/128 128", "2.31 Block1=0/1/128", CHUNK_ASK },
		{ "1/1/128 128", "2.31 Block1=1/1/128", CHUNK_ASK },
		{ "2/0/128 44", "2.04 Block1=2/0/128", CHUNK_DONE },
	};
	struct chunk c;

	begin(&c, BODY, 3);
	ck_assert_uint_eq(PLAY(&c, turns), COAP_204);
}
END_TEST

/* BLK-01: one block, and none at all; a length that is a multiple. */
START_TEST(blk_01_edges)
{
	static const struct turn turns[] = {
		{ "0/1/16 16", "2.31 Block1=0/1/16", CHUNK_ASK },
		{ "1/0/16 16", "2.05 Block1=1/0/16", CHUNK_DONE },
	};
	struct chunk c;

	begin(&c, 32, 0);
	ck_assert_uint_eq(PLAY(&c, turns), COAP_205);
	begin(&c, 16, 0);
	check_sent(&c, "0/0/16 16", 0);
	begin(&c, 0, 0);
	check_sent(&c, "0/0/16 0", 1);
	/* 2^20 blocks have numbers, one more has none. */
	ck_assert(chunk_init(&c, span_make(body, 1 << 24), 0));
	ck_assert(!chunk_init(&c, span_make(body, (1 << 24) + 1), 0));
	ck_assert(chunk_init(&c, span_make(body, (1 << 24) + 1), 1));
}
END_TEST

/* BLK-25, RFC 7959 3.2, figure 8: the origin wants smaller blocks, again and
 * again. */
START_TEST(blk_25_smaller_blocks)
{
	static const struct turn turns[] = {
		{ "0/1/128 128", "2.31 Block1=0/1/32", CHUNK_ASK },
		{ "4/1/32 32", "2.31 Block1=4/1/32", CHUNK_ASK },
		{ "5/1/32 32", "2.31 Block1=5/1/16", CHUNK_ASK },
		{ "12/1/16 16", "2.31 Block1=12/1/16", CHUNK_ASK },
		{ "13/0/16 2", "2.04 Block1=13/0/16", CHUNK_DONE },
	};
	struct chunk c;

	begin(&c, 210, 3);
	PLAY(&c, turns);
}
END_TEST

/* Blocks that can no longer be numbered in the size asked for. */
START_TEST(blk_25_out_of_numbers)
{
	struct coap_msg m = message("ACK 2.31 Block1=0/1/16");
	struct chunk c;

	begin(&c, (1 << 24) + 1, 1);
	ck_assert_int_eq(chunk_feed(&c, &m), CHUNK_FAILED);
	m = message("ACK 4.13 Block1=0/1/16");
	begin(&c, (1 << 24) + 1, 1);
	ck_assert_int_eq(chunk_feed(&c, &m), CHUNK_FINAL);
}
END_TEST

/* BLK-34: an origin that acts on each block; 2.01 dominates a later 2.04, and
 * nothing else. */
START_TEST(blk_34_each_block)
{
	static const struct {
		const char *first, *last;
		uint8_t code;
	} rows[] = {
		{ "2.01 Block1=0/0/16", "2.04 Block1=2/0/16", COAP_201 },
		{ "2.04 Block1=0/0/16", "2.04 Block1=2/0/16", COAP_204 },
		{ "2.04 Block1=0/0/16", "2.01 Block1=2/0/16", COAP_201 },
		{ "2.01 Block1=0/0/16", "2.05 Block1=2/0/16", COAP_205 },
		{ "2.01 Block1=0/0/16", "2.02 Block1=2/0/16", COAP_202 },
	};
	struct chunk c;

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const struct turn turns[] = {
			{ "0/1/16 16", rows[i].first, CHUNK_ASK },
			{ "1/1/16 16", "2.04 Block1=1/0/16", CHUNK_ASK },
			{ "2/0/16 8", rows[i].last, CHUNK_DONE },
		};

		begin(&c, 40, 0);
		ck_assert_msg(PLAY(&c, turns) == rows[i].code, "row %zu", i);
	}
}
END_TEST

/* BLK-34, 4.xx: an error is the answer, whatever came before. */
START_TEST(blk_34_then_error)
{
	static const struct turn turns[] = {
		{ "0/1/16 16", "2.01 Block1=0/0/16", CHUNK_ASK },
		{ "1/1/16 16", "5.00 Block1=1/0/16", CHUNK_FINAL },
	};
	struct chunk c;

	begin(&c, 40, 0);
	ck_assert_uint_eq(PLAY(&c, turns), COAP_500);
}
END_TEST

/* BLK-02, BLK-48, BLK-47: answers to a first block, and to the last. */
START_TEST(blk_47_single_answers)
{
	static const struct {
		const char *first;
		const char *answer;
		enum chunk_step want;
	} rows[] = {
		{ NULL, "2.31 Block1=1/1/16", CHUNK_FAILED },
		{ NULL, "2.31 Block1=0/1/32", CHUNK_FAILED },
		{ NULL, "2.31 Block1=0x07", CHUNK_FAILED },
		{ NULL, "2.31", CHUNK_FAILED },
		{ NULL, "2.04", CHUNK_FAILED },
		{ NULL, "2.04 Block1=1/0/16", CHUNK_FAILED },
		{ NULL, "2.31 Block1=0/0/16", CHUNK_ASK },
		{ NULL, "2.04 Block1=0/1/16", CHUNK_ASK },
		{ NULL, "4.04", CHUNK_FINAL },
		{ NULL, "4.04 Block1=0/0/16", CHUNK_FINAL },
		{ NULL, "4.00 Block1=9/0/16", CHUNK_FINAL },
		{ NULL, "4.04 Block1=0x07", CHUNK_FAILED },
		{ NULL, "5.03", CHUNK_FINAL },
		{ NULL, "4.13", CHUNK_FINAL },
		{ "2.31 Block1=0/1/16", "2.04", CHUNK_DONE },
		{ "2.31 Block1=0/1/16", "2.31 Block1=1/1/16", CHUNK_FAILED },
		{ "2.31 Block1=0/1/16", "2.04 Block1=0/0/16", CHUNK_FAILED },
		{ "2.31 Block1=0/1/16", "2.04 Block1=1/0/32", CHUNK_FAILED },
		{ "2.31 Block1=0/1/16", "4.12 Block1=1/0/16", CHUNK_FINAL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		bool second = rows[i].first != NULL;
		const struct turn turns[] = {
			{ "0/1/16 16", rows[i].first, CHUNK_ASK },
			{ second ? "1/0/16 4" : "0/1/16 16", rows[i].answer,
			    rows[i].want },
		};
		struct chunk c;

		begin(&c, 20, 0);
		play(&c, second ? turns : turns + 1, second ? 2 : 1);
	}
}
END_TEST

/* BLK-47: 4.08 to our own transfer: once more from the start, then an error
 * that is not the client's. */
START_TEST(blk_47_restart_once)
{
	static const struct turn turns[] = {
		{ "0/1/16 16", "2.31 Block1=0/1/16", CHUNK_ASK },
		{ "1/1/16 16", "4.08 Block1=1/0/16", CHUNK_RESTART },
		{ "0/1/16 16", "2.31 Block1=0/1/16", CHUNK_ASK },
		{ "1/1/16 16", "2.31 Block1=1/1/16", CHUNK_ASK },
		{ "2/0/16 8", "4.08", CHUNK_FAILED },
	};
	struct chunk c;

	begin(&c, 40, 0);
	PLAY(&c, turns);
}
END_TEST

/* BLK-22: 4.13 with a smaller size: once more with that, and only once; with a
 * Size1 below the body nothing helps. */
START_TEST(blk_22_smaller)
{
	static const struct turn turns[] = {
		{ "0/1/128 128", "2.31 Block1=0/1/128", CHUNK_ASK },
		{ "1/1/128 128", "4.13 Block1=1/0/32", CHUNK_SMALLER },
		{ "0/1/32 32", "2.31 Block1=0/1/32", CHUNK_ASK },
		{ "1/1/32 32", "4.13 Block1=1/0/16", CHUNK_FINAL },
	};
	static const struct turn small[] = {
		{ "0/1/128 128", "4.13 Block1=0/0/64 Size1=299", CHUNK_FINAL },
	};
	static const struct turn fits[] = {
		{ "0/1/128 128", "4.13 Block1=0/0/64 Size1=300",
		    CHUNK_SMALLER },
		{ "0/1/64 64", "2.31 Block1=0/1/64", CHUNK_ASK },
	};
	static const struct turn same[] = {
		{ "0/1/128 128", "4.13 Block1=0/0/128", CHUNK_FINAL },
	};
	struct chunk c;

	begin(&c, BODY, 3);
	ck_assert_uint_eq(PLAY(&c, turns), COAP_413);
	begin(&c, BODY, 3);
	PLAY(&c, small);
	begin(&c, BODY, 3);
	PLAY(&c, fits);
	begin(&c, BODY, 3);
	PLAY(&c, same);
}
END_TEST

/* BLK-22, RFC 7959 2.9.3: a request without Block1 that is too large goes out
 * again in blocks, if that changes anything. BLK-48: nor is it for 2.31. */
START_TEST(blk_22_whole)
{
	static const struct {
		const char *answer;
		enum chunk_step want;
		const char *next;
	} rows[] = {
		{ "4.13 Block1=0/1/64", CHUNK_SMALLER, "0/1/64 64" },
		{ "4.13 Block1=0/1/1024", CHUNK_SMALLER, "0/1/256 256" },
		{ "4.13", CHUNK_SMALLER, "0/1/256 256" },
		{ "4.13 Size1=300", CHUNK_SMALLER, "0/1/256 256" },
		{ "4.13 Size1=299", CHUNK_FINAL, NULL },
		{ "4.13 Block1=0/1/64 Size1=64", CHUNK_FINAL, NULL },
		{ "2.31", CHUNK_FAILED, NULL },
		{ "2.31 Block1=0/1/64", CHUNK_FAILED, NULL },
		{ "2.04", CHUNK_DONE, NULL },
		{ "4.08", CHUNK_FINAL, NULL },
		{ "5.00", CHUNK_FINAL, NULL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct turn turn = { NULL, rows[i].answer, rows[i].want };
		struct chunk c;

		chunk_init_whole(&c, span_make(body, BODY), 4);
		play(&c, &turn, 1);
		if (rows[i].next != NULL)
			check_sent(&c, rows[i].next, i);
	}
}
END_TEST

/* BLK-22: in blocks, then in smaller ones; no more than there is to gain. */
START_TEST(blk_22_whole_twice)
{
	static const struct turn turns[] = {
		{ NULL, "4.13", CHUNK_SMALLER },
		{ "0/1/256 256", "4.13 Block1=0/0/32", CHUNK_SMALLER },
		{ "0/1/32 32", "4.13 Block1=0/0/16", CHUNK_FINAL },
	};
	static const struct turn little[] = {
		{ NULL, "4.13 Block1=0/0/64", CHUNK_FINAL },
	};
	struct chunk c;

	chunk_init_whole(&c, span_make(body, BODY), 4);
	PLAY(&c, turns);
	chunk_init_whole(&c, span_make(body, 64), 4);
	PLAY(&c, little);
}
END_TEST

Suite *
chunk_suite(void)
{
	Suite *s = suite_create("chunk");
	TCase *tc = tcase_create("chunk");

	tcase_add_checked_fixture(tc, NULL, fixture_free);
	tcase_add_test(tc, blk_23_in_order);
	tcase_add_test(tc, blk_01_edges);
	tcase_add_test(tc, blk_25_smaller_blocks);
	tcase_add_test(tc, blk_25_out_of_numbers);
	tcase_add_test(tc, blk_34_each_block);
	tcase_add_test(tc, blk_34_then_error);
	tcase_add_test(tc, blk_47_single_answers);
	tcase_add_test(tc, blk_47_restart_once);
	tcase_add_test(tc, blk_22_smaller);
	tcase_add_test(tc, blk_22_whole);
	tcase_add_test(tc, blk_22_whole_twice);
	suite_add_tcase(s, tc);
	return s;
}
