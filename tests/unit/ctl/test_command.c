#include "ctl/command.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "suites.h"
#include "unit.h"

static struct evbuffer *b;
static struct sources src;
static struct ctl_actions act;
static struct command_trace trace;
static const char *reload_text;
static bool reload_ok;

static bool
reload(void *user, char **text)
{
	ck_assert_ptr_eq(user, &reload_ok);
	*text = reload_text != NULL ? strdup(reload_text) : NULL;
	return reload_ok;
}

static void
setup(void)
{
	b = evbuffer_new();
	ck_assert_ptr_nonnull(b);
	act = (struct ctl_actions){ .user = &reload_ok, .reload = reload };
}

static void
teardown(void)
{
	evbuffer_free(b);
	log_level = LOG_INFO;
}

static const char *
run(const char *line)
{
	char *copy = strdup(line);
	const char *wrong = command_run(copy, &src, &act, b,
	    &trace);

	free(copy);
	return wrong;
}

START_TEST(wrong_lines)
{
	static const char *const lines[] = { "", "   ", "-j", "nonsense",
		"STATUS", "status x", "reload now", "log loud", "log info x",
		"cache flush", "cache empty", "cache flush a b",
		"a b c d e f g h i j", "status\x01" };

	for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
		ck_assert_msg(run(lines[i]) != NULL, "'%s'", lines[i]);
		ck_assert_str_eq(drained(b), "");
	}
}
END_TEST

START_TEST(level)
{
	ck_assert_ptr_null(run("log debug"));
	ck_assert_str_eq(drained(b), "level: debug\n");
	ck_assert_int_eq(log_level, LOG_DEBUG);
	ck_assert_ptr_null(run("-j  log\t"));
	ck_assert_str_eq(drained(b), "{\"level\":\"debug\"}\n");
}
END_TEST

/* What a reload has to say is said, whatever came of it. */
START_TEST(reloads)
{
	reload_ok = true;
	reload_text = NULL;
	ck_assert_ptr_null(run("reload"));
	ck_assert_str_eq(drained(b), "");
	reload_text = "a warning";
	ck_assert_ptr_null(run("reload"));
	ck_assert_str_eq(drained(b), "a warning\n");
	reload_ok = false;
	reload_text = "x:1: error\nx: 1 error\n";
	ck_assert_ptr_nonnull(run("reload"));
	ck_assert_str_eq(drained(b), reload_text);
	ck_assert_ptr_nonnull(run("-j reload"));
	ck_assert_str_eq(drained(b),
	    "{\"text\":\"x:1: error\\u000ax: 1 error\\u000a\"}\n");
	act.reload = NULL;
	ck_assert_ptr_nonnull(strstr(run("reload"), "not supported"));
}
END_TEST

/* Every command is in the list. */
START_TEST(help)
{
	const char *text;

	ck_assert_ptr_null(run("help"));
	text = drained(b);
	for (size_t i = 0; command_name(i) != NULL; i++)
		ck_assert_ptr_nonnull(strstr(text, command_name(i)));
}
END_TEST

Suite *
command_suite(void)
{
	Suite *s = suite_create("command");
	TCase *tc = tcase_create("command");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, wrong_lines);
	tcase_add_test(tc, level);
	tcase_add_test(tc, reloads);
	tcase_add_test(tc, help);
	suite_add_tcase(s, tc);
	return s;
}
