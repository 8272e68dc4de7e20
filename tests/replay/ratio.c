/*
 * ratio: clients that never prove their address, against what they get back.
 *
 * Everything they can do is done at random: requests of every kind and size,
 * copies, spoilt datagrams, empty messages, silence; and the origin answers
 * with any size at any time. One result a line (TAP).
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "coap/emit.h"
#include "world.h"

enum {
	LOWER = 62,		/* ATK-02: headers below, per datagram */
	ROUNDS = 3000,
	CLIENTS = ROUNDS,	/* most ask once: no credit to hide behind */
	RECENT = 10,
	PORT = 1024,		/* of the first */
	PENDING = 64,
	OCTETS = 2048,
};

static unsigned run, failed;

static void
result(bool ok, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
result(bool ok, const char *name, const char *fmt, ...)
{
	va_list ap;

	run++;
	failed += !ok;
	printf("%s %u - %s\n# ", ok ? "ok" : "not ok", run, name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

struct stranger {
	struct addr addr;
	uint64_t in, out;	/* octets, those below included */
	uint16_t mid;
	size_t n;		/* the last datagram */
	uint8_t octets[OCTETS];
};

/* A response that the origin has still to send. */
struct pending {
	uint64_t at;		/* 0: none */
	struct addr to, from;
	size_t n;
	uint8_t octets[OCTETS];
};

struct sim {
	struct world world;
	struct rand rnd;
	struct addr proxy;
	struct stranger v[CLIENTS];
	size_t n;		/* of them, so far */
	struct pending pending[PENDING];
	unsigned asked, got, empty, challenges, errors, over, odd;
};

static size_t
below(struct sim *s, size_t n)
{
	return (size_t)rand_below(&s->rnd, n);
}

static struct span
noise(struct sim *s, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)('a' + below(s, 26));
	return span_make(out, n);
}

/* Mostly small, seldom up to MAX. */
static size_t
some(struct sim *s, size_t max)
{
	return below(s, below(s, 4) == 0 ? max + 1 : max / 16 + 1);
}

/* ---- clients ---- */

static void
make_request(struct sim *s, struct stranger *c)
{
	static const uint8_t methods[] = { COAP_GET, COAP_GET, COAP_GET,
		COAP_FETCH, COAP_PUT, COAP_POST, COAP_DELETE, COAP_IPATCH, 9 };
	uint8_t space[600], token[64], text[512];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = {
		.type = below(s, 3) == 0 ? COAP_NON : COAP_CON,
		.code = methods[below(s, sizeof(methods))],
		.mid = c->mid++,
		.token = noise(s, token, some(s, sizeof(token))),
	};
	struct span payload = SPAN_LIT("");

	if (below(s, 8) == 0) {
		coap_put_opt(&o, COAP_OPT_URI_PATH, SPAN_LIT(".well-known"));
		coap_put_opt(&o, COAP_OPT_URI_PATH, SPAN_LIT("core"));
	} else if (below(s, 4) != 0) {
		coap_put_opt(&o, COAP_OPT_URI_PATH, SPAN_LIT("t"));
		coap_put_opt(&o, COAP_OPT_URI_PATH,
		    noise(s, text, some(s, 255)));
	}
	if (below(s, 6) == 0)
		coap_put_uint(&o, COAP_OPT_BLOCK2, (uint32_t)below(s, 100));
	if (below(s, 6) == 0)
		coap_put_opt(&o, COAP_OPT_ECHO,
		    noise(s, text, 1 + below(s, 40)));
	if (below(s, 6) == 0)
		coap_put_opt(&o, 65001, noise(s, text, some(s, 40)));
	if (coap_code_has_payload(h.code))
		payload = noise(s, text, some(s, sizeof(text)));
	c->n = coap_emit(c->octets, sizeof(c->octets), &h, writer_span(&w),
	    payload);
}

static void
act(struct sim *s)
{
	size_t back = s->n < RECENT ? 0 : below(s, 2 * RECENT);
	struct stranger *c = back == 0 || back > RECENT ? &s->v[s->n++] :
	    &s->v[s->n - back];

	switch (c->n > 0 ? below(s, 8) : 2 + below(s, 24)) {
	case 0:			/* a copy */
	case 1:
		break;
	case 2:			/* spoilt */
		if (c->n > 0)
			c->octets[below(s, c->n)] ^=
			    (uint8_t)(1 << below(s, 8));
		c->n = below(s, c->n + 1);
		break;
	case 3:			/* an empty message, or nearly */
		coap_emit_empty(c->octets, (uint8_t)below(s, 4), c->mid++);
		c->n = 4 + below(s, 2);
		break;
	default:
		make_request(s, c);
	}
	c->in += c->n + LOWER;
	s->asked++;
	world_input(&s->world, &c->addr, &s->proxy,
	    span_make(c->octets, c->n));
}

static void
client_got(struct sim *s, const struct packet *p)
{
	struct coap_msg m;

	struct stranger *c = &s->v[(p->to.port - PORT) % CLIENTS];

	c->out += p->n + LOWER;
	s->over += c->out > 3 * c->in;
	s->got++;
	s->odd += !addr_eq(&c->addr, &p->to) ||
	    coap_parse(&m, span_make(p->octets, p->n)) != COAP_PARSE_OK ||
	    m.type == COAP_CON;
	s->empty += m.code == COAP_EMPTY;
	s->challenges += m.code == COAP_401;
	s->errors += coap_code_class(m.code) == 5;
}

/* ---- the origin ---- */

/* A 2.05, or now and then an error, piggybacked or not, now or later. */
static void
origin_got(struct sim *s, const struct packet *p)
{
	struct pending *q = &s->pending[below(s, PENDING)];
	uint8_t space[64], text[1024];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { .code = COAP_205 };
	struct coap_msg m;

	if (coap_parse(&m, span_make(p->octets, p->n)) != COAP_PARSE_OK ||
	    coap_code_kind(m.code) != COAP_KIND_REQUEST ||
	    below(s, 20) == 0)
		return;
	h.type = m.type == COAP_CON && below(s, 2) == 0 ? COAP_ACK : COAP_NON;
	h.mid = m.mid;
	h.token = m.token;
	if (below(s, 6) == 0)
		h.code = below(s, 2) == 0 ? COAP_404 : COAP_500;
	if (below(s, 2) == 0)
		coap_put_opt(&o, COAP_OPT_ETAG, noise(s, text, 8));
	if (below(s, 3) == 0)
		coap_put_uint(&o, COAP_OPT_MAX_AGE, (uint32_t)below(s, 100));
	if (below(s, 6) == 0)
		coap_put_opt(&o, COAP_OPT_ECHO,
		    noise(s, text, 1 + below(s, 40)));
	q->at = s->world.now + 1 + some(s, 4000);
	q->from = p->to;
	q->to = p->from;
	q->n = coap_emit(q->octets, sizeof(q->octets), &h, writer_span(&w),
	    noise(s, text, below(s, below(s, 3) == 0 ? sizeof(text) : 300)));
}

static void
origin_sends(struct sim *s)
{
	for (size_t i = 0; i < PENDING; i++) {
		struct pending *q = &s->pending[i];

		if (q->at == 0 || q->at > s->world.now)
			continue;
		q->at = 0;
		world_input(&s->world, &q->from, &q->to,
		    span_make(q->octets, q->n));
	}
}

/* ---- the run ---- */

static void
pass(struct sim *s, uint64_t ms)
{
	uint64_t until = s->world.now + ms;
	struct packet *p;

	do {
		uint64_t next = s->world.now + 100;

		world_step(&s->world, next < until ? next : until);
		origin_sends(s);
		while ((p = world_take(&s->world)) != NULL) {
			if (p->to.ip[0] == 198)
				origin_got(s, p);
			else
				client_got(s, p);
			free(p);
		}
	} while (s->world.now < until);
}

static struct sim *
sim_new(const char *mode, uint64_t seed)
{
	struct sim *s = xcalloc(1, sizeof(*s));
	char conf[300];

	snprintf(conf, sizeof(conf),
	    "[listen]\namplification = %s\n"
	    "[route list]\npath = /%0150d\nto = coap://198.51.100.1\n"
	    "[route t]\npath = /t\nto = coap://198.51.100.1\n", mode, 0);
	if (!world_init(&s->world, "ratio", conf, seed))
		exit(EXIT_FAILURE);
	rand_init_fixed(&s->rnd, seed);
	s->proxy = s->world.self.host[0];
	s->proxy.port = 5683;
	for (size_t i = 0; i < CLIENTS; i++) {
		addr_parse_ip(&s->v[i].addr, SPAN_LIT("203.0.113.0"), false);
		s->v[i].addr.ip[3] = (uint8_t)(i / 20);
		s->v[i].addr.port = (uint16_t)(PORT + i);
	}
	return s;
}

static void
sim_free(struct sim *s)
{
	world_fini(&s->world);
	free(s);
}

/* ATK-02, ATK-04, ATK-11: at no time has an endpoint got more than three times
 * what it has sent; nothing is a CON. */
static void
test_ratio(const char *mode, uint64_t seed)
{
	struct sim *s = sim_new(mode, seed);
	bool echo = mode[0] == 'e';
	uint64_t in = 0, out = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		act(s);
		pass(s, below(s, 3) == 0 ? below(s, 1500) : 0);
	}
	pass(s, 600000);
	for (size_t i = 0; i < CLIENTS; i++) {
		in += s->v[i].in;
		out += s->v[i].out;
	}
	result(s->over == 0 && s->odd == 0 && s->got > ROUNDS / 2 &&
	    s->empty > 10 && s->errors > 10 && (s->challenges > 100) == echo &&
	    world_idle(&s->world),
	    "ATK-02 ATK-11 never three times what came in",
	    "%s: sent %u, got %u, empty %u, 4.01 %u, 5.xx %u; octets in %llu, "
	    "out %llu; over %u, odd %u %s", mode, s->asked, s->got, s->empty,
	    s->challenges, s->errors, (unsigned long long)in,
	    (unsigned long long)out, s->over, s->odd, s->world.why);
	sim_free(s);
}

/* ---- reflection ---- */

struct reflect {
	struct sim *sim;
	unsigned samples, answered, bad;
	char worst[300];
};

/* Sends OCTETS. Whatever is not a request gets an empty message at most, and in
 * a NON nothing. */
static void
reflect(struct reflect *r, const char *name, struct span octets)
{
	struct stranger *c = &r->sim->v[0];
	enum coap_parse parsed;
	struct coap_msg m;
	struct packet *p;
	size_t back = 0;

	parsed = coap_parse(&m, octets);
	if (parsed == COAP_PARSE_OK && m.type <= COAP_NON &&
	    coap_code_kind(m.code) == COAP_KIND_REQUEST)
		return;
	r->samples++;
	world_input(&r->sim->world, &c->addr, &r->sim->proxy, octets);
	while ((p = world_take(&r->sim->world)) != NULL) {
		back += p->n;
		free(p);
	}
	r->answered += back > 0;
	if (back == 0 || (back <= octets.n && back == 4 &&
		parsed != COAP_PARSE_IGNORE && m.type == COAP_CON))
		return;
	r->bad++;
	snprintf(r->worst, sizeof(r->worst), "%s: %zu for %zu", name, back,
	    octets.n);
}

static void
reflect_file(struct reflect *r, const char *dir, const char *name)
{
	uint8_t octets[OCTETS];
	char path[1024];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (f == NULL)
		exit(EXIT_FAILURE);
	n = fread(octets, 1, sizeof(octets), f);
	fclose(f);
	reflect(r, name, span_make(octets, n));
	/* The same in every type, and cut off everywhere. */
	for (size_t cut = 0; cut <= n; cut++) {
		for (unsigned type = 0; cut > 0 && type < 4; type++) {
			octets[0] = (uint8_t)((octets[0] & 0xcf) | type << 4);
			reflect(r, name, span_make(octets, cut));
		}
	}
}

/* ATK-15: malformed samples, empty messages, responses nobody waits for. */
static void
test_reflection(const char *mode)
{
	const char *top = getenv("top_srcdir");
	struct reflect r = { .sim = sim_new(mode, 15) };
	const struct dirent *e;
	char dir[512];
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/parse",
	    top != NULL ? top : ".");
	d = opendir(dir);
	if (d == NULL)
		exit(EXIT_FAILURE);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			reflect_file(&r, dir, e->d_name);
	closedir(d);
	result(r.bad == 0 && r.samples > 1000 && r.answered > 100,
	    "ATK-15 what is no request is never answered by more",
	    "%s: samples %u, answered %u, bad %u %s", mode, r.samples,
	    r.answered, r.bad, r.worst);
	sim_free(r.sim);
}

