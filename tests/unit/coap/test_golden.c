/*
 * The golden vectors (ATK-38): each is parsed, shown, written again, cut at
 * every length, and changed at random. What is accepted must come out of the
 * emitter as it went in, since every message has one encoding only.
 */
#include "coap/dump.h"
#include "coap/emit.h"
#include "coap/uri.h"
#include "hex.h"
#include "unit.h"

#define PROXY_URI "63 6f 61 70 3a 2f 2f 5b 3a 3a 31 5d 3a 35 36 39 30 2f 74"

static const struct {
	const char *wire;
	uint32_t critical, unsafe;
	const char *dump;
} golden[] = {
	{ "40 00 12 34", 0, 0, "CON 0.00 mid=0x1234" },
	{ "70 00 12 34", 0, 0, "RST 0.00 mid=0x1234" },
	{ "41 01 12 34 a1 dd 16 0a " PROXY_URI " 3f 61 3d 31", 0, 0,
	    "CON GET mid=0x1234 token=a1 "
	    "Proxy-Uri=\"coap://[::1]:5690/t?a=1\"" },
	{ "40 01 70 01 b1 74 43 61 3d 31 11 10", 0, 0,
	    "CON GET mid=0x7001 Uri-Path=\"t\" Uri-Query=\"a=1\" "
	    "Hop-Limit=16" },
	{ "41 01 12 34 a1 39 6c 6f 63 61 6c 68 6f 73 74 42 16 3a 41 74 "
	    "d4 0f 63 6f 61 70", 0, 0,
	    "CON GET mid=0x1234 token=a1 Uri-Host=\"localhost\" "
	    "Uri-Port=5690 Uri-Path=\"t\" Proxy-Scheme=\"coap\"" },
	{ "41 01 12 34 a1 60 51 74", 0, 0,
	    "CON GET mid=0x1234 token=a1 Observe=0 Uri-Path=\"t\"" },
	{ "41 01 12 34 a1 61 01 51 74", 0, 0,
	    "CON GET mid=0x1234 token=a1 Observe=1 Uri-Path=\"t\"" },
	{ "61 45 12 34 a1 41 01 a1 28 ff 68 69", 0, 0,
	    "ACK 2.05 mid=0x1234 token=a1 ETag=01 Max-Age=40 payload=2" },
	{ "41 03 12 34 a1 b1 74 d1 03 08 ff "
	    "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f", 0, 0,
	    "CON PUT mid=0x1234 token=a1 Uri-Path=\"t\" Block1=0/1/16 "
	    "payload=16" },
	{ "41 01 12 34 a1 b1 74 c1 07", 0, 0,	/* BLK-02 */
	    "CON GET mid=0x1234 token=a1 Uri-Path=\"t\" "
	    "Block2=0/0/reserved" },
	{ "41 01 12 34 a1 d1 03 00 dd 06 06 " PROXY_URI, 0, 0, /* PRX-54 */
	    "CON GET mid=0x1234 token=a1 Hop-Limit=0 "
	    "Proxy-Uri=\"coap://[::1]:5690/t\"" },
	{ "41 01 12 34 a1 d1 03 01 dd 06 06 " PROXY_URI, 0, 0, /* PRX-55 */
	    "CON GET mid=0x1234 token=a1 Hop-Limit=1 "
	    "Proxy-Uri=\"coap://[::1]:5690/t\"" },
	{ "41 01 12 34 a1 dd 16 06 " PROXY_URI " e1 fc ba 78", 0, 65002,
	    "CON GET mid=0x1234 token=a1 "	/* PRX-32 */
	    "Proxy-Uri=\"coap://[::1]:5690/t\" opt65002=78" },
	{ "41 01 12 34 a1 d1 0c 78 ad 06 " PROXY_URI, 25, 0,
	    "CON GET mid=0x1234 token=a1 opt25=78 "	/* PRX-33 */
	    "Proxy-Uri=\"coap://[::1]:5690/t\"" },
	{ "61 81 12 34 a1 d8 ef 01 02 03 04 05 06 07 08", 0, 0,
	    "ACK 4.01 mid=0x1234 token=a1 Echo=0102030405060708" },
};

/* Parses S, which is OK, and asserts that its parts make S again: taken as a
 * whole and option by option. */
static void
check_rewrite(const struct coap_msg *m, struct span s)
{
	uint8_t opts[512], out[512];
	struct writer w = writer_make(opts, sizeof(opts));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { m->type, m->code, m->mid, m->token };
	struct coap_opt_iter it;
	size_t n;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		coap_put_opt(&o, it.number, it.value);
	ck_assert(it.cur == it.end);
	assert_span(writer_span(&w), m->opts);
	n = coap_emit(out, sizeof(out), &h, m->opts, m->payload);
	if (!coap_code_has_payload(m->code)) {
		ck_assert_uint_eq(m->payload.n, 0);
		s.n = n;	/* MSG-20: what is cut off is only payload */
	}
	assert_span(span_make(out, n), s);
}

