"""One answer for many: requests collapsed, answers stored and validated, and
what the cache takes of memory."""

import contextlib
import os
import pathlib
import random
import select
import time

from coap import (ACK, CON, EMPTY, ETAG, GET, MAX_AGE, NON, PUT, URI_QUERY,
                  WAIT, Client, Message, Origin)
from programs import LibcoapServer, Proxy, need_node, node_server
from tap import equal, run, test

MANY = 100
CACHE = '[cache]\nsize = 1M\n'


def route(port, more=''):
    return f'{CACHE}{more}[route]\nto = coap://127.0.0.1:{port}\n'


def age(message):
    """Max-Age in seconds."""
    value = message.value(MAX_AGE)
    return 60 if value is None else int.from_bytes(value, 'big')


@contextlib.contextmanager
def clients(address, number):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Client(address)) for _ in range(number)]


def ask_until_stale(client, origin, message):
    """Asks until the origin is asked. Returns the answers that came without,
    and the request that has none yet."""
    answers = []
    while True:
        sent = client.send(message())
        found = select.select([origin.socket, client.socket], [], [], WAIT)[0]
        if origin.socket in found:
            return answers, sent
        answers.append(client.await_response(sent))


# ---- one request for many ----


@test('CAC-60: 100 clients, CON and NON, one slow resource: one request')
def _():
    with Origin() as origin, Proxy(route(origin.port)) as proxy, \
            clients(proxy.address, MANY) as many:
        # The first is confirmable: nobody waits for less than that.
        sent = [client.send(Message(GET, '/slow',
                                    type=NON if n % 3 == 1 else CON))
                for n, client in enumerate(many)]
        request = origin.receive()
        for client in many:
            client.fence()
        origin.untouched()
        origin.reply(request, payload='for all',
                     options=[(ETAG, b'\1'), (MAX_AGE, 50)])
        for client, message in zip(many, sent):
            got = client.await_response(message)
            equal((got.code, got.payload, got.value(ETAG)),
                  ('2.05', b'for all', b'\1'))
            equal(49 <= age(got) <= 50, True)
        origin.untouched()


@test('CAC-60: 100 clients and libcoap, which takes a second: one request')
def _():
    with LibcoapServer() as server, Proxy(route(server.port)) as proxy, \
            clients(proxy.address, MANY) as many:
        sent = [client.send(Message(GET, '/async', [(URI_QUERY, '1')]))
                for client in many]
        for client, message in zip(many, sent):
            got = client.await_response(message)
            equal((got.code, got.payload), ('2.05', b'done'))
        server.wait_for(r'c:GET.*Uri-Path:async')
        equal(server.output.count('c:GET'), 1, 'requests at the server')


@test('CAC-61: not to be stored, so each has an answer of its own')
def _():
    with Origin() as origin, Proxy(f'{route(origin.port)}[origin]\n'
                                   f'nstart = {MANY}') as proxy, \
            clients(proxy.address, MANY) as many:
        sent = [client.send(Message(GET, '/slow')) for client in many]
        request = origin.receive()
        for client in many:
            client.fence()
        for n in range(MANY):
            origin.reply(request, payload=str(n), options=[(MAX_AGE, 0)])
            if n < MANY - 1:
                request = origin.receive()
        got = {int(client.await_response(message).payload)
               for client, message in zip(many, sent)}
        equal(got, set(range(MANY)))
        origin.untouched()


# ---- validation ----


@test('CAC-26 CAC-27: after Max-Age one validation for all, 2.05 for them')
def _():
    with Origin() as origin, Proxy(route(origin.port)) as proxy, \
            Client(proxy.address) as client, \
            clients(proxy.address, 10) as more:
        sent = client.send(Message(GET, '/t'))
        origin.answer(payload='body', options=[(ETAG, b'\1\2'), (MAX_AGE, 1)])
        equal(client.await_response(sent).payload, b'body')
        hits, sent = ask_until_stale(client, origin,
                                     lambda: Message(GET, '/t'))
        for got in hits:
            equal((got.code, got.payload, got.value(ETAG)),
                  ('2.05', b'body', b'\1\2'))
            equal(age(got) <= 1, True)
        request = origin.receive()
        equal(request.values(ETAG), [b'\1\2'])
        others = [c.send(Message(GET, '/t', [(ETAG, b'\1\2')] if n % 2 else []))
                  for n, c in enumerate(more)]
        for c in more:
            c.fence()
        origin.untouched()
        origin.reply(request, '2.03', options=[(ETAG, b'\1\2'), (MAX_AGE, 30)])
        got = client.await_response(sent)
        equal((got.code, got.payload, got.value(ETAG), age(got)),
              ('2.05', b'body', b'\1\2', 30))
        for n, (c, message) in enumerate(zip(more, others)):
            got = c.await_response(message)
            # CAC-29: who has it hears that it still holds.
            equal((got.code, got.payload), ('2.03', b'') if n % 2 else
                  ('2.05', b'body'))
            equal((got.value(ETAG), 29 <= age(got) <= 30), (b'\1\2', True))
        origin.untouched()


