/* Tests of upstream/client: registrations that stay open (RFC 7641). The
 * fetches are made here, and what the client has to say of them ends here. */
#include "upstream/client.h"

#include <errno.h>

#include "fixture.h"
#include "proxy/fetch.h"
#include "proxy/tally.h"
#include "unit.h"

Suite *watch_suite(void);

enum { N = 18 };

enum then { NOTHING, CANCEL, CANCEL_AND_SEND, RENEW };

static struct watched {
	struct fetch f;
	unsigned responses, failures;
	bool open;		/* when it was told last */
	uint8_t code;		/* of the last response */
	enum fetch_fail why;
	size_t nsent;		/* of the request it was said to be for */
	/* Upon the next of either: */
	enum then then;
	struct watched *whom;
	bool refuse;
} w[N];

static struct fixture fx;
static struct tally_origin counted;

static uint64_t
now(void)
{
	return fx.timers.now;
}

static enum upstream_send
send_it(struct watched *x)
{
	enum fetch_fail why = FETCH_SELF;
	enum upstream_send s = client_upstream_ops.send(fx.client, &x->f,
	    &why, now());

	x->why = why;
	return s;
}

static enum upstream_send
renew(struct watched *x, bool registers)
{
	/* What is read after the call must not be ours. */
	uint8_t octets[2] = { 0x61, 0x01 };
	enum fetch_fail why = FETCH_SELF;
	enum upstream_send s;

	x->f.registers = registers;
	x->f.opts = registers ? SPAN_LIT("\x60") : span_make(octets, 2);
	s = client_upstream_ops.renew(fx.client, &x->f, &why, now());
	memset(octets, 0xee, sizeof(octets));
	x->why = why;
	return s;
}

static void
cancel(struct watched *x)
{
	client_upstream_ops.cancel(fx.client, &x->f);
	ck_assert_ptr_null(x->f.up);
	ck_assert_ptr_null(x->f.watch);
}

/* ---- what the client calls ---- */

bool __real_fetch_response(struct fetch *f, const struct coap_msg *m,
    struct span sent, uint64_t at);
bool __wrap_fetch_response(struct fetch *f, const struct coap_msg *m,
    struct span sent, uint64_t at);
void __real_fetch_failed(struct fetch *f, enum fetch_fail why, uint64_t at);
void __wrap_fetch_failed(struct fetch *f, enum fetch_fail why, uint64_t at);

static struct watched *
mine(struct fetch *f)
{
	for (size_t i = 0; i < N; i++)
		if (f == &w[i].f)
			return &w[i];
	return NULL;
}

static void
told(struct watched *x)
{
	enum then then = x->then;

	x->open = x->f.watch != NULL;
	x->then = NOTHING;
	if (then == CANCEL)
		cancel(x->whom);
	if (then == CANCEL_AND_SEND) {
		cancel(x);
		send_it(x->whom);
	}
	if (then == RENEW)
		ck_assert_int_eq(renew(x->whom, true), UPSTREAM_SENT);
}

bool
__wrap_fetch_response(struct fetch *f, const struct coap_msg *m,
    struct span sent, uint64_t at)
{
	struct watched *x = mine(f);
	struct coap_msg request;

	if (x == NULL)
		return __real_fetch_response(f, m, sent, at);
	ck_assert_uint_eq(at, now());
	ck_assert_ptr_null(f->up);
	x->responses++;
	x->code = m->code;
	told(x);
	/* It can be read to the end. */
	ck_assert_int_eq(coap_parse(&request, sent), COAP_PARSE_OK);
	ck_assert_uint_eq(request.code, COAP_GET);
	x->nsent = sent.n;
	return !x->refuse;
}

void
__wrap_fetch_failed(struct fetch *f, enum fetch_fail why, uint64_t at)
{
	struct watched *x = mine(f);

	if (x == NULL) {
		__real_fetch_failed(f, why, at);
		return;
	}
	ck_assert_uint_eq(at, now());
	x->failures++;
	x->why = why;
	told(x);
}

