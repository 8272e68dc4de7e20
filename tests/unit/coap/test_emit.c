/* Tests of coap/emit: bytes against RFC 7252 3, and round trips. */
#include "coap/emit.h"

#include <signal.h>

#include "hex.h"
#include "unit.h"

static uint8_t big[70000];
static uint8_t value[65805];

/* MSG-07: header octets at each change of the encoding. */
START_TEST(test_option_headers)
{
	static const struct {
		uint16_t delta;
		size_t n;
		const char *header;
	} t[] = {
		{ 0, 0, "00" },
		{ 11, 1, "b1" },
		{ 12, 12, "cc" },
		{ 13, 13, "dd 00 00" },
		{ 35, 23, "dd 16 0a" },
		{ 268, 255, "dd ff f2" },
		{ 268, 268, "dd ff ff" },
		{ 269, 269, "ee 00 00 00 00" },
		{ 65000, 12, "ec fc db" },
		{ 65000, 13, "ed fc db 00" },
		{ 65535, 1034, "ee fe f2 02 fd" },
		{ 12, 65804, "ce ff ff" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct writer w = writer_make(big, sizeof(big));
		struct coap_optw o = coap_optw(&w);
		struct span got;

		coap_put_opt(&o, t[i].delta, span_make(value, t[i].n));
		ck_assert(!w.full);
		ck_assert_uint_eq(o.last, t[i].delta);
		got = writer_span(&w);
		got.n -= t[i].n;
		assert_hex(got, t[i].header);
	}
}
END_TEST

/* A length that cannot be written is as good as no room. */
START_TEST(test_option_too_long)
{
	struct writer w = writer_make(big, sizeof(big));
	struct coap_optw o = coap_optw(&w);

	coap_put_opt(&o, 1, span_make(value, sizeof(value)));
	ck_assert(w.full);
	ck_assert_uint_eq(writer_len(&w), 0);
}
END_TEST

/* MSG-07, MSG-16: numbers, values and order come back; repeated and inserted
 * options change the deltas after them only. */
START_TEST(test_option_round_trip)
{
	static const uint16_t numbers[] = {
		0, 0, 12, 25, 25, 293, 562, 65000, 65000, 65001, 65535,
	};
	static const size_t lengths[] = { 0, 1, 12, 13, 255, 268, 269, 1034 };
	struct coap_msg m = { .code = COAP_GET };
	struct coap_opt_iter it;

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 7);
	for (size_t l = 0; l < UNIT_COUNT(lengths); l++) {
		struct writer w = writer_make(big, sizeof(big));
		struct coap_optw o = coap_optw(&w);

		for (size_t i = 0; i < UNIT_COUNT(numbers); i++)
			coap_put_opt(&o, numbers[i],
			    span_make(value + i, lengths[l]));
		ck_assert(!w.full);
		ck_assert(coap_parse_opts(&m, writer_span(&w)));
		coap_opts(&it, &m);
		for (size_t i = 0; i < UNIT_COUNT(numbers); i++) {
			ck_assert(coap_opts_next(&it));
			ck_assert_uint_eq(it.number, numbers[i]);
			assert_span(it.value,
			    span_make(value + i, lengths[l]));
		}
		ck_assert(!coap_opts_next(&it));
	}
}
END_TEST

