#include "crowd.h"

#include <sys/epoll.h>
#include <sys/random.h>

#include <linux/sock_diag.h>
#include <unistd.h>

#include "subject.h"

enum {
	TOKEN_LEN = 8,
	SALT_LEN = 4,
	REQUEST_MAX = 80,
	ECHO_MAX = 40,
	UNAUTHORIZED = 0x81,
	/* Registrations outstanding on all sockets. */
	WINDOW = 512,
	CHANGES = 65536,
	/* RFC 7252 4.8 */
	ACK_TIMEOUT_MS = 2000,
	SPREAD_MS = 1000,
	COPIES = 5,
	SEPARATE_MS = 120000,
};

static const uint64_t MS = 1000000;

enum status {
	IDLE,
	ASKING,
	REGISTERED,
	REFUSED,
	FAILED,
	ENDED,
};

struct observer {
	uint32_t state;
	uint32_t delivered;	/* since crowd_begin() */
	uint32_t observe;
	uint16_t mid;		/* of the last notification */
	bool has_mid;
	uint8_t status;
};

struct endpoint {
	struct bench_watch watch;
	struct crowd *crowd;
	int fd;
	uint32_t first, n;	/* its observers */
	uint32_t asked;		/* so many of them have begun to register */
	bool waiting;		/* for the answer to the last one */
	bool acked;
	uint8_t copies;
	uint8_t echo_len;
	uint16_t mid;		/* of its request */
	uint64_t due, timeout;
	uint8_t echo[ECHO_MAX];
};

struct ping {
	bool waiting;
	uint16_t mid;
	uint64_t due;
};

struct crowd {
	struct crowd_conf conf;
	uint8_t salt[SALT_LEN];
	struct observer *observer;
	struct endpoint *endpoint;
	size_t asking;		/* endpoints that wait for an answer */
	size_t cursor;		/* the next to begin */
	struct ping ping;

	uint32_t state;
	size_t ncurrent;	/* registered ones that have it */
	uint64_t changed[CHANGES];
	uint32_t known;		/* a state whose content is in content */
	uint8_t content[BENCH_PAYLOAD_MAX];

	struct crowd_figures figures;
	struct bench_latencies latency;

	struct bench_ring rx;
	struct mmsghdr tx[BENCH_BATCH_MAX];
	struct iovec tx_iov[BENCH_BATCH_MAX];
	uint8_t ack[BENCH_BATCH_MAX][BENCH_HEADER];
	unsigned ntx;
};

/* A message to an observer, read. */
struct heard {
	const uint8_t *p;
	uint32_t index;
	uint16_t mid;
	enum bench_type type;
	bool has_observe;
	uint32_t observe;
	const uint8_t *echo;
	size_t echo_len;
	bool has_state;		/* and the content is right */
	uint32_t state;
};

/* ---- asking ---- */

static void
transmit(struct crowd *c, struct endpoint *e, uint64_t now)
{
	static const uint8_t none[1];
	uint8_t msg[REQUEST_MAX];
	uint8_t *p = msg + BENCH_HEADER + TOKEN_LEN;

	msg[0] = 0x40 | BENCH_CON << 4 | TOKEN_LEN;
	msg[1] = BENCH_GET;
	bench_put16(msg + 2, e->mid);
	memcpy(msg + BENCH_HEADER, c->salt, SALT_LEN);
	bench_put32(msg + BENCH_HEADER + SALT_LEN, e->first + e->asked - 1);
	p = bench_put_option(p, msg + REQUEST_MAX, BENCH_OBSERVE, none, 0);
	p = bench_put_path(
	    p, msg + REQUEST_MAX, BENCH_URI_PATH - BENCH_OBSERVE, "observed");
	if (e->echo_len > 0)
		p = bench_put_option(p, msg + REQUEST_MAX,
		    BENCH_ECHO - BENCH_URI_PATH, e->echo, e->echo_len);
	/* One the kernel refuses is lost: the sweep sees to it. */
	(void)send(e->fd, msg, (size_t)(p - msg), 0);
	e->copies++;
	e->due = now + e->timeout;
	e->timeout *= 2;
}

/* The observer that asked last asks, under a new Message ID. */
static void
ask(struct crowd *c, struct endpoint *e, uint64_t now)
{
	e->mid++;
	e->acked = false;
	e->copies = 0;
	e->timeout = MS * (uint64_t)(ACK_TIMEOUT_MS + random() % SPREAD_MS);
	transmit(c, e, now);
}

/* The next observer of this endpoint, or the first one of the next. */
static void
ask_next(struct crowd *c, struct endpoint *e, uint64_t now)
{
	e->waiting = false;
	while (e->asked == e->n) {
		if (c->cursor == c->conf.sockets) {
			c->asking--;
			return;
		}
		e = &c->endpoint[c->cursor++];
	}
	c->observer[e->first + e->asked++].status = ASKING;
	e->waiting = true;
	ask(c, e, now);
}

