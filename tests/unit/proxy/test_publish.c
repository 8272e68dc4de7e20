#include "proxy/publish.h"

#include <stdio.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct path paths[2];
static struct rule rule;

/* The origin at TO below TO_PATH, here under PUBLIC. */
static void
route(const char *to, const char *to_path, const char *public, bool strip)
{
	paths[0] = path(public);
	rule = (struct rule){ .path = paths, .npath = 1, .strip = strip,
		.to = target(to, 5683), .to_path = path(to_path) };
}

static const char *
published(const char *list)
{
	static char out[1024];
	uint8_t octets[1000];
	struct writer w = writer_make(octets, sizeof(octets));

	if (!publish(&rule, span_str(list), &w))
		return "malformed";
	snprintf(out, sizeof(out), "%.*s%s", (int)writer_len(&w),
	    (const char *)octets, w.full ? " full" : "");
	return out;
}

struct row {
	const char *list, *want;
};

static void
check(const struct row *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(published(v[i].list), v[i].want);
	fixture_free();
}

/* PRX-73: the inverse of what happens to a request. */
START_TEST(paths_become_public)
{
	static const struct row t[] = {
		{ "", "" },
		{ "</t>;rt=\"temp\";obs;ct=0", "</m1/t>;rt=\"temp\";obs;ct=0" },
		{ "</>", "</m1>" },
		{ "</a/>,</a//b>,<///>", "</m1/a/>,</m1/a//b>" },
		{ "</a%20b/c%2fd/e%41>", "</m1/a%20b/c%2Fd/eA>" },
		{ "</a/./b/../c>", "</m1/a/c>" },
		{ "</../x>", "</m1/x>" },
		{ "</t?a=b&c>,</t?>,</t#f>,</t?q#f>",
			"</m1/t?a=b&c>,</m1/t?>,</m1/t#f>,</m1/t?q#f>" },
		{ "</.well-known/core>", "</m1/.well-known/core>" },
		/* What is no legal reference is none of ours. */
		{ "</a|b>,</a%zz>,</a?%>,</a#b#c>,</b>", "</m1/b>" },
		{ "</a", "malformed" },
		{ "</a>,", "malformed" },
	};

	route("198.51.100.1", "", "m1", true);
	check(t, UNIT_COUNT(t));
}
END_TEST

START_TEST(below_the_path_of_to)
{
	static const struct row t[] = {
		{ "</base/x/t>,</base/x>,</base/x/>", "</m/2/t>,</m/2>,</m/2/>" },
		{ "</base>,</base/xy>,</t>,</>,</base%2Fx/t>", "" },
		{ "</base/%78/t>", "</m/2/t>" },
		{ "</base/x/../y/t>", "" },
	};

	route("198.51.100.1", "base/x", "m/2", true);
	check(t, UNIT_COUNT(t));
}
END_TEST

START_TEST(without_strip)
{
	static const struct row t[] = {
		{ "</b/m/t>,</b/m>", "</m/t>,</m>" },
		{ "</b/t>,</m/t>,</b>", "" },
	};

	route("198.51.100.1", "b", "m", false);
	check(t, UNIT_COUNT(t));
}
END_TEST

/* One resource has a name for each path of the route; what is not behind us has
 * one name. */
START_TEST(several_paths)
{
	static const struct row t[] = {
		{ "</t>;ct=0", "</m>;ct=0,</n>;ct=0" },
		{ "<http://h/x>,</t>", "<http://h/x>,</m>,</n>" },
		{ "<http://h/x>;anchor=\"/t/u\"",
			"<http://h/x>;anchor=\"/m/u\","
			"<http://h/x>;anchor=\"/n/u\"" },
	};

	route("198.51.100.1", "t", "m", true);
	paths[1] = path("n");
	rule.npath = 2;
	check(t, UNIT_COUNT(t));
}
END_TEST

START_TEST(the_root)
{
	static const struct row t[] = {
		{ "</t>,</>", "</t>,</>" },
	};

	route("198.51.100.1", "", "", true);
	check(t, UNIT_COUNT(t));
}
END_TEST

START_TEST(uris)
{
	static const struct row t[] = {
		{ "<coap://198.51.100.1/t>", "</m/t>" },
		{ "<COAP://198.51.100.1:5683/t?q#f>", "</m/t?q#f>" },
		{ "<coap://198.51.100.1>", "</m>" },
		{ "<//198.51.100.1/t>", "</m/t>" },
		/* Others that speak CoAP are not named. */
		{ "<coap://198.51.100.1:5684/t>,<coaps://198.51.100.1/t>,"
		  "<coap+tcp://198.51.100.1/t>,<coap://198.51.100.2/t>,"
		  "<coap://o.example/t>,<//198.51.100.2/t>,<coap:/t>,"
		  "<coap://x@198.51.100.1/t>,<coap+ws://h/t>", "" },
		{ "<http://www.example.com/x?y#z>;rel=describedby,"
		  "<urn:uuid:1-2>,<mailto:a@b>",
			"<http://www.example.com/x?y#z>;rel=describedby,"
			"<urn:uuid:1-2>,<mailto:a@b>" },
		/* Relative to what? */
		{ "<t>,<./t>,<../t>,<?q>,<#f>,<>,<1:x>", "" },
	};

	route("198.51.100.1", "", "m", true);
	check(t, UNIT_COUNT(t));
}
END_TEST

