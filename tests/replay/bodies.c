/*
 * bodies: large bodies in both directions, over a network that loses, doubles
 * and overtakes datagrams; the blocks on one side of the proxy are of another
 * size than those on the other. One result a line (TAP).
 *
 * Clients and origin know nothing of each other but a body's number, and each
 * compares what it gets octet for octet. The same seed is the same run.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "coap/block.h"
#include "coap/emit.h"
#include "world.h"

enum {
	CLIENTS = 50,
	LOSS = 10, COPIES = 10,		/* percent */
	DELAY_MS = 60,
	RETRANSMIT = 4,
	OCTETS = 1200,			/* of a datagram */
	MIDS = 65536,
	/* So many that two datagrams hardly ever share one. */
	ROWS = 1 << 24,
	HOURS_MS = 48 * 3600 * 1000,
	DRAIN_MS = 600000,
};

static unsigned run, failed;

struct bodies;

struct flight {
	struct timer timer;
	struct list link;
	struct bodies *sim;
	struct addr from, to;
	size_t n;
	uint8_t octets[];
};

/* Sent again until somebody stops it. */
struct repeat {
	struct timer timer;
	struct bodies *sim;
	struct addr from, to;
	uint64_t timeout;
	unsigned left;
	size_t n;
	uint8_t octets[OCTETS];
};

struct client_rec {
	struct repeat ask;
	unsigned number;
	uint8_t szx;
	bool over, etagged;
	uint16_t mid;
	uint32_t token;
	size_t at;		/* octets up, or down */
	uint8_t etag[8];
};

/* A body on its way to the origin. */
struct upload {
	uint8_t tag[8];
	bool used;
	uint8_t *body;
	size_t n;
};

/* What a request has been answered with (RFC 7252 4.5). */
struct seen {
	struct addr from;
	size_t n;
	uint8_t *octets;
};

/* A response in a message of its own. */
struct tell {
	struct list link;
	struct repeat repeat;
	uint16_t mid;
};

struct setup {
	const char *name;
	const char *conf;
	bool down;
	unsigned clients;
	size_t len;		/* of body 0; the others are shorter */
	uint8_t client_szx;	/* 7: all sizes */
	uint8_t origin_szx;	/* of its blocks */
	unsigned fetches;	/* at most; 0: any number */
	uint64_t seed;
};

struct bodies {
	const struct setup *setup;
	struct world world;
	struct rand rnd;
	struct siphash_key key;
	struct list arrived, tells;
	struct addr proxy, origin;
	struct client_rec clients[CLIENTS];
	struct upload uploads[CLIENTS];
	struct seen *seen;	/* by Message ID */
	uint8_t *dropped;	/* the last copy was, by hash */
	uint16_t mid;
	unsigned over;		/* clients that have got or sent all */
	unsigned whole;		/* bodies the origin has got */
	unsigned requests;	/* of the proxy, without copies */
	uint64_t lost, doubled;
	const char *why;	/* the first that was wrong, or NULL */
};

static void
wrong(struct bodies *b, const char *why)
{
	if (b->why == NULL)
		b->why = why;
}

/* ---- bodies ---- */

static uint8_t
octet(unsigned body, size_t i)
{
	return (uint8_t)((i * 2654435761u >> 13) ^ i >> 3 ^ body * 97);
}

static size_t
length(const struct bodies *b, unsigned body)
{
	return b->setup->len - body * (b->setup->len / 2 / CLIENTS);
}

/* All clients ask for the same one. */
static unsigned
body_of(const struct bodies *b, const struct client_rec *c)
{
	return b->setup->down ? 0 : c->number;
}

static bool
same(unsigned body, size_t from, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != octet(body, from + i))
			return false;
	return true;
}

/* ---- the network ---- */

static void
arrive_fire(struct timer *t, uint64_t now)
{
	struct flight *f = CONTAINER_OF(t, struct flight, timer);

	(void)now;
	list_add_tail(&f->sim->arrived, &f->link);
}

static void
fly(struct bodies *b, const struct addr *from, const struct addr *to,
    struct span octets)
{
	struct flight *f = xcalloc(1, sizeof(*f) + octets.n);

	f->sim = b;
	f->from = *from;
	f->to = *to;
	f->n = octets.n;
	memcpy(f->octets, octets.p, octets.n);
	timer_init(&f->timer, arrive_fire);
	timer_start(&b->world.timers, &f->timer,
	    b->world.now + 1 + rand_below(&b->rnd, DELAY_MS));
}

