/*
 * explain: which route takes a request, and why ("--explain").
 */
#ifndef MAIN_EXPLAIN_H
#define MAIN_EXPLAIN_H

#include <stdio.h>

#include "conf/conf.h"
#include "main/args.h"

/* Prints the way of A->explain through C, rule by rule. Returns the exit
 * status: 0, or 2 when the request cannot be read. */
int explain(const struct conf *c, const struct args *a);

/* Likewise, to OUT. */
int explain_to(FILE *out, const struct conf *c, const struct args *a);

#endif
