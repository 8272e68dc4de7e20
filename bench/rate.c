/*
 * rate: CoAP clients that ask so many times a second, and check each answer.
 *
 * CON GET with a Uri-Query of its own for every request, from many ports in
 * turn: a port has 65536 Message IDs within EXCHANGE_LIFETIME. Repeated as RFC
 * 7252 4.2 says, so that what a kernel drops is not lost; a separate answer is
 * acknowledged. The origin must echo the query, as origin --strict does.
 *
 * The rate is a limit, not a demand: with --window requests unanswered, or
 * when the machine is late, the next one leaves later.
 *
 *	rate [--rate N] [--seconds S] [--ports N] [--window N] ADDRESS:PORT
 *
 * Prints one line of key=value:
 *
 *	sent		requests, without copies
 *	right		2.05 with the query
 *	refused		5.03 with Max-Age
 *	bare		5.03 without
 *	wrong		2.05 with anything else
 *	other		another code, or RST; other_code is the first one's
 *	lost		no answer
 *	stray		messages that answer nothing
 *	late		answers to what has had one or is lost
 *	repeats		copies sent
 *
 * Exit status 0 if every request is right or refused.
 */
#include <sys/epoll.h>
#include <sys/random.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

enum {
	PORTS_MAX = 4096,
	WINDOW_MAX = 4096,
	MIDS = 65536,
	TOKEN_LEN = 8,
	QUERY_LEN = 16,
	MSG_MAX = 64,
	URI_PATH = 11,
	MAX_AGE = 14,
	URI_QUERY = 15,
	UNAVAILABLE = 0xa3,
	/* RFC 7252 4.8, and how long to wait once acknowledged. */
	ACK_TIMEOUT_MS = 2000,
	SPREAD_MS = 1000,
	COPIES = 5,
	SEPARATE_MS = 120000,
	EVENTS = 256,
};

static const uint64_t SECOND = 1000000000;
static const uint64_t MS = 1000000;
static const uint64_t SWEEP = 50 * 1000000;
/* Not more than so much is made up for after a delay. */
static const uint64_t CATCH_UP = 100 * 1000000;

struct port {
	int fd;
	uint16_t mid;
};

/* A request without its answer. */
struct asked {
	bool open;
	bool acked;
	struct port *port;
	uint64_t number;
	uint64_t begun;
	uint64_t due;		/* the next copy, or the end */
	uint64_t timeout;
	unsigned copies;
	uint16_t mid;
	uint8_t msg[MSG_MAX];
	size_t n;
};

struct tally {
	uint64_t right, refused, bare, wrong, other, lost;
	uint64_t stray, late, repeats;
	uint64_t longest;
	uint8_t other_code;
};

struct rate {
	struct sockaddr_in target;
	uint64_t rate;
	uint64_t requests;
	size_t nport;
	size_t window;

	int ep;
	uint64_t salt;		/* our tokens are salt + number */
	struct port *port;
	struct asked *asked;
	size_t *unused;		/* indices into asked */
	size_t nunused;
	uint64_t sent;
	uint64_t began, last;
	struct tally tally;
};

/* ---- asking ---- */

/* The token as text. */
static void
query_text(char out[QUERY_LEN + 1], uint64_t token)
{
	(void)snprintf(out, QUERY_LEN + 1, "%016" PRIx64, token);
}

static uint8_t *
put_option(uint8_t *p, unsigned delta, const char *v, size_t n)
{
	*p++ = (uint8_t)(delta << 4 | (n < 13 ? n : 13));
	if (n >= 13)
		*p++ = (uint8_t)(n - 13);
	memcpy(p, v, n);
	return p + n;
}

static void
build(struct asked *a, uint64_t token)
{
	char query[QUERY_LEN + 1];
	uint8_t *p = a->msg;

	p[0] = 0x40 | BENCH_CON << 4 | TOKEN_LEN;
	p[1] = BENCH_GET;
	bench_put16(p + 2, a->mid);
	memcpy(p + BENCH_HEADER, &token, TOKEN_LEN);
	p = put_option(p + BENCH_HEADER + TOKEN_LEN, URI_PATH, "rate", 4);
	query_text(query, token);
	p = put_option(p, URI_QUERY - URI_PATH, query, QUERY_LEN);
	a->n = (size_t)(p - a->msg);
}

/* A datagram the kernel refuses is lost: the sweep sees to it. */
static void
transmit(struct asked *a, uint64_t now)
{
	(void)send(a->port->fd, a->msg, a->n, 0);
	a->copies++;
	a->due = now + a->timeout;
	a->timeout *= 2;
}

static void
ask(struct rate *r, uint64_t now)
{
	struct asked *a = &r->asked[r->unused[--r->nunused]];

	*a = (struct asked){
		.open = true,
		.port = &r->port[r->sent % r->nport],
		.number = r->sent++,
		.begun = now,
		.timeout =
		    MS * (uint64_t)(ACK_TIMEOUT_MS + random() % SPREAD_MS),
	};
	a->mid = a->port->mid++;
	build(a, r->salt + a->number);
	transmit(a, now);
	r->last = now;
}

