/* suites: one per module of src/ctl that needs nothing running. */
#ifndef TESTS_UNIT_CTL_SUITES_H
#define TESTS_UNIT_CTL_SUITES_H

#include <check.h>

Suite *command_suite(void);
Suite *expo_suite(void);
Suite *limits_suite(void);
Suite *rows_suite(void);
Suite *text_suite(void);
Suite *trace_suite(void);

struct evbuffer;

/* What is in B, which is empty then; valid until the next call. */
const char *drained(struct evbuffer *b);

#endif
