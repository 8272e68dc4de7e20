/* What an origin says to an observation: in which order, in which format, and
 * in how many blocks (proxy/notified.c). */
#include <stdio.h>

#include "observing.h"
#include "suites.h"
#include "unit.h"

/* OBS-14: another Content-Format, or none any more. */
START_TEST(other_format)
{
	static const struct {
		const char *first, *then;
		bool same;
	} rows[] = {
		{ "ACK 2.05 Observe=1", "CON 2.05 Observe=2", true },
		{ "ACK 2.05 Observe=1 Content-Format=50",
			"CON 2.05 Observe=2 Content-Format=50", true },
		{ "ACK 2.05 Observe=1", "CON 2.05 Observe=2 Content-Format=0",
			false },
		{ "ACK 2.05 Observe=1 Content-Format=0", "CON 2.05 Observe=2",
			false },
		{ "ACK 2.05 Observe=1 Content-Format=50",
			"CON 2.05 Observe=2 Content-Format=60", false },
	};
	struct watcher *w;

	asking();
	ck_assert(stand_answer(&st, rows[_i].first, NOW));
	ck_assert(stand_respond(&st, reg, rows[_i].then, NOW + 1));
	w = stand_watcher(&st, "a");
	ck_assert_int_eq(w->last, !rows[_i].same);
	ck_assert_int_eq(strncmp(w->notice, "4.06 ", 5) == 0, !rows[_i].same);
	stand_acks(&st, NOW + 2);
	ck_assert_uint_eq(proxy_observations(st.proxy), rows[_i].same);
	if (rows[_i].same)
		return;
	ck_assert_str_eq(st.request, "CON GET Observe=1 Hop-Limit=16");
	/* It is an ordinary answer all the same (CAC-54). */
	st.sends = 0;
	stand_ask(&st, "CON GET token=\"p\"", NOW + 2);
	ck_assert_uint_eq(st.sends, 0);
	ck_assert_int_eq(strncmp(st.reply, "2.05", 4), 0);
}
END_TEST

/* OBS-34, OBS-35: what is newer than what came at NOW with FIRST. */
START_TEST(order)
{
	static const struct {
		uint32_t first, then;
		uint64_t after;
		bool newer;
	} rows[] = {
		{ 10, 11, 1, true },
		{ 10, 10, 1, false },
		{ 10, 9, 1, false },
		{ 10, 10 + (1 << 23) - 1, 1, true },
		{ 10, 10 + (1 << 23), 1, false },
		{ 10, 0xffffff, 1, false },
		{ 0xfffffe, 1, 1, true },
		{ 1 << 23, 0, 1, false },
		{ (1 << 23) + 1, 0, 1, true },
		{ 10, 9, 128000, false },
		{ 10, 9, 128001, true },
	};
	char text[80];

	asking();
	snprintf(text, sizeof(text), "ACK 2.05 Observe=%u Max-Age=1000",
	    rows[_i].first);
	ck_assert(stand_answer(&st, text, NOW));
	snprintf(text, sizeof(text), "CON 2.05 Observe=%u Max-Age=1000",
	    rows[_i].then);
	ck_assert(stand_respond(&st, reg, text, NOW + rows[_i].after));
	ck_assert_uint_eq(st.notices, rows[_i].newer);
}
END_TEST

/* OBS-34: the answer to a renewal is the newest, whatever its number, be it
 * piggybacked or the first after an empty ACK; unless there has been a
 * notification since. A renewal that is not sent changes nothing. */
START_TEST(order_of_answers)
{
	static const char number[] = "ACK 2.05 Observe=5 Max-Age=1000",
	    separate[] = "CON 2.05 Observe=5 Max-Age=1000",
	    newer[] = "CON 2.05 Observe=12 Max-Age=1000";
	uint64_t now = NOW + STALE + S;

	renewing();
	switch (_i) {
	case 0:
		ck_assert(stand_respond(&st, reg, number, now));
		ck_assert_uint_eq(st.notices, 1);
		/* It is the one that others are held against. */
		ck_assert(stand_respond(&st, reg,
		    "CON 2.05 Observe=6 Max-Age=1000", now));
		ck_assert_uint_eq(st.notices, 2);
		break;
	case 1:
		ck_assert(stand_respond(&st, reg, newer, now));
		ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
		ck_assert(stand_respond(&st, reg, number, now));
		ck_assert_uint_eq(st.notices, 1);
		break;
	case 2:
		ck_assert(stand_respond(&st, reg, separate, now));
		ck_assert_uint_eq(st.notices, 0);
		break;
	case 3:
		reg->acked = true;
		ck_assert(stand_respond(&st, reg, separate, now));
		ck_assert_uint_eq(st.notices, 1);
		ck_assert(stand_respond(&st, reg,
		    "CON 2.05 Observe=4 Max-Age=1000", now));
		ck_assert_uint_eq(st.notices, 1);
		break;
	case 4:
		ck_assert(stand_respond(&st, reg, newer, now));
		reg->acked = true;
		ck_assert(stand_respond(&st, reg, separate, now));
		ck_assert_uint_eq(st.notices, 1);
		break;
	}
}
END_TEST

