"""Bodies in blocks (RFC 7959), as scripts send, take and serve them.

A transfer is a generator of the requests of a client, which is sent the
responses; talk() runs any number of them at once. Store is an origin.
"""

import random
import select
import threading
import zlib

from coap import (ACK, BLOCK1, BLOCK2, CON, EMPTY, ETAG, GET, PUT, REQUEST_TAG,
                  RST, WAIT, Message, Origin, Silence, block)


def octets(number, seed=0):
    """A body in which no two blocks are the same."""
    return random.Random(seed).randbytes(number)


def numbers(value):
    """(NUM, M, size) of a Block option."""
    value = int.from_bytes(value, 'big')
    return value >> 4, bool(value & 8), 16 << (value & 7)


# ---- clients ----


def upload(code, path, body, size, options=(), make=Message):
    """Sends BODY in blocks of SIZE, or smaller if told so (BLK-25). The result
    is the last response; errors end it."""
    at = 0
    while True:
        more = at + size < len(body)
        ours = block(at // size, more, size)
        got = yield make(code, path, [*options, (BLOCK1, ours)],
                         body[at:at + size])
        if not more or got.code != '2.31':
            return got
        num, theirs, smaller = numbers(got.value(BLOCK1))
        if (num, theirs) != (at // size, True) or smaller > size:
            raise AssertionError(f'{got} for block {num} of {size}')
        at, size = at + size, smaller


def rest(got, code, path, options=(), make=Message):
    """The body that begins with the response GOT: its further blocks are asked
    for. The result is (GOT, body), or (error, None)."""
    first, body, number = got, got.payload, 0
    while (value := got.value(BLOCK2)) is not None:
        num, more, size = numbers(value)
        if num != number or more and len(got.payload) != size:
            raise AssertionError(f'{got} is not block {number}')
        if got.value(ETAG) != first.value(ETAG):
            raise AssertionError(f'{got} after {first}')
        if not more:
            break
        number = len(body) // size
        got = yield make(code, path,
                         [*options, (BLOCK2, block(number, 0, size))])
        if got.code != first.code:
            return got, None
        body += got.payload
        if got.value(BLOCK2) is None:
            raise AssertionError(f'{got} without Block2')
    return first, body


def download(path, size=None, code=GET, options=(), make=Message):
    """Gets PATH in blocks of SIZE, or as it comes; the result is rest()'s."""
    asked = [(BLOCK2, block(0, 0, size))] if size else []
    got = yield make(code, path, [*options, *asked])
    if size and got.value(BLOCK2) and numbers(got.value(BLOCK2))[2] > size:
        raise AssertionError(f'{got} for blocks of {size}')
    return (yield from rest(got, code, path, options, make))


class _Talker:
    """One client of talk()."""

    def __init__(self, client, transfer):
        self.client, self.transfer = client, transfer
        self.done, self.result, self.request = False, None, None
        self._go_on(None)

    def _go_on(self, response):
        try:
            self.request = self.client.send(self.transfer.send(response))
        except StopIteration as end:
            self.done, self.result = True, end.value

    def receive(self):
        m = self.client.receive()
        if m.type == RST or m.type == ACK and m.mid != self.request.mid:
            raise AssertionError(f'{m} for {self.request}')
        if m.type == CON:
            self.client.send(Message(EMPTY, type=ACK, mid=m.mid, token=b''))
        if m.code == EMPTY:
            return
        if m.token != self.request.token:
            raise AssertionError(f'other token: {m} for {self.request}')
        self._go_on(m)


# Seconds: a body of 300 KB is collected in 4700 blocks before the first answer.
COLLECTED = 30


def talk(*pairs, wait=COLLECTED):
    """Runs all (client, transfer) at once; their results, in order. Fails when
    nobody hears anything for WAIT seconds."""
    talkers = [_Talker(*pair) for pair in pairs]
    by_fd = {t.client.socket.fileno(): t for t in talkers}
    with select.epoll() as poll:
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        while not all(t.done for t in talkers):
            ready = poll.poll(wait)
            if not ready:
                waiting = [t.request for t in talkers if not t.done]
                raise Silence(f'no answer to {waiting}')
            for fd, _ in ready:
                by_fd[fd].receive()
    return [t.result for t in talkers]


# ---- origins ----


class Store(Origin):
    """An origin in a thread of its own that keeps what is PUT and gives it to
    GET, in blocks of at most SIZE; the answer to a POST is what it got,
    backwards. Put together are only the blocks of one port with one list of
    Request-Tags, each behind the other.

    bodies: by path. puts: (path, body) in the order in which they were
    complete. tags: the lists of Request-Tags of bodies that came in blocks.
    requests: how many there were."""

    def __init__(self, size=1024, address='127.0.0.1'):
        super().__init__(address)
        self.size = size
        self.bodies, self.puts, self.tags, self.requests = {}, [], [], 0
        self.error = None
        self._parts, self._results, self._sent = {}, {}, {}
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def wait_for(self, condition):
        """Until CONDITION(), which looks at what is here, holds."""
        with self._news:
            if not self._news.wait_for(condition, WAIT):
                raise Silence('the origin does not get there')

    def _serve(self):
        try:
            while True:
                data, source = self.socket.recvfrom(65535)
                if not data:
                    return
                with self._news:
                    self._input(data, source)
                    self._news.notify_all()
        except Exception as error:
            self.error = error
            raise

    def _input(self, data, source):
        m = Message.decode(data)
        m.source = source
        if m.code == EMPTY:
            return
        key = source, m.mid
        if key in self._sent:
            self.send_raw(self._sent[key], source)
            return
        self.requests += 1
        code, payload, options = self.respond(m)
        self._sent[key] = self.reply(m, code, payload, options).raw

    def key_of(self, m):
        """What M has in common with the others of its transfer."""
        return m.source, m.code, m.path, tuple(m.values(REQUEST_TAG))

    def respond(self, m):
        """(code, payload, options) for the request M."""
        if m.code == GET:
            if m.path not in self.bodies:
                return '4.04', b'', []
            return self._cut('2.05', self.bodies[m.path], m, [])
        key = self.key_of(m)
        if (later := m.value(BLOCK2)) and m.value(BLOCK1) is None and \
                numbers(later)[0] > 0:
            if key not in self._results:
                return '4.08', b'no such result', []
            return self._cut('2.04', self._results[key], m, [])
        step, body, options = self._take(key, m)
        if step != '2.04':
            return step, b'', options
        if m.code == PUT:
            made = m.path not in self.bodies
            self.bodies[m.path] = body
            self.puts.append((m.path, body))
            return '2.01' if made else '2.04', b'', options
        self._results[key] = body[::-1]
        return self._cut('2.04', body[::-1], m, options)

    def _take(self, key, m):
        """(code, body, options): 2.04 when the body is complete."""
        value = m.value(BLOCK1)
        if value is None:
            return '2.04', m.payload, []
        num, more, size = numbers(value)
        part = b'' if num == 0 else self._parts.pop(key, b'')
        if num * size != len(part) or more and len(m.payload) != size:
            return '4.08', None, [(BLOCK1, value)]
        part += m.payload
        options = [(BLOCK1, block(num, more, min(size, self.size)))]
        if more:
            self._parts[key] = part
            return '2.31', None, options
        self.tags.append(m.values(REQUEST_TAG))
        return '2.04', part, options

    def _cut(self, code, body, m, options):
        """BODY, or the block of it that M asks for."""
        value = m.value(BLOCK2)
        num, _, size = numbers(value) if value is not None else \
            (0, 0, self.size)
        if size > self.size:
            num, size = num * size // self.size, self.size
        if value is None and len(body) <= size:
            return code, body, options
        if num > 0 and num * size >= len(body):
            return '4.00', b'no such block', options
        more = (num + 1) * size < len(body)
        tag = zlib.crc32(body).to_bytes(4, 'big')
        return code, body[num * size:][:size], [
            *options, (ETAG, tag), (BLOCK2, block(num, more, size))]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self.send_raw(b'', self.socket.getsockname())
        self._thread.join(WAIT)
        self.close()
        if self.error and kind is None:
            raise AssertionError('the origin failed') from self.error
