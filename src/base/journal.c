/*
 * journal: a datagram socket that is never connected, so that it survives the
 * journal's own restarts.
 */
#include "base/journal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool
journal_open(struct journal *j, const char *path)
{
	size_t n = strlen(path);

	*j = (struct journal){ .fd = -1, .to = { .sun_family = AF_UNIX } };
	if (n >= sizeof(j->to.sun_path))
		return false;
	memcpy(j->to.sun_path, path, n);
	j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return j->fd >= 0;
}

void
journal_close(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}

bool
journal_send(const struct journal *j, struct span fields)
{
	ssize_t n;

	if (j->fd < 0)
		return false;
	do
		n = sendto(j->fd, fields.p, fields.n,
		    MSG_DONTWAIT | MSG_NOSIGNAL, (const void *)&j->to,
		    sizeof(j->to));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)fields.n;
}
