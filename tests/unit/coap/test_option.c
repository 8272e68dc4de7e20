/* Tests of coap/option: the registry against a second transcription of it. */
#include "coap/option.h"

#include <string.h>

#include "unit.h"

/* MSG-17, MSG-18, MSG-19: length, repetition and place of every row; the
 * letters are Critical, Unsafe, NoCacheKey. */
static const struct {
	struct coap_opt_def def;
	const char *flags;
} want[] = {
	{ { 1, "If-Match", COAP_F_OPAQUE, 0, 8,
	    COAP_IN_REQ, COAP_IN_REQ, COAP_DUTY_FORWARD }, "C" },
	{ { 3, "Uri-Host", COAP_F_STRING, 1, 255,
	    0, COAP_IN_REQ, COAP_DUTY_TARGET }, "CU" },
	{ { 4, "ETag", COAP_F_OPAQUE, 1, 8,
	    COAP_IN_REQ, COAP_IN_BOTH, COAP_DUTY_FORWARD }, "" },
	{ { 5, "If-None-Match", COAP_F_EMPTY, 0, 0,
	    0, COAP_IN_REQ, COAP_DUTY_FORWARD }, "C" },
	{ { 6, "Observe", COAP_F_UINT, 0, 3,
	    0, COAP_IN_GET_FETCH | COAP_IN_RESP, COAP_DUTY_HOP }, "U" },
	{ { 7, "Uri-Port", COAP_F_UINT, 0, 2,
	    0, COAP_IN_REQ, COAP_DUTY_TARGET }, "CU" },
	{ { 8, "Location-Path", COAP_F_STRING, 0, 255,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_FORWARD }, "" },
	{ { 9, "OSCORE", COAP_F_OPAQUE, 0, 255,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD }, "C" },
	{ { 11, "Uri-Path", COAP_F_STRING, 0, 255,
	    COAP_IN_REQ, COAP_IN_REQ, COAP_DUTY_TARGET }, "CU" },
	{ { 12, "Content-Format", COAP_F_UINT, 0, 2,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD }, "" },
	{ { 13, "Uri-Path-Abbrev", COAP_F_UINT, 0, 4,
	    0, COAP_IN_REQ, COAP_DUTY_NONE }, "C" },
	{ { 14, "Max-Age", COAP_F_UINT, 0, 4,
	    0, COAP_IN_RESP, COAP_DUTY_HOP }, "U" },
	{ { 15, "Uri-Query", COAP_F_STRING, 0, 255,
	    COAP_IN_REQ, COAP_IN_REQ, COAP_DUTY_TARGET }, "CU" },
	{ { 16, "Hop-Limit", COAP_F_UINT, 1, 1,
	    0, COAP_IN_REQ, COAP_DUTY_HOP }, "" },
	{ { 17, "Accept", COAP_F_UINT, 0, 2,
	    0, COAP_IN_REQ, COAP_DUTY_FORWARD }, "C" },
	{ { 19, "Q-Block1", COAP_F_UINT, 0, 3,
	    0, COAP_IN_BOTH, COAP_DUTY_NONE }, "CU" },
	{ { 20, "Location-Query", COAP_F_STRING, 0, 255,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_FORWARD }, "" },
	{ { 21, "EDHOC", COAP_F_EMPTY, 0, 0,
	    0, COAP_IN_REQ, COAP_DUTY_FORWARD }, "C" },
	{ { 23, "Block2", COAP_F_UINT, 0, 3,
	    0, COAP_IN_BOTH, COAP_DUTY_HOP }, "CU" },
	{ { 27, "Block1", COAP_F_UINT, 0, 3,
	    0, COAP_IN_BODY | COAP_IN_RESP, COAP_DUTY_HOP }, "CU" },
	{ { 28, "Size2", COAP_F_UINT, 0, 4,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD }, "N" },
	{ { 31, "Q-Block2", COAP_F_UINT, 0, 3,
	    COAP_IN_REQ, COAP_IN_BOTH, COAP_DUTY_NONE }, "CU" },
	{ { 35, "Proxy-Uri", COAP_F_STRING, 1, 1034,
	    0, COAP_IN_REQ, COAP_DUTY_TARGET }, "CU" },
	{ { 39, "Proxy-Scheme", COAP_F_STRING, 1, 255,
	    0, COAP_IN_REQ, COAP_DUTY_TARGET }, "CU" },
	{ { 60, "Size1", COAP_F_UINT, 0, 4,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD }, "N" },
	{ { 128, "Location-128", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_NONE }, "" },
	{ { 132, "Location-132", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_NONE }, "" },
	{ { 136, "Location-136", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_NONE }, "" },
	{ { 140, "Location-140", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_RESP, COAP_IN_RESP, COAP_DUTY_NONE }, "" },
	{ { 235, "Proxy-Cri", COAP_F_OPAQUE, 1, 1023,
	    0, COAP_IN_REQ, COAP_DUTY_NONE }, "CU" },
	{ { 239, "Proxy-Scheme-Number", COAP_F_UINT, 0, 3,
	    0, COAP_IN_REQ, COAP_DUTY_NONE }, "CU" },
	{ { 252, "Echo", COAP_F_OPAQUE, 1, 40,
	    0, COAP_IN_BOTH, COAP_DUTY_FORWARD }, "N" },
	{ { 258, "No-Response", COAP_F_UINT, 0, 1,
	    0, COAP_IN_REQ, COAP_DUTY_HOP }, "U" },
	{ { 292, "Request-Tag", COAP_F_OPAQUE, 0, 8,
	    COAP_IN_REQ, COAP_IN_REQ, COAP_DUTY_FORWARD }, "" },
	{ { 2049, "OCF-Accept-Content-Format-Version", COAP_F_UINT, 2, 2,
	    0, COAP_IN_REQ, COAP_DUTY_NONE }, "C" },
	{ { 2053, "OCF-Content-Format-Version", COAP_F_UINT, 2, 2,
	    0, COAP_IN_BOTH, COAP_DUTY_NONE }, "C" },
	{ { 2055, "SCP82-Params", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_BOTH, COAP_IN_BOTH, COAP_DUTY_NONE }, "CU" },
	{ { 2056, "X-Admin-Protocol", COAP_F_OPAQUE, 0, 65535,
	    COAP_IN_BOTH, COAP_IN_BOTH, COAP_DUTY_NONE }, "" },
};

