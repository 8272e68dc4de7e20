/*
 * value: the types that are not places, and what to say about a bad value.
 *
 * Where only a few words can stand they are a table, from which the error also
 * takes its recommendation.
 */
#include "conf/value.h"

#include <stdio.h>

#include "base/parse.h"
#include "conf/loaded.h"

const char value_not[] = "not";
const char value_range[] = "range";
const char value_later[] = "is not supported by this build";
const char value_reported[] = "reported";

/* Index of WORD in the table W, or -1. */
static int
word_index(const char *const *w, struct span word)
{
	for (int i = 0; w[i] != NULL; i++)
		if (span_eq(word, span_str(w[i])))
			return i;
	return -1;
}

static const char *
read_bool(const struct value_at *at, struct span word, void *out)
{
	(void)at;
	return parse_bool(word, out) ? NULL : value_not;
}

static bool
in_range(const struct value_at *at, uint64_t v)
{
	return v >= at->key->lo && v <= at->key->hi;
}

static const char *
read_count(const struct value_at *at, struct span word, void *out)
{
	unsigned *p = out;
	uint64_t v;

	if (!parse_u64(word, &v))
		return value_not;
	if (!in_range(at, v))
		return value_range;
	*p = (unsigned)v;
	return NULL;
}

static const char *
read_size(const struct value_at *at, struct span word, void *out)
{
	size_t *p = out;
	uint64_t v;

	if (!parse_size(word, &v))
		return value_not;
	if (!in_range(at, v) || v > SIZE_MAX)
		return value_range;
	*p = (size_t)v;
	return NULL;
}

static const char *const block_sizes[] = { "16", "32", "64", "128", "256",
	"512", "1024", NULL };

/* As its exponent. */
static const char *
read_block_size(const struct value_at *at, struct span word, void *out)
{
	uint8_t *szx = out;
	int i = word_index(block_sizes, word);

	(void)at;
	if (i < 0)
		return value_not;
	*szx = (uint8_t)i;
	return NULL;
}

/* 0 is "auto". */
static const char *
read_nstart(const struct value_at *at, struct span word, void *out)
{
	uint32_t *p = out;

	if (!span_eq(word, SPAN_LIT("auto")))
		return read_count(at, word, out);
	*p = 0;
	return NULL;
}

static const char *
read_duration(const struct value_at *at, struct span word, void *out)
{
	uint64_t *p = out;
	uint64_t v;

	if (!parse_duration(word, &v))
		return value_not;
	if (!in_range(at, v))
		return value_range;
	*p = v;
	return NULL;
}

/* Whole seconds. */
static const char *
read_seconds(const struct value_at *at, struct span word, void *out)
{
	uint32_t *p = out;
	uint64_t v = 0;
	const char *why = read_duration(at, word, &v);

	if (why != NULL)
		return why;
	*p = (uint32_t)(v / 1000);
	return v % 1000 == 0 ? NULL : "is not whole seconds";
}

static const char *
read_factor(const struct value_at *at, struct span word, void *out)
{
	uint32_t *p = out;
	uint32_t v;

	if (!parse_milli(word, &v))
		return value_not;
	if (!in_range(at, v))
		return value_range;
	*p = v;
	return NULL;
}

static const char *
read_name(const struct value_at *at, struct span word, void *out)
{
	const char **p = out;
	char *name;

	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] <= ' ' || word.p[i] == 0x7f)
			return value_not;
	if (word.n == 0 || word.n > 255)
		return value_not;
	name = doc_alloc(&at->l->doc, word.n + 1, 1);
	if (name == NULL)
		return value_reported;
	for (size_t i = 0; i < word.n; i++)
		name[i] = (char)span_lower(word.p[i]);
	*p = name;
	return NULL;
}

static const char *
read_methods(const struct value_at *at, struct span word, void *out)
{
	uint32_t *p = out;
	uint8_t code;

	(void)at;
	if (!coap_code_parse(word, &code) ||
	    coap_code_kind(code) != COAP_KIND_REQUEST)
		return value_not;
	*p |= UINT32_C(1) << code;
	return NULL;
}

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

