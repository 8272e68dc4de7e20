#include "base/netlist.h"

#include "base/rand.h"
#include "suites.h"
#include "unit.h"

/* Blank-separated words into a list. */
static struct netlist
list_of(const char *words)
{
	struct netlist l = { 0 };
	const char *end;

	for (; *words != '\0'; words = end + (*end == ' ')) {
		end = strchrnul(words, ' ');
		ck_assert_msg(netlist_add(&l,
		    span_make(words, (size_t)(end - words))), "%s", words);
	}
	return l;
}

static struct addr
address(const char *text)
{
	struct addr a;

	ck_assert_msg(addr_parse_ip(&a, span_str(text), false), "%s", text);
	a.port = 5683;
	return a;
}

/* Bits of the longest prefix, or -1. */
START_TEST(match)
{
	static const struct {
		const char *words, *ip;
		int bits;
	} v[] = {
		{ "", "192.0.2.1", -1 },
		{ "10.0.0.0/8", "10.255.255.255", 8 },
		{ "10.0.0.0/8", "11.0.0.0", -1 },
		{ "10.0.0.1/8", "10.2.3.4", 8 },
		{ "10.0.0.0/8 10.1.0.0/16 10.1.2.0/24", "10.1.3.4", 16 },
		{ "10.1.2.0/24 10.1.0.0/16 10.0.0.0/8", "10.1.2.4", 24 },
		{ "192.0.2.1", "192.0.2.1", 32 },
		{ "192.0.2.1", "192.0.2.2", -1 },
		{ "192.0.2.0/31", "192.0.2.1", 31 },
		{ "192.0.2.0/31", "192.0.2.2", -1 },
		{ "172.16.0.0/12", "172.31.255.255", 12 },
		{ "172.16.0.0/12", "172.32.0.0", -1 },
		{ "0.0.0.0/0", "8.8.8.8", 0 },
		{ "0.0.0.0/0", "2001:db8::1", -1 },
		{ "::/0", "8.8.8.8", -1 },
		{ "::/0", "2001:db8::1", 0 },
		{ "2001:db8::/32", "2001:db8:ffff::1", 32 },
		{ "2001:db8::/32", "2001:db9::1", -1 },
		{ "2001:db8::1", "2001:db8::1", 128 },
		{ "2001:db8::1", "2001:db8::3", -1 },
		{ "2001:db8::1/127", "2001:db8::", 127 },
		{ "fe80::/10", "febf::1", 10 },
		{ "fe80::/10", "fec0::1", -1 },
		{ "::ffff:10.0.0.0/104", "10.1.2.3", 8 },
		{ "::ffff:10.0.0.1", "10.0.0.1", 32 },
		{ "::ffff:0:0/96", "10.1.2.3", 0 },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", 8 },
		{ "any", "8.8.8.8", 0 },
		{ "any", "2001:db8::1", 0 },
		{ "loopback", "127.255.0.1", 8 },
		{ "loopback", "::1", 128 },
		{ "loopback", "::ffff:127.0.0.1", 8 },
		{ "loopback", "0.0.0.0", 32 },
		{ "loopback", "::", 128 },
		{ "loopback", "0.0.0.1", -1 },
		{ "loopback", "::2", -1 },
		{ "private", "10.0.0.1", 8 },
		{ "private", "172.20.0.1", 12 },
		{ "private", "192.168.255.1", 16 },
		{ "private", "fd00::1", 7 },
		{ "private", "100.64.0.1", -1 },
		{ "private", "192.169.0.1", -1 },
		{ "private", "127.0.0.1", -1 },
		{ "private", "fe80::1", -1 },
		{ "link-local", "169.254.1.1", 16 },
		{ "link-local", "fe80::1", 10 },
		{ "link-local", "10.0.0.1", -1 },
		{ "multicast", "224.0.1.187", 4 },
		{ "multicast", "255.255.255.255", 32 },
		{ "multicast", "255.255.255.254", -1 },
		{ "multicast", "ff02::fd", 8 },
		{ "loopback private", "192.168.0.1", 16 },
	};

	for (size_t i = 0; i < UNIT_COUNT(v); i++) {
		struct netlist l = list_of(v[i].words);
		struct addr a = address(v[i].ip);
		int bits = netlist_match(&l, &a);

		ck_assert_msg(bits == v[i].bits, "%s in '%s': %d", v[i].ip,
		    v[i].words, bits);
		netlist_fini(&l);
	}
}
END_TEST