void
crowd_register(struct crowd *c)
{
	uint64_t now = bench_now_ns();

	while (c->asking < WINDOW && c->cursor < c->conf.sockets) {
		c->asking++;
		ask_next(c, &c->endpoint[c->cursor++], now);
	}
}

bool
crowd_registering(const struct crowd *c)
{
	return c->asking > 0;
}

static void
settle(struct crowd *c, struct endpoint *e, enum status status)
{
	c->observer[e->first + e->asked - 1].status = (uint8_t)status;
	ask_next(c, e, bench_now_ns());
}

static void
fail(struct crowd *c, struct endpoint *e)
{
	c->figures.failed++;
	settle(c, e, FAILED);
}

static void
ping_send(struct crowd *c)
{
	uint8_t p[BENCH_HEADER] = { 0x40 };

	bench_put16(p + 2, c->ping.mid);
	(void)send(c->endpoint[0].fd, p, sizeof(p), 0);
	c->ping.due = bench_now_ns() + ACK_TIMEOUT_MS * MS;
}

void
crowd_ping(struct crowd *c)
{
	c->ping.waiting = true;
	c->ping.mid = ++c->endpoint[0].mid;
	ping_send(c);
}

bool
crowd_pinged(const struct crowd *c)
{
	return !c->ping.waiting;
}

void
crowd_sweep(struct crowd *c)
{
	uint64_t now = bench_now_ns();

	if (c->ping.waiting && now >= c->ping.due)
		ping_send(c);
	for (size_t i = 0; c->asking > 0 && i < c->conf.sockets; i++) {
		struct endpoint *e = &c->endpoint[i];

		if (!e->waiting || now < e->due)
			continue;
		if (e->acked || e->copies == COPIES) {
			fail(c, e);
			continue;
		}
		c->figures.retransmits++;
		transmit(c, e, now);
	}
}

/* ---- hearing ---- */

static bool
content_right(struct crowd *c, const uint8_t *p, long n, uint32_t *state)
{
	uint32_t v = 0;

	if (n != (long)c->conf.payload)
		return false;
	for (size_t i = 0; i < SUBJECT_STATE_LEN; i++)
		v = v << 4 | (p[i] <= '9' ? p[i] & 15u : (p[i] + 9u) & 15);
	if (v != c->known) {
		c->known = v;
		subject_content(c->content, c->conf.payload, v);
	}
	*state = v;
	return memcmp(p, c->content, c->conf.payload) == 0;
}

/* False if it is malformed or its token is of no observer of E. */
static bool
heard_read(struct crowd *c, const struct endpoint *e, struct heard *h,
    const uint8_t *p, size_t n)
{
	struct bench_options o;
	const uint8_t *payload;
	long len;
	int more;

	if ((p[0] & 15) != TOKEN_LEN ||
	    memcmp(p + BENCH_HEADER, c->salt, SALT_LEN) != 0)
		return false;
	*h = (struct heard){
		.p = p,
		.index = bench_get32(p + BENCH_HEADER + SALT_LEN),
		.mid = bench_get16(p + 2),
		.type = bench_type(p),
	};
	bench_options_init(&o, p, n);
	while ((more = bench_options_next(&o)) > 0) {
		if (o.number == BENCH_OBSERVE && o.len <= 3) {
			h->has_observe = true;
			h->observe = bench_get_uint(o.value, o.len);
		} else if (o.number == BENCH_ECHO && o.len <= ECHO_MAX) {
			h->echo = o.value;
			h->echo_len = o.len;
		}
	}
	if (more != 0 || h->index - e->first >= e->asked)
		return false;
	len = bench_payload(&o, &payload);
	h->has_state =
	    p[1] == BENCH_CONTENT && content_right(c, payload, len, &h->state);
	return true;
}

static void
state_set(struct crowd *c, struct observer *b, uint32_t state)
{
	if (b->state == c->state && state != c->state)
		c->ncurrent--;
	else if (b->state != c->state && state == c->state)
		c->ncurrent++;
	b->state = state;
}

/* The answer to the registration that E waits for. */
static void
answer_in(struct crowd *c, struct endpoint *e, const struct heard *h)
{
	struct observer *b = &c->observer[h->index];

	if (h->p[1] == UNAUTHORIZED && h->echo_len > 0 && e->echo_len == 0) {
		c->figures.challenged++;
		e->echo_len = (uint8_t)h->echo_len;
		memcpy(e->echo, h->echo, h->echo_len);
		ask(c, e, bench_now_ns());
	} else if (!h->has_state) {
		fail(c, e);
	} else if (!h->has_observe) {
		c->figures.refused++;
		settle(c, e, REFUSED);
	} else {
		c->figures.registered++;
		b->observe = h->observe;
		b->state = h->state;
		c->ncurrent += h->state == c->state;
		settle(c, e, REGISTERED);
	}
}

