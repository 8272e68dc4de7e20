/* Tests of coap/msg: what is a message, and what is recognised in it. */
#include "coap/msg.h"

#include "coap/emit.h"
#include "hex.h"
#include "unit.h"

/* MSG-01 to MSG-13 as a table. A token of "-" is one that was not complete. */
static const struct {
	const char *wire;
	enum coap_parse want;
	const char *token;
} datagrams[] = {
	{ "", COAP_PARSE_IGNORE, "-" },			/* MSG-01 */
	{ "40", COAP_PARSE_IGNORE, "-" },
	{ "40 01", COAP_PARSE_IGNORE, "-" },
	{ "40 01 12", COAP_PARSE_IGNORE, "-" },
	{ "00 01 12 34", COAP_PARSE_IGNORE, "-" },	/* MSG-02 */
	{ "80 00 12 34", COAP_PARSE_IGNORE, "-" },
	{ "c0 01 12 34", COAP_PARSE_IGNORE, "-" },
	{ "b0 01 12 34", COAP_PARSE_IGNORE, "-" },
	{ "44 01 12 34 a1 a2", COAP_PARSE_BAD, "-" },	/* MSG-04 */
	{ "44 01 12 34 a1 a2 a3", COAP_PARSE_BAD, "-" },
	{ "44 01 12 34 a1 a2 a3 a4", COAP_PARSE_OK, "a1 a2 a3 a4" },
	{ "48 01 12 34 01 02 03 04 05 06 07 08", COAP_PARSE_OK,
	    "01 02 03 04 05 06 07 08" },
	{ "4f 01 12 34 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f",
	    COAP_PARSE_BAD, "-" },			/* MSG-05 */
	{ "49 01 12 34 01 02 03 04 05 06 07 08 09", COAP_PARSE_OK,
	    "01 02 03 04 05 06 07 08 09" },
	{ "4c 01 12 34 01 02 03 04 05 06 07 08 09 0a 0b 0c", COAP_PARSE_OK,
	    "01 02 03 04 05 06 07 08 09 0a 0b 0c" },
	{ "4d 01 12 34", COAP_PARSE_BAD, "-" },
	{ "4d 01 12 34 00 01 02 03 04 05 06 07 08 09 0a 0b 0c",
	    COAP_PARSE_BAD, "-" },
	{ "4d 01 12 34 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d",
	    COAP_PARSE_OK, "01 02 03 04 05 06 07 08 09 0a 0b 0c 0d" },
	{ "4e 01 12 34 00", COAP_PARSE_BAD, "-" },
	{ "4e 01 12 34 00 00", COAP_PARSE_BAD, "-" },
	{ "41 00 12 34 a1", COAP_PARSE_BAD, "a1" },	/* MSG-06 */
	{ "40 00 12 34 ff", COAP_PARSE_BAD, "" },
	{ "40 00 12 34 b1 74", COAP_PARSE_BAD, "" },
	{ "50 00 12 34", COAP_PARSE_OK, "" },		/* MSG-24: later */
	{ "60 00 12 34", COAP_PARSE_OK, "" },
	{ "60 f1", COAP_PARSE_IGNORE, "-" },		/* MSG-23 */
	{ "41 01 12 34 a1 f1 00", COAP_PARSE_BAD, "a1" },	/* MSG-08 */
	{ "40 01 12 34 f0", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 fe 00 00 00", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 bf 00", COAP_PARSE_BAD, "" },	/* MSG-09 */
	{ "40 01 12 34 0f", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 d0", COAP_PARSE_BAD, "" },	/* MSG-10 */
	{ "40 01 12 34 e0", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 e0 01", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 0d", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 0e 00", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 dd 00", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 b4 74 65", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 be ff ff 00", COAP_PARSE_BAD, "" },
	{ "40 01 12 34 b1 74 ff", COAP_PARSE_BAD, "" },	/* MSG-11 */
	{ "45 01 12 34 01 02 03 04 05 ff", COAP_PARSE_BAD,
	    "01 02 03 04 05" },
	{ "40 02 12 34 ff 00", COAP_PARSE_OK, "" },
	{ "40 01 12 34 e0 ff ff 00", COAP_PARSE_BAD, "" },	/* MSG-13 */
	{ "40 01 12 34 e0 fe f2", COAP_PARSE_OK, "" },	/* 65535 */
	{ "40 01 12 34 e0 fe f3", COAP_PARSE_BAD, "" },	/* 65536 */
	{ "40 01 12 34 e0 fe f2 00", COAP_PARSE_OK, "" },
	{ "40 01 12 34 e0 fe f2 10", COAP_PARSE_BAD, "" },
	{ "61 45 12 34 a1 bf", COAP_PARSE_BAD, "a1" },	/* PRX-38 */
	{ "40 20 12 34", COAP_PARSE_OK, "" },		/* MSG-21: later */
	{ "40 e1 12 34 b1 74", COAP_PARSE_OK, "" },
};

/* MSG-25: whatever the type, one reading; type, code and Message ID of a BAD
 * one are there for the reset. */
START_TEST(test_datagrams)
{
	for (size_t i = 0; i < UNIT_COUNT(datagrams); i++) {
		struct span s = hex_dup(datagrams[i].wire);
		struct coap_msg m;

		ck_assert_msg(coap_parse(&m, s) == datagrams[i].want, "%s",
		    datagrams[i].wire);
		if (datagrams[i].want != COAP_PARSE_IGNORE) {
			ck_assert_uint_eq(m.type, s.p[0] >> 4 & 3);
			ck_assert_uint_eq(m.code, s.p[1]);
			ck_assert_uint_eq(m.mid, 0x1234);
		}
		if (*datagrams[i].token == '-') {
			ck_assert_ptr_null(m.token.p);
		} else {
			ck_assert_ptr_nonnull(m.token.p);
			assert_hex(m.token, datagrams[i].token);
		}
		hex_free(s);
	}
}
END_TEST

START_TEST(test_null_datagram)
{
	struct coap_msg m;

	ck_assert_int_eq(coap_parse(&m, span_make(NULL, 0)),
	    COAP_PARSE_IGNORE);
}
END_TEST

/* MSG-49: longer than we serve is no format error; the caller answers. */
START_TEST(test_long_token)
{
	uint8_t d[6 + 300] = { 0x4e, 0x01, 0x12, 0x34, 0x00, 0x1f };
	struct coap_msg m;

	ck_assert_int_eq(coap_parse(&m, span_make(d, sizeof(d))),
	    COAP_PARSE_OK);
	ck_assert_uint_eq(m.token.n, 300);
	ck_assert_uint_gt(m.token.n, COAP_TOKEN_MAX);
	ck_assert_ptr_eq(m.token.p, d + 6);
	ck_assert_int_eq(coap_parse(&m, span_make(d, sizeof(d) - 1)),
	    COAP_PARSE_BAD);
}
END_TEST

/* MSG-12: 0xff inside a value or an extended field is data. MSG-15: so is
 * invalid UTF-8. */
START_TEST(test_marker_as_data)
{
	static const struct {
		const char *wire;
		uint16_t number;
		const char *value;
	} t[] = {
		{ "40 01 12 34 b2 ff ff", COAP_OPT_URI_PATH, "ff ff" },
		{ "40 01 12 34 b2 c3 28", COAP_OPT_URI_PATH, "c3 28" },
		{ "40 01 12 34 d1 ff ff", 268, "ff" },
		{ "40 01 12 34 e1 00 ff ff", 524, "ff" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span s = hex_dup(t[i].wire);
		struct coap_opt_iter it;
		struct coap_msg m;

		ck_assert_int_eq(coap_parse(&m, s), COAP_PARSE_OK);
		ck_assert_uint_eq(m.payload.n, 0);
		coap_opts(&it, &m);
		ck_assert(coap_opts_next(&it));
		ck_assert_uint_eq(it.number, t[i].number);
		assert_hex(it.value, t[i].value);
		ck_assert(!coap_opts_next(&it));
		hex_free(s);
	}
}
END_TEST

/* MSG-20: no payload where the code has none. MSG-11: a marker alone is an
 * error even there. */
START_TEST(test_payload)
{
	for (unsigned code = 1; code < 256; code++) {
		uint8_t d[] = { 0x40, (uint8_t)code, 0, 1, 0xff, 'x' };
		bool has = coap_code_has_payload((uint8_t)code);
		struct coap_msg m;

		ck_assert_int_eq(coap_parse(&m, span_make(d, 6)),
		    COAP_PARSE_OK);
		ck_assert_uint_eq(m.payload.n, has ? 1 : 0);
		ck_assert_uint_eq(m.opts.n, 0);
		ck_assert_int_eq(coap_parse(&m, span_make(d, 5)),
		    COAP_PARSE_BAD);
	}
}
END_TEST

/* The COAP_IN_* bits of a few codes, from RFC 7252 5.10 and RFC 8132. */
static const struct {
	uint8_t code;
	unsigned place;
} places[] = {
	{ COAP_GET, COAP_IN_GET_FETCH },
	{ COAP_POST, COAP_IN_BODY },
	{ COAP_PUT, COAP_IN_BODY },
	{ COAP_DELETE, COAP_IN_OTHER },
	{ COAP_FETCH, COAP_IN_GET_FETCH | COAP_IN_BODY },
	{ COAP_PATCH, COAP_IN_BODY },
	{ COAP_IPATCH, COAP_IN_BODY },
	{ 31, COAP_IN_BODY },
	{ 0x20, 0 },
	{ COAP_205, COAP_IN_RESP },
	{ 0x61, COAP_IN_RESP },
	{ COAP_404, COAP_IN_RESP },
	{ COAP_508, COAP_IN_RESP },
	{ 0xc1, 0 },
	{ 0xe1, 0 },
};

static uint8_t scratch[140000];
static const uint8_t zeros[65535];

/* Option NUMBER of N octets COUNT times in a message with CODE; of each of the
 * first and the last whether it is recognised. */
static void
parse_repeated(struct coap_msg *m, uint8_t code, uint16_t number, size_t n,
    bool recognised[2])
{
	struct writer w = writer_make(scratch, sizeof(scratch));
	struct coap_optw o = coap_optw(&w);
	struct coap_opt_iter it;

	coap_put_opt(&o, number, span_make(zeros, n));
	coap_put_opt(&o, number, span_make(zeros, n));
	memset(m, 0, sizeof(*m));
	m->code = code;
	ck_assert(!w.full);
	ck_assert(coap_parse_opts(m, writer_span(&w)));
	coap_opts(&it, m);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(coap_opts_next(&it));
		recognised[i] = it.def != NULL;
	}
	ck_assert(!coap_opts_next(&it));
}

/* Whether the rules of MSG-17 and MSG-19 let N octets of DEF in PLACE pass. */
static bool
acceptable(const struct coap_opt_def *def, unsigned place, size_t n)
{
	if (def->duty == COAP_DUTY_NONE || (def->in & place) == 0)
		return false;
	if (def->number == COAP_OPT_HOP_LIMIT)
		return n <= 8;	/* PRX-54 */
	return n >= def->min && n <= def->max;
}

static void
check_row(const struct coap_opt_def *def, uint8_t code, unsigned place,
    size_t n)
{
	bool first = acceptable(def, place, n);
	bool second = first && (def->repeat & place) != 0;
	uint32_t odd = second ? 0 : def->number;
	bool got[2];
	struct coap_msg m;

	parse_repeated(&m, code, def->number, n, got);
	ck_assert_msg(got[0] == first && got[1] == second,
	    "%s of %zu in code %u: %d %d", def->name, n, code, got[0], got[1]);
	ck_assert_uint_eq(m.has, first ? coap_opt_bit(def->number) : 0);
	ck_assert(coap_has(&m, def->number) == first);
	ck_assert_uint_eq(m.unknown_critical,
	    coap_opt_critical(def->number) ? odd : 0);
	ck_assert_uint_eq(m.unknown_unsafe,
	    coap_opt_unsafe(def->number) ? odd : 0);
}

/* MSG-17, MSG-18, MSG-19, BLK-03: every row at the ends of its length, once
 * and twice, in every kind of message. */
START_TEST(test_registry)
{
	const struct coap_opt_def *def;

	for (size_t row = 0; (def = coap_opt_row(row)) != NULL; row++) {
		for (size_t i = 0; i < UNIT_COUNT(places); i++) {
			uint8_t code = places[i].code;
			unsigned place = places[i].place;

			if (def->min > 0)
				check_row(def, code, place, def->min - 1u);
			check_row(def, code, place, def->min);
			check_row(def, code, place, def->max);
			check_row(def, code, place, 8);
			if (def->max < sizeof(zeros))
				check_row(def, code, place, def->max + 1u);
		}
	}
}
END_TEST

/* Numbers that nobody registered, the experimental ones among them: PRX-32,
 * PRX-33, PRX-36, PRX-37 rest on these facts. */
START_TEST(test_unregistered)
{
	static const uint16_t numbers[] = {
		0, 2, 10, 18, 25, 26, 64, 127, 293, 2048, 2050, 2057, 65000,
		65001, 65002, 65003, 65020, 65535,
	};

	for (size_t i = 0; i < UNIT_COUNT(numbers); i++) {
		uint16_t n = numbers[i];
		bool got[2];
		struct coap_msg m;

		parse_repeated(&m, COAP_GET, n, 1, got);
		ck_assert(!got[0] && !got[1]);
		ck_assert_uint_eq(m.has, 0);
		ck_assert(!coap_has(&m, n));
		ck_assert_uint_eq(m.unknown_critical, n & 1 ? n : 0);
		ck_assert_uint_eq(m.unknown_unsafe, n & 2 ? n : 0);
	}
}
END_TEST

/* The cases the rows of the specification spell out. */
static const struct {
	const char *wire;
	uint32_t critical, unsafe;
} facts[] = {
	{ "40 01 12 34 30", 3, 3 },		/* MSG-17: Uri-Host of 0 */
	{ "40 01 12 34 73 00 00 01", 7, 7 },	/* MSG-17: Uri-Port of 3 */
	/* MSG-17: ETag of 9 is as an unknown safe option. */
	{ "40 01 12 34 49 01 02 03 04 05 06 07 08 09", 0, 0 },
	{ "40 01 12 34 d1 16 61 01 61", 35, 35 },	/* MSG-18: Proxy-Uri */
	{ "60 45 12 34 d1 01 28 01 28", 0, 14 },	/* MSG-18: Max-Age */
	{ "40 01 12 34 d1 04 32 01 32", 17, 0 },	/* MSG-18: Accept */
	{ "40 01 12 34 d1 01 28", 0, 14 },	/* MSG-19: Max-Age in GET */
	{ "60 45 12 34 41 01 01 02", 0, 0 },	/* two ETags in a response */
	{ "40 01 12 34 d1 0e 06", 27, 27 },	/* Block1 in a GET */
	{ "40 04 12 34 d1 0e 06", 27, 27 },	/* ... and in a DELETE */
	{ "40 03 12 34 d1 0e 06", 0, 0 },	/* ... but not in a PUT */
	{ "40 01 12 34 d0 0a 00", 23, 23 },	/* BLK-03: two Block2 */
	{ "40 02 12 34 60", 0, 6 },		/* Observe in a POST */
	{ "40 01 12 34 d0 00", 13, 0 },		/* Uri-Path-Abbrev */
	{ "60 45 12 34 b1 74", 11, 11 },	/* Uri-Path in a response */
	/* The first of each kind counts, here 65001 and 65002. */
	{ "40 01 12 34 e0 fc dc 10 10", 65001, 65002 },
};

START_TEST(test_facts)
{
	for (size_t i = 0; i < UNIT_COUNT(facts); i++) {
		struct span s = hex_dup(facts[i].wire);
		struct coap_msg m;

		ck_assert_int_eq(coap_parse(&m, s), COAP_PARSE_OK);
		ck_assert_msg(m.unknown_critical == facts[i].critical &&
		    m.unknown_unsafe == facts[i].unsafe, "%s: %u %u",
		    facts[i].wire, m.unknown_critical, m.unknown_unsafe);
		hex_free(s);
	}
}
END_TEST

/* PRX-54: Hop-Limit is found whatever its length up to 8, and no length makes
 * a great value small. */
START_TEST(test_hop_limit)
{
	static const struct {
		const char *wire;
		bool found;
		uint32_t v;
	} t[] = {
		{ "40 01 12 34 d0 03", true, 0 },
		{ "40 01 12 34 d1 03 00", true, 0 },
		{ "40 01 12 34 d1 03 ff", true, 255 },
		{ "40 01 12 34 d2 03 01 00", true, 256 },
		{ "40 01 12 34 d5 03 01 00 00 00 05", true, UINT32_MAX },
		{ "40 01 12 34 d8 03 ff ff ff ff ff ff ff ff", true,
		    UINT32_MAX },
		{ "40 01 12 34 d9 03 00 00 00 00 00 00 00 00 05", false, 0 },
		{ "40 01 12 34 d1 03 07 01 09", true, 7 },	/* surplus */
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span s = hex_dup(t[i].wire);
		struct coap_msg m;
		uint32_t v = 0;

		ck_assert_int_eq(coap_parse(&m, s), COAP_PARSE_OK);
		ck_assert(coap_get_uint(&m, COAP_OPT_HOP_LIMIT, &v) ==
		    t[i].found);
		ck_assert_uint_eq(v, t[i].v);
		ck_assert_uint_eq(m.unknown_unsafe, 0);
		hex_free(s);
	}
}
END_TEST

START_TEST(test_get)
{
	struct span s = hex_dup("40 01 12 34 49 01 02 03 04 05 06 07 08 09 "
	    "01 aa 71 62 01 63");
	struct span v = { NULL, 0 };
	uint32_t u = 77;
	struct coap_msg m;

	ck_assert_int_eq(coap_parse(&m, s), COAP_PARSE_OK);
	/* The ETag of 9 octets is not one, the one behind it is. */
	ck_assert(coap_get(&m, COAP_OPT_ETAG, &v));
	assert_hex(v, "aa");
	ck_assert(coap_get(&m, COAP_OPT_URI_PATH, &v));
	assert_hex(v, "62");
	ck_assert(!coap_get(&m, COAP_OPT_URI_QUERY, &v));
	ck_assert(!coap_get(&m, 65000, &v));
	assert_hex(v, "62");
	ck_assert(!coap_get_uint(&m, COAP_OPT_ACCEPT, &u));
	ck_assert_uint_eq(u, 77);
	hex_free(s);
}
END_TEST

/* MSG-14: leading zeros. */
START_TEST(test_uint)
{
	static const struct {
		const char *value;
		uint32_t v;
	} t[] = {
		{ "", 0 }, { "00", 0 }, { "28", 40 }, { "00 00 00 28", 40 },
		{ "01 00", 256 }, { "ff ff ff ff", UINT32_MAX },
		{ "00 ff ff ff ff", UINT32_MAX },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span s = hex_dup(t[i].value);

		ck_assert_uint_eq(coap_uint(s), t[i].v);
		hex_free(s);
	}
}
END_TEST

/* Options from elsewhere: no options, no marker, nothing malformed. */
START_TEST(test_parse_opts)
{
	static const struct {
		const char *opts;
		bool ok;
	} t[] = {
		{ "", true }, { "b1 74", true }, { "b1 74 01 75", true },
		{ "ff", false }, { "ff 00", false }, { "b1 74 ff 00", false },
		{ "b2 74", false }, { "d0", false }, { "f0", false },
	};
	struct coap_msg m = { .code = COAP_GET };

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span s = hex_dup(t[i].opts);

		ck_assert(coap_parse_opts(&m, s) == t[i].ok);
		if (t[i].ok)
			assert_span(m.opts, s);
		hex_free(s);
	}
	ck_assert(coap_parse_opts(&m, span_make(NULL, 0)));
	ck_assert_uint_eq(m.has, 0);
}
END_TEST

