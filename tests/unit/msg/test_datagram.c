#include "msg/datagram.h"

#include "suites.h"
#include "unit.h"

/*
 * One message layer that is server and client at once, a peer embedded like a
 * socket's, and lists of what came out. Whole behaviours are in tests/replay;
 * here is the interface, and what happens at the limits.
 */

enum { NOW = 1000000, LISTED = 16, TEXT = 128 };

static struct rand rnd;
static struct timers timers;
static struct msg_params params;
static struct buf_pool *bufs;
static struct dgram *dg;
static struct peer peer;
static uint64_t now;

static uint8_t out[LISTED][TEXT];	/* datagrams sent */
static size_t nout[LISTED], n_out;
static struct received *requests[LISTED];
static size_t n_requests;
static unsigned responses, failures;
static enum dgram_fail failure;
static bool accept_response;

static void
send_cb(struct peer *p, struct buf *b)
{
	ck_assert_ptr_eq(p, &peer);
	ck_assert_uint_lt(n_out, LISTED);
	ck_assert_uint_le(b->len, TEXT);
	memcpy(out[n_out], b->data, b->len);
	nout[n_out++] = b->len;
}

static void
request_cb(void *user, struct received *r, const struct coap_msg *m,
    uint64_t at)
{
	ck_assert_ptr_eq(user, &rnd);
	ck_assert_uint_eq(at, now);
	ck_assert_int_eq(coap_code_kind(m->code), COAP_KIND_REQUEST);
	requests[n_requests++] = r;
}

static bool
response_cb(void *user, struct exchange *x, const struct coap_msg *m,
    uint64_t at)
{
	(void)user;
	(void)m;
	ck_assert_uint_eq(at, now);
	ck_assert_ptr_eq(x->user, &params);
	responses++;
	return accept_response;
}

static void
failed_cb(void *user, struct exchange *x, enum dgram_fail why, uint64_t at)
{
	(void)user;
	(void)at;
	ck_assert_ptr_eq(x->user, &params);
	failures++;
	failure = why;
}

static unsigned acked, repeated;

static void
progress_cb(void *user, struct exchange *x, enum dgram_progress what,
    uint64_t t)
{
	(void)user;
	(void)t;
	ck_assert_int_ne(x->sent.state, SENT_NEW);
	if (what == DGRAM_ACKED)
		acked++;
	else
		repeated++;
}

static const struct dgram_ops both = {
	.send = send_cb,
	.request = request_cb,
	.progress = progress_cb,
	.response = response_cb,
	.failed = failed_cb,
};

static const struct dgram_ops client_only = {
	.send = send_cb,
	.progress = progress_cb,
	.response = response_cb,
	.failed = failed_cb,
};

static void
start(const struct dgram_ops *ops, uint32_t max, size_t octets)
{
	struct addr a = { .family = 4, .port = 5683 };

	rand_init_fixed(&rnd, 1);
	now = NOW;
	timers_init(&timers, now);
	msg_params_init(&params);
	params.max_exchanges = max;
	bufs = buf_pool_new(octets);
	ck_assert_ptr_nonnull(bufs);
	dg = dgram_new(ops, &rnd, &params, &timers, bufs, &rnd);
	ck_assert_ptr_nonnull(dg);
	peer_init(&peer, &a, &a, NULL, &rnd);
	n_out = n_requests = 0;
	responses = failures = 0;
	accept_response = true;
}

static void
stop(void)
{
	dgram_free(dg);
	ck_assert_uint_eq(buf_pool_used(bufs), 0);
	ck_assert_uint_eq(peer.refs, 0);
	ck_assert_uint_eq(timers_next(&timers), TIMER_NEVER);
	buf_pool_free(bufs);
}

static void
pass(uint64_t ms)
{
	uint64_t until = now + ms, next;

	while (now < until) {
		next = timers_next(&timers);
		now = next < until ? next : until;
		timers_run(&timers, now);
	}
}

static void
input(const char *octets, size_t n)
{
	dgram_input(dg, &peer, span_make(octets, n), false, now);
}

#define INPUT(literal) input(literal, sizeof(literal) - 1)

