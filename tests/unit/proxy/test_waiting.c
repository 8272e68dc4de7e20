/* Requests that wait: their datagrams are gone and the proxy's scratch has been
 * used for others when the answers come. */
#include <stdio.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

enum { NOW = 2000 };

/* One client's side of one request. */
struct client {
	unsigned replies, drops;
	char reply[256];
	char payload[64];
	uint8_t token[2];
};

static struct stand s;
static struct client a, b;

static void
note_reply(struct request *r, const struct reply *reply, uint64_t now)
{
	struct client *c = r->front_ctx;
	size_t n = reply->payload.n;

	(void)now;
	c->replies++;
	ck_assert_uint_eq(r->msg.token.n, sizeof(c->token));
	memcpy(c->token, r->msg.token.p, sizeof(c->token));
	snprintf(c->reply, sizeof(c->reply), "%s",
	    dump(reply->code, reply->opts, SPAN_LIT("")));
	ck_assert_uint_lt(n, sizeof(c->payload));
	if (n > 0)
		memcpy(c->payload, reply->payload.p, n);
	c->payload[n] = '\0';
}

static void
note_drop(struct request *r, uint64_t now)
{
	struct client *c = r->front_ctx;

	(void)now;
	c->drops++;
}

static const struct front_ops front = {
	.reply = note_reply,
	.drop = note_drop,
};

/* Asks for C; the datagram is overwritten as soon as it has been handled. The
 * fetch that was sent, if any. */
static struct fetch *
ask(struct client *c, const char *text, uint64_t now)
{
	struct coap_msg m = message(text);
	struct addr from = s.client, to = s.local;
	uint8_t note = 0;
	struct inbound in = {
		.front = &front,
		.front_ctx = c,
		.client = &from,
		.local = &to,
		.note = &note,
		.scheme = COAP_SCHEME_COAP,
		.msg = &m,
	};

	s.sent = NULL;
	proxy_handle(s.proxy, &in, now);
	memset((void *)(uintptr_t)m.token.p, 0xff, m.token.n);
	memset((void *)(uintptr_t)m.opts.p, 0xff, m.opts.n);
	if (m.payload.n > 0)
		memset((void *)(uintptr_t)m.payload.p, 0xff, m.payload.n);
	memset(&m, 0xff, sizeof(m));
	memset(&from, 0xff, sizeof(from));
	memset(&to, 0xff, sizeof(to));
	memset(&in, 0xff, sizeof(in));
	return s.sent;
}

static bool
respond(struct fetch *f, const char *text, uint64_t now)
{
	struct coap_msg m = message(text);

	return fetch_response(f, &m, span_make(s.octets, s.noctets), now);
}

static void
setup(void)
{
	a = b = (struct client){ .replies = 0 };
	stand_init(&s);
	stand_start(&s);
	timers_run(&s.timers, NOW);
}

static void
teardown(void)
{
	stand_fini(&s);
}

