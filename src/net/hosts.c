/*
 * hosts: reading /etc/hosts.
 *
 * evdns reads it too, but shows it only through its getaddrinfo, which hides
 * how long answers live. One entry per line and name: a name on two lines has
 * two addresses.
 */
#include "net/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"

enum { CHECK_MS = 3000, HINT = 16 };

struct host {
	struct table_node node;
	struct list link;	/* on hosts.all */
	struct addr addr;
	struct name name;
};

struct hosts {
	char *path;
	struct siphash_key key;
	struct table table;
	struct list all;
	size_t count;
	uint64_t checked;
	struct stat st;		/* of the file as read; zero: no file */
};

static void
clear(struct hosts *h)
{
	struct host *e;

	while (!list_empty(&h->all)) {
		e = CONTAINER_OF(h->all.next, struct host, link);
		list_del(&e->link);
		table_remove(&h->table, &e->node);
		free(e);
	}
	h->count = 0;
}

/* Cuts the next word off LINE; empty at its end or at a comment. */
static struct span
next_word(struct span *line)
{
	const char *blank = " \t\r\n\v\f";
	struct span w;

	while (line->n > 0 && strchr(blank, line->p[0]) != NULL) {
		line->p++;
		line->n--;
	}
	w = span_make(line->p, 0);
	while (line->n > 0 && line->p[0] != '#' &&
	    strchr(blank, line->p[0]) == NULL) {
		line->p++;
		line->n--;
		w.n++;
	}
	return w;
}

static void
add_host(struct hosts *h, struct span word, const struct addr *a)
{
	struct host *e;

	if (h->count >= HOSTS_MAX)
		return;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return;
	if (!name_from(&e->name, word)) {
		free(e);
		return;
	}
	e->addr = *a;
	list_init(&e->link);
	list_add_tail(&h->all, &e->link);
	h->count++;
}

static void
read_line(struct hosts *h, struct span line)
{
	struct span word = next_word(&line);
	struct addr a;

	if (!addr_parse_ip(&a, word, true))
		return;
	while ((word = next_word(&line)).n > 0)
		add_host(h, word, &a);
}

static void
read_file(struct hosts *h, FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while (h->count < HOSTS_MAX && (n = getline(&line, &cap, f)) > 0)
		read_line(h, span_make(line, (size_t)n));
	free(line);
	if (h->count >= HOSTS_MAX)
		log_warn(NULL, "%s: only the first %d names are used",
		    h->path, HOSTS_MAX);
}

/* Last first: a table shows the newest of equals first. */
static void
index_hosts(struct hosts *h)
{
	struct host *e;

	for (struct list *it = h->all.prev; it != &h->all; it = it->prev) {
		e = CONTAINER_OF(it, struct host, link);
		table_insert(&h->table, &e->node,
		    siphash(&h->key, name_span(&e->name)));
	}
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void
refresh(struct hosts *h, uint64_t now)
{
	struct stat st = { 0 };
	FILE *f;

	if (h->checked != 0 && now < h->checked + CHECK_MS)
		return;
	h->checked = now;
	if (stat(h->path, &st) != 0 || !S_ISREG(st.st_mode))
		st = (struct stat){ 0 };
	if (same_file(&st, &h->st))
		return;
	h->st = st;
	clear(h);
	if (st.st_ino == 0)
		return;
	f = fopen(h->path, "re");
	if (f == NULL) {
		log_warn(NULL, "%s: %s", h->path, strerror(errno));
		return;
	}
	read_file(h, f);
	index_hosts(h);
	(void)fclose(f);
}

struct hosts *
hosts_new(const char *path, const struct siphash_key *key)
{
	struct hosts *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->key = *key;
	list_init(&h->all);
	h->path = strdup(path);
	if (h->path == NULL || !table_init(&h->table, HINT)) {
		free(h->path);
		free(h);
		return NULL;
	}
	return h;
}

void
hosts_free(struct hosts *h)
{
	if (h == NULL)
		return;
	clear(h);
	table_fini(&h->table);
	free(h->path);
	free(h);
}

static bool
is_localhost(const struct name *nm)
{
	static const char local[] = ".localhost";
	size_t n = sizeof(local) - 1;

	if (nm->n < n)
		return strcmp(nm->s, local + 1) == 0;
	return strcmp(nm->s + nm->n - n, local) == 0;
}

static void
find_file(const struct hosts *h, const struct name *nm, struct name_addrs *out)
{
	uint64_t hash = siphash(&h->key, name_span(nm));
	struct table_node *n;
	struct host *e;

	for (n = table_find(&h->table, hash); n != NULL;
	     n = table_find_next(n)) {
		e = CONTAINER_OF(n, struct host, node);
		if (span_eq(name_span(&e->name), name_span(nm)))
			name_addrs_add(out, &e->addr);
	}
}

bool
hosts_find(struct hosts *h, const struct name *nm, struct name_addrs *out,
    uint64_t now)
{
	static const struct addr loopback6 = { .ip = { [15] = 1 },
		.family = 6 };
	static const struct addr loopback4 = { .ip = { 127, 0, 0, 1 },
		.family = 4 };

	refresh(h, now);
	out->n = 0;
	find_file(h, nm, out);
	if (is_localhost(nm)) {
		name_addrs_add(out, &loopback6);
		name_addrs_add(out, &loopback4);
	}
	return out->n > 0;
}
