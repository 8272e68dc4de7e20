"""Calls that fail within the proxy: the test's side of fail.c.

    with Failing() as failing, Proxy(text, env=failing.env) as proxy:
        failing.memory.once(17)         # the 17th call from now on
        failing.send.per_mille(100, errno.ENOBUFS)
        failing.send.stop()             # how many have failed
"""

import errno
import mmap
import os
import pathlib
import subprocess
import tempfile

import tap
from programs import COAPROXY, TOP

LIBRARY = pathlib.Path(
    os.environ.get('top_builddir', TOP / 'build')).resolve() / \
    'tests/faults/fail.so'
KINDS = ('memory', 'socket', 'bind', 'connect', 'send', 'receive', 'accept',
         'open', 'epoll', 'random')
OFF, ONCE, FROM, PER_MILLE = range(4)
PLAN = 64       # octets of a struct plan


class _Kind:
    def __init__(self, plan, at):
        self._plan, self._at = plan, at

    def _put(self, at, size, value):
        at += self._at
        self._plan[at:at + size] = value.to_bytes(size, 'little')

    def _get(self, at):
        at += self._at
        return int.from_bytes(self._plan[at:at + 8], 'little')

    def _set(self, mode, n, err, seed=1):
        self._put(0, 4, OFF)
        for at, value in ((8, n), (16, seed), (24, 0), (32, 0)):
            self._put(at, 8, value)
        self._put(4, 4, err)
        self._put(0, 4, mode)

    def once(self, n, err=errno.ENOMEM):
        self._set(ONCE, n, err)

    def from_now(self, n=1, err=errno.ENOMEM):
        self._set(FROM, n, err)

    def per_mille(self, n, err=errno.ENOMEM, seed=1):
        self._set(PER_MILLE, n, err, seed)

    def count(self):
        """None fails, but calls are counted."""
        self._set(ONCE, 0, 0)

    @property
    def calls(self):
        return self._get(24)

    @property
    def failed(self):
        return self._get(32)

    def stop(self):
        """No more; how many have failed."""
        self._put(0, 4, OFF)
        return self.failed


def sanitizer():
    """The library that must come first, or None without a sanitizer."""
    libraries = subprocess.run(['ldd', COAPROXY], capture_output=True,
                               text=True).stdout
    for line in libraries.splitlines():
        words = line.split()
        if words and words[0].startswith('libasan.'):
            return words[2]
    return 'static' if b'__asan_init' in pathlib.Path(
        COAPROXY).read_bytes() else None


class Failing:
    """A plan, empty at first. ENV is the proxy's. With MEMORY the test is
    skipped where a sanitizer has an allocator of its own."""

    def __init__(self, memory=False):
        if not LIBRARY.exists():
            raise tap.Skip(f'{LIBRARY.name} was not built')
        first = sanitizer()
        if first == 'static' or (first and memory):
            raise tap.Skip('the sanitizer has an allocator of its own')
        self._file = tempfile.NamedTemporaryFile()
        self._file.truncate(PLAN * len(KINDS))
        self._plan = mmap.mmap(self._file.fileno(), PLAN * len(KINDS))
        for i, kind in enumerate(KINDS):
            setattr(self, kind, _Kind(self._plan, i * PLAN))
        self.env = {'LD_PRELOAD': ':'.join(filter(None, [first, str(LIBRARY)])),
                    'FAIL_PLAN': self._file.name,
                    'FAIL_PROGRAM': os.path.basename(COAPROXY)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._plan.close()
        self._file.close()
