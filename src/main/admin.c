/*
 * admin: where they are, and what happens when they cannot be had.
 */
#include "main/admin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "config.h"

/* ---- opening ---- */

static bool
open_http(struct admin *a, const struct addr *at, char **why)
{
	char text[ADDR_STRLEN];

	if (at->family == 0)
		return true;
	a->next.http = http_new(a->src.loop, at, &a->src, a->ways.http);
	if (a->next.http == NULL)
		*why = try_asprintf("cannot listen on http://%s: %s",
		    addr_str(at, text), strerror(errno));
	return a->next.http != NULL;
}

/* What is configured, or "control" in the directory that the service manager
 * has made for us, or the first of them, owned; NULL: there is none. False
 * without memory. */
static bool
control_path(const struct conf *c, char **path)
{
	const char *dirs = getenv("RUNTIME_DIRECTORY");

	*path = NULL;
	if (c->control == NULL && (dirs == NULL || dirs[0] != '/'))
		return true;
	*path = c->control != NULL ? strdup(c->control) :
	    try_asprintf("%.*s/control", (int)strcspn(dirs, ":"), dirs);
	return *path != NULL;
}

/* One that was not asked for is no reason to serve nobody. */
static bool
open_control(struct admin *a, const struct conf *c, char **why)
{
	const char *problem;

	if (a->next_path == NULL)
		return true;
	a->next.control = control_new(a->src.loop, a->next_path, &a->src,
	    &a->act);
	if (a->next.control != NULL)
		return true;
	problem = strerror(errno);
	if (c->control == NULL) {
		log_warn(NULL, "cannot open the control socket %s: %s",
		    a->next_path, problem);
		return true;
	}
	*why = try_asprintf("cannot open the control socket %s: %s",
	    a->next_path, problem);
	return false;
}

static bool
same_path(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* IN_USE is NULL at the start. */
static bool
same_http(const struct conf *a, const struct conf *b)
{
	return b != NULL && addr_eq(&a->metrics, &b->metrics);
}

bool
admin_prepare(struct admin *a, const struct conf *next,
    const struct conf *in_use, char **why)
{
	a->next = (struct admin_ways){ .http = NULL };
	/* For those in use, should they retire. */
	a->next_old = calloc(1, sizeof(*a->next_old));
	if (a->next_old == NULL || !control_path(next, &a->next_path))
		goto fail;
	if (same_http(next, in_use))
		a->next.http = a->ways.http;
	else if (!open_http(a, &next->metrics, why))
		goto fail;
	if (a->ways.control != NULL && same_path(a->next_path, a->path))
		a->next.control = a->ways.control;
	else if (!open_control(a, next, why))
		goto fail;
	return true;
fail:
	admin_abandon(a);
	return false;
}

void
admin_abandon(struct admin *a)
{
	if (a->next.http != a->ways.http)
		http_free(a->next.http);
	if (a->next.control != a->ways.control)
		control_free(a->next.control);
	free(a->next_path);
	free(a->next_old);
	a->next = (struct admin_ways){ .http = NULL };
	a->next_path = NULL;
	a->next_old = NULL;
}

/* ---- from one to the next ---- */

static struct admin_ways *
ways_at(struct list *l)
{
	return CONTAINER_OF(l, struct admin_ways, link);
}

static bool
idle(const struct admin_ways *w)
{
	return (w->http == NULL || http_idle(w->http)) &&
	    (w->control == NULL || control_idle(w->control));
}

static void
forget_old(struct admin *a, struct admin_ways *w)
{
	http_free(w->http);
	control_free(w->control);
	list_del(&w->link);
	free(w);
	a->nold--;
}

void
admin_sweep(struct admin *a)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &a->old)
		if (a->nold > ADMIN_OLD || idle(ways_at(it)))
			forget_old(a, ways_at(it));
}

static void
retire(struct admin *a)
{
	struct admin_ways *w = a->next_old;

	a->next_old = NULL;
	list_init(&w->link);
	if (a->ways.http != a->next.http)
		w->http = a->ways.http;
	if (a->ways.control != a->next.control)
		w->control = a->ways.control;
	if (w->http != NULL)
		http_retire(w->http);
	if (w->control != NULL)
		control_retire(w->control);
	list_add_tail(&a->old, &w->link);
	a->nold++;
}

static void
tell(const struct admin *a)
{
	char text[ADDR_STRLEN];

	if (a->next.http != NULL && a->next.http != a->ways.http)
		log_info(NULL, "metrics: http://%s/metrics",
		    addr_str(http_addr(a->next.http), text));
}

void
admin_swap(struct admin *a)
{
	tell(a);
	if (a->ways.http != a->next.http || a->ways.control != a->next.control)
		retire(a);
	free(a->path);
	free(a->next_old);
	a->ways = a->next;
	a->path = a->next_path;
	a->next = (struct admin_ways){ .http = NULL };
	a->next_path = NULL;
	a->next_old = NULL;
}

/* ---- start and end ---- */

void
admin_init(struct admin *a)
{
	*a = (struct admin){ .nold = 0 };
	list_init(&a->old);
}

bool
admin_open(struct admin *a, const struct conf *c)
{
	char *why = NULL;

	/* libevent writes to connections whose other end may have gone. */
	(void)signal(SIGPIPE, SIG_IGN);
	a->src.version = PACKAGE_VERSION;
	a->src.started_ms = clock_wall_ms();
	a->src.began = clock_ms();
	if (admin_prepare(a, c, NULL, &why)) {
		admin_swap(a);
		return true;
	}
	log_error(NULL, "%s", why != NULL ? why : "out of memory");
	free(why);
	return false;
}

void
admin_close(struct admin *a)
{
	while (a->nold > 0)
		forget_old(a, ways_at(a->old.next));
	control_free(a->ways.control);
	http_free(a->ways.http);
	free(a->path);
	a->ways = (struct admin_ways){ .http = NULL };
	a->path = NULL;
}
