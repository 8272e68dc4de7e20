/*
 * daemon: builds everything in the order it depends on each other, runs, and
 * takes it down in exact reverse. Those two lists are the architecture.
 */
#include "main/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/journal.h"
#include "base/xalloc.h"
#include "conf/conf.h"
#include "main/admin.h"
#include "main/args.h"
#include "main/explain.h"
#include "main/sd.h"
#include "net/udp.h"
#include "proxy/logline.h"
#include "server/server.h"
#include "upstream/client.h"

enum {
	MAX_DESTS = 4096,	/* destinations with an open socket */
	BUF_PER_EXCHANGE = 1024,	/* octets of datagrams, at most */
	INTERFACES_MS = 60000,	/* between looks at our own addresses */
};

struct daemon {
	const struct conf *conf;
	struct rand rnd;
	struct loop *loop;
	struct udp *udp;
	struct resolver *resolver;
	struct buf_pool *bufs;
	struct self self;
	char *ready;		/* "ready: coap://..." */
	struct span *names;
	struct access *access;
	const char **listeners;	/* their names */
	struct proxy_conf proxy_conf;
	struct proxy *proxy;
	struct client_conf client_conf;
	struct client *client;
	struct server *server;
	struct timer interfaces;
	struct timer drain;
	bool draining;
	struct admin admin;
};

/* ---- building ---- */

static bool
build_net(struct daemon *d)
{
	size_t room = (size_t)d->conf->message.max_exchanges *
	    BUF_PER_EXCHANGE;

	rand_init(&d->rnd);
	d->loop = loop_new();
	if (d->loop == NULL)
		return false;
	d->udp = udp_new(d->loop);
	if (d->udp == NULL)
		return false;
	d->resolver = resolve_new(d->loop, &d->conf->dns);
	if (d->resolver == NULL)
		return false;
	d->bufs = buf_pool_new(room);
	return d->bufs != NULL;
}

/* Our own names: the configured ones and the identifier. */
static void
build_self(struct daemon *d)
{
	const struct conf *c = d->conf;

	d->names = xcalloc(c->nown_names + 1, sizeof(*d->names));
	for (size_t i = 0; i < c->nown_names; i++)
		d->names[i] = c->own_names[i];
	d->names[c->nown_names] = span_str(c->name);
	d->self.names = d->names;
	d->self.nnames = c->nown_names + 1;
}

static bool
build_proxy(struct daemon *d)
{
	const struct conf *c = d->conf;

	d->access = xcalloc(c->nlisten, sizeof(*d->access));
	d->listeners = xcalloc(c->nlisten, sizeof(*d->listeners));
	for (size_t i = 0; i < c->nlisten; i++) {
		d->access[i] = c->listen[i].access;
		d->listeners[i] = c->listen[i].name;
	}
	d->proxy_conf = (struct proxy_conf){
		.name = c->name,
		.hop_limit = c->hop_limit,
		.access = d->access,
		.listeners = d->listeners,
		.nlisteners = c->nlisten,
		.forward = c->has_forward ? &c->forward : NULL,
		.rules = &c->rules,
		.max_requests = c->message.max_exchanges,
		.max_clients = c->message.max_exchanges,
		.cache = c->cache,
		.block = c->block,
		.observe = c->observe,
		.exchange_lifetime = c->message.exchange_lifetime,
		.trail = c->log_access,
	};
	d->proxy_conf.trail.write = logline_write;
	d->proxy_conf.trail.now_us = loop_us(d->loop);
	d->proxy = proxy_new(&d->proxy_conf, &d->self, loop_timers(d->loop),
	    &d->rnd);
	return d->proxy != NULL;
}

static bool
build_ends(struct daemon *d)
{
	const struct conf *c = d->conf;
	struct timers *timers = loop_timers(d->loop);

	d->client_conf = (struct client_conf){
		.params = &c->message,
		.flow = c->flow,
		.max_ports = c->max_upstream_ports,
		.max_dests = MAX_DESTS,
	};
	d->client = client_new(&d->client_conf, udp_net(d->udp), d->resolver,
	    timers, d->bufs, &d->rnd);
	if (d->client == NULL)
		return false;
	proxy_set_upstream(d->proxy, &client_upstream_ops, d->client);
	d->server = server_new(&c->message, timers, d->bufs, &d->rnd,
	    d->proxy);
	return d->server != NULL;
}

/* A is ours, and part of the "ready:" line. DUAL: the same port of every IPv4
 * address as well. */
static void
note_bound(struct daemon *d, const struct addr *a, bool dual)
{
	char text[ADDR_STRLEN];
	char *ready = xasprintf("%s coap://%s", d->ready, addr_str(a, text));

	free(d->ready);
	d->ready = ready;
	self_add_bound(&d->self, a);
	if (dual && a->family == 6)
		self_add_bound(&d->self,
		    &(struct addr){ .family = 4, .port = a->port });
}

