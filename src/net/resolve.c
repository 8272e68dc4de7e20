/*
 * resolve: who waits for which name.
 *
 * A name being asked for has one query, shared by everyone who waits for it.
 * Every outcome, also one known at once, goes through the list of finished
 * queries, emptied by a timer at the end of a turn: so nobody is called before
 * his own call has returned. Queries stay in memory while evdns holds them,
 * and so does the whole resolver after resolve_free().
 */
#include "net/resolve.h"

#include <stdlib.h>

#include "base/rand.h"
#include "net/hosts.h"
#include "net/names.h"
#include "net/servers.h"

enum {
	QUERIES_MAX = 4 * RESOLVE_MAX_PENDING,	/* also finished ones */
	WAITERS_MAX = 4096,
};

struct query {
	struct table_node node;	/* in asking, while listed */
	struct list link;	/* on live or finished */
	struct real *owner;
	struct list waiters;
	bool listed;		/* who looks for the name may join */
	bool running;
	bool telling;		/* in tell_waiters() */
	uint64_t began;
	enum resolve_result result;
	struct name_addrs addrs;
	struct name name;
	struct servers *servers;	/* asked; NULL: nobody */
	struct dns_query dns;
};

struct resolve {
	struct list link;	/* on its query's waiters */
	struct real *owner;
	resolve_fn fn;
	void *user;
};

/* The real resolver, as opposed to the fakes of tests. */
struct real {
	struct resolver resolver;
	struct loop *loop;
	uint64_t min_ttl_ms, max_ttl_ms;
	struct servers *servers;	/* in use */
	struct servers *next;	/* prepared; may be those in use */
	struct list past;	/* those before, still used */
	struct timer close;	/* ... and when they no longer are */
	struct hosts *hosts;
	struct names names;
	struct siphash_key key;
	struct table asking;	/* queries by name */
	struct list live;	/* queries, all but the finished */
	struct list finished;	/* queries to tell their waiters */
	struct timer tell;
	struct timer reap;	/* after resolve_free() */
	struct pool queries, waiters;
	struct resolve_stats stats;
};

/* -- queries ------------------------------------------------------------- */

static struct query *
find_query(const struct real *r, const struct name *nm)
{
	struct table_node *n;
	struct query *q;

	n = table_find(&r->asking, siphash(&r->key, name_span(nm)));
	for (; n != NULL; n = table_find_next(n)) {
		q = CONTAINER_OF(n, struct query, node);
		if (span_eq(name_span(&q->name), name_span(nm)))
			return q;
	}
	return NULL;
}

/* One question less. */
static void
leave_servers(struct real *r, struct servers *s)
{
	if (s != NULL && --s->users == 0 && s->retired)
		timer_start(loop_timers(r->loop), &r->close,
		    loop_now(r->loop));
}

static struct query *
new_query(struct real *r)
{
	struct query *q = pool_get(&r->queries);

	if (q == NULL)
		return NULL;
	*q = (struct query){ .owner = r };
	list_init(&q->link);
	list_init(&q->waiters);
	list_add_tail(&r->live, &q->link);
	return q;
}

/* Gives Q back once nobody will name it again: neither a waiter nor evdns. */
static void
release(struct query *q)
{
	if (q->running || q->telling || !list_empty(&q->waiters) ||
	    dns_busy(&q->dns))
		return;
	list_del(&q->link);
	leave_servers(q->owner, q->servers);
	pool_put(&q->owner->queries, q);
}

static void
tell_later(struct query *q, enum resolve_result result)
{
	struct real *r = q->owner;

	q->result = result;
	list_del(&q->link);
	list_add_tail(&r->finished, &q->link);
	timer_start(loop_timers(r->loop), &r->tell, loop_now(r->loop));
}

static void
leave_table(struct query *q)
{
	if (q->listed)
		table_remove(&q->owner->asking, &q->node);
	q->listed = false;
}

/* -- outcomes ------------------------------------------------------------ */

