/*
 * lockstep: clients and an origin that let the proxy do one thing at a time,
 * so that counts of what it does are the same each time.
 *
 * How much a request costs depends on how many come at once, and that on the
 * moment. So here the proxy is stopped while all clients send a request each,
 * and goes on when all of them wait for it; then the same with the answers.
 * How fast anybody is does not matter, the proxy may run in valgrind.
 *
 *	lockstep [-c CLIENTS] [-t con|non|put] [-s OCTETS] [-a MAX-AGE] [-x]
 *	    [-o | -f]
 *
 * -x  send Proxy-Uri instead of Uri-Path
 * -f  nobody asks for the same path twice
 * -o  all clients observe one resource, and a step is a notification to each
 *     of them, and then their acknowledgements
 *
 * Prints "ready: PORT", that of the origin, and then carries out the lines of
 * standard input:
 *
 *	aim ADDRESS:PORT PID	the proxy
 *	run STEPS		prints "answered=N asked=N disturbed=N": answers to
 *				clients, requests at the origin, and messages
 *				that would not be there if nothing took long
 *
 * Exit status 1 if something is wrong, or not there within a minute.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

enum {
	CLIENTS_MAX = 64,
	MSG_MAX = 2048,
	TOKEN_LEN = 8,
	LINE_MAX_LEN = 128,
	PROXY_URI = 35,
	PATIENCE = 60,
};

static const uint64_t SECOND = 1000000000;

struct message {
	uint8_t p[MSG_MAX];
	size_t n;
	struct sockaddr_in from;
};

struct lockstep {
	size_t nclient;
	enum bench_type type;
	bool put, forward, observe, fresh;
	size_t size;
	uint32_t age;

	int origin;
	uint16_t port;
	pid_t proxy;
	int client[CLIENTS_MAX];
	struct message request[CLIENTS_MAX];
	/* Requests that the origin has in this step. */
	struct message held[CLIENTS_MAX];
	size_t nheld;
	bool has[CLIENTS_MAX]; /* its answer */
	size_t nhas;
	bool owes[CLIENTS_MAX]; /* the acknowledgement of owed_mid */
	uint16_t owed_mid[CLIENTS_MAX];
	struct message registration;
	uint32_t state;
	uint16_t mid, origin_mid;
	uint64_t token;
	uint64_t answered, asked, disturbed;
};

/* The letter that /proc has for what the process is doing. */
static char
state_of(pid_t pid)
{
	char name[64], text[512];
	const char *end;
	FILE *f;
	size_t n;

	(void)snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	f = fopen(name, "r");
	if (f == NULL)
		err(1, "%s", name);
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	end = strrchr(text, ')');
	if (end == NULL || end[1] != ' ')
		errx(1, "%s: what is this?", name);
	return end[2];
}

static void
wait_state(pid_t pid, char wanted)
{
	static const struct timespec pause = { .tv_nsec = 20000 };
	uint64_t begun = bench_now_ns();

	while (state_of(pid) != wanted) {
		if (bench_now_ns() - begun > PATIENCE * SECOND)
			errx(1, "process %d is not in state %c", (int)pid,
			    wanted);
		(void)nanosleep(&pause, NULL);
	}
}

/* While it waits for something to do: so it always stops at the same place. */
static void
hold(const struct lockstep *l)
{
	wait_state(l->proxy, 'S');
	if (kill(l->proxy, SIGSTOP) != 0)
		err(1, "stop the proxy");
	wait_state(l->proxy, 'T');
}

static void
release(const struct lockstep *l)
{
	if (kill(l->proxy, SIGCONT) != 0)
		err(1, "continue the proxy");
}

/* Request number NUMBER, from client I. */
static void
request_init(struct lockstep *l, size_t i, uint64_t number)
{
	struct message *m = &l->request[i];
	const uint8_t *end = m->p + sizeof(m->p);
	uint8_t *q = m->p + BENCH_HEADER + TOKEN_LEN;
	unsigned delta = BENCH_URI_PATH;
	char text[128];

	m->p[0] = (uint8_t)(0x40 | (unsigned)l->type << 4 | TOKEN_LEN);
	m->p[1] = l->put ? BENCH_PUT : BENCH_GET;
	if (l->observe) {
		q = bench_put_option(q, end, BENCH_OBSERVE, "", 0);
		delta -= BENCH_OBSERVE;
	}
	if (l->forward) {
		(void)snprintf(text, sizeof(text),
		    "coap://127.0.0.1:%u/s/%llu/temperature", (unsigned)l->port,
		    (unsigned long long)number);
		q = bench_put_option(q, end, PROXY_URI, text, strlen(text));
	} else {
		(void)snprintf(text, sizeof(text), "s/%llu/temperature",
		    (unsigned long long)number);
		q = bench_put_path(q, end, delta, text);
	}
	if (l->put) {
		*q++ = 0xff;
		memset(q, 'x', l->size);
		q += l->size;
	}
	m->n = (size_t)(q - m->p);
}

