/*
 * replay: runs a fuzz target over files, and over the files in directories.
 *
 * So that the corpus is part of every test run, with any compiler. Each input
 * gets memory of exactly its size: a sanitizer or valgrind then sees the first
 * octet read behind it.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20 };

static bool
run_file(const char *path, size_t size)
{
	/* malloc(0) may be NULL, and a target may compare pointers. */
	uint8_t *data = malloc(size != 0 ? size : 1);
	FILE *f = fopen(path, "rb");
	bool ok = false;

	if (data != NULL && f != NULL && fread(data, 1, size, f) == size) {
		LLVMFuzzerTestOneInput(data, size);
		ok = true;
	}
	if (!ok)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	if (f != NULL)
		fclose(f);
	free(data);
	return ok;
}

static bool run_path(const char *path);

static bool
run_directory(const char *path)
{
	char name[4096];
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool ok = true;
	int n;

	if (dir == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		n = snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (n < 0 || (size_t)n >= sizeof(name) || !run_path(name))
			ok = false;
	}
	closedir(dir);
	return ok;
}

static bool
run_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	if (S_ISDIR(st.st_mode))
		return run_directory(path);
	if (st.st_size > INPUT_MAX) {
		fprintf(stderr, "%s: larger than 1 MiB\n", path);
		return false;
	}
	return run_file(path, (size_t)st.st_size);
}

int
main(int argc, char **argv)
{
	bool ok = true;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++)
		ok = run_path(argv[i]) && ok;
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
