/*
 * throng_ask: clients that observe nothing: plain GET, and PUT.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "throng_sim.h"

enum { ASKERS = 16, GAP_MS = 60000, ANSWER_MS = 150000 };

static void
ask_again(struct repeat *r)
{
	struct asker *a = CONTAINER_OF(r, struct asker, ask);
	struct throng *c = r->throng;
	uint8_t octets[OCTETS], space[16];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { COAP_CON, a->code, a->mid,
		span_make(&a->token, sizeof(a->token)) };
	char path[16];

	snprintf(path, sizeof(path), "%u", a->resource);
	coap_put_opt(&o, COAP_OPT_URI_PATH, span_str(path));
	throng_transmit(c, &a->addr, &c->proxy,
	    span_make(octets, coap_emit(octets, sizeof(octets), &h,
		writer_span(&w),
		a->code == COAP_PUT ? SPAN_LIT("x") : SPAN_LIT(""))));
}

static void
rest(struct asker *a)
{
	struct throng *c = a->throng;

	a->waits = false;
	repeat_stop(&a->ask);
	timer_start(&c->world.timers, &a->next,
	    c->world.now + rand_below(&c->rnd, GAP_MS));
}

static void
ask_vain(struct repeat *r)
{
	rest(CONTAINER_OF(r, struct asker, ask));
}

static void
next_fire(struct timer *t, uint64_t now)
{
	struct asker *a = CONTAINER_OF(t, struct asker, next);
	struct throng *c = a->throng;

	(void)now;
	if (a->waits) {
		rest(a);
		return;
	}
	if (c->phase != CHANGING)
		return;
	a->resource = (unsigned)rand_below(&c->rnd, c->conf->resources);
	a->code = rand_below(&c->rnd, 4) == 0 ? COAP_PUT : COAP_GET;
	a->mid++;
	a->token++;
	a->waits = true;
	a->told = false;
	repeat_start(&a->ask);
}

static void
answered(struct asker *a, const struct coap_msg *m)
{
	struct throng *c = a->throng;

	rest(a);
	if (coap_code_class(m->code) != 2)
		return;
	if (m->code != (a->code == COAP_PUT ? COAP_204 : COAP_205) ||
	    coap_has(m, COAP_OPT_OBSERVE))
		throng_wrong(c, FAULT_FORM, "OBS-57 asker: %02x", m->code);
	else if (m->code == COAP_205 &&
	    origin_version(&c->resources[a->resource], m) == 0)
		throng_wrong(c, FAULT_BODY, "asker %u", a->number);
}

void
asker_input(struct throng *c, struct asker *a, struct span octets)
{
	struct coap_msg m;

	if (coap_parse(&m, octets) != COAP_PARSE_OK) {
		throng_wrong(c, FAULT_MIXED, "malformed at an asker");
		return;
	}
	if (m.type == COAP_CON)
		throng_send_empty(c, &a->addr, &c->proxy, COAP_ACK, m.mid);
	if (m.code == COAP_EMPTY && m.mid == a->mid && a->waits) {
		repeat_stop(&a->ask);
		timer_start(&c->world.timers, &a->next,
		    c->world.now + ANSWER_MS);
	} else if (m.code != COAP_EMPTY && a->waits &&
	    span_eq(m.token, span_make(&a->token, sizeof(a->token)))) {
		answered(a, &m);
	}
}

void
askers_start(struct throng *c)
{
	c->naskers = c->conf->restless ? ASKERS : 0;
	c->askers = xcalloc(ASKERS, sizeof(*c->askers));
	for (unsigned i = 0; i < c->naskers; i++) {
		struct asker *a = &c->askers[i];
		char text[32];

		snprintf(text, sizeof(text), "198.19.0.%u", i);
		addr_parse_ip(&a->addr, span_str(text), false);
		a->addr.port = 40000;
		a->throng = c;
		a->number = i;
		repeat_init(&a->ask, c, ask_again, ask_vain);
		timer_init(&a->next, next_fire);
		rest(a);
	}
}

void
askers_free(struct throng *c)
{
	for (unsigned i = 0; i < c->naskers; i++) {
		repeat_stop(&c->askers[i].ask);
		timer_stop(&c->askers[i].next);
	}
	free(c->askers);
}