/* The datagram sent last is this, and there were N. */
#define ASSERT_OUT(n, literal)                                        \
	do {                                                          \
		ck_assert_uint_eq(n_out, n);                          \
		ck_assert_uint_eq(nout[n_out - 1], sizeof(literal) - 1); \
		ck_assert_mem_eq(out[n_out - 1], literal,             \
		    sizeof(literal) - 1);                             \
	} while (0)

static const struct dgram_out get = { .type = COAP_CON, .code = COAP_GET };
static const struct dgram_out content = { .code = COAP_205 };

static struct exchange *
ask(uint8_t type)
{
	struct dgram_out o = get;
	enum dgram_refusal why;
	struct exchange *x;

	o.type = type;
	x = dgram_prepare(dg, &o, &params, &why);
	if (x != NULL && !dgram_start(dg, x, &peer, now)) {
		dgram_cancel(dg, x);
		return NULL;
	}
	return x;
}

/* An answer of TYPE to the request sent as OUT[I], with the code CODE. */
static void
answer(size_t i, uint8_t type, uint8_t code)
{
	uint8_t m[12];

	memcpy(m, out[i], sizeof(m));
	m[0] = (uint8_t)(0x48 | type << 4);
	m[1] = code;
	dgram_input(dg, &peer, span_make(m, sizeof(m)), false, now);
}

/* CoAPy X1: a CON that nobody answers. */
START_TEST(x1_no_ack)
{
	start(&both, 16, 1 << 20);
	ck_assert_ptr_nonnull(ask(COAP_CON));
	ck_assert_uint_eq(dgram_sent_count(dg), 1);
	pass(61999);
	ck_assert_uint_eq(n_out, 5);
	for (size_t i = 1; i < 5; i++)
		ck_assert_mem_eq(out[i], out[0], nout[0]);
	pass(31001);
	ck_assert_uint_eq(n_out, 5);
	ck_assert_uint_eq(failures, 1);
	ck_assert_int_eq(failure, DGRAM_TIMEOUT);
	ck_assert_uint_eq(dgram_sent_count(dg), 0);
	ck_assert_uint_eq(dgram_stats(dg)->retransmissions, 4);
	ck_assert_uint_eq(dgram_stats(dg)->timeouts, 1);
	stop();
}
END_TEST

/* CoAPy X2: a NON goes out once. */
START_TEST(x2_non)
{
	struct exchange *x;

	start(&both, 16, 1 << 20);
	x = ask(COAP_NON);
	pass(300000);
	ck_assert_uint_eq(n_out, 1);
	ck_assert_uint_eq(failures, 0);
	dgram_cancel(dg, x);
	ck_assert_uint_eq(dgram_sent_count(dg), 0);
	stop();
}
END_TEST

/* CoAPy X3: a RST ends it. MSG-34 */
START_TEST(x3_rst)
{
	uint8_t rst[4] = { 0x70, 0, 0, 0 };

	start(&both, 16, 1 << 20);
	ask(COAP_CON);
	pass(5000);
	rst[2] = out[0][2];
	rst[3] = out[0][3];
	dgram_input(dg, &peer, span_make(rst, 4), false, now);
	ck_assert_uint_eq(failures, 1);
	ck_assert_int_eq(failure, DGRAM_RESET);
	n_out = 0;
	pass(100000);
	ck_assert_uint_eq(n_out, 0);
	/* A second one is nobody's. */
	dgram_input(dg, &peer, span_make(rst, 4), false, now);
	ck_assert_uint_eq(failures, 1);
	ck_assert_uint_eq(dgram_stats(dg)->rx_unexpected, 1);
	stop();
}
END_TEST

/* CoAPy X4: a response in the ACK. */
START_TEST(x4_piggybacked)
{
	start(&both, 16, 1 << 20);
	ask(COAP_CON);
	answer(0, COAP_ACK, COAP_205);
	ck_assert_uint_eq(responses, 1);
	answer(0, COAP_ACK, COAP_205);
	ck_assert_uint_eq(responses, 1);
	ck_assert_uint_eq(n_out, 1);
	ck_assert_uint_eq(dgram_sent_count(dg), 0);
	stop();
}
END_TEST

