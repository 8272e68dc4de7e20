#include "proxy/request.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct addr client, local;
static struct inbound in;
static struct coap_msg msg;
static struct request r;

static void
start(size_t limit)
{
	client = address("192.0.2.101", 40001);
	local = address("192.0.2.1", 5683);
	msg = message("CON PUT token=0102 Uri-Path=\"t\" payload=\"body\"");
	in = (struct inbound){ .client = &client, .local = &local,
		.listener = 3, .msg = &msg };
	r = (struct request){ .in = &in, .msg = msg,
		.route.uri = target("h.example", 5683) };
	list_init(&r.link);
	arena_init(&r.arena, limit);
}

/* What is kept survives the datagram. */
START_TEST(all)
{
	start(8192);
	ck_assert(request_keep(&r, KEEP_ALL));
	memset(&client, 0xff, sizeof(client));
	memset(&local, 0xff, sizeof(local));
	memset(&in, 0xff, sizeof(in));
	memset((void *)(uintptr_t)msg.token.p, 0xff,
	    msg.token.n + msg.opts.n);
	memset((void *)(uintptr_t)msg.payload.p, 0xff, msg.payload.n);
	ck_assert(span_eq(r.msg.token, SPAN_LIT("\1\2")));
	ck_assert_str_eq(dump(r.msg.code, r.msg.opts, r.msg.payload),
	    "PUT Uri-Path=\"t\" payload=4");
	ck_assert(span_eq(r.msg.payload, SPAN_LIT("body")));
	ck_assert(span_eq(r.route.uri.host.text, SPAN_LIT("h.example")));
	ck_assert_uint_eq(r.in->client->port, 40001);
	ck_assert_uint_eq(r.in->local->port, 5683);
	ck_assert_uint_eq(r.in->listener, 3);
	ck_assert_ptr_eq(r.in->msg, &r.msg);
	arena_reset(&r.arena, 0);
	fixture_free();
}
END_TEST

/* To answer it takes the token; nothing else points anywhere. */
START_TEST(token)
{
	start(8192);
	ck_assert(request_keep(&r, KEEP_TOKEN));
	memset((void *)(uintptr_t)msg.token.p, 0xff, msg.token.n);
	ck_assert(span_eq(r.msg.token, SPAN_LIT("\1\2")));
	ck_assert_ptr_null(r.in);
	ck_assert_uint_eq(r.msg.opts.n, 0);
	ck_assert_uint_eq(r.msg.payload.n, 0);
	ck_assert_uint_eq(r.route.uri.host.text.n, 0);
	arena_reset(&r.arena, 0);
	fixture_free();
}
END_TEST

/* Without memory it says so. A token alone needs none from outside. */
START_TEST(no_memory)
{
	start(0);
	msg.payload.n = 0;
	r.msg.opts = span_make(msg.opts.p, msg.opts.n);
	ck_assert(request_keep(&r, KEEP_TOKEN));
	arena_reset(&r.arena, 0);
	start(0);
	msg = message("CON PUT Uri-Path=200x\"t\"");
	r.msg = msg;
	ck_assert(!request_keep(&r, KEEP_ALL));
	arena_reset(&r.arena, 0);
	fixture_free();
}
END_TEST

Suite *
request_suite(void)
{
	Suite *s = suite_create("request");
	TCase *tc = tcase_create("request");

	tcase_add_test(tc, all);
	tcase_add_test(tc, token);
	tcase_add_test(tc, no_memory);
	suite_add_tcase(s, tc);
	return s;
}
