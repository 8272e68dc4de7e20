#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/loaded.h"
#include "conf/value.h"
#include "loading.h"

START_TEST(test_sections)
{
	for (unsigned i = 0; i < SECTION_TYPES; i++) {
		const struct schema_section *s =
		    schema_section_id((enum section_id)i);

		ck_assert_uint_eq(s->id, i);
		ck_assert_ptr_eq(schema_section(s->name), s);
		ck_assert_uint_gt(strlen(s->help), 0);
		ck_assert(!s->always || !s->later);
	}
	ck_assert_ptr_null(schema_section("nope"));
	ck_assert_ptr_null(schema_section(""));
}
END_TEST

START_TEST(test_rows)
{
	const struct schema_key *k;

	for (size_t i = 0; (k = schema_row(i)) != NULL; i++) {
		ck_assert_ptr_eq(schema_find(k->section, k->name), k);
		ck_assert_ptr_nonnull(k->def);
		ck_assert_uint_gt(strlen(k->help), 0);
		ck_assert((k->type == NULL) == ((k->flags & KEY_LATER) != 0));
		if (k->type == NULL)
			continue;
		ck_assert_msg(k->count == 0 || k->type->size > 0, "%s",
		    k->name);
		ck_assert(k->count == 0 || (k->flags & KEY_LIST) != 0);
		ck_assert_ptr_nonnull(k->type->noun);
		ck_assert_ptr_nonnull(k->type->example);
	}
}
END_TEST

/* The section of K with K set to VALUE, and what else it needs. */
static void
section_with(char text[512], const struct schema_key *k, const char *value)
{
	bool action = strcmp(k->name, "to") == 0 ||
	    strcmp(k->name, "reply") == 0 || strcmp(k->name, "server") == 0;
	const char *more = "";

	if (k->section == SECTION_ROUTE && !action)
		more = "to = coap://h\n";
	else if (k->section == SECTION_ORIGIN && !action)
		more = "server = coap://h\n";
	snprintf(text, 512, "[%s%s]\n%s = %s\n%s",
	    schema_section_id(k->section)->name,
	    k->section == SECTION_ORIGIN ? " x" : "", k->name, value, more);
}

static struct loading
load_with(const struct schema_key *k, const char *value)
{
	char text[512];

	section_with(text, k, value);
	return load_string(text);
}

/* Every key wrong once: one error, at the place, that shows the word and a
 * right one. */
START_TEST(test_every_key_wrong)
{
	const struct schema_key *k;
	char want[256];

	for (size_t i = 0; (k = schema_row(i)) != NULL; i++) {
		struct loading l;

		if (k->type == NULL || (k->flags & KEY_DONE) != 0)
			continue;
		l = load_with(k, "\"? !\"");
		ck_assert_msg(l.c == NULL, "%s", k->name);
		ck_assert_msg(l.r.errors == 1, "%s", l.r.text);
		if (k->type == &value_listen)
			snprintf(want, sizeof(want), "t.conf:2: error: there "
			    "is no [listen ? !]\n");
		else
			snprintf(want, sizeof(want), "t.conf:2:%zu: error: "
			    "'? !' is not %s; expected %s\n",
			    strlen(k->name) + 4, k->type->noun,
			    k->type->example);
		ck_assert_msg(strncmp(l.r.text, want, strlen(want)) == 0,
		    "wanted %s, got %s", want, l.r.text);
		unload(&l);
	}
}
END_TEST

START_TEST(test_every_later_key)
{
	const struct schema_key *k;
	char want[256];

	for (size_t i = 0; (k = schema_row(i)) != NULL; i++) {
		const struct schema_section *s =
		    schema_section_id(k->section);
		struct loading l;

		if (k->type != NULL)
			continue;
		l = load_with(k, k->def);
		ck_assert_ptr_null(l.c);
		ck_assert_msg(l.r.errors == 1, "%s", l.r.text);
		if (s->later)
			snprintf(want, sizeof(want), "t.conf:1:2: error: [%s] "
			    "is not supported by this build\n", s->name);
		else
			snprintf(want, sizeof(want), "t.conf:2:1: error: '%s' "
			    "is not supported by this build\n", k->name);
		ck_assert_msg(strncmp(l.r.text, want, strlen(want)) == 0,
		    "wanted %s, got %s", want, l.r.text);
		unload(&l);
	}
}
END_TEST