/* OBS-52: anew means anew: its numbers begin as they like. */
START_TEST(order_anew)
{
	anew();
	ck_assert(stand_respond(&st, reg, "CON 2.05 Observe=1 Max-Age=9",
	    NOW + STALE + S));
	ck_assert_uint_eq(st.notices, 1);
}
END_TEST

/* ---- large ones ---- */

/* The first block of state 02 has come; G collects the rest. */
static struct fetch *
gathering(enum observe_state state, uint64_t now)
{
	struct fetch *g;

	states[state].come();
	st.sent = NULL;
	ck_assert(stand_respond(&st, reg, state == OBSERVE_OPEN ?
	    "CON 2.05 " FIRST_BLOCK("20", "02") :
	    "ACK 2.05 " FIRST_BLOCK("20", "02"), now));
	g = st.sent;
	ck_assert_ptr_nonnull(g);
	ck_assert_ptr_eq(reg->obs->gather, g);
	ck_assert_str_eq(st.request, "CON GET Hop-Limit=16 Block2=1/0/64");
	return g;
}

/* OBS-64: told when it is complete, in each state. */
START_TEST(gathered)
{
	uint64_t now = states[_i].at;
	struct fetch *g = gathering((enum observe_state)_i, now);
	struct watcher *w;

	ck_assert_uint_eq(st.notices, 0);
	reg->obs->failures = 2;
	ck_assert(stand_respond(&st, g, "ACK 2.05 " BLOCK("1/0/64", "02"),
	    now));
	ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
	ck_assert_ptr_null(reg->obs->gather);
	w = stand_watcher(&st, "a");
	ck_assert_ptr_nonnull(w);
	ck_assert_uint_eq(st.notices, _i != OBSERVE_ASKING);
	if (_i != OBSERVE_ASKING)
		ck_assert_ptr_nonnull(strstr(w->notice, "payload=128"));
	else
		ck_assert_ptr_nonnull(strstr(st.reply, "payload=128"));
	ck_assert_uint_eq(reg->obs->failures, 0);
}
END_TEST

/* It cannot be collected, in each state, for each reason. Later ones are tried
 * three times. */
START_TEST(not_gathered)
{
	enum observe_state state = (enum observe_state)(_i % STATES);
	uint64_t now = states[state].at;
	struct fetch *g = gathering(state, now);

	switch (_i / STATES) {
	case 0:
		stand_fail(&st, g, FETCH_TIMEOUT, now);
		break;
	case 1:
		/* What has changed is begun again first (BLK-47). */
		do {
			st.sent = NULL;
			stand_respond(&st, g, "ACK 4.04", now);
		} while (st.sent == g);
		break;
	case 2:
		stand_respond(&st, g, "ACK 2.05 opt65002=\"\"", now);
		break;
	case 3:
		st.send_result = UPSTREAM_FAILED;
		st.send_why = FETCH_BUSY;
		stand_respond(&st, g, "ACK 2.05 " BLOCK("1/1/64", "02"), now);
		break;
	case 4:
		now += 90 * S;
		stand_pass(&st, now);
		break;
	}
	if (state == OBSERVE_ASKING) {
		ck_assert_uint_eq(st.replies, 1);
		ck_assert(st.reply[0] == '5');
		ck_assert_uint_gt(st.cancels, 0);
		nothing_left();
		return;
	}
	/* OBS-52: who has been silent for so long is not asked once more. */
	if (state == OBSERVE_ANEW || _i / STATES == 0 || _i / STATES == 4) {
		ck_assert(stand_watcher(&st, "a")->last);
		stand_acks(&st, now);
		nothing_left();
		return;
	}
	st.send_result = UPSTREAM_SENT;
	ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(reg->obs->failures, 1);
	/* There is something newer than what it has. */
	ck_assert(!cache_fresh(reg->obs->entry, now));
	for (unsigned i = 2; i <= 3; i++) {
		now += 5 * S;
		stand_pass(&st, now);
		ck_assert_int_eq(reg->obs->state, OBSERVE_RENEWING);
		st.sent = NULL;
		ck_assert(stand_respond(&st, reg,
		    "ACK 2.05 " FIRST_BLOCK("21", "03"), now));
		ck_assert_ptr_nonnull(st.sent);
		stand_fail(&st, st.sent, FETCH_RESET, now);
	}
	ck_assert_int_eq(strncmp(stand_watcher(&st, "a")->notice, "5.02 ", 5),
	    0);
	stand_acks(&st, now);
	stand_pass(&st, now + 100 * S);
	nothing_left();
}
END_TEST

