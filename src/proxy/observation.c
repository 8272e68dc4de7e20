/*
 * observation: its registration with the origin, from the first to the last.
 */
#include "proxy/observation.h"

#include "base/log.h"
#include "proxy/core.h"
#include "proxy/observe.h"

enum {
	BUSY_MS = 1000,
	OLD_MS = 60 * 1000,		/* OBS-65 */
	ERROR_MAX_AGE = 5,
};

static void timer_fire(struct timer *t, uint64_t now);
static void linger_fire(struct timer *t, uint64_t now);

/* ---- life ---- */

static void
enter(struct proxy *p, struct observation *o)
{
	list_init(&o->ways);
	list_init(&o->observers);
	list_init(&o->turn);
	timer_init(&o->timer, timer_fire);
	timer_init(&o->linger, linger_fire);
	list_init(&o->link);
	list_add_tail(&p->observations, &o->link);
}

struct observation *
observation_new(struct proxy *p, struct fetch *f)
{
	struct observation *o = pool_get(&p->observation_pool);

	if (o == NULL)
		return NULL;
	*o = (struct observation){
		.proxy = p,
		.fetch = f,
		.tally = f->tally,
	};
	enter(p, o);
	f->obs = o;
	f->registers = true;
	f->type = observation_type(f);
	return o;
}

void
observation_ungather(struct proxy *p, struct observation *o)
{
	struct fetch *g = o->gather;

	if (g == NULL)
		return;
	o->gather = NULL;
	p->up->cancel(p->up_self, g);
	fetch_free(p, g);
}

static void
forget_old(struct proxy *p, struct observe_old *old)
{
	if (old->entry != NULL)
		cache_release(&p->cache, old->entry);
	old->entry = NULL;
}

void
observation_free(struct proxy *p, struct observation *o)
{
	observation_ungather(p, o);
	timer_stop(&o->timer);
	timer_stop(&o->linger);
	list_del(&o->turn);
	list_del(&o->link);
	for (size_t i = 0; i < OBSERVE_OLD; i++)
		forget_old(p, &o->old[i]);
	if (o->entry != NULL)
		cache_release(&p->cache, o->entry);
	if (o->fetch != NULL) {
		o->fetch->obs = NULL;
		o->fetch->registers = false;
	}
	pool_put(&p->observation_pool, o);
}

bool
observation_deserted(const struct observation *o)
{
	return o->n == 0 && list_empty(&o->fetch->waiters);
}

/* ---- the registration ---- */

/* Writes the options of O's registration with Observe VALUE and ETAG, if it is
 * not empty. */
static bool
write_options(const struct observation *o, uint32_t value, struct span etag,
    struct writer *w)
{
	struct coap_msg m = { .opts = o->opts };
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;

	coap_opts(&it, &m);
	while (coap_opts_next(&it)) {
		if (etag.n > 0 && it.number > COAP_OPT_ETAG) {
			coap_put_opt(&out, COAP_OPT_ETAG, etag);
			etag.n = 0;
		}
		if (it.number == COAP_OPT_OBSERVE)
			coap_put_uint(&out, it.number, value);
		else
			coap_put_opt(&out, it.number, it.value);
	}
	return !w->full;
}

/* The registration as it went out, for the next ones. */
bool
observation_keep(struct observation *o, struct span sent)
{
	uint8_t space[OPTS_MAX];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw out = coap_optw(&w);
	struct arena *a = &o->fetch->arena;
	struct coap_opt_iter it;
	struct coap_msg m;

	if (o->opts.n > 0)
		return true;
	if (coap_parse(&m, sent) != COAP_PARSE_OK)
		return false;
	coap_opts(&it, &m);
	while (coap_opts_next(&it))
		if (it.number != COAP_OPT_ETAG)
			coap_put_opt(&out, it.number, it.value);
	return !w.full && arena_dup(a, writer_span(&w), &o->opts) &&
	    arena_dup(a, m.payload, &o->payload);
}