static void
entry_ended(struct crowd *c, struct observer *b)
{
	c->figures.ended++;
	c->figures.registered--;
	c->ncurrent -= b->state == c->state;
	b->status = ENDED;
}

/* RFC 7641 3.4. That 128 s pass between two is not for us to expect: our
 * origin's values never begin anew. */
static bool
is_newer(uint32_t v1, uint32_t v2)
{
	return ((v2 - v1) & 0xffffff) - 1 < (1 << 23) - 1;
}

static void
notification_in(struct crowd *c, const struct heard *h, uint64_t now)
{
	struct observer *b = &c->observer[h->index];
	struct crowd_figures *f = &c->figures;

	if (b->has_mid && b->mid == h->mid) {
		f->copies++;
		return;
	}
	b->has_mid = true;
	b->mid = h->mid;
	if (h->p[1] >> 5 != 2 || !h->has_observe) {
		entry_ended(c, b);
		return;
	}
	*(h->type == BENCH_CON ? &f->con : &f->non) += 1;
	if (!h->has_state || h->state > c->state) {
		f->wrong++;
	} else if (!is_newer(b->observe, h->observe)) {
		f->reordered++;
	} else if (h->state < b->state) {
		/* An older state that says it is newer. */
		f->wrong++;
	} else if (h->state == b->state) {
		b->observe = h->observe;
		f->same++;
	} else {
		b->observe = h->observe;
		state_set(c, b, h->state);
		b->delivered++;
		f->delivered++;
		bench_latency_add(
		    &c->latency, now - c->changed[h->state % CHANGES]);
	}
}

static void
reply(struct crowd *c, enum bench_type type, uint16_t mid)
{
	uint8_t *p = c->ack[c->ntx++];

	p[0] = (uint8_t)(0x40 | (unsigned)type << 4);
	p[1] = 0;
	bench_put16(p + 2, mid);
}

static void
empty_in(struct crowd *c, struct endpoint *e, const uint8_t *p)
{
	enum bench_type type = bench_type(p);
	uint16_t mid = bench_get16(p + 2);

	if (e == &c->endpoint[0] && c->ping.waiting && type == BENCH_RST &&
	    mid == c->ping.mid)
		c->ping.waiting = false;
	else if (type == BENCH_CON)
		reply(c, BENCH_RST, mid);
	else if (!e->waiting || mid != e->mid)
		c->figures.stray++;
	else if (type == BENCH_RST)
		fail(c, e);
	else if (!e->acked) {
		e->acked = true;
		e->due = bench_now_ns() + SEPARATE_MS * MS;
	}
}

static void
message_in(struct crowd *c, struct endpoint *e, const uint8_t *p, size_t n,
    uint64_t now)
{
	enum status status;
	struct heard h;

	if (!bench_header_ok(p, n)) {
		c->figures.stray++;
		return;
	}
	if (p[1] == 0) {
		empty_in(c, e, p);
		return;
	}
	if (!heard_read(c, e, &h, p, n)) {
		c->figures.stray++;
		if (bench_type(p) == BENCH_CON)
			reply(c, BENCH_RST, bench_get16(p + 2));
		return;
	}
	status = (enum status)c->observer[h.index].status;
	if (h.type == BENCH_CON)
		reply(c, status == ENDED ? BENCH_RST : BENCH_ACK, h.mid);
	if (status == ASKING && (h.type != BENCH_ACK || h.mid == e->mid))
		answer_in(c, e, &h);
	else if (status == REGISTERED && h.type == BENCH_ACK)
		c->figures.copies++;
	else if (status == REGISTERED)
		notification_in(c, &h, now);
	else
		c->figures.stray++;
}

/*
 * Edge triggered: until a batch is not full, for then nothing was left. Small
 * batches first: there is mostly one message, or few.
 */
static void
ready(void *user)
{
	struct endpoint *e = user;
	struct crowd *c = e->crowd;
	unsigned want = BENCH_BATCH_MIN;
	uint64_t now;
	int n;

	for (;;) {
		n = recvmmsg(e->fd, c->rx.msg, want, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == ECONNREFUSED) {
			c->figures.refusals++;
			continue;
		}
		now = bench_now_ns();
		c->ntx = 0;
		for (int i = 0; i < n; i++)
			message_in(c, e, c->rx.iov[i].iov_base,
			    c->rx.msg[i].msg_len, now);
		bench_send_all(e->fd, c->tx, c->ntx);
		if (n < (int)want)
			return;
		if (want < BENCH_BATCH_MAX)
			want *= BENCH_BATCH_GROWTH;
	}
}

