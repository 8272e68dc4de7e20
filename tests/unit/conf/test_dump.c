#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "conf/schema.h"
#include "describe.h"
#include "loading.h"
#include "temp.h"

/* TEXT without the comments behind blanks. */
static char *
without_places(const char *text)
{
	char *out = xcalloc(strlen(text) + 1, 1);
	size_t n = 0;

	while (*text != '\0') {
		size_t line = strcspn(text, "\n");
		const char *place = memmem(text, line, " # ", 3);
		size_t keep = place != NULL ? (size_t)(place - text) : line;

		while (keep > 0 && text[keep - 1] == ' ')
			keep--;
		memcpy(out + n, text, keep);
		n += keep;
		out[n++] = '\n';
		text += line + 1;
	}
	return out;
}

/* The dump loads again, to the same configuration and the same dump. */
static void
round_trip(const struct conf *c)
{
	char *first = conf_dump(c), *plain = without_places(first);
	char *was = describe(c), *is;
	struct loading again = load_string(first);
	char *second, *again_plain;

	ck_assert_msg(again.c != NULL, "%s\n%s", again.r.text, first);
	second = conf_dump(again.c);
	again_plain = without_places(second);
	ck_assert_str_eq(plain, again_plain);
	is = describe(again.c);
	ck_assert_str_eq(was, is);
	free(is);
	free(was);
	free(again_plain);
	free(second);
	free(plain);
	free(first);
	unload(&again);
}

/* Every key, with another value than its default. */
#define EVERYTHING "[proxy]\nname = gw9\nown-names = a b\nhop-limit = 3\n" \
	"drain = 7s\n[listen a b]\nbind = fd:x coap://[::1]:7\n" \
	"allow-from = 10.0.0.0/8\ndeny-from = 10.1.0.0/16 fe80::/10\n" \
	"rate-limit = 50/s burst 7\namplification = blocks\n" \
	"amplification-exempt = 10.2.0.0/16\n[listen]\n[forward]\n" \
	"listen = 2\nallow-from = any\ndeny-from = 10.3.0.0/16\n" \
	"allow-to = coap://*.x:7 coap://10.0.0.0/8 192.0.2.1\ndeny-to =\n" \
	"routes = yes\nvia = coap://p:9\ntimeout = 3s\n[origin]\n" \
	"confirmable = never\nnstart = 3\n[origin g]\nserver = coap://h:8\n" \
	"nstart = 5\n[route x \"y\"]\nlisten = \"a b\"\nhost = *.s t 10.0.0.1\n" \
	"path = /a%20b/c /\nmethods = PUT iPATCH\nto = origin:g\nstrip = no\n" \
	"send-host = other.example\nas = proxy\nallow-from = 10.0.0.0/8\n" \
	"deny-from = 10.4.0.0/16\ntimeout = 4s\ncache = no\nobserve = no\n" \
	"[route]\nto = coap://[2001:db8::1]:7/b/c%2fd\nlinks = rewrite\n" \
	"path = /l\nsend-host = target\n" \
	"[route z]\nreply = 2.05 \"a, # ; $$ \\x01\"\n[message]\n" \
	"ack-timeout = 3s\nack-random-factor = 1.25\nmax-retransmit = 2\n" \
	"empty-ack-delay = 100ms\nmax-exchanges = 77\n" \
	"max-upstream-ports = 7\nprobing-rate = 7\nqueue-per-origin = 7\n" \
	"[cache]\nsize = 7M\nmax-entry = 7K\nmax-age = 7h\n[observe]\n" \
	"max-observers = 7\nmax-per-client = 3\nlinger = 7s\n" \
	"confirmable-every = 7\n[block]\nmax-body = 7K\nsize = 64\n" \
	"max-transfers = 7\n[log]\nlevel = debug\naccess = 1/7\n" \
	"format = json\ntarget = \"/a b/#c\"\n[dns]\n" \
	"servers = 10.0.0.53 [::1]:5353\ntimeout = 7s\nmin-ttl = 7s\n" \
	"max-ttl = 70s\n[metrics]\nbind = http://[::1]:7\n[control]\n" \
	"socket = /a/b\n"

