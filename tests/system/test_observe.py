"""Observation (RFC 7641): one for many, limits, clients that do not care, and
what it takes of the process."""

import contextlib
import os
import pathlib
import signal
import time

from coap import (ACK, CON, ETAG, GET, MAX_AGE, NON, OBSERVE, WAIT, Client,
                  Origin)
from observers import Crowd, LibcoapObserver, NodeObservers
from programs import Proxy, need_node
from tap import equal, run, test
from ways import Way
from watched import Watched

CACHE = '[cache]\nsize = 1M\n'


def route(origin, more=''):
    return f'{more}\n[route]\nto = coap://127.0.0.1:{origin.port}\n'


def age(message):
    """Max-Age in seconds."""
    return int.from_bytes(message.value(MAX_AGE), 'big')


# ---- one for many ----


@test('OBS-40 OBS-53 OBS-54 CAC-54: 200 observers, 100 of them of others')
def _():
    need_node()
    linger = 1
    with contextlib.ExitStack() as stack:
        begin = stack.enter_context
        origin = begin(Watched(b'at first'))
        proxy = begin(Proxy(route(
            origin, f'{CACHE}[observe]\nlinger = {linger}s')))
        way = Way(proxy)
        scripted = begin(Crowd(proxy.address, 100))
        node = begin(NodeObservers())
        theirs = [node.observe(way, '/x') for _ in range(80)]
        libcoap = [begin(LibcoapObserver(way, '/x')) for _ in range(20)]
        everybody = [*theirs, *libcoap,
                     *(one.observe(way, '/x') for one in scripted)]
        for one in everybody:
            one.state('at first')
        for n, kind in enumerate((CON, NON, CON, CON, NON)):
            origin.type = kind
            origin.set(f'state {n}'.encode())
            for one in everybody:
                one.state(f'state {n}')
        for one in scripted:
            one.in_order()
        first, = origin.events
        equal(first.what, 'register')
        # Each leaves as it likes.
        for one in (*theirs[::2], *libcoap, *scripted.members[::2]):
            one.leave()
        for one in theirs[1::2]:
            one.forget()
        for one in scripted.members[1::2]:
            one.answer = 'reset'
        equal(origin.events, [first], 'events')
        origin.set(b'the last')
        for one in scripted.members[1::2]:
            one.state('the last')
        left = time.monotonic()
        origin.wait(lambda: len(origin.events) > 1, linger + 1)
        _, last = origin.events
        equal((last.what, last.token, last.message.source),
              ('deregister', first.token, first.message.source))
        equal(last.time - left >= linger - 0.1, True, 'it lingers')
        # CAC-54: what it was told last is good for as long as it says.
        with Client(proxy.address) as client:
            equal(client.request(GET, '/x').payload, b'the last')
        equal(len(origin.events), 2)


@test('OBS-15 OBS-46 OBS-57 CAC-51: who joins, who asks: what was told last')
def _():
    with Watched(b'at first', 30) as origin, \
            Proxy(route(origin, CACHE)) as proxy, \
            Crowd(proxy.address, 2) as crowd, Client(proxy.address) as client:
        way = Way(proxy)
        one = crowd[0].observe(way, '/x')
        one.state('at first')
        for n in range(3):
            origin.set(f'state {n}'.encode())
            one.state(f'state {n}')
            got = client.request(GET, '/x')
            equal((got.payload, got.value(OBSERVE), got.value(ETAG),
                   29 <= age(got) <= 30, 29 <= age(one.last()) <= 30),
                  (f'state {n}'.encode(), None, one.last().value(ETAG), True,
                   True))
        # OBS-15: it grows old meanwhile.
        deadline = time.monotonic() + WAIT
        while age(crowd[1].register(way, '/x', token=b'late')) > 28:
            crowd[1].clear()
            equal(time.monotonic() < deadline, True, 'Max-Age falls')
        crowd[1].state('state 2')
        equal([e.what for e in origin.events], ['register'])
        # OBS-13 CAC-29: it has that one.
        got = client.request(GET, '/x', [(ETAG, one.last().value(ETAG)),
                                         (OBSERVE, 0)])
        equal((got.code, got.payload), ('2.03', b''))
        equal(client.request(GET, '/x', [(OBSERVE, 1)]).value(OBSERVE), None)
        equal([e.what for e in origin.events], ['register'])


