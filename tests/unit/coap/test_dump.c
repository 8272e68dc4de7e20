/* Tests of coap/dump. */
#include "coap/dump.h"

#include "hex.h"
#include "unit.h"

static const struct {
	const char *wire, *want;
} lines[] = {
	{ "40 00 12 34", "CON 0.00 mid=0x1234" },
	{ "50 02 00 01", "NON POST mid=0x0001" },
	{ "60 45 ff ff", "ACK 2.05 mid=0xffff" },
	{ "70 00 00 00", "RST 0.00 mid=0x0000" },
	{ "41 01 12 34 a1 60 51 74",
	    "CON GET mid=0x1234 token=a1 Observe=0 Uri-Path=\"t\"" },
	{ "42 03 00 01 00 ff b1 74 ff 68 65 6c 6c 6f",
	    "CON PUT mid=0x0001 token=00ff Uri-Path=\"t\" payload=5" },
	/* Empty, opaque, string and uint. */
	{ "40 03 00 01 12 00 a1 40 10 62 16 3a",
	    "CON PUT mid=0x0001 If-Match=00a1 If-None-Match opt6= "
	    "Content-Format=5690" },
	{ "40 01 00 01 b6 22 5c 0a ff 7e 7f 00",
	    "CON GET mid=0x0001 Uri-Path=\"\\x22\\x5c\\x0a\\xff~\\x7f\" "
	    "Uri-Path=\"\"" },
	{ "60 45 00 01 d4 01 ff ff ff ff",
	    "ACK 2.05 mid=0x0001 Max-Age=4294967295" },
	/* Block options as NUM/M/SIZE; BLK-02. */
	{ "40 02 00 01 d1 0a 16 41 3b",
	    "CON POST mid=0x0001 Block2=1/0/1024 Block1=3/1/128" },
	{ "40 01 00 01 d3 0a ff ff ff",
	    "CON GET mid=0x0001 Block2=1048575/1/reserved" },
	/* Unrecognised: a number nobody has, a wrong length, a wrong place, a
	 * surplus one, one that is not acted on. */
	{ "40 01 00 01 e1 fc db 78", "CON GET mid=0x0001 opt65000=78" },
	{ "40 01 00 01 30", "CON GET mid=0x0001 opt3=" },
	{ "40 01 00 01 d1 01 28", "CON GET mid=0x0001 opt14=28" },
	{ "40 01 00 01 c1 28 01 29",
	    "CON GET mid=0x0001 Content-Format=40 opt12=29" },
	{ "40 01 00 01 d1 f5 02 01 08",
	    "CON GET mid=0x0001 No-Response=2 opt258=08" },
	{ "40 01 00 01 d0 06", "CON GET mid=0x0001 opt19=" },
};

START_TEST(test_lines)
{
	for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
		struct span s = hex_dup(lines[i].wire);
		struct coap_msg m;
		char out[128];

		ck_assert_int_eq(coap_parse(&m, s), COAP_PARSE_OK);
		ck_assert_ptr_eq(coap_dump(&m, out, sizeof(out)), out);
		ck_assert_str_eq(out, lines[i].want);
		hex_free(s);
	}
}
END_TEST

/* Whatever the room, what is there is the beginning, and terminated. */
START_TEST(test_cut)
{
	for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
		struct span s = hex_dup(lines[i].wire);
		size_t n = strlen(lines[i].want);
		struct coap_msg m;

		coap_parse(&m, s);
		for (size_t cap = 0; cap <= n; cap++) {
			char *out = malloc(cap);

			ck_assert_ptr_eq(coap_dump(&m, out, cap), out);
			if (cap > 0) {
				ck_assert_uint_lt(strlen(out), cap);
				ck_assert_mem_eq(out, lines[i].want,
				    strlen(out));
			}
			free(out);
		}
		hex_free(s);
	}
}
END_TEST

/* A broken message shows what is known of it. */
START_TEST(test_bad)
{
	struct span s = hex_dup("41 01 12 34 a1 bf");
	struct coap_msg m;
	char out[64];

	ck_assert_int_eq(coap_parse(&m, s), COAP_PARSE_BAD);
	ck_assert_str_eq(coap_dump(&m, out, sizeof(out)),
	    "CON GET mid=0x1234 token=a1");
	hex_free(s);
}
END_TEST

Suite *dump_suite(void);

Suite *
dump_suite(void)
{
	Suite *s = suite_create("dump");
	TCase *tc = tcase_create("dump");

	tcase_add_test(tc, test_lines);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_bad);
	suite_add_tcase(s, tc);
	return s;
}
