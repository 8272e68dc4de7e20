#include "upstream/dest.h"

#include <errno.h>

#include "fakenet.h"
#include "msg/params.h"
#include "unit.h"

Suite *dest_suite(void);

enum { START = 1000000 };	/* ms */

struct rig {
	struct fakenet net;
	struct rand rnd;
	struct msg_params params;
	struct dests dests;
};

static void
wake_fire(struct timer *t, uint64_t now)
{
	(void)t;
	(void)now;
}

static void
rig_init(struct rig *g, size_t max, unsigned max_ports)
{
	static const struct net_sock_ops ops = { .error = NULL };
	static const struct flow_conf flow = { 1, 64 };
	struct dests_conf conf = {
		.max = max,
		.max_ports = max_ports,
		.max_waiting = 64,
		.flow = &flow,
		.sock_ops = &ops,
		.wake = wake_fire,
	};

	fakenet_init(&g->net);
	rand_init_fixed(&g->rnd, 1);
	msg_params_init(&g->params);
	conf.net = &g->net.net;
	conf.rnd = &g->rnd;
	ck_assert(dests_init(&g->dests, &conf));
}

static void
rig_fini(struct rig *g)
{
	dests_fini(&g->dests);
	ck_assert_uint_eq(g->dests.stats.opened, g->dests.stats.closed);
	fakenet_fini(&g->net);
}

/* The destination 192.0.2.HOST:5683; NULL as dest_get(). */
static struct dest *
get(struct rig *g, uint8_t host, uint64_t now)
{
	struct addr a = fake_addr("192.0.2.0", 5683);

	a.ip[3] = host;
	return dest_get(&g->dests, &a, false, now);
}

/* Likewise, with a socket. */
static struct port *
open_port(struct rig *g, uint8_t host, uint64_t now)
{
	struct dest *d = get(g, host, now);

	ck_assert_ptr_nonnull(d);
	return dest_port(d, now);
}

static bool
is_open(struct rig *g, uint8_t host)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &g->dests.lru)
		if (CONTAINER_OF(it, struct dest, lru)->addr.ip[3] == host)
			return true;
	return false;
}

/* Takes every Message ID of P. */
static void
exhaust(struct rig *g, struct port *p, uint64_t now)
{
	unsigned n = 0;
	uint16_t mid;

	while (mids_next(&p->peer.mids, now, g->params.exchange_lifetime,
	    &mid))
		ck_assert_uint_le(++n, 65536);
	ck_assert_uint_gt(n, 65536 - MID_GROUP);
	ck_assert(!mids_open(&p->peer.mids, now));
}

START_TEST(one_destination_per_address)
{
	struct addr a = fake_addr("192.0.2.1", 5683);
	struct addr b = fake_addr("192.0.2.1", 5684);
	struct addr c = fake_addr("2001:db8::1", 5683);
	struct rig g;
	struct dest *d;
	struct port *p;

	rig_init(&g, 10, 1);
	d = dest_get(&g.dests, &a, false, START);
	ck_assert_ptr_nonnull(d);
	ck_assert(addr_eq(&d->addr, &a));
	ck_assert_ptr_eq(dest_get(&g.dests, &a, false, START + 5000), d);
	ck_assert_ptr_eq(dest_find(&g.dests, &a), d);
	ck_assert_ptr_null(dest_find(&g.dests, &b));
	ck_assert_ptr_ne(dest_get(&g.dests, &b, false, START), d);
	ck_assert_ptr_ne(dest_get(&g.dests, &c, false, START), d);
	ck_assert_uint_eq(g.dests.count, 3);
	/* A socket when there is something to send, and then the same. */
	ck_assert_uint_eq(g.net.made, 0);
	p = dest_port(d, START);
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_eq(dest_port(d, START), p);
	ck_assert_uint_eq(g.net.made, 1);
	ck_assert(addr_eq(&p->sock->peer, &a));
	ck_assert(addr_eq(&p->peer.remote, &a));
	ck_assert(addr_eq(&p->peer.local, &p->sock->local));
	ck_assert_ptr_eq(p->sock->user, p);
	rig_fini(&g);
}
END_TEST

