/* What a client is told when a fetch fails, and what is counted. */
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

Suite *
answer_suite(void)
{
	Suite *s = suite_create("answer");
	TCase *tc = tcase_create("answer");

	tcase_add_test(tc, failures);
	tcase_add_test(tc, own);
	suite_add_tcase(s, tc);
	return s;
}
