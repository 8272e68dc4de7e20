/*
 * conf: from what was written to what is in effect.
 *
 * Every section there is, written or not, is filled by one loop over the
 * schema: each key from its settings, or from its default text, by the same
 * types. What the keys mean together is check.c's business.
 */
#include "conf/conf.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "conf/check.h"
#include "conf/load.h"
#include "conf/loaded.h"
#include "conf/value.h"

struct filling {
	struct value_at at;
	char *base;		/* of the struct the section fills */
	char *array;		/* of a list that is one */
	size_t n;		/* elements of it in use */
};

static char *
section_base(struct loaded *l, const struct section *s)
{
	switch (s->type->id) {
	case SECTION_LISTEN:
		return (char *)&l->conf.listen[s->index];
	case SECTION_FORWARD:
		return (char *)&l->conf.forward;
	case SECTION_ROUTE:
		return (char *)&l->conf.rules.v[s->index];
	case SECTION_ORIGIN:
		return (char *)&l->origin[s->index];
	case SECTION_PROXY:
	case SECTION_MESSAGE:
	case SECTION_CACHE:
	case SECTION_BLOCK:
	case SECTION_LOG:
	case SECTION_DNS:
	case SECTION_OBSERVE:
	case SECTION_METRICS:
	case SECTION_CONTROL:
	case SECTION_TLS:
	case SECTION_TYPES:
		break;
	}
	return (char *)&l->conf;
}

/* Nothing goes on then: not all is there that it could look at. */
static bool
starved(const struct loaded *l)
{
	return l->doc.report.starved;
}

static void
fill_words(struct filling *f, struct setting *set, const struct words *w)
{
	const struct schema_key *key = f->at.key;
	const char *why;
	void *out;

	f->at.setting = set;
	for (f->at.word = 0; f->at.word < w->n && !starved(f->at.l);
	     f->at.word++) {
		const struct word *word = &w->v[f->at.word];

		out = f->base + key->offset;
		if (f->array != NULL)
			out = f->array + f->n++ * key->type->size;
		why = key->type->read(&f->at, span_str(word->text), out);
		if (why == NULL || set == NULL)
			continue;
		value_complain(&f->at, word, why);
		set->bad = true;
	}
}

/* Whether the number of words is right for a key that is no list. */
static bool
scalar_ok(struct filling *f, const struct setting *set)
{
	const struct schema_key *key = f->at.key;
	size_t max = key->type->max > 0 ? key->type->max : 1;
	struct report *r = &f->at.l->doc.report;
	struct conf_pos pos = set->pos;

	if (set->words.n > max) {
		pos.col = set->words.v[max].col;
		report_error(r, &pos, "'%s' takes %s", key->name,
		    max == 1 ? "one value; quote it if it has blanks in it" :
		    "two values; quote the second if it has blanks in it");
		return false;
	}
	if (set->words.n > 0 || *key->def == '\0')
		return true;
	report_error(r, &pos, "'%s' has no value; expected %s", key->name,
	    key->type->example);
	return false;
}

/* SET is empty, and there are words before it: it looks like more than it
 * is. */
static void
warn_of_empty(struct filling *f, const struct setting *set)
{
	report_warning(&f->at.l->doc.report, &set->pos, "'%s' is empty here, "
	    "which clears the default only; what was written before stays",
	    f->at.key->name);
}

/* Fills the key of F from what was written, or W, the words of its default. */
static void
fill_key(struct filling *f, const struct words *w)
{
	const struct section *s = f->at.section;
	const struct schema_key *key = f->at.key;
	bool written = section_get(s, key) != NULL, words = false;

	f->at.total = written ? section_count(s, key) : w->n;
	f->n = 0;
	f->array = NULL;
	if (key->count != 0) {
		f->array = doc_alloc(&f->at.l->doc, f->at.total,
		    key->type->size);
		if (f->array == NULL)
			return;
		memcpy(f->base + key->offset, &f->array, sizeof(f->array));
	}
	if (!written)
		fill_words(f, NULL, w);
	for (size_t i = 0; i < s->n; i++) {
		struct setting *set = &s->v[i];

		if (set->key != key || set->bad ||
		    ((key->flags & KEY_LIST) == 0 && !scalar_ok(f, set)))
			continue;
		if (words && set->words.n == 0)
			warn_of_empty(f, set);
		words |= set->words.n > 0;
		fill_words(f, set, &set->words);
	}
	if (key->count != 0)
		memcpy(f->base + key->count, &f->n, sizeof(f->n));
}

/* A group of origins begins with what all origins have. */
static bool
inherits(const struct section *s, const struct schema_key *key)
{
	return (key->flags & KEY_INHERIT) != 0 && *s->name != '\0' &&
	    section_get(s, key) == NULL;
}

