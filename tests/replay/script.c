/*
 * script: reads steps and does them.
 *
 * One table of verbs; a line that begins with none of them is about an
 * endpoint, and what follows its name says what happens to it.
 */
#include "script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"
#include "base/xalloc.h"

enum { DRAIN_MS = 600000 };

bool
script_fail(struct script *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return false;
}

/* ---- endpoints ---- */

/* C and C1 are one, and so on; each kind has a network of its own. */
static bool
default_addr(struct span name, struct addr *a)
{
	static const struct {
		char kind;
		const char *net;
		uint16_t port;
	} kinds[] = {
		{ 'C', "192.0.2.10", 40000 },
		{ 'S', "198.51.100.", 5683 },
		{ 'P', "192.0.2.", 5683 },
	};
	uint64_t n = 1;
	char text[32];

	if (name.n > 1 &&
	    !parse_u64(span_make(name.p + 1, name.n - 1), &n))
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (name.n == 0 || name.p[0] != (uint8_t)kinds[i].kind)
			continue;
		snprintf(text, sizeof(text), "%s%u", kinds[i].net,
		    (unsigned)n);
		if (!addr_parse_ip(a, span_str(text), false))
			return false;
		a->port = kinds[i].port;
		if (kinds[i].kind == 'C')
			a->port = (uint16_t)(a->port + n);
		return true;
	}
	return false;
}

static struct endpoint *
end_new(struct script *s, struct span name)
{
	struct endpoint *e = &s->ends[s->nends];

	if (s->nends == SCRIPT_ENDPOINTS ||
	    !arena_dup(&s->arena, name, &e->name))
		return NULL;
	list_init(&e->inbox);
	list_init(&e->seen);
	s->nends++;
	return e;
}

struct endpoint *
script_endpoint(struct script *s, struct span name)
{
	struct endpoint *e;
	struct addr a;

	for (size_t i = 0; i < s->nends; i++)
		if (span_eq(s->ends[i].name, name))
			return &s->ends[i];
	if (!default_addr(name, &a))
		return NULL;
	e = end_new(s, name);
	if (e != NULL)
		e->addr = a;
	return e;
}

/* "192.0.2.1:5683", "[2001:db8::1]:5683" */
static bool
read_addr(struct span s, struct addr *a)
{
	struct span ip;
	uint64_t port;
	size_t n = s.n;

	while (n > 0 && s.p[n - 1] != ':')
		n--;
	if (n == 0 || !parse_u64(span_make(s.p + n, s.n - n), &port) ||
	    port > UINT16_MAX)
		return false;
	ip = span_make(s.p, n - 1);
	if (ip.n > 2 && ip.p[0] == '[')
		ip = span_make(ip.p + 1, ip.n - 2);
	if (!addr_parse_ip(a, ip, true))
		return false;
	a->port = (uint16_t)port;
	return true;
}

/* ---- time ---- */

/* 500ms, or 3*$t */
static bool
read_moment(const struct script *s, struct span word, uint64_t *ms)
{
	const struct span *var;
	uint64_t times = 1;
	size_t n = 0;

	if (parse_duration(word, ms))
		return true;
	while (n < word.n && word.p[n] != '$')
		n++;
	if (n == word.n ||
	    (n > 0 && (word.p[n - 1] != '*' ||
			  !parse_u64(span_make(word.p, n - 1), &times))))
		return false;
	var = text_var(&s->vars, span_make(word.p + n + 1, word.n - n - 1));
	if (var == NULL || !parse_u64(*var, ms))
		return false;
	*ms *= times;
	return true;
}

bool
script_time(const struct script *s, struct span word, uint64_t *min,
    uint64_t *max)
{
	for (size_t i = 0; i + 1 < word.n; i++) {
		if (word.p[i] != '.' || word.p[i + 1] != '.')
			continue;
		return read_moment(s, span_make(word.p, i), min) &&
		    read_moment(s,
			span_make(word.p + i + 2, word.n - i - 2), max);
	}
	if (!read_moment(s, word, min))
		return false;
	*max = *min;
	return true;
}

/* ---- steps that are not about an endpoint ---- */

static bool
step_at(struct script *s, struct span line)
{
	struct span name = text_word(&line);
	struct endpoint *e = script_endpoint(s, name);

	struct span word = text_word(&line);

	if (e == NULL)
		e = end_new(s, name);
	if (e != NULL && span_eq(word, SPAN_LIT("next"))) {
		e->addr.port++;
		return true;
	}
	if (e == NULL || !read_addr(word, &e->addr))
		return script_fail(s, "expected: at NAME ADDRESS");
	return true;
}

