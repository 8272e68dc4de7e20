/*
 * trail: from a request to its line.
 */
#include "proxy/trail.h"

#include "coap/pct.h"
#include "coap/uri.h"
#include "proxy/core.h"
#include "proxy/logline.h"
#include "proxy/observation.h"

enum { DEREGISTER = 1 };	/* RFC 7641 2 */

/* What is kept of a request whose datagram is gone. Small: with the token and
 * 144 octets of options and host it fits what an arena has inside. */
struct trail_kept {
	struct addr client;
	unsigned listener;
	uint16_t nopts, nhost;
	uint8_t octets[];	/* the options, the name of the host */
};

bool
trail_start(struct proxy *p, struct rand *rnd)
{
	return repeats_init(&p->trail.repeats, rnd);
}

void
trail_stop(struct proxy *p)
{
	repeats_fini(&p->trail.repeats);
}

static uint64_t
now_us(const struct proxy *p)
{
	const uint64_t *us = p->conf->trail.now_us;

	return us != NULL ? *us : p->now * 1000;
}

void
trail_begin(struct proxy *p, struct request *r)
{
	const struct trail_conf *conf = &p->conf->trail;

	if (conf->which == TRAIL_ALL && ++p->trail.skipped < conf->one_of)
		return;
	p->trail.skipped = 0;
	r->logs = true;
	r->began_us = now_us(p);
}

void
trail_keep(struct request *r)
{
	struct span opts = r->msg.opts, host = r->route.uri.host.text;
	struct trail_kept *k;
	struct writer w;

	k = arena_alloc(&r->arena, sizeof(*k) + opts.n + host.n);
	if (k == NULL)
		return;
	k->client = *r->in->client;
	k->listener = r->in->listener;
	k->nopts = (uint16_t)opts.n;
	k->nhost = (uint16_t)host.n;
	w = writer_make(k->octets, opts.n + host.n);
	writer_span_put(&w, opts);
	writer_span_put(&w, host);
	r->kept = k;
}

/* ---- the URI ---- */

/* The scheme and the authority of a request that was refused before anybody
 * looked at its URI, as it says. */
static void
put_raw_authority(struct writer *w, const struct inbound *in)
{
	struct coap_host local = { .literal = true, .addr = *in->local };
	struct span scheme, host;
	char text[ADDR_STRLEN];

	if (coap_get(in->msg, COAP_OPT_PROXY_SCHEME, &scheme))
		pct_put(w, scheme, PCT_UNRESERVED);
	else
		writer_span_put(w, span_str(coap_scheme_name(in->scheme)));
	writer_put(w, "://", 3);
	if (coap_get(in->msg, COAP_OPT_URI_HOST, &host))
		pct_put(w, host, PCT_REG_NAME);
	else if (coap_authority_format(in->scheme, &local, in->local->port,
	    text, sizeof(text)))
		writer_span_put(w, span_str(text));
}

static void
put_raw_path(struct writer *w, const struct coap_msg *m)
{
	struct coap_opt_iter it;

	if (!coap_has(m, COAP_OPT_URI_PATH))
		writer_u8(w, '/');
	coap_opts(&it, m);
	while (coap_opts_next(&it))
		if (it.number == COAP_OPT_URI_PATH && it.def != NULL) {
			writer_u8(w, '/');
			pct_put(w, it.value, PCT_SEGMENT);
		}
}

static void
put_raw_uri(struct writer *w, const struct inbound *in)
{
	struct span uri;

	if (coap_get(in->msg, COAP_OPT_PROXY_URI, &uri)) {
		if (pct_ok(uri, PCT_QUERY))
			writer_span_put(w, uri);
		else
			pct_put(w, uri, PCT_QUERY);
		return;
	}
	put_raw_authority(w, in);
	put_raw_path(w, in->msg);
}

/* The URI that M, R's, asks for; K is what was kept of R, or NULL. */
static struct span
uri_of(struct proxy *p, const struct request *r, const struct coap_msg *m,
    const struct trail_kept *k)
{
	struct writer w = writer_make(p->uri, sizeof(p->uri));
	const struct target *uri = &r->route.uri;
	struct coap_host host = uri->host;

	if (r->in == NULL && k == NULL)
		return SPAN_LIT("");
	if (uri->scheme == COAP_SCHEME_NONE) {
		if (r->in != NULL)
			put_raw_uri(&w, r->in);
		return writer_span(&w);
	}
	if (r->in == NULL)
		host.text = span_make(k->octets + k->nopts, k->nhost);
	coap_uri_format(m, uri->scheme, &host, uri->port, (char *)p->uri,
	    sizeof(p->uri));
	return span_str((const char *)p->uri);
}