/* ---- what origins do ---- */

/* A message from the origin on S: CODE with OPTS under the token of D. */
static void
tell(struct net_sock *s, const struct fake_sent *d, uint8_t type, uint16_t mid,
    uint8_t code, struct span opts)
{
	struct coap_head h = { type, code, mid, fixture_parse(d).token };
	uint8_t octets[64];
	size_t n = coap_emit(octets, sizeof(octets), &h, opts, SPAN_LIT(""));

	fakenet_input(s, span_make(octets, n), now());
}

/* D is answered, with Observe. */
static void
accept_it(const struct fake_sent *d)
{
	tell(d->sock, d, COAP_ACK, fixture_parse(d).mid, COAP_205,
	    SPAN_LIT("\x61\x05"));
}

static uint16_t
notify(const struct fake_sent *d, uint8_t type)
{
	static uint16_t mid = 0x7000;

	tell(d->sock, d, type, ++mid, COAP_205, SPAN_LIT("\x61\x06"));
	return mid;
}

static void
setup(void)
{
	fixture_init(&fx, 2);
	memset(w, 0, sizeof(w));
	for (size_t i = 0; i < N; i++) {
		w[i].whom = &w[i];
		w[i].f = (struct fetch){
			.origin = &counted,
			.type = COAP_CON,
			.code = COAP_GET,
			.registers = true,
			.opts = SPAN_LIT("\x60"),
		};
		w[i].f.route.nstart = 1;
		w[i].f.route.hop.port = 5683;
		w[i].f.route.hop.host.literal = true;
		w[i].f.route.hop.host.addr = fake_addr("192.0.2.1", 0);
	}
}

static void
teardown(void)
{
	for (size_t i = 0; i < N; i++)
		cancel(&w[i]);
	fixture_fini(&fx);
}

static const struct fake_sent *
last(void)
{
	return fakenet_last(&fx.net);
}

static void
sent_empty(uint8_t type, uint16_t mid)
{
	struct coap_msg m = fixture_parse(last());

	ck_assert_uint_eq(m.type, type);
	ck_assert_uint_eq(m.code, COAP_EMPTY);
	ck_assert_uint_eq(m.mid, mid);
}

/* The registration of X is open; the request, which stays while fewer than
 * FAKE_SENT_MAX follow. */
static const struct fake_sent *
open_it(struct watched *x)
{
	const struct fake_sent *d;

	ck_assert_int_eq(send_it(x), UPSTREAM_SENT);
	ck_assert_ptr_nonnull(x->f.up);
	ck_assert_ptr_null(x->f.watch);
	d = last();
	accept_it(d);
	ck_assert_uint_eq(x->responses, 1);
	ck_assert(x->open);
	ck_assert_ptr_nonnull(x->f.watch);
	return d;
}

/* A plain request; it is outstanding. */
static const struct fake_sent *
occupy(struct watched *x)
{
	x->f.registers = false;
	x->f.opts = SPAN_LIT("");
	ck_assert_int_eq(send_it(x), UPSTREAM_SENT);
	return last();
}

/* No port of D's destination has a Message ID, and no other can be had. */
static void
no_mid(const struct fake_sent *d)
{
	fixture_exhaust(&fx, d->sock);
	fx.net.connect_errno = EMFILE;
}

/* Whether A and B are requests of one registration, from one port. */
static bool
same(const struct fake_sent *a, const struct fake_sent *b)
{
	struct coap_msg m = fixture_parse(a), n = fixture_parse(b);

	return a->sock == b->sock && m.mid != n.mid &&
	    span_eq(m.token, n.token);
}

/* ---- open ---- */

