/*
 * respond: the way back, from the origin to whoever waits.
 */
#include "base/log.h"
#include "coap/emit.h"
#include "proxy/admit.h"
#include "proxy/classify.h"
#include "proxy/core.h"
#include "proxy/observation.h"
#include "proxy/observe.h"
#include "proxy/rewrite.h"
#include "proxy/transfer.h"

struct request *
fetch_waiter(struct fetch *f)
{
	return list_empty(&f->waiters) ? NULL :
	    CONTAINER_OF(f->waiters.next, struct request, link);
}

void
fetch_free(struct proxy *p, struct fetch *f)
{
	timer_stop(&f->deadline);
	observe_forget(f);
	if (f->watch != NULL)
		p->up->cancel(p->up_self, f);
	share_end(p, f);
	transfer_end(p, f);
	list_del(&f->link);
	arena_reset(&f->arena, 0);
	conf_leave(f->route.conf);
	pool_put(&p->fetches, f);
}

enum fetch_verdict
fetch_check(const struct fetch *f, const struct addr *a)
{
	const struct route *route = &f->route;

	if (addr_is_multicast(a))
		return FETCH_IS_REFUSED;	/* PRX-94 */
	if (route->forward == NULL || route->as_proxy || route->rule != NULL)
		return FETCH_GO;
	if (self_is_addr(f->proxy->self, a))
		return FETCH_IS_SELF;
	return admit_target(route->forward, &route->uri, a,
		   self_is_this_host(f->proxy->self, a)) ?
	    FETCH_GO : FETCH_IS_REFUSED;
}

static void
tell_failure(struct fetch *f, enum fetch_fail why, uint64_t now)
{
	const struct fetch_ops *ops = f->ops;
	void *user = f->user;

	fetch_free(f->proxy, f);
	ops->failed(user, why, now);
}

void
fetch_failed(struct fetch *f, enum fetch_fail why, uint64_t now)
{
	struct proxy *p = f->proxy;
	struct request *r;

	p->now = now;
	if (f->obs != NULL && observe_failed(f, why))
		return;
	/* PRX-82: no answer was asked for, and none has come. */
	if (!f->silent || why != FETCH_TIMEOUT)
		count_failure(p, why);
	if (f->ops != NULL) {
		tell_failure(f, why, now);
		return;
	}
	share_failed(p, f, why);
	while ((r = fetch_waiter(f)) != NULL)
		answer_failure(p, r, why);
	fetch_free(p, f);
}

/* PRX-68: such a location cannot be resolved. */
static bool
location_bad(const struct coap_msg *m)
{
	struct coap_opt_iter it;

	if (!coap_has(m, COAP_OPT_LOCATION_PATH))
		return false;
	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_LOCATION_PATH &&
		    (span_eq(it.value, SPAN_LIT(".")) ||
			span_eq(it.value, SPAN_LIT(".."))))
			return true;
	return false;
}

bool
response_usable(const struct fetch *f, const struct coap_msg *m)
{
	struct span v;

	if (m->unknown_unsafe != 0)
		return false;	/* PRX-36 */
	if (m->code == COAP_231)
		return false;	/* BLK-48 */
	/* Not the block that was asked for. */
	if (!f->relay && coap_get(m, COAP_OPT_BLOCK2, &v) &&
	    f->ops == NULL && coap_block_get(v).num != 0)
		return false;
	return classify_blocks(m) == NULL && !location_bad(m);
}

/* Whether NAME is one of the blank-separated words of LIST. */
static bool
has_word(struct span list, struct span name)
{
	size_t start = 0;

	/* An empty span has no octets to point to. */
	if (list.n == 0)
		return false;
	for (size_t i = 0; i <= list.n; i++) {
		if (i < list.n && list.p[i] != ' ')
			continue;
		if (span_eq(span_make(list.p + start, i - start), name))
			return true;
		start = i + 1;
	}
	return false;
}

/* A 5.08 on its way back names the proxies it passed (RFC 8768 4). False when
 * we have been on that way before: then it must not be passed on (PRX-63). */
