/*
 * writer: checked big-endian cursor for output.
 *
 * What does not fit is not written, in whole or in part, and sets the sticky
 * "full"; the caller tests it once, at the end.
 */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include "base/span.h"

struct writer {
	uint8_t *start, *cur, *end;
	bool full;
};

static inline struct writer
writer_make(uint8_t *p, size_t cap)
{
	return (struct writer){ p, p, p + cap, false };
}

static inline size_t
writer_len(const struct writer *w)
{
	return (size_t)(w->cur - w->start);
}

/* What has been written so far. */
static inline struct span
writer_span(const struct writer *w)
{
	return span_make(w->start, writer_len(w));
}

static inline void
writer_put(struct writer *w, const void *p, size_t n)
{
	if (w->full || n > (size_t)(w->end - w->cur)) {
		w->full = true;
		return;
	}
	if (n > 0)
		memcpy(w->cur, p, n);
	w->cur += n;
}

static inline void
writer_span_put(struct writer *w, struct span s)
{
	writer_put(w, s.p, s.n);
}

static inline void
writer_u8(struct writer *w, uint8_t v)
{
	if (w->full || w->cur == w->end) {
		w->full = true;
		return;
	}
	*w->cur++ = v;
}

static inline void
writer_u16(struct writer *w, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	writer_put(w, b, sizeof(b));
}

static inline void
writer_u32(struct writer *w, uint32_t v)
{
	writer_u16(w, (uint16_t)(v >> 16));
	writer_u16(w, (uint16_t)v);
}

#endif
