/* Tests of coap/key: which requests are the same request. */
#include "coap/key.h"

#include "base/rand.h"
#include "hex.h"
#include "unit.h"

static const struct siphash_key secret = { 0x0706050403020100, 1 };
static const struct siphash_key other = { 0x0706050403020100, 2 };

struct request {
	const char *uri;	/* scheme, host, port */
	uint8_t code;
	const char *opts;	/* in hexadecimal, like the next */
	const char *payload;
};

static struct coap_authority
authority(const struct coap_uri *u)
{
	return (struct coap_authority){ u->scheme, &u->host, u->port };
}

/* The key of R into W. */
static bool
make_key(struct coap_key *key, struct writer *w, const struct request *r)
{
	struct coap_msg m = { .code = r->code };
	struct span opts = hex_dup(r->opts);
	struct span payload = hex_dup(r->payload == NULL ? "" : r->payload);
	struct coap_authority at;
	struct coap_uri u;
	bool ok;

	ck_assert_int_eq(coap_uri_parse(&u, span_str(r->uri), COAP_URI_ZONE),
	    COAP_URI_OK);
	ck_assert(coap_parse_opts(&m, opts));
	m.payload = payload;
	at = authority(&u);
	ok = coap_key_make(key, w, &secret, &m, &at, COAP_KEY_BODY);
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
	/* CAC-02: what is said about the target beyond where it is sent to:
	 * Uri-Host, in either case, Uri-Port, Proxy-Scheme. */
	{ { T, 1, "32 76 31", NULL }, { T, 1, "32 76 31", NULL }, true },
	{ { T, 1, "32 76 31", NULL }, { T, 1, "32 56 31", NULL }, true },
	{ { T, 1, "32 76 31", NULL }, { T, 1, "32 76 32", NULL }, false },
	{ { T, 1, "32 76 31", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "72 16 33", NULL }, { T, 1, "72 16 34", NULL }, false },
	{ { T, 1, "72 16 33", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "d4 1a 63 6f 61 70", NULL }, { T, 1, "", NULL }, false },
	{ { T, 1, "d4 1a 63 6f 61 70", NULL },
	    { T, 1, "d5 1a 63 6f 61 70 73", NULL }, false },
	/* Only a host has no case. */
	{ { T, 1, "d1 02 61", NULL }, { T, 1, "d1 02 41", NULL }, false },
	/* An option of the target is none of the rest. */
	{ { T, 1, "b0 10", NULL }, { T, 1, "b0", NULL }, false },
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
	{ { T, 5, "c1 61", NULL }, { T, 5, "", "c1 61" }, false },
	{ { T, 5, "c1 61", NULL }, { T, 5, "", "c1 61 ff" }, false },
	{ { T, 5, "c1 61", "62" }, { T, 5, "", "c1 61 ff 62" }, false },
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
	struct coap_authority at = { COAP_SCHEME_COAP, &h, 5683 };
	uint8_t buf[2][64];
	struct writer wa = writer_make(buf[0], sizeof(buf[0]));
	struct writer wb = writer_make(buf[1], sizeof(buf[1]));
	struct coap_key ka, kb;

	ck_assert(coap_key_make(&ka, &wa, &secret, &a, &at, COAP_KEY_BODY));
	ck_assert(coap_key_make(&kb, &wb, &secret, &b, &at, COAP_KEY_BODY));
	assert_span(ka.octets, kb.octets);
	ck_assert_uint_eq(ka.hash, kb.hash);
	/* Without the secret nobody knows it. */
	wb = writer_make(buf[1], sizeof(buf[1]));
	ck_assert(coap_key_make(&kb, &wb, &other, &b, &at, COAP_KEY_BODY));
	assert_span(ka.octets, kb.octets);
	ck_assert_uint_ne(ka.hash, kb.hash);
	ck_assert_uint_ne(ka.uri, kb.uri);
}
END_TEST

/* BLK-14: later blocks of an answer are asked for without the body, and what
 * is found by such a key is never taken for the answer to an empty one. */
START_TEST(test_no_body)
{
	static const char *const bodies[] = { "one", "two", "" };
	struct coap_host h = { .text = SPAN_LIT("h") };
	struct coap_authority at = { COAP_SCHEME_COAP, &h, 5683 };
	struct coap_msg m = { .code = COAP_FETCH };
	struct span first = { NULL, 0 };
	uint8_t buf[UNIT_COUNT(bodies)][64];

	for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
		struct writer w = writer_make(buf[i], sizeof(buf[i]));
		struct coap_key key, whole;

		m.payload = span_str(bodies[i]);
		ck_assert(coap_key_make(&key, &w, &secret, &m, &at,
		    COAP_KEY_NO_BODY));
		if (i == 0)
			first = key.octets;
		assert_span(key.octets, first);
		ck_assert(coap_key_make(&whole, &w, &secret, &m, &at,
		    COAP_KEY_BODY));
		ck_assert(!span_eq(whole.octets, key.octets));
		ck_assert_uint_ne(whole.hash, key.hash);
		ck_assert_uint_eq(whole.uri, key.uri);
	}
}
END_TEST

