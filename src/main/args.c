/*
 * args: options, and the configuration some of them stand for.
 *
 * --to, --forward, --route and --bind are written down as the text of a
 * configuration, which then goes the way of every other: one set of rules, and
 * -T shows the file to go on with.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "main/args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "conf/words.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif
#ifdef COAPROXY_BUILT_WITH
#define BUILT_WITH_LINE COAPROXY_BUILT_WITH "\n"
#else
#define BUILT_WITH_LINE ""
#endif

/* In the directory that the service manager says, the first of them, or in
 * that of the build. Owned. */
static char *
default_config(void)
{
	const char *dirs = getenv("CONFIGURATION_DIRECTORY");

	if (dirs == NULL || dirs[0] != '/')
		return xstrdup(SYSCONFDIR "/coaproxy/coaproxy.conf");
	return xasprintf("%.*s/coaproxy.conf", (int)strcspn(dirs, ":"), dirs);
}

/* The text in the making: listeners stand before what uses them. */
struct builder {
	struct args *a;
	FILE *listen, *roles;
	char *listen_text, *roles_text;
	size_t listen_n, roles_n;
	bool bind, role;
};

enum { OPT_EXPLAIN = 256, OPT_FROM, OPT_LISTEN, OPT_TO, OPT_FORWARD, OPT_ROUTE,
	OPT_BIND };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 't' },
	{ "dump", no_argument, NULL, 'T' },
	{ "explain", required_argument, NULL, OPT_EXPLAIN },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "to", required_argument, NULL, OPT_TO },
	{ "forward", no_argument, NULL, OPT_FORWARD },
	{ "route", required_argument, NULL, OPT_ROUTE },
	{ "bind", required_argument, NULL, OPT_BIND },
	{ "verbose", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool
complain(const char *what, const char *argument)
{
	fprintf(stderr, "coaproxy: %s%s%s; coaproxy -h tells more\n", what,
	    *argument != '\0' ? ": " : "", argument);
	return false;
}

static bool
has_controls(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' && *s != '\t')
			return true;
	return false;
}

/* Octets of the word at S, quotations in it as a whole. */
static size_t
word_length(const char *s)
{
	bool quoted = false;
	size_t n = 0;

	for (; s[n] != '\0' && (quoted || strchr(" \t", s[n]) == NULL); n++) {
		if (s[n] == '"')
			quoted = !quoted;
		else if (quoted && s[n] == '\\' && s[n + 1] != '\0')
			n++;
	}
	return n;
}

/* "K=V K2=V2 more-of-V2" as settings, one in a line. */
static bool
put_route(struct builder *b, const char *text)
{
	const char *s = text + strspn(text, " \t");
	bool any = false;

	if (has_controls(text))
		return complain("control character in --route", "");
	fputs("[route]", b->roles);
	while (*s != '\0') {
		size_t n = word_length(s);
		size_t key = strspn(s, "abcdefghijklmnopqrstuvwxyz-");

		if (key > 0 && s[key] == '=')
			fprintf(b->roles, "\n%.*s = %.*s", (int)key, s,
			    (int)(n - key - 1), s + key + 1);
		else if (any)
			fprintf(b->roles, " %.*s", (int)n, s);
		else
			return complain("--route is not KEY=VALUE", text);
		any = true;
		s += n;
		s += strspn(s, " \t");
	}
	fputc('\n', b->roles);
	return any ? true : complain("--route is empty", "");
}

static void
put_setting(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s = ", key);
	words_quote(f, value);
	fputc('\n', f);
}

static bool
put_role(struct builder *b, int opt, const char *value)
{
	b->role = true;
	if (opt == OPT_ROUTE)
		return put_route(b, value);
	if (opt == OPT_TO) {
		fputs("[route]\n", b->roles);
		put_setting(b->roles, "to", value);
		return true;
	}
	fputs("[forward]\n"
	      "allow-from = loopback private\n"
	      "allow-to = loopback private\n"
	      "deny-to = link-local multicast\n", b->roles);
	return true;
}

static void
put_bind(struct builder *b, const char *value)
{
	if (!b->bind)
		fputs("[listen default]\n", b->listen);
	b->bind = true;
	put_setting(b->listen, "bind", value);
}

/* -V and -h win over everything, --explain over -T, that over -t. */
static void
set_mode(struct args *a, enum args_mode mode)
{
	if (mode > a->mode)
		a->mode = mode;
}

static bool
take_option(struct builder *b, int opt, const char *value)
{
	struct args *a = b->a;

	switch (opt) {
	case 'c':
		a->config = value;
		return true;
	case 't':
		set_mode(a, ARGS_CHECK);
		return true;
	case 'T':
		set_mode(a, ARGS_DUMP);
		return true;
	case OPT_EXPLAIN:
		set_mode(a, ARGS_EXPLAIN);
		a->explain = value;
		return true;
	case OPT_FROM:
		a->from = value;
		return true;
	case OPT_LISTEN:
		a->listen = value;
		return true;
	case OPT_BIND:
		put_bind(b, value);
		return true;
	case 'v':
		a->verbose++;
		return true;
	case 'q':
		a->verbose--;
		return true;
	case 'V':
		set_mode(a, ARGS_VERSION);
		return true;
	case 'h':
		set_mode(a, ARGS_HELP);
		return true;
	case '?':
		return false;	/* getopt_long() complained */
	default:
		return put_role(b, opt, value);
	}
}

/* What does not go together. */
static bool
consistent(const struct builder *b)
{
	const struct args *a = b->a;

	if (a->mode == ARGS_VERSION || a->mode == ARGS_HELP)
		return true;
	if (b->bind && !b->role)
		return complain("--bind needs --to, --forward or --route", "");
	if (b->role && a->config != NULL)
		return complain("--config goes with a file, not with --to, "
		    "--forward or --route", "");
	if (a->explain == NULL && (a->from != NULL || a->listen != NULL))
		return complain("--from and --listen need --explain", "");
	return true;
}

static bool
read_options(struct builder *b, int argc, char **argv)
{
	int opt;

	optind = 0;	/* from the start, also the second time */
	while ((opt = getopt_long(argc, argv, "c:tTvqVh", options, NULL)) !=
	    -1)
		if (!take_option(b, opt, optarg))
			return false;
	if (optind < argc)
		return complain("unexpected argument", argv[optind]);
	return consistent(b);
}

static FILE *
open_text(char **text, size_t *n)
{
	FILE *f = open_memstream(text, n);

	if (f == NULL)
		xalloc_fail();
	return f;
}

static char *
join(const char *a, const char *b)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_text(&text, &n);

	fprintf(f, "%s%s", a, b);
	if (fclose(f) != 0 || text == NULL)
		xalloc_fail();
	return text;
}

