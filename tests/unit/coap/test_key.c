/* Tests of coap/key: which requests are the same request. */
#include "coap/key.h"

#include "hex.h"
#include "unit.h"

static const struct siphash_key secret = { 0x0706050403020100, 1 };

struct request {
	const char *uri;	/* scheme, host, port */
	uint8_t code;
	const char *opts;	/* in hexadecimal, like the next */
	const char *payload;
};

/* The key of R into W. */
static bool
make_key(struct coap_key *key, struct writer *w, const struct request *r)
{
	struct coap_msg m = { .code = r->code };
	struct span opts = hex_dup(r->opts);
	struct span payload = hex_dup(r->payload == NULL ? "" : r->payload);
	struct coap_uri u;
	bool ok;

	ck_assert_int_eq(coap_uri_parse(&u, span_str(r->uri), COAP_URI_ZONE),
	    COAP_URI_OK);
	ck_assert(coap_parse_opts(&m, opts));
	m.payload = payload;
	ok = coap_key_make(key, w, &secret, &m, u.scheme, &u.host, u.port);
	hex_free(opts);
	hex_free(payload);
	return ok;
}

static bool
same(const struct request *a, const struct request *b)
{
	uint8_t buf_a[512], buf_b[512];
	struct writer wa = writer_make(buf_a, sizeof(buf_a));
	struct writer wb = writer_make(buf_b, sizeof(buf_b));
	struct coap_key ka, kb;
	bool equal;

	ck_assert(make_key(&ka, &wa, a));
	ck_assert(make_key(&kb, &wb, b));
	equal = span_eq(ka.octets, kb.octets);
	/* Equal octets have one hash; others here do not collide. */
	ck_assert(equal == (ka.hash == kb.hash));
	return equal;
}

#define T "coap://h"
#define PATH_T "b1 74"		/* Uri-Path "t" */

