/*
 * proxy: the stages of a request.
 *
 *	proxy_handle -> guard > admit > classify > redirect > local > fetch
 *	    -> WAIT
 *
 * Each stage is an adaptor: it calls a module that knows nothing of stages and
 * turns what that says into a verdict.
 */
#include "proxy/proxy.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "proxy/classify.h"
#include "proxy/core.h"
#include "proxy/links.h"
#include "proxy/local.h"
#include "proxy/observe.h"

/* ---- stages ---- */

static void
count_limited(struct proxy *p, const struct request *r)
{
	p->stats.rate_limited++;
	p->tallies.rate_limited[r->in->listener]++;
}

static enum verdict
admit_rate(struct proxy *p, struct request *r, const struct access *a)
{
	uint32_t seconds;

	switch (limit_take(&p->limits, &a->rate, a->id, r->in->client, p->now,
	    &seconds)) {
	case LIMIT_REFUSE:
		count_limited(p, r);
		return answer_error_age(p, r, COAP_429, "asking too often",
		    seconds);
	case LIMIT_SILENT:
		count_limited(p, r);
		return answer_none(p, r);
	case LIMIT_PASS:
		break;
	}
	return NEXT;
}

static enum verdict
stage_guard(struct proxy *p, struct request *r)
{
	return *r->in->note == NOTE_EXEMPT ? NEXT : guard_admit(p, r);
}

static enum verdict
stage_admit(struct proxy *p, struct request *r)
{
	const struct access *a = &p->conf->access[r->in->listener];

	if (r->spare || p->draining)
		return answer_full(p, r);
	if (!netlist_allows(&a->allow_from, &a->deny_from, r->in->client)) {
		p->stats.refused++;
		return answer_error(p, r, COAP_403, "not for this client");
	}
	return admit_rate(p, r, a);
}

static enum verdict
not_classified(struct proxy *p, struct request *r, const struct classified *c)
{
	if (c->error == COAP_403 || c->error == COAP_505)
		p->stats.refused++;
	return answer_error(p, r, c->error, c->why);
}

/* R is like one before: p->result says what it was. */
static enum verdict
classify_again(struct proxy *p, struct request *r)
{
	const struct memo_result *known = &p->result;
	struct classified c;

	p->made = MADE_BEFORE;
	if (known->role == ROLE_FORWARD) {
		if (!classify_forward(&c, r->in, p->conf->forward))
			return not_classified(p, r, &c);
		r->msg.opts = known->opts;
		r->msg.has = known->has;
	}
	r->role = known->role;
	r->route.uri = known->uri;
	/* Addresses of ours come and go. */
	if (known->role == ROLE_FORWARD &&
	    self_is_host(p->self, &known->uri.host, known->uri.port)) {
		r->role = ROLE_OWN;
		p->made = MADE_NOT;
	}
	return NEXT;
}

static enum verdict
stage_classify(struct proxy *p, struct request *r)
{
	struct writer w = writer_make(p->expanded, sizeof(p->expanded));
	struct classified c;

	p->made = MADE_NOT;
	if (memo_suits(r->in)) {
		if (memo_find(&p->memo, r->in, &p->result, &p->made_hash))
			return classify_again(p, r);
		p->made = MADE_ANEW;
	}
	classify_request(&c, r->in, p->self, p->conf->forward, p->host, &w);
	if (c.error != 0)
		return not_classified(p, r, &c);
	r->role = c.role;
	r->msg = c.msg;
	r->route.uri = c.uri;
	if (coap_has(&r->msg, COAP_OPT_OBSERVE))
		observe_cancel(p, r);
	return NEXT;
}

/* R's route is known: it is counted there. */
static void
count_route(struct proxy *p, struct request *r)
{
	const struct rule *rule = r->route.rule;
	size_t slot = TALLY_FORWARD;

	if (rule != NULL)
		slot = tally_slot(&p->tallies, rule);
	else if (r->role == ROLE_OWN)
		slot = TALLY_OWN;
	r->tally = tally_get(&p->tallies, r->in->listener, slot);
	tally_method(r->tally, r->msg.code);
}

