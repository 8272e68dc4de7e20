/*
 * replay: runs scenario files and prints one result for each section (TAP).
 *
 *	replay [-s TEXT] [-t MS] FILE.rp...
 *
 * With -s only sections whose title has TEXT in it. With -t the clock says MS
 * when a section begins.
 */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/xalloc.h"

enum {
	SEED = 7252,
	ARENA_MAX = 1 << 22,
	FIRST_MID = 0x2000,
	FIRST_TOKEN = 0xa0,
};

/* A file being read: what is left, and the number of the next line. */
struct source {
	const char *path;
	struct span text;
	unsigned line;
	struct span conf;	/* of sections that have none */
};

struct results {
	unsigned run, failed;
	const char *only;
};

static char *
slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t got;

	*n = 0;
	if (f == NULL)
		return NULL;
	do {
		text = xrealloc(text, *n + 4097, 1);
		got = fread(text + *n, 1, 4096, f);
		*n += got;
	} while (got > 0);
	fclose(f);
	text[*n] = '\0';
	return text;
}

/* The next line of *TEXT, without blanks in front. */
static struct span
next_line(struct span *text)
{
	struct span line = *text;
	size_t n = 0;

	while (n < text->n && text->p[n] != '\n')
		n++;
	line.n = n;
	*text = span_make(text->p + n, text->n - n);
	if (text->n > 0)
		*text = span_make(text->p + 1, text->n - 1);
	while (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		line = span_make(line.p + 1, line.n - 1);
	return line;
}

static bool
take_line(struct source *src, struct span *line)
{
	if (src->text.n == 0)
		return false;
	*line = next_line(&src->text);
	src->line++;
	return true;
}

/* The lines behind "conf", up to "end". */
static struct span
take_conf(struct source *src)
{
	const uint8_t *from = src->text.p, *to = from;
	struct span line;

	while (take_line(src, &line) && !span_eq(line, SPAN_LIT("end")))
		to = src->text.p;
	return span_make(from, (size_t)(to - from));
}

static const char *
file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void
report(struct results *t, const struct source *src, struct span title,
    const struct script *s, bool ok)
{
	t->run++;
	printf("%s %u - %s: %.*s\n", ok ? "ok" : "not ok", t->run,
	    file_name(src->path), (int)title.n, (const char *)title.p);
	if (ok)
		return;
	t->failed++;
	printf("# %s:%u: %.*s\n#   %s\n", src->path, s->line, (int)s->step.n,
	    (const char *)s->step.p, s->why);
}

/* ---- one section ---- */

static struct script *
script_new(const struct source *src, struct span conf, bool *ok)
{
	struct script *s = xcalloc(1, sizeof(*s));
	char *text = xspandup(conf);

	arena_init(&s->arena, ARENA_MAX);
	s->next_mid = FIRST_MID;
	s->next_token = FIRST_TOKEN;
	*ok = world_init(&s->world, file_name(src->path), text, SEED);
	if (!*ok)
		script_fail(s, "%s", s->world.why);
	free(text);
	return s;
}

static void
free_packets(struct list *l)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, l)
		free(CONTAINER_OF(it, struct packet, link));
}

static void
script_free(struct script *s)
{
	world_fini(&s->world);
	for (size_t i = 0; i < s->nends; i++) {
		free_packets(&s->ends[i].inbox);
		free_packets(&s->ends[i].seen);
	}
	arena_reset(&s->arena, 0);
	free(s);
}

static bool
is_title(struct span line)
{
	return line.n > 3 && memcmp(line.p, "== ", 3) == 0;
}

static bool
is_step(struct span line)
{
	return line.n > 0 && line.p[0] != '#';
}

/* The configuration of the section that SRC, a copy, stands in. */
static struct span
section_conf(struct source src)
{
	struct span line;

	while (take_line(&src, &line) && !is_title(line))
		if (span_eq(line, SPAN_LIT("conf")))
			return take_conf(&src);
	return src.conf;
}

/* Steps that are being repeated. */
struct loop {
	struct source from;	/* the first of them */
	struct span name;	/* of the number; empty: it has none */
	uint32_t times, round;
	size_t nvars;		/* older variables, which stay */
};

static bool
begin_round(struct script *s, struct loop *l)
{
	if (l->name.n > 0 &&
	    !text_set_uint(&s->vars, l->name, ++l->round, &s->arena))
		return script_fail(s, "too many variables");
	return true;
}