@test('OBS-48: who joins a stale one gets a new state, and all others do')
def _():
    with Watched(b'before', max_age=1) as origin, \
            Proxy(route(origin, CACHE)) as proxy, \
            Crowd(proxy.address, 3) as crowd, \
            Crowd(proxy.address, 1) as late:
        way = Way(proxy)
        for one in crowd:
            one.observe(way, '/x').state('before')
        origin.forget(b'after')
        joiner, deadline = late[0], time.monotonic() + WAIT
        while len(origin.events) < 2 and time.monotonic() < deadline:
            joiner.clear()
            got = joiner.register(way, '/x', token=b'late')
            if got.payload == b'before':
                equal((age(got) <= 1, len(origin.events)), (True, 1))
        for one in (joiner, *crowd):
            one.state('after')
        equal([(e.what, e.token) for e in origin.events],
              [('register', origin.events[0].token)] * 2)


# ---- limits ----


@test('OBS-08 OBS-32: one more than max-per-client, and than max-observers')
def _():
    with Watched(b'state') as origin, Proxy(route(
            origin, '[observe]\nmax-observers = 3\nmax-per-client = 2\n')) \
            as proxy, Crowd(proxy.address, 3) as crowd:
        way = Way(proxy)

        def observes(one, token):
            """Whether a registration is accepted; the answer is one."""
            got = one.register(way, '/x', token=token)
            equal((got.code, got.payload), ('2.05', b'state'))
            return got.value(OBSERVE) is not None

        equal([observes(crowd[0], token) for token in (b'a', b'b', b'c')],
              [True, True, False])
        # OBS-05: those that are there already need no room.
        equal(observes(crowd[0], b'b'), True)
        equal([observes(crowd[1], b'a'), observes(crowd[2], b'a')],
              [True, False])
        crowd[0].leave()
        equal([observes(crowd[2], b'a'), observes(crowd[0], b'b')],
              [True, False])
        origin.set(b'other')
        for one, token in ((crowd[0], b'a'), (crowd[1], b'a'),
                           (crowd[2], b'a')):
            one.wait(lambda: one.last(token).payload == b'other')
        equal(crowd[0].last(b'b').payload, b'state')
        equal(crowd[0].last(b'c').payload, b'state')


def copies(one):
    """What came to ONE, which is silent: payloads by token and type."""
    found = {}
    for _, m in one.heard:
        if m.type != ACK:
            found.setdefault((m.token, m.type), []).append(m.payload)
    return found


@test('OBS-21 OBS-23 OBS-26 OBS-28 OBS-29 OBS-56: two that do not acknowledge')
def _():
    with Watched(b'at first') as origin, Proxy(route(
            origin, '[message]\nack-timeout = 1s\nmax-retransmit = 1\n'
            '[observe]\nmax-observers = 4\n')) as proxy, \
            Crowd(proxy.address, 4) as crowd:
        way = Way(proxy)
        silent, tired, good, newcomer = crowd
        for one, token in ((silent, b'1'), (silent, b'2'), (tired, b'3'),
                           (good, b'4')):
            one.observe(way, '/x', token=token).state('at first')
        silent.answer = None
        changes, places = 0, 0

        def change():
            nonlocal changes
            changes += 1
            origin.set(f'state {changes}'.encode())
            # Nobody keeps the others waiting.
            good.state(f'state {changes}', 1)

        change()
        tired.state('state 1')
        tired.answer = None
        # Both are forgotten as soon as there is room for three others.
        while places < 3:
            change()
            got = newcomer.register(way, '/x')
            places += got.value(OBSERVE) is not None
            with crowd.news:
                crowd.news.wait(0.02)
        # One of its two tokens has its turn; the second copy, after 1 to 1.5 s,
        # is of a newer state.
        (token, kind), told = copies(silent).popitem()
        equal((kind, len(told), len(set(told)), copies(silent)),
              (CON, 2, 2, {(token, CON): told}))
        told = copies(tired)
        equal(len(told.pop((b'3', CON))), 3, 'the first, and two of another')
        equal(len(told.pop((b'3', NON), [])) <= 4, True)
        equal(told, {})
        before = len(silent.heard), len(tired.heard)
        change()
        change()
        equal((len(silent.heard), len(tired.heard)), before)


# ---- the process ----


