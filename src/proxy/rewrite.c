/*
 * rewrite: merging a message's options with the route's.
 *
 * What is added is a table in ascending order of option numbers; the walk puts
 * each addition out before the first source option of its number or a higher
 * one, so that the result ascends whatever the source has.
 */
#include "proxy/rewrite.h"

enum rewrite_result
rewrite_expand(const struct coap_uri *uri, const struct coap_msg *m,
    struct writer *w)
{
	struct coap_optw out = coap_optw(w);
	bool path = false, query = false, ok = true;
	struct coap_opt_iter it;
	bool more;

	coap_opts(&it, m);
	do {
		more = coap_opts_next(&it);
		if (!path && (!more || it.number >= COAP_OPT_URI_PATH)) {
			ok = coap_uri_put_path(uri, &out);
			path = true;
		}
		if (!query && (!more || it.number >= COAP_OPT_URI_QUERY)) {
			ok = coap_uri_put_query(uri, &out) && ok;
			query = true;
		}
		if (more &&
		    (it.def == NULL || it.def->duty != COAP_DUTY_TARGET))
			coap_put_opt(&out, it.number, it.value);
	} while (more);
	if (!ok)
		return REWRITE_BAD_PATH;
	return w->full ? REWRITE_TOO_LARGE : REWRITE_OK;
}

/* The next hop is a proxy and is told the whole authority; unless the client
 * has named none: then it is the next hop itself that is meant, and to name an
 * address of ours would send the request back here. */
static void
authority_for_proxy(struct rewrite_request *rw, const struct route *route,
    const struct coap_msg *m)
{
	const struct target *uri = &route->uri;

	rw->scheme = span_str(coap_scheme_name(uri->scheme));
	if (route->forward == NULL && !coap_has(m, COAP_OPT_URI_HOST))
		return;
	rw->host = coap_host_text(&uri->host, rw->literal);
	if (route->forward == NULL && !coap_has(m, COAP_OPT_URI_PORT))
		return;
	if (uri->port != coap_scheme_port(uri->scheme))
		rw->port = uri->port;
}

static void
authority_as_received(struct rewrite_request *rw, const struct coap_msg *m)
{
	uint32_t port = 0;

	/* A literal that the client only implied is not repeated upstream. */
	if (!coap_get(m, COAP_OPT_URI_HOST, &rw->host))
		return;
	if (coap_get_uint(m, COAP_OPT_URI_PORT, &port))
		rw->port = (uint16_t)port;
}

static void
authority_by_rule(struct rewrite_request *rw, const struct route *route,
    const struct coap_msg *m)
{
	const struct rule *rule = route->rule;

	switch (rule->send_host) {
	case SEND_HOST_KEEP:
		if (route->forward != NULL)
			rw->host = coap_host_text(&route->uri.host,
			    rw->literal);
		else
			authority_as_received(rw, m);
		return;
	case SEND_HOST_TARGET:
		if (!rule->to.host.literal)
			rw->host = rule->to.host.text;
		return;
	case SEND_HOST_NONE:
		return;
	case SEND_HOST_NAME:
		rw->host = rule->send_host_name;
		return;
	}
}

void
rewrite_authority(struct rewrite_request *rw, const struct route *route,
    const struct coap_msg *m)
{
	/* Not all of it: the room for a literal is seldom used. */
	memset(rw, 0, offsetof(struct rewrite_request, literal));
	rw->route = route;
	if (route->as_proxy)
		authority_for_proxy(rw, route, m);
	else if (route->rule != NULL)
		authority_by_rule(rw, route, m);
	else if (!route->uri.host.literal)
		/* The datagram's destination is the URI's host and port, so
		 * only a name says more (RFC 7252 6.4 steps 5 and 7). */
		rw->host = route->uri.host.text;
}

/* One rewriting under way. */
struct merge {
	const struct rewrite_request *rw;
	struct coap_optw out;
	size_t next;		/* addition to come */
	size_t strip;		/* segments still to go */
	unsigned etags;		/* of the client, written */
	bool bad_path;
};

static void
add_host(struct merge *g)
{
	if (g->rw->host.n > 0)
		coap_put_opt(&g->out, COAP_OPT_URI_HOST, g->rw->host);
}

static void
add_port(struct merge *g)
{
	if (g->rw->port != 0)
		coap_put_uint(&g->out, COAP_OPT_URI_PORT, g->rw->port);
}

/* At most 8 in all, the client's first (CAC-30). */
static void
add_etag(struct merge *g)
{
	if (g->rw->etag.add.n > 0 && g->etags < 8)
		coap_put_opt(&g->out, COAP_OPT_ETAG, g->rw->etag.add);
}

