/*
 * hasten: time passes HASTEN times as fast for a program that has this in
 * LD_PRELOAD: for its clocks, but not the wall clock, and while it sleeps in
 * epoll_wait(2). So minutes of soak.py are hours of the protocol's.
 */
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000 };

static int64_t
speed(void)
{
	static int64_t n;

	if (n == 0) {
		const char *s = getenv("HASTEN");

		n = s != NULL && atoi(s) > 0 ? atoi(s) : 1;
	}
	return n;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int64_t began[CLOCK_BOOTTIME + 1];
	int64_t ns;
	long failed = syscall(SYS_clock_gettime, id, ts);

	if (failed != 0 || id <= CLOCK_REALTIME || id > CLOCK_BOOTTIME ||
	    id == CLOCK_REALTIME_COARSE || id == CLOCK_PROCESS_CPUTIME_ID ||
	    id == CLOCK_THREAD_CPUTIME_ID)
		return (int)failed;
	ns = ts->tv_sec * (int64_t)SECOND + ts->tv_nsec;
	if (began[id] == 0)
		began[id] = ns;
	ns = began[id] + (ns - began[id]) * speed();
	ts->tv_sec = ns / SECOND;
	ts->tv_nsec = ns % SECOND;
	return 0;
}

int
epoll_wait(int ep, struct epoll_event *events, int max, int timeout)
{
	if (timeout > 0)
		timeout = (int)((timeout + speed() - 1) / speed());
	return (int)syscall(SYS_epoll_pwait, ep, events, max, timeout, NULL,
	    _NSIG / 8);
}
