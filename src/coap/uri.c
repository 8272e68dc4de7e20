/*
 * uri: from text to target and back.
 *
 * Reading goes in two steps. RFC 3986 cuts the text at its delimiters and
 * every part is held against the characters it may consist of: that much must
 * be right for a URI of any scheme. Only then are the parts of our own schemes
 * understood. Percent-encoding is undone exactly once and after cutting, so no
 * encoded delimiter ever cuts (PRX-19).
 *
 * Most URIs have nothing to be undone: no triplet, no capital in front of the
 * path, no segment that begins with a dot. They are read in one pass; whatever
 * is not like that, or not right, is left to the other reader.
 *
 * Lenient readers of hosts and dots are how filters are walked around; here
 * one reading serves the access rules and the forwarding alike, and what could
 * be read in two ways is refused.
 */
#include "coap/uri.h"

#include <stdio.h>

#include "coap/pct.h"

enum {
	OPT_MAX = 255,		/* of a Uri-Path or Uri-Query, decoded */
	DOTS_MAX = 6,		/* octets of "%2e%2e" */
	SEGMENTS_MAX = 2048,	/* Proxy-Uri has at most 1034 octets */
};

static const struct {
	const char *name;
	uint16_t port;
	bool secure;
} schemes[] = {
	[COAP_SCHEME_NONE] = { "none", 0, false },
	[COAP_SCHEME_COAP] = { "coap", 5683, false },
	[COAP_SCHEME_COAPS] = { "coaps", 5684, true },
	[COAP_SCHEME_COAP_TCP] = { "coap+tcp", 5683, false },
	[COAP_SCHEME_COAPS_TCP] = { "coaps+tcp", 5684, true },
	[COAP_SCHEME_COAP_WS] = { "coap+ws", 80, false },
	[COAP_SCHEME_COAPS_WS] = { "coaps+ws", 443, true },
};

enum coap_scheme
coap_scheme_parse(struct span s)
{
	for (unsigned i = COAP_SCHEME_COAP; i <= COAP_SCHEME_COAPS_WS; i++)
		if (span_caseeq(s, span_str(schemes[i].name)))
			return (enum coap_scheme)i;
	return COAP_SCHEME_NONE;
}

const char *
coap_scheme_name(enum coap_scheme s)
{
	return schemes[s].name;
}

uint16_t
coap_scheme_port(enum coap_scheme s)
{
	return schemes[s].port;
}

