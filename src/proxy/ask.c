/*
 * ask: the way up: what a request becomes for the next hop, and who waits.
 *
 *	stage_fetch -> share_ask (answered, or waiting for what others asked)
 *	    -> backoff -> up->send -> WAIT
 */
#include <stdio.h>

#include "base/log.h"
#include "proxy/core.h"
#include "proxy/observation.h"
#include "proxy/observe.h"
#include "proxy/rewrite.h"
#include "proxy/transfer.h"

/* PRX-55, PRX-56: one less than received, or the configured value. 0 when it
 * is used up; -1 when none is sent. */
static int
next_hop_limit(const struct proxy *p, const struct coap_msg *m)
{
	uint32_t v;

	if (coap_get_uint(m, COAP_OPT_HOP_LIMIT, &v))
		return (int)v - 1;
	return p->conf->hop_limit == 0 ? -1 : (int)p->conf->hop_limit;
}

static enum verdict
hop_limit_used_up(struct proxy *p, struct request *r)
{
	static struct log_limit limit;
	struct reply reply = { .code = COAP_508,
		.payload = span_str(p->conf->name) };

	p->stats.hop_limit++;
	log_limited(&limit, p->now, LOG_WARN, NULL,
	    "hop limit used up: is there a loop?");
	return answer(p, r, &reply);
}

static enum verdict
unsafe_option(struct proxy *p, struct request *r)
{
	char text[32];

	snprintf(text, sizeof(text), "unsafe option %u",
	    (unsigned)r->msg.unknown_unsafe);
	return answer_error(p, r, COAP_402, text);
}

static uint8_t
message_type(const struct request *r)
{
	switch (r->route.confirmable) {
	case CONFIRMABLE_ALWAYS:
		return COAP_CON;
	case CONFIRMABLE_NEVER:
		return COAP_NON;
	case CONFIRMABLE_AS_CLIENT:
		break;
	}
	return r->msg.type;
}

/* Of a fetch of the proxy's own. */
static void
deadline_fire(struct timer *t, uint64_t now)
{
	struct fetch *f = CONTAINER_OF(t, struct fetch, deadline);

	f->proxy->up->cancel(f->proxy->up_self, f);
	fetch_failed(f, FETCH_TIMEOUT, now);
}

/* F has had all the time of the one who made it be sent. Who waits goes on with
 * what is left of his own; nobody else joins, or one lost answer would stand in
 * the way for as long as somebody asks. */
static void
close_overdue(struct fetch *f)
{
	observe_forget(f);
	if (f->state == SHARE_OPEN)
		f->state = SHARE_CLOSED;
}

void
request_deadline_fire(struct timer *t, uint64_t now)
{
	struct request *r = CONTAINER_OF(t, struct request, deadline);
	struct fetch *f = r->fetch;
	struct proxy *p = f->proxy;
	bool overdue;

	/* The last one takes the fetch along, unless others are told of it. */
	if (f->waiters.next == &r->link && f->waiters.prev == &r->link &&
	    (f->obs == NULL || !observe_stands(f))) {
		p->up->cancel(p->up_self, f);
		fetch_failed(f, FETCH_TIMEOUT, now);
		return;
	}
	p->now = now;
	count_failure(p, FETCH_TIMEOUT);
	overdue = now >= f->asked + r->route.timeout_ms;
	answer_failure(p, r, FETCH_TIMEOUT);
	if (f->obs != NULL && observe_stands(f))
		observe_left(f);
	else if (overdue)
		close_overdue(f);
}

struct fetch *
fetch_new(struct proxy *p, const struct route *route)
{
	struct fetch *f = pool_get(&p->fetches);

	if (f == NULL)
		return NULL;
	list_init(&f->waiters);
	list_init(&f->link);
	f->ops = NULL;
	f->proxy = p;
	timer_init(&f->deadline, deadline_fire);
	f->route = *route;
	f->server.family = 0;
	f->validated = false;
	f->origin = route_origin(p, route);
	f->tally = NULL;
	conf_use(f->route.conf);
	f->client = 0;
	f->hop_added = f->silent = f->kept = f->relay = false;
	f->registers = f->collects = f->acked = false;
	f->obs = NULL;
	f->watch = NULL;
	f->transfer = NULL;
	f->hop_limit = 0;
	share_init(f);
	f->opts = f->payload = SPAN_LIT("");
	f->up = NULL;
	f->up_port = 0;
	arena_init(&f->arena, ARENA_LIMIT);
	return f;
}

