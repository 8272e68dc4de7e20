#include "lines.h"

#include <sys/epoll.h>

#include <unistd.h>

static void
ready(void *user)
{
	struct lines *l = user;
	ssize_t n;

	/* One octet remains for the end of the last line. */
	if (l->len == sizeof(l->text) - 1)
		errx(2, "line too long");
	n = read(STDIN_FILENO, l->text + l->len, sizeof(l->text) - 1 - l->len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		err(1, "standard input");
	l->len += (size_t)n;
	l->ended = n == 0;
	if (l->ended && l->len > 0)
		l->text[l->len++] = '\n';
}

void
lines_open(struct lines *l, int ep, char **words)
{
	struct epoll_event ev = { .data.ptr = &l->watch };

	*l = (struct lines){ .ep = ep, .words = words };
	l->watch = (struct bench_watch){ .ready = ready, .user = l };
	if (words != NULL)
		return;
	l->polled = epoll_ctl(ep, EPOLL_CTL_ADD, STDIN_FILENO, &ev) == 0;
	if (!l->polled && errno != EPERM)
		err(1, "standard input");
}

static bool
copy(char out[LINES_MAX], const char *line, size_t n)
{
	if (n >= LINES_MAX)
		errx(2, "line too long");
	memcpy(out, line, n);
	out[n] = '\0';
	return true;
}

/* What is read while nobody asks for it would have to be kept: so reads only
 * when a line is wanted, and once. */
static void
want(struct lines *l)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLONESHOT,
		.data.ptr = &l->watch,
	};

	if (!l->polled)
		ready(l);
	else if (epoll_ctl(l->ep, EPOLL_CTL_MOD, STDIN_FILENO, &ev) != 0)
		err(1, "epoll_ctl");
}

bool
lines_next(struct lines *l, char out[LINES_MAX])
{
	const char *end;
	size_t n;

	if (l->words != NULL && *l->words == NULL)
		l->ended = true;
	else if (l->words != NULL)
		return copy(out, *l->words, strlen(*l->words)) && l->words++;
	end = memchr(l->text, '\n', l->len);
	if (end == NULL && !l->ended)
		want(l);
	if (end == NULL)
		return false;
	n = (size_t)(end - l->text);
	copy(out, l->text, n);
	l->len -= n + 1;
	memmove(l->text, end + 1, l->len);
	return true;
}

bool
lines_ended(const struct lines *l)
{
	return l->ended && l->len == 0;
}
