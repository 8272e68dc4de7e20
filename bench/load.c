/*
 * load: a closed loop of CoAP clients.
 *
 * Each client is one connected UDP socket, so one source port, with one request
 * outstanding; the next one leaves when the right answer to the last has come:
 * right token, 2.05 (2.04 to a PUT), the expected payload length. A CON request is repeated
 * every 2 s until something is heard, a separate CON answer is acknowledged.
 * No Message ID is used twice on a port within EXCHANGE_LIFETIME: after 65536
 * requests a client goes on with a new port that no client had before.
 *
 *	load [-c CLIENTS] [-d SECONDS | -n REQUESTS] [-w SECONDS] [-t con|non]
 *	    [-m get|put] [-s OCTETS] [-u PATH]... [-x URI] [-b ADDRESS] [-P PID]
 *	    ADDRESS:PORT
 *
 * -u  path to ask for; several are used in turn, and "%c" in one becomes the
 *     client's number, so that no two clients ask for the same; "%r" behind it
 *     the request's, so that nobody asks for the same twice
 * -x  send Proxy-Uri, URI and path, instead of Uri-Path
 * -s  octets of payload that a right answer to a GET has, or the PUT itself
 * -w  warm up for so long before counting begins
 * -b  send from this address: to a proxy that remembers the ports of an
 *     earlier run, those of another address in 127.0.0.0/8 are new
 * -P  also print the CPU time that process PID used while counting
 *
 * Prints one line of key=value and exits 0 if nothing was wrong or lost.
 */
#include <sys/epoll.h>
#include <sys/random.h>

#include <unistd.h>

#include "bench.h"
#include "latency.h"

enum {
	PATHS_MAX = 64,
	CLIENTS_MAX = 16384,
	URI_MAX = 512,
	MSG_MAX = 2048,
	TOKEN_LEN = 8,
	OPTIONS_AT = BENCH_HEADER + TOKEN_LEN,
	COUNTER_LEN = 8,
	MIDS = 65536,
	URI_PATH = 11,
	PROXY_URI = 35,
	TRIES = 5,
	EVENTS = 256,
};

static const uint64_t SECOND = 1000000000;
static const uint64_t RETRANSMIT = 2 * 1000000000ULL;
static const uint64_t SWEEP = 50 * 1000000;
static const uint64_t LIFETIME = 247 * 1000000000ULL;

enum phase {
	WARM_UP,
	COUNT,
	DRAIN,
};

/* A request ready to send but for Message ID and token, and the digits of the
 * request's number, if it has them. */
struct request {
	uint8_t *p;
	size_t n;
	uint8_t *counter;
};

/* Stands for the number until it is known. */
static const char COUNTER[] = "########";

struct client {
	int fd;
	uint16_t port;
	uint16_t mid;
	unsigned mids_left;
	unsigned turn;
	unsigned tries;
	bool waiting;
	bool acked;
	uint64_t token;
	uint64_t begun;
	uint64_t sent;
	/* One per path, and the one outstanding. */
	struct request *requests;
	struct request *request;
};

struct tally {
	uint64_t answered;
	uint64_t wrong;
	uint64_t lost;
	uint64_t stray;
	uint64_t retransmits;
	struct bench_latencies latency;
};

struct load {
	struct sockaddr_in target;
	struct sockaddr_in source;
	const char *path[PATHS_MAX];
	const char *proxy_uri;
	size_t npath;
	size_t nclient;
	size_t payload;
	enum bench_type type;
	bool put;
	uint64_t duration;
	uint64_t warm_up;
	uint64_t requests;
	pid_t watched;

	int ep;
	struct client *client;
	enum phase phase;
	uint64_t issued;
	uint64_t number; /* of the next request */
	uint64_t begun;
	uint64_t ended;
	uint64_t cpu;
	struct tally tally;
	uint64_t retired[MIDS];
};

/* The path with "%c" replaced by the client's number, and "%r" by COUNTER. */
static void
path_expand(char *text, size_t size, const char *path, size_t client)
{
	char number[32];
	const char *sign, *what;
	int n = 0;

	(void)snprintf(number, sizeof(number), "%zu", client);
	while (
	    (sign = strchr(path, '%')) != NULL && n >= 0 && (size_t)n < size) {
		what = sign[1] == 'c' ? number : sign[1] == 'r' ? COUNTER : "%";
		n += snprintf(text + n, size - (size_t)n, "%.*s%s",
		    (int)(sign - path), path, what);
		path = sign + (*what == '%' ? 1 : 2);
	}
	if (n >= 0 && (size_t)n < size)
		n += snprintf(text + n, size - (size_t)n, "%s", path);
	if (n < 0 || (size_t)n >= size)
		errx(2, "path too long");
}

