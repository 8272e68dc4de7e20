/*
 * trace: datagrams of both sides as they pass, as text or as a capture.
 *
 * Nothing is looked at unless somebody traces. A capture is a pcap file of link
 * type 252, exported PDUs for the dissector "coap": without the headers of
 * lower layers, which are not ours, and Wireshark knows what it is by any port.
 */
#ifndef CTL_TRACE_H
#define CTL_TRACE_H

#include "base/netlist.h"
#include "net/udp.h"

enum {
	TRACERS_MAX = 4,	/* who trace at a time */
	TRACE_BACKLOG = 1 << 20,	/* octets not read yet; what comes then
					 * is left out */
};

struct evbuffer;

enum trace_side { TRACE_BOTH, TRACE_CLIENTS, TRACE_ORIGINS };

struct trace_filter {
	bool pcap;
	enum trace_side side;
	struct netlist nets;	/* of either end; none: all */
};

/* Reads the N words of a command behind "trace" into *F, which is all zeros.
 * NULL, or what is wrong; F is to be given to trace_filter_fini() in either
 * case. */
const char *trace_filter_read(struct trace_filter *f, char *const *words,
    size_t n);
void trace_filter_fini(struct trace_filter *f);

/* All who trace the sockets of one struct udp. */
struct traces {
	struct list all;
	struct udp *udp;
	size_t n;
};

/* One of them. */
struct trace {
	struct list link;
	struct traces *in;
	struct trace_filter filter;
	struct evbuffer *out;
	uint64_t lost;		/* since the last that was written */
};

void traces_init(struct traces *ts, struct udp *udp);

/* T begins: what passes F, which is T's then, goes to OUT. False when there are
 * as many as may be. */
bool trace_start(struct traces *ts, struct trace *t, struct trace_filter *f,
    struct evbuffer *out);

/* T ends, if it has begun. */
void trace_stop(struct trace *t);

#endif
