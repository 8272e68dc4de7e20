/* Tests of exchanges that last (RFC 7641): registrations, what comes of them,
 * and how they are renewed and end. */
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

/* Sends a GET with Observe 0 to peer 0. */
static struct exchange *
prepare(uint8_t type)
{
	struct dgram_out o = { .type = type, .code = COAP_GET,
		.observe = true, .opts = SPAN_LIT("\x60") };
	enum dgram_refusal why;
	struct exchange *x = dgram_prepare(w.d, &o, &w.user, &why);

	ck_assert_ptr_nonnull(x);
	ck_assert(!dgram_lasting(x));
	memcpy(w.token, x->token, sizeof(w.token));
	return x;
}

static struct exchange *
ask_all(uint8_t type)
{
	struct exchange *x = prepare(type);

	ck_assert(dgram_start(w.d, x, &w.peer[0], w.now));
	out(&w, 0, type == COAP_CON ? "48 01 50 00 TT 60" :
	    "58 01 50 00 TT 60");
	return x;
}

/* A registration that is open; its request had the ID 0x5000. */
static struct exchange *
open_one(void)
{
	struct exchange *x = ask_all(COAP_CON);

	in(&w, 0, "68 45 50 00 TT 61 05 ff 78");
	ck_assert_ptr_eq(w.lasting, x);
	ck_assert_uint_eq(w.responses, 1);
	return x;
}

static bool
renew(struct exchange *x, bool observe)
{
	struct dgram_out o = {
		.type = COAP_CON,
		.code = COAP_GET,
		.observe = observe,
		.opts = observe ? SPAN_LIT("\x60") : SPAN_LIT("\x61\x01"),
	};
	enum dgram_refusal why;
	bool ok = dgram_renew(w.d, x, &o, &why);

	ck_assert(dgram_lasting(x));
	return ok;
}

static void
start(struct exchange *x)
{
	ck_assert(dgram_start(w.d, x, x->sent.peer, w.now));
}

/* X is known no longer: OBS-33, OBS-38: whatever comes of it is rejected, each
 * time. */
static void
gone(void)
{
	unsigned n = w.responses;

	in(&w, 0, "48 45 71 00 TT 61 06");
	out(&w, 0, "70 00 71 00");
	in(&w, 0, "58 45 71 01 TT 61 07");
	out(&w, 0, "70 00 71 01");
	in(&w, 0, "58 45 71 01 TT 61 07");
	out(&w, 0, "70 00 71 01");
	in(&w, 0, "68 45 50 00 TT 61 08");
	ck_assert_uint_eq(w.responses, n);
	ck_assert_uint_eq(w.peer[0].refs, dgram_received_count(w.d));
	ck_assert_uint_eq(dgram_sent_count(w.d), 0);
	pass(&w, 100000);
	quiet(&w);
}

/* However the first answer comes, the exchange lasts, its request is not
 * repeated, and notifications of either type are heard until one ends it
 * (OBS-39). */
