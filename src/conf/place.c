/*
 * place: the types of values that say where: hosts, networks, paths, URIs, and
 * the names of other sections.
 *
 * A URI that requests are sent to is read by the codec's own parser, so that a
 * host in the configuration and one in a request are the same host.
 */
#include "base/parse.h"
#include "coap/pct.h"
#include "conf/loaded.h"
#include "conf/value.h"

enum {
	SEGMENT_MAX = 255,	/* octets of a Uri-Path */
	FD_NAME_MAX = 255,
};

static bool
starts_with(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

static struct span
skip(struct span s, size_t n)
{
	return span_make(s.p + n, s.n - n);
}

/* A copy of S; empty when there is no memory, which stops the load. */
static struct span
keep(const struct value_at *at, struct span s)
{
	const char *text = doc_string(&at->l->doc, s);

	return text != NULL ? span_str(text) : SPAN_LIT("");
}

static bool
add_word(const struct value_at *at, struct netlist *list, struct span word)
{
	bool ok = netlist_add(list, word);

	at->l->doc.report.starved |= list->starved;
	return ok;
}

static const char *
read_networks(const struct value_at *at, struct span word, void *out)
{
	return add_word(at, out, word) ? NULL : value_not;
}

/* A host name, lower case, or an address in its one spelling. */
static const char *
read_own_name(const struct value_at *at, struct span word, void *out)
{
	struct span *p = out;
	uint8_t buf[COAP_HOST_MAX];
	struct coap_host h;

	if (!coap_host_parse(&h, word, buf, false) ||
	    memchr(h.text.p, '*', h.text.n) != NULL)
		return value_not;
	*p = keep(at, h.text);
	return NULL;
}

static const char *
read_host(const struct value_at *at, struct span word, void *out)
{
	struct host_pattern *p = out;
	bool sub = starts_with(word, "*.");
	uint8_t buf[COAP_HOST_MAX];
	struct coap_host h;

	if (sub)
		word = skip(word, 2);
	if (!coap_host_parse(&h, word, buf, true) || (sub && h.literal) ||
	    memchr(h.text.p, '*', h.text.n) != NULL)
		return value_not;
	*p = (struct host_pattern){ .name = keep(at, h.text), .addr = h.addr,
		.literal = h.literal, .sub = sub };
	return NULL;
}

static const char *
read_segment(const struct value_at *at, struct span raw, struct span *out)
{
	uint8_t buf[SEGMENT_MAX], *p;
	size_t n;

	if (!pct_decode(raw, buf, sizeof(buf), &n))
		return "has a segment longer than 255 octets";
	if ((n == 1 && buf[0] == '.') ||
	    (n == 2 && buf[0] == '.' && buf[1] == '.'))
		return "has a segment '.' or '..'";
	p = doc_alloc(&at->l->doc, n, 1);
	if (p == NULL)
		return value_reported;
	memcpy(p, buf, n);
	*out = span_make(p, n);
	return NULL;
}

/* TEXT is empty or begins with a slash. */
static const char *
split_path(const struct value_at *at, struct span text, struct path *out)
{
	const char *why = NULL;
	size_t n = 0;

	if (text.n <= 1)
		return NULL;
	/* "/a/" as a prefix would match "/a/" and nothing else below "/a". */
	if (text.p[text.n - 1] == '/')
		return "ends with '/'";
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '/')
			n++;
	out->seg = doc_alloc(&at->l->doc, n, sizeof(*out->seg));
	if (out->seg == NULL)
		return value_reported;
	while (why == NULL && text.n > 0) {
		struct span segment = skip(text, 1);
		const uint8_t *end = memchr(segment.p, '/', segment.n);

		if (end != NULL)
			segment.n = (size_t)(end - segment.p);
		text = skip(text, segment.n + 1);
		why = read_segment(at, segment, &out->seg[out->n++]);
	}
	return why;
}

static const char *
read_path(const struct value_at *at, struct span word, void *out)
{
	if (!starts_with(word, "/") || !pct_ok(word, PCT_PATH))
		return value_not;
	return split_path(at, word, out);
}

/* Cuts "SCHEME://" off *TEXT. NONE with *LATER: a scheme that is none of
 * CoAP's but of ours one day. */
static bool
cut_scheme(struct span *text, enum coap_scheme *scheme, bool *later)
{
	const uint8_t *colon = memchr(text->p, ':', text->n);
	struct span head;

	if (colon == NULL)
		return false;
	head = span_make(text->p, (size_t)(colon - text->p));
	if (!starts_with(skip(*text, head.n), "://"))
		return false;
	*text = skip(*text, head.n + 3);
	*scheme = coap_scheme_parse(head);
	*later = span_caseeq(head, SPAN_LIT("http")) ||
	    span_caseeq(head, SPAN_LIT("https"));
	return *later || *scheme != COAP_SCHEME_NONE;
}