static const struct {
	struct request a, b;
	bool same;
} pairs[] = {
	/* CAC-01, CAC-07: the method. */
	{ { T, 1, PATH_T, NULL }, { T, 1, PATH_T, NULL }, true },
	{ { T, 1, PATH_T, NULL }, { T, 5, PATH_T, NULL }, false },
	{ { T, 5, PATH_T, NULL }, { T, 5, PATH_T, NULL }, true },
	/* CAC-02, PRX-23: spellings of one target. */
	{ { "COAP://H:5683", 1, "", NULL }, { T, 1, "", NULL }, true },
	{ { "coap://h:", 1, "", NULL }, { T, 1, "", NULL }, true },
	{ { "coap://%68", 1, "", NULL }, { T, 1, "", NULL }, true },
	{ { "coap://[0:0:0:0:0:0:0:1]", 1, "", NULL },
	    { "coap://[::1]", 1, "", NULL }, true },
	{ { "coap://[::ffff:192.0.2.1]", 1, "", NULL },
	    { "coap://192.0.2.1", 1, "", NULL }, true },
	/* CAC-02: what makes another target. */
	{ { "coaps://h:5683", 1, "", NULL }, { T, 1, "", NULL }, false },
	{ { "coap+tcp://h", 1, "", NULL }, { T, 1, "", NULL }, false },
	{ { "coap://h:5684", 1, "", NULL }, { T, 1, "", NULL }, false },
	{ { "coap://i", 1, "", NULL }, { T, 1, "", NULL }, false },
	{ { "coap://h.", 1, "", NULL }, { "coap://h", 1, "", NULL }, true },
	{ { "coap://[fe80::1%25lo]", 1, "", NULL },
	    { "coap://[fe80::1]", 1, "", NULL }, false },
	{ { T, 1, PATH_T, NULL }, { T, 1, "b1 54", NULL }, false },
	{ { T, 1, "b1 74 01 75", NULL }, { T, 1, "b1 75 01 74", NULL },
	    false },
	{ { T, 1, "b2 74 75", NULL }, { T, 1, "b1 74 01 75", NULL }, false },
	{ { T, 1, "", NULL }, { T, 1, "b0", NULL }, false },
	{ { T, 1, "b0", NULL }, { T, 1, "b0 00", NULL }, false },
	{ { T, 1, "d1 02 61", NULL }, { T, 1, "b1 61", NULL }, false },
	{ { T, 1, "d1 02 61 01 62", NULL }, { T, 1, "d1 02 62 01 61", NULL },
	    false },
	/* CAC-02: the options that name the target are not counted again:
	 * Uri-Host, Uri-Port, Proxy-Uri, Proxy-Scheme. */
	{ { T, 1, "31 68 42 16 33", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "d1 16 61", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "d4 1a 63 6f 61 70", NULL }, { T, 1, "", NULL }, true },
	/* CAC-03: 65000 "x", "y", absent, twice, its order; 65020. */
	{ { T, 1, "e1 fc db 78", NULL }, { T, 1, "e1 fc db 79", NULL },
	    false },
	{ { T, 1, "e1 fc db 78", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "e1 fc db 78", NULL }, { T, 1, "e1 fc db 78 01 78", NULL },
	    false },
	{ { T, 1, "e1 fc db 78 01 79", NULL },
	    { T, 1, "e1 fc db 79 01 78", NULL }, false },
	{ { T, 1, "e1 fc db 78", NULL }, { T, 1, "e1 fc dc 78", NULL },
	    false },
	{ { T, 1, "e1 fc db 78", NULL }, { T, 1, "e1 fc db 78", NULL },
	    true },
	{ { T, 1, "e1 fc ef 78", NULL }, { T, 1, "e1 fc ef 79", NULL },
	    true },
	{ { T, 1, "e1 fc ef 78", NULL }, { T, 1, "", NULL }, true },
	/* CAC-04: Observe, ETag, Block2, Size2, Size1, Echo, Request-Tag. */
	{ { T, 1, "60", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "61 01", NULL }, { T, 1, "60", NULL }, true },
	{ { T, 1, "41 01", NULL }, { T, 1, "41 02 01 03", NULL }, true },
	{ { T, 1, "41 01", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "d1 0a 16", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "d1 0f 01", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "d1 2f 01", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "d1 ef 01", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "e1 00 17 01", NULL }, { T, 1, "", NULL }, true },
	/* CAC-04: Max-Age and No-Response, should one be overlooked. */
	{ { T, 1, "d1 01 28", NULL }, { T, 1, "", NULL }, true },
	{ { T, 1, "d1 f5 02", NULL }, { T, 1, "", NULL }, true },
	/* PRX-59: Hop-Limit 16, 9, none. */
	{ { T, 1, "d1 03 10", NULL }, { T, 1, "d1 03 09", NULL }, true },
	{ { T, 1, "d1 03 10", NULL }, { T, 1, "", NULL }, true },
	/* A surplus one is unrecognised, safe, and travels (PRX-54). */
	{ { T, 1, "d1 03 10 01 09", NULL }, { T, 1, "d1 03 10", NULL },
	    false },
	/* MSG-17: so is an ETag of 9 octets. */
	{ { T, 1, "49 01 02 03 04 05 06 07 08 09", NULL }, { T, 1, "", NULL },
	    false },
	/* CAC-05: Accept; Content-Format; the body of a FETCH. */
	{ { T, 1, "d1 04 32", NULL }, { T, 1, "d1 04 3c", NULL }, false },
	{ { T, 1, "d1 04 32", NULL }, { T, 1, "", NULL }, false },
	{ { T, 5, "c1 32", "61" }, { T, 5, "c1 3c", "61" }, false },
	{ { T, 5, "c1 32", "61" }, { T, 5, "c1 32", "62" }, false },
	{ { T, 5, "c1 32", "61" }, { T, 5, "c1 32", NULL }, false },
	{ { T, 5, "c1 32", "61" }, { T, 5, "c1 32", "61" }, true },
	{ { T, 5, "d1 0e 06", "61" }, { T, 5, "", "61" }, true },
	{ { T, 2, "", "61" }, { T, 2, "", "62" }, true },
	/* A body is not an option that looks like it. */
	{ { T, 5, "c1 61", NULL }, { T, 5, "", "00 0c 00 00 00 01 61" },
	    false },
	/* PRX-41: conditions; OSCORE, EDHOC; Uri-Path-Abbrev; OCF's. */
	{ { T, 1, "11 01", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "50", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "91 09", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "d0 08", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "d1 00 01", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "e2 06 f4 08 00", NULL }, { T, 1, "", NULL }, false },
	/* Of an unsafe option nobody knows nobody can say it is no matter. */
	{ { T, 1, "e1 fc dd 78", NULL }, { T, 1, "", NULL }, false },
};

