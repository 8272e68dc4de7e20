/* loading: configurations from texts, and what is said about them. */
#ifndef TESTS_UNIT_CONF_LOADING_H
#define TESTS_UNIT_CONF_LOADING_H

#include "conf/conf.h"

struct loading {
	struct conf *c;
	struct conf_report r;	/* its text is never NULL */
};

/* Loads TEXT as "t.conf", or the example NAME under that name. */
struct loading load_string(const char *text);
struct loading load_example(const char *name);
void unload(struct loading *l);

/* Fails unless TEXT loads without a word, is refused with exactly the report
 * WANT, or draws exactly the warnings WANT. Columns without the quoted lines,
 * and without the number of errors, will do. */
void expect_fine(const char *text);
void expect_refused(const char *text, const char *want);
void expect_warned(const char *text, const char *want);

/* TEXT without quoted lines and number of errors: owned. */
char *gist(const char *text);

#endif
