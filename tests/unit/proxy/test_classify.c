#include "proxy/classify.h"

#include "fixture.h"
#include "suites.h"
#include "unit.h"

static struct forward_conf forward;
static struct self self;
static struct addr client, local;

static void
setup(void)
{
	client = address("192.0.2.101", 40001);
	local = address("192.0.2.1", 6000);
	forward = (struct forward_conf){ .allow_from = networks("any") };
	self = (struct self){ .nnames = 0 };
	self_add_bound(&self, &local);
}

static void
teardown(void)
{
	self_fini(&self);
	fixture_free();
}

static struct classified
classify(const char *text, bool has_forward)
{
	static uint8_t host_buf[COAP_HOST_MAX], space[2048];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_msg m = message(text);
	const struct inbound in = { .client = &client, .local = &local,
		.scheme = COAP_SCHEME_COAP, .msg = &m };
	struct classified c;

	classify_request(&c, &in, &self, has_forward ? &forward : NULL,
	    host_buf, &w);
	return c;
}

/* PRX-01, PRX-03, PRX-28, PRX-29: role, authority, and what is left of the
 * options. */
START_TEST(legal)
{
	static const struct {
		const char *text;
		enum role role;
		const char *host;
		uint16_t port;
		const char *rest;
	} rows[] = {
		{ "CON GET Uri-Path=\"t\"", ROLE_REVERSE, "192.0.2.1", 6000,
			"GET Uri-Path=\"t\"" },
		{ "CON GET Uri-Host=\"H.example\" Uri-Port=99", ROLE_REVERSE,
			"h.example", 99,
			"GET Uri-Host=\"H.example\" Uri-Port=99" },
		{ "CON GET Uri-Host=\"h.example\"", ROLE_REVERSE, "h.example",
			6000, "GET Uri-Host=\"h.example\"" },
		{ "CON GET Proxy-Uri=\"coap://H.example/a?b\"", ROLE_FORWARD,
			"h.example", 5683, "GET Uri-Path=\"a\" "
			"Uri-Query=\"b\"" },
		/* PRX-05 */
		{ "CON PUT If-Match=01 Uri-Host=\"x\" ETag=02 Uri-Port=1 "
		  "Uri-Path=\"x\" Content-Format=0 Uri-Query=\"x\" Accept=0 "
		  "Proxy-Uri=\"coap://h.example:77/a\" opt65000=\"y\"",
			ROLE_FORWARD, "h.example", 77,
			"PUT If-Match=01 ETag=02 Uri-Path=\"a\" "
			"Content-Format=0 Accept=0 opt65000=79" },
		{ "CON GET Uri-Host=\"h.example\" Proxy-Scheme=\"COAP\"",
			ROLE_FORWARD, "h.example", 5683,
			"GET Uri-Host=\"h.example\" Proxy-Scheme=\"COAP\"" },
		{ "CON GET Uri-Host=\"h\" Uri-Port=7 Proxy-Scheme=\"coap\"",
			ROLE_FORWARD, "h", 7, "GET Uri-Host=\"h\" Uri-Port=7 "
			"Proxy-Scheme=\"coap\"" },
		{ "CON GET Proxy-Scheme=\"coap\"", ROLE_OWN, "192.0.2.1",
			6000, "GET Proxy-Scheme=\"coap\"" },
		{ "CON GET Proxy-Uri=\"coap://192.0.2.1:6000/t\"", ROLE_OWN,
			"192.0.2.1", 6000, "GET Uri-Path=\"t\"" },
		{ "CON GET Proxy-Uri=\"coap://192.0.2.1/t\"", ROLE_FORWARD,
			"192.0.2.1", 5683, "GET Uri-Path=\"t\"" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct classified c = classify(rows[i].text, true);
		struct coap_host want = host(rows[i].host);

		ck_assert_msg(c.error == 0, "row %zu: %s", i, c.why);
		ck_assert_int_eq(c.role, rows[i].role);
		ck_assert_int_eq(c.uri.host.literal, want.literal);
		if (want.literal)
			ck_assert(addr_eq(&c.uri.host.addr, &want.addr));
		else
			ck_assert(span_eq(c.uri.host.text, want.text));
		ck_assert_uint_eq(c.uri.port, rows[i].port);
		ck_assert_int_eq(c.uri.scheme, COAP_SCHEME_COAP);
		ck_assert_str_eq(dump(c.msg.code, c.msg.opts, c.msg.payload),
		    rows[i].rest);
	}
}
END_TEST

START_TEST(illegal)
{
	static const struct {
		const char *text;
		bool forward;
		uint8_t error;
	} rows[] = {
		{ "CON 0.31", true, COAP_405 },			/* MSG-26 */
		{ "CON GET opt16=0x00", true, COAP_400 },	/* PRX-54 */
		{ "CON GET opt16=0x0100", true, COAP_400 },
		{ "CON GET Block2=0x07", true, COAP_400 },	/* BLK-02 */
		{ "CON PUT Block1=0/1/16 payload=\"x\"", true, COAP_400 },
		/* PRX-02, PRX-07 */
		{ "CON GET Proxy-Uri=\"coap://h/\"", false, COAP_505 },
		{ "CON GET Proxy-Scheme=\"coap\"", false, COAP_505 },
		{ "CON GET Proxy-Uri=\"coap:\"", false, COAP_505 },
		/* PRX-06 */
		{ "CON GET Proxy-Uri=\"coap://h/\" Proxy-Scheme=\"coap\"",
			true, COAP_400 },
		{ "CON GET Proxy-Uri=\"coap://h/\" Proxy-Scheme=\"coap\"",
			false, COAP_505 },
		{ "CON GET Proxy-Uri=\"/t\"", true, COAP_402 },	/* PRX-11 */
		{ "CON GET Proxy-Uri=\"coap://u@h/t\"", true, COAP_402 },
		{ "CON GET Proxy-Uri=\"coap://h/%zz\"", true, COAP_402 },
		{ "CON GET Proxy-Uri=\"coap://127.1/\"", true, COAP_402 },
		{ "CON GET Proxy-Uri=\"http://h/t\"", true, COAP_505 },
		{ "CON GET Proxy-Uri=\"coaps://h/t\"", true, COAP_505 },
		{ "CON GET Uri-Host=\"h\" Proxy-Scheme=\"ftp\"", true,
			COAP_505 },
		{ "CON GET Uri-Host=\"h\" Proxy-Scheme=\"coaps\"", true,
			COAP_505 },				/* PRX-08 */
		{ "CON GET Uri-Host=\"a b\" Proxy-Scheme=\"coap\"", true,
			COAP_402 },
		{ "CON GET Uri-Host=\"a b\"", true, COAP_402 },
		{ "CON GET Uri-Host=\"h\" Uri-Port=0", true, COAP_402 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct classified c = classify(rows[i].text, rows[i].forward);

		ck_assert_msg(c.error == rows[i].error, "row %zu: %x", i,
		    c.error);
		ck_assert_ptr_nonnull(c.why);
	}
	forward.deny_from = networks("192.0.2.0/24");
	ck_assert_int_eq(classify("CON GET Proxy-Uri=\"coap://h/\"",
			     true).error, COAP_403);	/* PRX-09 */
	ck_assert_int_eq(classify("CON GET", true).error, 0);
}
END_TEST

/* MSG-18: what is surplus next to Proxy-Uri stays unrecognised when that is
 * taken apart. */
START_TEST(surplus)
{
	static const struct {
		const char *text;
		uint32_t critical, unsafe;
	} rows[] = {
		{ "CON GET Proxy-Uri=\"coap://h/a\"", 0, 0 },
		{ "CON GET Proxy-Uri=\"coap://h/a\" Proxy-Uri=\"coap://h/b\"",
			35, 35 },
		{ "CON GET Uri-Host=\"a\" Uri-Host=\"b\" "
		  "Proxy-Uri=\"coap://h/a\"", 3, 3 },
		{ "CON GET Accept=1 Accept=2 Proxy-Uri=\"coap://h/a\"", 17,
			0 },
		{ "CON GET Proxy-Uri=\"coap://h/a\" opt65002=\"x\"", 0,
			65002 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct classified c = classify(rows[i].text, true);

		ck_assert_int_eq(c.error, 0);
		ck_assert_uint_eq(c.msg.unknown_critical, rows[i].critical);
		ck_assert_uint_eq(c.msg.unknown_unsafe, rows[i].unsafe);
	}
}
END_TEST

/* BLK-02, BLK-06: which Block options make sense where. */
START_TEST(blocks)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{ "CON GET", true },
		{ "CON GET Block2=5/1/64", true },
		{ "CON GET Block2=0x07", false },
		{ "CON PUT Block1=0/1/16 payload=16x\"x\"", true },
		{ "CON PUT Block1=0/1/16 payload=15x\"x\"", false },
		{ "CON PUT Block1=0/1/16 payload=17x\"x\"", false },
		{ "CON PUT Block1=0/1/16", false },
		{ "CON PUT Block1=3/0/16 payload=5x\"x\"", true },
		{ "CON PUT Block1=3/0/16 payload=17x\"x\"", true },
		{ "CON PUT Block1=0x0f payload=16x\"x\"", false },
		{ "ACK 2.31 Block1=0/1/16", true },
		{ "ACK 2.05 Block2=0/1/16 payload=16x\"x\"", true },
		{ "ACK 2.05 Block2=0/1/16 payload=15x\"x\"", false },
		{ "ACK 2.05 Block2=1/0/16 payload=3x\"x\"", true },
		{ "ACK 2.05 Block2=0x07 payload=\"x\"", false },
		{ "ACK 2.04 Block1=0x07", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct coap_msg m = message(rows[i].text);

		ck_assert_msg((classify_blocks(&m) == NULL) == rows[i].ok,
		    "row %zu", i);
	}
}
END_TEST

Suite *
classify_suite(void)
{
	Suite *s = suite_create("classify");
	TCase *tc = tcase_create("classify");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, legal);
	tcase_add_test(tc, illegal);
	tcase_add_test(tc, surplus);
	tcase_add_test(tc, blocks);
	suite_add_tcase(s, tc);
	return s;
}
