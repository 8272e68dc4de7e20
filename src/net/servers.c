/*
 * servers: what is known of them besides how to ask.
 */
#include "net/servers.h"

#include <stdlib.h>

static const char resolv_conf[] = "/etc/resolv.conf";

/* All zeros: there is none. */
static struct stat
look(void)
{
	struct stat st;

	if (stat(resolv_conf, &st) != 0)
		memset(&st, 0, sizeof(st));
	return st;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool
copy(struct servers *s, const struct dns_conf *conf)
{
	s->n = conf->nservers;
	if (s->n == 0)
		return true;
	s->addr = calloc(s->n, sizeof(*s->addr));
	if (s->addr == NULL)
		return false;
	memcpy(s->addr, conf->servers, s->n * sizeof(*s->addr));
	return true;
}

struct servers *
servers_new(struct loop *l, const struct dns_conf *conf)
{
	struct servers *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	list_init(&s->link);
	/* First, so that a change meanwhile is found later. */
	s->file = look();
	if (copy(s, conf) && dns_open(&s->dns, l, conf))
		return s;
	free(s->addr);
	free(s);
	return NULL;
}

void
servers_free(struct servers *s)
{
	if (s == NULL)
		return;
	list_del(&s->link);
	dns_close(&s->dns);
	free(s->addr);
	free(s);
}

static bool
same(const struct servers *s, const struct addr *addr, size_t n,
    const struct stat *file)
{
	if (s->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!addr_eq(&s->addr[i], &addr[i]))
			return false;
	return n > 0 || same_file(&s->file, file);
}

bool
servers_same(const struct servers *s, const struct dns_conf *conf)
{
	struct stat now = look();

	return same(s, conf->servers, conf->nservers, &now);
}

bool
servers_alike(const struct servers *a, const struct servers *b)
{
	return same(a, b->addr, b->n, &b->file);
}
