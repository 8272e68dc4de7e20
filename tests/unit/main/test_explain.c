#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main/explain.h"

static struct conf *conf;

static void
load(const char *text)
{
	struct conf_report r = { 0 };

	conf = conf_load_text("t.conf", text, &r);
	ck_assert_msg(conf != NULL, "%s", r.text);
	conf_report_fini(&r);
}

static void
teardown(void)
{
	conf_free(conf);
	conf = NULL;
}

/* What is said about REQUEST from FROM at LISTEN, behind the first line. */
static void
expect(const char *request, const char *from, const char *listen,
    const char *want)
{
	struct args a = { .mode = ARGS_EXPLAIN, .explain = request,
		.from = from, .listen = listen };
	char *text = NULL, *rest;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	ck_assert_int_eq(explain_to(f, conf, &a), 0);
	fclose(f);
	ck_assert_int_eq(strncmp(text, request, strlen(request)), 0);
	rest = strchr(text, '\n');
	ck_assert_ptr_nonnull(rest);
	ck_assert_str_eq(rest + 1, want);
	free(text);
}

/* What does not fit into a request for the origin. */
START_TEST(test_too_large)
{
	enum { SEGMENTS = 80, LONG = 200 };
	char to[4 * LONG] = "[listen]\n[route]\nto = coap://a";
	char request[SEGMENTS * 21 + 20] = "GET coap://h";
	size_t n = strlen(to), k = strlen(request);

	for (int i = 0; i < 3; i++) {
		to[n++] = '/';
		memset(to + n, 'y', LONG);
		n += LONG;
	}
	for (int i = 0; i < SEGMENTS; i++) {
		request[k++] = '/';
		memset(request + k, 'x', 20);
		k += 20;
	}
	load(to);
	expect(request, NULL, NULL, "[route 1]: yes -> nowhere: the request "
	    "becomes too large\nverdict: forwarded by [route 1]\n");
}
END_TEST

START_TEST(test_routes)
{
	load("[listen lan]\n[listen wan]\nbind = coap://*:1\n"
	    "[route a]\nlisten = wan\nto = coap://a\n"
	    "[route b]\nhost = lamp.example *.x\npath = /on /off\n"
	    "methods = GET\nto = coap://10.0.0.11:77/base\n"
	    "[route c]\npath = /v1\nstrip = no\nallow-from = 10.0.0.0/8\n"
	    "to = coap://[2001:db8::1]\nas = proxy\n"
	    "[route d]\npath = /no\nreply = 4.04 \"not \\\"here\\\"\"\n");
	expect("GET coap://lamp.example/on/a%2fb?q", NULL, NULL,
	    "[route a]: no: another listener\n"
	    "[route b]: yes -> coap://10.0.0.11:77/base/a%2Fb?q\n"
	    "verdict: forwarded by [route b]\n");
	expect("GET coap://y.x/off", NULL, "lan",
	    "[route a]: no: another listener\n"
	    "[route b]: yes -> coap://10.0.0.11:77/base\n"
	    "verdict: forwarded by [route b]\n");
	expect("PUT coap://a.x/on", NULL, "wan",
	    "[route a]: yes -> coap://a/on\n"
	    "verdict: forwarded by [route a]\n");
	expect("PUT coap://a.x/on", NULL, NULL,
	    "[route a]: no: another listener\n"
	    "[route b]: no: method not among its methods\n"
	    "[route c]: no: path does not match\n"
	    "[route d]: no: path does not match\n"
	    "verdict: 4.05, all that is missing is the method\n");
	expect("GET coap://127.0.0.1/v1/x", "10.1.2.3", NULL,
	    "[route a]: no: another listener\n"
	    "[route b]: no: host does not match\n"
	    "[route c]: yes -> coap://[2001:db8::1]/v1/x, a proxy\n"
	    "verdict: forwarded by [route c]\n");
	expect("GET coap://127.0.0.1/v1/x", "192.0.2.1", NULL,
	    "[route a]: no: another listener\n"
	    "[route b]: no: host does not match\n"
	    "[route c]: yes, but not for this client\n"
	    "verdict: 4.03, [route c] does not allow the client\n");
	expect("GET coap://h/no", NULL, NULL,
	    "[route a]: no: another listener\n"
	    "[route b]: no: host does not match\n"
	    "[route c]: no: path does not match\n"
	    "[route d]: yes -> 4.04 \"not \\\"here\\\"\"\n"
	    "verdict: answered by [route d]\n");
	expect("FETCH coap://h", NULL, NULL,
	    "[route a]: no: another listener\n"
	    "[route b]: no: host does not match\n"
	    "[route c]: no: path does not match\n"
	    "[route d]: no: path does not match\n"
	    "verdict: no route takes it: one of the proxy's own resources, or "
	    "4.04\n");
	expect("GET proxy coap://h", NULL, NULL,
	    "[forward]: no: there is no such section\n"
	    "verdict: 5.05, this is not a forward proxy\n");
}
END_TEST