def resident(pid):
    """Octets of PID in memory."""
    pages = int(pathlib.Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


def rounds(number, crowd, begin, end):
    """All of CROWD, NUMBER of times: each one begins, then each one ends."""
    for _ in range(number):
        for one in crowd:
            begin(one)
        for one in crowd:
            end(one)


@test('OBS-53: 2000 observers come and go, and leave nothing behind')
def _():
    body = b'x' * 1000
    with Watched(body) as origin, Proxy(route(
            origin, f'{CACHE}[observe]\nlinger = 0s\n')) as proxy, \
            Crowd(proxy.address, 100) as crowd:
        pid, way = proxy.process.pid, Way(proxy)
        sanitized = 'asan' in pathlib.Path(f'/proc/{pid}/maps').read_text()

        def ask(one):
            one.send(way.message(GET, '/x', token=b'get'))

        def answered(one):
            one.wait(lambda: one.last(b'get'))
            one.clear()

        def observe(one):
            one.observe(way, '/x')

        def leave(one):
            one.state(body.decode())
            one.leave()
            one.clear()

        def come_and_go():
            rounds(1, crowd, observe, leave)
            seen = len(origin.asked('register'))
            origin.wait(lambda: len(origin.asked('deregister')) == seen)

        # What an exchange takes until it is forgotten, 247 s later, is not
        # an observer's.
        come_and_go()
        rounds(2, crowd, ask, answered)
        open_now, before = descriptors(pid), resident(pid)
        rounds(40, crowd, ask, answered)
        plain = resident(pid) - before
        before += plain
        for _ in range(20):
            come_and_go()
        grown = resident(pid) - before
        # Notifications take nothing that stays.
        rounds(1, crowd, observe, lambda one: one.state(body.decode()))
        before = resident(pid)
        for n in range(50):
            origin.set(bytes([n]) + body)
            for one in crowd:
                one.wait(lambda: one.last().payload[0] == n)
        told = resident(pid) - before
        print(f'# octets: {plain} for 4000 GETs, {grown} for 2000 observers, '
              f'{told} for 5000 notifications')
        equal(sanitized or grown <= plain + (256 << 10), True, 'memory')
        equal(sanitized or told <= 256 << 10, True, 'notifications')
        for one in crowd:
            one.leave()
        origin.wait(lambda: not origin.observers)
        equal(descriptors(pid), open_now, 'descriptors')


@test('SIGTERM: 100 observers are told 5.03, and the origin that it is over')
def _():
    need_node()
    with Watched(b'state') as origin, Proxy(route(origin)) as proxy, \
            Crowd(proxy.address, 98) as crowd, NodeObservers() as node, \
            LibcoapObserver(Way(proxy), '/x') as libcoap:
        way = Way(proxy)
        everybody = [node.observe(way, '/x'), libcoap,
                     *(one.observe(way, '/x') for one in crowd)]
        for one in everybody:
            one.state('state')
        began = time.monotonic()
        proxy.signal(signal.SIGTERM)
        equal(proxy.wait_end(), 0)
        equal(time.monotonic() - began < 6, True, 'drain = 5s')
        for one in everybody:
            one.ended('5.03')
        for one in crowd:
            equal((len(one.heard), one.last().type), (2, NON))
        first, last = origin.events
        equal((first.what, last.what, last.token),
              ('register', 'deregister', first.token))


@test('SIGTERM: 2000 observers of 100 resources, each told, each cancelled')
def _():
    with Watched(b'state') as origin, Proxy(route(
            origin, '[observe]\nmax-per-client = 100\n')) as proxy, \
            Crowd(proxy.address, 20) as crowd:
        way = Way(proxy)
        tokens = [bytes([n]) for n in range(100)]
        for token in tokens:
            for one in crowd:
                got = one.register(way, f'/{token[0]}', token=token)
                equal(got.value(OBSERVE) is not None, True)
        proxy.signal(signal.SIGTERM)
        equal(proxy.wait_end(), 0)
        for one in crowd:
            for token in tokens:
                one.wait(lambda: one.last(token).code == '5.03')
        equal(sorted(e.path for e in origin.asked('deregister')),
              sorted(e.path for e in origin.asked('register')))
        equal(len(origin.events), 2 * len(tokens))


@test('SIGTERM: an origin that says nothing is not waited for beyond drain')
def _():
    with Origin() as origin, \
            Proxy(route(origin, '[proxy]\ndrain = 1s\n')) as proxy, \
            Crowd(proxy.address, 2) as crowd:
        for one in crowd:
            one.observe(Way(proxy), '/x')
        first = origin.answer(payload='state', options=[(OBSERVE, 1)])
        for one in crowd:
            one.state('state')
        began = time.monotonic()
        proxy.signal(signal.SIGTERM)
        for one in crowd:
            one.ended('5.03')
        last = origin.receive()
        equal((last.token, last.value(OBSERVE)), (first.token, b'\1'))
        equal(proxy.wait_end(), 0)
        equal(time.monotonic() - began < 3, True, 'drain = 1s')


run()
