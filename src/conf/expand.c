/*
 * expand: the environment, credentials and files in values.
 *
 * What kinds there are is one table. Only regular files are read: a device or
 * a pipe could hold up the start for ever.
 */
#include "conf/expand.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool __attribute__((format(printf, 2, 3)))
fail(struct expansion *x, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->why, x->why_cap, fmt, ap);
	va_end(ap);
	return false;
}

static bool
put(struct expansion *x, struct span s)
{
	if (s.n > x->cap)
		return fail(x, "the content is longer than %zu octets",
		    x->cap - 1);
	if (s.n > 0)
		memcpy(x->text, s.p, s.n);
	x->n = s.n;
	return true;
}

/* Copies S as a string for the system's sake. */
static bool
to_string(struct span s, char *out, size_t cap)
{
	if (s.n == 0 || s.n >= cap)
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

static bool
env_name_ok(const char *s)
{
	if (*s >= '0' && *s <= '9')
		return false;
	for (; *s != '\0'; s++) {
		uint8_t c = span_lower((uint8_t)*s);

		if (c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9'))
			return false;
	}
	return true;
}

/* NAME, or NAME:-DEFAULT for when it is unset or empty, as in the shell. */
static bool
expand_env(struct expansion *x, struct span body)
{
	const uint8_t *colon = memchr(body.p, ':', body.n);
	struct span name = body, otherwise = { NULL, 0 };
	const char *value;
	char text[256];

	if (colon != NULL) {
		name.n = (size_t)(colon - body.p);
		otherwise = span_make(colon + 1, body.n - name.n - 1);
		if (otherwise.n == 0 || otherwise.p[0] != '-')
			return fail(x, "'${env:NAME' goes on with ':-' and a "
			    "default, or ends with '}'");
		otherwise.p++;
		otherwise.n--;
	}
	if (!to_string(name, text, sizeof(text)) || !env_name_ok(text))
		return fail(x, "'%.*s' is not the name of an environment "
		    "variable", (int)(name.n < 60 ? name.n : 60),
		    (const char *)name.p);
	value = getenv(text);
	if (colon != NULL && (value == NULL || *value == '\0'))
		return put(x, otherwise);
	if (value == NULL)
		return fail(x, "there is no environment variable '%.60s'; "
		    "${env:NAME:-default} does without", text);
	return put(x, span_str(value));
}

/* Reads up to CAP octets of the regular file PATH. */
static ssize_t
read_regular(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n = -1;
	int err = EINVAL;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		n = read(fd, out, cap);
		err = errno;
	}
	close(fd);
	errno = err;
	return n;
}

static bool
put_file(struct expansion *x, const char *path)
{
	ssize_t n = read_regular(path, x->text, x->cap);

	if (n < 0)
		return fail(x, "cannot read '%.80s': %s", path,
		    errno == EINVAL ? "not a regular file" : strerror(errno));
	x->n = (size_t)n;
	x->secret = true;
	if (x->n == x->cap)
		return fail(x, "'%.80s' is longer than %zu octets", path,
		    x->cap - 1);
	if (x->n > 0 && x->text[x->n - 1] == '\n')
		x->n--;
	if (x->n > 0 && memchr(x->text, '\0', x->n) != NULL)
		return fail(x, "'%.80s' holds a NUL octet", path);
	return true;
}

static bool
expand_file(struct expansion *x, struct span body)
{
	char path[PATH_MAX];

	if (!to_string(body, path, sizeof(path)) || path[0] != '/')
		return fail(x, "${file:...} needs a path that begins with '/'");
	return put_file(x, path);
}

static bool
expand_cred(struct expansion *x, struct span body)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char name[NAME_MAX + 1], path[PATH_MAX];
	int n;

	if (!to_string(body, name, sizeof(name)) || strchr(name, '/') != NULL ||
	    name[0] == '.')
		return fail(x, "${cred:NAME} needs the name of a credential");
	if (dir == NULL)
		return fail(x, "there are no credentials: "
		    "$CREDENTIALS_DIRECTORY is not set");
	n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return fail(x, "the path of credential '%.80s' is too long",
		    name);
	return put_file(x, path);
}

static const struct kind {
	struct span prefix;
	bool (*expand)(struct expansion *, struct span);
} kinds[] = {
	{ { (const uint8_t *)"env:", 4 }, expand_env },
	{ { (const uint8_t *)"cred:", 5 }, expand_cred },
	{ { (const uint8_t *)"file:", 5 }, expand_file },
};

bool
expand(struct expansion *x, struct span body)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct span prefix = kinds[i].prefix;

		if (body.n < prefix.n ||
		    !span_eq(span_make(body.p, prefix.n), prefix))
			continue;
		return kinds[i].expand(x, span_make(body.p + prefix.n,
		    body.n - prefix.n));
	}
	return fail(x, "'${' is followed by env:, cred: or file:");
}
