/* Tests of coap/uri: reading URIs. Hosts are in test_host.c, options in
 * test_uri_opts.c. */
#include "coap/uri.h"

#include "hex.h"
#include "unit.h"

/* RFC 7252 6.1, 6.2; RFC 8323 8; PRX-13, PRX-14. */
START_TEST(test_schemes)
{
	static const struct {
		const char *name, *upper;
		enum coap_scheme scheme;
		uint16_t port;
		bool secure;
	} t[] = {
		{ "coap", "COAP", COAP_SCHEME_COAP, 5683, false },
		{ "coaps", "CoAPS", COAP_SCHEME_COAPS, 5684, true },
		{ "coap+tcp", "coap+TCP", COAP_SCHEME_COAP_TCP, 5683, false },
		{ "coaps+tcp", "COAPS+tcp", COAP_SCHEME_COAPS_TCP, 5684, true },
		{ "coap+ws", "Coap+Ws", COAP_SCHEME_COAP_WS, 80, false },
		{ "coaps+ws", "COAPS+WS", COAP_SCHEME_COAPS_WS, 443, true },
	};
	static const char *const none[] = {
		"", "none", "http", "coap ", "coa", "coapx", "coap+", "ftp",
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		enum coap_scheme s = t[i].scheme;

		ck_assert_int_eq(coap_scheme_parse(span_str(t[i].name)), s);
		ck_assert_int_eq(coap_scheme_parse(span_str(t[i].upper)), s);
		ck_assert_str_eq(coap_scheme_name(s), t[i].name);
		ck_assert_uint_eq(coap_scheme_port(s), t[i].port);
		ck_assert(coap_scheme_secure(s) == t[i].secure);
	}
	for (size_t i = 0; i < UNIT_COUNT(none); i++)
		ck_assert_int_eq(coap_scheme_parse(span_str(none[i])),
		    COAP_SCHEME_NONE);
	ck_assert_str_eq(coap_scheme_name(COAP_SCHEME_NONE), "none");
	ck_assert_uint_eq(coap_scheme_port(COAP_SCHEME_NONE), 0);
	ck_assert(!coap_scheme_secure(COAP_SCHEME_NONE));
}
END_TEST

/* Parses TEXT from an allocation of its size, which stays at *TEXT. */
static enum coap_uri_err
parse(struct coap_uri *u, struct span *text)
{
	*text = exact_dup(*text, text->n);
	return coap_uri_parse(u, *text, 0);
}

static const struct {
	const char *text;
	enum coap_uri_err want;
} outcomes[] = {
	{ "coap://h", COAP_URI_OK },
	{ "coap://h?", COAP_URI_OK },
	{ "", COAP_URI_BAD },				/* PRX-11 */
	{ "/t", COAP_URI_BAD },
	{ "//h/t", COAP_URI_BAD },
	{ "t", COAP_URI_BAD },
	{ "coap", COAP_URI_BAD },
	{ "coap:", COAP_URI_BAD },
	{ "coap:t", COAP_URI_BAD },
	{ "coap:/t", COAP_URI_BAD },
	{ "coap://", COAP_URI_BAD },
	{ "coap:///t", COAP_URI_BAD },
	{ "coap://?a", COAP_URI_BAD },
	{ "coap://:5683/t", COAP_URI_BAD },
	{ "coap://h/t#f", COAP_URI_BAD },
	{ "coap://h#f", COAP_URI_BAD },
	{ "coap://h?a#", COAP_URI_BAD },
	{ "#", COAP_URI_BAD },
	{ "://h/", COAP_URI_BAD },
	{ "1coap://h/", COAP_URI_BAD },
	{ "+://h/", COAP_URI_BAD },
	{ "co_ap://h/", COAP_URI_BAD },
	{ "co%61p://h/", COAP_URI_BAD },
	{ " coap://h/", COAP_URI_BAD },
	{ "coap://h/ ", COAP_URI_BAD },
	{ "coap://a@[::1]:5690/t", COAP_URI_BAD },	/* PRX-12 */
	{ "coap://@h/t", COAP_URI_BAD },
	{ "coap://a:b@h/t", COAP_URI_BAD },
	{ "coap://a@b@h/t", COAP_URI_BAD },
	{ "coap://h:/t", COAP_URI_OK },			/* PRX-14 */
	{ "coap://h:1/t", COAP_URI_OK },
	{ "coap://h:65535/t", COAP_URI_OK },
	{ "coap://h:0/t", COAP_URI_BAD },
	{ "coap://h:00/t", COAP_URI_BAD },
	{ "coap://h:65536/t", COAP_URI_BAD },
	{ "coap://h:4294972979/t", COAP_URI_BAD },
	{ "coap://h:99999999999999999999999/t", COAP_URI_BAD },
	{ "coap://h:12x/t", COAP_URI_BAD },
	{ "coap://h:-1/t", COAP_URI_BAD },
	{ "coap://h:+1/t", COAP_URI_BAD },
	{ "coap://h:%35/t", COAP_URI_BAD },
	{ "coap://h:1:2/t", COAP_URI_BAD },
	{ "coap://h/%zz", COAP_URI_BAD },		/* PRX-20 */
	{ "coap://h/%4", COAP_URI_BAD },
	{ "coap://h/%", COAP_URI_BAD },
	{ "coap://h/?%", COAP_URI_BAD },
	{ "coap://h%/", COAP_URI_BAD },
	{ "coap://h/\xc3\xa4", COAP_URI_BAD },
	{ "coap://\xc3\xa4/", COAP_URI_BAD },
	{ "coap://h/a b", COAP_URI_BAD },
	{ "coap://h/a\tb", COAP_URI_BAD },
	{ "coap://h/a\x7f", COAP_URI_BAD },
	{ "coap://h/?\x01", COAP_URI_BAD },
	{ "coap://h/\"<>\\^`{|}", COAP_URI_BAD },
	{ "coap://h/[", COAP_URI_BAD },
	{ "coap://h\\@g/", COAP_URI_BAD },
	{ "coap://h/%00", COAP_URI_OK },
	{ "coap://h/-._~!$&'()*+,;=:@?/?:@", COAP_URI_OK },
	{ "ftp://h/t", COAP_URI_SCHEME },		/* PRX-02 */
	{ "http://user:pw@h:99999/t?x", COAP_URI_SCHEME },
	{ "http://[::1]:80/", COAP_URI_SCHEME },
	{ "http:///t", COAP_URI_SCHEME },
	{ "mailto:a@b", COAP_URI_SCHEME },
	{ "h:5683/t", COAP_URI_SCHEME },
	{ "coap+x://h/", COAP_URI_SCHEME },
	{ "a.b-c+d://h", COAP_URI_SCHEME },
	{ "http://h/#f", COAP_URI_BAD },
	{ "http://h/%zz", COAP_URI_BAD },
	{ "http://h/\xff", COAP_URI_BAD },
	{ "http://[::1/", COAP_URI_BAD },
	{ "http://[::1]x/", COAP_URI_BAD },
	{ "http://a b@h/", COAP_URI_BAD },
	{ "http://h:x/", COAP_URI_BAD },
};

