/*
 * upload: request bodies put together from Block1 requests.
 *
 * A transfer is on one of two lists, both in the order of their last blocks,
 * so the first of each is the next to expire. Its key is all that its blocks
 * have to agree in, kept in full.
 */
#include "proxy/upload.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "coap/emit.h"

enum {
	ENDS_MAX = 2 * sizeof(struct addr) + 4 + 8 + 1,
	KEY_MAX = ENDS_MAX + UPLOAD_OPTS,
	ARENA_MAX = KEY_MAX + 64,	/* with the head of a chunk */
	HINT_MAX = 4096,	/* octets to get because Size1 says so */
};

/* All of one address, see limit.h. */
struct client {
	struct table_node node;
	struct addr id;
	struct list fresh;	/* its transfers of one block, oldest first */
	size_t transfers;
	size_t octets;
};

struct upload {
	struct table_node node;
	struct list link;	/* fresh or going */
	struct list own;	/* client->fresh */
	struct client *client;
	struct span key;	/* in the arena */
	uint8_t *body;
	size_t cap;
	size_t n;		/* octets received */
	size_t last;		/* where the last block begins; 0: the first */
	size_t size1;		/* 0: not told */
	size_t max_body, max_total;	/* when it began */
	uint64_t heard;		/* when the last block came */
	bool if_none_match;
	struct arena arena;
};

/* A block as it came in. */
struct piece {
	const struct upload_from *from;
	const struct coap_msg *msg;
	struct coap_block block;
	uint32_t size1;		/* 0: not told */
	struct span key;
	uint64_t hash;
	uint64_t now;
};

bool
uploads_init(struct uploads *u, const struct upload_conf *conf,
    struct rand *rnd)
{
	*u = (struct uploads){ .conf = *conf, .key = rand_key(rnd) };
	list_init(&u->fresh);
	list_init(&u->going);
	pool_init(&u->pool, sizeof(struct upload), conf->max_transfers);
	pool_init(&u->client_pool, sizeof(struct client), conf->max_transfers);
	if (!table_init(&u->table, 64))
		return false;
	if (table_init(&u->clients, 64))
		return true;
	table_fini(&u->table);
	return false;
}

void
uploads_configure(struct uploads *u, const struct upload_conf *conf)
{
	u->conf = *conf;
	pool_limit(&u->pool, conf->max_transfers);
	pool_limit(&u->client_pool, conf->max_transfers);
}

static struct upload *
first(const struct list *l)
{
	return list_empty(l) ? NULL :
	    CONTAINER_OF(l->next, struct upload, link);
}

static struct upload *
first_own(const struct client *c)
{
	return list_empty(&c->fresh) ? NULL :
	    CONTAINER_OF(c->fresh.next, struct upload, own);
}

/* Clients. */

/* Ports do not count, nor does the half of an IPv6 address that hosts choose
 * themselves. */
static struct addr
identity(const struct addr *a)
{
	struct addr id = *a;

	if (id.family == 6)
		memset(id.ip + 8, 0, 8);
	id.port = 0;
	return id;
}

static struct client *
client_find(const struct uploads *u, const struct addr *id)
{
	struct table_node *n;
	struct client *c;

	n = table_find(&u->clients, siphash(&u->key, addr_span(id)));
	for (; n != NULL; n = table_find_next(n)) {
		c = CONTAINER_OF(n, struct client, node);
		if (addr_eq(&c->id, id))
			return c;
	}
	return NULL;
}

static struct client *
client_get(struct uploads *u, const struct addr *id)
{
	struct client *c = client_find(u, id);

	if (c != NULL)
		return c;
	c = pool_get(&u->client_pool);
	if (c == NULL)
		return NULL;
	*c = (struct client){ .id = *id };
	list_init(&c->fresh);
	table_insert(&u->clients, &c->node, siphash(&u->key, addr_span(id)));
	return c;
}

static void
client_put(struct uploads *u, struct client *c)
{
	if (c->transfers > 0)
		return;
	table_remove(&u->clients, &c->node);
	pool_put(&u->client_pool, c);
}

/* Transfers. */

static struct upload *
find(const struct uploads *u, const struct piece *in)
{
	struct table_node *n = table_find(&u->table, in->hash);
	struct upload *t;

	for (; n != NULL; n = table_find_next(n)) {
		t = CONTAINER_OF(n, struct upload, node);
		if (span_eq(t->key, in->key))
			return t;
	}
	return NULL;
}