/* It stays open until something ends it; OBS-33: and then it is unknown. */
START_TEST(opened)
{
	const struct fake_sent *d = open_it(&w[0]);
	uint16_t mid;

	ck_assert_uint_eq(w[0].nsent, d->n);
	fixture_pass(&fx, 100000);
	ck_assert_uint_eq(fx.net.nsent, 1);
	notify(d, COAP_NON);
	ck_assert_uint_eq(w[0].responses, 2);
	ck_assert(w[0].open);
	mid = notify(d, COAP_CON);
	sent_empty(COAP_ACK, mid);
	ck_assert_uint_eq(w[0].responses, 3);
	/* OBS-39 */
	tell(d->sock, d, COAP_NON, 0x100, COAP_404, SPAN_LIT(""));
	ck_assert_uint_eq(w[0].responses, 4);
	ck_assert_uint_eq(w[0].code, COAP_404);
	ck_assert(!w[0].open);
	mid = notify(d, COAP_NON);
	sent_empty(COAP_RST, mid);
	mid = notify(d, COAP_CON);
	sent_empty(COAP_RST, mid);
	ck_assert_uint_eq(w[0].responses, 4);
	ck_assert_uint_eq(w[0].failures, 0);
}
END_TEST

START_TEST(not_opened)
{
	const struct fake_sent *d;

	send_it(&w[0]);
	fixture_answer(&fx, last(), COAP_205);
	ck_assert_uint_eq(w[0].responses, 1);
	ck_assert(!w[0].open);
	/* Nor where nobody has asked for it. */
	d = occupy(&w[1]);
	accept_it(d);
	ck_assert_uint_eq(w[1].responses, 1);
	ck_assert(!w[1].open);
}
END_TEST

/* An open registration is not outstanding, and what comes of it is a sign of
 * life (MSG-67). */
START_TEST(nothing_outstanding)
{
	const struct fake_sent *d = open_it(&w[0]);

	occupy(&w[1]);
	ck_assert_uint_eq(fx.net.nsent, 2);
	/* A NON counts until its octets are paid for; not if it is answered. */
	fixture_answer(&fx, last(), COAP_205);
	w[2].f.type = COAP_NON;
	ck_assert_int_eq(send_it(&w[2]), UPSTREAM_SENT);
	tell(last()->sock, last(), COAP_NON, 0x100, COAP_205,
	    SPAN_LIT("\x61\x05"));
	ck_assert(w[2].open);
	fixture_pass(&fx, 60000);
	ck_assert_uint_eq(client_flow_stats(fx.client)->losses, 0);
	/* The server was silent, so one at a time and slowly; until it speaks
	 * again. */
	w[3].f.type = COAP_NON;
	ck_assert_int_eq(send_it(&w[3]), UPSTREAM_SENT);
	fixture_pass(&fx, 60000);
	ck_assert_uint_eq(client_flow_stats(fx.client)->silences, 1);
	notify(d, COAP_NON);
	occupy(&w[4]);
	occupy(&w[5]);
	ck_assert_uint_eq(fx.net.nsent, 5);
	fixture_answer(&fx, last(), COAP_205);
	ck_assert_uint_eq(fx.net.nsent, 6);
}
END_TEST

/* Its port stays, however long nothing else is sent there, and its destination
 * has its place in the table. */
START_TEST(port_stays)
{
	const struct fake_sent *d = open_it(&w[0]);
	uint64_t long_time = 3 * fx.params.exchange_lifetime;

	/* A second port becomes the current one. */
	fixture_exhaust(&fx, d->sock);
	occupy(&w[1]);
	ck_assert_ptr_ne(last()->sock, d->sock);
	fixture_answer(&fx, last(), COAP_205);
	fixture_pass(&fx, long_time);
	ck_assert_uint_eq(fx.net.open, 2);
	w[2].f.route.hop.host.addr = fake_addr("192.0.2.2", 0);
	w[3].f.route.hop.host.addr = fake_addr("192.0.2.3", 0);
	open_it(&w[2]);
	ck_assert_int_eq(send_it(&w[3]), UPSTREAM_FAILED);
	ck_assert_int_eq(w[3].why, FETCH_BUSY);
	notify(d, COAP_NON);
	ck_assert_uint_eq(w[0].responses, 2);
	cancel(&w[0]);
	fixture_pass(&fx, long_time);
	ck_assert_uint_eq(fx.net.open, 1);
	cancel(&w[2]);
	fixture_pass(&fx, long_time);
	ck_assert_uint_eq(fx.net.open, 0);
}
END_TEST

