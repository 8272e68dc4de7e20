/*
 * schema: the table.
 *
 * Keys of later work are in it without a type: they are refused by name and
 * never recommended.
 */
#include "conf/schema.h"

#include <string.h>

#include "conf/loaded.h"
#include "conf/value.h"

enum {
	SECOND = 1000,
	HOUR = 60 * 60 * SECOND,
	DAY = 24 * HOUR,
};

static const struct schema_section sections[SECTION_TYPES] = {
	{ SECTION_PROXY, "proxy", NAME_NONE, true, false,
		"The proxy as a whole." },
	{ SECTION_LISTEN, "listen", NAME_OPTIONAL, true, false,
		"Addresses that requests come to." },
	{ SECTION_FORWARD, "forward", NAME_NONE, false, false,
		"Turns the forward role on: clients name the origin." },
	{ SECTION_ROUTE, "route", NAME_OPTIONAL, false, false,
		"Where a request goes; the first that matches takes it." },
	{ SECTION_ORIGIN, "origin", NAME_GROUP, true, false,
		"Origins: without a name, the defaults for all of them." },
	{ SECTION_MESSAGE, "message", NAME_NONE, true, false,
		"Transmission parameters and the limits of tables." },
	{ SECTION_LOG, "log", NAME_NONE, true, false,
		"What is logged, and where." },
	{ SECTION_DNS, "dns", NAME_NONE, true, false,
		"Looking up names." },
	{ SECTION_CACHE, "cache", NAME_NONE, true, false,
		"The response cache." },
	{ SECTION_OBSERVE, "observe", NAME_NONE, true, false,
		"Observations." },
	{ SECTION_BLOCK, "block", NAME_NONE, true, false,
		"Block-wise transfers." },
	{ SECTION_METRICS, "metrics", NAME_NONE, false, false,
		"Metrics over HTTP." },
	{ SECTION_CONTROL, "control", NAME_NONE, true, false,
		"The control socket." },
	{ SECTION_TLS, "tls", NAME_OPTIONAL, false, true,
		"Keys and certificates." },
};

#define IN(type, member) .offset = offsetof(struct type, member)
#define ARRAY(type, member, number)                 \
	IN(type, member),                           \
	    .count = offsetof(struct type, number), \
	    .flags = KEY_LIST
#define LATER(section, name, def, help)                                \
	{                                                              \
		section, name, NULL, 0, 0, 0, 0, def, KEY_LATER, help, \
	}

