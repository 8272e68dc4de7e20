/* suites: what main.c runs. */
#ifndef TESTS_UNIT_NET_SUITES_H
#define TESTS_UNIT_NET_SUITES_H

#include <check.h>

Suite *loop_suite(void);
Suite *memory_suite(void);
Suite *sock_suite(void);
Suite *sendq_suite(void);
Suite *udp_suite(void);
Suite *udp_errors_suite(void);
Suite *udp_icmp_suite(void);
Suite *names_suite(void);
Suite *hosts_suite(void);
Suite *resolve_suite(void);
Suite *servers_suite(void);

#endif
