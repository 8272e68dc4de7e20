#include "ctl/rows.h"

#include <event2/buffer.h>

#include "suites.h"
#include "unit.h"

static const struct column columns[] = {
	{ "name", "name", 6 },
	{ "n", "count", -6 },
	{ "age", "age", -5 },
	{ "ok", "good", 0 },
};

static const char *
table(bool json)
{
	struct evbuffer *b = evbuffer_new();
	struct rows r;
	const char *text;

	ck_assert_ptr_nonnull(b);
	rows_begin(&r, b, json, columns, UNIT_COUNT(columns));
	rows_text(&r, "a\"b");
	rows_number(&r, 12);
	rows_ms(&r, 61005);
	rows_bool(&r, true);
	rows_text(&r, "too long");
	rows_number(&r, UINT64_MAX);
	rows_none(&r);
	rows_bool(&r, false);
	text = drained(b);
	evbuffer_free(b);
	return text;
}

START_TEST(text)
{
	ck_assert_str_eq(table(false),
	    "name     count    age  good\n"
	    "a\"b         12  1m01s  yes\n"
	    "too long  18446744073709551615      -  no\n");
}
END_TEST

START_TEST(json)
{
	ck_assert_str_eq(table(true),
	    "{\"name\":\"a\\\"b\",\"n\":12,\"age\":61.005,\"ok\":true}\n"
	    "{\"name\":\"too long\",\"n\":18446744073709551615,\"age\":null,"
	    "\"ok\":false}\n");
}
END_TEST

Suite *
rows_suite(void)
{
	Suite *s = suite_create("rows");
	TCase *tc = tcase_create("rows");

	tcase_add_test(tc, text);
	tcase_add_test(tc, json);
	suite_add_tcase(s, tc);
	return s;
}