START_TEST(refused)
{
	static const char *const bad[] = {
		"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/ 8", "10.0.0.0/8/8", "10.0.0.0/8 ", "10.0/16",
		"10.0.0.0/255.0.0.0", "2001:db8::/129", "2001:db8::/x",
		"10.0.0.0/18446744073709551616", "10.0.0.0/264",
		"fe80::1%lo/64", "fe80::1%1", "[::1]", "Any", "any/0",
		"loopback4", "localhost", "::ffff:10.0.0.0/90",
		"::ffff:10.0.0.0/129", "*",
	};
	struct netlist l = list_of("10.0.0.0/8");

	for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
		ck_assert_msg(!netlist_add(&l, span_str(bad[i])), "%s", bad[i]);
		ck_assert_uint_eq(l.n, 1);
	}
	netlist_fini(&l);
	ck_assert_uint_eq(l.n, 0);
	netlist_fini(&l);
}
END_TEST

START_TEST(host_bits_are_cleared)
{
	struct netlist l = list_of("10.255.255.255/9 2001:db8:ffff::1/33");

	ck_assert(addr_eq(&l.v[0].net, &(struct addr){ .family = 4,
	    .ip = { 10, 0x80 } }));
	ck_assert(addr_eq(&l.v[1].net, &(struct addr){ .family = 6,
	    .ip = { 0x20, 1, 0x0d, 0xb8, 0x80 } }));
	netlist_fini(&l);
}
END_TEST

struct verdict {
	const char *allow, *deny, *ip;
	bool allowed;
};

static void
check_verdicts(const struct verdict *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct netlist allow = list_of(v[i].allow);
		struct netlist deny = list_of(v[i].deny);
		struct addr a = address(v[i].ip);

		ck_assert_msg(netlist_allows(&allow, &deny, &a) ==
		    v[i].allowed, "%s, allow '%s', deny '%s'", v[i].ip,
		    v[i].allow, v[i].deny);
		netlist_fini(&allow);
		netlist_fini(&deny);
	}
}

/* ATK-17: nothing is allowed unless listed. ATK-19: what is denied stays so
 * unless it is listed as exactly. */
START_TEST(allows)
{
	static const struct verdict v[] = {
		{ "", "", "192.0.2.1", false },
		{ "any", "", "192.0.2.1", true },
		{ "any", "any", "192.0.2.1", true },
		{ "", "any", "192.0.2.1", false },
		{ "any", "loopback link-local multicast", "192.0.2.1", true },
		{ "any", "loopback link-local multicast", "127.0.0.1", false },
		{ "any", "loopback link-local multicast", "0.0.0.0", false },
		{ "any", "loopback", "::", false },
		{ "any", "loopback", "::1", false },
		{ "any", "multicast", "255.255.255.255", false },
		{ "any 127.0.0.1", "loopback", "127.0.0.1", true },
		{ "any 127.0.0.1", "loopback", "127.0.0.2", false },
		{ "10.0.0.0/8", "10.1.0.0/16", "10.1.0.1", false },
		{ "10.0.0.0/8", "10.1.0.0/16", "10.2.0.1", true },
		{ "10.1.0.0/16", "10.0.0.0/8", "10.1.0.1", true },
		{ "10.0.0.0/8", "10.0.0.0/8", "10.1.0.1", true },
	};

	check_verdicts(v, UNIT_COUNT(v));
}
END_TEST

