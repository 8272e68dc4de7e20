"""Time that goes otherwise than programs expect: the wall clock steps, numbers
of milliseconds come to their end, the process or the machine stands still. The
same by scenarios: tests/replay/wrap.t, and "stop" in tests/replay/*.rp.

A step is made several times where the promise is about milliseconds, and the
best of them counts: a machine that is busy makes some late, what the proxy does
wrong makes all of them late."""

import contextlib
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap
import watched
from clocks import WallClock
from coap import (ACK, CON, EMPTY, GET, MAX_AGE, OBSERVE, WAIT, Client,
                  Message, Origin)
from load import Load
from origin import FaultOrigin
from programs import Proxy
from tap import equal, test

FULL = os.environ.get('FAULTS') == 'full'
tap.LIMIT = 300 if FULL else 60
HOUR = 3600
YEAR = 365 * 24 * HOUR

CONF = '''
[cache]
size = 1M
[origin]
nstart = 64
[message]
ack-timeout = 1s
[route echo]
path = /echo
to = coap://127.0.0.1:{echo.port}
[route seen]
path = /seen
to = coap://127.0.0.1:{seen.port}
'''


def within(what, seconds, limit):
    if not seconds <= limit:
        raise AssertionError(f'{what}: {seconds:.3f} s, at most {limit} s')


def flawless(load):
    """Every request of LOAD has got the right answer."""
    done = load.stop()
    print(f'# {done}')
    equal((done.wrong, done.lost, dict(done.codes)), (0, 0, {}), str(done))
    equal(done.right, done.sent)
    return done


def pass_by(load, seconds):
    """Lets the load go on for so long."""
    until = load.now() + seconds
    while load.now() < until:
        time.sleep(0.02)


class Observer(Client):
    """Observes /seen."""

    def __init__(self, to):
        super().__init__(to)
        self.asked = Message(GET, '/seen', [(OBSERVE, 0)])
        got = self.await_response(self.send(self.asked))
        equal(got.value(OBSERVE) is not None, True, got)

    def told(self, payload):
        """Notifications are acknowledged until one has this payload."""
        deadline = time.monotonic() + WAIT
        while True:
            m = self.receive(max(0, deadline - time.monotonic()))
            if m.code == EMPTY:
                continue
            equal(m.token, self.asked.token)
            if m.type == CON:
                self.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))
            if m.payload == payload:
                return


def age(client, path, body, kept):
    """How old what is kept under PATH is said to be."""
    got = client.request(GET, path)
    equal((got.code, got.payload), ('2.05', body))
    return kept - int.from_bytes(got.value(MAX_AGE), 'big')


# R24: the wall clock has no effect.

@test('F11: wall clock +1 h, -1 h, +10 years: 0 lost, Age right, stall < 0.1 s')
def _():
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(FaultOrigin())
        seen = stack.enter_context(watched.Watched(b'0', max_age=1000))
        wall = stack.enter_context(WallClock())
        proxy = stack.enter_context(
            Proxy(CONF.format(echo=echo, seen=seen), env=wall.env))
        observer = stack.enter_context(Observer(proxy.address))
        reader = stack.enter_context(Client(proxy.address))
        load = stack.enter_context(Load(proxy.address, pause=0.5))
        pass_by(load, 1)
        stalls = {HOUR: [], -HOUR: [], 10 * YEAR: []}
        for number in range(20):
            if number > (9 if FULL else 2) and \
                    max(map(min, stalls.values())) <= 0.1:
                break
            for step in stalls:
                at = load.now()
                wall.step(step)
                changed = time.monotonic()
                seen.set(b'%d %d' % (number, step))
                observer.told(seen.body)
                said = age(reader, '/seen', seen.body, 1000)
                passed = time.monotonic() - changed
                equal(0 <= said <= passed + 1, True, (step, said, passed))
                pass_by(load, 0.5)
                stalls[step].append(max(
                    a.took for a in load.result(at - 0.2, at + 0.4).answers))
        flawless(load)
        print('#', {s: [f'{t:.3f}' for t in v] for s, v in stalls.items()})
        for step, took in stalls.items():
            within(f'the stall after a step by {step} s', min(took), 0.1)
        # Nobody has registered again or earlier.
        equal([e.what for e in seen.asked()], ['register'])


