/*
 * uri: coap URIs and options (RFC 7252 6, RFC 3986).
 *
 * coap_uri_parse() is strict and parses once; access decisions and forwarding
 * use the same parsed form, so there is no second reading to disagree with the
 * first. Nothing is allocated: the result borrows from the text and from a
 * small buffer for the host.
 */
#ifndef COAP_URI_H
#define COAP_URI_H

#include "base/addr.h"
#include "base/writer.h"
#include "coap/emit.h"

enum coap_scheme {
	COAP_SCHEME_NONE,	/* not one of ours: http, ftp, ... */
	COAP_SCHEME_COAP,
	COAP_SCHEME_COAPS,
	COAP_SCHEME_COAP_TCP,
	COAP_SCHEME_COAPS_TCP,
	COAP_SCHEME_COAP_WS,
	COAP_SCHEME_COAPS_WS,
};

/* Without case; NONE for unknown text. */
enum coap_scheme coap_scheme_parse(struct span s);
const char *coap_scheme_name(enum coap_scheme s);

/* 5683, 5684, 80 or 443 (RFC 7252 6.1, 6.2; RFC 8323 8). */
uint16_t coap_scheme_port(enum coap_scheme s);

/* coaps, coaps+tcp, coaps+ws. */
bool coap_scheme_secure(enum coap_scheme s);

enum { COAP_HOST_MAX = 255 };

/* A host as it stands in a URI or in Uri-Host. */
struct coap_host {
	struct span text;	/* of a name: lower case, percent-decoded */
	bool literal;		/* an IP address: ADDR is set (port 0), and text
				 * may be anything */
	struct addr addr;
};

struct coap_uri {
	enum coap_scheme scheme;
	struct span scheme_text;
	struct coap_host host;
	uint8_t host_buf[COAP_HOST_MAX];	/* what host.text points into */
	uint16_t port;		/* the scheme's default when absent */
	struct span path;	/* raw, from the first slash; may be empty */
	struct span query;	/* raw, behind the question mark */
	bool has_query;
	bool plain;		/* path and query are known to have neither
				 * triplets nor dot segments */
};

enum coap_uri_err {
	COAP_URI_OK,
	COAP_URI_BAD,		/* malformed: 4.02 (PRX-11, 12, 14, 20-25) */
	COAP_URI_SCHEME,	/* well-formed absolute URI of another scheme:
				 * 5.05 (PRX-02) */
};

enum coap_uri_flags {
	COAP_URI_ZONE = 1,	/* %25zone allowed: configured targets only */
};

/* Parses an absolute coap-family URI. No fragment, no userinfo, a host, a port
 * of 1 to 65535; percent-encoding well formed; no octet outside RFC 3986. */
enum coap_uri_err coap_uri_parse(struct coap_uri *u, struct span text,
    unsigned flags);

/* Reads a host from Uri-Host (brackets tolerated, PRX-30) or from a URI after
 * decoding: an IP literal, or a name; text is lower-cased into BUF, without the
 * dot of the root at its end. False for
 * what is neither: empty, over 255 octets, an octet no host can have (NUL,
 * blank, controls, "/:?#[]@\\%"), or a name whose last label is all digits or
 * 0x-hexadecimal but not strict IPv4 (PRX-25). ZONE as in addr_parse_ip6(). */
bool coap_host_parse(struct coap_host *h, struct span text,
    uint8_t buf[COAP_HOST_MAX], bool zone);

/* H as it stands in Uri-Host (RFC 7252 6.5 step 2): the name, or the literal as
 * RFC 5952 writes it, IPv6 in brackets, in BUF. */
struct span coap_host_text(const struct coap_host *h, char buf[ADDR_STRLEN]);

/* Writes Uri-Path options of U: dot segments removed before splitting
 * (RFC 3986 5.2.4), one per segment, decoded exactly once; none for an empty
 * path or "/" (RFC 7252 6.4 step 8). False for a segment over 255 octets, or
 * one that is "." or ".." once decoded. */
bool coap_uri_put_path(const struct coap_uri *u, struct coap_optw *o);

/* Likewise Uri-Query, split at "&" (step 9). */
bool coap_uri_put_query(const struct coap_uri *u, struct coap_optw *o);

/* The URI of a request with options M to SCHEME at HOST and PORT, per RFC 7252
 * 6.5 (PRX-30): for logs, diagnostics and next hops. NUL-terminates; false
 * when CAP is too small (OUT then holds what fitted). */
bool coap_uri_format(const struct coap_msg *m, enum coap_scheme scheme,
    const struct coap_host *host, uint16_t port, char *out, size_t cap);

/* The authority alone: "lamp.example", "[2001:db8::1]:5690"; the port only
 * when it is not the scheme's own. */
bool coap_authority_format(enum coap_scheme scheme,
    const struct coap_host *host, uint16_t port, char *out, size_t cap);

#endif
