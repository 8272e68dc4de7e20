#include "net/udp.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

#include "ends.h"
#include "suites.h"
#include "unit.h"

enum { MANY = 200, QUEUE_MAX = 1024 };

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
	rig.net->ops->local(client.s, &a);
	ck_assert(addr_eq(&server.from, &a));
	ck_assert(addr_eq(&client.to, &a));
	ck_assert_uint_eq(udp_sock_stats(server.s).rx_datagrams, 1);
	ck_assert_uint_eq(udp_sock_stats(server.s).tx_datagrams, 1);
	ck_assert_uint_eq(udp_sock_stats(server.s).tx_octets, 1);
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
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, 0);
	fixture_turn(&rig.fx);
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
	loop_at_turn_end(rig.fx.loop, sending_hook, &e);
	fixture_turn(&rig.fx);
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
	ck_assert_uint_eq(e.most_in_turn, 64);
	ck_assert_uint_eq(udp_sock_stats(e.s).rx_datagrams, MANY);
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
	rig.fail.sends = 0;
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(udp_sock_stats(client.s).tx_datagrams, 150);
	ck_assert_uint_eq(rig.fail.sends, 3);
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
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 3);
	fixture_turn(&rig.fx);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, QUEUE_MAX);
	send_octet(&e, &to, NULL, 1);
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_dropped, 3);
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
	e.s = udp_adopt(rig.udp, fd, &end_ops, &e);
	ck_assert_ptr_nonnull(e.s);
	rig.net->ops->local(e.s, &a);
	send_many(t[_i].to, a.port);
	ck_assert(await(&e, 1));
	a = ip(t[_i].want, a.port);
	ck_assert(addr_eq(&e.to, &a));
	ck_assert(addr_is_multicast(&e.to));
	ck_assert_uint_eq(udp_sock_stats(e.s).tx_datagrams, 1);
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

	return udp_sock_stats(l->e->s).rx_overflow + l->e->inputs == l->sent;
}

START_TEST(kernel_losses_are_counted)
{
	struct end e = { 0 };
	struct loss l = { .e = &e };
	int fd = raw_socket(open_bound(&e, "127.0.0.1"));

	for (; l.sent < 20000; l.sent++)
		raw_send(fd, 1);
	ck_assert_uint_gt(udp_sock_stats(e.s).rx_overflow, 0);
	ck_assert(fixture_run(&rig.fx, adds_up, &l, PATIENCE_MS));
	close_end(&e);
	(void)close(fd);
}
END_TEST

/* What the kernel has dropped of a socket that another process had. */
START_TEST(losses_of_before_are_not_counted)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct end e = { 0 };
	struct addr a;
	int little = 4096, to;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little,
	    sizeof(little)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	a = raw_local(fd);
	to = raw_socket(a.port);
	for (int i = 0; i < 1000; i++)
		raw_send(to, 1);
	e.s = udp_adopt(rig.udp, fd, &end_ops, &e);
	ck_assert_ptr_nonnull(e.s);
	raw_send(to, 1);
	ck_assert(await(&e, 2));
	(void)fixture_run(&rig.fx, NULL, NULL, 50);
	ck_assert_uint_lt(e.inputs, 1000);
	ck_assert_uint_eq(udp_sock_stats(e.s).rx_overflow, 0);
	close_end(&e);
	(void)close(to);
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
	server.s = udp_bind(rig.udp, &(struct addr){ .family = 6 }, &end_ops,
	    &server);
	ck_assert_ptr_nonnull(server.s);
	rig.net->ops->local(server.s, &client.from);
	a.port = client.from.port;
	client.s = rig.net->ops->connect(rig.net, &a, &end_ops, &client);
	ck_assert_ptr_nonnull(client.s);
	send_octet(&client, NULL, NULL, 4);
	ck_assert(await(&client, 1));
	ck_assert(addr_eq(&server.to, &a));
	ck_assert_uint_ne(server.from.scope, 0);
	close_end(&server);
	fixture_turn(&rig.fx);
	server.s = udp_bind(rig.udp, &a, &end_ops, &server);
	ck_assert_ptr_nonnull(server.s);
	send_octet(&client, NULL, NULL, 4);
	ck_assert(await(&client, 2));
	close_end(&client);
	close_end(&server);
}
END_TEST