static bool
bind_one(struct daemon *d, unsigned index, const struct bind_conf *b)
{
	struct net *net = udp_net(d->udp);
	struct listener *l = server_add_listener(d->server, index, b->scheme);
	struct net_sock *sock;
	struct addr bound;

	if (l == NULL)
		return false;
	sock = udp_bind(d->udp, &b->addr, &server_sock_ops, l);
	if (sock == NULL) {
		log_error(NULL, "cannot listen on %s: %s", b->text,
		    strerror(errno));
		return false;
	}
	listener_open(l, net, sock);
	net->ops->local(sock, &bound);
	note_bound(d, &bound, b->addr.family == 0);
	return true;
}

static bool
bind_all(struct daemon *d)
{
	const struct conf *c = d->conf;

	for (size_t i = 0; i < c->nlisten; i++)
		for (size_t j = 0; j < c->listen[i].nbind; j++)
			if (!bind_one(d, (unsigned)i, &c->listen[i].bind[j]))
				return false;
	return true;
}

static void
interfaces_fire(struct timer *t, uint64_t now)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, interfaces);

	if (!self_read_interfaces(&d->self))
		log_debug(NULL, "cannot read the interfaces' addresses");
	timer_start(loop_timers(d->loop), t, now + INTERFACES_MS);
}

/* ---- draining ---- */

static void
drain_fire(struct timer *t, uint64_t now)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, drain);

	(void)now;
	log_info(NULL, "drained in vain: waiting=%zu",
	    proxy_waiting(d->proxy));
	loop_stop(d->loop);
}

/* Requests without an answer, observers that do not know that it is over,
 * origins likewise, and answers without an acknowledgement. */
static size_t
work_left(const struct daemon *d)
{
	return proxy_waiting(d->proxy) + proxy_observers(d->proxy) +
	    proxy_parting(d->proxy) + dgram_sent_count(server_dgram(d->server));
}

static void
turn_end_cb(void *user, uint64_t now)
{
	struct daemon *d = user;

	(void)now;
	if (d->draining && work_left(d) == 0)
		loop_stop(d->loop);
}

static void
terminate_cb(void *user, int signo)
{
	struct daemon *d = user;
	uint64_t limit = d->conf->drain_ms;

	/* Asked twice: at once. */
	if (d->draining) {
		loop_stop(d->loop);
		return;
	}
	d->draining = true;
	proxy_drain(d->proxy);
	log_info(NULL, "%s: draining requests=%zu",
	    signo == SIGTERM ? "terminated" : "interrupted", work_left(d));
	sd_tell("STOPPING=1\nSTATUS=Draining %zu requests\n"
		"EXTEND_TIMEOUT_USEC=%llu",
	    work_left(d), (unsigned long long)(limit + 1000) * 1000);
	timer_start(loop_timers(d->loop), &d->drain,
	    loop_now(d->loop) + limit);
}

static void
hangup_cb(void *user, int signo)
{
	(void)user;
	(void)signo;
	log_warn(NULL, "reload is not supported by this build; restart to "
		       "take a new configuration into use");
}

static bool
build_signals(struct daemon *d)
{
	timer_init(&d->interfaces, interfaces_fire);
	timer_init(&d->drain, drain_fire);
	loop_at_turn_end(d->loop, turn_end_cb, d);
	return loop_signal(d->loop, SIGTERM, terminate_cb, d) &&
	    loop_signal(d->loop, SIGINT, terminate_cb, d) &&
	    loop_signal(d->loop, SIGHUP, hangup_cb, d);
}

/* ---- operators ---- */

static void
drain_action(void *user)
{
	struct daemon *d = user;

	if (!d->draining)
		terminate_cb(d, SIGTERM);
}

static bool
build_admin(struct daemon *d, const char *file)
{
	struct sources *src = &d->admin.src;

	*src = (struct sources){
		.name = d->conf->name,
		.addresses = d->ready + strlen("ready: "),
		.config = { .file = file, .generation = 1,
			.loaded_ms = clock_wall_ms() },
		.listeners = d->listeners,
		.nlisteners = d->conf->nlisten,
		.rules = &d->conf->rules,
		.loop = d->loop,
		.udp = d->udp,
		.proxy = d->proxy,
		.server = d->server,
		.client = d->client,
		.resolver = d->resolver,
	};
	d->admin.act = (struct ctl_actions){ .user = d,
		.drain = drain_action };
	return admin_open(&d->admin, d->conf);
}

static bool
build(struct daemon *d, const char *file)
{
	if (!build_net(d))
		goto fail;
	build_self(d);
	if (!build_proxy(d) || !build_ends(d) || !build_signals(d))
		goto fail;
	interfaces_fire(&d->interfaces, loop_now(d->loop));
	return bind_all(d) && build_admin(d, file);
fail:
	log_error(NULL, "cannot start: %s", strerror(errno));
	return false;
}

