#include "upstream/client.h"

#include <errno.h>

#include "fixture.h"
#include "unit.h"

Suite *client_suite(void);

/* ---- finding the address ---- */

START_TEST(literal_target)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	fixture_sent_to(&f, "192.0.2.1", 5683);
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	o = fixture_get(&f, COAP_CON, "coap://[2001:db8::1]:61616/x");
	fixture_sent_to(&f, "2001:db8::1", 61616);
	fixture_answer(&f, fakenet_last(&f.net), COAP_404);
	ck_assert_uint_eq(o->code, COAP_404);
	ck_assert_uint_eq(f.names.started, 0);
	ck_assert_uint_eq(client_stats(f.client)->sent, 2);
	fixture_fini(&f);
}
END_TEST

START_TEST(one_socket_per_destination)
{
	struct fixture f;

	fixture_init(&f, 10);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	fixture_get(&f, COAP_NON, "coap://192.0.2.1/y");
	ck_assert_uint_eq(f.net.made, 1);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1:5684/x");
	ck_assert_uint_eq(f.net.made, 2);
	fixture_get(&f, COAP_CON, "coap://192.0.2.2/x");
	ck_assert_uint_eq(f.net.made, 3);
	fixture_fini(&f);
}
END_TEST

START_TEST(cached_name)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	fakeresolver_know(&f.names, "lamp.example", "192.0.2.7", NULL);
	o = fixture_get(&f, COAP_CON, "coap://lamp.example:61616/x");
	fixture_sent_to(&f, "192.0.2.7", 61616);
	ck_assert_uint_eq(f.names.started, 0);
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	fixture_fini(&f);
}
END_TEST

/* The request is kept while its name is looked up. */
START_TEST(resolved_name)
{
	const struct outcome *o;
	struct coap_msg m;
	struct fixture f;
	struct span host;

	fixture_init(&f, 10);
	o = fixture_ask(&f, COAP_CON, COAP_PUT, "coap://lamp.example/x",
	    SPAN_LIT("on"));
	ck_assert_uint_eq(f.names.started, 1);
	ck_assert_uint_eq(f.net.nsent, 0);
	fixture_pass(&f, 1000);
	fakeresolver_know(&f.names, "lamp.example", "192.0.2.7", NULL);
	fakeresolver_finish(&f.names, RESOLVE_OK, f.timers.now);
	ck_assert_uint_eq(f.net.nsent, 1);
	fixture_sent_to(&f, "192.0.2.7", 5683);
	m = fixture_parse(fakenet_last(&f.net));
	ck_assert_uint_eq(m.code, COAP_PUT);
	ck_assert(span_eq(m.payload, SPAN_LIT("on")));
	ck_assert(coap_get(&m, COAP_OPT_URI_HOST, &host));
	ck_assert(span_eq(host, SPAN_LIT("lamp.example")));
	fixture_answer(&f, fakenet_last(&f.net), COAP_204);
	ck_assert_uint_eq(o->code, COAP_204);
	fixture_fini(&f);
}
END_TEST

START_TEST(cancelled_while_resolving)
{
	const struct outcome *late, *dropped;
	struct fixture f;

	fixture_init(&f, 10);
	late = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	fixture_pass(&f, TIMEOUT_MS - 1);
	ck_assert_uint_eq(late->replies, 0);
	ck_assert_uint_eq(f.names.cancelled, 0);
	fixture_pass(&f, 1);
	ck_assert_uint_eq(late->code, COAP_504);
	ck_assert_uint_eq(f.names.cancelled, 1);
	/* Or because everything ends. */
	dropped = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	proxy_free(f.proxy);
	f.proxy = NULL;
	ck_assert_uint_eq(f.names.cancelled, 2);
	ck_assert_uint_eq(dropped->code, COAP_504);
	ck_assert_uint_eq(f.net.nsent, 0);
	fixture_fini(&f);
}
END_TEST

