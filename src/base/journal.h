/*
 * journal: the systemd journal's own protocol, for lines with fields.
 *
 * One datagram is one entry: NAME=value, newline, and so on
 * (systemd's JOURNAL_NATIVE_PROTOCOL). Values that hold no newline need no
 * more than that. Not through libsystemd, which may wait for the journal.
 */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/span.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct journal {
	int fd;			/* -1: closed */
	struct sockaddr_un to;
};

/* Prepares to send to the socket PATH, whether it is there or not; false when
 * that cannot be, and J is closed. */
bool journal_open(struct journal *j, const char *path)
    __attribute__((warn_unused_result));

/* Of one that is closed, too. */
void journal_close(struct journal *j);

/* Sends one entry, at once or not at all: false when nobody is there or the
 * journal is behind. */
bool journal_send(const struct journal *j, struct span fields);

#endif
