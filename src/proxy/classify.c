/*
 * classify: role and legality.
 *
 * A list of checks, each of which may end the matter with an error. The order
 * is that of the specification: what P refuses whatever the role; then the
 * role; then the target.
 */
#include "proxy/classify.h"

#include "coap/block.h"
#include "proxy/admit.h"
#include "proxy/rewrite.h"

static bool
fail(struct classified *c, uint8_t code, const char *why)
{
	c->error = code;
	c->why = why;
	return false;
}

static const char *
check_block(const struct coap_msg *m, uint16_t number, bool descriptive)
{
	struct coap_block b;
	struct span v;

	if (!coap_get(m, number, &v))
		return NULL;
	b = coap_block_get(v);
	if (b.szx == COAP_SZX_RESERVED)
		return "block size exponent 7";
	if (descriptive && b.more && m->payload.n != coap_block_size(&b))
		return "payload is not one block";
	return NULL;
}

const char *
classify_present_blocks(const struct coap_msg *m)
{
	bool request = coap_code_kind(m->code) == COAP_KIND_REQUEST;
	const char *why = check_block(m, COAP_OPT_BLOCK1, request);

	return why != NULL ? why : check_block(m, COAP_OPT_BLOCK2, !request);
}

/* RFC 8768 3: one octet, not zero; a longer one is refused the same way
 * (PRX-54). */
static bool
check_hop_limit(struct classified *c, const struct coap_msg *m)
{
	struct span v;

	if (!coap_get(m, COAP_OPT_HOP_LIMIT, &v) || (v.n == 1 && v.p[0] != 0))
		return true;
	return fail(c, COAP_400, "Hop-Limit out of range");
}

static bool
check_common(struct classified *c, const struct coap_msg *m)
{
	const char *why;

	if (!coap_method_known(m->code))
		return fail(c, COAP_405, "unknown method");
	why = classify_blocks(m);
	if (why != NULL)
		return fail(c, COAP_400, why);
	return check_hop_limit(c, m);
}

bool
classify_forward(struct classified *c, const struct inbound *in,
    const struct forward_conf *forward)
{
	switch (admit_forward(forward, in->listener, in->client)) {
	case ADMIT_FORWARD_YES:
		return true;
	case ADMIT_FORWARD_OFF:
		return fail(c, COAP_505, "not a forward proxy");
	case ADMIT_FORWARD_DENIED:
		break;
	}
	return fail(c, COAP_403, "not for this client");
}

static bool
check_scheme(struct classified *c, enum coap_scheme s)
{
	/* A secure scheme asked for over an open hop is refused as well
	 * (PRX-08). */
	if (s != COAP_SCHEME_COAP)
		return fail(c, COAP_505, "scheme not supported");
	c->uri.scheme = s;
	return true;
}

/* OPTS are what M with the plain URI U has become. */
static void
know_expanded(struct classified *c, const struct coap_msg *m,
    const struct coap_uri *u, struct span opts)
{
	c->msg.opts = opts;
	c->msg.has = m->has & ~coap_opt_targets();
	if (u->path.n > 1)
		c->msg.has |= coap_opt_bit(COAP_OPT_URI_PATH);
	if (u->has_query)
		c->msg.has |= coap_opt_bit(COAP_OPT_URI_QUERY);
}

/* Likewise of any: read again, unless it is known what they are. */
static bool
take_expanded(struct classified *c, const struct coap_msg *m,
    const struct coap_uri *u, struct span opts)
{
	if (!m->known || !u->plain)
		return coap_parse_opts(&c->msg, opts);
	know_expanded(c, m, u, opts);
	return true;
}

/* RFC 7252 5.10.2: Proxy-Uri. */
static bool
target_from_proxy_uri(struct classified *c, const struct coap_msg *m,
    struct span text, uint8_t host_buf[COAP_HOST_MAX], struct writer *w)
{
	struct coap_uri u;

