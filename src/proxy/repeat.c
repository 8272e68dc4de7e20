/*
 * repeat: a set-associative table.
 *
 * A kind has one of WAYS places in its set. It keeps it for a minute; when all
 * are taken, further kinds are not told. Kinds are known by their hash: that
 * two are taken for one does not matter.
 */
#include "proxy/repeat.h"

#include <stdlib.h>

enum { WAYS = 8, SETS = REPEAT_KINDS / WAYS };

struct repeat {
	uint64_t kind;		/* its hash */
	uint64_t since;		/* told last, ms; 0: free */
	uint32_t left_out;
};

bool
repeats_init(struct repeats *r, struct rand *rnd)
{
	r->v = calloc(REPEAT_KINDS, sizeof(*r->v));
	r->key = rand_key(rnd);
	return r->v != NULL;
}

void
repeats_fini(struct repeats *r)
{
	free(r->v);
	r->v = NULL;
}

static bool
is_over(const struct repeat *e, uint64_t now)
{
	return e->since == 0 || now - e->since >= REPEAT_MS;
}

bool
repeats_due(struct repeats *r, struct span kind, uint64_t now,
    uint32_t *left_out)
{
	uint64_t hash = siphash(&r->key, kind);
	struct repeat *set = &r->v[hash % SETS * WAYS], *e = NULL;

	/* Its own place, or the one that has been quiet longest. */
	for (size_t i = 0; i < WAYS && (e == NULL || e->kind != hash); i++)
		if (set[i].kind == hash || e == NULL ||
		    set[i].since < e->since)
			e = &set[i];
	if (!is_over(e, now)) {
		e->left_out += e->kind == hash && e->left_out < UINT32_MAX;
		return false;
	}
	*left_out = e->kind == hash ? e->left_out : 0;
	*e = (struct repeat){ .kind = hash, .since = now };
	return true;
}
