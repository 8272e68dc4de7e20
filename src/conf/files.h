/*
 * files: getting at the files of a configuration.
 */
#ifndef CONF_FILES_H
#define CONF_FILES_H

#include <stdbool.h>
#include <stddef.h>

enum { FILE_MAX = 1 << 20 };	/* octets of a file */

/* Reads the file PATH ("-": standard input) whole. Returns owned, or NULL with
 * the reason, which is NULL when it is memory. REGULAR: nothing else will do. */
char *file_read(const char *path, bool regular, size_t *len, const char **why);

/* The paths that an include stands for, in the order of their octets. */
struct file_list {
	char **v;
	size_t n;
};

/* L gets those of an include of PATTERN in the file FROM. False with the reason
 * as from file_read(): L is empty, whatever there may be. */
bool file_match(struct file_list *l, const char *from, const char *pattern,
    const char **why);
void file_list_fini(struct file_list *l);

#endif
