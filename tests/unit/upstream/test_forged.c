/*
 * What somebody sends who can write the origin's address into a datagram, and
 * knows our port, but sees nothing of what we send.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "fixture.h"
#include "unit.h"

Suite *forged_suite(void);

enum { TRIES = 100000 };

/* A response with TOKEN from where D went. */
static void
forge(struct fixture *f, const struct fake_sent *d, uint8_t type, uint16_t mid,
    struct span token)
{
	struct coap_head h = { type, COAP_205, mid, token };
	uint8_t octets[64];
	size_t n = coap_emit(octets, sizeof(octets), &h, SPAN_LIT(""),
	    SPAN_LIT("forged"));

	ck_assert_uint_gt(n, 0);
	fakenet_input(d->sock, span_make(octets, n), f->timers.now);
}

static void
forge_empty(struct fixture *f, const struct fake_sent *d, uint8_t type,
    uint16_t mid)
{
	uint8_t octets[4];

	coap_emit_empty(octets, type, mid);
	fakenet_input(d->sock, span_make(octets, 4), f->timers.now);
}

static uint64_t
token_of(const struct fake_sent *d)
{
	struct coap_msg m = fixture_parse(d);
	uint64_t v;

	ck_assert_uint_eq(m.token.n, sizeof(v));
	memcpy(&v, m.token.p, sizeof(v));
	return v;
}

/* How often TEXT is in the log FD. */
static unsigned
logged(int fd, const char *text)
{
	static char log[1 << 20];
	unsigned found = 0;
	ssize_t n = pread(fd, log, sizeof(log) - 1, 0);

	ck_assert_int_ge(n, 0);
	log[n] = '\0';
	for (char *p = strstr(log, text); p != NULL; p = strstr(p + 1, text))
		found++;
	return found;
}

static uint64_t
strays(const struct fixture *f)
{
	return dgram_stats(client_dgram(f->client))->rx_unexpected;
}

/* ATK-25, ATK-26: tokens at random in responses of every type, a third of them
 * with the right Message ID: none of 10^5 is taken, each is counted. */
START_TEST(blind_responses)
{
	static const uint8_t types[] = { COAP_ACK, COAP_CON, COAP_NON };
	const struct outcome *o;
	struct fake_sent asked;
	struct fixture f;
	struct rand rnd;
	uint16_t mid;

	rand_init_fixed(&rnd, 7);
	fixture_init(&f, 10);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	asked = *fakenet_last(&f.net);
	mid = fixture_parse(&asked).mid;
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t token = rand_u64(&rnd);

		forge(&f, &asked, types[i % 3],
		    i % 9 < 3 ? mid : (uint16_t)rand_u64(&rnd),
		    span_make(&token, i % 10 == 0 ? i / 10 % 8 : 8));
		ck_assert_uint_eq(o->replies + o->drops, 0);
	}
	ck_assert_uint_eq(strays(&f), TRIES);
	fixture_answer(&f, &asked, COAP_205);
	ck_assert_uint_eq(o->replies, 1);
	ck_assert_uint_eq(o->code, COAP_205);
	fixture_fini(&f);
}
END_TEST

/* ATK-27: a RST or an empty ACK with any Message ID but the right one. */
START_TEST(blind_empty)
{
	const struct outcome *o;
	struct fake_sent asked;
	struct fixture f;
	uint16_t mid;

	fixture_init(&f, 10);
	o = fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	asked = *fakenet_last(&f.net);
	mid = fixture_parse(&asked).mid;
	for (unsigned i = 1; i < 65536; i++) {
		forge_empty(&f, &asked, COAP_RST, (uint16_t)(mid + i));
		forge_empty(&f, &asked, COAP_ACK, (uint16_t)(mid + i));
	}
	ck_assert_uint_eq(o->replies + o->drops, 0);
	ck_assert_uint_eq(strays(&f), 2 * 65535);
	/* It is not taken for acknowledged: it is repeated. */
	fixture_pass(&f, 4000);
	ck_assert_uint_eq(fixture_parse(fakenet_last(&f.net)).mid, mid);
	ck_assert_uint_eq(f.net.nsent, 2);
	fixture_answer(&f, &asked, COAP_205);
	ck_assert_uint_eq(o->code, COAP_205);
	fixture_fini(&f);
}
END_TEST

/* ATK-27: where Message IDs begin is not to be known from those of before, nor
 * from another port's. */
