/*
 * rewrite: merging a message's options with the route's.
 *
 * What is added is a table in ascending order of option numbers; the walk puts
 * each addition out before the first source option of its number or a higher
 * one, so that the result ascends whatever the source has. What passes between
 * two additions is one run of octets.
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
	rw->route = route;
	rw->host = rw->scheme = rw->tag = SPAN_LIT("");
	rw->etag.add = rw->etag.drop = SPAN_LIT("");
	rw->etag.only = false;
	rw->port = 0;
	rw->hop_limit = 0;
	rw->assembled = rw->if_none_match = false;
	rw->relay = rw->observe = rw->drop_echo = false;
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
	unsigned adds;		/* additions to come, a bit for each */
	size_t strip;		/* segments still to go */
	unsigned etags;		/* of the client, written */
	bool bad_path;
};

static void
add_host(struct merge *g)
{
	coap_put_opt(&g->out, COAP_OPT_URI_HOST, g->rw->host);
}

static void
add_port(struct merge *g)
{
	coap_put_uint(&g->out, COAP_OPT_URI_PORT, g->rw->port);
}

/* At most 8 in all, the client's first (CAC-30). */
static void
add_etag(struct merge *g)
{
	if (g->etags < 8)
		coap_put_opt(&g->out, COAP_OPT_ETAG, g->rw->etag.add);
}

static void
add_none_match(struct merge *g)
{
	coap_put_opt(&g->out, COAP_OPT_IF_NONE_MATCH, SPAN_LIT(""));
}

static void
add_path(struct merge *g)
{
	const struct path *path = &g->rw->route->rule->to_path;

	for (size_t i = 0; i < path->n; i++)
		coap_put_opt(&g->out, COAP_OPT_URI_PATH, path->seg[i]);
}

static void
add_observe(struct merge *g)
{
	coap_put_uint(&g->out, COAP_OPT_OBSERVE, 0);
}

static void
add_hop_limit(struct merge *g)
{
	coap_put_opt(&g->out, COAP_OPT_HOP_LIMIT,
	    span_make(&g->rw->hop_limit, 1));
}

static void
add_scheme(struct merge *g)
{
	coap_put_opt(&g->out, COAP_OPT_PROXY_SCHEME, g->rw->scheme);
}

static void
add_tag(struct merge *g)
{
	coap_put_opt(&g->out, COAP_OPT_REQUEST_TAG, g->rw->tag);
}

enum { HOST, ETAG, NONE_MATCH, OBSERVE, PORT, PATH, HOP, SCHEME, TAG };

static const struct addition {
	uint16_t number;
	void (*add)(struct merge *);
} additions[] = {
	[HOST] = { COAP_OPT_URI_HOST, add_host },
	[ETAG] = { COAP_OPT_ETAG + 1, add_etag },	/* behind those there
							 * are */
	[NONE_MATCH] = { COAP_OPT_IF_NONE_MATCH, add_none_match },
	[OBSERVE] = { COAP_OPT_OBSERVE, add_observe },
	[PORT] = { COAP_OPT_URI_PORT, add_port },
	[PATH] = { COAP_OPT_URI_PATH, add_path },
	[HOP] = { COAP_OPT_HOP_LIMIT, add_hop_limit },
	[SCHEME] = { COAP_OPT_PROXY_SCHEME, add_scheme },
	[TAG] = { COAP_OPT_REQUEST_TAG, add_tag },
};

/* The additions that RW makes. */
static unsigned
wanted(const struct rewrite_request *rw)
{
	const struct rule *rule = rw->route->rule;

	return (unsigned)(rw->host.n > 0) << HOST |
	    (unsigned)(rw->etag.add.n > 0) << ETAG |
	    (unsigned)rw->if_none_match << NONE_MATCH |
	    (unsigned)rw->observe << OBSERVE |
	    (unsigned)(rw->port != 0) << PORT |
	    (unsigned)(rule != NULL && rule->to_path.n > 0) << PATH |
	    (unsigned)(rw->hop_limit != 0) << HOP |
	    (unsigned)(rw->scheme.n > 0) << SCHEME |
	    (unsigned)(rw->tag.n > 0) << TAG;
}

/* The number that the next addition is due before. */
static inline uint32_t
due(const struct merge *g)
{
	return g->adds == 0 ? UINT32_MAX :
	    additions[__builtin_ctz(g->adds)].number;
}

static void
add_up_to(struct merge *g, uint32_t number)
{
	while (due(g) <= number) {
		additions[__builtin_ctz(g->adds)].add(g);
		g->adds &= g->adds - 1;
	}
}

static void
copy_etag(struct merge *g, struct span value)
{
	const struct rewrite_etag *e = &g->rw->etag;

	if (e->only)
		return;
	if (e->drop.n > 0 && span_eq(e->drop, value))
		return;
	if (e->add.n > 0 && span_eq(e->add, value))
		return;		/* written once, as the one to add */
	g->etags++;
	coap_put_opt(&g->out, COAP_OPT_ETAG, value);
}