START_TEST(test_vectors)
{
	for (size_t i = 0; i < UNIT_COUNT(golden); i++) {
		struct span s = hex_dup(golden[i].wire);
		struct coap_msg m;
		char text[256];

		ck_assert_int_eq(coap_parse(&m, s), COAP_PARSE_OK);
		ck_assert_uint_eq(m.unknown_critical, golden[i].critical);
		ck_assert_uint_eq(m.unknown_unsafe, golden[i].unsafe);
		ck_assert_str_eq(coap_dump(&m, text, sizeof(text)),
		    golden[i].dump);
		check_rewrite(&m, s);
		hex_free(s);
	}
}
END_TEST

/* The third vector leads to the fourth: target options made from a URI. */
START_TEST(test_what_goes_up)
{
	uint8_t opts[64], out[64];
	struct writer w = writer_make(opts, sizeof(opts));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { COAP_CON, COAP_GET, 0x7001, { NULL, 0 } };
	struct span s = hex_dup(golden[2].wire), text;
	struct coap_uri u;
	struct coap_msg m;
	size_t n;

	coap_parse(&m, s);
	ck_assert(coap_get(&m, COAP_OPT_PROXY_URI, &text));
	ck_assert_int_eq(coap_uri_parse(&u, text, 0), COAP_URI_OK);
	ck_assert(u.host.literal);
	ck_assert(coap_uri_put_path(&u, &o));
	ck_assert(coap_uri_put_query(&u, &o));
	coap_put_uint(&o, COAP_OPT_HOP_LIMIT, 16);
	n = coap_emit(out, sizeof(out), &h, writer_span(&w),
	    span_make(NULL, 0));
	assert_hex(span_make(out, n), golden[3].wire);
	hex_free(s);
}
END_TEST

/* The invariants of each outcome. */
static void
check_outcome(struct span s)
{
	struct coap_msg m;
	enum coap_parse r;
	size_t tkl;

	memset(&m, 0xa5, sizeof(m));
	r = coap_parse(&m, s);
	if (s.n < 4 || s.p[0] >> 6 != 1) {
		ck_assert_int_eq(r, COAP_PARSE_IGNORE);	/* MSG-01, MSG-02 */
		return;
	}
	ck_assert_int_ne(r, COAP_PARSE_IGNORE);
	ck_assert_uint_eq(m.type, s.p[0] >> 4 & 3);
	ck_assert_uint_eq(m.code, s.p[1]);
	ck_assert_uint_eq(m.mid, s.p[2] * 256u + s.p[3]);
	tkl = s.p[0] & 15;
	if (tkl <= 12)		/* PRX-38: a complete token is there */
		ck_assert((m.token.p != NULL) == (s.n - 4 >= tkl));
	if (r == COAP_PARSE_OK)
		check_rewrite(&m, s);
	else
		ck_assert_uint_eq(m.payload.n, 0);
}

/* MSG-10: cut anywhere, nothing is read that is not there. */
START_TEST(test_truncated)
{
	for (size_t i = 0; i < UNIT_COUNT(golden); i++) {
		struct span s = hex_dup(golden[i].wire);

		for (size_t n = 0; n <= s.n; n++) {
			struct span part = exact_dup(s, n);

			check_outcome(part);
			hex_free(part);
		}
		hex_free(s);
	}
}
END_TEST

/* A fixed sequence, so that a failure can be had again. */
static uint32_t
next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

START_TEST(test_mutated)
{
	uint32_t x = 0x20140601;

	for (unsigned i = 0; i < 5000; i++) {
		struct span s = hex_dup(golden[i % UNIT_COUNT(golden)].wire);
		uint8_t *p = (uint8_t *)(uintptr_t)s.p;

		for (uint32_t k = next_random(&x) % 4; k-- > 0;)
			p[next_random(&x) % s.n] = (uint8_t)next_random(&x);
		check_outcome(s);
		hex_free(s);
	}
}
END_TEST

Suite *golden_suite(void);

Suite *
golden_suite(void)
{
	Suite *s = suite_create("golden");
	TCase *tc = tcase_create("golden");

	tcase_add_test(tc, test_vectors);
	tcase_add_test(tc, test_what_goes_up);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_mutated);
	suite_add_tcase(s, tc);
	return s;
}
