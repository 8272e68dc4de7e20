#include "net/udp.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { MANY = 100, QUEUE_MAX = 1024, SEEN_MAX = 256 };

static struct fixture fx;
static struct udp *udp;
static struct net *net;
static struct buf_pool *pool;

/* What the next calls of the kernel are to fail with, in order; 0 lets one
 * through. */
static struct {
	int send[4], recv[4];
	unsigned sends, recvs;
} fail;

/* These stand before the C library's. */
int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
    struct timespec *timeout);

static int
next_failure(const int list[4], unsigned *calls)
{
	unsigned i = (*calls)++;

	return i < 4 ? list[i] : 0;
}

int
sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	int err = next_failure(fail.send, &fail.sends);

	if (err == 0)
		return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
	errno = err;
	return -1;
}

int
recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
    struct timespec *timeout)
{
	int err = next_failure(fail.recv, &fail.recvs);

	if (err == 0)
		return (int)syscall(SYS_recvmmsg, fd, m, n, flags, timeout);
	errno = err;
	return -1;
}

/* One end: what it saw, and what it is to do. */
struct end {
	struct net_sock *s;
	bool echo, close_on_input, close_on_error;
	struct end *send_on_error;	/* who then sends an octet */
	unsigned inputs, errors, truncated, most_in_turn, in_turn, turn;
	unsigned first_turn, foreign;
	int err;
	size_t len;
	struct addr from, to;
	uint8_t seen[SEEN_MAX];	/* first octets, in order */
	unsigned want;		/* inputs to wait for */
};

static void
send_octet(struct end *e, const struct addr *to, const struct addr *from,
    uint8_t octet)
{
	struct buf *b = buf_get(pool, 1);

	ck_assert_ptr_nonnull(b);
	b->data[0] = octet;
	b->len = 1;
	net->ops->send(e->s, to, from, b);
	buf_unref(b);
}

static void
close_end(struct end *e)
{
	net->ops->close(e->s);
	e->s = NULL;
}

static void
count_turn(struct end *e)
{
	if (e->turn != fx.turns) {
		e->turn = fx.turns;
		e->in_turn = 0;
	}
	e->in_turn++;
	if (e->in_turn > e->most_in_turn)
		e->most_in_turn = e->in_turn;
	if (e->most_in_turn == e->inputs + 1)
		e->first_turn = e->most_in_turn;
}

static void
end_input(void *user, const struct addr *from, const struct addr *to,
    struct span datagram, bool truncated, uint64_t now)
{
	struct end *e = user;

	ck_assert_ptr_nonnull(e->s);
	ck_assert_uint_eq(now, loop_now(fx.loop));
	count_turn(e);
	e->from = *from;
	e->to = *to;
	e->len = datagram.n;
	if (truncated)
		e->truncated++;
	if (e->inputs < SEEN_MAX && datagram.n > 0)
		e->seen[e->inputs] = datagram.p[0];
	e->inputs++;
	if (e->echo)
		send_octet(e, from, to, datagram.p[0]);
	if (e->close_on_input)
		close_end(e);
}

static void
end_error(void *user, int err, uint64_t now)
{
	struct end *e = user;

	(void)now;
	ck_assert_ptr_nonnull(e->s);
	e->errors++;
	e->err = err;
	if (e->close_on_error)
		close_end(e);
	if (e->send_on_error != NULL)
		send_octet(e->send_on_error, NULL, NULL, 0xee);
}

static const struct net_sock_ops end_ops = {
	.input = end_input,
	.error = end_error,
};

static bool
has_inputs(void *arg)
{
	const struct end *e = arg;

	return e->inputs >= e->want;
}

static bool
has_error(void *arg)
{
	const struct end *e = arg;

	return e->errors > 0;
}

static bool
await(struct end *e, unsigned inputs)
{
	e->want = inputs;
	return fixture_run(&fx, has_inputs, e, PATIENCE_MS);
}

