/*
 * publish: from the origin's references to ours.
 *
 * A reference goes through the same reading that a client's request for it
 * would: cut by RFC 3986, dots removed, decoded into Uri-Path options. What
 * the rule does to such a request is then done backwards.
 */
#include "proxy/publish.h"

#include "coap/link.h"
#include "coap/pct.h"

enum {
	OPTS_MAX = 1280,	/* Uri-Path options of one target */
	URI_TEXT_MAX = 2048,
};

/* A list being written, for one path of the rule. */
struct press {
	const struct rule *rule;
	const struct path *path;
	struct coap_linkw out;
	const uint8_t *theirs;	/* what of a path written is behind ours */
	char host[ADDR_STRLEN];	/* the origin's address, if it is one */
};

/* ---- what must not be seen ---- */

static bool
ends_with(struct span s, const char *word)
{
	size_t n = strlen(word);

	return s.n >= n && span_caseeq(span_make(s.p + (s.n - n), n),
	    span_make(word, n));
}

/* Whether TEXT, behind which "//" comes, ends like "coap:". */
static bool
coap_scheme_before(struct span text)
{
	for (unsigned i = COAP_SCHEME_COAP; i <= COAP_SCHEME_COAPS_WS; i++) {
		const char *name = coap_scheme_name((enum coap_scheme)i);

		if (ends_with(text, ":") &&
		    ends_with(span_make(text.p, text.n - 1), name))
			return true;
	}
	return false;
}

/* Whether HOST, a name or an address, stands at octet AT of TEXT. */
static bool
host_at(struct span text, size_t at, struct span host)
{
	return host.n > 0 && text.n - at >= host.n &&
	    span_caseeq(span_make(text.p + at, host.n), host);
}

/* Whether the octet C next to an address makes it another one. */
static bool
goes_on(uint8_t c, bool ip6)
{
	return ip6 ? c == ':' || pct_hex(c) >= 0 : c >= '0' && c <= '9';
}

static bool
address_at(struct span text, size_t at, struct span ip)
{
	bool ip6 = ip.n > 0 && memchr(ip.p, ':', ip.n) != NULL;
	size_t end = at + ip.n;

	/* "address:2001:db8::1" is one, too. */
	return host_at(text, at, ip) &&
	    (at == 0 || !goes_on(text.p[at - 1], ip6) ||
		(text.p[at - 1] == ':' && ip.p[0] != ':')) &&
	    (end == text.n || !goes_on(text.p[end], ip6));
}

/* Whether TEXT gives away where the origin is, or anything else that speaks
 * CoAP behind us. */
static bool
reveals(const struct press *p, struct span text)
{
	const struct coap_host *to = &p->rule->to.host;
	struct span ip = span_str(p->host);

	for (size_t i = 0; i < text.n; i++) {
		if (address_at(text, i, ip))
			return true;
		if (text.n - i < 2 || memcmp(text.p + i, "//", 2) != 0)
			continue;
		if (coap_scheme_before(span_make(text.p, i)) ||
		    (!to->literal && host_at(text, i + 2, to->text)))
			return true;
	}
	return false;
}

/* ---- references ---- */

/* A reference as RFC 3986 cuts it, without scheme and authority. */
struct reference {
	struct span path, query, fragment;	/* raw */
	bool has_query, has_fragment;
};

/* Cuts off and returns what of *S is before the octet C; with *FOUND the octet
 * goes too. */
static struct span
cut(struct span *s, uint8_t c, bool *found)
{
	const uint8_t *at = s->n > 0 ? memchr(s->p, c, s->n) : NULL;
	struct span head = *s;

	*found = at != NULL;
	if (at == NULL) {
		s->n = 0;
		return head;
	}
	head.n = (size_t)(at - s->p);
	*s = span_make(at + 1, s->n - head.n - 1);
	return head;
}

