/*
 * loop: libevent for sockets, our own wheel for timers.
 *
 * Each turn is one event_base_loop(EVLOOP_ONCE), which returns when no
 * callback is left to run; what follows a turn therefore sees a quiet base.
 * One libevent timer stands for the whole wheel. It is armed again only for an
 * earlier deadline: most timers are stopped before they fire, and a wake-up
 * for nothing is cheaper than moving the alarm every turn.
 *
 * After the process, or the machine, has stood still, timers wait until what
 * came meanwhile has been read: an answer that lies in a socket is not lost.
 */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	HOOKS_MAX = 8,
	DRAIN_ROUNDS = 8,
	ALARM_MAX_MS = 3600 * 1000,	/* no need to sleep longer */
	LATE_MS = 250,		/* more than a busy machine makes of it */
	CATCH_UP_MS = 100,	/* what comes later is not of before */
};

struct hook {
	loop_turn_fn fn;
	void *user;
};

struct sig {
	struct list link;
	struct event ev;
	loop_signal_fn fn;
	void *user;
};

struct loop {
	struct event_base *base;
	struct event alarm;
	uint64_t armed;		/* when the alarm goes off, or TIMER_NEVER */
	bool late;		/* it did, LATE_MS after that */
	uint64_t now;		/* this turn's time; 0: not read yet */
	uint64_t us;		/* likewise, or of a turn before */
	bool running;
	bool stopping;
	struct timers timers;
	struct histo lag;
	struct list signals;
	struct hook hooks[HOOKS_MAX];
	unsigned nhooks;
	struct hook flush;
};

/* Remote input can make evdns warn (answers from strange addresses). */
static void
libevent_log_cb(int severity, const char *msg)
{
	static struct log_limit limit;

	if (severity >= EVENT_LOG_WARN)
		log_limited(&limit, clock_ms(), LOG_WARN, NULL,
		    "libevent: %s", msg);
	else
		log_debug(NULL, "libevent: %s", msg);
}

static void
alarm_cb(evutil_socket_t fd, short events, void *arg)
{
	struct loop *l = arg;

	uint64_t now = loop_now(l);

	(void)fd;
	(void)events;
	/* An hour's sleep ends before its time. */
	histo_add(&l->lag, now > l->armed ? now - l->armed : 0);
	l->late = now > l->armed + LATE_MS;
	l->armed = TIMER_NEVER;
}

static void
signal_cb(evutil_socket_t signo, short events, void *arg)
{
	struct sig *s = arg;

	(void)events;
	s->fn(s->user, (int)signo);
}

/* No locks: one thread. The environment must not choose the back end. */
static struct event_base *
base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (cfg == NULL)
		return NULL;
	if (event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK) == 0 &&
	    event_config_set_flag(cfg, EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

struct loop *
loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	event_set_log_callback(libevent_log_cb);
	l->base = base_new();
	if (l->base == NULL) {
		free(l);
		return NULL;
	}
	evtimer_assign(&l->alarm, l->base, alarm_cb, l);
	l->armed = TIMER_NEVER;
	timers_init(&l->timers, clock_ms());
	list_init(&l->signals);
	return l;
}

/* Cancelled look-ups are given back by callbacks, of which libevent runs so
 * many in a round, and only then does the resolver's timer let evdns go. */
static void
drain(struct loop *l)
{
	for (int i = 0; i < DRAIN_ROUNDS; i++) {
		if (timers_next(&l->timers) == TIMER_NEVER)
			break;
		(void)event_base_loop(l->base, EVLOOP_NONBLOCK);
		timers_run(&l->timers, clock_ms());
	}
}

void
loop_free(struct loop *l)
{
	struct list *it, *tmp;
	struct sig *s;

	if (l == NULL)
		return;
	LIST_FOREACH_SAFE(it, tmp, &l->signals) {
		s = CONTAINER_OF(it, struct sig, link);
		(void)event_del(&s->ev);
		free(s);
	}
	drain(l);
	(void)event_del(&l->alarm);
	event_base_free(l->base);
	free(l);
}

