#include "probe.h"

#include <sys/epoll.h>
#include <sys/random.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum {
	TOKEN_LEN = 8,
	SALT_LEN = 4,
	REQUEST_MAX = 32,
	LIFETIME_S = 247,
	MIDS = 65536,
	WINDOW = 1 << 18,	/* a power of two */
	CONTROL_MAX = 256,
	EVENTS = 64,
};

static const uint64_t SECOND = 1000000000;
static const uint64_t LOST = 5 * 1000000000ULL;

/* A request without its answer. */
struct sent {
	bool open;
	bool counted;
	uint64_t at;
};

struct probe {
	pthread_t thread;
	pthread_mutex_t mutex;
	bool stopped, counting;
	size_t pending;		/* counted and open */
	struct probe_figures figures;

	/* The thread's own. */
	struct sockaddr_in proxy;
	uint64_t interval;
	int ep;
	int *fd;
	size_t nfd;
	uint8_t salt[SALT_LEN];
	uint16_t mid;
	uint32_t next, oldest;
	struct sent sent[WINDOW];
};

/* The clock of the kernel's time stamps. */
static uint64_t
real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* ---- asking ---- */

static void
ask(struct probe *p, uint64_t due)
{
	uint32_t number = p->next++;
	struct sent *s = &p->sent[number % WINDOW];
	uint8_t msg[REQUEST_MAX];
	uint8_t *q = msg + BENCH_HEADER + TOKEN_LEN;
	uint64_t now = bench_now_ns();

	msg[0] = 0x40 | BENCH_CON << 4 | TOKEN_LEN;
	msg[1] = BENCH_GET;
	/* The ports take turns, and each counts its Message IDs. */
	bench_put16(msg + 2, p->mid + number / (uint32_t)p->nfd);
	memcpy(msg + BENCH_HEADER, p->salt, SALT_LEN);
	bench_put32(msg + BENCH_HEADER + SALT_LEN, number);
	q = bench_put_path(q, msg + REQUEST_MAX, BENCH_URI_PATH, "plain");

	pthread_mutex_lock(&p->mutex);
	*s = (struct sent){ .open = true, .counted = p->counting };
	if (s->counted) {
		p->pending++;
		p->figures.sent++;
		if (now - due > p->figures.late)
			p->figures.late = now - due;
	}
	pthread_mutex_unlock(&p->mutex);
	s->at = real_ns();
	(void)send(p->fd[number % p->nfd], msg, (size_t)(q - msg), 0);
}

/* Whoever has waited too long, waits no longer. */
static void
give_up(struct probe *p)
{
	uint64_t now = real_ns();

	for (; p->oldest != p->next; p->oldest++) {
		struct sent *s = &p->sent[p->oldest % WINDOW];

		if (s->open && now - s->at < LOST)
			return;
		if (s->open && s->counted) {
			pthread_mutex_lock(&p->mutex);
			p->figures.lost++;
			p->pending--;
			pthread_mutex_unlock(&p->mutex);
		}
		s->open = false;
	}
}

/* ---- hearing ---- */

static bool
is_right(const uint8_t *d, size_t n)
{
	struct bench_options o;
	const uint8_t *payload;
	int more;

	bench_options_init(&o, d, n);
	do
		more = bench_options_next(&o);
	while (more > 0);
	return d[1] == BENCH_CONTENT && more == 0 &&
	    bench_payload(&o, &payload) > 0;
}

static void
answer_in(struct probe *p, const uint8_t *d, size_t n, uint64_t now)
{
	uint32_t number;
	struct sent *s;

	if (!bench_header_ok(d, n) || (d[0] & 15) != TOKEN_LEN ||
	    memcmp(d + BENCH_HEADER, p->salt, SALT_LEN) != 0)
		return;
	number = bench_get32(d + BENCH_HEADER + SALT_LEN);
	s = &p->sent[number % WINDOW];
	if (number - p->oldest >= p->next - p->oldest || !s->open)
		return;
	s->open = false;
	if (!s->counted)
		return;
	pthread_mutex_lock(&p->mutex);
	p->pending--;
	if (is_right(d, n))
		bench_latency_add(
		    &p->figures.latency, now > s->at ? now - s->at : 0);
	else
		p->figures.wrong++;
	pthread_mutex_unlock(&p->mutex);
}

