/* Tests of coap/uri, hosts: what is an address, what a name, what neither. */
#include "coap/uri.h"

#include <stdio.h>

#include "hex.h"
#include "unit.h"

enum kind { NEITHER, NAME, IP4, IP6 };

/* In a Uri-Host: brackets or none (PRX-30). TEXT NULL: as given. */
static const struct {
	const char *in;
	enum kind kind;
	const char *text;
} hosts[] = {
	{ "lamp.example", NAME, NULL },
	{ "LAMP.Example", NAME, "lamp.example" },	/* PRX-13 */
	{ "localhost", NAME, NULL },
	{ "b\xc3\xbc" "cher.example", NAME, NULL },	/* PRX-26 */
	{ "B\xc3\x9c", NAME, "b\xc3\x9c" },
	{ "example.", NAME, "example" },
	{ "1.2.3.4a", NAME, NULL },
	{ "1.example", NAME, NULL },
	{ "0xg", NAME, NULL },
	{ "x0", NAME, NULL },
	{ "0a", NAME, NULL },
	{ "a_b!$&'()*+,;=", NAME, NULL },
	{ "-", NAME, NULL },
	{ "127.0.0.1", IP4, NULL },
	{ "255.255.255.255", IP4, NULL },
	{ "::1", IP6, NULL },			/* PRX-23, PRX-30 */
	{ "[::1]", IP6, "::1" },
	{ "[0:0:0:0:0:0:0:1]", IP6, "::1" },
	{ "2001:DB8::0:1", IP6, "2001:db8::1" },
	{ "[::ffff:192.0.2.1]", IP4, "192.0.2.1" },
	{ "64:ff9b::192.0.2.33", IP6, "64:ff9b::c000:221" },
	{ "", NEITHER, NULL },
	{ "127.1", NEITHER, NULL },		/* PRX-25 */
	{ "0x7f000001", NEITHER, NULL },
	{ "0X7F000001", NEITHER, NULL },
	{ "0x", NEITHER, NULL },
	{ "017700000001", NEITHER, NULL },
	{ "2130706433", NEITHER, NULL },
	{ "1.2.3.4.", NEITHER, NULL },
	{ "1.2.3.4..", NEITHER, NULL },
	{ "1.2.3.4.5", NEITHER, NULL },
	{ "1.2.3.256", NEITHER, NULL },
	{ "1.2.3.04", NEITHER, NULL },
	{ "1.2.3.0x4", NEITHER, NULL },
	{ "example.0x1F", NEITHER, NULL },
	{ "example.1", NEITHER, NULL },
	{ "example.1.", NEITHER, NULL },
	{ ".", NEITHER, NULL },
	{ "...", NEITHER, NULL },
	{ "example..", NEITHER, NULL },
	{ "a b", NEITHER, NULL },
	{ " a", NEITHER, NULL },
	{ "a\n", NEITHER, NULL },
	{ "a\x7f", NEITHER, NULL },
	{ "a\x01" "b", NEITHER, NULL },
	{ "a/b", NEITHER, NULL },
	{ "a:b", NEITHER, NULL },
	{ "a:80", NEITHER, NULL },
	{ "a?b", NEITHER, NULL },
	{ "a#b", NEITHER, NULL },
	{ "[a]", NEITHER, NULL },
	{ "[]", NEITHER, NULL },
	{ "[", NEITHER, NULL },
	{ "]", NEITHER, NULL },
	{ "[::1", NEITHER, NULL },
	{ "::1]", NEITHER, NULL },
	{ "[[::1]]", NEITHER, NULL },
	{ "[127.0.0.1]", NEITHER, NULL },
	{ "[v1.a]", NEITHER, NULL },
	{ "a@b", NEITHER, NULL },
	{ "a\\b", NEITHER, NULL },
	{ "a%41", NEITHER, NULL },
	{ ":::", NEITHER, NULL },
	{ "1::2::3", NEITHER, NULL },
	{ "::12345", NEITHER, NULL },
	{ "fe80::1%lo", NEITHER, NULL },	/* PRX-24 */
	{ "fe80::1%1", NEITHER, NULL },
	{ "[fe80::1%1]", NEITHER, NULL },
};

static void
check_host(const struct coap_host *h, enum kind kind, const char *text)
{
	assert_span(h->text, span_str(text));
	ck_assert(h->literal == (kind != NAME));
	ck_assert_uint_eq(h->addr.port, 0);
	if (kind == NAME)
		ck_assert_uint_eq(h->addr.family, 0);
	else
		ck_assert_uint_eq(h->addr.family, kind == IP4 ? 4 : 6);
}

