"""F23 to F25, F28, F29: what operators and service managers do to a process
that has clients.

FAULTS=full takes the rates and times of the promises. Limits are for an idle
machine; spare() is what is added on one that is not, and BUSY seconds more for
what happens once.

F26 and F27 are about several workers, which this program does not have. That
another program file takes over at the same sockets is F24: the new process has
them from the service manager, and nothing else of the old one.
"""

import contextlib
import os
import pathlib
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap  # noqa: E402
from admin import Watched  # noqa: E402
from coap import (ACK, CON, EMPTY, GET, MAX_AGE, NON, OBSERVE,  # noqa: E402
                  WAIT, Client, Message, Origin)
from load import Load  # noqa: E402
from origin import FaultOrigin  # noqa: E402
from programs import (COAPROXY, START, TOP, Manager, Program,  # noqa: E402
                      Proxy, coaproxy)
from tap import equal, test  # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'
BENCH = pathlib.Path(os.environ.get('top_builddir', TOP / 'build')) / 'bench'

BUSY = 1

tap.LIMIT = 900 if FULL else 150

if 'systemd no' in coaproxy('-V')[1]:
    tap.run(skip='built without libsystemd')


def spare():
    """Seconds that a start may take longer here than it should: what it takes
    to print the version, which is nearly nothing, so many times."""
    began = time.monotonic()
    for _ in range(3):
        coaproxy('-V')
    return 4 * (time.monotonic() - began)


