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

static bool
open_http(struct admin *a, const struct addr *at)
{
	char text[ADDR_STRLEN];

	a->http = http_new(a->src.loop, at, &a->src);
	if (a->http == NULL) {
		log_error(NULL, "cannot listen on http://%s: %s",
		    addr_str(at, text), strerror(errno));
		return false;
	}
	log_info(NULL, "metrics: http://%s/metrics",
	    addr_str(http_addr(a->http), text));
	return true;
}

/* "control" in the directory that the service manager has made for us, or the
 * first of them; NULL: there is none. Owned. */
static char *
default_path(void)
{
	const char *dirs = getenv("RUNTIME_DIRECTORY");

	if (dirs == NULL || dirs[0] != '/')
		return NULL;
	return xasprintf("%.*s/control", (int)strcspn(dirs, ":"), dirs);
}

/* One that was not asked for is no reason to serve nobody. */
static bool
open_control(struct admin *a, const char *configured)
{
	char *path = configured != NULL ? xstrdup(configured) :
	    default_path();
	bool ok = true;

	if (path == NULL)
		return true;
	a->control = control_new(a->src.loop, path, &a->src, &a->act);
	if (a->control == NULL) {
		ok = configured == NULL;
		log_line(ok ? LOG_WARN : LOG_ERROR, NULL,
		    "cannot open the control socket %s: %s", path,
		    strerror(errno));
	}
	free(path);
	return ok;
}

bool
admin_open(struct admin *a, const struct conf *c)
{
	/* libevent writes to connections whose other end may have gone. */
	(void)signal(SIGPIPE, SIG_IGN);
	a->src.version = PACKAGE_VERSION;
	a->src.started_ms = clock_wall_ms();
	if (c->metrics.family != 0 && !open_http(a, &c->metrics))
		return false;
	return open_control(a, c->control);
}

void
admin_close(struct admin *a)
{
	control_free(a->control);
	http_free(a->http);
	a->control = NULL;
	a->http = NULL;
}
