/* Unit tests of src/ctl. */
#include <event2/buffer.h>

#include "suites.h"
#include "unit.h"

const char *
drained(struct evbuffer *b)
{
	static char text[16384];
	size_t n = evbuffer_get_length(b);

	ck_assert_uint_lt(n, sizeof(text));
	ck_assert_int_eq(evbuffer_remove(b, text, n), (int)n);
	text[n] = '\0';
	return text;
}

int
main(void)
{
	static Suite *(*const suites[])(void) = {
		command_suite, expo_suite, limits_suite, rows_suite,
		text_suite, trace_suite,
	};

	return unit_main(suites, UNIT_COUNT(suites));
}