static void
ask(struct lockstep *l, size_t i)
{
	struct message *m = &l->request[i];

	if (l->fresh)
		request_init(l, i, l->answered + i);
	bench_put16(m->p + 2, l->mid);
	memcpy(m->p + BENCH_HEADER, &l->token, TOKEN_LEN);
	if (send(l->client[i], m->p, m->n, 0) != (ssize_t)m->n)
		err(1, "send a request");
}

/* What the origin says to the request D, at P: in an ACK, if CON. How long that
 * is. */
static size_t
answer(struct lockstep *l, uint8_t *p, const struct message *d, bool con)
{
	size_t token = d->p[0] & 15u;
	const uint8_t *end = p + MSG_MAX;
	uint8_t value[4];
	unsigned delta = BENCH_MAX_AGE;
	uint8_t *q = p + BENCH_HEADER + token;

	memcpy(p, d->p, BENCH_HEADER + token);
	p[0] = (uint8_t)((con ? 0x60 : 0x50) | token);
	if (!con)
		bench_put16(p + 2, l->origin_mid++);
	p[1] = l->put ? BENCH_CHANGED : BENCH_CONTENT;
	if (l->put)
		return (size_t)(q - p);
	if (l->observe) {
		q = bench_put_option(q, end, BENCH_OBSERVE, value,
		    bench_put_uint(value, ++l->state));
		delta -= BENCH_OBSERVE;
	}
	q = bench_put_option(
	    q, end, delta, value, bench_put_uint(value, l->age));
	*q++ = 0xff;
	memset(q, 'x', l->size);
	return (size_t)(q + l->size - p);
}

static bool
receive(int fd, struct message *m)
{
	socklen_t len = sizeof(m->from);
	ssize_t n = recvfrom(fd, m->p, sizeof(m->p), MSG_DONTWAIT,
	    (struct sockaddr *)&m->from, &len);

	if (n < 0)
		return false;
	if (!bench_header_ok(m->p, (size_t)n))
		errx(1, "the proxy sends what is no CoAP");
	m->n = (size_t)n;
	return true;
}

static void
origin_in(struct lockstep *l)
{
	struct message m;

	while (receive(l->origin, &m)) {
		if (m.p[1] != (l->put ? BENCH_PUT : BENCH_GET) ||
		    l->nheld == l->nclient)
			l->disturbed++;
		else
			l->held[l->nheld++] = m;
	}
}

static void
client_in(struct lockstep *l, size_t i)
{
	struct message m;

	while (receive(l->client[i], &m)) {
		if (m.p[1] == 0 || l->has[i]) {
			l->disturbed++;
			continue;
		}
		if (m.p[1] != (l->put ? BENCH_CHANGED : BENCH_CONTENT) ||
		    memcmp(m.p + BENCH_HEADER, &l->token, TOKEN_LEN) != 0 ||
		    (!l->put && m.n < l->size))
			errx(1, "a wrong answer, code %02x", m.p[1]);
		l->has[i] = true;
		l->nhas++;
		l->owes[i] = bench_type(m.p) == BENCH_CON;
		l->owed_mid[i] = bench_get16(m.p + 2);
	}
}

/* Until so many requests and answers are there. */
static void
wait_for(struct lockstep *l, size_t n)
{
	struct pollfd fd[CLIENTS_MAX + 1];
	size_t i;

	while (l->nheld + l->nhas < n) {
		for (i = 0; i < l->nclient; i++)
			fd[i] = (struct pollfd){ .fd = l->client[i],
				.events = POLLIN };
		fd[i] = (struct pollfd){ .fd = l->origin, .events = POLLIN };
		if (poll(fd, l->nclient + 1, PATIENCE * 1000) <= 0)
			errx(1, "the proxy says nothing");
		for (i = 0; i < l->nclient; i++)
			if (fd[i].revents != 0)
				client_in(l, i);
		if (fd[i].revents != 0)
			origin_in(l);
	}
}

static void
tell(struct lockstep *l, const struct message *d, bool con)
{
	uint8_t p[MSG_MAX];
	size_t n = answer(l, p, d, con);

	if (sendto(l->origin, p, n, 0, (const struct sockaddr *)&d->from,
		sizeof(d->from)) != (ssize_t)n)
		err(1, "send an answer");
}

static void
answer_all(struct lockstep *l)
{
	for (size_t i = 0; i < l->nheld; i++)
		tell(l, &l->held[i], bench_type(l->held[i].p) == BENCH_CON);
	l->asked += l->nheld;
	l->nheld = 0;
}

static void
expect_all(struct lockstep *l)
{
	l->nhas = 0;
	memset(l->has, 0, sizeof(l->has));
}

/* The proxy asks once for all of them. */
static void
registrations(struct lockstep *l)
{
	expect_all(l);
	hold(l);
	for (size_t i = 0; i < l->nclient; i++)
		ask(l, i);
	release(l);
	wait_for(l, 1);
	l->registration = l->held[0];
	hold(l);
	answer_all(l);
	release(l);
	wait_for(l, l->nclient);
}

