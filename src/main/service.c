/*
 * service: what the service manager is told, and when.
 *
 * One line of status that answers "is it fine?", told when it has changed. The
 * watchdog hears of us from a timer of the loop, so only while that turns.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "main/core.h"

enum { STATUS_MS = 10000 };

/* What is told of a number only if there is any. */
static void
put_some(char *out, size_t cap, size_t n, const char *what)
{
	size_t len = strlen(out);

	if (n > 0)
		snprintf(out + len, cap - len, ", %zu %s%s", n, what,
		    plural(n));
}

static void
compose(const struct daemon *d, char out[STATUS_MAX])
{
	const struct conf *c = d->conf;
	unsigned generation = d->admin.src.config.generation;

	if (d->refused[0] != '\0') {
		snprintf(out, STATUS_MAX, "Kept configuration %u; new one "
		    "refused: %s", generation, d->refused);
		return;
	}
	snprintf(out, STATUS_MAX, "Serving %zu listener%s, %zu route%s "
	    "(configuration %u)", c->nlisten, plural(c->nlisten),
	    c->rules.n, plural(c->rules.n), generation);
	put_some(out, STATUS_MAX, proxy_observations(d->proxy),
	    "observation");
	put_some(out, STATUS_MAX, client_silent(d->client), "silent origin");
}

static void
status_fire(struct timer *t, uint64_t now)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, status);
	char text[STATUS_MAX];

	timer_start(loop_timers(d->loop), t, now + STATUS_MS);
	news_tell(d, now);
	compose(d, text);
	if (d->draining || strcmp(text, d->told) == 0)
		return;
	memcpy(d->told, text, sizeof(text));
	sd_tell("STATUS=%s", text);
}

static void
watchdog_fire(struct timer *t, uint64_t now)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, watchdog);

	sd_tell("WATCHDOG=1");
	timer_start(loop_timers(d->loop), t, now + d->watchdog_ms);
}

void
service_init(struct daemon *d)
{
	timer_init(&d->status, status_fire);
	timer_init(&d->watchdog, watchdog_fire);
}

void
service_ready(struct daemon *d)
{
	uint64_t now = loop_now(d->loop);

	listen_store(d);
	compose(d, d->told);
	sd_tell("READY=1\nSTATUS=%s", d->told);
	timer_start(loop_timers(d->loop), &d->status, now + STATUS_MS);
	/* Half of what is allowed; a millisecond is the least there is. */
	d->watchdog_ms = sd_watchdog_us() / 2000;
	if (d->watchdog_ms > 0)
		timer_start(loop_timers(d->loop), &d->watchdog,
		    now + d->watchdog_ms);
}

void
service_reloading(void)
{
	sd_tell("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading",
	    (unsigned long long)clock_monotonic_us());
}

void
service_reloaded(struct daemon *d, const char *why)
{
	d->refused[0] = '\0';
	if (why != NULL)
		snprintf(d->refused, sizeof(d->refused), "%.*s",
		    (int)strcspn(why, "\n"), why);
	listen_store(d);
	compose(d, d->told);
	sd_tell("READY=1\nSTATUS=%s", d->told);
}

void
service_stopping(struct daemon *d, uint64_t limit_ms)
{
	size_t left = daemon_work_left(d);

	sd_tell("STOPPING=1\nSTATUS=Draining %zu request%s\n"
		"EXTEND_TIMEOUT_USEC=%llu", left, plural(left),
	    (unsigned long long)(limit_ms + 1000) * 1000);
}

void
service_stop(struct daemon *d)
{
	timer_stop(&d->status);
	timer_stop(&d->watchdog);
}
