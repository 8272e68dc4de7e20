/*
 * control: connections, each with a line in and lines out.
 */
#include "ctl/control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/log.h"
#include "ctl/command.h"
#include "ctl/trace.h"

enum { BACKLOG = 16, PAUSE_MS = 200 };

struct conn {
	struct list link;
	struct control *control;
	struct bufferevent *bev;
	struct timer deadline;
	bool answered;
	struct trace trace;
};

struct control {
	const struct sources *src;
	const struct ctl_actions *act;
	struct loop *loop;
	struct evconnlistener *listener;	/* NULL: retired */
	struct list conns;
	size_t nconns;
	struct traces traces;
	struct timer again;	/* accept() is tried again */
	char *path;
	dev_t dev;		/* of what is at PATH */
	ino_t ino;
};

/* ---- one connection ---- */

static void
conn_free(struct conn *c)
{
	struct control *ctl = c->control;

	list_del(&c->link);
	timer_stop(&c->deadline);
	trace_stop(&c->trace);
	bufferevent_free(c->bev);
	free(c);
	if (ctl->nconns-- == CONTROL_CONNS && ctl->listener != NULL)
		evconnlistener_enable(ctl->listener);
}

static void
deadline_fire(struct timer *t, uint64_t now)
{
	(void)now;
	conn_free(CONTAINER_OF(t, struct conn, deadline));
}

static void
finish(struct conn *c, const char *wrong)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	c->answered = true;
	bufferevent_disable(c->bev, EV_READ);
	if (wrong != NULL)
		evbuffer_add_printf(out, "error: %s\n", wrong);
	else
		evbuffer_add_printf(out, "ok\n");
}

/* The answer to LINE, or as much of it as there is now. */
static void
answer_line(struct conn *c, char *line)
{
	struct control *ctl = c->control;
	struct evbuffer *out = bufferevent_get_output(c->bev);
	struct command_trace trace = { .wanted = false };
	const char *wrong = command_run(line, ctl->src, ctl->act, out, &trace);

	if (trace.wanted &&
	    !trace_start(&ctl->traces, &c->trace, &trace.filter, out)) {
		wrong = "as many as may be are tracing";
		trace.wanted = false;
	}
	trace_filter_fini(&trace.filter);
	if (!trace.wanted) {
		finish(c, wrong);
		return;
	}
	/* It lasts until the other side closes. */
	timer_stop(&c->deadline);
}

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct conn *c = arg;
	size_t n;
	char *line;

	if (c->answered || c->trace.in != NULL) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	line = evbuffer_readln(in, &n, EVBUFFER_EOL_LF);
	if (line == NULL) {
		if (evbuffer_get_length(in) >= CONTROL_LINE)
			finish(c, "the line is too long");
		return;
	}
	if (n >= CONTROL_LINE)
		finish(c, "the line is too long");
	else if (strlen(line) != n)
		finish(c, "no text");
	else
		answer_line(c, line);
	free(line);
}

/* All has been written. */
static void
write_cb(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (c->answered &&
	    evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		conn_free(c);
}

/* The other side has closed, or not a word came. Somebody who has said all he
 * wanted may have closed his half. */
static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if ((what & BEV_EVENT_EOF) && c->answered)
		return;
	conn_free(c);
}

/* ---- the socket ---- */

static void
accept_cb(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
    int len, void *arg)
{
	struct control *ctl = arg;
	struct conn *c = calloc(1, sizeof(*c));

	(void)sa;
	(void)len;
	if (c == NULL) {
		close(fd);
		return;
	}
	c->bev = bufferevent_socket_new(loop_base(ctl->loop), fd,
	    BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL) {
		free(c);
		close(fd);
		return;
	}
	c->control = ctl;
	list_add_tail(&ctl->conns, &c->link);
	timer_init(&c->deadline, deadline_fire);
	timer_start(loop_timers(ctl->loop), &c->deadline,
	    loop_now(ctl->loop) + CONTROL_TIME_MS);
	bufferevent_setcb(c->bev, read_cb, write_cb, event_cb, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, CONTROL_LINE);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	/* Others wait in the kernel. */
	if (++ctl->nconns == CONTROL_CONNS)
		evconnlistener_disable(l);
}

