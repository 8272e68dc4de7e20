/*
 * schema: every section and every key there is.
 *
 * One table says where a key belongs, what its values are, where they go, what
 * its default is and what it is good for. Reading, checking, dumping and the
 * manual follow it.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum section_id {
	SECTION_PROXY,
	SECTION_LISTEN,
	SECTION_FORWARD,
	SECTION_ROUTE,
	SECTION_ORIGIN,
	SECTION_MESSAGE,
	SECTION_LOG,
	SECTION_DNS,
	SECTION_CACHE,
	SECTION_OBSERVE,
	SECTION_BLOCK,
	SECTION_METRICS,
	SECTION_CONTROL,
	SECTION_TLS,
	SECTION_TYPES,
};

enum section_naming {
	NAME_NONE,
	NAME_OPTIONAL,		/* those without get a number */
	NAME_GROUP,		/* the one without holds the defaults */
};

struct schema_section {
	enum section_id id;
	const char *name;
	enum section_naming naming;
	bool always;		/* in effect even when it is not written */
	bool later;		/* not in this build */
	const char *help;
};

enum {
	KEY_LIST = 1,		/* any number of words, and the key repeated */
	KEY_GROUP = 2,		/* only where the section has a name */
	KEY_INHERIT = 4,	/* default: the section without a name */
	KEY_LATER = 8,		/* not in this build */
	KEY_DONE = 16,		/* has done its work when the file is read */
};

struct value_type;

struct schema_key {
	enum section_id section;
	const char *name;
	const struct value_type *type;	/* NULL: not in this build */
	size_t offset;		/* in the struct its section fills */
	size_t count;		/* of an array: its number; 0: no array */
	uint64_t lo, hi;	/* of numbers and times */
	const char *def;	/* as it would be written */
	unsigned flags;
	const char *help;
};

/* The section called NAME, or NULL; the one with ID. */
const struct schema_section *schema_section(const char *name);
const struct schema_section *schema_section_id(enum section_id id);

/* The key NAME of a section, or NULL. */
const struct schema_key *schema_find(enum section_id id, const char *name);

/* Row I, or NULL past the end. */
const struct schema_key *schema_row(size_t i);

/* The name one typing error away from WORD, or NULL: of a section, of a key of
 * section ID. What is not in this build is not recommended. */
const char *schema_suggest_section(const char *word);
const char *schema_suggest_key(enum section_id id, const char *word);

/* Whether A and B differ by one octet more, less, other or swapped with its
 * neighbour, or by case alone. */
bool one_typo(const char *a, const char *b);

#endif
