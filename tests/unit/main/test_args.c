#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "main/args.h"

enum { ARGC_MAX = 12 };

/* A command line, without the name of the program. */
struct line {
	const char *arg[ARGC_MAX];
};

static void
parse(struct args *a, const struct line *line)
{
	char *argv[ARGC_MAX + 2] = { strdup("coaproxy") };
	int argc = 1;

	for (; line->arg[argc - 1] != NULL; argc++)
		argv[argc] = strdup(line->arg[argc - 1]);
	/* getopt_long() moves arguments about; options point into them. */
	args_parse(a, argc, argv);
	if (a->explain != NULL)
		a->explain = strdup(a->explain);
	if (a->from != NULL)
		a->from = strdup(a->from);
	if (a->listen != NULL)
		a->listen = strdup(a->listen);
	a->config = strdup(a->config);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
}

static void
drop(struct args *a)
{
	union {
		const char *borrowed;
		void *owned;
	} u[] = { { a->explain }, { a->from }, { a->listen }, { a->config } };

	for (size_t i = 0; i < UNIT_COUNT(u); i++)
		free(u[i].owned);
	args_fini(a);
}

/* Standard output and error into FILE, until back(). */
static int
away(FILE *f, int fd)
{
	int saved = dup(fd);

	fflush(NULL);
	ck_assert_int_ge(dup2(fileno(f), fd), 0);
	return saved;
}

static void
back(int saved, int fd)
{
	fflush(NULL);
	ck_assert_int_ge(dup2(saved, fd), 0);
	close(saved);
}

START_TEST(test_modes)
{
	static const struct {
		struct line line;
		enum args_mode mode;
		const char *config;
		int verbose;
	} t[] = {
		{ { { NULL } }, ARGS_RUN, SYSCONFDIR "/coaproxy/coaproxy.conf",
			0 },
		{ { { "-c", "x" } }, ARGS_RUN, "x", 0 },
		{ { { "--config=-" } }, ARGS_RUN, "-", 0 },
		{ { { "-tc", "x" } }, ARGS_CHECK, "x", 0 },
		{ { { "--check", "-cx" } }, ARGS_CHECK, "x", 0 },
		{ { { "-T", "-t", "-cx" } }, ARGS_DUMP, "x", 0 },
		{ { { "--dump", "-cx" } }, ARGS_DUMP, "x", 0 },
		{ { { "-cx", "-t", "--explain", "r" } }, ARGS_EXPLAIN, "x", 0 },
		{ { { "-cx", "-vvq" } }, ARGS_RUN, "x", 1 },
		{ { { "-cx", "--quiet", "--verbose", "-q" } }, ARGS_RUN, "x",
			-1 },
		{ { { "-cx", "-V" } }, ARGS_VERSION, "x", 0 },
		{ { { "-cx", "--version", "-h" } }, ARGS_HELP, "x", 0 },
		{ { { "-cx", "--help", "-T" } }, ARGS_HELP, "x", 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct args a;

		parse(&a, &t[i].line);
		ck_assert_msg(a.mode == t[i].mode, "line %zu", i);
		ck_assert_str_eq(a.config, t[i].config);
		ck_assert_int_eq(a.verbose, t[i].verbose);
		ck_assert_ptr_null(a.text);
		drop(&a);
	}
}
END_TEST

/* Several instances may share one command line. */
START_TEST(test_configuration_directory)
{
	static const struct line none = { { NULL } }, one = { { "-c", "x" } };
	struct args a;

	ck_assert_int_eq(setenv("CONFIGURATION_DIRECTORY",
	    "/etc/coaproxy-b:/etc/other", 1), 0);
	parse(&a, &none);
	ck_assert_str_eq(a.config, "/etc/coaproxy-b/coaproxy.conf");
	drop(&a);
	parse(&a, &one);
	ck_assert_str_eq(a.config, "x");
	drop(&a);
	ck_assert_int_eq(setenv("CONFIGURATION_DIRECTORY", "", 1), 0);
	parse(&a, &none);
	ck_assert_str_eq(a.config, SYSCONFDIR "/coaproxy/coaproxy.conf");
	drop(&a);
	ck_assert_int_eq(unsetenv("CONFIGURATION_DIRECTORY"), 0);
}
END_TEST

START_TEST(test_explain)
{
	static const struct line line = { { "--explain", "GET coap://h",
		"--from", "::1", "--listen", "lan" } };
	struct args a;

	parse(&a, &line);
	ck_assert_int_eq(a.mode, ARGS_EXPLAIN);
	ck_assert_str_eq(a.explain, "GET coap://h");
	ck_assert_str_eq(a.from, "::1");
	ck_assert_str_eq(a.listen, "lan");
	drop(&a);
}
END_TEST

START_TEST(test_bad)
{
	static const struct line t[] = {
		{ { "x" } },
		{ { "-x" } },
		{ { "--nonsense" } },
		{ { "-c" } },
		{ { "--to" } },
		{ { "--forward=yes" } },
		{ { "--bind", "coap://*" } },
		{ { "--to", "coap://h", "-c", "x" } },
		{ { "--forward", "--config", "x" } },
		{ { "--from", "::1" } },
		{ { "--listen", "x", "-t" } },
		{ { "--route", "" } },
		{ { "--route", "  " } },
		{ { "--route", "to" } },
		{ { "--route", "=x" } },
		{ { "--route", "to=coap://h\n[log]" } },
		{ { "--to", "coap://h", "extra" } },
	};
	FILE *err = tmpfile();

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		int saved = away(err, STDERR_FILENO);
		long before = ftell(err);
		struct args a;

		parse(&a, &t[i]);
		back(saved, STDERR_FILENO);
		ck_assert_msg(a.mode == ARGS_BAD, "line %zu", i);
		fseek(err, 0, SEEK_END);
		ck_assert_msg(ftell(err) > before, "line %zu", i);
		drop(&a);
	}
	fclose(err);
}
END_TEST