static void
setup(void)
{
	fixture_init(&fx);
	memset(&fail, 0, sizeof(fail));
	udp = udp_new(fx.loop);
	ck_assert_ptr_nonnull(udp);
	net = udp_net(udp);
	pool = buf_pool_new(4 << 20);
	ck_assert_ptr_nonnull(pool);
}

static void
teardown(void)
{
	udp_free(udp);
	ck_assert_uint_eq(buf_pool_used(pool), 0);
	buf_pool_free(pool);
	fixture_fini(&fx);
}

static struct addr
ip(const char *text, uint16_t port)
{
	struct addr a;

	ck_assert(addr_parse_ip(&a, span_str(text), false));
	a.port = port;
	return a;
}

/* Opens E bound to TEXT, NULL for any of both families; returns the port, 0
 * when this host has no such address. */
static uint16_t
open_bound(struct end *e, const char *text)
{
	struct addr a = { 0 };

	if (text != NULL)
		a = ip(text, 0);
	e->s = udp_bind(udp, &a, &end_ops, e);
	if (e->s == NULL) {
		ck_assert(errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT);
		return 0;
	}
	net->ops->local(e->s, &a);
	ck_assert_uint_ne(a.port, 0);
	return a.port;
}

static void
open_connected(struct end *e, const char *text, uint16_t port)
{
	struct addr a = ip(text, port);

	e->s = net->ops->connect(net, &a, &end_ops, e);
	ck_assert_ptr_nonnull(e->s);
}

/* A plain socket of the test, connected to 127.0.0.1. */
static int
raw_socket(uint16_t port)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on,
	    sizeof(on)), 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&in,
	    sizeof(in)), 0);
	return fd;
}

static void
raw_send(int fd, uint8_t octet)
{
	ck_assert_int_eq(send(fd, &octet, 1, 0), 1);
}

static struct addr
raw_local(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr a;

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	ck_assert(addr_from_sockaddr(&a, (const struct sockaddr *)&ss));
	return a;
}

/* A port of 127.0.0.1 nobody listens on. */
static uint16_t
closed_port(void)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint16_t port;

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&in, sizeof(in)),
	    0);
	port = raw_local(fd).port;
	ck_assert_int_eq(close(fd), 0);
	return port;
}

/* A connected client takes an answer only from the address it asked: PRX-104:
 * replies leave from the address and port the request was sent to, also on
 * wildcard and dual-stack sockets. */
START_TEST(echo_from_the_addressed_address)
{
	static const struct {
		const char *bound;	/* NULL: dual stack */
		const char *asked;
	} t[] = {
		{ "127.0.0.1", "127.0.0.1" },
		{ "::1", "::1" },
		{ "0.0.0.0", "127.0.0.1" },
		{ "0.0.0.0", "127.0.0.2" },
		{ "::", "::1" },
		{ NULL, "127.0.0.1" },
		{ NULL, "127.0.0.2" },
		{ NULL, "::1" },
	};
	struct end server = { .echo = true }, client = { 0 };
	uint16_t port = open_bound(&server, t[_i].bound);
	struct addr a;

	if (port == 0)
		return;		/* no IPv6 here */
	open_connected(&client, t[_i].asked, port);
	send_octet(&client, NULL, NULL, 7);
	ck_assert(await(&client, 1));
	ck_assert_uint_eq(client.seen[0], 7);
	a = ip(t[_i].asked, port);
	ck_assert(addr_eq(&server.to, &a));
	ck_assert(addr_eq(&client.from, &a));
	net->ops->local(client.s, &a);
	ck_assert(addr_eq(&server.from, &a));
	ck_assert(addr_eq(&client.to, &a));
	ck_assert_uint_eq(udp_sock_stats(server.s)->rx_datagrams, 1);
	ck_assert_uint_eq(udp_sock_stats(server.s)->tx_datagrams, 1);
	ck_assert_uint_eq(udp_sock_stats(server.s)->tx_octets, 1);
	close_end(&client);
	close_end(&server);
}
END_TEST

