"""What networks do to a proxy: F09 and F10, over the lines of netns.py.

    client --- near --- proxy --- far --- origin

Each test has a network of its own, and all of them run at the same time: most
of what they do is to wait. ACK_TIMEOUT of the proxy is 1 s, the least that it
takes; with FAULTS=full it is that of RFC 7252, and there is more of the rest.
"""

import concurrent.futures
import contextlib
import itertools
import math
import os
import pathlib
import random
import re
import socket
import struct
import sys
import time
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap                                              # noqa: E402
from blocks import Store, download, octets, upload       # noqa: E402
from coap import (ACK, CON, EMPTY, GET, OBSERVE, POST,   # noqa: E402
                  Client, Endpoint, Message, Origin)
from load import Load                                   # noqa: E402
from netns import Net                                   # noqa: E402
from origin import FaultOrigin                          # noqa: E402
from programs import Proxy                              # noqa: E402
from tap import Skip, equal, test                       # noqa: E402
from watched import Watched                             # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'
tap.LIMIT = 2000 if FULL else 180
ACK_TIMEOUT = 2 if FULL else 1
TIMING = '[message]\n' + (
    '' if FULL else 'ack-timeout = 1s\nack-random-factor = 1\n')
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
            if values := _results[name].result():   # or the exception
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
    # is looked at; nor is the queue in front of it.
    with scene(f'[origin]\nnstart = 64\n{TIMING}queue-per-origin = 1000\n',
               seed=percent) as s:
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


# ---- copies and disorder: F10 ----

DISORDER = {'duplicate': 20, 'reorder': 20, 'lag': 60, 'jitter': 50}


@together('F10: doubled and overtaken on both lines, each POST executed once')
def _():
    requests = 2000 if FULL else 300
    with scene() as s:
        s.near.set(**DISORDER)
        s.far.set(**DISORDER)
        asking = load(s, code=POST, clients=32, stream=10, pause=0.2)
        until(lambda: asking.sent >= requests, 'requests', tap.LIMIT)
        done, seen = asking.stop(), s.origin.end()
        equal((done.right, done.lost), (done.sent, 0), done)
        equal((seen['executed'], seen['twice']), (done.sent, 0), seen)
        equal(seen['repeats'] > 0, True, 'doubled')
        return f'{done}, {seen}'


def notified(s, states):
    """(Observe, number of the state) of the notifications, as they came, of a
    client that observes while STATES states follow each other. The last one is
    among them."""
    c = client(s)
    request = Message(GET, '/x', [(OBSERVE, 0)])
    heard = []

    def note(m):
        equal((m.code, m.token), ('2.05', request.token))
        heard.append((int.from_bytes(m.value(OBSERVE), 'big'),
                      int(m.payload)))

    def hear(wait):
        while c.ready(wait):
            m = c.receive()
            acknowledge(c, m)
            if m.code != EMPTY:
                note(m)
            wait = 0

    note(ask(c, request))
    for n in range(1, states):
        s.origin.set(str(n).encode())
        hear(random.uniform(0, 0.06))
    until(lambda: hear(0.1) or any(n == states - 1 for _, n in heard),
          'the last state', ACK_TIMEOUT * WAIT_FACTOR)
    hear(1)
    return heard


@together('F10: notifications that overtake each other are put in order')
def _():
    states = 1000 if FULL else 150
    with scene(origin=lambda address: Watched(b'0', type=0,
                                              address=address)) as s:
        # Copies of a notification are for whoever gets them to notice.
        s.far.set(**DISORDER)
        heard = notified(s, states)
        numbers = [n for _, n in heard]
        equal(numbers == sorted(set(numbers)), True, heard)
        late = s.far.count()[1]['late']
    with scene(origin=lambda address: Watched(b'0', address=address)) as s:
        s.near.set(**DISORDER)
        s.far.set(**DISORDER)
        heard = notified(s, states)
        numbers = [n for _, n in sorted(set(heard))]
        equal(numbers == sorted(set(numbers)), True, heard)
        equal(sorted(heard)[-1][1], states - 1)
        return (f'{len(numbers)} of {states} states delivered, {late} '
                'notifications late on the far line')