void
args_parse(struct args *a, int argc, char **argv)
{
	struct builder b = { .a = a };

	*a = (struct args){ .mode = ARGS_RUN };
	b.listen = open_text(&b.listen_text, &b.listen_n);
	b.roles = open_text(&b.roles_text, &b.roles_n);
	if (!read_options(&b, argc, argv))
		a->mode = ARGS_BAD;
	if (fclose(b.listen) != 0 || fclose(b.roles) != 0 ||
	    b.listen_text == NULL || b.roles_text == NULL)
		xalloc_fail();
	if (b.role)
		a->text = join(b.listen_text, b.roles_text);
	if (a->config == NULL)
		a->config = a->default_config = default_config();
	free(b.listen_text);
	free(b.roles_text);
}

void
args_fini(struct args *a)
{
	free(a->text);
	free(a->default_config);
	a->text = a->default_config = NULL;
}

void
args_help(void)
{
	char *config = default_config();

	printf("usage: coaproxy [-c FILE] [-tTqv] [--explain REQUEST]\n"
	       "       coaproxy --to URI | --forward | --route 'KEY=VALUE ...' "
	       "[--bind URI]...\n"
	       "CoAP forward and reverse proxy, in the foreground.\n\n"
	       "  -c, --config FILE  - is standard input; default:\n"
	       "                     %s\n", config);
	free(config);
	fputs("  -t, --check        read and check the configuration\n"
	      "  -T, --dump         check, and print what is in effect as a "
	      "file\n"
	      "      --explain REQ  which route takes, for example,\n"
	      "                     'GET coap://lamp.example.net/light', and "
	      "why;\n"
	      "                     a forward request is 'GET proxy "
	      "coap://...'\n"
	      "      --from ADDR    of whom; --listen NAME: at which listener\n"
	      "  -v, -q             log more, log less\n"
	      "  -V, -h             version and what was built in; this help\n"
	      "\nWithout a file:\n"
	      "      --to URI       send every request to URI\n"
	      "      --forward      proxy for loopback and private networks, "
	      "to the same\n"
	      "      --route 'K=V'  a route, keys as in the file; repeat, "
	      "order counts\n"
	      "      --bind URI     where to listen, default coap://*:5683\n"
	      "\nExit status: 0 done, 2 bad command line, 78 configuration "
	      "refused, 1 other.\n", stdout);
}

void
args_version(void)
{
	fputs("coaproxy " PACKAGE_VERSION "\n" BUILT_WITH_LINE, stdout);
}
