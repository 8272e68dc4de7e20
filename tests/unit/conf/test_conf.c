#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loading.h"

START_TEST(test_defaults)
{
	struct loading l = load_string("[forward]\n[route]\nto = coap://h\n");
	const struct conf *c = l.c;
	const struct rule *r;

	ck_assert_msg(c != NULL, "%s", l.r.text);
	ck_assert_uint_eq(c->nown_names, 0);
	ck_assert_uint_eq(c->hop_limit, 16);
	ck_assert_uint_eq(c->drain_ms, 5000);
	ck_assert(c->has_forward);
	ck_assert_uint_eq(c->forward.nlisten, 0);
	ck_assert_uint_gt(c->forward.allow_from.n, 4);
	ck_assert_uint_eq(c->forward.deny_from.n, 0);
	ck_assert_uint_eq(c->forward.allow_to.n, 2);
	ck_assert_uint_gt(c->forward.deny_to.n, 4);
	ck_assert(!c->forward.routes && !c->forward.has_via);
	ck_assert_uint_eq(c->forward.timeout_ms, 90000);
	ck_assert_int_eq(c->forward.confirmable, CONFIRMABLE_AS_CLIENT);
	ck_assert_uint_eq(c->rules.n, 1);
	r = c->rules.v;
	ck_assert_str_eq(r->name, "1");
	ck_assert_uint_eq(r->nlisten + r->nhost + r->npath + r->methods, 0);
	ck_assert(r->strip && !r->as_proxy);
	ck_assert_int_eq(r->send_host, SEND_HOST_KEEP);
	ck_assert_uint_eq(r->allow_from.n, 2);
	ck_assert_uint_eq(r->timeout_ms, 90000);
	ck_assert_uint_eq(c->message.exchange_lifetime, 247000);
	ck_assert_uint_eq(c->max_upstream_ports, 64);
	ck_assert_int_eq(c->log_level, LOG_INFO);
	ck_assert_ptr_null(c->log_target);
	ck_assert_uint_eq(c->dns.nservers, 0);
	ck_assert_uint_eq(c->dns.timeout_ms, 5000);
	ck_assert_uint_eq(c->dns.min_ttl_ms, 30000);
	ck_assert_uint_eq(c->dns.max_ttl_ms, 300000);
	ck_assert_uint_eq(c->cache.size, 64 << 20);
	ck_assert_uint_eq(c->cache.max_entry, 1 << 20);
	ck_assert_uint_eq(c->cache.max_age, 86400);
	ck_assert(r->cache);
	ck_assert_uint_eq(c->observe.max_observers, 100000);
	ck_assert_uint_eq(c->observe.max_per_client, 32);
	ck_assert_uint_eq(c->observe.linger_ms, 5000);
	ck_assert_uint_eq(c->message.confirmable_every, 5);
	ck_assert_uint_eq(c->message.max_observers, 100000);
	ck_assert_uint_eq(c->message.max_per_client, 32);
	ck_assert(r->observe);
	unload(&l);
}
END_TEST

START_TEST(test_no_forward)
{
	struct loading l = load_string("[route]\nto = coap://h\n");

	ck_assert_ptr_nonnull(l.c);
	ck_assert(!l.c->has_forward);
	ck_assert_uint_eq(l.r.errors + l.r.warnings, 0);
	unload(&l);
}
END_TEST

START_TEST(test_counts)
{
	struct loading l = load_string("[log]\nx = y\nlevel = z\n");

	ck_assert_ptr_null(l.c);
	ck_assert_uint_eq(l.r.errors, 2);
	ck_assert_ptr_nonnull(strstr(l.r.text, "\nt.conf: 2 errors\n"));
	unload(&l);
	l = load_string("");
	ck_assert_ptr_nonnull(l.c);
	ck_assert_uint_eq(l.r.errors, 0);
	ck_assert_uint_eq(l.r.warnings, 1);
	unload(&l);
	conf_free(NULL);
}
END_TEST

START_TEST(test_examples)
{
	static const char *const names[] = { "1-forward-acl.conf",
		"2-vhosts.conf", "3-subdomain.conf", "4-paths.conf",
		"8-minimal.conf", "10-links.conf" };

	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		struct loading l = load_example(names[i]);

		ck_assert_msg(l.c != NULL && l.r.warnings == 0, "%s",
		    l.r.text);
		unload(&l);
	}
}
END_TEST