/* ... every one. */
START_TEST(test_everything)
{
	const struct schema_key *key;
	char text[64];

	for (size_t i = 0; (key = schema_row(i)) != NULL; i++) {
		if (key->type == NULL || (key->flags & KEY_DONE) != 0)
			continue;
		snprintf(text, sizeof(text), "\n%s =", key->name);
		ck_assert_msg(strstr(EVERYTHING, text) != NULL, "%s",
		    key->name);
	}
}
END_TEST

START_TEST(test_round_trip)
{
	static const char *const t[] = {
		"",
		"[route]\nto = coap://h\n[route 1]\nreply = 4.04 \"a \\\"b\\\" "
		"$$ \\n\\x01 # ; ,\"\n",
		"[listen a b]\n[listen]\nbind = coap://*:1,coap://*:2\n"
		"bind = coap://[::1]:3\n[route]\nlisten = \"a b\" 2\n"
		"to = coap://h,x/y%20z\nmethods = GET\nmethods =\n",
		"[forward]\nallow-to =\ndeny-to = coap://*.x 10.0.0.0/8\n"
		"via = coap://p\n",
		"[origin]\nconfirmable = always\n[origin g]\n"
		"server = coap://h\n[origin k]\nserver = coap://i\n"
		"confirmable = never\n[route]\nto = origin:g\n",
		"[proxy]\nname =\nown-names = a b\n[route \"x]\npath = /\n"
		"send-host = A.b\nto = coap://h\n[log]\ntarget = \"/a b\"\n",
		"[observe]\nmax-observers = 0\nlinger = 90s\n[route]\n"
		"to = coap://h\nobserve = no\n",
		EVERYTHING,
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct loading l = load_string(t[i]);

		ck_assert_msg(l.c != NULL, "%s", l.r.text);
		round_trip(l.c);
		unload(&l);
	}
}
END_TEST

/* The longest values there can be still fit into the lines of the dump. */
START_TEST(test_round_trip_long)
{
	char value[1025], text[8192];
	struct loading l;
	size_t n;

	memset(value, '\x01', 1024);
	value[1024] = '\0';
	ck_assert_int_eq(setenv("T", value, 1), 0);
	n = (size_t)snprintf(text, sizeof(text), "[route]\n"
	    "reply = 4.04 ${env:T}\n[proxy]\nown-names =");
	for (int i = 0; i < 900; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " h%d", i);
	l = load_string(text);
	ck_assert_msg(l.c != NULL, "%s", l.r.text);
	ck_assert_uint_eq(l.c->nown_names, 900);
	round_trip(l.c);
	unload(&l);
}
END_TEST

START_TEST(test_examples)
{
	static const char *const names[] = { "1-forward-acl.conf",
		"2-vhosts.conf", "3-subdomain.conf", "4-paths.conf",
		"8-minimal.conf", "10-links.conf" };

	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		struct loading l = load_example(names[i]);

		ck_assert_msg(l.c != NULL, "%s", l.r.text);
		round_trip(l.c);
		unload(&l);
	}
}
END_TEST