static void
fill_section(struct loaded *l, const struct section *s)
{
	struct filling f = { .at = { .l = l, .section = s },
		.base = section_base(l, s) };
	const struct schema_key *key;
	struct words_error err;
	struct words w;

	for (size_t i = 0; (key = schema_row(i)) != NULL && !starved(l); i++) {
		if (key->section != s->type->id || key->type == NULL ||
		    (key->flags & KEY_DONE) != 0 || inherits(s, key))
			continue;
		f.at.key = key;
		if (!words_split(&w, &l->doc.arena, span_str(key->def), 1,
		    (key->flags & KEY_LIST) != 0, &err)) {
			/* Nothing else is wrong with our own text. */
			l->doc.report.starved = true;
			return;
		}
		fill_key(&f, &w);
		words_fini(&w);
	}
}

static void
split_setting(struct doc *d, struct setting *set)
{
	struct conf_pos pos = set->pos;
	struct words_error err;

	set->bad = !words_split(&set->words, &d->arena, set->value, set->col,
	    (set->key->flags & KEY_LIST) != 0, &err);
	if (!set->bad)
		return;
	d->report.starved |= err.starved;
	pos.col = err.col;
	report_error(&d->report, &pos, "%s", err.text);
}

/* Sections of the type ID, in order. */
static void
fill_type(struct loaded *l, enum section_id id)
{
	for (size_t i = 0; i < l->doc.n; i++)
		if (l->doc.v[i]->type->id == id)
			fill_section(l, l->doc.v[i]);
}

/* The defaults of all origins first, then the groups, then what points to
 * them. */
static void
fill_origins(struct loaded *l)
{
	const struct section *all = doc_find(&l->doc, SECTION_ORIGIN, "");
	struct origin *base = &l->origin[all->index];

	fill_section(l, all);
	l->conf.forward.confirmable = base->confirmable;
	l->conf.forward.nstart = base->nstart;
	for (size_t i = 0; i < l->conf.rules.n; i++) {
		l->conf.rules.v[i].confirmable = base->confirmable;
		l->conf.rules.v[i].nstart = base->nstart;
	}
	for (size_t i = 0; i < l->doc.n; i++) {
		const struct section *s = l->doc.v[i];

		if (s->type->id != SECTION_ORIGIN || s == all)
			continue;
		l->origin[s->index].confirmable = base->confirmable;
		l->origin[s->index].nstart = base->nstart;
		fill_section(l, s);
	}
}

/* Memory for all sections, and the names of those that are known by one. False
 * without. */
static bool
make_room(struct loaded *l)
{
	struct conf *c = &l->conf;
	struct doc *d = &l->doc;

	c->nlisten = d->count[SECTION_LISTEN];
	c->listen = doc_alloc(d, c->nlisten, sizeof(*c->listen));
	c->rules.n = d->count[SECTION_ROUTE];
	c->rules.v = doc_alloc(d, c->rules.n, sizeof(*c->rules.v));
	l->origin = doc_alloc(d, d->count[SECTION_ORIGIN], sizeof(*l->origin));
	c->has_forward = d->count[SECTION_FORWARD] > 0;
	if (starved(l)) {
		c->nlisten = c->rules.n = 0;
		return false;
	}
	for (size_t i = 0; i < d->n; i++) {
		const struct section *s = d->v[i];

		if (s->type->id == SECTION_LISTEN)
			c->listen[s->index].name =
			    c->listen[s->index].access.name = s->name;
		else if (s->type->id == SECTION_ROUTE)
			c->rules.v[s->index].name = s->name;
	}
	return true;
}

/* The host's own name where [proxy] gives none. */
static const char *
host_name(struct doc *d)
{
	char text[256];

	if (gethostname(text, sizeof(text)) < 0)
		return "coaproxy";
	text[sizeof(text) - 1] = '\0';
	for (char *p = text; *p != '\0'; p++) {
		*p = (char)span_lower((uint8_t)*p);
		if (*p <= ' ' || *p == 0x7f)
			return "coaproxy";
	}
	return *text != '\0' ? doc_string(d, span_str(text)) : "coaproxy";
}

static void
set_port(uint8_t *ports, uint16_t port)
{
	ports[port >> 3] |= (uint8_t)(1 << (port & 7));
}

/* The ports that the configuration listens at or sends to are open to clients
 * as well: it says that there is CoAP behind them (ATK-20). */
static void
fill_ports(struct loaded *l)
{
	struct forward_conf *f = &l->conf.forward;
	uint8_t *ports = doc_alloc(&l->doc, (UINT16_MAX + 1) / 8, 1);

	if (ports == NULL)
		return;
	for (size_t i = 0; i < l->conf.rules.n; i++)
		set_port(ports, l->conf.rules.v[i].to.port);
	for (size_t i = 0; i < l->doc.count[SECTION_ORIGIN]; i++)
		set_port(ports, l->origin[i].server.port);
	for (size_t i = 0; i < l->conf.nlisten; i++)
		for (size_t j = 0; j < l->conf.listen[i].nbind; j++)
			set_port(ports, l->conf.listen[i].bind[j].addr.port);
	if (f->has_via)
		set_port(ports, f->via.port);
	f->ports = ports;
}

