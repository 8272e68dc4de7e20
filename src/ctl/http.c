/*
 * http: evhttp between bounds.
 *
 * evhttp does not say when a connection ends, and its time-outs begin anew with
 * each octet. So we make its bufferevents, keep a reference to each, and look
 * now and then which have been given up: evhttp takes its callbacks away then.
 * While there are as many as may be nobody else is accepted. They close their
 * sockets themselves when we let go: evhttp would close them while libevent
 * still waits for the same number, which the next socket gets.
 */
#include "ctl/http.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "base/log.h"
#include "ctl/metrics.h"
#include "ctl/status.h"
#include "proxy/inspect.h"

enum { SWEEP_MS = 100, PAUSE_MS = 200, IDLE_S = 5, BACKLOG = 16 };

struct conn {
	struct bufferevent *bev;	/* NULL: not in use */
	uint64_t deadline;
};

struct http {
	struct list link;	/* in all */
	const struct sources *src;
	struct loop *loop;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
	struct evconnlistener *listener;	/* NULL: retired */
	struct addr addr;
	struct conn conns[HTTP_CONNS];
	size_t nconns;
	bool paused;		/* nobody is accepted */
	struct timer sweep;
	struct timer again;	/* accept() is tried again */
};

/* The listener is evhttp's, and tells us of its errors with evhttp's argument:
 * this is how we know whose it is. */
static struct list all = { &all, &all };

/* ---- connections ---- */

static bool
is_over(struct bufferevent *bev)
{
	bufferevent_event_cb event;

	bufferevent_getcb(bev, NULL, NULL, &event, NULL);
	return event == NULL;
}

static void
let_go(struct http *h, struct conn *c)
{
	bufferevent_decref(c->bev);
	c->bev = NULL;
	h->nconns--;
}

static void
sweep(struct http *h, uint64_t now)
{
	for (size_t i = 0; i < HTTP_CONNS; i++) {
		struct conn *c = &h->conns[i];

		if (c->bev == NULL)
			continue;
		if (is_over(c->bev))
			let_go(h, c);
		else if (now >= c->deadline)
			/* evhttp sees the end, and cleans up. */
			shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
	}
	if (h->paused && h->nconns < HTTP_CONNS) {
		h->paused = false;
		if (h->listener != NULL)
			evconnlistener_enable(h->listener);
	}
}

static void
sweep_fire(struct timer *t, uint64_t now)
{
	struct http *h = CONTAINER_OF(t, struct http, sweep);

	sweep(h, now);
	if (h->nconns > 0)
		timer_start(loop_timers(h->loop), t, now + SWEEP_MS);
}

/* evhttp is about to take a connection. It is told of one at a time, so that
 * the listener is off before the next. NULL without memory: evhttp tries it on
 * its own then, and fails. */
static struct bufferevent *
connection_cb(struct event_base *base, void *arg)
{
	struct bufferevent *bev = bufferevent_socket_new(base, -1,
	    BEV_OPT_CLOSE_ON_FREE);
	struct http *h = arg;
	struct conn *c = h->conns;

	if (bev == NULL)
		return NULL;
	while (c->bev != NULL && c < h->conns + HTTP_CONNS - 1)
		c++;
	bufferevent_incref(bev);
	c->bev = bev;
	c->deadline = loop_now(h->loop) + HTTP_TIME_MS;
	if (++h->nconns == HTTP_CONNS) {
		h->paused = true;
		evconnlistener_disable(h->listener);
	}
	if (!timer_running(&h->sweep))
		timer_start(loop_timers(h->loop), &h->sweep,
		    loop_now(h->loop) + SWEEP_MS);
	return bev;
}

static struct http *
http_of(const struct evconnlistener *l)
{
	struct list *it, *tmp;

	LIST_FOREACH_SAFE (it, tmp, &all)
		if (CONTAINER_OF(it, struct http, link)->listener == l)
			return CONTAINER_OF(it, struct http, link);
	return NULL;
}

static void
again_fire(struct timer *t, uint64_t now)
{
	struct http *h = CONTAINER_OF(t, struct http, again);

	(void)now;
	if (!h->paused && h->listener != NULL)
		evconnlistener_enable(h->listener);
}

/* Without descriptors, say: it would come back at once, for ever. */
static void
accept_error_cb(struct evconnlistener *l, void *arg)
{
	static struct log_limit limit;
	struct http *h = http_of(l);
	uint64_t now;

	(void)arg;
	if (h == NULL)
		return;
	now = loop_now(h->loop);
	log_limited(&limit, now, LOG_WARN, "metrics", "cannot accept: %s",
	    strerror(errno));
	evconnlistener_disable(l);
	timer_start(loop_timers(h->loop), &h->again, now + PAUSE_MS);
}

/* ---- answers ---- */

static void
reply(struct evhttp_request *req, int code, const char *reason,
    const char *type, struct evbuffer *body)
{
	struct evkeyvalq *head = evhttp_request_get_output_headers(req);

	evhttp_add_header(head, "Content-Type", type);
	evhttp_add_header(head, "Cache-Control", "no-store");
	evhttp_add_header(head, "Connection", "close");
	evhttp_send_reply(req, code, reason, body);
}

static const char plain[] = "text/plain; charset=utf-8";

static void
serve_metrics(struct http *h, struct evhttp_request *req, struct evbuffer *body)
{
	if (metrics_write(body, h->src))
		reply(req, 200, "OK", "text/plain; version=0.0.4; "
		    "charset=utf-8", body);
	else
		reply(req, 503, "Service Unavailable", plain, NULL);
}

