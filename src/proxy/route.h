/*
 * route: where a request goes and what is rewritten on the way.
 *
 * A rule is one [route] of the configuration, immutable; a route is what a
 * rule, or the forward role, makes of one request.
 */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "base/arena.h"
#include "base/netlist.h"
#include "coap/uri.h"
#include "proxy/limit.h"

enum send_host {
	SEND_HOST_KEEP,		/* as received, if received */
	SEND_HOST_TARGET,	/* the origin's own name; none for a literal */
	SEND_HOST_NONE,
	SEND_HOST_NAME,		/* a configured one */
};

enum confirmable {
	CONFIRMABLE_AS_CLIENT,	/* MSG-47 */
	CONFIRMABLE_ALWAYS,
	CONFIRMABLE_NEVER,
};

/* A place requests can be sent to. */
struct target {
	enum coap_scheme scheme;
	struct coap_host host;
	uint16_t port;
};

/* "lamp.example", or "*.sensors.example": then the name is what follows the
 * asterisk and dot, and sub is set. */
struct host_pattern {
	struct span name;	/* lower case */
	struct addr addr;	/* when it is an IP literal */
	bool literal;
	bool sub;		/* any depth below, not the name itself */
};

/* Percent-decoded segments. */
struct path {
	struct span *seg;
	size_t n;
};

enum rule_action { RULE_FORWARD, RULE_REPLY };

struct rule {
	const char *name;
	/* Conditions: and-ed; the words of one or-ed; an empty one holds. */
	unsigned *listen;	/* indexes of listeners */
	size_t nlisten;
	struct host_pattern *host;
	size_t nhost;
	struct path *path;
	size_t npath;
	uint32_t methods;	/* bit per method code; 0: all */
	/* Who may. */
	struct netlist allow_from, deny_from;
	/* What then. */
	enum rule_action action;
	uint8_t reply_code;
	struct span reply_text;
	struct target to;
	struct path to_path;	/* comes in front */
	const char *origin;	/* the group's name; NULL: none has one */
	bool strip;		/* the matched segments go */
	bool as_proxy;		/* the next hop is a forward proxy */
	enum send_host send_host;
	struct span send_host_name;
	enum confirmable confirmable;
	uint32_t nstart;	/* 0: a window (MSG-39) */
	uint64_t timeout_ms;
	bool cache;		/* answers may be stored and shared */
	bool observe;		/* clients may observe */
	bool links;		/* the origin's links appear in our list */
};

struct rules {
	struct rule *v;
	size_t n;
};

/* What a forward request may ask for besides networks: the URI of a host, of
 * every host below a domain ("*." in front), or of a network. */
struct uri_pattern {
	enum coap_scheme scheme;
	struct host_pattern host;	/* when it is by name */
	struct netlist net;		/* when it is by network */
	uint16_t port;			/* 0: those of CoAP, to allow; any, to
					 * deny */
	bool every_port;		/* to allow as well */
};

struct forward_conf {
	unsigned *listen;	/* as in struct rule */
	size_t nlisten;
	struct netlist allow_from, deny_from;
	struct netlist allow_to, deny_to;
	struct uri_pattern *allow_uri, *deny_uri;
	size_t nallow_uri, ndeny_uri;
	const uint8_t *ports;	/* those that the configuration names, a bit
				 * for each of 65536; NULL: none */
	bool routes;		/* a matching rule takes a forward request */
	bool has_via;
	struct target via;
	enum confirmable confirmable;
	uint32_t nstart;	/* 0: a window (MSG-39) */
	uint64_t timeout_ms;
};

/* What a client gets whose address may be forged (ATK-10). */
enum amplification {
	AMPLIFICATION_OFF,	/* whatever there is to say */
	AMPLIFICATION_ECHO,	/* large answers only after a challenge */
	AMPLIFICATION_BLOCKS,	/* large answers in small blocks */
};

/* Who may use a listener, and how often. */
struct access {
	const char *name;	/* of the listener; "": none */
	unsigned id;		/* under which what is known of its clients is
				 * kept, in whatever configuration */
	struct netlist allow_from, deny_from;
	struct rate rate;	/* per client */
	enum amplification amplification;
	struct netlist exempt;	/* from amplification */
};

struct proxy_conf;

/* One request's way. The host texts borrow from the request or from the
 * configuration. */
struct route {
	struct proxy_conf *conf;	/* whose rules these are; who has the
					 * route counts among its users */
	const struct rule *rule;	/* NULL: forward role, own resource */
	const struct forward_conf *forward;	/* NULL: by a rule */
	struct target uri;	/* the authority the client asked for */
	struct target hop;	/* where the datagram goes */
	bool as_proxy;		/* the hop gets Proxy-Scheme and Uri-Host */
	const struct path *strip;	/* leading segments that go, or NULL */
	enum confirmable confirmable;
	uint32_t nstart;	/* 0: a window (MSG-39) */
	bool cache;		/* answers may be stored and shared */
	bool observe;		/* clients may observe */
	uint64_t timeout_ms;
};

/* Copies the host texts of ROUTE into A. False without memory. */
bool route_keep(struct route *route, struct arena *a)
    __attribute__((warn_unused_result));

#endif
