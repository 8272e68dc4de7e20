#include "msg/peer.h"

#include <stdlib.h>

#include "suites.h"
#include "unit.h"

enum { LIFETIME = 247000, NOW = 1000000 };

static struct rand rnd;

static struct addr
address(const char *ip, uint16_t port)
{
	struct addr a;

	ck_assert(addr_parse_ip(&a, span_str(ip), false));
	a.port = port;
	return a;
}

/* CoAPy M1 and M2: one after the other, and round the end. */
START_TEST(mids_count)
{
	static const struct {
		uint32_t from;
		uint16_t want[4];
	} rows[] = {
		{ 621, { 621, 622, 623, 624 } },
		{ 65534, { 65534, 65535, 0, 1 } },
		{ MID_GROUP - 1, { MID_GROUP - 1, MID_GROUP, MID_GROUP + 1,
			MID_GROUP + 2 } },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct mids m;
		uint16_t mid;

		mids_init(&m, &rnd);
		m.next = rows[i].from;
		for (size_t j = 0; j < 4; j++) {
			ck_assert(mids_next(&m, NOW, LIFETIME, &mid));
			ck_assert_uint_eq(mid, rows[i].want[j]);
		}
	}
}
END_TEST

/* MSG-59: none comes again within EXCHANGE_LIFETIME, however fast they are
 * taken; and there is an end. */
START_TEST(mids_lease)
{
	static uint64_t used[65536];
	static const uint64_t step[] = { 0, 1, 2, 3, 4, 5, 50 };

	for (size_t i = 0; i < UNIT_COUNT(step); i++) {
		struct mids m;
		uint64_t now = NOW;
		unsigned refused = 0, wrong = 0;
		uint16_t mid;

		memset(used, 0, sizeof(used));
		mids_init(&m, &rnd);
		for (unsigned j = 0; j < 200000; j++, now += step[i]) {
			bool open = mids_open(&m, now);

			if (!mids_next(&m, now, LIFETIME, &mid)) {
				wrong += open;
				refused++;
				continue;
			}
			wrong += !open;
			wrong += used[mid] != 0 && now - used[mid] < LIFETIME;
			used[mid] = now;
		}
		ck_assert_uint_eq(wrong, 0);
		/* 65536 in 247 s: one in 3.77 ms. */
		if (step[i] <= 3)
			ck_assert_uint_gt(refused, 0);
		if (step[i] >= 5)
			ck_assert_uint_eq(refused, 0);
	}
}
END_TEST

/* MSG-59: the end of a lease is rounded up to seconds, never down. */
START_TEST(mids_rounding)
{
	static const uint64_t starts[] = { NOW, NOW + 1, NOW + 500, NOW + 999 };
	uint16_t mid;

	for (size_t i = 0; i < UNIT_COUNT(starts); i++) {
		struct mids m = { .next = 0 };
		uint64_t end = starts[i] + LIFETIME;

		for (unsigned n = 0; n < 65536; n++)
			ck_assert(mids_next(&m, starts[i], LIFETIME, &mid));
		for (uint64_t now = end - 1000; now < end; now++)
			ck_assert(!mids_next(&m, now, LIFETIME, &mid));
		ck_assert(mids_next(&m, end + 999, LIFETIME, &mid));
		ck_assert_uint_eq(mid, 0);
	}
}
END_TEST

/* All of them can be had, bar what the random start splits off. */
START_TEST(mids_all)
{
	struct mids m;
	unsigned n = 0;
	uint16_t mid;

	mids_init(&m, &rnd);
	while (mids_next(&m, NOW, LIFETIME, &mid))
		n++;
	ck_assert_uint_gt(n, 65536 - MID_GROUP);
	ck_assert_uint_le(n, 65536);
	ck_assert(!mids_next(&m, NOW + LIFETIME - 1, LIFETIME, &mid));
	ck_assert(mids_next(&m, NOW + LIFETIME, LIFETIME, &mid));
}
END_TEST

