/*
 * fuzz_dns: what name servers say, to those who look up names.
 *
 * The input is a program: names are asked for, questions answered, well or with
 * any octets, by the server that was asked or another; time passes, the
 * configuration changes. What is required: whoever has asked is told once, not
 * before his call returns, and not if he has cancelled; of addresses that
 * somebody has said, in order; nothing is known when its time is over; nothing
 * is left at the end.
 */
#include "fuzz.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rand.h"
#include "net/resolve.h"
#include "turn.h"

enum {
	SERVERS = 2,
	ASKS = 32,		/* in one input */
	QUESTIONS = 32,		/* that are remembered */
	QUESTION_OCTETS = 300,
	HEADER = 12,		/* of a message, in octets */
	STEPS = 100,
	DATAGRAM = 1400,
	SAID = 1 << 16,
	TIMEOUT_MS = 2000,
	MIN_TTL_MS = 1000,
	MAX_TTL_MS = 3600000,
	END_TURNS = 1000,
};

/* Somebody who asks. */
struct ask {
	struct resolve *q;	/* NULL: told, or he has cancelled */
	bool calling;		/* start() has not returned */
	bool any;		/* a name that the hosts file may have */
	bool told;
};

/* A datagram that arrived at a server. */
struct question {
	struct sockaddr_in from;
	int server;
	size_t n;
	uint8_t octets[QUESTION_OCTETS];
};

static const char *const names[] = {
	"a.test", "b.test", "A.TEST", "short", "x.a.test", "a.test.", "_s.test",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test",
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static struct {
	struct loop *loop;
	int fd[SERVERS];
	struct addr addr[SERVERS];
	struct resolver *r;
	struct dns_conf conf;
	struct ask ask[ASKS];
	size_t asks;
	struct question questions[QUESTIONS];
	size_t nquestions;	/* altogether; the last ones are in the ring */
	uint8_t last[DATAGRAM];
	size_t nlast;
	uint8_t said[SAID];	/* what servers have said, all of it */
	size_t nsaid;
	const uint8_t *p;	/* the input, as far as it is not used up */
	size_t n;
} f;

void __wrap_rand_init(struct rand *r);

/* So that tables look the same in every run. */
void
__wrap_rand_init(struct rand *r)
{
	rand_init_fixed(r, 1);
}

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

static struct span
take_span(size_t n)
{
	struct span s = span_make(f.p, n < f.n ? n : f.n);

	f.p += s.n;
	f.n -= s.n;
	return s;
}

/* ---- set up once ---- */

static void
clean_up(void)
{
	for (size_t i = 0; i < SERVERS; i++)
		close(f.fd[i]);
	loop_free(f.loop);
}

static void
open_server(size_t i)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);

	f.fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	require(f.fd[i] >= 0 &&
		bind(f.fd[i], (const struct sockaddr *)&in, n) == 0 &&
		getsockname(f.fd[i], (struct sockaddr *)&in, &n) == 0 &&
		addr_from_sockaddr(&f.addr[i], (struct sockaddr *)&in),
	    "no name server");
}

static void
set_up(void)
{
	log_level = LOG_ERROR;
	f.loop = turn_init();
	require(f.loop != NULL, "no loop");
	for (size_t i = 0; i < SERVERS; i++)
		open_server(i);
	(void)atexit(clean_up);
}

/* ---- those who ask ---- */

static bool
was_said(const struct addr *a)
{
	size_t n = a->family == 4 ? 4 : 16;

	return memmem(f.said, f.nsaid, a->ip, n) != NULL;
}

/* IPv6 first; a hosts file has an order of its own. */
static void
check_addrs(const struct addr *v, size_t n, bool any)
{
	bool four = false;

	require(n <= RESOLVE_MAX_ADDRS, "too many addresses");
	for (size_t i = 0; i < n; i++) {
		require(v[i].family == 4 || v[i].family == 6, "no address");
		require(any || v[i].family == 4 || !four, "not in order");
		four = v[i].family == 4;
		require(v[i].port == 0, "a port");
		require(any || was_said(&v[i]), "an address nobody has said");
	}
}

static void
told_cb(void *user, enum resolve_result result, const struct addr *v, size_t n,
    uint64_t now)
{
	struct ask *k = user;

	(void)now;
	require(!k->calling, "told before the call returns");
	require(!k->told && k->q != NULL, "told twice, or for nothing");
	k->told = true;
	k->q = NULL;
	require((n > 0) == (result == RESOLVE_OK), "addresses or none");
	check_addrs(v, n, k->any);
}