static void
add_none_match(struct merge *g)
{
	if (g->rw->if_none_match)
		coap_put_opt(&g->out, COAP_OPT_IF_NONE_MATCH, SPAN_LIT(""));
}

static void
add_path(struct merge *g)
{
	const struct rule *rule = g->rw->route->rule;

	for (size_t i = 0; rule != NULL && i < rule->to_path.n; i++)
		coap_put_opt(&g->out, COAP_OPT_URI_PATH, rule->to_path.seg[i]);
}

static void
add_observe(struct merge *g)
{
	if (g->rw->observe)
		coap_put_uint(&g->out, COAP_OPT_OBSERVE, 0);
}

static void
add_hop_limit(struct merge *g)
{
	uint8_t v = g->rw->hop_limit;

	if (v != 0)
		coap_put_opt(&g->out, COAP_OPT_HOP_LIMIT, span_make(&v, 1));
}

static void
add_scheme(struct merge *g)
{
	if (g->rw->scheme.n > 0)
		coap_put_opt(&g->out, COAP_OPT_PROXY_SCHEME, g->rw->scheme);
}

static void
add_tag(struct merge *g)
{
	if (g->rw->tag.n > 0)
		coap_put_opt(&g->out, COAP_OPT_REQUEST_TAG, g->rw->tag);
}

static const struct addition {
	uint16_t number;
	void (*add)(struct merge *);
} additions[] = {
	{ COAP_OPT_URI_HOST, add_host },
	{ COAP_OPT_ETAG + 1, add_etag },	/* behind those there are */
	{ COAP_OPT_IF_NONE_MATCH, add_none_match },
	{ COAP_OPT_OBSERVE, add_observe },
	{ COAP_OPT_URI_PORT, add_port },
	{ COAP_OPT_URI_PATH, add_path },
	{ COAP_OPT_HOP_LIMIT, add_hop_limit },
	{ COAP_OPT_PROXY_SCHEME, add_scheme },
	{ COAP_OPT_REQUEST_TAG, add_tag },
};

enum { NADDITIONS = sizeof(additions) / sizeof(additions[0]) };

static void
add_up_to(struct merge *g, uint32_t number)
{
	while (g->next < NADDITIONS && additions[g->next].number <= number)
		additions[g->next++].add(g);
}

static void
copy_opt(struct merge *g, const struct coap_opt_iter *it)
{
	coap_put_opt(&g->out, it->number, it->value);
}

static void
copy_etag(struct merge *g, const struct coap_opt_iter *it)
{
	const struct rewrite_etag *e = &g->rw->etag;

	if (e->only)
		return;
	if (e->drop.n > 0 && span_eq(e->drop, it->value))
		return;
	if (e->add.n > 0 && span_eq(e->add, it->value))
		return;		/* written once, as the one to add */
	g->etags++;
	copy_opt(g, it);
}

static bool
dot_segment(struct span s)
{
	return span_eq(s, SPAN_LIT(".")) || span_eq(s, SPAN_LIT(".."));
}

static void
copy_path_segment(struct merge *g, const struct coap_opt_iter *it)
{
	if (dot_segment(it->value))
		g->bad_path = true;	/* PRX-21 */
	if (g->strip > 0)
		g->strip--;
	else
		copy_opt(g, it);
}

/* One that leaves some classes to be answered is not passed on: P would not
 * know whether the origin has nothing to say or is gone (PRX-82). */
static void
copy_no_response(struct merge *g, const struct coap_opt_iter *it)
{
	if ((coap_uint(it->value) & COAP_NO_ANY) == COAP_NO_ANY)
		copy_opt(g, it);
}

/* Blocks are of one hop (BLK-37); what belongs to a body put together here
 * stays here, too. */
static bool
stays(const struct rewrite_request *rw, uint16_t number)
{
	switch (number) {
	case COAP_OPT_BLOCK1:
		return false;
	case COAP_OPT_BLOCK2:
		return rw->relay;
	case COAP_OPT_IF_NONE_MATCH:
		return !rw->if_none_match;	/* written by add_none_match */
	default:
		return !rw->assembled;
	}
}

