/* Tests of coap/uri: URIs to options and options to URIs. */
#include "base/rand.h"
#include "coap/dump.h"
#include "coap/uri.h"
#include "hex.h"
#include "unit.h"

/* Path and query of TEXT as options, shown by coap_dump(). */
static bool
to_options(const char *text, struct coap_msg *m, uint8_t *buf, size_t cap)
{
	struct span s = span_str(text);
	struct writer w = writer_make(buf, cap);
	struct coap_optw o = coap_optw(&w);
	struct coap_uri u;
	bool ok;

	s = exact_dup(s, s.n);
	ck_assert_msg(coap_uri_parse(&u, s, 0) == COAP_URI_OK, "%s", text);
	ok = coap_uri_put_path(&u, &o) && coap_uri_put_query(&u, &o);
	hex_free(s);
	ck_assert(!w.full);
	memset(m, 0, sizeof(*m));
	m->code = COAP_GET;
	ck_assert(coap_parse_opts(m, writer_span(&w)));
	return ok;
}

#define P(s) " Uri-Path=\"" s "\""
#define Q(s) " Uri-Query=\"" s "\""

static const struct {
	const char *uri, *want;
} to_opts[] = {
	{ "coap://h", "" },			/* PRX-17 */
	{ "coap://h/", "" },
	{ "coap://[2001:db8::2:1]/", "" },	/* RFC 7252 B */
	{ "coap://h/.well-known/core", P(".well-known") P("core") },
	{ "coap://h/a/", P("a") P("") },
	{ "coap://h//", P("") P("") },
	{ "coap://h///a", P("") P("") P("a") },
	{ "coap://h?", Q("") },			/* PRX-18 */
	{ "coap://h/?", Q("") },
	{ "coap://h?a&&b=1", Q("a") Q("") Q("b=1") },
	{ "coap://h/?&", Q("") Q("") },
	{ "coap://h/?a+b", Q("a+b") },
	{ "coap://h/?/?", Q("/?") },
	{ "coap://h/a%2Fb%2525?x%26y", P("a/b%25") Q("x&y") },	/* PRX-19 */
	{ "coap://h/%00?%00", P("\\x00") Q("\\x00") },	/* PRX-20 */
	{ "coap://h/Tt?Qq", P("Tt") Q("Qq") },		/* PRX-13 */
	{ "coap://h/a/%2E%2e/b", P("b") },		/* PRX-21 */
	{ "coap://h/%3F", P("?") },
	{ "coap://h/.", "" },
	{ "coap://h/..", "" },
	{ "coap://h/./", "" },
	{ "coap://h/../", "" },
	{ "coap://h/a/..", "" },
	{ "coap://h/a/../", "" },
	{ "coap://h/a/.", P("a") P("") },
	{ "coap://h/a/./", P("a") P("") },
	{ "coap://h/a/./b", P("a") P("b") },
	{ "coap://h/../a", P("a") },
	{ "coap://h/../../a/b/../c", P("a") P("c") },
	{ "coap://h/a/b/../..", "" },
	{ "coap://h/a/b/../../", "" },
	{ "coap://h/a/b/../../c", P("c") },
	{ "coap://h/a/b/../../../c", P("c") },
	{ "coap://h/a/b/..", P("a") P("") },
	{ "coap://h/a/.%2E/%2e/c", P("c") },
	{ "coap://h//..", "" },
	{ "coap://h//.", P("") P("") },
	{ "coap://h//../a", P("a") },
	{ "coap://h/a//../b", P("a") P("b") },
	/* RFC 3986 5.2.4, both of its examples. */
	{ "coap://h/a/b/c/./../../g", P("a") P("g") },
	{ "coap://h/mid/content=5/../6", P("mid") P("6") },
	/* Not dot segments. */
	{ "coap://h/...", P("...") },
	{ "coap://h/.a/a./..a", P(".a") P("a.") P("..a") },
	{ "coap://h/%252e%252e", P("%2e%2e") },
	{ "coap://h/%2e%2f", P("./") },
	{ "coap://h/.%2f.", P("./.") },
	{ "coap://h/%61%2e", P("a.") },
	{ "coap://h/%2e%61", P(".a") },
	{ "coap://h/%c3%a4", P("\\xc3\\xa4") },
	{ "coap://198.51.100.1:61616//%2F//?%2F%2F&?%26",
	    P("") P("/") P("") P("") Q("//") Q("?&") },
};

START_TEST(test_to_options)
{
	uint8_t buf[256];
	struct coap_msg m;
	char text[512];

	for (size_t i = 0; i < UNIT_COUNT(to_opts); i++) {
		ck_assert(to_options(to_opts[i].uri, &m, buf, sizeof(buf)));
		coap_dump(&m, text, sizeof(text));
		ck_assert_msg(strcmp(text + strlen("CON GET mid=0x0000"),
		    to_opts[i].want) == 0, "%s:%s", to_opts[i].uri, text);
	}
}
END_TEST