static void
tear_down(struct daemon *d)
{
	admin_close(&d->admin);
	timer_stop(&d->drain);
	timer_stop(&d->interfaces);
	/* What the proxy drops goes through the ends, so it goes first. */
	proxy_free(d->proxy);
	server_free(d->server);
	client_free(d->client);
	free(d->access);
	free(d->listeners);
	free(d->names);
	free(d->ready);
	self_fini(&d->self);
	if (d->resolver != NULL)
		resolve_free(d->resolver);
	if (d->udp != NULL) {
		udp_flush(d->udp);
		udp_free(d->udp);
	}
	if (d->bufs != NULL)
		buf_pool_free(d->bufs);
	if (d->loop != NULL)
		loop_free(d->loop);
}

/* ---- running ---- */

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* Every origin with a socket takes a descriptor. */
static void
raise_descriptor_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		log_debug(NULL, "cannot raise the descriptor limit: %s",
		    strerror(errno));
}

static int
run(const struct conf *c, const char *file)
{
	struct daemon d = { .conf = c, .ready = xstrdup("ready:") };
	int status = EXIT_OTHER;

	raise_descriptor_limit();
	list_init(&d.drain.link);
	list_init(&d.interfaces.link);
	if (build(&d, file)) {
		fprintf(stderr, "%s\n", d.ready);
		fflush(stderr);
		sd_tell("READY=1\nSTATUS=Serving %zu listener%s, %zu route%s",
		    c->nlisten, plural(c->nlisten), c->rules.n,
		    plural(c->rules.n));
		loop_run(d.loop);
		log_info(NULL, "stopped");
		status = EXIT_OK;
	}
	tear_down(&d);
	return status;
}

/* ---- the command line ---- */

static struct conf *
load(const struct args *a)
{
	struct conf_report report = { 0 };
	struct conf *c = a->text != NULL ?
	    conf_load_text("command line", a->text, &report) :
	    conf_load(a->config, &report);

	if (report.text != NULL)
		fputs(report.text, stderr);
	if (c == NULL)
		sd_tell("STATUS=Configuration refused: %u error%s\nERRNO=%d",
		    report.errors, plural(report.errors), EINVAL);
	conf_report_fini(&report);
	return c;
}

static const char *
source_name(const struct args *a)
{
	return a->text != NULL ? "command line" : a->config;
}

static int
print_check(const struct args *a, const struct conf *c)
{
	printf("%s: OK (%zu listener%s, %zu route%s)\n",
	    source_name(a), c->nlisten,
	    plural(c->nlisten), c->rules.n, plural(c->rules.n));
	return EXIT_OK;
}

static int
print_dump(const struct conf *c)
{
	char *text = conf_dump(c);

	fputs(text, stdout);
	free(text);
	return EXIT_OK;
}

/* Opens the log as configured, a level up or down for each -v and -q. */
static bool
open_log(const struct args *a, const struct conf *c)
{
	int level = (int)c->log_level + a->verbose;
	int fd = STDERR_FILENO;

	if (level < LOG_ERROR)
		level = LOG_ERROR;
	if (level > LOG_DEBUG)
		level = LOG_DEBUG;
	if (c->log_target != NULL)
		fd = open(c->log_target,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0) {
		fprintf(stderr, "coaproxy: cannot open %s: %s\n",
		    c->log_target, strerror(errno));
		return false;
	}
	log_set_format(c->log_format);
	log_open(fd, (enum log_level)level);
	log_open_journal(JOURNAL_SOCKET);
	return true;
}

static int
with_conf(const struct args *a)
{
	struct conf *c = load(a);
	int status = EXIT_CONF;

	if (c == NULL)
		return EXIT_CONF;
	if (a->mode == ARGS_CHECK)
		status = print_check(a, c);
	else if (a->mode == ARGS_DUMP)
		status = print_dump(c);
	else if (a->mode == ARGS_EXPLAIN)
		status = explain(c, a);
	else
		status = open_log(a, c) ? run(c, source_name(a)) :
				    EXIT_OTHER;
	conf_free(c);
	return status;
}

int
daemon_main(int argc, char **argv)
{
	struct args a;
	int status = EXIT_OK;

	args_parse(&a, argc, argv);
	switch (a.mode) {
	case ARGS_BAD:
		status = EXIT_USAGE;
		break;
	case ARGS_HELP:
		args_help();
		break;
	case ARGS_VERSION:
		args_version();
		break;
	case ARGS_RUN:
	case ARGS_CHECK:
	case ARGS_DUMP:
	case ARGS_EXPLAIN:
		status = with_conf(&a);
		break;
	}
	args_fini(&a);
	return status;
}