/* ---- a flood ---- */

struct flood {
	struct world world;
	struct addr honest, proxy, origin;
	uint16_t mid;
	uint8_t echo[40];
	size_t necho;
	unsigned asked, answered;	/* the honest one's requests */
	unsigned done;			/* by the origin */
	unsigned strangers, told;
};

static void
send_one(struct flood *f, const struct addr *from, uint8_t code,
    const char *path, struct span echo)
{
	uint8_t space[64], octets[128];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { COAP_CON, code, f->mid++, SPAN_LIT("t") };
	size_t n;

	coap_put_opt(&o, COAP_OPT_URI_PATH, span_str(path));
	if (echo.n > 0)
		coap_put_opt(&o, COAP_OPT_ECHO, echo);
	n = coap_emit(octets, sizeof(octets), &h, writer_span(&w),
	    SPAN_LIT(""));
	world_input(&f->world, from, &f->proxy, span_make(octets, n));
}

/* The origin's answers are large; the one that strangers ask is silent. */
static void
flood_take(struct flood *f)
{
	static const uint8_t body[1000] = { 0 };
	uint8_t octets[1100];
	struct coap_head h = { .type = COAP_ACK, .code = COAP_205 };
	struct coap_msg m;
	struct packet *p;
	struct span v;

	while ((p = world_take(&f->world)) != NULL) {
		coap_parse(&m, span_make(p->octets, p->n));
		if (addr_eq(&p->to, &f->origin)) {
			f->done++;
			h.mid = m.mid;
			h.token = m.token;
			world_input(&f->world, &p->to, &p->from,
			    span_make(octets, coap_emit(octets, sizeof(octets),
				&h, SPAN_LIT(""),
				span_make(body, sizeof(body)))));
		} else if (!addr_eq(&p->to, &f->honest)) {
			f->told += p->to.ip[0] == 203;
		} else if (m.code == COAP_205) {
			f->answered += m.payload.n == sizeof(body);
		} else if (coap_get(&m, COAP_OPT_ECHO, &v)) {
			f->necho = v.n;
			memcpy(f->echo, v.p, v.n);
		}
		free(p);
	}
}

