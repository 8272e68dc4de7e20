/*
 * notify: when an observer is told, and in what.
 *
 * The CON that is outstanding to an endpoint is a struct sent without a
 * datagram: it keeps the schedule, and what is repeated is written anew. It is
 * in no table, either: an ACK or a RST is matched by its peer's notes (note.c).
 */
#include "msg/notify.h"

#include "msg/core.h"

enum {
	NON_APART_MS = 3000,	/* RFC 7641 4.5.1 */
	CON_WITHIN_S = 60,	/* a NON no longer than that after a CON */
	RETRY_MS = 1000,	/* without Message ID or buffer */
	TELL_MAX = 30,		/* told in half a turn of the loop: each may be
				 * answered by an ACK, and what else is to be
				 * read waits behind those */
};

static uint32_t
seconds(uint64_t ms)
{
	return (uint32_t)(ms / 1000);
}

static void
end_note(struct dgram *d, struct note *n, enum note_end why, uint64_t now)
{
	if (why == NOTE_REJECTED)
		d->stats.observers_reset++;
	if (why == NOTE_SILENT)
		d->stats.observers_silent++;
	dgram_note_unlink(n);
	d->ops->gone(d->user, n, why, now);
}

/* The endpoint does not answer: all its notes end. Those that the upcalls add
 * are of a new life. */
static void
end_all(struct dgram *d, struct notes *ns, uint64_t now)
{
	if (ns->telling != NULL)
		dgram_notes_con_end(ns);
	timer_stop(&ns->con.timer);
	ns->con.peer->notes = NULL;
	ns->count++;
	while (!list_empty(&ns->turns))
		end_note(d, note_at(ns->turns.next), NOTE_SILENT, now);
	dgram_notes_put(ns);
}

/* ---- sending ---- */

static bool
busy(const struct notes *ns)
{
	return ns->telling != NULL || ns->con.peer->separate > 0;
}

/* What N is to be told. What fits no datagram of ours cannot be passed on, and
 * an end that has been told stays one. */
static void
fetch(struct dgram *d, struct note *n, struct dgram_notice *out, uint64_t now)
{
	const struct notes *ns = n->of;
	bool ended = ns->telling == n && ns->last;

	*out = (struct dgram_notice){ 0 };
	d->ops->notice(d->user, n, out, now);
	if ((out->last || !ended) &&
	    coap_emit_bound(n->token_n, out->opts.n, out->payload.n) <=
		BUF_LARGE)
		return;
	out->code = COAP_502;
	out->opts = out->payload = SPAN_LIT("");
	out->last = true;
}

/* False: without a buffer it is as good as lost on the way. */
static bool
transmit(struct dgram *d, const struct note *n, uint8_t type, uint16_t mid,
    const struct dgram_notice *out)
{
	struct coap_head h = {
		.type = type,
		.code = out->code,
		.mid = mid,
		.token = dgram_note_token(n),
	};
	struct buf *b = dgram_build(d, &h, out->opts, out->payload);

	if (b == NULL)
		return false;
	dgram_transmit(d, n->of->con.peer, b);
	buf_unref(b);
	return true;
}

/* Whether a RST for what was sent at second AT may still come. */
static bool
remembered(const struct dgram *d, uint32_t at, uint64_t now)
{
	return seconds(now) - at <= seconds(d->params->non_lifetime + 999);
}

/* Makes room among N's NONs. */
static void
expire(const struct dgram *d, struct note *n, uint64_t now)
{
	uint8_t old = 0;

	while (old < n->nmids && !remembered(d, n->non_at[old], now))
		old++;
	n->nmids = (uint8_t)(n->nmids - old);
	memmove(n->non_at, n->non_at + old, n->nmids * sizeof(n->non_at[0]));
	memmove(n->non_mid, n->non_mid + old,
	    n->nmids * sizeof(n->non_mid[0]));
}

/* Whether N's next notification has to be a CON: nobody proves by a NON that
 * it still wants them (OBS-21), and whatever cannot be a NON now need not wait
 * until it can. */
static bool
confirm(const struct dgram *d, struct note *n, uint64_t now)
{
	const struct peer *p = n->of->con.peer;

	expire(d, n, now);
	return n->con_at == 0 ||
	    n->nons + UINT32_C(1) >= d->params->confirmable_every ||
	    seconds(now) - n->con_at >= CON_WITHIN_S ||
	    n->nmids == NOTE_MIDS ||
	    (p->non_at != 0 && (uint32_t)now - p->non_at < NON_APART_MS);
}

static void
tell_con(struct dgram *d, struct note *n, uint16_t mid, bool last, uint64_t now)
{
	struct notes *ns = n->of;

	d->stats.notifications_con++;
	d->note_cons++;
	ns->telling = n;
	ns->last = last;
	n->con_at = seconds(now);
	n->nons = 0;
	sent_first(&ns->con, ns->con.peer, mid, now);
	ns->con.timing = d->timings.now;
	ns->con.timeout = sent_first_timeout(d->params, d->rnd);
	timer_start(d->timers, &ns->con.timer, now + ns->con.timeout);
}

