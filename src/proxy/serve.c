/*
 * serve: answers from the cache.
 */
#include "proxy/core.h"
#include "proxy/observation.h"

enum {
	BLOCK_OPTS = 16,	/* octets of Block2 and an ETag of ours */
};

/* RFC 7252 5.10.6.2. */
static bool
wants_etag(const struct request *r, struct span etag)
{
	const uint8_t *c = r->etags.p, *end = c + r->etags.n;

	while (etag.n > 0 && r->etags.n > 0 && c < end) {
		if (span_eq(span_make(c + 1, *c), etag))
			return true;
		c += 1 + *c;
	}
	return false;
}

bool
request_want(struct request *r)
{
	uint8_t etags[8 * 9];
	struct writer w = writer_make(etags, sizeof(etags));
	struct coap_opt_iter it;
	struct span v;

	r->has_block2 = coap_get(&r->msg, COAP_OPT_BLOCK2, &v);
	if (r->has_block2)
		r->block2 = coap_block_get(v);
	r->size2 = coap_get(&r->msg, COAP_OPT_SIZE2, &v) && coap_uint(v) == 0;
	r->etags = SPAN_LIT("");
	if (!coap_has(&r->msg, COAP_OPT_ETAG))
		return true;
	coap_opts(&it, &r->msg);
	while (coap_opts_next(&it)) {
		if (it.number != COAP_OPT_ETAG || it.def == NULL)
			continue;
		/* Eight are as many as anybody is listened to for. */
		if (writer_len(&w) + 1 + it.value.n > sizeof(etags))
			break;
		writer_u8(&w, (uint8_t)it.value.n);
		writer_span_put(&w, it.value);
	}
	return arena_dup(&r->arena, writer_span(&w), &r->etags);
}

/* Block2 of what R gets of BODY in blocks of at most SZX; false: all of it, for
 * nobody asked and it fits. */
static bool
block_for(const struct request *r, struct span body, uint8_t szx,
    struct coap_block *b, bool *beyond)
{
	uint64_t num;

	*beyond = false;
	*b = (struct coap_block){ .szx = szx };
	if (!r->has_block2)
		return body.n >
		    (szx < r->szx ? coap_block_size(b) : WHOLE_MAX);
	/* Its M means nothing (BLK-05). */
	if (r->block2.szx < szx)
		szx = r->block2.szx;
	num = (uint64_t)r->block2.num << (r->block2.szx - szx);
	*beyond = num > COAP_BLOCK_NUM_MAX;
	*b = (struct coap_block){ .num = (uint32_t)num, .szx = szx };
	return true;
}

/* The block of BODY that R gets behind OPTS octets of options; none when all of
 * it fits one datagram and nobody asked. False when there is no such block. */
static bool
cut(const struct request *r, uint8_t code, struct span body, size_t opts,
    struct fresh_extra *x, struct span *slice)
{
	struct coap_block b;
	bool beyond, some = block_for(r, body, r->szx, &b, &beyond);
	size_t n = some ? coap_block_size(&b) : body.n;
	uint8_t szx = guard_szx(r, opts + (some ? BLOCK_OPTS : 0),
	    n < body.n ? n : body.n);

	if (szx < r->szx)
		some = block_for(r, body, szx, &b, &beyond);
	*slice = body;
	/* Nothing has no blocks, and an error is one whatever block was asked
	 * for. */
	if (!some || (body.n == 0 && b.num == 0) ||
	    (code >= COAP_400 && coap_block_offset(&b) >= body.n))
		return true;
	if (beyond || !coap_block_slice(body, &b, slice))
		return false;
	x->block2 = coap_block_value(&b);
	x->has |= FRESH_HAS_BLOCK2;
	return true;
}

/* Whether the blocks of a body with OPTS get an ETag of ours (BLK-18). */
static bool
needs_etag(uint8_t code, struct span opts)
{
	struct coap_msg m = { .code = code, .opts = opts };
	struct coap_opt_iter it;

	if (coap_code_class(code) != 2)
		return false;
	coap_opts(&it, &m);
	while (coap_opts_next(&it) && it.number <= COAP_OPT_ETAG)
		if (it.number == COAP_OPT_ETAG)
			return false;
	return true;
}

