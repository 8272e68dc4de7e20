"""F04, F20 to F22, F33: name servers that fail, and those that lie.

FAULTS=full takes the times and numbers of the promises; the short form has
shorter time-outs, fewer names and the same limits. A limit on a latency is for
an idle machine: SLACK times what all but 0.5 % of the same requests take, in
the same seconds, through a proxy that has nothing to do with names is added to
it; and what is too slow is done again, up to twice, as a name server that keeps
others waiting does so each time. BUSY is what is added to limits in seconds.

That the address that is used is the one that was judged, and that each form of
an address that leads to this host is refused: ATK-18, ATK-19 in
tests/system/test_attacks.py. How look-ups share, keep and give up:
tests/unit/net/test_resolve.c.
"""

import collections
import contextlib
import ctypes
import ipaddress
import os
import pathlib
import random
import select
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap  # noqa: E402
from admin import Watched  # noqa: E402
from coap import (ACK, CON, EMPTY, GET, PROXY_URI, WAIT, Client,  # noqa: E402
                  URI_QUERY, Message, Origin)
from load import Load  # noqa: E402
from origin import FaultOrigin  # noqa: E402
from programs import Proxy  # noqa: E402
from resolver import (CNAME, MALFORMED, REFUSED, SERVFAIL,  # noqa: E402
                      Reply, Resolver, dead, fails, labels, later, malformed,
                      packet, record, says)
from tap import equal, test  # noqa: E402

FULL = os.environ.get('FAULTS') == 'full'
SLACK, BUSY = 2, 2  # see above
TIMEOUT = 5 if FULL else 2      # of a look-up
NAMES = 100 if FULL else 20     # asked for in each way of failing
PROBE_LIMIT = 0.05
SKEW = 0.25         # dns.c: an answer for one family waits for the other

tap.LIMIT = 1800 if FULL else 150


def dns_section(dns, **keys):
    keys = {'timeout': f'{TIMEOUT}s', **keys}
    return f'[dns]\nservers = {dns.address}\n' + ''.join(
        f'{k.replace("_", "-")} = {v}\n' for k, v in keys.items())


def route(origin):
    return f'[route]\nto = coap://127.0.0.1:{origin.port}\n'


FORWARD = '[forward]\nallow-to = coap://127.0.0.1:* coap://[::1]:*\n'


class Asker(Client):
    """Asks for many things at a time, each by an URI of its own."""

    def __init__(self, proxy):
        super().__init__(proxy.address)
        self.open, self.codes, self.took = {}, {}, {}

    def ask(self, uri):
        sent = self.send(Message(GET, '', [(PROXY_URI, uri)],
                                 token=random.randbytes(8)))
        self.open[sent.token] = uri, time.monotonic()

    def hear(self, seconds):
        deadline = time.monotonic() + seconds
        while self.open and (left := deadline - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return
            m = self.receive(0)
            if m.type == CON:
                self.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))
            if m.code != EMPTY and m.token in self.open:
                uri, began = self.open.pop(m.token)
                self.codes[uri] = m.code
                self.took[uri] = time.monotonic() - began

    def all_of(self, uris, pause, patience):
        """(codes, seconds) of URIS, asked one after PAUSE after the other."""
        self.codes, self.took = {}, {}
        for uri in uris:
            self.ask(uri)
            self.hear_for(pause)
        self.hear(patience)
        if self.open:
            raise AssertionError(
                f'no answer: {[u for u, _ in self.open.values()]}')
        return self.codes, self.took

    def hear_for(self, seconds):
        """As hear(), but not shorter."""
        until = time.monotonic() + seconds
        self.hear(seconds)
        time.sleep(max(0, until - time.monotonic()))


class TooSlow(AssertionError):
    """For what was promised of other traffic."""


def probing(name):
    """As test(), of a function that may say TooSlow twice."""
    def register(function):
        def run():
            for left in 2, 1, 0:
                try:
                    return function()
                except TooSlow as why:
                    if not left:
                        raise
                    print('# once more:', why)
        return test(name)(run)
    return register


