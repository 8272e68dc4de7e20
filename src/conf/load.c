/*
 * load: the reader of files, around inih.
 *
 * inih splits KEY = VALUE, and does more than we want: it continues lines that
 * are indented, ends a section's name at the first "]" and at 49 octets, takes
 * ":" for "=", cuts long lines, never mentions a section without keys and
 * counts no lines. So it reads through read_line() here, which counts, takes
 * section headers out, strips blanks and comments, refuses what could be
 * misread, and hands over one plain statement, or nothing, for every line.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "conf/load.h"

#include <ini.h>

#include <stdlib.h>

#include "conf/files.h"

enum {
	STATEMENT_MAX = 8192,	/* octets of a line without its comment */
	KEY_MAX = 64,
	DEPTH_MAX = 4,		/* of includes */
	FILES_MAX = 256,
	SECTIONS_MAX = 10000,
};

struct reader {
	struct doc *d;
	const struct conf_file *file;
	const uint8_t *cur, *end;
	struct conf_pos pos;		/* of the current line */
	struct section *section;	/* settings go there; NULL: nowhere */
	bool outside;			/* no section yet */
	unsigned proxy;			/* line of this file's [proxy], or 0 */
	struct span value;		/* of the current statement */
	unsigned depth;			/* of includes */
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span
trim(struct span s)
{
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	for (; s.n > 0 && is_blank(s.p[0]); s.n--)
		s.p++;
	return s;
}

/* The place of octet AT in the current line. */
static struct conf_pos
place(const struct reader *r, const uint8_t *at)
{
	struct conf_pos pos = r->pos;

	pos.col = (unsigned)(at - pos.text.p) + 1;
	return pos;
}

static bool
next_line(struct reader *r)
{
	const uint8_t *nl;
	size_t n = (size_t)(r->end - r->cur);

	if (n == 0)
		return false;
	nl = memchr(r->cur, '\n', n);
	r->pos.line++;
	r->pos.text = span_make(r->cur, nl != NULL ?
	    (size_t)(nl - r->cur) : n);
	r->cur = nl != NULL ? nl + 1 : r->end;
	if (r->pos.text.n > 0 && r->pos.text.p[r->pos.text.n - 1] == '\r')
		r->pos.text.n--;
	return true;
}

/* Whether a section like this was there before, at *FIRST. [proxy] may stand
 * once in each file, so that included files can include; anything else once. */
static bool
is_double(const struct reader *r, const struct schema_section *type,
    const char *name, struct conf_pos *first)
{
	const struct section *twin = doc_find(r->d, type->id, name);

	if (twin == NULL ||
	    (*name == '\0' && type->naming == NAME_OPTIONAL))
		return false;
	*first = twin->pos;
	if (type->id == SECTION_PROXY) {
		first->file = r->file;
		first->line = r->proxy;
	}
	return first->line > 0;
}

static void
open_section(struct reader *r, const struct schema_section *type,
    const char *name, const struct conf_pos *pos)
{
	struct report *report = &r->d->report;
	struct conf_pos first;

	if (is_double(r, type, name, &first)) {
		report_error(report, pos,
		    "[%s%s%s] is already defined at %s:%u", type->name,
		    *name != '\0' ? " " : "", name, first.file->name,
		    first.line);
		/* There is room for the settings of one only. */
		if (type->naming == NAME_NONE)
			return;
	}
	if (type->id == SECTION_PROXY) {
		r->proxy = pos->line;
		r->section = doc_find(r->d, type->id, name);
	}
	if (r->section == NULL && r->d->n == SECTIONS_MAX)
		report_error(report, pos, "more than %d sections",
		    SECTIONS_MAX);
	else if (r->section == NULL)
		r->section = doc_add(r->d, type, name, pos);
}

static const struct schema_section *
section_type(struct reader *r, const char *word, const struct conf_pos *pos)
{
	const struct schema_section *type = schema_section(word);
	struct report *report = &r->d->report;
	const char *better;

	if (type != NULL && !type->later)
		return type;
	better = schema_suggest_section(word);
	if (type != NULL)
		report_error(report, pos, "[%s] is not supported by this build",
		    word);
	else if (better != NULL)
		report_error(report, pos, "unknown section '%s'; did you mean "
		    "'[%s]'?", word, better);
	else
		report_error(report, pos, "unknown section '%s'", word);
	return NULL;
}

/* "[TYPE NAME]", where NAME may have brackets in it. */
static void
section_header(struct reader *r, struct span line)
{
	const uint8_t *close = memrchr(line.p, ']', line.n);
	struct report *report = &r->d->report;
	const struct schema_section *type;
	struct span word, name;
	struct conf_pos pos;
	const char *title;

	if (close == NULL || close + 1 < line.p + line.n) {
		pos = place(r, close != NULL ? close + 1 : line.p);
		report_error(report, &pos, close != NULL ?
		    "there is text behind the section header" :
		    "section header has no closing ']'");
		return;
	}
	word = name = trim(span_make(line.p + 1, line.n - 2));
	for (word.n = 0; word.n < name.n && !is_blank(name.p[word.n]);)
		word.n++;
	name = trim(span_make(word.p + word.n, name.n - word.n));
	pos = place(r, word.p);
	title = doc_string(r->d, word);
	type = title != NULL ? section_type(r, title, &pos) : NULL;
	if (type == NULL)
		return;
	if (name.n > 0)
		pos = place(r, name.p);
	if (name.n > 0 && type->naming == NAME_NONE) {
		report_error(report, &pos, "[%s] takes no name", type->name);
		name.n = 0;
	}
	title = doc_string(r->d, name);
	if (title != NULL)
		open_section(r, type, title, &pos);
}

/* No key is nearly as long as what any inih has room for. */
static bool
key_ok(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = span_lower(s.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
		    c != '-' && c != '_')
			return false;
	}
	return s.n > 0 && s.n <= KEY_MAX;
}