/* ATK-19: NAT64, 6to4, Teredo and compatible forms of what is denied. */
START_TEST(embedded)
{
	static const struct verdict v[] = {
		{ "any", "loopback", "64:ff9b::7f00:1", false },
		{ "any", "loopback", "64:ff9b::192.0.2.1", true },
		{ "any", "private", "64:ff9b::10.0.0.1", false },
		{ "any", "loopback", "2002:7f00:1::", false },
		{ "any", "loopback", "2002:c000:201::", true },
		{ "any", "loopback", "2001:0:4136:e378:8000:63bf:80ff:fffe",
		    false },
		{ "any", "loopback", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
		    true },
		{ "any", "loopback", "::127.0.0.1", false },
		{ "any", "loopback", "::192.0.2.1", true },
		{ "any", "", "64:ff9b::7f00:1", true },
		{ "any", "any", "64:ff9b::7f00:1", true },
		/* Listed by itself, or its IPv4 form is. */
		{ "any 64:ff9b::10.0.0.1", "private", "64:ff9b::10.0.0.1",
		    true },
		{ "64:ff9b::/96", "private", "64:ff9b::10.0.0.1", false },
		{ "any 10.0.0.0/24", "private", "64:ff9b::10.0.0.1", true },
		/* An IPv4 address in ALLOW opens no IPv6 one. */
		{ "192.0.2.1", "", "64:ff9b::192.0.2.1", false },
		{ "loopback", "", "::1", true },
		{ "loopback", "any", "::1", true },
	};

	check_verdicts(v, UNIT_COUNT(v));
}
END_TEST

START_TEST(long_list)
{
	struct netlist l = { 0 };
	struct addr a = address("10.3.231.0");
	char text[32];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.0/24", i / 256,
		    i % 256);
		ck_assert(netlist_add(&l, span_str(text)));
	}
	ck_assert_uint_eq(l.n, 1000);
	ck_assert_int_eq(netlist_match(&l, &a), 24);
	a.ip[2]++;
	ck_assert_int_eq(netlist_match(&l, &a), -1);
	netlist_fini(&l);
}
END_TEST

/* Bit by bit. */
static bool
same_bits(const struct addr *a, const struct addr *b, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if (((a->ip[i / 8] ^ b->ip[i / 8]) << i % 8 & 0x80) != 0)
			return false;
	return true;
}

/* Every length, and addresses that differ in one bit. */
START_TEST(every_bit)
{
	struct rand rnd;

	rand_init_fixed(&rnd, 1);
	for (unsigned i = 0; i < 100000; i++) {
		struct addr a = { .family = i % 2 == 0 ? 4 : 6 };
		unsigned length = a.family == 4 ? 32 : 128;
		struct prefix p = { .bits = (uint8_t)rand_below(&rnd,
			length + 1) };
		const struct netlist l = { &p, 1, false };
		unsigned flip = (unsigned)rand_below(&rnd, length);

		for (unsigned k = 0; k < length / 8; k++)
			a.ip[k] = (uint8_t)rand_u64(&rnd);
		p.net = a;
		for (unsigned k = p.bits; k < length; k++)
			p.net.ip[k / 8] &= (uint8_t)~(0x80u >> k % 8);
		ck_assert_int_eq(netlist_match(&l, &a), p.bits);
		a.ip[flip / 8] ^= (uint8_t)(0x80u >> flip % 8);
		ck_assert_int_eq(netlist_match(&l, &a),
		    same_bits(&p.net, &a, p.bits) ? p.bits : -1);
		a.family = a.family == 4 ? 6 : 4;
		ck_assert_int_eq(netlist_match(&l, &a), -1);
	}
}
END_TEST

Suite *
netlist_suite(void)
{
	Suite *s = suite_create("netlist");
	TCase *tc = tcase_create("netlist");

	tcase_add_test(tc, match);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, host_bits_are_cleared);
	tcase_add_test(tc, allows);
	tcase_add_test(tc, embedded);
	tcase_add_test(tc, long_list);
	tcase_add_test(tc, every_bit);
	suite_add_tcase(s, tc);
	return s;
}