/* No message is lost twice in a row, even if the Max-Age of its copies shrinks:
 * whoever repeats gets through. */
static void
transmit(struct bodies *b, const struct addr *from, const struct addr *to,
    struct span octets)
{
	uint64_t row = siphash(&b->key, span_make(octets.p, 4)) ^
	    siphash(&b->key, addr_span(from)) ^ siphash(&b->key, addr_span(to));
	uint8_t *dropped = &b->dropped[row % ROWS];

	if (!*dropped && rand_below(&b->rnd, 100) < LOSS) {
		*dropped = 1;
		b->lost++;
		return;
	}
	*dropped = 0;
	fly(b, from, to, octets);
	if (rand_below(&b->rnd, 100) < COPIES) {
		b->doubled++;
		fly(b, from, to, octets);
	}
}

static void
repeat_fire(struct timer *t, uint64_t now)
{
	struct repeat *r = CONTAINER_OF(t, struct repeat, timer);

	if (r->left-- == 0) {
		wrong(r->sim, "repeated in vain");
		return;
	}
	transmit(r->sim, &r->from, &r->to, span_make(r->octets, r->n));
	timer_start(&r->sim->world.timers, t, now + r->timeout);
	r->timeout *= 2;
}

static void
repeat(struct bodies *b, struct repeat *r, const struct addr *from,
    const struct addr *to)
{
	r->sim = b;
	r->from = *from;
	r->to = *to;
	r->left = 1 + RETRANSMIT;
	r->timeout = 2000 + rand_below(&b->rnd, 1000);
	timer_start(&b->world.timers, &r->timer, b->world.now);
}

static void
send_empty(struct bodies *b, const struct addr *from, const struct addr *to,
    uint16_t mid)
{
	uint8_t octets[4];

	coap_emit_empty(octets, COAP_ACK, mid);
	transmit(b, from, to, span_make(octets, 4));
}

/* ---- clients ---- */

static struct addr
client_addr(const struct client_rec *c)
{
	struct addr a;

	addr_parse_ip(&a, SPAN_LIT("192.0.2.101"), false);
	a.port = (uint16_t)(40000 + c->number);
	return a;
}

/* The block of a body of N octets that begins at AT. */
static struct coap_block
block_at(size_t at, size_t n, uint8_t szx)
{
	struct coap_block b = { .szx = szx };

	b.num = (uint32_t)(at >> (szx + 4));
	b.more = at + coap_block_size(&b) < n;
	return b;
}

static void
client_ask(struct bodies *b, struct client_rec *c)
{
	bool down = b->setup->down;
	size_t n = length(b, body_of(b, c)), slice = 0;
	struct coap_block block = block_at(c->at, n, c->szx);
	uint8_t space[32], payload[1024];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { COAP_CON, down ? COAP_GET : COAP_PUT, ++c->mid,
		{ NULL, 0 } };
	const struct addr a = client_addr(c);

	c->token = c->number << 24 | (c->token + 1) % (1 << 24);
	h.token = span_make(&c->token, sizeof(c->token));
	coap_put_opt(&o, COAP_OPT_URI_PATH, SPAN_LIT("one"));
	if (down)
		block.more = false;
	else
		slice = block.more ? coap_block_size(&block) : n - c->at;
	for (size_t i = 0; i < slice; i++)
		payload[i] = octet(c->number, c->at + i);
	coap_put_uint(&o, down ? COAP_OPT_BLOCK2 : COAP_OPT_BLOCK1,
	    coap_block_value(&block));
	c->ask.n = coap_emit(c->ask.octets, OCTETS, &h, writer_span(&w),
	    span_make(payload, slice));
	repeat(b, &c->ask, &a, &b->proxy);
}

static void
client_over(struct bodies *b, struct client_rec *c)
{
	c->over = true;
	b->over++;
}

/* The block that the client asked for. */
static void
client_down(struct bodies *b, struct client_rec *c, const struct coap_msg *m)
{
	struct coap_block block = coap_block_get(coap_find(m,
	    COAP_OPT_BLOCK2));
	struct span etag = coap_find(m, COAP_OPT_ETAG);

	if (m->code != COAP_205 || !coap_has(m, COAP_OPT_BLOCK2) ||
	    coap_block_offset(&block) != c->at || block.szx > c->szx)
		wrong(b, "not the block asked for");
	if (etag.n == 0 || etag.n > 8 ||
	    (c->etagged && !span_eq(etag, span_make(c->etag, etag.n))))
		wrong(b, "another ETag");
	if (b->why != NULL)
		return;
	c->etagged = true;
	memcpy(c->etag, etag.p, etag.n);
	if (!same(body_of(b, c), c->at, m->payload))
		wrong(b, "other octets at the client");
	c->szx = block.szx;
	c->at += m->payload.n;
	if (block.more)
		client_ask(b, c);
	else if (c->at != length(b, body_of(b, c)))
		wrong(b, "another length at the client");
	else
		client_over(b, c);
}