/* The hash of the target URI of R. */
static uint64_t
uri_of(const struct request *r)
{
	struct coap_msg m = { .code = r->code };
	struct span opts = hex_dup(r->opts);
	struct coap_authority at;
	struct coap_key key;
	struct coap_uri u;
	uint8_t buf[512];
	struct writer w = writer_make(buf, sizeof(buf));
	uint64_t hash;

	ck_assert_int_eq(coap_uri_parse(&u, span_str(r->uri), 0), COAP_URI_OK);
	ck_assert(coap_parse_opts(&m, opts));
	at = authority(&u);
	ck_assert(coap_uri_hash(&hash, &w, &secret, &m, &at));
	w = writer_make(buf, sizeof(buf));
	ck_assert(coap_key_make(&key, &w, &secret, &m, &at, COAP_KEY_BODY));
	ck_assert_uint_eq(key.uri, hash);
	hex_free(opts);
	return hash;
}

/* Options at random, all of them recognised, into W. */
static void
random_options(struct writer *w, struct rand *rnd)
{
	struct coap_optw o = coap_optw(w);
	const struct coap_opt_def *def;
	static const uint8_t letters[] = { 0x61, 0x41, 0x62, 0x42 };
	uint8_t value[16];

	for (size_t i = 0; (def = coap_opt_row(i)) != NULL; i++) {
		unsigned times = rand_below(rnd, 3) == 0 ? 1 : 0;

		if (def->duty == COAP_DUTY_NONE ||
		    (def->in & COAP_IN_GET_FETCH) == 0 || def->min > 8)
			continue;
		if (times > 0 && (def->repeat & COAP_IN_GET_FETCH) != 0)
			times += (unsigned)rand_below(rnd, 3);
		while (times-- > 0) {
			size_t most = def->max < 16 ? def->max : 16;

			for (size_t k = 0; k < most; k++)
				value[k] = letters[rand_below(rnd, 4)];
			coap_put_opt(&o, def->number, span_make(value,
			    def->min + rand_below(rnd, most - def->min + 1)));
		}
	}
}

/* Options in a row are copied: that makes the same key as one by one. */
START_TEST(test_runs)
{
	struct coap_host h = { .text = SPAN_LIT("h") };
	struct coap_authority at = { COAP_SCHEME_COAP, &h, 5683 };
	struct rand rnd;

	rand_init_fixed(&rnd, 1);
	for (unsigned i = 0; i < 20000; i++) {
		struct coap_msg m = { .code = i % 2 == 0 ? COAP_GET :
			COAP_FETCH, .payload = SPAN_LIT("p") };
		uint8_t opts[512], buf[2][512];
		struct writer w = writer_make(opts, sizeof(opts));
		struct coap_key runs, each;

		random_options(&w, &rnd);
		ck_assert(coap_parse_opts(&m, writer_span(&w)));
		ck_assert(m.known);
		w = writer_make(buf[0], sizeof(buf[0]));
		ck_assert(coap_key_make(&runs, &w, &secret, &m, &at,
		    COAP_KEY_BODY));
		m.known = false;
		w = writer_make(buf[1], sizeof(buf[1]));
		ck_assert(coap_key_make(&each, &w, &secret, &m, &at,
		    COAP_KEY_BODY));
		assert_span(runs.octets, each.octets);
		ck_assert_uint_eq(runs.hash, each.hash);
		ck_assert_uint_eq(runs.uri, each.uri);
	}
}
END_TEST