static const struct schema_key keys[] = {
	/* [proxy] */
	{ SECTION_PROXY, "include", &value_include, .def = "",
		.flags = KEY_LIST | KEY_DONE,
		.help = "files to read at this point" },
	{ SECTION_PROXY, "name", &value_name, IN(conf, name), .def = "",
		.help = "identifier in 5.08 diagnostics; default: host name" },
	{ SECTION_PROXY, "own-names", &value_own_name,
		ARRAY(conf, own_names, nown_names), .def = "",
		.help = "further names that mean this proxy" },
	{ SECTION_PROXY, "hop-limit", &value_count, IN(conf, hop_limit),
		.hi = 255, .def = "16",
		.help = "inserted when missing; 0: do not insert" },
	{ SECTION_PROXY, "drain", &value_duration, IN(conf, drain_ms),
		.hi = HOUR, .def = "5s",
		.help = "time for requests under way when stopping" },
	LATER(SECTION_PROXY, "workers", "1", "threads"),

	/* [listen] */
	{ SECTION_LISTEN, "bind", &value_bind, ARRAY(listen_conf, bind, nbind),
		.def = "coap://*:5683", .help = "addresses to listen on" },
	{ SECTION_LISTEN, "allow-from", &value_networks,
		IN(listen_conf, access.allow_from), .def = "any",
		.flags = KEY_LIST,
		.help = "clients that may" },
	{ SECTION_LISTEN, "deny-from", &value_networks,
		IN(listen_conf, access.deny_from), .def = "", .flags = KEY_LIST,
		.help = "clients that may not" },
	{ SECTION_LISTEN, "rate-limit", &value_rate,
		IN(listen_conf, access.rate), .def = "off",
		.help = "requests per second of one client's address" },
	{ SECTION_LISTEN, "amplification", &value_amplification,
		IN(listen_conf, access.amplification), .def = "echo",
		.help = "large answers to an address that may be forged" },
	{ SECTION_LISTEN, "amplification-exempt", &value_networks,
		IN(listen_conf, access.exempt),
		.def = "loopback private link-local", .flags = KEY_LIST,
		.help = "clients never challenged" },
	LATER(SECTION_LISTEN, "tls", "", "the [tls] section to use"),
	LATER(SECTION_LISTEN, "proxy-protocol-from", "",
	    "balancers that tell the client's address"),

	/* [forward] */
	{ SECTION_FORWARD, "listen", &value_listen,
		ARRAY(forward_conf, listen, nlisten), .def = "",
		.help = "listeners it serves; default: every one" },
	{ SECTION_FORWARD, "allow-from", &value_networks,
		IN(forward_conf, allow_from), .def = "loopback private",
		.flags = KEY_LIST, .help = "clients that may" },
	{ SECTION_FORWARD, "deny-from", &value_networks,
		IN(forward_conf, deny_from), .def = "", .flags = KEY_LIST,
		.help = "clients that may not" },
	{ SECTION_FORWARD, "allow-to", &value_allow_to, .def = "any",
		.flags = KEY_LIST, .help = "destinations, also as patterns" },
	{ SECTION_FORWARD, "deny-to", &value_deny_to,
		.def = "loopback link-local multicast", .flags = KEY_LIST,
		.help = "destinations refused by their resolved address" },
	{ SECTION_FORWARD, "routes", &value_bool, IN(forward_conf, routes),
		.def = "no", .help = "matching routes take forward requests" },
	{ SECTION_FORWARD, "via", &value_via, .def = "",
		.help = "the next proxy for everything" },
	{ SECTION_FORWARD, "timeout", &value_duration,
		IN(forward_conf, timeout_ms), .lo = 1, .hi = DAY, .def = "90s",
		.help = "how long an answer may take" },

	/* [route] */
	{ SECTION_ROUTE, "listen", &value_listen, ARRAY(rule, listen, nlisten),
		.def = "", .help = "listeners; none: every one" },
	{ SECTION_ROUTE, "host", &value_host, ARRAY(rule, host, nhost),
		.def = "", .help = "hosts; *.NAME is any depth below NAME" },
	{ SECTION_ROUTE, "path", &value_path, ARRAY(rule, path, npath),
		.def = "", .help = "leading path segments" },
	{ SECTION_ROUTE, "methods", &value_methods, IN(rule, methods),
		.def = "", .flags = KEY_LIST, .help = "methods; none: all" },
	{ SECTION_ROUTE, "to", &value_to, .def = "",
		.help = "forward to this URI, or to origin:NAME" },
	{ SECTION_ROUTE, "reply", &value_reply, .def = "",
		.help = "answer with CODE \"text\"" },
	{ SECTION_ROUTE, "strip", &value_bool, IN(rule, strip), .def = "yes",
		.help = "matched path segments are taken off" },
	{ SECTION_ROUTE, "send-host", &value_send_host, .def = "keep",
		.help = "Uri-Host for the origin: keep, target, none, NAME" },
	{ SECTION_ROUTE, "as", &value_as, IN(rule, as_proxy), .def = "origin",
		.help = "what the next hop is: origin or proxy" },
	{ SECTION_ROUTE, "allow-from", &value_networks, IN(rule, allow_from),
		.def = "any", .flags = KEY_LIST, .help = "clients that may" },
	{ SECTION_ROUTE, "deny-from", &value_networks, IN(rule, deny_from),
		.def = "", .flags = KEY_LIST, .help = "clients that may not" },
	{ SECTION_ROUTE, "timeout", &value_duration, IN(rule, timeout_ms),
		.lo = 1, .hi = DAY, .def = "90s",
		.help = "how long an answer may take" },
	{ SECTION_ROUTE, "cache", &value_bool, IN(rule, cache), .def = "yes",
		.help = "answers may be stored and shared" },
	{ SECTION_ROUTE, "observe", &value_bool, IN(rule, observe),
		.def = "yes", .help = "clients may observe" },
	{ SECTION_ROUTE, "links", &value_links, IN(rule, links), .def = "no",
		.help = "the origin's links in our list: no, rewrite" },
	LATER(SECTION_ROUTE, "tls", "", "the [tls] section to use"),

	/* [origin] */
	{ SECTION_ORIGIN, "server", &value_server, .def = "",
		.flags = KEY_LIST | KEY_GROUP, .help = "URI of the origin" },
	{ SECTION_ORIGIN, "confirmable", &value_confirmable,
		IN(origin, confirmable), .def = "as-client",
		.flags = KEY_INHERIT,
		.help = "requests are CON: as-client, always, never" },
	LATER(SECTION_ORIGIN, "balance", "round-robin", "among servers"),
	LATER(SECTION_ORIGIN, "check", "off", "probing servers"),
	{ SECTION_ORIGIN, "nstart", &value_nstart, IN(origin, nstart),
		.lo = 1, .hi = 65536, .def = "auto", .flags = KEY_INHERIT,
		.help = "interactions outstanding per server address" },

	/* [message] */
	{ SECTION_MESSAGE, "ack-timeout", &value_duration,
		IN(conf, message.ack_timeout), .hi = HOUR, .def = "2s",
		.help = "ACK_TIMEOUT" },
	{ SECTION_MESSAGE, "ack-random-factor", &value_factor,
		IN(conf, message.ack_random_factor), .hi = 10000, .def = "1.5",
		.help = "ACK_RANDOM_FACTOR" },
	{ SECTION_MESSAGE, "max-retransmit", &value_count,
		IN(conf, message.max_retransmit), .hi = 20, .def = "4",
		.help = "MAX_RETRANSMIT" },
	{ SECTION_MESSAGE, "empty-ack-delay", &value_duration,
		IN(conf, message.empty_ack_delay), .hi = HOUR, .def = "500ms",
		.help = "when a client that waits gets its empty ACK" },
	{ SECTION_MESSAGE, "max-exchanges", &value_count,
		IN(conf, message.max_exchanges), .lo = 1, .hi = 1 << 24,
		.def = "65536",
		.help = "exchanges remembered" },
	{ SECTION_MESSAGE, "max-upstream-ports", &value_count,
		IN(conf, max_upstream_ports), .lo = 1, .hi = 4096, .def = "64",
		.help = "local ports per origin, opened on demand" },
	{ SECTION_MESSAGE, "probing-rate", &value_count,
		IN(conf, flow.probing_rate), .lo = 1, .hi = 1 << 30,
		.def = "1", .help = "octets a second for a silent origin" },
	{ SECTION_MESSAGE, "queue-per-origin", &value_count,
		IN(conf, flow.queue), .hi = 1 << 24, .def = "64",
		.help = "requests waiting for an origin" },

	/* [cache] */
	{ SECTION_CACHE, "size", &value_size, IN(conf, cache.size),
		.hi = (uint64_t)1 << 40, .def = "64M",
		.help = "memory for responses; 0: none are kept" },
	{ SECTION_CACHE, "max-entry", &value_size, IN(conf, cache.max_entry),
		.hi = (uint64_t)1 << 30, .def = "1M",
		.help = "the largest body kept" },
	{ SECTION_CACHE, "max-age", &value_seconds, IN(conf, cache.max_age),
		.hi = (uint64_t)365 * DAY, .def = "1d",
		.help = "responses are fresh for no longer" },

	/* [observe] */
	{ SECTION_OBSERVE, "max-observers", &value_count,
		IN(conf, message.max_observers), .hi = 1 << 24,
		.def = "100000",
		.help = "altogether; 0: nobody observes" },
	{ SECTION_OBSERVE, "max-per-client", &value_count,
		IN(conf, message.max_per_client), .lo = 1, .hi = 1 << 20,
		.def = "32",
		.help = "of one client's address and port" },
	{ SECTION_OBSERVE, "linger", &value_duration,
		IN(conf, observe.linger_ms), .hi = HOUR, .def = "5s",
		.help = "an observation is kept without observers" },
	{ SECTION_OBSERVE, "confirmable-every", &value_count,
		IN(conf, message.confirmable_every), .lo = 1, .hi = 255,
		.def = "5", .help = "one notification of so many is CON" },

	/* [block] */
	{ SECTION_BLOCK, "max-body", &value_size, IN(conf, block.max_body),
		.lo = 1024, .hi = (uint64_t)1 << 30, .def = "1M",
		.help = "the largest body put together" },
	{ SECTION_BLOCK, "size", &value_block_size, IN(conf, block.szx),
		.def = "1024", .help = "the largest block" },
	{ SECTION_BLOCK, "max-transfers", &value_count,
		IN(conf, block.max_transfers), .lo = 1, .hi = 1 << 20,
		.def = "1024",
		.help = "at a time, each way" },

	/* [log] */
	{ SECTION_LOG, "level", &value_level, IN(conf, log_level),
		.def = "info", .help = "error, warn, info or debug" },
	{ SECTION_LOG, "target", &value_log_target, IN(conf, log_target),
		.def = "stderr", .help = "stderr, or a path" },
	{ SECTION_LOG, "access", &value_log_access, IN(conf, log_access),
		.def = "errors",
		.help = "requests with a line: off, errors, all or 1/N" },
	{ SECTION_LOG, "format", &value_log_format, IN(conf, log_format),
		.def = "text", .help = "text, logfmt or json" },

	/* [dns] */
	{ SECTION_DNS, "servers", &value_dns_server,
		IN(conf, dns.servers),
		.count = offsetof(struct conf, dns.nservers), .def = "",
		.flags = KEY_LIST,
		.help = "name servers; default: those of resolv.conf" },
	{ SECTION_DNS, "timeout", &value_duration, IN(conf, dns.timeout_ms),
		.lo = 1, .hi = HOUR, .def = "5s",
		.help = "for a look-up altogether" },
	{ SECTION_DNS, "min-ttl", &value_duration, IN(conf, dns.min_ttl_ms),
		.hi = 7 * DAY, .def = "30s",
		.help = "answers are kept at least this long" },
	{ SECTION_DNS, "max-ttl", &value_duration, IN(conf, dns.max_ttl_ms),
		.hi = 7 * DAY, .def = "5m",
		.help = "answers are kept at most this long" },

	/* [metrics] */
	{ SECTION_METRICS, "bind", &value_http, IN(conf, metrics),
		.def = "http://127.0.0.1:9683",
		.help = "address of /metrics, /healthz and /" },

	/* [control] */
	{ SECTION_CONTROL, "socket", &value_socket, IN(conf, control),
		.def = "",
		.help = "path of the socket for coaproxyctl" },

	/* Sections of later work */
	LATER(SECTION_TLS, "cert", "", "certificate chain"),
	LATER(SECTION_TLS, "key", "", "private key"),
	LATER(SECTION_TLS, "psk-file", "", "pre-shared keys"),
	LATER(SECTION_TLS, "identity", "", "identity of our key"),
	LATER(SECTION_TLS, "psk", "", "pre-shared key"),
	LATER(SECTION_TLS, "ciphers", "default", "cipher suites"),
	LATER(SECTION_TLS, "tickets", "", "key of session tickets"),
};

