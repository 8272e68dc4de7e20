/*
 * way: kept once for many.
 */
#include "proxy/way.h"

#include <stdlib.h>

#include "coap/emit.h"

enum {
	SEEN = 8,		/* ways looked at; there are seldom two */
	WORDS_MAX = 2048,
};

void
way_words(const struct coap_msg *m, struct writer *w)
{
	struct coap_optw out = coap_optw(w);
	struct coap_opt_iter it;

	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_URI_HOST ||
		    it.number == COAP_OPT_URI_PORT ||
		    it.number == COAP_OPT_URI_PATH ||
		    it.number == COAP_OPT_PROXY_SCHEME)
			coap_put_opt(&out, it.number, it.value);
}

static bool
is_way_of(const struct way *w, const struct request *r, struct span words)
{
	const struct target *uri = &r->route.uri;

	return w->role == r->role && w->code == r->msg.code &&
	    w->uri.scheme == uri->scheme && w->uri.port == uri->port &&
	    w->uri.host.literal == uri->host.literal &&
	    (uri->host.literal ? addr_eq(&w->uri.host.addr, &uri->host.addr) :
		span_eq(w->uri.host.text, uri->host.text)) &&
	    span_eq(w->words, words);
}

static struct way *
way_new(const struct request *r, struct span words)
{
	const struct coap_host *host = &r->route.uri.host;
	struct span text = host->literal ? SPAN_LIT("") : host->text;
	struct way *w = malloc(sizeof(*w) + words.n + text.n);

	if (w == NULL)
		return NULL;
	*w = (struct way){
		.role = (uint8_t)r->role,
		.code = r->msg.code,
		.uri = r->route.uri,
		.words = span_make(w->octets, words.n),
	};
	if (words.n > 0)
		memcpy(w->octets, words.p, words.n);
	if (text.n > 0)
		memcpy(w->octets + words.n, text.p, text.n);
	w->uri.host.text = span_make(w->octets + words.n, text.n);
	list_init(&w->link);
	return w;
}

struct way *
way_get(struct list *ways, const struct request *r)
{
	uint8_t space[WORDS_MAX];
	struct writer out = writer_make(space, sizeof(space));
	struct way *w = NULL;
	struct list *it, *tmp;
	int seen = 0;

	way_words(&r->msg, &out);
	if (out.full)
		return NULL;
	LIST_FOREACH_SAFE (it, tmp, ways) {
		w = CONTAINER_OF(it, struct way, link);
		if (is_way_of(w, r, writer_span(&out)))
			break;
		w = NULL;
		if (++seen == SEEN)
			break;
	}
	if (w == NULL)
		w = way_new(r, writer_span(&out));
	if (w == NULL)
		return NULL;
	/* The next one will come by it, too. */
	list_del(&w->link);
	list_add_head(ways, &w->link);
	w->refs++;
	return w;
}

void
way_put(struct way *w)
{
	if (w == NULL || --w->refs > 0)
		return;
	list_del(&w->link);
	free(w);
}

bool
way_message(const struct way *w, struct coap_msg *m)
{
	*m = (struct coap_msg){ .code = w->code };
	return coap_parse_opts(m, w->words);
}
