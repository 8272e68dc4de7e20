/*
 * fuzz_http: any octets, at any time, over connections to the metrics listener.
 *
 * The input is a program: connections are opened, written to, ended in one way
 * or another; time passes; the listener is retired. What is required: what comes
 * back is one whole response, whoever is idle loses his connection when its time
 * is over, a good request is answered then, and nothing is left.
 */
#include "fuzz.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/http.h"
#include "turn.h"
#include "world.h"

enum {
	CONNS = HTTP_CONNS + 4,
	STEPS = 64,
	ANSWER_MAX = 1 << 17,
	KERNEL_TURN = 100,	/* enough when all arrives at once */
	LAST_TURN = 5000,
};

static const char conf[] = "[cache]\nsize = 64K\n";

/* What a client may say without spelling it out. */
static const char *const words[] = {
	"GET / HTTP/1.1\r\n", "GET /metrics HTTP/1.0\r\n",
	"GET /healthz HTTP/1.1\r\n", "HEAD /metrics HTTP/1.1\r\n",
	"POST / HTTP/1.1\r\n", "Host: x\r\n", "Connection: keep-alive\r\n",
	"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n",
	"Expect: 100-continue\r\n", "\r\n", "5\r\nhello\r\n0\r\n\r\n",
	"GET http://[::1]:1/metrics?a=b HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n",
	"GET /healthz HTTP/1.1\r\n\r\n", " ",
};

struct client {
	int fd;			/* -1: none */
	bool over;		/* the other side has closed */
	size_t n;
	char answer[ANSWER_MAX];
};

static struct {
	struct loop *loop;
	struct udp *udp;
	struct resolver *resolver;
	struct server *server;
	struct world world;
	struct sources src;
	struct http *http;
	struct client clients[CONNS];
	const uint8_t *p;	/* the input, as far as it is not used up */
	size_t n;
} f;

static void
require(bool fact, const char *why)
{
	if (fact)
		return;
	fprintf(stderr, "%s\n", why);
	abort();
}

static uint8_t
take(void)
{
	if (f.n == 0)
		return 0;
	f.n--;
	return *f.p++;
}

/* ---- set up once ---- */

static void
clean_up(void)
{
	proxy_free(f.world.proxy);
	f.world.proxy = NULL;
	server_free(f.server);
	world_fini(&f.world);
	resolve_free(f.resolver);
	udp_free(f.udp);
	loop_free(f.loop);
}

static void
set_up(void)
{
	const struct dns_conf dns = { .timeout_ms = 1000 };
	static const char *const names[] = { "all" };
	struct world *w = &f.world;

	log_level = LOG_ERROR;
	(void)signal(SIGPIPE, SIG_IGN);
	f.loop = turn_init();
	f.udp = f.loop != NULL ? udp_new(f.loop) : NULL;
	f.resolver = f.loop != NULL ? resolve_new(f.loop, &dns) : NULL;
	require(f.udp != NULL && f.resolver != NULL, "no loop");
	require(world_init(w, "conf", conf, 1), "no proxy");
	f.server = server_new(&w->conf->message, &w->timers, w->bufs, &w->rnd,
	    w->proxy);
	require(f.server != NULL, "no server");
	f.src = (struct sources){ .version = "0", .name = "fuzz",
		.addresses = "coap://*", .config = { .file = "-" },
		.listeners = names, .nlisteners = 1, .loop = f.loop,
		.udp = f.udp, .resolver = f.resolver, .proxy = w->proxy,
		.server = f.server, .client = w->client, .bufs = w->bufs,
		.rules = &w->conf->rules };
	(void)atexit(clean_up);
}

/* ---- connections ---- */

/* With a reset, so that ports can be had again at once. */
static void
hang_up(struct client *c)
{
	const struct linger now = { 1, 0 };

	if (c->fd < 0)
		return;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
}

/* Nobody if as many wait as the kernel keeps: it would try again some time. */
static void
call(struct client *c)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(http_addr(f.http), &ss);

	hang_up(c);
	c->over = false;
	c->n = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	require(c->fd >= 0, "no socket");
	(void)connect(c->fd, (const struct sockaddr *)&ss, n);
	if (getpeername(c->fd, (struct sockaddr *)&ss, &n) != 0)
		hang_up(c);
}

static void
hear(struct client *c)
{
	ssize_t n = 0;

	while (c->fd >= 0 && !c->over) {
		require(c->n < ANSWER_MAX - 1, "an answer without end");
		n = recv(c->fd, c->answer + c->n, ANSWER_MAX - 1 - c->n, 0);
		if (n < 0 && errno == EAGAIN)
			break;
		c->over = n <= 0;
		c->n += n > 0 ? (size_t)n : 0;
	}
}

static void
turns(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		turn();
		for (size_t j = 0; j < CONNS; j++)
			hear(&f.clients[j]);
	}
}

/* Behind 100 (Continue), of whatever version. */
static char *
skip_continue(char *p)
{
	static const char went_on[] = " 100 Continue\r\n\r\n";
	char *blank = strchr(p, ' ');

	if (blank == NULL || strncmp(blank, went_on, sizeof(went_on) - 1) != 0)
		return p;
	return blank + sizeof(went_on) - 1;
}