static void
end(struct rate *r, struct asked *a, uint64_t *counter)
{
	++*counter;
	a->open = false;
	r->unused[r->nunused++] = (size_t)(a - r->asked);
}

/* ---- hearing ---- */

static struct asked *
by_number(struct rate *r, uint64_t number)
{
	for (size_t i = 0; i < r->window; i++)
		if (r->asked[i].open && r->asked[i].number == number)
			return &r->asked[i];
	return NULL;
}

static struct asked *
by_mid(struct rate *r, const struct port *port, uint16_t mid)
{
	for (size_t i = 0; i < r->window; i++) {
		struct asked *a = &r->asked[i];

		if (a->open && a->port == port && a->mid == mid)
			return a;
	}
	return NULL;
}

/* An empty message. One that ends nothing may be a copy. */
static void
empty_in(struct rate *r, const struct port *port, const uint8_t *p)
{
	struct asked *a = by_mid(r, port, bench_get16(p + 2));

	if (bench_type(p) == BENCH_CON || bench_type(p) == BENCH_NON) {
		r->tally.stray++;
	} else if (a == NULL) {
		r->tally.late++;
	} else if (bench_type(p) == BENCH_RST) {
		end(r, a, &r->tally.other);
	} else if (!a->acked) {
		a->acked = true;
		a->due = a->begun + SEPARATE_MS * MS;
	}
}

/* Whether the message of n octets at p has Max-Age, and whether its payload is
 * the query of TOKEN; false for both when it is malformed. */
static void
read_answer(const uint8_t *p, size_t n, uint64_t token, bool *max_age,
    bool *echo)
{
	char query[QUERY_LEN + 1];
	struct bench_options o;
	const uint8_t *payload;
	bool seen = false;
	int more;

	bench_options_init(&o, p, n);
	while ((more = bench_options_next(&o)) > 0)
		seen |= o.number == MAX_AGE;
	query_text(query, token);
	*max_age = more == 0 && seen;
	*echo = more == 0 && bench_payload(&o, &payload) == QUERY_LEN &&
	    memcmp(payload, query, QUERY_LEN) == 0;
}

static void
judge(struct rate *r, struct asked *a, const uint8_t *p, size_t n)
{
	struct tally *t = &r->tally;
	uint64_t took = bench_now_ns() - a->begun;
	bool max_age, echo;

	read_answer(p, n, r->salt + a->number, &max_age, &echo);
	t->longest = took > t->longest ? took : t->longest;
	if (p[1] == BENCH_CONTENT) {
		end(r, a, echo ? &t->right : &t->wrong);
	} else if (p[1] == UNAVAILABLE) {
		end(r, a, max_age ? &t->refused : &t->bare);
	} else {
		t->other_code = t->other == 0 ? p[1] : t->other_code;
		end(r, a, &t->other);
	}
}

static void
response_in(struct rate *r, const struct port *port, const uint8_t *p,
    size_t n)
{
	const uint8_t ack[BENCH_HEADER] = { 0x60, 0, p[2], p[3] };
	enum bench_type type = bench_type(p);
	uint64_t token = 0;
	struct asked *a;

	if (type == BENCH_CON)
		(void)send(port->fd, ack, sizeof(ack), 0);
	if ((p[0] & 15) == TOKEN_LEN)
		memcpy(&token, p + BENCH_HEADER, TOKEN_LEN);
	if ((p[0] & 15) != TOKEN_LEN || token - r->salt >= r->sent) {
		r->tally.stray++;
		return;
	}
	a = by_number(r, token - r->salt);
	if (a == NULL)
		r->tally.late++;
	else if (a->port != port || (type == BENCH_ACK &&
		bench_get16(p + 2) != a->mid))
		r->tally.stray++;
	else
		judge(r, a, p, n);
}

static void
port_in(struct rate *r, const struct port *port)
{
	uint8_t p[BENCH_BUF];
	ssize_t n;

	while ((n = recv(port->fd, p, sizeof(p), 0)) >= 0) {
		if (!bench_header_ok(p, (size_t)n))
			r->tally.stray++;
		else if (p[1] == 0)
			empty_in(r, port, p);
		else
			response_in(r, port, p, (size_t)n);
	}
}

/* ---- time ---- */

/* Repeat what is due, give up what was repeated in vain. */
static void
sweep(struct rate *r, uint64_t now)
{
	for (size_t i = 0; i < r->window; i++) {
		struct asked *a = &r->asked[i];

		if (!a->open || now < a->due)
			continue;
		if (a->acked || a->copies == COPIES) {
			end(r, a, &r->tally.lost);
			continue;
		}
		r->tally.repeats++;
		transmit(a, now);
	}
}

