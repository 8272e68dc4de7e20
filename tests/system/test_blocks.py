"""Block-wise transfers through the real program: bodies of 300 KB both ways,
octet for octet, many at once, too large ones, and what is left of them."""

import os
import pathlib
import random
import re
import tempfile

from blocks import Store, download, numbers, octets, rest, talk, upload
from coap import (BLOCK1, BLOCK2, GET, MAX_AGE, POST, PUT, REQUEST_TAG, Client,
                  Message, Origin, block)
from programs import (Node, Proxy, QuietLibcoapServer, libcoap, need_node,
                      node_server)
from tap import equal, run, test
from ways import CHAINS, each_way

BODY = octets(300 * 1024 + 123)
SIZE1 = 60


def config(port, more='', message=''):
    """A route to PORT; MORE may be further sections."""
    return f'''
        [cache]
        size = 64M
        [message]
        {message}
        {more}
        [route]
        to = coap://127.0.0.1:{port}'''


def same(got, body=BODY, what='body'):
    """Whether a transfer brought just BODY; a difference would not be easy to
    read."""
    if got is None or got != body:
        at = next((i for i, (a, b) in enumerate(zip(got or b'', body))
                   if a != b), 'the end')
        raise AssertionError(f'{what}: {len(got or b"")} octets, expected '
                             f'{len(body)}, first difference at {at}')


def one(client, transfer):
    return talk((client, transfer))[0]


def backwards(body, size, make=Message):
    """Posts BODY to a Store, and takes the answer, all in blocks of SIZE."""
    options = [(SIZE1, len(body)), (BLOCK2, block(0, 0, size))]
    got = yield from upload(POST, '/x', body, size, options, make)
    return (yield from rest(got, POST, '/x', make=make))


# ---- 300 KB ----


