#include "ends.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>

struct rig rig;

/* These stand before the C library's. */
int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
    struct timespec *timeout);

static int
next_failure(const int list[4], int behind, unsigned *calls)
{
	unsigned i = (*calls)++;

	return i < 4 && list[i] != 0 ? list[i] : behind;
}

/* The number of datagrams the kernel is to make of H. */
static size_t
datagrams(const struct msghdr *h)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(h);
	size_t octets = 0;
	uint16_t len;

	if (c == NULL || c->cmsg_level != SOL_UDP ||
	    c->cmsg_type != UDP_SEGMENT)
		return 1;
	memcpy(&len, CMSG_DATA(c), sizeof(len));
	for (size_t i = 0; i < h->msg_iovlen; i++)
		octets += h->msg_iov[i].iov_len;
	return (octets + len - 1) / len;
}

static void
count_taken(const struct mmsghdr *m, int n)
{
	size_t count;

	for (int i = 0; i < n; i++) {
		count = datagrams(&m[i].msg_hdr);
		rig.took.messages++;
		rig.took.trains += count > 1;
		if (count > rig.took.longest)
			rig.took.longest = count;
	}
}

/* A train that is to fail and is not the first stays where it is: the kernel
 * sends what is in front of it. */
static int
failure_for(const struct mmsghdr *m, unsigned *n)
{
	unsigned i = 0;

	if (datagrams(&m[0].msg_hdr) > 1 &&
	    (i = rig.fail.trains) < 4 && rig.fail.train[i] != 0) {
		rig.fail.trains++;
		return rig.fail.train[i];
	}
	if (rig.fail.trains < 4 && rig.fail.train[rig.fail.trains] != 0)
		for (i = 1; i < *n; i++)
			if (datagrams(&m[i].msg_hdr) > 1)
				*n = i;
	return next_failure(rig.fail.send, rig.fail.every_send,
	    &rig.fail.sends);
}

int
sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	int err = failure_for(m, &n), taken;

	if (err == 0) {
		taken = (int)syscall(SYS_sendmmsg, fd, m, n, flags);
		count_taken(m, taken);
		return taken;
	}
	errno = err;
	return -1;
}

int
getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (!rig.fail.old_kernel || level != SOL_UDP || name != UDP_SEGMENT)
		return (int)syscall(SYS_getsockopt, fd, level, name, value,
		    len);
	errno = ENOPROTOOPT;
	return -1;
}

int
recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
    struct timespec *timeout)
{
	int err = next_failure(rig.fail.recv, 0, &rig.fail.recvs);

	if (err == 0)
		return (int)syscall(SYS_recvmmsg, fd, m, n, flags, timeout);
	errno = err;
	return -1;
}

static void
send_counting(struct end *e, const struct addr *to, const struct addr *from,
    uint8_t first, size_t n)
{
	struct buf *b = buf_get(rig.pool, n);

	ck_assert_ptr_nonnull(b);
	for (size_t i = 0; i < n; i++)
		b->data[i] = (uint8_t)(first + i);
	b->len = (uint16_t)n;
	rig.net->ops->send(e->s, to, from, b);
	buf_unref(b);
}

void
send_octet(struct end *e, const struct addr *to, const struct addr *from,
    uint8_t octet)
{
	send_counting(e, to, from, octet, 1);
}

void
send_octets(struct end *e, uint8_t first, size_t n)
{
	send_counting(e, NULL, NULL, first, n);
}

void
close_end(struct end *e)
{
	rig.net->ops->close(e->s);
	e->s = NULL;
}

static void
count_turn(struct end *e)
{
	if (e->turn != rig.fx.turns) {
		e->turn = rig.fx.turns;
		e->in_turn = 0;
	}
	e->in_turn++;
	if (e->in_turn > e->most_in_turn)
		e->most_in_turn = e->in_turn;
	if (e->most_in_turn == e->inputs + e->errors + 1)
		e->first_turn = e->most_in_turn;
}

static void
end_input(void *user, const struct addr *from, const struct addr *to,
    struct span datagram, bool truncated, uint64_t now)
{
	struct end *e = user;

