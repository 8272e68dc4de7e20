/* suites: what main.c runs. */
#ifndef TESTS_UNIT_PROXY_SUITES_H
#define TESTS_UNIT_PROXY_SUITES_H

#include <check.h>

Suite *admit_suite(void);
Suite *answer_suite(void);
Suite *assemble_suite(void);
Suite *backoff_suite(void);
Suite *chunk_suite(void);
Suite *cache_model_suite(void);
Suite *cache_suite(void);
Suite *classify_suite(void);
Suite *collect_suite(void);
Suite *crowd_suite(void);
Suite *downloads_suite(void);
Suite *echo_suite(void);
Suite *fetch_suite(void);
Suite *filter_suite(void);
Suite *harvest_suite(void);
Suite *guard_suite(void);
Suite *fresh_suite(void);
Suite *inspect_suite(void);
Suite *limit_suite(void);
Suite *links_suite(void);
Suite *local_suite(void);
Suite *memo_suite(void);
Suite *notified_suite(void);
Suite *observation_suite(void);
Suite *observe_random_suite(void);
Suite *observe_suite(void);
Suite *logline_suite(void);
Suite *proxy_suite(void);
Suite *repeat_suite(void);
Suite *publish_suite(void);
Suite *redirect_suite(void);
Suite *request_suite(void);
Suite *respond_suite(void);
Suite *rewrite_suite(void);
Suite *route_suite(void);
Suite *roles_suite(void);
Suite *rulemap_suite(void);
Suite *self_suite(void);
Suite *serve_suite(void);
Suite *share_suite(void);
Suite *trail_suite(void);
Suite *tally_suite(void);
Suite *transfer_suite(void);
Suite *upload_bounds_suite(void);
Suite *upload_suite(void);
Suite *waiting_suite(void);
Suite *way_suite(void);

#endif
