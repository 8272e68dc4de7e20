/*
 * rows: a table as text in columns, or as lines of JSON.
 *
 * The same calls make either: a row is one line, or one object with the
 * columns' keys.
 */
#ifndef CTL_ROWS_H
#define CTL_ROWS_H

#include <stdint.h>

#include "base/span.h"

struct evbuffer;

struct column {
	const char *key;	/* in JSON */
	const char *title;
	int width;		/* negative: to the right; 0: as it comes, for
				 * the last one */
};

struct rows {
	struct evbuffer *to;
	const struct column *cols;
	size_t ncols, at;
	bool json;
};

/* Begins a table of N columns; as text with a line of titles. COLS is
 * borrowed. */
void rows_begin(struct rows *r, struct evbuffer *to, bool json,
    const struct column *cols, size_t n);

/* The next cells; a row ends by itself when it has them all. */
void rows_text(struct rows *r, const char *s);
void rows_number(struct rows *r, uint64_t v);
void rows_bool(struct rows *r, bool v);
void rows_ms(struct rows *r, uint64_t ms);	/* seconds in JSON */
void rows_none(struct rows *r);

#endif
