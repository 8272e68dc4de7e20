/*
 * msg: one pass over a datagram.
 *
 * Every option is decoded once and either recognised, which sets its bit, or
 * not, which notes its number if the number says that ignoring it is not
 * allowed. The iterator of the later stages runs the same step, so that it
 * cannot see another message than the parser saw.
 *
 * A length is held against what is left, never added to a position.
 */
#include "coap/msg.h"

enum {
	HEADER = 4,
	VERSION = 1,
	MARKER = 0xff,
	HOP_LIMIT_LONGEST = 8,
	NO_NUMBER = 65536,	/* one more than there are */
};

/* The COAP_IN_* that a message with CODE answers to. Unknown methods get 4.05
 * (MSG-26), so nothing depends on their place; reserved classes have none. */
static inline unsigned
place_of(uint8_t code)
{
	static const uint8_t method[] = {
		0, COAP_IN_GET_FETCH, COAP_IN_BODY, COAP_IN_BODY, COAP_IN_OTHER,
		COAP_IN_GET_FETCH | COAP_IN_BODY, COAP_IN_BODY, COAP_IN_BODY,
	};
	unsigned class = coap_code_class(code);

	if (class == 0)
		return code < sizeof(method) ? method[code] : COAP_IN_BODY;
	return class >= 2 && class <= 5 ? COAP_IN_RESP : 0;
}

/* Whether a value of N octets may stand in DEF. A Hop-Limit of a wrong length
 * is kept apart from unknown options, which would be forwarded: it is to be
 * refused with 4.00 (PRX-54), and whoever does so must find it. */
static inline bool
length_ok(const struct coap_opt_def *def, size_t n)
{
	if (n >= def->min && n <= def->max)
		return true;
	return def->number == COAP_OPT_HOP_LIMIT && n <= HOP_LIMIT_LONGEST;
}

/* The row of the option at IT, or NULL when it counts as unrecognised. */
static inline const struct coap_opt_def *
recognise(const struct coap_opt_iter *it, unsigned place)
{
	const struct coap_opt_def *def = coap_opt(it->number);

	if (def == NULL || def->duty == COAP_DUTY_NONE)
		return NULL;
	if ((def->in & place) == 0)
		return NULL;	/* RFC 7252 5.4, MSG-19 */
	if (it->seen == it->number && (def->repeat & place) == 0)
		return NULL;	/* RFC 7252 5.4.5, MSG-18 */
	if (!length_ok(def, it->value.n))
		return NULL;	/* RFC 7252 5.4.3, MSG-17 */
	return def;
}

/* Replaces the nibble *V by the number it stands for (RFC 7252 3.1; for the
 * token length RFC 8974 2.1). */
static inline bool
extend(struct coap_opt_iter *it, uint32_t *v)
{
	size_t left = (size_t)(it->end - it->cur);

	if (*v < 13)
		return true;
	if (*v == 13 && left >= 1) {
		*v = 13u + it->cur[0];
		it->cur += 1;
		return true;
	}
	if (*v == 14 && left >= 2) {
		*v = 269u + (uint32_t)(it->cur[0] << 8 | it->cur[1]);
		it->cur += 2;
		return true;
	}
	return false;		/* 15, or cut short */
}

/* Reads the option at the cursor, which is not at the end. */
static inline bool
step(struct coap_opt_iter *it, unsigned place)
{
	uint32_t delta = *it->cur >> 4;
	uint32_t len = *it->cur & 15;

	it->cur++;
	if (!extend(it, &delta) || !extend(it, &len))
		return false;
	if (delta >= NO_NUMBER - (uint32_t)it->number)
		return false;	/* MSG-13 */
	if (len > (size_t)(it->end - it->cur))
		return false;
	it->number = (uint16_t)(it->number + delta);
	it->value = span_make(it->cur, len);
	it->cur += len;
	it->def = recognise(it, place);
	it->seen = it->number;
	return true;
}

static inline struct coap_opt_iter
iter_make(struct span opts, uint8_t code)
{
	return (struct coap_opt_iter){
		.cur = opts.p,
		.end = opts.n > 0 ? opts.p + opts.n : opts.p,
		.code = code,
		.seen = UINT32_MAX,
	};
}

/* Reads options up to the end or a payload marker and tells M. Returns where
 * it stopped, or NULL on a format error. */
