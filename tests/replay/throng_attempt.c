/*
 * throng_attempt: CON of the proxy's that wait for their ACK.
 */
#include "throng_attempt.h"

#include <assert.h>

enum {
	ATTEMPT_MS = 3000,	/* ACK_TIMEOUT * ACK_RANDOM_FACTOR, at most */
	SLACK_MS = 5,
};

void
attempt_wrong(struct endpoint *e, enum fault fault, const char *fmt, ...)
{
	va_list ap;

	if (e->throng->world.now < e->fog)
		return;
	va_start(ap, fmt);
	throng_vwrong(e->throng, fault, fmt, ap);
	va_end(ap);
}

struct attempt *
attempt_by_mid(struct endpoint *e, uint16_t mid, bool *current)
{
	for (unsigned i = 0; i < e->used; i++) {
		struct attempt *a = &e->attempts[i];

		for (unsigned j = a->sent; a->on && j-- > 0;)
			if (a->mid[j] == mid) {
				*current = mid == a->mid[a->sent - 1];
				return a;
			}
	}
	return NULL;
}

struct attempt *
attempt_of(struct endpoint *e, const struct watcher *w)
{
	for (unsigned i = 0; i < e->used; i++) {
		struct attempt *a = &e->attempts[i];

		if (a->on && !a->answer && a->watcher == w &&
		    a->generation == w->generation)
			return a;
	}
	return NULL;
}

unsigned
attempts_outstanding(const struct endpoint *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < e->used; i++)
		n += e->attempts[i].on;
	return n;
}

void
attempt_over(struct endpoint *e, struct attempt *a, uint64_t when)
{
	a->on = false;
	e->idle_since = when;
}

void
attempt_begin(struct endpoint *e, struct watcher *w, const struct coap_msg *m,
    bool answer)
{
	struct throng *c = e->throng;
	struct attempt *a = NULL;

	if (!answer && attempts_outstanding(e) > 0)
		attempt_wrong(e, FAULT_TWO_CON, "CON, watcher %u", w->number);
	for (unsigned i = 0; i < ATTEMPTS && a == NULL; i++)
		if (!e->attempts[i].on)
			a = &e->attempts[i];
	assert(a != NULL);
	if (e->used <= a - e->attempts)
		e->used++;
	*a = (struct attempt){
		.on = true,
		.answer = answer,
		.observe = coap_has(m, COAP_OPT_OBSERVE),
		.final = coap_code_class(m->code) != 2,
		.watcher = w,
		.generation = w->generation,
		.sent = 1,
		.mid = { m->mid },
		.first = c->world.now,
		.last = c->world.now,
	};
}

void
attempt_again(struct endpoint *e, struct attempt *a, const struct coap_msg *m)
{
	struct throng *c = e->throng;
	uint64_t gap = c->world.now - a->last;
	bool timely = a->sent == 1 ? gap >= 2000 && gap <= 3000 + SLACK_MS :
	    gap + SLACK_MS >= a->interval * 2 &&
	    gap <= a->interval * 2 + SLACK_MS;

	if (a->sent == TRANSMISSIONS) {
		attempt_wrong(e, FAULT_REPETITION, "too often, watcher %u",
		    a->watcher->number);
		return;
	}
	if (!timely)
		attempt_wrong(e, FAULT_REPETITION, "copy %u of watcher %u "
		    "after %llu ms", a->sent, a->watcher->number,
		    (unsigned long long)gap);
	a->interval = gap;
	a->last = c->world.now;
	a->final = coap_code_class(m->code) != 2;
	a->mid[a->sent++] = m->mid;
}

/* The end of an endpoint that does not acknowledge: everything it had on the
 * list is gone, but for what it has asked for since. */
static void
attempt_vain(struct endpoint *e, const struct attempt *a, uint64_t due)
{
	for (unsigned i = 0; i < e->used; i++)
		if (e->attempts[i].on && !e->attempts[i].answer)
			attempt_over(e, &e->attempts[i], due);
	for (unsigned i = 0; i < e->n; i++) {
		struct entry *en = &e->watchers[i].entry;

		if (en->listed == OUT || en->since > due)
			continue;
		if (!e->dead && !e->watchers[i].mute)
			e->throng->result->dropped++;
		en->listed = en->since < a->first ? OUT : MAYBE;
	}
}

/* After the fog anything may be. */
static void
fog_lifts(struct endpoint *e)
{
	if (e->fog == 0 || e->throng->world.now < e->fog)
		return;
	e->fog = 0;
	for (unsigned i = 0; i < e->n; i++)
		e->watchers[i].entry.listed = MAYBE;
}

void
attempts_expire(struct endpoint *e)
{
	uint64_t now = e->throng->world.now;

	fog_lifts(e);
	for (unsigned i = 0; i < e->used; i++) {
		struct attempt *a = &e->attempts[i];
		uint64_t due = a->last +
		    (a->sent == 1 ? ATTEMPT_MS : a->interval * 2);

		/* To the millisecond: what comes then comes too late. */
		if (!a->on ||
		    now < due + (a->sent < TRANSMISSIONS ? SLACK_MS : 0))
			continue;
		attempt_over(e, a, due);
		if (a->sent == TRANSMISSIONS)
			attempt_vain(e, a, due);
		else
			attempt_wrong(e, FAULT_REPETITION,
			    "only %u copies, watcher %u", a->sent,
			    a->watcher->number);
	}
}