static bool
step_name(struct script *s, struct span line)
{
	struct span host = text_word(&line), word;
	enum world_name how = WORLD_NAME_OK;
	struct addr v[RESOLVE_MAX_ADDRS];
	size_t n = 0;

	if (!span_eq(text_word(&line), SPAN_LIT("is")))
		return script_fail(s, "expected: name HOST is ...");
	while ((word = text_word(&line)).n > 0) {
		if (span_eq(word, SPAN_LIT("cached")))
			how = WORLD_NAME_CACHED;
		else if (span_eq(word, SPAN_LIT("nowhere")))
			how = WORLD_NAME_NOWHERE;
		else if (span_eq(word, SPAN_LIT("silent")))
			how = WORLD_NAME_SILENT;
		else if (n == RESOLVE_MAX_ADDRS ||
		    !addr_parse_ip(&v[n++], word, false))
			return script_fail(s, "not an address");
	}
	world_name(&s->world, host, how, v, n);
	return true;
}

static bool
step_pass(struct script *s, struct span line)
{
	uint64_t min, max;

	if (!script_time(s, text_word(&line), &min, &max))
		return script_fail(s, "expected: pass TIME");
	return script_pass(s, max);
}

static bool
step_stop(struct script *s, struct span line)
{
	uint64_t min, max;

	if (!script_time(s, text_word(&line), &min, &max))
		return script_fail(s, "expected: stop TIME");
	world_stop(&s->world, max);
	return script_collect(s);
}

static bool
step_drain(struct script *s, struct span line)
{
	(void)line;
	proxy_drain(s->world.proxy);
	world_stop(&s->world, 0);
	return script_collect(s);
}

static bool
step_unfinished(struct script *s, struct span line)
{
	(void)line;
	s->unfinished = true;
	return true;
}

static bool
step_nothing(struct script *s, struct span line)
{
	return script_nothing(s, NULL, line);
}

static bool
step_count(struct script *s, struct span line)
{
	const struct proxy_stats *p = proxy_stats(s->world.proxy);
	const struct dgram_stats *down =
	    dgram_stats(server_dgram(s->world.server));
	const struct dgram_stats *up =
	    dgram_stats(client_dgram(s->world.client));
	const struct flow_stats *flow = client_flow_stats(s->world.client);
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{ "fetches", p->fetches },
		{ "lookups", s->world.lookups },
		{ "relayed", p->relayed },
		{ "refused", p->refused },
		{ "hop-limit", p->hop_limit },
		{ "full", p->full },
		{ "local", p->local },
		{ "held-back", p->held_back },
		{ "logged", p->logged },
		{ "unlogged", p->unlogged },
		{ "too-large", p->too_large },
		{ "hits", p->hits },
		{ "misses", p->misses },
		{ "validated", p->validated },
		{ "joined", p->joined },
		{ "suppressed", p->suppressed },
		{ "timeouts", p->timeouts },
		{ "lists", p->lists },
		{ "lists-failed", p->lists_failed },
		{ "challenges", p->challenges },
		{ "confirmed", p->confirmed },
		{ "echo-invalid", p->echo_invalid },
		{ "cut", p->cut },
		{ "withheld", p->withheld },
		{ "observers-parted", p->observers_parted },
		{ "pings", down->rx_pings },
		{ "malformed", down->rx_malformed },
		{ "down-retransmissions", down->retransmissions },
		{ "up-retransmissions", up->retransmissions },
		{ "up-unexpected", up->rx_unexpected },
		{ "refused-flow", flow->refused },
	};
	struct span name = text_word(&line);
	uint64_t want;

	if (!parse_u64(text_word(&line), &want))
		return script_fail(s, "expected: count NAME N");
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		if (!span_eq(name, span_str(counters[i].name)))
			continue;
		return counters[i].value == want ||
		    script_fail(s, "it is %llu",
			(unsigned long long)counters[i].value);
	}
	return script_fail(s, "no such counter");
}

static bool
step_log(struct script *s, struct span line)
{
	struct logged *l = world_logged(&s->world);
	bool ok;

	while (line.n > 0 && line.p[0] == ' ')
		line = span_make(line.p + 1, line.n - 1);
	if (l == NULL)
		return script_fail(s, "no line was written");
	ok = span_eq(span_make(l->text, l->n), line);
	if (!ok)
		script_fail(s, "it is: %.*s", (int)l->n, l->text);
	free(l);
	return ok;
}

