/* Errors that the kernel reports, and what the client makes of them. */
#include "upstream/client.h"

#include <errno.h>

#include "fixture.h"
#include "unit.h"

Suite *client_errors_suite(void);

/* The Nth datagram, counted from the last one. */
static const struct fake_sent *
sent_before(const struct fixture *f, size_t n)
{
	return fakenet_sent(&f->net, f->net.nsent - 1 - n);
}

/* MSG-77, MSG-78: nobody there ends the request that the error is about, and
 * nothing else of that socket. */
START_TEST(error_ends_what_it_quotes)
{
	static const int errors[] = { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH,
		EHOSTDOWN, ENETDOWN, EACCES, EPERM };
	const struct outcome *a, *b, *other;
	struct fixture f;

	fixture_init(&f, 10);
	other = fixture_get(&f, COAP_CON, "coap://192.0.2.2/x");
	for (size_t i = 0; i < UNIT_COUNT(errors); i++) {
		a = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
		b = fixture_get(&f, COAP_NON, "coap://192.0.2.1/y");
		fixture_error(&f, sent_before(&f, i % 2), errors[i]);
		ck_assert_uint_eq(a->code, i % 2 == 1 ? COAP_502 : 0);
		ck_assert_uint_eq(b->code, i % 2 == 0 ? COAP_502 : 0);
		fixture_error(&f, sent_before(&f, (i + 1) % 2), errors[i]);
		ck_assert_uint_eq(a->code, COAP_502);
		ck_assert_uint_eq(b->code, COAP_502);
	}
	ck_assert_uint_eq(client_stats(f.client)->socket_errors,
	    2 * UNIT_COUNT(errors));
	/* The other is still answered, on the socket it had; one more was made
	 * after ENETUNREACH, to see whether our address is still ours. */
	ck_assert_uint_eq(f.net.made, 3);
	ck_assert_uint_eq(f.net.open, 2);
	fixture_answer(&f, fakenet_sent(&f.net, 0), COAP_205);
	ck_assert_uint_eq(other->code, COAP_205);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	ck_assert_ptr_eq(fakenet_last(&f.net)->sock, fakenet_sock(&f.net, 1));
	fixture_fini(&f);
}
END_TEST

/* Our address has changed since the socket was made: the next request leaves
 * from another one. */
START_TEST(our_address_has_changed)
{
	struct net_sock *before;
	struct fixture f;
	struct fake_sent s;

	fixture_init(&f, 10);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	s = *fakenet_last(&f.net);
	before = s.sock;
	f.net.moved = true;
	fixture_get(&f, COAP_NON, "coap://192.0.2.2/x");
	fixture_error(&f, &s, EHOSTUNREACH);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	s = *fakenet_last(&f.net);
	ck_assert_ptr_eq(s.sock, before);
	fixture_error(&f, &s, ENETUNREACH);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	ck_assert_ptr_ne(fakenet_last(&f.net)->sock, before);
	fixture_fini(&f);
}
END_TEST

/* MSG-77: as much as a router shows must fit: version, type, token length,
 * code, Message ID and token; what comes behind may be anything. */
START_TEST(quote_must_fit)
{
	static const struct {
		size_t n, changed;	/* octet; N: none */
		bool fits;
	} t[] = {
		{ 4, 0, false }, { 4, 1, false }, { 4, 2, false },
		{ 4, 3, false }, { 12, 0, false }, { 12, 3, false },
		{ 8, 7, false }, { 12, 4, false }, { 12, 11, false },
		{ 13, 11, false }, { 4, 4, true }, { 5, 5, true },
		{ 12, 12, true }, { 13, 13, true }, { 13, 12, true },
	};
	const struct outcome *o = NULL;
	struct fake_sent quoted;
	struct fixture f;

	fixture_init(&f, 10);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		if (o == NULL || o->replies > 0)
			o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
		quoted = *fakenet_last(&f.net);
		quoted.octets[t[i].changed] ^= 0x10;
		fakenet_error(&quoted, t[i].n, ECONNREFUSED, START);
		ck_assert_msg(o->replies == t[i].fits, "row %zu", i);
	}
	fixture_fini(&f);
}
END_TEST

/* MSG-77: what was acknowledged or answered has arrived, and what another
 * socket sent is none of this one's. */
