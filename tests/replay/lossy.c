/*
 * lossy: a bad network, on the wheel of the proxy under test.
 */
#include "lossy.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "sim.h"

enum {
	MAX_DELAY_MS = 400,
	DRAIN_MS = 600000,
	IN_A_ROW = 1,
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

void
sim_transmit(struct sim *s, const struct addr *from, const struct addr *to,
    struct span octets)
{
	uint64_t h = siphash(&s->key, octets) % ROWS;

	if (rand_below(&s->rnd, 100) < s->conf->loss &&
	    s->dropped[h] < IN_A_ROW) {
		s->dropped[h]++;
		s->result->lost++;
		return;
	}
	s->dropped[h] = 0;
	fly(s, from, to, octets);
	if (rand_below(&s->rnd, 100) < s->conf->copies) {
		s->result->doubled++;
		fly(s, from, to, octets);
	}
}

static void
repeat_fire(struct timer *t, uint64_t now)
{
	struct repeat *r = CONTAINER_OF(t, struct repeat, timer);

	sim_transmit(r->sim, &r->from, &r->to, span_make(r->octets, r->n));
	if (--r->left == 0)
		return;
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
	r->sim = s;
	r->from = *from;
	r->to = *to;
	r->n = octets.n;
	memcpy(r->octets, octets.p, octets.n);
	r->timeout = 2000 + rand_below(&s->rnd, 1000);
	r->left = copies;
	timer_init(&r->timer, repeat_fire);
	timer_start(&s->world.timers, &r->timer, s->world.now);
}

/* ---- running ---- */

static struct client_rec *
client_at(struct sim *s, const struct addr *a)
{
	for (unsigned i = 0; i < s->conf->clients; i++)
		if (addr_eq(&s->clients[i].addr, a))
			return &s->clients[i];
	return NULL;
}

static void
land(struct sim *s, struct flight *f)
{
	struct span octets = span_make(f->octets, f->n);
	struct client_rec *c = client_at(s, &f->to);

	if (c != NULL)
		client_input(s, c, octets);
	else if (f->to.ip[0] == 198)
		origin_input(s, &f->to, &f->from, octets);
	else
		world_input(&s->world, &f->from, &f->to, octets);
	free(f);
}

static void
pump(struct sim *s)
{
	struct packet *p;

	while (!list_empty(&s->arrived)) {
		struct flight *f =
		    CONTAINER_OF(s->arrived.next, struct flight, link);

		list_del(&f->link);
		land(s, f);
	}
	while ((p = world_take(&s->world)) != NULL) {
		sim_transmit(s, &p->from, &p->to, span_make(p->octets, p->n));
		free(p);
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

	for (unsigned i = 0; i < s->nrequests; i++) {
		r->confirmable += s->requests[i].con;
		r->answered +=
		    s->requests[i].con && s->requests[i].answers > 0;
		timer_stop(&s->requests[i].ask.timer);
		timer_stop(&s->requests[i].tell.timer);
	}
	r->idle = world_idle(&s->world);
	snprintf(r->why, sizeof(r->why), "%.199s", s->world.why);
}

void
lossy_run(const struct lossy_conf *c, struct lossy_result *r)
{
	struct sim *s = xcalloc(1, sizeof(*s));
	unsigned total = c->clients * c->requests;
	uint64_t end;

	*r = (struct lossy_result){ 0 };
	s->conf = c;
	s->result = r;
	list_init(&s->arrived);
	rand_init_fixed(&s->rnd, c->seed);
	s->key = rand_key(&s->rnd);
	s->clients = xcalloc(c->clients, sizeof(*s->clients));
	s->requests = xcalloc(total, sizeof(*s->requests));
	for (unsigned i = 0; i < total; i++) {
		sim_repeat_init(&s->requests[i].ask);
		sim_repeat_init(&s->requests[i].tell);
	}
	if (world_init(&s->world, "lossy", c->conf, c->seed)) {
		s->proxy = s->world.self.host[0];
		s->proxy.port = 5683;
		clients_start(s);
		end = s->world.now + c->requests * 8000 + DRAIN_MS;
		while (s->world.now < end || !list_empty(&s->arrived)) {
			world_step(&s->world, end);
			pump(s);
		}
		sum_up(s);
	} else {
		snprintf(r->why, sizeof(r->why), "%.199s", s->world.why);
	}
	world_fini(&s->world);
	free(s->clients);
	free(s->requests);
	free(s);
}
