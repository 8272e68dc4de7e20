/* Unit tests of src/coap. */
#include "unit.h"

Suite *block_suite(void);
Suite *code_suite(void);
Suite *dump_suite(void);
Suite *emit_suite(void);
Suite *golden_suite(void);
Suite *host_suite(void);
Suite *key_suite(void);
Suite *link_suite(void);
Suite *msg_suite(void);
Suite *option_suite(void);
Suite *pct_suite(void);
Suite *uri_opts_suite(void);
Suite *uri_suite(void);

int
main(void)
{
	static Suite *(*const suites[])(void) = {
		code_suite, option_suite, msg_suite, emit_suite, golden_suite,
		block_suite, pct_suite, uri_suite, host_suite,
		uri_opts_suite, key_suite, dump_suite, link_suite,
	};

	return unit_main(suites, UNIT_COUNT(suites));
}
