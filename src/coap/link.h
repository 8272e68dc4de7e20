/*
 * link: the CoRE Link Format (RFC 6690).
 *
 * The reader goes over a list in place and borrows from it. It is strict: what
 * is not a list by the grammar of RFC 6690 2 ends the walk with "bad" set.
 * Linear white space is allowed around ",", ";" and "=", as in RFC 5988; empty
 * elements are not.
 *
 *	</sensors/temp>;rt="temperature-c";if="sensor";ct=0;obs
 */
#ifndef COAP_LINK_H
#define COAP_LINK_H

#include "base/writer.h"

/* A walk over a list. */
struct coap_link_iter {
	struct span rest;
	bool begun;
	bool bad;		/* malformed here, or earlier */
	/* The link come to. */
	struct span text;	/* all of it, from "<" on */
	struct span target;	/* between "<" and ">": visible ASCII, but is
				 * not held against RFC 3986 */
	struct span attrs;	/* for coap_attrs() */
};

void coap_links(struct coap_link_iter *it, struct span list);

/* Moves to the next link. False at the end, and, with it->bad, at the first
 * that is malformed. All of a link is checked before it is come to. */
bool coap_links_next(struct coap_link_iter *it);

/* The attributes of a link, in order. */
struct coap_attr {
	struct span name;
	struct span value;	/* as it stands, between the quotes if any */
	bool has_value;		/* false for "obs" */
	bool quoted;		/* the value may have "\" escapes */
	struct span rest;	/* to come */
};

/* ATTRS is coap_link_iter.attrs. */
void coap_attrs(struct coap_attr *a, struct span attrs);
bool coap_attrs_next(struct coap_attr *a);

/* Whether A is called NAME; case does not count (RFC 5988 5). */
bool coap_attr_is(const struct coap_attr *a, const char *name);

/* The next octet of the value *REST of A, escapes undone; false at the end.
 * *REST begins as A's value. */
bool coap_attr_octet(const struct coap_attr *a, struct span *rest,
    uint8_t *octet);

/* Writes a list. */
struct coap_linkw {
	struct writer *w;
	bool some;		/* a link is there already */
	bool ct;		/* this link has a "ct" */
};

static inline struct coap_linkw
coap_linkw(struct writer *w)
{
	return (struct coap_linkw){ .w = w };
}

/* Begins a link, up to "<". What its target consists of goes to W until
 * coap_link_attrs(). */
void coap_link_begin(struct coap_linkw *l);

/* A segment of an absolute path: "/" and S percent-encoded. */
void coap_link_segment(struct coap_linkw *l, struct span s);

/* The target is complete. */
void coap_link_attrs(struct coap_linkw *l);

/* Writes an attribute. VALUE is plain: it is quoted when it has to be, and
 * escaped. A second "ct" of a link is left out (RFC 7252 7.2.1). Control
 * characters, which no value can have, make the writer full. */
void coap_link_put(struct coap_linkw *l, struct span name, struct span value);

/* Likewise A, as it was read. */
void coap_link_copy(struct coap_linkw *l, const struct coap_attr *a);

#endif
