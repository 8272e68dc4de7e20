/*
 * dns: the addresses of one name, asked of name servers through evdns.
 *
 * AAAA and A are asked at once. The question is over when both have been
 * answered, a moment after one has brought addresses, or at the time limit.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "net/names.h"
#include "net/resolve.h"

struct evdns_base;
struct evdns_request;
struct dns_query;

/* A connection to name servers. */
struct dns {
	struct loop *loop;
	struct evdns_base *evdns;
	uint64_t timeout_ms;
};

typedef void (*dns_fn)(struct dns_query *q);

enum dns_answer {
	DNS_NONE,		/* not yet */
	DNS_ADDRS,
	DNS_NO_NAME,		/* no such name, or no such address */
	DNS_FAILED,		/* no use: refused, malformed, silence */
};

enum { DNS_AAAA, DNS_A, DNS_ASKS };

struct dns_ask {
	struct dns_query *q;
	struct evdns_request *req;
	bool out;		/* evdns has still to call back */
	enum dns_answer answer;
	uint64_t ttl_ms;
	struct name_addrs addrs;
};

struct dns_query {
	struct dns *dns;
	dns_fn done;
	dns_fn idle;
	bool running;
	struct timer deadline;
	struct dns_ask ask[DNS_ASKS];
};

/* Opens D with the servers of CONF, or those of resolv.conf. False when evdns
 * or all servers cannot be had; then there is nothing to close. */
bool dns_open(struct dns *d, struct loop *l, const struct dns_conf *conf);

/* No query may be busy, and no event callback may be running. */
void dns_close(struct dns *d);

/* Asks for NM. DONE is called once, perhaps before this returns, unless the
 * query is stopped. IDLE is called when a stopped or finished query that was
 * busy no longer is. */
void dns_start(struct dns *d, struct dns_query *q, const struct name *nm,
    dns_fn done, dns_fn idle);
void dns_stop(struct dns_query *q);

/* Evdns will still call back: Q must stay where it is. */
bool dns_busy(const struct dns_query *q);

/* What came of Q: addresses, IPv6 first, with their time to live, which is 0
 * when one of the answers is missing. */
enum resolve_result dns_result(const struct dns_query *q,
    struct name_addrs *out, uint64_t *ttl_ms);

#endif
