/*
 * throng_judge: what the proxy may send to observers (RFC 7641 4.5).
 */
#include "throng_attempt.h"

enum {
	CONFIRM_MS = 60000,	/* a CON is due */
	NON_MS = 3000,		/* between NON to one endpoint */
	NON_RUN = 4,		/* confirmable-every - 1 */
	PUT_MS = 100000,	/* until one is over, at most */
	MAX_BURST = 100,	/* notifications in one turn of the loop */
	VALUE_MS = 8000000,	/* nearly 2^23 ms: older says nothing */
};

/* ---- what a message says ---- */

uint64_t
judge_fresh_until(const struct throng *c, const struct resource *r,
    uint32_t version)
{
	/* A datagram takes 400 ms at most; Max-Age is in seconds. */
	return r->past[version].said + (uint64_t)c->conf->max_age * 1000 +
	    1400;
}

/* The state that M is about; it is no older than it says. */
static uint32_t
version_said(struct throng *c, struct resource *r, const struct coap_msg *m)
{
	uint32_t version = origin_version(r, m), age = 60;

	(void)coap_get_uint(m, COAP_OPT_MAX_AGE, &age);
	if (version == 0)
		throng_wrong(c, FAULT_BODY, "of %u", r->number);
	else if (age > 0 && c->world.now + (uint64_t)age * 1000 >
	    judge_fresh_until(c, r, version))
		throng_wrong(c, FAULT_AGE, "%u s for state %u of %u", age,
		    version, r->number);
	return version;
}

static void
value_said(struct throng *c, struct watcher *w, const struct coap_msg *m,
    bool copy)
{
	struct entry *en = &w->entry;
	uint32_t value;

	if (!coap_get_uint(m, COAP_OPT_OBSERVE, &value)) {
		attempt_wrong(w->at, FAULT_FORM, "no Observe, watcher %u",
		    w->number);
		return;
	}
	if (en->said && c->world.now - en->value_at < VALUE_MS &&
	    !value_newer(value, en->value) && !(copy && value == en->value))
		attempt_wrong(w->at, FAULT_VALUE, "%u after %u, watcher %u",
		    value, en->value, w->number);
	en->said = true;
	en->value = value;
	en->value_at = c->world.now;
}

/* M says what is now so. */
static void
content_said(struct throng *c, struct watcher *w, const struct coap_msg *m,
    bool copy)
{
	struct resource *r = &c->resources[w->resource];
	uint32_t version = version_said(c, r, m);

	if (m->code != COAP_205 &&
	    !(m->code == COAP_203 && w->entry.etagged))
		throng_wrong(c, FAULT_FORM, "code %02x, watcher %u", m->code,
		    w->number);
	value_said(c, w, m, copy);
	if (!c->conf->restless && version != r->up.newest)
		throng_wrong(c, FAULT_OBSOLETE,
		    "watcher %u: %u instead of %u of %u", w->number, version,
		    r->up.newest, r->number);
	w->entry.told = version;
	w->entry.behind = false;
}

/* ---- answers to registrations ---- */

static struct pending *
pending_by_mid(struct entry *en, uint16_t mid)
{
	for (unsigned i = 0; i < PENDING; i++)
		if (en->pending[i].on && en->pending[i].mid == mid)
			return &en->pending[i];
	return NULL;
}

/* The request, the oldest, that M, a message of its own, answers, or NULL. What
 * goes to one who is on the list is an answer in the turn in which the origin
 * has given it: those who have asked come before those who are told. */
static struct pending *
pending_for(const struct throng *c, struct watcher *w,
    const struct coap_msg *m)
{
	struct entry *en = &w->entry;
	bool observe = coap_has(m, COAP_OPT_OBSERVE);
	bool now = en->listed == OUT || !observe ||
	    c->resources[w->resource].up.heard_turn == c->turn;
	struct pending *found = NULL;

	for (unsigned i = 0; i < PENDING && now; i++) {
		struct pending *p = &en->pending[i];

		if (!p->on || !p->acked || (p->out && observe))
			continue;
		if (found == NULL || (p->out && !found->out) ||
		    (p->out == found->out && p->at < found->at))
			found = p;
	}
	return found;
}

static void
answered(struct throng *c, struct watcher *w, const struct coap_msg *m,
    struct pending *p)
{
	struct entry *en = &w->entry;
	struct attempt *a = attempt_of(w->at, w);
	bool observe = coap_has(m, COAP_OPT_OBSERVE);

