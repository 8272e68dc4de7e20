/*
 * answer: the way out of the proxy, for whatever reason.
 *
 * Every request ends in answer() or answer_none(), once.
 */
#include "proxy/core.h"

#include <assert.h>

#include "proxy/links.h"
#include "proxy/local.h"
#include "proxy/observation.h"
#include "proxy/observe.h"

enum {
	ERROR_MAX_AGE = 5,	/* seconds on errors that may pass (PRX-49) */
	TEXT_MAX = 100,		/* diagnostic text (PRX-48) */
};

/* R, which is about to end, has not come as far as to a route. */
static void __attribute__((noinline, cold))
count_none(struct proxy *p, struct request *r)
{
	r->tally = tally_get(&p->tallies, r->in->listener, TALLY_NONE);
	tally_method(r->tally, r->msg.code);
}

/* Where R is counted. */
static inline struct tally *
tally_of(struct proxy *p, struct request *r)
{
	if (r->tally == NULL)
		count_none(p, r);
	return r->tally;
}

static void
request_finish(struct proxy *p, struct request *r)
{
	list_del(&r->link);
	if (r->body != NULL)
		upload_release(&p->uploads, r->body, r->nbody);
	timer_stop(&r->deadline);
	histo_add(&tally_of(p, r)->times, p->now - r->began);
	if (r->stranger)
		guard_finish(p, r);
	arena_reset(&r->arena, ARENA_LIMIT);
	conf_leave(r->route.conf);
	if (!r->spare)
		pool_put(&p->requests, r);
}

/* The answer to a body that came in blocks says which was the last, also when
 * it is an error (BLK-24). */
static struct reply
with_block1(struct proxy *p, const struct request *r,
    const struct reply *reply)
{
	struct writer w = writer_make(p->blocked, sizeof(p->blocked));
	const struct fresh_extra x = {
		.max_age = FRESH_DEFAULT,
		.has = FRESH_HAS_BLOCK1,
		.block1 = coap_block_value(&r->block1),
	};
	struct reply out = *reply;

	if (fresh_put_answer(reply->opts, &x, &w))
		out.opts = writer_span(&w);
	return out;
}

/* 2.31 is no answer yet: the rest of the body waits for it. */
static bool
is_unwanted(const struct request *r, uint8_t code)
{
	return code != COAP_231 && coap_is_unwanted(r->unwanted, code);
}

enum verdict
answer(struct proxy *p, struct request *r, const struct reply *reply)
{
	struct reply blocked;

	/* It could not be told (OBS-10). */
	if (r->observer != NULL && coap_code_class(reply->code) != 2)
		observers_drop(p, r->observer);
	if (r->has_block1) {
		blocked = with_block1(p, r, reply);
		reply = &blocked;
	}
	/* What nobody wants to hear needs no proof of who hears it. */
	if (r->stranger && !is_unwanted(r, reply->code))
		reply = guard_reply(p, r, reply);
	if (r->logs)
		trail_end(p, r, reply);
	if (is_unwanted(r, reply->code)) {
		p->stats.suppressed++;
		r->front->suppress(r, p->now);
	} else {
		tally_code(tally_of(p, r), reply->code);
		r->front->reply(r, reply, p->now);
	}
	request_finish(p, r);
	return REPLIED;
}

static enum verdict
answer_text(struct proxy *p, struct request *r, uint8_t code,
    const char *text, struct span opts)
{
	struct reply reply = { code, opts, span_str(text) };

	assert(reply.payload.n <= TEXT_MAX);
	return answer(p, r, &reply);
}

enum verdict
answer_error_age(struct proxy *p, struct request *r, uint8_t code,
    const char *text, uint32_t max_age)
{
	uint8_t space[8];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);

	coap_put_uint(&o, COAP_OPT_MAX_AGE, max_age);
	return answer_text(p, r, code, text, writer_span(&w));
}

enum verdict
answer_error(struct proxy *p, struct request *r, uint8_t code,
    const char *text)
{
	if (code == COAP_502 || code == COAP_503 || code == COAP_504)
		return answer_error_age(p, r, code, text, ERROR_MAX_AGE);
	return answer_text(p, r, code, text, SPAN_LIT(""));
}