START_TEST(resolver_failures)
{
	static const struct {
		enum resolve_result result;
		uint8_t code;
	} t[] = {
		{ RESOLVE_NOT_FOUND, COAP_502 },
		{ RESOLVE_TIMEOUT, COAP_504 },
		{ RESOLVE_BUSY, COAP_503 },
	};
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
		ck_assert_uint_eq(o->replies, 0);
		fakeresolver_finish(&f.names, t[i].result, START);
		ck_assert_uint_eq(o->code, t[i].code);
		ck_assert_uint_gt(o->max_age, 0);
	}
	f.names.refuse = true;
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	ck_assert_uint_eq(o->code, COAP_503);
	fakeresolver_know(&f.names, "lamp.example", NULL, NULL);
	f.names.naddrs = -1;
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	ck_assert_uint_eq(o->code, COAP_502);
	ck_assert_uint_eq(f.net.made, 0);
	fixture_fini(&f);
}
END_TEST

/* ATK-18: what a name resolves to is checked, each address on its own. */
START_TEST(resolved_address_is_checked)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	fakeresolver_know(&f.names, "lamp.example", "10.0.0.1", "224.0.1.1");
	o = fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	ck_assert_uint_eq(o->code, COAP_505);
	o = fixture_get(&f, COAP_CON, "coap://other.example/x");
	fakeresolver_finish(&f.names, RESOLVE_OK, START);
	ck_assert_uint_eq(o->code, COAP_505);
	ck_assert_uint_eq(f.net.made, 0);
	fakeresolver_know(&f.names, "lamp.example", "10.0.0.1", "192.0.2.7");
	fixture_get(&f, COAP_CON, "coap://lamp.example/x");
	fixture_sent_to(&f, "192.0.2.7", 5683);
	ck_assert_uint_eq(f.net.made, 1);
	fixture_fini(&f);
}
END_TEST

/* ---- no socket, no Message ID, no room ---- */

START_TEST(no_socket)
{
	static const struct {
		int err;
		uint8_t code;
	} t[] = {
		{ EMFILE, COAP_503 }, { ENFILE, COAP_503 },
		{ ENOBUFS, COAP_503 }, { ENOMEM, COAP_503 },
		{ ENETUNREACH, COAP_502 }, { EHOSTUNREACH, COAP_502 },
		{ EADDRNOTAVAIL, COAP_502 }, { EAFNOSUPPORT, COAP_502 },
	};
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		f.net.connect_errno = t[i].err;
		o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
		ck_assert_uint_eq(o->code, t[i].code);
		ck_assert_uint_gt(o->max_age, 0);
	}
	ck_assert_uint_eq(client_stats(f.client)->no_mid, 0);
	f.net.connect_errno = 0;
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	fixture_fini(&f);
}
END_TEST

/* MSG-59, ATK-35: with every ID of both ports leased requests get 5.03 with
 * Max-Age, and nothing is sent before EXCHANGE_LIFETIME is over. */
START_TEST(no_message_id)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	fixture_get(&f, COAP_NON, "coap://192.0.2.1/x");
	fixture_exhaust(&f, fakenet_sock(&f.net, 0));
	fixture_get(&f, COAP_NON, "coap://192.0.2.1/x");
	ck_assert_ptr_eq(fakenet_last(&f.net)->sock, fakenet_sock(&f.net, 1));
	fixture_exhaust(&f, fakenet_sock(&f.net, 1));
	for (uint64_t i = 1; i <= 3; i++) {
		o = fixture_get(&f, COAP_NON, "coap://192.0.2.1/x");
		ck_assert_uint_eq(o->code, COAP_503);
		ck_assert_uint_gt(o->max_age, 0);
		ck_assert_uint_eq(client_stats(f.client)->no_mid, i);
		fixture_pass(&f, i * 700);
	}
	/* Others are not concerned. */
	fixture_get(&f, COAP_NON, "coap://192.0.2.2/x");
	ck_assert_uint_eq(f.net.nsent, 3);
	fixture_pass(&f, START + f.params.exchange_lifetime - 1 -
	    f.timers.now);
	o = fixture_get(&f, COAP_NON, "coap://192.0.2.1/x");
	ck_assert_uint_eq(o->code, COAP_503);
	ck_assert_uint_eq(f.net.nsent, 3);
	fixture_pass(&f, 1000);
	o = fixture_get(&f, COAP_NON, "coap://192.0.2.1/x");
	ck_assert_uint_eq(o->replies, 0);
	ck_assert_uint_eq(f.net.nsent, 4);
	fixture_fini(&f);
}
END_TEST