static void
forget(struct uploads *u, struct upload *t)
{
	u->octets -= t->cap;
	t->client->octets -= t->cap;
	t->client->transfers--;
	table_remove(&u->table, &t->node);
	list_del(&t->link);
	list_del(&t->own);
	client_put(u, t->client);
	free(t->body);
	arena_reset(&t->arena, 0);
	pool_put(&u->pool, t);
}

static void
drop(struct uploads *u, struct upload *t)
{
	u->stats.dropped++;
	forget(u, t);
}

void
uploads_fini(struct uploads *u)
{
	struct upload *t;

	while ((t = first(&u->fresh)) != NULL)
		forget(u, t);
	while ((t = first(&u->going)) != NULL)
		forget(u, t);
	table_fini(&u->table);
	table_fini(&u->clients);
	pool_fini(&u->pool);
	pool_fini(&u->client_pool);
}

static void
expire(struct uploads *u, const struct list *l, uint64_t now)
{
	struct upload *t;

	while ((t = first(l)) != NULL && now - t->heard >= u->conf.lifetime) {
		u->stats.expired++;
		forget(u, t);
	}
}

void
upload_expire(struct uploads *u, uint64_t now)
{
	expire(u, &u->fresh, now);
	expire(u, &u->going, now);
}

uint64_t
upload_next(const struct uploads *u)
{
	const struct upload *a = first(&u->fresh), *b = first(&u->going);

	if (a == NULL || (b != NULL && b->heard < a->heard))
		a = b;
	return a == NULL ? UINT64_MAX : a->heard + u->conf.lifetime;
}

/* Room. */

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Whether T may have MORE octets as one of its client's. */
static bool
fits_share(const struct upload *t, size_t more)
{
	size_t share = larger(t->max_total / UPLOAD_SHARE, t->max_body);

	return t->client->octets <= share && more <= share - t->client->octets;
}

static bool
fits_total(const struct uploads *u, size_t max, size_t more)
{
	return u->octets + u->held + more <= max;
}

/* Makes room for MORE octets of a body that is not under way. */
static bool
make_room(struct uploads *u, size_t more)
{
	struct upload *t;

	while (!fits_total(u, u->conf.max_total, more)) {
		t = first(&u->fresh);
		if (t == NULL)
			return false;
		drop(u, t);
	}
	return true;
}

/* Likewise of T, which is on no list of fresh ones. */
static bool
make_room_for(struct uploads *u, const struct upload *t, size_t more)
{
	struct upload *out;

	for (;;) {
		if (!fits_share(t, more))
			out = first_own(t->client);
		else if (!fits_total(u, t->max_total, more))
			out = first(&u->fresh);
		else
			return true;
		if (out == NULL)
			return false;
		drop(u, out);
	}
}

/* How much to get for NEED octets, so that it need not be done often. */
static size_t
roomy(const struct upload *t, size_t need)
{
	size_t n = t->cap > 0 ? 2 * t->cap : smaller(t->size1, HINT_MAX);

	/* Size1 is an estimate (BLK-08), good for asking for less. */
	if (t->size1 >= need)
		n = smaller(n, t->size1);
	return larger(smaller(n, t->max_body), need);
}

/* Makes T's body CAP octets, which have to fit and to be more than none. */
static bool
resize(struct uploads *u, struct upload *t, size_t cap)
{
	uint8_t *p = realloc(t->body, cap);

	if (p == NULL)
		return false;
	t->body = p;
	u->octets += cap - t->cap;
	t->client->octets += cap - t->cap;
	t->cap = cap;
	return true;
}

/* Makes room in T, which is on no list of fresh ones, for NEED octets. */
static bool
grow(struct uploads *u, struct upload *t, size_t need)
{
	size_t cap = roomy(t, need);

	if (need <= t->cap)
		return true;
	/* Others give way for what is needed only. */
	if (!fits_share(t, cap - t->cap) ||
	    !fits_total(u, t->max_total, cap - t->cap))
		cap = need;
	return make_room_for(u, t, cap - t->cap) && resize(u, t, cap);
}

