/*
 * report: collects, sorts and renders what is wrong.
 *
 * Errors are found in passes (reading, values, rules across keys), but an
 * operator works through a file from top to bottom: so entries are sorted when
 * all are known. A file that is not a configuration at all has thousands of
 * them; past a limit they are only counted.
 */
#include "conf/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"

enum {
	SHOWN_MAX = 1000,	/* entries kept */
	QUOTE_MAX = 160,	/* octets of a line that are quoted */
	QUOTE_BEFORE = 60,	/* of them before the place, in a long line */
};

struct report_entry {
	struct conf_pos pos;
	size_t seq;
	bool warning;
	char *text;
};

static void add(struct report *r, const struct conf_pos *pos, bool warning,
    const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));

static void
add(struct report *r, const struct conf_pos *pos, bool warning,
    const char *fmt, va_list ap)
{
	struct report_entry *v;
	char *text = NULL;

	if (warning)
		r->warnings++;
	else
		r->errors++;
	if (r->n == SHOWN_MAX)
		return;
	v = reallocarray(r->v, r->n + 1, sizeof(*v));
	if (v != NULL)
		r->v = v;
	if (v == NULL || vasprintf(&text, fmt, ap) < 0) {
		r->starved = true;
		return;
	}
	r->v[r->n] = (struct report_entry){ *pos, r->n, warning, text };
	r->n++;
}

void
report_error(struct report *r, const struct conf_pos *pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, pos, false, fmt, ap);
	va_end(ap);
}

void
report_warning(struct report *r, const struct conf_pos *pos, const char *fmt,
    ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(r, pos, true, fmt, ap);
	va_end(ap);
}

static int
order(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int
compare(const void *a, const void *b)
{
	const struct report_entry *x = a, *y = b;
	int c = order(x->pos.file->order, y->pos.file->order);

	if (c == 0)
		c = order(x->pos.line, y->pos.line);
	if (c == 0)
		c = order(x->pos.col, y->pos.col);
	return c != 0 ? c : order(x->seq, y->seq);
}

/* Controls would do things to a terminal. */
static void
put_quoted(FILE *f, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		fputc(s.p[i] != '\t' && (s.p[i] < ' ' || s.p[i] == 0x7f) ?
		    '?' : s.p[i], f);
}

/* Blanks as wide as S: tabs stay, an UTF-8 character is one column. */
static void
put_indent(FILE *f, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			fputc(s.p[i] == '\t' ? '\t' : ' ', f);
}

static void
put_line(FILE *f, const struct conf_pos *pos)
{
	struct span s = pos->text;
	size_t at = pos->col - 1;
	const char *cut = "";

	if (at > s.n)
		at = s.n;
	if (at > QUOTE_MAX - QUOTE_BEFORE) {
		cut = "...";
		s.p += at - QUOTE_BEFORE;
		s.n -= at - QUOTE_BEFORE;
		at = QUOTE_BEFORE;
	}
	fprintf(f, "%7u | %s", pos->line, cut);
	put_quoted(f, span_make(s.p, s.n > QUOTE_MAX ? QUOTE_MAX : s.n));
	fprintf(f, "%s\n        | %*s", s.n > QUOTE_MAX ? "..." : "",
	    (int)strlen(cut), "");
	put_indent(f, span_make(s.p, at));
	fputs("^\n", f);
}

static void
put_entry(FILE *f, const struct report_entry *e)
{
	put_quoted(f, span_str(e->pos.file->name));
	if (e->pos.line > 0)
		fprintf(f, ":%u", e->pos.line);
	if (e->pos.col > 0)
		fprintf(f, ":%u", e->pos.col);
	fputs(e->warning ? ": warning: " : ": error: ", f);
	put_quoted(f, span_str(e->text));
	fputc('\n', f);
	if (e->pos.col > 0)
		put_line(f, &e->pos);
}

static void
put_all(FILE *f, const struct report *r, const char *name)
{
	qsort(r->v, r->n, sizeof(*r->v), compare);
	for (size_t i = 0; i < r->n; i++)
		put_entry(f, &r->v[i]);
	put_quoted(f, span_str(r->errors > 0 ? name : ""));
	if (r->errors > 0)
		fprintf(f, ": %u error%s%s\n", r->errors,
		    r->errors == 1 ? "" : "s",
		    r->n == SHOWN_MAX ? ", not all of them shown" : "");
}

char *
report_text(struct report *r, const char *name)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	if (r->n == 0 && !r->starved)
		return NULL;
	f = r->starved ? NULL : open_memstream(&text, &n);
	if (f != NULL) {
		put_all(f, r, name);
		if (fclose(f) == 0 && text != NULL)
			return text;
		free(text);
	}
	r->starved = true;
	return try_asprintf("%s: out of memory\n", name);
}

void
report_fini(struct report *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].text);
	free(r->v);
	*r = (struct report){ 0 };
}
