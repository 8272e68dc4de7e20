"""Observations that are lost: nobody may be left who thinks to observe."""

import contextlib
import re
import signal
import time

from coap import CON, ETAG
from observers import Crowd, LibcoapObserver, NodeObservers, RemoteOrigin
from programs import LibcoapServer, Node, Proxy, need_node, node_server
from tap import equal, run, test
from ways import Way
from watched import Watched

AGE = 2             # Max-Age of the origins, seconds
TIMEOUT = 10        # of the routes
LATER = AGE + 15    # when the last re-registration goes out
REPEAT = 3          # ACK_TIMEOUT * ACK_RANDOM_FACTOR
SLACK = 1


class Place:
    """A path at the proxy, and who observes it: libcoap, node-coap, and two
    scripted clients."""

    def __init__(self, proxy, name, path, begin, node):
        self.way = Way(proxy, prefix=f'/{name}')
        self.scripted = [member.observe(self.way, path)
                         for member in begin(Crowd(proxy.address, 2))]
        self.node = node.observe(self.way, path)
        self.libcoap = begin(LibcoapObserver(self.way, path))
        self.everybody = [*self.scripted, self.node, self.libcoap]

    def state(self, text, until=None):
        for one in self.everybody:
            one.state(text, *_left(until))

    def ended(self, code, until):
        """All are told CODE at last, the scripted ones by a CON."""
        for one in self.everybody:
            one.ended(code, *_left(until))
        for one in self.scripted:
            *states, final = one.told()
            equal(({m.code for m in states}, final.type), ({'2.05'}, CON))


def _left(until):
    return [] if until is None else [max(0, until - time.monotonic())]


def kill(program):
    program.signal(signal.SIGKILL)
    program.wait_end()


# Each case begins its origin and says which port that has; is given a Place;
# loses the observation when all cases have come that far; and then, given the
# time of that, looks what becomes of it.


def forgetful(begin):
    origin = begin(Watched(b'before', AGE))
    place = yield origin.port
    place.state('before')
    origin.set(b'now')
    place.state('now')
    yield
    origin.forget(b'after')
    lost = yield
    place.state('after', lost + LATER + SLACK)
    first = origin.asked('register')[0]
    again = [e for e in origin.asked('register') if e.time > lost][0]
    # OBS-37: under the token it had; the ETag is that of its copy.
    equal((again.token, again.message.source, again.message.value(ETAG)),
          (first.token, first.message.source, b'\0\0\0\2'))
    equal(again.time - lost >= AGE + 5 - SLACK, True, 'not before')


def refusing(begin, what='observers', code='5.03'):
    origin = begin(Watched(b'before', AGE))
    place = yield origin.port
    place.state('before')
    origin.set(b'now')
    place.state('now')
    yield
    origin.refuse(what)
    lost = yield
    place.ended(code, lost + LATER + SLACK)
    # A registration is one as any other again.
    origin.refuse(None)
    for one in place.scripted:
        one.observe(place.way, '/x')
        one.state('now')


def resetting(begin):
    return refusing(begin, 'all', '5.02')


def gone(begin):
    origin = begin(RemoteOrigin('before', AGE))
    place = yield origin.port
    place.state('before')
    yield
    kill(origin)
    lost = yield
    place.ended('5.02', lost + LATER + SLACK)


def restarted(begin):
    origin = begin(RemoteOrigin('before', AGE))
    place = yield origin.port
    place.state('before')
    for n in range(5):
        origin.set(b'%d' % n)
        place.state(f'{n}')
    yield
    kill(origin)
    # It counts from 1 again.
    begin(RemoteOrigin('after', AGE, origin.port))
    lost = yield
    place.state('after', lost + LATER + REPEAT + SLACK)


def restarted_libcoap(begin):
    def ticks(output):
        return set(re.findall(r'^\w{3} \d\d \d\d:\d\d:\d\d$', output, re.M))

    origin = begin(LibcoapServer())
    place = yield origin.port
    place.libcoap.wait_for(ticks)
    yield
    kill(origin)
    begin(LibcoapServer('-p', origin.port))
    lost = yield
    seen = ticks(place.libcoap.output)
    place.libcoap.wait_for(lambda output: len(ticks(output) - seen) >= 2,
                           *_left(lost + LATER + REPEAT + 2 + SLACK))
    for one in place.scripted:
        one.wait(lambda: one.heard[-1][0] > lost + 2)


def quiet_node(begin):
    # For Max-Age nobody changes anything, and node-coap says nothing. It takes
    # the re-registration for another observer.
    origin = begin(node_server(AGE))
    put = begin(Node('client', origin.port))
    put.ask({'method': 'PUT', 'path': '/x', 'text': 'before'})
    place = yield origin.port
    place.state('before')
    yield
    lost = yield
    origin.wait_for(lambda output: output.count('observed /x') >= 2,
                    *_left(lost + LATER + REPEAT + SLACK))
    for text in ('after', 'and after'):
        put.ask({'method': 'PUT', 'path': '/x', 'text': text})
        place.state(text)


def stopped(begin):
    origin = begin(RemoteOrigin('before', AGE))
    place = yield origin.port
    place.state('before')
    yield
    origin.signal(signal.SIGSTOP)
    try:
        lost = yield
        place.ended('5.04', lost + LATER + TIMEOUT + SLACK)
    finally:
        kill(origin)


# In the order in which they have to be over.
CASES = (forgetful, refusing, resetting, gone, restarted, restarted_libcoap,
         quiet_node, stopped)
PATHS = {'restarted_libcoap': '/time'}


@test('OBS-37 OBS-39 OBS-52 CAC-53: eight origins that notify no more')
def _():
    # Side by side: none of them takes less time.
    need_node()
    with contextlib.ExitStack() as stack:
        begin = stack.enter_context
        cases = {case.__name__: case(begin) for case in CASES}
        proxy = begin(Proxy(''.join(
            f'[route {name}]\npath = /{name}\ntimeout = {TIMEOUT}s\n'
            f'to = coap://127.0.0.1:{next(case)}\n'
            for name, case in cases.items())))
        node = begin(NodeObservers())
        for name, case in cases.items():
            stack.callback(case.close)
            case.send(Place(proxy, name, PATHS.get(name, '/x'), begin, node))
        for case in cases.values():
            next(case)
        lost = time.monotonic()
        for case in cases.values():
            with contextlib.suppress(StopIteration):
                case.send(lost)


run()
