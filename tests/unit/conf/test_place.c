#include "suites.h"

#include <stdio.h>
#include <string.h>

#include "loading.h"

static struct loading l;

static struct conf *
load_fine(const char *text)
{
	l = load_string(text);
	ck_assert_msg(l.c != NULL, "%s", l.r.text);
	return l.c;
}

static void
teardown(void)
{
	unload(&l);
	l = (struct loading){ 0 };
}

START_TEST(test_bind)
{
	static const struct {
		const char *uri, *addr;
	} t[] = {
		{ "coap://127.0.0.1", "127.0.0.1:5683" },
		{ "COAP://127.0.0.1:0", "127.0.0.1:0" },
		{ "coap://[::]:5690", "[::]:5690" },
		{ "coap://[2001:db8::1]", "[2001:db8::1]:5683" },
		{ "coap://[fe80::1%lo]:1", "[fe80::1%lo]:1" },
		{ "coap://[fe80::1%25lo]:1", "[fe80::1%lo]:1" },
		{ "coap://[::ffff:10.0.0.1]:65535", "10.0.0.1:65535" },
	};
	char text[128], addr[ADDR_STRLEN];

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		const struct bind_conf *b;

		snprintf(text, sizeof(text), "[listen]\nbind = %s\n"
		    "[route]\nto = coap://h\n", t[i].uri);
		b = load_fine(text)->listen[0].bind;
		ck_assert_int_eq(b->scheme, COAP_SCHEME_COAP);
		ck_assert_str_eq(b->text, t[i].uri);
		ck_assert_str_eq(addr_str(&b->addr, addr), t[i].addr);
		ck_assert_ptr_null(b->fd);
		teardown();
	}
	ck_assert_str_eq(load_fine("[listen]\nbind = fd:coap.socket\n"
	    "[route]\nto = coap://h\n")->listen[0].bind->fd,
	    "coap.socket");
	teardown();
}
END_TEST

START_TEST(test_bind_any)
{
	const struct bind_conf *b;
	struct addr none = { .port = 5683 };

	load_fine("[listen]\nbind = coap://*\nbind = coap://*:77\n"
	    "[route]\nto = coap://h\n");
	ck_assert_uint_eq(l.c->listen[0].nbind, 2);
	b = l.c->listen[0].bind;
	ck_assert(addr_eq(&b[0].addr, &none));
	none.port = 77;
	ck_assert(addr_eq(&b[1].addr, &none));
}
END_TEST

/* Without any [listen] there is one. */
START_TEST(test_bind_default)
{
	load_fine("[route]\nto = coap://h\n");
	ck_assert_uint_eq(l.c->nlisten, 1);
	ck_assert_str_eq(l.c->listen[0].name, "default");
	ck_assert_uint_eq(l.c->listen[0].nbind, 1);
	ck_assert_str_eq(l.c->listen[0].bind[0].text, "coap://*:5683");
	teardown();
	load_fine("[listen a]\n[route]\nto = coap://h\n");
	ck_assert_uint_eq(l.c->nlisten, 1);
	ck_assert_str_eq(l.c->listen[0].bind[0].text, "coap://*:5683");
}
END_TEST

/* KEY = VALUE in SECTION, refused as REST says behind "'VALUE' ". */
struct refusal {
	const char *value, *rest;
};

static void
expect_all(const char *section, const char *key, const struct refusal *t,
    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char text[512], want[512];

		snprintf(text, sizeof(text), "[%s]\n%s = %s\n%s", section, key,
		    t[i].value, strcmp(section, "route") != 0 ||
		    strcmp(key, "to") == 0 ? "" : "to = coap://h\n");
		snprintf(want, sizeof(want), "t.conf:2:%zu: error: '%s' %s\n",
		    strlen(key) + 4, t[i].value, t[i].rest);
		expect_refused(text, want);
	}
}

#define LATER "is not supported by this build"
#define NOT_BIND "is not a listen address; expected for example " \
	"coap://*:5683, coap://192.0.2.1:5683, coap://[::1]:5683, fd:coap"
#define NOT_TO "is not a URI; expected for example " \
	"coap://10.0.0.11:5683/base, origin:NAME"
#define NOT_HOST "is not a host; expected for example lamp.example, " \
	"*.sensors.example, 192.0.2.1"