static void
note_non(struct peer *p, uint64_t now)
{
	p->non_at = (uint32_t)now != 0 ? (uint32_t)now : UINT32_MAX;
}

static void
remember_non(struct note *n, uint16_t mid, uint64_t now)
{
	n->non_at[n->nmids] = seconds(now);
	n->non_mid[n->nmids++] = mid;
}

static void
tell_non(struct note *n, uint16_t mid, uint64_t now)
{
	note_non(n->of->con.peer, now);
	n->nons++;
	remember_non(n, mid, now);
}

/* Sends N the newest; the way is free. False when it has to wait, since what
 * has been fetched counts as told. N may be gone afterwards. */
static bool
tell(struct dgram *d, struct note *n, uint64_t now)
{
	struct notes *ns = n->of;
	struct dgram_notice out;
	uint16_t mid;
	bool con, sent;

	if (buf_pool_low(d->bufs) ||
	    !dgram_next_mid(d, ns->con.peer, &mid, now)) {
		d->stats.notifications_late++;
		if (!timer_running(&ns->con.timer))
			timer_start(d->timers, &ns->con.timer, now + RETRY_MS);
		return false;
	}
	list_del(&n->link);
	list_add_tail(&ns->turns, &n->link);
	fetch(d, n, &out, now);
	d->stats.notifications++;
	con = !out.once && (out.last || confirm(d, n, now));
	sent = transmit(d, n, con ? COAP_CON : COAP_NON, mid, &out);
	if (out.once) {
		note_non(ns->con.peer, now);
		end_note(d, n, NOTE_OVER, now);
	} else if (con || !sent) {
		/* A CON, even one that is lost, comes again. */
		tell_con(d, n, mid, out.last, now);
	} else {
		tell_non(n, mid, now);
	}
	return true;
}

static struct note *
next_behind(struct dgram *d, struct notes *ns)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE(it, tmp, &ns->turns)
		if (d->ops->behind(d->user, note_at(it)))
			return note_at(it);
	return NULL;
}

/* Whether NS may be told something now; if not it will be when it is its turn.
 * Whoever acknowledges at once would otherwise keep us busy with nothing
 * else. */
static bool
may_tell(struct dgram *d, struct notes *ns, uint64_t now)
{
	if (!timer_running(&d->tell))
		timer_start(d->timers, &d->tell, now);
	if (d->told < TELL_MAX) {
		d->told++;
		return true;
	}
	if (list_empty(&ns->due))
		list_add_tail(&d->due, &ns->due);
	return false;
}

void
dgram_notes_wake(struct dgram *d, struct peer *p, uint64_t now)
{
	struct note *n;

	peer_ref(p);
	/* After a NON the next is a CON, and that is the end of it. */
	while (p->notes != NULL && !busy(p->notes)) {
		n = next_behind(d, p->notes);
		if (n == NULL || !may_tell(d, p->notes, now) ||
		    !tell(d, n, now))
			break;
	}
	peer_unref(p);
}

void
dgram_notes_tell_fire(struct timer *t, uint64_t now)
{
	struct dgram *d = CONTAINER_OF(t, struct dgram, tell);

	d->told = 0;
	while (d->told < TELL_MAX && !list_empty(&d->due)) {
		struct notes *ns = CONTAINER_OF(d->due.next, struct notes,
		    due);

		list_del(&ns->due);
		if (ns->con.peer->notes == ns)
			dgram_notes_wake(d, ns->con.peer, now);
	}
}

void
dgram_notify(struct dgram *d, struct note *n, uint64_t now)
{
	struct notes *ns = n->of;

	/* Not its peer's any more: it is about to end (end_all()). */
	if (ns->con.peer->notes == ns && !busy(ns) && list_empty(&ns->due) &&
	    may_tell(d, ns, now))
		tell(d, n, now);
}

void
dgram_notify_once(struct dgram *d, struct note *n, uint64_t now)
{
	dgram_note_forget_con(d, n);
	if (!tell(d, n, now))
		end_note(d, n, NOTE_OVER, now);
}

/* ---- repeating ---- */

/* The attempt goes on under another Message ID (RFC 7641 4.5.2). */
static void
supersede(struct dgram *d, struct notes *ns, uint16_t mid)
{
	d->stats.notifications++;
	d->stats.notifications_con++;
	d->stats.superseded++;
	if (ns->nold < OLD_MIDS)
		ns->old[ns->nold++] = ns->con.mid;
	ns->con.mid = mid;
}

/* One more copy of what is outstanding, or of what is newer: MID is a new one
 * for that, if HAVE_MID. */
