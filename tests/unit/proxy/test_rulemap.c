/* Tests of proxy/rulemap: what is looked up is what asking every rule in turn
 * finds. */
#include "proxy/rulemap.h"

#include <string.h>

#include "base/rand.h"
#include "coap/emit.h"
#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum {
	RULES = 40,
	HOSTS = 12,
	PATHS = 12,
	SEGMENTS = 20,		/* more than the map looks at */
};

/* A set of rules at random, and room for what they point to. */
struct set {
	struct rule rule[RULES];
	unsigned listen[RULES][2];
	struct host_pattern host[RULES][HOSTS];
	struct path path[RULES][PATHS];
	struct span segment[RULES][PATHS][SEGMENTS];
	struct rules rules;
};

static struct rand rnd;
static struct netlist lists[3];
static uint8_t long_segment[300];

static unsigned
below(unsigned n)
{
	return (unsigned)rand_below(&rnd, n);
}

static struct span
some_segment(void)
{
	static const char *const text[] = { "a", "b", "c", "A", "", "ab" };

	if (below(50) == 0)
		return span_make(long_segment, 255);
	return span_str(text[below(UNIT_COUNT(text))]);
}

/* Names that end like others, in either case. */
static struct span
some_name(void)
{
	static const char *const text[] = { "example", "a.example",
		"b.a.example", "A.Example", "other", "x.other", "a.b.c.d.e",
		"d.e", "e", "aexample", ".example", "a..example", "example.",
		"." };

	return span_str(text[below(UNIT_COUNT(text))]);
}

static struct addr
some_address(void)
{
	static const char *const text[] = { "192.0.2.1", "192.0.2.2",
		"2001:db8::1" };

	return address(text[below(UNIT_COUNT(text))], 0);
}

static void
make_rule(struct set *s, size_t i)
{
	struct rule *r = &s->rule[i];
	unsigned most = below(8) == 0 ? HOSTS : 2;

	*r = (struct rule){ .listen = s->listen[i], .host = s->host[i],
		.path = s->path[i], .strip = below(2) != 0,
		.allow_from = lists[below(2)], .deny_from = lists[2] };
	r->nlisten = below(6) == 0 ? 1 + below(2) : 0;
	for (size_t k = 0; k < r->nlisten; k++)
		s->listen[i][k] = below(3);
	r->nhost = below(2) == 0 ? 0 : 1 + below(most);
	for (size_t k = 0; k < r->nhost; k++) {
		struct host_pattern *h = &s->host[i][k];

		*h = (struct host_pattern){ .literal = below(4) == 0,
			.sub = below(2) != 0 };
		if (h->literal)
			h->addr = some_address();
		else
			h->name = below(30) == 0 ? SPAN_LIT("") : some_name();
	}
	r->npath = below(4) == 0 ? 0 : 1 + below(most);
	for (size_t k = 0; k < r->npath; k++) {
		struct path *p = &s->path[i][k];

		p->seg = s->segment[i][k];
		p->n = below(20) == 0 ? below(SEGMENTS + 1) : 1 + below(3);
		for (size_t j = 0; j < p->n; j++)
			p->seg[j] = p->n > 3 ? SPAN_LIT("a") : some_segment();
	}
	r->methods = below(3) == 0 ? 1u << (1 + below(5)) : 0;
}

/* A request at random into W; its facts into M. */
static void
make_request(struct coap_msg *m, struct writer *w, struct redirect_query *q)
{
	static struct addr client;
	struct coap_optw o = coap_optw(w);
	size_t n = below(20) == 0 ? below(SEGMENTS + 4) : below(5);

	*m = (struct coap_msg){ .code = (uint8_t)(1 + below(5)) };
	if (below(3) == 0)
		coap_put_opt(&o, COAP_OPT_ETAG, SPAN_LIT("e"));
	for (size_t i = 0; i < n; i++) {
		/* Too long to be recognised. */
		if (below(40) == 0)
			coap_put_opt(&o, COAP_OPT_URI_PATH,
			    span_make(long_segment, 256));
		coap_put_opt(&o, COAP_OPT_URI_PATH, n > 4 && below(30) > 0 ?
			SPAN_LIT("a") : some_segment());
	}
	if (below(3) == 0)
		coap_put_opt(&o, COAP_OPT_URI_QUERY, SPAN_LIT("a"));
	if (below(10) == 0)
		coap_put_opt(&o, 65000, SPAN_LIT("a"));
	ck_assert(coap_parse_opts(m, writer_span(w)));
	if (below(4) == 0)
		m->known = false;
	client = address(below(2) == 0 ? "10.0.0.1" : "192.0.2.9", 1);
	*q = (struct redirect_query){ .msg = m, .client = &client,
		.listener = below(3) };
	q->host.literal = below(4) == 0;
	if (q->host.literal)
		q->host.addr = some_address();
	else
		q->host.text = below(50) == 0 ? SPAN_LIT("") : some_name();
}

