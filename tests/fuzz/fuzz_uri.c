/*
 * fuzz_uri: any octets as a URI, or as the options of a request that may have
 * Proxy-Uri, Proxy-Scheme and Uri-* among them.
 *
 * A URI that is accepted is written again from its options, and read as the
 * same (RFC 7252 6.4, 6.5). A request that is classified has one authority,
 * which is what its Proxy-Uri says; what goes to the next hop is well-formed
 * and has nothing of Proxy-* in it.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/classify.h"
#include "proxy/rewrite.h"

enum { ROOM = 1 << 16 };

static void
require(bool fact)
{
	if (!fact)
		abort();
}

static bool
same_host(const struct coap_host *a, const struct coap_host *b)
{
	if (a->literal || b->literal)
		return a->literal == b->literal && addr_eq(&a->addr, &b->addr);
	return span_eq(a->text, b->text);
}

/* PRX-22, PRX-25: nothing in it that another reader may understand in another
 * way. */
static void
check_host(const struct coap_host *h)
{
	if (h->literal) {
		require(h->addr.family == 4 || h->addr.family == 6);
		require(h->addr.port == 0);
		return;
	}
	require(h->text.n > 0 && h->text.n <= COAP_HOST_MAX);
	for (size_t i = 0; i < h->text.n; i++) {
		uint8_t c = h->text.p[i];

		require(c > ' ' && c != 0x7f);
		require(memchr("/:?#[]@\\%", c, 9) == NULL);
		require(c < 'A' || c > 'Z');
	}
}

/* The options of U; false when it has none that are legal. */
static bool
options(const struct coap_uri *u, struct writer *w, struct coap_msg *m)
{
	struct coap_optw o = coap_optw(w);

	if (!u->host.literal)
		coap_put_opt(&o, COAP_OPT_URI_HOST, u->host.text);
	if (!coap_uri_put_path(u, &o) || !coap_uri_put_query(u, &o))
		return false;
	require(!w->full);
	*m = (struct coap_msg){ .type = COAP_CON, .code = COAP_GET };
	require(coap_parse_opts(m, writer_span(w)));
	require(m->unknown_critical == 0);
	return true;
}

static void
fuzz_text(struct span text)
{
	static uint8_t first[ROOM], second[ROOM];
	static char out[ROOM];
	struct writer w = writer_make(first, ROOM);
	struct writer w2 = writer_make(second, ROOM);
	struct coap_uri u, again;
	struct coap_msg m;

	if (text.n > ROOM / 16 || coap_uri_parse(&u, text, 0) != COAP_URI_OK)
		return;
	check_host(&u.host);
	require(u.port != 0 && u.scheme != COAP_SCHEME_NONE);
	require(u.path.n == 0 || u.path.p[0] == '/');
	if (!options(&u, &w, &m))
		return;
	require(coap_uri_format(&m, u.scheme, &u.host, u.port, out, ROOM));
	require(coap_uri_parse(&again, span_str(out), 0) == COAP_URI_OK);
	require(again.scheme == u.scheme && again.port == u.port);
	require(same_host(&again.host, &u.host));
	require(options(&again, &w2, &m));
	require(span_eq(writer_span(&w), writer_span(&w2)));
}

/* ---- requests ---- */

static void
check_next(const struct classified *c, const struct forward_conf *f,
    bool as_proxy)
{
	static uint8_t out[ROOM];
	struct route route = { .forward = f, .uri = c->uri, .hop = c->uri,
		.as_proxy = as_proxy };
	struct writer w = writer_make(out, ROOM);
	struct rewrite_request rw;
	struct coap_msg m = { .type = COAP_CON, .code = c->msg.code };

	rewrite_authority(&rw, &route, &c->msg);
	rw.hop_limit = 16;
	if (rewrite_request(&rw, &c->msg, &w) != REWRITE_OK)
		return;
	require(!w.full && coap_parse_opts(&m, writer_span(&w)));
	require(!coap_has(&m, COAP_OPT_PROXY_URI));
	require(!coap_has(&m, COAP_OPT_URI_PATH_ABBREV));
	require(coap_has(&m, COAP_OPT_PROXY_SCHEME) == as_proxy);
	require(coap_has(&m, COAP_OPT_HOP_LIMIT));
	if (as_proxy || !c->uri.host.literal)
		require(coap_has(&m, COAP_OPT_URI_HOST));
}

static void
check_request(const struct classified *c, const struct coap_msg *m,
    const struct self *self, const struct forward_conf *f)
{
	struct coap_msg again = { .type = COAP_CON, .code = m->code };
	struct coap_uri u;
	struct span text;

	require(coap_parse_opts(&again, c->msg.opts));
	require(again.has == c->msg.has);
	require(!coap_has(&again, COAP_OPT_PROXY_URI));
	require(c->uri.port != 0);
	check_host(&c->uri.host);
	if (coap_get(m, COAP_OPT_PROXY_URI, &text)) {
		require(coap_uri_parse(&u, text, 0) == COAP_URI_OK);
		require(same_host(&u.host, &c->uri.host));
		require(u.port == c->uri.port && u.scheme == c->uri.scheme);
	}
	if (c->role != ROLE_FORWARD)
		return;
	/* PRX-03: it would come back. */
	require(!self_is_host(self, &c->uri.host, c->uri.port));
	check_next(c, f, false);
	check_next(c, f, true);
}

static void
fuzz_options(uint8_t how, struct span opts)
{
	static const uint8_t codes[] = { COAP_GET, COAP_POST, COAP_FETCH, 9 };
	static uint8_t space[ROOM];
	static const struct forward_conf f;
	struct coap_msg m = { .type = COAP_CON, .code = codes[how & 3] };
	struct addr bound = { .ip = { 192, 0, 2, 1 }, .family = 4,
		.port = 5683 };
	const struct span names[] = { SPAN_LIT("me.example") };
	struct self self = { .bound = &bound, .nbound = 1, .host = &bound,
		.nhost = 1, .names = names, .nnames = 1 };
	struct addr client = { .ip = { 192, 0, 2, 9 }, .family = 4,
		.port = 40000 };
	struct inbound in = { .client = &client, .local = &bound,
		.scheme = COAP_SCHEME_COAP, .msg = &m };
	struct writer w = writer_make(space, ROOM);
	uint8_t host[COAP_HOST_MAX];
	struct classified c;

	if (opts.n > 2048 || memchr(opts.p, 0xff, opts.n) != NULL ||
	    !coap_parse_opts(&m, opts))
		return;
	classify_request(&c, &in, &self, (how & 4) != 0 ? &f : NULL, host, &w);
	if (c.error == 0)
		check_request(&c, &m, &self, &f);
	else
		require(c.why != NULL && coap_code_class(c.error) >= 4);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	/* A letter, so that a URI in a file can be read. */
	if (data[0] == 'u')
		fuzz_text(span_make(data + 1, size - 1));
	else
		fuzz_options(data[0], span_make(data + 1, size - 1));
	return 0;
}