def bodies(settings):
    """Ways down and up, all at the same time."""
    with scene(TIMING, origin=lambda address: Store(address=address)) as s:
        s.near.set(**settings)
        s.far.set(**settings)
        whole = {f'/{n}': octets(5000 + 300 * n, n) for n in range(6)}
        s.origin.bodies.update(whole)
        clients = [client(s) for _ in range(12)]

        def get(c, path):
            answer, body = transfer(c, download(path, 512))
            equal((answer.code, body == whole[path]), ('2.05', True), path)

        def put(c, path):
            equal(transfer(c, upload('0.03', f'/up{path}', whole[path],
                                     512)).code, '2.01', path)

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda n: (put if n % 2 else get)(
                clients[n], f'/{n // 2}'), range(12)))
        equal(s.origin.error, None)
        for path, body in whole.items():
            equal(s.origin.bodies[f'/up{path}'] == body, True, path)
        equal(len(s.origin.puts), len(whole), 'uploads executed')
        return f'12 bodies, packets {s.near.count() + s.far.count()}'


together('F10: bodies in blocks are whole, whatever is doubled and overtaken')(
    lambda: bodies(DISORDER))
# Each of some 300 exchanges fails with a chance of 1 in 100000.
together('F09: bodies in blocks are whole where both lines lose 5 %')(
    lambda: bodies({'loss': 5}))


@together('F09: the last state reaches observers where 5 % is lost')
def _():
    states = 100 if FULL else 20
    with scene(f'[observe]\nconfirmable-every = 1\n{TIMING}',
               origin=lambda address: Watched(b'0', address=address)) as s:
        s.near.set(loss=5)
        s.far.set(delay=5)
        heard = notified(s, states)
        equal(sorted(heard)[-1][1], states - 1)
        return f'{len(set(heard))} of {states} states, {s.near.count()}'


# ---- blackout: F10b ----

RECOVERY = 3
# How many times longer that may take while others keep the machine busy.
SLACK = 2


def blackout(line_name, seconds):
    with scene(TIMING) as s:
        s.near.set(delay=5)
        s.far.set(delay=5)
        line = getattr(s, line_name)
        asking = load(s, code=POST, clients=32, stream=20, pause=0.2,
                      ack_timeout=ACK_TIMEOUT,
                      patience=ACK_TIMEOUT * WAIT_FACTOR + 5)
        until(lambda: asking.result().right > 100, 'answers')
        line.set(blackout=1)
        began = asking.now()
        until(lambda: asking.now() >= began + seconds, 'blackout', seconds + 9)
        pending, sent = asking.sent - len(asking.answers), asking.sent
        before, far = len(asking.answers), s.far.count()[0]['seen']
        line.set(blackout=0)
        end = asking.now()
        until(lambda: any(a.what == 'right' for a in asking.answers[before:]),
              'an answer', 150)
        burst = s.far.count()[0]['seen'] - far
        new = asking.sent - sent
        recovered = asking.result().first_right_after(end)
        # By then all is as before: the window of the server has room.
        calm = max(asking.now(), end + 8)
        until(lambda: asking.now() >= calm + 2, 'time')
        done, seen = asking.stop(), s.origin.end()
        text = (f'{line_name} {seconds} s: recovered={recovered:.3f} '
                f'pending={pending} burst={burst} new={new} {done} {seen}')
        # Once a request is given up the server gets PROBING_RATE, 1 octet a
        # second, of requests whose copies are up to 48 s apart (RFC 7252 4.7).
        given_up = line_name == 'far' and seconds > ACK_TIMEOUT * 31
        limit = 120 if given_up else RECOVERY * SLACK
        equal(recovered <= limit, True, text)
        # One copy of each, at most.
        equal(burst <= pending + new, True, text)
        equal((done.wrong, seen['twice']), (0, 0), text)
        after = done.between(calm)
        equal(after.right, len(after.answers), text)
        late = [a for a in done.answers if a.what == 'lost' and
                not began - ACK_TIMEOUT * WAIT_FACTOR < a.sent < end]
        equal(late, [], text)
        return text


for line_name in 'near', 'far':
    for seconds in (5, 30, 120) if FULL else (5,):
        together(f'F10b: {seconds} s without the {line_name} line: served '
                 'again within 3 s, no burst')(
            lambda n=line_name, t=seconds: blackout(n, t))


