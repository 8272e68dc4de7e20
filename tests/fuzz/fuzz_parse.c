/*
 * fuzz_parse: any octets as a datagram.
 *
 * Beyond "no bad access" it holds the parser to what everybody behind it
 * relies on: the views lie inside the datagram, the iterator gives exactly the
 * options that the facts speak of, and the second way in, coap_parse_opts(),
 * finds the same facts.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>

#include "coap/dump.h"
#include "coap/msg.h"

static void
require(bool fact)
{
	if (!fact)
		abort();
}

static bool
inside(struct span part, struct span whole)
{
	if (part.n == 0)
		return true;
	return part.p >= whole.p && part.n <= whole.n &&
	    (size_t)(part.p - whole.p) <= whole.n - part.n;
}

/* A Hop-Limit of a wrong length is recognised, to be refused (PRX-54). */
static bool
length_legal(const struct coap_opt_def *def, size_t n)
{
	return def->number == COAP_OPT_HOP_LIMIT ||
	    (n >= def->min && n <= def->max);
}

static void
walk_options(const struct coap_msg *m)
{
	struct coap_opt_iter it;
	struct span value;
	uint32_t last = 0;
	uint64_t has = 0;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		require(it.number >= last);
		require(inside(it.value, m->opts));
		last = it.number;
		if (it.def == NULL)
			continue;
		require(it.def->number == it.number);
		require(length_legal(it.def, it.value.n));
		require(coap_get(m, it.number, &value));
		has |= coap_opt_bit(it.number);
	}
	require(has == m->has);
}

static void
parse_options_again(const struct coap_msg *m)
{
	struct coap_msg again = { .type = m->type, .code = m->code };

	require(coap_parse_opts(&again, m->opts));
	require(again.has == m->has);
	require(again.unknown_critical == m->unknown_critical);
	require(again.unknown_unsafe == m->unknown_unsafe);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span datagram = span_make(data, size);
	struct coap_msg m;
	char line[256], shortest[1];

	if (coap_parse(&m, datagram) != COAP_PARSE_OK)
		return 0;
	require(inside(m.token, datagram));
	require(inside(m.opts, datagram));
	require(inside(m.payload, datagram));
	walk_options(&m);
	parse_options_again(&m);
	require(coap_dump(&m, line, sizeof(line)) == line);
	require(memchr(line, '\0', sizeof(line)) != NULL);
	require(coap_dump(&m, shortest, sizeof(shortest)) == shortest);
	require(shortest[0] == '\0');
	return 0;
}