static const struct verb {
	const char *name;
	bool (*run)(struct script *, struct span);
} verbs[] = {
	{ "at", step_at },
	{ "name", step_name },
	{ "pass", step_pass },
	{ "stop", step_stop },
	{ "drain", step_drain },
	{ "unfinished", step_unfinished },
	{ "nothing", step_nothing },
	{ "count", step_count },
	{ "log", step_log },
};

/* ---- steps about an endpoint ---- */

static bool
kernel_error(struct script *s, struct endpoint *e, struct span word)
{
	int err;

	if (span_eq(word, SPAN_LIT("refused")))
		err = ECONNREFUSED;
	else if (span_eq(word, SPAN_LIT("unreachable")))
		err = EHOSTUNREACH;
	else if (span_eq(word, SPAN_LIT("size")))
		err = EMSGSIZE;
	else
		return script_fail(s, "expected: refused, unreachable, size");
	world_error(&s->world, &e->addr, err);
	return script_collect(s);
}

/* The whole way back, in the types of the requests. */
static bool
end_to_end(struct script *s, struct endpoint *origin, struct endpoint *client)
{
	bool con = (client->sent.octets[0] >> 4 & 3) == COAP_CON;

	if (client->sent.n == 0)
		return script_fail(s, "the client has not asked");
	return script_send(s, origin,
		   con ? SPAN_LIT("ACK 2.05") : SPAN_LIT("NON 2.05")) &&
	    script_expect(s, client,
		con ? SPAN_LIT("ACK 2.05") : SPAN_LIT("NON 2.05"));
}

/* "C" or "C/P2" */
static struct endpoint *
read_end(struct script *s, struct span word)
{
	struct endpoint *e, *via;
	size_t n = 0;

	while (n < word.n && word.p[n] != '/')
		n++;
	e = script_endpoint(s, span_make(word.p, n));
	if (e == NULL || n == word.n)
		return e;
	via = script_endpoint(s, span_make(word.p + n + 1, word.n - n - 1));
	if (via == NULL)
		return NULL;
	e->peer = via->addr;
	return e;
}

static bool
step_endpoint(struct script *s, struct span name, struct span line)
{
	struct endpoint *e = read_end(s, name), *other;
	struct span verb = text_word(&line), rest = line;

	if (e == NULL)
		return script_fail(s, "no such step");
	if (span_eq(verb, SPAN_LIT(">")))
		return script_send(s, e, line);
	if (span_eq(verb, SPAN_LIT("!")))
		return kernel_error(s, e, text_word(&line));
	if (span_eq(verb, SPAN_LIT("answers"))) {
		other = read_end(s, text_word(&line));
		return other != NULL ? end_to_end(s, e, other) :
				       script_fail(s, "answers whom?");
	}
	if (!span_eq(verb, SPAN_LIT("<")))
		return script_fail(s, "expected: > < ! or answers");
	if (span_eq(text_word(&rest), SPAN_LIT("nothing")))
		return script_nothing(s, e, rest);
	return script_expect(s, e, line);
}

bool
script_step(struct script *s, struct span line)
{
	struct span rest = line, word = text_word(&rest);

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (span_eq(word, span_str(verbs[i].name)))
			return verbs[i].run(s, rest);
	return step_endpoint(s, word, rest);
}

/* ---- the end ---- */

/* Copies of what an endpoint has had are no surprise: it has stopped answering,
 * and whoever sent them does not know. */
static bool
only_copies(struct endpoint *e)
{
	struct list *it, *tmp, *jt, *jtmp;

	LIST_FOREACH_SAFE (it, tmp, &e->inbox) {
		struct packet *p = CONTAINER_OF(it, struct packet, link);
		bool copy = false;

		LIST_FOREACH_SAFE (jt, jtmp, &e->seen) {
			struct packet *q =
			    CONTAINER_OF(jt, struct packet, link);

			copy = copy || (p->n == q->n &&
			    memcmp(p->octets, q->octets, p->n) == 0);
		}
		if (!copy)
			return false;
		list_del(it);
		free(p);
	}
	return true;
}

bool
script_end(struct script *s)
{
	if (!script_collect(s) || !script_nothing(s, NULL, SPAN_LIT("")))
		return false;
	if (s->unfinished)
		return true;
	if (!script_pass(s, DRAIN_MS))
		return false;
	for (size_t i = 0; i < s->nends; i++)
		if (!only_copies(&s->ends[i]))
			return script_nothing(s, &s->ends[i], SPAN_LIT(""));
	if (!list_empty(&s->world.lines))
		return step_log(s, SPAN_LIT(""));
	return world_idle(&s->world) ||
	    script_fail(s, "%s", s->world.why);
}
