#include "proxy/self.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static const struct span names[] = {
	{ (const uint8_t *)"gw.example", 10 },
	{ (const uint8_t *)"gw1", 3 },
};

/* PRX-03, PRX-04: addresses with their ports. */
START_TEST(addresses)
{
	static const struct {
		const char *bound;
		uint16_t port;
		const char *asked;
		uint16_t asked_port;
		bool ours;
	} rows[] = {
		{ "192.0.2.1", 5683, "192.0.2.1", 5683, true },
		{ "192.0.2.1", 5683, "192.0.2.1", 5684, false },
		{ "192.0.2.1", 5683, "192.0.2.9", 5683, false },
		{ "192.0.2.1", 5683, "::ffff:192.0.2.1", 5683, true },
		/* Bound to one address: another of the host is not us. */
		{ "192.0.2.1", 5683, "192.0.2.2", 5683, false },
		{ "192.0.2.1", 5683, "127.0.0.1", 5683, false },
		/* What is sent to the any-address reaches this host. */
		{ "192.0.2.1", 5683, "0.0.0.0", 5683, true },
		/* An any-address stands for those of its family. */
		{ "0.0.0.0", 5683, "192.0.2.1", 5683, true },
		{ "0.0.0.0", 5683, "192.0.2.2", 5683, true },
		{ "0.0.0.0", 5683, "2001:db8::1", 5683, false },
		{ "::", 5683, "192.0.2.1", 5683, false },
		{ "::", 5683, "2001:db8::1", 5683, true },
		{ "::", 5683, "127.0.0.1", 5683, false },
		{ "0.0.0.0", 5683, "127.0.0.1", 5683, true },
		{ "0.0.0.0", 5683, "127.9.9.9", 5683, true },
		{ "::", 5683, "::1", 5683, true },
		{ "::", 5683, "::", 5683, true },
		{ "0.0.0.0", 5683, "192.0.2.9", 5683, false },
		{ "::", 5683, "::1", 5684, false },
		{ "127.0.0.1", 5683, "127.0.0.1", 5683, true },
		{ "127.0.0.1", 5683, "0.0.0.0", 5683, true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct addr on[] = { address("192.0.2.1", 0),
			address("192.0.2.2", 0), address("2001:db8::1", 0) };
		struct addr bound = address(rows[i].bound, rows[i].port);
		struct addr a = address(rows[i].asked, rows[i].asked_port);
		struct self s = { .host = on, .nhost = 3 };

		self_add_bound(&s, &bound);
		ck_assert_msg(self_is_addr(&s, &a) == rows[i].ours,
		    "row %zu", i);
		s.host = NULL;
		self_fini(&s);
	}
}
END_TEST

/* PRX-03: names count with the ports we listen on. */
START_TEST(hosts)
{
	static const struct {
		const char *host;
		uint16_t port;
		bool ours;
	} rows[] = {
		{ "gw.example", 5683, true },
		{ "gw1", 5683, true },
		{ "gw.example", 5684, false },
		{ "x.gw.example", 5683, false },
		{ "gw", 5683, false },
		{ "localhost", 5683, true },
		{ "localhost", 5684, false },
		{ "x.localhost", 5683, true },
		{ "xlocalhost", 5683, false },
		{ "127.0.0.1", 5683, true },
		{ "192.0.2.1", 5683, false },
	};
	struct addr bound = address("0.0.0.0", 5683);
	struct self s = { .names = names, .nnames = 2 };

	self_add_bound(&s, &bound);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_host h = host(rows[i].host);

		ck_assert_msg(self_is_host(&s, &h, rows[i].port) ==
			rows[i].ours, "%s", rows[i].host);
	}
	self_fini(&s);
	fixture_free();
}
END_TEST

/* "localhost" is not us when no loopback address reaches us. */
START_TEST(not_localhost)
{
	struct addr bound = address("192.0.2.1", 5683);
	struct coap_host h = host("localhost");
	struct self s = { .nnames = 0 };

	self_add_bound(&s, &bound);
	ck_assert(!self_is_host(&s, &h, 5683));
	self_fini(&s);
	fixture_free();
}
END_TEST

START_TEST(interfaces)
{
	struct addr lo = address("127.0.0.1", 0);
	struct self s = { .nnames = 0 };
	bool found = false;

	ck_assert(self_read_interfaces(&s));
	ck_assert(self_read_interfaces(&s));
	for (size_t i = 0; i < s.nhost; i++) {
		ck_assert_uint_eq(s.host[i].port, 0);
		found = found || addr_eq(&s.host[i], &lo);
	}
	ck_assert(found || s.nhost == 0);
	self_fini(&s);
}
END_TEST

Suite *
self_suite(void)
{
	Suite *s = suite_create("self");
	TCase *tc = tcase_create("self");

	tcase_add_test(tc, addresses);
	tcase_add_test(tc, hosts);
	tcase_add_test(tc, not_localhost);
	tcase_add_test(tc, interfaces);
	suite_add_tcase(s, tc);
	return s;
}
