/*
 * explain: a request that is never sent.
 *
 * It is made from a URI as a client would make it and put before the very
 * functions that decide about real ones, so that the explanation cannot differ
 * from what happens.
 */
#include "main/explain.h"

#include "conf/words.h"
#include "proxy/admit.h"
#include "proxy/redirect.h"

enum { OPTS_MAX = 2048, URI_TEXT_MAX = 8192 };

struct question {
	FILE *out;
	const struct conf *c;
	struct coap_uri uri;
	struct coap_msg msg;
	uint8_t opts[OPTS_MAX];
	struct addr client;
	struct redirect_query query;
	bool proxy;		/* for the forward role */
	bool taken;		/* a rule took it */
};

static int
complain(const char *what, const char *argument)
{
	fprintf(stderr, "coaproxy: %s: '%s'\n", what, argument);
	return 2;
}

static struct span
next_word(struct span *s)
{
	struct span word;

	for (; s->n > 0 && s->p[0] == ' '; s->n--)
		s->p++;
	word = *s;
	for (word.n = 0; word.n < s->n && word.p[word.n] != ' ';)
		word.n++;
	*s = span_make(s->p + word.n, s->n - word.n);
	return word;
}

/* "METHOD [proxy] URI". */
static bool
read_request(struct question *q, struct span text)
{
	struct span word = next_word(&text);

	if (!coap_code_parse(word, &q->msg.code) ||
	    coap_code_kind(q->msg.code) != COAP_KIND_REQUEST)
		return false;
	word = next_word(&text);
	q->proxy = span_eq(word, SPAN_LIT("proxy"));
	if (q->proxy)
		word = next_word(&text);
	return next_word(&text).n == 0 &&
	    coap_uri_parse(&q->uri, word, COAP_URI_ZONE) == COAP_URI_OK;
}

static bool
make_options(struct question *q)
{
	struct writer w = writer_make(q->opts, sizeof(q->opts));
	struct coap_optw o = coap_optw(&w);

	if (!q->uri.host.literal)
		coap_put_opt(&o, COAP_OPT_URI_HOST, q->uri.host.text);
	return coap_uri_put_path(&q->uri, &o) &&
	    coap_uri_put_query(&q->uri, &o) && !w.full &&
	    coap_parse_opts(&q->msg, writer_span(&w));
}

static bool
find_listener(struct question *q, const char *name)
{
	for (size_t i = 0; i < q->c->nlisten; i++)
		if (strcmp(q->c->listen[i].name, name) == 0) {
			q->query.listener = (unsigned)i;
			return true;
		}
	return false;
}

static int
read_question(struct question *q, const struct args *a)
{
	const char *from = a->from != NULL ? a->from : "127.0.0.1";

	if (!read_request(q, span_str(a->explain)) || !make_options(q))
		return complain("not a request like "
		    "'GET coap://lamp.example.net/light'", a->explain);
	if (!addr_parse_ip(&q->client, span_str(from), true))
		return complain("--from is not an address", from);
	if (a->listen != NULL && !find_listener(q, a->listen))
		return complain("there is no such [listen]", a->listen);
	q->query.msg = &q->msg;
	q->query.host = q->uri.host;
	q->query.client = &q->client;
	return 0;
}

static void
put_target(const struct question *q, const struct target *t)
{
	char text[COAP_HOST_MAX * 3 + 16];

	coap_authority_format(t->scheme, &t->host, t->port, text,
	    sizeof(text));
	fprintf(q->out, "%s://%s", coap_scheme_name(t->scheme), text);
}

/* The options of the request as RULE sends them: its own path in front, the
 * first SKIP segments gone. */
static bool
rewrite(const struct question *q, const struct rule *rule, size_t skip,
    struct writer *w)
{
	struct coap_optw o = coap_optw(w);
	struct coap_opt_iter it;

	for (size_t i = 0; i < rule->to_path.n; i++)
		coap_put_opt(&o, COAP_OPT_URI_PATH, rule->to_path.seg[i]);
	coap_opts(&it, &q->msg);
	while (coap_opts_next(&it)) {
		if (it.number == COAP_OPT_URI_PATH && skip > 0)
			skip--;
		else if (it.number != COAP_OPT_URI_HOST)
			coap_put_opt(&o, it.number, it.value);
	}
	return !w->full;
}

static void
put_forwarded(const struct question *q, const struct rule *rule,
    const struct path *strip)
{
	struct coap_msg m = { .code = q->msg.code };
	uint8_t opts[OPTS_MAX];
	struct writer w = writer_make(opts, sizeof(opts));
	char text[URI_TEXT_MAX];

	if (!rewrite(q, rule, strip != NULL ? strip->n : 0, &w) ||
	    !coap_parse_opts(&m, writer_span(&w)) ||
	    !coap_uri_format(&m, rule->to.scheme, &rule->to.host,
	    rule->to.port, text, sizeof(text))) {
		fputs("nowhere: the request becomes too large\n", q->out);
		return;
	}
	fprintf(q->out, "%s%s\n", text, rule->as_proxy ? ", a proxy" : "");
}

static void
put_reply(const struct question *q, const struct rule *rule)
{
	char code[8];

	fprintf(q->out, "%s", coap_code_str(rule->reply_code, code));
	if (rule->reply_text.n > 0) {
		fputc(' ', q->out);
		words_quote(q->out, (const char *)rule->reply_text.p);
	}
	fputc('\n', q->out);
}

