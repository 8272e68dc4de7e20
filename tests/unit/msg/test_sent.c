#include "msg/sent.h"

#include "coap/msg.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 1000000 };

static struct rand rnd;
static struct peer peer;
static struct buf_pool *bufs;

static void
setup(void)
{
	struct addr a = { .family = 4 };

	rand_init_fixed(&rnd, 1);
	peer_init(&peer, &a, &a, NULL, &rnd);
	bufs = buf_pool_new(1 << 16);
	ck_assert_ptr_nonnull(bufs);
}

static void
teardown(void)
{
	ck_assert_uint_eq(buf_pool_used(bufs), 0);
	buf_pool_free(bufs);
}

static void
start(struct sent *s)
{
	struct buf *b = buf_get(bufs, 4);

	ck_assert_ptr_nonnull(b);
	*s = (struct sent){ .type = COAP_CON, .buf = b };
	sent_first(s, &peer, 1, NOW);
}

static void
end(struct sent *s)
{
	buf_unref(s->buf);
	peer_unref(s->peer);
	ck_assert_uint_eq(peer.refs, 0);
}

/* MSG-30, MSG-32, CoAPy X1: without ACK five copies, T, 2T, 4T and 8T apart,
 * and the end at 31T; T is 2 s without chance. */
START_TEST(schedule)
{
	static const struct {
		uint32_t timeout, max_retransmit;
		uint64_t copies[6];	/* since the first, in seconds */
		uint64_t end;
	} rows[] = {
		{ 2000, 4, { 2, 6, 14, 30 }, 62 },
		{ 3000, 4, { 3, 9, 21, 45 }, 93 },
		{ 2000, 2, { 2, 6 }, 14 },
		{ 2000, 1, { 2 }, 6 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct msg_params p;
		struct sent s;
		uint64_t next;

		msg_params_init(&p);
		p.max_retransmit = rows[i].max_retransmit;
		msg_params_derive(&p);
		start(&s);
		s.timeout = rows[i].timeout;
		next = NOW + s.timeout;
		for (size_t j = 0; rows[i].copies[j] != 0; j++) {
			ck_assert_uint_eq(next,
			    NOW + rows[i].copies[j] * 1000);
			ck_assert_int_eq(s.state, SENT_WAIT_ACK);
			ck_assert_int_eq(sent_due(&s, &p, next, &next),
			    SENT_COPY);
		}
		ck_assert_int_eq(s.state, SENT_LAST_WAIT);
		ck_assert_uint_eq(s.copies, rows[i].max_retransmit + 1);
		ck_assert_uint_eq(next, NOW + rows[i].end * 1000);
		ck_assert_int_eq(sent_due(&s, &p, next, &next),
		    SENT_GIVE_UP);
		end(&s);
	}
}
END_TEST

/* Without repetitions there is only the wait. */
START_TEST(no_copies)
{
	struct msg_params p;
	struct sent s;
	uint64_t next;

	msg_params_init(&p);
	p.max_retransmit = 0;
	msg_params_derive(&p);
	start(&s);
	s.timeout = 2500;
	ck_assert_int_eq(sent_due(&s, &p, NOW + 2500, &next), SENT_WAIT);
	ck_assert_uint_eq(next, NOW + p.max_transmit_wait);
	ck_assert_int_eq(sent_due(&s, &p, next, &next), SENT_GIVE_UP);
	end(&s);
}
END_TEST

/* MSG-33: who comes late skips copies instead of catching up, and sends none
 * after MAX_TRANSMIT_SPAN. */
START_TEST(late)
{
	struct msg_params p;
	struct sent s;
	uint64_t next;

	msg_params_init(&p);
	start(&s);
	s.timeout = 2000;
	ck_assert_int_eq(sent_due(&s, &p, NOW + 20000, &next), SENT_COPY);
	ck_assert_uint_eq(next, NOW + 24000);
	/* A timer that is a little late is none. */
	ck_assert_int_eq(sent_due(&s, &p, NOW + 45251, &next), SENT_WAIT);
	ck_assert_uint_eq(next, NOW + 93000);
	ck_assert_int_eq(sent_due(&s, &p, NOW + 93000, &next), SENT_GIVE_UP);
	end(&s);
}
END_TEST

/* MSG-30, CoAPy's defect 1: uniform between ACK_TIMEOUT and ACK_TIMEOUT *
 * ACK_RANDOM_FACTOR. */
START_TEST(first_timeout)
{
	struct msg_params p;
	uint32_t min = UINT32_MAX, max = 0;
	uint64_t sum = 0;

	msg_params_init(&p);
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t t = sent_first_timeout(&p, &rnd);

		min = t < min ? t : min;
		max = t > max ? t : max;
		sum += t;
	}
	ck_assert_uint_ge(min, 2000);
	ck_assert_uint_lt(min, 2010);
	ck_assert_uint_le(max, 3000);
	ck_assert_uint_gt(max, 2990);
	ck_assert_uint_gt(sum / 10000, 2480);
	ck_assert_uint_lt(sum / 10000, 2520);
	p.ack_random_factor = 1000;
	ck_assert_uint_eq(sent_first_timeout(&p, &rnd), 2000);
}
END_TEST

/* MSG-37, CoAPy's defect 5: found by peer and Message ID. */
START_TEST(find)
{
	struct addr a = { .family = 4, .port = 9 };
	struct peer stranger;
	struct table t;
	struct sent s;

	ck_assert(table_init(&t, 4));
	peer_init(&stranger, &a, &a, NULL, &rnd);
	start(&s);
	table_insert(&t, &s.node, peer_mid_hash(&peer, 1));
	ck_assert_ptr_eq(sent_find(&t, &peer, 1), &s);
	ck_assert_ptr_null(sent_find(&t, &peer, 2));
	ck_assert_ptr_null(sent_find(&t, &stranger, 1));
	/* Not even when their hashes are the same. */
	stranger.node.hash = peer.node.hash;
	ck_assert_ptr_null(sent_find(&t, &stranger, 1));
	table_remove(&t, &s.node);
	table_fini(&t);
	end(&s);
}
END_TEST

Suite *
sent_suite(void)
{
	Suite *s = suite_create("sent");
	TCase *tc = tcase_create("sent");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, schedule);
	tcase_add_test(tc, no_copies);
	tcase_add_test(tc, late);
	tcase_add_test(tc, first_timeout);
	tcase_add_test(tc, find);
	suite_add_tcase(s, tc);
	return s;
}
