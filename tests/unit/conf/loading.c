#include "loading.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xalloc.h"

static struct loading
made(struct conf *c, struct conf_report r)
{
	if (r.text == NULL)
		r.text = xstrdup("");
	return (struct loading){ c, r };
}

struct loading
load_string(const char *text)
{
	struct conf_report r = { 0 };
	struct conf *c = conf_load_text("t.conf", text, &r);

	return made(c, r);
}

struct loading
load_example(const char *name)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct conf_report r = { 0 };
	struct conf *c;

	ck_assert_int_ge(here, 0);
	ck_assert_int_eq(chdir(CONF_EXAMPLES), 0);
	c = conf_load(name, &r);
	ck_assert_int_eq(fchdir(here), 0);
	close(here);
	return made(c, r);
}

void
unload(struct loading *l)
{
	conf_free(l->c);
	conf_report_fini(&l->r);
}

static bool
is_quoted_line(struct span line)
{
	return line.n > 8 && memcmp(line.p + 7, " |", 2) == 0;
}

char *
gist(const char *text)
{
	char *out = xcalloc(strlen(text) + 1, 1);
	size_t n = 0;

	while (*text != '\0') {
		struct span line = span_make(text, strcspn(text, "\n") + 1);

		if (!is_quoted_line(line) &&
		    (memmem(line.p, line.n, ": error: ", 9) != NULL ||
		    memmem(line.p, line.n, ": warning: ", 11) != NULL)) {
			memcpy(out + n, line.p, line.n);
			n += line.n;
		}
		text += line.n;
	}
	return out;
}

static void
expect(const char *text, bool loads, const char *want)
{
	struct loading l = load_string(text);
	char *got = gist(l.r.text);

	ck_assert_msg(strcmp(got, want) == 0, "for\n%.999s\nwanted\n%s\n"
	    "got\n%.999s", text, want, l.r.text);
	ck_assert_msg((l.c != NULL) == loads, "for\n%.999s", text);
	free(got);
	unload(&l);
}

void
expect_fine(const char *text)
{
	expect(text, true, "");
}

void
expect_refused(const char *text, const char *want)
{
	expect(text, false, want);
}

void
expect_warned(const char *text, const char *want)
{
	expect(text, true, want);
}