/* What redirect_find() found about each rule up to LAST, which took the
 * request, or all of them. */
static void
put_rules(const struct question *q, const struct rule *last, bool denied,
    const struct path *strip)
{
	const struct rules *rules = &q->c->rules;

	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *r = &rules->v[i];

		fprintf(q->out, "[route %s]: ", r->name);
		if (r != last) {
			fprintf(q->out, "no: %s\n",
			    redirect_why_not(r, &q->query));
			continue;
		}
		fputs(denied ? "yes, but not for this client\n" : "yes -> ",
		    q->out);
		if (!denied && r->action == RULE_REPLY)
			put_reply(q, r);
		else if (!denied)
			put_forwarded(q, r, strip);
		return;
	}
}

static bool
may_go(const struct forward_conf *f, const struct target *t)
{
	return admit_target(f, t, t->host.literal ? &t->host.addr : NULL,
	    false);
}

static const char *
put_forward_target(const struct question *q)
{
	const struct forward_conf *f = &q->c->forward;
	struct target t = { q->uri.scheme, q->uri.host, q->uri.port };
	struct target usual = { q->uri.scheme, q->uri.host, 5683 };

	if (t.scheme != COAP_SCHEME_COAP) {
		fputs("yes, but not for this scheme\n", q->out);
		return "5.05, the scheme is not supported";
	}
	if (!may_go(f, &t) && may_go(f, &usual)) {
		fputs("yes, but not to this port\n", q->out);
		return "5.05, [forward] does not allow the port";
	}
	if (!may_go(f, &t)) {
		fputs("yes, but not to this target\n", q->out);
		return "5.05, [forward] does not allow the target";
	}
	fputs("yes -> ", q->out);
	put_target(q, f->has_via ? &f->via : &t);
	fputs(f->has_via ? ", a proxy\n" : "\n", q->out);
	if (t.host.literal || f->has_via)
		return "forwarded by [forward]";
	return "forwarded by [forward], if the address of the name is allowed";
}

/* Says what [forward] does; returns what comes of it. */
static const char *
put_forward(const struct question *q)
{
	const struct forward_conf *f = q->c->has_forward ? &q->c->forward :
	    NULL;

	fputs("[forward]: ", q->out);
	switch (admit_forward(f, q->query.listener, &q->client)) {
	case ADMIT_FORWARD_YES:
		break;
	case ADMIT_FORWARD_OFF:
		fprintf(q->out, "no: %s\n", f != NULL ? "another listener" :
		    "there is no such section");
		return "5.05, this is not a forward proxy";
	case ADMIT_FORWARD_DENIED:
		fputs("yes, but not for this client\n", q->out);
		return "4.03, [forward] does not allow the client";
	}
	return put_forward_target(q);
}

static void
put_verdict(const struct question *q, const char *what)
{
	fprintf(q->out, "verdict: %s\n", what);
}

/* The rules, and what comes of it; NULL when that is up to [forward]. */
static const char *
put_routes(struct question *q, char *text, size_t cap)
{
	const struct rule *rule = NULL;
	const struct path *strip = NULL;
	enum redirect_verdict v = redirect_find(&q->c->rules, &q->query, &rule,
	    &strip);

	if (v == REDIRECT_NONE || v == REDIRECT_METHOD)
		rule = NULL;
	put_rules(q, rule, v == REDIRECT_DENIED, strip);
	q->taken = rule != NULL;
	if (q->proxy && v == REDIRECT_NONE)
		return NULL;
	switch (v) {
	case REDIRECT_NONE:
		return "no route takes it: one of the proxy's own resources, "
		       "or 4.04";
	case REDIRECT_METHOD:
		return "4.05, all that is missing is the method";
	case REDIRECT_RULE:
		snprintf(text, cap, "%s by [route %s]", rule->action ==
		    RULE_REPLY ? "answered" : "forwarded", rule->name);
		break;
	case REDIRECT_DENIED:
		snprintf(text, cap, "4.03, [route %s] does not allow the "
		    "client", rule->name);
		break;
	}
	return text;
}

static void
put_answer(struct question *q)
{
	const struct access *access =
	    &q->c->listen[q->query.listener].access;
	const char *verdict = NULL;
	bool routes = !q->proxy ||
	    (q->c->has_forward && q->c->forward.routes);
	char text[1200];

	if (!netlist_allows(&access->allow_from, &access->deny_from,
	    &q->client)) {
		put_verdict(q, "4.03, the listener does not allow the client");
		return;
	}
	if (routes)
		verdict = put_routes(q, text, sizeof(text));
	if (verdict == NULL)
		verdict = put_forward(q);
	put_verdict(q, verdict);
	if (q->proxy || q->taken || !q->c->has_forward)
		return;
	fputs("The same as a forward request:\n", q->out);
	put_verdict(q, put_forward(q));
}

int
explain(const struct conf *c, const struct args *a)
{
	return explain_to(stdout, c, a);
}

int
explain_to(FILE *out, const struct conf *c, const struct args *a)
{
	struct question q = { .out = out, .c = c };
	char client[ADDR_STRLEN];
	int status = read_question(&q, a);

	if (status != 0)
		return status;
	fprintf(out, "%s from %s at [listen %s]\n", a->explain,
	    addr_ip_str(&q.client, client),
	    c->listen[q.query.listener].name);
	put_answer(&q);
	return 0;
}