/* A default is a value like any other. */
START_TEST(test_every_default)
{
	const struct schema_key *k;

	for (size_t i = 0; (k = schema_row(i)) != NULL; i++) {
		struct loading l;

		if (k->type == NULL || (k->section == SECTION_ROUTE &&
		    *k->def == '\0') || strcmp(k->name, "server") == 0)
			continue;
		l = load_with(k, k->def);
		ck_assert_msg(l.c != NULL, "%s: %s", k->name, l.r.text);
		unload(&l);
	}
}
END_TEST

static void
try_limit(const struct schema_key *k, uint64_t n, bool good)
{
	unsigned long long v = n;
	struct loading l;
	char text[64];

	if (k->type == &value_factor)
		snprintf(text, sizeof(text), "%llu.%03llu", v / 1000,
		    v % 1000);
	else
		snprintf(text, sizeof(text), "%llu%s", v,
		    k->type == &value_duration ||
			k->type == &value_seconds ? "ms" : "");
	l = load_with(k, text);
	/* Other rules may refuse it too; the range must not. */
	ck_assert_msg((strstr(l.r.text, "is not between") == NULL) == good,
	    "%s = %s: %s", k->name, text, l.r.text);
	unload(&l);
}

START_TEST(test_every_limit)
{
	const struct schema_key *k;
	unsigned n = 0;

	for (size_t i = 0; (k = schema_row(i)) != NULL; i++) {
		if (k->type != &value_count && k->type != &value_duration &&
		    k->type != &value_factor && k->type != &value_size &&
		    k->type != &value_seconds && k->type != &value_nstart)
			continue;
		ck_assert_uint_gt(k->hi, k->lo);
		try_limit(k, k->lo, true);
		try_limit(k, k->hi, true);
		try_limit(k, k->hi + 1, false);
		if (k->lo > 0)
			try_limit(k, k->lo - 1, false);
		n++;
	}
	ck_assert_uint_gt(n, 20);
}
END_TEST

START_TEST(test_one_typo)
{
	static const struct {
		const char *a, *b;
		bool typo;
	} t[] = {
		{ "bind", "bnid", true },	/* swapped */
		{ "route", "rotue", true },
		{ "bind", "bin", true },	/* one missing */
		{ "bind", "ind", true },
		{ "bind", "binnd", true },	/* one too many */
		{ "bind", "xbind", true },
		{ "bind", "bund", true },	/* another */
		{ "bind", "BIND", true },	/* case */
		{ "bind", "bind", true },
		{ "a", "", true },
		{ "", "", true },
		{ "bind", "dnib", false },
		{ "bind", "bi", false },
		{ "bind", "bxxd", false },
		{ "bind", "nbid", false },
		{ "abcd", "badc", false },
		{ "bind", "bindxx", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		ck_assert_msg(one_typo(t[i].a, t[i].b) == t[i].typo, "%s %s",
		    t[i].a, t[i].b);
		ck_assert_msg(one_typo(t[i].b, t[i].a) == t[i].typo, "%s %s",
		    t[i].b, t[i].a);
	}
}
END_TEST

START_TEST(test_suggest)
{
	ck_assert_str_eq(schema_suggest_section("rotue"), "route");
	ck_assert_str_eq(schema_suggest_section("cahce"), "cache");
	ck_assert_str_eq(schema_suggest_section("osberve"), "observe");
	ck_assert_str_eq(schema_suggest_section("mertics"), "metrics");
	ck_assert_ptr_null(schema_suggest_section("tsl"));
	ck_assert_ptr_null(schema_suggest_section("reload"));
	ck_assert_str_eq(schema_suggest_key(SECTION_LISTEN, "bnid"), "bind");
	ck_assert_ptr_null(schema_suggest_key(SECTION_LISTEN, "tsl"));
	ck_assert_ptr_null(schema_suggest_key(SECTION_ROUTE, "bnid"));
}
END_TEST

Suite *
schema_suite(void)
{
	Suite *s = suite_create("schema");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, test_sections);
	tcase_add_test(tc, test_rows);
	tcase_add_test(tc, test_every_key_wrong);
	tcase_add_test(tc, test_every_later_key);
	tcase_add_test(tc, test_every_default);
	tcase_add_test(tc, test_every_limit);
	tcase_add_test(tc, test_one_typo);
	tcase_add_test(tc, test_suggest);
	suite_add_tcase(s, tc);
	return s;
}
