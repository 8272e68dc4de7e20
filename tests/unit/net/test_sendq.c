/* Trains: which datagrams leave as one, in what order, and what happens when
 * the kernel does not take them. What arrives is looked at at the other end. */
#include "net/sendq.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

#include "ends.h"
#include "suites.h"
#include "unit.h"

enum { MANY = 200 };

static const char *const loopback[] = { "127.0.0.1", "::1" };

/* E, connected, and the plain socket at its other end. */
static struct end e;
static int peer;

/* Some kernels have no UDP_SEGMENT: there is nothing to test then. */
static bool
kernel_can(void)
{
	socklen_t len = sizeof(int);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), v;
	bool can = getsockopt(fd, SOL_UDP, UDP_SEGMENT, &v, &len) == 0;

	(void)close(fd);
	return can;
}

/* Also for IPv6, unlike raw_peer(). False where there is none. */
static bool
open_pair(const char *text)
{
	struct addr a = ip(text, 0);
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&a, &ss);
	int room = 4 << 20;

	e = (struct end){ 0 };
	peer = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (peer < 0 || bind(peer, (const struct sockaddr *)&ss, len) != 0)
		return false;
	(void)setsockopt(peer, SOL_SOCKET, SO_RCVBUFFORCE, &room,
	    sizeof(room));
	open_connected(&e, text, raw_local(peer).port);
	rig.net->ops->local(e.s, &a);
	len = addr_to_sockaddr(&a, &ss);
	ck_assert_int_eq(connect(peer, (const struct sockaddr *)&ss, len), 0);
	return true;
}

/* Trains are for those who have been heard. */
static void
be_heard(void)
{
	raw_send(peer, 1);
	ck_assert(await(&e, e.inputs + 1));
}

static void
open_heard(void)
{
	ck_assert(open_pair(loopback[0]));
	be_heard();
}

static void
close_pair(void)
{
	if (e.s != NULL)
		close_end(&e);
	(void)close(peer);
}

/* LEN octets, which count from FIRST. */
static void
put(uint8_t first, size_t len, bool loose)
{
	struct buf *b = buf_get(rig.pool, len);

	ck_assert_ptr_nonnull(b);
	for (size_t i = 0; i < len; i++)
		b->data[i] = (uint8_t)(first + i);
	b->len = (uint16_t)len;
	b->loose = loose;
	rig.net->ops->send(e.s, NULL, NULL, b);
	buf_unref(b);
}

/* Likewise, N of them. */
static void
put_many(unsigned n, size_t len)
{
	for (unsigned i = 0; i < n; i++)
		put((uint8_t)i, len, false);
}

/* The next datagram at the other end; its length, -1: none. */
static ssize_t
take(uint8_t *first)
{
	uint8_t data[65536];
	ssize_t n = recv(peer, data, sizeof(data), 0);

	for (ssize_t i = 1; i < n; i++)
		ck_assert_uint_eq(data[i], (uint8_t)(data[0] + i));
	*first = n > 0 ? data[0] : 0;
	return n;
}

/* N datagrams of LEN octets have arrived, whole and in order, but for those
 * whose number is SKIP. */
static void
expect_many(unsigned n, size_t len, unsigned skip)
{
	uint8_t first;

	for (unsigned i = 0; i < n; i++) {
		if (i == skip)
			continue;
		ck_assert_int_eq(take(&first), (ssize_t)len);
		ck_assert_uint_eq(first, (uint8_t)i);
	}
	ck_assert_int_eq(take(&first), -1);
}

struct parcel {
	uint8_t len;
	bool loose;
};

/* What is queued, how it arrives (numbers count from 1) and in how many
 * messages it leaves. */
