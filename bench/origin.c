/*
 * origin: a CoAP server that answers every GET with 2.05 and the same
 * payload, every PUT with 2.04, as fast as one thread can: ACK to CON, NON to
 * NON. It remembers nothing and never stays silent, so what the proxy in front of it costs is
 * all the benchmark sees.
 *
 *	origin [-p PORT] [-k PORTS] [-s OCTETS] [-a MAX-AGE]
 *	origin [-p PORT] [-k PORTS] --strict
 *
 * -k opens several ports chosen by the kernel, each one an origin of its
 * own for the proxy. Prints "ready: PORT ...".
 *
 * --strict: no benchmark but a test. It echoes the Uri-Query, and remembers
 * every message for EXCHANGE_LIFETIME, see strict.h. What came of it is
 * printed on SIGUSR1, and on SIGTERM and SIGINT, which end it; exit status 1
 * if a Message ID was used for two messages.
 */
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"
#include "strict.h"

enum {
	PORTS_MAX = 4096,
	METHOD_NOT_ALLOWED = 0x85,
	MAX_AGE = 14,
	/* Max-Age with its largest value, and the payload marker. */
	TAIL_EXTRA = 2 + 4 + 1,
};

struct origin {
	int ep;
	uint16_t mid;
	struct bench_ring rx;
	struct mmsghdr tx[BENCH_BATCH_MAX];
	/* Header and token as received and rewritten; what all share. */
	struct iovec tx_iov[BENCH_BATCH_MAX][2];
	unsigned ntx;
	uint8_t tail[TAIL_EXTRA + BENCH_PAYLOAD_MAX];
	size_t tail_len;
	struct strict *strict;
	int signals;
};

/* RFC 7252 3.1: Max-Age as a uint without leading zeros, then the payload. */
static void
tail_init(struct origin *o, size_t size, bool with_age, uint32_t age)
{
	uint8_t *p = o->tail;
	int shift = 32;

	if (with_age) {
		while (shift > 0 && age >> (shift - 8) == 0)
			shift -= 8;
		*p++ = (uint8_t)(0xd0 | shift / 8);
		*p++ = MAX_AGE - 13;
		for (shift -= 8; shift >= 0; shift -= 8)
			*p++ = (uint8_t)(age >> shift);
	}
	if (size > 0)
		*p++ = 0xff;
	for (size_t i = 0; i < size; i++)
		*p++ = (uint8_t)('a' + i % 26);
	o->tail_len = (size_t)(p - o->tail);
}

/* Turns the request at d into the answer's header and queues the answer. */
static void
answer(struct origin *o, uint8_t *d, unsigned slot)
{
	struct msghdr *h = &o->tx[o->ntx].msg_hdr;
	struct iovec *iov = o->tx_iov[o->ntx];
	enum bench_type type = bench_type(d);
	uint8_t tkl = d[0] & 15;

	/* Only requests: codes 0.01 to 0.31. */
	if (type > BENCH_NON || d[1] == 0 || d[1] >= 0x20)
		return;
	iov[1].iov_len = d[1] == BENCH_GET ? o->tail_len : 0;
	if (d[1] == BENCH_GET)
		d[1] = BENCH_CONTENT;
	else
		d[1] = d[1] == BENCH_PUT ? BENCH_CHANGED : METHOD_NOT_ALLOWED;
	if (type == BENCH_NON) {
		d[0] = (uint8_t)(0x50 | tkl);
		bench_put16(d + 2, o->mid++);
	} else {
		d[0] = (uint8_t)(0x60 | tkl);
	}
	iov[0].iov_base = d;
	iov[0].iov_len = BENCH_HEADER + (size_t)tkl;
	h->msg_name = &o->rx.from[slot];
	o->ntx++;
}

/* The answer is the strict server's, and stays where it is until sent. */
static void
answer_strictly(struct origin *o, const uint8_t *d, size_t n, unsigned slot)
{
	struct iovec *iov = o->tx_iov[o->ntx];
	const uint8_t *reply;

	reply = strict_answer(
	    o->strict, &o->rx.from[slot], d, n, &iov[0].iov_len);
	if (reply == NULL)
		return;
	iov[0].iov_base = (void *)(uintptr_t)reply;
	iov[1].iov_len = 0;
	o->tx[o->ntx++].msg_hdr.msg_name = &o->rx.from[slot];
}

