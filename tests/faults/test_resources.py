"""What the system does not give: memory, descriptors, room anywhere.

Each test carries the figure that is promised (docs/promises.md).
"""

import collections
import contextlib
import errno
import fcntl
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap  # noqa: E402
from admin import Watched  # noqa: E402
from coap import (ACK, BLOCK1, CON, EMPTY, GET, NON, OBSERVE,  # noqa: E402
                  PROXY_URI, PUT, URI_QUERY, Client, Message, Silence)
from failing import Failing, sanitizer  # noqa: E402
from load import Load  # noqa: E402
from origin import FaultOrigin  # noqa: E402
from programs import COAPROXY, START, Proxy  # noqa: E402
from tap import contains, equal, test  # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'

tap.LIMIT = 600 if FULL else 120


def long(name):
    """A test of the long form only."""
    return test(name) if FULL else lambda function: function


# ---- F14: no memory ----

# Something of everything that a configuration can have.
SMALL = '''
[proxy]
name = gw
include = {directory}/*.inc
[listen a]
bind = coap://127.0.0.1:0
allow-from = any
[forward]
allow-from = 127.0.0.0/8
allow-to = loopback
[route here]
path = /here
reply = 4.04 "{word}"
[route there]
host = *.example
path = /there
to = coap://127.0.0.1:{port}/x
links = rewrite
[dns]
servers = {dns}
[log]
target = {log}
[control]
socket = {control}
[cache]
size = 64K
'''


class Starved:
    """Two configurations, each with a listener, a control socket, a name server
    and a file for the log that the other has not."""

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory()
        self.directory = pathlib.Path(self._temporary.name)
        (self.directory / 'more.inc').write_text(
            '[route more]\npath = /more\nreply = 4.10 "included"\n')
        self.config = self.directory / 'coaproxy.conf'
        self.logs = [self.directory / f'{i}.log' for i in range(2)]
        routes = '' if not FULL else ''.join(
            f'[route r{i}]\npath = /p{i}\nto = coap://127.0.0.1:9/x{i}\n'
            for i in range(40))
        self.texts = [SMALL.format(
            directory=self.directory, word=f'word {i}', port=9 + i,
            dns=f'127.0.0.{i + 1}', log=self.logs[i],
            control=self.directory / f'control{i}') + routes
            for i in range(2)]
        self.texts[1] = self.texts[1].replace('[listen a]', '[listen b]')
        self.texts[1] = self.texts[1].replace('127.0.0.1:0', '127.0.0.2:0')
        self.use(0)

    def use(self, i):
        self.config.write_text(self.texts[i])

    def said(self):
        return ''.join(log.read_text() for log in self.logs if log.exists())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._temporary.cleanup()


def start(failing, n, *args):
    """(status, output) of a start of which allocation N fails; when it is
    ready it is ended."""
    failing.memory.once(n)
    process = subprocess.Popen(
        [COAPROXY, *args], env={**os.environ, **failing.env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith('ready:'):
            process.terminate()
    process.stdout.close()
    return process.wait(START), ''.join(lines)


def each_allocation(failing, starved, *args):
    """Every allocation of a start fails once: how many there were, and how many
    of the starts went well. What is wrong may be in the log's file."""
    gcov = b'__gcov_' in pathlib.Path(COAPROXY).read_bytes()
    n = good = 0
    while True:
        n += 1
        starved.logs[0].unlink(missing_ok=True)
        status, output = start(failing, n, *args)
        output += starved.said()
        if gcov and status == -signal.SIGSEGV:
            continue    # what counts lines needs memory in the end
        if status not in (0, 1) or (status == 1 and not output.strip()):
            raise AssertionError(
                f'allocation {n} of {args}: status {status}\n{output}')
        good += status == 0
        if not failing.memory.failed:
            equal(status, 0, 'status with all its memory')
            return n - 1, good


@test('F14: each allocation of a start fails once: it runs, or says why')
def _():
    # R5
    with Failing(memory=True) as failing, Starved() as starved:
        count, good = each_allocation(failing, starved, '-c',
                                      starved.config)
        print(f'# {count} allocations, {good} starts went well')
        equal(count > 200, True, f'{count} allocations are')


@test('F14: likewise for what ends by itself, -t, -T and --explain')
def _():
    with Failing(memory=True) as failing, Starved() as starved:
        ways = [['-T', '-c', starved.config],
                ['-t', '--to', 'coap://127.0.0.1:9', '--bind',
                 'coap://127.0.0.1:0']]
        if FULL:
            ways += [['-t', '-c', starved.config],
                     ['--explain', 'GET coap://a.example/there', '-c',
                      starved.config]]
        for way in ways:
            each_allocation(failing, starved, *way)


def wait_for(condition, what, timeout=START):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f'not in {timeout} s: {what}')
        time.sleep(0.002)
    return found


def descriptors(process):
    return len(os.listdir(f'/proc/{process.pid}/fd'))


def resident(process):
    """KiB."""
    text = pathlib.Path(f'/proc/{process.pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+)', text)[1])


