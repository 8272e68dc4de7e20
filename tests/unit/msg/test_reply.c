/* Answers that are not wanted (No-Response, RFC 7967): src/msg/reply.c. */
#include "fixture.h"
#include "suites.h"

static struct world w;

static void
setup(void)
{
	world_init(&w, 2, true);
}

static void
teardown(void)
{
	world_fini(&w);
}

static void
suppress(size_t i)
{
	dgram_suppress(w.d, w.got[i].r, w.now);
}

/* PRX-80: a CON gets its empty ACK at once, and again for each copy, as long as
 * it is remembered; nothing is repeated. */
START_TEST(con)
{
	in(&w, 0, "41 02 00 01 a1");
	suppress(0);
	out(&w, 0, "60 00 00 01");
	pass(&w, 1000);
	quiet(&w);
	in(&w, 0, "41 02 00 01 a1");
	out(&w, 0, "60 00 00 01");
	pass(&w, w.params.exchange_lifetime - 2000);
	in(&w, 0, "41 02 00 01 a1");
	out(&w, 0, "60 00 00 01");
	ck_assert_uint_eq(w.ngot, 1);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	pass(&w, 2000);
	ck_assert_uint_eq(dgram_received_count(w.d), 0);
}
END_TEST

/* PRX-80: one that has had its empty ACK hears no more. */
START_TEST(con_acked)
{
	in(&w, 0, "41 02 00 01 a1");
	pass(&w, w.params.empty_ack_delay);
	out(&w, 0, "60 00 00 01");
	suppress(0);
	quiet(&w);
	in(&w, 0, "41 02 00 01 a1");
	out(&w, 0, "60 00 00 01");
	ck_assert_uint_eq(w.ngot, 1);
}
END_TEST

/* PRX-80: a NON hears nothing, nor do its copies, which are no new requests. */
START_TEST(non)
{
	in(&w, 0, "51 02 00 01 a1");
	suppress(0);
	in(&w, 0, "51 02 00 01 a1");
	pass(&w, 1000);
	in(&w, 0, "51 02 00 01 a1");
	quiet(&w);
	ck_assert_uint_eq(w.ngot, 1);
	ck_assert_uint_eq(dgram_received_count(w.d), 1);
	pass(&w, w.params.exchange_lifetime);
	ck_assert_uint_eq(dgram_received_count(w.d), 0);
}
END_TEST

/* MSG-91: its Message ID belongs to another message by now. */
START_TEST(orphan)
{
	in(&w, 0, "41 01 00 01 a1");
	in(&w, 0, "41 01 00 01 a2");
	suppress(0);
	quiet(&w);
	suppress(1);
	out(&w, 0, "60 00 00 01");
	ck_assert_uint_eq(dgram_received_count(w.d), 1);
}
END_TEST

/* Without a buffer the ACK is lost on the way: a copy gets it. */
START_TEST(no_buffer)
{
	in(&w, 0, "41 02 00 01 a1");
	hoard(&w);
	suppress(0);
	quiet(&w);
	unhoard(&w);
	in(&w, 0, "41 02 00 01 a1");
	out(&w, 0, "60 00 00 01");
	ck_assert_uint_eq(w.ngot, 1);
}
END_TEST

/* PRX-80: an answer that does not fit a datagram becomes 5.02; is that not
 * wanted, there is none. */
START_TEST(too_large)
{
	static const uint8_t payload[BUF_LARGE];
	struct dgram_out o = { .code = COAP_205,
		.payload = span_make(payload, sizeof(payload)) };

	in(&w, 0, "41 01 00 01 a1");
	o.unwanted = COAP_NO_2XX | COAP_NO_4XX;
	ck_assert(dgram_reply(w.d, w.got[0].r, &o, SPAN_LIT("\xa1"), w.now));
	out(&w, 0, "61 a2 00 01 a1");
	in(&w, 0, "41 01 00 02 a1");
	o.unwanted = COAP_NO_5XX;
	ck_assert(dgram_reply(w.d, w.got[1].r, &o, SPAN_LIT("\xa1"), w.now));
	out(&w, 0, "60 00 00 02");
}
END_TEST

/* PRX-80: what is refused for want of a record (MSG-66), with No-Response
 * 16, 10, 26 and two octets of 16. */
START_TEST(full)
{
	in(&w, 0, "41 01 00 01 a1");
	in(&w, 0, "41 01 00 02 a1");
	in(&w, 0, "41 01 00 03 a1 d1 f5 10");
	out(&w, 0, "60 00 00 03");
	in(&w, 0, "51 01 00 04 a1 d1 f5 10");
	quiet(&w);
	in(&w, 0, "41 01 00 05 a1 d1 f5 0a");
	out(&w, 0, "61 a3 00 05 a1 d1 01 05");
	in(&w, 0, "41 01 00 06 a1 d1 f5 1a");
	out(&w, 0, "60 00 00 06");
	in(&w, 0, "41 01 00 07 a1 d2 f5 00 10");
	out(&w, 0, "61 a3 00 07 a1 d1 01 05");
	ck_assert_uint_eq(w.ngot, 2);
	ck_assert_uint_eq(dgram_received_count(w.d), 2);
}
END_TEST

/* PRX-80: a datagram whose end is lost, with No-Response 8: no 4.13 where the
 * option can still be read. */
START_TEST(truncated)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "41 03 00 01 a1 d1 f5 08 ff 78", "60 00 00 01" },
		{ "51 03 00 02 a1 d1 f5 08 ff 78", "" },
		{ "41 03 00 03 a1 d1 f5 12 ff 78",
			"61 8d 00 03 a1 d2 2f 04 00" },
		{ "41 03 00 04 a1 d1 f5", "61 8d 00 04 a1 d2 2f 04 00" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct span s = hex_dup(rows[i].in);

		dgram_input(w.d, &w.peer[0], s, true, w.now);
		hex_free(s);
		if (rows[i].out[0] != '\0')
			out(&w, 0, rows[i].out);
		quiet(&w);
	}
	ck_assert_uint_eq(w.ngot, 0);
}
END_TEST

Suite *
reply_suite(void)
{
	Suite *s = suite_create("reply");
	TCase *tc = tcase_create("reply");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, con);
	tcase_add_test(tc, con_acked);
	tcase_add_test(tc, non);
	tcase_add_test(tc, orphan);
	tcase_add_test(tc, no_buffer);
	tcase_add_test(tc, too_large);
	tcase_add_test(tc, full);
	tcase_add_test(tc, truncated);
	suite_add_tcase(s, tc);
	return s;
}