static const char *
read_level(const struct value_at *at, struct span word, void *out)
{
	enum log_level *p = out;
	int i = word_index(levels, word);

	(void)at;
	if (i < 0)
		return value_not;
	*p = (enum log_level)i;
	return NULL;
}

static const char *
read_log_target(const struct value_at *at, struct span word, void *out)
{
	const char **p = out;

	if (span_eq(word, SPAN_LIT("stderr"))) {
		*p = NULL;
		return NULL;
	}
	if (word.n == 0 || word.p[0] != '/')
		return value_not;
	*p = doc_string(&at->l->doc, word);
	return NULL;
}

static const char *const accesses[] = { "off", "errors", "all", NULL };

/* One of so many: "1/100". */
static const char *
read_log_access(const struct value_at *at, struct span word, void *out)
{
	struct trail_conf *p = out;
	int i = word_index(accesses, word);
	uint64_t n;

	(void)at;
	*p = (struct trail_conf){ .which = TRAIL_ALL, .one_of = 1 };
	if (i >= 0) {
		p->which = (enum trail_which)i;
		return NULL;
	}
	if (word.n < 3 || memcmp(word.p, "1/", 2) != 0 ||
	    !parse_u64(span_make(word.p + 2, word.n - 2), &n))
		return value_not;
	if (n == 0 || n > UINT32_MAX)
		return "is not between 1/1 and 1/4294967295";
	p->one_of = (uint32_t)n;
	return NULL;
}

static const char *const formats[] = { "text", "logfmt", "json", NULL };

static const char *
read_log_format(const struct value_at *at, struct span word, void *out)
{
	enum log_format *p = out;
	int i = word_index(formats, word);

	(void)at;
	if (i < 0)
		return value_not;
	*p = (enum log_format)i;
	return NULL;
}

enum { SOCKET_MAX = 107 };	/* sun_path of unix(7), without its NUL */

static const char *
read_socket(const struct value_at *at, struct span word, void *out)
{
	const char **p = out;

	if (word.n == 0 || word.p[0] != '/')
		return value_not;
	if (word.n > SOCKET_MAX)
		return "is too long for a socket";
	*p = doc_string(&at->l->doc, word);
	return NULL;
}

static const char *const nstarts[] = { "auto", NULL };

static const char *const confirmables[] = { "as-client", "always", "never",
	NULL };

static const char *
read_confirmable(const struct value_at *at, struct span word, void *out)
{
	enum confirmable *p = out;
	int i = word_index(confirmables, word);

	(void)at;
	if (i < 0)
		return value_not;
	*p = (enum confirmable)i;
	return NULL;
}

static const char *const amplifications[] = { "off", "echo", "blocks", NULL };

static const char *
read_amplification(const struct value_at *at, struct span word, void *out)
{
	enum amplification *p = out;
	int i = word_index(amplifications, word);

	(void)at;
	if (i < 0)
		return value_not;
	*p = (enum amplification)i;
	return NULL;
}

static const char *const hops[] = { "origin", "proxy", NULL };

static const char *
read_as(const struct value_at *at, struct span word, void *out)
{
	bool *p = out;
	int i = word_index(hops, word);

	(void)at;
	if (i < 0)
		return value_not;
	*p = i == 1;
	return NULL;
}

static const char *const links[] = { "no", "rewrite", NULL };

static const char *
read_links(const struct value_at *at, struct span word, void *out)
{
	bool *p = out;
	int i = word_index(links, word);

	(void)at;
	if (i < 0)
		return value_not;
	*p = i == 1;
	return NULL;
}

static const char *const send_hosts[] = { "keep", "target", "none", NULL };

