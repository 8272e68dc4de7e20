/*
 * keep: what a running program cannot change.
 *
 * Keys flagged KEY_RESTART are in sections that there is one of, and fill
 * members of struct conf.
 */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/loaded.h"
#include "conf/value.h"

static bool
array_differs(const struct schema_key *key, const char *a, const char *b)
{
	size_t na, nb;
	const void *va, *vb;

	memcpy(&na, a + key->count, sizeof(na));
	memcpy(&nb, b + key->count, sizeof(nb));
	memcpy(&va, a + key->offset, sizeof(va));
	memcpy(&vb, b + key->offset, sizeof(vb));
	return na != nb ||
	    (na > 0 && memcmp(va, vb, na * key->type->size) != 0);
}

static const char *
text_at(const struct schema_key *key, const char *c)
{
	const char *text;

	memcpy(&text, c + key->offset, sizeof(text));
	return text;
}

static bool
text_differs(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

static bool
differs(const struct schema_key *key, const char *a, const char *b)
{
	if (key->count != 0)
		return array_differs(key, a, b);
	if (key->type->text)
		return text_differs(text_at(key, a), text_at(key, b));
	return memcmp(a + key->offset, b + key->offset, key->type->size) != 0;
}

static void
take_text(struct doc *d, const struct schema_key *key, char *to,
    const char *text)
{
	if (text != NULL)
		text = doc_string(d, span_str(text));
	memcpy(to + key->offset, &text, sizeof(text));
}

/* Gives TO what FROM has; memory is D's. */
static void
take(struct doc *d, const struct schema_key *key, char *to, const char *from)
{
	const void *was;
	void *v;
	size_t n;

	if (key->type->text) {
		take_text(d, key, to, text_at(key, from));
		return;
	}
	if (key->count == 0) {
		memcpy(to + key->offset, from + key->offset, key->type->size);
		return;
	}
	memcpy(&n, from + key->count, sizeof(n));
	memcpy(&was, from + key->offset, sizeof(was));
	v = doc_alloc(d, n, key->type->size);
	if (n > 0)
		memcpy(v, was, n * key->type->size);
	memcpy(to + key->count, &n, sizeof(n));
	memcpy(to + key->offset, &v, sizeof(v));
}

/* Where KEY stands in D, or would stand. */
static void
put_place(FILE *f, const struct doc *d, const struct schema_key *key)
{
	const struct schema_section *type = schema_section_id(key->section);
	const struct section *s = doc_find(d, key->section, "");
	const struct setting *set = section_get(s, key);

	if (set != NULL)
		fprintf(f, "%s:%u: ", set->pos.file->name, set->pos.line);
	else
		fprintf(f, "%s: ", d->file[0]->name);
	fprintf(f, "warning: [%s] %s takes a restart; it stays as it was\n",
	    type->name, key->name);
}

char *
conf_keep(struct conf *next, const struct conf *in_use)
{
	struct loaded *l = (struct loaded *)(void *)next;
	const struct schema_key *key;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (f == NULL)
		abort();
	for (size_t i = 0; (key = schema_row(i)) != NULL; i++) {
		if ((key->flags & KEY_RESTART) == 0 ||
		    !differs(key, (char *)next, (const char *)in_use))
			continue;
		put_place(f, &l->doc, key);
		take(&l->doc, key, (char *)next, (const char *)in_use);
	}
	if (fclose(f) != 0)
		abort();
	if (n > 0)
		return text;
	free(text);
	return NULL;
}
