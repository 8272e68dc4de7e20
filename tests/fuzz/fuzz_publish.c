/*
 * fuzz_publish: any octets as an origin's list of links.
 *
 * The first octet says which route it is behind. What comes out is a list; all
 * its paths are below the route's, and nothing in it tells where the origin is
 * (PRX-73), whatever the origin tries.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>

#include "coap/link.h"
#include "proxy/publish.h"

enum { OUT_MAX = 1 << 16 };

static void
require(bool fact)
{
	if (!fact)
		abort();
}

static bool
begins(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

static bool
has(struct span s, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + n <= s.n; i++)
		if (span_caseeq(span_make(s.p + i, n), span_str(text)))
			return true;
	return false;
}

static void
check_link(const struct coap_link_iter *it)
{
	struct coap_attr a;
	unsigned ct = 0;

	require(it->target.n > 0);
	if (it->target.p[0] == '/')
		require(begins(it->target, "/m/1") ||
		    begins(it->target, "/n"));
	coap_attrs(&a, it->attrs);
	while (coap_attrs_next(&a)) {
		ct += coap_attr_is(&a, "ct");
		if (coap_attr_is(&a, "anchor") && begins(a.value, "/"))
			require(begins(a.value, "/m/1") ||
			    begins(a.value, "/n"));
	}
	require(ct <= 1);
}

static void
check_list(struct span list)
{
	struct coap_link_iter it;

	require(!has(list, "coap://") && !has(list, "coaps+tcp://"));
	coap_links(&it, list);
	while (coap_links_next(&it))
		check_link(&it);
	require(!it.bad);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span mine[] = { SPAN_LIT("m"), SPAN_LIT("1") };
	struct span other[] = { SPAN_LIT("n") };
	struct span base[] = { SPAN_LIT("b") };
	struct path paths[] = { { mine, 2 }, { other, 1 } };
	static uint8_t out[OUT_MAX];
	struct rule rule = { .path = paths, .npath = 1 };
	struct writer w = writer_make(out, sizeof(out));
	uint8_t host[COAP_HOST_MAX];

	if (size == 0)
		return 0;
	rule.strip = (data[0] & 1) != 0;
	rule.npath += (data[0] & 2) != 0;
	if ((data[0] & 4) != 0)
		rule.to_path = (struct path){ base, 1 };
	rule.to.scheme = COAP_SCHEME_COAP;
	rule.to.port = 5683;
	require(coap_host_parse(&rule.to.host, (data[0] & 8) != 0 ?
	    SPAN_LIT("o.example") : SPAN_LIT("192.0.2.7"), host, false));
	if (publish(&rule, span_make(data + 1, size - 1), &w) && !w.full)
		check_list(writer_span(&w));
	return 0;
}