static bool
relay_hop_limit(struct proxy *p, struct reply *reply)
{
	static struct log_limit limit;
	struct writer w = writer_make(p->text, sizeof(p->text));
	struct span name = span_str(p->conf->name);

	p->stats.hop_limit++;
	if (has_word(reply->payload, name)) {
		log_limited(&limit, p->now, LOG_WARN, NULL,
		    "request loop through this proxy");
		return false;
	}
	/* Whatever token a client has: no room, so unchanged (PRX-62). */
	if (coap_emit_bound(COAP_TOKEN_MAX, reply->opts.n,
		name.n + 1 + reply->payload.n) > MESSAGE_MAX)
		return true;
	writer_span_put(&w, name);
	if (reply->payload.n > 0)
		writer_u8(&w, ' ');
	writer_span_put(&w, reply->payload);
	reply->payload = writer_span(&w);
	return true;
}

bool
make_reply(struct proxy *p, const struct fetch *f, const struct coap_msg *m,
    struct reply *reply)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));

	if (!response_usable(f, m))
		return false;
	*reply = (struct reply){ m->code, m->opts, m->payload };
	if (rewrite_response_needed(m, &f->route, f->relay)) {
		if (!rewrite_response(m, &f->route, f->relay, &w))
			return false;
		reply->opts = writer_span(&w);
	}
	return m->code != COAP_508 || relay_hop_limit(p, reply);
}

/* 4.02 may be the fault of what P added: F is asked once more without it, and
 * only what comes of that counts (PRX-51). A method that is not idempotent is
 * never repeated (PRX-78), nor is what wants no answer (PRX-82). False when M
 * is the answer after all. */
static bool
repeat_without_addition(struct proxy *p, struct fetch *f, struct span sent)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));
	struct coap_msg m;

	if (!f->hop_added || f->silent || f->transfer != NULL ||
	    !coap_method_idempotent(f->code) ||
	    coap_parse(&m, sent) != COAP_PARSE_OK ||
	    !rewrite_without_hop_limit(&m, &w))
		return false;
	f->hop_added = false;
	f->opts = writer_span(&w);
	f->payload = m.payload;
	fetch_resend(p, f);
	return true;
}

/* MSG-74: M says when F may be asked for again, at the earliest. */
static void
hold_back(struct proxy *p, const struct fetch *f, const struct coap_msg *m,
    struct span sent)
{
	struct coap_msg request;

	if (coap_parse(&request, sent) == COAP_PARSE_OK)
		backoff_note(&p->backoff, &request, &f->route.hop, m, p->now);
}

static bool
tell_response(struct fetch *f, const struct coap_msg *m, uint64_t now)
{
	bool ok;

	/* Of an observation that is being ended. */
	if (f->watch != NULL)
		return true;
	if (!response_usable(f, m)) {
		fetch_failed(f, FETCH_BAD_RESPONSE, now);
		return false;
	}
	ok = f->ops->response(f->user, m, now);
	fetch_free(f->proxy, f);
	return ok;
}

/* Of a fetch that has not ended there is one. */
static struct request *
first_waiter(struct fetch *f)
{
	return CONTAINER_OF(f->waiters.next, struct request, link);
}

/* Takes those who joined F out of it, to OTHERS. */
static void
part(struct fetch *f, struct list *others)
{
	struct list *first = f->waiters.next;

	list_init(others);
	list_del(first);
	list_splice_tail(others, &f->waiters);
	list_add_tail(&f->waiters, first);
}

/* They cannot have what has come. */
static void
ask_again(struct proxy *p, struct list *others)
{
	while (!list_empty(others))
		request_again(p,
		    CONTAINER_OF(others->next, struct request, link));
}

/* Everybody who waits for F gets E, or else REPLY. */
static void
answer_all(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    const struct reply *reply, struct cache_entry *e, struct span sent)
{
	struct request *r;

	if (e != NULL)
		cache_hold(e);
	while ((r = fetch_waiter(f)) != NULL) {
		/* Who made it be sent asked for just this, unless for a block
		 * of it. */
		if (e == NULL)
			serve_reply(p, r, f, m, reply, sent);
		else if (m->code == COAP_203 || r->joined || r->has_block2 ||
		    r->size2 || r->stranger || reply->payload.n > WHOLE_MAX)
			serve_entry(p, r, e);
		else
			answer(p, r, reply);
	}
	if (e != NULL)
		cache_release(&p->cache, e);
	fetch_free(p, f);
}

