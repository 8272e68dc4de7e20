/* Suites: one of every test_*.c here. */
#ifndef TESTS_UNIT_CONF_SUITES_H
#define TESTS_UNIT_CONF_SUITES_H

#include "unit.h"

Suite *check_suite(void);
Suite *conf_suite(void);
Suite *cover_suite(void);
Suite *doc_suite(void);
Suite *dump_suite(void);
Suite *expand_suite(void);
Suite *files_suite(void);
Suite *load_suite(void);
Suite *place_suite(void);
Suite *report_suite(void);
Suite *schema_suite(void);
Suite *starved_suite(void);
Suite *value_suite(void);
Suite *words_suite(void);

#endif
