#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "suites.h"
#include "unit.h"

enum { NONE = -1 };	/* IPPROTO_IP is 0 */

static struct addr
ip(const char *text, uint16_t port)
{
	struct addr a = { 0 };

	if (text[0] != '\0')
		ck_assert(addr_parse_ip(&a, span_str(text), false));
	a.port = port;
	return a;
}

static int
int_option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	ck_assert_int_eq(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

/* Room for many datagrams, as far as the system lets us have it. */
START_TEST(room_for_bursts)
{
	static const int octets[] = { 4 << 20, 1 << 20 };
	struct addr a = ip("127.0.0.1", _i == 0 ? 0 : 9);
	struct sock k;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), want;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &octets[_i],
	    sizeof(int)) != 0)
		ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF,
		    &octets[_i], sizeof(int)), 0);
	want = int_option(fd, SOL_SOCKET, SO_RCVBUF);
	(void)close(fd);
	ck_assert(_i == 0 ? sock_bind(&k, &a) : sock_connect(&k, &a));
	ck_assert_int_eq(int_option(k.fd, SOL_SOCKET, SO_RCVBUF), want);
	sock_close(&k);
}
END_TEST

/* Nothing inherits a descriptor, nothing waits in one, and nobody shares a
 * port; IPv4 comes in through an IPv6 socket only where it was asked for. */
START_TEST(bound_sockets)
{
	static const struct {
		const char *at;		/* "": any of both families */
		bool inet6, v6only, wildcard;
	} t[] = {
		{ "127.0.0.1", false, false, false },
		{ "0.0.0.0", false, false, true },
		{ "::1", true, true, false },
		{ "::", true, true, true },
		{ "", true, false, true },
	};
	struct addr a = ip(t[_i].at, 0);
	struct sock k;

	if (!sock_bind(&k, &a))
		return;		/* no IPv6 here */
	ck_assert_uint_ne(k.local.port, 0);
	ck_assert(k.inet6 == t[_i].inet6 || t[_i].at[0] == '\0');
	ck_assert(k.wildcard == t[_i].wildcard);
	ck_assert(!k.connected);
	ck_assert_int_ne(fcntl(k.fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(k.fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(int_option(k.fd, SOL_SOCKET, SO_REUSEADDR), 0);
	ck_assert_int_eq(int_option(k.fd, SOL_SOCKET, SO_REUSEPORT), 0);
	if (k.inet6)
		ck_assert_int_eq(int_option(k.fd, IPPROTO_IPV6, IPV6_V6ONLY),
		    t[_i].v6only);
	sock_close(&k);
	ck_assert_int_eq(k.fd, -1);
}
END_TEST

START_TEST(port_cannot_be_had_twice)
{
	static const char *const at[] = { "127.0.0.1", "0.0.0.0", "" };
	struct addr a = ip("127.0.0.1", 0);
	struct sock k, second;

	ck_assert(sock_bind(&k, &a));
	for (size_t i = 0; i < UNIT_COUNT(at); i++) {
		a = ip(at[i], k.local.port);
		ck_assert(!sock_bind(&second, &a));
		ck_assert_int_eq(errno, EADDRINUSE);
		ck_assert_int_eq(second.fd, -1);
	}
	sock_close(&k);
}
END_TEST

/* "::" is IPv6 alone: the same port of IPv4 stays free. */
START_TEST(families_are_apart)
{
	struct addr a = ip("::", 0);
	struct sock six, four;

	if (!sock_bind(&six, &a))
		return;		/* no IPv6 here */
	a = ip("0.0.0.0", six.local.port);
	ck_assert(sock_bind(&four, &a));
	sock_close(&six);
	sock_close(&four);
}
END_TEST

START_TEST(foreign_address_is_refused)
{
	struct addr a = ip("198.51.100.77", 0);
	struct sock k;

	ck_assert(!sock_bind(&k, &a));
	ck_assert_int_eq(errno, EADDRNOTAVAIL);
}
END_TEST

START_TEST(connected_socket)
{
	struct addr a = ip("127.0.0.1", 9);
	struct sock k;

	ck_assert(sock_connect(&k, &a));
	ck_assert(k.connected);
	ck_assert(!k.wildcard);
	ck_assert(addr_is_loopback(&k.local));
	ck_assert_int_ne(fcntl(k.fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(k.fd, F_GETFD) & FD_CLOEXEC, 0);
	sock_close(&k);
	a = ip("255.255.255.255", 9);	/* not without SO_BROADCAST */
	ck_assert(!sock_connect(&k, &a));
	ck_assert_int_ne(errno, 0);
	ck_assert_int_eq(k.fd, -1);
}
END_TEST

static int
bound_fd(int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, type, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&in, sizeof(in)),
	    0);
	return fd;
}

static int
connected_fd(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = 9 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&in,
	    sizeof(in)), 0);
	return fd;
}