static void
keep(struct query *q, uint64_t ttl_ms)
{
	struct real *r = q->owner;

	if (q->servers->outdated)
		return;
	if (ttl_ms > r->max_ttl_ms)
		ttl_ms = r->max_ttl_ms;
	if (ttl_ms < r->min_ttl_ms)
		ttl_ms = r->min_ttl_ms;
	names_put(&r->names, &q->name, &q->addrs, loop_now(r->loop) + ttl_ms);
}

static void
query_done(struct dns_query *dq)
{
	struct query *q = CONTAINER_OF(dq, struct query, dns);
	struct resolve_stats *st = &q->owner->stats;
	uint64_t ttl_ms;
	enum resolve_result result = dns_result(dq, &q->addrs, &ttl_ms);

	histo_add(&st->times, loop_now(q->owner->loop) - q->began);
	st->timeouts += result == RESOLVE_TIMEOUT;
	st->failures += result == RESOLVE_NOT_FOUND;
	st->answers += result == RESOLVE_OK;
	if (result != RESOLVE_TIMEOUT)
		keep(q, ttl_ms);
	leave_table(q);
	q->running = false;
	tell_later(q, result);
}

static void
query_idle(struct dns_query *dq)
{
	release(CONTAINER_OF(dq, struct query, dns));
}

static void
drop_waiter(struct resolve *w)
{
	list_del(&w->link);
	pool_put(&w->owner->waiters, w);
}

static void
tell_waiters(struct query *q, uint64_t now)
{
	struct resolve *w, told;

	q->telling = true;	/* a callback may free the resolver */
	while (!list_empty(&q->waiters)) {
		w = CONTAINER_OF(q->waiters.next, struct resolve, link);
		told = *w;
		drop_waiter(w);
		told.fn(told.user, q->result, q->addrs.a, q->addrs.n, now);
	}
	q->telling = false;
	release(q);
}

/* Only those finished by now: a callback may ask again and be answered from
 * the cache, without end. */
static void
tell_fire(struct timer *t, uint64_t now)
{
	struct real *r = CONTAINER_OF(t, struct real, tell);
	struct query *q, *last;

	last = CONTAINER_OF(r->finished.prev, struct query, link);
	while (!list_empty(&r->finished)) {
		q = CONTAINER_OF(r->finished.next, struct query, link);
		list_del(&q->link);
		list_add_tail(&r->live, &q->link);
		tell_waiters(q, now);
		if (q == last)
			break;
	}
}

/* -- the resolver's calls ------------------------------------------------ */

/* What needs no question: 1 for addresses, -1 for none, 0 for unknown. */
static int
known(struct real *r, struct span text, struct name *nm, struct name_addrs *out,
    uint64_t now)
{
	const struct name_addrs *a;

	out->n = 0;
	if (!name_from(nm, text))
		return -1;
	if (!hosts_find(r->hosts, nm, out, now)) {
		a = names_get(&r->names, nm, now);
		if (a == NULL)
			return 0;
		*out = *a;
	}
	r->stats.hits++;
	return out->n > 0 ? 1 : -1;
}

static int
real_cached(struct resolver *resolver, struct span name, struct addr *out,
    uint64_t now)
{
	struct real *r = CONTAINER_OF(resolver, struct real, resolver);
	struct name_addrs a;
	struct name nm;
	int found = known(r, name, &nm, &a, now);

	if (found <= 0)
		return found;
	memcpy(out, a.a, a.n * sizeof(out[0]));
	return (int)a.n;
}

static struct query *
new_known(struct real *r, const struct name_addrs *a)
{
	struct query *q = new_query(r);

	if (q == NULL)
		return NULL;
	q->addrs = *a;
	tell_later(q, a->n > 0 ? RESOLVE_OK : RESOLVE_NOT_FOUND);
	return q;
}