class Supervisor:
    """A service manager: it has the socket, starts the program, and starts it
    again when that has ended."""

    RESTART = 0.1       # RestartSec=

    def __init__(self, text, kind=Proxy, watchdog=None):
        self.text, self.kind = text, kind
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.address = self.socket.getsockname()
        self.boss = Manager(f'\0coaproxy-test-{secrets.token_hex(8)}')
        self.env = dict(self.boss.env)
        if watchdog:
            self.env['WATCHDOG_USEC'] = str(int(watchdog * 1e6))
        self.proxy = None
        self.start()

    def start(self):
        self.proxy = self.kind('[listen]\nbind = fd:coap\n' + self.text,
                               env=self.env, passed=[('coap', self.socket)])
        self.boss.next_with('READY')

    def ended(self, status):
        """The process is gone; starts the next one."""
        equal(self.proxy.wait_end(), status, 'exit status')
        if status == 0:
            self.proxy.check(0)
        self.proxy.close()
        time.sleep(self.RESTART)
        self.start()

    def restart(self):
        self.proxy.signal(signal.SIGTERM)
        self.ended(0)

    def kill(self):
        self.proxy.process.kill()
        self.ended(-signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.proxy.close()
        if kind is None:
            self.proxy.check(self.proxy.process.returncode)
        self.boss.socket.close()
        self.socket.close()


# Enough for all that comes while nobody answers.
LIMITS = ('[message]\nmax-exchanges = 8192\nqueue-per-origin = 4096\n'
          'max-upstream-ports = 64\n')


def route(origin, more=''):
    return f'[route]\nto = coap://127.0.0.1:{origin.port}\n{more}\n'


def figures(line):
    return dict(word.split('=') for word in line.split() if '=' in word)


def longest_gap(done, since, until):
    """Of the time between two right answers, of those asked for one by one."""
    when = sorted(a.sent + a.took for a in done.answers if a.what == 'right')
    when = [since] + [w for w in when if since < w < until]
    return max(b - a for a, b in zip(when, when[1:]))


# ---- F23: reloads. R20 ----

def storm_text(number, a, b):
    """Two configurations that lead to the same two origins, by other words."""
    ways = [f'[route a{number}]\npath = /a\nto = coap://127.0.0.1:{a.port}/a\n',
            f'[route b{number}]\npath = /b\nto = coap://127.0.0.1:{b.port}/b\n']
    return ''.join(ways[::1 if number % 2 else -1]) + \
        f'[proxy]\nhop-limit = {number + 7}\n'


# The rate, lost requests, memory and descriptors: "100 signals a second" in
# tests/system/test_reload.py, for 3 s with make check. Here it is which way
# they go.

@test('F23: 100 signals a second, two configurations and a broken one: each '
      'request goes to its origin, none is lost')
def _():
    seconds = 30 if FULL else 3
    with FaultOrigin() as a, FaultOrigin() as b, \
            Proxy(storm_text(1, a, b)) as proxy:
        def replace(text):
            pathlib.Path(proxy.config + '.new').write_text(
                text + '[listen]\nbind = coap://127.0.0.1:0\n'
                '[cache]\nsize = 0\n')
            os.replace(proxy.config + '.new', proxy.config)

        broken = storm_text(1, b, a) + '[rout]\n'
        with Load(proxy.address, 16, 0.1, 50, path='/a') as one, \
                Load(proxy.address, 16, 0.1, 50, path='/b') as two:
            for number in range(100 * seconds):
                replace((storm_text(1, a, b), broken,
                         storm_text(2, a, b))[number % 3])
                proxy.signal(signal.SIGHUP)
                time.sleep(0.01)
            results = one.stop(), two.stop()
        for done in results:
            print(f'# {done}')
            equal((done.right, done.wrong, done.lost), (done.sent, 0, 0))
        refused = proxy.output.count('reload refused')
        taken = proxy.output.count(' in use: ')
        print(f'# {taken} taken, {refused} refused')
        equal(taken > 10 * seconds and refused > 3 * seconds, True)
        seen = a.end(), b.end()
        equal([s['executed'] for s in seen], [r.sent for r in results])


if FULL:
    @test('F23: 100 signals a second for 30 s under 5000 requests a second: '
          'nothing is lost or wrong, no memory, no descriptor')
    def _():
        done = subprocess.run(
            [sys.executable, '-B', TOP / 'tests/system/test_reload.py',
             'two configurations and broken ones'], text=True, timeout=800,
            env={**os.environ, 'RELOAD_SECONDS': '30', 'RELOAD_RATE': '5000'},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in done.stdout.splitlines():
            print('#', line)
        equal((done.returncode, '\nok 1 - ' in done.stdout), (0, True))


# ---- F24: restarts. R21 ----

RESTARTS = 10 if FULL else 3
RATE = 5000 if FULL else 500
@test(f'F24: {RESTARTS} restarts under {RATE} requests a second that are '
      'repeated: none is lost')
def _():
    seconds = 3 * RESTARTS
    with Program([BENCH / 'origin', '--strict']) as origin:
        origin.port = int(origin.wait_for(r'^ready: (\d+)$')[1])
        with Supervisor(LIMITS + route(origin)) as unit, Program(
                [BENCH / 'rate', '--rate', RATE, '--seconds', seconds,
                 '--window', 4096, '%s:%d' % unit.address]) as program:
            for _ in range(RESTARTS):
                time.sleep(1.5)     # of the load
                unit.restart()
            status = program.wait_end(60 + seconds)
            print('#', program.output.strip())
            seen = figures(program.output)
            equal((status, seen['sent']), (0, str(RATE * seconds)))
            equal((seen['right'], seen['refused'], seen['wrong']),
                  (seen['sent'], '0', '0'))


@test('F24: a restart: answers again within 500 ms and RestartSec')
def _():
    with FaultOrigin() as origin, \
            Supervisor(LIMITS + route(origin)) as unit, \
            Load(unit.address, 8, 0.1, 100) as load:
        allowed = 0.5 + unit.RESTART + spare()
        gaps = []
        for _ in range(RESTARTS):
            time.sleep(0.5)
            since = load.now()
            unit.restart()
            time.sleep(0.5)
            gaps.append((since, load.now()))
        done = load.stop()
        longest = [longest_gap(done, *gap) for gap in gaps]
        print('# without an answer for', *(f'{g:.3f} s' for g in longest),
              f'of {allowed:.3f} s; {done}')
        equal((done.right, done.lost, done.wrong), (done.sent, 0, 0))
        equal(statistics.median(longest) < allowed and
              max(longest) < allowed + BUSY, True, longest)


@test('F24: a restart: of requests that nobody repeats no more are lost than '
      'are under way')
def _():
    with FaultOrigin(mode='slow=0.1') as origin, \
            Supervisor(LIMITS + route(origin)) as unit, \
            Load(unit.address, 0, 0, 100, type=NON, patience=8) as load:
        unit.RESTART = 0.5      # 50 requests come meanwhile
        under_way = 0
        for _ in range(RESTARTS):
            time.sleep(1)
            recent = load.now() - 0.5
            under_way += sum(a.sent > recent for port in load._ports
                             for a in list(port.open.values()))
            unit.restart()
        done = load.stop()
        print(f'# {under_way} under way; {done}')
        # Drained, or told so: PRX-45.
        equal(done.wrong, 0)
        equal(set(done.codes) <= {'5.03'}, True, done.codes)
        equal(done.lost <= under_way, True, done.lost)


# ---- F25: a crash. R21 ----

class Observer(Client):
    """Observes, and registers again when it has heard nothing for too long."""

    def __init__(self, to, number):
        super().__init__(to)
        self.token = b'obs%d' % number
        self.number = number
        self.register()

    def register(self):
        self.sent = self.send(Message(GET, f'/watched/{self.number}',
                                      [(OBSERVE, 0)], token=self.token))

    def heard(self, timeout=WAIT):
        """The next response with our token, acknowledged."""
        deadline = time.monotonic() + timeout
        while True:
            m = self.receive(max(0, deadline - time.monotonic()))
            if m.type == CON:
                self.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))
            if m.token == self.token:
                return m