/* Like cut_scheme(), for where only coap will do so far. */
static const char *
cut_coap(struct span *text)
{
	enum coap_scheme scheme;
	bool later;

	if (!cut_scheme(text, &scheme, &later))
		return value_not;
	return scheme == COAP_SCHEME_COAP ? NULL : value_later;
}

/* Splits "HOST:PORT", "[HOST]:PORT" or either without port, *PORT being kept
 * then. HOST is without brackets. */
static bool
split_port(struct span text, struct span *host, uint16_t *port)
{
	const uint8_t *end;
	uint64_t v;

	if (starts_with(text, "[")) {
		end = memchr(text.p, ']', text.n);
		if (end == NULL)
			return false;
		*host = span_make(text.p + 1, (size_t)(end - text.p) - 1);
		text = skip(text, host->n + 2);
	} else {
		end = memchr(text.p, ':', text.n);
		*host = text;
		if (end != NULL)
			host->n = (size_t)(end - text.p);
		text = skip(text, host->n);
	}
	if (text.n == 0)
		return true;
	if (text.p[0] != ':' || !parse_u64(skip(text, 1), &v) ||
	    v > UINT16_MAX)
		return false;
	*port = (uint16_t)v;
	return true;
}

/* "%25eth0", as RFC 6874 has it, to "%eth0". */
static struct span
plain_zone(struct span host, char buf[WORD_MAX])
{
	const uint8_t *mark = memchr(host.p, '%', host.n);
	size_t n;

	if (mark == NULL || !starts_with(skip(host, (size_t)(mark - host.p)),
	    "%25"))
		return host;
	n = (size_t)(mark - host.p) + 1;
	memcpy(buf, host.p, n);
	memcpy(buf + n, mark + 3, host.n - n - 2);
	return span_make(buf, host.n - 2);
}

/* "*", an IPv4 address, or an IPv6 address in brackets; and a port. */
static bool
read_address(struct span text, struct addr *out, uint16_t port)
{
	struct span host;
	char buf[WORD_MAX];

	memset(out, 0, sizeof(*out));
	if (!split_port(text, &host, &port))
		return false;
	if (starts_with(text, "[")) {
		if (!addr_parse_ip6(out, plain_zone(host, buf), true))
			return false;
	} else if (!span_eq(host, SPAN_LIT("*")) &&
	    !addr_parse_ip4(out, host)) {
		return false;
	}
	out->port = port;
	return true;
}

/* What sd_listen_fds_with_names(3) may give it. */
static const char *
read_fd(const struct value_at *at, struct span name, struct bind_conf *b)
{
	if (name.n == 0 || name.n > FD_NAME_MAX)
		return value_not;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < ' ' || name.p[i] > '~' || name.p[i] == ':')
			return value_not;
	b->fd = doc_string(&at->l->doc, name);
	return NULL;
}

static const char *
read_bind(const struct value_at *at, struct span word, void *out)
{
	struct bind_conf *b = out;
	struct span text = word;
	const char *why;

	b->scheme = COAP_SCHEME_COAP;
	if (starts_with(word, "fd:")) {
		why = read_fd(at, skip(word, 3), b);
		if (why != NULL)
			return why;
		b->text = doc_string(&at->l->doc, word);
		return NULL;
	}
	why = cut_coap(&text);
	if (why != NULL)
		return why;
	if (!read_address(text, &b->addr, coap_scheme_port(COAP_SCHEME_COAP)))
		return value_not;
	b->text = doc_string(&at->l->doc, word);
	return NULL;
}

/* "http://127.0.0.1:9683": an address, not a name. */
static const char *
read_http(const struct value_at *at, struct span word, void *out)
{
	struct addr *a = out;

	(void)at;
	if (!starts_with(word, "http://") ||
	    !read_address(skip(word, 7), a, 80) || a->family == 0) {
		*a = (struct addr){ .family = 0 };
		return value_not;
	}
	return NULL;
}

/* "192.0.2.53", "2001:db8::53", either with port. */
static const char *
read_dns_server(const struct value_at *at, struct span word, void *out)
{
	struct addr *a = out;

	(void)at;
	if (addr_parse_ip(a, word, true) ||
	    (read_address(word, a, 0) && a->family != 0))
		return NULL;
	return value_not;
}