# ---- a device that goes, an address that changes ----


def changed(line_name, change, restore):
    """CHANGE and 2 s later RESTORE are ip(8)'s words for the proxy's device."""
    with scene(TIMING) as s:
        # Whatever address the proxy's host has there.
        s.server.ip('route', 'add', '10.77.2.0/24', 'dev', s.far.device)
        line = getattr(s, line_name)
        asking = load(s, code=POST, clients=32, stream=20, pause=0.2,
                      ack_timeout=ACK_TIMEOUT,
                      patience=ACK_TIMEOUT * WAIT_FACTOR + 5)
        until(lambda: asking.result().right > 100, 'answers')
        began = asking.now()
        s.host.ip(*change, 'dev', line.device)
        until(lambda: asking.now() > began + 2, 'time')
        end = asking.now()
        s.host.ip(*restore, 'dev', line.device)
        until(lambda: asking.result().first_right_after(end) < math.inf,
              'an answer')
        recovered = asking.result().first_right_after(end)
        until(lambda: asking.now() > end + 3, 'time')
        done, seen = asking.stop(), s.origin.end()
        text = f'{line_name} {recovered=:.3f} {done} {seen}'
        equal(recovered < 1 * SLACK, True, text)
        equal((done.wrong, done.lost, seen['twice']), (0, 0, 0), text)
        # Those that were under way have to be repeated first.
        equal(set(done.codes) <= {'5.02', '5.04'}, True, text)
        after = done.between(end + 1)
        equal(after.right, len(after.answers), text)
        return text


for line_name in 'near', 'far':
    together(f'F18: the {line_name} device goes down and comes back')(
        lambda n=line_name: changed(n, ('link', 'set', 'down'),
                                    ('link', 'set', 'up')))
together('F18: the address that origins know changes')(
    lambda: changed('far', ('addr', 'del', '10.77.2.1', 'peer', '10.77.2.2'),
                    ('addr', 'add', '10.77.2.3', 'peer', '10.77.2.2')))


# ---- fragments: F10c ----

LARGE = 1380    # with a header of CoAP, UDP and IP above 1280


@together('F10c: large answers reach a client that gets no fragments')
def _():
    with scene(near_mtu=1280,
               origin=lambda address: Store(2048, address)) as s:
        s.near.set(fragments=1)
        body = s.origin.bodies['/x'] = octets(LARGE)
        for settings in {'fragments': 1}, {'fragments': 0, 'size': 1279}:
            s.near.set(**settings)
            answer, got = transfer(client(s), download('/x'))
            equal((answer.code, got == body), ('2.05', True))
            # Not to be shared, so kept for this client.
            c = client(s)
            answer = transfer(c, upload(POST, '/x', body, 512))
            equal((answer.code, len(answer.payload)), ('2.04', 1024))
            equal(answer.payload == body[::-1][:1024], True)
            equal(s.near.count()[1]['lost'], 0, 'lost from the proxy')


@together('F10c: large answers that do not reach the proxy are a 5.04')
def _():
    with scene(TIMING, far_mtu=1280,
               origin=lambda address: Store(2048, address)) as s:
        s.far.set(fragments=1)
        s.origin.bodies.update({'/x': octets(LARGE), '/y': octets(1000)})

        def get_small():
            _, body = transfer(client(s), download('/y'))
            equal(body == s.origin.bodies['/y'], True)

        for _ in range(3):      # the server's window grows
            get_small()
        began = time.monotonic()
        c = client(s)
        request = c.send(Message(GET, '/x'))
        # Others notice nothing, nor do bodies that go up.
        get_small()
        equal(transfer(client(s), upload('0.03', '/z', octets(LARGE), 1024)
                       ).code, '2.01')
        answer = None
        while not answer or answer.code == EMPTY:
            answer = c.receive(ACK_TIMEOUT * WAIT_FACTOR * SLACK)
            acknowledge(c, answer)
        equal((answer.code, answer.token), ('5.04', request.token))
        lost = [way['lost'] for way in s.far.count()]
        equal(lost[0], 0, 'lost from the proxy')
        equal(lost[1] >= 5, True, lost)
        return f'5.04 after {time.monotonic() - began:.1f} s'


# ---- one way only: F10e ----


