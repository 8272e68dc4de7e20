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

#include "base/journal.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "main/core.h"
#include "main/explain.h"

enum {
	MAX_DESTS = 4096,	/* destinations with an open socket */
	BUF_PER_EXCHANGE = 1024,	/* octets of datagrams, at most */
	INTERFACES_MS = 60000,	/* between looks at our own addresses */
};

static const char out_of_memory[] = "coaproxy: out of memory\n";

/* ---- building ---- */

size_t
daemon_buf_octets(const struct conf *c)
{
	return (size_t)c->message.max_exchanges * BUF_PER_EXCHANGE;
}

static bool
build_net(struct daemon *d)
{
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
	d->bufs = buf_pool_new(daemon_buf_octets(d->conf));
	return d->bufs != NULL;
}

static bool
build_proxy(struct daemon *d)
{
	/* There was no loop yet when it was made. */
	d->regime->proxy.trail.now_us = loop_us(d->loop);
	d->proxy = proxy_new(&d->regime->proxy, &d->self, loop_timers(d->loop),
	    &d->rnd);
	return d->proxy != NULL;
}

static bool
build_ends(struct daemon *d)
{
	struct timers *timers = loop_timers(d->loop);

	d->client_conf.params = &d->params;
	d->client_conf.max_dests = MAX_DESTS;
	d->client = client_new(&d->client_conf, udp_net(d->udp), d->resolver,
	    timers, d->bufs, &d->rnd);
	if (d->client == NULL)
		return false;
	proxy_set_upstream(d->proxy, &client_upstream_ops, d->client);
	d->server = server_new(&d->params, timers, d->bufs, &d->rnd,
	    d->proxy);
	return d->server != NULL;
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
size_t
daemon_work_left(const struct daemon *d)
{
	return proxy_waiting(d->proxy) + proxy_observers(d->proxy) +
	    proxy_parting(d->proxy) + dgram_sent_count(server_dgram(d->server));
}

static void
hang_up(struct daemon *d)
{
	char *text;

	d->hangup = false;
	/* It has been logged. */
	(void)daemon_reload(d, &text);
	free(text);
}

static void
turn_end_cb(void *user, uint64_t now)
{
	struct daemon *d = user;

	(void)now;
	regime_bury(d);
	admin_sweep(&d->admin);
	if (d->hangup && !d->starting)
		hang_up(d);
	if (d->draining && daemon_work_left(d) == 0)
		loop_stop(d->loop);
}

static void
drain(struct daemon *d, const char *why)
{
	uint64_t limit = d->conf->drain_ms;

	d->draining = true;
	proxy_drain(d->proxy);
	log_info(NULL, "%s: draining requests=%zu", why, daemon_work_left(d));
	service_stopping(d, limit);
	timer_start(loop_timers(d->loop), &d->drain,
	    loop_now(d->loop) + limit);
}

static void
terminate_cb(void *user, int signo)
{
	struct daemon *d = user;

	/* Asked twice: at once. */
	if (d->draining) {
		loop_stop(d->loop);
		return;
	}
	/* How a service manager begins a restart. */
	if (signo == SIGTERM)
		listen_hand_over(d);
	drain(d, signo == SIGTERM ? "terminated" : "interrupted");
}

/* Several at once are one. */
static void
hangup_cb(void *user, int signo)
{
	struct daemon *d = user;

	(void)signo;
	d->hangup = true;
}

static bool
build_signals(struct daemon *d)
{
	timer_init(&d->interfaces, interfaces_fire);
	timer_init(&d->drain, drain_fire);
	loop_at_turn_end(d->loop, turn_end_cb, d);
	/* What the loop puts back when it ends: who asks once more while we are
	 * about to exit does not change how. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	return loop_signal(d->loop, SIGTERM, terminate_cb, d) &&
	    loop_signal(d->loop, SIGINT, terminate_cb, d) &&
	    loop_signal(d->loop, SIGHUP, hangup_cb, d);
}

/* ---- operators ---- */

static const char *
source_name(const struct args *a)
{
	return a->text != NULL ? "command line" : a->config;
}

static void
drain_action(void *user)
{
	struct daemon *d = user;

	if (!d->draining)
		drain(d, "asked to");
}

static bool
reload_action(void *user, char **text)
{
	return daemon_reload(user, text);
}

void
daemon_show(struct daemon *d)
{
	struct sources *src = &d->admin.src;

	listen_show(d);
	src->addresses = d->addresses;
	src->name = d->conf->name;
	src->listeners = d->regime->listeners;
	src->nlisteners = d->conf->nlisten;
	src->rules = &d->conf->rules;
}

static bool
build_admin(struct daemon *d)
{
	struct sources *src = &d->admin.src;

	src->config.file = source_name(d->args);
	src->loop = d->loop;
	src->udp = d->udp;
	src->proxy = d->proxy;
	src->server = d->server;
	src->client = d->client;
	src->resolver = d->resolver;
	src->bufs = d->bufs;
	daemon_show(d);
	d->admin.act = (struct ctl_actions){
		.user = d,
		.reload = reload_action,
		.drain = drain_action,
	};
	return admin_open(&d->admin, d->conf);
}

static bool
build(struct daemon *d)
{
	if (!build_net(d))
		goto fail;
	if (!build_proxy(d) || !build_ends(d) || !build_signals(d))
		goto fail;
	interfaces_fire(&d->interfaces, loop_now(d->loop));
	return start_listening(d) && build_admin(d);
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
	timer_stop(&d->sweep);
	service_stop(d);
	/* What the proxy drops goes through the ends, so it goes first. */
	proxy_free(d->proxy);
	server_free(d->server);
	client_free(d->client);
	free(d->addresses);
	free(d->carried);
	listen_fini(d);
	sd_sockets_fini(d->passed, d->npassed);
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
	/* The proxy has let go of the last one, if there was a proxy. */
	if (list_empty(&d->over))
		regime_free(d->regime);
	regime_bury(d);
}

/* ---- running ---- */

const char *
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

/* Whatever the level and the target of the log. */
static void
say_ready(const struct daemon *d)
{
	char *text = xasprintf("ready: %s", d->addresses);

	if (!log_entry(LOG_STARTED, NULL, text)) {
		fprintf(stderr, "%s\n", text);
		fflush(stderr);
	}
	free(text);
}

static int
run(const struct args *a, struct conf *c, int log_fd)
{
	struct daemon d = { .args = a, .log_fd = log_fd };
	struct regime *r = regime_new(&d, c);
	int status = EXIT_OTHER;

	if (r == NULL) {
		fputs(out_of_memory, stderr);
		return status;
	}
	raise_descriptor_limit();
	list_init(&d.drain.link);
	list_init(&d.interfaces.link);
	list_init(&d.sweep.link);
	list_init(&d.bound);
	list_init(&d.over);
	admin_init(&d.admin);
	service_init(&d);
	regime_use(&d, r);
	if (build(&d)) {
		say_ready(&d);
		service_ready(&d);
		loop_run(d.loop);
		log_info(NULL, "stopped");
		status = EXIT_OK;
	} else if (d.draining) {
		status = EXIT_OK;
	}
	tear_down(&d);
	return status;
}

/* ---- the command line ---- */

struct conf *
daemon_load(const struct args *a, struct conf_report *report)
{
	return a->text != NULL ?
	    conf_load_text("command line", a->text, report) :
	    conf_load(a->config, report);
}

/* NULL with the exit STATUS. */
static struct conf *
load(const struct args *a, int *status)
{
	struct conf_report report = { 0 };
	struct conf *c = daemon_load(a, &report);
	const char *text = report.text;

	if (c == NULL && text == NULL)
		text = out_of_memory;
	if (text != NULL)
		fputs(text, stderr);
	/* The first error; the others are where this one's lines are. */
	if (c == NULL)
		sd_tell("STATUS=Configuration refused: %.*s\nERRNO=%d",
		    (int)strcspn(text, "\n"), text,
		    report.starved ? ENOMEM : EINVAL);
	/* Next time there may be memory. */
	*status = report.starved ? EXIT_OTHER : EXIT_CONF;
	conf_report_fini(&report);
	return c;
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

bool
daemon_open_log(const struct conf *c, int *fd)
{
	*fd = -1;
	if (c->log_target != NULL)
		*fd = open(c->log_target,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	return c->log_target == NULL || *fd >= 0;
}

/* A level up or down for each -v and -q. */
static void
set_log(const struct args *a, const struct conf *c, int fd)
{
	int level = (int)c->log_level + a->verbose;

	if (level < LOG_ERROR)
		level = LOG_ERROR;
	if (level > LOG_DEBUG)
		level = LOG_DEBUG;
	log_set_format(c->log_format);
	log_open(fd < 0 ? STDERR_FILENO : fd, (enum log_level)level);
	log_open_journal(JOURNAL_SOCKET);
}

void
daemon_set_log(struct daemon *d, const struct conf *c, int fd)
{
	set_log(d->args, c, fd);
	if (d->log_fd >= 0)
		close(d->log_fd);
	d->log_fd = fd;
}

/* Runs with C, which is taken. */
static int
serve(const struct args *a, struct conf *c)
{
	int fd;

	if (daemon_open_log(c, &fd)) {
		set_log(a, c, fd);
		return run(a, c, fd);
	}
	fprintf(stderr, "coaproxy: cannot open %s: %s\n", c->log_target,
	    strerror(errno));
	conf_free(c);
	return EXIT_OTHER;
}

static int
with_conf(const struct args *a)
{
	int status;
	struct conf *c = load(a, &status);

	if (c == NULL)
		return status;
	if (a->mode == ARGS_RUN)
		return serve(a, c);
	if (a->mode == ARGS_CHECK)
		status = print_check(a, c);
	else if (a->mode == ARGS_DUMP)
		status = print_dump(c);
	else if (a->mode == ARGS_EXPLAIN)
		status = explain(c, a);
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
