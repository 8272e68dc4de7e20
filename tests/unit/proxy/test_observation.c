/* A registration with an origin through its states, and where it fails
 * (proxy/observation.c). Who is told what on the wire is in
 * tests/replay/observe*.rp. */
#include "proxy/observation.h"

#include "base/buf.h"
#include "observing.h"
#include "suites.h"
#include "unit.h"

/* ---- the way through ---- */

/* OBS-37, OBS-52: asked once more when stale, with what P has; lost, anew; and
 * then it goes on. */
START_TEST(round_trip)
{
	anew();
	ck_assert_uint_eq(st.notices, 0);
	ck_assert(stand_answer(&st, "ACK 2.05 ETag=02 Observe=1 payload=\"2\"",
	    NOW + STALE + 2 * S));
	ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(st.notices, 1);
	ck_assert_str_eq(stand_watcher(&st, "a")->payload, "2");
	ck_assert_uint_eq(stats()->renewed, 1);
	ck_assert_uint_eq(stats()->observations_lost, 0);
	ck_assert_uint_eq(proxy_observations(st.proxy), 1);
}
END_TEST

/* OBS-53: cancelled some time after the last observer has gone, by a request of
 * its own; that is not answered for ever. */
START_TEST(deserted)
{
	open_one();
	stand_refuse(&st, stand_watcher(&st, "a"), NOW + 1 * S);
	stand_pass(&st, NOW + 6 * S - 1);
	ck_assert_uint_eq(st.renewals, 0);
	stand_pass(&st, NOW + 6 * S);
	ck_assert_uint_eq(st.renewals, 1);
	ck_assert_str_eq(st.request, "CON GET Observe=1 Hop-Limit=16");
	ck_assert(!reg->registers);
	nothing_left();
	switch (_i) {
	case 0:
		/* What comes meanwhile does not end it. */
		ck_assert(stand_respond(&st, reg,
		    "CON 2.05 Observe=11 payload=\"2\"", NOW + 7 * S));
		ck_assert(stand_respond(&st, reg, PLAIN, NOW + 7 * S));
		break;
	case 1:
		stand_fail(&st, reg, FETCH_RESET, NOW + 7 * S);
		break;
	case 2:
		stand_fail(&st, reg, FETCH_BUSY, NOW + 7 * S);
		ck_assert_uint_eq(st.cancels, 1);
		break;
	case 3:
		stand_pass(&st, NOW + 100 * S);
		ck_assert_uint_eq(st.cancels, 1);
		break;
	default:
		/* The proxy ends before. */
		return;
	}
	ck_assert_uint_eq(timers_next(&st.timers), TIMER_NEVER);
}
END_TEST

/* It is not told that it is cancelled when that cannot be sent. */
START_TEST(deserted_unsent)
{
	open_one();
	st.renew_result = UPSTREAM_FAILED;
	stand_refuse(&st, stand_watcher(&st, "a"), NOW);
	stand_pass(&st, NOW + 6 * S);
	ck_assert_uint_eq(st.cancels, 1);
	nothing_left();
}
END_TEST

/* Somebody comes while it lingers. */
START_TEST(returns)
{
	open_one();
	stand_refuse(&st, stand_watcher(&st, "a"), NOW + 1 * S);
	stand_ask(&st, "CON GET token=\"b\" Observe=0", NOW + 4 * S);
	ck_assert_uint_eq(st.replies, 1);
	stand_pass(&st, NOW + 10 * S);
	ck_assert_uint_eq(st.renewals + st.cancels, 0);
	ck_assert_uint_eq(proxy_observers(st.proxy), 1);
}
END_TEST

/* Deserted in a state in which it is not open: nobody is told. */
START_TEST(deserted_anew)
{
	anew();
	stand_refuse(&st, stand_watcher(&st, "a"), NOW + STALE + S);
	stand_pass(&st, NOW + STALE + 7 * S);
	ck_assert_uint_eq(st.renewals, 1);
	nothing_left();
}
END_TEST

/* Deserted, and lost before it is dismissed. */
START_TEST(deserted_lost)
{
	open_one();
	stand_refuse(&st, stand_watcher(&st, "a"), NOW + S);
	stand_fail(&st, reg, FETCH_RESET, NOW + 2 * S);
	ck_assert_uint_eq(st.sends, 0);
	nothing_left();
}
END_TEST

