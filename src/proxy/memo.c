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

/* What stands in octets, in this order. */
enum part { ASKED, OPTS, HOST, SENT, KEY, PARTS };

struct memo_entry {
	struct addr local;
	struct target uri;		/* its name is in octets */
	const struct rule *rule;
	const struct path *strip;
	uint64_t has;
	uint64_t hash, key_uri;		/* of the key */
	unsigned listener;
	uint8_t scheme;			/* enum coap_scheme, of the listener */
	uint8_t role;
	uint8_t n[PARTS];
	uint8_t octets[MEMO_OCTETS];
};

bool
memo_init(struct memo *m, struct rand *rnd)
{
	hash_key_init(&m->key, rnd);
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

static uint64_t
hash_of(const struct memo *m, const struct inbound *in)
{
	return hash_span(&m->key, in->msg->opts) ^
	    (hash_addr(&m->key, in->local) + in->listener);
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
	    span_eq(span_make(e->octets, e->n[ASKED]), in->msg->opts);
}

/* What E says, into *R. */
static void
tell(const struct memo_entry *e, struct memo_result *r)
{
	struct span part[PARTS];
	const uint8_t *at = e->octets;

	for (size_t i = 0; i < PARTS; i++) {
		part[i] = span_make(at, e->n[i]);
		at += e->n[i];
	}
	r->role = (enum role)e->role;
	r->opts = part[OPTS];
	r->has = e->has;
	r->uri = e->uri;
	r->uri.host.text = part[HOST];
	r->rule = e->rule;
	r->strip = e->strip;
	r->sent = part[SENT];
	r->key = (struct coap_key){ part[KEY], e->hash, e->key_uri };
}

bool
memo_find(struct memo *m, const struct inbound *in, struct memo_result *result,
    uint64_t *hash)
{
	uint64_t h = hash_of(m, in);
	const struct memo_set *set = &m->sets[set_of(h)];

	*hash = h;
	for (size_t i = 0; i < MEMO_WAYS; i++) {
		const struct memo_entry *e = entry_of(m, h, i);

		if (set->tags[i] != tag_of(h) || !is_for(e, in))
			continue;
		tell(e, result);
		return true;
	}
	return false;
}

bool
memo_due(struct memo *m, uint64_t hash)
{
	struct memo_set *set = &m->sets[set_of(hash)];

	for (size_t i = 0; i < MEMO_WAYS; i++)
		if (set->missed[i] == tag_of(hash))
			return true;
	set->missed[set->missed_turn++ % MEMO_WAYS] = tag_of(hash);
	return false;
}

/* Whether all PARTS fit an entry. */
static bool
fits(const struct span part[PARTS])
{
	size_t n = 0;

	for (size_t i = 0; i < PARTS; i++) {
		if (part[i].n > UINT8_MAX)
			return false;
		n += part[i].n;
	}
	return n <= MEMO_OCTETS;
}

void
memo_put(struct memo *m, const struct inbound *in, uint64_t hash,
    const struct memo_result *r)
{
	const struct coap_host *host = &r->uri.host;
	const struct span part[PARTS] = {
		[ASKED] = in->msg->opts,
		[OPTS] = r->role == ROLE_FORWARD ? r->opts : SPAN_LIT(""),
		[HOST] = host->literal ? SPAN_LIT("") : host->text,
		[SENT] = r->sent,
		[KEY] = r->key.octets,
	};
	struct memo_set *set = &m->sets[set_of(hash)];
	struct memo_entry *e;
	uint8_t *to;
	size_t way;

	if (!fits(part))
		return;
	way = set->turn++ % MEMO_WAYS;
	e = entry_of(m, hash, way);
	set->tags[way] = tag_of(hash);
	e->local = *in->local;
	e->listener = in->listener;
	e->scheme = (uint8_t)in->scheme;
	e->role = (uint8_t)r->role;
	e->has = r->has;
	e->uri = r->uri;
	e->rule = r->rule;
	e->strip = r->strip;
	e->hash = r->key.hash;
	e->key_uri = r->key.uri;
	to = e->octets;
	for (size_t i = 0; i < PARTS; i++) {
		e->n[i] = (uint8_t)part[i].n;
		if (part[i].n > 0)
			memcpy(to, part[i].p, part[i].n);
		to += part[i].n;
	}
}