/* MSG-59: another port when the IDs of all are leased, and no ID twice. */
START_TEST(ports_open_on_demand)
{
	struct rig g;
	struct dest *d;
	struct port *p[3];

	rig_init(&g, 10, 3);
	d = get(&g, 1, START);
	for (unsigned i = 0; i < UNIT_COUNT(p); i++) {
		p[i] = dest_port(d, START);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_uint_eq(g.net.made, i + 1);
		exhaust(&g, p[i], START);
		ck_assert(dest_next_port(d, START) == (i < 2));
	}
	ck_assert(p[0] != p[1] && p[1] != p[2] && p[0] != p[2]);
	ck_assert_uint_eq(g.dests.stats.opened, 3);
	rig_fini(&g);
}
END_TEST

/* MSG-59: at max_ports the destination is closed, for a second at a time,
 * until EXCHANGE_LIFETIME is over. */
START_TEST(closed_while_all_ids_are_leased)
{
	uint64_t later, now = START;
	struct rig g;
	struct dest *d;
	struct port *first, *second;

	rig_init(&g, 10, 2);
	d = get(&g, 1, now);
	first = dest_port(d, now);
	exhaust(&g, first, now);
	ck_assert(dest_next_port(d, now));
	second = dest_port(d, now);
	exhaust(&g, second, now + 5000);
	now += 5000;
	ck_assert(!dest_next_port(d, now));
	errno = 0;
	ck_assert_ptr_null(dest_port(d, now + 999));
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_ptr_eq(dest_port(d, now + 1000), second);
	/* Still leased: closed again. */
	ck_assert(!dest_next_port(d, now + 1000));
	ck_assert_ptr_null(dest_port(d, now + 1999));
	later = START + g.params.exchange_lifetime;
	ck_assert(!dest_next_port(d, later - 1));
	/* The first port was used up first. */
	ck_assert(dest_next_port(d, later + 1000));
	ck_assert_ptr_eq(dest_port(d, later + 1000), first);
	ck_assert(mids_open(&first->peer.mids, later + 1000));
	ck_assert(!mids_open(&second->peer.mids, later + 1000));
	ck_assert_uint_eq(g.net.made, 2);
	rig_fini(&g);
}
END_TEST

START_TEST(idle_destinations_expire)
{
	struct port *busy, *young;
	struct rig g;

	rig_init(&g, 10, 1);
	ck_assert_ptr_nonnull(open_port(&g, 1, START));
	busy = open_port(&g, 2, START);
	peer_ref(&busy->peer);
	young = open_port(&g, 3, START + 2000);
	ck_assert_ptr_nonnull(young);
	dests_expire(&g.dests, START);
	ck_assert_uint_eq(g.net.open, 3);
	dests_expire(&g.dests, START + 2000);
	ck_assert_uint_eq(g.net.open, 2);
	ck_assert(!is_open(&g, 1));
	ck_assert(is_open(&g, 2) && is_open(&g, 3));
	peer_unref(&busy->peer);
	dests_expire(&g.dests, START + 2000);
	ck_assert(!is_open(&g, 2));
	ck_assert_uint_eq(g.dests.count, 1);
	/* Using it keeps it. */
	ck_assert_ptr_eq(open_port(&g, 3, START + 9000), young);
	dests_expire(&g.dests, START + 9000);
	ck_assert(is_open(&g, 3));
	rig_fini(&g);
}
END_TEST

/* One port in use keeps the whole destination. */
START_TEST(any_port_in_use_keeps)
{
	struct port *first;
	struct rig g;

	rig_init(&g, 10, 2);
	first = open_port(&g, 1, START);
	peer_ref(&first->peer);
	exhaust(&g, first, START);
	ck_assert(dest_next_port(get(&g, 1, START), START));
	dests_expire(&g.dests, START + 1);
	ck_assert_uint_eq(g.net.open, 2);
	peer_unref(&first->peer);
	dests_expire(&g.dests, START + 1);
	ck_assert_uint_eq(g.net.open, 0);
	rig_fini(&g);
}
END_TEST