@test('CAC-26: node-coap validates what it has sent')
def _():
    need_node()
    with node_server() as server, Proxy(route(server.port)) as proxy, \
            Client(proxy.address) as client:
        equal(client.request(PUT, '/x', payload='hello').code, '2.01')
        deadline = time.monotonic() + 4 * WAIT
        while 'validated' not in server.output:
            got = client.request(GET, '/x', [(URI_QUERY, 'etag')])
            equal((got.code, got.payload, age(got) <= 1, len(got.value(ETAG))),
                  ('2.05', b'hello', True, 8))
            if time.monotonic() > deadline:
                raise AssertionError(f'never validated:\n{server.output}')
        equal(server.output.count('sent'), 1, 'bodies sent')
        # A change that passes is seen at once.
        equal(client.request(GET, '/x').payload, b'hello')
        equal(client.request(PUT, '/x', payload='new').code, '2.04')
        equal(client.request(GET, '/x').payload, b'new')


# ---- two in a row ----


@test('CAC-19: two proxies in a row: Max-Age falls, and is never prolonged')
def _():
    with Origin() as origin, Proxy(route(origin.port)) as last, \
            Proxy(route(last.port)) as first, \
            Client(last.address) as near, Client(first.address) as client:
        sent = near.send(Message(GET, '/t'))
        origin.answer(payload='hi', options=[(MAX_AGE, 3)])
        ages = [age(near.await_response(sent))]
        equal(ages, [3])
        # The last one's has gone down before the first one asks.
        while ages[-1] > 2:
            ages.append(age(near.request(GET, '/t')))
        hits, sent = ask_until_stale(client, origin,
                                     lambda: Message(GET, '/t'))
        ages += [age(got) for got in hits]
        equal(ages, sorted(ages, reverse=True), 'Max-Age')
        equal({3, 2, 1, 0} >= set(ages) >= {3, 2, 1}, True, 'values')
        # Neither had it for longer than it was good for.
        origin.answer(payload='ho', options=[(MAX_AGE, 3)])
        got = client.await_response(sent)
        equal((got.payload, age(got)), (b'ho', 3))


# ---- memory ----


def resident(pid):
    """Octets of PID in memory."""
    pages = int(pathlib.Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def flood(client, origin, numbers, window=32):
    """Asks for /N for each of NUMBERS; the origin answers each N with as many
    octets as it says, the client looks at them."""
    waiting, numbers, done = {}, iter(numbers), False
    while waiting or not done:
        while not done and len(waiting) < window:
            n = next(numbers, None)
            done = n is None
            if not done:
                mid = n & 0xffff
                waiting[mid] = n
                client.send(Message(GET, f'/{n}', mid=mid,
                                    token=n.to_bytes(4, 'big')))
        found = select.select([origin.socket, client.socket], [], [],
                              WAIT if waiting else 0)[0]
        if waiting and not found:
            raise AssertionError(f'no answer to {waiting}')
        if origin.socket in found:
            request = origin.receive()
            n = int(request.path[1:])
            origin.reply(request, payload=content(n),
                         options=[(MAX_AGE, 3600)])
        if client.socket in found:
            got = client.receive()
            if got.type == ACK and got.code == EMPTY:
                continue
            n = int.from_bytes(got.token, 'big')
            equal((got.code, got.payload), ('2.05', content(n)))
            if got.type == CON:
                client.send(Message(EMPTY, type=ACK, mid=got.mid, token=b''))
            del waiting[n & 0xffff]


def content(n):
    return f'{n:08}'.encode() * (random.Random(n).randrange(120) + 1)


@test('CAC-47: a cache of 1M, 12000 answers of all sizes: 1.3 MB')
def _():
    with Origin() as origin, Proxy(f'''{CACHE}
            [message]
            max-exchanges = 512
            [listen past]
            bind = coap://127.0.0.1:0
            [listen through]
            bind = coap://127.0.0.1:0
            [route past]
            listen = past
            to = coap://127.0.0.1:{origin.port}
            cache = no
            [route through]
            listen = through
            to = coap://127.0.0.1:{origin.port}
            [origin]
            nstart = 64''') as proxy, \
            Client(('127.0.0.1', proxy.ports[0])) as past, \
            Client(('127.0.0.1', proxy.ports[1])) as through:
        pid = proxy.process.pid
        sanitized = 'asan' in pathlib.Path(f'/proc/{pid}/maps').read_text()
        # What is not the cache's has its size.
        flood(past, origin, range(3000))
        idle = resident(pid)
        flood(through, origin, range(10000, 22000))
        grown = resident(pid) - idle
        print(f'# {grown} octets more')
        equal(sanitized or grown <= 1.3 * (1 << 20), True, 'memory')
        # It holds the last of them, not the first.
        sent = through.send(Message(GET, '/21990'))
        equal(through.await_response(sent).payload, content(21990))
        origin.untouched()
        sent = through.send(Message(GET, '/10000'))
        equal(origin.receive().path, '/10000')


run()