enum { NKEYS = sizeof(keys) / sizeof(keys[0]) };

const struct schema_section *
schema_section(const char *name)
{
	for (size_t i = 0; i < SECTION_TYPES; i++)
		if (strcmp(sections[i].name, name) == 0)
			return &sections[i];
	return NULL;
}

const struct schema_section *
schema_section_id(enum section_id id)
{
	return &sections[id];
}

const struct schema_key *
schema_find(enum section_id id, const char *name)
{
	for (size_t i = 0; i < NKEYS; i++)
		if (keys[i].section == id && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

const struct schema_key *
schema_row(size_t i)
{
	return i < NKEYS ? &keys[i] : NULL;
}

const char *
schema_suggest_section(const char *word)
{
	for (size_t i = 0; i < SECTION_TYPES; i++)
		if (!sections[i].later && one_typo(sections[i].name, word))
			return sections[i].name;
	return NULL;
}

const char *
schema_suggest_key(enum section_id id, const char *word)
{
	for (size_t i = 0; i < NKEYS; i++)
		if (keys[i].section == id && keys[i].type != NULL &&
		    one_typo(keys[i].name, word))
			return keys[i].name;
	return NULL;
}

bool
one_typo(const char *a, const char *b)
{
	struct span s = span_str(a), t = span_str(b);

	/* What both begin and end with does not count. */
	while (s.n > 0 && t.n > 0 &&
	    span_lower(s.p[0]) == span_lower(t.p[0])) {
		s = span_make(s.p + 1, s.n - 1);
		t = span_make(t.p + 1, t.n - 1);
	}
	while (s.n > 0 && t.n > 0 &&
	    span_lower(s.p[s.n - 1]) == span_lower(t.p[t.n - 1])) {
		s.n--;
		t.n--;
	}
	if (s.n + t.n <= 1 || (s.n == 1 && t.n == 1))
		return true;
	return s.n == 2 && t.n == 2 &&
	    span_lower(s.p[0]) == span_lower(t.p[1]) &&
	    span_lower(s.p[1]) == span_lower(t.p[0]);
}