/* When the kernel got it. */
static uint64_t
stamp(struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	struct timespec ts;

	for (; c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
	}
	return real_ns();
}

static void
port_in(struct probe *p, int fd)
{
	uint8_t buf[BENCH_BUF];
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_MAX];
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	for (;;) {
		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		n = recvmsg(fd, &h, 0);
		if (n < 0)
			return;
		answer_in(p, buf, (size_t)n, stamp(&h));
	}
}

/* ---- life ---- */

/* Waits until DUE and hears what comes meanwhile. */
static void
pass_time(struct probe *p, uint64_t due)
{
	struct epoll_event ev[EVENTS];
	uint64_t now = bench_now_ns();
	uint64_t left = due > now ? due - now : 0;
	struct timespec ts = {
		.tv_sec = (time_t)(left / SECOND),
		.tv_nsec = (long)(left % SECOND),
	};
	int n = epoll_pwait2(p->ep, ev, EVENTS, &ts, NULL);

	for (int i = 0; i < n; i++)
		port_in(p, ev[i].data.fd);
}

static bool
stopped(struct probe *p)
{
	bool yes;

	pthread_mutex_lock(&p->mutex);
	yes = p->stopped;
	pthread_mutex_unlock(&p->mutex);
	return yes;
}

static void *
run(void *user)
{
	struct probe *p = user;
	const struct sched_param first = { .sched_priority = 1 };
	uint64_t due = bench_now_ns();

	/* Else it leaves late while others are busy on this core; without
	 * privilege that is so. */
	(void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
	while (!stopped(p)) {
		while (due <= bench_now_ns()) {
			ask(p, due);
			due += p->interval;
		}
		pass_time(p, due);
		give_up(p);
	}
	return NULL;
}

static int
port_open(struct probe *p)
{
	static const int on = 1;
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&p->proxy, sizeof(p->proxy)) !=
		0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0)
		err(1, "socket");
	bench_rcvbuf(fd);
	ev.data.fd = fd;
	if (epoll_ctl(p->ep, EPOLL_CTL_ADD, fd, &ev) != 0)
		err(1, "epoll_ctl");
	return fd;
}

struct probe *
probe_start(const struct sockaddr_in *proxy, unsigned long per_second)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (p == NULL)
		err(1, "no memory");
	p->proxy = *proxy;
	p->interval = SECOND / per_second;
	p->nfd = 1 + per_second * LIFETIME_S / MIDS;
	p->fd = calloc(p->nfd, sizeof(p->fd[0]));
	p->ep = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd == NULL || p->ep < 0)
		err(1, "epoll or memory");
	if (getrandom(p->salt, sizeof(p->salt), 0) < 0 ||
	    getrandom(&p->mid, sizeof(p->mid), 0) < 0)
		err(1, "getrandom");
	for (size_t i = 0; i < p->nfd; i++)
		p->fd[i] = port_open(p);
	if (pthread_mutex_init(&p->mutex, NULL) != 0 ||
	    pthread_create(&p->thread, NULL, run, p) != 0)
		errx(1, "cannot start a thread");
	return p;
}

void
probe_stop(struct probe *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->mutex);
	p->stopped = true;
	pthread_mutex_unlock(&p->mutex);
	pthread_join(p->thread, NULL);
	pthread_mutex_destroy(&p->mutex);
	for (size_t i = 0; i < p->nfd; i++)
		close(p->fd[i]);
	close(p->ep);
	free(p->fd);
	free(p);
}

void
probe_begin(struct probe *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->mutex);
	memset(&p->figures, 0, sizeof(p->figures));
	p->counting = true;
	pthread_mutex_unlock(&p->mutex);
}

void
probe_end(struct probe *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->mutex);
	p->counting = false;
	pthread_mutex_unlock(&p->mutex);
}

bool
probe_ended(struct probe *p, struct probe_figures *out)
{
	bool ended;

	pthread_mutex_lock(&p->mutex);
	ended = p->pending == 0;
	*out = p->figures;
	pthread_mutex_unlock(&p->mutex);
	return ended;
}
