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
 *	relay [-p PORT] [--fanout] ADDRESS:PORT		prints "ready: PORT"
 *
 * --fanout: what a notification must cost. The first GET goes to the origin;
 * whoever sends one gets the answer, and from then on a copy of each further
 * message from the origin, under the token of his GET. Acknowledgements are
 * read and forgotten. One observer to a port: the Message IDs of each go on
 * from that of his GET.
 */
#include <sys/epoll.h>

#include <getopt.h>
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

/* A client that is told whatever the origin says. */
struct member {
	struct sockaddr_in client;
	uint8_t token[BENCH_TOKEN_MAX];
	uint8_t tkl;
	bool answered;
	uint16_t mid;
};

struct fanout {
	struct member *member;
	size_t n, size;
	/* What the origin said last, behind its token; 0: nothing yet. */
	uint8_t rest[BENCH_BUF];
	size_t rest_len;
	struct mmsghdr tx[BENCH_BATCH_MAX];
	struct iovec tx_iov[BENCH_BATCH_MAX][2];
	uint8_t head[BENCH_BATCH_MAX][BENCH_HEADER + BENCH_TOKEN_MAX];
	unsigned ntx;
};

struct relay {
	struct fanout *fanout;	/* NULL: requests */
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

static void
fanout_flush(struct relay *r)
{
	bench_send_all(r->front, r->fanout->tx, r->fanout->ntx);
	r->fanout->ntx = 0;
}

/* The origin's last words to one of them. */
static void
tell(struct relay *r, struct member *m, enum bench_type type)
{
	struct fanout *f = r->fanout;
	uint8_t *h = f->head[f->ntx];

	h[0] = (uint8_t)(0x40 | (unsigned)type << 4 | m->tkl);
	h[1] = BENCH_CONTENT;
	bench_put16(h + 2, m->mid++);
	memcpy(h + BENCH_HEADER, m->token, m->tkl);
	f->tx_iov[f->ntx][0].iov_len = BENCH_HEADER + (size_t)m->tkl;
	f->tx_iov[f->ntx][1].iov_len = f->rest_len;
	f->tx[f->ntx].msg_hdr.msg_name = &m->client;
	m->answered = true;
	if (++f->ntx == BENCH_BATCH_MAX)
		fanout_flush(r);
}

static struct member *
member_add(struct relay *r, const uint8_t *d, const struct sockaddr_in *from)
{
	struct fanout *f = r->fanout;
	struct member *m;

	if (f->n == f->size) {
		f->size = f->size == 0 ? 1024 : 2 * f->size;
		f->member = realloc(f->member, f->size * sizeof(*m));
		if (f->member == NULL)
			err(1, "no memory");
	}
	m = &f->member[f->n++];
	*m = (struct member){
		.client = *from,
		.tkl = d[0] & 15,
		.mid = bench_get16(d + 2),
	};
	memcpy(m->token, d + BENCH_HEADER, m->tkl);
	return m;
}

/* A ping gets its RST, so that who sent it knows how far we are. */
static void
join(struct relay *r, uint8_t *d, size_t n, unsigned slot)
{
	struct sockaddr_in *from = &r->rx.from[slot];
	struct member *m;

	if (d[1] == 0 && bench_type(d) == BENCH_CON) {
		d[0] = 0x70;
		queue(r, d, BENCH_HEADER, from);
	}
	if (d[1] != BENCH_GET)
		return;
	m = member_add(r, d, from);
	if (r->fanout->n == 1)
		(void)send(r->back, d, n, 0);
	else if (r->fanout->rest_len > 0)
		tell(r, m, BENCH_ACK);
}

static void
spread(struct relay *r, uint8_t *d, size_t n, unsigned slot)
{
	const uint8_t ack[BENCH_HEADER] = { 0x60, 0, d[2], d[3] };
	size_t skip = BENCH_HEADER + (d[0] & 15u);
	enum bench_type type = bench_type(d);
	struct fanout *f = r->fanout;

	(void)slot;
	if (d[1] != BENCH_CONTENT)
		return;
	if (type == BENCH_CON)
		(void)send(r->back, ack, sizeof(ack), 0);
	memcpy(f->rest, d + skip, n - skip);
	f->rest_len = n - skip;
	for (size_t i = 0; i < f->n; i++)
		if (type != BENCH_ACK || !f->member[i].answered)
			tell(r, &f->member[i], type);
	fanout_flush(r);
}

static void
fanout_init(struct relay *r)
{
	struct fanout *f = calloc(1, sizeof(*f));

	if (f == NULL)
		err(1, "no memory");
	for (size_t i = 0; i < BENCH_BATCH_MAX; i++) {
		f->tx[i].msg_hdr.msg_iov = f->tx_iov[i];
		f->tx[i].msg_hdr.msg_iovlen = 2;
		f->tx[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
		f->tx_iov[i][0].iov_base = f->head[i];
		f->tx_iov[i][1].iov_base = f->rest;
	}
	r->fanout = f;
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
		if (r->fanout != NULL)
			fanout_flush(r);
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
			if (ev[i].data.fd == r->front && r->fanout == NULL)
				pump(r, r->front, r->back, to_origin);
			else if (ev[i].data.fd == r->front)
				pump(r, r->front, r->front, join);
			else
				pump(r, r->back, r->front,
				    r->fanout == NULL ? to_client : spread);
		}
	}
}

static void
usage(void)
{
	errx(2, "usage: relay [-p PORT] [--fanout] ADDRESS:PORT");
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "fanout", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	struct relay *r = calloc(1, sizeof(*r));
	struct sockaddr_in origin;
	uint16_t port = 0;
	uint16_t back_port = 0;
	int opt;

	if (r == NULL)
		err(1, "no memory");
	while ((opt = getopt_long(argc, argv, "p:", longs, NULL)) != -1) {
		if (opt == 'p')
			port = (uint16_t)bench_number(optarg, 65535);
		else if (opt == 'f')
			fanout_init(r);
		else
			usage();
	}
	if (optind + 1 != argc)
		usage();
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
