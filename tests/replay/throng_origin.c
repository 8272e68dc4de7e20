/*
 * throng_origin: resources that change, and those who follow them (RFC 7641 4).
 *
 * A follower has one CON outstanding; the state may change meanwhile: the next
 * copy is of the newest state then, under a new Message ID (RFC 7641 4.5.2).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"
#include "base/xalloc.h"
#include "throng_sim.h"

enum { MIDS = 65536, FIRST_VALUE = 0xffff00, ETAG = 5 };

/* What a message to somebody says. */
struct say {
	uint8_t type, code;
	uint16_t mid;
	struct span token;
	bool observe, etagged;	/* the state is one the other side has */
	struct coap_block block;
};

/* ---- bodies ---- */

size_t
origin_body(const struct resource *r, uint32_t version, uint8_t out[LARGE])
{
	size_t n = r->large ? LARGE : SMALL;
	int len = snprintf((char *)out, n, "%u %u ", r->number, version);

	for (size_t i = (size_t)len; i < n; i++)
		out[i] = (uint8_t)('a' + (i + version) % 26);
	return n;
}

static void
etag_of(const struct resource *r, uint32_t version, uint8_t out[ETAG])
{
	struct writer w = writer_make(out, ETAG);

	writer_u8(&w, (uint8_t)r->number);
	writer_u32(&w, version);
}

static uint32_t
by_etag(const struct resource *r, struct span etag)
{
	if (etag.n != ETAG || etag.p[0] != (uint8_t)r->number)
		return 0;
	return coap_uint(span_make(etag.p + 1, 4));
}

static uint32_t
by_body(const struct resource *r, struct span body)
{
	uint8_t expected[LARGE];
	const uint8_t *space = memchr(body.p, ' ', body.n), *end;
	uint64_t number, version;

	if (space == NULL)
		return 0;
	end = memchr(space + 1, ' ', body.n - (size_t)(space + 1 - body.p));
	if (end == NULL ||
	    !parse_u64(span_make(body.p, (size_t)(space - body.p)), &number) ||
	    !parse_u64(span_make(space + 1, (size_t)(end - space - 1)),
		&version) ||
	    number != r->number)
		return 0;
	if (!span_eq(body, span_make(expected,
		origin_body(r, (uint32_t)version, expected))))
		return 0;
	return (uint32_t)version;
}

uint32_t
origin_version(const struct resource *r, const struct coap_msg *m)
{
	struct span etag;
	uint32_t version = 0;

	if (coap_get(m, COAP_OPT_ETAG, &etag))
		version = by_etag(r, etag);
	if (m->code == COAP_205 && !coap_has(m, COAP_OPT_BLOCK2)) {
		uint32_t said = by_body(r, m->payload);

		version = version == 0 || version == said ? said : 0;
	}
	return version <= r->version ? version : 0;
}

/* ---- messages ---- */

/* Something that means state VERSION of R leaves. */
static void
transmit(struct resource *r, uint32_t version, const struct addr *to,
    struct span octets)
{
	struct throng *c = r->throng;

	r->past[version].said = c->world.now;
	throng_transmit(c, &c->origin.addr, to, octets);
}

static size_t
encode(const struct resource *r, struct say *s, uint8_t out[OCTETS])
{
	struct throng *c = r->throng;
	uint8_t space[64], body[LARGE], etag[ETAG];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { s->type, s->code, s->mid, s->token };
	struct span slice = span_make(body,
	    origin_body(r, r->version, body));
	bool content = s->code == COAP_205;

	if (content && s->etagged)
		h.code = COAP_203;
	if (content && r->large && !s->etagged &&
	    !coap_block_slice(slice, &s->block, &slice))
		h.code = COAP_400;
	if (coap_code_class(h.code) != 2)
		return coap_emit(out, OCTETS, &h, SPAN_LIT(""), SPAN_LIT(""));
	etag_of(r, r->version, etag);
	if (content)
		coap_put_opt(&o, COAP_OPT_ETAG, span_make(etag, ETAG));
	if (s->observe)
		coap_put_uint(&o, COAP_OPT_OBSERVE,
		    ++c->origin.value & 0xffffff);
	if (h.code == COAP_205)
		coap_put_uint(&o, COAP_OPT_CONTENT_FORMAT, 0);
	if (content)
		coap_put_uint(&o, COAP_OPT_MAX_AGE, c->conf->max_age);
	if (h.code == COAP_205 && r->large)
		coap_put_uint(&o, COAP_OPT_BLOCK2,
		    coap_block_value(&s->block));
	return coap_emit(out, OCTETS, &h, writer_span(&w),
	    h.code == COAP_205 ? slice : SPAN_LIT(""));
}