#define NOT_DESTINATION "is not a destination; expected for example " \
	"10.30.0.0/16, private, coap://*.plant.example"
#define NOT_DNS "is not the address of a name server; expected for example " \
	"192.0.2.53, [2001:db8::53]:53"

START_TEST(test_bind_refused)
{
	static const struct refusal t[] = {
		{ "coaps://*:5684", LATER },
		{ "coap+tcp://*", LATER },
		{ "coaps+ws://x", LATER },
		{ "http://127.0.0.1", LATER },
		{ "https://*", LATER },
		{ "fd:", NOT_BIND },
		{ "fd:a:b", NOT_BIND },
		{ "coap://*:65536", NOT_BIND },
		{ "coap://*:", NOT_BIND },
		{ "coap://", NOT_BIND },
		{ "coap:", NOT_BIND },
		{ "coap:*", NOT_BIND },
		{ "ftp://*", NOT_BIND },
		{ "*:5683", NOT_BIND },
		{ "coap://localhost", NOT_BIND },
		{ "coap://127.0.0.1/", NOT_BIND },
		{ "coap://::1", NOT_BIND },
		{ "coap://[::1", NOT_BIND },
		{ "coap://[*]", NOT_BIND },
		{ "coap://[::1]x", NOT_BIND },
		{ "coap://[::1%25]", NOT_BIND },
		{ "coap://[fe80::1%nonesuch]", NOT_BIND },
		{ "coap://127.1", NOT_BIND },
	};

	expect_all("listen", "bind", t, UNIT_COUNT(t));
}
END_TEST

START_TEST(test_to)
{
	const struct rule *r;

	r = load_fine("[route]\nto = coap://Lamp.Example:77/a%2fb/%c3%a4\n")
	    ->rules.v;
	ck_assert_int_eq(r->action, RULE_FORWARD);
	ck_assert_int_eq(r->to.scheme, COAP_SCHEME_COAP);
	ck_assert(span_eq(r->to.host.text, SPAN_LIT("lamp.example")));
	ck_assert(!r->to.host.literal);
	ck_assert_uint_eq(r->to.port, 77);
	ck_assert_uint_eq(r->to_path.n, 2);
	ck_assert(span_eq(r->to_path.seg[0], SPAN_LIT("a/b")));
	ck_assert(span_eq(r->to_path.seg[1], SPAN_LIT("\xc3\xa4")));
	teardown();
	r = load_fine("[route]\nto = coap://[2001:DB8::1]/\n")->rules.v;
	ck_assert(r->to.host.literal);
	ck_assert(span_eq(r->to.host.text, SPAN_LIT("2001:db8::1")));
	ck_assert_uint_eq(r->to.port, 5683);
	ck_assert_uint_eq(r->to_path.n, 0);
}
END_TEST

START_TEST(test_to_zone)
{
	static const char *const t[] = { "coap://[fe80::1%lo]/x",
		"coap://[fe80::1%25lo]/x" };
	char text[128], addr[ADDR_STRLEN];

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		const struct rule *r;

		snprintf(text, sizeof(text), "[route]\nto = %s\n", t[i]);
		r = load_fine(text)->rules.v;
		ck_assert_uint_ne(r->to.host.addr.scope, 0);
		ck_assert_str_eq(addr_str(&r->to.host.addr, addr),
		    "[fe80::1%lo]:0");
		ck_assert_uint_eq(r->to_path.n, 1);
		teardown();
	}
}
END_TEST

START_TEST(test_to_refused)
{
	static const struct refusal t[] = {
		{ "coaps://h", LATER },
		{ "coap+tcp://h", LATER },
		{ "https://h/x", LATER },
		{ "ftp://h", NOT_TO },
		{ "coap//h", NOT_TO },
		{ "coap:/h", NOT_TO },
		{ "coap://", NOT_TO },
		{ "coap://*", NOT_TO },
		{ "coap://h:0", NOT_TO },
		{ "coap://h:65536", NOT_TO },
		{ "coap://u@h", NOT_TO },
		{ "coap://h/%zz", NOT_TO },
		{ "coap://h#f", NOT_TO },
		{ "coap://1.2.3", NOT_TO },
		{ "coap://[::1%25nonesuch]", NOT_TO },
		{ "h", NOT_TO },
		{ "coap://h?a", "has a query, which belongs to requests" },
		{ "coap://h/a/", "ends with '/'" },
		{ "coap://h/a/%2e%2E/b", "has a segment '.' or '..'" },
	};

	expect_all("route", "to", t, UNIT_COUNT(t));
}
END_TEST

