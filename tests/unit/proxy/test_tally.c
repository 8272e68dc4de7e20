#include "proxy/tally.h"

#include <limits.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static const char *const both[] = { "public", "inside" };
static struct rule rule[3];
static struct rules rules = { rule, 3 };
static struct forward_conf forward;
static struct tally_names names;
static struct tallies t;

static bool
map(const struct tally_names *to)
{
	struct tally_map m;

	if (!tallies_prepare(&t, to, &m))
		return false;
	tallies_use(&t, &m);
	return true;
}

static void
setup(void)
{
	memset(rule, 0, sizeof(rule));
	rules.n = 3;
	rule[0] = (struct rule){ .name = "a", .to = target("o.example", 5690) };
	rule[1] = (struct rule){ .name = "b", .origin = "pool",
		.to = target("192.0.2.9", 5683) };
	rule[2] = (struct rule){ .name = "c", .action = RULE_REPLY };
	forward = (struct forward_conf){ .routes = false };
	names = (struct tally_names){ both, 2, &rules, &forward };
	tallies_init(&t);
	ck_assert(map(&names));
}

static void
teardown(void)
{
	tallies_fini(&t);
	fixture_free();
}

/* A pair has one tally, with its names, from the first use on. */
START_TEST(pairs)
{
	struct tally *c = tally_get(&t, 1, tally_slot(&t, &rule[1]));

	ck_assert_str_eq(c->listener, "inside");
	ck_assert_str_eq(c->route, "b");
	ck_assert_ptr_eq(tally_get(&t, 1, TALLY_RULES + 1), c);
	ck_assert_ptr_ne(tally_get(&t, 0, TALLY_RULES + 1), c);
	ck_assert_str_eq(tally_get(&t, 0, TALLY_NONE)->route, "[none]");
	ck_assert_str_eq(tally_get(&t, 0, TALLY_OWN)->route, "[proxy]");
	ck_assert_str_eq(tally_get(&t, 0, TALLY_FORWARD)->route, "[forward]");
}
END_TEST

/* Codes and methods that nobody knows have a place, too. */
START_TEST(codes)
{
	struct tally *c = tally_get(&t, 0, TALLY_OWN);

	tally_method(c, COAP_GET);
	tally_method(c, 31);
	tally_code(c, COAP_205);
	tally_code(c, 0xbf);
	tally_code(c, 0xff);
	ck_assert_uint_eq(c->methods[COAP_GET], 1);
	ck_assert_uint_eq(c->methods[0], 1);
	ck_assert_uint_eq(c->codes[5], 1);
	ck_assert_uint_eq(tally_under_way(c), 2);
	histo_add(&c->times, 5);
	ck_assert_uint_eq(tally_under_way(c), 1);
}
END_TEST

/* Rules with the same target are one origin, called as it is called. */
START_TEST(origins)
{
	ck_assert_str_eq(tally_origin(&t, &rule[0])->name, "o.example:5690");
	ck_assert_str_eq(tally_origin(&t, &rule[1])->name, "pool");
	ck_assert_str_eq(tally_origin(&t, NULL)->name, "[forward]");
	ck_assert(tally_origin(&t, NULL)->guests);
	rule[0].origin = "pool";
	ck_assert(map(&names));
	ck_assert_ptr_eq(tally_origin(&t, &rule[0]),
	    tally_origin(&t, &rule[1]));
}
END_TEST

/* So many addresses of an origin are told apart; of what clients choose,
 * none. */