START_TEST(nothing_leaves_before_the_flush)
{
	struct end e = { 0 };
	uint16_t port = open_bound(&e, "127.0.0.1");
	int fd = raw_socket(port);
	struct addr to = raw_local(fd);
	uint8_t octet = 0;

	send_octet(&e, &to, NULL, 9);
	ck_assert_int_eq(recv(fd, &octet, 1, MSG_DONTWAIT), -1);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_datagrams, 0);
	fixture_turn(&fx);
	ck_assert_int_eq(recv(fd, &octet, 1, MSG_DONTWAIT), 1);
	ck_assert_uint_eq(octet, 9);
	close_end(&e);
	(void)close(fd);
}
END_TEST

static struct addr hook_to;

static void
sending_hook(void *user, uint64_t now)
{
	(void)now;
	send_octet(user, &hook_to, NULL, 5);
}

START_TEST(what_a_hook_sends_leaves_in_its_turn)
{
	struct end e = { 0 };
	int fd = raw_socket(open_bound(&e, "127.0.0.1"));
	uint8_t octet = 0;

	hook_to = raw_local(fd);
	loop_at_turn_end(fx.loop, sending_hook, &e);
	fixture_turn(&fx);
	ck_assert_int_eq(recv(fd, &octet, 1, MSG_DONTWAIT), 1);
	close_end(&e);
	(void)close(fd);
}
END_TEST

START_TEST(batch_grows_and_is_bounded)
{
	struct end e = { 0 };
	int fd = raw_socket(open_bound(&e, "0.0.0.0"));

	for (unsigned i = 0; i < MANY; i++)
		raw_send(fd, (uint8_t)i);
	ck_assert(await(&e, MANY));
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(e.seen[i], i);
	ck_assert_uint_eq(e.first_turn, 4);
	ck_assert_uint_eq(e.most_in_turn, 32);
	ck_assert_uint_eq(udp_sock_stats(e.s)->rx_datagrams, MANY);
	/* One at a time: it shrinks again. */
	for (unsigned i = 0; i < 4; i++) {
		raw_send(fd, 1);
		ck_assert(await(&e, MANY + i + 1));
	}
	e.most_in_turn = 0;
	for (unsigned i = 0; i < 8; i++)
		raw_send(fd, 1);
	ck_assert(await(&e, MANY + 12));
	ck_assert_uint_le(e.most_in_turn, 4);
	close_end(&e);
	(void)close(fd);
}
END_TEST

START_TEST(many_leave_in_one_flush)
{
	struct end server = { .echo = true }, client = { 0 };

	open_connected(&client, "127.0.0.1", open_bound(&server, NULL));
	for (unsigned i = 0; i < 150; i++)
		send_octet(&client, NULL, NULL, (uint8_t)i);
	fail.sends = 0;
	fixture_turn(&fx);
	ck_assert_uint_eq(udp_sock_stats(client.s)->tx_datagrams, 150);
	ck_assert_uint_eq(fail.sends, 3);
	ck_assert(await(&client, 150));
	for (unsigned i = 0; i < 150; i++)
		ck_assert_uint_eq(client.seen[i], i);
	close_end(&client);
	close_end(&server);
}
END_TEST

START_TEST(queue_is_bounded)
{
	struct end e = { 0 };
	int fd = raw_socket(open_bound(&e, "127.0.0.1"));
	struct addr to = raw_local(fd);

	for (unsigned i = 0; i < QUEUE_MAX + 3; i++)
		send_octet(&e, &to, NULL, 1);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_dropped, 3);
	fixture_turn(&fx);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_datagrams, QUEUE_MAX);
	send_octet(&e, &to, NULL, 1);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_dropped, 3);
	close_end(&e);
	(void)close(fd);
}
END_TEST

START_TEST(truncation_is_told)
{
	static const struct {
		size_t sent, got;
		unsigned truncated;
	} t[] = {
		{ 0, 0, 0 }, { 2048, 2048, 0 }, { 2049, 2048, 1 },
		{ 9000, 2048, 1 },
	};
	static const uint8_t data[9000];
	struct end e = { 0 };
	int fd = raw_socket(open_bound(&e, "127.0.0.1"));

	for (unsigned i = 0; i < UNIT_COUNT(t); i++) {
		ck_assert_int_eq(send(fd, data, t[i].sent, 0),
		    (ssize_t)t[i].sent);
		e.truncated = 0;
		ck_assert(await(&e, i + 1));
		ck_assert_uint_eq(e.len, t[i].got);
		ck_assert_uint_eq(e.truncated, t[i].truncated);
	}
	close_end(&e);
	(void)close(fd);
}
END_TEST

