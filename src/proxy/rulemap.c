/*
 * rulemap: trees of path segments, by host.
 *
 * The nodes of all trees are in one array, and in one hash table by parent and
 * segment; the hosts are in another. Node 0 is the root for any host. Whoever
 * asks cannot put anything into these tables, so their hash needs no secret. A
 * name is hashed from its end: one walk over the host of a request meets the
 * domains it is in, the outermost first, and itself.
 */
#include "proxy/rulemap.h"

#include <stdlib.h>

enum {
	DEPTH = 16,		/* segments looked at */
	PLACES = 64,		/* of one rule: pairs of host and path; what has
				 * more is found by one of the two alone */
};

#define NONE UINT32_MAX		/* the end of a chain */

struct node {
	struct span segment;
	uint32_t parent;
	uint32_t hash;
	uint32_t next;		/* in its chain */
	uint32_t first, n;	/* of its rules, in rulemap.found */
};

struct place {
	const struct host_pattern *host;
	uint32_t hash;
	uint32_t next;		/* in its chain */
	uint32_t root;
};

/* A rule on a node, while the map is made. */
struct pair {
	uint32_t node, rule;
};

struct chains {
	uint32_t *v;
	uint32_t mask;
};

struct rulemap {
	const struct rules *rules;
	struct node *nodes;
	struct place *places;
	struct chains by_segment, by_host;
	uint32_t *found;	/* rules, by node */
	size_t nnodes, nplaces, nfound;
	size_t depth;		/* of the deepest tree */
	bool names, subs, literals;	/* among the hosts */
};

/* ---- hashes ---- */

/* FNV-1a. */
#define HASH_START 0x811c9dc5u
#define HASH_PRIME 0x01000193u

static inline uint32_t
hash_octet(uint32_t h, uint8_t c)
{
	return (h ^ c) * HASH_PRIME;
}

static uint32_t
hash_octets(uint32_t h, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		h = hash_octet(h, s.p[i]);
	return h;
}

/* Without case, from the end. */
static uint32_t
hash_name(struct span s)
{
	uint32_t h = HASH_START;

	for (size_t i = s.n; i-- > 0;)
		h = hash_octet(h, span_lower(s.p[i]));
	return h;
}

static uint32_t
hash_pattern(const struct host_pattern *p)
{
	return p->literal ? hash_octets(HASH_START, addr_span(&p->addr)) :
	    hash_name(p->name);
}

static uint32_t *
chain(const struct chains *c, uint32_t hash)
{
	/* The lowest bits of such a product are the worst. */
	return &c->v[(hash ^ hash >> 15) & c->mask];
}

static uint32_t
child_hash(uint32_t parent, uint32_t segment)
{
	return (segment ^ parent) * HASH_PRIME;
}

/* ---- finding ---- */

static uint32_t
find_child(const struct rulemap *map, uint32_t parent, struct span segment,
    uint32_t segment_hash)
{
	uint32_t hash = child_hash(parent, segment_hash);
	uint32_t i = *chain(&map->by_segment, hash);

	for (; i != NONE; i = map->nodes[i].next) {
		const struct node *n = &map->nodes[i];

		if (n->hash == hash && n->parent == parent &&
		    span_eq(n->segment, segment))
			return i;
	}
	return NONE;
}

/* Whether A, without regard to which names it is for, says the same as B. */
static bool
same_pattern(const struct host_pattern *a, const struct host_pattern *b)
{
	if (a->literal || b->literal)
		return a->literal && b->literal && addr_eq(&a->addr, &b->addr);
	return a->sub == b->sub && span_caseeq(a->name, b->name);
}

/* The root for PATTERN, or NONE. */
static uint32_t
find_root(const struct rulemap *map, const struct host_pattern *pattern,
    uint32_t hash)
{
	uint32_t i = *chain(&map->by_host, hash);

	for (; i != NONE; i = map->places[i].next)
		if (map->places[i].hash == hash &&
		    same_pattern(map->places[i].host, pattern))
			return map->places[i].root;
	return NONE;
}

/* The beginning of a request's path. */
struct way {
	struct span segment[DEPTH];
	uint32_t hash[DEPTH];
	size_t n;
};

static void
way_add(struct way *way, struct span segment)
{
	way->segment[way->n] = segment;
	way->hash[way->n++] = hash_octets(HASH_START, segment);
}