START_TEST(groups)
{
	static const struct {
		struct parcel in[12];
		uint8_t order[12];
		unsigned messages;
	} t[] = {
		{ { { 9, 0 } }, { 1 }, 1 },
		{ { { 9, 0 }, { 9, 0 }, { 9, 0 } }, { 1, 2, 3 }, 1 },
		/* The last may be shorter, not longer, and not in between. */
		{ { { 9, 0 }, { 9, 0 }, { 8, 0 } }, { 1, 2, 3 }, 1 },
		{ { { 9, 0 }, { 8, 0 }, { 8, 0 } }, { 1, 2, 3 }, 2 },
		{ { { 8, 0 }, { 8, 0 }, { 9, 0 } }, { 1, 2, 3 }, 2 },
		{ { { 9, 0 }, { 8, 0 }, { 9, 0 }, { 9, 0 } },
		    { 1, 2, 3, 4 }, 2 },
		/* Who is not loose is not overtaken, and does not overtake. */
		{ { { 9, 0 }, { 4, 0 }, { 9, 0 }, { 4, 0 }, { 9, 0 } },
		    { 1, 2, 3, 4, 5 }, 3 },
		{ { { 4, 1 }, { 9, 1 }, { 4, 1 }, { 9, 1 }, { 4, 1 } },
		    { 1, 3, 5, 4, 2 }, 2 },
		{ { { 4, 1 }, { 9, 1 }, { 4, 0 }, { 9, 1 }, { 4, 1 } },
		    { 1, 2, 3, 4, 5 }, 3 },
		{ { { 9, 0 }, { 4, 1 }, { 9, 1 }, { 4, 1 }, { 9, 0 },
		    { 9, 1 } }, { 1, 2, 4, 3, 5, 6 }, 3 },
		{ { { 5, 1 }, { 6, 1 }, { 7, 1 }, { 5, 1 }, { 6, 1 },
		    { 7, 1 }, { 5, 1 } }, { 1, 4, 7, 2, 5, 6, 3 }, 3 },
	};
	unsigned n = 0;
	uint8_t first;

	open_heard();
	for (; n < 12 && t[_i].in[n].len > 0; n++)
		put((uint8_t)(n + 1), t[_i].in[n].len, t[_i].in[n].loose);
	udp_flush(rig.udp);
	for (unsigned i = 0; i < n; i++) {
		ck_assert_int_eq(take(&first),
		    t[_i].in[t[_i].order[i] - 1].len);
		ck_assert_uint_eq(first, t[_i].order[i]);
	}
	ck_assert_int_eq(take(&first), -1);
	ck_assert_uint_eq(rig.took.messages, t[_i].messages);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, n);
	close_pair();
}
END_TEST

/* No octets are a datagram as well, and would be lost in a train. */
START_TEST(empty_datagrams_are_sent)
{
	static const uint8_t lens[] = { 4, 4, 0, 0, 4, 0, 4, 4 };
	uint8_t first;

	open_heard();
	for (unsigned i = 0; i < UNIT_COUNT(lens); i++)
		put((uint8_t)i, lens[i], false);
	udp_flush(rig.udp);
	for (unsigned i = 0; i < UNIT_COUNT(lens); i++)
		ck_assert_int_eq(take(&first), lens[i]);
	ck_assert_int_eq(take(&first), -1);
	close_pair();
}
END_TEST

/* As many as there are; what is too much for one packet makes two. */
START_TEST(long_trains)
{
	static const struct {
		size_t len, most;
	} t[] = { { 80, 64 }, { 1000, 64 }, { 1040, 62 } };

	for (unsigned i = 0; i < UNIT_COUNT(t); i++) {
		if (!open_pair(loopback[_i]))
			return;		/* no IPv6 here */
		be_heard();
		rig.took.longest = 0;
		put_many(MANY, t[i].len);
		udp_flush(rig.udp);
		expect_many(MANY, t[i].len, MANY);
		ck_assert_uint_eq(rig.took.longest, t[i].most);
		ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, MANY);
		ck_assert_uint_eq(udp_sock_stats(e.s).tx_octets,
		    MANY * t[i].len);
		close_pair();
	}
}
END_TEST

/* Larger than packets on the way may be: the kernel makes fragments of a
 * datagram, but not of one in a train. */
START_TEST(longer_than_packets)
{
	int mtu = 1280;

	if (!open_pair("::1"))
		return;		/* no IPv6 here */
	be_heard();
	ck_assert_int_eq(setsockopt(fd_of(&e), IPPROTO_IPV6, IPV6_MTU, &mtu,
	    sizeof(mtu)), 0);
	put_many(70, 1300);
	udp_flush(rig.udp);
	expect_many(70, 1300, 70);
	ck_assert_uint_eq(rig.took.trains, 0);
	put_many(70, 1200);
	udp_flush(rig.udp);
	expect_many(70, 1200, 70);
	ck_assert_uint_gt(rig.took.trains, 0);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 0);
	close_pair();
}
END_TEST