START_TEST(closed_in_its_own_input)
{
	struct end e = { .close_on_input = true };
	int fd = raw_socket(open_bound(&e, "127.0.0.1"));

	e.echo = true;		/* what it queued still leaves */
	for (unsigned i = 0; i < 4; i++)
		raw_send(fd, 3);
	ck_assert(await(&e, 1));
	(void)fixture_run(&fx, NULL, NULL, 20);
	ck_assert_uint_eq(e.inputs, 1);
	ck_assert_int_eq(recv(fd, e.seen, 1, MSG_DONTWAIT), 1);
	(void)close(fd);
}
END_TEST

START_TEST(closed_in_its_own_error)
{
	struct end e = { .close_on_error = true };

	open_connected(&e, "127.0.0.1", closed_port());
	send_octet(&e, NULL, NULL, 1);
	ck_assert(fixture_run(&fx, has_error, &e, PATIENCE_MS));
	ck_assert_int_eq(e.err, ECONNREFUSED);
	(void)fixture_run(&fx, NULL, NULL, 20);
	ck_assert_uint_eq(e.errors, 1);
}
END_TEST

/* MSG-80: an error about an earlier datagram comes up at the next send; that
 * one has not been tried, and is sent again. */
START_TEST(pending_error_costs_no_datagram)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port());
	send_octet(&e, NULL, NULL, 1);
	udp_flush(udp);
	fail.sends = 0;
	send_octet(&e, NULL, NULL, 2);
	udp_flush(udp);
	ck_assert_uint_eq(fail.sends, 2);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_datagrams, 2);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_dropped, 0);
	/* Not from inside send() or udp_flush(). */
	ck_assert_uint_eq(e.errors, 0);
	ck_assert(fixture_run(&fx, has_error, &e, PATIENCE_MS));
	ck_assert_int_eq(e.err, ECONNREFUSED);
	close_end(&e);
}
END_TEST

/* The buffers come back (teardown looks) though nothing was ever taken. */
START_TEST(freed_while_blocked)
{
	struct end e = { 0 };

	open_connected(&e, "127.0.0.1", closed_port());
	fail.sends = 0;
	fail.send[0] = EAGAIN;
	send_octet(&e, NULL, NULL, 1);
	close_end(&e);
	fixture_turn(&fx);
	ck_assert_uint_eq(fail.sends, 1);
	ck_assert_uint_gt(buf_pool_used(pool), 0);
}
END_TEST

