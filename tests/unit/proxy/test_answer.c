/* What a client is told when a fetch fails, and what is counted. */
#include <stdio.h>

#include "fixture.h"
#include "suites.h"
#include "unit.h"

/* PRX-42, PRX-43, PRX-44, PRX-45, PRX-48, PRX-49: each failure, at once and
 * later. */
START_TEST(failures)
{
	static const struct {
		enum fetch_fail why;
		const char *want;
		size_t counter;
	} rows[] = {
#define COUNTER(name) offsetof(struct proxy_stats, name)
		{ FETCH_TIMEOUT, "5.04 Max-Age=5 payload=17",
			COUNTER(timeouts) },
		{ FETCH_RESET, "5.02 Max-Age=5 payload=21",
			COUNTER(unreachable) },
		{ FETCH_UNREACHABLE, "5.02 Max-Age=5 payload=20",
			COUNTER(unreachable) },
		{ FETCH_BAD_RESPONSE, "5.02 Max-Age=5 payload=15",
			COUNTER(bad_responses) },
		{ FETCH_NO_NAME, "5.02 Max-Age=5 payload=21",
			COUNTER(unreachable) },
		{ FETCH_NO_RESOLVER, "5.04 Max-Age=5 payload=25",
			COUNTER(timeouts) },
		{ FETCH_BUSY, "5.03 Max-Age=5 payload=13", COUNTER(full) },
		{ FETCH_REFUSED, "5.05 payload=18", COUNTER(refused) },
	};

	for (size_t i = 0; i < 2 * UNIT_COUNT(rows); i++) {
		bool later = i >= UNIT_COUNT(rows);
		size_t row = i % UNIT_COUNT(rows);
		struct stand s;
		const char *counter;
		uint64_t count;

		stand_init(&s);
		s.send_result = later ? UPSTREAM_SENT : UPSTREAM_FAILED;
		s.send_why = rows[row].why;
		stand_start(&s);
		stand_ask(&s, "CON GET Proxy-Uri=\"coap://h.example/\"", 2000);
		if (later)
			fetch_failed(s.sent, rows[row].why, 3000);
		ck_assert_uint_eq(s.replies, 1);
		ck_assert_str_eq(s.reply, rows[row].want);
		ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
		counter = (const char *)proxy_stats(s.proxy) +
		    rows[row].counter;
		memcpy(&count, counter, sizeof(count));
		ck_assert_uint_eq(count, 1);
		stand_fini(&s);
	}
}
END_TEST

/* PRX-04: a name that is us gets our own resource, at once or after a look-up;
 * when the request is no longer at hand, a refusal. */
START_TEST(own)
{
	static const char core[] =
	    "CON GET Proxy-Uri=\"coap://h.example/.well-known/core\"";
	static const struct {
		enum upstream_send result;
		const char *want;
	} rows[] = {
		{ UPSTREAM_FAILED, "2.05 ETag=" },
		{ UPSTREAM_WAIT, "2.05 ETag=" },
		{ UPSTREAM_SENT, "5.05 payload=18" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct stand s;

		stand_init(&s);
		s.send_result = rows[i].result;
		s.send_why = FETCH_SELF;
		stand_start(&s);
		stand_ask(&s, core, 2000);
		if (rows[i].result != UPSTREAM_FAILED)
			fetch_failed(s.sent, FETCH_SELF, 3000);
		ck_assert_uint_eq(s.replies, 1);
		ck_assert_msg(strncmp(s.reply, rows[i].want,
				  strlen(rows[i].want)) == 0, "%s", s.reply);
		stand_fini(&s);
	}
}
END_TEST

/* PRX-80: whatever the answer and wherever it comes from, its class decides
 * whether it is told; a request is done with either way. */
START_TEST(unwanted)
{
	static const struct {
		const char *in_front, *no_response;
		const char *response;	/* NULL: it is answered at once */
		const char *want;	/* NULL: suppressed */
	} rows[] = {
		{ "", "No-Response=2", "ACK 2.05", NULL },
		{ "", "No-Response=2", "ACK 4.04", "4.04" },
		{ "", "No-Response=8", "ACK 4.04", NULL },
		{ "", "No-Response=8", "ACK 5.00", "5.00" },
		{ "", "No-Response=16", "ACK 5.00", NULL },
		{ "", "No-Response=16", "ACK 2.05", "2.05" },
		{ "", "No-Response=0", "ACK 2.05", "2.05" },
		/* Our own. */
		{ "", "No-Response=16", "ACK 2.05 opt65003=\"x\"", NULL },
		{ "", "No-Response=10", "ACK 2.05 opt65003=\"x\"",
			"5.02 Max-Age=5 payload=15" },
		{ "Hop-Limit=0", "No-Response=8", NULL, NULL },
		{ "Hop-Limit=0", "No-Response=18", NULL, "4.00 payload=22" },
		{ "Hop-Limit=1", "No-Response=16", NULL, NULL },
		/* PRX-81 */
		{ "", "No-Response=2 No-Response=2", NULL, "4.02 payload=17" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		char text[128];
		struct stand s;

		stand_init(&s);
		stand_start(&s);
		snprintf(text, sizeof(text), "CON GET %s Proxy-Uri="
		    "\"coap://192.0.2.9/\" %s", rows[i].in_front,
		    rows[i].no_response);
		stand_ask(&s, text, 2000);
		if (rows[i].response != NULL)
			stand_answer(&s, rows[i].response, 2100);
		ck_assert_msg(s.replies == (rows[i].want != NULL), "row %zu",
		    i);
		ck_assert_uint_eq(s.suppressed, rows[i].want == NULL);
		ck_assert_uint_eq(s.drops, 0);
		if (rows[i].want != NULL)
			ck_assert_str_eq(s.reply, rows[i].want);
		ck_assert_uint_eq(proxy_stats(s.proxy)->suppressed,
		    s.suppressed);
		ck_assert_uint_eq(proxy_waiting(s.proxy), 0);
		stand_fini(&s);
	}
}
END_TEST

/* PRX-80: nor is who is refused for want of room told so. */
START_TEST(unwanted_busy)
{
	struct stand s;

	stand_init(&s);
	s.conf.max_requests = 0;
	stand_start(&s);
	stand_ask(&s, "CON GET No-Response=16", 2000);
	ck_assert_uint_eq(s.suppressed, 1);
	stand_ask(&s, "CON GET No-Response=10", 2000);
	ck_assert_str_eq(s.reply, "5.03 Max-Age=5 payload=13");
	ck_assert_uint_eq(s.suppressed + s.replies, 2);
	stand_fini(&s);
}
END_TEST

Suite *
answer_suite(void)
{
	Suite *s = suite_create("answer");
	TCase *tc = tcase_create("answer");

	tcase_add_test(tc, failures);
	tcase_add_test(tc, own);
	tcase_add_test(tc, unwanted);
	tcase_add_test(tc, unwanted_busy);
	suite_add_tcase(s, tc);
	return s;
}
