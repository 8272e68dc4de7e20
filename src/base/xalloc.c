/*
 * xalloc: malloc and friends for start-up, where the only sensible answer to
 * "no memory" is to say so and stop.
 */
#include "base/xalloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

void
xalloc_fail(void)
{
	log_error(NULL, "out of memory");
	exit(EXIT_FAILURE);
}

static void *
check(void *p)
{
	if (p == NULL)
		xalloc_fail();
	return p;
}

/* malloc(0) may be NULL and realloc(p, 0) frees: neither is wanted here. */
static inline size_t
at_least_one(size_t n)
{
	return n > 0 ? n : 1;
}

void *
xcalloc(size_t n, size_t size)
{
	return check(calloc(at_least_one(n), at_least_one(size)));
}

void *
xrealloc(void *p, size_t n, size_t size)
{
	return check(reallocarray(p, at_least_one(n), at_least_one(size)));
}

char *
xstrdup(const char *s)
{
	return xspandup(span_str(s));
}

char *
xspandup(struct span s)
{
	char *p = check(malloc(s.n + 1));

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return check(n < 0 ? NULL : s);
}

char *
try_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}
