#include "proxy/admit.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

/* PRX-02, PRX-09: off, not here, not for this client. */
START_TEST(forward_role)
{
	unsigned listeners[] = { 1, 3 };
	struct forward_conf f = {
		.allow_from = networks("10.0.0.0/8 192.0.2.7"),
		.deny_from = networks("10.9.0.0/16"),
	};
	static const struct {
		bool limited;
		unsigned listener;
		const char *client;
		enum admit_forward want;
	} rows[] = {
		{ false, 0, "10.1.1.1", ADMIT_FORWARD_YES },
		{ false, 0, "192.0.2.7", ADMIT_FORWARD_YES },
		{ false, 0, "192.0.2.8", ADMIT_FORWARD_DENIED },
		{ false, 0, "10.9.1.1", ADMIT_FORWARD_DENIED },
		{ false, 0, "::ffff:10.1.1.1", ADMIT_FORWARD_YES },
		{ false, 0, "2001:db8::1", ADMIT_FORWARD_DENIED },
		{ true, 1, "10.1.1.1", ADMIT_FORWARD_YES },
		{ true, 3, "10.1.1.1", ADMIT_FORWARD_YES },
		{ true, 2, "10.1.1.1", ADMIT_FORWARD_OFF },
		{ true, 2, "192.0.2.8", ADMIT_FORWARD_OFF },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct addr c = address(rows[i].client, 1);

		f.listen = listeners;
		f.nlisten = rows[i].limited ? 2 : 0;
		ck_assert_int_eq(admit_forward(&f, rows[i].listener, &c),
		    rows[i].want);
	}
	ck_assert_int_eq(admit_forward(NULL, 0, &(struct addr){ 0 }),
	    ADMIT_FORWARD_OFF);
	fixture_free();
}
END_TEST

/* ATK-18, PRX-02: the address that is really used decides; a pattern that
 * allows a name does not outweigh what is denied by address. */