START_TEST(servers)
{
	struct tally_origin *o = tally_origin(&t, &rule[0]);
	struct addr a = address("192.0.2.1", 5683);

	for (unsigned i = 0; i <= TALLY_SERVERS; i++) {
		a.port = (uint16_t)(5683 + i);
		tally_sent(o, &a);
		tally_sent(o, &a);
		tally_sent(tally_origin(&t, NULL), &a);
	}
	ck_assert_uint_eq(o->nservers, TALLY_SERVERS);
	ck_assert_uint_eq(o->server[3].requests, 2);
	ck_assert_uint_eq(o->others, 2);
	ck_assert_uint_eq(tally_origin(&t, NULL)->nservers, 0);
	ck_assert_uint_eq(tally_origin(&t, NULL)->others, TALLY_SERVERS + 1);
	tally_heard(o, COAP_404, 3);
	tally_heard(o, COAP_205, UINT64_MAX);
	ck_assert_uint_eq(o->classes[2], 1);
	ck_assert_uint_eq(o->classes[0], 1);
	ck_assert_uint_eq(histo_count(&o->times), 1);
}
END_TEST

static size_t
length(const struct list *l)
{
	struct list *it, *tmp;
	size_t n = 0;

	LIST_FOREACH_SAFE (it, tmp, l)
		n++;
	return n;
}

/* Whose names stay goes on; what is under way keeps the others a while. */
START_TEST(other_rules)
{
	struct tally *a = tally_get(&t, 1, TALLY_RULES);
	struct tally *b = tally_get(&t, 1, TALLY_RULES + 1);
	struct tally *c = tally_get(&t, 1, TALLY_RULES + 2);
	struct tally_names fewer = names;

	tally_method(a, COAP_GET);
	histo_add(&a->times, 1);
	tally_method(b, COAP_GET);
	t.rate_limited[1] = 7;
	/* "c" comes first now, of one listener; the others have gone. */
	rule[0] = rule[2];
	rules.n = 1;
	fewer.listeners = both + 1;
	fewer.nlisteners = 1;
	ck_assert(map(&fewer));
	tallies_sweep(&t);
	ck_assert_ptr_eq(tally_get(&t, 0, TALLY_RULES), c);
	ck_assert_uint_eq(t.rate_limited[0], 7);
	ck_assert_uint_eq(length(&t.all), 2);
	ck_assert_uint_eq(length(&t.origins), 1);
	histo_add(&b->times, 1);
	tallies_sweep(&t);
	ck_assert_uint_eq(length(&t.all), 1);
}
END_TEST

/* What began under the rules before counts with the origin of then, as long as
 * that is known; what goes on under others counts there. */
START_TEST(rules_of_before)
{
	struct rule rule_then[3];
	const struct rules then = { rule_then, 3 };
	struct tally_names past = names;
	struct tally_origin *pool = tally_origin(&t, &rule[1]);
	struct tally *b = tally_get(&t, 1, tally_slot(&t, &rule[1])), *to;

	memcpy(rule_then, rule, sizeof(rule_then));
	tally_method(b, COAP_GET);
	past.rules = &then;
	rule[0] = rule[1];
	rule[0].name = "d";
	rules.n = 1;
	ck_assert(map(&names));
	tallies_sweep(&t);
	ck_assert_ptr_eq(tally_origin_past(&t, &past, &rule_then[1]), pool);
	ck_assert_ptr_eq(tally_origin_past(&t, &past, &rule_then[0]),
	    &t.spare_origin);
	ck_assert_str_eq(tally_origin_past(&t, &past, NULL)->name,
	    "[forward]");
	to = tally_onward(&t, b, &rule[0]);
	ck_assert_str_eq(to->listener, "inside");
	ck_assert_str_eq(to->route, "d");
	ck_assert_str_eq(tally_onward(&t, b, NULL)->route, "[forward]");
	ck_assert_ptr_eq(tally_onward(&t, &t.spare, NULL), &t.spare);
}
END_TEST

/* What a route has had altogether stays when a listener goes, once for all of
 * them, until the route goes as well. */
