/* Unit tests of src/base. */
#include "unit.h"
#include "suites.h"

static Suite *(*const suites[])(void) = {
	addr_suite,
	arena_suite,
	buf_suite,
	chacha_suite,
	clock_suite,
	hash_suite,
	journal_suite,
	histo_suite,
	list_suite,
	log_suite,
	netlist_suite,
	parse_suite,
	pool_suite,
	rand_suite,
	siphash_suite,
	span_suite,
	table_suite,
	timer_suite,
	writer_suite,
	xalloc_suite,
};

int
main(void)
{
	return unit_main(suites, UNIT_COUNT(suites));
}