/* A fetch on behalf of R, without its options. */
static struct fetch *
fetch_for(struct proxy *p, const struct request *r)
{
	struct fetch *f = fetch_new(p, &r->route);

	if (f == NULL)
		return NULL;
	f->tally = r->tally;
	f->client = r->in->client_id;
	f->type = message_type(r);
	f->code = r->msg.code;
	f->silent = r->unwanted == COAP_NO_ANY;
	f->payload = r->msg.payload;
	return f;
}

/* Whether R's body does not go up in one request. */
static bool
in_blocks(const struct proxy *p, const struct request *r)
{
	return r->body != NULL &&
	    r->nbody > (size_t)1 << (p->conf->block.szx + 4);
}

enum rewrite_result
fetch_write(struct proxy *p, struct fetch *f, const struct request *r,
    const struct rewrite_etag *etag)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));
	struct rewrite_request rw;
	enum rewrite_result result;
	uint64_t tag;

	rewrite_authority(&rw, &r->route, &r->msg);
	rw.hop_limit = f->hop_limit;
	rw.drop_echo = r->own_echo;
	if (etag != NULL)
		rw.etag = *etag;
	rw.relay = f->relay;
	rw.observe = f->registers;
	rw.etag.only = f->registers;
	rw.assembled = r->has_block1;
	rw.if_none_match = r->if_none_match;
	/* No two transfers of ours are one to the origin (BLK-41, BLK-42). */
	if (in_blocks(p, r)) {
		tag = siphash(&p->tag_key, span_make(&p->tags, 8));
		rw.tag = span_make(&tag, TRANSFER_TAG_LEN);
	}
	result = rewrite_request(&rw, &r->msg, &w);
	f->opts = writer_span(&w);
	return result;
}

/* F is on its way. */
static void
fetch_wait(struct proxy *p, struct fetch *f)
{
	p->stats.fetches++;
	list_add_tail(&p->waiting, &f->link);
}

void
fetch_under_way(struct proxy *p, struct fetch *f, uint64_t deadline)
{
	fetch_wait(p, f);
	timer_start(p->timers, &f->deadline, deadline);
}

enum upstream_send
fetch_send(struct proxy *p, struct fetch *f, enum fetch_fail *why)
{
	f->asked = p->now;
	return p->up->send(p->up_self, f, why, p->now);
}

void
fetch_resend(struct proxy *p, struct fetch *f)
{
	enum fetch_fail why = FETCH_BUSY;
	enum upstream_send s = fetch_send(p, f, &why);

	if (s == UPSTREAM_FAILED) {
		fetch_failed(f, why, p->now);
	} else if (!fetch_keep(f, s == UPSTREAM_WAIT)) {
		p->up->cancel(p->up_self, f);
		fetch_failed(f, FETCH_BUSY, p->now);
	}
}

bool
fetch_start(struct proxy *p, struct fetch *f, uint64_t deadline,
    enum fetch_fail *why)
{
	enum upstream_send s = fetch_send(p, f, why);

	if (s != UPSTREAM_FAILED && fetch_keep(f, s == UPSTREAM_WAIT)) {
		fetch_under_way(p, f, deadline);
		return true;
	}
	if (s != UPSTREAM_FAILED) {
		p->up->cancel(p->up_self, f);
		*why = FETCH_BUSY;
	}
	count_failure(p, *why);
	fetch_free(p, f);
	return false;
}

void
request_wait(struct proxy *p, struct request *r, struct fetch *f)
{
	r->fetch = f;
	list_add_tail(&f->waiters, &r->link);
	/* One that has waited before goes on with the time that is left. */
	if (!timer_running(&r->deadline))
		timer_start(p->timers, &r->deadline,
		    p->now + r->route.timeout_ms);
}

/* F is on its way; R waits for it. */
static enum verdict
wait_for(struct proxy *p, struct request *r, struct fetch *f, bool octets)
{
	if (!fetch_keep(f, octets) ||
	    !request_keep(r, octets || r->observes ? KEEP_ALL : KEEP_TOKEN)) {
		p->up->cancel(p->up_self, f);
		fetch_free(p, f);
		return answer_full(p, r);
	}
	request_wait(p, r, f);
	fetch_wait(p, f);
	return WAIT;
}

