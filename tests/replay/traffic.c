/*
 * traffic: what endpoints send and receive.
 *
 * An endpoint remembers its last message each way; from that come the Message
 * IDs and tokens a scenario leaves out.
 */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "coap/dump.h"

/* ---- arriving ---- */

static struct endpoint *
end_at(struct script *s, const struct addr *a)
{
	for (size_t i = 0; i < s->nends; i++)
		if (addr_eq(&s->ends[i].addr, a))
			return &s->ends[i];
	return NULL;
}

/* Origins that no step has named yet. */
static struct endpoint *
end_made_for(struct script *s, const struct addr *a)
{
	static const char *const known[] = { "S", "S1", "S2", "S3", "C", "C1",
		"C2", "C3" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		script_endpoint(s, span_str(known[i]));
	return end_at(s, a);
}

static void
describe(struct span octets, char *out, size_t cap)
{
	char dump[1000];
	struct coap_msg m;
	size_t n = 0;

	snprintf(out, cap, "octets");
	if (coap_parse(&m, octets) == COAP_PARSE_OK)
		snprintf(out, cap, "%s\n#      hex", coap_dump(&m, dump,
		    sizeof(dump)));
	n = strlen(out);
	for (size_t i = 0; i < octets.n && n + 4 < cap; i++)
		n += (size_t)snprintf(out + n, cap - n, " %02x", octets.p[i]);
}

bool
script_collect(struct script *s)
{
	struct packet *p;
	struct endpoint *e;
	char to[ADDR_STRLEN];

	while ((p = world_take(&s->world)) != NULL) {
		e = end_at(s, &p->to);
		if (e == NULL)
			e = end_made_for(s, &p->to);
		if (e != NULL) {
			list_add_tail(&e->inbox, &p->link);
			continue;
		}
		describe(span_make(p->octets, p->n), s->got, sizeof(s->got));
		script_fail(s, "a datagram to %s, where nobody is: %s",
		    addr_str(&p->to, to), s->got);
		free(p);
		return false;
	}
	return true;
}

bool
script_pass(struct script *s, uint64_t ms)
{
	uint64_t until = s->world.now + ms;

	while (s->world.now < until)
		world_step(&s->world, until);
	return script_collect(s);
}

/* ---- what is left out ---- */

static void
note(struct last *l, struct span octets)
{
	struct coap_msg m;

	l->n = octets.n;
	memcpy(l->octets, octets.p, octets.n);
	if (coap_parse(&m, octets) != COAP_PARSE_OK)
		return;
	if (m.type == COAP_CON || m.type == COAP_NON)
		memcpy(l->mid, octets.p + 2, 2);
	if (coap_code_kind(m.code) != COAP_KIND_REQUEST)
		return;
	l->ntoken = m.token.n;
	if (m.token.n > 0)
		memcpy(l->token, m.token.p, m.token.n);
}

static void
complete(struct text_value *v, struct span octets)
{
	if (v->kind == TEXT_NONE)
		*v = (struct text_value){ TEXT_VALUE, octets };
}

static void
complete_sent(struct script *s, struct endpoint *e, struct text_msg *m,
    uint8_t fresh[4])
{
	bool begins = m->type == COAP_CON || m->type == COAP_NON;

	if (begins && m->mid.kind == TEXT_NONE)
		s->next_mid++;
	fresh[0] = (uint8_t)(s->next_mid >> 8);
	fresh[1] = (uint8_t)s->next_mid;
	complete(&m->mid, span_make(begins ? fresh : e->got.mid, 2));
	if (m->code == COAP_EMPTY) {
		complete(&m->token, SPAN_LIT(""));
	} else if (coap_code_kind(m->code) == COAP_KIND_REQUEST) {
		if (m->token.kind == TEXT_NONE)
			fresh[2] = s->next_token++;
		complete(&m->token, span_make(fresh + 2, 1));
	} else {
		complete(&m->token, span_make(e->got.token, e->got.ntoken));
	}
}

static void
complete_wanted(struct endpoint *e, struct text_msg *m)
{
	if (m->type == COAP_ACK || m->type == COAP_RST)
		complete(&m->mid, span_make(e->sent.mid, 2));
	else if (m->mid.kind == TEXT_NONE)
		m->mid.kind = TEXT_ANY;
	if (m->code == COAP_EMPTY)
		complete(&m->token, SPAN_LIT(""));
	else if (coap_code_kind(m->code) != COAP_KIND_REQUEST)
		complete(&m->token, span_make(e->sent.token, e->sent.ntoken));
	else if (m->token.kind == TEXT_NONE)
		m->token.kind = TEXT_ANY;
}

/* ---- sending ---- */

static void
send_octets(struct script *s, struct endpoint *e, struct span octets)
{
	if (e->got.n == 0)
		e->asked = true;
	note(&e->sent, octets);
	world_input(&s->world, &e->addr, &e->peer, octets);
}

/* "then hex OCTETS" at the end of LINE: behind the message, to spoil it. */
static bool
append_hex(struct script *s, struct span line, uint8_t octets[TEXT_MESSAGE],
    size_t *n)
{
	struct span hex;

	if (text_word(&line).n == 0)
		return true;
	if (!span_eq(text_word(&line), SPAN_LIT("hex")) ||
	    text_hex(line, &s->arena, &hex) != NULL ||
	    hex.n > TEXT_MESSAGE - *n)
		return script_fail(s, "expected: then hex OCTETS");
	memcpy(octets + *n, hex.p, hex.n);
	*n += hex.n;
	return true;
}

bool
script_send(struct script *s, struct endpoint *e, struct span line)
{
	uint8_t octets[TEXT_MESSAGE], fresh[4];
	struct span rest = line, word = text_word(&rest), hex;
	struct text_msg m;
	const char *why;
	size_t n;

	if (e->peer.family == 0)
		e->peer = script_endpoint(s, SPAN_LIT("P"))->addr;
	if (span_eq(word, SPAN_LIT("again"))) {
		/* The same octets: from where they are kept. */
		n = e->sent.n;
		memcpy(octets, e->sent.octets, n);
	} else if (span_eq(word, SPAN_LIT("hex"))) {
		why = text_hex(rest, &s->arena, &hex);
		if (why != NULL || hex.n > sizeof(octets))
			return script_fail(s, "%s", why);
		n = hex.n;
		memcpy(octets, hex.p, n);
	} else {
		why = text_parse(&m, &line, "then", &s->arena);
		if (why != NULL)
			return script_fail(s, "%s", why);
		complete_sent(s, e, &m, fresh);
		n = text_emit(&m, &s->vars, octets, sizeof(octets));
		if (n == 0)
			return script_fail(s, "a value is missing");
		if (!append_hex(s, line, octets, &n))
			return false;
	}
	send_octets(s, e, span_make(octets, n));
	return script_collect(s);
}

/* ---- receiving ---- */

static struct packet *
first(struct list *l)
{
	return list_empty(l) ? NULL :
	    CONTAINER_OF(l->next, struct packet, link);
}

enum what { WHAT_MESSAGE, WHAT_AGAIN, WHAT_HEX };

struct wanted {
	enum what what;
	struct text_msg m;
	struct span hex;
	uint64_t min, max;	/* when */
	struct span as;
};

/* "after TIME [as NAME]" at the end of LINE. */
static bool
read_after(struct script *s, struct wanted *w, struct span line)
{
	struct span word = text_word(&line);

	if (word.n == 0)
		return true;
	if (!span_eq(word, SPAN_LIT("after")) ||
	    !script_time(s, text_word(&line), &w->min, &w->max))
		return script_fail(s, "expected: after TIME");
	word = text_word(&line);
	if (span_eq(word, SPAN_LIT("as")))
		w->as = text_word(&line);
	return true;
}

static bool
read_wanted(struct script *s, struct endpoint *e, struct wanted *w,
    struct span line)
{
	struct span rest = line, word = text_word(&rest);
	const char *why;

	*w = (struct wanted){ .what = WHAT_MESSAGE };
	if (span_eq(word, SPAN_LIT("again"))) {
		w->what = WHAT_AGAIN;
		return read_after(s, w, rest);
	}
	if (span_eq(word, SPAN_LIT("hex"))) {
		w->what = WHAT_HEX;
		why = text_hex(rest, &s->arena, &w->hex);
		return why == NULL || script_fail(s, "%s", why);
	}
	why = text_parse(&w->m, &line, "after", &s->arena);
	if (why != NULL)
		return script_fail(s, "%s", why);
	complete_wanted(e, &w->m);
	return read_after(s, w, line);
}

static bool
is_wanted(struct script *s, struct endpoint *e, struct wanted *w,
    struct span got)
{
	switch (w->what) {
	case WHAT_MESSAGE:
		return text_match(&w->m, &s->vars, got, &s->arena);
	case WHAT_AGAIN:
		return span_eq(span_make(e->got.octets, e->got.n), got);
	case WHAT_HEX:
		return span_eq(w->hex, got);
	}
	return false;
}

/* The time something took becomes a variable: milliseconds as text. */
static void
keep_time(struct script *s, struct span name, uint64_t ms)
{
	struct text_var *var = &s->vars.var[s->vars.n];
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)ms);
	if (s->vars.n < TEXT_VARS &&
	    arena_dup(&s->arena, span_str(text), &var->v)) {
		var->name = name;
		s->vars.n++;
	}
}

