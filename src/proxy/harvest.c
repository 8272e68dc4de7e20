/*
 * harvest: ask, collect, ask again.
 *
 *	harvest_start -> ask -> response_cb -> take_block -> ask ...
 *	                                                  -> over -> h->done
 *	                     -> failed_cb ----------------> over
 */
#include "proxy/harvest.h"

#include "proxy/core.h"

enum {
	SZX_1024 = 6,
	CF_LINK_FORMAT = 40,
	DEFAULT_MAX_AGE = 60,	/* RFC 7252 5.10.5 */
	REQUEST_OPTS_MAX = 300,	/* Uri-Host, path, Block2 */
};

void
harvest_init(struct harvest *h, struct proxy *p, struct proxy_conf *conf,
    const struct rule *rule, harvest_fn done)
{
	*h = (struct harvest){ .proxy = p, .conf = conf, .rule = rule,
		.done = done };
}

static void
over(struct harvest *h, const char *why, uint64_t now)
{
	struct collect c = h->collect;

	/* Out of H, which may be started again. */
	h->collect = (struct collect){ .body = NULL };
	h->done(h, span_make(c.body, c.len), why, now);
	collect_fini(&c);
}

/* ---- asking ---- */

/* The Uri-Host that the origin gets: with "keep" what a client of this rule
 * would have sent, as far as that is one name. */
static struct span
uri_host(const struct rule *rule)
{
	switch (rule->send_host) {
	case SEND_HOST_KEEP:
		if (rule->nhost > 0 && !rule->host[0].sub &&
		    !rule->host[0].literal)
			return rule->host[0].name;
		break;
	case SEND_HOST_TARGET:
		if (!rule->to.host.literal)
			return rule->to.host.text;
		break;
	case SEND_HOST_NONE:
		break;
	case SEND_HOST_NAME:
		return rule->send_host_name;
	}
	return SPAN_LIT("");
}

/* The first request is without Block2: an origin need not know it. */
static void
put_request(const struct harvest *h, struct writer *w)
{
	struct coap_optw opts = coap_optw(w);
	struct span host = uri_host(h->rule);

	if (host.n > 0)
		coap_put_opt(&opts, COAP_OPT_URI_HOST, host);
	coap_put_opt(&opts, COAP_OPT_URI_PATH, SPAN_LIT(".well-known"));
	coap_put_opt(&opts, COAP_OPT_URI_PATH, SPAN_LIT("core"));
	if (h->collect.ask.num > 0)
		coap_put_uint(&opts, COAP_OPT_BLOCK2,
		    coap_block_value(&h->collect.ask));
}

static bool response_cb(void *user, const struct coap_msg *m, uint64_t now);
static void failed_cb(void *user, enum fetch_fail why, uint64_t now);

static const struct fetch_ops harvest_fetch_ops = {
	.response = response_cb,
	.failed = failed_cb,
};

/* Asks for the next block. NULL, or why that cannot be. */
static const char *
ask(struct harvest *h)
{
	const struct rule *rule = h->rule;
	const struct route route = {
		.conf = h->conf,
		.rule = rule,
		.uri = rule->to,
		.hop = rule->to,
		.confirmable = rule->confirmable,
		.nstart = rule->nstart,
		.timeout_ms = rule->timeout_ms,
	};
	uint8_t opts[REQUEST_OPTS_MAX];
	struct writer w = writer_make(opts, sizeof(opts));
	enum fetch_fail why;
	struct fetch *f = fetch_new(h->proxy, &route);

	if (f == NULL)
		return failure_text(FETCH_BUSY);
	put_request(h, &w);
	f->ops = &harvest_fetch_ops;
	f->user = h;
	f->type = rule->confirmable == CONFIRMABLE_NEVER ? COAP_NON : COAP_CON;
	f->code = COAP_GET;
	f->opts = writer_span(&w);
	if (!fetch_start(h->proxy, f, h->deadline, &why))
		return failure_text(why);
	h->fetch = f;
	return NULL;
}

const char *
harvest_start(struct harvest *h, size_t max, uint64_t now)
{
	h->again = false;
	h->deadline = now + h->rule->timeout_ms;
	h->until = TIMER_NEVER;
	collect_init(&h->collect, max, SZX_1024);
	return ask(h);
}

void
harvest_cancel(struct harvest *h)
{
	struct proxy *p = h->proxy;

	if (h->fetch != NULL) {
		p->up->cancel(p->up_self, h->fetch);
		fetch_free(p, h->fetch);
		h->fetch = NULL;
	}
	collect_fini(&h->collect);
}

/* ---- what comes back ---- */

static void
go_on(struct harvest *h, uint64_t now)
{
	const char *why = ask(h);

	if (why != NULL)
		over(h, why, now);
}

/* A list may change while it is being fetched; one that does so all the time
 * cannot be. */
static void
begin_again(struct harvest *h, const char *why, uint64_t now)
{
	if (h->again) {
		over(h, why, now);
		return;
	}
	h->again = true;
	h->until = TIMER_NEVER;
	collect_reset(&h->collect, SZX_1024);
	go_on(h, now);
}

static void
note_max_age(struct harvest *h, const struct coap_msg *m, uint64_t now)
{
	uint32_t age = DEFAULT_MAX_AGE;

	coap_get_uint(m, COAP_OPT_MAX_AGE, &age);
	if (now + (uint64_t)age * 1000 < h->until)
		h->until = now + (uint64_t)age * 1000;
}

static void
take_block(struct harvest *h, const struct coap_msg *m, uint64_t now)
{
	struct collect *c = &h->collect;

	note_max_age(h, m, now);
	switch (collect_feed(c, m)) {
	case COLLECT_ASK:
		go_on(h, now);
		return;
	case COLLECT_DONE:
		over(h, NULL, now);
		return;
	case COLLECT_FAILED:
		break;
	}
	if (c->why == COLLECT_CHANGED)
		begin_again(h, collect_fail_str(c->why), now);
	else
		over(h, collect_fail_str(c->why), now);
}

/* Without Content-Format it may be a list; its reader will see. */
static bool
is_list(const struct coap_msg *m)
{
	uint32_t format = CF_LINK_FORMAT;

	coap_get_uint(m, COAP_OPT_CONTENT_FORMAT, &format);
	return m->code == COAP_205 && format == CF_LINK_FORMAT;
}

static bool
response_cb(void *user, const struct coap_msg *m, uint64_t now)
{
	struct harvest *h = user;

	h->fetch = NULL;
	/* The response ends here, so what is critical must be understood here
	 * (RFC 7252 5.4.1). */
	if (m->unknown_critical != 0) {
		over(h, "critical option", now);
		return false;
	}
	if (is_list(m))
		take_block(h, m, now);
	else if (h->collect.begun)
		begin_again(h, "gone between blocks", now);
	else
		over(h, "not link-format", now);
	return true;
}

static void
failed_cb(void *user, enum fetch_fail why, uint64_t now)
{
	struct harvest *h = user;

	h->fetch = NULL;
	over(h, failure_text(why), now);
}
