/*
 * key: the canonical octets of a request.
 *
 *	scheme, port, host, options of the target, 0xff;
 *	method, length of the payload that counts,
 *	every other option that counts, 0xff, that payload
 *
 * Options are encoded as in a message, which says their numbers and lengths in
 * one way only, and 0xff begins none. Everything else of variable length is
 * preceded by its length. So no two different requests have the same octets.
 * Values as they came, without a reading of numbers: a miss too many is cheaper
 * than a wrong hit.
 *
 * The first line is what the URI's hash is made of. It keys the hash of the
 * rest, so that every octet is hashed once.
 */
#include "coap/key.h"

enum { HOST_NAME = 0, HOST_IP4 = 4, HOST_IP6 = 6 };

enum { END = 0xff };		/* of options */

enum part { PART_NONE, PART_TARGET, PART_REST };

/* The row whose duty decides about the option NUMBER, which DEF is for if
 * recognised; NULL for those nobody here can read. The proxy passes safe ones
 * on, so all of these may change the answer (CAC-03). Unsafe ones only get past
 * it where it knows their number: a Max-Age it is told to overlook, say. */
static const struct coap_opt_def *
deciding_row(uint16_t number, const struct coap_opt_def *def)
{
	if (def == NULL && coap_opt_unsafe(number))
		return coap_opt(number);
	return def;
}

/* RFC 7252 5.4.2, 5.6; CAC-04. */
static enum part
part_of(uint16_t number, const struct coap_opt_def *def)
{
	if (coap_opt_nocachekey(number))
		return PART_NONE;
	def = deciding_row(number, def);
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

/* An address counts by its octets and its zone. */
static void
put_authority(struct writer *w, const struct coap_authority *at)
{
	const struct coap_host *host = at->host;
	uint8_t b[8] = { (uint8_t)at->scheme, (uint8_t)(at->port >> 8),
		(uint8_t)at->port, HOST_IP4 };

	if (!host->literal) {
		b[3] = HOST_NAME;
		b[4] = (uint8_t)host->text.n;
		writer_put(w, b, 5);
		writer_span_put(w, host->text);
	} else if (host->addr.family == 4) {
		memcpy(b + 4, host->addr.ip, 4);
		writer_put(w, b, 8);
	} else {
		b[3] = HOST_IP6;
		writer_put(w, b, 4);
		writer_put(w, host->addr.ip, 16);
		writer_u32(w, host->addr.scope);
	}
}

static void
put_option(struct coap_optw *o, uint16_t number, struct span value)
{
	coap_put_opt(o, number, value);
	if (number != COAP_OPT_URI_HOST || o->w->full)
		return;
	for (uint8_t *p = o->w->cur - value.n; p < o->w->cur; p++)
		*p = span_lower(*p);
}

/* Writes the options of M that belong to PART, and where they end. Returns
 * whether any belongs to PART_REST. */
static bool
put_each(struct writer *w, const struct coap_msg *m, enum part part)
{
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;
	bool rest = false;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		enum part p = part_of(it.number, it.def);

		rest |= p == PART_REST;
		if (p == part)
			put_option(&out, it.number, it.value);
	}
	writer_u8(w, END);
	return rest;
}

/* The part that a recognised option NUMBER belongs to. */
static inline enum part
part_of_known(uint16_t number)
{
	const uint64_t none = coap_opt_bit(COAP_OPT_ETAG) |
	    coap_opt_bit(COAP_OPT_OBSERVE) |
	    coap_opt_bit(COAP_OPT_MAX_AGE) |
	    coap_opt_bit(COAP_OPT_HOP_LIMIT) |
	    coap_opt_bit(COAP_OPT_BLOCK2) |
	    coap_opt_bit(COAP_OPT_BLOCK1) |
	    coap_opt_bit(COAP_OPT_SIZE2) |
	    coap_opt_bit(COAP_OPT_SIZE1) |
	    coap_opt_bit(COAP_OPT_ECHO) |
	    coap_opt_bit(COAP_OPT_REQUEST_TAG) |
	    coap_opt_bit(COAP_OPT_NO_RESPONSE);
	uint64_t bit = coap_opt_bit(number);

	if ((bit & coap_opt_targets()) != 0)
		return PART_TARGET;
	return (bit & none) != 0 ? PART_NONE : PART_REST;
}

/* Likewise of M that has recognised options only: those in a row are copied as
 * they stand. */
static bool
put_runs(struct writer *w, const struct coap_msg *m, enum part part)
{
	struct coap_walk c = coap_walk(m->opts);
	struct coap_optw out = coap_optw(w);
	const uint8_t *run = c.cur;	/* not yet written */
	uint16_t last = 0;		/* the option before the cursor */
	bool rest = false;

	for (;;) {
		const uint8_t *at = c.cur;
		bool more = coap_walk_next(&c);
		enum part p = more ? part_of_known(c.number) : PART_NONE;
		bool takes = p == part && c.number != COAP_OPT_URI_HOST;

		rest |= p == PART_REST;
		/* A run begins behind the option written last. */
		if (takes && (at != run || out.last == last)) {
			last = c.number;
			continue;
		}
		if (at != run) {
			writer_put(w, run, (size_t)(at - run));
			out.last = last;
		}
		if (!more)
			break;
		if (p == part)
			put_option(&out, c.number, c.value);
		last = c.number;
		run = c.cur;
	}
	writer_u8(w, END);
	return rest;
}