class Probes:
    """Other traffic: a Load through PROXY, and one through another proxy in
    front of the same ORIGIN that tells what the machine has to do with."""

    def __init__(self, proxy, origin):
        self.control = Proxy(route(origin))
        self.through, self.around = (
            Load(p.address, clients=24, pause=0.5, stream=25)
            for p in (proxy, self.control))

    def check(self, what, since):
        """No request since then was lost, wrong, refused or slow."""
        # Over some time, however soon the names were done with.
        while self.through.now() < since + (10 if FULL else 2):
            time.sleep(0.1)
        end = self.through.now()
        while any(a.sent < end for p in self.through._ports
                  for a in list(p.open.values())):
            equal(self.through.now() < end + 30, True, 'all are answered')
            time.sleep(0.01)
        done, calm = self.through.result(since), self.around.result(since)
        p99, machine = done.latency(99), calm.latency(99.5)
        print(f'# {what}: {done.right} probes, p50 '
              f'{done.latency(50) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, '
              f'slowest {done.latency(100) * 1000:.1f} ms; elsewhere '
              f'{machine * 1000:.1f} ms')
        equal((done.wrong, done.lost, dict(done.codes)), (0, 0, {}), what)
        equal(done.right > 100, True, f'{done.right} probes')
        if p99 >= PROBE_LIMIT + SLACK * machine:
            raise TooSlow(f'{what}: p99 {p99}, elsewhere {machine}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.through.close()
        self.around.close()
        self.control.close()


@contextlib.contextmanager
def probed(behaviours):
    """(proxy, resolver, origin, probes): a forward proxy, and other traffic
    by a route."""
    with FaultOrigin() as origin, Resolver(behaviours) as dns, \
            Watched(dns_section(dns) + FORWARD + route(origin)) as proxy, \
            Probes(proxy, origin) as probes:
        yield proxy, dns, origin, probes


def names(word, origin, number=NAMES):
    """URIs at ORIGIN by names of their own."""
    return [f'coap://{word}-{i}.test:{origin.port}/x' for i in range(number)]


# R10, R11: no name server keeps others waiting.

@probing('F20: silent: 5.04 after the time-out, other traffic p99 < 50 ms')
def _():
    with probed({'dead': dead}) as (proxy, dns, origin, probes), \
            Asker(proxy) as asker:
        since = probes.through.now()
        codes, took = asker.all_of(names('dead', origin), 0.05,
                                   TIMEOUT + WAIT)
        equal(set(codes.values()), {'5.04'})
        equal(TIMEOUT - 0.1 < min(took.values()) and
              max(took.values()) < TIMEOUT + 0.5 + BUSY, True, took)
        probes.check('silent', since)
        # Not known to be wrong: they are asked for again.
        before = dns.questions('dead-0.')
        asker.all_of(names('dead', origin, 1), 0, TIMEOUT + WAIT)
        equal(dns.questions('dead-0.') > before, True)


@probing('F20: slow, 1.2 s: 2.05 by then, other traffic p99 < 50 ms')
def _():
    with probed({'slow': later(1.2, says('127.0.0.1'))}) as (
            proxy, dns, origin, probes), Asker(proxy) as asker:
        since = probes.through.now()
        codes, took = asker.all_of(names('slow', origin), 0.05,
                                   TIMEOUT + WAIT)
        equal(set(codes.values()), {'2.05'})
        equal(1.2 <= min(took.values()) and
              max(took.values()) < 1.2 + SKEW + 0.5 + BUSY, True, took)
        probes.check('slow', since)


@probing('F20: SERVFAIL, REFUSED: 5.04 soon, other traffic p99 < 50 ms')
def _():
    with probed({'broken': fails(SERVFAIL), 'refused': fails(REFUSED)}) as (
            proxy, dns, origin, probes), Asker(proxy) as asker:
        since = probes.through.now()
        codes, took = asker.all_of(names('broken', origin) +
                                   names('refused', origin), 0.03,
                                   TIMEOUT + WAIT)
        equal(set(codes.values()), {'5.04'})
        equal(max(took.values()) < TIMEOUT + 0.5 + BUSY, True, took)
        # However often it fails, a client makes few questions.
        asked = dns.questions('broken') / NAMES
        equal(asked <= 2 * 5, True, f'{asked} questions for a name')
        probes.check('SERVFAIL', since)


@probing('F20: NXDOMAIN: 5.02, and not asked for again within min-ttl; other '
      'traffic p99 < 50 ms')
def _():
    with probed({}) as (proxy, dns, origin, probes), Asker(proxy) as asker:
        since = probes.through.now()
        uris = names('gone', origin)
        codes, took = asker.all_of(uris, 0.03, WAIT)
        equal(set(codes.values()), {'5.02'})
        asked = len(dns.asked)
        equal(asked, 2 * NAMES, 'A and AAAA')
        codes, took = asker.all_of(uris, 0.01, WAIT)
        equal(set(codes.values()), {'5.02'})
        equal(len(dns.asked), asked, 'questions')
        probes.check('NXDOMAIN', since)


@probing('F20: no name server at all (ICMP): 5.04, other traffic p99 < 50 ms')
def _():
    with probed({'good': says('127.0.0.1')}) as (
            proxy, dns, origin, probes), Asker(proxy) as asker:
        since = probes.through.now()
        dns.shut()
        codes, took = asker.all_of(names('good', origin), 0.05,
                                   TIMEOUT + WAIT)
        equal(set(codes.values()), {'5.04'})
        equal(max(took.values()) < TIMEOUT + 0.5 + BUSY, True, took)
        probes.check('nobody', since)


@probing(f'F20 F33: malformed in {len(MALFORMED)} ways: 5.02, 5.04 or what is '
      'said, nothing else; other traffic p99 < 50 ms')
def _():
    with probed({**malformed('127.0.0.1'), 'good': says('127.0.0.1')}) as (
            proxy, dns, origin, probes), Asker(proxy) as asker:
        since = probes.through.now()
        for turn in range(20 if FULL else 1):
            uris = {f'coap://m{i}-{turn}.test:{origin.port}/x': row
                    for i, row in enumerate(MALFORMED)}
            codes, took = asker.all_of(uris, 0.02, TIMEOUT + WAIT)
            for uri, (what, _, expected) in uris.items():
                equal(codes[uri] in expected, True,
                      f'{what}: {codes[uri]}, expected {sorted(expected)}')
            # ... and then it is well.
            equal(set(asker.all_of(names(f'good-{turn}', origin, 3), 0,
                                   WAIT)[0].values()), {'2.05'})
        probes.check('malformed', since)


def mutated(address, r):
    """A good answer with some octets changed, cut or put in; the ID of the
    question is left alone, or nobody would read it."""
    def behave(q):
        rdata = q.rdata(address)
        data = bytearray(packet(
            q, record(labels(b'alias', b'test'), CNAME),
            *([record(rdata, q.kind)] if rdata else [])))
        for _ in range(r.choice((1, 1, 2, 3, 8, 20))):
            at = r.randrange(2, len(data) + 1)
            kind = r.randrange(4)
            if kind == 0:
                data[at:at + 1] = bytes([r.choice((
                    0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff, r.randrange(256)))])
            elif kind == 1:
                del data[at:at + r.randrange(1, 12)]
            elif kind == 2:
                data[at:at] = r.randbytes(r.randrange(1, 12))
            elif at < len(data):
                data[at] ^= 1 << r.randrange(8)
        return [bytes(data)]
    return behave


@probing('F33: good answers changed at random: no crash, other traffic p99 < '
      '50 ms, and good answers are taken afterwards')
def _():
    seed = random.randrange(10 ** 6)
    print(f'# seed {seed}')
    with probed({'odd': mutated('127.0.0.1', random.Random(seed)),
                 'good': says('127.0.0.1')}) as (
            proxy, dns, origin, probes), Asker(proxy) as asker:
        since = probes.through.now()
        codes, _ = asker.all_of(names('odd', origin, 20000 if FULL else 200),
                                0.01, TIMEOUT + WAIT)
        # An address that was changed is refused like any other: 5.05.
        equal(set(codes.values()) <= {'2.05', '5.02', '5.04', '5.05'}, True,
              set(codes.values()))
        equal(set(asker.all_of(names('good', origin, 5), 0,
                               WAIT)[0].values()), {'2.05'})
        probes.check('changed at random', since)


# ---- F04: the origin moves ----

class Echo(Origin):
    """Answers as origin.py does, and notes when it was asked."""

    def __init__(self, address, port=0):
        super().__init__(address, port)
        self.asked = []
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended:
            if self.ready(0.05):
                request = self.receive()
                self.asked.append(time.monotonic())
                self.told(request)

    def told(self, request):
        self.reply(request, payload=request.value(URI_QUERY))

    def stop(self):
        self._ended = True
        self._thread.join()

    def __exit__(self, *_):
        self.stop()
        super().__exit__()


class Moving:
    """A proxy with clients, and an origin whose name leads elsewhere then."""

    def __init__(self, stack):
        enter = stack.enter_context
        self.old = enter(Echo('127.0.0.2'))
        self.new = enter(Echo('127.0.0.3', self.old.port))
        self.dns = enter(Resolver({'moving': says('127.0.0.2', ttl=1)}))
        proxy = enter(Proxy(
            dns_section(self.dns, min_ttl='0s') +
            f'[route]\nto = coap://moving.test:{self.old.port}\n'
            'timeout = 2s\n'))
        self.load = enter(Load(proxy.address, 32, 0.6, 20))

    def move(self, end):
        """Right after it was asked for, so that it is remembered for long."""
        known = len(self.dns.asked)
        while len(self.dns.asked) == known:
            equal(self.load.now() < 2 * WAIT + BUSY, True, 'a question')
            time.sleep(0.01)
        equal(len(self.new.asked), 0)
        self.dns.behaviours['moving'] = says('127.0.0.3', ttl=1)
        self.flip, self.moved = self.load.now(), time.monotonic()
        end(self.old)

    def check(self, what, codes, late):
        done = self.load.stop()
        used = self.new.asked[0] - self.moved
        wrongly = [w - self.moved for w in self.old.asked if w > self.moved]
        print(f'# {what}: new address used after {used:.3f} s; {len(wrongly)} '
              'requests to the old one, the last after '
              f'{max(wrongly, default=0):.3f} s; {done}')
        equal(used < late and max(wrongly, default=0) < late, True)
        equal((done.lost, done.wrong), (0, 0))
        equal(set(done.codes) <= codes, True, done.codes)
        after = done.between(self.flip + late)
        equal((len(after.answers) > 20, dict(after.codes)), (True, {}))


# What becomes of the old address, and what those who ask there get. R18
OLD = [
    ('answers', lambda old: None, set()),
    # 5.04: what it had received and not read yet, of which nobody is told.
    ('shut', lambda old: (old.stop(), old.close()), {'5.02', '5.04'}),
    ('silent', lambda old: setattr(old, 'told', lambda _: None), {'5.04'}),
]


@test('F04: another address by DNS, TTL 1, whatever becomes of the old one: '
      'the new one is used within 2 s')
def _():
    with contextlib.ExitStack() as stack:
        moving = [Moving(stack) for _ in OLD]
        time.sleep(1.5)
        for m, (_, end, _) in zip(moving, OLD):
            m.move(end)
        late = 1 + 1 + BUSY     # TTL and 1 s
        time.sleep(late + 1.5)
        for m, (what, _, codes) in zip(moving, OLD):
            m.check(what, codes, late)


# ---- F22: the name server comes back ----

class Away:
    """A forward proxy whose name server dies by DIE and comes back by RISE."""

    def __init__(self, stack, die, rise):
        enter = stack.enter_context
        self.die, self.rise = die, rise
        self.origin = enter(FaultOrigin())
        self.dns = enter(Resolver({'n': says('127.0.0.1')}))
        self.asker = enter(Asker(enter(Proxy(
            dns_section(self.dns, timeout='5s') + FORWARD))))
        self.number = 0
        self.good('before')
        self.asker.codes = {}

    def good(self, word):
        codes, _ = self.asker.all_of(names(f'n-{word}', self.origin, 5), 0,
                                     WAIT)
        equal(set(codes.values()), {'2.05'}, word)

    def ask(self):
        """The same name as ever, and another; nobody waits for an answer."""
        for word in 'same', self.number:
            self.asker.ask(f'coap://n-{word}.test:{self.origin.port}/x')
        self.number += 1
        self.asker.hear_for(0.1)

    def back(self):
        codes = self.asker.codes
        return codes.get(f'coap://n-same.test:{self.origin.port}/x') == '2.05' \
            and list(codes.values()).count('2.05') > 1


@test('F22: a name server that was silent, or not there, is used again within '
      '5 s')
def _():
    with contextlib.ExitStack() as stack:
        away = [
            Away(stack, lambda dns: setattr(dns, 'dead', True),
                 lambda dns: setattr(dns, 'dead', False)),
            Away(stack, Resolver.shut, Resolver.open)]
        for a in away:
            a.die(a.dns)
        end = time.monotonic() + (60 if FULL else 7)
        while time.monotonic() < end:
            for a in away:
                a.ask()
        for a in away:
            equal(set(a.asker.codes.values()), {'5.04'})
            a.asker.codes, a.asker.open = {}, {}
            a.rise(a.dns)
            back = time.monotonic()
            while not a.back():
                a.ask()
                equal(time.monotonic() < back + 5 + BUSY, True, 'a 2.05')
            print(f'# first answer after {time.monotonic() - back:.3f} s')
            a.good('after')


# ---- F21: lies ----

class Wire:
    """Every datagram to a UDP port that this host sends, to anywhere."""

    def __init__(self, port):
        try:
            self.socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_DGRAM,
                socket.htons(3))                            # ETH_P_ALL
        except PermissionError:
            raise tap.Skip('packets cannot be watched here') from None
        code = [(0x30, 0, 0, 0), (0x74, 0, 0, 4),           # version
                (0x15, 1, 0, 4), (0x15, 3, 6, 6),
                (0xb1, 0, 0, 0), (0x48, 0, 0, 2),           # IPv4
                (0x15, 2, 3, port),
                (0x28, 0, 0, 42), (0x15, 0, 1, port),       # IPv6
                (0x06, 0, 0, 0xffff), (0x06, 0, 0, 0)]
        lines = ctypes.create_string_buffer(
            b''.join(struct.pack('HBBI', *line) for line in code))
        self.socket.setsockopt(
            socket.SOL_SOCKET, 26,                          # SO_ATTACH_FILTER
            struct.pack('HP', len(code), ctypes.addressof(lines)))
        self.socket.setblocking(False)
        self.destinations()     # what came before the filter

    def destinations(self):
        """Counted, since the last time."""
        found = collections.Counter()
        with contextlib.suppress(BlockingIOError):
            while True:
                data, (_, _, kind, *_) = self.socket.recvfrom(200)
                if kind == socket.PACKET_OUTGOING:
                    found[str(ipaddress.ip_address(
                        data[16:20] if data[0] >> 4 == 4 else
                        data[24:40]))] += 1
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