START_TEST(test_text)
{
	struct loading l = load_string("[proxy]\nname = gw\n"
	    "[origin]\nconfirmable = never\n\n[origin g]\nserver = coap://h\n"
	    "[route a]\nhost = a\nhost = \"b\"\nto = origin:g\n");
	char *text;

	ck_assert_ptr_nonnull(l.c);
	text = conf_dump(l.c);
	ck_assert_str_eq(text,
	    "[proxy]                                  # t.conf:1\n"
	    "name = gw                                # t.conf:2\n"
	    "own-names =\n"
	    "hop-limit = 16\n"
	    "drain = 5s\n"
	    "\n"
	    "[listen default]\n"
	    "bind = coap://*:5683\n"
	    "allow-from = any\n"
	    "deny-from =\n"
	    "rate-limit = off\n"
	    "amplification = echo\n"
	    "amplification-exempt = loopback private link-local\n"
	    "\n"
	    "[route a]                                # t.conf:8\n"
	    "listen =\n"
	    "host = a                                 # t.conf:9\n"
	    "host = b                                 # t.conf:10\n"
	    "path =\n"
	    "methods =\n"
	    "to = origin:g                            # t.conf:11\n"
	    "reply =\n"
	    "strip = yes\n"
	    "send-host = keep\n"
	    "as = origin\n"
	    "allow-from = any\n"
	    "deny-from =\n"
	    "timeout = 90s\n"
	    "cache = yes\n"
	    "observe = yes\n"
	    "links = no\n"
	    "\n"
	    "[origin]                                 # t.conf:3\n"
	    "confirmable = never                      # t.conf:4\n"
	    "nstart = auto\n"
	    "\n"
	    "[origin g]                               # t.conf:6\n"
	    "server = coap://h                        # t.conf:7\n"
	    "confirmable = never                      # t.conf:4\n"
	    "nstart = auto\n"
	    "\n"
	    "[message]\n"
	    "ack-timeout = 2s\n"
	    "ack-random-factor = 1.5\n"
	    "max-retransmit = 4\n"
	    "empty-ack-delay = 500ms\n"
	    "max-exchanges = 65536\n"
	    "max-upstream-ports = 64\n"
	    "probing-rate = 1\n"
	    "queue-per-origin = 64\n"
	    "\n"
	    "[log]\n"
	    "level = info\n"
	    "target = stderr\n"
	    "access = errors\n"
	    "format = text\n"
	    "\n"
	    "[dns]\n"
	    "servers =\n"
	    "timeout = 5s\n"
	    "min-ttl = 30s\n"
	    "max-ttl = 5m\n"
	    "\n"
	    "[cache]\n"
	    "size = 64M\n"
	    "max-entry = 1M\n"
	    "max-age = 1d\n"
	    "\n"
	    "[observe]\n"
	    "max-observers = 100000\n"
	    "max-per-client = 32\n"
	    "linger = 5s\n"
	    "confirmable-every = 5\n"
	    "\n"
	    "[block]\n"
	    "max-body = 1M\n"
	    "size = 1024\n"
	    "max-transfers = 1024\n"
	    "\n"
	    "[control]\n"
	    "socket =\n");
	free(text);
	unload(&l);
}
END_TEST

/* What came from a file stays where it is; the environment does not. */
START_TEST(test_secret)
{
	struct loading l;
	char text[700], want[700], *dump;

	temp_file("s", "s3cret.example\n");
	ck_assert_int_eq(setenv("T", "seen.example", 1), 0);
	snprintf(text, sizeof(text), "[route]\nhost = ${file:%s}\n"
	    "to = coap://${env:T}\n", temp_path("s"));
	l = load_string(text);
	ck_assert_msg(l.c != NULL, "%s", l.r.text);
	dump = conf_dump(l.c);
	ck_assert_ptr_null(strstr(dump, "s3cret"));
	snprintf(want, sizeof(want), "host = ${file:%s}", temp_path("s"));
	ck_assert_ptr_nonnull(strstr(dump, want));
	ck_assert_ptr_nonnull(strstr(dump, "to = coap://seen.example"));
	round_trip(l.c);
	free(dump);
	unload(&l);
}
END_TEST

Suite *
dump_suite(void)
{
	Suite *s = suite_create("dump");
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, temp_enter, temp_leave);
	tcase_add_test(tc, test_everything);
	tcase_add_test(tc, test_round_trip);
	tcase_add_test(tc, test_round_trip_long);
	tcase_add_test(tc, test_examples);
	tcase_add_test(tc, test_text);
	tcase_add_test(tc, test_secret);
	suite_add_tcase(s, tc);
	return s;
}
