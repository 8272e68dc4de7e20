/* ICMP errors: what they are said to be about, and that the loop comes to
 * rest. */
#include "net/udp.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

#include "ends.h"
#include "suites.h"
#include "unit.h"

enum { MANY = 100, IDLE_MS = 50, IDLE_TURNS = 6 };

static const char *const loopback[] = { "127.0.0.1", "::1" };

/* Nothing is reported any more, and nothing wakes the loop. */
static void
comes_to_rest(const struct end *e)
{
	unsigned errors = e->errors, turns;

	(void)fixture_run(&rig.fx, NULL, NULL, IDLE_MS);
	turns = rig.fx.turns;
	(void)fixture_run(&rig.fx, NULL, NULL, IDLE_MS);
	ck_assert_uint_le(rig.fx.turns - turns, IDLE_TURNS);
	ck_assert_uint_eq(e->errors, errors);
}

/* MSG-77: each error says which datagram it is about. */
START_TEST(error_quotes_its_datagram)
{
	uint16_t port = closed_port(loopback[_i]);
	struct end e = { 0 };

	if (port == 0)
		return;		/* no IPv6 here */
	open_connected(&e, loopback[_i], port);
	send_octets(&e, 7, 20);
	send_octets(&e, 3, 20);
	ck_assert(await_errors(&e, 2));
	ck_assert_int_eq(e.err, ECONNREFUSED);
	ck_assert_uint_eq(e.about[0], 7);
	ck_assert_uint_eq(e.about[1], 3);
	ck_assert_uint_eq(e.nquoted, 20);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_eq(e.quoted[i], 3 + i);
	comes_to_rest(&e);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, 2);
	close_end(&e);
}
END_TEST

/* The beginning of a long one, and nothing of one that is too short. */
START_TEST(length_of_the_quote)
{
	static const struct {
		size_t sent, least;
	} t[] = { { 2000, 12 }, { 4, 4 }, { 3, 0 }, { 1, 0 } };
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	send_octets(&e, 1, t[_i].sent);
	if (t[_i].least > 0)
		ck_assert(await_errors(&e, 1));
	comes_to_rest(&e);
	ck_assert_uint_eq(e.errors, t[_i].least > 0);
	ck_assert_uint_ge(e.nquoted, t[_i].least);
	for (unsigned i = 0; i < e.nquoted; i++)
		ck_assert_uint_eq(e.quoted[i], 1 + i);
	close_end(&e);
}
END_TEST

/* MSG-80: an error about an earlier datagram comes up at the next send; that
 * one has not been tried, and is sent again. Reading does not see it then. */
START_TEST(pending_error_costs_no_datagram)
{
	uint16_t port = closed_port(loopback[_i]);
	struct end e = { 0 };

	if (port == 0)
		return;		/* no IPv6 here */
	open_connected(&e, loopback[_i], port);
	send_octets(&e, 1, 12);
	udp_flush(rig.udp);
	rig.fail.sends = 0;
	send_octets(&e, 2, 12);
	udp_flush(rig.udp);
	ck_assert_uint_eq(rig.fail.sends, 2);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, 2);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 0);
	/* Not from inside send() or udp_flush(). */
	ck_assert_uint_eq(e.errors, 0);
	ck_assert(await_errors(&e, 2));
	ck_assert_int_eq(e.err, ECONNREFUSED);
	ck_assert_uint_eq(e.about[0], 1);
	ck_assert_uint_eq(e.about[1], 2);
	comes_to_rest(&e);
	close_end(&e);
}
END_TEST

/* Only the queue tells of it: a read says EAGAIN. */
START_TEST(error_was_taken_away)
{
	uint16_t port = closed_port(loopback[_i]);
	struct end e = { 0 };
	socklen_t len = sizeof(int);
	int err = 0;

	if (port == 0)
		return;		/* no IPv6 here */
	open_connected(&e, loopback[_i], port);
	send_octets(&e, 1, 12);
	udp_flush(rig.udp);
	ck_assert_int_eq(getsockopt(fd_of(&e), SOL_SOCKET, SO_ERROR, &err,
	    &len), 0);
	ck_assert_int_eq(err, ECONNREFUSED);
	ck_assert(await_errors(&e, 1));
	ck_assert_uint_eq(e.about[0], 1);
	comes_to_rest(&e);
	close_end(&e);
}
END_TEST

/* MSG-79: the kernel's own "too big" is in the queue as well as in the result;
 * it is told once. */
