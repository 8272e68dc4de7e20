/*
 * throng: the network, on the wheel of the proxy under test, and the course of
 * a run.
 */
#include "throng_sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "coap/dump.h"

enum {
	MAX_DELAY_MS = 400,
	/* After the last change: what the proxy still has on its lists must be
	 * told, and later those who have to find out by themselves. */
	QUIET_MS = 1500000,
	CLOSING_MS = 450000,
	DRAIN_MS = 3600000,
};

const char *
throng_fault(enum fault fault)
{
	static const char *const names[NFAULTS] = {
		[FAULT_MIXED] = "OBS-11 belongs to nothing",
		[FAULT_UNINVITED] =
		    "OBS-09 OBS-22 OBS-23 told who is not on the list",
		[FAULT_TWO_CON] = "OBS-26 more than one outstanding",
		[FAULT_NON_RATE] = "OBS-27 NON too soon",
		[FAULT_UNCONFIRMED] = "OBS-21 NON where CON is due",
		[FAULT_REPETITION] = "OBS-23 OBS-29 repeated wrongly",
		[FAULT_VALUE] = "OBS-17 OBS-18 Observe does not grow",
		[FAULT_OBSOLETE] = "OBS-28 not the newest state",
		[FAULT_LATE] = "OBS-04 OBS-56 the newest state is kept back",
		[FAULT_OLDER] = "OBS-34 an older state after a newer one",
		[FAULT_AGE] = "OBS-15 OBS-45 Max-Age too large",
		[FAULT_FORM] = "OBS-12 OBS-13 OBS-14 malformed",
		[FAULT_BODY] = "OBS-64 no body that there was",
		[FAULT_DEAD] = "OBS-21 the dead are told too much",
		[FAULT_TWICE] = "OBS-40 registered twice",
		[FAULT_HASTY] = "OBS-37 asked again while fresh",
		[FAULT_CUT] = "OBS-54 cancelled behind observers' backs",
		[FAULT_BLIND] = "OBS-51 OBS-52 the end, and nobody is told",
		[FAULT_STALE] = "OBS-04 not the last state",
		[FAULT_REFUSED] = "OBS-04 refused",
		[FAULT_UNANSWERED] = "OBS-47 never answered",
		[FAULT_BURST] = "too much at once",
		[FAULT_LEFT] = "left behind",
	};

	return names[fault];
}

void
throng_vwrong(struct throng *c, enum fault fault, const char *fmt, va_list ap)
{
	struct throng_result *r = c->result;
	char text[120];

	if (r->faults[fault]++ > 10)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	if (c->verbose)
		fprintf(stderr, "%.3f %s: %s\n",
		    (double)c->world.now / 1000, throng_fault(fault), text);
	if (r->why[0] == '\0')
		snprintf(r->why, sizeof(r->why), "%.60s: %s",
		    throng_fault(fault), text);
}

void
throng_wrong(struct throng *c, enum fault fault, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	throng_vwrong(c, fault, fmt, ap);
	va_end(ap);
}

/* ---- the network ---- */

/* A datagram on its way. */
struct flight {
	struct timer timer;
	struct list link;	/* in the air, or arrived */
	struct throng *throng;
	struct addr from, to;
	size_t n;
	uint8_t octets[];
};

uint64_t
throng_between(struct throng *c, uint64_t from, uint64_t to)
{
	return from + rand_below(&c->rnd, to - from + 1);
}

static void
arrive_fire(struct timer *t, uint64_t now)
{
	struct flight *f = CONTAINER_OF(t, struct flight, timer);

	(void)now;
	list_del(&f->link);
	list_add_tail(&f->throng->arrived, &f->link);
}

static void
fly(struct throng *c, const struct addr *from, const struct addr *to,
    struct span octets)
{
	struct flight *f = xcalloc(1, sizeof(*f) + octets.n);

	f->throng = c;
	f->from = *from;
	f->to = *to;
	f->n = octets.n;
	memcpy(f->octets, octets.p, octets.n);
	list_add_tail(&c->air, &f->link);
	timer_init(&f->timer, arrive_fire);
	timer_start(&c->world.timers, &f->timer,
	    c->world.now + throng_between(c, 1, MAX_DELAY_MS));
}

