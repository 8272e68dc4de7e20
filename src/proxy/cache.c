/*
 * cache: two tables, two lists.
 *
 * The table of URIs has one entry of each; the others hang on it in a ring. So
 * a URI under which somebody has collected a hundred thousand variants makes no
 * long chain, and none is walked but to make all of it stale. That takes the
 * ring apart: to do it again costs nothing, and a validated entry returns.
 *
 * Entries of all sizes come and go for weeks, so the heap would end up with
 * more holes than entries. Two things keep what the process has near to what is
 * counted: sizes are rounded to four steps between powers of two, so that a
 * hole fits the next one; and now and then the pages inside holes are given
 * back.
 */
#include "proxy/cache.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>

enum {
	PRIVATE = 0xff,		/* first octet of a key: no scheme */
	HEADER = sizeof(size_t),	/* what the allocator puts in front */
	STEPS = 4,		/* sizes between two powers of two */
	TRIM_MIN = 128 << 10,	/* octets freed before pages are given back */
	OPTS_MAX = 4096,	/* of a refreshed entry */
	BATCH = 1024,		/* entries forgotten in a turn of the loop */
};

/* ---- accounts ---- */

static size_t
table_octets(const struct table *t)
{
	size_t n = t->mask + 1;

	if (t->old != NULL)
		n += t->old_mask + 1;
	return n * sizeof(t->buckets[0]);
}

size_t
cache_octets(const struct cache *c)
{
	return c->octets + table_octets(&c->keys) + table_octets(&c->uris);
}

static size_t
entry_octets(struct cache_entry *e)
{
	return malloc_usable_size(e) + HEADER;
}

void
cache_hold(struct cache_entry *e)
{
	e->refs++;
}

void
cache_release(struct cache *c, struct cache_entry *e)
{
	if (--e->refs > 0)
		return;
	c->octets -= entry_octets(e);
	c->freed += entry_octets(e);
	free(e);
}

/* ---- the URI of an entry ---- */

static struct cache_entry *
first_of(const struct cache *c, uint64_t uri)
{
	struct table_node *n = table_find(&c->uris, uri);

	return n == NULL ? NULL : CONTAINER_OF(n, struct cache_entry, uri);
}

/* E, which is in no ring, joins that of its URI. */
static void
join_uri(struct cache *c, struct cache_entry *e)
{
	struct cache_entry *first;

	if ((e->flags & CACHE_PRIVATE) != 0)
		return;
	first = first_of(c, e->uri.hash);
	if (first != NULL) {
		list_add_tail(&first->same_uri, &e->same_uri);
		return;
	}
	e->first = true;
	table_insert(&c->uris, &e->uri, e->uri.hash);
}

/* E is the first of its URI no more; the next one, if any, is. */
static void
abdicate(struct cache *c, struct cache_entry *e)
{
	struct cache_entry *next;

	table_remove(&c->uris, &e->uri);
	e->first = false;
	if (list_empty(&e->same_uri))
		return;
	next = CONTAINER_OF(e->same_uri.next, struct cache_entry, same_uri);
	next->first = true;
	table_insert(&c->uris, &next->uri, e->uri.hash);
}

static void
leave_uri(struct cache *c, struct cache_entry *e)
{
	if (e->first)
		abdicate(c, e);
	list_del(&e->same_uri);
}

static bool
in_ring(const struct cache_entry *e)
{
	return e->first || !list_empty(&e->same_uri);
}

void
cache_outdate(struct cache_entry *e)
{
	e->stale = 0;
}

void
cache_invalidate(struct cache *c, uint64_t uri)
{
	struct cache_entry *first = first_of(c, uri), *e;

	if (first == NULL)
		return;
	table_remove(&c->uris, &first->uri);
	first->first = false;
	while (!list_empty(&first->same_uri)) {
		e = CONTAINER_OF(first->same_uri.next, struct cache_entry,
		    same_uri);
		list_del(&e->same_uri);
		cache_outdate(e);
		c->stats.invalidated++;
	}
	cache_outdate(first);
	c->stats.invalidated++;
}

/* ---- in and out ---- */

static void
use(struct cache *c, struct cache_entry *e)
{
	struct cache_share *share = &c->shares[e->share];

	if (c->lru.next == &e->lru)
		return;
	list_del(&e->lru);
	list_add_head(&c->lru, &e->lru);
	list_del(&e->share_lru);
	list_add_head(&share->lru, &e->share_lru);
}

