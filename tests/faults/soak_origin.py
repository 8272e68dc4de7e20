"""An origin of soak.py, to be killed, stopped and told to misbehave.

    soak_origin.py PORT

It prints "port N". What it has:

    /echo       answers with the Uri-Query; counts by it what POST executes
    /slow       likewise, by an ACK and, later, a response of its own
    /same/N     what SAME says, with an ETag, fresh for a minute
    /watch/N    can be observed; "GENERATION COUNT" of a state that changes
    others      what was PUT there, in blocks if large

Lines of its standard input: "silent S", for S seconds it takes nothing;
"lie S", for so long each answer comes behind forged and malformed ones. A new
process knows nothing of the one before: another generation, Message IDs from 0.
At SIGTERM it prints how many POST it has executed twice.
"""

import heapq
import os
import pathlib
import random
import select
import signal
import sys
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'system'))

from blocks import Store, octets  # noqa: E402
from coap import (ACK, CON, EMPTY, ETAG, GET, MAX_AGE, NON,  # noqa: E402
                  OBSERVE, POST, RST, URI_QUERY, Endpoint, Message)

SAME = 16       # resources that do not change
WATCHED = 4     # ... and that can be observed
FRESH = 60      # their Max-Age, by the proxy's clock
REMEMBERED = 4000
TICK = 0.25     # seconds between changes of a resource
POISON = b'POISON'
LINKS = b'</echo>,</watch/0>;obs;rt="state"'


def same(number):
    """The body of /same/NUMBER, whoever serves it."""
    return octets(40 + 29 * number, number)


class Soaked(Store):
    def __init__(self, port):
        super().__init__(512)
        if port:
            self.close()
            Endpoint.__init__(self, port=port)
        self.generation = os.urandom(4).hex()
        self.count = [0] * WATCHED
        self.mid = 0
        self.observers = {}     # (address, token): the registration
        self.told = {}          # Message ID of a notification: observer
        self.posted = {}        # query of a POST
        self.twice = 0
        self.silent_until = self.lie_until = 0
        self.due = []           # heap of (when, number, function)

    # ---- time ----

    def after(self, seconds, function):
        heapq.heappush(self.due, (time.monotonic() + seconds,
                                  random.random(), function))

    def tick(self):
        self.after(TICK, self.tick)
        number = random.randrange(WATCHED)
        self.count[number] += 1
        for observer, request in list(self.observers.items()):
            if request.path == f'/watch/{number}':
                self.notify(observer, request, number)

    def serve(self):
        self.tick()
        commands = sys.stdin
        inputs = [self.socket, commands]
        while True:
            wait = max(0, self.due[0][0] - time.monotonic())
            ready = select.select(inputs, [], [], wait)[0]
            if commands in ready:
                line = commands.readline()
                if not line:
                    return
                self.command(*line.split())
            if self.socket in ready:
                self.take(*self.socket.recvfrom(65535))
            while self.due[0][0] <= time.monotonic():
                heapq.heappop(self.due)[2]()

    def command(self, what, seconds):
        until = time.monotonic() + float(seconds)
        if what == 'silent':
            self.silent_until = until
        else:
            self.lie_until = until

    # ---- messages ----

    def take(self, data, source):
        now = time.monotonic()
        if now < self.silent_until:
            return
        m = Message.decode(data)
        m.source = source
        if m.type == RST:
            self.observers.pop(self.told.pop(m.mid, None), None)
            return
        if now < self.lie_until and m.code != EMPTY:
            self.lie(m)
        self._input(data, source)
        self.puts.clear()
        self.tags.clear()
        for table in (self._parts, self._results, self._sent, self.told,
                      self.observers, self.posted):
            while len(table) > REMEMBERED:
                del table[next(iter(table))]

    def lie(self, m):
        """What is no answer to M. All of it comes from the right address."""
        self.send_raw(random.randbytes(random.randrange(1, 40)), m.source)
        for fields in ({'type': ACK, 'mid': m.mid ^ 1, 'token': m.token},
                       {'type': NON, 'token': os.urandom(8)},
                       {'type': CON, 'token': os.urandom(len(m.token))},
                       {'type': NON, 'token': m.token[:-1]},
                       {'type': RST, 'mid': m.mid ^ 2, 'token': b'',
                        'code': EMPTY, 'payload': b''}):
            self.send(Message(**{'code': '2.05', 'payload': POISON, **fields}),
                      m.source)

    def next_mid(self):
        self.mid = (self.mid + 1) & 0xffff
        return self.mid

    def respond(self, m):
        kind = m.path.split('/')[1]
        query = m.value(URI_QUERY) or b''
        if kind in ('echo', 'slow'):
            if m.code == POST:
                self.twice += query in self.posted
                self.posted[query] = True
                return '2.04', query, []
            return '2.05', query, []
        if kind == '.well-known':
            return '2.05', LINKS, [(12, 40), (MAX_AGE, 60)]
        if kind == 'same' and m.code == GET:
            number = int(m.path.split('/')[2])
            return self.unless_known(m, same(number), b'S%d' % number)
        if kind == 'watch' and m.code == GET:
            return self.watch(m)
        return super().respond(m)

    def unless_known(self, m, body, tag):
        if tag in m.values(ETAG):
            return '2.03', b'', [(ETAG, tag), (MAX_AGE, FRESH)]
        code, payload, options = self._cut('2.05', body, m, [])
        options = [o for o in options if o[0] != ETAG]
        return code, payload, [*options, (ETAG, tag), (MAX_AGE, FRESH)]

    def reply(self, request, code='2.05', payload=b'', options=(), **change):
        """/slow is answered twice: now that it was heard, and later."""
        if request.path != '/slow' or request.type != CON or change:
            return super().reply(request, code, payload, options, **change)
        later = Message(code, '', options, payload, type=CON,
                        mid=self.next_mid(), token=request.token)
        self.after(random.uniform(0.05, 0.6),
                   lambda: self.send(later, request.source))
        return super().reply(request, EMPTY, token=b'')

    # ---- observers ----

    def state(self, number):
        return f'{self.generation} {self.count[number]}'.encode()

    def tag(self, number):
        return zlib.crc32(self.state(number)).to_bytes(4, 'big')

    def watch(self, m):
        number = int(m.path.split('/')[2])
        observer, wish = (m.source, m.token), m.value(OBSERVE)
        options = [(MAX_AGE, FRESH), (ETAG, self.tag(number))]
        if wish == b'':
            self.observers[observer] = m
            options.append((OBSERVE, self.count[number]))
        elif wish == b'\1':
            self.observers.pop(observer, None)
        return '2.05', self.state(number), options

    def notify(self, observer, request, number):
        told = self.send(Message(
            '2.05', '', [(OBSERVE, self.count[number]), (MAX_AGE, FRESH),
                         (ETAG, self.tag(number))],
            self.state(number), type=random.choice((CON, NON)),
            mid=self.next_mid(), token=request.token), request.source)
        self.told[told.mid] = observer


def main(port):
    origin = Soaked(port)

    def end(*_):
        print(f'twice {origin.twice}', flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    print(f'port {origin.port}', flush=True)
    origin.serve()


if __name__ == '__main__':
    main(int(sys.argv[1]))