/* ---- the line ---- */

static const char *
route_name(const struct request *r)
{
	if (r->route.rule != NULL)
		return r->route.rule->name;
	return r->route.forward != NULL && r->role != ROLE_OWN ? "forward" : "";
}

static enum logline_cache
source_of(const struct request *r)
{
	if (r->fetch == NULL)
		return r->hit ? LOGLINE_HIT : LOGLINE_LOCAL;
	if (r->joined)
		return LOGLINE_JOINED;
	return r->fetch->validated ? LOGLINE_VALIDATED : LOGLINE_MISS;
}

static enum logline_observe
observe_of(const struct request *r, const struct coap_msg *m, uint8_t code)
{
	uint32_t v;

	if (r->observer != NULL && coap_code_class(code) == 2)
		return LOGLINE_REG;
	return coap_get_uint(m, COAP_OPT_OBSERVE, &v) && v == DEREGISTER &&
	    coap_method_safe(m->code) ? LOGLINE_DEREG : LOGLINE_NO;
}

/* To ask a stranger for a proof is none; under a flood of forged requests these
 * would leave no room for others. */
static bool
is_error(const struct request *r, const struct reply *reply)
{
	return reply != NULL && coap_code_class(reply->code) >= 4 &&
	    !(reply->code == COAP_401 && r->stranger && r->challenge);
}

/* Whether a line about CODE for R, whose client is L's, is due; counts how many
 * were not. */
static bool
is_due(struct proxy *p, const struct request *r, struct logline *l)
{
	const struct siphash_key *key = &p->trail.repeats.key;
	struct {
		struct addr client;
		uint64_t route, listener;	/* their names: rules come and
						 * go */
		uint64_t code;
	} kind;

	memset(&kind, 0, sizeof(kind));
	if (l->client != NULL)
		kind.client = *l->client;
	kind.client.port = 0;
	kind.route = siphash(key, span_str(route_name(r)));
	kind.listener = siphash(key, span_str(l->listener));
	kind.code = l->code;
	return repeats_due(&p->trail.repeats, span_make(&kind, sizeof(kind)),
	    p->now, &l->repeated);
}

static void
fill_client(const struct request *r, struct logline *l)
{
	const struct trail_kept *k = r->kept;

	if (r->in == NULL && k == NULL)
		return;
	l->client = r->in != NULL ? r->in->client : &k->client;
	l->listener = r->route.conf->access[r->in != NULL ? r->in->listener :
	    k->listener].name;
}

static void
end(struct proxy *p, const struct request *r, const struct reply *reply,
    bool errors)
{
	const struct trail_conf *conf = &r->route.conf->trail;
	struct coap_msg m = r->msg;
	struct logline l = { .listener = "" };

	if (reply != NULL) {
		l.code = reply->code;
		l.size = reply->payload.n;
	}
	fill_client(r, &l);
	if (errors && !is_due(p, r, &l)) {
		p->stats.unlogged++;
		return;
	}
	if (r->in == NULL)
		m.opts = r->kept == NULL ? SPAN_LIT("") :
		    span_make(r->kept->octets, r->kept->nopts);
	l.type = m.type;
	l.method = m.code;
	l.token = m.token;
	l.uri = uri_of(p, r, &m, r->kept);
	l.route = route_name(r);
	if (r->fetch != NULL && r->fetch->server.family != 0)
		l.server = &r->fetch->server;
	l.us = now_us(p) - r->began_us;
	l.cache = source_of(r);
	l.observe = r->in == NULL && r->kept == NULL ? LOGLINE_NO :
	    observe_of(r, &m, l.code);
	p->stats.logged++;
	conf->write(conf->user, &l);
}

void
trail_end(struct proxy *p, const struct request *r, const struct reply *reply)
{
	bool errors = r->route.conf->trail.which == TRAIL_ERRORS;

	if (!errors || is_error(r, reply))
		end(p, r, reply, errors);
}