def copies(endpoint, wait):
    """The messages that come within WAIT seconds of each other."""
    found = []
    while endpoint.ready(wait):
        found.append(endpoint.receive())
    return found


LONGEST = ACK_TIMEOUT * 16 * 1.5    # RFC 7252 4.2: between two copies


@together('F10e: nothing comes back from the origin: four repetitions, 5.04')
def _():
    with scene(TIMING, origin=lambda address: Origin(address)) as s:
        s.far.set(loss=(0, 100))
        c = client(s)
        request = c.send(Message(POST, '/x'))
        got = []
        answered = None
        while not answered:
            while s.origin.ready(0.05):
                got.append(s.origin.receive())
                s.origin.reply(got[-1], '2.04')
            if c.ready(0.05):
                m = c.receive()
                acknowledge(c, m)
                answered = m.code != EMPTY and m
            equal(len(got) <= 5, True, got)
        equal((answered.code, answered.token), ('5.04', request.token))
        equal(len(got), 5, 'copies')
        equal(len({m.raw for m in got}), 1, 'all the same')
        s.far.set(loss=0)
        # It is over: what comes late is answered by nobody's request.
        equal(copies(s.origin, LONGEST * 0.2), [])
        equal(c.ready(0), False)


@together('F10e: nothing comes back from an observer: four repetitions, gone')
def _():
    with scene(f'[observe]\nconfirmable-every = 1\nlinger = 0\n{TIMING}',
               origin=lambda address: Watched(b'0', address=address)) as s:
        c = client(s)
        request = c.send(Message(GET, '/x', [(OBSERVE, 0)]))
        equal(c.await_response(request).value(OBSERVE) is not None, True)
        s.near.set(loss=(100, 0))
        s.origin.set(b'1')
        got = []
        while not s.origin.asked('deregister', 'reset'):
            if c.ready(0.1):
                got.append(c.receive())
                acknowledge(c, got[-1])
            equal(len(got) <= 5, True, got)
        equal([(m.type, m.payload) for m in got], [(CON, b'1')] * 5)
        equal(len({m.mid for m in got}), 1, 'Message IDs')
        s.near.set(loss=0)
        s.origin.set(b'2')
        equal(copies(c, 1), [])
        # Who asks again observes again.
        c.await_response(c.send(Message(GET, '/x', [(OBSERVE, 0)])))
        s.origin.set(b'3')
        equal(c.receive().payload, b'3')


@together('F10e: our ACKs do not reach the origin: one notification for each')
def _():
    with scene(origin=lambda address: Origin(address)) as s:
        c = client(s)
        request = c.send(Message(GET, '/x', [(OBSERVE, 0)]))
        there = s.origin.receive()
        s.origin.reply(there, payload=b'0', options=[(OBSERVE, 1)])
        c.await_response(request)
        s.far.set(loss=(100, 0))
        lost = s.far.count()[0]['lost']
        for state in b'1', b'2':
            told = Message('2.05', '', [(OBSERVE, 1 + int(state))], state,
                           type=CON, token=there.token)
            for _ in range(5):
                s.origin.send(told, there.source)
                lost += 1
                # An ACK for each copy.
                until(lambda: s.far.count()[0]['lost'] == lost, 'ACK')
            m = c.receive()
            acknowledge(c, m)
            equal((m.payload, m.token), (state, request.token))
            equal(copies(c, 0.2), [])


# ---- a narrow line: F10f ----


def cpu(process):
    """Seconds of CPU time that a program has taken."""
    fields = pathlib.Path(f'/proc/{process.pid}/stat').read_text().split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf('SC_CLK_TCK')


def dropped(host, line):
    """What the queue in front of a device has dropped."""
    return int(re.search(r'dropped (\d+)', host.ip(
        '-s', 'qdisc', 'show', 'dev', line.device, tool='tc'))[1])


def narrow(s, line, rate):
    try:
        s.host.ip('qdisc', 'add', 'dev', line.device, 'root', 'tbf', 'rate',
                  rate, 'burst', '2000', 'latency', '200ms', tool='tc')
    except OSError as error:
        raise Skip(f'no token bucket here: {error}')


