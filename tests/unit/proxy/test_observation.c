/* A registration with an origin through its states, and where it fails
 * (proxy/observation.c, notified.c). Who is told what on the wire is in
 * tests/replay/observe*.rp. */
#include "proxy/observation.h"

#include <limits.h>

#include "base/buf.h"
#include "fixture.h"
#include "proxy/core.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 2000, S = 1000, STALE = 5 * S + 15 * S };

#define PLAIN "ACK 2.05 ETag=01 Max-Age=5 payload=\"1\""
#define FIRST "ACK 2.05 ETag=01 Observe=10 Max-Age=5 payload=\"1\""

/* Of a body that is collected, in state ETAG. */
#define BLOCK(n, etag) \
	"ETag=" etag " Max-Age=5 Block2=" n " payload=64x\"x\""
#define FIRST_BLOCK(observe, etag) "ETag=" etag " Observe=" observe \
	" Max-Age=5 Block2=0/1/64 payload=64x\"x\""

static struct stand s;
static struct rule rule;
static struct fetch *f;		/* the registration */

static void
setup(void)
{
	stand_init(&s);
	rule = (struct rule){
		.to = target("198.51.100.1", 5683),
		.allow_from = networks("any"),
		.timeout_ms = 90 * S,
		.cache = true,
		.observe = true,
	};
	s.rules = (struct rules){ &rule, 1 };
	s.conf.max_requests = 8;
	s.conf.cache = (struct cache_conf){ 1 << 20, 16 << 10, 86400 };
	s.conf.block.max_body = 4096;
	s.conf.observe = (struct observe_conf){ 16, 16, 5 * S };
	stand_start(&s);
	timers_run(&s.timers, NOW);
}

static void
teardown(void)
{
	allocations = UINT_MAX;
	stand_fini(&s);
}

static const struct proxy_stats *
stats(void)
{
	return proxy_stats(s.proxy);
}

/* Nobody observes, nothing is open. */
static void
nothing_left(void)
{
	ck_assert_uint_eq(proxy_observers(s.proxy), 0);
	ck_assert_uint_eq(proxy_observations(s.proxy), 0);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
}

/* "a" asks, and F is the registration. */
static void
asking(void)
{
	stand_ask(&s, "CON GET token=\"a\" Observe=0", NOW);
	f = s.sent;
	ck_assert_ptr_nonnull(f);
	ck_assert_str_eq(s.request, "CON GET Observe=0 Hop-Limit=16");
	ck_assert_int_eq(f->obs->state, OBSERVE_ASKING);
}

/* "a" observes F. */
static void
open_one(void)
{
	asking();
	ck_assert(stand_answer(&s, FIRST, NOW));
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
	ck_assert_ptr_nonnull(stand_watcher(&s, "a"));
	f->up_port = 7;
	s.replies = s.sends = 0;
}

/* ... whose copy is stale, and which is asked for once more. Now it is NOW +
 * STALE + 1 s. */
static void
renewing(void)
{
	open_one();
	stand_pass(&s, NOW + STALE + S);
	ck_assert_uint_eq(s.renewals, 1);
	ck_assert_str_eq(s.request, "CON GET ETag=01 Observe=0 Hop-Limit=16");
	ck_assert_int_eq(f->obs->state, OBSERVE_RENEWING);
}

/* ... which was not answered by then, so it is asked anew: at the same time. */
static void
anew(void)
{
	renewing();
	stand_fail(&s, f, FETCH_RESET, NOW + STALE + S);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert_str_eq(s.request, "CON GET Observe=0 Hop-Limit=16");
	ck_assert_int_eq(f->obs->state, OBSERVE_ANEW);
	/* From whatever port: the old one may have a token there. */
	ck_assert_uint_eq(f->up_port, 0);
}

/* ... or the way is busy, and "b" waits with it open. Now it is the same. */
static void
waiting_open(const char *text)
{
	open_one();
	s.renew_result = UPSTREAM_FAILED;
	s.renew_why = FETCH_BUSY;
	stand_ask(&s, text, NOW + 6 * S);
	ck_assert_uint_eq(s.renewals, 1);
	ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 1);
}

static const struct {
	void (*come)(void);
	uint64_t at;
} states[] = {	/* by enum observe_state */
	{ asking, NOW },
	{ open_one, NOW + 1 },
	{ renewing, NOW + STALE + S },
	{ anew, NOW + STALE + S },
};