def reload_without(failing, arrange):
    """Reloads from one configuration to the other and back, while allocation N
    fails, for all N: a reload goes well or changes nothing. ARRANGE(n) says what
    fails. Returns (reloads, refused)."""
    with Starved() as starved, \
            Proxy(None, '-c', starved.config, env=failing.env) as proxy:
        def outcomes():
            return re.findall(r'configuration (\d+) (in use|stays in use)|'
                              r'(reload refused)', starved.said())

        ports = [proxy.port, None]
        now, n, refused = 0, 0, 0
        before = descriptors(proxy.process)
        while True:
            n += 1
            starved.use(1 - now)
            known = len(outcomes())
            arrange(n)
            proxy.signal(signal.SIGHUP)
            wait_for(lambda: len(outcomes()) > known or
                     proxy.process.poll() is not None,
                     f'the end of reload {n}')
            failed, calls = failing.memory.stop(), failing.memory.calls
            equal(proxy.process.poll(), None, f'status after allocation {n}')
            went_well = 'refused' not in ''.join(
                w for o in outcomes()[known:] for w in o)
            refused += not went_well
            if went_well:
                now = 1 - now
                # One that was about to be closed is not opened again.
                opened = re.findall(
                    r'listening: coap://127\.0\.0\.\d:(\d+)',
                    starved.logs[now].read_text())
                ports[now] = int(opened[-1]) if opened else ports[now]
            with Client((f'127.0.0.{now + 1}', ports[now])) as client:
                equal(client.request(GET, '/here').payload,
                      b'word %d' % now, f'after allocation {n}')
                equal(client.request(GET, '/more').payload, b'included')
            if not failed and calls < n:
                break
        # What the last one has closed may be open for a while.
        wait_for(lambda: descriptors(proxy.process) == before,
                 f'descriptors: {descriptors(proxy.process)} for {before}')
        equal('out of memory' in starved.said(), True, 'it says why')
        return n, refused


@test('F14: each allocation of a reload fails once: it is refused, no more')
def _():
    # R5
    with Failing(memory=True) as failing:
        n, refused = reload_without(failing, failing.memory.once)
        print(f'# {n} reloads, {refused} of them refused')
        equal(refused > 150, True, f'{refused} refused are')


@test('F14: no memory at all from one allocation of a reload on')
def _():
    with Failing(memory=True) as failing:
        n, refused = reload_without(failing, failing.memory.from_now)
        equal(refused > 150, True, f'{refused} refused are')


# ---- while requests go on ----

SECONDS = 10 if FULL else 1     # for which something fails
SLACK = 3       # how often longer things may take on a busy machine


def route(origin, more='[cache]\nsize = 1M\n'):
    return f'[route]\nto = coap://127.0.0.1:{origin.port}\n{more}'


class Crowd:
    """Clients that ask once each: each is new to the proxy. Some send a body in
    blocks, some observe. What they are told counts for nothing."""

    def __init__(self, proxy):
        self._proxy = proxy
        self._clients = []

    def go_on(self, seconds):
        until = time.monotonic() + seconds
        number = 0
        while time.monotonic() < until:
            client = Client(self._proxy.address)
            self._clients.append(client)
            query = [(URI_QUERY, f'crowd{number}')]
            if number % 3 == 0:
                client.send(Message(GET, '/echo', [(OBSERVE, 0), *query],
                                    type=NON))
            elif number % 3 == 1:
                client.send(Message(PUT, '/echo',
                                    [(BLOCK1, b'\x0e'), *query],
                                    payload=bytes(1024)))
            else:
                client.send(Message(GET, f'/echo/{number}', query))
            number += 1
            if len(self._clients) == 100:
                self._clients.pop(0).close()
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self._clients:
            client.close()