/* The flush is over when errors are reported: the next turn comes at once. */
START_TEST(sent_in_an_error_callback)
{
	struct end server = { 0 }, live = { 0 };
	struct end e = { .send_on_error = &live };

	open_connected(&live, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	open_connected(&e, "127.0.0.1", closed_port());
	fail.sends = 0;
	fail.send[0] = EHOSTUNREACH;
	fail.send[1] = EHOSTUNREACH;
	send_octet(&e, NULL, NULL, 1);
	server.want = 1;
	/* No deadline: its timer would wake the loop as well. */
	fx.done = has_inputs;
	fx.arg = &server;
	loop_run(fx.loop);
	ck_assert_uint_eq(server.seen[0], 0xee);
	ck_assert_uint_eq(e.errors, 1);
	close_end(&e);
	close_end(&live);
	close_end(&server);
}
END_TEST

/* MSG-80: alternate datagrams to a dead and a live server; the live one is
 * always served. */
START_TEST(dead_peer_harms_nobody_else)
{
	struct end server = { .echo = true }, live = { 0 }, dead = { 0 };

	open_connected(&live, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	open_connected(&dead, "127.0.0.1", closed_port());
	for (unsigned i = 0; i < 50; i++) {
		send_octet(&dead, NULL, NULL, (uint8_t)i);
		send_octet(&live, NULL, NULL, (uint8_t)i);
		ck_assert(await(&live, i + 1));
		ck_assert_uint_eq(live.seen[i], i);
	}
	ck_assert_uint_gt(dead.errors, 0);
	ck_assert_int_eq(dead.err, ECONNREFUSED);
	ck_assert_uint_eq(live.errors, 0);
	ck_assert_uint_eq(server.errors, 0);
	close_end(&live);
	close_end(&dead);
	close_end(&server);
}
END_TEST

/* MSG-80: what sending may fail with, on an unconnected socket: one datagram
 * is lost, those behind it are not. */
START_TEST(refused_datagram_is_skipped)
{
	static const struct {
		int err;
		unsigned arrive;
	} t[] = {
		{ ECONNREFUSED, 2 }, { EHOSTUNREACH, 2 }, { ENETUNREACH, 2 },
		{ EMSGSIZE, 2 }, { EPERM, 2 }, { ENOBUFS, 2 }, { EINVAL, 2 },
		{ ENOMEM, 2 }, { EINTR, 3 }, { EAGAIN, 3 },
	};
	struct end server = { 0 }, e = { 0 };
	struct addr to = ip("127.0.0.1", open_bound(&server, "127.0.0.1"));

	(void)open_bound(&e, "0.0.0.0");
	fail.sends = 0;
	fail.send[0] = t[_i].err;
	for (uint8_t i = 1; i <= 3; i++)
		send_octet(&e, &to, NULL, i);
	ck_assert(await(&server, t[_i].arrive));
	ck_assert_uint_eq(server.seen[t[_i].arrive - 1], 3);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_dropped,
	    3 - t[_i].arrive);
	ck_assert_uint_eq(e.errors, 0);
	close_end(&server);
	close_end(&e);
}
END_TEST

/* A connected socket tries twice, then gives that datagram up. */
START_TEST(refused_twice_on_a_connected_socket)
{
	struct end server = { 0 }, e = { 0 };

	open_connected(&e, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	fail.sends = 0;
	fail.send[0] = ECONNREFUSED;
	fail.send[1] = EHOSTUNREACH;
	send_octet(&e, NULL, NULL, 1);
	send_octet(&e, NULL, NULL, 2);
	ck_assert(await(&server, 1));
	ck_assert_uint_eq(server.seen[0], 2);
	ck_assert_uint_eq(e.errors, 1);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_dropped, 1);
	close_end(&server);
	close_end(&e);
}
END_TEST

START_TEST(blocked_in_the_middle)
{
	struct end server = { 0 }, e = { 0 };
	struct addr to = ip("127.0.0.1", open_bound(&server, "127.0.0.1"));

	(void)open_bound(&e, "127.0.0.1");
	fail.sends = 0;
	fail.send[1] = EAGAIN;
	for (unsigned i = 0; i < MANY; i++)
		send_octet(&e, &to, NULL, (uint8_t)i);
	fixture_turn(&fx);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_datagrams, 64);
	send_octet(&e, &to, NULL, MANY);
	ck_assert(await(&server, MANY + 1));
	for (unsigned i = 0; i <= MANY; i++)
		ck_assert_uint_eq(server.seen[i], i);
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_dropped, 0);
	close_end(&server);
	close_end(&e);
}
END_TEST

/* Closed while the kernel takes nothing: what is queued still goes first. */
START_TEST(closed_while_blocked)
{
	struct end server = { 0 }, e = { 0 };

	open_connected(&e, "127.0.0.1", open_bound(&server, "127.0.0.1"));
	fail.sends = 0;
	fail.send[0] = EAGAIN;
	send_octet(&e, NULL, NULL, 1);
	close_end(&e);
	ck_assert(await(&server, 1));
	close_end(&server);
}
END_TEST

