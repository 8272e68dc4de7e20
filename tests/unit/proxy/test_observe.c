/* Who observes, and what observers are told (proxy/observe.c, observers.c);
 * what becomes of the registration is in test_observation.c. */
#include "proxy/observe.h"

#include <limits.h>
#include <stdio.h>

#include "fixture.h"
#include "proxy/core.h"
#include "proxy/observation.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 2000, S = 1000, PER_CLIENT = 2, CROWD = 8 * PER_CLIENT };

#define FIRST "ACK 2.05 ETag=01 Observe=10 Max-Age=5 payload=\"1\""
#define SECOND "CON 2.05 ETag=02 Observe=11 Max-Age=5 payload=\"2\""

static struct stand s;
static struct rule rule;
static struct fetch *f;		/* the registration */

static void
init(void)
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
	s.conf.observe = (struct observe_conf){ WATCHERS, PER_CLIENT, 5 * S };
}

static void
setup(void)
{
	init();
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

/* "a" observes F. */
static void
open_one(void)
{
	stand_ask(&s, "CON GET token=\"a\" Observe=0", NOW);
	f = s.sent;
	ck_assert(stand_answer(&s, FIRST, NOW));
	ck_assert_ptr_nonnull(stand_watcher(&s, "a"));
	s.sends = s.replies = 0;
}

/* TOKEN, of client ID, registers; what it gets. */
static const char *
joins(uint64_t id, const char *token, const char *opts, uint64_t now)
{
	char text[128];

	snprintf(text, sizeof(text), "CON GET token=\"%s\" Observe=0%s%s",
	    token, opts[0] != '\0' ? " " : "", opts);
	s.client_id = id;
	s.reply[0] = '\0';
	stand_ask(&s, text, now);
	s.client_id = 0;
	return s.reply;
}

/* ---- who may ---- */

/* OBS-01, OBS-02, OBS-62: what goes up as a registration. */
START_TEST(wanted)
{
	static const struct {
		const char *request;
		bool registers;
	} rows[] = {
		{ "CON GET Observe=0", true },
		{ "NON GET Observe=0", true },
		{ "CON FETCH Observe=0 Content-Format=60 payload=\"q\"",
			true },
		{ "CON GET Observe=0 Block2=0/0/64", true },
		{ "CON GET Observe=0 No-Response=8", true },
		{ "CON GET Observe=0 No-Response=2", false },
		{ "CON GET Observe=0 Block2=1/0/64", false },
		{ "CON GET Observe=1", false },
		{ "CON GET Observe=2", false },
		{ "CON GET", false },
		/* The route does not want it. */
		{ "CON GET Observe=0", false },
	};

	rule.observe = _i < 10;
	stand_ask(&s, rows[_i].request, NOW);
	ck_assert_str_eq(s.reply, "");
	ck_assert_ptr_nonnull(s.sent);
	ck_assert_int_eq(s.sent->registers, rows[_i].registers);
	ck_assert_int_eq(strstr(s.request, "Observe=0") != NULL,
	    rows[_i].registers);
	ck_assert_uint_eq(proxy_observations(s.proxy), rows[_i].registers);
	ck_assert(rows[_i].registers == (s.sent->obs != NULL));
}
END_TEST

/* OBS-32: with no room at all nobody asks for it. */
START_TEST(nobody_may)
{
	proxy_free(s.proxy);
	s.conf.observe.max_observers = 0;
	stand_start(&s);
	stand_ask(&s, "CON GET Observe=0", NOW);
	ck_assert_str_eq(s.request, "CON GET Hop-Limit=16");
	ck_assert_uint_eq(stats()->observers_refused, 0);
}
END_TEST

/* OBS-08, OBS-32: no room when the answer is there: it is a plain one. */
START_TEST(no_room)
{
	s.room = 0;
	stand_ask(&s, "CON GET token=\"a\" Observe=0", NOW);
	ck_assert(stand_answer(&s, FIRST, NOW));
	ck_assert_str_eq(s.reply, "2.05 ETag=01 Max-Age=5 payload=1");
	ck_assert_uint_eq(stats()->observers_refused, 1);
	ck_assert_uint_eq(proxy_observers(s.proxy), 0);
	stand_pass(&s, NOW + 5 * S);
	ck_assert_uint_eq(proxy_observations(s.proxy), 0);
}
END_TEST

/* OBS-32: max-observers: who comes after is answered plainly, until somebody
 * goes. */
START_TEST(max_observers)
{
	proxy_free(s.proxy);
	s.conf.observe.max_observers = 2;
	stand_start(&s);
	open_one();
	ck_assert_ptr_nonnull(strstr(joins(1, "b", "", NOW), "Observe="));
	ck_assert_str_eq(joins(2, "c", "", NOW),
	    "2.05 ETag=01 Max-Age=5 payload=1");
	/* Nor is anything begun. */
	joins(2, "c", "Uri-Path=\"x\"", NOW);
	ck_assert_str_eq(s.request, "CON GET Uri-Path=\"x\" Hop-Limit=16");
	stand_answer(&s, "ACK 2.05", NOW);
	ck_assert_uint_eq(stats()->observers_refused, 2);
	/* Who has a place keeps it. */
	ck_assert_ptr_nonnull(strstr(joins(0, "a", "", NOW), "Observe="));
	stand_refuse(&s, stand_watcher(&s, "a"), NOW);
	ck_assert_ptr_nonnull(strstr(joins(2, "c", "", NOW), "Observe="));
	ck_assert_uint_eq(proxy_observers(s.proxy), 2);
}
END_TEST

/* As many observations as half of the requests there may be; who comes then
 * asks plainly. */
START_TEST(max_observations)
{
	char opts[32], token[8];
	unsigned i;

	for (i = 0; i < 5; i++) {
		snprintf(opts, sizeof(opts), "Uri-Path=\"%u\"", i);
		snprintf(token, sizeof(token), "%u", i);
		joins(i, token, opts, NOW);
		ck_assert_ptr_nonnull(strstr(s.request, "Observe=0"));
		stand_answer(&s, FIRST, NOW);
	}
	joins(9, "x", "Uri-Path=\"x\"", NOW);
	ck_assert_str_eq(s.request, "CON GET Uri-Path=\"x\" Hop-Limit=16");
	stand_answer(&s, "ACK 2.05 Max-Age=5", NOW);
	ck_assert_uint_eq(proxy_observations(s.proxy), 5);
	ck_assert_uint_eq(stats()->observers_refused, 1);
	/* OSCORE: the same without a pool. */
	joins(9, "x", "OSCORE=09", NOW);
	ck_assert_str_eq(s.request, "CON GET OSCORE=09 Hop-Limit=16");
	stand_answer(&s, "ACK 2.05 OSCORE=", NOW);
}
END_TEST

/* From here on the address of s.client is to be proved, and it is that. */
static void
prove(void)
{
	char text[128];

	s.note = NOTE_NONE;
	s.access.amplification = AMPLIFICATION_ECHO;
	stand_ask(&s, "CON GET token=\"e\" Observe=0", NOW);
	ck_assert_int_eq(strncmp(s.reply, "4.01 ", 5), 0);
	snprintf(text, sizeof(text), "CON GET token=\"e\" %s",
	    strstr(s.reply, "Echo="));
	s.sent = NULL;
	stand_ask(&s, text, NOW);
	if (s.sent != NULL)
		stand_answer(&s, "ACK 4.04 Max-Age=0", NOW);
}

/* ATK-12: a stranger does not observe: it proves its address first, or gets a
 * plain answer. */
START_TEST(stranger)
{
	s.access.amplification = _i == 0 ? AMPLIFICATION_ECHO :
	    AMPLIFICATION_BLOCKS;
	stand_ask(&s, "CON GET token=\"a\" Observe=0", NOW);
	if (_i == 0) {
		ck_assert_int_eq(strncmp(s.reply, "4.01 ", 5), 0);
		ck_assert_uint_eq(s.sends, 0);
	} else {
		ck_assert_str_eq(s.request, "CON GET Hop-Limit=16");
	}
	ck_assert_uint_eq(proxy_observations(s.proxy), 0);
}
END_TEST

/* ATK-13: eight clients' worth of one address; who leaves makes room, and who
 * registers once more takes none. */
START_TEST(crowded)
{
	char token[8];

	prove();
	open_one();
	for (unsigned i = 1; i < CROWD; i++) {
		snprintf(token, sizeof(token), "%u", i);
		ck_assert_ptr_nonnull(strstr(joins(i, token, "", NOW),
		    "Observe="));
	}
	ck_assert_ptr_null(strstr(joins(99, "x", "", NOW), "Observe="));
	ck_assert_ptr_nonnull(strstr(joins(1, "1", "", NOW), "Observe="));
	ck_assert_ptr_null(strstr(joins(99, "x", "", NOW), "Observe="));
	ck_assert_uint_eq(stats()->observers_refused, 2);
	/* There is no place in the front: that in the crowd is free again. */
	stand_refuse(&s, stand_watcher(&s, "a"), NOW);
	s.room = 0;
	ck_assert_ptr_null(strstr(joins(99, "x", "", NOW), "Observe="));
	s.room = WATCHERS;
	ck_assert_ptr_nonnull(strstr(joins(99, "x", "", NOW), "Observe="));
	ck_assert_ptr_null(strstr(joins(98, "y", "", NOW), "Observe="));
	/* Another address; and who need not fear it. */
	s.client = address("192.0.2.102", 1);
	prove();
	ck_assert_ptr_nonnull(strstr(joins(98, "y", "", NOW), "Observe="));
	s.client = address("192.0.2.101", 1);
	s.access.amplification = AMPLIFICATION_OFF;
	ck_assert_ptr_nonnull(strstr(joins(97, "z", "", NOW), "Observe="));
	ck_assert_uint_eq(proxy_observers(s.proxy), CROWD + 2);
	ck_assert_uint_eq(s.proxy->crowds.table.count, 2);
	proxy_drain(s.proxy);
	stand_pass(&s, NOW + S);
	ck_assert_uint_eq(s.proxy->crowds.table.count, 0);
	ck_assert_uint_eq(proxy_observers(s.proxy), 0);
}
END_TEST

/* ---- coming and going ---- */

/* OBS-09: Observe 1 ends the entry of its token, and is answered plainly. */
START_TEST(cancelled)
{
	open_one();
	stand_ask(&s, "CON GET token=\"b\" Observe=1", NOW);
	ck_assert_uint_eq(s.unobserved, 0);
	stand_ask(&s, "CON GET token=\"a\" Observe=1", NOW);
	ck_assert_uint_eq(s.unobserved, 1);
	ck_assert_uint_eq(proxy_observers(s.proxy), 0);
	ck_assert_str_eq(s.reply, "2.05 ETag=01 Max-Age=5 payload=1");
	ck_assert_uint_eq(s.replies, 2);
	ck_assert_uint_eq(s.sends, 0);
}
END_TEST

/* OBS-09: taken back while the first answer is under way: a plain answer. */
START_TEST(withdrawn)
{
	stand_ask(&s, "CON GET token=\"a\" Observe=0", NOW);
	f = s.sent;
	joins(1, "b", "", NOW);
	stand_ask(&s, "CON GET token=\"a\" Observe=1", NOW);
	ck_assert(stand_respond(&s, f, FIRST, NOW));
	ck_assert_ptr_null(stand_watcher(&s, "a"));
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
	ck_assert_uint_eq(s.replies, 3);
}
END_TEST

/* OBS-05, OBS-06: the token stands for what was asked for last. */
START_TEST(namesake)
{
	struct observation *o;

	open_one();
	o = f->obs;
	joins(0, "a", "", NOW + 1);
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
	ck_assert_uint_eq(s.unobserved, 0);
	/* Something else: gone at once, whatever comes of that. */
	joins(0, "a", "Uri-Path=\"x\"", NOW + 2);
	ck_assert_uint_eq(s.unobserved, 1);
	ck_assert_uint_eq(o->n, 0);
	stand_answer(&s, FIRST, NOW + 3);
	ck_assert_ptr_ne(stand_watcher(&s, "a")->o.of, o);
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
	/* Nobody is left there. */
	stand_pass(&s, NOW + 2 + 5 * S);
	ck_assert_uint_eq(proxy_observations(s.proxy), 1);
}
END_TEST

/* OBS-06: what was asked for before, and is answered later, does not get the
 * token. */
START_TEST(overtaken)
{
	struct fetch *x;

	joins(0, "a", "Uri-Path=\"x\"", NOW);
	x = s.sent;
	joins(0, "a", "Uri-Path=\"y\"", NOW);
	ck_assert(stand_answer(&s, FIRST, NOW));
	ck_assert_ptr_nonnull(strstr(s.reply, "Observe="));
	ck_assert(stand_respond(&s, x, FIRST, NOW + 1));
	ck_assert_ptr_null(strstr(s.reply, "Observe="));
	ck_assert_ptr_ne(stand_watcher(&s, "a")->o.of, x->obs);
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
}
END_TEST

/* RFC 8613 4.1.3.5: what comes by OSCORE takes the token once the origin has
 * agreed; the entry goes from one observation to the other, and so does its
 * place in the crowd. What it had is over by then (_i = 1). */
START_TEST(protected_namesake)
{
	struct fetch *x;

	prove();
	open_one();
	joins(0, "a", "OSCORE=09", NOW + 1);
	x = s.sent;
	ck_assert_uint_eq(s.unobserved, 0);
	if (_i == 1) {
		stand_respond(&s, f, "CON 4.04", NOW + 1);
		ck_assert(stand_watcher(&s, "a")->last);
	}
	ck_assert(stand_respond(&s, x, "ACK 2.05 Observe=1 OSCORE= "
	    "payload=\"x\"", NOW + 2));
	ck_assert_ptr_eq(stand_watcher(&s, "a")->o.of, x->obs);
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
	ck_assert_uint_eq(stand_watcher(&s, "a")->o.crowd->n, 1);
	stand_pass(&s, NOW + 10 * S);
	ck_assert_uint_eq(proxy_observations(s.proxy), 1);
	/* Nobody but it: ended at once, without a word. */
	s.renewals = 0;
	stand_refuse(&s, stand_watcher(&s, "a"), NOW + 10 * S);
	stand_pass(&s, NOW + 10 * S + 1);
	ck_assert_uint_eq(proxy_observations(s.proxy), 0);
	ck_assert_uint_eq(s.renewals, 0);
}
END_TEST

/* A registration whose answer could not be told does not stay. */
START_TEST(not_told)
{
	stand_ask(&s, "CON GET token=\"a\" Observe=0", NOW);
	s.no_memory = true;
	ck_assert(stand_answer(&s, FIRST, NOW));
	s.no_memory = false;
	ck_assert_uint_eq(proxy_observers(s.proxy), 0);
	ck_assert_uint_eq(proxy_observations(s.proxy), 0);
	ck_assert_uint_eq(s.replies, 1);
}
END_TEST

/* Who cannot be kept waiting gets 5.03. */
START_TEST(join_without_memory)
{
	stand_ask(&s, "CON GET token=\"a\" Observe=0 Uri-Path=200x\"a\" "
	    "Uri-Path=200x\"b\"", NOW);
	s.no_memory = true;
	joins(1, "b", "Uri-Path=200x\"a\" Uri-Path=200x\"b\"", NOW);
	s.no_memory = false;
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	ck_assert_uint_eq(s.sends, 1);
	stand_answer(&s, FIRST, NOW);
	ck_assert_uint_eq(proxy_observers(s.proxy), 1);
}
END_TEST

/* A registration that cannot be pooled for want of memory is its client's
 * alone. */
START_TEST(pool_without_memory)
{
	s.no_memory = true;
	s.memory = (unsigned)_i;
	stand_ask(&s, "CON GET token=\"a\" Observe=0 Uri-Path=200x\"a\" "
	    "Uri-Path=200x\"b\" Uri-Path=200x\"c\"", NOW);
	s.no_memory = false;
	if (s.sent != NULL)
		stand_answer(&s, FIRST, NOW);
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
	ck_assert_uint_eq(proxy_observers(s.proxy),
	    proxy_observations(s.proxy));
}
END_TEST

/* ---- joining ---- */

/* OBS-46, OBS-48: who comes while it is fresh is answered at once; when it is
 * stale, it is renewed, and both wait for that. */
START_TEST(joined)
{
	open_one();
	joins(1, "b", "", NOW + 2 * S);
	ck_assert_ptr_nonnull(strstr(s.reply, "Max-Age=3"));
	ck_assert_uint_eq(s.sends + s.renewals, 0);
	joins(2, "c", "", NOW + 6 * S);
	ck_assert_str_eq(s.reply, "");
	ck_assert_uint_eq(s.renewals, 1);
	joins(3, "d", "", NOW + 6 * S);
	ck_assert_uint_eq(s.renewals, 1);
	stand_ask(&s, "CON GET token=\"e\"", NOW + 6 * S);
	ck_assert_uint_eq(s.sends, 0);
	ck_assert_uint_eq(stats()->joined, 3);
	s.replies = 0;
	ck_assert(stand_answer(&s, "ACK 2.03 ETag=01 Observe=11 Max-Age=5",
	    NOW + 7 * S));
	ck_assert_uint_eq(s.replies, 3);
	ck_assert_uint_eq(proxy_observers(s.proxy), 4);
	/* OBS-16: a and b are told; being answered was telling the others. */
	ck_assert_uint_eq(s.notices, 2);
	ck_assert_uint_eq(stats()->notified, 2);
}
END_TEST

/* CAC-42, OBS-48: what was asked for before a change is too old for who comes
 * after it: that is asked for once more. */
START_TEST(changed_meanwhile)
{
	open_one();
	joins(1, "b", "", NOW + 6 * S);
	ck_assert_uint_eq(s.renewals, 1);
	stand_ask(&s, "CON PUT token=\"p\" payload=\"3\"", NOW + 6 * S);
	joins(2, "c", "", NOW + 6 * S);
	ck_assert_uint_eq(s.renewals, 1);
	s.replies = 0;
	ck_assert(stand_respond(&s, f, "ACK 2.05 ETag=02 Observe=11",
	    NOW + 7 * S));
	/* "b" has its answer, "c" has not. */
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_uint_eq(s.renewals, 2);
	ck_assert_int_eq(f->obs->state, OBSERVE_RENEWING);
	ck_assert(stand_respond(&s, f, "ACK 2.05 ETag=03 Observe=12",
	    NOW + 8 * S));
	ck_assert_uint_eq(s.replies, 2);
	ck_assert_ptr_nonnull(strstr(s.reply, "ETag=03 Observe="));
	ck_assert_uint_eq(proxy_observers(s.proxy), 3);
}
END_TEST

/* OBS-65: later blocks of what an observer was told the first one of, for a
 * while; then of what there is now. */
START_TEST(later_blocks)
{
	static const char block[] =
	    "CON GET token=\"q\" Block2=1/0/64";

	stand_ask(&s, "CON GET token=\"a\" Observe=0 Block2=0/0/64", NOW);
	f = s.sent;
	ck_assert(stand_answer(&s,
	    "ACK 2.05 ETag=01 Observe=1 Max-Age=30 payload=100x\"1\"", NOW));
	ck_assert_ptr_nonnull(strstr(s.reply, "Block2=0/1/64"));
	s.held = true;
	ck_assert(stand_respond(&s, f,
	    "CON 2.05 ETag=02 Observe=2 Max-Age=90 payload=101x\"2\"",
	    NOW + S));
	s.sends = 0;
	stand_ask(&s, block, NOW + 2 * S);
	ck_assert_str_eq(s.reply,
	    "2.05 ETag=01 Max-Age=28 Block2=1/0/64 payload=36");
	stand_tell(&s, NOW + 3 * S);
	ck_assert_str_eq(stand_watcher(&s, "a")->payload + 60, "222");
	stand_ask(&s, block, NOW + 4 * S);
	ck_assert_str_eq(s.reply,
	    "2.05 ETag=02 Max-Age=87 Block2=1/0/64 payload=37");
	/* Not for ever. */
	ck_assert(stand_respond(&s, f,
	    "CON 2.05 ETag=03 Observe=3 Max-Age=90 payload=102x\"3\"",
	    NOW + 5 * S));
	stand_ask(&s, block, NOW + 64 * S);
	ck_assert_ptr_nonnull(strstr(s.reply, "ETag=02"));
	stand_ask(&s, block, NOW + 66 * S);
	ck_assert_ptr_nonnull(strstr(s.reply, "ETag=03"));
	/* Who does not observe has what there is. */
	s.client_id = 1;
	stand_ask(&s, block, NOW + 66 * S);
	s.client_id = 0;
	ck_assert_ptr_nonnull(strstr(s.reply, "ETag=03"));
	ck_assert_uint_eq(s.sends, 0);
}
END_TEST

/* So many old ones are kept, the one that ends first goes. */
START_TEST(many_old)
{
	char text[80];

	stand_ask(&s, "CON GET token=\"a\" Observe=0 Block2=0/0/16", NOW);
	f = s.sent;
	for (unsigned i = 1; i <= 9; i++) {
		snprintf(text, sizeof(text), "%s 2.05 ETag=0%u Observe=%u "
		    "payload=%ux\"x\"", i == 1 ? "ACK" : "CON", i, i, 40 + i);
		ck_assert(stand_respond(&s, f, text, NOW + i));
	}
	for (size_t i = 0; i < OBSERVE_OLD; i++)
		ck_assert_ptr_nonnull(f->obs->old[i].entry);
	ck_assert_uint_eq(s.notices, 8);
}
END_TEST

/* ---- telling ---- */

/* More than are looked at in a turn; a newer state in the middle of a round
 * starts the next one, and nobody is told twice of one state. */
START_TEST(many)
{
	unsigned once = 0, twice = 0;
	char token[8];

	s.note = NOTE_EXEMPT;
	open_one();
	for (unsigned i = 1; i < WATCHERS; i++) {
		snprintf(token, sizeof(token), "%u", i);
		joins(i, token, "", NOW);
	}
	ck_assert_uint_eq(proxy_observers(s.proxy), WATCHERS);
	ck_assert(stand_respond(&s, f, SECOND, NOW + 1));
	once = s.notices;
	ck_assert_uint_gt(once, 0);
	ck_assert_uint_lt(once, WATCHERS);
	if (_i == 0) {
		stand_pass(&s, NOW + 1);
		ck_assert_uint_eq(s.notices, WATCHERS);
		ck_assert_uint_eq(timers_next(&s.timers) < NOW + 2, false);
		return;
	}
	if (_i == 2) {
		/* Half of them go meanwhile. */
		for (size_t i = 0; i < WATCHERS; i += 2)
			stand_refuse(&s, &s.watchers[i], NOW + 1);
	}
	ck_assert(stand_respond(&s, f,
	    "CON 2.05 ETag=03 Observe=12 payload=\"3\"", NOW + 1));
	stand_pass(&s, NOW + 1);
	for (size_t i = 0; i < WATCHERS; i++) {
		if (!s.watchers[i].used)
			continue;
		ck_assert_str_eq(s.watchers[i].payload, "3");
		ck_assert_uint_le(s.watchers[i].told, 2);
		twice += s.watchers[i].told == 2;
	}
	if (_i == 1)
		ck_assert_uint_eq(twice, once);
}
END_TEST

/* The last of many, in several turns, and the proxy ends in the middle. */
START_TEST(many_end)
{
	char token[8];

	s.note = NOTE_EXEMPT;
	open_one();
	for (unsigned i = 1; i < WATCHERS; i++) {
		snprintf(token, sizeof(token), "%u", i);
		joins(i, token, "", NOW);
	}
	if (_i == 0) {
		proxy_drain(s.proxy);
		ck_assert_uint_gt(proxy_observers(s.proxy), 0);
		stand_pass(&s, NOW);
		ck_assert_uint_eq(proxy_observers(s.proxy), 0);
		ck_assert_uint_eq(proxy_observations(s.proxy), 0);
		ck_assert_uint_eq(s.notices, WATCHERS);
		return;
	}
	stand_respond(&s, f, "CON 4.04", NOW);
	ck_assert_uint_lt(s.notices, WATCHERS);
	if (_i == 1)
		return;
	stand_acks(&s, NOW);
	ck_assert_uint_gt(proxy_observers(s.proxy), 0);
	stand_pass(&s, NOW);
	stand_acks(&s, NOW);
	ck_assert_uint_eq(proxy_observers(s.proxy), 0);
	ck_assert_uint_eq(proxy_observations(s.proxy), 0);
}
END_TEST

/* OBS-63: each gets the blocks it has asked for; one is written for all who
 * want the same. */
START_TEST(block_sizes)
{
	open_one();
	joins(1, "b", "Block2=0/0/64", NOW);
	joins(2, "c", "Block2=0/0/16", NOW);
	ck_assert(stand_respond(&s, f,
	    "CON 2.05 Observe=11 payload=80x\"2\"", NOW + 1));
	ck_assert_ptr_nonnull(strstr(stand_watcher(&s, "a")->notice,
	    " payload=80"));
	ck_assert_ptr_null(strstr(stand_watcher(&s, "a")->notice, "ETag"));
	s.client_id = 1;
	ck_assert_ptr_nonnull(strstr(stand_watcher(&s, "b")->notice,
	    "Block2=0/1/64 payload=64"));
	ck_assert_ptr_nonnull(strstr(stand_watcher(&s, "b")->notice, "ETag="));
	s.client_id = 2;
	ck_assert_ptr_nonnull(strstr(stand_watcher(&s, "c")->notice,
	    "Block2=0/1/16 payload=16"));
	s.client_id = 0;
}
END_TEST

/* OBS-12: a 2.03 has made more options of it than can be passed on: who
 * observes is told so, and it is the last. */
START_TEST(too_long_to_tell)
{
	stand_ask(&s, "CON GET token=\"a\" Observe=0", NOW);
	f = s.sent;
	ck_assert(stand_answer(&s, "ACK 2.05 ETag=01 Observe=1 "
	    "opt65000=1200x\"x\" payload=\"1\"", NOW));
	ck_assert(stand_respond(&s, f, "CON 2.03 ETag=01 Observe=2 "
	    "opt65032=1200x\"y\"", NOW + 1));
	ck_assert_str_eq(stand_watcher(&s, "a")->notice, "5.02");
	ck_assert(stand_watcher(&s, "a")->last);
	stand_acks(&s, NOW + 2);
	ck_assert_uint_eq(proxy_observers(s.proxy), 0);
}
END_TEST

/* OBS-24: a copy has the number that is current, be it that of another's
 * registration. */
START_TEST(copies)
{
	struct notice n;
	char number[32];

	open_one();
	ck_assert(stand_respond(&s, f, SECOND, NOW + 1));
	snprintf(number, sizeof(number), "Observe=%u ", f->obs->seq);
	ck_assert_ptr_nonnull(strstr(stand_watcher(&s, "a")->notice, number));
	joins(1, "b", "", NOW + 1);
	observer_notice(&stand_watcher(&s, "a")->o, &n, NOW + 1);
	snprintf(number, sizeof(number), "Observe=%u ", f->obs->seq);
	ck_assert_ptr_null(strstr(stand_watcher(&s, "a")->notice, number));
	ck_assert_ptr_nonnull(strstr(dump(n.code, n.opts, n.payload), number));
	ck_assert(!n.newer);
	observer_notice(&stand_watcher(&s, "a")->o, &n, NOW + 2001);
	ck_assert_ptr_nonnull(strstr(dump(n.code, n.opts, n.payload),
	    "Max-Age=3"));
}
END_TEST

/* OBS-17: each state and each registration has a greater number, also in one
 * millisecond, and across observations. */
START_TEST(numbers)
{
	uint32_t last, seq;

	open_one();
	last = f->obs->seq;
	for (unsigned i = 0; i < 5; i++) {
		joins(1 + i, "b", "", NOW);
		seq = f->obs->seq;
		ck_assert_uint_gt(seq, last);
		last = seq;
	}
	joins(0, "x", "Uri-Path=\"x\"", NOW);
	stand_answer(&s, FIRST, NOW);
	ck_assert_uint_gt(stand_watcher(&s, "x")->o.of->seq, last);
	last = stand_watcher(&s, "x")->o.of->seq;
	ck_assert(stand_respond(&s, f, SECOND, NOW + 100));
	ck_assert_uint_eq(f->obs->seq, NOW + 100);
	ck_assert_uint_gt(f->obs->seq, last);
}
END_TEST

Suite *
observe_suite(void)
{
	Suite *suite = suite_create("observe");
	TCase *tc = tcase_create("observe");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, wanted, 0, 11);
	tcase_add_test(tc, nobody_may);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, max_observers);
	tcase_add_test(tc, max_observations);
	tcase_add_loop_test(tc, stranger, 0, 2);
	tcase_add_test(tc, crowded);
	tcase_add_test(tc, cancelled);
	tcase_add_test(tc, withdrawn);
	tcase_add_test(tc, namesake);
	tcase_add_test(tc, overtaken);
	tcase_add_loop_test(tc, protected_namesake, 0, 2);
	tcase_add_test(tc, not_told);
	tcase_add_test(tc, join_without_memory);
	tcase_add_loop_test(tc, pool_without_memory, 0, 6);
	tcase_add_test(tc, joined);
	tcase_add_test(tc, changed_meanwhile);
	tcase_add_test(tc, later_blocks);
	tcase_add_test(tc, many_old);
	tcase_add_loop_test(tc, many, 0, 3);
	tcase_add_loop_test(tc, many_end, 0, 3);
	tcase_add_test(tc, block_sizes);
	tcase_add_test(tc, too_long_to_tell);
	tcase_add_test(tc, copies);
	tcase_add_test(tc, numbers);
	suite_add_tcase(suite, tc);
	return suite;
}