/* They count among the exchanges. */
START_TEST(bounded)
{
	for (size_t i = 0; i < OUTCOMES_MAX; i++)
		open_it(&w[i]);
	ck_assert_int_eq(send_it(&w[OUTCOMES_MAX]), UPSTREAM_FAILED);
	ck_assert_int_eq(w[OUTCOMES_MAX].why, FETCH_BUSY);
	cancel(&w[3]);
	open_it(&w[OUTCOMES_MAX]);
}
END_TEST

/* A new registration of a fetch takes the place of the old one when it is
 * open, not before. */
START_TEST(opened_anew)
{
	const struct fake_sent *old = open_it(&w[0]), *new;
	uint16_t mid;

	ck_assert_int_eq(send_it(&w[0]), UPSTREAM_SENT);
	new = last();
	ck_assert(!same(old, new));
	ck_assert_ptr_nonnull(w[0].f.up);
	ck_assert_ptr_nonnull(w[0].f.watch);
	accept_it(new);
	ck_assert_uint_eq(w[0].responses, 2);
	ck_assert(w[0].open);
	mid = notify(old, COAP_NON);
	sent_empty(COAP_RST, mid);
	notify(new, COAP_NON);
	ck_assert_uint_eq(w[0].responses, 3);
}
END_TEST

/* OBS-38: cancelled, with a request under way besides or without; OBS-33. */
START_TEST(cancelled)
{
	const struct fake_sent *d, *other;
	uint16_t mid;

	for (unsigned i = 0; i < 4; i++) {
		d = open_it(&w[i]);
		if (i == 1)
			ck_assert_int_eq(renew(&w[i], true), UPSTREAM_SENT);
		if (i == 2) {
			other = occupy(&w[10]);
			ck_assert_int_eq(renew(&w[i], true), UPSTREAM_SENT);
			ck_assert_ptr_eq(last(), other);
		}
		if (i == 3)
			ck_assert_int_eq(send_it(&w[i]), UPSTREAM_SENT);
		cancel(&w[i]);
		if (i == 2)
			fixture_answer(&fx, other, COAP_205);
		mid = notify(d, COAP_NON);
		sent_empty(COAP_RST, mid);
		fixture_pass(&fx, 100000);
		sent_empty(COAP_RST, mid);
		ck_assert_uint_eq(w[i].responses, 1);
		ck_assert_uint_eq(w[i].failures, 0);
	}
}
END_TEST

/* In the middle of a notification it is cancelled, or renewed. */
START_TEST(from_within)
{
	const struct fake_sent *d = open_it(&w[0]);
	uint16_t mid;

	w[0].then = RENEW;
	notify(d, COAP_NON);
	ck_assert(same(d, last()));
	accept_it(last());
	ck_assert_uint_eq(w[0].responses, 3);
	w[0].then = CANCEL;
	w[0].refuse = true;
	mid = notify(d, COAP_CON);
	sent_empty(COAP_RST, mid);
	ck_assert_uint_eq(w[0].responses, 4);
	/* Or with the first answer. */
	w[1].then = CANCEL;
	send_it(&w[1]);
	accept_it(last());
	ck_assert_uint_eq(w[1].responses, 1);
	ck_assert_ptr_null(w[1].f.watch);
}
END_TEST

/* The port that it arrives at stays until it is acknowledged, though there is
 * no other use for it, and one for its place. */
