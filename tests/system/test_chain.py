"""Two proxies in a row when something goes wrong, rings of proxies, and what
must cross any number of them unchanged."""

import contextlib
import threading
import time

from coap import (ACK, BLOCK1, BLOCK2, CON, CONTENT_FORMAT, EMPTY, GET,
                  HOP_LIMIT, MAX_AGE, NON, OBSERVE, POST, PROXY_SCHEME,
                  PROXY_URI, PUT, RST, URI_HOST, URI_PORT, Client, Endpoint,
                  Message, Origin, block)
from programs import ClosedPort, Proxy, libcoap
from tap import equal, run, test
from ways import CHAINS, OPEN, WAYS, each_way

OSCORE, EDHOC, SIZE1 = 9, 21, 60


# ---- errors come through two proxies ----


@each_way(test, CHAINS, 'PRX-43: %s: nobody at the end: 5.02 comes through')
def _(way):
    with ClosedPort() as closed, way(closed.port) as through, \
            Client(through.address) as client:
        for kind in (CON, NON):
            got = through.ask(client, GET, '/x', type=kind)
            equal((got.code, got.payload), ('5.02', b'next hop unreachable'))
            # PRX-49: as the proxy next to it said.
            equal(got.value(MAX_AGE), b'\5')
        equal(client.fence(), [])


@each_way(test, CHAINS, 'PRX-42: %s: silence at the end: 5.04 comes through')
def _(way):
    # The first proxy would wait for 90 s, the last one waits for one.
    with Origin() as origin, way(origin.port, timeout='1s') as through, \
            Client(through.address) as client, \
            Client(through.address) as other:
        began = time.monotonic()
        sent = client.send(through.message(GET, '/x'))
        other.send(through.message(GET, '/y', type=NON))
        ack = client.receive()
        # MSG-41: before the client repeats itself.
        equal((ack.type, ack.code, ack.mid, time.monotonic() - began < 2),
              (ACK, EMPTY, sent.mid, True))
        got = client.await_response(sent)
        equal((got.type, got.code, got.payload),
              (CON, '5.04', b'no answer in time'))
        got = other.receive()
        equal((got.type, got.code), (NON, '5.04'))
        equal(client.fence(), [])


@each_way(test, CHAINS, 'PRX-43: %s: a RST at the end: 5.02 comes through')
def _(way):
    with Origin() as origin, way(origin.port) as through, \
            Client(through.address) as client:
        for kind in (CON, NON):
            sent = client.send(through.message(POST, '/x', type=kind))
            origin.reset(origin.receive())
            got = client.await_response(sent)
            equal((got.code, got.payload), ('5.02', b'reset by the next hop'))


@each_way(test, WAYS, 'PRX-50 PRX-52 PRX-102: errors at the end of %s')
def _(way):
    with Origin() as origin, way(origin.port) as through, \
            Client(through.address) as client:
        for code, options, payload in (
                ('4.13', [(BLOCK1, block(0, 0, 32)), (SIZE1, 100)], b''),
                ('4.08', [], b'block 2 is missing'),
                ('4.12', [], b''), ('4.15', [], b''),
                ('4.09', [(CONTENT_FORMAT, 60)], b'\xa0'),
                ('4.22', [], b'no'), ('5.00', [], b'\xff' * 900),
                ('4.00', [(CONTENT_FORMAT, 257)], b'\xa1\x20\x61x'),
                ('5.03', [(MAX_AGE, 30)], b''),
                ('4.29', [(MAX_AGE, 1)], b''), ('5.31', [(65001, 'x')], b'?'),
                ('5.02', [(MAX_AGE, 5)], b'of somebody behind')):
            # A path each: busy ones are left alone (MSG-74).
            sent = client.send(through.message(PUT, f'/{code}',
                                               payload=b'x'))
            origin.answer(code, payload, options)
            got = client.await_response(sent)
            equal((got.code, got.payload), (code, payload))
            # BLK-37: a Block option is between the last proxy and the origin.
            options = [o for o in options if o[0] != BLOCK1]
            equal(got.options, Message(code, '', options).options, code)


