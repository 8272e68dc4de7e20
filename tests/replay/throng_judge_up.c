/*
 * throng_judge_up: the proxy as a client of the origin (RFC 7641 3, 5), and
 * what its observers must know.
 */
#include "throng_sim.h"

enum {
	TIMEOUT_MS = 90000,	/* of the route */
	VALUE_MS = 128000,	/* RFC 7641 3.4 */
	DELAY_MS = 15000,	/* behind Max-Age, at most */
	SPAN_MS = 93000,	/* MAX_TRANSMIT_WAIT */
	SLACK_MS = 5000,
};

/* ---- requests ---- */

static bool
same_token(const struct upstream *u, const struct addr *from,
    struct span token)
{
	return u->ntoken > 0 && addr_eq(&u->from, from) &&
	    span_eq(token, span_make(u->token, u->ntoken));
}

static bool
seen_before(struct mids_seen *s, uint16_t mid)
{
	for (unsigned i = 0; i < MIDS_SEEN && i < s->n; i++)
		if (s->mid[i] == mid)
			return true;
	s->mid[s->n++ % MIDS_SEEN] = mid;
	return false;
}

/* Whether the proxy may have waited for MS in vain, perhaps without having
 * asked: an origin that is silent is not sent much. */
static bool
may_be_lost(const struct throng *c, const struct upstream *u, uint64_t ms)
{
	return c->world.now + 10 >= u->base + ms;
}

/* An observer of R that is on the list for certain, or NULL. Who has been told
 * nothing of this registration may be of the one before, and is to be told that
 * it is over. */
static const struct watcher *
observed(const struct throng *c, const struct resource *r)
{
	for (unsigned i = 0; i < c->conf->watchers; i++) {
		const struct watcher *w = &c->watchers[i];

		if (w->resource == r->number && w->entry.listed == IN &&
		    w->entry.value_at >= r->up.since)
			return w;
	}
	return NULL;
}

/* No answer for half of the time there is, or nobody who waits for it. */
static bool
may_try_anew(const struct throng *c, const struct resource *r)
{
	const struct upstream *u = &r->up;

	if (!u->open || u->lost || may_be_lost(c, u, TIMEOUT_MS / 2))
		return true;
	if (u->waits && c->world.now + 10 >= u->began + TIMEOUT_MS / 2)
		return true;
	/* The rest of a large one may have been asked for in vain. */
	return (u->waits || r->large) && observed(c, r) == NULL;
}

/* When the one who waits longest for R has asked. */
static uint64_t
first_asked(const struct throng *c, const struct resource *r)
{
	uint64_t first = c->world.now;

	for (unsigned i = 0; i < c->conf->watchers; i++) {
		const struct watcher *w = &c->watchers[i];

		for (unsigned j = 0; j < PENDING; j++)
			if (w->resource == r->number &&
			    w->entry.pending[j].on &&
			    w->entry.pending[j].at < first)
				first = w->entry.pending[j].at;
	}
	return first;
}

static void
registers(struct throng *c, struct resource *r, const struct packet *p,
    const struct coap_msg *m)
{
	struct upstream *u = &r->up;
	uint64_t now = c->world.now;
	bool same = same_token(u, &p->from, m->token);

	if (seen_before(&u->asks, m->mid))
		return;		/* a copy */
	if (same && u->open) {
		if (!c->conf->restless &&
		    now + 1000 < u->fresh + (uint64_t)c->conf->max_age * 1000)
			throng_wrong(c, FAULT_HASTY, "%u, %llu ms old",
			    r->number, (unsigned long long)(now - u->fresh));
	} else if (!may_try_anew(c, r)) {
		throng_wrong(c, FAULT_TWICE, "%u", r->number);
	}
	if (!u->open || now < u->base)
		u->base = u->open ? now : first_asked(c, r);
	u->began = u->base;
	u->limit = same ? TIMEOUT_MS / 2 : TIMEOUT_MS;
	u->lost = may_be_lost(c, u, u->limit);
	u->open = u->waits = true;
	u->acked = u->crossed = false;
	u->from = p->from;
	if (!same) {
		u->since = now;
		u->nold = u->ntoken;
		memcpy(u->old, u->token, u->ntoken);
	}
	u->ntoken = m->token.n <= sizeof(u->token) ? m->token.n : 0;
	memcpy(u->token, m->token.p, u->ntoken);
	u->mid = m->mid;
	u->asked_at = now;
	u->said = u->said && same;
}

