/*
 * link: reading and writing of link-format.
 *
 * The walk over a link cuts it at its delimiters and checks it on the way, so
 * that walking over its attributes afterwards cannot fail. Both use the same
 * reader of one attribute.
 */
#include "coap/link.h"

#include "coap/pct.h"

static bool
is_alnum(uint8_t c)
{
	uint8_t lower = span_lower(c);

	return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
}

/* RFC 5987 3.2.1 attr-char, and the "*" of RFC 6690's ext-name-star. */
static bool
is_name(uint8_t c)
{
	return is_alnum(c) || (c != '\0' && strchr("!#$&+-.^_`|~*", c) != NULL);
}

/* RFC 6690 2, ptokenchar. */
static bool
is_ptoken(uint8_t c)
{
	return is_name(c) ||
	    (c != '\0' && strchr("%'()/:<=>?@[]{}", c) != NULL);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What a quoted string consists of (RFC 2616 2.2): TEXT, which is any octet
 * but controls, and white space. */
static bool
is_text(uint8_t c)
{
	return (c >= ' ' && c != 0x7f) || is_blank(c);
}

static bool
is_target(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '<' && c != '>' && c != '"';
}

static void
skip(struct span *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static void
skip_blanks(struct span *s)
{
	while (s->n > 0 && is_blank(s->p[0]))
		skip(s, 1);
}

static bool
starts_with(struct span s, uint8_t c)
{
	return s.n > 0 && s.p[0] == c;
}

/* Cuts off and returns the octets that are IN. */
static struct span
cut(struct span *s, bool (*in)(uint8_t))
{
	struct span head = *s;

	for (head.n = 0; head.n < s->n && in(s->p[head.n]);)
		head.n++;
	skip(s, head.n);
	return head;
}

/* *S is behind the first quote; afterwards behind the last. */
static bool
cut_quoted(struct span *s, struct span *value)
{
	size_t n = 0;

	for (; n < s->n && s->p[n] != '"'; n++) {
		/* quoted-pair: any of US-ASCII behind it. */
		if (s->p[n] == '\\' && (++n == s->n || s->p[n] >= 0x80))
			return false;
		if (!is_text(s->p[n]))
			return false;
	}
	if (n == s->n)
		return false;
	*value = span_make(s->p, n);
	skip(s, n + 1);
	return true;
}

/* Reads an attribute at the beginning of a->rest, behind the ";". */
static bool
read_attr(struct coap_attr *a)
{
	struct span *s = &a->rest, at;

	a->has_value = a->quoted = false;
	a->value = SPAN_LIT("");
	skip_blanks(s);
	a->name = cut(s, is_name);
	if (a->name.n == 0)
		return false;
	at = *s;
	skip_blanks(&at);
	if (!starts_with(at, '='))
		return true;
	skip(&at, 1);
	skip_blanks(&at);
	*s = at;
	a->has_value = true;
	a->quoted = starts_with(at, '"');
	if (a->quoted) {
		skip(s, 1);
		return cut_quoted(s, &a->value);
	}
	a->value = cut(s, is_ptoken);
	return a->value.n > 0;
}

/* Reads ATTRS, and moves it behind them. */
static bool
read_attrs(struct span *attrs)
{
	struct coap_attr a = { .rest = *attrs };

	for (;;) {
		struct span at = a.rest;

		skip_blanks(&at);
		if (!starts_with(at, ';'))
			break;
		skip(&at, 1);
		a.rest = at;
		if (!read_attr(&a))
			return false;
	}
	*attrs = a.rest;
	return true;
}

static bool
read_link(struct coap_link_iter *it)
{
	struct span *s = &it->rest;

	skip_blanks(s);
	it->text = *s;
	if (!starts_with(*s, '<'))
		return false;
	skip(s, 1);
	it->target = cut(s, is_target);
	if (!starts_with(*s, '>'))
		return false;
	skip(s, 1);
	it->attrs = *s;
	if (!read_attrs(s))
		return false;
	it->attrs.n -= s->n;
	it->text.n -= s->n;
	skip_blanks(s);
	return s->n == 0 || s->p[0] == ',';
}

void
coap_links(struct coap_link_iter *it, struct span list)
{
	*it = (struct coap_link_iter){ .rest = list };
}

bool
coap_links_next(struct coap_link_iter *it)
{
	if (it->bad)
		return false;
	if (!it->begun)
		skip_blanks(&it->rest);
	if (it->rest.n == 0)
		return false;
	/* read_link() has stopped at a comma. */
	if (it->begun)
		skip(&it->rest, 1);
	it->begun = true;
	it->bad = !read_link(it);
	return !it->bad;
}

void
coap_attrs(struct coap_attr *a, struct span attrs)
{
	*a = (struct coap_attr){ .rest = attrs };
}

bool
coap_attrs_next(struct coap_attr *a)
{
	skip_blanks(&a->rest);
	if (!starts_with(a->rest, ';'))
		return false;
	skip(&a->rest, 1);
	return read_attr(a);
}

bool
coap_attr_is(const struct coap_attr *a, const char *name)
{
	return span_caseeq(a->name, span_str(name));
}

bool
coap_attr_octet(const struct coap_attr *a, struct span *rest, uint8_t *octet)
{
	if (rest->n == 0)
		return false;
	if (a->quoted && rest->p[0] == '\\')
		skip(rest, 1);
	*octet = rest->p[0];
	skip(rest, 1);
	return true;
}

/* ---- writing ---- */

void
coap_link_begin(struct coap_linkw *l)
{
	if (l->some)
		writer_u8(l->w, ',');
	writer_u8(l->w, '<');
	l->some = true;
	l->ct = false;
}

void
coap_link_segment(struct coap_linkw *l, struct span s)
{
	writer_u8(l->w, '/');
	pct_put(l->w, s, PCT_SEGMENT);
}

void
coap_link_attrs(struct coap_linkw *l)
{
	writer_u8(l->w, '>');
}

/* Whether an attribute NAME may be written, once more or at all. */
static bool
admit(struct coap_linkw *l, struct span name)
{
	if (!span_caseeq(name, SPAN_LIT("ct")))
		return true;
	if (l->ct)
		return false;
	l->ct = true;
	return true;
}

/* These two are quoted strings by the grammar, whatever is in them. */
static bool
needs_quotes(struct span name, struct span value)
{
	if (value.n == 0 || span_caseeq(name, SPAN_LIT("anchor")) ||
	    span_caseeq(name, SPAN_LIT("title")))
		return true;
	for (size_t i = 0; i < value.n; i++)
		if (!is_ptoken(value.p[i]))
			return true;
	return false;
}

static void
put_quoted(struct writer *w, struct span value)
{
	writer_u8(w, '"');
	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = value.p[i];

		if (!is_text(c))
			w->full = true;
		if (c == '"' || c == '\\')
			writer_u8(w, '\\');
		writer_u8(w, c);
	}
	writer_u8(w, '"');
}

void
coap_link_put(struct coap_linkw *l, struct span name, struct span value)
{
	if (!admit(l, name))
		return;
	writer_u8(l->w, ';');
	writer_span_put(l->w, name);
	writer_u8(l->w, '=');
	if (needs_quotes(name, value))
		put_quoted(l->w, value);
	else
		writer_span_put(l->w, value);
}

void
coap_link_copy(struct coap_linkw *l, const struct coap_attr *a)
{
	if (!admit(l, a->name))
		return;
	writer_u8(l->w, ';');
	writer_span_put(l->w, a->name);
	if (!a->has_value)
		return;
	writer_put(l->w, a->quoted ? "=\"" : "=", a->quoted ? 2 : 1);
	writer_span_put(l->w, a->value);
	if (a->quoted)
		writer_u8(l->w, '"');
}
