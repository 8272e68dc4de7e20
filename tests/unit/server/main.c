/* Unit tests of src/server. */
#include "unit.h"

Suite *server_suite(void);
Suite *watch_suite(void);

int
main(void)
{
	static Suite *(*const suites[])(void) = {
		server_suite, watch_suite,
	};

	return unit_main(suites, UNIT_COUNT(suites));
}