START_TEST(error_about_what_arrived)
{
	const struct outcome *acked, *answered, *other;
	struct fake_sent moved;
	struct fixture f;

	fixture_init(&f, 10);
	acked = fixture_get(&f, COAP_CON, "coap://192.0.2.1/slow");
	fixture_empty(&f, fakenet_last(&f.net), COAP_ACK);
	answered = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	other = fixture_get(&f, COAP_CON, "coap://192.0.2.2/x");
	moved = *fakenet_last(&f.net);
	moved.sock = fakenet_sock(&f.net, 0);
	fixture_error(&f, fakenet_sent(&f.net, 0), ECONNREFUSED);
	fixture_error(&f, fakenet_sent(&f.net, 1), ECONNREFUSED);
	fixture_error(&f, &moved, ECONNREFUSED);
	ck_assert_uint_eq(acked->replies + other->replies, 0);
	ck_assert_uint_eq(answered->replies, 1);
	ck_assert_uint_eq(proxy_waiting(f.proxy), 2);
	fixture_fini(&f);
}
END_TEST

/* The empty ACK of ours that finds nobody any more. */
START_TEST(error_about_an_acknowledgement)
{
	const struct outcome *o;
	uint8_t octets[32];
	struct coap_head h;
	struct fixture f;

	fixture_init(&f, 10);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	h = (struct coap_head){ COAP_CON, COAP_205, 0,
		fixture_parse(fakenet_last(&f.net)).token };
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/y");
	/* The ID of the second request, so that the ACK bears it too. */
	h.mid = fixture_parse(fakenet_last(&f.net)).mid;
	fakenet_input(fakenet_sock(&f.net, 0), span_make(octets,
	    coap_emit(octets, sizeof(octets), &h, SPAN_LIT(""),
		SPAN_LIT(""))), START);
	ck_assert_uint_eq(fixture_parse(fakenet_last(&f.net)).type, COAP_ACK);
	fixture_error(&f, fakenet_last(&f.net), ECONNREFUSED);
	ck_assert_uint_eq(o->replies, 0);
	fixture_fini(&f);
}
END_TEST

/* A separate response still reaches the exchange that the error spared. */
START_TEST(acknowledged_call_is_answered_after_error)
{
	const struct outcome *o;
	uint8_t octets[32];
	struct coap_head h;
	struct fixture f;

	fixture_init(&f, 10);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/slow");
	fixture_empty(&f, fakenet_last(&f.net), COAP_ACK);
	fixture_error(&f, fakenet_last(&f.net), ECONNREFUSED);
	h = (struct coap_head){ COAP_CON, COAP_205, 99,
		fixture_parse(fakenet_last(&f.net)).token };
	fakenet_input(fakenet_sock(&f.net, 0), span_make(octets,
	    coap_emit(octets, sizeof(octets), &h, SPAN_LIT(""),
		SPAN_LIT(""))), START);
	ck_assert_uint_eq(o->code, COAP_205);
	ck_assert_uint_eq(fixture_parse(fakenet_last(&f.net)).type, COAP_ACK);
	fixture_fini(&f);
}
END_TEST

/* MSG-79: a datagram that was too large, and MSG-80: one the system had no
 * room for, are sent again like any that was lost. */
START_TEST(error_of_one_datagram_fails_nothing)
{
	static const int errors[] = { EMSGSIZE, ENOBUFS, EAGAIN, ENOMEM,
		EPROTO, ETIMEDOUT };
	const struct outcome *o;
	struct fixture f;
	size_t n;

	fixture_init(&f, 10);
	for (size_t i = 0; i < UNIT_COUNT(errors); i++) {
		o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
		n = f.net.nsent;
		fixture_error(&f, fakenet_last(&f.net), errors[i]);
		ck_assert_uint_eq(f.net.nsent, n);
		fixture_pass(&f, 3000);
		ck_assert_uint_eq(f.net.nsent, n + 1);
		ck_assert_uint_eq(o->replies, 0);
		fixture_answer(&f, fakenet_last(&f.net), COAP_205);
		ck_assert_uint_eq(o->code, COAP_205);
	}
	ck_assert_uint_eq(f.net.made, 1);
	fixture_fini(&f);
}
END_TEST

