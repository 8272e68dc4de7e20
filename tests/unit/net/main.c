/* Unit tests of src/net. */
#include "suites.h"
#include "unit.h"

int
main(void)
{
	static Suite *(*const suites[])(void) = {
		loop_suite,
		memory_suite,
		sock_suite,
		sendq_suite,
		udp_suite,
		udp_errors_suite,
		udp_icmp_suite,
		names_suite,
		hosts_suite,
		resolve_suite,
		servers_suite,
	};

	return unit_main(suites, UNIT_COUNT(suites));
}