static void
again_fire(struct timer *t, uint64_t now)
{
	struct control *ctl = CONTAINER_OF(t, struct control, again);

	(void)now;
	if (ctl->nconns < CONTROL_CONNS)
		evconnlistener_enable(ctl->listener);
}

/* Without descriptors, say: it would come back at once, for ever. */
static void
accept_error_cb(struct evconnlistener *l, void *arg)
{
	static struct log_limit limit;
	struct control *ctl = arg;
	uint64_t now = loop_now(ctl->loop);

	log_limited(&limit, now, LOG_WARN, ctl->path, "cannot accept: %s",
	    strerror(errno));
	evconnlistener_disable(l);
	timer_start(loop_timers(ctl->loop), &ctl->again, now + PAUSE_MS);
}

/* Whether there is nobody at ADDR, or only what is left of a socket; that is
 * taken away. With errno otherwise. */
static bool
clear_path(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, ok;

	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return false;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	ok = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	if (ok != 0 && errno == ECONNREFUSED) {
		close(fd);
		return unlink(addr->sun_path) == 0;
	}
	close(fd);
	errno = EADDRINUSE;
	return false;
}

/* A socket at PATH with the mode 0660, or -1 with errno. */
static int
bind_socket(struct control *ctl)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int fd, err;

	if (strlen(ctl->path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, ctl->path, strlen(ctl->path));
	if (!clear_path(&addr))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* Never with more rights than it is to have. */
	mask = umask(0117);
	err = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (err == 0 && lstat(ctl->path, &st) == 0 &&
	    listen(fd, BACKLOG) == 0) {
		ctl->dev = st.st_dev;
		ctl->ino = st.st_ino;
		return fd;
	}
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

struct control *
control_new(struct loop *l, const char *path, const struct sources *src,
    const struct ctl_actions *act)
{
	struct control *ctl = calloc(1, sizeof(*ctl));
	int fd, err;

	if (ctl == NULL)
		return NULL;
	ctl->src = src;
	ctl->act = act;
	ctl->loop = l;
	list_init(&ctl->conns);
	traces_init(&ctl->traces, src->udp);
	timer_init(&ctl->again, again_fire);
	ctl->path = strdup(path);
	fd = ctl->path != NULL ? bind_socket(ctl) : -1;
	if (fd >= 0) {
		ctl->listener = evconnlistener_new(loop_base(l), accept_cb,
		    ctl, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
		if (ctl->listener != NULL) {
			evconnlistener_set_error_cb(ctl->listener,
			    accept_error_cb);
			return ctl;
		}
		close(fd);
		errno = ENOMEM;
	}
	err = errno;
	control_free(ctl);
	errno = err;
	return NULL;
}

/* What is still to be said to C, as far as it is taken at once. */
static void
say_last(const struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	struct evbuffer_iovec v[8];
	int n = evbuffer_peek(out, -1, NULL, v, 8);

	for (int i = 0; i < n && i < 8; i++)
		if (send(bufferevent_getfd(c->bev), v[i].iov_base,
			v[i].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    (ssize_t)v[i].iov_len)
			return;
}

void
control_retire(struct control *ctl)
{
	struct list *it, *tmp;
	struct stat st;

	timer_stop(&ctl->again);
	if (ctl->ino != 0 && lstat(ctl->path, &st) == 0 &&
	    st.st_dev == ctl->dev && st.st_ino == ctl->ino)
		(void)unlink(ctl->path);
	ctl->ino = 0;
	if (ctl->listener != NULL)
		evconnlistener_free(ctl->listener);
	ctl->listener = NULL;
	LIST_FOREACH_SAFE (it, tmp, &ctl->conns)
		if (CONTAINER_OF(it, struct conn, link)->trace.in != NULL)
			conn_free(CONTAINER_OF(it, struct conn, link));
}

bool
control_idle(const struct control *ctl)
{
	return ctl->nconns == 0;
}

void
control_free(struct control *ctl)
{
	struct list *it, *tmp;

	if (ctl == NULL)
		return;
	LIST_FOREACH_SAFE (it, tmp, &ctl->conns) {
		say_last(CONTAINER_OF(it, struct conn, link));
		conn_free(CONTAINER_OF(it, struct conn, link));
	}
	control_retire(ctl);
	free(ctl->path);
	free(ctl);
}