/* The client of another transfer for which there is a place, or NULL. */
static struct client *
make_place(struct uploads *u, const struct addr *id)
{
	size_t share = larger(u->conf.max_transfers / UPLOAD_SHARE, 1);
	const struct client *c = client_find(u, id);
	struct upload *t = NULL;

	/* The limit has come down. */
	if (u->pool.used > u->pool.max)
		return NULL;
	if (c != NULL && c->transfers >= share)
		t = first_own(c);
	else if (u->pool.used < u->pool.max)
		return client_get(u, id);
	else
		t = first(&u->fresh);
	if (t == NULL)
		return NULL;
	drop(u, t);
	return client_get(u, id);
}

static struct upload *
upload_new(struct uploads *u, const struct piece *in)
{
	struct addr id = identity(in->from->client);
	struct client *c = make_place(u, &id);
	struct upload *t = c == NULL ? NULL : pool_get(&u->pool);

	if (c == NULL)
		return NULL;
	if (t == NULL) {
		client_put(u, c);
		return NULL;
	}
	memset(t, 0, sizeof(*t));
	t->client = c;
	t->client->transfers++;
	t->max_body = u->conf.max_body;
	t->max_total = u->conf.max_total;
	list_init(&t->link);
	list_init(&t->own);
	table_insert(&u->table, &t->node, in->hash);
	arena_init(&t->arena, ARENA_MAX);
	if (arena_dup(&t->arena, in->key, &t->key))
		return t;
	forget(u, t);
	return NULL;
}

/* Blocks. */

/* RFC 9175 3.3, 1.1; If-None-Match is for block 0 alone (RFC 7959 2.10). */
static bool
in_key(uint16_t number)
{
	return number != COAP_OPT_BLOCK1 && number != COAP_OPT_BLOCK2 &&
	    number != COAP_OPT_IF_NONE_MATCH &&
	    (coap_opt_critical(number) || !coap_opt_nocachekey(number));
}

/* What comes before the options has one length, and to leave options out never
 * makes the others longer: two keys with the same octets mean the same. */
static bool
put_key(struct writer *w, const struct piece *in)
{
	const struct upload_from *from = in->from;
	struct coap_optw o = coap_optw(w);
	struct coap_opt_iter it;

	writer_span_put(w, addr_span(from->client));
	writer_span_put(w, addr_span(from->local));
	writer_u32(w, from->socket);
	writer_put(w, &from->session, sizeof(from->session));
	writer_u8(w, in->msg->code);
	coap_opts(&it, in->msg);
	while (coap_opts_next(&it))
		if (in_key(it.number))
			coap_put_opt(&o, it.number, it.value);
	return !w->full;
}

/* RFC 7959 2.2, 2.3. */
static bool
well_formed(const struct piece *in)
{
	if (in->block.szx == COAP_SZX_RESERVED)
		return false;
	return !in->block.more ||
	    in->msg->payload.n == coap_block_size(&in->block);
}

/* RFC 7959 2.9.3, 4. */
static bool
too_large(const struct piece *in, size_t max)
{
	uint64_t from = coap_block_offset(&in->block);

	return in->size1 > max || from > max ||
	    in->msg->payload.n > max - (size_t)from;
}

/* Puts the block behind T's octets. */
static bool
append(struct uploads *u, struct upload *t, const struct piece *in)
{
	struct span s = in->msg->payload;

	if (!grow(u, t, t->n + s.n))
		return false;
	if (s.n > 0)
		memcpy(t->body + t->n, s.p, s.n);
	t->last = t->n;
	t->n += s.n;
	return true;
}

/* Hands T's body out; T is gone. */
static enum upload_step
finish(struct uploads *u, struct upload *t, struct upload_result *out)
{
	/* It is only to become smaller: nothing is lost if it does not. */
	if (t->cap > t->n)
		resize(u, t, t->n);
	out->body = t->body;
	out->n = t->n;
	out->if_none_match = t->if_none_match;
	u->held += t->n;
	u->stats.finished++;
	t->body = NULL;
	forget(u, t);
	return UPLOAD_DONE;
}

/* Block 0 is all there is. */
static enum upload_step
take_only(struct uploads *u, const struct piece *in, struct upload_result *out)
{
	struct span s = in->msg->payload;

	if (!make_room(u, s.n))
		return UPLOAD_FULL;
	if (s.n > 0) {
		out->body = malloc(s.n);
		if (out->body == NULL)
			return UPLOAD_FULL;
		memcpy(out->body, s.p, s.n);
	}
	out->n = s.n;
	out->if_none_match = coap_has(in->msg, COAP_OPT_IF_NONE_MATCH);
	u->held += s.n;
	u->stats.started++;
	u->stats.finished++;
	return UPLOAD_DONE;
}

