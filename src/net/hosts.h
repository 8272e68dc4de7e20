/*
 * hosts: the names in a hosts file (hosts(5)).
 *
 * Read whole, and again when it has changed, looked at every few seconds at
 * most. "localhost" and all below it have both loopback addresses in any case
 * (RFC 6761 6.3), after those of the file.
 */
#ifndef NET_HOSTS_H
#define NET_HOSTS_H

#include "net/names.h"

enum { HOSTS_MAX = 32768 };	/* names read; the rest is left out */

struct hosts;

/* The hosts file at PATH (copied); one that cannot be read is empty. NULL
 * without memory. */
struct hosts *hosts_new(const char *path, const struct siphash_key *key);
void hosts_free(struct hosts *h);

/* The addresses of NM, in the order of the file. False when it has none. */
bool hosts_find(struct hosts *h, const struct name *nm,
    struct name_addrs *out, uint64_t now);

#endif
