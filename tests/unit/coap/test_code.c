/* Tests of coap/code: every code, every name. */
#include "coap/code.h"

#include "unit.h"

/* MSG-03, MSG-21: the class decides; 1, 6 and 7 are reserved over UDP. */
START_TEST(test_kind)
{
	static const enum coap_kind of_class[] = {
		COAP_KIND_REQUEST, COAP_KIND_RESERVED, COAP_KIND_RESPONSE,
		COAP_KIND_RESPONSE, COAP_KIND_RESPONSE, COAP_KIND_RESPONSE,
		COAP_KIND_RESERVED, COAP_KIND_RESERVED,
	};

	ck_assert_int_eq(coap_code_kind(0), COAP_KIND_EMPTY);
	for (unsigned c = 1; c < 256; c++) {
		ck_assert_uint_eq(coap_code_class((uint8_t)c), c / 32);
		ck_assert_int_eq(coap_code_kind((uint8_t)c), of_class[c / 32]);
	}
}
END_TEST

/* RFC 7252 5.1, 5.8; RFC 8132 table 1. MSG-26: 0.08 to 0.31 are unknown.
 * MSG-65: POST, PATCH and the unknown are not idempotent. */
START_TEST(test_methods)
{
	static const struct {
		uint8_t code;
		bool known, idempotent, safe;
	} t[] = {
		{ COAP_EMPTY, false, false, false },
		{ COAP_GET, true, true, true },
		{ COAP_POST, true, false, false },
		{ COAP_PUT, true, true, false },
		{ COAP_DELETE, true, true, false },
		{ COAP_FETCH, true, true, true },
		{ COAP_PATCH, true, false, false },
		{ COAP_IPATCH, true, true, false },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		ck_assert_uint_eq(t[i].code, i);
		ck_assert(coap_method_known(t[i].code) == t[i].known);
		ck_assert(coap_method_idempotent(t[i].code) ==
		    t[i].idempotent);
		ck_assert(coap_method_safe(t[i].code) == t[i].safe);
	}
	for (unsigned c = UNIT_COUNT(t); c < 256; c++) {
		ck_assert(!coap_method_known((uint8_t)c));
		ck_assert(!coap_method_idempotent((uint8_t)c));
		ck_assert(!coap_method_safe((uint8_t)c));
	}
}
END_TEST

/* MSG-20: none with GET, DELETE, 2.03, 2.31. */
START_TEST(test_payload)
{
	static const uint8_t without[] = {
		COAP_EMPTY, COAP_GET, COAP_DELETE, COAP_203, COAP_231,
	};

	for (unsigned c = 0; c < 256; c++) {
		bool none = memchr(without, (int)c, sizeof(without)) != NULL;

		ck_assert(coap_code_has_payload((uint8_t)c) == !none);
	}
}
END_TEST

static const struct {
	const char *text;
	uint8_t code;
} names[] = {
	{ "0.00", COAP_EMPTY }, { "GET", COAP_GET }, { "POST", COAP_POST },
	{ "PUT", COAP_PUT }, { "DELETE", COAP_DELETE },
	{ "FETCH", COAP_FETCH }, { "PATCH", COAP_PATCH },
	{ "iPATCH", COAP_IPATCH }, { "0.08", 8 }, { "0.31", 31 },
	{ "1.00", 0x20 }, { "2.01", COAP_201 }, { "2.02", COAP_202 },
	{ "2.03", COAP_203 }, { "2.04", COAP_204 }, { "2.05", COAP_205 },
	{ "2.31", COAP_231 }, { "3.01", 0x61 }, { "4.00", COAP_400 },
	{ "4.01", COAP_401 }, { "4.02", COAP_402 }, { "4.03", COAP_403 },
	{ "4.04", COAP_404 }, { "4.05", COAP_405 }, { "4.06", COAP_406 },
	{ "4.08", COAP_408 }, { "4.09", COAP_409 }, { "4.12", COAP_412 },
	{ "4.13", COAP_413 }, { "4.15", COAP_415 }, { "4.22", COAP_422 },
	{ "4.29", COAP_429 }, { "5.00", COAP_500 }, { "5.01", COAP_501 },
	{ "5.02", COAP_502 }, { "5.03", COAP_503 }, { "5.04", COAP_504 },
	{ "5.05", COAP_505 }, { "5.08", COAP_508 }, { "7.31", 0xff },
};

START_TEST(test_names)
{
	char out[8];
	uint8_t code;

	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		ck_assert_str_eq(coap_code_str(names[i].code, out),
		    names[i].text);
		ck_assert(coap_code_parse(span_str(names[i].text), &code));
		ck_assert_uint_eq(code, names[i].code);
	}
	/* Codes without a name of their own, MSG-27, keep their number. */
	for (unsigned c = 0; c < 256; c++) {
		coap_code_str((uint8_t)c, out);
		ck_assert(coap_code_parse(span_str(out), &code));
		ck_assert_uint_eq(code, c);
	}
}
END_TEST

START_TEST(test_parse_variants)
{
	static const char *const bad[] = {
		"", "G", "GETT", " GET", "2", "2.5", "2.050", "2,05", "a.05",
		"2.a5", "2.0a", "8.00", "2.32", "-.05", "2.-5",
	};
	uint8_t code = 0;

	ck_assert(coap_code_parse(SPAN_LIT("get"), &code));
	ck_assert_uint_eq(code, COAP_GET);
	ck_assert(coap_code_parse(SPAN_LIT("IPatch"), &code));
	ck_assert_uint_eq(code, COAP_IPATCH);
	ck_assert(coap_code_parse(SPAN_LIT("0.01"), &code));
	ck_assert_uint_eq(code, COAP_GET);
	for (size_t i = 0; i < UNIT_COUNT(bad); i++)
		ck_assert_msg(!coap_code_parse(span_str(bad[i]), &code),
		    "accepted: %s", bad[i]);
}
END_TEST

Suite *code_suite(void);

Suite *
code_suite(void)
{
	Suite *s = suite_create("code");
	TCase *tc = tcase_create("code");

	tcase_add_test(tc, test_kind);
	tcase_add_test(tc, test_methods);
	tcase_add_test(tc, test_payload);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_parse_variants);
	suite_add_tcase(s, tc);
	return s;
}