/* CoAPy's defect 3: an ACK counts until the very end. MSG-35 */
START_TEST(late_ack)
{
	start(&both, 16, 1 << 20);
	ask(COAP_CON);
	pass(60000);
	ck_assert_uint_eq(n_out, 5);
	answer(0, COAP_ACK, COAP_205);
	ck_assert_uint_eq(responses, 1);
	stop();
}
END_TEST

/* CoAPy R1: what is counted of a peer. Only what fits our state says that it
 * lives (defect 10). */
START_TEST(r1_counters)
{
	start(&both, 16, 1 << 20);
	ask(COAP_CON);
	ck_assert_uint_eq(peer.stats.tx_messages, 1);
	ck_assert_uint_eq(peer.stats.tx_octets, 12);
	ck_assert_uint_eq(peer.stats.tx_octets_since_heard, 12);
	ck_assert_uint_eq(peer.stats.last_heard, 0);
	INPUT("\x60\x00\x00\x00\xff");
	INPUT("\x70\x00");
	ck_assert_uint_eq(peer.stats.rx_messages, 2);
	ck_assert_uint_eq(peer.stats.last_heard, 0);
	pass(1000);
	answer(0, COAP_ACK, COAP_205);
	ck_assert_uint_eq(peer.stats.rx_messages, 3);
	ck_assert_uint_eq(peer.stats.rx_octets, 5 + 2 + 12);
	ck_assert_uint_eq(peer.stats.last_heard, NOW + 1000);
	ck_assert_uint_eq(peer.stats.tx_octets_since_heard, 0);
	ck_assert_uint_eq(peer.stats.tx_octets, 12);
	stop();
}
END_TEST

/* MSG-48, PRX-38: a response that the user cannot process is rejected, and so
 * are its copies. */
START_TEST(unusable)
{
	start(&both, 16, 1 << 20);
	ask(COAP_CON);
	accept_response = false;
	answer(0, COAP_CON, COAP_205);
	ck_assert_uint_eq(responses, 1);
	ck_assert_uint_eq(n_out, 2);
	ck_assert_uint_eq(out[1][0], 0x70);
	answer(0, COAP_CON, COAP_205);
	ck_assert_uint_eq(responses, 1);
	ck_assert_uint_eq(n_out, 3);
	ck_assert_mem_eq(out[2], out[1], 4);
	stop();
}
END_TEST

/* After a cancelled exchange its response is unexpected. */
START_TEST(cancel)
{
	start(&both, 16, 1 << 20);
	dgram_cancel(dg, ask(COAP_CON));
	answer(0, COAP_ACK, COAP_205);
	answer(0, COAP_NON, COAP_205);
	ck_assert_uint_eq(n_out, 1);
	answer(0, COAP_CON, COAP_205);
	ck_assert_uint_eq(n_out, 2);
	ck_assert_uint_eq(out[1][0], 0x70);
	ck_assert_uint_eq(responses, 0);
	stop();
}
END_TEST

/* A side without requests rejects them. */
START_TEST(no_requests)
{
	start(&client_only, 16, 1 << 20);
	INPUT("\x40\x01\x12\x34");
	ASSERT_OUT(1, "\x70\x00\x12\x34");
	INPUT("\x50\x01\x12\x35");
	ck_assert_uint_eq(n_out, 1);
	ck_assert_uint_eq(dgram_received_count(dg), 0);
	stop();
}
END_TEST

/* RFC 7252 5.2: the types of answers. */
START_TEST(reply_types)
{
	start(&both, 16, 1 << 20);
	INPUT("\x41\x01\x00\x01\xa1");
	ck_assert(dgram_reply(dg, requests[0], &content, SPAN_LIT("\xa1"),
	    now));
	ASSERT_OUT(1, "\x61\x45\x00\x01\xa1");
	INPUT("\x51\x01\x00\x02\xa2");
	ck_assert(dgram_reply(dg, requests[1], &content, SPAN_LIT("\xa2"),
	    now));
	ck_assert_uint_eq(out[1][0], 0x51);
	INPUT("\x41\x01\x00\x03\xa3");
	pass(500);
	ASSERT_OUT(3, "\x60\x00\x00\x03");
	ck_assert(dgram_reply(dg, requests[2], &content, SPAN_LIT("\xa3"),
	    now));
	ck_assert_uint_eq(out[3][0], 0x41);
	/* Two messages of ours have different IDs. */
	ck_assert_mem_ne(out[3] + 2, out[1] + 2, 2);
	stop();
}
END_TEST

