#include "msg/received.h"

#include "suites.h"
#include "unit.h"

enum { LIFETIME = 247000, NOW = 1000000, MAX = 4 };

static struct rand rnd;
static struct received_table table;
static struct peers peers;
static struct peer *peer, *other;
static struct buf_pool *bufs;

static void
setup(void)
{
	struct addr a, p;

	rand_init_fixed(&rnd, 1);
	ck_assert(addr_parse_ip(&a, SPAN_LIT("192.0.2.1"), false));
	ck_assert(addr_parse_ip(&p, SPAN_LIT("198.51.100.1"), false));
	ck_assert(peers_init(&peers, 16, &rnd));
	peer = peers_get(&peers, &a, &p, NULL);
	other = peers_get(&peers, &p, &a, NULL);
	ck_assert(received_init(&table, MAX));
	bufs = buf_pool_new(1 << 20);
	ck_assert_ptr_nonnull(bufs);
}

/* Nothing is left: no record, no buffer, no reference to a peer. */
static void
teardown(void)
{
	received_fini(&table);
	ck_assert_uint_eq(peer->refs, 0);
	ck_assert_uint_eq(other->refs, 0);
	peers_fini(&peers);
	ck_assert_uint_eq(buf_pool_used(bufs), 0);
	buf_pool_free(bufs);
}

static struct received *
add(uint16_t mid, bool idempotent)
{
	return received_add(&table, peer, mid, idempotent);
}

static void
done(struct received *r, uint64_t now)
{
	received_done(&table, r, ANSWER_ACK, NULL, now, LIFETIME);
}

/* MSG-64: the key is the peer and the Message ID. */
START_TEST(key)
{
	struct received *r = add(1, true);

	ck_assert_ptr_nonnull(r);
	ck_assert_int_eq(r->state, RECEIVED_OPEN);
	ck_assert_uint_eq(r->copies, 1);
	ck_assert_ptr_eq(received_find(&table, peer, 1), r);
	ck_assert_ptr_null(received_find(&table, peer, 2));
	ck_assert_ptr_null(received_find(&table, other, 1));
	received_drop(&table, r);
	ck_assert_ptr_null(received_find(&table, peer, 1));
}
END_TEST

/* CoAPy C3: a record lives for EXCHANGE_LIFETIME from its answer; one that is
 * worked on does not expire. */
START_TEST(expiry)
{
	struct received *open = add(1, true);

	done(add(2, true), NOW);
	done(add(3, false), NOW + 1500);
	ck_assert_uint_eq(received_next(&table), NOW + LIFETIME);
	received_expire(&table, NOW + LIFETIME - 1);
	ck_assert_ptr_nonnull(received_find(&table, peer, 2));
	received_expire(&table, NOW + LIFETIME);
	ck_assert_ptr_null(received_find(&table, peer, 2));
	ck_assert_ptr_nonnull(received_find(&table, peer, 3));
	/* Seconds, rounded up. */
	ck_assert_uint_eq(received_next(&table), NOW + LIFETIME + 2000);
	received_expire(&table, NOW + LIFETIME + 2000);
	ck_assert_ptr_null(received_find(&table, peer, 3));
	ck_assert_uint_eq(received_next(&table), TIMER_NEVER);
	ck_assert_ptr_eq(received_find(&table, peer, 1), open);
}
END_TEST

/* MSG-41: empty ACKs are due in the order in which the CONs came, but not for
 * what has been answered, told, replaced or forgotten meanwhile. Also around
 * the time when 32 bits of milliseconds are not enough. */