/* MSG-40, MSG-60: they start anywhere. */
START_TEST(mids_start)
{
	unsigned low = 0, equal = 0;
	uint32_t last = 0;

	for (unsigned i = 0; i < 1000; i++) {
		struct mids m;

		mids_init(&m, &rnd);
		ck_assert_uint_lt(m.next, 65536);
		low += m.next < 32768;
		equal += m.next == last;
		last = m.next;
	}
	ck_assert_uint_gt(low, 400);
	ck_assert_uint_lt(low, 600);
	ck_assert_uint_lt(equal, 5);
}
END_TEST

/* MSG-64: a peer is its address, its port, and where it sends to. */
START_TEST(identity)
{
	struct addr c = address("192.0.2.1", 1), d = address("192.0.2.1", 2);
	struct addr p = address("198.51.100.1", 5683);
	struct addr q = address("198.51.100.2", 5683);
	struct peers ps;
	struct peer *a;
	int io, other;

	ck_assert(peers_init(&ps, 16, &rnd));
	a = peers_get(&ps, &c, &p, &io);
	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_eq(peers_get(&ps, &c, &p, &io), a);
	ck_assert_ptr_ne(peers_get(&ps, &d, &p, &io), a);
	ck_assert_ptr_ne(peers_get(&ps, &c, &q, &io), a);
	ck_assert_ptr_ne(peers_get(&ps, &c, &p, &other), a);
	ck_assert_uint_eq(ps.table.count, 4);
	ck_assert(addr_eq(&a->remote, &c));
	ck_assert(addr_eq(&a->local, &p));
	peers_fini(&ps);
}
END_TEST

/* ATK-35: at the limit the longest idle one goes; those in use stay, and when
 * all are there is no room. */
START_TEST(limit)
{
	struct addr p = address("198.51.100.1", 5683), a[4];
	struct peers ps;
	struct peer *v[4];
	int io;

	for (uint16_t i = 0; i < 4; i++)
		a[i] = address("192.0.2.1", (uint16_t)(i + 1));
	ck_assert(peers_init(&ps, 2, &rnd));
	v[0] = peers_get(&ps, &a[0], &p, &io);
	peer_ref(v[0]);
	v[1] = peers_get(&ps, &a[1], &p, &io);
	v[2] = peers_get(&ps, &a[2], &p, &io);
	ck_assert_ptr_nonnull(v[2]);
	ck_assert_uint_eq(ps.evicted, 1);
	ck_assert_ptr_eq(peers_get(&ps, &a[0], &p, &io), v[0]);
	peer_ref(v[2]);
	ck_assert_ptr_null(peers_get(&ps, &a[3], &p, &io));
	peer_unref(v[0]);
	v[3] = peers_get(&ps, &a[3], &p, &io);
	ck_assert_ptr_nonnull(v[3]);
	ck_assert_ptr_eq(peers_get(&ps, &a[2], &p, &io), v[2]);
	peer_unref(v[2]);
	ck_assert_uint_eq(ps.table.count, 2);
	peers_fini(&ps);
}
END_TEST

static void
sum(const struct peer *p, void *arg)
{
	struct peer_stats *total = arg;

	total->rx_messages += p->stats.rx_messages;
	total->duplicates += p->stats.duplicates;
}

/* Whoever reports on endpoints sees each of them once. */
START_TEST(each)
{
	struct addr local = address("192.0.2.1", 5683);
	struct peer_stats total = { 0 };
	struct peers ps;

	ck_assert(peers_init(&ps, 4, &rnd));
	peers_each(&ps, sum, &total);
	ck_assert_uint_eq(total.rx_messages, 0);
	for (uint16_t i = 1; i <= 6; i++) {
		struct addr a = address("192.0.2.7", i);
		struct peer *p = peers_get(&ps, &a, &local, NULL);

		p->stats.rx_messages = i;
		p->stats.duplicates = 1;
	}
	/* The two longest idle have left. */
	peers_each(&ps, sum, &total);
	ck_assert_uint_eq(total.rx_messages, 3 + 4 + 5 + 6);
	ck_assert_uint_eq(total.duplicates, 4);
	peers_fini(&ps);
}
END_TEST