GENUINE, FORGED = '127.0.0.2', '127.0.0.66'
LATE = 0.1      # the genuine answer comes after the forged ones


def forged(make):
    """What MAKE(q, rdata) says, 20 times, and then the truth."""
    def behave(q):
        lie = q.rdata(FORGED)
        return ([r for _ in range(20) for r in make(q, lie)] if lie else []) + \
            [Reply(p, LATE, None) for p in says(GENUINE)(q)]
    return behave


def other_id(q, rdata):
    ident = bytes([q.id[0], q.id[1] ^ random.randrange(1, 256)])
    return [packet(q, record(rdata, q.kind), ident=ident)]


def other_question(q, rdata):
    return [packet(q, record(rdata, q.kind),
                   section=labels(b'other', b'test') + q.section[-4:])]


def sent_by(sender):
    def make(q, rdata):
        return [Reply(packet(q, record(rdata, q.kind)), 0, sender)]
    return make


def loop(q):
    """An alias of an alias of itself."""
    return [packet(q, record(labels(b'b', b'test'), CNAME),
                   record(q.section[:-4], CNAME, owner=labels(b'b', b'test')))]


def alias_to(*words):
    return lambda q: [packet(q, record(labels(*words), CNAME))]


# Where to ask, and what the asker gets. An answer to another question by who
# knows our Message ID ends the look-up, but is not believed. One from another
# port of the name server is: libevent 2.1 does not look at that, and so it is
# left to the rules for addresses.
FORBIDDEN = ['127.0.0.1', '127.0.0.3', '0.0.0.0', '0.0.0.1', '224.0.1.187',
             '239.255.255.250', '255.255.255.255', '169.254.1.1', '::', '::1',
             '::ffff:127.0.0.1', '64:ff9b::7f00:1', 'fe80::1', 'ff02::fd',
             'ff05::fd']


