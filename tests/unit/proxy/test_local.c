#include "proxy/local.h"

#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct addr client;
static struct rules rules;
static const struct local_part *parts;
static char etag[64];		/* of the last answer */

enum { NOW = 1000000 };

#define CORE "Uri-Path=\".well-known\" Uri-Path=\"core\""

static const char *
ask(const char *text)
{
	static uint8_t scratch[LOCAL_REPLY_MAX];
	static char out[2048];
	struct coap_msg m = message(text);
	const struct redirect_query q = { .msg = &m, .client = &client,
		.host = host("192.0.2.1") };
	static const struct siphash_key key = { 1, 2 };
	const struct local_list list = { .rules = &rules, .parts = parts,
		.key = &key, .now = NOW };
	struct reply reply;
	char *at;

	local_answer(&reply, &q, &list, scratch);
	ck_assert(local_is_list(&m) == (reply.code == COAP_205 ||
	    reply.code == COAP_203 || reply.code == COAP_400));
	snprintf(out, sizeof(out), "%s %.*s",
	    dump(reply.code, reply.opts, SPAN_LIT("")), (int)reply.payload.n,
	    reply.payload.n > 0 ? (const char *)reply.payload.p : "");
	/* What an ETag is, is tested below. */
	at = strstr(out, "ETag=");
	etag[0] = '\0';
	if (at != NULL) {
		snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(at, " "),
		    at);
		ck_assert_uint_eq(strlen(etag), 5 + 16);
		memcpy(at + 5, "*", 1);
		memmove(at + 6, at + 5 + 16, strlen(at + 5 + 16) + 1);
	}
	return out;
}

/* PRX-34, PRX-35, PRX-57: what is there, and what is not. */
START_TEST(answers)
{
	static const struct {
		const char *request, *want;
	} rows[] = {
		{ "CON GET " CORE, "2.05 ETag=* Content-Format=40 " },
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
			"2.05 ETag=* Content-Format=40 " },
		{ "CON GET " CORE " Hop-Limit=1",
			"2.05 ETag=* Content-Format=40 " },
		{ "CON GET " CORE " Accept=40",
			"2.05 ETag=* Content-Format=40 " },
		{ "CON GET " CORE " Accept=0", "4.06 " },
		{ "CON GET " CORE " Block2=0/0/64",
			"2.05 ETag=* Content-Format=40 Block2=0/0/64 " },
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
	    "2.05 ETag=* Content-Format=40 </a>,</b/c%20d>,</>");
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

/* PRX-73: links that were rewritten, as far as they lead to their rule. */
START_TEST(rewritten)
{
	struct path a = path("a"), ab = path("a/b"), c = path("c");
	struct netlist any = networks("any");
	struct rule v[] = {
		{ .path = &ab, .npath = 1, .allow_from = any,
			.action = RULE_REPLY },
		{ .path = &a, .npath = 1, .allow_from = any, .links = true },
		{ .path = &c, .npath = 1, .allow_from = any, .links = true },
	};
	struct local_part p[] = {
		{ .what = LOCAL_PATHS },
		{ .what = LOCAL_LINKS, .until = NOW + 600000,
			.contested = true,
			.links = SPAN_LIT("</a/x?/a/b>;rt=t,</a/b/y>;rt=t,"
			    "</a/%62>,<http://h/x>,</a/bc#f>") },
		{ .what = LOCAL_LINKS, .until = NOW + 600000,
			.links = SPAN_LIT("</c/z>;rt=t,</c>") },
	};

	client = address("192.0.2.101", 1);
	rules = (struct rules){ v, UNIT_COUNT(v) };
	parts = p;
	ck_assert_str_eq(ask("CON GET " CORE), "2.05 ETag=* Content-Format=40 "
	    "</a/x?/a/b>;rt=t,<http://h/x>,</a/bc#f>,</c/z>;rt=t,</c>");
	/* PRX-74. */
	ck_assert_str_eq(ask("CON GET " CORE " Uri-Query=\"rt=t\""),
	    "2.05 ETag=* Content-Format=40 </a/x?/a/b>;rt=t,</c/z>;rt=t");
	ck_assert_str_eq(ask("CON GET " CORE " Uri-Query=\"href=/c\""),
	    "2.05 ETag=* Content-Format=40 </c>");
	ck_assert_str_eq(ask("CON GET " CORE " Uri-Query=\"rt=x\""),
	    "2.05 ETag=* Content-Format=40 ");
	ck_assert_str_eq(ask("CON GET " CORE " Uri-Query=\"rt=x\" "
	    "Block2=0/0/16"), "2.05 ETag=* Content-Format=40 Block2=0/0/16 ");
	ck_assert_str_eq(ask("CON GET " CORE " Uri-Query=\"rt=x\" "
	    "Block2=1/0/16"), "4.00 ");
	/* Nothing of it is offered, or not known. */
	p[2].links = SPAN_LIT("");
	p[1].what = LOCAL_UNKNOWN;
	ck_assert_str_eq(ask("CON GET " CORE),
	    "2.05 ETag=* Content-Format=40 Max-Age=5 </a>");
	v[1].deny_from = networks("192.0.2.101");
	ck_assert_str_eq(ask("CON GET " CORE),
	    "2.05 ETag=* Content-Format=40 ");
	parts = NULL;
	fixture_free();
}
END_TEST

