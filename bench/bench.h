/*
 * bench: the few lines that the load generator, the origin and the relay
 * have in common. IPv4 only: everything runs on one machine's loopback.
 */
#ifndef BENCH_H
#define BENCH_H

#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* RFC 7252 3: message types, and the first octet's fields. */
enum bench_type {
	BENCH_CON,
	BENCH_NON,
	BENCH_ACK,
	BENCH_RST,
};

enum {
	BENCH_HEADER = 4,
	BENCH_TOKEN_MAX = 8,
	BENCH_GET = 0x01,
	BENCH_PUT = 0x03,
	BENCH_CHANGED = 0x44,
	BENCH_CONTENT = 0x45,
	/* Options: RFC 7641, 7252, 9175. */
	BENCH_OBSERVE = 6,
	BENCH_URI_PATH = 11,
	BENCH_CONTENT_FORMAT = 12,
	BENCH_MAX_AGE = 14,
	BENCH_ECHO = 252,
	BENCH_PAYLOAD_MAX = 1280,
	BENCH_BUF = 1536,
	/* 4, 16, 64 */
	BENCH_BATCH_MIN = 4,
	BENCH_BATCH_GROWTH = 4,
	BENCH_BATCH_MAX = 64,
	BENCH_RCVBUF = 4 * 1024 * 1024,
};

/* What epoll hands out for a socket: who is to read it. */
struct bench_watch {
	void (*ready)(void *user);
	void *user;
};

/* Receive slots for recvmmsg(); init once, then reuse for every batch. */
struct bench_ring {
	struct mmsghdr msg[BENCH_BATCH_MAX];
	struct iovec iov[BENCH_BATCH_MAX];
	struct sockaddr_in from[BENCH_BATCH_MAX];
	uint8_t buf[BENCH_BATCH_MAX][BENCH_BUF];
};

/* Leave headroom octets free in front of each datagram. */
static inline void
bench_ring_init(struct bench_ring *r, size_t headroom)
{
	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < BENCH_BATCH_MAX; i++) {
		r->iov[i].iov_base = r->buf[i] + headroom;
		r->iov[i].iov_len = BENCH_BUF - headroom;
		r->msg[i].msg_hdr.msg_iov = &r->iov[i];
		r->msg[i].msg_hdr.msg_iovlen = 1;
		r->msg[i].msg_hdr.msg_name = &r->from[i];
		r->msg[i].msg_hdr.msg_namelen = sizeof(r->from[i]);
	}
}

/* Send n messages; one that the kernel refuses is lost, as on any network. */
static inline void
bench_send_all(int fd, struct mmsghdr *msg, unsigned n)
{
	unsigned done = 0;
	int sent;

	while (done < n) {
		sent = sendmmsg(fd, msg + done, n - done, 0);
		done += sent > 0 ? (unsigned)sent : 1;
	}
}

static inline uint32_t
bench_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline void
bench_put32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