static void
repeat(struct dgram *d, struct notes *ns, bool have_mid, uint16_t mid,
    uint64_t now)
{
	struct peer *p = ns->con.peer;
	struct note *n = ns->telling;
	struct dgram_notice out;

	fetch(d, n, &out, now);
	if ((out.newer || out.once) &&
	    (have_mid || dgram_next_mid(d, p, &mid, now))) {
		supersede(d, ns, mid);
	} else {
		d->stats.retransmissions++;
		p->stats.retransmissions++;
	}
	ns->last |= out.last;
	transmit(d, n, out.once ? COAP_NON : COAP_CON, ns->con.mid, &out);
	if (!out.once)
		return;
	note_non(ns->con.peer, now);
	end_note(d, n, NOTE_OVER, now);
	dgram_notes_wake(d, p, now);
}

static void
con_fire(struct dgram *d, struct notes *ns, uint64_t now)
{
	const struct msg_params *params =
	    timing_at(&d->timings, ns->con.timing);
	bool behind = ns->con.state == SENT_WAIT_ACK &&
	    now - ns->con.first <=
		params->max_transmit_span + SENT_LATE_MS &&
	    d->ops->behind(d->user, ns->telling);
	uint16_t mid = 0;
	uint64_t next;

	if (behind && !dgram_next_mid(d, ns->con.peer, &mid, now)) {
		timer_start(d->timers, &ns->con.timer, now + RETRY_MS);
		return;
	}
	switch (sent_due(&ns->con, params, now, &next)) {
	case SENT_COPY:
		timer_start(d->timers, &ns->con.timer, next);
		repeat(d, ns, behind, mid, now);
		return;
	case SENT_WAIT:
		timer_start(d->timers, &ns->con.timer, next);
		return;
	case SENT_GIVE_UP:
		d->stats.timeouts++;
		end_all(d, ns, now);
		return;
	}
}

void
dgram_notes_fire(struct timer *t, uint64_t now)
{
	struct notes *ns = CONTAINER_OF(t, struct notes, con.timer);

	if (ns->telling != NULL)
		con_fire(ns->con.dgram, ns, now);
	else
		dgram_notes_wake(ns->con.dgram, ns->con.peer, now);
}

void
dgram_notes_answer_lost(struct dgram *d, const struct sent *s,
    enum dgram_fail why, uint64_t now)
{
	struct notes *ns = s->peer->notes;
	struct note *n;
	struct coap_msg m;

	if (why == DGRAM_TIMEOUT) {
		end_all(d, ns, now);
		return;
	}
	if (coap_parse(&m, buf_span(s->buf)) != COAP_PARSE_OK ||
	    !coap_has(&m, COAP_OPT_OBSERVE))
		return;
	n = dgram_note_find(s->peer, m.token);
	if (n != NULL)
		end_note(d, n, NOTE_REJECTED, now);
}

void
dgram_notes_answered(struct dgram *d, struct peer *p, struct span token,
    uint16_t mid, uint64_t now)
{
	struct note *n = dgram_note_find(p, token);

	if (n == NULL)
		return;
	expire(d, n, now);
	if (n->nmids < NOTE_MIDS)
		remember_non(n, mid, now);
}

/* ---- receiving ---- */

static bool
is_old(const struct notes *ns, uint16_t mid)
{
	for (unsigned i = 0; i < ns->nold; i++)
		if (ns->old[i] == mid)
			return true;
	return false;
}

bool
dgram_notes_ack(struct dgram *d, struct peer *p, uint16_t mid, uint64_t now)
{
	struct notes *ns = p->notes;
	struct note *n = ns->telling;
	bool last = ns->last;

	if (n == NULL || (mid != ns->con.mid && !is_old(ns, mid)))
		return false;
	peer_heard(p, now);
	if (mid != ns->con.mid)
		return true;	/* late, and not of the newest (OBS-31) */
	dgram_notes_con_end(ns);
	if (last)
		end_note(d, n, NOTE_OVER, now);
	dgram_notes_wake(d, p, now);
	return true;
}

static bool
got_non(const struct dgram *d, const struct note *n, uint16_t mid, uint64_t now)
{
	for (unsigned i = 0; i < n->nmids; i++)
		if (n->non_mid[i] == mid && remembered(d, n->non_at[i], now))
			return true;
	return false;
}

/* The note that message MID was for, or NULL. */
static struct note *
told_by(const struct dgram *d, struct notes *ns, uint16_t mid, uint64_t now)
{
	struct list *it, *tmp;

	if (ns->telling != NULL && (mid == ns->con.mid || is_old(ns, mid)))
		return ns->telling;
	LIST_FOREACH_SAFE(it, tmp, &ns->turns)
		if (got_non(d, note_at(it), mid, now))
			return note_at(it);
	return NULL;
}

bool
dgram_notes_reset(struct dgram *d, struct peer *p, uint16_t mid, uint64_t now)
{
	struct note *n = told_by(d, p->notes, mid, now);

	if (n == NULL)
		return false;
	peer_heard(p, now);
	end_note(d, n, NOTE_REJECTED, now);
	dgram_notes_wake(d, p, now);
	return true;
}
