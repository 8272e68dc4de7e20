/*
 * status: the state of things, as tables and as one page.
 */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

#include <stdbool.h>
#include <stddef.h>

struct evbuffer;
struct sources;

/* One screen for a person; as JSON one object. */
void status_page(struct evbuffer *to, const struct sources *src, bool json);

/* The [route]s in order, and what else takes requests, with what they have
 * had. */
void status_routes(struct evbuffer *to, const struct sources *src, bool json);

/* Every address that is sent to. */
void status_origins(struct evbuffer *to, const struct sources *src, bool json);

/* Every observation, up to LIMIT octets. Returns how many were left out. */
size_t status_observations(struct evbuffer *to, const struct sources *src,
    bool json, size_t limit);

/* The cache, in numbers. */
void status_cache(struct evbuffer *to, const struct sources *src, bool json);

#endif
