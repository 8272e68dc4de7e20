"""The clients of soak.py: what they do, and what they make of the answers.

A client is a generator on a socket of its own. It yields a Message, and is sent
the response; or a number, and goes on after so many seconds. Requests are
repeated as RFC 7252 4.2 says; Lost is thrown into a client that gets no answer
within PATIENCE.

Each answer is right, wrong, an error (4.xx or 5.xx that should not be) or lost.
Errors and losses are excused while, or just after, the server that was asked
had trouble; what is wrong never is.
"""

import collections
import functools
import heapq
import itertools
import os
import pathlib
import random
import re
import selectors
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

from blocks import download, octets, upload  # noqa: E402
from coap import (ACK, BLOCK1, CON, EMPTY, GET, NON, OBSERVE,  # noqa: E402
                  POST, PROXY_URI, PUT, RST, URI_QUERY, Client, Message,
                  block)
from soak_origin import POISON, SAME, WATCHED, same  # noqa: E402

ACK_TIMEOUT, MAX_RETRANSMIT = 2, 4
PATIENCE = 45       # seconds for an answer
EXCUSED = 10        # seconds after trouble
ECHO = 252
GONE = object()     # what is no answer: nothing stored there


class Lost(Exception):
    """No answer in time."""


class Server:
    """Where requests go: the path of its route at the proxy, the port of the
    origin, and when that had trouble."""

    def __init__(self, name, origin):
        self.name, self.origin = name, origin
        self.trouble_until = 0      # a time, or infinity while it lasts
        self.restarts = 0

    def trouble(self, seconds):
        self.trouble_until = max(self.trouble_until,
                                 time.monotonic() + seconds)

    def excused(self, since):
        return since < self.trouble_until + EXCUSED


class Talk:
    """One client under way."""

    def __init__(self, crowd, script, to, again):
        # One address may have a share of some tables only.
        self.client = Client(to, f'127.0.1.{random.randrange(1, 200)}')
        self.crowd, self.again = crowd, again
        self.client.socket.setblocking(False)
        self.mid, self.acked = random.randrange(65536), False
        self.request = None
        self.script = script(self)
        crowd.selector.register(self.client.socket, selectors.EVENT_READ, self)
        crowd.talks.add(self)
        self.go_on()

    def close(self):
        if self in self.crowd.talks:
            self.crowd.talks.remove(self)
            self.crowd.selector.unregister(self.client.socket)
            self.client.close()
            if self.again:
                self.crowd.after(1, self.again)

    def go_on(self, response=None, error=None):
        """Up to the next yield."""
        self.request = None
        try:
            step = self.script.throw(error) if error else \
                self.script.send(response)
        except StopIteration:
            self.close()
        except Lost:
            self.close()
        except AssertionError as wrong:
            self.crowd.wrong(str(wrong))
            self.close()
        else:
            if isinstance(step, Message):
                self.ask(step)
            else:
                self.crowd.after(step, self.resume, step)

    def resume(self, _):
        if self in self.crowd.talks and self.request is None:
            self.go_on()

    def send(self, message):
        """As often as the network of the moment lets it through."""
        message.raw = message.raw or message.encode()
        if random.random() >= self.crowd.loss:
            self.client.send_raw(message.raw)

    def ask(self, request):
        self.mid = request.mid = (self.mid + 1) & 0xffff
        self.request = request
        self.since = time.monotonic()
        self.acked = request.type == NON
        self.send(request)
        self.crowd.sent += 1
        wait = ACK_TIMEOUT * random.uniform(1, 1.5)
        self.crowd.after(wait, self.repeat, request, wait, 0)
        self.crowd.after(PATIENCE, self.give_up, request)

    def repeat(self, request, wait, copies):
        if self.request is request and not self.acked and \
                copies < MAX_RETRANSMIT:
            self.crowd.repeats += 1
            self.send(request)
            self.crowd.after(2 * wait, self.repeat, request, 2 * wait,
                             copies + 1)

    def give_up(self, request):
        if self.request is request:
            self.go_on(error=Lost())

    def read(self):
        try:
            raw, _ = self.client.socket.recvfrom(65535)
        except BlockingIOError:
            return
        if random.random() < self.crowd.loss:
            return
        if POISON in raw:
            self.crowd.wrong(f'a forged answer: {raw.hex()}')
        m = Message.decode(raw)
        asked = self.request
        if m.code == EMPTY:
            self.acked |= asked is not None and \
                (m.type, m.mid) == (ACK, asked.mid)
            if m.type == RST and asked is not None and m.mid == asked.mid:
                self.crowd.wrong(f'RST for {asked}')
            return
        if asked is None or m.token != asked.token:
            self.uncalled(m)
            return
        if m.type == CON:
            self.answer(m, ACK)
        if m.type == ACK and m.mid != asked.mid:
            self.crowd.wrong(f'{m} for {asked}')
        self.go_on(m)

    heard = None    # what a client makes of notifications

    def uncalled(self, m):
        """A copy of an answer, or a notification."""
        if self.heard:
            self.heard(m)
        elif m.type == CON:
            self.answer(m, ACK)

    def answer(self, m, kind):
        self.send(Message(EMPTY, type=kind, mid=m.mid, token=b''))