/* A request that is given up is as if it had never come. */
START_TEST(forget)
{
	start(&both, 16, 1 << 20);
	INPUT("\x40\x02\x00\x01");
	dgram_forget(dg, requests[0]);
	pass(1000);
	ck_assert_uint_eq(n_out, 0);
	ck_assert_uint_eq(dgram_received_count(dg), 0);
	INPUT("\x40\x02\x00\x01");
	ck_assert_uint_eq(n_requests, 2);
	dgram_forget(dg, requests[1]);
	stop();
}
END_TEST

/* MSG-91: an answer to what another message has replaced is a message of its
 * own, and no ACK with the ID they share is sent for it. */
START_TEST(orphan)
{
	start(&both, 16, 1 << 20);
	INPUT("\x41\x02\x00\x01\xa1");
	INPUT("\x41\x02\x00\x01\xb2");
	ck_assert_uint_eq(n_requests, 2);
	ck_assert(dgram_reply(dg, requests[1], &content, SPAN_LIT("\xb2"),
	    now));
	ASSERT_OUT(1, "\x61\x45\x00\x01\xb2");
	pass(1000);
	ck_assert_uint_eq(n_out, 1);
	ck_assert(dgram_reply(dg, requests[0], &content, SPAN_LIT("\xa1"),
	    now));
	ck_assert_uint_eq(n_out, 2);
	ck_assert_uint_eq(out[1][0], 0x41);
	ck_assert_uint_eq(dgram_received_count(dg), 1);
	/* Likewise without an answer. */
	INPUT("\x41\x02\x00\x02\xa1");
	INPUT("\x41\x02\x00\x02\xb2");
	dgram_forget(dg, requests[2]);
	ck_assert_uint_eq(dgram_received_count(dg), 2);
	dgram_forget(dg, requests[3]);
	ck_assert_uint_eq(dgram_received_count(dg), 1);
	ck_assert_uint_eq(n_out, 2);
	stop();
}
END_TEST

/* No buffers: a GET may be tried again, a POST is not done again. MSG-66 */
START_TEST(no_buffers)
{
	struct buf *hog[128];
	size_t n = 0;

	start(&both, 16, 8192);
	while (n < 128 && (hog[n] = buf_get(bufs, BUF_SMALL)) != NULL)
		n++;
	ck_assert_uint_lt(n, 128);
	ck_assert_ptr_null(ask(COAP_NON));
	INPUT("\x40\x01\x00\x01");
	ck_assert(!dgram_reply(dg, requests[0], &content, SPAN_LIT(""), now));
	INPUT("\x40\x02\x00\x02");
	ck_assert(!dgram_reply(dg, requests[1], &content, SPAN_LIT(""), now));
	ck_assert_uint_eq(n_out, 0);
	while (n > 0)
		buf_unref(hog[--n]);
	INPUT("\x40\x01\x00\x01");
	ck_assert_uint_eq(n_requests, 3);
	ck_assert(dgram_reply(dg, requests[2], &content, SPAN_LIT(""), now));
	ASSERT_OUT(1, "\x60\x45\x00\x01");
	INPUT("\x40\x02\x00\x02");
	ck_assert_uint_eq(n_requests, 3);
	ASSERT_OUT(2, "\x60\x00\x00\x02");
	stop();
}
END_TEST

/* As many exchanges as allowed; a cancelled one makes room. */
START_TEST(exchanges_full)
{
	struct exchange *x;

	start(&both, 2, 1 << 20);
	x = ask(COAP_NON);
	ck_assert_ptr_nonnull(ask(COAP_NON));
	ck_assert_ptr_null(ask(COAP_NON));
	ck_assert_uint_eq(dgram_stats(dg)->full, 1);
	dgram_cancel(dg, x);
	ck_assert_ptr_nonnull(ask(COAP_NON));
	stop();
}
END_TEST

