/*
 * probe: what other traffic through the proxy meets meanwhile.
 *
 * A thread of its own sends so many CON GETs of /plain a second, whether or
 * not they are answered, and takes the time from the sending to the arrival at
 * its socket, which the kernel notes: how long the thread itself has to wait
 * for a core is left out. Nothing is repeated. After the first answer they are
 * hits in the proxy's cache, so nobody but the proxy is measured.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stdint.h>

#include "bench.h"
#include "latency.h"

struct probe_figures {
	struct bench_latencies latency;
	uint64_t sent;
	uint64_t lost;		/* unanswered for 5 s */
	uint64_t wrong;		/* not 2.05, or no payload */
	uint64_t late;		/* nanoseconds that one left too late at most */
};

struct probe;

/* Begins at once. Ends the program on failure. */
struct probe *probe_start(
    const struct sockaddr_in *proxy, unsigned long per_second);
void probe_stop(struct probe *p);

/* Those sent from now on are counted. */
void probe_begin(struct probe *p);
/* Those sent from now on are not. */
void probe_end(struct probe *p);
/* All that count are answered or lost: what came of them. */
bool probe_ended(struct probe *p, struct probe_figures *out);

#endif