/* What many depend on is not left to luck, however the first one has asked. */
uint8_t
observation_type(const struct fetch *f)
{
	return f->route.confirmable == CONFIRMABLE_NEVER ? COAP_NON : COAP_CON;
}

/* Sends O's registration with Observe VALUE under the token it has. */
static enum upstream_send
send_again(struct proxy *p, struct observation *o, uint32_t value,
    enum fetch_fail *why)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));
	struct fetch *f = o->fetch;
	struct span etag = SPAN_LIT("");

	/* Of what we have, and nothing else (OBS-49). */
	if (value == OBSERVE_REGISTER && o->entry != NULL)
		etag = cache_etag(o->entry);
	f->type = observation_type(f);
	*why = FETCH_TOO_LARGE;
	if (!write_options(o, value, etag, &w))
		return UPSTREAM_FAILED;
	f->opts = writer_span(&w);
	f->payload = o->payload;
	f->registers = value == OBSERVE_REGISTER;
	f->acked = false;
	o->crossed = false;
	return p->up->renew(p->up_self, f, why, p->now);
}

uint64_t
observation_patience(const struct observation *o)
{
	return o->fetch->route.timeout_ms;
}

void
observation_postpone(struct proxy *p, struct observation *o)
{
	o->state = OBSERVE_OPEN;
	timer_start(p->timers, &o->timer, p->now + BUSY_MS);
}

/* The copy is not fresh any more, or about to be replaced. */
void
observation_renew(struct proxy *p, struct observation *o)
{
	enum fetch_fail why;

	if (o->give_up == 0)
		o->give_up = p->now + observation_patience(o);
	o->fetch->state = SHARE_OPEN;
	o->state = OBSERVE_RENEWING;
	p->stats.renewed++;
	o->tally->renewed++;
	if (o->fetch->watch == NULL) {
		observation_lost(p, o, FETCH_TIMEOUT);
		return;
	}
	if (send_again(p, o, OBSERVE_REGISTER, &why) == UPSTREAM_SENT) {
		timer_start(p->timers, &o->timer,
		    p->now + observation_patience(o) / 2);
		return;
	}
	if (why != FETCH_BUSY || o->fetch->watch == NULL ||
	    p->now >= o->give_up) {
		observation_lost(p, o, why);
		return;
	}
	observation_postpone(p, o);
}

/* F is nobody's any more, and its origin is told so (RFC 7641 3.6). */
static bool
bye_response(void *user, const struct coap_msg *m, uint64_t now)
{
	struct proxy *p = user;

	(void)m;
	(void)now;
	p->parting--;
	return true;
}

static void
bye_failed(void *user, enum fetch_fail why, uint64_t now)
{
	struct proxy *p = user;

	(void)why;
	(void)now;
	p->parting--;
}

static const struct fetch_ops bye_ops = {
	.response = bye_response,
	.failed = bye_failed,
};

/* O has no fetch from now on: its origin is told, if it still knows of us. Not
 * by a request that is not ours to repeat: then it learns by RST. */
void
observation_dismiss(struct proxy *p, struct observation *o)
{
	struct fetch *f = o->fetch;
	enum fetch_fail why;

	observation_ungather(p, o);
	timer_stop(&o->timer);
	timer_stop(&o->linger);
	share_end(p, f);
	if (!o->pooled || f->watch == NULL || o->opts.n == 0 ||
	    send_again(p, o, OBSERVE_DEREGISTER, &why) != UPSTREAM_SENT) {
		p->up->cancel(p->up_self, f);
		f->obs = NULL;
		o->fetch = NULL;
		fetch_free(p, f);
		return;
	}
	f->obs = NULL;
	o->fetch = NULL;
	f->ops = &bye_ops;
	f->user = p;
	p->parting++;
	timer_start(p->timers, &f->deadline, p->now + f->route.timeout_ms);
}

