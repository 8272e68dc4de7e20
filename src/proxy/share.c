/*
 * share: one answer for many: from the cache, or from a fetch under way.
 *
 *	share_ask -> fresh in the cache? answered
 *	          -> asked by somebody else? wait with them
 *	          -> stale: the origin is asked to validate it
 *
 * The way back is in settle.c.
 *
 * A fetch that can be shared stands in p->pending under the key of its request,
 * and under its URI, so that a change of the resource is known to it.
 */
#include "proxy/share.h"

#include "proxy/core.h"
#include "proxy/observe.h"

enum { BODIES = 16 };		/* room for them without a cache */

void
share_init(struct fetch *f)
{
	f->key = SPAN_LIT("");
	f->uri = 0;
	f->state = SHARE_NOT;
	f->stale = NULL;
}

/* Bodies that a client fetches block by block wait in the cache, too. */
static struct cache_conf
limits(const struct proxy_conf *c)
{
	struct cache_conf conf = c->cache;
	size_t body = c->block.max_body;

	if (conf.size == 0)
		conf.size = BODIES * body;
	if (conf.max_entry < body)
		conf.max_entry = body;
	return conf;
}

/* The next of those that there is no room for any more are forgotten. */
static void
shrink_fire(struct timer *t, uint64_t now)
{
	struct proxy *p = CONTAINER_OF(t, struct proxy, shrink);

	if (cache_shrink(&p->cache, now))
		timer_start(p->timers, t, now);
}

bool
share_start(struct proxy *p, struct rand *rnd)
{
	const struct cache_conf conf = limits(p->conf);

	p->sharing = p->conf->cache.size > 0;
	timer_init(&p->shrink, shrink_fire);
	if (!cache_init(&p->cache, &conf, rnd))
		return false;
	if (!table_init(&p->pending, 64))
		goto err0;
	if (table_init(&p->pending_uris, 64))
		return true;
	table_fini(&p->pending);
err0:
	cache_fini(&p->cache);
	return false;
}

void
share_stop(struct proxy *p)
{
	timer_stop(&p->shrink);
	table_fini(&p->pending);
	table_fini(&p->pending_uris);
	cache_fini(&p->cache);
}

void
share_reload(struct proxy *p, const struct proxy_conf *last)
{
	const struct cache_conf conf = limits(p->conf);

	p->sharing = p->conf->cache.size > 0;
	/* While it is off nobody makes stale what has changed. */
	if (!p->sharing && last->cache.size > 0)
		cache_empty(&p->cache);
	while (p->sharing && last->cache.size == 0 &&
	    cache_shrink(&p->cache, p->now))
		;
	if (cache_configure(&p->cache, &conf, p->now))
		timer_start(p->timers, &p->shrink, p->now);
}

/* ---- fetches under way ---- */

static struct fetch *
fetch_by_uri(struct table_node *n)
{
	return CONTAINER_OF(n, struct fetch, uri_node);
}

static struct fetch *
pending_find(const struct proxy *p, const struct coap_key *key)
{
	struct table_node *n = table_find(&p->pending, key->hash);

	for (; n != NULL; n = table_find_next(n)) {
		struct fetch *f = CONTAINER_OF(n, struct fetch, node);

		if (f->state == SHARE_OPEN && span_eq(f->key, key->octets))
			return f;
	}
	return NULL;
}

void
share_outdate(struct proxy *p, uint64_t uri, bool done)
{
	struct table_node *n = table_find(&p->pending_uris, uri);

	for (; n != NULL; n = table_find_next(n)) {
		struct fetch *f = fetch_by_uri(n);

		if (f->obs != NULL && !observe_outdate(f, done))
			continue;
		if (done)
			f->state = SHARE_OLD;
		else if (f->state == SHARE_OPEN)
			f->state = SHARE_CLOSED;
	}
}

