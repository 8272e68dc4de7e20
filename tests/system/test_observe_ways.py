"""Observation along every way, by clients and of origins of others."""

import contextlib
import re
import signal

from coap import BLOCK2, CON, ETAG, GET, NON, OBSERVE, WAIT, block
from observers import Crowd, LibcoapObserver, NodeObservers
from programs import (LibcoapServer, Node, Proxy, QuietLibcoapServer, libcoap,
                      need_node, node_server, udp_port)
from tap import equal, run, test
from ways import WAYS, Way
from watched import Watched

LINGER = '[observe]\nlinger = 500ms\n'
TIME = r'\w{3} \d\d \d\d:\d\d:\d\d$'


@contextlib.contextmanager
def along_all(port, more=''):
    """(ways, what closes what is begun), for an origin on PORT."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(way(port, more=LINGER + more))
               for way in WAYS.values()], stack


@test('OBS-40 OBS-44: libcoap behind every way: its /time ticks for all')
def _():
    need_node()
    with LibcoapServer() as server, along_all(server.port) as (ways, stack):
        node = stack.enter_context(NodeObservers())
        theirs = [node.observe(way, '/time') for way in ways]
        ours = [stack.enter_context(LibcoapObserver(way, '/time', *kind))
                for way in ways for kind in ([], ['-N'])]

        def ticks(beginning):
            return lambda output: len(set(re.findall(
                beginning + TIME, output, re.M))) >= 3

        for one in ours:
            one.wait_for(ticks('^'), 2 * WAIT)
        for one in theirs:
            node.wait_for(ticks(f'^{one.number} 2.05 taken '), 2 * WAIT)
        # Ten of one and five of the other, but one for each way.
        equal(server.output.count('create new subscription'), len(ways))
        for one in [*ours, *theirs]:
            one.leave()
        # OBS-53, OBS-38.
        server.wait_for(lambda output: output.count(
            'removed subscription') == len(ways))
        equal(len(re.findall('c:GET.*Observe:1,', server.output)), len(ways))


@test('OBS-40: node-coap behind every way: all hear what is put there')
def _():
    need_node()
    with node_server() as server, along_all(server.port) as (ways, stack):
        direct = stack.enter_context(Node('client', server.port))

        def put(text):
            made, = direct.ask({'method': 'PUT', 'path': '/x', 'text': text})
            equal(made['code'] in ('2.01', '2.04'), True, made)

        put('at first')
        node = stack.enter_context(NodeObservers())
        theirs = [node.observe(way, '/x') for way in ways for _ in range(2)]
        everybody = [*theirs, *(
            stack.enter_context(LibcoapObserver(way, '/x', *kind))
            for way in ways for kind in ([], ['-N']))]
        for text in ('at first', 'one', 'two', 'three', 'four', 'five', 'six'):
            put(text)
            for one in everybody:
                one.state(text)
        equal(server.output.count('observed /x'), len(ways))
        for one in everybody:
            one.leave()
        # OBS-38 OBS-33: its server does not know Observe 1, and is told by the
        # RST that the next notification gets.
        server.wait_for(lambda output: output.count(
            'deregistered /x') == len(ways))
        equal('ended' in server.output, False)
        put('for nobody')
        server.wait_for(lambda output: output.count('ended /x') == len(ways))


@test('OBS-04 OBS-17 OBS-38 OBS-40 OBS-53: a scripted origin, every way')
def _():
    need_node()
    with Watched(b'at first') as origin, \
            along_all(origin.port, '[cache]\n') as (ways, stack):
        node = stack.enter_context(NodeObservers())
        everybody = [node.observe(way, '/x') for way in ways]
        everybody += (stack.enter_context(LibcoapObserver(way, '/x', *kind))
                      for way in ways for kind in ([], ['-N']))
        crowds = [stack.enter_context(Crowd(way.address, 2)) for way in ways]
        scripted = [member.observe(way, '/x')
                    for way, crowd in zip(ways, crowds) for member in crowd]
        everybody += scripted
        for one in everybody:
            one.state('at first')
        for n, kind in enumerate((CON, NON, CON, NON, NON, NON, CON)):
            origin.type = kind
            origin.set(f'state {n}'.encode())
            for one in everybody:
                one.state(f'state {n}')
        for one in scripted:
            one.in_order()
        equal([e.what for e in origin.events], ['register'] * len(ways))
        # Half of them leave: nobody else notices (OBS-54, OBS-55).
        for one in everybody[::2]:
            one.leave()
        origin.set(b'for the rest')
        for one in everybody[1::2]:
            one.state('for the rest')
        equal([e.what for e in origin.events], ['register'] * len(ways))
        for one in everybody[1::2]:
            one.leave()
        origin.wait(lambda: len(origin.asked('deregister')) == len(ways))
        same_again(origin)
        equal(len(origin.events), 2 * len(ways))


def same_again(origin):
    """Each registration has ended by the same request, under its token
    (OBS-38)."""
    def parts(message):
        return (message.source, message.token, message.code, message.payload,
                [o for o in message.options if o[0] != OBSERVE])

    begun, ended = (sorted(parts(e.message) for e in origin.asked(what))
                    for what in ('register', 'deregister'))
    equal(ended, begun)


@test('OBS-41 OBS-58: FETCHes of libcoap, every way: one for each body')
def _():
    bodies = ('this', 'that')
    with Watched(b'at first') as origin, \
            along_all(origin.port) as (ways, stack):
        everybody = [
            stack.enter_context(LibcoapObserver(
                way, '/x', '-m', 'fetch', '-t', 0, '-e', body))
            for way in ways for body in bodies for _ in range(2)]
        for text in ('at first', 'one', 'two'):
            origin.set(text.encode())
            for one in everybody:
                one.state(text)
        equal(sorted(e.message.payload.decode()
                     for e in origin.asked('register')),
              ['that'] * len(ways) + ['this'] * len(ways))
        for one in everybody:
            one.leave()
        origin.wait(lambda: not origin.observers)
        same_again(origin)


@test('OBS-22 OBS-54: one that began anew on its port resets what is not its')
def _():
    with Watched(b'at first') as origin, Proxy(
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n{LINGER}') as proxy:
        way = Way(proxy)
        with LibcoapObserver(way, '/x') as first, \
                LibcoapObserver(way, '/x') as other:
            first.state('at first')
            other.state('at first')
            port = udp_port(first.process.pid)
            first.signal(signal.SIGKILL)
            first.wait_end()
            with LibcoapObserver(way, '/y', '-p', port, '-T', 'new') as second:
                second.state('at first')
                equal(len(origin.asked('register')), 2)
                origin.set(b'changed')
                second.state('changed')
                other.state('changed')
                other.leave()
                # The RST has ended the entry: nobody is left for /x.
                origin.wait(lambda: origin.asked('deregister'))
                origin.set(b'once more')
                second.state('once more')
                equal([e.path for e in origin.asked('deregister')], ['/x'])
                equal(origin.asked('reset'), [])


# ---- large ----


def words(beginning):
    """3000 octets, no block of which could be another one, or another's."""
    return ''.join(f'{beginning:02}{n:03} ' for n in range(500))