START_TEST(test_origin)
{
	const struct rule *r = load_fine("[route]\nhost = a\nto = origin:g\n"
	    "[route]\nhost = b\nto = \"origin:h i\"\n"
	    "[route]\nhost = c\nto = coap://k\n"
	    "[origin g]\nserver = coap://10.0.0.1:7/x\nconfirmable = always\n"
	    "[origin h i]\nserver = coap://j\n"
	    "[origin]\nconfirmable = never\n")->rules.v;

	ck_assert_uint_eq(r[0].to.port, 7);
	ck_assert(span_eq(r[0].to.host.text, SPAN_LIT("10.0.0.1")));
	ck_assert_uint_eq(r[0].to_path.n, 1);
	ck_assert_int_eq(r[0].confirmable, CONFIRMABLE_ALWAYS);
	ck_assert(span_eq(r[1].to.host.text, SPAN_LIT("j")));
	ck_assert_int_eq(r[1].confirmable, CONFIRMABLE_NEVER);
	ck_assert_int_eq(r[2].confirmable, CONFIRMABLE_NEVER);
}
END_TEST

START_TEST(test_references)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "[route]\nto = origin:nope\n",
			"t.conf:2: error: there is no [origin nope]\n" },
		{ "[route]\nto = origin:\n",
			"t.conf:2: error: there is no [origin ]\n" },
		{ "[origin pool]\nserver = coap://h\n"
		  "[route]\nto = origin:poll\n",
			"t.conf:4: error: there is no [origin poll]; did you "
			"mean 'pool'?\n" },
		{ "[listen public]\n[route]\nlisten = publc\nto = coap://h\n",
			"t.conf:3: error: there is no [listen publc]; did you "
			"mean 'public'?\n" },
		{ "[forward]\nlisten = x default y\n",
			"t.conf:2: error: there is no [listen x]\n"
			"t.conf:2: error: there is no [listen y]\n" },
		/* PRX-71: one origin for each mapping. */
		{ "[origin a]\nserver = coap://h weight=2\n"
		  "server = coap://i backup\n[route]\nto = origin:a\n",
			"t.conf:2:19: error: 'weight=2' is not supported by "
			"this build\n"
			"t.conf:3:10: error: 'coap://i' is a second server, "
			"which is not supported by this build\n"
			"t.conf:3:19: error: 'backup' is not supported by "
			"this build\n" },
		{ "[origin a]\nserver = coap+tcp://h\n[route]\nto = origin:a\n",
			"t.conf:2:10: error: 'coap+tcp://h' is not supported "
			"by this build\n" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		expect_refused(t[i].text, t[i].want);
}
END_TEST

START_TEST(test_listen_names)
{
	struct conf *c = load_fine("[listen a]\n[listen b c]\nbind = coap://*:1"
	    "\n[listen]\nbind = coap://*:2\n[forward]\nlisten = 3\n"
	    "[route]\nlisten = \"b c\", a\nto = coap://h\n");

	ck_assert_uint_eq(c->forward.nlisten, 1);
	ck_assert_uint_eq(c->forward.listen[0], 2);
	ck_assert_uint_eq(c->rules.v[0].nlisten, 2);
	ck_assert_uint_eq(c->rules.v[0].listen[0], 1);
	ck_assert_uint_eq(c->rules.v[0].listen[1], 0);
}
END_TEST

START_TEST(test_host)
{
	const struct rule *r = load_fine("[route]\nto = coap://h\n"
	    "host = Lamp.Example *.Sensors.example 10.0.0.1 [::1] ::2\n")
	    ->rules.v;
	static const struct {
		const char *name;
		bool literal, sub;
	} t[] = {
		{ "lamp.example", false, false },
		{ "sensors.example", false, true },
		{ "10.0.0.1", true, false },
		{ "::1", true, false },
		{ "::2", true, false },
	};

	ck_assert_uint_eq(r->nhost, UNIT_COUNT(t));
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		ck_assert(span_eq(r->host[i].name, span_str(t[i].name)));
		ck_assert(r->host[i].literal == t[i].literal);
		ck_assert(r->host[i].sub == t[i].sub);
	}
}
END_TEST

