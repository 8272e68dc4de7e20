/*
 * observe: the way up of registrations, and of what others observe.
 */
#include "proxy/observe.h"

#include "proxy/core.h"
#include "proxy/observation.h"

/* ---- life ---- */

bool
observe_start(struct proxy *p, struct rand *rnd)
{
	list_init(&p->observations);
	p->rnd_key = rand_key(rnd);
	p->seq = (uint32_t)p->timers->now - 1;
	pool_init(&p->observation_pool, sizeof(struct observation),
	    p->conf->max_requests / 2 + 1);
	return observers_start(p, rnd);
}

void
observe_resize(struct proxy *p)
{
	pool_limit(&p->observation_pool, p->conf->max_requests / 2 + 1);
	observers_resize(p);
}

void
observe_forget(struct fetch *f)
{
	if (f->obs != NULL)
		observation_free(f->proxy, f->obs);
}

void
observe_stop(struct proxy *p)
{
	while (!list_empty(&p->observations)) {
		struct observation *o = CONTAINER_OF(p->observations.next,
		    struct observation, link);

		observers_drop_all(p, o);
		observation_free(p, o);
	}
	observers_stop(p);
	pool_fini(&p->observation_pool);
}

/* ---- asking ---- */

/* Whether R has the Observe option that means WHAT. */
static bool
says(const struct request *r, uint32_t what)
{
	uint32_t v;

	return coap_get_uint(&r->msg, COAP_OPT_OBSERVE, &v) && v == what &&
	    coap_method_safe(r->msg.code);
}

bool
observe_wanted(const struct proxy *p, const struct request *r)
{
	return says(r, OBSERVE_REGISTER) && r->route.observe && !r->alone &&
	    !p->draining && p->conf->observe.max_observers > 0 &&
	    (r->unwanted & COAP_NO_2XX) == 0 && !wants_later_block(&r->msg);
}

void
observe_cancel(struct proxy *p, const struct request *r)
{
	struct observer *w;

	if (!says(r, OBSERVE_DEREGISTER))
		return;
	w = r->front->observer(r);
	if (w != NULL)
		observers_drop(p, w);
}

/* A token stands for one thing: what R's client observed by it is not wanted
 * any more, unless that is O. What comes by OSCORE may be forged, so there the
 * origin has to agree first (RFC 8613 4.1.3.5). */
static void
drop_namesake(struct proxy *p, const struct request *r,
    const struct observation *o)
{
	struct observer *w = r->front->observer(r);

	if (w != NULL && w->of != o && !coap_has(&r->msg, COAP_OPT_OSCORE))
		observers_drop(p, w);
}

/* R, as F, is not a registration after all. */
static void
plain(struct proxy *p, struct request *r, struct fetch *f)
{
	p->stats.observers_refused++;
	r->observes = false;
	f->registers = false;
	fetch_write(p, f, r, NULL);
}

static bool
full(const struct proxy *p)
{
	return p->nobservers >= p->conf->observe.max_observers ||
	    p->draining;
}

/* F, for R, begins an observation. */
static struct observation *
begin(struct proxy *p, struct request *r, struct fetch *f)
{
	struct observation *o = full(p) ? NULL : observation_new(p, f);

	if (o == NULL)
		plain(p, r, f);
	return o;
}

enum verdict
observe_alone(struct proxy *p, struct request *r, struct fetch *f)
{
	drop_namesake(p, r, NULL);
	begin(p, r, f);
	return NEXT;
}

static bool
under_way(const struct observation *o)
{
	return o->state != OBSERVE_OPEN || o->gather != NULL;
}

static bool
is_fresh(const struct proxy *p, const struct observation *o)
{
	return o->entry != NULL && cache_fresh(o->entry, p->now);
}

static struct fetch *
find(const struct proxy *p, const struct coap_key *key)
{
	struct table_node *n = table_find(&p->pending, key->hash);

	for (; n != NULL; n = table_find_next(n)) {
		struct fetch *f = CONTAINER_OF(n, struct fetch, node);

		if (f->obs != NULL && span_eq(f->key, key->octets))
			return f;
	}
	return NULL;
}

/* The representation that R's client, an observer of O, has been told the first
 * block of, if it is not the current one. */
static struct cache_entry *
told_before(struct proxy *p, const struct request *r,
    const struct observation *o)
{
	const struct observer *w = r->front->mate(r, o);

	for (size_t i = 0; w != NULL && i < OBSERVE_OLD; i++)
		if (o->old[i].entry != NULL &&
		    o->old[i].version == w->version &&
		    p->now < o->old[i].until)
			return o->old[i].entry;
	return NULL;
}