struct timers *
loop_timers(struct loop *l)
{
	return &l->timers;
}

const struct histo *
loop_lag(const struct loop *l)
{
	return &l->lag;
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

uint64_t
loop_now(struct loop *l)
{
	if (!l->running)
		return clock_ms();
	if (l->now == 0) {
		l->us = clock_us();
		l->now = l->us / 1000;
	}
	return l->now;
}

const uint64_t *
loop_us(const struct loop *l)
{
	return &l->us;
}

bool
loop_signal(struct loop *l, int signo, loop_signal_fn fn, void *user)
{
	struct sig *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return false;
	s->fn = fn;
	s->user = user;
	if (evsignal_assign(&s->ev, l->base, signo, signal_cb, s) != 0 ||
	    evsignal_add(&s->ev, NULL) != 0) {
		free(s);
		return false;
	}
	list_init(&s->link);
	list_add_tail(&l->signals, &s->link);
	return true;
}

void
loop_at_turn_end(struct loop *l, loop_turn_fn fn, void *user)
{
	assert(l->nhooks < HOOKS_MAX);
	l->hooks[l->nhooks++] = (struct hook){ fn, user };
}

void
loop_at_flush(struct loop *l, loop_turn_fn fn, void *user)
{
	assert(fn == NULL || l->flush.fn == NULL);
	l->flush = (struct hook){ fn, user };
}

/* The turn's own time is stale by now, and a delay counts from the moment
 * libevent is told. */
static void
arm(struct loop *l)
{
	uint64_t want = timers_next(&l->timers);
	uint64_t delay = 0, now;
	struct timeval tv;

	if (want >= l->armed)
		return;
	now = clock_ms();
	if (want > now)
		delay = want - now;
	if (delay > ALARM_MAX_MS)
		delay = ALARM_MAX_MS;
	tv.tv_sec = (time_t)(delay / 1000);
	tv.tv_usec = (suseconds_t)(delay % 1000 * 1000);
	if (evtimer_add(&l->alarm, &tv) != 0) {
		log_error(NULL, "cannot set a timer: out of memory");
		return;
	}
	l->armed = want;
}

static void
call_hooks(struct loop *l, uint64_t now)
{
	for (unsigned i = 0; i < l->nhooks; i++)
		l->hooks[i].fn(l->hooks[i].user, now);
	if (l->flush.fn != NULL)
		l->flush.fn(l->flush.user, now);
}

/* One round of whatever is ready; false: it cannot go on. */
static bool
poll_events(struct loop *l, int how)
{
	l->now = 0;
	if (event_base_loop(l->base, how) >= 0)
		return true;
	log_error(NULL, "cannot wait for events: %s", strerror(errno));
	return false;
}

/* The alarm stands still with the machine, so it may be yet to come. */
static bool
stood_still(struct loop *l)
{
	return l->late || (l->armed != TIMER_NEVER &&
	    loop_now(l) > l->armed + LATE_MS);
}

/* Turns without timers, until nothing is ready any more. */
static bool
catch_up(struct loop *l)
{
	uint64_t until = loop_now(l) + CATCH_UP_MS;

	do {
		call_hooks(l, loop_now(l));
		if (!poll_events(l, EVLOOP_ONCE | EVLOOP_NONBLOCK))
			return false;
	} while (l->now != 0 && l->now < until);
	l->late = false;
	return true;
}

static void
finish_turn(struct loop *l)
{
	uint64_t now = loop_now(l);

	timers_run(&l->timers, now);
	call_hooks(l, now);
}

void
loop_run(struct loop *l)
{
	assert(!l->running);
	l->running = true;
	l->stopping = false;
	for (;;) {
		finish_turn(l);
		if (l->stopping)
			break;
		arm(l);
		if (!poll_events(l, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY))
			break;
		if (stood_still(l) && !catch_up(l))
			break;
	}
	l->now = 0;
	l->running = false;
}

void
loop_stop(struct loop *l)
{
	l->stopping = true;
}