static bool
statement_ok(struct reader *r, struct span line)
{
	const uint8_t *equals = memchr(line.p, '=', line.n);
	struct conf_pos pos = place(r, line.p);
	struct report *report = &r->d->report;
	size_t n = equals != NULL ? (size_t)(equals - line.p) : 0;

	if (equals == NULL || !key_ok(trim(span_make(line.p, n)))) {
		report_error(report, &pos, "expected [SECTION] or KEY = VALUE");
		return false;
	}
	if (r->outside) {
		report_error(report, &pos, "a setting before any [SECTION]");
		r->outside = false;
		return false;
	}
	if (line.n > STATEMENT_MAX) {
		pos = place(r, line.p + STATEMENT_MAX);
		report_error(report, &pos, "the line is longer than %d octets",
		    STATEMENT_MAX);
		return false;
	}
	r->value = trim(span_make(equals + 1, line.n - n - 1));
	return true;
}

/* The section has lost a line: nobody can tell what is missing in it. */
static void
spoil(struct reader *r)
{
	if (r->section != NULL)
		r->section->spoilt = true;
}

/* Terminals and inih would each make something of their own of these. */
static bool
has_controls(struct reader *r, struct span line)
{
	struct conf_pos pos;

	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == '\t' ||
		    (line.p[i] >= ' ' && line.p[i] != 0x7f))
			continue;
		pos = place(r, line.p + i);
		report_error(&r->d->report, &pos,
		    "control character \\x%02x", (unsigned)line.p[i]);
		return true;
	}
	return false;
}

/* An inih whose limits were compiled in may have room for 197 octets only:
 * enough for the key. The value is taken from the line itself. */
static void
hand_over(struct span line, char *out, size_t cap)
{
	size_t n = line.n < cap ? line.n : cap;

	memcpy(out, line.p, n);
	out[n] = '\n';
	out[n + 1] = '\0';
}

/* What inih calls for a line: a statement, or an empty line in the place of
 * anything else. */
static char *
read_line(char *out, int num, void *user)
{
	struct reader *r = user;
	struct span line;
	bool header;

	if (num < 2 || r->d->report.starved || !next_line(r))
		return NULL;
	out[0] = '\n';
	out[1] = '\0';
	line = trim(r->pos.text);
	header = line.n > 0 && line.p[0] == '[';
	line.n = words_uncomment(line, !header);
	line = trim(line);
	if (line.n == 0)
		return out;
	if (header) {
		r->section = NULL;
		r->outside = false;
		if (!has_controls(r, line))
			section_header(r, line);
	} else if (has_controls(r, line) || !statement_ok(r, line)) {
		spoil(r);
	} else if (r->section != NULL) {
		hand_over(line, out, (size_t)num - 2);
	}
	return out;
}

static void load_included(struct doc *d, const char *path,
    const struct conf_pos *from, unsigned depth);

/* What PATH is cannot be told: WHY as file_read() has it. */
static void
cannot_read(struct doc *d, const struct conf_pos *pos, const char *path,
    const char *why)
{
	if (why == NULL)
		d->report.starved = true;
	else if (path == NULL)
		report_error(&d->report, pos, "cannot read it: %s", why);
	else
		report_error(&d->report, pos, "cannot read '%s': %s", path,
		    why);
}

static void
include_word(struct reader *r, const char *pattern, const struct conf_pos *pos)
{
	struct file_list files;
	const char *why;

	if (!file_match(&files, r->file->name, pattern, &why)) {
		cannot_read(r->d, pos, pattern, why);
		return;
	}
	if (files.n == 0 && strpbrk(pattern, "*?[") == NULL)
		report_error(&r->d->report, pos, "there is no file '%s'",
		    pattern);
	for (size_t i = 0; i < files.n; i++)
		load_included(r->d, files.v[i], pos, r->depth + 1);
	file_list_fini(&files);
}

