/*
 * start: the first sockets.
 *
 * An address may come into being a little later than we do: an interface that
 * is being set up, an IPv6 address that is still being checked for duplicates.
 * So what the host does not have yet is asked for again for a while; everything
 * else that keeps a socket from being bound ends the start at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "main/core.h"

enum {
	AGAIN_MS = 250,
	PATIENCE_MS = 30000,
};

struct start {
	struct daemon *daemon;
	struct timer timer;
	uint64_t until;
	bool done;
	int err;
	char *why;		/* not, the last time */
};

static void
try_once(struct start *s)
{
	free(s->why);
	s->why = NULL;
	s->done = listen_open(s->daemon, s->daemon->conf, &s->why);
	s->err = s->done ? 0 : errno;
}

static const char *
reason(const struct start *s)
{
	return s->why != NULL ? s->why : "out of memory";
}

static void
again_fire(struct timer *t, uint64_t now)
{
	struct start *s = CONTAINER_OF(t, struct start, timer);
	struct daemon *d = s->daemon;

	try_once(s);
	if (!s->done && s->err == EADDRNOTAVAIL && now < s->until)
		timer_start(loop_timers(d->loop), t, now + AGAIN_MS);
	else
		loop_stop(d->loop);
}

/* Only signals are served meanwhile. */
static void
wait_for_address(struct start *s)
{
	struct daemon *d = s->daemon;
	uint64_t now = loop_now(d->loop);

	log_warn(NULL, "%s; trying again for %d s", reason(s),
	    PATIENCE_MS / 1000);
	sd_tell("STATUS=Waiting: %s", reason(s));
	timer_init(&s->timer, again_fire);
	timer_start(loop_timers(d->loop), &s->timer, now + AGAIN_MS);
	s->until = now + PATIENCE_MS;
	d->starting = true;
	loop_run(d->loop);
	d->starting = false;
	timer_stop(&s->timer);
}

bool
start_listening(struct daemon *d)
{
	struct start s = { .daemon = d };

	d->npassed = sd_sockets(&d->passed);
	store_tidy(d);
	try_once(&s);
	if (s.err == EADDRNOTAVAIL)
		wait_for_address(&s);
	if (s.done) {
		store_taken(d);
		listen_swap(d);
	} else if (!d->draining) {
		sd_tell("STATUS=%s\nERRNO=%d", reason(&s), s.err);
		log_error(NULL, "%s", reason(&s));
	}
	free(s.why);
	return s.done && !d->draining;
}