static const char *
read_send_host(const struct value_at *at, struct span word, void *out)
{
	struct rule *r = out;
	int i = word_index(send_hosts, word);
	uint8_t buf[COAP_HOST_MAX];
	struct coap_host h;
	const char *name;

	if (i >= 0) {
		r->send_host = (enum send_host)i;
		return NULL;
	}
	if (!coap_host_parse(&h, word, buf, false))
		return value_not;
	r->send_host = SEND_HOST_NAME;
	name = doc_string(&at->l->doc, h.text);
	if (name == NULL)
		return value_reported;
	r->send_host_name = span_str(name);
	return NULL;
}

/* CODE ["text"]. What is no answer by itself cannot be one: 2.03 and 2.31 take
 * part in something we have not begun. */
static const char *
read_reply(const struct value_at *at, struct span word, void *out)
{
	struct rule *r = out;
	const char *text;
	uint8_t code;

	if (at->word > 0) {
		text = doc_string(&at->l->doc, word);
		if (text == NULL)
			return value_reported;
		r->reply_text = span_str(text);
		return NULL;
	}
	if (!coap_code_parse(word, &code) || coap_code_class(code) < 2 ||
	    coap_code_kind(code) != COAP_KIND_RESPONSE ||
	    !coap_code_has_payload(code))
		return value_not;
	r->action = RULE_REPLY;
	r->reply_code = code;
	return NULL;
}

/* "50/s" */
static const char *
read_per_second(struct span word, struct rate *r)
{
	uint64_t v;

	if (span_eq(word, SPAN_LIT("off")))
		return NULL;
	if (word.n < 3 || memcmp(word.p + word.n - 2, "/s", 2) != 0 ||
	    !parse_u64(span_make(word.p, word.n - 2), &v))
		return value_not;
	if (v == 0 || v > 1000000)
		return value_not;
	r->per_second = r->burst = (uint32_t)v;
	return NULL;
}

static const char *
read_burst(struct span word, struct rate *r)
{
	uint64_t v;

	if (!parse_u64(word, &v) || v == 0 || v > 1000000)
		return value_not;
	r->burst = (uint32_t)v;
	return NULL;
}

/* off, or N/s [burst M] [per client]. */
static const char *
read_rate(const struct value_at *at, struct span word, void *out)
{
	struct rate *r = out;
	const char *before;

	if (at->word == 0)
		return read_per_second(word, r);
	before = at->setting->words.v[at->word - 1].text;
	if (at->word % 2 == 0)
		return strcmp(before, "burst") == 0 ? read_burst(word, r) :
		    span_eq(word, SPAN_LIT("client")) ? NULL : value_not;
	/* A keyword needs its argument, and "off" has none. */
	if (r->per_second == 0 || at->word + 1 == at->total)
		return value_not;
	if (at->word == 1 && span_eq(word, SPAN_LIT("burst")))
		return NULL;
	return span_eq(word, SPAN_LIT("per")) && at->word + 2 == at->total ?
	    NULL : value_not;
}

static const char *const bools[] = { "yes", "no", NULL };
static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "FETCH",
	"PATCH", "iPATCH", NULL };

