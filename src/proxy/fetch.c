/*
 * fetch: keeping what a back end may still need.
 */
#include "proxy/fetch.h"

bool
fetch_keep(struct fetch *f, bool octets)
{
	/* Once is enough for however many exchanges. */
	if (!f->kept && !route_keep(&f->route, &f->arena))
		return false;
	f->kept = true;
	if (octets)
		return arena_dup(&f->arena, f->opts, &f->opts) &&
		    arena_dup(&f->arena, f->payload, &f->payload);
	f->opts = f->payload = SPAN_LIT("");
	return true;
}