START_TEST(test_hosts)
{
	uint8_t buf[COAP_HOST_MAX];
	struct coap_host h;

	for (size_t i = 0; i < UNIT_COUNT(hosts); i++) {
		const char *in = hosts[i].in;
		struct span s = exact_dup(span_str(in), strlen(in));
		bool ok = coap_host_parse(&h, s, buf, false);

		hex_free(s);
		ck_assert_msg(ok == (hosts[i].kind != NEITHER), "%s", in);
		if (!ok)
			continue;
		check_host(&h, hosts[i].kind,
		    hosts[i].text == NULL ? in : hosts[i].text);
		ck_assert_ptr_eq(h.text.p, buf);
	}
	ck_assert(!coap_host_parse(&h, SPAN_LIT("a\0b"), buf, false));
	ck_assert(!coap_host_parse(&h, span_make(NULL, 0), buf, false));
}
END_TEST

START_TEST(test_longest)
{
	uint8_t in[COAP_HOST_MAX + 1], buf[COAP_HOST_MAX];
	struct coap_host h;

	memset(in, 'A', sizeof(in));
	ck_assert(coap_host_parse(&h, span_make(in, COAP_HOST_MAX), buf,
	    false));
	ck_assert_uint_eq(h.text.n, COAP_HOST_MAX);
	ck_assert_uint_eq(buf[COAP_HOST_MAX - 1], 'a');
	ck_assert(!coap_host_parse(&h, span_make(in, sizeof(in)), buf,
	    false));
}
END_TEST

/* PRX-24: zones where they are allowed: in ADDR, not in the text. */
START_TEST(test_zone)
{
	uint8_t buf[COAP_HOST_MAX];
	struct coap_host h;

	ck_assert(coap_host_parse(&h, SPAN_LIT("fe80::1%lo"), buf, true));
	check_host(&h, IP6, "fe80::1");
	ck_assert_uint_ne(h.addr.scope, 0);
	ck_assert(coap_host_parse(&h, SPAN_LIT("[FE80::1%lo]"), buf, true));
	check_host(&h, IP6, "fe80::1");
	ck_assert_uint_ne(h.addr.scope, 0);
	ck_assert(!coap_host_parse(&h, SPAN_LIT("fe80::1%"), buf, true));
	ck_assert(!coap_host_parse(&h, SPAN_LIT("a%lo"), buf, true));
}
END_TEST

/* In a URI: percent-encoding undone once, brackets a matter of grammar. */
static const struct {
	const char *in;
	enum kind kind;
	const char *text;
} authorities[] = {
	{ "LocalHost", NAME, "localhost" },		/* PRX-13, PRX-15 */
	{ "%4CAMP", NAME, "lamp" },
	{ "b%C3%BCcher.example", NAME,
	    "b\xc3\xbc" "cher.example" },		/* PRX-26 */
	{ "a!$&'()*+,;=", NAME, "a!$&'()*+,;=" },
	{ "127.0.0.1", IP4, "127.0.0.1" },
	{ "%3127.0.0.1", IP4, "127.0.0.1" },
	{ "%31270.0.1", NEITHER, NULL },
	{ "%31%32%37.0.0.1", IP4, "127.0.0.1" },
	{ "[::1]", IP6, "::1" },			/* PRX-23 */
	{ "[0:0:0:0:0:0:0:1]", IP6, "::1" },
	{ "[2001:DB8::0001]", IP6, "2001:db8::1" },
	{ "[::ffff:192.0.2.1]", IP4, "192.0.2.1" },
	{ "::1", NEITHER, NULL },
	{ "[::1", NEITHER, NULL },
	{ "::1]", NEITHER, NULL },
	{ "[::1]a", NEITHER, NULL },
	{ "[[::1]]", NEITHER, NULL },
	{ "[]", NEITHER, NULL },
	{ "[127.0.0.1]", NEITHER, NULL },
	{ "[localhost]", NEITHER, NULL },
	{ "[v1.a:b]", NEITHER, NULL },			/* IPvFuture */
	{ "[%3A%3A1]", NEITHER, NULL },
	{ "[::%31]", NEITHER, NULL },
	{ "[::1.2.3%2e4]", NEITHER, NULL },
	{ "[::%251]", NEITHER, NULL },
	{ "%5B::1%5D", NEITHER, NULL },
	{ "%5B%3A%3A1%5D", NEITHER, NULL },
	{ "%3A%3A1", NEITHER, NULL },
	{ "a%2Fb", NEITHER, NULL },
	{ "a%40b", NEITHER, NULL },
	{ "a%25b", NEITHER, NULL },
	{ "a%00", NEITHER, NULL },
	{ "a%20b", NEITHER, NULL },
	{ "a<b", NEITHER, NULL },
	{ "127.1", NEITHER, NULL },			/* PRX-25 */
	{ "0x7f000001", NEITHER, NULL },
	{ "017700000001", NEITHER, NULL },
	{ "1.2.3.4.", NEITHER, NULL },
	{ "%30x7f000001", NEITHER, NULL },
	{ "[fe80::1%25eth0]", NEITHER, NULL },		/* PRX-24 */
	{ "[fe80::1%25lo]", NEITHER, NULL },
	{ "[fe80::1%lo]", NEITHER, NULL },
};

