/*
 * files: reading with a limit, and wildcards.
 */
#include "conf/files.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

/* Everything from FD, up to one octet more than allowed. */
static char *
read_all(int fd, size_t *len)
{
	size_t cap = 0;
	char *text = NULL, *more;
	ssize_t n;

	*len = 0;
	do {
		if (*len == cap) {
			cap = cap == 0 ? 4096 : cap * 2;
			more = realloc(text, cap + 1);
			if (more == NULL) {
				free(text);
				errno = ENOMEM;
				return NULL;
			}
			text = more;
		}
		n = read(fd, text + *len, cap - *len);
		if (n > 0)
			*len += (size_t)n;
	} while ((n > 0 && *len <= FILE_MAX) || (n < 0 && errno == EINTR));
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[*len] = '\0';
	return text;
}

static int
open_file(const char *path, bool regular)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY |
	    (regular ? O_NONBLOCK : 0));
	struct stat st;

	if (fd < 0 || !regular)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

/* What ERR is called here: NULL is memory. */
static const char *
reason(int err)
{
	if (err == ENOMEM)
		return NULL;
	return err == EINVAL ? "not a regular file" : strerror(err);
}

char *
file_read(const char *path, bool regular, size_t *len, const char **why)
{
	bool standard = strcmp(path, "-") == 0 && !regular;
	int fd = standard ? STDIN_FILENO : open_file(path, regular);
	char *text = NULL;

	if (fd >= 0)
		text = read_all(fd, len);
	if (text == NULL)
		*why = reason(errno);
	if (fd >= 0 && !standard)
		close(fd);
	if (text != NULL && *len > FILE_MAX) {
		free(text);
		*why = "larger than 1 MiB";
		return NULL;
	}
	return text;
}

static int
compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* The directory of FROM with its slash, every octet of which glob() is to take
 * as itself; empty when PATTERN needs none; NULL without memory. */
static char *
directory(const char *from, const char *pattern)
{
	const char *slash = strrchr(from, '/');
	size_t n = slash != NULL ? (size_t)(slash - from) + 1 : 0;
	char *out;

	if (pattern[0] == '/')
		n = 0;
	out = calloc(2 * n + 1, 1);
	for (size_t i = 0, at = 0; out != NULL && i < n; i++) {
		out[at++] = '\\';
		out[at++] = from[i];
	}
	return out;
}

/* Directories that are not there, or not for us, are no files. Where the system
 * cannot look there may be some, and nobody may go on without them. */
static int
cannot_look(const char *path, int err)
{
	(void)path;
	return err == ENOMEM || err == EMFILE || err == ENFILE || err == EIO;
}

/* Copies what G has found. */
static bool
keep_all(struct file_list *l, const glob_t *g)
{
	l->v = calloc(g->gl_pathc, sizeof(*l->v));
	for (; l->v != NULL && l->n < g->gl_pathc; l->n++) {
		l->v[l->n] = strdup(g->gl_pathv[l->n]);
		if (l->v[l->n] == NULL)
			break;
	}
	if (l->n == g->gl_pathc) {
		qsort(l->v, l->n, sizeof(*l->v), compare);
		return true;
	}
	file_list_fini(l);
	return false;
}

static bool
match(struct file_list *l, const char *pattern, const char **why)
{
	glob_t g = { .gl_pathc = 0 };
	bool ok = false;

	switch (glob(pattern, GLOB_NOSORT, cannot_look, &g)) {
	case 0:
		*why = NULL;
		ok = keep_all(l, &g);
		break;
	case GLOB_NOMATCH:
		ok = true;
		break;
	case GLOB_NOSPACE:
		*why = NULL;
		break;
	default:
		*why = errno == ENOMEM ? NULL : strerror(errno);
		break;
	}
	globfree(&g);
	return ok;
}

bool
file_match(struct file_list *l, const char *from, const char *pattern,
    const char **why)
{
	char *dir = directory(from, pattern);
	char *full = dir != NULL ? try_asprintf("%s%s", dir, pattern) : NULL;
	bool ok = false;

	*l = (struct file_list){ NULL, 0 };
	*why = NULL;
	if (full != NULL)
		ok = match(l, full, why);
	free(full);
	free(dir);
	return ok;
}

void
file_list_fini(struct file_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct file_list){ NULL, 0 };
}