START_TEST(test_opened)
{
	static const struct {
		uint8_t type;
		const char *in[2];
		bool ack;
	} t[] = {
		{ COAP_CON, { "68 45 50 00 TT 61 05" }, false },
		{ COAP_CON, { "68 43 50 00 TT 60" }, false },
		{ COAP_CON, { "58 45 70 00 TT 61 05" }, false },
		{ COAP_CON, { "48 45 70 00 TT 61 05" }, true },
		{ COAP_CON, { "60 00 50 00", "58 45 70 00 TT 61 05" }, false },
		{ COAP_CON, { "60 00 50 00", "48 45 70 00 TT 61 05" }, true },
		{ COAP_NON, { "58 45 70 00 TT 61 05" }, false },
		{ COAP_NON, { "48 45 70 00 TT 61 05" }, true },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct exchange *x;

		teardown();
		setup();
		x = ask_all(t[i].type);
		for (size_t j = 0; j < 2 && t[i].in[j] != NULL; j++)
			in(&w, 0, t[i].in[j]);
		if (t[i].ack)
			out(&w, 0, "60 00 70 00");
		ck_assert_ptr_eq(w.lasting, x);
		ck_assert_uint_eq(w.responses, 1);
		ck_assert_uint_eq(dgram_sent_count(w.d), 0);
		pass(&w, 500000);
		in(&w, 0, "58 45 70 01 TT 61 06 ff 79");
		ck_assert_uint_eq(w.responses, 2);
		ck_assert_uint_eq(w.payload[0], 'y');
		ck_assert_uint_eq(w.peer[0].stats.last_heard, w.now);
		in(&w, 0, "48 45 70 02 TT 61 07 ff 7a");
		out(&w, 0, "60 00 70 02");
		ck_assert_uint_eq(w.responses, 3);
		ck_assert_ptr_eq(w.lasting, x);
		ck_assert_ptr_eq(w.user, &w.user);
		in(&w, 0, "48 84 70 03 TT");
		out(&w, 0, "60 00 70 03");
		ck_assert_uint_eq(w.responses, 4);
		ck_assert_ptr_null(w.lasting);
		ck_assert_uint_eq(w.failures, 0);
		gone();
	}
}
END_TEST