@each_way(test, CHAINS, 'MSG-73: %s: a datagram without end: 4.13 at once')
def _(way):
    with Origin() as origin, way(origin.port) as through, \
            Client(through.address) as client:
        got = through.ask(client, PUT, '/x', payload=b'x' * 60000)
        equal((got.code, got.value(SIZE1)), ('4.13', b'\4\0'))
        origin.untouched()


# ---- rings ----


class Hop:
    """A place between two proxies that both send through: what goes to it goes
    on to TO, and back. The requests are counted, each once."""

    def __init__(self):
        self.near, self.far = Endpoint(), Endpoint()
        self.uri = f'coap://127.0.0.1:{self.near.port}'
        self.to = None
        self.seen, self.limits = set(), []
        self._threads = [threading.Thread(target=f, daemon=True)
                         for f in (self._forth, self._back)]

    def start(self, to):
        self.to = to
        for thread in self._threads:
            thread.start()

    def _forth(self):
        while True:
            data, self.last = self.near.socket.recvfrom(65535)
            if not data:
                return
            message = Message.decode(data)
            if message.code < '1' and message.code != EMPTY and \
                    message.token not in self.seen:
                self.seen.add(message.token)
                self.limits += [v[0] for v in message.values(HOP_LIMIT)]
            self.far.send_raw(data, self.to)

    def _back(self):
        while True:
            data, _ = self.far.socket.recvfrom(65535)
            if not data:
                return
            self.near.send_raw(data, self.last)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with Endpoint() as end:
            for socket in (self.near, self.far):
                end.send_raw(b'', ('127.0.0.1', socket.port))
        for thread in self._threads:
            if thread.ident:
                thread.join()
        self.near.close()
        self.far.close()


RINGS = {
    'reverse proxies': '[route]\nto = %s\n',
    'next proxies': f'{OPEN}via = %s\n',
    'forward proxies behind routes':
        f'{OPEN}routes = yes\n[route]\nas = proxy\nto = %s\n',
}


@contextlib.contextmanager
def ring(kind, size):
    """The first of SIZE proxies, each the next one's, and the Hop between the
    last and the first."""
    with contextlib.ExitStack() as stack:
        hop = stack.enter_context(Hop())
        to = hop.uri
        for n in range(size, 0, -1):
            proxy = stack.enter_context(
                Proxy(f'[proxy]\nname = p{n}\n{RINGS[kind] % to}'))
            to = proxy.uri
        hop.start(proxy.address)
        yield proxy, hop


def ring_test(function):
    for kind in RINGS:
        for size in (2, 3):
            test(f'PRX-65 PRX-67: a ring of {size} {kind} comes to an end')(
                lambda kind=kind, size=size: function(kind, size))


@ring_test
def _(kind, size):
    # The name is never looked up: each proxy leaves that to the next.
    target = [] if kind == 'reverse proxies' else \
        [(PROXY_SCHEME, 'coap'), (URI_HOST, 'far.example')]
    laps = 16 // size
    with ring(kind, size) as (first, hop), Client(first.address) as client:
        for n, (code, type, options) in enumerate((
                (GET, CON, []), (POST, NON, []), (GET, CON, [(OBSERVE, 0)]),
                (GET, NON, [(OBSERVE, 0)])), 1):
            got = client.request(code, '/round', [*target, *options],
                                 type=type)
            equal(got.code in ('5.08', '5.02'), True, got)
            equal(got.value(OBSERVE), None)
            # One request in a ring of SIZE is 16 of them, no more.
            equal(len(hop.seen), n * laps, 'forwards that the hop saw')
            equal(hop.limits[-laps:],
                  [17 - size - lap * size for lap in range(laps)])
        equal(client.fence(), [], 'one response each')
        equal(len(hop.seen), 4 * laps, 'nothing goes round after it')
        # A short limit comes back as 5.08, with the names of its way.
        got = client.request(GET, '/round', [*target, (HOP_LIMIT, size)])
        names = ' '.join(f'p{n}' for n in range(1, size + 1))
        equal((got.code, got.payload), ('5.08', names.encode()))
        equal(len(hop.seen), 4 * laps, 'not as far as the hop')


