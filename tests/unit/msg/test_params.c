#include "msg/params.h"

#include "suites.h"
#include "unit.h"

/* MSG-38: the derived values follow the parameters; the second row is that of
 * the specification, the third has no repetitions. */
START_TEST(derived)
{
	static const struct {
		uint64_t ack_timeout;
		uint32_t factor, max_retransmit;
		uint64_t span, wait, delay, rtt, exchange, non;
	} rows[] = {
		{ 2000, 1500, 4, 45000, 93000, 2000, 202000, 247000, 145000 },
		{ 4000, 1500, 2, 18000, 42000, 4000, 204000, 222000, 118000 },
		{ 2000, 1500, 0, 0, 3000, 2000, 202000, 202000, 100000 },
		{ 2000, 1000, 4, 30000, 62000, 2000, 202000, 232000, 130000 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct msg_params p;

		msg_params_init(&p);
		p.ack_timeout = rows[i].ack_timeout;
		p.ack_random_factor = rows[i].factor;
		p.max_retransmit = rows[i].max_retransmit;
		msg_params_derive(&p);
		ck_assert_uint_eq(p.max_transmit_span, rows[i].span);
		ck_assert_uint_eq(p.max_transmit_wait, rows[i].wait);
		ck_assert_uint_eq(p.max_latency, 100000);
		ck_assert_uint_eq(p.processing_delay, rows[i].delay);
		ck_assert_uint_eq(p.max_rtt, rows[i].rtt);
		ck_assert_uint_eq(p.exchange_lifetime, rows[i].exchange);
		ck_assert_uint_eq(p.non_lifetime, rows[i].non);
	}
}
END_TEST

START_TEST(defaults)
{
	struct msg_params p;

	msg_params_init(&p);
	ck_assert_uint_eq(p.ack_timeout, 2000);
	ck_assert_uint_eq(p.ack_random_factor, 1500);
	ck_assert_uint_eq(p.max_retransmit, 4);
	ck_assert_uint_eq(p.empty_ack_delay, 500);
	ck_assert_uint_eq(p.exchange_lifetime, 247000);
	ck_assert_uint_eq(p.confirmable_every, 5);
	ck_assert_uint_eq(p.max_observers, 0);
	ck_assert_uint_eq(p.max_per_client, 32);
	ck_assert_ptr_null(msg_params_check(&p));
}
END_TEST

/* MSG-39, MSG-41: what RFC 7252 4.8.1 and 5.2.2 do not allow is named. */
START_TEST(check)
{
	static const struct {
		uint64_t ack_timeout;
		uint32_t factor;
		uint64_t empty_ack_delay;
		uint32_t max_retransmit;
		bool ok;
	} rows[] = {
		{ 2000, 1500, 500, 4, true },
		{ 1000, 1000, 999, 4, true },
		{ 999, 1500, 500, 4, false },
		{ 500, 1500, 100, 4, false },
		{ 2000, 999, 500, 4, false },
		{ 2000, 1500, 2000, 4, false },
		{ 2000, 1500, 1999, 4, true },
		{ 2000, 1500, 500, 0, true },
		{ 3600000, 1500, 500, 4, true },
		/* Time-outs would overflow their 32 bits. */
		{ 3600000, 1500, 500, 20, false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct msg_params p;

		msg_params_init(&p);
		p.ack_timeout = rows[i].ack_timeout;
		p.ack_random_factor = rows[i].factor;
		p.empty_ack_delay = rows[i].empty_ack_delay;
		p.max_retransmit = rows[i].max_retransmit;
		msg_params_derive(&p);
		ck_assert_int_eq(msg_params_check(&p) == NULL, rows[i].ok);
	}
}
END_TEST

Suite *
params_suite(void)
{
	Suite *s = suite_create("params");
	TCase *tc = tcase_create("params");

	tcase_add_test(tc, derived);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, check);
	suite_add_tcase(s, tc);
	return s;
}