START_TEST(too_big_for_the_path)
{
	struct end server = { 0 }, e = { 0 };
	uint16_t port = open_bound(&server, "::1");
	int on = IPV6_PMTUDISC_DO, mtu = 1280, fd;

	if (port == 0)
		return;		/* no IPv6 here */
	open_connected(&e, "::1", port);
	fd = fd_of(&e);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &on,
	    sizeof(on)), 0);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu,
	    sizeof(mtu)), 0);
	send_octets(&e, 1, 2000);
	send_octets(&e, 2, 1000);
	ck_assert(await(&server, 1));
	ck_assert_uint_eq(server.seen[0], 2);
	ck_assert_uint_eq(e.errors, 1);
	ck_assert_int_eq(e.err, EMSGSIZE);
	ck_assert_uint_eq(e.about[0], 1);
	comes_to_rest(&e);
	close_end(&e);
	close_end(&server);
}
END_TEST

/* A turn takes a bounded number, and the next ones the others. */
START_TEST(many_errors)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	for (unsigned i = 0; i < MANY; i++)
		send_octets(&e, (uint8_t)i, 12);
	udp_flush(rig.udp);
	ck_assert_uint_eq(e.errors, 0);
	ck_assert(await_errors(&e, MANY));
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(e.about[i], i);
	ck_assert_uint_eq(e.most_in_turn, 32);
	comes_to_rest(&e);
	ck_assert_uint_eq(e.errors, MANY);
	close_end(&e);
}
END_TEST

START_TEST(closed_before_the_error)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	send_octets(&e, 1, 12);
	udp_flush(rig.udp);
	close_end(&e);
	comes_to_rest(&e);
	ck_assert_uint_eq(e.errors, 0);
}
END_TEST

/* Waiting to become writable, it would be woken by the error for as long as
 * that lasts: the error is taken away, and does not meet the next send. */
START_TEST(closed_while_blocked_with_an_error)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port("127.0.0.1"));
	send_octets(&e, 1, 12);
	udp_flush(rig.udp);
	rig.fail.sends = 0;
	rig.fail.send[0] = EAGAIN;
	send_octets(&e, 2, 12);
	close_end(&e);
	comes_to_rest(&e);
	ck_assert_uint_eq(rig.fail.sends, 2);
	ck_assert_uint_eq(e.errors, 0);
	ck_assert_uint_eq(buf_pool_used(rig.pool), 0);
}
END_TEST

/* The peer comes up: the socket is as good as new. */
START_TEST(heard_after_an_error)
{
	struct end e = { 0 };
	int fd = raw_peer(&e);
	struct addr a = raw_local(fd), to;
	struct sockaddr_storage ss;
	socklen_t len;

	(void)close(fd);
	send_octets(&e, 1, 12);
	ck_assert(await_errors(&e, 1));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	len = addr_to_sockaddr(&a, &ss);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&ss, len), 0);
	rig.net->ops->local(e.s, &to);
	len = addr_to_sockaddr(&to, &ss);
	send_octets(&e, 2, 12);
	fixture_turn(&rig.fx);
	ck_assert_int_eq(recv(fd, e.seen, 12, MSG_DONTWAIT), 12);
	ck_assert_uint_eq(e.seen[0], 2);
	ck_assert_int_eq(sendto(fd, "\x09", 1, 0, (const struct sockaddr *)&ss,
	    len), 1);
	ck_assert(await(&e, 1));
	ck_assert_uint_eq(e.seen[0], 9);
	ck_assert_uint_eq(e.errors, 1);
	close_end(&e);
	(void)close(fd);
}
END_TEST

/* ---- errors of every kind; making them needs a privilege ---- */

struct icmp_row {
	uint8_t type, code;
	size_t n;		/* octets quoted behind the UDP header */
	int err;		/* 0: not reported */
	uint16_t off;		/* of the ports: not ours */
};

static void
put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t
checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (uint32_t)p[i] << (i % 2 == 0 ? 8 : 0);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

/* The UDP header from FROM to TO and N octets of the datagram, as
 * send_octets(e, 1, n) makes them; returns their length. */
static size_t
quote_udp(uint8_t *p, const struct addr *from, const struct addr *to, size_t n)
{
	put16(p, from->port);
	put16(p + 2, to->port);
	put16(p + 4, 8 + 12);
	put16(p + 6, 0);
	for (size_t i = 0; i < n; i++)
		p[8 + i] = (uint8_t)(1 + i);
	return 8 + n;
}

static size_t
icmp4(uint8_t *p, const struct icmp_row *row, const struct addr *from,
    const struct addr *to)
{
	size_t n;

	p[0] = row->type;
	p[1] = row->code;
	if (row->type == ICMP_DEST_UNREACH && row->code == ICMP_FRAG_NEEDED)
		put16(p + 6, 1400);
	p[8] = 0x45;
	put16(p + 10, 20 + 8 + 12);
	p[16] = 64;
	p[17] = IPPROTO_UDP;
	memcpy(p + 20, from->ip, 4);
	memcpy(p + 24, to->ip, 4);
	put16(p + 18, checksum(p + 8, 20));
	n = 28 + quote_udp(p + 28, from, to, row->n);
	put16(p + 2, checksum(p, n));
	return n;
}