/* ---- counting ---- */

void
crowd_expect(struct crowd *c, uint32_t state, uint64_t now)
{
	if (state != c->state)
		c->ncurrent = 0;
	c->state = state;
	c->changed[state % CHANGES] = now;
}

bool
crowd_current(const struct crowd *c)
{
	return c->ncurrent == c->figures.registered;
}

void
crowd_begin(struct crowd *c)
{
	struct crowd_figures f = c->figures;

	c->figures = (struct crowd_figures){
		.registered = f.registered,
		.refused = f.refused,
		.failed = f.failed,
	};
	memset(&c->latency, 0, sizeof(c->latency));
	for (size_t i = 0; i < c->conf.observers; i++)
		c->observer[i].delivered = 0;
}

static uint64_t
drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) != 0)
		err(1, "SO_MEMINFO");
	return info[SK_MEMINFO_DROPS];
}

struct crowd_figures
crowd_figures(const struct crowd *c)
{
	struct crowd_figures f = c->figures;

	f.least = UINT32_MAX;
	f.current = 0;
	for (size_t i = 0; i < c->conf.observers; i++) {
		const struct observer *b = &c->observer[i];

		if (b->status != REGISTERED)
			continue;
		f.current += b->state == c->state;
		if (b->delivered < f.least)
			f.least = b->delivered;
	}
	if (f.registered == 0)
		f.least = 0;
	for (size_t i = 0; i < c->conf.sockets; i++)
		f.dropped += drops(c->endpoint[i].fd);
	return f;
}

const struct bench_latencies *
crowd_latencies(const struct crowd *c)
{
	return &c->latency;
}

/* ---- life ---- */

/* The i-th address behind the first one: those that end in 0 or 255 look like
 * something else and are left out. */
static struct sockaddr_in
source(const struct crowd_conf *conf, size_t i)
{
	struct sockaddr_in sin = conf->source;
	uint32_t v = ntohl(sin.sin_addr.s_addr) + (uint32_t)(i / 254 * 256);

	v += (uint32_t)(i % 254);
	sin.sin_addr.s_addr = htonl(v);
	return sin;
}

static void
endpoint_open(
    struct crowd *c, int ep, size_t i, const struct sockaddr_in *proxy)
{
	struct endpoint *e = &c->endpoint[i];
	struct sockaddr_in sin = source(&c->conf, i);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	e->crowd = c;
	e->watch = (struct bench_watch){ .ready = ready, .user = e };
	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0 ||
	    bind(e->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    connect(e->fd, (const struct sockaddr *)proxy, sizeof(*proxy)) != 0)
		err(1, "socket %zu", i);
	bench_rcvbuf(e->fd);
	if (getrandom(&e->mid, sizeof(e->mid), 0) < 0)
		err(1, "getrandom");
	ev.data.ptr = &e->watch;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, e->fd, &ev) != 0)
		err(1, "epoll_ctl");
}

static void
buffers_init(struct crowd *c)
{
	bench_ring_init(&c->rx, 0);
	for (size_t i = 0; i < BENCH_BATCH_MAX; i++) {
		/* The sockets are connected. */
		c->rx.msg[i].msg_hdr.msg_name = NULL;
		c->rx.msg[i].msg_hdr.msg_namelen = 0;
		c->tx_iov[i].iov_base = c->ack[i];
		c->tx_iov[i].iov_len = BENCH_HEADER;
		c->tx[i].msg_hdr.msg_iov = &c->tx_iov[i];
		c->tx[i].msg_hdr.msg_iovlen = 1;
	}
}

struct crowd *
crowd_new(
    int ep, const struct crowd_conf *conf, const struct sockaddr_in *proxy)
{
	struct crowd *c = calloc(1, sizeof(*c));
	size_t first = 0;

	if (c == NULL)
		err(1, "no memory");
	c->conf = *conf;
	c->observer = calloc(conf->observers, sizeof(c->observer[0]));
	c->endpoint = calloc(conf->sockets, sizeof(c->endpoint[0]));
	if (c->observer == NULL || c->endpoint == NULL)
		err(1, "no memory");
	if (getrandom(c->salt, sizeof(c->salt), 0) < 0)
		err(1, "getrandom");
	buffers_init(c);
	subject_content(c->content, conf->payload, 0);
	for (size_t i = 0; i < conf->sockets; i++) {
		c->endpoint[i].first = (uint32_t)first;
		first = conf->observers * (i + 1) / conf->sockets;
		c->endpoint[i].n = (uint32_t)first - c->endpoint[i].first;
		endpoint_open(c, ep, i, proxy);
	}
	return c;
}

void
crowd_free(struct crowd *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->conf.sockets; i++)
		close(c->endpoint[i].fd);
	free(c->endpoint);
	free(c->observer);
	free(c);
}