static enum upload_step
take_first(struct uploads *u, const struct piece *in, struct upload_result *out)
{
	struct upload *t;

	if (!in->block.more)
		return take_only(u, in, out);
	t = upload_new(u, in);
	if (t == NULL)
		return UPLOAD_FULL;
	t->if_none_match = coap_has(in->msg, COAP_OPT_IF_NONE_MATCH);
	t->size1 = in->size1;
	t->heard = in->now;
	if (!append(u, t, in)) {
		forget(u, t);
		return UPLOAD_FULL;
	}
	list_add_tail(&u->fresh, &t->link);
	list_add_tail(&t->client->fresh, &t->own);
	u->stats.started++;
	return UPLOAD_CONTINUE;
}

static bool
is_last_again(const struct upload *t, const struct piece *in)
{
	return in->block.more && coap_block_offset(&in->block) == t->last &&
	    span_eq(in->msg->payload,
		span_make(t->body + t->last, t->n - t->last));
}

static enum upload_step
take_next(struct uploads *u, struct upload *t, const struct piece *in,
    struct upload_result *out)
{
	bool again = is_last_again(t, in);

	/* BLK-26, BLK-27. The place tells, not the number: the size may have
	 * changed (BLK-25). */
	if (!again && coap_block_offset(&in->block) != t->n)
		return UPLOAD_INCOMPLETE;
	/* To overlook it would be to overwrite what must not be there. */
	if (coap_has(in->msg, COAP_OPT_IF_NONE_MATCH) && !t->if_none_match)
		return UPLOAD_BAD;
	list_del(&t->own);
	list_del(&t->link);
	list_add_tail(&u->going, &t->link);
	t->heard = in->now;
	if (again)
		return UPLOAD_CONTINUE;
	if (!append(u, t, in)) {
		drop(u, t);
		return UPLOAD_FULL;
	}
	return in->block.more ? UPLOAD_CONTINUE : finish(u, t, out);
}

static enum upload_step
take(struct uploads *u, const struct piece *in, struct upload_result *out)
{
	struct upload *t = find(u, in);

	/* Block 0 begins anew. */
	out->max_body = t != NULL && in->block.num > 0 ? t->max_body :
	    u->conf.max_body;
	if (too_large(in, out->max_body)) {
		if (t != NULL)
			drop(u, t);
		return UPLOAD_TOO_LARGE;
	}
	if (in->block.num > 0)
		return t == NULL ? UPLOAD_INCOMPLETE :
		    take_next(u, t, in, out);
	if (t != NULL)
		drop(u, t);
	return take_first(u, in, out);
}

enum upload_step
upload_feed(struct uploads *u, const struct upload_from *from,
    const struct coap_msg *m, uint64_t now, struct upload_result *out)
{
	uint8_t octets[KEY_MAX];
	struct writer w = writer_make(octets, sizeof(octets));
	struct piece in = { .from = from, .msg = m, .now = now };
	enum upload_step step = UPLOAD_BAD;

	assert(coap_has(m, COAP_OPT_BLOCK1));
	in.block = coap_block_get(coap_find(m, COAP_OPT_BLOCK1));
	coap_get_uint(m, COAP_OPT_SIZE1, &in.size1);
	*out = (struct upload_result){ .block = in.block };
	upload_expire(u, now);
	if (well_formed(&in) && put_key(&w, &in)) {
		in.key = writer_span(&w);
		in.hash = siphash(&u->key, in.key);
		step = take(u, &in, out);
	}
	/* With 4.13 a smaller size would be a hint to try that. */
	if (step != UPLOAD_TOO_LARGE && out->block.szx > u->conf.szx)
		out->block.szx = u->conf.szx;
	out->block.more = step == UPLOAD_CONTINUE;
	if (step != UPLOAD_CONTINUE && step != UPLOAD_DONE)
		u->stats.refused++;
	u->stats.full += step == UPLOAD_FULL;
	return step;
}

void
upload_release(struct uploads *u, uint8_t *body, size_t n)
{
	u->held -= n;
	free(body);
}
