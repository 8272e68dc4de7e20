"""The same requests along every way, to origins and from clients of others:
what comes through one or two proxies is what comes directly."""

import pathlib
import tempfile

import tap
from coap import (ACCEPT, ACK, BLOCK1, BLOCK2, CON, CONTENT_FORMAT, DELETE,
                  EMPTY, ETAG, FETCH, GET, IPATCH, NON, POST, PUT, Client,
                  block)
from programs import LibcoapServer, Node, libcoap, need_node, node_server
from tap import equal, test
from ways import WAYS, each_way

# Every octet there is, and not a number of whole blocks.
BODY = bytes(range(256)) * 11 + b'the end'


def up(send, path, body, size):
    """Puts BODY block by block; SEND(code, path, options, payload) asks."""
    last = (len(body) - 1) // size
    for num in range(last + 1):
        got = send(PUT, path, [(BLOCK1, block(num, num < last, size))],
                   body[num * size:][:size])
        equal(got.code in (('2.31',) if num < last else ('2.01', '2.04')),
              True, f'block {num}: {got}')
        equal(got.value(BLOCK1), block(num, num < last, size), 'Block1')


def down(send, path, size):
    """Gets a body block by block."""
    body, num, more, etag = b'', 0, True, None
    while more:
        got = send(GET, path, [(BLOCK2, block(num, 0, size))])
        equal(got.code, '2.05', f'block {num}')
        etag = got.value(ETAG) if num == 0 else etag
        equal(got.value(ETAG), etag, 'one ETag')
        value = int.from_bytes(got.value(BLOCK2) or b'', 'big')
        more = value & 8
        equal((value >> 4, len(got.payload) == size or not more), (num, True))
        body += got.payload
        num += 1
    return body


