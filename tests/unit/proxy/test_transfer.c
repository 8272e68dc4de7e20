/* Bodies that go out through chunk and come in through upload. */
#include "blocks.h"
#include "fixture.h"
#include "proxy/chunk.h"
#include "proxy/upload.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000, BODY_MAX = 20000, CLIENTS = 50 };

static struct uploads uploads;
static struct rand rnd;
static struct addr local;

/* A client that sends a body, and how far it is. */
struct sender {
	struct addr addr;
	struct chunk chunk;
	struct span body;
	struct coap_block sent;	/* the last that was taken; more: there is */
	struct span slice;
	bool over;
	unsigned done, failed, again;
};

static void
setup(void)
{
	const struct upload_conf conf = { .max_body = BODY_MAX,
		.max_total = CLIENTS * BODY_MAX, .max_transfers = 4 * CLIENTS,
		.lifetime = 247000, .szx = 6 };

	rand_init_fixed(&rnd, 1);
	local = address("192.0.2.1", 5683);
	ck_assert(uploads_init(&uploads, &conf, &rnd));
}

static void
teardown(void)
{
	uploads_fini(&uploads);
	fixture_free();
}

static void
sender_init(struct sender *s, uint8_t *body, uint16_t port)
{
	uint8_t szx = (uint8_t)rand_below(&rnd, 7);
	size_t max = rand_below(&rnd, 4) == 0 ? 64 : BODY_MAX;

	*s = (struct sender){ .addr = address("192.0.2.101", port) };
	s->body = span_make(body, rand_below(&rnd, max + 1));
	block_fill(body, s->body.n, &rnd);
	ck_assert(chunk_init(&s->chunk, s->body, szx));
}

static enum upload_step
feed(const struct sender *s, const struct coap_block *b, struct span slice,
    struct upload_result *out)
{
	struct upload_from from = { &s->addr, &local, 0, 0 };
	struct block_msg m = { .code = COAP_PUT, .block = b,
		.payload = slice };

	return upload_feed(&uploads, &from, block_make(&m), NOW, out);
}

static uint8_t
code_of(enum upload_step step)
{
	static const uint8_t codes[] = {
		[UPLOAD_CONTINUE] = COAP_231,
		[UPLOAD_DONE] = COAP_204,
		[UPLOAD_INCOMPLETE] = COAP_408,
		[UPLOAD_TOO_LARGE] = COAP_413,
		[UPLOAD_BAD] = COAP_400,
		[UPLOAD_FULL] = COAP_503,
	};

	return codes[step];
}

static void
check_body(const struct sender *s, const struct upload_result *out)
{
	ck_assert_uint_eq(out->n, s->body.n);
	if (out->n > 0)
		ck_assert_mem_eq(out->body, s->body.p, out->n);
	upload_release(&uploads, out->body, out->n);
}

/* The next block, taken, answered, and the answer understood. */
static void
turn(struct sender *s)
{
	struct coap_block b;
	struct span slice;
	struct upload_result out;
	struct block_msg answer = { .block = &out.block };
	enum upload_step step;

	chunk_next(&s->chunk, &b, &slice);
	step = feed(s, &b, slice, &out);
	if (step == UPLOAD_CONTINUE) {
		s->sent = b;
		s->slice = slice;
	}
	if (step == UPLOAD_DONE)
		check_body(s, &out);
	answer.code = code_of(step);
	switch (chunk_feed(&s->chunk, block_make(&answer))) {
	case CHUNK_ASK:
		break;
	case CHUNK_RESTART:
		s->again++;
		break;
	case CHUNK_DONE:
		ck_assert_int_eq(step, UPLOAD_DONE);
		s->done++;
		s->over = true;
		break;
	case CHUNK_FAILED:
		ck_assert_int_eq(step, UPLOAD_INCOMPLETE);
		s->failed++;
		s->over = true;
		break;
	case CHUNK_SMALLER:
	case CHUNK_FINAL:
		ck_abort_msg("%d", (int)step);
	}
}