static bool
starts_with(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

/* The scheme of TEXT; empty for a relative reference. */
static struct span
scheme_of(struct span text)
{
	size_t n = 0;

	while (n < text.n && text.p[n] != ':' && text.p[n] != '/' &&
	    text.p[n] != '?')
		n++;
	return span_make(text.p, n < text.n && text.p[n] == ':' ? n : 0);
}

/* Whether U has the scheme, host and port of TO. */
static bool
same_place(const struct coap_uri *u, const struct target *to)
{
	if (u->scheme != to->scheme || u->port != to->port ||
	    u->host.literal != to->host.literal)
		return false;
	return to->host.literal ? addr_ip_eq(&u->host.addr, &to->host.addr) :
				  span_caseeq(u->host.text, to->host.text);
}

/* Reads TEXT, a URI without fragment, into R; false when it is not at TO. */
static bool
read_uri(struct reference *r, struct span text, const struct target *to)
{
	struct coap_uri u;

	if (coap_uri_parse(&u, text, 0) != COAP_URI_OK || !same_place(&u, to))
		return false;
	r->path = u.path;
	r->query = u.query;
	r->has_query = u.has_query;
	return true;
}

/* Likewise "//host/path": SPACE is for the URI that it means. */
static bool
read_network_path(struct reference *r, struct span text,
    const struct target *to, uint8_t space[URI_TEXT_MAX])
{
	struct writer w = writer_make(space, URI_TEXT_MAX);

	writer_span_put(&w, span_str(coap_scheme_name(to->scheme)));
	writer_u8(&w, ':');
	writer_span_put(&w, text);
	return !w.full && read_uri(r, writer_span(&w), to);
}

/* Reads TEXT, which is no URI of another scheme, into R; false when it is
 * nothing at TO. */
static bool
read_reference(struct reference *r, struct span text, const struct target *to,
    uint8_t space[URI_TEXT_MAX])
{
	*r = (struct reference){ 0 };
	r->fragment = text;
	text = cut(&r->fragment, '#', &r->has_fragment);
	if (!pct_ok(r->fragment, PCT_QUERY))
		return false;
	if (scheme_of(text).n > 0)
		return read_uri(r, text, to);
	if (starts_with(text, "//"))
		return read_network_path(r, text, to, space);
	r->query = text;
	r->path = cut(&r->query, '?', &r->has_query);
	return starts_with(r->path, "/") && pct_ok(r->path, PCT_PATH) &&
	    pct_ok(r->query, PCT_QUERY);
}

/* ---- paths ---- */

/* Moves IT behind the first segments, if they are those of PATH. */
static bool
pass_prefix(struct coap_opt_iter *it, const struct path *path)
{
	for (size_t i = 0; i < path->n; i++)
		if (!coap_opts_next(it) || !span_eq(it->value, path->seg[i]))
			return false;
	return true;
}

/* Writes the public path of M, a request to the origin; false when it has
 * none. */
static bool
put_path(struct press *p, const struct coap_msg *m)
{
	struct coap_opt_iter it, behind;
	bool some = p->path->n > 0;

	coap_opts(&it, m);
	if (!pass_prefix(&it, &p->rule->to_path))
		return false;
	if (!p->rule->strip) {
		/* The public path is still in it. */
		behind = it;
		if (!pass_prefix(&behind, p->path))
			return false;
		it = behind;
	}
	for (size_t i = 0; i < p->path->n; i++)
		coap_link_segment(&p->out, p->path->seg[i]);
	p->theirs = p->out.w->cur;
	for (; coap_opts_next(&it); some = true)
		coap_link_segment(&p->out, it.value);
	if (!some)
		writer_u8(p->out.w, '/');
	return true;
}

/* Writes what TEXT, a reference at the origin, is called here; false when it
 * has no name here. */
static bool
put_mapped(struct press *p, struct span text)
{
	uint8_t space[URI_TEXT_MAX], opts[OPTS_MAX];
	struct writer w = writer_make(opts, sizeof(opts));
	struct coap_optw o = coap_optw(&w);
	struct coap_msg m = { .code = COAP_GET };
	struct coap_uri u = { .scheme = COAP_SCHEME_COAP };
	struct reference r;

	if (!read_reference(&r, text, &p->rule->to, space))
		return false;
	u.path = r.path;
	if (!coap_uri_put_path(&u, &o) || w.full ||
	    !coap_parse_opts(&m, writer_span(&w)) || !put_path(p, &m))
		return false;
	if (r.has_query)
		writer_u8(p->out.w, '?');
	writer_span_put(p->out.w, r.query);
	if (r.has_fragment)
		writer_u8(p->out.w, '#');
	writer_span_put(p->out.w, r.fragment);
	/* Not as it was read: "%31" is a digit by now. */
	return !reveals(p, span_make(p->theirs,
	    (size_t)(p->out.w->cur - p->theirs)));
}

/* Whether TEXT is a URI of another scheme, which means the same here. */
static bool
is_foreign(struct span text)
{
	struct coap_uri u;
	bool fragment;

	return coap_uri_parse(&u, cut(&text, '#', &fragment), 0) ==
	    COAP_URI_SCHEME;
}

static bool
put_reference(struct press *p, struct span text)
{
	if (!is_foreign(text))
		return put_mapped(p, text);
	if (reveals(p, text))
		return false;
	writer_span_put(p->out.w, text);
	return true;
}

/* ---- links ---- */

static bool
find_anchor(const struct coap_link_iter *it, struct coap_attr *a)
{
	coap_attrs(a, it->attrs);
	while (coap_attrs_next(a))
		if (coap_attr_is(a, "anchor"))
			return true;
	return false;
}

/* Writes the anchor A. A URI has no octet that would be escaped. */
static bool
put_anchor(struct press *p, const struct coap_attr *a)
{
	if (!a->has_value || memchr(a->value.p, '\\', a->value.n) != NULL)
		return false;
	writer_put(p->out.w, ";anchor=\"", 9);
	if (!put_reference(p, a->value))
		return false;
	writer_u8(p->out.w, '"');
	return true;
}

static bool
put_link(struct press *p, const struct coap_link_iter *it)
{
	struct coap_attr a;

	coap_link_begin(&p->out);
	if (!put_reference(p, it->target))
		return false;
	coap_link_attrs(&p->out);
	if (find_anchor(it, &a) && !put_anchor(p, &a))
		return false;
	coap_attrs(&a, it->attrs);
	while (coap_attrs_next(&a))
		if (!coap_attr_is(&a, "anchor") && !reveals(p, a.value))
			coap_link_copy(&p->out, &a);
	return true;
}

/* Whether a link is the same under every path of the rule. */
static bool
same_everywhere(const struct coap_link_iter *it)
{
	struct coap_attr a;

	return is_foreign(it->target) &&
	    (!find_anchor(it, &a) || is_foreign(a.value));
}

bool
publish(const struct rule *rule, struct span list, struct writer *w)
{
	struct press p = { .rule = rule, .out = coap_linkw(w) };
	struct coap_link_iter it;

	if (rule->to.host.literal)
		addr_ip_str(&rule->to.host.addr, p.host);
	coap_links(&it, list);
	while (coap_links_next(&it)) {
		size_t n = same_everywhere(&it) ? 1 : rule->npath;

		for (size_t i = 0; i < n; i++) {
			struct coap_linkw before = p.out;
			uint8_t *end = w->cur;

			p.path = &rule->path[i];
			if (put_link(&p, &it))
				continue;
			p.out = before;
			w->cur = end;
		}
	}
	return !it.bad;
}
