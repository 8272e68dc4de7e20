/*
 * admit: who may ask, and for what.
 *
 * Pure decisions over the lists of the configuration.
 */
#ifndef PROXY_ADMIT_H
#define PROXY_ADMIT_H

#include "proxy/route.h"

/* Whether CLIENT may use the forward role at LISTENER; a listener outside the
 * role's list has none. */
enum admit_forward {
	ADMIT_FORWARD_YES,
	ADMIT_FORWARD_OFF,	/* 5.05 */
	ADMIT_FORWARD_DENIED,	/* 4.03 */
};

enum admit_forward admit_forward(const struct forward_conf *f,
    unsigned listener, const struct addr *client);

/* Whether forward requests may go to T, of which ADDR is the address, or NULL
 * while it is not known: then the answer is "no" only if no address could
 * change it. OURS: it is an address of this host; where deny-to covers
 * loopback it must be listed in allow-to, and not by "any" or by name
 * (ATK-19). Ports that are neither CoAP's nor those that the configuration
 * listens at or sends to are open from 1024 on to what allow-to lists by more
 * than "any"; all others must be written in the pattern that allows T
 * (ATK-20). */
bool admit_target(const struct forward_conf *f, const struct target *t,
    const struct addr *addr, bool ours);

#endif