/* MSG-59: without a Message ID the user is told that it is the peer's. */
START_TEST(no_mid)
{
	enum dgram_refusal why;
	struct exchange *x;

	start(&both, 16, 1 << 20);
	for (unsigned i = 0; i < MID_GROUPS; i++)
		peer.mids.free_at[i] = UINT32_MAX;
	x = dgram_prepare(dg, &get, &params, &why);
	ck_assert_ptr_nonnull(x);
	ck_assert(!dgram_start(dg, x, &peer, now));
	dgram_cancel(dg, x);
	ck_assert_uint_eq(dgram_stats(dg)->no_mid, 1);
	ck_assert_uint_eq(dgram_sent_count(dg), 0);
	/* An answer that needs one is lost; what is piggybacked is not. */
	INPUT("\x50\x01\x00\x01");
	ck_assert(!dgram_reply(dg, requests[0], &content, SPAN_LIT(""), now));
	INPUT("\x40\x01\x00\x02");
	ck_assert(dgram_reply(dg, requests[1], &content, SPAN_LIT(""), now));
	stop();
}
END_TEST

/* MSG-73: of a datagram whose end is lost a request gets 4.13 with Size1; a
 * response ends its exchange. */
START_TEST(truncated)
{
	uint8_t m[12];

	start(&both, 16, 1 << 20);
	dgram_input(dg, &peer, SPAN_LIT("\x41\x03\x00\x01\xa1\xb1t"), true,
	    now);
	ASSERT_OUT(1, "\x61\x8d\x00\x01\xa1\xd2\x2f\x04\x00");
	dgram_input(dg, &peer, SPAN_LIT("\x51\x03\x00\x02\xa2"), true, now);
	ck_assert_uint_eq(n_out, 2);
	ck_assert_uint_eq(out[1][0], 0x51);
	ck_assert_uint_eq(out[1][1], COAP_413);
	ck_assert_uint_eq(n_requests, 0);
	ck_assert_uint_eq(dgram_stats(dg)->rx_truncated, 2);
	ask(COAP_CON);
	memcpy(m, out[2], sizeof(m));
	m[0] = 0x68;
	m[1] = COAP_205;
	dgram_input(dg, &peer, span_make(m, sizeof(m)), true, now);
	ck_assert_uint_eq(failures, 1);
	ck_assert_int_eq(failure, DGRAM_BAD_RESPONSE);
	stop();
}
END_TEST

/* Freeing with everything under way. */
START_TEST(free_busy)
{
	start(&both, 16, 1 << 20);
	ask(COAP_CON);
	ask(COAP_NON);
	INPUT("\x40\x01\x00\x01");
	INPUT("\x40\x02\x00\x02");
	INPUT("\x40\x02\x00\x02\xc0");
	INPUT("\x40\x01\x00\x03");
	ck_assert_uint_eq(n_requests, 4);
	ck_assert_uint_eq(dgram_sent_count(dg), 2);
	pass(600);
	dgram_reply(dg, requests[0], &content, SPAN_LIT(""), now);
	dgram_reply(dg, requests[1], &content, SPAN_LIT(""), now);
	dgram_reply(dg, requests[2], &content, SPAN_LIT(""), now);
	stop();
	dgram_free(NULL);
}
END_TEST

Suite *
datagram_suite(void)
{
	Suite *s = suite_create("datagram");
	TCase *tc = tcase_create("datagram");

	tcase_add_test(tc, x1_no_ack);
	tcase_add_test(tc, x2_non);
	tcase_add_test(tc, x3_rst);
	tcase_add_test(tc, x4_piggybacked);
	tcase_add_test(tc, late_ack);
	tcase_add_test(tc, r1_counters);
	tcase_add_test(tc, unusable);
	tcase_add_test(tc, cancel);
	tcase_add_test(tc, no_requests);
	tcase_add_test(tc, reply_types);
	tcase_add_test(tc, forget);
	tcase_add_test(tc, orphan);
	tcase_add_test(tc, no_buffers);
	tcase_add_test(tc, exchanges_full);
	tcase_add_test(tc, no_mid);
	tcase_add_test(tc, truncated);
	tcase_add_test(tc, free_busy);
	suite_add_tcase(s, tc);
	return s;
}