def only(result, *codes):
    """Nothing wrong, and no other errors than CODES."""
    equal(result.wrong, 0, 'wrong answers')
    others = {c: n for c, n in result.codes.items() if c not in codes}
    equal(others, {}, 'other errors')


def all_right(result, what):
    equal((result.wrong, result.lost, dict(result.codes)), (0, 0, {}), what)
    equal(result.right > 0, True, f'requests {what}')


def starve(per_mille, seed):
    """R5: 100 % right from 1 s after allocations have failed for SECONDS."""
    with Failing(memory=True) as failing, FaultOrigin() as origin, \
            Proxy(route(origin), env=failing.env) as proxy, \
            Crowd(proxy) as crowd:
        failing.memory.per_mille(per_mille, seed=seed)
        with Load(proxy.address, clients=32, pause=0.1, stream=20) as load:
            crowd.go_on(SECONDS)
            calls, failed = failing.memory.calls, failing.memory.stop()
            calm = load.now() + 1
            time.sleep(2)
            done = load.stop()
        print(f'# {failed} of {calls} allocations failed: {done}')
        equal(failed > 0, True, f'{failed} of {calls} failed are')
        only(done, '5.03', '5.00')
        all_right(done.between(calm), 'from 1 s after')


@long('F14: 0.5 % of all allocations fail: at most 5.03 and 5.00, then all well')
def _():
    # R5
    starve(5, 1)


@test('F14: 2 % of all allocations')
def _():
    starve(20, 2)


@long('F14: 10 % of all allocations')
def _():
    starve(100, 3)


@test('F14: all of them')
def _():
    starve(1000, 4)


# ---- F12: the log ----

LOGGING = '[log]\nlevel = debug\naccess = all\n'
MOUNT = 64      # KiB of the file system that gets full


class Unheard(Watched):
    """One whose log nobody reads: its port for HTTP is the one it listens on."""

    def _ready(self):
        Proxy._ready(self)
        self.http = wait_for(self._listens, 'a port for HTTP')

    def _listens(self):
        fds = pathlib.Path(f'/proc/{self.process.pid}/fd')
        held = {os.readlink(fd) for fd in fds.iterdir()}
        table = pathlib.Path('/proc/net/tcp').read_text().splitlines()[1:]
        for fields in map(str.split, table):
            if f'socket:[{fields[9]}]' in held:
                return int(fields[1].split(':')[1], 16)
        return None


def unlogged(more, arrange=lambda proxy: None, free=lambda proxy: None,
             seconds=SECONDS):
    """A load while the log's target does not take lines; ARRANGE breaks it, FREE
    repairs it."""
    # R11 R22
    with FaultOrigin() as origin, \
            Unheard(route(origin) + LOGGING + more) as proxy:
        arrange(proxy)
        with Load(proxy.address, clients=16, pause=0.05, stream=20) as load:
            time.sleep(seconds / 2)
            before = resident(proxy.process)
            time.sleep(seconds)
            growth = resident(proxy.process) - before
            done = load.stop()
        lost = proxy.metrics().value('coaproxy_log_lines_lost_total')
        print(f'# {lost:.0f} lines lost, {growth} KiB more; {done}')
        all_right(done, 'meanwhile')
        equal(lost > 50, True, f'{lost} lines lost are')
        # The cache is bounded by 1M; lines would be more. A sanitizer keeps
        # what was freed.
        equal(bool(sanitizer()) or growth < 1500, True, f'{growth} KiB')
        # The longest a line may hold up all others.
        equal(done.latency(99) < 0.1 * SLACK, True, 'p99')
        free(proxy)


@contextlib.contextmanager
def small_disk():
    """A directory of MOUNT KiB."""
    with tempfile.TemporaryDirectory() as directory:
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={MOUNT}k',
                           'coaproxy-test', directory],
                          capture_output=True).returncode:
            raise tap.Skip('cannot mount a tmpfs')
        try:
            yield pathlib.Path(directory)
        finally:
            subprocess.run(['umount', '-l', directory], check=True)


@test('F12: a disk of 64 KiB full of the log: 0 lost, 1 counter, no growth')
def _():
    with small_disk() as disk:
        log = disk / 'log'

        def make_room(proxy):
            equal(log.stat().st_size > MOUNT * 900, True, 'it is full')
            os.truncate(log, 0)
            lost = proxy.metrics().value('coaproxy_log_lines_lost_total')
            with Client(proxy.address) as client:
                client.request(GET, '/echo')
            wait_for(lambda: 'log was full: lost=' in log.read_text(), 'a line')
            line = re.search(r'log was full: lost=(\d+)', log.read_text())
            equal(int(line[1]), lost, 'what the line says')

        unlogged(f'target = {log}', free=make_room, seconds=max(2, SECONDS))


