/*
 * value: from words to values.
 *
 * A type knows how to read one word into place, what to call it in an error
 * and what a right one looks like.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "base/span.h"
#include "conf/doc.h"

struct loaded;

/* What a word is read for. */
struct value_at {
	struct loaded *l;
	const struct section *section;
	const struct schema_key *key;
	const struct setting *setting;	/* NULL: a default */
	size_t word;		/* of its line, from 0 */
	size_t total;		/* words of this key altogether */
};

/* Reads WORD into OUT, zeroed memory or what the words before left. NULL, or
 * what is wrong as a predicate ("has a query"), or one of those below. */
typedef const char *(*value_fn)(const struct value_at *at, struct span word,
    void *out);

extern const char value_not[];		/* not one of this type */
extern const char value_range[];	/* beyond the limits of the key */
extern const char value_later[];	/* not in this build */
extern const char value_reported[];	/* an error was reported already, or
					 * there is no memory */

struct value_type {
	const char *noun;	/* "a duration" */
	const char *example;	/* "for example 500ms, 20s" */
	value_fn read;
	size_t size;		/* of an array's element */
	size_t max;		/* words of a scalar; 0: one */
	const char *const *words;	/* what may be meant, to NULL */
};

/* Scalars (value.c). */
extern const struct value_type value_bool, value_count, value_size,
    value_block_size, value_duration, value_seconds, value_factor, value_name,
    value_methods, value_level, value_log_target, value_log_access,
    value_log_format, value_confirmable, value_as,
    value_links, value_send_host, value_reply, value_rate, value_nstart,
    value_include, value_amplification, value_socket;

/* Places (place.c). */
extern const struct value_type value_networks, value_own_name, value_host,
    value_path, value_bind, value_http, value_dns_server, value_listen, value_to,
    value_server, value_via, value_allow_to, value_deny_to;

/* Reports that WORD was refused, and WHY. */
void value_complain(const struct value_at *at, const struct word *word,
    const char *why);

#endif
