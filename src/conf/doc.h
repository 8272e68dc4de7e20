/*
 * doc: sections and settings as they were written.
 *
 * In the order they were written, with the place of every piece; what they
 * mean comes later. Kept as long as the configuration, whose texts point into
 * it.
 */
#ifndef CONF_DOC_H
#define CONF_DOC_H

#include "base/arena.h"
#include "conf/report.h"
#include "conf/schema.h"
#include "conf/words.h"

/* KEY = VALUE. */
struct setting {
	const struct schema_key *key;
	struct conf_pos pos;	/* of the key */
	struct span value;	/* as written */
	unsigned col;		/* of the value */
	struct words words;
	bool bad;		/* reported */
};

/* [TYPE NAME]. A section without a line was not written: all defaults. */
struct section {
	const struct schema_section *type;
	const char *name;	/* "" where there is none */
	const char *title;	/* "[route a]" */
	struct conf_pos pos;	/* of the name, or of the type */
	struct setting *v;
	size_t n;
	size_t index;		/* among those of its type */
	bool spoilt;		/* unknown keys: is anything missing? */
};

struct doc {
	struct arena arena;	/* of all texts */
	struct report report;
	struct conf_file **file;
	size_t nfile;
	struct section **v;
	size_t n;
	size_t count[SECTION_TYPES];
};

/* D must not move afterwards. */
void doc_init(struct doc *d);
void doc_fini(struct doc *d);

/* Where there is no memory doc.report.starved is set, nothing else changes, and
 * the result is NULL, here and below. */

/* Adds a file of the given content; takes TEXT. */
struct conf_file *doc_add_file(struct doc *d, const char *name, char *text,
    size_t len);

/* Adds a section at the end, and a setting to one. */
struct section *doc_add(struct doc *d, const struct schema_section *type,
    const char *name, const struct conf_pos *pos);
struct setting *section_add(struct doc *d, struct section *s,
    const struct schema_key *key, const struct conf_pos *pos);

/* Adds the sections that are in effect without being written, gives those
 * without a name a number, and all of them titles. */
void doc_complete(struct doc *d);

/* The section ID called NAME, or NULL. */
struct section *doc_find(const struct doc *d, enum section_id id,
    const char *name);

/* The first setting of KEY in S, or NULL; the words of all of them; the place
 * of word I, or of S when it was not written. */
const struct setting *section_get(const struct section *s,
    const struct schema_key *key);
size_t section_count(const struct section *s, const struct schema_key *key);
struct conf_pos section_word(const struct section *s,
    const struct schema_key *key, size_t i);

/* The place of S without a column. */
struct conf_pos section_line(const struct section *s);

/* Memory from the arena, zeroed; a NUL-terminated copy of S there. */
void *doc_alloc(struct doc *d, size_t n, size_t size);
const char *doc_string(struct doc *d, struct span s);

#endif
