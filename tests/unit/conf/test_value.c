#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
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

/* MSG-38: what is configured is what is derived from. */
START_TEST(test_numbers)
{
	struct conf *c = load_fine("[proxy]\nhop-limit = 0\ndrain = 1m\n"
	    "[message]\nack-timeout = 4s\nack-random-factor = 1.25\n"
	    "max-retransmit = 2\nempty-ack-delay = 0\nmax-exchanges = 7\n"
	    "max-upstream-ports = 1\n[dns]\ntimeout = 1h\nmin-ttl = 0\n"
	    "max-ttl = 7d\n[route]\nto = coap://h\ntimeout = 250ms\n");

	ck_assert_uint_eq(c->hop_limit, 0);
	ck_assert_uint_eq(c->drain_ms, 60000);
	ck_assert_uint_eq(c->message.ack_timeout, 4000);
	ck_assert_uint_eq(c->message.ack_random_factor, 1250);
	ck_assert_uint_eq(c->message.max_retransmit, 2);
	ck_assert_uint_eq(c->message.empty_ack_delay, 0);
	ck_assert_uint_eq(c->message.max_exchanges, 7);
	ck_assert_uint_eq(c->message.max_transmit_span, 15000);
	ck_assert_uint_eq(c->max_upstream_ports, 1);
	ck_assert_uint_eq(c->dns.timeout_ms, 3600000);
	ck_assert_uint_eq(c->dns.min_ttl_ms, 0);
	ck_assert_uint_eq(c->dns.max_ttl_ms, UINT64_C(604800000));
	ck_assert_uint_eq(c->rules.v[0].timeout_ms, 250);
}
END_TEST

START_TEST(test_sizes)
{
	struct conf *c = load_fine("[cache]\nsize = 2G\nmax-entry = 64K\n"
	    "max-age = 2h\n[route]\nto = coap://h\ncache = no\n");

	ck_assert_uint_eq(c->cache.size, (size_t)2 << 30);
	ck_assert_uint_eq(c->cache.max_entry, 64 << 10);
	ck_assert_uint_eq(c->cache.max_age, 7200);
	ck_assert(!c->rules.v[0].cache);
	teardown();
	c = load_fine("[cache]\nsize = 0\nmax-entry = 1000\nmax-age = 0\n"
	    "[route]\nto = coap://h\n");
	ck_assert_uint_eq(c->cache.size, 0);
	ck_assert_uint_eq(c->cache.max_entry, 1000);
	ck_assert_uint_eq(c->cache.max_age, 0);
}
END_TEST

/* Off unless the section is there; a socket only by name. */
START_TEST(test_admin)
{
	struct conf *c = load_fine("[route]\nto = coap://h\n");
	struct addr a;

	ck_assert_uint_eq(c->metrics.family, 0);
	ck_assert_ptr_null(c->control);
	teardown();
	c = load_fine("[route]\nto = coap://h\n[metrics]\n[control]\n"
	    "socket =\n");
	ck_assert(addr_parse_ip(&a, SPAN_LIT("127.0.0.1"), false));
	a.port = 9683;
	ck_assert(addr_eq(&c->metrics, &a));
	ck_assert_ptr_null(c->control);
	teardown();
	c = load_fine("[route]\nto = coap://h\n[metrics]\n"
	    "bind = http://[::1]:0\n[control]\nsocket = /run/x\n");
	ck_assert_uint_eq(c->metrics.family, 6);
	ck_assert_uint_eq(c->metrics.port, 0);
	ck_assert_str_eq(c->control, "/run/x");
}
END_TEST

/* The bounds reach everybody who keeps to them. */
START_TEST(test_observe)
{
	struct conf *c = load_fine("[observe]\nmax-observers = 0\n"
	    "max-per-client = 1\nlinger = 0\nconfirmable-every = 1\n"
	    "[route]\nto = coap://h\nobserve = no\n");

	ck_assert_uint_eq(c->observe.max_observers, 0);
	ck_assert_uint_eq(c->message.max_observers, 0);
	ck_assert_uint_eq(c->observe.max_per_client, 1);
	ck_assert_uint_eq(c->message.max_per_client, 1);
	ck_assert_uint_eq(c->observe.linger_ms, 0);
	ck_assert_uint_eq(c->message.confirmable_every, 1);
	ck_assert(!c->rules.v[0].observe);
	teardown();
	c = load_fine("[observe]\nmax-observers = 16777216\n"
	    "max-per-client = 7\nlinger = 1h\nconfirmable-every = 255\n"
	    "[route]\nto = coap://h\nobserve = yes\n");
	ck_assert_uint_eq(c->observe.max_observers, 1 << 24);
	ck_assert_uint_eq(c->message.max_observers, 1 << 24);
	ck_assert_uint_eq(c->observe.max_per_client, 7);
	ck_assert_uint_eq(c->message.max_per_client, 7);
	ck_assert_uint_eq(c->observe.linger_ms, 3600000);
	ck_assert_uint_eq(c->message.confirmable_every, 255);
	ck_assert(c->rules.v[0].observe);
}
END_TEST