	switch (coap_uri_parse(&u, text, 0)) {
	case COAP_URI_BAD:
		return fail(c, COAP_402, "malformed Proxy-Uri");
	case COAP_URI_SCHEME:
		return fail(c, COAP_505, "scheme not supported");
	case COAP_URI_OK:
		break;
	}
	if (!check_scheme(c, u.scheme))
		return false;
	if (rewrite_expand(&u, m, w) != REWRITE_OK ||
	    !take_expanded(c, m, &u, writer_span(w)))
		return fail(c, COAP_402, "malformed Proxy-Uri");
	/* What was surplus next to an option that is gone now still is
	 * (MSG-18). */
	c->msg.unknown_critical = m->unknown_critical;
	c->msg.unknown_unsafe = m->unknown_unsafe;
	if (u.host.text.n > 0)
		memcpy(host_buf, u.host.text.p, u.host.text.n);
	c->uri.host = u.host;
	c->uri.host.text.p = host_buf;
	c->uri.port = u.port;
	return true;
}

static bool
uri_port(struct classified *c, const struct coap_msg *m, uint16_t otherwise)
{
	uint32_t port = otherwise;

	coap_get_uint(m, COAP_OPT_URI_PORT, &port);
	if (port == 0)
		return fail(c, COAP_402, "Uri-Port 0");
	c->uri.port = (uint16_t)port;
	return true;
}

/* The address the request was sent to, as a literal (RFC 7252 6.5). */
static void
host_from_local(struct classified *c, const struct addr *local)
{
	c->uri.host = (struct coap_host){ .literal = true, .addr = *local };
	c->uri.host.addr.port = 0;
}

static bool
host_from_option(struct classified *c, struct span text,
    uint8_t host_buf[COAP_HOST_MAX])
{
	if (coap_host_parse(&c->uri.host, text, host_buf, false))
		return true;
	return fail(c, COAP_402, "malformed Uri-Host");
}

/* RFC 7252 5.10.2: Proxy-Scheme with Uri-*. Without Uri-Host the authority is
 * where the request was sent to: P itself (PRX-28). */
static bool
target_from_proxy_scheme(struct classified *c, const struct inbound *in,
    struct span scheme, uint8_t host_buf[COAP_HOST_MAX])
{
	enum coap_scheme s = coap_scheme_parse(scheme);
	struct span host;

	if (!check_scheme(c, s))
		return false;
	if (!coap_get(in->msg, COAP_OPT_URI_HOST, &host)) {
		host_from_local(c, in->local);
		c->uri.port = in->local->port;
		c->role = ROLE_OWN;
		return true;
	}
	return host_from_option(c, host, host_buf) &&
	    uri_port(c, in->msg, coap_scheme_port(s));
}

static bool
target_as_received(struct classified *c, const struct inbound *in,
    uint8_t host_buf[COAP_HOST_MAX])
{
	struct span host;

	c->role = ROLE_REVERSE;
	c->uri.scheme = in->scheme;
	if (!coap_get(in->msg, COAP_OPT_URI_HOST, &host))
		host_from_local(c, in->local);
	else if (!host_from_option(c, host, host_buf))
		return false;
	return uri_port(c, in->msg, in->local->port);
}

void
classify_request(struct classified *c, const struct inbound *in,
    const struct self *self, const struct forward_conf *forward,
    uint8_t host_buf[COAP_HOST_MAX], struct writer *w)
{
	struct span uri, scheme;
	bool has_uri = coap_get(in->msg, COAP_OPT_PROXY_URI, &uri);
	bool has_scheme = coap_get(in->msg, COAP_OPT_PROXY_SCHEME, &scheme);
	bool ok;

	c->role = ROLE_FORWARD;
	c->uri.scheme = COAP_SCHEME_NONE;
	c->msg = *in->msg;
	c->error = 0;
	c->why = NULL;
	if (!check_common(c, in->msg))
		return;
	if (!has_uri && !has_scheme) {
		target_as_received(c, in, host_buf);
		return;
	}
	if (!classify_forward(c, in, forward))
		return;
	if (has_uri && has_scheme) {
		fail(c, COAP_400, "Proxy-Uri and Proxy-Scheme");
		return;
	}
	ok = has_uri ?
	    target_from_proxy_uri(c, in->msg, uri, host_buf, w) :
	    target_from_proxy_scheme(c, in, scheme, host_buf);
	if (ok && self_is_host(self, &c->uri.host, c->uri.port))
		c->role = ROLE_OWN;
}
