/*
 * respond: the way back, from the origin to whoever waits.
 */
#include "base/log.h"
#include "coap/emit.h"
#include "proxy/admit.h"
#include "proxy/classify.h"
#include "proxy/core.h"
#include "proxy/rewrite.h"

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
	share_end(p, f);
	list_del(&f->link);
	arena_reset(&f->arena, 0);
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

/* Whether M can be processed and passed on at all. */
static bool
response_usable(const struct fetch *f, const struct coap_msg *m)
{
	if (m->unknown_unsafe != 0)
		return false;	/* PRX-36 */
	if (m->code == COAP_231 && !f->block1)
		return false;	/* BLK-48 */
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

/* Makes *REPLY of M for the waiters of F; borrows from M and scratch. */
static bool
make_reply(struct proxy *p, const struct fetch *f, const struct coap_msg *m,
    struct reply *reply)
{
	struct writer w = writer_make(p->opts, sizeof(p->opts));

	if (!response_usable(f, m))
		return false;
	*reply = (struct reply){ m->code, m->opts, m->payload };
	if (rewrite_response_needed(m, &f->route)) {
		if (!rewrite_response(m, &f->route, &w))
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
	enum upstream_send s;
	enum fetch_fail why;

	if (!f->hop_added || f->silent || !coap_method_idempotent(f->code) ||
	    coap_parse(&m, sent) != COAP_PARSE_OK ||
	    !rewrite_without_hop_limit(&m, &w))
		return false;
	f->hop_added = false;
	f->opts = writer_span(&w);
	f->payload = m.payload;
	s = p->up->send(p->up_self, f, &why, p->now);
	if (s == UPSTREAM_FAILED) {
		fetch_failed(f, why, p->now);
	} else if (!fetch_keep(f, s == UPSTREAM_WAIT)) {
		p->up->cancel(p->up_self, f);
		fetch_failed(f, FETCH_BUSY, p->now);
	}
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
	const struct fetch_ops *ops = f->ops;
	void *user = f->user;

	if (!response_usable(f, m)) {
		fetch_failed(f, FETCH_BAD_RESPONSE, now);
		return false;
	}
	fetch_free(f->proxy, f);
	return ops->response(user, m, now);
}

/* The others of F's waiters cannot have the answer either. */
static void
ask_again(struct proxy *p, struct fetch *f)
{
	struct list others;
	struct request *r;

	list_init(&others);
	list_splice_tail(&others, &f->waiters);
	fetch_free(p, f);
	while (!list_empty(&others)) {
		r = CONTAINER_OF(others.next, struct request, link);
		request_again(p, r);
	}
}

/* Everybody who waits for F gets E, or else REPLY. */
static void
answer_all(struct proxy *p, struct fetch *f, const struct reply *reply,
    struct cache_entry *e)
{
	struct request *r;

	if (e != NULL)
		cache_hold(e);
	while ((r = fetch_waiter(f)) != NULL) {
		/* Who made it be sent asked for just this, unless for a block
		 * of it. */
		if (e == NULL || (reply != NULL && !r->joined &&
			!r->has_block2 && !r->size2))
			answer(p, r, reply);
		else
			serve_entry(p, r, e);
	}
	if (e != NULL)
		cache_release(&p->cache, e);
	fetch_free(p, f);
}

bool
fetch_response(struct fetch *f, const struct coap_msg *m, struct span sent,
    uint64_t now)
{
	struct proxy *p = f->proxy;
	enum share_result who;
	struct cache_entry *e;
	struct request *r;
	struct reply reply;

	p->now = now;
	if (f->ops != NULL)
		return tell_response(f, m, now);
	if (m->code == COAP_402 && repeat_without_addition(p, f, sent))
		return true;
	if (!make_reply(p, f, m, &reply))
		goto bad;
	who = share_settle(p, f, m, sent, &e);
	if (who == SHARE_BAD)
		goto bad;
	if (m->code == COAP_429 || m->code == COAP_503)
		hold_back(p, f, m, sent);
	p->stats.relayed++;
	if (who == SHARE_ALL) {
		/* A 2.03 to our own question is not what was asked for. */
		answer_all(p, f, m->code == COAP_203 ? NULL : &reply, e);
		return true;
	}
	r = fetch_waiter(f);
	/* Whose ETag that is has gone, those who joined have others. */
	if (m->code != COAP_203 || !r->joined)
		answer(p, r, &reply);
	ask_again(p, f);
	return true;
bad:
	fetch_failed(f, FETCH_BAD_RESPONSE, now);
	return false;
}