/* How often each of them came. */
static unsigned verdicts[4], stripped;

static void
compare(const struct set *s, const struct rulemap *map)
{
	const struct rule *found = NULL, *looked_up = NULL;
	const struct path *strip, *strip2;
	enum redirect_verdict v, v2;
	struct redirect_query q;
	static uint8_t opts[16384];
	struct writer w = writer_make(opts, sizeof(opts));
	struct coap_msg m;

	make_request(&m, &w, &q);
	v = redirect_find(&s->rules, &q, &found, &strip);
	v2 = redirect_look_up(map, &q, &looked_up, &strip2);
	ck_assert_int_eq(v, v2);
	ck_assert_ptr_eq(found, looked_up);
	ck_assert_ptr_eq(strip, strip2);
	verdicts[v]++;
	stripped += strip != NULL;
}

/* PRX-70: 400,000 requests over 2000 sets of rules. */
START_TEST(model)
{
	static struct set s;

	rand_init_fixed(&rnd, 1);
	memset(long_segment, 'a', sizeof(long_segment));
	lists[0] = networks("0.0.0.0/0 ::/0");
	lists[1] = networks("10.0.0.0/8");
	for (unsigned i = 0; i < 2000; i++) {
		struct rulemap *map;

		s.rules = (struct rules){ s.rule, 1 + below(RULES) };
		for (size_t k = 0; k < s.rules.n; k++)
			make_rule(&s, k);
		map = rulemap_new(&s.rules);
		ck_assert_ptr_nonnull(map);
		for (unsigned k = 0; k < 200; k++)
			compare(&s, map);
		rulemap_free(map);
	}
	for (size_t i = 0; i < UNIT_COUNT(verdicts); i++)
		ck_assert_uint_gt(verdicts[i], 1000);
	ck_assert_uint_gt(stripped, 1000);
	fixture_free();
}
END_TEST

static void
count_asked(void *arg, const uint32_t *v, size_t n)
{
	(void)v;
	*(size_t *)arg += n;
}

/* Of ten thousand rules those that speak of something else are not asked. */
START_TEST(few_are_asked)
{
	enum { MANY = 10000 };
	static struct rule rule[MANY];
	static struct host_pattern name[MANY];
	static struct path where[MANY];
	static struct span seg[MANY];
	static char text[MANY][16];
	const struct rules rules = { rule, MANY };
	struct coap_host h = host("h77.example");
	struct coap_msg m = message("CON GET Uri-Path=\"77\" Uri-Path=\"x\"");
	struct rulemap *map;
	size_t asked = 0;

	for (size_t i = 0; i < MANY; i++) {
		int n = snprintf(text[i], sizeof(text[i]), "h%zu.example", i);

		seg[i] = span_make(text[i] + 1, (size_t)n - 9);
		where[i] = (struct path){ &seg[i], 1 };
		name[i] = (struct host_pattern){ .name = span_str(text[i]) };
		/* By host, by path, by both. */
		rule[i].host = &name[i];
		rule[i].nhost = i % 3 != 1;
		rule[i].path = &where[i];
		rule[i].npath = i % 3 != 0;
	}
	map = rulemap_new(&rules);
	ck_assert_ptr_nonnull(map);
	rulemap_each(map, &h, &m, count_asked, &asked);
	ck_assert_uint_eq(asked, 1);
	rulemap_free(map);
	fixture_free();
}
END_TEST

Suite *
rulemap_suite(void)
{
	Suite *s = suite_create("rulemap");
	TCase *tc = tcase_create("rulemap");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, model);
	tcase_add_test(tc, few_are_asked);
	suite_add_tcase(s, tc);
	return s;
}
