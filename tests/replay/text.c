/*
 * text: from words to octets and back.
 *
 * Matching goes over the octets of the datagram, not over what the parser made
 * of them: a message that merely means the same does not pass.
 */
#include "text.h"

#include <stdio.h>

#include "base/parse.h"
#include "coap/block.h"
#include "coap/pct.h"

static bool
blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct span
text_word(struct span *line)
{
	bool quoted = false;
	struct span word;
	size_t n = 0;

	while (line->n > 0 && blank(line->p[0]))
		*line = span_make(line->p + 1, line->n - 1);
	while (n < line->n && (quoted || !blank(line->p[n]))) {
		if (line->p[n] == '"')
			quoted = !quoted;
		if (line->p[n] == '\\' && n + 1 < line->n)
			n++;
		n++;
	}
	word = span_make(line->p, n);
	*line = span_make(line->p + n, line->n - n);
	return word;
}

static bool
begins(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

static struct span
behind(struct span s, size_t n)
{
	return span_make(s.p + n, s.n - n);
}

const char *
text_hex(struct span text, struct arena *a, struct span *out)
{
	uint8_t *p = arena_alloc(a, text.n / 2 + 1);
	size_t n = 0;

	if (p == NULL)
		return "too long";
	while (text.n > 0) {
		if (blank(text.p[0])) {
			text = behind(text, 1);
			continue;
		}
		if (text.n < 2 || pct_hex(text.p[0]) < 0 ||
		    pct_hex(text.p[1]) < 0)
			return "not hexadecimal";
		p[n++] = (uint8_t)(pct_hex(text.p[0]) << 4 |
		    pct_hex(text.p[1]));
		text = behind(text, 2);
	}
	*out = span_make(p, n);
	return NULL;
}

/* "..." with escapes; *TEXT is behind the first quote, and then behind the
 * second. */
static const char *
read_quoted(struct span *text, uint8_t *out, size_t *n)
{
	struct span s = *text;

	*n = 0;
	while (s.n > 0 && s.p[0] != '"') {
		uint8_t c = s.p[0];

		if (c == '\\' && s.n >= 4 && s.p[1] == 'x' &&
		    pct_hex(s.p[2]) >= 0 && pct_hex(s.p[3]) >= 0) {
			c = (uint8_t)(pct_hex(s.p[2]) << 4 | pct_hex(s.p[3]));
			s = behind(s, 3);
		} else if (c == '\\' && s.n >= 2) {
			c = s.p[1];
			s = behind(s, 1);
		}
		out[(*n)++] = c;
		s = behind(s, 1);
	}
	*text = behind(s, s.n > 0);
	return s.n > 0 ? NULL : "no quote at the end";
}

/* [COUNTx]"...", moving *TEXT behind it */
static const char *
read_run(struct span *text, struct arena *a, struct span *out)
{
	struct span s = *text;
	uint64_t times = 1;
	const char *why;
	uint8_t *p;
	size_t n = 0, len;

	while (n < s.n && s.p[n] != '"')
		n++;
	if (n > 0 && (s.p[n - 1] != 'x' ||
			 !parse_u64(span_make(s.p, n - 1), &times) ||
			 times > TEXT_MESSAGE))
		return "not a text";
	p = arena_alloc(a, (s.n - n) * (times + 1));
	if (p == NULL || n == s.n)
		return "not a text";
	*text = behind(s, n + 1);
	why = read_quoted(text, p, &len);
	for (uint64_t i = 1; why == NULL && i < times; i++)
		memcpy(p + i * len, p, len);
	*out = span_make(p, len * times);
	return why;
}

/* Runs with + between them. */
static const char *
read_string(struct span s, struct arena *a, struct span *out)
{
	const char *why = read_run(&s, a, out);

	while (why == NULL && s.n > 0) {
		struct span run, before = *out;
		uint8_t *p;

		if (s.p[0] != '+')
			return "not a text";
		s = behind(s, 1);
		why = read_run(&s, a, &run);
		p = why == NULL ? arena_alloc(a, before.n + run.n) : NULL;
		if (p == NULL)
			return why != NULL ? why : "too long";
		memcpy(p, before.p, before.n);
		memcpy(p + before.n, run.p, run.n);
		*out = span_make(p, before.n + run.n);
	}
	return why;
}

/* NUM/M/SIZE */
static const char *
read_block(struct span s, uint64_t *v)
{
	struct coap_block b = { 0 };
	unsigned num, more, size;
	char text[32];

	snprintf(text, sizeof(text), "%.*s", (int)s.n, (const char *)s.p);
	if (sscanf(text, "%u/%u/%u", &num, &more, &size) != 3 || more > 1)
		return "not a block";
	b.num = num;
	b.more = more == 1;
	while (b.szx < COAP_SZX_RESERVED && coap_block_size(&b) < size)
		b.szx++;
	*v = coap_block_value(&b);
	return b.szx == COAP_SZX_RESERVED || coap_block_size(&b) == size ?
	    NULL : "not a block size";
}

static const char *
read_uint(const struct coap_opt_def *def, struct span s, struct arena *a,
    struct span *out)
{
	uint8_t octets[8];
	struct writer w = writer_make(octets, sizeof(octets));
	struct coap_optw o = coap_optw(&w);
	const char *why = NULL;
	uint64_t v;

	if (def->number == COAP_OPT_BLOCK1 || def->number == COAP_OPT_BLOCK2)
		why = read_block(s, &v);
	else if (!parse_u64(s, &v) || v > UINT32_MAX)
		why = "not a number";
	if (why != NULL)
		return why;
	/* Number 0 has a header of one octet. */
	coap_put_uint(&o, 0, (uint32_t)v);
	return arena_dup(a, behind(writer_span(&w), 1), out) ? NULL :
							       "too long";
}

/* DEF may be NULL. */
static const char *
read_octets(const struct coap_opt_def *def, struct span s, struct arena *a,
    struct span *out)
{
	if (begins(s, "0x"))
		return text_hex(behind(s, 2), a, out);
	if (s.n > 0 && s.p[s.n - 1] == '"')
		return read_string(s, a, out);
	if (def != NULL && def->format == COAP_F_UINT)
		return read_uint(def, s, a, out);
	return text_hex(s, a, out);
}

static const char *
read_value(const struct coap_opt_def *def, struct span s, struct arena *a,
    struct text_value *out)
{
	out->kind = TEXT_VALUE;
	if (span_eq(s, SPAN_LIT("*"))) {
		out->kind = TEXT_ANY;
		return NULL;
	}
	if (begins(s, "$") || begins(s, "!$") || begins(s, ">$")) {
		out->kind = s.p[0] == '$' ? TEXT_VAR :
		    s.p[0] == '!' ? TEXT_NOT_VAR : TEXT_NEWER;
		return arena_dup(a, behind(s, s.p[0] == '$' ? 1 : 2),
			   &out->v) ? NULL : "too long";
	}
	return read_octets(def, s, a, &out->v);
}

static bool
option_number(struct span name, uint16_t *number)
{
	const struct coap_opt_def *def;
	uint64_t v;

	if (begins(name, "opt") && parse_u64(behind(name, 3), &v) &&
	    v <= UINT16_MAX) {
		*number = (uint16_t)v;
		return true;
	}
	for (size_t i = 0; (def = coap_opt_row(i)) != NULL; i++) {
		if (span_eq(span_str(def->name), name)) {
			*number = def->number;
			return true;
		}
	}
	return false;
}

static const char *
read_field(struct text_msg *m, struct span name, struct span value,
    struct arena *a)
{
	struct text_opt *o = &m->opt[m->nopt];

	if (span_eq(name, SPAN_LIT("mid")))
		return read_value(NULL, value, a, &m->mid);
	if (span_eq(name, SPAN_LIT("token")))
		return read_value(NULL, value, a, &m->token);
	if (span_eq(name, SPAN_LIT("payload")))
		return read_value(NULL, value, a, &m->payload);
	if (!option_number(name, &o->number))
		return "no such option";
	if (m->nopt == TEXT_OPTS - 1)
		return "too many options";
	if (m->nopt > 0 && o[-1].number > o->number)
		return "options must ascend";
	m->nopt++;
	return read_value(coap_opt(o->number), value, a, &o->value);
}

static bool
read_type(struct span word, uint8_t *type)
{
	static const char *const types[] = { "CON", "NON", "ACK", "RST" };

	for (uint8_t i = 0; i < 4; i++) {
		if (span_eq(word, span_str(types[i]))) {
			*type = i;
			return true;
		}
	}
	return false;
}

const char *
text_parse(struct text_msg *m, struct span *line, const char *stop,
    struct arena *a)
{
	struct span word = text_word(line), rest = *line;
	const char *why = NULL;

	*m = (struct text_msg){ 0 };
	if (!read_type(word, &m->type))
		return "not CON, NON, ACK or RST";
	if (coap_code_parse(text_word(&rest), &m->code))
		*line = rest;
	while (why == NULL) {
		size_t n = 0;

		rest = *line;
		word = text_word(&rest);
		if (word.n == 0 || span_eq(word, span_str(stop)))
			return NULL;
		while (n < word.n && word.p[n] != '=')
			n++;
		why = read_field(m, span_make(word.p, n),
		    n < word.n ? behind(word, n + 1) : behind(word, n), a);
		*line = rest;
	}
	return why;
}

/* ---- variables ---- */

const struct span *
text_var(const struct text_vars *vars, struct span name)
{
	for (size_t i = 0; i < vars->n; i++)
		if (span_eq(vars->var[i].name, name))
			return &vars->var[i].v;
	return NULL;
}

static bool
remember(struct text_vars *vars, struct span name, struct span v,
    struct arena *a)
{
	struct text_var *var = &vars->var[vars->n];

	if (vars->n == TEXT_VARS || !arena_dup(a, v, &var->v))
		return false;
	var->name = name;
	vars->n++;
	return true;
}

bool
text_set_uint(struct text_vars *vars, struct span name, uint32_t v,
    struct arena *a)
{
	uint8_t octets[8];
	struct writer w = writer_make(octets, sizeof(octets));
	struct coap_optw o = coap_optw(&w);
	struct span value;

	/* Number 0 has a header of one octet. */
	coap_put_uint(&o, 0, v);
	value = behind(writer_span(&w), 1);
	for (size_t i = 0; i < vars->n; i++)
		if (span_eq(vars->var[i].name, name))
			return arena_dup(a, value, &vars->var[i].v);
	return remember(vars, name, value, a);
}

/* Whether GOT is a number newer than the variable NAME, which it becomes. */
static bool
newer(struct text_vars *vars, struct span name, struct span got,
    struct arena *a)
{
	enum { MASK = 0xffffff, HALF = 0x800000 };
	const struct span *var = text_var(vars, name);
	uint32_t v = coap_uint(got), ahead;

	/* In as few octets as possible. */
	if (got.n > 3 || (got.n > 0 && got.p[0] == 0))
		return false;
	if (var != NULL) {
		ahead = (v - coap_uint(*var)) & MASK;
		if (ahead == 0 || ahead >= HALF)
			return false;
	}
	return text_set_uint(vars, name, v, a);
}

/* The octets of V; false when it does not say. */
static bool
value_of(const struct text_value *v, const struct text_vars *vars,
    struct span *out)
{
	const struct span *var;

	*out = v->v;
	if (v->kind != TEXT_VAR)
		return v->kind == TEXT_VALUE;
	var = text_var(vars, v->v);
	if (var != NULL)
		*out = *var;
	return var != NULL;
}

/* ---- octets ---- */

size_t
text_emit(const struct text_msg *m, const struct text_vars *vars, uint8_t *out,
    size_t cap)
{
	uint8_t space[TEXT_MESSAGE];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_head h = { .type = m->type, .code = m->code };
	struct span mid, value, payload = SPAN_LIT("");

	if (!value_of(&m->mid, vars, &mid) || mid.n != 2 ||
	    !value_of(&m->token, vars, &h.token))
		return 0;
	h.mid = (uint16_t)(mid.p[0] << 8 | mid.p[1]);
	for (size_t i = 0; i < m->nopt; i++) {
		if (!value_of(&m->opt[i].value, vars, &value))
			return 0;
		coap_put_opt(&o, m->opt[i].number, value);
	}
	if (m->payload.kind != TEXT_NONE &&
	    !value_of(&m->payload, vars, &payload))
		return 0;
	return w.full ? 0 : coap_emit(out, cap, &h, writer_span(&w), payload);
}

static bool
match_value(const struct text_value *want, struct text_vars *vars,
    struct span got, struct arena *a)
{
	const struct span *var;

	switch (want->kind) {
	case TEXT_NONE:
		return got.n == 0;
	case TEXT_VALUE:
		return span_eq(want->v, got);
	case TEXT_ANY:
		return true;
	case TEXT_VAR:
		var = text_var(vars, want->v);
		return var != NULL ? span_eq(*var, got) :
				     remember(vars, want->v, got, a);
	case TEXT_NOT_VAR:
		var = text_var(vars, want->v);
		return var != NULL && !span_eq(*var, got);
	case TEXT_NEWER:
		return newer(vars, want->v, got, a);
	}
	return false;
}

/* Whether what begins at IT are the options of M, in the shortest encoding. */
static bool
match_options(const struct text_msg *m, struct text_vars *vars,
    const struct coap_msg *got, struct arena *a)
{
	uint8_t space[TEXT_MESSAGE];
	struct writer w = writer_make(space, sizeof(space));
	struct coap_optw o = coap_optw(&w);
	struct coap_opt_iter it;
	size_t n = 0;

	coap_opts(&it, got);
	while (coap_opts_next(&it)) {
		if (n == m->nopt || m->opt[n].number != it.number ||
		    !match_value(&m->opt[n].value, vars, it.value, a))
			return false;
		coap_put_opt(&o, it.number, it.value);
		n++;
	}
	return n == m->nopt && span_eq(writer_span(&w), got->opts);
}

bool
text_match(const struct text_msg *m, struct text_vars *vars,
    struct span datagram, struct arena *a)
{
	struct span mid = span_make(datagram.p + 2, 2), payload;
	struct coap_msg got;
	const uint8_t *end;

	if (coap_parse(&got, datagram) != COAP_PARSE_OK ||
	    got.type != m->type || got.code != m->code)
		return false;
	/* The payload as sent, also where it has no meaning. */
	end = got.opts.p + got.opts.n;
	payload = behind(datagram, (size_t)(end - datagram.p));
	if (payload.n > 0)
		payload = behind(payload, 1);
	return match_value(&m->mid, vars, mid, a) &&
	    match_value(&m->token, vars, got.token, a) &&
	    match_options(m, vars, &got, a) &&
	    match_value(&m->payload, vars, payload, a);
}