static enum verdict
stage_redirect(struct proxy *p, struct request *r)
{
	const struct redirect_query q = query_of(r);
	const char *why;
	uint8_t code = p->made == MADE_BEFORE ?
	    route_again(&q, &p->result, &r->role, &r->route, &why) :
	    route_find(&q, &r->role, &r->route, &why);

	if (code == 0) {
		count_route(p, r);
		return NEXT;
	}
	if (code == COAP_403 || code == COAP_505)
		p->stats.refused++;
	return answer_error(p, r, code, why);
}

static enum verdict
stage_local(struct proxy *p, struct request *r)
{
	const struct rule *rule = r->route.rule;
	struct reply reply;

	if (r->role == ROLE_OWN)
		return answer_own(p, r);
	if (rule == NULL || rule->action != RULE_REPLY)
		return NEXT;
	if (local_refuses(&r->msg))
		return answer_error(p, r, COAP_402, "critical option");
	p->stats.local++;
	reply = (struct reply){ .code = rule->reply_code,
		.payload = rule->reply_text };
	return answer(p, r, &reply);
}

static const struct stage {
	const char *name;
	enum verdict (*run)(struct proxy *, struct request *);
} stages[] = {
	{ "guard", stage_guard },	/* is the client where it says? */
	{ "admit", stage_admit },	/* may this client ask anything? */
	{ "classify", stage_classify },	/* legal; forward, reverse or own */
	{ "redirect", stage_redirect },	/* rule chain -> route */
	{ "local", stage_local },	/* answered by the proxy itself */
	{ "collect", stage_collect },	/* a body that comes in blocks */
	{ "fetch", stage_fetch },	/* ask the origin -> wait */
};

enum { NSTAGES = sizeof(stages) / sizeof(stages[0]) };

/* Begins R's route; what it has no more of is set when it is found. */
static void
route_begin(struct route *route, struct proxy_conf *conf)
{
	route->conf = conf_use(conf);
	route->rule = NULL;
	route->forward = NULL;
	route->strip = NULL;
	route->as_proxy = false;
	route->uri.scheme = route->hop.scheme = COAP_SCHEME_NONE;
	route->uri.host.text = route->hop.host.text = SPAN_LIT("");
	route->uri.host.literal = route->hop.host.literal = false;
}

static struct request *
request_new(struct proxy *p, const struct inbound *in)
{
	struct request *r = pool_get(&p->requests);
	bool spare = r == NULL;

	if (spare)
		r = &p->spare;
	list_init(&r->link);
	r->front = in->front;
	r->front_ctx = in->front_ctx;
	r->in = in;
	r->msg = *in->msg;
	route_begin(&r->route, p->conf);
	r->tally = NULL;
	r->began = p->now;
	r->fetch = NULL;
	r->role = ROLE_REVERSE;
	r->unwanted = coap_unwanted(in->msg);
	r->spare = spare;
	r->own_echo = r->stranger = r->ahead = false;
	r->logs = r->hit = false;
	r->kept = NULL;
	r->alone = r->joined = false;
	r->observes = r->crowded = r->later = r->again = false;
	r->observer = NULL;
	r->serial = (uint32_t)p->stats.requests;
	r->has_block1 = r->if_none_match = false;
	r->own_key = SPAN_LIT("");
	r->szx = p->conf->block.szx;
	r->body = NULL;
	r->client = in->client_id;
	timer_init(&r->deadline, request_deadline_fire);
	arena_init(&r->arena, ARENA_LIMIT);
	return r;
}

void
proxy_handle(struct proxy *p, const struct inbound *in, uint64_t now)
{
	struct request *r;

	p->now = now;
	r = request_new(p, in);
	p->stats.requests++;
	if (p->conf->trail.which != TRAIL_OFF)
		trail_begin(p, r);
	for (size_t i = 0; i < NSTAGES; i++)
		if (stages[i].run(p, r) != NEXT)
			return;
}

