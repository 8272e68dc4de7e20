/* Tests of msg/datagram by what goes over the wire: messages that others begin.
 * Those that we begin are in test_exchange.c. */
#include "msg/datagram.h"

#include "fixture.h"
#include "suites.h"

static struct world w;

static void
setup(void)
{
	world_init(&w, 4, true);
}

static void
teardown(void)
{
	quiet(&w);
	world_fini(&w);
}

static const struct dgram_stats *
stats(void)
{
	return dgram_stats(w.d);
}

/* A request of peer I reaches the user and nothing goes out. */
static void
in_request(size_t i, const char *hex)
{
	size_t before = w.ngot;

	in(&w, i, hex);
	ck_assert_uint_eq(w.ngot, before + 1);
	quiet(&w);
}

/* What nobody takes as a request. */
START_TEST(test_rejected)
{
	static const struct {
		const char *in, *out;	/* "": silence */
	} t[] = {
		/* MSG-01, MSG-02: no trace. */
		{ "", "" },
		{ "40", "" },
		{ "40 01", "" },
		{ "40 01 12", "" },
		{ "80 00 12 34", "" },
		{ "c0 01 12 34", "" },
		{ "00 01 12 34", "" },
		/* MSG-03, MSG-56, MSG-57: ping. */
		{ "40 00 ab cd", "70 00 ab cd" },
		/* MSG-04, MSG-05, MSG-06, MSG-25: format errors. */
		{ "44 01 12 34 a1 a2", "70 00 12 34" },
		{ "54 01 12 34 a1 a2", "" },
		{ "4f 01 12 34 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e",
		    "70 00 12 34" },
		{ "41 00 12 34 a1", "70 00 12 34" },
		{ "51 00 12 34 a1", "" },
		{ "40 00 12 34 ff", "70 00 12 34" },
		/* MSG-08 to MSG-13, each as CON and as NON. */
		{ "40 01 12 34 f1 00", "70 00 12 34" },
		{ "50 01 12 34 f1 00", "" },
		{ "40 01 12 34 bf 00", "70 00 12 34" },
		{ "50 01 12 34 bf 00", "" },
		{ "40 01 12 34 d0", "70 00 12 34" },
		{ "50 01 12 34 e0 01", "" },
		{ "40 01 12 34 b4 74 65", "70 00 12 34" },
		{ "40 01 12 34 b1 74 ff", "70 00 12 34" },
		{ "50 01 12 34 b1 74 ff", "" },
		{ "40 01 12 34 e0 ff ff 00", "70 00 12 34" },
		/* MSG-24: an empty NON. */
		{ "50 00 12 34", "" },
		/* MSG-21: reserved classes. */
		{ "40 20 12 34", "70 00 12 34" },
		{ "40 c0 12 34", "70 00 12 34" },
		{ "40 e1 12 34", "70 00 12 34" },
		{ "50 20 12 34", "" },
		{ "50 c0 12 34", "" },
		{ "60 20 12 34", "" },
		{ "70 c0 12 34", "" },
		/* MSG-58: responses nobody waits for. */
		{ "41 45 00 01 99", "70 00 00 01" },
		{ "51 45 00 01 99", "" },
		{ "48 45 00 01 01 02 03 04 05 06 07 08", "70 00 00 01" },
		{ "40 60 00 01", "70 00 00 01" },
		/* MSG-22, MSG-23: ACK and RST are never answered. */
		{ "60 00 00 01", "" },
		{ "70 00 00 01", "" },
		{ "61 45 00 01 a1", "" },
		{ "60 01 00 01", "" },
		{ "70 45 00 01", "" },
		{ "60 00 00 01 f1", "" },
		{ "70 01 00 01 f1", "" },
		{ "60 f1", "" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		in(&w, 0, t[i].in);
		if (t[i].out[0] != '\0')
			out(&w, 0, t[i].out);
		ck_assert_msg(w.nout == w.seen, "answered: %s", t[i].in);
		ck_assert_uint_eq(w.ngot, 0);
	}
	ck_assert_uint_eq(dgram_received_count(w.d), 0);
	ck_assert_uint_eq(w.peer[0].stats.last_heard, 0);
	ck_assert_uint_eq(w.peer[0].stats.rx_messages, UNIT_COUNT(t));
	/* Each was counted, once. */
	ck_assert_uint_eq(stats()->rx_ignored + stats()->rx_malformed +
		stats()->rx_unexpected + stats()->rx_pings, UNIT_COUNT(t));
}
END_TEST

START_TEST(test_counters)
{
	static const char *const t[] = {
		"40", "c0 01 12 34",			/* ignored */
		"50 00 00 01", "50 20 12 34", "70 45 00 01",
		"40 01 12 34 d0", "50 01 12 34 d0",	/* malformed */
		"40 01 12 34 b1 74 ff",
		"41 45 00 01 99", "60 00 00 01",	/* unexpected */
		"61 45 00 01 a1", "70 00 00 09",
		"40 00 00 01",				/* ping */
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		in(&w, 0, t[i]);
	ck_assert_uint_eq(stats()->rx_ignored, 5);
	ck_assert_uint_eq(stats()->rx_malformed, 3);
	ck_assert_uint_eq(stats()->rx_unexpected, 4);
	ck_assert_uint_eq(stats()->rx_pings, 1);
	ck_assert_uint_eq(stats()->tx_reset, 4);
	ck_assert_uint_eq(stats()->rx_reset, 0);
	w.seen = w.nout;
}
END_TEST

/* MSG-28, MSG-41, MSG-50, MSG-61: answered in the ACK; a copy gets the same
 * octets, and the user sees one request. */
START_TEST(test_piggybacked)
{
	in_request(0, "42 02 12 34 a1 00 b1 74 ff 79");
	ck_assert_uint_eq(w.got[0].code, COAP_POST);
	pass(&w, 499);
	ck_assert(reply(&w, 0, COAP_204));
	out(&w, 0, "62 44 12 34 a1 00 ff 78");
	for (size_t i = 0; i < 3; i++) {
		pass(&w, 1000);
		in(&w, 0, "42 02 12 34 a1 00 b1 74 ff 79");
		out(&w, 0, "62 44 12 34 a1 00 ff 78");
	}
	ck_assert_uint_eq(w.ngot, 1);
	ck_assert_uint_eq(dgram_received_stats(w.d)->duplicates, 3);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_uint_eq(stats()->empty_acks, 0);
}
END_TEST

/* MSG-50: tokens of every length come back as they were. */
START_TEST(test_tokens)
{
	static const char *const t[][2] = {
		{ "40 01 00 01", "60 45 00 01 ff 78" },
		{ "41 01 00 02 00", "61 45 00 02 00 ff 78" },
		{ "48 01 00 03 ff ff ff ff ff ff ff ff",
		    "68 45 00 03 ff ff ff ff ff ff ff ff ff 78" },
		/* MSG-49: an extended one. */
		{ "4d 01 00 04 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d",
		    "6d 45 00 04 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d "
		    "ff 78" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		in_request(0, t[i][0]);
		ck_assert(reply(&w, i, COAP_205));
		out(&w, 0, t[i][1]);
	}
}
END_TEST

/* MSG-41, MSG-42, MSG-44, MSG-45, MSG-46: the empty ACK comes in time, the
 * response is a CON of its own and repeated until it is acknowledged, whatever
 * that ACK carries; copies of the request go on getting the empty ACK. */
START_TEST(test_separate)
{
	in_request(0, "41 01 12 34 a1");
	pass(&w, 499);
	quiet(&w);
	pass(&w, 1);
	out(&w, 0, "60 00 12 34");
	pass(&w, 5000);
	in(&w, 0, "41 01 12 34 a1");
	out(&w, 0, "60 00 12 34");
	ck_assert(reply(&w, 0, COAP_205));
	out(&w, 0, "41 45 50 00 a1 ff 78");
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	pass(&w, 2000);
	out(&w, 0, "41 45 50 00 a1 ff 78");
	pass(&w, 3999);
	quiet(&w);
	in(&w, 0, "61 45 50 00 a1 ff 7a");
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_uint_eq(stats()->rx_unexpected, 0);
	ck_assert_uint_eq(w.peer[0].stats.last_heard, w.now);
	in(&w, 0, "41 01 12 34 a1");
	out(&w, 0, "60 00 12 34");
	pass(&w, 100000);
	ck_assert_uint_eq(w.ngot, 1);
	ck_assert_uint_eq(stats()->retransmissions, 1);
	ck_assert_uint_eq(w.responses + w.failures, 0);
}
END_TEST

/* ATK-04, ATK-11: for a stranger everything is sent once: the answer behind an
 * empty ACK is a NON, and so is that to a message whose ID has been taken over
 * by another one. */
START_TEST(test_once)
{
	in_request(0, "41 01 12 34 a1");
	dgram_once(w.got[0].r);
	ck_assert_uint_eq(dgram_sent_for(w.got[0].r), 0);
	pass(&w, 500);
	out(&w, 0, "60 00 12 34");
	ck_assert_uint_eq(dgram_sent_for(w.got[0].r), 1);
	ck_assert(reply(&w, 0, COAP_205));
	out(&w, 0, "51 45 50 00 a1 ff 78");
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	in(&w, 0, "41 01 12 34 a1");
	out(&w, 0, "60 00 12 34");
	in_request(0, "41 01 12 35 a2");
	dgram_once(w.got[1].r);
	in_request(0, "41 01 12 35 a3");
	ck_assert(reply(&w, 1, COAP_205));
	out(&w, 0, "51 45 50 01 a2 ff 78");
	ck_assert(reply(&w, 2, COAP_205));
	out(&w, 0, "61 45 12 35 a3 ff 78");
	pass(&w, 100000);
	quiet(&w);
}
END_TEST

/* ATK-16: a copy is answered as often as clients repeat, five times in all. */
START_TEST(test_once_copies)
{
	in_request(0, "41 01 12 34 a1");
	dgram_once(w.got[0].r);
	ck_assert(reply(&w, 0, COAP_205));
	out(&w, 0, "61 45 12 34 a1 ff 78");
	for (unsigned i = 0; i < 10; i++) {
		in(&w, 0, "41 01 12 34 a1");
		if (i < 4)
			out(&w, 0, "61 45 12 34 a1 ff 78");
		quiet(&w);
	}
	ck_assert_uint_eq(w.ngot, 1);
}
END_TEST

/* MSG-32, MSG-45: a separate response nobody acknowledges. */
START_TEST(test_separate_unheard)
{
	static const uint64_t at[] = { 0, 2000, 6000, 14000, 30000 };
	uint64_t start;

	in_request(0, "41 01 12 34 a1");
	pass(&w, 500);
	out(&w, 0, "60 00 12 34");
	start = w.now;
	ck_assert(reply(&w, 0, COAP_205));
	pass(&w, 61999);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	for (size_t i = 0; i < UNIT_COUNT(at); i++) {
		ck_assert_uint_eq(w.out[w.seen].at, start + at[i]);
		out(&w, 0, "41 45 50 00 a1 ff 78");
	}
	pass(&w, 1);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_uint_eq(stats()->timeouts, 1);
	ck_assert_uint_eq(w.failures, 0);
}
END_TEST

/* MSG-45: a RST ends it as well; an ACK from elsewhere (MSG-37) or with a
 * request in it (MSG-22) does not. */
START_TEST(test_separate_reset)
{
	in_request(0, "41 01 12 34 a1");
	pass(&w, 500);
	out(&w, 0, "60 00 12 34");
	ck_assert(reply(&w, 0, COAP_205));
	out(&w, 0, "41 45 50 00 a1 ff 78");
	in(&w, 1, "60 00 50 00");
	in(&w, 0, "60 01 50 00");
	in(&w, 0, "70 45 50 00");
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	in(&w, 0, "70 00 50 00");
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_uint_eq(stats()->rx_reset, 1);
	pass(&w, 100000);
	ck_assert_uint_eq(stats()->retransmissions, 0);
}
END_TEST

/* MSG-62: a copy that comes before anything was said is told to wait, and the
 * response is then separate. */
START_TEST(test_duplicate_early)
{
	in_request(0, "41 02 12 34 a1");
	pass(&w, 100);
	in(&w, 0, "41 02 12 34 a1");
	out(&w, 0, "60 00 12 34");
	ck_assert_uint_eq(w.ngot, 1);
	pass(&w, 1000);
	quiet(&w);
	ck_assert(reply(&w, 0, COAP_204));
	out(&w, 0, "41 44 50 00 a1 ff 78");
	in(&w, 0, "60 00 50 00");
}
END_TEST

/* MSG-29, MSG-44, MSG-63: a NON is answered by a NON, once. */
START_TEST(test_non)
{
	in_request(0, "51 01 12 34 a1");
	pass(&w, 5000);
	in(&w, 0, "51 01 12 34 a1");
	ck_assert(reply(&w, 0, COAP_205));
	out(&w, 0, "51 45 50 00 a1 ff 78");
	in(&w, 0, "51 01 12 34 a1");
	in(&w, 0, "51 01 12 34 a1");
	ck_assert_uint_eq(w.ngot, 1);
	ck_assert_uint_eq(dgram_received_stats(w.d)->duplicates, 3);
	pass(&w, 100000);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
}
END_TEST

/* MSG-64: another endpoint's message is another message. */
START_TEST(test_two_peers)
{
	in_request(0, "41 01 00 01 a1");
	in_request(1, "41 01 00 01 a1");
	ck_assert(reply(&w, 1, COAP_205));
	out(&w, 1, "61 45 00 01 a1 ff 78");
	ck_assert(reply(&w, 0, COAP_204));
	out(&w, 0, "61 44 00 01 a1 ff 78");
	in(&w, 1, "41 01 00 01 a1");
	out(&w, 1, "61 45 00 01 a1 ff 78");
}
END_TEST

/* MSG-91: other octets under the same Message ID are no copy. What has been
 * answered is forgotten. */
START_TEST(test_other_octets)
{
	in_request(0, "41 02 00 01 a1 ff 78");
	ck_assert(reply(&w, 0, COAP_204));
	out(&w, 0, "61 44 00 01 a1 ff 78");
	in_request(0, "41 02 00 01 b2 ff 79");
	ck_assert(reply(&w, 1, COAP_201));
	out(&w, 0, "61 41 00 01 b2 ff 78");
	in(&w, 0, "41 02 00 01 b2 ff 79");
	out(&w, 0, "61 41 00 01 b2 ff 78");
	ck_assert_uint_eq(dgram_received_count(w.d), 1);
}
END_TEST

/* MSG-61: remembered for EXCHANGE_LIFETIME, and no longer. */
START_TEST(test_lifetime)
{
	in_request(0, "41 02 00 01 a1");
	ck_assert(reply(&w, 0, COAP_204));
	out(&w, 0, "61 44 00 01 a1 ff 78");
	pass(&w, w.params.exchange_lifetime - 1);
	in(&w, 0, "41 02 00 01 a1");
	out(&w, 0, "61 44 00 01 a1 ff 78");
	pass(&w, 1000);
	ck_assert_uint_eq(dgram_received_count(w.d), 0);
	in_request(0, "41 02 00 01 a1");
	pass(&w, 500);
	out(&w, 0, "60 00 00 01");
}
END_TEST

/* MSG-66: more requests than records: 5.03 with a Max-Age, in the type the
 * request asks for, and no record. */
START_TEST(test_full)
{
	in_request(0, "41 02 00 01 a1");
	in_request(0, "41 02 00 02 a2");
	in_request(0, "51 01 00 03 a3");
	in_request(0, "51 01 00 04 a4");
	in(&w, 0, "41 02 00 05 a5");
	out(&w, 0, "61 a3 00 05 a5 d1 01 05");
	in(&w, 0, "51 02 00 06 a6");
	out(&w, 0, "51 a3 50 00 a6 d1 01 05");
	in(&w, 1, "40 01 00 07");
	out(&w, 1, "60 a3 00 07 d1 01 05");
	ck_assert_uint_eq(w.ngot, 4);
	ck_assert_uint_eq(dgram_received_stats(w.d)->refused, 3);
	/* MSG-65: an answered GET gives way; answered POSTs do not. */
	ck_assert(reply(&w, 0, COAP_204));
	out(&w, 0, "61 44 00 01 a1 ff 78");
	in(&w, 0, "41 02 00 05 a5");
	out(&w, 0, "61 a3 00 05 a5 d1 01 05");
	ck_assert(reply(&w, 2, COAP_205));
	out(&w, 0, "51 45 50 01 a3 ff 78");
	in_request(0, "41 01 00 08 a8");
	ck_assert_uint_eq(dgram_received_stats(w.d)->evicted, 1);
	in(&w, 0, "41 02 00 01 a1");
	out(&w, 0, "61 44 00 01 a1 ff 78");
}
END_TEST

/* MSG-66: requests that must be remembered get half of the records at most, so
 * that they cannot shut out the others; one that had no effect gives its share
 * back. */
START_TEST(test_half)
{
	in_request(0, "41 02 00 01 a1");
	in_request(0, "41 06 00 02 a2");
	in(&w, 0, "41 02 00 03 a3");
	out(&w, 0, "61 a3 00 03 a3 d1 01 05");
	in_request(0, "41 01 00 04 a4");
	dgram_harmless(w.d, w.got[0].r);
	ck_assert(reply(&w, 0, COAP_404));
	out(&w, 0, "61 84 00 01 a1 ff 78");
	in_request(0, "41 02 00 05 a5");
	ck_assert_uint_eq(dgram_received_stats(w.d)->refused, 1);
}
END_TEST

/* Given up without a word: a copy is a new request. */
START_TEST(test_forget)
{
	in_request(0, "41 02 00 01 a1");
	dgram_forget(w.d, w.got[0].r);
	pass(&w, 1000);
	ck_assert_uint_eq(dgram_received_count(w.d), 0);
	in_request(0, "41 02 00 01 a1");
}
END_TEST

/* MSG-73: of a datagram that was too long for us a request is refused in its
 * type, with Size1; the rest is malformed. */
START_TEST(test_truncated)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "41 03 00 01 a1 b1 74 ff 78", "61 8d 00 01 a1 d2 2f 04 00" },
		{ "51 03 00 02 a1 b1 74 ff 78", "51 8d 50 00 a1 d2 2f 04 00" },
		{ "41 03 00 03 a1 b4 74", "61 8d 00 03 a1 d2 2f 04 00" },
		{ "44 03 00 04 a1", "70 00 00 04" },	/* no whole token */
		{ "41 45 00 05 a1", "70 00 00 05" },
		{ "51 45 00 06 a1", "" },
		{ "61 03 00 07 a1", "" },
		{ "40 03 00", "" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span s = hex_dup(t[i].in);

		dgram_input(w.d, &w.peer[0], s, true, w.now);
		hex_free(s);
		if (t[i].out[0] != '\0')
			out(&w, 0, t[i].out);
		ck_assert_msg(w.nout == w.seen, "answered: %s", t[i].in);
	}
	ck_assert_uint_eq(w.ngot, 0);
	ck_assert_uint_eq(dgram_received_count(w.d), 0);
	ck_assert_uint_eq(stats()->rx_truncated, 7);
}
END_TEST

/* Neither a buffer nor a Message ID for the refusal: silence. */
START_TEST(test_full_and_silent)
{
	in_request(0, "41 01 00 01 a1");
	in_request(0, "41 01 00 02 a1");
	in_request(0, "41 01 00 03 a1");
	in_request(0, "41 01 00 04 a1");
	hoard(&w);
	in(&w, 0, "41 02 00 05 a5");
	in(&w, 0, "40 00 00 06");
	quiet(&w);
	ck_assert_uint_eq(stats()->full, 2);
	unhoard(&w);
	use_up_mids(&w, 0);
	in(&w, 0, "51 02 00 07 a5");
	quiet(&w);
	ck_assert_uint_eq(stats()->no_mid, 1);
	in(&w, 0, "41 02 00 05 a5");
	out(&w, 0, "61 a3 00 05 a5 d1 01 05");
}
END_TEST

/* An answer that cannot be sent: a copy of the request asks again where that
 * is safe (MSG-65), else it is told no more than that it has arrived. */
START_TEST(test_reply_lost)
{
	static const struct {
		const char *in;
		bool acked;	/* the empty ACK has gone out before */
		bool mids;	/* Message IDs are missing, else buffers */
		bool again;	/* a copy is a new request */
		const char *out;	/* what it gets if not; "": silence */
	} t[] = {
		{ "41 01 00 01 a1", false, false, true, "" },
		{ "41 02 00 01 a1", false, false, false, "60 00 00 01" },
		{ "41 01 00 01 a1", true, false, false, "60 00 00 01" },
		{ "41 01 00 01 a1", true, true, false, "60 00 00 01" },
		{ "41 02 00 01 a1", true, true, false, "60 00 00 01" },
		{ "51 01 00 01 a1", false, true, true, "" },
		{ "51 02 00 01 a1", false, true, false, "" },
		{ "51 01 00 01 a1", false, false, true, "" },
		{ "51 02 00 01 a1", false, false, false, "" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		teardown();
		setup();
		in_request(0, t[i].in);
		if (t[i].acked) {
			in(&w, 0, t[i].in);
			out(&w, 0, "60 00 00 01");
		}
		if (t[i].mids)
			use_up_mids(&w, 0);
		else
			hoard(&w);
		ck_assert(!reply(&w, 0, COAP_205));
		ck_assert_uint_eq(stats()->full, t[i].mids ? 0 : 1);
		ck_assert_uint_eq(stats()->no_mid, t[i].mids ? 1 : 0);
		unhoard(&w);
		in(&w, 0, t[i].in);
		ck_assert_uint_eq(w.ngot, t[i].again ? 2 : 1);
		if (t[i].out[0] != '\0')
			out(&w, 0, t[i].out);
		ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	}
}
END_TEST

/* Too many separate responses under way. */
START_TEST(test_reply_no_record)
{
	char text[] = "41 01 00 01 a1";
	size_t i;

	for (i = 0; i < 5; i++) {
		text[10] = (char)('1' + i);
		in_request(0, text);
		in(&w, 0, text);
		ck_assert_uint_eq(w.nout, ++w.seen);
		if (i == 4)
			break;
		ck_assert(reply(&w, i, COAP_205));
		ck_assert_uint_eq(w.nout, ++w.seen);
	}
	ck_assert_uint_eq(dgram_sent_count(w.d), 4);
	ck_assert(!reply(&w, 4, COAP_205));
	quiet(&w);
	ck_assert_uint_eq(stats()->full, 1);
	in(&w, 0, text);
	out(&w, 0, "60 00 00 05");
	ck_assert_uint_eq(w.ngot, 5);
	/* One acknowledged makes room for the next. */
	in(&w, 0, "60 00 50 00");
	ck_assert_uint_eq(dgram_sent_count(w.d), 3);
}
END_TEST

/* The layer may end with everything in flight: requests in each state, one of
 * them replaced, and a response that waits for its ACK. */
START_TEST(test_free_in_flight)
{
	in_request(0, "41 02 00 01 a1");
	in_request(0, "41 02 00 01 b2");
	in_request(0, "51 01 00 02 a1");
	in_request(1, "41 01 00 03 a1");
	in(&w, 1, "41 01 00 03 a1");
	out(&w, 1, "60 00 00 03");
	ck_assert(reply(&w, 3, COAP_205));
	out(&w, 1, "41 45 60 00 a1 ff 78");
	ck_assert(reply(&w, 1, COAP_204));
	out(&w, 0, "61 44 00 01 b2 ff 78");
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
}
END_TEST

/* The table of peers is large enough for those in use. */
START_TEST(test_peers)
{
	struct addr a = { .family = 4 };

	ck_assert_uint_ge(dgram_peers(w.d)->pool.max, 4 + 4 + 1);
	for (uint16_t port = 1; port < 2000; port++) {
		a.port = port;
		ck_assert_ptr_nonnull(peers_get(dgram_peers(w.d), &a, &a,
		    &w));
	}
}
END_TEST

static TCase *
requests_case(void)
{
	TCase *tc = tcase_create("requests");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_rejected);
	tcase_add_test(tc, test_counters);
	tcase_add_test(tc, test_piggybacked);
	tcase_add_test(tc, test_tokens);
	tcase_add_test(tc, test_separate);
	tcase_add_test(tc, test_once);
	tcase_add_test(tc, test_once_copies);
	tcase_add_test(tc, test_separate_unheard);
	tcase_add_test(tc, test_separate_reset);
	tcase_add_test(tc, test_duplicate_early);
	tcase_add_test(tc, test_non);
	tcase_add_test(tc, test_two_peers);
	tcase_add_test(tc, test_other_octets);
	tcase_add_test(tc, test_lifetime);
	return tc;
}

static TCase *
limits_case(void)
{
	TCase *tc = tcase_create("limits");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_half);
	tcase_add_test(tc, test_forget);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_full_and_silent);
	tcase_add_test(tc, test_reply_lost);
	tcase_add_test(tc, test_reply_no_record);
	tcase_add_test(tc, test_free_in_flight);
	tcase_add_test(tc, test_peers);
	return tc;
}

Suite *
requests_suite(void)
{
	Suite *s = suite_create("requests");

	suite_add_tcase(s, requests_case());
	suite_add_tcase(s, limits_case());
	return s;
}
