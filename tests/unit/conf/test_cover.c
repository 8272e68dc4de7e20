#include "suites.h"

#include <stdio.h>

#include "conf/cover.h"
#include "loading.h"

/* Conditions of two routes; COVERS: the first leaves the second nothing. */
static const struct {
	const char *a, *b;
	bool covers;
} table[] = {
	{ "", "", true },
	{ "", "host = h\npath = /x\nmethods = GET", true },
	{ "host = h", "", false },
	{ "host = h", "host = h", true },
	{ "host = h", "host = H", true },
	{ "host = h", "host = g", false },
	{ "host = h g", "host = g", true },
	{ "host = h", "host = h g", false },
	{ "host = *.x", "host = a.x", true },
	{ "host = *.x", "host = *.x", true },
	{ "host = *.x", "host = *.a.x", true },
	{ "host = *.x", "host = x", false },
	{ "host = *.x", "host = ax", false },
	{ "host = *.a.x", "host = *.x", false },
	{ "host = x", "host = *.x", false },
	{ "host = 10.0.0.1", "host = 10.0.0.1", true },
	{ "host = 10.0.0.1", "host = 10.0.0.2", false },
	{ "host = *.1.x", "host = 10.0.0.1", false },
	{ "path = /a", "path = /a", true },
	{ "path = /a", "path = /a/b", true },
	{ "path = /a", "path = /ab", false },
	{ "path = /a/b", "path = /a", false },
	{ "path = /a", "", false },
	{ "path = /", "", true },
	{ "path = /", "path = /a", true },
	{ "path = /a /b", "path = /b/c /a", true },
	{ "path = /a", "path = /a /b", false },
	{ "methods = GET", "methods = GET", true },
	{ "methods = GET PUT", "methods = GET", true },
	{ "methods = GET", "methods = GET PUT", false },
	{ "methods = GET", "", false },
	{ "listen = a", "listen = a", true },
	{ "listen = a b", "listen = a", true },
	{ "listen = a", "listen = a b", false },
	{ "listen = a", "", false },
	{ "path = /a", "path = /a\nhost = h", true },
	{ "path = /a\nhost = h", "path = /a", false },
};

START_TEST(test_cover)
{
	char text[512];
	struct loading l;

	snprintf(text, sizeof(text), "[listen a]\n[listen b]\nbind = "
	    "coap://*:1\n[route]\n%s\nto = coap://h\n[route]\n%s\n"
	    "to = coap://h\n", table[_i].a, table[_i].b);
	l = load_string(text);
	ck_assert_msg(l.c != NULL, "%s", l.r.text);
	ck_assert_msg(rule_covers(&l.c->rules.v[0], &l.c->rules.v[1]) ==
	    table[_i].covers, "%s | %s", table[_i].a, table[_i].b);
	unload(&l);
}
END_TEST

Suite *
cover_suite(void)
{
	Suite *s = suite_create("cover");
	TCase *tc = tcase_create("core");

	tcase_add_loop_test(tc, test_cover, 0, UNIT_COUNT(table));
	suite_add_tcase(s, tc);
	return s;
}