static void
put_counter(uint8_t *p, uint64_t n)
{
	for (int i = COUNTER_LEN - 1; i >= 0; i--, n /= 10)
		p[i] = (uint8_t)('0' + n % 10);
}

static struct request
request_new(const struct load *l, const char *path, size_t client)
{
	uint8_t *p = malloc(MSG_MAX);
	uint8_t *q;
	char text[URI_MAX / 2];
	char uri[URI_MAX];

	if (p == NULL)
		err(1, "no memory");
	q = p + OPTIONS_AT;
	path_expand(text, sizeof(text), path, client);
	if (l->proxy_uri == NULL) {
		q = bench_put_path(q, p + MSG_MAX, URI_PATH, text);
	} else {
		/* What does not fit here is refused by bench_put_option(). */
		(void)snprintf(uri, sizeof(uri), "%s/%s", l->proxy_uri, text);
		q = bench_put_option(
		    q, p + MSG_MAX, PROXY_URI, uri, strlen(uri));
	}
	p[0] = (uint8_t)(0x40 | (unsigned)l->type << 4 | TOKEN_LEN);
	p[1] = l->put ? BENCH_PUT : BENCH_GET;
	if (l->put && l->payload > 0) {
		*q++ = 0xff;
		memset(q, 'x', l->payload);
		q += l->payload;
	}
	return (struct request){
		.p = p,
		.n = (size_t)(q - p),
		.counter = memmem(p, (size_t)(q - p), COUNTER, COUNTER_LEN),
	};
}

/* Length of the payload, or -1 if the options are malformed. */
static long
payload_length(const uint8_t *p, size_t n)
{
	struct bench_options o;
	const uint8_t *payload;
	int more;

	bench_options_init(&o, p, n);
	do
		more = bench_options_next(&o);
	while (more > 0);
	return more < 0 ? -1 : bench_payload(&o, &payload);
}

/* A connected socket; its port in *port. */
static int
socket_open(const struct load *l, uint16_t *port)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	if (bind(fd, (const struct sockaddr *)&l->source, sizeof(l->source)) !=
	    0)
		err(1, "bind");
	if (connect(fd, (const struct sockaddr *)&l->target,
		sizeof(l->target)) != 0)
		err(1, "connect");
	if (getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		err(1, "getsockname");
	*port = ntohs(sin.sin_port);
	return fd;
}

/*
 * Give the client a port whose Message IDs are all free. One whose IDs still
 * live (RFC 7252 4.4) is kept open meanwhile, so that the kernel cannot offer
 * it again.
 */