static void
acknowledge(const struct lockstep *l)
{
	uint8_t ack[BENCH_HEADER] = { 0x60 };

	hold(l);
	for (size_t i = 0; i < l->nclient; i++) {
		bench_put16(ack + 2, l->owed_mid[i]);
		if (l->owes[i] &&
		    send(l->client[i], ack, sizeof(ack), 0) != sizeof(ack))
			err(1, "send an acknowledgement");
	}
	release(l);
}

static void
notification(struct lockstep *l)
{
	if (l->registration.n == 0)
		registrations(l);
	expect_all(l);
	hold(l);
	tell(l, &l->registration, false);
	release(l);
	wait_for(l, l->nclient);
	acknowledge(l);
	l->answered += l->nhas;
}

static void
step(struct lockstep *l)
{
	if (l->observe) {
		notification(l);
		return;
	}
	l->mid++;
	l->token++;
	expect_all(l);
	hold(l);
	for (size_t i = 0; i < l->nclient; i++)
		ask(l, i);
	release(l);
	wait_for(l, l->nclient);
	if (l->nheld > 0) {
		hold(l);
		answer_all(l);
		release(l);
		wait_for(l, l->nclient);
	}
	l->answered += l->nhas;
}

static void
run(struct lockstep *l, unsigned long steps)
{
	if (l->proxy == 0)
		errx(2, "run: at which proxy?");
	for (unsigned long i = 0; i < steps; i++)
		step(l);
	/* What the last one leaves behind belongs to it. */
	wait_state(l->proxy, 'S');
	printf("answered=%llu asked=%llu disturbed=%llu\n",
	    (unsigned long long)l->answered, (unsigned long long)l->asked,
	    (unsigned long long)l->disturbed);
	if (fflush(stdout) != 0)
		err(1, "standard output");
}

static void
aim(struct lockstep *l, const char *proxy, const char *pid)
{
	struct sockaddr_in to = bench_addr(proxy);

	l->proxy = (pid_t)bench_number(pid, INT32_MAX);
	for (size_t i = 0; i < l->nclient; i++) {
		uint16_t port = 0;

		l->client[i] = bench_bind(&port);
		if (connect(l->client[i], (struct sockaddr *)&to, sizeof(to)) !=
		    0)
			err(1, "connect to %s", proxy);
		request_init(l, i, l->observe ? 0 : i);
	}
}

static void
command(struct lockstep *l, char *line)
{
	char *save = NULL;
	const char *verb = strtok_r(line, " \n", &save);
	const char *first = strtok_r(NULL, " \n", &save);
	const char *second = strtok_r(NULL, " \n", &save);

	if (verb != NULL && first != NULL && strcmp(verb, "run") == 0)
		run(l, bench_number(first, UINT16_MAX));
	else if (second != NULL && strcmp(verb, "aim") == 0 && l->proxy == 0)
		aim(l, first, second);
	else
		errx(2, "commands: aim ADDRESS:PORT PID, once; run STEPS");
}

static void
set_type(struct lockstep *l, const char *s)
{
	l->put = strcmp(s, "put") == 0;
	l->type = strcmp(s, "non") == 0 ? BENCH_NON : BENCH_CON;
	if (!l->put && l->type == BENCH_CON && strcmp(s, "con") != 0)
		errx(2, "-t con, non or put");
}

static void
options(struct lockstep *l, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "c:t:s:a:xof")) != -1) {
		if (opt == 'c')
			l->nclient = bench_number(optarg, CLIENTS_MAX);
		else if (opt == 't')
			set_type(l, optarg);
		else if (opt == 's')
			l->size = bench_number(optarg, BENCH_PAYLOAD_MAX);
		else if (opt == 'a')
			l->age = (uint32_t)bench_number(optarg, UINT32_MAX);
		else if (opt == 'x')
			l->forward = true;
		else if (opt == 'o')
			l->observe = true;
		else if (opt == 'f')
			l->fresh = true;
		else
			errx(2,
			    "usage: lockstep [-c CLIENTS] [-t con|non|put] "
			    "[-s OCTETS] [-a MAX-AGE] [-x] [-o|-f]");
	}
	if (optind != argc || l->nclient == 0)
		errx(2, "lockstep: -c 1 or more, and no other words");
}

int
main(int argc, char **argv)
{
	struct lockstep *l = calloc(1, sizeof(*l));
	char line[LINE_MAX_LEN];

	if (l == NULL)
		err(1, "no memory");
	l->nclient = 16;
	l->size = 64;
	options(l, argc, argv);
	l->origin = bench_bind(&l->port);
	printf("ready: %u\n", (unsigned)l->port);
	if (fflush(stdout) != 0)
		err(1, "standard output");
	while (fgets(line, sizeof(line), stdin) != NULL)
		command(l, line);
	/* Sockets are closed by the end. */
	free(l);
	return EXIT_SUCCESS;
}
