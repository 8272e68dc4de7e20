/*
 * xalloc: start-up allocation that cannot fail.
 *
 * Without memory they say so and exit with status 1, so they are for the way to
 * the first request and for programs that end soon. From then on nothing may
 * call them: the data path uses pools and arenas and is refused instead, and a
 * configuration that there is no memory for is refused like a wrong one.
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

/* Says that there is no memory, and exits. */
_Noreturn void xalloc_fail(void);

/* Returns owned text, or NULL without memory. */
char *try_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
