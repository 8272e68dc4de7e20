/*
 * news: what operators are told without having asked: origins that have fallen
 * silent or speak again, and limits that were reached.
 *
 * Looked for now and then, not noted where it happens: nothing on the way of a
 * request knows of it, and however fast things change, what is said is bounded.
 */
#include "base/log.h"
#include "ctl/limits.h"
#include "main/core.h"

enum {
	NAMED_MAX = 5,		/* origins in one go; others are a number */
	REPEAT_MS = 60000,	/* between words about one limit */
};

static void
tell_origin(const struct dest *o)
{
	char text[ADDR_STRLEN];

	addr_str(&o->addr, text);
	if (o->flow.silent)
		log_event(LOG_ORIGIN_DOWN, text, "origin does not answer");
	else
		log_event(LOG_ORIGIN_UP, text, "origin answers again");
}

static void
tell_origins(struct daemon *d)
{
	struct list *it, *tmp;
	size_t down = 0, up = 0, named = 0;

	LIST_FOREACH_SAFE (it, tmp, &client_dests(d->client)->lru) {
		struct dest *o = CONTAINER_OF(it, struct dest, lru);

		if (o->told_silent == o->flow.silent)
			continue;
		o->told_silent = o->flow.silent;
		if (named++ < NAMED_MAX)
			tell_origin(o);
		else if (o->flow.silent)
			down++;
		else
			up++;
	}
	if (down + up > 0)
		log_warn(NULL, "more origins: silent=%zu speak-again=%zu",
		    down, up);
}

static void
tell_limit(struct daemon *d, size_t i, const struct limit *l, uint64_t now,
    const struct proxy_levels *levels)
{
	struct limit_told *t = &d->limits[i];
	uint64_t n = l->count(&d->admin.src, levels);

	if (l->ordinary || n <= t->n || (t->n > 0 && now < t->when + REPEAT_MS))
		return;
	if (l->keys != NULL)
		log_event(LOG_LIMIT_REACHED, l->table,
		    "limit reached: refused=%llu set by %s",
		    (unsigned long long)(n - t->n), l->keys);
	else
		log_event(LOG_LIMIT_REACHED, l->table,
		    "limit reached: refused=%llu",
		    (unsigned long long)(n - t->n));
	*t = (struct limit_told){ .n = n, .when = now };
}

void
news_tell(struct daemon *d, uint64_t now)
{
	struct proxy_levels levels;
	const struct limit *l;

	tell_origins(d);
	inspect_levels(d->proxy, &levels);
	/* What is refused at the end says nothing of limits. */
	if (levels.draining)
		return;
	for (size_t i = 0; i < LIMITS_MAX && (l = limits_row(i)) != NULL; i++)
		tell_limit(d, i, l, now, &levels);
}
