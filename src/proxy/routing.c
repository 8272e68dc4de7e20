/*
 * routing: where a request goes, by the rules or without one.
 */
#include "proxy/admit.h"
#include "proxy/core.h"

static void
route_by_rule(struct route *route, const struct rule *rule,
    const struct path *strip)
{
	route->rule = rule;
	route->hop = rule->to;
	route->as_proxy = rule->as_proxy;
	route->strip = strip;
	route->confirmable = rule->confirmable;
	route->nstart = rule->nstart;
	route->cache = rule->cache;
	route->observe = rule->observe;
	route->timeout_ms = rule->timeout_ms;
}

static void
route_forward(struct route *route, const struct forward_conf *f)
{
	route->hop = f->has_via ? f->via : route->uri;
	route->as_proxy = f->has_via;
	route->confirmable = f->confirmable;
	route->nstart = f->nstart;
	route->cache = true;
	route->observe = true;
	route->timeout_ms = f->timeout_ms;
}

/* The address of URI as far as it is known already. With a next proxy names
 * are not looked up here, but everybody knows where "localhost" is. */
static const struct addr *
known_address(const struct forward_conf *f, const struct target *uri)
{
	static const struct addr loopback = { .ip = { 127, 0, 0, 1 },
		.family = 4 };

	if (uri->host.literal)
		return &uri->host.addr;
	return f->has_via && host_is_localhost(&uri->host) ? &loopback : NULL;
}

/* What no rule takes: a forward request goes to its own target, anything else
 * is for the proxy's own resources. */
static uint8_t
no_rule(enum role *role, struct route *route, const char **why)
{
	const struct forward_conf *f = route->conf->forward;

	if (*role == ROLE_REVERSE)
		*role = ROLE_OWN;
	if (*role == ROLE_OWN)
		return 0;
	if (!admit_target(f, &route->uri, known_address(f, &route->uri),
		false)) {
		*why = "target not allowed";
		return COAP_505;
	}
	route_forward(route, f);
	return 0;
}

/* Uri-Path-Abbrev stands for a path that the rules cannot see, so it would lead
 * around them. */
static bool
hides_path(const struct coap_msg *m)
{
	struct coap_opt_iter it;

	if (m->unknown_critical == 0 ||
	    m->unknown_critical > COAP_OPT_URI_PATH_ABBREV)
		return false;
	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_URI_PATH_ABBREV)
			return true;
	return false;
}

static const char not_allowed[] = "not for this client";

uint8_t
route_find(const struct redirect_query *q, enum role *role,
    struct route *route, const char **why)
{
	const struct proxy_conf *conf = route->conf;
	const struct path *strip;
	const struct rule *rule;

	route->forward = *role == ROLE_FORWARD ? conf->forward : NULL;
	/* A forward request is no business of the rules (PRX-10) unless the
	 * operator says so. */
	if (*role == ROLE_OWN ||
	    (*role == ROLE_FORWARD && !conf->forward->routes))
		return no_rule(role, route, why);
	if (hides_path(q->msg)) {
		*why = "Uri-Path-Abbrev";
		return COAP_402;
	}
	switch (conf->map != NULL ?
		redirect_look_up(conf->map, q, &rule, &strip) :
		redirect_find(conf->rules, q, &rule, &strip)) {
	case REDIRECT_RULE:
		route_by_rule(route, rule, strip);
		return 0;
	case REDIRECT_DENIED:
		route->rule = rule;	/* which it was */
		*why = not_allowed;
		return COAP_403;
	case REDIRECT_METHOD:
		*why = "";
		return COAP_405;
	case REDIRECT_NONE:
		break;
	}
	return no_rule(role, route, why);
}

uint8_t
route_again(const struct redirect_query *q, const struct memo_result *known,
    enum role *role, struct route *route, const char **why)
{
	if (*role == ROLE_FORWARD)
		route->forward = route->conf->forward;
	if (known->rule == NULL)
		return no_rule(role, route, why);
	route_by_rule(route, known->rule, known->strip);
	if (redirect_allows(known->rule, q->client))
		return 0;
	*why = not_allowed;
	return COAP_403;
}
