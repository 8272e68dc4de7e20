/*
 * tally: tables of counters, made when they are needed first.
 */
#include "proxy/tally.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_LEN = COAP_HOST_MAX + 16 };

static const char *const slot_names[] = {
	[TALLY_NONE] = "[none]",
	[TALLY_OWN] = "[proxy]",
	[TALLY_FORWARD] = "[forward]",
};

static size_t
listeners_of(const struct tally_names *names)
{
	return names->nlisteners > 0 ? names->nlisteners : 1;
}

static const char *
listener_name(const struct tally_names *names, size_t i)
{
	return names->listeners != NULL ? names->listeners[i] : "";
}

static const char *
route_name(const struct tally_names *names, size_t slot)
{
	const char *name;

	if (slot < TALLY_RULES)
		return slot_names[slot];
	name = names->rules->v[slot - TALLY_RULES].name;
	return name != NULL ? name : "";
}

static void
tally_free(struct tally *c)
{
	list_del(&c->link);
	free(c->listener);
	free(c->route);
	free(c);
}

static void
origin_free(struct tally_origin *o)
{
	list_del(&o->link);
	free(o->name);
	free(o);
}

/* ---- by listener and route ---- */

static struct tally *
find(const struct tallies *t, const char *listener, const char *route)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &t->all) {
		struct tally *c = CONTAINER_OF(it, struct tally, link);

		if (!c->past && strcmp(c->route, route) == 0 &&
		    strcmp(c->listener, listener) == 0)
			return c;
	}
	return NULL;
}

static struct tally *
tally_new(const char *listener, const char *route)
{
	struct tally *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	list_init(&c->link);
	c->listener = strdup(listener);
	c->route = strdup(route);
	if (c->listener != NULL && c->route != NULL)
		return c;
	tally_free(c);
	return NULL;
}

struct tally *
tally_make(struct tallies *t, unsigned listener, size_t slot)
{
	struct tally *c = tally_new(listener_name(&t->names, listener),
	    route_name(&t->names, slot));

	if (c == NULL)
		return &t->spare;
	c->kept = true;
	list_add_tail(&t->all, &c->link);
	t->v[listener * t->nslots + slot] = c;
	return c;
}

struct tally *
tally_onward(struct tallies *t, struct tally *c, const struct rule *rule)
{
	size_t slot = rule != NULL ? tally_slot(t, rule) : TALLY_FORWARD;

	for (unsigned i = 0; c->listener != NULL && i < listeners_of(&t->names);
	    i++)
		if (strcmp(listener_name(&t->names, i), c->listener) == 0)
			return tally_get(t, i, slot);
	return c;
}

uint64_t
tally_under_way(const struct tally *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < TALLY_METHODS; i++)
		n += c->methods[i];
	return n - histo_count(&c->times);
}

/* ---- by origin ---- */

/* "lamp.example:5683": a target's name where it has no other. */
static void
target_name(const struct target *to, char *out, size_t cap)
{
	char text[ADDR_STRLEN];
	struct addr a = to->host.addr;

	a.port = to->port;
	if (to->host.literal)
		snprintf(out, cap, "%s", addr_str(&a, text));
	else
		snprintf(out, cap, "%.*s:%u", (int)to->host.text.n,
		    (const char *)to->host.text.p, to->port);
}

/* What the origin of SLOT is called, in OUT; NULL: it has none. */
static const char *
origin_name(const struct tally_names *names, size_t slot, char *out,
    size_t cap)
{
	const struct rule *r;

	if (slot == TALLY_FORWARD && names->forward != NULL) {
		if (!names->forward->has_via)
			return slot_names[TALLY_FORWARD];
		target_name(&names->forward->via, out, cap);
		return out;
	}
	if (slot < TALLY_RULES)
		return NULL;
	r = &names->rules->v[slot - TALLY_RULES];
	if (r->action != RULE_FORWARD)
		return NULL;
	if (r->origin != NULL)
		return r->origin;
	target_name(&r->to, out, cap);
	return out;
}