# What is said of a name that the name server has not told of in time.
UNRESOLVED = b'name not resolved in time'


class Crowd:
    """All clients; run() is their loop."""

    def __init__(self, to, stranger_to):
        self.to, self.stranger_to = to, stranger_to
        self.selector = selectors.DefaultSelector()
        self.talks = set()
        self.loss = 0
        self.sent = self.repeats = 0
        self.outcomes = collections.Counter()   # (what, name of a server)
        self.happened = collections.Counter()   # what clients have done
        self.failures = []
        self.latencies = []     # (when, seconds) without trouble
        self.lossy_until = 0
        self._due, self._number = [], itertools.count()

    def after(self, seconds, function, *args):
        heapq.heappush(self._due, (time.monotonic() + seconds,
                                   next(self._number), function, args))

    def every(self, seconds, function):
        function()
        self.after(seconds, self.every, seconds, function)

    def run(self, until):
        while (now := time.monotonic()) < until:
            while self._due and self._due[0][0] <= now:
                _, _, function, args = heapq.heappop(self._due)
                function(*args)
            wait = min(until, self._due[0][0] if self._due else until) - now
            for key, _ in self.selector.select(max(0, wait)):
                if key.data in self.talks:
                    key.data.read()

    def start(self, script, *args, to=None):
        Talk(self, functools.partial(script, self, *args), to or self.to, None)

    def keep(self, script, *args):
        """Likewise, and anew whenever it has ended."""
        Talk(self, functools.partial(script, self, *args), self.to,
             functools.partial(self.keep, script, *args))

    # ---- what came of it ----

    def wrong(self, text):
        self.outcomes['wrong', ''] += 1
        self.note(f'wrong: {text}')

    def note(self, text):
        if len(self.failures) < 20:
            self.failures.append(text)

    def judge(self, server, since, got, right):
        """The outcome of a request to SERVER that was sent at SINCE. GOT is
        the response or None, RIGHT says whether it is what was to come."""
        if right:
            what = 'right'
        elif got is not None and got.code[0] == '2':
            what = 'wrong'
        else:
            what = 'lost' if got is None else 'error'
            if server.excused(since) or \
                    got is None and since < self.lossy_until + EXCUSED:
                what += ', excused'
            elif got is not None and got.payload == UNRESOLVED:
                what = 'unresolved'
        self.outcomes[what, server.name] += 1
        if what in ('wrong', 'error', 'lost'):
            self.note(f'{what} from {server.name} after '
                      f'{time.monotonic() - since:.1f} s: {got}')
        return right

    def count(self, what):
        return sum(n for (w, _), n in self.outcomes.items() if w == what)


# ---- clients ----


def ask(crowd, server, message, expected):
    """One request, judged; EXPECTED: whether a response is right, or its
    payload. The result is the response, or None if it was not right."""
    since = time.monotonic()
    try:
        got = yield message
    except Lost:
        crowd.judge(server, since, None, False)
        raise
    right = expected(got) if callable(expected) else \
        (got.code, got.payload) == ('2.05', expected)
    return got if crowd.judge(server, since, got, right) else None


def kind():
    return random.choice((CON, CON, NON))


def getter(crowd, server, pause, talk):
    """GET with an id that comes back, by three ways."""
    while True:
        ident = os.urandom(6).hex().encode()
        where = random.choice(('plain', 'plain', 'stored'))
        path = '/slow' if random.random() < 0.05 else '/echo'
        since, calm = time.monotonic(), crowd.loss == 0
        got = yield from ask(crowd, server, Message(
            GET, f'/{server.name}/{where}{path}', [(URI_QUERY, ident)],
            type=kind()), ident)
        if got and path == '/echo' and calm and crowd.loss == 0 and \
                server.name == 'steady':
            crowd.latencies.append((since, time.monotonic() - since))
        yield random.uniform(0.5, 1.5) * pause