START_TEST(targets)
{
	struct uri_pattern allow[] = {
		{ .scheme = COAP_SCHEME_COAP,
			.host = { .name = SPAN_LIT("plant.example"),
				.sub = true } },
		{ .scheme = COAP_SCHEME_COAP, .net = networks("10.30.0.0/16"),
			.port = 5690 },
	};
	struct uri_pattern deny[] = {
		{ .scheme = COAP_SCHEME_COAP,
			.host = { .name = SPAN_LIT("bad.plant.example") } },
	};
	const struct forward_conf f = {
		.allow_to = networks("198.51.100.0/24 127.0.0.1"),
		.deny_to = networks("loopback 198.51.100.66"),
		.allow_uri = allow,
		.nallow_uri = 2,
		.deny_uri = deny,
		.ndeny_uri = 1,
	};
	static const struct {
		const char *host;
		uint16_t port;
		const char *addr;	/* NULL: not known */
		bool want;
	} rows[] = {
		{ "198.51.100.1", 5683, "198.51.100.1", true },
		{ "198.51.100.66", 5683, "198.51.100.66", false },
		{ "203.0.113.1", 5683, "203.0.113.1", false },
		/* Listed itself, it wins over the network that is denied. */
		{ "127.0.0.1", 5684, "127.0.0.1", true },
		{ "127.0.0.2", 5684, "127.0.0.2", false },
		{ "a.plant.example", 5683, NULL, true },
		{ "a.plant.example", 5683, "203.0.113.1", true },
		{ "a.plant.example", 5683, "127.0.0.2", false },
		{ "plant.example", 5683, "203.0.113.1", false },
		{ "bad.plant.example", 5683, NULL, false },
		{ "bad.plant.example", 5683, "198.51.100.1", false },
		{ "other.example", 5683, NULL, true },	/* may be in 198.. */
		{ "other.example", 5683, "198.51.100.1", true },
		{ "other.example", 5683, "203.0.113.1", false },
		{ "10.30.1.1", 5690, "10.30.1.1", true },
		{ "10.30.1.1", 5683, "10.30.1.1", false },
		{ "x.example", 5690, "10.30.1.1", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct target t = target(rows[i].host, rows[i].port);
		struct addr a;

		if (rows[i].addr != NULL)
			a = address(rows[i].addr, rows[i].port);
		ck_assert_msg(admit_target(&f, &t,
			rows[i].addr != NULL ? &a : NULL, false) ==
			rows[i].want,
		    "row %zu: %s", i, rows[i].host);
	}
	fixture_free();
}
END_TEST

/* Nothing listed allows nothing, not even while the address is unknown. */
START_TEST(nothing)
{
	const struct forward_conf f = { .nallow_uri = 0 };
	struct target t = target("a.example", 5683);
	struct addr a = address("198.51.100.1", 5683);

	ck_assert(!admit_target(&f, &t, NULL, false));
	ck_assert(!admit_target(&f, &t, &a, false));
	fixture_free();
}
END_TEST

/* ATK-19: an IPv4 address stays denied whatever IPv6 address stands for it,
 * unless that one is listed itself. */
START_TEST(embedded)
{
	struct forward_conf f = {
		.allow_to = networks("any"),
		.deny_to = networks("loopback link-local multicast"),
	};
	static const struct {
		const char *addr;
		bool want;
	} rows[] = {
		{ "::ffff:127.0.0.1", false },
		{ "64:ff9b::127.0.0.1", false },
		{ "64:ff9b::198.51.100.1", true },
		{ "2002:7f00:1::1", false },
		{ "2002:c633:6401::1", true },
		{ "::127.0.0.1", false },
		{ "64:ff9b::224.0.1.187", false },
		{ "64:ff9b::169.254.1.1", false },
		/* Teredo has the complement of the client's address. */
		{ "2001:0:c633:6401::80ff:fffe", false },
		{ "2001:0:c633:6401::39cc:9bfe", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct target t = target(rows[i].addr, 5683);

		ck_assert_msg(admit_target(&f, &t, &t.host.addr,
				  false) == rows[i].want, "%s", rows[i].addr);
	}
	f.allow_to = networks("64:ff9b::127.0.0.1");
	for (size_t i = 0; i < 2; i++) {
		struct target t = target(rows[i].addr, 5683);

		ck_assert(admit_target(&f, &t, &t.host.addr, false) ==
		    (i == 1));
	}
	fixture_free();
}
END_TEST

/* ATK-19: where loopback is denied an address of this host is allowed only if
 * it is listed, not by "any" or by name. */
START_TEST(this_host)
{
	struct uri_pattern name = { .scheme = COAP_SCHEME_COAP,
		.host = { .name = SPAN_LIT("h.example") } };
	struct forward_conf f = { .allow_to = networks("any") };
	struct target t = target("h.example", 5684);
	struct addr a = address("192.0.2.1", 5684);

	ck_assert(admit_target(&f, &t, &a, true));
	f.deny_to = networks("loopback");
	ck_assert(admit_target(&f, &t, &a, false));
	ck_assert(!admit_target(&f, &t, &a, true));
	f.allow_uri = &name;
	f.nallow_uri = 1;
	ck_assert(!admit_target(&f, &t, &a, true));
	f.allow_to = networks("192.0.2.1");
	ck_assert(admit_target(&f, &t, &a, true));
	/* Whoever does not deny loopback does not deny this host. */
	f.allow_to = networks("any");
	f.deny_to = (struct netlist){ 0 };
	ck_assert(admit_target(&f, &t, &a, true));
	fixture_free();
}
END_TEST

/* ATK-20: a port is one of CoAP, or one that the configuration sends to, or
 * written in the pattern that allows the target; from 1024 on it is enough that
 * the target is listed. */
START_TEST(ports)
{
	uint8_t sent_to[65536 / 8] = { [5700 / 8] = 1 << 5700 % 8 };
	struct uri_pattern allow[] = {
		{ .scheme = COAP_SCHEME_COAP, .net = networks("10.1.0.0/16"),
			.port = 53 },
		{ .scheme = COAP_SCHEME_COAP,
			.host = { .name = SPAN_LIT("lab.example") },
			.every_port = true },
		{ .scheme = COAP_SCHEME_COAP,
			.host = { .name = SPAN_LIT("plant.example") } },
	};
	const struct forward_conf f = {
		.allow_to = networks("10.0.0.0/8"),
		.allow_uri = allow,
		.nallow_uri = 3,
	};
	static const struct {
		const char *host, *addr;
		uint16_t port;
		bool want, sent_to;	/* with the latter */
	} rows[] = {
		{ "10.2.0.1", "10.2.0.1", 5683, true, true },
		{ "10.2.0.1", "10.2.0.1", 5684, true, true },
		{ "10.2.0.1", "10.2.0.1", 5682, true, true },
		{ "10.2.0.1", "10.2.0.1", 1023, false, false },
		{ "10.2.0.1", "10.2.0.1", 1024, true, true },
		{ "10.2.0.1", "10.2.0.1", 61616, true, true },
		{ "10.2.0.1", "10.2.0.1", 61631, true, true },
		{ "10.2.0.1", "10.2.0.1", 61632, true, true },
		{ "10.2.0.1", "10.2.0.1", 53, false, false },
		{ "10.2.0.1", "10.2.0.1", 1, false, false },
		{ "10.2.0.1", "10.2.0.1", 65535, true, true },
		{ "10.1.0.1", "10.1.0.1", 53, true, true },
		{ "10.1.0.1", "10.1.0.1", 54, false, false },
		{ "10.2.0.1", "10.2.0.1", 5700, true, true },
		{ "11.0.0.1", "11.0.0.1", 5700, false, false },
		{ "lab.example", "203.0.113.1", 123, true, true },
		{ "lab.example", NULL, 123, true, true },
		{ "plant.example", NULL, 5683, true, true },
		{ "plant.example", "203.0.113.1", 123, false, false },
		/* What no address can change needs no look-up. */
		{ "plant.example", NULL, 123, false, false },
		{ "plant.example", "203.0.113.1", 5700, true, true },
		{ "other.example", NULL, 5683, true, true },
		{ "other.example", NULL, 53, true, true },
		{ "other.example", NULL, 5700, true, true },
	};

	for (size_t i = 0; i < 2 * UNIT_COUNT(rows); i++) {
		size_t row = i / 2;
		struct forward_conf g = f;
		struct target t = target(rows[row].host, rows[row].port);
		struct addr a;

		g.ports = i % 2 != 0 ? sent_to : NULL;
		if (rows[row].addr != NULL)
			a = address(rows[row].addr, rows[row].port);
		ck_assert_msg(admit_target(&g, &t,
			rows[row].addr != NULL ? &a : NULL, false) ==
			(i % 2 != 0 ? rows[row].sent_to : rows[row].want),
		    "row %zu: %s:%u", row, rows[row].host, rows[row].port);
	}
	fixture_free();
}
END_TEST

/* A pattern without a port denies every port. */
START_TEST(denied_ports)
{
	struct uri_pattern deny = { .scheme = COAP_SCHEME_COAP,
		.net = networks("10.1.0.0/16") };
	struct uri_pattern allow = { .scheme = COAP_SCHEME_COAP,
		.net = networks("10.0.0.0/8"), .every_port = true };
	const struct forward_conf f = {
		.allow_uri = &allow, .nallow_uri = 1,
		.deny_uri = &deny, .ndeny_uri = 1,
	};
	static const uint16_t t[] = { 53, 5683, 7000 };

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct target good = target("10.2.0.1", t[i]);
		struct target bad = target("10.1.0.1", t[i]);

		ck_assert(admit_target(&f, &good, &good.host.addr, false));
		ck_assert(!admit_target(&f, &bad, &bad.host.addr, false));
	}
	fixture_free();
}
END_TEST

Suite *
admit_suite(void)
{
	Suite *s = suite_create("admit");
	TCase *tc = tcase_create("admit");

	tcase_add_test(tc, forward_role);
	tcase_add_test(tc, targets);
	tcase_add_test(tc, nothing);
	tcase_add_test(tc, embedded);
	tcase_add_test(tc, this_host);
	tcase_add_test(tc, ports);
	tcase_add_test(tc, denied_ports);
	suite_add_tcase(s, tc);
	return s;
}
