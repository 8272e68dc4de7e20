/*
 * xalloc: start-up allocation that cannot fail.
 *
 * For configuration and construction only: they may abort. The data path uses
 * pools and arenas, and is refused instead.
 */
#ifndef BASE_XALLOC_H
#define BASE_XALLOC_H

#include <stddef.h>

#include "base/span.h"

void *xcalloc(size_t n, size_t size);		/* zeroed */
void *xrealloc(void *p, size_t n, size_t size);	/* n * size, checked */
char *xstrdup(const char *s);
char *xspandup(struct span s);			/* NUL-terminated copy */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
