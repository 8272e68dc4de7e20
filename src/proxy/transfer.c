/*
 * transfer: requests with blocks, and what comes of them.
 */
#include "proxy/transfer.h"

#include "proxy/core.h"

enum {
	RESTARTS_MAX = 3,	/* BLK-47 */
	SZX_MAX = 6,		/* of first blocks: no size was asked for */
};

/* ---- life ---- */

static struct transfer *
transfer_new(struct proxy *p, struct fetch *f)
{
	struct transfer *t = pool_get(&p->transfers);

	if (t == NULL)
		return NULL;
	*t = (struct transfer){ .sending = false };
	collect_init(&t->down, f->route.conf->block.max_body, SZX_MAX);
	f->transfer = t;
	return t;
}

void
transfer_end(struct proxy *p, struct fetch *f)
{
	struct transfer *t = f->transfer;

	if (t == NULL)
		return;
	f->transfer = NULL;
	if (t->body != NULL)
		upload_release(&p->uploads, t->body, t->nbody);
	p->collected -= t->counted;
	collect_fini(&t->down);
	pool_put(&p->transfers, t);
}

/* ---- the next request ---- */

/* What one request has besides the base. */
struct blocks {
	const struct coap_block *block1, *block2;
	uint32_t size1;		/* 0: none */
	bool first;		/* If-None-Match has its place (BLK-33) */
};

static void
put_blocks(struct coap_optw *out, const struct blocks *x, uint32_t after,
    uint32_t upto)
{
	if (x->block2 != NULL && after < COAP_OPT_BLOCK2 &&
	    COAP_OPT_BLOCK2 <= upto)
		coap_put_uint(out, COAP_OPT_BLOCK2,
		    coap_block_value(x->block2));
	if (x->block1 != NULL && after < COAP_OPT_BLOCK1 &&
	    COAP_OPT_BLOCK1 <= upto)
		coap_put_uint(out, COAP_OPT_BLOCK1,
		    coap_block_value(x->block1));
	if (x->size1 != 0 && after < COAP_OPT_SIZE1 && COAP_OPT_SIZE1 <= upto)
		coap_put_uint(out, COAP_OPT_SIZE1, x->size1);
}

/* Whether an option of the base is for the request with X, too. */
static bool
belongs(const struct blocks *x, uint16_t number)
{
	switch (number) {
	case COAP_OPT_IF_NONE_MATCH:
		return x->first;
	case COAP_OPT_NO_RESPONSE:
		/* About the answer, not about the 2.31 of the others. */
		return x->block1 == NULL || !x->block1->more;
	default:
		return true;
	}
}

static bool
write_request(struct writer *w, struct span base, const struct blocks *x)
{
	struct coap_msg m = { .opts = base };
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;
	uint32_t last = 0;

	coap_opts(&it, &m);
	while (coap_opts_next(&it)) {
		put_blocks(&out, x, last, it.number);
		last = it.number;
		if (belongs(x, it.number))
			coap_put_opt(&out, it.number, it.value);
	}
	put_blocks(&out, x, last, UINT32_MAX);
	return !w->full;
}

/* Sends F's request with X and PAYLOAD. */
static void
send_with(struct proxy *p, struct fetch *f, const struct blocks *x,
    struct span payload)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));

	if (!write_request(&w, f->transfer->base, x)) {
		fetch_failed(f, FETCH_TOO_LARGE, p->now);
		return;
	}
	f->opts = writer_span(&w);
	f->payload = payload;
	fetch_resend(p, f);
}

static void
send_chunk(struct proxy *p, struct fetch *f)
{
	const struct chunk *c = &f->transfer->up;
	struct coap_block b;
	struct blocks x = { .block1 = &b, .first = chunk_first(c) };
	struct span slice;

	chunk_next(c, &b, &slice);
	if (x.first)
		x.size1 = (uint32_t)c->body.n;
	send_with(p, f, &x, slice);
}

static void
ask_block(struct proxy *p, struct fetch *f)
{
	const struct coap_block b = f->transfer->down.ask;	/* BLK-13 */
	struct blocks x = { .block2 = b.num > 0 ? &b : NULL };

	send_with(p, f, &x, f->transfer->payload);
}

void
transfer_relay(struct proxy *p, struct fetch *f,
    const struct coap_block *block2)
{
	struct blocks x = { .block2 = block2 };

	f->relay = true;
	send_with(p, f, &x, f->transfer->payload);
}

/* ---- up ---- */

