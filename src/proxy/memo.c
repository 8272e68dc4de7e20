/*
 * memo: sets of eight.
 *
 * Whoever asks decides what lands here, so it must not matter: an entry is as
 * good as its octets, which are compared, and who fills the table with others
 * has requests take the way that they took before. What is missed twice within
 * the last eight misses of its set is written down: a client that goes through
 * thousands of resources does not pay for noting each.
 */
#include "proxy/memo.h"

#include <stdlib.h>

bool
memo_init(struct memo *m, struct rand *rnd)
{
	m->seed = rand_u64(rnd);
	m->sets = calloc(MEMO_SETS, sizeof(*m->sets));
	m->v = calloc((size_t)MEMO_SETS * MEMO_WAYS, sizeof(*m->v));
	if (m->sets != NULL && m->v != NULL)
		return true;
	memo_fini(m);
	return false;
}

void
memo_fini(struct memo *m)
{
	free(m->sets);
	free(m->v);
	m->sets = NULL;
	m->v = NULL;
}

void
memo_clear(struct memo *m)
{
	memset(m->sets, 0, MEMO_SETS * sizeof(*m->sets));
}

/* Eight octets at a time, the odd ones at the end by a load that overlaps. */
static uint64_t
hash_of(uint64_t h, struct span s)
{
	static const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t w;
	size_t i = 0;

	h ^= s.n;
	for (; s.n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		h = (h ^ w) * k;
		h ^= h >> 29;
	}
	w = 0;
	if (i < s.n && i > 0)
		memcpy(&w, s.p + s.n - sizeof(w), sizeof(w));
	else if (i < s.n)
		memcpy(&w, s.p, s.n);
	h = (h ^ w) * k;
	return h ^ h >> 32;
}

static uint32_t
tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

static size_t
set_of(uint64_t hash)
{
	return hash % MEMO_SETS;
}

static struct memo_entry *
entry_of(const struct memo *m, uint64_t hash, size_t way)
{
	return &m->v[set_of(hash) * MEMO_WAYS + way];
}

static bool
is_for(const struct memo_entry *e, const struct inbound *in)
{
	return e->listener == in->listener && e->scheme == in->scheme &&
	    addr_eq(&e->local, in->local) &&
	    span_eq(span_make(e->octets, e->nasked), in->msg->opts);
}

bool
memo_find(struct memo *m, const struct inbound *in, struct memo_result *result,
    uint64_t *hash)
{
	uint64_t place = hash_of(m->seed ^ in->listener, addr_span(in->local));
	uint64_t h = hash_of(place, in->msg->opts);
	const struct memo_set *set = &m->sets[set_of(h)];

	*hash = h;
	for (size_t i = 0; i < MEMO_WAYS; i++) {
		const struct memo_entry *e = entry_of(m, h, i);
		const uint8_t *sent = e->octets + e->nasked;

		if (set->tags[i] != tag_of(h) || !is_for(e, in))
			continue;
		result->rule = e->rule;
		result->strip = e->strip;
		result->opts = span_make(sent, e->nsent);
		result->key.octets = span_make(sent + e->nsent, e->nkey);
		result->key.hash = e->hash;
		result->key.uri = e->uri;
		return true;
	}
	return false;
}

/* Whether HASH has been missed lately; it has now. */
static bool
missed_before(struct memo_set *set, uint64_t hash)
{
	for (size_t i = 0; i < MEMO_WAYS; i++)
		if (set->missed[i] == tag_of(hash))
			return true;
	set->missed[set->missed_turn++ % MEMO_WAYS] = tag_of(hash);
	return false;
}

void
memo_put(struct memo *m, const struct inbound *in, uint64_t hash,
    const struct memo_result *result)
{
	struct memo_set *set = &m->sets[set_of(hash)];
	struct span asked = in->msg->opts, sent = result->opts;
	struct span key = result->key.octets;
	struct memo_entry *e;
	size_t way;

	if (!missed_before(set, hash) ||
	    asked.n + sent.n + key.n > MEMO_OCTETS)
		return;
	way = set->turn++ % MEMO_WAYS;
	e = entry_of(m, hash, way);
	set->tags[way] = tag_of(hash);
	e->local = *in->local;
	e->listener = in->listener;
	e->scheme = (uint8_t)in->scheme;
	e->rule = result->rule;
	e->strip = result->strip;
	e->hash = result->key.hash;
	e->uri = result->key.uri;
	e->nasked = (uint8_t)asked.n;
	e->nsent = (uint8_t)sent.n;
	e->nkey = (uint8_t)key.n;
	if (asked.n > 0)
		memcpy(e->octets, asked.p, asked.n);
	if (sent.n > 0)
		memcpy(e->octets + asked.n, sent.p, sent.n);
	memcpy(e->octets + asked.n + sent.n, key.p, key.n);
}
