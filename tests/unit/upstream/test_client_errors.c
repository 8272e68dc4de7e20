/* Errors that the kernel reports, and what the client makes of them. */
#include "upstream/client.h"

#include <errno.h>

#include "fixture.h"
#include "unit.h"

Suite *client_errors_suite(void);

/* MSG-77: nobody there ends what that socket has sent, but nothing that was
 * acknowledged and nothing of other sockets. */
START_TEST(error_ends_what_it_can_mean)
{
	static const int errors[] = { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH,
		EACCES };
	const struct outcome *acked, *con, *non, *other;
	struct fixture f;

	fixture_init(&f, 10);
	acked = fixture_get(&f, COAP_CON, "coap://192.0.2.1/slow");
	fixture_empty(&f, fakenet_last(&f.net), COAP_ACK);
	other = fixture_get(&f, COAP_CON, "coap://192.0.2.2/x");
	for (size_t i = 0; i < UNIT_COUNT(errors); i++) {
		con = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
		non = fixture_get(&f, COAP_NON, "coap://192.0.2.1/y");
		fixture_error(&f, fakenet_sock(&f.net, 0), errors[i]);
		ck_assert_uint_eq(con->code, COAP_502);
		ck_assert_uint_eq(non->code, COAP_502);
		ck_assert_uint_eq(client_stats(f.client)->socket_errors,
		    i + 1);
	}
	ck_assert_uint_eq(acked->replies + other->replies, 0);
	ck_assert_uint_eq(proxy_waiting(f.proxy), 2);
	/* Both are still answered, on the sockets they had. */
	ck_assert_uint_eq(f.net.made, 2);
	fixture_answer(&f, fakenet_sent(&f.net, 1), COAP_205);
	ck_assert_uint_eq(other->code, COAP_205);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	ck_assert_ptr_eq(fakenet_last(&f.net)->sock, fakenet_sock(&f.net, 0));
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
	fixture_error(&f, fakenet_sock(&f.net, 0), ECONNREFUSED);
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
		fixture_error(&f, fakenet_sock(&f.net, 0), errors[i]);
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
	    "coap://lamp.example:5690/x?y", SPAN_LIT("payload"));
	first = fakenet_last(&f.net);
	fixture_sent_to(&f, "2001:db8::7", 5690);
	fixture_error(&f, first->sock, ECONNREFUSED);
	ck_assert_uint_eq(o->replies, 0);
	ck_assert_uint_eq(f.net.nsent, 2);
	second = fakenet_last(&f.net);
	fixture_sent_to(&f, "192.0.2.7", 5690);
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

START_TEST(last_address_fails)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	fakeresolver_know(&f.names, "lamp.example", "192.0.2.6",
	    "192.0.2.7");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	fixture_error(&f, fakenet_last(&f.net)->sock, ECONNREFUSED);
	ck_assert_uint_eq(o->replies, 0);
	fixture_error(&f, fakenet_last(&f.net)->sock, ECONNREFUSED);
	ck_assert_uint_eq(o->code, COAP_502);
	ck_assert_uint_eq(f.net.nsent, 2);
	/* ATK-18: the next one is checked as well. */
	fakeresolver_know(&f.names, "lamp.example", "192.0.2.6", "10.0.0.1");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	fixture_error(&f, fakenet_last(&f.net)->sock, ECONNREFUSED);
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
	fixture_error(&f, fakenet_sock(&f.net, 0), ECONNREFUSED);
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

	tcase_add_test(tc, error_ends_what_it_can_mean);
	tcase_add_test(tc, acknowledged_call_is_answered_after_error);
	tcase_add_test(tc, error_of_one_datagram_fails_nothing);
	tcase_add_test(tc, next_address_after_error);
	tcase_add_test(tc, last_address_fails);
	tcase_add_test(tc, next_address_closes_failed_socket);
	tcase_add_test(tc, next_address_without_route);
	tcase_add_test(tc, no_next_address_when_busy);
	suite_add_tcase(s, tc);
	return s;
}