/* A plain socket that E is connected to, and it to E. */
static int
raw_peer(struct end *e)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct addr a;

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&in, sizeof(in)),
	    0);
	open_connected(e, "127.0.0.1", raw_local(fd).port);
	net->ops->local(e->s, &a);
	in.sin_port = htons(a.port);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&in,
	    sizeof(in)), 0);
	return fd;
}

/* MSG-80: errors of a read stop neither the socket nor the loop. */
START_TEST(receiving_goes_on_after_errors)
{
	static const struct {
		int err[4];
		unsigned reported;
	} t[] = {
		{ { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH }, 3 },
		{ { ECONNREFUSED, ECONNREFUSED, EPROTO, EHOSTUNREACH }, 4 },
		{ { EINTR, EAGAIN }, 0 },
		{ { ENOMEM }, 0 },
		{ { EIO, EIO }, 0 },
	};
	struct end e = { 0 };
	int fd = raw_peer(&e);

	memcpy(fail.recv, t[_i].err, sizeof(fail.recv));
	fail.recvs = 0;
	raw_send(fd, 6);
	ck_assert(await(&e, 1));
	ck_assert_uint_eq(e.seen[0], 6);
	ck_assert_uint_eq(e.errors, t[_i].reported);
	ck_assert_uint_lt(fx.turns, 40);
	close_end(&e);
	(void)close(fd);
}
END_TEST

/* Sends one octet to TEXT over the loopback interface. */
static void
send_many(const char *text, uint16_t port)
{
	struct addr a = ip(text, port);
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&a, &ss);
	struct in_addr lo = { htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on,
	    sizeof(on)), 0);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &lo,
	    sizeof(lo)), 0);
	ck_assert_int_eq(sendto(fd, "x", 1, 0, (const struct sockaddr *)&ss,
	    len), 1);
	(void)close(fd);
}

static int
member_fd(int family)
{
	struct ip_mreqn group = { .imr_ifindex = 1 };
	struct sockaddr_in6 in6 = { .sin6_family = (sa_family_t)family };
	int fd = socket(family, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&in6, sizeof(in6)) != 0)
		return -1;
	group.imr_multiaddr.s_addr = htonl(0xe00001bb);	/* 224.0.1.187 */
	group.imr_address.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
	    sizeof(group)), 0);
	return fd;
}

/* The layers above must be able to tell: answering such a request the usual
 * way would amplify it. An answer does not leave from there either. */
START_TEST(multicast_and_broadcast_are_told)
{
	static const struct {
		int family;
		const char *to, *want;
	} t[] = {
		{ AF_INET, "224.0.1.187", "224.0.1.187" },
		{ AF_INET6, "224.0.1.187", "224.0.1.187" },
		{ AF_INET, "127.255.255.255", "255.255.255.255" },
		{ AF_INET6, "127.255.255.255", "255.255.255.255" },
	};
	struct end e = { .echo = true };
	struct addr a;
	int fd = member_fd(t[_i].family);

	if (fd < 0)
		return;		/* no IPv6 here */
	e.s = udp_adopt(udp, fd, &end_ops, &e);
	ck_assert_ptr_nonnull(e.s);
	net->ops->local(e.s, &a);
	send_many(t[_i].to, a.port);
	ck_assert(await(&e, 1));
	a = ip(t[_i].want, a.port);
	ck_assert(addr_eq(&e.to, &a));
	ck_assert(addr_is_multicast(&e.to));
	ck_assert_uint_eq(udp_sock_stats(e.s)->tx_datagrams, 1);
	close_end(&e);
}
END_TEST

struct loss {
	const struct end *e;
	unsigned sent;
};

static bool
adds_up(void *arg)
{
	const struct loss *l = arg;
	const struct udp_stats *st = udp_sock_stats(l->e->s);

	return st->rx_overflow + l->e->inputs == l->sent;
}

/* The counter comes with the first datagram that is queued after a loss; that
 * one may be lost itself while the socket is still full. */