static bool
put_options(struct writer *w, const struct coap_msg *m, enum part part)
{
	return m->known ? put_runs(w, m, part) : put_each(w, m, part);
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
	uint32_t n;
	bool rest;

	put_authority(w, at);
	rest = put_options(w, m, PART_TARGET);
	middle = w->cur;
	key->uri = hash_from(w, start, secret);
	under = (struct siphash_key){ secret->k0 ^ key->uri, secret->k1 };

	if (asked && body == COAP_KEY_BODY)
		payload = m->payload;
	n = asked && body == COAP_KEY_NO_BODY ? UINT32_MAX :
	    (uint32_t)payload.n;
	writer_put(w, (uint8_t[]){ m->code, (uint8_t)(n >> 24),
		(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, END },
	    rest ? 5 : 6);
	if (rest)
		put_options(w, m, PART_REST);
	writer_span_put(w, payload);
	key->octets = span_make(start, (size_t)(w->cur - start));
	/* Who cannot tell the hash of the URI cannot tell any other number
	 * that is as far from it as the method says. */
	key->hash = rest || asked ? hash_from(w, middle, &under) :
	    key->uri + m->code;
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
	*uri = hash_from(w, start, secret);
	return !w->full;
}

/* Writes the options NUMBER of M as if their number was AS. */
static void
put_as(struct coap_optw *o, const struct coap_msg *m, uint16_t number,
    uint16_t as)
{
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == number && it.def != NULL)
			put_option(o, as, it.value);
}

bool
coap_location_hash(uint64_t *uri, struct writer *w,
    const struct siphash_key *secret, const struct coap_msg *m,
    const struct coap_authority *at, const struct coap_msg *location)
{
	const uint8_t *start = w->cur;
	struct coap_optw o = coap_optw(w);

	put_authority(w, at);
	put_as(&o, m, COAP_OPT_URI_HOST, COAP_OPT_URI_HOST);
	put_as(&o, m, COAP_OPT_URI_PORT, COAP_OPT_URI_PORT);
	/* A query alone leaves the path as it is (RFC 3986 5.2.2). */
	if (coap_has(location, COAP_OPT_LOCATION_PATH))
		put_as(&o, location, COAP_OPT_LOCATION_PATH, COAP_OPT_URI_PATH);
	else
		put_as(&o, m, COAP_OPT_URI_PATH, COAP_OPT_URI_PATH);
	put_as(&o, location, COAP_OPT_LOCATION_QUERY, COAP_OPT_URI_QUERY);
	put_as(&o, m, COAP_OPT_PROXY_SCHEME, COAP_OPT_PROXY_SCHEME);
	writer_u8(w, END);
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
	uint32_t kind;
	struct span a;

	*scheme = (enum coap_scheme)number(r, 1);
	*port = (uint16_t)number(r, 2);
	kind = number(r, 1);
	*host = (struct coap_host){ .literal = kind != HOST_NAME };
	if (!host->literal) {
		host->text = take(r, number(r, 1));
	} else {
		host->addr.family = (uint8_t)kind;
		a = take(r, kind == HOST_IP4 ? 4 : sizeof(host->addr.ip));
		if (a.n > 0)
			memcpy(host->addr.ip, a.p, a.n);
		if (kind == HOST_IP6)
			host->addr.scope = number(r, 4);
	}
	return !r->bad && (kind == HOST_NAME || kind == HOST_IP4 ||
		kind == HOST_IP6) && *scheme >= COAP_SCHEME_COAP &&
	    *scheme <= COAP_SCHEME_COAPS_WS;
}

bool
coap_key_format(struct span key, char *out, size_t cap, uint8_t *method)
{
	struct reader r = { key.p, key.n, false };
	struct coap_msg m = { .code = COAP_GET };
	enum coap_scheme scheme;
	struct coap_host host;
	uint8_t name_buf[COAP_HOST_MAX];
	struct span name, rest;
	uint16_t port;

	if (!read_authority(&r, &scheme, &port, &host) ||
	    !coap_parse_marked(&m, span_make(r.p, r.n), &rest) || rest.n == 0)
		return false;
	*method = rest.p[0];
	/* What the origin goes by, where it was asked to. */
	if (coap_get(&m, COAP_OPT_URI_HOST, &name) &&
	    !coap_host_parse(&host, name, name_buf, false))
		return false;
	return coap_uri_format(&m, scheme, &host, port, out, cap);
}
