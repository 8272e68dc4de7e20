#include "proxy/way.h"

#include <limits.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct request
request(const char *text, const char *host_text)
{
	struct request r = { .msg = message(text), .role = ROLE_REVERSE };

	r.route.uri = target(host_text, 5683);
	return r;
}

/* The same words to the same host are one way, whatever else is asked. */
START_TEST(shared)
{
	struct request r = request("CON GET Uri-Path=\"a\"", "h.example");
	struct request same = request(
	    "NON GET Observe=0 Uri-Path=\"a\" Uri-Query=\"q\" Accept=50",
	    "h.example");
	struct list ways;
	struct way *w;

	list_init(&ways);
	w = way_get(&ways, &r);
	ck_assert_ptr_nonnull(w);
	ck_assert_ptr_eq(way_get(&ways, &same), w);
	way_put(w);
	ck_assert(!list_empty(&ways));
	way_put(w);
	ck_assert(list_empty(&ways));
	fixture_free();
}
END_TEST

START_TEST(different)
{
	static const struct {
		const char *text, *host;
		enum role role;
	} rows[] = {
		{ "CON GET Uri-Path=\"a\"", "h.example", ROLE_REVERSE },
		{ "CON FETCH Uri-Path=\"a\"", "h.example", ROLE_REVERSE },
		{ "CON GET Uri-Path=\"b\"", "h.example", ROLE_REVERSE },
		{ "CON GET Uri-Path=\"a\" Uri-Path=\"a\"", "h.example",
			ROLE_REVERSE },
		{ "CON GET Uri-Path=\"a\"", "g.example", ROLE_REVERSE },
		{ "CON GET Uri-Path=\"a\"", "192.0.2.1", ROLE_REVERSE },
		{ "CON GET Uri-Path=\"a\"", "192.0.2.2", ROLE_REVERSE },
		{ "CON GET Uri-Path=\"a\"", "h.example", ROLE_FORWARD },
	};
	struct way *w[UNIT_COUNT(rows)];
	struct list ways;

	list_init(&ways);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct request r = request(rows[i].text, rows[i].host);

		r.role = rows[i].role;
		w[i] = way_get(&ways, &r);
		ck_assert_ptr_nonnull(w[i]);
		ck_assert_uint_eq(w[i]->refs, 1);
	}
	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		way_put(w[i]);
	ck_assert(list_empty(&ways));
	fixture_free();
}
END_TEST

/* What is kept needs nothing of the request, and says the same. */
START_TEST(kept)
{
	struct request r = request("CON GET Uri-Host=\"h.example\" Observe=0 "
	    "Uri-Port=1 Uri-Path=\"a\" Uri-Path=\"b\" Hop-Limit=3",
	    "h.example");
	uint8_t name[] = "h.example";
	struct coap_msg m;
	struct list ways;
	struct way *w;

	r.route.uri.host.text = span_make(name, 9);
	list_init(&ways);
	w = way_get(&ways, &r);
	ck_assert_ptr_nonnull(w);
	memset(name, 'x', sizeof(name));
	ck_assert(span_eq(w->uri.host.text, SPAN_LIT("h.example")));
	ck_assert(way_message(w, &m));
	ck_assert_str_eq(dump(m.code, m.opts, m.payload),
	    "GET Uri-Host=\"h.example\" Uri-Port=1 Uri-Path=\"a\" "
	    "Uri-Path=\"b\"");
	way_put(w);
	way_put(NULL);
	fixture_free();
}
END_TEST

START_TEST(no_memory)
{
	struct request r = request("CON GET Uri-Path=\"a\"", "h.example");
	struct list ways;
	struct way *w;

	list_init(&ways);
	allocations = 0;
	w = way_get(&ways, &r);
	allocations = UINT_MAX;
	ck_assert_ptr_null(w);
	ck_assert(list_empty(&ways));
	fixture_free();
}
END_TEST

Suite *
way_suite(void)
{
	Suite *s = suite_create("way");
	TCase *tc = tcase_create("way");

	tcase_add_test(tc, shared);
	tcase_add_test(tc, different);
	tcase_add_test(tc, kept);
	tcase_add_test(tc, no_memory);
	suite_add_tcase(s, tc);
	return s;
}