/* The first one who asks has no time any more. */
START_TEST(first_gone)
{
	asking();
	if (_i == 1)
		ck_assert(stand_respond(&st, reg, "ACK 2.05 "
		    FIRST_BLOCK("1", "01"), NOW));
	stand_pass(&st, NOW + 90 * S);
	ck_assert_uint_eq(st.replies, 1);
	ck_assert_str_eq(st.reply, "5.04 Max-Age=5 payload=17");
	nothing_left();
}
END_TEST

/* OBS-53: nobody is left, but it lingers for longer than it is fresh: it is not
 * renewed for nobody. */
START_TEST(lingers)
{
	proxy_free(st.proxy);
	st.conf.observe.linger_ms = 100 * S;
	stand_start(&st);
	open_one();
	stand_refuse(&st, stand_watcher(&st, "a"), NOW);
	stand_pass(&st, NOW + 99 * S);
	ck_assert_uint_eq(st.renewals, 0);
	ck_assert_uint_eq(proxy_observations(st.proxy), 1);
	stand_pass(&st, NOW + 100 * S);
	nothing_left();
}
END_TEST

/* PRX-90: what is end-to-end protected is not asked for by ourselves: once lost
 * it is over. */
START_TEST(protected)
{
	stand_ask(&st, "CON GET token=\"a\" Observe=0 OSCORE=09", NOW);
	reg = st.sent;
	ck_assert(stand_answer(&st, "ACK 2.05 Observe=1 OSCORE= Max-Age=5",
	    NOW));
	stand_pass(&st, NOW + 100 * S);
	ck_assert_uint_eq(st.renewals, 0);
	stand_fail(&st, reg, FETCH_RESET, NOW + 100 * S);
	ck_assert_uint_eq(st.sends, 1);
	ck_assert_int_eq(strncmp(stand_watcher(&st, "a")->notice, "5.02 ", 5),
	    0);
	stand_acks(&st, NOW + 100 * S);
	nothing_left();
}
END_TEST

/* OBS-39: an answer without Observe is one as any other: its blocks are not
 * registered for. */
START_TEST(not_observed)
{
	asking();
	ck_assert(stand_answer(&st, "ACK 2.05 " BLOCK("0/1/64", "01"), NOW));
	ck_assert_uint_eq(proxy_observations(st.proxy), 0);
	ck_assert_ptr_eq(st.sent, reg);
	ck_assert(!reg->registers);
	ck_assert_str_eq(st.request, "CON GET Hop-Limit=16 Block2=1/0/64");
	ck_assert(stand_answer(&st, "ACK 2.05 " BLOCK("1/0/64", "01"), NOW));
	ck_assert_str_eq(st.reply, "2.05 ETag=01 Max-Age=5 payload=128");
	nothing_left();
}
END_TEST

/* OBS-49: the ETag that goes up is that of what P has now, not that of the
 * first registration. */
START_TEST(etags)
{
	stand_ask(&st, "CON GET token=\"p\"", NOW);
	stand_answer(&st, PLAIN, NOW);
	stand_ask(&st, "CON GET token=\"a\" ETag=07 Observe=0", NOW + 6 * S);
	reg = st.sent;
	ck_assert_str_eq(st.request, "CON GET ETag=01 Observe=0 Hop-Limit=16");
	ck_assert(stand_answer(&st,
	    "ACK 2.05 ETag=02 Observe=1 Max-Age=5 payload=\"2\"",
	    NOW + 6 * S));
	stand_pass(&st, NOW + 6 * S + STALE + S);
	ck_assert_str_eq(st.request, "CON GET ETag=02 Observe=0 Hop-Limit=16");
	ck_assert(stand_respond(&st, reg, "ACK 2.05 Observe=2 payload=\"3\"",
	    NOW + 6 * S + STALE + S));
	stand_pass(&st, NOW + 6 * S + STALE + S + 75 * S);
	ck_assert_str_eq(st.request, "CON GET Observe=0 Hop-Limit=16");
}
END_TEST

/* OBS-52: the time an origin has begins with each renewal. */
START_TEST(busy_later)
{
	uint64_t now = NOW + STALE + S;

	renewing();
	ck_assert(stand_respond(&st, reg, "ACK 2.03 ETag=01 Observe=11 "
	    "Max-Age=200", now));
	st.renew_result = UPSTREAM_FAILED;
	st.renew_why = FETCH_BUSY;
	now += 216 * S;
	stand_pass(&st, now);
	ck_assert_uint_gt(st.renewals, 1);
	ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(st.sends, 0);
}
END_TEST

/* ---- failures in each state ---- */

