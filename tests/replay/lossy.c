/*
 * lossy: a bad network, on the wheel of the proxy under test.
 */
#include "lossy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"
#include "base/xalloc.h"
#include "sim.h"

enum {
	MAX_DELAY_MS = 400,
	DRAIN_MS = 600000,
	MIDS = 65536,
};

/* A datagram on its way. */
struct flight {
	struct timer timer;
	struct list link;	/* when it has arrived */
	struct sim *sim;
	struct addr from, to;
	size_t n;
	uint8_t octets[];
};

/* ---- the network ---- */

static void
arrive_fire(struct timer *t, uint64_t now)
{
	struct flight *f = CONTAINER_OF(t, struct flight, timer);

	(void)now;
	list_add_tail(&f->sim->arrived, &f->link);
}

static void
fly(struct sim *s, const struct addr *from, const struct addr *to,
    struct span octets)
{
	struct flight *f = xcalloc(1, sizeof(*f) + octets.n);

	f->sim = s;
	f->from = *from;
	f->to = *to;
	f->n = octets.n;
	memcpy(f->octets, octets.p, octets.n);
	timer_init(&f->timer, arrive_fire);
	timer_start(&s->world.timers, &f->timer,
	    s->world.now + 1 + rand_below(&s->rnd, MAX_DELAY_MS));
}

/* Makes the digest depend on one more datagram, sent now and COPIES times on
 * its way. */
static void
digest(struct sim *s, const struct addr *from, const struct addr *to,
    struct span octets, uint64_t copies)
{
	static const struct siphash_key key = { 7252, 8132 };
	struct {
		struct addr from, to;
		uint64_t now, copies, octets, before;
	} all = {
		.from = *from,
		.to = *to,
		.now = s->world.now,
		.copies = copies,
		.octets = siphash(&key, octets),
		.before = s->result->digest,
	};

	s->result->digest = siphash(&key, span_make(&all, sizeof(all)));
}

/* How often a datagram with hash H comes out of the network. */
static unsigned
fate(struct sim *s, uint64_t h)
{
	const struct lossy_conf *c = s->conf;
	uint8_t *dropped = &s->dropped[h % ROWS];

	if (rand_below(&s->rnd, 100) < c->loss && (!c->fair || !*dropped)) {
		*dropped = 1;
		s->result->lost++;
		return 0;
	}
	*dropped = 0;
	if (rand_below(&s->rnd, 100) >= c->copies)
		return 1;
	s->result->doubled++;
	return 2;
}

void
sim_transmit(struct sim *s, const struct addr *from, const struct addr *to,
    struct span octets)
{
	/* Copies have the header in common, if not their Max-Age. */
	unsigned copies = fate(s, siphash(&s->key, span_make(octets.p, 4)) ^
	    siphash(&s->key, addr_span(from)) ^ siphash(&s->key, addr_span(to)));

	digest(s, from, to, octets, copies);
	for (unsigned i = 0; i < copies; i++)
		fly(s, from, to, octets);
}

static void
repeat_fire(struct timer *t, uint64_t now)
{
	struct repeat *r = CONTAINER_OF(t, struct repeat, timer);

	if (r->left == 0) {
		r->vain = true;
		return;
	}
	r->left--;
	r->sim->result->repeated += r->sent++ > 0;
	sim_transmit(r->sim, &r->from, &r->to, span_make(r->octets, r->n));
	timer_start(&r->sim->world.timers, t, now + r->timeout);
	r->timeout *= 2;
}

void
sim_repeat_init(struct repeat *r)
{
	timer_init(&r->timer, repeat_fire);
}

void
sim_repeat(struct sim *s, struct repeat *r, const struct addr *from,
    const struct addr *to, struct span octets, unsigned copies)
{
	assert(octets.n > 0 && octets.n <= OCTETS);
	timer_stop(&r->timer);
	*r = (struct repeat){
		.sim = s,
		.from = *from,
		.to = *to,
		.n = octets.n,
		.timeout = 2000 + rand_below(&s->rnd, 1000),
		.left = copies,
	};
	memcpy(r->octets, octets.p, octets.n);
	timer_init(&r->timer, repeat_fire);
	timer_start(&s->world.timers, &r->timer, s->world.now);
}

/* ---- requests ---- */

struct request_rec *
sim_request(const struct sim *s, uint64_t number)
{
	struct request_rec *r = &s->ring[number % RING];

	return r->used && r->number == number ? r : NULL;
}

struct request_rec *
sim_by_token(const struct sim *s, struct span token)
{
	uint32_t number;

	if (token.n != sizeof(number))
		return NULL;
	memcpy(&number, token.p, sizeof(number));
	return sim_request(s, number);
}

struct request_rec *
sim_by_path(const struct sim *s, const struct coap_msg *m)
{
	uint64_t number = UINT64_MAX;
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_URI_PATH)
			(void)parse_u64(it.value, &number);
	return sim_request(s, number);
}