START_TEST(test_words)
{
	struct conf *c = load_fine("[log]\nlevel = debug\ntarget = /x/y\n"
	    "[origin]\nconfirmable = never\n[forward]\nroutes = yes\n"
	    "[route]\nhost = a\nto = coap://h\nas = proxy\nstrip = no\n"
	    "send-host = target\n"
	    "[route]\nhost = b\nto = coap://h\nsend-host = Lamp.Example\n"
	    "[route]\nhost = c\nto = coap://h\nsend-host = none\n");
	const struct rule *r = c->rules.v;

	ck_assert_int_eq(c->log_level, LOG_DEBUG);
	ck_assert_str_eq(c->log_target, "/x/y");
	ck_assert(c->forward.routes);
	ck_assert_int_eq(c->forward.confirmable, CONFIRMABLE_NEVER);
	ck_assert(r[0].as_proxy && !r[1].as_proxy);
	ck_assert(!r[0].strip && r[1].strip);
	ck_assert_int_eq(r[0].send_host, SEND_HOST_TARGET);
	ck_assert_int_eq(r[1].send_host, SEND_HOST_NAME);
	ck_assert(span_eq(r[1].send_host_name, SPAN_LIT("lamp.example")));
	ck_assert_int_eq(r[2].send_host, SEND_HOST_NONE);
}
END_TEST

START_TEST(test_log)
{
	static const char *const levels[] = { "error", "warn", "info",
		"debug" };

	for (unsigned i = 0; i < UNIT_COUNT(levels); i++) {
		char text[64];

		snprintf(text, sizeof(text), "[log]\nlevel = %s\n"
		    "[route]\nto = coap://h\n", levels[i]);
		ck_assert_uint_eq(load_fine(text)->log_level, i);
		ck_assert_ptr_null(l.c->log_target);
		ck_assert_str_eq(log_level_name((enum log_level)i), levels[i]);
		teardown();
	}
}
END_TEST

START_TEST(test_name)
{
	ck_assert_str_eq(load_fine("[proxy]\nname = GW1.Example\n"
	    "own-names = A.example, b 10.0.0.1 [2001:DB8::1]\n"
	    "[route]\nto = coap://h\n")->name, "gw1.example");
	ck_assert_uint_eq(l.c->nown_names, 4);
	ck_assert(span_eq(l.c->own_names[0], SPAN_LIT("a.example")));
	ck_assert(span_eq(l.c->own_names[1], SPAN_LIT("b")));
	ck_assert(span_eq(l.c->own_names[2], SPAN_LIT("10.0.0.1")));
	ck_assert(span_eq(l.c->own_names[3], SPAN_LIT("2001:db8::1")));
	teardown();
	/* The host's. */
	ck_assert_uint_gt(strlen(load_fine("[route]\nto = coap://h\n")->name),
	    0);
	ck_assert_ptr_null(strchr(l.c->name, ' '));
}
END_TEST

START_TEST(test_methods)
{
	struct conf *c = load_fine("[route]\npath = /a\nto = coap://h\n"
	    "methods = GET, fetch iPATCH\nmethods = 0.31\n"
	    "[route]\nto = coap://h\n");

	ck_assert_uint_eq(c->rules.v[0].methods,
	    1u << COAP_GET | 1u << COAP_FETCH | 1u << COAP_IPATCH | 1u << 31);
	ck_assert_uint_eq(c->rules.v[1].methods, 0);
}
END_TEST

START_TEST(test_reply)
{
	struct conf *c = load_fine("[route]\npath = /a\n"
	    "reply = 4.04 \"no such host\"\n[route]\nreply = 4.03\n");
	const struct rule *r = c->rules.v;

	ck_assert_int_eq(r[0].action, RULE_REPLY);
	ck_assert_uint_eq(r[0].reply_code, COAP_404);
	ck_assert(span_eq(r[0].reply_text, SPAN_LIT("no such host")));
	ck_assert_int_eq(r[1].action, RULE_REPLY);
	ck_assert_uint_eq(r[1].reply_code, COAP_403);
	ck_assert_uint_eq(r[1].reply_text.n, 0);
}
END_TEST

