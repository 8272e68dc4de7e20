"""Networks for the fault tests: a client's host, the proxy's and an origin's.

    client --- near --- proxy --- far --- origin

Each test has a network of its own, and all of them run at the same time: most
of what they do is to wait. ACK_TIMEOUT of the proxy is 1 s, the least that it
takes; with FAULTS=full it is that of RFC 7252, and there is more of the rest.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import sys
import time
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap                                              # noqa: E402
from coap import ACK, CON, EMPTY, Client, Message       # noqa: E402
from load import Load                                   # noqa: E402
from netns import Net                                   # noqa: E402
from origin import FaultOrigin                          # noqa: E402
from programs import Proxy                              # noqa: E402
from tap import test                                    # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'
tap.LIMIT = 2000 if FULL else 180
ACK_TIMEOUT = 2 if FULL else 1
TIMING = '[message]\n' + (
    '' if FULL else 'ack-timeout = 1s\nack-random-factor = 1\n')
# RFC 7252 4.8.2, from the first copy to giving up, and what a client is given.
WAIT_FACTOR = 31 * 1.5
# How many times longer than promised something may take while others keep the
# machine busy.
SLACK = 2


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
            if values := _results[name].result():   # or the exception
                print(f'# {values}')
    return register


def begin_all():
    for name, function in _functions.items():
        if not sys.argv[1:] or any(a in name for a in sys.argv[1:]):
            _results[name] = _pool.submit(function)


# ---- networks ----

_numbers = iter(range(1000))


def hosts(net, *names):
    """New ones, as tests run side by side."""
    number = next(_numbers)
    return [net.host(f'{number}{name}') for name in names]


@contextlib.contextmanager
def scene(config='', *, seed=1, near_mtu=1500, far_mtu=1500, origin=None):
    """Three hosts, two lines, the proxy. ORIGIN(address), called inside the
    origin's host, is a context manager; the default is a FaultOrigin."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Net())
        s = types.SimpleNamespace()
        s.client, s.host, s.server = hosts(net, 'c', 'p', 'o')
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


def acknowledge(c, m):
    if m.type == CON:
        c.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))


def ask(c, request):
    """The answer to REQUEST, which is repeated; what is no answer to it is left
    alone."""
    c.send(request)
    timeout, acked = ACK_TIMEOUT, False
    deadline = time.monotonic() + ACK_TIMEOUT * WAIT_FACTOR + 5
    while time.monotonic() < deadline:
        if c.ready(min(timeout, ACK_TIMEOUT * 16)):
            m = c.receive()
            acknowledge(c, m)
            if m.token == request.token and m.code != EMPTY:
                return m
            acked |= (m.type, m.mid) == (ACK, request.mid)
        elif not acked and timeout <= ACK_TIMEOUT * 8:
            c.send(request)
            timeout *= 2
    raise AssertionError(f'no answer to {request}')


def transfer(c, requests):
    """One of blocks.py."""
    answer = None
    while True:
        try:
            answer = ask(c, requests.send(answer))
        except StopIteration as end:
            return end.value


def until(condition, what, timeout=20):
    """Waits until CONDITION() holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'not in {timeout} s: {what}')
        time.sleep(0.02)
