/*
 * observers: who is told of an observation, and what.
 *
 * Going round a list of observers is spread over turns of the loop: TELL_BATCH
 * of them in each, whoever they belong to. (How many are sent something in a
 * turn is the message layer's to decide.) Those already looked at are at its
 * end, so a newer state in the middle of a round starts the next one where this
 * one has come to, and nobody is told late twice. A notification is encoded
 * once for all who want the same block size.
 */
#include "proxy/core.h"
#include "proxy/observation.h"
#include "proxy/observe.h"
#include "proxy/way.h"

enum {
	TELL_BATCH = 256,	/* observers looked at in one turn */
	CROWD = 8,		/* endpoints' worth of one address (ATK-13) */
	SEQ_MASK = 0xffffff,
};

static void
tell_fire(struct timer *t, uint64_t now);

bool
observers_start(struct proxy *p, struct rand *rnd)
{
	const struct observe_conf *c = &p->conf->observe;

	list_init(&p->telling);
	timer_init(&p->tell, tell_fire);
	p->tell_left = TELL_BATCH;
	return crowds_init(&p->crowds, CROWD * (size_t)c->max_per_client,
	    c->max_observers, rnd);
}

void
observers_resize(struct proxy *p)
{
	const struct observe_conf *c = &p->conf->observe;

	crowds_resize(&p->crowds, CROWD * (size_t)c->max_per_client,
	    c->max_observers);
}

void
observers_stop(struct proxy *p)
{
	timer_stop(&p->tell);
	crowds_fini(&p->crowds);
}

/* ---- coming and going ---- */

static void
leave(struct proxy *p, struct observer *w)
{
	struct observation *o = w->of;

	list_del(&w->link);
	w->of = NULL;
	if (w->crowd != NULL)
		crowd_leave(&p->crowds, w->crowd);
	w->crowd = NULL;
	way_put(w->way);
	w->way = NULL;
	p->nobservers--;
	if (--o->n > 0)
		return;
	if (o->state != OBSERVE_OVER)
		observation_idle(p, o);
	else if (!o->busy)
		observation_free(p, o);
}

/* W, new or of another observation before, is to be one of O's. */
static void
enter(struct proxy *p, struct observer *w, struct observation *o)
{
	if (w->of == o)
		return;
	if (w->of != NULL)
		leave(p, w);
	w->of = o;
	list_add_tail(&o->observers, &w->link);
	o->n++;
	p->nobservers++;
}

/* Whether there is room for R; OLD is the entry it has, or NULL. *C is its
 * place among those of its address, if that matters. */
static bool
find_room(struct proxy *p, const struct request *r, const struct observer *old,
    struct crowd **c)
{
	*c = old != NULL ? old->crowd : NULL;
	/* The token stands for what was asked for last. */
	if (p->draining ||
	    (old != NULL && (int32_t)(r->serial - old->serial) < 0))
		return false;
	if (old == NULL && p->nobservers >= p->conf->observe.max_observers)
		return false;
	if (!r->crowded || *c != NULL)
		return true;
	*c = crowd_join(&p->crowds, &r->observes_from);
	return *c != NULL;
}

bool
observers_add(struct proxy *p, struct request *r, struct observation *o)
{
	struct observer *old = r->front->observer(r), *w = NULL;
	struct way *way = way_get(&o->ways, r);
	struct crowd *crowd;

	if (way != NULL && find_room(p, r, old, &crowd)) {
		w = r->front->observe(r);
		if (w == NULL && crowd != NULL)
			crowd_leave(&p->crowds, crowd);
	}
	if (w == NULL) {
		way_put(way);
		p->stats.observers_refused++;
		return false;
	}
	/* Its place goes with it. */
	w->crowd = NULL;
	enter(p, w, o);
	w->crowd = crowd;
	way_put(w->way);
	w->way = way;
	w->front = r->front;
	w->version = o->version;
	w->serial = r->serial;
	w->szx = r->has_block2 && r->block2.szx < r->szx ? r->block2.szx :
	    r->szx;
	w->has_block2 = r->has_block2;
	if ((r->route.conf != p->conf || o->fetch->route.conf != p->conf) &&
	    !reload_admits(p, r, o, w)) {
		p->stats.observers_refused++;
		observers_drop(p, w);
		return false;
	}
	o->seq = observers_seq(p);
	timer_stop(&o->linger);
	r->observer = w;
	return true;
}

void
observers_move(struct proxy *p, struct observer *w, struct observation *o)
{
	struct crowd *crowd = w->crowd;

	w->crowd = NULL;
	enter(p, w, o);
	w->crowd = crowd;
}

void
observers_drop(struct proxy *p, struct observer *w)
{
	if (w->of != NULL)
		leave(p, w);
	w->front->unobserve(w);
}

void
observers_drop_all(struct proxy *p, struct observation *o)
{
	/* It is not freed under our feet. */
	o->busy = true;
	while (!list_empty(&o->observers))
		observers_drop(p, CONTAINER_OF(o->observers.next,
		    struct observer, link));
	o->busy = false;
}

void
observer_gone(struct observer *w, uint64_t now)
{
	struct proxy *p;

	if (w->of == NULL)
		return;
	p = w->of->proxy;
	p->now = now;
	leave(p, w);
}

