/* Unit tests of src/upstream. */
#include "unit.h"

Suite *dest_suite(void);
Suite *flow_suite(void);
Suite *client_suite(void);
Suite *client_errors_suite(void);
Suite *forged_suite(void);
Suite *watch_suite(void);

int
main(void)
{
	static Suite *(*const suites[])(void) = {
		dest_suite,
		flow_suite,
		client_suite,
		client_errors_suite,
		forged_suite,
		watch_suite,
	};

	return unit_main(suites, UNIT_COUNT(suites));
}