START_TEST(message_ids)
{
	uint16_t mids[8];
	struct fixture f;

	fixture_init(&f, 10);
	for (unsigned i = 0; i < 8; i++) {
		char uri[40];

		snprintf(uri, sizeof(uri), "coap://192.0.2.%u/x", i);
		fixture_get(&f, COAP_CON, uri);
		mids[i] = fixture_parse(fakenet_last(&f.net)).mid;
		for (unsigned j = 0; j < i; j++)
			ck_assert_uint_gt((uint16_t)(mids[i] - mids[j] + 8),
			    16);
	}
	fixture_fini(&f);
}
END_TEST

/* ATK-32: a token says nothing of the request, of the client or of the origin:
 * it is what the generator gives, whatever is asked. */
START_TEST(tokens)
{
	uint64_t one, other;
	struct fixture f;

	fixture_init(&f, 10);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	one = token_of(fakenet_last(&f.net));
	fixture_fini(&f);
	fixture_init(&f, 10);
	f.from = fake_addr("2001:db8::9", 999);
	f.client_id = 77;
	fixture_ask(&f, COAP_NON, COAP_PUT,
	    "coap://[2001:db8::1]:61616/another/path?q", SPAN_LIT("body"));
	other = token_of(fakenet_last(&f.net));
	ck_assert_uint_eq(one, other);
	/* And the same once more is another. */
	fixture_ask(&f, COAP_NON, COAP_PUT,
	    "coap://[2001:db8::1]:61616/another/path?q", SPAN_LIT("body"));
	ck_assert_uint_ne(token_of(fakenet_last(&f.net)), other);
	fixture_fini(&f);
}
END_TEST

/* ATK-26: a hundred within a minute are told of, once. */
START_TEST(warning)
{
	const struct span token = SPAN_LIT("\1\2\3\4\5\6\7\10");
	int fd = memfd_create("log", 0);
	struct fake_sent asked;
	struct fixture f;

	ck_assert_int_ge(fd, 0);
	log_open(fd, LOG_INFO);
	fixture_init(&f, 10);
	fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
	asked = *fakenet_last(&f.net);
	for (unsigned i = 0; i < 99; i++)
		forge(&f, &asked, COAP_NON, (uint16_t)i, token);
	ck_assert_uint_eq(logged(fd, "guess tokens"), 0);
	forge(&f, &asked, COAP_NON, 99, token);
	ck_assert_uint_eq(logged(fd, "warn 192.0.2.1:5683: 100 messages"), 1);
	for (unsigned i = 0; i < 5000; i++)
		forge(&f, &asked, COAP_NON, (uint16_t)i, token);
	ck_assert_uint_eq(logged(fd, "guess tokens"), 1);
	log_open(STDERR_FILENO, LOG_INFO);
	close(fd);
	fixture_fini(&f);
}
END_TEST

/* An origin that answers each copy of a request is none of that, nor is one
 * that says something late now and then. */
START_TEST(no_warning)
{
	int fd = memfd_create("log", 0);
	struct fake_sent asked;
	struct fixture f;

	ck_assert_int_ge(fd, 0);
	log_open(fd, LOG_INFO);
	fixture_init(&f, 10);
	for (unsigned i = 0; i < 200; i++) {
		f.n = 0;
		f.outcomes[0].replies = 0;
		fixture_get(&f, COAP_CON, "coap://192.0.2.1/x");
		asked = *fakenet_last(&f.net);
		for (unsigned copy = 0; copy < 5; copy++)
			fixture_answer(&f, &asked, COAP_205);
	}
	ck_assert_uint_eq(strays(&f), 4 * 200);
	for (unsigned i = 0; i < 200; i++) {
		fixture_pass(&f, 1000);
		fixture_answer(&f, &asked, COAP_205);
	}
	ck_assert_uint_eq(logged(fd, "\n"), 0);
	log_open(STDERR_FILENO, LOG_INFO);
	close(fd);
	fixture_fini(&f);
}
END_TEST

Suite *
forged_suite(void)
{
	Suite *s = suite_create("forged");
	TCase *tc = tcase_create("forged");

	tcase_add_test(tc, blind_responses);
	tcase_add_test(tc, blind_empty);
	tcase_add_test(tc, message_ids);
	tcase_add_test(tc, tokens);
	tcase_add_test(tc, warning);
	tcase_add_test(tc, no_warning);
	suite_add_tcase(s, tc);
	return s;
}