/* BLK-23..27: any body in blocks of any size, both sides' sizes changing. */
START_TEST(blk_25_sizes)
{
	static uint8_t body[BODY_MAX];

	for (uint16_t i = 0; i < 200; i++) {
		struct sender s;
		unsigned turns = 0;

		sender_init(&s, body, i);
		uploads.conf.szx = (uint8_t)rand_below(&rnd, 7);
		while (!s.over) {
			turn(&s);
			if (rand_below(&rnd, 4) == 0)
				uploads.conf.szx =
				    (uint8_t)rand_below(&rnd, 7);
			ck_assert_uint_le(++turns, BODY_MAX / 16 + 1);
		}
		ck_assert_uint_eq(s.done, 1);
		ck_assert_uint_eq(s.again, 0);
		ck_assert_uint_eq(uploads.table.count, 0);
		ck_assert_uint_eq(uploads.octets + uploads.held, 0);
	}
}
END_TEST

/* What a network or a client out of order adds: the last block again, one that
 * skips some, one from before, or a new beginning without the rest. */
static void
disturb(struct sender *s)
{
	struct upload_result out;
	struct coap_block b = s->sent;
	struct span slice;

	if (!b.more || s->chunk.at == 0)
		return;
	switch (rand_below(&rnd, 4)) {
	case 0:
		ck_assert_int_eq(feed(s, &b, s->slice, &out),
		    UPLOAD_CONTINUE);
		break;
	case 1:
		b.num += 2 + (uint32_t)rand_below(&rnd, 10);
		if (coap_block_slice(s->body, &b, &slice))
			ck_assert_int_eq(feed(s, &b, slice, &out),
			    UPLOAD_INCOMPLETE);
		break;
	case 2:
		if (b.num < 2)
			break;
		b.num = 1 + (uint32_t)rand_below(&rnd, b.num - 1);
		ck_assert(coap_block_slice(s->body, &b, &slice));
		ck_assert_int_eq(feed(s, &b, slice, &out), UPLOAD_INCOMPLETE);
		break;
	default:
		b.num = 0;
		ck_assert(coap_block_slice(s->body, &b, &slice));
		ck_assert_int_eq(feed(s, &b, slice, &out), UPLOAD_CONTINUE);
		break;
	}
}

/* BLK-26, BLK-27, BLK-28, BLK-47: with blocks repeated, skipped and begun anew
 * in between, the body is right or there is an error. */
START_TEST(blk_27_disturbed)
{
	static uint8_t body[BODY_MAX];
	unsigned done = 0, failed = 0, again = 0;

	for (uint16_t i = 0; i < 300; i++) {
		struct sender s;

		sender_init(&s, body, i);
		while (!s.over) {
			turn(&s);
			if (!s.over && rand_below(&rnd, 10) == 0)
				disturb(&s);
		}
		done += s.done;
		failed += s.failed;
		again += s.again;
	}
	/* All of it has happened. */
	ck_assert_uint_gt(done, 100);
	ck_assert_uint_gt(failed, 100);
	ck_assert_uint_gt(again, 100);
}
END_TEST

/* BLK-30: many clients at once with the same options, in any order. */
START_TEST(blk_30_interleaved_clients)
{
	static uint8_t bodies[CLIENTS][BODY_MAX];
	static struct sender senders[CLIENTS];
	unsigned left = CLIENTS;

	for (uint16_t i = 0; i < CLIENTS; i++)
		sender_init(&senders[i], bodies[i], i);
	while (left > 0) {
		struct sender *s = &senders[rand_below(&rnd, CLIENTS)];

		if (s->over)
			continue;
		turn(s);
		left -= s->over;
	}
	for (size_t i = 0; i < CLIENTS; i++)
		ck_assert_uint_eq(senders[i].done, 1);
	ck_assert_uint_eq(uploads.table.count, 0);
	ck_assert_uint_eq(uploads.stats.finished, CLIENTS);
	ck_assert_uint_eq(uploads.stats.refused, 0);
}
END_TEST

Suite *
transfer_suite(void)
{
	Suite *s = suite_create("transfer");
	TCase *tc = tcase_create("transfer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, blk_25_sizes);
	tcase_add_test(tc, blk_27_disturbed);
	tcase_add_test(tc, blk_30_interleaved_clients);
	suite_add_tcase(s, tc);
	return s;
}
