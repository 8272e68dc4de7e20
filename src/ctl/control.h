/*
 * control: the Unix socket that coaproxyctl talks to.
 *
 * A connection is one command: a line comes in, lines go out, the last of which
 * is "ok" or "error: TEXT", and that is the end. Whoever may write to the
 * socket may do all of it: its mode is 0660. So many connections at a time, so
 * long a line, and so much time for either side.
 */
#ifndef CTL_CONTROL_H
#define CTL_CONTROL_H

#include "ctl/sources.h"

enum {
	CONTROL_CONNS = 8,
	CONTROL_LINE = 1024,	/* octets of a command */
	CONTROL_TIME_MS = 30000,	/* of a connection */
};

struct control;

/* Listens at PATH, in the place of a socket nobody listens at any more. SRC and
 * ACT are borrowed for its life. NULL with errno: EADDRINUSE when somebody
 * does, EEXIST when it is no socket, ENAMETOOLONG. */
struct control *control_new(struct loop *l, const char *path,
    const struct sources *src, const struct ctl_actions *act);

/* Takes the socket away, unless another took its place. Connections go on, but
 * for traces, which could do so for ever. */
void control_retire(struct control *c);

/* Whether there is no connection. */
bool control_idle(const struct control *c);

/* Closes everything. */
void control_free(struct control *c);

#endif