@test('F12: a log that is always full')
def _():
    unlogged('target = /dev/full')


@test('F12: a pipe that nobody reads, and one whose reader is gone')
def _():
    with tempfile.TemporaryDirectory() as directory:
        fifo = os.path.join(directory, 'fifo')
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        unlogged(f'target = {fifo}')
        unlogged(f'target = {fifo}', arrange=lambda _: os.close(reader))


# ---- F13: descriptors ----

def come(family, address):
    """A client that connects, if there is room, and waits."""
    s = socket.socket(family)
    s.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        s.connect(address)
    return s


def processor_time(process):
    """Seconds so far."""
    fields = pathlib.Path(f'/proc/{process.pid}/stat').read_text()
    fields = fields.rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def idle(process, seconds=2):
    """The part of a processor it takes."""
    before = processor_time(process)
    time.sleep(seconds)
    return (processor_time(process) - before) / seconds


@test('F13: 64 descriptors, 400 targets, 40 operators: probe ok, idle CPU < 5 %')
def _():
    # R7
    with FaultOrigin() as origin, contextlib.ExitStack() as held, \
            Watched('[route]\npath = /here\nreply = 4.10 "here"\n' +
                    forward() + route(origin)) as proxy, \
            Client(proxy.address) as probe:
        equal(probe.request(GET, '/').code, '2.05')
        before = descriptors(proxy.process)
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (64, 64))
        # First, so that there is something to give back in the end.
        for _ in range(20):
            held.enter_context(come(socket.AF_UNIX, proxy.socket))
            held.enter_context(come(socket.AF_INET,
                                    ('127.0.0.1', proxy.http)))
        wait_for(lambda: descriptors(proxy.process) > before + 8, 'operators')
        with Targets(proxy, 400) as targets:
            equal(probe.request(GET, '/here').payload, b'here')
            codes = targets.all()
        print(f'# {dict(codes)}, {descriptors(proxy.process)} descriptors')
        equal(set(codes) <= {'5.02', '5.03'}, True, f'{codes} are 5.0x')
        equal(sum(codes.values()), 400, 'answers')
        for _ in range(20):
            held.enter_context(come(socket.AF_INET,
                                    ('127.0.0.1', proxy.http)))
        equal(probe.request(GET, '/here').payload, b'here')
        equal(probe.request(GET, '/').code, '2.05')
        busy = idle(proxy.process)
        print(f'# {busy:.1%} of a processor, {before} descriptors at first')
        equal(busy < 0.05, True, f'{busy:.1%} of a processor')
        held.close()
        contains(proxy.ctl('status'), 'listening')
        proxy.metrics()


# ---- F15: a limit on memory ----

DEFAULT = 64 << 10      # KiB, and
CACHE = 64 << 10        # ... what [cache] has by default
CROWDS = 100 if FULL else 20    # sockets at a time
PACE = 0 if FULL else 2000      # datagrams a second; 0: as fast as it goes


class MemoryGroup:
    """A control group of at most LIMIT KiB."""

    def __init__(self, limit):
        top = pathlib.Path('/sys/fs/cgroup')
        self._new = not (top / 'memory').is_dir()
        self.path = (top if self._new else top / 'memory') / (
            f'coaproxy-test-{os.getpid()}')
        try:
            self.path.mkdir()
            self._write('memory.max' if self._new else
                        'memory.limit_in_bytes', limit << 10)
            if self._new:
                self._write('memory.swap.max', 0)
        except OSError as error:
            self.close()
            raise tap.Skip(f'no control group: {error}') from None

    def _write(self, name, value):
        (self.path / name).write_text(str(value))

    def take(self, process):
        self._write('cgroup.procs', process.pid)

    def killed(self):
        text = (self.path / ('memory.events' if self._new else
                             'memory.oom_control')).read_text()
        return int(re.search(r'^oom_kill (\d+)', text, re.M)[1])

    def close(self):
        if self.path.is_dir():
            # Who has ended is gone a moment later.
            for _ in range(100):
                with contextlib.suppress(OSError):
                    self.path.rmdir()
                    break
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def observe(number):
    return Message(GET, '/echo', [(OBSERVE, 0), (URI_QUERY, f'o{number}')])