@test('F21: a lying name server: nothing is sent to where it may not go')
def _():
    for port in iter(lambda: random.randrange(20000, 30000), None):
        with contextlib.suppress(OSError):
            good = Echo(GENUINE, port)
            break
    with good, contextlib.ExitStack() as stack:
        wire = stack.enter_context(Wire(port))
        elsewhere = stack.enter_context(Origin('127.0.0.99')).socket
        elsewhere.sendto(b'', ('127.0.0.98', port))
        equal(wire.destinations(), {'127.0.0.98': 1})
        dns = stack.enter_context(Resolver({}))
        neighbour = stack.enter_context(
            Origin(dns.address.split(':')[0])).socket
        behaviours = dns.behaviours = {
            'id': forged(other_id),
            'question': forged(other_question),
            'address': forged(sent_by(elsewhere)),
            'port': forged(sent_by(neighbour)),
            'loop': loop,
            'alias': alias_to(b'localhost'),
            'mixed': says('127.0.0.1', '0.0.0.0', GENUINE, '224.0.1.187'),
            **{f'x{i}': says(a) for i, a in enumerate(FORBIDDEN)}}
        expected = {'id': {'2.05'}, 'question': {'2.05', '5.04'},
                    'address': {'2.05'}, 'port': {'2.05', '5.05'},
                    'loop': {'5.02'}, 'alias': {'5.02'}, 'mixed': {'2.05'},
                    # An IPv4-mapped one in an AAAA record is none at all.
                    **{f'x{i}': {'5.02' if a.startswith('::ffff') else '5.05'}
                       for i, a in enumerate(FORBIDDEN)}}
        proxy = stack.enter_context(Proxy(
            dns_section(dns) +
            f'[forward]\nallow-to = coap://{GENUINE}:*\n'))
        asker = stack.enter_context(Asker(proxy))
        for turn in range(20 if FULL else 3):
            uris = {f'coap://{word}-{turn}.test:{port}/x?id': word
                    for word in behaviours}
            codes, _ = asker.all_of(uris, 0.01, TIMEOUT + WAIT)
            for uri, word in uris.items():
                equal(codes[uri] in expected[word], True,
                      f'{uri}: {codes[uri]}')
        seen = wire.destinations()
        print(f'# sent to {dict(seen)}, {len(dns.asked)} questions')
        equal(set(seen), {GENUINE})


tap.run()