static void
serve_health(struct http *h, struct evhttp_request *req, struct evbuffer *body)
{
	struct proxy_levels l;

	inspect_levels(h->src->proxy, &l);
	evbuffer_add_printf(body, "%s\n", l.draining ? "draining" : "ok");
	if (l.draining)
		reply(req, 503, "Service Unavailable", plain, body);
	else
		reply(req, 200, "OK", plain, body);
}

static void
serve_page(struct http *h, struct evhttp_request *req, struct evbuffer *body)
{
	status_page(body, h->src, false);
	reply(req, 200, "OK", plain, body);
}

static const struct resource {
	const char *path;
	void (*serve)(struct http *h, struct evhttp_request *req,
	    struct evbuffer *body);
} resources[] = {
	{ "/metrics", serve_metrics },
	{ "/healthz", serve_health },
	{ "/", serve_page },
};

static void
request_cb(struct evhttp_request *req, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	struct evbuffer *body = evbuffer_new();
	struct http *h = arg;

	for (size_t i = 0; body != NULL && path != NULL &&
	     i < sizeof(resources) / sizeof(resources[0]); i++)
		if (strcmp(path, resources[i].path) == 0) {
			resources[i].serve(h, req, body);
			evbuffer_free(body);
			return;
		}
	if (body != NULL) {
		evbuffer_add_printf(body, "there are /metrics, /healthz and "
		    "/\n");
		reply(req, 404, "Not Found", plain, body);
		evbuffer_free(body);
	} else {
		reply(req, 503, "Service Unavailable", plain, NULL);
	}
}

/* ---- life ---- */

static bool
set_option(int fd, int option, int on)
{
	return setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)) == 0;
}

/* FD listens at SS. OTHER, or -1, may listen at the same port of another
 * address: both say that they do not mind, for as long as that takes. Linux
 * goes on to let the port be shared by programs of the same user, by no others.
 */
static bool
listen_at(int fd, const struct sockaddr_storage *ss, socklen_t n, int other)
{
	bool ok;
	int err;

	if (!set_option(fd, SO_REUSEADDR, 1))
		return false;
	if (other >= 0 && (!set_option(fd, SO_REUSEPORT, 1) ||
		!set_option(other, SO_REUSEPORT, 1)))
		return false;
	ok = bind(fd, (const struct sockaddr *)ss, n) == 0 &&
	    listen(fd, BACKLOG) == 0;
	err = errno;
	if (other >= 0) {
		(void)set_option(fd, SO_REUSEPORT, 0);
		(void)set_option(other, SO_REUSEPORT, 0);
	}
	errno = err;
	return ok;
}

static int
bind_socket(const struct addr *a, struct addr *bound, int other)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(a, &ss);
	int fd, err;

	fd = socket(ss.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (listen_at(fd, &ss, n, other)) {
		n = sizeof(ss);
		if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0 &&
		    addr_from_sockaddr(bound, (struct sockaddr *)&ss))
			return fd;
	}
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static bool
start(struct http *h, int fd)
{
	h->http = evhttp_new(loop_base(h->loop));
	if (h->http == NULL)
		return false;
	evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET);
	evhttp_set_max_headers_size(h->http, HTTP_HEAD);
	evhttp_set_max_body_size(h->http, 0);
	evhttp_set_timeout(h->http, IDLE_S);
	evhttp_set_bevcb(h->http, connection_cb, h);
	evhttp_set_gencb(h->http, request_cb, h);
	h->bound = evhttp_accept_socket_with_handle(h->http, fd);
	if (h->bound == NULL)
		return false;
	h->listener = evhttp_bound_socket_get_listener(h->bound);
	evconnlistener_set_error_cb(h->listener, accept_error_cb);
	return true;
}

/* The socket of H that is in the way of A, or -1. */
static int
in_the_way(const struct http *h, const struct addr *a)
{
	if (h == NULL || h->addr.port != a->port ||
	    (!addr_is_any(&h->addr) && !addr_is_any(a)))
		return -1;
	return evconnlistener_get_fd(h->listener);
}

struct http *
http_new(struct loop *l, const struct addr *a, const struct sources *src,
    const struct http *last)
{
	struct http *h = calloc(1, sizeof(*h));
	int fd, err;

	if (h == NULL)
		return NULL;
	h->src = src;
	h->loop = l;
	timer_init(&h->sweep, sweep_fire);
	timer_init(&h->again, again_fire);
	list_add_tail(&all, &h->link);
	fd = bind_socket(a, &h->addr, in_the_way(last, a));
	if (fd >= 0 && start(h, fd))
		return h;
	err = fd >= 0 ? ENOMEM : errno;
	if (fd >= 0)
		close(fd);
	http_free(h);
	errno = err;
	return NULL;
}

void
http_retire(struct http *h)
{
	timer_stop(&h->again);
	evhttp_del_accept_socket(h->http, h->bound);
	h->listener = NULL;
}

bool
http_idle(const struct http *h)
{
	return h->nconns == 0;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	timer_stop(&h->sweep);
	timer_stop(&h->again);
	list_del(&h->link);
	if (h->http != NULL)
		evhttp_free(h->http);
	for (size_t i = 0; i < HTTP_CONNS; i++)
		if (h->conns[i].bev != NULL)
			let_go(h, &h->conns[i]);
	free(h);
}

const struct addr *
http_addr(const struct http *h)
{
	return &h->addr;
}