START_TEST(test_every_row)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < UNIT_COUNT(want); i++) {
		const struct coap_opt_def *d = coap_opt_row(i);
		const struct coap_opt_def *w = &want[i].def;

		ck_assert_ptr_nonnull(d);
		ck_assert_uint_eq(d->number, w->number);
		ck_assert_str_eq(d->name, w->name);
		ck_assert_int_eq(d->format, w->format);
		ck_assert_uint_eq(d->min, w->min);
		ck_assert_uint_eq(d->max, w->max);
		ck_assert_uint_eq(d->repeat, w->repeat);
		ck_assert_uint_eq(d->in, w->in);
		ck_assert_int_eq(d->duty, w->duty);
		if (d->duty == COAP_DUTY_NONE)
			continue;
		/* Each has a bit to itself. */
		ck_assert_uint_ne(coap_opt_bit(d->number), 0);
		ck_assert_uint_eq(bits & coap_opt_bit(d->number), 0);
		bits |= coap_opt_bit(d->number);
	}
	ck_assert_ptr_null(coap_opt_row(UNIT_COUNT(want)));
	ck_assert_ptr_null(coap_opt_row(SIZE_MAX));
}
END_TEST

START_TEST(test_every_number)
{
	size_t row = 0;

	for (unsigned n = 0; n <= UINT16_MAX; n++) {
		const struct coap_opt_def *d = coap_opt((uint16_t)n);

		if (row < UNIT_COUNT(want) && n == want[row].def.number)
			ck_assert_ptr_eq(d, coap_opt_row(row++));
		else
			ck_assert_ptr_null(d);
	}
	ck_assert_uint_eq(row, UNIT_COUNT(want));
}
END_TEST

static void
check_flags(uint16_t number, const char *flags)
{
	bool unsafe = strchr(flags, 'U') != NULL;

	ck_assert(coap_opt_critical(number) == (strchr(flags, 'C') != NULL));
	ck_assert(coap_opt_unsafe(number) == unsafe);
	ck_assert(coap_opt_nocachekey(number) == (strchr(flags, 'N') != NULL));
}

/* RFC 7252 5.4.6; PRX-32, PRX-33, CAC-03: flags come from the number. */
START_TEST(test_flags)
{
	for (size_t i = 0; i < UNIT_COUNT(want); i++)
		check_flags(want[i].def.number, want[i].flags);
	check_flags(0, "");
	check_flags(25, "C");
	check_flags(65000, "");
	check_flags(65001, "C");
	check_flags(65002, "U");
	check_flags(65003, "CU");
	check_flags(65020, "N");
}
END_TEST

Suite *option_suite(void);

Suite *
option_suite(void)
{
	Suite *s = suite_create("option");
	TCase *tc = tcase_create("option");

	tcase_add_test(tc, test_every_row);
	tcase_add_test(tc, test_every_number);
	tcase_add_test(tc, test_flags);
	suite_add_tcase(s, tc);
	return s;
}
