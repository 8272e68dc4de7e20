/* suites: what main.c runs. */
#ifndef TESTS_UNIT_MSG_SUITES_H
#define TESTS_UNIT_MSG_SUITES_H

#include <check.h>

Suite *params_suite(void);
Suite *midset_suite(void);
Suite *peer_suite(void);
Suite *received_suite(void);
Suite *sent_suite(void);
Suite *timing_suite(void);
Suite *datagram_suite(void);
Suite *exchange_suite(void);
Suite *lasting_suite(void);
Suite *requests_suite(void);
Suite *reply_suite(void);
Suite *note_suite(void);
Suite *notify_suite(void);

#endif
