"""Hosts in network namespaces of their own, and bad lines between them.

    with Net() as net:
        a, b = net.host('a'), net.host('b')
        line = net.join(a, b)           # a.address(line), b.address(line)
        with a.inside():
            client = Client((b.address(line), port))
        line.set(loss=(10, 20))

A socket belongs to where it was made, and a program to where it was started:
inside() says where, for the calling thread. So a test has clients and origins
in its own process, and the proxy between them. The lines are impair.c's.
Everything is gone when the test is, however it ends: what one that was killed
has left behind goes when the next one begins.
"""

import atexit
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

from programs import START, Program     # noqa: E402
from tap import Skip                    # noqa: E402

IMPAIR = pathlib.Path(
    os.environ.get('top_builddir', '.')) / 'tests/faults/impair'
NAMES = pathlib.Path('/run/netns')
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words, tool='ip'):
    """Runs ip(8), or tc(8); its output."""
    done = subprocess.run([tool, *map(str, words)], capture_output=True,
                          text=True)
    if done.returncode:
        raise OSError(f'{tool} {" ".join(map(str, words))}: '
                      f'{done.stderr.strip()}')
    return done.stdout


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'setns')


def sweep():
    """Removes what tests have left that are no more, programs included."""
    for path in NAMES.glob('coaproxy-*-*'):
        pid = re.match(r'coaproxy-(\d+)-', path.name)
        if pid and not os.path.exists(f'/proc/{pid[1]}'):
            with contextlib.suppress(OSError):
                for left in ip('netns', 'pids', path.name).split():
                    os.kill(int(left), signal.SIGKILL)
                ip('netns', 'del', path.name)


class Host:
    """A namespace, with loopback."""

    def __init__(self, name):
        self.name = name
        self._addresses = {}            # line: address
        try:
            ip('netns', 'add', name)
        except OSError as error:
            raise Skip(f'no network namespaces here: {error}')
        self.ip('link', 'set', 'lo', 'up')

    def ip(self, *words, tool='ip'):
        """As ip(), in here."""
        return ip('-n', self.name, *words, tool=tool)

    def address(self, line):
        """This end of LINE."""
        return self._addresses[line]

    @contextlib.contextmanager
    def inside(self):
        """Sockets and programs that are made meanwhile are in here."""
        home = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
        here = os.open(NAMES / self.name, os.O_RDONLY)
        try:
            _enter(here)
            yield
        finally:
            _enter(home)
            os.close(here)
            os.close(home)

    def attach(self, line, address, peer):
        self._addresses[line] = address
        self.ip('link', 'set', 'dev', line.device, 'addrgenmode', 'none')
        self.ip('addr', 'add', address, 'peer', peer, 'dev', line.device)
        self.ip('link', 'set', 'dev', line.device, 'mtu', line.mtu, 'up')

    def remove(self):
        with contextlib.suppress(OSError):
            ip('netns', 'del', self.name)


class Line(Program):
    """impair between the hosts A and B; see there for the settings."""

    def __init__(self, device, a, b, seed, mtu):
        self.device, self.mtu = device, mtu
        self._said = 0
        super().__init__([IMPAIR, '--device', device, '--seed', seed,
                          a.name, b.name], stdin=subprocess.PIPE)
        try:
            self._answer(r'ready\n')
        except AssertionError:
            self.close()
            raise Skip(f'no TUN devices here: {self.output}')

    def _answer(self, pattern):
        """The next thing it says."""
        match = self.wait_for(lambda text: re.compile(pattern).match(
            text, self._said))
        self._said = match.end()
        return match[0]

    def _tell(self, text):
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()

    def set(self, **settings):
        """Values for both directions, or pairs: A to B, B to A."""
        for name, value in settings.items():
            values = value if isinstance(value, tuple) else (value,)
            self._tell(' '.join([name, *map(str, values)]))
            self._answer('ok\n')

    def count(self):
        """What has become of the packets from A to B, and from B to A."""
        self._tell('count')
        names = 'seen', 'lost', 'doubled', 'late', 'waiting'
        lines = self._answer(r'(?:\d+ \d+ \d+ \d+ \d+\n){2}').splitlines()
        return [dict(zip(names, map(int, line.split()))) for line in lines]


class Net:
    """Hosts and lines of one test."""

    def __init__(self):
        sweep()
        if os.geteuid():
            raise Skip('network namespaces need root')
        self._stack = contextlib.ExitStack()
        self._lines = 0
        atexit.register(self.close)

    def host(self, name):
        host = Host(f'coaproxy-{os.getpid()}-{name}')
        self._stack.callback(host.remove)
        return host

    def join(self, a, b, seed=1, mtu=1500):
        """A Line between two hosts."""
        self._lines += 1
        line = Line(f'line{self._lines}', a, b, seed, mtu)
        self._stack.callback(line.close)
        ends = [f'10.77.{self._lines}.{n}' for n in (1, 2)]
        a.attach(line, *ends)
        b.attach(line, *reversed(ends))
        return line

    def close(self):
        self._stack.close()
        atexit.unregister(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