/* ---- followers ---- */

static void
follower_free(struct follower *f)
{
	repeat_stop(&f->tell);
	list_del(&f->link);
	free(f);
}

static void
follower_vain(struct repeat *r)
{
	follower_free(CONTAINER_OF(r, struct follower, tell));
}

static void
follower_say(struct follower *f, uint8_t type)
{
	struct resource *r = f->of;
	uint8_t out[OCTETS];
	struct say s = { type, COAP_205, 0,
		span_make(f->token, f->ntoken), true, false,
		{ .szx = LARGE_SZX } };

	if (f->version != r->version || type == COAP_NON)
		f->mid = ++r->throng->origin.mid;
	f->version = r->version;
	s.mid = f->mid;
	transmit(r, r->version, &f->from,
	    span_make(out, encode(r, &s, out)));
}

static void
follower_again(struct repeat *r)
{
	follower_say(CONTAINER_OF(r, struct follower, tell), COAP_CON);
}

static struct follower *
follower_find(struct resource *r, const struct addr *from, struct span token)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &r->followers) {
		struct follower *f = CONTAINER_OF(it, struct follower, link);

		if (addr_eq(&f->from, from) &&
		    span_eq(token, span_make(f->token, f->ntoken)))
			return f;
	}
	return NULL;
}

static struct follower *
follower_add(struct resource *r, const struct addr *from, struct span token)
{
	struct follower *f = follower_find(r, from, token);

	if (f == NULL) {
		f = xcalloc(1, sizeof(*f));
		f->of = r;
		f->from = *from;
		f->ntoken = token.n;
		memcpy(f->token, token.p, token.n);
		repeat_init(&f->tell, r->throng, follower_again,
		    follower_vain);
		list_add_tail(&r->followers, &f->link);
		r->throng->result->upstream++;
	}
	repeat_stop(&f->tell);
	return f;
}

/* One in four as NON, which nobody misses when it is lost. */
static void
follower_tell(struct follower *f)
{
	if (timer_running(&f->tell.timer))
		return;
	if (rand_below(&f->of->throng->rnd, 4) == 0) {
		follower_say(f, COAP_NON);
		return;
	}
	f->mid = ++f->of->throng->origin.mid;
	repeat_start(&f->tell);
}

/* Each is told CODE, and forgotten. */
static void
followers_end(struct resource *r, uint8_t code)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &r->followers) {
		struct follower *f = CONTAINER_OF(it, struct follower, link);
		struct say s = { COAP_CON, code, ++r->throng->origin.mid,
			span_make(f->token, f->ntoken), false, false, { 0 } };
		uint8_t out[OCTETS];

		if (code != 0)
			throng_transmit(r->throng, &r->throng->origin.addr,
			    &f->from, span_make(out, encode(r, &s, out)));
		follower_free(f);
	}
}

void
origin_change(struct throng *c, struct resource *r)
{
	struct list *it, *tmp;

	if (++r->version == r->cap) {
		r->cap *= 2;
		r->past = xrealloc(r->past, r->cap, sizeof(*r->past));
	}
	r->past[r->version] = (struct past){ c->world.now, c->world.now };
	if (c->origin.silent)
		return;
	LIST_FOREACH_SAFE (it, tmp, &r->followers)
		follower_tell(CONTAINER_OF(it, struct follower, link));
}

