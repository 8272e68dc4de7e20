/*
 * emit: the writing half of the codec.
 *
 *	 0                   1                   2                   3
 *	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *	|Ver| T |  TKL  |     Code      |          Message ID           |
 *	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *	| Token length (0-2), Token, Options, 0xff and Payload if any ...
 *
 * Option delta, option length and token length share one way of writing a
 * number: a nibble and up to two octets behind.
 */
#include "coap/emit.h"

#include <assert.h>

enum {
	VERSION = 1 << 6,
	EXT8 = 13,		/* first number that takes one more octet */
	EXT16 = 269,		/* ... and two */
	EXT_MAX = 65535 + 269,
};

static uint8_t
nibble(size_t v)
{
	if (v < EXT8)
		return (uint8_t)v;
	return v < EXT16 ? 13 : 14;
}

/* What follows the nibble of V. */
static void
put_ext(struct writer *w, size_t v)
{
	if (v >= EXT16)
		writer_u16(w, (uint16_t)(v - EXT16));
	else if (v >= EXT8)
		writer_u8(w, (uint8_t)(v - EXT8));
}

/* Copies at most 16 octets: from both ends, which meet or overlap. */
static inline void
copy_short(uint8_t *to, const uint8_t *from, size_t n)
{
	uint64_t a, b;
	uint32_t c, d;

	if (n >= 8) {
		memcpy(&a, from, 8);
		memcpy(&b, from + n - 8, 8);
		memcpy(to, &a, 8);
		memcpy(to + n - 8, &b, 8);
	} else if (n >= 4) {
		memcpy(&c, from, 4);
		memcpy(&d, from + n - 4, 4);
		memcpy(to, &c, 4);
		memcpy(to + n - 4, &d, 4);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

void
coap_put_opt(struct coap_optw *o, uint16_t number, struct span value)
{
	struct writer *w = o->w;
	unsigned delta;

	assert(number >= o->last);
	delta = (unsigned)number - o->last;
	o->last = number;
	if (delta < EXT8 && value.n < EXT8 && !w->full &&
	    value.n < (size_t)(w->end - w->cur)) {
		*w->cur = (uint8_t)(delta << 4 | value.n);
		copy_short(w->cur + 1, value.p, value.n);
		w->cur += 1 + value.n;
		return;
	}
	if (value.n > EXT_MAX) {
		w->full = true;
		return;
	}
	writer_u8(w, (uint8_t)(nibble(delta) << 4 | nibble(value.n)));
	put_ext(w, delta);
	put_ext(w, value.n);
	writer_span_put(w, value);
}

void
coap_put_uint(struct coap_optw *o, uint16_t number, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
		(uint8_t)(v >> 8), (uint8_t)v };
	size_t skip = v == 0 ? sizeof(b) : (size_t)__builtin_clz(v) / 8;

	coap_put_opt(o, number, span_make(b + skip, sizeof(b) - skip));
}

/* Copies S to TO, where there is room; returns what is behind it. */
static inline uint8_t *
append(uint8_t *to, struct span s)
{
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

size_t
coap_emit(uint8_t *out, size_t cap, const struct coap_head *h,
    struct span opts, struct span payload)
{
	size_t token = h->token.n;
	uint8_t *to = out;

	if (token > EXT_MAX || opts.n > cap || payload.n > cap ||
	    coap_emit_size(token, opts.n, payload.n) > cap)
		return 0;
	*to++ = (uint8_t)(VERSION | (h->type & 3) << 4 | nibble(token));
	*to++ = h->code;
	*to++ = (uint8_t)(h->mid >> 8);
	*to++ = (uint8_t)h->mid;
	if (token >= EXT16)
		*to++ = (uint8_t)((token - EXT16) >> 8);
	if (token >= EXT8)
		*to++ = (uint8_t)(token - (token >= EXT16 ? EXT16 : EXT8));
	to = append(to, h->token);
	to = append(to, opts);
	if (payload.n > 0) {
		*to++ = 0xff;
		to = append(to, payload);
	}
	return (size_t)(to - out);
}

void
coap_emit_empty(uint8_t out[4], uint8_t type, uint16_t mid)
{
	out[0] = (uint8_t)(VERSION | (type & 3) << 4);
	out[1] = COAP_EMPTY;
	out[2] = (uint8_t)(mid >> 8);
	out[3] = (uint8_t)mid;
}