enum { STATES = UNIT_COUNT(states) };

/* ---- the way through ---- */

/* OBS-37, OBS-52: asked once more when stale, with what P has; lost, anew; and
 * then it goes on. */
START_TEST(round_trip)
{
	anew();
	ck_assert_uint_eq(s.notices, 0);
	ck_assert(stand_answer(&s, "ACK 2.05 ETag=02 Observe=1 payload=\"2\"",
	    NOW + STALE + 2 * S));
	ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(s.notices, 1);
	ck_assert_str_eq(stand_watcher(&s, "a")->payload, "2");
	ck_assert_uint_eq(stats()->renewed, 1);
	ck_assert_uint_eq(stats()->observations_lost, 0);
	ck_assert_uint_eq(proxy_observations(s.proxy), 1);
}
END_TEST

/* OBS-53: cancelled some time after the last observer has gone, by a request of
 * its own; that is not answered for ever. */
START_TEST(deserted)
{
	open_one();
	stand_refuse(&s, stand_watcher(&s, "a"), NOW + 1 * S);
	stand_pass(&s, NOW + 6 * S - 1);
	ck_assert_uint_eq(s.renewals, 0);
	stand_pass(&s, NOW + 6 * S);
	ck_assert_uint_eq(s.renewals, 1);
	ck_assert_str_eq(s.request, "CON GET Observe=1 Hop-Limit=16");
	ck_assert(!f->registers);
	nothing_left();
	switch (_i) {
	case 0:
		/* What comes meanwhile does not end it. */
		ck_assert(stand_respond(&s, f,
		    "CON 2.05 Observe=11 payload=\"2\"", NOW + 7 * S));
		ck_assert(stand_respond(&s, f, PLAIN, NOW + 7 * S));
		break;
	case 1:
		stand_fail(&s, f, FETCH_RESET, NOW + 7 * S);
		break;
	case 2:
		stand_fail(&s, f, FETCH_BUSY, NOW + 7 * S);
		ck_assert_uint_eq(s.cancels, 1);
		break;
	case 3:
		stand_pass(&s, NOW + 100 * S);
		ck_assert_uint_eq(s.cancels, 1);
		break;
	default:
		/* The proxy ends before. */
		return;
	}
	ck_assert_uint_eq(timers_next(&s.timers), TIMER_NEVER);
}
END_TEST

/* It is not told that it is cancelled when that cannot be sent. */
START_TEST(deserted_unsent)
{
	open_one();
	s.renew_result = UPSTREAM_FAILED;
	stand_refuse(&s, stand_watcher(&s, "a"), NOW);
	stand_pass(&s, NOW + 6 * S);
	ck_assert_uint_eq(s.cancels, 1);
	nothing_left();
}
END_TEST

/* Somebody comes while it lingers. */
START_TEST(returns)
{
	open_one();
	stand_refuse(&s, stand_watcher(&s, "a"), NOW + 1 * S);
	stand_ask(&s, "CON GET token=\"b\" Observe=0", NOW + 4 * S);
	ck_assert_uint_eq(s.replies, 1);
	stand_pass(&s, NOW + 10 * S);
	ck_assert_uint_eq(s.renewals + s.cancels, 0);
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
}
END_TEST

/* Deserted in a state in which it is not open: nobody is told. */
START_TEST(deserted_anew)
{
	anew();
	stand_refuse(&s, stand_watcher(&s, "a"), NOW + STALE + S);
	stand_pass(&s, NOW + STALE + 7 * S);
	ck_assert_uint_eq(s.renewals, 1);
	nothing_left();
}
END_TEST

/* Deserted, and lost before it is dismissed. */
START_TEST(deserted_lost)
{
	open_one();
	stand_refuse(&s, stand_watcher(&s, "a"), NOW + S);
	stand_fail(&s, f, FETCH_RESET, NOW + 2 * S);
	ck_assert_uint_eq(s.sends, 0);
	nothing_left();
}
END_TEST

/* The first one who asks has no time any more. */
START_TEST(first_gone)
{
	asking();
	if (_i == 1)
		ck_assert(stand_respond(&s, f, "ACK 2.05 "
		    FIRST_BLOCK("1", "01"), NOW));
	stand_pass(&s, NOW + 90 * S);
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_str_eq(s.reply, "5.04 Max-Age=5 payload=17");
	nothing_left();
}
END_TEST

