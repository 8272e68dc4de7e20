/*
 * renew: calls that stay open, and are renewed.
 *
 *	client_response_cb -> call_watch
 *	client_renew -> (flow_wait ... pump) -> call_start
 */
#include "upstream/core.h"

#include <assert.h>
#include <errno.h>

struct port *
call_start_again(struct client *c, struct exchange *x, struct dest *d,
    uint64_t now)
{
	struct port *port = x->sent.peer->io;

	port = dest_port_again(d, port->serial, now);
	if (port != NULL && dgram_start(c->dgram, x, &port->peer, now))
		return port;
	errno = EBUSY;
	return NULL;
}

void
call_watch(struct client *c, struct call *call)
{
	struct fetch *f = call->fetch;

	timer_stop(&call->expect);
	if (call->x->observe && !dgram_under_way(call->x)) {
		flow_drop(&call->item);
		list_del(&call->unsent);
	}
	if (f->watch == call)
		return;
	/* The new one takes the place of an old one. */
	call_cancel(c, f->watch);
	f->up = NULL;
	f->watch = call;
}

enum upstream_send
client_renew(void *self, struct fetch *f, enum fetch_fail *why, uint64_t now)
{
	struct client *c = self;
	struct call *call = f->watch;
	struct dgram_out out = call_request(f);
	enum dgram_refusal refusal;
	const struct port *port;
	struct dest *d;

	assert(call != NULL);
	if (!dgram_renew(c->dgram, call->x, &out, &refusal)) {
		*why = call_refusal(refusal);
		return UPSTREAM_FAILED;
	}
	if (call->item.state == FLOW_OUT)
		call_abandon(c, call, now);
	flow_drop(&call->item);
	list_del(&call->unsent);
	timer_stop(&call->expect);
	flow_item_init(&call->item, call->x->sent.buf->len);
	/* It counts as used: there is one at that address. */
	port = call->x->sent.peer->io;
	d = dest_get(&c->dests, &port->dest->addr, call_is_guest(f), now);
	assert(d == port->dest);
	return call_go(c, call, d, why, now) ? UPSTREAM_SENT : UPSTREAM_FAILED;
}

bool
client_registered(void *self, const struct fetch *f, struct addr *a)
{
	const struct call *call = f->watch;

	(void)self;
	if (call == NULL)
		return false;
	*a = call->x->sent.peer->remote;
	return true;
}