static const uint8_t *
scan(struct coap_msg *m, struct span s)
{
	struct coap_opt_iter it = iter_make(s, m->code);
	unsigned place = place_of(m->code);
	uint32_t critical = 0, unsafe = 0;
	uint64_t has = 0;
	bool known = true;

	while (it.cur != it.end && *it.cur != MARKER) {
		if (!step(&it, place))
			return NULL;
		if (it.def != NULL) {
			has |= coap_opt_bit(it.number);
			continue;
		}
		known = false;
		/* Option 0 is neither, so that 0 can stand for none. */
		if (critical == 0 && coap_opt_critical(it.number))
			critical = it.number;
		if (unsafe == 0 && coap_opt_unsafe(it.number))
			unsafe = it.number;
	}
	m->opts = s;
	m->opts.n -= (size_t)(it.end - it.cur);
	m->has = has;
	m->known = known;
	m->unknown_critical = critical;
	m->unknown_unsafe = unsafe;
	return it.cur;
}

/* Reads the token, which begins with its extended length if any. Returns what
 * is behind it, or NULL on a format error. */
static const uint8_t *
take_token(struct coap_msg *m, struct span datagram)
{
	struct coap_opt_iter it = iter_make(datagram, m->code);
	uint32_t len = datagram.p[0] & 15;

	it.cur += HEADER;
	if (!extend(&it, &len) || len > (size_t)(it.end - it.cur))
		return NULL;
	m->token = span_make(it.cur, len);
	return it.cur + len;
}

enum coap_parse
coap_parse(struct coap_msg *m, struct span datagram)
{
	const uint8_t *cur, *end;

	memset(m, 0, sizeof(*m));
	if (datagram.n < HEADER || datagram.p[0] >> 6 != VERSION)
		return COAP_PARSE_IGNORE;
	end = datagram.p + datagram.n;
	m->type = datagram.p[0] >> 4 & 3;
	m->code = datagram.p[1];
	m->mid = (uint16_t)(datagram.p[2] << 8 | datagram.p[3]);
	cur = take_token(m, datagram);
	if (cur == NULL)
		return COAP_PARSE_BAD;
	if (m->code == COAP_EMPTY && datagram.n != HEADER)
		return COAP_PARSE_BAD;	/* RFC 7252 4.1 */
	cur = scan(m, span_make(cur, (size_t)(end - cur)));
	if (cur == NULL)
		return COAP_PARSE_BAD;
	if (cur == end)
		return COAP_PARSE_OK;
	cur++;
	if (cur == end)
		return COAP_PARSE_BAD;	/* MSG-11 */
	if (coap_code_has_payload(m->code))
		m->payload = span_make(cur, (size_t)(end - cur));
	return COAP_PARSE_OK;
}

bool
coap_parse_opts(struct coap_msg *m, struct span opts)
{
	/* No options at all may be a null span. */
	return opts.n == 0 ? scan(m, opts) == opts.p :
	    scan(m, opts) == opts.p + opts.n;
}

bool
coap_parse_marked(struct coap_msg *m, struct span opts, struct span *rest)
{
	const uint8_t *cur = opts.n > 0 ? scan(m, opts) : NULL;
	const uint8_t *end = opts.n > 0 ? opts.p + opts.n : NULL;

	if (cur == NULL || cur == end)
		return false;
	*rest = span_make(cur + 1, (size_t)(end - cur - 1));
	return true;
}

void
coap_opts(struct coap_opt_iter *it, const struct coap_msg *m)
{
	*it = iter_make(m->opts, m->code);
}

bool
coap_opts_next(struct coap_opt_iter *it)
{
	return it->cur != it->end && step(it, place_of(it->code));
}

struct span
coap_find(const struct coap_msg *m, uint16_t number)
{
	struct coap_walk w = coap_walk(m->opts);
	struct coap_opt_iter it;

	/* Its first is the one that is recognised. */
	if (m->known) {
		while (coap_walk_next(&w))
			if (w.number == number)
				return w.value;
		return span_make(NULL, 0);
	}
	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == number && it.def != NULL)
			return it.value;
	return span_make(NULL, 0);
}

bool
coap_get_uint(const struct coap_msg *m, uint16_t number, uint32_t *v)
{
	struct span value;

	if (!coap_get(m, number, &value))
		return false;
	*v = coap_uint(value);
	return true;
}

uint32_t
coap_uint(struct span value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < value.n; i++) {
		v = v << 8 | value.p[i];
		/* An over-long Hop-Limit must not wrap to a legal one. */
		if (v > UINT32_MAX)
			return UINT32_MAX;
	}
	return (uint32_t)v;
}
