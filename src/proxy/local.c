/*
 * local: /.well-known/core, and 4.04 for everything else.
 *
 * The list is written anew for each request through a window: only the octets
 * of the block asked for are kept, however long the list is, so its size needs
 * no limit and no memory. All of it goes through a hash on the way, which is
 * its ETag.
 */
#include "proxy/local.h"

#include "base/timer.h"
#include "coap/block.h"
#include "coap/emit.h"
#include "coap/link.h"
#include "proxy/filter.h"

enum {
	CF_LINK_FORMAT = 40,
	SZX_1024 = 6,
	OPTS_MAX = 64,		/* of a reply */
	PATH_OPTS_MAX = 1280,	/* of a path that a request can have */
	LINK_MAX = 4096,	/* one link without attributes */
	DEFAULT_MAX_AGE = 60,	/* RFC 7252 5.10.5 */
	UNKNOWN_MAX_AGE = 5,	/* soon there may be more to see */
	DIGEST_BLOCK = 64,
};

/* A hash of all that was put: each block begins with the hash of those before
 * it. */
struct digest {
	const struct siphash_key *key;
	uint8_t block[DIGEST_BLOCK];
	size_t n;
};

static void
digest_init(struct digest *d, const struct siphash_key *key)
{
	*d = (struct digest){ .key = key, .n = sizeof(uint64_t) };
}

static uint64_t
digest_value(const struct digest *d)
{
	return siphash(d->key, span_make(d->block, d->n));
}

static void
digest_put(struct digest *d, struct span s)
{
	while (s.n > 0) {
		size_t n = sizeof(d->block) - d->n;
		uint64_t v;

		if (n > s.n)
			n = s.n;
		memcpy(d->block + d->n, s.p, n);
		d->n += n;
		s = span_make(s.p + n, s.n - n);
		if (d->n < sizeof(d->block))
			continue;
		v = digest_value(d);
		memcpy(d->block, &v, sizeof(v));
		d->n = sizeof(v);
	}
}

/* The list being written for one request. */
struct listing {
	const struct local_list *list;
	const struct redirect_query *q;
	struct filters filters;
	uint64_t pos, from, to;	/* what falls into [from, to) is kept */
	struct writer *w;
	struct digest digest;
	uint64_t until;		/* what it was made of is fresh so long */
};

static void
put(struct listing *l, struct span s)
{
	uint64_t from = l->from > l->pos ? l->from - l->pos : 0;
	uint64_t to = l->to > l->pos ? l->to - l->pos : 0;

	digest_put(&l->digest, s);
	if (to > s.n)
		to = s.n;
	if (from < to)
		writer_put(l->w, s.p + from, (size_t)(to - from));
	l->pos += s.n;
}

static void
put_links(struct listing *l, struct span links)
{
	if (links.n == 0)
		return;
	if (l->pos > 0)
		put(l, SPAN_LIT(","));
	put(l, links);
}

/* Whether a request for TARGET gets to RULE and not to one before it. What is
 * not ours to serve, a URI, does not get here at all. */
static bool
leads_to(const struct listing *l, const struct rule *rule, struct span target)
{
	uint8_t opts[PATH_OPTS_MAX];
	struct writer w = writer_make(opts, sizeof(opts));
	struct coap_optw o = coap_optw(&w);
	struct coap_msg m = { .code = COAP_GET };
	struct coap_uri u = { .path = target };
	struct redirect_query q = *l->q;

	if (target.n == 0 || target.p[0] != '/')
		return true;
	for (u.path.n = 0; u.path.n < target.n; u.path.n++)
		if (target.p[u.path.n] == '?' || target.p[u.path.n] == '#')
			break;
	if (!coap_uri_put_path(&u, &o) || w.full ||
	    !coap_parse_opts(&m, writer_span(&w)))
		return false;
	q.msg = &m;
	return redirect_offers(l->list->rules, rule, &q);
}

/* Puts those of LINKS, all of RULE, that are to be seen. */
static void
put_some(struct listing *l, const struct rule *rule, struct span links,
    bool contested)
{
	struct coap_link_iter it;

	coap_links(&it, links);
	while (coap_links_next(&it))
		if (filters_take(&l->filters, &it) &&
		    (!contested || leads_to(l, rule, it.target)))
			put_links(l, it.text);
}

static void
put_path(struct listing *l, const struct rule *rule, const struct path *path)
{
	uint8_t text[LINK_MAX];
	struct writer w = writer_make(text, sizeof(text));
	struct coap_linkw link = coap_linkw(&w);

	coap_link_begin(&link);
	for (size_t i = 0; i < path->n; i++)
		coap_link_segment(&link, path->seg[i]);
	if (path->n == 0)
		writer_u8(&w, '/');
	coap_link_attrs(&link);
	/* No request has room for one that is longer. */
	if (!w.full)
		put_some(l, rule, writer_span(&w), true);
}

static void
fresh_until(struct listing *l, uint64_t until)
{
	if (until < l->until)
		l->until = until;
}

static void
put_rule(struct listing *l, const struct rule *rule,
    const struct local_part *part)
{
	if (part != NULL && part->what == LOCAL_LINKS) {
		fresh_until(l, part->until);
		if (part->contested || l->filters.n > 0)
			put_some(l, rule, part->links, part->contested);
		else
			put_links(l, part->links);
		return;
	}
	if (part != NULL && part->what == LOCAL_UNKNOWN)
		fresh_until(l, l->list->now + UNKNOWN_MAX_AGE * 1000);
	for (size_t i = 0; i < rule->npath; i++)
		put_path(l, rule, &rule->path[i]);
}

