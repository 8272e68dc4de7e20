/*
 * relay: the yardstick of all benchmarks here.
 *
 * What any CoAP proxy must pay on this kernel: two datagrams in and two out
 * per request. One thread, epoll, recvmmsg and sendmmsg, one connected
 * upstream socket. It knows no CoAP beyond replacing Message ID and token by
 * an index into a flat table, which is how the answer finds its way back. It
 * detects no duplicates, retransmits nothing and never runs out of indices:
 * it takes the oldest. A figure of the proxy is given as a multiple of what
 * this program needs in the same run.
 *
 *	relay [-p PORT] ADDRESS:PORT		prints "ready: PORT"
 */
#include <sys/epoll.h>

#include <stdio.h>
#include <unistd.h>

#include "bench.h"

enum {
	/* A token of 2 grows to 8 on the way back: 6 octets in front. */
	HEADROOM = 8,
	INDEX_LEN = 2,
	TABLE = 65536,
};

struct entry {
	struct sockaddr_in client;
	uint8_t token[BENCH_TOKEN_MAX];
	uint16_t mid;
	uint8_t tkl;
};

struct relay {
	int front;
	int back;
	unsigned next;
	struct entry table[TABLE];
	struct bench_ring rx;
	struct mmsghdr tx[BENCH_BATCH_MAX];
	struct iovec tx_iov[BENCH_BATCH_MAX];
	unsigned ntx;
};

/* Rewrites received datagram number slot, d of n octets, and queues it. */
typedef void rewrite_fn(struct relay *r, uint8_t *d, size_t n, unsigned slot);

static void
queue(struct relay *r, uint8_t *p, size_t n, struct sockaddr_in *to)
{
	struct msghdr *h = &r->tx[r->ntx].msg_hdr;

	r->tx_iov[r->ntx].iov_base = p;
	r->tx_iov[r->ntx].iov_len = n;
	h->msg_name = to;
	h->msg_namelen = to == NULL ? 0 : sizeof(*to);
	r->ntx++;
}

static void
to_origin(struct relay *r, uint8_t *d, size_t n, unsigned slot)
{
	unsigned index = r->next++ % TABLE;
	struct entry *e = &r->table[index];
	uint8_t first = d[0];
	uint8_t code = d[1];
	size_t tkl = first & 15;
	uint8_t *h = d + tkl - INDEX_LEN;

	e->client = r->rx.from[slot];
	e->mid = bench_get16(d + 2);
	e->tkl = (uint8_t)tkl;
	memcpy(e->token, d + BENCH_HEADER, tkl);
	h[0] = (uint8_t)((first & 0xf0) | INDEX_LEN);
	h[1] = code;
	bench_put16(h + 2, index);
	bench_put16(h + 4, index);
	queue(r, h, n - tkl + INDEX_LEN, NULL);
}

static void
to_client(struct relay *r, uint8_t *d, size_t n, unsigned slot)
{
	uint8_t first = d[0];
	uint8_t code = d[1];
	unsigned mid = bench_get16(d + 2);
	struct entry *e;
	uint8_t *h;

	(void)slot;
	if ((first & 15) != INDEX_LEN)
		return;
	e = &r->table[bench_get16(d + BENCH_HEADER)];
	if (bench_type(d) == BENCH_ACK)
		mid = e->mid;
	h = d + INDEX_LEN - e->tkl;
	h[0] = (uint8_t)((first & 0xf0) | e->tkl);
	h[1] = code;
	bench_put16(h + 2, mid);
	memcpy(h + BENCH_HEADER, e->token, e->tkl);
	queue(r, h, n - INDEX_LEN + e->tkl, &e->client);
}

/*
 * What is waiting is passed on in small batches first, so that few requests
 * in flight do not move as one convoy, and in larger ones only while batches
 * come back full. After the largest the other side has its turn.
 */
static void
pump(struct relay *r, int in, int out, rewrite_fn *rewrite)
{
	unsigned want = BENCH_BATCH_MIN;
	int n;

	for (;;) {
		n = recvmmsg(in, r->rx.msg, want, MSG_DONTWAIT, NULL);
		r->ntx = 0;
		for (int i = 0; i < n; i++) {
			uint8_t *d = r->rx.iov[i].iov_base;
			size_t len = r->rx.msg[i].msg_len;

			if (bench_header_ok(d, len))
				rewrite(r, d, len, (unsigned)i);
		}
		bench_send_all(out, r->tx, r->ntx);
		if (n < (int)want || want == BENCH_BATCH_MAX)
			return;
		want *= BENCH_BATCH_GROWTH;
	}
}

static int
watch(const struct relay *r)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0)
		err(1, "epoll_create1");
	ev.data.fd = r->front;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, r->front, &ev) != 0)
		err(1, "epoll_ctl");
	ev.data.fd = r->back;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, r->back, &ev) != 0)
		err(1, "epoll_ctl");
	return ep;
}

static void
run(struct relay *r)
{
	struct epoll_event ev[2];
	int ep = watch(r);
	int n;

	for (;;) {
		n = epoll_wait(ep, ev, 2, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == r->front)
				pump(r, r->front, r->back, to_origin);
			else
				pump(r, r->back, r->front, to_client);
		}
	}
}

int
main(int argc, char **argv)
{
	struct relay *r = calloc(1, sizeof(*r));
	struct sockaddr_in origin;
	uint16_t port = 0;
	uint16_t back_port = 0;
	int opt;

	while ((opt = getopt(argc, argv, "p:")) != -1) {
		if (opt != 'p')
			errx(2, "usage: relay [-p PORT] ADDRESS:PORT");
		port = (uint16_t)bench_number(optarg, 65535);
	}
	if (optind + 1 != argc)
		errx(2, "usage: relay [-p PORT] ADDRESS:PORT");
	if (r == NULL)
		err(1, "no memory");
	origin = bench_addr(argv[optind]);
	r->front = bench_bind(&port);
	r->back = bench_bind(&back_port);
	if (connect(r->back, (struct sockaddr *)&origin, sizeof(origin)) != 0)
		err(1, "connect to %s", argv[optind]);
	bench_ring_init(&r->rx, HEADROOM);
	for (size_t i = 0; i < BENCH_BATCH_MAX; i++) {
		r->tx[i].msg_hdr.msg_iov = &r->tx_iov[i];
		r->tx[i].msg_hdr.msg_iovlen = 1;
	}
	printf("ready: %u\n", (unsigned)port);
	if (fflush(stdout) != 0)
		err(1, "standard output");
	run(r);
}