	p->on = false;
	if (observe && (p->out || coap_code_class(m->code) != 2))
		throng_wrong(c, FAULT_FORM, "Observe in %02x, watcher %u",
		    m->code, w->number);
	if (m->code == COAP_205 && !observe)
		(void)version_said(c, &c->resources[w->resource], m);
	/* It may have come back meanwhile. */
	if (p->out)
		return;
	if (!observe) {
		/* Who was on the list may be told twice that it is over. */
		en->listed = en->listed == OUT ? OUT : MAYBE;
		return;
	}
	if (a != NULL)
		attempt_over(w->at, a, c->world.now);
	en->listed = IN;
	en->since = c->world.now;
	en->last_con = c->world.now;
	en->nons = 0;
	en->fresh = m->type == COAP_ACK;
	content_said(c, w, m, false);
}

static void
piggybacked(struct throng *c, struct watcher *w, const struct coap_msg *m)
{
	struct pending *p = pending_by_mid(&w->entry, m->mid);

	if (p != NULL)
		answered(c, w, m, p);
	else if (!w->entry.any || (int16_t)(m->mid - w->entry.asked_mid) > 0)
		throng_wrong(c, FAULT_MIXED, "ACK for watcher %u", w->number);
}

/* Whether what W, on the list, gets need not be the answer: that has to be from
 * after a change that has been asked for meanwhile. */
static bool
unsure(const struct throng *c, const struct watcher *w,
    const struct pending *p)
{
	return w->entry.listed != OUT &&
	    c->resources[w->resource].up.put_at + PUT_MS > p->at;
}

static void
separate(struct throng *c, struct endpoint *e, struct watcher *w,
    const struct coap_msg *m, struct pending *p)
{
	if (unsure(c, w, p))
		e->fog = c->world.now + FOG_MS;
	answered(c, w, m, p);
	if (m->type == COAP_CON)
		attempt_begin(e, w, m, true);
}

/* ---- notifications ---- */

/* The dead get one CON, and what they were due without. */
static void
count_dead(struct endpoint *e)
{
	unsigned limit = TRANSMISSIONS;

	if (!e->dead)
		return;
	if (e->confirmed)
		limit += NON_RUN * e->n;
	if (++e->after_death > limit)
		attempt_wrong(e, FAULT_DEAD, "%u messages to %u tokens",
		    e->after_death, e->n);
}

static void
non_sent(struct throng *c, struct endpoint *e, struct watcher *w, uint16_t mid)
{
	struct entry *en = &w->entry;
	uint64_t now = c->world.now;

	c->result->non++;
	if (++en->nons > NON_RUN || en->fresh ||
	    now > en->last_con + CONFIRM_MS)
		attempt_wrong(e, FAULT_UNCONFIRMED,
		    "NON %u, %llu ms after a CON, watcher %u", en->nons,
		    (unsigned long long)(now - en->last_con), w->number);
	if (attempts_outstanding(e) > 0)
		attempt_wrong(e, FAULT_TWO_CON, "NON, watcher %u", w->number);
	if (e->last_non > 0 && now < e->last_non + NON_MS)
		attempt_wrong(e, FAULT_NON_RATE, "after %llu ms, watcher %u",
		    (unsigned long long)(now - e->last_non), w->number);
	e->last_non = now;
	e->told++;
	en->sent[en->nsent % NON_MIDS].mid = mid;
	en->sent[en->nsent++ % NON_MIDS].at = now;
}

static void
con_sent(struct throng *c, struct endpoint *e, struct watcher *w,
    const struct coap_msg *m)
{
	struct attempt *a = attempt_of(e, w);

	c->result->con++;
	w->entry.nons = 0;
	w->entry.fresh = false;
	w->entry.last_con = c->world.now;
	if (a != NULL) {
		attempt_again(e, a, m);
		return;
	}
	attempt_begin(e, w, m, false);
	e->told++;
}