static struct tally_origin *
origin_find(const struct tallies *t, const char *name)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &t->origins) {
		struct tally_origin *o = CONTAINER_OF(it, struct tally_origin,
		    link);

		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

static struct tally_origin *
origin_get(struct tallies *t, const char *name)
{
	struct tally_origin *o = origin_find(t, name);

	if (o != NULL)
		return o;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return NULL;
	o->name = strdup(name);
	if (o->name == NULL) {
		free(o);
		return NULL;
	}
	o->guests = strcmp(name, slot_names[TALLY_FORWARD]) == 0;
	list_add_tail(&t->origins, &o->link);
	return o;
}

struct tally_origin *
tally_origin_past(struct tallies *t, const struct tally_names *names,
    const struct rule *rule)
{
	char space[NAME_MAX_LEN];
	size_t slot = rule != NULL ?
	    TALLY_RULES + (size_t)(rule - names->rules->v) : TALLY_FORWARD;
	const char *name = origin_name(names, slot, space, sizeof(space));
	struct tally_origin *o = name != NULL ? origin_find(t, name) : NULL;

	return o != NULL ? o : &t->spare_origin;
}

void
tally_sent(struct tally_origin *o, const struct addr *a)
{
	struct tally_server *s = o->server;

	for (size_t i = 0; i < o->nservers; i++, s++)
		if (addr_eq(&s->addr, a)) {
			s->requests++;
			return;
		}
	if (o->guests || o->nservers == TALLY_SERVERS) {
		o->others++;
		return;
	}
	*s = (struct tally_server){ *a, 1 };
	o->nservers++;
}

void
tally_heard(struct tally_origin *o, uint8_t code, uint64_t elapsed)
{
	o->classes[(coap_code_class(code) - 2) % TALLY_CLASSES]++;
	if (elapsed != UINT64_MAX)
		histo_add(&o->times, elapsed);
}

/* ---- what is in force ---- */

/* Finds or makes the origins that NAMES send to. */
static bool
map_origins(struct tallies *t, const struct tally_names *names, size_t nslots,
    struct tally_origin **to)
{
	char space[NAME_MAX_LEN];

	for (size_t i = 0; i < nslots; i++) {
		const char *name = origin_name(names, i, space, sizeof(space));

		/* Nothing is sent, but for what had a rule before. */
		to[i] = name != NULL ? origin_get(t, name) : &t->spare_origin;
		if (to[i] == NULL)
			return false;
	}
	return true;
}

static void
map_all(struct tallies *t, const struct tally_names *names, size_t nslots,
    struct tally **v)
{
	for (size_t i = 0; i < listeners_of(names); i++)
		for (size_t j = 0; j < nslots; j++)
			v[i * nslots + j] = find(t, listener_name(names, i),
			    route_name(names, j));
}

static bool
in_force(const struct tallies *t, const char *route)
{
	for (size_t i = 0; i < t->nslots; i++)
		if (strcmp(route_name(&t->names, i), route) == 0)
			return true;
	return false;
}

static void
mark(struct tallies *t, size_t n)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &t->all) {
		struct tally *c = CONTAINER_OF(it, struct tally, link);

		c->kept = c->past && in_force(t, c->route);
	}
	LIST_FOREACH_SAFE (it, tmp, &t->origins)
		CONTAINER_OF(it, struct tally_origin, link)->kept = false;
	for (size_t i = 0; i < n; i++)
		if (t->v[i] != NULL)
			t->v[i]->kept = true;
	for (size_t i = 0; i < t->nslots; i++)
		t->to[i]->kept = true;
}

/* That of ROUTE's listeners of the past, made if there is none. NULL without
 * memory. */
