/*
 * fuzz_link: any octets as a list of links.
 *
 * Beyond "no bad access": the views lie inside the list, and what was read and
 * written again is read as the same.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>

#include "coap/link.h"

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

static void
write_attrs(const struct coap_link_iter *it, struct coap_linkw *l)
{
	struct coap_attr a;
	size_t end = 0;

	coap_attrs(&a, it->attrs);
	while (coap_attrs_next(&a)) {
		struct span rest = a.value;
		size_t octets = 0;
		uint8_t c;

		require(a.name.n > 0);
		require(inside(a.name, it->attrs));
		require(inside(a.value, it->attrs));
		require(a.has_value || a.value.n == 0);
		while (coap_attr_octet(&a, &rest, &c))
			octets++;
		require(octets <= a.value.n);
		coap_link_copy(l, &a);
		end = (size_t)(a.rest.p - it->attrs.p);
	}
	/* The second walk ends where the first did. */
	require(end == it->attrs.n);
}

/* Writes what is read of LIST; returns the number of links. */
static size_t
write_again(struct span list, struct writer *w, bool *bad)
{
	struct coap_linkw l = coap_linkw(w);
	struct coap_link_iter it;
	size_t n = 0;

	coap_links(&it, list);
	while (coap_links_next(&it)) {
		require(inside(it.text, list));
		require(inside(it.target, it.text));
		require(inside(it.attrs, it.text));
		coap_link_begin(&l);
		writer_span_put(w, it.target);
		coap_link_attrs(&l);
		write_attrs(&it, &l);
		n++;
	}
	*bad = it.bad;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Writing makes nothing longer. */
	uint8_t *first = malloc(size + 1), *second = malloc(size + 1);
	struct writer w, again;
	bool bad;
	size_t n;

	if (first != NULL && second != NULL) {
		w = writer_make(first, size);
		again = writer_make(second, size);
		n = write_again(span_make(data, size), &w, &bad);
		require(!w.full);
		require(write_again(writer_span(&w), &again, &bad) == n);
		require(!bad);
		require(span_eq(writer_span(&w), writer_span(&again)));
	}
	free(first);
	free(second);
	return 0;
}