START_TEST(test_pairs)
{
	for (size_t i = 0; i < UNIT_COUNT(pairs); i++) {
		ck_assert_msg(same(&pairs[i].a, &pairs[i].b) == pairs[i].same,
		    "pair %zu: %s %s / %s %s", i, pairs[i].a.uri,
		    pairs[i].a.opts, pairs[i].b.uri, pairs[i].b.opts);
		ck_assert(same(&pairs[i].b, &pairs[i].a) == pairs[i].same);
	}
}
END_TEST

/* CAC-04: token, Message ID and type are not asked. */
START_TEST(test_header)
{
	struct coap_msg a = { .code = COAP_GET, .mid = 1 };
	struct coap_msg b = { .type = COAP_NON, .code = COAP_GET, .mid = 2,
		.token = SPAN_LIT("tok") };
	struct coap_host h = { .text = SPAN_LIT("h") };
	uint8_t buf[2][64];
	struct writer wa = writer_make(buf[0], sizeof(buf[0]));
	struct writer wb = writer_make(buf[1], sizeof(buf[1]));
	struct coap_key ka, kb;

	ck_assert(coap_key_make(&ka, &wa, &secret, &a, COAP_SCHEME_COAP, &h,
	    5683));
	ck_assert(coap_key_make(&kb, &wb, &secret, &b, COAP_SCHEME_COAP, &h,
	    5683));
	assert_span(ka.octets, kb.octets);
	ck_assert_uint_eq(ka.hash, kb.hash);
	ck_assert_uint_eq(ka.hash, siphash(&secret, ka.octets));
}
END_TEST

/* The key is what was written now, and "full" is told at every length. */
START_TEST(test_room)
{
	static const struct request r = { "coap://h", COAP_FETCH, "b1 74 61 32",
		"62 6f 64 79" };
	static const struct request ip = { "coap://[::1]", COAP_GET, "", NULL };
	uint8_t buf[128];
	struct writer w = writer_make(buf, sizeof(buf));
	struct coap_key key;
	size_t n;

	writer_u8(&w, 0xee);
	ck_assert(make_key(&key, &w, &r));
	ck_assert_ptr_eq(key.octets.p, buf + 1);
	n = key.octets.n;
	ck_assert_uint_eq(n, writer_len(&w) - 1);
	for (size_t cap = 0; cap <= n; cap++) {
		uint8_t *exact = malloc(cap);

		w = writer_make(exact, cap);
		ck_assert(make_key(&key, &w, &r) == (cap == n));
		free(exact);
	}
	w = writer_make(buf, 4);
	ck_assert(!make_key(&key, &w, &ip));
}
END_TEST

Suite *key_suite(void);

Suite *
key_suite(void)
{
	Suite *s = suite_create("key");
	TCase *tc = tcase_create("key");

	tcase_add_test(tc, test_pairs);
	tcase_add_test(tc, test_header);
	tcase_add_test(tc, test_room);
	suite_add_tcase(s, tc);
	return s;
}
