/*
 * reader: checked big-endian cursor over borrowed octets.
 *
 * A short read returns zero and sets the sticky "bad"; the caller tests it
 * once, at the end. Lengths are compared as "n > end - cur": the other form,
 * cur + n > end, overflows.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/span.h"

struct reader {
	const uint8_t *cur, *end;
	bool bad;
};

static inline struct reader
reader_make(struct span s)
{
	return (struct reader){ s.p, s.n > 0 ? s.p + s.n : s.p, false };
}

static inline size_t
reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->cur);
}

/* The next N octets, or an empty span and "bad" when fewer are left. */
static inline struct span
reader_take(struct reader *r, size_t n)
{
	struct span s;

	if (n > reader_left(r)) {
		r->bad = true;
		return (struct span){ r->cur, 0 };
	}
	s = span_make(r->cur, n);
	r->cur += n;
	return s;
}

static inline uint8_t
reader_u8(struct reader *r)
{
	if (r->cur == r->end) {
		r->bad = true;
		return 0;
	}
	return *r->cur++;
}

static inline uint16_t
reader_u16(struct reader *r)
{
	struct span s = reader_take(r, 2);

	if (s.n != 2)
		return 0;
	return (uint16_t)((unsigned)s.p[0] << 8 | s.p[1]);
}

#endif
