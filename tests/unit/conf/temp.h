/* temp: files in a directory of the test's own. */
#ifndef TESTS_UNIT_CONF_TEMP_H
#define TESTS_UNIT_CONF_TEMP_H

#include <stddef.h>

/* Makes the directory and moves into it; removes it again. */
void temp_enter(void);
void temp_leave(void);

/* The file NAME, its directory made if need be, with the N octets of TEXT;
 * with a NUL-terminated one. */
void temp_octets(const char *name, const void *text, size_t n);
void temp_file(const char *name, const char *text);

/* The absolute path of NAME. */
const char *temp_path(const char *name);

#endif