/* The kernel puts in the checksum. */
static size_t
icmp6(uint8_t *p, const struct icmp_row *row, const struct addr *from,
    const struct addr *to)
{
	p[0] = row->type;
	p[1] = row->code;
	if (row->type == ICMP6_PACKET_TOO_BIG)
		put16(p + 6, 1400);
	p[8] = 0x60;
	put16(p + 12, 8 + 12);
	p[14] = IPPROTO_UDP;
	p[15] = 64;
	memcpy(p + 16, from->ip, 16);
	memcpy(p + 32, to->ip, 16);
	return 48 + quote_udp(p + 48, from, to, row->n);
}

/* Sends what ROW says about a datagram of E to PEER. */
static void
send_icmp(int fd, const struct icmp_row *row, const struct end *e,
    const struct addr *peer)
{
	uint8_t packet[128] = { 0 };
	struct sockaddr_storage ss;
	struct addr from, a;
	socklen_t len;
	size_t n;

	rig.net->ops->local(e->s, &from);
	a = from;
	a.port = 0;
	len = addr_to_sockaddr(&a, &ss);
	from.port = (uint16_t)(from.port + row->off);
	n = (from.family == 4 ? icmp4 : icmp6)(packet, row, &from, peer);
	ck_assert_int_eq(sendto(fd, packet, n, 0,
	    (const struct sockaddr *)&ss, len), (ssize_t)n);
}

static void
check_icmp(int fd, const char *host, const struct icmp_row *row)
{
	struct end server = { .echo = true }, e = { 0 };
	struct addr peer = ip(host, open_bound(&server, host));

	open_connected(&e, host, peer.port);
	send_icmp(fd, row, &e, &peer);
	if (row->err != 0)
		ck_assert(await_errors(&e, 1));
	comes_to_rest(&e);
	ck_assert_uint_eq(e.errors, row->err != 0);
	ck_assert_int_eq(e.err, row->err);
	if (row->err != 0) {
		ck_assert_uint_ge(e.nquoted, row->n);
		ck_assert_uint_eq(e.about[0], 1);
	}
	/* The socket still does what it should. */
	send_octets(&e, 5, 12);
	ck_assert(await(&e, 1));
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 0);
	close_end(&e);
	close_end(&server);
	(void)close(fd);
}

/* MSG-77: Time Exceeded and Source Quench are ignored, and so is what quotes
 * too little or another datagram. MSG-79: Fragmentation Needed. */
START_TEST(icmp)
{
	static const struct icmp_row t[] = {
		{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 12, ECONNREFUSED, 0 },
		{ ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 12, EHOSTUNREACH, 0 },
		{ ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 12, ENETUNREACH, 0 },
		{ ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 4, EHOSTUNREACH, 0 },
		{ ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 12, EMSGSIZE, 0 },
		{ ICMP_PARAMETERPROB, 0, 12, EPROTO, 0 },
		{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 3, 0, 0 },
		{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, 0, 0 },
		{ ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 12, 0, 1 },
		{ ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 12, 0, 0 },
		{ ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 12, 0, 0 },
		{ ICMP_SOURCE_QUENCH, 0, 12, 0, 0 },
	};
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	if (fd >= 0)		/* or we may not */
		check_icmp(fd, "127.0.0.1", &t[_i]);
}
END_TEST

START_TEST(icmpv6)
{
	static const struct icmp_row t[] = {
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, 12,
			ECONNREFUSED, 0 },
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, 12, EHOSTUNREACH,
			0 },
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, 12,
			ENETUNREACH, 0 },
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, 4, EACCES, 0 },
		{ ICMP6_PACKET_TOO_BIG, 0, 12, EMSGSIZE, 0 },
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, 3, 0, 0 },
		{ ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, 12, 0, 1 },
		{ ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, 12, 0, 0 },
		{ ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_REASSEMBLY, 12, 0,
			0 },
	};
	int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);

	if (fd >= 0 && closed_port("::1") != 0)	/* or there is none */
		check_icmp(fd, "::1", &t[_i]);
}
END_TEST

Suite *
udp_icmp_suite(void)
{
	Suite *s = suite_create("udp icmp");
	TCase *tc = tcase_create("icmp");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	tcase_add_loop_test(tc, error_quotes_its_datagram, 0, 2);
	tcase_add_loop_test(tc, length_of_the_quote, 0, 4);
	tcase_add_loop_test(tc, pending_error_costs_no_datagram, 0, 2);
	tcase_add_loop_test(tc, error_was_taken_away, 0, 2);
	tcase_add_test(tc, too_big_for_the_path);
	tcase_add_test(tc, many_errors);
	tcase_add_test(tc, closed_before_the_error);
	tcase_add_test(tc, closed_while_blocked_with_an_error);
	tcase_add_test(tc, heard_after_an_error);
	tcase_add_loop_test(tc, icmp, 0, 12);
	tcase_add_loop_test(tc, icmpv6, 0, 9);
	suite_add_tcase(s, tc);
	return s;
}
