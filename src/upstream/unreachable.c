/*
 * unreachable: nobody is where a request went to, says the kernel (ICMP).
 */
#include <errno.h>

#include "upstream/core.h"

/* Tries the address behind FAILED of the name that CALL's fetch goes to: behind
 * the last one, or an address that is there twice would be tried without end.
 * CALL is gone when that fails. */
static bool
call_next_address(struct client *c, struct call *call,
    const struct addr *failed, uint64_t now)
{
	const struct coap_host *host = &call->fetch->route.hop.host;
	struct addr v[RESOLVE_MAX_ADDRS];
	struct resolver *r = c->resolver;
	int n = 0, i;
	enum fetch_fail why;

	if (!host->literal)
		n = r->ops->cached(r, host->text, v, now);
	for (i = n; i > 0 && !addr_ip_eq(&v[i - 1], failed); i--)
		;
	if (i == 0 || i == n) {
		call_free(call);
		return false;
	}
	c->stats.next_address++;
	return call_any(c, call, v + i, (size_t)(n - i), &why, now) ==
	    UPSTREAM_SENT;
}

/* CALL's request did not arrive. If an earlier copy may have, one that is not
 * idempotent must not be sent elsewhere (PRX-78). A registration is where it
 * is. */
static void
call_unreachable(struct client *c, struct call *call, uint64_t now)
{
	const struct sent *sent = &call->x->sent;
	struct port *port = sent->peer->io;
	struct fetch *f = call->fetch;
	bool again = f->watch != call &&
	    (sent->copies == 1 || coap_method_idempotent(f->code));
	struct addr failed = sent->peer->remote;

	flow_drop(&call->item);
	timer_stop(&call->expect);
	if (again)
		dgram_recall(c->dgram, call->x);
	flow_moved(c, &port->dest->flow, now);
	if (!again)
		call_free(call);
	if (!again || !call_next_address(c, call, &failed, now))
		fetch_failed(f, FETCH_UNREACHABLE, now);
}

/* Whether ERR says that nobody is there. Others (EMSGSIZE, ENOBUFS) concern
 * one datagram, and retransmission takes care of it (MSG-79, MSG-80). */
static bool
nobody_there(int err)
{
	return err == ECONNREFUSED || err == EHOSTUNREACH ||
	    err == ENETUNREACH || err == EHOSTDOWN || err == ENETDOWN ||
	    err == EACCES || err == EPERM;
}

void
port_error_cb(void *user, int err, struct span quoted, uint64_t now)
{
	struct port *port = user;
	struct client *c = CONTAINER_OF(port->dest->dests, struct client,
	    dests);
	struct exchange *x;

	c->stats.socket_errors++;
	if (!nobody_there(err))
		return;
	if (err == ENETUNREACH)
		dest_doubt(port->dest);
	x = dgram_find_sent(c->dgram, &port->peer, quoted);
	if (x != NULL)
		call_unreachable(c, x->user, now);
}
