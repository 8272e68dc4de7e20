/*
 * command: what coaproxyctl can say, and the answers.
 *
 * One table; a line of words comes in, text or lines of JSON go out.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "ctl/sources.h"
#include "ctl/trace.h"

struct evbuffer;

enum { COMMAND_OUT = 4 << 20 };	/* octets of an answer, about */

/* A command that goes on: the answer is what is traced. */
struct command_trace {
	bool wanted;
	struct trace_filter filter;
};

/* Runs LINE, which it takes apart, and adds the answer to OUT. The word "-j" in
 * front asks for JSON. *TRACE, all zeros, is filled in when it is to go on; its
 * filter is to be freed. NULL, or what is wrong; valid until the next call. */
const char *command_run(char *line, const struct sources *src,
    const struct ctl_actions *act, struct evbuffer *out,
    struct command_trace *trace);

/* The name of command I, or NULL past the end. */
const char *command_name(size_t i);

#endif
