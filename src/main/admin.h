/*
 * admin: the ways in for operators: HTTP for monitoring, the control socket.
 *
 * When a configuration has them elsewhere the new ones are opened first. What
 * is under way at the old ones, a "coaproxyctl reload" perhaps, may end there.
 */
#ifndef MAIN_ADMIN_H
#define MAIN_ADMIN_H

#include "base/list.h"
#include "conf/conf.h"
#include "ctl/control.h"
#include "ctl/http.h"

/* Both ways in; either may be NULL. */
struct admin_ways {
	struct list link;	/* in admin.old */
	struct http *http;
	struct control *control;
};

enum { ADMIN_OLD = 4 };

/* What there is to be seen, and done, is filled in by the owner. */
struct admin {
	struct sources src;
	struct ctl_actions act;
	struct admin_ways ways;
	char *path;		/* of ways.control; NULL: closed */
	/* While a configuration is being prepared. */
	struct admin_ways next;
	char *next_path;
	struct admin_ways *next_old;	/* room for those in use */
	/* Closed but for connections, the oldest first; when there are more
	 * than ADMIN_OLD in a row the oldest goes. */
	struct list old;
	size_t nold;
};

/* One that is closed. */
void admin_init(struct admin *a);

/* Opens what C says. False, complained, when it cannot be had. */
bool admin_open(struct admin *a, const struct conf *c)
    __attribute__((warn_unused_result));
void admin_close(struct admin *a);

/* Opens what NEXT says and IN_USE does not, without closing anything. False
 * with *WHY, owned (NULL when there is no memory): nothing has changed. */
bool admin_prepare(struct admin *a, const struct conf *next,
    const struct conf *in_use, char **why)
    __attribute__((warn_unused_result));

/* What is prepared is in use from now on, or taken back. */
void admin_swap(struct admin *a);
void admin_abandon(struct admin *a);

/* Forgets old ones that nothing is under way at; in no callback of theirs. */
void admin_sweep(struct admin *a);

#endif
