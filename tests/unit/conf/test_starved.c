/*
 * Without memory a configuration is refused, whichever allocation it is that
 * fails; nothing is made up for what is missing, and nothing is lost.
 */
#include "suites.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "describe.h"
#include "temp.h"

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);

static struct {
	bool on;
	unsigned count;		/* so far */
	unsigned first, last;	/* those that fail */
} memory;

static bool
may_allocate(void)
{
	if (!memory.on)
		return true;
	memory.count++;
	return memory.count < memory.first || memory.count > memory.last;
}

/* The linker puts these in between. */
void *
__wrap_malloc(size_t n)
{
	return may_allocate() ? __real_malloc(n) : NULL;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *
__wrap_realloc(void *p, size_t n)
{
	return may_allocate() ? __real_realloc(p, n) : NULL;
}

void *
__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return may_allocate() ? __real_reallocarray(p, n, size) : NULL;
}

char *
__wrap_strdup(const char *s)
{
	return may_allocate() ? __real_strdup(s) : NULL;
}

static const char text[] =
    "[proxy]\n"
    "name = GW\n"
    "own-names = gw.example gw2.example\n"
    "[listen a]\n"
    "bind = coap://127.0.0.1:5683 fd:coap\n"
    "deny-from = private 192.0.2.0/24\n"
    "[forward]\n"
    "allow-from = any\n"
    "allow-to = any coap://*.example coap://10.30.0.0/16\n"
    "deny-to = loopback\n"
    "[origin lamps]\n"
    "server = coap://lamps.example/base/x\n"
    "[route]\n"
    "listen = a\n"
    "host = lamp.example *.lamps.example\n"
    "path = /a/%62 /c\n"
    "to = origin:lamps\n"
    "[route b]\n"
    "path = /w\n"
    "send-host = w.example\n"
    "to = coap://[2001:db8::1]/w\n"
    "[route c]\n"
    "reply = 4.04 \"no such host\"\n"
    "[dns]\n"
    "servers = 192.0.2.53\n"
    "[log]\n"
    "target = /var/log/x.log\n"
    "[control]\n"
    "socket = /run/x\n";

static const char broken[] =
    "[route]\n"
    "too = coap://h\n"
    "to = origin:no\n"
    "timeout = 20x\n"
    "[rout]\n";

/* What load() makes while allocations FIRST to LAST fail. */
static struct conf *
starve(struct conf *(*load)(struct conf_report *), struct conf_report *r,
    unsigned first, unsigned last)
{
	struct conf *c;

	*r = (struct conf_report){ 0 };
	memory.on = true;
	memory.count = 0;
	memory.first = first;
	memory.last = last;
	c = load(r);
	memory.on = false;
	return c;
}

/* Refused for no other reason than memory. */
static void
expect_refused(struct conf *c, struct conf_report *r, unsigned n)
{
	ck_assert_msg(c == NULL && r->starved, "allocation %u: %s", n,
	    r->text != NULL ? r->text : "");
	if (r->text != NULL)
		ck_assert_ptr_nonnull(strstr(r->text, ": out of memory\n"));
	conf_report_fini(r);
}

/* How many allocations there are, each of which has failed once, and once with
 * all that follow. */
static unsigned
starve_all(struct conf *(*load)(struct conf_report *))
{
	struct conf_report r;
	unsigned n, all;

	conf_free(starve(load, &r, UINT_MAX, 0));
	conf_report_fini(&r);
	all = memory.count;
	for (n = 1; n <= all; n++) {
		expect_refused(starve(load, &r, n, n), &r, n);
		expect_refused(starve(load, &r, n, UINT_MAX), &r, n);
	}
	return all;
}

static struct conf *
load_good(struct conf_report *r)
{
	return conf_load_text("t.conf", text, r);
}

static struct conf *
load_broken(struct conf_report *r)
{
	return conf_load_text("t.conf", broken, r);
}

static struct conf *
load_including(struct conf_report *r)
{
	return conf_load("m.conf", r);
}

START_TEST(without_memory_nothing_is_loaded)
{
	ck_assert_uint_gt(starve_all(load_good), 100);
}
END_TEST

START_TEST(without_memory_nothing_is_called_wrong)
{
	ck_assert_uint_gt(starve_all(load_broken), 10);
}
END_TEST

/* A file that there is no memory for is not one that is not there. */
START_TEST(without_memory_no_include_is_left_out)
{
	temp_file("m.conf", "[proxy]\ninclude = d/*.conf e.conf\n");
	temp_file("e.conf", "[route e]\npath = /e\nto = coap://e\n");
	temp_file("d/a.conf", "[route a]\npath = /a\nto = coap://a\n");
	temp_file("d/b.conf", "[route b]\npath = /b\nto = coap://b\n");
	ck_assert_uint_gt(starve_all(load_including), 50);
}
END_TEST

/* ... and afterwards the same is loaded as ever. */
START_TEST(with_memory_again_it_is_loaded)
{
	struct conf_report r = { 0 };
	struct conf *c = load_good(&r);
	char *was = describe(c), *is;

	conf_free(c);
	starve_all(load_good);
	c = load_good(&r);
	is = describe(c);
	ck_assert_str_eq(was, is);
	conf_free(c);
	free(was);
	free(is);
}
END_TEST

Suite *
starved_suite(void)
{
	Suite *s = suite_create("starved");
	TCase *tc = tcase_create("starved");

	tcase_add_checked_fixture(tc, temp_enter, temp_leave);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, without_memory_nothing_is_loaded);
	tcase_add_test(tc, without_memory_nothing_is_called_wrong);
	tcase_add_test(tc, without_memory_no_include_is_left_out);
	tcase_add_test(tc, with_memory_again_it_is_loaded);
	suite_add_tcase(s, tc);
	return s;
}