/* MSG-14: the fewest octets; RFC 7252 3.2. */
START_TEST(test_uint)
{
	static const struct {
		uint32_t v;
		const char *option;
	} t[] = {
		{ 0, "60" }, { 1, "61 01" }, { 255, "61 ff" },
		{ 256, "62 01 00" }, { 65535, "62 ff ff" },
		{ 65536, "63 01 00 00" }, { 0xffffff, "63 ff ff ff" },
		{ 0x1000000, "64 01 00 00 00" },
		{ UINT32_MAX, "64 ff ff ff ff" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		uint8_t out[8];
		struct writer w = writer_make(out, sizeof(out));
		struct coap_optw o = coap_optw(&w);

		coap_put_uint(&o, COAP_OPT_OBSERVE, t[i].v);
		assert_hex(writer_span(&w), t[i].option);
		ck_assert_uint_eq(coap_uint(span_make(out + 1,
		    writer_len(&w) - 1)), t[i].v);
	}
}
END_TEST

/* Options must ascend: anything else is a bug of ours, found at once. */
START_TEST(test_descending)
{
	struct writer w = writer_make(big, sizeof(big));
	struct coap_optw o = coap_optw(&w);

	coap_put_uint(&o, 12, 0);
	coap_put_uint(&o, 11, 0);
}
END_TEST

/* MSG-05, MSG-49, MSG-50: tokens of all lengths come back. */
START_TEST(test_tokens)
{
	static const struct {
		size_t n;
		const char *start;
	} t[] = {
		{ 0, "40 01 12 34" }, { 1, "41 01 12 34" },
		{ 8, "48 01 12 34" }, { 9, "49 01 12 34" },
		{ 12, "4c 01 12 34" }, { 13, "4d 01 12 34 00" },
		{ 32, "4d 01 12 34 13" }, { 64, "4d 01 12 34 33" },
		{ 268, "4d 01 12 34 ff" }, { 269, "4e 01 12 34 00 00" },
		{ 300, "4e 01 12 34 00 1f" }, { 65804, "4e 01 12 34 ff ff" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct coap_head h = { COAP_CON, COAP_GET, 0x1234,
			span_make(value, t[i].n) };
		size_t n = coap_emit(big, sizeof(big), &h, span_make(NULL, 0),
		    span_make(NULL, 0));
		struct coap_msg m;

		ck_assert_uint_ge(n, 4);
		ck_assert_uint_le(n, coap_emit_bound(t[i].n, 0, 0));
		ck_assert_uint_eq(n, coap_emit_size(t[i].n, 0, 0));
		assert_hex(span_make(big, n - t[i].n), t[i].start);
		ck_assert_int_eq(coap_parse(&m, span_make(big, n)),
		    COAP_PARSE_OK);
		assert_span(m.token, h.token);
	}
}
END_TEST

START_TEST(test_token_too_long)
{
	struct coap_head h = { COAP_CON, COAP_GET, 1,
		span_make(value, sizeof(value)) };

	ck_assert_uint_eq(coap_emit(big, sizeof(big), &h, span_make(NULL, 0),
	    span_make(NULL, 0)), 0);
}
END_TEST

/* MSG-03: type, code and Message ID where they belong; MSG-11: a marker only
 * before a payload. */
START_TEST(test_message)
{
	static const struct {
		uint8_t type, code;
		uint16_t mid;
		const char *token, *opts, *payload, *message;
	} t[] = {
		{ COAP_CON, COAP_GET, 0x1234, "", "", "", "40 01 12 34" },
		{ COAP_NON, COAP_POST, 1, "a1", "b1 74", "68",
		    "51 02 00 01 a1 b1 74 ff 68" },
		{ COAP_ACK, COAP_205, 0xffff, "a1", "41 01 a1 28", "68 69",
		    "61 45 ff ff a1 41 01 a1 28 ff 68 69" },
		{ COAP_RST, COAP_EMPTY, 0xabcd, "", "", "", "70 00 ab cd" },
		{ 4 + COAP_NON, COAP_GET, 2, "", "b0", "", "50 01 00 02 b0" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span token = hex_dup(t[i].token);
		struct span opts = hex_dup(t[i].opts);
		struct span payload = hex_dup(t[i].payload);
		struct coap_head h = { t[i].type, t[i].code, t[i].mid, token };
		size_t n = coap_emit(big, sizeof(big), &h, opts, payload);

		assert_hex(span_make(big, n), t[i].message);
		ck_assert_uint_le(n,
		    coap_emit_bound(token.n, opts.n, payload.n));
		ck_assert_uint_eq(n,
		    coap_emit_size(token.n, opts.n, payload.n));
		for (size_t cap = 0; cap < n; cap++) {
			uint8_t *out = malloc(cap);

			ck_assert_uint_eq(coap_emit(out, cap, &h, opts,
			    payload), 0);
			free(out);
		}
		hex_free(token);
		hex_free(opts);
		hex_free(payload);
	}
}
END_TEST

/* MSG-57: four octets, no token, no payload. */
START_TEST(test_empty)
{
	uint8_t out[4];

	coap_emit_empty(out, COAP_RST, 0x1234);
	assert_hex(span_make(out, 4), "70 00 12 34");
	coap_emit_empty(out, COAP_ACK, 0xff01);
	assert_hex(span_make(out, 4), "60 00 ff 01");
	coap_emit_empty(out, COAP_CON, 0);
	assert_hex(span_make(out, 4), "40 00 00 00");
	coap_emit_empty(out, 4 + COAP_NON, 0);
	assert_hex(span_make(out, 4), "50 00 00 00");
	coap_set_mid(out, 0xabcd);
	assert_hex(span_make(out, 4), "50 00 ab cd");
}
END_TEST

Suite *emit_suite(void);

Suite *
emit_suite(void)
{
	Suite *s = suite_create("emit");
	TCase *tc = tcase_create("emit");

	tcase_add_test(tc, test_option_headers);
	tcase_add_test(tc, test_option_too_long);
	tcase_add_test(tc, test_option_round_trip);
	tcase_add_test(tc, test_uint);
	tcase_add_test_raise_signal(tc, test_descending, SIGABRT);
	tcase_add_test(tc, test_tokens);
	tcase_add_test(tc, test_token_too_long);
	tcase_add_test(tc, test_message);
	tcase_add_test(tc, test_empty);
	suite_add_tcase(s, tc);
	return s;
}
