/*
 * dns: two questions to evdns, one answer from them.
 *
 * evdns_base_resolve_ipv4/ipv6 and not its getaddrinfo, because only they tell
 * how long an answer lives. The limit of time is ours: evdns knows only one
 * per datagram. A request that is cancelled comes back by a later callback all
 * the same; hence "busy" and "idle".
 */
#include "net/dns.h"

#include <netinet/in.h>
#include <stdio.h>

#include <event2/dns.h>

#include "base/log.h"

enum {
	PORT = 53,
	SKEW_MS = 250,		/* for the slower of two answers */
	ATTEMPTS = 5,		/* datagrams per question */
	ATTEMPT_MIN_MS = 50,
	ATTEMPT_MAX_MS = 1000,
	INFLIGHT = 3 * RESOLVE_MAX_PENDING,	/* two each, and probes */
};

/* A name server that is silent costs one attempt before the next is asked, and
 * no question ever waits for another one's slot. */
static bool
set_options(const struct dns *d)
{
	uint64_t ms = d->timeout_ms / ATTEMPTS;
	char timeout[32], attempts[32], inflight[32];

	if (ms < ATTEMPT_MIN_MS)
		ms = ATTEMPT_MIN_MS;
	if (ms > ATTEMPT_MAX_MS)
		ms = ATTEMPT_MAX_MS;
	(void)snprintf(timeout, sizeof(timeout), "%u.%03u",
	    (unsigned)(ms / 1000), (unsigned)(ms % 1000));
	(void)snprintf(attempts, sizeof(attempts), "%d", ATTEMPTS);
	(void)snprintf(inflight, sizeof(inflight), "%d", INFLIGHT);
	return evdns_base_set_option(d->evdns, "timeout", timeout) == 0 &&
	    evdns_base_set_option(d->evdns, "attempts", attempts) == 0 &&
	    evdns_base_set_option(d->evdns, "max-timeouts", "1") == 0 &&
	    evdns_base_set_option(d->evdns, "max-inflight", inflight) == 0;
}

static void
add_server(const struct dns *d, struct addr server)
{
	struct sockaddr_storage ss;
	char text[ADDR_STRLEN];
	socklen_t len;

	if (server.port == 0)
		server.port = PORT;
	len = addr_to_sockaddr(&server, &ss);
	if (evdns_base_nameserver_sockaddr_add(d->evdns,
	    (const struct sockaddr *)&ss, len, 0) != 0)
		log_warn(NULL, "cannot use name server %s",
		    addr_str(&server, text));
}

bool
dns_open(struct dns *d, struct loop *l, const struct dns_conf *conf)
{
	int flags = DNS_OPTION_NAMESERVERS | DNS_OPTION_SEARCH |
	    DNS_OPTION_MISC;

	d->loop = l;
	d->timeout_ms = conf->timeout_ms;
	d->evdns = evdns_base_new(loop_base(l), 0);
	if (d->evdns == NULL)
		return false;
	for (size_t i = 0; i < conf->nservers; i++)
		add_server(d, conf->servers[i]);
	/* Without the file, or a server in it, that is 127.0.0.1. */
	if (conf->nservers == 0)
		(void)evdns_base_resolv_conf_parse(d->evdns, flags,
		    "/etc/resolv.conf");
	if (evdns_base_count_nameservers(d->evdns) > 0 && set_options(d))
		return true;
	dns_close(d);
	return false;
}

void
dns_close(struct dns *d)
{
	evdns_base_free(d->evdns, 0);
	d->evdns = NULL;
}

void
dns_stop(struct dns_query *q)
{
	q->running = false;
	timer_stop(&q->deadline);
	for (int i = 0; i < DNS_ASKS; i++) {
		if (q->ask[i].req != NULL)
			evdns_cancel_request(q->dns->evdns, q->ask[i].req);
		q->ask[i].req = NULL;
	}
}

bool
dns_busy(const struct dns_query *q)
{
	return q->ask[DNS_AAAA].out || q->ask[DNS_A].out;
}

static void
finish(struct dns_query *q)
{
	dns_stop(q);
	q->done(q);
}

static void
deadline_fire(struct timer *t, uint64_t now)
{
	(void)now;
	finish(CONTAINER_OF(t, struct dns_query, deadline));
}

/* Something has been answered. Many name servers are slow or silent for one of
 * the two types: nobody waits for that longer than a moment. */
static void
consider(struct dns_query *q)
{
	uint64_t soon = loop_now(q->dns->loop) + SKEW_MS;
	bool some = false, all = true;

	for (int i = 0; i < DNS_ASKS; i++) {
		if (q->ask[i].answer == DNS_NONE)
			all = false;
		if (q->ask[i].answer == DNS_ADDRS)
			some = true;
	}
	if (all)
		finish(q);
	else if (some && soon < q->deadline.when)
		timer_start(loop_timers(q->dns->loop), &q->deadline, soon);
}