static bool
accept_packet(struct script *s, struct endpoint *e, struct wanted *w,
    struct packet *p)
{
	struct span octets = span_make(p->octets, p->n);
	uint64_t took = p->at - s->began;
	char from[ADDR_STRLEN];

	list_del(&p->link);
	list_add_tail(&e->seen, &p->link);
	describe(octets, s->got, sizeof(s->got));
	if (!is_wanted(s, e, w, octets))
		return script_fail(s, "got: %s", s->got);
	if (w->max > 0 && (took < w->min || took > w->max))
		return script_fail(s, "got it after %llu ms",
		    (unsigned long long)took);
	if ((e->asked || w->what == WHAT_AGAIN) &&
	    !addr_eq(&p->from, &e->peer))
		return script_fail(s, "it comes from %s",
		    addr_str(&p->from, from));
	if (w->as.n > 0)
		keep_time(s, w->as, took);
	e->peer = p->from;
	note(&e->got, octets);
	return true;
}

bool
script_expect(struct script *s, struct endpoint *e, struct span line)
{
	struct wanted w;

	if (!read_wanted(s, e, &w, line))
		return false;
	s->began = s->world.now;
	if (w.max > 0 && first(&e->inbox) != NULL) {
		describe(span_make(first(&e->inbox)->octets,
			     first(&e->inbox)->n),
		    s->got, sizeof(s->got));
		return script_fail(s, "got before: %s", s->got);
	}
	while (first(&e->inbox) == NULL &&
	    s->world.now < s->began + w.max) {
		world_step(&s->world, s->began + w.max);
		if (!script_collect(s))
			return false;
	}
	if (first(&e->inbox) == NULL)
		return script_fail(s, "got nothing");
	return accept_packet(s, e, &w, first(&e->inbox));
}

bool
script_nothing(struct script *s, struct endpoint *e, struct span line)
{
	uint64_t min, max;
	struct packet *p;

	if (span_eq(text_word(&line), SPAN_LIT("for"))) {
		if (!script_time(s, text_word(&line), &min, &max))
			return script_fail(s, "expected: for TIME");
		if (!script_pass(s, max))
			return false;
	}
	for (size_t i = 0; i < s->nends; i++) {
		if (e != NULL && e != &s->ends[i])
			continue;
		p = first(&s->ends[i].inbox);
		if (p == NULL)
			continue;
		describe(span_make(p->octets, p->n), s->got, sizeof(s->got));
		return script_fail(s, "%.*s got: %s", (int)s->ends[i].name.n,
		    (const char *)s->ends[i].name.p, s->got);
	}
	return true;
}