static void
cancels(struct throng *c, struct resource *r, const struct packet *p,
    const struct coap_msg *m)
{
	if (seen_before(&r->up.cancels, m->mid))
		return;		/* a copy */
	/* Both may have waited for the origin to speak again. */
	if (span_eq(m->token, span_make(r->up.old, r->up.nold)))
		return;
	if (!same_token(&r->up, &p->from, m->token))
		throng_wrong(c, FAULT_MIXED, "cancels what is not, %u",
		    r->number);
	/* Who is on the list has to be told that it is over. */
	r->up.cut = c->world.now;
	r->up.open = false;
}

/* OBS-61: the rest of a large one. */
static void
asks_rest(struct throng *c, const struct resource *r, const struct packet *p,
    const struct coap_msg *m)
{
	if (coap_has(m, COAP_OPT_OBSERVE) ||
	    same_token(&r->up, &p->from, m->token))
		throng_wrong(c, FAULT_FORM, "a later block of %u", r->number);
}

void
judge_asks(struct throng *c, const struct packet *p, const struct coap_msg *m)
{
	struct resource *r;
	struct span block;
	uint32_t observe;

	if (coap_code_kind(m->code) != COAP_KIND_REQUEST)
		return;
	r = origin_resource(c, m);
	if (r != NULL && m->code == COAP_PUT)
		r->up.put_at = c->world.now;
	if (r == NULL)
		throng_wrong(c, FAULT_MIXED, "request to the origin");
	else if (coap_get(m, COAP_OPT_BLOCK2, &block) &&
	    coap_block_get(block).num > 0)
		asks_rest(c, r, p, m);
	else if (!coap_get_uint(m, COAP_OPT_OBSERVE, &observe))
		return;
	else if (observe == 0)
		registers(c, r, p, m);
	else
		cancels(c, r, p, m);
}

/* ---- what comes back ---- */

static void
hears(struct throng *c, struct resource *r, const struct coap_msg *m)
{
	struct upstream *u = &r->up;
	bool late = c->world.now > u->value_at + VALUE_MS;
	uint32_t version = 0, value;

	/* Copies. */
	if (m->type == COAP_ACK ? !u->waits || m->mid != u->mid :
				  m->mid == u->told_mid)
		return;
	if (m->type != COAP_ACK)
		u->told_mid = m->mid;
	/* RFC 7641 3.4; or the answer to what has just been asked, unless a
	 * notification has come since. */
	if (coap_get_uint(m, COAP_OPT_OBSERVE, &value)) {
		if ((m->type != COAP_ACK || u->crossed) && u->said && !late &&
		    !value_newer(value, u->value))
			return;
		u->crossed = u->crossed || m->type != COAP_ACK;
		u->said = true;
		u->value = value;
		u->value_at = c->world.now;
	}
	if (m->type == COAP_ACK || u->acked)
		u->waits = false;
	if (may_be_lost(c, u, u->limit))
		u->lost = true;
	u->limit = TIMEOUT_MS / 2;
	if (!u->lost)
		u->base = c->world.now + (uint64_t)c->conf->max_age * 1000;
	if (coap_code_class(m->code) != 2 && !u->lost)
		u->ended = c->world.now;
	if (coap_code_class(m->code) != 2 || !coap_has(m, COAP_OPT_OBSERVE)) {
		u->open = false;
		return;
	}
	version = origin_version(r, m);
	if (version >= u->newest)
		u->fresh = c->world.now;
	if (version > u->newest) {
		u->newest = version;
		u->newest_at = c->world.now;
	}
}

/* Whether M, which has come to TO, is about R, not only for its registration:
 * a later block, for example. */
static bool
is_about(const struct resource *r, const struct addr *to,
    const struct coap_msg *m)
{
	return same_token(&r->up, to, m->token) || origin_version(r, m) > 0;
}