/* A message put together by hand without options has none. */
START_TEST(test_no_options)
{
	struct coap_msg m = { .code = COAP_GET };
	struct coap_opt_iter it;

	coap_opts(&it, &m);
	ck_assert(!coap_opts_next(&it));
	ck_assert(!coap_has(&m, COAP_OPT_URI_PATH));
}
END_TEST

/* PRX-80, PRX-81: what No-Response says, and to which codes it speaks. */
START_TEST(test_unwanted)
{
	static const struct {
		const char *opts;
		uint8_t want;
	} rows[] = {
		{ "", 0 },
		{ "d0 f5", 0 },
		{ "d1 f5 00", 0 },
		{ "d1 f5 02", COAP_NO_2XX },
		{ "d1 f5 08", COAP_NO_4XX },
		{ "d1 f5 10", COAP_NO_5XX },
		{ "d1 f5 1a", COAP_NO_ANY },
		{ "d1 f5 ff", COAP_NO_ANY },
		{ "d1 f5 e5", 0 },
		/* A wrong length; the first of two. */
		{ "d2 f5 00 1a", 0 },
		{ "d1 f5 02 01 08", COAP_NO_2XX },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = { .code = COAP_POST };
		struct span opts = hex_dup(rows[i].opts);

		ck_assert(coap_parse_opts(&m, opts));
		ck_assert_msg(coap_unwanted(&m) == rows[i].want, "%s",
		    rows[i].opts);
		hex_free(opts);
	}
	for (unsigned code = 0; code <= UINT8_MAX; code++) {
		unsigned class = code >> 5;
		uint8_t c = (uint8_t)code;

		ck_assert(!coap_is_unwanted(0, c));
		ck_assert(coap_is_unwanted(COAP_NO_2XX, c) == (class == 2));
		ck_assert(coap_is_unwanted(COAP_NO_4XX, c) == (class == 4));
		ck_assert(coap_is_unwanted(COAP_NO_5XX, c) == (class == 5));
	}
}
END_TEST

Suite *msg_suite(void);

Suite *
msg_suite(void)
{
	Suite *s = suite_create("msg");
	TCase *tc = tcase_create("msg");

	tcase_add_test(tc, test_datagrams);
	tcase_add_test(tc, test_null_datagram);
	tcase_add_test(tc, test_long_token);
	tcase_add_test(tc, test_marker_as_data);
	tcase_add_test(tc, test_payload);
	tcase_add_test(tc, test_registry);
	tcase_add_test(tc, test_unregistered);
	tcase_add_test(tc, test_facts);
	tcase_add_test(tc, test_hop_limit);
	tcase_add_test(tc, test_get);
	tcase_add_test(tc, test_uint);
	tcase_add_test(tc, test_parse_opts);
	tcase_add_test(tc, test_no_options);
	tcase_add_test(tc, test_unwanted);
	suite_add_tcase(s, tc);
	return s;
}