# ---- what is not a proxy's business ----


# RFC 8613 C.4, C.7 and C.8: request; two responses to it.
C4 = '44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e'
C7 = '64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106'
C8 = ('64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e')
# C.6, with a context ID.
C6 = ('44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3'
      'ff72cd7273fd331ac45cffbe55c3')


def protected(message):
    return message.code, message.value(OSCORE), message.payload


def oscore_crosses(proxy, origin, more=()):
    """The vectors through PROXY to ORIGIN, with the options MORE."""
    with Client(proxy.address) as client:
        for request, response in ((C4, C7), (C4, C8), (C6, C7)):
            request, response = (Message.decode(bytes.fromhex(text))
                                 for text in (request, response))
            # A target of its own takes the place of the vector's Uri-Host.
            options = [o for o in request.options
                       if not more or o[0] != URI_HOST]
            sent = Message(request.code, '', [*options, *more],
                           request.payload, token=request.token)
            client.send(sent)
            got = origin.receive()
            equal(protected(got), protected(request))
            equal(got.value(HOP_LIMIT) is not None, True, 'PRX-66')
            origin.reply(got, response.code, response.payload,
                         response.options)
            answer = client.await_response(sent)
            # But for the Message ID it is the datagram of the RFC.
            equal((answer.code, answer.raw[4:].hex()),
                  (response.code,
                   (request.token + response.encode()[8:]).hex()))