/* What a fetch that waits is to send, and where to, is its own. */
START_TEST(octets)
{
	struct fetch *fa, *fb;

	s.send_result = UPSTREAM_WAIT;
	fa = ask(&a, "CON PUT token=a1a2 If-Match=01 Proxy-Uri="
	    "\"coap://one.example:61617/a/b?q\" opt65000=\"x\" "
	    "payload=\"body\"",
	    NOW);
	fb = ask(&b, "NON GET token=b1b2 Uri-Host=\"two.example\" "
	    "Uri-Path=\"c\" Proxy-Scheme=\"coap\"", NOW);
	ck_assert_ptr_nonnull(fa);
	ck_assert_ptr_nonnull(fb);
	ck_assert_str_eq(dump(fa->code, fa->opts, fa->payload),
	    "PUT If-Match=01 Uri-Host=\"one.example\" Uri-Path=\"a\" "
	    "Uri-Path=\"b\" Uri-Query=\"q\" Hop-Limit=16 opt65000=78 "
	    "payload=4");
	ck_assert(span_eq(fa->payload, SPAN_LIT("body")));
	ck_assert(span_eq(fa->route.hop.host.text, SPAN_LIT("one.example")));
	ck_assert(span_eq(fa->route.uri.host.text, SPAN_LIT("one.example")));
	ck_assert_uint_eq(fa->route.hop.port, 61617);
	ck_assert_str_eq(dump(fb->code, fb->opts, fb->payload),
	    "GET Uri-Host=\"two.example\" Uri-Path=\"c\" Hop-Limit=16");
	ck_assert(span_eq(fb->route.hop.host.text, SPAN_LIT("two.example")));
	ck_assert(respond(fa, "ACK 2.04", NOW + 1));
	ck_assert(respond(fb, "ACK 2.05 payload=\"c\"", NOW + 2));
	ck_assert_mem_eq(a.token, "\xa1\xa2", 2);
	ck_assert_mem_eq(b.token, "\xb1\xb2", 2);
	ck_assert_str_eq(a.reply, "2.04");
	ck_assert_str_eq(b.payload, "c");
}
END_TEST

/* MSG-51, PRX-53: answers in any order reach who asked, once. */
START_TEST(order)
{
	struct fetch *fa, *fb;

	fa = ask(&a, "CON GET token=a1a2 Proxy-Uri=\"coap://198.51.100.1/a\"",
	    NOW);
	fb = ask(&b, "CON GET token=b1b2 Proxy-Uri=\"coap://198.51.100.1/b\"",
	    NOW);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 2);
	ck_assert(respond(fb, "ACK 2.05 ETag=0b payload=\"b\"", NOW + 10));
	ck_assert_uint_eq(a.replies, 0);
	ck_assert_uint_eq(b.replies, 1);
	ck_assert_str_eq(b.reply, "2.05 ETag=0b");
	ck_assert_str_eq(b.payload, "b");
	ck_assert(respond(fa, "ACK 4.04 payload=\"a\"", NOW + 20));
	ck_assert_str_eq(a.reply, "4.04");
	ck_assert_str_eq(a.payload, "a");
	ck_assert_mem_eq(a.token, "\xa1\xa2", 2);
	ck_assert_mem_eq(b.token, "\xb1\xb2", 2);
	/* No deadline is left to say more. */
	timers_run(&s.timers, NOW + 1000000);
	ck_assert_uint_eq(a.replies + b.replies, 2);
	ck_assert_uint_eq(s.cancels, 0);
}
END_TEST

/* MSG-43, PRX-42: each has its own time, whatever it waits for. */
START_TEST(deadlines)
{
	s.forward.timeout_ms = 5000;
	ask(&a, "CON GET token=a1a2 Proxy-Uri=\"coap://198.51.100.1/\"", NOW);
	s.send_result = UPSTREAM_WAIT;
	ask(&b, "NON GET token=b1b2 Proxy-Uri=\"coap://h.example/\"",
	    NOW + 2000);
	timers_run(&s.timers, NOW + 4999);
	ck_assert_uint_eq(a.replies, 0);
	timers_run(&s.timers, NOW + 5000);
	ck_assert_uint_eq(a.replies, 1);
	ck_assert_uint_eq(b.replies, 0);
	ck_assert_str_eq(a.reply, "5.04 Max-Age=5");
	ck_assert_mem_eq(a.token, "\xa1\xa2", 2);
	timers_run(&s.timers, NOW + 7000);
	ck_assert_uint_eq(b.replies, 1);
	ck_assert_str_eq(b.reply, "5.04 Max-Age=5");
	ck_assert_mem_eq(b.token, "\xb1\xb2", 2);
	ck_assert_uint_eq(s.cancels, 2);
	ck_assert_uint_eq(proxy_stats(s.proxy)->timeouts, 2);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
}
END_TEST

/* PRX-04: a name that turns out to be us is answered from what was kept: its
 * path, its Accept, and who asked. */
