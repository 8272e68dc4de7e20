/*
 * throng_come: what comes to the proxy from observers, and what should have
 * become of it.
 */
#include "throng_attempt.h"

/* ---- requests ---- */

bool
judge_pending(const struct watcher *w)
{
	for (unsigned i = 0; i < PENDING; i++)
		if (w->entry.pending[i].on)
			return true;
	return false;
}

static void
pending_add(struct entry *en, uint16_t mid, bool out, uint64_t now)
{
	struct pending *p = &en->pending[0];

	for (unsigned i = 1; i < PENDING && p->on; i++)
		if (!en->pending[i].on || en->pending[i].at < p->at)
			p = &en->pending[i];
	*p = (struct pending){ true, out, false, mid, now };
}

static void
request_comes(struct throng *c, const struct coap_msg *m)
{
	bool current;
	struct watcher *w = watcher_by_token(c, m->token, &current);
	struct entry *en = &w->entry;
	const struct resource *r = &c->resources[w->resource];
	struct attempt *a = attempt_of(w->at, w);
	uint32_t observe = 0;

	if (!current || (en->any && (int16_t)(m->mid - en->asked_mid) <= 0))
		return;
	(void)coap_get_uint(m, COAP_OPT_OBSERVE, &observe);
	if (en->generation != w->generation)
		en->said = false;
	en->generation = w->generation;
	en->etagged = coap_has(m, COAP_OPT_ETAG) ||
	    (en->etagged && judge_pending(w));
	en->any = true;
	en->asked_mid = m->mid;
	en->asked_at = c->world.now;
	pending_add(en, m->mid, observe == 1, c->world.now);
	/* Who comes back need not be told that it was over, or is. */
	if (a != NULL && (observe == 1 || a->final))
		attempt_over(w->at, a, c->world.now);
	else if (a != NULL && judge_lost(c, r))
		w->at->fog = c->world.now + FOG_MS;
	if (observe == 1)
		en->listed = OUT;
}

/* W's entry is gone, or may be, and with it what it was being told. */
static void
end_entry(struct endpoint *e, struct watcher *w, enum listed listed)
{
	struct attempt *a = attempt_of(e, w);

	w->entry.listed = listed;
	if (a != NULL && listed == OUT)
		attempt_over(e, a, e->throng->world.now);
}

/* The entry that was told something in the NON with MID. */
static void
reset_non(struct endpoint *e, uint16_t mid)
{
	uint64_t now = e->throng->world.now;
	bool found = false;

	for (unsigned i = 0; i < e->n; i++) {
		struct entry *en = &e->watchers[i].entry;

		for (unsigned j = 0; j < NON_MIDS && j < en->nsent; j++) {
			if (en->sent[j].mid != mid ||
			    now - en->sent[j].at >= NON_LIFETIME_MS)
				continue;
			found = true;
			end_entry(e, &e->watchers[i],
			    en->since > en->sent[j].at ? MAYBE : OUT);
		}
	}
	/* Perhaps a copy of a CON that has been acknowledged. */
	for (unsigned i = 0; i < e->n && !found; i++)
		if (e->watchers[i].entry.listed == IN)
			e->watchers[i].entry.listed = MAYBE;
}

void
judge_comes(struct throng *c, struct endpoint *e, struct span octets)
{
	struct attempt *a;
	struct coap_msg m;
	bool current;

	attempts_expire(e);
	if (coap_parse(&m, octets) != COAP_PARSE_OK)
		return;
	if (coap_code_kind(m.code) == COAP_KIND_REQUEST) {
		request_comes(c, &m);
		return;
	}
	a = attempt_by_mid(e, m.mid, &current);
	if (m.type == COAP_RST) {
		if (a == NULL) {
			reset_non(e, m.mid);
			return;
		}
		if (a->generation == a->watcher->generation && a->observe)
			end_entry(e, a->watcher, OUT);
		attempt_over(e, a, c->world.now);
	} else if (a != NULL && current) {
		e->confirmed = e->confirmed || !a->answer;
		a->watcher->entry.last_con = c->world.now;
		attempt_over(e, a, c->world.now);
	}
}

/* ---- at intervals ---- */

static void
sweep_entry(struct throng *c, struct watcher *w)
{
	enum { LATE_MS = 3000, ANSWER_MS = 100000 };
	const struct upstream *up = &c->resources[w->resource].up;
	struct entry *en = &w->entry;
	uint64_t since = en->since, now = c->world.now;
	bool idle = attempts_outstanding(w->at) == 0;

	for (unsigned i = 0; i < PENDING; i++) {
		struct pending *p = &en->pending[i];

		if (!p->on || now <= p->at + ANSWER_MS)
			continue;
		throng_wrong(c, FAULT_UNANSWERED, "watcher %u, mid %04x",
		    w->number, p->mid);
		p->on = false;
	}
	if (en->listed != IN || judge_pending(w))
		return;
	if (since < w->at->idle_since)
		since = w->at->idle_since;
	if (idle && now > since + LATE_MS)
		judge_blind(c, w);
	if (since < up->newest_at)
		since = up->newest_at;
	if (c->conf->restless || en->told >= up->newest)
		return;
	if (idle && now > since + LATE_MS)
		attempt_wrong(w->at, FAULT_LATE, "watcher %u of %u: %u, not %u",
		    w->number, w->resource, en->told, up->newest);
	if (!en->behind) {
		en->behind = true;
		en->behind_at = w->at->told;
	} else if (w->at->told - en->behind_at > 2 * w->at->n) {
		attempt_wrong(w->at, FAULT_LATE,
		    "watcher %u waits for its turn", w->number);
	}
}

void
judge_expire(struct throng *c)
{
	for (unsigned i = 0; i < c->nendpoints; i++)
		attempts_expire(&c->endpoints[i]);
}

void
judge_sweep(struct throng *c)
{
	judge_expire(c);
	for (unsigned i = 0; i < c->conf->watchers; i++) {
		sweep_entry(c, &c->watchers[i]);
		judge_state(c, &c->watchers[i]);
	}
}