START_TEST(listener_gone)
{
	struct tally_names fewer = names;
	struct tally *past;

	tally_method(tally_get(&t, 0, TALLY_RULES), COAP_GET);
	histo_add(&tally_get(&t, 0, TALLY_RULES)->times, 1);
	tally_get(&t, 1, TALLY_RULES);
	fewer.listeners = both + 1;
	fewer.nlisteners = 1;
	for (unsigned i = 1; i <= 2; i++) {
		ck_assert(map(&fewer));
		tallies_sweep(&t);
		ck_assert_uint_eq(length(&t.all), 2);
		past = CONTAINER_OF(t.all.next, struct tally, link);
		ck_assert(past->past);
		ck_assert_str_eq(past->route, "a");
		ck_assert_uint_eq(past->methods[COAP_GET], i);
		ck_assert_uint_eq(tally_under_way(past), 0);
		/* It comes back, begins anew and goes again. */
		ck_assert(map(&names));
		ck_assert_uint_eq(tally_get(&t, 0, TALLY_RULES)->methods[
		    COAP_GET], 0);
		tally_method(tally_get(&t, 0, TALLY_RULES), COAP_GET);
		histo_add(&tally_get(&t, 0, TALLY_RULES)->times, 1);
	}
	rules.n = 0;
	ck_assert(map(&names));
	tallies_sweep(&t);
	ck_assert(list_empty(&t.all));
}
END_TEST

/* Without memory all is as it was, and what is new counts together. */
START_TEST(no_memory)
{
	struct tally *c = tally_get(&t, 0, TALLY_OWN), *spare;
	bool done;

	for (unsigned n = 0; n < 4; n++) {
		rule[0].origin = "new";
		allocations = n;
		done = map(&names);
		allocations = UINT_MAX;
		ck_assert(!done);
		ck_assert_ptr_eq(tally_get(&t, 0, TALLY_OWN), c);
	}
	allocations = 0;
	spare = tally_get(&t, 1, TALLY_OWN);
	allocations = UINT_MAX;
	ck_assert_ptr_eq(spare, &t.spare);
	ck_assert_ptr_ne(tally_get(&t, 1, TALLY_OWN), &t.spare);
}
END_TEST

static struct stand s;

/* A request counts where it goes: when it comes, and when it ends. */
START_TEST(counted)
{
	static struct proxy_conf other;
	const struct tallies *in;
	const struct tally *c;

	stand_init(&s);
	stand_start(&s);
	in = proxy_tallies(s.proxy);
	stand_ask(&s, "CON GET "
	    "Proxy-Uri=\"coap://192.0.2.9/a\"", 2000);
	ck_assert_uint_eq(s.sends, 1);
	c = in->v[TALLY_FORWARD];
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->methods[COAP_GET], 1);
	ck_assert_uint_eq(tally_under_way(c), 1);
	stand_answer(&s, "ACK 2.05 payload=\"x\"", 2300);
	ck_assert_uint_eq(s.replies, 1);
	ck_assert_uint_eq(tally_under_way(c), 0);
	ck_assert_uint_eq(c->codes[5], 1);
	ck_assert_uint_eq(c->times.sum_ms, 300);
	/* One that is refused before there is a route. */
	stand_ask(&s, "CON 0.31", 2400);
	c = in->v[TALLY_NONE];
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->methods[0], 1);
	ck_assert_uint_eq(tally_under_way(c), 0);
	other = s.conf;
	ck_assert(proxy_prepare(s.proxy, &other));
	proxy_reload(s.proxy, &other, 2500);
	ck_assert_ptr_eq(in->v[TALLY_NONE], c);
	stand_fini(&s);
}
END_TEST

Suite *
tally_suite(void)
{
	Suite *suite = suite_create("tally");
	TCase *tc = tcase_create("tally");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, pairs);
	tcase_add_test(tc, codes);
	tcase_add_test(tc, origins);
	tcase_add_test(tc, servers);
	tcase_add_test(tc, other_rules);
	tcase_add_test(tc, rules_of_before);
	tcase_add_test(tc, listener_gone);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, counted);
	suite_add_tcase(suite, tc);
	return suite;
}