def reader(crowd, server, pause, talk):
    """What is the same for all, so that the cache has something to do."""
    while True:
        number = random.randrange(SAME)
        yield from ask(crowd, server, Message(
            GET, f'/{server.name}/stored/same/{number}', type=kind()),
            same(number))
        yield random.uniform(0.5, 1.5) * pause


def forwarder(crowd, server, pause, talk):
    """By a name; some do not exist."""
    while True:
        ident = os.urandom(6).hex().encode()
        there = random.random() < 0.8
        name = f'n{random.randrange(30)}.{"soak" if there else "none"}.test'
        uri = f'coap://{name}:{server.origin.port}/echo?{ident.decode()}'
        yield from ask(crowd, server, Message(
            GET, '', [(PROXY_URI, uri)], type=kind()),
            ident if there else lambda m: m.code == '5.02')
        crowd.happened['asked by name'] += 1
        yield random.uniform(0.5, 1.5) * pause


def poster(crowd, server, pause, talk):
    while True:
        ident = os.urandom(6).hex().encode()
        yield from ask(crowd, server, Message(
            POST, f'/{server.name}/plain/echo', [(URI_QUERY, ident)]),
            lambda m, ident=ident: (m.code, m.payload) == ('2.04', ident))
        yield random.uniform(0.5, 1.5) * pause


class Stored:
    """What may be at a path: the last that certainly is, and all that may have
    been put there since, for the server had trouble."""

    def __init__(self, server):
        self.server, self.restarts = server, server.restarts
        self.certain, self.maybe = GONE, []

    def put(self, body, certain):
        if certain:
            self.certain, self.maybe = body, []
            self.restarts = self.server.restarts
        else:
            self.maybe.append(body)

    def allowed(self):
        lost = self.server.restarts != self.restarts
        return [self.certain, *self.maybe, *([GONE] if lost else [])]


def stored_is(stored, code, body):
    return (GONE if code == '4.04' else body) in stored.allowed() and \
        code in ('2.05', '4.04')


def putter(crowd, server, pause, talk):
    """What was PUT is what is there."""
    path = f'/{server.name}/stored/small-{os.urandom(4).hex()}'
    stored = Stored(server)
    while True:
        body = os.urandom(8).hex().encode()
        restarts = server.restarts
        stored.put(body, False)
        got = yield from ask(crowd, server, Message(PUT, path, [], body),
                             lambda m: m.code in ('2.01', '2.04'))
        if got and restarts == server.restarts:
            stored.put(body, True)
        for _ in range(3):
            yield random.uniform(0.5, 1.5) * pause
            yield from ask(crowd, server, Message(GET, path, type=kind()),
                           lambda m: stored_is(stored, m.code, m.payload))
        crowd.happened['put'] += 1


def judged(crowd, server, transfer):
    """TRANSFER of blocks.py and its result."""
    since = time.monotonic()
    try:
        return (yield from transfer)
    except Lost:
        crowd.judge(server, since, None, False)
        raise
    except AssertionError:
        # Blocks of another body, which a client has to look out for.
        if not server.excused(since):
            raise
        raise Lost from None


def mover(crowd, server, pause, talk):
    """Bodies in blocks, up and down again."""
    path = f'/{server.name}/stored/large-{os.urandom(4).hex()}'
    stored = Stored(server)
    while True:
        body = octets(random.randrange(600, 6000), os.urandom(4))
        restarts, since = server.restarts, time.monotonic()
        stored.put(body, False)
        got = yield from judged(crowd, server, upload(
            PUT, path, body, random.choice((128, 256, 512))))
        if crowd.judge(server, since, got, got.code in ('2.01', '2.04')) and \
                restarts == server.restarts:
            stored.put(body, True)
        yield random.uniform(0.5, 1.5) * pause
        since = time.monotonic()
        got, body = yield from judged(crowd, server, download(
            path, random.choice((None, 256, 512))))
        crowd.judge(server, since, got, stored_is(stored, got.code, body))
        crowd.happened['moved'] += 1
        yield random.uniform(0.5, 1.5) * pause


