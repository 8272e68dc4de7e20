/*
 * throng_watch: observers by the rules for clients (RFC 7641 3).
 *
 * A token is the number of its watcher and a generation; a watcher that comes
 * back may take the next generation if nobody can remember the one before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "throng_sim.h"

enum {
	JOIN_MS = 50000,	/* until all have asked */
	LEAVE_MS = 300000,	/* until all have left */
	PATIENCE_MS = 300000,	/* behind Max-Age, of those who trust in being
				 * told, and for each token that has its turn */
	TURN_MS = 15000,
	/* A copy of an answer says how old it is to two seconds, or, without
	 * Max-Age, not at all. */
	COPY_MS = 2000,
	SPAN_MS = 45000,	/* MAX_TRANSMIT_SPAN */
	ANSWER_MS = 150000,	/* for a response behind an empty ACK */
	VALUE_MS = 128000,	/* RFC 7641 3.4 */
	SEVERAL = 16,		/* one endpoint in so many has several tokens */
};

static struct watcher *
watcher_of(struct repeat *r)
{
	return CONTAINER_OF(r, struct watcher, ask);
}

static uint64_t
now_of(const struct watcher *w)
{
	return w->at->throng->world.now;
}

static void
act_in(struct watcher *w, uint64_t ms)
{
	timer_start(&w->at->throng->world.timers, &w->next, now_of(w) + ms);
}

/* ---- asking ---- */

static void
ask_again(struct repeat *r)
{
	struct watcher *w = watcher_of(r);
	struct throng *c = r->throng;
	uint8_t octets[OCTETS], space[32], etag[5];
	struct writer o = writer_make(space, sizeof(space));
	struct writer e = writer_make(etag, sizeof(etag));
	struct coap_optw opts = coap_optw(&o);
	uint32_t token = w->number | (uint32_t)w->generation << 24;
	struct coap_head h = { COAP_CON, COAP_GET, w->mid,
		span_make(&token, sizeof(token)) };
	char path[16];

	snprintf(path, sizeof(path), "%u", w->resource);
	/* Those who renew name what they have. */
	if (w->named > 0) {
		writer_u8(&e, (uint8_t)w->resource);
		writer_u32(&e, w->named);
		coap_put_opt(&opts, COAP_OPT_ETAG, writer_span(&e));
	}
	coap_put_uint(&opts, COAP_OPT_OBSERVE, w->asking == TO_LEAVE);
	coap_put_opt(&opts, COAP_OPT_URI_PATH, span_str(path));
	throng_transmit(c, &w->at->addr, &c->proxy,
	    span_make(octets, coap_emit(octets, sizeof(octets), &h,
		writer_span(&o), SPAN_LIT(""))));
}

static void
ask(struct watcher *w, enum asking what)
{
	if (w->entry.listed == OUT && !judge_pending(w) && !w->watching &&
	    rand_below(&w->at->throng->rnd, 2) == 0)
		w->generation++;
	w->asking = what;
	w->acked = false;
	w->named = w->watching && w->habit == RENEWING && what == TO_JOIN ?
	    w->version : 0;
	w->mid = ++w->at->mid;
	timer_stop(&w->next);
	repeat_start(&w->ask);
}

static void
away_for(struct watcher *w, uint64_t from, uint64_t to)
{
	w->watching = false;
	w->asking = NOTHING;
	repeat_stop(&w->ask);
	if (w->left)
		timer_stop(&w->next);
	else
		act_in(w, throng_between(w->at->throng, from, to));
}

static void
ask_vain(struct repeat *r)
{
	struct watcher *w = watcher_of(r);

	away_for(w, 1000, 10000);
}

/* ---- habits ---- */

static bool
is_eager(const struct watcher *w)
{
	return w->habit == EAGER || w->habit == COMING;
}

/* When W, which has just been told, asks again if nothing comes. */
static uint64_t
patience(struct watcher *w)
{
	if (is_eager(w))
		return w->fresh_until +
		    throng_between(w->at->throng, 5000, 15000);
	return w->fresh_until + PATIENCE_MS + (uint64_t)w->at->n * TURN_MS;
}

static void
wait_for_news(struct watcher *w)
{
	uint64_t when = w->doubt_at = patience(w);

	if (w->asking == NOTHING && !w->left)
		timer_start(&w->at->throng->world.timers, &w->next,
		    when < w->act_at ? when : w->act_at);
}