START_TEST(longest_unused_makes_room)
{
	struct port *busy, *p;
	struct rig g;

	rig_init(&g, 3, 1);
	busy = open_port(&g, 1, START);
	peer_ref(&busy->peer);
	ck_assert_ptr_nonnull(open_port(&g, 2, START + 1000));
	ck_assert_ptr_nonnull(open_port(&g, 3, START + 2000));
	/* 2 is used once more, so 3 is the oldest idle one. */
	ck_assert_ptr_nonnull(open_port(&g, 2, START + 3000));
	ck_assert_ptr_nonnull(open_port(&g, 4, START + 4000));
	ck_assert(is_open(&g, 1) && is_open(&g, 2) && !is_open(&g, 3));
	ck_assert_uint_eq(g.dests.count, 3);
	ck_assert_uint_eq(g.net.open, 3);
	/* All in use: refused, and what is there is still found. */
	peer_ref(&open_port(&g, 2, START + 5000)->peer);
	p = open_port(&g, 4, START + 5000);
	peer_ref(&p->peer);
	ck_assert_ptr_null(get(&g, 5, START + 5000));
	ck_assert_uint_eq(g.dests.stats.refused, 1);
	ck_assert_ptr_eq(open_port(&g, 4, START + 5000), p);
	/* An idle one frees its place. */
	peer_unref(&busy->peer);
	ck_assert_ptr_nonnull(get(&g, 5, START + 5000));
	ck_assert(!is_open(&g, 1));
	rig_fini(&g);
}
END_TEST

/* Destinations that clients name leave a quarter of the table to those that the
 * configuration names. */
START_TEST(guests_leave_room)
{
	struct addr a;
	struct rig g;

	rig_init(&g, 4, 1);
	for (unsigned i = 1; i <= 4; i++) {
		struct dest *d;

		a = fake_addr("192.0.2.1", (uint16_t)(5000 + i));
		d = dest_get(&g.dests, &a, true, START);
		if (i == 4) {
			ck_assert_ptr_null(d);
			break;
		}
		ck_assert_ptr_nonnull(d);
		peer_ref(&dest_port(d, START)->peer);
	}
	ck_assert_ptr_nonnull(dest_get(&g.dests, &a, false, START));
	rig_fini(&g);
}
END_TEST

/* Short of descriptors: an idle socket goes, so that the next request finds
 * one. Never that of the destination that is asking. */
START_TEST(no_descriptor_closes_an_idle_one)
{
	struct port *busy;
	struct dest *d;
	struct rig g;

	rig_init(&g, 10, 1);
	busy = open_port(&g, 1, START);
	peer_ref(&busy->peer);
	ck_assert_ptr_nonnull(open_port(&g, 2, START + 1000));
	g.net.connect_errno = EMFILE;
	d = get(&g, 3, START + 2000);
	ck_assert_ptr_null(dest_port(d, START + 2000));
	ck_assert_int_eq(errno, EMFILE);
	ck_assert(is_open(&g, 1) && !is_open(&g, 2) && is_open(&g, 3));
	ck_assert_ptr_null(dest_port(d, START + 2000));
	ck_assert(is_open(&g, 3));
	g.net.connect_errno = 0;
	ck_assert_ptr_nonnull(dest_port(d, START + 2000));
	peer_unref(&busy->peer);
	rig_fini(&g);
}
END_TEST

/* Origins that keep a request for long are not looked at for ever: the idle
 * one behind them is found. */
START_TEST(busy_ones_do_not_hide_idle_ones)
{
	enum { BUSY = 20 };
	struct port *busy[BUSY];
	struct rig g;
	unsigned tries = 0;

	rig_init(&g, BUSY + 1, 1);
	for (uint8_t i = 0; i < BUSY; i++) {
		busy[i] = open_port(&g, i, START);
		peer_ref(&busy[i]->peer);
	}
	ck_assert_ptr_nonnull(open_port(&g, 100, START));
	while (get(&g, 101, START + 1000) == NULL)
		ck_assert_uint_lt(++tries, BUSY / 4);
	ck_assert(!is_open(&g, 100));
	/* The others are still there, in order of use. */
	dests_expire(&g.dests, START + 2000);
	ck_assert_uint_eq(g.dests.count, BUSY);
	for (uint8_t i = 0; i < BUSY; i++)
		peer_unref(&busy[i]->peer);
	dests_expire(&g.dests, START + 1001);
	ck_assert_uint_eq(g.dests.count, 0);
	rig_fini(&g);
}
END_TEST