bool
coap_scheme_secure(enum coap_scheme s)
{
	return schemes[s].secure;
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Cuts off and returns what of *S is before the first of the two octets, or
 * all of it. */
static struct span
cut(struct span *s, uint8_t stop, uint8_t other)
{
	struct span head = *s;

	for (head.n = 0; head.n < s->n; head.n++)
		if (s->p[head.n] == stop || s->p[head.n] == other)
			break;
	*s = span_make(s->p + head.n, s->n - head.n);
	return head;
}

static bool
starts_with(struct span s, uint8_t c)
{
	return s.n > 0 && s.p[0] == c;
}

/* Moves *S on by N octets. */
static void
skip(struct span *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

struct authority {
	struct span host;	/* without brackets */
	struct span port;
	bool present, userinfo, brackets;
};

static bool
split_host(struct authority *a, struct span s)
{
	a->brackets = starts_with(s, '[');
	if (a->brackets) {
		skip(&s, 1);
		a->host = cut(&s, ']', ']');
		if (s.n == 0)
			return false;
		skip(&s, 1);
		if (s.n > 0 && s.p[0] != ':')
			return false;
	} else {
		a->host = cut(&s, ':', ':');
	}
	if (s.n > 0)
		skip(&s, 1);
	a->port = s;
	for (size_t i = 0; i < s.n; i++)
		if (!is_digit(s.p[i]))
			return false;
	return pct_ok(a->host, a->brackets ? PCT_USERINFO : PCT_REG_NAME);
}

/* RFC 3986 3.2. */
static bool
split_authority(struct authority *a, struct span s)
{
	struct span head;

	head = cut(&s, '@', '@');
	a->present = true;
	a->userinfo = s.n > 0;
	if (!a->userinfo)
		return split_host(a, head);
	skip(&s, 1);
	return pct_ok(head, PCT_USERINFO) && split_host(a, s);
}

static bool
scheme_ok(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = span_lower(s.p[i]);
		bool alpha = c >= 'a' && c <= 'z';

		if (!alpha && (i == 0 || (!is_digit(c) && c != '+' &&
		    c != '-' && c != '.')))
			return false;
	}
	return s.n > 0;
}

/* RFC 3986 4.3, absolute-URI: a fragment fails, as "#" is in no class. */
static bool
split(struct coap_uri *u, struct authority *a, struct span s)
{
	u->scheme_text = cut(&s, ':', ':');
	if (s.n == 0 || !scheme_ok(u->scheme_text))
		return false;
	skip(&s, 1);
	if (s.n >= 2 && s.p[0] == '/' && s.p[1] == '/') {
		skip(&s, 2);
		if (!split_authority(a, cut(&s, '/', '?')))
			return false;
	}
	u->path = cut(&s, '?', '?');
	u->has_query = s.n > 0;
	if (u->has_query)
		skip(&s, 1);
	u->query = s;
	return pct_ok(u->path, PCT_PATH) && pct_ok(u->query, PCT_QUERY);
}

static bool
read_port(struct coap_uri *u, struct span s)
{
	uint32_t v = 0;

	u->port = coap_scheme_port(u->scheme);
	if (s.n == 0)
		return true;
	for (size_t i = 0; i < s.n; i++) {
		v = v * 10 + (uint32_t)(s.p[i] - '0');
		if (v > UINT16_MAX)
			return false;
	}
	u->port = (uint16_t)v;
	return v != 0;
}

static bool
has_any(struct span s, const char *octets, size_t n)
{
	for (size_t i = 0; i < s.n; i++)
		if (memchr(octets, s.p[i], n) != NULL)
			return true;
	return false;
}

/* An address from now on has one spelling, RFC 5952's (PRX-23); a zone stays
 * in ADDR only (PRX-24). */
static void
set_literal(struct coap_host *h, const struct addr *addr,
    uint8_t buf[COAP_HOST_MAX])
{
	char text[ADDR_STRLEN];

	addr_ip_str(addr, text);
	h->addr = *addr;
	h->literal = true;
	h->text = span_make(buf, strlen(text));
	memcpy(buf, text, h->text.n);
}

static bool
read_host(struct coap_uri *u, const struct authority *a, bool zone)
{
	struct span text = a->host;
	struct addr addr;
	size_t n;

	if (!pct_decode(text, u->host_buf, COAP_HOST_MAX, &n))
		return false;
	if (!a->brackets) {
		text = span_make(u->host_buf, n);
		/* "%5B::1%5D" is not an IP-literal, whatever it decodes to. */
		return !has_any(text, ":[]", 3) &&
		    coap_host_parse(&u->host, text, u->host_buf, false);
	}
	/* The one percent sign in an address is that of "%25zone". */
	cut(&text, '%', '%');
	if (text.n > 0 && (text.p[1] != '2' || text.p[2] != '5'))
		return false;
	if (!addr_parse_ip6(&addr, span_make(u->host_buf, n), zone))
		return false;
	set_literal(&u->host, &addr, u->host_buf);
	return true;
}

/* A port of one to five digits at *P, if there is one. False for any other. */
static bool
plain_port(const uint8_t **p, const uint8_t *end, uint16_t *port)
{
	const uint8_t *c = *p;
	uint32_t v = 0;

	if (c == end || *c != ':')
		return true;
	while (++c < end && is_digit(*c) && c - *p <= 5)
		v = v * 10 + (uint32_t)(*c - '0');
	*p = c;
	*port = (uint16_t)v;
	return v > 0 && v <= UINT16_MAX;
}

/* From *P on octets of SET as they are; no segment that begins with a dot. */
static struct span
plain_part(const uint8_t **p, const uint8_t *end, unsigned set)
{
	const uint8_t *start = *p, *c = start;

	while (c < end && pct_in(*c, set) &&
	    (*c != '.' || c == start || c[-1] != '/'))
		c++;
	*p = c;
	return span_make(start, (size_t)(c - start));
}

/* False when TEXT is not plain, or not a URI at all. */
static bool
parse_plain(struct coap_uri *u, struct span text)
{
	static const char coap[] = { 'c', 'o', 'a', 'p', ':', '/', '/' };
	const uint8_t *p, *end;
	struct span host;

	if (text.n <= sizeof(coap) || text.n > SEGMENTS_MAX ||
	    memcmp(text.p, coap, sizeof(coap)) != 0)
		return false;
	p = text.p + sizeof(coap);
	end = text.p + text.n;
	host = span_make(p, 0);
	while (p < end && (is_digit(*p) || (*p >= 'a' && *p <= 'z') ||
		*p == '.' || *p == '-'))
		p++;
	host.n = (size_t)(p - host.p);
	u->port = coap_scheme_port(COAP_SCHEME_COAP);
	if (!plain_port(&p, end, &u->port))
		return false;
	u->path = span_make(p, 0);
	if (p < end && *p == '/')
		u->path = plain_part(&p, end, PCT_PATH);
	u->has_query = p < end && *p == '?';
	if (u->has_query)
		p++;
	u->query = span_make(p, 0);
	if (u->has_query)
		u->query = plain_part(&p, end, PCT_QUERY);
	if (p != end || !coap_host_parse(&u->host, host, u->host_buf, false))
		return false;
	u->scheme = COAP_SCHEME_COAP;
	u->scheme_text = span_make(text.p, 4);
	u->plain = true;
	return true;
}

enum coap_uri_err
coap_uri_parse(struct coap_uri *u, struct span text, unsigned flags)
{
	struct authority a = { .present = false };

	if (parse_plain(u, text))
		return COAP_URI_OK;
	memset(u, 0, sizeof(*u));
	if (text.n == 0 || !split(u, &a, text))
		return COAP_URI_BAD;
	u->scheme = coap_scheme_parse(u->scheme_text);
	if (u->scheme == COAP_SCHEME_NONE)
		return COAP_URI_SCHEME;
	/* RFC 7252 6.1: "//", a host, no userinfo. */
	if (!a.present || a.userinfo || !read_port(u, a.port) ||
	    !read_host(u, &a, (flags & COAP_URI_ZONE) != 0))
		return COAP_URI_BAD;
	return COAP_URI_OK;
}

/* Whether S, the last label of a name, looks like a number to some resolver:
 * "1", "0x7f", "017700000001" (RFC 3986 7.4, PRX-25). */
static bool
numeric(struct span s)
{
	bool hexadecimal = s.n >= 2 && s.p[0] == '0' &&
	    span_lower(s.p[1]) == 'x';

	for (size_t i = hexadecimal ? 2 : 0; i < s.n; i++)
		if (hexadecimal ? pct_hex(s.p[i]) < 0 : !is_digit(s.p[i]))
			return false;
	return true;
}

static bool
name_ok(struct span s)
{
	static const bool never[256] = { ['/'] = true, [':'] = true,
		['?'] = true, ['#'] = true, ['['] = true, [']'] = true,
		['@'] = true, ['\\'] = true, ['%'] = true, [0x7f] = true };
	size_t label = 0;	/* the last */

	for (size_t i = 0; i < s.n; i++) {
		if (never[s.p[i]] || s.p[i] <= ' ')
			return false;
		if (s.p[i] == '.')
			label = i + 1;
	}
	/* Nor empty. */
	return !numeric(span_make(s.p + label, s.n - label));
}

bool
coap_host_parse(struct coap_host *h, struct span text,
    uint8_t buf[COAP_HOST_MAX], bool zone)
{
	struct addr addr;
	bool literal;

	memset(h, 0, sizeof(*h));
	if (text.n == 0 || text.n > COAP_HOST_MAX)
		return false;
	if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		literal = addr_parse_ip6(&addr,
		    span_make(text.p + 1, text.n - 2), zone);
	else
		literal = addr_parse_ip(&addr, text, zone);
	if (literal) {
		set_literal(h, &addr, buf);
		return true;
	}
	/* "lamp.example." is "lamp.example": rules, lists and the resolver must
	 * all see the same name. */
	if (text.p[text.n - 1] == '.')
		text.n--;
	if (!name_ok(text))
		return false;
	/* TEXT may be BUF. */
	for (size_t i = 0; i < text.n; i++)
		buf[i] = span_lower(text.p[i]);
	h->text = span_make(buf, text.n);
	return true;
}

static void
put_decoded(struct coap_optw *o, uint16_t number, struct span s, bool *ok)
{
	uint8_t buf[OPT_MAX];
	size_t n;

	if (pct_decode(s, buf, sizeof(buf), &n))
		coap_put_opt(o, number, span_make(buf, n));
	else
		*ok = false;
}

/* 1 or 2 when S is "." or "..", also with "%2e"; else 0. */
static unsigned
dots(struct span s)
{
	uint8_t buf[DOTS_MAX];
	size_t n;

	if (s.n > DOTS_MAX || !pct_decode(s, buf, sizeof(buf), &n))
		return 0;
	if (n == 0 || n > 2 || buf[0] != '.' || buf[n - 1] != '.')
		return 0;
	return (unsigned)n;
}

/*
 * Which segments are left when dot segments are gone. A ".." takes the nearest
 * segment before it that is not taken yet; read from the end, that needs one
 * counter instead of a stack. Sets a bit for each segment to keep, counted
 * from the end, and returns how many those are; 0 when there are too many to
 * tell. The last is always kept: as itself, or as the empty one that a
 * trailing dot segment leaves behind (RFC 3986 5.2.4).
 */
static size_t
resolve_dots(struct span path, uint64_t keep[SEGMENTS_MAX / 64], size_t *total)
{
	size_t end = path.n, up = 0, kept = 0;

	*total = 0;
	for (size_t i = path.n; i-- > 0;) {
		unsigned d;

		if (path.p[i] != '/')
			continue;
		if (*total == SEGMENTS_MAX)
			return 0;
		d = dots(span_make(path.p + i + 1, end - i - 1));
		if (d == 2)
			up++;
		if (*total == 0 || (d == 0 && up == 0)) {
			keep[*total / 64] |= UINT64_C(1) << *total % 64;
			kept++;
		} else if (d == 0) {
			up--;
		}
		++*total;
		end = i;
	}
	return kept;
}

/* Writes as they are the parts of S between octets STOP. */
static bool
put_plain(struct coap_optw *o, uint16_t number, struct span s, uint8_t stop)
{
	for (;;) {
		struct span part = cut(&s, stop, stop);

		if (part.n > OPT_MAX)
			return false;
		coap_put_opt(o, number, part);
		if (s.n == 0)
			return true;
		skip(&s, 1);
	}
}

bool
coap_uri_put_path(const struct coap_uri *u, struct coap_optw *o)
{
	uint64_t keep[SEGMENTS_MAX / 64];
	struct span rest = u->path;
	size_t left, kept;
	bool ok = true;

	if (rest.n == 0)
		return true;
	if (u->plain)
		return rest.n == 1 || put_plain(o, COAP_OPT_URI_PATH,
			span_make(rest.p + 1, rest.n - 1), '/');
	memset(keep, 0, sizeof(keep));
	kept = resolve_dots(rest, keep, &left);
	if (kept == 0)
		return false;
	while (left-- > 0) {
		struct span segment;

		skip(&rest, 1);
		segment = cut(&rest, '/', '/');
		if ((keep[left / 64] >> left % 64 & 1) == 0)
			continue;
		if (left == 0 && dots(segment) != 0)
			segment.n = 0;
		if (kept > 1 || segment.n > 0)
			put_decoded(o, COAP_OPT_URI_PATH, segment, &ok);
	}
	return ok;
}

bool
coap_uri_put_query(const struct coap_uri *u, struct coap_optw *o)
{
	struct span rest = u->query;
	bool more = u->has_query, ok = true;

	if (more && u->plain)
		return put_plain(o, COAP_OPT_URI_QUERY, rest, '&');
	while (more) {
		put_decoded(o, COAP_OPT_URI_QUERY, cut(&rest, '&', '&'), &ok);
		more = rest.n > 0;
		if (more)
			skip(&rest, 1);
	}
	return ok;
}

struct span
coap_host_text(const struct coap_host *h, char buf[ADDR_STRLEN])
{
	char ip[ADDR_STRLEN];

	if (!h->literal)
		return h->text;
	if (h->addr.family == 4)
		return span_str(addr_ip_str(&h->addr, buf));
	snprintf(buf, ADDR_STRLEN, "[%.45s]", addr_ip_str(&h->addr, ip));
	return span_str(buf);
}

static void
put_authority(struct writer *w, enum coap_scheme scheme,
    const struct coap_host *host, uint16_t port)
{
	char ip[ADDR_STRLEN], text[8];

	if (host->literal)
		writer_span_put(w, coap_host_text(host, ip));
	else
		pct_put(w, host->text, PCT_REG_NAME);
	if (port == coap_scheme_port(scheme))
		return;
	snprintf(text, sizeof(text), ":%u", (unsigned)port);
	writer_span_put(w, span_str(text));
}

/* Writes each option NUMBER of M, the first behind the first octet of BEFORE,
 * all others behind the second. */
static void
put_parts(struct writer *w, const struct coap_msg *m, uint16_t number,
    const char *before, unsigned set)
{
	struct coap_opt_iter it;
	bool again = false;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		if (it.number != number || it.def == NULL)
			continue;
		writer_u8(w, (uint8_t)before[again ? 1 : 0]);
		pct_put(w, it.value, set);
		again = true;
	}
}

bool
coap_uri_format(const struct coap_msg *m, enum coap_scheme scheme,
    const struct coap_host *host, uint16_t port, char *out, size_t cap)
{
	struct writer w;

	if (cap == 0)
		return false;
	w = writer_make((uint8_t *)out, cap - 1);
	writer_span_put(&w, span_str(coap_scheme_name(scheme)));
	writer_put(&w, "://", 3);
	put_authority(&w, scheme, host, port);
	if (!coap_has(m, COAP_OPT_URI_PATH))
		writer_u8(&w, '/');
	put_parts(&w, m, COAP_OPT_URI_PATH, "//", PCT_SEGMENT);
	put_parts(&w, m, COAP_OPT_URI_QUERY, "?&", PCT_ARGUMENT);
	*w.cur = '\0';
	return !w.full;
}

bool
coap_authority_format(enum coap_scheme scheme, const struct coap_host *host,
    uint16_t port, char *out, size_t cap)
{
	struct writer w;

	if (cap == 0)
		return false;
	w = writer_make((uint8_t *)out, cap - 1);
	put_authority(&w, scheme, host, port);
	*w.cur = '\0';
	return !w.full;
}
