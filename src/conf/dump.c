/*
 * dump: what is in effect, as a file.
 *
 * Written values are shown as the words they came to, defaults as the schema
 * has them, so that the dump loads to the same configuration. What came from a
 * file stays a reference to it: it may be a secret.
 */
#include "conf/conf.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "conf/loaded.h"
#include "conf/value.h"

enum {
	COMMENT_COLUMN = 40,
	LINE_ENOUGH = 1000,	/* octets, then a list goes on in a new line */
};

struct dump {
	FILE *f;
	const struct loaded *l;
	long start;		/* of the line */
};

/* "KEY =". */
static void
begin(struct dump *d, const struct schema_key *key)
{
	d->start = ftell(d->f);
	fprintf(d->f, "%s =", key->name);
}

/* The comment, and the end of the line. */
static void
end(struct dump *d, const struct conf_pos *pos)
{
	int pad = COMMENT_COLUMN - (int)(ftell(d->f) - d->start);

	if (pos != NULL && pos->line > 0) {
		fprintf(d->f, "%*s # ", pad > 0 ? pad : 0, "");
		for (const char *p = pos->file->name; *p != '\0'; p++)
			fputc((unsigned char)*p < ' ' ? '?' : *p, d->f);
		fprintf(d->f, ":%u", pos->line);
	}
	fputc('\n', d->f);
}

static bool
has_secret(const struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].secret)
			return true;
	return false;
}

static void
dump_setting(struct dump *d, const struct setting *set)
{
	begin(d, set->key);
	if (has_secret(&set->words)) {
		fprintf(d->f, " %.*s", (int)set->value.n,
		    (const char *)set->value.p);
		end(d, &set->pos);
		return;
	}
	for (size_t i = 0; i < set->words.n; i++) {
		if (ftell(d->f) - d->start > LINE_ENOUGH) {
			end(d, &set->pos);
			begin(d, set->key);
		}
		fputc(' ', d->f);
		words_quote(d->f, set->words.v[i].text);
	}
	end(d, &set->pos);
}

static void
dump_default(struct dump *d, const struct schema_key *key)
{
	begin(d, key);
	if (key->type == &value_name) {
		fputc(' ', d->f);
		words_quote(d->f, d->l->conf.name);
	} else if (*key->def != '\0') {
		fprintf(d->f, " %s", key->def);
	}
	end(d, NULL);
}

static void
dump_key(struct dump *d, const struct section *s, const struct schema_key *key)
{
	/* A group without a setting of its own has that of all origins. */
	if ((key->flags & KEY_INHERIT) != 0 && section_get(s, key) == NULL)
		s = doc_find(&d->l->doc, s->type->id, "");
	if (section_get(s, key) == NULL ||
	    (key->type == &value_name && section_count(s, key) == 0)) {
		dump_default(d, key);
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].key == key)
			dump_setting(d, &s->v[i]);
}

static void
dump_section(struct dump *d, const struct section *s)
{
	const struct schema_key *key;

	if (ftell(d->f) > 0)
		fputc('\n', d->f);
	d->start = ftell(d->f);
	fputs(s->title, d->f);
	end(d, &s->pos);
	for (size_t i = 0; (key = schema_row(i)) != NULL; i++) {
		if (key->section != s->type->id || key->type == NULL ||
		    (key->flags & KEY_DONE) != 0 ||
		    ((key->flags & KEY_GROUP) != 0 && *s->name == '\0'))
			continue;
		dump_key(d, s, key);
	}
}

char *
conf_dump(const struct conf *c)
{
	const struct loaded *l = (const struct loaded *)(const void *)c;
	char *text = NULL;
	size_t n = 0;
	struct dump d = { .f = open_memstream(&text, &n), .l = l };

	if (d.f == NULL)
		xalloc_fail();
	for (unsigned id = 0; id < SECTION_TYPES; id++)
		for (size_t i = 0; i < l->doc.n; i++)
			if (l->doc.v[i]->type->id == id)
				dump_section(&d, l->doc.v[i]);
	if (fclose(d.f) != 0 || text == NULL)
		xalloc_fail();
	return text;
}
