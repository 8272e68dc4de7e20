"""Networks that are narrow, one-way or lie: F10c, F10e, F10f, and F17 as far as
it is about ICMP. See network.py."""

import os
import pathlib
import re
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

import tap                                              # noqa: E402
from blocks import Store, download, octets, upload      # noqa: E402
from coap import (CON, EMPTY, GET, OBSERVE, POST,       # noqa: E402
                  Message, Origin)
from network import (ACK_TIMEOUT, FULL, SLACK, TIMING,  # noqa: E402
                     WAIT_FACTOR, acknowledge, client, load, scene, together,
                     transfer, until)
from tap import Skip, equal                             # noqa: E402
from watched import Watched                             # noqa: E402


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