/* CAC-36: one URI, whatever is asked of it; CAC-43: a query makes another. */
START_TEST(test_uri)
{
	static const struct {
		struct request a, b;
		bool same;
	} rows[] = {
		{ { T, 1, PATH_T, NULL }, { T, 3, PATH_T, NULL }, true },
		{ { T, 1, PATH_T, NULL }, { T, 5, PATH_T, NULL }, true },
		{ { T, 1, "b1 74 61 32", NULL }, { T, 1, PATH_T, NULL },
		    true },
		{ { T, 1, "11 01 a1 74 e1 fc dc 78", NULL },
		    { T, 4, PATH_T, NULL }, true },
		{ { "COAP://H:5683", 1, PATH_T, NULL },
		    { T, 3, PATH_T, NULL }, true },
		{ { T, 1, "b1 74 41 78", NULL }, { T, 1, PATH_T, NULL },
		    false },
		{ { T, 1, "b1 74 41 78", NULL }, { T, 1, "b1 74 41 79", NULL },
		    false },
		{ { T, 1, "b1 74", NULL }, { T, 1, "b1 75", NULL }, false },
		{ { T, 1, "32 76 31", NULL }, { T, 1, "32 56 31", NULL },
		    true },
		{ { T, 1, "32 76 31", NULL }, { T, 1, "32 76 32", NULL },
		    false },
		{ { "coap://i", 1, "", NULL }, { T, 1, "", NULL }, false },
		{ { "coap://h:1", 1, "", NULL }, { T, 1, "", NULL }, false },
		{ { "coaps://h:5683", 1, "", NULL }, { T, 1, "", NULL },
		    false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_msg((uri_of(&rows[i].a) == uri_of(&rows[i].b)) ==
			rows[i].same, "row %zu", i);
}
END_TEST

/* CAC-38, CAC-39: Location-Path and Location-Query, relative to the URI that
 * was asked. */
START_TEST(test_location)
{
	static const struct {
		const char *asked, *location, *named;
	} rows[] = {
		/* /c: Location-Path c, 7 */
		{ "b1 63", "81 63 01 37", "b1 63 01 37" },
		{ "b1 63 41 71", "81 63 01 37", "b1 63 01 37" },
		/* with Location-Query a; and that alone */
		{ "b1 63 41 71", "81 63 c1 61", "b1 63 41 61" },
		{ "b1 63 41 71", "d1 07 61", "b1 63 41 61" },
		/* the same virtual host, port and proxy */
		{ "32 76 31 42 16 33 41 63", "81 64",
		    "32 76 31 42 16 33 41 64" },
		{ "b1 63 d4 0f 63 6f 61 70", "81 64",
		    "b1 64 d4 0f 63 6f 61 70" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct request named = { T, 1, rows[i].named, NULL };
		struct span asked = hex_dup(rows[i].asked);
		struct span location = hex_dup(rows[i].location);
		struct coap_msg m = { .code = COAP_POST };
		struct coap_msg answer = { .code = COAP_201 };
		struct coap_host h = { .text = SPAN_LIT("h") };
		struct coap_authority at = { COAP_SCHEME_COAP, &h, 5683 };
		uint8_t buf[128];
		struct writer w = writer_make(buf, sizeof(buf));
		uint64_t hash;
		size_t n;

		ck_assert(coap_parse_opts(&m, asked));
		ck_assert(coap_parse_opts(&answer, location));
		ck_assert(coap_location_hash(&hash, &w, &secret, &m, &at,
		    &answer));
		ck_assert_msg(hash == uri_of(&named), "row %zu", i);
		n = writer_len(&w);
		w = writer_make(buf, n - 1);
		ck_assert(!coap_location_hash(&hash, &w, &secret, &m, &at,
		    &answer));
		hex_free(asked);
		hex_free(location);
	}
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

/* A key tells what URI and method it is for. Cut short it tells nothing, and no
 * octets of it lead astray. */
START_TEST(test_format)
{
	static const struct {
		struct request r;
		const char *uri;
	} rows[] = {
		{ { "coap://h", COAP_GET, "b1 61 01 62", NULL },
			"coap://h/a/b" },
		{ { "coap://[2001:db8::1]:5690", COAP_FETCH, "b1 61", "62" },
			"coap://[2001:db8::1]:5690/a" },
		{ { "coap://192.0.2.1", COAP_GET, "34 4e 61 6d 65", NULL },
			"coap://name/" },
		{ { "coap://h", COAP_GET, "b3 25 0a 2f 43 71 3d 31", NULL },
			"coap://h/%25%0A%2F?q=1" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		uint8_t buf[512], method = 0;
		struct writer w = writer_make(buf, sizeof(buf));
		struct coap_key key;
		char uri[100];

		ck_assert(make_key(&key, &w, &rows[i].r));
		ck_assert(coap_key_format(key.octets, uri, sizeof(uri),
		    &method));
		ck_assert_str_eq(uri, rows[i].uri);
		ck_assert_uint_eq(method, rows[i].r.code);
		ck_assert(!coap_key_format(key.octets, uri, 4, &method));
		for (size_t n = 0; n < key.octets.n; n++)
			coap_key_format(span_make(key.octets.p, n), uri,
			    sizeof(uri), &method);
		ck_assert(!coap_key_format(span_make(buf, 5), uri,
		    sizeof(uri), &method));
		for (size_t n = 0; n < key.octets.n; n++) {
			uint8_t was = buf[n];

			buf[n] = 0xff;
			coap_key_format(key.octets, uri, sizeof(uri),
			    &method);
			buf[n] = was;
		}
	}
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
	tcase_add_test(tc, test_no_body);
	tcase_add_test(tc, test_runs);
	tcase_add_test(tc, test_uri);
	tcase_add_test(tc, test_location);
	tcase_add_test(tc, test_room);
	tcase_add_test(tc, test_format);
	suite_add_tcase(s, tc);
	return s;
}
