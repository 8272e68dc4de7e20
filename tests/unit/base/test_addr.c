#include "base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/rand.h"
#include "suites.h"
#include "unit.h"

static struct addr
address(const char *text)
{
	struct addr a;

	ck_assert_msg(addr_parse_ip(&a, span_str(text), true), "%s", text);
	return a;
}

START_TEST(ip4_accepted)
{
	static const char *const good[] = { "0.0.0.0", "127.0.0.1",
		"192.0.2.1", "255.255.255.255", "10.200.30.4" };

	for (size_t i = 0; i < UNIT_COUNT(good); i++) {
		struct addr a;
		struct in_addr in;
		char out[ADDR_STRLEN];

		memset(&a, 0xff, sizeof(a));
		ck_assert(addr_parse_ip4(&a, span_str(good[i])));
		ck_assert_int_eq(inet_pton(AF_INET, good[i], &in), 1);
		ck_assert_mem_eq(a.ip, &in, 4);
		ck_assert_mem_eq(a.ip + 4, "\0\0\0\0\0\0\0\0\0\0\0", 12);
		ck_assert_uint_eq(a.family, 4);
		ck_assert_uint_eq(a.port, 0);
		ck_assert_uint_eq(a.scope, 0);
		ck_assert_uint_eq(a.zero, 0);
		ck_assert_str_eq(addr_ip_str(&a, out), good[i]);
	}
}
END_TEST

/* ATK-19: no second spelling of an IPv4 address. */
START_TEST(ip4_refused)
{
	static const char *const bad[] = { "", ".", "127.1", "127.0.1",
		"0x7f.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1",
		"127.0.0.01", "01.2.3.4", "00.0.0.0", "256.0.0.1",
		"127.0.0.256", "127.0.0.1.", ".127.0.0.1", "127.0.0.1.1",
		"127..0.1", "127.0.0.", " 127.0.0.1", "127.0.0.1 ",
		"127.0.0.1\n", "+127.0.0.1", "-1.0.0.0", "1e1.0.0.1",
		"127.0.0.1/8", "127.0.0.1:5683", "1000.0.0.1", "::1" };
	struct addr a = { .family = 9 };

	for (size_t i = 0; i < UNIT_COUNT(bad); i++)
		ck_assert_msg(!addr_parse_ip4(&a, span_str(bad[i])), "%s",
		    bad[i]);
	ck_assert(!addr_parse_ip4(&a, span_make("127.0.0.1\0", 10)));
	ck_assert(!addr_parse_ip4(&a, span_make("127.0.0.1", 8)));
	ck_assert(!addr_parse_ip4(&a, span_make(NULL, 0)));
	ck_assert_uint_eq(a.family, 9);
}
END_TEST

/* The text is the system's, whatever the address. */
START_TEST(test_text)
{
	struct rand rnd;

	rand_init_fixed(&rnd, 1);
	for (unsigned i = 0; i < 200000; i++) {
		struct addr a = { .family = i % 8 == 0 ? 4 : 6 };
		char out[ADDR_STRLEN], want[ADDR_STRLEN];
		uint64_t zeros = rand_u64(&rnd);

		/* Every second octet is zero, and many whole groups. */
		for (size_t k = 0; k < (a.family == 4 ? 4u : 16u); k++) {
			bool some = (zeros >> (k / 2) & 1) != 0 &&
			    (zeros >> (8 + k) & 1) != 0;
			unsigned v = (unsigned)rand_below(&rnd, 256);

			if (some)
				a.ip[k] = (uint8_t)(zeros >> (24 + k) & 1 ?
					v : v & 15);
		}
		ck_assert_ptr_nonnull(inet_ntop(a.family == 4 ? AF_INET :
			AF_INET6, a.ip, want, sizeof(want)));
		/* Those are never IPv6 here. */
		if (a.family == 6 && strncmp(want, "::ffff:", 7) == 0 &&
		    strchr(want, '.') != NULL)
			continue;
		ck_assert_str_eq(addr_ip_str(&a, out), want);
	}
}
END_TEST

