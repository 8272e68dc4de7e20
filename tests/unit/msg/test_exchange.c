/* Tests of msg/datagram by what goes over the wire: requests of our own, and
 * what becomes of them. */
#include "msg/datagram.h"

#include "fixture.h"
#include "suites.h"

static struct world w;

static void
setup(void)
{
	world_init(&w, 4, false);
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

/* MSG-30, MSG-31, MSG-32: a CON nobody acknowledges: five copies, all the
 * same, 2, 4, 8, 16 s apart; given up at MAX_TRANSMIT_WAIT. */
START_TEST(test_con_unheard)
{
	static const uint64_t at[] = { 2000, 6000, 14000, 30000 };

	ask(&w, 0, COAP_CON);
	ck_assert_uint_eq(w.out[0].at, T0);
	ck_assert_uint_eq(w.out[0].len, 12);
	pass(&w, w.params.max_transmit_wait - 1);
	for (size_t i = 0; i < UNIT_COUNT(at); i++) {
		ck_assert_uint_eq(w.out[w.seen].at, T0 + at[i]);
		out(&w, 0, "48 01 50 00 TT");
	}
	quiet(&w);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	ck_assert_uint_eq(w.failures, 0);
	pass(&w, 1);
	ck_assert_uint_eq(w.failures, 1);
	ck_assert_int_eq(w.why, DGRAM_TIMEOUT);
	ck_assert_ptr_eq(w.user, &w.user);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	ck_assert_uint_eq(stats()->retransmissions, 4);
	ck_assert_uint_eq(stats()->timeouts, 1);
	/* MSG-58: what comes now is late. */
	in(&w, 0, "68 45 50 00 TT");
	in(&w, 0, "48 45 00 01 TT");
	out(&w, 0, "70 00 00 01");
	ck_assert_uint_eq(w.responses, 0);
}
END_TEST

static struct exchange *
find(size_t i, const char *hex, size_t n)
{
	uint8_t octets[64];
	struct span s = hex_dup(hex);

	ck_assert_uint_le(s.n + 8, sizeof(octets));
	memcpy(octets, s.p, s.n);
	memcpy(octets + s.n, w.token, 8);
	hex_free(s);
	return dgram_find_sent(w.d, &w.peer[i], span_make(octets, n));
}

/* MSG-77: the request that a datagram is, by as much of it as there is. */
START_TEST(test_find_sent)
{
	struct exchange *x = ask(&w, 0, COAP_CON);

	for (size_t n = 4; n <= 12; n++)
		ck_assert_ptr_eq(find(0, "48 01 50 00", n), x);
	for (size_t n = 0; n < 4; n++)
		ck_assert_ptr_null(find(0, "48 01 50 00", n));
	ck_assert_ptr_null(find(1, "48 01 50 00", 12));
	ck_assert_ptr_null(find(0, "48 01 50 01", 4));
	ck_assert_ptr_null(find(0, "58 01 50 00", 4));
	ck_assert_ptr_null(find(0, "88 01 50 00", 4));
	ck_assert_ptr_null(find(0, "60 00 50 00", 4));
	w.token[0] ^= 1;
	ck_assert_ptr_eq(find(0, "48 01 50 00", 4), x);
	ck_assert_ptr_null(find(0, "48 01 50 00", 5));
	w.token[0] ^= 1;
	/* A copy is the same datagram; what was acknowledged has arrived. */
	pass(&w, 2000);
	out(&w, 0, "48 01 50 00 TT");
	ck_assert_ptr_eq(find(0, "48 01 50 00", 12), x);
	in(&w, 0, "60 00 50 00");
	ck_assert_ptr_null(find(0, "48 01 50 00", 12));
	in(&w, 0, "58 45 00 01 TT");
	ck_assert_uint_eq(w.responses, 1);
	ck_assert_ptr_null(find(0, "48 01 50 00", 12));
	x = ask(&w, 0, COAP_NON);
	ck_assert_ptr_eq(find(0, "58 01 50 01", 12), x);
	dgram_cancel(w.d, x);
	ck_assert_ptr_null(find(0, "58 01 50 01", 12));
}
END_TEST

/* MSG-34: a RST ends a CON at once, and a NON as well (MSG-37). */
START_TEST(test_reset)
{
	for (uint8_t type = COAP_CON; type <= COAP_NON; type++) {
		ask(&w, 0, type);
		pass(&w, 100);
		in(&w, 1, type == COAP_CON ? "70 00 50 00" : "70 00 50 01");
		ck_assert_uint_eq(w.failures, type);
		in(&w, 0, type == COAP_CON ? "70 00 50 00" : "70 00 50 01");
		ck_assert_uint_eq(w.failures, type + 1u);
		ck_assert_int_eq(w.why, DGRAM_RESET);
		ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	}
	in(&w, 0, "70 00 50 00");
	ck_assert_uint_eq(w.failures, 2);
	pass(&w, 100000);
	ck_assert_uint_eq(stats()->rx_reset, 2);
	ck_assert_uint_eq(stats()->retransmissions, 0);
}
END_TEST

/* MSG-28, MSG-35, MSG-36, MSG-44, MSG-48: every mix of types, before and after
 * the ACK: the response arrives once, copies stop, a CON is acknowledged. */
START_TEST(test_mix)
{
	static const struct {
		uint8_t type;
		const char *in[3];
		size_t acks;	/* empty ACKs we send */
	} t[] = {
		{ COAP_CON, { "68 45 50 00 TT ff 78" }, 0 },
		{ COAP_CON, { "58 45 00 01 TT ff 78" }, 0 },
		{ COAP_CON, { "48 45 00 01 TT ff 78" }, 1 },
		{ COAP_CON, { "60 00 50 00", "58 45 00 01 TT ff 78" }, 0 },
		{ COAP_CON, { "60 00 50 00", "48 45 00 01 TT ff 78" }, 1 },
		{ COAP_CON, { "58 45 00 01 TT ff 78", "60 00 50 00" }, 0 },
		{ COAP_CON, { "48 45 00 01 TT ff 78", "60 00 50 00" }, 1 },
		{ COAP_CON, { "60 00 50 00", "60 00 50 00",
		    "48 45 00 01 TT ff 78" }, 1 },
		{ COAP_CON, { "68 45 50 00 TT ff 78", "68 45 50 00 TT ff 78",
		    "58 45 00 01 TT ff 78" }, 0 },
		{ COAP_CON, { "48 45 00 01 TT ff 78", "48 45 00 01 TT ff 78",
		    "48 45 00 01 TT ff 78" }, 3 },
		{ COAP_NON, { "58 45 00 01 TT ff 78" }, 0 },
		{ COAP_NON, { "48 45 00 01 TT ff 78" }, 1 },
		{ COAP_NON, { "58 45 00 01 TT ff 78", "58 45 00 01 TT ff 78" },
		    0 },
		/* MSG-37: an ACK is for CONs. */
		{ COAP_NON, { "60 00 50 00", "58 45 00 01 TT ff 78" }, 0 },
		{ COAP_NON, { "68 45 50 00 TT ff 79", "58 45 00 01 TT ff 78" },
		    0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		teardown();
		setup();
		ask(&w, 0, t[i].type);
		for (size_t j = 0; j < 3 && t[i].in[j] != NULL; j++) {
			pass(&w, 500);
			in(&w, 0, t[i].in[j]);
		}
		for (size_t j = 0; j < t[i].acks; j++)
			out(&w, 0, "60 00 00 01");
		pass(&w, 100000);
		quiet(&w);
		ck_assert_uint_eq(w.responses, 1);
		ck_assert_uint_eq(w.failures, 0);
		ck_assert_uint_eq(w.code, COAP_205);
		ck_assert_uint_eq(w.payload_len, 1);
		ck_assert_uint_eq(w.payload[0], 'x');
		ck_assert_ptr_eq(w.user, &w.user);
		ck_assert_uint_eq(dgram_sent_count(w.d), 0);
		ck_assert_uint_eq(stats()->empty_acks, t[i].acks);
	}
}
END_TEST

/* MSG-35: acknowledged, it waits as long as its user does. */
START_TEST(test_acked)
{
	struct exchange *x = ask(&w, 0, COAP_CON);

	pass(&w, 2500);
	out(&w, 0, "48 01 50 00 TT");
	in(&w, 0, "60 00 50 00");
	ck_assert_uint_eq(w.peer[0].stats.last_heard, w.now);
	pass(&w, 200000);
	ck_assert_uint_eq(w.failures, 0);
	ck_assert_uint_eq(dgram_sent_count(w.d), 1);
	dgram_cancel(w.d, x);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	/* PRX-53: a late answer goes nowhere. */
	in(&w, 0, "48 45 00 01 TT");
	out(&w, 0, "70 00 00 01");
	ck_assert_uint_eq(w.responses + w.failures, 0);
}
END_TEST

/* What does not match is dropped, and the exchange goes on as before. */
START_TEST(test_mismatch)
{
	static const struct {
		size_t from;
		const char *in;
		bool reset;	/* it is a CON, rejected */
	} t[] = {
		/* MSG-54: the right token from another endpoint. */
		{ 1, "68 45 50 00 TT", false },
		{ 1, "58 45 00 01 TT", false },
		{ 1, "48 45 00 01 TT", true },
		{ 1, "60 00 50 00", false },
		{ 1, "70 00 50 00", false },
		/* MSG-54, MSG-37: another Message ID. */
		{ 0, "68 45 50 01 TT", false },
		{ 0, "60 00 50 01", false },
		{ 0, "70 00 4f ff", false },
		/* MSG-55: another token, a shorter one, a longer one. */
		{ 0, "68 45 50 00 00 01 02 03 04 05 06 07", false },
		{ 0, "61 45 50 00 a1", false },
		{ 0, "60 45 50 00", false },
		{ 0, "69 45 50 00 TT 00", false },
		{ 0, "48 45 00 01 00 01 02 03 04 05 06 07", true },
		{ 0, "49 45 00 01 TT 00", true },
		/* MSG-22: no such ACK, no such RST. */
		{ 0, "60 01 50 00", false },
		{ 0, "68 01 50 00 TT", false },
		{ 0, "68 c1 50 00 TT", false },
		{ 0, "78 45 50 00 TT", false },
		{ 0, "70 01 50 00", false },
		/* Malformed, and the right ID does not make it ours. */
		{ 0, "61 45 50 00 a1 ff", false },
		{ 0, "68 45 50 01 TT ff", false },
		{ 1, "68 45 50 00 TT ff", false },
		{ 0, "78 45 50 00 TT ff", false },
		{ 0, "60 00 50 00 ff", false },
		{ 0, "68 01 50 00 TT ff", false },
	};

	ask(&w, 0, COAP_CON);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		in(&w, t[i].from, t[i].in);
		if (t[i].reset)
			out(&w, t[i].from, "70 00 00 01");
		ck_assert_msg(w.nout == w.seen && w.responses == 0 &&
		    w.failures == 0, "%s", t[i].in);
	}
	ck_assert_uint_eq(w.peer[0].stats.last_heard, 0);
	ck_assert_uint_eq(dgram_stats(w.d)->rx_ignored, 5);
	pass(&w, 2000);
	out(&w, 0, "48 01 50 00 TT");
	in(&w, 0, "68 45 50 00 TT");
	ck_assert_uint_eq(w.responses, 1);
}
END_TEST

/* MSG-21, PRX-38: an answer, but none that can be understood. */
START_TEST(test_bad_response)
{
	static const struct {
		const char *in;
		bool reset;
	} t[] = {
		{ "68 45 50 00 TT f1", false },
		{ "68 45 50 00 TT ff", false },
		{ "68 60 50 00 TT", false },
		{ "58 45 00 01 TT f1", false },
		{ "58 60 00 01 TT", false },
		{ "48 45 00 01 TT f1", true },
		{ "48 60 00 01 TT", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		teardown();
		setup();
		ask(&w, 0, COAP_CON);
		in(&w, 0, t[i].in);
		if (t[i].reset)
			out(&w, 0, "70 00 00 01");
		ck_assert_uint_eq(w.failures, 1);
		ck_assert_int_eq(w.why, DGRAM_BAD_RESPONSE);
		ck_assert_uint_eq(w.responses, 0);
		ck_assert_uint_eq(dgram_sent_count(w.d), 0);
		pass(&w, 10000);
		quiet(&w);
	}
}
END_TEST

/* MSG-48: copies of a separate response are acknowledged for as long as they
 * may come. */
START_TEST(test_copies_of_response)
{
	ask(&w, 0, COAP_CON);
	in(&w, 0, "48 45 00 01 TT ff 78");
	out(&w, 0, "60 00 00 01");
	ck_assert_uint_eq(dgram_received_count(w.d), 1);
	pass(&w, w.params.exchange_lifetime - 1000);
	in(&w, 0, "48 45 00 01 TT ff 78");
	out(&w, 0, "60 00 00 01");
	pass(&w, 2000);
	ck_assert_uint_eq(dgram_received_count(w.d), 0);
	in(&w, 0, "48 45 00 01 TT ff 78");
	out(&w, 0, "70 00 00 01");
	ck_assert_uint_eq(w.responses, 1);
}
END_TEST

/* MSG-51, MSG-52, MSG-59: 8 octets that no other request has, and Message IDs
 * one after another. */
START_TEST(test_tokens)
{
	enum { N = 1000 };
	static uint8_t tokens[N][8];
	unsigned bits = 0;

	for (size_t i = 0; i < N; i++) {
		struct exchange *x = ask(&w, 0, COAP_NON);
		const uint8_t *o = w.out[0].octets;

		ck_assert_uint_eq(o[0], 0x58);
		ck_assert_uint_eq((unsigned)o[2] << 8 | o[3], 0x5000 + i);
		memcpy(tokens[i], o + 4, 8);
		for (size_t j = 0; j < i; j++)
			ck_assert_mem_ne(tokens[i], tokens[j], 8);
		bits += o[11] & 1u;
		dgram_cancel(w.d, x);
		w.nout = w.seen = 0;
	}
	ck_assert_uint_gt(bits, N / 3);
	ck_assert_uint_lt(bits, 2 * N / 3);
}
END_TEST

/* MSG-51: answers in any order find their requests. */
START_TEST(test_several)
{
	void *users[3] = { &users[0], &users[1], &users[2] };
	struct dgram_out o = { .type = COAP_CON, .code = COAP_GET };
	uint8_t tokens[3][8];
	enum dgram_refusal why;

	for (size_t i = 0; i < 3; i++) {
		struct exchange *x = dgram_prepare(w.d, &o, users[i], &why);

		ck_assert_ptr_nonnull(x);
		ck_assert(dgram_start(w.d, x, &w.peer[i == 1], w.now));
		memcpy(tokens[i], x->token, 8);
	}
	w.seen = w.nout;
	ck_assert_uint_eq(dgram_sent_count(w.d), 3);
	for (size_t i = 3; i-- > 0;) {
		memcpy(w.token, tokens[i], 8);
		in(&w, i == 1, "58 45 00 01 TT");
		ck_assert_ptr_eq(w.user, users[i]);
		ck_assert_uint_eq(w.responses, 3 - i);
	}
}
END_TEST

/* Why a request with N octets of payload is not made. */
static enum dgram_refusal
refusal(size_t n)
{
	static const uint8_t octets[BUF_LARGE];
	struct dgram_out o = { .type = COAP_CON, .code = COAP_PUT,
		.payload = { octets, n } };
	enum dgram_refusal why;

	ck_assert_ptr_null(dgram_prepare(w.d, &o, NULL, &why));
	return why;
}

/* What may be missing: exchanges, buffers, Message IDs. */
START_TEST(test_limits)
{
	struct dgram_out o = { .type = COAP_CON, .code = COAP_GET };
	enum dgram_refusal why;
	struct exchange *x;

	for (size_t i = 0; i < 4; i++)
		x = ask(&w, 0, COAP_NON);
	ck_assert_int_eq(refusal(0), DGRAM_FULL);
	ck_assert_uint_eq(stats()->full, 1);
	dgram_cancel(w.d, x);
	hoard(&w);
	ck_assert_int_eq(refusal(0), DGRAM_FULL);
	ck_assert_uint_eq(stats()->full, 2);
	unhoard(&w);
	/* What no datagram of ours can hold is no shortage. */
	ck_assert_int_eq(refusal(BUF_LARGE), DGRAM_TOO_LARGE);
	ck_assert_uint_eq(stats()->full, 2);
	use_up_mids(&w, 0);
	x = dgram_prepare(w.d, &o, NULL, &why);
	ck_assert_ptr_nonnull(x);
	ck_assert(!dgram_start(w.d, x, &w.peer[0], w.now));
	dgram_cancel(w.d, x);
	ck_assert_uint_eq(stats()->full, 2);
	ck_assert_uint_eq(stats()->no_mid, 1);
	/* Nothing of the failures is left. */
	ck_assert_uint_eq(dgram_sent_count(w.d), 3);
	ck_assert_uint_eq(w.peer[0].refs, 3);
	ask(&w, 1, COAP_CON);
}
END_TEST

/* A prepared request is sent later, or never, or once more to another peer:
 * with the same token and octets, under another Message ID. */
START_TEST(test_prepared)
{
	struct dgram_out o = { .type = COAP_CON, .code = COAP_GET };
	enum dgram_refusal why;
	struct exchange *x = dgram_prepare(w.d, &o, &w.user, &why);
	char text[] = "58 45 00 01 TT";

	ck_assert_ptr_nonnull(x);
	memcpy(w.token, x->token, 8);
	pass(&w, 10000);
	ck_assert_uint_eq(w.nout, 0);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	/* Nobody can answer it yet. */
	in(&w, 0, text);
	ck_assert_uint_eq(w.responses, 0);
	ck_assert(dgram_start(w.d, x, &w.peer[0], w.now));
	ck_assert_uint_eq(w.nout, ++w.seen);
	dgram_recall(w.d, x);
	pass(&w, 10000);
	ck_assert_uint_eq(w.nout, w.seen);
	ck_assert_uint_eq(w.peer[0].refs, 0);
	ck_assert(dgram_start(w.d, x, &w.peer[1], w.now));
	ck_assert_uint_eq(w.nout, ++w.seen);
	/* The first peer's answer comes too late. */
	text[10] = '2';
	in(&w, 0, text);
	ck_assert_uint_eq(w.responses, 0);
	text[10] = '3';
	in(&w, 1, text);
	ck_assert_uint_eq(w.responses, 1);
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
}
END_TEST

/* Who asks for nothing but a representation may be overtaken by others who do;
 * what makes changes, or begins an observation, stays where it is. */
START_TEST(test_loose)
{
	static const struct {
		uint8_t code;
		bool observe, loose;
	} t[] = {
		{ COAP_GET, false, true }, { COAP_FETCH, false, true },
		{ COAP_GET, true, false }, { COAP_FETCH, true, false },
		{ COAP_POST, false, false }, { COAP_PUT, false, false },
		{ COAP_DELETE, false, false }, { COAP_PATCH, false, false },
		{ COAP_IPATCH, false, false },
	};
	enum dgram_refusal why;
	struct dgram_out o;
	struct exchange *x;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		o = (struct dgram_out){ .type = COAP_CON, .code = t[i].code,
			.observe = t[i].observe };
		x = dgram_prepare(w.d, &o, NULL, &why);
		ck_assert_ptr_nonnull(x);
		ck_assert_uint_eq(x->sent.buf->loose, t[i].loose);
		dgram_cancel(w.d, x);
	}
}
END_TEST

/* One that was never sent is freed with everything else. */
START_TEST(test_prepared_left)
{
	struct dgram_out o = { .type = COAP_CON, .code = COAP_GET };
	enum dgram_refusal why;

	ck_assert_ptr_nonnull(dgram_prepare(w.d, &o, NULL, &why));
	dgram_cancel(w.d, dgram_prepare(w.d, &o, NULL, &why));
}
END_TEST

/* MSG-67, MSG-68: the user hears of the empty ACK, once, and of every copy. */
START_TEST(test_progress)
{
	ask(&w, 0, COAP_CON);
	pass(&w, 2000);
	out(&w, 0, "48 01 50 00 TT");
	ck_assert_uint_eq(w.repeated, 1);
	ck_assert_uint_eq(w.peer[0].stats.retransmissions, 1);
	ck_assert_uint_eq(w.acked, 0);
	in(&w, 0, "60 00 50 00");
	in(&w, 0, "60 00 50 00");
	ck_assert_uint_eq(w.acked, 1);
	pass(&w, 60000);
	ck_assert_uint_eq(w.repeated, 1);
}
END_TEST

/* More CON responses than records: the oldest is forgotten, and each is
 * delivered once and acknowledged. */
START_TEST(test_many_responses)
{
	for (size_t i = 0; i < 5; i++) {
		char text[] = "48 45 00 01 TT";

		text[10] = (char)('1' + i);
		ask(&w, 0, COAP_CON);
		in(&w, 0, text);
		ck_assert_uint_eq(w.nout, ++w.seen);
	}
	ck_assert_uint_eq(w.responses, 5);
	ck_assert_uint_eq(dgram_received_count(w.d), 4);
	ck_assert_uint_eq(dgram_received_stats(w.d)->evicted, 1);
	/* That ACK may be lost; a copy gets another. */
	in(&w, 0, "48 45 00 05 TT");
	out(&w, 0, "60 00 00 05");
	ck_assert_uint_eq(w.responses, 5);
}
END_TEST

/* What a request says is in the datagram, behind our own header. */
START_TEST(test_octets)
{
	struct span opts = hex_dup("b1 74");
	struct dgram_out o = { .type = COAP_CON, .code = COAP_PUT,
		.opts = opts, .payload = SPAN_LIT("x") };
	enum dgram_refusal why;
	struct exchange *x;

	x = dgram_prepare(w.d, &o, NULL, &why);
	hex_free(opts);
	ck_assert_ptr_nonnull(x);
	ck_assert(dgram_start(w.d, x, &w.peer[1], w.now));
	memcpy(w.token, x->token, 8);
	out(&w, 1, "48 03 60 00 TT b1 74 ff 78");
	pass(&w, 2000);
	out(&w, 1, "48 03 60 00 TT b1 74 ff 78");
	ck_assert_uint_eq(w.peer[1].stats.tx_octets, 32);
}
END_TEST

/* MSG-33: a process that was stopped sends no burst when it goes on. */
START_TEST(test_stopped)
{
	ask(&w, 0, COAP_CON);
	w.now += 50000;
	timers_run(&w.timers, w.now);
	pass(&w, 10000);
	quiet(&w);
	ck_assert_uint_eq(w.failures, 0);
	pass(&w, 2000);
	ck_assert_uint_eq(w.failures, 1);
	ck_assert_int_eq(w.why, DGRAM_TIMEOUT);
}
END_TEST

/* The layer may end with exchanges in each state. */
START_TEST(test_free_in_flight)
{
	ask(&w, 0, COAP_CON);
	in(&w, 0, "60 00 50 00");
	ask(&w, 0, COAP_CON);
	ask(&w, 1, COAP_NON);
	ask(&w, 1, COAP_CON);
	in(&w, 1, "48 45 00 01 TT");
	out(&w, 1, "60 00 00 01");
	ck_assert_uint_eq(dgram_sent_count(w.d), 3);
}
END_TEST

Suite *
exchange_suite(void)
{
	Suite *s = suite_create("exchange");
	TCase *tc = tcase_create("exchange");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_con_unheard);
	tcase_add_test(tc, test_find_sent);
	tcase_add_test(tc, test_reset);
	tcase_add_test(tc, test_mix);
	tcase_add_test(tc, test_acked);
	tcase_add_test(tc, test_mismatch);
	tcase_add_test(tc, test_bad_response);
	tcase_add_test(tc, test_copies_of_response);
	tcase_add_test(tc, test_tokens);
	tcase_add_test(tc, test_several);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_many_responses);
	tcase_add_test(tc, test_octets);
	tcase_add_test(tc, test_prepared);
	tcase_add_test(tc, test_prepared_left);
	tcase_add_test(tc, test_loose);
	tcase_add_test(tc, test_progress);
	tcase_add_test(tc, test_stopped);
	tcase_add_test(tc, test_free_in_flight);
	suite_add_tcase(s, tc);
	return s;
}