/* Whoever made F be sent gets E, or else REPLY; the others ask themselves. */
static void
answer_first(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    const struct reply *reply, struct cache_entry *e, struct span sent)
{
	struct request *r = first_waiter(f);
	struct list others;

	part(f, &others);
	/* Whoever it was may have gone; those who joined are others. */
	if (r->joined) {
		list_del(&r->link);
		list_add_head(&others, &r->link);
	} else if (e != NULL) {
		serve_entry(p, r, e);
	} else {
		serve_reply(p, r, f, m, reply, sent);
	}
	fetch_free(p, f);
	ask_again(p, &others);
}

/* F's body is not collected: from now on its blocks are passed on. */
static bool
pass_on(struct proxy *p, struct fetch *f, struct span sent)
{
	struct request *r = first_waiter(f);
	struct list others;

	if (!coap_method_safe(f->code) || f->transfer->acted)
		return false;
	part(f, &others);
	share_too_large(p, f, sent);
	transfer_relay(p, f, r->has_block2 ? &r->block2 : NULL);
	ask_again(p, &others);
	return true;
}

/* M is all that comes. */
static bool
settle(struct proxy *p, struct fetch *f, const struct coap_msg *m,
    struct span sent)
{
	struct cache_entry *e;
	struct reply reply;

	if (!make_reply(p, f, m, &reply))
		return false;
	switch (share_settle(p, f, m, sent, &e)) {
	case SHARE_BAD:
		return false;
	case SHARE_ALL:
		p->stats.relayed++;
		if (m->code == COAP_503 || m->code == COAP_429)
			hold_back(p, f, m, sent);
		answer_all(p, f, m, &reply, e, sent);
		return true;
	case SHARE_FIRST:
		break;
	}
	p->stats.relayed++;
	if (m->code == COAP_503 || m->code == COAP_429)
		hold_back(p, f, m, sent);
	answer_first(p, f, m, &reply, e, sent);
	return true;
}

static void
count_notification(struct fetch *f, const struct coap_msg *m)
{
	f->tally->notifications += f->watch != NULL && m->type != COAP_ACK;
}

bool
fetch_response(struct fetch *f, const struct coap_msg *m, struct span sent,
    uint64_t now)
{
	struct proxy *p = f->proxy;
	struct coap_msg whole;

	p->now = now;
	if (f->ops != NULL && !f->collects)
		return tell_response(f, m, now);
	if (f->obs != NULL && f->obs->state != OBSERVE_ASKING) {
		count_notification(f, m);
		return observe_response(f, m, sent);
	}
	/* Once a first block has come the addition is not to blame. */
	if (m->code == COAP_402 && (f->obs == NULL || f->obs->gather == NULL) &&
	    repeat_without_addition(p, f, sent))
		return true;
	if (f->obs != NULL && observe_takes(f, m)) {
		count_notification(f, m);
		return observe_response(f, m, sent);
	}
	if (m->unknown_unsafe == 0 && classify_blocks(m) == NULL)
		switch (transfer_feed(p, f, m, sent, &whole)) {
		case TRANSFER_GOES_ON:
			return true;
		case TRANSFER_TOO_LARGE:
			p->stats.uncollected++;
			if (f->ops != NULL) {
				fetch_failed(f, FETCH_TOO_LARGE, now);
				return true;
			}
			if (pass_on(p, f, sent))
				return true;
			goto bad;
		case TRANSFER_BAD:
			p->stats.uncollected++;
			goto bad;
		case TRANSFER_WHOLE:
			p->stats.collected += f->transfer->receiving;
			m = &whole;
			break;
		case TRANSFER_NONE:
			break;
		}
	if (f->ops != NULL)
		return tell_response(f, m, now);
	if (settle(p, f, m, sent))
		return true;
bad:
	fetch_failed(f, FETCH_BAD_RESPONSE, now);
	return false;
}