/* Milliseconds until the next request may leave; 0 for at once. */
static int
ask_due(struct rate *r, uint64_t *next, uint64_t now)
{
	uint64_t interval = SECOND / r->rate;

	if (now > *next + CATCH_UP)
		*next = now - CATCH_UP;
	while (r->sent < r->requests && r->nunused > 0 && *next <= now) {
		ask(r, now);
		*next += interval;
	}
	if (r->sent == r->requests || r->nunused == 0 || *next <= now)
		return (int)(SWEEP / MS);
	return 1 + (int)((*next - now) / MS);
}

static void
run(struct rate *r)
{
	struct epoll_event ev[EVENTS];
	uint64_t now = bench_now_ns();
	uint64_t swept = now, next = now;
	int n, wait;

	r->began = now;
	r->last = now;
	while (r->sent < r->requests || r->nunused < r->window) {
		wait = ask_due(r, &next, now);
		n = epoll_wait(r->ep, ev, EVENTS, wait);
		for (int i = 0; i < n; i++)
			port_in(r, ev[i].data.ptr);
		now = bench_now_ns();
		if (now - swept >= SWEEP) {
			sweep(r, now);
			swept = now;
		}
	}
}

static bool
report(const struct rate *r)
{
	const struct tally *t = &r->tally;
	uint64_t ns = r->last - r->began;

	printf("sent=%" PRIu64 " right=%" PRIu64 " refused=%" PRIu64
	       " bare=%" PRIu64 " wrong=%" PRIu64 " other=%" PRIu64
	       " lost=%" PRIu64,
	    r->sent, t->right, t->refused, t->bare, t->wrong, t->other,
	    t->lost);
	if (t->other > 0)
		printf(" other_code=%u.%02u", t->other_code >> 5u,
		    t->other_code & 31u);
	printf(" stray=%" PRIu64 " late=%" PRIu64 " repeats=%" PRIu64,
	    t->stray, t->late, t->repeats);
	printf(" seconds=%" PRIu64 ".%03" PRIu64 " rate=%" PRIu64
	       " longest_ms=%" PRIu64 "\n",
	    ns / SECOND, ns % SECOND / MS,
	    r->sent * SECOND / (ns > 0 ? ns : 1), t->longest / MS);
	if (fflush(stdout) != 0)
		err(1, "standard output");
	return t->right > 0 && t->right + t->refused == r->sent;
}

/* ---- life ---- */

static void
port_open(struct rate *r, struct port *p)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 ||
	    connect(p->fd, (const struct sockaddr *)&r->target,
		sizeof(r->target)) != 0)
		err(1, "socket");
	bench_rcvbuf(p->fd);
	if (getrandom(&p->mid, sizeof(p->mid), 0) < 0)
		err(1, "getrandom");
	if (epoll_ctl(r->ep, EPOLL_CTL_ADD, p->fd, &ev) != 0)
		err(1, "epoll_ctl");
}

static void
rate_open(struct rate *r)
{
	r->ep = epoll_create1(EPOLL_CLOEXEC);
	r->port = calloc(r->nport, sizeof(r->port[0]));
	r->asked = calloc(r->window, sizeof(r->asked[0]));
	r->unused = calloc(r->window, sizeof(r->unused[0]));
	if (r->ep < 0 || r->port == NULL || r->asked == NULL ||
	    r->unused == NULL)
		err(1, "epoll or memory");
	if (getrandom(&r->salt, sizeof(r->salt), 0) < 0)
		err(1, "getrandom");
	for (size_t i = 0; i < r->nport; i++)
		port_open(r, &r->port[i]);
	for (size_t i = 0; i < r->window; i++)
		r->unused[r->nunused++] = i;
}

static void
rate_free(struct rate *r)
{
	for (size_t i = 0; i < r->nport; i++)
		close(r->port[i].fd);
	close(r->ep);
	free(r->port);
	free(r->asked);
	free(r->unused);
	free(r);
}

static void
usage(void)
{
	errx(2,
	    "usage: rate [--rate N] [--seconds S] [--ports N] "
	    "[--window N] ADDRESS:PORT");
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "ports", required_argument, NULL, 'p' },
		{ "window", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	struct rate *r = calloc(1, sizeof(*r));
	unsigned long seconds = 10;
	bool good;
	int opt;

	if (r == NULL)
		err(1, "no memory");
	r->rate = 5000;
	r->nport = 64;
	r->window = 100;
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == 'r')
			r->rate = bench_number(optarg, 1000000);
		else if (opt == 's')
			seconds = bench_number(optarg, 86400);
		else if (opt == 'p')
			r->nport = bench_number(optarg, PORTS_MAX);
		else if (opt == 'w')
			r->window = bench_number(optarg, WINDOW_MAX);
		else
			usage();
	}
	r->requests = r->rate * seconds;
	if (optind + 1 != argc || r->requests == 0 || r->nport == 0 ||
	    r->window == 0)
		usage();
	if (r->requests > r->nport * MIDS)
		errx(2, "more requests than %zu ports have Message IDs",
		    r->nport);
	r->target = bench_addr(argv[optind]);
	rate_open(r);
	run(r);
	good = report(r);
	rate_free(r);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