def lister(crowd, server, pause, talk):
    """The proxy's own list, with what the origin says in it."""
    path = f'</{server.name}/plain'.encode()
    while True:
        since = time.monotonic()
        got, body = yield from judged(crowd, server, download(
            '/.well-known/core'))
        # Without the origin's list, when that is late.
        crowd.judge(server, since, got, got.code == '2.05' and path in body)
        yield random.uniform(0.5, 1.5) * pause


def stranger(crowd, server, talk):
    """Has to prove its address before it may change anything."""
    path = f'/{server.name}/plain/strange'
    body = os.urandom(4).hex().encode()
    got = yield from ask(crowd, server, Message(PUT, path, [], body),
                         lambda m: m.code == '4.01' and m.value(ECHO))
    if got:
        yield from ask(crowd, server, Message(
            PUT, path, [(ECHO, got.value(ECHO))], body),
            lambda m: m.code in ('2.01', '2.04'))
        crowd.happened['proved an address'] += 1


def observer(crowd, server, end, talk):
    """Hears of what changes, in order, until END: how it leaves."""
    way = random.choice(('plain', 'stored'))
    path = f'/{server.name}/{way}/watch/{random.randrange(WATCHED)}'
    last = {}       # by generation: the newest count
    registration = Message(GET, path, [(OBSERVE, 0)])
    told = crowd.happened

    def state(m):
        found = re.fullmatch(rb'([0-9a-f]{8}) (\d+)', m.payload)
        return found and (found[1], int(found[2]))

    def heard(m):
        if m.token != registration.token:
            talk.answer(m, RST)
            return
        if m.type == CON:
            talk.answer(m, ACK)
        if m.code == '2.05' and not state(m):
            crowd.wrong(f'{m} is no state of {path}')
        elif m.code == '2.05':
            told['notifications'] += 1
            generation, count = state(m)
            # NON may be late on the way; what repeats is the newest.
            if m.type == CON and count < last.get(generation, 0):
                crowd.wrong(f'{m} behind {last}')
            last[generation] = max(count, last.get(generation, 0))
        else:
            crowd.judge(server, time.monotonic(), m, False)

    got = yield from ask(crowd, server, registration,
                         lambda m: m.code == '2.05' and state(m))
    if not got or got.value(OBSERVE) is None:
        return
    talk.heard = heard
    yield random.uniform(2, 8)
    told[f'observers: {end}'] += 1
    if end == 'leave':
        yield Message(GET, path, [(OBSERVE, 1)], token=registration.token)
    elif end == 'reset':
        talk.heard = lambda m: talk.answer(m, RST)
        yield 4
    elif end == 'mute':
        talk.heard = lambda m: None
        yield 8
    # "vanish": the socket is closed now.


def dier(crowd, server, talk):
    """Dies in the middle of an upload, or while it waits."""
    body = octets(2000, os.urandom(4))
    path = f'/{server.name}/stored/dead-{random.randrange(8)}'
    if random.random() < 0.3:
        talk.client.send(Message(GET, f'/{server.name}/plain/slow',
                                 [(URI_QUERY, 'dead')]))
        crowd.happened['died waiting'] += 1
        return
    for number in range(random.randrange(1, 4)):
        got = yield from ask(crowd, server, Message(
            PUT, path, [(BLOCK1, block(number, 1, 256))],
            body[256 * number:][:256]), lambda m: m.code == '2.31')
        if not got:
            return
    crowd.happened['died in an upload'] += 1


def vandal(crowd, talk):
    """One datagram that is none, or nearly one."""
    good = Message(GET, '/steady/plain/echo', [(URI_QUERY, b'x' * 20)],
                   b'payload').encode()
    at = random.randrange(1, len(good))
    talk.client.send_raw(random.choice((
        random.randbytes(random.randrange(1, 60)),
        good[:at], good[:4] + b'\xff', b'\x49' + good[1:],
        b'\x80' + good[1:], b'\x40\x01\0\1\xdf\xff', b'\x70\0\0\1',
        good[:at] + random.randbytes(1) + good[at + 1:])))
    crowd.happened['malformed'] += 1
    yield 1


def passer(crowd, server, talk):
    """Asks once, from a port of its own."""
    ident = os.urandom(6).hex().encode()
    yield from ask(crowd, server, Message(
        GET, f'/{server.name}/plain/echo', [(URI_QUERY, ident)],
        type=kind()), ident)
