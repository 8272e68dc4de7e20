/*
 * expand: what ${...} stands for.
 */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include "base/span.h"

struct expansion {
	char *text;		/* room for the result; no NUL at the end */
	size_t cap;
	size_t n;		/* of the result */
	bool secret;		/* it is the content of a file */
	char *why;		/* room for what is wrong */
	size_t why_cap;
};

/* Expands BODY, what is between the braces. False with the reason in X. */
bool expand(struct expansion *x, struct span body);

#endif
