/*
 * sock: making UDP sockets, their packet information and their errors.
 *
 * Only a wildcard socket needs to be told where a datagram came to and to tell
 * where it leaves from: a socket bound to one address gets nothing but what
 * was sent to that address, and leaving the control messages out saves a sixth
 * of the cost of sending.
 *
 * A connected socket keeps a queue of the ICMP errors it got. Without, they
 * would say only that some datagram had met with one (RFC 7252 4.2).
 */
#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <unistd.h>

/* Bursts come faster than a turn of the loop. The kernel counts some 700 octets
 * more for each datagram, and an origin answers everything that it was asked in
 * one turn; but there may be thousands of origins. */
static const int room_bound = 4 * 1024 * 1024;
static const int room_connected = 1024 * 1024;

static bool
set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

void
sock_close(struct sock *k)
{
	int err = errno;

	if (k->fd >= 0)
		(void)close(k->fd);
	k->fd = -1;
	errno = err;
}

static bool
open_socket(struct sock *k, int family, bool v6only)
{
	*k = (struct sock){ .inet6 = family == AF_INET6 };
	k->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->fd < 0)
		return false;
	if (!k->inet6)
		return true;
	return set_int(k->fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
}

static bool
read_local(struct sock *k)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(k->fd, (struct sockaddr *)&ss, &len) != 0)
		return false;
	if (addr_from_sockaddr(&k->local, (const struct sockaddr *)&ss))
		return true;
	errno = EAFNOSUPPORT;
	return false;
}

/* IPv4 arriving on an IPv6 socket can bring both kinds of information; only
 * IP_PKTINFO tells a broadcast from a unicast address. */
static bool
want_pktinfo(const struct sock *k)
{
	if (!k->inet6)
		return set_int(k->fd, IPPROTO_IP, IP_PKTINFO, 1);
	(void)set_int(k->fd, IPPROTO_IP, IP_PKTINFO, 1);
	return set_int(k->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

/* The size of the buffer is a wish: without the privilege the system's limit
 * holds. A service manager may have given more. */
static void
want_room(const struct sock *k, int octets)
{
	int now = 0;
	socklen_t len = sizeof(now);

	/* The kernel tells twice of what it was asked for. */
	if (getsockopt(k->fd, SOL_SOCKET, SO_RCVBUF, &now, &len) == 0 &&
	    now / 2 >= octets)
		return;
	if (!set_int(k->fd, SOL_SOCKET, SO_RCVBUFFORCE, octets))
		(void)set_int(k->fd, SOL_SOCKET, SO_RCVBUF, octets);
}

/* What a bound socket needs before the first datagram is read. */
static bool
set_up_bound(struct sock *k)
{
	if (!read_local(k))
		return false;
	k->wildcard = addr_is_any(&k->local);
	if (k->wildcard && !want_pktinfo(k))
		return false;
	want_room(k, room_bound);
	return true;
}

bool
sock_share(const struct sock *k, bool on)
{
	return set_int(k->fd, SOL_SOCKET, SO_REUSEADDR, on);
}

/* Like sock_bind(), or sock_bind_beside(). */
struct way {
	bool v6only, beside;
};

static bool
bind_family(struct sock *k, const struct addr *local, int family, struct way w)
{
	struct sockaddr_storage ss;
	socklen_t len;

	len = family == AF_INET6 ? addr_to_sockaddr6(local, &ss) :
	    addr_to_sockaddr(local, &ss);
	if (open_socket(k, family, w.v6only) &&
	    (!w.beside || sock_share(k, true)) &&
	    bind(k->fd, (const struct sockaddr *)&ss, len) == 0 &&
	    (!w.beside || sock_share(k, false)) && set_up_bound(k))
		return true;
	sock_close(k);
	return false;
}

static bool
bind_address(struct sock *k, const struct addr *local, bool beside)
{
	struct way one = { .v6only = true, .beside = beside };
	struct way both = { .beside = beside };
	struct addr any4 = { .family = 4, .port = local->port };
	struct addr any6 = { .family = 6, .port = local->port };

	if (local->family == 4)
		return bind_family(k, local, AF_INET, one);
	if (local->family == 6)
		return bind_family(k, local, AF_INET6, one);
	if (bind_family(k, &any6, AF_INET6, both))
		return true;
	if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
		return false;
	return bind_family(k, &any4, AF_INET, one);
}

bool
sock_bind(struct sock *k, const struct addr *local)
{
	return bind_address(k, local, false);
}

bool
sock_bind_beside(struct sock *k, const struct addr *local)
{
	return bind_address(k, local, true);
}

/* Connected to itself, it hears nobody else. */
bool
sock_deafen(const struct sock *k)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getsockname(k->fd, (struct sockaddr *)&ss, &len) == 0 &&
	    connect(k->fd, (const struct sockaddr *)&ss, len) == 0;
}

/* Without it ICMP errors are lost: repetition makes up for that. */
static void
want_errors(const struct sock *k)
{
	if (k->inet6)
		(void)set_int(k->fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	else
		(void)set_int(k->fd, IPPROTO_IP, IP_RECVERR, 1);
}

/* A kernel that does not know the option would ignore the control message and
 * send one long datagram. */
static bool
makes_trains(const struct sock *k)
{
	int v;
	socklen_t len = sizeof(v);

	return getsockopt(k->fd, SOL_UDP, UDP_SEGMENT, &v, &len) == 0;
}

bool
sock_connect(struct sock *k, const struct addr *peer)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(peer, &ss);

	if (open_socket(k, ss.ss_family, true) &&
	    connect(k->fd, (const struct sockaddr *)&ss, len) == 0 &&
	    read_local(k)) {
		k->connected = true;
		k->trains = makes_trains(k);
		want_errors(k);
		want_room(k, room_connected);
		return true;
	}
	sock_close(k);
	return false;
}

static bool
is_udp(const struct sock *k, int *domain)
{
	int type = 0, protocol = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(k->fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
	    getsockopt(k->fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) != 0 ||
	    getsockopt(k->fd, SOL_SOCKET, SO_DOMAIN, domain, &len) != 0)
		return false;
	if (type == SOCK_DGRAM && protocol == IPPROTO_UDP &&
	    (*domain == AF_INET || *domain == AF_INET6))
		return true;
	errno = EPROTOTYPE;
	return false;
}

static bool
set_flags(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	return fl >= 0 && fcntl(fd, F_SETFL, fl | O_NONBLOCK) == 0 &&
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* A port of its own is what "bound" means; a peer it must not have. */
static bool
is_listening(const struct sock *k)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (k->local.port != 0 &&
	    getpeername(k->fd, (struct sockaddr *)&ss, &len) != 0)
		return true;
	errno = EINVAL;
	return false;
}

bool
sock_adopt(struct sock *k, int fd)
{
	int domain = AF_UNSPEC;

	*k = (struct sock){ .fd = fd };
	if (is_udp(k, &domain)) {
		k->inet6 = domain == AF_INET6;
		if (set_flags(fd) && set_up_bound(k) && is_listening(k))
			return true;
	}
	sock_close(k);
	return false;
}

/* The kernel gives the address in the header and, in spec_dst, the one of ours
 * it stands for: they differ for multicast and for broadcast. */
static void
read_dest4(const struct cmsghdr *c, struct addr *to)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct in_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	in.sin_addr = info.ipi_addr;
	if (!IN_MULTICAST(ntohl(info.ipi_addr.s_addr)) &&
	    info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr)
		in.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	(void)addr_from_sockaddr(to, (const struct sockaddr *)&in);
}

