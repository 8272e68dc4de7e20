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
	/* Room for the counters of listeners: of those in use, and twice that of
	 * the next. */
	struct listener_sum *was, *carried, *scratch;
};

/* What TEXT, owned, says, as a line, owned; NULL stays. */
static char *
line(char *text)
{
	char *all = text != NULL ? try_asprintf("%s\n", text) : NULL;

	free(text);
	return all;
}

/* The configuration, read and checked. NULL with *WHY. */
static struct conf *
load(struct daemon *d, char **notes, char **why)
{
	struct conf_report report = { 0 };
	struct conf *c;

	if (d->args->text == NULL && strcmp(d->args->config, "-") == 0) {
		*why = strdup("standard input cannot be read again\n");
		return NULL;
	}
	c = daemon_load(d->args, &report);
	*(c != NULL ? notes : why) = report.text;
	return c;
}

static bool
make_counters(const struct daemon *d, const struct conf *c, struct next *n)
{
	n->was = calloc(d->conf->nlisten, sizeof(*n->was));
	n->carried = calloc(c->nlisten, sizeof(*n->carried));
	n->scratch = calloc(c->nlisten, sizeof(*n->scratch));
	return n->was != NULL && n->carried != NULL && n->scratch != NULL;
}

static void
free_counters(struct next *n)
{
	free(n->was);
	free(n->carried);
	free(n->scratch);
	n->was = n->carried = n->scratch = NULL;
}

/* Nothing has changed but for what is in *N. *WHY is NULL when there is no
 * memory. */
static bool
prepare(struct daemon *d, struct next *n, char **why)
{
	struct conf *c = load(d, &n->notes, why);

	n->log_fd = -1;
	if (c == NULL)
		return false;
	n->regime = regime_new(d, c);
	if (n->regime == NULL)
		return false;
	if (!make_counters(d, c, n))
		goto err0;
	if (!daemon_open_log(c, &n->log_fd)) {
		*why = try_asprintf("cannot open %s: %s\n", c->log_target,
		    strerror(errno));
		goto err0;
	}
	if (!listen_open(d, c, why)) {
		*why = line(*why);
		goto err1;
	}
	if (!admin_prepare(&d->admin, c, d->conf, why)) {
		*why = line(*why);
		goto err2;
	}
	errno = 0;
	if (!resolve_prepare(d->resolver, &c->dns)) {
		*why = errno == ENOMEM ? NULL :
		    strdup("cannot use any name server\n");
		goto err3;
	}
	if (proxy_prepare(d->proxy, &n->regime->proxy))
		return true;
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
	free_counters(n);
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

/* The listeners in use go on with what those of LAST, NLAST of them, called the
 * same, have counted. */
static void
carry_counters(struct daemon *d, struct next *n, const struct regime *last,
    size_t nlast)
{
	struct sources *src = &d->admin.src;

	sums_carry(src, n->carried, n->scratch, n->was, last->listeners, nlast);
	src->carried = n->carried;
	free(d->carried);
	d->carried = n->carried;
	n->carried = NULL;
	free_counters(n);
}

static void
swap(struct daemon *d, struct next *n)
{
	const struct regime *last = d->regime;
	uint64_t now = loop_now(d->loop);
	size_t nlast = d->conf->nlisten;

	sums_read_listeners(&d->admin.src, n->was);
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
	carry_counters(d, n, last, nlast);
}

/* The lines of TEXT, but for those that quote a file. */
static void
log_text(enum log_level level, const char *text)
{
	const char *end;

	for (; text != NULL && *text != '\0'; text = end) {
		end = strchrnul(text, '\n');
		if (*text != ' ' && level <= log_level)
			log_line(level, NULL, "%.*s", (int)(end - text), text);
		if (*end == '\n')
			end++;
	}
}

static void
refuse(struct daemon *d, const char *why)
{
	struct ctl_config *stats = &d->admin.src.config;

	log_text(LOG_ERROR, why);
	log_event(LOG_RELOAD_FAILED, NULL, "reload refused: configuration %u "
	    "stays in use", stats->generation);
	stats->refused++;
	stats->last_refused = true;
	service_reloaded(d, why);
}

bool
daemon_reload(struct daemon *d, char **text)
{
	struct ctl_config *stats = &d->admin.src.config;
	struct next n = { 0 };
	char *why = NULL;

	*text = NULL;
	if (d->draining) {
		*text = strdup("it is going down\n");
		return false;
	}
	service_reloading();
	if (!prepare(d, &n, &why)) {
		free(n.notes);
		refuse(d, why != NULL ? why : "out of memory\n");
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