/* ---- what they are told ---- */

/* The clock's milliseconds go up by 2^18 in 256 s, and there are fewer states
 * than 2^15 in a second (OBS-17, OBS-18). One sequence for all, since an entry
 * may go from one observation to another. */
uint32_t
observers_seq(struct proxy *p)
{
	uint32_t clock = (uint32_t)p->now;

	p->seq = (int32_t)(clock - p->seq) > 0 ? clock : p->seq + 1;
	return p->seq;
}

/* The part of BODY that W is told: the first block, unless all of it fits and
 * W has not asked for blocks. */
static struct span
first_block(const struct observer *w, struct span body, struct fresh_extra *x)
{
	struct coap_block b = { .szx = w->szx };
	size_t whole = coap_block_size(&b);
	struct span slice = body;

	if (whole > WHOLE_MAX)
		whole = WHOLE_MAX;
	if (body.n == 0 || (body.n <= whole && !w->has_block2))
		return body;
	if (!coap_block_slice(body, &b, &slice))
		return body;
	x->block2 = coap_block_value(&b);
	x->has |= FRESH_HAS_BLOCK2;
	return slice;
}

static bool
has_etag(const struct cache_entry *e)
{
	return cache_etag(e).n > 0;
}

/* Writes what W is told of O into T. */
static void
build(struct proxy *p, struct observation *o, const struct observer *w,
    uint32_t max_age, struct told *t)
{
	struct cache_entry *e = o->entry;
	struct writer wr = writer_make(t->opts, sizeof(t->opts));
	struct fresh_extra x = { .max_age = max_age };
	struct span body = cache_body(e);
	bool state = o->state != OBSERVE_OVER;

	if (state) {
		x.observe = o->seq & SEQ_MASK;
		x.has |= FRESH_HAS_OBSERVE;
	}
	t->payload = first_block(w, body, &x);
	if (t->payload.n < body.n) {
		o->told_blocks = true;
		if (state && !has_etag(e))
			x.etag = cache_own_etag(&p->cache, e);
	}
	t->fits = fresh_put_answer(cache_opts(e), &x, &wr);
	t->nopts = writer_len(&wr);
	t->version = o->version;
	t->seq = o->seq;
	t->max_age = max_age;
}

void
observer_notice(struct observer *w, struct notice *out, uint64_t now)
{
	struct observation *o = w->of;
	struct proxy *p = o->proxy;
	uint32_t max_age = cache_max_age(o->entry, now);
	struct told *t = &p->told[w->szx % 8u + (w->has_block2 ? 8u : 0u)];

	if (t->version != o->version || t->seq != o->seq ||
	    t->max_age != max_age)
		build(p, o, w, max_age, t);
	*out = (struct notice){
		.code = o->entry->code,
		.opts = span_make(t->opts, t->nopts),
		.payload = t->payload,
		.newer = w->version != o->version,
		.last = o->state == OBSERVE_OVER,
		.once = o->once,
	};
	if (!t->fits) {
		/* What cannot be passed on. */
		out->code = COAP_502;
		out->opts = out->payload = SPAN_LIT("");
		out->last = true;
	}
	p->stats.notified += out->newer;
	o->tally->notified += out->newer;
	w->version = o->version;
}

bool
observer_behind(const struct observer *w)
{
	return w->of != NULL && w->version != w->of->version;
}

bool
observer_parts(const struct observer *w)
{
	return w->of != NULL && w->of->once;
}

/* ---- telling ---- */

static size_t
tell_some(struct proxy *p, struct observation *o, size_t budget)
{
	if (o->left > o->n)
		o->left = o->n;
	o->busy = true;
	while (o->left > 0 && budget > 0 && !list_empty(&o->observers)) {
		struct observer *w = CONTAINER_OF(o->observers.next,
		    struct observer, link);

		o->left--;
		budget--;
		list_del(&w->link);
		list_add_tail(&o->observers, &w->link);
		if (w->version != o->version)
			w->front->notify(w, p->now);
		if (o->left > o->n)
			o->left = o->n;
	}
	o->busy = false;
	list_del(&o->turn);
	if (o->left > 0)
		list_add_tail(&p->telling, &o->turn);
	else if (o->n == 0 && o->state == OBSERVE_OVER)
		observation_free(p, o);
	return budget;
}

/* As many as may be in this turn; the next one goes on, and counts anew. */
static void
tell(struct proxy *p)
{
	while (p->tell_left > 0 && !list_empty(&p->telling))
		p->tell_left = tell_some(p, CONTAINER_OF(p->telling.next,
		    struct observation, turn), p->tell_left);
	if (p->tell_left < TELL_BATCH && !timer_running(&p->tell))
		timer_start(p->timers, &p->tell, p->now);
}

static void
tell_fire(struct timer *t, uint64_t now)
{
	struct proxy *p = CONTAINER_OF(t, struct proxy, tell);

	p->now = now;
	p->tell_left = TELL_BATCH;
	tell(p);
}

void
observers_tell(struct proxy *p, struct observation *o)
{
	o->left = o->n;
	if (list_empty(&o->turn))
		list_add_tail(&p->telling, &o->turn);
	tell(p);
}