def regular_files(pid):
    """Files that the process has open, that are none of the test's."""
    found = set()
    for fd in pathlib.Path(f'/proc/{pid}/fd').iterdir():
        with contextlib.suppress(OSError):
            path = os.readlink(fd)
            if os.path.isfile(path):
                found.add(path)
    return found


@test('F25: kill -9 and a restart: answers again within 1 s and RestartSec, '
      'observers register again, nothing of the dead one is in the way')
def _():
    with tempfile.TemporaryDirectory() as where, FaultOrigin() as origin, \
            Origin() as watched, contextlib.ExitStack() as stack:
        text = (f'{LIMITS}[route w]\npath = /watched\n'
                f'to = coap://127.0.0.1:{watched.port}\n' + route(origin) +
                f'[control]\nsocket = {where}/control\n')
        unit = stack.enter_context(Supervisor(text))
        load = stack.enter_context(Load(unit.address, 16, 0.1, 50))
        observers = [stack.enter_context(Observer(unit.address, n))
                     for n in range(5)]

        def tell(mark):
            """Each is registered, and told; the registrations."""
            found = []
            for _ in observers:
                request = watched.receive()
                while request.code != GET:      # the dead one's answers
                    request = watched.receive()
                watched.reply(request, payload=f'{mark} {request.path}',
                              options=[(OBSERVE, 1), (MAX_AGE, 2)])
                found.append(request)
            for o in observers:
                m = o.heard()
                equal((m.payload.decode(), m.value(OBSERVE) is None),
                      (f'{mark} /{o.number}', False))
            return found

        allowed = 1 + unit.RESTART + spare()
        old = tell('first')
        took = []
        for life in range(5 if FULL else 2):
            time.sleep(0.5)
            began = load.now()
            unit.kill()
            while (back := load.result().first_right_after(
                    began + unit.RESTART)) > 30:
                equal(load.now() < began + WAIT + allowed, True, 'an answer')
                time.sleep(0.01)
            took.append(back + unit.RESTART)
            # The old registrations lead nowhere.
            for n, request in enumerate(old):
                watched.reply(request, payload='late', type=CON, mid=n,
                              options=[(OBSERVE, 9)])
            for o in observers:
                equal(o.ready(0), False, 'an answer to what nobody asked')
                o.register()    # as after Max-Age
            old = tell(f'life {life}')
            for request in old:
                watched.reply(request, payload='news', type=NON, mid=7,
                              options=[(OBSERVE, 2), (MAX_AGE, 2)])
            for o in observers:
                equal(o.heard().payload, b'news')
            equal(os.listdir(where), ['control'])
            subprocess.run([COAPROXY + 'ctl', '-s', f'{where}/control',
                            'status'], check=True, timeout=START,
                           stdout=subprocess.DEVNULL)
            equal(regular_files(unit.proxy.process.pid), set())
        done = load.stop()
        print('# answers again after', *(f'{t:.3f} s' for t in took),
              f'of {allowed:.3f} s; {done}')
        equal((done.right, done.lost, done.wrong), (done.sent, 0, 0))
        equal(max(took) < allowed + BUSY, True, took)
        unit.proxy.signal(signal.SIGTERM)
        equal(unit.proxy.wait_end(), 0)
        equal(os.listdir(where), [])


# ---- F28: the end with much to do. R21 ----

PENDING, OBSERVERS = (10000, 1000) if FULL else (1000, 100)
PER_CLIENT = 20


@test(f'F28: SIGTERM with {PENDING} requests pending and {OBSERVERS} '
      'observers: ends with the drain, status 0, all is freed')