/* Every reason to fail, in each state: at most one more try, then everybody is
 * told (OBS-52). */
START_TEST(fails)
{
	static const struct {
		enum fetch_fail why;
		const char *reply;
	} rows[] = {
		{ FETCH_TIMEOUT, "5.04 Max-Age=5 payload=17" },
		{ FETCH_RESET, "5.02 Max-Age=5 payload=21" },
		{ FETCH_UNREACHABLE, "5.02 Max-Age=5 payload=20" },
		{ FETCH_NO_NAME, "5.02 Max-Age=5 payload=21" },
		{ FETCH_TOO_LARGE, "4.13 payload=26" },
	};
	size_t state = (size_t)_i % STATES, row = (size_t)_i / STATES;
	struct watcher *w;

	states[state].come();
	stand_fail(&st, reg, rows[row].why, states[state].at);
	if (state == OBSERVE_ASKING) {
		ck_assert_str_eq(st.reply, rows[row].reply);
		nothing_left();
		return;
	}
	if (state != OBSERVE_ANEW) {
		ck_assert_int_eq(reg->obs->state, OBSERVE_ANEW);
		stand_fail(&st, reg, rows[row].why, states[state].at);
	}
	w = stand_watcher(&st, "a");
	ck_assert(w->last);
	ck_assert_int_eq(strncmp(w->notice, rows[row].reply, 4), 0);
	ck_assert_ptr_null(strstr(w->notice, "Observe"));
	ck_assert_uint_eq(stats()->observations_lost, 1);
	stand_acks(&st, states[state].at);
	nothing_left();
	/* The turn of those who are told is over. */
	timers_run(&st.timers, states[state].at);
	ck_assert_uint_eq(timers_next(&st.timers), TIMER_NEVER);
}
END_TEST

/* What is sent fails at once, in each state. */
START_TEST(send_fails)
{
	st.renew_result = UPSTREAM_FAILED;
	st.renew_why = FETCH_TOO_LARGE;
	open_one();
	st.send_result = _i == 0 ? UPSTREAM_FAILED : UPSTREAM_SENT;
	st.send_why = FETCH_UNREACHABLE;
	stand_pass(&st, NOW + STALE + S);
	ck_assert_uint_eq(st.renewals, 1);
	ck_assert_uint_eq(st.sends, 1);
	ck_assert_uint_eq(st.notices, _i == 0);
	if (_i == 1)
		stand_fail(&st, reg, FETCH_RESET, NOW + STALE + S);
	ck_assert_int_eq(strncmp(stand_watcher(&st, "a")->notice, "5.02 ", 5),
	    0);
	stand_acks(&st, NOW + STALE + S);
	nothing_left();
}
END_TEST

/* A registration whose first request cannot be sent. */
START_TEST(first_not_sent)
{
	st.send_result = UPSTREAM_FAILED;
	st.send_why = FETCH_BUSY;
	stand_ask(&st, "CON GET token=\"a\" Observe=0", NOW);
	ck_assert_str_eq(st.reply, "5.03 Max-Age=5 payload=13");
	nothing_left();
}
END_TEST

/* The way is busy: tried each second, as long as the origin has to answer. */
START_TEST(busy)
{
	open_one();
	st.renew_result = UPSTREAM_FAILED;
	st.renew_why = FETCH_BUSY;
	stand_pass(&st, NOW + STALE + 60 * S);
	ck_assert_uint_ge(st.renewals, 59);
	ck_assert_uint_eq(st.sends, 0);
	ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
	stand_pass(&st, NOW + STALE + 91 * S);
	/* No time is left for that. */
	ck_assert_uint_eq(st.sends, 1);
	ck_assert_int_eq(strncmp(stand_watcher(&st, "a")->notice, "5.04 ", 5),
	    0);
	stand_acks(&st, NOW + STALE + 91 * S);
	nothing_left();
}
END_TEST

/* Likewise when it was displaced while it waited. */
START_TEST(displaced)
{
	renewing();
	stand_fail(&st, reg, FETCH_BUSY, NOW + STALE + S);
	ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
	stand_pass(&st, NOW + STALE + 2 * S);
	ck_assert_uint_eq(st.renewals, 2);
	ck_assert_int_eq(reg->obs->state, OBSERVE_RENEWING);
}
END_TEST

/* ---- ends, with somebody waiting ---- */