static void
client_up(struct bodies *b, struct client_rec *c, const struct coap_msg *m)
{
	struct coap_block block = coap_block_get(coap_find(m,
	    COAP_OPT_BLOCK1));
	struct coap_block ours = block_at(c->at, length(b, c->number), c->szx);

	if (block.num != ours.num || block.szx > ours.szx ||
	    m->code != (ours.more ? COAP_231 : COAP_204)) {
		wrong(b, "a block was not taken");
		return;
	}
	if (!ours.more) {
		client_over(b, c);
		return;
	}
	c->at += coap_block_size(&ours);
	c->szx = block.szx;
	client_ask(b, c);
}

static void
client_input(struct bodies *b, struct client_rec *c, struct span octets)
{
	const struct addr a = client_addr(c);
	struct coap_msg m;

	if (coap_parse(&m, octets) != COAP_PARSE_OK) {
		wrong(b, "malformed at the client");
		return;
	}
	if (m.type == COAP_CON)
		send_empty(b, &a, &b->proxy, m.mid);
	if (m.code == COAP_EMPTY) {
		if (m.mid == c->mid)
			timer_stop(&c->ask.timer);
		return;
	}
	if (c->over || !span_eq(m.token, span_make(&c->token, 4)))
		return;		/* a copy */
	timer_stop(&c->ask.timer);
	if (b->setup->down)
		client_down(b, c, &m);
	else
		client_up(b, c, &m);
}

/* ---- the origin ---- */

static struct upload *
upload_of(struct bodies *b, struct span tag)
{
	struct upload *free_one = NULL;

	for (size_t i = 0; i < CLIENTS; i++) {
		struct upload *u = &b->uploads[i];

		if (u->used && memcmp(u->tag, tag.p, 8) == 0)
			return u;
		if (!u->used)
			free_one = u;
	}
	if (free_one == NULL)
		return NULL;
	*free_one = (struct upload){ .used = true };
	memcpy(free_one->tag, tag.p, 8);
	free_one->body = xcalloc(1, b->setup->len);
	return free_one;
}

static void
origin_whole(struct bodies *b, struct upload *u)
{
	bool known = false;

	for (unsigned i = 0; i < b->setup->clients && !known; i++)
		known = u->n == length(b, i) &&
		    same(i, 0, span_make(u->body, u->n));
	if (!known)
		wrong(b, "other octets at the origin");
	b->whole++;
	free(u->body);
	u->used = false;
}

/* Takes the block in M; returns the code. */
static uint8_t
origin_take(struct bodies *b, const struct coap_msg *m,
    struct coap_block *block)
{
	struct span tag = coap_find(m, COAP_OPT_REQUEST_TAG);
	struct upload *u = tag.n == 8 ? upload_of(b, tag) : NULL;

	*block = coap_block_get(coap_find(m, COAP_OPT_BLOCK1));
	if (u == NULL || !coap_has(m, COAP_OPT_BLOCK1) ||
	    block->szx > b->setup->origin_szx) {
		wrong(b, "a block without a tag, or too large");
		return COAP_400;
	}
	if (coap_block_offset(block) != u->n ||
	    u->n + m->payload.n > b->setup->len) {
		wrong(b, "not the next block");
		return COAP_408;
	}
	memcpy(u->body + u->n, m->payload.p, m->payload.n);
	u->n += m->payload.n;
	if (block->more)
		return COAP_231;
	origin_whole(b, u);
	return COAP_204;
}

static size_t
origin_answer(struct bodies *b, const struct coap_msg *m,
    struct coap_head *h, uint8_t out[OCTETS])
{
	uint8_t space[32], payload[1024];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_block block = { .szx = b->setup->origin_szx };
	size_t n = length(b, 0), at, slice = 0;

