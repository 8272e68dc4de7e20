/*
 * metrics: every number there is, in the text format of Prometheus.
 *
 * One table says what is called how; what this build cannot know is not in it.
 */
#ifndef CTL_METRICS_H
#define CTL_METRICS_H

#include <stdbool.h>
#include <stddef.h>

struct evbuffer;
struct sources;

/* Adds all families with their samples to TO. False without memory. */
bool metrics_write(struct evbuffer *to, const struct sources *src)
    __attribute__((warn_unused_result));

/* The name of family I, or NULL past the end. */
const char *metrics_name(size_t i);

#endif