/* PRX-105: all copies of a request leave from the port the first one left from,
 * though a further one has been opened for others meanwhile; and its answer is
 * taken there. */
START_TEST(copies_keep_their_port)
{
	const struct fake_sent *first, *d;
	const struct outcome *o;
	struct fixture f;
	size_t copies = 0;

	fixture_init(&f, 10);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	first = fakenet_last(&f.net);
	fixture_exhaust(&f, first->sock);
	fixture_get(&f, COAP_NON, "coap://192.0.2.1/y");
	ck_assert_uint_eq(f.net.made, 2);
	ck_assert_ptr_ne(fakenet_last(&f.net)->sock, first->sock);
	fixture_pass(&f, 1000);
	fixture_get(&f, COAP_NON, "coap://192.0.2.1/z");
	ck_assert_ptr_ne(fakenet_last(&f.net)->sock, first->sock);
	fixture_pass(&f, 49000);
	for (size_t i = 1; i < f.net.nsent; i++) {
		d = fakenet_sent(&f.net, i);
		if (d->n != first->n ||
		    memcmp(d->octets, first->octets, d->n) != 0)
			continue;
		ck_assert_ptr_eq(d->sock, first->sock);
		copies++;
	}
	ck_assert_uint_eq(copies, f.params.max_retransmit);
	ck_assert_uint_eq(o->replies, 0);
	fixture_answer(&f, first, COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	fixture_fini(&f);
}
END_TEST

START_TEST(no_destination)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 2);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.2/x");
	ck_assert_uint_eq(fixture_get(&f, COAP_CON,
	    "coap://192.0.2.3/x")->code, COAP_503);
	ck_assert_uint_eq(client_dests_stats(f.client)->refused, 1);
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.3/x");
	ck_assert_uint_eq(o->replies, 0);
	fixture_sent_to(&f, "192.0.2.3", 5683);
	ck_assert_uint_eq(f.net.open, 2);
	fixture_fini(&f);
}
END_TEST

/* ---- ends ---- */

START_TEST(ends_without_answer)
{
	const struct outcome *reset, *silent;
	struct fixture f;

	fixture_init(&f, 10);
	reset = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	fixture_empty(&f, fakenet_last(&f.net), COAP_RST);
	ck_assert_uint_eq(reset->code, COAP_502);
	silent = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	fixture_pass(&f, f.params.max_transmit_wait);
	ck_assert_uint_eq(silent->code, COAP_504);
	ck_assert_uint_eq(f.net.nsent, 2 + f.params.max_retransmit);
	fixture_fini(&f);
}
END_TEST

/* PRX-38: a response of which a part is lost cannot be processed. */
START_TEST(truncated_response_is_bad)
{
	const struct outcome *o;
	uint8_t octets[32];
	struct coap_head h = { .type = COAP_NON, .code = COAP_205 };
	struct net_sock *s;
	struct fixture f;
	size_t n;

	fixture_init(&f, 10);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	s = fakenet_sock(&f.net, 0);
	h.token = fixture_parse(fakenet_last(&f.net)).token;
	n = coap_emit(octets, sizeof(octets), &h, SPAN_LIT(""),
	    SPAN_LIT("cut"));
	s->ops->input(s->user, &s->peer, &s->local, span_make(octets, n),
	    true, START);
	ck_assert_uint_eq(o->replies, 1);
	ck_assert_uint_eq(o->code, COAP_502);
	fakenet_input(s, span_make(octets, n), START);
	ck_assert_uint_eq(o->replies, 1);
	fixture_fini(&f);
}
END_TEST

/* Sockets of destinations that are no longer used are closed, and not those
 * of one whose answer is still awaited. */