	if (m->code == COAP_PUT) {
		h->code = origin_take(b, m, &block);
		coap_put_uint(&o, COAP_OPT_BLOCK1, coap_block_value(&block));
		return coap_emit(out, OCTETS, h, writer_span(&w),
		    SPAN_LIT(""));
	}
	if (coap_has(m, COAP_OPT_BLOCK2))
		block = coap_block_get(coap_find(m, COAP_OPT_BLOCK2));
	at = (size_t)coap_block_offset(&block);
	if (block.szx > b->setup->origin_szx || at >= n) {
		wrong(b, "a block that there is not");
		return 0;
	}
	block = block_at(at, n, block.szx);
	slice = block.more ? coap_block_size(&block) : n - at;
	for (size_t i = 0; i < slice; i++)
		payload[i] = octet(0, at + i);
	h->code = COAP_205;
	coap_put_opt(&o, COAP_OPT_ETAG, SPAN_LIT("e"));
	coap_put_uint(&o, COAP_OPT_MAX_AGE, 7200);
	coap_put_uint(&o, COAP_OPT_BLOCK2, coap_block_value(&block));
	return coap_emit(out, OCTETS, h, writer_span(&w),
	    span_make(payload, slice));
}

/* One in four in a message of its own. */
static void
origin_request(struct bodies *b, const struct addr *from,
    const struct coap_msg *m)
{
	struct seen *s = &b->seen[m->mid];
	struct coap_head h = { COAP_ACK, 0, m->mid, m->token };
	struct tell *t;

	if (s->octets == NULL || !addr_eq(&s->from, from)) {
		b->requests++;
		free(s->octets);
		*s = (struct seen){ .from = *from, .octets = xcalloc(1,
		    OCTETS) };
		if (rand_below(&b->rnd, 4) != 0) {
			s->n = origin_answer(b, m, &h, s->octets);
		} else {
			t = xcalloc(1, sizeof(*t));
			h.type = COAP_CON;
			h.mid = t->mid = ++b->mid;
			t->repeat.n = origin_answer(b, m, &h,
			    t->repeat.octets);
			timer_init(&t->repeat.timer, repeat_fire);
			list_add_tail(&b->tells, &t->link);
			repeat(b, &t->repeat, &b->origin, from);
			coap_emit_empty(s->octets, COAP_ACK, m->mid);
			s->n = 4;
		}
	}
	if (s->n > 0)
		transmit(b, &b->origin, from, span_make(s->octets, s->n));
}

static void
tell_free(struct tell *t)
{
	timer_stop(&t->repeat.timer);
	list_del(&t->link);
	free(t);
}

static void
origin_input(struct bodies *b, const struct addr *from, struct span octets)
{
	struct list *it, *tmp;
	struct coap_msg m;

	if (coap_parse(&m, octets) != COAP_PARSE_OK) {
		wrong(b, "malformed at the origin");
		return;
	}
	if (coap_code_kind(m.code) == COAP_KIND_REQUEST) {
		origin_request(b, from, &m);
		return;
	}
	LIST_FOREACH_SAFE (it, tmp, &b->tells) {
		struct tell *t = CONTAINER_OF(it, struct tell, link);

		if (t->mid == m.mid)
			tell_free(t);
	}
}

/* ---- running ---- */

static void
collect(struct bodies *b)
{
	struct packet *p;

	while ((p = world_take(&b->world)) != NULL) {
		if (p->n > 1152)
			wrong(b, "a datagram too large");
		transmit(b, &p->from, &p->to, span_make(p->octets, p->n));
		free(p);
	}
}

static void
land(struct bodies *b, struct flight *f)
{
	struct span octets = span_make(f->octets, f->n);

	if (addr_eq(&f->to, &b->origin))
		origin_input(b, &f->from, octets);
	else if (f->to.port >= 40000 && f->to.port < 40000 + CLIENTS &&
	    !addr_ip_eq(&f->to, &b->proxy))
		client_input(b, &b->clients[f->to.port - 40000], octets);
	else
		world_input(&b->world, &f->from, &f->to, octets);
	free(f);
}

static void
pump(struct bodies *b)
{
	collect(b);
	while (!list_empty(&b->arrived)) {
		struct flight *f =
		    CONTAINER_OF(b->arrived.next, struct flight, link);

		list_del(&f->link);
		land(b, f);
		collect(b);
	}
}

static void
pass(struct bodies *b, uint64_t ms, bool to_the_end)
{
	uint64_t until = b->world.now + ms;

	while (b->world.now < until && b->why == NULL &&
	    (to_the_end || b->over < b->setup->clients)) {
		world_step(&b->world, until);
		pump(b);
	}
}

