/*
 * request: keeping what must outlive the datagram.
 */
#include "proxy/request.h"

#include "proxy/trail.h"

/* Who asked, and where: an inbound of R's own. */
static bool
keep_inbound(struct request *r)
{
	struct inbound *in = arena_alloc(&r->arena, sizeof(*in));
	struct span client, local;

	if (in == NULL ||
	    !arena_dup(&r->arena, addr_span(r->in->client), &client) ||
	    !arena_dup(&r->arena, addr_span(r->in->local), &local))
		return false;
	*in = *r->in;
	in->client = (const void *)client.p;
	in->local = (const void *)local.p;
	in->msg = &r->msg;
	r->in = in;
	return true;
}

bool
request_keep(struct request *r, enum request_keep what)
{
	struct arena *a = &r->arena;

	if (!arena_dup(a, r->msg.token, &r->msg.token))
		return false;
	if (what == KEEP_ALL)
		return keep_inbound(r) &&
		    arena_dup(a, r->msg.opts, &r->msg.opts) &&
		    (r->body != NULL ||
			arena_dup(a, r->msg.payload, &r->msg.payload)) &&
		    route_keep(&r->route, a);
	if (r->logs)
		trail_keep(r);
	/* No view into the datagram may survive. */
	r->in = NULL;
	r->msg.opts = r->msg.payload = SPAN_LIT("");
	r->route.uri.host.text = r->route.hop.host.text = SPAN_LIT("");
	return true;
}