bool
transfer_upload(struct proxy *p, struct fetch *f, struct request *r)
{
	struct span body = span_make(r->body, r->nbody);
	struct transfer *t = transfer_new(p, f);
	struct writer w = writer_make(p->opts, sizeof(p->opts));
	struct coap_block b;
	struct blocks x = { .block1 = &b, .size1 = (uint32_t)body.n,
		.first = true };

	if (t == NULL || !arena_dup(&f->arena, f->opts, &t->base) ||
	    !chunk_init(&t->up, body, p->conf->block.szx))
		return false;
	t->sending = true;
	t->body = r->body;
	t->nbody = r->nbody;
	r->body = NULL;
	chunk_next(&t->up, &b, &f->payload);
	if (!write_request(&w, t->base, &x))
		return false;
	f->opts = writer_span(&w);
	return true;
}

/* Writes the options of M with a Request-Tag of our own in front of others: no
 * two transfers of ours are one to the origin (BLK-41). */
static bool
put_tagged(struct proxy *p, const struct coap_msg *m, struct writer *w)
{
	uint64_t tag = siphash(&p->tag_key, span_make(&p->tags, 8));
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;
	bool done = false, more;

	p->tags++;
	coap_opts(&it, m);
	do {
		more = coap_opts_next(&it);
		if (!done && (!more || it.number >= COAP_OPT_REQUEST_TAG)) {
			coap_put_opt(&out, COAP_OPT_REQUEST_TAG,
			    span_make(&tag, TRANSFER_TAG_LEN));
			done = true;
		}
		if (more)
			coap_put_opt(&out, it.number, it.value);
	} while (more);
	return !w->full;
}

/* A request sent whole that the origin would rather have in blocks (BLK-22). */
static enum transfer_step
whole_refused(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct span sent)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));
	struct coap_msg request;
	struct transfer *t;
	struct span body;
	struct chunk c;

	if (f->silent || coap_parse(&request, sent) != COAP_PARSE_OK ||
	    request.payload.n == 0)
		return TRANSFER_NONE;
	chunk_init_whole(&c, request.payload, p->conf->block.szx);
	if (chunk_feed(&c, m) != CHUNK_SMALLER)
		return TRANSFER_NONE;
	t = transfer_new(p, f);
	if (t == NULL || !put_tagged(p, &request, &w) ||
	    !arena_dup(&f->arena, writer_span(&w), &t->base) ||
	    !arena_dup(&f->arena, request.payload, &body))
		return TRANSFER_NONE;
	c.body = body;
	t->up = c;
	t->sending = true;
	send_chunk(p, f);
	return TRANSFER_GOES_ON;
}

/* WHOLE may be an answer to the last block only: where what the first one has
 * made is was said with that (BLK-34). */
static enum transfer_step
combine(const struct transfer *t, struct coap_msg *whole)
{
	if (chunk_code(&t->up, whole) == whole->code)
		return TRANSFER_WHOLE;
	whole->code = COAP_201;
	return t->created.n == 0 || coap_parse_opts(whole, t->created) ?
	    TRANSFER_WHOLE : TRANSFER_BAD;
}

/* The body is there: what comes now is the response. */
static enum transfer_step
uploaded(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct coap_msg *whole)
{
	struct transfer *t = f->transfer;

	t->sending = false;
	t->acted = true;
	if (t->body != NULL)
		upload_release(&p->uploads, t->body, t->nbody);
	t->body = NULL;
	*whole = *m;
	return has_more_blocks(m) ? TRANSFER_WHOLE : combine(t, whole);
}

static enum transfer_step
feed_up(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct coap_msg *whole)
{
	struct transfer *t = f->transfer;

	switch (chunk_feed(&t->up, m)) {
	case CHUNK_ASK:
		if (m->code == COAP_201 && t->created.n == 0 &&
		    !arena_dup(&f->arena, m->opts, &t->created))
			return TRANSFER_BAD;
		share_acted(p, f);
		send_chunk(p, f);
		return TRANSFER_GOES_ON;
	case CHUNK_RESTART:
	case CHUNK_SMALLER:
		send_chunk(p, f);
		return TRANSFER_GOES_ON;
	case CHUNK_DONE:
		return uploaded(p, f, m, whole);
	case CHUNK_FINAL:
		/* The client's own transfer was complete (BLK-47). */
		if (m->code == COAP_408)
			return TRANSFER_BAD;
		t->sending = false;
		*whole = *m;
		return TRANSFER_WHOLE;
	case CHUNK_FAILED:
		break;
	}
	return TRANSFER_BAD;
}

/* ---- down ---- */

/* The options of each request for a further block: those of the first but for
 * what belongs to it alone (BLK-14). */