static struct query *
new_asking(struct real *r, const struct name *nm)
{
	struct query *q;

	if (r->asking.count >= RESOLVE_MAX_PENDING)
		return NULL;
	q = new_query(r);
	if (q == NULL)
		return NULL;
	q->name = *nm;
	q->listed = q->running = true;
	q->servers = r->servers;
	q->servers->users++;
	q->began = loop_now(r->loop);
	table_insert(&r->asking, &q->node, siphash(&r->key, name_span(nm)));
	r->stats.queries++;
	dns_start(&r->servers->dns, &q->dns, nm, query_done, query_idle);
	return q;
}

static struct query *
query_for(struct real *r, struct span text)
{
	struct name_addrs a;
	struct name nm;
	struct query *q;

	if (known(r, text, &nm, &a, loop_now(r->loop)) != 0)
		return new_known(r, &a);
	q = find_query(r, &nm);
	return q != NULL ? q : new_asking(r, &nm);
}

static struct resolve *
real_start(struct resolver *resolver, struct span name, resolve_fn fn,
    void *user)
{
	struct real *r = CONTAINER_OF(resolver, struct real, resolver);
	struct resolve *w = pool_get(&r->waiters);
	struct query *q = NULL;

	if (w != NULL)
		q = query_for(r, name);
	if (q == NULL) {
		r->stats.refused++;
		if (w != NULL)
			pool_put(&r->waiters, w);
		return NULL;
	}
	*w = (struct resolve){ .owner = r, .fn = fn, .user = user };
	list_init(&w->link);
	list_add_tail(&q->waiters, &w->link);
	return w;
}

/* The query goes on: its answer is worth keeping, and its end is near. */
static void
real_cancel(struct resolve *w)
{
	drop_waiter(w);
}

/* -- construction -------------------------------------------------------- */

static struct servers *
servers_at(struct list *l)
{
	return CONTAINER_OF(l, struct servers, link);
}

/* In a timer, as with reap_fire(). */
static void
close_fire(struct timer *t, uint64_t now)
{
	struct real *r = CONTAINER_OF(t, struct real, close);
	struct list *it, *tmp;

	(void)now;
	LIST_FOREACH_SAFE(it, tmp, &r->past)
		if (servers_at(it)->users == 0)
			servers_free(servers_at(it));
}

static void
destroy(struct real *r)
{
	resolve_abandon(&r->resolver);
	while (!list_empty(&r->past))
		servers_free(servers_at(r->past.next));
	servers_free(r->servers);
	timer_stop(&r->close);
	hosts_free(r->hosts);
	names_fini(&r->names);
	table_fini(&r->asking);
	pool_fini(&r->queries);
	pool_fini(&r->waiters);
	free(r);
}

/* By now evdns has called back for all it was asked. Its own probes of failed
 * servers must not be on the way either, since it frees what they point to;
 * the base is quiet when timers run. */
static void
reap_fire(struct timer *t, uint64_t now)
{
	struct real *r = CONTAINER_OF(t, struct real, reap);

	if (list_empty(&r->live))
		destroy(r);
	else
		timer_start(loop_timers(r->loop), t, now);
}

static void
init(struct real *r, struct loop *l, const struct dns_conf *conf)
{
	static const struct resolver_ops ops = {
		.cached = real_cached,
		.start = real_start,
		.cancel = real_cancel,
	};

	r->resolver.ops = &ops;
	r->loop = l;
	r->min_ttl_ms = conf->min_ttl_ms;
	r->max_ttl_ms = conf->max_ttl_ms;
	list_init(&r->live);
	list_init(&r->finished);
	list_init(&r->past);
	timer_init(&r->close, close_fire);
	timer_init(&r->tell, tell_fire);
	timer_init(&r->reap, reap_fire);
	pool_init(&r->queries, sizeof(struct query), QUERIES_MAX);
	pool_init(&r->waiters, sizeof(struct resolve), WAITERS_MAX);
}

