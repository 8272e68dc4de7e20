/*
 * links: one origin_list for each rule that wants it.
 *
 *	links_wait -> begin -> next_turn ... harvested_cb -> release
 *
 * While a fetch is young its origin_list is pending. A request waits for all
 * that were pending when it came: pending lists and requests are numbered in
 * one sequence, so one look at the oldest pending list says who is done.
 */
#include "proxy/links.h"

#include <stdlib.h>

#include "base/log.h"
#include "proxy/core.h"
#include "proxy/harvest.h"
#include "proxy/publish.h"

struct origin_list {
	struct links *links;
	struct harvest harvest;
	struct local_part *part;
	bool busy;		/* being fetched, or in the queue for it */
	uint8_t *text;		/* what part->links points to */
	uint64_t next;		/* no fetch before */
	struct list queue;
	struct list pending;
	uint64_t seq;		/* while pending */
	uint64_t patience;	/* when it is pending no more */
};

struct links {
	struct proxy *proxy;
	struct proxy_conf *conf;
	struct list link;	/* in proxy->retired, once it is: */
	bool retired;
	struct origin_list *v;
	size_t n;
	struct local_part *parts;	/* by rule */
	struct list queue;	/* of those whose turn has not come */
	size_t active;		/* of those whose turn it is */
	struct list pending;	/* the oldest first */
	struct list waiters;	/* likewise */
	uint64_t seq;
	struct timer patience;
};

/* A request that waits; in its own arena. */
struct waiter {
	struct list link;
	struct request *request;
	uint64_t seq;		/* it waits for what is not younger */
};

/* ---- waiting ---- */

/* The seq of the oldest pending list. */
static uint64_t
oldest(const struct links *l)
{
	return list_empty(&l->pending) ? UINT64_MAX :
	    CONTAINER_OF(l->pending.next, struct origin_list, pending)->seq;
}

/* Answers all who need wait no longer. */
static void
release(struct links *l)
{
	while (!list_empty(&l->waiters)) {
		struct waiter *w =
		    CONTAINER_OF(l->waiters.next, struct waiter, link);

		if (w->seq >= oldest(l))
			return;
		list_del(&w->link);
		answer_local(l->proxy, w->request);
	}
	/* Not here: whoever calls goes on with it. */
	if (l->retired)
		timer_start(l->proxy->timers, &l->patience, l->proxy->now);
}

static void
patience_fire(struct timer *t, uint64_t now)
{
	struct links *l = CONTAINER_OF(t, struct links, patience);

	l->proxy->now = now;
	while (!list_empty(&l->pending)) {
		struct origin_list *o = CONTAINER_OF(l->pending.next,
		    struct origin_list, pending);

		if (o->patience > now) {
			timer_start(l->proxy->timers, t, o->patience);
			break;
		}
		list_del(&o->pending);
	}
	release(l);
	if (l->retired && list_empty(&l->waiters))
		links_free(l);
}

/* O has something to say, or never will: nobody needs to wait for it. */
static void
not_pending(struct origin_list *o)
{
	struct links *l = o->links;

	list_del(&o->pending);
	if (list_empty(&l->pending))
		timer_stop(&l->patience);
	release(l);
}

/* ---- what is kept ---- */

static void
forget(struct origin_list *o)
{
	free(o->text);
	o->text = NULL;
	o->part->what = LOCAL_UNKNOWN;
	o->part->links = SPAN_LIT("");
}

/* Keeps what of LIST is ours to offer; NULL, or why not. */
static const char *
keep(struct origin_list *o, struct span list, uint64_t now)
{
	uint8_t *text = malloc(LINKS_LIST_MAX), *fit;
	struct writer w = writer_make(text, LINKS_LIST_MAX);
	bool ok;

	if (text == NULL)
		return "no memory";
	ok = publish(o->harvest.rule, list, &w);
	if (!ok || w.full) {
		free(text);
		return ok ? "too large" : "malformed";
	}
	/* One octet, so that there is something to have. */
	fit = realloc(text, writer_len(&w) + 1);
	o->text = fit != NULL ? fit : text;
	*o->part = (struct local_part){
		.what = LOCAL_LINKS,
		.links = span_make(o->text, writer_len(&w)),
		.until = o->harvest.until,
		.contested = o->part->contested,
	};
	o->next = o->part->until;
	if (o->next < now + LINKS_KEEP_MIN_MS)
		o->next = now + LINKS_KEEP_MIN_MS;
	if (o->next > now + LINKS_KEEP_MAX_MS)
		o->next = now + LINKS_KEEP_MAX_MS;
	return NULL;
}

/* The fetch of O is over; WHY is NULL when it was good for something. */
static void
over(struct origin_list *o, const char *why, uint64_t now)
{
	static struct log_limit limit;
	struct links *l = o->links;

	l->proxy->stats.lists++;
	if (why != NULL) {
		l->proxy->stats.lists_failed++;
		o->next = now + LINKS_RETRY_MS;
		log_limited(&limit, now, LOG_INFO, o->harvest.rule->name,
		    "no links of the origin: %s", why);
	}
	o->busy = false;
	l->active--;
	not_pending(o);
}

/* ---- fetching ---- */

static void next_turn(struct links *l, uint64_t now);

static void
harvested_cb(struct harvest *h, struct span body, const char *why,
    uint64_t now)
{
	struct origin_list *o = CONTAINER_OF(h, struct origin_list, harvest);

	if (why == NULL)
		why = keep(o, body, now);
	over(o, why, now);
	next_turn(o->links, now);
}

