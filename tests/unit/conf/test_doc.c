#include "suites.h"

#include "base/xalloc.h"
#include "conf/doc.h"

static struct doc d;

static void
setup(void)
{
	doc_init(&d);
	doc_add_file(&d, "m.conf", xstrdup(""), 0);
}

static void
teardown(void)
{
	doc_fini(&d);
}

static struct section *
add(enum section_id id, const char *name, unsigned line)
{
	struct conf_pos pos = { .file = d.file[0], .line = line, .col = 2 };

	return doc_add(&d, schema_section_id(id), name, &pos);
}

START_TEST(test_numbers)
{
	struct section *a = add(SECTION_ROUTE, "", 1);
	struct section *b = add(SECTION_ROUTE, "3", 2);
	struct section *c = add(SECTION_ROUTE, "", 3);
	struct section *e = add(SECTION_ROUTE, "", 4);

	doc_complete(&d);
	ck_assert_str_eq(a->name, "1");
	ck_assert_str_eq(b->name, "3");
	ck_assert_str_eq(c->name, "4");
	ck_assert_str_eq(e->name, "5");
	ck_assert_str_eq(e->title, "[route 5]");
	ck_assert_uint_eq(e->index, 3);
	ck_assert_ptr_eq(doc_find(&d, SECTION_ROUTE, "4"), c);
	ck_assert_ptr_null(doc_find(&d, SECTION_LISTEN, "4"));
}
END_TEST

/* What is always in effect is there; routes and [forward] are not. */
START_TEST(test_complete)
{
	static const enum section_id always[] = { SECTION_PROXY, SECTION_ORIGIN,
		SECTION_MESSAGE, SECTION_LOG, SECTION_DNS };
	size_t n;

	add(SECTION_LOG, "", 9);
	doc_complete(&d);
	for (size_t i = 0; i < UNIT_COUNT(always); i++)
		ck_assert_ptr_nonnull(doc_find(&d, always[i], ""));
	ck_assert_uint_eq(doc_find(&d, SECTION_LOG, "")->pos.line, 9);
	ck_assert_str_eq(doc_find(&d, SECTION_LISTEN, "default")->title,
	    "[listen default]");
	ck_assert_uint_eq(d.count[SECTION_FORWARD], 0);
	ck_assert_uint_eq(d.count[SECTION_ROUTE], 0);
	n = d.n;
	doc_complete(&d);
	ck_assert_uint_eq(d.n, n);
}
END_TEST

START_TEST(test_settings)
{
	const struct schema_key *bind = schema_find(SECTION_LISTEN, "bind");
	const struct schema_key *allow = schema_find(SECTION_LISTEN,
	    "allow-from");
	struct section *s = add(SECTION_LISTEN, "a", 5);
	struct conf_pos pos = { .file = d.file[0], .line = 6, .col = 1 };
	static const char *const values[] = { "x  yy", "", "z" };
	struct words_error err;

	for (size_t i = 0; i < UNIT_COUNT(values); i++, pos.line += 2) {
		struct setting *set = section_add(&d, s, bind, &pos);

		ck_assert(words_split(&set->words, &d.arena,
		    span_str(values[i]), 8, true, &err));
	}
	ck_assert_uint_eq(section_get(s, bind)->pos.line, 6);
	ck_assert_ptr_null(section_get(s, allow));
	ck_assert_uint_eq(section_count(s, bind), 3);
	ck_assert_uint_eq(section_count(s, allow), 0);
	pos = section_word(s, bind, 1);
	ck_assert_uint_eq(pos.line, 6);
	ck_assert_uint_eq(pos.col, 11);
	pos = section_word(s, bind, 2);
	ck_assert_uint_eq(pos.line, 10);
	pos = section_word(s, bind, 3);
	ck_assert_uint_eq(pos.line, 5);
	ck_assert_uint_eq(pos.col, 0);
}
END_TEST

Suite *
doc_suite(void)
{
	Suite *s = suite_create("doc");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_numbers);
	tcase_add_test(tc, test_complete);
	tcase_add_test(tc, test_settings);
	suite_add_tcase(s, tc);
	return s;
}
