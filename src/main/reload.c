/*
 * reload: the configuration is read anew while requests go on.
 *
 * Everything that can fail comes first: reading, the log's file, sockets,
 * memory. What is done then cannot, and nobody sees half of it: the loop does
 * not turn meanwhile.
 *
 *	daemon_reload -> prepare -> swap
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/sums.h"
#include "main/core.h"

/* What is ready to take the place of what is in use. */
struct next {
	struct regime *regime;
	int log_fd;
	char *notes;		/* warnings, or NULL */
};

static char *
join(char *a, char *b)
{
	char *both;

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	both = xasprintf("%s%s", a, b);
	free(a);
	free(b);
	return both;
}

/* The configuration, read and checked. NULL with *WHY. */
static struct conf *
load(struct daemon *d, char **notes, char **why)
{
	struct conf_report report = { 0 };
	struct conf *c;

	if (d->args->text == NULL && strcmp(d->args->config, "-") == 0) {
		*why = xstrdup("standard input cannot be read again\n");
		return NULL;
	}
	c = daemon_load(d->args, &report);
	*(c != NULL ? notes : why) = report.text;
	return c;
}

/* Nothing has changed but for what is in *N. */
static bool
prepare(struct daemon *d, struct next *n, char **why)
{
	struct conf *c = load(d, &n->notes, why);

	n->log_fd = -1;
	if (c == NULL)
		return false;
	n->regime = regime_new(d, c);
	if (!daemon_open_log(c, &n->log_fd)) {
		*why = xasprintf("cannot open %s: %s\n", c->log_target,
		    strerror(errno));
		goto err0;
	}
	if (!listen_open(d, c, why)) {
		*why = join(*why, xstrdup("\n"));
		goto err1;
	}
	if (!admin_prepare(&d->admin, c, d->conf, why)) {
		*why = join(*why, xstrdup("\n"));
		goto err2;
	}
	if (!resolve_prepare(d->resolver, &c->dns)) {
		*why = xstrdup("cannot use any name server\n");
		goto err3;
	}
	if (proxy_prepare(d->proxy, &n->regime->proxy))
		return true;
	*why = xstrdup("out of memory\n");
	proxy_abandon(d->proxy, &n->regime->proxy);
	resolve_abandon(d->resolver);
err3:
	admin_abandon(&d->admin);
err2:
	listen_abandon(d);
err1:
	if (n->log_fd >= 0)
		close(n->log_fd);
err0:
	regime_free(n->regime);
	return false;
}

static bool
same_list(const struct netlist *a, const struct netlist *b)
{
	return a->n == b->n &&
	    (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

/* Whether the amplification limit is for the same clients. */
static bool
same_strangers(const struct conf *a, const struct conf *b)
{
	bool same = a->nlisten == b->nlisten;

	for (size_t i = 0; same && i < a->nlisten; i++) {
		const struct access *x = &a->listen[i].access;
		const struct access *y = &b->listen[i].access;

		same = x->amplification == y->amplification &&
		    same_list(&x->exempt, &y->exempt);
	}
	return same;
}

/* The listeners in use go on with what those of LAST, called the same, have
 * counted: WAS. */
static void
carry_counters(struct daemon *d, const struct regime *last,
    const struct listener_sum *was, size_t n)
{
	struct sources *src = &d->admin.src;
	struct listener_sum *carried = was == NULL ? NULL :
	    sums_carry(src, was, last->listeners, n);

	src->carried = carried;
	free(d->carried);
	d->carried = carried;
}

static void
swap(struct daemon *d, struct next *n)
{
	const struct regime *last = d->regime;
	uint64_t now = loop_now(d->loop);
	size_t nlast = d->conf->nlisten;
	struct listener_sum *was = sums_listeners(&d->admin.src);

	if (!same_strangers(d->conf, n->regime->conf))
		server_forget_notes(d->server);
	daemon_set_log(d, n->regime->conf, n->log_fd);
	/* The one before is there until the proxy has let go of it. */
	regime_use(d, n->regime);
	buf_pool_limit(d->bufs, daemon_buf_octets(d->conf));
	client_reload(d->client, now);
	server_reload(d->server, now);
	listen_swap(d);
	proxy_reload(d->proxy, &n->regime->proxy, now);
	resolve_reload(d->resolver, &d->conf->dns);
	admin_swap(&d->admin);
	daemon_show(d);
	carry_counters(d, last, was, nlast);
	free(was);
}

/* The lines of TEXT, but for those that quote a file. */
static void
log_lines(enum log_level level, char *text)
{
	char *line, *end;

	for (line = text; line != NULL && *line != '\0'; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		if (*line == ' ')
			continue;
		if (level == LOG_WARN)
			log_warn(NULL, "%s", line);
		else
			log_error(NULL, "%s", line);
	}
}

static void
log_text(enum log_level level, const char *text)
{
	char *copy = text != NULL ? xstrdup(text) : NULL;

	log_lines(level, copy);
	free(copy);
}

bool
daemon_reload(struct daemon *d, char **text)
{
	struct ctl_config *stats = &d->admin.src.config;
	struct next n = { 0 };
	char *why = NULL;

	*text = NULL;
	if (d->draining) {
		*text = xstrdup("it is going down\n");
		return false;
	}
	service_reloading();
	if (!prepare(d, &n, &why)) {
		free(n.notes);
		log_text(LOG_ERROR, why);
		log_event(LOG_RELOAD_FAILED, NULL, "reload refused: "
		    "configuration %u stays in use", stats->generation);
		stats->refused++;
		stats->last_refused = true;
		service_reloaded(d, why);
		*text = why;
		return false;
	}
	swap(d, &n);
	stats->reloads++;
	stats->last_refused = false;
	log_text(LOG_WARN, n.notes);
	log_info(NULL, "configuration %u in use: listeners=%zu routes=%zu",
	    stats->generation, d->conf->nlisten, d->conf->rules.n);
	service_reloaded(d, NULL);
	*text = n.notes;
	return true;
}