def _():
    drain = 5 if FULL else 1
    with Origin() as silent, Origin() as watched, \
            contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Watched(f'''
            [proxy]
            drain = {drain}s
            [message]
            max-exchanges = {4 * PENDING}
            queue-per-origin = {2 * PENDING}
            [route w]
            path = /watched
            to = coap://127.0.0.1:{watched.port}
            ''' + route(silent)))
        observers = [stack.enter_context(Client(proxy.address))
                     for _ in range(OBSERVERS // PER_CLIENT)]
        for n in range(PER_CLIENT):
            for i, client in enumerate(observers):
                sent = client.send(Message(GET, f'/watched/{n}',
                                           [(OBSERVE, 0)]))
                if i == 0:
                    watched.answer(payload='x', options=[(OBSERVE, 1),
                                                         (MAX_AGE, 1000)])
                equal(client.await_response(sent).value(OBSERVE) is None,
                      False)
        asking = [stack.enter_context(Client(proxy.address))
                  for _ in range(20)]
        for n in range(PENDING // 20):
            for client in asking:
                client.send(Message(GET, f'/{n}', mid=n))
            if n % 10 == 9:
                for client in asking:
                    client.fence()
        [status] = proxy.json('status')
        print('#', {k: v for k, v in status.items()
                    if 'request' in k or 'observ' in k})
        equal((status['in_flight'], status['observers']),
              (PENDING, OBSERVERS))
        began = time.monotonic()
        proxy.signal(signal.SIGTERM)
        equal(proxy.wait_end(60), 0)
        took = time.monotonic() - began
        allowed = drain + 0.5 + spare()
        print(f'# ended after {took:.3f} s of {allowed:.3f} s')
        equal(took < allowed + BUSY, True)
        # PRX-45, OBS: each observer has been told.
        told = 0
        for client in observers:
            while client.ready(0):
                told += client.receive(0).code == '5.03'
        equal(told >= OBSERVERS, True, f'{told} told')


# ---- F29: a process that stands still ----

# The real one, with WatchdogSec=: tests/system/systemd.sh. A host that stands
# still for a minute: F11c in test_time.py.

@test('F29: SIGSTOP: no WATCHDOG=1, and all is answered after SIGCONT')
def _():
    watchdog = 0.4
    with FaultOrigin() as origin, \
            Supervisor(LIMITS + route(origin), watchdog=watchdog) as unit, \
            Load(unit.address, 8, 0.1, 50) as load:
        unit.boss.next_with('WATCHDOG')
        unit.proxy.signal(signal.SIGSTOP)
        try:
            equal(missed(unit.boss, watchdog), True)
            time.sleep(10 if FULL else 1)
        finally:
            unit.proxy.signal(signal.SIGCONT)
        since = load.now()
        unit.boss.next_with('WATCHDOG')
        while (took := load.result().first_right_after(since)) > 60:
            equal(load.now() < since + WAIT, True, 'an answer')
            time.sleep(0.01)
        done = load.stop()
        print(f'# first answer {took:.3f} s after it went on; {done}')
        equal((done.right, done.lost, done.wrong), (done.sent, 0, 0))


def missed(boss, seconds):
    """Whether there is no WATCHDOG=1 for that long, what is already on its way
    left out."""
    boss.socket.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            boss.next()
    boss.socket.settimeout(seconds)
    try:
        while 'WATCHDOG' not in boss.next():
            pass
        return False
    except socket.timeout:
        return True
    finally:
        boss.socket.settimeout(START)


@test('F29: SIGSTOP for good: the manager ends it, and its successor answers '
      'all within WatchdogSec and 1 s')
def _():
    watchdog = 0.4
    with FaultOrigin() as origin, \
            Supervisor(LIMITS + route(origin), watchdog=watchdog) as unit, \
            Load(unit.address, 8, 0.1, 50) as load:
        allowed = watchdog + unit.RESTART + 1 + spare()
        unit.boss.next_with('WATCHDOG')
        unit.proxy.signal(signal.SIGSTOP)
        since = load.now()
        # May have been sent before.
        while not missed(unit.boss, watchdog):
            pass
        unit.kill()
        while (took := load.result().first_right_after(
                since + watchdog)) > 60:
            equal(load.now() < since + WAIT + allowed, True, 'an answer')
            time.sleep(0.01)
        done = load.stop()
        print(f'# answers again {took + watchdog:.3f} s after it stopped, of '
              f'{allowed:.3f} s; {done}')
        equal(took + watchdog < allowed + BUSY, True)
        equal((done.right, done.lost, done.wrong), (done.sent, 0, 0))


tap.run()