/* OBS-64: a newer one makes what is being collected pointless. */
START_TEST(gathers_anew)
{
	struct fetch *g = gathering(OBSERVE_OPEN, NOW + 1);

	ck_assert_ptr_nonnull(g);
	st.sent = NULL;
	ck_assert(stand_respond(&st, reg, "CON 2.05 " FIRST_BLOCK("21", "03"),
	    NOW + 2));
	ck_assert_uint_eq(st.cancels, 1);
	ck_assert_ptr_nonnull(st.sent);
	ck_assert_ptr_eq(reg->obs->gather, st.sent);
	if (_i == 1) {
		/* Older: nothing changes. */
		ck_assert(stand_respond(&st, reg, "CON 2.05 Observe=19", NOW + 2));
		ck_assert_uint_eq(st.cancels, 1);
	}
	ck_assert(stand_respond(&st, reg->obs->gather, "ACK 2.05 "
	    BLOCK("1/0/64", "03"), NOW + 3));
	ck_assert_uint_eq(st.notices, 1);
}
END_TEST

/* OBS-48: the same while a body is collected that is from before the change. */
START_TEST(changed_while_gathering)
{
	struct fetch *g;

	asking();
	ck_assert(stand_answer(&st, "ACK 2.05 ETag=01 Observe=10 Max-Age=99",
	    NOW));
	ck_assert(stand_respond(&st, reg, "CON 2.05 " FIRST_BLOCK("20", "02"),
	    NOW));
	g = st.sent;
	stand_ask(&st, "CON PUT token=\"p\" payload=\"3\"", NOW);
	if (_i == 1)
		stand_answer(&st, "ACK 2.04", NOW);
	st.replies = 0;
	stand_ask(&st, "CON GET token=\"b\" Observe=0", NOW);
	/* Asked for only: what P has is good until then. */
	ck_assert_uint_eq(st.replies, _i == 0);
	ck_assert(stand_respond(&st, g, "ACK 2.05 " BLOCK("1/0/64", "02"),
	    NOW));
	ck_assert_uint_eq(st.replies, _i == 0);
	ck_assert_uint_eq(st.renewals, _i == 1);
	if (_i == 0)
		return;
	ck_assert(stand_respond(&st, reg, "ACK 2.05 ETag=03 Observe=21", NOW));
	ck_assert_uint_eq(st.replies, 1);
}
END_TEST

/* What ends the registration, or loses it, while the body is collected. */
START_TEST(ends_while_gathering)
{
	enum observe_state state = (enum observe_state)(_i % STATES);
	uint64_t now = states[state].at;

	gathering(state, now);
	switch (_i / STATES) {
	case 0:
		stand_fail(&st, reg, FETCH_RESET, now);
		break;
	case 1:
		stand_respond(&st, reg, "CON 4.04 Max-Age=5", now);
		break;
	case 2:
		stand_respond(&st, reg, "CON 2.05 ETag=03", now);
		break;
	case 3:
		stand_respond(&st, reg, "CON 2.05 ETag=03 Block2=0/1/64 "
		    "payload=64x\"x\"", now);
		break;
	case 4:
		stand_respond(&st, reg, "CON 2.05 Observe=30 opt65002=\"\"",
		    now);
		break;
	case 5:
		st.send_result = UPSTREAM_FAILED;
		st.send_why = FETCH_BUSY;
		stand_respond(&st, reg, "CON 2.05 " FIRST_BLOCK("21", "03"), now);
		break;
	case 6:
		proxy_drain(st.proxy);
		break;
	case 7:
		/* The proxy ends. */
		return;
	}
	stand_acks(&st, now);
	stand_pass(&st, now + 200 * S);
	stand_acks(&st, now + 200 * S);
	ck_assert_uint_eq(st.replies, state == OBSERVE_ASKING);
	nothing_left();
	ck_assert_uint_eq(timers_next(&st.timers), TIMER_NEVER);
}
END_TEST

/* Somebody who waited asks again when the end comes, in the place of what
 * collects the body (proxy/upstream.h). */
START_TEST(ends_in_place_of_gather)
{
	static const char *const ends[] = {
		"CON 4.01 Echo=01",
		"CON 2.05 Max-Age=0",
	};
	struct fetch *g;

	asking();
	stand_ask(&st, "CON GET token=\"b\"", NOW);
	ck_assert(stand_respond(&st, reg, "ACK 2.05 " FIRST_BLOCK("20", "02"),
	    NOW));
	g = st.sent;
	ck_assert_ptr_eq(reg->obs->gather, g);
	st.displaced = g;
	ck_assert(stand_respond(&st, reg, ends[_i], NOW));
	st.displaced = NULL;
	ck_assert_uint_eq(st.replies, 1);
	stand_answer(&st, "ACK 2.05", NOW);
	ck_assert_uint_eq(st.replies, 2);
	nothing_left();
}
END_TEST

