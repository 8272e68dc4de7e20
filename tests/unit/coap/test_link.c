/* Tests of coap/link. */
#include "coap/link.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

/* What the reader makes of LIST, in memory of exactly its size: the links in
 * brackets, "!" where it is malformed. */
static const char *
read_list(const char *list)
{
	static char out[1024];
	struct coap_link_iter it;
	struct coap_attr a;
	size_t len = strlen(list), n = 0;
	char *copy = malloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, list, len);
	coap_links(&it, span_make(copy, len));
	while (coap_links_next(&it)) {
		n += (size_t)snprintf(out + n, sizeof(out) - n, "[%.*s",
		    (int)it.target.n, (const char *)it.target.p);
		coap_attrs(&a, it.attrs);
		while (coap_attrs_next(&a))
			n += (size_t)snprintf(out + n, sizeof(out) - n,
			    a.has_value ? " %.*s%s%.*s" : " %.*s", (int)a.name.n,
			    (const char *)a.name.p, a.quoted ? ":" : "=",
			    (int)a.value.n, (const char *)a.value.p);
		n += (size_t)snprintf(out + n, sizeof(out) - n, "]");
	}
	snprintf(out + n, sizeof(out) - n, "%s", it.bad ? "!" : "");
	ck_assert(!coap_links_next(&it));
	free(copy);
	return out;
}

