/*
 * key: the canonical octets of a request.
 *
 *	scheme, port, host, {number, length, value} of each option of the
 *	target, 0;
 *	method, length of the payload that counts, {number, length, value} of
 *	each other option that counts, that payload
 *
 * Everything of variable length is preceded by its length, the payload's stands
 * before the options, and no option of the target has the number 0, so no two
 * different requests have the same octets. Values as they came, without a
 * reading of numbers: a miss too many is cheaper than a wrong hit.
 *
 * The first line is what the URI's hash is made of. It keys the hash of the
 * rest, so that every octet is hashed once.
 */
#include "coap/key.h"

enum { HOST_NAME = 0, HOST_ADDR = 1 };

enum { TARGET_MAX = 8192 };	/* octets of options */

enum part { PART_NONE, PART_TARGET, PART_REST };

/* The row whose duty decides about the option at IT; NULL for those nobody
 * here can read. The proxy passes safe ones on, so all of these may change the
 * answer (CAC-03). Unsafe ones only get past it where it knows their number:
 * a Max-Age it is told to overlook, say. */
static const struct coap_opt_def *
deciding_row(const struct coap_opt_iter *it)
{
	if (it->def == NULL && coap_opt_unsafe(it->number))
		return coap_opt(it->number);
	return it->def;
}

/* RFC 7252 5.4.2, 5.6; CAC-04. */
static enum part
part_of(const struct coap_opt_iter *it)
{
	const struct coap_opt_def *def = deciding_row(it);

	if (coap_opt_nocachekey(it->number))
		return PART_NONE;
	if (def == NULL)
		return PART_REST;
	switch (def->duty) {
	case COAP_DUTY_FORWARD:
		return def->number == COAP_OPT_ETAG ||
			def->number == COAP_OPT_REQUEST_TAG ?
		    PART_NONE : PART_REST;
	case COAP_DUTY_TARGET:
		return PART_TARGET;
	case COAP_DUTY_HOP:
	case COAP_DUTY_NONE:
		break;
	}
	return PART_NONE;
}

/* An address counts by its octets, which tell its family and its zone. */
static void
put_authority(struct writer *w, const struct coap_authority *at)
{
	const struct coap_host *host = at->host;

	writer_u8(w, (uint8_t)at->scheme);
	writer_u16(w, at->port);
	if (!host->literal) {
		writer_u8(w, HOST_NAME);
		writer_u8(w, (uint8_t)host->text.n);
		writer_span_put(w, host->text);
		return;
	}
	writer_u8(w, HOST_ADDR);
	writer_span_put(w, addr_span(&host->addr));
}

static void
put_option(struct writer *w, uint16_t number, struct span value)
{
	writer_u16(w, number);
	writer_u32(w, (uint32_t)value.n);
	writer_span_put(w, value);
	if (number != COAP_OPT_URI_HOST || w->full)
		return;
	for (uint8_t *p = w->cur - value.n; p < w->cur; p++)
		*p = span_lower(*p);
}

/* Writes the options of M that belong to PART. Returns whether any belongs to
 * PART_REST. */
static bool
put_options(struct writer *w, const struct coap_msg *m, enum part part)
{
	struct coap_opt_iter it;
	bool rest = false;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		enum part p = part_of(&it);

		rest |= p == PART_REST;
		if (p == part)
			put_option(w, it.number, it.value);
	}
	return rest;
}

/* The hash of what is in W from START on. */
static uint64_t
hash_from(const struct writer *w, const uint8_t *start,
    const struct siphash_key *secret)
{
	return siphash(secret, span_make(start, (size_t)(w->cur - start)));
}

bool
coap_key_make(struct coap_key *key, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    const struct coap_authority *at, enum coap_key_body body)
{
	const uint8_t *start = w->cur, *middle;
	struct span payload = { NULL, 0 };
	bool asked = m->code == COAP_FETCH;
	struct siphash_key under;
	bool rest;

	put_authority(w, at);
	rest = put_options(w, m, PART_TARGET);
	writer_u16(w, 0);
	middle = w->cur;
	key->uri = hash_from(w, start, secret);
	under = (struct siphash_key){ secret->k0 ^ key->uri, secret->k1 };

	if (asked && body == COAP_KEY_BODY)
		payload = m->payload;
	writer_u8(w, m->code);
	writer_u32(w, asked && body == COAP_KEY_NO_BODY ?
	    UINT32_MAX : (uint32_t)payload.n);
	if (rest)
		put_options(w, m, PART_REST);
	writer_span_put(w, payload);
	key->octets = span_make(start, (size_t)(w->cur - start));
	key->hash = hash_from(w, middle, &under);
	return !w->full;
}