@test('OBS-61 OBS-63 OBS-64: 3000 octets, scripted, every way')
def _():
    need_node()
    with Watched(words(0).encode()) as origin, \
            along_all(origin.port) as (ways, stack):
        node = stack.enter_context(NodeObservers())
        theirs = [node.observe(way, '/x') for way in ways]
        ours = [stack.enter_context(LibcoapObserver(way, '/x', *size))
                for way in ways for size in ([], ['-b', 64], ['-b', 512])]
        for n in range(5):
            if n > 0:
                origin.set(words(n).encode())
            for one in ours:
                one.state(words(n))
            for one in theirs:
                # Its stream looks for Observe in the last block, and then
                # takes what it has joined for old.
                one.state(words(n), kind='(plain|taken|left)')
        # Complete bodies, those that were, and nothing else.
        for one in ours:
            equal(set(one.output.split('\n')) <=
                  {'', *(words(n) for n in range(5))}, True, one.output)
        equal(len(origin.asked('register')), len(ways))
        equal(origin.asked('get'), [])
        for block_ in origin.asked('block'):
            equal(block_.message.value(OBSERVE), None)


@test('OBS-64: ... and changes while the proxy collects it')
def _():
    with Watched(words(0).encode()) as origin, Proxy(
            f'[route]\nto = coap://127.0.0.1:{origin.port}\n{LINGER}') as proxy:
        way = Way(proxy)
        changes = iter(range(2, 8))

        def change():
            if (n := next(changes, None)) is not None:
                origin.set(words(n).encode())

        with LibcoapObserver(way, '/x', '-b', 64) as small, \
                LibcoapObserver(way, '/x') as large:
            for one in (small, large):
                one.state(words(0))
            origin.before_block = change
            origin.set(words(1).encode())
            for one in (small, large):
                one.state(words(7))
                equal(set(one.output.split('\n')) <=
                      {'', *(words(n) for n in range(8))}, True, one.output)
        equal(next(changes, None), None)


@test('OBS-65: the rest of what it was told, though there is something newer')
def _():
    with Watched(words(0).encode()) as origin, Proxy(
            f'[cache]\n[route]\nto = coap://127.0.0.1:{origin.port}\n'
            f'{LINGER}') as proxy, Crowd(proxy.address, 2) as crowd:
        way, options = Way(proxy), [(BLOCK2, block(0, 0, 512))]
        slow, other = (one.observe(way, '/x', options) for one in crowd)
        for one in crowd:
            one.state(words(0)[:512])
        slow.answer = None
        for n in (1, 2):
            origin.set(words(n).encode())
            other.state(words(n)[:512])
        slow.state(words(1)[:512])
        for n in (1, 2):
            etag = slow.last().value(ETAG)
            for num in range(1, 6):
                token = bytes([n, num])
                slow.send(way.message(GET, '/x', [
                    (BLOCK2, block(num, 0, 512))], token=token))
                slow.wait(lambda: slow.last(token))
                got = slow.last(token)
                equal((got.value(ETAG), got.payload.decode()),
                      (etag, words(n)[num * 512:][:512]), (n, num))
            # OBS-28: only now.
            slow.acknowledge()
            slow.state(words(2)[:512])


@test('OBS-61: 3000 octets that libcoap keeps, every way')
def _():
    with QuietLibcoapServer() as server, \
            along_all(server.port) as (ways, stack):
        uri = f'{server.uri}/example_data'
        libcoap('-m', 'put', '-e', words(0), uri)
        everybody = [
            stack.enter_context(LibcoapObserver(way, '/example_data', *size))
            for way in ways for size in ([], ['-b', 64])]
        for n in range(4):
            if n > 0:
                libcoap('-m', 'put', '-e', words(n), uri)
            for one in everybody:
                one.state(words(n))
        for one in everybody:
            equal(set(one.output.split('\n')) <=
                  {'', *(words(n) for n in range(4))}, True, one.output)


run()