/* One of the names, or any octets. */
static struct span
take_name(bool *any)
{
	uint8_t which = take();

	*any = which >= 0x80;
	if (*any)
		return take_span(which & 0x7f);
	return span_str(names[which % NAMES]);
}

static void
step_ask(void)
{
	struct ask *k = &f.ask[f.asks];
	struct span name;
	struct addr known[RESOLVE_MAX_ADDRS];
	int n;

	if (f.asks == ASKS)
		return;
	*k = (struct ask){ .calling = true };
	name = take_name(&k->any);
	n = f.r->ops->cached(f.r, name, known, loop_now(f.loop));
	require(n >= -1, "less than nothing is known");
	check_addrs(known, n > 0 ? (size_t)n : 0, k->any);
	k->q = f.r->ops->start(f.r, name, told_cb, k);
	k->calling = false;
	if (k->q != NULL)
		f.asks++;
}

static void
step_cancel(void)
{
	struct ask *k = &f.ask[take() % ASKS];

	if (k->q != NULL)
		f.r->ops->cancel(k->q);
	k->q = NULL;
}

/* ---- name servers ---- */

static void
collect(void)
{
	struct question *q;
	socklen_t len;
	ssize_t n;

	for (int i = 0; i < SERVERS; i++)
		for (;;) {
			q = &f.questions[f.nquestions % QUESTIONS];
			len = sizeof(q->from);
			n = recvfrom(f.fd[i], q->octets, sizeof(q->octets), 0,
			    (struct sockaddr *)&q->from, &len);
			if (n < 0)
				break;
			require(n > HEADER && n < QUESTION_OCTETS,
			    "no question");
			q->server = i;
			q->n = (size_t)n;
			f.nquestions++;
		}
}

static const struct question *
take_question(void)
{
	size_t n = f.nquestions < QUESTIONS ? f.nquestions : QUESTIONS;
	size_t back = take();

	if (n == 0)
		return NULL;
	return &f.questions[(f.nquestions - 1 - back % n) % QUESTIONS];
}

static void
say(const struct question *q, int server, const uint8_t *p, size_t n)
{
	if (n > SAID - f.nsaid)
		return;
	if (n > 0)
		memcpy(f.said + f.nsaid, p, n);
	f.nsaid += n;
	(void)sendto(f.fd[server], p, n, MSG_DONTWAIT,
	    (const struct sockaddr *)&q->from, sizeof(q->from));
}

/* The header and question of Q in OUT, as a response; where to go on. */
static size_t
begin_response(const struct question *q, uint8_t *out, uint8_t rcode)
{
	memcpy(out, q->octets, q->n);
	out[2] = 0x84;
	out[3] = rcode;
	return q->n;
}

static size_t
put_octets(uint8_t *out, size_t n, const void *p, size_t octets)
{
	if (octets > DATAGRAM - n)
		octets = DATAGRAM - n;
	if (octets > 0)
		memcpy(out + n, p, octets);
	return n + octets;
}

/* A record: how its name is written and its type, TTL, length and octets. */
static size_t
put_record(uint8_t *out, size_t n)
{
	static const uint8_t types[] = { 1, 28, 5, 6, 2, 12, 41, 255 };
	static const uint32_t ttls[] = { 0, 1, 2, 60, 3600, 86400, 0x7fffffff,
		0x80000000 };
	uint8_t how = take(), ttl = take(), length = take();
	struct span name = span_make("\xc0\x0c", 2), data = take_span(length);
	uint8_t fixed[10] = { 0, types[how & 7], 0, 1 };

	if ((how & 0x80) != 0)
		name = take_span(take() & 63);
	for (int i = 0; i < 4; i++)
		fixed[4 + i] = (uint8_t)(ttls[ttl & 7] >> (24 - 8 * i));
	if ((how & 0x40) != 0)
		length = take();
	fixed[9] = length;
	n = put_octets(out, n, name.p, name.n);
	n = put_octets(out, n, fixed, sizeof(fixed));
	return put_octets(out, n, data.p, data.n);
}

