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
	char *text = NULL;
	ssize_t n;

	*len = 0;
	do {
		if (*len == cap) {
			cap = cap == 0 ? 4096 : cap * 2;
			text = xrealloc(text, cap + 1, 1);
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

char *
file_read(const char *path, bool regular, size_t *len, const char **why)
{
	bool standard = strcmp(path, "-") == 0 && !regular;
	int fd = standard ? STDIN_FILENO : open_file(path, regular);
	char *text = NULL;

	if (fd >= 0)
		text = read_all(fd, len);
	if (text == NULL)
		*why = errno == EINVAL ? "not a regular file" : strerror(errno);
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
 * as itself; empty when PATTERN needs none. */
static char *
directory(const char *from, const char *pattern)
{
	const char *slash = strrchr(from, '/');
	size_t n = slash != NULL ? (size_t)(slash - from) + 1 : 0;
	char *out;

	if (pattern[0] == '/')
		n = 0;
	out = xcalloc(2 * n + 1, 1);
	for (size_t i = 0, at = 0; i < n; i++) {
		out[at++] = '\\';
		out[at++] = from[i];
	}
	return out;
}

void
file_match(struct file_list *l, const char *from, const char *pattern)
{
	char *dir = directory(from, pattern);
	char *full = xasprintf("%s%s", dir, pattern);
	glob_t g = { .gl_pathc = 0 };

	*l = (struct file_list){ NULL, 0 };
	if (glob(full, GLOB_NOSORT, NULL, &g) == 0) {
		l->v = xcalloc(g.gl_pathc, sizeof(*l->v));
		for (; l->n < g.gl_pathc; l->n++)
			l->v[l->n] = xstrdup(g.gl_pathv[l->n]);
		qsort(l->v, l->n, sizeof(*l->v), compare);
	}
	globfree(&g);
	free(full);
	free(dir);
}

void
file_list_fini(struct file_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct file_list){ NULL, 0 };
}