START_TEST(test_refused)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "[proxy]\nhop-limit = 256", "2:13: error: '256' is not "
			"between 0 and 255" },
		{ "[proxy]\nhop-limit = -1", "2:13: error: '-1' is not a "
			"number; expected for example 16" },
		{ "[proxy]\nname = \"a b\"", "2:8: error: 'a b' is not a name; "
			"expected for example gw1, without blanks" },
		{ "[route]\nto = coap://h\ntimeout = 0", "3:11: error: '0' is "
			"not between 1ms and 86400s" },
		{ "[forward]\ntimeout = 0s", "2:11: error: '0s' is not "
			"between 1ms and 86400s" },
		{ "[cache]\nsize = 2000G", "2:8: error: '2000G' is not "
			"between 0 and 1024G" },
		{ "[cache]\nmax-entry = 1x", "2:13: error: '1x' is not a "
			"size; expected for example 64K, 16M, 1G" },
		{ "[cache]\nmax-age = 1500ms", "2:11: error: '1500ms' is not "
			"whole seconds" },
		{ "[cache]\nmax-age = 366d", "2:11: error: '366d' is not "
			"between 0 and 31536000s" },
		{ "[message]\nack-random-factor = 11", "2:21: error: '11' is "
			"not between 0.0 and 10.0" },
		{ "[observe]\nmax-observers = 16777217", "2:17: error: "
			"'16777217' is not between 0 and 16777216" },
		{ "[observe]\nmax-per-client = 0", "2:18: error: '0' is not "
			"between 1 and 1048576" },
		{ "[observe]\nlinger = 2h", "2:10: error: '2h' is not "
			"between 0 and 3600s" },
		{ "[metrics]\nbind = http://localhost:1", "2:8: error: "
			"'http://localhost:1' is not an address for HTTP; "
			"expected for example http://127.0.0.1:9683, "
			"http://[::1]:9683" },
		{ "[metrics]\nbind = http://*:1", "2:8: error: "
			"'http://*:1' is not an address for HTTP; "
			"expected for example http://127.0.0.1:9683, "
			"http://[::1]:9683" },
		{ "[metrics]\nbind = coap://127.0.0.1:1", "2:8: error: "
			"'coap://127.0.0.1:1' is not an address for HTTP; "
			"expected for example http://127.0.0.1:9683, "
			"http://[::1]:9683" },
		{ "[control]\nsocket = run/x", "2:10: error: 'run/x' is not "
			"the path of a socket; expected for example "
			"/run/coaproxy/control" },
		{ "[control]\nsocket = /"
			"0123456789012345678901234567890123456789012345678901"
			"0123456789012345678901234567890123456789012345678901"
			"012", "2:10: error: '/"
			"0123456789012345678901234567890123456789012345678901"
			"0123456789012345678901234567890123456789012345678901"
			"012' is too long for a socket" },
		{ "[observe]\nconfirmable-every = 0", "2:21: error: '0' is "
			"not between 1 and 255" },
		{ "[route]\nto = coap://h\nobserve = maybe", "3:11: error: "
			"'maybe' is not yes or no; expected yes or no" },
		{ "[log]\nlevel = inof", "2:9: error: 'inof' is not a log "
			"level; did you mean 'info'?" },
		{ "[log]\naccess = 1/0", "2:10: error: '1/0' is not between "
			"1/1 and 1/4294967295" },
		{ "[log]\naccess = 2/3", "2:10: error: '2/3' is not a choice "
			"of requests; expected off, errors, all, or for "
			"example 1/100" },
		{ "[log]\naccess = error", "2:10: error: 'error' is not a "
			"choice of requests; did you mean 'errors'?" },
		{ "[log]\nformat = xml", "2:10: error: 'xml' is not a log "
			"format; expected text, logfmt or json" },
		{ "[origin]\nconfirmable = allways", "2:15: error: 'allways' "
			"is not a way to send requests; did you mean "
			"'always'?" },
		{ "[route]\nto = coap://h\nmethods = GET PUTT", "3:15: error: "
			"'PUTT' is not a method; did you mean 'PUT'?" },
		{ "[route]\nto = coap://h\nmethods = 2.05", "3:11: error: "
			"'2.05' is not a method; expected for example GET, "
			"FETCH" },
		{ "[route]\nreply = 2.03", "2:9: error: '2.03' is not a "
			"response code; expected for example 4.04 \"no such "
			"host\"" },
		{ "[route]\nreply = GET", "2:9: error: 'GET' is not a "
			"response code; expected for example 4.04 \"no such "
			"host\"" },
		{ "[route]\nreply = 1.00", "2:9: error: '1.00' is not a "
			"response code; expected for example 4.04 \"no such "
			"host\"" },
		{ "[route]\nto = coap://h\nas = origni", "3:6: error: 'origni' "
			"is not a kind of next hop; did you mean 'origin'?" },
		{ "[route]\nto = coap://h\nstrip = true", "3:9: error: 'true' "
			"is not yes or no; expected yes or no" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		char want[300];

		snprintf(want, sizeof(want), "t.conf:%s\n", t[i].want);
		expect_refused(t[i].text, want);
	}
}
END_TEST