static bool
pending_add(struct proxy *p, struct fetch *f, const struct coap_key *key)
{
	if (!arena_dup(&f->arena, key->octets, &f->key))
		return false;
	f->hash = key->hash;
	f->uri = key->uri;
	f->state = SHARE_OPEN;
	table_insert(&p->pending, &f->node, key->hash);
	table_insert(&p->pending_uris, &f->uri_node, key->uri);
	return true;
}

void
share_end(struct proxy *p, struct fetch *f)
{
	if (f->stale != NULL)
		cache_release(&p->cache, f->stale);
	f->stale = NULL;
	if (f->state == SHARE_NOT)
		return;
	table_remove(&p->pending, &f->node);
	table_remove(&p->pending_uris, &f->uri_node);
	f->state = SHARE_NOT;
}

/* ---- asking ---- */

/* F's request, as it goes out: facts from the client's, which has the same
 * options but for those of this hop. */
static struct coap_msg
outgoing(const struct fetch *f, const struct request *r)
{
	struct coap_msg m = r->msg;

	m.code = f->code;
	m.opts = f->opts;
	m.payload = f->payload;
	if (r->own_echo)
		m.has &= ~coap_opt_bit(COAP_OPT_ECHO);
	return m;
}

struct coap_authority
share_authority(const struct fetch *f)
{
	const struct target *hop = &f->route.hop;

	return (struct coap_authority){ hop->scheme, &hop->host, hop->port };
}

bool
share_may_join(const struct request *r, uint8_t type, const struct fetch *f)
{
	uint32_t hops;

	if (r->alone)
		return false;
	/* A NON may be lost, and nobody would repeat it. */
	if (type == COAP_CON && f->type == COAP_NON)
		return false;
	/* It may go to an address that is refused by now. */
	if (f->route.forward != NULL && f->route.conf != r->route.conf)
		return false;
	/* With as many hops left as we gave it, it may be that very request,
	 * come back in a loop (CAC-65). */
	return !coap_get_uint(&r->msg, COAP_OPT_HOP_LIMIT, &hops) ||
	    hops > f->hop_limit;
}

/* R waits for what F, which somebody else has begun, brings. */
static enum verdict
join(struct proxy *p, struct request *r, struct fetch *f)
{
	if (!request_keep(r, KEEP_ALL))
		return answer_full(p, r);
	r->joined = true;
	p->stats.joined++;
	request_wait(p, r, f);
	return WAIT;
}

/* F asks whether E is still good. */
static void
validate(struct proxy *p, const struct request *r, struct fetch *f,
    struct cache_entry *e)
{
	struct rewrite_etag etag = { .add = cache_etag(e) };

	if (etag.add.n == 0) {
		/* One we have made says nothing to the origin (BLK-18). */
		if (e->own_etag == 0 || !coap_has(&r->msg, COAP_OPT_ETAG))
			return;
		etag.drop = cache_own_etag(&p->cache, e);
	} else {
		cache_hold(e);
		f->stale = e;
	}
	if (fetch_write(p, f, r, &etag) == REWRITE_OK)
		return;
	/* Too long with it: asked as it was. */
	share_end(p, f);
	fetch_write(p, f, r, NULL);
}

uint32_t
share_lifetime(const struct proxy *p)
{
	return (uint32_t)(p->conf->exchange_lifetime / 1000);
}

enum coap_key_body
share_repeats(const struct coap_msg *m)
{
	return m->code == COAP_FETCH && m->payload.n > 0 ? COAP_KEY_BODY :
	    COAP_KEY_NO_BODY;
}

bool
share_private_key(struct proxy *p, const struct fetch *f,
    const struct coap_msg *m, uint64_t client, enum coap_key_body body,
    struct coap_key *key)
{
	const struct coap_authority at = share_authority(f);
	struct writer w = writer_make(p->part_key, sizeof(p->part_key));
	struct writer w2 = writer_make(p->own_key, sizeof(p->own_key));
	struct coap_key of_all;

	return coap_key_make(&of_all, &w, &p->cache.secret, m, &at, body) &&
	    cache_private_key(key, &w2, &p->cache.secret, &of_all,
		span_make(&client, sizeof(client)));
}