START_TEST(next_address_after_error)
{
	const struct fake_sent *first, *second;
	const struct outcome *o;
	struct coap_msg a, b;
	struct fixture f;

	fixture_init(&f, 10);
	fakeresolver_know(&f.names, "lamp.example", "2001:db8::7",
	    "192.0.2.7");
	o = fixture_ask(&f, COAP_CON, COAP_POST,
	    "coap://lamp.example:61616/x?y", SPAN_LIT("payload"));
	first = fakenet_last(&f.net);
	fixture_sent_to(&f, "2001:db8::7", 61616);
	fixture_error(&f, first, ECONNREFUSED);
	ck_assert_uint_eq(o->replies, 0);
	ck_assert_uint_eq(f.net.nsent, 2);
	second = fakenet_last(&f.net);
	fixture_sent_to(&f, "192.0.2.7", 61616);
	a = fixture_parse(first);
	b = fixture_parse(second);
	ck_assert_uint_eq(a.code, b.code);
	ck_assert_uint_eq(a.type, b.type);
	ck_assert(span_eq(a.opts, b.opts));
	ck_assert(span_eq(a.payload, b.payload));
	ck_assert_uint_eq(client_stats(f.client)->next_address, 1);
	/* The first exchange is over. */
	fixture_answer(&f, first, COAP_404);
	ck_assert_uint_eq(o->replies, 0);
	fixture_answer(&f, second, COAP_204);
	ck_assert_uint_eq(o->code, COAP_204);
	fixture_fini(&f);
}
END_TEST

/* PRX-78: the POST is under way, or has arrived, when the GET behind it on the
 * same socket is refused: only that goes elsewhere. */
START_TEST(post_is_not_sent_twice)
{
	const struct outcome *post, *get;
	struct fixture f;
	size_t n;

	fixture_init(&f, 10);
	fakeresolver_know(&f.names, "lamp.example", "2001:db8::7",
	    "192.0.2.7");
	post = fixture_ask(&f, COAP_CON, COAP_POST, "coap://lamp.example/x",
	    SPAN_LIT("on"));
	get = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	fixture_error(&f, fakenet_last(&f.net), ECONNREFUSED);
	ck_assert_uint_eq(f.net.nsent, 3);
	fixture_sent_to(&f, "192.0.2.7", 5683);
	ck_assert_uint_eq(fixture_parse(fakenet_last(&f.net)).code, COAP_GET);
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(get->code, COAP_205);
	fixture_empty(&f, fakenet_sent(&f.net, 0), COAP_ACK);
	n = f.net.nsent;
	fixture_error(&f, fakenet_sent(&f.net, 0), ECONNREFUSED);
	fixture_pass(&f, f.params.max_transmit_wait);
	ck_assert_uint_eq(f.net.nsent, n);
	ck_assert_uint_eq(post->replies, 0);
	fixture_fini(&f);
}
END_TEST

/* PRX-78: of several copies an earlier one may have arrived: only what may be
 * done twice is sent elsewhere. */
START_TEST(repeated_before_the_error)
{
	static const struct {
		uint8_t method;
		bool next;
	} t[] = {
		{ COAP_GET, true }, { COAP_PUT, true },
		{ COAP_DELETE, true }, { COAP_FETCH, true },
		{ COAP_IPATCH, true }, { COAP_POST, false },
		{ COAP_PATCH, false },
	};
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	fakeresolver_know(&f.names, "lamp.example", "2001:db8::7",
	    "192.0.2.7");
	o = fixture_ask(&f, COAP_CON, t[_i].method, "coap://lamp.example/x",
	    SPAN_LIT(""));
	fixture_pass(&f, 3000);
	ck_assert_uint_eq(f.net.nsent, 2);
	fixture_error(&f, fakenet_sent(&f.net, 0), ECONNREFUSED);
	ck_assert_uint_eq(f.net.nsent, t[_i].next ? 3 : 2);
	ck_assert_uint_eq(o->code, t[_i].next ? 0 : COAP_502);
	/* The error about the other copy finds nothing. */
	fixture_error(&f, fakenet_sent(&f.net, 1), ECONNREFUSED);
	ck_assert_uint_eq(f.net.nsent, t[_i].next ? 3 : 2);
	ck_assert_uint_eq(o->replies, t[_i].next ? 0 : 1);
	fixture_fini(&f);
}
END_TEST