START_TEST(only_to_who_has_been_heard)
{
	ck_assert(open_pair(loopback[0]));
	put_many(3, 8);
	udp_flush(rig.udp);
	ck_assert_uint_eq(rig.took.messages, 3);
	be_heard();
	put_many(3, 8);
	udp_flush(rig.udp);
	ck_assert_uint_eq(rig.took.messages, 4);
	/* Any error is a reason to be careful, until it is heard again. */
	rig.fail.sends = 0;
	rig.fail.send[0] = ECONNREFUSED;
	put_many(1, 8);
	udp_flush(rig.udp);
	put_many(3, 8);
	udp_flush(rig.udp);
	ck_assert_uint_eq(rig.took.messages, 8);
	be_heard();
	put_many(3, 8);
	udp_flush(rig.udp);
	ck_assert_uint_eq(rig.took.messages, 9);
	close_pair();
}
END_TEST

/* A train to nobody is told of once, those behind it each for itself. */
START_TEST(peer_goes_away)
{
	open_heard();
	(void)close(peer);
	put_many(4, 8);
	ck_assert(await_errors(&e, 1));
	ck_assert_int_eq(e.err, ECONNREFUSED);
	ck_assert_uint_eq(e.about[0], 0);
	ck_assert_uint_eq(rig.took.trains, 1);
	ck_assert_uint_eq(e.errors, 1);
	put_many(4, 8);
	ck_assert(await_errors(&e, 5));
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(e.about[i + 1], i);
	ck_assert_uint_eq(rig.took.trains, 1);
	close_end(&e);
}
END_TEST

/* What no packet of the kernel's is to blame for costs no datagram. */
START_TEST(refused_trains_are_sent_one_by_one)
{
	static const struct {
		int err[4];
		bool then, shorter;	/* trains afterwards */
	} t[] = {
		{ { EIO }, false, false },
		{ { EOPNOTSUPP }, false, false },
		{ { EINVAL, EINVAL }, false, true },
		{ { EMSGSIZE, EMSGSIZE }, false, true },
		/* It was about an earlier one. */
		{ { EMSGSIZE }, true, true },
		{ { ECONNREFUSED }, true, true },
		{ { ENOBUFS }, true, true },
		{ { EPERM }, true, true },
		{ { EINTR }, true, true },
	};
	unsigned trains;

	open_heard();
	memcpy(rig.fail.train, t[_i].err, sizeof(rig.fail.train));
	put_many(5, 8);
	udp_flush(rig.udp);
	expect_many(5, 8, 5);
	be_heard();
	trains = rig.took.trains;
	put_many(5, 8);
	udp_flush(rig.udp);
	expect_many(5, 8, 5);
	ck_assert_uint_eq(rig.took.trains - trains, t[_i].then);
	trains = rig.took.trains;
	put_many(5, 7);
	udp_flush(rig.udp);
	expect_many(5, 7, 5);
	ck_assert_uint_eq(rig.took.trains - trains, t[_i].shorter);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(e.errors, 0);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 0);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, 15);
	close_pair();
}
END_TEST

/* MSG-80: of a train that is refused only what is refused by itself is lost,
 * and that is what is told. */
START_TEST(one_of_a_refused_train)
{
	static const struct {
		int train, first, second;
		unsigned lost;
	} t[] = {
		/* The first has had its second try. */
		{ EHOSTUNREACH, EHOSTUNREACH, 0, 0 },
		{ EPERM, EPERM, 0, 0 },
		{ ENOBUFS, ENOBUFS, 0, 0 },
		{ EIO, EPERM, EPERM, 0 },
		/* It was about the train only. */
		{ EPERM, 0, 0, MANY },
		{ EIO, EPERM, 0, MANY },
	};

	open_heard();
	rig.fail.sends = 0;
	rig.fail.train[0] = t[_i].train;
	rig.fail.send[0] = t[_i].first;
	rig.fail.send[1] = t[_i].second;
	put_many(5, 8);
	udp_flush(rig.udp);
	expect_many(5, 8, t[_i].lost);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(e.errors, t[_i].lost < MANY);
	if (e.errors > 0) {
		ck_assert_uint_eq(e.about[0], t[_i].lost);
		ck_assert_int_eq(e.err, t[_i].first);
		ck_assert_uint_eq(e.nquoted, 8);
	}
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, e.errors);
	close_pair();
}
END_TEST