struct resolver *
resolve_new(struct loop *l, const struct dns_conf *conf)
{
	struct real *r = calloc(1, sizeof(*r));
	struct siphash_key key;
	struct rand rand;

	if (r == NULL)
		return NULL;
	rand_init(&rand);
	key = rand_key(&rand);
	r->key = rand_key(&rand);
	init(r, l, conf);
	if (!names_init(&r->names, RESOLVE_MAX_CACHED, &key))
		goto err3;
	if (!table_init(&r->asking, RESOLVE_MAX_PENDING))
		goto err2;
	r->hosts = hosts_new("/etc/hosts", &key);
	if (r->hosts == NULL)
		goto err1;
	r->servers = servers_new(l, conf);
	if (r->servers == NULL)
		goto err0;
	return &r->resolver;
err0:
	hosts_free(r->hosts);
err1:
	table_fini(&r->asking);
err2:
	names_fini(&r->names);
err3:
	free(r);
	return NULL;
}

/* ---- from one configuration to the next ---- */

bool
resolve_prepare(struct resolver *resolver, const struct dns_conf *conf)
{
	struct real *r = CONTAINER_OF(resolver, struct real, resolver);
	bool same = servers_same(r->servers, conf);

	/* The servers' own time-out is part of the limit. */
	if (same && r->servers->dns.timeout_ms == conf->timeout_ms)
		r->next = r->servers;
	else
		r->next = servers_new(r->loop, conf);
	return r->next != NULL;
}

void
resolve_abandon(struct resolver *resolver)
{
	struct real *r = CONTAINER_OF(resolver, struct real, resolver);

	if (r->next != r->servers)
		servers_free(r->next);
	r->next = NULL;
}

/* Nobody joins who asks the servers of before. */
static void
outdate(struct real *r)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE(it, tmp, &r->past)
		servers_at(it)->outdated = true;
	LIST_FOREACH_SAFE(it, tmp, &r->live)
		leave_table(CONTAINER_OF(it, struct query, link));
	names_clear(&r->names);
}

void
resolve_reload(struct resolver *resolver, const struct dns_conf *conf)
{
	struct real *r = CONTAINER_OF(resolver, struct real, resolver);
	struct servers *last = r->servers;

	r->min_ttl_ms = conf->min_ttl_ms;
	r->max_ttl_ms = conf->max_ttl_ms;
	r->servers = r->next;
	r->next = NULL;
	if (r->servers == last)
		return;
	last->retired = true;
	list_add_tail(&r->past, &last->link);
	if (last->users == 0)
		timer_start(loop_timers(r->loop), &r->close,
		    loop_now(r->loop));
	if (!servers_alike(last, r->servers))
		outdate(r);
}

static void
stop(struct query *q)
{
	while (!list_empty(&q->waiters))
		drop_waiter(CONTAINER_OF(q->waiters.next, struct resolve,
		    link));
	if (q->running) {
		leave_table(q);
		q->running = false;
		dns_stop(&q->dns);
	}
	release(q);
}

void
resolve_free(struct resolver *resolver)
{
	struct list *it, *tmp;
	struct real *r;

	if (resolver == NULL)
		return;
	r = CONTAINER_OF(resolver, struct real, resolver);
	timer_stop(&r->tell);
	LIST_FOREACH_SAFE(it, tmp, &r->finished)
		stop(CONTAINER_OF(it, struct query, link));
	LIST_FOREACH_SAFE(it, tmp, &r->live)
		stop(CONTAINER_OF(it, struct query, link));
	/* Finished ones that evdns still holds. */
	LIST_FOREACH_SAFE(it, tmp, &r->finished) {
		list_del(it);
		list_add_tail(&r->live, it);
	}
	timer_start(loop_timers(r->loop), &r->reap, loop_now(r->loop));
}

static const struct real *
real_of(const struct resolver *resolver)
{
	const char *p = (const char *)resolver -
	    offsetof(struct real, resolver);

	return (const struct real *)(const void *)p;
}

const struct resolve_stats *
resolve_stats(const struct resolver *resolver)
{
	return &real_of(resolver)->stats;
}

size_t
resolve_cached(const struct resolver *resolver)
{
	return real_of(resolver)->names.table.count;
}
