/*
 * watch: from observer to note and back.
 */
#include "server/watch.h"

#include "proxy/observer.h"

struct watch {
	struct observer observer;
	struct note note;
	struct watches *all;
};

void
watches_init(struct watches *ws, struct dgram *dgram, size_t max)
{
	ws->dgram = dgram;
	pool_init(&ws->pool, sizeof(struct watch), max);
}

void
watches_limit(struct watches *ws, size_t max)
{
	pool_limit(&ws->pool, max);
}

void
watches_fini(struct watches *ws)
{
	pool_fini(&ws->pool);
}

static struct watch *
watch_of(struct note *n)
{
	return CONTAINER_OF(n, struct watch, note);
}

static struct watch *
of_observer(struct observer *o)
{
	return CONTAINER_OF(o, struct watch, observer);
}

struct observer *
watch_find(const struct peer *p, struct span token)
{
	struct note *n = dgram_note_find(p, token);

	return n == NULL ? NULL : &watch_of(n)->observer;
}

struct observer *
watch_observe(struct watches *ws, struct peer *p, struct span token)
{
	struct note *n = dgram_note_find(p, token);
	struct watch *w;

	if (n != NULL) {
		dgram_note_renew(ws->dgram, n);
		return &watch_of(n)->observer;
	}
	w = pool_get(&ws->pool);
	if (w == NULL)
		return NULL;
	w->observer = (struct observer){ .of = NULL };
	list_init(&w->observer.link);
	w->all = ws;
	if (dgram_note_add(ws->dgram, &w->note, p, token))
		return &w->observer;
	pool_put(&ws->pool, w);
	return NULL;
}

struct observer *
watch_mate(const struct peer *p, const struct observation *of)
{
	struct note *n = NULL;

	while ((n = dgram_note_next(p, n)) != NULL)
		if (watch_of(n)->observer.of == of)
			return &watch_of(n)->observer;
	return NULL;
}

struct peer *
watch_peer(const struct observer *o)
{
	const struct watch *w = (const void *)((const char *)o -
	    offsetof(struct watch, observer));

	return dgram_note_peer(&w->note);
}

void
watch_notify(struct observer *o, uint64_t now)
{
	struct watch *w = of_observer(o);

	if (observer_parts(o))
		dgram_notify_once(w->all->dgram, &w->note, now);
	else
		dgram_notify(w->all->dgram, &w->note, now);
}

void
watch_unobserve(struct observer *o)
{
	struct watch *w = of_observer(o);

	dgram_note_remove(w->all->dgram, &w->note);
	pool_put(&w->all->pool, w);
}

void
watch_notice(void *user, struct note *n, struct dgram_notice *out,
    uint64_t now)
{
	struct notice notice;

	(void)user;
	observer_notice(&watch_of(n)->observer, &notice, now);
	*out = (struct dgram_notice){
		.code = notice.code,
		.opts = notice.opts,
		.payload = notice.payload,
		.newer = notice.newer,
		.last = notice.last,
		.once = notice.once,
	};
}

bool
watch_behind(void *user, struct note *n)
{
	(void)user;
	return observer_behind(&watch_of(n)->observer);
}

void
watch_gone(void *user, struct note *n, enum note_end why, uint64_t now)
{
	struct watch *w = watch_of(n);

	(void)user;
	(void)why;
	observer_gone(&w->observer, now);
	pool_put(&w->all->pool, w);
}