/* ---- life ---- */

struct proxy *
proxy_new(struct proxy_conf *conf, const struct self *self,
    struct timers *timers, struct rand *rnd)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->conf = conf;
	list_init(&p->retired);
	p->self = self;
	p->timers = timers;
	p->tag_key = rand_key(rnd);
	p->etag_key = rand_key(rnd);
	tallies_init(&p->tallies);
	if (!limits_init(&p->limits, conf->max_clients, rnd))
		goto err0;
	if (!backoff_init(&p->backoff, timers, rnd))
		goto err1;
	if (!guard_init(p, rnd))
		goto err2;
	if (!share_start(p, rnd))
		goto err3;
	if (!observe_start(p, rnd))
		goto err4;
	if (!assemble_start(p, rnd))
		goto err5;
	if (!trail_start(p, rnd))
		goto err6;
	if (!memo_init(&p->memo, rnd))
		goto err7;
	if (!proxy_prepare(p, conf))
		goto err8;
	tallies_use(&p->tallies, &conf->counts);
	pool_init(&p->requests, sizeof(struct request), conf->max_requests);
	pool_init(&p->fetches, sizeof(struct fetch), conf->max_requests);
	list_init(&p->waiting);
	return p;
err8:
	proxy_abandon(p, conf);
	memo_fini(&p->memo);
err7:
	trail_stop(p);
err6:
	assemble_stop(p);
err5:
	observe_stop(p);
err4:
	share_stop(p);
err3:
	guard_fini(p);
err2:
	backoff_fini(&p->backoff);
err1:
	limits_fini(&p->limits);
err0:
	tallies_fini(&p->tallies);
	free(p);
	return NULL;
}

void
proxy_set_upstream(struct proxy *p, const struct upstream_ops *ops, void *self)
{
	p->up = ops;
	p->up_self = self;
}

void
proxy_resize(struct proxy *p)
{
	const struct proxy_conf *c = p->conf;

	pool_limit(&p->requests, c->max_requests);
	pool_limit(&p->fetches, c->max_requests);
	limits_resize(&p->limits, c->max_clients);
	echo_resize(&p->echo, c->max_clients);
	observe_resize(p);
	assemble_resize(p);
}

static void
drop_waiters(struct proxy *p, struct fetch *f)
{
	struct request *r;

	while ((r = fetch_waiter(f)) != NULL)
		answer_error(p, r, COAP_504, "proxy is going down");
}

void
proxy_free(struct proxy *p)
{
	if (p == NULL)
		return;
	links_stop(p);
	observe_stop(p);
	while (!list_empty(&p->waiting)) {
		struct fetch *f =
		    CONTAINER_OF(p->waiting.next, struct fetch, link);

		p->up->cancel(p->up_self, f);
		drop_waiters(p, f);
		fetch_free(p, f);
	}
	memo_fini(&p->memo);
	trail_stop(p);
	assemble_stop(p);
	share_stop(p);
	guard_fini(p);
	backoff_fini(&p->backoff);
	limits_fini(&p->limits);
	tallies_fini(&p->tallies);
	pool_fini(&p->requests);
	pool_fini(&p->fetches);
	conf_leave(p->conf);
	free(p);
}

void
proxy_drain(struct proxy *p)
{
	p->draining = true;
	observe_drain(p);
}

size_t
proxy_waiting(const struct proxy *p)
{
	return p->requests.used;
}

size_t
proxy_observers(const struct proxy *p)
{
	return p->nobservers;
}

size_t
proxy_parting(const struct proxy *p)
{
	return p->parting;
}

size_t
proxy_observations(const struct proxy *p)
{
	return p->observation_pool.used;
}

const struct proxy_stats *
proxy_stats(const struct proxy *p)
{
	return &p->stats;
}

const struct tallies *
proxy_tallies(const struct proxy *p)
{
	return &p->tallies;
}
