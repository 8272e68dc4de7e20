"""Clocks of one program that a test sets, by a library that is loaded before
those of the system."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import tap

SHIM = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static long long
offset(int which)
{
	static volatile long long *p;
	if (p == NULL) {
		int fd = open(getenv("CLOCK_OFFSETS"), O_RDONLY);
		p = mmap(NULL, 2 * sizeof(*p), PROT_READ, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			abort();
	}
	return p[which];
}
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int r;
	if (real == NULL)
		real = (int (*)(clockid_t, struct timespec *))
		    dlsym(RTLD_NEXT, "clock_gettime");
	r = real(id, ts);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ts->tv_sec += offset(0);
	if (id == CLOCK_BOOTTIME)
		ts->tv_sec += offset(1);
	return r;
}
int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;
	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
time_t
time(time_t *t)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (t != NULL)
		*t = ts.tv_sec;
	return ts.tv_sec;
}
'''


class WallClock:
    """A wall clock that can be stepped, for programs with its env. UP: how many
    seconds longer than it is the machine seems to have been up."""

    def __init__(self, up=0):
        self.directory = tempfile.TemporaryDirectory()
        at = pathlib.Path(self.directory.name)
        (at / 'shim.c').write_text(SHIM)
        compiler = shutil.which('cc') or shutil.which('gcc')
        if not compiler:
            raise tap.Skip('no compiler')
        subprocess.run([compiler, '-shared', '-fPIC', '-o', at / 'shim.so',
                        at / 'shim.c', '-ldl'], check=True)
        self.file = at / 'offset'
        self.file.write_bytes(bytes(16))
        self._set(8, up)
        self.env = {'LD_PRELOAD': str(at / 'shim.so'),
                    'CLOCK_OFFSETS': str(self.file),
                    'ASAN_OPTIONS': 'verify_asan_link_order=0:' +
                    os.environ.get('ASAN_OPTIONS', '')}

    def step(self, seconds):
        self._set(0, seconds)

    def sleep(self, seconds):
        """The machine seems to have been suspended: it has been up for so many
        SECONDS longer than it is."""
        self._set(8, seconds)

    def _set(self, at, seconds):
        with open(self.file, 'r+b') as f:
            f.seek(at)
            f.write(seconds.to_bytes(8, 'little', signed=True))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()