/* OBS-53: nobody is left, but it lingers for longer than it is fresh: it is not
 * renewed for nobody. */
START_TEST(lingers)
{
	proxy_free(s.proxy);
	s.conf.observe.linger_ms = 100 * S;
	stand_start(&s);
	open_one();
	stand_refuse(&s, stand_watcher(&s, "a"), NOW);
	stand_pass(&s, NOW + 99 * S);
	ck_assert_uint_eq(s.renewals, 0);
	ck_assert_uint_eq(proxy_observations(s.proxy), 1);
	stand_pass(&s, NOW + 100 * S);
	nothing_left();
}
END_TEST

/* PRX-90: what is end-to-end protected is not asked for by ourselves: once lost
 * it is over. */
START_TEST(protected)
{
	stand_ask(&s, "CON GET token=\"a\" Observe=0 OSCORE=09", NOW);
	f = s.sent;
	ck_assert(stand_answer(&s, "ACK 2.05 Observe=1 OSCORE= Max-Age=5",
	    NOW));
	stand_pass(&s, NOW + 100 * S);
	ck_assert_uint_eq(s.renewals, 0);
	stand_fail(&s, f, FETCH_RESET, NOW + 100 * S);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert_int_eq(strncmp(stand_watcher(&s, "a")->notice, "5.02 ", 5),
	    0);
	stand_acks(&s, NOW + 100 * S);
	nothing_left();
}
END_TEST

/* OBS-39: an answer without Observe is one as any other: its blocks are not
 * registered for. */
START_TEST(not_observed)
{
	asking();
	ck_assert(stand_answer(&s, "ACK 2.05 " BLOCK("0/1/64", "01"), NOW));
	ck_assert_uint_eq(proxy_observations(s.proxy), 0);
	ck_assert_ptr_eq(s.sent, f);
	ck_assert(!f->registers);
	ck_assert_str_eq(s.request, "CON GET Hop-Limit=16 Block2=1/0/64");
	ck_assert(stand_answer(&s, "ACK 2.05 " BLOCK("1/0/64", "01"), NOW));
	ck_assert_str_eq(s.reply, "2.05 ETag=01 Max-Age=5 payload=128");
	nothing_left();
}
END_TEST

/* OBS-49: the ETag that goes up is that of what P has now, not that of the
 * first registration. */
START_TEST(etags)
{
	stand_ask(&s, "CON GET token=\"p\"", NOW);
	stand_answer(&s, PLAIN, NOW);
	stand_ask(&s, "CON GET token=\"a\" ETag=07 Observe=0", NOW + 6 * S);
	f = s.sent;
	ck_assert_str_eq(s.request, "CON GET ETag=01 Observe=0 Hop-Limit=16");
	ck_assert(stand_answer(&s,
	    "ACK 2.05 ETag=02 Observe=1 Max-Age=5 payload=\"2\"",
	    NOW + 6 * S));
	stand_pass(&s, NOW + 6 * S + STALE + S);
	ck_assert_str_eq(s.request, "CON GET ETag=02 Observe=0 Hop-Limit=16");
	ck_assert(stand_respond(&s, f, "ACK 2.05 Observe=2 payload=\"3\"",
	    NOW + 6 * S + STALE + S));
	stand_pass(&s, NOW + 6 * S + STALE + S + 75 * S);
	ck_assert_str_eq(s.request, "CON GET Observe=0 Hop-Limit=16");
}
END_TEST