/* OBS-39: these say that there is no registration, or that it has ended. */
START_TEST(test_not_opened)
{
	static const struct {
		const char *first, *later;
	} t[] = {
		{ "68 45 50 00 TT", "58 45 70 00 TT" },
		{ "68 45 50 00 TT ff 78", "58 45 70 00 TT ff 78" },
		{ "68 84 50 00 TT", "58 84 70 00 TT" },
		{ "68 84 50 00 TT 61 05", "58 84 70 00 TT 61 06" },
		{ "68 a3 50 00 TT 61 05", "58 a3 70 00 TT 61 06" },
		/* As if it were absent. */
		{ "68 45 50 00 TT 64 01 02 03 04",
		    "58 45 70 00 TT 64 01 02 03 04" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		teardown();
		setup();
		ask_all(COAP_CON);
		in(&w, 0, t[i].first);
		ck_assert_uint_eq(w.responses, 1);
		ck_assert_ptr_null(w.lasting);
		gone();
		teardown();
		setup();
		open_one();
		in(&w, 0, t[i].later);
		ck_assert_uint_eq(w.responses, 2);
		ck_assert_ptr_null(w.lasting);
		gone();
	}
}
END_TEST

/* Who has not asked for it gets one answer. */
START_TEST(test_not_asked_for)
{
	ask(&w, 0, COAP_CON);
	in(&w, 0, "68 45 50 00 TT 61 05");
	ck_assert_uint_eq(w.responses, 1);
	ck_assert_ptr_null(w.lasting);
	gone();
}
END_TEST

/* OBS-33: a token nobody knows. */
START_TEST(test_unknown)
{
	in(&w, 0, "48 45 70 00 01 02 03 04 05 06 07 08 61 05");
	out(&w, 0, "70 00 70 00");
	in(&w, 0, "58 45 70 01 01 02 03 04 05 06 07 08 61 05");
	out(&w, 0, "70 00 70 01");
	in(&w, 0, "51 84 70 02 01 61 05");
	out(&w, 0, "70 00 70 02");
	/* Less reflection: not every NON. */
	in(&w, 0, "58 45 70 03 01 02 03 04 05 06 07 08");
	quiet(&w);
	/* Nor where nothing is asked for. */
	teardown();
	world_init(&w, 4, true);
	in(&w, 0, "58 45 70 01 01 02 03 04 05 06 07 08 61 05");
	quiet(&w);
	in(&w, 0, "48 45 70 00 01 02 03 04 05 06 07 08 61 05");
	out(&w, 0, "70 00 70 00");
}
END_TEST

/* The token alone does not make it ours. */
START_TEST(test_other_peer)
{
	open_one();
	in(&w, 1, "58 45 70 01 TT 61 06");
	out(&w, 1, "70 00 70 01");
	in(&w, 1, "48 45 70 02 TT 61 06");
	out(&w, 1, "70 00 70 02");
	in(&w, 1, "58 45 70 03 TT ff");
	ck_assert_uint_eq(w.responses, 1);
	ck_assert_uint_eq(w.failures, 0);
}
END_TEST

/* OBS-36: a copy is acknowledged again, and heard once. */
START_TEST(test_copies)
{
	open_one();
	in(&w, 0, "48 45 70 00 TT 61 06 ff 79");
	out(&w, 0, "60 00 70 00");
	ck_assert_uint_eq(w.responses, 2);
	in(&w, 0, "58 45 70 01 TT 61 06 ff 79");
	ck_assert_uint_eq(w.responses, 3);
	in(&w, 0, "58 45 70 01 TT 61 06 ff 79");
	quiet(&w);
	in(&w, 0, "48 45 70 00 TT 61 06 ff 79");
	out(&w, 0, "60 00 70 00");
	ck_assert_uint_eq(w.responses, 3);
	ck_assert_uint_eq(w.peer[0].stats.duplicates, 2);
	/* Another message, that an ID is used again for. */
	in(&w, 0, "48 45 70 00 TT 61 07 ff 7a");
	out(&w, 0, "60 00 70 00");
	ck_assert_uint_eq(w.responses, 4);
	/* And an outdated one: what it says is not for us to judge. */
	in(&w, 0, "48 45 70 02 TT 61 05 ff 7a");
	out(&w, 0, "60 00 70 02");
	ck_assert_uint_eq(w.responses, 5);
}
END_TEST

/* PRX-38: one that cannot be processed is rejected, and the exchange is its
 * user's to end. */
START_TEST(test_refused)
{
	struct exchange *x = open_one();

	w.refuse = true;
	for (unsigned i = 0; i < 2; i++) {
		in(&w, 0, "48 45 70 00 TT 61 06");
		out(&w, 0, "70 00 70 00");
	}
	ck_assert_uint_eq(w.responses, 2);
	ck_assert_ptr_eq(w.lasting, x);
	dgram_cancel(w.d, x);
	gone();
}
END_TEST

/* OBS-38: it is cancelled where the first answer, or a later one, arrives. */
START_TEST(test_cancelled_at_once)
{
	w.cancel = true;
	ask_all(COAP_CON);
	in(&w, 0, "68 45 50 00 TT 61 05");
	ck_assert_uint_eq(w.responses, 1);
	gone();
	teardown();
	setup();
	open_one();
	w.cancel = true;
	in(&w, 0, "48 45 70 00 TT 61 06");
	out(&w, 0, "60 00 70 00");
	ck_assert_uint_eq(w.responses, 2);
	gone();
}
END_TEST

/* An answer that is none ends it. */
START_TEST(test_malformed)
{
	static const struct {
		const char *in;
		bool reset;
	} t[] = {
		{ "58 45 70 00 TT f1", false },
		{ "48 45 70 00 TT ff", true },
		{ "58 60 70 00 TT 61 06", false },
		{ "48 60 70 00 TT 61 06", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		teardown();
		setup();
		open_one();
		in(&w, 0, t[i].in);
		if (t[i].reset)
			out(&w, 0, "70 00 70 00");
		ck_assert_uint_eq(w.failures, 1);
		ck_assert_int_eq(w.why, DGRAM_BAD_RESPONSE);
		gone();
	}
}
END_TEST

/* The ID of the request means nothing once it is answered. */
START_TEST(test_old_id)
{
	static const char *const t[] = {
		"68 45 50 00 TT 61 06", "68 45 50 00 TT", "60 00 50 00",
		"70 00 50 00", "68 45 50 00 TT ff", "68 60 50 00 TT",
	};
	struct exchange *x = open_one();

	for (unsigned under_way = 0; under_way < 2; under_way++) {
		for (size_t i = 0; i < UNIT_COUNT(t); i++)
			in(&w, 0, t[i]);
		ck_assert_uint_eq(w.responses, 1);
		ck_assert_uint_eq(w.failures + w.acked, 0);
		if (under_way > 0)
			break;
		ck_assert(renew(x, true));
		start(x);
		out(&w, 0, "48 01 50 01 TT 60");
	}
	ck_assert_ptr_null(dgram_find_sent(w.d, &w.peer[0],
	    SPAN_LIT("\x48\x01\x50\x00")));
	ck_assert_ptr_eq(dgram_find_sent(w.d, &w.peer[0],
	    SPAN_LIT("\x48\x01\x50\x01")), x);
	in(&w, 0, "68 45 50 01 TT 61 06");
	ck_assert_uint_eq(w.responses, 2);
	ck_assert_ptr_null(dgram_find_sent(w.d, &w.peer[0],
	    SPAN_LIT("\x48\x01\x50\x01")));
}
END_TEST

/* ---- renewal ---- */

/* Under the same token it is sent, repeated and answered, by whatever comes
 * with Observe. */
START_TEST(test_renewed)
{
	static const struct {
		const char *in[2];
		bool ack;
		unsigned expects;	/* a separate answer, still */
	} t[] = {
		{ { "68 45 50 01 TT 61 06" }, false, 0 },
		{ { "68 43 50 01 TT 61 06" }, false, 0 },
		/* A notification does not tell that the request has arrived. */
		{ { "58 45 70 00 TT 61 06", "60 00 50 01" }, false, 1 },
		{ { "48 45 70 00 TT 61 06", "60 00 50 01" }, true, 1 },
		{ { "60 00 50 01", "58 45 70 00 TT 61 06" }, false, 0 },
		{ { "60 00 50 01", "48 45 70 00 TT 61 06" }, true, 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct exchange *x;

		teardown();
		setup();
		x = open_one();
		pass(&w, 60000);
		ck_assert(renew(x, true));
		start(x);
		out(&w, 0, "48 01 50 01 TT 60");
		ck_assert_uint_eq(w.peer[0].refs, 1);
		pass(&w, 2000);
		out(&w, 0, "48 01 50 01 TT 60");
		for (size_t j = 0; j < 2 && t[i].in[j] != NULL; j++)
			in(&w, 0, t[i].in[j]);
		if (t[i].ack)
			out(&w, 0, "60 00 70 00");
		pass(&w, 100000);
		quiet(&w);
		ck_assert_uint_eq(w.responses, 2);
		ck_assert_uint_eq(w.failures, 0);
		ck_assert_ptr_eq(w.lasting, x);
		ck_assert_uint_eq(dgram_sent_count(w.d), t[i].expects);
	}
}
END_TEST

/* OBS-39: an answer without Observe ends it, and so does an error. */
START_TEST(test_renewal_answered_plainly)
{
	static const char *const t[] = {
		"68 45 50 01 TT", "68 84 50 01 TT", "58 45 70 00 TT",
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct exchange *x;

		teardown();
		setup();
		x = open_one();
		ck_assert(renew(x, true));
		start(x);
		out(&w, 0, "48 01 50 01 TT 60");
		in(&w, 0, t[i]);
		ck_assert_uint_eq(w.responses, 2);
		ck_assert_ptr_null(w.lasting);
		gone();
	}
}
END_TEST

/* While it waits notifications are heard; it may be sent all the same. */
START_TEST(test_renewal_waits)
{
	struct exchange *x = open_one();

	ck_assert(renew(x, true));
	pass(&w, 100000);
	quiet(&w);
	in(&w, 0, "48 45 70 00 TT 61 06");
	out(&w, 0, "60 00 70 00");
	in(&w, 0, "58 45 70 01 TT 61 07");
	ck_assert_uint_eq(w.responses, 3);
	ck_assert_ptr_eq(w.lasting, x);
	/* No ID is to be had: it stays as it is. */
	use_up_mids(&w, 0);
	ck_assert(!dgram_start(w.d, x, &w.peer[0], w.now));
	in(&w, 0, "58 45 70 02 TT 61 08");
	ck_assert_uint_eq(w.responses, 4);
	ck_assert_ptr_eq(w.lasting, x);
	w.peer[0].mids.free_at[5] = 0;
	start(x);
	out(&w, 0, "48 01 50 01 TT 60");
	in(&w, 0, "68 45 50 01 TT 61 09");
	ck_assert_uint_eq(w.responses, 5);
	ck_assert_ptr_eq(w.lasting, x);
}
END_TEST

START_TEST(test_renewal_fails)
{
	static const struct {
		const char *in;		/* NULL: nothing */
		enum dgram_fail why;
	} t[] = {
		{ NULL, DGRAM_TIMEOUT },
		{ "70 00 50 01", DGRAM_RESET },
		{ "68 45 50 01 TT ff", DGRAM_BAD_RESPONSE },
		{ "68 60 50 01 TT", DGRAM_BAD_RESPONSE },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct exchange *x;

		teardown();
		setup();
		x = open_one();
		ck_assert(renew(x, true));
		start(x);
		out(&w, 0, "48 01 50 01 TT 60");
		if (t[i].in != NULL)
			in(&w, 0, t[i].in);
		else
			pass(&w, w.params.max_transmit_wait);
		for (unsigned j = 0; t[i].in == NULL && j < 4; j++)
			out(&w, 0, "48 01 50 01 TT 60");
		ck_assert_uint_eq(w.failures, 1);
		ck_assert_int_eq(w.why, t[i].why);
		ck_assert_ptr_eq(w.user, &w.user);
		gone();
	}
}
END_TEST

/* Another one takes its place. */
START_TEST(test_renewal_replaced)
{
	struct exchange *x = open_one();

	ck_assert(renew(x, true));
	start(x);
	out(&w, 0, "48 01 50 01 TT 60");
	pass(&w, 1000);
	ck_assert(renew(x, true));
	pass(&w, 50000);
	in(&w, 0, "70 00 50 01");
	quiet(&w);
	start(x);
	out(&w, 0, "48 01 50 02 TT 60");
	in(&w, 0, "68 45 50 01 TT 61 06");
	in(&w, 0, "70 00 50 01");
	ck_assert_uint_eq(w.responses, 1);
	in(&w, 0, "68 45 50 02 TT 61 06");
	ck_assert_uint_eq(w.responses, 2);
	ck_assert_uint_eq(w.failures, 0);
}
END_TEST

/* What cannot be made leaves what is under way alone. */
START_TEST(test_renewal_refused)
{
	static uint8_t large[BUF_LARGE];
	struct dgram_out o = { .type = COAP_CON, .code = COAP_FETCH,
		.observe = true, .opts = SPAN_LIT("\x60"),
		.payload = { large, sizeof(large) } };
	struct exchange *x = open_one();
	enum dgram_refusal why;

	ck_assert(renew(x, true));
	start(x);
	out(&w, 0, "48 01 50 01 TT 60");
	ck_assert(!dgram_renew(w.d, x, &o, &why));
	ck_assert_int_eq(why, DGRAM_TOO_LARGE);
	hoard(&w);
	ck_assert(!renew(x, false));
	o.payload.n = 0;
	ck_assert(!dgram_renew(w.d, x, &o, &why));
	ck_assert_int_eq(why, DGRAM_FULL);
	ck_assert_uint_eq(dgram_stats(w.d)->full, 2);
	pass(&w, 2000);
	out(&w, 0, "48 01 50 01 TT 60");
	unhoard(&w);
	in(&w, 0, "68 45 50 01 TT 61 06");
	ck_assert_uint_eq(w.responses, 2);
	ck_assert_ptr_eq(w.lasting, x);
}
END_TEST

/* OBS-38: a deregistration has the token of the registration, and ends it with
 * its answer, whatever that is; not before it has been sent. */
START_TEST(test_deregistered)
{
	static const char *const t[] = {
		"68 45 50 01 TT ff 78", "68 45 50 01 TT 61 07 ff 78",
		"68 84 50 01 TT", "58 45 70 01 TT",
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct exchange *x;

		teardown();
		setup();
		x = open_one();
		ck_assert(renew(x, false));
		in(&w, 0, "58 45 70 00 TT 61 06");
		ck_assert_ptr_eq(w.lasting, x);
		start(x);
		out(&w, 0, "48 01 50 01 TT 61 01");
		/* It has crossed that. */
		in(&w, 0, "58 45 70 02 TT 61 07");
		ck_assert_ptr_eq(w.lasting, x);
		in(&w, 0, t[i]);
		ck_assert_uint_eq(w.responses, 4);
		ck_assert_ptr_null(w.lasting);
		gone();
	}
}
END_TEST

/* Cancelled in each of its states. */
START_TEST(test_cancelled)
{
	for (unsigned i = 0; i < 4; i++) {
		struct exchange *x;

		teardown();
		setup();
		x = open_one();
		if (i > 0)
			ck_assert(renew(x, true));
		if (i > 1) {
			start(x);
			out(&w, 0, "48 01 50 01 TT 60");
		}
		if (i > 2)
			in(&w, 0, "60 00 50 01");
		dgram_cancel(w.d, x);
		gone();
	}
}
END_TEST

/* Those that last are exchanges like others: there are so many of them. */
START_TEST(test_bounded)
{
	struct dgram_out o = { .type = COAP_CON, .code = COAP_GET };
	enum dgram_refusal why;
	struct exchange *x;
	char text[64];

	for (unsigned i = 0; i < 4; i++) {
		x = prepare(COAP_CON);
		ck_assert(dgram_start(w.d, x, &w.peer[0], w.now));
		snprintf(text, sizeof(text), "48 01 50 0%u TT 60", i);
		out(&w, 0, text);
		snprintf(text, sizeof(text), "68 45 50 0%u TT 61 05", i);
		in(&w, 0, text);
		ck_assert_ptr_eq(w.lasting, x);
	}
	ck_assert_uint_eq(w.peer[0].refs, 4);
	ck_assert_ptr_null(dgram_prepare(w.d, &o, NULL, &why));
	ck_assert_int_eq(why, DGRAM_FULL);
	dgram_cancel(w.d, w.lasting);
	x = dgram_prepare(w.d, &o, NULL, &why);
	ck_assert_ptr_nonnull(x);
	/* They are forgotten with everything else. */
}
END_TEST

Suite *
lasting_suite(void)
{
	Suite *s = suite_create("lasting");
	TCase *tc = tcase_create("lasting");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_opened);
	tcase_add_test(tc, test_not_opened);
	tcase_add_test(tc, test_not_asked_for);
	tcase_add_test(tc, test_unknown);
	tcase_add_test(tc, test_other_peer);
	tcase_add_test(tc, test_copies);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_cancelled_at_once);
	tcase_add_test(tc, test_malformed);
	tcase_add_test(tc, test_old_id);
	tcase_add_test(tc, test_renewed);
	tcase_add_test(tc, test_renewal_answered_plainly);
	tcase_add_test(tc, test_renewal_waits);
	tcase_add_test(tc, test_renewal_fails);
	tcase_add_test(tc, test_renewal_replaced);
	tcase_add_test(tc, test_renewal_refused);
	tcase_add_test(tc, test_deregistered);
	tcase_add_test(tc, test_cancelled);
	tcase_add_test(tc, test_bounded);
	suite_add_tcase(s, tc);
	return s;
}