/* ---- requests ---- */

struct resource *
origin_resource(const struct throng *c, const struct coap_msg *m)
{
	struct coap_opt_iter it;
	uint64_t number = UINT64_MAX;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_URI_PATH)
			(void)parse_u64(it.value, &number);
	return number < c->conf->resources ? &c->resources[number] : NULL;
}

static bool
names_current(const struct resource *r, const struct coap_msg *m)
{
	struct coap_opt_iter it;
	bool found = false;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_ETAG &&
		    by_etag(r, it.value) == r->version)
			found = true;
	return found;
}

/* Whether M's sender is on the list now. */
static struct follower *
enlist(struct resource *r, const struct addr *from, const struct coap_msg *m)
{
	struct follower *f = follower_find(r, from, m->token);
	uint32_t observe;

	if (!coap_get_uint(m, COAP_OPT_OBSERVE, &observe))
		return NULL;
	if (observe == 0 && r->mood == CALM)
		return follower_add(r, from, m->token);
	if (f != NULL)
		follower_free(f);
	return NULL;
}

/* One registration in eight is answered in a message of its own. */
static bool
answer_later(struct throng *c, struct follower *f, const struct coap_msg *m,
    struct seen *s)
{
	if (f == NULL || m->type != COAP_CON || rand_below(&c->rnd, 8) != 0)
		return false;
	coap_emit_empty(s->octets, COAP_ACK, m->mid);
	s->n = 4;
	f->mid = ++c->origin.mid;
	repeat_later(&f->tell, throng_between(c, 0, 2000));
	return true;
}

static void
answer(struct throng *c, struct resource *r, const struct addr *from,
    const struct coap_msg *m, struct seen *s)
{
	struct say say = { m->type == COAP_CON ? COAP_ACK : COAP_NON,
		COAP_205, m->mid, m->token, false, false,
		{ .szx = LARGE_SZX } };
	struct follower *f;
	struct span block;

	if (m->code == COAP_PUT) {
		origin_change(c, r);
		say.code = COAP_204;
	} else if (r->mood == MISSING) {
		say.code = COAP_404;
	}
	f = m->code == COAP_GET ? enlist(r, from, m) : NULL;
	if (answer_later(c, f, m, s))
		return;
	if (coap_get(m, COAP_OPT_BLOCK2, &block))
		say.block = coap_block_get(block);
	say.observe = f != NULL;
	say.etagged = m->code == COAP_GET && names_current(r, m);
	if (f != NULL)
		f->version = r->version;
	if (say.type == COAP_NON)
		say.mid = ++c->origin.mid;
	if (say.code == COAP_205)
		s->of = r;
	s->version = r->version;
	s->n = encode(r, &say, s->octets);
}

/* Does what M asks for, unless it is a copy (RFC 7252 4.5). */
static void
request(struct throng *c, const struct addr *from, const struct coap_msg *m)
{
	struct resource *r = origin_resource(c, m);
	struct seen *s = c->origin.seen[m->mid];

	if (r == NULL || (m->code != COAP_GET && m->code != COAP_PUT)) {
		throng_wrong(c, FAULT_MIXED, "request at the origin");
		return;
	}
	if (s == NULL || !addr_eq(&s->from, from)) {
		free(s);
		s = c->origin.seen[m->mid] = xcalloc(1, sizeof(*s));
		s->from = *from;
		answer(c, r, from, m, s);
	}
	if (s->of != NULL)
		transmit(s->of, s->version, from,
		    span_make(s->octets, s->n));
	else
		throng_transmit(c, &c->origin.addr, from,
		    span_make(s->octets, s->n));
}