/* OBS-52: the time an origin has begins with each renewal. */
START_TEST(busy_later)
{
	uint64_t now = NOW + STALE + S;

	renewing();
	ck_assert(stand_respond(&s, f, "ACK 2.03 ETag=01 Observe=11 "
	    "Max-Age=200", now));
	s.renew_result = UPSTREAM_FAILED;
	s.renew_why = FETCH_BUSY;
	now += 216 * S;
	stand_pass(&s, now);
	ck_assert_uint_gt(s.renewals, 1);
	ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(s.sends, 0);
}
END_TEST

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
	ck_assert(stand_answer(&s, rows[_i].first, NOW));
	ck_assert(stand_respond(&s, f, rows[_i].then, NOW + 1));
	w = stand_watcher(&s, "a");
	ck_assert_int_eq(w->last, !rows[_i].same);
	ck_assert_int_eq(strncmp(w->notice, "4.06 ", 5) == 0, !rows[_i].same);
	stand_acks(&s, NOW + 2);
	ck_assert_uint_eq(proxy_observations(s.proxy), rows[_i].same);
	if (rows[_i].same)
		return;
	ck_assert_str_eq(s.request, "CON GET Observe=1 Hop-Limit=16");
	/* It is an ordinary answer all the same (CAC-54). */
	s.sends = 0;
	stand_ask(&s, "CON GET token=\"p\"", NOW + 2);
	ck_assert_uint_eq(s.sends, 0);
	ck_assert_int_eq(strncmp(s.reply, "2.05", 4), 0);
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
	ck_assert(stand_answer(&s, text, NOW));
	snprintf(text, sizeof(text), "CON 2.05 Observe=%u Max-Age=1000",
	    rows[_i].then);
	ck_assert(stand_respond(&s, f, text, NOW + rows[_i].after));
	ck_assert_uint_eq(s.notices, rows[_i].newer);
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
		ck_assert(stand_respond(&s, f, number, now));
		ck_assert_uint_eq(s.notices, 1);
		/* It is the one that others are held against. */
		ck_assert(stand_respond(&s, f,
		    "CON 2.05 Observe=6 Max-Age=1000", now));
		ck_assert_uint_eq(s.notices, 2);
		break;
	case 1:
		ck_assert(stand_respond(&s, f, newer, now));
		ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
		ck_assert(stand_respond(&s, f, number, now));
		ck_assert_uint_eq(s.notices, 1);
		break;
	case 2:
		ck_assert(stand_respond(&s, f, separate, now));
		ck_assert_uint_eq(s.notices, 0);
		break;
	case 3:
		f->acked = true;
		ck_assert(stand_respond(&s, f, separate, now));
		ck_assert_uint_eq(s.notices, 1);
		ck_assert(stand_respond(&s, f,
		    "CON 2.05 Observe=4 Max-Age=1000", now));
		ck_assert_uint_eq(s.notices, 1);
		break;
	case 4:
		ck_assert(stand_respond(&s, f, newer, now));
		f->acked = true;
		ck_assert(stand_respond(&s, f, separate, now));
		ck_assert_uint_eq(s.notices, 1);
		break;
	}
}
END_TEST

/* OBS-52: anew means anew: its numbers begin as they like. */
START_TEST(order_anew)
{
	anew();
	ck_assert(stand_respond(&s, f, "CON 2.05 Observe=1 Max-Age=9",
	    NOW + STALE + S));
	ck_assert_uint_eq(s.notices, 1);
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
	stand_fail(&s, f, rows[row].why, states[state].at);
	if (state == OBSERVE_ASKING) {
		ck_assert_str_eq(s.reply, rows[row].reply);
		nothing_left();
		return;
	}
	if (state != OBSERVE_ANEW) {
		ck_assert_int_eq(f->obs->state, OBSERVE_ANEW);
		stand_fail(&s, f, rows[row].why, states[state].at);
	}
	w = stand_watcher(&s, "a");
	ck_assert(w->last);
	ck_assert_int_eq(strncmp(w->notice, rows[row].reply, 4), 0);
	ck_assert_ptr_null(strstr(w->notice, "Observe"));
	ck_assert_uint_eq(stats()->observations_lost, 1);
	stand_acks(&s, states[state].at);
	nothing_left();
	/* The turn of those who are told is over. */
	timers_run(&s.timers, states[state].at);
	ck_assert_uint_eq(timers_next(&s.timers), TIMER_NEVER);
}
END_TEST

/* What is sent fails at once, in each state. */
START_TEST(send_fails)
{
	s.renew_result = UPSTREAM_FAILED;
	s.renew_why = FETCH_TOO_LARGE;
	open_one();
	s.send_result = _i == 0 ? UPSTREAM_FAILED : UPSTREAM_SENT;
	s.send_why = FETCH_UNREACHABLE;
	stand_pass(&s, NOW + STALE + S);
	ck_assert_uint_eq(s.renewals, 1);
	ck_assert_uint_eq(s.sends, 1);
	ck_assert_uint_eq(s.notices, _i == 0);
	if (_i == 1)
		stand_fail(&s, f, FETCH_RESET, NOW + STALE + S);
	ck_assert_int_eq(strncmp(stand_watcher(&s, "a")->notice, "5.02 ", 5),
	    0);
	stand_acks(&s, NOW + STALE + S);
	nothing_left();
}
END_TEST