static void
trace(const struct throng *c, const struct addr *from, const struct addr *to,
    struct span octets)
{
	char text[300], a[ADDR_STRLEN], b[ADDR_STRLEN];
	struct coap_msg m;

	if (coap_parse(&m, octets) == COAP_PARSE_OK)
		fprintf(stderr, "%.3f %s > %s %s\n",
		    (double)c->world.now / 1000, addr_str(from, a),
		    addr_str(to, b), coap_dump(&m, text, sizeof(text)));
}

void
throng_transmit(struct throng *c, const struct addr *from,
    const struct addr *to, struct span octets)
{
	c->result->datagrams++;
	if (c->trace)
		trace(c, from, to, octets);
	if (rand_below(&c->rnd, 100) < c->conf->loss) {
		c->result->lost++;
		return;
	}
	fly(c, from, to, octets);
	if (rand_below(&c->rnd, 100) < c->conf->copies)
		fly(c, from, to, octets);
}

void
throng_send_empty(struct throng *c, const struct addr *from,
    const struct addr *to, uint8_t type, uint16_t mid)
{
	uint8_t octets[4];

	coap_emit_empty(octets, type, mid);
	throng_transmit(c, from, to, span_make(octets, 4));
}

static void
repeat_fire(struct timer *t, uint64_t now)
{
	struct repeat *r = CONTAINER_OF(t, struct repeat, timer);

	if (r->sent == TRANSMISSIONS) {
		r->vain(r);
		return;
	}
	r->sent++;
	timer_start(&r->throng->world.timers, t, now + r->timeout);
	r->timeout *= 2;
	r->again(r);
}

void
repeat_init(struct repeat *r, struct throng *c, void (*again)(struct repeat *),
    void (*vain)(struct repeat *))
{
	*r = (struct repeat){ .throng = c, .again = again, .vain = vain };
	timer_init(&r->timer, repeat_fire);
}

void
repeat_later(struct repeat *r, uint64_t ms)
{
	r->sent = 0;
	r->timeout = throng_between(r->throng, 2000, 3000);
	timer_start(&r->throng->world.timers, &r->timer,
	    r->throng->world.now + ms);
}

void
repeat_start(struct repeat *r)
{
	repeat_later(r, 0);
	timer_stop(&r->timer);
	repeat_fire(&r->timer, r->throng->world.now);
}

void
repeat_stop(struct repeat *r)
{
	timer_stop(&r->timer);
}

/* ---- running ---- */

static bool
is_origin(const struct throng *c, const struct addr *a)
{
	return addr_eq(a, &c->origin.addr);
}

/* 198.18.0.0/16 are the watchers, 198.19.0.0/16 the askers. */
static unsigned
host_of(const struct addr *a)
{
	return (unsigned)a->ip[2] << 8 | a->ip[3];
}

static void
land(struct throng *c, struct flight *f)
{
	struct span octets = span_make(f->octets, f->n);

	if (is_origin(c, &f->to)) {
		origin_input(c, &f->from, octets);
	} else if (f->to.ip[1] == 18) {
		watcher_input(c, &c->endpoints[host_of(&f->to)], octets);
	} else if (f->to.ip[1] == 19) {
		asker_input(c, &c->askers[host_of(&f->to)], octets);
	} else {
		if (is_origin(c, &f->from))
			judge_hears(c, &f->to, octets);
		else if (f->from.ip[1] == 18)
			judge_comes(c, &c->endpoints[host_of(&f->from)],
			    octets);
		world_input(&c->world, &f->from, &f->to, octets);
	}
	free(f);
}

static void
collect(struct throng *c)
{
	struct packet *p;

	while ((p = world_take(&c->world)) != NULL) {
		judge_sent(c, p);
		throng_transmit(c, &p->from, &p->to,
		    span_make(p->octets, p->n));
		free(p);
	}
}

/* What the proxy sent when time passed comes first: the judge must not think
 * that it knew what arrives now. */