/* Trains in front of it have left, those behind it go on. */
START_TEST(train_refused_in_the_middle)
{
	uint8_t first;

	open_heard();
	put_many(3, 8);		/* 9 is longer: a train of its own */
	put_many(3, 9);
	put_many(3, 10);
	rig.fail.trains = 0;
	rig.fail.train[0] = 0;
	udp_flush(rig.udp);
	ck_assert_uint_eq(rig.took.trains, 3);
	for (unsigned i = 0; i < 9; i++)
		ck_assert_int_eq(take(&first), 8 + i / 3);
	put(1, 7, false);
	put_many(3, 8);
	put_many(3, 9);
	rig.fail.train[0] = EPERM;
	rig.fail.sends = 0;
	rig.fail.send[2] = EPERM;	/* the second of the train, twice */
	rig.fail.send[3] = EPERM;
	udp_flush(rig.udp);
	ck_assert_int_eq(take(&first), 7);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_int_eq(take(&first), 8 + i / 3);
	ck_assert_int_eq(take(&first), -1);
	close_pair();
}
END_TEST

static bool
all_sent(void *arg)
{
	const unsigned *n = arg;

	return udp_sock_stats(e.s).tx_datagrams == *n;
}

/* The kernel's queue is full in front of a train: nothing is lost, sorted or
 * sent twice. */
START_TEST(blocked_trains)
{
	unsigned n = 101;

	open_heard();
	rig.fail.train[0] = EAGAIN;
	put_many(100, 8);
	udp_flush(rig.udp);
	ck_assert_uint_eq(rig.took.messages, 0);
	put(100, 8, false);
	ck_assert(fixture_run(&rig.fx, all_sent, &n, PATIENCE_MS));
	expect_many(n, 8, n);
	ck_assert_uint_eq(rig.took.messages, 2);
	close_pair();
}
END_TEST

/* It would send one long datagram. */
START_TEST(kernel_without_trains)
{
	rig.fail.old_kernel = true;
	open_heard();
	put_many(100, 8);
	udp_flush(rig.udp);
	expect_many(100, 8, 100);
	ck_assert_uint_eq(rig.took.messages, 100);
	close_pair();
}
END_TEST

/* Clients are many; there are none on a socket that is not connected. */
START_TEST(unconnected_sockets_have_none)
{
	struct end server = { 0 };
	struct addr to;

	ck_assert(open_pair(loopback[0]));
	close_end(&e);
	(void)open_bound(&server, "127.0.0.1");
	to = raw_local(peer);
	ck_assert_int_eq(connect(peer, (const struct sockaddr *)
	    &(struct sockaddr){ .sa_family = AF_UNSPEC },
	    sizeof(struct sockaddr)), 0);
	for (uint8_t i = 0; i < 10; i++)
		send_octet(&server, &to, NULL, i);
	udp_flush(rig.udp);
	ck_assert_uint_eq(rig.took.messages, 10);
	close_end(&server);
	(void)close(peer);
}
END_TEST

Suite *
sendq_suite(void)
{
	Suite *s = suite_create("sendq");
	TCase *tc = tcase_create("trains");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	tcase_add_test(tc, kernel_without_trains);
	tcase_add_test(tc, unconnected_sockets_have_none);
	if (kernel_can()) {
		tcase_add_loop_test(tc, groups, 0, 11);
		tcase_add_test(tc, empty_datagrams_are_sent);
		tcase_add_loop_test(tc, long_trains, 0, 2);
		tcase_add_test(tc, longer_than_packets);
		tcase_add_test(tc, only_to_who_has_been_heard);
		tcase_add_test(tc, peer_goes_away);
		tcase_add_loop_test(tc, refused_trains_are_sent_one_by_one,
		    0, 9);
		tcase_add_loop_test(tc, one_of_a_refused_train, 0, 6);
		tcase_add_test(tc, train_refused_in_the_middle);
		tcase_add_test(tc, blocked_trains);
	}
	suite_add_tcase(s, tc);
	return s;
}