const struct value_type
    value_bool = { .noun = "yes or no", .read = read_bool, .words = bools,
	.example = "yes or no" },
    value_count = { .noun = "a number", .read = read_count,
	.example = "for example 16" },
    value_nstart = { .noun = "a number", .read = read_nstart,
	.words = nstarts, .example = "auto, or for example 4" },
    value_block_size = { .noun = "a block size", .read = read_block_size,
	.words = block_sizes, .example = "16, 32, 64, ... or 1024" },
    value_size = { .noun = "a size", .read = read_size,
	.example = "for example 64K, 16M, 1G" },
    value_seconds = { .noun = "a duration", .read = read_seconds,
	.example = "for example 30s, 5m, 1h, 7d" },
    value_duration = { .noun = "a duration", .read = read_duration,
	.example = "for example 500ms, 20s, 5m, 1h" },
    value_factor = { .noun = "a factor", .read = read_factor,
	.example = "for example 1.5" },
    value_name = { .noun = "a name", .read = read_name,
	.example = "for example gw1, without blanks" },
    value_methods = { .noun = "a method", .read = read_methods,
	.words = methods, .example = "for example GET, FETCH" },
    value_level = { .noun = "a log level", .read = read_level,
	.words = levels, .example = "error, warn, info or debug" },
    value_log_target = { .noun = "a log target", .read = read_log_target,
	.example = "for example stderr, /var/log/coaproxy.log" },
    value_log_access = { .noun = "a choice of requests",
	.read = read_log_access, .words = accesses,
	.example = "off, errors, all, or for example 1/100" },
    value_log_format = { .noun = "a log format", .read = read_log_format,
	.words = formats, .example = "text, logfmt or json" },
    value_socket = { .noun = "the path of a socket", .read = read_socket,
	.example = "for example /run/coaproxy/control" },
    value_confirmable = { .noun = "a way to send requests",
	.read = read_confirmable, .words = confirmables,
	.example = "as-client, always or never" },
    value_amplification = { .noun = "an amplification limit",
	.read = read_amplification, .words = amplifications,
	.example = "echo, blocks or off" },
    value_as = { .noun = "a kind of next hop", .read = read_as, .words = hops,
	.example = "origin or proxy" },
    value_links = { .noun = "what to do with links", .read = read_links,
	.words = links, .example = "no or rewrite" },
    value_send_host = { .noun = "a host to send", .read = read_send_host,
	.words = send_hosts, .example = "keep, target, none or for example "
	"lamp.example" },
    value_reply = { .noun = "a response code", .read = read_reply, .max = 2,
	.example = "for example 4.04 \"no such host\"" },
    value_rate = { .noun = "a rate", .read = read_rate, .max = 5,
	.example = "for example off, 50/s, 50/s burst 100 per client" },
    value_include = { .noun = "a file",	/* read by conf/load.c */
	.example = "for example conf.d/*.conf" };

static const char *
suggest(const struct value_type *type, const char *word)
{
	for (size_t i = 0; type->words != NULL && type->words[i] != NULL; i++)
		if (one_typo(type->words[i], word))
			return type->words[i];
	return NULL;
}

static void
size_text(char out[32], unsigned long long v)
{
	static const char *const units[] = { "", "K", "M", "G" };
	size_t i = 0;

	while (v >= 1024 && v % 1024 == 0 && i < 3) {
		v /= 1024;
		i++;
	}
	snprintf(out, 32, "%llu%s", v, units[i]);
}

/* N as the key's own type would be written. */
static const char *
limit_text(char out[32], const struct value_type *type, uint64_t n)
{
	unsigned long long v = n;

	if (type == &value_factor)
		snprintf(out, 32, "%llu.%llu", v / 1000, v % 1000 / 100);
	else if (type == &value_size)
		size_text(out, v);
	else if (type != &value_duration && type != &value_seconds)
		snprintf(out, 32, "%llu", v);
	else if (v >= 1000)
		snprintf(out, 32, "%llus", v / 1000);
	else
		snprintf(out, 32, "%llu%s", v, v == 0 ? "" : "ms");
	return out;
}

void
value_complain(const struct value_at *at, const struct word *word,
    const char *why)
{
	const struct value_type *type = at->key->type;
	const char *shown = word->secret ? "****" : word->text;
	const char *better = suggest(type, word->text);
	struct conf_pos pos = at->setting->pos;
	struct report *r = &at->l->doc.report;
	char lo[32], hi[32];

	pos.col = word->col;
	if (why == value_reported)
		return;
	if (why == value_range)
		report_error(r, &pos, "'%s' is not between %s and %s", shown,
		    limit_text(lo, type, at->key->lo),
		    limit_text(hi, type, at->key->hi));
	else if (why != value_not)
		report_error(r, &pos, "'%s' %s", shown, why);
	else if (better != NULL && !word->secret)
		report_error(r, &pos, "'%s' is not %s; did you mean '%s'?",
		    shown, type->noun, better);
	else
		report_error(r, &pos, "'%s' is not %s; expected %s", shown,
		    type->noun, type->example);
}