def sizes(down, up):
    name = f'{down} octets to the client, {up} to the origin'

    @test(f'BLK-38 BLK-40: 300 KB up and down: blocks of {name}')
    def _():
        with Store(up) as origin, Proxy(config(origin.port)) as proxy, \
                Client(proxy.address) as client:
            got = one(client, upload(PUT, '/x', BODY, down))
            last = block((len(BODY) - 1) // down, 0, down)
            equal((got.code, got.value(BLOCK1)), ('2.01', last), 'BLK-24')
            same(origin.bodies['/x'])
            equal(len(origin.puts), 1)
            before = origin.requests
            got, body = one(client, download('/x', down))
            equal((got.code, numbers(got.value(BLOCK2))),
                  ('2.05', (0, True, down)))
            same(body)
            # One fetch, whatever the client's blocks.
            equal(origin.requests - before, -(-len(BODY) // up))


for down in 64, 1024:
    for up in 64, 256, 1024:
        sizes(down, up)
sizes(16, 1024)


@test('BLK-11 BLK-25: size = 256 is the largest block, both ways')
def _():
    with Store() as origin, \
            Proxy(config(origin.port, '[block]\nsize = 256')) as proxy, \
            Client(proxy.address) as client:
        got = one(client, upload(PUT, '/x', BODY, 1024))
        equal((got.code, numbers(got.value(BLOCK1))[2]), ('2.01', 256))
        same(origin.bodies['/x'])
        got, body = one(client, download('/x'))
        same(body)


@test('BLK-09 BLK-20 BLK-35: 300 KB up with POST, and another 300 KB back')
def _():
    with Store(256) as origin, Proxy(config(origin.port)) as proxy, \
            Client(proxy.address) as client:
        for size in 64, 1024:
            got, body = one(client, backwards(BODY, size))
            equal((got.code, numbers(got.value(BLOCK2))),
                  ('2.04', (0, True, size)))
            same(body, BODY[::-1])


@test('BLK-08 BLK-25: the origin turns to smaller blocks on the way')
def _():
    with Store() as origin, Proxy(config(origin.port)) as proxy, \
            Client(proxy.address) as client:
        respond = origin.respond

        def respond_smaller(message):
            if origin.requests % 20 == 0:
                origin.size = max(64, origin.size // 2)
            return respond(message)

        origin.respond = respond_smaller
        equal(one(client, upload(PUT, '/x', BODY, 1024)).code, '2.01')
        same(origin.bodies['/x'])
        equal(origin.size, 64)
        origin.size = 1024
        same(one(client, download('/x'))[1])
        equal(origin.size, 64)


# ---- other software ----

# libcoap 4.3.1 forgets its CON when it gets an empty ACK, and can then make
# nothing of a first block (libcoap's issue 1595); and its server makes a copy
# of the whole body for each block, which takes its time.
PATIENT = 'ack-timeout = 1h\nempty-ack-delay = 50m'


def libcoap_sizes(size):
    """Arguments for libcoap's client, and their name."""
    return (['-b', size], f'-b {size}') if size else ([], 'its own choice')


def libcoap_file(size, ours):
    choice, name = libcoap_sizes(size)

    @test(f'BLK-38: libcoap: a file of 300 KB up and down: {name}, '
          f'{ours} at the server')
    def _():
        with QuietLibcoapServer('-d', '5') as origin, \
                Proxy(config(origin.port, f'[block]\nsize = {ours}',
                             PATIENT)) as proxy, \
                tempfile.TemporaryDirectory() as place:
            source, copy = (pathlib.Path(place, n) for n in ('up', 'down'))
            source.write_bytes(BODY)
            # What is there already: see test_interop.py.
            libcoap('-m', 'put', '-e', 'x', f'{origin.uri}/file')
            libcoap(*choice, '-m', 'put', '-f', source, f'{proxy.uri}/file')
            libcoap('-b', '1024', '-o', copy, f'{origin.uri}/file')
            same(copy.read_bytes(), what='at the origin')
            # From the origin, and from the cache.
            for kind in [], ['-N']:
                copy.unlink()
                libcoap(*kind, *choice, '-o', copy, f'{proxy.uri}/file')
                same(copy.read_bytes(), what=f'through the proxy {kind}')


for size in '64', '1024', None:
    for ours in '64', '256', '1024':
        libcoap_file(size, ours)


@test('BLK-38: node-coap asks libcoap: 300 KB up and down')
def _():
    need_node()
    text = ''.join(f'{n:05} ' for n in range(51200))
    with QuietLibcoapServer('-d', '5') as origin, \
            Proxy(config(origin.port)) as proxy, \
            Node('client', proxy.port) as client:
        libcoap('-m', 'put', '-e', 'x', f'{origin.uri}/text')
        for size in 2, 6:
            got, = client.ask({'method': 'PUT', 'path': '/text',
                               'text': text, 'block1': size})
            equal(got.get('code'), '2.04', got)
            same(libcoap('-b', '1024', f'{origin.uri}/text').encode(),
                 text.encode() + b'\n')
            got, = client.ask({'method': 'GET', 'path': '/text'})
            same(got['text'].encode(), text.encode())


@test('BLK-12 BLK-13: libcoap and scripts get 300 KB of node-coap')
def _():
    need_node()
    text = ''.join(f'{n:05} ' for n in range(51200))
    with node_server() as origin, \
            Proxy(config(origin.port, message=PATIENT)) as proxy, \
            Node('client', origin.port) as direct, \
            Client(proxy.address) as client:
        made, = direct.ask({'method': 'PUT', 'path': '/text', 'text': text,
                            'block1': 6})
        equal(made.get('code'), '2.01', made)
        same(libcoap('-b', '64', f'{proxy.uri}/text').encode(),
             text.encode() + b'\n')
        for size in 64, 1024, None:
            same(one(client, download('/text', size))[1], text.encode())


@test('BLK-10 BLK-38: node-coap gets what one datagram takes, of any blocks')
def _():
    # Its server finds the blocks of an upload by their token, which RFC 7959
    # does not promise; each of our requests has its own. What it says to that,
    # 5.00, is what its client is told.
    need_node()
    with node_server() as origin, Proxy(config(origin.port)) as proxy, \
            Client(proxy.address) as client, \
            Client(('127.0.0.1', origin.port)) as direct:
        for size in 16, 64, 1024:
            got = one(client, upload(PUT, '/x', BODY[:1024], size))
            equal(got.code in ('2.01', '2.04'), True, got)
            same(one(direct, download('/x'))[1], BODY[:1024])
        got = one(client, upload(PUT, '/large', BODY[:1025], 64))
        equal((got.code, got.value(BLOCK1)), ('5.00', block(16, 0, 64)))
        same(one(client, download('/x'))[1], BODY[:1024])


# ---- many at once ----


@test('BLK-30 BLK-38 BLK-41: 50 clients put different bodies to one resource')
def _():
    with Store(256) as origin, Proxy(config(origin.port)) as proxy:
        clients = [Client(proxy.address) for _ in range(50)]
        bodies = [octets(6000 + 7 * n, n) for n in range(50)]
        sizes = [(16, 64, 256, 1024)[n % 4] for n in range(50)]
        got = talk(*((c, upload(PUT, '/x', body, size)) for c, body, size in
                     zip(clients, bodies, sizes)))
        equal(sorted(m.code for m in got), ['2.01'] + ['2.04'] * 49)
        equal(sorted(body for _, body in origin.puts) == sorted(bodies), True,
              'each body whole, once')
        # BLK-41, BLK-42: each has a tag of its own.
        equal(len({tuple(tags) for tags in origin.tags}), 50)
        equal([len(tags) for tags in origin.tags], [1] * 50)
        last = origin.puts[-1][1]
        for got, body in talk(*((c, download('/x', size)) for c, size in
                                zip(clients, sizes))):
            same(body, last)
        for client in clients:
            client.close()


@test('BLK-30: one client, two bodies at once, told apart by Request-Tag')
def _():
    with Store(64) as origin, Proxy(config(origin.port)) as proxy, \
            Client(proxy.address) as client:
        bodies = [octets(5000, n) for n in range(4)]
        # None, an empty one, and two others.
        tags = [[], [b''], [b'1'], [b'1', b'2']]
        uploads = [upload(PUT, '/x', body, 128,
                          [(REQUEST_TAG, tag) for tag in own])
                   for body, own in zip(bodies, tags)]
        requests = [u.send(None) for u in uploads]
        while uploads:
            for n in reversed(range(len(uploads))):
                got = client.await_response(client.send(requests[n]))
                try:
                    requests[n] = uploads[n].send(got)
                except StopIteration as end:
                    equal(end.value.code in ('2.01', '2.04'), True, end.value)
                    del uploads[n], requests[n]
        equal(sorted(body for _, body in origin.puts) == sorted(bodies), True)
        equal(len({tuple(tags) for tags in origin.tags}), 4)


@test('BLK-10 BLK-19: blocks of a body in any order, from several clients')
def _():
    with Store(256) as origin, Proxy(config(origin.port)) as proxy, \
            Client(proxy.address) as one, Client(proxy.address) as two:
        origin.bodies['/x'] = BODY[:20000]
        chosen = [(n, size) for size in (64, 512, 1024)
                  for n in range(20000 // size)]
        random.Random(1).shuffle(chosen)
        for n, size in chosen[:200]:
            for client in one, two:
                got = client.request(GET, '/x', [(BLOCK2, block(n, 0, size))])
                equal((got.code, got.value(BLOCK2)), (
                    '2.05', block(n, (n + 1) * size < 20000, size)))
                same(got.payload, BODY[:20000][n * size:][:size])
        equal(origin.requests, 79, 'one fetch')
        # BLK-16.
        got = one.request(GET, '/x', [(BLOCK2, block(20, 0, 1024))])
        equal(got.code, '4.00')


# ---- too large ----


LIMIT = '[block]\nmax-body = 100K'


@test('BLK-44: a body above max-body comes down whole, block by block')
def _():
    with Store(256) as origin, Proxy(config(origin.port, LIMIT)) as proxy, \
            Client(proxy.address) as one, Client(proxy.address) as two:
        origin.bodies['/x'] = BODY
        for size in None, 64, 256, 1024:
            for got, body in talk((one, download('/x', size)),
                                  (two, download('/x', size))):
                equal(got.code, '2.05')
                same(body)
        # What is not too large is not touched by that.
        origin.bodies['/y'] = BODY[:100 * 1024]
        before = origin.requests
        same(talk((two, download('/y', 64)))[0][1], BODY[:100 * 1024])
        equal(origin.requests - before, 400)


@test('BLK-43: a body above max-body does not go up: 4.13 with Size1')
def _():
    with Store() as origin, Proxy(config(origin.port, LIMIT)) as proxy, \
            Client(proxy.address) as client:
        limit = (100 * 1024).to_bytes(3, 'big')
        got = one(client, upload(PUT, '/x', BODY, 1024))
        equal((got.code, got.value(SIZE1), got.value(BLOCK1)),
              ('4.13', limit, block(100, 0, 1024)))
        # At the first block, when it says so.
        got = one(client, upload(PUT, '/x', BODY, 1024, [
            (SIZE1, len(BODY))]))
        equal((got.code, got.value(SIZE1), got.value(BLOCK1)),
              ('4.13', limit, block(0, 0, 1024)))
        got = client.request(PUT, '/x', [(BLOCK1, block(1000000, 1, 1024))],
                             bytes(1024))
        equal(got.code in ('4.08', '4.13'), True, got)
        equal(origin.requests, 0)
        equal(one(client, upload(PUT, '/x', BODY[:100 * 1024], 64)).code,
              '2.01')
        same(origin.bodies['/x'], BODY[:100 * 1024])


# ---- what is left ----

# With a sanitizer: what is free is free.
FREE = 'quarantine_size_mb=1:thread_local_quarantine_size_kb=64'


def resident(proxy):
    """KB of memory that PROXY takes."""
    text = pathlib.Path(f'/proc/{proxy.process.pid}/status').read_text()
    return int(re.search(r'^VmRSS:\s+(\d+) kB$', text, re.M)[1])


def begin_uploads(client, number, size, path):
    """NUMBER uploads that go on to SIZE octets and then end."""
    for n in range(number):
        transfer = upload(PUT, f'/{path}{n}', bytes(size + 1), 1024)
        request = transfer.send(None)
        for _ in range(size // 1024):
            got = client.await_response(client.send(request))
            equal(got.code, '2.31')
            request = transfer.send(got)


@test('BLK-45: max-transfers uploads at a time, each address has its share')
def _():
    with Store() as origin, Proxy(config(origin.port, '''
            [block]
            max-transfers = 8''')) as proxy, \
            Client(proxy.address) as client, \
            Client(proxy.address, '127.0.0.2') as other:
        # A quarter of 8. The first ones are forgotten...
        begin_uploads(client, 20, 1024, 'lost')
        alive = []
        for n in range(20):
            got = client.request(PUT, f'/lost{n}', [
                (BLOCK1, block(1, 1, 1024))], bytes(1024))
            equal(got.code in ('2.31', '4.08'), True, got)
            if got.code == '2.31':
                alive.append(n)
        equal(alive, [18, 19])
        # ... those that go on are not: there is no place for others.
        got = client.request(PUT, '/more', [(BLOCK1, block(0, 1, 64))],
                             bytes(64))
        equal((got.code, got.value(MAX_AGE) is not None), ('5.03', True))
        for n in alive:
            got = client.request(PUT, f'/lost{n}', [
                (BLOCK1, block(2, 0, 1024))], b'end')
            equal(got.code, '2.01')
            same(origin.bodies[f'/lost{n}'], bytes(2048) + b'end')
        # Somebody else is not troubled.
        begin_uploads(client, 2, 2048, 'held')
        equal(one(other, upload(PUT, '/x', BODY, 1024)).code, '2.01')
        same(origin.bodies['/x'])
        equal(one(other, upload(PUT, '/x', BODY[:3000], 64)).code, '2.04')


@test('BLK-45: max-transfers downloads at a time; what is more gets 5.03')
def _():
    with Origin() as origin, Proxy(config(origin.port, '''
            [origin]
            nstart = 64
            [block]
            max-transfers = 4''')) as proxy, Client(proxy.address) as client:
        held, refused = [], 0
        for n in range(10):
            sent = client.send(Message(GET, f'/{n}'))
            first = origin.receive()
            origin.reply(first, payload=BODY[:64], options=[
                (BLOCK2, block(0, 1, 64))])
            if n < 4:
                held.append((sent, origin.receive()))
                equal(held[-1][1].value(BLOCK2), block(1, 0, 64))
            else:
                got = client.await_response(sent)
                equal((got.code, got.value(MAX_AGE) is not None),
                      ('5.03', True))
                refused += 1
        equal(refused, 6)
        for sent, second in held:
            origin.reply(second, payload=b'end', options=[
                (BLOCK2, block(1, 0, 64))])
            same(client.await_response(sent).payload, BODY[:64] + b'end')
        # They are free again.
        for n in range(10):
            sent = client.send(Message(GET, f'/again{n}'))
            for num in range(2):
                origin.answer(payload=BODY[:64], options=[
                    (BLOCK2, block(num, not num, 64))])
            same(client.await_response(sent).payload, BODY[:64] * 2)


def comes_to_nothing(m):
    """What an origin answers that gives up in the middle of each body."""
    num = numbers(m.value(BLOCK2))[0] if m.value(BLOCK2) else 0
    if m.code == PUT:
        num = numbers(m.value(BLOCK1))[0]
        return '2.31' if num < 100 else '5.00', b'', [
            (BLOCK1, block(num, num < 100, 1024))]
    if num == 200:
        return '5.00', b'no more', []
    return '2.05', bytes(1024), [(BLOCK2, block(num, 1, 1024))]


def give_up(client, turn):
    """Transfers that come to nothing, each for another reason."""
    # Nobody goes on.
    begin_uploads(client, 40, 1024, f'{turn}/left/')
    # A block that cannot be.
    for n in range(20):
        begin_uploads(client, 1, 100 * 1024, f'{turn}/{n}/')
        got = client.request(PUT, f'/{turn}/{n}/0', [
            (BLOCK1, block(100, 1, 1024)), (SIZE1, 1 << 30)], bytes(1024))
        equal(got.code, '4.13')
    # The origin gives up, on the way up and down.
    for n in range(5):
        got = one(client, upload(PUT, f'/{turn}/up', bytes(200 * 1024), 1024))
        equal(got.code, '5.00')
        got = client.request(GET, f'/{turn}/down/{n}')
        equal(got.code, '5.02')


@test('BLK-43 BLK-45: transfers that come to nothing leave no memory behind')
def _():
    with Store() as origin, Proxy(f'''
            [cache]
            size = 1M
            [message]
            max-exchanges = 512
            [block]
            max-body = 256K
            max-transfers = 32
            [route]
            to = coap://127.0.0.1:{origin.port}''', env={
            'ASAN_OPTIONS': f'{os.environ.get("ASAN_OPTIONS", "")}:{FREE}'
            }) as proxy, Client(proxy.address) as client:
        origin.respond = comes_to_nothing
        levels = [resident(proxy)]
        for turn in range(8):
            give_up(client, turn)
            levels.append(resident(proxy))
        print('#', levels, 'KB')
        # Each turn, 4 MB come and go. The first one fills tables.
        equal(levels[-1] - levels[1] < 1024, True, levels)


# ---- two proxies ----


@each_way(test, CHAINS, 'BLK-38 BLK-40: %s: 300 KB up and down')
def _(way):
    with Store(256) as origin, way(origin.port) as through, \
            Client(through.address) as client:
        for n, size in enumerate((64, 1024)):
            body = octets(300 * 1024 + n, n)
            got = one(client, upload(PUT, '/x', body, size,
                                     make=through.message))
            equal(got.code, '2.04' if n else '2.01')
            same(origin.bodies['/x'], body)
            got, found = one(client, download('/x', size,
                                              make=through.message))
            same(found, body)
            got, found = one(client, backwards(body, size, through.message))
            equal(got.code, '2.04')
            same(found, body[::-1])


run()
