#include "proxy/local.h"

#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct addr client;
static struct rules rules;

#define CORE "Uri-Path=\".well-known\" Uri-Path=\"core\""

static const char *
ask(const char *text)
{
	static uint8_t scratch[LOCAL_REPLY_MAX];
	static char out[2048];
	struct coap_msg m = message(text);
	const struct redirect_query q = { .msg = &m, .client = &client,
		.host = host("192.0.2.1") };
	struct reply reply;

	local_answer(&reply, &q, &rules, SPAN_LIT("\1"), scratch);
	snprintf(out, sizeof(out), "%s %.*s",
	    dump(reply.code, reply.opts, SPAN_LIT("")), (int)reply.payload.n,
	    reply.payload.n > 0 ? (const char *)reply.payload.p : "");
	return out;
}

/* PRX-34, PRX-35, PRX-57: what is there, and what is not. */
START_TEST(answers)
{
	static const struct {
		const char *request, *want;
	} rows[] = {
		{ "CON GET " CORE, "2.05 ETag=01 Content-Format=40 " },
		{ "CON GET", "4.04 " },
		{ "CON GET Uri-Path=\"x\"", "4.04 " },
		{ "CON GET Uri-Path=\".well-known\"", "4.04 " },
		{ "CON GET " CORE " Uri-Path=\"\"", "4.04 " },
		{ "CON GET Uri-Path=\".well-known/core\"", "4.04 " },
		{ "CON PUT " CORE " payload=\"x\"", "4.05 " },
		{ "CON GET " CORE " opt65001=\"x\"", "4.02 " },
		{ "CON GET " CORE " opt65003=\"x\"", "4.02 " },
		{ "CON GET Uri-Path=\"x\" opt65001=\"x\"", "4.02 " },
		{ "CON GET If-Match=01 " CORE, "4.02 " },
		{ "CON GET OSCORE=01 " CORE, "4.02 " },
		{ "CON GET " CORE " opt65000=\"x\" opt65002=\"x\"",
			"2.05 ETag=01 Content-Format=40 " },
		{ "CON GET " CORE " Hop-Limit=1",
			"2.05 ETag=01 Content-Format=40 " },
		{ "CON GET " CORE " Accept=40",
			"2.05 ETag=01 Content-Format=40 " },
		{ "CON GET " CORE " Accept=0", "4.06 " },
		{ "CON GET " CORE " Block2=0/0/64",
			"2.05 ETag=01 Content-Format=40 Block2=0/0/64 " },
		{ "CON GET " CORE " Block2=1/0/64", "4.00 " },
	};

	rules = (struct rules){ .n = 0 };
	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_str_eq(ask(rows[i].request), rows[i].want);
	fixture_free();
}
END_TEST

/* PRX-73: what leads somewhere and may be used, under its public path. */
START_TEST(links)
{
	struct path a = path("a"), b[] = { path("b/c d"), path("") };
	struct host_pattern other = { .name = SPAN_LIT("other.example") };
	struct netlist any = networks("any");
	struct rule v[] = {
		{ .path = &a, .npath = 1, .allow_from = any,
			.methods = 1u << COAP_PUT },
		{ .path = b, .npath = 2, .allow_from = any },
		{ .allow_from = any },			/* no path */
		{ .path = &a, .npath = 1, .allow_from = any,
			.action = RULE_REPLY },
		{ .path = &a, .npath = 1, .allow_from = any,
			.deny_from = networks("192.0.2.101") },
		{ .path = &a, .npath = 1, .allow_from = any, .host = &other,
			.nhost = 1 },
	};

	client = address("192.0.2.101", 1);
	rules = (struct rules){ v, UNIT_COUNT(v) };
	ck_assert_str_eq(ask("CON GET " CORE),
	    "2.05 ETag=01 Content-Format=40 </a>,</b/c%20d>,</>");
	fixture_free();
}
END_TEST

/* A list of any length goes in blocks that fit together. */
START_TEST(long_list)
{
	enum { N = 300 };
	static struct rule v[N];
	static char names[N][16];
	static char all[16384], want[16384];
	struct netlist any = networks("any");
	char request[128];
	size_t n = 0, got = 0;

	all[0] = want[0] = '\0';
	for (size_t i = 0; i < N; i++) {
		struct path *p = calloc(1, sizeof(*p));

		ck_assert_ptr_nonnull(p);
		snprintf(names[i], sizeof(names[i]), "room-%zu", i);
		*p = path(names[i]);
		v[i] = (struct rule){ .path = p, .npath = 1,
			.allow_from = any };
		n += (size_t)snprintf(want + n, sizeof(want) - n, "%s</%s>",
		    i == 0 ? "" : ",", names[i]);
	}
	client = address("192.0.2.101", 1);
	rules = (struct rules){ v, N };
	/* Without Block2 the first block is announced as such. */
	ck_assert_ptr_nonnull(strstr(ask("CON GET " CORE),
	    "Block2=0/1/1024 </room-0>,"));
	for (unsigned i = 0; i * 256 < n; i++) {
		const char *body;

		snprintf(request, sizeof(request),
		    "CON GET " CORE " Block2=%u/0/256", i);
		body = strchr(ask(request), '/');
		ck_assert_ptr_nonnull(body);
		body = strchr(body, ' ');
		ck_assert_ptr_nonnull(body);
		got += (size_t)snprintf(all + got, sizeof(all) - got, "%s",
		    body + 1);
	}
	ck_assert_str_eq(all, want);
	for (size_t i = 0; i < N; i++)
		free(v[i].path);
	fixture_free();
}
END_TEST

Suite *
local_suite(void)
{
	Suite *s = suite_create("local");
	TCase *tc = tcase_create("local");

	tcase_add_test(tc, answers);
	tcase_add_test(tc, links);
	tcase_add_test(tc, long_list);
	suite_add_tcase(s, tc);
	return s;
}