START_TEST(last_address_fails)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	fakeresolver_know(&f.names, "lamp.example", "192.0.2.6",
	    "192.0.2.7");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	fixture_error(&f, fakenet_last(&f.net), ECONNREFUSED);
	ck_assert_uint_eq(o->replies, 0);
	fixture_error(&f, fakenet_last(&f.net), ECONNREFUSED);
	ck_assert_uint_eq(o->code, COAP_502);
	ck_assert_uint_eq(f.net.nsent, 2);
	/* ATK-18: the next one is checked as well. */
	fakeresolver_know(&f.names, "lamp.example", "192.0.2.6", "10.0.0.1");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	fixture_error(&f, fakenet_last(&f.net), ECONNREFUSED);
	ck_assert_uint_eq(o->code, COAP_502);
	ck_assert_uint_eq(f.net.nsent, 3);
	fixture_fini(&f);
}
END_TEST

/* With room for one destination, the next address takes the place of the one
 * whose socket is just reporting. */
START_TEST(next_address_closes_failed_socket)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 1);
	fakeresolver_know(&f.names, "lamp.example", "192.0.2.6",
	    "192.0.2.7");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	fixture_error(&f, fakenet_last(&f.net), ECONNREFUSED);
	fixture_sent_to(&f, "192.0.2.7", 5683);
	ck_assert_uint_eq(f.net.made, 2);
	ck_assert_uint_eq(f.net.open, 1);
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	fixture_fini(&f);
}
END_TEST

/* A host without IPv6 reaches a name that has both kinds of address. */
START_TEST(next_address_without_route)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	f.net.connect_errno = ENETUNREACH;
	f.net.connect_family = 6;
	fakeresolver_know(&f.names, "lamp.example", "2001:db8::7",
	    "192.0.2.7");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	ck_assert_uint_eq(o->replies, 0);
	fixture_sent_to(&f, "192.0.2.7", 5683);
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	/* Likewise when the name had to be looked up. */
	o = fixture_get(&f, COAP_CON, "coap://other.example/x");
	fakeresolver_finish(&f.names, RESOLVE_OK, START);
	fixture_sent_to(&f, "192.0.2.7", 5683);
	ck_assert_uint_eq(client_stats(f.client)->next_address, 2);
	/* A refusal behind it does not hide why the first one failed. */
	fakeresolver_know(&f.names, "lamp.example", "2001:db8::7",
	    "10.0.0.1");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	ck_assert_uint_eq(o->code, COAP_502);
	ck_assert_uint_eq(f.net.made, 1);
	fixture_fini(&f);
}
END_TEST

/* Only an address nobody can be reached at is passed over: without a
 * descriptor the next one is no better. */
START_TEST(no_next_address_when_busy)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	f.net.connect_errno = EMFILE;
	f.net.connect_family = 6;
	fakeresolver_know(&f.names, "lamp.example", "2001:db8::7",
	    "192.0.2.7");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	ck_assert_uint_eq(o->code, COAP_503);
	ck_assert_uint_eq(f.net.made, 0);
	fixture_fini(&f);
}
END_TEST

Suite *
client_errors_suite(void)
{
	Suite *s = suite_create("client errors");
	TCase *tc = tcase_create("errors");

	tcase_add_test(tc, error_ends_what_it_quotes);
	tcase_add_test(tc, our_address_has_changed);
	tcase_add_test(tc, quote_must_fit);
	tcase_add_test(tc, error_about_what_arrived);
	tcase_add_test(tc, error_about_an_acknowledgement);
	tcase_add_test(tc, acknowledged_call_is_answered_after_error);
	tcase_add_test(tc, error_of_one_datagram_fails_nothing);
	tcase_add_test(tc, next_address_after_error);
	tcase_add_test(tc, post_is_not_sent_twice);
	tcase_add_loop_test(tc, repeated_before_the_error, 0, 7);
	tcase_add_test(tc, last_address_fails);
	tcase_add_test(tc, next_address_closes_failed_socket);
	tcase_add_test(tc, next_address_without_route);
	tcase_add_test(tc, no_next_address_when_busy);
	suite_add_tcase(s, tc);
	return s;
}
