#include "proxy/relay.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

/* BLK-39, RFC 9175 3.2: where a Request-Tag is needed. */
START_TEST(needed)
{
	static const struct {
		const char *request;
		bool want;
	} rows[] = {
		{ "CON PUT payload=\"x\"", false },
		{ "CON PUT Block1=0/1/16 payload=16x\"x\"", true },
		{ "CON PUT Block1=7/0/16 payload=\"x\"", true },
		{ "CON GET Block2=0/0/64", false },
		{ "CON GET Block2=3/0/64", false },
		{ "CON FETCH Block2=0/0/64 payload=\"x\"", false },
		{ "CON FETCH Block2=1/0/64 payload=\"x\"", true },
		{ "CON POST Block2=1/0/64", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].request);

		ck_assert_msg(relay_needs_tag(&m) == rows[i].want, "row %zu",
		    i);
	}
	fixture_free();
}
END_TEST

/* BLK-39, BLK-41: one client, one tag; another client, port, address of ours
 * or key, another tag. */
START_TEST(tags)
{
	const struct siphash_key key = { 1, 2 }, other = { 1, 3 };
	struct addr a = address("192.0.2.101", 1), b = a;
	struct addr p = address("192.0.2.1", 5683);
	struct addr q = address("192.0.2.2", 5683);
	uint8_t first[RELAY_TAG_LEN], tag[RELAY_TAG_LEN];

	relay_tag(&key, &a, &p, first);
	relay_tag(&key, &a, &p, tag);
	ck_assert_mem_eq(tag, first, sizeof(tag));
	b.port = 2;
	relay_tag(&key, &b, &p, tag);
	ck_assert_mem_ne(tag, first, sizeof(tag));
	relay_tag(&key, &a, &q, tag);
	ck_assert_mem_ne(tag, first, sizeof(tag));
	relay_tag(&other, &a, &p, tag);
	ck_assert_mem_ne(tag, first, sizeof(tag));
}
END_TEST

Suite *
relay_suite(void)
{
	Suite *s = suite_create("relay");
	TCase *tc = tcase_create("relay");

	tcase_add_test(tc, needed);
	tcase_add_test(tc, tags);
	suite_add_tcase(s, tc);
	return s;
}