START_TEST(errno_of_connect_passes)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENETUNREACH,
		EHOSTUNREACH, EADDRNOTAVAIL, EACCES };
	struct rig g;
	struct dest *d;

	rig_init(&g, 10, 1);
	d = get(&g, 1, START);
	for (size_t i = 0; i < UNIT_COUNT(errors); i++) {
		g.net.connect_errno = errors[i];
		errno = 0;
		ck_assert_ptr_null(dest_port(d, START));
		ck_assert_int_eq(errno, errors[i]);
		ck_assert_uint_eq(g.dests.stats.refused, i + 1);
	}
	/* A failure leaves nothing behind. */
	g.net.connect_errno = 0;
	ck_assert_ptr_nonnull(dest_port(d, START));
	ck_assert_uint_eq(d->nports, 1);
	rig_fini(&g);
}
END_TEST

/* No socket for a second port is like no second port. */
START_TEST(next_port_without_socket)
{
	struct rig g;
	struct dest *d;
	struct port *p;

	rig_init(&g, 10, 2);
	d = get(&g, 1, START);
	p = dest_port(d, START);
	exhaust(&g, p, START);
	g.net.connect_errno = EMFILE;
	ck_assert(!dest_next_port(d, START));
	ck_assert_ptr_null(dest_port(d, START + 999));
	ck_assert_ptr_eq(dest_port(d, START + 1000), p);
	g.net.connect_errno = 0;
	ck_assert(dest_next_port(d, START + 1000));
	ck_assert_ptr_ne(dest_port(d, START + 1000), p);
	rig_fini(&g);
}
END_TEST

/* PRX-105: ports that a high rate needed are closed when it is over, not while
 * one of their exchanges is under way, and never the current one. */
START_TEST(idle_ports_are_closed)
{
	uint64_t now = START, life;
	struct port *p[4];
	struct dest *d;
	struct rig g;

	rig_init(&g, 10, 4);
	life = g.params.exchange_lifetime;
	d = get(&g, 1, now);
	for (size_t i = 0; i < 4; i++) {
		p[i] = dest_port(d, now);
		ck_assert_ptr_nonnull(p[i]);
		if (i < 3) {
			exhaust(&g, p[i], now);
			ck_assert(dest_next_port(d, now));
		}
	}
	ck_assert_uint_eq(g.net.open, 4);
	peer_ref(&p[1]->peer);
	now += life;
	dests_expire(&g.dests, now - life);
	ck_assert_uint_eq(g.net.open, 4);
	now += 1;
	ck_assert_ptr_eq(dest_port(get(&g, 1, now), now), p[3]);
	dests_expire(&g.dests, now - life);
	ck_assert_uint_eq(g.net.open, 2);
	ck_assert_uint_eq(d->nports, 2);
	peer_unref(&p[1]->peer);
	dests_expire(&g.dests, now - life);
	ck_assert_uint_eq(g.net.open, 1);
	ck_assert_ptr_eq(dest_port(d, now), p[3]);
	ck_assert(list_empty(&g.dests.crowded));
	rig_fini(&g);
}
END_TEST

/* The port that was used last is used again first. */
START_TEST(recent_port_first)
{
	uint64_t now = START;
	struct port *p[3];
	struct dest *d;
	struct rig g;

	rig_init(&g, 10, 3);
	d = get(&g, 1, now);
	for (size_t i = 0; i < 3; i++) {
		p[i] = dest_port(d, now);
		exhaust(&g, p[i], now);
		ck_assert(dest_next_port(d, now) == (i < 2));
	}
	now += g.params.exchange_lifetime + 2000;
	ck_assert(dest_next_port(d, now));
	ck_assert_ptr_eq(dest_port(d, now), p[2]);
	rig_fini(&g);
}
END_TEST

/* PRX-105: what belongs together goes through one port while that is open and
 * has Message IDs. */