START_TEST(port_is_answered_from)
{
	const struct fake_sent *d = open_it(&w[0]);
	uint16_t mid;

	w[1].f.route.hop.host.addr = fake_addr("192.0.2.2", 0);
	w[2].f.route.hop.host.addr = fake_addr("192.0.2.3", 0);
	open_it(&w[1]);
	w[0].then = CANCEL_AND_SEND;
	w[0].whom = &w[2];
	mid = notify(d, COAP_CON);
	sent_empty(COAP_ACK, mid);
	ck_assert_ptr_eq(last()->sock, d->sock);
	ck_assert_int_eq(w[2].why, FETCH_BUSY);
	ck_assert_uint_eq(fx.net.open, 2);
}
END_TEST

/* A renewal counts as use: its Message ID stays leased. */
START_TEST(port_is_used)
{
	uint64_t long_time = fx.params.exchange_lifetime;

	open_it(&w[0]);
	fixture_pass(&fx, 2 * long_time);
	ck_assert_int_eq(renew(&w[0], false), UPSTREAM_SENT);
	fixture_answer(&fx, last(), COAP_205);
	ck_assert(!w[0].open);
	fixture_pass(&fx, long_time - 1);
	ck_assert_uint_eq(fx.net.open, 1);
	fixture_pass(&fx, 20000);
	ck_assert_uint_eq(fx.net.open, 0);
}
END_TEST

/* ---- renewal ---- */

/* OBS-37, OBS-38: once more, or with Observe 1: the same token and port. */
START_TEST(renewed)
{
	const struct fake_sent *d = open_it(&w[0]);
	struct coap_msg m;
	uint32_t v;

	for (unsigned i = 0; i < 3; i++) {
		fixture_pass(&fx, 60000);
		ck_assert_int_eq(renew(&w[0], i < 2), UPSTREAM_SENT);
		ck_assert(same(d, last()));
		m = fixture_parse(last());
		ck_assert(coap_get_uint(&m, COAP_OPT_OBSERVE, &v));
		ck_assert_uint_eq(v, i < 2 ? 0 : 1);
		/* It is repeated. */
		fixture_pass(&fx, 3500);
		ck_assert_uint_eq(fixture_parse(last()).mid, m.mid);
		ck_assert_uint_eq(fx.net.nsent, 1 + 2 * (i + 1));
		if (i == 0)
			accept_it(last());
		else if (i == 1) {
			notify(d, COAP_NON);
			fixture_empty(&fx, last(), COAP_ACK);
		} else
			fixture_answer(&fx, last(), COAP_205);
		ck_assert_uint_eq(w[0].responses, 2 + i);
		ck_assert_uint_eq(w[0].nsent, i < 2 ? d->n : d->n + 1);
		ck_assert(w[0].open == (i < 2));
	}
	fixture_pass(&fx, 100000);
	ck_assert_uint_eq(fx.net.nsent, 7);
}
END_TEST

/* MSG-67: it waits for its turn, and is heard of meanwhile. What has been said
 * need not be asked for; that it is enough must be told. */
START_TEST(renewal_waits)
{
	const struct fake_sent *d = open_it(&w[0]), *other;

	other = occupy(&w[1]);
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	ck_assert_uint_eq(fx.net.nsent, 2);
	fixture_answer(&fx, other, COAP_205);
	ck_assert_uint_eq(fx.net.nsent, 3);
	ck_assert(same(d, last()));
	accept_it(last());
	ck_assert_uint_eq(w[0].responses, 2);
	other = occupy(&w[1]);
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	notify(d, COAP_NON);
	ck_assert_uint_eq(w[0].responses, 3);
	fixture_answer(&fx, other, COAP_205);
	ck_assert_ptr_eq(last(), other);
	other = occupy(&w[1]);
	ck_assert_int_eq(renew(&w[0], false), UPSTREAM_SENT);
	notify(d, COAP_NON);
	ck_assert_uint_eq(w[0].responses, 4);
	ck_assert(w[0].open);
	fixture_answer(&fx, other, COAP_205);
	ck_assert(same(d, last()));
	fixture_answer(&fx, last(), COAP_205);
	ck_assert_uint_eq(w[0].responses, 5);
	ck_assert(!w[0].open);
	ck_assert_uint_eq(w[0].failures, 0);
}
END_TEST