/* What is known to be too large to be collected is passed on block by block
 * (BLK-44). */
static enum verdict
relay(struct proxy *p, struct request *r, struct fetch *f)
{
	f->relay = true;
	fetch_write(p, f, r, NULL);
	return NEXT;
}

/* A later block of what is kept for R's client alone, if that is newer than
 * SHARED, which is for everybody (NULL: nothing). NEXT: it is to be fetched, or
 * there for everybody. */
static enum verdict
ask_block(struct proxy *p, struct request *r, struct fetch *f,
    const struct coap_msg *m, const struct cache_entry *shared)
{
	struct cache_entry *e = NULL;
	struct coap_key key;

	if (share_private_key(p, f, m, r->client, share_repeats(m), &key))
		e = cache_find(&p->cache, &key);
	if (e != NULL && shared != NULL && e->stored <= shared->stored)
		e = NULL;
	if (e != NULL && cache_fresh(e, p->now)) {
		cache_extend(e, share_lifetime(p), p->now);
		if (e->flags & CACHE_TOO_LARGE)
			return relay(p, r, f);
		fetch_free(p, f);
		return serve_entry(p, r, e);
	}
	/* The rest of what a FETCH got may be asked for without its body, which
	 * would be another question. */
	if (coap_method_safe(f->code) &&
	    (f->code != COAP_FETCH || f->payload.n > 0))
		return NEXT;
	/* To ask for it is to do it again. */
	fetch_free(p, f);
	return answer_error(p, r, COAP_408, "no such transfer");
}

static bool
later_block(const struct request *r)
{
	return r->has_block2 && r->block2.num > 0 && !r->has_block1;
}

/* What the store is to a request. */
struct shared {
	bool cached;		/* it may be used at all, */
	bool lookup;		/* and stored answers be given to it */
};

/* The key of M, which F asks for R, into W. False when it is too long. */
static bool
make_key(struct proxy *p, const struct request *r, const struct fetch *f,
    const struct coap_msg *m, struct writer *w, struct coap_key *key)
{
	const struct coap_authority at = share_authority(f);
	struct memo_result now;

	if (p->made == MADE_BEFORE) {
		*key = p->result.key;
		return true;
	}
	if (!coap_key_make(key, w, &p->cache.secret, m, &at, COAP_KEY_BODY))
		return false;
	if (p->made == MADE_ANEW && r->msg.known &&
	    memo_due(&p->memo, p->made_hash)) {
		now = (struct memo_result){
			.role = r->role,
			.opts = r->msg.opts,
			.has = r->msg.has,
			.uri = r->route.uri,
			.rule = r->route.rule,
			.strip = r->route.strip,
			.sent = f->opts,
			.key = *key,
		};
		memo_put(&p->memo, r->in, p->made_hash, &now);
	}
	return true;
}

/* The request R as F is one whose answer may be shared. */
static enum verdict
ask_shared(struct proxy *p, struct request *r, struct fetch *f,
    const struct coap_msg *m, struct shared may)
{
	bool lookup = may.cached && may.lookup;
	struct writer w = writer_make(p->key, sizeof(p->key));
	struct cache_entry *e;
	struct coap_key key;
	struct fetch *other;

	if (!make_key(p, r, f, m, &w, &key))
		return r->observes ? observe_alone(p, r, f) : NEXT;
	e = lookup && !p->absent ? cache_find(&p->cache, &key) : NULL;
	if (e != NULL && cache_fresh(e, p->now) &&
	    e->flags & CACHE_TOO_LARGE) {
		cache_extend(e, share_lifetime(p), p->now);
		r->observes = f->registers = false;
		return relay(p, r, f);
	}
	if (r->observes || p->observation_pool.used > 0) {
		enum verdict v = observe_ask(p, r, f, &key, e, lookup);

		if (v != NEXT || r->observes || !may.cached)
			return v;
	}
	if (e != NULL && cache_fresh(e, p->now)) {
		fetch_free(p, f);
		p->stats.hits++;
		return serve_entry(p, r, e);
	}
	if (later_block(r)) {
		enum verdict v = ask_block(p, r, f, m, e);

		if (v != NEXT || f->relay)
			return v;
	}
	other = lookup ? pending_find(p, &key) : NULL;
	if (other != NULL && share_may_join(r, f->type, other)) {
		fetch_free(p, f);
		return join(p, r, other);
	}
	p->stats.misses += lookup;
	if (e != NULL)
		validate(p, r, f, e);
	/* Without memory it is nobody's but R's. */
	pending_add(p, f, &key);
	return NEXT;
}