static void
count_notes(const struct peer *p, void *arg)
{
	size_t *n = arg;

	*n += p->note != 0;
}

/* A socket is closed: its peers go, as soon as nobody refers to them. */
START_TEST(forgotten)
{
	struct addr local = address("192.0.2.1", 5683);
	int here, there;
	struct peer *held = NULL;
	struct peers ps;
	size_t notes = 0;

	ck_assert(peers_init(&ps, 8, &rnd));
	for (uint16_t i = 1; i <= 6; i++) {
		struct addr a = address("192.0.2.7", i);
		struct peer *p = peers_get(&ps, &a, &local,
		    i <= 3 ? &here : &there);

		p->note = 1;
		if (i == 2)
			held = p;
	}
	peer_ref(held);
	ck_assert(peers_forget(&ps, &here));
	ck_assert_uint_eq(ps.table.count, 4);
	peer_unref(held);
	ck_assert(!peers_forget(&ps, &here));
	ck_assert_uint_eq(ps.table.count, 3);
	peers_each(&ps, count_notes, &notes);
	ck_assert_uint_eq(notes, 3);
	peers_clear_notes(&ps);
	notes = 0;
	peers_each(&ps, count_notes, &notes);
	ck_assert_uint_eq(notes, 0);
	peers_fini(&ps);
}
END_TEST

/* Fewer than there are: of those that nobody refers to two go for each new one,
 * the others stay; there is room for a while when all are in use. */
START_TEST(lower_limit)
{
	enum { MANY = 3000, FEW = 100, SPARE = 1024 };
	struct addr local = address("192.0.2.1", 5683);
	struct peer *kept;
	struct peers ps;
	uint16_t port = 1;
	struct addr a = address("192.0.2.7", port);

	/* Not more are in use ever: see max_peers() in datagram.c. */
	ck_assert(peers_init(&ps, MANY + SPARE, &rnd));
	kept = peers_get(&ps, &a, &local, NULL);
	peer_ref(kept);
	while (ps.pool.used < MANY) {
		a.port = ++port;
		peer_ref(peers_get(&ps, &a, &local, NULL));
	}
	peers_limit(&ps, FEW);
	for (unsigned i = 0; i < SPARE; i++) {
		a.port = ++port;
		ck_assert_ptr_nonnull(peers_get(&ps, &a, &local, NULL));
	}
	for (a.port = 2; a.port <= MANY; a.port++)
		peer_unref(peers_get(&ps, &a, &local, NULL));
	while (ps.pool.used > FEW) {
		size_t used = ps.pool.used;

		a.port = ++port;
		ck_assert_ptr_nonnull(peers_get(&ps, &a, &local, NULL));
		ck_assert_uint_eq(ps.pool.used, used - 1);
	}
	a.port = ++port;
	ck_assert_ptr_nonnull(peers_get(&ps, &a, &local, NULL));
	ck_assert_uint_eq(ps.pool.used, FEW);
	a.port = 1;
	ck_assert_ptr_eq(peers_get(&ps, &a, &local, NULL), kept);
	peer_unref(kept);
	peers_fini(&ps);
}
END_TEST

static void
nothing(struct table_node *n, void *arg)
{
	(void)n;
	(void)arg;
}

/* Hash flooding (ATK-35): every port of an address is a client, and sends the
 * same Message ID, or one client every Message ID: no bucket gets long. */
