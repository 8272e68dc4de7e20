/*
 * route: keeping one.
 */
#include "proxy/route.h"

static bool
keep_host(struct coap_host *h, struct arena *a)
{
	/* A literal is all in its address. */
	if (h->literal) {
		h->text = SPAN_LIT("");
		return true;
	}
	return arena_dup(a, h->text, &h->text);
}

bool
route_keep(struct route *route, struct arena *a)
{
	return keep_host(&route->uri.host, a) &&
	    keep_host(&route->hop.host, a);
}