/* A second one takes the place of the first, under way or waiting. */
START_TEST(renewal_replaced)
{
	const struct fake_sent *d = open_it(&w[0]), *first, *other;

	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	first = last();
	fixture_pass(&fx, 2000);
	/* Nothing has been heard for ACK_TIMEOUT: at PROBING_RATE (MSG-70). */
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	ck_assert_ptr_eq(last(), first);
	fixture_pass(&fx, first->n * 1000 - 2001);
	ck_assert_ptr_eq(last(), first);
	fixture_pass(&fx, 1);
	ck_assert(same(d, last()));
	ck_assert(same(first, last()));
	fixture_empty(&fx, first, COAP_RST);
	ck_assert_uint_eq(w[0].failures, 0);
	first = last();
	fixture_empty(&fx, first, COAP_ACK);
	ck_assert_int_eq(renew(&w[0], false), UPSTREAM_SENT);
	ck_assert(same(first, last()));
	fixture_empty(&fx, first, COAP_RST);
	ck_assert_uint_eq(w[0].failures, 0);
	fixture_answer(&fx, last(), COAP_205);
	ck_assert(!w[0].open);
	/* While it waits. */
	open_it(&w[2]);
	other = occupy(&w[1]);
	ck_assert_int_eq(renew(&w[2], true), UPSTREAM_SENT);
	ck_assert_int_eq(renew(&w[2], false), UPSTREAM_SENT);
	fixture_answer(&fx, other, COAP_205);
	ck_assert_uint_eq(fixture_parse(last()).opts.n, 2);
	fixture_answer(&fx, last(), COAP_205);
	ck_assert_uint_eq(w[2].responses, 2);
	ck_assert(!w[2].open);
	occupy(&w[3]);
	ck_assert_uint_eq(w[0].failures + w[2].failures, 0);
}
END_TEST

/* It leaves from its own port or not at all; FETCH_BUSY leaves the registration
 * as it is. */
START_TEST(renewal_without_message_id)
{
	const struct fake_sent *d = open_it(&w[0]);
	uint64_t no_mids = client_stats(fx.client)->no_mid;

	fixture_exhaust(&fx, d->sock);
	occupy(&w[1]);
	ck_assert_ptr_ne(last()->sock, d->sock);
	fixture_answer(&fx, last(), COAP_205);
	for (unsigned registers = 0; registers < 2; registers++) {
		ck_assert_int_eq(renew(&w[0], registers == 1),
		    UPSTREAM_FAILED);
		ck_assert_int_eq(w[0].why, FETCH_BUSY);
		ck_assert_uint_eq(fx.net.nsent, 2);
		notify(d, COAP_NON);
		ck_assert_uint_eq(w[0].responses, 2 + registers);
		ck_assert(w[0].open);
	}
	ck_assert_uint_eq(client_stats(fx.client)->no_mid, no_mids + 2);
	fixture_pass(&fx, fx.params.exchange_lifetime + 1000);
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	ck_assert(same(d, last()));
	ck_assert_uint_eq(w[0].failures, 0);
}
END_TEST

/* Likewise when its turn comes and it cannot be sent, and when it has to make
 * room for others in the queue. */
