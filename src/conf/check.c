/*
 * check: what one key alone cannot get wrong.
 *
 * Rules report at the line that is to be changed, and name the other one where
 * there are two. Warnings come only when there is no error: they would be
 * about something else once the errors are gone.
 */
#include "conf/check.h"

#include "conf/cover.h"
#include "proxy/links.h"

enum {
	BINDS_MAX = 1024,
	COMPARE_MAX = 20000000,	/* of words, in looking for hidden routes */
};

/* Words written for the key NAME of S. */
static size_t
written(const struct section *s, const char *name)
{
	const struct schema_key *key = schema_find(s->type->id, name);
	size_t n = section_count(s, key);
	const struct setting *first = section_get(s, key);

	/* One that could not be read was meant to say something. */
	return first != NULL && first->bad ? n + 1 : n;
}

/* The line of the key NAME of S, or of S. */
static struct conf_pos
key_line(const struct section *s, const char *name)
{
	const struct setting *set = section_get(s,
	    schema_find(s->type->id, name));
	struct conf_pos pos = set != NULL ? set->pos : s->pos;

	pos.col = 0;
	return pos;
}

static void
check_route(struct loaded *l, const struct section *s)
{
	bool to = written(s, "to") > 0, reply = written(s, "reply") > 0;
	struct conf_pos pos = section_line(s);

	if (to == reply && (to || !s->spoilt))
		report_error(&l->doc.report, &pos, "%s says %s 'to' %s "
		    "'reply'", s->title, to ? "both" : "neither",
		    to ? "and" : "nor");
}

/* What it takes to rewrite links. */
static void
check_links(struct loaded *l, const struct section *s)
{
	const struct rule *r = &l->conf.rules.v[s->index];
	struct conf_pos pos = key_line(s, "links");
	struct report *report = &l->doc.report;
	size_t before = 0;

	if (!r->links)
		return;
	if (!s->spoilt && written(s, "path") == 0)
		report_error(report, &pos, "'links = rewrite' needs a 'path'");
	else if (written(s, "reply") > 0)
		report_error(report, &pos, "'links = rewrite' needs a 'to'");
	else if (r->as_proxy)
		report_error(report, &pos, "'links = rewrite' is not for 'as "
		    "= proxy': behind it are many origins");
	for (size_t i = 0; i < s->index; i++)
		before += l->conf.rules.v[i].links;
	if (before == LINKS_RULES_MAX)
		report_error(report, &pos, "more than %d routes with 'links "
		    "= rewrite'", LINKS_RULES_MAX);
}

static void
check_origin(struct loaded *l, const struct section *s)
{
	struct conf_pos pos = section_line(s);

	if (*s->name != '\0' && !s->spoilt && written(s, "server") == 0)
		report_error(&l->doc.report, &pos, "%s has no 'server'",
		    s->title);
}

static void
check_dns(struct loaded *l, const struct section *s)
{
	const struct dns_conf *dns = &l->conf.dns;
	const struct setting *max = section_get(s, schema_find(SECTION_DNS,
	    "max-ttl"));
	struct conf_pos pos = key_line(s, max != NULL ? "max-ttl" : "min-ttl");

	if (dns->min_ttl_ms > dns->max_ttl_ms && (max == NULL || !max->bad))
		report_error(&l->doc.report, &pos, "min-ttl is above max-ttl");
}

/* What msg_params_check() may object to: its text begins with the key. */
static const struct param {
	const char *key;
	size_t offset, size;
} params[] = {
	{ "ack-timeout", offsetof(struct msg_params, ack_timeout),
		sizeof(uint64_t) },
	{ "ack-random-factor", offsetof(struct msg_params, ack_random_factor),
		sizeof(uint32_t) },
	{ "max-retransmit", offsetof(struct msg_params, max_retransmit),
		sizeof(uint32_t) },
	{ "empty-ack-delay", offsetof(struct msg_params, empty_ack_delay),
		sizeof(uint64_t) },
};

enum { NPARAMS = sizeof(params) / sizeof(params[0]) };

static size_t
objected(const char *why)
{
	size_t i = 0;

	while (i < NPARAMS &&
	    (strncmp(why, params[i].key, strlen(params[i].key)) != 0 ||
	    why[strlen(params[i].key)] != ' '))
		i++;
	return i;
}

/* MSG-39. Each objection is put right in a copy, to find the next. */
static void
check_message(struct loaded *l, const struct section *s)
{
	struct msg_params p = l->conf.message, good;
	size_t last = NPARAMS;
	const char *why;

	msg_params_init(&good);
	for (size_t n = 0; n <= NPARAMS; n++) {
		struct conf_pos pos = section_line(s);
		size_t i;

		why = msg_params_check(&p);
		if (why == NULL)
			return;
		i = objected(why);
		if (i < NPARAMS && i == last)
			return;
		last = i;
		if (i < NPARAMS)
			pos = key_line(s, params[i].key);
		report_error(&l->doc.report, &pos, "%s", why);
		if (i == NPARAMS)
			return;
		memcpy((char *)&p + params[i].offset,
		    (const char *)&good + params[i].offset, params[i].size);
	}
}

/* Whether there can be only one of A and B. */
static bool
same_bind(const struct bind_conf *a, const struct bind_conf *b)
{
	if (a->fd != NULL || b->fd != NULL)
		return a->fd != NULL && b->fd != NULL &&
		    strcmp(a->fd, b->fd) == 0;
	/* Of port 0 everyone gets another. */
	return a->addr.port != 0 && addr_eq(&a->addr, &b->addr);
}