def unfinished(number):
    return Message(PUT, '/echo', [(BLOCK1, b'\x0e'), (URI_QUERY, f'{number}')],
                   payload=bytes(1024), type=NON)


def unanswered(number):
    return Message(GET, '/silent', [(URI_QUERY, f'{number}' * 20)])


def cached(number):
    return Message(GET, '/echo', [(URI_QUERY, f'{number}.' + 200 * 'x')],
                   type=NON)


def flood(proxy, make, seconds):
    """What MAKE makes, from ever new addresses; answers are not read."""
    began = time.monotonic()
    number = 0
    clients = []
    while (took := time.monotonic() - began) < seconds:
        if number % CROWDS == 0:
            for client in clients:
                client.close()
            host = number // CROWDS
            clients = [Client(proxy.address, f'127.{host >> 8 & 255 | 1}.'
                              f'{host & 255}.{i + 1}') for i in range(CROWDS)]
        clients[number % CROWDS].send(make(number))
        number += 1
        if PACE and number > took * PACE:
            time.sleep(0.01)
    for client in clients:
        client.close()
    return number


@test('F15: 64 MiB and the cache, every flood, default limits: no OOM kill')
def _():
    # R6
    if sanitizer():
        raise tap.Skip('a sanitizer needs memory of its own')
    with FaultOrigin() as origin, FaultOrigin(mode='silent') as silent, \
            MemoryGroup(DEFAULT + CACHE) as group, \
            Watched('[route]\npath = /silent\n'
                    f'to = coap://127.0.0.1:{silent.port}\n' +
                    route(origin, '[cache]\nsize = 64M\n')) as proxy:
        group.take(proxy.process)
        start = resident(proxy.process)
        for make in unanswered, unfinished, observe, cached:
            sent = flood(proxy, make, SECONDS / 2)
            print(f'# {make.__name__}: {sent}, '
                  f'{resident(proxy.process) - start} KiB more')
        with Client(proxy.address) as client:
            query = [(URI_QUERY, 'after')]
            wait_for(lambda: client.request(GET, '/echo', query).payload ==
                     b'after', 'an answer')
        equal(group.killed(), 0, 'kills')
        peak = pathlib.Path(f'/proc/{proxy.process.pid}/status').read_text()
        peak = int(re.search(r'VmHWM:\s+(\d+)', peak)[1]) - start
        print(f'# at most {peak} KiB more')
        equal(peak < DEFAULT + CACHE, True, f'{peak} KiB more')


# ---- F16, F17: datagrams ----

def disturb(kind, per_mille, err, check, seed=1):
    """A load while calls of KIND fail. CHECK(result, proxy) judges it."""
    with Failing() as failing, FaultOrigin() as origin, \
            Watched(route(origin), env=failing.env) as proxy:
        with Load(proxy.address, clients=32, pause=0.1, stream=20) as load:
            getattr(failing, kind).per_mille(per_mille, err, seed)
            time.sleep(SECONDS)
            failed = getattr(failing, kind).stop()
            done = load.stop()
        print(f'# {failed} {kind}s failed: {done}')
        equal(failed > 0, True, f'{failed} failed are')
        check(done, proxy)


def none_lost(done, _):
    only(done)
    equal(done.lost, 0, 'lost')


@test('F16: ENOBUFS on 10 % of sends: 0 lost, as clients repeat')
def _():
    disturb('send', 100, errno.ENOBUFS, none_lost)


@test('F16: EAGAIN on 10 % of sends')
def _():
    disturb('send', 100, errno.EAGAIN, none_lost)


@long('F16: EPERM on 10 % of sends, as a firewall has it')
def _():
    disturb('send', 100, errno.EPERM, lambda done, _: only(done, '5.02'))


@test('F17: ECONNREFUSED on 10 % of receives: 0 unrelated exchanges failed')
def _():
    # R8
    def check(done, _):
        all_right(done, 'meanwhile')
    disturb('receive', 100, errno.ECONNREFUSED, check)


# ---- F18: sockets ----

TARGETS = 40


def forward():
    return ('[forward]\nallow-from = loopback\nallow-to = loopback\n'
            '[message]\nmax-retransmit = 1\n')