START_TEST(acks)
{
	static const uint64_t from[] = { NOW, UINT32_MAX - 200,
		5 * (uint64_t)UINT32_MAX - 500 };
	struct received *r[4];
	uint64_t now, next;

	for (size_t i = 0; i < UNIT_COUNT(from); i++) {
		now = from[i];
		ck_assert_ptr_null(received_ack_due(&table, now, &next));
		ck_assert_uint_eq(next, TIMER_NEVER);
		for (uint16_t j = 0; j < 4; j++) {
			r[j] = add(j, true);
			received_ack_at(&table, r[j], now + 500 + 100 * j);
		}
		ck_assert_ptr_null(received_ack_due(&table, now, &next));
		ck_assert_uint_eq(next, now + 500);
		done(r[0], now);
		ck_assert_ptr_null(received_ack_due(&table, now + 500, &next));
		ck_assert_uint_eq(next, now + 600);
		received_acked(r[2]);
		ck_assert_ptr_eq(received_ack_due(&table, now + 650, &next),
		    r[1]);
		ck_assert_int_eq(r[1]->state, RECEIVED_ACKED);
		ck_assert_ptr_null(received_ack_due(&table, now + 650, &next));
		ck_assert_uint_eq(next, now + 800);
		if (i == 0)
			received_orphan(&table, r[3]);
		ck_assert_ptr_eq(received_ack_due(&table, now + 9000, &next),
		    i == 0 ? NULL : r[3]);
		for (unsigned j = 0; j < 4; j++)
			received_drop(&table, r[j]);
	}
}
END_TEST

/* There is a record for every message of the last 247 s: 96 octets of memory
 * each, its share of the buckets included, of which there are two for each
 * record when the table has just grown. What is kept to be sent again comes on
 * top. */
START_TEST(size)
{
	ck_assert_uint_le(table.pool.size + 2 * sizeof(struct table_node *),
	    96);
	/* One line of cache. */
	ck_assert_uint_le(table.pool.size, 64);
}
END_TEST

/* MSG-65: room is made by forgetting the oldest answered idempotent one. */
START_TEST(eviction)
{
	done(add(1, false), NOW);
	done(add(2, true), NOW);
	done(add(3, true), NOW);
	add(4, true);
	ck_assert_ptr_nonnull(add(5, false));
	ck_assert_ptr_null(received_find(&table, peer, 2));
	ck_assert_ptr_nonnull(add(6, true));
	ck_assert_ptr_null(received_find(&table, peer, 3));
	ck_assert_uint_eq(table.stats.evicted, 2);
	ck_assert_ptr_nonnull(received_find(&table, peer, 1));
	ck_assert_ptr_nonnull(received_find(&table, peer, 4));
}
END_TEST

/* MSG-66: those that must stay get half of the records; a request more of
 * their kind is refused, others are not, unless all are worked on. */
START_TEST(refusal)
{
	struct received *r;

	done(add(1, false), NOW);
	r = add(2, false);
	ck_assert_ptr_null(add(3, false));
	add(4, true);
	add(5, true);
	ck_assert_ptr_null(add(6, true));
	ck_assert_uint_eq(table.stats.refused, 2);
	ck_assert_uint_eq(table.table.count, MAX);
	/* One that had no effect counts no more. */
	received_harmless(&table, r);
	done(r, NOW);
	ck_assert_ptr_nonnull(add(3, false));
	ck_assert_ptr_null(received_find(&table, peer, 2));
	received_expire(&table, NOW + LIFETIME);
	ck_assert_ptr_nonnull(add(7, false));
}
END_TEST

static void
answered(struct received *r, size_t octets)
{
	struct buf *b = buf_get(bufs, octets);

	ck_assert_ptr_nonnull(b);
	received_done(&table, r, ANSWER_BUF, b, NOW, LIFETIME);
	buf_unref(b);
}

/* Kept answers have a budget too: 4 times 256 octets here, and a buffer counts
 * as large as it is. Those of idempotent requests go first; then POSTs are
 * refused, GETs are not. */
START_TEST(budget)
{
	answered(add(1, true), BUF_SMALL);
	answered(add(2, false), BUF_SMALL);
	ck_assert_uint_eq(table.answer_octets, 2 * BUF_SMALL);
	ck_assert_ptr_nonnull(received_find(&table, peer, 1));
	answered(add(3, false), BUF_LARGE);
	ck_assert_ptr_null(received_find(&table, peer, 1));
	ck_assert_ptr_nonnull(received_find(&table, peer, 2));
	ck_assert_ptr_null(add(4, false));
	ck_assert_ptr_nonnull(add(5, true));
	received_expire(&table, NOW + LIFETIME);
	ck_assert_uint_eq(table.answer_octets, 0);
	ck_assert_ptr_nonnull(add(4, false));
}
END_TEST