bool
coap_uri_hash(uint64_t *uri, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    const struct coap_authority *at)
{
	const uint8_t *start = w->cur;

	put_authority(w, at);
	put_options(w, m, PART_TARGET);
	writer_u16(w, 0);
	*uri = hash_from(w, start, secret);
	return !w->full;
}

/* Writes the options NUMBER of M as if their number was AS. */
static void
put_as(struct writer *w, const struct coap_msg *m, uint16_t number,
    uint16_t as)
{
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == number && it.def != NULL)
			put_option(w, as, it.value);
}

bool
coap_location_hash(uint64_t *uri, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    const struct coap_authority *at, const struct coap_msg *location)
{
	const uint8_t *start = w->cur;

	put_authority(w, at);
	put_as(w, m, COAP_OPT_URI_HOST, COAP_OPT_URI_HOST);
	put_as(w, m, COAP_OPT_URI_PORT, COAP_OPT_URI_PORT);
	/* A query alone leaves the path as it is (RFC 3986 5.2.2). */
	if (coap_has(location, COAP_OPT_LOCATION_PATH))
		put_as(w, location, COAP_OPT_LOCATION_PATH, COAP_OPT_URI_PATH);
	else
		put_as(w, m, COAP_OPT_URI_PATH, COAP_OPT_URI_PATH);
	put_as(w, location, COAP_OPT_LOCATION_QUERY, COAP_OPT_URI_QUERY);
	put_as(w, m, COAP_OPT_PROXY_SCHEME, COAP_OPT_PROXY_SCHEME);
	writer_u16(w, 0);
	*uri = hash_from(w, start, secret);
	return !w->full;
}

/* ---- back again ---- */

/* A cursor that gives zeros once it has run out. */
struct reader {
	const uint8_t *p;
	size_t n;
	bool bad;
};

static struct span
take(struct reader *r, size_t n)
{
	struct span s = span_make(r->p, n);

	if (n > r->n) {
		r->bad = true;
		return span_make(r->p, 0);
	}
	r->p += n;
	r->n -= n;
	return s;
}

static uint32_t
number(struct reader *r, size_t n)
{
	struct span s = take(r, n);
	uint32_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | s.p[i];
	return v;
}

static bool
read_authority(struct reader *r, enum coap_scheme *scheme, uint16_t *port,
    struct coap_host *host)
{
	struct span a;

	*scheme = (enum coap_scheme)number(r, 1);
	*port = (uint16_t)number(r, 2);
	*host = (struct coap_host){ .literal = number(r, 1) == HOST_ADDR };
	if (!host->literal) {
		host->text = take(r, number(r, 1));
	} else {
		a = take(r, sizeof(host->addr));
		if (!r->bad)
			memcpy(&host->addr, a.p, a.n);
	}
	return !r->bad && *scheme >= COAP_SCHEME_COAP &&
	    *scheme <= COAP_SCHEME_COAPS_WS;
}

bool
coap_key_format(struct span key, char *out, size_t cap, uint8_t *method)
{
	struct reader r = { key.p, key.n, false };
	uint8_t space[TARGET_MAX];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_msg m = { .code = COAP_GET };
	enum coap_scheme scheme;
	struct coap_host host;
	uint16_t port, opt, last = 0;
	uint8_t name_buf[COAP_HOST_MAX];
	struct span name;

	if (!read_authority(&r, &scheme, &port, &host))
		return false;
	while ((opt = (uint16_t)number(&r, 2)) != 0) {
		struct span value = take(&r, number(&r, 4));

		if (opt < last || value.n > TARGET_MAX)
			return false;
		coap_put_opt(&o, opt, value);
		last = opt;
	}
	*method = (uint8_t)number(&r, 1);
	if (r.bad || w.full || !coap_parse_opts(&m, writer_span(&w)))
		return false;
	/* What the origin goes by, where it was asked to. */
	if (coap_get(&m, COAP_OPT_URI_HOST, &name) &&
	    !coap_host_parse(&host, name, name_buf, false))
		return false;
	return coap_uri_format(&m, scheme, &host, port, out, cap);
}