/* A registration whose first request cannot be sent. */
START_TEST(first_not_sent)
{
	s.send_result = UPSTREAM_FAILED;
	s.send_why = FETCH_BUSY;
	stand_ask(&s, "CON GET token=\"a\" Observe=0", NOW);
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	nothing_left();
}
END_TEST

/* The way is busy: tried each second, as long as the origin has to answer. */
START_TEST(busy)
{
	open_one();
	s.renew_result = UPSTREAM_FAILED;
	s.renew_why = FETCH_BUSY;
	stand_pass(&s, NOW + STALE + 60 * S);
	ck_assert_uint_ge(s.renewals, 59);
	ck_assert_uint_eq(s.sends, 0);
	ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
	stand_pass(&s, NOW + STALE + 91 * S);
	/* No time is left for that. */
	ck_assert_uint_eq(s.sends, 1);
	ck_assert_int_eq(strncmp(stand_watcher(&s, "a")->notice, "5.04 ", 5),
	    0);
	stand_acks(&s, NOW + STALE + 91 * S);
	nothing_left();
}
END_TEST

/* Likewise when it was displaced while it waited. */
START_TEST(displaced)
{
	renewing();
	stand_fail(&s, f, FETCH_BUSY, NOW + STALE + S);
	ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
	stand_pass(&s, NOW + STALE + 2 * S);
	ck_assert_uint_eq(s.renewals, 2);
	ck_assert_int_eq(f->obs->state, OBSERVE_RENEWING);
}
END_TEST

/* ---- ends, with somebody waiting ---- */

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
	f->watch = NULL;
	fetch_response(f, &m, span_make(s.octets, s.noctets), now);
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
	s.send_result = refused ? UPSTREAM_FAILED : UPSTREAM_SENT;
	s.send_why = FETCH_UNREACHABLE;
	s.sent = NULL;
	if (ends[end] != NULL)
		stand_respond(&s, f, ends[end], NOW + 6 * S + 1);
	else
		too_long(NOW + 6 * S + 1);
	next = s.sent;
	if (refused)
		ck_assert_ptr_null(next);
	if (next != NULL)
		stand_respond(&s, next, "ACK 2.05 payload=\"3\"",
		    NOW + 6 * S + 2);
	stand_acks(&s, NOW + 7 * S);
	stand_pass(&s, NOW + 200 * S);
	stand_acks(&s, NOW + 200 * S);
	ck_assert_uint_eq(s.replies, 1);
	nothing_left();
}
END_TEST

/* ---- large ones ---- */

/* The first block of state 02 has come; G collects the rest. */
static struct fetch *
gathering(enum observe_state state, uint64_t now)
{
	struct fetch *g;

	states[state].come();
	s.sent = NULL;
	ck_assert(stand_respond(&s, f, state == OBSERVE_OPEN ?
	    "CON 2.05 " FIRST_BLOCK("20", "02") :
	    "ACK 2.05 " FIRST_BLOCK("20", "02"), now));
	g = s.sent;
	ck_assert_ptr_nonnull(g);
	ck_assert_ptr_eq(f->obs->gather, g);
	ck_assert_str_eq(s.request, "CON GET Hop-Limit=16 Block2=1/0/64");
	return g;
}