START_TEST(test_host_refused)
{
	static const struct refusal t[] = {
		{ "*", NOT_HOST },
		{ "*.", NOT_HOST },
		{ "a.*.b", NOT_HOST },
		{ "**.b", NOT_HOST },
		{ "*.10.0.0.1", NOT_HOST },
		{ "a:5683", NOT_HOST },
		{ "a/b", NOT_HOST },
		{ "10.0.0", NOT_HOST },
		{ "[::1", NOT_HOST },
	};

	expect_all("route", "host", t, UNIT_COUNT(t));
}
END_TEST

START_TEST(test_path)
{
	const struct rule *r = load_fine("[route]\nto = coap://h\n"
	    "path = /building-a/roof / /x%2Fy%25 /a//b\n")->rules.v;

	ck_assert_uint_eq(r->npath, 4);
	ck_assert_uint_eq(r->path[0].n, 2);
	ck_assert(span_eq(r->path[0].seg[0], SPAN_LIT("building-a")));
	ck_assert(span_eq(r->path[0].seg[1], SPAN_LIT("roof")));
	ck_assert_uint_eq(r->path[1].n, 0);
	ck_assert_uint_eq(r->path[2].n, 1);
	ck_assert(span_eq(r->path[2].seg[0], SPAN_LIT("x/y%")));
	ck_assert_uint_eq(r->path[3].n, 3);
	ck_assert_uint_eq(r->path[3].seg[1].n, 0);
}
END_TEST

START_TEST(test_path_refused)
{
	static const char not_path[] = "is not a path; expected for example "
				       "/building-a";
	static const struct refusal t[] = {
		{ "a", not_path },
		{ "/a?b", not_path },
		{ "/a%", not_path },
		{ "/a%2", not_path },
		{ "/a[b]", not_path },
		{ "/a/", "ends with '/'" },
		{ "//", "ends with '/'" },
		{ "/a/../b", "has a segment '.' or '..'" },
		{ "/%2e", "has a segment '.' or '..'" },
	};
	char value[300];
	struct refusal longest = { value,
		"has a segment longer than 255 octets" };

	expect_all("route", "path", t, UNIT_COUNT(t));
	memset(value, 'a', 257);
	value[0] = '/';
	value[257] = '\0';
	expect_all("route", "path", &longest, 1);
}
END_TEST

START_TEST(test_via)
{
	static const struct refusal t[] = {
		{ "coap://p/x", "has a path, which a proxy has not" },
		{ "coaps://p", LATER },
		{ "p", "is not a URI; expected for example "
			"coap://10.0.0.1:5683" },
	};
	struct conf *c = load_fine("[forward]\nvia = coap://10.0.0.9:77\n");

	ck_assert(c->has_forward && c->forward.has_via);
	ck_assert_uint_eq(c->forward.via.port, 77);
	ck_assert(c->forward.via.host.literal);
	teardown();
	ck_assert(!load_fine("[forward]\nvia =\n")->forward.has_via);
	expect_all("forward", "via", t, UNIT_COUNT(t));
}
END_TEST