/* 2000 a second for a minute, each from another address, half of them for an
 * origin that does not answer. */
static void
flood_run(struct flood *f)
{
	struct addr from = f->honest;
	uint64_t began = f->world.now;

	while (f->world.now < began + 60000) {
		for (unsigned i = 0; i < 20; i++) {
			unsigned n = f->strangers++;

			from.ip[0] = 203;
			from.ip[1] = (uint8_t)(n >> 16);
			from.ip[2] = (uint8_t)(n >> 8);
			from.ip[3] = (uint8_t)n;
			send_one(f, &from, n % 2 == 0 ? COAP_GET : COAP_POST,
			    "silent", SPAN_LIT(""));
		}
		if (f->world.now - began >= f->asked * UINT64_C(1000)) {
			f->asked++;
			send_one(f, &f->honest, COAP_POST, "t", SPAN_LIT(""));
		}
		flood_take(f);
		world_step(&f->world, f->world.now + 10);
		flood_take(f);
	}
}

/* ATK-16, ATK-36: a flood from made-up addresses is answered at the rate there
 * is, and whoever has proved its address before notices nothing. */
static void
test_flood(void)
{
	struct flood *f = xcalloc(1, sizeof(*f));

	if (!world_init(&f->world, "flood",
		"[listen]\namplification = echo\n"
		"[message]\nmax-exchanges = 1000\n"
		"[route silent]\npath = /silent\nto = coap://198.51.100.2\n"
		"[route all]\nto = coap://198.51.100.1\n", 36))
		exit(EXIT_FAILURE);
	f->proxy = f->world.self.host[0];
	f->proxy.port = 5683;
	addr_parse_ip(&f->honest, SPAN_LIT("192.0.2.101"), false);
	f->honest.port = 40001;
	addr_parse_ip(&f->origin, SPAN_LIT("198.51.100.1"), false);
	f->origin.port = 5683;
	send_one(f, &f->honest, COAP_POST, "t", SPAN_LIT(""));
	flood_take(f);
	send_one(f, &f->honest, COAP_POST, "t", span_make(f->echo, f->necho));
	flood_take(f);
	flood_take(f);
	f->done = f->answered = 0;
	flood_run(f);
	result(f->asked == 60 && f->answered == f->asked &&
	    f->done == f->asked && f->told > 50000 && f->told < 62000,
	    "ATK-16 ATK-36 a flood of strangers: few answers, and none missed "
	    "by others",
	    "strangers %u, told %u; confirmed: asked %u, answered %u, done %u",
	    f->strangers, f->told, f->asked, f->answered, f->done);
	world_fini(&f->world);
	free(f);
}

int
main(void)
{
	log_open(STDERR_FILENO, LOG_ERROR);
	for (uint64_t seed = 1; seed <= 5; seed++) {
		test_ratio("echo", seed);
		test_ratio("blocks", seed);
	}
	test_reflection("echo");
	test_reflection("off");
	test_flood();
	printf("1..%u\n", run);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