/* RFC 3986 5.2.4 to the letter, for a path that is not empty. */
static size_t
remove_dot_segments(const char *in, char *out)
{
	size_t n = 0;

	while (*in != '\0') {
		size_t len = 1 + strcspn(in + 1, "/");

		if (len == 2 && in[1] == '.') {
			in += 2;
		} else if (len == 3 && in[1] == '.' && in[2] == '.') {
			in += 3;
			while (n > 0 && out[--n] != '/')
				continue;
		} else {
			memcpy(out + n, in, len);
			n += len;
			in += len;
			continue;
		}
		if (*in == '\0')
			in = "/";
	}
	return n;
}

/* Asserts that the Uri-Path options of M are PATH cut at its slashes. */
static void
check_segments(const struct coap_msg *m, const char *path, size_t n)
{
	struct coap_opt_iter it;
	size_t i = 0;

	coap_opts(&it, m);
	while (n > 1 && i < n) {
		size_t from = ++i;

		while (i < n && path[i] != '/')
			i++;
		ck_assert(coap_opts_next(&it));
		assert_span(it.value, span_make(path + from, i - from));
	}
	ck_assert(!coap_opts_next(&it));
}

/* PRX-21: every path of up to nine octets of "/", "." and "a". */
START_TEST(test_all_short_paths)
{
	char uri[32] = "coap://h/", path[16];
	uint8_t buf[64];
	struct coap_msg m;

	for (size_t n = 1; n <= 8; n++) {
		size_t count = 1;

		for (size_t i = 0; i < n; i++)
			count *= 3;
		for (size_t k = 0; k < count; k++) {
			size_t rest = k;

			for (size_t i = 0; i < n; i++, rest /= 3)
				uri[9 + i] = "/.a"[rest % 3];
			uri[9 + n] = '\0';
			ck_assert(to_options(uri, &m, buf, sizeof(buf)));
			check_segments(&m, path,
			    remove_dot_segments(uri + 8, path));
		}
	}
}
END_TEST

/* Appends to TEXT, which has room, N times S. */
static void
repeat(char *text, const char *s, size_t n)
{
	size_t at = strlen(text), len = strlen(s);

	for (; n > 0; n--, at += len)
		memcpy(text + at, s, len + 1);
}

/* PRX-22: 255 decoded octets fit, in path and query, and no more. */
START_TEST(test_too_long)
{
	static const struct {
		const char *start, *unit;
		size_t n;
		bool ok;
	} t[] = {
		{ "coap://h/", "s", 255, true },
		{ "coap://h/", "s", 256, false },
		{ "coap://h/", "s", 300, false },
		{ "coap://h/", "%73", 255, true },
		{ "coap://h/", "%73", 256, false },
		{ "coap://h/?", "s", 255, true },
		{ "coap://h/?", "s", 256, false },
		{ "coap://h/?a&", "%73", 255, true },
		{ "coap://h/?a&", "%73", 256, false },
	};
	static char text[2048];
	static uint8_t buf[2048];
	struct coap_msg m;

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		text[0] = '\0';
		repeat(text, t[i].start, 1);
		repeat(text, t[i].unit, t[i].n);
		ck_assert(to_options(text, &m, buf, sizeof(buf)) == t[i].ok);
	}
}
END_TEST

/* The longest Proxy-Uri at its worst, and what no Proxy-Uri can be. */
START_TEST(test_many_segments)
{
	static const struct {
		const char *unit;
		size_t n;
		bool ok;
		size_t options;
	} t[] = {
		{ "/", 1025, true, 1025 },
		{ "/a", 512, true, 512 },
		{ "/..", 341, true, 0 },
		{ "/a/..", 205, true, 0 },
		{ "/a/b/..", 146, true, 147 },
		{ "/", 2048, true, 2048 },
		{ "/", 2049, false, 0 },
	};
	static char text[4096];
	static uint8_t buf[4096];
	struct coap_opt_iter it;
	struct coap_msg m;

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		size_t n = 0;

		text[0] = '\0';
		repeat(text, "coap://h", 1);
		repeat(text, t[i].unit, t[i].n);
		ck_assert(to_options(text, &m, buf, sizeof(buf)) == t[i].ok);
		coap_opts(&it, &m);
		while (coap_opts_next(&it))
			n++;
		ck_assert_uint_eq(n, t[i].options);
	}
}
END_TEST