static void
client_open(struct load *l, struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	uint64_t now = bench_now_ns();
	int held[64];
	size_t n = 0;

	for (;;) {
		c->fd = socket_open(l, &c->port);
		if (l->retired[c->port] == 0 ||
		    now - l->retired[c->port] > LIFETIME)
			break;
		if (n == sizeof(held) / sizeof(held[0]))
			errx(1, "no fresh ports left");
		held[n++] = c->fd;
	}
	while (n > 0)
		close(held[--n]);
	c->mids_left = MIDS;
	ev.data.ptr = c;
	if (epoll_ctl(l->ep, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		err(1, "epoll_ctl");
}

/* A datagram the kernel refuses is lost: the sweep sees to it. */
static void
transmit(struct client *c, uint64_t now)
{
	(void)send(c->fd, c->request->p, c->request->n, 0);
	c->sent = now;
	c->tries++;
}

static void
begin_request(struct load *l, struct client *c, uint64_t now)
{
	if (l->phase == DRAIN)
		return;
	if (l->phase == COUNT && l->requests > 0 && l->issued == l->requests)
		return;
	l->issued++;
	if (c->mids_left == 0) {
		l->retired[c->port] = now;
		close(c->fd);
		client_open(l, c);
	}
	c->mids_left--;
	c->mid++;
	c->token++;
	c->request = &c->requests[c->turn];
	c->turn = (c->turn + 1) % (unsigned)l->npath;
	bench_put16(c->request->p + 2, c->mid);
	memcpy(c->request->p + BENCH_HEADER, &c->token, TOKEN_LEN);
	if (c->request->counter != NULL)
		put_counter(c->request->counter, l->number++);
	c->waiting = true;
	c->acked = false;
	c->tries = 0;
	c->begun = now;
	transmit(c, now);
}

/* The outstanding request is over; count it and go on with the next. */
static void
end_request(struct load *l, struct client *c, uint64_t *counter, uint64_t now)
{
	if (l->phase == COUNT)
		++*counter;
	c->waiting = false;
	begin_request(l, c, now);
}

static void
count(const struct load *l, uint64_t *counter)
{
	if (l->phase == COUNT)
		++*counter;
}

/* RFC 7252 4.2: an empty message about the request of this client. */
static void
empty_in(struct load *l, struct client *c, const uint8_t *p, uint64_t now)
{
	if (!c->waiting || bench_get16(p + 2) != c->mid)
		count(l, &l->tally.stray);
	else if (bench_type(p) == BENCH_ACK)
		c->acked = true;
	else
		end_request(l, c, &l->tally.wrong, now);
}

static void
response_in(struct load *l, struct client *c, const uint8_t *p, size_t n)
{
	const uint8_t ack[BENCH_HEADER] = { 0x60, 0, p[2], p[3] };
	enum bench_type type = bench_type(p);
	uint8_t code = l->put ? BENCH_CHANGED : BENCH_CONTENT;
	long payload = l->put ? 0 : (long)l->payload;
	uint64_t now;

	if (type == BENCH_CON)
		(void)send(c->fd, ack, sizeof(ack), 0);
	if (!c->waiting || (p[0] & 15) != TOKEN_LEN ||
	    memcmp(p + BENCH_HEADER, &c->token, TOKEN_LEN) != 0 ||
	    (type == BENCH_ACK && bench_get16(p + 2) != c->mid)) {
		count(l, &l->tally.stray);
		return;
	}
	now = bench_now_ns();
	if (p[1] != code || payload_length(p, n) != payload) {
		end_request(l, c, &l->tally.wrong, now);
		return;
	}
	if (l->phase == COUNT)
		bench_latency_add(&l->tally.latency, now - c->begun);
	end_request(l, c, &l->tally.answered, now);
}

/*
 * Edge triggered: read until the request is answered, for the next answer
 * will bring another event, or until nothing is left.
 */
static void
client_in(struct load *l, struct client *c)
{
	uint8_t p[BENCH_BUF];
	uint64_t token = c->token;
	ssize_t n;

	while (c->token == token) {
		n = recv(c->fd, p, sizeof(p), 0);
		if (n < 0)
			return;
		if (!bench_header_ok(p, (size_t)n))
			count(l, &l->tally.stray);
		else if (p[1] == 0)
			empty_in(l, c, p, bench_now_ns());
		else
			response_in(l, c, p, (size_t)n);
	}
}

/* Repeat what is due, give up what was repeated in vain. */
static void
sweep(struct load *l, uint64_t now)
{
	for (size_t i = 0; i < l->nclient; i++) {
		struct client *c = &l->client[i];
		bool once = c->acked || l->type == BENCH_NON;

		if (!c->waiting || now - c->sent < RETRANSMIT)
			continue;
		if (c->acked && now - c->begun < TRIES * RETRANSMIT)
			continue;
		if (once || c->tries == TRIES) {
			end_request(l, c, &l->tally.lost, now);
			continue;
		}
		count(l, &l->tally.retransmits);
		transmit(c, now);
	}
}

static size_t
outstanding(const struct load *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->nclient; i++)
		n += l->client[i].waiting;
	return n;
}

static bool
window_over(const struct load *l, uint64_t now)
{
	const struct tally *t = &l->tally;

	if (l->requests == 0)
		return now - l->begun >= l->duration;
	return t->answered + t->wrong + t->lost >= l->requests;
}

/* Go from warming up to counting to draining; false: all done. */
static bool
advance(struct load *l, uint64_t now)
{
	/* So long the last answers may take before the sockets close. */
	static const uint64_t linger = 200 * 1000000;

	if (l->phase == WARM_UP && now - l->begun >= l->warm_up) {
		l->phase = COUNT;
		l->begun = now;
		l->issued = outstanding(l);
		l->cpu = bench_cpu_ns(l->watched);
	} else if (l->phase == COUNT && window_over(l, now)) {
		l->phase = DRAIN;
		l->ended = now;
		l->cpu = bench_cpu_ns(l->watched) - l->cpu;
	}
	return l->phase != DRAIN ||
	    (now - l->ended < linger && outstanding(l) > 0);
}

static void
run(struct load *l)
{
	struct epoll_event ev[EVENTS];
	uint64_t now = bench_now_ns();
	uint64_t swept = now;
	int n;

	l->begun = now;
	(void)advance(l, now);
	for (size_t i = 0; i < l->nclient; i++)
		begin_request(l, &l->client[i], now);
	while (advance(l, now)) {
		n = epoll_wait(l->ep, ev, EVENTS, (int)(SWEEP / 1000000));
		for (int i = 0; i < n; i++)
			client_in(l, ev[i].data.ptr);
		now = bench_now_ns();
		if (now - swept >= SWEEP) {
			sweep(l, now);
			swept = now;
		}
	}
}

static bool
report(const struct load *l)
{
	const struct tally *t = &l->tally;
	uint64_t ns = l->ended - l->begun;
	uint64_t rate = t->answered * SECOND / (ns > 0 ? ns : 1);

	printf("answered=%" PRIu64 " wrong=%" PRIu64 " lost=%" PRIu64
	       " stray=%" PRIu64 " retransmits=%" PRIu64,
	    t->answered, t->wrong, t->lost, t->stray, t->retransmits);
	printf(" seconds=%" PRIu64 ".%03" PRIu64 " rate=%" PRIu64, ns / SECOND,
	    ns % SECOND / 1000000, rate);
	bench_print_us("p50_us", bench_latency(&t->latency, 50));
	bench_print_us("p99_us", bench_latency(&t->latency, 99));
	if (l->watched != 0)
		bench_print_us("cpu_us", l->cpu);
	putchar('\n');
	if (fflush(stdout) != 0)
		err(1, "standard output");
	return t->answered > 0 && t->wrong + t->lost + t->stray == 0;
}

static void
clients_open(struct load *l)
{
	bench_many_files();
	l->ep = epoll_create1(EPOLL_CLOEXEC);
	l->client = calloc(l->nclient, sizeof(l->client[0]));
	if (l->ep < 0 || l->client == NULL)
		err(1, "epoll or memory");
	for (size_t i = 0; i < l->nclient; i++) {
		struct client *c = &l->client[i];

		c->requests = calloc(l->npath, sizeof(c->requests[0]));
		if (c->requests == NULL)
			err(1, "no memory");
		for (size_t k = 0; k < l->npath; k++)
			c->requests[k] = request_new(l, l->path[k], i);
		if (getrandom(&c->token, sizeof(c->token), 0) < 0 ||
		    getrandom(&c->mid, sizeof(c->mid), 0) < 0)
			err(1, "getrandom");
		client_open(l, c);
	}
}

static void
load_free(struct load *l)
{
	for (size_t i = 0; i < l->nclient; i++) {
		for (size_t k = 0; k < l->npath; k++)
			free(l->client[i].requests[k].p);
		free(l->client[i].requests);
		close(l->client[i].fd);
	}
	free(l->client);
	close(l->ep);
	free(l);
}

static void
usage(void)
{
	errx(2,
	    "usage: load [-c CLIENTS] [-d SECONDS | -n REQUESTS] "
	    "[-w SECONDS] [-t con|non]\n"
	    "       [-m get|put] [-s OCTETS] [-u PATH]... [-x URI] "
	    "[-b ADDRESS] [-P PID] ADDRESS:PORT");
}

static void
path_add(struct load *l, const char *path)
{
	if (l->npath == PATHS_MAX)
		errx(2, "more than %d paths", (int)PATHS_MAX);
	l->path[l->npath++] = path + (*path == '/');
}

static void
set_type(struct load *l, const char *s)
{
	if (strcmp(s, "con") != 0 && strcmp(s, "non") != 0)
		usage();
	l->type = strcmp(s, "con") == 0 ? BENCH_CON : BENCH_NON;
}

static void
set_method(struct load *l, const char *s)
{
	if (strcmp(s, "get") != 0 && strcmp(s, "put") != 0)
		usage();
	l->put = strcmp(s, "put") == 0;
}

static uint64_t
seconds(const char *s)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end != '\0' || !(v >= 0 && v <= 86400))
		errx(2, "'%s' is not a number of seconds", s);
	return (uint64_t)(v * 1e9);
}

