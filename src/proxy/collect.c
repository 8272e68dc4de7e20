/*
 * collect: blocks go behind each other, or not at all.
 *
 * A block is known by its offset, not by its number, because the server may
 * turn to smaller blocks at any time (RFC 7959 2.4).
 */
#include "proxy/collect.h"

#include <stdlib.h>

enum { ROOM_MIN = 1024 };

void
collect_init(struct collect *c, size_t max, uint8_t szx)
{
	*c = (struct collect){ .max = max, .ask = { .szx = szx } };
}

void
collect_fini(struct collect *c)
{
	free(c->body);
	c->body = NULL;
	c->len = c->room = 0;
}

void
collect_reset(struct collect *c, uint8_t szx)
{
	c->len = 0;
	c->begun = false;
	c->ask = (struct coap_block){ .szx = szx };
}

static enum collect_step
fail(struct collect *c, enum collect_fail why)
{
	c->why = why;
	return COLLECT_FAILED;
}

/* Remembers what the first response says, and holds the others against it. */
static bool
same_representation(struct collect *c, const struct coap_msg *m)
{
	struct span etag = SPAN_LIT("");
	bool has_etag = coap_get(m, COAP_OPT_ETAG, &etag);
	uint32_t format = 0;
	bool has_format = coap_get_uint(m, COAP_OPT_CONTENT_FORMAT, &format);

	if (c->begun)
		return c->code == m->code && c->has_etag == has_etag &&
		    span_eq(span_make(c->etag, c->etag_len), etag) &&
		    c->has_format == has_format && c->format == format;
	c->begun = true;
	c->code = m->code;
	c->has_format = has_format;
	c->format = format;
	c->has_etag = has_etag;
	/* The registry lets no longer ones through (RFC 7252 5.10). */
	c->etag_len = (uint8_t)(etag.n < COLLECT_ETAG_MAX ? etag.n :
	    COLLECT_ETAG_MAX);
	if (etag.n > 0)
		memcpy(c->etag, etag.p, c->etag_len);
	return true;
}

/* Makes room for N more octets. */
static bool
reserve(struct collect *c, size_t n)
{
	size_t room = c->room > 0 ? c->room : ROOM_MIN;
	uint8_t *body;

	while (room < c->len + n)
		room *= 2;
	if (room > c->max)
		room = c->max;
	if (room <= c->room)
		return true;
	body = realloc(c->body, room);
	if (body == NULL)
		return false;
	c->body = body;
	c->room = room;
	return true;
}

/* A transfer that says at once that it is too large need not begin. */
static bool
announced_too_large(const struct collect *c, const struct coap_msg *m)
{
	uint32_t size;

	return coap_get_uint(m, COAP_OPT_SIZE2, &size) && size > c->max;
}

/* Whether B, of N octets, is a block of the length it should have: all but the
 * last are full. */
static bool
length_fits(const struct coap_block *b, size_t n)
{
	return b->more ? n == coap_block_size(b) : n <= coap_block_size(b);
}

enum collect_step
collect_feed(struct collect *c, const struct coap_msg *m)
{
	struct coap_block b = { .num = 0 };
	bool first = !c->begun;
	bool blockwise = coap_has(m, COAP_OPT_BLOCK2);

	if (!same_representation(c, m))
		return fail(c, COLLECT_CHANGED);
	if (blockwise)
		b = coap_block_get(coap_find(m, COAP_OPT_BLOCK2));
	if (blockwise ? b.szx > c->ask.szx || coap_block_offset(&b) != c->len :
	    !first)
		return fail(c, COLLECT_GAP);
	if (blockwise && !length_fits(&b, m->payload.n))
		return fail(c, COLLECT_SIZE);
	if (announced_too_large(c, m) || m->payload.n > c->max - c->len)
		return fail(c, COLLECT_TOO_LARGE);
	if (!reserve(c, m->payload.n))
		return fail(c, COLLECT_NO_MEMORY);
	if (m->payload.n > 0)
		memcpy(c->body + c->len, m->payload.p, m->payload.n);
	c->len += m->payload.n;
	if (!b.more)
		return COLLECT_DONE;
	if (c->len >> (b.szx + 4) > COAP_BLOCK_NUM_MAX)
		return fail(c, COLLECT_TOO_LARGE);
	c->ask = (struct coap_block){ .szx = b.szx,
		.num = (uint32_t)(c->len >> (b.szx + 4)) };
	return COLLECT_ASK;
}

const char *
collect_fail_str(enum collect_fail why)
{
	static const char *const texts[] = {
		[COLLECT_GAP] = "not the block asked for",
		[COLLECT_SIZE] = "block of a wrong length",
		[COLLECT_CHANGED] = "changed between blocks",
		[COLLECT_TOO_LARGE] = "too large",
		[COLLECT_NO_MEMORY] = "no memory",
	};

	return texts[why];
}