/* Small batches first, for the reason given in relay.c. */
static void
serve(struct origin *o, int fd)
{
	unsigned want = BENCH_BATCH_MIN;
	int n;

	for (;;) {
		n = recvmmsg(fd, o->rx.msg, want, MSG_DONTWAIT, NULL);
		o->ntx = 0;
		for (int i = 0; i < n; i++) {
			uint8_t *d = o->rx.iov[i].iov_base;
			size_t len = o->rx.msg[i].msg_len;

			if (!bench_header_ok(d, len))
				continue;
			if (o->strict != NULL)
				answer_strictly(o, d, len, (unsigned)i);
			else
				answer(o, d, (unsigned)i);
		}
		bench_send_all(fd, o->tx, o->ntx);
		if (n < (int)want || want == BENCH_BATCH_MAX)
			return;
		want *= BENCH_BATCH_GROWTH;
	}
}

static void
origin_init(struct origin *o)
{
	bench_ring_init(&o->rx, 0);
	for (size_t i = 0; i < BENCH_BATCH_MAX; i++) {
		struct msghdr *h = &o->tx[i].msg_hdr;

		h->msg_iov = o->tx_iov[i];
		h->msg_iovlen = 2;
		h->msg_namelen = sizeof(struct sockaddr_in);
		o->tx_iov[i][1].iov_base = o->tail;
	}
	o->ep = epoll_create1(EPOLL_CLOEXEC);
	if (o->ep < 0)
		err(1, "epoll_create1");
}

static void
listen_on(const struct origin *o, uint16_t port)
{
	struct epoll_event ev = { .events = EPOLLIN };

	ev.data.fd = bench_bind(&port);
	if (epoll_ctl(o->ep, EPOLL_CTL_ADD, ev.data.fd, &ev) != 0)
		err(1, "epoll_ctl");
	printf(" %u", (unsigned)port);
}

/* Signals come through epoll like datagrams. */
static void
strict_init(struct origin *o)
{
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t set;

	o->strict = strict_new();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		err(1, "sigprocmask");
	o->signals = signalfd(-1, &set, SFD_CLOEXEC);
	ev.data.fd = o->signals;
	if (o->signals < 0 ||
	    epoll_ctl(o->ep, EPOLL_CTL_ADD, o->signals, &ev) != 0)
		err(1, "signalfd");
}

static void
on_signal(struct origin *o)
{
	struct signalfd_siginfo info;
	bool good;

	if (read(o->signals, &info, sizeof(info)) != sizeof(info))
		err(1, "signalfd");
	good = strict_report(o->strict);
	if (info.ssi_signo == SIGUSR1)
		return;
	strict_free(o->strict);
	free(o);
	exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void
run(struct origin *o)
{
	struct epoll_event ev[BENCH_BATCH_MAX];
	int n;

	for (;;) {
		n = epoll_wait(o->ep, ev, BENCH_BATCH_MAX, -1);
		for (int i = 0; i < n; i++) {
			if (o->strict != NULL && ev[i].data.fd == o->signals)
				on_signal(o);
			else
				serve(o, ev[i].data.fd);
		}
	}
}

static void
usage(void)
{
	errx(2,
	    "usage: origin [-p PORT] [-k|--ports PORTS] [-s OCTETS] "
	    "[-a MAX-AGE] [--strict]");
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "ports", required_argument, NULL, 'k' },
		{ "strict", no_argument, NULL, 'S' },
		{ NULL, 0, NULL, 0 },
	};
	struct origin *o = calloc(1, sizeof(*o));
	unsigned long port = 0, ports = 1, size = 64, age = 0;
	bool with_age = false, strict = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "p:k:s:a:", longs, NULL)) != -1) {
		if (opt == 'p') {
			port = bench_number(optarg, 65535);
		} else if (opt == 'k') {
			ports = bench_number(optarg, PORTS_MAX);
		} else if (opt == 's') {
			size = bench_number(optarg, BENCH_PAYLOAD_MAX);
		} else if (opt == 'a') {
			age = bench_number(optarg, UINT32_MAX);
			with_age = true;
		} else if (opt == 'S') {
			strict = true;
		} else {
			usage();
		}
	}
	if (optind != argc || (port != 0 && ports != 1))
		usage();
	if (o == NULL)
		err(1, "no memory");
	origin_init(o);
	tail_init(o, size, with_age, (uint32_t)age);
	if (strict)
		strict_init(o);
	fputs("ready:", stdout);
	for (unsigned long i = 0; i < ports; i++)
		listen_on(o, (uint16_t)port);
	if (putchar('\n') == EOF || fflush(stdout) != 0)
		err(1, "standard output");
	run(o);
}
