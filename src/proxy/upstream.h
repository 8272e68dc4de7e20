/*
 * upstream: how a fetch reaches an origin.
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include <stdint.h>

#include "base/addr.h"

struct fetch;

enum upstream_send {
	UPSTREAM_SENT,		/* on its way; the fetch's octets are not needed
				 * any more */
	UPSTREAM_WAIT,		/* later: the fetch's octets must be kept */
	UPSTREAM_FAILED,	/* at once, and nothing more will be heard */
};

/* Why a fetch ended without a response. */
enum fetch_fail {
	FETCH_TIMEOUT,		/* 5.04 */
	FETCH_RESET,		/* RST: 5.02 */
	FETCH_UNREACHABLE,	/* ICMP error, no route: 5.02 */
	FETCH_BAD_RESPONSE,	/* 5.02 */
	FETCH_NO_NAME,		/* the name does not exist: 5.02 */
	FETCH_NO_RESOLVER,	/* the resolver is silent: 5.04 */
	FETCH_BUSY,		/* 5.03 */
	FETCH_TOO_LARGE,	/* no datagram of ours holds it: 4.13 */
	FETCH_REFUSED,		/* the resolved address is not allowed: 5.05 */
	FETCH_SELF,		/* the resolved address is our own */
	FETCH_NOT_OBSERVED,	/* the origin does not notify any more: 5.03 */
};

/* send: *WHY is set when it fails. After UPSTREAM_SENT or UPSTREAM_WAIT exactly
 * one of fetch_response() and fetch_failed() is called, later, unless cancel
 * comes first. Neither send nor renew nor cancel calls back before it
 * returns, for no fetch. */
struct upstream_ops {
	enum upstream_send (*send)(void *self, struct fetch *f,
	    enum fetch_fail *why, uint64_t now);
	/* F's request once more, as it is now (f->type, f->code, f->opts,
	 * f->payload, f->registers): under the token of the registration that
	 * is open (f->watch), from its port and to its address. One that is
	 * still under way is given up for it. UPSTREAM_SENT: fetch_response()
	 * or fetch_failed() is called, later. UPSTREAM_FAILED, and
	 * fetch_failed() with FETCH_BUSY and f->watch set: it was not sent, and
	 * the registration is open as before. Never UPSTREAM_WAIT. */
	enum upstream_send (*renew)(void *self, struct fetch *f,
	    enum fetch_fail *why, uint64_t now);
	/* Ends what is under way for F, and the registration. */
	void (*cancel)(void *self, struct fetch *f);
	/* Where F's registration is open: *A. False: it is not. */
	bool (*registered)(void *self, const struct fetch *f, struct addr *a);
};

#endif
