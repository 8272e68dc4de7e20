/*
 * notified: what origins say to observations.
 */
#include "proxy/core.h"
#include "proxy/observation.h"
#include "proxy/observe.h"
#include "proxy/transfer.h"

enum {
	AHEAD = 1 << 23,		/* RFC 7641 3.4 */
	REORDERED_MS = 128 * 1000,
	STALE_MIN_MS = 5000,		/* after Max-Age, before it is renewed */
	STALE_SPREAD_MS = 10000,	/* (OBS-37) */
	DAY_MS = 23 * 3600 * 1000,	/* nobody is told nothing for a day */
	FAILURES_MAX = 3,
};

/* ---- what comes ---- */

/* RFC 7641 3.4. */
static bool
newer(const struct observation *o, uint32_t v, uint64_t now)
{
	if (!o->ordered || now > o->last_at + REORDERED_MS)
		return true;
	return o->last < v ? v - o->last < AHEAD : o->last - v > AHEAD;
}

/* Whether M is the latest; then it is the one that others are held against. An
 * answer to what we have asked is, or what comes first after an empty ACK,
 * unless a notification has come in between: the answer may have been on its way
 * for longer. */
static bool
is_latest(struct proxy *p, struct observation *o, const struct coap_msg *m)
{
	bool answer = m->type == COAP_ACK || o->fetch->acked;
	bool asked = answer && !o->crossed;
	uint32_t v = 0;

	coap_get_uint(m, COAP_OPT_OBSERVE, &v);
	if (!asked && !newer(o, v, p->now))
		return false;
	o->fetch->acked = false;
	o->crossed |= !answer;
	o->ordered = true;
	o->last = v;
	o->last_at = p->now;
	return true;
}

static bool
entry_format(const struct cache_entry *e, uint32_t *format)
{
	struct coap_msg m = { .code = e->code, .opts = cache_opts(e) };
	struct coap_opt_iter it;

	coap_opts(&it, &m);
	while (coap_opts_next(&it) && it.number <= COAP_OPT_CONTENT_FORMAT)
		if (it.number == COAP_OPT_CONTENT_FORMAT) {
			*format = coap_uint(it.value);
			return true;
		}
	return false;
}

/* Whether E has the Content-Format of all others (OBS-14). */
static bool
same_format(struct observation *o, const struct cache_entry *e)
{
	uint32_t format = 0;
	bool has = entry_format(e, &format);

	if (o->formatted)
		return has == o->has_format && format == o->format;
	o->formatted = true;
	o->has_format = has;
	o->format = format;
	return true;
}

/* When it is time to ask again, unless something comes. */
static uint64_t
stale_at(struct proxy *p, const struct observation *o)
{
	uint64_t age = (uint64_t)o->entry->max_age * 1000;
	uint64_t spread = siphash(&p->rnd_key, span_make(&p->versions,
	    sizeof(p->versions))) % (STALE_SPREAD_MS + 1);

	/* Nobody else will say whether an end-to-end protected one is still
	 * there (PRX-90). */
	if (!o->pooled || age > DAY_MS)
		age = DAY_MS;
	return p->now + age + STALE_MIN_MS + spread;
}

/* E, whose reference is taken, is the state now. */
static void
update(struct proxy *p, struct observation *o, struct cache_entry *e)
{
	bool again;

	if (!same_format(o, e)) {
		observation_serve(p, o, e, false);
		cache_release(&p->cache, e);
		observation_end_by(p, o, COAP_406, "Content-Format has changed");
		return;
	}
	observation_show(p, o, e);
	o->state = OBSERVE_OPEN;
	o->failures = 0;
	o->give_up = 0;
	timer_start(p->timers, &o->timer, stale_at(p, o));
	if (o->pooled)
		o->fetch->state = SHARE_OPEN;
	o->fetch->type = observation_type(o->fetch);
	observation_serve(p, o, e, true);
	again = !list_empty(&o->fetch->waiters);
	observation_idle(p, o);
	observers_tell(p, o);
	if (again)
		observation_renew(p, o);
}

/* M, complete, is the newest state of what O observes. */
static void
take(struct proxy *p, struct observation *o, const struct coap_msg *m)
{
	struct cache_entry *e = share_note(p, o->fetch, m, o->entry);

	if (e != NULL)
		update(p, o, e);
	else
		observation_lost(p, o, m->code == COAP_203 ? FETCH_BAD_RESPONSE :
		    FETCH_BUSY);
}

/* ---- large ones ---- */

/* Nobody observes O, to which there is no answer yet: whoever waits asks for
 * himself. */
static void
ask_apart(struct proxy *p, struct observation *o)
{
	struct list all;
	struct request *r;

	observation_take(o->fetch, &all);
	observation_dismiss(p, o);
	observation_free(p, o);
	while ((r = observation_next(&all)) != NULL)
		request_again(p, r);
}

/* The first state of what O observes is too large to be held: everybody asks
 * for it block by block, and nobody observes. Later it is an error. */
static void
too_large(struct proxy *p, struct observation *o, struct span sent)
{
	if (o->state != OBSERVE_ASKING) {
		observation_fail(p, o, FETCH_BAD_RESPONSE);
		return;
	}
	if (o->pooled)
		share_too_large(p, o->fetch, sent);
	ask_apart(p, o);
}

/* O's newest state could not be collected. It is tried again later, when that
 * makes sense. */