/* RFC 5952: one text for each address. */
START_TEST(ip6_text)
{
	static const struct {
		const char *in, *out;
	} v[] = {
		{ "::", "::" },
		{ "::1", "::1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "fe80::1", "fe80::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::FFFF:C000:201", "192.0.2.1" },
		{ "0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1" },
		{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
	};

	for (size_t i = 0; i < UNIT_COUNT(v); i++) {
		struct addr a;
		char out[ADDR_STRLEN];

		ck_assert(addr_parse_ip6(&a, span_str(v[i].in), false));
		ck_assert_str_eq(addr_ip_str(&a, out), v[i].out);
	}
}
END_TEST

START_TEST(ip6_refused)
{
	static const char *const bad[] = { "", ":", ":::", "1", "::1::",
		"1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g",
		"[::1]", "::1 ", " ::1", "::1/128", "::ffff:1.2.3",
		"::ffff:1.2.3.256", "::ffff:01.2.3.4", "127.0.0.1",
		"%lo", "::1%", "fe80::1%", "::1%lo", "2001:db8::1%lo",
		"ff05::fd%lo", "fe80::1%lo%lo", "fe80::1%no-such-if",
		"fe80::1%0", "fe80::1%4294967296", "fe80::1%4294967295",
		"fe80::1%-1", "fe80::1%a-name-that-is-far-too-long",
		"::ffff:169.254.1.1%lo",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000" };
	struct addr a = { .family = 9 };

	for (size_t i = 0; i < UNIT_COUNT(bad); i++)
		ck_assert_msg(!addr_parse_ip6(&a, span_str(bad[i]), true),
		    "%s", bad[i]);
	ck_assert(!addr_parse_ip6(&a, span_make("::1\0", 4), true));
	ck_assert(!addr_parse_ip6(&a, span_make("fe80::1%lo\0", 11), true));
	ck_assert_uint_eq(a.family, 9);
}
END_TEST

START_TEST(zones)
{
	unsigned lo = if_nametoindex("lo");
	struct addr a;
	char text[64], out[ADDR_STRLEN];

	ck_assert_uint_gt(lo, 0);
	ck_assert(!addr_parse_ip6(&a, SPAN_LIT("fe80::1%lo"), false));
	ck_assert(addr_parse_ip6(&a, SPAN_LIT("fe80::1%lo"), true));
	ck_assert_uint_eq(a.scope, lo);
	a.port = 5683;
	ck_assert_str_eq(addr_str(&a, out), "[fe80::1%lo]:5683");
	ck_assert_str_eq(addr_ip_str(&a, out), "fe80::1");
	snprintf(text, sizeof(text), "ff02::fd%%%u", lo);
	ck_assert(addr_parse_ip6(&a, span_str(text), true));
	ck_assert_uint_eq(a.scope, lo);
	/* Of an interface that has gone, the number. */
	a.scope = 4294967295;
	ck_assert_str_eq(addr_str(&a, out), "[ff02::fd%4294967295]:0");
}
END_TEST

START_TEST(text)
{
	struct addr a = address("192.0.2.1");
	char out[ADDR_STRLEN];

	a.port = 65535;
	ck_assert_str_eq(addr_str(&a, out), "192.0.2.1:65535");
	a = address("2001:db8::1");
	a.port = 5683;
	ck_assert_str_eq(addr_str(&a, out), "[2001:db8::1]:5683");
	a = (struct addr){ 0 };
	ck_assert_str_eq(addr_str(&a, out), "none");
	ck_assert_str_eq(addr_ip_str(&a, out), "none");
}
END_TEST

START_TEST(sockaddr4)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(5683) };
	struct sockaddr_in got;
	struct sockaddr_storage ss;
	struct addr a, expected = address("192.0.2.7");

	expected.port = 5683;
	memset(&a, 0xff, sizeof(a));
	ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.7", &in.sin_addr), 1);
	ck_assert(addr_from_sockaddr(&a, (struct sockaddr *)&in));
	ck_assert(addr_eq(&a, &expected));
	ck_assert_uint_eq(addr_to_sockaddr(&a, &ss), sizeof(in));
	memcpy(&got, &ss, sizeof(got));
	ck_assert_mem_eq(&got, &in, sizeof(in));
}
END_TEST

START_TEST(sockaddr6)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(61616), .sin6_scope_id = 3 };
	struct sockaddr_in6 got;
	struct sockaddr_storage ss;
	struct addr a;

	memset(&a, 0xff, sizeof(a));
	ck_assert_int_eq(inet_pton(AF_INET6, "fe80::7", &in6.sin6_addr), 1);
	ck_assert(addr_from_sockaddr(&a, (struct sockaddr *)&in6));
	ck_assert_uint_eq(a.family, 6);
	ck_assert_uint_eq(a.port, 61616);
	ck_assert_uint_eq(a.scope, 3);
	ck_assert_uint_eq(a.zero, 0);
	ck_assert_uint_eq(addr_to_sockaddr(&a, &ss), sizeof(in6));
	memcpy(&got, &ss, sizeof(got));
	ck_assert_mem_eq(&got, &in6, sizeof(in6));
	ck_assert_uint_eq(addr_to_sockaddr6(&a, &ss), sizeof(in6));
	/* Not part of a global address, whatever the kernel says. */
	ck_assert_int_eq(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr), 1);
	ck_assert(addr_from_sockaddr(&a, (struct sockaddr *)&in6));
	ck_assert_uint_eq(a.scope, 0);
}
END_TEST

/* The same client on an IPv4 and on a dual-stack socket is one client. */
START_TEST(mapped)
{
	struct addr a = address("192.0.2.7"), b;
	struct sockaddr_storage ss;
	struct sockaddr_in6 in6;
	char out[64];

	a.port = 5683;
	ck_assert_uint_eq(addr_to_sockaddr6(&a, &ss), sizeof(in6));
	memcpy(&in6, &ss, sizeof(in6));
	ck_assert_int_eq(in6.sin6_family, AF_INET6);
	ck_assert_str_eq(inet_ntop(AF_INET6, &in6.sin6_addr, out, sizeof(out)),
	    "::ffff:192.0.2.7");
	ck_assert(addr_from_sockaddr(&b, (struct sockaddr *)&ss));
	ck_assert(addr_eq(&a, &b));
}
END_TEST

