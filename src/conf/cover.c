/*
 * cover: condition by condition.
 *
 * Conditions are and-ed and their words or-ed: so each word of B must be
 * within some word of A, for every condition that A has.
 */
#include "conf/cover.h"

static bool
listen_within(const struct rule *a, unsigned listener)
{
	for (size_t i = 0; i < a->nlisten; i++)
		if (a->listen[i] == listener)
			return true;
	return false;
}

static bool
listen_covers(const struct rule *a, const struct rule *b)
{
	for (size_t i = 0; i < b->nlisten; i++)
		if (!listen_within(a, b->listen[i]))
			return false;
	return b->nlisten > 0;
}

/* Whether every host of P is one of Q. */
static bool
host_in(const struct host_pattern *p, const struct host_pattern *q)
{
	struct span tail;

	if (p->literal || q->literal)
		return p->literal && q->literal && addr_eq(&p->addr, &q->addr);
	if (!q->sub || span_eq(p->name, q->name))
		return p->sub == q->sub && span_eq(p->name, q->name);
	/* "a.x" and "*.a.x" are within "*.x". */
	if (p->name.n < q->name.n + 2)
		return false;
	tail = span_make(p->name.p + (p->name.n - q->name.n), q->name.n);
	return tail.p[-1] == '.' && span_eq(tail, q->name);
}

static bool
host_within(const struct rule *a, const struct host_pattern *host)
{
	for (size_t i = 0; i < a->nhost; i++)
		if (host_in(host, &a->host[i]))
			return true;
	return false;
}

static bool
host_covers(const struct rule *a, const struct rule *b)
{
	for (size_t i = 0; i < b->nhost; i++)
		if (!host_within(a, &b->host[i]))
			return false;
	return b->nhost > 0;
}

/* Whether Q is a prefix of P. */
static bool
path_in(const struct path *p, const struct path *q)
{
	if (q->n > p->n)
		return false;
	for (size_t i = 0; i < q->n; i++)
		if (!span_eq(p->seg[i], q->seg[i]))
			return false;
	return true;
}

static bool
path_within(const struct rule *a, const struct path *path)
{
	for (size_t i = 0; i < a->npath; i++)
		if (path_in(path, &a->path[i]))
			return true;
	return false;
}

static bool
path_covers(const struct rule *a, const struct rule *b)
{
	static const struct path root;

	for (size_t i = 0; i < b->npath; i++)
		if (!path_within(a, &b->path[i]))
			return false;
	return b->npath > 0 || path_within(a, &root);
}

bool
rule_covers(const struct rule *a, const struct rule *b)
{
	if (a->methods != 0 && (b->methods == 0 ||
	    (b->methods & ~a->methods) != 0))
		return false;
	return (a->nlisten == 0 || listen_covers(a, b)) &&
	    (a->nhost == 0 || host_covers(a, b)) &&
	    (a->npath == 0 || path_covers(a, b));
}