static void
pump(struct throng *c)
{
	collect(c);
	while (!list_empty(&c->arrived)) {
		struct flight *f =
		    CONTAINER_OF(c->arrived.next, struct flight, link);

		list_del(&f->link);
		land(c, f);
		collect(c);
	}
}

static void
pass(struct throng *c, uint64_t ms)
{
	uint64_t until = c->world.now + ms;

	while (c->world.now < until) {
		world_step(&c->world, until);
		pump(c);
	}
}

/* One in four is followed by others at once. */
static void
change_fire(struct timer *t, uint64_t now)
{
	struct throng *c = CONTAINER_OF(t, struct throng, change);
	uint64_t n = rand_below(&c->rnd, c->conf->resources);
	uint64_t gap = rand_below(&c->rnd, 4) == 0 ?
	    rand_below(&c->rnd, 100) :
	    rand_below(&c->rnd, c->conf->gap * 8 / 3);

	/* Those in front change more often, and have more observers. */
	n = rand_below(&c->rnd, n + 1);
	origin_change(c, &c->resources[n]);
	if (--c->changes > 0)
		timer_start(&c->world.timers, t, now + gap);
}

static void
sweep_fire(struct timer *t, uint64_t now)
{
	struct throng *c = CONTAINER_OF(t, struct throng, sweep);

	judge_sweep(c);
	timer_start(&c->world.timers, t, now + SWEEP_MS);
}

static void
trouble_fire(struct timer *t, uint64_t now)
{
	struct throng *c = CONTAINER_OF(t, struct throng, trouble);

	if (c->phase != CHANGING)
		return;
	origin_trouble(c, true);
	timer_start(&c->world.timers, t, now + throng_between(c, 5000, 100000));
}

/* The proxy may hold on to things for a while, not for ever. */
static void
drain(struct throng *c)
{
	uint64_t until = c->world.now + DRAIN_MS;

	timer_stop(&c->sweep);
	while (c->world.now < until && !world_idle(&c->world))
		pass(c, 10000);
	if (!world_idle(&c->world))
		throng_wrong(c, FAULT_LEFT, "%.100s", c->world.why);
	judge_end(c);
}

static void
turn(struct throng *c)
{
	c->proxy = c->world.self.host[0];
	c->proxy.port = 5683;
	timer_init(&c->change, change_fire);
	timer_init(&c->sweep, sweep_fire);
	timer_init(&c->trouble, trouble_fire);
	origin_start(c);
	watchers_start(c);
	askers_start(c);
	c->changes = c->conf->changes;
	timer_start(&c->world.timers, &c->change, c->world.now + 30000);
	timer_start(&c->world.timers, &c->sweep, c->world.now + SWEEP_MS);
	if (c->conf->restless)
		timer_start(&c->world.timers, &c->trouble,
		    c->world.now + 60000);
	while (c->changes > 0)
		pass(c, 1000);
	c->phase = QUIET;
	origin_trouble(c, false);
	watchers_settle(c);
	c->last_change = c->world.now;
	pass(c, QUIET_MS);
	judge_last(c);
	c->phase = CLOSING;
	watchers_close(c);
	pass(c, CLOSING_MS);
	drain(c);
}

static void
flights_free(struct list *flights)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, flights) {
		struct flight *f = CONTAINER_OF(it, struct flight, link);

		timer_stop(&f->timer);
		free(f);
	}
}

void
throng_run(const struct throng_conf *conf, struct throng_result *r)
{
	struct throng *c = xcalloc(1, sizeof(*c));

	*r = (struct throng_result){ 0 };
	c->conf = conf;
	c->result = r;
	c->trace = getenv("TRACE") != NULL;
	c->verbose = c->trace || getenv("VERBOSE") != NULL;
	list_init(&c->air);
	list_init(&c->arrived);
	rand_init_fixed(&c->rnd, conf->seed);
	if (world_init(&c->world, "throng", conf->conf, conf->seed))
		turn(c);
	else
		throng_wrong(c, FAULT_LEFT, "%.100s", c->world.why);
	flights_free(&c->air);
	flights_free(&c->arrived);
	askers_free(c);
	watchers_free(c);
	origin_free(c);
	world_fini(&c->world);
	free(c);
}