/* ... or the way is busy, and "b" waits with it open. Now it is the same. */
static void
waiting_open(const char *text)
{
	open_one();
	st.renew_result = UPSTREAM_FAILED;
	st.renew_why = FETCH_BUSY;
	stand_ask(&st, text, NOW + 6 * S);
	ck_assert_uint_eq(st.renewals, 1);
	ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(proxy_waiting(st.proxy), 1);
}

/* F is ended by an error that fits a datagram, and no scratch. */
static void
too_long(uint64_t now)
{
	static uint8_t octets[BUF_LARGE], value[1040];
	struct writer w = writer_make(octets, sizeof(octets));
	struct coap_optw out = coap_optw(&w);
	struct coap_msg m = { .type = COAP_CON, .code = COAP_404 };

	memset(value, 'x', sizeof(value));
	coap_put_opt(&out, 65000, span_make(value, sizeof(value)));
	coap_put_opt(&out, 65000, span_make(value, sizeof(value)));
	ck_assert(!w.full);
	ck_assert_uint_gt(writer_len(&w), OPTS_MAX);
	ck_assert(coap_parse_opts(&m, writer_span(&w)));
	reg->watch = NULL;
	fetch_response(reg, &m, span_make(st.octets, st.noctets), now);
}

/* What ends an observation, and cannot be shared with those who wait, makes
 * them ask again: not for the one that ends. */
START_TEST(ends_while_waiting)
{
	static const char *const ends[] = {
		/* Not stored: 4.01, Max-Age 0, no Observe. */
		"CON 4.01 Echo=0102",
		"CON 4.04 Max-Age=0",
		"CON 2.05 Max-Age=0 payload=\"2\"",
		"CON 2.05 Max-Age=0 Block2=0/1/64 payload=64x\"x\"",
		/* Another format. */
		"CON 2.05 Observe=11 Content-Format=50 Max-Age=0",
		NULL,	/* too long to be kept */
	};
	static const char *const who[] = {
		"CON GET token=\"b\" Observe=0",	/* another one */
		"CON GET token=\"a\" Observe=0",	/* the same again */
		"CON GET token=\"b\"",
	};
	bool refused = _i % 2 != 0;
	size_t end = (size_t)_i / 2 % UNIT_COUNT(ends);
	size_t w = (size_t)_i / 2 / UNIT_COUNT(ends);
	struct fetch *next;

	waiting_open(who[w]);
	st.send_result = refused ? UPSTREAM_FAILED : UPSTREAM_SENT;
	st.send_why = FETCH_UNREACHABLE;
	st.sent = NULL;
	if (ends[end] != NULL)
		stand_respond(&st, reg, ends[end], NOW + 6 * S + 1);
	else
		too_long(NOW + 6 * S + 1);
	next = st.sent;
	if (refused)
		ck_assert_ptr_null(next);
	if (next != NULL)
		stand_respond(&st, next, "ACK 2.05 payload=\"3\"",
		    NOW + 6 * S + 2);
	stand_acks(&st, NOW + 7 * S);
	stand_pass(&st, NOW + 200 * S);
	stand_acks(&st, NOW + 200 * S);
	ck_assert_uint_eq(st.replies, 1);
	nothing_left();
}
END_TEST

/* ---- limits ---- */

/* Going down, in each state: who observes is told once, who waits is answered;
 * nobody observes any more. */
START_TEST(drains)
{
	uint64_t now = states[_i].at;

	states[_i].come();
	st.held = true;
	proxy_drain(st.proxy);
	ck_assert_uint_eq(proxy_observers(st.proxy), 0);
	if (_i == OBSERVE_ASKING) {
		ck_assert(stand_respond(&st, reg, FIRST, now));
		ck_assert_str_eq(st.reply, "2.05 ETag=01 Max-Age=5 payload=1");
		ck_assert_uint_eq(proxy_observers(st.proxy), 0);
		stand_pass(&st, now + 5 * S);
	} else {
		ck_assert_uint_eq(st.notices, 1);
		ck_assert_uint_eq(st.gone, 1);
	}
	nothing_left();
}
END_TEST

/* Several at once; with one of them the next may end (proxy/upstream.h). */
START_TEST(drains_many)
{
	struct fetch *g;

	open_one();
	stand_ask(&st, "CON GET token=\"c\" Observe=0 Uri-Path=\"c\"", NOW);
	reg = st.sent;
	stand_answer(&st, FIRST, NOW);
	stand_respond(&st, reg, "CON 2.05 " FIRST_BLOCK("20", "02"), NOW);
	g = st.sent;
	ck_assert_ptr_eq(reg->obs->gather, g);
	stand_ask(&st, "CON GET token=\"b\" Observe=0 Uri-Path=\"b\"", NOW);
	stand_answer(&st, FIRST, NOW);
	reg->obs->failures = 2;
	if (_i == 1)
		stand_refuse(&st, stand_watcher(&st, "c"), NOW);
	st.displaced = g;
	proxy_drain(st.proxy);
	stand_acks(&st, NOW);
	ck_assert_uint_eq(st.renewals, 3);
	nothing_left();
}
END_TEST