START_TEST(test_destinations)
{
	const struct forward_conf *f = &load_fine("[forward]\n"
	    "allow-to = coap://*.Plant.example 10.0.0.0/8 coaps://a:77 "
	    "coap://10.30.0.0/16 coap://[2001:db8::]/32:5 "
	    "coap://[2001:db8::/32] coap://10.0.0.1:6 coap://any coap://* "
	    "coap+tcp://[::1] coap://*:* coap://a.example:*\n"
	    "deny-to = loopback coap://bad.example\n")
	    ->forward;
	static const struct {
		const char *name;	/* "": by network */
		unsigned nets, bits, port;
		enum coap_scheme scheme;
		bool sub, every;
	} t[] = {
		{ "plant.example", 0, 0, 0, COAP_SCHEME_COAP, true, false },
		{ "a", 0, 0, 77, COAP_SCHEME_COAPS, false, false },
		{ "", 1, 16, 0, COAP_SCHEME_COAP, false, false },
		{ "", 1, 32, 5, COAP_SCHEME_COAP, false, false },
		{ "", 1, 32, 0, COAP_SCHEME_COAP, false, false },
		{ "", 1, 32, 6, COAP_SCHEME_COAP, false, false },
		{ "any", 0, 0, 0, COAP_SCHEME_COAP, false, false },
		{ "", 2, 0, 0, COAP_SCHEME_COAP, false, false },
		{ "", 1, 128, 0, COAP_SCHEME_COAP_TCP, false, false },
		{ "", 2, 0, 0, COAP_SCHEME_COAP, false, true },
		{ "a.example", 0, 0, 0, COAP_SCHEME_COAP, false, true },
	};

	ck_assert_uint_eq(f->nallow_uri, UNIT_COUNT(t));
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		const struct uri_pattern *p = &f->allow_uri[i];

		ck_assert(span_eq(p->host.name, span_str(t[i].name)));
		ck_assert_uint_eq(p->net.n, t[i].nets);
		if (t[i].nets > 0)
			ck_assert_uint_eq(p->net.v[0].bits, t[i].bits);
		ck_assert_uint_eq(p->port, t[i].port);
		ck_assert_int_eq(p->scheme, t[i].scheme);
		ck_assert(p->host.sub == t[i].sub);
		ck_assert(p->every_port == t[i].every);
	}
	ck_assert_uint_eq(f->allow_to.n, 1);
	ck_assert_uint_eq(f->ndeny_uri, 1);
	ck_assert_uint_gt(f->deny_to.n, 1);
}
END_TEST

static bool
has_port(const struct forward_conf *f, unsigned port)
{
	return (f->ports[port / 8] >> port % 8 & 1) != 0;
}

/* ATK-20: what the configuration listens at or sends to. */
START_TEST(test_ports)
{
	const struct forward_conf *f = &load_fine("[listen]\n"
	    "bind = coap://127.0.0.1:5701 coap://*:0\n[forward]\n"
	    "via = coap://10.0.0.9:77\n"
	    "[route]\nto = coap://h.example:5690\n"
	    "[route]\nto = origin:x\npath = /x\n"
	    "[route]\nreply = 4.04\nmethods = PUT\n"
	    "[origin x]\nserver = coap://10.0.0.1:65535\n")->forward;
	unsigned n = 0;

	ck_assert(has_port(f, 77) && has_port(f, 5690) && has_port(f, 65535));
	ck_assert(has_port(f, 5701));
	for (unsigned port = 1; port < 65536; port++)
		n += has_port(f, port);
	ck_assert_uint_eq(n, 4);
}
END_TEST

/* ATK-19: private networks must be listed where others than their clients are
 * let in. */
START_TEST(test_private)
{
	static const struct {
		const char *from;
		bool denied;
	} t[] = {
		{ "", false },
		{ "allow-from = loopback private link-local\n", false },
		{ "allow-from = 10.1.0.0/16 192.168.1.1 fd00::/8\n", false },
		{ "allow-from = any\n", true },
		{ "allow-from = private 198.51.100.1\n", true },
		{ "allow-from = 0.0.0.0/0\n", true },
		{ "allow-from = 8.0.0.0/5\n", true },
		{ "allow-from = 2001:db8::/32\n", true },
		{ "allow-from = any\ndeny-to =\n", true },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct addr v4 = { .ip = { 10, 1, 2, 3 }, .family = 4 };
		struct addr v6 = { .ip = { 0xfd }, .family = 6 };
		const struct forward_conf *f;
		char text[100];

		snprintf(text, sizeof(text), "[forward]\n%s", t[i].from);
		f = &load_fine(text)->forward;
		ck_assert_msg((netlist_match(&f->deny_to, &v4) == 8) ==
		    t[i].denied, "row %zu", i);
		ck_assert((netlist_match(&f->deny_to, &v6) == 7) ==
		    t[i].denied);
		teardown();
	}
	load_fine("[forward]\n");
}
END_TEST

