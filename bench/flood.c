/*
 * flood: datagrams that nobody should answer, many of them.
 *
 *	flood [--rate N] [--seconds S] [--ports N] [--seed N] ADDRESS:PORT
 *
 * Of each of these as many: any octets; other versions of CoAP; options beyond
 * the end; an empty payload; ACK and RST that answer nothing; a request's code
 * in an ACK; empty NON. No ping and no request, so what comes back is at most
 * the RST of a confirmable message that cannot be taken (RFC 7252 4.2). Prints
 * "sent=N seconds=S". A rate of 0 is as fast as it goes.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

enum {
	PORTS_MAX = 256,
	OCTETS_MAX = 64,
	KINDS = 8,
	HEAD = 0x40,			/* version 1, no token */
};

static uint64_t state = 1;

/* Marsaglia's xorshift64; the same seed is the same flood. */
static uint64_t
any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint8_t
header(enum bench_type type, unsigned tkl)
{
	return (uint8_t)(HEAD | type << 4 | tkl);
}

/* A datagram of a kind into P; its length. */
static size_t
junk(uint8_t *p, unsigned kind)
{
	size_t n = 4 + any() % (OCTETS_MAX - 4);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)any();
	switch (kind) {
	case 0:
		/* Any octets, but no request by chance. */
		p[0] |= 0x80;
		return n;
	case 1:
		p[0] &= 0x3f;
		return n;
	case 2:
		/* An option of 269 octets or more. */
		p[0] = header(BENCH_NON, 0);
		p[1] = BENCH_GET;
		p[4] = 0xbe;
		p[5] = p[6] = 0;
		return n < 7 ? 7 : n;
	case 3:
		p[0] = header(BENCH_CON, 0);
		p[1] = BENCH_GET;
		p[4] = 0xff;
		return 5;
	case 4:
		p[0] = header(BENCH_ACK, 0);
		p[1] = 0;
		return 4;
	case 5:
		p[0] = header(BENCH_RST, 0);
		p[1] = 0;
		return 4;
	case 6:
		p[0] = header(BENCH_ACK, 4);
		p[1] = BENCH_GET;
		return 8;
	default:
		p[0] = header(BENCH_NON, 0);
		p[1] = 0;
		return 4;
	}
}

static int
open_port(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		err(EXIT_FAILURE, "socket");
	return fd;
}

/* One batch, to be sent in one go. */
static void
batch(int fd)
{
	static uint8_t octets[BENCH_BATCH_MAX][OCTETS_MAX];
	struct mmsghdr msg[BENCH_BATCH_MAX] = { 0 };
	struct iovec iov[BENCH_BATCH_MAX];

	for (unsigned i = 0; i < BENCH_BATCH_MAX; i++) {
		iov[i].iov_base = octets[i];
		iov[i].iov_len = junk(octets[i], i % KINDS);
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	bench_send_all(fd, msg, BENCH_BATCH_MAX);
}

/* Sleeps until the next batch is due, if there is a rate. */
static void
pace(uint64_t begun, uint64_t sent, uint64_t rate)
{
	const uint64_t second = 1000000000;
	uint64_t due = rate == 0 ? 0 : begun + sent * second / rate;
	uint64_t now = bench_now_ns();
	struct timespec left;

	if (due <= now)
		return;
	left.tv_sec = (time_t)((due - now) / second);
	left.tv_nsec = (long)((due - now) % second);
	nanosleep(&left, NULL);
}

static void
flood(const struct sockaddr_in *to, unsigned ports, uint64_t rate,
    uint64_t seconds)
{
	int fd[PORTS_MAX];
	uint64_t begun = bench_now_ns(), sent = 0;
	uint64_t until = begun + seconds * 1000000000;

	for (unsigned i = 0; i < ports; i++)
		fd[i] = open_port(to);
	for (unsigned i = 0; bench_now_ns() < until; i++) {
		batch(fd[i % ports]);
		sent += BENCH_BATCH_MAX;
		pace(begun, sent, rate);
	}
	printf("sent=%" PRIu64 " seconds=%.3f\n", sent,
	    (double)(bench_now_ns() - begun) / 1e9);
	for (unsigned i = 0; i < ports; i++)
		close(fd[i]);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "ports", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t rate = 0, seconds = 2, ports = 16;
	struct sockaddr_in to;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			rate = bench_number(optarg, 10000000);
		else if (c == 's')
			seconds = bench_number(optarg, 3600);
		else if (c == 'p')
			ports = bench_number(optarg, PORTS_MAX);
		else if (c == 'x')
			state = 1 + bench_number(optarg, UINT32_MAX);
		else
			return 2;
	}
	if (argc - optind != 1 || ports == 0)
		errx(2, "usage: flood [--rate N] [--seconds S] [--ports N] "
		    "[--seed N] ADDRESS:PORT");
	to = bench_addr(argv[optind]);
	flood(&to, (unsigned)ports, rate, seconds);
	return 0;
}