START_TEST(test_outcomes)
{
	struct coap_uri u;

	for (size_t i = 0; i < UNIT_COUNT(outcomes); i++) {
		struct span s = span_str(outcomes[i].text);

		ck_assert_msg(parse(&u, &s) == outcomes[i].want, "%s",
		    outcomes[i].text);
		hex_free(s);
	}
	ck_assert_int_eq(coap_uri_parse(&u, span_make(NULL, 0), 0),
	    COAP_URI_BAD);
	/* A NUL octet ends nothing. */
	ck_assert_int_eq(coap_uri_parse(&u, SPAN_LIT("coap://h/\0t"), 0),
	    COAP_URI_BAD);
	ck_assert_int_eq(coap_uri_parse(&u, SPAN_LIT("coap://h\0/t"), 0),
	    COAP_URI_BAD);
}
END_TEST

/* PRX-13, PRX-14: what the parts are. */
START_TEST(test_parts)
{
	static const struct {
		const char *text;
		enum coap_scheme scheme;
		const char *scheme_text, *host;
		uint16_t port;
		const char *path, *query;
	} t[] = {
		{ "COAP://LocalHost:5690/Tt?Q", COAP_SCHEME_COAP, "COAP",
		    "localhost", 5690, "/Tt", "Q" },
		{ "coap://h", COAP_SCHEME_COAP, "coap", "h", 5683, "", NULL },
		{ "coap://h:", COAP_SCHEME_COAP, "coap", "h", 5683, "", NULL },
		{ "coaps://h/", COAP_SCHEME_COAPS, "coaps", "h", 5684, "/",
		    NULL },
		{ "coap+tcp://h?", COAP_SCHEME_COAP_TCP, "coap+tcp", "h", 5683,
		    "", "" },
		{ "coaps+tcp://h:00443", COAP_SCHEME_COAPS_TCP, "coaps+tcp",
		    "h", 443, "", NULL },
		{ "coap+ws://h/?a?b", COAP_SCHEME_COAP_WS, "coap+ws", "h", 80,
		    "/", "a?b" },
		{ "coaps+ws://h//", COAP_SCHEME_COAPS_WS, "coaps+ws", "h", 443,
		    "//", NULL },
	};
	struct coap_uri u;

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span s = span_str(t[i].text);

		ck_assert_int_eq(parse(&u, &s), COAP_URI_OK);
		ck_assert_int_eq(u.scheme, t[i].scheme);
		assert_span(u.scheme_text, span_str(t[i].scheme_text));
		assert_span(u.host.text, span_str(t[i].host));
		ck_assert_uint_eq(u.port, t[i].port);
		assert_span(u.path, span_str(t[i].path));
		ck_assert(u.has_query == (t[i].query != NULL));
		if (u.has_query)
			assert_span(u.query, span_str(t[i].query));
		hex_free(s);
	}
	/* PRX-02: the text of a foreign scheme, for a next hop by scheme. */
	ck_assert_int_eq(coap_uri_parse(&u, SPAN_LIT("Http://h/"), 0),
	    COAP_URI_SCHEME);
	ck_assert_int_eq(u.scheme, COAP_SCHEME_NONE);
	assert_span(u.scheme_text, SPAN_LIT("Http"));
}
END_TEST

Suite *uri_suite(void);

Suite *
uri_suite(void)
{
	Suite *s = suite_create("uri");
	TCase *tc = tcase_create("uri");

	tcase_add_test(tc, test_schemes);
	tcase_add_test(tc, test_outcomes);
	tcase_add_test(tc, test_parts);
	suite_add_tcase(s, tc);
	return s;
}