/* Keys of later work are the only thing wrong with these. */
START_TEST(test_later_examples)
{
	static const struct {
		const char *text;
		unsigned errors;
	} t[] = { {
		"[listen public]\nbind = coap://*:5683 coaps://*:5684\n"
		"tls  = edge\n"
		"proxy-protocol-from = 10.0.0.0/24\n"
		"[origin core]\nserver = coap+tcp://10.0.1.1\n"
		"server  = coap+tcp://10.0.1.2\nbalance = hash-uri\n"
		"check   = ping every 2s\n"
		"[route all]\nto = origin:core\nas = proxy\n"
		"[tls edge]\ncert    = /etc/coaproxy/tls/edge.pem\n"
		"tickets = ${file:/etc/coaproxy/keys/tickets}\n", 8 }, {
		"[listen web]\nbind = http://127.0.0.1:8080\n"
		"[route telemetry]\nlisten = web\npath = /ingest\n"
		"to = https://api.example.com/v2/ingest\n"
		"[cache]\nsize = 64M\n[observe]\nlinger = 5s\n"
		"[metrics]\nbind = http://127.0.0.1:9683\n", 2 },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct loading l = load_string(t[i].text);
		char *got = gist(l.r.text);
		unsigned n = 0;

		for (const char *p = got; *p != '\0'; p = strchr(p, '\n') + 1) {
			size_t len = strcspn(p, "\n");

			ck_assert_msg(memmem(p, len,
			    "not supported by this build", 27) != NULL, "%s",
			    p);
			n++;
		}
		ck_assert_uint_eq(n, l.r.errors);
		ck_assert_uint_eq(n, t[i].errors);
		free(got);
		unload(&l);
	}
}
END_TEST

/* The line of REPORT that begins with PLACE and says TEXT, maybe followed by
 * an example. */
static void
expect_line(const char *report, const char *place, const char *text)
{
	char want[512];
	const char *found;

	snprintf(want, sizeof(want), "%s: error: %s", place, text);
	found = strstr(report, want);
	ck_assert_msg(found != NULL, "no %s in\n%s", want, report);
	ck_assert(found == report || found[-1] == '\n');
	found += strlen(want);
	ck_assert_msg(*found == '\n' || strncmp(found, "; expected ", 11) == 0,
	    "%s goes on with %.40s", want, found);
}

START_TEST(test_bad)
{
	struct loading l = load_example("bad.conf");
	FILE *f = fopen(CONF_EXAMPLES "/bad.expected", "r");
	char line[256], *got = gist(l.r.text);
	unsigned n = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_null(l.c);
	while (fgets(line, sizeof(line), f) != NULL) {
		size_t place = strcspn(line, " ");
		char *text = line + place + strspn(line + place, " ");

		line[place] = '\0';
		text[strcspn(text, "\n")] = '\0';
		expect_line(got, line, text);
		n++;
	}
	fclose(f);
	ck_assert_uint_eq(n, 9);
	ck_assert_uint_eq(l.r.errors, n);
	free(got);
	unload(&l);
}
END_TEST

/* As interface and manual show it. */
START_TEST(test_bad_look)
{
	struct loading l = load_example("bad.conf");
	static const char *const parts[] = {
		"bad.conf:2:1: error: [listen] has no setting 'bnid'; did you "
		"mean 'bind'?\n"
		"      2 | bnid = coap://*:5683\n"
		"        | ^\n",
		"bad.conf:8:11: error: '20x' is not a duration; expected for "
		"example 500ms, 20s, 5m, 1h\n"
		"      8 | timeout = 20x\n"
		"        |           ^\n",
		"\nbad.conf:11: error: there is no [origin nope]\nbad.conf:13:",
		"        | ^\nbad.conf: 9 errors\n",
	};

	for (size_t i = 0; i < UNIT_COUNT(parts); i++)
		ck_assert_msg(strstr(l.r.text, parts[i]) != NULL,
		    "no\n%s in\n%s", parts[i], l.r.text);
	unload(&l);
}
END_TEST

/* A configuration cut anywhere is refused or not, but never read beyond its
 * end; the same with an octet changed. */
START_TEST(test_cut_and_changed)
{
	static const char good[] = "[proxy]\nname = \"g\\x41$$\"\n"
	    "[listen a]\nbind = coap://[::1]:5683, coap://*:1 # c\n"
	    "[route b]\nhost = *.x.example 10.0.0.1\npath = /a%2f/b\n"
	    "reply = 4.04 \"t\"\n[forward]\nallow-to = coap://10.0.0.0/8\n"
	    "[origin o]\nserver = coap://[fe80::1%25lo]/p\n";

	for (size_t i = 0; i < sizeof(good); i++) {
		static const char other[] = "\x01 \"$[]=:/%#\n\xff";
		struct loading l;
		char text[sizeof(good)];

		memcpy(text, good, sizeof(good));
		for (size_t j = 0; j < sizeof(other); j++) {
			text[i] = other[j];
			text[sizeof(good) - 1] = '\0';
			l = load_string(text);
			/* Refused is refused with a reason. */
			ck_assert((l.c == NULL) == (l.r.errors > 0));
			unload(&l);
		}
	}
}
END_TEST

Suite *
conf_suite(void)
{
	Suite *s = suite_create("conf");
	TCase *tc = tcase_create("core");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_defaults);
	tcase_add_test(tc, test_no_forward);
	tcase_add_test(tc, test_counts);
	tcase_add_test(tc, test_examples);
	tcase_add_test(tc, test_later_examples);
	tcase_add_test(tc, test_bad);
	tcase_add_test(tc, test_bad_look);
	tcase_add_test(tc, test_cut_and_changed);
	suite_add_tcase(s, tc);
	return s;
}