struct request_rec *
sim_begin(struct sim *s, uint64_t *when)
{
	struct request_rec *r = &s->ring[s->nrequests % RING];

	if (r->used && s->world.now < r->begun + HOLD_MS) {
		*when = r->begun + HOLD_MS;
		return NULL;
	}
	if (r->used)
		oracle_over(s, r);
	*r = (struct request_rec){
		.used = true,
		.number = s->nrequests++,
		.begun = s->world.now,
	};
	sim_repeat_init(&r->ask);
	sim_repeat_init(&r->tell);
	return r;
}

/* ---- running ---- */

static void
land(struct sim *s, struct flight *f)
{
	struct span octets = span_make(f->octets, f->n);

	if (f->to.ip[0] == 198) {
		origin_input(s, &f->to, &f->from, octets);
	} else if (addr_ip_eq(&f->to, &s->clients[0].addr)) {
		client_input(s, &s->clients[f->to.port -
		    s->clients[0].addr.port], octets);
	} else {
		oracle_comes(s, octets);
		world_input(&s->world, &f->from, &f->to, octets);
	}
	free(f);
}

static void
collect(struct sim *s)
{
	struct packet *p;

	while ((p = world_take(&s->world)) != NULL) {
		oracle_sent(s, p);
		sim_transmit(s, &p->from, &p->to, span_make(p->octets, p->n));
		free(p);
	}
}

/* What the proxy sent when time passed comes first: the oracle must not think
 * that it knew what arrives now. */
static void
pump(struct sim *s)
{
	collect(s);
	while (!list_empty(&s->arrived)) {
		struct flight *f =
		    CONTAINER_OF(s->arrived.next, struct flight, link);

		list_del(&f->link);
		land(s, f);
		collect(s);
	}
}

static void
clients_start(struct sim *s)
{
	for (unsigned i = 0; i < s->conf->clients; i++) {
		struct client_rec *c = &s->clients[i];

		c->sim = s;
		c->number = i;
		c->mid = (uint16_t)rand_u64(&s->rnd);
		addr_parse_ip(&c->addr, SPAN_LIT("192.0.2.101"), false);
		c->addr.port = (uint16_t)(40000 + i);
		timer_init(&c->next, client_fire);
		timer_start(&s->world.timers, &c->next,
		    s->world.now + rand_below(&s->rnd, 1000));
	}
}

static void
sum_up(struct sim *s)
{
	struct lossy_result *r = s->result;

	for (unsigned i = 0; i < RING; i++)
		if (s->ring[i].used)
			oracle_over(s, &s->ring[i]);
	r->repeated +=
	    dgram_stats(server_dgram(s->world.server))->retransmissions +
	    dgram_stats(client_dgram(s->world.client))->retransmissions;
	r->idle = world_idle(&s->world);
	snprintf(r->why, sizeof(r->why), "%.199s", s->world.why);
}

/* When it is time, the configurations take turns. */
static void
reload(struct sim *s)
{
	const char *text = s->reloads % 2 == 0 ? s->conf->other : s->conf->conf;

	if (s->conf->other == NULL || s->world.now < s->next_reload)
		return;
	s->next_reload = s->world.now + s->conf->reload;
	s->reloads++;
	assert(world_reload(&s->world, "lossy", text));
}

/* Until all is asked, and DRAIN_MS more. */
static void
turn(struct sim *s)
{
	uint64_t end = s->world.now;

	s->proxy = s->world.self.host[0];
	s->proxy.port = 5683;
	clients_start(s);
	while (s->world.now < end + DRAIN_MS) {
		world_step(&s->world, s->world.now + DRAIN_MS);
		if (s->nrequests < s->conf->exchanges)
			end = s->world.now;
		pump(s);
		reload(s);
	}
	sum_up(s);
}

static struct sim *
sim_new(const struct lossy_conf *c, struct lossy_result *r)
{
	struct sim *s = xcalloc(1, sizeof(*s));

	assert(c->origins <= MAX_ORIGINS);
	s->conf = c;
	s->result = r;
	list_init(&s->arrived);
	rand_init_fixed(&s->rnd, c->seed);
	s->key = rand_key(&s->rnd);
	s->clients = xcalloc(c->clients, sizeof(*s->clients));
	s->ring = xcalloc(RING, sizeof(*s->ring));
	for (unsigned i = 0; i < c->origins; i++)
		s->mids[i] = xcalloc(MIDS, sizeof(*s->mids[i]));
	return s;
}

static void
sim_free(struct sim *s)
{
	for (unsigned i = 0; i < MAX_ORIGINS; i++)
		free(s->mids[i]);
	free(s->clients);
	free(s->ring);
	free(s);
}

void
lossy_run(const struct lossy_conf *c, struct lossy_result *r)
{
	struct sim *s;

	*r = (struct lossy_result){ 0 };
	s = sim_new(c, r);
	if (world_init(&s->world, "lossy", c->conf, c->seed))
		turn(s);
	else
		snprintf(r->why, sizeof(r->why), "%.199s", s->world.why);
	world_fini(&s->world);
	sim_free(s);
}