/* ---- the end ---- */

/* Takes the waiters of F to ALL. */
void
observation_take(struct fetch *f, struct list *all)
{
	list_init(all);
	list_splice_tail(all, &f->waiters);
}

struct request *
observation_next(struct list *all)
{
	return list_empty(all) ? NULL :
	    CONTAINER_OF(all->next, struct request, link);
}

/* Those who wait for O get E if they may, or ask for themselves. REGISTERED:
 * they observe then. */
void
observation_serve(struct proxy *p, struct observation *o, struct cache_entry *e,
    bool registered)
{
	struct list all, later;
	struct request *r;

	o->busy = true;
	observation_take(o->fetch, &all);
	list_init(&later);
	while ((r = observation_next(&all)) != NULL) {
		if (r->later && registered) {
			r->later = false;
			list_del(&r->link);
			list_add_tail(&later, &r->link);
		} else if (registered && r->observes) {
			observers_add(p, r, o);
			serve_entry(p, r, e);
		} else if (!r->joined || (e->linked && cache_fresh(e, p->now))) {
			serve_entry(p, r, e);
		} else {
			request_again(p, r);
		}
	}
	list_splice_tail(&o->fetch->waiters, &later);
	o->busy = false;
}

/* E, whose reference is O's now, is what observers are told. */
void
observation_show(struct proxy *p, struct observation *o, struct cache_entry *e)
{
	struct observe_old *old = &o->old[0];
	uint32_t left;

	for (size_t i = 0; i < OBSERVE_OLD; i++) {
		if (o->old[i].entry != NULL && p->now >= o->old[i].until)
			forget_old(p, &o->old[i]);
		if (o->old[i].until < old->until || o->old[i].entry == NULL)
			old = &o->old[i];
	}
	if (o->entry != NULL && o->told_blocks && o->entry != e) {
		forget_old(p, old);
		left = cache_max_age(o->entry, p->now);
		old->entry = o->entry;
		old->version = o->version;
		old->until = p->now +
		    (left < OLD_MS / 1000 ? left * 1000 : OLD_MS);
		o->entry = NULL;
	}
	if (o->entry != NULL)
		cache_release(&p->cache, o->entry);
	o->entry = e;
	o->told_blocks = false;
	o->version = ++p->versions;
	o->seq = observers_seq(p);
}

/* O ends; observers are told E, whose reference is taken. O may be gone on
 * return. */
void
observation_end(struct proxy *p, struct observation *o, struct cache_entry *e)
{
	struct list all;
	struct request *r;

	observation_take(o->fetch, &all);
	observation_dismiss(p, o);
	observation_show(p, o, e);
	o->state = OBSERVE_OVER;
	o->busy = true;
	while ((r = observation_next(&all)) != NULL)
		request_again(p, r);
	o->busy = false;
	if (o->n == 0)
		observation_free(p, o);
	else
		observers_tell(p, o);
}

/* An error of our own. NULL without memory. */
static struct cache_entry *
make_error(struct proxy *p, uint8_t code, const char *text)
{
	const struct cache_item item = {
		.code = code,
		.body = span_str(text),
		.max_age = ERROR_MAX_AGE,
	};

	return cache_make(&p->cache, &item, p->now);
}

struct observation *
observation_parting(struct proxy *p, uint8_t code, const char *text)
{
	struct cache_entry *e = make_error(p, code, text);
	struct observation *o;

	if (e == NULL)
		return NULL;
	o = pool_get(&p->observation_pool);
	if (o == NULL) {
		cache_release(&p->cache, e);
		return NULL;
	}
	*o = (struct observation){
		.proxy = p,
		.tally = &p->tallies.spare,	/* of no route any more */
		.state = OBSERVE_OVER,
	};
	enter(p, o);
	observation_show(p, o, e);
	return o;
}