/* Observers of one that is over do not keep it for ever, and are not told
 * twice. */
START_TEST(drains_over)
{
	renewing();
	stand_respond(&st, reg, "ACK 4.04", NOW + STALE + S);
	ck_assert(stand_watcher(&st, "a")->last);
	proxy_drain(st.proxy);
	ck_assert_uint_eq(st.notices, 1);
	ck_assert_uint_eq(proxy_observers(st.proxy), 1);
	stand_acks(&st, NOW + STALE + 2 * S);
	nothing_left();
}
END_TEST

/* Without memory, in each state, a state that comes is lost: who observes is
 * told so, or forgotten. */
START_TEST(no_memory)
{
	enum observe_state state = (enum observe_state)(_i % STATES);
	uint64_t now = states[state].at;
	static const char *const texts[] = {
		"ACK 2.05 Observe=20 ETag=02 payload=\"2\"",
		"ACK 2.03 ETag=01 Observe=20 opt65000=\"y\"",
		"ACK 4.04",
		"ACK 2.05 payload=\"2\"",
		"ACK 2.05 " FIRST_BLOCK("20", "02"),
	};
	const char *text = texts[(size_t)_i / STATES];

	states[state].come();
	if ((size_t)_i / STATES == 0)
		text = "ACK 2.05 ETag=02 Observe=20 payload=\"2\"";
	st.no_memory = true;
	stand_respond(&st, reg, text, now);
	stand_pass(&st, now + 300 * S);
	st.no_memory = false;
	stand_acks(&st, now + 300 * S);
	ck_assert_uint_eq(st.replies, state == OBSERVE_ASKING);
	stand_pass(&st, now + 400 * S);
	nothing_left();
}
END_TEST

/* The cache is full of what is held: so is it. */
START_TEST(cache_full)
{
	enum observe_state state = (enum observe_state)(_i % STATES);
	uint64_t now = states[state].at;

	states[state].come();
	st.proxy->cache.conf.size = 0;
	stand_respond(&st, reg, (size_t)_i / STATES == 0 ?
	    "ACK 2.05 ETag=02 Observe=20 payload=\"2\"" :
	    "ACK 4.04 Max-Age=9", now);
	stand_pass(&st, now + 300 * S);
	stand_acks(&st, now + 300 * S);
	ck_assert_uint_eq(st.replies, state == OBSERVE_ASKING);
	nothing_left();
	ck_assert_uint_eq(st.unobserved, state != OBSERVE_ASKING);
}
END_TEST

Suite *
observation_suite(void)
{
	Suite *suite = suite_create("observation");
	TCase *tc = tcase_create("observation");

	tcase_add_checked_fixture(tc, observing_setup, observing_teardown);
	tcase_add_test(tc, round_trip);
	tcase_add_loop_test(tc, deserted, 0, 5);
	tcase_add_test(tc, deserted_unsent);
	tcase_add_test(tc, returns);
	tcase_add_test(tc, deserted_anew);
	tcase_add_test(tc, deserted_lost);
	tcase_add_loop_test(tc, first_gone, 0, 2);
	tcase_add_test(tc, lingers);
	tcase_add_test(tc, protected);
	tcase_add_test(tc, not_observed);
	tcase_add_test(tc, etags);
	tcase_add_test(tc, busy_later);
	tcase_add_loop_test(tc, fails, 0, 5 * STATES);
	tcase_add_loop_test(tc, send_fails, 0, 2);
	tcase_add_test(tc, first_not_sent);
	tcase_add_test(tc, busy);
	tcase_add_test(tc, displaced);
	tcase_add_loop_test(tc, ends_while_waiting, 0, 36);
	tcase_add_loop_test(tc, drains, 0, STATES);
	tcase_add_loop_test(tc, drains_many, 0, 2);
	tcase_add_test(tc, drains_over);
	tcase_add_loop_test(tc, no_memory, 0, 5 * STATES);
	tcase_add_loop_test(tc, cache_full, 0, 2 * STATES);
	suite_add_tcase(suite, tc);
	return suite;
}
