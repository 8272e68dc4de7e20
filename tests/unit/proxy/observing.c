#include "observing.h"

#include <limits.h>

#include "unit.h"

struct stand st;
struct fetch *reg;
struct rule rule;

void
observing_setup(void)
{
	stand_init(&st);
	rule = (struct rule){
		.to = target("198.51.100.1", 5683),
		.allow_from = networks("any"),
		.timeout_ms = 90 * S,
		.cache = true,
		.observe = true,
	};
	st.rules = (struct rules){ &rule, 1 };
	st.conf.max_requests = 8;
	st.conf.cache = (struct cache_conf){ 1 << 20, 16 << 10, 86400 };
	st.conf.block.max_body = 4096;
	st.conf.observe = (struct observe_conf){ 16, 16, 5 * S };
	stand_start(&st);
	timers_run(&st.timers, NOW);
}

void
observing_teardown(void)
{
	allocations = UINT_MAX;
	stand_fini(&st);
}

const struct proxy_stats *
stats(void)
{
	return proxy_stats(st.proxy);
}

void
nothing_left(void)
{
	ck_assert_uint_eq(proxy_observers(st.proxy), 0);
	ck_assert_uint_eq(proxy_observations(st.proxy), 0);
	ck_assert_uint_eq(proxy_waiting(st.proxy), 0);
}

void
asking(void)
{
	stand_ask(&st, "CON GET token=\"a\" Observe=0", NOW);
	reg = st.sent;
	ck_assert_ptr_nonnull(reg);
	ck_assert_str_eq(st.request, "CON GET Observe=0 Hop-Limit=16");
	ck_assert_int_eq(reg->obs->state, OBSERVE_ASKING);
}

void
open_one(void)
{
	asking();
	ck_assert(stand_answer(&st, FIRST, NOW));
	ck_assert_uint_eq(st.replies, 1);
	ck_assert_int_eq(reg->obs->state, OBSERVE_OPEN);
	ck_assert_uint_eq(proxy_observers(st.proxy), 1);
	ck_assert_ptr_nonnull(stand_watcher(&st, "a"));
	reg->up_port = 7;
	st.replies = st.sends = 0;
}

void
renewing(void)
{
	open_one();
	stand_pass(&st, NOW + STALE + S);
	ck_assert_uint_eq(st.renewals, 1);
	ck_assert_str_eq(st.request, "CON GET ETag=01 Observe=0 Hop-Limit=16");
	ck_assert_int_eq(reg->obs->state, OBSERVE_RENEWING);
}

void
anew(void)
{
	renewing();
	stand_fail(&st, reg, FETCH_RESET, NOW + STALE + S);
	ck_assert_uint_eq(st.sends, 1);
	ck_assert_str_eq(st.request, "CON GET Observe=0 Hop-Limit=16");
	ck_assert_int_eq(reg->obs->state, OBSERVE_ANEW);
	/* From whatever port: the old one may have a token there. */
	ck_assert_uint_eq(reg->up_port, 0);
}

const struct state states[STATES] = {
	{ asking, NOW },
	{ open_one, NOW + 1 },
	{ renewing, NOW + STALE + S },
	{ anew, NOW + STALE + S },
};