def crowded(line_name, rate, long, line_takes=100):
    """More than the line takes is asked for; the proxy's device drops it."""
    seconds = 30 if FULL else 5
    with scene(f'[origin]\nnstart = 64\n{TIMING}') as s:
        narrow(s, getattr(s, line_name), rate)
        asking = load(s, clients=64, stream=40, pause=0.01, code=POST,
                      path='/' + 'x' * long, ack_timeout=ACK_TIMEOUT,
                      patience=ACK_TIMEOUT * WAIT_FACTOR + 5)
        began, before = asking.now(), cpu(s.proxy.process)
        until(lambda: asking.now() >= began + seconds, 'time', 99)
        now = asking.now()
        used = (cpu(s.proxy.process) - before) / (now - began)
        right = sum(a.what == 'right' for a in asking.answers) / (now - began)
        done, seen = asking.stop(), s.origin.end()
        lost = dropped(s.host, getattr(s, line_name))
        text = (f'{line_name} {rate}: {right:.0f} right/s, CPU={used:.2f} '
                f'dropped={lost} {done} {seen}')
        equal(lost > 0, True, text)
        equal((done.wrong, seen['twice']), (0, 0), text)
        # Nine of ten copies get through.
        equal(done.sent - done.right <= done.sent / 100, True, text)
        equal(right * SLACK >= line_takes, True, text)
        equal(used <= 0.2, True, text)
        return text


# The requests, and the answers, are about so long that the lines take 100.
for line_name, rate, long in ('near', '64kbit', 1), ('far', '256kbit', 250):
    together(f'F10f: a narrow {line_name} line: nothing lost but in its queue, '
             'no spin')(
        lambda n=line_name, r=rate, x=long: crowded(n, r, x))


# ---- what ICMP says ----


def checksum(data):
    words = sum(int.from_bytes(data[i:i + 2], 'big')
                for i in range(0, len(data), 2))
    while words >> 16:
        words = (words & 0xffff) + (words >> 16)
    return ~words & 0xffff


def icmp(kind, code, rest, quoted):
    """An ICMP message about the packet QUOTED."""
    quoted += bytes(len(quoted) % 2)
    head = struct.pack('!BBHI', kind, code, 0, rest)
    return head[:2] + struct.pack('!H', checksum(head + quoted)) + \
        head[4:] + quoted


def packet(source, to, payload):
    """The UDP datagram from SOURCE to TO as an IP packet."""
    return struct.pack(
        '!BBHHHBBH4s4sHHHH', 0x45, 0, 28 + len(payload), 1, 0x4000, 64, 17, 0,
        socket.inet_aton(source[0]), socket.inet_aton(to[0]), source[1], to[1],
        8 + len(payload), 0) + payload


@together('F17: ICMP that lies ends no exchange')
def _():
    with scene(origin=lambda address: Origin(address)) as s:
        with s.server.inside():
            raw = s.stack.enter_context(socket.socket(
                socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        here = s.server.address(s.far), s.origin.port

        def lie(there, kind, code, rest, quoted):
            seen = s.far.count()[1]['seen']
            raw.sendto(icmp(kind, code, rest, quoted), (there[0], 0))
            until(lambda: s.far.count()[1]['seen'] > seen, 'ICMP')

        for kind, code, rest, change, result in (
                # Port unreachable, about what was not sent.
                (3, 3, 0, lambda m: m[:2] + bytes(2) + m[4:], '2.04'),
                (3, 3, 0, lambda m: m[:4] + bytes(8) + m[12:], '2.04'),
                # Not enough to tell what it is about.
                (3, 3, 0, lambda m: b'', '2.04'),
                # Too large, time exceeded: the next copy may get through.
                (3, 4, 600, lambda m: m, '2.04'),
                (11, 0, 0, lambda m: m, '2.04'),
                # What nobody can tell from the truth.
                (3, 3, 0, lambda m: m, '5.02')):
            c = client(s)
            request = c.send(Message(POST, '/x', payload=b'x' * 900))
            there = s.origin.receive()
            lie(there.source, kind, code, rest,
                packet(there.source, here, change(there.raw)))
            heard = [m for m in c.fence() if m.code != EMPTY]
            s.origin.reply(there, '2.04')
            answer = heard[0] if heard else c.await_response(request)
            equal((answer.code, bool(heard)), (result, result == '5.02'),
                  (kind, code))

tap.run()
