/* unit: the runner that every unit-test program shares. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stddef.h>

/* Runs SUITES and prints a TAP-like summary; returns main()'s exit status. */
int unit_main(Suite *(*const *suites)(void), size_t n);

struct table;

/* How many elements are in the longest chain of T, which must not be growing. */
size_t unit_longest_chain(const struct table *t);

#define UNIT_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