/* An answer with some records. */
static void
step_answer(void)
{
	const struct question *q = take_question();
	uint8_t how = take(), records = take(), out[DATAGRAM];
	size_t n;

	if (q == NULL)
		return;
	n = begin_response(q, out, how & 15);
	out[7] = records & 15;
	for (unsigned i = 0; i < out[7]; i++)
		n = put_record(out, n);
	/* More or less of them, or where they are. */
	if ((how & 0x10) != 0)
		out[7] = take();
	if ((how & 0x20) != 0)
		out[9] = take();
	if ((how & 0x40) != 0)
		out[2] = take();
	memcpy(f.last, out, n);
	f.nlast = n;
	say(q, (how & 0x80) != 0 ? 1 - q->server : q->server, out, n);
}

/* Any octets, with the right ID, perhaps also the question. */
static void
step_octets(void)
{
	const struct question *q = take_question();
	uint8_t how = take(), length = take(), out[DATAGRAM];
	struct span s = take_span(length);
	size_t n;

	if (q == NULL)
		return;
	n = begin_response(q, out, 0);
	if ((how & 3) == 1)
		n = 2;
	else if ((how & 3) == 2)
		n = HEADER;
	else if ((how & 3) == 3)
		n = 0;
	if ((how & 4) != 0)
		memset(out + 4, 0xff, 8);
	n = put_octets(out, n, s.p, s.n);
	say(q, q->server, out, n);
}

/* The last answer again, one octet of it spoilt; perhaps for another one. */
static void
step_again(void)
{
	const struct question *q = take_question();
	size_t at = (size_t)take() << 8;

	at |= take();
	if (q == NULL || f.nlast == 0)
		return;
	memcpy(f.last, q->octets, 2);
	f.last[at % f.nlast] = take();
	say(q, q->server, f.last, f.nlast);
}

/* ---- time and the rest ---- */

static void
step_wait(void)
{
	static const uint32_t ms[] = { 1, 50, 250, 251, 1000, 2000, 2001,
		60000, 3599999, 3600000, 86400000 };

	turn_wait(ms[take() % (sizeof(ms) / sizeof(ms[0]))]);
}

static void
step_reload(void)
{
	uint8_t how = take();
	struct dns_conf c = f.conf;

	c.servers = f.addr + (how & 1);
	c.nservers = (how & 2) != 0 && (how & 1) == 0 ? 2 : 1;
	c.timeout_ms = (how & 4) != 0 ? 500 : TIMEOUT_MS;
	require(resolve_prepare(f.r, &c), "no servers");
	if ((how & 8) != 0)
		resolve_abandon(f.r);
	else
		resolve_reload(f.r, &c);
}

static void (*const steps[])(void) = {
	step_ask, step_answer, step_octets, step_again, step_wait, step_cancel,
	step_reload, step_ask,
};

static void
begin(void)
{
	uint8_t how = take();

	f.conf = (struct dns_conf){ .servers = f.addr,
		.nservers = how & 1 ? 2 : 1, .timeout_ms = TIMEOUT_MS,
		.min_ttl_ms = MIN_TTL_MS, .max_ttl_ms = MAX_TTL_MS };
	f.r = resolve_new(f.loop, &f.conf);
	require(f.r != NULL, "no resolver");
	f.asks = f.nquestions = f.nlast = f.nsaid = 0;
	memset(f.ask, 0, sizeof(f.ask));
}

/* Everybody has been told when the time for it is over, and nothing is known
 * when that for anything is. */
static void
settle(void)
{
	struct addr known[RESOLVE_MAX_ADDRS];

	turn_wait(TIMEOUT_MS);
	for (int i = 0; i < 3; i++)
		turn();
	for (size_t i = 0; i < f.asks; i++)
		require(f.ask[i].q == NULL, "somebody is not told");
	turn_wait(MAX_TTL_MS);
	for (size_t i = 0; i < NAMES; i++)
		require(f.r->ops->cached(f.r, span_str(names[i]), known,
			loop_now(f.loop)) == 0, "known for too long");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int descriptor;

	if (f.loop == NULL)
		set_up();
	descriptor = turn_descriptor();
	f.p = data;
	f.n = size;
	begin();
	for (unsigned i = 0; i < STEPS && f.n > 0; i++) {
		steps[take() % (sizeof(steps) / sizeof(steps[0]))]();
		turn();
		collect();
	}
	if (size % 2 == 0)
		settle();
	resolve_free(f.r);
	for (unsigned i = 0; !turn_idle(); i++) {
		require(i < END_TURNS, "the resolver is left");
		turn();
	}
	collect();
	require(turn_descriptor() == descriptor, "a descriptor is left");
	return 0;
}