static void
plan(struct watcher *w)
{
	struct throng *c = w->at->throng;
	bool restless = c->phase == CHANGING &&
	    (w->habit == COMING || w->habit == RENEWING ||
		w->habit == RESETTING);

	w->tired = false;
	w->act_at = restless ? now_of(w) + throng_between(c, 20000, 200000) :
			       TIMER_NEVER;
}

static void
act(struct watcher *w)
{
	plan(w);
	if (w->habit == RESETTING) {
		w->tired = true;
		w->act_at = TIMER_NEVER;
		wait_for_news(w);
	} else {
		ask(w, w->habit == COMING ? TO_LEAVE : TO_JOIN);
	}
}

/* W has heard nothing for so long that it asks again. */
static void
doubt(struct watcher *w)
{
	struct throng *c = w->at->throng;

	c->result->renewed++;
	if (is_eager(w))
		return;
	c->result->doubted++;
	if (w->entry.listed == IN)
		throng_wrong(c, FAULT_LATE, "watcher %u hears nothing",
		    w->number);
}

static void
next_fire(struct timer *t, uint64_t now)
{
	struct watcher *w = CONTAINER_OF(t, struct watcher, next);
	struct throng *c = w->at->throng;

	if (w->at->dead)
		return;
	if (w->asking != NOTHING)
		/* An empty ACK, and no answer behind it. */
		away_for(w, 0, 1000);
	else if (!w->watching)
		ask(w, TO_JOIN);
	else if (c->phase == CLOSING)
		ask(w, TO_LEAVE);
	else if (now >= w->act_at)
		act(w);
	else if (now >= w->doubt_at) {
		doubt(w);
		ask(w, TO_JOIN);
	} else {
		timer_start(&c->world.timers, t, w->doubt_at);
	}
}

/* ---- answers and notifications ---- */

struct watcher *
watcher_by_token(const struct throng *c, struct span token, bool *current)
{
	struct watcher *w;
	uint32_t v;

	if (token.n != sizeof(v))
		return NULL;
	memcpy(&v, token.p, sizeof(v));
	if ((v & 0xffffff) >= c->conf->watchers)
		return NULL;
	w = &c->watchers[v & 0xffffff];
	*current = w->generation == v >> 24;
	return w;
}

static void
accept_state(struct watcher *w, const struct coap_msg *m, uint32_t value,
    bool anew)
{
	struct throng *c = w->at->throng;
	struct resource *r = &c->resources[w->resource];
	uint32_t age = 60, format = 0, version = origin_version(r, m);
	bool named = coap_get_uint(m, COAP_OPT_CONTENT_FORMAT, &format);

	(void)coap_get_uint(m, COAP_OPT_MAX_AGE, &age);
	if (version == 0) {
		throng_wrong(c, FAULT_BODY, "watcher %u", w->number);
		return;
	}
	if (format != 0 || (m->code == COAP_205 && !named))
		throng_wrong(c, FAULT_FORM, "Content-Format, watcher %u",
		    w->number);
	if (version < w->version && !anew)
		throng_wrong(c, FAULT_OLDER, "watcher %u: %u after %u of %u",
		    w->number, version, w->version, w->resource);
	if (version == r->version && w->version != version &&
	    c->phase == QUIET && w->entry.listed == IN &&
	    w->entry.since < c->last_change &&
	    now_of(w) - c->last_change > c->result->slowest)
		c->result->slowest = now_of(w) - c->last_change;
	w->version = version;
	w->value = value;
	w->heard = now_of(w);
	w->fresh_until = now_of(w) + (uint64_t)age * 1000;
}

static void
die(struct endpoint *e)
{
	e->dead = true;
	for (unsigned i = 0; i < e->n; i++) {
		repeat_stop(&e->watchers[i].ask);
		timer_stop(&e->watchers[i].next);
	}
}

static void
fall_silent(struct watcher *w)
{
	bool all = true;

	w->mute = true;
	timer_stop(&w->next);
	for (unsigned i = 0; i < w->at->n; i++)
		all = all && w->at->watchers[i].mute;
	if (all)
		die(w->at);
}