/* OBS-64: told when it is complete, in each state. */
START_TEST(gathered)
{
	uint64_t now = states[_i].at;
	struct fetch *g = gathering((enum observe_state)_i, now);
	struct watcher *w;

	ck_assert_uint_eq(s.notices, 0);
	f->obs->failures = 2;
	ck_assert(stand_respond(&s, g, "ACK 2.05 " BLOCK("1/0/64", "02"),
	    now));
	ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
	ck_assert_ptr_null(f->obs->gather);
	w = stand_watcher(&s, "a");
	ck_assert_ptr_nonnull(w);
	ck_assert_uint_eq(s.notices, _i != OBSERVE_ASKING);
	if (_i != OBSERVE_ASKING)
		ck_assert_ptr_nonnull(strstr(w->notice, "payload=128"));
	else
		ck_assert_ptr_nonnull(strstr(s.reply, "payload=128"));
	ck_assert_uint_eq(f->obs->failures, 0);
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
		stand_fail(&s, g, FETCH_TIMEOUT, now);
		break;
	case 1:
		/* What has changed is begun again first (BLK-47). */
		do {
			s.sent = NULL;
			stand_respond(&s, g, "ACK 4.04", now);
		} while (s.sent == g);
		break;
	case 2:
		stand_respond(&s, g, "ACK 2.05 opt65002=\"\"", now);
		break;
	case 3:
		s.send_result = UPSTREAM_FAILED;
		s.send_why = FETCH_BUSY;
		stand_respond(&s, g, "ACK 2.05 " BLOCK("1/1/64", "02"), now);
		break;
	case 4:
		now += 90 * S;
		stand_pass(&s, now);
		break;
	}
	if (state == OBSERVE_ASKING) {
		ck_assert_uint_eq(s.replies, 1);
		ck_assert(s.reply[0] == '5');
		ck_assert_uint_gt(s.cancels, 0);
		nothing_left();
		return;
	}
	if (state == OBSERVE_ANEW) {
		ck_assert(stand_watcher(&s, "a")->last);
		stand_acks(&s, now);
		nothing_left();
		return;
	}
	s.send_result = UPSTREAM_SENT;
	/* Out of time, it has been renewed meanwhile. */
	if (_i / STATES == 4)
		return;
	ck_assert_int_eq(f->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(f->obs->failures, 1);
	/* There is something newer than what it has. */
	ck_assert(!cache_fresh(f->obs->entry, now));
	for (unsigned i = 2; i <= 3; i++) {
		now += 5 * S;
		stand_pass(&s, now);
		ck_assert_int_eq(f->obs->state, OBSERVE_RENEWING);
		s.sent = NULL;
		ck_assert(stand_respond(&s, f,
		    "ACK 2.05 " FIRST_BLOCK("21", "03"), now));
		ck_assert_ptr_nonnull(s.sent);
		stand_fail(&s, s.sent, FETCH_RESET, now);
	}
	ck_assert_int_eq(strncmp(stand_watcher(&s, "a")->notice, "5.02 ", 5),
	    0);
	stand_acks(&s, now);
	stand_pass(&s, now + 100 * S);
	nothing_left();
}
END_TEST

/* OBS-64: a newer one makes what is being collected pointless. */
START_TEST(gathers_anew)
{
	struct fetch *g = gathering(OBSERVE_OPEN, NOW + 1);

	ck_assert_ptr_nonnull(g);
	s.sent = NULL;
	ck_assert(stand_respond(&s, f, "CON 2.05 " FIRST_BLOCK("21", "03"),
	    NOW + 2));
	ck_assert_uint_eq(s.cancels, 1);
	ck_assert_ptr_nonnull(s.sent);
	ck_assert_ptr_eq(f->obs->gather, s.sent);
	if (_i == 1) {
		/* Older: nothing changes. */
		ck_assert(stand_respond(&s, f, "CON 2.05 Observe=19", NOW + 2));
		ck_assert_uint_eq(s.cancels, 1);
	}
	ck_assert(stand_respond(&s, f->obs->gather, "ACK 2.05 "
	    BLOCK("1/0/64", "03"), NOW + 3));
	ck_assert_uint_eq(s.notices, 1);
}
END_TEST