/* Clients from elsewhere may ask for what is everybody's, not for what is
 * behind us: private networks must be listed for them (ATK-19). */
static void
guard_private(struct loaded *l)
{
	struct forward_conf *f = &l->conf.forward;
	struct netlist near = { 0 };
	bool open = false;

	netlist_add(&near, SPAN_LIT("loopback"));
	netlist_add(&near, SPAN_LIT("private"));
	netlist_add(&near, SPAN_LIT("link-local"));
	for (size_t i = 0; i < f->allow_from.n; i++) {
		const struct prefix *p = &f->allow_from.v[i];
		int bits = netlist_match(&near, &p->net);

		open = open || bits < 0 || bits > p->bits;
	}
	if (open)
		netlist_add(&f->deny_to, SPAN_LIT("private"));
	l->doc.report.starved |= near.starved || f->deny_to.starved;
	netlist_fini(&near);
}

static void
fill_all(struct loaded *l)
{
	static const enum section_id order[] = { SECTION_PROXY, SECTION_LISTEN,
		SECTION_FORWARD, SECTION_ROUTE, SECTION_MESSAGE, SECTION_LOG,
		SECTION_DNS, SECTION_CACHE, SECTION_OBSERVE, SECTION_BLOCK,
		SECTION_METRICS, SECTION_CONTROL };

	msg_params_init(&l->conf.message);
	fill_origins(l);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		fill_type(l, order[i]);
	if (l->conf.has_forward) {
		fill_ports(l);
		guard_private(l);
	}
	if (l->conf.name == NULL)
		l->conf.name = host_name(&l->doc);
	/* The message layer keeps to the limits, and the proxy knows them. */
	l->conf.observe.max_observers = l->conf.message.max_observers;
	l->conf.observe.max_per_client = l->conf.message.max_per_client;
	msg_params_derive(&l->conf.message);
}

static void
fill(struct loaded *l)
{
	for (size_t i = 0; i < l->doc.n; i++)
		for (size_t j = 0; j < l->doc.v[i]->n; j++)
			split_setting(&l->doc, &l->doc.v[i]->v[j]);
	doc_complete(&l->doc);
	if (!starved(l) && make_room(l))
		fill_all(l);
}

static struct loaded *
new_loaded(const char *name, struct conf_report *report)
{
	struct loaded *l = calloc(1, sizeof(*l));

	if (l != NULL)
		doc_init(&l->doc);
	else
		*report = (struct conf_report){ .starved = true,
			.text = try_asprintf("%s: out of memory\n", name) };
	return l;
}

/* What is common to both ways of loading, behind the reading of NAME. */
static struct conf *
finish(struct loaded *l, const char *name, struct conf_report *report)
{
	struct report *r = &l->doc.report;

	if (!starved(l))
		fill(l);
	if (!starved(l))
		check(l);
	report->text = report_text(r, name);
	report->errors = r->errors;
	report->warnings = r->warnings;
	report->starved = r->starved;
	if (r->errors == 0 && !r->starved)
		return &l->conf;
	conf_free(&l->conf);
	return NULL;
}

struct conf *
conf_load(const char *path, struct conf_report *report)
{
	struct loaded *l = new_loaded(path, report);

	if (l == NULL)
		return NULL;
	load_file(&l->doc, path);
	return finish(l, path, report);
}

struct conf *
conf_load_text(const char *name, const char *text, struct conf_report *report)
{
	struct loaded *l = new_loaded(name, report);

	if (l == NULL)
		return NULL;
	load_text(&l->doc, name, text);
	return finish(l, name, report);
}

static void
free_uris(struct uri_pattern *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		netlist_fini(&v[i].net);
}

void
conf_free(struct conf *c)
{
	struct loaded *l = (struct loaded *)(void *)c;

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->nlisten; i++) {
		netlist_fini(&c->listen[i].access.allow_from);
		netlist_fini(&c->listen[i].access.deny_from);
		netlist_fini(&c->listen[i].access.exempt);
	}
	for (size_t i = 0; i < c->rules.n; i++) {
		netlist_fini(&c->rules.v[i].allow_from);
		netlist_fini(&c->rules.v[i].deny_from);
	}
	netlist_fini(&c->forward.allow_from);
	netlist_fini(&c->forward.deny_from);
	netlist_fini(&c->forward.allow_to);
	netlist_fini(&c->forward.deny_to);
	free_uris(c->forward.allow_uri, c->forward.nallow_uri);
	free_uris(c->forward.deny_uri, c->forward.ndeny_uri);
	doc_fini(&l->doc);
	free(l);
}

void
conf_report_fini(struct conf_report *r)
{
	free(r->text);
	*r = (struct conf_report){ 0 };
}
