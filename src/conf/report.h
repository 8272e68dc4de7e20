/*
 * report: the errors and warnings of a load.
 *
 * Everything wrong is collected and shown at once, in order of files and
 * lines, each with the line it is about.
 */
#ifndef CONF_REPORT_H
#define CONF_REPORT_H

#include "base/span.h"

/* A text that was read. */
struct conf_file {
	const char *name;	/* as given, or as an include makes it */
	char *text;
	size_t len;
	size_t order;		/* of reading */
};

struct conf_pos {
	const struct conf_file *file;
	unsigned line;		/* from 1; 0: the file as a whole */
	unsigned col;		/* octet of the line from 1; 0: all of it */
	struct span text;	/* the line, to be quoted */
};

struct report {
	struct report_entry *v;
	size_t n;
	unsigned errors, warnings;
	bool starved;		/* there was no memory for something of the
				 * load, whatever it was */
};

void report_error(struct report *r, const struct conf_pos *pos,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void report_warning(struct report *r, const struct conf_pos *pos,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* All of R as lines, with the number of errors of NAME at the end; or that
 * there is no memory, and then nothing else: what has been found wrong may be
 * right. Returns owned, or NULL when there is nothing to say, or, R being
 * starved, no memory to say it. */
char *report_text(struct report *r, const char *name);

void report_fini(struct report *r);

#endif