static void
start(struct bodies *b)
{
	b->proxy = b->world.self.host[0];
	b->proxy.port = 5683;
	addr_parse_ip(&b->origin, SPAN_LIT("198.51.100.1"), false);
	b->origin.port = 5683;
	for (unsigned i = 0; i < b->setup->clients; i++) {
		struct client_rec *c = &b->clients[i];

		c->number = i;
		c->szx = b->setup->client_szx < 7 ? b->setup->client_szx :
		    (uint8_t)(2 + i % 5);
		c->mid = (uint16_t)rand_u64(&b->rnd);
		timer_init(&c->ask.timer, repeat_fire);
		client_ask(b, c);
	}
}

static void
finish(struct bodies *b)
{
	struct list *it, *tmp;

	pass(b, DRAIN_MS, true);
	if (b->why == NULL && b->over < b->setup->clients)
		wrong(b, "not all in time");
	if (b->why == NULL && !b->setup->down && b->whole != b->setup->clients)
		wrong(b, "not each body once");
	if (b->why == NULL && b->setup->fetches > 0 &&
	    proxy_stats(b->world.proxy)->fetches > b->setup->fetches)
		wrong(b, "fetched too often");
	if (b->why == NULL && !world_idle(&b->world))
		wrong(b, b->world.why);
	run++;
	failed += b->why != NULL;
	printf("%s %u - %s\n# seed %llu, clients %u, requests at the origin "
	    "%u, lost %llu, doubled %llu, %llu s: %s\n",
	    b->why == NULL ? "ok" : "not ok", run, b->setup->name,
	    (unsigned long long)b->setup->seed, b->over, b->requests,
	    (unsigned long long)b->lost, (unsigned long long)b->doubled,
	    (unsigned long long)b->world.now / 1000,
	    b->why == NULL ? "as it should be" : b->why);
	LIST_FOREACH_SAFE (it, tmp, &b->arrived)
		free(CONTAINER_OF(it, struct flight, link));
	LIST_FOREACH_SAFE (it, tmp, &b->tells)
		tell_free(CONTAINER_OF(it, struct tell, link));
	for (size_t i = 0; i < CLIENTS; i++)
		if (b->uploads[i].used)
			free(b->uploads[i].body);
	for (size_t i = 0; i < MIDS; i++)
		free(b->seen[i].octets);
	free(b->seen);
	free(b->dropped);
}

static void
play(const struct setup *setup)
{
	struct bodies *b = xcalloc(1, sizeof(*b));

	b->setup = setup;
	list_init(&b->arrived);
	list_init(&b->tells);
	b->seen = xcalloc(MIDS, sizeof(*b->seen));
	b->dropped = xcalloc(ROWS, 1);
	rand_init_fixed(&b->rnd, setup->seed);
	b->key = rand_key(&b->rnd);
	if (world_init(&b->world, "bodies", setup->conf, setup->seed)) {
		start(b);
		pass(b, HOURS_MS, false);
	} else {
		wrong(b, b->world.why);
	}
	finish(b);
	world_fini(&b->world);
	free(b);
}

#define ROUTE \
    "[origin]\nnstart = 64\n" \
    "[route all]\nto = coap://198.51.100.1\ntimeout = 12h\n"

int
main(void)
{
	static const struct setup setups[] = {
		{ "BLK-38 BLK-40 300 KB down, 128 there and 512 here",
			ROUTE, true, 1, 300000, 5, 3, 1, 1 },
		{ "BLK-38 BLK-40 300 KB down, 1024 there and 64 here",
			ROUTE, true, 1, 300000, 2, 6, 1, 2 },
		{ "BLK-38 BLK-40 300 KB up, 1024 here and 128 there",
			"[block]\nsize = 1024\n" ROUTE, false, 1, 300000, 3, 6,
			0, 3 },
		{ "BLK-25 BLK-40 300 KB up, of 1024, but 64 are wanted",
			"[block]\nsize = 64\n" ROUTE, false, 1, 300000, 6, 2,
			0, 4 },
		{ "BLK-30 BLK-39 BLK-41 50 bodies at once to one resource",
			"[block]\nsize = 256\n" ROUTE, false, CLIENTS, 20000,
			7, 4, 0, 5 },
		{ "BLK-19 50 clients at once fetch one resource, each its own",
			ROUTE, true, CLIENTS, 20000, 7, 4, CLIENTS, 6 },
		{ "CAC-56 CAC-60 50 clients at once fetch one resource, once",
			"[cache]\n" ROUTE, true, CLIENTS, 20000, 7, 4, 1, 7 },
	};

	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++)
		play(&setups[i]);
	printf("1..%u\n", run);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