/* What came from a file is not shown, not even when it is wrong. */
START_TEST(test_secret)
{
	static const char want[] = "t.conf:2:13: error: '****' is not a "
	    "number; expected for example 16\n";

	l = load_string("[proxy]\nhop-limit = ${file:/proc/self/comm}\n");
	ck_assert_ptr_null(l.c);
	ck_assert_msg(strncmp(l.r.text, want, sizeof(want) - 1) == 0, "%s",
	    l.r.text);
}
END_TEST

/* Behind words there is no default to be cleared. */
START_TEST(test_empty_behind_words)
{
	static const char warning[] = "t.conf:3:1: warning: 'deny-to' is empty "
	    "here, which clears the default only; what was written before "
	    "stays\n";
	struct loading m = load_string("[forward]\ndeny-to = 10.0.0.0/8\n"
	    "deny-to =\ndeny-to = 192.0.2.1\n");

	ck_assert_ptr_nonnull(m.c);
	ck_assert_uint_eq(m.c->forward.deny_to.n, 2);
	unload(&m);
	expect_warned("[forward]\ndeny-to = 10.0.0.0/8\ndeny-to =\n", warning);
	expect_fine("[forward]\ndeny-to =\ndeny-to = 10.0.0.0/8\n");
}
END_TEST

/* A list that is given replaces the default whole; an empty one clears it. */
START_TEST(test_lists)
{
	static const struct {
		const char *text;
		size_t n;
	} t[] = {
		{ "", 3 },	/* loopback alone is four networks, ... */
		{ "deny-to = 10.0.0.0/8", 1 },
		{ "deny-to = 10.0.0.0/8, 192.0.2.1 2001:db8::/32", 3 },
		{ "deny-to = 10.0.0.0/8\ndeny-to = 192.0.2.1", 2 },
		{ "deny-to =", 0 },
		{ "deny-to =\ndeny-to = 10.0.0.0/8", 1 },
		{ "deny-to =\ndeny-to =", 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		char text[128];

		snprintf(text, sizeof(text), "[forward]\n%s\n", t[i].text);
		load_fine(text);
		if (i > 0)
			ck_assert_uint_eq(l.c->forward.deny_to.n, t[i].n);
		else
			ck_assert_uint_gt(l.c->forward.deny_to.n, t[i].n);
		teardown();
	}
}
END_TEST

START_TEST(test_access_log)
{
	static const struct {
		const char *text;
		enum trail_which which;
		uint32_t one_of;
	} t[] = {
		{ "off", TRAIL_OFF, 1 },
		{ "errors", TRAIL_ERRORS, 1 },
		{ "all", TRAIL_ALL, 1 },
		{ "1/1", TRAIL_ALL, 1 },
		{ "1/100", TRAIL_ALL, 100 },
		{ "1/4294967295", TRAIL_ALL, UINT32_MAX },
	};
	static const char *const formats[] = { "text", "logfmt", "json" };
	char text[128];

	ck_assert_int_eq(load_fine("[listen a]\n")->log_access.which,
	    TRAIL_ERRORS);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		const struct conf *c;

		snprintf(text, sizeof(text), "[log]\naccess = %s\n",
		    t[i].text);
		teardown();
		c = load_fine(text);
		ck_assert_int_eq(c->log_access.which, t[i].which);
		ck_assert_uint_eq(c->log_access.one_of, t[i].one_of);
	}
	for (unsigned i = 0; i < UNIT_COUNT(formats); i++) {
		snprintf(text, sizeof(text), "[log]\nformat = %s\n",
		    formats[i]);
		teardown();
		ck_assert_uint_eq(load_fine(text)->log_format, i);
	}
	teardown();
}
END_TEST

