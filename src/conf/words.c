/*
 * words: the lexer of values.
 *
 * One pass from left to right into a fixed buffer: what a word may come to is
 * bounded, whatever the environment or a file holds. What is put in from
 * outside is never looked at again, so it cannot quote, split or expand.
 */
#include "conf/words.h"

#include <stdarg.h>
#include <stdlib.h>

#include "coap/pct.h"
#include "conf/expand.h"

struct lexer {
	const uint8_t *start, *cur, *end;
	unsigned col;		/* of start */
	bool list;
	struct words_error *err;
	char word[WORD_MAX];
	size_t n;
	bool secret;
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool
is_separator(const struct lexer *l, uint8_t c)
{
	return is_blank(c) || (l->list && c == ',');
}

/* Says what is wrong at AT; false. */
static bool __attribute__((format(printf, 3, 4)))
fail(struct lexer *l, const uint8_t *at, const char *fmt, ...)
{
	va_list ap;

	l->err->col = l->col + (unsigned)(at - l->start);
	l->err->starved = false;
	va_start(ap, fmt);
	vsnprintf(l->err->text, sizeof(l->err->text), fmt, ap);
	va_end(ap);
	return false;
}

static bool
put(struct lexer *l, struct span s)
{
	if (s.n > WORD_MAX - l->n)
		return fail(l, l->cur, "a word is longer than %d octets",
		    WORD_MAX);
	if (s.n > 0)
		memcpy(l->word + l->n, s.p, s.n);
	l->n += s.n;
	return true;
}

/* "$": a dollar, or something that stands for something else. */
static bool
lex_dollar(struct lexer *l)
{
	const uint8_t *at = l->cur, *close;
	char text[WORD_MAX + 1], why[128];
	struct expansion x = { .text = text, .cap = sizeof(text), .why = why,
		.why_cap = sizeof(why) };

	if (l->end - at >= 2 && at[1] == '$') {
		l->cur += 2;
		return put(l, SPAN_LIT("$"));
	}
	if (l->end - at < 2 || at[1] != '{')
		return fail(l, at, "'$' begins ${env:NAME}, ${cred:NAME} or "
		    "${file:/path}; a dollar is written '$$'");
	close = memchr(at, '}', (size_t)(l->end - at));
	if (close == NULL)
		return fail(l, at, "'${' without '}'");
	if (!expand(&x, span_make(at + 2, (size_t)(close - at) - 2)))
		return fail(l, at, "%s", why);
	l->secret = l->secret || x.secret;
	if (!put(l, span_make(text, x.n)))
		return false;
	l->cur = close + 1;
	return true;
}

/* A backslash within quotes. */
static bool
lex_escape(struct lexer *l)
{
	const uint8_t *at = l->cur;
	size_t left = (size_t)(l->end - at);
	uint8_t c;
	int hi, lo;

	if (left >= 2 && (at[1] == '"' || at[1] == '\\' || at[1] == 'n')) {
		c = at[1] == 'n' ? '\n' : at[1];
		l->cur += 2;
		return put(l, span_make(&c, 1));
	}
	if (left < 2 || at[1] != 'x')
		return fail(l, at, "unknown escape; there are \\\" \\\\ \\n "
		    "and \\xNN");
	hi = left >= 4 ? pct_hex(at[2]) : -1;
	lo = left >= 4 ? pct_hex(at[3]) : -1;
	if (hi < 0 || lo < 0)
		return fail(l, at, "\\x needs two hexadecimal digits");
	c = (uint8_t)(hi << 4 | lo);
	if (c == 0)
		return fail(l, at, "a value cannot hold \\x00");
	l->cur += 4;
	return put(l, span_make(&c, 1));
}

static bool
lex_quoted(struct lexer *l)
{
	const uint8_t *open = l->cur++;
	bool ok = true;

	while (ok && l->cur < l->end && *l->cur != '"') {
		if (*l->cur == '\\')
			ok = lex_escape(l);
		else if (*l->cur == '$')
			ok = lex_dollar(l);
		else
			ok = put(l, span_make(l->cur++, 1));
	}
	if (!ok)
		return false;
	if (l->cur == l->end)
		return fail(l, open, "the quotation has no end");
	l->cur++;
	return true;
}

static bool
lex_word(struct lexer *l)
{
	bool ok = true;

	l->n = 0;
	l->secret = false;
	while (ok && l->cur < l->end && !is_separator(l, *l->cur)) {
		if (*l->cur == '"')
			ok = lex_quoted(l);
		else if (*l->cur == '$')
			ok = lex_dollar(l);
		else
			ok = put(l, span_make(l->cur++, 1));
	}
	return ok;
}

static bool
keep_word(struct words *out, struct arena *arena, struct lexer *l,
    unsigned col)
{
	char *text = arena_alloc(arena, l->n + 1);
	struct word *v = out->v;

	/* Room doubles whenever the number reaches a power of two. */
	if ((out->n & (out->n - 1)) == 0)
		v = reallocarray(v, out->n > 0 ? 2 * out->n : 1, sizeof(*v));
	if (v != NULL)
		out->v = v;
	if (v == NULL || text == NULL) {
		fail(l, l->cur, "out of memory");
		l->err->starved = true;
		return false;
	}
	memcpy(text, l->word, l->n);
	text[l->n] = '\0';
	out->v[out->n++] = (struct word){ text, col, l->secret };
	return true;
}

bool
words_split(struct words *out, struct arena *arena, struct span text,
    unsigned col, bool list, struct words_error *err)
{
	struct lexer l = { .start = text.p, .cur = text.p,
		.end = text.p + text.n, .col = col, .list = list, .err = err };

	*out = (struct words){ NULL, 0 };
	for (;;) {
		while (l.cur < l.end && is_separator(&l, *l.cur))
			l.cur++;
		if (l.cur == l.end)
			return true;
		col = l.col + (unsigned)(l.cur - l.start);
		if (!lex_word(&l) || !keep_word(out, arena, &l, col))
			break;
	}
	words_fini(out);
	return false;
}

void
words_fini(struct words *w)
{
	free(w->v);
	*w = (struct words){ NULL, 0 };
}

size_t
words_uncomment(struct span line, bool quotes)
{
	bool quoted = false, blank = true;

	for (size_t i = 0; i < line.n; i++) {
		uint8_t c = line.p[i];

		if (!quoted && blank && (c == '#' || c == ';'))
			return i;
		blank = is_blank(c);
		if (quoted && c == '\\')
			i++;
		else if (quotes && c == '"')
			quoted = !quoted;
	}
	return line.n;
}

void
words_quote(FILE *f, const char *text)
{
	bool plain = text[0] != '\0' && strpbrk(text, " \t,\"#;\\") == NULL;

	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			plain = false;
	if (!plain)
		fputc('"', f);
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < ' ' || c == 0x7f)
			fprintf(f, "\\x%02x", (unsigned)c);
		else if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c == '$')
			fputs("$$", f);
		else
			fputc(c, f);
	}
	if (!plain)
		fputc('"', f);
}
