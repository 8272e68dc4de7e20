/*
 * rewrite: the options of a request and of a response for the next hop. Pure.
 *
 * One walk over the source's options, merged with what the route adds, straight
 * into encoded options. Options P does not know pass unchanged, in order and
 * count (PRX-33, PRX-39); those that name the target are made anew.
 */
#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include "base/writer.h"
#include "coap/emit.h"
#include "proxy/route.h"

enum rewrite_result {
	REWRITE_OK,
	REWRITE_BAD_PATH,	/* a segment too long, "." or "..": 4.02 */
	REWRITE_TOO_LARGE,	/* does not fit: 4.13 */
};

/* What becomes of the ETags of a request. */
struct rewrite_etag {
	struct span add;	/* behind those of the client, unless it is
				 * among them; empty: none */
	struct span drop;	/* not for the origin; empty: none */
	bool only;		/* none of the client's */
};

/* What a request is rewritten by. */
struct rewrite_request {
	const struct route *route;
	struct span host;	/* Uri-Host to send; empty: none */
	uint16_t port;		/* Uri-Port to send; 0: none */
	struct span scheme;	/* Proxy-Scheme to send; empty: none */
	uint8_t hop_limit;	/* Hop-Limit to send; 0: none */
	struct span tag;	/* Request-Tag of our own; empty: none */
	struct rewrite_etag etag;
	bool assembled;		/* the body came in blocks: what told them apart
				 * goes */
	bool if_none_match;	/* was in the first of them */
	bool relay;		/* Block2 is passed on */
	bool observe;		/* a registration (RFC 7641 2) */
	bool drop_echo;		/* Echo is our own (PRX-84) */
	char literal[ADDR_STRLEN];	/* room for host */
};

/* Writes the options of M with its Proxy-Uri, which is URI, taken apart into
 * Uri-Path and Uri-Query; Uri-* next to it are ignored (PRX-05). Host and port
 * are not written: they are in URI. */
enum rewrite_result rewrite_expand(const struct coap_uri *uri,
    const struct coap_msg *m, struct writer *w);

/* Decides host, port and scheme from ROUTE and the request's own options
 * (PRX-10, PRX-15, PRX-16, PRX-70), and sets route. Everything else of
 * *RW is empty. */
void rewrite_authority(struct rewrite_request *rw, const struct route *route,
    const struct coap_msg *m);

/* Writes the encoded options of M's successor into W. */
enum rewrite_result rewrite_request(const struct rewrite_request *rw,
    const struct coap_msg *m, struct writer *w);

/* Whether the options of response M must change on the way to the client; if
 * not, they are relayed as they are. RELAY: Block2 stays. */
bool rewrite_response_needed(const struct coap_msg *m,
    const struct route *route, bool relay);

/* Writes the encoded options of response M for the client: without Observe,
 * and Block1, with Location-* in the namespace of the client (PRX-69). False
 * when they do not fit. */
bool rewrite_response(const struct coap_msg *m, const struct route *route,
    bool relay, struct writer *w);

/* Writes the options of the request M without Hop-Limit (PRX-51). */
bool rewrite_without_hop_limit(const struct coap_msg *m, struct writer *w);

#endif