/* RFC 7252 3.2: an option's value of n octets, at most 4. */
static inline uint32_t
bench_get_uint(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* Without leading zeros; how many octets that are. */
static inline size_t
bench_put_uint(uint8_t *p, uint32_t v)
{
	size_t n = 0;

	for (int shift = 24; shift >= 0; shift -= 8)
		if (n > 0 || v >> shift != 0)
			p[n++] = (uint8_t)(v >> shift);
	return n;
}

static inline uint16_t
bench_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void
bench_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Is this a CoAP header with the whole token behind it? */
static inline bool
bench_header_ok(const uint8_t *p, size_t n)
{
	if (n < BENCH_HEADER || p[0] >> 6 != 1)
		return false;
	return (p[0] & 15) <= BENCH_TOKEN_MAX &&
	    n - BENCH_HEADER >= (size_t)(p[0] & 15);
}

static inline enum bench_type
bench_type(const uint8_t *p)
{
	return (enum bench_type)(p[0] >> 4 & 3);
}

/* RFC 7252 3.1: reads the options of a message one by one. */
struct bench_options {
	const uint8_t *cur;
	const uint8_t *end;
	unsigned number;
	const uint8_t *value;
	size_t len;
};

/* Behind the token of the message of n octets at p; bench_header_ok(). */
static inline void
bench_options_init(struct bench_options *o, const uint8_t *p, size_t n)
{
	o->cur = p + BENCH_HEADER + (p[0] & 15);
	o->end = p + n;
	o->number = 0;
}

/* An extended delta or length: what its nibble stands for, or -1. */
static inline long
bench_extended(struct bench_options *o, unsigned nibble)
{
	size_t octets = nibble < 13 ? 0 : nibble - 12;
	long v = (long)nibble;

	if (nibble == 15 || octets > (size_t)(o->end - o->cur))
		return -1;
	if (nibble == 13)
		v = 13 + (long)o->cur[0];
	else if (nibble == 14)
		v = 269 + (long)bench_get16(o->cur);
	o->cur += octets;
	return v;
}

/* 1: number, value and len are those of the next option; 0: there is none,
 * what remains is the payload; -1: malformed. */
static inline int
bench_options_next(struct bench_options *o)
{
	unsigned head;
	long delta, len;

	if (o->cur == o->end || *o->cur == 0xff)
		return 0;
	head = *o->cur++;
	delta = bench_extended(o, head >> 4);
	len = delta < 0 ? -1 : bench_extended(o, head & 15);
	if (len < 0 || len > o->end - o->cur)
		return -1;
	o->number += (unsigned)delta;
	o->value = o->cur;
	o->len = (size_t)len;
	o->cur += len;
	return 1;
}

/* Length of the payload at *payload when all options are read, or -1 when
 * there is a marker and nothing behind it. */
static inline long
bench_payload(const struct bench_options *o, const uint8_t **payload)
{
	*payload = o->end;
	if (o->cur == o->end)
		return 0;
	*payload = o->cur + 1;
	return o->end - o->cur > 1 ? (long)(o->end - o->cur - 1) : -1;
}

/* RFC 7252 3.1: writes one option, delta and length below 269, before end;
 * what comes behind it. */
static inline uint8_t *
bench_put_option(
    uint8_t *p, const uint8_t *end, unsigned delta, const void *v, size_t n)
{
	uint8_t *head = p++;

	if (n >= 269 || n + 4 > (size_t)(end - head))
		errx(2, "path or URI too long");
	*head = (uint8_t)((delta < 13 ? delta : 13) << 4 | (n < 13 ? n : 13));
	if (delta >= 13)
		*p++ = (uint8_t)(delta - 13);
	if (n >= 13)
		*p++ = (uint8_t)(n - 13);
	memcpy(p, v, n);
	return p + n;
}

/* Uri-Path, delta being that of the first segment. */
static inline uint8_t *
bench_put_path(uint8_t *p, const uint8_t *end, unsigned delta, const char *path)
{
	size_t n;

	while (*path != '\0') {
		n = strcspn(path, "/");
		p = bench_put_option(p, end, delta, path, n);
		delta = 0;
		path += n;
		path += *path == '/';
	}
	return p;
}

/* CPU time of process pid so far, user and system: what /proc/PID/stat says in
 * ticks. 0 of process 0; ends the program if there is no such process. */
static inline uint64_t
bench_cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t id;

	if (pid == 0)
		return 0;
	if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &ts) != 0)
		errx(1, "cannot read the CPU clock of process %d", (int)pid);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* As many open files as we may have. */
static inline void
bench_many_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static inline uint64_t
bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A decimal number up to max, or the end of the program. */
static inline unsigned long
bench_number(const char *s, unsigned long max)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end != '\0' || errno != 0 || v > max)
		errx(2, "'%s' is not a number up to %lu", s, max);
	return v;
}

/* "127.0.0.1:5683"; without a port 0. Or the end of the program. */
static inline struct sockaddr_in
bench_addr(const char *s)
{
	struct sockaddr_in sin;
	const char *colon = strchr(s, ':');
	char host[INET_ADDRSTRLEN];
	size_t n = strcspn(s, ":");

	if (n >= sizeof(host))
		errx(2, "'%s' is not an IPv4 address", s);
	memcpy(host, s, n);
	host[n] = '\0';
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	if (colon != NULL)
		sin.sin_port = htons((uint16_t)bench_number(colon + 1, 65535));
	if (inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		errx(2, "'%s' is not an IPv4 address", host);
	return sin;
}

/* Best effort: without privilege the kernel caps it at net.core.rmem_max. */
static inline void
bench_rcvbuf(int fd)
{
	static const int size = BENCH_RCVBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) !=
	    0)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/*
 * A non-blocking UDP socket on loopback; port 0: the kernel chooses. The
 * port it got goes to *port. Ends the program on failure.
 */
static inline int
bench_bind(uint16_t *port)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons(*port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		err(1, "cannot bind 127.0.0.1:%u", (unsigned)*port);
	if (getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		err(1, "getsockname");
	bench_rcvbuf(fd);
	*port = ntohs(sin.sin_port);
	return fd;
}

#endif