bool
local_offers(const struct rule *rule, const struct redirect_query *q)
{
	struct rule any_path = *rule;

	any_path.npath = 0;
	any_path.methods = 0;
	return rule->action == RULE_FORWARD && rule->npath > 0 &&
	    redirect_why_not(&any_path, q) == NULL &&
	    netlist_allows(&rule->allow_from, &rule->deny_from, q->client);
}

static void
put_all(struct listing *l)
{
	const struct rules *rules = l->list->rules;

	for (size_t i = 0; i < rules->n; i++)
		if (local_offers(&rules->v[i], l->q))
			put_rule(l, &rules->v[i], l->list->parts != NULL ?
			    &l->list->parts[i] : NULL);
}

static uint32_t
max_age(const struct listing *l)
{
	uint64_t left = l->until > l->list->now ? l->until - l->list->now : 0;

	return left / 1000 < DEFAULT_MAX_AGE ? (uint32_t)(left / 1000) :
	    DEFAULT_MAX_AGE;
}

/* Whether the client has this list already (RFC 7252 5.10.6.2). */
static bool
is_valid(const struct coap_msg *m, struct span etag)
{
	struct coap_opt_iter it;

	if (!coap_has(m, COAP_OPT_ETAG))
		return false;
	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_ETAG && span_eq(it.value, etag))
			return true;
	return false;
}

/* The listing is complete: the answer around what it has kept. */
static void
answer_listing(struct reply *reply, const struct listing *l,
    struct coap_block *block, struct writer *opts)
{
	uint64_t hash = digest_value(&l->digest);
	struct span etag = span_make(&hash, sizeof(hash));
	struct coap_optw o = coap_optw(opts);
	bool valid = is_valid(l->q->msg, etag);

	if (!valid && l->from > 0 && l->from >= l->pos) {
		reply->code = COAP_400;		/* BLK-16 */
		return;
	}
	coap_put_opt(&o, COAP_OPT_ETAG, etag);
	if (!valid)
		coap_put_uint(&o, COAP_OPT_CONTENT_FORMAT, CF_LINK_FORMAT);
	if (max_age(l) < DEFAULT_MAX_AGE)
		coap_put_uint(&o, COAP_OPT_MAX_AGE, max_age(l));
	block->more = l->pos > l->to;
	if (!valid && (block->more || coap_has(l->q->msg, COAP_OPT_BLOCK2)))
		coap_put_uint(&o, COAP_OPT_BLOCK2, coap_block_value(block));
	*reply = (struct reply){ valid ? COAP_203 : COAP_205,
		writer_span(opts), valid ? SPAN_LIT("") : writer_span(l->w) };
}

static void
answer_core(struct reply *reply, const struct redirect_query *q,
    const struct local_list *list, uint8_t *scratch)
{
	struct writer opts = writer_make(scratch, OPTS_MAX);
	struct writer body = writer_make(scratch + OPTS_MAX, 1024);
	struct coap_block b = { .szx = SZX_1024 };
	struct listing l = { .list = list, .q = q, .w = &body,
		.until = TIMER_NEVER };
	struct span v;

	if (coap_get(q->msg, COAP_OPT_BLOCK2, &v))
		b = coap_block_get(v);
	if (!filters_read(&l.filters, q->msg)) {
		*reply = (struct reply){ .code = COAP_400,
			.payload = SPAN_LIT("too many filters") };
		return;
	}
	l.from = coap_block_offset(&b);
	l.to = l.from + coap_block_size(&b);
	digest_init(&l.digest, list->key);
	put_all(&l);
	answer_listing(reply, &l, &b, &opts);
}

static bool
is_core(const struct coap_msg *m)
{
	static const char *const want[] = { ".well-known", "core" };
	struct coap_opt_iter it;
	size_t n = 0;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		if (it.number != COAP_OPT_URI_PATH)
			continue;
		if (n == 2 || !span_eq(it.value, span_str(want[n])))
			return false;
		n++;
	}
	return n == 2;
}

bool
local_refuses(const struct coap_msg *m)
{
	return m->unknown_critical != 0 || coap_has(m, COAP_OPT_IF_MATCH) ||
	    coap_has(m, COAP_OPT_IF_NONE_MATCH) ||
	    coap_has(m, COAP_OPT_OSCORE) || coap_has(m, COAP_OPT_EDHOC);
}

/* RFC 7252 5.10.4. */
static bool
acceptable(const struct coap_msg *m)
{
	uint32_t format;

	return !coap_get_uint(m, COAP_OPT_ACCEPT, &format) ||
	    format == CF_LINK_FORMAT;
}

/* The code that M gets; 2.05 for the list. */
static uint8_t
code_for(const struct coap_msg *m)
{
	if (local_refuses(m))
		return COAP_402;
	if (!is_core(m))
		return COAP_404;
	if (m->code != COAP_GET)
		return COAP_405;
	return acceptable(m) ? COAP_205 : COAP_406;
}

bool
local_is_list(const struct coap_msg *m)
{
	return code_for(m) == COAP_205;
}

void
local_answer(struct reply *reply, const struct redirect_query *q,
    const struct local_list *list, uint8_t scratch[LOCAL_REPLY_MAX])
{
	*reply = (struct reply){ .code = code_for(q->msg) };
	if (reply->code == COAP_205)
		answer_core(reply, q, list, scratch);
}
