/* Unit tests of src/msg. */
#include "suites.h"
#include "unit.h"

int
main(void)
{
	static Suite *(*const suites[])(void) = {
		params_suite, midset_suite, peer_suite, received_suite, sent_suite,
		params_suite, peer_suite, received_suite, sent_suite,
		timing_suite,
		datagram_suite, requests_suite, reply_suite, exchange_suite,
		lasting_suite,
		note_suite, notify_suite,
	};

	return unit_main(suites, UNIT_COUNT(suites));
}
