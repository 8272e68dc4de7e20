/*
 * backoff: a table of answers, each with a timer of its own. What has expired
 * is gone, so an empty table is the usual state and costs a comparison.
 */
#include "proxy/backoff.h"

#include "base/arena.h"
#include "coap/emit.h"
#include "coap/key.h"

enum {
	DEFAULT_MAX_AGE = 60,	/* RFC 7252 5.10.5 */
	KEY_MAX = 2048,
	PAYLOAD_MAX = 1024,
	KEPT_OPTS = BACKOFF_OPTS - 8,	/* so that a Max-Age fits as well */
	ENTRY_LIMIT = 8192,
};

struct held {
	struct table_node node;
	struct list link;
	struct timer timer;
	struct backoff *owner;
	struct span key;
	uint8_t code;
	struct span opts, payload;	/* opts: without Max-Age */
	uint64_t until;
	struct arena arena;
};

bool
backoff_init(struct backoff *b, struct timers *timers, struct rand *rnd)
{
	*b = (struct backoff){ .timers = timers, .secret = rand_key(rnd) };
	list_init(&b->oldest);
	pool_init(&b->pool, sizeof(struct held), BACKOFF_ENTRIES);
	return table_init(&b->table, 64);
}

static size_t
octets(const struct held *h)
{
	return h->key.n + h->opts.n + h->payload.n;
}

static void
forget(struct backoff *b, struct held *h)
{
	timer_stop(&h->timer);
	table_remove(&b->table, &h->node);
	list_del(&h->link);
	b->octets -= octets(h);
	arena_reset(&h->arena, 0);
	pool_put(&b->pool, h);
}

static struct held *
oldest(const struct backoff *b)
{
	return CONTAINER_OF(b->oldest.next, struct held, link);
}

void
backoff_fini(struct backoff *b)
{
	while (backoff_any(b))
		forget(b, oldest(b));
	table_fini(&b->table);
	pool_fini(&b->pool);
}

static void
expire_fire(struct timer *t, uint64_t now)
{
	struct held *h = CONTAINER_OF(t, struct held, timer);

	(void)now;
	forget(h->owner, h);
}

static bool
make_key(const struct backoff *b, struct coap_key *key, struct writer *w,
    const struct coap_msg *m, const struct target *hop)
{
	const struct coap_authority at = { hop->scheme, &hop->host, hop->port };

	/* An OSCORE message never is the same twice, and what it says nobody
	 * but its ends can know (RFC 8613 10). */
	return !coap_has(m, COAP_OPT_OSCORE) &&
	    coap_key_make(key, w, &b->secret, m, &at, COAP_KEY_BODY);
}

static struct held *
find(const struct backoff *b, const struct coap_key *key)
{
	struct table_node *n = table_find(&b->table, key->hash);

	for (; n != NULL; n = table_find_next(n)) {
		struct held *h = CONTAINER_OF(n, struct held, node);

		if (span_eq(h->key, key->octets))
			return h;
	}
	return NULL;
}

/* ---- keeping ---- */

static bool
kept(uint16_t number)
{
	switch (number) {
	case COAP_OPT_OBSERVE:
	case COAP_OPT_LOCATION_PATH:
	case COAP_OPT_MAX_AGE:
	case COAP_OPT_LOCATION_QUERY:
	case COAP_OPT_BLOCK1:
	case COAP_OPT_ECHO:		/* PRX-86 */
		return false;
	default:
		return true;
	}
}

/* What of M is told again goes into H, its options by way of W. Of a body in
 * blocks there is only one here, and of a long one more than an error needs:
 * then the code has to do. */
static void
take_content(struct held *h, const struct coap_msg *m, struct writer *w)
{
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;

	h->code = m->code;
	h->opts = h->payload = SPAN_LIT("");
	if (coap_has(m, COAP_OPT_BLOCK2) || m->payload.n > PAYLOAD_MAX)
		return;
	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (kept(it.number))
			coap_put_opt(&out, it.number, it.value);
	if (w->full)
		return;
	h->opts = writer_span(w);
	h->payload = m->payload;
}

/* Room for N octets more and for an entry. */
static void
make_room(struct backoff *b, size_t n)
{
	while (b->pool.used == b->pool.max || n > BACKOFF_OCTETS - b->octets) {
		b->stats.evicted++;
		forget(b, oldest(b));
	}
}

/* Puts a copy of WANT into the table. */
static void
insert(struct backoff *b, const struct coap_key *key, const struct held *want)
{
	struct held *h;

	make_room(b, key->octets.n + want->opts.n + want->payload.n);
	h = pool_get(&b->pool);
	if (h == NULL)
		return;
	arena_init(&h->arena, ENTRY_LIMIT);
	if (!arena_dup(&h->arena, key->octets, &h->key) ||
	    !arena_dup(&h->arena, want->opts, &h->opts) ||
	    !arena_dup(&h->arena, want->payload, &h->payload)) {
		arena_reset(&h->arena, 0);
		pool_put(&b->pool, h);
		return;
	}
	h->owner = b;
	h->code = want->code;
	h->until = want->until;
	b->octets += octets(h);
	b->stats.held++;
	table_insert(&b->table, &h->node, key->hash);
	list_add_tail(&b->oldest, &h->link);
	timer_init(&h->timer, expire_fire);
	timer_start(b->timers, &h->timer, h->until);
}

void
backoff_note(struct backoff *b, const struct coap_msg *request,
    const struct target *hop, const struct coap_msg *response, uint64_t now)
{
	uint8_t space[KEY_MAX], opts[KEPT_OPTS];
	struct writer w = writer_make(space, sizeof(space));
	struct writer o = writer_make(opts, sizeof(opts));
	uint32_t age = DEFAULT_MAX_AGE;
	struct coap_key key;
	struct held want, *old;

	if (!make_key(b, &key, &w, request, hop)) {
		b->stats.too_large += w.full;
		return;
	}
	old = find(b, &key);
	if (old != NULL)
		forget(b, old);
	coap_get_uint(response, COAP_OPT_MAX_AGE, &age);
	if (age == 0)
		return;
	want.until = now + (age < BACKOFF_MAX ? age : BACKOFF_MAX) *
	    UINT64_C(1000);
	take_content(&want, response, &o);
	insert(b, &key, &want);
}

/* ---- answering ---- */

/* The options of H with a Max-Age of SECONDS in its place. */
static void
put_opts(struct writer *w, const struct held *h, uint32_t seconds)
{
	const struct coap_msg m = { .code = h->code, .opts = h->opts };
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;
	bool aged = false, more;

	coap_opts(&it, &m);
	do {
		more = coap_opts_next(&it);
		if (!aged && (!more || it.number > COAP_OPT_MAX_AGE)) {
			coap_put_uint(&out, COAP_OPT_MAX_AGE, seconds);
			aged = true;
		}
		if (more)
			coap_put_opt(&out, it.number, it.value);
	} while (more);
}

bool
backoff_find(struct backoff *b, const struct coap_msg *m,
    const struct target *hop, struct writer *w, struct reply *reply,
    uint64_t now)
{
	uint8_t space[KEY_MAX];
	struct writer k = writer_make(space, sizeof(space));
	struct coap_key key;
	struct held *h;

	if (!make_key(b, &key, &k, m, hop))
		return false;
	h = find(b, &key);
	/* Its timer may be due in this very turn. */
	if (h == NULL || h->until <= now)
		return false;
	b->stats.answered++;
	put_opts(w, h, (uint32_t)((h->until - now + 999) / 1000));
	*reply = (struct reply){ h->code, writer_span(w), h->payload };
	return true;
}