START_TEST(renewal_is_not_sent)
{
	const struct fake_sent *d = open_it(&w[0]), *other;
	size_t i;

	other = occupy(&w[1]);
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	no_mid(d);
	fixture_answer(&fx, other, COAP_205);
	ck_assert_uint_eq(w[0].failures, 0);
	fixture_pass(&fx, 1);
	ck_assert_uint_eq(w[0].failures, 1);
	ck_assert_int_eq(w[0].why, FETCH_BUSY);
	ck_assert(w[0].open);
	notify(d, COAP_NON);
	ck_assert_uint_eq(w[0].responses, 2);
	fixture_pass(&fx, fx.params.exchange_lifetime + 1000);
	fx.net.connect_errno = 0;
	other = occupy(&w[1]);
	for (i = 2; i < 1 + QUEUE_MAX; i++)
		occupy(&w[i]);
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	w[i].f.client = 1;
	occupy(&w[i]);
	fixture_pass(&fx, 1);
	ck_assert_uint_eq(w[0].failures, 2);
	ck_assert_int_eq(w[0].why, FETCH_BUSY);
	ck_assert(w[0].open);
	/* And there is no room for it now. */
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_FAILED);
	ck_assert_int_eq(w[0].why, FETCH_BUSY);
	notify(d, COAP_NON);
	ck_assert_uint_eq(w[0].responses, 3);
	ck_assert(w[0].open);
	ck_assert_ptr_eq(last(), other);
	ck_assert_uint_eq(w[0].failures, 2);
}
END_TEST

/* Who is not sent is told later; what happens before that has the last word: a
 * notification, which says that the registration is still open, another
 * renewal, and the end. */
START_TEST(not_told)
{
	const struct fake_sent *d = open_it(&w[0]);
	size_t i;

	occupy(&w[1]);
	for (i = 2; i < 1 + QUEUE_MAX; i++)
		occupy(&w[i]);
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	w[i].f.client = 1;
	occupy(&w[i]);
	switch (_i) {
	case 0:
		notify(d, COAP_NON);
		break;
	case 1:
		cancel(&w[i]);
		ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
		break;
	case 2:
		cancel(&w[0]);
		break;
	}
	fixture_pass(&fx, 100);
	ck_assert_uint_eq(w[0].failures, 0);
	ck_assert_int_eq(w[0].open && w[0].f.watch != NULL, _i < 2);
}
END_TEST

/* Not sent, and so another time. */
START_TEST(renewal_too_large)
{
	static uint8_t body[BUF_LARGE];
	const struct fake_sent *d = open_it(&w[0]);

	w[0].f.payload = span_make(body, sizeof(body));
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_FAILED);
	ck_assert_int_eq(w[0].why, FETCH_TOO_LARGE);
	notify(d, COAP_NON);
	ck_assert(w[0].open);
	ck_assert_uint_eq(w[0].responses, 2);
}
END_TEST

/* What becomes of it may be the end of the registration. */
START_TEST(renewal_fails)
{
	static const enum fetch_fail why[] = { FETCH_TIMEOUT, FETCH_RESET,
		FETCH_BAD_RESPONSE, FETCH_UNREACHABLE };
	const struct fake_sent *d;
	uint16_t mid;

	/* There is another address, and it is not where we have registered. */
	fakeresolver_know(&fx.names, "lamp.example", "192.0.2.1", "192.0.2.2");
	for (unsigned i = 0; i < UNIT_COUNT(why); i++) {
		w[i].f.route.hop.host.literal = false;
		w[i].f.route.hop.host.text = SPAN_LIT("lamp.example");
		open_it(&w[i]);
		ck_assert_int_eq(renew(&w[i], true), UPSTREAM_SENT);
		d = last();
		if (why[i] == FETCH_RESET)
			fixture_empty(&fx, d, COAP_RST);
		else if (why[i] == FETCH_BAD_RESPONSE)
			tell(d->sock, d, COAP_ACK, fixture_parse(d).mid,
			    COAP_205, SPAN_LIT("\xf0"));
		else if (why[i] == FETCH_UNREACHABLE)
			fixture_error(&fx, d, ECONNREFUSED);
		else
			/* ... and until it may be sent something again. */
			fixture_pass(&fx, fx.params.max_transmit_wait + 30000);
		ck_assert_uint_eq(w[i].failures, 1);
		ck_assert_int_eq(w[i].why, why[i]);
		ck_assert(!w[i].open);
		mid = notify(d, COAP_NON);
		sent_empty(COAP_RST, mid);
		ck_assert_uint_eq(w[i].responses, 1);
		ck_assert_uint_eq(fx.net.made, 1);
	}
	ck_assert_uint_eq(client_stats(fx.client)->next_address, 0);
}
END_TEST