START_TEST(test_authorities)
{
	for (size_t i = 0; i < UNIT_COUNT(authorities); i++) {
		enum coap_uri_err want = COAP_URI_OK;
		struct coap_uri u;
		char text[128];
		int n;

		if (authorities[i].kind == NEITHER)
			want = COAP_URI_BAD;
		n = snprintf(text, sizeof(text), "coap://%s:5690/t",
		    authorities[i].in);
		ck_assert_msg(coap_uri_parse(&u, span_make(text, (size_t)n),
		    0) == want, "%s", text);
		if (want != COAP_URI_OK)
			continue;
		check_host(&u.host, authorities[i].kind, authorities[i].text);
		ck_assert_ptr_eq(u.host.text.p, u.host_buf);
		ck_assert_uint_eq(u.port, 5690);
	}
}
END_TEST

/* PRX-24: %25zone in configured targets, and only so written. */
START_TEST(test_uri_zone)
{
	static const struct {
		const char *text;
		enum coap_uri_err want;
	} t[] = {
		{ "coap://[fe80::1%25lo]/", COAP_URI_OK },
		{ "coap://[fe80::1%25l%6f]:1/", COAP_URI_OK },
		{ "coap://[fe80::1%25]/", COAP_URI_BAD },
		{ "coap://[fe80::1%2]/", COAP_URI_BAD },
		{ "coap://[fe80::1%21lo]/", COAP_URI_BAD },
		{ "coap://[fe80::1%lo]/", COAP_URI_BAD },
		{ "coap://[fe80::%31]/", COAP_URI_BAD },
		{ "coap://[fe80::1%31lo]/", COAP_URI_BAD },
		{ "coap://[fe80::1%25nosuchif0]/", COAP_URI_BAD },
		{ "coap://fe80%25lo/", COAP_URI_BAD },
	};
	struct coap_uri u;

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		ck_assert_msg(coap_uri_parse(&u, span_str(t[i].text),
		    COAP_URI_ZONE) == t[i].want, "%s", t[i].text);
		if (t[i].want != COAP_URI_OK)
			continue;
		check_host(&u.host, IP6, "fe80::1");
		ck_assert_uint_ne(u.host.addr.scope, 0);
	}
}
END_TEST

/* 255 octets are a host, decoded; 256 are none. */
START_TEST(test_long_authority)
{
	static char text[1024] = "coap://";
	struct coap_uri u;

	for (size_t i = 0; i < 256; i++)
		memcpy(text + 7 + 3 * i, "%61", 3);
	ck_assert_int_eq(coap_uri_parse(&u, span_make(text, 7 + 3 * 255), 0),
	    COAP_URI_OK);
	ck_assert_uint_eq(u.host.text.n, 255);
	ck_assert_int_eq(coap_uri_parse(&u, span_make(text, 7 + 3 * 256), 0),
	    COAP_URI_BAD);
}
END_TEST

Suite *host_suite(void);

Suite *
host_suite(void)
{
	Suite *s = suite_create("host");
	TCase *tc = tcase_create("host");

	tcase_add_test(tc, test_hosts);
	tcase_add_test(tc, test_longest);
	tcase_add_test(tc, test_zone);
	tcase_add_test(tc, test_authorities);
	tcase_add_test(tc, test_uri_zone);
	tcase_add_test(tc, test_long_authority);
	suite_add_tcase(s, tc);
	return s;
}