START_TEST(test_destinations_refused)
{
	static const struct refusal t[] = {
		{ "http://h", LATER },
		{ "ftp://h", NOT_DESTINATION },
		{ "coap://", NOT_DESTINATION },
		{ "coap://:5683", NOT_DESTINATION },
		{ "coap://h:0", NOT_DESTINATION },
		{ "coap://h:65536", NOT_DESTINATION },
		{ "coap://h:**", NOT_DESTINATION },
		{ "coap://:*", NOT_DESTINATION },
		{ "coap://h/", NOT_DESTINATION },
		{ "coap://10.0.0.0/33", NOT_DESTINATION },
		{ "coap://2001:db8::1", NOT_DESTINATION },
		{ "coap://[2001:db8::1", NOT_DESTINATION },
		{ "coap://[plant]", NOT_DESTINATION },
		{ "coap://a.*", NOT_DESTINATION },
		{ "plant.example", NOT_DESTINATION },
		{ "10.0.0.0/33", NOT_DESTINATION },
		{ "lopback", "is not a destination; did you mean "
			"'loopback'?" },
	};

	expect_all("forward", "allow-to", t, UNIT_COUNT(t));
}
END_TEST

START_TEST(test_dns_servers)
{
	static const struct refusal t[] = {
		{ "*", NOT_DNS },
		{ "ns.example", NOT_DNS },
		{ "192.0.2.53:x", NOT_DNS },
		{ "192.0.2.53:65536", NOT_DNS },
		{ "[::1", NOT_DNS },
	};
	static const char *const want[] = { "192.0.2.53:0", "192.0.2.53:54",
		"[2001:db8::53]:0", "[2001:db8::53]:53" };
	struct conf *c = load_fine("[dns]\nservers = 192.0.2.53 192.0.2.53:54 "
	    "2001:db8::53 [2001:db8::53]:53\n[route]\nto = coap://h\n");
	char addr[ADDR_STRLEN];

	ck_assert_uint_eq(c->dns.nservers, UNIT_COUNT(want));
	for (size_t i = 0; i < UNIT_COUNT(want); i++)
		ck_assert_str_eq(addr_str(&c->dns.servers[i], addr), want[i]);
	expect_all("dns", "servers", t, UNIT_COUNT(t));
}
END_TEST

START_TEST(test_networks)
{
	static const struct refusal t[] = {
		{ "10.20.0.0/33", "is not a network; expected for example "
			"10.0.0.0/8, 2001:db8::/32, any, loopback, private" },
		{ "privat", "is not a network; did you mean 'private'?" },
	};
	struct conf *c = load_fine("[listen]\nallow-from = 10.0.0.0/8\n"
	    "deny-from = 10.1.0.0/16 10.2.0.0/16\n[route]\nto = coap://h\n"
	    "allow-from = 192.0.2.0/24\n");

	ck_assert_uint_eq(c->listen[0].access.allow_from.n, 1);
	ck_assert_uint_eq(c->listen[0].access.deny_from.n, 2);
	ck_assert_uint_eq(c->rules.v[0].allow_from.n, 1);
	ck_assert_uint_eq(c->rules.v[0].allow_from.v[0].bits, 24);
	expect_all("listen", "allow-from", t, UNIT_COUNT(t));
}
END_TEST

Suite *
place_suite(void)
{
	Suite *s = suite_create("place");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, test_bind);
	tcase_add_test(tc, test_bind_any);
	tcase_add_test(tc, test_bind_default);
	tcase_add_test(tc, test_bind_refused);
	tcase_add_test(tc, test_to);
	tcase_add_test(tc, test_to_zone);
	tcase_add_test(tc, test_to_refused);
	tcase_add_test(tc, test_origin);
	tcase_add_test(tc, test_references);
	tcase_add_test(tc, test_listen_names);
	tcase_add_test(tc, test_host);
	tcase_add_test(tc, test_host_refused);
	tcase_add_test(tc, test_path);
	tcase_add_test(tc, test_path_refused);
	tcase_add_test(tc, test_via);
	tcase_add_test(tc, test_destinations);
	tcase_add_test(tc, test_ports);
	tcase_add_test(tc, test_private);
	tcase_add_test(tc, test_destinations_refused);
	tcase_add_test(tc, test_dns_servers);
	tcase_add_test(tc, test_networks);
	suite_add_tcase(s, tc);
	return s;
}
