/* Unit tests of src/proxy. */
#include "suites.h"
#include "unit.h"

int
main(void)
{
	static Suite *(*const suites[])(void) = {
		self_suite, admit_suite, redirect_suite, classify_suite,
		rewrite_suite, limit_suite, local_suite,
		route_suite, request_suite, fetch_suite, answer_suite,
		way_suite,
		backoff_suite,
		respond_suite, proxy_suite, waiting_suite, roles_suite,
		collect_suite, publish_suite, filter_suite,
		harvest_suite, links_suite, echo_suite, guard_suite,
		logline_suite, repeat_suite, trail_suite,
		upload_suite, upload_bounds_suite, chunk_suite, transfer_suite,
		assemble_suite, downloads_suite, serve_suite,
		rulemap_suite, memo_suite, fresh_suite,
		cache_suite, cache_model_suite, share_suite,
		crowd_suite, observe_suite, observation_suite,
		notified_suite,
		tally_suite,
		tally_suite, inspect_suite,
		notified_suite, observe_random_suite,
	};

	return unit_main(suites, UNIT_COUNT(suites));
}