/* An IPv4-mapped address is none that AAAA is for: such a host has an A. */
static void
take_addrs(struct dns_ask *k, int type, int count, const void *addresses)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	const struct sockaddr *sa = (const struct sockaddr *)&in;
	const uint8_t *p = addresses;
	size_t size = sizeof(in.sin_addr);
	void *to = &in.sin_addr;
	struct addr a;

	if (type == DNS_IPv6_AAAA) {
		sa = (const struct sockaddr *)&in6;
		size = sizeof(in6.sin6_addr);
		to = &in6.sin6_addr;
	}
	for (int i = 0; i < count; i++) {
		memcpy(to, p, size);
		p += size;
		if (addr_from_sockaddr(&a, sa) &&
		    (a.family == 6) == (type == DNS_IPv6_AAAA))
			name_addrs_add(&k->addrs, &a);
	}
	k->answer = k->addrs.n > 0 ? DNS_ADDRS : DNS_NO_NAME;
}

static void
answer_cb(int result, char type, int count, int ttl, void *addresses, void *arg)
{
	struct dns_ask *k = arg;
	struct dns_query *q = k->q;

	k->req = NULL;
	k->out = false;
	if (!q->running) {
		if (!dns_busy(q))
			q->idle(q);
		return;
	}
	if (result == DNS_ERR_NONE)
		take_addrs(k, type, count, addresses);
	else if (result == DNS_ERR_NOTEXIST || result == DNS_ERR_NODATA)
		k->answer = DNS_NO_NAME;
	else
		k->answer = DNS_FAILED;
	/* RFC 2181 8: with its highest bit set it means zero. */
	k->ttl_ms = ttl > 0 ? (uint64_t)ttl * 1000 : 0;
	consider(q);
}

/* A name with a dot is taken as it is: search lists are for short names, and a
 * client must not make one name into several questions. */
static void
ask(struct dns_query *q, int which, const char *name)
{
	struct dns_ask *k = &q->ask[which];
	int flags = strchr(name, '.') != NULL ? DNS_QUERY_NO_SEARCH : 0;
	struct evdns_request *req;

	k->q = q;
	k->out = true;
	if (which == DNS_A)
		req = evdns_base_resolve_ipv4(q->dns->evdns, name, flags,
		    answer_cb, k);
	else
		req = evdns_base_resolve_ipv6(q->dns->evdns, name, flags,
		    answer_cb, k);
	if (k->out && req != NULL) {
		k->req = req;
		return;
	}
	k->out = false;
	if (k->answer == DNS_NONE)
		k->answer = DNS_FAILED;
}

void
dns_start(struct dns *d, struct dns_query *q, const struct name *nm,
    dns_fn done, dns_fn idle)
{
	*q = (struct dns_query){ .dns = d, .done = done, .idle = idle };
	timer_init(&q->deadline, deadline_fire);
	q->running = true;
	timer_start(loop_timers(d->loop), &q->deadline,
	    loop_now(d->loop) + d->timeout_ms);
	ask(q, DNS_AAAA, nm->s);
	ask(q, DNS_A, nm->s);
	if (q->running)
		consider(q);
}

/* When there are too many, each family keeps half. */
static void
merge_addrs(const struct dns_query *q, struct name_addrs *out)
{
	const struct name_addrs *six = &q->ask[DNS_AAAA].addrs;
	const struct name_addrs *four = &q->ask[DNS_A].addrs;
	size_t half = RESOLVE_MAX_ADDRS / 2;
	size_t kept = four->n < half ? four->n : half;

	out->n = 0;
	for (size_t i = 0; i < six->n && out->n + kept < RESOLVE_MAX_ADDRS; i++)
		name_addrs_add(out, &six->a[i]);
	for (size_t i = 0; i < four->n; i++)
		name_addrs_add(out, &four->a[i]);
}

static uint64_t
shorter_ttl(const struct dns_query *q)
{
	uint64_t ttl = UINT64_MAX;

	for (int i = 0; i < DNS_ASKS; i++) {
		if (q->ask[i].answer == DNS_NO_NAME)
			continue;
		if (q->ask[i].answer != DNS_ADDRS)
			return 0;
		if (q->ask[i].ttl_ms < ttl)
			ttl = q->ask[i].ttl_ms;
	}
	return ttl;
}

enum resolve_result
dns_result(const struct dns_query *q, struct name_addrs *out, uint64_t *ttl_ms)
{
	merge_addrs(q, out);
	*ttl_ms = 0;
	if (out->n > 0) {
		*ttl_ms = shorter_ttl(q);
		return RESOLVE_OK;
	}
	if (q->ask[DNS_A].answer == DNS_NO_NAME &&
	    q->ask[DNS_AAAA].answer == DNS_NO_NAME)
		return RESOLVE_NOT_FOUND;
	return RESOLVE_TIMEOUT;
}
