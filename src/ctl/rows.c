/*
 * rows: cells.
 */
#include "ctl/rows.h"

#include <event2/buffer.h>

#include "ctl/text.h"

static void
cell(struct rows *r, const char *text)
{
	const struct column *c = &r->cols[r->at];
	bool last = r->at + 1 == r->ncols;

	text_cell(r->to, span_str(text), c->width);
	evbuffer_add(r->to, last ? "\n" : "  ", last ? 1 : 2);
	r->at = last ? 0 : r->at + 1;
}

/* The key of the next value. */
static void
key(struct rows *r)
{
	evbuffer_add_printf(r->to, "%s\"%s\":", r->at == 0 ? "{" : ",",
	    r->cols[r->at].key);
}

static void
value_end(struct rows *r)
{
	if (++r->at < r->ncols)
		return;
	evbuffer_add(r->to, "}\n", 2);
	r->at = 0;
}

static void
raw(struct rows *r, const char *json)
{
	key(r);
	evbuffer_add(r->to, json, strlen(json));
	value_end(r);
}

void
rows_begin(struct rows *r, struct evbuffer *to, bool json,
    const struct column *cols, size_t n)
{
	*r = (struct rows){ to, cols, n, 0, json };
	for (size_t i = 0; !json && i < n; i++)
		cell(r, cols[i].title);
}

void
rows_text(struct rows *r, const char *s)
{
	if (!r->json) {
		cell(r, s);
		return;
	}
	key(r);
	text_json(r->to, span_str(s));
	value_end(r);
}

void
rows_number(struct rows *r, uint64_t v)
{
	char text[TEXT_SHORT];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	if (r->json)
		raw(r, text);
	else
		cell(r, text);
}

void
rows_bool(struct rows *r, bool v)
{
	if (r->json)
		raw(r, v ? "true" : "false");
	else
		cell(r, v ? "yes" : "no");
}

void
rows_ms(struct rows *r, uint64_t ms)
{
	char text[TEXT_SHORT];

	if (!r->json) {
		cell(r, text_time(ms, text));
		return;
	}
	snprintf(text, sizeof(text), "%llu.%03u",
	    (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
	raw(r, text);
}

void
rows_none(struct rows *r)
{
	if (r->json)
		raw(r, "null");
	else
		cell(r, "-");
}