/* Whoever is in the queue gets its turn, as long as there is one. */
static void
next_turn(struct links *l, uint64_t now)
{
	while (l->active < LINKS_AT_ONCE && !list_empty(&l->queue)) {
		struct origin_list *o =
		    CONTAINER_OF(l->queue.next, struct origin_list, queue);
		const char *why;

		list_del(&o->queue);
		l->active++;
		why = harvest_start(&o->harvest, LINKS_LIST_MAX, now);
		if (why != NULL)
			over(o, why, now);
	}
}

/* Begins to fetch O's list, which nobody does yet. */
static void
begin(struct origin_list *o, uint64_t now)
{
	struct links *l = o->links;

	forget(o);
	o->busy = true;
	o->seq = ++l->seq;
	o->patience = now + LINKS_PATIENCE_MS;
	list_add_tail(&l->pending, &o->pending);
	if (!timer_running(&l->patience))
		timer_start(l->proxy->timers, &l->patience, o->patience);
	list_add_tail(&l->queue, &o->queue);
	next_turn(l, now);
}

/* ---- requests ---- */

static void
wait_for_pending(struct links *l, struct request *r, struct waiter *w)
{
	list_init(&w->link);
	w->request = r;
	w->seq = l->seq;
	list_add_tail(&l->waiters, &w->link);
}

bool
links_wait(struct links *l, struct request *r)
{
	const struct redirect_query q = query_of(r);
	uint64_t now = l->proxy->now;
	struct waiter *w;
	bool wait = false;

	for (size_t i = 0; i < l->n; i++) {
		struct origin_list *o = &l->v[i];

		if (!o->busy && now >= o->next &&
		    local_offers(o->harvest.rule, &q))
			begin(o, now);
	}
	for (size_t i = 0; i < l->n; i++)
		wait = wait || (!list_empty(&l->v[i].pending) &&
		    local_offers(l->v[i].harvest.rule, &q));
	if (!wait)
		return false;
	list_del(&r->link);
	w = arena_alloc(&r->arena, sizeof(*w));
	if (w == NULL || !request_keep(r, KEEP_ALL))
		return false;
	wait_for_pending(l, r, w);
	return true;
}

/* ---- life ---- */

/* Whether one of A and B begins with the other. */
static bool
overlap(const struct path *a, const struct path *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (!span_eq(a->seg[i], b->seg[i]))
			return false;
	return true;
}

/* Whether RULE may take requests for what is below the paths of OTHER. */
static bool
contests(const struct rule *rule, const struct rule *other)
{
	for (size_t i = 0; i < rule->npath; i++)
		for (size_t j = 0; j < other->npath; j++)
			if (overlap(&rule->path[i], &other->path[j]))
				return true;
	return rule->npath == 0;
}

static void
add(struct links *l, const struct rules *rules, size_t i)
{
	struct origin_list *o = &l->v[l->n++];

	o->links = l;
	harvest_init(&o->harvest, l->proxy, l->conf, &rules->v[i],
	    harvested_cb);
	o->part = &l->parts[i];
	o->part->what = LOCAL_UNKNOWN;
	for (size_t j = 0; j < i; j++)
		if (contests(&rules->v[j], &rules->v[i]))
			o->part->contested = true;
	list_init(&o->queue);
	list_init(&o->pending);
}

struct links *
links_new(struct proxy *p, struct proxy_conf *conf)
{
	const struct rules *rules = conf->rules;
	struct links *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->proxy = p;
	l->conf = conf_use(conf);
	list_init(&l->link);
	list_init(&l->queue);
	list_init(&l->pending);
	list_init(&l->waiters);
	timer_init(&l->patience, patience_fire);
	l->v = calloc(LINKS_RULES_MAX, sizeof(*l->v));
	l->parts = calloc(rules->n, sizeof(*l->parts));
	if (l->v == NULL || l->parts == NULL) {
		links_free(l);
		return NULL;
	}
	for (size_t i = 0; i < rules->n && l->n < LINKS_RULES_MAX; i++)
		if (rules->v[i].links)
			add(l, rules, i);
	return l;
}

void
links_free(struct links *l)
{
	if (l == NULL)
		return;
	timer_stop(&l->patience);
	while (!list_empty(&l->waiters)) {
		struct waiter *w =
		    CONTAINER_OF(l->waiters.next, struct waiter, link);

		list_del(&w->link);
		answer_error(l->proxy, w->request, COAP_504,
		    "proxy is going down");
	}
	for (size_t i = 0; i < l->n; i++) {
		harvest_cancel(&l->v[i].harvest);
		free(l->v[i].text);
	}
	list_del(&l->link);
	if (l->conf->links == l)
		l->conf->links = NULL;
	conf_leave(l->conf);
	free(l->v);
	free(l->parts);
	free(l);
}

void
links_retire(struct links *l)
{
	if (l == NULL)
		return;
	l->retired = true;
	list_add_tail(&l->proxy->retired, &l->link);
	if (list_empty(&l->waiters))
		links_free(l);
}

void
links_stop(struct proxy *p)
{
	while (!list_empty(&p->retired))
		links_free(CONTAINER_OF(p->retired.next, struct links, link));
	links_free(p->conf->links);
}

const struct local_part *
links_parts(const struct links *l)
{
	return l->parts;
}