START_TEST(other_family)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct addr a;

	ck_assert(!addr_from_sockaddr(&a, (struct sockaddr *)&ss));
}
END_TEST

START_TEST(equality)
{
	struct addr a = address("fe80::1%lo"), b = a;

	ck_assert_uint_eq(sizeof(struct addr), 24);
	ck_assert(addr_eq(&a, &b));
	b.port = 1;
	ck_assert(!addr_eq(&a, &b));
	ck_assert(addr_ip_eq(&a, &b));
	b.scope++;
	ck_assert(!addr_ip_eq(&a, &b));
	b = address("fe80::2%lo");
	ck_assert(!addr_ip_eq(&a, &b));
	a = address("1.0.0.0");
	b = address("100::");
	ck_assert_mem_eq(a.ip, b.ip, sizeof(a.ip));
	ck_assert(!addr_ip_eq(&a, &b));
}
END_TEST

START_TEST(kinds)
{
	static const struct {
		const char *ip;
		bool any, loopback, multicast, linklocal;
	} v[] = {
		{ "0.0.0.0", true, false, false, false },
		{ "::", true, false, false, false },
		{ "::ffff:0.0.0.0", true, false, false, false },
		{ "0.0.0.1", false, false, false, false },
		{ "127.0.0.1", false, true, false, false },
		{ "127.255.255.254", false, true, false, false },
		{ "128.0.0.1", false, false, false, false },
		{ "::1", false, true, false, false },
		{ "::ffff:127.0.0.1", false, true, false, false },
		{ "::2", false, false, false, false },
		{ "1::", false, false, false, false },
		{ "224.0.1.187", false, false, true, false },
		{ "239.255.255.255", false, false, true, false },
		{ "240.0.0.1", false, false, false, false },
		{ "255.255.255.255", false, false, true, false },
		{ "ff02::fd", false, false, true, false },
		{ "ff05::fd", false, false, true, false },
		{ "fe00::1", false, false, false, false },
		{ "169.254.1.1", false, false, false, true },
		{ "169.253.1.1", false, false, false, false },
		{ "fe80::1", false, false, false, true },
		{ "febf::1", false, false, false, true },
		{ "fec0::1", false, false, false, false },
	};
	struct addr none = { 0 };

	for (size_t i = 0; i < UNIT_COUNT(v); i++) {
		struct addr a = address(v[i].ip);

		ck_assert_msg(addr_is_any(&a) == v[i].any, "%s", v[i].ip);
		ck_assert_msg(addr_is_loopback(&a) == v[i].loopback, "%s",
		    v[i].ip);
		ck_assert_msg(addr_is_multicast(&a) == v[i].multicast, "%s",
		    v[i].ip);
		ck_assert_msg(addr_is_linklocal(&a) == v[i].linklocal, "%s",
		    v[i].ip);
	}
	ck_assert(!addr_is_any(&none));
	ck_assert(!addr_is_loopback(&none));
	ck_assert(!addr_is_multicast(&none));
	ck_assert(!addr_is_linklocal(&none));
}
END_TEST

/* ATK-19: IPv6 addresses that lead to an IPv4 one. */
START_TEST(embedded)
{
	static const struct {
		const char *ip6, *ip4;
		unsigned bits;
	} v[] = {
		{ "64:ff9b::192.0.2.33", "192.0.2.33", 96 },
		{ "64:ff9b:0:0:0:1:c000:221", NULL, 0 },
		{ "2002:c000:221::1", "192.0.2.33", 16 },
		{ "2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45", 96 },
		{ "2001:db8::1", NULL, 0 },
		{ "::192.0.2.33", "192.0.2.33", 96 },
		{ "192.0.2.33", NULL, 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(v); i++) {
		struct addr a = address(v[i].ip6), got, expected;

		ck_assert_uint_eq(addr_embedded_ip4(&a, &got), v[i].bits);
		if (v[i].ip4 == NULL)
			continue;
		expected = address(v[i].ip4);
		ck_assert(addr_eq(&got, &expected));
	}
}
END_TEST

Suite *
addr_suite(void)
{
	Suite *s = suite_create("addr");
	TCase *tc = tcase_create("addr");

	tcase_add_test(tc, ip4_accepted);
	tcase_add_test(tc, ip4_refused);
	tcase_add_test(tc, ip6_text);
	tcase_add_test(tc, test_text);
	tcase_add_test(tc, ip6_refused);
	tcase_add_test(tc, zones);
	tcase_add_test(tc, text);
	tcase_add_test(tc, sockaddr4);
	tcase_add_test(tc, sockaddr6);
	tcase_add_test(tc, mapped);
	tcase_add_test(tc, other_family);
	tcase_add_test(tc, equality);
	tcase_add_test(tc, kinds);
	tcase_add_test(tc, embedded);
	suite_add_tcase(s, tc);
	return s;
}