static void
way_read(struct way *way, const struct coap_msg *m, size_t depth)
{
	struct coap_walk w = coap_walk(m->opts);
	struct coap_opt_iter it;

	way->n = 0;
	if (m->known) {
		while (way->n < depth && coap_walk_next(&w) &&
		    w.number <= COAP_OPT_URI_PATH)
			if (w.number == COAP_OPT_URI_PATH)
				way_add(way, w.value);
		return;
	}
	coap_opts(&it, m);
	while (way->n < depth && coap_opts_next(&it))
		if (it.number == COAP_OPT_URI_PATH && it.def != NULL)
			way_add(way, it.value);
}

struct visit {
	const struct rulemap *map;
	struct way way;
	void (*fn)(void *, const uint32_t *, size_t);
	void *arg;
};

/* Down the tree below ROOT, if there is one. */
static void
descend(const struct visit *v, uint32_t root)
{
	uint32_t i = root;

	for (size_t depth = 0; i != NONE; depth++) {
		const struct node *n = &v->map->nodes[i];

		if (n->n > 0)
			v->fn(v->arg, &v->map->found[n->first], n->n);
		if (depth == v->way.n)
			return;
		i = find_child(v->map, i, v->way.segment[depth],
		    v->way.hash[depth]);
	}
}

/* The trees of NAME, and of every domain that it is in. */
static void
descend_name(const struct visit *v, struct span name)
{
	struct host_pattern pattern = { .sub = true };
	uint32_t h = HASH_START;

	for (size_t i = name.n; i-- > 0;) {
		h = hash_octet(h, span_lower(name.p[i]));
		/* "*.example" wants at least one octet in front of the dot. */
		if (!v->map->subs || i < 2 || name.p[i - 1] != '.')
			continue;
		pattern.name = span_make(name.p + i, name.n - i);
		descend(v, find_root(v->map, &pattern, h));
	}
	/* The empty domain: "*." in front of nothing. */
	pattern.name = span_make(name.p, 0);
	if (v->map->subs && name.n >= 2 && name.p[name.n - 1] == '.')
		descend(v, find_root(v->map, &pattern, HASH_START));
	pattern.sub = false;
	pattern.name = name;
	if (v->map->names)
		descend(v, find_root(v->map, &pattern, h));
}

void
rulemap_each(const struct rulemap *map, const struct coap_host *host,
    const struct coap_msg *m,
    void (*fn)(void *arg, const uint32_t *v, size_t n), void *arg)
{
	struct visit v;		/* the room for a path is not cleared */
	struct host_pattern pattern;

	v.map = map;
	v.fn = fn;
	v.arg = arg;
	way_read(&v.way, m, map->depth);
	descend(&v, 0);
	if (!host->literal) {
		if (map->names || map->subs)
			descend_name(&v, host->text);
		return;
	}
	if (!map->literals)
		return;
	pattern = (struct host_pattern){ .literal = true, .addr = host->addr };
	descend(&v, find_root(map, &pattern, hash_pattern(&pattern)));
}

/* ---- making ---- */

static size_t
segments(const struct path *path)
{
	return path->n < DEPTH ? path->n : DEPTH;
}

/* How RULE is entered. */
struct shape {
	size_t nhost, npath;	/* as many as are looked at, 0: none */
};

static struct shape
shape_of(const struct rule *rule)
{
	struct shape s = { rule->nhost, rule->npath };

	if (s.nhost == 0 || s.npath == 0 || s.nhost <= PLACES / s.npath)
		return s;
	if (s.nhost > s.npath)
		s.npath = 0;
	else
		s.nhost = 0;
	return s;
}

/* The most that RULES can need: nodes, hosts, pairs. */
static void
count(const struct rules *rules, size_t *nodes, size_t *hosts, size_t *pairs)
{
	*nodes = 1;
	*hosts = *pairs = 0;
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *r = &rules->v[i];
		struct shape s = shape_of(r);
		size_t trees = s.nhost == 0 ? 1 : s.nhost;

		*hosts += s.nhost;
		*nodes += s.nhost;
		*pairs += trees * (s.npath == 0 ? 1 : s.npath);
		for (size_t k = 0; k < s.npath; k++)
			*nodes += trees * segments(&r->path[k]);
	}
}

static bool
chains_init(struct chains *c, size_t n)
{
	size_t size = 8;

	while (size < n + n / 2)
		size *= 2;
	c->v = malloc(size * sizeof(*c->v));
	c->mask = (uint32_t)(size - 1);
	for (size_t i = 0; c->v != NULL && i < size; i++)
		c->v[i] = NONE;
	return c->v != NULL;
}