/* A renewal as NON is given up in time, for others to go on; it may still be
 * answered. */
START_TEST(renewal_as_non)
{
	const struct fake_sent *d = open_it(&w[0]);

	w[0].f.type = COAP_NON;
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	ck_assert_uint_eq(fixture_parse(last()).type, COAP_NON);
	occupy(&w[1]);
	ck_assert_uint_eq(fx.net.nsent, 2);
	fixture_pass(&fx, 60000);
	ck_assert_uint_gt(fx.net.nsent, 2);
	ck_assert_uint_eq(client_flow_stats(fx.client)->silences, 1);
	ck_assert_uint_eq(w[0].failures, 0);
	notify(d, COAP_NON);
	ck_assert(w[0].open);
	ck_assert_uint_eq(w[0].responses, 2);
	cancel(&w[1]);
	/* Answered at once it leaves no trace. */
	ck_assert_int_eq(renew(&w[0], true), UPSTREAM_SENT);
	notify(d, COAP_NON);
	fixture_pass(&fx, 60000);
	ck_assert_uint_eq(w[0].responses, 3);
}
END_TEST

/* When the end of one lets the next one go, and that fails, the first is told
 * of its own end before: it may be what the next one ends in its turn. */
START_TEST(failure_of_the_next)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct fake_sent *d;

		teardown();
		setup();
		if (i > 0)
			w[0].f.registers = false;
		send_it(&w[0]);
		d = last();
		occupy(&w[1]);
		ck_assert_ptr_eq(last(), d);
		no_mid(d);
		w[1].then = CANCEL;
		w[1].whom = &w[0];
		if (i < 2)
			tell(d->sock, d, COAP_CON, 0x100, COAP_205,
			    SPAN_LIT("\x61\x05"));
		else if (i == 2)
			fixture_empty(&fx, d, COAP_RST);
		else
			fixture_error(&fx, d, ECONNREFUSED);
		ck_assert_uint_eq(w[0].responses + w[0].failures, 1);
		ck_assert_int_eq(w[0].open, i == 0);
		ck_assert_uint_eq(w[1].failures, 0);
		if (i < 2)
			sent_empty(COAP_ACK, 0x100);
		fixture_pass(&fx, 1);
		ck_assert_uint_eq(w[1].failures, 1);
		ck_assert_int_eq(w[1].why, FETCH_BUSY);
		ck_assert_uint_eq(w[0].responses + w[0].failures, 1);
		ck_assert(w[0].f.up == NULL && w[0].f.watch == NULL);
	}
}
END_TEST

Suite *
watch_suite(void)
{
	Suite *s = suite_create("watch");
	TCase *tc = tcase_create("open");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, opened);
	tcase_add_test(tc, not_opened);
	tcase_add_test(tc, nothing_outstanding);
	tcase_add_test(tc, port_stays);
	tcase_add_test(tc, port_is_answered_from);
	tcase_add_test(tc, port_is_used);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, opened_anew);
	tcase_add_test(tc, cancelled);
	tcase_add_test(tc, from_within);
	suite_add_tcase(s, tc);
	tc = tcase_create("renewal");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, renewed);
	tcase_add_test(tc, renewal_waits);
	tcase_add_test(tc, renewal_replaced);
	tcase_add_test(tc, renewal_without_message_id);
	tcase_add_test(tc, renewal_is_not_sent);
	tcase_add_loop_test(tc, not_told, 0, 3);
	tcase_add_test(tc, renewal_too_large);
	tcase_add_test(tc, renewal_fails);
	tcase_add_test(tc, renewal_as_non);
	tcase_add_test(tc, failure_of_the_next);
	suite_add_tcase(s, tc);
	return s;
}