class Targets:
    """A crowd of origins that each take a socket: addresses of this host where
    nobody listens."""

    def __init__(self, proxy, count=TARGETS):
        self._client = Client(proxy.address)
        self._sent = {}
        self.codes = {}
        for i in range(count):
            m = self._client.send(Message(GET, '', [
                (PROXY_URI, f'coap://127.0.{i // 250 + 1}.{i % 250 + 1}:5683/')],
                token=i.to_bytes(4, 'big')))
            self._sent[m.token] = m
            self.take(0.002)

    def take(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                m = self._client.receive(left)
            except Silence:
                return
            if m.code != EMPTY and m.token in self._sent:
                self.codes[m.token] = m.code
            if m.type == CON:
                self._client.send(Message(EMPTY, type=ACK, mid=m.mid,
                                          token=b''))

    def all(self, repeats=3):
        """The codes, after repetitions of what has no answer."""
        for _ in range(repeats):
            self.take(1 if len(self.codes) < len(self._sent) else 0)
            for token, m in self._sent.items():
                if token not in self.codes:
                    self._client.send_raw(m.raw)
        self.take(0.2)
        return collections.Counter(self.codes.values())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()


def knock(proxy):
    """At the doors for operators: taken in or not, nobody waits."""
    for family, address, text in (
            (socket.AF_INET, ('127.0.0.1', proxy.http),
             b'GET /metrics HTTP/1.0\r\n\r\n'),
            (socket.AF_UNIX, proxy.socket, b'status\n')):
        with come(family, address) as s, contextlib.suppress(OSError):
            s.sendall(text)


def without_sockets(arrange, doors=True):
    """Requests to TARGETS, metrics and the control socket while calls for
    sockets fail; then nothing is left but what was there before, and the same
    goes well."""
    with Failing() as failing, FaultOrigin() as origin, \
            Watched(forward() + route(origin), env=failing.env) as proxy:
        with Targets(proxy) as targets:
            equal(targets.all(), {'5.02': TARGETS}, 'before')
        with Client(proxy.address) as client:
            equal(client.request(GET, '/').code, '2.05')
        before = descriptors(proxy.process)
        with Load(proxy.address, clients=8, pause=0.1, stream=10) as load:
            arrange(failing)
            with Targets(proxy, 3 * TARGETS) as targets:
                for _ in range(5 if doors else 0):
                    knock(proxy)
                codes = targets.all()
            failed = {k: getattr(failing, k).stop() for k in
                      ('socket', 'connect', 'accept', 'epoll')}
            calm = load.now() + 1
            time.sleep(2)
            done = load.stop()
        print(f'# failed: {failed}; {dict(codes)}; {done}')
        equal(sum(failed.values()) > 0, True, 'some failed')
        equal(set(codes) <= {'5.02', '5.03', '5.04'}, True, f'{codes} are 5.0x')
        equal(sum(codes.values()), 3 * TARGETS, 'answers')
        equal(done.wrong, 0)
        all_right(done.between(calm), 'from 1 s after')
        with Targets(proxy, 3 * TARGETS) as targets:
            equal(targets.all(), {'5.02': 3 * TARGETS}, 'afterwards')
        proxy.metrics()
        contains(proxy.ctl('status'), 'listening')
        # An operator whose socket nobody watches is given up after 30 s.
        wait_for(lambda: descriptors(proxy.process) <= before + 2 * TARGETS,
                 f'not more than {before} and {2 * TARGETS} descriptors', 60)


@test('F18: EMFILE on every socket and accept')
def _():
    def arrange(failing):
        failing.socket.from_now(err=errno.EMFILE)
        failing.accept.from_now(err=errno.EMFILE)
    without_sockets(arrange)


@long('F18: ENETUNREACH on every other connect')
def _():
    without_sockets(lambda failing: failing.connect.per_mille(
        500, errno.ENETUNREACH))


@test('F18: ENOMEM on 10 % of epoll_ctl, and on all')
def _():
    for per_mille in (100, 1000) if FULL else (100,):
        without_sockets(lambda failing: failing.epoll.per_mille(
            per_mille, errno.ENOMEM), doors=FULL)


# ---- F19: random numbers ----

@test('F19: getrandom is not there: status 1 and why, whatever else is there')
def _():
    with Failing() as failing:
        for err in errno.ENOSYS, errno.EIO:
            failing.random.from_now(err=err)
            proxy = Proxy('[route]\nreply = 4.04', env=failing.env,
                          wait=False)
            equal(proxy.wait_end(), 1, 'status')
            contains(proxy.output, 'no random numbers: ' + os.strerror(err))
            equal('ready:' in proxy.output, False)
            equal(failing.random.failed, 1, 'one attempt')
            proxy.close()


if __name__ == '__main__':
    tap.run()