class Both:
    """A client along a WAY, and another one at the origin itself, PORT."""

    def __init__(self, way, port):
        self.way = way
        self.through = Client(way.address)
        self.direct = Client(('127.0.0.1', port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.through.close()
        self.direct.close()

    def ask(self, *args, **more):
        return self.way.ask(self.through, *args, **more)

    def ask_directly(self, *args, **more):
        return self.direct.request(*args, **more)

    def same(self, *args, **more):
        """Asks both ways, for something that does not change; the answer."""
        got = self.ask(*args, **more)
        want = self.ask_directly(*args, **more)
        equal((got.code, got.options, got.payload),
              (want.code, want.options, want.payload), args)
        return got


class Slow:
    """A GET of a client of its own that is answered late: first comes an empty
    ACK, then the answer in a CON of its own."""

    def __init__(self, way, path):
        self.client = Client(way.address)
        self.sent = self.client.send(way.message(GET, path))

    def acknowledged(self):
        ack = self.client.receive()
        equal((ack.type, ack.code, ack.mid), (ACK, EMPTY, self.sent.mid))

    def answer(self):
        answer = self.client.await_response(self.sent)
        self.client.close()
        equal((answer.type, answer.code), (CON, '2.05'))
        return answer.payload


def common(both, kind):
    """What both origins understand; KIND is the message type."""
    def ask(*args, **more):
        return both.ask(*args, type=kind, **more)

    path = f'/c{kind}'
    equal(both.same(GET, path, type=kind).code, '4.04')
    equal(ask(PUT, path, [(CONTENT_FORMAT, 0)], b'one').code, '2.01')
    equal(both.same(GET, path, type=kind).payload, b'one')
    equal(ask(PUT, path, [(CONTENT_FORMAT, 0)], b'\0\xff').code, '2.04')
    equal(both.same(GET, path, type=kind).payload, b'\0\xff')
    both.same(GET, path, [(ACCEPT, 0)], type=kind)
    equal(both.same(IPATCH, path, [(CONTENT_FORMAT, 52)], b'[]',
                    type=kind).code, '4.05')
    equal(both.same(FETCH, path, [(CONTENT_FORMAT, 50)], b'{}',
                    type=kind).code, '4.05')
    equal(ask(DELETE, path).code, '2.02')
    equal(both.same(GET, path, type=kind).code, '4.04')
    # PRX-68 PRX-69: a location leads, along the same way, to what was made.
    made = ask(POST, f'{path}/list', payload=b'item')
    equal(made.code, '2.01', made)
    where = both.way.location(made)
    equal(where.startswith(f'{path}/list'), True, where)
    equal(both.same(GET, where, type=kind).payload, b'item')


@each_way(test, WAYS, 'libcoap behind %s: all methods, CON and NON')
def _(way):
    with LibcoapServer('-d', '20') as origin, way(origin.port) as through, \
            Both(through, origin.port) as both:
        late = Slow(through, '/async?2')
        for kind in (CON, NON):
            common(both, kind)
            equal(both.same(DELETE, '/', type=kind).code, '4.05')
            both.same(GET, '/', type=kind)
            both.same(GET, '/.well-known/core' if through.base else '/',
                      type=kind)
        # BLK-26: a block that nothing came before goes no further.
        got = both.ask(PUT, '/lost', [(BLOCK1, block(3, 0, 16))], b'x' * 16)
        equal((got.code, got.value(BLOCK1)), ('4.08', block(3, 0, 16)))
        late.acknowledged()
        equal(late.answer(), b'done')


@each_way(test, WAYS, 'libcoap behind %s: 2823 octets up and down in blocks')
def _(way):
    with LibcoapServer('-d', '20') as origin, way(origin.port) as through, \
            Both(through, origin.port) as both:
        for size in (32, 256, 1024):
            body = BODY + str(size).encode()
            up(both.ask, '/body', body, size)
            equal(down(both.ask_directly, '/body', 1024) == body, True, size)
            for other in (32, 64, 512, 1024):
                equal(down(both.ask, '/body', other) == body, True,
                      (size, other))


@each_way(test, WAYS, 'BLK-30 BLK-41: libcoap behind %s: two uploads at once')
def _(way):
    with LibcoapServer('-d', '20') as origin, way(origin.port) as through, \
            Client(through.address) as one, Client(through.address) as two, \
            Client(('127.0.0.1', origin.port)) as direct:
        blocks = 6
        # To the origin it is one datagram, or blocks again.
        for size, paths in ((64, ('/one', '/two')), (64, ('/same', '/same')),
                            (512, ('/1', '/2')), (512, ('/3', '/3'))):
            bodies = [bytes([mark]) * (size * blocks - 9) for mark in b'12']
            for path in paths:
                direct.request(PUT, path, payload=b'before')
            for num in range(blocks):
                more = num < blocks - 1
                both = [*zip((one, two), paths, bodies)]
                for client, path, body in both if num % 2 else both[::-1]:
                    got = through.ask(client, PUT, path, [
                        (BLOCK1, block(num, more, size))],
                        body[num * size:][:size])
                    # BLK-23, BLK-24.
                    equal((got.code, got.value(BLOCK1)),
                          ('2.31' if more else '2.04',
                           block(num, more, size)), (num, path))
            # Of one place, the second has the last word.
            got = [down(direct.request, path, 1024) for path in set(paths)]
            equal(sorted(got), bodies if len(got) > 1 else bodies[1:])


@each_way(test, WAYS, 'libcoap asks libcoap through %s: a file up and down')
def _(way):
    with LibcoapServer('-d', '20') as origin, way(origin.port) as through, \
            tempfile.TemporaryDirectory() as place:
        source, copy = (pathlib.Path(place, n) for n in ('up', 'down'))
        source.write_bytes(BODY)
        for size in ('64', '1024'):
            # The server confuses bodies for places that are not there yet,
            # also without a proxy.
            libcoap('-m', 'put', '-e', 'x', *through.libcoap(f'/file{size}'))
            for kind in ([], ['-N']):
                copy.unlink(missing_ok=True)
                libcoap(*kind, '-b', size, '-m', 'put', '-f', source,
                        *through.libcoap(f'/file{size}'))
                libcoap(*kind, '-b', size, '-o', copy,
                        *through.libcoap(f'/file{size}'))
                equal(copy.read_bytes() == BODY, True, (size, kind))
        tap.contains(libcoap(*through.libcoap('/nothing')), '4.04')
        tap.contains(libcoap('-m', 'post', *through.libcoap('/time')), '4.05')


@each_way(test, WAYS, 'node-coap behind %s: all methods, CON and NON')
def _(way):
    need_node()
    with node_server() as origin, way(origin.port) as through, \
            Both(through, origin.port) as both:
        late = Slow(through, '/late?wait')
        for kind in (CON, NON):
            common(both, kind)
        late.acknowledged()
        both.ask(PUT, '/late', payload=b'at last')
        equal(late.answer(), b'at last')


@each_way(test, WAYS, 'node-coap asks node-coap through %s')
def _(way):
    need_node()
    with node_server() as origin, way(origin.port) as through, \
            Node('client', through.first.port) as client:
        text = ''.join(f'{n:04} ' for n in range(400))
        with Node('client', origin.port) as direct:
            # Not through a proxy: its server knows blocks by their token, see
            # test_blocks.py.
            direct.ask({'method': 'PUT', 'path': '/long', 'text': text,
                        'block1': 5})
        for method, path, body, code in (
                ('GET', '/x', None, '4.04'), ('PUT', '/x', 'one', '2.01'),
                ('PUT', '/x', 'two', '2.04'), ('GET', '/x', None, '2.05'),
                ('DELETE', '/x', None, '2.02'), ('GET', '/x', None, '4.04'),
                ('GET', '/long', None, '2.05')):
            more = {'text': body} if body else {}
            got, = client.ask(through.node(method, path, **more))
            equal(got['code'], code, (method, path))
        equal(got['text'] == text, True, 'long')


tap.run()
