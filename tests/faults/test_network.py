"""What networks do to a proxy: F09 and F10, over the lines of netns.py.

    client --- near --- proxy --- far --- origin

Each test has a network of its own, and all of them run at the same time: most
of what they do is to wait. ACK_TIMEOUT of the proxy is 1 s, the least that it
takes; with FAULTS=full it is that of RFC 7252, and there are more of everything.
"""

import concurrent.futures
import contextlib
import itertools
import math
import os
import pathlib
import sys
import time
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap                                              # noqa: E402
from coap import POST, Client, Endpoint                 # noqa: E402
from load import Load                                   # noqa: E402
from netns import Net                                   # noqa: E402
from origin import FaultOrigin                          # noqa: E402
from programs import Proxy                              # noqa: E402
from tap import equal, test                             # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'
tap.LIMIT = 2000 if FULL else 180
ACK_TIMEOUT = 2 if FULL else 1
TIMING = '' if FULL else '[message]\nack-timeout = 1s\nack-random-factor = 1\n'
# RFC 7252 4.8.2, from the first copy to giving up, and what a client is given.
WAIT_FACTOR = 31 * 1.5


# ---- tests side by side ----

_functions, _results = {}, {}
_pool = concurrent.futures.ThreadPoolExecutor(6 if FULL else 32)


def together(name):
    """A test that runs while others do. What it returns are measured values,
    which are printed."""
    def register(function):
        _functions[name] = function

        @test(name)
        def _():
            if not _results:
                begin_all()
            if values := _results[name].result():
                print(f'# {values}')
    return register


def begin_all():
    for name, function in _functions.items():
        if not sys.argv[1:] or any(a in name for a in sys.argv[1:]):
            _results[name] = _pool.submit(function)


# ---- networks ----

_numbers = iter(range(1000))


@contextlib.contextmanager
def scene(config='', *, seed=1, near_mtu=1500, far_mtu=1500, origin=None):
    """Three hosts, two lines, the proxy. ORIGIN(address), called inside the
    origin's host, is a context manager; the default is a FaultOrigin."""
    number = next(_numbers)
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net())
        s = types.SimpleNamespace()
        s.client, s.host, s.server = (
            net.host(f'{number}{name}') for name in 'cpo')
        s.near = net.join(s.client, s.host, seed, near_mtu)
        s.far = net.join(s.host, s.server, seed + 100, far_mtu)
        address = s.server.address(s.far)
        with s.server.inside():
            s.origin = stack.enter_context(
                origin(address) if origin else FaultOrigin(address=address))
        s.to = s.host.address(s.near)
        with s.host.inside():
            s.proxy = stack.enter_context(Proxy(
                f'[listen]\nbind = coap://{s.to}:0\n'
                f'[route]\nto = coap://{address}:{s.origin.port}\n{config}'))
        s.to = s.to, s.proxy.port
        s.stack = stack
        yield s


def client(s):
    with s.client.inside():
        return s.stack.enter_context(
            Client(s.to, address=s.client.address(s.near)))


def load(s, **args):
    with s.client.inside():
        return s.stack.enter_context(
            Load(s.to, address=s.client.address(s.near), **args))


def until(condition, what, timeout=20):
    """Waits until CONDITION() holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'not in {timeout} s: {what}')
        time.sleep(0.02)


# ---- the lines themselves ----


def between_two(settings, packets, size=100, **more):
    """Sends PACKETS datagrams over a line with SETTINGS; the numbers of those
    that have arrived, in their order, and the line's count of that way."""
    with Net() as net:
        number = next(_numbers)
        a, b = net.host(f'{number}a'), net.host(f'{number}b')
        line = net.join(a, b, **more)
        line.set(**settings)
        with a.inside():
            here = Endpoint(a.address(line))
        with b.inside():
            there = Endpoint(b.address(line))
        arrived = []

        def take(wait):
            while there.ready(wait):
                arrived.append(int.from_bytes(
                    there.receive_raw()[0][:4], 'big'))

        with here, there:
            for n in range(packets):
                here.send_raw(n.to_bytes(4, 'big') + bytes(size),
                              (b.address(line), there.port))
                if n % 50 == 49:    # neither device nor socket overflows
                    until(lambda: line.count()[0]['seen'] > n, 'the line')
                    take(0)
            until(lambda: line.count()[0]['waiting'] == 0, 'the line')
            take(0.1)
        return arrived, line.count()[0]