START_TEST(idle_sockets_are_closed)
{
	struct fixture f;

	fixture_init(&f, 10);
	f.forward.timeout_ms = 10 * f.params.exchange_lifetime;
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/slow");
	fixture_empty(&f, fakenet_last(&f.net), COAP_ACK);
	fixture_get(&f, COAP_CON, "coap://192.0.2.2/x");
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	fixture_pass(&f, f.params.exchange_lifetime);
	ck_assert_uint_eq(f.net.open, 2);
	fixture_pass(&f, 20000);
	ck_assert_uint_eq(f.net.open, 1);
	ck_assert_ptr_null(fakenet_sock(&f.net, 1)->ops);
	fixture_answer(&f, fakenet_sent(&f.net, 0), COAP_205);
	fixture_pass(&f, 20000);
	ck_assert_uint_eq(f.net.open, 0);
	fixture_fini(&f);
}
END_TEST

/* PRX-105: what was begun from one port goes on from there, although another
 * one is opened meanwhile. */
START_TEST(exchange_stays_on_its_port)
{
	const struct outcome *o;
	const struct fake_sent *again;
	struct fixture f;

	fixture_init(&f, 10);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	fixture_exhaust(&f, fakenet_sock(&f.net, 0));
	fixture_get(&f, COAP_NON, "coap://192.0.2.1/y");
	ck_assert_ptr_eq(fakenet_last(&f.net)->sock, fakenet_sock(&f.net, 1));
	fixture_pass(&f, 3000);
	again = fakenet_last(&f.net);
	ck_assert_ptr_eq(again->sock, fakenet_sock(&f.net, 0));
	/* The same answer from the other port is none. */
	fixture_empty(&f, again, COAP_ACK);
	fixture_answer(&f, again, COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	fixture_fini(&f);
}
END_TEST

/* ---- taking turns ---- */

/* MSG-67: the second request goes when the first is acknowledged, though the
 * answer is still to come. */
START_TEST(queued)
{
	const struct outcome *first, *second;
	struct fixture f;

	fixture_init(&f, 10);
	f.forward.nstart = 1;
	first = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	second = fixture_ask(&f, COAP_CON, COAP_PUT, "coap://192.0.2.1/y",
	    SPAN_LIT("on"));
	ck_assert_uint_eq(f.net.nsent, 1);
	ck_assert_uint_eq(client_flow_stats(f.client)->queued, 1);
	fixture_empty(&f, fakenet_sent(&f.net, 0), COAP_ACK);
	ck_assert_uint_eq(f.net.nsent, 2);
	ck_assert_uint_eq(fixture_parse(fakenet_last(&f.net)).code, COAP_PUT);
	fixture_answer(&f, fakenet_last(&f.net), COAP_204);
	ck_assert_uint_eq(second->code, COAP_204);
	ck_assert_uint_eq(first->replies, 0);
	fixture_fini(&f);
}
END_TEST

/* MSG-69: 5.03 with Max-Age for the client with most in a full queue. */
START_TEST(queue_full)
{
	const struct outcome *o[7];
	struct fixture f;

	fixture_init(&f, 10);
	f.forward.nstart = 1;
	for (size_t i = 0; i < 6; i++)
		o[i] = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	ck_assert_uint_eq(o[5]->code, COAP_503);
	ck_assert_uint_ge(o[5]->max_age, 1);
	ck_assert_uint_eq(o[4]->replies, 0);
	f.client_id = 1;
	o[6] = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	ck_assert_uint_eq(o[6]->replies, 0);
	/* It is not told while another is at work. */
	ck_assert_uint_eq(o[4]->replies, 0);
	fixture_pass(&f, 1);
	ck_assert_uint_eq(o[4]->code, COAP_503);
	ck_assert_uint_eq(client_flow_stats(f.client)->refused, 2);
	/* Its turn comes after one of the other's. */
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(o[2]->replies + o[3]->replies, 0);
	fixture_answer(&f, fakenet_last(&f.net), COAP_205);
	ck_assert_uint_eq(o[6]->code, COAP_205);
	fixture_fini(&f);
}
END_TEST

/* No Message ID when its turn comes: it is told, and so is the next. */
START_TEST(queued_without_message_id)
{
	const struct outcome *o[2];
	struct fixture f;

	fixture_init(&f, 10);
	f.conf.max_ports = 1;
	f.forward.nstart = 1;
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	fixture_exhaust(&f, fakenet_sock(&f.net, 0));
	o[0] = fixture_get(&f, COAP_CON, "coap://192.0.2.1/1");
	o[1] = fixture_get(&f, COAP_CON, "coap://192.0.2.1/2");
	f.net.connect_errno = EMFILE;
	fixture_answer(&f, fakenet_sent(&f.net, 0), COAP_205);
	fixture_pass(&f, 1);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(o[i]->code, COAP_503);
		ck_assert_uint_ge(o[i]->max_age, 1);
	}
	ck_assert_uint_eq(f.net.nsent, 1);
	fixture_fini(&f);
}
END_TEST

