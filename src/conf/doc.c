/*
 * doc: what was written, and what is there without being written.
 */
#include "conf/doc.h"

#include <stdlib.h>

#include "base/xalloc.h"

void
doc_init(struct doc *d)
{
	memset(d, 0, sizeof(*d));
	/* The size of what is read is bounded, so this need not be. */
	arena_init(&d->arena, SIZE_MAX);
}

void
doc_fini(struct doc *d)
{
	for (size_t i = 0; i < d->n; i++) {
		for (size_t j = 0; j < d->v[i]->n; j++)
			words_fini(&d->v[i]->v[j].words);
		free(d->v[i]->v);
	}
	for (size_t i = 0; i < d->nfile; i++)
		free(d->file[i]->text);
	free(d->v);
	free(d->file);
	report_fini(&d->report);
	arena_reset(&d->arena, 0);
}

void *
doc_alloc(struct doc *d, size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total))
		abort();
	p = arena_alloc(&d->arena, total);
	if (p == NULL)
		abort();
	return memset(p, 0, total);
}

const char *
doc_string(struct doc *d, struct span s)
{
	char *p = doc_alloc(d, s.n + 1, 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

struct conf_file *
doc_add_file(struct doc *d, const char *name, char *text, size_t len)
{
	struct conf_file *f = doc_alloc(d, 1, sizeof(*f));

	*f = (struct conf_file){ .name = doc_string(d, span_str(name)),
		.text = text, .len = len, .order = d->nfile };
	d->file = xrealloc(d->file, d->nfile + 1, sizeof(struct conf_file *));
	d->file[d->nfile++] = f;
	return f;
}

struct section *
doc_add(struct doc *d, const struct schema_section *type, const char *name,
    const struct conf_pos *pos)
{
	struct section *s = doc_alloc(d, 1, sizeof(*s));

	*s = (struct section){ .type = type, .pos = *pos,
		.name = doc_string(d, span_str(name)),
		.index = d->count[type->id]++ };
	d->v = xrealloc(d->v, d->n + 1, sizeof(struct section *));
	d->v[d->n++] = s;
	return s;
}

struct setting *
section_add(struct section *s, const struct schema_key *key,
    const struct conf_pos *pos)
{
	struct setting *set;

	s->v = xrealloc(s->v, s->n + 1, sizeof(*s->v));
	set = &s->v[s->n++];
	*set = (struct setting){ .key = key, .pos = *pos };
	return set;
}

/* The number of S among its kind, or the next that is not a name yet. */
static const char *
free_number(struct doc *d, const struct section *s)
{
	char text[24];

	for (size_t i = s->index + 1;; i++) {
		snprintf(text, sizeof(text), "%zu", i);
		if (doc_find(d, s->type->id, text) == NULL)
			return doc_string(d, span_str(text));
	}
}

static const char *
make_title(struct doc *d, const struct section *s)
{
	char *text = xasprintf("[%s%s%s]", s->type->name,
	    *s->name != '\0' ? " " : "", s->name);
	const char *title = doc_string(d, span_str(text));

	free(text);
	return title;
}

void
doc_complete(struct doc *d)
{
	struct conf_pos nowhere = { .file = d->file[0] };

	for (unsigned i = 0; i < SECTION_TYPES; i++) {
		const struct schema_section *type =
		    schema_section_id((enum section_id)i);
		bool have = type->naming == NAME_OPTIONAL ? d->count[i] > 0 :
		    doc_find(d, type->id, "") != NULL;

		if (type->always && !have)
			doc_add(d, type, type->naming == NAME_OPTIONAL ?
			    "default" : "", &nowhere);
	}
	for (size_t i = 0; i < d->n; i++) {
		struct section *s = d->v[i];

		if (s->type->naming == NAME_OPTIONAL && *s->name == '\0')
			s->name = free_number(d, s);
		s->title = make_title(d, s);
	}
}

struct section *
doc_find(const struct doc *d, enum section_id id, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i]->type->id == id &&
		    strcmp(d->v[i]->name, name) == 0)
			return d->v[i];
	return NULL;
}

const struct setting *
section_get(const struct section *s, const struct schema_key *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].key == key)
			return &s->v[i];
	return NULL;
}

size_t
section_count(const struct section *s, const struct schema_key *key)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].key == key)
			n += s->v[i].words.n;
	return n;
}

struct conf_pos
section_word(const struct section *s, const struct schema_key *key, size_t i)
{
	for (size_t j = 0; j < s->n; j++) {
		const struct words *w = &s->v[j].words;
		struct conf_pos pos = s->v[j].pos;

		if (s->v[j].key != key)
			continue;
		if (i < w->n) {
			pos.col = w->v[i].col;
			return pos;
		}
		i -= w->n;
	}
	return section_line(s);
}

struct conf_pos
section_line(const struct section *s)
{
	struct conf_pos pos = s->pos;

	pos.col = 0;
	return pos;
}