START_TEST(own)
{
	struct path p = path("r");
	struct rule v[] = {
		{ .path = &p, .npath = 1, .allow_from = networks("any") },
		{ .path = &p, .npath = 1, .allow_from = networks("any"),
			.deny_from = networks("192.0.2.101") },
	};
	struct fetch *fa, *fb;

	s.rules = (struct rules){ v, 2 };
	s.send_result = UPSTREAM_WAIT;
	fa = ask(&a, "CON GET token=a1a2 Proxy-Uri="
	    "\"coap://alias.example/.well-known/core\"", NOW);
	fb = ask(&b, "CON GET token=b1b2 Accept=0 Proxy-Uri="
	    "\"coap://alias.example/.well-known/core\"", NOW);
	fetch_failed(fa, FETCH_SELF, NOW + 10);
	ck_assert_str_eq(a.payload, "</r>");
	ck_assert_mem_eq(a.token, "\xa1\xa2", 2);
	fetch_failed(fb, FETCH_SELF, NOW + 10);
	ck_assert_str_eq(b.reply, "4.06");
	ck_assert_mem_eq(b.token, "\xb1\xb2", 2);
	ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
}
END_TEST

/* PRX-51: a repetition that has to wait is kept too; nothing of it is in the
 * datagram it was made of. */
START_TEST(repetition)
{
	uint8_t sent[sizeof(s.octets)];
	struct coap_msg m;
	struct fetch *f;

	f = ask(&a, "CON PUT token=a1a2 Proxy-Uri=\"coap://h.example/p\" "
	    "payload=\"body\"", NOW);
	memcpy(sent, s.octets, s.noctets);
	s.send_result = UPSTREAM_WAIT;
	m = message("ACK 4.02");
	ck_assert(fetch_response(f, &m, span_make(sent, s.noctets), NOW + 1));
	memset(sent, 0xff, sizeof(sent));
	ask(&b, "NON GET token=b1b2 Proxy-Uri=\"coap://other.example/\"", NOW);
	ck_assert_uint_eq(a.replies, 0);
	ck_assert_str_eq(dump(f->code, f->opts, f->payload),
	    "PUT Uri-Host=\"h.example\" Uri-Path=\"p\" payload=4");
	ck_assert(span_eq(f->payload, SPAN_LIT("body")));
	ck_assert(span_eq(f->route.hop.host.text, SPAN_LIT("h.example")));
	fetch_failed(f, FETCH_NO_NAME, NOW + 2);
	ck_assert_str_eq(a.reply, "5.02 Max-Age=5");
	ck_assert_mem_eq(a.token, "\xa1\xa2", 2);
}
END_TEST

/* A proxy that ends cancels each fetch and tells who waits for it. */
START_TEST(end)
{
	ask(&a, "CON GET token=a1a2 Proxy-Uri=\"coap://198.51.100.1/\"", NOW);
	s.send_result = UPSTREAM_WAIT;
	ask(&b, "CON GET token=b1b2 Proxy-Uri=\"coap://h.example/\"", NOW);
	proxy_free(s.proxy);
	s.proxy = NULL;
	ck_assert_str_eq(a.reply, "5.04 Max-Age=5");
	ck_assert_str_eq(b.reply, "5.04 Max-Age=5");
	ck_assert_mem_eq(a.token, "\xa1\xa2", 2);
	ck_assert_mem_eq(b.token, "\xb1\xb2", 2);
	ck_assert_uint_eq(a.replies + b.replies, 2);
	ck_assert_uint_eq(a.drops + b.drops, 0);
	ck_assert_uint_eq(s.cancels, 2);
}
END_TEST

Suite *
waiting_suite(void)
{
	Suite *suite = suite_create("waiting");
	TCase *tc = tcase_create("waiting");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, octets);
	tcase_add_test(tc, order);
	tcase_add_test(tc, deadlines);
	tcase_add_test(tc, own);
	tcase_add_test(tc, repetition);
	tcase_add_test(tc, end);
	suite_add_tcase(suite, tc);
	return suite;
}
