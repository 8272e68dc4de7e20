#include "suites.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/words.h"

/* Words joined by "|", or "COLUMN: error". */
static void
expect(const char *text, bool list, const char *want)
{
	struct words_error err;
	struct arena arena;
	struct words w;
	char got[512] = "";
	size_t n = 0;

	arena_init(&arena, SIZE_MAX);
	if (!words_split(&w, &arena, span_str(text), 11, list, &err))
		snprintf(got, sizeof(got), "%u: %s", err.col, err.text);
	for (size_t i = 0; i < w.n; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s",
		    i > 0 ? "|" : "", w.v[i].text);
	ck_assert_msg(strcmp(got, want) == 0, "%s: wanted %s, got %s", text,
	    want, got);
	words_fini(&w);
	arena_reset(&arena, 0);
}

START_TEST(test_split)
{
	static const struct {
		const char *text, *list, *scalar;
	} t[] = {
		{ "", "", "" },
		{ " \t ", "", "" },
		{ "a", "a", "a" },
		{ " a\tb  c ", "a|b|c", "a|b|c" },
		{ "a,b, c ,,d,", "a|b|c|d", "a,b,|c|,,d," },
		{ "\"a b\"", "a b", "a b" },
		{ "a\"b c\"d", "ab cd", "ab cd" },
		{ "\"\"", "", "" },
		{ "x \"\" y", "x||y", "x||y" },
		{ "\"a,b\"", "a,b", "a,b" },
		{ "\"# ; x\"", "# ; x", "# ; x" },
		{ "\"\\\"\\\\\\n\\x41\\xfF\"", "\"\\\nA\xff", "\"\\\nA\xff" },
		{ "a\\b 'c d'", "a\\b|'c|d'", "a\\b|'c|d'" },
		{ "$$", "$", "$" },
		{ "a$$b\"$$\"", "a$b$", "a$b$" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		expect(t[i].text, true, t[i].list);
		expect(t[i].text, false, t[i].scalar);
	}
}
END_TEST

START_TEST(test_errors)
{
	static const char escape[] = "unknown escape; there are \\\" \\\\ \\n "
				     "and \\xNN";
	static const char dollar[] = "'$' begins ${env:NAME}, ${cred:NAME} or "
				     "${file:/path}; a dollar is written '$$'";
	static const struct {
		const char *text;
		unsigned col;
		const char *error;
	} t[] = {
		{ "a \"b", 13, "the quotation has no end" },
		{ "a\"b\\\"", 12, "the quotation has no end" },
		{ "\"\\q\"", 12, escape },
		{ "\"a\\", 13, escape },
		{ "\"\\x4\"", 12, "\\x needs two hexadecimal digits" },
		{ "\"\\x4", 12, "\\x needs two hexadecimal digits" },
		{ "\"\\x4g\"", 12, "\\x needs two hexadecimal digits" },
		{ "\"\\x00\"", 12, "a value cannot hold \\x00" },
		{ "a $b", 13, dollar },
		{ "$", 11, dollar },
		{ "\"$x\"", 12, dollar },
		{ "${", 11, "'${' without '}'" },
		{ "ab ${x}", 14, "'${' is followed by env:, cred: or file:" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		char want[256];

		snprintf(want, sizeof(want), "%u: %s", t[i].col, t[i].error);
		expect(t[i].text, true, want);
	}
}
END_TEST

/* What is put in is one piece of one word, and never looked at again. */
START_TEST(test_expansion_is_text)
{
	ck_assert_int_eq(setenv("T", "a b,\"c ${env:T} $$ # \\n", 1), 0);
	expect("x${env:T}y", true, "xa b,\"c ${env:T} $$ # \\ny");
	expect("\"${env:T}\"", true, "a b,\"c ${env:T} $$ # \\n");
	ck_assert_int_eq(setenv("T", "", 1), 0);
	expect("${env:T}", true, "");
	expect("a ${env:T} b", true, "a||b");
}
END_TEST

START_TEST(test_limit)
{
	static const struct {
		size_t n;
		bool ok;
	} t[] = { { WORD_MAX, true }, { WORD_MAX + 1, false },
		{ 4 * WORD_MAX, false } };

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		char *text = malloc(t[i].n + 1);
		struct words_error err;
		struct arena arena;
		struct words w;

		memset(text, 'x', t[i].n);
		text[t[i].n] = '\0';
		arena_init(&arena, SIZE_MAX);
		ck_assert(words_split(&w, &arena, span_str(text), 1, true,
		    &err) == t[i].ok);
		words_fini(&w);
		ck_assert_int_eq(setenv("T", text, 1), 0);
		ck_assert(words_split(&w, &arena, span_str("${env:T}"), 1,
		    true, &err) == t[i].ok);
		words_fini(&w);
		arena_reset(&arena, 0);
		free(text);
	}
}
END_TEST

START_TEST(test_uncomment)
{
	static const struct {
		const char *line;
		size_t quotes, plain;
	} t[] = {
		{ "", 0, 0 },
		{ "# x", 0, 0 },
		{ "; x", 0, 0 },
		{ "a = b # c", 6, 6 },
		{ "a = b\t; c", 6, 6 },
		{ "a = b#c;d", 9, 9 },
		{ "a = \"b # c\" # d", 12, 7 },
		{ "a = \"\\\" # x\" ; d", 13, 8 },
		{ "a = \"b # c", 10, 7 },
		{ "[route don\"t] # x", 17, 14 },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct span line = span_str(t[i].line);

		ck_assert_uint_eq(words_uncomment(line, true), t[i].quotes);
		ck_assert_uint_eq(words_uncomment(line, false), t[i].plain);
	}
}
END_TEST

/* What words_quote() writes is one word again, and the same. */
START_TEST(test_quote)
{
	static const char *const t[] = { "a", "", "a b", "a,b", "\"", "\\",
		"a\\nb", "#", ";x", "$", "${env:HOME}", "\x01\x7f\t\n",
		"coap://[::1]:5683/a?b", "\xc3\xa4" };

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct words_error err;
		struct arena arena;
		struct words w;
		char *text = NULL;
		size_t n;
		FILE *f = open_memstream(&text, &n);

		words_quote(f, t[i]);
		fclose(f);
		arena_init(&arena, SIZE_MAX);
		ck_assert(words_split(&w, &arena, span_str(text), 1, true,
		    &err));
		ck_assert_uint_eq(w.n, 1);
		ck_assert_str_eq(w.v[0].text, t[i]);
		ck_assert_uint_eq(words_uncomment(span_str(text), true), n);
		words_fini(&w);
		arena_reset(&arena, 0);
		free(text);
	}
}
END_TEST

Suite *
words_suite(void)
{
	Suite *s = suite_create("words");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, test_split);
	tcase_add_test(tc, test_errors);
	tcase_add_test(tc, test_expansion_is_text);
	tcase_add_test(tc, test_limit);
	tcase_add_test(tc, test_uncomment);
	tcase_add_test(tc, test_quote);
	suite_add_tcase(s, tc);
	return s;
}