static void
drop(struct cache *c, struct cache_entry *e)
{
	e->linked = false;
	table_remove(&c->keys, &e->node);
	leave_uri(c, e);
	list_del(&e->lru);
	list_del(&e->share_lru);
	c->shares[e->share].octets -= entry_octets(e);
	cache_release(c, e);
}

/* Whom to forget; NULL when there is none. What is of no use as it is goes
 * before what is fresh: a client who fills the cache does not take from the
 * others what they still can use, as long as they have had half of it. */
static struct cache_entry *
victim(const struct cache *c, uint64_t now)
{
	const struct cache_share *heavy = c->heavy;
	struct cache_entry *oldest;

	if (list_empty(&c->lru))
		return NULL;
	oldest = CONTAINER_OF(c->lru.prev, struct cache_entry, lru);
	if (heavy == NULL || heavy->octets <= c->conf.size / 2 ||
	    !cache_fresh(oldest, now))
		return oldest;
	return CONTAINER_OF(heavy->lru.prev, struct cache_entry, share_lru);
}

/* Forgets entries until NEED octets fit. False when they do not even then:
 * those held for others are in use, too. */
static bool
make_room(struct cache *c, size_t need, uint64_t now)
{
	struct cache_entry *e;

	for (;;) {
		size_t used = cache_octets(c);

		if (used <= c->conf.size && need <= c->conf.size - used)
			return true;
		e = victim(c, now);
		if (e == NULL)
			return false;
		drop(c, e);
		c->stats.evicted++;
	}
}

struct flush {
	struct cache *c;
	bool (*fn)(struct span key, void *arg);
	void *arg;
	size_t n;
};

static void
flush_one(struct table_node *n, void *arg)
{
	struct cache_entry *e = CONTAINER_OF(n, struct cache_entry, node);
	struct flush *f = arg;

	if (!f->fn(cache_key(e), f->arg))
		return;
	drop(f->c, e);
	f->n++;
}

size_t
cache_flush(struct cache *c, bool (*fn)(struct span key, void *arg), void *arg)
{
	struct flush f = { .c = c, .fn = fn, .arg = arg };

	table_each(&c->keys, flush_one, &f);
	return f.n;
}

static void
insert(struct cache *c, struct cache_entry *e, const struct coap_key *key,
    uint64_t now)
{
	struct cache_share *share = &c->shares[e->share];
	size_t octets = entry_octets(e);

	e->linked = true;
	c->octets += octets;
	table_insert(&c->keys, &e->node, key->hash);
	e->uri.hash = key->uri;
	list_init(&e->same_uri);
	join_uri(c, e);
	/* The tables may have grown. E is on no list yet: it stays. */
	make_room(c, 0, now);
	list_add_head(&c->lru, &e->lru);
	list_add_head(&share->lru, &e->share_lru);
	share->octets += octets;
	if (share->octets > c->conf.size / 2)
		c->heavy = share;
}

/* ---- entries ---- */

static void
find_etag(struct cache_entry *e)
{
	struct coap_msg m = { .code = e->code, .opts = cache_opts(e) };
	struct coap_opt_iter it;

	if (e->code != COAP_205)
		return;
	coap_opts(&it, &m);
	while (coap_opts_next(&it) && it.number <= COAP_OPT_ETAG) {
		if (it.number != COAP_OPT_ETAG || it.def == NULL)
			continue;
		e->etag_at = (uint16_t)(it.value.p - m.opts.p);
		e->etag_n = (uint8_t)it.value.n;
		return;
	}
}

/* E is fresh from NOW on, LIFETIME or else as long as its Max-Age allows. */
static void
begin(const struct cache *c, struct cache_entry *e, uint32_t lifetime,
    uint64_t now)
{
	uint32_t longest = c->conf.max_age;

	if (lifetime == 0)
		lifetime = e->max_age < longest ? e->max_age : longest;
	e->stored = now;
	cache_extend(e, lifetime, now);
}

void
cache_extend(struct cache_entry *e, uint32_t lifetime, uint64_t now)
{
	/* Not fresh once the age is greater (RFC 7252 5.6.1); with 0 never. */
	e->stale = lifetime > 0 ? now + (uint64_t)lifetime * 1000 + 1 : 0;
}

