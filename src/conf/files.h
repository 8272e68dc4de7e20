/*
 * files: getting at the files of a configuration.
 */
#ifndef CONF_FILES_H
#define CONF_FILES_H

#include <stdbool.h>
#include <stddef.h>

enum { FILE_MAX = 1 << 20 };	/* octets of a file */

/* Reads the file PATH ("-": standard input) whole. Returns owned, or NULL with
 * the reason. REGULAR: nothing else will do. */
char *file_read(const char *path, bool regular, size_t *len, const char **why);

/* The paths an include of PATTERN in the file FROM stands for, in the order of
 * their octets. */
struct file_list {
	char **v;
	size_t n;
};

void file_match(struct file_list *l, const char *from, const char *pattern);
void file_list_fini(struct file_list *l);

#endif