@test('PRX-88: the vectors of RFC 8613 through a reverse proxy')
def _():
    with Origin() as origin, Proxy(
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n') as proxy:
        oscore_crosses(proxy, origin)
        with Client(proxy.address) as client:
            # As captured, octet for octet.
            client.send_raw(bytes.fromhex(C4))
            got = origin.receive()
            equal((protected(got), got.value(URI_HOST)),
                  (protected(Message.decode(bytes.fromhex(C4))),
                   b'localhost'))
            response = Message.decode(bytes.fromhex(C7))
            origin.reply(got, response.code, response.payload,
                         response.options)
            equal(client.receive().raw.hex(), C7)


@test('PRX-88 PRX-92: ... through forward proxies, one or two')
def _():
    with Origin() as origin, Proxy(OPEN) as last, \
            Proxy(f'{OPEN}via = {last.uri}') as first:
        by_uri = [(PROXY_URI, f'coap://127.0.0.1:{origin.port}')]
        by_scheme = [(URI_HOST, '127.0.0.1'), (URI_PORT, origin.port),
                     (PROXY_SCHEME, 'coap')]
        for proxy in (last, first):
            for more in (by_uri, by_scheme):
                oscore_crosses(proxy, origin, more)


@test('PRX-88 PRX-93: ... through two reverse proxies, and EDHOC with it')
def _():
    with Origin() as origin, Proxy(
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n') as last, \
            Proxy(f'[route]\nto = {last.uri}\n') as first:
        oscore_crosses(first, origin)
        with Client(first.address) as client:
            sent = client.send(Message(
                POST, '', [(OSCORE, b'\x09\x14'), (EDHOC, b'')],
                b'\x58\x20' + bytes(range(32)) + b'\xff'))
            got = origin.receive()
            equal((protected(got), got.value(EDHOC)), (protected(sent), b''))
            # PRX-92: an error that is not protected.
            origin.reply(got, '4.01', b'Security context not found',
                         [(MAX_AGE, b'')])
            answer = client.await_response(sent)
            equal((answer.code, answer.payload, answer.options),
                  ('4.01', b'Security context not found', [(MAX_AGE, b'')]))


# ---- ends and ports ----


@test('MSG-76: a client that has gone: the origin is acknowledged all the same')
def _():
    with Origin() as origin, Proxy(
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n') as proxy, \
            Client(proxy.address) as other:
        with Client(proxy.address) as client:
            client.send(Message(GET, '/x'))
            request = origin.receive()
            origin.acknowledge(request)
            equal(client.receive().code, EMPTY)
        # Its port is closed now: what is sent there comes back as an error.
        late = origin.reply(request, payload='late', type=CON, mid=0x7000)
        for copies in (2, 1, 0):
            ack = origin.receive()
            equal((ack.type, ack.code, ack.mid), (ACK, EMPTY, 0x7000))
            if copies:
                origin.send_raw(late.raw, request.source)
        for _ in range(3):
            sent = other.send(Message(GET, '/y'))
            origin.answer(payload='for the other')
            equal(other.await_response(sent).payload, b'for the other')
        # And one that resets the answer is done with.
        sent = other.send(Message(POST, '/z'))
        request = origin.receive()
        origin.acknowledge(request)
        equal(other.receive().mid, sent.mid)
        late = origin.reply(request, payload='z', type=CON, mid=0x7001)
        equal(origin.receive().mid, 0x7001)
        answer = other.receive()
        other.send(Message(EMPTY, type=RST, mid=answer.mid, token=b''))
        equal(other.fence(), [])
        origin.send_raw(late.raw, request.source)
        ack = origin.receive()
        equal((ack.type, ack.mid), (ACK, 0x7001))
        equal(other.fence(), [])


@test('PRX-105: every copy of a request from one port, which takes the answer')
def _():
    with Origin() as origin, Origin() as second, Proxy(f'''
            [message]
            ack-timeout = 1s
            [origin]
            nstart = 2
            [route]
            path = /second
            to = coap://127.0.0.1:{second.port}
            [route]
            to = coap://127.0.0.1:{origin.port}''') as proxy, \
            Client(proxy.address) as client, \
            Client(proxy.address) as other:
        sent = client.send(Message(GET, '/x'))
        copies = [origin.receive()]
        # Another socket, and another request on this one.
        for path, to in (('/second', second), ('/y', origin)):
            between = other.send(Message(GET, path))
            to.answer()
            equal(other.await_response(between).code, '2.05')
        copies += [origin.receive() for _ in range(2)]
        equal({m.raw for m in copies}, {copies[0].raw})
        equal({m.source for m in copies}, {copies[0].source})
        origin.reply(copies[0], payload='hi')
        equal(client.await_response(sent).payload, b'hi')


@test('MSG-72: the list of our own in blocks, no datagram above 1152 octets')
def _():
    paths = [f'/{n:03}{"p" * 60}/{"q" * 60}' for n in range(40)]
    with Proxy(''.join(f'[route {n}]\npath = {path}\n'
                       'to = coap://127.0.0.1:9\n'
                       for n, path in enumerate(paths))) as proxy, \
            Client(proxy.address) as client:
        body, num, more = b'', 0, True
        while more:
            options = [(BLOCK2, block(num, 0, 1024))] if num else []
            got = client.request(GET, '/.well-known/core', options,
                                 token=b't' * 64)
            equal((got.code, len(got.raw) <= 1152), ('2.05', True))
            value = int.from_bytes(got.value(BLOCK2), 'big')
            more = value & 8
            equal((value >> 4, value & 7), (num, 6))
            equal(len(got.payload) == 1024 or not more, True)
            body += got.payload
            num += 1
        equal(body.decode(), ','.join(f'<{path}>' for path in paths))
        equal(libcoap(f'{proxy.uri}/.well-known/core').strip(), body.decode())


run()
