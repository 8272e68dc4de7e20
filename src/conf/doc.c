/*
 * doc: what was written, and what is there without being written.
 */
#include "conf/doc.h"

#include <stdlib.h>

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
	void *p = NULL;

	if (!__builtin_mul_overflow(n, size, &total))
		p = arena_alloc(&d->arena, total);
	if (p != NULL)
		return memset(p, 0, total);
	d->report.starved = true;
	return NULL;
}

/* Room for one element of SIZE behind the N of V. */
static void *
room(struct doc *d, void *v, size_t n, size_t size)
{
	void *p = reallocarray(v, n + 1, size);

	if (p == NULL)
		d->report.starved = true;
	return p;
}

const char *
doc_string(struct doc *d, struct span s)
{
	char *p = doc_alloc(d, s.n + 1, 1);

	if (p != NULL && s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

struct conf_file *
doc_add_file(struct doc *d, const char *name, char *text, size_t len)
{
	struct conf_file *f = doc_alloc(d, 1, sizeof(*f));
	const char *copy = doc_string(d, span_str(name));
	struct conf_file **v = room(d, d->file, d->nfile,
	    sizeof(struct conf_file *));

	if (v != NULL)
		d->file = v;
	if (f == NULL || copy == NULL || v == NULL) {
		free(text);
		return NULL;
	}
	*f = (struct conf_file){ .name = copy, .text = text, .len = len,
		.order = d->nfile };
	d->file[d->nfile++] = f;
	return f;
}

struct section *
doc_add(struct doc *d, const struct schema_section *type, const char *name,
    const struct conf_pos *pos)
{
	struct section *s = doc_alloc(d, 1, sizeof(*s));
	const char *copy = doc_string(d, span_str(name));
	struct section **v = room(d, d->v, d->n, sizeof(struct section *));

	if (v != NULL)
		d->v = v;
	if (s == NULL || copy == NULL || v == NULL)
		return NULL;
	*s = (struct section){ .type = type, .pos = *pos, .name = copy,
		.index = d->count[type->id]++ };
	d->v[d->n++] = s;
	return s;
}

struct setting *
section_add(struct doc *d, struct section *s, const struct schema_key *key,
    const struct conf_pos *pos)
{
	struct setting *v = room(d, s->v, s->n, sizeof(*v)), *set;

	if (v == NULL)
		return NULL;
	s->v = v;
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
	bool named = *s->name != '\0';
	size_t n = strlen(s->type->name) + named + strlen(s->name) + 3;
	char *title = doc_alloc(d, n, 1);

	if (title != NULL)
		snprintf(title, n, "[%s%s%s]", s->type->name, named ? " " : "",
		    s->name);
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
	for (size_t i = 0; i < d->n && !d->report.starved; i++) {
		struct section *s = d->v[i];

		if (s->type->naming == NAME_OPTIONAL && *s->name == '\0')
			s->name = free_number(d, s);
		if (s->name == NULL)
			break;
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