/* PRX-74: of bare paths, too; and only so many. */
START_TEST(filters)
{
	struct path a[] = { path("a"), path("b") };
	struct netlist any = networks("any");
	struct rule v = { .path = a, .npath = 2, .allow_from = any };

	client = address("192.0.2.101", 1);
	rules = (struct rules){ &v, 1 };
	ck_assert_str_eq(ask("CON GET " CORE " Uri-Query=\"href=/b\""),
	    "2.05 ETag=* Content-Format=40 </b>");
	ck_assert_str_eq(ask("CON GET " CORE " Uri-Query=\"rt=b\""),
	    "2.05 ETag=* Content-Format=40 ");
	ck_assert_str_eq(ask("CON GET " CORE " Uri-Query=\"a\" "
	    "Uri-Query=\"a\" Uri-Query=\"a\" Uri-Query=\"a\" "
	    "Uri-Query=\"a\" Uri-Query=\"a\" Uri-Query=\"a\" "
	    "Uri-Query=\"a\" Uri-Query=\"a\""), "4.00 too many filters");
	fixture_free();
}
END_TEST

/* No older than the oldest part of it. */
START_TEST(ages)
{
	static const struct {
		uint64_t until;
		const char *want;
	} t[] = {
		{ NOW + 3600000, "" },
		{ NOW + 60000, "" },
		{ NOW + 59999, "Max-Age=59 " },
		{ NOW + 1000, "Max-Age=1 " },
		{ NOW + 999, "Max-Age=0 " },
		{ NOW, "Max-Age=0 " },
		{ NOW - 1, "Max-Age=0 " },
	};
	struct path a = path("a");
	struct netlist any = networks("any");
	struct rule v[] = {
		{ .path = &a, .npath = 1, .allow_from = any, .links = true },
		{ .path = &a, .npath = 1, .allow_from = any, .links = true },
	};
	struct local_part p[] = {
		{ .what = LOCAL_LINKS },
		{ .what = LOCAL_LINKS, .until = NOW + 3600000 },
	};
	char want[64];

	client = address("192.0.2.101", 1);
	rules = (struct rules){ v, UNIT_COUNT(v) };
	parts = p;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		p[0].until = t[i].until;
		snprintf(want, sizeof(want), "2.05 ETag=* Content-Format=40 "
		    "%s", t[i].want);
		ck_assert_str_eq(ask("CON GET " CORE), want);
	}
	parts = NULL;
	fixture_free();
}
END_TEST

/* The ETag is of the octets, whichever of them are asked for. */
START_TEST(etags)
{
	static char text[300];
	struct path a = path("a");
	struct rule v = { .path = &a, .npath = 1, .allow_from =
	    networks("any"), .links = true };
	struct local_part p = { .what = LOCAL_LINKS, .until = NOW + 600000 };
	char first[64], request[200];

	client = address("192.0.2.101", 1);
	rules = (struct rules){ &v, 1 };
	parts = &p;
	memset(text, 'x', sizeof(text));
	p.links = span_make(text, sizeof(text));
	ask("CON GET " CORE);
	memcpy(first, etag, sizeof(first));
	ask("CON GET " CORE " Block2=0/0/16");
	ck_assert_str_eq(etag, first);
	ask("CON GET " CORE " Block2=7/0/32");
	ck_assert_str_eq(etag, first);
	/* Any octet counts, and the length does. */
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = 'y';
		ask("CON GET " CORE);
		ck_assert_str_ne(etag, first);
		text[i] = 'x';
	}
	p.links.n--;
	ask("CON GET " CORE);
	ck_assert_str_ne(etag, first);
	p.links.n++;
	snprintf(request, sizeof(request), "CON GET ETag=01 %s " CORE, first);
	ck_assert_str_eq(ask(request), "2.03 ETag=* ");
	ck_assert_str_eq(etag, first);
	p.until = NOW + 7000;
	snprintf(request, sizeof(request), "CON GET %s " CORE
	    " Block2=9/0/1024", first);
	ck_assert_str_eq(ask(request), "2.03 ETag=* Max-Age=7 ");
	ck_assert_ptr_nonnull(strstr(ask("CON GET ETag=01 ETag= " CORE
	    " Block2=18/0/16"), "2.05 ETag=* Content-Format=40 Max-Age=7 "
	    "Block2=18/0/16 xxxxxxxxxxxx"));
	parts = NULL;
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
	tcase_add_test(tc, rewritten);
	tcase_add_test(tc, filters);
	tcase_add_test(tc, ages);
	tcase_add_test(tc, etags);
	suite_add_tcase(s, tc);
	return s;
}
