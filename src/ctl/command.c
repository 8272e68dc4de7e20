/*
 * command: a table of them.
 */
#include "ctl/command.h"

#include <stdarg.h>
#include <stdlib.h>

#include <event2/buffer.h>

#include "base/log.h"
#include "ctl/status.h"
#include "ctl/text.h"
#include "proxy/inspect.h"

enum { WORDS_MAX = 8 };

struct call {
	const struct sources *src;
	const struct ctl_actions *act;
	struct evbuffer *out;
	struct command_trace *trace;
	bool json;
	char *words[WORDS_MAX + 1];	/* the command first; NULL behind the
					 * last */
	size_t n;
};

static char complaint[256];

static const char *complain(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static const char *
complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(complaint, sizeof(complaint), fmt, ap);
	va_end(ap);
	return complaint;
}

static const char *
run_status(struct call *c)
{
	status_page(c->out, c->src, c->json);
	return NULL;
}

static const char *
run_routes(struct call *c)
{
	status_routes(c->out, c->src, c->json);
	return NULL;
}

static const char *
run_origins(struct call *c)
{
	status_origins(c->out, c->src, c->json);
	return NULL;
}

static const char *
run_observations(struct call *c)
{
	size_t left = status_observations(c->out, c->src, c->json,
	    COMMAND_OUT);

	return left > 0 ? complain("%zu more are not shown", left) : NULL;
}

static bool
is_like(const char *uri, void *pattern)
{
	return text_like(pattern, uri);
}

/* One thing that was done, with a number or a word. */
static void
put_done(struct call *c, const char *key, const char *value, bool quoted)
{
	if (c->json) {
		evbuffer_add_printf(c->out, "{\"%s\":", key);
		if (quoted)
			text_json(c->out, span_str(value));
		else
			evbuffer_add_printf(c->out, "%s", value);
		evbuffer_add_printf(c->out, "}\n");
		return;
	}
	evbuffer_add_printf(c->out, "%s: %s\n", key, value);
}

static const char *
run_cache(struct call *c)
{
	char number[TEXT_SHORT];

	if (c->n == 1) {
		status_cache(c->out, c->src, c->json);
		return NULL;
	}
	if (strcmp(c->words[1], "flush") != 0)
		return complain("'cache' or 'cache flush PATTERN'");
	if (c->n != 3)
		return complain("'cache flush' takes one pattern, for example "
		    "'coap://10.0.0.11/*' or '*'");
	snprintf(number, sizeof(number), "%zu",
	    inspect_flush(c->src->proxy, is_like, c->words[2]));
	log_info(NULL, "cache flushed: pattern=%s responses=%s", c->words[2],
	    number);
	put_done(c, "flushed", number, false);
	return NULL;
}

static const char *
run_reload(struct call *c)
{
	char *text = NULL;
	bool ok;

	if (c->act->reload == NULL)
		return complain("reload is not supported by this build");
	ok = c->act->reload(c->act->user, &text);
	if (text != NULL && c->json)
		put_done(c, "text", text, true);
	else if (text != NULL)
		evbuffer_add_printf(c->out, "%s%s", text,
		    *text != '\0' && text[strlen(text) - 1] != '\n' ? "\n" :
		    "");
	free(text);
	return ok ? NULL : complain("the configuration was refused; nothing "
	    "has changed");
}

static const char *
run_drain(struct call *c)
{
	char number[TEXT_SHORT];

	snprintf(number, sizeof(number), "%zu",
	    proxy_waiting(c->src->proxy));
	put_done(c, "draining", number, false);
	c->act->drain(c->act->user);
	return NULL;
}

static const char *
run_log(struct call *c)
{
	for (enum log_level l = LOG_ERROR; c->n == 2 && l <= LOG_DEBUG; l++)
		if (strcmp(c->words[1], log_level_name(l)) == 0) {
			log_level = l;
			c->n = 1;
		}
	if (c->n > 1)
		return complain("a level is error, warn, info or debug");
	put_done(c, "level", log_level_name(log_level), true);
	return NULL;
}

static const char *
run_trace(struct call *c)
{
	const char *wrong = trace_filter_read(&c->trace->filter, c->words + 1,
	    c->n - 1);

	c->trace->wanted = wrong == NULL;
	return wrong;
}

static const char *run_help(struct call *c);

static const struct command {
	const char *name;
	size_t words;		/* at most, itself included */
	const char *(*run)(struct call *c);
	const char *help;
} commands[] = {
	{ "status", 1, run_status, "one screen of everything" },
	{ "routes", 1, run_routes, "what each route has had, in order" },
	{ "origins", 1, run_origins, "addresses that are sent to" },
	{ "observations", 1, run_observations, "of origins, with observers" },
	{ "cache", 3, run_cache, "[flush PATTERN]  numbers; or forget URIs" },
	{ "reload", 1, run_reload, "take the configuration into use anew" },
	{ "drain", 1, run_drain, "finish what is under way, and end" },
	{ "log", 2, run_log, "[LEVEL]  error, warn, info or debug" },
	{ "trace", WORDS_MAX, run_trace, "[FILTER]  datagrams as they pass" },
	{ "help", 1, run_help, "this list" },
};

enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const char *
run_help(struct call *c)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (c->json)
			put_done(c, "command", commands[i].name, true);
		else
			evbuffer_add_printf(c->out, "%-14s%s\n",
			    commands[i].name, commands[i].help);
	return NULL;
}

const char *
command_name(size_t i)
{
	return i < NCOMMANDS ? commands[i].name : NULL;
}

/* The words of LINE; false when there are too many. */
static bool
split(struct call *c, char *line)
{
	char *word, *rest = line;

	while ((word = strsep(&rest, " \t\r")) != NULL) {
		if (*word == '\0')
			continue;
		if (c->n == 0 && strcmp(word, "-j") == 0) {
			c->json = true;
			continue;
		}
		if (c->n == WORDS_MAX)
			return false;
		c->words[c->n++] = word;
	}
	return true;
}

const char *
command_run(char *line, const struct sources *src,
    const struct ctl_actions *act, struct evbuffer *out,
    struct command_trace *trace)
{
	struct call c = { .src = src, .act = act, .out = out,
		.trace = trace };

	if (!split(&c, line))
		return complain("too many words");
	if (c.n == 0)
		return complain("no command");
	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (strcmp(c.words[0], commands[i].name) != 0)
			continue;
		if (c.n > commands[i].words)
			return complain("'%s' takes fewer words",
			    commands[i].name);
		return commands[i].run(&c);
	}
	return complain("no such command; 'help' lists them");
}