/* The index of the section ID called WORD; reports when there is none. */
static bool
find_index(const struct value_at *at, enum section_id id, struct span word,
    size_t *index)
{
	struct doc *d = &at->l->doc;
	const char *type = schema_section_id(id)->name;
	const char *name = doc_string(d, word);
	const struct section *s = name != NULL ? doc_find(d, id, name) : NULL;
	struct conf_pos pos = at->setting->pos;

	if (name == NULL)
		return false;
	if (s != NULL && word.n > 0) {
		*index = s->index;
		return true;
	}
	pos.col = 0;
	for (size_t i = 0; i < d->n; i++) {
		if (d->v[i]->type->id != id || *d->v[i]->name == '\0' ||
		    !one_typo(d->v[i]->name, name))
			continue;
		report_error(&d->report, &pos, "there is no [%s %s]; did you "
		    "mean '%s'?", type, name, d->v[i]->name);
		return false;
	}
	report_error(&d->report, &pos, "there is no [%s %s]", type, name);
	return false;
}

static const char *
read_listen(const struct value_at *at, struct span word, void *out)
{
	unsigned *p = out;
	size_t i;

	if (!find_index(at, SECTION_LISTEN, word, &i))
		return value_reported;
	*p = (unsigned)i;
	return NULL;
}

/* "[fe80::1%eth0]" to RFC 6874's "[fe80::1%25eth0]", which a URI has. */
static struct span
uri_zone(struct span uri, char buf[WORD_MAX + 2])
{
	const uint8_t *mark = memchr(uri.p, '%', uri.n);
	const uint8_t *close = memchr(uri.p, ']', uri.n);
	size_t n;

	if (mark == NULL || close == NULL || mark > close ||
	    starts_with(skip(uri, (size_t)(mark - uri.p)), "%25"))
		return uri;
	n = (size_t)(mark - uri.p) + 1;
	memcpy(buf, uri.p, n);
	memcpy(buf + n, "25", 2);
	memcpy(buf + n + 2, mark + 1, uri.n - n);
	return span_make(buf, uri.n + 2);
}

/* A coap URI that requests can be sent to. */
static const char *
read_target(const struct value_at *at, struct span word, struct target *to,
    struct path *path)
{
	struct span rest = word;
	char buf[WORD_MAX + 2];
	struct coap_uri u;
	const char *why;

	why = cut_coap(&rest);
	if (why != NULL)
		return why;
	if (coap_uri_parse(&u, uri_zone(word, buf), COAP_URI_ZONE) !=
	    COAP_URI_OK || memchr(u.host.text.p, '*', u.host.text.n) != NULL)
		return value_not;
	if (u.has_query)
		return "has a query, which belongs to requests";
	to->scheme = u.scheme;
	to->port = u.port;
	to->host = u.host;
	to->host.text = keep(at, u.host.text);
	return split_path(at, u.path, path);
}

/* A URI, or "origin:NAME". */
static const char *
read_to(const struct value_at *at, struct span word, void *out)
{
	struct rule *r = out;
	const struct origin *o;
	size_t i;

	if (!starts_with(word, "origin:"))
		return read_target(at, word, &r->to, &r->to_path);
	if (!find_index(at, SECTION_ORIGIN, skip(word, 7), &i))
		return value_reported;
	o = &at->l->origin[i];
	r->to = o->server;
	r->origin = doc_string(&at->l->doc, skip(word, 7));
	r->to_path = o->path;
	r->confirmable = o->confirmable;
	r->nstart = o->nstart;
	return NULL;
}

/* URI [weight=N] [backup]. */
static const char *
read_server(const struct value_at *at, struct span word, void *out)
{
	struct origin *o = out;

	if (at->word > 0 && (starts_with(word, "weight=") ||
	    span_eq(word, SPAN_LIT("backup"))))
		return value_later;
	if (o->has_server)
		return "is a second server, which is not supported by this "
		       "build";
	o->has_server = true;
	return read_target(at, word, &o->server, &o->path);
}

static const char *
read_via(const struct value_at *at, struct span word, void *out)
{
	struct forward_conf *f = out;
	struct path path = { NULL, 0 };
	const char *why = read_target(at, word, &f->via, &path);

	if (why == NULL && path.n > 0)
		return "has a path, which a proxy has not";
	f->has_via = true;
	return why;
}

/* Cuts ":PORT" or ":*" off the end of *TEXT; false for a port that is none. */
static bool
cut_port(struct span *text, struct uri_pattern *p)
{
	const uint8_t *colon = memrchr(text->p, ':', text->n);
	const uint8_t *close = memrchr(text->p, ']', text->n);
	struct span port;
	uint64_t v = 0;

	if (colon == NULL || (close != NULL && close > colon))
		return true;
	port = skip(*text, (size_t)(colon - text->p) + 1);
	p->every_port = span_eq(port, SPAN_LIT("*"));
	if (!p->every_port &&
	    (!parse_u64(port, &v) || v == 0 || v > UINT16_MAX))
		return false;
	p->port = (uint16_t)v;
	text->n = (size_t)(colon - text->p);
	return true;
}