static void
option(struct load *l, int opt, const char *arg)
{
	if (opt == 'c')
		l->nclient = bench_number(arg, CLIENTS_MAX);
	else if (opt == 'd')
		l->duration = seconds(arg);
	else if (opt == 'n')
		l->requests = bench_number(arg, UINT32_MAX);
	else if (opt == 'w')
		l->warm_up = seconds(arg);
	else if (opt == 't')
		set_type(l, arg);
	else if (opt == 'm')
		set_method(l, arg);
	else if (opt == 's')
		l->payload = bench_number(arg, BENCH_PAYLOAD_MAX);
	else if (opt == 'u')
		path_add(l, arg);
	else if (opt == 'x')
		l->proxy_uri = arg;
	else if (opt == 'b')
		l->source = bench_addr(arg);
	else if (opt == 'P')
		l->watched = (pid_t)bench_number(arg, INT32_MAX);
	else
		usage();
}

int
main(int argc, char **argv)
{
	struct load *l = calloc(1, sizeof(*l));
	bool good;
	int opt;

	if (l == NULL)
		err(1, "no memory");
	l->source = bench_addr("0.0.0.0");
	l->nclient = 1;
	l->payload = 64;
	l->duration = 3 * SECOND;
	while ((opt = getopt(argc, argv, "c:d:n:w:t:m:s:u:x:b:P:")) != -1)
		option(l, opt, optarg);
	if (optind + 1 != argc || l->nclient == 0)
		usage();
	if (l->npath == 0)
		path_add(l, "bench");
	l->target = bench_addr(argv[optind]);
	clients_open(l);
	run(l);
	good = report(l);
	load_free(l);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
