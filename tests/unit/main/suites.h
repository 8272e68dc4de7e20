/* Suites: one of every test_*.c here. */
#ifndef TESTS_UNIT_MAIN_SUITES_H
#define TESTS_UNIT_MAIN_SUITES_H

#include "unit.h"

Suite *args_suite(void);
Suite *explain_suite(void);

#endif