START_TEST(port_again)
{
	uint64_t now = START, serial[2];
	struct port *p[2];
	struct dest *d;
	struct rig g;

	rig_init(&g, 10, 2);
	d = get(&g, 1, now);
	p[0] = dest_port(d, now);
	serial[0] = p[0]->serial;
	ck_assert_ptr_eq(dest_port_again(d, serial[0], now), p[0]);
	exhaust(&g, p[0], now);
	ck_assert_ptr_null(dest_port_again(d, serial[0], now));
	ck_assert(dest_next_port(d, now));
	p[1] = dest_port(d, now);
	serial[1] = p[1]->serial;
	ck_assert_uint_ne(serial[0], serial[1]);
	now += g.params.exchange_lifetime + 2000;
	/* Not the current one, and kept open by being used. */
	ck_assert_ptr_eq(dest_port_again(d, serial[0], now), p[0]);
	ck_assert_ptr_eq(dest_port(get(&g, 1, now), now), p[1]);
	dests_expire(&g.dests, now);
	ck_assert_uint_eq(g.net.open, 2);
	dests_expire(&g.dests, now + 1);
	ck_assert_uint_eq(g.net.open, 0);
	d = get(&g, 1, now);
	p[0] = dest_port(d, now);
	for (size_t i = 0; i < 2; i++)
		ck_assert_ptr_null(dest_port_again(d, serial[i], now));
	rig_fini(&g);
}
END_TEST

/* A socket is bound to the address that was ours when it was made. */
START_TEST(another_address_of_ours)
{
	uint64_t now = START;
	struct port *p, *q;
	struct dest *d;
	struct rig g;

	rig_init(&g, 10, 1);
	d = get(&g, 1, now);
	dest_doubt(d);
	p = dest_port(d, now);
	/* Still ours: no other port, and no doubt. */
	dest_doubt(d);
	ck_assert_ptr_eq(dest_port(d, now), p);
	ck_assert_ptr_eq(dest_port(d, now), p);
	ck_assert_uint_eq(g.net.made, 2);
	ck_assert_uint_eq(g.net.open, 1);
	/* No socket, no answer. */
	g.net.moved = true;
	g.net.connect_errno = ENETUNREACH;
	dest_doubt(d);
	ck_assert_ptr_eq(dest_port(d, now), p);
	ck_assert_uint_eq(g.dests.stats.refused, 0);
	g.net.connect_errno = 0;
	ck_assert_ptr_eq(dest_port(d, now), p);
	dest_doubt(d);
	q = dest_port(d, now);
	ck_assert_ptr_ne(q, p);
	ck_assert(addr_eq(&q->peer.local, &q->sock->local));
	ck_assert_ptr_eq(dest_port(d, now), q);
	ck_assert_uint_eq(g.net.open, 2);
	/* One more than there may be, and not another one. */
	g.net.moved = false;
	dest_doubt(d);
	ck_assert_ptr_eq(dest_port(d, now), q);
	dests_expire(&g.dests, now + 1);
	ck_assert_uint_eq(g.net.open, 0);
	rig_fini(&g);
}
END_TEST

static void
count_port(const struct port *p, void *arg)
{
	unsigned *n = arg;

	ck_assert_uint_eq(p->peer.remote.port, 5683);
	++*n;
}

START_TEST(every_port)
{
	unsigned n = 0;
	struct rig g;

	rig_init(&g, 10, 2);
	dests_each(&g.dests, count_port, &n);
	ck_assert_uint_eq(n, 0);
	exhaust(&g, open_port(&g, 1, START), START);
	ck_assert(dest_next_port(get(&g, 1, START), START));
	open_port(&g, 2, START);
	dests_each(&g.dests, count_port, &n);
	ck_assert_uint_eq(n, 3);
	rig_fini(&g);
}
END_TEST

Suite *
dest_suite(void)
{
	Suite *s = suite_create("dest");
	TCase *tc = tcase_create("dest");

	tcase_add_test(tc, one_destination_per_address);
	tcase_add_test(tc, ports_open_on_demand);
	tcase_add_test(tc, closed_while_all_ids_are_leased);
	tcase_add_test(tc, idle_destinations_expire);
	tcase_add_test(tc, any_port_in_use_keeps);
	tcase_add_test(tc, longest_unused_makes_room);
	tcase_add_test(tc, guests_leave_room);
	tcase_add_test(tc, no_descriptor_closes_an_idle_one);
	tcase_add_test(tc, busy_ones_do_not_hide_idle_ones);
	tcase_add_test(tc, errno_of_connect_passes);
	tcase_add_test(tc, next_port_without_socket);
	tcase_add_test(tc, idle_ports_are_closed);
	tcase_add_test(tc, recent_port_first);
	tcase_add_test(tc, port_again);
	tcase_add_test(tc, another_address_of_ours);
	tcase_add_test(tc, every_port);
	suite_add_tcase(s, tc);
	return s;
}
