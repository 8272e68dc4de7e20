/*
 * local: /.well-known/core, and 4.04 for everything else.
 *
 * The list is written anew for each request through a window: only the octets
 * of the block asked for are kept, however long the list is, so its size needs
 * no limit and no memory.
 */
#include "proxy/local.h"

#include "coap/block.h"
#include "coap/emit.h"
#include "coap/pct.h"

enum { CF_LINK_FORMAT = 40, SZX_1024 = 6 };

/* Keeps what falls into [from, to) of what is written. */
struct window {
	uint64_t pos, from, to;
	struct writer *w;
};

static void
window_put(struct window *win, uint8_t c)
{
	if (win->pos >= win->from && win->pos < win->to)
		writer_u8(win->w, c);
	win->pos++;
}

static void
window_str(struct window *win, const char *s)
{
	while (*s != '\0')
		window_put(win, (uint8_t)*s++);
}

static void
window_segment(struct window *win, struct span s)
{
	uint8_t text[3 * 255];
	struct writer w = writer_make(text, sizeof(text));

	pct_put(&w, s, PCT_SEGMENT);
	for (size_t i = 0; i < writer_len(&w); i++)
		window_put(win, text[i]);
}

static void
window_link(struct window *win, const struct path *path)
{
	window_str(win, win->pos == 0 ? "<" : ",<");
	for (size_t i = 0; i < path->n; i++) {
		window_put(win, '/');
		window_segment(win, path->seg[i]);
	}
	if (path->n == 0)
		window_put(win, '/');
	window_put(win, '>');
}

/* Whether RULE is offered to whoever asked: conditions that do not depend on
 * the path hold, it leads somewhere, and the client may use it. */
static bool
offered(const struct rule *rule, const struct redirect_query *q)
{
	struct rule any_path = *rule;

	any_path.npath = 0;
	any_path.methods = 0;
	return rule->action == RULE_FORWARD && rule->npath > 0 &&
	    redirect_why_not(&any_path, q) == NULL &&
	    netlist_allows(&rule->allow_from, &rule->deny_from, q->client);
}

static void
write_links(struct window *win, const struct rules *rules,
    const struct redirect_query *q)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->v[i];

		if (!offered(rule, q))
			continue;
		for (size_t j = 0; j < rule->npath; j++)
			window_link(win, &rule->path[j]);
	}
}

static void
answer_core(struct reply *reply, const struct redirect_query *q,
    const struct rules *rules, struct span etag, uint8_t *scratch)
{
	struct writer opts = writer_make(scratch, 64);
	struct writer body = writer_make(scratch + 64, 1024);
	struct coap_optw o = coap_optw(&opts);
	struct coap_block b = { .szx = SZX_1024 };
	struct window win = { .w = &body };
	struct span v;
	bool asked = coap_get(q->msg, COAP_OPT_BLOCK2, &v);

	if (asked)
		b = coap_block_get(v);
	win.from = coap_block_offset(&b);
	win.to = win.from + coap_block_size(&b);
	write_links(&win, rules, q);
	if (win.from > 0 && win.from >= win.pos) {
		reply->code = COAP_400;		/* BLK-16 */
		return;
	}
	b.more = win.pos > win.to;
	coap_put_opt(&o, COAP_OPT_ETAG, etag);
	coap_put_uint(&o, COAP_OPT_CONTENT_FORMAT, CF_LINK_FORMAT);
	if (asked || b.more)
		coap_put_uint(&o, COAP_OPT_BLOCK2, coap_block_value(&b));
	*reply = (struct reply){ COAP_205, writer_span(&opts),
		writer_span(&body) };
}

static bool
is_core(const struct coap_msg *m)
{
	static const char *const want[] = { ".well-known", "core" };
	struct coap_opt_iter it;
	size_t n = 0;

	coap_opts(&it, m);
	while (coap_opts_next(&it)) {
		if (it.number != COAP_OPT_URI_PATH)
			continue;
		if (n == 2 || !span_eq(it.value, span_str(want[n])))
			return false;
		n++;
	}
	return n == 2;
}

bool
local_refuses(const struct coap_msg *m)
{
	return m->unknown_critical != 0 || coap_has(m, COAP_OPT_IF_MATCH) ||
	    coap_has(m, COAP_OPT_IF_NONE_MATCH) ||
	    coap_has(m, COAP_OPT_OSCORE) || coap_has(m, COAP_OPT_EDHOC);
}

/* RFC 7252 5.10.4. */
static bool
acceptable(const struct coap_msg *m)
{
	uint32_t format;

	return !coap_get_uint(m, COAP_OPT_ACCEPT, &format) ||
	    format == CF_LINK_FORMAT;
}

void
local_answer(struct reply *reply, const struct redirect_query *q,
    const struct rules *rules, struct span etag,
    uint8_t scratch[LOCAL_REPLY_MAX])
{
	*reply = (struct reply){ .code = COAP_404 };
	if (local_refuses(q->msg))
		reply->code = COAP_402;
	else if (!is_core(q->msg))
		return;
	else if (q->msg->code != COAP_GET)
		reply->code = COAP_405;
	else if (!acceptable(q->msg))
		reply->code = COAP_406;
	else
		answer_core(reply, q, rules, etag, scratch);
}