/* One address and all of them at a port: each gets its own; what waits at the
 * one that has been deafened is still read, by whoever is said to. Nobody else
 * can have the port. */
START_TEST(beside)
{
	static const char *const from[] = { "127.0.0.1", "0.0.0.0", "127.0.0.1",
		NULL };
	static const char *const to[] = { "0.0.0.0", "127.0.0.1", NULL,
		"127.0.0.1" };
	struct end old = { 0 }, new = { 0 }, heir = { 0 };
	uint16_t port = open_bound(&old, from[_i]);
	struct addr a = { .port = port };
	int fd = raw_socket(port), other, on = 1;
	struct sockaddr_storage ss;
	bool one = to[_i] != NULL && strcmp(to[_i], "127.0.0.1") == 0;

	raw_send(fd, 1);
	if (to[_i] != NULL)
		a = ip(to[_i], port);
	ck_assert_ptr_null(udp_bind(rig.udp, &a, &end_ops, &new));
	ck_assert_int_eq(errno, EADDRINUSE);
	new.s = udp_bind_beside(rig.udp, &a, &old.s, 1, &end_ops, &new);
	ck_assert_ptr_nonnull(new.s);
	raw_send(fd, 2);
	heir.s = old.s;
	udp_redirect(old.s, &end_ops, &heir);
	ck_assert(udp_waiting(old.s));
	ck_assert_int_eq(udp_waiting(new.s), one);
	udp_deafen(old.s);
	raw_send(fd, 3);
	ck_assert(await(&new, one ? 2 : 1));
	ck_assert_uint_eq(new.seen[one], 3);
	ck_assert(await(&heir, one ? 1 : 2));
	ck_assert_uint_eq(heir.seen[0], 1);
	ck_assert(!udp_waiting(old.s));
	ck_assert_uint_eq(old.inputs, 0);
	other = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_ge(other, 0);
	ck_assert_int_eq(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on,
	    sizeof(on)), 0);
	a = ip("127.0.0.1", port);
	ck_assert_int_eq(bind(other, (const struct sockaddr *)&ss,
	    addr_to_sockaddr(&a, &ss)), -1);
	(void)close(other);
	(void)close(fd);
	old.s = NULL;
	close_end(&heir);
	close_end(&new);
}
END_TEST

/* Somebody else's port stays so, and ours is shared no more. */
START_TEST(not_beside_others)
{
	struct end old = { 0 }, new = { 0 };
	uint16_t port = open_bound(&old, "127.0.0.2");
	struct addr a = ip("127.0.0.1", port);
	struct sockaddr_storage ss;
	int other = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(other, (const struct sockaddr *)&ss,
	    addr_to_sockaddr(&a, &ss)), 0);
	a = ip("0.0.0.0", port);
	ck_assert_ptr_null(udp_bind_beside(rig.udp, &a, &old.s, 1, &end_ops,
	    &new));
	ck_assert_int_eq(errno, EADDRINUSE);
	(void)close(other);
	close_end(&old);
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
	tcase_add_test(tc, losses_of_before_are_not_counted);
	tcase_add_test(tc, link_local_keeps_its_scope);
	tcase_add_loop_test(tc, beside, 0, 4);
	tcase_add_test(tc, not_beside_others);
}

Suite *
udp_suite(void)
{
	Suite *s = suite_create("udp");
	TCase *tc = tcase_create("udp");

	tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
	add_batch_tests(tc);
	suite_add_tcase(s, tc);
	return s;
}
