/*
 * settle: what becomes of an answer that others may want, too.
 *
 *	share_settle <- the answer: stored, and who may have it
 *	share_note <- likewise, of what is observed
 *
 * The other half of share.c.
 */
#include "proxy/core.h"
#include "proxy/share.h"

/* The resource at URI has changed, or may have. */
static void
outdate(struct proxy *p, uint64_t uri)
{
	cache_invalidate(&p->cache, uri);
	share_outdate(p, uri, true);
}

/* RFC 7252 5.9.1, 5.10.7; RFC 7959 2.10. */
static void
settle_unsafe(struct proxy *p, const struct fetch *f, const struct coap_msg *m,
    struct span sent)
{
	const struct coap_authority at = share_authority(f);
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
		.lifetime = share_lifetime(p),
		.client = r->client,
	};
	struct coap_msg request;
	struct coap_key key;

	if (coap_parse(&request, sent) != COAP_PARSE_OK ||
	    !share_private_key(p, f, &request, r->client,
		r->has_block1 ? COAP_KEY_NO_BODY : share_repeats(&request),
		&key) ||
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
		.lifetime = share_lifetime(p),
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
		.lifetime = share_lifetime(p),
		.client = f->client,
	};
	struct coap_msg request;
	struct coap_key key = key_of(f);

	if (f->state == SHARE_NOT) {
		item.flags |= CACHE_PRIVATE;
		if (coap_parse(&request, sent) != COAP_PARSE_OK ||
		    !share_private_key(p, f, &request, f->client,
			share_repeats(&request), &key))
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