/* No room is the writer's business: one check at the end. */
START_TEST(test_no_room)
{
	uint8_t buf[2];
	struct writer w = writer_make(buf, sizeof(buf));
	struct coap_optw o = coap_optw(&w);
	struct coap_uri u;

	ck_assert_int_eq(coap_uri_parse(&u, SPAN_LIT("coap://h/ab?c"), 0),
	    COAP_URI_OK);
	ck_assert(coap_uri_put_path(&u, &o));
	ck_assert(coap_uri_put_query(&u, &o));
	ck_assert(w.full);
}
END_TEST

/* RFC 7252 6.5 and its appendix B: URIs that come back as they were. */
static const char *const same[] = {
	"coap://h/",
	"coap://[2001:db8::2:1]/",
	"coap://example.net/",
	"coap://example.net/.well-known/core",
	"coap://xn--18j4d.example/%E3%81%93%E3%82%93%E3%81%AB",
	"coaps://h:5683/a/",
	"coap+ws://h/?",
	"coap://b%C3%BCcher.example/",
	"coap://h/-._~!$&'()*+,;=:@?-._~!$'()*+,;=:@/?",
	"coap://h/%00%20%22%23%25%3F%5B%7F?%00%20%23%26%25%FF",
};

/* What does not come back as it was. */
static const struct {
	const char *in, *out;
} normal[] = {
	{ "COAP://H:5683", "coap://h/" },
	{ "coap://h:/?a", "coap://h/?a" },
	{ "coap://[0:0:0:0:0:0:0:1]:05690/%7e", "coap://[::1]:5690/~" },
	{ "coap://[::ffff:192.0.2.1]/", "coap://192.0.2.1/" },
	{ "coap://h/a/../b?%2f%3f", "coap://h/b?/?" },
	/* RFC 7252 B; a slash in a query needs no encoding. */
	{ "coap://198.51.100.1:61616//%2F//?%2F%2F&?%26",
	    "coap://198.51.100.1:61616//%2F//?//&?%26" },
};

static void
check_format(const char *in, const char *want)
{
	uint8_t buf[256];
	struct coap_msg m;
	struct coap_uri u;
	char out[256];

	ck_assert(to_options(in, &m, buf, sizeof(buf)));
	ck_assert_int_eq(coap_uri_parse(&u, span_str(in), 0), COAP_URI_OK);
	ck_assert(coap_uri_format(&m, u.scheme, &u.host, u.port, out,
	    sizeof(out)));
	ck_assert_str_eq(out, want);
	/* And cut at every length. */
	for (size_t cap = 0; cap <= strlen(want); cap++) {
		char *exact = malloc(cap);

		ck_assert(!coap_uri_format(&m, u.scheme, &u.host, u.port,
		    exact, cap));
		if (cap > 0)
			ck_assert_mem_eq(exact, want, strlen(exact));
		free(exact);
	}
}

/* PRX-23, PRX-30. */
START_TEST(test_format)
{
	for (size_t i = 0; i < UNIT_COUNT(same); i++)
		check_format(same[i], same[i]);
	for (size_t i = 0; i < UNIT_COUNT(normal); i++)
		check_format(normal[i].in, normal[i].out);
}
END_TEST

/* PRX-30: one argument with "&" and one segment with "/" stay one each.
 * PRX-31: a single empty Uri-Path is what text cannot carry. */
START_TEST(test_format_options)
{
	static const struct {
		const char *opts, *want;
	} t[] = {
		{ "", "coap://h/" },
		{ "b0", "coap://h/" },
		{ "b0 00", "coap://h//" },
		{ "b3 61 2f 62 43 78 26 79", "coap://h/a%2Fb?x%26y" },
		{ "b2 c3 28 40 00", "coap://h/%C3(?&" },
		{ "d1 04 32", "coap://h/" },
	};
	struct coap_msg m = { .code = COAP_GET };
	uint8_t host[COAP_HOST_MAX];
	struct coap_host h;
	char out[64];

	ck_assert(coap_host_parse(&h, SPAN_LIT("h"), host, false));
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span s = hex_dup(t[i].opts);

		ck_assert(coap_parse_opts(&m, s));
		ck_assert(coap_uri_format(&m, COAP_SCHEME_COAP, &h, 5683, out,
		    sizeof(out)));
		ck_assert_str_eq(out, t[i].want);
		hex_free(s);
	}
}
END_TEST