START_TEST(uris_by_name)
{
	static const struct row t[] = {
		{ "<coap://O.example/t>,<//o.example:5683/t>",
			"</m/t>,</m/t>" },
		{ "<coap://198.51.100.1/t>,<coap://p.example/t>", "" },
	};

	route("o.example", "", "m", true);
	check(t, UNIT_COUNT(t));
	route("[2001:db8::1]", "", "m", true);
	ck_assert_str_eq(published("<coap://[2001:DB8:0::1]/t>"), "</m/t>");
	fixture_free();
}
END_TEST

START_TEST(anchors)
{
	static const struct row t[] = {
		{ "</a>;rel=x;anchor=\"/b?q\";if=y",
			"</m/a>;anchor=\"/m/b?q\";rel=x;if=y" },
		{ "</a>;anchor=/b", "</m/a>;anchor=\"/m/b\"" },
		{ "</a>;anchor=\"coap://198.51.100.1/b\"",
			"</m/a>;anchor=\"/m/b\"" },
		{ "</a>;anchor=\"http://h/b\"", "</m/a>;anchor=\"http://h/b\"" },
		{ "<urn:x>;anchor=\"urn:y\"", "<urn:x>;anchor=\"urn:y\"" },
		/* The first one counts. */
		{ "</a>;Anchor=\"/b\";anchor=\"coap://h/c\"",
			"</m/a>;anchor=\"/m/b\"" },
		{ "</a>;anchor=\"coap://198.51.100.9/b\",</c>", "</m/c>" },
		{ "</a>;anchor=\"\",</a>;anchor,</a>;anchor=\"b\","
		  "</a>;anchor=\"/b\\\"\",</a>;anchor=\"/b c\",</c>",
			"</m/c>" },
	};

	route("198.51.100.1", "", "m", true);
	check(t, UNIT_COUNT(t));
}
END_TEST

/* PRX-73: no upstream address appears, whatever carries it. PRX-75: "ct"
 * once. */
START_TEST(attributes)
{
	static const struct row t[] = {
		{ "</a>;ct=0;ct=40;title=\"x, \\\"y\\\"\";sz=1",
			"</m/a>;ct=0;title=\"x, \\\"y\\\"\";sz=1" },
		{ "</a>;con=\"coap://h/\";x=coaps+tcp://h;sz=1", "</m/a>;sz=1" },
		{ "</a>;title=\"at 198.51.100.1.\";v=\"198.51.100.1\"", "</m/a>" },
		{ "</a>;v=198.51.100.12;w=\"1198.51.100.1\"",
			"</m/a>;v=198.51.100.12;w=\"1198.51.100.1\"" },
		{ "<http://198.51.100.1/x>,<http://h/?at=198.51.100.1>,"
		  "</p?at=198.51.100.1>,</198.51.100.1>,</x#198.51.100.1>,"
		  "</%31%398.51.100.1>,</%63oap://h>,</t>;anchor=\"/coap://\"",
			"" },
		{ "</a>;rt=\"http://h/y\";e=\"scoap:/\"",
			"</m/a>;rt=\"http://h/y\";e=\"scoap:/\"" },
	};
	static const struct row names[] = {
		{ "</a>;u=\"http://O.Example/x\";v=\"o.example\";sz=1",
			"</m/a>;v=\"o.example\";sz=1" },
		{ "<http://o.example/x>", "" },
	};
	static const struct row ip6[] = {
		{ "</a>;u=2001:DB8::1;v=ip:2001:db8::1;w=2001:db8::1:2;"
		  "x=a2001:db8::1;y=[2001:db8::1]:5683",
			"</m/a>;w=2001:db8::1:2;x=a2001:db8::1" },
	};

	route("198.51.100.1", "", "m", true);
	check(t, UNIT_COUNT(t));
	/* Our own paths are the operator's business. */
	route("198.51.100.1", "", "198.51.100.1", true);
	ck_assert_str_eq(published("</t>"), "</198.51.100.1/t>");
	route("o.example", "", "m", true);
	check(names, UNIT_COUNT(names));
	route("[2001:db8::1]", "", "m", true);
	check(ip6, UNIT_COUNT(ip6));
}
END_TEST

START_TEST(no_room)
{
	uint8_t octets[8];
	struct writer w = writer_make(octets, sizeof(octets));

	route("198.51.100.1", "", "m", true);
	ck_assert(publish(&rule, SPAN_LIT("</abc>,</d>"), &w));
	ck_assert(w.full);
	fixture_free();
}
END_TEST

Suite *
publish_suite(void)
{
	Suite *s = suite_create("publish");
	TCase *tc = tcase_create("publish");

	tcase_add_test(tc, paths_become_public);
	tcase_add_test(tc, below_the_path_of_to);
	tcase_add_test(tc, without_strip);
	tcase_add_test(tc, several_paths);
	tcase_add_test(tc, the_root);
	tcase_add_test(tc, uris);
	tcase_add_test(tc, uris_by_name);
	tcase_add_test(tc, anchors);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, no_room);
	suite_add_tcase(s, tc);
	return s;
}
