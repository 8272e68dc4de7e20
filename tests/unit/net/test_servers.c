#include "net/servers.h"

#include <stdio.h>

#include <event2/dns.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct fixture fx;
static struct addr addr[2];

static void
setup(void)
{
	fixture_init(&fx);
	for (uint8_t i = 0; i < 2; i++)
		addr[i] = (struct addr){ .family = 4, .port = 53,
			.ip = { 127, 0, 0, (uint8_t)(i + 1) } };
}

static void
teardown(void)
{
	fixture_fini(&fx);
}

static struct dns_conf
with(size_t n)
{
	return (struct dns_conf){ .servers = addr, .nservers = n,
		.timeout_ms = 1000 };
}

/* The same in number, order and port; times do not matter. */
START_TEST(same)
{
	struct dns_conf one = with(1), two = with(2), none = with(0);
	struct servers *s = servers_new(fx.loop, &two);

	ck_assert_ptr_nonnull(s);
	ck_assert(servers_same(s, &two));
	ck_assert(!servers_same(s, &one));
	ck_assert(!servers_same(s, &none));
	two.timeout_ms = 7;
	ck_assert(servers_same(s, &two));
	/* It has a copy of its own. */
	addr[1].port = 54;
	ck_assert(!servers_same(s, &two));
	ck_assert_uint_eq(s->addr[1].port, 53);
	servers_free(s);
}
END_TEST

/* Those of resolv.conf, as long as that stays as it is. */
START_TEST(of_a_file)
{
	struct dns_conf one = with(1), none = with(0);
	struct servers *s = servers_new(fx.loop, &none);

	ck_assert_ptr_nonnull(s);
	ck_assert(servers_same(s, &none));
	ck_assert(!servers_same(s, &one));
	s->file.st_ino++;
	ck_assert(!servers_same(s, &none));
	servers_free(s);
}
END_TEST

/* Whether evdns asks the server at A, port 53. */
static bool
asks(struct servers *s, const struct addr *a)
{
	struct sockaddr_storage ss;
	struct addr other;
	int n = evdns_base_count_nameservers(s->dns.evdns);

	for (int i = 0; i < n; i++) {
		ck_assert_int_gt(evdns_base_get_nameserver_addr(s->dns.evdns,
		    i, (struct sockaddr *)&ss, sizeof(ss)), 0);
		ck_assert(addr_from_sockaddr(&other, (struct sockaddr *)&ss));
		if (addr_eq(&other, a))
			return true;
	}
	return false;
}

/* Those of resolv.conf, each of them and no other; without one, the servers of
 * this host. */
START_TEST(resolv_conf_is_the_default)
{
	struct dns_conf none = with(0);
	struct servers *s = servers_new(fx.loop, &none);
	struct addr a = { .family = 4, .ip = { 127, 0, 0, 1 } };
	FILE *f = fopen("/etc/resolv.conf", "re");
	char line[512], text[64];
	int found = 0;

	ck_assert_ptr_nonnull(s);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, " nameserver %63s", text) != 1 ||
		    !addr_parse_ip(&a, span_str(text), true))
			continue;
		a.port = 53;
		ck_assert_msg(asks(s, &a), "%s is not asked", text);
		found++;
	}
	a.port = 53;
	if (found == 0)
		ck_assert(asks(s, &a));
	ck_assert_int_le(evdns_base_count_nameservers(s->dns.evdns),
	    found > 0 ? found : 1);
	if (f != NULL)
		fclose(f);
	servers_free(s);
}
END_TEST

START_TEST(alike)
{
	struct dns_conf one = with(1), two = with(2), none = with(0);
	struct servers *a = servers_new(fx.loop, &one);
	struct servers *b = servers_new(fx.loop, &one);
	struct servers *c = servers_new(fx.loop, &two);
	struct servers *d = servers_new(fx.loop, &none);
	struct servers *e = servers_new(fx.loop, &none);

	ck_assert(servers_alike(a, b));
	ck_assert(!servers_alike(a, c));
	ck_assert(!servers_alike(a, d));
	ck_assert(servers_alike(d, e));
	d->file.st_mtim.tv_nsec ^= 1;
	ck_assert(!servers_alike(d, e));
	servers_free(a);
	servers_free(b);
	servers_free(c);
	servers_free(d);
	servers_free(e);
	servers_free(NULL);
}
END_TEST

Suite *
servers_suite(void)
{
	Suite *s = suite_create("servers");
	TCase *tc = tcase_create("servers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, same);
	tcase_add_test(tc, of_a_file);
	tcase_add_test(tc, resolv_conf_is_the_default);
	tcase_add_test(tc, alike);
	suite_add_tcase(s, tc);
	return s;
}