static bool
dot_segment(struct span s)
{
	return span_eq(s, SPAN_LIT(".")) || span_eq(s, SPAN_LIT(".."));
}

static void
copy_path_segment(struct merge *g, struct span value)
{
	if (dot_segment(value))
		g->bad_path = true;	/* PRX-21 */
	if (g->strip > 0)
		g->strip--;
	else
		coap_put_opt(&g->out, COAP_OPT_URI_PATH, value);
}

/* The recognised options that pass as they are, a coap_opt_bit() for each. */
static uint64_t
passing(const struct rewrite_request *rw)
{
	const struct rewrite_etag *e = &rw->etag;
	/* Made anew, where wanted; ours, if any (OBS-08, OBS-55); of one hop
	 * (BLK-37). */
	uint64_t not = coap_opt_bit(COAP_OPT_URI_HOST) |
	    coap_opt_bit(COAP_OPT_URI_PORT) |
	    coap_opt_bit(COAP_OPT_PROXY_URI) |
	    coap_opt_bit(COAP_OPT_PROXY_SCHEME) |
	    coap_opt_bit(COAP_OPT_HOP_LIMIT) |
	    coap_opt_bit(COAP_OPT_OBSERVE) |
	    coap_opt_bit(COAP_OPT_BLOCK1) |
	    coap_opt_bit(COAP_OPT_NO_RESPONSE);

	if (!rw->relay)
		not |= coap_opt_bit(COAP_OPT_BLOCK2);
	if (e->add.n > 0 || e->drop.n > 0 || e->only)
		not |= coap_opt_bit(COAP_OPT_ETAG);
	/* It is there once more, from the first block. */
	if (rw->if_none_match)
		not |= coap_opt_bit(COAP_OPT_IF_NONE_MATCH);
	/* What belongs to a body put together here stays here. */
	if (rw->assembled)
		not |= coap_opt_bit(COAP_OPT_SIZE1) |
		    coap_opt_bit(COAP_OPT_REQUEST_TAG);
	if (rw->drop_echo)
		not |= coap_opt_bit(COAP_OPT_ECHO);
	if (rw->route->strip != NULL)
		not |= coap_opt_bit(COAP_OPT_URI_PATH);
	return ~not;
}

/* The recognised option NUMBER, which does not just pass. */
static void
merge_special(struct merge *g, uint16_t number, struct span value)
{
	switch (number) {
	case COAP_OPT_URI_PATH:
		copy_path_segment(g, value);
		return;
	case COAP_OPT_ETAG:
		copy_etag(g, value);
		return;
	case COAP_OPT_NO_RESPONSE:
		/* One that leaves some classes to be answered is not passed on:
		 * P would not know whether the origin has nothing to say or is
		 * gone (PRX-82). */
		if ((coap_uint(value) & COAP_NO_ANY) == COAP_NO_ANY)
			coap_put_opt(&g->out, number, value);
		return;
	default:
		return;
	}
}

/* Unrecognised options are safe here: the others got 4.02. */
static void
merge_each(struct merge *g, const struct coap_msg *m)
{
	uint64_t passes = passing(g->rw) & ~coap_opt_bit(COAP_OPT_URI_PATH);
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		add_up_to(g, it.number);
		if (it.def == NULL || (passes & coap_opt_bit(it.number)) != 0)
			coap_put_opt(&g->out, it.number, it.value);
		else
			merge_special(g, it.number, it.value);
	}
}

/* Likewise of M that has none. */
static void
merge_runs(struct merge *g, const struct coap_msg *m)
{
	uint64_t passes = passing(g->rw);
	struct coap_walk w = coap_walk(m->opts);
	const uint8_t *run = w.cur;	/* that pass, not yet written */
	uint16_t last = 0;		/* the option before the cursor */

	for (;;) {
		const uint8_t *at = w.cur;
		bool more = coap_walk_next(&w);
		bool pass = more && w.number < due(g) &&
		    (passes & coap_opt_bit(w.number)) != 0;

		if (more && w.number == COAP_OPT_URI_PATH &&
		    dot_segment(w.value))
			g->bad_path = true;	/* PRX-21 */
		/* A run begins behind the option written last. */
		if (pass && (at != run || g->out.last == last)) {
			last = w.number;
			continue;
		}
		if (at != run) {
			writer_put(g->out.w, run, (size_t)(at - run));
			g->out.last = last;
		}
		if (!more)
			return;
		add_up_to(g, w.number);
		if ((passes & coap_opt_bit(w.number)) != 0)
			coap_put_opt(&g->out, w.number, w.value);
		else
			merge_special(g, w.number, w.value);
		last = w.number;
		run = w.cur;
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
		.adds = wanted(rw),
		.strip = strip != NULL ? strip->n : 0,
	};

	if (m->known)
		merge_runs(&g, m);
	else
		merge_each(&g, m);
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