/* O ends by an error of ours. */
void
observation_end_by(struct proxy *p, struct observation *o, uint8_t code,
    const char *text)
{
	struct cache_entry *e = make_error(p, code, text);
	struct list all;
	struct request *r;

	/* Without memory those who observe are forgotten, and will miss us. */
	if (e != NULL) {
		observation_end(p, o, e);
		return;
	}
	observers_drop_all(p, o);
	observation_take(o->fetch, &all);
	while ((r = observation_next(&all)) != NULL)
		answer_failure(p, r, FETCH_BUSY);
	observation_dismiss(p, o);
	observation_free(p, o);
}

void
observation_fail(struct proxy *p, struct observation *o, enum fetch_fail why)
{
	static struct log_limit limit;
	struct list all;
	struct request *r;

	count_failure(p, why);
	p->stats.observations_lost++;
	log_limited(&limit, p->now, LOG_WARN, NULL,
	    "observation lost: observers=%zu %s", o->n, failure_text(why));
	observation_take(o->fetch, &all);
	while ((r = observation_next(&all)) != NULL)
		answer_failure(p, r, why);
	observation_end_by(p, o, failure_code(why), failure_text(why));
}

/* The origin does not know of us any more, for the reason WHY. It is asked once
 * again (OBS-52). */
void
observation_lost(struct proxy *p, struct observation *o, enum fetch_fail why)
{
	struct fetch *f = o->fetch;
	enum upstream_send s;

	observation_ungather(p, o);
	if (o->state != OBSERVE_ASKING && observation_deserted(o)) {
		observation_dismiss(p, o);
		observation_free(p, o);
		return;
	}
	p->up->cancel(p->up_self, f);
	if (o->state == OBSERVE_ASKING) {
		fetch_failed(f, why, p->now);
		return;
	}
	if (o->state == OBSERVE_ANEW || !o->pooled) {
		observation_fail(p, o, why);
		return;
	}
	if (o->give_up == 0)
		o->give_up = p->now + observation_patience(o);
	o->state = OBSERVE_ANEW;
	o->ordered = o->crossed = false;
	f->state = SHARE_OPEN;
	f->type = observation_type(f);
	f->opts = o->opts;
	f->payload = o->payload;
	f->registers = true;
	f->up_port = 0;
	s = fetch_send(p, f, &why);
	if (s == UPSTREAM_FAILED)
		observation_fail(p, o, why);
	else
		timer_start(p->timers, &o->timer, o->give_up);
}

static void
timer_fire(struct timer *t, uint64_t now)
{
	struct observation *o = CONTAINER_OF(t, struct observation, timer);
	struct proxy *p = o->proxy;

	p->now = now;
	switch (o->state) {
	case OBSERVE_OPEN:
		/* What is being collected is newer, and begins it anew. */
		if (observation_deserted(o) || o->gather != NULL)
			break;
		if (o->pooled)
			observation_renew(p, o);
		else
			observation_fail(p, o, FETCH_TIMEOUT);
		break;
	case OBSERVE_RENEWING:
		observation_lost(p, o, FETCH_TIMEOUT);
		break;
	case OBSERVE_ANEW:
		observation_fail(p, o, FETCH_TIMEOUT);
		break;
	default:
		break;
	}
}

static void
linger_fire(struct timer *t, uint64_t now)
{
	struct observation *o = CONTAINER_OF(t, struct observation, linger);
	struct proxy *p = o->proxy;

	p->now = now;
	if (o->state == OBSERVE_OVER || !observation_deserted(o))
		return;
	observation_dismiss(p, o);
	observation_free(p, o);
}

void
observation_idle(struct proxy *p, struct observation *o)
{
	uint64_t linger = o->pooled ? p->conf->observe.linger_ms : 0;

	/* With the first answer under way somebody waits for it. */
	if (observation_deserted(o) && o->state != OBSERVE_ASKING)
		timer_start(p->timers, &o->linger, p->now + linger);
}
