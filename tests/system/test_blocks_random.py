"""Random clients and a random origin, block-wise: whatever they do, no octet is
wrong, none is mixed up with another, and everybody gets an answer.

BLOCKS_SEED=N repeats what the clients and the origin choose, though not when
their datagrams meet; BLOCKS_SECONDS=N is how long they go on.
"""

import functools
import itertools
import os
import random
import time

import tap
from blocks import Store, numbers, talk
from coap import (ACK, BLOCK1, BLOCK2, CON, EMPTY, ETAG, FETCH, GET, MAX_AGE,
                  NON, POST, PUT, REQUEST_TAG, Client, Message, block)
from programs import Proxy
from tap import equal, test

SEED = int(os.environ.get('BLOCKS_SEED') or random.randrange(1 << 30))
SECONDS = float(os.environ.get('BLOCKS_SECONDS') or 4)
USERS = 16
SIZES = 16, 32, 64, 128, 256, 512, 1024
MAX_BODY = 16384
CONTENT_FORMAT = 12
PATIENCE = 60       # seconds without anything for anybody

tap.LIMIT = int(2 * SECONDS) + 120


@functools.lru_cache(4096)
def content(*what):
    """What there is under a name: octets, always the same."""
    rng = random.Random(repr(what))
    top = {'big': 3 * MAX_BODY, 'put': MAX_BODY}.get(what[0], 5000)
    low = MAX_BODY + 1 if what[0] == 'big' else 8
    length = rng.choice((rng.randrange(low, top), rng.randrange(low, low + 99),
                         low // 1024 * 1024 + 1024))
    return rng.randbytes(length)


def upload_body(number, too_large=False):
    """A body that says which it is."""
    rest = content('put', number) + bytes(MAX_BODY if too_large else 0)
    return number.to_bytes(8, 'big') + rest[8:]


class Origin(Store):
    """/v/N comes in versions, with ETag; /s/N has none and stays, as does
    /big/N, which is too large for the proxy; /own/N is what was PUT there, its
    number is the ETag. A POST gets its body back, backwards; a FETCH something
    that its payload is the name of. With faults it does what it should not."""

    def __init__(self, rng):
        super().__init__()
        self.rng = rng
        self.faults = False
        self.left = 0       # uploads that nobody goes on with
        self.versions, self.whole = {}, set()
        self.done = {}      # what happened, how often
        self.owned = {}     # by path: number

    def count(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    def key_of(self, m):
        # The proxy goes on from another port when it has no Message IDs left.
        return super().key_of(m)[1:]

    # What it says.

    def respond(self, m):
        self.size = self.rng.choice(SIZES)
        if self.faults and self.rng.random() < 0.01:
            return self.refuse(m)
        if m.code in (PUT, POST):
            return self.store(m)
        kind = m.path.split('/')[1]
        tag = None
        if m.code == FETCH:
            key = self.key_of(m)
            value = m.value(BLOCK2)
            if value and m.value(BLOCK1) is None and not m.payload:
                if key not in self._results:
                    return '4.08', b'', []
                return self.cut('2.05', self._results[key], m, [], None)
            step, body, options = self._take(key, m)
            if step != '2.04':
                return step, b'', options
            found = self._results[key] = content('fetch', body)
            return self.cut('2.05', found, m, options, None)
        if kind == 'v':
            version = self.versions.setdefault(m.path, 0)
            if self.rng.random() < 0.003:
                self.count('new version')
                self.versions[m.path] = version = version + 1
            tag = version.to_bytes(4, 'big')
            body = content('v', m.path, version)
        elif kind == 'own':
            if m.path not in self.owned:
                return '4.04', b'', []
            tag = self.owned[m.path].to_bytes(8, 'big')
            body = upload_body(self.owned[m.path])
        else:
            body = content(kind, m.path)
        if tag and tag in m.values(ETAG) and m.value(BLOCK2) is None:
            self.count('2.03')
            return '2.03', b'', [(ETAG, tag), *self.age()]
        return self.cut('2.05', body, m, [], tag)

    def store(self, m):
        """Put together as Store does it."""
        before = len(self.puts)
        code, payload, options = super().respond(m)
        if len(self.puts) > before:
            number = int.from_bytes(self.puts[-1][1][:8], 'big')
            self.check(number, self.puts[-1][1])
            self.owned[m.path] = number
            self.puts.clear()
            self.tags.clear()
        return code, payload, options

    def check(self, number, body):
        if number not in self.whole:
            raise AssertionError(f'{number}: its end was never sent')
        if body != upload_body(number):
            raise AssertionError(f'{number} was mixed up')
        self.count('bodies up')

    def age(self):
        age = self.rng.choice((None, 0, 1, 2, 60))
        return [] if age is None else [(MAX_AGE, age)]

    def cut(self, code, body, m, options, tag):
        code, payload, found = self._cut(code, body, m, options)
        found = [o for o in found if o[0] != ETAG]
        if tag is not None and code[0] == '2':
            found.append((ETAG, tag))
        # What is too large is passed on as it is.
        if self.faults and len(body) <= MAX_BODY and \
                self.rng.random() < 0.01:
            return self.spoil(code, payload, found)
        return code, payload, [*found, *self.age()]

    def refuse(self, m):
        code = self.rng.choice(('4.04', '4.08', '4.13', '5.00', '5.03',
                                '4.29', '4.02', '2.31', '5.01', '4.00'))
        self.count(code)
        options = [(MAX_AGE, self.rng.randrange(2))]
        if (value := m.value(BLOCK1)) and self.rng.random() < 0.5:
            num, more, size = numbers(value)
            options.append((BLOCK1, block(num, more, max(16, size // 2))))
        return code, b'no', options

    def spoil(self, code, payload, options):
        """Something is wrong with a block behind the first."""
        value = dict(options).get(BLOCK2)
        if value is None or numbers(value)[0] == 0:
            return code, payload, options
        num, more, size = numbers(value)
        kind = self.rng.choice(('num', 'length', 'none', 'tag', 'format'))
        self.count(f'bad {kind}')
        if kind == 'length':
            payload = payload[:-1] if more else payload + bytes(size)
        elif kind == 'format':
            options = [*options, (CONTENT_FORMAT, 41)]
        elif kind == 'tag':
            options = [(ETAG, b'other'),
                       *(o for o in options if o[0] != ETAG)]
        else:
            options = [o for o in options if o[0] != BLOCK2]
            if kind == 'num':
                options.append((BLOCK2, block(num + 1, more, size)))
        return code, payload, options

    # How it says it.

    def reply(self, request, *args, **change):
        chance = self.rng.random() if self.faults else 1
        if chance < 0.002:
            self.count('lost answer')
            return self.rot(request, *args)
        if chance < 0.004:
            self.count('reset')
            self.reset(request)
            return self.rot(request, *args)
        if chance < 0.03 and request.type == CON:
            self.count('separate')
            self.acknowledge_first(request)
            return super().reply(request, *args, type=CON,
                                 mid=self.rng.randrange(65536))
        sent = super().reply(request, *args, **change)
        if chance < 0.06:
            self.count('answer twice')
            self.send_raw(sent.raw, request.source)
        return sent

    def acknowledge_first(self, request):
        self.send(Message(EMPTY, type=ACK, mid=request.mid, token=b''),
                  request.source)

    def reset(self, request):
        self.send(Message(EMPTY, type=3, mid=request.mid, token=b''),
                  request.source)

    def rot(self, request, code, payload, options):
        """The answer as it would have been sent."""
        m = Message(code, '', options, payload, type=ACK, mid=request.mid,
                    token=request.token)
        m.raw = m.encode()
        return m

    def _input(self, data, source):
        if self.faults and self.rng.random() < 0.002:
            self.count('lost request')
            return
        super()._input(data, source)


class Wrong(AssertionError):
    """An answer that must not be."""


class User:
    """A client that does one thing after the other until the time is up."""

    numbers = itertools.count(1)

    def __init__(self, n, origin, rng):
        self.n, self.origin, self.rng = n, origin, rng
        self.own = {0}      # what /own/n may be; 0: nothing
        self.done = {}

    def count(self, what):
        self.done[what] = self.done.get(what, 0) + 1

    def live(self, end):
        while time.monotonic() < end and not self.origin.error:
            what = self.rng.choices(
                (self.get, self.get_own, self.put, self.post, self.fetch,
                 self.two_at_once), (6, 2, 5, 3, 2, 1))[0]
            yield from what()

    def ask(self, code, path, options, payload=b''):
        """One request; None, if what comes is an error that may be."""
        kind = self.rng.choice((CON, CON, NON))
        got = yield Message(code, path, options, payload, type=kind)
        if got.code[0] == '2':
            return got
        self.count(got.code)
        if not self.origin.faults:
            return got
        return None

    # Down.

    def body_of(self, got, path):
        kind = path.split('/')[1]
        if kind == 'v':
            version = int.from_bytes(got.value(ETAG), 'big')
            return content('v', path, version)
        if kind == 'own':
            number = int.from_bytes(got.value(ETAG), 'big')
            if number not in self.own:
                raise Wrong(f'{path} is {number}, not {self.own}')
            self.own = {number}
            return upload_body(number)
        return content(kind, path)

    def block_of(self, got, body, at, size):
        """Checks that GOT is the block of BODY at AT; (length, more)."""
        value = got.value(BLOCK2)
        if value is None:
            if size or at or got.payload != body:
                raise Wrong(f'{got}: not all of {len(body)} octets')
            return len(body), False
        num, more, theirs = numbers(value)
        if size and theirs > size or num * theirs != at:
            raise Wrong(f'{got}: not what was asked for, {at} {size}')
        if got.payload != body[at:at + theirs] or \
                more != (at + theirs < len(body)):
            raise Wrong(f'{got}: wrong octets of {len(body)} at {at}')
        return theirs, more

    def read(self, code, path, payload=b'', body=None):
        """Blocks of PATH, more or less in order."""
        size, at = self.rng.choice((None, *SIZES)), 0
        for _ in range(self.rng.choice((3, 40, 400))):
            options = [(BLOCK2, block(at // size, 0, size))] if size else []
            got = yield from self.ask(code, path, options, payload)
            if got is None:
                return
            if got.code == '4.04' and path.startswith('/own') and \
                    0 in self.own:
                return
            if got.code == '4.00' and path.startswith('/v') and at > 0:
                self.count('beyond the end')    # of the next version
                return
            if got.code == '5.02' and path.startswith('/v'):
                return          # it changed too often
            if got.code != '2.05':
                raise Wrong(f'{got} for {path} at {at} {size}')
            whole = body or self.body_of(got, path)
            theirs, more = self.block_of(got, whole, at, size)
            self.count('blocks down')
            step = self.rng.random()
            if step < 0.02:
                return
            if step < 0.05:
                continue                    # the same again
            size = theirs
            if step < 0.1 and len(whole) > size:
                at = self.rng.randrange(len(whole) // size) * size
            elif not more:
                self.count('bodies down')
                return
            else:
                at += size
            if step > 0.9:
                size = self.rng.choice([s for s in SIZES if at % s == 0])
            if at >= len(whole):
                return

    def get(self):
        kind = self.rng.choice(('v', 'v', 's', 's', 'big'))
        yield from self.read(GET, f'/{kind}/{self.rng.randrange(5)}')

    def get_own(self):
        yield from self.read(GET, f'/own/{self.n}')

    def fetch(self):
        name = b'name %d' % self.rng.randrange(5)
        if self.rng.random() < 0.5:
            yield from self.read(FETCH, '/fetch', name, content('fetch', name))
            return
        name = name * self.rng.randrange(1, 300)
        got = yield from self.send(FETCH, '/fetch', name)
        if got:
            yield from self.take(got, FETCH, '/fetch', content('fetch', name))

    # Up.

    def send(self, code, path, body, number=None, tags=()):
        """Sends BODY in blocks, not straight on; the answer, or None."""
        size, at = self.rng.choice(SIZES), 0
        while True:
            more = at + size < len(body)
            if not more and number:
                self.origin.whole.add(number)
                if code == PUT:
                    self.own.add(number)
            options = [(BLOCK1, block(at // size, more, size)), *tags]
            got = yield from self.ask(code, path, options,
                                      body[at:at + size])
            if got is None:
                return None
            if got.code == '5.03' and self.origin.left > 20:
                return None     # there is no room for more of them
            theirs = numbers(got.value(BLOCK1))
            if theirs[:2] != (at // size, more and got.code == '2.31'):
                raise Wrong(f'{got} for block {at // size} of {size}')
            if len(body) > MAX_BODY and got.code == '4.13':
                return None
            if not more:
                return got
            if got.code != '2.31':
                raise Wrong(f'{got} for block {at // size} of {size}')
            self.count('blocks up')
            step = self.rng.random()
            if step < 0.002:
                self.origin.left += 1
                return None
            if step < 0.01:
                at = 0
                continue
            if step < 0.03:
                continue                    # the last one again
            at += size
            if step < 0.05 and at + 2 * size < min(len(body), MAX_BODY):
                yield from self.skip(code, path, body, at + size, size, tags)
            if step > 0.95:
                size = self.rng.choice([s for s in SIZES if at % s == 0])

    def skip(self, code, path, body, at, size, tags):
        got = yield from self.ask(
            code, path, [(BLOCK1, block(at // size, 1, size)), *tags],
            body[at:at + size])
        if got and got.code != '4.08':
            raise Wrong(f'{got} for a block behind a gap')

    def put(self):
        number, large = next(self.numbers), self.rng.random() < 0.03
        body = upload_body(number, large)
        got = yield from self.send(PUT, f'/own/{self.n}', body, number)
        if got and got.code in ('2.01', '2.04'):
            if large:
                raise Wrong(f'{got} for {len(body)} octets')
            self.count('bodies up')
            self.own = {number}
        elif got:
            raise Wrong(f'{got} for /own/{self.n}')

    def post(self):
        number = next(self.numbers)
        body = upload_body(number)
        # What goes up in one datagram has no Request-Tag: an origin cannot
        # tell whose rest of the answer is asked for.
        path = f'/post/{self.rng.randrange(3) if len(body) > 1024 else number}'
        got = yield from self.send(POST, path, body, number)
        if got and got.code != '2.04':
            raise Wrong(f'{got} for a POST')
        if got:
            yield from self.take(got, POST, path, body[::-1])

    def take(self, got, code, path, body):
        """The rest of the answer GOT to what was sent in blocks."""
        at = 0
        while True:
            if at > 0 and got.code == '4.08':
                return      # forgotten
            theirs, more = self.block_of(got, body, at, None)
            if not more:
                self.count('bodies down')
                return
            at += theirs
            size = self.rng.choice([s for s in SIZES
                                    if at % s == 0 and s <= theirs])
            got = yield from self.ask(code, path, [
                (BLOCK2, block(at // size, 0, size))])
            if got is None or self.rng.random() < 0.01:
                return

    def two_at_once(self):
        """Two bodies to one place, told apart by Request-Tag."""
        both = next(self.numbers), next(self.numbers)
        uploads = {n: self.send(PUT, f'/own/{self.n}', upload_body(n), n,
                                [(REQUEST_TAG, bytes([n & 1]))])
                   for n in both}
        got = dict.fromkeys(both)
        while uploads:
            n = self.rng.choice([*uploads])
            try:
                got[n] = yield uploads[n].send(got[n])
            except StopIteration as end:
                del uploads[n]
                if end.value:
                    self.own &= set(both)


@test(f'BLK-17 BLK-26 BLK-27 BLK-47: seed {SEED}: {SECONDS} s at random')
def _():
    rng = random.Random(SEED)
    with Origin(random.Random(rng.random())) as origin, Proxy(f'''
            [cache]
            size = {rng.choice(('0', '100K', '64M'))}
            [message]
            ack-timeout = 1s
            [block]
            max-body = {MAX_BODY}
            size = {rng.choice((64, 512, 1024, 1024))}
            [route]
            timeout = 20s
            to = coap://127.0.0.1:{origin.port}''') as proxy:
        users = [User(n, origin, random.Random(rng.random()))
                 for n in range(USERS)]
        clients = [Client(proxy.address) for _ in users]
        done = {}
        for faults, share in (False, 0.3), (True, 0.7):
            origin.faults = faults
            end = time.monotonic() + SECONDS * share
            try:
                talk(*((c, u.live(end)) for c, u in zip(clients, users)),
                     wait=PATIENCE)
            finally:
                print(f'# seed {SEED}, faults {faults}')
                for one in users:
                    for what, number in one.done.items():
                        done[what] = done.get(what, 0) + number
                    one.done = {}
                print('# users', dict(sorted(done.items())))
                print('# origin', dict(sorted(origin.done.items())))
        # Enough of it came to something.
        for what in 'blocks up', 'blocks down', 'bodies up', 'bodies down':
            equal(done.get(what, 0) > 20, True, what)
        for client in clients:
            equal(client.fence(), [])
            client.close()


tap.run()