static void
gather_failed(void *user, enum fetch_fail why, uint64_t now)
{
	struct observation *o = user;
	struct proxy *p = o->proxy;
	struct fetch *f = o->fetch;

	p->now = now;
	o->gather = NULL;
	if (why == FETCH_TOO_LARGE) {
		too_large(p, o, SPAN_LIT(""));
		return;
	}
	if (o->state == OBSERVE_ASKING) {
		p->up->cancel(p->up_self, f);
		fetch_failed(f, why, now);
		return;
	}
	/* Who has been silent for so long is not asked once more. */
	if (why == FETCH_TIMEOUT || o->state == OBSERVE_ANEW ||
	    ++o->failures >= FAILURES_MAX) {
		observation_fail(p, o, why);
		return;
	}
	if (o->entry != NULL)
		cache_outdate(o->entry);
	o->state = OBSERVE_OPEN;
	timer_start(p->timers, &o->timer, p->now + STALE_MIN_MS);
}

static bool
gather_response(void *user, const struct coap_msg *m, uint64_t now)
{
	struct observation *o = user;
	struct proxy *p = o->proxy;

	p->now = now;
	o->gather = NULL;
	if (m->code == COAP_205)
		take(p, o, m);
	else
		gather_failed(o, FETCH_BAD_RESPONSE, now);
	return true;
}

static const struct fetch_ops gather_ops = {
	.response = gather_response,
	.failed = gather_failed,
};

/* M is the first block; SENT the registration. */
static bool
gather(struct proxy *p, struct observation *o, const struct coap_msg *m,
    struct span sent)
{
	const struct fetch *f = o->fetch;
	struct fetch *g = fetch_new(p, &f->route);
	struct coap_msg whole;

	if (g == NULL) {
		gather_failed(o, FETCH_BUSY, p->now);
		return true;
	}
	g->ops = &gather_ops;
	g->user = o;
	g->collects = true;
	g->client = f->client;
	g->type = f->type;
	g->code = f->code;
	g->up_port = f->up_port;
	o->gather = g;
	/* The registration is answered; this has its own time. */
	timer_stop(&o->timer);
	fetch_under_way(p, g, p->now + observation_patience(o));
	switch (transfer_feed(p, g, m, sent, &whole)) {
	case TRANSFER_GOES_ON:
		return true;
	case TRANSFER_TOO_LARGE:
		observation_ungather(p, o);
		too_large(p, o, sent);
		return true;
	case TRANSFER_NONE:
	case TRANSFER_WHOLE:
	case TRANSFER_BAD:
		break;
	}
	observation_ungather(p, o);
	return false;
}

/* ---- answers and notifications ---- */

/* M, which is not a 2.xx, ends O: it goes to all (OBS-51). */
static bool
relay_end(struct proxy *p, struct observation *o, const struct coap_msg *m)
{
	struct coap_msg last = *m;
	struct cache_entry *e;
	struct reply reply;

	if (!make_reply(p, o->fetch, m, &reply))
		return false;
	last.payload = reply.payload;
	p->stats.relayed++;
	e = share_note(p, o->fetch, &last, NULL);
	if (e == NULL) {
		observation_end_by(p, o, COAP_503, failure_text(FETCH_BUSY));
		return true;
	}
	observation_serve(p, o, e, false);
	observation_end(p, o, e);
	return true;
}

/* M is a state, and O's origin does not say that it will tell more (OBS-39). */
static bool
refused(struct proxy *p, struct observation *o, const struct coap_msg *m)
{
	struct cache_entry *e = NULL;

	if (m->code == COAP_205 && !has_more_blocks(m))
		e = share_note(p, o->fetch, m, NULL);
	if (e != NULL) {
		observation_serve(p, o, e, false);
		cache_release(&p->cache, e);
	}
	if (o->state == OBSERVE_ASKING)
		ask_apart(p, o);
	else
		observation_lost(p, o, FETCH_NOT_OBSERVED);
	return true;
}

bool
observe_takes(struct fetch *f, const struct coap_msg *m)
{
	struct observation *o = f->obs;

	if (o->state != OBSERVE_ASKING || o->gather != NULL ||
	    (f->watch != NULL &&
		(m->code == COAP_205 || m->code == COAP_203)))
		return true;
	/* An answer as any other. */
	f->proxy->up->cancel(f->proxy->up_self, f);
	observation_free(f->proxy, o);
	return false;
}

bool
observe_response(struct fetch *f, const struct coap_msg *m, struct span sent)
{
	struct observation *o = f->obs;
	struct proxy *p = f->proxy;

	p->stats.notifications += f->watch != NULL && m->type != COAP_ACK;
	if (!response_usable(f, m))
		goto bad;
	/* It is over: what was being collected does not matter any more. */
	if (f->watch == NULL)
		observation_ungather(p, o);
	if (f->watch == NULL && coap_code_class(m->code) == 2)
		return refused(p, o, m);
	if (f->watch == NULL) {
		if (relay_end(p, o, m))
			return true;
		goto bad;
	}
	if (m->code != COAP_205 && m->code != COAP_203)
		goto bad;
	if (!is_latest(p, o, m))
		return true;
	if (!observation_keep(o, sent)) {
		observation_lost(p, o, FETCH_BUSY);
		return true;
	}
	observation_ungather(p, o);
	if (!has_more_blocks(m)) {
		take(p, o, m);
		return true;
	}
	if (gather(p, o, m, sent))
		return true;
bad:
	observation_lost(p, o, FETCH_BAD_RESPONSE);
	return false;
}
