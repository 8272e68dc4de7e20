/*
 * view: what the families of metrics are written from.
 *
 * Private to metrics.c (the process, listeners, requests, messages) and
 * metrics_work.c (origins, observations, the cache and other work).
 */
#ifndef CTL_VIEW_H
#define CTL_VIEW_H

#include "ctl/expo.h"
#include "ctl/sums.h"
#include "proxy/inspect.h"

struct view {
	struct expo expo;
	const struct sources *src;
	const struct tallies *tallies;
	const struct proxy_stats *proxy;
	struct proxy_levels levels;
	struct listener_sum *listener;
	struct route_sum *route;
	size_t nroutes;
};

#define VALUE(v, n, ...) expo_value(&(v)->expo, n, EXPO_LABELS_OF(__VA_ARGS__))
#define VALUE1(v, n) expo_value(&(v)->expo, n, EXPO_NONE)

struct family {
	const char *name, *type, *help;
	void (*write)(struct view *v);
};

#define COUNTER(name, fn, help) \
	{ "coaproxy_" name, "counter", help, fn }
#define GAUGE(name, fn, help) \
	{ "coaproxy_" name, "gauge", help, fn }
#define HISTOGRAM(name, fn, help) \
	{ "coaproxy_" name, "histogram", help, fn }

/* The other part of the families; a row without a name behind the last. */
extern const struct family work_families[];

#endif