/* OBS-48: the same while a body is collected that is from before the change. */
START_TEST(changed_while_gathering)
{
	struct fetch *g;

	asking();
	ck_assert(stand_answer(&s, "ACK 2.05 ETag=01 Observe=10 Max-Age=99",
	    NOW));
	ck_assert(stand_respond(&s, f, "CON 2.05 " FIRST_BLOCK("20", "02"),
	    NOW));
	g = s.sent;
	stand_ask(&s, "CON PUT token=\"p\" payload=\"3\"", NOW);
	if (_i == 1)
		stand_answer(&s, "ACK 2.04", NOW);
	s.replies = 0;
	stand_ask(&s, "CON GET token=\"b\" Observe=0", NOW);
	/* Asked for only: what P has is good until then. */
	ck_assert_uint_eq(s.replies, _i == 0);
	ck_assert(stand_respond(&s, g, "ACK 2.05 " BLOCK("1/0/64", "02"),
	    NOW));
	ck_assert_uint_eq(s.replies, _i == 0);
	ck_assert_uint_eq(s.renewals, _i == 1);
	if (_i == 0)
		return;
	ck_assert(stand_respond(&s, f, "ACK 2.05 ETag=03 Observe=21", NOW));
	ck_assert_uint_eq(s.replies, 1);
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
		stand_fail(&s, f, FETCH_RESET, now);
		break;
	case 1:
		stand_respond(&s, f, "CON 4.04 Max-Age=5", now);
		break;
	case 2:
		stand_respond(&s, f, "CON 2.05 ETag=03", now);
		break;
	case 3:
		stand_respond(&s, f, "CON 2.05 ETag=03 Block2=0/1/64 "
		    "payload=64x\"x\"", now);
		break;
	case 4:
		stand_respond(&s, f, "CON 2.05 Observe=30 opt65002=\"\"",
		    now);
		break;
	case 5:
		s.send_result = UPSTREAM_FAILED;
		s.send_why = FETCH_BUSY;
		stand_respond(&s, f, "CON 2.05 " FIRST_BLOCK("21", "03"), now);
		break;
	case 6:
		proxy_drain(s.proxy);
		break;
	case 7:
		/* The proxy ends. */
		return;
	}
	stand_acks(&s, now);
	stand_pass(&s, now + 200 * S);
	stand_acks(&s, now + 200 * S);
	ck_assert_uint_eq(s.replies, state == OBSERVE_ASKING);
	nothing_left();
	ck_assert_uint_eq(timers_next(&s.timers), TIMER_NEVER);
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
	stand_ask(&s, "CON GET token=\"b\" Observe=0", NOW);
	ck_assert(stand_respond(&s, f, "ACK 2.05 " FIRST_BLOCK("20", "02"),
	    NOW));
	s.sent = NULL;
	ck_assert(stand_respond(&s, f, texts[_i], NOW));
	while ((next = s.sent) != NULL) {
		s.sent = NULL;
		stand_respond(&s, next, "ACK 2.05 payload=\"3\"", NOW);
	}
	ck_assert_uint_eq(s.replies, 2);
	ck_assert_int_eq(strncmp(s.reply, "2.05 ", 5), 0);
	nothing_left();
}
END_TEST

/* The request that keeps the registration takes the place of the one that
 * collects the body (proxy/upstream.h: another fetch may fail). */
START_TEST(displaces_gather)
{
	struct fetch *g = gathering(OBSERVE_OPEN, NOW + 1);

	f->obs->failures = (uint8_t)(_i == 0 ? 0 : 2);
	s.displaced = g;
	stand_pass(&s, NOW + STALE + S);
	s.displaced = NULL;
	stand_pass(&s, NOW + 300 * S);
	stand_acks(&s, NOW + 300 * S);
	nothing_left();
}
END_TEST

/* BLK-44: a body too large to be collected: nobody observes, everybody has it
 * block by block. Later it ends the observation. */
START_TEST(too_large_body)
{
	uint64_t now = states[_i].at;
	struct fetch *g = gathering((enum observe_state)_i, now);

	s.sent = NULL;
	ck_assert(stand_respond(&s, g, "ACK 2.05 ETag=02 Block2=1/1/64 "
	    "Size2=100000 payload=64x\"x\"", now));
	if (_i == OBSERVE_ASKING) {
		ck_assert_ptr_nonnull(s.sent);
		ck_assert_str_eq(s.request, "CON GET Hop-Limit=16");
		ck_assert(s.sent->relay);
		ck_assert_uint_eq(proxy_observations(s.proxy), 0);
		stand_answer(&s, "ACK 2.05 " BLOCK("0/1/64", "02"), now);
		ck_assert_ptr_nonnull(strstr(s.reply, "Block2=0/1/64"));
		return;
	}
	ck_assert(stand_watcher(&s, "a")->last);
	stand_acks(&s, now);
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
	s.held = true;
	proxy_drain(s.proxy);
	ck_assert_uint_eq(proxy_observers(s.proxy), 0);
	if (_i == OBSERVE_ASKING) {
		ck_assert(stand_respond(&s, f, FIRST, now));
		ck_assert_str_eq(s.reply, "2.05 ETag=01 Max-Age=5 payload=1");
		ck_assert_uint_eq(proxy_observers(s.proxy), 0);
		stand_pass(&s, now + 5 * S);
	} else {
		ck_assert_uint_eq(s.notices, 1);
		ck_assert_uint_eq(s.gone, 1);
	}
	nothing_left();
}
END_TEST