static void
content(struct watcher *w, const struct coap_msg *m, bool answer)
{
	struct throng *c = w->at->throng;
	uint32_t value;

	if (!coap_get_uint(m, COAP_OPT_OBSERVE, &value)) {
		/* Else a late answer to an attempt to leave. */
		if (!c->conf->restless && answer)
			throng_wrong(c, FAULT_REFUSED, "watcher %u: plain",
			    w->number);
		away_for(w, 5000, 30000);
		return;
	}
	if (w->watching && !value_newer(value, w->value) &&
	    now_of(w) <= w->heard + VALUE_MS) {
		wait_for_news(w);
		return;
	}
	if (!w->watching)
		plan(w);
	c->result->joined += answer;
	accept_state(w, m, value, !w->watching);
	w->watching = true;
	wait_for_news(w);
	w->slack = !answer ? 0 :
	    coap_has(m, COAP_OPT_MAX_AGE) ? COPY_MS : SPAN_MS;
	if (w->habit == DEAD_SOON)
		fall_silent(w);
}

/* M is for W, which is asking or watching. */
static void
told(struct watcher *w, const struct coap_msg *m)
{
	struct throng *c = w->at->throng;
	bool observe = coap_has(m, COAP_OPT_OBSERVE);
	bool answer = w->asking == TO_LEAVE ?
	    m->type == COAP_ACK || (w->acked && !observe) :
	    w->asking == TO_JOIN &&
		(m->type == COAP_ACK || w->acked || !w->watching);
	bool left = answer && w->asking == TO_LEAVE;

	if (answer) {
		w->asking = NOTHING;
		repeat_stop(&w->ask);
	}
	if (left) {
		if (observe)
			throng_wrong(c, FAULT_FORM, "Observe to one that left");
		away_for(w, 5000, 60000);
	} else if (coap_code_class(m->code) == 2) {
		if (w->asking != TO_LEAVE)
			content(w, m, answer);
	} else {
		if (!c->conf->restless && m->code != COAP_504)
			throng_wrong(c, FAULT_REFUSED, "watcher %u: %02x",
			    w->number, m->code);
		c->result->ended++;
		w->watching = false;
		if (w->asking == NOTHING)
			away_for(w, 5000, 30000);
	}
}

/* Its former self has not quite gone, or it has had enough. */
static bool
unwanted(const struct watcher *w, const struct coap_msg *m, bool current)
{
	return !current || (w->asking == NOTHING && !w->watching) ||
	    (w->tired && w->watching && w->asking == NOTHING &&
		m->type != COAP_ACK);
}

static bool
is_copy(struct watcher *w, uint16_t mid)
{
	for (unsigned i = 0; i < HEARD && i < w->nheard; i++)
		if (w->heard_mid[i] == mid)
			return true;
	w->heard_mid[w->nheard++ % HEARD] = mid;
	return false;
}

static void
response(struct throng *c, struct endpoint *e, const struct coap_msg *m)
{
	bool current;
	struct watcher *w = watcher_by_token(c, m->token, &current);

	if (w == NULL || w->at != e) {
		throng_wrong(c, FAULT_MIXED, "token at a watcher");
		return;
	}
	if (m->type == COAP_ACK) {
		/* Else a copy. */
		if (current && w->asking != NOTHING && m->mid == w->mid)
			told(w, m);
		return;
	}
	if (w->mute)
		return;
	if (unwanted(w, m, current)) {
		throng_send_empty(c, &e->addr, &c->proxy, COAP_RST, m->mid);
		if (current && w->watching)
			away_for(w, 10000, 100000);
		return;
	}
	if (m->type == COAP_CON)
		throng_send_empty(c, &e->addr, &c->proxy, COAP_ACK, m->mid);
	if (!is_copy(w, m->mid))
		told(w, m);
}

static void
empty(struct endpoint *e, const struct coap_msg *m)
{
	for (unsigned i = 0; i < e->n; i++) {
		struct watcher *w = &e->watchers[i];

		if (m->type != COAP_ACK || w->asking == NOTHING ||
		    w->mid != m->mid)
			continue;
		w->acked = true;
		repeat_stop(&w->ask);
		act_in(w, ANSWER_MS);
	}
}