/* A closed port: everybody in the queue learns of it, one by one. */
START_TEST(queue_at_a_closed_port)
{
	const struct outcome *o[3];
	struct fixture f;

	fixture_init(&f, 10);
	f.forward.nstart = 1;
	for (size_t i = 0; i < 3; i++)
		o[i] = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(f.net.nsent, i + 1);
		fixture_error(&f, fakenet_last(&f.net), ECONNREFUSED);
		ck_assert_uint_eq(o[i]->code, COAP_502);
	}
	fixture_fini(&f);
}
END_TEST

/* MSG-70: the probe of a silent server goes when it is due, without any event
 * but time. */
START_TEST(silent_server)
{
	const struct outcome *o;
	struct fixture f;

	fixture_init(&f, 10);
	f.forward.nstart = 5;
	f.conf.flow.probing_rate = 4;
	fixture_get(&f, COAP_NON, "coap://192.0.2.1/x");
	fixture_pass(&f, 10000);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/y");
	ck_assert_uint_eq(f.net.nsent, 2);
	while (o->replies == 0)
		fixture_pass(&f, 100);
	ck_assert_uint_eq(o->code, COAP_504);
	ck_assert_uint_eq(f.net.nsent, 6);
	fixture_get(&f, COAP_NON, "coap://192.0.2.1/z");
	ck_assert_uint_eq(f.net.nsent, 6);
	fixture_pass(&f, 20000);
	ck_assert_uint_eq(f.net.nsent, 7);
	fixture_fini(&f);
}
END_TEST

static TCase *
turns(void)
{
	TCase *tc = tcase_create("turns");

	tcase_add_test(tc, exchange_stays_on_its_port);
	tcase_add_test(tc, queued);
	tcase_add_test(tc, queue_full);
	tcase_add_test(tc, queued_without_message_id);
	tcase_add_test(tc, queue_at_a_closed_port);
	tcase_add_test(tc, silent_server);
	return tc;
}

static TCase *
addresses(void)
{
	TCase *tc = tcase_create("addresses");

	tcase_add_test(tc, literal_target);
	tcase_add_test(tc, one_socket_per_destination);
	tcase_add_test(tc, cached_name);
	tcase_add_test(tc, resolved_name);
	tcase_add_test(tc, cancelled_while_resolving);
	tcase_add_test(tc, resolver_failures);
	tcase_add_test(tc, resolved_address_is_checked);
	return tc;
}

static TCase *
limits(void)
{
	TCase *tc = tcase_create("limits and ends");

	tcase_add_test(tc, no_socket);
	tcase_add_test(tc, no_message_id);
	tcase_add_test(tc, copies_keep_their_port);
	tcase_add_test(tc, no_destination);
	tcase_add_test(tc, ends_without_answer);
	tcase_add_test(tc, truncated_response_is_bad);
	tcase_add_test(tc, idle_sockets_are_closed);
	return tc;
}

Suite *
client_suite(void)
{
	Suite *s = suite_create("client");

	suite_add_tcase(s, addresses());
	suite_add_tcase(s, turns());
	suite_add_tcase(s, limits());
	return s;
}