/* Several at once; with one of them the next may end (proxy/upstream.h). */
START_TEST(drains_many)
{
	struct fetch *g;

	open_one();
	stand_ask(&s, "CON GET token=\"c\" Observe=0 Uri-Path=\"c\"", NOW);
	f = s.sent;
	stand_answer(&s, FIRST, NOW);
	stand_respond(&s, f, "CON 2.05 " FIRST_BLOCK("20", "02"), NOW);
	g = s.sent;
	ck_assert_ptr_eq(f->obs->gather, g);
	stand_ask(&s, "CON GET token=\"b\" Observe=0 Uri-Path=\"b\"", NOW);
	stand_answer(&s, FIRST, NOW);
	f->obs->failures = 2;
	if (_i == 1)
		stand_refuse(&s, stand_watcher(&s, "c"), NOW);
	s.displaced = g;
	proxy_drain(s.proxy);
	stand_acks(&s, NOW);
	ck_assert_uint_eq(s.renewals, 3);
	nothing_left();
}
END_TEST

/* Observers of one that is over do not keep it for ever, and are not told
 * twice. */
START_TEST(drains_over)
{
	renewing();
	stand_respond(&s, f, "ACK 4.04", NOW + STALE + S);
	ck_assert(stand_watcher(&s, "a")->last);
	proxy_drain(s.proxy);
	ck_assert_uint_eq(s.notices, 1);
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
	stand_acks(&s, NOW + STALE + 2 * S);
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
	s.no_memory = true;
	stand_respond(&s, f, text, now);
	stand_pass(&s, now + 300 * S);
	s.no_memory = false;
	stand_acks(&s, now + 300 * S);
	ck_assert_uint_eq(s.replies, state == OBSERVE_ASKING);
	stand_pass(&s, now + 400 * S);
	nothing_left();
}
END_TEST

/* The cache is full of what is held: so is it. */
START_TEST(cache_full)
{
	enum observe_state state = (enum observe_state)(_i % STATES);
	uint64_t now = states[state].at;

	states[state].come();
	s.proxy->cache.conf.size = 0;
	stand_respond(&s, f, (size_t)_i / STATES == 0 ?
	    "ACK 2.05 ETag=02 Observe=20 payload=\"2\"" :
	    "ACK 4.04 Max-Age=9", now);
	stand_pass(&s, now + 300 * S);
	stand_acks(&s, now + 300 * S);
	ck_assert_uint_eq(s.replies, state == OBSERVE_ASKING);
	nothing_left();
	ck_assert_uint_eq(s.unobserved, state != OBSERVE_ASKING);
}
END_TEST

Suite *
observation_suite(void)
{
	Suite *suite = suite_create("observation");
	TCase *tc = tcase_create("observation");

	tcase_add_checked_fixture(tc, setup, teardown);
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
	tcase_add_loop_test(tc, other_format, 0, 5);
	tcase_add_loop_test(tc, order, 0, 11);
	tcase_add_loop_test(tc, order_of_answers, 0, 5);
	tcase_add_test(tc, order_anew);
	tcase_add_loop_test(tc, fails, 0, 5 * STATES);
	tcase_add_loop_test(tc, send_fails, 0, 2);
	tcase_add_test(tc, first_not_sent);
	tcase_add_test(tc, busy);
	tcase_add_test(tc, displaced);
	tcase_add_loop_test(tc, ends_while_waiting, 0, 36);
	tcase_add_loop_test(tc, gathered, 0, STATES);
	tcase_add_loop_test(tc, not_gathered, 0, 5 * STATES);
	tcase_add_loop_test(tc, gathers_anew, 0, 2);
	tcase_add_loop_test(tc, changed_while_gathering, 0, 2);
	tcase_add_loop_test(tc, ends_while_gathering, 0, 8 * STATES);
	tcase_add_loop_test(tc, refused_while_gathering, 0, 3);
	tcase_add_loop_test(tc, displaces_gather, 0, 2);
	tcase_add_loop_test(tc, too_large_body, 0, STATES);
	tcase_add_loop_test(tc, drains, 0, STATES);
	tcase_add_loop_test(tc, drains_many, 0, 2);
	tcase_add_test(tc, drains_over);
	tcase_add_loop_test(tc, no_memory, 0, 5 * STATES);
	tcase_add_loop_test(tc, cache_full, 0, 2 * STATES);
	suite_add_tcase(suite, tc);
	return suite;
}