/* PRX-23, PRX-30: the default port of the scheme is left out. */
START_TEST(test_authority)
{
	static const struct {
		enum coap_scheme scheme;
		const char *host;
		uint16_t port;
		const char *want;
	} t[] = {
		{ COAP_SCHEME_COAP, "lamp.example", 5683, "lamp.example" },
		{ COAP_SCHEME_COAPS, "lamp.example", 5683,
		    "lamp.example:5683" },
		{ COAP_SCHEME_COAP, "2001:db8:0:0::1", 5690,
		    "[2001:db8::1]:5690" },
		{ COAP_SCHEME_COAP, "192.0.2.1", 65535, "192.0.2.1:65535" },
		{ COAP_SCHEME_COAP, "b\xc3\xbc", 5683, "b%C3%BC" },
		{ COAP_SCHEME_COAP, "a<b", 5683, "a%3Cb" },
	};
	uint8_t host[COAP_HOST_MAX];
	struct coap_host h;
	char out[64];

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		size_t n = strlen(t[i].want);

		ck_assert(coap_host_parse(&h, span_str(t[i].host), host,
		    false));
		ck_assert(coap_authority_format(t[i].scheme, &h, t[i].port,
		    out, n + 1));
		ck_assert_str_eq(out, t[i].want);
		ck_assert(!coap_authority_format(t[i].scheme, &h, t[i].port,
		    out, n));
		ck_assert_mem_eq(out, t[i].want, strlen(out));
		out[0] = 'x';
		ck_assert(!coap_authority_format(t[i].scheme, &h, t[i].port,
		    out, 0));
		ck_assert_int_eq(out[0], 'x');
	}
}
END_TEST

/* The URI TEXT and its options into BUF. */
static enum coap_uri_err
read(struct coap_uri *u, struct span text, uint8_t *buf, size_t cap,
    struct span *opts)
{
	struct writer w = writer_make(buf, cap);
	struct coap_optw o = coap_optw(&w);
	enum coap_uri_err e = coap_uri_parse(u, text, 0);

	if (e == COAP_URI_OK &&
	    (!coap_uri_put_path(u, &o) || !coap_uri_put_query(u, &o)))
		e = COAP_URI_BAD;
	*opts = writer_span(&w);
	return e;
}

/* Parts of a URI in a row, now and then cut or changed. */
static struct span
random_uri(char *text, size_t cap, struct rand *rnd)
{
	static const char *const parts[] = { "a", "lamp", ".", "..", "/", "//",
		"?", "&", ":", ":5683", ":0", ":70000", "127.0.0.1", "1",
		"[::1]", "a.example", "%41", "%2e", "%zz", "=", "B", "@", "#",
		"0x1", "-", "_", ":00080", "example." };
	size_t n = (size_t)snprintf(text, cap, "coap://%s",
	    rand_below(rnd, 3) == 0 ? "" : "a.example");

	for (uint64_t i = rand_below(rnd, 9); i > 0; i--)
		n += (size_t)snprintf(text + n, cap - n, "%s",
		    parts[rand_below(rnd, UNIT_COUNT(parts))]);
	if (rand_below(rnd, 20) == 0 && cap - n > 300) {
		memset(text + n, 'x', 260);
		n += 250 + rand_below(rnd, 10);
	}
	return span_make(text, n);
}

/* What is read in one pass is what the careful reader makes of it, who reads
 * any scheme with a capital (ATK-21: there is one parsed form). */
START_TEST(test_plain)
{
	static uint8_t buf[2][2048];
	unsigned plain = 0, ok = 0;
	struct rand rnd;

	rand_init_fixed(&rnd, 1);
	for (unsigned i = 0; i < 200000; i++) {
		struct coap_uri a, b;
		struct span text, opts[2];
		enum coap_uri_err e;
		char space[1024];

		text = random_uri(space, sizeof(space), &rnd);
		e = read(&a, text, buf[0], sizeof(buf[0]), &opts[0]);
		space[0] = 'C';
		ck_assert_int_eq(read(&b, text, buf[1], sizeof(buf[1]),
			&opts[1]), e);
		if (e != COAP_URI_OK)
			continue;
		ck_assert(!b.plain);
		ok++;
		plain += a.plain;
		assert_span(opts[0], opts[1]);
		assert_span(a.host.text, b.host.text);
		ck_assert(a.host.literal == b.host.literal);
		ck_assert(addr_eq(&a.host.addr, &b.host.addr));
		ck_assert_int_eq(a.scheme, b.scheme);
		ck_assert_uint_eq(a.port, b.port);
		assert_span(a.path, b.path);
		ck_assert(a.has_query == b.has_query);
		assert_span(a.query, b.query);
	}
	ck_assert_uint_gt(plain, 10000);
	ck_assert_uint_gt(ok - plain, 10000);
}
END_TEST

Suite *uri_opts_suite(void);

Suite *
uri_opts_suite(void)
{
	Suite *s = suite_create("uri_opts");
	TCase *tc = tcase_create("uri_opts");

	tcase_add_test(tc, test_to_options);
	tcase_add_test(tc, test_all_short_paths);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_many_segments);
	tcase_add_test(tc, test_no_room);
	tcase_add_test(tc, test_format);
	tcase_add_test(tc, test_format_options);
	tcase_add_test(tc, test_authority);
	tcase_add_test(tc, test_plain);
	suite_add_tcase(s, tc);
	return s;
}
