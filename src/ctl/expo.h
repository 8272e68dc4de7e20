/*
 * expo: the text format that Prometheus reads.
 *
 *	# HELP NAME TEXT
 *	# TYPE NAME TYPE
 *	NAME{LABEL="VALUE",...} NUMBER
 *
 * Label values are made valid: UTF-8, with \\, \" and \n escaped.
 */
#ifndef CTL_EXPO_H
#define CTL_EXPO_H

#include <stdint.h>

#include "base/histo.h"

struct evbuffer;

struct expo {
	struct evbuffer *to;
	const char *name;	/* of the family */
};

/* The labels of a sample: names and values in turn, up to NULL; as many as
 * EXPO_LABELS of each. */
enum { EXPO_LABELS = 4 };

struct expo_labels {
	const char *v[2 * EXPO_LABELS + 1];
};

#define EXPO_LABELS_OF(...) (&(const struct expo_labels){ { __VA_ARGS__ } })
#define EXPO_NONE EXPO_LABELS_OF(NULL)

/* Begins a family: TYPE is "counter", "gauge" or "histogram". */
void expo_family(struct expo *e, const char *name, const char *type,
    const char *help);

void expo_value(struct expo *e, uint64_t v, const struct expo_labels *labels);

/* A time in milliseconds, as seconds. */
void expo_seconds(struct expo *e, uint64_t ms,
    const struct expo_labels *labels);

/* All samples of a histogram. */
void expo_histo(struct expo *e, const struct histo *h,
    const struct expo_labels *labels);

#endif