/* PRX-51: 4.02 behind a first block is not about what P has added: nothing is
 * repeated, in whosever place. */
START_TEST(bad_option_while_gathering)
{
	struct fetch *g = gathering(OBSERVE_ASKING, NOW);

	st.sends = 0;
	st.displaced = g;
	ck_assert(stand_respond(&st, reg, "CON 4.02", NOW));
	st.displaced = NULL;
	ck_assert_uint_eq(st.sends, 0);
	ck_assert_str_eq(st.reply, "4.02");
	nothing_left();
}
END_TEST

/* OBS-39, OBS-42: the first answer is being collected when the origin says that
 * it does not notify after all: everybody has a plain answer. */
START_TEST(refused_while_gathering)
{
	static const char *const texts[] = {
		"CON 2.05 ETag=03 Max-Age=0 payload=\"3\"",
		"CON 2.05 ETag=03 Max-Age=5 payload=\"3\"",
		"CON 2.05 ETag=03 Block2=0/1/64 payload=64x\"x\"",
	};
	struct fetch *next;

	asking();
	stand_ask(&st, "CON GET token=\"b\" Observe=0", NOW);
	ck_assert(stand_respond(&st, reg, "ACK 2.05 " FIRST_BLOCK("20", "02"),
	    NOW));
	st.sent = NULL;
	ck_assert(stand_respond(&st, reg, texts[_i], NOW));
	while ((next = st.sent) != NULL) {
		st.sent = NULL;
		stand_respond(&st, next, "ACK 2.05 payload=\"3\"", NOW);
	}
	ck_assert_uint_eq(st.replies, 2);
	ck_assert_int_eq(strncmp(st.reply, "2.05 ", 5), 0);
	nothing_left();
}
END_TEST

/* The request that keeps the registration takes the place of the one that
 * collects the body (proxy/upstream.h: another fetch may fail). */
START_TEST(displaces_gather)
{
	struct fetch *g = gathering(OBSERVE_OPEN, NOW + 1);

	reg->obs->failures = (uint8_t)(_i == 0 ? 0 : 2);
	st.displaced = g;
	stand_pass(&st, NOW + STALE + S);
	st.displaced = NULL;
	stand_pass(&st, NOW + 300 * S);
	stand_acks(&st, NOW + 300 * S);
	nothing_left();
}
END_TEST

/* BLK-44: a body too large to be collected: nobody observes, everybody has it
 * block by block. Later it ends the observation. */
START_TEST(too_large_body)
{
	uint64_t now = states[_i].at;
	struct fetch *g = gathering((enum observe_state)_i, now);

	st.sent = NULL;
	ck_assert(stand_respond(&st, g, "ACK 2.05 ETag=02 Block2=1/1/64 "
	    "Size2=100000 payload=64x\"x\"", now));
	if (_i == OBSERVE_ASKING) {
		ck_assert_ptr_nonnull(st.sent);
		ck_assert_str_eq(st.request, "CON GET Hop-Limit=16");
		ck_assert(st.sent->relay);
		ck_assert_uint_eq(proxy_observations(st.proxy), 0);
		stand_answer(&st, "ACK 2.05 " BLOCK("0/1/64", "02"), now);
		ck_assert_ptr_nonnull(strstr(st.reply, "Block2=0/1/64"));
		return;
	}
	ck_assert(stand_watcher(&st, "a")->last);
	stand_acks(&st, now);
	nothing_left();
}
END_TEST

Suite *
notified_suite(void)
{
	Suite *suite = suite_create("notified");
	TCase *tc = tcase_create("notified");

	tcase_add_checked_fixture(tc, observing_setup, observing_teardown);
	tcase_add_loop_test(tc, other_format, 0, 5);
	tcase_add_loop_test(tc, order, 0, 11);
	tcase_add_loop_test(tc, order_of_answers, 0, 5);
	tcase_add_test(tc, order_anew);
	tcase_add_loop_test(tc, gathered, 0, STATES);
	tcase_add_loop_test(tc, not_gathered, 0, 5 * STATES);
	tcase_add_loop_test(tc, gathers_anew, 0, 2);
	tcase_add_loop_test(tc, changed_while_gathering, 0, 2);
	tcase_add_loop_test(tc, ends_while_gathering, 0, 8 * STATES);
	tcase_add_loop_test(tc, ends_in_place_of_gather, 0, 2);
	tcase_add_test(tc, bad_option_while_gathering);
	tcase_add_loop_test(tc, refused_while_gathering, 0, 3);
	tcase_add_loop_test(tc, displaces_gather, 0, 2);
	tcase_add_loop_test(tc, too_large_body, 0, STATES);
	suite_add_tcase(suite, tc);
	return suite;
}