static uint32_t
make_node(struct rulemap *map, const struct node *like)
{
	map->nodes[map->nnodes] = *like;
	return (uint32_t)map->nnodes++;
}

static uint32_t
make_root(struct rulemap *map, const struct host_pattern *pattern)
{
	uint32_t hash = hash_pattern(pattern);
	uint32_t root = find_root(map, pattern, hash);
	uint32_t *head = chain(&map->by_host, hash);
	struct place *p;

	if (root != NONE)
		return root;
	root = make_node(map, &(struct node){ .parent = NONE });
	p = &map->places[map->nplaces];
	*p = (struct place){ pattern, hash, *head, root };
	*head = (uint32_t)map->nplaces++;
	map->literals |= pattern->literal;
	map->subs |= !pattern->literal && pattern->sub;
	map->names |= !pattern->literal && !pattern->sub;
	return root;
}

static uint32_t
make_child(struct rulemap *map, uint32_t parent, struct span segment)
{
	uint32_t s = hash_octets(HASH_START, segment);
	uint32_t i = find_child(map, parent, segment, s), *head;
	uint32_t hash = child_hash(parent, s);

	if (i != NONE)
		return i;
	head = chain(&map->by_segment, hash);
	i = make_node(map, &(struct node){ .segment = segment,
		.parent = parent, .hash = hash, .next = *head });
	*head = i;
	return i;
}

static void
enter(struct rulemap *map, struct pair *pairs, uint32_t rule, uint32_t node,
    const struct path *path)
{
	size_t n = path == NULL ? 0 : segments(path);

	for (size_t i = 0; i < n; i++)
		node = make_child(map, node, path->seg[i]);
	if (n > map->depth)
		map->depth = n;
	pairs[map->nfound++] = (struct pair){ node, rule };
	map->nodes[node].n++;
}

static void
enter_rule(struct rulemap *map, struct pair *pairs, uint32_t rule)
{
	const struct rule *r = &map->rules->v[rule];
	struct shape s = shape_of(r);

	for (size_t h = 0; h < s.nhost || h == 0; h++) {
		uint32_t root = s.nhost == 0 ? 0 : make_root(map, &r->host[h]);

		if (s.npath == 0)
			enter(map, pairs, rule, root, NULL);
		for (size_t k = 0; k < s.npath; k++)
			enter(map, pairs, rule, root, &r->path[k]);
	}
}

/* The rules of each node in a row, in their order. */
static void
sort(struct rulemap *map, const struct pair *pairs)
{
	uint32_t at = 0;

	for (size_t i = 0; i < map->nnodes; i++) {
		map->nodes[i].first = at;
		at += map->nodes[i].n;
		map->nodes[i].n = 0;
	}
	for (size_t i = 0; i < map->nfound; i++) {
		struct node *n = &map->nodes[pairs[i].node];

		map->found[n->first + n->n++] = pairs[i].rule;
	}
}

static bool
make(struct rulemap *map)
{
	size_t nodes, hosts, npairs;
	struct pair *pairs;

	count(map->rules, &nodes, &hosts, &npairs);
	pairs = calloc(npairs + 1, sizeof(*pairs));
	map->nodes = calloc(nodes, sizeof(*map->nodes));
	map->places = calloc(hosts + 1, sizeof(*map->places));
	map->found = calloc(npairs + 1, sizeof(*map->found));
	if (pairs == NULL || map->nodes == NULL || map->places == NULL ||
	    map->found == NULL || !chains_init(&map->by_segment, nodes) ||
	    !chains_init(&map->by_host, hosts)) {
		free(pairs);
		return false;
	}
	make_node(map, &(struct node){ .parent = NONE });
	for (size_t i = 0; i < map->rules->n; i++)
		enter_rule(map, pairs, (uint32_t)i);
	sort(map, pairs);
	free(pairs);
	return true;
}

struct rulemap *
rulemap_new(const struct rules *rules)
{
	struct rulemap *map = calloc(1, sizeof(*map));

	if (map == NULL)
		return NULL;
	map->rules = rules;
	if (make(map))
		return map;
	rulemap_free(map);
	return NULL;
}

void
rulemap_free(struct rulemap *map)
{
	if (map == NULL)
		return;
	free(map->nodes);
	free(map->places);
	free(map->by_segment.v);
	free(map->by_host.v);
	free(map->found);
	free(map);
}

const struct rules *
rulemap_rules(const struct rulemap *map)
{
	return map->rules;
}