static struct tally *
past_of(struct tallies *t, const char *route)
{
	struct list *it, *tmp;
	struct tally *c;

	LIST_FOREACH_SAFE (it, tmp, &t->all) {
		c = CONTAINER_OF(it, struct tally, link);
		if (c->past && strcmp(c->route, route) == 0)
			return c;
	}
	c = tally_new("", route);
	if (c == NULL)
		return NULL;
	c->past = c->kept = true;
	list_add_head(&t->all, &c->link);
	return c;
}

static void
add(struct tally *to, const struct tally *c)
{
	for (size_t i = 0; i < TALLY_METHODS; i++)
		to->methods[i] += c->methods[i];
	for (size_t i = 0; i < TALLY_CODES; i++)
		to->codes[i] += c->codes[i];
	histo_merge(&to->times, &c->times);
	to->notifications += c->notifications;
	to->notified += c->notified;
	to->renewed += c->renewed;
}

/* C goes; not so what its route has had altogether. */
static void
bury(struct tallies *t, struct tally *c)
{
	struct tally *past = c->past || !in_force(t, c->route) ? NULL :
	    past_of(t, c->route);

	if (past != NULL)
		add(past, c);
	tally_free(c);
}

void
tallies_sweep(struct tallies *t)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &t->all) {
		struct tally *c = CONTAINER_OF(it, struct tally, link);

		if (!c->kept && tally_under_way(c) == 0)
			bury(t, c);
	}
	LIST_FOREACH_SAFE (it, tmp, &t->origins) {
		struct tally_origin *o = CONTAINER_OF(it, struct tally_origin,
		    link);

		if (!o->kept)
			origin_free(o);
	}
}

/* Of the listeners that stay. */
static void
keep_limited(const struct tallies *t, const struct tally_names *names,
    uint64_t *limited)
{
	if (t->rate_limited == NULL)
		return;
	for (size_t i = 0; i < listeners_of(names); i++)
		for (size_t j = 0; j < listeners_of(&t->names); j++)
			if (strcmp(listener_name(names, i),
				listener_name(&t->names, j)) == 0)
				limited[i] = t->rate_limited[j];
}

bool
tallies_prepare(struct tallies *t, const struct tally_names *names,
    struct tally_map *m)
{
	size_t nslots = TALLY_RULES + names->rules->n;
	size_t n = listeners_of(names);

	*m = (struct tally_map){
		.names = *names,
		.v = calloc(n * nslots, sizeof(struct tally *)),
		.to = calloc(nslots, sizeof(struct tally_origin *)),
		.rate_limited = calloc(n, sizeof(uint64_t)),
		.nslots = nslots,
	};
	if (m->v != NULL && m->to != NULL && m->rate_limited != NULL &&
	    map_origins(t, names, nslots, m->to))
		return true;
	tally_map_fini(m);
	return false;
}

void
tally_map_fini(struct tally_map *m)
{
	free(m->v);
	free(m->to);
	free(m->rate_limited);
	*m = (struct tally_map){ .nslots = 0 };
}

void
tallies_use(struct tallies *t, struct tally_map *m)
{
	map_all(t, &m->names, m->nslots, m->v);
	keep_limited(t, &m->names, m->rate_limited);
	free(t->v);
	free(t->to);
	free(t->rate_limited);
	t->names = m->names;
	t->v = m->v;
	t->to = m->to;
	t->rate_limited = m->rate_limited;
	t->nslots = m->nslots;
	mark(t, listeners_of(&t->names) * t->nslots);
	*m = (struct tally_map){ .nslots = 0 };
}

void
tallies_init(struct tallies *t)
{
	*t = (struct tallies){ .nslots = 0 };
	list_init(&t->all);
	list_init(&t->origins);
	list_init(&t->spare.link);
	list_init(&t->spare_origin.link);
}

void
tallies_fini(struct tallies *t)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &t->all)
		tally_free(CONTAINER_OF(it, struct tally, link));
	LIST_FOREACH_SAFE (it, tmp, &t->origins)
		origin_free(CONTAINER_OF(it, struct tally_origin, link));
	free(t->v);
	free(t->to);
	free(t->rate_limited);
}