START_TEST(flooding)
{
	enum { PORTS = 65535, LONGEST = 32 };
	struct addr local = address("192.0.2.1", 5683);
	struct table_node *nodes = calloc(65536, sizeof(*nodes));
	struct table same_mid, one_peer;
	struct peer *p = NULL;
	struct peers ps;
	struct rand r;
	int io;

	ck_assert_ptr_nonnull(nodes);
	rand_init(&r);
	ck_assert(peers_init(&ps, PORTS, &r));
	ck_assert(table_init(&same_mid, PORTS));
	for (unsigned port = 1; port <= PORTS; port++) {
		struct addr a = address("198.51.100.1", (uint16_t)port);

		p = peers_get(&ps, &a, &local, &io);
		ck_assert_ptr_nonnull(p);
		table_insert(&same_mid, &nodes[port],
		    peer_mid_hash(p, 0x1234));
	}
	ck_assert_uint_eq(ps.table.count, PORTS);
	ck_assert_uint_le(unit_longest_chain(&same_mid), LONGEST);
	table_fini(&same_mid);
	ck_assert(table_init(&one_peer, 65536));
	for (unsigned mid = 0; mid < 65536; mid++)
		table_insert(&one_peer, &nodes[mid],
		    peer_mid_hash(p, (uint16_t)mid));
	ck_assert_uint_le(unit_longest_chain(&one_peer), LONGEST);
	table_fini(&one_peer);
	table_each(&ps.table, nothing, NULL);	/* it has grown to its size */
	ck_assert_uint_le(unit_longest_chain(&ps.table), LONGEST);
	peers_fini(&ps);
	free(nodes);
}
END_TEST

static void *
by_address(void *arg, const struct addr *local)
{
	return local->ip[3] == 1 ? arg : NULL;
}

/* Those at one address of a socket are at another socket from now on; they are
 * the same as before, but for what was noted of them. */
START_TEST(move)
{
	struct addr local[2] = { address("192.0.2.1", 5683),
		address("192.0.2.2", 5683) };
	struct addr a = address("192.0.2.7", 1);
	int here, there;
	struct peer *p[2], *other;
	struct peers ps;

	ck_assert(peers_init(&ps, 8, &rnd));
	for (size_t i = 0; i < 2; i++) {
		p[i] = peers_get(&ps, &a, &local[i], &here);
		p[i]->note = 7;
	}
	a.port = 2;
	other = peers_get(&ps, &a, &local[0], &other);
	other->note = 7;
	a.port = 1;
	peers_move(&ps, &here, by_address, &there);
	ck_assert_ptr_eq(peers_get(&ps, &a, &local[0], &there), p[0]);
	ck_assert_ptr_eq(peers_get(&ps, &a, &local[1], &here), p[1]);
	ck_assert_ptr_eq(other->io, &other);
	ck_assert_uint_eq(p[0]->note, 0);
	ck_assert_uint_eq(p[1]->note, 7);
	ck_assert_uint_eq(other->note, 7);
	ck_assert_uint_eq(ps.table.count, 3);
	peers_fini(&ps);
}
END_TEST

/* Who sends from many addresses and ports makes as many of these: 300 octets of
 * memory each, its share of the buckets included, of which there are two for
 * each peer when the table has just grown. */
START_TEST(size)
{
	struct peers ps;

	ck_assert(peers_init(&ps, 16, &rnd));
	ck_assert_uint_le(ps.pool.size + 2 * sizeof(struct table_node *),
	    300);
	peers_fini(&ps);
}
END_TEST

Suite *
peer_suite(void)
{
	Suite *s = suite_create("peer");
	TCase *tc = tcase_create("peer");

	rand_init_fixed(&rnd, 1);
	tcase_add_test(tc, size);
	tcase_add_test(tc, mids_count);
	tcase_add_test(tc, mids_lease);
	tcase_add_test(tc, mids_all);
	tcase_add_test(tc, mids_rounding);
	tcase_add_test(tc, mids_start);
	tcase_add_test(tc, identity);
	tcase_add_test(tc, limit);
	tcase_add_test(tc, each);
	tcase_add_test(tc, forgotten);
	tcase_add_test(tc, lower_limit);
	tcase_add_test(tc, flooding);
	tcase_add_test(tc, move);
	suite_add_tcase(s, tc);
	return s;
}
