/*
 * note: the entries of lists of observers, by endpoint.
 *
 * What all notes of one endpoint share is a struct notes: it is there as long
 * as there are any, and is found by the peer.
 */
#include <stdlib.h>

#include "msg/core.h"

struct span
dgram_note_token(const struct note *n)
{
	return span_make(n->token_n > NOTE_TOKEN ? n->token.heap : n->token.in,
	    n->token_n);
}

void
dgram_notes_con_end(struct notes *ns)
{
	ns->telling = NULL;
	ns->nold = 0;
	timer_stop(&ns->con.timer);
	ns->con.dgram->note_cons--;
}

void
dgram_notes_put(struct notes *ns)
{
	struct peer *p = ns->con.peer;

	if (--ns->count > 0)
		return;
	if (p->notes == ns)
		p->notes = NULL;
	timer_stop(&ns->con.timer);
	list_del(&ns->link);
	list_del(&ns->due);
	pool_put(&ns->con.dgram->notes_pool, ns);
	peer_unref(p);
}

void
dgram_note_unlink(struct note *n)
{
	struct notes *ns = n->of;

	if (ns->telling == n)
		dgram_notes_con_end(ns);
	list_del(&n->link);
	if (n->token_n > NOTE_TOKEN)
		free(n->token.heap);
	ns->con.dgram->note_count--;
	dgram_notes_put(ns);
}

static struct notes *
notes_new(struct dgram *d, struct peer *p)
{
	struct notes *ns = pool_get(&d->notes_pool);

	if (ns == NULL)
		return NULL;
	*ns = (struct notes){ .con = { .dgram = d, .peer = p } };
	list_init(&ns->turns);
	list_init(&ns->due);
	list_add_tail(&d->notes, &ns->link);
	timer_init(&ns->con.timer, dgram_notes_fire);
	peer_ref(p);
	p->notes = ns;
	return ns;
}

static bool
token_keep(struct note *n, struct span token)
{
	uint8_t *to = n->token.in;

	n->token_n = (uint8_t)token.n;
	if (token.n > NOTE_TOKEN) {
		to = n->token.heap = malloc(token.n);
		if (to == NULL)
			return false;
	}
	if (token.n > 0)
		memcpy(to, token.p, token.n);
	return true;
}

static bool
room(const struct dgram *d, const struct peer *p)
{
	uint32_t count = p->notes == NULL ? 0 : p->notes->count;

	return count < d->params->max_per_client &&
	    d->note_count < d->params->max_observers;
}

bool
dgram_note_add(struct dgram *d, struct note *n, struct peer *p,
    struct span token)
{
	*n = (struct note){ 0 };
	list_init(&n->link);
	if (!room(d, p) || token.n > COAP_TOKEN_MAX || !token_keep(n, token))
		goto err0;
	n->of = p->notes != NULL ? p->notes : notes_new(d, p);
	if (n->of == NULL)
		goto err1;
	list_add_tail(&n->of->turns, &n->link);
	n->of->count++;
	d->note_count++;
	return true;
err1:
	if (n->token_n > NOTE_TOKEN)
		free(n->token.heap);
err0:
	d->stats.observers_refused++;
	d->stats.observers_crowded += p->notes != NULL &&
	    p->notes->count >= d->params->max_per_client;
	return false;
}

void
dgram_note_forget_con(struct dgram *d, struct note *n)
{
	struct notes *ns = n->of;

	if (ns->telling != n)
		return;
	dgram_notes_con_end(ns);
	timer_start(d->timers, &ns->con.timer, d->timers->now);
}

void
dgram_note_renew(struct dgram *d, struct note *n)
{
	dgram_note_forget_con(d, n);
	n->con_at = 0;
	n->nons = 0;
	n->nmids = 0;
}

struct peer *
dgram_note_peer(const struct note *n)
{
	return n->of->con.peer;
}

struct note *
dgram_note_find(const struct peer *p, struct span token)
{
	struct list *it, *tmp;

	if (p->notes == NULL)
		return NULL;
	LIST_FOREACH_SAFE(it, tmp, &p->notes->turns)
		if (span_eq(dgram_note_token(note_at(it)), token))
			return note_at(it);
	return NULL;
}

struct note *
dgram_note_next(const struct peer *p, const struct note *n)
{
	struct list *it;

	if (p->notes == NULL)
		return NULL;
	it = n == NULL ? p->notes->turns.next : n->link.next;
	return it == &p->notes->turns ? NULL : note_at(it);
}

void
dgram_note_remove(struct dgram *d, struct note *n)
{
	dgram_note_forget_con(d, n);
	dgram_note_unlink(n);
}

size_t
dgram_note_count(const struct dgram *d)
{
	return d->note_count;
}

void
dgram_notes_init(struct dgram *d)
{
	list_init(&d->notes);
	list_init(&d->due);
	timer_init(&d->tell, dgram_notes_tell_fire);
	pool_init(&d->notes_pool, sizeof(struct notes),
	    d->params->max_observers);
}

void
dgram_notes_fini(struct dgram *d)
{
	struct notes *ns;

	while (!list_empty(&d->notes)) {
		ns = CONTAINER_OF(d->notes.next, struct notes, link);
		/* The last one takes NS with it. */
		for (uint32_t left = ns->count; left > 0; left--)
			dgram_note_unlink(note_at(ns->turns.next));
	}
	timer_stop(&d->tell);
	pool_fini(&d->notes_pool);
}