enum verdict
answer_full(struct proxy *p, struct request *r)
{
	p->stats.full++;
	return answer_error(p, r, COAP_503, "proxy is busy");
}

enum verdict
answer_none(struct proxy *p, struct request *r)
{
	if (r->logs)
		trail_end(p, r, NULL);
	r->front->drop(r, p->now);
	request_finish(p, r);
	return REPLIED;
}

struct redirect_query
query_of(const struct request *r)
{
	return (struct redirect_query){
		.msg = &r->msg,
		.host = r->route.uri.host,
		.client = r->in->client,
		.listener = r->in->listener,
	};
}

enum verdict
answer_local(struct proxy *p, struct request *r)
{
	struct redirect_query q = query_of(r);
	const struct proxy_conf *conf = r->route.conf;
	const struct local_list list = {
		.rules = conf->rules,
		.parts = conf->links != NULL ? links_parts(conf->links) : NULL,
		.key = &p->etag_key,
		.now = p->now,
	};
	struct reply reply;

	p->stats.local++;
	local_answer(&reply, &q, &list, p->text);
	return answer(p, r, &reply);
}

enum verdict
answer_own(struct proxy *p, struct request *r)
{
	struct links *links = r->route.conf->links;

	if (links != NULL && local_is_list(&r->msg) && links_wait(links, r))
		return WAIT;
	return answer_local(p, r);
}

static const struct fetch_error {
	uint8_t code;
	const char *text;
} fetch_errors[] = {
	[FETCH_TIMEOUT] = { COAP_504, "no answer in time" },
	[FETCH_RESET] = { COAP_502, "reset by the next hop" },
	[FETCH_UNREACHABLE] = { COAP_502, "next hop unreachable" },
	[FETCH_BAD_RESPONSE] = { COAP_502, "unusable answer" },
	[FETCH_NO_NAME] = { COAP_502, "name does not resolve" },
	[FETCH_NO_RESOLVER] = { COAP_504, "name not resolved in time" },
	[FETCH_BUSY] = { COAP_503, "proxy is busy" },
	[FETCH_TOO_LARGE] = { COAP_413, "too large for the next hop" },
	[FETCH_REFUSED] = { COAP_505, "target not allowed" },
	[FETCH_SELF] = { COAP_505, "target not allowed" },
	[FETCH_NOT_OBSERVED] = { COAP_503, "origin does not notify" },
};

enum verdict
answer_failure(struct proxy *p, struct request *r, enum fetch_fail why)
{
	/* A name that turned out to be us (PRX-04). One that does so when the
	 * request is repeated finds nothing of it kept. */
	if (why == FETCH_SELF && r->in != NULL) {
		r->role = ROLE_OWN;
		return answer_own(p, r);
	}
	return answer_error(p, r, fetch_errors[why].code,
	    fetch_errors[why].text);
}

uint8_t
failure_code(enum fetch_fail why)
{
	return fetch_errors[why].code;
}

const char *
failure_text(enum fetch_fail why)
{
	return fetch_errors[why].text;
}

void
count_failure(struct proxy *p, enum fetch_fail why)
{
	uint64_t *const counters[] = {
		[FETCH_TIMEOUT] = &p->stats.timeouts,
		[FETCH_RESET] = &p->stats.unreachable,
		[FETCH_UNREACHABLE] = &p->stats.unreachable,
		[FETCH_BAD_RESPONSE] = &p->stats.bad_responses,
		[FETCH_NO_NAME] = &p->stats.unreachable,
		[FETCH_NO_RESOLVER] = &p->stats.timeouts,
		[FETCH_BUSY] = &p->stats.full,
		[FETCH_TOO_LARGE] = &p->stats.too_large,
		[FETCH_REFUSED] = &p->stats.refused,
		[FETCH_SELF] = &p->stats.local,
		[FETCH_NOT_OBSERVED] = &p->stats.bad_responses,
	};

	++*counters[why];
}
