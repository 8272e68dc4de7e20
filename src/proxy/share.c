/*
 * share: one answer for many: from the cache, or from a fetch under way.
 *
 *	share_ask -> fresh in the cache? answered
 *	          -> asked by somebody else? wait with them
 *	          -> stale: the origin is asked to validate it
 *	share_settle <- the answer: stored, and who may have it
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

/* What is under way for URI may be from before a change of it: nobody joins it
 * any more, and if the change is DONE its answer is not stored either (CAC-42,
 * CAC-63). */
static void
pending_outdate(struct proxy *p, uint64_t uri, bool done)
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

static struct coap_authority
authority(const struct fetch *f)
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

static uint32_t
lifetime(const struct proxy *p)
{
	return (uint32_t)(p->conf->exchange_lifetime / 1000);
}

/* How a client asks for the rest of what M got: the body of a FETCH is
 * repeated, unless it went up in blocks. */
static enum coap_key_body
repeats(const struct coap_msg *m)
{
	return m->code == COAP_FETCH && m->payload.n > 0 ? COAP_KEY_BODY :
	    COAP_KEY_NO_BODY;
}

/* The key under which what M, a request as it goes out, got for CLIENT alone is
 * kept. */
static bool
private_key(struct proxy *p, const struct fetch *f, const struct coap_msg *m,
    uint64_t client, enum coap_key_body body, struct coap_key *key)
{
	const struct coap_authority at = authority(f);
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

/* A later block of what is kept for R's client alone. NEXT: it is to be
 * fetched, or there for everybody. */
static enum verdict
ask_block(struct proxy *p, struct request *r, struct fetch *f,
    const struct coap_msg *m)
{
	struct cache_entry *e = NULL;
	struct coap_key key;

	if (private_key(p, f, m, r->client, repeats(m), &key))
		e = cache_find(&p->cache, &key);
	if (e != NULL && cache_fresh(e, p->now)) {
		cache_extend(e, lifetime(p), p->now);
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
	const struct coap_authority at = authority(f);
	struct memo_result now;

	if (p->made == MADE_BEFORE) {
		*key = p->result.key;
		return true;
	}
	if (!coap_key_make(key, w, &p->cache.secret, m, &at, COAP_KEY_BODY))
		return false;
	if (p->made == MADE_ANEW && r->msg.known) {
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
		cache_extend(e, lifetime(p), p->now);
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
		enum verdict v = ask_block(p, r, f, m);

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

	if (!private_key(p, f, m, r->client, COAP_KEY_NO_BODY, &key) ||
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
	const struct coap_authority at = authority(f);
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
			return ask_block(p, r, f, &m);
		/* Whatever comes of it, the resource may change. */
		if (coap_uri_hash(&f->uri, &w, &p->cache.secret, &m, &at))
			pending_outdate(p, f->uri, false);
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
	return later_block(r) && !f->relay ? ask_block(p, r, f, &m) : NEXT;
}

/* ---- the answer ---- */

/* The resource at URI has changed, or may have. */
static void
outdate(struct proxy *p, uint64_t uri)
{
	cache_invalidate(&p->cache, uri);
	pending_outdate(p, uri, true);
}

/* RFC 7252 5.9.1, 5.10.7; RFC 7959 2.10. */
static void
settle_unsafe(struct proxy *p, const struct fetch *f, const struct coap_msg *m,
    struct span sent)
{
	const struct coap_authority at = authority(f);
	struct writer w = writer_make(p->key, sizeof(p->key));
	struct coap_msg request;
	uint64_t uri;

	if (f->uri == 0 || coap_code_class(m->code) != 2)
		return;
	outdate(p, f->uri);
	if (!coap_has(m, COAP_OPT_LOCATION_PATH) &&
	    !coap_has(m, COAP_OPT_LOCATION_QUERY))
		return;
	if (coap_parse(&request, sent) == COAP_PARSE_OK &&
	    coap_location_hash(&uri, &w, &p->cache.secret, &request, &at, m))
		outdate(p, uri);
}

void
share_acted(struct proxy *p, const struct fetch *f)
{
	if (!coap_method_safe(f->code) && f->uri != 0)
		outdate(p, f->uri);
}

void
share_failed(struct proxy *p, struct fetch *f, enum fetch_fail why)
{
	/* It may have got there (CAC-41). */
	if (!coap_method_safe(f->code) && f->uri != 0 &&
	    (why == FETCH_TIMEOUT || why == FETCH_RESET ||
		why == FETCH_BAD_RESPONSE || why == FETCH_UNREACHABLE))
		outdate(p, f->uri);
	share_end(p, f);
}

/* Whether M has the whole body. */
static bool
is_whole(const struct coap_msg *m)
{
	struct span v;
	struct coap_block b;

	if (!coap_get(m, COAP_OPT_BLOCK2, &v))
		return true;
	b = coap_block_get(v);
	return b.num == 0 && !b.more;
}

/* Whether the request that went out as SENT asked for a block: then an error
 * may be about that one. */
static bool
asked_for_block(struct span sent)
{
	struct coap_msg m;

	return coap_parse(&m, sent) == COAP_PARSE_OK &&
	    coap_has(&m, COAP_OPT_BLOCK2);
}

static struct coap_key
key_of(const struct fetch *f)
{
	return (struct coap_key){ f->key, f->hash, f->uri };
}

static struct cache_entry *
store(struct proxy *p, const struct fetch *f, const struct coap_msg *m)
{
	struct writer w = writer_make(p->stored, sizeof(p->stored));
	const struct coap_key key = key_of(f);
	struct cache_item item = {
		.code = m->code,
		.body = m->payload,
		.max_age = fresh_max_age(m),
		.client = f->client,
	};

	if (item.body.n > p->conf->cache.max_entry ||
	    !fresh_put_stored(m, &w)) {
		p->cache.stats.refused++;
		return NULL;
	}
	item.opts = writer_span(&w);
	return cache_store(&p->cache, &key, &item, p->now);
}

struct cache_entry *
share_keep(struct proxy *p, const struct fetch *f, const struct request *r,
    const struct coap_msg *m, struct span sent)
{
	struct writer w = writer_make(p->stored, sizeof(p->stored));
	struct cache_item item = {
		.code = m->code,
		.flags = CACHE_PRIVATE,
		.body = m->payload,
		.max_age = fresh_max_age(m),
		.lifetime = lifetime(p),
		.client = r->client,
	};
	struct coap_msg request;
	struct coap_key key;

	if (coap_parse(&request, sent) != COAP_PARSE_OK ||
	    !private_key(p, f, &request, r->client,
		r->has_block1 ? COAP_KEY_NO_BODY : repeats(&request), &key) ||
	    !fresh_put_stored(m, &w))
		return NULL;
	item.opts = writer_span(&w);
	return cache_store(&p->cache, &key, &item, p->now);
}

void
share_copy(struct proxy *p, const struct request *r,
    const struct cache_entry *e)
{
	const struct coap_key key = { r->own_key, r->own_hash, 0 };
	const struct cache_item item = {
		.code = e->code,
		.flags = CACHE_PRIVATE,
		.opts = cache_opts(e),
		.body = cache_body(e),
		.max_age = cache_max_age(e, p->now),
		.lifetime = lifetime(p),
		.client = r->client,
	};

	if (r->own_key.n > 0)
		cache_store(&p->cache, &key, &item, p->now);
}

void
share_too_large(struct proxy *p, struct fetch *f, struct span sent)
{
	struct cache_item item = {
		.flags = CACHE_TOO_LARGE,
		.lifetime = lifetime(p),
		.client = f->client,
	};
	struct coap_msg request;
	struct coap_key key = key_of(f);

	if (f->state == SHARE_NOT) {
		item.flags |= CACHE_PRIVATE;
		if (coap_parse(&request, sent) != COAP_PARSE_OK ||
		    !private_key(p, f, &request, f->client,
			repeats(&request), &key))
			return;
	}
	cache_store(&p->cache, &key, &item, p->now);
	share_end(p, f);
}

/* What is stored for F is older than what the origin has just said. */
static void
forget_older(struct proxy *p, const struct fetch *f)
{
	const struct coap_key key = key_of(f);
	struct cache_entry *e = cache_find(&p->cache, &key);

	if (e != NULL)
		cache_outdate(e);
}

/* Whether the request that went out as SENT asked for ETAG. */
static bool
asked_for(struct span sent, struct span etag)
{
	struct coap_opt_iter it;
	struct coap_msg m;

	if (coap_parse(&m, sent) != COAP_PARSE_OK)
		return false;
	coap_opts(&it, &m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_ETAG && it.def != NULL &&
		    span_eq(it.value, etag))
			return true;
	return false;
}

static enum share_result
settle_valid(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct span sent, struct cache_entry **e)
{
	struct span etag;

	if (!coap_get(m, COAP_OPT_ETAG, &etag) || !asked_for(sent, etag))
		return SHARE_BAD;
	if (f->stale == NULL || !span_eq(cache_etag(f->stale), etag)) {
		/* The client's own; ours, if any, is another state (CAC-31). */
		if (f->state != SHARE_NOT)
			forget_older(p, f);
		return SHARE_FIRST;
	}
	*e = cache_refresh(&p->cache, f->stale, m, p->now);
	if (*e == NULL)
		*e = f->stale;
	else if (f->state == SHARE_OLD)
		cache_outdate(*e);
	p->stats.validated++;
	f->validated = true;
	return f->state == SHARE_OLD || cache_fresh(*e, p->now) ?
	    SHARE_ALL : SHARE_FIRST;
}

enum share_result
share_settle(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct span sent, struct cache_entry **e)
{
	*e = NULL;
	if (!coap_method_safe(f->code)) {
		settle_unsafe(p, f, m, sent);
		return SHARE_FIRST;
	}
	if (m->code == COAP_203)
		return settle_valid(p, f, m, sent, e);
	if (f->state == SHARE_NOT)
		return SHARE_FIRST;
	if (!fresh_storable(m, f->hop_added) || !is_whole(m) ||
	    (m->code != COAP_205 && asked_for_block(sent))) {
		if (coap_code_class(m->code) == 2)
			forget_older(p, f);
		return SHARE_FIRST;
	}
	*e = store(p, f, m);
	if (*e != NULL && f->state == SHARE_OLD)
		cache_outdate(*e);
	return SHARE_ALL;
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

/* HAVE is still what it was, says M. */
static struct cache_entry *
note_valid(struct proxy *p, const struct coap_msg *m, struct cache_entry *have)
{
	struct cache_entry *e = NULL;
	struct cache_item item;
	struct span etag;

	if (have == NULL || !coap_get(m, COAP_OPT_ETAG, &etag) ||
	    !span_eq(cache_etag(have), etag))
		return NULL;
	p->stats.validated++;
	/* One without a key is nobody's but the observation's. */
	if (have->nkey > 0)
		e = cache_refresh(&p->cache, have, m, p->now);
	if (e != NULL) {
		cache_hold(e);
		return e;
	}
	item = (struct cache_item){
		.code = have->code,
		.opts = cache_opts(have),
		.body = cache_body(have),
		.max_age = fresh_max_age(m),
	};
	return cache_make(&p->cache, &item, p->now);
}

/* M for others, too; NULL: it is not for them. */
static struct cache_entry *
note_shared(struct proxy *p, const struct fetch *f, const struct coap_msg *m)
{
	if (f->state == SHARE_NOT || !p->sharing || !f->route.cache)
		return NULL;
	if (fresh_storable(m, f->hop_added))
		return store(p, f, m);
	if (coap_code_class(m->code) == 2)
		forget_older(p, f);
	return NULL;
}

struct cache_entry *
share_note(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct cache_entry *have)
{
	struct writer w = writer_make(p->stored, sizeof(p->stored));
	struct cache_item item = { .code = m->code, .body = m->payload };
	struct cache_entry *e;

	if (m->code == COAP_203) {
		e = note_valid(p, m, have != NULL ? have : f->stale);
		f->validated = e != NULL;
	} else {
		e = note_shared(p, f, m);
		if (e != NULL)
			cache_hold(e);
	}
	if (e == NULL && m->code != COAP_203 && fresh_put_kept(m, &w)) {
		item.opts = writer_span(&w);
		item.max_age = fresh_max_age(m);
		e = cache_make(&p->cache, &item, p->now);
	}
	if (f->stale != NULL)
		cache_release(&p->cache, f->stale);
	f->stale = NULL;
	if (e != NULL && f->state == SHARE_OLD)
		cache_outdate(e);
	return e;
}