START_TEST(adopts_a_bound_socket)
{
	int fd = bound_fd(SOCK_DGRAM);
	struct sock k;

	ck_assert(sock_adopt(&k, fd));
	ck_assert_int_eq(k.fd, fd);
	ck_assert(k.wildcard);
	ck_assert_uint_ne(k.local.port, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	sock_close(&k);
}
END_TEST

START_TEST(adopts_nothing_else)
{
	const int fds[] = {
		bound_fd(SOCK_STREAM),
		socket(AF_INET, SOCK_DGRAM, 0),		/* not bound */
		connected_fd(),
		socket(AF_UNIX, SOCK_DGRAM, 0),
	};
	struct sock k;

	for (size_t i = 0; i < UNIT_COUNT(fds); i++) {
		ck_assert(!sock_adopt(&k, fds[i]));
		ck_assert_int_ne(errno, 0);
		ck_assert_int_eq(fcntl(fds[i], F_GETFD), -1);
	}
	ck_assert(!sock_adopt(&k, -1));
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

/* PRX-104: when the source is said, and in which form. */
START_TEST(source_of_a_reply)
{
	static const struct {
		bool inet6, wildcard;
		const char *local;
		int level;	/* NONE: the kernel chooses */
	} t[] = {
		{ false, true, "192.0.2.1", IPPROTO_IP },
		{ true, true, "192.0.2.1", IPPROTO_IPV6 },
		{ true, true, "2001:db8::1", IPPROTO_IPV6 },
		{ false, false, "192.0.2.1", NONE },
		{ true, false, "2001:db8::1", NONE },
		{ false, true, "224.0.1.187", NONE },
		{ false, true, "255.255.255.255", NONE },
		{ true, true, "ff02::fd", NONE },
		{ false, true, "0.0.0.0", NONE },
		{ true, true, "", NONE },
	};
	_Alignas(struct cmsghdr) uint8_t control[SOCK_TX_CONTROL];
	struct sock k = { .inet6 = t[_i].inet6, .wildcard = t[_i].wildcard };
	struct addr local = ip(t[_i].local, 5683);
	struct cmsghdr c;
	size_t n = sock_write_source(&k, &local, control);

	ck_assert(n <= sizeof(control));
	ck_assert_int_eq(n == 0, t[_i].level == NONE);
	if (n == 0)
		return;
	memcpy(&c, control, sizeof(c));
	ck_assert_int_eq(c.cmsg_level, t[_i].level);
}
END_TEST

Suite *
sock_suite(void)
{
	Suite *s = suite_create("sock");
	TCase *tc = tcase_create("sock");

	tcase_add_loop_test(tc, room_for_bursts, 0, 2);
	tcase_add_loop_test(tc, bound_sockets, 0, 5);
	tcase_add_test(tc, port_cannot_be_had_twice);
	tcase_add_test(tc, families_are_apart);
	tcase_add_test(tc, foreign_address_is_refused);
	tcase_add_test(tc, connected_socket);
	tcase_add_test(tc, adopts_a_bound_socket);
	tcase_add_test(tc, adopts_nothing_else);
	tcase_add_loop_test(tc, source_of_a_reply, 0, 10);
	suite_add_tcase(s, tc);
	return s;
}