/* R is told what its observation has. */
static void
put_observe(const struct request *r, struct fresh_extra *x)
{
	if (r->observer == NULL)
		return;
	x->observe = r->observer->of->seq & 0xffffff;
	x->has |= FRESH_HAS_OBSERVE;
}

static enum verdict
not_modified(struct proxy *p, struct request *r, struct span etag,
    uint32_t max_age)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));
	struct fresh_extra x = { .max_age = max_age, .etag = etag };
	struct reply reply = { .code = COAP_203 };

	put_observe(r, &x);
	fresh_put_answer(SPAN_LIT(""), &x, &w);
	reply.opts = writer_span(&w);
	return answer(p, r, &reply);
}

static enum verdict
serve_held(struct proxy *p, struct request *r, struct cache_entry *e)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));
	struct fresh_extra x = { .max_age = cache_max_age(e, p->now) };
	struct span etag = cache_etag(e), body = cache_body(e);
	struct reply reply = { .code = e->code };

	if (etag.n == 0 && e->own_etag != 0)
		etag = cache_own_etag(&p->cache, e);
	if (e->code == COAP_205 && wants_etag(r, etag))
		return not_modified(p, r, etag, x.max_age);
	if (!cut(r, e->code, body, cache_opts(e).n, &x, &reply.payload))
		return answer_error(p, r, COAP_400, "no such block");
	if (x.has != 0 && r->observer != NULL)
		r->observer->of->told_blocks |= reply.payload.n < body.n;
	if (x.has != 0 && needs_etag(e->code, cache_opts(e)))
		x.etag = cache_own_etag(&p->cache, e);
	if (r->size2) {
		x.size2 = (uint32_t)body.n;
		x.has |= FRESH_HAS_SIZE2;
	}
	put_observe(r, &x);
	if (!fresh_put_answer(cache_opts(e), &x, &w))
		return answer_failure(p, r, FETCH_BAD_RESPONSE);
	reply.opts = writer_span(&w);
	if (reply.payload.n < body.n)
		share_copy(p, r, e);
	return answer(p, r, &reply);
}

enum verdict
serve_entry(struct proxy *p, struct request *r, struct cache_entry *e)
{
	enum verdict v;

	r->hit = r->fetch == NULL;
	cache_hold(e);
	v = serve_held(p, r, e);
	cache_release(&p->cache, e);
	return v;
}


/* Whether REPLY goes out as it is. */
static bool
fits(const struct request *r, const struct fetch *f, const struct reply *reply)
{
	if (f->relay)
		return true;
	if (r->has_block2)
		return false;
	if (reply->payload.n <= WHOLE_MAX &&
	    guard_szx(r, reply->opts.n, reply->payload.n) == r->szx)
		return true;
	/* The text of an error is nothing to come back for. */
	return coap_code_class(reply->code) != 2 &&
	    coap_emit_size(r->msg.token.n, reply->opts.n,
		reply->payload.n) <= MESSAGE_MAX;
}

enum verdict
serve_reply(struct proxy *p, struct request *r, struct fetch *f,
    const struct coap_msg *m, const struct reply *reply, struct span sent)
{
	struct fresh_extra x = { .max_age = FRESH_DEFAULT };
	struct writer w = writer_make(p->blocked_opts,
	    sizeof(p->blocked_opts));
	struct reply out = *reply;
	struct cache_entry *e;

	if (fits(r, f, reply))
		return answer(p, r, reply);
	if (!cut(r, reply->code, reply->payload, reply->opts.n, &x,
		&out.payload))
		return answer_error(p, r, COAP_400, "no such block");
	/* One block is all of it: there is nothing to come back for. */
	if (out.payload.n < reply->payload.n) {
		e = share_keep(p, f, r, m, sent);
		if (e != NULL && needs_etag(m->code, reply->opts))
			x.etag = cache_own_etag(&p->cache, e);
	}
	if (!fresh_put_answer(reply->opts, &x, &w))
		return answer_failure(p, r, FETCH_BAD_RESPONSE);
	out.opts = writer_span(&w);
	return answer(p, r, &out);
}