@together('the lines lose, double, delay and overtake as they are told')
def _():
    n = 2000
    arrived, count = between_two({}, n)
    equal((len(arrived), count['lost']), (n, 0))
    equal(arrived == list(range(n)), True, 'in order')
    for burst in 0, 5:
        arrived, count = between_two({'loss': (20, 0), 'burst': burst}, n)
        equal(len(arrived), n - count['lost'])
        # Of the share, five standard deviations.
        slack = 5 * math.sqrt(0.2 * 0.8 / n) * math.sqrt(max(1, 2 * burst))
        equal(abs(count['lost'] / n - 0.2) < slack, True, count)
        gaps = sum(b - a > 1 for a, b in zip(arrived, arrived[1:]))
        length = count['lost'] / gaps
        equal(3 < length < 8 if burst else 1 < length < 1.6, True, length)
    arrived, count = between_two({'duplicate': 20}, n)
    equal(len(arrived), n + count['doubled'])
    equal(0.15 < count['doubled'] / n < 0.25, True, count)
    equal(set(arrived) == set(range(n)), True, 'all')
    arrived, count = between_two({'reorder': 20, 'lag': 30}, n)
    equal(sorted(arrived) == list(range(n)), True, 'all')
    before = itertools.accumulate(arrived, max)
    overtaken = sum(a < b for a, b in zip(arrived, before))
    equal(0.1 < overtaken / n <= count['late'] / n < 0.25, True, overtaken)
    equal(between_two({'blackout': (1, 0)}, 60)[0], [])
    equal(between_two({'fragments': 1}, 60, size=1400, mtu=1280)[0], [])
    equal(len(between_two({}, 60, size=1400, mtu=1280)[0]), 60)
    equal(between_two({'size': 1300}, 60, size=1400)[0], [])


# ---- loss: F09 and F10d ----


def allowed(requests, percent):
    """How many of REQUESTS may fail where each way loses PERCENT: all five
    copies or their answers are lost. A failure of a correct proxy is one in a
    million."""
    p = percent / 100
    mean = requests * (1 - (1 - p) ** 2) ** 5
    term = total = math.exp(-mean)
    most = 0
    while total < 1 - 1e-6:
        most += 1
        term *= mean / most
        total += term
    return most


def lossy(line_name, percent, steps=0, **settings):
    """Requests over lines one of which loses; what has become of them."""
    requests = 1000 if FULL else 150
    again = 2 if FULL else 1 if line_name == 'far' else 0.3
    # The window for one server, which takes loss for congestion, is not what
    # is looked at.
    with scene(f'[origin]\nnstart = 64\n{TIMING}', seed=percent) as s:
        s.near.set(delay=5)
        s.far.set(delay=5)
        getattr(s, line_name).set(loss=percent, **settings)
        asking = load(s, code=POST, clients=32, stream=10, pause=0.5,
                      ack_timeout=again, patience=again * WAIT_FACTOR + 5)
        until(lambda: asking.sent >= requests, 'requests', tap.LIMIT)
        done = asking.stop()
        seen = s.origin.end()
        may_fail = allowed(done.sent, percent + steps)
        failed = done.codes['5.04'] + done.lost
        equal(done.wrong, 0, done)
        equal(set(done.codes) <= {'5.04'}, True, done)
        equal(failed <= may_fail, True, f'{done}, {may_fail} may fail')
        # On a line without loss there is always an answer.
        equal(line_name == 'far' or not done.codes, True, done)
        equal(line_name == 'near' or not done.lost, True, done)
        # Exactly once, whatever was repeated on either line.
        equal(seen['twice'], 0, seen)
        equal(done.right <= seen['executed'] <= done.sent, True, (done, seen))
        lost = sum(way['lost'] for way in getattr(s, line_name).count())
        equal(lost > 0, True, 'lost')
        return (f'{line_name} {percent} %: {done}, p95={done.latency(95):.3f}, '
                f'{seen}, packets lost={lost}')


# R19
for percent in (1, 5, 10, 20, 30) if FULL else (10, 30):
    for line_name in 'near', 'far':
        together(f'F09: {percent} % loss each way on the {line_name} line: '
                 'answered, executed once')(
            lambda n=line_name, p=percent: lossy(n, p))


for line_name in 'near', 'far':
    together(f'F10d: 10 % loss in bursts of 5 on the {line_name} line')(
        lambda n=line_name: lossy(n, 10, 10, burst=5))

tap.run()
