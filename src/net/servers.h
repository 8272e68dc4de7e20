/*
 * servers: the name servers that one configuration asks.
 *
 * Others may take their place while questions to them are under way: those
 * count as users, and the last one to leave finds them retired.
 */
#ifndef NET_SERVERS_H
#define NET_SERVERS_H

#include <sys/stat.h>

#include "base/list.h"
#include "net/dns.h"

struct servers {
	struct list link;	/* in that of retired ones */
	struct dns dns;
	struct addr *addr;
	size_t n;		/* 0: those of resolv.conf, */
	struct stat file;	/* ... as it was */
	size_t users;		/* questions */
	bool retired;
	bool outdated;		/* others are asked instead, so what these say
				 * is not kept */
};

/* NULL when evdns, or all servers, cannot be had. */
struct servers *servers_new(struct loop *l, const struct dns_conf *conf);

/* Of NULL: nothing. See dns_close(). */
void servers_free(struct servers *s);

/* Whether CONF names the same ones, by a resolv.conf that has not changed if
 * that is where they are named. */
bool servers_same(const struct servers *s, const struct dns_conf *conf);

/* Likewise of two that are there. */
bool servers_alike(const struct servers *a, const struct servers *b);

#endif