void
judge_hears(struct throng *c, const struct addr *to, struct span octets)
{
	struct coap_msg m;

	if (coap_parse(&m, octets) != COAP_PARSE_OK)
		return;
	for (unsigned i = 0; i < c->conf->resources; i++) {
		struct resource *r = &c->resources[i];

		if (m.code != COAP_EMPTY && is_about(r, to, &m)) {
			r->up.heard_turn = c->world.turns + 1;
			r->up.heard = c->world.now;
		}
		if (!addr_eq(&r->up.from, to))
			continue;
		if (m.code != COAP_EMPTY) {
			if (same_token(&r->up, to, m.token))
				hears(c, r, &m);
		} else if (m.mid == r->up.mid && r->up.waits) {
			r->up.acked = true;
			r->up.open = m.type != COAP_RST && r->up.open;
		}
	}
}

/* ---- what observers must know ---- */

bool
judge_lost(const struct throng *c, const struct resource *r)
{
	return !r->up.open || r->up.waits || r->up.lost ||
	    may_be_lost(c, &r->up, TIMEOUT_MS / 2);
}

/* Whether W has been told nothing since what happened at WHEN. */
static bool
untold(const struct throng *c, const struct watcher *w, uint64_t when)
{
	return when > w->entry.since && when > w->entry.value_at &&
	    c->world.now > when + SLACK_MS;
}

void
judge_blind(struct throng *c, const struct watcher *w)
{
	const struct resource *r = &c->resources[w->resource];
	const struct upstream *u = &r->up;
	uint64_t longest = (uint64_t)c->conf->max_age * 1000 + DELAY_MS +
	    TIMEOUT_MS + SLACK_MS;

	if (untold(c, w, u->ended))
		throng_wrong(c, FAULT_BLIND, "%u has ended, watcher %u",
		    w->resource, w->number);
	if (untold(c, w, u->cut))
		throng_wrong(c, FAULT_CUT, "%u, watcher %u", w->resource,
		    w->number);
	if (c->world.now > u->heard + longest)
		throng_wrong(c, FAULT_BLIND, "%u: %llu ms, watcher %u",
		    w->resource,
		    (unsigned long long)(c->world.now - u->heard), w->number);
}

/* How long a state may be missed by one who is on the list: the proxy finds out
 * by asking again; its NON may be lost twice before a CON is due. */
static uint64_t
longest(const struct throng *c, const struct watcher *w)
{
	uint64_t age = (uint64_t)c->conf->max_age * 1000;

	return 3 * (age + DELAY_MS) + TIMEOUT_MS + 2 * SPAN_MS +
	    (uint64_t)w->at->n * SLACK_MS;
}

void
judge_state(struct throng *c, const struct watcher *w)
{
	const struct resource *r = &c->resources[w->resource];
	uint64_t since, now = c->world.now;

	if (!w->watching || w->mute || w->at->dead ||
	    w->asking != NOTHING || w->version == r->version)
		return;
	/* It may not be called fresh by anybody. */
	if (w->fresh_until > now &&
	    now > judge_fresh_until(c, r, w->version) + 400 + w->slack)
		throng_wrong(c, FAULT_AGE, "watcher %u trusts state %u of %u",
		    w->number, w->version, r->number);
	since = r->past[w->version + 1].changed;
	if (since < w->entry.since)
		since = w->entry.since;
	if (since < r->calm_since)
		since = r->calm_since;
	if (w->entry.listed == IN && now > since + longest(c, w))
		throng_wrong(c, FAULT_STALE, "watcher %u: %u, not %u of %u",
		    w->number, w->version, r->version, r->number);
}

void
judge_last(struct throng *c)
{
	for (unsigned i = 0; i < c->conf->watchers; i++) {
		const struct watcher *w = &c->watchers[i];
		const struct resource *r = &c->resources[w->resource];

		if (w->mute || w->at->dead)
			continue;
		c->result->living++;
		if (w->version == r->version)
			c->result->current++;
		else
			throng_wrong(c, FAULT_STALE,
			    "in the end: watcher %u: %u, not %u of %u",
			    w->number, w->version, r->version, r->number);
	}
}

void
judge_end(struct throng *c)
{
	for (unsigned i = 0; i < c->conf->resources; i++) {
		const struct upstream *u = &c->resources[i].up;

		if (u->open && !u->waits && !u->lost)
			throng_wrong(c, FAULT_LEFT, "registration of %u", i);
	}
}