@test('F11: what is kept and what waits ends when it should, +-0.5 s')
def _():
    with Origin() as silent, watched.Watched(b'x', max_age=4) as seen, \
            WallClock() as wall, Proxy(f'''
            [cache]
            size = 1M
            [route seen]
            path = /seen
            to = coap://127.0.0.1:{seen.port}
            [route silent]
            to = coap://127.0.0.1:{silent.port}
            timeout = 3s''', env=wall.env) as proxy, \
            Client(proxy.address) as reader, Client(proxy.address) as waiting:
        rounds = [[HOUR, -HOUR], [10 * YEAR, 0], [HOUR], [-HOUR]]
        for number, steps in enumerate(rounds if FULL else rounds[:1]):
            had = len(seen.asked('get'))
            path = f'/seen/{number}'
            reader.request(GET, path)
            kept = time.monotonic()
            sent = waiting.send(Message(GET, '/silent'))
            silent.acknowledge(silent.receive())
            for step in steps * 2:
                wall.step(step)
                until = time.monotonic() + 2.4 / len(steps * 2)
                while time.monotonic() < until:
                    equal(age(reader, path, b'x', 4) < 4, True)
                    equal([m for m in waiting.fence() if m.code != EMPTY], [])
                    time.sleep(0.05)
            # Fresh until now, and by one request.
            equal(len(seen.asked('get')), had + 1)
            equal(waiting.await_response(sent).code, '5.04')
            within('from 3 s', abs(time.monotonic() - kept - 3), 0.5)
            while time.monotonic() < kept + 5:
                time.sleep(0.05)
            reader.request(GET, path)
            equal(len(seen.asked('get')), had + 2)


@test('F11b: 2^31 and 2^32 ms after the machine came up: 0 lost')
def _():
    for bits in (31, 32) if FULL else (32,):
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        end = time.monotonic() + 5
        with contextlib.ExitStack() as stack:
            echo = stack.enter_context(FaultOrigin())
            slow = stack.enter_context(FaultOrigin(mode='slow=1.5'))
            seen = stack.enter_context(watched.Watched(b'0', max_age=1000))
            # The proxy's clock is a millisecond ahead, which does not matter.
            up = stack.enter_context(
                WallClock(up=int((1 << bits) / 1000 - 5 - now)))
            proxy = stack.enter_context(Proxy(f'''
                {CONF.format(echo=echo, seen=seen)}
                [route slow]
                path = /slow
                to = coap://127.0.0.1:{slow.port}''', env=up.env))
            observer = stack.enter_context(Observer(proxy.address))
            load = stack.enter_context(Load(proxy.address, pause=0.5))
            more = stack.enter_context(
                Load(proxy.address, path='/slow', clients=8, stream=8))
            equal(time.monotonic() < end, True, 'it has begun in time')
            number = 0
            while time.monotonic() < end + 3:
                number += 1
                seen.set(b'%d' % number)
                observer.told(seen.body)
                pass_by(load, 0.1)
            flawless(more)
            flawless(load)
            # By what was right the slow ones were waited for, and not asked
            # for twice.
            counts = slow.end()
            equal((counts['twice'], counts['repeats']), (0, 0), counts)


def copies(end, seconds):
    """{datagram: how often it comes} within so many seconds."""
    got, until = {}, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and end.ready(left):
        raw, _ = end.receive_raw()
        got[raw] = got.get(raw, 0) + 1
    return got


PENDING = 40


def pend(client, silent):
    """PENDING requests at an origin that says nothing; their datagrams."""
    for i in range(PENDING):
        client.send(Message(GET, f'/silent/{i}'))
    asked = {silent.receive().raw for _ in range(PENDING)}
    equal(len(asked), PENDING, 'requests')
    return asked


def unheard(stack, proxy, seen):
    """Observers that do not acknowledge what they have been told."""
    observers = [stack.enter_context(Observer(proxy.address))
                 for _ in range(10)]
    seen.set(b'unheard')
    for client in observers:
        equal(client.receive().type, CON)
    return observers


# R24: suspend or SIGSTOP for 60 s: it recovers within 1 s.