START_TEST(test_rate)
{
	static const struct {
		const char *text;
		uint32_t per_second, burst;
	} t[] = {
		{ "off", 0, 0 },
		{ "50/s", 50, 50 },
		{ "50/s burst 100", 50, 100 },
		{ "50/s per client", 50, 50 },
		{ "50/s burst 100 per client", 50, 100 },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		const struct rate *r;
		char text[128];

		snprintf(text, sizeof(text), "[listen a]\nrate-limit = %s\n",
		    t[i].text);
		r = &load_fine(text)->listen[0].access.rate;
		ck_assert_uint_eq(r->per_second, t[i].per_second);
		ck_assert_uint_eq(r->burst, t[i].burst);
		teardown();
	}
}
END_TEST

START_TEST(test_rate_refused)
{
	static const char *const t[] = {
		"0/s", "50", "50/m", "/s", "1000001/s", "off burst 5",
		"50/s burst", "50/s burst 0", "50/s burst x", "50/s per",
		"50/s per host", "50/s per client burst 5", "50/s 100",
		"50/s burst 5 per", "50/s burst 5 client per",
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		char text[128];

		snprintf(text, sizeof(text), "[listen a]\nrate-limit = %s\n",
		    t[i]);
		l = load_string(text);
		ck_assert_msg(l.c == NULL, "%s", t[i]);
		ck_assert_msg(strstr(l.r.text, "is not a rate") != NULL, "%s",
		    l.r.text);
		teardown();
	}
}
END_TEST

/* ATK-10: the modes, and who is exempt. */
START_TEST(test_amplification)
{
	static const struct {
		const char *text;
		enum amplification want;
		bool loopback, public;	/* exempt */
	} t[] = {
		{ "", AMPLIFICATION_ECHO, true, false },
		{ "amplification = echo\n", AMPLIFICATION_ECHO, true, false },
		{ "amplification = blocks\namplification-exempt =\n",
			AMPLIFICATION_BLOCKS, false, false },
		{ "amplification = off\n", AMPLIFICATION_OFF, true, false },
		{ "amplification-exempt = 192.0.2.0/24, private\n"
		  "amplification-exempt = 2001:db8::/32\n",
			AMPLIFICATION_ECHO, false, true },
	};
	struct addr loopback, public;

	ck_assert(addr_parse_ip(&loopback, SPAN_LIT("::1"), false));
	ck_assert(addr_parse_ip(&public, SPAN_LIT("192.0.2.7"), false));
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		const struct access *a;
		char text[200];

		snprintf(text, sizeof(text), "[listen a]\n%s", t[i].text);
		a = &load_fine(text)->listen[0].access;
		ck_assert_int_eq(a->amplification, t[i].want);
		ck_assert((netlist_match(&a->exempt, &loopback) >= 0) ==
		    t[i].loopback);
		ck_assert((netlist_match(&a->exempt, &public) >= 0) ==
		    t[i].public);
		teardown();
	}
}
END_TEST

START_TEST(test_amplification_refused)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "amplification = ecko", "t.conf:2:17: error: 'ecko' is not "
			"an amplification limit; did you mean 'echo'?" },
		{ "amplification = on", "t.conf:2:17: error: 'on' is not an "
			"amplification limit; expected echo, blocks or off" },
		{ "amplification =", "t.conf:2:1: error: 'amplification' has "
			"no value; expected echo, blocks or off" },
		{ "amplification-exempt = 10.0.0.0/8 me", "t.conf:2:35: error: "
			"'me' is not a network" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		char text[200];

		snprintf(text, sizeof(text), "[listen]\n%s\n", t[i].text);
		l = load_string(text);
		ck_assert(l.c == NULL);
		ck_assert_msg(strstr(l.r.text, t[i].want) != NULL, "%s",
		    l.r.text);
		teardown();
	}
}
END_TEST

Suite *
value_suite(void)
{
	Suite *s = suite_create("value");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, test_numbers);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_observe);
	tcase_add_test(tc, test_admin);
	tcase_add_test(tc, test_words);
	tcase_add_test(tc, test_log);
	tcase_add_test(tc, test_name);
	tcase_add_test(tc, test_methods);
	tcase_add_test(tc, test_reply);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_secret);
	tcase_add_test(tc, test_lists);
	tcase_add_test(tc, test_empty_behind_words);
	tcase_add_test(tc, test_access_log);
	tcase_add_test(tc, test_rate);
	tcase_add_test(tc, test_rate_refused);
	tcase_add_test(tc, test_amplification);
	tcase_add_test(tc, test_amplification_refused);
	suite_add_tcase(s, tc);
	return s;
}