/* The end of what was said to F in the message MID. */
static void
heard(struct throng *c, const struct addr *from, const struct coap_msg *m)
{
	struct list *it, *tmp;

	for (unsigned i = 0; i < c->conf->resources; i++) {
		LIST_FOREACH_SAFE (it, tmp, &c->resources[i].followers) {
			struct follower *f =
			    CONTAINER_OF(it, struct follower, link);

			if (f->mid != m->mid || !addr_eq(&f->from, from))
				continue;
			if (m->type == COAP_RST) {
				follower_free(f);
				return;
			}
			repeat_stop(&f->tell);
			if (f->version != f->of->version)
				follower_tell(f);
			return;
		}
	}
}

void
origin_input(struct throng *c, const struct addr *from, struct span octets)
{
	struct coap_msg m;

	if (c->origin.silent)
		return;
	if (coap_parse(&m, octets) != COAP_PARSE_OK)
		throng_wrong(c, FAULT_MIXED, "malformed at the origin");
	else if (coap_code_kind(m.code) == COAP_KIND_REQUEST)
		request(c, from, &m);
	else
		heard(c, from, &m);
}

/* ---- trouble ---- */

/* Nothing is remembered of who followed what, and Observe begins anew. */
static void
restart(struct throng *c)
{
	for (unsigned i = 0; i < c->conf->resources; i++) {
		followers_end(&c->resources[i], 0);
		c->resources[i].calm_since = c->world.now;
	}
	for (unsigned i = 0; i < MIDS; i++) {
		free(c->origin.seen[i]);
		c->origin.seen[i] = NULL;
	}
	c->origin.value = (uint32_t)rand_below(&c->rnd, 3);
}

static void
be_silent(struct throng *c, bool silent)
{
	struct list *it, *tmp;

	c->origin.silent = silent;
	for (unsigned i = 0; i < c->conf->resources; i++) {
		c->resources[i].calm_since = c->world.now;
		LIST_FOREACH_SAFE (it, tmp, &c->resources[i].followers) {
			struct follower *f =
			    CONTAINER_OF(it, struct follower, link);

			if (silent)
				repeat_stop(&f->tell);
			else
				follower_tell(f);
		}
	}
}

static void
set_mood(struct resource *r, enum mood mood)
{
	r->mood = mood;
	r->calm_since = r->throng->world.now;
	if (mood == MISSING)
		followers_end(r, COAP_404);
}

void
origin_trouble(struct throng *c, bool bad)
{
	uint64_t what = bad ? rand_below(&c->rnd, 12) : 12;
	struct resource *r =
	    &c->resources[rand_below(&c->rnd, c->conf->resources)];

	if (c->origin.silent) {
		be_silent(c, false);
		if (bad)
			return;
	}
	if (what == 0)
		restart(c);
	else if (what == 1)
		be_silent(c, true);
	else if (what < 4)
		set_mood(r, MISSING);
	else if (what < 6)
		set_mood(r, PLAIN);
	else
		for (unsigned i = 0; i < c->conf->resources; i++)
			if (c->resources[i].mood != CALM)
				set_mood(&c->resources[i], CALM);
}

/* ---- life ---- */

void
origin_start(struct throng *c)
{
	addr_parse_ip(&c->origin.addr, SPAN_LIT("198.51.100.1"), false);
	c->origin.addr.port = 5683;
	c->origin.value = FIRST_VALUE;
	c->origin.seen = xcalloc(MIDS, sizeof(struct seen *));
	c->resources = xcalloc(c->conf->resources, sizeof(*c->resources));
	for (unsigned i = 0; i < c->conf->resources; i++) {
		struct resource *r = &c->resources[i];

		r->throng = c;
		r->number = i;
		r->large = c->conf->restless && i % 8 == 7;
		r->version = 1;
		r->cap = 16;
		r->past = xcalloc(r->cap, sizeof(*r->past));
		list_init(&r->followers);
	}
}

void
origin_free(struct throng *c)
{
	if (c->resources == NULL)
		return;
	for (unsigned i = 0; i < c->conf->resources; i++) {
		followers_end(&c->resources[i], 0);
		free(c->resources[i].past);
	}
	for (unsigned i = 0; i < MIDS; i++)
		free(c->origin.seen[i]);
	free(c->origin.seen);
	free(c->resources);
}
