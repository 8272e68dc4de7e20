/* Unit tests of src/conf. */
#include "suites.h"

int
main(void)
{
	static Suite *(*const suites[])(void) = {
		report_suite, expand_suite, words_suite, schema_suite,
		files_suite, doc_suite, load_suite, value_suite, place_suite,
		cover_suite, check_suite, dump_suite, conf_suite,
		starved_suite,
	};

	return unit_main(suites, UNIT_COUNT(suites));
}
