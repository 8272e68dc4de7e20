/* suites: one per module of src/base. */
#ifndef TESTS_BASE_SUITES_H
#define TESTS_BASE_SUITES_H

#include <check.h>

Suite *addr_suite(void);
Suite *arena_suite(void);
Suite *buf_suite(void);
Suite *chacha_suite(void);
Suite *clock_suite(void);
Suite *hash_suite(void);
Suite *journal_suite(void);
Suite *histo_suite(void);
Suite *list_suite(void);
Suite *log_suite(void);
Suite *netlist_suite(void);
Suite *parse_suite(void);
Suite *pool_suite(void);
Suite *rand_suite(void);
Suite *siphash_suite(void);
Suite *span_suite(void);
Suite *table_suite(void);
Suite *timer_suite(void);
Suite *writer_suite(void);
Suite *xalloc_suite(void);

#endif