@test('F11c: SIGSTOP, SIGCONT: an answer <= 1 s, <= 1 copy of each CON')
def _():
    seconds = 60 if FULL else 5
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(FaultOrigin())
        seen = stack.enter_context(watched.Watched(b'0', max_age=1000))
        silent = stack.enter_context(Origin())
        proxy = stack.enter_context(Proxy(f'''
            {CONF.format(echo=echo, seen=seen)}
            [route silent]
            path = /silent
            to = coap://127.0.0.1:{silent.port}'''))
        client = stack.enter_context(Client(proxy.address))
        # A stream would fill the socket: its requests are not answered late
        # but dropped by the kernel.
        load = stack.enter_context(Load(proxy.address, pause=0.3, stream=1))
        pass_by(load, 1)
        told = unheard(stack, proxy, seen)
        asked = pend(client, silent)
        proxy.signal(signal.SIGSTOP)
        try:
            pass_by(load, seconds)
            copies(silent, 0.01)
            for observer in told:
                copies(observer, 0.01)
        finally:
            proxy.signal(signal.SIGCONT)
        went_on = load.now()
        burst = copies(silent, 1)
        print(f'# copies of requests: {sorted(burst.values())}')
        equal(set(burst) <= asked, True, 'other requests')
        # Those of 5 s are all due again; after 60 s all are given up.
        equal(len(burst), 0 if FULL else PENDING, 'CON repeated')
        equal(max(burst.values(), default=0) <= 1, True, burst)
        for observer in told:
            equal(sum(copies(observer, 0.01).values()) <= 1, True)
        done = flawless(load)
        within('the first answer', done.first_right_after(went_on), 1)


@test('F11c: what came while it was stopped counts, although it is late')
def _():
    with contextlib.ExitStack() as stack:
        origin = stack.enter_context(Origin())
        proxy = stack.enter_context(Proxy(f'''
            [origin]
            nstart = 100
            [route]
            to = coap://127.0.0.1:{origin.port}
            timeout = 2s'''))
        clients = [stack.enter_context(Client(proxy.address))
                   for _ in range(100)]
        sent = [c.send(Message(GET, f'/{i}')) for i, c in enumerate(clients)]
        asked = [origin.receive() for _ in clients]
        for client in clients:
            equal(client.receive().code, EMPTY)
        proxy.signal(signal.SIGSTOP)
        try:
            for request in asked:
                origin.reply(request, payload=request.path)
            time.sleep(3)
        finally:
            proxy.signal(signal.SIGCONT)
        for client, request in zip(clients, sent):
            got = client.await_response(request)
            equal((got.code, got.payload), ('2.05', request.path.encode()))
        # Nothing was repeated of what had been answered.
        origin.untouched()


@test('F11c: the machine sleeps for an hour: an answer <= 1 s, nothing stale')
def _():
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(FaultOrigin())
        seen = stack.enter_context(watched.Watched(b'0', max_age=1000))
        silent = stack.enter_context(Origin())
        clock = stack.enter_context(WallClock())
        proxy = stack.enter_context(Proxy(f'''
            {CONF.format(echo=echo, seen=seen)}
            [route silent]
            path = /silent
            to = coap://127.0.0.1:{silent.port}''', env=clock.env))
        client = stack.enter_context(Client(proxy.address))
        load = stack.enter_context(Load(proxy.address, pause=0.3))
        pass_by(load, 1)
        told = unheard(stack, proxy, seen)
        age(client, '/seen', b'unheard', 1000)
        asked = pend(client, silent)
        gets = len(seen.asked())
        clock.sleep(HOUR)
        woke = load.now()
        # What was kept is too old now.
        sent = client.send(Message(GET, '/seen'))
        answered = None
        while answered is None or answered.token != sent.token:
            answered = client.receive()
            equal(answered.code in (EMPTY, '5.04', '2.05'), True, answered)
        equal(answered.value(MAX_AGE), (1000).to_bytes(2, 'big'))
        equal(len(seen.asked()) > gets, True, 'the origin was asked')
        burst = copies(silent, 1)
        equal((set(burst) <= asked, max(burst.values(), default=0) <= 1),
              (True, True), burst)
        for observer in told:
            equal(sum(copies(observer, 0.01).values()) <= 1, True)
        pass_by(load, 1)
        done = flawless(load)
        within('the first answer', done.first_right_after(woke), 1)


if __name__ == '__main__':
    tap.run()