static void
note_own_key(struct proxy *p, struct request *r, const struct fetch *f,
    const struct coap_msg *m)
{
	struct coap_key key = { .hash = 0 };

	if (!share_private_key(p, f, m, r->client, COAP_KEY_NO_BODY, &key) ||
	    !arena_dup(&r->arena, key.octets, &r->own_key))
		r->own_key = SPAN_LIT("");
	r->own_hash = key.hash;
}

enum verdict
share_at_once(struct proxy *p, struct request *r)
{
	struct cache_entry *e;

	if (!p->sharing || !r->route.cache || p->observation_pool.used > 0)
		return NEXT;
	e = cache_find(&p->cache, &p->result.key);
	p->absent = e == NULL;
	if (e == NULL || !cache_fresh(e, p->now) ||
	    (e->flags & CACHE_TOO_LARGE) != 0 || !request_want(r))
		return NEXT;
	p->stats.hits++;
	return serve_entry(p, r, e);
}

enum verdict
share_ask(struct proxy *p, struct request *r, struct fetch *f)
{
	const struct coap_authority at = share_authority(f);
	struct writer w = writer_make(p->key, sizeof(p->key));
	bool watched = r->observes ||
	    (wants_later_block(&r->msg) && p->observation_pool.used > 0);
	struct shared may = {
		.cached = p->sharing && r->route.cache,
	};
	struct coap_msg m;
	enum fresh_use use;

	if (!request_want(r)) {
		fetch_free(p, f);
		return answer_full(p, r);
	}
	/* A change matters to what is observed without a cache, too. */
	if (!p->sharing && !later_block(r) && !r->observes &&
	    (p->observation_pool.used == 0 || coap_method_safe(f->code)))
		return NEXT;
	m = outgoing(f, r);
	if (!coap_method_safe(f->code)) {
		if (later_block(r))
			return ask_block(p, r, f, &m, NULL);
		/* Whatever comes of it, the resource may change. */
		if (coap_uri_hash(&f->uri, &w, &p->cache.secret, &m, &at))
			share_outdate(p, f->uri, false);
		return NEXT;
	}
	use = fresh_use(&m);
	may.lookup = use == FRESH_LOOKUP;
	if (f->code == COAP_FETCH && r->has_block1)
		note_own_key(p, r, f, &m);
	/* Who wants no answer gives the origin no reason to send one. */
	if (use != FRESH_PASS && !f->silent && (may.cached || watched)) {
		enum verdict v = ask_shared(p, r, f, &m, may);

		if (v != NEXT || may.cached)
			return v;
	} else if (r->observes) {
		return observe_alone(p, r, f);
	}
	if (!later_block(r) || f->relay)
		return NEXT;
	return ask_block(p, r, f, &m, NULL);
}

/* ---- what is observed ---- */

bool
share_watch(struct proxy *p, const struct request *r, struct fetch *f,
    const struct coap_key *key, struct cache_entry *e)
{
	struct rewrite_etag etag = { .add = SPAN_LIT("") };

	if (e != NULL)
		etag.add = cache_etag(e);
	if (etag.add.n > 0 && fetch_write(p, f, r, &etag) == REWRITE_OK) {
		cache_hold(e);
		f->stale = e;
	} else if (etag.add.n > 0) {
		fetch_write(p, f, r, NULL);
	}
	return pending_add(p, f, key);
}