/* "10.30.0.0/16", "[2001:db8::]/32", "[2001:db8::/32]". */
static bool
add_network(const struct value_at *at, struct netlist *list, struct span text)
{
	char buf[ADDR_STRLEN] = "";
	size_t n = 0;

	if (text.n > sizeof(buf))
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '[' && text.p[i] != ']')
			buf[n++] = (char)text.p[i];
	/* A host may be called like one of netlist's words: "coap://any". */
	return (memchr(buf, '.', n) != NULL || memchr(buf, ':', n) != NULL) &&
	    add_word(at, list, span_make(buf, n));
}

/* SCHEME://PLACE[:PORT] with a host pattern, "*", an address or a network, and
 * a port or "*". */
static const char *
read_uri_pattern(const struct value_at *at, struct span word,
    struct uri_pattern *p)
{
	struct span text = word;
	bool later;

	if (!cut_scheme(&text, &p->scheme, &later))
		return value_not;
	if (later)
		return value_later;
	if (!cut_port(&text, p))
		return value_not;
	if (span_eq(text, SPAN_LIT("*")))
		return read_networks(at, SPAN_LIT("any"), &p->net);
	if (starts_with(text, "["))
		return add_network(at, &p->net, text) ? NULL : value_not;
	if (text.n == 0 || memchr(text.p, ':', text.n) != NULL)
		return value_not;
	if (add_network(at, &p->net, text))
		return NULL;
	return read_host(at, text, &p->host);
}

/* A network, or a pattern, to *NET or to the N of *URI. */
static const char *
read_destination(const struct value_at *at, struct span word,
    struct netlist *net, struct uri_pattern **uri, size_t *n)
{
	if (memmem(word.p, word.n, "://", 3) == NULL)
		return read_networks(at, word, net);
	if (*uri == NULL)
		*uri = doc_alloc(&at->l->doc, at->total, sizeof(**uri));
	if (*uri == NULL)
		return value_reported;
	return read_uri_pattern(at, word, &(*uri)[(*n)++]);
}

static const char *
read_allow_to(const struct value_at *at, struct span word, void *out)
{
	struct forward_conf *f = out;

	return read_destination(at, word, &f->allow_to, &f->allow_uri,
	    &f->nallow_uri);
}

static const char *
read_deny_to(const struct value_at *at, struct span word, void *out)
{
	struct forward_conf *f = out;

	return read_destination(at, word, &f->deny_to, &f->deny_uri,
	    &f->ndeny_uri);
}

static const char *const networks[] = { "any", "loopback", "private",
	"link-local", "multicast", NULL };

const struct value_type
    value_networks = { .noun = "a network", .read = read_networks,
	.words = networks, .example = "for example 10.0.0.0/8, 2001:db8::/32, "
	"any, loopback, private" },
    value_own_name = { .noun = "a host", .read = read_own_name,
	.size = sizeof(struct span),
	.example = "for example gw.example.net" },
    value_host = { .noun = "a host", .read = read_host,
	.size = sizeof(struct host_pattern),
	.example = "for example lamp.example, *.sensors.example, 192.0.2.1" },
    value_path = { .noun = "a path", .read = read_path,
	.size = sizeof(struct path), .example = "for example /building-a" },
    value_bind = { .noun = "a listen address", .read = read_bind,
	.size = sizeof(struct bind_conf), .example = "for example "
	"coap://*:5683, coap://192.0.2.1:5683, coap://[::1]:5683, fd:coap" },
    value_http = { .noun = "an address for HTTP", .read = read_http,
	.size = sizeof(struct addr),
	.example = "for example http://127.0.0.1:9683, http://[::1]:9683" },
    value_dns_server = { .noun = "the address of a name server",
	.read = read_dns_server, .size = sizeof(struct addr),
	.example = "for example 192.0.2.53, [2001:db8::53]:53" },
    value_listen = { .noun = "a listener", .read = read_listen,
	.size = sizeof(unsigned), .example = "the name of a [listen]" },
    value_to = { .noun = "a URI", .read = read_to, .example = "for example "
	"coap://10.0.0.11:5683/base, origin:NAME" },
    value_server = { .noun = "a URI", .read = read_server,
	.example = "for example coap://10.0.0.21" },
    value_via = { .noun = "a URI", .read = read_via,
	.example = "for example coap://10.0.0.1:5683" },
    value_allow_to = { .noun = "a destination", .read = read_allow_to,
	.words = networks, .example = "for example 10.30.0.0/16, private, "
	"coap://*.plant.example" },
    value_deny_to = { .noun = "a destination", .read = read_deny_to,
	.words = networks, .example = "for example 10.30.0.0/16, loopback, "
	"coap://*.plant.example" };
