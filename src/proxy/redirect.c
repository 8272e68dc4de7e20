/*
 * redirect: walks the rules in the order written, all of them or those that
 * the map has found.
 *
 * The conditions are a table, so that matching and explaining cannot drift
 * apart: a rule takes a request when no condition objects.
 */
#include "proxy/redirect.h"

bool
host_pattern_match(const struct host_pattern *pattern,
    const struct coap_host *host)
{
	struct span tail;

	if (pattern->literal || host->literal)
		return pattern->literal && host->literal &&
		    addr_eq(&pattern->addr, &host->addr);
	if (!pattern->sub)
		return span_caseeq(pattern->name, host->text);
	/* "*.example" wants at least one octet and the dot in front. */
	if (host->text.n < pattern->name.n + 2)
		return false;
	tail = span_make(host->text.p + (host->text.n - pattern->name.n),
	    pattern->name.n);
	return tail.p[-1] == '.' && span_caseeq(pattern->name, tail);
}

static bool
listen_holds(const struct rule *rule, const struct redirect_query *q)
{
	for (size_t i = 0; i < rule->nlisten; i++)
		if (rule->listen[i] == q->listener)
			return true;
	return rule->nlisten == 0;
}

static bool
host_holds(const struct rule *rule, const struct redirect_query *q)
{
	for (size_t i = 0; i < rule->nhost; i++)
		if (host_pattern_match(&rule->host[i], &q->host))
			return true;
	return rule->nhost == 0;
}

/* Whether the request's first segments are those of PATH: whole segments, so
 * that /a takes /a and /a/b but not /ab. */
static bool
path_prefix(const struct path *path, const struct coap_msg *m)
{
	struct coap_opt_iter it;
	size_t n = 0;

	coap_opts(&it, m);
	while (n < path->n && coap_opts_next(&it)) {
		if (it.number != COAP_OPT_URI_PATH || it.def == NULL)
			continue;
		if (!span_eq(it.value, path->seg[n]))
			return false;
		n++;
	}
	return n == path->n;
}

/* The first path word that holds, or NULL. */
static const struct path *
path_match(const struct rule *rule, const struct redirect_query *q)
{
	for (size_t i = 0; i < rule->npath; i++)
		if (path_prefix(&rule->path[i], q->msg))
			return &rule->path[i];
	return NULL;
}

static bool
path_holds(const struct rule *rule, const struct redirect_query *q)
{
	return rule->npath == 0 || path_match(rule, q) != NULL;
}

static bool
method_holds(const struct rule *rule, const struct redirect_query *q)
{
	return rule->methods == 0 ||
	    (q->msg->code < 32 && (rule->methods >> q->msg->code & 1) != 0);
}

static const struct condition {
	bool (*holds)(const struct rule *, const struct redirect_query *);
	const char *why_not;
} conditions[] = {
	{ listen_holds, "another listener" },
	{ host_holds, "host does not match" },
	{ path_holds, "path does not match" },
	{ method_holds, "method not among its methods" },
};

enum { NCONDITIONS = sizeof(conditions) / sizeof(conditions[0]) };

/* The first condition that objects, or NULL. */
static const struct condition *
objection(const struct rule *rule, const struct redirect_query *q)
{
	for (size_t i = 0; i < NCONDITIONS; i++)
		if (!conditions[i].holds(rule, q))
			return &conditions[i];
	return NULL;
}

const char *
redirect_why_not(const struct rule *rule, const struct redirect_query *q)
{
	const struct condition *c = objection(rule, q);

	return c != NULL ? c->why_not : NULL;
}

/* RULE takes Q, unless it refuses the client. */
static enum redirect_verdict
taken(const struct rule *rule, const struct redirect_query *q,
    const struct path **strip)
{
	if (!redirect_allows(rule, q->client))
		return REDIRECT_DENIED;
	if (rule->strip && rule->npath > 0)
		*strip = path_match(rule, q);
	return REDIRECT_RULE;
}

enum redirect_verdict
redirect_find(const struct rules *rules, const struct redirect_query *q,
    const struct rule **rule, const struct path **strip)
{
	enum redirect_verdict otherwise = REDIRECT_NONE;

	*strip = NULL;
	for (size_t i = 0; i < rules->n; i++) {
		const struct condition *c = objection(&rules->v[i], q);

		if (c == NULL) {
			*rule = &rules->v[i];
			return taken(*rule, q, strip);
		}
		if (c->holds == method_holds)
			otherwise = REDIRECT_METHOD;
	}
	return otherwise;
}

/* What has been found in some of the lists. */
struct search {
	const struct rule *v;
	const struct redirect_query *q;
	size_t best;		/* the first rule without an objection */
	enum redirect_verdict otherwise;
};

static void
search_list(void *arg, const uint32_t *v, size_t n)
{
	struct search *s = arg;

	for (size_t i = 0; i < n && v[i] < s->best; i++) {
		const struct condition *c = objection(&s->v[v[i]], s->q);

		if (c == NULL)
			s->best = v[i];
		else if (c->holds == method_holds)
			s->otherwise = REDIRECT_METHOD;
	}
}

enum redirect_verdict
redirect_look_up(const struct rulemap *map, const struct redirect_query *q,
    const struct rule **rule, const struct path **strip)
{
	struct search s = { .v = rulemap_rules(map)->v, .q = q,
		.best = SIZE_MAX, .otherwise = REDIRECT_NONE };

	*strip = NULL;
	rulemap_each(map, &q->host, q->msg, search_list, &s);
	if (s.best == SIZE_MAX)
		return s.otherwise;
	*rule = &s.v[s.best];
	return taken(*rule, q, strip);
}

bool
redirect_offers(const struct rules *rules, const struct rule *rule,
    const struct redirect_query *q)
{
	uint32_t taken = 0;	/* methods that an earlier rule gets */

	for (size_t i = 0; i < rules->n && taken != UINT32_MAX; i++) {
		const struct rule *r = &rules->v[i];
		const struct condition *c = objection(r, q);
		uint32_t methods = r->methods != 0 ? r->methods : UINT32_MAX;

		/* The method is the last to object. */
		if (c != NULL && c->holds != method_holds)
			continue;
		if (r == rule)
			return (methods & ~taken) != 0 &&
			    netlist_allows(&r->allow_from, &r->deny_from,
				q->client);
		taken |= methods;
	}
	return false;
}