static enum verdict
send_fetch(struct proxy *p, struct request *r, struct fetch *f)
{
	enum fetch_fail why = FETCH_BUSY;
	enum upstream_send s = fetch_send(p, f, &why);

	if (s != UPSTREAM_FAILED)
		return wait_for(p, r, f, s == UPSTREAM_WAIT);
	fetch_free(p, f);
	count_failure(p, why);
	return answer_failure(p, r, why);
}

/* MSG-74: whether an answer to F's request, as it is in scratch, is kept from
 * before. Then it is the *REPLY. */
static bool
held_back(struct proxy *p, const struct fetch *f, struct reply *reply)
{
	struct coap_msg m = { .code = f->code, .payload = f->payload };
	struct writer w = writer_make(p->text, sizeof(p->text));

	return coap_parse_opts(&m, f->opts) &&
	    backoff_find(&p->backoff, &m, &f->route.hop, &w, reply, p->now);
}

static enum verdict
ask_origin(struct proxy *p, struct request *r, struct fetch *f)
{
	struct reply reply;

	if (!backoff_any(&p->backoff) || !held_back(p, f, &reply))
		return send_fetch(p, r, f);
	fetch_free(p, f);
	p->stats.held_back++;
	r->hit = true;
	return answer(p, r, &reply);
}

static enum verdict
cannot_write(struct proxy *p, struct request *r, struct fetch *f,
    enum rewrite_result why)
{
	fetch_free(p, f);
	if (why == REWRITE_BAD_PATH)
		return answer_error(p, r, COAP_402, "bad Uri-Path");
	return answer_error(p, r, COAP_413, "options too long");
}

/* Whether R observes. Who may be somebody else does not (ATK-12): it has to
 * prove its address first, or is answered plainly. */
static enum verdict
registers(struct proxy *p, struct request *r)
{
	r->observes = observe_wanted(p, r) && !in_blocks(p, r);
	if (!r->observes)
		return NEXT;
	if (r->stranger && r->challenge)
		return guard_challenge(p, r);
	r->observes = !r->stranger;
	r->crowded = *r->in->note != NOTE_EXEMPT;
	r->observes_from = *r->in->client;
	return NEXT;
}

enum verdict
stage_fetch(struct proxy *p, struct request *r)
{
	int hop_limit = next_hop_limit(p, &r->msg);
	enum rewrite_result result;
	enum verdict v;
	struct fetch *f;

	if (r->msg.unknown_unsafe != 0)
		return unsafe_option(p, r);	/* PRX-32 */
	if (hop_limit == 0)
		return hop_limit_used_up(p, r);
	r->observes = false;
	if (coap_has(&r->msg, COAP_OPT_OBSERVE) && registers(p, r) != NEXT)
		return REPLIED;
	if (r->stranger && !r->ahead && guard_ahead(p, r) != NEXT)
		return REPLIED;
	p->absent = false;
	if (p->made == MADE_BEFORE && share_at_once(p, r) != NEXT)
		return REPLIED;
	f = fetch_for(p, r);
	if (f == NULL)
		return answer_full(p, r);
	f->hop_limit = hop_limit < 0 ? 0 : (uint8_t)hop_limit;
	f->hop_added = hop_limit > 0 &&
	    !coap_has(&r->msg, COAP_OPT_HOP_LIMIT);
	f->registers = r->observes;
	if (p->made == MADE_BEFORE) {
		f->opts = p->result.sent;
	} else {
		result = fetch_write(p, f, r, NULL);
		if (result != REWRITE_OK)
			return cannot_write(p, r, f, result);
	}
	v = share_ask(p, r, f);
	if (v != NEXT)
		return v;
	p->tags++;
	if (in_blocks(p, r) && !transfer_upload(p, f, r)) {
		fetch_free(p, f);
		return answer_full(p, r);
	}
	return ask_origin(p, r, f);
}

void
request_again(struct proxy *p, struct request *r)
{
	list_del(&r->link);
	r->fetch = NULL;
	r->joined = false;
	/* Who wants to observe may try to do so with others once more. */
	r->alone = !r->observes || r->again;
	r->again = true;
	r->observes = false;
	p->made = MADE_NOT;
	stage_fetch(p, r);
}