	ck_assert_ptr_nonnull(e->s);
	ck_assert_uint_eq(now, loop_now(rig.fx.loop));
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
end_error(void *user, int err, struct span quoted, uint64_t now)
{
	struct end *e = user;

	ck_assert_ptr_nonnull(e->s);
	ck_assert_uint_eq(now, loop_now(rig.fx.loop));
	ck_assert_uint_ge(quoted.n, 4);
	count_turn(e);
	e->err = err;
	if (e->errors < SEEN_MAX)
		e->about[e->errors] = quoted.p[0];
	e->nquoted = quoted.n < QUOTE_MAX ? quoted.n : QUOTE_MAX;
	memcpy(e->quoted, quoted.p, e->nquoted);
	e->errors++;
	if (e->errors == e->close_on_error)
		close_end(e);
	if (e->send_on_error != NULL)
		send_octet(e->send_on_error, NULL, NULL, 0xee);
}

const struct net_sock_ops end_ops = {
	.input = end_input,
	.error = end_error,
};

bool
has_inputs(void *arg)
{
	const struct end *e = arg;

	return e->inputs >= e->want;
}

bool
has_errors(void *arg)
{
	const struct end *e = arg;

	return e->errors >= e->want;
}

bool
await(struct end *e, unsigned inputs)
{
	e->want = inputs;
	return fixture_run(&rig.fx, has_inputs, e, PATIENCE_MS);
}

bool
await_errors(struct end *e, unsigned errors)
{
	e->want = errors;
	return fixture_run(&rig.fx, has_errors, e, PATIENCE_MS);
}

void
rig_setup(void)
{
	fixture_init(&rig.fx);
	memset(&rig.fail, 0, sizeof(rig.fail));
	memset(&rig.took, 0, sizeof(rig.took));
	rig.udp = udp_new(rig.fx.loop);
	ck_assert_ptr_nonnull(rig.udp);
	rig.net = udp_net(rig.udp);
	rig.pool = buf_pool_new(4 << 20);
	ck_assert_ptr_nonnull(rig.pool);
}

void
rig_teardown(void)
{
	udp_free(rig.udp);
	ck_assert_uint_eq(buf_pool_used(rig.pool), 0);
	buf_pool_free(rig.pool);
	fixture_fini(&rig.fx);
}

struct addr
ip(const char *text, uint16_t port)
{
	struct addr a;

	ck_assert(addr_parse_ip(&a, span_str(text), false));
	a.port = port;
	return a;
}

uint16_t
open_bound(struct end *e, const char *text)
{
	struct addr a = { 0 };

	if (text != NULL)
		a = ip(text, 0);
	e->s = udp_bind(rig.udp, &a, &end_ops, e);
	if (e->s == NULL) {
		ck_assert(errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT);
		return 0;
	}
	rig.net->ops->local(e->s, &a);
	ck_assert_uint_ne(a.port, 0);
	return a.port;
}

void
open_connected(struct end *e, const char *text, uint16_t port)
{
	struct addr a = ip(text, port);

	e->s = rig.net->ops->connect(rig.net, &a, &end_ops, e);
	ck_assert_ptr_nonnull(e->s);
}

int
fd_of(const struct end *e)
{
	struct sockaddr_storage ss;
	struct addr want, a;
	socklen_t len;

	rig.net->ops->local(e->s, &want);
	for (int fd = 3; fd < 100; fd++) {
		len = sizeof(ss);
		if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
		    addr_from_sockaddr(&a, (const struct sockaddr *)&ss) &&
		    addr_eq(&a, &want))
			return fd;
	}
	ck_abort_msg("no such socket");
	return -1;
}

int
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

void
raw_send(int fd, uint8_t octet)
{
	ck_assert_int_eq(send(fd, &octet, 1, 0), 1);
}

struct addr
raw_local(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr a;

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	ck_assert(addr_from_sockaddr(&a, (const struct sockaddr *)&ss));
	return a;
}

uint16_t
closed_port(const char *text)
{
	struct addr a = ip(text, 0);
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&a, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&ss, len) != 0)
		return 0;
	a = raw_local(fd);
	ck_assert_int_eq(close(fd), 0);
	return a.port;
}

int
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
	rig.net->ops->local(e->s, &a);
	in.sin_port = htons(a.port);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&in,
	    sizeof(in)), 0);
	return fd;
}