/* An answer above all of it is not kept at all. */
START_TEST(budget_one)
{
	answered(add(1, true), BUF_LARGE);
	ck_assert_uint_eq(table.table.count, 0);
	ck_assert_uint_eq(table.answer_octets, 0);
}
END_TEST

/* MSG-91: an orphan is found no more, its Message ID is free, and it is gone
 * when it is answered. */
START_TEST(orphan)
{
	struct received *r = add(1, false), *next;

	received_orphan(&table, r);
	ck_assert_ptr_null(received_find(&table, peer, 1));
	next = add(1, false);
	ck_assert_ptr_eq(received_find(&table, peer, 1), next);
	/* No ACK with its ID any more. */
	ck_assert_int_eq(r->state, RECEIVED_ORPHAN);
	done(r, NOW);
	ck_assert_uint_eq(table.table.count, 1);
	ck_assert_uint_eq(table.pool.used, 1);
	received_drop(&table, next);
}
END_TEST

/* Fewer than there are: those that are worked on stay, of the others two give
 * way for each new one, and nobody is refused for that. */
START_TEST(lower_limit)
{
	struct received *open = add(100, true);

	received_limit(&table, 40);
	for (uint16_t mid = 1; mid < 40; mid++)
		done(add(mid, true), NOW);
	received_limit(&table, 8);
	ck_assert_uint_eq(table.table.count, 40);
	for (uint16_t mid = 40; mid < 80; mid++) {
		struct received *r = add(mid, true);

		ck_assert_ptr_nonnull(r);
		done(r, NOW + 1);
	}
	ck_assert_uint_eq(table.table.count, 8);
	ck_assert_uint_eq(table.stats.refused, 0);
	ck_assert_ptr_eq(received_find(&table, peer, 100), open);
	received_drop(&table, open);
}
END_TEST

/* Those that must stay do, and others are refused, until they have expired. */
START_TEST(lower_limit_refuses)
{
	received_limit(&table, 20);
	for (uint16_t mid = 1; mid <= 10; mid++)
		done(add(mid, false), NOW);
	received_limit(&table, 2);
	ck_assert_ptr_null(add(11, false));
	ck_assert_ptr_null(add(12, true));
	ck_assert_uint_eq(table.table.count, 10);
	received_expire(&table, NOW + LIFETIME);
	ck_assert_uint_eq(table.pool.max, 2);
	ck_assert_ptr_nonnull(add(13, true));
	ck_assert_ptr_nonnull(add(14, false));
	ck_assert_ptr_null(add(15, true));
}
END_TEST

/* The octets of answers come down with it. */
START_TEST(lower_budget)
{
	size_t most;

	received_limit(&table, 64);
	for (uint16_t mid = 1; mid <= 10; mid++)
		answered(add(mid, true), BUF_LARGE);
	most = table.answer_octets;
	received_limit(&table, 16);
	ck_assert_uint_eq(table.answer_octets, most);
	for (uint16_t mid = 20; mid < 40; mid++) {
		answered(add(mid, true), BUF_LARGE);
		ck_assert_uint_le(table.answer_octets, most);
	}
	ck_assert_uint_eq(table.answer_max, table.answer_goal);
	ck_assert_uint_le(table.answer_octets, table.answer_goal);
	ck_assert_uint_gt(table.answer_octets, 0);
}
END_TEST

Suite *
received_suite(void)
{
	Suite *s = suite_create("received");
	TCase *tc = tcase_create("received");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, key);
	tcase_add_test(tc, expiry);
	tcase_add_test(tc, acks);
	tcase_add_test(tc, size);
	tcase_add_test(tc, eviction);
	tcase_add_test(tc, refusal);
	tcase_add_test(tc, budget);
	tcase_add_test(tc, budget_one);
	tcase_add_test(tc, orphan);
	tcase_add_test(tc, lower_limit);
	tcase_add_test(tc, lower_limit_refuses);
	tcase_add_test(tc, lower_budget);
	suite_add_tcase(s, tc);
	return s;
}