static void
merge_opt(struct merge *g, const struct coap_opt_iter *it)
{
	add_up_to(g, it->number);
	/* Unrecognised ones are safe here: the others got 4.02. */
	if (it->def == NULL) {
		copy_opt(g, it);
		return;
	}
	switch (it->number) {
	case COAP_OPT_URI_PATH:
		copy_path_segment(g, it);
		return;
	case COAP_OPT_URI_HOST:
	case COAP_OPT_URI_PORT:
	case COAP_OPT_PROXY_URI:
	case COAP_OPT_PROXY_SCHEME:
	case COAP_OPT_HOP_LIMIT:
		return;		/* made anew, where wanted */
	case COAP_OPT_ETAG:
		copy_etag(g, it);
		return;
	case COAP_OPT_OBSERVE:
		return;		/* ours, if any (OBS-08, OBS-55) */
	case COAP_OPT_IF_NONE_MATCH:
	case COAP_OPT_BLOCK1:
	case COAP_OPT_BLOCK2:
	case COAP_OPT_SIZE1:
	case COAP_OPT_REQUEST_TAG:
		if (stays(g->rw, it->number))
			copy_opt(g, it);
		return;
	case COAP_OPT_NO_RESPONSE:
		copy_no_response(g, it);
		return;
	case COAP_OPT_ECHO:
		if (!g->rw->drop_echo)
			copy_opt(g, it);
		return;
	default:
		copy_opt(g, it);
	}
}

enum rewrite_result
rewrite_request(const struct rewrite_request *rw, const struct coap_msg *m,
    struct writer *w)
{
	const struct path *strip = rw->route->strip;
	struct merge g = {
		.rw = rw,
		.out = coap_optw(w),
		.strip = strip != NULL ? strip->n : 0,
	};
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		merge_opt(&g, &it);
	add_up_to(&g, UINT16_MAX);
	if (g.bad_path)
		return REWRITE_BAD_PATH;
	return w->full ? REWRITE_TOO_LARGE : REWRITE_OK;
}

/* ---- responses ---- */

static bool
location_moves(const struct route *route)
{
	return route->rule != NULL &&
	    (route->strip != NULL || route->rule->to_path.n > 0);
}

bool
rewrite_response_needed(const struct coap_msg *m, const struct route *route,
    bool relay)
{
	if (coap_has(m, COAP_OPT_OBSERVE) || coap_has(m, COAP_OPT_BLOCK1) ||
	    (coap_has(m, COAP_OPT_BLOCK2) && !relay))
		return true;
	return coap_has(m, COAP_OPT_LOCATION_PATH) && location_moves(route);
}

/* Whether the Location-Path of M begins with what the rule put in front. */
static bool
location_maps(const struct coap_msg *m, const struct path *to)
{
	struct coap_opt_iter it;
	size_t n = 0;

	coap_opts(&it, m);
	while (n < to->n && coap_opts_next(&it)) {
		if (it.number != COAP_OPT_LOCATION_PATH)
			continue;
		if (!span_eq(it.value, to->seg[n]))
			return false;
		n++;
	}
	return n == to->n;
}

/* A location outside of what the rule covers has no public name: both options
 * go, the code stays (PRX-69). */
enum location { LOCATION_AS_IS, LOCATION_MAPPED, LOCATION_DROPPED };

static enum location
location_fate(const struct coap_msg *m, const struct route *route)
{
	if (!coap_has(m, COAP_OPT_LOCATION_PATH) || !location_moves(route))
		return LOCATION_AS_IS;
	return location_maps(m, &route->rule->to_path) ?
	    LOCATION_MAPPED : LOCATION_DROPPED;
}

/* The segments that the rule took off the request come back. */
static void
put_public_prefix(struct coap_optw *out, const struct route *route)
{
	for (size_t i = 0; route->strip != NULL && i < route->strip->n; i++)
		coap_put_opt(out, COAP_OPT_LOCATION_PATH,
		    route->strip->seg[i]);
}

bool
rewrite_response(const struct coap_msg *m, const struct route *route,
    bool relay, struct writer *w)
{
	enum location fate = location_fate(m, route);
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;
	size_t skip = fate == LOCATION_MAPPED ? route->rule->to_path.n : 0;
	bool first = true;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		bool path = it.number == COAP_OPT_LOCATION_PATH;

		if (it.number == COAP_OPT_OBSERVE ||
		    it.number == COAP_OPT_BLOCK1 ||
		    (it.number == COAP_OPT_BLOCK2 && !relay))
			continue;
		if (fate == LOCATION_DROPPED &&
		    (path || it.number == COAP_OPT_LOCATION_QUERY))
			continue;
		if (path && fate == LOCATION_MAPPED && first) {
			put_public_prefix(&out, route);
			first = false;
		}
		if (path && skip > 0)
			skip--;
		else
			coap_put_opt(&out, it.number, it.value);
	}
	return !w->full;
}

bool
rewrite_without_hop_limit(const struct coap_msg *m, struct writer *w)
{
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number != COAP_OPT_HOP_LIMIT)
			coap_put_opt(&out, it.number, it.value);
	return !w->full;
}