static void
read_dest6(const struct cmsghdr *c, struct addr *to)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct in6_pktinfo info;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	/* Mapped IPv4: read_dest4() knows better. */
	if (IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr) && to->family == 4)
		return;
	in6.sin6_addr = info.ipi6_addr;
	in6.sin6_scope_id = info.ipi6_ifindex;
	(void)addr_from_sockaddr(to, (const struct sockaddr *)&in6);
}

void
sock_read_control(const struct sock *k, struct msghdr *m, struct addr *to)
{
	struct cmsghdr *c;

	*to = (struct addr){ 0 };
	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			read_dest4(c, to);
		else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO)
			read_dest6(c, to);
	}
	to->port = k->local.port;
}

/* The kernel would tell with each datagram as well (SO_RXQ_OVFL), but it then
 * goes and looks for what else there may be to tell. */
uint32_t
sock_lost(const struct sock *k)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(k->fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}

static size_t
put_cmsg(struct cmsghdr *c, int level, int type, struct span data)
{
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(data.n);
	memcpy(CMSG_DATA(c), data.p, data.n);
	return CMSG_SPACE(data.n);
}

size_t
sock_write_source(const struct sock *k, const struct addr *local,
    void *control)
{
	struct sockaddr_storage ss;
	struct sockaddr_in6 in6;
	struct in_pktinfo info4 = { 0 };
	struct in6_pktinfo info6 = { 0 };

	if (!k->wildcard || local->family == 0 || addr_is_any(local) ||
	    addr_is_multicast(local))
		return 0;
	memset(control, 0, SOCK_TX_CONTROL);
	if (!k->inet6) {
		memcpy(&info4.ipi_spec_dst, local->ip, 4);
		return put_cmsg(control, IPPROTO_IP, IP_PKTINFO,
		    span_make(&info4, sizeof(info4)));
	}
	(void)addr_to_sockaddr6(local, &ss);
	memcpy(&in6, &ss, sizeof(in6));
	info6.ipi6_addr = in6.sin6_addr;
	info6.ipi6_ifindex = local->scope;
	return put_cmsg(control, IPPROTO_IPV6, IPV6_PKTINFO,
	    span_make(&info6, sizeof(info6)));
}

size_t
sock_write_train(uint16_t len, void *control)
{
	return put_cmsg(control, SOL_UDP, UDP_SEGMENT,
	    span_make(&len, sizeof(len)));
}

/* Time Exceeded is not about the peer. An error of our own host has been told
 * to whoever sent. */
static int
network_errno(const struct sock_extended_err *ee)
{
	switch (ee->ee_origin) {
	case SO_EE_ORIGIN_ICMP:
		return ee->ee_type != ICMP_TIME_EXCEEDED ?
		    (int)ee->ee_errno : 0;
	case SO_EE_ORIGIN_ICMP6:
		return ee->ee_type != ICMP6_TIME_EXCEEDED ?
		    (int)ee->ee_errno : 0;
	default:
		return 0;
	}
}

static bool
is_error(const struct cmsghdr *c)
{
	return (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
	    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
}

bool
sock_take_error(const struct sock *k, struct sock_error *e)
{
	_Alignas(struct cmsghdr) uint8_t
	    control[CMSG_SPACE(sizeof(struct sock_extended_err) +
		sizeof(struct sockaddr_in6))];
	struct iovec iov = { e->quoted, sizeof(e->quoted) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct sock_extended_err ee;
	struct cmsghdr *c;
	ssize_t n = recvmsg(k->fd, &m, MSG_ERRQUEUE);

	if (n < 0)
		return false;
	e->n = (size_t)n;
	e->err = 0;
	for (c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c))
		if (is_error(c)) {
			memcpy(&ee, CMSG_DATA(c), sizeof(ee));
			e->err = network_errno(&ee);
		}
	return true;
}
