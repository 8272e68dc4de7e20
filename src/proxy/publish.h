/*
 * publish: an origin's links under our paths. Pure.
 *
 * The origin says </t>, the route has path = /m1 and to = coap://O/base: who
 * asks us for /m1/x is asking O for /base/x. So </base/t> is </m1/t> here, and
 * </t> has no name here at all.
 */
#ifndef PROXY_PUBLISH_H
#define PROXY_PUBLISH_H

#include "base/writer.h"
#include "proxy/route.h"

/* Writes LIST, what the origin of RULE says in link-format, for our clients:
 *
 * - targets and anchors at the origin, as paths or with the scheme, host and
 *   port of rule->to, become paths of ours, one link for each of rule->path;
 * - other URIs stay, unless they are of CoAP;
 * - a link with a target or an anchor that has no name here is left out;
 * - attributes stay, but "ct" and "anchor" only once, and none in which a CoAP
 *   URI or the origin's address stands: that is nobody's business (PRX-73).
 *
 * A path relative to the list's own is left out: RFC 6690 and RFC 3986 do not
 * agree what it is relative to (RFC 9176 C). False when LIST is malformed; W
 * is full when it does not fit. */
bool publish(const struct rule *rule, struct span list, struct writer *w);

#endif
