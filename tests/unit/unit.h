/* unit: the runner that every unit-test program shares. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stddef.h>

/* Runs SUITES and prints a TAP-like summary; returns main()'s exit status. */
int unit_main(Suite *(*const *suites)(void), size_t n);

#define UNIT_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
