#include "proxy/filter.h"

#include <stdio.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

/* The targets of those links of LIST that QUERY, as options, takes. */
static const char *
filtered(const char *query, const char *list)
{
	static char out[256], text[512];
	struct coap_link_iter it;
	struct filters fs;
	struct coap_msg m;
	size_t n = 0;

	snprintf(text, sizeof(text), "CON GET %s", query);
	m = message(text);
	if (!filters_read(&fs, &m))
		return "too many";
	out[0] = '\0';
	coap_links(&it, span_str(list));
	while (coap_links_next(&it))
		if (filters_take(&fs, &it))
			n += (size_t)snprintf(out + n, sizeof(out) - n,
			    "%.*s ", (int)it.target.n,
			    (const char *)it.target.p);
	ck_assert(!it.bad);
	return out;
}

static const char links[] =
    "</t>;rt=\"temp core.s\";if=sensor;ct=\"0 40\",</l>;rt=\"light\";"
    "if=\"sensor x\";title=\"A b\";ct=0,</m/t>;rt=temperature;obs;sz=10,"
    "<http://h/x>;rel=\"alternate describedby\",</a%20b>;title=\"A \\\"c\"";

/* PRX-74. */
START_TEST(takes)
{
	static const struct {
		const char *query, *want;
	} t[] = {
		{ "", "/t /l /m/t http://h/x /a%20b " },
		{ "Uri-Query=\"\"", "/t /l /m/t http://h/x /a%20b " },
		{ "Uri-Query=\"rt=temp\"", "/t " },
		{ "Uri-Query=\"rt=temp*\"", "/t /m/t " },
		{ "Uri-Query=\"rt=core.s\"", "/t " },
		{ "Uri-Query=\"rt=core*\"", "/t " },
		{ "Uri-Query=\"rt=core\"", "" },
		{ "Uri-Query=\"rt=*\"", "/t /l /m/t " },
		{ "Uri-Query=\"rt=\"", "" },
		{ "Uri-Query=\"rt=temp core.s\"", "" },
		{ "Uri-Query=\"rt=TEMP\"", "" },
		{ "Uri-Query=\"RT=light\"", "/l " },
		{ "Uri-Query=\"rt=temp**\"", "" },
		{ "Uri-Query=\"if=sensor\"", "/t /l " },
		{ "Uri-Query=\"if=x\"", "/l " },
		{ "Uri-Query=\"rel=describedby\"", "http://h/x " },
		{ "Uri-Query=\"ct=40\"", "/t " },
		{ "Uri-Query=\"ct=4\"", "" },
		{ "Uri-Query=\"ct=0\"", "/t /l " },
		{ "Uri-Query=\"href=/t\"", "/t " },
		{ "Uri-Query=\"href=/m/*\"", "/m/t " },
		{ "Uri-Query=\"href=/m\"", "" },
		{ "Uri-Query=\"href=*\"", "/t /l /m/t http://h/x /a%20b " },
		{ "Uri-Query=\"href=http:*\"", "http://h/x " },
		{ "Uri-Query=\"href=/a b\"", "/a%20b " },
		{ "Uri-Query=\"href=/a%20b\"", "/a%20b " },
		/* Any other attribute is one text. */
		{ "Uri-Query=\"title=A b\"", "/l " },
		{ "Uri-Query=\"title=A*\"", "/l /a%20b " },
		{ "Uri-Query=\"title=b\"", "" },
		{ "Uri-Query=\"title=A \\\"c\"", "/a%20b " },
		{ "Uri-Query=\"sz=10\"", "/m/t " },
		{ "Uri-Query=\"obs\"", "/m/t " },
		{ "Uri-Query=\"obs=\"", "/m/t " },
		{ "Uri-Query=\"sz\"", "/m/t " },
		{ "Uri-Query=\"nothing=*\"", "" },
		{ "Uri-Query=\"=\"", "" },
		/* All of them at once. */
		{ "Uri-Query=\"rt=temp*\" Uri-Query=\"if=sensor\"", "/t " },
		{ "Uri-Query=\"rt=light\" Uri-Query=\"if=a\"", "" },
		{ "Uri-Query=\"\" Uri-Query=\"rt=light\"", "/l " },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		ck_assert_str_eq(filtered(t[i].query, links), t[i].want);
	fixture_free();
}
END_TEST

START_TEST(odd_lists)
{
	ck_assert_str_eq(filtered("Uri-Query=\"rt=b\"",
	    "</1>;rt=\" a  b \",</2>;rt=\"\",</3>;rt,</4>;x;rt=a;rt=b"),
	    "/1 /4 ");
	ck_assert_str_eq(filtered("Uri-Query=\"rt=\"",
	    "</1>;rt=\"a b\",</2>;rt=\"\",</3>;rt"), "/2 /3 ");
	ck_assert_str_eq(filtered("Uri-Query=\"href=/%4\"", "</%4>"), "/%4 ");
	fixture_free();
}
END_TEST

START_TEST(limit)
{
	char query[256];
	size_t n = 0;

	for (int i = 0; i < FILTERS_MAX; i++)
		n += (size_t)snprintf(query + n, sizeof(query) - n,
		    "Uri-Query=\"a\" ");
	ck_assert_str_eq(filtered(query, "</1>;a"), "/1 ");
	snprintf(query + n, sizeof(query) - n, "Uri-Query=\"a\"");
	ck_assert_str_eq(filtered(query, "</1>;a"), "too many");
	fixture_free();
}
END_TEST

Suite *
filter_suite(void)
{
	Suite *s = suite_create("filter");
	TCase *tc = tcase_create("filter");

	tcase_add_test(tc, takes);
	tcase_add_test(tc, odd_lists);
	tcase_add_test(tc, limit);
	suite_add_tcase(s, tc);
	return s;
}