static bool
keep_base(struct fetch *f, struct span sent)
{
	struct transfer *t = f->transfer;
	uint8_t space[OPTS_MAX];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw out = coap_optw(&w);
	struct coap_opt_iter it;
	struct coap_msg m;

	if (coap_parse(&m, sent) != COAP_PARSE_OK)
		return false;
	coap_opts(&it, &m);
	while (coap_opts_next(&it))
		switch (it.number) {
		case COAP_OPT_ETAG:
		case COAP_OPT_OBSERVE:
		case COAP_OPT_IF_NONE_MATCH:
		case COAP_OPT_BLOCK1:
		case COAP_OPT_BLOCK2:
		case COAP_OPT_SIZE1:
		case COAP_OPT_SIZE2:
			break;
		default:
			coap_put_opt(&out, it.number, it.value);
		}
	/* A FETCH is told apart by its payload; what was sent in blocks is not
	 * sent again (RFC 7959 2.7). */
	if (m.code == COAP_FETCH && !coap_has(&m, COAP_OPT_BLOCK1) &&
	    !arena_dup(&f->arena, m.payload, &t->payload))
		return false;
	return !w.full && arena_dup(&f->arena, writer_span(&w), &t->base);
}

/* The response whose body has been collected: its options are those of the
 * first block, its freshness that of the last (CAC-57). */
static enum transfer_step
collected(struct proxy *p, struct fetch *f, const struct coap_msg *last,
    struct coap_msg *whole)
{
	struct transfer *t = f->transfer;
	struct writer w = writer_make(p->whole, sizeof(p->whole));
	struct coap_optw out = coap_optw(&w);
	struct coap_msg first = { .code = t->down.code, .opts = t->first };
	bool age = coap_has(last, COAP_OPT_MAX_AGE), put = !age;
	struct coap_opt_iter it;

	coap_opts(&it, &first);
	for (;;) {
		bool more = coap_opts_next(&it);

		if (!put && (!more || it.number >= COAP_OPT_MAX_AGE)) {
			coap_put_opt(&out, COAP_OPT_MAX_AGE,
			    coap_find(last, COAP_OPT_MAX_AGE));
			put = true;
		}
		if (!more)
			break;
		if (it.number != COAP_OPT_BLOCK2 &&
		    it.number != COAP_OPT_BLOCK1 &&
		    it.number != COAP_OPT_MAX_AGE)
			coap_put_opt(&out, it.number, it.value);
	}
	*whole = (struct coap_msg){ .type = last->type, .code = first.code };
	if (w.full || !coap_parse_opts(whole, writer_span(&w)))
		return TRANSFER_BAD;
	whole->payload = span_make(t->down.body, t->down.len);
	return combine(t, whole);
}

/* What is being collected is bounded in all. */
static bool
count(struct proxy *p, const struct fetch *f, struct transfer *t)
{
	p->collected += t->down.room - t->counted;
	t->counted = t->down.room;
	return p->collected <=
	    COLLECTED_MAX * f->route.conf->block.max_body;
}

static enum transfer_step
start_over(struct proxy *p, struct fetch *f)
{
	struct transfer *t = f->transfer;

	/* Asking for the first block again asks for the whole thing again, and
	 * what went up in blocks is gone. */
	if (!coap_method_safe(f->code) || t->acted ||
	    ++t->restarts > RESTARTS_MAX)
		return TRANSFER_BAD;
	collect_reset(&t->down, SZX_MAX);
	ask_block(p, f);
	return TRANSFER_GOES_ON;
}

static enum transfer_step
feed_down(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct coap_msg *whole)
{
	struct transfer *t = f->transfer;

	if (!t->down.begun && !arena_dup(&f->arena, m->opts, &t->first))
		return TRANSFER_BAD;
	switch (collect_feed(&t->down, m)) {
	case COLLECT_ASK:
		if (!count(p, f, t)) {
			fetch_failed(f, FETCH_BUSY, p->now);
			return TRANSFER_GOES_ON;
		}
		ask_block(p, f);
		return TRANSFER_GOES_ON;
	case COLLECT_DONE:
		return collected(p, f, m, whole);
	case COLLECT_FAILED:
		break;
	}
	if (t->down.why == COLLECT_CHANGED)
		return start_over(p, f);
	return t->down.why == COLLECT_TOO_LARGE ? TRANSFER_TOO_LARGE :
	    TRANSFER_BAD;
}

enum transfer_step
transfer_feed(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct span sent, struct coap_msg *whole)
{
	struct transfer *t = f->transfer;
	enum transfer_step step;

	if (f->relay)
		return TRANSFER_NONE;
	if (t != NULL && t->sending) {
		step = feed_up(p, f, m, whole);
		if (step != TRANSFER_WHOLE || !has_more_blocks(whole))
			return step;
		m = whole;
	}
	if (t == NULL && m->code == COAP_413)
		return whole_refused(p, f, m, sent);
	if (t != NULL && t->receiving)
		return feed_down(p, f, m, whole);
	if (!has_more_blocks(m))
		return TRANSFER_NONE;
	if (t == NULL)
		t = transfer_new(p, f);
	if (t == NULL) {
		fetch_failed(f, FETCH_BUSY, p->now);
		return TRANSFER_GOES_ON;
	}
	if (!keep_base(f, sent))
		return TRANSFER_BAD;
	t->receiving = true;
	return feed_down(p, f, m, whole);
}