void
watcher_input(struct throng *c, struct endpoint *e, struct span octets)
{
	struct coap_msg m;

	if (e->dead)
		return;
	if (coap_parse(&m, octets) != COAP_PARSE_OK)
		throng_wrong(c, FAULT_MIXED, "malformed at a watcher");
	else if (coap_code_kind(m.code) == COAP_KIND_RESPONSE)
		response(c, e, &m);
	else if (m.code == COAP_EMPTY)
		empty(e, &m);
	else
		throng_wrong(c, FAULT_MIXED, "request at a watcher");
}

/* ---- life ---- */

static void
death_fire(struct timer *t, uint64_t now)
{
	(void)now;
	die(CONTAINER_OF(t, struct endpoint, death));
}

/* One endpoint in ten is dead, one way or the other. */
static enum habit
habit_of(struct throng *c)
{
	static const enum habit of[20] = { DEAD_SOON, DEAD_LATER, RESETTING,
		COMING, COMING, RENEWING, EAGER, EAGER, STEADY };

	return of[rand_below(&c->rnd, 20)];
}

static void
endpoint_start(struct throng *c, struct endpoint *e, struct watcher *first)
{
	unsigned i = (unsigned)(e - c->endpoints);
	enum habit habit = habit_of(c);
	char text[32];

	snprintf(text, sizeof(text), "198.18.%u.%u", i >> 8, i & 255);
	addr_parse_ip(&e->addr, span_str(text), false);
	e->addr.port = (uint16_t)(40000 + i % 1000);
	e->throng = c;
	e->mid = (uint16_t)rand_u64(&c->rnd);
	e->watchers = first;
	timer_init(&e->death, death_fire);
	if (habit == DEAD_LATER)
		timer_start(&c->world.timers, &e->death, c->world.now +
		    throng_between(c, JOIN_MS, JOIN_MS * 10));
	for (unsigned j = 0; j < e->n; j++) {
		struct watcher *w = &first[j];
		uint64_t n = rand_below(&c->rnd, c->conf->resources);

		w->at = e;
		w->number = (unsigned)(w - c->watchers);
		w->resource = (unsigned)rand_below(&c->rnd, n + 1);
		w->habit = habit;
		w->act_at = TIMER_NEVER;
		c->result->dead += habit >= DEAD_SOON;
		repeat_init(&w->ask, c, ask_again, ask_vain);
		timer_init(&w->next, next_fire);
		act_in(w, rand_below(&c->rnd, JOIN_MS));
	}
}

void
watchers_start(struct throng *c)
{
	unsigned given = 0, several;

	c->watchers = xcalloc(c->conf->watchers, sizeof(*c->watchers));
	c->endpoints = xcalloc(c->conf->watchers, sizeof(*c->endpoints));
	while (given < c->conf->watchers) {
		struct endpoint *e = &c->endpoints[c->nendpoints++];

		several = rand_below(&c->rnd, SEVERAL) == 0 ?
		    (unsigned)rand_below(&c->rnd, MAX_TOKENS) : 0;
		e->n = several + 1;
		if (e->n > c->conf->watchers - given)
			e->n = c->conf->watchers - given;
		endpoint_start(c, e, &c->watchers[given]);
		given += e->n;
	}
}

void
watchers_settle(struct throng *c)
{
	for (unsigned i = 0; i < c->conf->watchers; i++) {
		struct watcher *w = &c->watchers[i];

		w->tired = false;
		w->act_at = TIMER_NEVER;
		if (!w->at->dead && !w->mute && !w->watching &&
		    w->asking == NOTHING)
			act_in(w, rand_below(&c->rnd, 10000));
	}
}

/* Some say so, the others when they are told something. */
void
watchers_close(struct throng *c)
{
	for (unsigned i = 0; i < c->conf->watchers; i++) {
		struct watcher *w = &c->watchers[i];

		w->left = true;
		if (w->at->dead || w->mute)
			continue;
		if (w->watching && rand_below(&c->rnd, 4) != 0)
			act_in(w, rand_below(&c->rnd, LEAVE_MS));
		else
			away_for(w, 0, 0);
	}
}

void
watchers_free(struct throng *c)
{
	for (unsigned i = 0; i < c->nendpoints; i++) {
		die(&c->endpoints[i]);
		timer_stop(&c->endpoints[i].death);
	}
	free(c->watchers);
	free(c->endpoints);
}
