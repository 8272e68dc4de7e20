/* Unit tests of src/main. */
#include "suites.h"

int
main(void)
{
	static Suite *(*const suites[])(void) = { args_suite, explain_suite };

	return unit_main(suites, UNIT_COUNT(suites));
}