/* "repeat N [as NAME]"; AHEAD is behind it. */
static bool
begin_loop(struct script *s, struct loop *l, struct span rest,
    const struct source *ahead)
{
	struct span word;
	uint64_t n;

	if (l->times > 0 || !parse_u64(text_word(&rest), &n) || n == 0 ||
	    n > UINT16_MAX)
		return script_fail(s, "expected: repeat N, not in another one");
	word = text_word(&rest);
	*l = (struct loop){ .from = *ahead, .times = (uint32_t)n,
		.nvars = s->vars.n };
	if (span_eq(word, SPAN_LIT("as")))
		l->name = text_word(&rest);
	return begin_round(s, l);
}

/* "end"; AHEAD goes back while there is something to repeat. */
static bool
end_loop(struct script *s, struct loop *l, struct source *ahead)
{
	if (l->times == 0)
		return script_fail(s, "nothing is repeated");
	s->vars.n = l->nvars;
	if (--l->times == 0)
		return true;
	*ahead = l->from;
	return begin_round(s, l);
}

static bool
run_step(struct script *s, struct loop *l, struct source *ahead,
    struct span line)
{
	struct span rest = line, word = text_word(&rest);

	s->step = line;
	s->line = ahead->line;
	if (span_eq(word, SPAN_LIT("repeat")))
		return begin_loop(s, l, rest, ahead);
	if (span_eq(line, SPAN_LIT("end")))
		return end_loop(s, l, ahead);
	return script_step(s, line);
}

/* The configuration behind "reload" is in use from now on, if OK. */
static bool
reload(struct script *s, struct source *src, struct span line, bool ok)
{
	char *text = xspandup(take_conf(src));

	s->step = line;
	s->line = src->line;
	ok = ok && (world_reload(&s->world, file_name(src->path), text) ?
	    script_collect(s) : script_fail(s, "%s", s->world.why));
	free(text);
	return ok;
}

/* Does the steps up to the next title, which stays in SRC; after a failure
 * they are only skipped. */
static bool
run_steps(struct script *s, struct source *src, bool ok)
{
	struct source ahead = *src;
	struct loop loop = { .times = 0 };
	struct span line;

	while (take_line(&ahead, &line) && !is_title(line)) {
		if (span_eq(line, SPAN_LIT("conf")))
			take_conf(&ahead);
		else if (span_eq(line, SPAN_LIT("reload")))
			ok = reload(s, &ahead, line, ok);
		else if (ok && is_step(line))
			ok = run_step(s, &loop, &ahead, line);
		*src = ahead;
	}
	if (ok && loop.times > 0)
		ok = script_fail(s, "no end of what is repeated");
	if (!ok)
		return false;
	s->step = SPAN_LIT("(the end)");
	return script_end(s);
}

static bool
contains(struct span s, const char *what)
{
	return memmem(s.p, s.n, what, strlen(what)) != NULL;
}

static void
run_section(struct results *t, struct source *src, struct span title)
{
	struct script *s;
	bool ok;

	s = script_new(src, section_conf(*src), &ok);
	s->line = src->line;
	s->step = title;
	ok = run_steps(s, src, ok);
	report(t, src, title, s, ok);
	script_free(s);
}

/* ---- files ---- */

static void
run_file(struct results *t, const char *path)
{
	struct source src = { .path = path };
	struct span line, skipped;
	bool titled = false;
	size_t n;
	char *text = slurp(path, &n);

	if (text == NULL) {
		t->failed++;
		printf("Bail out! cannot read %s\n", path);
		return;
	}
	src.text = span_make(text, n);
	while (take_line(&src, &line)) {
		if (span_eq(line, SPAN_LIT("conf"))) {
			skipped = take_conf(&src);
			if (!titled)
				src.conf = skipped;
		}
		if (!is_title(line))
			continue;
		titled = true;
		if (t->only == NULL || contains(line, t->only))
			run_section(t, &src,
			    span_make(line.p + 3, line.n - 3));
	}
	free(text);
}

int
main(int argc, char **argv)
{
	struct results t = { 0 };
	int opt;

	log_open(STDERR_FILENO, LOG_ERROR);
	while ((opt = getopt(argc, argv, "s:t:")) != -1) {
		if (opt == 's')
			t.only = optarg;
		else if (opt != 't' ||
		    !parse_u64(span_str(optarg), &world_start))
			return 2;
	}
	for (; optind < argc; optind++)
		run_file(&t, argv[optind]);
	printf("1..%u\n", t.run);
	return t.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