START_TEST(test_forward)
{
	load("[listen lan]\n[listen wan]\nbind = coap://*:1\n"
	    "[forward]\nlisten = lan\nallow-from = 10.0.0.0/8\n"
	    "allow-to = coap://*.plant.example 10.30.0.0/16\n");
	expect("GET proxy coap://a.plant.example/x", "10.0.0.1", "lan",
	    "[forward]: yes -> coap://a.plant.example\n"
	    "verdict: forwarded by [forward], if the address of the name is "
	    "allowed\n");
	expect("GET proxy coap://10.30.0.1:61616", "10.0.0.1", "lan",
	    "[forward]: yes -> coap://10.30.0.1:61616\n"
	    "verdict: forwarded by [forward]\n");
	expect("GET proxy coap://10.30.0.1:77", "10.0.0.1", "lan",
	    "[forward]: yes, but not to this port\n"
	    "verdict: 5.05, [forward] does not allow the port\n");
	expect("GET proxy coap://10.31.0.1", "10.0.0.1", "lan",
	    "[forward]: yes, but not to this target\n"
	    "verdict: 5.05, [forward] does not allow the target\n");
	expect("GET proxy coaps://10.30.0.1", "10.0.0.1", "lan",
	    "[forward]: yes, but not for this scheme\n"
	    "verdict: 5.05, the scheme is not supported\n");
	expect("GET proxy coap://10.30.0.1", NULL, "lan",
	    "[forward]: yes, but not for this client\n"
	    "verdict: 4.03, [forward] does not allow the client\n");
	expect("GET proxy coap://10.30.0.1", "10.0.0.1", "wan",
	    "[forward]: no: another listener\n"
	    "verdict: 5.05, this is not a forward proxy\n");
	/* Whoever forgot "proxy" is told what it would do. */
	expect("GET coap://10.30.0.1", "10.0.0.1", "lan",
	    "verdict: no route takes it: one of the proxy's own resources, or "
	    "4.04\n"
	    "The same as a forward request:\n"
	    "[forward]: yes -> coap://10.30.0.1\n"
	    "verdict: forwarded by [forward]\n");
}
END_TEST

START_TEST(test_forward_by_routes)
{
	load("[forward]\nroutes = yes\nvia = coap://10.9.9.9\n"
	    "[route a]\nhost = a\nmethods = GET\nto = coap://10.0.0.1\n");
	/* A rule without the method is not gone around. */
	expect("PUT proxy coap://a/x", NULL, NULL,
	    "[route a]: no: method not among its methods\n"
	    "verdict: 4.05, all that is missing is the method\n");
	expect("GET proxy coap://a/x", NULL, NULL,
	    "[route a]: yes -> coap://10.0.0.1/x\n"
	    "verdict: forwarded by [route a]\n");
	expect("GET proxy coap://b/x", NULL, NULL,
	    "[route a]: no: host does not match\n"
	    "[forward]: yes -> coap://10.9.9.9, a proxy\n"
	    "verdict: forwarded by [forward]\n");
}
END_TEST

START_TEST(test_listener_denies)
{
	load("[listen lan]\nallow-from = 10.0.0.0/8\n[route]\nto = coap://h\n");
	expect("GET coap://h", NULL, NULL,
	    "verdict: 4.03, the listener does not allow the client\n");
}
END_TEST

START_TEST(test_unreadable)
{
	static const struct {
		const char *request, *from, *listen;
	} t[] = {
		{ "", NULL, NULL },
		{ "GET", NULL, NULL },
		{ "coap://h", NULL, NULL },
		{ "2.05 coap://h", NULL, NULL },
		{ "GET http://h", NULL, NULL },
		{ "GET proxy", NULL, NULL },
		{ "GET coap://h x", NULL, NULL },
		{ "GET coap://h/%zz", NULL, NULL },
		{ "GET coap://h", "nobody", NULL },
		{ "GET coap://h", NULL, "nowhere" },
	};
	int saved = dup(STDERR_FILENO);
	FILE *away = tmpfile();

	load("[route]\nto = coap://h\n");
	ck_assert_int_ge(dup2(fileno(away), STDERR_FILENO), 0);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct args a = { .mode = ARGS_EXPLAIN,
			.explain = t[i].request, .from = t[i].from,
			.listen = t[i].listen };

		ck_assert_msg(explain_to(away, conf, &a) == 2, "%zu", i);
	}
	fflush(NULL);
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	close(saved);
	fclose(away);
}
END_TEST

Suite *
explain_suite(void)
{
	Suite *s = suite_create("explain");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, test_routes);
	tcase_add_test(tc, test_too_large);
	tcase_add_test(tc, test_forward);
	tcase_add_test(tc, test_forward_by_routes);
	tcase_add_test(tc, test_listener_denies);
	tcase_add_test(tc, test_unreadable);
	suite_add_tcase(s, tc);
	return s;
}