static void
check_one_bind(struct loaded *l, const struct section *s, size_t i,
    const struct section *t, size_t j)
{
	const struct schema_key *key = schema_find(SECTION_LISTEN, "bind");
	const struct bind_conf *a = &l->conf.listen[s->index].bind[i];
	const struct bind_conf *b = &l->conf.listen[t->index].bind[j];
	struct conf_pos here = section_word(s, key, i);
	struct conf_pos there = section_word(t, key, j);

	/* A bad one has no text. */
	if (a->text == NULL || b->text == NULL || !same_bind(a, b))
		return;
	report_error(&l->doc.report, &here, "'%s' is already bound by %s at "
	    "%s:%u", a->text, t->title, there.file->name, there.line);
}

/* Bind I of listener S against all before it. */
static void
check_bind(struct loaded *l, const struct section *s, size_t i)
{
	for (size_t k = 0; k < l->doc.n; k++) {
		const struct section *t = l->doc.v[k];
		size_t n;

		if (t->type->id != SECTION_LISTEN)
			continue;
		n = t == s ? i : l->conf.listen[t->index].nbind;
		for (size_t j = 0; j < n; j++)
			check_one_bind(l, s, i, t, j);
		if (t == s)
			return;
	}
}

static void
check_listen(struct loaded *l, const struct section *s)
{
	const struct listen_conf *c = &l->conf.listen[s->index];
	struct conf_pos pos = section_line(s);

	if (c->nbind == 0 && written(s, "bind") == 0)
		report_error(&l->doc.report, &pos, "%s binds no address",
		    s->title);
	for (size_t i = 0; i < c->nbind && i < BINDS_MAX; i++)
		check_bind(l, s, i);
}

static const struct {
	enum section_id id;
	void (*check)(struct loaded *, const struct section *);
} rules[] = {
	{ SECTION_LISTEN, check_listen },
	{ SECTION_ROUTE, check_route },
	{ SECTION_ROUTE, check_links },
	{ SECTION_ORIGIN, check_origin },
	{ SECTION_MESSAGE, check_message },
	{ SECTION_DNS, check_dns },
};

static const struct section *
nth(const struct loaded *l, enum section_id id, size_t index)
{
	for (size_t i = 0; i < l->doc.n; i++)
		if (l->doc.v[i]->type->id == id &&
		    l->doc.v[i]->index == index)
			return l->doc.v[i];
	return NULL;
}

/* Whether comparing all rules with all others is done in a moment. */
static bool
comparable(const struct rules *r)
{
	uint64_t words = 0;

	for (size_t i = 0; i < r->n; i++)
		words += 1 + r->v[i].nlisten + r->v[i].nhost + r->v[i].npath;
	return words * words / 2 < COMPARE_MAX;
}

static void
warn_hidden(struct loaded *l, const struct section *s)
{
	const struct rule *r = &l->conf.rules.v[s->index];
	struct conf_pos pos = section_line(s);
	const struct section *by;

	for (size_t i = 0; i < s->index; i++) {
		if (!rule_covers(&l->conf.rules.v[i], r))
			continue;
		by = nth(l, SECTION_ROUTE, i);
		if (by == NULL)
			return;
		report_warning(&l->doc.report, &pos, "%s is never reached: "
		    "%s at %s:%u takes all its requests", s->title, by->title,
		    by->pos.file->name, by->pos.line);
		return;
	}
}

static bool
uses(const unsigned *listen, size_t n, size_t index)
{
	for (size_t i = 0; i < n; i++)
		if (listen[i] == index)
			return true;
	return n == 0;
}

static void
warn_idle(struct loaded *l, const struct section *s)
{
	const struct conf *c = &l->conf;
	struct conf_pos pos = section_line(s);

	for (size_t i = 0; i < c->rules.n; i++)
		if (uses(c->rules.v[i].listen, c->rules.v[i].nlisten,
		    s->index))
			return;
	if (c->has_forward &&
	    uses(c->forward.listen, c->forward.nlisten, s->index))
		return;
	report_warning(&l->doc.report, &pos, "%s has neither a [route] nor "
	    "[forward]: every request is answered with 4.04", s->title);
}

static bool
has_word(const struct section *s, const struct schema_key *key,
    const char *word)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t j = 0; s->v[i].key == key &&
		    j < s->v[i].words.n; j++)
			if (strcmp(s->v[i].words.v[j].text, word) == 0)
				return true;
	return false;
}

static void
warn_open(struct loaded *l, const struct section *s)
{
	const struct schema_key *key = schema_find(SECTION_FORWARD,
	    "allow-from");
	const struct netlist *from = &l->conf.forward.allow_from;
	struct conf_pos pos = key_line(s, "allow-from");

	for (size_t i = 0; i < from->n; i++) {
		if (from->v[i].bits > 0 || has_word(s, key, "any"))
			continue;
		report_warning(&l->doc.report, &pos, "[forward] is open to "
		    "the world; if that is meant, write 'allow-from = any'");
		return;
	}
}

static void
warn(struct loaded *l)
{
	bool compare = comparable(&l->conf.rules);

	for (size_t i = 0; i < l->doc.n; i++) {
		const struct section *s = l->doc.v[i];

		if (s->type->id == SECTION_ROUTE && compare)
			warn_hidden(l, s);
		else if (s->type->id == SECTION_LISTEN)
			warn_idle(l, s);
		else if (s->type->id == SECTION_FORWARD)
			warn_open(l, s);
	}
}

void
check(struct loaded *l)
{
	for (size_t i = 0; i < l->doc.n; i++)
		for (size_t j = 0; j < sizeof(rules) / sizeof(rules[0]); j++)
			if (rules[j].id == l->doc.v[i]->type->id)
				rules[j].check(l, l->doc.v[i]);
	if (l->doc.report.errors == 0)
		warn(l);
}
