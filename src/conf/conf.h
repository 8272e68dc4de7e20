/*
 * conf: the configuration as the modules see it.
 *
 * Immutable once loaded. Every pointer in it belongs to it and is freed with
 * it; the modules' own x_conf structs are embedded.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/log.h"
#include "base/netlist.h"
#include "msg/params.h"
#include "net/resolve.h"
#include "proxy/cache.h"
#include "proxy/proxy.h"
#include "proxy/route.h"
#include "upstream/flow.h"

/* One address of a [listen]; "any" has family 0. */
struct bind_conf {
	enum coap_scheme scheme;
	struct addr addr;
	const char *fd;		/* the service manager's sockets of this name,
				 * whatever their addresses; or NULL */
	const char *text;	/* as written */
};

struct listen_conf {
	const char *name;
	struct bind_conf *bind;
	size_t nbind;
	struct access access;
};

struct conf {
	/* [proxy] */
	const char *name;	/* without blanks; the host's by default */
	struct span *own_names;	/* lower case */
	size_t nown_names;
	unsigned hop_limit;	/* 0: do not insert */
	uint64_t drain_ms;
	/* [listen NAME] in order; "listen" conditions are indexes into it */
	struct listen_conf *listen;
	size_t nlisten;
	/* [forward] */
	bool has_forward;
	struct forward_conf forward;
	/* [route NAME] in order */
	struct rules rules;
	/* [message] */
	struct msg_params message;
	unsigned max_upstream_ports;	/* per origin */
	struct flow_conf flow;
	/* [cache] */
	struct cache_conf cache;
	/* [observe]; its limits are in message as well */
	struct observe_conf observe;
	/* [block] */
	struct block_conf block;
	/* [log] */
	enum log_level log_level;
	const char *log_target;		/* NULL: standard error */
	enum log_format log_format;
	struct trail_conf log_access;	/* what of it is configured */
	/* [dns] */
	struct dns_conf dns;
	/* [metrics] */
	struct addr metrics;		/* family 0: off */
	/* [control] */
	const char *control;	/* path; NULL: by the environment */
};

/* The errors and warnings of a load, each one line or more of text ready to
 * print; in order of files and lines. */
struct conf_report {
	char *text;		/* NUL-terminated; NULL: nothing to say, or
				 * starved */
	unsigned errors, warnings;
	bool starved;		/* there is no memory: nothing is known of the
				 * files */
};

/* Reads PATH ("-": standard input). Returns owned, or NULL with errors in the
 * report, which is filled in either case. */
struct conf *conf_load(const char *path, struct conf_report *report);

/* Likewise from TEXT, as if it were a file NAME: what command-line options are
 * turned into. */
struct conf *conf_load_text(const char *name, const char *text,
    struct conf_report *report);

void conf_free(struct conf *c);
void conf_report_fini(struct conf_report *r);

/* What is in effect in the file's own syntax (option -T): every key with its
 * value, defaults included, "# file:line" behind what was written. Returns
 * owned text; exits without memory. */
char *conf_dump(const struct conf *c);

#endif