/* R takes back its client's registration that waits for F. */
static void
withdraw(const struct request *r, struct fetch *f)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &f->waiters) {
		struct request *w = CONTAINER_OF(it, struct request, link);

		if (w->client == r->client &&
		    span_eq(w->msg.token, r->msg.token))
			w->observes = false;
	}
}

/* A later block of what is observed. */
static enum verdict
ask_block(struct proxy *p, struct request *r, struct fetch *f,
    struct observation *o)
{
	struct cache_entry *e = told_before(p, r, o);

	if (e == NULL && is_fresh(p, o) && r->front->mate(r, o) != NULL)
		e = o->entry;
	if (e == NULL)
		return NEXT;
	fetch_free(p, f);
	return serve_entry(p, r, e);
}

/* R waits for what O will be told next. */
static enum verdict
join(struct proxy *p, struct request *r, struct observation *o)
{
	struct fetch *f = o->fetch;

	if (!request_keep(r, KEEP_ALL))
		return answer_full(p, r);
	r->joined = true;
	/* What has been asked for already may be from before a change. */
	r->later = under_way(o) && o->pooled && f->state != SHARE_OPEN;
	p->stats.joined++;
	request_wait(p, r, f);
	/* While others are answered it is about to be asked anyway, or ends. */
	if (o->state == OBSERVE_OPEN && o->gather == NULL && !o->busy)
		observation_renew(p, o);
	return WAIT;
}

enum verdict
observe_ask(struct proxy *p, struct request *r, struct fetch *f,
    const struct coap_key *key, struct cache_entry *e, bool cached)
{
	struct fetch *other = find(p, key);
	struct observation *o = other != NULL ? other->obs : NULL;

	if (r->observes)
		drop_namesake(p, r, o);
	else if (o != NULL && says(r, OBSERVE_DEREGISTER))
		withdraw(r, other);
	if (o == NULL) {
		if (!r->observes)
			return NEXT;
		o = begin(p, r, f);
		if (o == NULL)
			return NEXT;
		o->pooled = share_watch(p, r, f, key, e);
		return NEXT;
	}
	if (r->has_block2 && r->block2.num > 0) {
		enum verdict v = ask_block(p, r, f, o);

		if (v != NEXT)
			return v;
	}
	/* A plain GET is the cache's, unless it would go up beside us. */
	if (!r->observes && (!cached || (e != NULL && cache_fresh(e, p->now))))
		return NEXT;
	if (is_fresh(p, o) && (r->observes || o->entry->nkey > 0)) {
		fetch_free(p, f);
		if (r->observes)
			observers_add(p, r, o);
		p->stats.hits++;
		return serve_entry(p, r, o->entry);
	}
	if (!share_may_join(r, f->type, other)) {
		if (r->observes)
			plain(p, r, f);
		return NEXT;
	}
	fetch_free(p, f);
	return join(p, r, o);
}

/* ---- otherwise ---- */

bool
observe_stands(const struct fetch *f)
{
	return f->obs->state != OBSERVE_ASKING || f->obs->gather != NULL;
}

void
observe_left(struct fetch *f)
{
	observation_idle(f->proxy, f->obs);
}

void
observe_drain(struct proxy *p)
{
	size_t n = p->observation_pool.used;

	/* With one, others may end. */
	for (; n > 0 && !list_empty(&p->observations); n--) {
		struct observation *o = CONTAINER_OF(p->observations.next,
		    struct observation, link);

		list_del(&o->link);
		list_add_tail(&p->observations, &o->link);
		if (o->state == OBSERVE_ASKING || o->state == OBSERVE_OVER)
			continue;
		o->once = true;
		observation_end_by(p, o, COAP_503, "proxy is going down");
	}
}

bool
observe_outdate(struct fetch *f, bool done)
{
	struct observation *o = f->obs;

	/* What is in the cache is made stale there. */
	if (done && o->entry != NULL)
		cache_outdate(o->entry);
	return under_way(o);
}

bool
observe_failed(struct fetch *f, enum fetch_fail why)
{
	struct observation *o = f->obs;
	struct proxy *p = f->proxy;

	if (o->state == OBSERVE_ASKING)
		return false;
	if (why == FETCH_BUSY && f->watch != NULL && p->now < o->give_up) {
		/* Only not sent. */
		observation_postpone(p, o);
		return true;
	}
	observation_lost(p, o, why);
	return true;
}