static void
include(struct reader *r)
{
	struct conf_pos pos = place(r, r->value.p);
	struct report *report = &r->d->report;
	struct words_error err;
	struct words words;

	if (!words_split(&words, &r->d->arena, r->value, pos.col, true, &err)) {
		report->starved |= err.starved;
		pos.col = err.col;
		report_error(report, &pos, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < words.n; i++) {
		pos.col = words.v[i].col;
		include_word(r, words.v[i].text, &pos);
	}
	words_fini(&words);
}

static void
unknown_key(struct reader *r, const char *name, const struct conf_pos *pos)
{
	const struct schema_section *type = r->section->type;
	const char *better = schema_suggest_key(type->id, name);

	spoil(r);
	if (better != NULL)
		report_error(&r->d->report, pos, "[%s] has no setting '%s'; "
		    "did you mean '%s'?", type->name, name, better);
	else
		report_error(&r->d->report, pos, "[%s] has no setting '%s'",
		    type->name, name);
}

/* What inih calls for a statement. */
static int
take_setting(void *user, const char *section, const char *name,
    const char *value)
{
	struct reader *r = user;
	struct report *report = &r->d->report;
	struct conf_pos pos = place(r, trim(r->pos.text).p);
	const struct schema_key *key = schema_find(r->section->type->id, name);
	const struct setting *first;
	struct setting *set;

	(void)section;
	(void)value;
	first = key != NULL ? section_get(r->section, key) : NULL;
	if (key == NULL) {
		unknown_key(r, name, &pos);
	} else if ((key->flags & KEY_LATER) != 0) {
		report_error(report, &pos, "'%s' is not supported by this "
		    "build", name);
	} else if ((key->flags & KEY_GROUP) != 0 && *r->section->name == '\0') {
		report_error(report, &pos, "[%s] without a name holds "
		    "defaults and has no '%s'", r->section->type->name, name);
	} else if ((key->flags & KEY_DONE) != 0) {
		include(r);
	} else if (first != NULL && (key->flags & KEY_LIST) == 0) {
		report_error(report, &pos, "'%s' is already set at %s:%u",
		    name, first->pos.file->name, first->pos.line);
	} else {
		set = section_add(r->d, r->section, key, &pos);
		if (set == NULL)
			return 0;
		set->value = r->value;
		set->col = place(r, r->value.p).col;
	}
	return 1;
}

#if defined(HAVE_DECL_INI_MAX_LINE) && HAVE_DECL_INI_MAX_LINE

/* Debian's inih: switches at run time. */
static void
set_limits(void)
{
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = false;
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_max_line = STATEMENT_MAX + 2;
	ini_initial_alloc = STATEMENT_MAX + 2;
}

#else

/* The limits were compiled in: hand_over() lives with them. */
static void
set_limits(void)
{
}

#endif

static void
load_content(struct doc *d, const struct conf_file *f, unsigned depth)
{
	struct reader r = { .d = d, .file = f, .pos = { .file = f },
		.outside = true, .depth = depth };
	struct span bom = SPAN_LIT("\xef\xbb\xbf");
	int bad;

	r.cur = (const uint8_t *)f->text;
	r.end = r.cur + f->len;
	if (f->len >= bom.n && span_eq(span_make(r.cur, bom.n), bom))
		r.cur += bom.n;
	set_limits();
	bad = ini_parse_stream(read_line, &r, take_setting, &r);
	d->report.starved |= bad < 0;
	if (bad == 0 || d->report.starved)
		return;
	/* It was given nothing that it could object to, had it room. */
	r.pos = (struct conf_pos){ .file = f, .line = (unsigned)bad };
	report_error(&d->report, &r.pos, "the inih library has no room for "
	    "this line");
}

static void
load_included(struct doc *d, const char *path, const struct conf_pos *from,
    unsigned depth)
{
	const struct conf_file *f;
	const char *why = "";
	size_t len;
	char *text;

	if (depth > DEPTH_MAX) {
		report_error(&d->report, from, "includes are nested deeper "
		    "than %d", DEPTH_MAX);
		return;
	}
	if (d->nfile == FILES_MAX) {
		report_error(&d->report, from, "more than %d files", FILES_MAX);
		return;
	}
	text = file_read(path, true, &len, &why);
	if (text == NULL) {
		cannot_read(d, from, path, why);
		return;
	}
	f = doc_add_file(d, path, text, len);
	if (f != NULL)
		load_content(d, f, depth);
}

void
load_file(struct doc *d, const char *path)
{
	struct conf_file *f = doc_add_file(d, path, NULL, 0);
	struct conf_pos pos = { .file = f };
	const char *why = "";

	if (f == NULL)
		return;
	f->text = file_read(path, false, &f->len, &why);
	if (f->text != NULL)
		load_content(d, f, 0);
	else
		cannot_read(d, &pos, NULL, why);
}

void
load_text(struct doc *d, const char *name, const char *text)
{
	struct conf_file *f = doc_add_file(d, name, NULL, 0);

	if (f == NULL)
		return;
	f->text = strdup(text);
	f->len = strlen(text);
	if (f->text != NULL)
		load_content(d, f, 0);
	else
		d->report.starved = true;
}