START_TEST(test_text)
{
	static const struct {
		struct line line;
		const char *text;
	} t[] = {
		{ { { "--to", "coap://10.0.0.11" } },
			"[route]\nto = coap://10.0.0.11\n" },
		{ { { "--to", "coap://h/$x, #y" } },
			"[route]\nto = \"coap://h/$$x, #y\"\n" },
		{ { { "--forward" } },
			"[forward]\nallow-from = loopback private\n"
			"allow-to = loopback private\n"
			"deny-to = link-local multicast\n" },
		{ { { "--route", "host=a to=coap://h", "--bind", "coap://*:1",
			"--to=coap://i", "--bind=coap://*:2" } },
			"[listen default]\nbind = coap://*:1\n"
			"bind = coap://*:2\n"
			"[route]\nhost = a\nto = coap://h\n"
			"[route]\nto = coap://i\n" },
		{ { { "--route", " methods=GET PUT\tFETCH  "
			"reply=4.04 \"no \\\" x=y\" " } },
			"[route]\nmethods = GET PUT FETCH\n"
			"reply = 4.04 \"no \\\" x=y\"\n" },
		{ { { "--route", "to=coap://h/a=b" } },
			"[route]\nto = coap://h/a=b\n" },
	};

	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct args a;

		parse(&a, &t[i].line);
		ck_assert_int_eq(a.mode, ARGS_RUN);
		ck_assert_str_eq(a.text, t[i].text);
		drop(&a);
	}
}
END_TEST

/* What the options stand for is a configuration, and what it says. */
START_TEST(test_text_loads)
{
	static const struct line line = { { "--to", "coap://10.0.0.11",
		"--forward", "--bind", "coap://127.0.0.1:0" } };
	struct conf_report r = { 0 };
	struct addr loopback, link;
	struct conf *c;
	struct args a;

	parse(&a, &line);
	c = conf_load_text("command line", a.text, &r);
	ck_assert_msg(c != NULL && r.text == NULL, "%s", r.text);
	ck_assert_uint_eq(c->nlisten, 1);
	ck_assert_str_eq(c->listen[0].bind[0].text, "coap://127.0.0.1:0");
	ck_assert_uint_eq(c->rules.n, 1);
	ck_assert(c->has_forward);
	ck_assert(addr_parse_ip(&loopback, SPAN_LIT("127.0.0.1"), false));
	ck_assert(addr_parse_ip(&link, SPAN_LIT("169.254.0.1"), false));
	ck_assert(netlist_allows(&c->forward.allow_to, &c->forward.deny_to,
	    &loopback));
	ck_assert(!netlist_allows(&c->forward.allow_to, &c->forward.deny_to,
	    &link));
	conf_free(c);
	drop(&a);
}
END_TEST

/* The help fits a terminal, unless the installation has a very long name. */
START_TEST(test_help)
{
	FILE *f = tmpfile();
	int saved = away(f, STDOUT_FILENO);
	unsigned lines = 0;
	char line[256];

	args_help();
	back(saved, STDOUT_FILENO);
	rewind(f);
	for (; fgets(line, sizeof(line), f) != NULL; lines++)
		if (strstr(line, "/coaproxy.conf") == NULL)
			ck_assert_uint_le(strlen(line), 81);
	ck_assert_uint_gt(lines, 10);
	ck_assert_uint_le(lines, 24);
	fclose(f);
}
END_TEST

START_TEST(test_version)
{
	FILE *f = tmpfile();
	int saved = away(f, STDOUT_FILENO);
	char line[256] = "";

	args_version();
	back(saved, STDOUT_FILENO);
	rewind(f);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	ck_assert_int_eq(strncmp(line, "coaproxy ", 9), 0);
	ck_assert(line[9] >= '0' && line[9] <= '9');
	fclose(f);
}
END_TEST

Suite *
args_suite(void)
{
	Suite *s = suite_create("args");
	TCase *tc = tcase_create("core");

	tcase_add_test(tc, test_modes);
	tcase_add_test(tc, test_configuration_directory);
	tcase_add_test(tc, test_explain);
	tcase_add_test(tc, test_bad);
	tcase_add_test(tc, test_text);
	tcase_add_test(tc, test_text_loads);
	tcase_add_test(tc, test_help);
	tcase_add_test(tc, test_version);
	suite_add_tcase(s, tc);
	return s;
}
