#include "net/names.h"

#include <stdio.h>

#include "suites.h"
#include "unit.h"

#define L63 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"

static const struct siphash_key key = { 1, 2 };

/* PRX-26: without IDNA a name that is not ASCII is none. */
START_TEST(name_has_one_form)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "Host.Example.NET", "host.example.net" },
		{ "a", "a" },
		{ "a.", "a" },
		{ "_coap._udp.x-1", "_coap._udp.x-1" },
		{ L63, L63 },
		{ "", NULL },
		{ ".", NULL },
		{ "a..b", NULL },
		{ ".a", NULL },
		{ "a..", NULL },
		{ "a b", NULL },
		{ "a/b", NULL },
		{ "b\xc3\xbc" "cher.example", NULL },
		{ "a\x7f", NULL },
		{ L63 "x", NULL },
		{ L63 "." L63 "." L63 "." L63, NULL },
	};
	struct name nm;

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		bool ok = name_from(&nm, span_str(t[i].text));

		ck_assert_msg(ok == (t[i].want != NULL), "%s", t[i].text);
		if (ok)
			ck_assert_str_eq(nm.s, t[i].want);
	}
	ck_assert(!name_from(&nm, SPAN_LIT("a\0b")));
}
END_TEST

static struct name
name_of(unsigned i)
{
	struct name nm;
	char text[16];

	(void)snprintf(text, sizeof(text), "n%u", i);
	ck_assert(name_from(&nm, span_str(text)));
	return nm;
}

static void
put(struct names *c, unsigned i, uint64_t expires)
{
	struct name nm = name_of(i);
	struct name_addrs a = { .n = 1 };

	a.a[0] = (struct addr){ .family = 4 };
	memcpy(a.a[0].ip, &i, 4);
	names_put(c, &nm, &a, expires);
}

static bool
has(struct names *c, unsigned i, uint64_t now)
{
	struct name nm = name_of(i);
	const struct name_addrs *a = names_get(c, &nm, now);

	if (a != NULL)
		ck_assert_int_eq(memcmp(a->a[0].ip, &i, 4), 0);
	return a != NULL;
}

START_TEST(answers_expire)
{
	struct names c;

	ck_assert(names_init(&c, 10, &key));
	put(&c, 1, 100);
	ck_assert(has(&c, 1, 99));
	ck_assert(!has(&c, 1, 100));
	ck_assert(!has(&c, 2, 99));
	put(&c, 1, 200);
	ck_assert(has(&c, 1, 100));
	ck_assert_uint_eq(c.table.count, 1);
	names_fini(&c);
}
END_TEST

START_TEST(least_recently_used_goes)
{
	struct names c;

	ck_assert(names_init(&c, 3, &key));
	put(&c, 1, 1000);
	put(&c, 2, 1000);
	put(&c, 3, 1000);
	ck_assert(has(&c, 1, 0));
	put(&c, 4, 1000);
	ck_assert(has(&c, 1, 0));
	ck_assert(!has(&c, 2, 0));
	ck_assert(has(&c, 3, 0));
	ck_assert(has(&c, 4, 0));
	names_fini(&c);
}
END_TEST

Suite *
names_suite(void)
{
	Suite *s = suite_create("names");
	TCase *tc = tcase_create("names");

	tcase_add_test(tc, name_has_one_form);
	tcase_add_test(tc, answers_expire);
	tcase_add_test(tc, least_recently_used_goes);
	suite_add_tcase(s, tc);
	return s;
}
