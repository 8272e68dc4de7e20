/*
 * chunk: a body sent in blocks.
 *
 * The place in the body is the state, not the number of the block: a change of
 * size needs no arithmetic then, as sizes only become smaller (BLK-25).
 */
#include "proxy/chunk.h"

#include <assert.h>

static uint32_t
size_of(uint8_t szx)
{
	return coap_block_size(&(struct coap_block){ .szx = szx });
}

/* Whether N octets in blocks of SZX can be numbered. */
static bool
countable(size_t n, uint8_t szx)
{
	return n == 0 || (n - 1) >> (szx + 4) <= COAP_BLOCK_NUM_MAX;
}

bool
chunk_init(struct chunk *c, struct span body, uint8_t szx)
{
	*c = (struct chunk){ .body = body, .szx = szx };
	return countable(body.n, szx);
}

void
chunk_init_whole(struct chunk *c, struct span body, uint8_t szx)
{
	*c = (struct chunk){ .body = body, .szx = szx, .whole = true };
}

void
chunk_next(const struct chunk *c, struct coap_block *block, struct span *slice)
{
	bool there;

	*block = (struct coap_block){ .num = (uint32_t)(c->at >> (c->szx + 4)),
		.szx = c->szx };
	there = coap_block_slice(c->body, block, slice);
	assert(there);
	(void)there;
}

static enum chunk_step
start_again(struct chunk *c, uint8_t szx, enum chunk_step step)
{
	c->szx = szx;
	c->at = 0;
	c->whole = false;
	return step;
}

/* 4.08: the origin has lost what we sent. Not the client's fault (BLK-47). */
static enum chunk_step
incomplete(struct chunk *c)
{
	if (c->whole)
		return CHUNK_FINAL;
	if (c->restarted)
		return CHUNK_FAILED;
	c->restarted = true;
	return start_again(c, c->szx, CHUNK_RESTART);
}

/* 4.13, in which a smaller size is a hint to try that, and to a request without
 * Block1 the code itself one to try with (RFC 7959 2.9.3). */
static enum chunk_step
too_large(struct chunk *c, const struct coap_msg *m,
    const struct coap_block *theirs)
{
	uint8_t szx = c->szx;
	uint32_t max;

	if (coap_get_uint(m, COAP_OPT_SIZE1, &max) && max < c->body.n)
		return CHUNK_FINAL;
	if (theirs != NULL && theirs->szx < szx)
		szx = theirs->szx;
	if (c->body.n <= size_of(szx) || !countable(c->body.n, szx))
		return CHUNK_FINAL;
	if (!c->whole && (c->shrunk || szx == c->szx))
		return CHUNK_FINAL;
	c->shrunk = !c->whole;
	return start_again(c, szx, CHUNK_SMALLER);
}

/* The block OURS is there. */
static enum chunk_step
go_on(struct chunk *c, const struct coap_block *ours, uint8_t szx)
{
	if (!countable(c->body.n, szx))
		return CHUNK_FAILED;
	c->at += coap_block_size(ours);
	c->szx = szx;
	return CHUNK_ASK;
}

/* A success; 2.31 is one. */
static enum chunk_step
accepted(struct chunk *c, const struct coap_msg *m,
    const struct coap_block *theirs)
{
	struct coap_block ours;
	struct span slice;

	if (c->whole)
		return m->code == COAP_231 ? CHUNK_FAILED : CHUNK_DONE;
	chunk_next(c, &ours, &slice);
	if (theirs != NULL &&
	    (theirs->num != ours.num || theirs->szx > ours.szx))
		return CHUNK_FAILED;
	if (!ours.more)
		return m->code == COAP_231 ? CHUNK_FAILED : CHUNK_DONE;
	/* Without Block1 there is no telling what it has made of the block,
	 * and the body is not all there. */
	if (theirs == NULL)
		return CHUNK_FAILED;
	if (m->code == COAP_201)
		c->created = true;
	return go_on(c, &ours, theirs->szx);
}

enum chunk_step
chunk_feed(struct chunk *c, const struct coap_msg *m)
{
	struct coap_block block, *theirs = NULL;
	struct span v;

	if (coap_get(m, COAP_OPT_BLOCK1, &v)) {
		block = coap_block_get(v);
		theirs = &block;
		if (block.szx == COAP_SZX_RESERVED)
			return CHUNK_FAILED;	/* BLK-02 */
	}
	if (coap_code_class(m->code) == 2)
		return accepted(c, m, theirs);
	if (m->code == COAP_408)
		return incomplete(c);
	if (m->code == COAP_413)
		return too_large(c, m, theirs);
	return CHUNK_FINAL;
}

uint8_t
chunk_code(const struct chunk *c, const struct coap_msg *m)
{
	return c->created && m->code == COAP_204 ? COAP_201 : m->code;
}
