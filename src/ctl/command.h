/*
 * command: what coaproxyctl can say, and the answers.
 *
 * One table; a line of words comes in, text or lines of JSON go out.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "ctl/sources.h"

struct evbuffer;

enum { COMMAND_OUT = 4 << 20 };	/* octets of an answer, about */

/* Runs LINE, which it takes apart, and adds the answer to OUT. The words "-j"
 * in front ask for JSON. NULL, or what is wrong; valid until the next call. */
const char *command_run(char *line, const struct sources *src,
    const struct ctl_actions *act, struct evbuffer *out);

/* The name of command I, or NULL past the end. */
const char *command_name(size_t i);

#endif