static void
notified(struct throng *c, struct watcher *w, const struct coap_msg *m)
{
	struct endpoint *e = w->at;
	bool last = coap_code_class(m->code) != 2;

	count_dead(e);
	if (++c->in_turn > MAX_BURST)
		throng_wrong(c, FAULT_BURST, "%u", c->in_turn);
	if (c->in_turn > c->result->burst)
		c->result->burst = c->in_turn;
	if (w->entry.listed == OUT)
		attempt_wrong(e, FAULT_UNINVITED, "watcher %u of %u", w->number,
		    w->resource);
	else
		w->entry.listed = IN;
	if (m->type == COAP_NON)
		non_sent(c, e, w, m->mid);
	else
		con_sent(c, e, w, m);
	if (!last) {
		content_said(c, w, m, false);
		return;
	}
	if (coap_has(m, COAP_OPT_OBSERVE) || m->type == COAP_NON)
		throng_wrong(c, FAULT_FORM, "last one, watcher %u", w->number);
	w->entry.listed = OUT;
}

/* A CON once more under the same Message ID. */
static void
repeated(struct throng *c, struct endpoint *e, struct attempt *a,
    const struct coap_msg *m)
{
	struct watcher *w = a->watcher;

	c->result->repeated++;
	attempt_again(e, a, m);
	if (a->answer)
		return;
	count_dead(e);
	w->entry.last_con = c->world.now;
	if (coap_code_class(m->code) == 2)
		content_said(c, w, m, true);
}

/* The answer to a request that has been taken for answered. */
static bool
is_plain(const struct throng *c, const struct watcher *w,
    const struct coap_msg *m)
{
	return coap_code_class(m->code) == 2 && m->type == COAP_CON &&
	    !coap_has(m, COAP_OPT_OBSERVE) &&
	    c->world.now < w->entry.asked_at + PUT_MS;
}

static void
response_sent(struct throng *c, struct endpoint *e, const struct coap_msg *m)
{
	bool current = false, copy;
	struct watcher *w = watcher_by_token(c, m->token, &current);
	struct attempt *a = m->type == COAP_CON ?
	    attempt_by_mid(e, m->mid, &copy) : NULL;
	struct pending *p = NULL;

	if (w != NULL && m->type != COAP_ACK)
		p = pending_for(c, w, m);
	if (w == NULL || w->at != e)
		throng_wrong(c, FAULT_MIXED, "token to a watcher");
	else if (a != NULL && a->watcher == w)
		repeated(c, e, a, m);
	else if (m->type == COAP_ACK)
		piggybacked(c, w, m);
	else if (p != NULL)
		separate(c, e, w, m, p);
	else if (is_plain(c, w, m))
		attempt_begin(e, w, m, true);
	else if (!current)
		attempt_wrong(e, FAULT_UNINVITED, "watcher %u, former token",
		    w->number);
	else
		notified(c, w, m);
}

/* ---- what passes by ---- */

static void
empty_sent(struct endpoint *e, const struct coap_msg *m)
{
	for (unsigned i = 0; i < e->n; i++) {
		struct pending *p =
		    pending_by_mid(&e->watchers[i].entry, m->mid);

		if (p != NULL)
			p->acked = true;
	}
}

static void
asker_sent(struct throng *c, const struct packet *p, const struct coap_msg *m)
{
	struct asker *a = &c->askers[p->to.ip[3]];

	/* Copies of a separate response are what it was (RFC 7252 4.2). */
	if (m->code == COAP_205 && a->code == COAP_GET && !a->told &&
	    span_eq(m->token, span_make(&a->token, sizeof(a->token)))) {
		(void)version_said(c, &c->resources[a->resource], m);
		a->told = true;
	}
}

void
judge_sent(struct throng *c, const struct packet *p)
{
	struct endpoint *e;
	struct coap_msg m;

	if (p->turn != c->turn)
		c->in_turn = 0;
	c->turn = p->turn;
	if (coap_parse(&m, span_make(p->octets, p->n)) != COAP_PARSE_OK) {
		throng_wrong(c, FAULT_MIXED, "malformed");
		return;
	}
	if (p->to.ip[1] == 51) {
		judge_asks(c, p, &m);
		return;
	}
	if (p->to.ip[1] == 19) {
		asker_sent(c, p, &m);
		return;
	}
	e = &c->endpoints[p->to.ip[2] << 8 | p->to.ip[3]];
	attempts_expire(e);
	if (coap_code_kind(m.code) == COAP_KIND_RESPONSE)
		response_sent(c, e, &m);
	else if (m.code == COAP_EMPTY)
		empty_sent(e, &m);
	else
		throng_wrong(c, FAULT_MIXED, "request to a watcher");
}
