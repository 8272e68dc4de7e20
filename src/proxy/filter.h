/*
 * filter: which links a client wants to see (RFC 6690 4.1). Pure.
 *
 *	GET /.well-known/core?rt=temp*&if=sensor
 *
 * Values compare octet for octet with what stands in Uri-Query, where nothing
 * is encoded any more.
 */
#ifndef PROXY_FILTER_H
#define PROXY_FILTER_H

#include "coap/link.h"
#include "coap/msg.h"

enum { FILTERS_MAX = 8 };

struct filter {
	struct span name;	/* "href" is the target */
	struct span value;	/* without the asterisk */
	bool has_value;		/* without, being there is enough */
	bool prefix;		/* an asterisk came behind */
};

struct filters {
	struct filter v[FILTERS_MAX];
	size_t n;
};

/* Reads the queries of M, which FS borrows from; empty ones say nothing.
 * False when there are more than FILTERS_MAX. */
bool filters_read(struct filters *fs, const struct coap_msg *m);

/* Whether every filter takes LINK. Of rt, if, rel, rev and ct one of the words
 * is enough. */
bool filters_take(const struct filters *fs, const struct coap_link_iter *link);

#endif