START_TEST(kernel_losses_are_counted)
{
	struct end e = { 0 };
	struct loss l = { .e = &e };
	int fd = raw_socket(open_bound(&e, "127.0.0.1"));
	bool ok = false;

	for (; l.sent < 20000; l.sent++)
		raw_send(fd, 1);
	for (int i = 0; i < 50 && !ok; i++) {
		(void)fixture_run(&fx, NULL, NULL, 50);
		raw_send(fd, 1);
		l.sent++;
		ok = fixture_run(&fx, adds_up, &l, 50);
	}
	ck_assert(ok);
	ck_assert_uint_gt(udp_sock_stats(e.s)->rx_overflow, 0);
	close_end(&e);
	(void)close(fd);
}
END_TEST

static bool
own_link_local(struct addr *a)
{
	struct ifaddrs *all, *i;
	bool found = false;

	ck_assert_int_eq(getifaddrs(&all), 0);
	for (i = all; i != NULL && !found; i = i->ifa_next)
		found = i->ifa_addr != NULL &&
		    addr_from_sockaddr(a, i->ifa_addr) &&
		    a->family == 6 && addr_is_linklocal(a);
	freeifaddrs(all);
	return found;
}

/* Link-local addresses mean nothing without their interface; loopback has
 * none, so any other interface's own address serves. */
START_TEST(link_local_keeps_its_scope)
{
	struct end server = { .echo = true }, client = { 0 };
	struct addr a;

	if (!own_link_local(&a))
		return;		/* this host has none */
	server.s = udp_bind(udp, &(struct addr){ .family = 6 }, &end_ops,
	    &server);
	ck_assert_ptr_nonnull(server.s);
	net->ops->local(server.s, &client.from);
	a.port = client.from.port;
	client.s = net->ops->connect(net, &a, &end_ops, &client);
	ck_assert_ptr_nonnull(client.s);
	send_octet(&client, NULL, NULL, 4);
	ck_assert(await(&client, 1));
	ck_assert(addr_eq(&server.to, &a));
	ck_assert_uint_ne(server.from.scope, 0);
	close_end(&server);
	fixture_turn(&fx);
	server.s = udp_bind(udp, &a, &end_ops, &server);
	ck_assert_ptr_nonnull(server.s);
	send_octet(&client, NULL, NULL, 4);
	ck_assert(await(&client, 2));
	close_end(&client);
	close_end(&server);
}
END_TEST

static void
add_batch_tests(TCase *tc)
{
	tcase_add_loop_test(tc, echo_from_the_addressed_address, 0, 8);
	tcase_add_test(tc, nothing_leaves_before_the_flush);
	tcase_add_test(tc, what_a_hook_sends_leaves_in_its_turn);
	tcase_add_test(tc, batch_grows_and_is_bounded);
	tcase_add_test(tc, many_leave_in_one_flush);
	tcase_add_test(tc, queue_is_bounded);
	tcase_add_test(tc, truncation_is_told);
	tcase_add_loop_test(tc, multicast_and_broadcast_are_told, 0, 4);
	tcase_add_test(tc, kernel_losses_are_counted);
	tcase_add_test(tc, link_local_keeps_its_scope);
}

static void
add_error_tests(TCase *tc)
{
	tcase_add_test(tc, closed_in_its_own_input);
	tcase_add_test(tc, closed_in_its_own_error);
	tcase_add_test(tc, blocked_in_the_middle);
	tcase_add_test(tc, closed_while_blocked);
	tcase_add_test(tc, freed_while_blocked);
	tcase_add_test(tc, sent_in_an_error_callback);
	tcase_add_test(tc, pending_error_costs_no_datagram);
	tcase_add_test(tc, dead_peer_harms_nobody_else);
	tcase_add_loop_test(tc, refused_datagram_is_skipped, 0, 10);
	tcase_add_test(tc, refused_twice_on_a_connected_socket);
	tcase_add_loop_test(tc, receiving_goes_on_after_errors, 0, 5);
}

Suite *
udp_suite(void)
{
	Suite *s = suite_create("udp");
	TCase *tc = tcase_create("udp");

	tcase_add_checked_fixture(tc, setup, teardown);
	add_batch_tests(tc);
	add_error_tests(tc);
	suite_add_tcase(s, tc);
	return s;
}