/* A head, and as much behind it as that says. */
static void
check_answer(struct client *c, bool cut)
{
	char *p = c->answer, *body, *length;
	unsigned long n;

	c->answer[c->n] = '\0';
	require(strlen(c->answer) == c->n, "no text");
	p = skip_continue(p);
	if (*p == '\0')
		return;
	/* The version is what the client has said. */
	require(strncmp(p, "HTTP/", 5) == 0, "no HTTP");
	body = strstr(p, "\r\n\r\n");
	if (body == NULL) {
		require(cut, "half a head");
		return;
	}
	*body = '\0';
	body += 4;
	length = strstr(p, "\r\nContent-Length: ");
	require(strstr(body, "HTTP/") == NULL, "more than one answer");
	if (length == NULL)
		return;
	n = strtoul(length + 18, NULL, 10);
	require(strlen(body) <= n, "more than an answer");
	require(cut || strlen(body) == n, "half an answer");
}

/* ---- steps ---- */

static struct client *
take_client(void)
{
	return &f.clients[take() % CONNS];
}

static void
step_call(void)
{
	call(take_client());
}

static void
say(const struct client *c, const void *p, size_t n)
{
	if (c->fd >= 0)
		(void)send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
step_words(void)
{
	const struct client *c = take_client();
	uint8_t n = take() & 15;

	for (unsigned i = 0; i <= n && f.n > 0; i++) {
		const char *w = words[take() & 15];

		say(c, w, strlen(w));
	}
}

static void
step_octets(void)
{
	const struct client *c = take_client();
	size_t n = take();

	if (n > f.n)
		n = f.n;
	say(c, f.p, n);
	f.p += n;
	f.n -= n;
}

/* More than a head may have. */
static void
step_many(void)
{
	static char many[HTTP_HEAD + 100];
	const struct client *c = take_client();

	memset(many, 'a' + take() % 26, sizeof(many));
	say(c, many, sizeof(many));
}

static void
step_end(void)
{
	struct client *c = take_client();
	uint8_t how = take();

	if (c->fd >= 0 && how % 2 == 0)
		shutdown(c->fd, SHUT_WR);
	else
		hang_up(c);
}

static void
step_wait(void)
{
	static const uint16_t ms[] = { 1, 100, 101, 1000, 5000, 9999, 10000,
		20000 };

	turn_wait(ms[take() % 8]);
}

/* Everybody, at once. */
static void
step_crowd(void)
{
	const char *w = words[take() & 15];

	for (size_t i = 0; i < CONNS; i++) {
		call(&f.clients[i]);
		say(&f.clients[i], w, strlen(w));
	}
}

static void (*const steps[])(void) = {
	step_call, step_words, step_octets, step_end, step_wait, step_many,
	step_crowd, step_words,
};

/* ---- the end ---- */

static bool
all_over(void)
{
	for (size_t i = 0; i < CONNS; i++)
		if (f.clients[i].fd >= 0 && !f.clients[i].over)
			return false;
	return http_idle(f.http);
}

/* The kernel may be slow to deliver; after a while it gets real time. */
static void
wait_for_kernel(unsigned turn)
{
	require(turn < LAST_TURN, "a connection lasts");
	if (turn > KERNEL_TURN)
		(void)poll(NULL, 0, 1);
}

/* Those who have been accepted lose their connections, and others take their
 * places, until nobody waits. */
static void
run_out(void)
{
	turns(2);
	for (unsigned i = 0; !all_over(); i++) {
		wait_for_kernel(i);
		turn_wait(1000);
		turns(2);
	}
	for (size_t i = 0; i < CONNS; i++) {
		if (f.clients[i].fd >= 0)
			check_answer(&f.clients[i], true);
		hang_up(&f.clients[i]);
	}
}

static void
probe(void)
{
	struct client *c = &f.clients[0];
	const char *w = words[14];

	call(c);
	say(c, w, strlen(w));
	for (unsigned i = 0; !c->over; i++) {
		wait_for_kernel(i);
		turns(1);
	}
	require(c->n > 12 && memcmp(c->answer + 9, "200", 3) == 0,
	    "a good request is not answered");
	check_answer(c, false);
	hang_up(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct addr any = { .ip = { 127, 0, 0, 1 }, .family = 4 };
	int descriptor;

	if (f.loop == NULL)
		set_up();
	descriptor = turn_descriptor();
	f.http = http_new(f.loop, &any, &f.src, NULL);
	require(f.http != NULL, "no listener");
	for (size_t i = 0; i < CONNS; i++)
		f.clients[i].fd = -1;
	f.p = data;
	f.n = size;
	for (unsigned i = 0; i < STEPS && f.n > 0; i++) {
		steps[take() % (sizeof(steps) / sizeof(steps[0]))]();
		turns(2);
	}
	if (size % 4 != 0) {
		run_out();
		probe();
	}
	if (size % 2 == 0)
		http_retire(f.http);
	turns(1);
	http_free(f.http);
	for (size_t i = 0; i < CONNS; i++)
		hang_up(&f.clients[i]);
	turns(2);
	require(turn_idle(), "a timer is left");
	require(turn_descriptor() == descriptor, "a descriptor is left");
	return 0;
}