/* PRX-75, RFC 6690 2 and 5. */
START_TEST(reads)
{
	static const struct {
		const char *list, *want;
	} t[] = {
		{ "", "" },
		{ " \r\n\t", "" },
		{ "</sensors>;ct=40", "[/sensors ct=40]" },
		{ "</sensors/temp>;rt=\"temperature-c\";if=\"sensor\","
		  "</sensors/light>;rt=\"light-lux\";if=\"sensor\"",
			"[/sensors/temp rt:temperature-c if:sensor]"
			"[/sensors/light rt:light-lux if:sensor]" },
		{ "<http://www.example.com/sensors/t123>;"
		  "anchor=\"/sensors/temp\";rel=\"describedby\",</t>;"
		  "anchor=\"/sensors/temp\";rel=\"alternate\"",
			"[http://www.example.com/sensors/t123 "
			"anchor:/sensors/temp rel:describedby]"
			"[/t anchor:/sensors/temp rel:alternate]" },
		{ "<>", "[]" },
		{ "</a>,</b>", "[/a][/b]" },
		{ "</o>;obs;sz=1", "[/o obs sz=1]" },
		{ "</a>;title=\"x,y;z=</q>\",</b>",
			"[/a title:x,y;z=</q>][/b]" },
		{ "</a>;title=\"a\\\"b\\\\\",</b>",
			"[/a title:a\\\"b\\\\][/b]" },
		{ "</a>;title=\"\"", "[/a title:]" },
		{ "</a>;title=\"a\r\n b\xc3\xa4\"",
			"[/a title:a\r\n b\xc3\xa4]" },
		{ "</a>;title*=UTF-8'en'%e2%82%ac;x*=a'b'c",
			"[/a title*=UTF-8'en'%e2%82%ac x*=a'b'c]" },
		{ "</a>;v=<b>?x=[1]", "[/a v=<b>?x=[1]]" },
		/* Linear white space between the tokens (RFC 5988). */
		{ " </a> ; rt = \"b\" ;\tct=\r\n 0 , </c> ",
			"[/a rt:b ct=0][/c]" },
		{ "</a> ;obs ,</b>", "[/a obs][/b]" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		ck_assert_str_eq(read_list(t[i].list), t[i].want);
}
END_TEST

START_TEST(refuses)
{
	static const struct {
		const char *list, *want;
	} t[] = {
		{ "x", "!" },
		{ "/a", "!" },
		{ "<", "!" },
		{ "</a", "!" },
		{ "</a b>", "!" },
		{ "</a\"b>", "!" },
		{ "</a<b>", "!" },
		{ "</\xc3\xa4>", "!" },
		{ "</a\x01>", "!" },
		{ "</a\x7f>", "!" },
		{ "</a>x", "!" },
		{ "</a></b>", "!" },
		{ "</a>,", "[/a]!" },
		{ "</a>, ", "[/a]!" },
		{ ",</a>", "!" },
		{ "</a>,,</b>", "[/a]!" },
		{ "</a>;", "!" },
		{ "</a>;;b", "!" },
		{ "</a>;=b", "!" },
		{ "</a>;b=", "!" },
		{ "</a>;b=,</c>", "!" },
		{ "</a>;b=\"c", "!" },
		{ "</a>;b=\"c\\", "!" },
		{ "</a>;b=\"c\\\"", "!" },
		{ "</a>;b=\"c\x01\"", "!" },
		{ "</a>;b=\"c\x7f\"", "!" },
		{ "</a>;b=\"c\\\xff\"", "!" },
		{ "</a>;b=\"c\"d", "!" },
		{ "</a>;b=c d", "!" },
		{ "</a>;b=c\\", "!" },
		{ "</a>;\xc3\xa4=b", "!" },
		{ "</a>,</b>;c=\",</d>", "[/a]!" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		ck_assert_str_eq(read_list(t[i].list), t[i].want);
}
END_TEST

/* A NUL is no delimiter and no character either. */
START_TEST(refuses_nul)
{
	static const char lists[][8] = { "<\0>", "<a>\0", "<a>;\0", "<a>;b\0",
		"<a>;b=\0" };
	static const size_t len[] = { 3, 4, 5, 6, 7 };
	struct coap_link_iter it;

	for (size_t i = 0; i < UNIT_COUNT(lists); i++) {
		coap_links(&it, span_make(lists[i], len[i]));
		while (coap_links_next(&it))
			;
		ck_assert(it.bad);
	}
}
END_TEST

/* Cut anywhere, a list is read no further than it goes. */
START_TEST(every_prefix)
{
	static const char list[] = "</a> ; rt = \"b\\\"c\" ;obs;ct=0 , </d>;e=f";

	for (size_t n = 0; n < sizeof(list); n++) {
		char *copy = malloc(n > 0 ? n : 1);
		struct coap_link_iter it;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, list, n);
		coap_links(&it, span_make(copy, n));
		while (coap_links_next(&it))
			ck_assert_uint_gt(it.target.n, 0);
		free(copy);
	}
}
END_TEST

START_TEST(values_without_escapes)
{
	struct span list = SPAN_LIT("<a>;x=\"a\\\"b\\\\c\\d\";y=\"\"");
	struct coap_link_iter it;
	struct coap_attr a;
	char text[32];
	size_t n = 0;
	uint8_t c;

	coap_links(&it, list);
	ck_assert(coap_links_next(&it));
	ck_assert_uint_eq(it.text.n, list.n);
	coap_attrs(&a, it.attrs);
	ck_assert(coap_attrs_next(&a));
	ck_assert(coap_attr_is(&a, "X"));
	ck_assert(!coap_attr_is(&a, "xy"));
	for (struct span rest = a.value; coap_attr_octet(&a, &rest, &c);)
		text[n++] = (char)c;
	text[n] = '\0';
	ck_assert_str_eq(text, "a\"b\\cd");
	ck_assert(coap_attrs_next(&a));
	ck_assert(!coap_attr_octet(&a, &a.value, &c));
	ck_assert(!coap_attrs_next(&a));
}
END_TEST

/* PRX-75: quoted when needed, "ct" once, targets percent-encoded. */
START_TEST(writes)
{
	uint8_t out[256];
	struct writer w = writer_make(out, sizeof(out));
	struct coap_linkw l = coap_linkw(&w);
	static const char want[] =
	    "</a%20b/c%2Fd%3E/%C3%A4>;rt=x.y;if=\"a b\";ct=40;title=\"t\";"
	    "anchor=\"/\";e=\"\";q=\"\\\"\\\\,\",</>;ct=\"0 41\"";

	coap_link_begin(&l);
	coap_link_segment(&l, SPAN_LIT("a b"));
	coap_link_segment(&l, SPAN_LIT("c/d>"));
	coap_link_segment(&l, SPAN_LIT("\xc3\xa4"));
	coap_link_attrs(&l);
	coap_link_put(&l, SPAN_LIT("rt"), SPAN_LIT("x.y"));
	coap_link_put(&l, SPAN_LIT("if"), SPAN_LIT("a b"));
	coap_link_put(&l, SPAN_LIT("ct"), SPAN_LIT("40"));
	coap_link_put(&l, SPAN_LIT("CT"), SPAN_LIT("41"));
	coap_link_put(&l, SPAN_LIT("title"), SPAN_LIT("t"));
	coap_link_put(&l, SPAN_LIT("anchor"), SPAN_LIT("/"));
	coap_link_put(&l, SPAN_LIT("e"), SPAN_LIT(""));
	coap_link_put(&l, SPAN_LIT("q"), SPAN_LIT("\"\\,"));
	coap_link_begin(&l);
	coap_link_segment(&l, SPAN_LIT(""));
	coap_link_attrs(&l);
	coap_link_put(&l, SPAN_LIT("ct"), SPAN_LIT("0 41"));
	ck_assert(!w.full);
	ck_assert_uint_eq(writer_len(&w), sizeof(want) - 1);
	ck_assert_mem_eq(out, want, sizeof(want) - 1);
	coap_link_put(&l, SPAN_LIT("x"), SPAN_LIT("\1"));
	ck_assert(w.full);
}
END_TEST

START_TEST(copies)
{
	static const char list[] =
	    "<a> ; rt = \"b \\\" c\" ;obs; ct=0;sz=1;ct=\"40\",<d>;ct=1";
	static const char want[] =
	    "<a>;rt=\"b \\\" c\";obs;ct=0;sz=1,<d>;ct=1";
	uint8_t out[128];
	struct writer w = writer_make(out, sizeof(out));
	struct coap_linkw l = coap_linkw(&w);
	struct coap_link_iter it;
	struct coap_attr a;

	coap_links(&it, span_make(list, sizeof(list) - 1));
	while (coap_links_next(&it)) {
		coap_link_begin(&l);
		writer_span_put(&w, it.target);
		coap_link_attrs(&l);
		coap_attrs(&a, it.attrs);
		while (coap_attrs_next(&a))
			coap_link_copy(&l, &a);
	}
	ck_assert(!it.bad);
	ck_assert_uint_eq(writer_len(&w), sizeof(want) - 1);
	ck_assert_mem_eq(out, want, sizeof(want) - 1);
}
END_TEST

Suite *link_suite(void);

Suite *
link_suite(void)
{
	Suite *s = suite_create("link");
	TCase *tc = tcase_create("link");

	tcase_add_test(tc, reads);
	tcase_add_test(tc, refuses);
	tcase_add_test(tc, refuses_nul);
	tcase_add_test(tc, every_prefix);
	tcase_add_test(tc, values_without_escapes);
	tcase_add_test(tc, writes);
	tcase_add_test(tc, copies);
	suite_add_tcase(s, tc);
	return s;
}