static uint8_t *
append(uint8_t *to, struct span s)
{
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

/* An entry of N octets, header included. */
static struct cache_entry *
entry_make(const struct coap_key *key, const struct cache_item *item, size_t n)
{
	struct cache_entry *e = malloc(n - HEADER);
	uint8_t *to;

	if (e == NULL)
		return NULL;
	*e = (struct cache_entry){
		.code = item->code,
		.flags = item->flags,
		.share = (uint8_t)(item->client % CACHE_SHARES),
		.max_age = item->max_age,
		.refs = 1,
		.nkey = (uint32_t)key->octets.n,
		.nopts = (uint16_t)item->opts.n,
		.nbody = item->body.n,
	};
	to = append(e->octets, key->octets);
	to = append(to, item->opts);
	append(to, item->body);
	find_etag(e);
	return e;
}

static size_t
rounded(size_t n)
{
	size_t power = 64, step;

	while (power <= n / 2)
		power *= 2;
	step = power / STEPS;
	return n + (0 - n) % step;
}

/* The octets that ITEM will take, or 0 when there can never be room for it. */
static size_t
octets_needed(const struct cache *c, const struct coap_key *key,
    const struct cache_item *item)
{
	size_t size = c->conf.size;
	size_t tables = table_octets(&c->keys) + table_octets(&c->uris);
	size_t n = sizeof(struct cache_entry) + HEADER;

	/* No allocator gives more than PTRDIFF_MAX: no sum overflows. */
	if (item->body.n > c->conf.max_entry || item->body.n > size ||
	    item->body.n > PTRDIFF_MAX || item->opts.n > UINT16_MAX ||
	    key->octets.n > UINT32_MAX)
		return 0;
	n = rounded(n + key->octets.n + item->opts.n + item->body.n);
	return tables <= size && n <= size - tables ? n : 0;
}

/* To be called now and then: gives pages that nobody uses to the system. */
static void
trim(struct cache *c)
{
	size_t due = c->conf.size / 4;

	if (c->freed < (due > TRIM_MIN ? due : TRIM_MIN))
		return;
	c->freed = 0;
	malloc_trim(0);
}

static struct cache_entry *
lookup(const struct cache *c, const struct coap_key *key)
{
	struct table_node *n = table_find(&c->keys, key->hash);
	struct cache_entry *e;

	for (; n != NULL; n = table_find_next(n)) {
		e = CONTAINER_OF(n, struct cache_entry, node);
		if (span_eq(cache_key(e), key->octets))
			return e;
	}
	return NULL;
}

struct cache_entry *
cache_find(struct cache *c, const struct coap_key *key)
{
	struct cache_entry *e = lookup(c, key);

	if (e != NULL)
		use(c, e);
	return e;
}

struct cache_entry *
cache_store(struct cache *c, const struct coap_key *key,
    const struct cache_item *item, uint64_t now)
{
	struct cache_entry *e = lookup(c, key);
	size_t need;

	if (e != NULL)
		drop(c, e);
	if (c->conf.size == 0)
		return NULL;
	e = NULL;
	need = octets_needed(c, key, item);
	/* Room first, so that the allocator has something to reuse. */
	if (need > 0 && make_room(c, need, now))
		e = entry_make(key, item, need);
	if (e == NULL) {
		c->stats.refused++;
		return NULL;
	}
	begin(c, e, item->lifetime, now);
	insert(c, e, key, now);
	trim(c);
	c->stats.stored++;
	return e;
}

struct cache_entry *
cache_make(struct cache *c, const struct cache_item *item, uint64_t now)
{
	static const struct coap_key none = { .hash = 0 };
	size_t need = octets_needed(c, &none, item);
	struct cache_entry *e = NULL;

	if (need > 0 && make_room(c, need, now))
		e = entry_make(&none, item, need);
	if (e == NULL) {
		c->stats.refused++;
		return NULL;
	}
	c->octets += entry_octets(e);
	list_init(&e->same_uri);
	list_init(&e->lru);
	list_init(&e->share_lru);
	begin(c, e, item->lifetime, now);
	trim(c);
	return e;
}

/* E with OPTS instead of its own. */
static struct cache_entry *
replace(struct cache *c, struct cache_entry *e, struct span opts,
    uint32_t max_age, uint64_t now)
{
	struct coap_key key = { cache_key(e), e->node.hash, e->uri.hash };
	struct cache_item item = {
		.code = e->code,
		.flags = e->flags,
		.opts = opts,
		.body = cache_body(e),
		.max_age = max_age,
		.client = e->share,
	};

	return cache_store(c, &key, &item, now);
}

struct cache_entry *
cache_refresh(struct cache *c, struct cache_entry *e, const struct coap_msg *m,
    uint64_t now)
{
	uint32_t max_age = fresh_max_age(m);
	struct span opts = cache_opts(e);
	uint8_t buf[OPTS_MAX];
	struct writer w = writer_make(buf, sizeof(buf));

	if (fresh_updates(m)) {
		if (!fresh_put_updated(opts, m, &w)) {
			if (e->linked)
				drop(c, e);
			c->stats.refused++;
			return NULL;
		}
		opts = writer_span(&w);
	}
	c->stats.refreshed++;
	if (!e->linked || !span_eq(opts, cache_opts(e)))
		return replace(c, e, opts, max_age, now);
	e->max_age = max_age;
	begin(c, e, 0, now);
	if (!in_ring(e))
		join_uri(c, e);
	return e;
}

/* ---- keys and tags ---- */

bool
cache_private_key(struct coap_key *out, struct writer *w,
    const struct siphash_key *secret, const struct coap_key *key,
    struct span client)
{
	struct siphash_key under = { secret->k0 ^ key->hash, secret->k1 };
	const uint8_t *start = w->cur;

	assert(client.n <= UINT8_MAX);
	writer_u8(w, PRIVATE);
	writer_u8(w, (uint8_t)client.n);
	writer_span_put(w, client);
	/* What follows has been hashed. */
	out->hash = siphash(&under, span_make(start, (size_t)(w->cur - start)));
	out->uri = key->uri;
	writer_span_put(w, key->octets);
	out->octets = span_make(start, (size_t)(w->cur - start));
	return !w->full;
}

struct span
cache_own_etag(const struct cache *c, struct cache_entry *e)
{
	struct siphash_key under = c->secret;

	if (e->own_etag == 0) {
		under.k0 ^= siphash(&c->secret, cache_opts(e));
		e->own_etag = siphash(&under, cache_body(e)) | 1;
	}
	return span_make(&e->own_etag, sizeof(e->own_etag));
}

/* ---- the whole ---- */

bool
cache_init(struct cache *c, const struct cache_conf *conf, struct rand *rnd)
{
	*c = (struct cache){ .conf = *conf, .secret = rand_key(rnd) };
	c->goal = conf->size;
	list_init(&c->lru);
	for (size_t i = 0; i < CACHE_SHARES; i++)
		list_init(&c->shares[i].lru);
	if (!table_init(&c->keys, 0))
		return false;
	if (table_init(&c->uris, 0))
		return true;
	table_fini(&c->keys);
	return false;
}

static bool
shrunk(const struct cache *c)
{
	return list_empty(&c->lru) ||
	    (c->old == 0 && cache_octets(c) <= c->goal);
}

bool
cache_shrink(struct cache *c, uint64_t now)
{
	size_t used;

	for (unsigned left = BATCH; left > 0 && !shrunk(c); left--) {
		drop(c, victim(c, now));
		c->stats.evicted++;
		c->old -= c->old > 0;
	}
	used = cache_octets(c);
	if (shrunk(c)) {
		c->old = 0;
		c->conf.size = c->goal;
		return false;
	}
	c->conf.size = used > c->goal ? used : c->goal;
	return true;
}

bool
cache_configure(struct cache *c, const struct cache_conf *conf, uint64_t now)
{
	c->conf = *conf;
	c->goal = conf->size;
	return cache_shrink(c, now);
}

void
cache_empty(struct cache *c)
{
	c->old = c->keys.count;
}

void
cache_fini(struct cache *c)
{
	while (!list_empty(&c->lru))
		drop(c, CONTAINER_OF(c->lru.next, struct cache_entry, lru));
	assert(c->octets == 0);
	table_fini(&c->uris);
	table_fini(&c->keys);
}
